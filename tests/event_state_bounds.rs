//! What a switch can do to the state of calls: say things in any order, never tell an end, be two sources at once, jump in
//! time. And what the call plane's decisions add.

use bytes::Bytes;
use proptest::prelude::*;
use std::collections::HashMap;
use std::net::IpAddr;
use strowger::cti::{CallState, Disposition, What};
use strowger::decided::{DecisionRecord, Member};
use strowger::event::state::StateLimits;
use strowger::event::{Item, Output, SwitchKind};
use strowger::hints::Hint;
use strowger::number::NumberPlan;
use strowger::routing::{CallerName, Decision, Reason, Status, Step};
use strowger::wire::ami::Packet;
use support::{Directory, LIMITS, Run, frames, packet, packets};

#[path = "support/event_state.rs"]
mod support;

fn caller(n: usize) -> Packet {
    packet(&format!(
        "Newchannel|Channel=PJSIP/carrier-{n:08}|ChannelStateDesc=Ring|CallerIDNum=5551|CallerIDName=Ada|Exten=100|Uniqueid=1.{n}|Linkedid=1.{n}"
    ))
}

fn dial(n: usize, to: &str) -> Packet {
    packet(&format!(
        "DialBegin|Channel=PJSIP/carrier-{n:08}|Uniqueid=1.{n}|Linkedid=1.{n}|DestChannel=PJSIP/trunk-{to}|DestUniqueid=2.{n}.{to}|DestLinkedid=1.{n}|DialString={to}"
    ))
}

fn rings(n: usize, to: &str) -> Packet {
    packet(&format!(
        "DialState|Uniqueid=1.{n}|Linkedid=1.{n}|DestChannel=PJSIP/trunk-{to}|DestUniqueid=2.{n}.{to}|DestLinkedid=1.{n}|DialStatus=RINGING"
    ))
}

fn hangup(channel: &str, call: usize) -> Packet {
    packet(&format!("Hangup|Channel=PJSIP/x|Uniqueid={channel}|Linkedid=1.{call}|Cause=16|Cause-txt=Normal Clearing"))
}

fn record(call_id: &str) -> DecisionRecord {
    let step = Step::parse("dial:101", &NumberPlan::new(None)).unwrap();
    DecisionRecord {
        at_us: 5,
        switch: Some("pbx0".into()),
        peer: None,
        call_id: call_id.into(),
        tenant: "acme".into(),
        request: "route".into(),
        to: "100".into(),
        from: "5551".into(),
        withheld: false,
        revision: 7,
        decision: Decision::of(Status::Found, Reason::Matched, step),
        trace: Vec::new(),
        let_out: None,
        members: vec![
            Member { id: "mom".into(), leg: "PJSIP/+14155550111@trunk".into() },
            Member { id: "101".into(), leg: "PJSIP/101".into() },
        ],
    }
}

fn decide(run: &mut Run, record: DecisionRecord) {
    run.state.decided(record, &Directory, run.now, &mut run.out);
}

