//! The sample dialplans for FreeSWITCH and the real server, each as it is: what becomes of a call, whatever is answered
//! and whatever happens to the server.

#[path = "support/freeswitch/mod.rs"]
mod freeswitch;
mod support;

use freeswitch::servers::{Agent, listen};
use freeswitch::ways::{BOTH, SITE, Way, name_way, parameter, socket_way, xml_way};
use freeswitch::{Call, Ending, FakeSwitch, Outcome, Record, Stay, sample};
use rustix::process::Signal;
use std::io::copy;
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use strowger::control::{ListKey, Request, RouteWhich};
use strowger::daemon::Options;
use strowger::routing::List;
use support::*;

/// A number whose route has three steps.
const THREE: &str = "+12025550113";

/// One that is queued first, and one that is played to first.
const AFTER_QUEUE: &str = "+12025550114";
const AFTER_SOUND: &str = "+12025550115";
/// One that gets a mailbox first.
const AFTER_BOX: &str = "+12025550117";
/// One that rings first, and is the site's own then.
const THEN_SITE: &str = "+12025550116";

fn route(tenant: &str, to: &str, steps: &[&str]) -> Request {
    let steps = steps.iter().map(|s| (*s).to_owned()).collect();
    Request::RouteSet { tenant: tenant.to_owned(), which: RouteWhich::Number(to.to_owned()), steps, fallback: None }
}

/// What these tests ask for beside the sample directory.
fn requests() -> Vec<Request> {
    let mut all = Vec::new();
    let kinds = ["voicemail:199", "queue:support", "conference:3000", "playback:closed.wav", "goto:default,500,1"];
    let kinds = kinds.iter().chain(&["busy", "congestion", "hangup", "continue"]);
    all.extend(kinds.zip(101..).map(|(step, n)| route("default", &format!("+12025550{n}"), &[step])));
    all.push(route("default", THREE, &["dial:101,timeout=20", "dial:102,timeout=15", "dial:103"]));
    all.push(route("default", AFTER_QUEUE, &["queue:support,timeout=60", "dial:104"]));
    all.push(route("default", AFTER_SOUND, &["playback:welcome.wav", "dial:104"]));
    all.push(route("default", AFTER_BOX, &["voicemail:199", "dial:104"]));
    all.push(route("default", THEN_SITE, &["dial:101,timeout=20", "continue"]));
    all.push(route("acme", DID, &["dial:7"]));
    let anonymous = |tenant: &str| Request::ScreenSet {
        tenant: tenant.to_owned(),
        list: List::Block,
        key: ListKey::Anonymous,
        action: Some("congestion".to_owned()),
    };
    all.push(anonymous("acme"));
    all
}

fn serving(more: Vec<Request>) -> (Place, InProcess, Agent) {
    let (place, server) = served(Options::default(), requests().into_iter().chain(more).collect());
    let agent = at(server.esl(), server.lookup_http());
    (place, server, agent)
}

/// A place whose server will be a process of its own.
fn filled() -> Place {
    let (place, server, _) = serving(vec![]);
    drop(server);
    place
}

fn at(socket: SocketAddr, http: SocketAddr) -> Agent {
    Agent { socket, http, asked: Arc::default() }
}

fn call(to: &str) -> Call {
    Call::to(to).from(SCHOOL, "LINCOLN")
}

fn hung_up(cause: &str) -> Ending {
    Ending::HungUp(cause.to_owned())
}

/// The site's own lines got the call, with the number that was called, and find nothing of ours in their way.
fn went_to_the_site(record: &Record, to: &str) {
    assert_eq!((record.variable("site"), record.dialled().last()), ("default", Some(&"user/reception")), "{record:#?}");
    assert_eq!(record.profile["destination_number"], to);
    for ours in ["call_timeout", "continue_on_fail", "hangup_after_bridge", "strowger_back"] {
        assert_eq!(record.variable(ours), "", "{ours}");
    }
    assert_eq!(record.executed_apis, []);
}

// ---- what is answered ------------------------------------------------------------------------------------------------

