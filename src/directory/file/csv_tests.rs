//! Tables of every kind, well made and badly.

use super::super::{ContactFile, FIELD_BYTES_MAX, FileError, Reading, Row, Said, open};
use super::{ROW_BYTES_MAX, delimiter_of};
use crate::directory::ContactDraft;
use proptest::prelude::*;

fn file(bytes: impl Into<Vec<u8>>, options: &Reading) -> Result<Box<dyn ContactFile>, FileError> {
    open(Box::new(std::io::Cursor::new(bytes.into())), None, options)
}

fn rows_of(file: &mut dyn ContactFile) -> Result<Vec<Row>, FileError> {
    std::iter::from_fn(|| file.next_row().transpose()).collect()
}

fn read(bytes: impl Into<Vec<u8>>, options: &Reading) -> Result<Vec<(u64, ContactDraft)>, String> {
    let mut file = file(bytes, options).map_err(|e| e.to_string())?;
    let rows = rows_of(file.as_mut()).map_err(|e| e.to_string())?;
    let contact = |row: Row| match row.said {
        Said::Contact(draft) => Ok((row.place.number, draft)),
        Said::Blocked(number) => panic!("{number}"),
        Said::Wrong(what) => Err(format!("{}: {what}", row.place)),
    };
    rows.into_iter().map(contact).collect()
}

fn all(text: &str) -> Result<Vec<(u64, ContactDraft)>, String> {
    read(text, &Reading::default())
}

/// Name, company, and numbers with their labels.
fn short(text: &str, options: &Reading) -> Vec<String> {
    let rows = read(text, options).unwrap_or_else(|e| panic!("{e}: {text}"));
    let numbers = |draft: &ContactDraft| {
        let number =
            |(number, label): &(String, Option<String>)| label.as_ref().map_or(number.clone(), |label| format!("{number}={label}"));
        draft.numbers.iter().map(number).collect::<Vec<_>>().join(" ")
    };
    rows.iter().map(|(row, d)| format!("{row} {}|{}|{}", d.name, d.company.as_deref().unwrap_or_default(), numbers(d))).collect()
}

fn passed(text: &str) -> Vec<(&'static str, u64)> {
    let mut file = file(text, &Reading::default()).unwrap();
    rows_of(file.as_mut()).unwrap();
    file.passed_over()
}

fn mapping(map: &str) -> Reading {
    Reading { map: Reading::parse_map(map).unwrap(), ..Reading::default() }
}

#[test]
fn rows_become_contacts_whatever_the_order_of_the_columns() {
    let rows = all("\u{feff}Company, NAME ,number,number2,label2,tags,owner,favourite,source\r\n\
         ACME,\"Ada, L\",+4930123456,101,desk,a;b,102,yes,crm\r\n,Bob,102,,,,,no,\r\n")
    .unwrap();
    let ada = &rows[0].1;
    assert_eq!((rows[0].0, ada.name.as_str(), ada.company.as_deref()), (2, "Ada, L", Some("ACME")));
    assert_eq!(ada.numbers, [("+4930123456".into(), None), ("101".into(), Some("desk".into()))]);
    assert_eq!((ada.tags.as_slice(), ada.owner.as_deref(), ada.favourite), (&["a".to_owned(), "b".to_owned()][..], Some("102"), true));
    assert_eq!((rows[1].0, rows[1].1.numbers.len(), rows[1].1.favourite), (3, 1, false));
}

#[test]
fn a_wrong_file_says_which_row_and_column() {
    let error = |text: &str| all(text).expect_err(text);
    for (text, said) in [
        ("name,company\n", "no column \"number\""),
        ("", "no column \"name\""),
        ("name,nubmer\n", "column 2 is \"nubmer\", which isn't known; did you mean number?"),
        ("name,number,name\n", "twice"),
        ("name,number,e-mail\n", "column 3 is \"e-mail\", which isn't known"),
        ("name,number\na,1,2\n", "row 2: 3 columns where the header has 2"),
        ("name,number\n\n\na\n", "row 4: 1 columns"),
        ("name,number,favourite\na,1,perhaps\n", "row 2: column 3 (favourite) is \"perhaps\"; write yes or no"),
        ("name,number\na,1\nb\0,2\n", "row 3: column 1 (name) holds a zero byte"),
        ("name,number\na,\"4,93012E+11\"\n", "row 2: column 2 (number) is \"4,93012E+11\": a spreadsheet took"),
    ] {
        assert!(error(text).contains(said), "{text:?}: {}", error(text));
    }
    let csv = file("name,number,number2\n", &Reading::default()).unwrap();
    assert_eq!(csv.field_place("number", Some(1)).as_deref(), Some("column 3 (number2)"));
    assert_eq!(csv.field_place("company", None), None);
}

