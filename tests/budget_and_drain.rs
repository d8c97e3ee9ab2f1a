//! Deadlines, caps and endings: no call waits for a server that is slow, full, stopping, stuck or out of descriptors.

mod support;

use rustix::process::Signal;
use std::io::Write;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use strowger::call::Delay;
use strowger::control::{Request, RouteWhich, sample_requests};
use strowger::daemon::Options;
use strowger::play::CallFields;
use support::*;

const BUDGET: Duration = Duration::from_millis(150);

fn slow(delay: Delay) -> (Place, InProcess) {
    let place = Place::with_sample(TENANTS);
    let server = place.in_process(Options { delay, ..Options::default() }, |config| config.answer_budget = BUDGET);
    server.fill([Request::RouteSet {
        tenant: "acme".into(),
        which: RouteWhich::Number("030 12345".into()),
        steps: vec!["dial:201".into()],
        fallback: None,
    }]);
    (place, server)
}

#[test]
fn an_answer_that_does_not_come_within_the_budget_is_late_with_the_fallback_of_route_or_tenant() {
    let (_place, server) = slow(Delay::Wait(Duration::from_secs(30)));
    let token = "1.x.00000000".to_owned();
    for (what, to, arguments, action, target) in [
        ("the route's", DID, vec![], "dial", "PJSIP/101"),
        ("the tenant's", "03012345", vec!["tenant=acme".to_owned()], "voicemail", "900"),
        ("nobody's", "+12025550100", vec![], "continue", ""),
        ("none is needed for a name", DID, vec!["request".to_owned()], "continue", ""),
    ] {
        let request = if arguments == ["request"] { "name" } else { "route" };
        let arguments = if request == "name" { vec![] } else { arguments };
        let began = Instant::now();
        let answer = play(server.agi(), &CallFields { request: request.into(), arguments, ..fields(to, SCHOOL) });
        let took = began.elapsed();
        assert_eq!(answer.short(), ("late", action, "late"), "{what}");
        assert_eq!((answer.get("TARGET"), answer.get("STEP"), answer.raw("CALLERID(name)")), (target, "", None), "{what}");
        assert!(took >= BUDGET && took < BUDGET + Duration::from_millis(600), "{what}: {took:?}");
    }
    // what needs no data needs no budget
    let answer = play(server.agi(), &CallFields { arguments: vec![format!("step={token}")], ..fields(DID, SCHOOL) });
    assert_eq!(answer.short(), ("error", "dial", "bad-step"));
}

#[test]
fn a_hundred_slow_answers_are_late_together_and_not_one_after_the_other() {
    let (_place, server) = slow(Delay::Wait(Duration::from_secs(30)));
    let agi = server.agi();
    let began = Instant::now();
    let mut streams: Vec<_> = (0..100).map(|_| connect(agi)).collect();
    streams.iter_mut().for_each(|s| s.write_all(&environment(DID, SCHOOL)).unwrap());
    for stream in &mut streams {
        assert_eq!(Answer::of_bytes(&hear_line(stream)).get("STATUS"), "late");
    }
    assert!(began.elapsed() < BUDGET * 10, "{:?}", began.elapsed());
}

#[test]
fn data_that_comes_within_the_budget_is_no_reason_to_be_late() {
    let (_place, server) = slow(Delay::Wait(Duration::from_millis(30)));
    assert_eq!(ask(server.agi(), DID, SCHOOL).short(), ("found", "dial", "matched"));
}

#[test]
fn a_switch_that_never_confirms_an_answer_is_left_after_two_seconds() {
    let place = Place::with_sample(TENANTS);
    let server = place.serve(&[]);
    let neighbour = Neighbour::of(server.agi);
    let replies: [&[u8]; 4] = [b"", b"200 res", b"100 result=0 Trying...\n", b"HANGUP\n"];
    let mut streams: Vec<_> = replies
        .iter()
        .map(|reply| {
            let mut stream = connect(server.agi);
            stream.write_all(&environment(DID, SCHOOL)).unwrap();
            assert_eq!(Answer::of_bytes(&hear_line(&mut stream)).get("STATUS"), "found");
            stream.write_all(reply).unwrap();
            stream
        })
        .collect();
    let began = Instant::now();
    for stream in &mut streams {
        assert_eq!(hear_out(stream).0, b"", "nothing more is said to a switch that is out of step");
    }
    let took = began.elapsed();
    assert!((Duration::from_millis(1500)..Duration::from_secs(6)).contains(&took), "{took:?}");
    // what is no reply at all ends the session at once
    let mut stream = connect(server.agi);
    stream.write_all(&environment(DID, SCHOOL)).unwrap();
    hear_line(&mut stream);
    stream.write_all(b"agi_dnid: 1\nagi_rdnis: 2\n").unwrap();
    let (heard, took) = hear_out(&mut stream);
    assert!(heard.is_empty() && took < Duration::from_millis(1500), "{heard:?} {took:?}");
    neighbour.was_served();
    let status = place.done(&["status", "--json"]).json();
    assert!(status["endings"].as_array().unwrap().contains(&serde_json::json!(["unconfirmed", 4])), "{status}");
}

