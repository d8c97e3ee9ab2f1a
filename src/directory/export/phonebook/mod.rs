//! Phone books as desk phones read them.
//!
//! Each vendor has one file, which says what a page of the book looks like, and one line in [`VENDORS`]. What they have in
//! common is here and in `book`: which contacts are in it, their order, and text that no XML reader stumbles over.

mod book;
mod grandstream;
mod snom;
mod xml;
mod yealink;

pub use book::{Book, ENTRIES_MAX, Entry, EntryNumber, Sorted};

use std::io;
use xml::Xml;

/// Every vendor.
pub const VENDORS: &[Vendor] = &[yealink::VENDOR, snom::VENDOR, grandstream::VENDOR];

/// A make of telephones.
#[derive(Debug, Clone, Copy)]
pub struct Vendor {
    /// Its name as a format: `yealink`.
    pub word: &'static str,
    /// How many contacts a telephone is given at once, where it asks for pages.
    pub page_entries: usize,
    write: fn(&mut Xml, &Page<'_>) -> io::Result<()>,
}

/// What a telephone is given at once.
#[derive(Debug, Default)]
pub struct Page<'a> {
    /// What the book is called.
    pub title: &'a str,
    /// Its contacts, in order.
    pub entries: Vec<&'a Entry>,
    /// Where the page before this one is.
    pub previous: Option<String>,
    /// Where the next one is.
    pub next: Option<String>,
    /// What whoever looks into the document should know: that it isn't all.
    pub remark: Option<String>,
}

impl Vendor {
    /// The vendor of a format's name.
    #[must_use]
    pub fn find(word: &str) -> Option<&'static Vendor> {
        VENDORS.iter().find(|vendor| vendor.word == word)
    }

    /// A page as this vendor's telephones read it: UTF-8, with a declaration.
    ///
    /// # Errors
    /// None that a page could be the reason of: it is written into memory.
    pub fn document(&self, page: &Page<'_>) -> io::Result<Vec<u8>> {
        let mut xml = Xml::begin()?;
        if let Some(remark) = &page.remark {
            xml.comment(remark)?;
        }
        (self.write)(&mut xml, page)?;
        Ok(xml.end())
    }
}

#[cfg(test)]
mod tests;
