//! A server that works for long: calls over all three doors, both switches' events, edits, imports, searches and clients of
//! the feed, at a steady rate. No call may fail, and what the server holds (memory, descriptors, threads) and how fast it
//! answers has to be at the end as it was after the warm-up.
//!
//! `STROWGER_SOAK_SECONDS` says for how long; `tests/soak/run 3600` does it for an hour with a release build, and shows
//! the table.

#[path = "../support/mod.rs"]
mod support;
mod work;

use std::time::{Duration, Instant};
use strowger::daemon::threads;
use strowger::play::flood::{Flood, FloodPlan, Switch};
use strowger::play::{LoadPlan, LoadReport, LoadWay, Pace, SocketMode, Way, run_load_by};
use support::{DID, Place, Running, SCHOOL, descriptors, memory_kb, within};
use work::Work;

const SECONDS: &str = "STROWGER_SOAK_SECONDS";
const SECONDS_DEFAULT: u64 = 20;
/// Before anything is measured: what is bounded fills first. The feed remembers 8,192 events, which is 20 s at this rate; caches
/// of the store and the journal take some minutes more (a debug build: 76 MB idle, 140 after two minutes, 165 from five on).
const WARM_UP_SECONDS_MIN: u64 = 10;
const WARM_UP_SECONDS_MAX: u64 = 120;
/// Each switch's.
const EVENTS_PER_SECOND: f64 = 200.0;
/// Calls a second at each door; a debug build answers many more.
const DOORS: [(&str, Way, f64); 3] =
    [("FastAGI", Way::FastAgi, 60.0), ("outbound socket", Way::Socket(SocketMode::Static), 30.0), ("look-up HTTP", Way::Xml, 30.0)];
/// Memory at the end: so much more than after the warm-up, in parts of it, and so much besides. What the warm-up
/// hasn't filled yet has room in that, whatever the run's length; what grows with the work hasn't, in an hour.
const MEMORY_RATIO_MAX: f64 = 1.25;
const MEMORY_MORE_KB_MAX: u64 = 24 * 1024;
/// Descriptors more in the last third than in the first: calls that happen to meet.
const DESCRIPTORS_MORE_MAX: u64 = 16;
/// Descriptors more than before the work, once all have left: files that the store has begun since.
const DESCRIPTORS_LEFT_MAX: usize = 4;
/// Threads more in the last third than in the first: helpers of the engine come and go.
const THREADS_MORE_MAX: usize = 4;
/// p99 of the last third: so many times that of the first, and so much more. Wide, because this machine has other work, and
/// what callers measure is their own waiting for a processor, too.
const P99_RATIO_MAX: f64 = 5.0;
const P99_MORE_US_MAX: f64 = 2_000_000.0;

/// What a process holds in one moment.
#[derive(Debug, Clone, Copy)]
struct Held {
    memory_kb: u64,
    descriptors: usize,
    threads: usize,
}

impl Held {
    fn by(pid: u32) -> Held {
        let threads = std::fs::read_dir(format!("/proc/{pid}/task")).unwrap().count();
        Held { memory_kb: memory_kb(pid, "VmRSS"), descriptors: descriptors(pid), threads }
    }
}

/// A stretch of the run: what was held in it, and how its calls went at each door.
struct Stretch {
    name: &'static str,
    /// One each half second.
    held: Vec<Held>,
    calls: Vec<LoadReport>,
}

impl Stretch {
    /// Plays it.
    fn play(name: &'static str, server: &Running, time: Duration) -> Stretch {
        let began = Instant::now();
        let doors = DOORS.map(|(_, way, rate)| {
            let address = match way {
                Way::FastAgi => server.agi,
                Way::Socket(_) => server.esl,
                Way::Xml | Way::Name => server.lookup_http,
            };
            std::thread::spawn(move || {
                let plan = LoadPlan {
                    address,
                    request: "route".to_owned(),
                    arguments: Vec::new(),
                    pace: Pace::Open { calls_per_second: rate },
                    connections: 64,
                    calls_max: None,
                    duration_max: Some(time),
                    wait_max: Duration::from_secs(20),
                    expect: Some(|status| status == b"found"),
                };
                run_load_by(LoadWay { way, keep_alive: false }, &plan, |_| (SCHOOL.to_owned(), DID.to_owned())).unwrap()
            })
        });
        let mut held = Vec::new();
        while began.elapsed() < time || held.is_empty() {
            std::thread::sleep(Duration::from_millis(500));
            held.push(Held::by(server.pid()));
        }
        Stretch { name, held, calls: doors.into_iter().map(|door| door.join().unwrap()).collect() }
    }

