//! A store whose process is killed with SIGKILL at any moment, again and again.
//!
//! `STROWGER_KILL_ROUNDS` says how often; the default takes some seconds.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};
use strowger::clock::SystemClock;
use strowger::directory::{Contact, ContactNumber};
use strowger::number::{Class, Kind, Number};
use strowger::routing::{Action, Extension, Group, Limit, Member, MemberTarget, PlanItem, Prefix, Route, RouteKey, Scope, Step, Strategy};
use strowger::store::{Edit, PlanEdits, PlanSort, Store, StoreError};

const CHILD: &str = "STROWGER_TEST_KILL_CHILD";
const ROUNDS_DEFAULT: u32 = 40;
/// Contacts that are edited one by one.
const EDITED: u64 = 30;
/// Contacts of the file that is imported.
const IMPORTED: u64 = 400;
/// Numbers that the edited contacts share.
const NUMBERS: u64 = 7;

fn number(n: u64) -> Number {
    Number::from_key(Kind::E164, &format!("4930{n:06}")).unwrap()
}

fn contact(id: &str, name: String, numbers: &[Number]) -> Contact {
    Contact::of(id, name, numbers.iter().map(|n| ContactNumber::of(n.clone(), n.to_string(), None)).collect())
}

/// What the edit with this number writes.
fn edited(seq: u64) -> Contact {
    let numbers = [number(seq % NUMBERS), number(100 + seq % 5)];
    contact(&format!("e{}", seq % EDITED), seq.to_string(), &numbers[..1 + (seq % 2) as usize])
}

/// The tenant whose plan is changed: what is edited in the other one makes no change stale.
const PLANNED: &str = "p";
/// How many routes a plan has: so few that all fit into one record, and so many that they don't.
const PLANS: [u64; 2] = [20, 1500];

/// The plan with this number. It says in everything which one it is, and takes away what a larger one had more.
fn plan(seq: u64) -> PlanEdits {
    let count = PLANS[(seq % 3 / 2) as usize];
    let key = |n: u64| RouteKey::Prefix(Prefix { kind: Kind::E164, digits: format!("49{n:04}") });
    let steps = vec![Step::of(Action::Voicemail(seq.to_string()))];
    let mut puts: Vec<PlanItem> = (0..count).map(|n| PlanItem::Route(Route::of(key(n), steps.clone()))).collect();
    let name = Some(seq.to_string());
    let members = vec![Member::of(MemberTarget::Number(number(1)))];
    puts.push(PlanItem::Group(Group {
        id: "g".into(),
        name: name.clone(),
        strategy: Strategy::Hunt,
        timeout_seconds: None,
        members,
        revision: 0,
    }));
    let extension = Number::from_key(Kind::Extension, "101").unwrap();
    puts.push(PlanItem::Extension(Extension { name, ..Extension::of(extension) }));
    let limit = Limit { class: Class::Premium, scope: Scope::Tenant, per_hour: Some(seq as u32), concurrent: None };
    puts.push(PlanItem::Limit(limit));
    let removes = (count..PLANS[1]).map(|n| PlanItem::Route(Route::of(key(n), steps.clone())).key()).collect();
    PlanEdits {
        puts,
        removes,
        contacts: vec![contact("hand", seq.to_string(), &[number(2)])],
        contacts_removed: vec![],
        ..PlanEdits::default()
    }
}

/// Which plan is there, whole; 0 for none.
fn plan_in(store: &Store) -> u64 {
    let Some((_, hand)) = store.contact(PLANNED, "hand").unwrap() else { return 0 };
    let seq: u64 = hand.name.parse().unwrap();
    let mut wanted: Vec<PlanItem> = plan(seq).puts;
    let mut found = Vec::new();
    for sort in PlanSort::ALL {
        found.extend(store.items(PLANNED, sort, None, usize::MAX).unwrap().into_iter().map(|item| item.with_revision(0)));
    }
    let of = |items: &mut Vec<PlanItem>| items.sort_by_key(PlanItem::key);
    of(&mut wanted);
    of(&mut found);
    assert!(found == wanted, "a part of plan {seq}: {} things instead of {}", found.len(), wanted.len());
    seq
}

