//! Putting an index together.

use super::begins::Begins;
use super::index::{FAVOURITE, Index};
use super::numbers::Numbers;
use super::record;
use super::words::Words;
use crate::directory::Contact;
use thiserror::Error;

/// The most folded text of one tenant, in bytes: places in it are 32 bits. Some fifty million contacts.
const TEXT_BYTES_MAX: usize = u32::MAX as usize;

/// There is more than an index holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("the tenant's contacts have more than 4 GiB of text, which is more than can be searched; split the tenant")]
pub struct IndexTooLarge;

/// Contacts on their way into an index.
#[derive(Default)]
pub struct Builder {
    index: Index,
    /// Where each contact's record begins, in the order of the ids.
    starts: Vec<u32>,
    /// What each is ordered by: favourites first, the shorter name, the first letters of it, and which it is.
    order: Vec<(u32, u64, u32)>,
}

impl Builder {
    /// Nobody yet.
    pub fn new() -> Builder {
        let mut builder = Builder::default();
        builder.index.id_starts.push(0);
        builder
    }

    /// Adds a contact. They come in the order of their ids.
    ///
    /// # Errors
    /// [`IndexTooLarge`].
    pub fn push(&mut self, contact: &Contact) -> Result<(), IndexTooLarge> {
        let index = &mut self.index;
        let start = u32::try_from(index.text.len()).map_err(|_| IndexTooLarge)?;
        record::write(contact, &mut index.text);
        index.ids.extend_from_slice(contact.id.as_bytes());
        if index.text.len() > TEXT_BYTES_MAX || index.ids.len() > TEXT_BYTES_MAX {
            return Err(IndexTooLarge);
        }
        index.id_starts.push(index.ids.len() as u32);
        let owner = contact.owner.as_ref().map_or(0, |owner| index.owner_of(owner));
        index.owners.push(owner | if contact.favourite { FAVOURITE } else { 0 });
        let name = record::name(&index.text[start as usize..]);
        let mut first = [0; 8];
        let letters = name.len().min(8);
        first[..letters].copy_from_slice(&name[..letters]);
        let length = (name.len() as u32) << 1;
        let group = if contact.favourite { length } else { length | 1 << 31 };
        self.order.push((group, u64::from_be_bytes(first), self.starts.len() as u32));
        self.starts.push(start);
        Ok(())
    }

    /// The index.
    pub fn finish(mut self) -> Index {
        let mut index = self.index;
        let text = std::mem::take(&mut index.text);
        self.starts.push(text.len() as u32);
        let record = |which: u32| &text[self.starts[which as usize] as usize..self.starts[which as usize + 1] as usize];
        self.order.sort_unstable_by(|a, b| {
            let names = || record::name(record(a.2)).cmp(record::name(record(b.2)));
            // they come in the order of the ids
            (a.0, a.1).cmp(&(b.0, b.1)).then_with(names).then(a.2.cmp(&b.2))
        });
        index.text.reserve_exact(text.len());
        index.starts.reserve_exact(self.order.len() + 1);
        for (_, _, which) in &self.order {
            index.starts.push(index.text.len() as u32);
            index.text.extend_from_slice(record(*which));
        }
        index.starts.push(index.text.len() as u32);
        index.which = self.order.iter().map(|(_, _, which)| *which).collect();
        drop((text, self.order));
        let records = || index.starts.windows(2).map(|at| &index.text[at[0] as usize..at[1] as usize]);
        let fields = |wanted: u8| {
            let of_one = move |(text, rank)| record::fields(text).filter(move |(tag, _)| *tag == wanted).map(move |(_, text)| (text, rank));
            records().zip(0_u32..).flat_map(of_one)
        };
        let (names, number_begins) = (Begins::of(fields(record::NAME)), Begins::of(fields(record::NUMBER)));
        let (words, number_words) = (Words::of(records().map(record::words)), Words::of(records().map(record::number_words)));
        let numbers = Numbers::of(records());
        (index.names, index.number_begins, index.words, index.number_words, index.numbers) =
            (names, number_begins, words, number_words, numbers);
        index.dead = vec![0; index.which.len().div_ceil(64)];
        index.ids.shrink_to_fit();
        index.id_starts.shrink_to_fit();
        index.owners.shrink_to_fit();
        index
    }
}
