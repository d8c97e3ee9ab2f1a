//! The store as a whole, from inside. What needs another process is in `tests/store_*.rs`.

mod damage;
mod full;
mod hand_over;
mod import;
mod imported;
mod keeping;
mod model;
mod plan;
mod things;

use super::*;
use crate::clock::FixedClock;
use crate::directory::ContactNumber;
use crate::number::{Kind, Number};
use crate::routing::{Action, Data, Prefix, Step};
use std::path::Path;
use std::sync::atomic::Ordering;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// An open store and its writer.
struct Opened {
    store: Store,
    writer: JoinHandle<()>,
}

impl Deref for Opened {
    type Target = Store;
    fn deref(&self) -> &Store {
        &self.store
    }
}

impl Opened {
    fn try_open(dir: &Path) -> Result<Opened, StoreError> {
        let (store, writer) = unlocked(|| Store::open(dir, Arc::new(FixedClock(1))))?;
        let writer = std::thread::spawn(move || writer.with_snapshot().run());
        Ok(Opened { store, writer })
    }

    fn open(dir: &Path) -> Opened {
        let opened = Opened::try_open(dir).unwrap();
        until("the snapshot stands", || opened.snapshot_stands());
        opened
    }

    fn close(self) {
        self.store.close();
        drop(self.store);
        self.writer.join().unwrap();
    }

    fn put(&self, contact: &Contact) -> EditOutcome {
        self.edit("t", "ada", Edit::PutContact(contact.clone())).unwrap()
    }

    fn import(&self, source: &str, contacts: &[Contact]) -> BulkOutcome {
        let mut bulk = self.bulk("t", source);
        contacts.iter().for_each(|c| bulk.push(c).unwrap());
        bulk.commit("ada").unwrap()
    }

    /// Who the disk and the snapshot say has a number; they must agree.
    fn caller(&self, digits: &str) -> Option<String> {
        let number = e164(digits);
        let on_disk = self.on_disk("t", |d| d.caller(&number)).unwrap();
        let in_snapshot = self.in_snapshot("t", |d| d.caller(&number)).unwrap().unwrap();
        assert_eq!(on_disk, in_snapshot);
        on_disk.map(|c| c.contact)
    }

    fn blocks(&self) -> usize {
        self.shared.durable.engine.scan(Space::Block, &[], &[]).count()
    }
}

/// Opens what a test has just dropped: the engine may let go of its lock on a thread of its own.
fn unlocked<T>(open: impl Fn() -> Result<T, StoreError>) -> Result<T, StoreError> {
    let begun = Instant::now();
    loop {
        match open() {
            Err(StoreError::Locked(_)) if begun.elapsed() < Duration::from_secs(10) => std::thread::sleep(Duration::from_millis(2)),
            opened => return opened,
        }
    }
}

/// The database of a store that nobody has open.
fn engine_of(dir: &Path) -> Engine {
    unlocked(|| Engine::open(dir, Space::NAMES)).unwrap()
}

