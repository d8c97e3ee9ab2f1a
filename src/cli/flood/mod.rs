//! `bench flood`: what answers take while events flood in, beside what they take when all is quiet.
//!
//! A server of its own, in a directory that goes away, listens to two switches that flood ([`play::flood`]); calls begin
//! at a fixed rate all the while, and their times run from when they should have begun. Phases of quiet stand between all
//! others and at both ends, so that a machine that drifts is seen: each flooded phase is measured against the quiet before
//! and behind it.
//!
//! [`play::flood`]: crate::play::flood

mod server;
mod table;

use super::exit::{Exit, Failure};
use super::play_args::FloodArgs;
use super::print;
use crate::clock::{Clock, SystemClock};
use crate::daemon::threads;
use crate::play::flood::{Flood, FloodPlan, FloodReport, NullReader, Switch};
use crate::play::{LoadPlan, LoadReport, Pace, run_load};
use serde::Serialize;
use server::{Counted, Import, Server, Stuck, contacts_csv};
use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// The number that is called, and who calls: the sample's.
const TO: &str = "+14155550199";
const FROM: &str = "+14155550101";
/// Calls that are going at once at most: what is not begun for want of one counts as late.
const CONNECTIONS: usize = 256;
/// How long a call may take. Far above the server's own budget: what hangs is seen.
const CALL_WAIT_MAX: Duration = Duration::from_secs(10);
/// How long the server has to log in to both switches.
const SUBSCRIBE_WAIT_MAX: Duration = Duration::from_secs(20);
/// How long what a flood left behind may take to be worked off before the next phase.
const SETTLE_WAIT_MAX: Duration = Duration::from_secs(10);
/// How often is looked whether it is.
const LOOK: Duration = Duration::from_millis(100);
/// Calls that are played before anything is measured.
const WARM_UP_CALLS: u64 = 500;

/// What goes on beside the calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Beside {
    Quiet,
    Asterisk,
    FreeSwitch,
    All,
}

/// One phase, measured.
#[derive(Debug, Serialize)]
struct Phase {
    beside: Beside,
    calls: LoadReport,
    /// p99 over that of the quiet phases before and behind; `None` for these.
    ratio_p99: Option<f64>,
    floods: Vec<FloodReport>,
    /// What the server counted.
    counted: Counted,
    import: Option<&'static str>,
}

impl Phase {
    fn late(&self) -> u64 {
        self.calls.statuses.late
    }

    fn failed(&self) -> u64 {
        self.calls.failed.total() - self.calls.failed.unexpected_status.min(self.late())
    }
}

/// The whole run.
#[derive(Debug, Serialize)]
struct Outcome {
    calls_per_second: f64,
    seconds: f64,
    null_reader: bool,
    phases: Vec<Phase>,
    /// The median of the ratios of the phases with everything.
    ratio_p99_all_median: f64,
    late: u64,
    failed: u64,
    memory_highest_kb: u64,
}

pub(super) fn flood(json: bool, args: &FloodArgs) -> Result<Exit, Failure> {
    let trouble = |e: io::Error| Failure::new(Exit::Trouble, e.to_string());
    let dir = tempfile::tempdir().map_err(trouble)?;
    let mut bench = Bench::new(args, dir.path())?;
    let mut phases = vec![bench.phase(Beside::Quiet)?];
    let rounds = usize::try_from(args.rounds).unwrap_or(usize::MAX);
    let beside = [Beside::Asterisk, Beside::FreeSwitch].into_iter().chain(std::iter::repeat_n(Beside::All, rounds));
    for beside in beside {
        phases.push(bench.phase(beside)?);
        phases.push(bench.phase(Beside::Quiet)?);
    }
    compare(&mut phases);
    let all = phases.iter().filter(|p| p.beside == Beside::All).filter_map(|p| p.ratio_p99).collect();
    let outcome = Outcome {
        calls_per_second: args.rate,
        seconds: args.seconds,
        null_reader: args.null_reader,
        ratio_p99_all_median: median(all),
        late: phases.iter().map(Phase::late).sum(),
        failed: phases.iter().map(Phase::failed).sum(),
        memory_highest_kb: bench.server.memory_kb("VmHWM").unwrap_or_default(),
        phases,
    };
    if json {
        print::json(&outcome);
    } else {
        print::out(&table::text(&outcome));
    }
    match (outcome.failed, outcome.late) {
        (0, 0) => Ok(Exit::Done),
        (failed, late) => Err(Failure::new(Exit::NotFound, format!("{failed} calls failed, {late} were answered late"))),
    }
}

