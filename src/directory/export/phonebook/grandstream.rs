//! Grandstream's XML phone book: `AddressBook`, with groups and the account that a number is called by.
//!
//! Facts that shaped it, from Grandstream's guides: first or last name is enough, and a telephone shows them in the order
//! that its user likes, which makes nonsense of a company's name in two parts: names stay whole. `Frequent` marks a
//! favourite, `Primary` counts numbers from 0, `accountindex` 0 is the first account. The telephone appends `/phonebook.xml`
//! to the address that it is given, reads the whole document and follows no link.

use super::super::Line;
use super::xml::Xml;
use super::{Page, Vendor};
use std::io;

pub(super) const VENDOR: Vendor = Vendor { word: "grandstream", page_entries: 2000, write };

/// The groups that a contact is in: 1 is the block list on some of these telephones, and left alone.
const SHARED: (&str, &str) = ("2", "Shared");
const PERSONAL: (&str, &str) = ("3", "Personal");

fn write(xml: &mut Xml, page: &Page<'_>) -> io::Result<()> {
    xml.element("AddressBook", |xml| {
        xml.text("version", "1")?;
        for (id, name) in [SHARED, PERSONAL] {
            xml.element("pbgroup", |xml| {
                xml.text("id", id)?;
                xml.text("name", name)
            })?;
        }
        for entry in &page.entries {
            xml.element("Contact", |xml| {
                xml.text("FirstName", &entry.name)?;
                xml.text("LastName", "")?;
                xml.text("Primary", "0")?;
                xml.text("Frequent", if entry.favourite { "1" } else { "0" })?;
                for number in &entry.numbers {
                    xml.element_with("Phone", ("type", kind(number.line)), |xml| {
                        xml.text("phonenumber", &number.number)?;
                        xml.text("accountindex", "0")
                    })?;
                }
                xml.text("Group", if entry.personal { PERSONAL.0 } else { SHARED.0 })
            })?;
        }
        Ok(())
    })
}

fn kind(line: Line) -> &'static str {
    match line {
        Line::Work => "Work",
        Line::Home => "Home",
        Line::Mobile => "Cell",
        Line::Fax => "Fax",
        Line::Other => "Other",
    }
}
