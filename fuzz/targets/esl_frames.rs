//! Any bytes as FreeSWITCH's frames: no panic, no more kept than the bounds, and the same however they are cut.

use crate::pieces;
use strowger_fuzz::wire::esl::{FrameDecoder, FrameKind, FrameLimits, percent_decode};

/// Small, so that they are met.
const LIMITS: FrameLimits = FrameLimits { header_bytes_max: 512, body_bytes_max: 1_024 };

pub fn run(input: &[u8]) {
    let Some((piece_bytes, stream)) = pieces::stream(input) else { return };
    let whole = pieces::decoded(FrameDecoder::new(LIMITS), stream, stream.len().max(1), usize::MAX);
    let cut = pieces::decoded(FrameDecoder::new(LIMITS), stream, piece_bytes, LIMITS.header_bytes_max + LIMITS.body_bytes_max);
    assert!(whole == cut);
    for frame in &whole.0 {
        assert!(frame.headers.as_bytes().len() < LIMITS.header_bytes_max && frame.body.len() <= LIMITS.body_bytes_max);
        assert_eq!(frame.log().is_some(), frame.kind() == FrameKind::LogData);
        let _ = (frame.is_ok(), frame.is_connect_reply(), frame.log().map(|log| (log.level(), log.line(), log.user_data().is_some())));
        for (name, value) in frame.headers.iter() {
            assert!(!name.contains(&b'\n') && !value.contains(&b'\n') && percent_decode(value).len() <= value.len());
        }
    }
    // room for everything: whatever isn't too long is read the same
    let (roomy, _) = pieces::decoded(FrameDecoder::default(), stream, piece_bytes, usize::MAX);
    assert!(whole.1.is_some() || roomy == whole.0);
}