    fn placed(&self) -> u64 {
        self.calls.iter().map(|report| report.calls).sum()
    }

    fn failed(&self) -> u64 {
        self.calls.iter().map(|report| report.failed.total()).sum()
    }

    /// What was held in the middle of its moments: neither a peak nor a trough decides.
    fn middle(&self, what: impl Fn(&Held) -> u64) -> u64 {
        let mut all: Vec<u64> = self.held.iter().map(what).collect();
        all.sort_unstable();
        all[all.len() / 2]
    }

    fn memory_kb(&self) -> u64 {
        self.middle(|held| held.memory_kb)
    }

    fn most(&self, what: impl Fn(&Held) -> usize) -> usize {
        self.held.iter().map(what).max().unwrap()
    }

    /// Its lines of the table.
    fn print(&self) {
        let peak = self.held.iter().map(|held| held.memory_kb).max().unwrap();
        let (descriptors, threads) = (self.most(|held| held.descriptors), self.most(|held| held.threads));
        let megabytes = |kb: u64| format!("{:.1}", kb as f64 / 1024.0);
        println!(
            "{:<12} memory {} MB, at most {}; {descriptors} descriptors, {threads} threads",
            self.name,
            megabytes(self.memory_kb()),
            megabytes(peak)
        );
        for ((door, ..), report) in DOORS.iter().zip(&self.calls) {
            let (times, statuses) = (&report.latency, &report.statuses);
            println!(
                "  {door:<16} {:>8} calls, {} failed, {} late; p50 {:>7.0} µs, p99 {:>7.0}, p99.9 {:>7.0}, longest {:>7.0}",
                report.calls,
                report.failed.total(),
                statuses.late,
                times.p50_us,
                times.p99_us,
                times.p999_us,
                times.max_us
            );
        }
    }
}

fn switch(switch: Switch) -> Flood {
    let plan = FloodPlan { switch, events_per_second: Some(EVENTS_PER_SECOND), priority: threads::lower_priority, ..FloodPlan::default() };
    Flood::listen(plan).unwrap()
}

