//! Every word of the index once, and who has it: what a mistyped word is compared with.

use super::query::{Form, Word};
use std::collections::HashMap;

/// The shortest text that is looked for inside of words: what is shorter is in most of them.
const INSIDE_BYTES_MIN: usize = 3;
/// The most words that a mistyped one is taken for, the nearest first.
const NEAR_MAX: usize = 512;

/// The words, in the order in which they were first seen.
#[derive(Default)]
pub(super) struct Words {
    text: Vec<u8>,
    /// Where each begins in `text`; one more for the end.
    starts: Vec<u32>,
    /// The letters of each.
    letters: Vec<u32>,
    /// Where the contacts of each begin in `postings`; one more for the end.
    posted: Vec<u32>,
    /// Contacts by their rank, ascending for each word.
    postings: Vec<u32>,
}

/// One bit for each letter, and one for all digits.
fn letters(word: &[u8]) -> u32 {
    word.iter().fold(0, |bits, b| bits | 1 << if b.is_ascii_lowercase() { b - b'a' } else { 26 })
}

impl Words {
    /// The words of records' texts, which come in the order of the contacts' ranks.
    pub(super) fn of<'a, W: Iterator<Item = &'a [u8]>>(records: impl Iterator<Item = W>) -> Words {
        let mut known: HashMap<Box<[u8]>, u32> = HashMap::new();
        let mut words = Words { starts: vec![0], ..Words::default() };
        let mut counts: Vec<u32> = Vec::new();
        // (word, contact), in the order of the contacts
        let mut seen: Vec<(u32, u32)> = Vec::new();
        for (rank, own) in records.enumerate() {
            for word in own.filter(|word| !word.is_empty()) {
                let id = match known.get(word) {
                    Some(id) => *id,
                    None => {
                        let id = counts.len() as u32;
                        known.insert(word.into(), id);
                        counts.push(0);
                        words.text.extend_from_slice(word);
                        words.starts.push(words.text.len() as u32);
                        words.letters.push(letters(word));
                        id
                    }
                };
                counts[id as usize] += 1;
                seen.push((id, rank as u32));
            }
        }
        drop(known);
        let mut next = Vec::with_capacity(counts.len());
        let mut end = 0;
        for count in &counts {
            next.push(end);
            end += count;
        }
        words.posted = next.clone();
        words.posted.push(end);
        words.postings = vec![0; end as usize];
        for (word, rank) in seen {
            let at = &mut next[word as usize];
            words.postings[*at as usize] = rank;
            *at += 1;
        }
        words
    }

    /// Words that a mistyped one may be, the best first, and how badly it fits them. `None` once the time is spent.
    pub(super) fn near(&self, word: &Word, spent: &mut dyn FnMut() -> bool) -> Option<Vec<(usize, u32)>> {
        let wanted: Vec<u32> = word.forms.iter().map(|form| letters(form.text())).collect();
        let mut near = Vec::new();
        for (id, have) in self.letters.iter().enumerate() {
            if id % 16_384 == 0 && spent() {
                return None;
            }
            // each mistake explains one letter that isn't there
            if wanted.iter().all(|wanted| (wanted & !have).count_ones() as usize > word.edits_max) {
                continue;
            }
            let text = &self.text[self.starts[id] as usize..self.starts[id + 1] as usize];
            near.extend(word.misfit(text).map(|misfit| (misfit, id as u32)));
        }
        near.sort_unstable();
        near.truncate(NEAR_MAX);
        Some(near)
    }

    /// The words in which a spelling stands; `None` for what is so short that most have it, or digits, which stand in numbers
    /// too.
    pub(super) fn containing(&self, form: &Form) -> Option<Vec<u32>> {
        let len = form.text().len();
        if len < INSIDE_BYTES_MIN || form.text().iter().all(u8::is_ascii_digit) {
            return None;
        }
        Some(self.with_inside(form))
    }

    /// The words in which a spelling stands.
    pub(super) fn with_inside(&self, form: &Form) -> Vec<u32> {
        let len = form.text().len();
        let (mut ids, mut at) = (Vec::new(), 0);
        while let Some(found) = form.finder.find(&self.text[at..]) {
            let place = at + found;
            let id = self.starts.partition_point(|start| *start as usize <= place) - 1;
            let end = self.starts[id + 1] as usize;
            // nothing stands between two words
            at = if place + len <= end { end } else { place + 1 };
            if at == end {
                ids.push(id as u32);
            }
        }
        ids
    }

    /// The words that begin like a text.
    pub(super) fn beginning<'a>(&'a self, text: &'a [u8]) -> impl Iterator<Item = u32> + use<'a> {
        let word = |at: &[u32]| &self.text[at[0] as usize..at[1] as usize];
        self.starts.windows(2).zip(0..).filter(move |(at, _)| word(at).starts_with(text)).map(|(_, id)| id)
    }

    /// Contacts that have a word, by their rank, ascending.
    pub(super) fn contacts(&self, word: u32) -> &[u32] {
        &self.postings[self.posted[word as usize] as usize..self.posted[word as usize + 1] as usize]
    }

    /// Memory, in bytes.
    pub(super) fn bytes(&self) -> usize {
        self.text.capacity() + 4 * (self.starts.capacity() + self.letters.capacity() + self.posted.capacity() + self.postings.capacity())
    }
}
