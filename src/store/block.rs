//! Blocks: some kilobytes of sorted entries in one value, so that a million contacts are some ten thousand writes.

/// A block is closed when it has grown to this.
const BLOCK_BYTES: usize = 8 * 1024;

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

/// Reads the entries of a block, in order. A damaged block ends early.
pub(super) struct BlockReader<'a>(pub(super) &'a [u8]);

impl<'a> Iterator for BlockReader<'a> {
    type Item = (&'a [u8], &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let (key_len, rest) = self.0.split_first_chunk::<4>()?;
        let (value_len, rest) = rest.split_first_chunk::<4>()?;
        let (key, rest) = rest.split_at_checked(u32::from_le_bytes(*key_len) as usize)?;
        let (value, rest) = rest.split_at_checked(u32::from_le_bytes(*value_len) as usize)?;
        self.0 = rest;
        Some((key, value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

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
                prop_assert_eq!(BlockReader(bytes).next().map(|e| e.0), Some(first.as_slice()));
                out.extend(BlockReader(bytes).map(|(k, v)| (k.to_vec(), v.to_vec())));
            }
            prop_assert_eq!(out, entries);
        }

        #[test]
        fn any_bytes_are_a_block(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = BlockReader(&bytes).count();
        }
    }
}
