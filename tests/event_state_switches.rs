//! What becomes of calls when their switch starts anew, their tenant is told late, or their end isn't.

use bytes::{Bytes, BytesMut};
use std::sync::Arc;
use strowger::cti::{Draft, What};
use strowger::decided::DecisionRecord;
use strowger::event::source::ring::{self, RingLimits};
use strowger::event::{Item, Names, Output, SwitchKind};
use strowger::number::NumberPlan;
use strowger::routing::{Decision, Reason, Status, Step};
use strowger::wire::ami::Packet;
use strowger::wire::esl::FrameDecoder;
use support::{LIMITS, Run, packet};
use tokio_util::codec::Decoder;

#[path = "support/event_state.rs"]
mod support;

fn caller(n: usize) -> Packet {
    packet(&format!("Newchannel|Channel=PJSIP/c-{n:08}|ChannelStateDesc=Ring|CallerIDNum=5551|Exten=100|Uniqueid=1.{n}|Linkedid=1.{n}"))
}

fn snapshot(run: &mut Run, source: usize, channels: &[usize]) {
    run.feed(source, Item::SnapshotBegin);
    for n in channels {
        let item = format!("CoreShowChannel|Channel=PJSIP/c-{n:08}|ChannelStateDesc=Up|Uniqueid=1.{n}|Linkedid=1.{n}");
        run.feed(source, Item::Packet(packet(&item)));
    }
    run.feed(source, Item::SnapshotEnd { whole: true });
}

fn up(run: &mut Run, source: usize, identity: &str) {
    run.feed(source, Item::Up { identity: identity.into() });
}

#[test]
fn calls_of_a_switch_that_two_sources_watch_end_when_it_starts_anew_whichever_source_is_back_first() {
    for first in [0, 1] {
        for back in [0, 1] {
            let mut run = Run::of(&[SwitchKind::Asterisk; 2], LIMITS);
            for source in [first, 1 - first] {
                up(&mut run, source, "asterisk/a/1");
                snapshot(&mut run, source, &[]);
            }
            run.feed(first, Item::Packet(caller(1)));
            run.later(60_000_000);
            for source in [0, 1] {
                run.feed(source, Item::Down { why: "closed" });
            }
            for source in [back, 1 - back] {
                up(&mut run, source, "asterisk/a/2");
                snapshot(&mut run, source, &[]);
            }
            assert_eq!((run.finished().len(), run.state.calls_live()), (1, 0), "first {first}, back {back}: {:?}", run.said());
        }
    }
}

#[test]
fn a_gap_is_counted_once() {
    let mut run = Run::asterisk();
    let (mut sender, mut receiver) = ring::channel(RingLimits::default(), run.source_stats(0));
    sender.say(Item::Gap { why: "suspect", lost: 1 });
    run.feed(0, receiver.try_recv().unwrap());
    assert_eq!(run.source_stats(0).gaps.get(), 1);
    snapshot(&mut run, 0, &[]);
    run.feed(0, Item::Down { why: "closed" });
    assert_eq!(run.source_stats(0).gaps.get(), 2);
}

#[test]
fn whoever_left_a_conference_unheard_is_in_it_no_longer_after_a_snapshot() {
    let mut run = Run::asterisk();
    for n in [1, 2] {
        run.feed(0, Item::Packet(caller(n)));
        run.feed(0, Item::Packet(packet(&format!("ConfbridgeJoin|Conference=600|Uniqueid=1.{n}|Linkedid=1.{n}|CallerIDNum={n}"))));
    }
    run.feed(0, Item::Gap { why: "overrun", lost: 1 });
    snapshot(&mut run, 0, &[2]);
    let said: Vec<_> = run.said().into_iter().filter(|line| line.starts_with("conference")).collect();
    assert_eq!(said, ["conference 600 +1 (1)", "conference 600 +2 (2)", "conference 600 -1 (1)"]);
}

/// Two directories; only the first knows the caller.
struct TwoTenants;

impl Names for TwoTenants {
    fn look_up(&self, tenant: &str, number: &str) -> (String, Option<(String, String)>) {
        let known = tenant == "default" && number == "5551";
        (number.to_owned(), known.then(|| ("ada".to_owned(), "Ada of the default tenant".to_owned())))
    }
}

fn decision() -> DecisionRecord {
    let step = Step::parse("dial:101", &NumberPlan::new(None)).unwrap();
    DecisionRecord {
        at_us: 5,
        switch: Some("pbx0".into()),
        peer: None,
        call_id: "1.1".into(),
        tenant: "acme".into(),
        request: "route".into(),
        to: "100".into(),
        from: "5551".into(),
        withheld: false,
        revision: 7,
        decision: Decision::of(Status::Found, Reason::Matched, step),
        trace: Vec::new(),
        let_out: None,
        members: Vec::new(),
    }
}

fn drafts(run: &Run) -> Vec<&Draft> {
    run.out.iter().filter_map(|output| if let Output::Say(draft) = output { Some(draft) } else { None }).collect()
}

