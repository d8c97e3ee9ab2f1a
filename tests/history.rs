//! Who changed what, when and from where; and undoing it.

mod support;

use serde_json::Value as Json;
use std::sync::Arc;
use std::time::Instant;
use strowger::clock::SystemClock;
use strowger::directory::{Contact, ContactNumber};
use strowger::number::{Kind, Number};
use strowger::routing::{Action, PlanItem, Route, RouteKey, Step};
use strowger::store::{By, Edit, PlanEdits, Store, Undoable, Wanted};
use support::{Place, Said};

const TENANT: &str = "[[tenant]]\nid = \"default\"\ncountry = \"US\"\n";

fn set(place: &Place, id: &str, name: &str, number: &str) -> u64 {
    place.done(&["contact", "set", id, "--name", name, "--number", number, "--json"]).json()["revision"].as_u64().unwrap()
}

fn name(place: &Place, id: &str) -> Option<String> {
    let said = place.run(&["contact", "show", id, "--json"]);
    (said.code == Some(0)).then(|| said.json()["name"].as_str().unwrap().to_owned())
}

fn changes(place: &Place, arguments: &[&str]) -> Vec<Json> {
    let said = place.done(&[arguments, &["--json"]].concat());
    said.json()["changes"].as_array().unwrap().clone()
}

fn refused(place: &Place, arguments: &[&str]) -> Said {
    let said = place.run(arguments);
    assert_ne!(said.code, Some(0), "{arguments:?}: {said:?}");
    said
}

