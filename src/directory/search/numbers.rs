//! The numbers of all contacts as one text, without names between them: digits are looked for in a tenth of the index.

use super::record::{self, FIELD_END, NUMBER};
use memchr::memmem::Finder;

/// Numbers, one behind the other, in the order of the contacts' ranks.
#[derive(Default)]
pub(super) struct Numbers {
    text: Vec<u8>,
    /// By rank: where his begin; one more for the end.
    starts: Vec<u32>,
}

impl Numbers {
    /// The numbers of records, which come in the order of their ranks.
    pub(super) fn of<'a>(records: impl Iterator<Item = &'a [u8]>) -> Numbers {
        let mut numbers = Numbers { text: Vec::new(), starts: vec![0] };
        for text in records {
            for (_, number) in record::fields(text).filter(|(tag, _)| *tag == NUMBER) {
                numbers.text.extend_from_slice(number);
                numbers.text.push(FIELD_END);
            }
            // they are a part of the index's text, which is bounded
            numbers.starts.push(numbers.text.len() as u32);
        }
        numbers.text.shrink_to_fit();
        numbers
    }

    /// Contacts in whose numbers digits stand, by their ranks, ascending; `None` where there are more than `most`.
    pub(super) fn with(&self, digits: &Finder<'_>, most: usize) -> Option<Vec<u32>> {
        let (mut ranks, mut at) = (Vec::new(), 0);
        while let Some(found) = digits.find(&self.text[at..]) {
            if ranks.len() == most {
                return None;
            }
            let rank = self.starts.partition_point(|start| *start as usize <= at + found) - 1;
            ranks.push(rank as u32);
            at = self.starts[rank + 1] as usize;
        }
        Some(ranks)
    }

    /// Memory, in bytes.
    pub(super) fn bytes(&self) -> usize {
        self.text.capacity() + 4 * self.starts.capacity()
    }
}
