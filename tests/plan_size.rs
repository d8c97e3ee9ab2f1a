//! How long a change of one line takes with a plan as large as they come, and what such a plan takes of memory and disk.
//!
//! `cargo test --release --test plan_size -- --ignored --nocapture` prints the figures. Nothing here is asserted of time.

mod support;

use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};
use strowger::clock::SystemClock;
use strowger::config::{Config, Overrides};
use strowger::control::{Desk, Reply, Request};
use strowger::directory::{Contact, ContactNumber};
use strowger::number::{Kind, Number};
use strowger::routing::{Action, Group, List, Member, MemberTarget, PlanItem, Prefix, Route, RouteKey, Schedule, Screen, ScreenKey};
use strowger::routing::{Step, Strategy};
use strowger::store::{PlanEdits, Store};

const ROUTES: u64 = 10_000;
const GROUPS: u64 = 2_000;
const SCHEDULES: u64 = 500;
const SCREENS: u64 = 50_000;
const CONTACTS: u64 = 1_000_000;
const TENANT: &str = "default";
const DIR: &str = "STROWGER_PLAN_OPENED";

fn e164(n: u64) -> Number {
    Number::from_key(Kind::E164, &format!("49{n:09}")).unwrap()
}

fn plan(word: &str) -> Vec<PlanItem> {
    let voicemail = Step::of(Action::Voicemail(word.to_owned()));
    let mut all = Vec::new();
    for n in 0..ROUTES {
        let steps = vec![Step { action: Action::Ring(format!("group-{}", n % GROUPS)), timeout_seconds: Some(20) }, voicemail.clone()];
        let when = vec![("closed".to_owned(), vec![voicemail.clone()])];
        let schedule = Some(format!("hours-{}", n % SCHEDULES));
        all.push(PlanItem::Route(Route { schedule, when, ..Route::of(RouteKey::Number(e164(n)), steps) }));
    }
    for n in 0..GROUPS {
        let member = |m: u64| Member { name: Some(format!("Member {m}")), ..Member::of(MemberTarget::Number(e164(n * 10 + m))) };
        let (id, members) = (format!("group-{n}"), (0..8).map(member).collect());
        all.push(PlanItem::Group(Group { id, name: None, strategy: Strategy::Ringall, timeout_seconds: Some(25), members, revision: 0 }));
    }
    for n in 0..SCHEDULES {
        let holidays = ["christmas 12-25..12-26", "new-year 01-01", "labour 05-01"].map(|h| h.parse().unwrap()).into();
        let open = vec!["mon-fri 09:00-12:00,13:00-17:30".parse().unwrap()];
        let timezone = Some("Europe/Berlin".to_owned());
        all.push(PlanItem::Schedule(Schedule { id: format!("hours-{n}"), timezone, open, holidays, ..Schedule::default() }));
    }
    for n in 0..SCREENS {
        let key = match n % 10 {
            0 => ScreenKey::Prefix(Prefix { kind: Kind::E164, digits: format!("49{n:06}") }),
            _ => ScreenKey::Number(e164(500_000_000 + n)),
        };
        all.push(PlanItem::Screen(Screen { list: List::Block, key, action: None, rate: None }));
    }
    all
}

fn contact(n: u64) -> Contact {
    let numbers = (0..1 + n % 2).map(|m| e164(100_000_000 + n * 2 + m));
    let numbers = numbers.map(|number| ContactNumber::of(number.clone(), number.to_string(), None)).collect();
    Contact { source: "crm".into(), ..Contact::of(format!("crm-{n}"), format!("Contact number {n}"), numbers) }
}

fn opened(dir: &Path) -> (Store, std::thread::JoinHandle<()>) {
    let (store, writer) = Store::open(dir, Arc::new(SystemClock)).unwrap();
    let writer = std::thread::spawn(move || writer.with_snapshot().run());
    while !store.snapshot_stands() {
        std::thread::sleep(Duration::from_millis(1));
    }
    (store, writer)
}

fn memory_mib() -> u64 {
    support::memory_kb(std::process::id(), "VmRSS") / 1024
}