#[test]
fn a_call_above_the_cap_is_told_so_at_once_and_the_ones_below_go_on() {
    // one tenant may have both
    let place = Place::with_sample(&TENANTS.replace("country = \"US\"", "country = \"US\"\nsessions_max = 2"));
    let server = place.serve(&["--sessions-max", "2"]);
    place.settled();
    let hold = || {
        let mut stream = connect(server.agi);
        stream.write_all(&environment(DID, SCHOOL)).unwrap();
        assert_eq!(Answer::of_bytes(&hear_line(&mut stream)).get("STATUS"), "found");
        stream
    };
    let mut held = [hold(), hold()];
    for _ in 0..5 {
        let began = Instant::now();
        assert_eq!(ask(server.agi, DID, SCHOOL).short(), ("error", "dial", "capacity"));
        assert!(began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());
        let fields = CallFields { request: "route?tenant=acme".into(), ..fields(DID, SCHOOL) };
        assert_eq!(play(server.agi, &fields).short(), ("error", "voicemail", "capacity"));
    }
    for stream in &mut held {
        stream.write_all(b"200 result=0\n").unwrap();
        hear_out(stream);
    }
    assert!(within(Duration::from_secs(2), || ask(server.agi, DID, SCHOOL).get("STATUS") == "found"));
    let status = place.done(&["status", "--json"]).json();
    assert!(status["endings"].as_array().unwrap().contains(&serde_json::json!(["capacity", 10])), "{status}");
}

#[test]
fn a_server_told_to_stop_finishes_its_calls_refuses_new_ones_with_an_answer_and_ends_well() {
    let place = Place::with_sample(TENANTS);
    let mut server = place.serve(&[]);
    place.settled();
    // one is being answered, one hasn't asked yet
    let (mut answered, mut asking) = (connect(server.agi), connect(server.agi));
    answered.write_all(&environment(DID, SCHOOL)).unwrap();
    let line = hear_line(&mut answered);
    assert_eq!(Answer::of_bytes(&line).get("STATUS"), "found");
    asking.write_all(b"agi_network: yes\n").unwrap();
    server.signal(Signal::TERM);
    assert!(within(Duration::from_secs(2), || place.logged().contains("told to stop")));
    std::thread::sleep(Duration::from_millis(100));
    let began = Instant::now();
    assert_eq!(ask(server.agi, DID, SCHOOL).short(), ("error", "dial", "draining"));
    assert!(began.elapsed() < Duration::from_secs(1));
    asking.write_all(environment(DID, SCHOOL).strip_prefix(b"agi_network: yes\n").unwrap()).unwrap();
    assert_eq!(Answer::of_bytes(&hear_line(&mut asking)).short(), ("found", "dial", "matched"), "it was let in before");
    assert_eq!(server.ends_within(Duration::from_millis(50)), None, "calls are going on");
    for stream in [&mut answered, &mut asking] {
        stream.write_all(b"200 result=0\n").unwrap();
        hear_out(stream);
    }
    assert_eq!(server.ends_within(Duration::from_secs(5)), Some(Some(0)));
    assert!(!server.admin.exists(), "the admin socket is left behind");
}

#[test]
fn a_peer_that_says_nothing_does_not_keep_a_server_from_stopping() {
    let place = Place::with_sample(TENANTS);
    let mut server = place.serve(&[]);
    let _silent = connect(server.agi);
    let _admin = std::os::unix::net::UnixStream::connect(&server.admin).unwrap();
    ask(server.agi, DID, SCHOOL);
    server.signal(Signal::TERM);
    assert_eq!(server.ends_within(Duration::from_secs(12)), Some(Some(0)));
}

