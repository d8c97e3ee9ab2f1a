//! `contact export`: what comes out, whom it is for, that it goes in again, and that a failure leaves the old file.

mod support;

use serde_json::Value as Json;
use std::io::Read;
use std::process::Stdio;
use strowger::control::Request;
use strowger::daemon::Options;
use strowger::directory::{Contact, ContactDraft};
use strowger::number::NumberPlan;
use support::*;

fn draft(id: &str, name: &str, numbers: &[(&str, Option<&str>)]) -> ContactDraft {
    let numbers = numbers.iter().map(|(typed, label)| ((*typed).to_owned(), label.map(str::to_owned))).collect();
    ContactDraft { id: id.into(), name: name.into(), numbers, ..ContactDraft::default() }
}

fn set(contact: ContactDraft) -> Request {
    Request::ContactSet { tenant: "default".into(), contact }
}

/// A shared favourite, a company with a range, a contact of 101's and one of 102's.
fn some() -> Vec<Request> {
    vec![
        set(ContactDraft {
            favourite: true, ..draft("zoe", "Zoë \u{1b}[2J & Söhne", &[("+12025550101", Some("mobile")), ("101", None)])
        }),
        set(ContactDraft {
            company: Some("ACME".into()),
            tags: vec!["b".into(), "a".into()],
            note: Some("two\nlines".into()),
            ..draft("acme", "=1+1", &[("+49301234*", None)])
        }),
        set(ContactDraft { owner: Some("101".into()), ..draft("mum", "Mum", &[("202-555-0102", Some("home"))]) }),
        set(ContactDraft { owner: Some("102".into()), ..draft("dentist", "Dentist of 102", &[("+12025550103", None)]) }),
    ]
}

fn place_with(requests: Vec<Request>) -> Place {
    let place = Place::new(TENANTS);
    place.in_process(Options::default(), |_| {}).fill(requests);
    place
}

#[test]
fn every_format_comes_out_with_and_without_a_server() {
    let place = place_with(some());
    let all: Vec<Vec<String>> = [false, true]
        .iter()
        .map(|with_server| {
            let _server = with_server.then(|| place.serve(&[]));
            let formats = ["csv", "vcard", "jsonl", "yealink", "snom", "grandstream"];
            formats.iter().map(|format| place.done(&["contact", "export", "--format", format]).out).collect()
        })
        .collect();
    assert_eq!(all[0], all[1]);
    let [csv, vcard, jsonl, yealink, snom, grandstream] = all[0].as_slice() else { panic!("six formats") };
    assert_eq!(
        csv,
        "id,name,number,label,number2,label2,company,tags,note,owner,favourite,source\n\
         acme,'=1+1,+49301234*,,,,ACME,b;a,\"two\nlines\",,,\n\
         dentist,Dentist of 102,+12025550103,,,,,,,102,,\n\
         mum,Mum,202-555-0102,home,,,,,,101,,\n\
         zoe,Zoë \u{1b}[2J & Söhne,+12025550101,mobile,101,,,,,,yes,\n"
    );
    assert_eq!(*jsonl, place.done(&["contact", "ls", "--json"]).out);
    assert_eq!(*jsonl, place.done(&["contact", "export", "--json"]).out);
    assert_eq!(vcard.matches("BEGIN:VCARD").count(), 1, "{vcard}");
    for book in [yealink, snom, grandstream] {
        let read = roxmltree::Document::parse(book).unwrap();
        assert_eq!(read.descendants().filter(|n| n.is_text() && n.text() == Some("+12025550101")).count(), 1, "{book}");
        assert!(!book.contains("Mum") && !book.contains("Dentist") && !book.contains("+49301234"), "{book}");
    }
}

#[test]
fn a_phone_book_has_the_owners_contacts_and_nobody_elses() {
    let place = place_with(some());
    for format in ["csv", "vcard", "jsonl", "yealink", "snom", "grandstream"] {
        let said = place.done(&["contact", "export", "--format", format, "--owner", "101"]);
        assert!(said.out.contains("Mum") && said.out.contains("Zo"), "{format}: {said:?}");
        assert!(!said.out.contains("Dentist") && !said.out.contains("2025550103"), "{format}: {said:?}");
    }
    for format in ["vcard", "yealink", "snom", "grandstream"] {
        let said = place.done(&["contact", "export", "--format", format]);
        assert!(said.err.contains("left out as belonging to personal phone books: 2 contacts; --owner names a book"), "{said:?}");
        assert!(said.err.contains("left out for want of a number that can be dialled: 1 contact\n"), "{said:?}");
    }
    let wrong = place.run(&["contact", "export", "--owner", "+4930123456"]);
    assert!(wrong.code == Some(2) && wrong.err.contains("is no extension"), "{wrong:?}");
    let unknown = place.run(&["contact", "export", "--format", "excel"]);
    assert!(unknown.code == Some(2) && unknown.err.contains("grandstream"), "{unknown:?}");
}

