//! Another process takes over from a running server: no call is refused, no edit is lost, and a program that can't take over
//! leaves everything as it was.
//!
//! `STROWGER_UPGRADES=50 cargo test --release --test upgrade -- --nocapture` is the long way round, with figures.

#[path = "../support/doors.rs"]
mod doors;
#[path = "../support/mod.rs"]
mod support;

mod load;

use doors::asked_at;
use load::{Load, p99_us, table};
use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use strowger::control::{Client, Reply};
use support::event_switch::{FakeSwitch, SECRET, Speaks, USER, hangup, newchannel};
use support::{Place, Running, Said, TENANTS, contact, program, within};

/// Long enough for anything but a process that hangs.
const PLENTY: Duration = Duration::from_secs(60);

/// A server, and whoever took over from it. The one that serves at the end is ended with it.
struct Dynasty {
    place: Place,
    first: Running,
}

impl Dynasty {
    fn begin(configuration: &str) -> Dynasty {
        let place = Place::with_sample(configuration);
        let first = place.serve(&[]);
        place.settled();
        Dynasty { place, first }
    }

    fn pid(&self) -> Option<u32> {
        let said = self.place.run(&["status", "--json"]);
        (said.code == Some(0)).then(|| u32::try_from(said.json()["pid"].as_u64().unwrap()).unwrap())
    }

    fn ports(&self) -> Vec<u16> {
        [self.first.agi, self.first.esl, self.first.lookup_http].iter().map(|at| at.port()).collect()
    }

    fn all_doors_answer(&self) {
        for door in 0..3 {
            asked_at(door, &self.ports()).unwrap();
        }
    }

    /// The ids of all contacts.
    fn contacts(&self) -> Vec<String> {
        let said = self.place.done(&["contact", "ls"]);
        said.out.lines().map(|line| line.split_whitespace().next().unwrap().to_owned()).collect()
    }

    fn upgrade(&self, arguments: &[&str]) -> Said {
        self.place.run(&[&["upgrade"], arguments].concat())
    }

    fn upgraded(&self) -> u32 {
        let said = self.upgrade(&["--json"]);
        assert_eq!(said.code, Some(0), "{said:?} {}", self.place.logged());
        u32::try_from(said.json()["pid"].as_u64().unwrap()).unwrap()
    }

    /// A program that behaves like this when it is asked to take over.
    fn heir(&self, what: &str) -> String {
        let script = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/upgrade/heir.py");
        let real = program();
        let text = format!("#!/bin/sh\nSTROWGER_REAL={} exec python3 {} {what} \"$@\"\n", real.display(), script.display());
        let file = self.place.file(&format!("heir-{what}"), text);
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o755)).unwrap();
        file
    }
}

impl Drop for Dynasty {
    fn drop(&mut self) {
        if let Some(pid) = self.pid().and_then(|pid| rustix::process::Pid::from_raw(i32::try_from(pid).unwrap())) {
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
        }
    }
}

/// How many upgrades, and whether that was asked for.
fn wanted() -> (usize, bool) {
    let asked = std::env::var("STROWGER_UPGRADES").ok().and_then(|n| n.parse().ok());
    (asked.unwrap_or(8), asked.is_some())
}

