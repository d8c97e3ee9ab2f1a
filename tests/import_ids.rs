//! What imported contacts and their sources are called: the same in whatever order, and nobody's are another's.

#[path = "support/office.rs"]
mod office;
mod support;

use office::Office;
use proptest::prelude::*;
use std::collections::BTreeMap;
use strowger::control::{ImportAsk, ImportPart, ImportView, Reply, Request};
use strowger::directory::ContactDraft;
use strowger::store::ImportMode;
use support::*;

/// Every contact as `id name owner`.
fn owned(place: &Place) -> Vec<String> {
    let text = place.done(&["contact", "ls", "--json"]).out;
    let line = |line: &str| {
        let c: serde_json::Value = serde_json::from_str(line).unwrap();
        let text = |key: &str| c[key].as_str().unwrap_or_default().to_owned();
        format!("{} {} {}", text("id"), text("name"), text("owner")).trim_end().to_owned()
    };
    text.lines().map(line).collect()
}

fn card(uid: &str, name: &str, number: &str) -> String {
    format!("BEGIN:VCARD\r\nVERSION:3.0\r\nUID:{uid}\r\nFN:{name}\r\nTEL:{number}\r\nEND:VCARD\r\n")
}

#[test]
fn two_people_with_one_address_book_on_their_server_have_a_phone_book_each() {
    let place = Place::new(TENANTS);
    let long = "x".repeat(64);
    let shared = [card("uid-1", "Mom", "+12025550101"), card(&long, "Dad", "+12025550102")].concat();
    let (ada, bob) = (place.file("ada.vcf", &shared), place.file("bob.vcf", &shared));
    place.done(&["contact", "import", &ada, "--owner", "101"]);
    let of_ada = owned(&place);
    assert!(of_ada.len() == 2 && of_ada.contains(&"101-uid-1 Mom 101".to_owned()), "{of_ada:?}");
    place.done(&["contact", "import", &bob, "--owner", "102"]);
    let of_both = owned(&place);
    assert_eq!(of_both.len(), 4, "{of_both:?}");
    assert!(of_ada.iter().all(|contact| of_both.contains(contact)), "{of_both:?}");
    // both again, and nothing changes
    for (file, owner) in [(&ada, "101"), (&bob, "102")] {
        let again = place.done(&["contact", "import", file, "--owner", owner, "--json"]).json();
        assert_eq!((&again["unchanged"], &again["changed"], &again["added"]), (&2.into(), &0.into(), &0.into()));
    }
    // whoever has a card less loses it alone
    let less = place.file("bob.vcf", card("uid-1", "Mom", "+12025550101"));
    place.done(&["contact", "import", &less, "--owner", "102", "--mode", "replace"]);
    let left = owned(&place);
    assert!(left.len() == 3 && of_ada.iter().all(|contact| left.contains(contact)), "{left:?}");
}

#[test]
fn everybodys_contacts_stay_everybodys_and_a_book_that_was_exported_is_the_same_when_it_comes_back() {
    let place = Place::new(TENANTS);
    let set = |id: &str, name: &str, more: &[&str]| {
        place.done(&[&["contact", "set", id, "--name", name, "--number", "+12025550101"], more].concat());
    };
    set("school", "School", &[]);
    set("mum", "Mum", &["--owner", "101"]);
    set("101-desk", "Front desk", &[]);
    let path = |name: &str| place.path().join(name).display().to_string();
    for (format, all, own) in [("vcard", path("all.vcf"), path("own.vcf")), ("csv", path("all.csv"), path("own.csv"))] {
        let before = owned(&place);
        place.done(&["contact", "export", "--format", format, "--output", &all]);
        place.done(&["contact", "import", &all, "--owner", "102", "--source", "all"]);
        let after = owned(&place);
        assert!(before.iter().all(|contact| after.contains(contact)), "{after:?}");
        for copy in ["102-school School 102", "102-101-desk Front desk 102"] {
            assert!(after.contains(&copy.to_owned()), "{copy} is not in {after:?}");
        }
        // 101's book, which everybody's contacts come with: his own are his own, and of the others he has copies
        place.done(&["contact", "export", "--format", format, "--owner", "101", "--output", &own]);
        let first = place.done(&["contact", "import", &own, "--owner", "101", "--source", "own"]);
        let with_copies = owned(&place);
        let of = |owner: &str| with_copies.iter().filter(|contact| contact.ends_with(&format!(" {owner}"))).count();
        assert_eq!(of("101"), 3, "{first:?} {with_copies:?}");
        assert!(with_copies.contains(&"mum Mum 101".to_owned()) && after.iter().all(|c| with_copies.contains(c)), "{with_copies:?}");
        // the copy is exported too, and is meant where both come: what he changed in it stays
        place.done(&["contact", "set", "101-school", "--name", "My school", "--number", "+12025550101", "--owner", "101"]);
        place.done(&["contact", "export", "--format", format, "--owner", "101", "--output", &own]);
        let again = place.done(&["contact", "import", &own, "--owner", "101", "--source", "own", "--dry-run"]).out;
        assert!(again.contains("101-school again") && again.contains("counts, whose id it is"), "{again}");
        place.done(&["contact", "import", &own, "--owner", "101", "--source", "own"]);
        assert!(owned(&place).contains(&"101-school My school 101".to_owned()));
        place.done(&["contact", "set", "101-school", "--name", "School", "--number", "+12025550101", "--owner", "101"]);
    }
    // a book that went out is itself in an empty store, too
    let other = Place::new(TENANTS);
    let file = other.file("own.vcf", card("101-school", "School", "+12025550101"));
    other.done(&["contact", "import", &file, "--owner", "101"]);
    assert_eq!(owned(&other), ["101-school School 101"]);
}

