//! What decisions know of extensions out of events: whether a telephone is there, whether it may be disturbed, how many calls
//! it has. What a switch can't know, or doesn't say any more, is not known.

use bytes::{Bytes, BytesMut};
use proptest::prelude::*;
use std::collections::BTreeMap;
use strowger::event::{Item, Output, SwitchKind};
use strowger::hints::Hint;
use strowger::wire::esl::FrameDecoder;
use support::{LIMITS, Run, packet};
use tokio_util::codec::Decoder;

#[path = "support/event_state.rs"]
mod support;

/// What the table holds of an extension after all that was said.
fn hint(run: &Run, extension: &str) -> Hint {
    let said = run.out.iter().rev().find_map(|output| match output {
        Output::Hint(_, who, hint) if who == extension => Some(*hint),
        _ => None,
    });
    said.unwrap_or_default()
}

fn registered(run: &Run) -> Option<bool> {
    hint(run, "101").registered
}

fn feed(run: &mut Run, source: usize, text: &str) {
    run.feed(source, Item::Packet(packet(text)));
}

/// An event of FreeSWITCH's: `CHANNEL_CREATE|Unique-ID=u1|…`.
fn event(run: &mut Run, text: &str) {
    let mut parts = text.split('|');
    let mut fields = serde_json::Map::from_iter([("Event-Name".to_owned(), parts.next().unwrap().into())]);
    fields.extend(parts.map(|part| part.split_once('=').unwrap()).map(|(name, value)| (name.to_owned(), value.into())));
    let body = serde_json::Value::from(fields).to_string();
    let text = format!("Content-Length: {}\nContent-Type: text/event-json\n\n{body}", body.len());
    run.feed(0, Item::Frame(FrameDecoder::default().decode(&mut BytesMut::from(text.as_bytes())).unwrap().unwrap()));
}

fn sofia(run: &mut Run, subclass: &str, who: &str) {
    let (user, host) = who.split_once('@').unwrap();
    let names = if subclass == "expire" { ["user", "host"] } else { ["from-user", "from-host"] };
    event(run, &format!("CUSTOM|Event-Subclass=sofia::{subclass}|{}={user}|{}={host}", names[0], names[1]));
}

/// All that FreeSWITCH has registered, some time after whatever happened.
fn listed(run: &mut Run, who: &[&str]) {
    run.later(6_000_000);
    listed_at_once(run, who);
}

fn listed_at_once(run: &mut Run, who: &[&str]) {
    let row = |who: &&str| serde_json::json!({ "reg_user": who.split('@').next(), "realm": who.split('@').nth(1) });
    let rows: Vec<_> = who.iter().map(row).collect();
    let json =
        if rows.is_empty() { serde_json::json!({ "row_count": 0 }) } else { serde_json::json!({ "row_count": rows.len(), "rows": rows }) };
    run.feed(0, Item::Listing { what: "registrations", json: Bytes::from(json.to_string()) });
}

#[test]
fn an_extension_with_two_names_is_there_until_neither_is_registered() {
    let mut run = Run::freeswitch();
    sofia(&mut run, "register", "101@pbx.example");
    sofia(&mut run, "register", "101@192.0.2.5");
    sofia(&mut run, "expire", "101@192.0.2.5");
    assert_eq!(registered(&run), Some(true));
    listed(&mut run, &["101@pbx.example"]);
    assert_eq!(registered(&run), Some(true));
    assert_eq!(run.said().last().unwrap(), "registration 101@192.0.2.5 false");
    listed(&mut run, &[]);
    assert_eq!(registered(&run), Some(false));
    for _ in 0..2 {
        sofia(&mut run, "register", "101@pbx.example");
        assert_eq!(registered(&run), Some(true));
    }
}

#[test]
fn a_second_telephone_that_unregisters_leaves_the_first_one_there() {
    let mut run = Run::freeswitch();
    for _ in ["desk", "soft"] {
        sofia(&mut run, "register", "101@pbx");
    }
    sofia(&mut run, "unregister", "101@pbx");
    assert_eq!(registered(&run), Some(true));
    assert_eq!(run.said(), ["registration 101@pbx true"], "nobody knows yet");
    listed(&mut run, &["101@pbx"]);
    assert_eq!(registered(&run), Some(true));
    sofia(&mut run, "unregister", "101@pbx");
    listed(&mut run, &[]);
    assert_eq!((registered(&run), run.said().last().unwrap().as_str()), (Some(false), "registration 101@pbx false"));
}

