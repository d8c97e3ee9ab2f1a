//! What an import does with what is there: merge, replace, update, a dry run, phone books, the block list.

mod support;

use strowger::control::{Client, ImportAsk, ImportPart, Reply, Request};
use strowger::store::ImportMode;
use support::*;

/// Every contact as `id name source`.
fn listed(place: &Place) -> Vec<String> {
    let text = place.done(&["contact", "ls", "--json"]).out;
    let line = |line: &str| {
        let c: serde_json::Value = serde_json::from_str(line).unwrap();
        format!("{} {} {}", c["id"].as_str().unwrap(), c["name"].as_str().unwrap(), c["source"].as_str().unwrap_or_default())
    };
    text.lines().map(line).collect()
}

fn crm(place: &Place, rows: &str, more: &[&str]) -> Said {
    let file = place.file("crm.csv", format!("id,name,number\n{rows}"));
    place.run(&[&["contact", "import", &file, "--source", "crm"], more].concat())
}

const ADA: &str = "ada,Ada,+12025550101\n";
const BOB: &str = "bob,Bob,+12025550102\n";
const EVE: &str = "eve,Eve,+12025550103\n";

#[test]
fn replacing_a_source_removes_what_left_it_and_touches_nothing_else() {
    let (alone, beside) = (Place::new(TENANTS), Place::new(TENANTS));
    let server = beside.serve(&[]);
    for place in [&alone, &beside] {
        place.done(&["contact", "set", "own", "--name", "Own", "--number", "+12025550100"]);
        let other = place.file("other.csv", "id,name,number\nzoe,Zoe,+12025550109\n");
        place.done(&["contact", "import", &other]);
        assert_eq!(crm(place, &[ADA, BOB, EVE].concat(), &[]).code, Some(0));
        // edited by hand since: it isn't the file's to remove
        place.done(&["contact", "set", "eve", "--name", "Eve by hand", "--number", "+12025550103"]);
        let merged = crm(place, ADA, &[]);
        assert!(merged.out.contains("2 contacts of crm are not in the file and stay; --mode replace removes them"), "{merged:?}");
        assert_eq!(listed(place).len(), 5);
        let replaced = crm(place, ADA, &["--mode", "replace", "--json"]).json();
        assert_eq!((&replaced["removed"], &replaced["kept"], &replaced["unchanged"]), (&1.into(), &1.into(), &1.into()));
        assert_eq!(listed(place), ["ada Ada crm", "eve Eve by hand crm", "own Own ", "zoe Zoe other"]);
        assert_eq!(place.run(&["name", "+12025550102"]).code, Some(1));
    }
    assert_eq!(ask(server.agi, DID, "+12025550102").get("STATUS"), "unknown");
    assert_eq!(ask(server.agi, DID, "+12025550103").get("NAME"), "Eve by hand");
    drop(server);
    // nor does a start bring back what lies in a layer below
    let _server = beside.serve(&[]);
    assert_eq!(listed(&beside), listed(&alone));
}

#[test]
fn a_contact_that_was_corrected_here_and_then_in_its_source_goes_when_the_source_drops_it() {
    let place = Place::new(TENANTS);
    crm(&place, &[ADA, BOB].concat(), &[]);
    place.done(&["contact", "set", "ada", "--name", "Ada King", "--number", "+12025550101"]);
    let king = "ada,Ada King,+12025550101\n";
    let same = crm(&place, &[king, BOB].concat(), &["--mode", "replace", "--json"]).json();
    assert_eq!((&same["unchanged"], &same["changed"], &same["kept"]), (&2.into(), &0.into(), &0.into()));
    assert_eq!(listed(&place), ["ada Ada King crm", "bob Bob crm"]);
    let shown = crm(&place, BOB, &["--mode", "replace", "--dry-run"]).out;
    assert!(shown.contains("removed (1):\n  ada \"Ada King\"") && !shown.contains("edited by hand"), "{shown}");
    let gone = crm(&place, BOB, &["--mode", "replace", "--json"]).json();
    assert_eq!((&gone["removed"], &gone["kept"]), (&1.into(), &0.into()));
    assert_eq!(listed(&place), ["bob Bob crm"]);
}

