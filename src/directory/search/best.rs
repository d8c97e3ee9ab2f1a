//! The best of many, seen one at a time.

use super::record::{self, Fit, fit_or_typo};
use super::{FOUND_MAX, Found, Query};
use crate::directory::Contact;
use crate::number::Number;
use std::collections::BTreeSet;

/// What found contacts are ordered by.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Worth {
    pub(super) fit: Fit,
    /// Favourites are first.
    pub(super) is_other: bool,
    pub(super) name_len: usize,
    pub(super) name: Vec<u8>,
    pub(super) id: String,
}

/// Where somebody has the whole number that is looked for, leaves those whose number is or begins with it.
pub(super) fn only_whole(query: &Query, best: &mut BTreeSet<Worth>) {
    if query.is_whole_number && best.first().is_some_and(|first| first.fit == Fit::Exact) {
        best.retain(|worth| worth.fit <= Fit::Beginning);
    }
}

/// The best contacts so far, for one query.
pub struct Best<'a> {
    query: &'a Query,
    owner: Option<&'a Number>,
    limit: usize,
    best: BTreeSet<Worth>,
    record: Vec<u8>,
}

impl<'a> Best<'a> {
    /// Nobody yet. Of personal contacts only those of `owner` are found, with the shared ones.
    pub fn new(query: &'a Query, owner: Option<&'a Number>, limit: usize) -> Best<'a> {
        Best { query, owner, limit: limit.min(FOUND_MAX), best: BTreeSet::new(), record: Vec::new() }
    }

    /// Looks at a contact.
    pub fn see(&mut self, contact: &Contact) {
        if contact.owner.is_some() && contact.owner.as_ref() != self.owner {
            return;
        }
        self.record.clear();
        record::write(contact, &mut self.record);
        let Some(fit) = fit_or_typo(self.query, &self.record) else { return };
        if self.best.len() >= self.limit && self.best.last().is_none_or(|last| fit > last.fit) {
            return;
        }
        let name = record::name(&self.record).to_vec();
        self.best.insert(Worth { fit, is_other: !contact.favourite, name_len: name.len(), name, id: contact.id.clone() });
        if self.best.len() > self.limit {
            self.best.pop_last();
        }
    }

    /// Those that are left.
    pub fn found(self) -> Found {
        let mut best = self.best;
        only_whole(self.query, &mut best);
        Found { hits: best.into_iter().map(|worth| (worth.id, worth.fit)).collect(), cut: false }
    }
}
