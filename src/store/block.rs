//! Blocks: some kilobytes of sorted entries in one value, so that a million contacts are some ten thousand writes.

use std::ops::Range;

/// A block is closed when it has grown to this.
const BLOCK_BYTES: usize = if cfg!(test) { 256 } else { 4 * 1024 };

/// Packs sorted entries into blocks.
#[derive(Default)]
pub(super) struct BlockWriter {
    first: Vec<u8>,
    bytes: Vec<u8>,
}

impl BlockWriter {
    /// Adds an entry, whose key is greater than the last; a full block comes back as (first key, bytes).
    pub(super) fn push(&mut self, key: &[u8], value: &[u8]) -> Option<(Vec<u8>, Vec<u8>)> {
        let full = if self.bytes.len() + key.len() + value.len() > BLOCK_BYTES { self.finish() } else { None };
        if self.bytes.is_empty() {
            self.first = key.to_vec();
        }
        self.bytes.extend_from_slice(&(key.len() as u32).to_le_bytes());
        self.bytes.extend_from_slice(&(value.len() as u32).to_le_bytes());
        self.bytes.extend_from_slice(key);
        self.bytes.extend_from_slice(value);
        full
    }

    /// The last block, if anything is in it.
    pub(super) fn finish(&mut self) -> Option<(Vec<u8>, Vec<u8>)> {
        if self.bytes.is_empty() { None } else { Some((std::mem::take(&mut self.first), std::mem::take(&mut self.bytes))) }
    }
}

/// Where an entry's key and value lie in its block.
pub(super) type Place = (Range<usize>, Range<usize>);

/// Walks over the entries of a block, which it is shown each time.
#[derive(Default)]
pub(super) struct BlockCursor {
    at: usize,
}

impl BlockCursor {
    /// Where the next entry's key and value lie; an error for a block that ends in the middle of an entry.
    pub(super) fn next(&mut self, block: &[u8]) -> Option<Result<Place, &'static str>> {
        let rest = block.get(self.at..).filter(|rest| !rest.is_empty())?;
        let lengths = rest.split_first_chunk::<4>().and_then(|(key, rest)| Some((key, rest.first_chunk::<4>()?)));
        let end = |(key_len, value_len): (&[u8; 4], &[u8; 4])| {
            let key_at = self.at + 8;
            let value_at = key_at.checked_add(u32::from_le_bytes(*key_len) as usize)?;
            let end = value_at.checked_add(u32::from_le_bytes(*value_len) as usize)?;
            (end <= block.len()).then_some((key_at..value_at, value_at..end))
        };
        let found = lengths.and_then(end);
        self.at = found.as_ref().map_or(block.len(), |(_, value)| value.end);
        Some(found.ok_or("a block of an import ends too early"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    type Entry<'a> = (&'a [u8], &'a [u8]);

    fn read(block: &[u8]) -> Vec<Result<Entry<'_>, &'static str>> {
        let mut cursor = BlockCursor::default();
        std::iter::from_fn(|| cursor.next(block).map(|e| e.map(|(k, v)| (&block[k], &block[v])))).collect()
    }

    proptest! {
        #[test]
        fn what_goes_into_blocks_comes_out(entries in proptest::collection::btree_map(
            proptest::collection::vec(any::<u8>(), 1..40), proptest::collection::vec(any::<u8>(), 0..3000), 0..40)) {
            let (mut writer, mut blocks) = (BlockWriter::default(), Vec::new());
            for (key, value) in &entries {
                blocks.extend(writer.push(key, value));
            }
            blocks.extend(writer.finish());
            let mut out = BTreeMap::new();
            for (first, bytes) in &blocks {
                let entries: Result<Vec<_>, _> = read(bytes).into_iter().collect();
                let entries = entries.unwrap();
                prop_assert_eq!(entries[0].0, first.as_slice());
                out.extend(entries.into_iter().map(|(k, v)| (k.to_vec(), v.to_vec())));
                // cut short anywhere, it is damaged or ends between two entries; it never reads as something else
                let cut = read(&bytes[..bytes.len() - 1]);
                prop_assert!(cut.last().is_some_and(Result::is_err));
            }
            prop_assert_eq!(out, entries);
        }

        #[test]
        fn any_bytes_are_a_block(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = read(&bytes);
        }
    }
}
