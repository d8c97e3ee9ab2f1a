//! The command line: the same verbs with and without a server, exit statuses, what `--json` promises, and what is said
//! when something is wrong.

mod support;

use rustix::process::Signal;
use serde_json::Value as Json;
use std::io::{BufRead, BufReader};
use std::process::Stdio;
use std::time::Duration;
use support::*;

/// Runs every command over a place without a server, and over one like it with a server; both must say the same.
fn both_ways(commands: &[(&[&str], i32)]) {
    let (alone, beside) = (Place::new(TENANTS), Place::new(TENANTS));
    let _server = beside.serve(&["--sample"]);
    let sampled = alone.serve(&["--sample"]);
    sampled.signal(Signal::TERM);
    let mut sampled = sampled;
    assert_eq!(sampled.ends_within(Duration::from_secs(8)), Some(Some(0)));
    for (arguments, code) in commands {
        let (mut a, b) = (alone.run(arguments), beside.run(arguments));
        // the one thing that is told apart: an edit says where it went when no server saw it
        a.err = a.err.lines().filter(|line| !line.starts_with("note: no server runs over")).map(|line| format!("{line}\n")).collect();
        assert_eq!(a.code, Some(*code), "{arguments:?} without a server: {a:?}");
        assert_eq!((a.code, without_tokens(&a.out), &a.err), (b.code, without_tokens(&b.out), &b.err), "{arguments:?}");
        if *code >= 2 {
            assert!(a.out.is_empty() && !a.err.is_empty(), "{arguments:?}: {a:?}");
        }
    }
}

