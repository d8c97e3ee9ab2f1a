//! A contact as it is searched: fields of folded text, and how well a query fits it.
//!
//! A record is `field… 0`, a field `tag text 0x1e`. The first field is the name. Folded text has neither, so what is
//! looked for is never found across two fields; and what stands behind a tag or a blank is the beginning of a word.

use super::distance::misfit;
use super::query::{Query, Word};
use crate::directory::Contact;
use crate::directory::fold::{collapsed, fold_into, folded};

/// What a field holds. Every tag is less than a blank.
pub(super) const NAME: u8 = 1;
pub(super) const COMPANY: u8 = 2;
pub(super) const TAG: u8 = 3;
pub(super) const NUMBER: u8 = 4;
/// Ends a field.
pub(super) const FIELD_END: u8 = 0x1e;
/// Ends a record.
pub(super) const RECORD_END: u8 = 0;

/// How well a query fits, the best first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Fit {
    /// It is the whole name, or the whole number.
    Exact,
    /// The name, or the number, begins with it.
    Beginning,
    /// Each of its words begins a word.
    Words,
    /// Each of its words is somewhere.
    Inside,
    /// Likewise, with typing mistakes: twice how many, and one more for each word that is only the beginning of another.
    Typo(u16),
}

/// Appends a contact's record.
pub(super) fn write(contact: &Contact, out: &mut Vec<u8>) {
    let field = |tag: u8, text: &str, out: &mut Vec<u8>| {
        let text = folded(text);
        if text.is_empty() && tag != NAME {
            return;
        }
        out.push(tag);
        out.extend_from_slice(&text);
        out.push(FIELD_END);
        if tag != NUMBER
            && let Some(other) = collapsed(&text)
        {
            out.push(tag);
            out.extend_from_slice(&other);
            out.push(FIELD_END);
        }
    };
    field(NAME, &contact.name, out);
    if let Some(company) = &contact.company {
        field(COMPANY, company, out);
    }
    contact.tags.iter().for_each(|tag| field(TAG, tag, out));
    for number in &contact.numbers {
        out.push(NUMBER);
        fold_into(number.number.digits(), out);
        out.push(FIELD_END);
    }
    out.push(RECORD_END);
}

/// The folded name of a record.
pub(super) fn name(record: &[u8]) -> &[u8] {
    let end = memchr::memchr(FIELD_END, record).unwrap_or(record.len());
    record.get(1..end).unwrap_or_default()
}

/// A record's fields: tag and text.
pub(super) fn fields(record: &[u8]) -> impl Iterator<Item = (u8, &[u8])> {
    let pieces = record.split(|b| *b == FIELD_END);
    pieces.filter_map(|piece| piece.split_first()).filter(|(tag, _)| **tag != RECORD_END).map(|(tag, text)| (*tag, text))
}

/// The words that may be mistyped: all but those of numbers.
pub(super) fn words(record: &[u8]) -> impl Iterator<Item = &[u8]> {
    fields(record).filter(|(tag, _)| *tag != NUMBER).flat_map(|(_, text)| text.split(|b| *b == b' '))
}

/// The words of numbers that have letters: SIP users.
pub(super) fn number_words(record: &[u8]) -> impl Iterator<Item = &[u8]> {
    let has_letters = |text: &[u8]| text.iter().any(u8::is_ascii_lowercase);
    fields(record).filter(move |(tag, text)| *tag == NUMBER && has_letters(text)).flat_map(|(_, text)| text.split(|b| *b == b' '))
}

/// How well a query fits a record without mistakes.
pub(super) fn fit(query: &Query, record: &[u8]) -> Option<Fit> {
    let mut all_begin = true;
    for word in &query.words {
        all_begin &= begins(word, record)?;
    }
    let mut best = if all_begin { Fit::Words } else { Fit::Inside };
    for (_, text) in fields(record).filter(|(tag, _)| query.whole_tags().contains(tag)) {
        for whole in query.whole.iter().filter(|whole| text.starts_with(whole)) {
            best = best.min(if text.len() == whole.len() { Fit::Exact } else { Fit::Beginning });
        }
    }
    Some(best)
}

/// The same, and where it doesn't fit, with mistakes.
pub(super) fn fit_or_typo(query: &Query, record: &[u8]) -> Option<Fit> {
    fit(query, record).or_else(|| {
        let mut all = 0;
        for word in &query.words {
            if begins(word, record).is_none() {
                all += words(record).filter_map(|other| word.misfit(other)).min()?;
            }
        }
        Some(Fit::Typo(all as u16))
    })
}

/// Whether a word begins one of a record's, or (`false`) is only inside; none where it isn't there.
fn begins(word: &Word, record: &[u8]) -> Option<bool> {
    let mut found = None;
    for form in &word.forms {
        for at in form.finder.find_iter(record) {
            found = Some(false);
            // a record begins with a tag, so there is always a byte before what was found
            if at.checked_sub(1).and_then(|before| record.get(before)).is_some_and(|before| *before <= b' ') {
                return Some(true);
            }
        }
    }
    found
}

impl Word {
    /// How badly it fits another word, where mistakes are allowed and it does.
    pub(super) fn misfit(&self, other: &[u8]) -> Option<usize> {
        if self.edits_max == 0 {
            return None;
        }
        self.forms.iter().filter_map(|form| misfit(form.text(), other, self.edits_max)).min()
    }
}
