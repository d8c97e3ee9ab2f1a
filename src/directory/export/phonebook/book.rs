//! What is in a phone book, and in which order: contacts that can be dialled, favourites first, then by name, whatever its
//! case and accents.

use super::super::{Line, dialable};
use super::xml::clean;
use crate::directory::Contact;
use crate::directory::fold::folded;
use std::cmp::Ordering;

/// The most contacts of a phone book. Telephones hold some thousands, and a book is put together in memory: this many are
/// some 10 MB, and twice that while it is.
pub const ENTRIES_MAX: usize = 20_000;

/// Where a contact stands. Of two with one name the id decides, so that pages don't overlap.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    is_no_favourite: bool,
    name: Vec<u8>,
    id: String,
}

/// A contact in a phone book.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    place: Place,
    /// Its name; a number where the name has nothing that can be shown.
    pub name: String,
    /// Its numbers, the main one first, as they are dialled: `+4930123456`, `101`. One at least.
    pub numbers: Vec<EntryNumber>,
    /// Whether it is a favourite.
    pub favourite: bool,
    /// Whether it is in an extension's own book, and not in everybody's.
    pub personal: bool,
}

/// A number in a phone book.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EntryNumber {
    /// As it is dialled.
    pub number: String,
    /// What was said of it.
    pub label: Option<String>,
    /// What that means.
    pub line: Line,
}

impl PartialOrd for Entry {
    fn partial_cmp(&self, other: &Entry) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Entry {
    fn cmp(&self, other: &Entry) -> Ordering {
        self.place.cmp(&other.place)
    }
}

impl Entry {
    fn of(place: Place, contact: &Contact) -> Option<Entry> {
        let numbers = dialable(contact).map(|n| EntryNumber {
            number: n.number.to_string(),
            label: n.label.as_deref().map(clean).filter(|label| !label.is_empty()),
            line: Line::of(n.label.as_deref()),
        });
        let numbers: Vec<EntryNumber> = numbers.collect();
        let name = match clean(&contact.name) {
            name if name.is_empty() => numbers.first()?.number.clone(),
            name => name,
        };
        if numbers.is_empty() {
            return None;
        }
        Some(Entry { place, name, numbers, favourite: contact.favourite, personal: contact.owner.is_some() })
    }
}

/// A phone book that is being put together: the first contacts by its order, whatever order they come in.
#[derive(Debug)]
pub struct Book {
    entries_max: usize,
    entries: Vec<Entry>,
    /// Once there are too many: the last place that is still in it.
    last: Option<Place>,
    left_out: u64,
}

impl Default for Book {
    fn default() -> Book {
        Book::of_at_most(ENTRIES_MAX)
    }
}

impl Book {
    /// A book of so many contacts at most.
    #[must_use]
    pub fn of_at_most(entries_max: usize) -> Book {
        Book { entries_max: entries_max.max(1), entries: Vec::new(), last: None, left_out: 0 }
    }

    /// How many contacts it holds now: up to twice as many as it has in the end.
    #[must_use]
    pub fn held(&self) -> usize {
        self.entries.len()
    }

    /// Passes over a contact that there is no room for.
    pub fn leave_out(&mut self) {
        self.left_out += 1;
    }

    /// Puts a contact in, if it can be dialled.
    pub fn add(&mut self, contact: &Contact) {
        if dialable(contact).next().is_none() {
            return;
        }
        let place = Place { is_no_favourite: !contact.favourite, name: folded(&contact.name), id: contact.id.clone() };
        if self.last.as_ref().is_some_and(|last| place > *last) {
            self.left_out += 1;
            return;
        }
        let Some(entry) = Entry::of(place, contact) else { return };
        self.entries.push(entry);
        // cut now and then, and not for each contact: that would move all of them each time
        if self.entries.len() >= 2 * self.entries_max {
            self.cut();
        }
    }

    fn cut(&mut self) {
        if self.entries.len() > self.entries_max {
            self.entries.select_nth_unstable(self.entries_max - 1);
            self.last = Some(self.entries[self.entries_max - 1].place.clone());
            self.left_out += (self.entries.len() - self.entries_max) as u64;
            self.entries.truncate(self.entries_max);
        }
    }

    /// The book, in order.
    #[must_use]
    pub fn sorted(mut self) -> Sorted {
        self.cut();
        self.entries.sort_unstable();
        Sorted { entries: self.entries, left_out: self.left_out }
    }
}

/// A phone book.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sorted {
    /// Its contacts, in order.
    pub entries: Vec<Entry>,
    /// How many there was no room for.
    pub left_out: u64,
}

impl Sorted {
    /// Whoever looks into a book that isn't whole is told so.
    #[must_use]
    pub fn remark(&self) -> Option<String> {
        let (here, all) = (self.entries.len(), self.entries.len() as u64 + self.left_out);
        (self.left_out > 0).then(|| format!("the first {here} of {all} contacts: a phone book has no more"))
    }
}