/// A step token holds the time at which it was made, and what is explained says its own time and the data's.
fn without_tokens(text: &str) -> String {
    let timeless = regex::Regex::new(r#"3\.B2[-\w]+|20\d\d-\d\d-\d\dT[\d:.]+Z|\d+ s old|"age_seconds": \d+"#).unwrap();
    timeless.replace_all(text, "WHEN").into_owned()
}

#[test]
fn a_command_does_and_says_the_same_with_and_without_a_server() {
    both_ways(&[
        (
            &[
                "contact",
                "set",
                "ada",
                "--name",
                "Ada Lovelace",
                "--number",
                "+12025550123=home",
                "--tag",
                "friend",
                "--company",
                "Engines",
            ],
            0,
        ),
        (
            &[
                "contact",
                "set",
                "ada",
                "--name",
                "Ada Lovelace",
                "--number",
                "+12025550123=home",
                "--tag",
                "friend",
                "--company",
                "Engines",
            ],
            0,
        ),
        (&["contact", "show", "ada"], 0),
        (&["contact", "show", "ada", "--json"], 0),
        (&["contact", "show", "bob"], 1),
        (&["contact", "ls"], 0),
        (&["contact", "ls", "--json", "--limit", "2"], 0),
        (&["contact", "ls", "--from", "bakery", "--limit", "1"], 0),
        (&["contact", "set", "a b", "--name", "x", "--number", "101"], 2),
        (&["contact", "set", "x", "--name", "", "--number", "101"], 2),
        (&["contact", "set", "x", "--name", "x", "--number", "+12"], 2),
        (&["contact", "set", "x", "--name", "x", "--number", "anonymous"], 2),
        (&["name", "(202) 555-0123"], 0),
        (&["name", "+12025550199"], 1),
        (&["name", "+"], 2),
        (&["name", "anonymous"], 2),
        (&["--json", "name", "+12025550123"], 0),
        (&["contact", "rm", "ada"], 0),
        (&["contact", "rm", "ada"], 1),
        (&["name", "+12025550123"], 1),
        (&["route", "set", "+12025550188", "--step", "dial:101,timeout=5", "--step", "busy", "--fallback", "voicemail:1"], 0),
        (&["route", "set", "--prefix", "+44", "--step", "congestion"], 0),
        (&["route", "set", "--default", "--step", "hangup"], 0),
        (&["route", "show", "+12025550188"], 0),
        (&["route", "show", "--default", "--json"], 0),
        (&["route", "show", "--prefix", "+49"], 1),
        (&["route", "ls"], 0),
        (&["route", "ls", "--json"], 0),
        (&["route", "set", "911", "--step", "busy"], 2),
        (&["route", "set", "+12025550188", "--step", "dail:101"], 2),
        (&["route", "set", "+12025550188"], 2),
        (&["route", "set", "--step", "busy"], 2),
        (&["explain", "--to", "+12025550188", "--from", "+14155550101"], 0),
        (&["explain", "--to", "+12025550188", "--withheld", "--from", "+14155550101", "--json"], 0),
        (&["explain", "--request", "ping"], 0),
        (&["explain", "--request", "name", "--from", "+12025550100"], 1),
        (&["explain", "--to", "911"], 1),
        (&["explain", "--to", "+"], 2),
        (&["explain", "--request", "nmae"], 2),
        (&["explain"], 2),
        (&["route", "rm", "--default"], 0),
        (&["route", "rm", "--default"], 1),
        (&["explain", "--to", "+33123456789"], 1),
        (&["block", "set", "--number", "+12025550150", "--action", "playback:no"], 0),
        (&["block", "set", "--anonymous"], 0),
        (&["block", "ls"], 0),
        (&["block", "show", "--anonymous", "--json"], 0),
        (&["block", "show", "--prefix", "+1901"], 1),
        (&["block", "set", "--prefix", "x"], 2),
        (&["block", "set"], 2),
        (&["allow", "set", "--number", "+19005550111"], 0),
        (&["allow", "set", "--anonymous"], 2),
        (&["allow", "set", "--number", "+19005550111", "--action", "busy"], 2),
        (&["allow", "ls", "--json"], 0),
        (&["allow", "rm", "--number", "+19005550111"], 0),
        (&["allow", "rm", "--number", "+19005550111"], 1),
        (&["block", "rm", "--anonymous"], 0),
        (&["number", "show", "+14155550101"], 0),
        (&["number", "show", "030 123456", "--country", "DE", "--json"], 0),
        (&["number", "show", "030 123456", "--country", "Germany"], 2),
        (&["number", "show", ""], 2),
        (&["--tenant", "acme", "contact", "set", "kai", "--name", "Kai", "--number", "030 123456"], 0),
        (&["--tenant", "acme", "name", "+4930123456"], 0),
        (&["name", "+4930123456"], 1),
        (&["--tenant", "acme", "route", "ls"], 0),
        (&["--tenant", "acm", "contact", "ls"], 2),
        (&["--tenant", "acm", "route", "ls"], 2),
        (&["--tenant", "acm", "block", "ls"], 2),
        (&["--tenant", "acm", "name", "101"], 2),
        (&["--tenant", "acm", "explain", "--to", "101"], 2),
        (&["--tenant", "acm", "contact", "rm", "kai"], 2),
        (&["--tenant", "../x", "contact", "ls"], 2),
        (&["contact", "import", "/nonexistent.csv"], 2),
        (&["frobnicate"], 2),
        (&["contact", "frobnicate"], 2),
        (&[], 2),
        (&["--help"], 0),
        (&["--version"], 0),
    ]);
}

#[test]
fn a_server_that_is_not_there_is_status_3_with_what_to_do() {
    let place = Place::with_sample(TENANTS);
    let status = place.run(&["status"]);
    assert_eq!((status.code, status.out.as_str()), (Some(3), ""));
    assert!(status.err.contains("no server listens at") && status.err.contains("strowger.sock"), "{status:?}");
    // a port where nobody will be: bound and not listened on
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    socket.bind(&std::net::SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
    let address = socket.local_addr().unwrap().as_socket().unwrap().to_string();
    let call = place.run(&["call", "--to", DID, "--agi", &address]);
    assert_eq!((call.code, call.out.as_str()), (Some(3), ""));
    assert!(call.err.contains(&address) && call.err.contains("strowger serve"), "{call:?}");
    let bench = place.run(&["bench", "--calls", "5", "--agi", &address]);
    assert!([Some(0), Some(3)].contains(&bench.code), "{bench:?}");
    // a socket that a server which died has left is no server
    std::fs::create_dir_all(place.data()).unwrap();
    drop(std::os::unix::net::UnixListener::bind(place.data().join("strowger.sock")).unwrap());
    assert_eq!(place.run(&["status"]).code, Some(3));
    place.done(&["name", SCHOOL]);
    let server = place.serve(&[]);
    place.done(&["status"]);
    assert_eq!(place.done(&["call", "--to", DID, "--agi", &server.agi.to_string()]).code, Some(0));
}

#[test]
fn call_says_by_its_exit_status_whether_anything_was_found() {
    let place = Place::with_sample(TENANTS);
    let server = place.serve(&[]);
    let agi = server.agi.to_string();
    let call = |arguments: &[&str]| place.run(&[&["call", "--agi", &agi], arguments].concat());
    let found = call(&["--to", DID, "--from", SCHOOL]);
    assert_eq!(found.code, Some(0), "{found:?}");
    assert!(
        found.out.contains("CALLERID(name)=Lincoln School") && found.out.contains("rings PJSIP/101 and PJSIP/102 for 20 s"),
        "{}",
        found.out
    );
    assert_eq!(call(&["--to", "+33123456789"]).code, Some(1));
    assert_eq!(call(&["--to", DID, "--request", "name", "--from", SCHOOL]).code, Some(0));
    assert_eq!(call(&["--to", DID, "--request", "name", "--from", SCHOOL, "--withheld"]).code, Some(1));
    assert_eq!(call(&["--to", DID, "--request", "ping"]).code, Some(0));
    assert_eq!(call(&["--to", DID, "--switch", "freeswitchh"]).code, Some(2));
    let json = call(&["--to", DID, "--from", SCHOOL, "--json"]).json();
    assert_eq!(json["variables"]["STROWGER_TARGET"], "PJSIP/101&PJSIP/102");
    let token = json["variables"]["STROWGER_STEP"].as_str().unwrap();
    let next = call(&["--to", DID, "--step", token, "--status", "BUSY", "--json"]).json();
    assert_eq!(next["variables"]["STROWGER_ACTION"], "voicemail");
}

#[test]
fn scripts_find_in_json_the_names_they_hold_on_to() {
    let place = Place::with_sample(TENANTS);
    let json = |arguments: &[&str]| place.run(&[arguments, &["--json"]].concat()).json();
    let keys = |value: &Json| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    let name = json(&["name", "415 555 0101"]);
    assert_eq!(name, serde_json::json!({"status": "found", "number": SCHOOL, "name": "Lincoln School", "contact": "school"}));
    let nobody = json(&["name", "+12025550100"]);
    assert_eq!(nobody, serde_json::json!({"status": "unknown", "number": "+12025550100", "name": null, "contact": null}));
    let number = json(&["number", "show", "(415) 555-0101"]);
    assert_eq!((&number["e164"], &number["national"], &number["region"]), (&SCHOOL.into(), &"(415) 555-0101".into(), &"US".into()));
    assert!(number["class"].is_string());
    assert_eq!(json(&["number", "show", "101"])["e164"], Json::Null);
    let explained = json(&["explain", "--to", DID, "--from", SCHOOL]);
    for (key, value) in
        [("status", "found"), ("action", "dial"), ("target", "PJSIP/101&PJSIP/102"), ("reason", "matched"), ("name", "Lincoln School")]
    {
        assert_eq!(explained["decision"][key], value, "{key}");
    }
    let mut variables: Vec<String> = strowger::routing::render::VARIABLES.iter().map(|v| v.to_ascii_lowercase()).collect();
    let mut explained_keys = keys(&explained["decision"]);
    variables.sort();
    explained_keys.sort();
    assert_eq!(explained_keys, variables);
    let trace = explained["trace"].as_array().unwrap();
    assert!(trace.iter().all(Json::is_string) && trace.len() >= 5, "{trace:?}");
}

#[test]
fn explain_says_what_a_call_gets() {
    let place = Place::with_sample(TENANTS);
    place.done(&["block", "set", "--number", "+12025550150", "--action", "congestion"]);
    place.done(&["block", "set", "--anonymous"]);
    let server = place.serve(&[]);
    for (to, from) in
        [(DID, SCHOOL), (DID, "+12025550150"), (DID, "anonymous"), ("+33123456789", SCHOOL), ("911", SCHOOL), ("+14155550111", "")]
    {
        let called = ask(server.agi, to, from);
        let explained = place.run(&["explain", "--to", to, "--from", from, "--json"]).json();
        for name in strowger::routing::render::VARIABLES.iter().filter(|n| **n != "STEP") {
            assert_eq!(explained["decision"][name.to_ascii_lowercase()], called.get(name), "{to} {from} {name}");
        }
        assert_eq!(explained["decision"]["step"] == "", called.get("STEP").is_empty());
    }
}

#[test]
fn an_edit_acknowledged_is_seen_by_the_very_next_call() {
    let place = Place::with_sample(TENANTS);
    let server = place.serve(&[]);
    let mut client = strowger::control::Client::connect(&server.admin).unwrap();
    for n in 0..200 {
        let (name, step) = (format!("Caller {n}"), format!("voicemail:{n}"));
        if n % 20 == 0 {
            // now and then by the command itself
            place.done(&["contact", "set", "one", "--name", &name, "--number", "+12025550101"]);
            place.done(&["route", "set", DID, "--step", &step]);
        } else {
            use strowger::control::{Reply, Request, RouteWhich};
            let contact = strowger::directory::ContactDraft {
                id: "one".into(),
                name: name.clone(),
                numbers: vec![("+12025550101".into(), None)],
                ..Default::default()
            };
            let which = RouteWhich::Number(DID.into());
            for request in [
                Request::ContactSet { tenant: "default".into(), contact },
                Request::RouteSet { tenant: "default".into(), which, steps: vec![step], fallback: None },
            ] {
                assert!(matches!(client.ask(&request).unwrap(), Reply::Done { changed: true, .. }));
            }
        }
        let answer = ask(server.agi, DID, "+12025550101");
        assert_eq!((answer.get("NAME"), answer.get("TARGET")), (name.as_str(), n.to_string().as_str()));
    }
    place.done(&["block", "set", "--number", "+12025550101"]);
    assert_eq!(ask(server.agi, DID, "+12025550101").get("REASON"), "blocked");
    place.done(&["block", "rm", "--number", "+12025550101"]);
    place.done(&["route", "rm", DID]);
    assert_eq!(ask(server.agi, DID, "+12025550101").get("ROUTE"), "prefix +1415555");
}

#[test]
fn a_reader_that_goes_away_is_no_failure() {
    let place = Place::new(TENANTS);
    let rows: String = (0..5_000).map(|n| format!("Somebody with a rather long name number {n},+1202{n:07}\n")).collect();
    place.done(&["contact", "import", &place.file("many.csv", format!("name,number\n{rows}"))]);
    for arguments in [&["contact", "ls"][..], &["contact", "ls", "--json"]] {
        let mut child = place.command(arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert!(line.contains("Somebody"), "{line}");
        assert_eq!(child.wait().unwrap().code(), Some(0));
        assert_eq!(rest_of(child.stderr.take()), "");
    }
    // one that was never there
    let mut child = place.command(&["name", "+12020000001"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    assert_eq!(child.wait().unwrap().code(), Some(0));
    // the store is as usable as before
    assert_eq!(place.done(&["contact", "ls", "--limit", "1"]).out.lines().count(), 1);
}

#[test]
fn a_name_can_not_act_on_the_terminal_it_is_shown_on() {
    let place = Place::new(TENANTS);
    let evil = "Eve\u{1b}[2J\u{7}\u{9b}2J\u{7f}\u{202e}\nroot";
    place.done(&["contact", "set", "eve", "--name", evil, "--number", "+12025550123", "--company", evil, "--tag", evil, "--note", evil]);
    let server = place.serve(&["--log", "trace"]);
    place.done(&["route", "set", DID, "--step", "dial:101"]);
    let agi = server.agi.to_string();
    for arguments in [
        &["contact", "show", "eve"][..],
        &["contact", "ls"],
        &["contact", "show", "eve", "--json"],
        &["contact", "ls", "--json"],
        &["name", "+12025550123"],
        &["explain", "--to", DID, "--from", "+12025550123"],
        &["explain", "--to", DID, "--from", "+12025550123", "--json"],
        &["call", "--agi", &agi, "--to", DID, "--from", "+12025550123"],
        &["call", "--agi", &agi, "--to", DID, "--from", "+12025550123", "--name", "\u{1b}[31m\u{7}"],
        &["contact", "show", evil],
        &["contact", "set", evil, "--name", "x", "--number", "101"],
        &["contact", "set", "x", "--name", "x", "--number", evil],
        &["route", "set", evil, "--step", "busy"],
        &["route", "set", "101", "--step", evil],
        &["block", "set", "--prefix", evil],
        &["--tenant", evil, "contact", "ls"],
        &["name", evil],
        &["number", "show", evil],
        &["explain", "--to", evil],
    ] {
        let said = place.run(arguments);
        let text = said.out + &said.err;
        assert!(!text.is_empty(), "{arguments:?}");
        let acting = text.chars().find(|c| (c.is_control() && !matches!(c, '\n' | '\t')) || *c == '\u{202e}');
        assert_eq!(acting, None, "{arguments:?}: {text:?}");
        assert!(!text.lines().any(|l| l.trim_start().starts_with("root")), "{arguments:?}: {text}");
    }
    // nor does a caller's text become a line of the log
    let forged = strowger::play::CallFields { unique_id: "1\u{1b}[2J".into(), ..fields(DID, "+12025550123") };
    play(server.agi, &forged);
    play(server.agi, &strowger::play::CallFields { request: "x\u{1b}[2J\u{7}".into(), ..forged });
    assert!(within(Duration::from_secs(3), || place.logged().contains("bad-request")));
    let log = place.logged();
    assert!(!log.chars().any(|c| c.is_control() && c != '\n'), "{log:?}");
}

#[test]
fn the_demo_shows_three_calls_and_ends() {
    let place = Place::new("");
    let demo = place.done(&["demo", "--once"]);
    for text in ["CALLERID(name)=Lincoln School", "STROWGER_REASON=matched", "rings PJSIP/101 and PJSIP/102", "withholds his number"] {
        assert!(demo.out.contains(text), "{text}: {}", demo.out);
    }
    assert!(!place.data().exists(), "the demo keeps to a directory of its own");
}

#[test]
fn help_and_manual_list_every_exit_code() {
    let place = Place::new("");
    place.done(&["generate", "man", place.path().join("man").to_str().unwrap()]);
    let manual = std::fs::read_to_string(place.path().join("man/strowger.1")).unwrap();
    let listed = [
        (0, "done, or found"),
        (1, "not found"),
        (2, "wrong usage or bad input"),
        (3, "the server cannot be reached"),
        (4, "the store cannot be used"),
        (70, "a bug"),
    ];
    for help in [place.done(&["--help"]).out, place.done(&["help"]).out, place.done(&["-h"]).out] {
        let (_, codes) = help.split_once("EXIT CODES:\n").unwrap_or_else(|| panic!("{help}"));
        let lines: Vec<&str> = codes.lines().map(str::trim).collect();
        assert_eq!(lines.len(), listed.len(), "{codes}");
        for (line, (code, meaning)) in lines.iter().zip(listed) {
            assert!(line.starts_with(&format!("{code} ")) && line.contains(meaning), "{line}");
        }
    }
    let (_, codes) = manual.split_once(".SH \"EXIT STATUS\"\n").unwrap_or_else(|| panic!("{manual}"));
    for (code, meaning) in listed {
        assert!(codes.contains(&format!(".TP\n\\fB{code}\\fR\n{meaning}")), "{codes}");
    }
}
