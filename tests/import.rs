//! `contact import`: all of it or nothing, the same twice, and wrong rows by row and column.

mod support;

use rustix::process::Signal;
use std::io::Write;
use std::process::Stdio;
use std::time::Duration;
use strowger::control::{Client, ImportAsk, ImportPart, Reply, Request};
use strowger::directory::ContactDraft;
use support::*;

const GOOD: &str = "name,number,company,number2,label2,tags,note\n\
    Ada Lovelace,+12025550101,Engines,101,desk,friend;maths,\n\
    \"Groß, \"\"Brezn\"\"\",+49 30 23125000,,,,,\"opens at 6\n\nand closes at 18\"\n\
    Bob,(202) 555-0103,,,,,\n";

/// What a listing shows, without the revisions that say when.
fn listed(place: &Place) -> Vec<serde_json::Value> {
    let text = place.done(&["contact", "ls", "--json"]).out;
    let without_revision = |line: &str| {
        let mut contact: serde_json::Value = serde_json::from_str(line).unwrap();
        contact.as_object_mut().unwrap().remove("revision");
        contact
    };
    text.lines().map(without_revision).collect()
}

#[test]
fn a_good_file_is_imported_and_a_second_time_changes_nothing() {
    let (alone, beside) = (Place::new(TENANTS), Place::new(TENANTS));
    let server = beside.serve(&[]);
    for place in [&alone, &beside] {
        let file = place.file("friends.csv", GOOD);
        let first = place.done(&["contact", "import", &file, "--json"]).json();
        assert_eq!(
            (&first["added"], &first["changed"], &first["unchanged"], &first["wrong"]),
            (&3.into(), &0.into(), &0.into(), &0.into())
        );
        let contacts = listed(place);
        assert_eq!(contacts.len(), 3);
        let again = place.done(&["contact", "import", &file, "--json"]).json();
        assert_eq!((&again["added"], &again["changed"], &again["unchanged"]), (&0.into(), &0.into(), &3.into()));
        assert_eq!(again["revision"], first["revision"], "nothing changed, so nothing was written");
        assert_eq!(listed(place), contacts);
        assert_eq!(place.done(&["name", "101"]).out.split(" (").next(), Some("Ada Lovelace"));
    }
    assert_eq!(listed(&alone), listed(&beside));
    assert_eq!(ask(server.agi, DID, "+493023125000").get("NAME"), "Groß, \"Brezn\"");
    // the same source with one row changed, one gone and one new
    let file = beside.file("friends.csv", "name,number\nAda King,+12025550101\nBob,(202) 555-0103\nCarol,+12025550104\n");
    let third = beside.done(&["contact", "import", &file, "--json"]).json();
    assert_eq!((&third["rows"], &third["added"], &third["changed"], &third["unchanged"]), (&3.into(), &1.into(), &1.into(), &1.into()));
    assert_eq!(ask(server.agi, DID, "+12025550101").get("NAME"), "Ada King");
    assert_eq!(ask(server.agi, DID, "+12025550104").get("NAME"), "Carol");
}

#[test]
fn a_file_can_come_through_a_pipe() {
    let place = Place::new(TENANTS);
    let mut child =
        place.command(&["contact", "import", "-", "--source", "crm"]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(GOOD.as_bytes()).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0));
    assert!(listed(&place).iter().all(|c| c["source"] == "crm"));
}