#[test]
fn a_listing_that_was_written_before_a_telephone_registered_does_not_take_it_away() {
    let mut run = Run::freeswitch();
    sofia(&mut run, "register", "101@pbx");
    listed_at_once(&mut run, &[]);
    assert_eq!(registered(&run), Some(true));
    listed(&mut run, &[]);
    assert_eq!(registered(&run), Some(false));
}

#[test]
fn a_telephone_is_there_whichever_of_its_devices_speaks_last() {
    let state = |device: &str, state: &str| format!("DeviceStateChange|Device={device}|State={state}");
    for (there, gone) in [("SIP/101", "PJSIP/101"), ("PJSIP/101", "SIP/101")] {
        for there_first in [true, false] {
            let mut run = Run::asterisk();
            let mut said = [state(there, "NOT_INUSE"), state(gone, "UNAVAILABLE")];
            if !there_first {
                said.reverse();
            }
            said.iter().for_each(|text| feed(&mut run, 0, text));
            assert_eq!(registered(&run), Some(true), "{said:?}");
            feed(&mut run, 0, &state(there, "UNAVAILABLE"));
            assert_eq!(registered(&run), Some(false));
        }
    }
}

#[test]
fn a_device_that_can_be_reached_is_there_though_one_of_its_registrations_is_gone() {
    let mut run = Run::asterisk();
    feed(&mut run, 0, "PeerStatus|Peer=PJSIP/101|PeerStatus=Unregistered");
    assert_eq!(registered(&run), Some(false), "no more is known of it");
    feed(&mut run, 0, "DeviceStateChange|Device=PJSIP/101|State=NOT_INUSE");
    feed(&mut run, 0, "PeerStatus|Peer=PJSIP/101|PeerStatus=Unregistered");
    assert_eq!(registered(&run), Some(true));
    feed(&mut run, 0, "DeviceStateChange|Device=PJSIP/101|State=INVALID");
    assert_eq!(registered(&run), Some(false));
}

#[test]
fn an_account_of_the_switch_at_a_carrier_is_no_telephone_whatever_its_name() {
    for registry in ["Registry|Username=101|Domain=carrier.example|Status=", "OutboundRegistrationDetail|ObjectName=101|Status="] {
        let mut run = Run::asterisk();
        feed(&mut run, 0, "DeviceStateChange|Device=PJSIP/101|State=UNAVAILABLE");
        feed(&mut run, 0, &format!("{registry}Registered"));
        assert_eq!(registered(&run), Some(false));
        feed(&mut run, 0, "DeviceStateChange|Device=PJSIP/101|State=NOT_INUSE");
        feed(&mut run, 0, &format!("{registry}Unregistered"));
        assert_eq!(registered(&run), Some(true));
        assert!(run.said().last().unwrap().starts_with("registration 101"), "it is said all the same");
    }
}

/// A call from an extension's telephone to another's.
fn call(run: &mut Run, source: usize) {
    feed(run, source, "Newchannel|Channel=PJSIP/101-00000001|ChannelStateDesc=Ring|CallerIDNum=101|Exten=102|Uniqueid=1.1|Linkedid=1.1");
    feed(
        run,
        source,
        "DialBegin|Channel=PJSIP/101-00000001|Uniqueid=1.1|Linkedid=1.1|DestChannel=PJSIP/102-00000002|DestUniqueid=1.2|DestLinkedid=1.1|DialString=102",
    );
}

fn snapshot(run: &mut Run, channels: &[&str]) {
    run.feed(0, Item::SnapshotBegin);
    for channel in channels {
        feed(run, 0, channel);
    }
    run.feed(0, Item::SnapshotEnd { whole: true });
}

#[test]
fn nothing_is_known_any_more_of_what_a_switch_said_that_is_not_heard() {
    let mut run = Run::asterisk();
    feed(&mut run, 0, "DeviceStateChange|Device=PJSIP/101|State=INUSE");
    feed(&mut run, 0, "DeviceStateChange|Device=Custom:DND101|State=INUSE");
    feed(&mut run, 0, "DeviceStateChange|Device=Custom:DND103|State=INUSE");
    call(&mut run, 0);
    let busy = Hint { calls: 1, ..Hint::default() };
    assert_eq!(hint(&run, "101"), Hint { registered: Some(true), dnd: true, calls: 1 });
    assert_eq!((hint(&run, "102"), hint(&run, "103")), (busy, Hint { dnd: true, ..Hint::default() }));
    run.feed(0, Item::Down { why: "lost" });
    for _ in 0..10 {
        assert_eq!(["101", "102", "103"].map(|extension| hint(&run, extension)), [Hint::default(); 3], "at once, and for good");
        run.later(30_000_000);
        run.tick();
    }
    // the other telephone hung up meanwhile, and the caller talks on to somebody else
    run.feed(0, Item::Up { identity: "a".into() });
    snapshot(&mut run, &["CoreShowChannel|Channel=PJSIP/101-00000001|ChannelStateDesc=Up|Uniqueid=1.1|Linkedid=1.1"]);
    assert_eq!((hint(&run, "101"), hint(&run, "102")), (busy, Hint::default()));
    feed(&mut run, 0, "DeviceStateChange|Device=Custom:DND101|State=INUSE");
    assert_eq!(hint(&run, "101"), Hint { dnd: true, ..busy });
}

