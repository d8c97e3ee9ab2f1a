//! JSON lines: an object a line, as our own listings and exports print them.
//!
//! `{"id":"ada","name":"Ada Lovelace","numbers":[{"number":"+4930123456","label":"mobile"}],"company":"Engines"}`; numbers may
//! be texts alone, and one may stand in `number`. What an administrator typed goes before the canonical spelling of it,
//! because a range is told by what was typed alone.

use super::lines::Lines;
use super::{ContactFile, FIELD_BYTES_MAX, FileError, Once, Place, Row, Said};
use crate::directory::ContactDraft;
use crate::nearest::did_you_mean;
use serde_json::{Map, Value};
use std::io::Read;

/// The longest line, in bytes: a contact whose fields are all as long as they may be fits in twice.
const LINE_BYTES_MAX: usize = 64 * 1024;
/// The keys of an object. Source and revision are an export's: an import says itself what the source is.
const KEYS: [&str; 11] = ["id", "name", "number", "numbers", "company", "tags", "note", "owner", "favourite", "source", "revision"];
/// The keys of a number.
const NUMBER_KEYS: [&str; 3] = ["number", "label", "typed"];

/// A file of JSON lines.
pub(super) struct JsonLines<R> {
    lines: Lines<R>,
    line: Vec<u8>,
}

/// Reads a file of JSON lines. Nothing is read yet.
///
/// # Errors
/// None; the type is that of the other readers.
pub(super) fn open<R: Read + 'static>(input: R) -> Result<Once<JsonLines<R>>, FileError> {
    Ok(Once::of(JsonLines { lines: Lines::new(input), line: Vec::new() }))
}

/// What a value is, for people.
fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number without quotes",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

fn unknown(key: &str, keys: &[&str]) -> String {
    let shown: String = key.chars().take(64).collect();
    format!("the key {shown:?} isn't known{}; the keys are {}", did_you_mean(&shown, keys.iter().copied()), keys.join(", "))
}

/// A text; an empty one and null are none.
fn text(key: &str, value: Value) -> Result<Option<String>, String> {
    match value {
        Value::Null => Ok(None),
        Value::String(text) if text.len() > FIELD_BYTES_MAX => {
            Err(format!("{key} has {} bytes, more than {FIELD_BYTES_MAX}; shorten it", text.len()))
        }
        Value::String(text) => Ok(Some(text.trim().to_owned()).filter(|text| !text.is_empty())),
        other => Err(format!("{key} is {}, and has to be a text in double quotes", kind(&other))),
    }
}

fn list(key: &str, value: Value) -> Result<Vec<Value>, String> {
    match value {
        Value::Null => Ok(Vec::new()),
        Value::Array(values) => Ok(values),
        other => Err(format!("{key} is {}, and has to be a list in square brackets", kind(&other))),
    }
}

/// A number and its label.
fn number(value: Value) -> Result<Option<(String, Option<String>)>, String> {
    let Value::Object(object) = value else { return Ok(text("number", value)?.map(|number| (number, None))) };
    let (mut canonical, mut typed, mut label) = (None, None, None);
    for (key, value) in object {
        match key.as_str() {
            "number" => canonical = text("number", value)?,
            "typed" => typed = text("typed", value)?,
            "label" => label = text("label", value)?,
            _ => return Err(unknown(&key, &NUMBER_KEYS)),
        }
    }
    Ok(typed.or(canonical).map(|number| (number, label)))
}

fn contact(object: Map<String, Value>) -> Result<ContactDraft, String> {
    let mut draft = ContactDraft::default();
    let mut first = None;
    for (key, value) in object {
        match key.as_str() {
            "id" => draft.id = text("id", value)?.unwrap_or_default(),
            "name" => draft.name = text("name", value)?.unwrap_or_default(),
            "number" => first = number(value)?,
            "numbers" => {
                for value in list("numbers", value)? {
                    draft.numbers.extend(number(value)?);
                }
            }
            "company" => draft.company = text("company", value)?,
            "tags" => {
                for tag in list("tags", value)? {
                    draft.tags.extend(text("a tag", tag)?);
                }
            }
            "note" => draft.note = text("note", value)?,
            "owner" => draft.owner = text("owner", value)?,
            "favourite" => match value {
                Value::Null => {}
                Value::Bool(favourite) => draft.favourite = favourite,
                other => return Err(format!("favourite is {}, and has to be true or false", kind(&other))),
            },
            "source" | "revision" => {}
            _ => return Err(unknown(&key, &KEYS)),
        }
    }
    if let Some(first) = first {
        draft.numbers.insert(0, first);
    }
    Ok(draft)
}

fn read(line: &[u8]) -> Result<ContactDraft, String> {
    let text = std::str::from_utf8(line).map_err(|_| "it isn't UTF-8, which JSON has to be".to_owned())?;
    match serde_json::from_str(text) {
        Ok(Value::Object(object)) => contact(object),
        Ok(other) => Err(format!("it is {}, and has to be an object: {{\"name\":\"Ada\",\"number\":\"+4930123456\"}}", kind(&other))),
        Err(error) => {
            let (column, told) = (error.column(), error.to_string());
            // "… at line 1 column 7": the line is the file's, and told by the place
            let told = told.split(" at line ").next().unwrap_or_default();
            Err(format!("it isn't JSON at column {column} ({told}); write one object a line"))
        }
    }
}