#[test]
fn an_owners_id_never_takes_hold_of_a_contact_that_happens_to_be_called_so() {
    let place = Place::new(TENANTS);
    place.done(&["contact", "set", "101-desk", "--name", "Desk of all", "--number", "+12025550101"]);
    let file = place.file("own.csv", "id,name,number\ndesk,My desk,+12025550102\n101-desk,Desk of all,+12025550101\n");
    for _ in 0..2 {
        place.done(&["contact", "import", &file, "--owner", "101"]);
        let contacts = owned(&place);
        assert_eq!(contacts.len(), 3, "{contacts:?}");
        assert!(contacts.contains(&"101-desk Desk of all".to_owned()), "{contacts:?}");
    }
}

impl Office {
    fn ask(&mut self, request: Request) -> ImportView {
        match self.desk.apply(request) {
            Reply::Import(view) => view,
            other => panic!("{other:?}"),
        }
    }

    /// Imports rows of (id, name, number).
    fn import(&mut self, mode: ImportMode, rows: &[(&str, &str, &str)]) -> ImportView {
        let ask = ImportAsk { source: "crm".into(), mode, ..ImportAsk::default() };
        self.ask(Request::ImportBegin { tenant: "default".into(), ask });
        let draft = |(id, name, number): &(&str, &str, &str)| ContactDraft {
            id: (*id).to_owned(),
            name: (*name).to_owned(),
            numbers: vec![((*number).to_owned(), None)],
            ..ContactDraft::default()
        };
        let rows = rows.iter().enumerate().map(|(at, row)| (at as u64 + 1, draft(row))).collect();
        self.ask(Request::ImportRows(ImportPart { rows, ..ImportPart::default() }));
        let view = self.ask(Request::ImportCommit);
        assert_eq!(view.wrong, 0, "{view:?}");
        view
    }

    /// id → name.
    fn all(&self) -> BTreeMap<String, String> {
        self.store.contacts("default", "").map(|found| found.unwrap().1).map(|c| (c.id, c.name)).collect()
    }
}

const ONE: &str = "+12025550101";
const BARE: &str = "crm-12025550101";

fn counts(view: &ImportView) -> (u64, u64, u64, u64) {
    (view.added, view.changed, view.unchanged, view.duplicates)
}

#[test]
fn two_people_with_one_number_are_the_same_two_however_the_next_export_is_sorted() {
    let mut office = Office::open();
    let (ada, bob, cy) = (("", "Ada", ONE), ("", "Bob", ONE), ("", "Cy", ONE));
    assert_eq!(counts(&office.import(ImportMode::Merge, &[bob, ada])), (2, 0, 0, 0));
    let both = office.all();
    assert_eq!((both.len(), both[BARE].as_str()), (2, "Ada"));
    for rows in [[ada, bob], [bob, ada]] {
        assert_eq!(counts(&office.import(ImportMode::Merge, &rows)), (0, 0, 2, 0));
    }
    // the same row twice is one contact
    assert_eq!(counts(&office.import(ImportMode::Merge, &[bob, ada, bob])), (0, 0, 2, 1));
    // nor does it matter who left, or came
    let alone = office.import(ImportMode::Merge, &[bob]);
    assert_eq!((counts(&alone), alone.missing), ((0, 0, 1, 0), 1));
    assert_eq!(office.all(), both);
    office.import(ImportMode::Merge, &[cy, bob, ada]);
    let three = office.all();
    assert!(three.len() == 3 && both.iter().all(|(id, name)| three.get(id) == Some(name)), "{three:?}");
    // whoever is the only new one is the one with a new name
    assert_eq!(counts(&office.import(ImportMode::Merge, &[bob, ("", "Ada King", ONE), cy])), (0, 1, 2, 0));
    assert_eq!(office.all()[BARE], "Ada King");
    assert_eq!(office.import(ImportMode::Replace, &[cy]).removed, 2);
    assert_eq!(office.all().into_values().collect::<Vec<_>>(), ["Cy"]);
}

