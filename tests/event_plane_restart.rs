//! An event plane that fails is started again, and what it told before is made good.

use std::sync::Arc;
use std::time::Duration;
use strowger::clock::{Clock, SystemClock};
use strowger::cti::{Disposition, Hub, HubLimits, PlaneStats, What};
use strowger::decided;
use strowger::event::SwitchKind::Asterisk;
use strowger::event::source::ring::RingLimits;
use strowger::event::state::StateLimits;
use strowger::event::{EventPlane, Fault, Names, SourceInfo};
use strowger::hints::Hint;
use strowger::journal::{Journal, JournalLimits, JournalWriter, Query};
use strowger::memory::Glances;
use support::event_source::config;
use support::event_switch::{FakeSwitch, Speaks, newchannel};
use tokio::sync::watch;

mod support {
    pub mod event_source;
    pub mod event_switch;
    pub mod transcripts;
}

struct Nobody;

impl Names for Nobody {
    fn look_up(&self, _: &str, number: &str) -> (String, Option<(String, String)>) {
        (number.to_owned(), None)
    }
}

/// Up, a snapshot of three and a call's beginning; what comes then fails. The next run has no more than the first four.
const FAILS_AT: u64 = 6;

#[test]
fn a_call_that_ended_while_the_event_plane_was_down_ends_for_clients_and_in_the_journal_and_the_gap_is_repaired() {
    let switch = FakeSwitch::start(Speaks::Ami);
    let dir = tempfile::tempdir().unwrap();
    let journal = Journal::open(dir.path(), JournalLimits::default()).unwrap();
    let (hub, stats) = (Arc::new(Hub::new(1, HubLimits::default())), Arc::new(PlaneStats::default()));
    let (queue, writer) = JournalWriter::new(journal.clone(), stats.clone(), Arc::new(SystemClock), 100);
    let config = config(Asterisk, switch.address);
    let info =
        SourceInfo { name: "lab".into(), kind: Asterisk, address: switch.address, tenant: "default".into(), stats: config.stats.clone() };
    let start = hub.now();
    let (_decisions, records) = decided::channel(10, Arc::default());
    let (stop, stopped) = watch::channel(false);
    let (plane_hub, plane_stats) = (hub.clone(), stats.clone());
    let glances = Glances::new(["default"]);
    let hints = glances.hints.clone();
    let plane = std::thread::spawn(move || {
        let plane = EventPlane {
            sources: vec![(config, info)],
            ring: RingLimits::default(),
            limits: StateLimits::default(),
            hub: plane_hub,
            stats: plane_stats,
            glances,
            journal: Some(queue),
            clock: Arc::new(SystemClock),
            names: Box::new(Nobody),
            fault: Fault::PanicAt(FAILS_AT),
        };
        let intake = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let (handle, mut until) = (intake.handle().clone(), stopped.clone());
        let sockets = std::thread::spawn(move || intake.block_on(async { _ = until.wait_for(|stop| *stop).await }));
        plane.run(&handle, records, &stopped);
        sockets.join().unwrap();
    });
    let writer = std::thread::spawn(move || writer.run());
    let wait_for = |what: &str, is_there: &dyn Fn(&[&'static str]) -> bool| {
        let began = std::time::Instant::now();
        loop {
            let strowger::cti::Page::Events(events) = hub.after(start, 1_000) else { panic!("all are remembered") };
            let kinds: Vec<_> = events.iter().map(|event| event.what.kind()).collect();
            if is_there(&kinds) {
                return events;
            }
            assert!(began.elapsed() < Duration::from_secs(20), "{what}: {kinds:?}");
            std::thread::sleep(Duration::from_millis(5));
        }
    };
    wait_for("the snapshot's call", &|kinds| kinds.contains(&"call.answered"));
    switch.send(newchannel("7.7"));
    wait_for("a call", &|kinds| kinds.contains(&"call.ringing"));
    let now = SystemClock.now_us() / 1_000_000;
    hints.set("default", "199", Hint { dnd: true, ..Hint::default() }, now);
    switch.send(newchannel("8.8"));
    wait_for("the fault", &|kinds| kinds.contains(&"gap"));
    let events = wait_for("the repair", &|kinds| kinds.contains(&"repaired"));
    let ended: Vec<_> = events.iter().filter_map(|event| if let What::Ended { call } = &event.what { Some(call) } else { None }).collect();
    assert_eq!(ended.iter().map(|call| call.id.as_str()).collect::<Vec<_>>(), ["lab/7.7"]);
    assert_eq!(ended[0].disposition, Some(Disposition::Unknown));
    assert_eq!(hub.snapshot().calls.len(), 1, "what the switch lists goes on");
    assert_eq!(stats.restarts.get(), 1);
    assert_eq!(hints.get("default", "199", now, 60), None, "nobody says that any more");
    stop.send_replace(true);
    plane.join().unwrap();
    writer.join().unwrap();
    let page = journal.read(&Query { tenant: "default".into(), limit: 10, ..Query::default() }).unwrap();
    assert_eq!(page.calls.iter().map(|call| call.id.as_str()).collect::<Vec<_>>(), ["lab/7.7"]);
}
