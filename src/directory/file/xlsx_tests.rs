//! Workbooks: what is read, what is told of what is wrong, and bombs.

use super::Said;
use super::reading_tests::{fails, mutations, tries};
use super::xlsx::open;
use super::{ContactFile, FileError, Reading, Row};
use std::fmt::Write as _;
use std::io::{Cursor, Write};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

const BOOK: &[u8] = include_bytes!("../../../tests/files/contacts.xlsx");
const TYPES: &str = "<Types/>";
const RELS: &str = r#"<Relationships><Relationship Id="rId1" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/officeDocument" Target="xl/workbook.xml"/></Relationships>"#;
const WORKBOOK: &str = r#"<workbook xmlns:r="r"><sheets><sheet name="One" sheetId="1" r:id="rId1"/></sheets></workbook>"#;
const WORKBOOK_RELS: &str = r#"<Relationships><Relationship Id="rId1" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/worksheet" Target="worksheets/sheet1.xml"/></Relationships>"#;

/// A zip of these parts.
fn zipped(parts: &[(&str, &[u8])]) -> Vec<u8> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, bytes) in parts {
        zip.start_file(*name, SimpleFileOptions::default().compression_method(CompressionMethod::Deflated)).unwrap();
        zip.write_all(bytes).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

/// A workbook of one sheet with these rows, and these shared texts.
fn book(rows: &str, texts: &str) -> Vec<u8> {
    let sheet = format!("<worksheet><sheetData>{rows}</sheetData></worksheet>");
    with_sheet(sheet.as_bytes(), texts.as_bytes())
}

fn with_sheet(sheet: &[u8], texts: &[u8]) -> Vec<u8> {
    zipped(&[
        ("[Content_Types].xml", TYPES.as_bytes()),
        ("_rels/.rels", RELS.as_bytes()),
        ("xl/workbook.xml", WORKBOOK.as_bytes()),
        ("xl/_rels/workbook.xml.rels", WORKBOOK_RELS.as_bytes()),
        ("xl/worksheets/sheet1.xml", sheet),
        ("xl/sharedStrings.xml", texts),
    ])
}

/// A row of texts, at a place; an empty one has no cell.
fn row(number: u32, cells: &[&str]) -> String {
    let mut text = format!("<row r=\"{number}\">");
    for (at, cell) in cells.iter().enumerate().filter(|(_, cell)| !cell.is_empty()) {
        let column = char::from(b'A' + u8::try_from(at).unwrap());
        write!(text, "<c r=\"{column}{number}\" t=\"inlineStr\"><is><t>{cell}</t></is></c>").unwrap();
    }
    text + "</row>"
}

const NO_TEXTS: &str = "<sst></sst>";

fn opened(bytes: Vec<u8>) -> Result<Box<dyn ContactFile>, FileError> {
    open(Cursor::new(bytes), &Reading::default()).map(|file| Box::new(file) as Box<dyn ContactFile>)
}

fn error(bytes: Vec<u8>) -> String {
    match opened(bytes) {
        Ok(file) => fails_boxed(file),
        Err(error) => error.to_string(),
    }
}

fn fails_boxed(file: Box<dyn ContactFile>) -> String {
    struct Boxed(Box<dyn ContactFile>);
    impl ContactFile for Boxed {
        fn next_row(&mut self) -> Result<Option<Row>, FileError> {
            self.0.next_row()
        }
        fn field_place(&self, field: &str, number_index: Option<usize>) -> Option<String> {
            self.0.field_place(field, number_index)
        }
    }
    fails(Boxed(file))
}

/// Place, name, numbers with their labels, company and note of every row.
fn told(bytes: Vec<u8>) -> Vec<String> {
    let (rows, error) = tries(opened(bytes));
    assert_eq!(error, None);
    let one = |row: Row| match row.said {
        Said::Contact(c) => {
            let numbers: Vec<&str> = c.numbers.iter().map(|(n, _)| n.as_str()).collect();
            format!("{}: {} {} {:?} {:?}", row.place, c.name, numbers.join(" "), c.company, c.note)
        }
        Said::Blocked(other) | Said::Wrong(other) => panic!("{other}"),
    };
    rows.into_iter().map(one).collect()
}

#[test]
fn a_sheet_is_read_with_its_numbers_as_they_were_typed() {
    let expected = [
        "row 3: Ada Lovelace 4930123456 +49 151 1234567 Some(\"Engines, \\\"Analytical\\\"\") Some(\"two\\nlines\")",
        "row 6: Jürgen Groß 0301234 12025550101 None Some(\"2024-02-29\")",
        "row 7: Bob 101 None Some(\"yes\")",
    ];
    assert_eq!(told(BOOK.to_vec()), expected);
    let file = open(Cursor::new(BOOK.to_vec()), &Reading::default()).unwrap();
    assert_eq!(file.field_place("number", Some(1)).as_deref(), Some("column D (number2)"));
}

#[test]
fn the_first_sheet_with_headings_of_contacts_is_taken_and_a_map_says_what_headings_dont() {
    let rows = row(1, &["Wer", "Wo"]) + &row(2, &["Ada", "101"]);
    let bytes = book(&rows, NO_TEXTS);
    let map = vec![("name".to_owned(), "Wer".to_owned()), ("number".to_owned(), "B".to_owned())];
    let mut file = open(Cursor::new(bytes), &Reading { map, ..Reading::default() }).unwrap();
    let row = file.next_row().unwrap().unwrap();
    assert!(matches!(row.said, Said::Contact(c) if c.name == "Ada" && c.numbers[0].0 == "101"));
}

#[test]
fn a_row_that_is_wrong_is_told_by_the_sheets_number() {
    let head = row(1, &["name", "number"]);
    let good = row(2, &["a\nb", "1"]);
    let long = "x".repeat(20_000);
    for (rows, expected) in [
        (row(9, &["Ada", "1", "", "stray"]), "row 9: has a text in column D, which has no heading"),
        (row(9, &["Ada", &long]), "row 9: has 20000 bytes in column B"),
        (row(9, &["Ada", "1"]) + &row(4, &["Bob", "2"]), "row 4: stands below a later one"),
        ("<row r=\"2000000\"><c r=\"A2000000\"><v>1</v></c></row>".into(), "row 2000000: has a cell outside of"),
        ("<row r=\"9\"><c r=\"ZZZZ9\"><v>1</v></c></row>".into(), "row 9: has a cell outside of"),
        ("<row r=\"9\"><c r=\"XFD9\"><v>1</v></c></row>".into(), "row 9: has a text in column XFD"),
        ("<row r=\"9\"><c r=\"A9\" t=\"s\"><v>7</v></c></row>".into(), "can't be read on from here"),
        ("<row r=\"99999999999999\"><c r=\"A1\"><v>1</v></c></row>".into(), "the workbook is damaged"),
    ] {
        let error = error(book(&(head.clone() + &good + &rows), NO_TEXTS));
        assert!(error.contains(expected), "{error}");
    }
    assert!(error(book(&row(1, &["first", "second"]), NO_TEXTS)).contains("sheet \"One\": "));
    assert!(error(book("", NO_TEXTS)).contains("no sheet with anything in it"));
    assert!(error(b"name,number\n".to_vec()).contains("the workbook is damaged, or was cut short"));
    assert!(error(zipped(&[("a.txt", b"x")])).contains("the workbook is damaged"));
}

#[test]
fn a_thousand_laughs_are_refused_in_every_part() {
    let laughs: String = (1..10).map(|n| format!("<!ENTITY l{n} \"{}\">", format!("&l{};", n - 1).repeat(10))).collect();
    let doctype = format!("<?xml version=\"1.0\"?><!DOCTYPE lolz [<!ENTITY l0 \"lol\">{laughs}]>");
    let sheet = format!("{doctype}<worksheet><sheetData>{}</sheetData></worksheet>", row(1, &["name", "number", "&l9;"]));
    assert!(error(with_sheet(sheet.as_bytes(), NO_TEXTS.as_bytes())).contains("declares a document type in xl/worksheets/sheet1.xml"));
    let rows = row(1, &["name", "number"]) + "<row r=\"2\"><c r=\"A2\" t=\"s\"><v>0</v></c></row>";
    let texts = format!("{doctype}<sst uniqueCount=\"1\"><si><t>&l9;</t></si></sst>");
    assert!(error(book(&rows, &texts)).contains("declares a document type in xl/sharedstrings.xml"));
    // the declaration may be where a piece ends
    for fill in 65_400..65_560 {
        let texts = format!("<?xml version=\"1.0\"?>{}<!DOCTYPE lolz><sst/>", " ".repeat(fill));
        assert!(error(book(&rows, &texts)).contains("declares a document type"), "{fill}");
    }
    // without a declaration there is nothing to laugh at
    let undeclared = error(book(&rows, "<sst><si><t>&l9;</t></si></sst>"));
    assert!(undeclared.contains("the workbook is damaged"), "{undeclared}");
    let utf16: Vec<u8> = format!("\u{feff}{doctype}<sst/>").encode_utf16().flat_map(u16::to_le_bytes).collect();
    assert!(error(with_sheet(b"<worksheet/>", &utf16)).contains("in UTF-16"));
}

#[test]
fn a_bomb_is_refused_before_it_is_unpacked() {
    let blanks = vec![b' '; 8 << 20];
    let bomb = with_sheet(&blanks, NO_TEXTS.as_bytes());
    assert!(bomb.len() < 64 << 10);
    // its directory says what it unpacks to, and what is said is what is allowed
    let says = |bytes: u32| {
        let (real, mut file) = ((8u32 << 20).to_le_bytes(), bomb.clone());
        let at: Vec<usize> = (0..file.len() - 4).filter(|at| file[*at..at + 4] == real).collect();
        assert!(!at.is_empty());
        at.into_iter().for_each(|at| file[at..at + 4].copy_from_slice(&bytes.to_le_bytes()));
        file
    };
    assert!(error(says(600 << 20)).contains("bytes unpacked, more than 536870912"));
    // one that says that it is small is read no further than it says
    let said = error(says(1000));
    assert!(said.contains("is damaged in xl/worksheets/sheet1.xml (File is larger than its declared"), "{said}");
    // many small ones
    let names: Vec<String> = (0..5000).map(|n| format!("{n}.xml")).collect();
    let parts: Vec<(&str, &[u8])> = names.iter().map(|name| (name.as_str(), &b""[..])).collect();
    assert!(error(zipped(&parts)).contains("more than 4096 parts"));
}

#[test]
fn room_is_made_for_no_more_than_there_may_be() {
    let rows = row(1, &["name", "number"]);
    for count in ["99999999999999999999999", "1000000000", " 5000000"] {
        assert!(error(book(&rows, &format!("<sst uniqueCount=\"{count}\"></sst>"))).contains("different texts, more than"), "{count}");
    }
    assert!(error(book(&rows, &format!("<sst>{}</sst>", "<si/>".repeat(4 * 1024 * 1024 + 1)))).contains("different texts"));
    let long = format!("<sst><si><t>{}</t></si></sst>", "x".repeat(2 << 20));
    assert!(error(book(&rows, &long)).contains("has a text of more than 1048576 bytes"));
}

#[test]
fn one_text_in_every_cell_is_no_way_around_the_bounds() {
    // 16,000 bytes in each of 70,000 cells
    let text = format!("<sst><si><t>{}</t></si></sst>", "x".repeat(16_000));
    let mut rows = row(1, &["name", "number"]);
    for number in 2..70_000 {
        write!(rows, "<row r=\"{number}\"><c r=\"A{number}\" t=\"s\"><v>0</v></c></row>").unwrap();
    }
    let said = error(book(&rows, &text));
    assert!(said.contains("bytes of text"), "{said}");
}

#[test]
fn a_workbook_that_is_cut_or_damaged_anywhere_is_refused_or_read_and_nothing_panics() {
    for cut in 0..BOOK.len() {
        assert!(opened(BOOK[..cut].to_vec()).is_err(), "cut at {cut}");
    }
    let open = |input: Cursor<Vec<u8>>| opened(input.into_inner());
    mutations(BOOK, open);
    let sheet = (row(1, &["name", "number"]) + &row(2, &["Ada", "1"])).into_bytes();
    mutations(&sheet, |input| opened(with_sheet(&[b"<worksheet><sheetData>", &input.into_inner()[..]].concat(), NO_TEXTS.as_bytes())));
}
