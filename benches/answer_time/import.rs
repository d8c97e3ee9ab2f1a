//! Answers while a million contacts come in.

use super::process::{AGI, STROWGER, Strowger, contacts_csv, fill, load, median, number};
use super::{IMPORTED, Outcome};
use serde_json::Value;
use std::process::{Command, Stdio};
use std::time::Instant;

pub(super) fn import() -> Outcome {
    let dir = tempfile::tempdir()?;
    let strowger = Strowger::start(dir.path())?;
    fill(&strowger, dir.path())?;
    let csv = dir.path().join("many.csv");
    contacts_csv(&csv, IMPORTED)?;
    println!("Answers at 500 calls/s while {IMPORTED} contacts are imported through the admin socket");
    println!("Times from when a call should have begun, and, without the generator's own lateness, from when it began.");
    println!(
        "{:>9} {:>7} {:>9} {:>9} {:>9} {:>12} {:>12} {:>6}",
        "", "calls", "p50 µs", "p99 µs", "p99.9 µs", "begun p50", "begun p99", "late"
    );
    let row = |name: &str, report: &Value| {
        println!(
            "{name:>9} {:>7} {:>9.0} {:>9.0} {:>9.0} {:>12.0} {:>12.0} {:>6}",
            number(report, "calls"),
            number(report, "latency/p50_us"),
            number(report, "latency/p99_us"),
            number(report, "latency/p999_us"),
            number(report, "service/p50_us"),
            number(report, "service/p99_us"),
            number(report, "statuses/late")
        );
    };
    let at = |seconds: &str| load(AGI, &strowger.agi, &["--rate", "500", "--connections", "64", "--seconds", seconds]);
    let before = at("15")?;
    row("quiet", &before);
    let began = Instant::now();
    let mut importer = Command::new(STROWGER)
        .arg("--data")
        .arg(dir.path())
        .args(["contact", "import", &csv.display().to_string()])
        .stderr(Stdio::null())
        .stdout(Stdio::null())
        .spawn()?;
    let mut during = Vec::new();
    while importer.try_wait()?.is_none() {
        during.push(at("3")?);
    }
    let took = began.elapsed();
    for report in &during {
        row("importing", report);
    }
    let after = at("15")?;
    row("quiet", &after);
    let ratio = |path: &str| {
        let quiet = (number(&before, path) + number(&after, path)) / 2.0;
        median(during.iter().map(|r| number(r, path)).collect()) / quiet
    };
    println!("import: {:.1} s; server's memory at its highest {} MB", took.as_secs_f64(), strowger.process.memory_kb("VmHWM")? / 1000);
    println!("p99 while importing / quiet: {:.2}; from when the calls began: {:.2}\n", ratio("latency/p99_us"), ratio("service/p99_us"));
    Ok(())
}
