//! vCard 2.1, 3.0 and 4.0: address books of telephones, Apple, Google, Outlook and Nextcloud, several cards a file.
//!
//! [`super::vcard_text`] makes plain text of a card, calcard takes it apart, and here it becomes a contact.

use super::lines::shorten;
use super::vcard_text::{Card, Cards, place};
use super::{ContactFile, FIELD_BYTES_MAX, FileError, Once, Row, Said};
use crate::directory::{ContactDraft, LABEL_BYTES_MAX, NOTE_BYTES_MAX, NUMBERS_MAX, TAGS_MAX, check_id};
use calcard::vcard::{VCard, VCardEntry, VCardParameterName, VCardParameterValue, VCardProperty, VCardValue};
use std::collections::BTreeMap;
use std::io::Read;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Words of TYPE, and the label that they make; the first that fits. A fax on a mobile is a fax.
const LABELS: [(&str, &str); 10] = [
    ("fax", "fax"),
    ("pager", "pager"),
    ("cell", "mobile"),
    ("iphone", "mobile"),
    ("mobile", "mobile"),
    ("main", "main"),
    ("car", "car"),
    ("work", "work"),
    ("home", "home"),
    ("other", "other"),
];
/// Google's mark for all contacts, which says nothing, and the one for favourites.
const OWN_CONTACTS: &str = "myContacts";
const STARRED: &str = "starred";

/// A file of vCards.
pub(super) struct Vcards<R> {
    cards: Cards<R>,
    passed_over: BTreeMap<&'static str, u64>,
}

/// Reads a file of vCards. Nothing is read yet.
///
/// # Errors
/// None; the type is that of the other readers.
pub(super) fn open<R: Read + 'static>(input: R) -> Result<Once<Vcards<R>>, FileError> {
    Ok(Once::of(Vcards { cards: Cards::new(input), passed_over: BTreeMap::new() }))
}

/// The texts of a value: what was separated by `;`, each with its parts.
fn texts(entry: &VCardEntry) -> impl Iterator<Item = String> + '_ {
    entry.values.iter().filter_map(|value| match value {
        VCardValue::Component(parts) => Some(parts.join(" ")),
        value => value.as_text().map(str::to_owned),
    })
}

/// The first text that says something.
fn text(card: &VCard, property: &VCardProperty) -> Option<String> {
    let mut texts = card.entries.iter().filter(|e| e.name == *property).flat_map(texts);
    texts.find_map(|text| Some(text.trim().to_owned()).filter(|text| !text.is_empty()))
}

/// The name out of its parts, in the order in which it is spoken.
fn full_name(card: &VCard) -> Option<String> {
    let entry = card.entries.iter().find(|e| e.name == VCardProperty::N)?;
    let parts: Vec<String> = texts(entry).map(|part| part.trim().to_owned()).collect();
    let spoken = [3, 1, 2, 0, 4].into_iter().filter_map(|at| parts.get(at)).filter(|part| !part.is_empty());
    Some(spoken.cloned().collect::<Vec<_>>().join(" ")).filter(|name| !name.is_empty())
}

/// The words that say what sort a number is, in small letters.
fn types(entry: &VCardEntry) -> Vec<String> {
    let word = |parameter: &calcard::vcard::VCardParameter| match (&parameter.name, &parameter.value) {
        (VCardParameterName::Type, value) => value.as_text().map(str::to_ascii_lowercase),
        // vCard 2.1 says the word alone
        (VCardParameterName::Other(name), VCardParameterValue::Null) => Some(name.to_ascii_lowercase()),
        (VCardParameterName::Pref, _) => Some("pref".into()),
        _ => None,
    };
    entry.params.iter().filter_map(word).collect()
}

/// What somebody called a number: Apple keeps that in a property of the same group.
fn own_label(card: &VCard, entry: &VCardEntry) -> Option<String> {
    let group = entry.group.as_deref()?;
    let labels = |e: &&VCardEntry| {
        e.group.as_deref().is_some_and(|g| g.eq_ignore_ascii_case(group))
            && matches!(&e.name, VCardProperty::Other(name) if name.eq_ignore_ascii_case("X-ABLabel"))
    };
    let label = card.entries.iter().find(labels).and_then(|e| texts(e).next())?;
    let word = label.trim();
    let mut label = match word.strip_prefix("_$!<").and_then(|word| word.strip_suffix(">!$_")) {
        Some(word) => {
            let word = word.to_ascii_lowercase();
            LABELS.iter().find(|(part, _)| word.contains(part)).map_or(word.clone(), |(_, label)| (*label).to_owned())
        }
        None => word.to_owned(),
    };
    shorten(&mut label, LABEL_BYTES_MAX);
    Some(label).filter(|label| !label.is_empty())
}

