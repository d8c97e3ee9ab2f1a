//! Opening a file of contacts: which format it is, and the reader for it.

use super::encoding::{self, HEAD_BYTES, Text};
use super::{ContactFile, FileError, Row, astdb, csv, json_lines, ldif, vcard, xlsx};
use crate::nearest::did_you_mean;
use std::fmt;
use std::io::{Cursor, Read};
use std::path::Path;
use std::str::FromStr;

/// A file's format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// A table as text, whatever divides its columns.
    Csv,
    /// Visiting cards.
    Vcard,
    /// What directories (LDAP) are written out as.
    Ldif,
    /// A JSON object in each line.
    JsonLines,
    /// A spreadsheet.
    Xlsx,
    /// What Asterisk's `database show` prints.
    Astdb,
}

impl Format {
    /// All formats.
    pub const ALL: [Format; 6] = [Format::Csv, Format::Vcard, Format::Ldif, Format::JsonLines, Format::Xlsx, Format::Astdb];

    /// The format in one word, as it is typed.
    pub const fn word(self) -> &'static str {
        match self {
            Format::Csv => "csv",
            Format::Vcard => "vcard",
            Format::Ldif => "ldif",
            Format::JsonLines => "jsonl",
            Format::Xlsx => "xlsx",
            Format::Astdb => "astdb",
        }
    }

    /// The format by a file's ending, or by another word for it.
    fn by_word(word: &str) -> Option<Format> {
        Some(match word {
            "csv" | "tsv" | "tab" | "txt" => Format::Csv,
            "vcard" | "vcf" => Format::Vcard,
            "ldif" | "ldi" => Format::Ldif,
            "jsonl" | "ndjson" | "json" => Format::JsonLines,
            "xlsx" | "xlsm" => Format::Xlsx,
            "astdb" => Format::Astdb,
            _ => return None,
        })
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.word())
    }
}

impl FromStr for Format {
    type Err = String;

    fn from_str(text: &str) -> Result<Format, String> {
        Format::by_word(&text.trim().to_ascii_lowercase()).ok_or_else(|| {
            let words = Format::ALL.map(Format::word);
            format!("{text:?} is no format; write one of {}{}", words.join(", "), did_you_mean(text, words))
        })
    }
}

/// How a file is to be read; what isn't said is found out.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reading {
    /// Its format.
    pub format: Option<Format>,
    /// Which field is in which column of a table: (`number2`, `D`) or (`name`, `Full name`).
    pub map: Vec<(String, String)>,
    /// What divides the columns of a CSV.
    pub delimiter: Option<u8>,
    /// The encoding of its text, by name.
    pub encoding: Option<String>,
}

impl Reading {
    /// Reads what `--map` says: `name=B,number=C`. A column's name may hold a comma if no word with a `=` follows it.
    ///
    /// # Errors
    /// What is wrong, and what to write.
    pub fn parse_map(text: &str) -> Result<Vec<(String, String)>, String> {
        let mut map: Vec<(String, String)> = Vec::new();
        for part in text.split(',') {
            match (part.split_once('='), map.last_mut()) {
                (Some((field, column)), _) if !field.trim().is_empty() && !column.trim().is_empty() => {
                    map.push((field.trim().to_owned(), column.trim().to_owned()));
                }
                (None, Some((_, column))) => column.extend([",", part.trim_end()]),
                _ => return Err(format!("{text:?} maps nothing; write fields and columns, such as name=B,number=C or name=\"Full name\"")),
            }
        }
        Ok(map)
    }

    /// Reads what `--delimiter` says: one of `,` `;` `|`, or `tab`.
    ///
    /// # Errors
    /// What is wrong, and what to write.
    pub fn parse_delimiter(text: &str) -> Result<u8, String> {
        match text {
            "tab" | "\t" | "\\t" => Ok(b'\t'),
            _ => match text.as_bytes() {
                [byte] if csv::may_divide(*byte) => Ok(*byte),
                _ => Err(format!("{text:?} can't divide columns; write one sign, such as , ; | or the word tab")),
            },
        }
    }
}

