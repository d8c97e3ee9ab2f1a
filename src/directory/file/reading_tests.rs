//! What every reader of contacts must stand: files cut anywhere, and files of any bytes.

use super::{ContactFile, FileError, Format, Reading, Row, Said, open};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use std::io::Cursor;

/// How far apart a large file is cut, in bytes.
const LARGE_STEP_BYTES: usize = 4096;
/// No file of the tests has more rows.
const ROWS_MAX: usize = 2_000_000;

pub(super) type Input = Cursor<Vec<u8>>;

/// All rows, of a file that is right.
pub(super) fn reads<F: ContactFile>(mut file: F) -> (Vec<Row>, F) {
    let mut rows = Vec::new();
    while let Some(row) = file.next_row().unwrap() {
        rows.push(row);
    }
    (rows, file)
}

/// What is wrong with a file, after whose error there is nothing more.
pub(super) fn fails(mut file: impl ContactFile) -> String {
    let error = loop {
        match file.next_row() {
            Ok(Some(_)) => {}
            Ok(None) => panic!("nothing is wrong"),
            Err(error) => break error.to_string(),
        }
    };
    assert_eq!(file.next_row(), Ok(None), "after an error there is nothing more");
    error
}

/// All rows up to the end or the error, which says where it is.
pub(super) fn tries(opened: Result<Box<dyn ContactFile>, FileError>) -> (Vec<Row>, Option<FileError>) {
    let mut rows = Vec::new();
    let mut file = match opened {
        Ok(file) => file,
        Err(error) => return (rows, Some(error)),
    };
    loop {
        match file.next_row() {
            Ok(Some(row)) => rows.push(row),
            Ok(None) => return (rows, None),
            Err(error) => return (rows, Some(error)),
        }
        assert!(rows.len() < ROWS_MAX, "it never ends");
    }
}

/// Cuts a file at every byte, or at every 4 KB: what is read are rows of the whole one, or an error. Where a format can't
/// tell, its last row may be another if a line ends at the cut.
pub(super) fn cuts(bytes: &[u8], can_tell: bool, open: impl Fn(Input) -> Result<Box<dyn ContactFile>, FileError>) {
    let (whole, error) = tries(open(Cursor::new(bytes.to_vec())));
    assert_eq!(error, None);
    let step = if bytes.len() > 4 * LARGE_STEP_BYTES { LARGE_STEP_BYTES } else { 1 };
    for cut in (0..bytes.len()).step_by(step) {
        let (mut rows, error) = tries(open(Cursor::new(bytes[..cut].to_vec())));
        if !can_tell && bytes[..cut].ends_with(b"\n") {
            rows.pop();
        }
        assert_eq!(rows[..], whole[..rows.len().min(whole.len())], "cut at {cut}: {error:?}");
    }
}

/// Damages a file in many ways, and makes files of nothing but chance: whatever is in it, it is read or refused.
pub(super) fn mutations(bytes: &[u8], open: impl Fn(Input) -> Result<Box<dyn ContactFile>, FileError>) {
    let mut runner = TestRunner::new(Config { cases: 400, failure_persistence: None, ..Config::default() });
    let damage = proptest::collection::vec((any::<proptest::sample::Index>(), any::<u8>(), 0..4u8), 1..8);
    let chance = proptest::collection::vec(any::<u8>(), 0..600);
    let told = runner.run(&(damage, chance), |(damage, chance)| {
        let mut damaged = bytes.to_vec();
        for (at, byte, how) in damage {
            let at = at.index(damaged.len());
            match how {
                0 => damaged[at] = byte,
                1 => drop(damaged.remove(at)),
                2 => damaged.insert(at, byte),
                _ => {
                    let until = damaged.len().min(at + usize::from(byte));
                    let twice = damaged[at..until].to_vec();
                    damaged.splice(at..at, twice);
                }
            }
        }
        tries(open(Cursor::new(damaged)));
        tries(open(Cursor::new(chance)));
        Ok(())
    });
    told.unwrap();
}

const FIXTURES: [(&str, &[u8], usize); 7] = [
    ("vcard", include_bytes!("../../../tests/files/telephone-2.1.vcf"), 3),
    ("vcard", include_bytes!("../../../tests/files/apple-3.0.vcf"), 3),
    ("vcard", include_bytes!("../../../tests/files/nextcloud-4.0.vcf"), 2),
    ("ldif", include_bytes!("../../../tests/files/thunderbird.ldif"), 3),
    ("jsonl", include_bytes!("../../../tests/files/contacts.jsonl"), 4),
    ("astdb", include_bytes!("../../../tests/files/asterisk-22-database-show.txt"), 6),
    ("xlsx", include_bytes!("../../../tests/files/contacts.xlsx"), 3),
];

fn rows_of(bytes: Vec<u8>, reading: &Reading) -> Vec<Row> {
    let (rows, error) = tries(open(Box::new(Cursor::new(bytes)), None, reading));
    assert_eq!(error, None);
    rows
}

#[test]
fn a_file_is_read_by_what_is_in_it_whatever_its_encoding() {
    for (word, bytes, count) in FIXTURES {
        let rows = rows_of(bytes.to_vec(), &Reading::default());
        assert_eq!(rows.len(), count, "{word}");
        let said = Reading { format: word.parse().ok(), ..Reading::default() };
        assert_eq!(rows_of(bytes.to_vec(), &said), rows, "{word}");
        let Ok(text) = std::str::from_utf8(bytes) else { continue };
        let marked = [b"\xef\xbb\xbf", bytes].concat();
        let utf16: Vec<u8> = format!("\u{feff}{text}").encode_utf16().flat_map(u16::to_le_bytes).collect();
        for other in [marked, utf16] {
            assert_eq!(rows_of(other, &Reading::default()), rows, "{word}");
        }
        // an encoding that it isn't in gives other names, or an error, and no panic
        for encoding in ["utf-16be", "koi8-r", "shift_jis"] {
            tries(open(Box::new(Cursor::new(bytes.to_vec())), None, &Reading { encoding: Some(encoding.into()), ..said.clone() }));
        }
    }
}

#[test]
fn a_card_says_itself_what_its_lines_are_in() {
    let names = |bytes: &[u8]| -> Vec<String> {
        let name = |row: Row| match row.said {
            Said::Contact(draft) => draft.name,
            Said::Blocked(other) | Said::Wrong(other) => other,
        };
        rows_of(bytes.to_vec(), &Reading::default()).into_iter().map(name).collect()
    };
    assert_eq!(names(FIXTURES[0].1), ["Jürgen Groß", "Müller, Bäckerei", "Ёжик"]);
}

#[test]
fn bytes_that_a_format_was_said_for_are_read_or_refused() {
    for (word, bytes, _) in FIXTURES {
        for format in Format::ALL {
            tries(open(Box::new(Cursor::new(bytes.to_vec())), None, &Reading { format: Some(format), ..Reading::default() }));
        }
        mutations(bytes, |input| open(Box::new(input), None, &Reading { format: word.parse().ok(), ..Reading::default() }));
    }
}
