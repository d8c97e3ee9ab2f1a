//! What a dialplan is told, question by question.

mod support;

use std::net::SocketAddr;
use strowger::control::{ListKey, Request, RouteWhich};
use strowger::daemon::Options;
use strowger::play::CallFields;
use strowger::routing::List;
use strowger::routing::render::VARIABLES;
use support::*;

fn route(tenant: &str, which: RouteWhich, steps: &[&str], fallback: Option<&str>) -> Request {
    Request::RouteSet {
        tenant: tenant.into(),
        which,
        steps: steps.iter().map(|s| (*s).to_owned()).collect(),
        fallback: fallback.map(str::to_owned),
    }
}

fn number(text: &str) -> RouteWhich {
    RouteWhich::Number(text.into())
}

fn screen(list: List, key: ListKey, action: Option<&str>) -> Request {
    Request::ScreenSet { tenant: "default".into(), list, key, action: action.map(str::to_owned) }
}

fn request(agi: SocketAddr, request: &str, arguments: &[&str]) -> Answer {
    let arguments = arguments.iter().map(|a| (*a).to_owned()).collect();
    play(agi, &CallFields { request: request.into(), arguments, ..fields(DID, SCHOOL) })
}

/// Hands a token back.
fn step(agi: SocketAddr, token: &str, more: &[&str]) -> Answer {
    request(agi, "route", &[&[format!("step={token}").as_str(), "status=BUSY"], more].concat())
}

#[test]
fn every_variable_is_sent_in_every_answer_and_status_comes_last() {
    let (_place, server) = served(Options::default(), vec![screen(List::Block, ListKey::Number("+12025550150".into()), None)]);
    let long = "7".repeat(300);
    let conversations = [
        ("a route", "route", DID, SCHOOL, &[][..]),
        ("nobody's number", "route", "+442079460000", "+12025550147", &[]),
        ("a blocked caller", "route", DID, "+12025550150", &[]),
        ("a name", "name", DID, SCHOOL, &[]),
        ("no name", "name", DID, "+12025550147", &[]),
        ("a sign of life", "ping", DID, SCHOOL, &[]),
        ("an unknown request", "rout", DID, SCHOOL, &[]),
        ("an unknown tenant", "route", DID, SCHOOL, &["tenant=nobody"]),
        ("an unknown parameter", "route", DID, SCHOOL, &["tennant=acme"]),
        ("no number", "route", "", SCHOOL, &[]),
        ("a long number", "route", &long, SCHOOL, &[]),
        ("a bad token", "route", DID, SCHOOL, &["step=1.x.00000000"]),
    ];
    for (what, request, to, from, arguments) in conversations {
        let fields =
            CallFields { request: request.into(), arguments: arguments.iter().map(|a| (*a).to_owned()).collect(), ..fields(to, from) };
        let answer = play(server.agi(), &fields);
        let expected: Vec<String> = VARIABLES.iter().map(|name| format!("STROWGER_{name}")).collect();
        let sent: Vec<&str> = answer.0.iter().map(|(name, _)| name.as_str()).filter(|n| *n != "CALLERID(name)").collect();
        assert_eq!(sent, expected, "{what}");
        assert_eq!(answer.0.last().map(|(name, _)| name.as_str()), Some("STROWGER_STATUS"), "{what}");
        assert!(!answer.get("STATUS").is_empty() && !answer.get("ACTION").is_empty() && !answer.get("REASON").is_empty(), "{what}");
        // refused blocks are answered by the same encoder
        let malformed = say(server.agi(), b"GET / HTTP/1.1\r\n\r\n");
        assert_eq!(malformed.0.iter().map(|(n, _)| n.as_str()).collect::<Vec<_>>(), expected);
    }
}

#[test]
fn a_known_caller_is_named_and_an_unknown_one_keeps_the_name_that_came() {
    let (_place, server) = served(Options::default(), vec![]);
    let known = ask(server.agi(), DID, SCHOOL);
    assert_eq!(known.short(), ("found", "dial", "matched"));
    assert_eq!(known.get("TARGET"), "PJSIP/101&PJSIP/102");
    assert_eq!((known.get("TIMEOUT"), known.get("ROUTE")), ("20", DID));
    assert_eq!((known.get("NAME"), known.get("CONTACT")), ("Lincoln School", "school"));
    assert_eq!(known.raw("CALLERID(name)"), Some("Lincoln School"));
    let unknown = ask(server.agi(), DID, "+12025550147");
    assert_eq!(unknown.short(), ("found", "dial", "matched"));
    assert_eq!((unknown.get("NAME"), unknown.get("CONTACT"), unknown.raw("CALLERID(name)")), ("", "", None));
}

