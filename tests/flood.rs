//! Calls while both switches flood the event plane: `strowger bench flood` in small, with bounds that hold on any machine.
//!
//! What is exact is exact here too: no call fails or is late, no event is unaccounted for, no switch is made to wait. Times
//! are only kept within what would be a broken promise anywhere; `bench flood` has the figures.

mod support;

use serde_json::Value as Json;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;
use strowger::daemon::threads;
use strowger::play::flood::{Flood, FloodPlan, FloodReport, Switch};
use strowger::play::{LoadPlan, LoadReport, Pace, run_load};
use support::{Place, Running, within};

/// Calls a second; a debug build answers ten times as many.
const CALLS_PER_SECOND: f64 = 200.0;
const PHASE: Duration = Duration::from_secs(2);
/// Ten times what Asterisk allows a client (100 ms): this machine may be busy with other tests.
const STALL_US_MAX: u64 = 1_000_000;
/// p99 beside a flood: so many times that of quiet, and so much more.
const RATIO_MAX: f64 = 50.0;
const MORE_US_MAX: f64 = 50_000.0;
/// Events beside the flood's: the greeting's `FullyBooted`, ends of lists, jobs, for each snapshot some ten.
const OTHER_EVENTS_MAX: u64 = 1_000;

/// A server that listens to two switches which can flood.
struct Scene {
    place: Place,
    server: Running,
    asterisk: Flood,
    freeswitch: Flood,
}

impl Scene {
    fn new() -> Scene {
        let plan = |switch| FloodPlan { switch, priority: threads::lower_priority, ..FloodPlan::default() };
        let asterisk = Flood::listen(plan(Switch::Asterisk)).unwrap();
        let freeswitch = Flood::listen(plan(Switch::FreeSwitch)).unwrap();
        let place = Place::new(&format!(
            "[[tenant]]\nid = \"default\"\ncountry = \"US\"\n\n\
             [[switch]]\nname = \"a\"\nkind = \"asterisk\"\naddress = \"{}\"\nuser = \"flood\"\nsecret = \"flood\"\nevents = [\"user\"]\n\n\
             [[switch]]\nname = \"f\"\nkind = \"freeswitch\"\naddress = \"{}\"\nsecret = \"flood\"\n",
            asterisk.address(),
            freeswitch.address()
        ));
        // a budget that only a server which stands still overspends, however busy the machine is
        let server = place.serve(&["--sample", "--answer-budget-ms", "1000"]);
        let scene = Scene { place, server, asterisk, freeswitch };
        scene.place.settled();
        let subscribed = || scene.asterisk.subscribed() == 1 && scene.freeswitch.subscribed() == 1;
        assert!(within(Duration::from_secs(20), subscribed), "{}", scene.place.logged());
        scene
    }

    fn status(&self) -> Json {
        self.place.done(&["--json", "status"]).json()
    }

    /// A counter, over both sources.
    fn counted(&self, what: &str) -> u64 {
        let status = self.status();
        let sources = status["events"]["sources"].as_array().expect("the server tells of its sources").clone();
        sources.iter().map(|source| source[what].as_u64().unwrap()).sum()
    }

    fn calls(&self) -> LoadReport {
        let plan = LoadPlan {
            address: self.server.agi,
            request: "route".to_owned(),
            arguments: Vec::new(),
            pace: Pace::Open { calls_per_second: CALLS_PER_SECOND },
            connections: 64,
            calls_max: None,
            duration_max: Some(PHASE),
            wait_max: Duration::from_secs(10),
            expect: Some(|status| status == b"found"),
        };
        run_load(&plan, |_| ("+14155550101".to_owned(), "+14155550199".to_owned())).unwrap()
    }

    fn flood(&self, floods: bool) {
        for flood in [&self.asterisk, &self.freeswitch] {
            if floods { flood.start() } else { flood.stop() }
        }
    }

    fn reports(&mut self) -> [FloodReport; 2] {
        [self.asterisk.report(), self.freeswitch.report()]
    }

    /// A client of the feed that asks and then reads no more.
    fn stuck_client(&self) -> TcpStream {
        let told = self.place.done(&["token", "add", "stuck", "--scope", "events:read"]).out;
        let token = told.split_whitespace().last().unwrap().to_owned();
        let status = self.status();
        let listening = status["listening"].as_array().unwrap();
        let http = listening.iter().find(|door| door[0] == "http").expect("the feed's address").clone();
        let address: SocketAddr = http[1].as_str().unwrap().parse().unwrap();
        let mut stream = TcpStream::connect(address).unwrap();
        write!(stream, "GET /events HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {token}\r\n\r\n").unwrap();
        let mut status = [0; 12];
        stream.read_exact(&mut status).unwrap();
        assert_eq!(&status, b"HTTP/1.1 200");
        stream
    }
}

fn all_answered(report: &LoadReport) {
    assert_eq!((report.failed.total(), report.statuses.late), (0, 0), "{report}");
    assert!(report.calls as f64 >= CALLS_PER_SECOND * PHASE.as_secs_f64() * 0.9, "{report}");
}

#[test]
fn no_call_is_late_while_both_switches_flood_and_no_switch_waits_and_every_event_is_accounted_for() {
    let mut scene = Scene::new();
    let quiet = scene.calls();
    all_answered(&quiet);
    let before = scene.counted("events_in");
    scene.reports();

    let stuck = scene.stuck_client();
    let rows: String = (0..20_000).map(|n| format!("Contact {n},+1415{:07}\n", 2_000_000 + n)).collect();
    let file = scene.place.file("contacts.csv", format!("name,number\n{rows}"));
    let mut import = scene.place.command(&["contact", "import", &file]).spawn().unwrap();
    scene.flood(true);
    let flooded = scene.calls();
    scene.flood(false);

    all_answered(&flooded);
    let (p99, bound) = (flooded.latency.p99_us, quiet.latency.p99_us * RATIO_MAX + MORE_US_MAX);
    assert!(p99 < bound, "p99 {p99} µs beside a flood, {} when quiet", quiet.latency.p99_us);
    assert!(import.wait().unwrap().success(), "the import beside the flood");
    drop(stuck);

    // all that was written was read, and is done with or counted as lost
    assert!(within(Duration::from_secs(60), || scene.counted("queued") == 0), "{}", scene.status());
    let mut written = 0;
    for report in scene.reports() {
        assert!(report.events > 1_000, "a flood: {report:?}");
        assert!(report.blocked_longest_us < STALL_US_MAX, "a switch had to wait: {report:?}");
        assert_eq!((report.connections, report.connections_lost, report.logins_refused), (0, 0, 0), "{report:?}");
        written += report.events;
    }
    let other = || scene.counted("events_in").checked_sub(before + written);
    assert!(within(Duration::from_secs(10), || other().is_some_and(|n| n <= OTHER_EVENTS_MAX)), "{:?} beside {written}", other());
    assert_eq!(scene.counted("reconnects"), 0);
    assert!(scene.counted("events_lost") <= written);

    // and it was work that was done: calls of the flood stand in the journal
    let journal = |what: &str| scene.status()["events"][what].as_u64().unwrap();
    assert!(within(Duration::from_secs(60), || journal("journal_written") > 100), "{}", scene.status());

    // what was flooded is as it was before
    all_answered(&scene.calls());
}