impl<R: Read> JsonLines<R> {
    fn row(&mut self) -> Result<Option<Row>, FileError> {
        while let Some(read_line) = self.lines.next(&mut self.line, LINE_BYTES_MAX)? {
            let place = Place { unit: "line", number: read_line.number };
            if read_line.cut {
                let what = format!("it has more than {LINE_BYTES_MAX} bytes; a contact doesn't");
                return Err(FileError::At { place, what });
            }
            if self.line.trim_ascii().is_empty() {
                continue;
            }
            return match read(&self.line) {
                Ok(draft) => Ok(Some(Row::of(place, Said::Contact(draft), self.line.len()))),
                Err(what) => Err(FileError::At { place, what }),
            };
        }
        Ok(None)
    }
}

impl<R: Read> ContactFile for JsonLines<R> {
    fn next_row(&mut self) -> Result<Option<Row>, FileError> {
        self.row()
    }

    fn field_place(&self, field: &str, number_index: Option<usize>) -> Option<String> {
        match (field, number_index) {
            ("number", Some(index)) => Some(format!("number {}", index + 1)),
            ("number", None) => Some("numbers".into()),
            ("tag", _) => Some("tags".into()),
            (field, _) => KEYS.contains(&field).then(|| field.to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::reading_tests::{cuts, fails, mutations, reads};
    use super::*;

    const LINES: &str = include_str!("../../../tests/files/contacts.jsonl");

    fn contacts(bytes: &'static [u8]) -> Vec<ContactDraft> {
        let draft = |row: Row| match row.said {
            Said::Contact(draft) => draft,
            Said::Blocked(other) | Said::Wrong(other) => panic!("{other}"),
        };
        reads(open(bytes).unwrap()).0.into_iter().map(draft).collect()
    }

    #[test]
    fn what_we_print_is_read_back() {
        let (rows, file) = reads(open(LINES.as_bytes()).unwrap());
        assert_eq!(rows.iter().map(|row| row.place.number).collect::<Vec<_>>(), [1, 2, 4, 5]);
        let all = contacts(LINES.as_bytes());
        let numbers = |draft: &ContactDraft| draft.numbers.clone();
        let with = |number: &str, label: Option<&str>| (number.to_owned(), label.map(str::to_owned));
        assert_eq!(numbers(&all[0]), [with("030 123456", Some("mobile")), with("101", None)]);
        assert_eq!((all[0].id.as_str(), all[0].company.as_deref(), all[0].favourite), ("ada", Some("Engines"), true));
        assert_eq!((all[0].owner.as_deref(), all[0].note.as_deref()), (Some("101"), Some("first\nline")));
        assert_eq!(all[0].tags, ["friend", "maths"]);
        assert_eq!(numbers(&all[1]), [with("+493023125*", None)]);
        assert_eq!(numbers(&all[2]), [with("+12025550101", None), with("+12025550102", None)]);
        assert_eq!((all[3].name.as_str(), all[3].numbers.len(), all[3].company.as_deref()), ("Nobody 🎈", 0, None));
        assert_eq!(file.field_place("number", Some(1)).as_deref(), Some("number 2"));
    }

    #[test]
    fn a_line_that_is_wrong_is_named_with_what_was_meant() {
        let long = format!("{{\"name\":\"Ada\",\"note\":\"{}\"}}", "x".repeat(FIELD_BYTES_MAX + 1));
        let endless = format!("{{\"name\":\"{}\"}}", "x".repeat(1 << 20));
        let deep = "[".repeat(60_000);
        for (text, expected) in [
            ("{\"name\":\"A\",\"nubmer\":\"1\"}", "line 1: the key \"nubmer\" isn't known; did you mean number?"),
            ("\n\n{\"name\":\"A\",\"numbers\":[{\"numbr\":\"1\"}]}", "line 3: the key \"numbr\" isn't known; did you mean number?"),
            ("{\"name\":\"A\",\"number\":4930123456}", "line 1: number is a number without quotes, and has to be a text"),
            ("{\"name\":\"A\",\"numbers\":\"1\"}", "line 1: numbers is a text, and has to be a list"),
            ("{\"name\":\"A\",\"favourite\":\"yes\"}", "line 1: favourite is a text, and has to be true or false"),
            ("[1]", "line 1: it is a list, and has to be an object"),
            ("{\"name\":\"A\"}\n{\"name\":\"B\"", "line 2: it isn't JSON at column 11"),
            ("{\"name\":\"A\"} {\"name\":\"B\"}", "line 1: it isn't JSON at column 14"),
            (&long, "line 1: note has 16385 bytes, more than 16384"),
            (&endless, "line 1: it has more than 65536 bytes"),
            (&deep, "line 1: it isn't JSON"),
        ] {
            let error = fails(open(std::io::Cursor::new(text.to_owned())).unwrap());
            assert!(error.contains(expected), "{error}");
        }
        assert!(fails(open(&b"{\"name\":\"M\xfcller\"}"[..]).unwrap()).contains("line 1: it isn't UTF-8"));
    }

    #[test]
    fn lines_that_are_cut_or_damaged_anywhere_give_whole_rows_and_no_panic() {
        let open = |input| open(input).map(|file| Box::new(file) as Box<dyn ContactFile>);
        cuts(LINES.as_bytes(), true, open);
        let large = LINES.repeat(100);
        cuts(large.as_bytes(), true, open);
        cuts(LINES.replace('\n', "\r").as_bytes(), true, open);
        mutations(LINES.as_bytes(), open);
    }
}
