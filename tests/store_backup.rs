//! Backups: of one moment while everything goes on, told from what was tampered with, and restored whole or not at all.

mod support;

use std::fs::File;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};
use strowger::clock::SystemClock;
use strowger::directory::{Contact, ContactNumber};
use strowger::number::{Kind, Number};
use strowger::store::{BackupError, Edit, PlanEdits, Store, StoreError, restore, verify};
use support::Place;

const TENANT: &str = "[[tenant]]\nid = \"default\"\ncountry = \"US\"\n";

fn contact(id: &str, name: &str) -> Contact {
    let number = Number::from_key(Kind::E164, "14155550101").unwrap();
    Contact::of(id, name, vec![ContactNumber::of(number.clone(), number.to_string(), None)])
}

struct Opened {
    store: Store,
    writer: std::thread::JoinHandle<()>,
}

impl Opened {
    fn open(dir: &Path) -> Opened {
        let begun = Instant::now();
        loop {
            match Store::open(dir, Arc::new(SystemClock)) {
                Err(StoreError::Locked(_)) if begun.elapsed() < Duration::from_secs(10) => std::thread::sleep(Duration::from_millis(2)),
                opened => {
                    let (store, writer) = opened.unwrap();
                    return Opened { store, writer: std::thread::spawn(move || writer.run()) };
                }
            }
        }
    }

    fn close(self) {
        self.store.close();
        drop(self.store);
        self.writer.join().unwrap();
    }
}

fn backup(store: &Store) -> Vec<u8> {
    let (mut backup, mut bytes) = (store.backup(), Vec::new());
    while let Some(piece) = backup.next_piece().unwrap() {
        bytes.extend_from_slice(&piece);
    }
    bytes
}

#[test]
fn a_backup_is_of_one_moment_while_edits_plans_and_imports_go_on() {
    let dir = tempfile::tempdir().unwrap();
    let opened = Opened::open(&dir.path().join("store"));
    let store = &opened.store;
    let mut bulk = store.bulk("t", "big");
    (0..3000).for_each(|n| bulk.push(&contact(&format!("big{n}"), &"x".repeat(300))).unwrap());
    bulk.commit("x").unwrap();
    let (stop, acked) = (AtomicBool::new(false), AtomicU64::new(0));
    let going = || !stop.load(Ordering::Relaxed);
    std::thread::scope(|scope| {
        // a pair that is always equal, and one that counts
        scope.spawn(|| {
            for n in 1.. {
                let name = n.to_string();
                let edits = PlanEdits { contacts: vec![contact("left", &name), contact("right", &name)], ..PlanEdits::default() };
                let over = store.undisturbed("pairs", || Ok(())).unwrap().0;
                store.change_plan("pairs", "x", edits, over).unwrap();
                if !going() {
                    break;
                }
            }
        });
        scope.spawn(|| {
            for n in 1.. {
                store.edit("t", "x", Edit::PutContact(contact("count", &n.to_string()))).unwrap();
                acked.store(n, Ordering::SeqCst);
                if !going() {
                    break;
                }
            }
        });
        scope.spawn(|| {
            let mut n = 0;
            while going() {
                let mut bulk = store.bulk("t", "file");
                let name = n.to_string();
                (0..20).for_each(|i| bulk.push(&contact(&format!("file{i}"), &name)).unwrap());
                bulk.commit("x").unwrap();
                n += 1;
            }
        });
        for round in 0..6 {
            std::thread::sleep(Duration::from_millis(150));
            let before = acked.load(Ordering::SeqCst);
            let bytes = backup(store);
            let path = dir.path().join("backup");
            std::fs::write(&path, &bytes).unwrap();
            let other = dir.path().join(format!("other{round}"));
            let restored = restore(&mut File::open(&path).unwrap(), &other, false).unwrap();
            let other = Opened::open(&other);
            assert_eq!(other.store.revision(), restored.held.revision);
            let name = |tenant: &str, id: &str| other.store.contact(tenant, id).unwrap().map(|(_, c)| c.name);
            assert_eq!(name("pairs", "left"), name("pairs", "right"));
            let count: u64 = name("t", "count").unwrap().parse().unwrap();
            assert!(count >= before, "an edit that was acknowledged before the backup began is missing: {count} < {before}");
            let files: std::collections::BTreeSet<_> = (0..20).map(|i| name("t", &format!("file{i}"))).collect();
            assert_eq!(files.len(), 1, "a mixture of imports: {files:?}");
            // the log says the same of the last edit
            let wanted = strowger::store::Wanted::Contact("count".into());
            let last = other.store.history("t", Some(&wanted), u64::MAX, 1).unwrap().next().unwrap().unwrap();
            assert!(format!("{:?}", last.things).contains(&format!("name: \"{count}\"")), "{last:?}");
            let checked = other.store.check().unwrap();
            assert!(checked.is_sound(), "{:?}", checked.problems);
            assert_eq!(other.store.contacts("t", "").filter(|c| c.as_ref().unwrap().1.source == "big").count(), 3000);
            other.close();
        }
        stop.store(true, Ordering::Relaxed);
    });
    opened.close();
}