#[test]
fn a_file_without_contacts_takes_a_whole_source_along_only_where_that_is_said() {
    let place = Place::new(TENANTS);
    crm(&place, &[ADA, BOB].concat(), &[]);
    let refused = crm(&place, "", &["--mode", "replace"]);
    assert!(
        refused.code == Some(2) && refused.err.contains("--allow-empty") && refused.err.contains("nothing was imported"),
        "{refused:?}"
    );
    assert_eq!(listed(&place).len(), 2);
    assert_eq!(crm(&place, "", &["--mode", "replace", "--allow-empty"]).code, Some(0));
    assert!(listed(&place).is_empty());
}

#[test]
fn an_update_changes_what_is_there_keeps_whose_it_is_and_adds_nothing() {
    let place = Place::new(TENANTS);
    place.done(&["contact", "set", "own", "--name", "Own", "--number", "+12025550100"]);
    crm(&place, &[ADA, BOB].concat(), &[]);
    let file = place.file("fix.csv", "id,name,number\nada,Ada King,+12025550101\nown,Own,+12025550199\nnew,New,+12025550198\n");
    let updated = place.done(&["contact", "import", &file, "--mode", "update"]).out;
    assert!(updated.contains("2 changed") && updated.contains("1 row has no contact to update"), "{updated}");
    assert_eq!(listed(&place), ["ada Ada King crm", "bob Bob crm", "own Own "]);
    assert_eq!(place.done(&["name", "+12025550199"]).out.split(" (").next(), Some("Own"));
    // it is still the contact of its source, which may drop it
    crm(&place, BOB, &["--mode", "replace"]);
    assert_eq!(listed(&place), ["bob Bob crm", "own Own "]);
    // and the update's own source doesn't take it back
    place.done(&["contact", "import", &file, "--mode", "update"]);
    assert_eq!(listed(&place), ["bob Bob crm", "own Own "]);
}

#[test]
fn a_row_that_takes_over_another_ones_contact_is_shown_and_counted() {
    let place = Place::new(TENANTS);
    place.done(&["contact", "set", "ada", "--name", "Ada", "--number", "+12025550101"]);
    let other = place.file("other.csv", format!("id,name,number\n{BOB}"));
    place.done(&["contact", "import", &other]);
    let shown = crm(&place, &[ADA, BOB].concat(), &["--dry-run"]);
    assert!(shown.out.contains("row 2: ada \"Ada\": taken over from the contacts made by hand"), "{}", shown.out);
    assert!(shown.out.contains("row 3: bob \"Bob\": taken over from other"), "{}", shown.out);
    let done = crm(&place, &[ADA, BOB].concat(), &["--json"]).json();
    assert_eq!((&done["changed"], &done["taken_over"]), (&2.into(), &2.into()));
    // whose it was has no say any more
    place.done(&["contact", "import", &place.file("other.csv", "id,name,number\nzoe,Zoe,+12025550109\n"), "--mode", "replace"]);
    assert_eq!(listed(&place), ["ada Ada crm", "bob Bob crm", "zoe Zoe other"]);
    // what is dropped by its new source doesn't come back from its old one
    crm(&place, ADA, &["--mode", "replace"]);
    assert_eq!(listed(&place), ["ada Ada crm", "zoe Zoe other"]);
}

