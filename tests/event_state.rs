//! What recorded sessions of both switches come to, event by event; and that the same event twice, or a lost connection in
//! the middle, changes nothing of how often a call ends.

use std::collections::HashMap;
use strowger::cti::{CallState, LegState};
use strowger::event::Item;
use support::{Run, frames, packets};

#[path = "support/event_state.rs"]
mod support;

const ASTERISK: &[&str] = &[
    "ami-call-answer",
    "ami-call-noanswer",
    "ami-originate",
    "cti-call-group",
    "cti-call-timeout",
    "cti-call-cancel",
    "cti-call-mobiles",
    "cti-call-local-legs",
    "cti-blind-transfer",
    "cti-attended-transfer",
    "cti-confbridge",
];
const FREESWITCH: &[&str] = &["in-20-", "in-20j", "in-21", "in-22", "in-23", "in-25", "in-30"];

/// An empty state of the session's switch.
fn empty(name: &str) -> Run {
    if !name.starts_with("in-") { Run::asterisk() } else { Run::freeswitch() }
}

/// Everything that a session holds, and an empty state of its switch.
fn session(name: &str) -> (Run, Vec<Source>) {
    if !name.starts_with("in-") {
        (empty(name), packets(name).into_iter().map(|packet| Box::new(move || Item::Packet(packet.clone())) as Source).collect())
    } else {
        (empty(name), frames(name).into_iter().map(|frame| Box::new(move || Item::Frame(frame.clone())) as Source).collect())
    }
}

type Source = Box<dyn Fn() -> Item>;

fn played(name: &str) -> Run {
    let (mut run, items) = session(name);
    items.iter().for_each(|item| run.feed(0, item()));
    run
}

fn devices_aside(lines: Vec<String>) -> Vec<String> {
    lines.into_iter().filter(|line| !line.starts_with("device ")).collect()
}

#[test]
fn of_two_phones_one_answers_and_the_others_pop_closes_naming_it() {
    let said = devices_aside(played("cti-call-group").said());
    assert_eq!(
        said,
        [
            "A ringing 5551>group Ringing []",
            "A changed 5551>group Ringing [201:Ringing 202:Dialing]",
            "A pop 201 opens",
            "A changed 5551>group Ringing [201:Ringing 202:Ringing]",
            "A pop 202 opens",
            "A changed 5551>group Ringing [201:Ringing 202:Up]",
            "A changed 5551>group Ringing [201:Ended 202:Up]",
            "A pop 201 closes AnsweredElsewhere 202",
            "A answered 5551>group Answered [201:Ended 202:Up] by 202",
            "A pop 202 closes Answered 202",
            "A bridged 5551>group Bridged [201:Ended 202:Up] by 202",
            "A ended 5551>group Ended [201:Ended 202:Ended] by 202",
            "A finished answered (Normal Clearing)",
        ]
    );
}

#[test]
fn a_phone_that_nobody_answers_is_no_answer_whatever_the_dialplan_does_then() {
    let said = devices_aside(played("cti-call-timeout").said());
    assert_eq!(
        said,
        [
            "A ringing 5551>nobody Ringing []",
            "A changed 5551>nobody Ringing [201:Ringing]",
            "A pop 201 opens",
            "A changed 5551>nobody Ringing [201:Ended]",
            "A pop 201 closes Ended",
            "A ended 5551>nobody Ended [201:Ended]",
            "A finished no-answer (Normal Clearing)",
        ]
    );
}

#[test]
fn a_caller_who_gives_up_has_cancelled_and_all_pops_close() {
    let said = devices_aside(played("cti-call-cancel").said());
    assert_eq!(said.iter().filter(|line| line.ends_with("opens")).count(), 2);
    assert_eq!(said.iter().filter(|line| line.ends_with("closes Ended")).count(), 2);
    assert_eq!(said.last().unwrap(), "A finished cancelled (Interworking, unspecified)");
}