#[test]
fn a_contact_that_an_earlier_version_gave_the_numbers_id_keeps_it() {
    let mut office = Office::open();
    // whoever stood first had it
    office.import(ImportMode::Merge, &[("", "Bob", ONE)]);
    for rows in [[("", "Ada", ONE), ("", "Bob", ONE)], [("", "Bob", ONE), ("", "Ada", ONE)]] {
        office.import(ImportMode::Merge, &rows);
        let all = office.all();
        assert_eq!((all.len(), all[BARE].as_str()), (2, "Bob"), "{all:?}");
    }
}

#[test]
fn a_row_that_says_an_id_has_it_wherever_it_stands() {
    let (said, unsaid) = ((BARE, "Ada", ONE), ("", "Bob", ONE));
    for rows in [[said, unsaid], [unsaid, said]] {
        let mut office = Office::open();
        assert_eq!(counts(&office.import(ImportMode::Merge, &rows)), (2, 0, 0, 0));
        assert_eq!(office.all()[BARE], "Ada");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]
    #[test]
    fn what_a_file_brings_does_not_depend_on_its_order(
        (first, second) in proptest::collection::vec((0..4usize, 0..4usize, 0..6u8), 1..14)
            .prop_flat_map(|rows| (Just(rows.clone()).prop_shuffle(), Just(rows).prop_shuffle())),
        before in proptest::collection::vec((0..4usize, 0..4usize, 1..2u8), 0..6),
    ) {
        let names = ["Ada", "Bob", "Cy", "Dan"];
        let numbers = ["+12025550101", "+12025550102", "+12025550103", "+12025550104"];
        let own = ["crm-12025550101", "crm-12025550102", "own", "crm-1"];
        // of some a row says the id, and always the same of one id
        let row = |(name, number, id): &(usize, usize, u8)| match id {
            0 => (own[*name], names[*name], numbers[*name]),
            _ => ("", names[*name], numbers[*number]),
        };
        let rows = |all: &[(usize, usize, u8)]| all.iter().map(row).collect::<Vec<_>>();
        let (mut one, mut other) = (Office::open(), Office::open());
        for office in [&mut one, &mut other] {
            office.import(ImportMode::Merge, &rows(&before));
        }
        let by_one = one.import(ImportMode::Merge, &rows(&first));
        let by_other = other.import(ImportMode::Merge, &rows(&second));
        prop_assert_eq!(counts(&by_one), counts(&by_other));
        prop_assert_eq!(one.all(), other.all());
        let again = one.import(ImportMode::Merge, &rows(&second));
        prop_assert_eq!((again.added, again.changed, again.removed), (0, 0, 0));
        // nobody of the file is lost; whoever is new beside a name that left may have that one's id
        let all = one.store.contacts("default", "").map(|found| found.unwrap().1);
        let there: Vec<(String, String)> = all.map(|c| (c.name, c.numbers[0].typed.clone())).collect();
        for (id, name, number) in rows(&first) {
            let times = there.iter().filter(|(n, t)| n == name && t == number).count();
            prop_assert!(times > 0, "{} {} {}: {:?}", id, name, number, there);
            // twice only where another row says an id for the same
            let said = rows(&first).into_iter().chain(rows(&before)).any(|(id, n, t)| !id.is_empty() && n == name && t == number);
            prop_assert!(times == 1 || said, "{} {}: {:?}", name, number, there);
        }
    }
}

fn sources(place: &Place) -> Vec<String> {
    let text = place.done(&["contact", "ls", "--json"]).out;
    let source = |line: &str| serde_json::from_str::<serde_json::Value>(line).unwrap()["source"].as_str().unwrap_or_default().to_owned();
    text.lines().map(source).collect()
}