/// Measures each flooded phase against the quiet around it.
fn compare(phases: &mut [Phase]) {
    let p99: Vec<f64> = phases.iter().map(|p| p.calls.latency.p99_us).collect();
    for (n, phase) in phases.iter_mut().enumerate().filter(|(_, p)| p.beside != Beside::Quiet) {
        // a flooded phase has a quiet one on both sides
        phase.ratio_p99 = Some(p99[n] / ((p99[n - 1] + p99[n + 1]) / 2.0));
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

/// The server, its switches, and what runs beside them.
struct Bench<'a> {
    args: &'a FloodArgs,
    server: Server,
    asterisk: Flood,
    freeswitch: Flood,
    csv: std::path::PathBuf,
    /// In place of the server's event plane.
    _readers: Vec<NullReader>,
}

impl Bench<'_> {
    fn new<'a>(args: &'a FloodArgs, dir: &std::path::Path) -> Result<Bench<'a>, Failure> {
        let trouble = |e: io::Error| Failure::new(Exit::Trouble, e.to_string());
        let plan = |switch| FloodPlan {
            switch,
            epoch_seconds: SystemClock.now_us() / 1_000_000,
            events_per_second: args.events,
            priority: threads::lower_priority,
            ..FloodPlan::default()
        };
        let plans = [plan(Switch::Asterisk), plan(Switch::FreeSwitch)];
        let [asterisk, freeswitch] = [Flood::listen(plans[0].clone()).map_err(trouble)?, Flood::listen(plans[1].clone()).map_err(trouble)?];
        let csv = dir.join("contacts.csv");
        contacts_csv(&csv, args.import).map_err(trouble)?;
        let switches = (!args.null_reader).then(|| (asterisk.address(), freeswitch.address()));
        let server = Server::start(dir, switches, &plans[0], args.slow_disk_ms)?;
        let mut readers = Vec::new();
        if args.null_reader {
            for (flood, plan) in [(&asterisk, &plans[0]), (&freeswitch, &plans[1])] {
                readers.push(NullReader::connect(flood.address(), plan).map_err(trouble)?);
            }
        }
        let bench = Bench { args, server, asterisk, freeswitch, csv, _readers: readers };
        let both = || bench.asterisk.subscribed() > 0 && bench.freeswitch.subscribed() > 0;
        if !within(SUBSCRIBE_WAIT_MAX, both) {
            return Err(Failure::new(Exit::Trouble, format!("the server did not subscribe to its switches; {}", bench.server.said())));
        }
        play(args, bench.server.agi, Some(WARM_UP_CALLS))?;
        Ok(bench)
    }

    fn phase(&mut self, beside: Beside) -> Result<Phase, Failure> {
        if !self.args.null_reader {
            // what the phase before left behind is no part of this one
            let _ = within(SETTLE_WAIT_MAX, || self.server.counted().is_ok_and(|c| c.queued == 0));
        }
        let (asterisk, freeswitch) = (matches!(beside, Beside::Asterisk | Beside::All), matches!(beside, Beside::FreeSwitch | Beside::All));
        let mut others = (None, None);
        if beside == Beside::All {
            // where nobody makes anything of events, there is no feed to subscribe to
            let stuck = (!self.args.null_reader).then(|| Stuck::subscribe(&self.server)).transpose()?;
            others = (stuck, Some(Import::start(&self.server, &self.csv)?));
        }
        let before = self.server.counted()?;
        self.reports();
        for (flood, floods) in [(&self.asterisk, asterisk), (&self.freeswitch, freeswitch)] {
            if floods {
                flood.start();
            }
        }
        let calls = play(self.args, self.server.agi, None);
        self.asterisk.stop();
        self.freeswitch.stop();
        let reports = self.reports();
        let counted = self.server.counted()?.since(&before);
        let import = others.1.map(Import::end);
        drop(others.0);
        let floods = reports.into_iter().zip([asterisk, freeswitch]).filter_map(|(report, floods)| floods.then_some(report)).collect();
        Ok(Phase { beside, calls: calls?, ratio_p99: None, floods, counted, import })
    }

    fn reports(&mut self) -> [FloodReport; 2] {
        [self.asterisk.report(), self.freeswitch.report()]
    }
}

/// Plays calls for a phase, or so many.
fn play(args: &FloodArgs, address: SocketAddr, calls_max: Option<u64>) -> Result<LoadReport, Failure> {
    let bad = |text: String| Failure::new(Exit::BadInput, text);
    let duration = Duration::try_from_secs_f64(args.seconds).map_err(|_| bad(format!("--seconds {} is no time", args.seconds)))?;
    let plan = LoadPlan {
        address,
        request: "route".to_owned(),
        arguments: Vec::new(),
        pace: Pace::Open { calls_per_second: args.rate },
        connections: CONNECTIONS,
        calls_max,
        duration_max: Some(duration),
        wait_max: CALL_WAIT_MAX,
        expect: Some(|status| status == b"found"),
    };
    run_load(&plan, |_| (FROM.to_owned(), TO.to_owned())).map_err(|e| bad(e.to_string()))
}

/// Whether it comes true in time.
fn within(time: Duration, test: impl Fn() -> bool) -> bool {
    let began = Instant::now();
    while !test() {
        if began.elapsed() > time {
            return false;
        }
        std::thread::sleep(LOOK);
    }
    true
}
