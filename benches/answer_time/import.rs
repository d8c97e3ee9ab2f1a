//! Answers while a million contacts come in, and once more while they are replaced.

use super::process::{AGI, Running, STROWGER, Strowger, contacts_csv_named, fill, load, median, number};
use super::{IMPORTED, Outcome};
use serde_json::Value;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// What a million contacts may take at most: seconds, and megabytes of the server's and the command line's memory.
const SECONDS_MAX: f64 = 90.0;
const MEMORY_MB_MAX: u64 = 1000;
/// How many times slower than quiet the slowest hundredth of calls may be meanwhile.
const RATIO_MAX: f64 = 1.3;

/// Loads of this many seconds while the import goes on.
const LOAD_SECONDS: &str = "3";

pub(super) fn import() -> Outcome {
    let dir = tempfile::tempdir()?;
    let strowger = Strowger::start(dir.path())?;
    fill(&strowger, dir.path())?;
    let csv = dir.path().join("many.csv");
    println!("Answers at 500 calls/s while {IMPORTED} contacts are imported through the admin socket, and then replaced by as many others");
    println!("Times from when a call should have begun, and, without the generator's own lateness, from when it began.");
    println!(
        "{:>9} {:>7} {:>9} {:>9} {:>9} {:>12} {:>12} {:>6}",
        "", "calls", "p50 µs", "p99 µs", "p99.9 µs", "begun p50", "begun p99", "late"
    );
    let mut within = true;
    for (mode, name) in [("merge", "Contact Number"), ("replace", "Another Number")] {
        contacts_csv_named(&csv, IMPORTED, name)?;
        within &= one(&strowger, dir.path(), &csv, mode)?;
    }
    println!("bounds: {SECONDS_MAX} s, {MEMORY_MB_MAX} MB each, p99 {RATIO_MAX} × quiet: {}\n", if within { "kept" } else { "NOT KEPT" });
    Ok(())
}

fn row(name: &str, report: &Value) {
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
}

/// One import under load; whether it kept to its bounds.
fn one(strowger: &Strowger, data: &Path, csv: &Path, mode: &str) -> Outcome<bool> {
    let at = |seconds: &str| load(AGI, &strowger.agi, &["--rate", "500", "--connections", "64", "--seconds", seconds]);
    let before = at("15")?;
    row("quiet", &before);
    let began = Instant::now();
    let importer = Command::new(STROWGER)
        .arg("--data")
        .arg(data)
        .args(["contact", "import", &csv.display().to_string(), "--mode", mode])
        .stderr(Stdio::null())
        .stdout(Stdio::null())
        .spawn()?;
    let mut importer = Running(importer);
    let (took, client_mb, during) = std::thread::scope(|scope| -> Outcome<_> {
        let loads = scope.spawn(|| {
            let mut during = Vec::new();
            // the last one may reach into the quiet behind the import, and is left out
            while let Ok(report) = at(LOAD_SECONDS) {
                during.push((Instant::now(), report));
                if Path::new(csv).with_extension("done").exists() {
                    break;
                }
            }
            during
        });
        let mut client_kb = 0;
        let status = loop {
            client_kb = client_kb.max(importer.memory_kb("VmHWM").unwrap_or(0));
            if let Some(status) = importer.0.try_wait()? {
                break status;
            }
            std::thread::sleep(Duration::from_millis(100));
        };
        let ended = Instant::now();
        std::fs::write(csv.with_extension("done"), "")?;
        let during = loads.join().map_err(|_| "the load ended badly")?;
        std::fs::remove_file(csv.with_extension("done"))?;
        if !status.success() {
            return Err("the import failed".into());
        }
        let during: Vec<Value> = during.into_iter().filter(|(at, _)| *at <= ended).map(|(_, report)| report).collect();
        Ok((ended - began, client_kb / 1000, during))
    })?;
    for report in &during {
        row(mode, report);
    }
    let after = at("15")?;
    row("quiet", &after);
    let ratio = |path: &str| {
        let quiet = (number(&before, path) + number(&after, path)) / 2.0;
        median(during.iter().map(|r| number(r, path)).collect()) / quiet
    };
    let server_mb = strowger.process.memory_kb("VmHWM")? / 1000;
    println!("{mode}: {:.1} s; memory at its highest: server {server_mb} MB, command line {client_mb} MB", took.as_secs_f64());
    let (asked, begun) = (ratio("latency/p99_us"), ratio("service/p99_us"));
    println!("p99 meanwhile / quiet: {asked:.2}; from when the calls began: {begun:.2}");
    Ok(took.as_secs_f64() < SECONDS_MAX && server_mb.max(client_mb) < MEMORY_MB_MAX && asked <= RATIO_MAX)
}
