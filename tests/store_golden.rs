//! Stores of every schema that was ever released are read by this version.

#[path = "golden/store_1.rs"]
#[allow(dead_code)] // what is only used to make it
mod store_1;

#[path = "golden/store_2.rs"]
#[allow(dead_code)] // what is only used to make it
mod store_2;

#[path = "golden/store_3.rs"]
#[allow(dead_code)] // what is only used to make it
mod store_3;

use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;
use store_1::{AT_US, REVISION, contacts, number, of_work, routes, screens, users};
use strowger::clock::SystemClock;
use strowger::number::Kind;
use strowger::routing::{List, PlanItem, RouteKey, ScreenKey};
use strowger::store::{Change, PlanEdits, PlanSort, SCHEMA, Store};

fn unpack(name: &str, into: &Path) {
    let archive = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(format!("{name}.tar.gz"));
    let tar = Command::new("tar").arg("-C").arg(into).args(["--no-same-owner", "-xzf"]).arg(archive).status().unwrap();
    assert!(tar.success());
}

#[test]
fn every_schema_has_its_golden_store() {
    for schema in 1..=SCHEMA {
        let archive = format!("{}/tests/golden/store-{schema}.tar.gz", env!("CARGO_MANIFEST_DIR"));
        assert!(Path::new(&archive).exists(), "{archive}");
    }
}

#[test]
fn a_store_of_schema_1_is_read_value_by_value() {
    let dir = tempfile::tempdir().unwrap();
    unpack("store-1", dir.path());
    let (store, writer) = Store::open(&dir.path().join("store-1"), Arc::new(SystemClock)).unwrap();
    let writer = std::thread::spawn(move || writer.with_snapshot().run());
    while !store.snapshot_stands() {
        assert_eq!(store.status().failed, None);
        std::thread::sleep(Duration::from_millis(1));
    }
    assert_eq!(store.revision(), REVISION);
    assert_eq!(store.tenants().unwrap().into_iter().collect::<Vec<_>>(), ["home", "work"]);
    let read = |tenant: &str| store.contacts(tenant, "").map(|c| c.unwrap()).collect::<Vec<_>>();
    assert_eq!(read("home"), contacts());
    assert_eq!(read("work"), [of_work()]);
    for (revision, contact) in contacts() {
        assert_eq!(store.contact("home", &contact.id).unwrap(), Some((revision, contact.clone())));
        for number in contact.numbers {
            let with = store.contacts_with("home", &number.number).unwrap();
            let mut wanted: Vec<_> = contacts().into_iter().filter(|(_, c)| c.numbers.iter().any(|n| n.number == number.number)).collect();
            wanted.sort_by_key(|(revision, _)| std::cmp::Reverse(*revision));
            assert_eq!(with, wanted);
            let names = |data: &dyn strowger::routing::Data| data.caller(&number.number).unwrap().unwrap();
            for caller in [store.on_disk("home", names), store.in_snapshot("home", names).unwrap()] {
                assert_eq!((caller.contact, caller.name), (wanted[0].1.id.clone(), wanted[0].1.name.clone()));
            }
        }
    }
    let gone = number(Kind::E164, "14155550005");
    assert!(store.in_snapshot("home", |d| d.caller(&gone)).unwrap().unwrap().is_none());
    read_rules(&store);
    read_users(&store);
    read_log(&store);
    // what is written to it from now on an older program couldn't read
    let marker = std::fs::read_to_string(dir.path().join("store-1/STROWGER")).unwrap();
    assert!(marker.contains(&format!("schema {SCHEMA}\n")), "{marker}");
    // and it takes what it couldn't hold before
    let edits = PlanEdits { puts: store_2::plan(), ..PlanEdits::default() };
    let (over, _) = store.undisturbed("home", || Ok(())).unwrap();
    assert_eq!(store.change_plan("home", "ada", edits, over).unwrap().map(|done| done.revision), Some(REVISION + 1));
    store.close();
    drop(store);
    writer.join().unwrap();
    // where it lies
    let (store, _writer) = Store::open(&dir.path().join("store-1"), Arc::new(SystemClock)).unwrap();
    assert_eq!(store.items("home", PlanSort::Group, None, usize::MAX).unwrap().len(), 7);
    assert_eq!(store.contacts("home", "").map(|c| c.unwrap()).collect::<Vec<_>>(), contacts());
}