/// One line of a plan, as the desk takes it: from the request to acknowledged and visible.
fn change_of_one_line(desk: &mut Desk, store: &Store, item: PlanItem) -> Duration {
    let (over, _) = store.undisturbed(TENANT, || Ok(())).unwrap();
    let begun = Instant::now();
    desk.apply(Request::PlanBegin { tenant: TENANT.into(), over });
    desk.apply(Request::PlanPart { puts: vec![item], removes: vec![], contacts: vec![], contacts_removed: vec![] });
    let done = desk.apply(Request::PlanCommit);
    assert!(matches!(done, Reply::Done { changed: true, .. }), "{done:?}");
    begun.elapsed()
}

#[test]
#[ignore = "takes a minute and prints figures"]
fn a_change_of_one_line_of_the_largest_plan() {
    let dir = tempfile::tempdir_in(std::env::var("STROWGER_PLAN_DIR").unwrap_or_else(|_| "/var/tmp".into())).unwrap();
    let (store, writer) = opened(dir.path());
    let config = Config::load(Overrides { data: Some(dir.path().join("none")), ..Overrides::default() }).unwrap();
    let mut desk = Desk::new(store.clone(), Arc::new(config.tenants), "ada", None);
    println!("{} MiB with an empty store", memory_mib());
    let begun = Instant::now();
    let mut bulk = store.bulk(TENANT, "crm");
    (0..CONTACTS).for_each(|n| bulk.push(&contact(n)).unwrap());
    bulk.commit("ada").unwrap();
    println!("{CONTACTS} contacts imported in {:?}; {} MiB", begun.elapsed(), memory_mib());
    let begun = Instant::now();
    let edits = PlanEdits { puts: plan("a"), ..PlanEdits::default() };
    let before = memory_mib();
    let done = store.change_plan(TENANT, "ada", edits, store.revision()).unwrap().unwrap();
    println!("a plan of {} things at once in {:?}", ROUTES + GROUPS + SCHEDULES + SCREENS, begun.elapsed());
    std::thread::sleep(Duration::from_secs(1));
    println!("memory {before} -> {} MiB; {} MiB on the disk", memory_mib(), store.status().disk_bytes / 1024 / 1024);
    assert_eq!(done.revision, 2);
    let mut times: Vec<Duration> = (0..50)
        .map(|n| {
            let step = Step::of(Action::Voicemail(format!("v{n}")));
            change_of_one_line(&mut desk, &store, PlanItem::Route(Route::of(RouteKey::Number(e164(n)), vec![step])))
        })
        .collect();
    times.sort_unstable();
    println!("a change of one line at the desk: median {:?}, slowest of 50 {:?}", times[25], times[49]);
    let begun = Instant::now();
    let edits = PlanEdits { puts: plan("b"), ..PlanEdits::default() };
    assert!(store.change_plan(TENANT, "ada", edits, store.revision()).unwrap().unwrap().changed);
    println!("every route changed at once, the rest the same, in {:?}", begun.elapsed());
    let begun = Instant::now();
    let (mut things, mut after) = (0, None);
    for sort in strowger::store::PlanSort::ALL {
        loop {
            let Reply::PlanItems { items, next, .. } = desk.apply(Request::PlanPage { tenant: TENANT.into(), sort, after }) else {
                panic!()
            };
            things += items.len();
            after = next;
            if after.is_none() {
                break;
            }
        }
    }
    println!("{things} things read in pages in {:?}", begun.elapsed());
    store.close();
    drop((store, desk));
    writer.join().unwrap();
    child(dir.path());
    // the same without contacts
    let alone = dir.path().join("alone");
    let (store, writer) = opened(&alone);
    let edits = PlanEdits { puts: plan("a"), ..PlanEdits::default() };
    store.change_plan(TENANT, "ada", edits, 0).unwrap().unwrap();
    store.close();
    drop(store);
    writer.join().unwrap();
    child(&alone);
}

/// A fresh process has the store's own memory and no other.
fn child(dir: &Path) {
    let test = ["a_process_that_opens_it", "--exact", "--ignored", "--nocapture"];
    assert!(Command::new(std::env::current_exe().unwrap()).args(test).env(DIR, dir).status().unwrap().success());
}

#[test]
#[ignore = "is the other one's"]
fn a_process_that_opens_it() {
    let Ok(dir) = std::env::var(DIR) else { return };
    let begun = Instant::now();
    let (store, writer) = opened(Path::new(&dir));
    println!("a process of its own opens it, with its snapshot, in {:?}: {} MiB", begun.elapsed(), memory_mib());
    store.close();
    drop(store);
    writer.join().unwrap();
}
