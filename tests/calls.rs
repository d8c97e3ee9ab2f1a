//! `strowger calls`: live calls and the journal, offline and through a server.

mod support;

use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::process::Stdio;
use std::sync::Arc;
use std::thread::JoinHandle;
use strowger::clock::SystemClock;
use strowger::config::{Config, Overrides};
use strowger::control::{AdminDoor, AdminServer, EventStatus, Observed, PlaneStatus};
use strowger::cti::{
    Answered, CallState, CallView, Decided, Disposition, Draft, Hub, HubLimits, LegState, LegView, Party, PlaneStats, SourcePhase,
    SourceStats, What,
};
use strowger::journal::{Journal, JournalLimits};
use strowger::store::Store;
use support::*;
use tokio::sync::watch;

/// 2026-11-21T20:58:00Z.
const EVENING_US: u64 = 1_795_294_680_000_000;
const MINUTE_US: u64 = 60_000_000;

fn leg(id: &str, number: &str, member: Option<&str>, answered: bool) -> LegView {
    LegView {
        id: id.into(),
        channel: format!("PJSIP/trunk-{id}"),
        member: member.map(str::to_owned),
        number: number.into(),
        state: LegState::Ended,
        started_us: EVENING_US + 1_000_000,
        answered_us: answered.then_some(EVENING_US + 7_000_000),
        ended_us: Some(EVENING_US + 67_000_000),
        cause: Some(if answered { "Normal Clearing" } else { "Answered elsewhere" }.into()),
    }
}

/// A call to the family's group that Mom answered on her mobile; Dad's rang by the same trunk.
fn family() -> CallView {
    CallView {
        id: "pbx/1795294680.1".into(),
        switch: "pbx".into(),
        tenant: "default".into(),
        state: CallState::Ended,
        from: Party { number: "+14155550101".into(), name: Some("Lincoln School".into()), contact: Some("school".into()), withheld: false },
        to: "+14155550199".into(),
        route: Some("+14155550199".into()),
        legs: vec![leg("l1", "+14155550111", Some("+14155550111"), true), leg("l2", "+14155550112", Some("+14155550112"), false)],
        answered_by: Some(Answered { leg: "l1".into(), member: "+14155550111".into(), name: Some("Mom".into()) }),
        transferred_to: None,
        started_us: EVENING_US,
        answered_us: Some(EVENING_US + 7_000_000),
        ended_us: Some(EVENING_US + 67_000_000),
        duration_ms: Some(67_000),
        talk_ms: Some(60_000),
        disposition: Some(Disposition::Answered),
        cause: Some("Normal Clearing".into()),
        decided: vec![Decided {
            at_us: EVENING_US,
            request: "route".into(),
            status: "found".into(),
            action: "dial".into(),
            reason: "matched".into(),
            route: Some("+14155550199".into()),
            revision: 7,
            trace: vec!["the block list has no +14155550101".into(), "route +14155550199".into()],
        }],
        incomplete: false,
    }
}

/// The same, so many minutes later, from somebody else and without an answer.
fn missed(minutes: u64, from: &str, name: &str) -> CallView {
    let at = |us: u64| us + minutes * MINUTE_US;
    CallView {
        id: format!("pbx/m{minutes}"),
        from: Party { number: from.into(), name: Some(name.into()), ..Party::default() },
        legs: vec![leg(&format!("m{minutes}"), "101", None, false)],
        answered_by: None,
        answered_us: None,
        started_us: at(EVENING_US),
        ended_us: Some(at(EVENING_US) + 20_000_000),
        duration_ms: Some(20_000),
        talk_ms: Some(0),
        disposition: Some(Disposition::NoAnswer),
        decided: vec![],
        ..family()
    }
}

fn journal(place: &Place) -> Journal {
    Journal::open(&place.data().join("journal"), JournalLimits::default()).unwrap()
}

/// A place whose journal has these calls.
fn place_with(calls: &[CallView]) -> Place {
    let place = Place::new(TENANTS);
    let journal = journal(&place);
    calls.iter().for_each(|call| assert!(journal.put(call).unwrap()));
    journal.sync().unwrap();
    place
}

fn usual() -> Place {
    let elsewhere = CallView { tenant: "acme".into(), id: "pbx/acme".into(), ..missed(3, "+4930123456", "Acme's") };
    place_with(&[family(), missed(10, "+14155550102", "=HYPERLINK(\"x\")"), missed(20, "+14155550103", "Eve \u{1b}[2J"), elsewhere])
}

