//! What the events leave behind for decisions to come: who has answered, and how many calls of a class live.

use strowger::decided::{DecisionRecord, LetOut};
use strowger::event::{Item, Output, Remember, SwitchKind};
use strowger::number::{Class, NumberPlan};
use strowger::routing::{Decision, Reason, Status, Step};
use support::{Directory, LIMITS, Run, packet};

#[path = "support/event_state.rs"]
mod support;

fn caller(call: &str) -> Item {
    Item::Packet(packet(&format!(
        "Newchannel|Channel=PJSIP/101-{call}|ChannelStateDesc=Ring|CallerIDNum=101|CallerIDName=Ada|Exten=0900|Uniqueid={call}|Linkedid={call}"
    )))
}

fn hangup(call: &str) -> Item {
    Item::Packet(packet(&format!("Hangup|Channel=PJSIP/101-{call}|Uniqueid={call}|Linkedid={call}|Cause=16|Cause-txt=Normal Clearing")))
}

fn let_out(call: &str, extension: &str, class: Class, at_us: u64) -> DecisionRecord {
    let step = Step::parse("dial:+14155550111", &NumberPlan::new(None)).unwrap();
    DecisionRecord {
        at_us: 5,
        switch: Some("pbx0".into()),
        peer: None,
        call_id: call.into(),
        tenant: "default".into(),
        request: "outbound".into(),
        to: "+14155550111".into(),
        from: extension.into(),
        withheld: false,
        revision: 7,
        decision: Decision::of(Status::Found, Reason::Matched, step),
        trace: Vec::new(),
        members: Vec::new(),
        let_out: Some(LetOut { extension: extension.into(), class, at_us }),
    }
}

/// What was said since last asked: `101 premium 1`, `* premium 1` of all, `seen 101`, `answered 101`.
fn remembered(run: &mut Run) -> Vec<String> {
    let what = |output: Output| match output {
        Output::Remember(Remember::Live { extension, class, calls, .. }) => {
            Some(format!("{} {class} {calls}", extension.as_deref().unwrap_or("*")))
        }
        Output::Remember(Remember::Seen(_, out)) => Some(format!("seen {} {}", out.extension, out.at_us)),
        Output::Remember(Remember::Answered(_, member)) => Some(format!("answered {member}")),
        Output::Remember(Remember::Heard) => Some("heard".to_owned()),
        _ => None,
    };
    run.out.drain(..).filter_map(what).collect()
}

fn decide(run: &mut Run, record: DecisionRecord) {
    run.state.decided(record, &Directory, run.now, &mut run.out);
}

#[test]
fn a_call_that_was_let_out_counts_for_extension_and_tenant_as_long_as_it_lives() {
    let mut run = Run::asterisk();
    run.feed(0, caller("1.1"));
    decide(&mut run, let_out("1.1", "101", Class::Premium, 77));
    assert_eq!(remembered(&mut run), ["heard", "101 premium 1", "* premium 1", "seen 101 77"]);
    // the decision comes before its call does
    decide(&mut run, let_out("1.2", "102", Class::Premium, 88));
    assert_eq!(remembered(&mut run), [] as [&str; 0]);
    run.feed(0, caller("1.2"));
    assert_eq!(remembered(&mut run), ["102 premium 1", "* premium 2", "seen 102 88"]);
    // asked again: it is one call all the same
    decide(&mut run, let_out("1.2", "102", Class::Premium, 99));
    assert_eq!(remembered(&mut run), ["seen 102 99"]);
    run.feed(0, hangup("1.1"));
    run.feed(0, hangup("1.2"));
    assert_eq!(remembered(&mut run), ["101 premium 0", "* premium 1", "102 premium 0", "* premium 0"]);
}

