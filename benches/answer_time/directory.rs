//! A large directory beside a small one: answers of a site with 5,000,000 contacts, some with ranges and main numbers and some
//! personal, and of one with 1,000; what memory a contact takes; and how soon a server with 1,000,000 is there after a start.
//!
//! The store is filled through its own bulk interface, in this process, and then served by strowger: what is measured is the
//! answers and not the file's format.

use super::process::{AGI, Strowger, failed, load_from, median, number};
use super::{IMPORTED, Outcome, ROUNDS};
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;
use strowger::clock::SystemClock;
use strowger::directory::{Contact, ContactNumber, Reach};
use strowger::number::{Kind, Number};
use strowger::routing::{Action, Route, RouteKey, Step};
use strowger::store::{Edit, Store};

const SMALL: u64 = 1_000;
const LARGE: u64 = 5_000_000;
/// Asked for every second, from when each should begin.
const CALLS_A_SECOND: &str = "1000";

/// The part.
pub(super) fn directory() -> Outcome {
    println!("A directory of {LARGE} contacts beside one of {SMALL}; every hundredth has a range, another a main number, another an owner");
    let (small_dir, large_dir, start_dir, empty_dir) =
        (tempfile::tempdir()?, tempfile::tempdir()?, tempfile::tempdir()?, tempfile::tempdir()?);
    fill(empty_dir.path(), 0)?;
    let empty = Strowger::start(empty_dir.path())?;
    empty.wait_for_snapshot()?;
    let empty_kb = empty.process.memory_kb("VmRSS")?;
    drop(empty);
    println!(
        "{:>9} {:>9} {:>9} {:>12} {:>9} {:>16} {:>16}",
        "contacts", "fill s", "ready ms", "snapshot ms", "RSS MB", "RSS a contact", "of it directory"
    );
    let small = started(small_dir.path(), SMALL, empty_kb)?;
    drop(started(start_dir.path(), IMPORTED, empty_kb)?);
    let large = started(large_dir.path(), LARGE, empty_kb)?;
    compare(&small, &large)?;
    println!();
    Ok(())
}

/// A server over so many contacts, and what it took to start.
fn started(dir: &Path, count: u64, empty_kb: u64) -> Outcome<Strowger> {
    let began = Instant::now();
    fill(dir, count)?;
    let filled = began.elapsed().as_secs_f64();
    let strowger = Strowger::start(dir)?;
    let snapshot_ms = strowger.ready_ms + strowger.wait_for_snapshot()?;
    let rss_kb = strowger.process.memory_kb("VmRSS")?;
    let directory_bytes = strowger.status()?["directory_bytes"].as_f64().unwrap_or(f64::NAN);
    println!(
        "{count:>9} {filled:>9.1} {:>9} {snapshot_ms:>12} {:>9.1} {:>16.0} {:>16.0}",
        strowger.ready_ms,
        rss_kb as f64 / 1000.0,
        rss_kb.saturating_sub(empty_kb) as f64 * 1024.0 / count as f64,
        directory_bytes / count as f64
    );
    Ok(strowger)
}

/// Makes a store with a default route and so many contacts.
fn fill(dir: &Path, count: u64) -> Outcome {
    let (store, writer) = Store::open(&dir.join("store"), Arc::new(SystemClock))?;
    let writer = std::thread::spawn(move || writer.run());
    let targets = vec![Number::from_key(Kind::Extension, "101").ok_or("no extension")?];
    let dial = Step { action: Action::Dial { targets, trunk: None }, timeout_seconds: Some(20) };
    store.edit("default", "bench", Edit::PutRoute(Route::of(RouteKey::Default, vec![dial])))?;
    if count > 0 {
        let mut bulk = store.bulk("default", "bench");
        for n in 0..count {
            bulk.push(&contact(n).ok_or("no contact")?)?;
        }
        bulk.commit("bench")?;
    }
    store.close();
    drop(store);
    writer.join().map_err(|_| "the writer panicked")?;
    Ok(())
}

fn contact(n: u64) -> Option<Contact> {
    // as the load generator counts: +14152000000 and on
    let digits = format!("{}", 14_152_000_000 + n);
    let number = Number::from_key(Kind::E164, &digits)?;
    let mut numbers = vec![ContactNumber::of(number, format!("+{digits}"), None)];
    let block = format!("4930{n:07}");
    let many = |digits: &str, reach| Some(ContactNumber { reach, ..ContactNumber::of(Number::from_key(Kind::E164, digits)?, "", None) });
    match n % 100 {
        1 => numbers.push(many(&block, Reach::Beginning)?),
        2 => numbers.push(many(&format!("{block}0"), Reach::Main)?),
        _ => {}
    }
    let owner = if n % 100 == 3 { Number::from_key(Kind::Extension, "101") } else { None };
    Some(Contact { owner, ..Contact::of(format!("c{n}"), format!("Contact Number {n}"), numbers) })
}

fn compare(small: &Strowger, large: &Strowger) -> Outcome {
    println!("{CALLS_A_SECOND} calls a second for 4 s, {ROUNDS} times each in turn");
    println!("{:>10} {:>9} {:>9} {:>9}", "contacts", "p50 µs", "p99 µs", "p99.9 µs");
    let mut all = [(SMALL, small, Vec::new(), Vec::new()), (LARGE, large, Vec::new(), Vec::new())];
    for round in 0..=ROUNDS {
        for (contacts, strowger, p50s, p99s) in &mut all {
            // everybody that the site knows calls
            let args = ["--rate", CALLS_A_SECOND, "--connections", "64", "--seconds", "4", "--expect", "found"];
            let report = load_from(AGI, &strowger.agi, *contacts, &args)?;
            if failed(&report) > 0.0 {
                return Err(format!("calls failed: {report}").into());
            }
            // what the first calls need is no part of what a directory needs
            if round > 0 {
                let at = |name: &str| number(&report, &format!("latency/{name}_us"));
                println!("{contacts:>10} {:>9.0} {:>9.0} {:>9.0}", at("p50"), at("p99"), at("p999"));
                p50s.push(at("p50"));
                p99s.push(at("p99"));
            }
        }
    }
    let [(.., p50_small, p99_small), (.., p50_large, p99_large)] = all;
    println!("large of small: p50 {:.2}, p99 {:.2}", median(p50_large) / median(p50_small), median(p99_large) / median(p99_small));
    Ok(())
}