/// A number out of text or a URI, and whether an extension was taken away from it: callers' numbers come without.
fn number(text: &str) -> Option<(String, bool)> {
    let text = text.trim();
    let scheme = |name: &str| text.get(..name.len()).filter(|s| s.eq_ignore_ascii_case(name)).map(|_| text[name.len()..].trim());
    let (number, rest) = match scheme("tel:") {
        Some(uri) => uri.split_once(';').unwrap_or((uri, "")),
        None if scheme("sip:").or_else(|| scheme("sips:")).is_some() => return None,
        None => (text, ""),
    };
    let extension = rest.split(';').any(|p| p.get(..4).is_some_and(|key| key.eq_ignore_ascii_case("ext=")));
    Some((number.trim().to_owned(), extension)).filter(|(number, _)| !number.is_empty())
}

impl<R: Read> Vcards<R> {
    fn pass(&mut self, what: &'static str) {
        *self.passed_over.entry(what).or_default() += 1;
    }

    /// Numbers with their labels, the main one first, and which TEL of the card each of them is.
    fn numbers(&mut self, card: &VCard) -> (Vec<(String, Option<String>)>, Vec<usize>) {
        let mut numbers = Vec::new();
        for (place, entry) in card.entries.iter().filter(|e| e.name == VCardProperty::Tel).enumerate() {
            let Some(typed) = texts(entry).next().filter(|text| !text.trim().is_empty()) else { continue };
            let Some((typed, extension)) = number(&typed) else {
                self.pass("addresses that are no numbers");
                continue;
            };
            if extension {
                self.pass("extensions behind a number");
            }
            let types = types(entry);
            let said = || LABELS.iter().find(|(word, _)| types.iter().any(|t| t == word)).map(|(_, label)| (*label).to_owned());
            let label = own_label(card, entry).or_else(said);
            // one more than there may be is enough for the contact to be refused for
            if numbers.len() <= NUMBERS_MAX {
                numbers.push((!types.iter().any(|t| t == "pref"), (typed, label), place));
            }
        }
        // the main one first, the others as they stand
        numbers.sort_by_key(|(is_other, ..)| *is_other);
        numbers.into_iter().map(|(_, number, place)| (number, place)).unzip()
    }

    fn contact(&mut self, card: &VCard) -> Option<(ContactDraft, Vec<usize>)> {
        let (numbers, places) = self.numbers(card);
        if numbers.is_empty() {
            self.pass("cards without a number");
            return None;
        }
        let company = text(card, &VCardProperty::Org);
        let Some(name) = text(card, &VCardProperty::Fn).or_else(|| full_name(card)).or_else(|| company.clone()) else {
            self.pass("cards without a name");
            return None;
        };
        let mut note = text(card, &VCardProperty::Note);
        if note.as_mut().is_some_and(|note| shorten(note, NOTE_BYTES_MAX)) {
            self.pass("notes that were shortened");
        }
        let mut tags: Vec<String> = card.entries.iter().filter(|e| e.name == VCardProperty::Categories).flat_map(texts).collect();
        let favourite = tags.iter().any(|tag| tag.trim() == STARRED);
        tags.iter_mut().for_each(|tag| *tag = tag.trim().to_owned());
        tags.retain(|tag| !tag.is_empty() && tag != STARRED && tag != OWN_CONTACTS);
        tags.truncate(TAGS_MAX + 1);
        let id = text(card, &VCardProperty::Uid).map(|uid| uid.strip_prefix("urn:uuid:").unwrap_or(&uid).to_owned());
        let id = id.filter(|id| check_id(id).is_ok()).unwrap_or_default();
        Some((ContactDraft { id, name, company, numbers, tags, note, owner: None, favourite }, places))
    }