#[test]
fn a_sign_of_life_says_ok() {
    let (_place, server) = served(Options::default(), vec![]);
    let answer = request(server.agi(), "ping", &[]);
    assert_eq!(answer.short(), ("ok", "continue", "ok"));
}

#[test]
fn a_request_that_nobody_knows_is_an_error_with_the_fallback() {
    let (_place, server) = served(Options::default(), vec![]);
    for name in ["rout", "ROUTE", "route/x", "../route", "outbounds", "%72oute", "route.sh", "name;ls", "\u{e9}"] {
        let answer = request(server.agi(), name, &[]);
        assert_eq!(answer.short(), ("error", "dial", "bad-request"), "{name}");
        assert_eq!((answer.get("TARGET"), answer.get("STEP"), answer.get("NAME")), ("PJSIP/101", "", ""), "{name}");
    }
    for name in ["route", "route/", "", "route?"] {
        assert_eq!(request(server.agi(), name, &[]).short(), ("found", "dial", "matched"), "{name:?}");
    }
}

#[test]
fn a_misspelt_parameter_or_tenant_never_gets_the_answer_of_another() {
    let (_place, server) = served(Options::default(), vec![]);
    for (script, arguments) in [
        ("route?tenat=acme", &[][..]),
        ("route?tenant", &[]),
        ("route", &["tenat=acme"]),
        ("route", &["acme"]),
        ("route", &["TENANT=acme"]),
        ("route?tenant=nobody", &[]),
        ("route", &["tenant=Default"]),
    ] {
        let answer = request(server.agi(), script, arguments);
        assert_eq!(answer.short(), ("error", "continue", "bad-request"), "{script} {arguments:?}");
        assert_eq!((answer.get("TARGET"), answer.get("NAME"), answer.raw("CALLERID(name)")), ("", "", None), "{script} {arguments:?}");
    }
    let long = format!("to={}", "7".repeat(600));
    assert_eq!(request(server.agi(), "route", &[&long]).short(), ("error", "continue", "bad-request"));
    // acme's own fallback, since it is known who asks
    let answer = request(server.agi(), "route?tenant=acme", &["tenat=acme"]);
    assert_eq!((answer.short(), answer.get("TARGET")), (("error", "voicemail", "bad-request"), "900"));
}

#[test]
fn parameters_come_as_query_or_argument_and_the_later_one_wins() {
    let (_place, server) = served(Options::default(), vec![]);
    let prefix = "prefix +1415555";
    assert_eq!(request(server.agi(), "route?to=%2B14155550142", &[]).get("ROUTE"), prefix);
    assert_eq!(request(server.agi(), "route", &["to=+14155550142"]).get("ROUTE"), prefix);
    assert_eq!(request(server.agi(), "route?to=%2B14155550142", &["to=+14155550199"]).get("ROUTE"), DID);
    assert_eq!(request(server.agi(), "route?from=%2B14155550123", &[]).get("NAME"), "Grandma Rosa");
    assert_eq!(request(server.agi(), "route", &["from=+14155550123", "switch=pbx1"]).get("NAME"), "Grandma Rosa");
    // the dialplan's places are not numbers: what was dialled is
    for place in ["s", "i", "t", "h"] {
        let fields = CallFields { extension: place.into(), dnid: Some(DID.into()), ..fields(DID, SCHOOL) };
        assert_eq!(play(server.agi(), &fields).get("ROUTE"), DID);
    }
}

#[test]
fn whatever_is_dialled_gets_an_answer_and_only_a_number_gets_a_route() {
    let (_place, server) = served(Options::default(), vec![]);
    let long = "7".repeat(300);
    for (to, status, action, reason) in [
        ("", "error", "continue", "bad-request"),
        (long.as_str(), "error", "continue", "bad-request"),
        ("+", "error", "continue", "bad-request"),
        ("+49*30", "error", "continue", "bad-request"),
        ("()", "error", "continue", "bad-request"),
        ("alice", "unknown", "continue", "no-route"),
        ("${EXTEN}", "unknown", "continue", "no-route"),
        ("101&102", "unknown", "continue", "no-route"),
        ("*97", "unknown", "continue", "no-route"),
        ("4155550199", "found", "dial", "matched"),
        ("sip:+14155550199@10.0.0.1;user=phone", "found", "dial", "matched"),
        ("<sip:4155550199@example.com>", "found", "dial", "matched"),
        ("sip:nobody@example.com", "unknown", "continue", "no-route"),
    ] {
        assert_eq!(ask(server.agi(), to, SCHOOL).short(), (status, action, reason), "{to:?}");
    }
}