#[test]
fn upgrades_in_a_row_refuse_no_call_and_lose_no_edit() {
    let (upgrades, is_proof) = wanted();
    // the usual budget of 100 ms where it is to be proved; a debug build beside other tests takes longer without any upgrade
    let budget = if is_proof { "" } else { "answer_budget_ms = 5000\n" };
    let dynasty = Dynasty::begin(&format!("{budget}{TENANTS}"));
    let quiet = Load::start(&dynasty.first);
    std::thread::sleep(Duration::from_secs(if is_proof { 8 } else { 1 }));
    let quiet = quiet.stop();
    let over = Arc::new(AtomicBool::new(false));
    let editor = {
        let (admin, over) = (dynasty.first.admin.clone(), over.clone());
        std::thread::spawn(move || edit_on(&admin, &over))
    };
    let load = Load::start(&dynasty.first);
    let mut last = dynasty.first.pid();
    for _ in 0..upgrades {
        std::thread::sleep(Duration::from_millis(150));
        let next = dynasty.upgraded();
        assert_ne!(next, last, "another process serves");
        assert_eq!(dynasty.pid(), Some(next));
        last = next;
    }
    std::thread::sleep(Duration::from_millis(500));
    let during = load.stop();
    over.store(true, Ordering::Relaxed);
    let edits = editor.join().unwrap();
    println!("{}", table(upgrades, &quiet, &during));
    for report in quiet.iter().chain(&during).flat_map(|(_, reports)| reports) {
        assert_eq!((report.failed.total(), report.statuses.late, report.statuses.found), (0, 0, report.calls), "{report:?}");
        // a call that waited in a socket until somebody took it isn't late to the server
        assert!(report.latency.max_us < 5e6, "{report:?}");
    }
    assert!(during.iter().all(|(_, reports)| !reports.is_empty()));
    if is_proof {
        let ratio = p99_us(&during) / p99_us(&quiet);
        assert!(ratio < 20.0, "{ratio}: far from 5");
    }
    // whoever asked for an edit in between was answered by the next process
    assert_eq!(edits.refused, Vec::<String>::new());
    assert!(edits.made.len() > upgrades, "{} edits", edits.made.len());
    let there = dynasty.contacts();
    assert!(edits.made.iter().all(|id| there.contains(id)), "{edits:?} {there:?}");
    assert!(edits.unsure <= upgrades, "{edits:?}");
    // the old ones have ended
    assert!(within(PLENTY, || std::fs::metadata(format!("/proc/{}/exe", dynasty.first.pid())).is_err()), "the first one is still there");
    assert_eq!(dynasty.place.done(&["status", "--json"]).json()["late"], 0);
    let problems = dynasty.place.run(&["store", "check"]);
    assert_eq!(problems.code, Some(0), "{problems:?}");
}

/// What became of the edits.
#[derive(Debug, Default)]
struct Edits {
    made: Vec<String>,
    refused: Vec<String>,
    /// The server went away in the middle.
    unsure: usize,
}