#[test]
fn rows_behind_a_wrong_one_are_read() {
    let mut file = file("name,number\nAda\nBob,102\nCy,103,x\nDan,\"4,9E+11\"\nEve,105\n", &Reading::default()).unwrap();
    let rows = rows_of(file.as_mut()).unwrap();
    let said: Vec<_> = rows.iter().map(|row| (row.place.number, matches!(row.said, Said::Wrong(_)))).collect();
    assert_eq!(said, [(2, true), (3, false), (4, true), (5, true), (6, false)]);
}

#[test]
fn a_row_is_counted_by_its_first_line_whatever_the_line_ends() {
    for end in ["\n", "\r\n", "\r"] {
        for last in ["", end] {
            let text = "name,number\na,1\n\nb,\"\n2\n\"\n\nc,3".replace('\n', end) + last;
            let rows: Vec<u64> = all(&text).unwrap().iter().map(|(row, _)| *row).collect();
            assert_eq!(rows, [2, 4, 8], "{text:?}");
        }
    }
    // all of them in one file
    assert_eq!(short("name,number\na,1\r\nb,2\rc,3\nd,4", &Reading::default()), ["2 a||1", "3 b||2", "4 c||3", "5 d||4"]);
    // a spreadsheet's empty rows are no contacts, and are counted as rows
    assert_eq!(short("name,number\n,\na,1\n , \n", &Reading::default()), ["3 a||1"]);
    assert_eq!(passed("name,number\n,\na,1\n , \n"), [("empty rows", 2)]);
    // nothing but what divides columns may follow
    assert_eq!(short("name,number\na,1,,\n", &Reading::default()), ["2 a||1"]);
}

#[test]
fn what_divides_columns_is_told_by_the_first_line() {
    for (line, wanted) in [
        ("name,number", b','),
        ("name;number;tags", b';'),
        ("name\tnumber", b'\t'),
        ("title|displayname|officenumber", b'|'),
        ("\"name, first\";\"a,b,c\";number\nx,y,z,a,b", b';'),
        ("\"a\nb,c,d\";number\n", b';'),
        ("name", b','),
        ("", b','),
    ] {
        assert_eq!(delimiter_of(line), wanted, "{line:?}");
    }
    for delimiter in [";", "\t", "|", ","] {
        let text = "name,number\n\"A,B;C|D\tE\",1\n"
            .replace("name,number", &format!("name{delimiter}number"))
            .replace("\",", &format!("\"{delimiter}"));
        assert_eq!(short(&text, &Reading::default()), ["2 A,B;C|D\tE||1"]);
    }
    assert_eq!(short("sep=;\r\nname;number\r\nAda;101\r\n", &Reading::default()), ["3 Ada||101"]);
    let colon = Reading { delimiter: Some(b':'), ..Reading::default() };
    assert_eq!(short("name:number\nA,B:101\n", &colon), ["2 A,B||101"]);
}