/// Opens a file of contacts. What isn't said of it is told by its content, and then by its name's ending. Nothing but its
/// first 64 KiB are read before the first row is asked for.
///
/// # Errors
/// [`FileError`]: it can't be read, or isn't what it should be.
pub fn open(mut input: Box<dyn Read>, name: Option<&Path>, options: &Reading) -> Result<Box<dyn ContactFile>, FileError> {
    let mut head = Vec::new();
    let read = input.by_ref().take(HEAD_BYTES as u64).read_to_end(&mut head);
    read.map_err(|error| FileError::Whole(format!("the file can't be read ({error})")))?;
    let format = match options.format {
        Some(format) => Some(format),
        None => by_magic(&head)?,
    };
    if format == Some(Format::Xlsx) {
        return Ok(Box::new(xlsx::open(Cursor::new(head).chain(input), options)?));
    }
    let whole = head.len() < HEAD_BYTES;
    let found = encoding::find(&head, whole, options.encoding.as_deref())?;
    let (begin, _) = found.encoding.decode_without_bom_handling(&head[found.mark_bytes..]);
    let by_content = || by_content(&begin);
    let format = format.or_else(by_content).or_else(|| by_ending(name)).unwrap_or(Format::Csv);
    for (option, there) in [("--map", !options.map.is_empty()), ("--delimiter", options.delimiter.is_some())] {
        if there && format != Format::Csv {
            return Err(FileError::Whole(format!("{option} is for tables, and the file is {format}; take it away, or say --format csv")));
        }
    }
    let begin = begin.into_owned();
    let mut rest = Cursor::new(head).chain(input);
    let mark = rest.by_ref().take(found.mark_bytes as u64).read_to_end(&mut Vec::new());
    mark.map_err(|error| FileError::Whole(format!("the file can't be read ({error})")))?;
    // a card says of each line what it is in, if it says it at all
    let by_line = format == Format::Vcard && found.guessed;
    let text = Text::new(rest, if by_line { encoding_rs::UTF_8 } else { found.encoding });
    let mut notes = Vec::new();
    if found.guessed && !by_line {
        notes.push(format!(
            "the text is read as {}; if names look wrong, say which it is, such as --encoding iso-8859-15",
            found.encoding.name()
        ));
    }
    let file: Box<dyn ContactFile> = match format {
        Format::Csv => Box::new(csv::open(text, &begin, options)?),
        Format::Vcard => Box::new(vcard::open(text)?),
        Format::Ldif => Box::new(ldif::open(text)?),
        Format::JsonLines => Box::new(json_lines::open(text)?),
        Format::Astdb => Box::new(astdb::open(text)?),
        Format::Xlsx => return Err(FileError::Whole("the file is no workbook; its first bytes are those of a text".to_owned())),
    };
    Ok(Box::new(Noted { file, notes }))
}

/// What isn't text, by its first bytes.
fn by_magic(head: &[u8]) -> Result<Option<Format>, FileError> {
    let refused = |what: &str| Err(FileError::Whole(what.to_owned()));
    if head.starts_with(b"PK\x03\x04") {
        Ok(Some(Format::Xlsx))
    } else if head.starts_with(&[0xd0, 0xcf, 0x11, 0xe0]) {
        refused("the file is an Excel workbook of before 2007 (.xls); save it as .xlsx or as CSV")
    } else if head.starts_with(&[0x1f, 0x8b]) || head.starts_with(&[0xfd, b'7', b'z', b'X', b'Z']) {
        refused("the file is compressed; unpack it first")
    } else if head.starts_with(b"%PDF-") {
        refused("the file is a PDF; contacts are read from CSV, vCard, LDIF, JSON lines and XLSX")
    } else {
        Ok(None)
    }
}

/// The format of a text that begins like this; `None` where it may be a table.
fn by_content(begin: &str) -> Option<Format> {
    let begin = begin.trim_start_matches(|c: char| c.is_whitespace() || c == '\u{feff}');
    let starts = |text: &str, word: &str| text.get(..word.len()).is_some_and(|start| start.eq_ignore_ascii_case(word));
    if starts(begin, "BEGIN:VCARD") {
        return Some(Format::Vcard);
    }
    if begin.starts_with('{') || begin.strip_prefix('[').is_some_and(|rest| rest.trim_start().starts_with('{')) {
        return Some(Format::JsonLines);
    }
    let lines = || begin.lines().map(str::trim_end);
    // LDIF may begin with comments
    let first = lines().find(|line| !line.is_empty() && !line.starts_with('#')).unwrap_or_default();
    if starts(first, "dn:") || first.split_once(':').is_some_and(|(word, one)| starts(word, "version") && one.trim() == "1") {
        return Some(Format::Ldif);
    }
    // "/cidname/4930123456                               : Ada", as `database show` prints
    let entry =
        |line: &str| line.split_once(": ").or_else(|| line.split_once(" :")).is_some_and(|(key, _)| key.ends_with(' ') && is_key(key));
    entry(first).then_some(Format::Astdb)
}

