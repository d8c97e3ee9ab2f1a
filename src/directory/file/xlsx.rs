//! XLSX: the first sheet that has a table of contacts.
//!
//! calamine reads the workbook ([`super::xlsx_parts`] has looked at it before); the sheet goes row by row into a table as text,
//! in memory up to some MiB and in a temporary file beyond, and that is read as any table is, so that headings mean here what
//! they mean there. Only rows are told by the sheet's numbers, and columns by its letters.

use super::open::Reading;
use super::xlsx_parts::{FILE_BYTES_MAX, check};
use super::{ContactFile, FIELD_BYTES_MAX, FileError, Place, Row, csv};
use ::csv::{Terminator, Writer, WriterBuilder};
use calamine::{DataRef, Reader, SheetType, SheetVisible, Xlsx};
use std::io::{Cursor, Read, Seek, SeekFrom};
use std::panic::{AssertUnwindSafe, catch_unwind};
use tempfile::SpooledTempFile;

/// Excel's own limits: 1,048,576 rows, and columns up to XFD.
const ROWS_MAX: u32 = 1 << 20;
const COLUMNS_MAX: u32 = 1 << 14;
/// The most columns that hold something; a table of contacts has dozens.
const USED_COLUMNS_MAX: usize = 1024;
/// The most bytes that a sheet has as text. One text may stand in every cell, so that a small workbook becomes a large table.
const TABLE_BYTES_MAX: u64 = 1024 * 1024 * 1024;
/// How much of the table stays in memory, in bytes.
const TABLE_IN_MEMORY_BYTES: usize = 8 * 1024 * 1024;
/// Whole numbers up to here are told apart by the 64 bits that a sheet keeps a number in.
const WHOLE_MAX: f64 = 9_007_199_254_740_992.0;

type Book = Xlsx<Cursor<Vec<u8>>>;
type Table = csv::Csv<SpooledTempFile>;

/// A sheet of contacts.
pub(super) struct Sheet {
    table: Table,
    rows: Rows,
}

/// Which row of the sheet a line of the table is: (line, row) wherever they begin to differ by another count.
#[derive(Default)]
struct Rows(Vec<(u64, u64)>);

impl Rows {
    fn add(&mut self, line: u64, row: u64) {
        if self.0.last().is_none_or(|(l, r)| line - l != row - r) {
            self.0.push((line, row));
        }
    }

    fn of(&self, line: u64) -> u64 {
        let after = self.0.partition_point(|(l, _)| *l <= line);
        after.checked_sub(1).and_then(|at| self.0.get(at)).map_or(line, |(l, row)| row + (line - l))
    }

    fn place(&self, place: Place) -> Place {
        Place { unit: "row", number: self.of(place.number) }
    }
}

/// Reads a workbook, and its sheet as far as its headings.
///
/// # Errors
/// [`FileError`]: it is none, it is a bomb, or no sheet has headings of a table of contacts.
pub(super) fn open(input: impl Read, options: &Reading) -> Result<Sheet, FileError> {
    let mut bytes = Vec::new();
    let read = input.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes);
    read.map_err(|error| FileError::Whole(format!("the file can't be read ({error})")))?;
    if bytes.len() as u64 > FILE_BYTES_MAX {
        return Err(FileError::Whole(format!("the workbook has more than {FILE_BYTES_MAX} bytes; save the table as CSV")));
    }
    check(&bytes)?;
    // whatever stands in a workbook, a reader that stumbles over it ends its import and not the process
    catch_unwind(AssertUnwindSafe(|| sheet(bytes, options))).unwrap_or_else(|_| Err(damaged("its reader stumbled over it")))
}

fn damaged(what: impl std::fmt::Display) -> FileError {
    FileError::Whole(format!("the workbook is damaged ({what}); save it anew, or save the table as CSV"))
}

