//! The sample dialplans for FreeSWITCH, run in the fake switch: every action, every way in which a server can fail, and
//! strangers' text. Each test takes an [`Agent`], so that the real server can stand where the scripted one stands.

#[path = "support/freeswitch/mod.rs"]
mod freeswitch;

use freeswitch::servers::{Agent, Answer};
use freeswitch::ways::{BOTH, PLENTY, name_way, parameter, socket_way, xml_way};
use freeswitch::{Call, Ending, FakeSwitch, HangsUp, Outcome, Record, Stay};
use std::time::Duration;

/// The number that is called.
const DID: &str = "+14155550199";

fn answer(pairs: &[(&'static str, &str)]) -> Answer {
    pairs.iter().map(|(n, v)| (*n, (*v).to_owned())).collect()
}

fn hung_up(cause: &str) -> Ending {
    Ending::HungUp(cause.to_owned())
}

/// The site's own lines got the call, once, and nothing of ours hangs about.
fn went_to_the_site(record: &Record) {
    assert_eq!(record.variable("site"), "default", "{record:#?}");
    assert_eq!(record.dialled().last(), Some(&"user/reception"));
    assert_eq!(record.variable("strowger_back"), "", "a later transfer would not be asked about");
    assert_eq!(record.profile["destination_number"], DID);
    nothing_injected(record);
}

fn nothing_injected(record: &Record) {
    assert_eq!(record.executed_apis, [], "an API ran");
}

// ---- the actions, both ways ------------------------------------------------------------------------------------------

#[test]
fn dial_rings_the_target_with_its_options_and_shows_the_callers_name() {
    for way in BOTH {
        let agent = Agent::in_turn(vec![answer(&[
            ("action", "dial"),
            ("target", "[leg_timeout=20]user/101@pbx,user/102@pbx"),
            ("timeout", "25"),
            ("options", "{ignore_early_media=true}"),
            ("name", "Lincoln School"),
        ])]);
        let record = way(&agent).call(&Call::to(DID).from("+14155550101", "LINCOLN"));
        assert_eq!(record.ending, Ending::Bridged("user/101@pbx".to_owned()));
        let bridge = &record.bridges[0];
        assert_eq!(record.dialled(), ["user/101@pbx", "user/102@pbx"]);
        assert_eq!(bridge.variables, [("ignore_early_media".to_owned(), "true".to_owned())]);
        assert_eq!(bridge.legs[0].0, [("leg_timeout".to_owned(), "20".to_owned())]);
        assert_eq!((bridge.timeout.as_deref(), bridge.shown_name.as_str()), (Some("25"), "Lincoln School"));
        assert_eq!(agent.questions()[0].to(), DID);
        assert_eq!(agent.questions()[0].header("Caller-Caller-ID-Number"), "+14155550101");
        nothing_injected(&record);
    }
}

#[test]
fn dial_without_a_name_shows_what_came_with_the_call() {
    for way in BOTH {
        let agent = Agent::in_turn(vec![answer(&[("action", "dial"), ("target", "user/101")])]);
        let record = way(&agent).call(&Call::to(DID));
        assert_eq!((record.bridges[0].shown_name.as_str(), record.bridges[0].timeout.as_deref()), ("Ann Example", None));
    }
}

#[test]
fn a_busy_step_leads_to_the_next_one_with_its_outcome() {
    for way in BOTH {
        for (cause, last) in [("USER_BUSY", "NO_ANSWER"), ("NO_ANSWER", "SUBSCRIBER_ABSENT"), ("SUBSCRIBER_ABSENT", "USER_BUSY")] {
            let agent = Agent::in_turn(vec![
                answer(&[("action", "dial"), ("target", "user/101"), ("step", "1.dG9rZW4.0a1b2c3d")]),
                answer(&[("action", "dial"), ("target", "user/102")]),
            ]);
            let mut switch = way(&agent);
            switch.legs = vec![("101".to_owned(), Outcome::Fails(cause)), ("102".to_owned(), Outcome::Fails(last))];
            let record = switch.call(&Call::to(DID));
            assert_eq!(record.ending, hung_up(last), "the last step's failure is the call's");
            assert_eq!(record.dialled(), ["user/101", "user/102"]);
            let asked = agent.questions();
            assert_eq!([asked[0].variable("strowger_step"), asked[0].variable("strowger_status")], ["", ""]);
            assert_eq!([asked[1].variable("strowger_step"), asked[1].variable("strowger_status")], ["1.dG9rZW4.0a1b2c3d", cause]);
            assert_eq!(asked[1].to(), DID);
        }
    }
}

#[test]
fn voicemail_records_and_hangs_up() {
    for way in BOTH {
        let agent = Agent::in_turn(vec![answer(&[("action", "voicemail"), ("target", "199")])]);
        let record = way(&agent).call(&Call::to(DID));
        assert_eq!(record.ran("voicemail"), ["default pbx.example 199"]);
        assert_eq!(record.ending, hung_up("NORMAL_CLEARING"));
    }
}

#[test]
fn goto_goes_to_the_sites_own_extension() {
    for way in BOTH {
        let agent = Agent::in_turn(vec![answer(&[("action", "goto"), ("target", "500 XML default")])]);
        let record = way(&agent).call(&Call::to(DID));
        assert_eq!((record.variable("site"), record.dialled()), ("inside", vec!["user/500"]));
    }
}

#[test]
fn busy_refuses_the_call_as_busy() {
    for way in BOTH {
        let agent = Agent::in_turn(vec![answer(&[("action", "busy")])]);
        assert_eq!(way(&agent).call(&Call::to(DID)).ending, hung_up("USER_BUSY"));
    }
}

#[test]
fn continue_gives_the_call_to_the_sites_own_lines() {
    for way in BOTH {
        let agent = Agent::in_turn(vec![answer(&[("action", "continue"), ("status", "unknown"), ("reason", "no-route")])]);
        went_to_the_site(&way(&agent).call(&Call::to(DID)));
        assert_eq!(agent.questions().len(), 1, "asked once");
    }
}

#[test]
fn continue_after_a_failed_step_gives_the_call_to_the_sites_own_lines_too() {
    for way in BOTH {
        let agent = Agent::in_turn(vec![answer(&[("action", "dial"), ("target", "user/101"), ("step", "s1")])]);
        let mut switch = way(&agent);
        switch.legs = vec![("101".to_owned(), Outcome::Fails("NO_ANSWER"))];
        went_to_the_site(&switch.call(&Call::to(DID)));
        assert_eq!(agent.questions().len(), 2);
    }
}

// ---- servers that don't answer ---------------------------------------------------------------------------------------

#[test]
fn a_server_that_is_down_closes_or_talks_rubbish_costs_no_call() {
    let rubbish: [&'static [u8]; 5] = [
        b"HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\n\r\n",
        b"\x00\x01\x02\xff\xfe\n\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n<document",
        b"connect\n\nsendmsg\ncall-command: execute\nexecute-app-name: set\nexecute-app-arg: strowger_action=nonsense\n\nexit\n\n",
        b"connect\n\nsendmsg\ncall-command: nonsense\ncontent-length: 999999\n\n",
    ];
    let mut agents = vec![Agent::dead(), Agent::closing()];
    agents.extend(rubbish.map(Agent::saying));
    for agent in agents {
        for way in BOTH {
            let record = way(&agent).call(&Call::to(DID));
            went_to_the_site(&record);
            assert!(record.took < PLENTY / 2, "{record:#?}");
        }
    }
}

#[test]
fn a_server_that_dies_between_two_steps_costs_no_call() {
    for way in BOTH {
        // the second question gets no answer
        let dying = Agent::answering({
            let turns = std::sync::Mutex::new(1);
            move |_| {
                let mut left = turns.lock().unwrap_or_else(|e| e.into_inner());
                assert!(*left > 0, "dies: the connection closes without an answer");
                *left -= 1;
                answer(&[("action", "dial"), ("target", "user/101"), ("step", "s1")])
            }
        });
        let mut switch = way(&dying);
        switch.legs = vec![("101".to_owned(), Outcome::Fails("USER_BUSY"))];
        let record = switch.call(&Call::to(DID));
        assert_eq!(record.dialled(), ["user/101", "user/reception"]);
        went_to_the_site(&record);
    }
}

#[test]
fn over_http_a_hung_server_costs_a_call_its_timeout_and_no_more() {
    let seconds: u64 = parameter("strowger_xml_curl/xml_curl.conf.xml", "timeout").parse().unwrap();
    assert_eq!(seconds, 1, "whole seconds; 0 would be for ever");
    let mut switch = xml_way(&Agent::hung());
    switch.xml_curl.as_mut().unwrap().timeout = Some(Duration::from_secs(seconds));
    let record = switch.call(&Call::to(DID));
    went_to_the_site(&record);
    assert!((Duration::from_millis(950)..Duration::from_secs(5)).contains(&record.took), "{:?}", record.took);
}

/// FreeSWITCH has no timeout here: the guard is a watchdog that ends a hung server's process.
#[test]
fn over_the_socket_a_hung_server_holds_a_call_until_its_process_ends() {
    let mut switch = socket_way(&Agent::hung());
    switch.patience = Duration::from_millis(300);
    assert_eq!(switch.call(&Call::to(DID)).ending, Ending::StillWaiting);
    let silent = Agent::behaving(|mut stream| {
        let _ = std::io::Write::write_all(&mut stream, b"connect\n\n");
        std::thread::sleep(Duration::from_millis(150));
    });
    went_to_the_site(&socket_way(&silent).call(&Call::to(DID)));
    let mut call = Call::to(DID);
    call.hangs_up = Some(HangsUp::After(Duration::from_millis(100)));
    assert_eq!(socket_way(&Agent::hung()).call(&call).ending, Ending::CallerHungUp, "the caller can leave");
}

/// What would happen if somebody added `async` to the sample.
#[test]
fn the_fake_notices_a_socket_that_is_made_asynchronous() {
    let agent = Agent::in_turn(vec![answer(&[("action", "busy")])]);
    let mut switch = FakeSwitch::new();
    switch.load_sample("strowger_entry.xml", "public", &[]);
    switch.async_race = PLENTY;
    let edit = [("127.0.0.1:8084", agent.socket.to_string()), ("/route\"", "/route async full\"".to_owned())];
    switch.load_sample("strowger_socket.xml", "", &edit.each_ref().map(|(a, b)| (*a, b.as_str())));
    assert_eq!(switch.call(&Call::to(DID)).ending, Ending::Parked);
}

// ---- the socket's dialplan -------------------------------------------------------------------------------------------

/// A call over the socket for which one answer is given.
fn answered(pairs: &[(&'static str, &str)], prepare: impl Fn(&mut FakeSwitch)) -> (Record, Agent) {
    let agent = Agent::in_turn(vec![answer(pairs)]);
    let mut switch = socket_way(&agent);
    prepare(&mut switch);
    (switch.call(&Call::to(DID)), agent)
}

fn stays(application: &str, stay: Stay) -> impl Fn(&mut FakeSwitch) + use<'_> {
    move |switch| switch.stays = vec![(application.to_owned(), String::new(), stay)]
}

#[test]
fn queue_conference_and_playback_answer_and_stay() {
    let (record, _) = answered(&[("action", "queue"), ("target", "support@default")], |_| {});
    assert_eq!((record.ran("callcenter"), record.ending.clone()), (vec!["support@default"], hung_up("NORMAL_CLEARING")));
    let (record, _) = answered(&[("action", "conference"), ("target", "3000")], |_| {});
    assert_eq!((record.ran("conference"), record.ending.clone()), (vec!["3000@default"], hung_up("NORMAL_CLEARING")));
    let (record, _) = answered(&[("action", "playback"), ("target", "closed.wav")], |_| {});
    assert_eq!((record.ran("playback"), record.ending.clone()), (vec!["closed.wav"], hung_up("NORMAL_CLEARING")));
    for action in ["queue", "conference", "playback", "voicemail"] {
        let (record, _) = answered(&[("action", action), ("target", "x")], |_| {});
        assert_eq!(record.ran("answer").len(), 1, "{action}");
    }
}

#[test]
fn congestion_and_hangup_refuse_the_call_so() {
    for (action, cause) in [("congestion", "NORMAL_CIRCUIT_CONGESTION"), ("hangup", "NORMAL_CLEARING")] {
        assert_eq!(answered(&[("action", action)], |_| {}).0.ending, hung_up(cause));
    }
}

#[test]
fn what_a_step_came_to_is_told_in_the_next_question() {
    for (action, application, stay, status) in [
        ("playback", "playback", Stay::Done, "SUCCESS"),
        ("playback", "playback", Stay::NoSuch, "FAILED"),
        ("voicemail", "voicemail", Stay::NoSuch, "FAILED"),
        ("queue", "callcenter", Stay::TimedOut, "TIMEOUT"),
        ("queue", "callcenter", Stay::NoSuch, "FAILED"),
    ] {
        let (record, agent) = answered(&[("action", action), ("target", "x"), ("step", "s1")], stays(application, stay));
        assert_eq!(agent.questions()[1].variable("strowger_status"), status, "{action}");
        assert_eq!(agent.questions()[1].variable("strowger_step"), "s1");
        went_to_the_site(&record);
    }
}

#[test]
fn a_last_step_that_this_switch_cannot_do_gives_the_call_to_the_sites_own_lines() {
    let last: [(&[(&'static str, &str)], &str); 6] = [
        (&[("action", "voicemail"), ("target", "nobody")], "voicemail"),
        (&[("action", "queue"), ("target", "nothing")], "callcenter"),
        (&[("action", "playback"), ("target", "nothing")], "playback"),
        (&[("action", "dial"), ("target", "")], ""),
        (&[("action", "dial"), ("target", ""), ("options", "{ignore_early_media=true}")], ""),
        (&[("action", "goto"), ("target", "nonsense")], ""),
    ];
    for (pairs, application) in last {
        let (record, _) = answered(pairs, stays(application, Stay::NoSuch));
        went_to_the_site(&record);
        assert!(record.log.iter().any(|l| l.contains("could not be done here")), "{pairs:?}");
    }
}

#[test]
fn a_queue_that_nobody_served_ends_the_call_if_there_is_no_other_step() {
    let (record, _) = answered(&[("action", "queue"), ("target", "x")], stays("callcenter", Stay::TimedOut));
    assert_eq!(record.ending, hung_up("TIMEOUT"), "which FreeSWITCH takes for NORMAL_CLEARING");
}

#[test]
fn an_action_that_this_file_does_not_know_goes_to_the_sites_own_lines() {
    for action in ["teleport", "dial2", "", "a b c"] {
        let (record, agent) = answered(&[("action", action), ("target", "user/101")], |_| {});
        went_to_the_site(&record);
        assert_eq!(agent.questions().len(), 1);
    }
}

#[test]
fn a_server_that_never_stops_handing_out_steps_is_asked_33_times_at_most() {
    let agent = Agent::answering(|_| answer(&[("action", "dial"), ("target", "user/101"), ("step", "again")]));
    let mut switch = socket_way(&agent);
    switch.legs = vec![("101".to_owned(), Outcome::Fails("USER_BUSY"))];
    let record = switch.call(&Call::to(DID));
    went_to_the_site(&record);
    assert_eq!(agent.questions().len(), 33, "one question and 32 steps");
    assert!(record.log.iter().any(|l| l.contains("more than 32 steps")));
}

#[test]
fn a_transferred_call_is_a_fresh_question() {
    let agent = Agent::in_turn(vec![answer(&[("action", "busy")])]);
    let mut call = Call::to(DID);
    for (name, value) in [("step", "old"), ("status", "USER_BUSY"), ("round", "xxxx"), ("action", "dial"), ("target", "user/666")] {
        call = call.with(&format!("strowger_{name}"), value);
    }
    assert_eq!(socket_way(&agent).call(&call).ending, hung_up("USER_BUSY"));
    let asked = agent.questions();
    for name in ["step", "status", "round", "action", "target"] {
        assert_eq!(asked[0].variable(&format!("strowger_{name}")), "", "{name}");
    }
    // nor is an old answer taken for one when there is none
    let record = socket_way(&Agent::dead()).call(&call);
    assert_eq!(record.dialled(), ["user/reception"]);
}

#[test]
fn the_site_names_its_own_default_and_tenant() {
    let agent = Agent::in_turn(vec![]);
    let call = Call::to(DID).with("strowger_default", "reception XML default").with("strowger_tenant", "acme");
    let record = socket_way(&agent).call(&call);
    assert_eq!((record.variable("site"), record.dialled()), ("inside", vec!["user/reception"]));
    assert_eq!(agent.questions()[0].variable("strowger_tenant"), "acme");
    assert_eq!(agent.questions()[0].variable("socket_path"), "route");
}

// ---- strangers' text -------------------------------------------------------------------------------------------------

#[test]
fn names_are_text_and_nothing_else() {
    for name in ["O'Brien & D'Arcy", "a=b,c|d;e {x} [y]", "<b>\"Q\"</b> & more", "100% \\ back\\slash", "Jürgen 中文", "x XML default"] {
        for way in BOTH {
            let agent = Agent::in_turn(vec![answer(&[("action", "dial"), ("target", "user/101"), ("name", name)])]);
            let record = way(&agent).call(&Call::to(DID).from("+14155550101", name));
            assert_eq!(record.ending, Ending::Bridged("user/101".to_owned()), "{name}");
            assert_eq!(record.bridges[0].shown_name, name);
            nothing_injected(&record);
        }
    }
}

#[test]
fn a_callers_own_name_and_number_run_nothing() {
    for evil in ["${system(touch /tmp/x)}", "$${domain}", "\\${system(x)}", "'", "a'b'c", "${strowger_target}", "x|y", "a\u{1}b=c"] {
        for way in BOTH {
            for agent in
                [Agent::in_turn(vec![answer(&[("action", "dial"), ("target", "user/101")])]), Agent::in_turn(vec![]), Agent::dead()]
            {
                let record = way(&agent).call(&Call::to(DID).from("1001", evil));
                nothing_injected(&record);
                assert!(matches!(record.ending, Ending::EndOfDialplan | Ending::Bridged(_)), "{record:#?}");
            }
        }
    }
}

#[test]
fn a_dialled_number_cannot_become_arguments_or_reach_our_own_extensions() {
    let tricks = ["500 XML default", "-both 500 XML default", "-bleg", "ask", "do_dial", "back", "failed", "x' y", "a\\ b", "1 2", ""];
    for to in tricks {
        let agent = Agent::in_turn(vec![]);
        let record = socket_way(&agent).call(&Call::to(to));
        assert_eq!(record.variable("site"), "default", "{to}: {record:#?}");
        assert!(agent.questions().iter().all(|q| q.to() == to), "{to}");
        nothing_injected(&record);
        assert!(record.applications.len() < 20, "{to}: it went round and round");
    }
    // what isn't let through isn't asked about
    for to in ["500 XML default", "-both 500 XML default", "${system(x)}", "1\n2", "a'b"] {
        let agent = Agent::in_turn(vec![]);
        let mut switch = socket_way(&agent);
        switch.contexts.get_mut("public").unwrap().truncate(1);
        let record = switch.call(&Call::to(to));
        assert_eq!((agent.questions().len(), record.ending), (0, hung_up("NO_ROUTE_DESTINATION")), "{to}");
        assert_eq!(record.executed_apis, []);
    }
}

// ---- only the name ---------------------------------------------------------------------------------------------------

fn shown(agent: &Agent, call: &Call) -> String {
    let record = name_way(agent).call(call);
    went_on_with(&record);
    record.bridges[0].shown_name.clone()
}

fn went_on_with(record: &Record) {
    assert_eq!(record.variable("site"), "default");
    nothing_injected(record);
}

#[test]
fn a_known_caller_is_shown_by_name_and_an_unknown_one_as_the_call_says() {
    let known = Agent::answering(|q| answer(&[("name", if q.header("number") == "14155550101" { "O'Brien & Söhne" } else { "" })]));
    assert_eq!(shown(&known, &Call::to(DID).from("+14155550101", "SCHOOL")), "O'Brien & Söhne");
    assert_eq!(shown(&known, &Call::to(DID).from("+14155550102", "SOMEBODY")), "SOMEBODY");
}

#[test]
fn names_are_looked_up_without_harm_when_the_server_is_down_hung_or_mad() {
    let evil = Agent::answering(|_| answer(&[("name", "${system(x)}")]));
    for agent in [Agent::dead(), Agent::closing(), Agent::hung(), Agent::saying(b"\x00\xff\n\n"), evil] {
        let mut switch = name_way(&agent);
        let milliseconds = parameter("strowger_cidlookup/cidlookup.conf.xml", "curl-timeout").parse().unwrap();
        switch.cidlookup.as_mut().unwrap().timeout = Duration::from_millis(milliseconds);
        let record = switch.call(&Call::to(DID).from("+14155550101", "SCHOOL"));
        assert_eq!(record.bridges[0].shown_name, "SCHOOL");
        assert!(record.took < PLENTY / 2, "{:?}", record.took);
        went_on_with(&record);
    }
}

#[test]
fn a_withheld_or_odd_number_is_not_looked_up() {
    let agent = Agent::answering(|_| answer(&[("name", "Nobody Should See This")]));
    for (number, privacy) in [("+14155550101", "id"), ("anonymous", ""), ("", ""), ("1 skipurl", ""), ("+1415'5550101", "")] {
        assert_eq!(shown(&agent, &Call::to(DID).from(number, "As It Came").with("sip_Privacy", privacy)), "As It Came");
    }
    let rpid = Call::to(DID).from("+14155550101", "As It Came");
    let rpid = rpid.with("sip_Remote-Party-ID", "<sip:+14155550101@127.0.0.1>;party=calling;privacy=full");
    assert_eq!(shown(&agent, &rpid), "As It Came");
    assert_eq!(agent.questions().len(), 0);
}