#[test]
fn a_dry_run_shows_everything_and_changes_nothing() {
    let (alone, beside) = (Place::new(TENANTS), Place::new(TENANTS));
    let _server = beside.serve(&[]);
    for place in [&alone, &beside] {
        crm(place, &[ADA, BOB, EVE].concat(), &[]);
        let before = listed(place);
        let state = || {
            let status = beside.done(&["status", "--json"]).json();
            (status["revision"].as_u64().unwrap(), status["store_bytes"].as_u64().unwrap())
        };
        let (revision, bytes) = state();
        let rows = "ada,Ada King,+12025550101\nnew,New,+12025550104\nnew,Newer,+12025550101\nbob,Bob,+12025550102\n";
        let shown = crm(place, rows, &["--mode", "replace", "--dry-run"]);
        assert_eq!(shown.code, Some(0), "{shown:?}");
        for part in [
            "added (1):\n  row 4: new \"Newer\"",
            "changed (1):\n  row 2: ada \"Ada King\": name \"Ada\" → \"Ada King\"",
            "removed (1):\n  eve \"Eve\"",
            "duplicates (1):\n  row 4: new again; the later one counts",
            "4 rows: 1 added, 1 changed, 1 unchanged, 1 removed, 1 duplicate, 0 wrong; nothing was changed",
        ] {
            assert!(shown.out.contains(part), "{part:?} is not in {}", shown.out);
        }
        let json = crm(place, rows, &["--mode", "replace", "--dry-run", "--json"]).json();
        assert_eq!(json["differences"]["changed"][0]["fields"][0]["before"], "Ada");
        assert_eq!((&json["removed"], &json["revision"]), (&1.into(), &serde_json::Value::Null));
        // wrong rows are shown beside the right ones, and say so by the exit status
        let wrong = crm(place, &format!("{ADA}x,X,+12\ny,,+12025550101\n"), &["--dry-run"]);
        assert_eq!(wrong.code, Some(2));
        assert!(
            wrong.out.contains("wrong (2):\n  row 3, column 3 (number): ") && wrong.out.contains("row 4, column 2 (name)"),
            "{}",
            wrong.out
        );
        let many: String = (0..3000).map(|n| format!("n{n},N,+1202{n:07}\n")).collect();
        let bounded = crm(place, &many, &["--dry-run"]).out;
        assert!(bounded.contains("and 2980 more") && bounded.lines().count() < 40, "{bounded}");
        let json = crm(place, &many, &["--dry-run", "--json"]).json();
        assert_eq!((json["added"].as_u64(), json["differences"]["added"].as_array().unwrap().len()), (Some(3000), 500));
        assert_eq!(listed(place), before);
        let after = state();
        assert!(after.0 == revision && after.1 <= bytes + 1024 * 1024, "{after:?} after {revision}, {bytes}");
    }
}

#[test]
fn a_person_is_told_which_columns_were_left_and_is_shown_rows_in_the_order_of_the_file() {
    let place = Place::new(TENANTS);
    let table = "Nachname,Vorname,Telefon (geschäftlich),Hobby,Schuhgröße\nZorn,Zoe,+12025550102,Chess,41\nAbel,Ada,+12025550101,Go,38\n";
    let file = place.file("friends.csv", table);
    let shown = place.done(&["contact", "import", &file, "--dry-run"]).out;
    assert!(shown.contains("passed over: columns (2: Hobby, Schuhgröße)\n"), "{shown}");
    let at = |text: &str| shown.find(text).unwrap_or_else(|| panic!("{text:?} is not in {shown}"));
    assert!(at("row 2: ") < at("row 3: "), "{shown}");
}

#[test]
fn a_phone_book_of_ones_own_is_imported_whole_and_beside_that_of_a_colleague() {
    let place = Place::new(TENANTS);
    let file = place.file("phone.csv", "name,number\nMom,+12025550101\nDad,+12025550102\n");
    for owner in ["101", "102"] {
        place.done(&["contact", "import", &file, "--owner", owner]);
    }
    let contacts: Vec<serde_json::Value> =
        place.done(&["contact", "ls", "--json"]).out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let of = |owner: &str| contacts.iter().filter(|c| c["owner"] == owner).count();
    assert_eq!((contacts.len(), of("101"), of("102")), (4, 2, 2));
    // replacing one person's leaves the other's
    let file = place.file("phone.csv", "name,number\nMom,+12025550101\n");
    place.done(&["contact", "import", &file, "--owner", "101", "--mode", "replace"]);
    assert_eq!(listed(&place).len(), 3);
    let refused = place.run(&["contact", "import", &file, "--owner", "+12025550100"]);
    assert!(refused.code == Some(2) && refused.err.contains("is no extension"), "{refused:?}");
}

#[test]
fn ten_thousand_contacts_with_one_number_are_imported_and_asked_for() {
    let place = Place::new(TENANTS);
    let server = place.serve(&[]);
    let rows: String = (0..10_000).map(|n| format!("Desk {n},+12025550101\n")).collect();
    let file = place.file("desks.csv", format!("name,number\n{rows}"));
    let done = place.done(&["contact", "import", &file, "--json"]).json();
    assert_eq!((&done["added"], &done["shared_numbers"], &done["duplicates"]), (&10_000.into(), &9_999.into(), &0.into()));
    assert!(ask(server.agi, DID, "+12025550101").get("NAME").starts_with("Desk "));
    let named = place.done(&["name", "+12025550101"]).out;
    assert!((1..=300).contains(&named.lines().count()), "{} lines", named.lines().count());
    let again = place.done(&["contact", "import", &file, "--json"]).json();
    assert_eq!(again["unchanged"], 10_000);
}