#[test]
fn a_second_sigterm_or_a_sigint_stops_at_once() {
    let place = Place::with_sample(TENANTS);
    for signals in [&[Signal::INT][..], &[Signal::TERM, Signal::TERM], &[Signal::TERM, Signal::INT]] {
        let mut server = place.serve(&[]);
        let mut held = connect(server.agi);
        held.write_all(&environment(DID, SCHOOL)).unwrap();
        hear_line(&mut held);
        for signal in signals {
            std::thread::sleep(Duration::from_millis(100));
            server.signal(*signal);
        }
        // a drain would wait two seconds for the reply
        assert_eq!(server.ends_within(Duration::from_millis(1200)), Some(Some(0)), "{signals:?}");
        hear_out(&mut held);
    }
}

#[test]
fn calls_go_on_when_nobody_reads_the_log_and_status_counts_the_lines_that_were_lost() {
    let place = Place::with_sample(TENANTS);
    let mut command = place.command(&[SERVE, &["--log", "trace"]].concat());
    command.stderr(Stdio::piped());
    let mut server = Running::start(command);
    let _unread = server.child.stderr.take().unwrap();
    let mut calls = 0;
    let mut dropped = 0;
    let began = Instant::now();
    while dropped == 0 && began.elapsed() < Duration::from_secs(40) {
        let plan = strowger::play::LoadPlan {
            address: server.agi,
            request: "route".into(),
            arguments: vec![],
            pace: strowger::play::Pace::Closed,
            connections: 8,
            calls_max: Some(2_000),
            duration_max: Some(Duration::from_secs(20)),
            wait_max: Duration::from_secs(3),
            expect: Some(|status| status == b"found"),
        };
        let report = strowger::play::run_load(&plan, |_| (SCHOOL.into(), DID.into())).unwrap();
        assert_eq!((report.calls, report.failed.total()), (2_000, 0));
        calls += report.calls;
        dropped = place.done(&["status", "--json"]).json()["log_lines_dropped"].as_u64().unwrap();
    }
    assert!(dropped > 0, "after {calls} calls no line was dropped");
    assert_eq!(ask(server.agi, DID, SCHOOL).short(), ("found", "dial", "matched"));
    place.done(&["contact", "set", "late", "--name", "Late", "--number", "+12025550123"]);
    assert_eq!(ask(server.agi, DID, "+12025550123").get("NAME"), "Late");
    // nor does it keep the server from stopping
    server.signal(Signal::TERM);
    assert_eq!(server.ends_within(Duration::from_secs(8)), Some(Some(0)));
}

#[test]
fn a_server_whose_log_was_closed_goes_on() {
    let place = Place::with_sample(TENANTS);
    let mut command = place.command(SERVE);
    command.stderr(Stdio::piped());
    let mut server = Running::start(command);
    drop(server.child.stderr.take());
    for _ in 0..50 {
        assert_eq!(ask(server.agi, DID, SCHOOL).short(), ("found", "dial", "matched"));
    }
    server.signal(Signal::TERM);
    assert_eq!(server.ends_within(Duration::from_secs(8)), Some(Some(0)));
}

/// Set for the child that a test makes of itself; holds the data directory.
const STUCK: &str = "STROWGER_TEST_STUCK";

#[test]
fn a_child_that_is_stuck() {
    // no test of its own: what the next two run in a process that may die
    let Some(dir) = std::env::var_os(STUCK) else { return };
    let free = Some(([127, 0, 0, 1], 0).into());
    let mut overrides =
        strowger::config::Overrides { data: Some(dir.into()), agi: free, esl: free, lookup_http: free, http: free, ..Default::default() };
    overrides.call_threads = Some(1);
    let nothing = overrides.data.as_ref().unwrap().join("strowger.toml");
    std::fs::create_dir_all(nothing.parent().unwrap()).unwrap();
    std::fs::write(&nothing, "").unwrap();
    overrides.config = Some(nothing);
    let config = strowger::config::Config::load(overrides).unwrap();
    let no_core = rustix::process::Rlimit { current: Some(0), maximum: Some(0) };
    rustix::process::setrlimit(rustix::process::Resource::Core, no_core).unwrap();
    let options = Options { delay: Delay::Block(Duration::from_secs(120)), signals: true, ..Options::default() };
    let server = strowger::daemon::Server::start(&config, options, std::sync::Arc::new(|| 0)).unwrap();
    let mut desk = server.desk("test");
    sample_requests("default").into_iter().for_each(|r| drop(desk.apply(r)));
    let (agi, esl, lookup, http) = (server.agi(), server.esl(), server.lookup_http(), server.http());
    println!("\nready agi={agi} esl={esl} lookup-http={lookup} http={http} admin={}", server.admin().display());
    server.wait().unwrap();
}

