//! Any bytes as Asterisk's replies: no panic, no more kept than the bound, and the same however they are cut.

use crate::pieces;
use strowger_fuzz::wire::agi::{Message, ReplyDecoder, reply::REPLY_BYTES_MAX};

pub fn run(input: &[u8]) {
    let Some((piece_bytes, stream)) = pieces::stream(input) else { return };
    let whole = pieces::decoded(ReplyDecoder::new(), stream, stream.len().max(1), usize::MAX);
    assert_eq!(whole, pieces::decoded(ReplyDecoder::new(), stream, piece_bytes, REPLY_BYTES_MAX));
    for message in &whole.0 {
        if let Message::Reply(reply) = message {
            let _ = reply.result_number();
        }
    }
}