#[test]
fn whatever_calls_is_answered_and_only_a_number_is_looked_up() {
    let (_place, server) = served(Options::default(), vec![]);
    let long = "7".repeat(300);
    for (from, name) in [
        ("", ""),
        (long.as_str(), ""),
        ("alice", ""),
        ("unknown", ""),
        ("anonymous", ""),
        ("+", ""),
        ("${SHELL(id)}", ""),
        ("\u{202a}+14155550101\u{202c}", "Lincoln School"),
        ("4155550101", "Lincoln School"),
        ("(415) 555-0101", "Lincoln School"),
        ("sip:+14155550101@10.0.0.1", "Lincoln School"),
        ("\"Eve\" <sip:+14155550101@10.0.0.1>", "Lincoln School"),
    ] {
        let answer = ask(server.agi(), DID, from);
        assert_eq!((answer.short(), answer.get("NAME")), (("found", "dial", "matched"), name), "{from:?}");
    }
}

#[test]
fn a_caller_who_withholds_his_number_is_never_named_although_the_network_passes_it_on() {
    let (_place, server) = served(Options::default(), vec![]);
    for (number, presentation) in
        [(SCHOOL, 0x20), (SCHOOL, 0x21), (SCHOOL, 0x23), (SCHOOL, 0x40), (SCHOOL, 0x43), (SCHOOL, 0x60), ("anonymous", 0)]
    {
        let fields = CallFields { presentation: Some(presentation), ..fields(DID, number) };
        let answer = play(server.agi(), &fields);
        assert_eq!((answer.get("NAME"), answer.get("CONTACT"), answer.raw("CALLERID(name)")), ("", "", None), "{number} {presentation:#x}");
        let asked = play(server.agi(), &CallFields { request: "name".into(), ..fields });
        assert_eq!(asked.short(), ("unknown", "continue", "anonymous"), "{number} {presentation:#x}");
    }
    for presentation in [0, 1, 2, 3] {
        let fields = CallFields { presentation: Some(presentation), ..fields(DID, SCHOOL) };
        assert_eq!(play(server.agi(), &fields).get("NAME"), "Lincoln School", "{presentation:#x}");
    }
}

#[test]
fn a_tenant_that_refuses_withheld_callers_refuses_them_in_every_spelling() {
    let (_place, server) = served(Options::default(), vec![screen(List::Block, ListKey::Anonymous, Some("playback:unmask-please"))]);
    for (from, presentation) in
        [(SCHOOL, 0x21), ("anonymous", 0), ("Anonymous", 0), ("unknown", 67), ("", 0), ("sip:anonymous@anonymous.invalid", 0)]
    {
        let answer = play(server.agi(), &CallFields { presentation: Some(presentation), ..fields(DID, from) });
        assert_eq!((answer.short(), answer.get("TARGET")), (("found", "playback", "anonymous"), "unmask-please"), "{from:?}");
    }
    assert_eq!(ask(server.agi(), DID, SCHOOL).short(), ("found", "dial", "matched"));
    // somebody whose number can't be read withholds nothing
    assert_eq!(ask(server.agi(), DID, &"7".repeat(300)).short(), ("found", "dial", "matched"));
}

#[test]
fn a_blocked_caller_stays_out_by_number_and_by_prefix_and_an_allowed_one_gets_through() {
    let (_place, server) = served(
        Options::default(),
        vec![
            screen(List::Block, ListKey::Number("+12025550150".into()), Some("congestion")),
            screen(List::Block, ListKey::Prefix("+1900".into()), None),
            screen(List::Block, ListKey::Prefix("+44".into()), Some("hangup")),
            screen(List::Allow, ListKey::Number("+19005550111".into()), None),
            screen(List::Allow, ListKey::Prefix("+4420".into()), None),
            contact("default", "pest", "The Pest", "+12025550150"),
        ],
    );
    for (from, expected) in [
        ("+12025550150", ("found", "congestion", "blocked")),
        ("2025550150", ("found", "congestion", "blocked")),
        ("+19005550110", ("found", "busy", "blocked")),
        ("+441632960000", ("found", "hangup", "blocked")),
        ("+19005550111", ("found", "dial", "matched")),
        ("+442079460000", ("found", "dial", "matched")),
        ("+12025550151", ("found", "dial", "matched")),
        // an extension 1900 is no number that begins with +1900
        ("1900", ("found", "dial", "matched")),
    ] {
        let answer = ask(server.agi(), DID, from);
        assert_eq!(answer.short(), expected, "{from}");
        if expected.2 == "blocked" {
            assert_eq!((answer.get("TARGET"), answer.get("STEP"), answer.get("ROUTE")), ("", "", ""), "{from}");
        }
    }
    // a newline that a SIP caller puts into his number is no way around the list
    let forged = say(server.agi(), &environment(DID, "+12025550150\nagi_calleridname: Mum"));
    assert_eq!(forged.short(), ("error", "continue", "malformed"));
}