/// The admin plane over a place, with its journal and a feed.
struct Admin {
    stop: watch::Sender<bool>,
    threads: Vec<JoinHandle<()>>,
    store: Store,
}

/// What is seen of one switch.
fn watching(hub: &Arc<Hub>, journal: Option<Journal>) -> Observed {
    let source = SourceStats::new("pbx");
    source.phase.store(Arc::new(SourcePhase::Up));
    let stats = PlaneStats { sources: vec![Arc::new(source)], ..PlaneStats::default() };
    Observed { hub: hub.clone(), stats: stats.into(), journal, glances: None, searches: Arc::default() }
}

impl Admin {
    fn over(place: &Place, observed: Observed) -> Admin {
        let overrides = Overrides { config: Some(place.path().join("strowger.toml")), data: Some(place.data()), ..Overrides::default() };
        let config = Config::load(overrides).unwrap();
        let (store, writer) = Store::open(&config.store_dir(), Arc::new(SystemClock)).unwrap();
        let http = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let rules = Arc::new(config.tenants);
        let stats = observed.stats.clone();
        let planes = Arc::new(move || PlaneStatus { events: Some(EventStatus::of(&stats)), ..PlaneStatus::default() });
        let admin = AdminServer::at(AdminDoor::bind(&config.admin).unwrap(), http, store.clone(), rules, planes, observed).unwrap();
        let (stop, stopping) = watch::channel(false);
        let threads = vec![std::thread::spawn(move || writer.run()), std::thread::spawn(move || admin.run(stopping))];
        Admin { stop, threads, store }
    }
}

impl Drop for Admin {
    fn drop(&mut self) {
        self.stop.send_replace(true);
        self.store.close();
        self.threads.drain(..).for_each(|thread| thread.join().unwrap());
    }
}

fn lines(said: &Said) -> Vec<&str> {
    said.out.lines().collect()
}

#[test]
fn the_journal_is_read_with_and_without_a_server_and_says_the_same() {
    let place = usual();
    let asked: &[&[&str]] = &[
        &["calls", "--since", "2026-11-21"],
        &["calls", "--limit", "1"],
        &["calls", "--number", "(415) 555-0101"],
        &["calls", "--number", "+14155550112", "--ids"],
        &["calls", "--until", "2026-11-21T21:05:00Z", "--json"],
        &["calls", "--format", "csv"],
        &["calls", "--format", "jsonl", "--limit", "2"],
        &["calls", "--id", "pbx/1795294680.1"],
        &["calls", "--since", "2030-01-01"],
        &["--tenant", "acme", "calls", "--number", "030 123456"],
    ];
    let offline: Vec<Said> = asked.iter().map(|arguments| place.run(arguments)).collect();
    let admin = Admin::over(&place, watching(&Hub::new(1, HubLimits::default()).into(), Some(journal(&place))));
    for (arguments, offline) in asked.iter().zip(&offline) {
        let said = place.run(arguments);
        assert_eq!((said.code, &said.out, &said.err), (offline.code, &offline.out, &offline.err), "{arguments:?}");
    }
    drop(admin);
    assert_eq!(
        lines(&offline[0]),
        [
            "STARTED (UTC)     FROM                TO            ANSWERED BY   LONG HOW",
            "2026-11-21 21:18Z Eve \\u{1b}[2J       +14155550199  -             0:20 no-answer",
            "2026-11-21 21:08Z =HYPERLINK(\"x\")     +14155550199  -             0:20 no-answer",
            "2026-11-21 20:58Z Lincoln School      +14155550199  Mom           1:07 answered",
        ]
    );
    assert_eq!(lines(&offline[1])[1..], lines(&offline[0])[1..2]);
    assert_eq!(lines(&offline[2])[1..], lines(&offline[0])[3..], "as the tenant reads numbers");
    assert!(lines(&offline[3])[1].ends_with(" pbx/1795294680.1"), "a leg that somebody else was faster on: {:?}", offline[3].out);
    let json = offline[4].json();
    assert_eq!(json.as_array().map(Vec::len), Some(1));
    assert_eq!(json[0], serde_json::to_value(family()).unwrap());
    let jsonl: Vec<serde_json::Value> = offline[6].out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let ids: Vec<_> = jsonl.iter().map(|call| call["id"].as_str().unwrap()).collect();
    assert_eq!(ids, ["pbx/m10", "pbx/m20"], "the last two, the older first");
    assert_eq!((offline[8].out.as_str(), offline[8].err.as_str()), ("", "strowger: the journal has no such call\n"));
    let codes: Vec<_> = offline.iter().map(|said| said.code.unwrap()).collect();
    assert_eq!(codes, [0, 0, 0, 0, 0, 0, 0, 0, 1, 0]);
    assert!(lines(&offline[9])[1].contains("Acme's") && lines(&offline[9]).len() == 2, "{:?}", offline[9]);
}

