//! Any bytes as a file of contacts: no panic, bounded, the same rows however its bytes come, and an end that stays.

use std::io::{Cursor, Read, Write};
use std::path::Path;
use strowger_fuzz::directory::Contact;
use strowger_fuzz::directory::file::{ContactFile, FIELD_BYTES_MAX, FileError, Format, Reading, Row, Said, open};
use strowger_fuzz::number::NumberPlan;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

/// How often the rows are there where an input asks for many: what is slow for each row that came before shows.
const MANY: usize = 200;
/// The longest message: people read it.
const MESSAGE_BYTES_MAX: usize = 4096;

/// Bytes that come so many at once.
struct Pieces(Cursor<Vec<u8>>, usize);

impl Read for Pieces {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let bytes = buffer.len().min(self.1);
        self.0.read(&mut buffer[..bytes])
    }
}

/// What an input's first byte asks for: how many bytes come at once, whether there are many of the rows, what is said of
/// the file.
fn asked(format: Format, first: u8) -> (usize, bool, Reading) {
    let piece_bytes = [1, 2, 3, 7, 64, 1_000, 4_096, usize::MAX][usize::from(first & 7)];
    let mut reading = Reading { format: Some(format), ..Reading::default() };
    match (first >> 4 & 7, format) {
        (1, Format::Csv) => reading.delimiter = Some(b';'),
        (2, Format::Csv) => reading.map = Reading::parse_map("name=A,number=B,note=C").expect("three columns are a map"),
        (3, Format::Csv) => reading.map = Reading::parse_map("name=Name").expect("a column is a map"),
        (4, _) => reading.encoding = Some("windows-1252".to_owned()),
        (5, _) => reading.encoding = Some("utf-16le".to_owned()),
        (6, _) => reading.encoding = Some("shift_jis".to_owned()),
        // whatever it looks like
        (7, _) => reading.format = None,
        _ => {}
    }
    (piece_bytes, first & 8 != 0 && format != Format::Xlsx, reading)
}

/// The parts of a workbook, in the order in which an input has them; the first three are as they are in most.
const PARTS: &[&str] =
    &["xl/worksheets/sheet1.xml", "xl/sharedStrings.xml", "xl/styles.xml", "xl/workbook.xml", "xl/_rels/workbook.xml.rels"];
const RELS: &[u8] = br#"<Relationships><Relationship Id="rId1" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/officeDocument" Target="xl/workbook.xml"/></Relationships>"#;
const WORKBOOK: &[u8] = br#"<workbook xmlns:r="r"><sheets><sheet name="One" sheetId="1" r:id="rId1"/></sheets></workbook>"#;
const WORKBOOK_RELS: &[u8] = br#"<Relationships><Relationship Id="rId1" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/worksheet" Target="worksheets/sheet1.xml"/><Relationship Id="rId2" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/styles" Target="styles.xml"/><Relationship Id="rId3" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/sharedStrings" Target="sharedStrings.xml"/></Relationships>"#;

/// A workbook of the parts in an input, which stand between bytes `0xFF`: chance alone never finds a checksum.
fn workbook(input: &[u8]) -> Vec<u8> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    let mut part = |name: &str, bytes: &[u8]| {
        let options = SimpleFileOptions::default().compression_method(CompressionMethod::Stored);
        zip.start_file(name, options).expect("a name of ours begins a part");
        zip.write_all(bytes).expect("memory takes what is written");
    };
    part("[Content_Types].xml", b"<Types/>");
    part("_rels/.rels", RELS);
    let given: Vec<&[u8]> = input.split(|byte| *byte == 0xFF).collect();
    for (n, name) in PARTS.iter().enumerate() {
        let usual = match n {
            3 => Some(WORKBOOK),
            4 => Some(WORKBOOK_RELS),
            _ => None,
        };
        if let Some(bytes) = given.get(n).copied().or(usual) {
            part(name, bytes);
        }
    }
    zip.finish().expect("memory takes what is written").into_inner()
}

