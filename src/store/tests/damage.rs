//! Files that were cut, emptied, lost or changed behind our back: an error that says so, or everything is there.

use super::things::{item, keys};
use super::*;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// What lies in the store that the tests damage: an import, a plan, and edits beside them.
fn wanted(note_bytes: usize) -> Vec<(u64, Contact)> {
    let mut all: Vec<_> = (0..300).map(|n| (1, contact(&format!("c{n:03}"), &format!("Name {n}"), &[&format!("4930{n:06}")]))).collect();
    all.iter_mut().for_each(|c| c.1.source = "file".into());
    all.extend((0..30u64).map(|n| (n + 3, contact(&format!("e{n:03}"), "By hand", &["4930123456"]))));
    all.iter_mut().for_each(|c| c.1.note = Some(c.1.id.repeat(note_bytes / 4)));
    all
}

/// A plan that is too large for one record.
fn plan() -> Vec<PlanItem> {
    let mut plan: Vec<PlanItem> = keys().iter().map(|key| item(key, 1)).collect();
    plan.sort_by_key(PlanItem::key);
    plan
}

fn plan_in(store: &Store) -> Result<Vec<PlanItem>, StoreError> {
    let mut found = Vec::new();
    for sort in PlanSort::ALL {
        found.extend(store.items("t", sort, None, usize::MAX)?.into_iter().map(|item| item.with_revision(0)));
    }
    found.sort_by_key(PlanItem::key);
    Ok(found)
}

fn make(dir: &Path, note_bytes: usize) {
    let wanted = wanted(note_bytes);
    let opened = Opened::open(dir);
    opened.import("file", &wanted[..300].iter().map(|c| c.1.clone()).collect::<Vec<_>>());
    let puts = plan();
    assert!(opened.change_plan("t", "ada", PlanEdits { puts, ..PlanEdits::default() }, 1).unwrap().is_some());
    for (_, c) in &wanted[300..] {
        opened.put(c);
    }
    opened.close();
    // once more, for the files that the engine writes at its second open
    Opened::open(dir).close();
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &to.join(entry.file_name()));
        } else {
            fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
        }
    }
}

fn bytes_of(dir: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut files: Vec<_> = fs::read_dir(dir).unwrap().map(|e| e.unwrap().path()).filter(|p| p.is_file()).collect();
    files.sort();
    files.into_iter().map(|p| (p.clone(), fs::read(p).unwrap())).collect()
}

/// How a damaged store presents itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Found {
    /// It doesn't open, and says that it is damaged.
    Refused,
    /// It opens, and says that it is damaged when it is read.
    Noticed,
    /// Nothing is missing.
    Whole,
    /// It opens, and something is missing and nobody says so.
    LostSilently,
}

fn look(dir: &Path, wanted: &[(u64, Contact)]) -> Found {
    let opened = match Opened::try_open(dir) {
        Err(StoreError::Corrupt { .. }) => {
            // and it stays so: what the engine found to be missing isn't forgotten
            assert!(matches!(Opened::try_open(dir).err(), Some(StoreError::Corrupt { .. })));
            return Found::Refused;
        }
        Err(other) => panic!("neither refused as damaged nor opened: {other}"),
        Ok(opened) => opened,
    };
    until("the snapshot stands or is given up", || opened.snapshot_stands() || opened.status().failed.is_some());
    let contacts: Result<Vec<_>, _> = opened.contacts("t", "").collect();
    let changes: Result<Vec<_>, _> = opened.changes(0).collect();
    let found = match (contacts, changes, plan_in(&opened)) {
        _ if opened.status().failed.is_some() => Found::Noticed,
        (Ok(contacts), Ok(changes), Ok(found)) if contacts == wanted && changes.len() == 32 && found == plan() => Found::Whole,
        (Ok(_), Ok(_), Ok(_)) => Found::LostSilently,
        _ => Found::Noticed,
    };
    opened.close();
    found
}

/// Some kilobytes: all in one of the engine's segments, which it reads whole at open.
const SMALL: usize = 0;
/// Several segments, most of which it doesn't read at open.
const LARGE: usize = 24_000;

/// Damages copies of one store, each in its way, and says what became of them.
fn damaged<T: std::fmt::Debug>(note_bytes: usize, ways: impl IntoIterator<Item = T>, damage: impl Fn(&T, &Path)) -> Vec<Found> {
    let dir = tempfile::tempdir().unwrap();
    let whole = dir.path().join("whole");
    make(&whole, note_bytes);
    let wanted = wanted(note_bytes);
    let mut found = Vec::new();
    for (n, way) in ways.into_iter().enumerate() {
        let copied = dir.path().join(n.to_string());
        copy(&whole, &copied);
        damage(&way, &copied);
        let what = catch_unwind(AssertUnwindSafe(|| look(&copied, &wanted))).unwrap_or_else(|_| panic!("see above: {way:?}"));
        assert_ne!(what, Found::LostSilently, "{way:?}");
        fs::remove_dir_all(&copied).unwrap();
        found.push(what);
    }
    found
}