#[test]
fn a_call_rings_whom_its_route_names_and_shows_who_calls() {
    let (_place, _server, agent) = serving(vec![]);
    for way in BOTH {
        let record = way(&agent).call(&call(DID));
        assert_eq!((&record.ending, record.dialled()), (&Ending::Bridged("user/101".to_owned()), vec!["user/101", "user/102"]));
        let bridge = &record.bridges[0];
        assert_eq!((bridge.timeout.as_deref(), bridge.shown_name.as_str()), (Some("20"), "Lincoln School"));
        assert_eq!(bridge.shown_number, SCHOOL);
        let record = way(&agent).call(&call(DID).from("+12025550147", "J DOE"));
        assert_eq!(record.bridges[0].shown_name, "J DOE", "a stranger keeps the name that came with the call");
    }
}

#[test]
fn every_other_kind_of_step_is_done_both_ways() {
    let (_place, _server, agent) = serving(vec![]);
    for way in BOTH {
        for (to, application, data, cause) in [
            ("+12025550101", "voicemail", "default pbx.example 199", "NORMAL_CLEARING"),
            ("+12025550102", "callcenter", "support", "NORMAL_CLEARING"),
            ("+12025550103", "conference", "3000@default", "NORMAL_CLEARING"),
            ("+12025550104", "playback", "closed.wav", "NORMAL_CLEARING"),
            ("+12025550106", "hangup", "USER_BUSY", "USER_BUSY"),
            ("+12025550107", "hangup", "NORMAL_CIRCUIT_CONGESTION", "NORMAL_CIRCUIT_CONGESTION"),
            ("+12025550108", "hangup", "NORMAL_CLEARING", "NORMAL_CLEARING"),
        ] {
            let record = way(&agent).call(&call(to));
            assert_eq!((record.ran(application), &record.ending), (vec![data], &hung_up(cause)), "{to}");
            assert_eq!(record.ran("answer").len(), usize::from(application != "hangup"), "{to}");
            assert_eq!(record.executed_apis, []);
        }
        let record = way(&agent).call(&call("+12025550105"));
        assert_eq!((record.variable("site"), record.dialled()), ("inside", vec!["user/500"]), "goto");
        went_to_the_site(&way(&agent).call(&call("+12025550109")), "+12025550109");
    }
}

#[test]
fn a_tenant_s_mailboxes_are_in_its_own_domain_and_a_room_may_name_its_profile() {
    let place = Place::new("[[tenant]]\nid = \"default\"\n[[tenant]]\nid = \"acme\"\ndomain = \"acme.example\"\n");
    let server = place.in_process(Options::default(), |_| {});
    for tenant in ["default", "acme"] {
        server.fill([route(tenant, "+12025550101", &["voicemail:199"]), route(tenant, "+12025550102", &["conference:3000@wideband"])]);
    }
    let agent = at(server.esl(), server.lookup_http());
    for way in BOTH {
        for (tenant, domain) in [("default", "pbx.example"), ("acme", "acme.example")] {
            let record = way(&agent).call(&call("+12025550101").with("strowger_tenant", tenant));
            assert_eq!(record.ran("voicemail"), vec![format!("default {domain} 199")]);
        }
        assert_eq!(way(&agent).call(&call("+12025550102")).ran("conference"), vec!["3000@wideband"]);
    }
}

#[test]
fn steps_follow_each_other_and_the_last_one_s_cause_is_the_call_s() {
    let (_place, _server, agent) = serving(vec![]);
    for way in BOTH {
        for causes in [["USER_BUSY", "NO_ANSWER", "SUBSCRIBER_ABSENT"], ["NO_ANSWER", "CALL_REJECTED", "USER_BUSY"]] {
            let mut switch = way(&agent);
            switch.legs = ["101", "102", "103"].map(str::to_owned).into_iter().zip(causes.map(Outcome::Fails)).collect();
            let record = switch.call(&call(THREE));
            assert_eq!((record.dialled(), &record.ending), (vec!["user/101", "user/102", "user/103"], &hung_up(causes[2])));
            let shown: Vec<_> = record.bridges.iter().map(|b| (b.timeout.as_deref(), b.shown_name.as_str())).collect();
            assert_eq!(shown, [(Some("20"), "Lincoln School"), (Some("15"), "Lincoln School"), (Some("30"), "Lincoln School")]);
            switch.legs.pop();
            assert_eq!(switch.call(&call(THREE)).ending, Ending::Bridged("user/103".to_owned()));
        }
        let mut switch = way(&agent);
        switch.legs = vec![("user/10".to_owned(), Outcome::Fails("NO_ANSWER"))];
        let record = switch.call(&call(THEN_SITE));
        assert_eq!(record.dialled(), ["user/101", "user/reception"]);
        went_to_the_site(&record, THEN_SITE);
        let record = switch.call(&call(DID));
        assert_eq!((record.ran("voicemail"), &record.ending), (vec!["default pbx.example 199"], &hung_up("NORMAL_CLEARING")));
    }
}

