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

/// A store in which an import has removed what two layers below it still have.
fn with_a_removal_of_an_import(dir: &Path) -> Opened {
    let opened = Opened::open(dir);
    let bob = contact("bob", "Bob", &["493044444"]);
    opened.put(&contact("ada", "by hand", &["493011111"]));
    opened.import("ldap", &[contact("ada", "ldap", &["493022222"])]);
    opened.import("crm", &[contact("ada", "crm", &["493033333"]), bob.clone()]);
    let mut bulk = opened.bulk_as("t", "crm", ImportMode::Replace);
    bulk.push(&bob).unwrap();
    assert_eq!(bulk.commit("x").unwrap().removed, 1);
    opened
}

#[test]
fn a_store_in_which_an_import_removed_a_contact_is_sound_and_is_backed_up_and_restored_and_compacted() {
    let dir = tempfile::tempdir().unwrap();
    let opened = with_a_removal_of_an_import(&dir.path().join("store"));
    assert_eq!(opened.check().unwrap().problems, NOTHING);
    let before = all(&opened);
    let (mut backup, mut bytes) = (opened.backup(), Vec::new());
    while let Some(piece) = backup.next_piece().unwrap() {
        bytes.extend_from_slice(&piece);
    }
    let path = dir.path().join("backup");
    std::fs::write(&path, &bytes).unwrap();
    // the removal is an entry of the import, and no contact
    assert_eq!(super::backup::verify(bytes.as_slice()).unwrap().tenants[0].imported, 2);
    restore(&mut std::fs::File::open(&path).unwrap(), &dir.path().join("other"), false).unwrap();
    opened.compact().unwrap();
    let other = Opened::open(&dir.path().join("other"));
    for store in [&opened, &other] {
        assert_eq!(all(store), before);
        assert_eq!(store.check().unwrap().problems, NOTHING);
        assert_eq!(["493011111", "493022222", "493033333"].map(|n| store.caller(n)), [None, None, None]);
        store.import("crm", &[contact("eve", "Eve", &["493055555"])]);
        assert!(store.contact("t", "ada").unwrap().is_none());
    }
    other.close();
    opened.close();
}

#[test]
fn the_history_of_a_contact_that_an_import_removed_says_so_and_the_import_is_undone() {
    let dir = tempfile::tempdir().unwrap();
    let opened = with_a_removal_of_an_import(dir.path());
    let removed = opened.revision();
    let wanted = Wanted::Contact("ada".into());
    let last = opened.history("t", Some(&wanted), u64::MAX, 9).unwrap().next().unwrap().unwrap();
    assert_eq!(last.change.revision, removed);
    let ThingChange::Contact { before: Some(before), after: None, is_known: true, .. } = &last.things[0] else { panic!("{last:?}") };
    assert_eq!(before.name, "crm");
    opened.undo_import("t", "ada", removed).unwrap().unwrap();
    assert_eq!(opened.caller("493033333").as_deref(), Some("ada"));
    assert!(opened.history("t", Some(&wanted), u64::MAX, 9).unwrap().all(|past| past.is_ok()));
    // the same file once more
    let mut bulk = opened.bulk_as("t", "crm", ImportMode::Replace);
    bulk.push(&contact("bob", "Bob", &["493044444"])).unwrap();
    assert_eq!(bulk.commit("x").unwrap().removed, 1);
    assert_eq!(["493011111", "493022222", "493033333"].map(|n| opened.caller(n)), [None, None, None]);
    opened.close();
}

#[test]
fn undoing_an_import_brings_no_contact_back_that_was_removed_by_hand_before_or_since() {
    for is_restarted in [false, true] {
        let dir = tempfile::tempdir().unwrap();
        let mut opened = Opened::open(dir.path());
        opened.import("file", &["ada", "bob", "eve"].map(|id| contact(id, id, &["493011111"])));
        opened.edit("t", "x", Edit::RemoveContact("ada".into())).unwrap();
        let mut bulk = opened.bulk_as("t", "file", ImportMode::Replace);
        bulk.push(&contact("eve", "Eve", &["493011111"])).unwrap();
        let import = bulk.commit("x").unwrap().revision;
        opened.put(&contact("bob", "Bob by hand", &["493022222"]));
        opened.edit("t", "x", Edit::RemoveContact("bob".into())).unwrap();
        if is_restarted {
            opened.close();
            opened = Opened::open(dir.path());
        }
        opened.undo_import("t", "ada", import).unwrap().unwrap();
        let ids: Vec<String> = opened.contacts("t", "").map(|c| c.unwrap().1.id).collect();
        assert_eq!(ids, ["eve"], "restarted: {is_restarted}");
        assert_eq!(opened.caller("493011111").as_deref(), Some("eve"));
        opened.close();
    }
}