#[test]
fn tables_of_other_programs_are_known_by_their_headers() {
    let old_google = "Name,Given Name,Additional Name,Family Name,Yomi Name,Notes,Group Membership,E-mail 1 - Type,E-mail 1 - Value,\
        Phone 1 - Type,Phone 1 - Value,Phone 2 - Type,Phone 2 - Value,Organization 1 - Type,Organization 1 - Name\n\
        Ada King Lovelace,Ada,King,Lovelace,,Poet,* myContacts ::: Maths ::: * Starred,* Home,a@example.com,\
        * Mobile,+44 20 7946 0100 ::: +44 20 7946 0101,Work,101,,Engines\n\
        Nobody,,,,,,,* ,n@example.com,,,,,,\n";
    let new_google = "First Name,Middle Name,Last Name,Phonetic First Name,Organization Name,Organization Title,Birthday,Notes,Photo,Labels,\
        E-mail 1 - Label,E-mail 1 - Value,Phone 1 - Label,Phone 1 - Value,Phone 2 - Label,Phone 2 - Value\n\
        Grace,Brewster,Hopper,,US Navy,Admiral,1906-12-09,,,* myContacts ::: Navy,* Work,g@example.com,Mobile,+1 202 555 0199,,\n\
        ,,,,Night Shop,,,,,* myContacts,,,,030 1234,,\n";
    let outlook = "\"Title\",\"First Name\",\"Middle Name\",\"Last Name\",\"Suffix\",\"Company\",\"Business Street\",\"Assistant's Phone\",\
        \"Business Fax\",\"Business Phone\",\"Home Phone\",\"Mobile Phone\",\"E-mail Address\",\"Notes\"\r\n\
        \"Dr.\",\"Ada\",\"\",\"Lovelace\",\"\",\"Engines\",\"Main St 1\",\"109\",\"108\",\"(030) 123-456\",\"\",\"0170 1234567\",\"\",\"x\"\r\n";
    let german = "Anrede;Vorname;Weitere Vornamen;Nachname;Firma;Straße geschäftlich;Telefon geschäftlich;Telefon geschäftlich 2;\
        Telefon (privat);Mobiltelefon;Kategorien\nFrau;Ada;;Lovelace;Engines;Hauptstr. 1;030 1;030 2;030 3;0170 4;Chor;Kegeln\n"
        .replace("Chor;Kegeln", "\"Chor;Kegeln\"");
    let freepbx = "groupname,grouptype,displayname,fname,lname,title,company,address,userman_username,phone_1_number,phone_1_type,\
        phone_1_extension,phone_1_flags,phone_2_number,phone_2_type\n\
        Suppliers,external,,Ada,Lovelace,,Engines,,,4930123,work,12,\"sms,fax\",4917012,cell\n";
    let xivo = "title|displayname|firstname|lastname|society|mobilenumber|email|officenumber|faxnumber|description\n\
        mrs|Ada L.|Ada|Lovelace|Engines|0170123|a@example.com|030123|030124|Maths\n";
    let wazo = "firstname,lastname,number,company,email\nAda,Lovelace,101,Engines,a@example.com\n";
    for (name, text, wanted) in [
        (
            Some("Google Contacts"),
            old_google,
            &["2 Ada King Lovelace|Engines|+44 20 7946 0100=Mobile +44 20 7946 0101=Mobile 101=Work"] as &[&str],
        ),
        (
            Some("Google Contacts"),
            new_google,
            &["2 Grace Brewster Hopper|US Navy|+1 202 555 0199=Mobile", "3 Night Shop|Night Shop|030 1234"],
        ),
        (Some("Outlook"), outlook, &["2 Ada Lovelace|Engines|(030) 123-456=office 0170 1234567=mobile 109=assistant 108=fax"]),
        (Some("Outlook"), &german, &["2 Ada Lovelace|Engines|030 1=office 030 2=office 0170 4=mobile 030 3=home"]),
        (Some("FreePBX's Contact Manager"), freepbx, &["2 Ada Lovelace|Engines|4930123=work 4917012=cell"]),
        (Some("XiVO or Wazo"), xivo, &["2 Ada L.|Engines|030123=office 0170123=mobile 030124=fax"]),
        (None, wazo, &["2 Ada Lovelace|Engines|101"]),
    ] {
        assert_eq!(short(text, &Reading::default()), wanted);
        let notes = file(text, &Reading::default()).unwrap().notes();
        assert!(name.is_none_or(|name| notes == [format!("the columns are those of {name}")]), "{notes:?}");
    }
    let rows = all(old_google).unwrap();
    assert_eq!(
        (rows[0].1.tags.as_slice(), rows[0].1.favourite, rows[0].1.note.as_deref()),
        (&["Maths".to_owned()][..], true, Some("Poet"))
    );
    assert_eq!(passed(old_google), [("columns", 4), ("rows without a number", 1)]);
    assert_eq!(all(&german).unwrap()[0].1.tags, ["Chor", "Kegeln"]);
    assert_eq!(all(freepbx).unwrap()[0].1.tags, ["Suppliers"]);
}

