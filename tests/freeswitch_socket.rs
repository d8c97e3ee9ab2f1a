//! The server behind the socket application of the fake FreeSWITCH: whatever happens, the call stays in the dialplan.

#[path = "support/freeswitch/mod.rs"]
mod freeswitch;
mod support;

use freeswitch::{Call, Cut, Ending, FakeSwitch, HangsUp, Record};
use std::io::{Read, Write};
use std::net::SocketAddr;
use std::time::{Duration, Instant};
use strowger::call::{Delay, ShutdownLevel};
use strowger::control::{Request, RouteWhich};
use strowger::daemon::Options;
use support::*;

const MODES: [&str; 4] = ["", "async", "full", "async full"];

/// A dialplan that goes to the socket and leaves a mark behind it.
fn switch(server: SocketAddr, path: &str, mode: &str) -> FakeSwitch {
    let mut switch = FakeSwitch::new();
    switch.load(
        &format!(
            "<include><context name=\"public\"><extension name=\"x\"><condition><action application=\"socket\" data=\"{server}/{path} {mode}\"/><action application=\"set\" data=\"after=yes\"/></condition></extension></context></include>"
        ),
        "",
    );
    switch
}

fn call(from: &str) -> Call {
    Call::to(DID).from(from, "J DOE")
}

fn went_on(record: &Record) {
    assert!(record.variable("after") == "yes" && record.ending == Ending::EndOfDialplan, "{record:#?}");
    assert_eq!(record.executed_apis, []);
}

fn short(record: &Record) -> (&str, &str, &str) {
    (record.variable("strowger_status"), record.variable("strowger_action"), record.variable("strowger_reason"))
}

#[test]
fn a_call_is_answered_in_every_mode_and_goes_on() {
    let (_place, server) = served(Options::default(), vec![]);
    for mode in MODES {
        let record = switch(server.esl(), "route", mode).call(&call(SCHOOL));
        went_on(&record);
        assert_eq!(short(&record), ("found", "dial", "matched"), "{mode}");
        assert_eq!(record.variable("strowger_target"), "user/101,user/102");
        assert_eq!(record.variable("strowger_timeout"), "20");
        assert_eq!(record.variable("strowger_route"), DID);
        assert!(!record.variable("strowger_step").is_empty());
        assert_eq!(record.variable("effective_caller_id_name"), "Lincoln School");
        assert_eq!(record.profile["caller_id_name"], "Lincoln School");
        let heard = String::from_utf8_lossy(&record.sessions[0].heard).into_owned();
        assert_eq!(heard.contains("resume\n\n"), mode.contains("async"), "{heard}");
        assert_eq!(heard.matches("sendmsg\n").count(), 2, "one multiset and the profile's name: {heard}");
    }
}

#[test]
fn the_path_names_the_request_and_variables_are_parameters() {
    let (_place, server) = served(Options::default(), vec![]);
    let ask = |path: &str, call: &Call| {
        let record = switch(server.esl(), path, "").call(call);
        went_on(&record);
        record
    };
    assert_eq!(short(&ask("", &call(SCHOOL))), ("found", "dial", "matched"));
    assert_eq!(short(&ask("ping", &call(SCHOOL))), ("ok", "continue", "ok"));
    assert_eq!(short(&ask("nmae", &call(SCHOOL))).2, "bad-request");
    let named = ask("name", &call(SCHOOL));
    assert_eq!((short(&named), named.variable("strowger_contact")), (("found", "continue", "matched"), "school"));
    assert_eq!(ask("route?tenant=acme", &call(SCHOOL)).variable("strowger_reason"), "no-route");
    assert_eq!(ask("route", &call(SCHOOL).with("strowger_tenant", "acme")).variable("strowger_reason"), "no-route");
    assert_eq!(ask("route", &call(SCHOOL).with("strowger_tenat", "acme")).variable("strowger_reason"), "bad-request");
    assert_eq!(ask("route", &call(SCHOOL).with("strowger_to", "+14155550142")).variable("strowger_route"), "prefix +1415555");
    assert_eq!(ask("route", &call("x").with("strowger_from", "+14155550123")).variable("strowger_name"), "Grandma Rosa");
    // a dialplan's own, and what an older answer left behind
    let leftovers = call(SCHOOL).with("strowger_rounds", "xx").with("strowger_action", "busy").with("strowger_contact", "nobody");
    assert_eq!(short(&ask("route", &leftovers)), ("found", "dial", "matched"));
}