#[test]
fn the_exact_route_beats_the_longest_prefix_which_beats_the_shorter_one_and_the_default() {
    let prefix = |text: &str| RouteWhich::Prefix(text.into());
    let (_place, server) = served(
        Options::default(),
        vec![
            route("default", prefix("+1"), &["dial:111"], None),
            route("default", prefix("+14155550"), &["dial:113"], None),
            route("default", prefix("20"), &["dial:114"], None),
            route("default", RouteWhich::Default, &["dial:199"], None),
        ],
    );
    for (to, target, reason, which) in [
        (DID, "PJSIP/101&PJSIP/102", "matched", DID),
        ("+14155550198", "PJSIP/113", "matched", "prefix +14155550"),
        ("+14155551000", "PJSIP/101", "matched", "prefix +1415555"),
        ("+12025550100", "PJSIP/111", "matched", "prefix +1"),
        ("+442079460000", "PJSIP/199", "default", "default"),
        ("201", "PJSIP/114", "matched", "prefix 20"),
        ("alice", "PJSIP/199", "default", "default"),
    ] {
        let answer = ask(server.agi(), to, SCHOOL);
        assert_eq!((answer.get("TARGET"), answer.get("REASON"), answer.get("ROUTE")), (target, reason, which), "{to}");
    }
}

#[test]
fn an_emergency_call_is_left_to_the_dialplan_whatever_the_routes_and_lists_say() {
    let (_place, server) = served(
        Options::default(),
        vec![
            route("default", RouteWhich::Default, &["busy"], Some("busy")),
            route("default", RouteWhich::Prefix("9".into()), &["busy"], Some("busy")),
            route("acme", RouteWhich::Default, &["busy"], Some("busy")),
            screen(List::Block, ListKey::Number(SCHOOL.into()), None),
        ],
    );
    for from in [SCHOOL, "anonymous", ""] {
        assert_eq!(ask(server.agi(), "911", from).short(), ("unknown", "continue", "emergency"), "{from:?}");
    }
    let acme = |to: &str| request(server.agi(), "route", &["tenant=acme", &format!("to={to}")]);
    for to in ["112", "110"] {
        let answer = acme(to);
        assert_eq!((answer.short(), answer.get("TARGET")), (("unknown", "continue", "emergency"), ""), "{to}");
    }
    // in Germany 911 is an extension like others
    assert_eq!(acme("911").short(), ("found", "busy", "default"));
}

#[test]
fn a_plan_is_walked_step_by_step_to_its_end_by_whoever_brings_the_token() {
    let did = "+14155550188";
    let (_place, server) = served(
        Options::default(),
        vec![route("default", number(did), &["dial:101,timeout=5", "queue:support", "playback:closed", "voicemail:199"], None)],
    );
    let mut answer = ask(server.agi(), did, SCHOOL);
    let mut seen = vec![];
    for _ in 0..10 {
        assert_eq!((answer.get("ROUTE"), answer.get("NAME")), (did, "Lincoln School"));
        seen.push(format!("{}:{}:{}", answer.get("ACTION"), answer.get("TARGET"), answer.get("TIMEOUT")));
        let token = answer.get("STEP").to_owned();
        if token.is_empty() {
            break;
        }
        // the same token may be brought twice, and gets the same answer
        let (once, again) = (step(server.agi(), &token, &[]), step(server.agi(), &token, &[]));
        assert_eq!(once, again);
        answer = once;
    }
    // the last step has no token, so that a dialplan knows that nothing follows
    assert_eq!(seen, ["dial:PJSIP/101:5", "queue:support:", "playback:closed:", "voicemail:199:"]);
    assert_eq!(answer.short(), ("found", "voicemail", "matched"));
}

