//! Memory after a restart.

use super::process::{Strowger, contacts_csv};
use super::{CONTACTS, IMPORTED, Outcome};
use std::process::Command;

pub(super) fn memory() -> Outcome {
    println!("Memory after a restart");
    println!(
        "{:>9} {:>9} {:>11} {:>12} {:>9} {:>9} {:>15}",
        "contacts", "raw MB", "ready ms", "snapshot ms", "RSS MB", "peak MB", "bytes a contact"
    );
    let mut empty_kb = 0;
    for count in [0, CONTACTS, IMPORTED] {
        let dir = tempfile::tempdir()?;
        let csv = dir.path().join("contacts.csv");
        let raw = contacts_csv(&csv, count)?;
        if count > 0 {
            let strowger = Strowger::start(dir.path())?;
            strowger.cli(&["contact", "import", &csv.display().to_string()])?;
            let stopped = Command::new("kill").arg(strowger.process.0.id().to_string()).status()?;
            let mut process = strowger.process;
            if !stopped.success() || !process.0.wait()?.success() {
                return Err("strowger didn't stop".into());
            }
        }
        let strowger = Strowger::start(dir.path())?;
        let snapshot_ms = strowger.wait_for_snapshot()?;
        let rss = strowger.process.memory_kb("VmRSS")?;
        let per_contact = if count == 0 {
            empty_kb = rss;
            String::new()
        } else {
            format!("{:.0}", (rss - empty_kb) as f64 * 1024.0 / count as f64)
        };
        println!(
            "{count:>9} {:>9.1} {:>11} {snapshot_ms:>12} {:>9.1} {:>9.1} {per_contact:>15}",
            raw as f64 / 1e6,
            strowger.ready_ms,
            rss as f64 / 1000.0,
            strowger.process.memory_kb("VmHWM")? as f64 / 1000.0
        );
    }
    println!();
    Ok(())
}
