//! What Asterisk's `database show` prints, and FreePBX with it: a key and a value a line, `/cidname/4930123456 … : Ada`.
//!
//! Seen in Asterisk 22.10.1: the key is filled up with blanks to 50 bytes (a longer one isn't cut), then `: `, the value, and
//! blanks up to 25 bytes; nothing is quoted; the last line is `10 results found.`. An output that went through `grep` has no
//! such line.

use super::lines::Lines;
use super::{ContactFile, FIELD_BYTES_MAX, FileError, Once, Place, Row, Said};
use crate::directory::ContactDraft;
use crate::number::{is_withheld, may_be_number};
use std::collections::BTreeMap;
use std::io::Read;

/// Where the colon stands behind keys that aren't longer.
const KEY_WIDTH: usize = 50;
/// What the family of names is called, and that of blocked numbers; FreePBX and every dialplan that its wiki taught use these.
const NAMES: &str = "cidname";
const BLOCKED: &str = "blacklist";
/// FreePBX's key for "block callers without a number", which isn't a number.
const WITHHELD: &str = "blocked";
/// FreePBX's key for where blocked callers are sent, which isn't one either.
const DESTINATION: &str = "dest";

/// A dump of Asterisk's database.
pub(super) struct Astdb<R> {
    lines: Lines<R>,
    line: Vec<u8>,
    entries: u64,
    told: Option<u64>,
    passed_over: BTreeMap<&'static str, u64>,
}

/// Reads a dump. Nothing is read yet.
///
/// # Errors
/// None; the type is that of the other readers.
pub(super) fn open<R: Read + 'static>(input: R) -> Result<Once<Astdb<R>>, FileError> {
    Ok(Once::of(Astdb { lines: Lines::new(input), line: Vec::new(), entries: 0, told: None, passed_over: BTreeMap::new() }))
}

/// A line's key and value.
fn entry(line: &str) -> Option<(&str, &str)> {
    // the first colon behind the key's column; a longer key, or a copy that lost its blanks, has blanks around it alone
    let in_column = (line.as_bytes().get(KEY_WIDTH) == Some(&b':')).then_some(KEY_WIDTH);
    let at = in_column.or_else(|| {
        let bytes = line.as_bytes();
        line.match_indices(':').map(|(at, _)| at).find(|at| bytes[at - 1] == b' ' || matches!(bytes.get(at + 1), None | Some(b' ')))
    })?;
    Some((line[..at].trim_end(), line[at + 1..].strip_prefix(' ').unwrap_or(&line[at + 1..])))
}

/// The number in `10 results found.`
fn results(line: &str) -> Option<u64> {
    line.trim().strip_suffix(" results found.").or_else(|| line.trim().strip_suffix(" result found."))?.parse().ok()
}

impl<R: Read> Astdb<R> {
    fn pass(&mut self, what: &'static str) {
        *self.passed_over.entry(what).or_default() += 1;
    }

    fn row(&mut self) -> Result<Option<Row>, FileError> {
        loop {
            let Some(read) = self.lines.next(&mut self.line, FIELD_BYTES_MAX)? else { return self.end() };
            let place = Place { unit: "line", number: read.number };
            let wrong = |what: String| Err(FileError::At { place: place.clone(), what });
            if read.cut {
                return wrong(format!("it has more than {FIELD_BYTES_MAX} bytes; this is not what \"database show\" prints"));
            }
            let Ok(line) = std::str::from_utf8(&self.line) else {
                return wrong("it isn't UTF-8; give the file's --encoding, or save it as UTF-8".into());
            };
            if line.trim().is_empty() {
                continue;
            }
            if let Some(count) = results(line) {
                self.told = Some(count);
                continue;
            }
            if self.told.is_some() {
                return wrong("there is more behind \"results found.\"; give one output of \"database show\" at a time".into());
            }
            let Some((key, value)) = line.starts_with('/').then(|| entry(line)).flatten() else {
                let (what, how) = ("it isn't a key and a value", "write the file with: asterisk -rx \"database show\" > FILE");
                return wrong(format!("{what}, as /cidname/+4930123456 : Ada Lovelace is; {how}"));
            };
            // the value is the last thing on a line, and half of one looks like a whole one
            if !read.ended {
                return wrong("the file breaks off in the middle of this line; write it anew".into());
            }
            self.entries += 1;
            let (value, bytes) = (value.trim().to_owned(), line.len());
            let (family, key) = key[1..].split_once('/').unwrap_or((key, ""));
            let (family, key) = (family.to_owned(), key.trim().to_owned());
            match family.as_str() {
                NAMES if value.is_empty() => self.pass("names that are empty"),
                NAMES => {
                    let draft = ContactDraft { name: value, numbers: vec![(key, None)], ..ContactDraft::default() };
                    return Ok(Some(Row::of(place, Said::Contact(draft), bytes)));
                }
                BLOCKED if key == WITHHELD => self.pass("anonymous callers blocked"),
                BLOCKED if key == DESTINATION => self.pass("destinations of blocked callers"),
                BLOCKED if key.is_empty() || !may_be_number(&key) || is_withheld(&key) => {
                    let what = format!(
                        "the key {key:?} in /{BLOCKED} is no number that could be blocked; remove it in Asterisk (database del {BLOCKED} KEY) and write the file anew"
                    );
                    return Ok(Some(Row::of(place, Said::Wrong(what), bytes)));
                }
                BLOCKED => return Ok(Some(Row::of(place, Said::Blocked(key), bytes))),
                _ => self.pass("keys of other families"),
            }
        }
    }