fn opened(dir: &Path) -> (Store, std::thread::JoinHandle<()>) {
    let begun = Instant::now();
    let (store, writer) = loop {
        match Store::open(dir, Arc::new(SystemClock)) {
            // the process before this one may be on its way out
            Err(StoreError::Locked(_)) if begun.elapsed() < Duration::from_secs(10) => std::thread::sleep(Duration::from_millis(5)),
            other => break other.unwrap(),
        }
    };
    (store, std::thread::spawn(move || writer.with_snapshot().run()))
}

fn say(what: &str, seq: u64) {
    let mut out = std::io::stdout().lock();
    // a line whole or not at all: nobody else writes to this pipe in between
    let _ = out.write_all(format!("ack {what} {seq}\n").as_bytes()).and_then(|()| out.flush());
}

/// Ends the child at once, so that the parent sees that it wasn't the one that killed it.
fn give_up<T>(error: &StoreError) -> T {
    eprintln!("{error}");
    std::process::abort()
}

fn seq_in(store: &Store, id: &str) -> u64 {
    store.contact("t", id).unwrap().map_or(0, |(_, c)| c.name.parse().unwrap())
}

/// The process that is killed: edits on two threads, imports on a third.
#[test]
fn child_writes_until_it_is_killed() {
    let Ok(dir) = std::env::var(CHILD) else { return };
    let (store, _writer) = opened(Path::new(&dir));
    let next = (0..EDITED).map(|n| seq_in(&store, &format!("e{n}"))).max().unwrap_or(0) + 1;
    let route_next = store.routes("t", None, usize::MAX).unwrap().first().map_or(0, |r| steps_of(r).0) + 1;
    // the harness has written the test's name, and no end of line
    println!();
    say("open", store.revision());
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for seq in next.. {
                let edit = if seq.is_multiple_of(11) { Edit::RemoveContact(edited(seq).id) } else { Edit::PutContact(edited(seq)) };
                store.edit("t", "kill", edit).unwrap_or_else(|e| give_up(&e));
                say("edit", seq);
            }
        });
        scope.spawn(|| {
            for seq in route_next.. {
                let step = |n: u64| Step::of(Action::Voicemail(n.to_string()));
                let route = Route::of(RouteKey::Default, vec![step(seq), step(seq)]);
                store.edit("t", "kill", Edit::PutRoute(route)).unwrap_or_else(|e| give_up(&e));
                say("route", seq);
            }
        });
        scope.spawn(|| {
            for seq in plan_in(&store) + 1.. {
                let (over, _) = store.undisturbed(PLANNED, || Ok(())).unwrap_or_else(|e| give_up(&e));
                let done = store.change_plan(PLANNED, "kill", plan(seq), over).unwrap_or_else(|e| give_up(&e));
                assert!(done.is_some_and(|done| done.changed), "nobody else edits this plan");
                say("plan", seq);
            }
        });
        for seq in seq_in(&store, "i0").. {
            let mut bulk = store.bulk("t", "file");
            for n in 0..IMPORTED {
                bulk.push(&contact(&format!("i{n}"), (seq + 1).to_string(), &[number(1000 + n), number(n % NUMBERS)])).unwrap();
            }
            bulk.commit("kill").unwrap_or_else(|e| give_up(&e));
            say("import", seq + 1);
        }
    });
}

fn steps_of(route: &Route) -> (u64, u64) {
    let seq = |n: usize| match &route.steps[n].action {
        Action::Voicemail(seq) => seq.parse().unwrap(),
        other => panic!("{other:?}"),
    };
    (seq(0), seq(1))
}

/// What was acknowledged, over all rounds.
#[derive(Default)]
struct Acknowledged {
    edits: HashMap<String, u64>,
    route: u64,
    import: u64,
    plan: u64,
    count: u64,
}

impl Acknowledged {
    fn read(&mut self, line: &str) {
        let Some((what, seq)) = line.strip_prefix("ack ").and_then(|rest| rest.split_once(' ')) else { return };
        let seq: u64 = seq.parse().unwrap();
        self.count += 1;
        match what {
            "edit" => drop(self.edits.insert(edited(seq).id, seq)),
            "route" => self.route = seq,
            "import" => self.import = seq,
            "plan" => self.plan = seq,
            _ => {}
        }
    }