#[test]
fn a_table_that_somebody_made_is_read_by_the_words_that_people_use() {
    for (text, wanted) in [
        ("Name;Telefon\nAda;030 1\n", "2 Ada||030 1"),
        ("Full Name,Phone,Email\nAda,030 1,a@example.com\n", "2 Ada||030 1"),
        ("Firma;Rufnummer\nEngines;030 1\n", "2 Engines|Engines|030 1"),
        ("displayname,telephone,mobile\nAda,030 1,0170 2\n", "2 Ada||030 1 0170 2=mobile"),
        ("Tel.;Tel. 2;Name\n030 1;030 2;Ada\n", "2 Ada||030 1 030 2"),
        ("Name;Vorname;Handy\nLovelace;Ada;0170 1\n", "2 Ada Lovelace||0170 1=mobile"),
        ("NOM,PRÉNOM,TÉLÉPHONE\nLovelace,Ada,01 23\n", "2 Ada Lovelace||01 23"),
        ("Phone 1,Phone 2,Name\n1,2,Ada\n", "2 Ada||1 2"),
    ] {
        assert_eq!(short(text, &Reading::default()), [wanted], "{text}");
    }
    let notes = file("Full Name,Phone,Email,\nAda,030 1,a@example.com,\n", &Reading::default()).unwrap().notes();
    assert_eq!(notes, ["passed over: column 3 (Email)"]);
    let long = format!("Full Name,Phone,Notes\nAda,030 1,{}\n", "ä".repeat(5_000));
    assert_eq!(passed(&long), [("ends of long notes", 1)]);
    assert_eq!(all(&long).unwrap()[0].1.note.as_ref().unwrap().len(), 4096);
}

#[test]
fn a_table_without_a_header_is_read_if_there_is_no_doubt_and_else_asks_for_a_map() {
    let text = "Ada,+49 30 123\nBob,101\n";
    assert_eq!(short(text, &Reading::default()), ["1 Ada||+49 30 123", "2 Bob||101"]);
    assert!(file(text, &Reading::default()).unwrap().notes()[0].starts_with("there is no header line: column 1 is taken for the name"));
    assert_eq!(short("101;Bob\n", &Reading::default()), ["1 Bob||101"]);
    let error = all("Ada,Engines,030 1234\n").unwrap_err();
    assert!(error.contains("the first row holds a number (030 1234)") && error.contains("--map name=A,number=C"), "{error}");
    assert!(all("101,102\n").unwrap_err().contains("--map"));
    assert!(all("Ada,Bob\n").unwrap_err().contains("no column \"name\""));
    assert!(all("Ada,101\nBob\n").unwrap_err().contains("row 2: 1 columns where the first row has 2"));
}

#[test]
fn a_map_says_which_column_is_which_by_letters_or_by_name() {
    let people = "Kunde;Ort;Erreichbar;Auch\nAda;Berlin;030 1;0170 2\nBob;;;\n";
    assert_eq!(short(people, &mapping("name=A,number=C,number2=d,note=B")), ["2 Ada||030 1 0170 2"]);
    assert_eq!(short(people, &mapping("name=Kunde,number=erreichbar")), ["2 Ada||030 1"]);
    let mut mapped = file(people, &mapping("name=A,number=C")).unwrap();
    rows_of(mapped.as_mut()).unwrap();
    assert_eq!(mapped.passed_over(), [("columns", 2), ("rows without a number", 1)]);
    assert_eq!(mapped.field_place("number", Some(0)).as_deref(), Some("column 3 (Erreichbar)"));
    // without a header line the first row is a contact
    assert_eq!(short("Ada,x,030 123\nBob,y,101\n", &mapping("name=A,number=C")), ["1 Ada||030 123", "2 Bob||101"]);
    assert_eq!(short("L,A,030 123\n", &mapping("last=A,first=B,number=C")), ["1 A L||030 123"]);
    for (map, said) in [
        ("name=A", "doesn't say which column is the number"),
        ("number=C", "doesn't say which column is the name"),
        ("name=A,number=Z", "no column \"Z\"; the first row has A (Kunde), B (Ort), C (Erreichbar), D (Auch)"),
        ("name=A,number=Ereichbar", "did you mean Erreichbar?"),
        ("nmae=A,number=C", "there is no field \"nmae\"; did you mean name?"),
        ("name=A,name=B,number=C", "twice"),
        ("name=A,number=A", "takes column A twice"),
    ] {
        let error = read(people, &mapping(map)).unwrap_err();
        assert!(error.contains(said), "{map}: {error}");
    }
}

