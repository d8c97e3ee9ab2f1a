//! What decisions remember of those before them, through a server's doors: whose turn it is, how often somebody called.
//! `explain` reads the same and leaves no mark.

mod support;

use strowger::control::{Request, RouteWhich};
use strowger::daemon::Options;
use strowger::number::{Class, NumberPlan};
use strowger::play::CallFields;
use strowger::routing::{Group, Limit, List, Member, PlanItem, Rate, Scope, Screen, ScreenKey, Strategy, Trunk};
use strowger::store::Edit;
use support::*;

fn put(server: &InProcess, tenant: &str, item: PlanItem) {
    server.server().store().edit(tenant, "test", Edit::Put(item)).unwrap();
}

fn group(strategy: Strategy) -> PlanItem {
    let plan = NumberPlan::new(None);
    let members = ["extension=101", "extension=102", "extension=103"].map(|m| Member::parse(m, &plan).unwrap()).to_vec();
    PlanItem::Group(Group { id: "team".into(), name: None, strategy, timeout_seconds: Some(10), members, revision: 0 })
}

/// A server where a number rings a group.
fn ringing(strategy: Strategy) -> (Place, InProcess) {
    let (place, server) = served(Options::default(), vec![]);
    for tenant in ["default", "acme"] {
        put(&server, tenant, group(strategy));
        let which = RouteWhich::Number("+14155550142".into());
        server.fill([Request::RouteSet { tenant: tenant.into(), which, steps: vec!["ring:team".into(), "busy".into()], fallback: None }]);
    }
    (place, server)
}

fn target(server: &InProcess, from: &str) -> String {
    ask(server.agi(), "+14155550142", from).get("TARGET").to_owned()
}

/// What `explain` says would ring, or why not.
fn explained(place: &Place, request: &[&str]) -> (String, String) {
    let json = place.done(&[&["explain", "--json"], request].concat()).json();
    let text = |key: &str| json["decision"][key].as_str().unwrap().to_owned();
    (text("target"), text("reason"))
}

#[test]
fn rrmemory_begins_behind_the_last_one_and_explain_takes_no_turn() {
    let (place, server) = ringing(Strategy::Rrmemory);
    let explain = || explained(&place, &["--to", "+14155550142", "--from", SCHOOL]).0;
    for wanted in ["PJSIP/101", "PJSIP/102", "PJSIP/103", "PJSIP/101"] {
        assert_eq!((explain(), explain()), (wanted.to_owned(), wanted.to_owned()));
        assert_eq!(target(&server, SCHOOL), wanted);
        // another tenant's group of the same name has turns of its own
        if wanted == "PJSIP/103" {
            let acme = CallFields { arguments: vec!["tenant=acme".into()], ..fields("+14155550142", SCHOOL) };
            assert_eq!(play(server.agi(), &acme).get("TARGET"), "PJSIP/101");
        }
    }
}

#[test]
fn the_next_step_of_a_call_keeps_its_order_and_takes_no_turn() {
    let (_place, server) = ringing(Strategy::Rrmemory);
    assert_eq!(target(&server, SCHOOL), "PJSIP/101");
    let mut answer = ask(server.agi(), "+14155550142", SCHOOL);
    let mut rung = vec![answer.get("TARGET").to_owned()];
    while !answer.get("STEP").is_empty() && rung.len() < 3 {
        let arguments = vec![format!("step={}", answer.get("STEP")), "status=NOANSWER".into()];
        answer = play(server.agi(), &CallFields { arguments, ..fields("+14155550142", SCHOOL) });
        rung.push(answer.get("TARGET").to_owned());
    }
    assert_eq!(rung, ["PJSIP/102", "PJSIP/103", "PJSIP/101"]);
    assert_eq!(target(&server, SCHOOL), "PJSIP/103", "two calls have had their turn");
}

#[test]
fn leastrecent_rings_who_was_rung_longest_ago() {
    let (_place, server) = ringing(Strategy::Leastrecent);
    let rung: Vec<_> = (0..7)
        .map(|_| {
            // so that no two are rung in one millisecond
            std::thread::sleep(std::time::Duration::from_millis(3));
            target(&server, SCHOOL)
        })
        .collect();
    assert_eq!(rung[..3].iter().collect::<std::collections::BTreeSet<_>>().len(), 3, "{rung:?}");
    assert_eq!((&rung[..3], &rung[..3], &rung[0]), (&rung[3..6], &rung[..3], &rung[6]));
}

#[test]
fn a_caller_who_calls_too_often_is_stopped_and_others_and_explain_are_not() {
    let (place, server) = served(Options::default(), vec![]);
    let rate = Screen { list: List::Block, key: ScreenKey::Rate, action: None, rate: "3/60".parse().ok() };
    server.server().store().edit("default", "test", Edit::PutScreen(rate)).unwrap();
    let explain = |from: &str| explained(&place, &["--to", DID, "--from", from]).1;
    for _ in 0..5 {
        assert_eq!(explain(SCHOOL), "matched", "it counts nothing");
    }
    for n in 0..6 {
        let wanted = if n < 3 { ("found", "dial", "matched") } else { ("found", "busy", "rate") };
        assert_eq!(ask(server.agi(), DID, SCHOOL).short(), wanted, "call {n}");
    }
    assert_eq!(explain(SCHOOL), "rate", "and says what the call would get");
    assert_eq!(ask(server.agi(), DID, "+14155550102").short(), ("found", "dial", "matched"));
    for _ in 0..6 {
        // of callers without a number nobody knows who they are
        assert_eq!(ask(server.agi(), DID, "anonymous").get("REASON"), "matched");
    }
}

#[test]
fn an_hours_limit_counts_what_was_let_out_and_calls_at_once_cannot_be_limited_without_a_switch() {
    let (place, server) = served(Options::default(), vec![]);
    let trunk = Trunk::of("carrier", vec![Rate::parse("+=0.01").unwrap()]);
    put(&server, "default", PlanItem::Trunk(trunk));
    let to = "+14155550111";
    let class = NumberPlan::new("US".parse().ok()).class_of(&NumberPlan::new(None).parse(to).unwrap());
    assert!(class == Class::National || class == Class::Mobile, "{class}");
    for (scope, per_hour, concurrent) in [(Scope::Extension, Some(2), Some(1)), (Scope::Tenant, Some(3), None)] {
        put(&server, "default", PlanItem::Limit(Limit { class, scope, per_hour, concurrent }));
    }
    let out = |from: &str| {
        let fields = CallFields { request: "outbound".into(), ..fields(to, from) };
        play(server.agi(), &fields).get("REASON").to_owned()
    };
    assert_eq!([out("101"), out("101"), out("101")], ["matched", "matched", "limit"], "two an hour, and two at once");
    assert_eq!([out("102"), out("102")], ["matched", "limit"], "three of the tenant's");
    let explain = explained(&place, &["--request", "outbound", "--to", to, "--from", "103"]).1;
    assert_eq!(explain, "limit");
    // another tenant has limits of its own, and none here
    let theirs = CallFields { request: "outbound".into(), arguments: vec!["tenant=acme".into()], ..fields(to, "101") };
    assert_ne!(play(server.agi(), &theirs).get("REASON"), "limit");
}
