//! A table's columns, and how a row of fields becomes a contact. `header.rs` finds out which column is what.

use super::FIELD_BYTES_MAX;
use super::header::own;
use super::headings::Program;
use crate::directory::formula::meant;
use crate::directory::{ContactDraft, NOTE_BYTES_MAX};

/// What a column holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Column {
    Id,
    Name,
    Given,
    Middle,
    Family,
    /// The first number is 0.
    Number(usize),
    Label(usize),
    Company,
    Tags,
    Note,
    Owner,
    Favourite,
    /// Nothing that is taken.
    Passed,
}

/// Whose table it is: what may be missing in a row depends on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// Ours: every row is a contact, and what is missing is an error.
    Own,
    /// Another program's: who has no number is no contact here.
    Of(Program),
    /// As somebody said, over a header; likewise.
    Mapped,
    /// Without a header; likewise.
    Headless,
}

/// The columns of a table, and what was passed over in it.
#[derive(Debug)]
pub(super) struct Columns {
    form: Form,
    pub(super) columns: Vec<Column>,
    pub(super) names: Vec<String>,
    /// Which numbers there are columns for, sorted: our own tables may have a `number3` and no `number2`.
    numbers: Vec<usize>,
    /// By number: what it is called where no column says it.
    pub(super) labels: Vec<&'static str>,
    /// What people should know of how the table was understood.
    pub(super) notes: Vec<String>,
    empty_rows: u64,
    without_number: u64,
    without_name: u64,
    notes_cut: u64,
}

/// A field that can't be taken: which column, from 0, and what is wrong.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct WrongField {
    pub(super) column: usize,
    pub(super) what: String,
}

impl Columns {
    pub(super) fn new(form: Form, columns: Vec<Column>, names: Vec<String>) -> Columns {
        let (labels, notes) = (Vec::new(), Vec::new());
        let mut numbers: Vec<usize> = columns.iter().filter_map(|c| if let Column::Number(n) = c { Some(*n) } else { None }).collect();
        numbers.sort_unstable();
        Columns { form, columns, names, numbers, labels, notes, empty_rows: 0, without_number: 0, without_name: 0, notes_cut: 0 }
    }

    /// No columns: before the first row has been looked at.
    pub(super) fn none() -> Columns {
        Columns::new(Form::Headless, Vec::new(), Vec::new())
    }

    /// Whether the first row names the columns.
    pub(super) fn has_header(&self) -> bool {
        self.form != Form::Headless
    }

    /// How many columns there are.
    pub(super) fn len(&self) -> usize {
        self.columns.len()
    }

    /// A column as people find it: `column 4 (number2)`.
    pub(super) fn place(&self, column: usize) -> String {
        match self.names.get(column) {
            Some(name) if !name.is_empty() => format!("column {} ({name})", column + 1),
            _ => format!("column {}", column + 1),
        }
    }

    /// Where a field of a contact stands; the index counts the columns of numbers.
    pub(super) fn field_place(&self, field: &str, number_index: Option<usize>) -> Option<String> {
        let at = |wanted: Column| self.columns.iter().position(|column| *column == wanted);
        let column = match field {
            "number" => self.numbers.get(number_index.unwrap_or(0)).and_then(|n| at(Column::Number(*n))),
            "label" => {
                let labels =
                    self.columns.iter().enumerate().filter_map(|(at, c)| if let Column::Label(n) = c { Some((*n, at)) } else { None });
                labels.min().map(|(_, at)| at)
            }
            "name" => [Column::Name, Column::Given, Column::Family, Column::Company].into_iter().find_map(at),
            "tag" => at(Column::Tags),
            other => own(other).and_then(at),
        };
        column.map(|column| self.place(column))
    }

    /// The names of the columns that nothing is taken of.
    pub(super) fn left(&self) -> impl Iterator<Item = &str> {
        let all = self.columns.iter().zip(&self.names);
        all.filter(|(column, name)| **column == Column::Passed && *name != "source").map(|(_, name)| name.as_str())
    }

    /// What was passed over, and how often.
    pub(super) fn passed_over(&self) -> Vec<(&'static str, u64)> {
        let counted = [
            ("columns", self.left().count() as u64),
            ("empty rows", self.empty_rows),
            ("rows without a number", self.without_number),
            ("rows without a name", self.without_name),
            ("ends of long notes", self.notes_cut),
        ];
        counted.into_iter().filter(|(_, count)| *count > 0).collect()
    }

    /// Counts a row in which nothing stands.
    pub(super) fn pass_empty_row(&mut self) {
        self.empty_rows += 1;
    }