#[test]
fn a_file_in_the_wrong_encoding_says_where_and_what_to_do() {
    let latin = b"name,number\nok,101\nM\xfcller,102\n";
    let rows = read(&latin[..], &Reading::default()).unwrap();
    assert_eq!(rows[1].1.name, "Müller");
    assert!(file(&latin[..], &Reading::default()).unwrap().notes()[0].starts_with("the text is read as windows-1252"));
    // UTF-8 as far as anybody looks, and then it isn't
    let mut late = b"name,number\n".to_vec();
    late.extend(b"Ada,101\n".repeat(10_000));
    late.extend(b"M\xfcller,102\n");
    let error = read(late.clone(), &Reading::default()).unwrap_err();
    assert!(error.starts_with("row 10002: column 1 (name) isn't text in the file's encoding (byte 0xfc); say which"), "{error}");
    let options = Reading { encoding: Some("latin1".into()), ..Reading::default() };
    assert_eq!(read(late, &options).unwrap()[10_000].1.name, "Müller");
    let forced = Reading { encoding: Some("utf-8".into()), ..Reading::default() };
    assert!(read(&latin[..], &forced).unwrap_err().starts_with("row 3: column 1 (name) isn't text"));
    assert!(read(&b"n\xfcme,number\n"[..], &forced).unwrap_err().starts_with("row 1: column 1 isn't text"));
    // a field that nobody takes may be anything
    assert_eq!(read(&b"Full Name,Phone,Photo\nAda,101,\xff\xfe\0\n"[..], &forced).unwrap().len(), 1);
    // UTF-16 that is cut in the middle of a unit
    let mut cut: Vec<u8> = "name,number\nAda,101".encode_utf16().flat_map(u16::to_le_bytes).collect();
    cut.pop();
    assert!(read(cut, &Reading::default()).unwrap_err().starts_with("row 2: column 2 (number) isn't text"));
}

#[test]
fn a_quote_that_never_closes_is_told_with_its_row_and_bounded() {
    let error = all("name,number\nAda,101\nBob,\"102\nCarol,103\n").unwrap_err();
    assert!(error.starts_with("row 3: a double quote that opens in column 2 is never closed"), "{error}");
    assert!(all("\"name,number\nAda,101\n").unwrap_err().starts_with("row 1: a double quote that opens in column 1"));
    // closed by the last byte
    assert_eq!(short("name,number\nAda,\"101\n\"", &Reading::default()), ["2 Ada||101"]);
    // the rest of a big file isn't read into one field
    struct Endless(u64);
    impl std::io::Read for Endless {
        fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
            self.0 += buffer.len() as u64;
            assert!(self.0 < 4 * ROW_BYTES_MAX as u64, "read on and on");
            buffer.fill(b'x');
            Ok(buffer.len())
        }
    }
    let text = std::io::Read::chain(&b"name,number\nAda,101\nBob,\"102\n"[..], Endless(0));
    let mut csv = open(Box::new(text), None, &Reading::default()).unwrap();
    csv.next_row().unwrap();
    let error = csv.next_row().unwrap_err().to_string();
    assert!(error.starts_with("row 3: the row has more than") && error.contains("double quote"), "{error}");
    assert_eq!(csv.next_row(), Ok(None), "after an error there is nothing more");
    // a header line without an end
    assert!(open(Box::new(Endless(0)), None, &Reading::default()).err().unwrap().to_string().starts_with("row 1: the row has more than"));
}

