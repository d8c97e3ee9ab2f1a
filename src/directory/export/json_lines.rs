//! JSON lines: one object a line, the same that `contact ls --json` prints. Nothing of a contact is lost in it.

use super::ContactLines;
use crate::directory::Contact;
use crate::terminal::harmless_json;
use serde::Serialize;
use std::io::{self, Write};

/// A contact as it is written.
#[derive(Serialize)]
struct Line<'a> {
    id: &'a str,
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    company: Option<&'a str>,
    numbers: Vec<LineNumber<'a>>,
    tags: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    note: Option<&'a str>,
    source: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    owner: Option<String>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    favourite: bool,
    revision: u64,
}

#[derive(Serialize)]
struct LineNumber<'a> {
    number: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    label: Option<&'a str>,
    typed: &'a str,
}

impl<'a> Line<'a> {
    fn of(revision: u64, contact: &'a Contact) -> Line<'a> {
        let number = |n: &'a crate::directory::ContactNumber| LineNumber {
            number: n.number.to_string(),
            label: n.label.as_deref(),
            typed: &n.typed,
        };
        Line {
            id: &contact.id,
            name: &contact.name,
            company: contact.company.as_deref(),
            numbers: contact.numbers.iter().map(number).collect(),
            tags: &contact.tags,
            note: contact.note.as_deref(),
            source: &contact.source,
            owner: contact.owner.as_ref().map(ToString::to_string),
            favourite: contact.favourite,
            revision,
        }
    }
}

/// JSON lines in the making.
#[derive(Debug, Default)]
pub struct JsonLines;

impl ContactLines for JsonLines {
    fn head(&self, _out: &mut dyn Write) -> io::Result<()> {
        Ok(())
    }

    fn page(&mut self, contacts: &[(u64, Contact)], out: &mut dyn Write) -> io::Result<()> {
        for (revision, contact) in contacts {
            let json = serde_json::to_string(&Line::of(*revision, contact))?;
            writeln!(out, "{}", harmless_json(&json))?;
        }
        Ok(())
    }
}
