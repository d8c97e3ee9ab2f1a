//! What the targets share: an input as a stream that comes in pieces, and as a list of values.

// each target uses a part of this
#![allow(dead_code)]

use bytes::BytesMut;
use tokio_util::codec::Decoder;

/// What an input's first byte is for: how many bytes come at once. An empty input is no stream.
pub fn stream(input: &[u8]) -> Option<(usize, &[u8])> {
    let (first, stream) = input.split_first()?;
    Some((usize::from(*first).max(1), stream))
}

/// What a decoder makes of a stream that comes in such pieces and then ends, and the error it stops at. Checks that it
/// keeps no more than so many bytes waiting, and that an error stays.
pub fn decoded<D: Decoder>(mut decoder: D, stream: &[u8], piece_bytes: usize, bytes_max: usize) -> (Vec<D::Item>, Option<D::Error>)
where
    D::Error: PartialEq + std::fmt::Debug,
{
    let (mut buffer, mut items) = (BytesMut::new(), Vec::new());
    for piece in stream.chunks(piece_bytes) {
        buffer.extend_from_slice(piece);
        loop {
            match decoder.decode(&mut buffer) {
                Ok(Some(item)) => items.push(item),
                Ok(None) => break,
                Err(error) => {
                    let again = decoder.decode(&mut buffer).err();
                    assert_eq!(again.as_ref(), Some(&error), "another error, or none, at the second try");
                    return (items, Some(error));
                }
            }
        }
        assert!(buffer.len() <= bytes_max, "{} bytes wait", buffer.len());
    }
    loop {
        match decoder.decode_eof(&mut buffer) {
            Ok(Some(item)) => items.push(item),
            Ok(None) => return (items, None),
            Err(error) => return (items, Some(error)),
        }
    }
}

/// The values in an input: what stands between bytes `0xFF`, which are no part of any text.
pub fn values(input: &[u8]) -> Vec<&[u8]> {
    input.split(|byte| *byte == 0xFF).collect()
}