fn stuck(place: &Place) -> Running {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "a_child_that_is_stuck", "--nocapture"]).env(STUCK, place.data()).stderr(Stdio::null());
    Running::start(command)
}

#[test]
fn a_server_whose_call_thread_is_stuck_ends_itself_and_frees_its_calls() {
    let place = Place::new("");
    let mut server = stuck(&place);
    let mut calls: Vec<_> = (0..3).map(|_| connect(server.agi)).collect();
    calls.iter_mut().for_each(|c| c.write_all(&environment(DID, SCHOOL)).unwrap());
    let began = Instant::now();
    for call in &mut calls {
        assert_eq!(hear_out(call).0, b"");
    }
    let took = began.elapsed();
    assert!((Duration::from_secs(3)..Duration::from_secs(12)).contains(&took), "{took:?}");
    assert_eq!(server.ends_within(Duration::from_secs(2)), Some(None), "a signal ends it, so that a supervisor starts it again");
    // and what it had stored is there
    assert_eq!(place.done(&["name", SCHOOL]).out, "Lincoln School (school)\n");
}

#[test]
fn a_server_that_is_stuck_ends_when_it_is_told_to_stop() {
    let place = Place::new("");
    let mut server = stuck(&place);
    let mut call = connect(server.agi);
    call.write_all(&environment(DID, SCHOOL)).unwrap();
    std::thread::sleep(Duration::from_millis(300));
    server.signal(Signal::TERM);
    assert!(server.ends_within(Duration::from_secs(12)).is_some(), "it hangs on, and its calls with it");
    assert_eq!(hear_out(&mut call).0, b"");
}

#[test]
fn a_server_that_was_suspended_for_longer_than_the_watchdog_waits_goes_on() {
    // several, because which thread of each wakes first is a matter of luck
    let places: Vec<_> = (0..6).map(|_| Place::with_sample(TENANTS)).collect();
    let mut servers: Vec<_> = places.iter().map(|place| place.serve(&[])).collect();
    servers.iter().for_each(|server| assert_eq!(ask(server.agi, DID, SCHOOL).get("STATUS"), "found"));
    servers.iter().for_each(|server| server.signal(Signal::STOP));
    // a call that comes meanwhile waits in the kernel
    let mut waiting = connect(servers[0].agi);
    waiting.write_all(&environment(DID, SCHOOL)).unwrap();
    std::thread::sleep(Duration::from_secs(8));
    servers.iter().for_each(|server| server.signal(Signal::CONT));
    assert_eq!(Answer::of_bytes(&hear_line(&mut waiting)).get("STATUS"), "found");
    waiting.write_all(b"200 result=0\n").unwrap();
    std::thread::sleep(Duration::from_millis(1500));
    for server in &mut servers {
        assert_eq!(server.ends_within(Duration::ZERO), None);
        assert_eq!(ask(server.agi, DID, SCHOOL).get("STATUS"), "found");
    }
}

#[test]
fn a_server_without_descriptors_answers_calls_as_soon_as_it_has_some_again() {
    let place = Place::with_sample(TENANTS);
    let server = place.serve_under("ulimit -n 64", &[]);
    let silent: Vec<_> = (0..200).map(|_| connect(server.agi)).collect();
    assert!(within(Duration::from_secs(5), || descriptors(server.pid()) >= 60), "{} descriptors", descriptors(server.pid()));
    // it waits behind those that say nothing, and is answered all the same
    assert_eq!(ask(server.agi, DID, SCHOOL).short(), ("found", "dial", "matched"));
    drop(silent);
    assert!(within(Duration::from_secs(5), || descriptors(server.pid()) < 40), "{} descriptors", descriptors(server.pid()));
    let neighbour = Neighbour::of(server.agi);
    let status = place.done(&["status", "--json"]).json();
    assert!(status["accept_errors"].as_u64().unwrap() > 0, "{status}");
    neighbour.was_served();
    assert!(place.logged().contains("connections can't be accepted; trying again"));
}
