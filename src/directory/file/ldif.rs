//! LDIF (RFC 2849): address books of Thunderbird and its kin, and what `ldapsearch` prints.
//!
//! Parsed here, because no parser for it is kept. An entry begins with `dn:` and ends with an empty line; a line that begins
//! with a blank goes on with the one before; `attribute:: …` is base64 and `attribute:< …` stands elsewhere, which is never
//! fetched. Change records are no directory and are refused.

use super::lines::{Line, Lines, shorten};
use super::{ContactFile, FIELD_BYTES_MAX, FileError, Once, Place, Row, Said};
use crate::directory::{ContactDraft, NOTE_BYTES_MAX, NUMBERS_MAX, TAGS_MAX, check_id};
use data_encoding::BASE64;
use std::collections::BTreeMap;
use std::io::Read;

/// The longest line with all that goes on with it, in bytes: base64 of the longest field, and its name. Photos are longer,
/// and not read.
const LINE_BYTES_MAX: usize = FIELD_BYTES_MAX / 3 * 4 + 1024;

/// What the values of an attribute are to us.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Display,
    Common,
    Given,
    Family,
    Nickname,
    Company,
    Id,
    Note,
    Tag,
    Number(&'static str),
    Photo,
}

/// An attribute by its name: RFC 4519, RFC 2798 (inetOrgPerson), Active Directory, and Mozilla's.
fn kind(attribute: &str) -> Option<Kind> {
    let name = attribute.split(';').next().unwrap_or_default().to_ascii_lowercase();
    Some(match name.strip_prefix("mozilla").unwrap_or(&name) {
        "displayname" => Kind::Display,
        "cn" | "commonname" => Kind::Common,
        "givenname" | "gn" => Kind::Given,
        "sn" | "surname" => Kind::Family,
        "nickname" | "xmozillanickname" => Kind::Nickname,
        "o" | "organizationname" | "company" => Kind::Company,
        "uid" | "userid" => Kind::Id,
        "description" | "notes" => Kind::Note,
        "ou" | "organizationalunitname" | "department" => Kind::Tag,
        "telephonenumber" | "othertelephone" | "workphone" | "companyphone" | "ipphone" => Kind::Number("work"),
        "mobile" | "mobiletelephonenumber" | "othermobile" | "cellphone" => Kind::Number("mobile"),
        "homephone" | "hometelephonenumber" | "otherhomephone" => Kind::Number("home"),
        "facsimiletelephonenumber" | "otherfacsimiletelephonenumber" | "fax" => Kind::Number("fax"),
        "pager" | "pagertelephonenumber" | "otherpager" | "pagerphone" => Kind::Number("pager"),
        "carphone" => Kind::Number("car"),
        "jpegphoto" | "photo" | "thumbnailphoto" => Kind::Photo,
        _ => return None,
    })
}

/// What an entry has said so far.
#[derive(Debug, Default)]
struct Entry {
    /// The line that it begins at; 0 if none has begun.
    line: u64,
    texts: BTreeMap<Kind, String>,
    numbers: Vec<(String, Option<String>)>,
    tags: Vec<String>,
    bytes: usize,
}

/// A file of entries.
pub(super) struct Ldif<R> {
    lines: Lines<R>,
    /// The line with all that goes on with it, and the one behind it, which has been read to see that it doesn't.
    line: Vec<u8>,
    ahead: Option<(Vec<u8>, Line)>,
    passed_over: BTreeMap<&'static str, u64>,
    begun: bool,
}

/// Reads a file of entries. Nothing is read yet.
///
/// # Errors
/// None; the type is that of the other readers.
pub(super) fn open<R: Read + 'static>(input: R) -> Result<Once<Ldif<R>>, FileError> {
    let (line, passed_over) = (Vec::new(), BTreeMap::new());
    Ok(Once::of(Ldif { lines: Lines::new(input), line, ahead: None, passed_over, begun: false }))
}

fn at_line<T>(number: u64, what: impl Into<String>) -> Result<T, FileError> {
    Err(FileError::At { place: Place { unit: "line", number }, what: what.into() })
}

impl<R: Read> Ldif<R> {
    fn pass(&mut self, what: &'static str) {
        *self.passed_over.entry(what).or_default() += 1;
    }

