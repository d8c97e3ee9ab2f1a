//! vCard 4.0 (RFC 6350), one card after the other.
//!
//! A card names a contact's numbers that can be dialled; one that has none is left out, and so are ranges. Public numbers
//! are `tel:` URIs, which every program dials; extensions and names are texts, because `tel:101` is no number of this world
//! (RFC 3966 wants a `phone-context`). A label that is none of the standard's words stands beside the number in the way of
//! Apple's programs, which others read too (`item1.X-ABLabel`).

use super::{ContactLines, Line, dialable};
use crate::directory::{Contact, ContactNumber};
use crate::number::Kind;
use std::fmt::Write as _;
use std::io::{self, Write};

/// The longest line, in octets without its end (RFC 6350, 3.2).
const LINE_OCTETS_MAX: usize = 75;

/// The category of favourites, Google's word: the standard has none.
const STARRED: &str = "starred";

/// Cards in the making.
#[derive(Debug, Default)]
pub struct Vcards {
    without_number: u64,
}

impl ContactLines for Vcards {
    fn head(&self, _out: &mut dyn Write) -> io::Result<()> {
        Ok(())
    }

    fn page(&mut self, contacts: &[(u64, Contact)], out: &mut dyn Write) -> io::Result<()> {
        let mut text = String::new();
        for (_, contact) in contacts {
            if dialable(contact).next().is_none() {
                self.without_number += 1;
                continue;
            }
            card(contact, &mut text);
        }
        out.write_all(text.as_bytes())
    }

    fn left_out(&self) -> Vec<(&'static str, u64)> {
        vec![("a number that can be dialled", self.without_number)]
    }
}

fn card(contact: &Contact, out: &mut String) {
    let mut line = |text: String| fold(&text, out);
    line("BEGIN:VCARD".into());
    line("VERSION:4.0".into());
    line(format!("UID;VALUE=text:{}", escaped(&contact.id)));
    line(format!("FN:{}", escaped(&contact.name)));
    if let Some(company) = &contact.company {
        line(format!("ORG:{}", escaped(company)));
    }
    let several = dialable(contact).nth(1).is_some();
    for (at, number) in dialable(contact).enumerate() {
        let group = number.label.as_deref().filter(|label| !is_standard(label)).map(|label| (format!("item{}.", at + 1), label));
        let prefix = group.as_ref().map_or("", |(prefix, _)| prefix);
        line(format!("{prefix}TEL{}", telephone(number, several && at == 0)));
        if let Some((prefix, label)) = &group {
            line(format!("{prefix}X-ABLabel:{}", escaped(label)));
        }
    }
    let categories: Vec<String> =
        contact.favourite.then_some(STARRED).into_iter().chain(contact.tags.iter().map(String::as_str)).map(escaped).collect();
    if !categories.is_empty() {
        line(format!("CATEGORIES:{}", categories.join(",")));
    }
    if let Some(note) = &contact.note {
        line(format!("NOTE:{}", escaped(note)));
    }
    line("END:VCARD".into());
}

/// The standard's word for a label (RFC 6350, 6.4.1 and 5.6); `voice` says nothing.
fn type_of(label: Option<&str>) -> Option<&'static str> {
    label?;
    match Line::of(label) {
        Line::Work => Some("work"),
        Line::Home => Some("home"),
        Line::Mobile => Some("cell"),
        Line::Fax => Some("fax"),
        Line::Other => None,
    }
}

/// Whether a label is said by its word alone: an import makes the same one of it.
fn is_standard(label: &str) -> bool {
    matches!(label, "work" | "home" | "fax" | "mobile")
}

fn telephone(number: &ContactNumber, is_main: bool) -> String {
    let is_public = number.number.kind() == Kind::E164;
    let mut text = String::from(if is_public { ";VALUE=uri" } else { ";VALUE=text" });
    if let Some(word) = type_of(number.label.as_deref()) {
        let _ = write!(text, ";TYPE={word}");
    }
    if is_main {
        text.push_str(";PREF=1");
    }
    let _ = match is_public {
        true => write!(text, ":tel:{}", number.number),
        false => write!(text, ":{}", escaped(&number.number.to_string())),
    };
    text
}

/// A text as a value: what would end it, and line ends, are escaped, and controls left out (RFC 6350, 3.4: a value is
/// printable, or white space).
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\\' | ',' | ';' => out.extend(['\\', c]),
            '\r' if chars.peek() == Some(&'\n') => {}
            '\n' | '\r' => out.push_str("\\n"),
            '\t' => out.push(c),
            c if c.is_control() => {}
            c => out.push(c),
        }
    }
    out
}

