//! The sample dialplans for FreeSWITCH, run in the fake switch: members who press a key, challenged callers, calls to the
//! outside and star codes.

#[path = "support/freeswitch/mod.rs"]
mod freeswitch;

use freeswitch::servers::{Agent, Answer};
use freeswitch::ways::{BOTH, outbound_way, socket_way};
use freeswitch::{Bridge, Call, Ending, FakeSwitch, Outcome, Record};

/// The number that is called.
const DID: &str = "+14155550199";
/// A family: a desk phone, a mobile at once and one after five seconds; who takes a mobile presses 1.
const FAMILY: &str = "user/101:_:{ignore_early_media=true}{group_confirm_key=1,group_confirm_file='tone_stream://%(200,100,440)',\
                      group_confirm_read_timeout=15000}sofia/gateway/carrier/+14155550111:_:{ignore_early_media=true}\
                      {group_confirm_key=1,group_confirm_file='tone_stream://%(200,100,440)',group_confirm_read_timeout=15000,\
                      originate_delay_start=5000,leg_timeout=20}sofia/gateway/carrier/+14155550112";

fn answer(pairs: &[(&'static str, &str)]) -> Answer {
    pairs.iter().map(|(n, v)| (*n, (*v).to_owned())).collect()
}

fn family(step: &'static str) -> Answer {
    answer(&[
        ("action", "dial"),
        ("target", FAMILY),
        ("timeout", "25"),
        ("options", "{ignore_early_media=true}"),
        ("name", "Ann"),
        ("step", step),
    ])
}

fn legs(legs: &[(&str, Outcome)]) -> Vec<(String, Outcome)> {
    legs.iter().map(|(leg, outcome)| ((*leg).to_owned(), *outcome)).collect()
}

fn causes(bridge: &Bridge) -> Vec<&'static str> {
    bridge.rung.iter().map(|r| r.cause.unwrap_or_default()).collect()
}

fn nothing_injected(record: &Record) {
    assert_eq!(record.executed_apis, [], "an API ran");
}

#[test]
fn a_voicemail_that_answers_first_does_not_steal_the_call() {
    for way in BOTH {
        let agent = Agent::in_turn(vec![family("")]);
        let mut switch = way(&agent);
        switch.legs = legs(&[("101", Outcome::AnswersIn(8)), ("0111", Outcome::Answers), ("0112", Outcome::Rings)]);
        let record = switch.call(&Call::to(DID));
        assert_eq!(record.ending, Ending::Bridged("user/101".to_owned()));
        let bridge = &record.bridges[0];
        assert_eq!(causes(bridge), ["", "LOSE_RACE", "LOSE_RACE"], "the others are told that it was answered elsewhere");
        assert_eq!((bridge.at, bridge.heard_ringing, bridge.shown_name.as_str()), (8, true, "Ann"));
        nothing_injected(&record);
    }
}

#[test]
fn a_member_who_presses_the_key_has_the_call() {
    for way in BOTH {
        let agent = Agent::in_turn(vec![family("")]);
        let mut switch = way(&agent);
        let late = ("0112", Outcome::Presses("1", 3));
        switch.legs = legs(&[("101", Outcome::Rings), ("0111", Outcome::Presses("2", 1)), late]);
        let record = switch.call(&Call::to(DID));
        assert_eq!(record.ending, Ending::Bridged("sofia/gateway/carrier/+14155550112".to_owned()));
        let bridge = &record.bridges[0];
        assert_eq!(bridge.rung.iter().map(|r| r.from).collect::<Vec<_>>(), [Some(0), Some(0), Some(5)]);
        let prompt = |name: &str| bridge.rung[2].variables.iter().find(|(n, _)| n == name).unwrap().1.clone();
        assert_eq!(prompt("group_confirm_file"), "tone_stream://%(200,100,440)", "the commas reach the leg");
        assert_eq!(prompt("group_confirm_read_timeout"), "15000");
    }
}

#[test]
fn a_family_that_nobody_answers_rings_for_its_time_and_leads_to_the_next_step() {
    for way in BOTH {
        let agent = Agent::in_turn(vec![family("s1"), answer(&[("action", "busy")])]);
        let mut switch = way(&agent);
        switch.legs = legs(&[("101", Outcome::Rings), ("0111", Outcome::Answers), ("0112", Outcome::Rings)]);
        let record = switch.call(&Call::to(DID));
        assert_eq!(record.ending, Ending::HungUp("USER_BUSY".to_owned()));
        assert_eq!((record.bridges[0].at, causes(&record.bridges[0])[..2].to_vec()), (25, vec!["NO_ANSWER", "NO_ANSWER"]));
        let asked = agent.questions();
        assert_eq!([asked[1].variable("strowger_step"), asked[1].variable("strowger_status")], ["s1", "ALLOTTED_TIMEOUT"]);
    }
}

#[test]
fn a_familys_last_failure_is_the_calls_and_not_the_sites_business() {
    let agent = Agent::in_turn(vec![family("")]);
    let mut switch = socket_way(&agent);
    switch.legs = legs(&[("", Outcome::Fails("USER_BUSY"))]);
    let record = switch.call(&Call::to(DID));
    assert_eq!(record.ending, Ending::HungUp("USER_BUSY".to_owned()));
    assert_eq!(record.variable("site"), "");
}

// ---- a challenge over the socket -------------------------------------------------------------------------------------

/// What becomes of a caller who is asked for a key.
fn challenged(presses: Option<&str>, timeout: &str) -> (Record, Agent) {
    let challenge =
        answer(&[("action", "challenge"), ("target", "ivr/press1.wav"), ("timeout", timeout), ("step", "c1"), ("reason", "challenge")]);
    let agent = Agent::in_turn(vec![challenge, answer(&[("action", "dial"), ("target", "user/101")])]);
    let mut call = Call::to(DID).with("strowger_key", "1");
    call.presses = presses.map(str::to_owned);
    (socket_way(&agent).call(&call), agent)
}

#[test]
fn a_caller_who_presses_one_passes_the_challenge() {
    for (timeout, milliseconds) in [("5", "5000"), ("", "8000")] {
        let (record, agent) = challenged(Some("1"), timeout);
        assert_eq!(record.ending, Ending::Bridged("user/101".to_owned()));
        let asked = format!("1 1 1 {milliseconds} # ivr/press1.wav silence_stream://10 strowger_key 1");
        assert_eq!(record.ran("play_and_get_digits"), [asked.as_str()]);
        let questions = agent.questions();
        assert_eq!([questions[1].variable("strowger_step"), questions[1].variable("strowger_status")], ["c1", "PASSED"]);
        nothing_injected(&record);
    }
}

#[test]
fn another_key_silence_and_hanging_up_end_a_challenged_call() {
    for (presses, ending) in [
        (Some("2"), Ending::HungUp("CALL_REJECTED".to_owned())),
        (None, Ending::HungUp("CALL_REJECTED".to_owned())),
        (Some("hangup"), Ending::CallerHungUp),
    ] {
        let (record, agent) = challenged(presses, "5");
        assert_eq!((record.ending.clone(), agent.questions().len()), (ending, 1), "{presses:?}");
        assert_eq!(record.variable("site"), "");
    }
}

// ---- what telephones dial --------------------------------------------------------------------------------------------

/// A telephone of this switch calls, whose user shows a number of its own.
fn telephone(to: &str) -> Call {
    let mut call = Call::to(to).from("101", "Desk").with("effective_caller_id_number", "+14155550100");
    call.context = "default".to_owned();
    call
}

fn outside(way: fn(&Agent) -> FakeSwitch, answers: Vec<Answer>, to: &str, does: &[(&str, Outcome)]) -> (Record, Agent) {
    let agent = Agent::in_turn(answers);
    let mut switch = way(&agent);
    switch.legs = legs(does);
    (switch.call(&telephone(to)), agent)
}

#[test]
fn a_congested_trunk_is_followed_by_the_next_one_and_each_shows_its_own_number() {
    let over = |trunk: &str, shown: &str, step: &str| {
        answer(&[("action", "dial"), ("target", &format!("sofia/gateway/{trunk}/+4930555")), ("callerid", shown), ("step", step)])
    };
    let answers = vec![over("one", "+14155550001", "o1"), over("two", "+14155550002", "o2"), over("three", "", "")];
    let does = [("/one/", Outcome::Fails("NORMAL_CIRCUIT_CONGESTION")), ("/two/", Outcome::Fails("SUBSCRIBER_ABSENT"))];
    let (record, agent) = outside(outbound_way, answers, "+4930555", &does);
    assert_eq!(record.ending, Ending::Bridged("sofia/gateway/three/+4930555".to_owned()));
    let shown: Vec<_> = record.bridges.iter().map(|b| b.shown_number.as_str()).collect();
    assert_eq!(shown, ["+14155550001", "+14155550002", "+14155550100"], "the last one says none, and the telephone's own is back");
    let asked = agent.questions();
    assert_eq!(asked.iter().map(|q| q.variable("socket_path")).collect::<Vec<_>>(), ["outbound"; 3]);
    assert_eq!(asked.iter().map(|q| q.variable("effective_caller_id_number")).collect::<Vec<_>>(), ["+14155550100"; 3]);
    assert_eq!(
        asked.iter().map(|q| q.variable("strowger_status")).collect::<Vec<_>>(),
        ["", "NORMAL_CIRCUIT_CONGESTION", "SUBSCRIBER_ABSENT"]
    );
    assert_eq!(
        (asked[0].to(), asked[0].header("Caller-Caller-ID-Number"), asked[0].variable("strowger_context")),
        ("+4930555", "101", "default")
    );
}

#[test]
fn a_busy_number_is_not_dialled_over_another_trunk() {
    let answers = vec![answer(&[("action", "dial"), ("target", "sofia/gateway/one/1"), ("step", "o1")]), answer(&[("action", "busy")])];
    let (record, agent) = outside(outbound_way, answers, "+4930555", &[("/one/", Outcome::Fails("USER_BUSY"))]);
    assert_eq!((record.ending.clone(), record.dialled()), (Ending::HungUp("USER_BUSY".to_owned()), vec!["sofia/gateway/one/1"]));
    assert_eq!(agent.questions()[1].variable("strowger_status"), "USER_BUSY");
}

#[test]
fn a_call_that_is_not_permitted_is_refused_and_without_a_trunk_the_sites_own_lines_get_it() {
    let (record, _) = outside(outbound_way, vec![answer(&[("action", "congestion"), ("reason", "not-permitted")])], "+4930555", &[]);
    assert_eq!((record.ending, record.bridges.len()), (Ending::HungUp("NORMAL_CIRCUIT_CONGESTION".to_owned()), 0));
    // no trunk; nobody there; and a trunk that this switch couldn't use at all
    let could_not = answer(&[("action", "dial"), ("target", ""), ("callerid", "+14155550001")]);
    for agent in [Agent::in_turn(vec![]), Agent::dead(), Agent::in_turn(vec![could_not])] {
        let record = outbound_way(&agent).call(&telephone("+4930555"));
        assert_eq!((record.variable("site"), record.dialled()), ("outside", vec!["sofia/gateway/mine/+4930555"]));
        assert_eq!(record.bridges[0].shown_number, "+14155550100");
        assert_eq!(record.variable("strowger_back"), "");
        assert!(agent.questions().len() <= 1, "asked once");
    }
}

#[test]
fn a_star_code_is_a_feature_whose_sound_is_played_before_the_call_ends() {
    let sound = answer(&[("action", "playback"), ("target", "ivr/ivr-call_forwarding_has_been_set.wav"), ("reason", "feature-on")]);
    let (record, agent) = outside(outbound_way, vec![sound], "*72+4930555", &[]);
    assert_eq!(record.ran("playback"), ["ivr/ivr-call_forwarding_has_been_set.wav"]);
    assert_eq!(record.ending, Ending::HungUp("NORMAL_CLEARING".to_owned()));
    assert_eq!((agent.questions()[0].to(), agent.questions()[0].variable("socket_path")), ("*72+4930555", "feature"));
    let (record, agent) = outside(outbound_way, vec![], "*97", &[]);
    assert_eq!((record.variable("site"), agent.questions().len()), ("inside", 1), "no answer: the site's own star codes");
}

#[test]
fn what_is_no_number_is_not_asked_about() {
    for to in ["500", "reception", "-both 500 XML default", "*", "${system(x)}", "12", "+49 30 555", "*72 XML"] {
        let agent = Agent::in_turn(vec![]);
        let mut switch = outbound_way(&agent);
        // their own extensions stand in front
        switch.load(r#"<context name="none"/>"#, "");
        let record = switch.call(&telephone(to));
        assert_eq!(agent.questions().len(), 0, "{to}");
        nothing_injected(&record);
    }
}

#[test]
fn a_call_from_outside_is_a_route_even_if_a_telephone_was_asked_for_before() {
    let agent = Agent::in_turn(vec![answer(&[("action", "busy")])]);
    let call = Call::to(DID).with("strowger_request", "outbound").with("strowger_verstat", "TN-Validation-Passed-A");
    assert_eq!(socket_way(&agent).call(&call).ending, Ending::HungUp("USER_BUSY".to_owned()));
    let asked = &agent.questions()[0];
    assert_eq!([asked.variable("socket_path"), asked.variable("strowger_context")], ["route", "public"]);
    assert_eq!(asked.variable("strowger_verstat"), "TN-Validation-Passed-A");
}
