//! Day and night by hand: by star code and over HTTP, and what the next call gets.

mod support;

#[path = "support/feed.rs"]
mod feed;

use feed::Plane;
use serde_json::{Value as Json, json};
use strowger::control::FeedLimits;
use strowger::daemon::Options;
use strowger::number::NumberPlan;
use strowger::play::CallFields;
use strowger::routing::{PlanItem, PlanKey, Route, RouteKey, Schedule, Step};
use strowger::store::{Edit, Store};
use support::*;

const OFFICE: &str = "+14155550142";
const HOUR_US: u64 = 3_600_000_000;

/// Hours that are open around the clock, and have a code.
fn office() -> Schedule {
    Schedule { id: "office".into(), code: Some("12".into()), open: vec!["mon-sun 00:00-24:00".parse().unwrap()], ..Schedule::default() }
}

/// A number that rings by day, and has a mailbox by night.
fn route() -> Route {
    let plan = NumberPlan::new(None);
    let step = |text: &str| vec![Step::parse(text, &plan).unwrap()];
    Route {
        schedule: Some("office".into()),
        when: vec![("closed".into(), step("voicemail:199"))],
        ..Route::of(RouteKey::Number(plan.parse(OFFICE).unwrap()), step("dial:101"))
    }
}

fn schedule(store: &Store, tenant: &str) -> Schedule {
    match store.item(tenant, &PlanKey::Schedule("office".into())).unwrap() {
        Some(PlanItem::Schedule(schedule)) => schedule,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_star_code_closes_the_office_for_the_next_call_and_opens_it_again() {
    let (_place, server) = served(Options::default(), vec![]);
    let store = server.server().store();
    for item in [PlanItem::Schedule(office()), PlanItem::Route(route())] {
        store.edit("default", "test", Edit::Put(item)).unwrap();
    }
    let dial = |code: &str| {
        let answer = play(server.agi(), &CallFields { request: "feature".into(), ..fields(code, "101") });
        (answer.get("REASON").to_owned(), ask(server.agi(), OFFICE, SCHOOL).get("ACTION").to_owned())
    };
    let said = |reason: &str, action: &str| (reason.to_owned(), action.to_owned());
    assert_eq!(ask(server.agi(), OFFICE, SCHOOL).get("ACTION"), "dial");
    assert_eq!(dial("*2812"), said("feature-on", "voicemail"));
    assert_eq!(schedule(store, "default").mode.unwrap().to_string(), "closed");
    assert_eq!(dial("*2812"), said("feature-off", "dial"));
    assert_eq!(schedule(store, "default").mode, None);
    // for some hours
    let before = store.now_us();
    assert_eq!(dial("*2812*8"), said("feature-on", "voicemail"));
    let until = schedule(store, "default").mode.unwrap().until.unwrap();
    assert!((before + 8 * HOUR_US..=store.now_us() + 8 * HOUR_US).contains(&until));
    for code in ["*2813", "*28", "*2812*", "*2812*0", "*2812#"] {
        assert_eq!(dial(code), said("feature-refused", "voicemail"), "{code}");
    }
    // one whose time is over is as if it weren't there: it is set, not taken back
    let mut over = office();
    over.mode = Some("closed until 2020-01-01T00:00:00Z".parse().unwrap());
    store.edit("default", "test", Edit::Put(PlanItem::Schedule(over))).unwrap();
    assert_eq!(ask(server.agi(), OFFICE, SCHOOL).get("ACTION"), "dial");
    assert_eq!(dial("*2812"), said("feature-on", "voicemail"));
    let who: Vec<String> = store.changes(0).map(|change| change.unwrap().who).filter(|who| who.contains("*28")).collect();
    assert_eq!(who, ["extension 101 by *28"; 4]);
}

#[test]
fn a_panel_sets_a_schedule_by_hand_and_lets_it_go() {
    let plane = Plane::start(FeedLimits::default());
    let token = plane.make_token("acme", "panel", "features:write", None);
    plane.store.edit("acme", "test", Edit::Put(PlanItem::Schedule(office()))).unwrap();
    let send = |method: &str, path: &str, body: &str| {
        let auth = format!("Bearer {token}");
        let head = plane.request_as(path, &[("Authorization", &auth), ("Content-Length", &body.len().to_string())]);
        let reply = http(plane.http, &format!("{}{body}", head.replacen("GET", method, 1)));
        (reply.status, serde_json::from_str::<Json>(&reply.body).unwrap())
    };
    let path = "/schedules/office/override";
    let set = send("PUT", path, r#"{"state":"closed","until":"2999-12-24T17:00:00Z"}"#);
    assert_eq!(set, (200, json!({ "id": "office", "override": "closed until 2999-12-24T17:00:00Z" })));
    let before = plane.store.now_us();
    assert_eq!(send("PUT", path, r#"{"state":"holiday","until":"2h"}"#).0, 200);
    let mode = schedule(&plane.store, "acme").mode.unwrap();
    assert!(mode.state == "holiday" && mode.until.is_some_and(|until| until >= before + 2 * HOUR_US));
    assert_eq!(send("PUT", path, r#"{"state":"open"}"#), (200, json!({ "id": "office", "override": "open" })));
    assert_eq!(send("DELETE", path, ""), (200, json!({ "id": "office", "override": null })));
    assert_eq!(send("DELETE", path, ""), (200, json!({ "id": "office", "override": null })), "and again");
    let revision = plane.store.revision();
    for (method, path, body, status, why) in [
        ("PUT", "/schedules/nobody/override", r#"{"state":"open"}"#, 404, "there is no schedule \"nobody\""),
        ("DELETE", "/schedules/nobody/override", "", 404, "there is no schedule"),
        ("PUT", path, r#"{"state":""}"#, 422, "state"),
        ("PUT", path, r#"{"state":"two words"}"#, 422, "state"),
        ("PUT", path, r#"{"state":"clsoed"}"#, 422, "did you mean closed?"),
        ("PUT", path, r#"{"state":"closed until 2999-12-24T17:00:00Z"}"#, 422, "one word"),
        ("PUT", path, r#"{"state":"closed","until":"2020-01-01T00:00:00Z"}"#, 422, "isn't after now"),
        ("PUT", path, r#"{"state":"closed","until":"some day"}"#, 422, "is no time"),
        ("PUT", path, r#"{"until":"2h"}"#, 400, "missing field"),
        ("PATCH", path, "{}", 405, "which Allow names"),
    ] {
        let (found, reply) = send(method, path, body);
        assert_eq!(found, status, "{method} {path} {body}: {reply}");
        assert!(reply["detail"].as_str().unwrap().contains(why), "{method} {path} {body}: {reply}");
    }
    assert_eq!(plane.store.revision(), revision);
}