#[test]
fn a_call_whose_end_nobody_saw_keeps_nobody_busy_where_the_switch_lists_nothing() {
    let mut run = Run::asterisk();
    call(&mut run, 0);
    run.feed(0, Item::Down { why: "lost" });
    run.feed(0, Item::Up { identity: "a".into() });
    run.feed(0, Item::SnapshotBegin);
    run.feed(0, Item::SnapshotEnd { whole: false });
    assert_eq!((run.state.calls_live(), hint(&run, "101").calls, hint(&run, "102").calls), (1, 0, 0));
    // one that goes on is told of sooner or later
    feed(&mut run, 0, "Newstate|Channel=PJSIP/102-00000002|ChannelStateDesc=Up|Uniqueid=1.2|Linkedid=1.1");
    assert_eq!((hint(&run, "101").calls, hint(&run, "102").calls), (1, 1));
    for channel in ["1.1", "1.2"] {
        feed(&mut run, 0, &format!("Hangup|Channel=PJSIP/x|Uniqueid={channel}|Linkedid=1.1|Cause=16|Cause-txt=Normal Clearing"));
    }
    assert_eq!((hint(&run, "101").calls, hint(&run, "102").calls), (0, 0));
}

#[test]
fn what_another_switch_says_of_the_same_extension_stays() {
    let mut run = Run::of(&[SwitchKind::Asterisk; 2], LIMITS);
    for (source, identity) in ["a", "b"].into_iter().enumerate() {
        run.feed(source, Item::Up { identity: identity.into() });
        feed(&mut run, source, "DeviceStateChange|Device=Custom:DND101|State=INUSE");
        call(&mut run, source);
    }
    feed(&mut run, 0, "DeviceStateChange|Device=PJSIP/101|State=NOT_INUSE");
    feed(&mut run, 1, "DeviceStateChange|Device=PJSIP/101|State=UNAVAILABLE");
    assert_eq!(hint(&run, "101"), Hint { registered: Some(true), dnd: true, calls: 2 });
    run.feed(0, Item::Down { why: "lost" });
    assert_eq!(hint(&run, "101"), Hint { registered: Some(false), dnd: true, calls: 1 });
    feed(&mut run, 1, "DeviceStateChange|Device=Custom:DND101|State=NOT_INUSE");
    assert_eq!(hint(&run, "101"), Hint { registered: Some(false), dnd: false, calls: 1 });
    run.feed(1, Item::Down { why: "lost" });
    assert_eq!(hint(&run, "101"), Hint::default());
}

#[test]
fn a_stranger_who_sends_an_inside_number_as_his_own_makes_nobody_busy() {
    for (channel, calls) in [
        ("PJSIP/carrier-00000001", 0),
        ("DAHDI/101-1", 0),
        ("Local/101@queue-00000001;1", 0),
        ("PJSIP/101-00000001", 1),
        ("SIP/101-00000001", 1),
        ("IAX2/101-1", 1),
        // an endpoint that is called after its extension
        ("PJSIP/desk-101-00000001", 1),
        ("PJSIP/line9101-00000001", 0),
    ] {
        let mut run = Run::asterisk();
        feed(
            &mut run,
            0,
            &format!("Newchannel|Channel={channel}|ChannelStateDesc=Ring|CallerIDNum=101|Exten=queue|Uniqueid=1.1|Linkedid=1.1"),
        );
        assert_eq!(hint(&run, "101").calls, calls, "{channel}");
        let rest = "CallerIDNum=101|ChannelStateDesc=Up|Uniqueid=1.1|Linkedid=1.1";
        snapshot(&mut run, &[&format!("CoreShowChannel|Channel={channel}|{rest}")]);
        assert_eq!(hint(&run, "101").calls, calls, "{channel}, listed");
    }
}