#[test]
fn one_call_is_shown_whole_with_legs_decisions_and_their_trace() {
    let place = usual();
    let said = place.done(&["calls", "--id", "pbx/1795294680.1"]);
    assert_eq!(
        lines(&said),
        [
            "id           pbx/1795294680.1",
            "from         +14155550101 (Lincoln School)",
            "contact      school",
            "to           +14155550199",
            "route        +14155550199",
            "state        answered",
            "cause        Normal Clearing",
            "answered by  +14155550111 (Mom)",
            "started      2026-11-21T20:58:00.000Z",
            "answered     2026-11-21T20:58:07.000Z",
            "ended        2026-11-21T20:59:07.000Z",
            "took         67.000 s",
            "talked       60.000 s",
            "",
            "legs",
            "  number        rung           answered       ended          why                 channel",
            "  +14155550111  20:58:01.000Z  20:58:07.000Z  20:59:07.000Z  Normal Clearing     PJSIP/trunk-l1",
            "  +14155550112  20:58:01.000Z  -              20:59:07.000Z  Answered elsewhere  PJSIP/trunk-l2",
            "",
            "decided 2026-11-21T20:58:00.000Z found dial (matched, route +14155550199), revision 7",
            " 1. the block list has no +14155550101",
            " 2. route +14155550199",
        ]
    );
    assert_eq!(place.done(&["calls", "--json", "--id", "pbx/1795294680.1"]).json(), serde_json::to_value(family()).unwrap());
    for (tenant, id) in [("default", "pbx/nobody"), ("acme", "pbx/1795294680.1")] {
        let said = place.run(&["--tenant", tenant, "calls", "--id", id]);
        assert_eq!(said.code, Some(1), "{said:?}");
        assert!(said.err.contains("the journal has no call"), "{said:?}");
    }
}

#[test]
fn an_export_has_stable_columns_and_no_formula() {
    let place = usual();
    let said = place.done(&["calls", "--format", "csv"]);
    assert_eq!(
        lines(&said),
        [
            "started,answered,ended,duration_seconds,talk_seconds,disposition,cause,from,from_name,from_contact,withheld,to,route,\
             answered_by,answered_by_name,transferred_to,rung,switch,id,incomplete",
            "2026-11-21T20:58:00.000Z,2026-11-21T20:58:07.000Z,2026-11-21T20:59:07.000Z,67.000,60.000,answered,Normal Clearing,\
             +14155550101,Lincoln School,school,no,+14155550199,+14155550199,+14155550111,Mom,,+14155550111 +14155550112,pbx,\
             pbx/1795294680.1,no",
            "2026-11-21T21:08:00.000Z,,2026-11-21T21:08:20.000Z,20.000,0.000,no-answer,Normal Clearing,+14155550102,\
             \"'=HYPERLINK(\"\"x\"\")\",,no,+14155550199,+14155550199,,,,101,pbx,pbx/m10,no",
            "2026-11-21T21:18:00.000Z,,2026-11-21T21:18:20.000Z,20.000,0.000,no-answer,Normal Clearing,+14155550103,\
             Eve \u{1b}[2J,,no,+14155550199,+14155550199,,,,101,pbx,pbx/m20,no",
        ]
    );
    // none at all is a file with its head
    let none = place.done(&["calls", "--format", "csv", "--since", "2030-01-01"]);
    assert_eq!(lines(&none).len(), 1);
    assert_eq!(place.done(&["calls", "--format", "jsonl", "--number", "+4930999999"]).out, "");
    assert_eq!(place.done(&["calls", "--json", "--number", "+4930999999"]).json(), serde_json::json!([]));
    assert_eq!(place.run(&["calls", "--number", "+4930999999"]).code, Some(1));
}