fn edit_on(admin: &std::path::Path, over: &AtomicBool) -> Edits {
    let mut edits = Edits::default();
    for n in 0.. {
        if over.load(Ordering::Relaxed) {
            break;
        }
        let id = format!("e{n:05}");
        let request = contact("default", &id, "Somebody", "+14155550155");
        match Client::connect(admin).and_then(|mut client| client.ask(&request)) {
            Ok(Reply::Done { .. }) => edits.made.push(id),
            Ok(other) => edits.refused.push(format!("{other:?}")),
            Err(_) => edits.unsure += 1,
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    edits
}

#[test]
fn a_program_that_can_not_take_over_leaves_everything_as_it_was() {
    let dynasty = Dynasty::begin(TENANTS);
    let pid = dynasty.pid();
    let as_before = |what: &str, said: &Said, code: i32, why: &str| {
        assert!(said.code == Some(code) && said.err.contains(why) && said.err.contains("goes on as before"), "{what}: {said:?}");
        assert_eq!(dynasty.pid(), pid, "{what}");
        dynasty.all_doors_answer();
        let edit = dynasty.place.run(&["contact", "set", what, "--name", what, "--number", "+14155550155"]);
        assert_eq!(edit.code, Some(0), "{what}: {edit:?}");
    };
    let no_program = dynasty.place.file("no-program", "this is no program");
    as_before("no-program", &dynasty.upgrade(&["--binary", &no_program]), 2, "can't be started");
    as_before("false", &dynasty.upgrade(&["--binary", "/bin/false"]), 2, "it ended (exit status: 1)");
    for (what, why) in [
        ("noise", "can't be understood"),
        ("other-protocol", "version 9.9.9 hands over another way"),
        ("somebody-else", "a script has to exec the program"),
        ("out-of-turn", "at first"),
        ("closes", "it ended"),
        ("ends-with-3", "it ended (exit status: 3)"),
        ("fails-after-fit", "the moon is full"),
        ("ends-after-fit", "it ended (exit status: 4)"),
        ("ends-after-take", "it ended (exit status: 5)"),
        ("ends-after-ready", "it ended (exit status: 6)"),
        ("ends-after-yours", "it ended (exit status: 7)"),
        ("silent-after-yours", "it said nothing in 3 s"),
    ] {
        let heir = dynasty.heir(what);
        as_before(what, &dynasty.upgrade(&["--binary", &heir]), 2, why);
    }
    let missing = dynasty.upgrade(&["--binary", "/nowhere/strowger"]);
    assert!(missing.code == Some(2) && missing.err.contains("/nowhere/strowger can't be run"), "{missing:?}");
    // a configuration that is wrong is found before anything happens
    dynasty.place.configure(&format!("agi_alow = []\n{TENANTS}"));
    let said = dynasty.upgrade(&[]);
    assert!(said.code == Some(2), "the command line reads it, too: {said:?}");
    dynasty.place.configure(TENANTS);
    // and after all that one that can
    assert_ne!(Some(dynasty.upgraded()), pid);
    dynasty.all_doors_answer();
    assert_eq!(dynasty.contacts().len(), 3 + 14);
}

#[test]
fn a_server_that_is_killed_on_the_way_loses_nothing_that_was_acknowledged() {
    // 1 fit, 2 take, 3 ready, 4 yours, 5 serving, 6 rest
    for moment in 0..=6 {
        let mut dynasty = Dynasty::begin(TENANTS);
        dynasty.place.done(&["contact", "set", "kept", "--name", "Kept", "--number", "+14155550155"]);
        let heir = dynasty.heir(&format!("kills-after-{moment}"));
        let said = dynasty.upgrade(&["--binary", &heir]);
        let killed = dynasty.first.ends_within(PLENTY);
        assert!(killed.is_some(), "{moment}: {said:?}");
        if moment >= 2 {
            // whoever was given the store and the sockets goes on alone
            assert!(within(PLENTY, || dynasty.pid().is_some()), "{moment}: nobody serves; {}", dynasty.place.logged());
            dynasty.all_doors_answer();
        } else {
            assert!(dynasty.pid().is_none(), "{moment}");
            dynasty.first = dynasty.place.serve(&[]);
        }
        let kept = dynasty.place.run(&["contact", "show", "kept"]);
        assert_eq!(kept.code, Some(0), "{moment}: {kept:?}");
        dynasty.place.done(&["contact", "set", "more", "--name", "More", "--number", "+14155550156"]);
        assert_eq!(dynasty.place.run(&["store", "check"]).code, Some(0), "{moment}");
    }
}

#[test]
fn a_changed_configuration_holds_after_an_upgrade() {
    let dynasty = Dynasty::begin(TENANTS);
    dynasty.place.configure(&format!("answer_budget_ms = 77\nsessions_max = 99\n{TENANTS}"));
    dynasty.upgraded();
    let status = dynasty.place.done(&["status", "--json"]).json();
    assert_eq!((status["answer_budget_us"].as_u64(), status["sessions_max"].as_u64()), (Some(77_000), Some(99)), "{status}");
    dynasty.all_doors_answer();
}

#[test]
fn take_over_by_hand_is_refused() {
    let place = Place::with_sample(TENANTS);
    let said = place.run(&["serve", "--take-over"]);
    assert!(said.code == Some(2) && said.err.contains("strowger upgrade"), "{said:?}");
    let said = place.run(&["upgrade"]);
    assert!(said.code == Some(3) && said.err.contains("no server listens"), "{said:?}");
}

#[test]
fn calls_are_journalled_once_whichever_process_saw_them() {
    let switch = FakeSwitch::start(Speaks::Ami);
    let address = switch.address;
    let configuration = format!(
        "{TENANTS}\n[[switch]]\nname = \"lab\"\nkind = \"asterisk\"\naddress = \"{address}\"\nuser = \"{USER}\"\nsecret = \"{SECRET}\"\n"
    );
    let dynasty = Dynasty::begin(&configuration);
    let is_up = || dynasty.place.done(&["status", "--json"]).json()["events"]["sources"][0]["phase"] == "up";
    let journalled = || {
        let said = dynasty.place.done(&["calls", "--format", "jsonl"]);
        let id = |line: &str| serde_json::from_str::<serde_json::Value>(line).unwrap()["id"].as_str().unwrap().to_owned();
        said.out.lines().map(id).collect::<BTreeSet<String>>()
    };
    let mut wanted: Vec<String> = Vec::new();
    for process in 0..4 {
        assert!(within(PLENTY, || is_up() && switch.logins() > process), "{process}");
        for n in 0..3 {
            let id = format!("1795278700.{process}{n}");
            switch.send(newchannel(&id));
            switch.send(hangup(&id));
            wanted.push(format!("lab/{id}"));
        }
        // the last one hands the journal over with calls that it has just heard of, or has written
        assert!(process % 2 == 0 || within(PLENTY, || journalled().len() == wanted.len()));
        std::thread::sleep(Duration::from_millis(300));
        dynasty.upgraded();
    }
    // jsonl has each record; a second of the same call would be one more line
    assert!(within(PLENTY, || journalled().iter().eq(&wanted)), "{:?}", journalled());
    assert_eq!(dynasty.place.done(&["calls", "--format", "jsonl"]).out.lines().count(), wanted.len());
    assert!(dynasty.place.logged().lines().all(|line| !line.contains("journal")), "{}", dynasty.place.logged());
}
