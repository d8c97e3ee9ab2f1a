//! Yealink's remote phone book: `YealinkIPPhoneDirectory`, in which a contact may have several numbers.
//!
//! Its telephones read the whole document and follow no link, so a page is large, and others are asked for by `page=` in
//! the address of a second remote phone book.

use super::xml::Xml;
use super::{Page, Vendor};
use std::io;

pub(super) const VENDOR: Vendor = Vendor { word: "yealink", page_entries: 2000, write };

fn write(xml: &mut Xml, page: &Page<'_>) -> io::Result<()> {
    xml.element("YealinkIPPhoneDirectory", |xml| {
        xml.text("Title", page.title)?;
        for entry in &page.entries {
            xml.element("DirectoryEntry", |xml| {
                xml.text("Name", &entry.name)?;
                entry.numbers.iter().try_for_each(|number| xml.text("Telephone", &number.number))
            })?;
        }
        Ok(())
    })
}
