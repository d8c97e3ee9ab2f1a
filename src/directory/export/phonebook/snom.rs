//! Snom's minibrowser: `SnomIPPhoneDirectory`, where an entry has one number, and keys lead to other pages.
//!
//! Facts that shaped it, from Snom's description of the minibrowser: lines are chosen by digits as long as there are no more
//! than 100; keys are set by `SoftKeyItem`, with a label beside its name on telephones that have displays for it; and
//! `$(…)` in a text is an expression that the telephone evaluates, so that no name may have one.

use super::xml::Xml;
use super::{Page, Vendor};
use std::io;

// with the two or three numbers of most contacts no more than 100 lines
pub(super) const VENDOR: Vendor = Vendor { word: "snom", page_entries: 40, write };

fn write(xml: &mut Xml, page: &Page<'_>) -> io::Result<()> {
    xml.element("SnomIPPhoneDirectory", |xml| {
        xml.text("Title", page.title)?;
        for entry in &page.entries {
            let several = entry.numbers.len() > 1;
            for number in &entry.numbers {
                xml.element("DirectoryEntry", |xml| {
                    match number.label.as_ref().filter(|_| several) {
                        Some(label) => xml.text("Name", &inert(&format!("{} ({label})", entry.name)))?,
                        None => xml.text("Name", &inert(&entry.name))?,
                    }
                    xml.text("Telephone", &inert(&number.number))
                })?;
            }
        }
        for (key, label, url) in [("F3", "Back", &page.previous), ("F4", "Next", &page.next)] {
            let Some(url) = url else { continue };
            xml.element("SoftKeyItem", |xml| {
                xml.text("Name", key)?;
                xml.text("Label", label)?;
                xml.text("URL", &inert(url))
            })?;
        }
        Ok(())
    })
}

/// A text in which nothing is evaluated.
fn inert(text: &str) -> String {
    text.replace("$(", "$ (")
}
