//! What history says that an import did to a contact, whatever lay over or under it.

use super::*;
use proptest::prelude::*;
use std::collections::BTreeMap;

const IDS: [&str; 4] = ["ada", "bob", "eve", "zoe"];
const NAMES: [&str; 3] = ["One", "Two", "Three"];
const SOURCES: [&str; 2] = ["crm", "ldap"];

fn named(id: &str, name: &str) -> Contact {
    contact(id, name, &["493011111"])
}

/// What history says of a contact and the change with a revision: before, after, and whether that is known.
fn told(opened: &Opened, id: &str, revision: u64) -> Option<(Option<Contact>, Option<Contact>, bool)> {
    let wanted = Wanted::Contact(id.to_owned());
    let past = opened.history("t", Some(&wanted), revision + 1, 9).unwrap().next()?.unwrap();
    if past.change.revision != revision {
        return None;
    }
    assert_eq!(past.things.len(), 1, "{past:?}");
    let ThingChange::Contact { before, after, is_known, .. } = past.things[0].clone() else { panic!("{past:?}") };
    Some((before.map(|c| *c), after.map(|c| *c), is_known))
}

fn name_of(contact: Option<Contact>) -> Option<String> {
    contact.map(|c| c.name)
}

#[test]
fn what_an_import_spoke_over_is_what_somebody_had_written_by_hand() {
    let dir = tempfile::tempdir().unwrap();
    let opened = Opened::open(dir.path());
    opened.import("crm", &[named("ada", "Ada"), named("eve", "Eve")]);
    opened.put(&named("ada", "Ada L."));
    opened.put(&named("bob", "Bob by hand"));
    opened.edit("t", "x", Edit::RemoveContact("eve".into())).unwrap();
    let import = opened.import("crm", &[named("ada", "Ada Byron"), named("bob", "Bob"), named("eve", "Eve")]);
    assert_eq!((import.overridden, import.taken, import.added), (1, 1, 1));
    let check = |opened: &Opened| {
        let names = |id| told(opened, id, import.revision).map(|(before, after, known)| (name_of(before), name_of(after), known));
        let some = |name: &str| Some(name.to_owned());
        assert_eq!(names("ada"), Some((some("Ada L."), some("Ada Byron"), true)));
        assert_eq!(names("bob"), Some((some("Bob by hand"), some("Bob"), true)));
        assert_eq!(names("eve"), Some((None, some("Eve"), true)), "it had been removed by hand");
    };
    check(&opened);
    // edited again since: the log has what was there before the import
    for id in ["ada", "bob", "eve"] {
        opened.put(&named(id, "edited since"));
    }
    check(&opened);
    opened.close();
    let opened = Opened::open(dir.path());
    check(&opened);
    opened.close();
}

#[test]
fn an_import_over_which_an_edit_lies_has_changed_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let opened = Opened::open(dir.path());
    opened.import("crm", &[named("ada", "Ada")]);
    let mut bulk = opened.bulk("t", "crm");
    bulk.push(&named("ada", "Ada Byron")).unwrap();
    bulk.sort();
    let staged = bulk.stage().unwrap();
    opened.put(&named("ada", "Ada by hand"));
    let import = staged.finish("x").unwrap().unwrap();
    assert_eq!(opened.contact("t", "ada").unwrap().unwrap().1.name, "Ada by hand");
    assert_eq!(told(&opened, "ada", import.revision), None);
    drop(bulk);
    opened.close();
}

#[test]
fn what_lay_over_an_import_is_unknown_once_the_log_has_let_go_of_it() {
    let dir = tempfile::tempdir().unwrap();
    let opened = Opened::open(dir.path());
    opened.import("crm", &[named("ada", "Ada"), named("eve", "Eve"), named("zoe", "Zoe")]);
    let edits = PlanEdits { contacts: ["ada", "eve", "zoe"].map(|id| named(id, "by hand")).into(), ..PlanEdits::default() };
    opened.change_plan("t", "x", edits, 1).unwrap().unwrap();
    let mut bulk = opened.bulk_as("t", "crm", ImportMode::Merge);
    ["ada", "eve", "zoe"].iter().for_each(|id| bulk.push(&named(id, "file")).unwrap());
    let import = bulk.commit("x").unwrap().revision;
    assert_eq!(import, 3);
    // eve is as the import left her; of the others the newest edit is a later one
    opened.put(&named("ada", "since"));
    opened.edit("t", "x", Edit::RemoveContact("zoe".into())).unwrap();
    while opened.revision() < writer::LOG_CHANGES_MAX + 2 {
        opened.put(&named("bob", &opened.revision().to_string()));
    }
    assert_eq!((opened.history_begins().unwrap(), opened.undoable_import("t")), (Some(import), Some(import)));
    for id in ["ada", "zoe"] {
        let (before, after, is_known) = told(&opened, id, import).unwrap();
        assert_eq!((name_of(before), name_of(after).as_deref(), is_known), (None, Some("file"), false), "{id}");
    }
    let (before, _, is_known) = told(&opened, "eve", import).unwrap();
    assert_eq!((name_of(before).as_deref(), is_known), (Some("by hand"), true), "it still lies below");
    opened.close();
}