#[test]
fn two_mobiles_behind_one_trunk_are_told_apart() {
    let run = played("cti-call-mobiles");
    let call = run.finished()[0];
    assert_eq!(call.answered_by.as_ref().unwrap().member, "+14155550112");
    let legs: Vec<_> = call.legs.iter().map(|leg| (leg.number.as_str(), leg.answered_us.is_some(), leg.channel.as_str())).collect();
    assert!(
        matches!(legs[..], [("+14155550111", false, a), ("+14155550112", true, b)] if a.starts_with("PJSIP/trunk-") && b.starts_with("PJSIP/trunk-"))
    );
    assert!(!run.said().iter().any(|line| line.contains(" pop ")), "nobody has a screen at a mobile that no decision named");
}

#[test]
fn phones_behind_local_channels_are_the_legs_and_a_snapshot_in_the_middle_says_nothing() {
    let said = devices_aside(played("cti-call-local-legs").said());
    assert_eq!(
        said,
        [
            "A ringing 5551>legs Ringing []",
            "A changed 5551>legs Ringing [201:Dialing 202:Ringing]",
            "A pop 202 opens",
            "A changed 5551>legs Ringing [201:Ringing 202:Ringing]",
            "A pop 201 opens",
            "A changed 5551>legs Ringing [201:Ringing 202:Up]",
            "A answered 5551>legs Answered [201:Ringing 202:Up] by 202",
            "A pop 202 closes Answered 202",
            "A pop 201 closes AnsweredElsewhere 202",
            "A changed 5551>legs Answered [201:Ended 202:Up] by 202",
            "A bridged 5551>legs Bridged [201:Ended 202:Up] by 202",
            "A ended 5551>legs Ended [201:Ended 202:Ended] by 202",
            "A finished answered (Normal Clearing)",
        ]
    );
}

#[test]
fn a_blind_transfer_goes_on_as_the_same_call() {
    let said = devices_aside(played("cti-blind-transfer").said());
    assert_eq!(
        said,
        [
            "A ringing 5551>202 Ringing []",
            "A changed 5551>202 Ringing [202:Ringing]",
            "A pop 202 opens",
            "A changed 5551>202 Ringing [202:Up]",
            "A answered 5551>202 Answered [202:Up] by 202",
            "A pop 202 closes Answered 202",
            "A bridged 5551>202 Bridged [202:Up] by 202",
            "A transferred 5551>202 Bridged [202:Up] by 202 to 203",
            "A changed 5551>202 Answered [202:Ended] by 202 to 203",
            "A changed 5551>202 Answered [202:Ended 203:Ringing] by 202 to 203",
            "A pop 203 opens",
            "A changed 5551>202 Answered [202:Ended 203:Up] by 202 to 203",
            "A pop 203 closes Answered 203",
            "A bridged 5551>202 Bridged [202:Ended 203:Up] by 202 to 203",
            "A ended 5551>202 Ended [202:Ended 203:Ended] by 202 to 203",
            "A finished answered (Normal Clearing)",
        ]
    );
}

#[test]
fn an_attended_transfer_goes_on_as_the_same_call_with_who_was_asked_as_a_leg() {
    let run = played("cti-attended-transfer");
    let said = devices_aside(run.said());
    let call = run.finished()[0];
    assert_eq!(run.finished().len(), 1);
    assert_eq!(call.transferred_to.as_deref(), Some("203"));
    assert_eq!(call.legs.iter().map(|leg| leg.number.as_str()).collect::<Vec<_>>(), ["202", "203"]);
    assert_eq!(call.answered_by.as_ref().unwrap().member, "202");
    assert_eq!(said.iter().filter(|line| line.contains("transferred")).count(), 1);
}

