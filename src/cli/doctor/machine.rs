//! The server, its store, and what the machine allows it.

use super::super::args::Global;
use super::super::status::of_server;
use super::Finding;
use crate::clock::{Clock, SystemClock};
use crate::config::Config;
use crate::control::StatusView;
use crate::cti::SourcePhase;

/// A disk with less left than this will not take the next import, in bytes.
const DISK_FREE_MIN: u64 = 512 * 1024 * 1024;
/// The least backlog that a burst of calls wants.
const SOMAXCONN_MIN: u64 = 1024;
/// The least open files: sessions take one each.
const OPEN_FILES_MIN: u64 = 4096;
/// A clock before this is not set: 2024-01-01, in seconds since 1970.
const CLOCK_MIN: u64 = 1_704_067_200;

pub(super) fn examine(global: &Global, config: &Config) -> Vec<Finding> {
    let mut findings = Vec::new();
    match of_server(global) {
        Ok(view) => {
            findings.extend(server(&view));
            findings.extend(open_files(view.pid));
        }
        Err(failure) => findings.push(Finding::warning("server", failure.text, "systemctl start strowger, or strowger serve")),
    }
    findings.push(disk(config));
    findings.push(
        number_in("/proc/sys/net/core/somaxconn")
            .map_or_else(|| Finding::fine("machine", "net.core.somaxconn can't be read here"), of_somaxconn),
    );
    let now = SystemClock.now_us() / 1_000_000;
    findings.push(if now < CLOCK_MIN {
        let remedy = "set it, and let a time service keep it; schedules and the journal go by it";
        Finding::bad("machine", "the clock stands before 2024", remedy)
    } else {
        Finding::fine("machine", "the clock is plausible")
    });
    findings
}

fn server(view: &StatusView) -> Vec<Finding> {
    let mut findings = Vec::new();
    let own = env!("CARGO_PKG_VERSION");
    if view.version != own {
        let what = format!("version {} runs, and this program is {own}", view.version);
        findings.push(Finding::warning(
            "server",
            what,
            "systemctl restart strowger: calls wait in its sockets meanwhile, and none is refused",
        ));
    }
    match &view.store_failed {
        Some(why) => findings.push(Finding::bad(
            "store",
            format!("edits are refused: {why}"),
            "make room, and edits are taken again, or mend the disk and restart",
        )),
        None => findings.push(Finding::fine("store", format!("revision {}, {} contacts, takes edits", view.revision, view.contacts))),
    }
    let ended = |word: &str| view.planes.endings.iter().find(|(ending, _)| ending == word).map_or(0, |(_, n)| *n);
    for (word, remedy) in [
        ("capacity", "raise sessions_max and the limit on open files, or look who connects"),
        ("malformed", "look into the log which peer sends what can't be read; are the ports open to others than the switch?"),
        ("unconfirmed", "the switch took longer than 2 s over an answer: look at its load"),
    ] {
        if ended(word) > 0 {
            findings.push(Finding::warning("server", format!("{} sessions ended {word} since the start", ended(word)), remedy));
        }
    }
    if view.planes.late > 0 {
        let what = format!("{} answers came late since the start, and their callers got the fallback", view.planes.late);
        findings.push(Finding::warning("server", what, "look for a busy processor; answer_budget_ms is the time that there is"));
    }
    for source in view.planes.events.iter().flat_map(|events| &events.sources) {
        if let SourcePhase::Down(why) = &source.phase {
            let place = format!("switch {}", source.name);
            findings.push(Finding::warning(place, why.clone(), "strowger status shows when it comes back"));
        } else if let Some(advice) = &source.advice {
            findings.push(Finding::warning(format!("switch {}", source.name), advice.clone(), ""));
        }
    }
    findings
}

fn disk(config: &Config) -> Finding {
    let dir = [config.data.as_path(), std::path::Path::new("/")].into_iter().find(|dir| dir.exists());
    match dir.map(rustix::fs::statvfs) {
        Some(Ok(disk)) => {
            let free = disk.f_bavail.saturating_mul(disk.f_frsize);
            let what = format!("{} MB are free at {}", free / 1_000_000, config.data.display());
            if free < DISK_FREE_MIN {
                Finding::bad("store", what, "make room: a full disk refuses edits (calls are still answered)")
            } else {
                Finding::fine("store", what)
            }
        }
        _ => Finding::warning("store", format!("the disk of {} can't be looked at", config.data.display()), "does the directory exist?"),
    }
}

fn number_in(path: &str) -> Option<u64> {
    std::fs::read_to_string(path).ok()?.trim().parse().ok()
}

fn of_somaxconn(somaxconn: u64) -> Finding {
    let what = format!("net.core.somaxconn = {somaxconn}");
    if somaxconn < SOMAXCONN_MIN {
        Finding::warning("machine", what, "sysctl -w net.core.somaxconn=4096: a full backlog costs a caller seconds")
    } else {
        Finding::fine("machine", what)
    }
}

/// The running server's limit on open files, as far as it may be read.
fn open_files(pid: u32) -> Option<Finding> {
    let limits = std::fs::read_to_string(format!("/proc/{pid}/limits")).ok()?;
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"))?;
    let soft: u64 = line.split_whitespace().next()?.parse().unwrap_or(u64::MAX);
    let what = format!("the server may open {soft} files");
    Some(if soft < OPEN_FILES_MIN {
        Finding::warning("machine", what, "LimitNOFILE=65536 in its unit: each session takes one")
    } else {
        Finding::fine("machine", what)
    })
}