/// Each call ended and was finished at most once, and each pop that opened closed, where no call is left.
fn balanced(run: &Run) -> Result<(), TestCaseError> {
    let (mut finished, mut pops): (HashMap<String, usize>, HashMap<(String, String), i32>) = Default::default();
    for output in &run.out {
        match output {
            Output::Finished(call) => *finished.entry(call.id.clone()).or_default() += 1,
            Output::Say(draft) => {
                if let What::Pop(pop) = &draft.what {
                    let open = pops.entry((pop.call.id.clone(), pop.extension.clone())).or_default();
                    *open += if pop.closed.is_none() { 1 } else { -1 };
                    prop_assert!((0..=1).contains(open), "{} {open}", pop.extension);
                }
            }
            Output::Hint(..) | Output::Remember(_) => {}
        }
    }
    prop_assert!(finished.values().all(|times| *times == 1), "{finished:?}");
    if run.state.calls_live() == 0 {
        prop_assert!(pops.values().all(|open| *open == 0), "{pops:?}");
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn in_whatever_order_events_come_a_call_ends_once_and_pops_close(
        name in prop::sample::select(vec!["cti-call-group", "cti-call-local-legs", "cti-blind-transfer", "cti-call-mobiles", "cti-confbridge"]),
        keys in prop::collection::vec(any::<u32>(), 400),
        near in 0usize..40,
    ) {
        let mut items: Vec<_> = packets(name).into_iter().enumerate().collect();
        // either a little out of order, or wholly
        items.sort_by_key(|(n, _)| if near < 35 { n + keys[n % keys.len()] as usize % (near + 1) } else { keys[n % keys.len()] as usize });
        let mut run = Run::asterisk();
        for (_, packet) in items {
            run.feed(0, Item::Packet(packet));
        }
        balanced(&run)?;
        run.feed(0, Item::SnapshotBegin);
        run.feed(0, Item::SnapshotEnd { whole: true });
        prop_assert_eq!(run.state.calls_live(), 0);
        balanced(&run)?;
    }

    #[test]
    fn the_same_of_freeswitch(
        name in prop::sample::select(vec!["in-20j", "in-23", "in-25", "in-30"]),
        keys in prop::collection::vec(any::<u32>(), 200),
    ) {
        let mut items: Vec<_> = frames(name).into_iter().enumerate().collect();
        items.sort_by_key(|(n, _)| keys[n % keys.len()]);
        let mut run = Run::freeswitch();
        for (_, frame) in items {
            run.feed(0, Item::Frame(frame));
        }
        balanced(&run)?;
        run.feed(0, Item::SnapshotBegin);
        run.feed(0, Item::Listing { what: "channels", json: Bytes::from_static(b"{\"row_count\":0}") });
        run.feed(0, Item::SnapshotEnd { whole: true });
        prop_assert_eq!(run.state.calls_live(), 0);
        balanced(&run)?;
    }
}

#[test]
fn a_hundred_thousand_calls_whose_end_is_never_told_are_bounded_and_aged_out() {
    let mut run = Run::of(&[SwitchKind::Asterisk], StateLimits { calls_max: 50_000, call_age_max_us: 3_600_000_000, ..LIMITS });
    run.feed(0, Item::Up { identity: "a".into() });
    for n in 0..100_000 {
        run.feed(0, Item::Packet(caller(n)));
        run.feed(0, Item::Packet(dial(n, "101")));
    }
    assert_eq!((run.state.calls_live(), run.stats.calls_evicted.get()), (50_000, 50_000));
    assert!(run.finished().iter().all(|call| call.disposition == Some(Disposition::Unknown)));
    assert_eq!(run.finished()[0].id, "pbx0/1.0", "the oldest made room");
    run.out.clear();
    run.feed(0, Item::Packet(hangup("1.7", 7)));
    assert_eq!(run.finished().len(), 0, "one that was given up doesn't end again");
    run.later(3_600_000_000);
    run.tick();
    assert_eq!((run.state.calls_live(), run.stats.calls_aged.get(), run.finished().len()), (0, 50_000, 50_000));
    assert_eq!(run.stats.calls_live.get(), 0);
}

#[test]
fn a_clock_that_is_set_in_mid_call_changes_no_duration() {
    for jump in [-7_200_000_000_i64, 7_200_000_000] {
        let mut run = Run::asterisk();
        run.feed(0, Item::Packet(caller(1)));
        let started = run.now.wall_us;
        run.feed(0, Item::Packet(packet("Newstate|Uniqueid=1.1|Linkedid=1.1|ChannelStateDesc=Up")));
        run.now.wall_us = run.now.wall_us.saturating_add_signed(jump);
        run.later(5_000_000);
        run.feed(0, Item::Packet(hangup("1.1", 1)));
        let call = run.finished()[0];
        assert_eq!((call.duration_ms, call.talk_ms), (Some(5_002), Some(5_001)));
        assert_eq!((call.started_us, call.ended_us), (started, Some(started + 5_002_000)));
    }
}

#[test]
fn a_call_that_two_sources_see_is_one_and_goes_on_when_one_of_them_is_lost() {
    let mut run = Run::of(&[SwitchKind::Asterisk; 2], LIMITS);
    for source in 0..2 {
        run.feed(source, Item::Up { identity: "same".into() });
    }
    let session = packets("cti-call-group");
    let (first, rest) = session.split_at(session.len() / 2);
    for packet in first {
        run.feed(0, Item::Packet(packet.clone()));
        run.feed(1, Item::Packet(packet.clone()));
    }
    run.feed(0, Item::Down { why: "lost" });
    for packet in rest {
        run.feed(1, Item::Packet(packet.clone()));
    }
    let calls = run.finished();
    assert_eq!(calls.len(), 1);
    assert_eq!((calls[0].switch.as_str(), calls[0].incomplete), ("pbx0", false));
    assert_eq!(calls[0].answered_by.as_ref().unwrap().member, "202");
    let mut alone = Run::asterisk();
    session.into_iter().for_each(|packet| alone.feed(0, Item::Packet(packet)));
    let said: Vec<_> = run.said().into_iter().filter(|line| line != "gap connection-lost").collect();
    assert_eq!(said, alone.said());
}

#[test]
fn a_decision_joins_its_call_whichever_comes_first() {
    for decided_first in [true, false] {
        let mut run = Run::asterisk();
        if decided_first {
            decide(&mut run, record("1.1"));
        }
        run.feed(0, Item::Packet(caller(1)));
        for to in ["101", "+14155550111@trunk", "+14155550112@trunk"] {
            run.feed(0, Item::Packet(dial(1, to)));
            run.feed(0, Item::Packet(rings(1, to)));
        }
        if !decided_first {
            decide(&mut run, record("1.1"));
        }
        run.feed(0, Item::Packet(packet("DialEnd|Uniqueid=1.1|DestUniqueid=2.1.+14155550111@trunk|DestLinkedid=1.1|DialStatus=ANSWER")));
        for channel in ["1.1", "2.1.101", "2.1.+14155550111@trunk", "2.1.+14155550112@trunk"] {
            run.feed(0, Item::Packet(hangup(channel, 1)));
        }
        let call = run.finished()[0];
        assert_eq!((call.tenant.as_str(), call.decided.len(), call.decided[0].revision), ("acme", 1, 7));
        let members: Vec<_> = call.legs.iter().map(|leg| leg.member.as_deref()).collect();
        assert_eq!(members, [Some("101"), Some("mom"), None]);
        assert_eq!(call.answered_by.as_ref().unwrap().member, "mom");
        let pops: Vec<_> = run.said().into_iter().filter(|line| line.contains("closes")).collect();
        // where it had been taken for another tenant's, that one's screen closes first
        let of_another = (!decided_first).then_some("A pop 101 closes Ended");
        let expected: Vec<_> =
            of_another.into_iter().chain(["A pop 101 closes AnsweredElsewhere mom", "A pop mom closes Answered mom"]).collect();
        assert_eq!(pops, expected, "{decided_first}");
        balanced(&run).unwrap();
    }
}

#[test]
fn a_decision_waits_half_a_minute_and_finds_its_switch_by_name_or_address() {
    let mut run = Run::of(&[SwitchKind::Asterisk; 2], LIMITS);
    let peer = |peer: &str| DecisionRecord { switch: None, peer: Some(peer.parse::<IpAddr>().unwrap()), ..record("1.1") };
    decide(&mut run, peer("192.0.2.1"));
    run.feed(0, Item::Packet(caller(1)));
    run.feed(0, Item::Packet(hangup("1.1", 1)));
    assert!(run.finished()[0].decided.is_empty(), "that was the other switch's");
    run.feed(1, Item::Packet(caller(1)));
    run.feed(1, Item::Packet(hangup("1.1", 1)));
    assert_eq!(run.finished()[1].decided.len(), 1);

    decide(&mut run, record("1.2"));
    run.later(31_000_000);
    run.tick();
    run.feed(0, Item::Packet(caller(2)));
    run.feed(0, Item::Packet(hangup("1.2", 2)));
    assert!(run.finished()[2].decided.is_empty(), "it came too late");
}

#[test]
fn a_question_for_a_name_is_no_decision_and_a_withheld_number_is_told_to_nobody() {
    let mut run = Run::asterisk();
    run.feed(0, Item::Packet(caller(1)));
    let caller = Some(CallerName { contact: "school".into(), name: "Lincoln School".into() });
    let decision = Decision { caller, ..record("1.1").decision };
    decide(&mut run, DecisionRecord { request: "name".into(), decision, ..record("1.1") });
    let said = run.out.iter().rev().find_map(|output| if let Output::Say(draft) = output { draft.what.call() } else { None });
    let call = said.unwrap();
    assert_eq!((call.from.name.as_deref(), call.decided.len(), call.tenant.as_str()), (Some("Lincoln School"), 0, "acme"));
    decide(&mut run, DecisionRecord { withheld: true, from: String::new(), ..record("1.1") });
    run.feed(0, Item::Packet(hangup("1.1", 1)));
    let from = &run.finished()[0].from;
    assert_eq!((from.number.as_str(), from.name.as_deref(), from.withheld), ("", None, true));
}

#[test]
fn a_lost_connection_is_said_once_and_what_the_snapshot_holds_goes_on_as_incomplete() {
    let mut run = Run::asterisk();
    run.feed(0, Item::Packet(caller(1)));
    run.feed(0, Item::Packet(caller(2)));
    run.feed(0, Item::Down { why: "lost" });
    run.feed(0, Item::Down { why: "refused" });
    run.feed(0, Item::Up { identity: "a".into() });
    run.feed(0, Item::SnapshotBegin);
    let listed = "CoreShowChannel|Channel=PJSIP/carrier-1|ChannelStateDesc=Up|CallerIDNum=5551|Exten=100";
    run.feed(0, Item::Packet(packet(&format!("{listed}|Uniqueid=1.1|Linkedid=1.1"))));
    run.feed(0, Item::Packet(packet(&format!("{listed}|Uniqueid=1.9|Linkedid=1.9"))));
    run.feed(0, Item::Packet(caller(3)));
    run.feed(0, Item::SnapshotEnd { whole: true });
    assert_eq!(
        run.said(),
        [
            "A ringing 5551>100 Ringing []",
            "B ringing 5551>100 Ringing []",
            "gap connection-lost",
            "A answered 5551>100 Answered []",
            "C answered 5551>100 Answered []",
            "D ringing 5551>100 Ringing []",
            "B ended 5551>100 Ended []",
            "B finished unknown (not seen)",
            "repaired",
        ]
    );
    for n in [1, 9, 3] {
        run.feed(0, Item::Packet(hangup(&format!("1.{n}"), n)));
    }
    let incomplete: Vec<_> = run.finished().iter().map(|call| call.incomplete).collect();
    assert_eq!(incomplete, [true, true, true, false]);
}

#[test]
fn holding_is_said_and_its_end_is_bridged_again() {
    let mut run = Run::asterisk();
    let session = packets("cti-call-group");
    let end = session.iter().rposition(|packet| packet.name() == Some(b"BridgeEnter")).unwrap();
    session[..=end].iter().for_each(|packet| run.feed(0, Item::Packet(packet.clone())));
    let enter = &session[end];
    let id = |name: &str| enter.text(name).unwrap().into_owned();
    let mut states = Vec::new();
    for event in ["Hold", "Hold", "Unhold", "Unhold"] {
        let said = run.out.len();
        run.feed(0, Item::Packet(packet(&format!("{event}|Uniqueid={}|Linkedid={}", id("Uniqueid"), id("Linkedid")))));
        states.extend(run.out[said..].iter().filter_map(|output| match output {
            Output::Say(draft) => draft.what.call().map(|call| (draft.what.kind(), call.state)),
            _ => None,
        }));
    }
    assert_eq!(states, [("call.held", CallState::Held), ("call.bridged", CallState::Bridged)]);
}

#[test]
fn hints_follow_devices_and_calls_and_are_said_again_before_they_are_old() {
    let mut run = Run::asterisk();
    let hints = |run: &Run| -> Vec<(String, Hint)> {
        run.out.iter().filter_map(|o| if let Output::Hint(_, who, hint) = o { Some((who.clone(), *hint)) } else { None }).collect()
    };
    let registered = Hint { registered: Some(true), dnd: false, calls: 0 };
    for state in ["NOT_INUSE", "NOT_INUSE"] {
        run.feed(0, Item::Packet(packet(&format!("DeviceStateChange|Device=PJSIP/101|State={state}"))));
    }
    run.feed(0, Item::Packet(packet("DeviceStateChange|Device=Custom:DND101|State=INUSE")));
    run.feed(0, Item::Packet(caller(1)));
    run.feed(0, Item::Packet(dial(1, "101")));
    run.feed(0, Item::Packet(hangup("2.1.101", 1)));
    run.feed(0, Item::Packet(packet("DeviceStateChange|Device=PJSIP/101|State=UNAVAILABLE")));
    let dnd = Hint { dnd: true, ..registered };
    let of_101: Vec<_> = hints(&run).into_iter().filter(|(who, _)| who == "101").map(|(_, hint)| hint).collect();
    assert_eq!(of_101, [registered, dnd, Hint { calls: 1, ..dnd }, dnd, Hint { registered: Some(false), ..dnd }]);
    run.out.clear();
    run.tick();
    assert_eq!(hints(&run), []);
    run.later(30_000_000);
    run.tick();
    assert!(hints(&run).contains(&("101".into(), Hint { registered: Some(false), ..dnd })));
}

/// `cargo test --release --test event_state_bounds -- --ignored --nocapture`
#[test]
#[ignore = "a measurement"]
fn how_many_events_a_second() {
    let session = packets("cti-call-group");
    let mut run = Run::of(&[SwitchKind::Asterisk], StateLimits::default());
    let text: Vec<_> = session.iter().map(|packet| String::from_utf8(packet.fields().as_bytes().to_vec()).unwrap()).collect();
    let id = packets("cti-call-group")
        .iter()
        .find_map(|packet| packet.text("Linkedid").map(|id| id.split('.').next().unwrap().to_owned()))
        .unwrap();
    let (calls, mut us) = (20_000_u128, 0);
    let mut events = 0;
    for n in 0..calls {
        let items: Vec<_> = text
            .iter()
            .map(|text| {
                let block = Bytes::from(text.replace(&id, &format!("{n}")));
                Item::Packet(Packet::Event(strowger::wire::ami::Fields::new(block, strowger::wire::ami::LineEnd::CrLf)))
            })
            .collect();
        events += items.len() as u128;
        let start = std::time::Instant::now();
        for item in items {
            run.feed(0, item);
        }
        us += start.elapsed().as_nanos();
        run.out.clear();
    }
    println!("{} events/s, {} calls/s, {} left", events * 1_000_000_000 / us, calls * 1_000_000_000 / us, run.state.calls_live());
}

#[test]
fn a_listing_of_freeswitch_adds_what_was_missed_ends_what_is_gone_and_tells_who_is_registered() {
    let mut run = Run::freeswitch();
    // a call that rings, and whose end is missed
    let session = frames("in-23");
    session[..session.len() / 2].iter().for_each(|frame| run.feed(0, Item::Frame(frame.clone())));
    let live = run.state.calls_live();
    assert!(live > 0);
    run.later(6_000_000);
    run.feed(0, Item::Gap { why: "overrun", lost: 9 });
    run.feed(0, Item::SnapshotBegin);
    let channels = r#"{"row_count":2,"rows":[
        {"uuid":"aa","direction":"inbound","name":"sofia/lab/1001@x","cid_name":"Ann","cid_num":"1001","dest":"500","callstate":"ACTIVE","call_uuid":"aa"},
        {"uuid":"bb","direction":"outbound","name":"sofia/lab/101@x","cid_name":"Ann","cid_num":"1001","dest":"101","callstate":"RINGING","call_uuid":"aa"}]}"#;
    run.feed(0, Item::Listing { what: "channels", json: channels.into() });
    let registered = r#"{"row_count":1,"rows":[{"reg_user":"101","realm":"pbx.example","token":"t"}]}"#;
    run.feed(0, Item::Listing { what: "registrations", json: registered.into() });
    run.feed(0, Item::SnapshotEnd { whole: true });
    assert_eq!((run.state.calls_live(), run.finished().len()), (1, live));
    assert!(run.finished().iter().all(|call| call.disposition == Some(Disposition::Unknown)));
    let said = run.said();
    for line in ["registration 101@pbx.example true", "repaired", "gap overrun"] {
        assert!(said.iter().any(|said| said == line), "{line}: {said:?}");
    }
    let found: Vec<_> = said.iter().filter(|line| line.contains("1001>500")).map(|line| &line[2..]).collect();
    assert_eq!(found, ["answered 1001>500 Answered [101:Ringing]"], "a call met in the middle is told as it stands");
    assert!(said.iter().any(|line| line.ends_with(" pop 101 opens")));
    // a listing that can't be read ends nothing
    run.feed(0, Item::SnapshotBegin);
    run.feed(0, Item::Listing { what: "channels", json: Bytes::from_static(b"-ERR\n") });
    run.feed(0, Item::SnapshotEnd { whole: true });
    assert_eq!(run.state.calls_live(), 1);
}