#[test]
fn a_caller_of_freeswitch_is_the_user_that_he_has_proved_to_be() {
    // as FreeSWITCH writes it of whoever has `From: 101`
    let from = "Call-Direction=inbound|Channel-Name=sofia/internal/101@pbx.example|Channel-Presence-ID=101@pbx.example\
                |Caller-Username=101|Caller-Caller-ID-Number=101|Caller-ANI=101|variable_sip_from_user=101|variable_presence_id=101@pbx.example";
    for (proof, calls) in
        [("", 0), ("|variable_user_name=101", 1), ("|variable_sip_auth_username=101", 1), ("|variable_user_name=trunk", 0)]
    {
        let mut run = Run::freeswitch();
        event(&mut run, &format!("CHANNEL_CREATE|Unique-ID=u1|{from}{proof}"));
        assert_eq!(hint(&run, "101").calls, calls, "{proof}");
        event(&mut run, &format!("CHANNEL_HANGUP_COMPLETE|Unique-ID=u1|{from}{proof}|Hangup-Cause=NORMAL_CLEARING"));
        assert_eq!(hint(&run, "101").calls, 0, "{proof}");
    }
    // who shows another number is on the telephone nevertheless
    let mut run = Run::freeswitch();
    let shown = from.replace("Caller-Caller-ID-Number=101", "Caller-Caller-ID-Number=+14155550100");
    event(&mut run, &format!("CHANNEL_CREATE|Unique-ID=u1|{shown}"));
    event(&mut run, &format!("CHANNEL_ANSWER|Unique-ID=u1|{shown}|variable_user_name=101"));
    assert_eq!(hint(&run, "101").calls, 1);
}

#[test]
fn a_telephone_whose_call_is_met_in_the_middle_is_busy_though_the_listing_proves_nothing() {
    let row = serde_json::json!({ "uuid": "u1", "call_uuid": "u1", "direction": "inbound", "name": "sofia/internal/101@pbx.example",
        "cid_num": "101", "dest": "+14155550100", "callstate": "ACTIVE" });
    let listing = serde_json::json!({ "row_count": 1, "rows": [row] }).to_string();
    let listed = || Item::Listing { what: "channels", json: Bytes::from(listing.clone()) };
    let mut run = Run::freeswitch();
    run.feed(0, listed());
    assert_eq!(hint(&run, "101").calls, 1);
    event(&mut run, "CHANNEL_HANGUP_COMPLETE|Unique-ID=u1|Call-Direction=inbound|Caller-Caller-ID-Number=101|Hangup-Cause=NORMAL_CLEARING");
    assert_eq!(hint(&run, "101").calls, 0);
    // of a call that was seen from its beginning the listing says nothing new
    let mut run = Run::freeswitch();
    event(&mut run, "CHANNEL_CREATE|Unique-ID=u1|Call-Direction=inbound|Channel-Name=sofia/external/101@x|Caller-Caller-ID-Number=101");
    run.feed(0, listed());
    assert_eq!(hint(&run, "101").calls, 0);
}

#[test]
fn callers_from_outside_take_no_place_among_the_hints() {
    let mut run = Run::asterisk();
    for n in 0..1_000 {
        let number = format!("0301{n:06}");
        feed(
            &mut run,
            0,
            &format!(
                "Newchannel|Channel=PJSIP/carrier-{n:08x}|ChannelStateDesc=Ring|CallerIDNum={number}|Exten=100|Uniqueid=1.{n}|Linkedid=1.{n}"
            ),
        );
    }
    assert!(!run.out.iter().any(|output| matches!(output, Output::Hint(..))));
}

#[test]
fn a_caller_who_gave_his_call_to_somebody_else_is_free_again() {
    let mut run = Run::asterisk();
    call(&mut run, 0);
    assert_eq!((hint(&run, "101").calls, hint(&run, "102").calls), (1, 1));
    feed(&mut run, 0, "BlindTransfer|Result=Success|TransfererUniqueid=1.1|TransfererLinkedid=1.1|Extension=103");
    feed(&mut run, 0, "Hangup|Channel=PJSIP/101-00000001|Uniqueid=1.1|Linkedid=1.1|Cause=16|Cause-txt=Normal Clearing");
    assert_eq!((hint(&run, "101").calls, hint(&run, "102").calls), (0, 1));
}