fn is_key(key: &str) -> bool {
    key.strip_prefix('/').and_then(|key| key.split_once('/')).is_some_and(|(family, key)| !family.is_empty() && !key.trim().is_empty())
}

fn by_ending(name: Option<&Path>) -> Option<Format> {
    Format::by_word(&name?.extension()?.to_str()?.to_ascii_lowercase())
}

/// A file with what was noted when it was opened.
struct Noted {
    file: Box<dyn ContactFile>,
    notes: Vec<String>,
}

impl ContactFile for Noted {
    fn next_row(&mut self) -> Result<Option<Row>, FileError> {
        self.file.next_row()
    }

    fn field_place(&self, field: &str, number_index: Option<usize>) -> Option<String> {
        self.file.field_place(field, number_index)
    }

    fn passed_over(&self) -> Vec<(&'static str, u64)> {
        self.file.passed_over()
    }

    fn columns_left(&self) -> Vec<String> {
        self.file.columns_left()
    }

    fn notes(&self) -> Vec<String> {
        self.notes.iter().cloned().chain(self.file.notes()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_format_is_told_by_the_content() {
        for (begin, wanted) in [
            ("BEGIN:VCARD\r\nVERSION:3.0\r\n", Some(Format::Vcard)),
            ("\n begin:vcard\n", Some(Format::Vcard)),
            ("dn: cn=Ada,dc=example\n", Some(Format::Ldif)),
            ("# exported\n\nversion: 1\ndn: x\n", Some(Format::Ldif)),
            ("version:1\n", Some(Format::Ldif)),
            ("{\"name\":\"Ada\"}\n", Some(Format::JsonLines)),
            ("[\n {\"name\":\"Ada\"}\n]", Some(Format::JsonLines)),
            ("/cidname/4930123456                               : Ada\n", Some(Format::Astdb)),
            ("/blacklist/anonymous                              : 1\n", Some(Format::Astdb)),
            ("name,number\n", None),
            ("[name],number\n", None),
            ("/path/to: x,number\n", None),
            ("version,number\n", None),
            ("#,name\n", None),
            ("", None),
        ] {
            assert_eq!(by_content(begin), wanted, "{begin:?}");
        }
        assert_eq!(by_magic(b"PK\x03\x04rest").unwrap(), Some(Format::Xlsx));
        for (head, said) in [(&b"\xd0\xcf\x11\xe0"[..], ".xls"), (b"\x1f\x8b\x08", "compressed"), (b"%PDF-1.7", "PDF")] {
            assert!(by_magic(head).unwrap_err().to_string().contains(said));
        }
        assert_eq!(by_ending(Some(Path::new("/tmp/people.VCF"))), Some(Format::Vcard));
        assert_eq!(by_ending(Some(Path::new("/tmp/people"))), None);
    }

    #[test]
    fn a_format_is_one_word_everywhere() {
        for format in Format::ALL {
            assert_eq!(format.word().parse(), Ok(format));
        }
        let error = "vcrad".parse::<Format>().unwrap_err();
        assert!(error.contains("\"vcrad\" is no format") && error.contains("did you mean vcard?"), "{error}");
    }

    #[test]
    fn options_say_what_is_wrong_with_them() {
        let pair = |a: &str, b: &str| (a.to_owned(), b.to_owned());
        assert_eq!(Reading::parse_map("name=B,number=C").unwrap(), [pair("name", "B"), pair("number", "C")]);
        assert_eq!(Reading::parse_map("name=Name, full,number=D").unwrap(), [pair("name", "Name, full"), pair("number", "D")]);
        for wrong in ["", "name", "=B", "name=", "name=B,number="] {
            assert!(Reading::parse_map(wrong).is_err(), "{wrong:?}");
        }
        assert_eq!(["tab", ";", "|"].map(|d| Reading::parse_delimiter(d).unwrap()), [b'\t', b';', b'|']);
        for wrong in ["", "\"", "\n", "a", "5", ";;", "ö", "+"] {
            assert!(Reading::parse_delimiter(wrong).is_err(), "{wrong:?}");
        }
        let map = Reading { map: vec![pair("name", "A")], ..Reading::default() };
        let error = open(Box::new(&b"BEGIN:VCARD\n"[..]), None, &map).err().unwrap().to_string();
        assert!(error.contains("--map is for tables, and the file is vcard"), "{error}");
        let encoding = Reading { encoding: Some("latin-9000".into()), ..Reading::default() };
        assert!(open(Box::new(&b"name,number\n"[..]), None, &encoding).err().unwrap().to_string().contains("latin-9000"));
    }
}