#[test]
fn a_wrong_row_is_named_with_row_and_column_and_nothing_is_imported() {
    let (alone, beside) = (Place::with_sample(TENANTS), Place::with_sample(TENANTS));
    let _server = beside.serve(&[]);
    let long = "x".repeat(300);
    let cases: Vec<(String, &[&str])> = vec![
        (
            "name,number\nAda,+12025550101\nBob,+12\nCarol,\n,+12025550104\n".into(),
            &["3 of 4 rows are wrong", "row 3, column 2 (number)", "+12", "row 4, column 2 (number)", "row 5, column 1 (name)"],
        ),
        (
            "name,number\nAda,+12025550101\nBob\nCy,+12025550103,x,y\nDan,nobody\n".into(),
            &["3 of 4 rows are wrong", "row 3: 1 columns where", "row 4: 4 columns where the header has 2", "row 5, column 2 (number)"],
        ),
        ("number2,name,number\n+0,Ada,+12025550101\n".into(), &["row 2, column 1 (number2)", "isn't an international number"]),
        ("name,number\n\nAda,anonymous\n".into(), &["row 3, column 2 (number)", "withheld"]),
        (format!("name,number\n{long},+12025550101\n"), &["row 2, column 1 (name)", "300 bytes"]),
        ("id,name,number\na b,Ada,+12025550101\n".into(), &["row 2, column 1 (id)"]),
        ("name,number\nAda,+12025550101,x\n".into(), &["row 2: 3 columns where the header has 2"]),
        ("name,nubmer\nAda,+12025550101\n".into(), &["column 2 is \"nubmer\"", "did you mean number?"]),
        ("name\nAda\n".into(), &["no column \"number\""]),
        ("".into(), &["no column \"name\""]),
    ];
    let before = listed(&alone);
    for (text, expected) in &cases {
        for place in [&alone, &beside] {
            let file = place.file("wrong.csv", text);
            let said = place.run(&["contact", "import", &file]);
            assert_eq!((said.code, said.out.as_str()), (Some(2), ""), "{text}: {said:?}");
            assert!(said.err.contains(&file) && said.err.contains("nothing was imported"), "{text}: {}", said.err);
            for part in *expected {
                assert!(said.err.contains(part), "{part:?} is not in {}", said.err);
            }
            assert_eq!(listed(place), before, "{text}");
        }
    }
    let place = &alone;
    let damaged = place.file("damaged.csv", b"name,number\nM\xc3\xbcller,+12025550101\nGro\xdf,+12025550102\nJ\xc3\xb6rg,1\n");
    let said = place.run(&["contact", "import", &damaged]);
    assert!(said.code == Some(2) && said.err.contains("row 3: column 1 (name) isn't text in the file's encoding"), "{said:?}");
    // thousands of wrong rows are counted, not told one by one
    let many: String = (0..3_000).map(|n| format!("Nobody {n},+\n")).collect();
    let said = place.run(&["contact", "import", &place.file("many.csv", format!("name,number\n{many}"))]);
    assert!(
        said.err.contains("3000 of 3000 rows are wrong") && said.err.contains("and 2980 more") && said.err.lines().count() < 30,
        "{}",
        said.err
    );
    assert_eq!(listed(place), before);
}

#[test]
fn swapped_columns_are_told_by_row_and_as_what_they_look_like() {
    let place = Place::new(TENANTS);
    let rows: String = (0..30).map(|n| format!("Person {},+1202555{:04}\n", char::from(b'A' + n), 100 + u16::from(n))).collect();
    let file = place.file("swapped.csv", format!("who,where\n{rows}"));
    let import = |map: &str, more: &[&str]| place.run(&[&["contact", "import", &file, "--map", map], more].concat());
    let said = import("name=B,number=A", &[]);
    assert_eq!(said.code, Some(2), "{said:?}");
    for part in ["30 of 30 rows are wrong", "row 2, column 1 (who): the number \"Person A\" doesn't parse", "columns look swapped", "--map"]
    {
        assert!(said.err.contains(part), "{part:?} is not in {}", said.err);
    }
    let said = import("name=B,number=A", &["--dry-run"]);
    assert_eq!(said.code, Some(2), "{said:?}");
    assert!(said.out.contains("row 2, column 1 (who)") && said.out.contains("columns look swapped"), "{said:?}");
    assert_eq!(import("name=A,number=B", &[]).code, Some(0));
    // what is typed is read as what is imported
    let set = |number: &str| place.run(&["contact", "set", "x", "--name", "X", "--number", number]);
    let refused = set("Person A");
    assert!(refused.code == Some(2) && refused.err.contains("doesn't parse"), "{refused:?}");
    assert_eq!(["sip:person", "1-800-FLOWERS"].map(|number| set(number).code), [Some(0); 2]);
}

