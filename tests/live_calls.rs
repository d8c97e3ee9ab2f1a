//! What switches tell of calls, as decisions see it: calls at once are limited while they live, and who answered yesterday is
//! still known after a restart.

mod support;

use std::time::{Duration, SystemTime, UNIX_EPOCH};
use strowger::control::{Request, RouteWhich};
use strowger::cti::{Answered, CallState, CallView, Disposition, Party};
use strowger::daemon::Options;
use strowger::journal::{Journal, JournalLimits};
use strowger::number::{Class, NumberPlan};
use strowger::play::CallFields;
use strowger::routing::{Group, Limit, Member, PlanItem, Rate, Scope, Strategy, Trunk};
use strowger::store::Edit;
use support::event_switch::{FakeSwitch, SECRET, Speaks, USER, hangup, newchannel};
use support::*;

const LONG: Duration = Duration::from_secs(20);

fn listening(switch: &FakeSwitch) -> Place {
    let address = switch.address;
    Place::new(&format!(
        "[[tenant]]\nid = \"default\"\ncountry = \"US\"\npermissions = [\"international\"]\n\n[[switch]]\nname = \"lab\"\nkind = \"asterisk\"\naddress = \"{address}\"\nuser = \"{USER}\"\nsecret = \"{SECRET}\"\n"
    ))
}

fn start(place: &Place, switch: &FakeSwitch) -> InProcess {
    let server = place.in_process(Options::default(), |_| {});
    let phase = || place.done(&["status", "--json"]).json()["events"]["sources"][0]["phase"].clone();
    assert!(within(LONG, || phase() == "up" && switch.logins() >= 1));
    server
}

fn put(server: &InProcess, item: PlanItem) {
    server.server().store().edit("default", "test", Edit::Put(item)).unwrap();
}

#[test]
fn calls_at_once_are_limited_while_they_live_and_no_longer() {
    let switch = FakeSwitch::start(Speaks::Ami);
    let place = listening(&switch);
    let server = start(&place, &switch);
    let trunk = Trunk::of("carrier", vec![Rate::parse("+=0.01").unwrap()]);
    put(&server, PlanItem::Trunk(trunk));
    let limit = Limit { class: Class::International, scope: Scope::Extension, per_hour: None, concurrent: Some(2) };
    // the event plane, which is behind everything, has begun to hear
    switch.send(newchannel("1795278700.0"));
    assert!(within(LONG, || place.done(&["--json", "calls"]).out.contains("1795278700.0")));
    switch.send(hangup("1795278700.0"));
    put(&server, PlanItem::Limit(limit));
    let call_out = |call: &str, from: &str| {
        switch.send(newchannel(call));
        let fields = CallFields {
            request: "outbound".into(),
            unique_id: call.into(),
            arguments: vec!["switch=lab".into()],
            ..fields("+493012345678", from)
        };
        play(server.agi(), &fields).get("REASON").to_owned()
    };
    // the second is counted before any event of the first has come, and after
    assert_eq!(call_out("1795278700.1", "101"), "matched");
    assert_eq!(call_out("1795278700.2", "101"), "matched");
    assert_eq!(call_out("1795278700.3", "101"), "limit");
    assert_eq!(call_out("1795278700.4", "102"), "matched", "another extension's");
    // they live on, and longer than what was only let out is counted
    std::thread::sleep(Duration::from_secs(17));
    assert_eq!(call_out("1795278700.5", "101"), "limit");
    switch.send(hangup("1795278700.1"));
    assert!(within(LONG, || call_out("1795278700.6", "101") == "matched"));
    assert_eq!(call_out("1795278700.7", "101"), "limit");
    // a switch that isn't heard says of no call that it is over
    switch.hang_up();
    drop(switch);
    let fields = CallFields { request: "outbound".into(), unique_id: "x".into(), ..fields("+493012345678", "101") };
    assert!(within(LONG, || play(server.agi(), &fields).get("REASON") == "matched"));
}

#[test]
fn who_answered_before_a_restart_is_rung_after_those_who_did_not() {
    let switch = FakeSwitch::start(Speaks::Ami);
    let place = listening(&switch);
    let now_us = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_micros() as u64;
    let journal = Journal::open(&place.data().join("journal"), JournalLimits::default()).unwrap();
    for (n, member) in [(1u64, "101"), (2, "103")] {
        let at = now_us - 3_600_000_000 * n;
        let call = CallView {
            id: format!("lab/{n}"),
            switch: "lab".into(),
            tenant: "default".into(),
            state: CallState::Ended,
            from: Party { number: "+14155550101".into(), ..Party::default() },
            to: "+14155550142".into(),
            route: None,
            legs: Vec::new(),
            answered_by: Some(Answered { leg: "x".into(), member: member.into(), name: None }),
            transferred_to: None,
            started_us: at,
            answered_us: Some(at + 1_000_000),
            ended_us: Some(at + 2_000_000),
            duration_ms: Some(2_000),
            talk_ms: Some(1_000),
            disposition: Some(Disposition::Answered),
            cause: None,
            decided: Vec::new(),
            incomplete: false,
        };
        assert!(journal.put(&call).unwrap());
    }
    journal.sync().unwrap();
    drop(journal);
    let server = start(&place, &switch);
    let plan = NumberPlan::new(None);
    let members = ["extension=101", "extension=102", "extension=103"].map(|m| Member::parse(m, &plan).unwrap()).to_vec();
    put(
        &server,
        PlanItem::Group(Group {
            id: "team".into(),
            name: None,
            strategy: Strategy::Leastrecent,
            timeout_seconds: None,
            members,
            revision: 0,
        }),
    );
    let which = RouteWhich::Number("+14155550142".into());
    server.fill([Request::RouteSet { tenant: "default".into(), which, steps: vec!["ring:team".into()], fallback: None }]);
    let rung: Vec<_> = (0..3)
        .map(|_| {
            std::thread::sleep(Duration::from_millis(3));
            ask(server.agi(), "+14155550142", SCHOOL).get("TARGET").to_owned()
        })
        .collect();
    assert_eq!(rung, ["PJSIP/102", "PJSIP/103", "PJSIP/101"], "102 never answered, and 103 longer ago than 101");
}