#[test]
fn a_backup_that_was_tampered_with_or_cut_is_refused_and_nothing_is_restored() {
    let dir = tempfile::tempdir().unwrap();
    let opened = Opened::open(&dir.path().join("store"));
    for n in 0..40 {
        opened.store.edit("t", "x", Edit::PutContact(contact(&format!("c{n}"), &"y".repeat(100 + n)))).unwrap();
    }
    let mut bulk = opened.store.bulk("t", "file");
    (0..200).for_each(|n| bulk.push(&contact(&format!("f{n}"), &"x".repeat(300))).unwrap());
    bulk.commit("x").unwrap();
    let whole = backup(&opened.store);
    opened.close();
    let held = verify(whole.as_slice()).unwrap();
    assert_eq!((held.revision, held.bytes), (41, whole.len() as u64));
    let path = dir.path().join("backup");
    let target = dir.path().join("target");
    let mut restores = 0;
    let mut refused = |bytes: &[u8], what: &str, also_restore: bool| {
        assert!(verify(bytes).is_err(), "{what}");
        if also_restore {
            restores += 1;
            std::fs::write(&path, bytes).unwrap();
            let error = restore(&mut File::open(&path).unwrap(), &target, false).unwrap_err();
            assert!(matches!(error, BackupError::Damaged(_) | BackupError::NoBackup), "{what}: {error}");
            assert!(!target.exists() && !dir.path().join("target.restoring").exists(), "{what}");
        }
    };
    for at in (0..whole.len()).step_by(97) {
        let mut bytes = whole.clone();
        bytes[at] ^= 1 << (at % 8);
        refused(&bytes, &format!("a bit of byte {at}"), at % 5 == 0);
    }
    for at in (0..whole.len()).step_by(4096).chain(whole.len() - 60..whole.len()) {
        refused(&whole[..at], &format!("cut at {at}"), at % 3 == 0);
    }
    refused(&[whole.as_slice(), b"x"].concat(), "more at its end", true);
    refused(b"", "nothing", true);
    // a piece that is missing whole, its checksum with it
    let first = 16 + 5 + u32::from_be_bytes(whole[17..21].try_into().unwrap()) as usize + 4;
    let second = first + 5 + u32::from_be_bytes(whole[first + 1..first + 5].try_into().unwrap()) as usize + 4;
    refused(&[&whole[..first], &whole[second..]].concat(), "a chunk is missing", true);
    assert!(restores > 10);
    std::fs::write(&path, &whole).unwrap();
    restore(&mut File::open(&path).unwrap(), &target, false).unwrap();
}

#[test]
fn a_backup_of_a_newer_version_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let opened = Opened::open(&dir.path().join("store"));
    let whole = backup(&opened.store);
    opened.close();
    let schema = format!("\"schema\":{}", strowger::store::SCHEMA);
    let at = whole.windows(schema.len()).position(|w| w == schema.as_bytes()).unwrap();
    let mut newer = whole.clone();
    newer[at + schema.len() - 1] = b'9';
    let end = 16 + 5 + u32::from_be_bytes(whole[17..21].try_into().unwrap()) as usize;
    let crc = crc32fast::hash(&newer[16..end]).to_be_bytes();
    newer[end..end + 4].copy_from_slice(&crc);
    assert!(matches!(verify(newer.as_slice()), Err(BackupError::Newer { schema: 9, .. })));
}

