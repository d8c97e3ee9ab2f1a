//! Calls through a whole plan, asked by the sample dialplans of FreeSWITCH over the event socket and over HTTP, and dialled
//! in the fake switch: groups, forwards, hours, lists, to the end.

#[path = "support/freeswitch/mod.rs"]
mod freeswitch;
mod support;

use freeswitch::servers::Agent;
use freeswitch::ways::BOTH;
use freeswitch::{Call, Ending, FakeSwitch, Outcome, Record};
use std::sync::Arc;
use strowger::control::Request;
use strowger::daemon::Options;
use strowger::plan::ItemDraft;
use support::*;

fn item(json: serde_json::Value) -> Request {
    let item: ItemDraft = serde_json::from_value(json).unwrap();
    Request::ItemSet { tenant: "default".to_owned(), item }
}

fn did(n: usize) -> String {
    format!("+120255502{n:02}")
}

fn plan() -> Vec<Request> {
    let group = |id: &str, strategy: &str, members: serde_json::Value| {
        item(serde_json::json!({ "group": { "id": id, "strategy": strategy, "timeout_seconds": 20, "members": members } }))
    };
    let desk = |n: u32| serde_json::json!({ "extension": n.to_string() });
    let mobile = serde_json::json!({ "number": "+14155550111", "name": "Mom", "confirm": true });
    let mut all = vec![
        group("all", "ringall", serde_json::json!([desk(101), desk(102)])),
        group("hunt", "hunt", serde_json::json!([desk(101), desk(102), desk(103)])),
        group("memoryhunt", "memoryhunt", serde_json::json!([desk(101), desk(102)])),
        group("random", "random", serde_json::json!([desk(101), desk(102), desk(103)])),
        group("weighted", "weighted", serde_json::json!([desk(101), desk(102)])),
        group("turns", "rrmemory", serde_json::json!([desk(101), desk(102)])),
        group("least", "leastrecent", serde_json::json!([desk(101), desk(102)])),
        group("family", "ringall", serde_json::json!([desk(101), mobile, { "number": "+14155550112", "confirm": true }])),
        group("outer", "hunt", serde_json::json!([desk(104), { "group": "hunt" }])),
        group("late", "ringall", serde_json::json!([desk(101), { "number": "+14155550111", "confirm": true, "delay_seconds": 5 }])),
        group(
            "later",
            "ringall",
            serde_json::json!([{ "extension": "101", "delay_seconds": 3 }, { "extension": "102", "delay_seconds": 5 }]),
        ),
    ];
    all.extend(
        [
            serde_json::json!({ "extension": "201", "dnd": true }),
            serde_json::json!({ "extension": "202", "forward_always": "101" }),
            serde_json::json!({ "extension": "203", "forward_busy": "101", "forward_no_answer": "102", "forward_unavailable": "103" }),
            serde_json::json!({ "extension": "204", "forward_busy": "205", "dnd": true }),
            serde_json::json!({ "extension": "205", "forward_busy": "204", "dnd": true }),
        ]
        .map(|extension| item(serde_json::json!({ "extension": extension }))),
    );
    all.push(item(serde_json::json!({ "schedule": { "id": "office", "open": ["daily 00:00-24:00"] } })));
    let steps: [(usize, &[&str]); 16] = [
        (1, &["ring:all"]),
        (2, &["ring:hunt", "voicemail:199"]),
        (3, &["ring:memoryhunt", "hangup"]),
        (4, &["ring:random", "hangup"]),
        (5, &["ring:weighted", "hangup"]),
        (6, &["ring:turns", "hangup"]),
        (7, &["ring:least", "hangup"]),
        (8, &["ring:family", "voicemail:199"]),
        (9, &["ring:outer", "hangup"]),
        (10, &["dial:201", "dial:102"]),
        (11, &["dial:202"]),
        (12, &["dial:203", "hangup"]),
        (13, &["dial:204", "dial:101"]),
        (14, &["ring:hunt", "dial:104", "voicemail:199"]),
        (16, &["ring:late", "voicemail:199"]),
        (17, &["ring:later", "voicemail:199"]),
    ];
    all.extend(steps.map(|(n, steps)| item(serde_json::json!({ "route": { "number": did(n), "steps": steps } }))));
    all.push(item(serde_json::json!({ "route": {
        "number": did(15), "steps": ["dial:101"], "schedule": "office", "when": { "closed": ["voicemail:199"] } } })));
    all.push(item(serde_json::json!({ "block": { "country": "FR", "action": "congestion" } })));
    all.push(item(serde_json::json!({ "block": { "number": "+14155550666", "action": "challenge:press-1" } })));
    all
}