    fn physical(&mut self) -> Result<Option<(Vec<u8>, Line)>, FileError> {
        if let Some(ahead) = self.ahead.take() {
            return Ok(Some(ahead));
        }
        let mut bytes = Vec::new();
        Ok(self.lines.next(&mut bytes, LINE_BYTES_MAX)?.map(|line| (bytes, line)))
    }

    /// The next line, with what goes on with it; its number is that of its beginning.
    fn logical(&mut self) -> Result<Option<Line>, FileError> {
        let Some((bytes, mut line)) = self.physical()? else { return Ok(None) };
        self.line = bytes;
        // an empty line ends an entry, and nothing goes on with it
        while !self.line.is_empty() {
            match self.physical()? {
                Some((more, next)) if more.first() == Some(&b' ') => {
                    let room = LINE_BYTES_MAX.saturating_sub(self.line.len());
                    self.line.extend_from_slice(&more[1..more.len().min(room + 1)]);
                    line.cut |= next.cut || more.len() > room + 1;
                    line.ended = next.ended;
                }
                ahead => {
                    self.ahead = ahead;
                    break;
                }
            }
        }
        Ok(Some(line))
    }

    /// Takes a line into the entry.
    fn attribute(&mut self, line: Line, entry: &mut Entry) -> Result<(), FileError> {
        let number = line.number;
        let Some(colon) = memchr::memchr(b':', &self.line) else {
            return at_line(number, "there is no colon; a line is \"attribute: value\", or begins with a blank where it goes on");
        };
        let attribute = match std::str::from_utf8(&self.line[..colon]) {
            Ok(name) if !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-.;_".contains(&b)) => name.to_owned(),
            _ => return at_line(number, "what stands before the colon is no attribute; this isn't LDIF"),
        };
        let name = attribute.to_ascii_lowercase();
        match name.as_str() {
            "version" if !self.begun && entry.line == 0 => {
                let version = self.line[colon + 1..].trim_ascii();
                return if version == b"1" { Ok(()) } else { at_line(number, "this version of LDIF isn't known; version 1 is") };
            }
            "dn" if entry.line == 0 => {
                (entry.line, self.begun) = (number, true);
                return Ok(());
            }
            "dn" => return at_line(number, "a second \"dn:\" in one entry; put an empty line between entries"),
            "changetype" | "control" => {
                return at_line(
                    number,
                    "this is a list of changes and no directory; export the entries themselves, without \"changetype\"",
                );
            }
            _ if entry.line == 0 => return at_line(number, "an entry has to begin with \"dn:\"; is the beginning of the file missing?"),
            _ => {}
        }
        let Some(kind) = kind(&attribute) else { return Ok(()) };
        if kind == Kind::Photo {
            self.pass("photos");
            return Ok(());
        }
        let value = match self.line.get(colon + 1) {
            Some(b'<') => {
                self.pass("values that stand elsewhere");
                return Ok(());
            }
            _ if line.cut => return at_line(number, format!("{attribute} is longer than {FIELD_BYTES_MAX} bytes; shorten it")),
            Some(b':') => match BASE64.decode(self.line[colon + 2..].trim_ascii()) {
                Ok(bytes) => bytes,
                Err(error) => return at_line(number, format!("{attribute} isn't base64 ({error}), which \"::\" says it is")),
            },
            _ => self.line[colon + 1..].to_vec(),
        };
        let Ok(value) = String::from_utf8(value) else {
            return at_line(number, format!("{attribute} isn't UTF-8, which LDIF has to be; save the file as UTF-8"));
        };
        if value.len() > FIELD_BYTES_MAX {
            return at_line(number, format!("{attribute} has {} bytes, more than {FIELD_BYTES_MAX}; shorten it", value.len()));
        }
        self.take(kind, value.trim(), entry);
        Ok(())
    }

    fn take(&mut self, kind: Kind, value: &str, entry: &mut Entry) {
        if value.is_empty() {
            return;
        }
        // one more than there may be is enough for a contact to be refused for
        let taken = match kind {
            Kind::Number(label) if entry.numbers.len() <= NUMBERS_MAX => {
                entry.numbers.push((value.to_owned(), Some(label.to_owned())));
                true
            }
            Kind::Tag if entry.tags.len() <= TAGS_MAX => {
                entry.tags.push(value.to_owned());
                true
            }
            Kind::Number(_) | Kind::Tag => false,
            _ if entry.texts.contains_key(&kind) => false,
            _ => entry.texts.insert(kind, value.to_owned()).is_none(),
        };
        entry.bytes += if taken { value.len() } else { 0 };
    }