#[test]
fn whoever_was_served_in_a_queue_is_through_and_whoever_was_not_or_heard_a_sound_gets_the_next_step() {
    let (_place, _server, agent) = serving(vec![]);
    for way in BOTH {
        let record = way(&agent).call(&call(AFTER_QUEUE));
        assert_eq!((record.ran("callcenter"), record.dialled().len()), (vec!["support"], 0), "served");
        assert_eq!(record.ending, hung_up("NORMAL_CLEARING"));
        for stay in [Stay::TimedOut, Stay::NoSuch] {
            let mut switch = way(&agent);
            switch.stays = vec![("callcenter".to_owned(), String::new(), stay)];
            let record = switch.call(&call(AFTER_QUEUE));
            assert_eq!((record.ran("callcenter").len(), record.dialled()), (1, vec!["user/104"]), "{stay:?}");
            assert_eq!(record.ending, Ending::Bridged("user/104".to_owned()));
        }
        let record = way(&agent).call(&call(AFTER_SOUND));
        assert_eq!((record.ran("playback"), record.dialled()), (vec!["welcome.wav"], vec!["user/104"]));
    }
}

#[test]
fn whoever_left_a_message_is_through_and_behind_a_box_that_is_not_there_the_next_step_is_taken() {
    let (_place, _server, agent) = serving(vec![]);
    for way in BOTH {
        let record = way(&agent).call(&call(AFTER_BOX));
        assert_eq!((record.ran("voicemail").len(), record.bridges.len(), record.ending), (1, 0, hung_up("NORMAL_CLEARING")));
        let mut switch = way(&agent);
        switch.stays = vec![("voicemail".to_owned(), String::new(), Stay::NoSuch)];
        let record = switch.call(&call(AFTER_BOX));
        assert_eq!(record.dialled(), vec!["user/104"]);
        assert_eq!(record.ending, Ending::Bridged("user/104".to_owned()));
    }
}

#[test]
fn a_blocked_caller_is_refused_and_one_who_withholds_the_number_is_not_named() {
    let (_place, _server, agent) = serving(vec![]);
    for way in BOTH {
        let blocked = way(&agent).call(&call(DID).from("+19005550199", "WIN"));
        assert_eq!((blocked.ending, blocked.bridges.len()), (hung_up("USER_BUSY"), 0));
        let hidden = Call { hide_number: true, hide_name: true, ..call(DID) };
        let record = way(&agent).call(&hidden);
        assert_eq!((record.bridges[0].shown_name.as_str(), record.variable("strowger_contact")), ("LINCOLN", ""));
        for caller in [hidden, call(DID).from("anonymous", "Anonymous")] {
            let record = way(&agent).call(&caller.with("strowger_tenant", "acme"));
            assert_eq!((record.ending, record.bridges.len()), (hung_up("NORMAL_CIRCUIT_CONGESTION"), 0));
        }
        let record = way(&agent).call(&call(DID).with("strowger_tenant", "acme"));
        assert_eq!((record.dialled(), record.bridges[0].shown_name.as_str()), (vec!["user/7"], "LINCOLN"), "another tenant's directory");
    }
}