#[derive(Debug, Clone)]
enum Op {
    Put(usize, usize),
    Remove(usize),
    Import { source: usize, mode: ImportMode, rows: Vec<(usize, usize)>, meanwhile: Vec<Op> },
    Undo,
    Reopen,
}

fn edits() -> impl Strategy<Value = Op> {
    prop_oneof![2 => (0..IDS.len(), 0..NAMES.len()).prop_map(|(id, name)| Op::Put(id, name)), 1 => (0..IDS.len()).prop_map(Op::Remove)]
}

fn ops() -> impl Strategy<Value = Op> {
    let modes = prop_oneof![2 => Just(ImportMode::Merge), 2 => Just(ImportMode::Replace), 1 => Just(ImportMode::Update)];
    let rows = proptest::collection::vec((0..IDS.len(), 0..NAMES.len()), 0..5);
    let import = (0..SOURCES.len(), modes, rows, proptest::collection::vec(edits(), 0..3));
    prop_oneof![
        8 => edits(),
        6 => import.prop_map(|(source, mode, rows, meanwhile)| Op::Import { source, mode, rows, meanwhile }),
        2 => Just(Op::Undo),
        1 => Just(Op::Reopen),
    ]
}

type Directory = BTreeMap<String, Contact>;

fn directory(opened: &Opened) -> Directory {
    opened.contacts("t", "").map(|c| c.unwrap().1).map(|c| (c.id.clone(), c)).collect()
}

fn edit(opened: &Opened, op: &Op) {
    match op {
        Op::Put(id, name) => drop(opened.put(&named(IDS[*id], NAMES[*name]))),
        Op::Remove(id) => drop(opened.edit("t", "x", Edit::RemoveContact(IDS[*id].into())).unwrap()),
        _ => unreachable!("no edit"),
    }
}

fn run(ops: &[Op]) {
    let dir = tempfile::tempdir().unwrap();
    let mut opened = Opened::open(dir.path());
    // the last import, or the last undoing of one, and the directory before and after it
    let mut last: Option<(u64, Directory, Directory)> = None;
    for op in ops {
        match op {
            Op::Put(..) | Op::Remove(_) => edit(&opened, op),
            Op::Import { source, mode, rows, meanwhile } => {
                let mut bulk = opened.bulk_as("t", SOURCES[*source], *mode);
                rows.iter().for_each(|(id, name)| bulk.push(&named(IDS[*id], NAMES[*name])).unwrap());
                bulk.sort();
                let staged = bulk.stage().unwrap();
                meanwhile.iter().for_each(|op| edit(&opened, op));
                let (was, before) = (opened.revision(), directory(&opened));
                let done = staged.finish("x").unwrap().unwrap().revision;
                if opened.revision() > was {
                    last = Some((done, before, directory(&opened)));
                }
            }
            Op::Undo => {
                let before = directory(&opened);
                if let Some(import) = opened.undoable_import("t") {
                    let done = opened.undo_import("t", "x", import).unwrap().unwrap();
                    last = Some((done, before, directory(&opened)));
                }
            }
            Op::Reopen => {
                opened.close();
                opened = Opened::open(dir.path());
            }
        }
        let Some((revision, before, after)) = &last else { continue };
        for id in IDS {
            let wanted = (before.get(id).cloned(), after.get(id).cloned());
            match told(&opened, id, *revision) {
                Some((before, after, true)) => {
                    assert_eq!((before, after), wanted, "{id} at {revision}");
                    assert!(wanted.0 != wanted.1, "{id} at {revision} wasn't changed");
                }
                Some((.., false)) => assert!(opened.revision() > writer::LOG_CHANGES_MAX, "{id} at {revision} isn't known"),
                None => {
                    assert!(wanted.0 == wanted.1 || opened.undoable_import("t") != Some(*revision), "{id} at {revision} was changed");
                }
            }
        }
    }
    opened.close();
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn history_says_of_the_last_import_what_it_changed_and_nothing_else(ops in proptest::collection::vec(ops(), 1..30)) {
        run(&ops);
    }
}
