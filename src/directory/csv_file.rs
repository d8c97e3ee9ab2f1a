//! A plain CSV with a header line: `name,number[,company,…]`.

use super::ContactDraft;
use crate::nearest::did_you_mean;
use std::io::{self, Chain, Read};
use thiserror::Error;

/// The columns that are understood. `number` and `label` may be numbered: `number2`, `label2`.
pub const COLUMNS: &[&str] = &["id", "name", "number", "label", "company", "tags", "note"];

/// The longest field, in bytes; longer than any field of a contact may be.
const FIELD_BYTES_MAX: usize = 16 * 1024;

/// Why a CSV file can't be read: which row (the header is row 1), and what to do.
#[derive(Debug, Error)]
pub enum CsvError {
    /// No header line, or one without the columns that are needed.
    #[error("the header line has no column {0:?}; the first line must name the columns, such as name,number,company")]
    Missing(&'static str),
    /// Something else between the columns.
    #[error("the columns are separated by {0:?}; separate them by commas (in a spreadsheet: \"CSV, comma separated\")")]
    Delimiter(char),
    /// A column that nobody knows.
    #[error(
        "the header line's column {column} is {name:?}, which isn't known{hint}; the columns are id, name, number, number2, …, label, label2, …, company, tags and note"
    )]
    Unknown {
        /// Which column, from 1.
        column: usize,
        /// Its name.
        name: String,
        /// `; did you mean …?` or nothing.
        hint: String,
    },
    /// A column twice.
    #[error("the header line has the column {0:?} twice")]
    Twice(String),
    /// A row that is no CSV, or not UTF-8, or of another width.
    #[error("row {row}: {what}")]
    Row {
        /// The row in the file.
        row: u64,
        /// What is wrong.
        what: String,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Column {
    Id,
    Name,
    /// The first number is 0.
    Number(usize),
    Label(usize),
    Company,
    Tags,
    Note,
}

/// Reads contacts out of a CSV.
pub struct CsvContacts<R> {
    // the line end behind it makes a last line without one like all others, when lines are counted
    reader: csv::Reader<Chain<LineEnds<R>, &'static [u8]>>,
    columns: Vec<Column>,
    names: Vec<String>,
    record: csv::ByteRecord,
}

/// Makes CRLF and CR the line feeds that lines are counted by: the reader leaves the `\n` of a `\r\n` for the next record,
/// and counts no CR at all.
struct LineEnds<R> {
    file: R,
    after_cr: bool,
}

impl<R: Read> Read for LineEnds<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let read = self.file.read(buffer)?;
            let mut kept = 0;
            for at in 0..read {
                let byte = buffer[at];
                if !(byte == b'\n' && self.after_cr) {
                    buffer[kept] = if byte == b'\r' { b'\n' } else { byte };
                    kept += 1;
                }
                self.after_cr = byte == b'\r';
            }
            if kept > 0 || read == 0 {
                return Ok(kept);
            }
        }
    }
}

impl<R: Read> CsvContacts<R> {
    /// Reads the header line.
    ///
    /// # Errors
    /// [`CsvError`] where it isn't one.
    pub fn new(file: R) -> Result<CsvContacts<R>, CsvError> {
        let mut reader = csv::ReaderBuilder::new().flexible(true).from_reader(LineEnds { file, after_cr: false }.chain(&b"\n"[..]));
        let header = reader.headers().map_err(|e| row_error(&e, 1))?.clone();
        let names: Vec<String> = header.iter().map(|n| n.trim_start_matches('\u{feff}').trim().to_ascii_lowercase()).collect();
        let mut columns = Vec::with_capacity(names.len());
        if let [only] = names.as_slice()
            && let Some(other) = only.chars().find(|c| matches!(c, ';' | '\t' | '|'))
        {
            return Err(CsvError::Delimiter(other));
        }
        for (at, name) in names.iter().enumerate() {
            let column = column(name).ok_or_else(|| {
                let hint = did_you_mean(name, COLUMNS.iter().copied());
                CsvError::Unknown { column: at + 1, name: name.clone(), hint }
            })?;
            if columns.contains(&column) {
                return Err(CsvError::Twice(name.clone()));
            }
            columns.push(column);
        }
        for (needed, name) in [(Column::Name, "name"), (Column::Number(0), "number")] {
            if !columns.contains(&needed) {
                return Err(CsvError::Missing(name));
            }
        }
        Ok(CsvContacts { reader, columns, names, record: csv::ByteRecord::new() })
    }

    /// The file's name and place of a field that a contact was refused for: (`number2`, 4).
    pub fn column_of(&self, field: &str, number_index: Option<usize>) -> Option<(&str, usize)> {
        let wanted = match (field, number_index) {
            ("number", index) => Column::Number(index.unwrap_or(0)),
            ("label", _) => Column::Label(0),
            ("tag", _) => Column::Tags,
            (name, _) => column(name)?,
        };
        let at = self.columns.iter().position(|c| *c == wanted)?;
        Some((&self.names[at], at + 1))
    }

    /// How many bytes the fields of the last row have.
    pub fn last_row_bytes(&self) -> usize {
        self.record.as_slice().len()
    }