#[test]
fn an_unknown_number_an_emergency_number_and_an_unknown_tenant_are_left_to_the_site() {
    let (_place, _server, agent) = serving(vec![]);
    for way in BOTH {
        for to in ["+442079460000", "911", "300", "*97", "alice"] {
            went_to_the_site(&way(&agent).call(&call(to)), to);
        }
        went_to_the_site(&way(&agent).call(&call(DID).with("strowger_tenant", "nobody")), DID);
        went_to_the_site(&way(&agent).call(&call(DID).with("strowger_tenat", "acme")), DID);
    }
}

#[test]
fn names_are_shown_as_they_were_stored_and_run_nothing() {
    let names = [
        ("O'Brien & D'Arcy", "O'Brien & D'Arcy"),
        ("a=b,c|d;e {x} [y] ^~!#", "a=b,c|d;e {x} [y] ^~!#"),
        ("<b y=\"1\">Q</b> & more", "<b y=\"1\">Q</b> & more"),
        (r"back\slash \n \\ end\", r"back\slash \n \\ end\"),
        ("Jürgen 中文 📞", "Jürgen 中文 📞"),
        ("${system(reboot)} $${domain}", "{system(reboot)} {domain}"),
    ];
    let number = |n: usize| format!("+120255502{n:02}");
    let more = names.iter().enumerate().map(|(n, (stored, _))| contact("default", &format!("c{n}"), stored, &number(n))).collect();
    let (_place, _server, agent) = serving(more);
    for (n, (stored, shown)) in names.iter().enumerate() {
        for way in [socket_way as Way, xml_way, name_way] {
            let record = way(&agent).call(&call(DID).from(&number(n), "J DOE"));
            assert_eq!((record.bridges[0].shown_name.as_str(), record.executed_apis.len()), (*shown, 0), "{stored}");
        }
    }
}

#[test]
fn only_the_name_is_looked_up_where_the_site_routes_itself() {
    let (_place, _server, agent) = serving(vec![contact("default", "sale", "50% off %s", "+12025550177")]);
    let shown = |call: &Call| {
        let record = name_way(&agent).call(call);
        went_to_the_site(&record, DID);
        record.bridges[0].shown_name.clone()
    };
    assert_eq!(shown(&call(DID)), "Lincoln School");
    assert_eq!(shown(&call(DID).from("+493023125000", "X")), "Bäckerei Jürgen \"Brezn\" Groß", "although the plus was lost on the way");
    assert_eq!(shown(&call(DID).from("+12025550177", "X")), "50 off s", "percent signs are taken out");
    assert_eq!(shown(&call(DID).from("+12025550147", "J DOE")), "J DOE");
    assert_eq!(shown(&call(DID).with("sip_Privacy", "id")), "LINCOLN");
}

// ---- contexts --------------------------------------------------------------------------------------------------------

#[test]
fn calls_between_extensions_are_not_caught_by_a_default_route_because_the_url_names_the_context() {
    let default = Request::RouteSet { tenant: "default".into(), which: RouteWhich::Default, steps: vec!["busy".into()], fallback: None };
    let (_place, _server, agent) = serving(vec![default]);
    let inside = Call { context: "default".to_owned(), ..Call::to("500").from("101", "Kitchen") };
    let mut switch = xml_way(&agent);
    let record = switch.call(&inside);
    assert_eq!((record.variable("site"), record.dialled()), ("inside", vec!["user/500"]));
    assert_eq!(switch.call(&call("+442079460000")).ending, hung_up("USER_BUSY"), "a call from outside is");
    let binding = switch.xml_curl.as_mut().unwrap();
    binding.url = binding.url.replace("?context=public", "");
    assert_eq!(switch.call(&inside).ending, hung_up("USER_BUSY"), "without context= it would be");
}

#[test]
fn the_manual_s_binding_is_the_sample_s_and_says_what_the_context_is_for() {
    let manual = sample("README.md");
    let file = "strowger_xml_curl/xml_curl.conf.xml";
    let [url, timeout] = ["gateway-url", "timeout"].map(|name| parameter(file, name));
    assert!(manual.contains(&format!("<param name=\"gateway-url\" value=\"{url}\" bindings=\"dialplan\"/>")), "{url}");
    assert!(manual.contains(&format!("<param name=\"timeout\" value=\"{timeout}\"/>")), "{timeout}");
    assert!(manual.contains("* `context=public`"));
}

// ---- what happens to the server --------------------------------------------------------------------------------------

/// A server in a process, behind addresses that stay the same, and with it what happens to it between two questions.
struct Frail {
    server: Mutex<Option<Running>>,
    questions: Mutex<usize>,
}

impl Frail {
    /// Serves the place. `before` is told how many questions there were, and does to the server what it likes.
    /// Its end is that of what comes back second: whoever listens at the doors does so for ever.
    fn of(place: Arc<Place>, before: impl Fn(usize, &Place, &mut Option<Running>) + Send + Sync + 'static) -> (Agent, Ended) {
        let frail = Arc::new(Frail { server: Mutex::new(Some(place.serve(&[]))), questions: Mutex::new(0) });
        let before = Arc::new(before);
        let door = |which: fn(&Running) -> SocketAddr| {
            let (frail, before, place) = (frail.clone(), before.clone(), place.clone());
            listen(move |switch| {
                let mut server = frail.server.lock().unwrap_or_else(PoisonError::into_inner);
                let mut questions = frail.questions.lock().unwrap();
                before(*questions, &place, &mut server);
                *questions += 1;
                let address = server.as_ref().map(which);
                drop((server, questions));
                if let Some(stream) = address.and_then(|address| TcpStream::connect(address).ok()) {
                    joined(switch, stream);
                }
            })
        };
        (at(door(|r| r.esl), door(|r| r.lookup_http)), Ended(frail.clone()))
    }
}

/// Ends the server when it is dropped.
struct Ended(Arc<Frail>);

impl Drop for Ended {
    fn drop(&mut self) {
        killed(&mut self.0.server.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

/// Hands bytes on in both directions until both have ended.
fn joined(a: TcpStream, b: TcpStream) {
    let [mut from_a, mut to_a] = [a.try_clone().unwrap(), a];
    let [mut from_b, mut to_b] = [b.try_clone().unwrap(), b];
    let there = std::thread::spawn(move || {
        let _ = copy(&mut from_a, &mut to_b);
        let _ = to_b.shutdown(Shutdown::Write);
    });
    let _ = copy(&mut from_b, &mut to_a);
    let _ = to_a.shutdown(Shutdown::Both);
    let _ = there.join();
}

fn killed(server: &mut Option<Running>) {
    // dropped is killed and waited for
    drop(server.take());
}

/// The three steps' telephones are all busy.
fn all_busy(mut switch: FakeSwitch) -> FakeSwitch {
    switch.legs = vec![("user/10".to_owned(), Outcome::Fails("USER_BUSY"))];
    switch
}

#[test]
fn a_server_that_is_killed_between_two_steps_costs_no_call() {
    for way in BOTH {
        let (agent, _ended) = Frail::of(Arc::new(filled()), |questions, _, server| {
            if questions == 1 {
                killed(server);
            }
        });
        let record = all_busy(way(&agent)).call(&call(THREE));
        assert_eq!(record.dialled(), ["user/101", "user/reception"]);
        went_to_the_site(&record, THREE);
    }
}

#[test]
fn a_server_that_is_killed_and_started_again_between_two_steps_goes_on_where_the_call_stood() {
    for way in BOTH {
        let (agent, _ended) = Frail::of(Arc::new(filled()), |questions, place, server| {
            if questions == 1 {
                killed(server);
                *server = Some(place.serve(&[]));
                place.settled();
            }
        });
        let record = all_busy(way(&agent)).call(&call(THREE));
        assert_eq!((record.dialled(), &record.ending), (vec!["user/101", "user/102", "user/103"], &hung_up("USER_BUSY")));
    }
}

#[test]
fn while_the_server_is_down_calls_go_to_the_site_and_afterwards_as_before() {
    let place = filled();
    let mut server = place.serve(&[]);
    for way in BOTH {
        let agent = at(server.esl, server.lookup_http);
        assert_eq!(way(&agent).call(&call(DID)).ending, Ending::Bridged("user/101".to_owned()));
        server.child.kill().unwrap();
        server.child.wait().unwrap();
        went_to_the_site(&way(&agent).call(&call(DID)), DID);
        let named = name_way(&agent).call(&call(DID));
        assert_eq!(named.bridges[0].shown_name, "LINCOLN");
        server = place.serve(&[]);
        let agent = at(server.esl, server.lookup_http);
        assert_eq!(way(&agent).call(&call(DID)).ending, Ending::Bridged("user/101".to_owned()));
        assert_eq!(name_way(&agent).call(&call(DID)).bridges[0].shown_name, "Lincoln School");
    }
}

#[test]
fn over_http_a_server_that_stands_still_costs_a_call_its_timeout_and_no_more() {
    let place = filled();
    let server = place.serve(&[]);
    let agent = at(server.esl, server.lookup_http);
    let seconds = parameter("strowger_xml_curl/xml_curl.conf.xml", "timeout").parse().unwrap();
    let milliseconds = parameter("strowger_cidlookup/cidlookup.conf.xml", "curl-timeout").parse().unwrap();
    let (mut by_xml, mut by_name) = (xml_way(&agent), name_way(&agent));
    by_xml.xml_curl.as_mut().unwrap().timeout = Some(Duration::from_secs(seconds));
    by_name.cidlookup.as_mut().unwrap().timeout = Duration::from_millis(milliseconds);
    server.signal(Signal::STOP);
    let (fetched, named) = (by_xml.call(&call(DID)), by_name.call(&call(DID)));
    server.signal(Signal::CONT);
    went_to_the_site(&fetched, DID);
    assert!((Duration::from_millis(950)..Duration::from_secs(5)).contains(&fetched.took), "{:?}", fetched.took);
    went_to_the_site(&named, DID);
    assert_eq!(named.bridges[0].shown_name, "LINCOLN");
    assert!((Duration::from_millis(450)..Duration::from_secs(5)).contains(&named.took), "{:?}", named.took);
    // and when it goes on, so do its answers
    assert_eq!(xml_way(&agent).call(&call(DID)).ending, Ending::Bridged("user/101".to_owned()));
}

#[test]
fn above_the_cap_a_call_gets_its_route_s_fallback() {
    let place = filled();
    let server = place.in_process(Options::default(), |config| config.sessions_max = 2);
    let agent = at(server.esl(), server.lookup_http());
    let taken: Vec<_> = (0..2)
        .map(|_| {
            let mut stream = connect(server.esl());
            assert_eq!(hear_line(&mut stream), b"connect\n");
            stream
        })
        .collect();
    for way in BOTH {
        let record = way(&agent).call(&call(DID));
        assert_eq!((record.variable("strowger_status"), record.variable("strowger_reason")), ("error", "capacity"));
        assert_eq!((record.dialled(), &record.ending), (vec!["user/101"], &Ending::Bridged("user/101".to_owned())));
        // a route without a fallback
        went_to_the_site(&way(&agent).call(&call(THREE)), THREE);
    }
    assert_eq!(name_way(&agent).call(&call(DID)).bridges[0].shown_name, "LINCOLN");
    drop(taken);
    assert!(within(PLENTY, || socket_way(&agent).call(&call(DID)).variable("strowger_reason") == "matched"));
}

/// The manual says not to do this; a call must not pay for it.
#[test]
fn a_socket_line_that_was_made_asynchronous_still_gets_its_answer() {
    let (_place, _server, agent) = serving(vec![]);
    for flags in ["async", "async full", "full"] {
        let mut switch = FakeSwitch::new();
        switch.load_sample("strowger_entry.xml", "public", &[]);
        let edits = [("127.0.0.1:8084", agent.socket.to_string()), ("/route\"", format!("/route {flags}\""))];
        switch.load_sample("strowger_socket.xml", "", &edits.each_ref().map(|(from, to)| (*from, to.as_str())));
        switch.load(SITE, "");
        let record = all_busy(switch.clone()).call(&call(THREE));
        assert_eq!((record.dialled(), &record.ending), (vec!["user/101", "user/102", "user/103"], &hung_up("USER_BUSY")), "{flags}");
        went_to_the_site(&switch.call(&call("+442079460000")), "+442079460000");
    }
}