#[test]
fn under_steady_work_no_call_fails_and_memory_descriptors_and_answer_times_stay_as_they_are() {
    let seconds = std::env::var(SECONDS).map_or(SECONDS_DEFAULT, |text| text.parse().unwrap_or_else(|_| panic!("{SECONDS}={text}")));
    let [asterisk, freeswitch] = [Switch::Asterisk, Switch::FreeSwitch].map(switch);
    let place = Place::new(&format!(
        "[[tenant]]\nid = \"default\"\ncountry = \"US\"\n\n\
         [[switch]]\nname = \"a\"\nkind = \"asterisk\"\naddress = \"{}\"\nuser = \"flood\"\nsecret = \"flood\"\n\n\
         [[switch]]\nname = \"f\"\nkind = \"freeswitch\"\naddress = \"{}\"\nsecret = \"flood\"\n",
        asterisk.address(),
        freeswitch.address()
    ));
    // a budget that only a server which stands still overspends, however busy the machine is
    let server = place.serve(&["--sample", "--answer-budget-ms", "1000"]);
    place.settled();
    assert!(within(Duration::from_secs(20), || asterisk.subscribed() == 1 && freeswitch.subscribed() == 1), "{}", place.logged());
    let before = Held::by(server.pid());

    let work = Work::begin(&place, &server);
    asterisk.start();
    freeswitch.start();
    let warm_up = Duration::from_secs((seconds / 4).clamp(WARM_UP_SECONDS_MIN, WARM_UP_SECONDS_MAX));
    let third = Duration::from_secs(seconds) / 3;
    println!("warm-up of {} s, then {seconds} s; before the work {before:?}", warm_up.as_secs());
    let stretches = [("warm-up", warm_up), ("first third", third), ("second third", third), ("last third", third)].map(|(name, time)| {
        let stretch = Stretch::play(name, &server, time);
        stretch.print();
        stretch
    });
    asterisk.stop();
    freeswitch.stop();
    let status = place.done(&["--json", "status"]).json();
    let done = work.end();
    println!("beside them   {done}");
    let endings = status["endings"].as_array().unwrap().iter().filter(|ending| ending[1] != 0);
    println!("endings       {}", endings.map(|e| format!("{} {}", e[0].as_str().unwrap(), e[1])).collect::<Vec<_>>().join(", "));
    println!("answer times  {}", answer_times(&status));
    println!("events        {}", events(&status));

    let [_, first, _, last] = &stretches;
    let failed: Vec<_> = stretches.iter().flat_map(|s| &s.calls).filter(|report| report.failed.total() != 0).collect();
    assert!(failed.is_empty(), "{failed:?}");
    let placed: u64 = stretches.iter().map(Stretch::placed).sum();
    let counted: u64 = status["endings"].as_array().unwrap().iter().map(|ending| ending[1].as_u64().unwrap()).sum();
    assert_eq!(
        (placed, stretches.iter().map(Stretch::failed).sum::<u64>()),
        (counted, 0),
        "calls placed, and sessions that the server counted"
    );
    assert_eq!(status["late"], 0);
    done.was_whole();

    let warm = stretches[0].held.last().unwrap().memory_kb.max(stretches[0].memory_kb());
    let bound = (warm as f64 * MEMORY_RATIO_MAX) as u64 + MEMORY_MORE_KB_MAX;
    assert!(last.memory_kb() <= bound, "{} kB at the end, {warm} after the warm-up; at most {bound}", last.memory_kb());
    let descriptors = |s: &Stretch| s.middle(|held| held.descriptors as u64);
    assert!(descriptors(last) <= descriptors(first) + DESCRIPTORS_MORE_MAX, "{} and {}", descriptors(first), descriptors(last));
    let threads = |s: &Stretch| s.most(|held| held.threads);
    assert!(threads(last) <= threads(first) + THREADS_MORE_MAX, "{} and {}", threads(first), threads(last));
    for ((door, ..), (early, late)) in DOORS.iter().zip(first.calls.iter().zip(&last.calls)) {
        let bound = early.latency.p99_us * P99_RATIO_MAX + P99_MORE_US_MAX;
        assert!(
            late.latency.p99_us <= bound,
            "{door}: p99 {} µs in the first third, {} in the last",
            early.latency.p99_us,
            late.latency.p99_us
        );
    }
    let left = || Held::by(server.pid()).descriptors;
    let is_left = within(Duration::from_secs(60), || left() <= before.descriptors + DESCRIPTORS_LEFT_MAX);
    println!("after it      {:?}", Held::by(server.pid()));
    assert!(is_left, "{} descriptors before the work, {} after it", before.descriptors, left());
}

/// How long answers took by the server's own clock, from the question to the answer.
fn answer_times(status: &serde_json::Value) -> String {
    let times = status["answer_times"].as_array().unwrap().iter().map(|time| (time[0].as_u64().unwrap(), time[1].as_u64().unwrap()));
    let words = times.filter(|(_, answers)| *answers > 0).map(|(below_us, answers)| match below_us {
        u64::MAX => format!("more: {answers}"),
        _ => format!("< {below_us} µs: {answers}"),
    });
    words.collect::<Vec<_>>().join(", ")
}

/// What became of the switches' events, in words.
fn events(status: &serde_json::Value) -> String {
    let sources = status["events"]["sources"].as_array().unwrap();
    let sum = |what: &str| sources.iter().map(|source| source[what].as_u64().unwrap()).sum::<u64>();
    let journal = |what: &str| status["events"][what].as_u64().unwrap();
    format!(
        "{} came in, {} lost, {} reconnects; {} calls written to the journal, {} lost",
        sum("events_in"),
        sum("events_lost"),
        sum("reconnects"),
        journal("journal_written"),
        journal("journal_lost")
    )
}