fn serving() -> (Place, InProcess, Agent) {
    let (place, server) = served(Options::default(), plan());
    let agent = Agent { socket: server.esl(), http: server.lookup_http(), asked: Arc::default() };
    (place, server, agent)
}

fn with(mut switch: FakeSwitch, legs: &[(&str, Outcome)]) -> FakeSwitch {
    switch.legs = legs.iter().map(|(leg, outcome)| ((*leg).to_owned(), *outcome)).collect();
    switch
}

fn call(n: usize) -> Call {
    Call::to(&did(n)).from(SCHOOL, "LINCOLN")
}

fn bridged(record: &Record) -> &str {
    match &record.ending {
        Ending::Bridged(leg) => leg,
        other => panic!("{other:?}: {:?}", record.dialled()),
    }
}

const SILENT: Outcome = Outcome::Fails("NO_ANSWER");

#[test]
fn each_strategy_rings_in_its_order_and_the_plan_goes_on_behind_it() {
    let (_place, _server, agent) = serving();
    for way in BOTH {
        let all = way(&agent).call(&call(1));
        assert_eq!((bridged(&all), all.dialled()), ("user/101", vec!["user/101", "user/102"]));
        let hunt = with(way(&agent), &[("user/101", SILENT), ("user/102", SILENT)]).call(&call(2));
        assert_eq!((bridged(&hunt), hunt.dialled()), ("user/103", vec!["user/101", "user/102", "user/103"]));
        let nobody = with(way(&agent), &[("user/", SILENT)]).call(&call(2));
        assert_eq!((nobody.dialled().len(), nobody.ran("voicemail").len()), (3, 1), "{:?}", nobody.ending);
        let more = with(way(&agent), &[("user/101", SILENT)]).call(&call(3));
        assert_eq!((bridged(&more), more.dialled()), ("user/102", vec!["user/101", "user/101", "user/102"]));
        for (n, members) in [(4, 3), (5, 2), (6, 2), (7, 2)] {
            let record = with(way(&agent), &[("user/", SILENT)]).call(&call(n));
            let mut rang = record.dialled();
            rang.sort_unstable();
            let wanted: Vec<String> = (101..101 + members).map(|e| format!("user/{e}")).collect();
            assert_eq!(rang, wanted, "each once, route {n}");
        }
        let outer = with(way(&agent), &[("user/104", Outcome::Fails("USER_BUSY")), ("user/101", SILENT)]).call(&call(9));
        assert_eq!((bridged(&outer), outer.dialled()), ("user/102", vec!["user/104", "user/101", "user/102"]));
    }
}

#[test]
fn turns_and_memory_begin_with_the_other_one_the_next_time() {
    let (_place, _server, agent) = serving();
    for way in BOTH {
        for n in [6, 7] {
            let first = |_: usize| with(way(&agent), &[("user/", SILENT)]).call(&call(n)).dialled()[0].to_owned();
            let mut both = [first(0), first(1)];
            both.sort_unstable();
            assert_eq!(both, ["user/101", "user/102"], "route {n}");
        }
    }
}