#[test]
fn undoing_an_import_takes_back_what_it_blocked_and_leaves_what_was_changed_since() {
    // few entries are in the log's record, many in parts beside it
    for many in [2, 60] {
        let dir = tempfile::tempdir().unwrap();
        let opened = Opened::open(dir.path());
        let key = |n: usize| ScreenKey::Number(e164(&format!("493066{n:04}")));
        let screen = |n: usize, action| Screen { list: List::Block, key: key(n), action, rate: None };
        // blocked before
        opened.edit("t", "ada", Edit::PutScreen(screen(many, None))).unwrap();
        let mut bulk = opened.bulk("t", "file");
        bulk.push(&contact("bob", "Bob", &["493022222"])).unwrap();
        (0..=many).for_each(|n| bulk.screen(screen(n, None)));
        let import = bulk.commit("x").unwrap();
        assert_eq!(import.blocked, many as u64);
        // changed since
        opened.edit("t", "ada", Edit::PutScreen(screen(0, Some(Step::of(Action::Hangup))))).unwrap();
        assert!(matches!(opened.undo_of("t", import.revision, None).unwrap(), Undoable::Import(_)));
        let undone = opened.undo_import("t", "ada", import.revision).unwrap().unwrap();
        let blocked = |opened: &Opened| {
            let on_disk: Vec<usize> = (0..=many).filter(|n| opened.screen("t", List::Block, &key(*n)).unwrap().is_some()).collect();
            let seen = |n: &usize| opened.in_snapshot("t", |d| d.screen(List::Block, &key(*n))).unwrap().unwrap().is_some();
            assert_eq!(on_disk, (0..=many).filter(seen).collect::<Vec<_>>(), "calls see what is on the disk");
            on_disk
        };
        assert_eq!((blocked(&opened), opened.caller("493022222")), (vec![0, many], None));
        opened.close();
        let opened = Opened::open(dir.path());
        assert_eq!((blocked(&opened), opened.caller("493022222")), (vec![0, many], None));
        // and undoing that brings both back
        opened.undo_import("t", "ada", undone).unwrap().unwrap();
        assert_eq!((blocked(&opened), opened.caller("493022222").as_deref()), ((0..=many).collect(), Some("bob")));
        assert_eq!(opened.check().unwrap().problems, NOTHING);
        opened.close();
    }
}

#[test]
fn an_import_that_comes_just_as_the_log_lets_go_of_the_last_one_can_be_undone_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let opened = Opened::open(dir.path());
    opened.import("file", &[contact("ada", "Ada", &["493011111"])]);
    for n in 2..=writer::LOG_CHANGES_MAX {
        opened.put(&contact("own", &format!("name {n}"), &["493022222"]));
    }
    let import = opened.import("file", &[contact("ada", "Ada Lovelace", &["493011111"])]).revision;
    assert_eq!(import, writer::LOG_CHANGES_MAX + 1);
    opened.close();
    let opened = Opened::open(dir.path());
    assert_eq!(opened.undoable_import("t"), Some(import));
    opened.undo_import("t", "ada", import).unwrap().unwrap();
    assert_eq!(opened.contact("t", "ada").unwrap().unwrap().1.name, "Ada");
    opened.close();
}