    fn end(&self) -> Result<Option<Row>, FileError> {
        match self.told {
            Some(told) if told != self.entries => {
                let (place, entries) = (Place { unit: "line", number: self.lines.number() }, self.entries);
                let what = format!("it tells of {told} results, and {entries} stand above it; write the file anew");
                Err(FileError::At { place, what })
            }
            _ => Ok(None),
        }
    }
}

impl<R: Read> ContactFile for Astdb<R> {
    fn next_row(&mut self) -> Result<Option<Row>, FileError> {
        self.row()
    }

    fn field_place(&self, field: &str, _: Option<usize>) -> Option<String> {
        match field {
            "number" => Some("the key".into()),
            "name" => Some("the value".into()),
            _ => None,
        }
    }

    fn passed_over(&self) -> Vec<(&'static str, u64)> {
        self.passed_over.iter().map(|(what, count)| (*what, *count)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::super::reading_tests::{cuts, fails, mutations, reads};
    use super::*;

    const DUMP: &str = include_str!("../../../tests/files/asterisk-22-database-show.txt");

    #[test]
    fn names_and_blocked_numbers_of_a_real_switch_are_read() {
        let (rows, file) = reads(open(DUMP.as_bytes()).unwrap());
        let told: Vec<String> = rows
            .iter()
            .map(|row| match &row.said {
                Said::Contact(draft) => format!("{} {} {}", row.place, draft.numbers[0].0, draft.name),
                Said::Blocked(number) => format!("{} blocks {number}", row.place),
                Said::Wrong(what) => panic!("{what}"),
            })
            .collect();
        let expected = [
            "line 2 blocks 4930666",
            "line 3 blocks 4930667",
            "line 5 +493023125000 Groß: \"Brezn\"",
            "line 7 12345678901234567890123456789012345678901234567890123456 Long",
            "line 8 4930123456 Ada Lovelace",
            "line 9 4930777 two  blanks : colon",
        ];
        assert_eq!(told, expected);
        let passed = [("anonymous callers blocked", 1), ("keys of other families", 2), ("names that are empty", 1)];
        assert_eq!(file.passed_over(), passed);
        assert_eq!(file.field_place("number", Some(0)).as_deref(), Some("the key"));
    }

    #[test]
    fn where_freepbx_sends_blocked_callers_is_no_caller_and_a_word_in_the_list_is_told() {
        let dump = "/blacklist/blocked : 1\n/blacklist/dest : app-blackhole,hangup,1\n/blacklist/4930666 : 1\n/blacklist/spam : 1\n\
                    /blacklist/anonymous : 1\n/blacklist/ : 1\n";
        let (rows, file) = reads(open(dump.as_bytes()).unwrap());
        assert_eq!(rows[0].said, Said::Blocked("4930666".into()));
        let wrong = |row: &Row| match &row.said {
            Said::Wrong(what) => format!("{}: {what}", row.place),
            other => panic!("{other:?}"),
        };
        let told: Vec<String> = rows[1..].iter().map(wrong).collect();
        assert_eq!(told.len(), 3, "{told:?}");
        for (told, expected) in told.iter().zip(["line 4: the key \"spam\"", "line 5: the key \"anonymous\"", "line 6: the key \"\""]) {
            assert!(told.starts_with(expected) && told.contains("database del blacklist KEY"), "{told}");
        }
        assert_eq!(file.passed_over(), [("anonymous callers blocked", 1), ("destinations of blocked callers", 1)]);
    }

    #[test]
    fn an_output_that_was_searched_or_lost_its_blanks_is_read_too() {
        let (rows, _) = reads(open(&b"/cidname/101 : Ada\r\n/cidname/102: B: c\r/blacklist/+4930 : 1\n"[..]).unwrap());
        let names: Vec<&Said> = rows.iter().map(|row| &row.said).collect();
        assert!(matches!(names[0], Said::Contact(d) if d.name == "Ada" && d.numbers[0].0 == "101"), "{names:?}");
        assert!(matches!(names[1], Said::Contact(d) if d.name == "B: c" && d.numbers[0].0 == "102"), "{names:?}");
        assert_eq!(names[2], &Said::Blocked("+4930".into()));
    }

    #[test]
    fn a_file_that_is_no_dump_says_where() {
        for (bytes, expected) in [
            (&b"/cidname/101 : Ada\nname,number\n"[..], "line 2: it isn't a key and a value"),
            (b"/cidname/101 : Ad", "line 1: the file breaks off"),
            (b"/cidname/101 : Ada\n2 results found.\n", "line 2: it tells of 2 results, and 1 stand"),
            (b"1 results found.\n/cidname/101 : Ada\n", "line 2: there is more behind"),
            (b"/cidname/101 : M\xfcller\n", "line 1: it isn't UTF-8"),
        ] {
            let error = fails(open(bytes).unwrap());
            assert!(error.contains(expected), "{error}");
        }
        let long = format!("/cidname/101 : {}\n", "x".repeat(1 << 20));
        assert!(fails(open(std::io::Cursor::new(long)).unwrap()).contains("more than 16384 bytes"));
    }

    #[test]
    fn a_dump_that_is_cut_or_damaged_anywhere_gives_whole_rows_and_no_panic() {
        cuts(DUMP.as_bytes(), true, |input| open(input).map(|file| Box::new(file) as Box<dyn ContactFile>));
        let large = DUMP.lines().next().unwrap().replace("AMPUSER/101/cidname", "cidname/101        ") + "\n";
        cuts(large.repeat(1000).as_bytes(), true, |input| open(input).map(|file| Box::new(file) as Box<dyn ContactFile>));
        mutations(DUMP.as_bytes(), |input| open(input).map(|file| Box::new(file) as Box<dyn ContactFile>));
    }
}