#[test]
fn files_whose_names_begin_alike_or_are_not_ascii_do_not_remove_each_others_contacts() {
    let place = Place::new(TENANTS);
    let names = ["customers-europe-germany-north", "customers-europe-germany-south", "北京", "上海", "Müller", "Möller"];
    for (at, name) in names.iter().enumerate() {
        let file = place.file(&format!("{name}.csv"), format!("name,number\n{at},+1202555010{at}\n"));
        let done = place.done(&["contact", "import", &file, "--mode", "replace"]);
        assert!(done.out.contains("\nsource: "), "{done:?}");
        assert_eq!(sources(&place).len(), at + 1, "{done:?}");
        let json = place.done(&["contact", "import", &file, "--mode", "replace", "--json"]).json();
        assert!(sources(&place).contains(&json["source"].as_str().unwrap().to_owned()), "{json}");
    }
}

#[test]
fn a_phone_book_that_is_replaced_leaves_everybody_elses_contacts_of_one_source_there() {
    let place = Place::new(TENANTS);
    let shared = place.file("all.csv", "id,name,number\nada,Ada,+12025550101\nbob,Bob,+12025550102\n");
    place.done(&["contact", "import", &shared, "--source", "crm"]);
    let of = |owner: &str, text: &str| {
        let file = place.file(&format!("{owner}.csv"), text);
        place.done(&["contact", "import", &file, "--source", "crm", "--owner", owner, "--mode", "replace"])
    };
    of("101", "name,number\nCy,+12025550103\nDan,+12025550104\n");
    of("102", "name,number\nEve,+12025550105\n");
    assert_eq!(sources(&place).len(), 5);
    let fewer = of("101", "name,number\nDan,+12025550104\n");
    assert!(fewer.out.contains("1 removed"), "{fewer:?}");
    assert_eq!(sources(&place).len(), 4);
}

#[test]
fn a_wrong_number_is_told_in_the_column_that_it_stands_in_whatever_is_empty_before_it() {
    let place = Place::new(TENANTS);
    let google = "Name,Phone 1 - Label,Phone 1 - Value,Phone 2 - Label,Phone 2 - Value\n\
                  Ada,Mobile,+12025550101 ::: +12025550102,Work,Smith\n";
    for (text, expected) in [
        ("name,number,number2,number3\nAda,,+12025550101,Smith\n", "row 2, column 4 (number3)"),
        ("name,number,number2,number3\nBob,+12025550102,,\nAda,+12025550101,,Smith\n", "row 3, column 4 (number3)"),
        ("number3,name,number\nSmith,Ada,\n", "row 2, column 1 (number3)"),
        (google, "row 2, column 5 (Phone 2 - Value)"),
    ] {
        let file = place.file("wrong.csv", text);
        let said = place.run(&["contact", "import", &file]);
        assert!(said.code == Some(2) && said.err.contains(expected), "{said:?}");
        let said = place.run(&["contact", "import", &file, "--dry-run"]);
        assert!(said.code == Some(2) && said.out.contains(expected), "{said:?}");
    }
    let card = "BEGIN:VCARD\r\nVERSION:3.0\r\nFN:Ada\r\nTEL:sip:ada\r\nTEL:+12025550101\r\nTEL:Smith\r\nEND:VCARD\r\n";
    let said = place.run(&["contact", "import", &place.file("wrong.vcf", card)]);
    assert!(said.code == Some(2) && said.err.contains("number 3 (TEL)"), "{said:?}");
}

#[test]
fn a_dry_run_refuses_to_replace_by_nothing_as_the_import_does() {
    let place = Place::new(TENANTS);
    place.done(&["contact", "import", &place.file("crm.csv", "name,number\nAda,+12025550101\n")]);
    let empty = place.file("crm.csv", "name,number\n");
    let replace = |more: &[&str]| place.run(&[&["contact", "import", &empty, "--mode", "replace"], more].concat());
    let (tried, done) = (replace(&["--dry-run"]), replace(&[]));
    assert_eq!((tried.code, &tried.err, &tried.out), (Some(2), &done.err, &done.out));
    assert!(tried.err.contains("--allow-empty"), "{tried:?}");
    let allowed = replace(&["--dry-run", "--allow-empty"]);
    assert!(allowed.code == Some(0) && allowed.out.contains("1 removed"), "{allowed:?}");
    // what is wrong with a file comes first
    let wrong = place.file("crm.csv", "name,number\nAda,Smith\n");
    let said = place.run(&["contact", "import", &wrong, "--mode", "replace", "--dry-run"]);
    assert!(said.code == Some(2) && said.out.contains("row 2, column 2 (number)"), "{said:?}");
}