#[test]
fn a_store_of_schema_2_is_read_thing_by_thing() {
    let dir = tempfile::tempdir().unwrap();
    unpack("store-2", dir.path());
    let (store, writer) = Store::open(&dir.path().join("store-2"), Arc::new(SystemClock)).unwrap();
    let writer = std::thread::spawn(move || writer.with_snapshot().run());
    while !store.snapshot_stands() {
        assert_eq!(store.status().failed, None);
        std::thread::sleep(Duration::from_millis(1));
    }
    assert_eq!(store.revision(), store_2::REVISION);
    let all = |tenant: &str| -> Vec<PlanItem> {
        PlanSort::ALL.into_iter().flat_map(|sort| store.items(tenant, sort, None, usize::MAX).unwrap()).collect()
    };
    let mut wanted: Vec<PlanItem> = store_2::plan().into_iter().map(|item| item.with_revision(2)).collect();
    wanted.push(store_2::edited().with_revision(3));
    wanted.sort_by_key(PlanItem::key);
    let mut found = all("home");
    found.sort_by_key(PlanItem::key);
    assert_eq!(found, wanted);
    assert_eq!(all("work"), (0..store_2::BLOCKED).map(store_2::blocked).collect::<Vec<_>>());
    let look = |data: &dyn strowger::routing::Data| {
        for item in &wanted {
            match item {
                PlanItem::Group(group) => assert_eq!(data.group(&group.id).unwrap().as_deref(), Some(group)),
                PlanItem::Schedule(hours) => assert_eq!(data.schedule(&hours.id).unwrap().unwrap().schedule(), hours),
                PlanItem::Extension(e) => assert_eq!(data.extension(&e.number).unwrap().as_deref(), Some(e)),
                PlanItem::Trunk(trunk) => assert!(data.trunks().unwrap().iter().any(|t| **t == *trunk)),
                PlanItem::Limit(limit) => assert_eq!(data.limit(limit.class, limit.scope).unwrap().as_ref(), Some(limit)),
                PlanItem::Route(route) => assert_eq!(data.route(&route.key).unwrap().as_deref(), Some(route)),
                PlanItem::Screen(screen) => assert_eq!(data.screen(screen.list, &screen.key).unwrap().as_deref(), Some(screen)),
                PlanItem::User(_) => unreachable!("there is none"),
            }
        }
    };
    store.on_disk("home", look);
    store.in_snapshot("home", look).unwrap();
    let changes: Vec<Change> = store.changes(0).map(|c| c.unwrap()).collect();
    let said = |c: &Change| (c.revision, c.who.clone(), c.tenant.clone(), store.entries_of(c).unwrap().map(|e| e.len() as u64));
    let of_plan = Some(store_2::plan().len() as u64);
    let wanted = [(1, "ada", "home", Some(1)), (2, "ada", "home", of_plan), (3, "ada", "home", Some(1)), (4, "bob", "work", Some(3000))];
    let wanted = wanted.map(|(revision, who, tenant, entries)| (revision, who.to_owned(), tenant.to_owned(), entries));
    assert_eq!(changes.iter().map(said).collect::<Vec<_>>(), wanted);
    assert!(changes[1].staged.is_none() && changes[3].staged.is_some(), "one of each sort");
    store.close();
    drop(store);
    writer.join().unwrap();
}