#[test]
fn a_step_is_handed_back_with_the_outcome_or_without() {
    let (_place, server) = served(Options::default(), vec![]);
    let switch = switch(server.esl(), "route", "");
    let first = switch.call(&call(SCHOOL));
    let token = first.variable("strowger_step").to_owned();
    for (status, disposition) in [("USER_BUSY", ""), ("found", "USER_BUSY"), ("", "NO_ANSWER"), ("", "")] {
        let again = call(SCHOOL).with("strowger_step", &token).with("strowger_status", status).with("originate_disposition", disposition);
        let record = switch.call(&again);
        assert_eq!((record.variable("strowger_action"), record.variable("strowger_target")), ("voicemail", "199"), "{status}");
        assert_eq!(record.variable("strowger_step"), "", "what was left of the first answer is gone");
    }
    let bad = switch.call(&call(SCHOOL).with("strowger_step", "1.xyz"));
    assert_eq!(short(&bad), ("error", "dial", "bad-step"));
}

#[test]
fn a_withheld_number_is_not_looked_at_although_it_is_there() {
    let (_place, server) = served(Options::default(), vec![]);
    let switch = switch(server.esl(), "name", "");
    let hidden = Call { hide_number: true, ..call(SCHOOL) };
    for caller in [hidden, call("anonymous"), call("")] {
        let record = switch.call(&caller);
        assert_eq!((short(&record).2, record.variable("strowger_name")), ("anonymous", ""), "{:?}", caller.number);
        assert_eq!(record.variable("effective_caller_id_name"), "");
        assert_eq!(record.profile["caller_id_name"], "J DOE");
    }
}