#[test]
fn an_import_with_numbers_to_block_that_a_crash_cut_behind_its_record_is_whole_after_the_next_start() {
    let dir = tempfile::tempdir().unwrap();
    let opened = Opened::open(dir.path());
    opened.import("file", &[contact("ada", "Ada", &["493011111"])]);
    let pointer = opened.shared.durable.engine.get(Space::Meta, &pointer_key("t")).unwrap().unwrap();
    let key = ScreenKey::Number(e164("4930666"));
    let mut bulk = opened.bulk_as("t", "file", ImportMode::Replace);
    bulk.push(&contact("bob", "Bob", &["493022222"])).unwrap();
    bulk.screen(Screen { list: List::Block, key: key.clone(), action: None, rate: None });
    let import = bulk.commit("x").unwrap().revision;
    // as if neither its pointer nor its entries had reached their places
    let engine = &opened.shared.durable.engine;
    engine.put(Space::Meta, &pointer_key("t"), &pointer).unwrap();
    engine.remove(Space::Live, &[b"t\0".as_slice(), &key::screen(List::Block, &key)].concat()).unwrap();
    opened.close();
    let opened = Opened::open(dir.path());
    assert_eq!((opened.caller("493011111"), opened.caller("493022222").as_deref()), (None, Some("bob")));
    assert!(opened.screen("t", List::Block, &key).unwrap().is_some());
    assert!(opened.in_snapshot("t", |d| d.screen(List::Block, &key)).unwrap().unwrap().is_some());
    assert_eq!(opened.undoable_import("t"), Some(import));
    assert_eq!(opened.check().unwrap().problems, NOTHING);
    opened.close();
}

#[test]
fn a_note_of_an_import_that_never_became_true_is_forgotten_at_the_next_start() {
    let dir = tempfile::tempdir().unwrap();
    let opened = Opened::open(dir.path());
    opened.import("file", &[contact("ada", "Ada", &["493011111"])]);
    let next = opened.revision() + 1;
    let note = [next.to_be_bytes().as_slice(), &record::encode(&Vec::<record::Generation>::new()).unwrap()].concat();
    opened.shared.durable.engine.put(Space::Meta, b"previous/t", &note).unwrap();
    opened.close();
    let opened = Opened::open(dir.path());
    assert_eq!(opened.undoable_import("t"), None);
    opened.put(&contact("own", "Own", &["493022222"]));
    assert_eq!(opened.revision(), next);
    opened.close();
    let opened = Opened::open(dir.path());
    assert_eq!(opened.undoable_import("t"), None);
    assert_eq!(opened.caller("493011111").as_deref(), Some("ada"));
    assert_eq!(opened.check().unwrap().problems, NOTHING);
    opened.close();
}

/// A backup of a store with one contact, as a file.
fn backed_up(dir: &Path) -> std::path::PathBuf {
    let opened = Opened::open(&dir.join("other"));
    opened.put(&contact("ada", "from the backup", &["493011111"]));
    let (mut backup, mut bytes) = (opened.backup(), Vec::new());
    while let Some(piece) = backup.next_piece().unwrap() {
        bytes.extend_from_slice(&piece);
    }
    opened.close();
    let path = dir.join("backup");
    std::fs::write(&path, &bytes).unwrap();
    path
}

fn name_in(dir: &Path, id: &str) -> Option<String> {
    let opened = Opened::open(dir);
    let name = opened.contact("t", id).unwrap().map(|(_, c)| c.name);
    opened.close();
    name
}

/// Old stores that restores have kept.
fn kept_beside(dir: &Path) -> Vec<std::path::PathBuf> {
    let entries = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    let mut kept: Vec<_> = entries.filter(|path| path.to_string_lossy().contains(".before-restore-")).collect();
    kept.sort();
    kept
}

#[test]
fn a_store_that_a_killed_restore_had_left_its_mark_in_is_kept_by_the_restores_after_it() {
    for opened_since in [false, true] {
        let dir = tempfile::tempdir().unwrap();
        let (store, beside) = (dir.path().join("store"), dir.path().join("store.restoring"));
        let file = backed_up(dir.path());
        let restored = || restore(&mut std::fs::File::open(&file).unwrap(), &store, true).unwrap();
        restored();
        let opened = Opened::open(&store);
        opened.put(&contact("months", "of work", &["493022222"]));
        opened.close();
        // as the first restore leaves it when it is killed behind the exchange; what was written since is there all the same
        std::fs::File::create(store.join("RESTORING")).unwrap();
        if opened_since {
            assert_eq!(name_in(&store, "months").as_deref(), Some("of work"));
            assert!(!store.join("RESTORING").exists(), "a store that was opened is one");
        }
        // as the second one leaves it when it is killed before the old store has its lasting name
        let old = restored().before.unwrap();
        std::fs::rename(&old, &beside).unwrap();
        std::fs::File::create(store.join("RESTORING")).unwrap();
        assert!(!beside.join("RESTORING").exists(), "the old store doesn't look like one that isn't whole");
        if opened_since {
            assert_eq!(name_in(&store, "ada").as_deref(), Some("from the backup"));
        }
        restored();
        let kept = kept_beside(dir.path());
        assert_eq!((kept.len(), beside.exists()), (2, false), "{kept:?}");
        let names: Vec<_> = kept.iter().filter_map(|old| name_in(old, "months")).collect();
        assert_eq!(names, ["of work"], "opened in between: {opened_since}");
    }
}