#[test]
fn a_store_of_schema_3_is_read_contact_by_contact() {
    let dir = tempfile::tempdir().unwrap();
    unpack("store-3", dir.path());
    let (store, writer) = Store::open(&dir.path().join("store-3"), Arc::new(SystemClock)).unwrap();
    let writer = std::thread::spawn(move || writer.with_snapshot().run());
    while !store.snapshot_stands() {
        assert_eq!(store.status().failed, None);
        std::thread::sleep(Duration::from_millis(1));
    }
    assert_eq!(store.revision(), store_3::REVISION);
    let mut wanted = store_3::contacts();
    wanted.sort_by(|a, b| a.1.id.cmp(&b.1.id));
    assert_eq!(store.contacts("home", "").map(|c| c.unwrap()).collect::<Vec<_>>(), wanted);
    let look = |data: &dyn strowger::routing::Data| {
        for (digits, callee, wanted) in store_3::callers() {
            let callee = callee.map(store_3::extension);
            let known = data.known(&store_3::e164(digits), callee.as_ref(), 1).unwrap();
            let found = known.names.first().map(|c| c.contact.as_str()).zip(known.by);
            assert_eq!(found, wanted, "{digits} for {callee:?}");
        }
        let telephone = store_3::telephone();
        let stored = data.extension(&telephone.number).unwrap().unwrap();
        assert_eq!(*stored, strowger::routing::Extension { revision: store_3::REVISION, ..telephone });
    };
    store.on_disk("home", look);
    store.in_snapshot("home", look).unwrap();
    store.close();
    drop(store);
    writer.join().unwrap();
}

fn read_rules(store: &Store) {
    let mut found = store.routes("home", None, usize::MAX).unwrap();
    found.sort_by_key(|r| r.revision);
    assert_eq!(found, routes());
    let page = |list| store.screens("home", list, None, usize::MAX).unwrap();
    let found = [page(List::Allow), page(List::Block)].concat();
    assert_eq!(found.len(), screens().len());
    assert!(screens().iter().all(|s| found.contains(s)), "{found:?}");
    let look = |data: &dyn strowger::routing::Data| {
        for route in routes() {
            assert_eq!(data.route(&route.key).unwrap().as_deref(), Some(&route));
        }
        assert!(data.route(&RouteKey::Number(number(Kind::FeatureCode, "*21"))).unwrap().is_none());
        assert_eq!(data.route_by_prefix(&number(Kind::E164, "14155550000")).unwrap().as_deref(), Some(&routes()[1]));
        assert_eq!(data.route_by_prefix(&number(Kind::Extension, "0101")).unwrap().as_deref(), Some(&routes()[2]));
        for screen in screens() {
            if let ScreenKey::Number(number) = &screen.key {
                assert_eq!(data.screen_number(screen.list, number).unwrap().as_deref(), Some(&screen));
            }
        }
        let by_prefix = data.screen_number(List::Block, &number(Kind::E164, "8829999999")).unwrap();
        assert_eq!(by_prefix.as_deref(), Some(&screens()[1]));
        assert!(data.screen(List::Block, &ScreenKey::Withheld).unwrap().is_none());
    };
    store.on_disk("home", look);
    store.in_snapshot("home", look).unwrap();
}

fn read_users(store: &Store) {
    assert_eq!(store.users("home", None, None, usize::MAX).unwrap(), users());
    let look = |data: &dyn strowger::routing::Data| {
        for (_, user) in users() {
            assert!(data.has_domain(&user.domain).unwrap());
            assert_eq!(data.user(&user.domain, &user.extension).unwrap().as_deref(), Some(&user));
        }
        assert!(data.user("pbx.example.com", "anna.b").unwrap().is_none());
    };
    store.on_disk("home", look);
    store.in_snapshot("home", look).unwrap();
    let secrets: Vec<String> = users().iter().map(|(_, user)| user.a1_hash.reveal()).collect();
    assert_eq!(secrets, ["93cd305253e79bdc7204526e2a6b76b0", "ab2ef2f30e380123ce5cc28ef5592198"]);
}

fn read_log(store: &Store) {
    let changes: Vec<Change> = store.changes(0).map(|c| c.unwrap()).collect();
    assert_eq!(changes.iter().map(|c| c.revision).collect::<Vec<_>>(), (1..=REVISION).collect::<Vec<_>>());
    for change in &changes {
        let (who, tenant) = match change.revision {
            3 | 5 => ("import", "home"),
            REVISION => ("bob", "work"),
            _ => ("ada", "home"),
        };
        assert_eq!((change.at_us, change.who.as_str(), change.tenant.as_str()), (AT_US, who, tenant));
        assert_eq!(change.generations.is_some(), who == "import");
        assert_eq!(change.entries.is_empty(), who == "import");
    }
    let generation = &changes[4].generations.as_ref().unwrap()[0];
    assert_eq!((generation.source.as_str(), generation.revision, generation.since, generation.contacts), ("crm", 5, 4, 8));
}
