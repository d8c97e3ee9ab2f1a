//! Contacts as files: CSV and JSON lines, which hold everything and are read back; vCard 4 and the phone books of desk
//! phones, which hold what can be dialled.
//!
//! The writers of [`ContactLines`] are given page after page and keep nothing, so that a million contacts need no million in
//! memory. Phone books are sorted, and so are put together first ([`phonebook::Book`]), with a bound.

pub mod csv;
pub mod json_lines;
pub mod phonebook;
pub mod vcard;

use super::fold::folded;
use super::{Contact, ContactNumber, Reach};
use crate::number::Number;
use std::io::{self, Write};

/// A format that is written contact by contact.
pub trait ContactLines {
    /// What stands in front of the first contact.
    ///
    /// # Errors
    /// Whatever it is written to refuses it.
    fn head(&self, out: &mut dyn Write) -> io::Result<()>;

    /// Some contacts, with the revisions of their last changes.
    ///
    /// # Errors
    /// Whatever it is written to refuses it, or a contact doesn't fit into the format.
    fn page(&mut self, contacts: &[(u64, Contact)], out: &mut dyn Write) -> io::Result<()>;

    /// How many contacts were left out on purpose, and for want of what: (`a number that can be dialled`, 12).
    fn left_out(&self) -> Vec<(&'static str, u64)> {
        Vec::new()
    }
}

/// A contact's numbers that a telephone can dial: ranges and beginnings are many, and none of them.
pub fn dialable(contact: &Contact) -> impl Iterator<Item = &ContactNumber> {
    contact.numbers.iter().filter(|n| matches!(n.reach, Reach::Itself | Reach::Main))
}

/// Whether a contact is in the phone book of an extension: everybody's contacts are, and its own; in nobody's book are
/// everybody's only.
#[must_use]
pub fn is_in_book_of(contact: &Contact, owner: Option<&Number>) -> bool {
    contact.owner.as_ref().is_none_or(|whose| Some(whose) == owner)
}

/// What a label says of a line, as far as vCards and telephones have words for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Line {
    /// At work; also what no label says anything of, because most of a business's contacts are that.
    Work,
    /// At home.
    Home,
    /// A mobile telephone.
    Mobile,
    /// A fax.
    Fax,
    /// Something else.
    Other,
}

impl Line {
    /// Reads a label, in English and German.
    #[must_use]
    pub fn of(label: Option<&str>) -> Line {
        let Some(label) = label else { return Line::Work };
        let words = folded(label);
        let has = |known: &[&str]| words.split(|b| *b == b' ').any(|word| known.iter().any(|known| known.as_bytes() == word));
        if has(&["fax", "telefax"]) {
            Line::Fax
        } else if has(&["mobile", "mobil", "cell", "cellular", "handy", "iphone"]) {
            Line::Mobile
        } else if has(&["home", "private", "privat", "zuhause"]) {
            Line::Home
        } else if has(&["work", "office", "business", "company", "desk", "main", "buro", "buero", "geschaftlich", "zentrale", "arbeit"]) {
            Line::Work
        } else {
            Line::Other
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_says_what_a_line_is_whatever_its_spelling() {
        for (label, line) in [
            ("Mobile", Line::Mobile),
            ("cell", Line::Mobile),
            ("WORK FAX", Line::Fax),
            ("Büro", Line::Work),
            ("office 2", Line::Work),
            ("privat", Line::Home),
            ("Kitchen", Line::Other),
            ("homework", Line::Other),
        ] {
            assert_eq!(Line::of(Some(label)), line, "{label}");
        }
        assert_eq!(Line::of(None), Line::Work);
    }
}