    fn check(&mut self, dir: &Path) {
        let (store, writer) = opened(dir);
        while !store.snapshot_stands() {
            std::thread::sleep(Duration::from_millis(1));
            assert_eq!(store.status().failed, None);
        }
        for (id, seq) in &mut self.edits {
            let found = store.contact("t", id).unwrap().map(|(_, c)| c);
            // the next edit of this contact may be there, too: killed between the disk and the acknowledgement
            let next = *seq + EDITED;
            let after = |seq: u64| (!seq.is_multiple_of(11)).then(|| edited(seq));
            assert!(found == after(*seq) || found == after(next), "{id}: {seq} was acknowledged; found {found:?}");
            if found == after(next) && found != after(*seq) {
                *seq = next;
            }
        }
        if let Some(route) = store.routes("t", None, usize::MAX).unwrap().first() {
            let (first, second) = steps_of(route);
            assert!(
                first == second && (self.route..=self.route + 1).contains(&first),
                "{} was acknowledged; found {first} {second}",
                self.route
            );
            self.route = first;
        } else {
            assert_eq!(self.route, 0);
        }
        let imported: Vec<u64> = (0..IMPORTED).map(|n| seq_in(&store, &format!("i{n}"))).collect();
        assert!(imported.iter().all(|seq| *seq == imported[0]), "a part of an import");
        assert!((self.import..=self.import + 1).contains(&imported[0]), "{} was acknowledged; found {}", self.import, imported[0]);
        self.import = imported[0];
        let plan = plan_in(&store);
        assert!((self.plan..=self.plan + 1).contains(&plan), "plan {} was acknowledged; found {plan}", self.plan);
        self.plan = plan;
        let in_snapshot = store.in_snapshot(PLANNED, |d| d.limit(Class::Premium, Scope::Tenant)).unwrap().unwrap();
        assert_eq!(in_snapshot.and_then(|limit| limit.per_hour).unwrap_or(0), plan as u32);
        check_index(&store);
        store.close();
        drop(store);
        writer.join().unwrap();
    }
}

/// Contacts and the index of their numbers say the same, on the disk and in memory.
fn check_index(store: &Store) {
    let contacts: Vec<(u64, Contact)> = store.contacts("t", "").map(|c| c.unwrap()).collect();
    for n in (0..NUMBERS).chain(100..105).chain([1000, 1000 + IMPORTED - 1]) {
        let number = number(n);
        let mut with: Vec<_> = contacts.iter().filter(|(_, c)| c.numbers.iter().any(|n| n.number == number)).cloned().collect();
        with.sort_by(|a, b| b.0.cmp(&a.0).then_with(|| a.1.id.cmp(&b.1.id)));
        assert_eq!(store.contacts_with("t", &number).unwrap(), with);
        let first = with.first().map(|(_, c)| c.id.clone());
        assert_eq!(store.on_disk("t", |d| d.caller(&number)).unwrap().map(|c| c.contact), first);
        assert_eq!(store.in_snapshot("t", |d| d.caller(&number)).unwrap().unwrap().map(|c| c.contact), first);
    }
}

#[test]
fn what_was_acknowledged_before_a_kill_is_there_after_it_and_nothing_is_there_by_half() {
    let rounds = std::env::var("STROWGER_KILL_ROUNDS").ok().and_then(|n| n.parse().ok()).unwrap_or(ROUNDS_DEFAULT);
    let dir = tempfile::tempdir().unwrap();
    let mut acknowledged = Acknowledged::default();
    let mut random = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_nanos() as u64 | 1;
    let mut slowest_check = Duration::ZERO;
    for _ in 0..rounds {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["child_writes_until_it_is_killed", "--exact", "--nocapture", "--test-threads=1"])
            .env(CHILD, dir.path())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
        // some are killed before they say anything at all
        if !random.is_multiple_of(8) {
            assert!(lines.any(|line| line.starts_with("ack open")), "the child didn't open the store");
        }
        let killer = std::thread::spawn(move || {
            std::thread::sleep(Duration::from_micros(random >> 20 & 0x3ffff));
            child.kill().unwrap();
            assert_eq!(child.wait().unwrap().signal(), Some(9), "it ended by itself");
        });
        lines.for_each(|line| acknowledged.read(&line));
        killer.join().unwrap();
        let begun = Instant::now();
        acknowledged.check(dir.path());
        slowest_check = slowest_check.max(begun.elapsed());
    }
    let Acknowledged { route, import, plan, count, .. } = acknowledged;
    println!("{rounds} kills, {count} acknowledgements, {route} routes, {import} imports, {plan} plans, slowest check {slowest_check:?}");
    assert!(count > u64::from(rounds), "the children hardly did anything");
}