#[test]
fn the_outcome_of_the_last_step_ends_the_plan_with_exhausted() {
    let (_place, server) = served(Options::default(), vec![]);
    let first = ask(server.agi(), DID, SCHOOL);
    // a token of the first step, brought again after the second one
    let second = step(server.agi(), first.get("STEP"), &[]);
    assert_eq!((second.short(), second.get("STEP")), (("found", "voicemail", "matched"), ""));
    server.fill([route("default", number("+14155550177"), &["dial:101", "dial:102"], None)]);
    let token = ask(server.agi(), "+14155550177", SCHOOL).get("STEP").to_owned();
    let mut decoded = strowger::routing::StepToken::decode(&token).unwrap();
    decoded.index = 1;
    let answer = step(server.agi(), &decoded.encode(), &[]);
    assert_eq!((answer.short(), answer.get("STEP"), answer.get("ROUTE")), (("found", "hangup", "exhausted"), "", "+14155550177"));
}

#[test]
fn a_token_that_is_bad_stale_or_anothers_gets_bad_step_and_the_routes_fallback() {
    let (_place, server) = served(
        Options::default(),
        vec![
            route("default", number("+14155550166"), &["dial:101", "dial:102"], Some("voicemail:166")),
            route("acme", number("+493012345"), &["dial:201", "dial:202"], Some("voicemail:300")),
            route("acme", number("+14155550166"), &["dial:201"], Some("voicemail:301")),
        ],
    );
    let first = ask(server.agi(), "+14155550166", SCHOOL);
    let token = first.get("STEP").to_owned();
    let fallback = |answer: &Answer| {
        (answer.get("STATUS").to_owned(), answer.get("REASON").to_owned(), answer.get("ACTION").to_owned(), answer.get("TARGET").to_owned())
    };
    let voicemail = |mailbox: &str| ("error".to_owned(), "bad-step".to_owned(), "voicemail".to_owned(), mailbox.to_owned());
    let to = "to=+14155550166";
    let mut cut = token.clone();
    cut.pop();
    let long = "x".repeat(400);
    for garbage in ["x", "1.", "1.AAAA.00000000", "..", "%31", cut.as_str(), long.as_str()] {
        let answer = step(server.agi(), garbage, &[to]);
        assert_eq!(fallback(&answer), voicemail("166"), "{garbage}");
        assert_eq!(answer.get("STEP"), "", "{garbage}");
    }
    // a token of another tenant: the fallback is that of the number called, in the tenant that asks
    assert_eq!(fallback(&step(server.agi(), &token, &["tenant=acme", to])), voicemail("301"));
    // and where that says nothing, the tenant's own
    assert_eq!(fallback(&step(server.agi(), &token, &["tenant=acme", "to=+4930999999"])), voicemail("900"));
    // a good one still is
    assert_eq!(step(server.agi(), &token, &[to]).short(), ("found", "dial", "matched"));
    // the route is edited in mid-call
    server.fill([route("default", number("+14155550166"), &["dial:105", "dial:106"], Some("voicemail:167"))]);
    assert_eq!(fallback(&step(server.agi(), &token, &[to])), voicemail("167"));
    // and removed: nothing says where the call should go
    server.fill([Request::RouteRm { tenant: "default".into(), which: number("+14155550166") }]);
    assert_eq!(
        fallback(&step(server.agi(), &token, &["to=+442079460000"])),
        ("error".into(), "bad-step".into(), "continue".into(), String::new())
    );
    // a token that is older than a day
    let fresh = ask(server.agi(), DID, SCHOOL).get("STEP").to_owned();
    let mut old = strowger::routing::StepToken::decode(&fresh).unwrap();
    old.started_seconds -= 25 * 3600;
    let answer = step(server.agi(), &old.encode(), &[]);
    assert_eq!((answer.short(), answer.get("TARGET")), (("error", "dial", "bad-step"), "PJSIP/101"));
}