fn sheet(bytes: Vec<u8>, options: &Reading) -> Result<Sheet, FileError> {
    let mut book: Book = Xlsx::new(Cursor::new(bytes)).map_err(damaged)?;
    let sheets = book.sheets_metadata().to_vec();
    let shown = |sheet: &&calamine::Sheet| sheet.typ == SheetType::WorkSheet && sheet.visible == SheetVisible::Visible;
    let reading = Reading { format: None, map: options.map.clone(), delimiter: Some(b','), encoding: None };
    let mut first_wrong = None;
    for name in sheets.iter().filter(shown).map(|sheet| &sheet.name) {
        let Some((head, _)) = table(&mut book, name, true)? else { continue };
        match csv::open(head, "", &reading) {
            Ok(_) => {
                let Some((text, rows)) = table(&mut book, name, false)? else { continue };
                return Ok(Sheet { table: csv::open(text, "", &reading)?, rows });
            }
            // the sheet that people see first is the one that they are told of
            Err(error) => drop(first_wrong.get_or_insert((name.clone(), error))),
        }
    }
    Err(match first_wrong {
        Some((name, FileError::Whole(what) | FileError::At { what, .. })) => FileError::Whole(format!("sheet {name:?}: {what}")),
        None => FileError::Whole("the workbook has no sheet with anything in it".to_owned()),
    })
}

/// A sheet as text, or its first row that isn't empty; `None` if nothing is in it.
fn table(book: &mut Book, name: &str, head_only: bool) -> Result<Option<(SpooledTempFile, Rows)>, FileError> {
    let mut out = Out::new();
    let mut cells = book.worksheet_cells_reader(name).map_err(damaged)?;
    let (mut row, mut fields) = (0u32, Vec::<String>::new());
    while let Some(cell) = cells.next_cell().map_err(|error| out.wrong(row, format!("can't be read on from here ({error})")))? {
        let (at, column) = cell.get_position();
        if at != row {
            if at < row {
                return Err(out.wrong(at, "stands below a later one; save the workbook anew".to_owned()));
            }
            out.row(row, &fields)?;
            if head_only && out.width > 0 {
                break;
            }
            fields.clear();
            row = at;
        }
        if at >= ROWS_MAX || column >= COLUMNS_MAX {
            return Err(out.wrong(at, format!("has a cell outside of {ROWS_MAX} rows and {COLUMNS_MAX} columns")));
        }
        let text = text(cell.get_value());
        if text.is_empty() {
            continue;
        }
        let place = column as usize;
        if place >= USED_COLUMNS_MAX {
            let what = format!("has a text in column {}; {USED_COLUMNS_MAX} columns are read, and none behind them", letters(column));
            return Err(out.wrong(at, what));
        }
        if text.len() > FIELD_BYTES_MAX {
            let what = format!("has {} bytes in column {}, more than {FIELD_BYTES_MAX}; shorten the text", text.len(), letters(column));
            return Err(out.wrong(at, what));
        }
        if fields.len() <= place {
            fields.resize(place + 1, String::new());
        }
        fields[place] = text;
    }
    if !(head_only && out.width > 0) {
        out.row(row, &fields)?;
    }
    out.end()
}

/// The table that is being written.
struct Out {
    writer: Writer<SpooledTempFile>,
    rows: Rows,
    line: u64,
    bytes: u64,
    /// Of the first row.
    width: usize,
}

impl Out {
    fn new() -> Out {
        let file = SpooledTempFile::new(TABLE_IN_MEMORY_BYTES);
        let writer = WriterBuilder::new().flexible(true).terminator(Terminator::Any(b'\n')).from_writer(file);
        Out { writer, rows: Rows::default(), line: 1, bytes: 0, width: 0 }
    }

    fn wrong(&self, row: u32, what: String) -> FileError {
        FileError::At { place: Place { unit: "row", number: u64::from(row) + 1 }, what }
    }