#[test]
fn calls_of_a_switch_that_is_not_heard_do_not_count_until_it_is_heard_again() {
    let mut run = Run::of(&[SwitchKind::Asterisk, SwitchKind::Asterisk], LIMITS);
    run.feed(0, Item::Up { identity: "a".into() });
    assert_eq!(remembered(&mut run), ["heard"], "limits hold at once");
    run.tick();
    assert_eq!(remembered(&mut run), ["heard"]);
    run.feed(0, caller("1.1"));
    decide(&mut run, let_out("1.1", "101", Class::Mobile, 77));
    remembered(&mut run);
    run.feed(0, Item::Down { why: "closed" });
    run.tick();
    assert_eq!(remembered(&mut run), ["101 mobile 0", "* mobile 0"], "and nobody is heard");
    decide(&mut run, let_out("1.1", "101", Class::National, 78));
    assert_eq!(remembered(&mut run), [] as [&str; 0]);
    run.feed(0, Item::Up { identity: "a".into() });
    let again = ["101 mobile 1", "* mobile 1", "seen 101 77", "101 national 1", "* national 1", "seen 101 78", "heard"];
    assert_eq!(remembered(&mut run), again);
    // its own state doesn't hold it: it is over
    run.later(10_000_000);
    run.feed(0, Item::SnapshotBegin);
    run.feed(0, Item::SnapshotEnd { whole: true });
    assert_eq!(remembered(&mut run), ["101 mobile 0", "* mobile 0", "101 national 0", "* national 0"]);
}

#[test]
fn counts_are_said_again_before_younger_ones_push_them_out() {
    let mut run = Run::asterisk();
    run.feed(0, caller("1.1"));
    decide(&mut run, let_out("1.1", "101", Class::Premium, 77));
    remembered(&mut run);
    run.later(29_000_000);
    run.tick();
    assert_eq!(remembered(&mut run), ["heard"]);
    run.later(2_000_000);
    run.tick();
    let mut said = remembered(&mut run);
    said.sort();
    assert_eq!(said, ["* premium 1", "101 premium 1", "heard"]);
}

#[test]
fn who_has_answered_is_said_once_and_again_when_a_decision_tells_whose_leg_it_was() {
    let mut run = Run::asterisk();
    run.feed(0, caller("1.1"));
    let leg = |text: &str| Item::Packet(packet(text));
    run.feed(0, leg("DialBegin|Channel=PJSIP/101-1.1|Uniqueid=1.1|Linkedid=1.1|DestChannel=PJSIP/102-2|DestUniqueid=1.2|DestLinkedid=1.1|DialString=102"));
    run.feed(0, leg("DialEnd|Channel=PJSIP/101-1.1|Uniqueid=1.1|Linkedid=1.1|DestChannel=PJSIP/102-2|DestUniqueid=1.2|DestLinkedid=1.1|DialStatus=ANSWER"));
    assert_eq!(remembered(&mut run), ["heard", "answered 102"]);
    run.feed(0, leg("BridgeEnter|Channel=PJSIP/102-2|Uniqueid=1.2|Linkedid=1.1|BridgeUniqueid=b"));
    assert_eq!(remembered(&mut run), [] as [&str; 0]);
    let members = vec![strowger::decided::Member { id: "alice".into(), leg: "PJSIP/102".into() }];
    decide(&mut run, DecisionRecord { let_out: None, members, ..let_out("1.1", "101", Class::Internal, 1) });
    assert_eq!(remembered(&mut run), ["answered alice"]);
}

#[test]
fn nonsense_from_a_switch_leaves_no_count_behind() {
    let mut run = Run::asterisk();
    for n in 0..200 {
        let call = format!("1.{n}");
        run.feed(0, caller(&call));
        decide(&mut run, let_out(&call, "101", Class::ALL[n % Class::ALL.len()], n as u64));
        // hung up twice, before and after a channel that never was
        run.feed(0, hangup(&call));
        run.feed(0, hangup("9.9"));
        run.feed(0, hangup(&call));
    }
    let mut last = std::collections::HashMap::new();
    for output in run.out.drain(..) {
        if let Output::Remember(Remember::Live { extension, class, calls, .. }) = output {
            last.insert((extension, class), calls);
        }
    }
    assert_eq!(last.len(), 2 * Class::ALL.len());
    assert!(last.values().all(|calls| *calls == 0), "{last:?}");
}
