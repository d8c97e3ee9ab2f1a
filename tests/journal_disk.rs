//! A journal on a disk that fails in the middle of a write, and comes back.

use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};
use strowger::clock::SystemClock;
use strowger::cti::{CallState, CallView, Party, PlaneStats};
use strowger::journal::{Journal, JournalLimits, JournalWriter, Query};

const CHILD: &str = "STROWGER_TEST_JOURNAL_DISK";
const CALLS: u64 = 3000;
/// Those of them that the disk takes before it fails.
const FIRST: u64 = 300;
/// These calls are of 1970.
const KEEP_ALL: JournalLimits = JournalLimits { days_max: u32::MAX, bytes_max: u64::MAX };

fn call(n: u64) -> CallView {
    CallView {
        id: format!("pbx/{n}"),
        switch: "pbx".into(),
        tenant: "default".into(),
        state: CallState::Ended,
        from: Party { number: "+4930123456".into(), name: Some("x".repeat(1000)), ..Party::default() },
        to: "101".into(),
        route: None,
        legs: vec![],
        answered_by: None,
        transferred_to: None,
        started_us: n,
        answered_us: None,
        ended_us: Some(n),
        duration_ms: None,
        talk_ms: None,
        disposition: None,
        cause: None,
        decided: vec![],
        incomplete: false,
    }
}

fn until(what: &str, mut done: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !done() {
        assert!(begun.elapsed() < Duration::from_secs(60), "waited for long: {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// The process whose files may not grow beyond what its shell said, until it is allowed more.
#[test]
fn child_writes_beyond_what_its_disk_takes() {
    let Ok(dir) = std::env::var(CHILD) else { return };
    let journal = Journal::open(dir.as_ref(), KEEP_ALL).unwrap();
    let stats = Arc::new(PlaneStats::default());
    let (queue, writer) = JournalWriter::new(journal.clone(), stats.clone(), Arc::new(SystemClock), 100);
    let thread = std::thread::spawn(move || writer.run());
    for n in 0..CALLS {
        until("there is room in the queue", || stats.journal_queued.get() < 100);
        assert!(queue.offer(Arc::new(call(n))));
        if n + 1 == FIRST {
            until("the first ones are on the disk", || stats.journal_written.get() == FIRST);
        }
    }
    let mut before = (u64::MAX, Instant::now());
    until("writing has stopped", || {
        if stats.journal_written.get() != before.0 {
            before = (stats.journal_written.get(), Instant::now());
        }
        before.1.elapsed() > Duration::from_secs(3)
    });
    let written = stats.journal_written.get();
    assert!((FIRST..CALLS).contains(&written), "the disk took {written}");
    assert_eq!(stats.journal_lost.get(), 0);
    let limits = rustix::process::Rlimit { current: None, maximum: None };
    rustix::process::setrlimit(rustix::process::Resource::Fsize, limits).unwrap();
    until("all is written", || stats.journal_written.get() >= CALLS);
    drop(queue);
    thread.join().unwrap();
    println!("\nwrote {written} before and {} in all", stats.journal_written.get());
}

#[test]
fn a_journal_whose_disk_fails_goes_on_when_it_can_and_has_every_call_once() {
    let dir = tempfile::tempdir().unwrap();
    let test = std::env::current_exe().unwrap();
    // blocks of 512 bytes: 1.5 MiB a file; a write beyond is an error and not the end of the process
    let output = Command::new("/bin/sh")
        .args(["-c", "trap '' XFSZ; ulimit -S -f 3072; exec \"$0\" \"$@\""])
        .arg(test)
        .args(["child_writes_beyond_what_its_disk_takes", "--exact", "--nocapture", "--test-threads=1"])
        .env(CHILD, dir.path())
        .output()
        .unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(output.status.success(), "{}{}", text(&output.stdout), text(&output.stderr));
    println!("{}", text(&output.stdout));
    let journal = Journal::open(dir.path(), KEEP_ALL).unwrap();
    let (mut query, mut next) = (Query { tenant: "default".into(), limit: 1000, oldest_first: true, ..Query::default() }, 0);
    loop {
        let page = journal.read(&query).unwrap();
        for found in page.calls {
            assert_eq!(found, call(next));
            next += 1;
        }
        query.after = page.next;
        if query.after.is_none() {
            break;
        }
    }
    assert_eq!(next, CALLS);
}