/// All rows, and why there are no more.
fn rows(file: &mut dyn ContactFile) -> (Vec<Row>, Option<FileError>) {
    let mut rows = Vec::new();
    let why = loop {
        match file.next_row() {
            Ok(Some(row)) => rows.push(row),
            Ok(None) => break None,
            Err(error) => break Some(error),
        }
    };
    assert_eq!(file.next_row(), Ok(None), "something comes behind the end");
    (rows, why)
}

fn read(bytes: &[u8], piece_bytes: usize, reading: &Reading) -> Result<(Vec<Row>, Option<FileError>, Vec<String>), FileError> {
    let input = Box::new(Pieces(Cursor::new(bytes.to_vec()), piece_bytes));
    let mut file = open(input, Some(Path::new("contacts")), reading)?;
    let (rows, why) = rows(&mut *file);
    let mut said = file.notes();
    said.extend(file.columns_left());
    said.extend(file.passed_over().into_iter().map(|(what, count)| format!("{count} {what}")));
    for row in &rows {
        let Said::Contact(draft) = &row.said else { continue };
        let _ = (file.field_place("name", None), file.field_place("number", Some(draft.numbers.len())), row.place.to_string());
    }
    Ok((rows, why, said))
}

/// What a row's texts are, each of them.
fn texts(row: &Row) -> Vec<&str> {
    match &row.said {
        Said::Blocked(number) => vec![number],
        // our own words about it
        Said::Wrong(_) => Vec::new(),
        Said::Contact(draft) => {
            let numbers = draft.numbers.iter().flat_map(|(number, label)| [Some(&**number), label.as_deref()]);
            let others = [Some(&*draft.id), Some(&*draft.name), draft.company.as_deref(), draft.note.as_deref(), draft.owner.as_deref()];
            others.into_iter().chain(numbers).flatten().chain(draft.tags.iter().map(|tag| &**tag)).collect()
        }
    }
}

fn check(row: &Row, plan: &NumberPlan) {
    let texts = texts(row);
    assert!(texts.iter().all(|text| text.len() <= FIELD_BYTES_MAX), "a field is too long");
    let bytes: usize = texts.iter().map(|text| text.len()).sum();
    assert!(bytes <= row.said.text_bytes(), "{bytes} bytes in a row that says it has {}", row.said.text_bytes());
    let Said::Contact(draft) = &row.said else { return };
    let mut draft = draft.clone();
    if draft.id.is_empty() {
        draft.id = "row".to_owned();
    }
    match draft.check(plan, "fuzz") {
        Ok(Contact { name, .. }) => assert!(!name.is_empty()),
        Err(error) => assert!(!error.to_string().is_empty()),
    }
}

/// Reads an input as this format.
pub fn run(format: Format, input: &[u8]) {
    let Some((first, bytes)) = input.split_first() else { return };
    let (piece_bytes, many, reading) = asked(format, *first);
    let packed = (format == Format::Xlsx && first & 8 == 0).then(|| workbook(bytes));
    let bytes = packed.as_deref().unwrap_or(bytes);
    let bytes = if many { bytes.repeat(MANY.min(256 * 1024 / bytes.len().max(1)).max(1)) } else { bytes.to_vec() };
    let whole = read(&bytes, usize::MAX, &reading);
    let plan = NumberPlan::new(None);
    match &whole {
        Ok((rows, why, said)) => {
            rows.iter().take(1_000).for_each(|row| check(row, &plan));
            let messages = why.iter().map(ToString::to_string).chain(said.iter().cloned());
            messages.for_each(|message| assert!(message.len() <= MESSAGE_BYTES_MAX, "{} bytes", message.len()));
        }
        Err(error) => assert!(error.to_string().len() <= MESSAGE_BYTES_MAX),
    }
    // a byte at a time takes its time
    if !many && whole != read(&bytes, piece_bytes, &reading) {
        panic!("in pieces of {piece_bytes} it is {:?}, whole it is {whole:?}", read(&bytes, piece_bytes, &reading));
    }
}