/// What may happen to the names of one extension at two switches.
#[derive(Debug, Clone)]
enum Happens {
    Device(usize, &'static str, &'static str),
    Account(usize, &'static str, bool),
    Dnd(usize, bool),
    Call(usize),
    Hangup(usize),
    Lost(usize),
    Heard(usize),
    Later,
}

fn happens() -> impl Strategy<Value = Happens> {
    let (switch, device) = (0..2usize, prop::sample::select(vec!["PJSIP/101", "SIP/101"]));
    let state = prop::sample::select(vec!["NOT_INUSE", "INUSE", "UNAVAILABLE", "UNKNOWN"]);
    prop_oneof![
        4 => (switch.clone(), device.clone(), state).prop_map(|(s, d, t)| Happens::Device(s, d, t)),
        3 => (switch.clone(), device, any::<bool>()).prop_map(|(s, d, r)| Happens::Account(s, d, r)),
        2 => (switch.clone(), any::<bool>()).prop_map(|(s, on)| Happens::Dnd(s, on)),
        2 => switch.clone().prop_map(Happens::Call),
        2 => switch.clone().prop_map(Happens::Hangup),
        1 => switch.clone().prop_map(Happens::Lost),
        2 => switch.prop_map(Happens::Heard),
        1 => Just(Happens::Later),
    ]
}

/// What is known of a switch's names for the extension: by the device, by the account.
#[derive(Default)]
struct Switch {
    is_heard: bool,
    names: BTreeMap<&'static str, (Option<bool>, Option<bool>)>,
    dnd: bool,
    calls: u8,
}

proptest! {
    #[test]
    fn a_hint_is_what_the_switches_that_are_heard_say_and_nothing_else(script in prop::collection::vec(happens(), 1..80)) {
        let mut run = Run::of(&[SwitchKind::Asterisk; 2], LIMITS);
        let mut switches = [Switch::default(), Switch::default()];
        let mut ids = 0;
        let mut live: [Vec<usize>; 2] = Default::default();
        for what in script {
            let silent = |switch: usize| !switches[switch].is_heard;
            match what {
                Happens::Device(s, ..) | Happens::Account(s, ..) | Happens::Dnd(s, _) | Happens::Call(s) | Happens::Hangup(s)
                    if silent(s) => {}
                Happens::Device(s, device, state) => {
                    feed(&mut run, s, &format!("DeviceStateChange|Device={device}|State={state}"));
                    let is_there = (state != "UNKNOWN").then_some(state != "UNAVAILABLE");
                    switches[s].names.entry(device).or_default().0 = is_there;
                }
                Happens::Account(s, peer, is_there) => {
                    let status = if is_there { "Registered" } else { "Unregistered" };
                    feed(&mut run, s, &format!("PeerStatus|Peer={peer}|PeerStatus={status}"));
                    switches[s].names.entry(peer).or_default().1 = Some(is_there);
                }
                Happens::Dnd(s, on) => {
                    let state = if on { "INUSE" } else { "NOT_INUSE" };
                    feed(&mut run, s, &format!("DeviceStateChange|Device=Custom:DND101|State={state}"));
                    switches[s].dnd = on;
                }
                Happens::Call(s) => {
                    ids += 1;
                    feed(&mut run, s, &format!("Newchannel|Channel=PJSIP/101-{ids:08x}|CallerIDNum=101|Exten=1|Uniqueid=1.{ids}|Linkedid=1.{ids}"));
                    live[s].push(ids);
                    switches[s].calls += 1;
                }
                Happens::Hangup(s) => {
                    if let Some(id) = live[s].pop() {
                        feed(&mut run, s, &format!("Hangup|Uniqueid=1.{id}|Linkedid=1.{id}|Cause=16|Cause-txt=x"));
                        switches[s].calls -= 1;
                    }
                }
                Happens::Lost(s) => {
                    run.feed(s, Item::Down { why: "lost" });
                    switches[s] = Switch::default();
                }
                Happens::Heard(s) => {
                    run.feed(s, Item::Up { identity: format!("switch {s}") });
                    run.feed(s, Item::SnapshotBegin);
                    for id in &live[s] {
                        feed(&mut run, s, &format!("CoreShowChannel|Channel=PJSIP/101-{id:08x}|ChannelStateDesc=Up|Uniqueid=1.{id}|Linkedid=1.{id}"));
                    }
                    run.feed(s, Item::SnapshotEnd { whole: true });
                    switches[s].is_heard = true;
                    switches[s].calls = live[s].len() as u8;
                }
                Happens::Later => {
                    run.later(31_000_000);
                    run.tick();
                }
            }
            let is_there: Vec<bool> =
                switches.iter().flat_map(|switch| switch.names.values()).filter_map(|(device, account)| device.or(*account)).collect();
            let wanted = Hint {
                registered: (!is_there.is_empty()).then(|| is_there.contains(&true)),
                dnd: switches.iter().any(|switch| switch.dnd),
                calls: switches.iter().map(|switch| switch.calls).sum(),
            };
            prop_assert_eq!(hint(&run, "101"), wanted);
        }
    }
}
