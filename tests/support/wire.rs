//! What the property tests of the wire share: streams cut anywhere, and text that means harm.

// each test binary uses a part of this
#![allow(dead_code)]

use bytes::BytesMut;
use proptest::{collection::vec, prelude::*};
use tokio_util::codec::Decoder;

/// Feeds a decoder piece by piece, as reads would; gives what came out and the first error, and checks the bound.
pub fn feed<D: Decoder>(mut decoder: D, pieces: &[&[u8]], bytes_max: usize) -> (Vec<D::Item>, Option<D::Error>) {
    let (mut buffer, mut items) = (BytesMut::new(), Vec::new());
    for piece in pieces {
        buffer.extend_from_slice(piece);
        loop {
            match decoder.decode(&mut buffer) {
                Ok(Some(item)) => items.push(item),
                Ok(None) => break,
                Err(error) => return (items, Some(error)),
            }
        }
        assert!(buffer.len() <= bytes_max, "{} bytes are buffered, {bytes_max} are allowed", buffer.len());
    }
    (items, None)
}

/// Cuts a stream at the given places.
pub fn cut<'a>(stream: &'a [u8], places: &[prop::sample::Index]) -> Vec<&'a [u8]> {
    let mut ends: Vec<_> = places.iter().map(|place| place.index(stream.len() + 1)).collect();
    ends.push(stream.len());
    ends.sort_unstable();
    ends.iter().scan(0, |start, end| Some(&stream[std::mem::replace(start, *end)..*end])).collect()
}

/// Text that is likely to meet what acts in a switch.
pub fn nasty_text() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<String>(),
        r#"[ -~]{0,60}"#,
        r#"[${}\[\]()",\\=a \r\n\t]{0,40}"#,
        r#"[$\x00\x01\x7f\u{85}\u{2028}{\[é日😀]{0,40}"#,
        r#"[\\'$ nst{}=a]{0,24}"#,
    ]
}

/// Bytes as a caller's name may be: text, or no text at all.
pub fn nasty_bytes() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![nasty_text().prop_map(String::into_bytes), vec(any::<u8>(), 0..60)]
}
