//! What the integration tests share: a place with a configuration and a store, a server in a process of its own or
//! in this one, and a switch that calls it.
//!
//! Nothing here looks at this machine's own configuration: every command gets its own directory, its own file and an
//! empty environment.

// each test binary uses a part of this
#![allow(dead_code, unused_imports)]

mod caller;
pub mod event_switch;
mod http;
mod place;

pub use caller::*;
pub use http::*;
pub use place::*;

use std::time::{Duration, Instant};

/// Waits until something is so, looking often; `false` when it isn't so in time.
pub fn within(time: Duration, mut is_so: impl FnMut() -> bool) -> bool {
    let began = Instant::now();
    loop {
        if is_so() {
            return true;
        }
        if began.elapsed() > time {
            return false;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Memory of a process in kB: `VmRSS` (now) or `VmHWM` (the most there ever was).
pub fn memory_kb(pid: u32, what: &str) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|l| l.strip_prefix(what)?.strip_prefix(':')).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

/// How many descriptors a process has open.
pub fn descriptors(pid: u32) -> usize {
    std::fs::read_dir(format!("/proc/{pid}/fd")).unwrap().count()
}

/// Says aloud that a test wasn't carried out; where nothing may be skipped, it fails.
pub fn skipped(why: &str) {
    assert_ne!(std::env::var("CI").as_deref(), Ok("true"), "nothing may be skipped here: {why}");
    // not eprintln!, which the test runner keeps to itself
    let _ = std::io::Write::write_all(&mut std::io::stderr(), format!("SKIPPED: {why}\n").as_bytes());
}
