//! JSON lines: one object a line, the same that `contact ls --json` prints. Nothing of a contact is lost in it.

use super::ContactLines;
use crate::directory::Contact;
use serde::Serialize;
use serde_json::ser::{CompactFormatter, Formatter, Serializer};
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

/// Writes what a terminal would act upon as `\uXXXX`: the library does so below 0x20 only.
struct Harmless;

impl Formatter for Harmless {
    fn write_string_fragment<W: ?Sized + Write>(&mut self, writer: &mut W, fragment: &str) -> io::Result<()> {
        let mut rest = fragment;
        while let Some((at, c)) = rest.char_indices().find(|(_, c)| acts_on_a_terminal(*c)) {
            CompactFormatter.write_string_fragment(writer, &rest[..at])?;
            for unit in c.encode_utf16(&mut [0; 2]) {
                write!(writer, "\\u{unit:04x}")?;
            }
            rest = &rest[at + c.len_utf8()..];
        }
        CompactFormatter.write_string_fragment(writer, rest)
    }
}

/// Whether a terminal would act upon a character: controls, and the marks that turn the direction of writing.
#[must_use]
pub fn acts_on_a_terminal(c: char) -> bool {
    c.is_control() || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{2028}' | '\u{2029}')
}

/// JSON lines in the making.
#[derive(Debug, Default)]
pub struct JsonLines;

impl ContactLines for JsonLines {
    fn head(&self, _out: &mut dyn Write) -> io::Result<()> {
        Ok(())
    }

    fn page(&mut self, contacts: &[(u64, Contact)], out: &mut dyn Write) -> io::Result<()> {
        let mut text = Vec::new();
        for (revision, contact) in contacts {
            Line::of(*revision, contact).serialize(&mut Serializer::with_formatter(&mut text, Harmless))?;
            text.push(b'\n');
        }
        out.write_all(&text)
    }
}