    fn row(&mut self) -> Result<Option<Row>, FileError> {
        while let Some(Card { number, line, text }) = self.cards.next()? {
            let wrong = |what: String| Err(FileError::At { place: place(line), what: format!("card {number} of the file {what}") });
            let whole = format!("BEGIN:VCARD\n{text}END:VCARD\n");
            // whatever stands in a card, a parser that stumbles over it ends this card's import and not the process
            let card = match catch_unwind(AssertUnwindSafe(|| VCard::parse(&whole))) {
                Ok(Ok(card)) => card,
                _ => return wrong("can't be read; export it anew, or take it out".into()),
            };
            let Some((draft, places)) = self.contact(&card) else { continue };
            let fields = [("name", &draft.name), ("company", draft.company.as_ref().unwrap_or(&draft.name))].into_iter();
            let fields = fields.chain(draft.numbers.iter().map(|(n, _)| ("number", n))).chain(draft.tags.iter().map(|t| ("tag", t)));
            let mut bytes = draft.note.as_ref().map_or(0, String::len);
            for (field, text) in fields {
                bytes += text.len();
                if text.len() > FIELD_BYTES_MAX {
                    return wrong(format!("has a {field} of {} bytes, more than {FIELD_BYTES_MAX}; shorten it", text.len()));
                }
            }
            return Ok(Some(Row::of(place(line), Said::Contact(draft), bytes).with_number_places(places)));
        }
        Ok(None)
    }
}

impl<R: Read> ContactFile for Vcards<R> {
    fn next_row(&mut self) -> Result<Option<Row>, FileError> {
        self.row()
    }

    fn field_place(&self, field: &str, number_index: Option<usize>) -> Option<String> {
        Some(match (field, number_index) {
            ("number", Some(index)) => format!("number {} (TEL)", index + 1),
            ("number", None) => "TEL".into(),
            ("name", _) => "FN".into(),
            ("company", _) => "ORG".into(),
            ("tag", _) => "CATEGORIES".into(),
            ("note", _) => "NOTE".into(),
            ("id", _) => "UID".into(),
            _ => return None,
        })
    }

