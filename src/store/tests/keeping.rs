//! Checking and compacting, from inside. What kills a process is in `tests/store_compact.rs`.

use super::*;

fn pretend_free(opened: &Opened, bytes: u64) {
    opened.shared.durable.engine.free_bytes.store(bytes, Ordering::Relaxed);
}

fn filled(dir: &Path) -> Opened {
    let opened = Opened::open(dir);
    let file: Vec<Contact> = (0..60).map(|n| contact(&format!("f{n:02}"), "file", &["4930123456"])).collect();
    opened.import("file", &file);
    opened.import("file", &file[..30]);
    for n in 0..50 {
        opened.put(&contact(&format!("c{n}"), &format!("name {n}"), &[&format!("493011{n:04}")]));
    }
    let puts = (0..40).map(|n| PlanItem::Route(route(RouteKey::Number(e164(&format!("4940{n:04}"))), "1"))).collect();
    let edits = PlanEdits { puts, contacts_removed: vec!["c7".into()], ..PlanEdits::default() };
    opened.change_plan("t", "ada", edits, opened.revision()).unwrap().unwrap();
    opened.edit("t", "ada", Edit::RemoveContact("f03".into())).unwrap();
    opened
}

/// Everything that can be read.
fn all(opened: &Opened) -> String {
    let contacts: Vec<_> = opened.contacts("t", "").map(|c| c.unwrap()).collect();
    let items: Vec<_> = PlanSort::ALL.iter().flat_map(|sort| opened.items("t", *sort, None, usize::MAX).unwrap()).collect();
    let log: Vec<_> = opened.changes(0).map(|c| c.unwrap()).collect();
    let entries: Vec<_> = log.iter().map(|c| opened.entries_of(c).unwrap()).collect();
    format!("{contacts:?} {items:?} {log:?} {entries:?} {}", opened.revision())
}

#[test]
fn a_sound_store_is_found_sound_and_a_contact_that_no_number_finds_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let opened = filled(dir.path());
    let checked = opened.check().unwrap();
    assert_eq!(checked.problems, NOTHING);
    assert_eq!((checked.contacts, checked.items, checked.imports), (108, 40, 1));
    assert!(checked.data_bytes > 1000 && checked.spaces.len() == 4 && checked.changes == 40, "{checked:?}");
    let key = [b"t\0".as_slice(), &key::index_of_contact(&crate::directory::Indexed::Number(e164("4930110009")), "c9")].concat();
    opened.shared.durable.engine.remove(Space::Live, &key).unwrap();
    let problems = opened.check().unwrap().problems;
    assert!(problems.len() == 1 && problems[0].contains("c9 isn't found"), "{problems:?}");
    opened.shared.durable.engine.put(Space::Live, b"t\0cbad", &durable::live_value(3, Some(b"\x02junk"))).unwrap();
    let problems = opened.check().unwrap().problems;
    assert!(problems.iter().any(|p| p.contains("cbad")), "{problems:?}");
    opened.close();
}

const NOTHING: Vec<String> = Vec::new();

#[test]
fn a_compacted_store_holds_the_same_and_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    let opened = filled(dir.path());
    let before = all(&opened);
    let mut list = opened.contacts("t", "");
    list.next().unwrap().unwrap();
    let done = opened.compact().unwrap();
    assert_eq!(done.revision, opened.revision());
    assert_eq!(all(&opened), before);
    assert_eq!(list.filter(|c| c.is_ok()).count(), 107, "a list that was begun before is read to its end");
    opened.put(&contact("after", "After", &["4930777"]));
    opened.import("file", &[contact("f99", "new", &["4930888"])]);
    assert_eq!((opened.caller("4930777").as_deref(), opened.caller("4930888").as_deref()), (Some("after"), Some("f99")));
    let before = all(&opened);
    assert_eq!(opened.check().unwrap().problems, NOTHING);
    opened.close();
    assert!(!super::swap::compacting(dir.path()).exists());
    let opened = Opened::open(dir.path());
    assert_eq!(all(&opened), before);
    opened.compact().unwrap();
    opened.compact().unwrap();
    assert_eq!(all(&opened), before);
    opened.close();
}

#[test]
fn a_disk_that_fills_up_during_a_compaction_leaves_the_old_store_in_use() {
    let dir = tempfile::tempdir().unwrap();
    let opened = filled(dir.path());
    for n in 0..400 {
        opened.put(&contact(&format!("w{n}"), &"x".repeat(200), &["4930123456"]));
    }
    let before = all(&opened);
    pretend_free(&opened, 1000);
    assert!(matches!(opened.compact(), Err(StoreError::Full { .. })));
    assert!(!super::swap::compacting(dir.path()).exists());
    assert_eq!(all(&opened), before);
    pretend_free(&opened, u64::MAX);
    opened.put(&contact("after", "After", &["4930777"]));
    opened.compact().unwrap();
    assert_eq!(opened.caller("4930777").as_deref(), Some("after"));
    opened.close();
}

#[test]
fn a_compaction_waits_for_no_import_and_loses_none() {
    let dir = tempfile::tempdir().unwrap();
    let opened = filled(dir.path());
    let mut bulk = opened.bulk("t", "other");
    bulk.push(&contact("o1", "other", &["4930999"])).unwrap();
    bulk.sort();
    let staged = bulk.stage().unwrap();
    assert!(matches!(opened.compact(), Err(StoreError::Busy(_))));
    staged.finish("ada").unwrap().unwrap();
    assert_eq!(opened.caller("4930999").as_deref(), Some("o1"));
    opened.compact().unwrap();
    assert_eq!(opened.caller("4930999").as_deref(), Some("o1"));
    opened.close();
}

#[test]
fn a_backup_that_is_overtaken_by_edits_and_an_import_is_of_one_revision() {
    let dir = tempfile::tempdir().unwrap();
    let opened = filled(&dir.path().join("store"));
    let mut backup = opened.backup();
    let mut bytes = backup.next_piece().unwrap().unwrap();
    // behind the beginning, and before anything was read
    opened.put(&contact("c1", "edited", &["4930555"]));
    opened.edit("t", "ada", Edit::RemoveContact("c2".into())).unwrap();
    opened.import("late", &[contact("l1", "late", &["4930444"])]);
    while let Some(piece) = backup.next_piece().unwrap() {
        bytes.extend_from_slice(&piece);
    }
    let wanted = all(&opened);
    opened.put(&contact("c3", "too late", &["4930333"]));
    let path = dir.path().join("backup");
    std::fs::write(&path, &bytes).unwrap();
    let restored = restore(&mut std::fs::File::open(&path).unwrap(), &dir.path().join("other"), false).unwrap();
    assert_eq!((restored.held.revision, restored.before), (opened.revision() - 1, None));
    let other = Opened::open(&dir.path().join("other"));
    assert_eq!(all(&other), wanted);
    assert_eq!(other.check().unwrap().problems, NOTHING);
    assert_eq!(other.caller("4930444").as_deref(), Some("l1"));
    other.put(&contact("c3", "more", &["4930333"]));
    other.close();
    opened.close();
}