    /// A contact out of a row's fields, and which column of numbers each of its numbers stood in, from 0: an empty cell is no
    /// number, and one of Google's may hold several. `None` for a row that is no contact, which is counted.
    ///
    /// # Errors
    /// A field that isn't text, is too long, or says neither yes nor no.
    pub(super) fn draft<'a>(&mut self, fields: impl Iterator<Item = &'a [u8]>) -> Result<Option<(ContactDraft, Vec<usize>)>, WrongField> {
        let mut draft = ContactDraft::default();
        let mut parts: [&str; 3] = [""; 3];
        let mut numbers: Vec<(usize, &str)> = Vec::new();
        let mut labels: Vec<(usize, &str)> = Vec::new();
        let google = self.form == Form::Of(Program::Google);
        for (at, (column, bytes)) in self.columns.iter().zip(fields).enumerate() {
            if bytes.is_empty() || *column == Column::Passed {
                continue;
            }
            let wrong = |what: String| Err(WrongField { column: at, what });
            let text = match text(bytes) {
                Ok("") => continue,
                Ok(text) => text,
                Err(what) => return wrong(what),
            };
            let text = if self.form == Form::Own { meant(text) } else { text };
            match column {
                Column::Id => draft.id = text.to_owned(),
                Column::Name => draft.name = text.to_owned(),
                Column::Given => parts[0] = text,
                Column::Middle => parts[1] = text,
                Column::Family => parts[2] = text,
                Column::Number(_) if is_rounded(text) => {
                    return wrong(format!(
                        "is {text:?}: a spreadsheet took the number for a quantity and lost its end; make the column text there"
                    ));
                }
                Column::Number(n) => numbers.push((*n, text)),
                Column::Label(n) => labels.push((*n, text)),
                Column::Company => draft.company = Some(text.to_owned()),
                Column::Owner => draft.owner = Some(text.to_owned()),
                Column::Note if text.len() > NOTE_BYTES_MAX && self.form != Form::Own => {
                    self.notes_cut += 1;
                    let end = (0..=NOTE_BYTES_MAX).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0);
                    draft.note = Some(text[..end].to_owned());
                }
                Column::Note => draft.note = Some(text.to_owned()),
                Column::Tags if google => {
                    draft.favourite |= text.split(" ::: ").any(|group| group.trim().eq_ignore_ascii_case("* starred"));
                    // groups with a star are Google's own: `* myContacts`
                    draft.tags = words(text, " ::: ").filter(|group| !group.starts_with("* ")).map(str::to_owned).collect();
                }
                Column::Tags => draft.tags = words(text, ";").map(str::to_owned).collect(),
                Column::Favourite => match yes(text) {
                    Some(yes) => draft.favourite = yes,
                    None => return wrong(format!("is {text:?}; write yes or no")),
                },
                Column::Passed => {}
            }
        }
        if draft.name.is_empty() {
            draft.name = parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" ");
        }
        numbers.sort_by_key(|(n, _)| *n);
        let mut places = Vec::with_capacity(numbers.len());
        for (n, text) in numbers {
            let said = labels.iter().find(|(l, _)| *l == n).map(|(_, label)| *label);
            let label = said.or(self.labels.get(n).copied()).filter(|label| !label.is_empty());
            if google {
                // the main one has a star
                let label = label.map(|label| label.trim_start_matches("* ").to_owned()).filter(|l| !l.is_empty() && l != "*");
                draft.numbers.extend(words(text, ":::").map(|number| (number.to_owned(), label.clone())));
            } else {
                draft.numbers.push((text.to_owned(), label.map(str::to_owned)));
            }
            places.resize(draft.numbers.len(), self.numbers.binary_search(&n).unwrap_or_default());
        }
        if self.form != Form::Own {
            if draft.name.is_empty() {
                draft.name = draft.company.clone().unwrap_or_default();
            }
            if draft.numbers.is_empty() {
                self.without_number += 1;
                return Ok(None);
            }
            if draft.name.is_empty() {
                self.without_name += 1;
                return Ok(None);
            }
        }
        Ok(Some((draft, places)))
    }
}

/// A field's text without blanks around it.
fn text(bytes: &[u8]) -> Result<&str, String> {
    if bytes.len() > FIELD_BYTES_MAX {
        return Err(format!(
            "has {} bytes, more than {FIELD_BYTES_MAX}; a double quote that isn't closed where it should be does that",
            bytes.len()
        ));
    }
    let text = std::str::from_utf8(bytes).map_err(|error| {
        let byte = bytes.get(error.valid_up_to()).copied().unwrap_or_default();
        format!("isn't text in the file's encoding (byte {byte:#04x}); say which one it is in, such as --encoding windows-1252")
    })?;
    if text.contains('\0') {
        return Err("holds a zero byte; the file is damaged, or in UTF-16 (--encoding utf-16le)".to_owned());
    }
    Ok(text.trim())
}

/// Whether a spreadsheet has rounded a long number: `4.93012E+11`, `4,93E+11`.
fn is_rounded(text: &str) -> bool {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let parts = text.split_once(['E', 'e']).map(|(front, power)| (front.split_once(['.', ',']).unwrap_or((front, "0")), power));
    parts.is_some_and(|((whole, rest), power)| digits(whole) && digits(rest) && power.strip_prefix('+').is_some_and(digits))
}

fn words<'a>(text: &'a str, between: &'a str) -> impl Iterator<Item = &'a str> {
    text.split(between).map(str::trim).filter(|word| !word.is_empty())
}

fn yes(text: &str) -> Option<bool> {
    match text.to_lowercase().as_str() {
        "yes" | "y" | "true" | "1" | "x" | "ja" => Some(true),
        "no" | "n" | "false" | "0" | "nein" => Some(false),
        _ => None,
    }
}
