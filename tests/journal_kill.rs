//! A journal whose process is killed with SIGKILL at any moment, again and again.
//!
//! `STROWGER_KILL_ROUNDS` says how often; the default takes some seconds.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;
use strowger::cti::{CallState, CallView, Disposition, LegState, LegView, Party};
use strowger::journal::{Journal, JournalLimits, Query};

const CHILD: &str = "STROWGER_TEST_JOURNAL_CHILD";
const ROUNDS_DEFAULT: u32 = 25;
/// Calls of one page of the check.
const PAGE: usize = 500;
/// What the record of a call must still say: a number of legs that only this call has.
const LEGS: u64 = 9;

/// The call with this number; everything in it follows from it.
fn call(n: u64) -> CallView {
    let leg = |m: u64| LegView {
        id: format!("{n}.{m}"),
        channel: format!("PJSIP/{m}-{n:08x}"),
        member: None,
        number: (200 + m).to_string(),
        state: LegState::Ended,
        started_us: n,
        answered_us: None,
        ended_us: Some(n + 1),
        cause: None,
    };
    CallView {
        id: format!("pbx/{n}"),
        switch: "pbx".into(),
        tenant: if n.is_multiple_of(2) { "even" } else { "odd" }.into(),
        state: CallState::Ended,
        from: Party { number: format!("+4930{:04}", n % 100), ..Party::default() },
        to: "+14155550199".into(),
        route: None,
        legs: (0..n % LEGS).map(leg).collect(),
        answered_by: None,
        transferred_to: None,
        started_us: n * 10,
        answered_us: None,
        ended_us: Some(n * 10 + 5),
        duration_ms: Some(5),
        talk_ms: None,
        disposition: Some(Disposition::NoAnswer),
        cause: None,
        decided: vec![],
        incomplete: false,
    }
}

fn number_of(call: &CallView) -> u64 {
    call.id.trim_start_matches("pbx/").parse().unwrap()
}

fn opened(dir: &Path) -> Journal {
    Journal::open(dir, JournalLimits { days_max: u32::MAX, bytes_max: u64::MAX }).unwrap()
}

/// Every call of both tenants, each read whole.
fn all(journal: &Journal, number: Option<&str>) -> Vec<CallView> {
    let mut calls = Vec::new();
    for tenant in ["even", "odd"] {
        let mut query = Query { tenant: tenant.into(), number: number.map(str::to_owned), limit: PAGE, ..Query::default() };
        loop {
            let page = journal.read(&query).unwrap();
            assert_eq!(page.unreadable, 0);
            calls.extend(page.calls);
            query.after = page.next;
            if query.after.is_none() {
                break;
            }
        }
    }
    calls
}

fn say(what: &str, n: u64) {
    let mut out = std::io::stdout().lock();
    let _ = out.write_all(format!("ack {what} {n}\n").as_bytes()).and_then(|()| out.flush());
}

/// The process that is killed: groups of calls, each group synced and then said.
#[test]
fn child_writes_until_it_is_killed() {
    let Ok(dir) = std::env::var(CHILD) else { return };
    let journal = opened(Path::new(&dir));
    let mut next = all(&journal, None).iter().map(number_of).max().map_or(1, |n| n + 1);
    // the harness has written the test's name, and no end of line
    println!();
    say("open", next);
    loop {
        // the one before comes again, as after a reconnect; it may or may not be there
        assert!(!journal.put(&call(next - 1)).unwrap() || next == 1);
        for _ in 0..1 + next % 40 {
            assert!(journal.put(&call(next)).unwrap());
            next += 1;
        }
        journal.sync().unwrap();
        say("synced", next - 1);
        journal.retain(0).unwrap();
    }
}

#[test]
fn a_call_that_was_synced_before_a_kill_is_there_once_after_it_and_none_is_there_by_half() {
    let rounds = std::env::var("STROWGER_KILL_ROUNDS").ok().and_then(|n| n.parse().ok()).unwrap_or(ROUNDS_DEFAULT);
    let dir = tempfile::tempdir().unwrap();
    let mut random = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_nanos() as u64 | 1;
    let (mut synced, mut groups) = (0, 0);
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
        assert!(lines.any(|line| line.starts_with("ack open")), "the child didn't open the journal");
        let killer = std::thread::spawn(move || {
            std::thread::sleep(Duration::from_micros(random >> 20 & 0x1ffff));
            child.kill().unwrap();
            assert_eq!(child.wait().unwrap().signal(), Some(9), "it ended by itself");
        });
        for line in lines {
            if let Some(n) = line.strip_prefix("ack synced ").and_then(|n| n.parse::<u64>().ok()) {
                (synced, groups) = (n, groups + 1);
            }
        }
        killer.join().unwrap();
        let journal = opened(dir.path());
        let there = all(&journal, None);
        let numbers: BTreeSet<u64> = there.iter().map(number_of).collect();
        assert_eq!(numbers.len(), there.len(), "a call is there twice");
        for n in 1..=synced {
            assert!(numbers.contains(&n), "call {n} was synced (as were all up to {synced}) and is lost");
        }
        for found in &there {
            assert_eq!(*found, call(number_of(found)));
        }
        // the index says the same as the records
        let by_number: BTreeSet<u64> = all(&journal, Some("+14155550199")).iter().map(number_of).collect();
        assert_eq!(by_number, numbers);
        for n in numbers.iter().rev().take(50) {
            assert_eq!(journal.get(&call(*n).tenant, &format!("pbx/{n}")).unwrap(), Some(call(*n)));
        }
    }
    println!("{rounds} kills, {groups} groups, {synced} calls");
    assert!(groups > u64::from(rounds) / 5, "the children hardly did anything");
}