/// Writes a line in parts of so many octets, each but the first behind a blank, and cuts no character (RFC 6350, 3.2).
fn fold(line: &str, out: &mut String) {
    let (mut rest, mut octets_max) = (line, LINE_OCTETS_MAX);
    while rest.len() > octets_max {
        let at = (0..=octets_max).rev().find(|at| rest.is_char_boundary(*at)).unwrap_or(octets_max);
        out.push_str(&rest[..at]);
        out.push_str("\r\n ");
        rest = &rest[at..];
        octets_max = LINE_OCTETS_MAX - 1;
    }
    out.push_str(rest);
    out.push_str("\r\n");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::directory::ContactDraft;
    use crate::number::NumberPlan;
    use proptest::prelude::*;

    fn contact(name: &str, numbers: &[(&str, Option<&str>)]) -> Contact {
        let numbers = numbers.iter().map(|(typed, label)| ((*typed).to_owned(), label.map(str::to_owned))).collect();
        let draft = ContactDraft { id: "ada".into(), name: name.into(), numbers, ..ContactDraft::default() };
        draft.check(&NumberPlan::new("DE".parse().ok()), "").unwrap()
    }

    fn written(contact: Contact) -> String {
        let (mut cards, mut out) = (Vcards::default(), Vec::new());
        cards.page(&[(1, contact)], &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_card_is_as_the_standard_wants_it() {
        let numbers = [
            ("030 123456", Some("work")),
            ("+49 151 1234567", Some("Mobile")),
            ("101", None),
            ("030 1234-0", Some("Küche; unten")),
            ("+49301234*", Some("all")),
        ];
        let contact = Contact {
            company: Some("Engines; Ltd, \\ Sons".into()),
            tags: vec!["friend".into(), "a,b".into()],
            note: Some("one\r\ntwo\u{7}\nthree\t.".into()),
            favourite: true,
            ..contact("Lovelace, Ada", &numbers)
        };
        assert_eq!(
            written(contact),
            "BEGIN:VCARD\r\n\
             VERSION:4.0\r\n\
             UID;VALUE=text:ada\r\n\
             FN:Lovelace\\, Ada\r\n\
             ORG:Engines\\; Ltd\\, \\\\ Sons\r\n\
             TEL;VALUE=uri;TYPE=work;PREF=1:tel:+4930123456\r\n\
             item2.TEL;VALUE=uri;TYPE=cell:tel:+491511234567\r\n\
             item2.X-ABLabel:Mobile\r\n\
             TEL;VALUE=text:101\r\n\
             item4.TEL;VALUE=uri:tel:+493012340\r\n\
             item4.X-ABLabel:Küche\\; unten\r\n\
             CATEGORIES:starred,friend,a\\,b\r\n\
             NOTE:one\\ntwo\\nthree\t.\r\n\
             END:VCARD\r\n"
        );
    }

    #[test]
    fn a_contact_with_ranges_only_is_left_out_and_counted() {
        let (mut cards, mut out) = (Vcards::default(), Vec::new());
        cards.page(&[(1, contact("ACME", &[("+49301234*", None), ("+4930123400..99", None)]))], &mut out).unwrap();
        assert!(out.is_empty());
        assert_eq!(cards.left_out()[0].1, 1);
    }

    proptest! {
        #[test]
        fn no_line_is_too_long_no_character_is_cut_and_another_reader_reads_the_name(name in "\\PC{1,250}", note in "[\\PC\n\\\\,;]{0,300}") {
            let Ok(number) = NumberPlan::new(None).parse("101") else { return Ok(()) };
            let contact = Contact { note: Some(note.clone()), ..Contact::of("ada", name.clone(), vec![ContactNumber::of(number, "101", None)]) };
            let text = written(contact);
            prop_assert!(text.ends_with("\r\n"));
            for line in text.split_terminator("\r\n") {
                prop_assert!(line.len() <= LINE_OCTETS_MAX && !line.contains(['\r', '\n']), "{:?}", line);
            }
            let unfolded = text.replace("\r\n ", "");
            let value = |property: &str| unfolded.split("\r\n").find_map(|line| line.strip_prefix(property)).unwrap().to_owned();
            let unescaped = |value: &str| {
                let (mut out, mut chars) = (String::new(), value.chars());
                while let Some(c) = chars.next() {
                    match c {
                        '\\' => out.push(match chars.next() { Some('n') => '\n', other => other.unwrap() }),
                        c => out.push(c),
                    }
                }
                out
            };
            prop_assert_eq!(unescaped(&value("FN:")), name);
            prop_assert_eq!(unescaped(&value("NOTE:")), note);
        }
    }

    #[test]
    fn a_reader_of_vcards_that_is_not_ours_reads_a_card() {
        let text = written(contact("Große, Ädä", &[("030 123456", Some("work")), ("101", Some("desk 2"))]));
        let card = match calcard::Parser::new(&text).entry() {
            calcard::Entry::VCard(card) => card,
            other => panic!("{other:?}"),
        };
        let shown = card.to_string();
        assert!(shown.contains("FN:Große\\, Ädä") && shown.contains("tel:+4930123456"), "{shown}");
    }
}