#[test]
fn a_dry_run_makes_no_store_where_there_is_none() {
    let place = Place::new(TENANTS);
    let files = || {
        let names = |dir: &std::path::Path| std::fs::read_dir(dir).map(|all| all.map(|e| e.unwrap().path()).collect::<Vec<_>>());
        (names(place.path()).unwrap(), names(&place.data()).unwrap_or_default())
    };
    let file = place.file("friends.csv", GOOD);
    let before = files();
    let tried = place.done(&["contact", "import", &file, "--dry-run"]);
    assert!(tried.out.contains("3 added") && tried.out.contains("nothing was changed"), "{tried:?}");
    assert_eq!(files(), before);
    assert_eq!(place.run(&["contact", "ls"]).code, Some(4), "there is no store");
    // and where there is one, it is tried over that
    place.done(&["contact", "import", &file]);
    assert!(place.done(&["contact", "import", &file, "--dry-run"]).out.contains("3 unchanged"));
}

fn rows(from: usize, count: usize) -> Vec<(u64, ContactDraft)> {
    let contact =
        |n: usize| ContactDraft { name: format!("Row {n}"), numbers: vec![(format!("+1202{n:07}"), None)], ..ContactDraft::default() };
    (from..from + count).map(|n| (n as u64 + 2, contact(n))).collect()
}

#[test]
fn a_server_killed_in_the_middle_of_an_import_has_the_directory_of_before() {
    let place = Place::with_sample(TENANTS);
    place.done(&["contact", "import", &place.file("crm.csv", "name,number\nOld,+12020000001\n")]);
    let before = listed(&place);
    // at any time before the last word, and while it is being made true
    for (batches, commit) in [(0, false), (1, false), (20, false), (20, true), (20, true), (20, true)] {
        let mut server = place.serve(&[]);
        let mut client = Client::connect(&server.admin).unwrap();
        let mut ask = |request: &Request| client.ask(request);
        assert!(matches!(
            ask(&Request::ImportBegin { tenant: "default".into(), ask: ImportAsk { source: "crm".into(), ..ImportAsk::default() } })
                .unwrap(),
            Reply::Import(_)
        ));
        for batch in 0..batches {
            let Reply::Import(view) =
                ask(&Request::ImportRows(ImportPart { rows: rows(batch * 500, 500), ..ImportPart::default() })).unwrap()
            else {
                panic!("refused")
            };
            assert_eq!(view.wrong, 0);
        }
        let acknowledged = if commit {
            let signal = std::thread::spawn({
                let pid = rustix::process::Pid::from_child(&server.child);
                let wait = Duration::from_millis(5 * batches as u64);
                move || {
                    std::thread::sleep(wait);
                    let _ = rustix::process::kill_process(pid, Signal::KILL);
                }
            });
            let done = ask(&Request::ImportCommit).is_ok();
            signal.join().unwrap();
            done
        } else {
            server.signal(Signal::KILL);
            assert!(ask(&Request::ImportCommit).is_err(), "nobody is there to say that it is done");
            false
        };
        assert!(server.ends_within(Duration::from_secs(5)).is_some());
        let after = listed(&place);
        let whole = after.len() == 3 + batches * 500;
        assert!(
            if acknowledged { whole } else { after == before || (commit && whole) },
            "{batches} {commit} {acknowledged}: {}",
            after.len()
        );
        if whole {
            // as it was, for the next round
            place.done(&["contact", "import", &place.file("crm.csv", "name,number\nOld,+12020000001\n")]);
        }
        assert_eq!(place.done(&["name", "+12020000001"]).out.split(" (").next(), Some("Old"));
    }
}

#[test]
fn an_import_that_is_broken_off_leaves_nothing() {
    let place = Place::with_sample(TENANTS);
    let server = place.serve(&[]);
    let before = listed(&place);
    let mut client = Client::connect(&server.admin).unwrap();
    client
        .ask(&Request::ImportBegin { tenant: "default".into(), ask: ImportAsk { source: "crm".into(), ..ImportAsk::default() } })
        .unwrap();
    client.ask(&Request::ImportRows(ImportPart { rows: rows(0, 500), ..ImportPart::default() })).unwrap();
    drop(client);
    assert_eq!(listed(&place), before);
    // what was begun on one connection is not another's
    let mut client = Client::connect(&server.admin).unwrap();
    assert!(matches!(client.ask(&Request::ImportCommit).unwrap(), Reply::BadInput(_)));
    assert!(matches!(
        client.ask(&Request::ImportRows(ImportPart { rows: rows(0, 1), ..ImportPart::default() })).unwrap(),
        Reply::BadInput(_)
    ));
    assert_eq!(listed(&place), before);
}