#[test]
fn a_field_of_a_megabyte_is_told_with_its_column() {
    let long = "x".repeat(1024 * 1024);
    let error = all(&format!("name,number,note\nAda,101,\nBob,102,{long}\n")).unwrap_err();
    assert!(error.starts_with("row 3: column 3 (note) has 1048576 bytes, more than 16384"), "{error}");
    // where nobody asked for it, it is passed over
    assert_eq!(all(&format!("Full Name,Phone,Photo\nAda,101,{long}\nBob,102,\n")).unwrap().len(), 2);
    // nor does a message hold it
    let error = all(&format!("name,number,{long}\n")).unwrap_err();
    assert!(error.contains("column 3 is \"xxx") && error.len() < 500, "{}", error.len());
    assert!(all(&format!("name{},number\n", ",".repeat(2_000))).unwrap_err().contains("2002 columns, more than 1024"));
}

/// Whether what was read is what stands in front of the cut: all rows of the whole but the last one, which may be shorter.
fn is_beginning(whole: &[(u64, ContactDraft)], cut: &[(u64, ContactDraft)]) -> bool {
    let complete = cut.len().saturating_sub(1);
    cut.len() <= whole.len() && cut[..complete] == whole[..complete]
}

#[test]
fn a_file_that_was_cut_is_its_beginning_or_an_error_and_nothing_else() {
    let small = "\u{feff}name,number,tags,note\r\nÄda,+49 30 1,\"a;b\",\"x\r\n\"\"y\"\"\"\r\nBøb,102,,\r\n";
    let row = |n: usize| format!("\"Rów, {n}\",+4930{n:06},t{n};u,\"a \"\"note\"\"\nof {n}\"\n");
    let large = String::from("name,number,tags,note\n") + &(0..1_500).map(row).collect::<String>();
    let utf16 = |text: &str| text.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<u8>>();
    for (bytes, step) in [(small.as_bytes().to_vec(), 1), (utf16(small), 1), (large.as_bytes().to_vec(), 4096), (utf16(&large), 4096)] {
        let whole = read(bytes.clone(), &Reading::default()).unwrap();
        for end in (0..bytes.len()).step_by(step) {
            match read(&bytes[..end], &Reading::default()) {
                Ok(rows) => assert!(is_beginning(&whole, &rows), "cut at {end}"),
                Err(error) => assert!(error.contains("row ") || error.contains("header line"), "cut at {end}: {error}"),
            }
        }
    }
}

#[test]
fn what_an_export_guards_against_spreadsheets_is_read_back() {
    let rows = all("name,number,note\n'=1+1,+4930,'-x\n'n' Roll,102,''quoted\n").unwrap();
    assert_eq!((rows[0].1.name.as_str(), rows[0].1.note.as_deref()), ("=1+1", Some("-x")));
    assert_eq!((rows[1].1.name.as_str(), rows[1].1.note.as_deref()), ("'n' Roll", Some("''quoted")));
}

fn contact() -> impl Strategy<Value = ContactDraft> {
    let text = || "[A-Za-zÄÖüßéñ][A-Za-zÄÖüßéñ ,;|\t\"'\n-]{0,20}[a-zéß]";
    let numbers = proptest::collection::vec(("[+]?[0-9]{3,12}", proptest::option::of("[a-z]{1,8}")), 1..4);
    let tags = proptest::collection::vec("[A-Za-zäöü ,|\"]{0,6}[a-z]", 0..3);
    let rest = (proptest::option::of(text()), proptest::option::of("[0-9]{3}"), any::<bool>());
    (("[a-z][a-z0-9-]{0,8}", text()), numbers, tags, proptest::option::of(text()), rest).prop_map(
        |((id, name), numbers, tags, company, (note, owner, favourite))| {
            let tags = tags.into_iter().map(|tag| tag.trim().to_owned()).collect();
            ContactDraft { id, name, company, numbers, tags, note, owner, favourite }
        },
    )
}