#[test]
fn one_import_is_exported_by_its_label_and_contacts_made_by_hand_by_none() {
    let place = place_with(some());
    let file = place.file("crm.csv", "name,number\nEve,+12025550105\n");
    place.done(&["contact", "import", &file]);
    let names = |arguments: &[&str]| -> Vec<String> {
        let said = place.done(&[&["contact", "export", "--format", "jsonl"], arguments].concat());
        said.out.lines().map(|line| serde_json::from_str::<Json>(line).unwrap()["name"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(names(&["--source", "crm"]), ["Eve"]);
    assert_eq!(names(&["--source", ""]).len(), 4);
    assert_eq!(names(&["--source", "nothing"]), Vec::<String>::new());
    assert_eq!(names(&[]).len(), 5);
}

#[test]
fn a_file_is_replaced_whole_or_not_at_all() {
    let place = place_with(some());
    let path = place.file("book.csv", "old");
    let output = |path: &str, more: &[&str]| place.run(&[&["contact", "export", "--output", path], more].concat());
    // somebody who isn't there: the export fails behind the opening of its file
    assert_eq!(output(&path, &["--owner", "nobody at all"]).code, Some(2));
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "old");
    std::os::unix::fs::symlink(&path, place.path().join("link.csv")).unwrap();
    std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o640)).unwrap();
    let link = place.path().join("link.csv").display().to_string();
    assert_eq!(output(&link, &[]).code, Some(0));
    assert_eq!(std::fs::read_to_string(&path).unwrap(), place.done(&["contact", "export"]).out);
    assert!(std::fs::symlink_metadata(&link).unwrap().is_symlink(), "the link stays");
    let mode = std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(&path).unwrap().permissions());
    assert_eq!(mode & 0o777, 0o640, "who may read the old file may read the new one");
    // nothing is left beside it, and a directory that isn't there is said
    let left = std::fs::read_dir(place.path()).unwrap().filter(|f| f.as_ref().unwrap().file_name().to_string_lossy().contains("export"));
    assert_eq!(left.count(), 0);
    let nowhere = output(&place.path().join("no/where.csv").display().to_string(), &[]);
    assert!(nowhere.code == Some(2) && nowhere.err.contains("can't be written"), "{nowhere:?}");
    let full = output("/dev/full", &[]);
    assert!(full.code == Some(70) && full.err.contains("could not be written"), "{full:?}");
}

/// Fills a store with a source of so many contacts.
fn many(place: &Place, count: usize) {
    let server = place.in_process(Options::default(), |_| {});
    let plan = NumberPlan::new(None);
    let mut bulk = server.server().store().bulk("default", "crm");
    for n in 0..count {
        let note = (n % 50 == 0).then(|| format!("note {n} {}", "\u{1}\"".repeat(n % 300)));
        let contact =
            ContactDraft { note, ..draft(&format!("crm-{n:06}"), &format!("Contact {n}"), &[(&format!("+4930{:06}", n + 100_000), None)]) };
        let contact: Contact = contact.check(&plan, "crm").unwrap();
        bulk.push(&contact).unwrap();
    }
    bulk.commit("test").unwrap();
}

#[test]
fn more_contacts_than_a_page_come_out_whole_and_once_and_a_closed_pipe_is_no_failure() {
    let place = Place::new(TENANTS);
    many(&place, 20_500);
    let _server = place.serve(&[]);
    let exported = place.done(&["contact", "export", "--format", "jsonl"]).out;
    let ids: Vec<String> =
        exported.lines().map(|line| serde_json::from_str::<Json>(line).unwrap()["id"].as_str().unwrap().to_owned()).collect();
    let wanted: Vec<String> = (0..20_500).map(|n| format!("crm-{n:06}")).collect();
    assert_eq!(ids, wanted);
    assert_eq!(place.done(&["contact", "export", "--format", "vcard"]).out.matches("BEGIN:VCARD").count(), 20_500);
    // a phone book holds the first 20,000 by name, and says so
    let said = place.done(&["contact", "export", "--format", "yealink"]);
    assert_eq!(said.out.matches("<DirectoryEntry>").count(), 20_000);
    let remark = "the first 20000 of 20500 contacts";
    assert!(said.out.contains(&format!("<!-- {remark}")) && said.err.contains(remark), "{}", said.err);
    let mut child = place.command(&["contact", "export"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut pipe = child.stdout.take().unwrap();
    pipe.read_exact(&mut [0; 100]).unwrap();
    drop(pipe);
    let said = Said::of(child.wait_with_output().unwrap());
    assert_eq!((said.code, said.err.as_str()), (Some(0), ""));
}