#[test]
fn names_of_strangers_arrive_as_text_and_run_nothing() {
    let names = [
        ("O'Brien", "O'Brien"),
        ("'a' 'b", "'a' 'b"),
        (r"back\slash \n \\ \' end\", r"back\slash \n \\ \' end\"),
        ("${system(reboot)}", "{system(reboot)}"),
        ("$${domain}x$5$$", "{domain}x$5$$"),
        (r"\${uuid}", r"\{uuid}"),
        ("Bäckerei <Groß> & \"Söhne\", 50%|^;~=", "Bäckerei <Groß> & \"Söhne\", 50%|^;~="),
        ("100%41%0A", "100%41%0A"),
        ("_undef_", "_undef_"),
    ];
    let number = |n: usize| format!("+120255502{n:02}");
    let more = names.iter().enumerate().map(|(n, (stored, _))| contact("default", &format!("c{n}"), stored, &number(n))).collect();
    let (_place, server) = served(Options::default(), more);
    for (n, (stored, shown)) in names.iter().enumerate() {
        for mode in ["", "async"] {
            let record = switch(server.esl(), "route", mode).call(&call(&number(n)));
            went_on(&record);
            assert_eq!(record.variable("strowger_name"), *shown, "{stored}");
            assert_eq!(record.variable("effective_caller_id_name"), *shown, "{stored}");
            assert_eq!(record.profile["caller_id_name"], *shown, "{stored}");
            assert_eq!(short(&record), ("found", "dial", "matched"), "{stored}");
            assert_eq!(record.variable("strowger_target"), "user/101,user/102", "{stored}");
        }
    }
}

#[test]
fn numbers_with_nul_line_ends_and_expansions_disturb_nobody() {
    let (_place, server) = served(Options::default(), vec![]);
    for number in ["%00", "%0A%0Aexit%0A%0A", "+1415%00555", "${system(x)}", "1;phone-context=x", "\u{1}", "+14155550101%0A"] {
        let record = switch(server.esl(), "route", "").call(&call(number));
        went_on(&record);
        assert_eq!(short(&record).1, "dial", "{number:?}");
        let record = switch(server.esl(), "route", "").call(&Call { to: number.to_owned(), ..call(SCHOOL) });
        went_on(&record);
        assert!(!record.variable("strowger_status").is_empty(), "{number:?}");
    }
}

#[test]
fn cut_at_every_byte_no_call_is_parked_and_nothing_is_left_behind() {
    let place = Place::with_sample(TENANTS);
    let server = place.serve(&[]);
    let status = || place.done(&["status", "--json"]).json();
    let whole = switch(server.esl, "route", "").call(&call(SCHOOL));
    let (said, heard) = (whole.sessions[0].said.len(), whole.sessions[0].heard.len());
    let before = descriptors(server.pid());
    // every byte that we say, and of the switch's six kilobytes the beginning, the end and some between
    let to_server = (0..200).chain((200..said.saturating_sub(250)).step_by(97)).chain(said.saturating_sub(250)..=said);
    let cuts: Vec<Cut> = (0..=heard).map(Cut::FromServer).chain(to_server.map(Cut::ToServer)).collect();
    for mode in ["", "async full"] {
        let switch = switch(server.esl, "route", mode);
        for cut in &cuts {
            let record = switch.call(&Call { cut: Some(*cut), ..call(SCHOOL) });
            // a connection that is cut in async mode before `resume` was heard is the network's doing, not ours
            let unheard = mode.contains("async") && !record.sessions[0].heard.windows(8).any(|w| w == b"resume\n\n");
            if !unheard {
                went_on(&record);
            }
        }
    }
    assert!(within(Duration::from_secs(10), || status()["sessions"] == 0), "{:?}", status());
    assert!(within(Duration::from_secs(10), || descriptors(server.pid()) <= before), "descriptors leaked");
    assert_eq!(short(&switch(server.esl, "route", "").call(&call(SCHOOL))), ("found", "dial", "matched"));
}

#[test]
fn a_caller_who_hangs_up_at_any_moment_is_no_trouble() {
    let (_place, server) = served(Options::default(), vec![]);
    for mode in MODES {
        for moment in [HangsUp::BeforeConnect, HangsUp::AfterCommands(1), HangsUp::AfterCommands(2), HangsUp::AfterCommands(3)] {
            let record = switch(server.esl(), "route", mode).call(&Call { hangs_up: Some(moment), ..call(SCHOOL) });
            assert!(matches!(record.ending, Ending::CallerHungUp | Ending::EndOfDialplan), "{mode} {moment:?}: {record:#?}");
        }
    }
    assert_eq!(short(&switch(server.esl(), "route", "").call(&call(SCHOOL))), ("found", "dial", "matched"));
}

#[test]
fn above_the_cap_and_while_stopping_every_call_is_still_told_and_goes_on() {
    let place = Place::with_sample(TENANTS);
    let server = place.in_process(Options::default(), |config| config.sessions_max = 1);
    let mut taken = connect(server.esl());
    let mut connect_command = [0; 9];
    taken.read_exact(&mut connect_command).unwrap();
    assert_eq!(&connect_command, b"connect\n\n");
    for mode in MODES {
        let record = switch(server.esl(), "route", mode).call(&call(SCHOOL));
        went_on(&record);
        assert_eq!((short(&record), record.variable("strowger_target")), (("error", "dial", "capacity"), "user/101"), "{mode}");
    }
    server.server().stop(ShutdownLevel::Drain);
    for mode in MODES {
        let record = switch(server.esl(), "route", mode).call(&call(SCHOOL));
        went_on(&record);
        // in the moment before it listens no more
        assert!(matches!(short(&record).2, "draining" | "capacity" | ""), "{record:#?}");
    }
    drop(taken);
}

#[test]
fn a_late_answer_is_the_routes_fallback() {
    let delay = Delay::Wait(Duration::from_secs(5));
    let (_place, server) = served(Options { delay, ..Options::default() }, vec![]);
    for mode in MODES {
        let record = switch(server.esl(), "route", mode).call(&call(SCHOOL));
        went_on(&record);
        assert_eq!((short(&record), record.variable("strowger_target")), (("late", "dial", "late"), "user/101"), "{mode}");
        assert!(record.took < Duration::from_secs(4));
    }
}

/// What the server says to a peer that says this, and how long it takes to close.
fn peer(server: SocketAddr, bytes: &[u8]) -> (String, Duration) {
    let mut stream = connect(server);
    let _ = stream.write_all(bytes);
    let (heard, took) = hear_out(&mut stream);
    (String::from_utf8_lossy(&heard).into_owned(), took)
}

#[test]
fn whoever_doesn_t_answer_connect_is_told_to_go_and_is_held_long_enough_for_an_async_call() {
    let (_place, server) = served(Options::default(), vec![]);
    let noise: Vec<u8> = (0..4096u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    let endless = b"X-Header: y\n".repeat(40_000);
    for (what, bytes) in [
        ("another reply", b"Content-Type: command/reply\nReply-Text: +OK\n\n".as_slice()),
        ("an error", b"Content-Type: command/reply\nReply-Text: -ERR command not found\n\n"),
        ("a rude rejection", b"Content-Type: text/rude-rejection\nContent-Length: 24\n\nAccess Denied, go away.\n"),
        ("HTTP", b"GET /name?number=1 HTTP/1.1\r\nHost: x\r\n\r\n"),
        ("FastAGI", b"agi_network: yes\nagi_network_script: route\n\n"),
        ("noise", &noise),
        ("a negative length", b"Content-Type: command/reply\nContent-Length: -1\n\n"),
        ("a huge length", b"Content-Type: command/reply\nContent-Length: 99999999999999999999\n\n"),
        ("a length that is a word", b"Content-Type: command/reply\nContent-Length: many\n\n"),
        ("a length that promises more than comes", b"Event-Name: CHANNEL_DATA\nSocket-Mode: static\nContent-Length: 500\n\nshort"),
        ("headers without end", &endless),
    ] {
        let (heard, took) = peer(server.esl(), bytes);
        assert!(heard.starts_with("connect\n\n"), "{what}: {heard:?}");
        assert!(!heard.contains("resume") && !heard.contains("sendmsg"), "{what}: {heard:?}");
        assert!(took >= Duration::from_millis(50), "{what}: closed after {took:?}; an async call would be parked");
    }
    let status = short(&switch(server.esl(), "route", "").call(&call(SCHOOL))).0 == "found";
    assert!(status, "calls are answered as before");
}

/// The reply to `connect` that the fake switch gives.
fn connect_reply(server: SocketAddr, mode: &str) -> Vec<u8> {
    switch(server, "route", mode).call(&call(SCHOOL)).sessions[0].said.clone()
}

#[test]
fn a_switch_that_stands_still_for_seconds_gets_its_answer_all_the_same_and_takes_nobody_s_place() {
    let place = Place::with_sample(TENANTS);
    let server = place.serve(&[]);
    let said = connect_reply(server.esl, "async");
    let reply = &said[..said.windows(2).position(|pair| pair == b"\n\n").unwrap() + 2];
    let mut stream = connect(server.esl);
    let sessions = || place.done(&["status", "--json"]).json()["sessions"].as_u64();
    assert!(within(Duration::from_secs(1), || sessions() == Some(1)));
    // longer than a question may take
    std::thread::sleep(Duration::from_millis(2_500));
    assert_eq!(sessions(), Some(0));
    stream.write_all(reply).unwrap();
    let mut heard = String::new();
    while !heard.contains("exit\n\n") {
        let mut piece = [0; 4096];
        let read = stream.read(&mut piece).unwrap();
        assert!(read > 0, "the server left: {heard:?}");
        heard.push_str(&String::from_utf8_lossy(&piece[..read]));
    }
    assert!(heard.contains("resume\n\n") && heard.contains("strowger_status=found"), "{heard}");
}

#[test]
fn an_answer_that_the_switch_refused_isn_t_counted_as_answered() {
    let place = Place::with_sample(TENANTS);
    let server = place.serve(&[]);
    let said = connect_reply(server.esl, "");
    let reply = &said[..said.windows(2).position(|pair| pair == b"\n\n").unwrap() + 2];
    let mut stream = connect(server.esl);
    let refused = b"Content-Type: command/reply\nReply-Text: -ERR command not found\n\n".repeat(2);
    stream.write_all(&[reply, &refused, b"Content-Type: command/reply\nReply-Text: +OK bye\n\n"].concat()).unwrap();
    hear_out(&mut stream);
    let ended = || place.done(&["status", "--json"]).json()["endings"].to_string();
    assert!(within(Duration::from_secs(5), || ended().contains("[\"unconfirmed\",1]")), "{}", ended());
}

#[test]
fn headers_without_end_cost_no_memory() {
    let place = Place::with_sample(TENANTS);
    let server = place.serve(&[]);
    let before = memory_kb(server.pid(), "VmHWM");
    let piece = b"X-Header: y\n".repeat(8_000);
    for _ in 0..5 {
        let mut stream = connect(server.esl);
        for _ in 0..100 {
            if stream.write_all(&piece).is_err() {
                break;
            }
        }
    }
    let grown = memory_kb(server.pid(), "VmHWM") - before;
    assert!(grown < 8192, "grew by {grown} kB");
}

#[test]
fn a_connect_reply_of_fifty_kilobytes_is_read() {
    let (_place, server) = served(Options::default(), vec![]);
    let record = switch(server.esl(), "route", "").call(&call(SCHOOL).with("big", &"x".repeat(50_000)));
    went_on(&record);
    assert_eq!(short(&record), ("found", "dial", "matched"));
}

#[test]
fn a_server_that_stands_still_holds_a_call_only_until_its_process_ends() {
    let place = Place::with_sample(TENANTS);
    let mut server = place.serve(&[]);
    let (pid, esl) = (rustix::process::Pid::from_raw(server.pid() as i32).unwrap(), server.esl);
    rustix::process::kill_process(pid, rustix::process::Signal::STOP).unwrap();
    let waiting = std::thread::spawn(move || {
        let mut switch = switch(esl, "route", "");
        switch.patience = Duration::from_secs(15);
        switch.call(&call(SCHOOL))
    });
    std::thread::sleep(Duration::from_millis(500));
    assert!(!waiting.is_finished());
    let ended = Instant::now();
    server.child.kill().unwrap();
    let record = waiting.join().unwrap();
    went_on(&record);
    assert!(ended.elapsed() < Duration::from_secs(5));
}

#[test]
fn a_route_that_leads_elsewhere_is_ready_for_transfer() {
    let elsewhere = Request::RouteSet {
        tenant: "default".into(),
        which: RouteWhich::Number("+14155550177".into()),
        steps: vec!["goto:office,500,1".into()],
        fallback: None,
    };
    let (_place, server) = served(Options::default(), vec![elsewhere]);
    let record = switch(server.esl(), "route", "").call(&Call { to: "+14155550177".into(), ..call(SCHOOL) });
    assert_eq!((record.variable("strowger_action"), record.variable("strowger_target")), ("goto", "500 XML office"));
}