#[test]
fn a_name_out_of_one_tenants_directory_is_told_to_no_other_tenant() {
    let mut run = Run::asterisk();
    run.state.item(0, Item::Packet(caller(1)), &TwoTenants, run.now, &mut run.out);
    run.state.decided(decision(), &TwoTenants, run.now, &mut run.out);
    run.later(1_000_000);
    let hangup = packet("Hangup|Channel=PJSIP/c|Uniqueid=1.1|Linkedid=1.1|Cause=16|Cause-txt=Normal Clearing");
    run.state.item(0, Item::Packet(hangup), &TwoTenants, run.now, &mut run.out);
    let of_acme = || drafts(&run).into_iter().filter(|draft| draft.tenant.as_deref() == Some("acme"));
    assert!(of_acme().count() > 0);
    for call in of_acme().filter_map(|draft| draft.what.call()).chain(run.finished()) {
        assert_eq!((call.from.name.as_deref(), call.from.contact.as_deref()), (None, None), "{:?}", call.from);
    }
}

#[test]
fn a_tenant_hears_the_end_of_a_call_that_turns_out_to_be_anothers_and_the_other_its_beginning() {
    let mut run = Run::asterisk();
    run.feed(0, Item::Packet(caller(1)));
    run.feed(
        0,
        Item::Packet(packet(
            "DialBegin|Channel=PJSIP/c-00000001|Uniqueid=1.1|Linkedid=1.1|DestChannel=PJSIP/101-2|DestUniqueid=2.1|DestLinkedid=1.1|DialString=101|DestChannelStateDesc=Ringing",
        )),
    );
    run.state.decided(decision(), &TwoTenants, run.now, &mut run.out);
    let kinds = |tenant: &str| -> Vec<String> {
        let of = drafts(&run).into_iter().filter(|draft| draft.tenant.as_deref() == Some(tenant));
        of.map(|draft| match &draft.what {
            What::Pop(pop) => format!("pop {} {}", pop.extension, if pop.closed.is_none() { "opens" } else { "closes" }),
            what => what.kind().to_owned(),
        })
        .collect()
    };
    let (mine, others) = (kinds("default"), kinds("acme"));
    assert_eq!(mine, ["call.ringing", "call.changed", "pop 101 opens", "pop 101 closes", "call.ended"]);
    assert_eq!(others, ["call.ringing", "pop 101 opens"]);
    let hub = Arc::new(strowger::cti::Hub::new(1, strowger::cti::HubLimits::default()));
    drafts(&run).into_iter().for_each(|draft| _ = hub.publish(draft.clone()));
    let calls = hub.snapshot().calls;
    assert_eq!((calls.len(), calls[0].tenant.as_str()), (1, "acme"));
}

#[test]
fn a_question_for_a_name_takes_a_decided_call_from_nobody() {
    let mut run = Run::asterisk();
    run.feed(0, Item::Packet(caller(1)));
    run.state.decided(decision(), &TwoTenants, run.now, &mut run.out);
    let ada = strowger::routing::CallerName { contact: "ada".into(), name: "Ada of the default tenant".into() };
    let name = DecisionRecord { request: "name".into(), tenant: "default".into(), ..decision() };
    let name = DecisionRecord { decision: Decision { caller: Some(ada), ..name.decision }, ..name };
    run.state.decided(name, &TwoTenants, run.now, &mut run.out);
    run.feed(0, Item::Packet(packet("Hangup|Channel=PJSIP/c|Uniqueid=1.1|Linkedid=1.1|Cause=16|Cause-txt=Normal Clearing")));
    let call = run.finished()[0];
    assert_eq!((call.tenant.as_str(), call.from.contact.as_deref()), ("acme", None));
}

fn frame(name: &str) -> Item {
    let known = r#""Unique-ID":"u1","Call-Direction":"inbound","Caller-Caller-ID-Number":"5551","Caller-Destination-Number":"100""#;
    let body = format!(r#"{{"Event-Name":"{name}",{known}}}"#);
    let text = format!("Content-Length: {}\nContent-Type: text/event-json\n\n{body}", body.len());
    let mut buffer = BytesMut::from(text.as_bytes());
    Item::Frame(FrameDecoder::default().decode(&mut buffer).unwrap().unwrap())
}

#[test]
fn a_call_that_freeswitch_has_told_of_and_not_listed_yet_goes_on() {
    let mut run = Run::freeswitch();
    let listed = |run: &mut Run| {
        run.feed(0, Item::SnapshotBegin);
        run.feed(0, Item::Listing { what: "channels", json: Bytes::from_static(b"{\"row_count\":0}") });
        run.feed(0, Item::SnapshotEnd { whole: true });
    };
    run.feed(0, frame("CHANNEL_CREATE"));
    listed(&mut run);
    run.feed(0, frame("CHANNEL_ANSWER"));
    assert_eq!(run.said(), ["A ringing 5551>100 Ringing []", "A answered 5551>100 Answered []"]);
    run.later(300_000_000);
    listed(&mut run);
    assert_eq!(run.said().last().unwrap(), "A finished unknown (not seen)");
}