#[test]
fn the_command_line_backs_up_a_running_server_and_restores_when_it_is_gone() {
    let place = Place::new(TENANT);
    let server = place.serve(&[]);
    place.done(&["contact", "set", "a", "--name", "One", "--number", "+14155550101"]);
    let file = place.path().join("backup").display().to_string();
    let said = place.done(&["store", "backup", &file]);
    assert!(said.err.contains("journal"), "{said:?}");
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(place.done(&["store", "verify", &file, "--json"]).json()["revision"], 1);
    let piped = place.command(&["store", "backup", "-"]).output().unwrap();
    assert_eq!(verify(piped.stdout.as_slice()).unwrap().revision, 1);
    place.done(&["contact", "set", "a", "--name", "Two", "--number", "+14155550101"]);
    assert!(place.done(&["store", "check"]).out.contains("sound"));
    let said = place.run(&["store", "restore", &file, "--force"]);
    assert_eq!(said.code, Some(4), "{said:?}");
    assert!(said.err.contains("a server runs"), "{said:?}");
    drop(server);
    let said = place.run(&["store", "restore", &file]);
    assert_eq!(said.code, Some(4), "{said:?}");
    assert!(said.err.contains("--force"), "{said:?}");
    assert!(place.done(&["contact", "show", "a"]).out.contains("Two"));
    let said = place.done(&["store", "restore", &file, "--force", "--json"]).json();
    let before = said["before"].as_str().unwrap().to_owned();
    assert!(place.done(&["contact", "show", "a"]).out.contains("One"));
    // history came along, and the old store is whole
    assert_eq!(place.done(&["contact", "history", "a", "--json"]).json()["changes"].as_array().unwrap().len(), 1);
    let old = Opened::open(Path::new(&before));
    assert_eq!(old.store.contact("default", "a").unwrap().unwrap().1.name, "Two");
    old.close();
    // another machine has nothing yet
    let other = Place::new(TENANT);
    other.done(&["store", "restore", &file]);
    assert!(other.done(&["contact", "show", "a"]).out.contains("One"));
    assert_eq!(other.run(&["store", "verify", "/dev/null"]).code, Some(2));
}

#[test]
fn a_restore_that_is_killed_at_any_moment_leaves_the_old_store_or_the_new_one() {
    let place = Place::new(TENANT);
    place.done(&["contact", "set", "a", "--name", "new", "--number", "+14155550101"]);
    let rows: String = (0..2000).map(|n| format!("n{n},name,+1415{n:07}\n")).collect();
    let csv = place.file("file.csv", format!("id,name,number\n{rows}"));
    place.done(&["contact", "import", &csv]);
    let file = place.path().join("backup").display().to_string();
    place.done(&["store", "backup", &file]);
    let begun = Instant::now();
    place.done(&["store", "restore", &file, "--force"]);
    let whole = begun.elapsed();
    let mut seen = [0, 0];
    for round in 0..20u32 {
        place.done(&["contact", "set", "a", "--name", "old", "--number", "+14155550101"]);
        let mut child = place.command(&["store", "restore", &file, "--force"]).stdout(Stdio::null()).spawn().unwrap();
        std::thread::sleep(whole * round / 8);
        let _ = child.kill();
        let _ = child.wait();
        let said = place.done(&["contact", "show", "a", "--json"]).json();
        let is_new = said["name"] == "new";
        assert!(is_new || said["name"] == "old", "{said:?}");
        assert!(place.done(&["store", "check"]).out.contains("sound"));
        seen[usize::from(is_new)] += 1;
    }
    println!("killed in the middle: {} old, {} new", seen[0], seen[1]);
    place.done(&["store", "restore", &file, "--force"]);
    assert!(!place.data().join("store.restoring").exists());
}