    /// The next row: its place in the file and the contact; `None` at the end.
    ///
    /// # Errors
    /// [`CsvError::Row`].
    pub fn next_row(&mut self) -> Result<Option<(u64, ContactDraft)>, CsvError> {
        let line = self.reader.position().line();
        if !self.reader.read_byte_record(&mut self.record).map_err(|e| row_error(&e, line))? {
            return Ok(None);
        }
        // the line that the record began at: counted back from its end, because the reader's own count begins at the
        // blank lines in front of it
        let inside = self.record.as_slice().iter().filter(|b| **b == b'\n').count() as u64;
        let row = self.reader.position().line().saturating_sub(inside + 1).max(line);
        if self.record.len() != self.columns.len() {
            let (len, expected) = (self.record.len(), self.columns.len());
            let what = format!("{len} columns where the header has {expected}; put texts that hold a comma in double quotes");
            return Err(CsvError::Row { row, what });
        }
        let mut draft = ContactDraft::default();
        let mut numbers: Vec<(usize, String)> = Vec::new();
        let mut labels: Vec<(usize, String)> = Vec::new();
        for (at, (column, bytes)) in self.columns.iter().zip(self.record.iter()).enumerate() {
            let text = std::str::from_utf8(bytes).map_err(|_| CsvError::Row { row, what: not_utf8(at) })?.trim();
            if text.is_empty() {
                continue;
            }
            if text.len() > FIELD_BYTES_MAX {
                let what = format!(
                    "column {} ({}) has {} bytes; a double quote that is never closed does that",
                    at + 1,
                    self.names[at],
                    text.len()
                );
                return Err(CsvError::Row { row, what });
            }
            let text = text.to_owned();
            match column {
                Column::Id => draft.id = text,
                Column::Name => draft.name = text,
                Column::Number(n) => numbers.push((*n, text)),
                Column::Label(n) => labels.push((*n, text)),
                Column::Company => draft.company = Some(text),
                Column::Note => draft.note = Some(text),
                Column::Tags => draft.tags = text.split(';').map(|t| t.trim().to_owned()).filter(|t| !t.is_empty()).collect(),
            }
        }
        numbers.sort_by_key(|(n, _)| *n);
        draft.numbers =
            numbers.into_iter().map(|(n, text)| (text, labels.iter().find(|(l, _)| *l == n).map(|(_, label)| label.clone()))).collect();
        Ok(Some((row, draft)))
    }
}

fn column(name: &str) -> Option<Column> {
    let word = name.trim_end_matches(|c: char| c.is_ascii_digit());
    let nth = match &name[word.len()..] {
        "" => 0,
        digits => digits.parse::<usize>().ok()?.checked_sub(1)?,
    };
    match (word, nth) {
        ("id", 0) => Some(Column::Id),
        ("name", 0) => Some(Column::Name),
        ("number", n) => Some(Column::Number(n)),
        ("label", n) => Some(Column::Label(n)),
        ("company", 0) => Some(Column::Company),
        ("tags", 0) => Some(Column::Tags),
        ("note", 0) => Some(Column::Note),
        _ => None,
    }
}

fn row_error(error: &csv::Error, line: u64) -> CsvError {
    let row = error.position().map_or(line, csv::Position::line);
    let what = match error.kind() {
        csv::ErrorKind::Utf8 { err, .. } => not_utf8(err.field()),
        csv::ErrorKind::Io(error) => format!("the file can't be read ({error})"),
        other => format!("{other:?}"),
    };
    CsvError::Row { row, what }
}

fn not_utf8(column: usize) -> String {
    format!("column {} isn't UTF-8; save the file as UTF-8 (in a spreadsheet: \"CSV UTF-8\")", column + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(text: &str) -> Result<Vec<(u64, ContactDraft)>, CsvError> {
        let mut csv = CsvContacts::new(text.as_bytes())?;
        std::iter::from_fn(|| csv.next_row().transpose()).collect()
    }

    #[test]
    fn rows_become_contacts_whatever_the_order_of_the_columns() {
        let rows = all("\u{feff}Company, NAME ,number,number2,label2,tags\r\nACME,\"Ada, L\",+4930123456,101,desk,a;b\r\n,Bob,102,,,\r\n")
            .unwrap();
        assert_eq!(rows[0].0, 2);
        assert_eq!(rows[0].1.name, "Ada, L");
        assert_eq!(rows[0].1.company.as_deref(), Some("ACME"));
        assert_eq!(rows[0].1.numbers, [("+4930123456".into(), None), ("101".into(), Some("desk".into()))]);
        assert_eq!(rows[0].1.tags, ["a", "b"]);
        assert_eq!((rows[1].0, rows[1].1.numbers.len()), (3, 1));
    }

    #[test]
    fn a_wrong_file_says_which_row_and_column() {
        let error = |text: &str| all(text).expect_err(text).to_string();
        assert!(error("name;number\nAda;101\n").contains("separated by ';'"));
        assert!(error("name,company\n").contains("no column \"number\""));
        assert!(error("").contains("no column \"name\""));
        assert!(error("name,nubmer\n").contains("column 2 is \"nubmer\", which isn't known; did you mean number?"));
        assert!(error("name,number,name\n").contains("twice"));
        assert!(error("name,number\na,1,2\n").contains("row 2: 3 columns where the header has 2"));
        let latin = b"name,number\nok,101\nM\xfcller,102\n";
        let mut csv = CsvContacts::new(&latin[..]).unwrap();
        csv.next_row().unwrap();
        let error = csv.next_row().expect_err("Latin-1").to_string();
        assert!(error.contains("row 3: column 1 isn't UTF-8"), "{error}");
        let rows = |text: &str| all(text).unwrap().iter().map(|(row, _)| *row).collect::<Vec<_>>();
        for end in ["\n", "\r\n", "\r"] {
            for last in ["", end] {
                let text = "name,number\na,1\n\nb,\"\n2\n\"\n\nc,3".replace('\n', end) + last;
                assert_eq!(rows(&text), [2, 4, 8], "{text:?}");
            }
        }
        assert!(all("name,number\n\n\na,1,2").expect_err("three columns").to_string().contains("row 4: 3 columns"));
        let csv = CsvContacts::new(&b"name,number,number2\n"[..]).unwrap();
        assert_eq!(csv.column_of("number", Some(1)), Some(("number2", 3)));
    }
}