fn asked(client: &mut Client, request: &Request) -> Reply {
    client.ask(request).unwrap()
}

fn begin(client: &mut Client, mode: ImportMode, blocked: Vec<(u64, String)>, wrong: bool) -> Reply {
    let ask = ImportAsk { source: "astdb".into(), mode, ..ImportAsk::default() };
    assert!(matches!(asked(client, &Request::ImportBegin { tenant: "default".into(), ask }), Reply::Import(_)));
    let contact = |number: &str| strowger::directory::ContactDraft {
        name: "Ada".into(),
        numbers: vec![(number.into(), None)],
        ..strowger::directory::ContactDraft::default()
    };
    let rows = vec![(1, contact("+12025550101")), (2, contact(if wrong { "+12" } else { "+12025550102" }))];
    asked(client, &Request::ImportRows(ImportPart { rows, blocked, ..ImportPart::default() }))
}

#[test]
fn what_a_file_blocks_comes_true_with_its_contacts_or_not_at_all() {
    let place = Place::new(TENANTS);
    let server = place.serve(&[]);
    let mut client = Client::connect(&server.admin).unwrap();
    place.done(&["block", "set", "--number", "+12025550190", "--action", "hangup"]);
    let blocked = |many: u64| (0..many).map(|n| (3 + n, format!("+1202{:07}", 5_550_190 + n))).collect::<Vec<_>>();
    let in_list = || place.done(&["block", "ls", "--json"]).out.lines().count();
    let alone = in_list();
    // a wrong row: neither
    begin(&mut client, ImportMode::Merge, blocked(3), true);
    let Reply::Import(view) = asked(&mut client, &Request::ImportCommit) else { panic!("refused") };
    assert_eq!((view.wrong, view.revision, in_list()), (1, None, alone));
    // an emergency number is never blocked
    let Reply::Import(view) = begin(&mut client, ImportMode::Merge, vec![(9, "911".into())], false) else { panic!("refused") };
    assert_eq!((view.wrong, view.errors[0].row), (1, 9));
    // an update adds nothing
    begin(&mut client, ImportMode::Update, blocked(3), false);
    let Reply::Import(view) = asked(&mut client, &Request::ImportCommit) else { panic!("refused") };
    assert_eq!((view.absent, view.blocked, in_list()), (5, 0, alone));
    let before = place.done(&["status", "--json"]).json()["revision"].as_u64().unwrap();
    // few fit into one record of the log, many go in parts; one change either way
    for (many, new) in [(3, 2), (3000, 2997)] {
        let revision = place.done(&["status", "--json"]).json()["revision"].as_u64().unwrap();
        begin(&mut client, ImportMode::Merge, blocked(many), false);
        let Reply::Import(view) = asked(&mut client, &Request::ImportCommit) else { panic!("refused") };
        assert_eq!((view.blocked, view.revision), (new, Some(revision + 1)));
        let last = ask(server.agi, DID, &format!("+1202{:07}", 5_550_190 + many - 1));
        assert_eq!((last.get("REASON"), last.get("ACTION")), ("blocked", "busy"));
    }
    assert_eq!(place.done(&["status", "--json"]).json()["revision"].as_u64(), Some(before + 2));
    // what was blocked before keeps what it says
    assert_eq!(ask(server.agi, DID, "+12025550190").get("ACTION"), "hangup");
    assert_eq!(ask(server.agi, DID, "+12025550101").get("NAME"), "Ada");
    drop((client, server));
    let server = place.serve(&[]);
    assert_eq!(ask(server.agi, DID, "+12025552000").get("REASON"), "blocked");
    let mut client = Client::connect(&server.admin).unwrap();
    let refused = begin(&mut client, ImportMode::Merge, (0..50_000).map(|n| (n, format!("+1303{n:07}"))).collect(), false);
    assert!(matches!(refused, Reply::Import(_)));
    let more = ImportPart { blocked: (50_000..100_001).map(|n| (n, format!("+1303{n:07}"))).collect(), ..ImportPart::default() };
    let Reply::BadInput(text) = asked(&mut client, &Request::ImportRows(more)) else { panic!("taken") };
    assert!(text.contains("more than 100000 numbers") && text.contains("block prefixes"), "{text}");
}