#[test]
fn history_says_who_changed_what_from_where_field_by_field_the_newest_first() {
    let place = Place::new(TENANT);
    set(&place, "school", "Old School", "+14155550101");
    let server = place.serve(&[]);
    set(&place, "school", "New School", "+14155550101");
    set(&place, "other", "Other", "+14155550102");
    place.done(&["contact", "rm", "school"]);
    let all = changes(&place, &["contact", "history", "school"]);
    let uid = format!("uid {}", rustix::process::geteuid().as_raw());
    let seen: Vec<_> = all.iter().map(|c| (c["revision"].as_u64().unwrap(), c["from"].as_str().unwrap())).collect();
    assert_eq!(seen, [(4, "admin socket"), (2, "admin socket"), (1, "console")]);
    assert!(all.iter().all(|c| c["who"] == uid.as_str() && c["at_us"].as_u64().unwrap() > 1_700_000_000_000_000), "{all:?}");
    let kinds: Vec<_> = all.iter().map(|c| c["things"][0]["kind"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["removed", "changed", "added"]);
    let fields = all[1]["things"][0]["fields"].as_array().unwrap();
    assert_eq!(fields.len(), 1, "{fields:?}");
    assert_eq!(
        (&fields[0]["field"], &fields[0]["before"], &fields[0]["after"]),
        (&"name".into(), &"Old School".into(), &"New School".into())
    );
    let text = place.done(&["contact", "history", "school"]).out;
    assert!(text.contains("name: Old School → New School"), "{text}");
    // everything, and only so much of it
    let last = changes(&place, &["history", "--limit", "2"]);
    assert_eq!(last.iter().map(|c| c["revision"].as_u64().unwrap()).collect::<Vec<_>>(), [4, 3]);
    assert_eq!(refused(&place, &["contact", "history", "nobody"]).code, Some(1));
    drop(server);
}

#[test]
fn an_undone_edit_is_as_it_was_and_undoing_that_brings_it_back() {
    let place = Place::new(TENANT);
    set(&place, "a", "One", "+14155550101");
    let second = set(&place, "a", "Two", "+14155550102");
    place.done(&["undo", &second.to_string()]);
    assert_eq!(name(&place, "a").as_deref(), Some("One"));
    assert!(place.done(&["name", "+14155550101"]).out.contains("One"));
    place.done(&["contact", "undo", "a"]);
    assert_eq!(name(&place, "a").as_deref(), Some("Two"));
    let all = changes(&place, &["contact", "history", "a"]);
    assert_eq!(all.iter().map(|c| c["undoes"].as_u64()).collect::<Vec<_>>(), [Some(3), Some(2), None, None]);
    // the first edit made it, so that undoing it takes it away
    place.done(&["undo", "1", "--force"]);
    assert_eq!(name(&place, "a"), None);
    place.done(&["contact", "undo", "a"]);
    assert_eq!(name(&place, "a").as_deref(), Some("Two"));
}

#[test]
fn what_was_changed_since_is_named_and_kept_unless_forced() {
    let place = Place::new(TENANT);
    set(&place, "a", "One", "+14155550101");
    set(&place, "a", "Two", "+14155550101");
    let third = set(&place, "a", "Three", "+14155550101");
    let said = refused(&place, &["undo", "2"]);
    assert!(said.err.contains("contact a was changed (revision 3)"), "{said:?}");
    assert_eq!(name(&place, "a").as_deref(), Some("Three"));
    place.done(&["undo", "2", "--force"]);
    assert_eq!(name(&place, "a").as_deref(), Some("One"));
    let gone = refused(&place, &["undo", &(third + 90).to_string()]);
    assert_eq!(gone.code, Some(1), "{gone:?}");
}

#[test]
fn an_undo_that_would_leave_a_route_to_nowhere_is_refused() {
    let place = Place::new(TENANT);
    place.done(&["group", "set", "sales", "--member", "extension=101"]);
    place.done(&["route", "set", "+14155550199", "--step", "ring:sales"]);
    let said = refused(&place, &["undo", "1"]);
    assert!(said.err.contains("route +14155550199 would no longer hold"), "{said:?}");
    place.done(&["undo", "2"]);
    place.done(&["undo", "1"]);
    // and the other way round: the route can't come back before its group
    let said = refused(&place, &["undo", "3"]);
    assert!(said.err.contains("can't be put back"), "{said:?}");
    place.done(&["undo", "4"]);
    place.done(&["undo", "3"]);
    assert_eq!(changes(&place, &["history", "group", "sales"]).len(), 3);
    assert_eq!(changes(&place, &["history", "route", "+14155550199"]).len(), 3);
}

#[test]
fn a_whole_plans_change_is_undone_at_once() {
    let place = Place::new(TENANT);
    let plan = place.file(
        "plan.toml",
        "[[group]]\nid = \"one\"\nmembers = [{ extension = \"101\" }]\n\n[[group]]\nid = \"two\"\nmembers = [{ extension = \"102\" }]\n",
    );
    place.done(&["apply", &plan]);
    place.done(&["undo", "1"]);
    assert_eq!(place.done(&["group", "ls"]).out, "");
    place.done(&["undo", "2"]);
    assert_eq!(place.done(&["group", "ls"]).out.lines().count(), 2);
}

#[test]
fn no_history_shows_a_users_hash_or_a_token() {
    let place = Place::new(TENANT);
    let (one, two) = ("93cd305253e79bdc7204526e2a6b76b0", "ab2ef2f30e380123ce5cc28ef5592198");
    for hash in [one, two] {
        place.done(&["user", "set", "101", "--domain", "pbx", "--a1-hash", hash]);
    }
    let token = place.done(&["token", "add", "panel", "--scope", "calls:read"]).out;
    for arguments in [&["history"][..], &["history", "--json"]] {
        let text = place.done(arguments).out;
        assert!(!text.contains(one) && !text.contains(two) && !text.contains(token.trim()), "{text}");
        assert!(text.contains("another secret") && text.contains("token panel"), "{text}");
    }
    let said = refused(&place, &["undo", "3"]);
    assert!(said.err.contains("token"), "{said:?}");
    // the secret itself is put back
    place.done(&["undo", "2"]);
    let text = place.done(&["export", "--with-secrets"]).out;
    assert!(text.contains(one), "{text}");
}

#[test]
fn an_import_is_in_a_contacts_history_and_the_last_one_is_undone_while_edits_stand() {
    let place = Place::new(TENANT);
    let first = place.file("crm.csv", "id,name,number\nx,Ada,+14155550101\ny,Bob,+14155550102\n");
    place.done(&["contact", "import", &first, "--source", "crm"]);
    let second = place.file("crm.csv", "id,name,number\nx,Ada Byron,+14155550101\ny,Bob,+14155550102\nz,Cy,+14155550103\n");
    place.done(&["contact", "import", &second, "--source", "crm"]);
    set(&place, "y", "Robert", "+14155550102");
    let all = changes(&place, &["contact", "history", "x"]);
    assert_eq!(all.len(), 2, "{all:?}");
    assert_eq!((&all[0]["import"], &all[0]["things"][0]["kind"]), (&"crm".into(), &"changed".into()), "{all:?}");
    assert!(all[0]["from"].as_str().unwrap().starts_with("import crm"), "{all:?}");
    assert_eq!(all[0]["things"][0]["fields"][0]["before"], "Ada");
    assert!(refused(&place, &["undo", "1"]).err.contains("another one came since (revision 2)"));
    place.done(&["undo", "2"]);
    assert_eq!((name(&place, "x").as_deref(), name(&place, "z")), (Some("Ada"), None));
    assert_eq!(name(&place, "y").as_deref(), Some("Robert"), "an edit that was made since stands");
    place.done(&["undo", "4"]);
    assert_eq!((name(&place, "x").as_deref(), name(&place, "z").as_deref()), (Some("Ada Byron"), Some("Cy")));
    // one contact alone
    place.done(&["contact", "undo", "x"]);
    assert_eq!((name(&place, "x").as_deref(), name(&place, "z").as_deref()), (Some("Ada"), Some("Cy")));
}

#[test]
fn undoing_a_contact_after_an_import_brings_back_what_was_written_by_hand() {
    let (alone, beside) = (Place::new(TENANT), Place::new(TENANT));
    let server = beside.serve(&[]);
    for place in [&alone, &beside] {
        let first = place.file("crm.csv", "id,name,number\nx,Ada,+14155550101\n");
        place.done(&["contact", "import", &first, "--source", "crm"]);
        set(place, "x", "Ada L.", "+14155550101");
        set(place, "bob", "Bob by hand", "+14155550102");
        let second = place.file("crm.csv", "id,name,number\nx,Ada Byron,+14155550101\nbob,Robert,+14155550103\nz,Cy,+14155550104\n");
        let done = place.done(&["contact", "import", &second, "--source", "crm", "--json"]).json();
        assert_eq!((&done["overridden"], &done["taken_over"]), (&1.into(), &1.into()));
        let names = |place: &Place| ["x", "bob", "z"].map(|id| name(place, id));
        for (id, before) in [("x", "Ada L."), ("bob", "Bob by hand")] {
            let all = changes(place, &["contact", "history", id]);
            let thing = &all[0]["things"][0];
            assert_eq!(
                (&all[0]["import"], &thing["kind"], &thing["fields"][0]["before"]),
                (&"crm".into(), &"changed".into(), &before.into())
            );
            place.done(&["contact", "undo", id]);
        }
        let by_hand = [Some("Ada L.".to_owned()), Some("Bob by hand".to_owned()), Some("Cy".to_owned())];
        assert_eq!(names(place), by_hand);
        assert!(place.done(&["name", "+14155550102"]).out.contains("Bob by hand"));
        assert_eq!(place.done(&["contact", "show", "bob", "--json"]).json()["source"].as_str().unwrap_or_default(), "");
        // what is new with the import goes with it
        place.done(&["contact", "undo", "z"]);
        assert_eq!(name(place, "z"), None);
        // and undoing the whole import says the same
        place.done(&["undo", &done["revision"].to_string()]);
        assert_eq!(names(place)[..2], by_hand[..2]);
    }
    drop(server);
}

fn number(n: u64) -> Number {
    Number::from_key(Kind::E164, &format!("1415{n:07}")).unwrap()
}

fn contact(id: &str, name: String, n: u64) -> Contact {
    Contact::of(id, name, vec![ContactNumber::of(number(n), number(n).to_string(), None)])
}

#[test]
fn history_reads_ten_thousand_changes_and_says_where_it_begins() {
    let dir = tempfile::tempdir().unwrap();
    let (store, writer) = Store::open(dir.path(), Arc::new(SystemClock)).unwrap();
    let writer = std::thread::spawn(move || writer.run());
    let by = By::new("ada", "console");
    store.edit("t", &by, Edit::PutContact(contact("first", "x".into(), 1))).unwrap();
    std::thread::scope(|scope| {
        for part in 0..50u64 {
            let (store, by) = (&store, &by);
            scope.spawn(move || {
                for n in 0..201 {
                    let id = format!("c{}", part * 1000 + n);
                    store.edit("t", by, Edit::PutContact(contact(&id, "x".repeat(400), n))).unwrap();
                }
            });
        }
    });
    assert_eq!(store.history_begins().unwrap(), Some(52));
    let wanted = Wanted::Contact("c7".into());
    let begun = Instant::now();
    let found: Vec<_> = store.history("t", Some(&wanted), u64::MAX, 10).unwrap().map(|p| p.unwrap()).collect();
    println!("a contact's history over 10,000 changes: {:?}", begun.elapsed());
    assert!(found.len() <= 1);
    let wanted = Wanted::Contact("first".into());
    assert_eq!(store.history("t", Some(&wanted), u64::MAX, 10).unwrap().count(), 0);
    assert!(matches!(store.undo_of("t", 1, None).unwrap(), Undoable::Absent));
    store.close();
    writer.join().unwrap();
}

#[test]
fn a_change_in_parts_is_told_and_undone() {
    let dir = tempfile::tempdir().unwrap();
    let (store, writer) = Store::open(dir.path(), Arc::new(SystemClock)).unwrap();
    let writer = std::thread::spawn(move || writer.run());
    let key = |n: u64| RouteKey::Number(number(n));
    let step = |word: &str| vec![Step::of(Action::Voicemail(word.to_owned()))];
    let puts = |word: &str| (0..1500).map(|n| PlanItem::Route(Route::of(key(n), step(word)))).collect();
    for word in ["1", "2"] {
        let edits = PlanEdits { puts: puts(word), ..PlanEdits::default() };
        store.change_plan("t", "ada", edits, store.revision()).unwrap().unwrap();
    }
    let past = store.history("t", None, u64::MAX, 10).unwrap().next().unwrap().unwrap();
    assert_eq!((past.things.len(), past.more, past.change.revision), (10, 1490, 2));
    let wanted = Wanted::Named(format!("route {}", number(3)));
    assert_eq!(store.history("t", Some(&wanted), u64::MAX, 10).unwrap().count(), 2);
    let Undoable::Things(undo) = store.undo_of("t", 2, None).unwrap() else { panic!("it can't be undone") };
    assert!(undo.changed_since.is_empty());
    store.change_plan("t", By::from("ada").undoing(2), undo.edits, undo.over).unwrap().unwrap();
    assert!((0..1500).all(|n| store.route("t", &key(n)).unwrap().unwrap().steps == step("1")));
    store.close();
    writer.join().unwrap();
}