#[test]
fn two_calls_that_a_telephone_joins_become_the_older_one() {
    let mut run = Run::asterisk();
    let channel = |id: &str, of: &str, number: &str, to: &str| {
        format!("Newchannel|Channel=PJSIP/{number}-{id}|ChannelStateDesc=Ring|CallerIDNum={number}|Exten={to}|Uniqueid={id}|Linkedid={of}")
    };
    let leg = |by: &str, of: &str, id: &str, to: &str| {
        let dest = format!("DestChannel=PJSIP/{to}-{id}|DestUniqueid={id}|DestLinkedid={of}");
        [
            format!("DialBegin|Uniqueid={by}|Linkedid={of}|{dest}|DialString={to}"),
            format!("DialEnd|Uniqueid={by}|Linkedid={of}|{dest}|DialStatus=ANSWER"),
        ]
    };
    let end = |id: &str, of: &str| format!("Hangup|Uniqueid={id}|Linkedid={of}|Cause=16|Cause-txt=Normal Clearing");
    let mut lines = vec![channel("1.1", "1.1", "5551", "202")];
    lines.extend(leg("1.1", "1.1", "1.2", "202"));
    lines.push(channel("1.3", "1.3", "202", "203"));
    lines.extend(leg("1.3", "1.3", "1.4", "203"));
    lines.push(
        "AttendedTransfer|Result=Success|OrigTransfererUniqueid=1.2|OrigTransfererLinkedid=1.1|SecondTransfererUniqueid=1.3|SecondTransfererLinkedid=1.3"
            .into(),
    );
    lines.extend([end("1.2", "1.1"), end("1.3", "1.3"), end("1.4", "1.1"), end("1.1", "1.1")]);
    lines.iter().for_each(|line| run.feed(0, Item::Packet(support::packet(line))));
    assert_eq!(
        run.said(),
        [
            "A ringing 5551>202 Ringing []",
            "A answered 5551>202 Answered [202:Up] by 202",
            "B ringing 202>203 Ringing []",
            "B answered 202>203 Answered [203:Up] by 203",
            "B ended 202>203 Ended [203:Up] by 203",
            "A transferred 5551>202 Answered [202:Up 203:Up] by 202 to 203",
            "A changed 5551>202 Answered [202:Ended 203:Up] by 202 to 203",
            "A changed 5551>202 Answered [202:Ended 203:Ended] by 202 to 203",
            "A ended 5551>202 Ended [202:Ended 203:Ended] by 202 to 203",
            "A finished answered (Normal Clearing)",
        ]
    );
}

#[test]
fn callers_in_a_conference_stay_calls_of_their_own() {
    for (name, callers) in [("cti-confbridge", ["5551", "5552"]), ("in-30", ["1001", "1002"])] {
        let run = played(name);
        let said: Vec<_> = run.said().into_iter().filter(|line| line.starts_with("conference")).collect();
        let room = format!("conference room1 +{} (1)", callers[0]);
        assert_eq!(said[0], room);
        assert_eq!(
            said[1..].iter().map(|line| &line[17..]).collect::<Vec<_>>(),
            [format!("+{} (2)", callers[1]), format!("-{} (1)", callers[0]), format!("-{} (0)", callers[1])]
        );
        for caller in callers {
            assert!(run.finished().iter().any(|call| call.from.number == caller));
        }
    }
}

#[test]
fn a_call_of_folded_channels_only_is_told_by_what_was_dialled() {
    let said = played("ami-call-answer").said();
    assert_eq!(
        said,
        [
            "A ringing >answer Ringing []",
            "A changed 5551>answer Ringing []",
            "A changed 5551>answer Ringing [answer:Up]",
            "A answered 5551>answer Answered [answer:Up] by answer",
            "A bridged 5551>answer Bridged [answer:Up] by answer",
            "A changed 5551>answer Answered [answer:Ended] by answer",
            "A ended 5551>answer Ended [answer:Ended] by answer",
            "A finished answered (Normal Clearing)",
        ]
    );
    assert_eq!(played("ami-call-noanswer").said().last().unwrap(), "A finished no-answer (Normal Clearing)");
    let ends: Vec<_> = played("ami-originate").said().into_iter().filter(|line| line.contains("finished")).collect();
    assert_eq!(
        ends,
        [
            "A finished answered (Unknown)",
            "B finished busy (Unknown)",
            "C finished no-answer (User alerting, no answer)",
            "D finished cancelled (Normal Clearing)",
            "E finished answered (Unknown)",
        ]
    );
}