#[test]
fn of_two_stores_with_a_mark_neither_is_taken_for_unfinished() {
    let dir = tempfile::tempdir().unwrap();
    let (store, beside) = (dir.path().join("store"), dir.path().join("store.restoring"));
    let file = backed_up(dir.path());
    let opened = Opened::open(&beside);
    opened.put(&contact("months", "of work", &["493022222"]));
    opened.close();
    Opened::open(&store).close();
    for marked in [&store, &beside] {
        std::fs::File::create(marked.join("RESTORING")).unwrap();
    }
    restore(&mut std::fs::File::open(&file).unwrap(), &store, true).unwrap();
    let kept = kept_beside(dir.path());
    let names: Vec<_> = kept.iter().filter_map(|old| name_in(old, "months")).collect();
    assert_eq!((kept.len(), names), (2, vec!["of work".to_owned()]));
    assert_eq!(name_in(&store, "ada").as_deref(), Some("from the backup"));
    assert!(!store.join("RESTORING").exists());
}

#[test]
fn what_a_killed_restore_hadnt_finished_is_removed_and_kept_by_nobody() {
    let dir = tempfile::tempdir().unwrap();
    let (store, beside) = (dir.path().join("store"), dir.path().join("store.restoring"));
    let file = backed_up(dir.path());
    Opened::open(&store).close();
    // in the middle of filling it, and in the middle of removing what was filled
    for left in [&["RESTORING", "db", "conf"][..], &["RESTORING"], &["conf", "STROWGER"], &[]] {
        std::fs::create_dir(&beside).unwrap();
        left.iter().for_each(|name| std::fs::write(beside.join(name), "x").unwrap());
        let before = kept_beside(dir.path());
        let kept = restore(&mut std::fs::File::open(&file).unwrap(), &store, true).unwrap().before.unwrap();
        let new: Vec<_> = kept_beside(dir.path()).into_iter().filter(|old| !before.contains(old)).collect();
        assert_eq!((new, beside.exists()), (vec![kept], false), "{left:?}");
    }
}

#[test]
fn a_compaction_between_a_restore_that_was_cut_and_the_next_one_costs_no_store() {
    let dir = tempfile::tempdir().unwrap();
    let (store, beside) = (dir.path().join("store"), dir.path().join("store.restoring"));
    let file = backed_up(dir.path());
    let opened = Opened::open(&store);
    opened.put(&contact("months", "of work", &["493022222"]));
    opened.close();
    let restored = || restore(&mut std::fs::File::open(&file).unwrap(), &store, true).unwrap();
    // killed between the exchange and the lasting name
    std::fs::rename(restored().before.unwrap(), &beside).unwrap();
    std::fs::File::create(store.join("RESTORING")).unwrap();
    let opened = Opened::open(&store);
    opened.put(&contact("eve", "since", &["493033333"]));
    opened.compact().unwrap();
    // handed over and taken back
    opened.detach().unwrap();
    opened.attach().unwrap();
    opened.close();
    // and what a compaction leaves that is killed behind its exchange
    let old = Opened::open(&super::swap::compacting(&store));
    old.put(&contact("eve", "too old", &["493033333"]));
    old.close();
    restored();
    let kept = kept_beside(dir.path());
    let names = |id| kept.iter().filter_map(|old| name_in(old, id)).collect::<Vec<_>>();
    assert_eq!((kept.len(), names("months"), names("eve")), (2, vec!["of work".to_owned()], vec!["since".to_owned()]));
    assert_eq!(name_in(&store, "ada").as_deref(), Some("from the backup"));
    assert!(!beside.exists() && !super::swap::compacting(&store).exists());
}