    /// Writes a row unless it is empty, as wide as the first.
    fn row(&mut self, row: u32, fields: &[String]) -> Result<(), FileError> {
        if fields.is_empty() {
            return Ok(());
        }
        if self.width == 0 {
            self.width = fields.len();
        }
        if let Some(column) = fields.iter().skip(self.width).position(|field| !field.is_empty()) {
            let column = letters(u32::try_from(self.width + column).unwrap_or(COLUMNS_MAX));
            return Err(self.wrong(row, format!("has a text in column {column}, which has no heading; give it one, or clear the cell")));
        }
        self.rows.add(self.line, u64::from(row) + 1);
        let padded = fields.iter().map(String::as_str).chain(std::iter::repeat("")).take(self.width);
        self.writer.write_record(padded).map_err(|error| self.wrong(row, format!("can't be kept in a temporary file ({error})")))?;
        self.line += 1 + fields.iter().map(|field| field.matches('\n').count() as u64).sum::<u64>();
        self.bytes += fields.iter().map(|field| field.len() as u64 + 3).sum::<u64>();
        if self.bytes > TABLE_BYTES_MAX {
            return Err(self.wrong(row, format!("and those above it are more than {TABLE_BYTES_MAX} bytes of text")));
        }
        Ok(())
    }

    fn end(self) -> Result<Option<(SpooledTempFile, Rows)>, FileError> {
        let kept = |error: &dyn std::fmt::Display| FileError::Whole(format!("the sheet can't be kept in a temporary file ({error})"));
        let mut file = self.writer.into_inner().map_err(|error| kept(&error.error()))?;
        file.seek(SeekFrom::Start(0)).map_err(|error| kept(&error))?;
        Ok((self.width > 0).then_some((file, self.rows)))
    }
}

/// A cell as people see it, with line feeds for line ends.
fn text(value: &DataRef<'_>) -> String {
    let text = match value {
        DataRef::String(text) | DataRef::DateTimeIso(text) | DataRef::DurationIso(text) => text.trim(),
        DataRef::SharedString(text) => text.trim(),
        DataRef::Int(whole) => return whole.to_string(),
        // a telephone number that was typed without a blank is a number to the sheet
        DataRef::Float(number) if number.fract() == 0.0 && number.abs() <= WHOLE_MAX => return format!("{number:.0}"),
        DataRef::Float(number) => return number.to_string(),
        DataRef::Bool(yes) => return if *yes { "yes" } else { "no" }.to_owned(),
        DataRef::DateTime(moment) => {
            let (year, month, day, hour, minute, second, _) = moment.to_ymd_hms_milli();
            let date = format!("{year:04}-{month:02}-{day:02}");
            return if (hour, minute, second) == (0, 0, 0) { date } else { format!("{date} {hour:02}:{minute:02}:{second:02}") };
        }
        // no name and no number is `#REF!`, and whoever checks them says where it stands
        DataRef::Error(error) => return error.to_string(),
        DataRef::Empty => "",
    };
    if text.contains('\r') { text.replace("\r\n", "\n").replace('\r', "\n") } else { text.to_owned() }
}

/// A column's letters: `A` is 0.
fn letters(column: u32) -> String {
    let (mut rest, mut letters) = (column + 1, Vec::new());
    while rest > 0 {
        letters.insert(0, char::from(b'A' + u8::try_from((rest - 1) % 26).unwrap_or(0)));
        rest = (rest - 1) / 26;
    }
    letters.into_iter().collect()
}

impl ContactFile for Sheet {
    fn next_row(&mut self) -> Result<Option<Row>, FileError> {
        match self.table.next_row() {
            Ok(row) => Ok(row.map(|row| Row { place: self.rows.place(row.place), ..row })),
            Err(FileError::At { place, what }) => Err(FileError::At { place: self.rows.place(place), what }),
            Err(whole) => Err(whole),
        }
    }

    fn field_place(&self, field: &str, number_index: Option<usize>) -> Option<String> {
        let place = self.table.field_place(field, number_index)?;
        // `column 4 (number2)` is column D here
        let said = place.strip_prefix("column ").and_then(|rest| rest.split_once(' '));
        let named = said.and_then(|(number, name)| Some(format!("column {} {name}", letters(number.parse::<u32>().ok()?.checked_sub(1)?))));
        Some(named.unwrap_or(place))
    }

    fn passed_over(&self) -> Vec<(&'static str, u64)> {
        self.table.passed_over()
    }

    fn columns_left(&self) -> Vec<String> {
        self.table.columns_left()
    }

    fn notes(&self) -> Vec<String> {
        self.table.notes()
    }
}
