//! Steady calls at all three doors, and what became of them.

use super::Running;
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;
use strowger::play::{LoadPlan, LoadReport, LoadWay, Pace, SocketMode, Way, run_load_by};

/// How long a report's calls go on; one follows the other.
const ROUND: Duration = Duration::from_secs(1);
/// Each door's calls: 300 a second by the switches' own protocols, and some look-ups.
const DOORS: [(&str, f64); 3] = [("FastAGI", 150.0), ("outbound socket", 150.0), ("look-up HTTP", 50.0)];

pub type Reports = Vec<(&'static str, Vec<LoadReport>)>;

pub struct Load {
    over: Arc<AtomicBool>,
    doors: Vec<(&'static str, JoinHandle<Vec<LoadReport>>)>,
}

impl Load {
    pub fn start(server: &Running) -> Load {
        let over = Arc::new(AtomicBool::new(false));
        let addresses = [server.agi, server.esl, server.lookup_http];
        let doors = DOORS.iter().zip(addresses).map(|((door, calls_per_second), address)| {
            let over = over.clone();
            let playing = std::thread::spawn(move || {
                let mut reports = Vec::new();
                while !over.load(Ordering::Relaxed) {
                    reports.push(round(door, address, *calls_per_second));
                }
                reports
            });
            (*door, playing)
        });
        let doors = doors.collect();
        Load { over, doors }
    }

    pub fn stop(self) -> Reports {
        self.over.store(true, Ordering::Relaxed);
        self.doors.into_iter().map(|(door, playing)| (door, playing.join().unwrap())).collect()
    }
}

fn round(door: &str, address: SocketAddr, calls_per_second: f64) -> LoadReport {
    let (way, request) = match door {
        "FastAGI" => (Way::FastAgi, "route"),
        "outbound socket" => (Way::Socket(SocketMode::default()), "route"),
        _ => (Way::Name, "name"),
    };
    let plan = LoadPlan {
        address,
        request: request.to_owned(),
        arguments: Vec::new(),
        pace: Pace::Open { calls_per_second },
        connections: 64,
        calls_max: None,
        duration_max: Some(ROUND),
        wait_max: Duration::from_secs(20),
        expect: Some(|status| status == b"found"),
    };
    let numbers = |_| ("+14155550101".to_owned(), "+14155550199".to_owned());
    run_load_by(LoadWay { way, keep_alive: false }, &plan, numbers).unwrap()
}

/// The middle of the rounds' p99, of the doors that switches come in by with their own protocols.
pub fn p99_us(reports: &Reports) -> f64 {
    let mut all: Vec<f64> =
        reports.iter().filter(|(door, _)| *door != "look-up HTTP").flat_map(|(_, r)| r).map(|r| r.latency.p99_us).collect();
    all.sort_by(f64::total_cmp);
    all[all.len() / 2]
}

pub fn table(upgrades: usize, quiet: &Reports, during: &Reports) -> String {
    let mut text =
        format!("{upgrades} upgrades\n{:16} {:>8} {:>8} {:>6} {:>10} {:>10}\n", "", "calls", "failed", "late", "p99 (us)", "max (us)");
    for (when, reports) in [("quiet", quiet), ("during", during)] {
        for (door, rounds) in reports {
            let sum = |of: fn(&LoadReport) -> u64| rounds.iter().map(of).sum::<u64>();
            let mut p99: Vec<f64> = rounds.iter().map(|r| r.latency.p99_us).collect();
            p99.sort_by(f64::total_cmp);
            let max = rounds.iter().map(|r| r.latency.max_us).fold(0.0, f64::max);
            let middle = p99.get(p99.len() / 2).copied().unwrap_or(0.0);
            let (calls, failed, late) = (sum(|r| r.calls), sum(|r| r.failed.total()), sum(|r| r.statuses.late));
            let _ = writeln!(text, "{when:6} {door:16} {calls:>6} {failed:>6} {late:>6} {middle:>10.0} {max:>10.0}");
        }
    }
    let _ = write!(text, "p99 during / quiet: {:.2}", p99_us(during) / p99_us(quiet));
    text
}
