//! Tables as text: rows and columns, whatever divides them.
//!
//! Rows are found by the crate `csv`. What it doesn't do is done around it: it leaves the `\n` of a `\r\n` for the next row
//! and counts no lone `\r`, it takes a quote that never closes for the end of the last row, and it reads on for as long as
//! such a quote goes. So the file's line ends are made one, a row's bytes are counted as they go in, and a row that needed
//! the end of the file to be one is told to have an open quote.

use super::columns::{Columns, WrongField};
use super::open::Reading;
use super::{ContactFile, FileError, Place, Row, Said};
use ::csv::ByteRecord;
use std::cell::Cell;
use std::io::{self, Read};
use std::rc::Rc;

/// The longest row, in bytes: 100 columns of the longest field. Without a bound a quote that never closes would make one
/// row of the rest of the file.
const ROW_BYTES_MAX: usize = 2 * 1024 * 1024;
/// What divides columns, where nobody said it: the first of those that the first row has most of.
const DELIMITERS: [u8; 4] = [b',', b';', b'\t', b'|'];

/// Whether a byte can divide columns.
pub(super) fn may_divide(byte: u8) -> bool {
    byte == b'\t' || (byte.is_ascii_punctuation() && !matches!(byte, b'"' | b'\'' | b'+' | b'-' | b'.' | b'(' | b')'))
}

/// What is seen of the bytes that go into the reader.
#[derive(Debug, Default)]
struct Watch {
    /// Of this row.
    bytes: Cell<usize>,
    /// There were too many.
    over: Cell<bool>,
    /// The file has been read to its end, and asked for more.
    at_end: Cell<bool>,
}

/// The file with line feeds for line ends, and one behind its last line.
struct Lines<R> {
    file: R,
    watch: Rc<Watch>,
    after_cr: bool,
    ended: bool,
}

impl<R: Read> Read for Lines<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.ended {
            self.watch.at_end.set(true);
            return Ok(0);
        }
        if self.watch.bytes.get() > ROW_BYTES_MAX {
            self.watch.over.set(true);
            return Err(io::Error::other("the row is too long"));
        }
        loop {
            let read = self.file.read(buffer)?;
            if read == 0 {
                self.ended = true;
                buffer[0] = b'\n';
                return Ok(1);
            }
            let mut kept = 0;
            for at in 0..read {
                let byte = buffer[at];
                if !(byte == b'\n' && self.after_cr) {
                    buffer[kept] = if byte == b'\r' { b'\n' } else { byte };
                    kept += 1;
                }
                self.after_cr = byte == b'\r';
            }
            if kept > 0 {
                self.watch.bytes.set(self.watch.bytes.get() + kept);
                return Ok(kept);
            }
        }
    }
}

/// Contacts out of a table.
pub(super) struct Csv<R> {
    reader: ::csv::Reader<Lines<R>>,
    watch: Rc<Watch>,
    columns: Columns,
    record: ByteRecord,
    /// The first row, where it is no header.
    first: Option<u64>,
    ended: bool,
}

/// Opens a table whose text begins like this.
///
/// # Errors
/// [`FileError`]: it has no columns that make contacts.
pub(super) fn open<R: Read>(file: R, begin: &str, options: &Reading) -> Result<Csv<R>, FileError> {
    // Excel's own way to say what divides the columns: a first line `sep=;`
    let said = said_delimiter(begin);
    let delimiter = options.delimiter.or(said).unwrap_or_else(|| delimiter_of(begin));
    let watch = Rc::new(Watch::default());
    let lines = Lines { file, watch: watch.clone(), after_cr: false, ended: false };
    let reader = ::csv::ReaderBuilder::new().has_headers(false).flexible(true).delimiter(delimiter).from_reader(lines);
    let columns = Columns::none();
    let mut csv = Csv { reader, watch, columns, record: ByteRecord::new(), first: None, ended: false };
    if said.is_some() {
        csv.next_record()?;
    }
    let row = csv.next_record()?.unwrap_or(1);
    let mut first = Vec::with_capacity(csv.record.len());
    for (at, field) in csv.record.iter().enumerate() {
        let text = std::str::from_utf8(field).map_err(|_| {
            let what =
                format!("column {} isn't text in the file's encoding; say which one it is in, such as --encoding windows-1252", at + 1);
            FileError::At { place: place(row), what }
        })?;
        first.push(text.trim_start_matches('\u{feff}').trim().to_owned());
    }
    let (columns, is_contact) = Columns::find(&first, &options.map)?;
    csv.columns = columns;
    csv.first = is_contact.then_some(row);
    Ok(csv)
}