#[test]
fn an_answered_call_of_freeswitch_is_told_the_same_from_plain_and_json() {
    for name in ["in-20-", "in-20j"] {
        // A is the test's own telephone, a channel of the same switch
        assert_eq!(
            played(name).said_of("B"),
            [
                "ringing 1001>b-answerfor-800 Ringing []",
                "changed 1001>b-answerfor-800 Ringing [answerfor-800:Up]",
                "answered 1001>b-answerfor-800 Answered [answerfor-800:Up] by answerfor-800",
                "bridged 1001>b-answerfor-800 Bridged [answerfor-800:Up] by answerfor-800",
                "ended 1001>b-answerfor-800 Ended [answerfor-800:Ended] by answerfor-800",
                "finished answered (NORMAL_CLEARING)",
            ],
            "{name}"
        );
        let run = played(name);
        let call = run.finished()[0];
        assert_eq!((call.from.name.as_deref(), call.from.contact.as_deref()), (Some("Ann of Example"), Some("ann")));
    }
}

#[test]
fn busy_no_answer_and_cancel_of_freeswitch_are_told_by_the_dial_and_not_by_what_the_dialplan_did_then() {
    for (name, end) in [
        ("in-21", "finished busy (USER_BUSY)"),
        ("in-22", "finished no-answer (NO_ANSWER)"),
        ("in-23", "finished cancelled (ORIGINATOR_CANCEL)"),
    ] {
        assert_eq!(played(name).said_of("B").last().unwrap(), end, "{name}");
    }
}

#[test]
fn of_three_that_ring_at_once_in_freeswitch_one_wins_and_the_others_are_told_who() {
    let said = played("in-25").said_of("B");
    let pops: Vec<_> = said.iter().filter(|line| line.starts_with("pop")).map(String::as_str).collect();
    assert_eq!(
        pops,
        [
            "pop ring opens",
            "pop answer-300 opens",
            "pop answer-900 opens",
            "pop answer-900 closes AnsweredElsewhere answer-300",
            "pop ring closes AnsweredElsewhere answer-300",
            "pop answer-300 closes Answered answer-300",
        ]
    );
    let run = played("in-25");
    let call = run.finished().into_iter().find(|call| call.legs.len() == 3).unwrap();
    assert_eq!(
        call.legs.iter().map(|leg| leg.cause.as_deref().unwrap()).collect::<Vec<_>>(),
        ["LOSE_RACE", "NORMAL_CLEARING", "LOSE_RACE"]
    );
}

#[test]
fn an_event_that_comes_twice_says_nothing_the_second_time() {
    for name in ASTERISK.iter().chain(FREESWITCH) {
        let once = played(name).said();
        let (mut run, items) = session(name);
        for item in &items {
            run.feed(0, item());
            let said = run.out.len();
            run.feed(0, item());
            assert_eq!(run.out.len(), said, "{name}: {:?}", run.said().last());
        }
        assert_eq!(run.said(), once, "{name}");
    }
}

#[test]
fn a_session_cut_anywhere_and_repaired_by_a_snapshot_ends_each_call_once() {
    for name in ASTERISK.iter().chain(FREESWITCH) {
        let (_, items) = session(name);
        for cut in 0..items.len() {
            let mut run = empty(name);
            items[..cut].iter().for_each(|item| run.feed(0, item()));
            let live = run.state.calls_live();
            run.feed(0, Item::Down { why: "lost" });
            run.later(6_000_000);
            run.feed(0, Item::Up { identity: "again".into() });
            run.feed(0, Item::SnapshotBegin);
            run.feed(0, Item::SnapshotEnd { whole: true });
            assert_eq!(run.state.calls_live(), 0, "{name}: {live} calls lived at {cut}");
            assert_eq!(run.said().last().unwrap(), "repaired", "{name}");
            // what went on meanwhile comes late
            items[cut..].iter().for_each(|item| run.feed(0, item()));
            let mut finished: HashMap<String, usize> = HashMap::new();
            for call in run.finished() {
                *finished.entry(call.id.clone()).or_default() += 1;
                assert!(call.state == CallState::Ended && call.legs.iter().all(|leg| leg.state == LegState::Ended));
            }
            assert!(finished.values().all(|times| *times == 1), "{name} at {cut}: {finished:?}");
            let opened = run.said().iter().filter(|line| line.ends_with("opens")).count();
            let closed = run.said().iter().filter(|line| line.contains(" closes ")).count();
            assert!(opened >= closed && opened - closed <= run.state.calls_live() * 4, "{name} at {cut}");
        }
    }
}
