//! Files that contacts come from: each format is a reader of its own that gives rows, one at a time and bounded.

mod astdb;
mod columns;
mod csv;
mod encoding;
mod header;
mod headings;
mod json_lines;
mod ldif;
mod lines;
mod open;
#[cfg(test)]
mod reading_tests;
mod vcard;
mod vcard_text;
mod xlsx;
mod xlsx_parts;
#[cfg(test)]
mod xlsx_tests;

pub use header::COLUMNS;
pub use open::{Format, Reading, open};

use super::ContactDraft;
use std::fmt;
use thiserror::Error;

/// The longest field that is read, in bytes; longer than any field of a contact may be.
pub const FIELD_BYTES_MAX: usize = 16 * 1024;

/// Where something stands in a file, as its reader shows it: `row 12`, `line 7`, `card 3 (line 20)`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// What is counted: `row`, `line`, `card`, `entry`.
    pub unit: &'static str,
    /// Which one, from 1; a header counts.
    pub number: u64,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.unit, self.number)
    }
}

/// What a row says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Said {
    /// A contact.
    Contact(ContactDraft),
    /// A number that is to be blocked.
    Blocked(String),
    /// Nothing that can be taken: what is wrong, and what to do. The rows behind it are read all the same.
    Wrong(String),
}

/// A row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// Where it stands.
    pub place: Place,
    /// What it says.
    pub said: Said,
    /// How many bytes it took in the file. What it says may be longer: a table's header labels the numbers of every row.
    pub bytes: usize,
    /// By number of its contact: which of the places for numbers it stood in, from 0 (a table's second number column, a
    /// card's third TEL). Empty where the first number stood in the first place, and so on.
    pub number_places: Vec<usize>,
}

impl Row {
    /// A row whose numbers stood in the first places for numbers.
    pub(super) fn of(place: Place, said: Said, bytes: usize) -> Row {
        Row { place, said, bytes, number_places: Vec::new() }
    }

    /// The same, whose numbers stood in these places.
    pub(super) fn with_number_places(self, places: Vec<usize>) -> Row {
        let is_plain = places.iter().enumerate().all(|(at, place)| at == *place);
        Row { number_places: if is_plain { Vec::new() } else { places }, ..self }
    }
}

impl Said {
    /// How many bytes its texts have, labels and all, and 16 for each of them: what a message of many rows is bounded by.
    #[must_use]
    pub fn text_bytes(&self) -> usize {
        let of = |text: &str| text.len() + 16;
        let maybe = |text: &Option<String>| text.as_deref().map_or(0, of);
        match self {
            Said::Blocked(text) | Said::Wrong(text) => of(text),
            Said::Contact(draft) => {
                let numbers: usize = draft.numbers.iter().map(|(number, label)| of(number) + maybe(label)).sum();
                let tags: usize = draft.tags.iter().map(|tag| of(tag)).sum();
                of(&draft.id) + of(&draft.name) + maybe(&draft.company) + numbers + tags + maybe(&draft.note) + maybe(&draft.owner)
            }
        }
    }
}

/// Why a file can't be read: where, what, and what to do.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum FileError {
    /// The file as a whole.
    #[error("{0}")]
    Whole(String),
    /// One place in it.
    #[error("{place}: {what}")]
    At {
        /// Where.
        place: Place,
        /// What is wrong, and what to do.
        what: String,
    },
}

/// A reader that says nothing more once it has come to its end, or to something wrong.
pub(super) struct Once<F> {
    file: F,
    is_over: bool,
}

impl<F> Once<F> {
    pub(super) fn of(file: F) -> Once<F> {
        Once { file, is_over: false }
    }
}

impl<F: ContactFile> ContactFile for Once<F> {
    fn next_row(&mut self) -> Result<Option<Row>, FileError> {
        if self.is_over {
            return Ok(None);
        }
        let row = self.file.next_row();
        self.is_over = !matches!(row, Ok(Some(_)));
        row
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
        self.file.notes()
    }
}

/// A file of contacts.
pub trait ContactFile {
    /// The next row; `None` at the end. After an error there is nothing more.
    ///
    /// # Errors
    /// [`FileError`]: the file can't be read on.
    fn next_row(&mut self) -> Result<Option<Row>, FileError>;

    /// Where a field that a contact was refused for stands inside a row, as people find it: `column 4 (number2)`. The index
    /// counts the places for numbers from 0; which of them a contact's number stood in is its row's to say
    /// ([`Row::number_places`]).
    fn field_place(&self, field: &str, number_index: Option<usize>) -> Option<String>;

    /// What was passed over on purpose, and how often: (`photos`, 12).
    fn passed_over(&self) -> Vec<(&'static str, u64)> {
        Vec::new()
    }

    /// The names of a table's columns that nothing was taken of, in their order; empty for what is no table.
    fn columns_left(&self) -> Vec<String> {
        Vec::new()
    }

    /// What people should know of how the file was understood, in whole sentences without a full stop: a guessed encoding,
    /// a missing header.
    fn notes(&self) -> Vec<String> {
        Vec::new()
    }
}