    /// An entry as a contact, unless it has no number.
    fn contact(&mut self, mut entry: Entry) -> Option<Row> {
        if entry.numbers.is_empty() {
            self.pass("entries without a number");
            return None;
        }
        let mut text = |kind| entry.texts.remove(&kind);
        let (given, family, company) = (text(Kind::Given), text(Kind::Family), text(Kind::Company));
        let both = [given, family].into_iter().flatten().collect::<Vec<_>>().join(" ");
        let both = Some(both).filter(|name| !name.is_empty());
        let name = text(Kind::Display).or_else(|| text(Kind::Common)).or(both).or_else(|| text(Kind::Nickname)).or_else(|| company.clone());
        let id = text(Kind::Id).filter(|id| check_id(id).is_ok()).unwrap_or_default();
        let mut note = text(Kind::Note);
        if note.as_mut().is_some_and(|note| shorten(note, NOTE_BYTES_MAX)) {
            self.pass("notes that were shortened");
        }
        let (numbers, tags) = (entry.numbers, entry.tags);
        let draft = ContactDraft { id, name: name.unwrap_or_default(), company, numbers, tags, note, ..ContactDraft::default() };
        let place = Place { unit: "entry at line", number: entry.line };
        Some(Row::of(place, Said::Contact(draft), entry.bytes))
    }

    fn row(&mut self) -> Result<Option<Row>, FileError> {
        let mut entry = Entry::default();
        loop {
            let line = self.logical()?;
            let ends = line.is_none() || self.line.is_empty();
            if ends
                && entry.line > 0
                && let Some(row) = self.contact(std::mem::take(&mut entry))
            {
                return Ok(Some(row));
            }
            let Some(line) = line else { return Ok(None) };
            if ends {
                entry = Entry::default();
                continue;
            }
            if self.line[0] == b' ' {
                return at_line(line.number, "it goes on with a line that isn't there; a line begins with a blank only behind another");
            }
            // half a number looks like a whole one
            if !line.ended {
                return at_line(line.number, "the file breaks off in the middle of this line; write it anew, or end it with a line feed");
            }
            if self.line[0] != b'#' {
                self.attribute(line, &mut entry)?;
            }
        }
    }
}

impl<R: Read> ContactFile for Ldif<R> {
    fn next_row(&mut self) -> Result<Option<Row>, FileError> {
        self.row()
    }

    fn field_place(&self, field: &str, number_index: Option<usize>) -> Option<String> {
        Some(match (field, number_index) {
            ("number", Some(index)) => format!("number {}", index + 1),
            ("name", _) => "displayName or cn".into(),
            ("company", _) => "o".into(),
            ("tag", _) => "ou".into(),
            ("id", _) => "uid".into(),
            _ => return None,
        })
    }