/// The database's length without the zeros at its end.
fn used(db: &Path) -> u64 {
    fs::read(db).unwrap().iter().rposition(|b| *b != 0).unwrap() as u64 + 1
}

fn cut(dir: &Path, of: u64, parts: u64) {
    let db = dir.join("db");
    let len = used(&db) * of / parts;
    fs::File::options().write(true).open(db).unwrap().set_len(len).unwrap();
}

fn flip(dir: &Path, of: u64, parts: u64) {
    let db = dir.join("db");
    let at = (used(&db) * of / parts) as usize;
    let mut bytes = fs::read(&db).unwrap();
    bytes[at..at + 16].iter_mut().for_each(|b| *b ^= 0x5a);
    fs::write(db, bytes).unwrap();
}

#[test]
fn a_database_that_was_cut_short_is_refused() {
    assert_eq!(damaged(SMALL, 1..40, |n, dir| cut(dir, *n, 40)), vec![Found::Refused; 39]);
    assert_eq!(damaged(LARGE, 1..10, |n, dir| cut(dir, *n, 10)), vec![Found::Refused; 9]);
}

#[test]
fn flipped_bytes_are_noticed_or_do_no_harm() {
    let found = damaged(SMALL, 0..40, |n, dir| flip(dir, *n, 40));
    assert!(found.iter().filter(|f| **f != Found::Whole).count() > 20, "{found:?}");
    // most of a large store's file is what later writes have replaced
    let found = damaged(LARGE, 0..60, |n, dir| flip(dir, *n, 60));
    assert!(found.iter().any(|f| *f != Found::Whole), "{found:?}");
}

#[test]
fn a_file_that_is_missing_or_empty_or_nonsense_is_noticed_or_does_no_harm() {
    let names = ["db", "conf", "STROWGER", "snap"];
    for note_bytes in [SMALL, LARGE] {
        let ways = names.iter().flat_map(|name| ["missing", "empty", "nonsense"].map(|way| (*name, way)));
        let found = damaged(note_bytes, ways, |(name, way), dir| {
            for file in fs::read_dir(dir).unwrap().map(|e| e.unwrap()) {
                if file.file_name().to_string_lossy().starts_with(name) {
                    match *way {
                        "missing" => fs::remove_file(file.path()).unwrap(),
                        "empty" => fs::write(file.path(), "").unwrap(),
                        _ => fs::write(file.path(), [0x5a; 5000]).unwrap(),
                    }
                }
            }
        });
        assert_eq!(found[..3], [Found::Refused; 3], "the database");
    }
}

#[test]
fn a_database_from_an_older_copy_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let (store, old) = (dir.path().join("store"), dir.path().join("old"));
    make(&store, SMALL);
    copy(&store, &old);
    let opened = Opened::open(&store);
    opened.put(&contact("new", "New", &["4930123456"]));
    // before it is closed: what was noted once the writer had nothing to do must be enough
    until("the marker knows it", || Marker::read(&store, SCHEMA).unwrap().unwrap().revision == 33);
    fs::copy(store.join("STROWGER"), old.join("STROWGER")).unwrap();
    opened.close();
    assert!(matches!(Opened::try_open(&old).err(), Some(StoreError::Corrupt { .. })));
}

#[test]
fn a_store_of_a_newer_version_is_refused_and_left_as_it_lies() {
    let dir = tempfile::tempdir().unwrap();
    make(dir.path(), SMALL);
    let newer = format!("schema {}\nrevision 5\n", SCHEMA + 1);
    for text in [newer.as_str(), "schema 99999999999999\nrevision 5\n", "schema 7\nsomething new\n"] {
        fs::write(dir.path().join("STROWGER"), text).unwrap();
        let before = bytes_of(dir.path());
        let refused = Opened::try_open(dir.path()).err();
        assert!(matches!(refused, Some(StoreError::Newer { found: 4.., known: SCHEMA, .. })), "{refused:?}");
        assert!(before == bytes_of(dir.path()), "{text:?}");
    }
}

#[test]
fn a_log_with_a_hole_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    for hole in [1u64, 15, 30] {
        let store = dir.path().join(hole.to_string());
        make(&store, SMALL);
        let engine = engine_of(&store);
        engine.remove(Space::Log, &hole.to_be_bytes()).unwrap();
        engine.sync().unwrap();
        drop(engine);
        let refused = Opened::try_open(&store).err();
        assert!(matches!(&refused, Some(StoreError::Corrupt { what, .. }) if what.contains("change log")), "{refused:?}");
    }
}

#[test]
fn an_import_that_lacks_a_block_is_noticed() {
    let dir = tempfile::tempdir().unwrap();
    make(dir.path(), SMALL);
    let engine = engine_of(dir.path());
    let block = engine.scan(Space::Block, &[], &[]).nth(7).unwrap().unwrap().0;
    engine.remove(Space::Block, &block).unwrap();
    engine.sync().unwrap();
    drop(engine);
    assert_eq!(look(dir.path(), &wanted(SMALL)), Found::Noticed);
}
