//! A large plan beside a small one: answers of a site with 10,000 routes, 2,000 groups, 500 schedules, 50,000 entries on the
//! block list and 1,000,000 contacts, and of one with a single route; and how soon one changed line of the large plan counts.

use super::process::{AGI, Strowger, contacts_csv, failed, load, median, number};
use super::{IMPORTED, Outcome, ROUNDS};
use std::fmt::Write as _;
use std::path::Path;
use std::time::Instant;

const PLAN_ROUTES: u64 = 10_000;
const GROUPS: u64 = 2_000;
const SCHEDULES: u64 = 500;
const BLOCKED: u64 = 50_000;
/// Asked for every second, from when each should begin.
const CALLS_A_SECOND: &str = "1000";
/// One changed line is applied so many times.
const CHANGES: usize = 9;

/// The part.
pub(super) fn plan() -> Outcome {
    let (small_dir, large_dir) = (tempfile::tempdir()?, tempfile::tempdir()?);
    let small = Strowger::start(small_dir.path())?;
    small.cli(&["route", "set", "--default", "--step", "dial:101,102,timeout=20", "--step", "voicemail:199"])?;
    let large = Strowger::start(large_dir.path())?;
    let empty_kb = large.process.memory_kb("VmRSS")?;
    let file = large_dir.path().join("plan.toml");
    std::fs::write(&file, large_plan(0))?;
    let took = applied(&large, &file)?;
    let plan_kb = large.process.memory_kb("VmRSS")?;
    println!(
        "a plan of {PLAN_ROUTES} routes, {GROUPS} groups, {SCHEDULES} schedules and {BLOCKED} blocked numbers, {} kB of text: applied whole in {took:.0} ms; {} MB more memory",
        std::fs::metadata(&file)?.len() / 1000,
        plan_kb.saturating_sub(empty_kb) / 1000
    );
    let csv = large_dir.path().join("contacts.csv");
    contacts_csv(&csv, IMPORTED)?;
    large.cli(&["contact", "import", &csv.display().to_string()])?;
    println!("with {IMPORTED} contacts the server has {} MB", large.process.memory_kb("VmRSS")? / 1000);
    compare(&small, &large)?;
    changes(&large, &file)?;
    println!();
    Ok(())
}

/// The plan as text; `seconds` is what one line of it says.
fn large_plan(seconds: u64) -> String {
    let mut text = String::new();
    for n in 0..SCHEDULES {
        let _ = writeln!(
            text,
            "[[schedule]]\nid = \"hours-{n}\"\ntimezone = \"Europe/Berlin\"\nopen = [\"daily 00:00-12:00\", \"daily 12:00-24:00\"]\nholidays = [\"christmas 12-25..12-26\", \"new-year 01-01\"]\n"
        );
    }
    for n in 0..GROUPS {
        let timeout = 20 + if n == 7 { seconds } else { 0 };
        let strategy = ["ringall", "hunt", "memoryhunt", "random", "weighted", "rrmemory", "leastrecent"][n as usize % 7];
        let _ = writeln!(text, "[[group]]\nid = \"group-{n}\"\nstrategy = \"{strategy}\"\ntimeout_seconds = {timeout}\nmembers = [");
        for member in 0..4 {
            let _ = writeln!(text, "  {{ extension = \"{}\" }},", 1000 + (n * 4 + member) % 8000);
        }
        let _ = writeln!(text, "  {{ number = \"+1415{:07}\", name = \"Mobile {n}\", confirm = true }},\n]\n", 3_000_000 + n);
    }
    for n in 0..PLAN_ROUTES {
        let _ = writeln!(
            text,
            "[[route]]\nnumber = \"+1415{:07}\"\nschedule = \"hours-{}\"\nsteps = [{{ ring = \"group-{}\" }}, {{ voicemail = \"{}\" }}]\nwhen = {{ holiday = [{{ playback = \"holiday\" }}], closed = [{{ voicemail = \"{}\" }}] }}\n",
            5_550_000 + n,
            n % SCHEDULES,
            n % GROUPS,
            1000 + n % 8000,
            1000 + n % 8000
        );
    }
    for n in 0..BLOCKED {
        let _ = writeln!(text, "[[block]]\nnumber = \"+1212{:07}\"\n", 2_000_000 + n);
    }
    text
}

/// Applies a plan; milliseconds.
fn applied(strowger: &Strowger, file: &Path) -> Outcome<f64> {
    let began = Instant::now();
    strowger.cli(&["apply", &file.display().to_string()])?;
    Ok(began.elapsed().as_secs_f64() * 1000.0)
}

fn compare(small: &Strowger, large: &Strowger) -> Outcome {
    println!("{CALLS_A_SECOND} calls a second for 4 s, {ROUNDS} times each in turn");
    println!("{:>10} {:>9} {:>9} {:>9}", "plan", "p50 µs", "p99 µs", "p99.9 µs");
    let mut all = [("small", small, Vec::new(), Vec::new()), ("large", large, Vec::new(), Vec::new())];
    for round in 0..=ROUNDS {
        for (name, strowger, p50s, p99s) in &mut all {
            let report =
                load(AGI, &strowger.agi, &["--rate", CALLS_A_SECOND, "--connections", "64", "--seconds", "4", "--expect", "found"])?;
            if failed(&report) > 0.0 {
                return Err(format!("calls failed: {report}").into());
            }
            // what the first calls need is no part of what a plan needs
            if round > 0 {
                let at = |name: &str| number(&report, &format!("latency/{name}_us"));
                println!("{name:>10} {:>9.0} {:>9.0} {:>9.0}", at("p50"), at("p99"), at("p99_9"));
                p50s.push(at("p50"));
                p99s.push(at("p99"));
            }
        }
    }
    let [(.., p50_small, p99_small), (.., p50_large, p99_large)] = all;
    println!("large of small: p50 {:.2}, p99 {:.2}", median(p50_large) / median(p50_small), median(p99_large) / median(p99_small));
    Ok(())
}

/// One line of the large plan is changed and applied, again and again.
fn changes(strowger: &Strowger, file: &Path) -> Outcome {
    let mut whole = Vec::new();
    let mut published = Vec::new();
    for n in 0..CHANGES {
        std::fs::write(file, large_plan(n as u64 + 1))?;
        let said = {
            let began = Instant::now();
            let said = strowger.cli(&["--json", "apply", &file.display().to_string()])?;
            whole.push(began.elapsed().as_secs_f64() * 1000.0);
            said
        };
        let said: serde_json::Value = serde_json::from_str(&said)?;
        published.extend(said["published_ms"].as_f64());
    }
    println!("one changed line: from the command to its end {:.0} ms (median of {CHANGES})", median(whole));
    if !published.is_empty() {
        println!("of which from the finished comparison to the answer of the store {:.1} ms", median(published));
    }
    Ok(())
}