    fn passed_over(&self) -> Vec<(&'static str, u64)> {
        let (photos, inner) = self.cards.passed_over();
        let own = [("photos", photos), ("cards inside cards", inner)].into_iter().filter(|(_, count)| *count > 0);
        own.chain(self.passed_over.iter().map(|(what, count)| (*what, *count))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::super::reading_tests::{cuts, fails, mutations, reads};
    use super::*;
    use std::io::Cursor;

    const OLD: &[u8] = include_bytes!("../../../tests/files/telephone-2.1.vcf");
    const APPLE: &[u8] = include_bytes!("../../../tests/files/apple-3.0.vcf");
    const NEW: &[u8] = include_bytes!("../../../tests/files/nextcloud-4.0.vcf");

    fn contacts(bytes: &[u8]) -> (Vec<ContactDraft>, Vec<(&'static str, u64)>) {
        let (rows, file) = reads(open(Cursor::new(bytes.to_vec())).unwrap());
        let draft = |row: Row| match row.said {
            Said::Contact(draft) => draft,
            Said::Blocked(other) | Said::Wrong(other) => panic!("{other}"),
        };
        (rows.into_iter().map(draft).collect(), file.passed_over())
    }

    fn numbers(draft: &ContactDraft) -> Vec<(&str, &str)> {
        draft.numbers.iter().map(|(number, label)| (number.as_str(), label.as_deref().unwrap_or(""))).collect()
    }

    #[test]
    fn what_an_old_telephone_writes_is_read() {
        let (all, passed) = contacts(OLD);
        assert_eq!(all.iter().map(|c| c.name.as_str()).collect::<Vec<_>>(), ["Jürgen Groß", "Müller, Bäckerei", "Ёжик"]);
        assert_eq!(numbers(&all[0]), [("+4930123456", "mobile"), ("030 123457", "home"), ("030 123458", "fax"), ("030123459", "")]);
        assert_eq!(all[0].note.as_deref(), Some("first line\nsecond line that goes on; and = ends"));
        assert_eq!((all[0].company.as_deref(), all[1].company.as_deref()), (Some("Groß & Söhne"), Some("Bäckerei Müller")));
        assert_eq!(passed, [("photos", 1), ("cards inside cards", 1), ("cards without a number", 1)]);
    }

    #[test]
    fn what_apple_and_google_write_is_read() {
        let (all, passed) = contacts(APPLE);
        let ada = &all[0];
        assert_eq!(
            numbers(ada),
            [
                ("+44 20 7946 0001", "main"),
                ("+44 7700 900001", "mobile"),
                ("+44 20 7946 0002", "fax"),
                ("+44 20 7946 0003", "Engine room"),
                ("+44 20 7946 0004", "work")
            ]
        );
        assert_eq!((ada.name.as_str(), ada.company.as_deref()), ("Ada, Countess of Lovelace", Some("Engines; Analytical")));
        assert_eq!(ada.note.as_deref(), Some("a note\nthat, goes on"));
        assert_eq!(ada.id, "1B2C3D4E-0000-4000-8000-000000000001");
        assert_eq!((ada.tags.as_slice(), ada.favourite), (&["friend".to_owned(), "maths, old".to_owned()][..], true));
        assert_eq!((all[1].name.as_str(), numbers(&all[1])), ("Dr. Charles Babbage", vec![("+44 20 7946 0005", "pager")]));
        assert_eq!(all[2].name, "ACME");
        assert_eq!(passed, [("photos", 2), ("cards without a name", 1)]);
    }

    #[test]
    fn numbers_may_be_uris_and_the_main_one_comes_first() {
        let (all, passed) = contacts(NEW);
        assert_eq!(numbers(&all[0]), [("+1-202-555-0102", "mobile"), ("+1-202-555-0101", "work"), ("+1-202-555-0103", "fax")]);
        assert_eq!((all[0].id.as_str(), all[0].name.as_str()), ("f81d4fae-7dec-11d0-a765-00a0c91e6bf6", "Grace Hopper"));
        assert_eq!(all[0].company.as_deref(), Some("Navy"));
        assert_eq!(all[1].id, "", "an id that can't be one is none");
        assert_eq!(passed, [("addresses that are no numbers", 1), ("extensions behind a number", 1)]);
    }

    #[test]
    fn a_file_that_is_wrong_says_where() {
        for (text, expected) in [
            ("name,number\nAda,101\n", "line 1: it stands outside of any card"),
            (
                "BEGIN:VCARD\nFN:A\nTEL:1\nBEGIN:VCARD\n",
                "card at line 1: card 1 of the file has no END:VCARD before the next one begins in line 4",
            ),
            (
                "BEGIN:VCARD\nFN:A\nTEL:1\nEND:VCARD\n\nBEGIN:VCARD\nFN:A\nTEL:1\n",
                "card at line 6: card 2 of the file has no END:VCARD; the file breaks off",
            ),
            ("BEGIN:VCARD\nFN:A\nTEL:1\nPHOTO;ENCODING=b:AAAA\n AAA", "card 1 of the file has no END:VCARD"),
        ] {
            for end in ["\n", "\r\n", "\r"] {
                let error = fails(open(Cursor::new(text.replace('\n', end))).unwrap());
                assert!(error.contains(expected), "{error}");
            }
        }
        let long = format!("BEGIN:VCARD\nFN:{}\nTEL:1\nEND:VCARD\n", "x".repeat(20_000));
        assert!(fails(open(Cursor::new(long)).unwrap()).contains("has a name of 20000 bytes"));
    }

    #[test]
    fn line_ends_of_all_sorts_give_the_same_cards() {
        for bytes in [OLD, APPLE, NEW] {
            let (expected, unix) = (contacts(bytes).0, String::from_utf8_lossy(bytes).into_owned());
            if std::str::from_utf8(bytes).is_err() {
                continue;
            }
            for end in ["\r\n", "\r"] {
                assert_eq!(contacts(unix.replace('\n', end).as_bytes()).0, expected);
            }
            let mixed: String = unix.split('\n').enumerate().map(|(n, l)| format!("{l}{}", ["\n", "\r\n", "\r"][n % 3])).collect();
            assert_eq!(contacts(mixed.as_bytes()).0, expected);
        }
    }

    #[test]
    fn a_note_is_shortened_and_a_photo_of_a_megabyte_is_nothing() {
        let (note, photo) = ("ä".repeat(3000), "A".repeat(1 << 20));
        let (all, passed) =
            contacts(format!("BEGIN:VCARD\nFN:A\nTEL:1\nNOTE:{note}\nPHOTO:data:image/png;base64,{photo}\nEND:VCARD").as_bytes());
        assert_eq!(all[0].note.as_ref().unwrap().len(), NOTE_BYTES_MAX);
        assert_eq!(passed, [("photos", 1), ("notes that were shortened", 1)]);
    }

    #[test]
    fn a_file_that_is_cut_or_damaged_anywhere_gives_whole_cards_and_no_panic() {
        let open = |input| open(input).map(|file| Box::new(file) as Box<dyn ContactFile>);
        for bytes in [OLD, APPLE, NEW] {
            cuts(bytes, true, open);
            cuts(&bytes.repeat(40), true, open);
            mutations(bytes, open);
        }
    }
}