    fn passed_over(&self) -> Vec<(&'static str, u64)> {
        self.passed_over.iter().map(|(what, count)| (*what, *count)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::super::reading_tests::{cuts, fails, mutations, reads};
    use super::*;
    use std::io::Cursor;

    const BOOK: &str = include_str!("../../../tests/files/thunderbird.ldif");

    fn draft(row: &Row) -> &ContactDraft {
        match &row.said {
            Said::Contact(draft) => draft,
            Said::Blocked(other) | Said::Wrong(other) => panic!("{other}"),
        }
    }

    #[test]
    fn an_address_book_is_read_with_all_its_numbers() {
        for end in ["\n", "\r\n", "\r"] {
            let (rows, file) = reads(open(Cursor::new(BOOK.replace('\n', end))).unwrap());
            let told: Vec<(String, &str)> = rows.iter().map(|row| (row.place.to_string(), draft(row).name.as_str())).collect();
            let expected = [("entry at line 4", "Ada Lovelace"), ("entry at line 33", "Jürgen Groß"), ("entry at line 44", "ACME")];
            assert_eq!(told, expected.map(|(place, name)| (place.to_owned(), name)));
            let ada = draft(&rows[0]);
            let numbers: Vec<(&str, &str)> = ada.numbers.iter().map(|(n, l)| (n.as_str(), l.as_deref().unwrap())).collect();
            let expected = [
                ("+49 30 123456", "work"),
                ("+49 151 1234567", "mobile"),
                ("+49 30 654321", "home"),
                ("+49 30 123457", "fax"),
                ("0815", "pager"),
            ];
            assert_eq!(numbers, expected);
            assert_eq!((ada.id.as_str(), ada.company.as_deref()), ("ada", Some("Analytical Engines Ltd")));
            assert_eq!(ada.note.as_deref(), Some("a note that goes on in the next line, and ends there"));
            assert_eq!(ada.tags, ["Mathematics"]);
            assert_eq!(draft(&rows[1]).id, "", "an id that can't be one is none");
            let passed = [("entries without a number", 1), ("photos", 1), ("values that stand elsewhere", 1)];
            assert_eq!(file.passed_over(), passed);
        }
    }

    #[test]
    fn a_file_that_is_wrong_says_where() {
        for (text, expected) in [
            ("dn: cn=a\nchangetype: add\ncn: a\n", "line 2: this is a list of changes"),
            ("dn: cn=a\ncn:: !!!\n", "line 2: cn isn't base64"),
            ("dn: cn=a\ncn:: QWRhI\n", "line 2: cn isn't base64"),
            ("dn: cn=a\ncn:: /w==\n", "line 2: cn isn't UTF-8"),
            ("dn: cn=a\ncn: Ada\nmobile: +49 151", "line 3: the file breaks off"),
            ("dn: cn=a\ndn: cn=b\n", "line 2: a second \"dn:\""),
            ("cn: a\n", "line 1: an entry has to begin with \"dn:\""),
            ("version: 2\n", "line 1: this version"),
            ("name,number\nAda,101\n", "line 1: there is no colon"),
            ("a b: c\n", "line 1: what stands before the colon"),
            ("\n goes on\n", "line 2: it goes on with a line that isn't there"),
        ] {
            let error = fails(open(Cursor::new(text.to_owned())).unwrap());
            assert!(error.contains(expected), "{text:?}: {error}");
        }
        assert!(fails(open(&b"dn: cn=a\ncn: M\xfcller\n"[..]).unwrap()).contains("line 2: cn isn't UTF-8"));
        let long = "x".repeat(1 << 20);
        let folded = "x\n ".repeat(1 << 18);
        for long in [&long, &folded] {
            let error = fails(open(Cursor::new(format!("dn: cn=a\nsn: b\ncn: {long}\n"))).unwrap());
            assert!(error.contains("line 3: cn is longer than 16384"), "{error}");
            // what isn't wanted may be as long as it likes
            let (rows, _) =
                reads(open(Cursor::new(format!("dn: cn=a\njpegPhoto:: {long}\nhomepostal: {long}\ncn: A\nmobile: 1\n"))).unwrap());
            assert_eq!(draft(&rows[0]).name, "A");
        }
    }

    #[test]
    fn a_note_is_shortened_and_more_numbers_than_may_be_are_not_kept() {
        let numbers: String = (0..100_000).map(|n| format!("mobile: {n}\n")).collect();
        let (rows, file) = reads(open(Cursor::new(format!("dn: x\ncn: A\n{numbers}description: {}\n", "ä".repeat(3000)))).unwrap());
        assert_eq!(draft(&rows[0]).numbers.len(), NUMBERS_MAX + 1);
        assert_eq!(draft(&rows[0]).note.as_ref().unwrap().len(), NOTE_BYTES_MAX);
        assert_eq!(file.passed_over(), [("notes that were shortened", 1)]);
    }

    #[test]
    fn a_file_that_is_cut_or_damaged_anywhere_gives_whole_rows_and_no_panic() {
        let open = |input| open(input).map(|file| Box::new(file) as Box<dyn ContactFile>);
        cuts(BOOK.as_bytes(), false, open);
        cuts(BOOK.replacen("version: 1\n", "\n", 100).repeat(40).as_bytes(), false, open);
        mutations(BOOK.as_bytes(), open);
    }
}