#[test]
fn a_mobiles_voicemail_steals_no_call_and_the_first_to_press_1_wins() {
    let (_place, _server, agent) = serving();
    let (mom, dad) = ("sofia/gateway/trunk/+14155550111", "sofia/gateway/trunk/+14155550112");
    for way in BOTH {
        let stolen =
            with(way(&agent), &[(mom, Outcome::Answers), (dad, Outcome::Rings), ("user/101", Outcome::AnswersIn(5))]).call(&call(8));
        assert_eq!(bridged(&stolen), "user/101", "the desk phone goes on ringing");
        let pressed =
            with(way(&agent), &[(mom, Outcome::Answers), (dad, Outcome::Presses("1", 2)), ("user/101", Outcome::Rings)]).call(&call(8));
        assert_eq!(bridged(&pressed), dad);
        assert_eq!(pressed.bridges[0].shown_number, SCHOOL);
        let nobody = with(way(&agent), &[(mom, Outcome::Answers), (dad, Outcome::Rings), ("user/101", Outcome::Rings)]).call(&call(8));
        assert_eq!(nobody.ran("voicemail").len(), 1, "nobody took it: {:?}", nobody.ending);
    }
}

#[test]
fn who_rings_late_begins_in_his_second_and_rings_no_longer_than_the_group() {
    let (_place, _server, agent) = serving();
    for way in BOTH {
        for (n, begins) in [(16, [Some(0), Some(5)]), (17, [Some(3), Some(5)])] {
            let record = with(way(&agent), &[("", Outcome::Rings)]).call(&call(n));
            let bridge = &record.bridges[0];
            let rang: Vec<_> = bridge.rung.iter().map(|leg| leg.from).collect();
            assert_eq!((rang, bridge.at), (begins.to_vec(), 20), "route {n}: {bridge:?}");
            assert_eq!((record.bridges.len(), record.ran("voicemail").len()), (1, 1), "route {n}: nobody took it");
        }
    }
}

#[test]
fn forwards_and_do_not_disturb_are_followed_and_circles_end() {
    let (_place, _server, agent) = serving();
    for way in BOTH {
        assert_eq!(way(&agent).call(&call(10)).dialled(), ["user/102"], "do not disturb");
        assert_eq!(way(&agent).call(&call(11)).dialled(), ["user/101"], "always");
        for (cause, to) in
            [("USER_BUSY", "user/101"), ("NO_ANSWER", "user/102"), ("SUBSCRIBER_ABSENT", "user/103"), ("CALL_REJECTED", "user/101")]
        {
            let record = with(way(&agent), &[("user/203", Outcome::Fails(cause))]).call(&call(12));
            assert_eq!(record.dialled(), ["user/203", to], "{cause}");
        }
        assert_eq!(way(&agent).call(&call(13)).dialled(), ["user/101"], "a circle");
    }
}

#[test]
fn hours_lists_and_the_end_of_a_chain() {
    let (_place, server, agent) = serving();
    for way in BOTH {
        assert_eq!(way(&agent).call(&call(15)).dialled(), ["user/101"]);
        let by_hand = |state: Option<&str>| Request::ScheduleOverride {
            tenant: "default".into(),
            id: "office".into(),
            state: state.map(str::to_owned),
            until: None,
        };
        server.fill([by_hand(Some("closed"))]);
        let closed = way(&agent).call(&call(15));
        assert_eq!((closed.dialled().len(), closed.ran("voicemail").len()), (0, 1));
        server.fill([by_hand(None)]);
        let blocked = way(&agent).call(&call(1).from("+33123456789", "x"));
        assert_eq!(blocked.ending, Ending::HungUp("NORMAL_CIRCUIT_CONGESTION".to_owned()));
        let chain = with(way(&agent), &[("user/", SILENT)]).call(&call(14));
        assert_eq!((chain.dialled(), chain.ran("voicemail").len()), (vec!["user/101", "user/102", "user/103", "user/104"], 1));
        let challenged = Call { presses: Some("1".to_owned()), ..call(1).from("+14155550666", "x") };
        assert_eq!(bridged(&way(&agent).call(&challenged)), "user/101");
        let silent = way(&agent).call(&call(1).from("+14155550666", "x"));
        assert!(silent.dialled().is_empty() && matches!(silent.ending, Ending::HungUp(_)), "{:?}", silent.ending);
    }
}