#[test]
fn more_calls_than_a_page_come_out_whole_and_in_order_and_a_closed_pipe_is_no_failure() {
    let calls: Vec<CallView> = (0..1203).map(|n| missed(n, "+14155550102", "Ada")).collect();
    let place = place_with(&calls);
    let exported = place.done(&["calls", "--format", "jsonl"]);
    let times: Vec<String> = exported
        .out
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap()["started"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(times.len(), 1203);
    assert!(times.is_sorted());
    assert_eq!(lines(&place.done(&["calls", "--limit", "777"])).len(), 778);
    assert_eq!(lines(&place.done(&["calls", "--since", "2026-11-22T01:00:00Z", "--format", "csv"])).len(), 1 + 1203 - 242);
    // calls with large traces are more than fits into a frame
    let long: Vec<CallView> = (0..600)
        .map(|n| {
            let mut call = missed(5000 + n, "+14155550109", "Ada");
            call.decided = vec![Decided { trace: vec!["\u{7f}x".repeat(5_000)], ..Decided::default() }];
            call
        })
        .collect();
    let journal = journal(&place);
    long.iter().for_each(|call| assert!(journal.put(call).unwrap()));
    let admin = Admin::over(&place, watching(&Hub::new(1, HubLimits::default()).into(), Some(journal)));
    assert_eq!(lines(&place.done(&["calls", "--number", "+14155550109", "--format", "jsonl"])).len(), 600);
    drop(admin);
    let mut child = place.command(&["calls", "--format", "csv"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut first = [0; 100];
    let mut out = child.stdout.take().unwrap();
    out.read_exact(&mut first).unwrap();
    drop(out);
    let said = Said::of(child.wait_with_output().unwrap());
    assert_eq!((said.code, said.err.as_str()), (Some(0), ""));
}

#[test]
fn live_calls_are_the_servers_to_tell() {
    let place = usual();
    let said = place.run(&["calls"]);
    assert_eq!(said.code, Some(3), "{said:?}");
    assert!(said.err.contains("no server listens"), "{said:?}");
    let hub = Arc::new(Hub::new(1, HubLimits::default()));
    let observed = watching(&hub, None);
    let source = observed.stats.sources[0].clone();
    let admin = Admin::over(&place, observed);
    assert_eq!(place.done(&["calls"]).err, "no call lives\n");
    source.phase.store(Arc::new(SourcePhase::Down("nobody listens at pbx:5038".into())));
    for arguments in [&["calls"][..], &["calls", "--json"]] {
        let said = place.done(arguments);
        assert!(said.err.starts_with("switch pbx is down; what is shown of its calls may be over\n"), "{said:?}");
    }
    source.phase.store(Arc::new(SourcePhase::Up));
    assert_eq!(place.done(&["calls", "--json"]).json(), serde_json::json!([]));
    let mut rings = missed(0, "+14155550102", "Ada");
    rings.legs[0].state = LegState::Ringing;
    rings =
        CallView { state: CallState::Ringing, ended_us: None, duration_ms: None, talk_ms: None, disposition: None, cause: None, ..rings };
    let other = CallView { tenant: "acme".into(), id: "pbx/2".into(), ..rings.clone() };
    for call in [rings.clone(), other] {
        let draft =
            Draft { switch: "pbx".into(), tenant: Some(call.tenant.clone()), at_us: EVENING_US, what: What::Ringing { call: call.into() } };
        hub.publish(draft);
    }
    let table = place.done(&["calls", "--ids"]);
    assert_eq!(lines(&table).len(), 2, "another tenant's is not shown: {table:?}");
    let line = lines(&table)[1];
    assert!(line.starts_with("2026-11-21 20:58Z Ada                 +14155550199  101 ") && line.ends_with("pbx/m0"), "{line:?}");
    assert!(line.contains(" ringing "), "{line:?}");
    assert_eq!(place.done(&["calls", "--json"]).json(), serde_json::json!([serde_json::to_value(&rings).unwrap()]));
    // a server whose journal could not be opened says so, and all else goes on
    let said = place.run(&["calls", "--since", "1h"]);
    assert_eq!(said.code, Some(4), "{said:?}");
    assert!(said.err.contains("the server has no journal"), "{said:?}");
    drop(admin);
    // with a journal, a live call is found by its id too
    let admin = Admin::over(&place, watching(&hub, Some(journal(&place))));
    assert!(place.done(&["calls", "--id", "pbx/m0"]).out.contains("state    ringing"));
    assert_eq!(place.run(&["calls", "--id", "pbx/2"]).code, Some(1), "another tenant's");
    drop(admin);
    let unobserved = Admin::over(&place, Observed { stats: Arc::default(), ..watching(&hub, None) });
    let said = place.run(&["calls"]);
    assert!(said.code == Some(2) && said.err.contains("[[switch]]"), "{said:?}");
    drop(unobserved);
}

#[test]
fn what_can_not_be_read_or_was_typed_wrong_says_what_to_do() {
    let empty = Place::new(TENANTS);
    let said = empty.run(&["calls", "--since", "1h"]);
    assert!(said.code == Some(4) && said.err.contains("there is no journal in"), "{said:?}");
    assert!(!empty.data().exists(), "looking makes nothing");
    let place = usual();
    for (arguments, words) in [
        (&["calls", "--since", "yesterday"][..], "is no time"),
        (&["calls", "--number", ""][..], "the number"),
        (&["--tenant", "acmee", "calls", "--limit", "1"][..], "did you mean"),
    ] {
        let said = place.run(arguments);
        assert!(said.code == Some(2) && said.err.contains(words), "{said:?}");
    }
    assert_eq!(place.run(&["calls", "--id", "x", "--since", "1h"]).code, Some(2));
    assert_eq!(place.run(&["calls", "--format", "xml"]).code, Some(2));
    let open = journal(&place);
    let said = place.run(&["calls", "--since", "1h"]);
    assert!(said.code == Some(4) && said.err.contains("in use by another process"), "{said:?}");
    drop(open);
    let db = place.data().join("journal/db");
    assert_eq!(std::fs::metadata(place.data().join("journal")).unwrap().permissions().mode() & 0o777, 0o700);
    std::fs::write(&db, b"").unwrap();
    let said = place.run(&["calls", "--since", "1h"]);
    assert!(said.code == Some(4) && said.err.contains("is damaged") && said.err.contains("move that directory away"), "{said:?}");
}

#[test]
fn a_journalled_call_is_explained_as_it_was_decided_and_as_it_would_be_now() {
    let place = usual();
    place.done(&["route", "set", DID, "--step", "dial:101"]);
    let said = place.run(&["explain", "--call", "pbx/1795294680.1", "--json"]).json();
    assert_eq!(said["then"][0]["trace"][0], "the block list has no +14155550101");
    assert_eq!((&said["now"]["decision"]["action"], &said["now"]["at"]), (&"dial".into(), &"2026-11-21T20:58:00.000Z".into()), "{said}");
    assert_eq!(said["now"]["targets"]["asterisk"], "PJSIP/101");
    let text = place.done(&["explain", "--call", "pbx/1795294680.1"]).out;
    assert!(text.contains("then: 2026-11-21T20:58:00.000Z found dial (matched)") && text.contains("now:"), "{text}");
    assert_eq!(place.run(&["explain", "--call", "pbx/gone"]).code, Some(1));
}

#[test]
fn the_calls_that_a_new_plan_would_send_elsewhere_are_listed() {
    let place = usual();
    place.done(&["route", "set", DID, "--step", "dial:101"]);
    let plan = tempfile::NamedTempFile::new().unwrap();
    let path = plan.path().to_str().unwrap().to_owned();
    std::fs::write(plan.path(), place.done(&["export"]).out + "\n[[block]]\nnumber = \"+14155550102\"\n").unwrap();
    let said = place.run(&["diff", &path, "--calls", "2026-11-01", "--json"]).json();
    assert_eq!((&said["asked"], said["elsewhere"].as_array().map(Vec::len)), (&3.into(), Some(1)), "{said}");
    let call = &said["elsewhere"][0];
    assert_eq!((&call["from"], &call["now"]), (&"+14155550102".into(), &"dial PJSIP/101 (matched)".into()), "{call}");
    assert_eq!(call["then"], "busy (blocked)");
    assert!(place.done(&["diff", &path, "--calls", "2026-11-01"]).out.contains("1 of 3 calls would go elsewhere"));
}

#[test]
fn a_call_that_went_out_is_asked_again_as_one() {
    let decided = Decided { request: "outbound".into(), ..family().decided[0].clone() };
    let out = CallView { to: "+14155550150".into(), decided: vec![decided], ..missed(5, "101", "Ada") };
    let place = place_with(&[out]);
    place.done(&["trunk", "set", "old", "--rate", "+1=0.02"]);
    let said = place.run(&["explain", "--call", "pbx/m5", "--json"]).json();
    assert_eq!(said["now"]["targets"]["asterisk"], "PJSIP/+14155550150@old", "{said}");
    let plan = tempfile::NamedTempFile::new().unwrap();
    let path = plan.path().to_str().unwrap().to_owned();
    std::fs::write(plan.path(), place.done(&["export"]).out + "\n[[trunk]]\nid = \"new\"\nrates = [\"+1=0.01\"]\n").unwrap();
    let said = place.run(&["diff", &path, "--calls", "2026-11-01", "--json"]).json();
    assert_eq!((&said["asked"], said["elsewhere"].as_array().map(Vec::len)), (&1.into(), Some(1)), "{said}");
    assert!(said["elsewhere"][0]["then"].as_str().is_some_and(|then| then.starts_with("dial PJSIP/+14155550150@new")), "{said}");
}