#[test]
fn a_name_with_anything_in_it_arrives_as_it_is_less_what_a_switch_would_act_on() {
    let names = [
        ("quotes", r#"Anna "Nan" O'Neil"#, r#"Anna "Nan" O'Neil"#),
        ("commas", "Groß, Söhne, Co.", "Groß, Söhne, Co."),
        ("brackets", "Ada (home) [x] {y}", "Ada (home) [x] {y}"),
        ("open", "Ada (home", "Ada (home"),
        ("close", "Ada]) home", "Ada]) home"),
        ("backslash", r"C:\Ada\", r"C:\Ada\"),
        ("assignment", "A,STROWGER_STATUS=late", "A,STROWGER_STATUS=late"),
        ("expansion", "Eve ${SHELL(id)} $[1+1]", "Eve {SHELL(id)} [1+1]"),
        ("dollars", "Eve $${EXTEN} costs 5 $", "Eve {EXTEN} costs 5 $"),
        ("lines", "Eve\nHANGUP\r\nEXEC System id", "Eve HANGUP  EXEC System id"),
        ("controls", "Eve\u{0}\u{1b}[2J\u{7f}", "Eve  [2J "),
        ("percent", "100 % & more; #1 | <x> `y`", "100 % & more; #1 | <x> `y`"),
        ("emoji", "日本語 😀 é", "日本語 😀 é"),
    ];
    let requests = names.iter().enumerate().map(|(n, (id, name, _))| contact("default", id, name, &format!("+1202555{n:04}"))).collect();
    let (_place, server) = served(Options::default(), requests);
    for (n, (id, _, expected)) in names.iter().enumerate() {
        let answer = ask(server.agi(), DID, &format!("+1202555{n:04}"));
        assert_eq!((answer.get("NAME"), answer.raw("CALLERID(name)"), answer.get("CONTACT")), (*expected, Some(*expected), *id), "{id}");
        // nothing of it got anywhere else
        assert_eq!(answer.0.len(), VARIABLES.len() + 1, "{id}");
        assert_eq!((answer.short(), answer.get("TARGET")), (("found", "dial", "matched"), "PJSIP/101&PJSIP/102"), "{id}");
    }
}

#[test]
fn nothing_that_a_caller_sends_becomes_part_of_a_target() {
    let (_place, server) = served(Options::default(), vec![route("default", RouteWhich::Default, &["dial:101"], None)]);
    for evil in ["102&Local/9@out", "${SHELL(id)}", "101,30,S(1)", "x\"y", "a|b", "PJSIP/9"] {
        let fields = CallFields { caller_name: Some(evil.into()), rdnis: Some(evil.into()), dnid: Some(evil.into()), ..fields(evil, evil) };
        let answer = play(server.agi(), &fields);
        assert_eq!((answer.get("TARGET"), answer.get("ROUTE")), ("PJSIP/101", "default"), "{evil}");
    }
}

#[test]
fn a_personal_contact_names_the_caller_for_its_owner_and_for_nobody_else() {
    let personal = |owner: Option<&str>, id: &str, name: &str, typed: &str| Request::ContactSet {
        tenant: "default".into(),
        contact: strowger::directory::ContactDraft {
            id: id.into(),
            name: name.into(),
            numbers: vec![(typed.into(), None)],
            owner: owner.map(str::to_owned),
            ..Default::default()
        },
    };
    let requests = vec![
        personal(Some("101"), "aunt", "Tante Jürgen", "+12025550170"),
        personal(None, "acme", "ACME", "+12025550170"),
        personal(None, "acme-all", "ACME, all", "+1202555*"),
        personal(Some("101"), "diary", "Diary", "+12025550171"),
    ];
    let (_place, server) = served(Options::default(), requests);
    let name = |from: &str, arguments: &[&str]| {
        let arguments = arguments.iter().map(|a| (*a).to_owned()).collect();
        let answer = play(server.agi(), &CallFields { request: "name".into(), arguments, ..fields(DID, from) });
        [answer.get("CONTACT").to_owned(), answer.get("NAME").to_owned(), answer.raw("CALLERID(name)").unwrap_or("(left alone)").to_owned()]
    };
    assert_eq!(name("+12025550170", &[]), ["acme", "ACME", "ACME"]);
    assert_eq!(name("+12025550170", &["owner=102"]), ["acme", "ACME", "ACME"]);
    assert_eq!(name("+12025550170", &["owner=101"]), ["aunt", "Tante Jürgen", "Tante Jürgen"]);
    assert_eq!(name("+12025550170", &["owner=101", "ascii=yes"]), ["aunt", "Tante Jurgen", "Tante Jurgen"]);
    assert_eq!(name("+12025550171", &["owner=102"]), ["acme-all", "ACME, all", "ACME, all"]);
    assert_eq!(name("+12025550171", &["owner=101"]), ["diary", "Diary", "Diary"]);
    assert_eq!(name("+12035550171", &["owner=101"]), ["", "", "(left alone)"]);
}