fn said_delimiter(begin: &str) -> Option<u8> {
    let line = begin.trim_start_matches('\u{feff}').split(['\r', '\n']).next()?;
    match line.trim_matches('"').as_bytes() {
        [b's' | b'S', b'e' | b'E', b'p' | b'P', b'=', byte] if may_divide(*byte) => Some(*byte),
        _ => None,
    }
}

/// What divides the columns of the first line that isn't empty: what stands there most often outside quotes.
fn delimiter_of(begin: &str) -> u8 {
    let mut counts = [0usize; DELIMITERS.len()];
    let mut quoted = false;
    let begin = begin.trim_start_matches(['\r', '\n', '\u{feff}']);
    for byte in begin.bytes() {
        match byte {
            b'"' => quoted = !quoted,
            b'\r' | b'\n' if !quoted => break,
            _ if quoted => {}
            _ => DELIMITERS.iter().zip(&mut counts).filter(|(delimiter, _)| **delimiter == byte).for_each(|(_, count)| *count += 1),
        }
    }
    let most = counts.iter().copied().max().unwrap_or_default();
    DELIMITERS.iter().zip(counts).find(|(_, count)| *count == most).map_or(b',', |(delimiter, _)| *delimiter)
}

fn place(row: u64) -> Place {
    Place { unit: "row", number: row }
}

impl<R: Read> Csv<R> {
    fn wrong(&mut self, row: u64, what: String) -> FileError {
        self.ended = true;
        FileError::At { place: place(row), what }
    }

    /// Reads the next record, and says in which row it begins; `None` at the end.
    fn next_record(&mut self) -> Result<Option<u64>, FileError> {
        if self.ended {
            return Ok(None);
        }
        let line = self.reader.position().line();
        self.watch.bytes.set(0);
        match self.reader.read_byte_record(&mut self.record) {
            Ok(false) => {
                self.ended = true;
                Ok(None)
            }
            Ok(true) => {
                // the line that the record began at: counted back from its end, because the reader's own count begins at the
                // blank lines in front of it
                let inside = self.record.as_slice().iter().filter(|b| **b == b'\n').count() as u64;
                let after = u64::from(!self.watch.at_end.get());
                let row = self.reader.position().line().saturating_sub(inside + after).max(line);
                if self.watch.at_end.get() {
                    let column = self.record.len();
                    let what = format!("a double quote that opens in column {column} is never closed; write two of them for one in a text");
                    return Err(self.wrong(row, what));
                }
                Ok(Some(row))
            }
            Err(_) if self.watch.over.get() => {
                let what =
                    format!("the row has more than {ROW_BYTES_MAX} bytes; a double quote that opens in it is never closed, most likely");
                Err(self.wrong(line, what))
            }
            Err(error) => Err(self.wrong(line, format!("the file can't be read ({error})"))),
        }
    }

    /// The contact of the record that was read, or what is wrong with it; `None` for a row that is passed over.
    fn row(&mut self, row: u64) -> Option<Row> {
        let wrong = |what: String| {
            let bytes = what.len();
            Some(Row::of(place(row), Said::Wrong(what), bytes))
        };
        let (len, expected) = (self.record.len(), self.columns.len());
        if self.record.iter().all(<[u8]>::is_empty) || self.record.as_slice().trim_ascii().is_empty() {
            self.columns.pass_empty_row();
            return None;
        }
        if len < expected || self.record.iter().skip(expected).any(|field| !field.trim_ascii().is_empty()) {
            return wrong(format!(
                "{len} columns where {} has {expected}; put texts that hold what divides columns in double quotes",
                if self.columns.has_header() { "the header" } else { "the first row" }
            ));
        }
        match self.columns.draft(self.record.iter()) {
            Ok(None) => None,
            Ok(Some((draft, places))) => {
                Some(Row::of(place(row), Said::Contact(draft), self.record.as_slice().len()).with_number_places(places))
            }
            Err(WrongField { column, what }) => wrong(format!("{} {what}", self.columns.place(column))),
        }
    }
}

impl<R: Read> ContactFile for Csv<R> {
    fn next_row(&mut self) -> Result<Option<Row>, FileError> {
        if let Some(row) = self.first.take()
            && let Some(row) = self.row(row)
        {
            return Ok(Some(row));
        }
        while let Some(row) = self.next_record()? {
            if let Some(row) = self.row(row) {
                return Ok(Some(row));
            }
        }
        Ok(None)
    }

    fn field_place(&self, field: &str, number_index: Option<usize>) -> Option<String> {
        self.columns.field_place(field, number_index)
    }

    fn passed_over(&self) -> Vec<(&'static str, u64)> {
        self.columns.passed_over()
    }

    fn columns_left(&self) -> Vec<String> {
        self.columns.left().map(str::to_owned).collect()
    }

    fn notes(&self) -> Vec<String> {
        self.columns.notes.clone()
    }
}

#[cfg(test)]
#[path = "csv_tests.rs"]
mod tests;