/// A table as an export writes it.
fn written(contacts: &[ContactDraft], delimiter: u8, end: &str) -> String {
    let mut writer = ::csv::WriterBuilder::new().delimiter(delimiter).from_writer(Vec::new());
    let header = "id,name,number,label,number2,label2,number3,label3,company,tags,note,owner,favourite,source";
    writer.write_record(header.split(',')).unwrap();
    for c in contacts {
        let mut fields = vec![c.id.clone(), c.name.clone()];
        for n in 0..3 {
            let (number, label) = c.numbers.get(n).cloned().unwrap_or_default();
            fields.extend([number, label.unwrap_or_default()]);
        }
        let text = |text: &Option<String>| text.clone().unwrap_or_default();
        let favourite = if c.favourite { "yes" } else { "no" }.to_owned();
        fields.extend([text(&c.company), c.tags.join(";"), text(&c.note), text(&c.owner), favourite, "crm".to_owned()]);
        writer.write_record(&fields).unwrap();
    }
    String::from_utf8(writer.into_inner().unwrap()).unwrap().replace('\n', end)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    #[test]
    fn a_table_is_read_back_whole_in_every_encoding_and_spelling(contacts in proptest::collection::vec(contact(), 1..6)) {
        for delimiter in [b',', b';', b'\t', b'|'] {
            for end in ["\n", "\r\n", "\r"] {
                let text = written(&contacts, delimiter, end);
                let utf16 = |mark: &str, be: bool| -> Vec<u8> {
                    let units = format!("{mark}{text}");
                    units.encode_utf16().flat_map(|u| if be { u.to_be_bytes() } else { u.to_le_bytes() }).collect()
                };
                let named = |encoding: &str| Reading { encoding: Some(encoding.into()), ..Reading::default() };
                let latin = encoding_rs::WINDOWS_1252.encode(&text).0.into_owned();
                for (bytes, options) in [
                    (text.clone().into_bytes(), Reading::default()),
                    (format!("\u{feff}{text}").into_bytes(), Reading::default()),
                    (utf16("\u{feff}", false), Reading::default()),
                    (utf16("\u{feff}", true), Reading::default()),
                    (utf16("", false), Reading::default()),
                    (utf16("", true), Reading::default()),
                    (latin, named("windows-1252")),
                    (utf16("", true), named("utf-16be")),
                ] {
                    let rows = read(bytes, &options);
                    let rows: Vec<ContactDraft> = rows.map_err(TestCaseError::fail)?.into_iter().map(|(_, draft)| draft).collect();
                    prop_assert_eq!(&rows, &contacts, "{:?} {:?} {:?}", char::from(delimiter), end, &options);
                }
            }
        }
    }
}

proptest! {
    #[test]
    fn any_bytes_are_rows_or_an_error(bytes in proptest::collection::vec(any::<u8>(), 0..400), header in any::<bool>(), named in 0usize..4) {
        let mut input = if header { b"name,number,note\n".to_vec() } else { Vec::new() };
        input.extend(bytes);
        let encoding = [None, Some("windows-1252"), Some("utf-16le"), Some("shift_jis")][named].map(str::to_owned);
        for options in [Reading { encoding: encoding.clone(), ..Reading::default() }, mapping("name=A,number=B")] {
            if let Ok(mut csv) = file(input.clone(), &options) {
                let rows = std::iter::from_fn(|| csv.next_row().ok().flatten()).count();
                prop_assert!(rows <= input.len());
                prop_assert_eq!(csv.next_row().ok().flatten(), None);
                let _ = (csv.passed_over(), csv.notes(), csv.field_place("number", Some(3)));
            }
        }
    }

    #[test]
    fn any_text_of_a_table_is_rows_or_an_error(text in "(name|number|Phone 1 - Value|Name|[0-9]{3}|[,;\t|\"\n\r]|a|é|'=|::: ){0,60}") {
        if let Ok(rows) = all(&text) {
            prop_assert!(rows.iter().all(|(row, draft)| *row >= 1 && draft.name.len() <= FIELD_BYTES_MAX));
        }
    }
}

#[test]
fn labels_that_only_the_header_has_count_for_what_a_row_says() {
    let mut file = file("Name;Firma;Telefon;Mobil\nAda;Engines;+4930123456;+4930123457\n", &Reading::default()).unwrap();
    let row = file.next_row().unwrap().unwrap();
    let Said::Contact(draft) = &row.said else { panic!("{row:?}") };
    let texts = draft.numbers.iter().map(|(number, label)| number.len() + label.as_deref().map_or(0, str::len)).sum::<usize>();
    assert!(draft.numbers[1].1.is_some(), "{row:?}");
    let said = draft.name.len() + draft.company.as_deref().map_or(0, str::len) + texts;
    assert!(row.said.text_bytes() >= said && said > row.bytes, "{row:?}");
}