fn until(what: &str, mut done: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !done() {
        assert!(begun.elapsed() < Duration::from_secs(30), "waited for long: {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

fn e164(digits: &str) -> Number {
    Number::from_key(Kind::E164, digits).unwrap()
}

fn contact_with(id: &str, name: &str, numbers: &[Number]) -> Contact {
    Contact::of(id, name, numbers.iter().map(|n| ContactNumber::of(n.clone(), n.to_string(), None)).collect())
}

fn contact(id: &str, name: &str, digits: &[&str]) -> Contact {
    contact_with(id, name, &digits.iter().map(|d| e164(d)).collect::<Vec<_>>())
}

fn route(key: RouteKey, word: &str) -> Route {
    Route::of(key, vec![Step::of(Action::Voicemail(word.into()))])
}

#[test]
fn an_acknowledged_edit_is_what_the_next_call_sees() {
    let dir = tempfile::tempdir().unwrap();
    let opened = Opened::open(dir.path());
    for round in 0..30 {
        let outcome = opened.put(&contact("ada", &format!("Ada {round}"), &["4930123456"]));
        let seen = opened.in_snapshot("t", |d| (d.revision(), d.caller(&e164("4930123456")))).unwrap();
        assert_eq!(seen.0, outcome.revision);
        assert_eq!(seen.1.unwrap().unwrap().name, format!("Ada {round}"));
    }
    opened.close();
}

#[test]
fn an_edit_that_changes_nothing_has_no_revision() {
    let dir = tempfile::tempdir().unwrap();
    let opened = Opened::open(dir.path());
    assert_eq!(opened.put(&contact("ada", "Ada", &["4930123456"])), EditOutcome { revision: 1, existed: false, changed: true });
    assert_eq!(opened.put(&contact("ada", "Ada", &["4930123456"])), EditOutcome { revision: 1, existed: true, changed: false });
    let gone = opened.edit("t", "ada", Edit::RemoveContact("nobody".into())).unwrap();
    assert_eq!(gone, EditOutcome { revision: 1, existed: false, changed: false });
    let default = route(RouteKey::Default, "a");
    assert!(opened.edit("t", "ada", Edit::PutRoute(default.clone())).unwrap().changed);
    assert!(!opened.edit("t", "ada", Edit::PutRoute(default)).unwrap().changed);
    assert_eq!(opened.routes("t", None, usize::MAX).unwrap()[0].revision, 2);
    opened.close();
}

#[test]
fn one_tenant_never_sees_what_is_anothers() {
    let dir = tempfile::tempdir().unwrap();
    let opened = Opened::open(dir.path());
    for tenant in ["t", "t-2", "t0"] {
        let mut bulk = opened.bulk(tenant, "s");
        bulk.push(&contact("ada", tenant, &["4930123456"])).unwrap();
        bulk.commit("ada").unwrap();
        opened.edit(tenant, "ada", Edit::PutRoute(route(RouteKey::Default, tenant))).unwrap();
    }
    opened.edit("t-2", "ada", Edit::RemoveContact("ada".into())).unwrap();
    for tenant in ["t", "t0"] {
        assert_eq!(opened.contact(tenant, "ada").unwrap().unwrap().1.name, tenant);
        assert_eq!(opened.contacts(tenant, "").count(), 1);
        assert_eq!(
            opened.routes(tenant, None, usize::MAX).unwrap(),
            [Route { revision: opened.routes(tenant, None, usize::MAX).unwrap()[0].revision, ..route(RouteKey::Default, tenant) }]
        );
    }
    assert_eq!(opened.contacts("t-2", "").count(), 0);
    assert_eq!(opened.tenants().unwrap().into_iter().collect::<Vec<_>>(), ["t", "t-2", "t0"]);
    opened.close();
}

#[test]
fn what_cant_be_a_key_never_becomes_one() {
    let dir = tempfile::tempdir().unwrap();
    let opened = Opened::open(dir.path());
    for tenant in ["", "T", "a\0b", "a/b"] {
        let refused = opened.edit(tenant, "ada", Edit::PutContact(contact("ada", "Ada", &["4930123456"])));
        assert!(matches!(refused, Err(StoreError::NotAKey(_))), "{tenant:?}: {refused:?}");
        let mut bulk = opened.bulk(tenant, "s");
        bulk.push(&contact("ada", "Ada", &["4930123456"])).unwrap();
        assert!(matches!(bulk.commit("ada"), Err(StoreError::NotAKey(_))), "{tenant:?}");
    }
    for id in ["", "a\0b", &"x".repeat(300)] {
        let refused = opened.edit("t", "ada", Edit::PutContact(contact(id, "Ada", &["4930123456"])));
        assert!(matches!(refused, Err(StoreError::NotAKey(_))), "{id:?}: {refused:?}");
        assert!(matches!(opened.bulk("t", "s").push(&contact(id, "Ada", &["4930123456"])), Err(StoreError::NotAKey(_))), "{id:?}");
    }
    assert_eq!(opened.revision(), 0);
    opened.close();
}

#[test]
fn the_change_log_keeps_the_newest_changes_and_no_more() {
    let dir = tempfile::tempdir().unwrap();
    let opened = Opened::open(dir.path());
    for round in 1..=100 {
        opened.put(&contact("ada", &format!("Ada {round}"), &["4930123456"]));
    }
    let revisions: Vec<u64> = opened.changes(0).map(|c| c.unwrap().revision).collect();
    assert_eq!(revisions, (100 - writer::LOG_CHANGES_MAX + 1..=100).collect::<Vec<_>>());
    opened.close();
    let opened = Opened::open(dir.path());
    assert_eq!(opened.revision(), 100);
    opened.close();
}

#[test]
fn a_closed_store_answers_calls_and_refuses_edits() {
    let dir = tempfile::tempdir().unwrap();
    let Opened { store, writer } = Opened::open(dir.path());
    store.edit("t", "ada", Edit::PutContact(contact("ada", "Ada", &["4930123456"]))).unwrap();
    store.close();
    writer.join().unwrap();
    let name = store.in_snapshot("t", |d| d.caller(&e164("4930123456"))).unwrap().unwrap().unwrap().name;
    assert_eq!(name, "Ada");
    assert!(matches!(store.edit("t", "ada", Edit::RemoveContact("ada".into())), Err(StoreError::Closed)));
}

#[test]
fn edits_from_many_threads_are_all_there() {
    let dir = tempfile::tempdir().unwrap();
    let opened = Opened::open(dir.path());
    std::thread::scope(|scope| {
        for thread in 0..8 {
            let store = opened.store.clone();
            scope.spawn(move || {
                for n in 0..20 {
                    let id = format!("c{thread}-{n}");
                    store.edit("t", "ada", Edit::PutContact(contact(&id, &id, &["4930123456", &format!("49301{thread}{n:02}")]))).unwrap();
                }
            });
        }
    });
    assert_eq!(opened.revision(), 160);
    opened.close();
    let opened = Opened::open(dir.path());
    assert_eq!(opened.contacts("t", "").filter(|c| c.is_ok()).count(), 160);
    assert_eq!(opened.contacts_with("t", &e164("4930123456")).unwrap().len(), 160);
    opened.close();
}

#[test]
fn records_that_the_engine_keeps_in_files_of_their_own_are_synced_and_read_back() {
    let dir = tempfile::tempdir().unwrap();
    let opened = Opened::open(dir.path());
    let long = |n: usize, round: usize| Contact {
        note: Some(format!("{round}{n:03}").repeat(4000)),
        ..contact(&format!("id-{n}"), "Long", &["4930123456"])
    };
    for round in 0..3 {
        for n in 0..60 {
            assert!(opened.put(&long(n, round)).changed);
        }
    }
    let blobs: Vec<_> = std::fs::read_dir(dir.path().join("blobs")).unwrap().map(|f| f.unwrap().file_name()).collect();
    assert!(!blobs.is_empty(), "records of 16 kB don't fit into a page");
    // the engine may have removed some since; one that is there and isn't synced would be lost in a power cut
    assert!(blobs.iter().all(|name| opened.shared.durable.engine.has_synced_blob(name)), "{blobs:?}");
    opened.close();
    let opened = Opened::open(dir.path());
    assert!((0..60).all(|n| opened.contact("t", &format!("id-{n}")).unwrap().unwrap().1 == long(n, 2)));
    opened.close();
}
