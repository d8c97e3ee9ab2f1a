//! The fake FreeSWITCH is held to what was recorded of a real one, and to its source where nothing was: texts, hunting,
//! applications, and what is asked over HTTP.

#[path = "support/freeswitch/mod.rs"]
mod freeswitch;

use freeswitch::servers::{Agent, NOT_FOUND, listen, respond};
use freeswitch::template::block;
use freeswitch::text::{Names, expand, separate};
use freeswitch::{Bridge, Call, CidLookup, Ending, FakeSwitch, Outcome, Record, XmlCurl};
use std::collections::BTreeMap;
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// A dialplan of one extension.
fn switch(actions: &[(&str, &str)]) -> FakeSwitch {
    let actions: String = actions.iter().map(|(a, d)| format!("<action application=\"{a}\" data=\"{d}\"/>")).collect();
    let mut switch = FakeSwitch::new();
    switch.load(
        &format!(
            "<include><context name=\"public\"><extension name=\"x\"><condition>{actions}</condition></extension></context></include>"
        ),
        "",
    );
    switch
}

/// A server that does this with each connection.
fn server(script: impl Fn(&mut TcpStream) + Send + Sync + 'static) -> SocketAddr {
    listen(move |mut stream| script(&mut stream))
}

fn went_on(record: &Record) -> bool {
    record.variable("after") == "yes" && record.ending == Ending::EndOfDialplan
}

// ---- text ------------------------------------------------------------------------------------------------------------

/// Variables for text on its own.
struct Variables(BTreeMap<&'static str, &'static str>, Vec<String>);

impl Names for Variables {
    fn value(&self, name: &str) -> Option<String> {
        self.0.get(name).map(|v| (*v).to_owned())
    }
    fn api(&mut self, name: &str, arguments: &str) -> String {
        self.1.push(format!("{name}({arguments})"));
        "+OK".to_owned()
    }
}

#[test]
fn variables_are_put_in_as_recorded() {
    let mut names = Variables(BTreeMap::from([("uuid", "U"), ("domain", "D"), ("evil", "${system(rm)}")]), Vec::new());
    let mut twice = |text: &str| {
        let once = expand(&mut names, text);
        expand(&mut names, &once)
    };
    assert_eq!(twice("cost $5 ${uuid} $${domain} \\${uuid}"), "cost $5 U D U", "v_dollar");
    assert_eq!(twice("a\\nb\\tc\\\\d\\sE"), "a\\nb\\tc\\d\\sE", "v_backslash");
    assert_eq!(twice("<sip:1@2>;x=y&z#f"), "<sip:1@2>;x=y&z#f", "v_lt");
    assert_eq!(expand(&mut names, "r1=a\\${global_setvar(x=fired)}b"), "r1=a${global_setvar(x=fired)}b", "lab_inj2 at first");
    assert_eq!(expand(&mut names, "${uuid:0:1}|${nothing}|it\\'s"), "U||its");
    assert_eq!(names.1, Vec::<String>::new());
    assert_eq!(expand(&mut names, "a${global_setvar(lab_inj=fired)}b"), "a+OKb");
    assert_eq!(expand(&mut names, "x ${evil}"), "x +OK", "a value is read for variables too");
    assert_eq!(names.1, ["global_setvar(lab_inj=fired)", "system(rm)"]);
}

#[test]
fn an_injection_through_set_is_recorded_even_behind_a_backslash() {
    let record = switch(&[("set", "r1=a\\${global_setvar(x=fired)}b")]).call(&Call::to("1"));
    assert_eq!(record.executed_apis, [("global_setvar".to_owned(), "x=fired".to_owned())]);
    assert_eq!(record.variable("r1"), "a+OKb");
    assert_eq!(record.ran("set"), ["r1=a${global_setvar(x=fired)}b"], "as CHANNEL_EXECUTE showed it");
}

#[test]
fn lists_are_taken_apart_as_recorded() {
    assert_eq!(separate("^^|a=x|y|b=2", ' ', 9), ["a=x", "y", "b=2"]);
    assert_eq!(separate("^^|a=|b=2", ' ', 9), ["a=", "b=2"]);
    assert_eq!(separate("^^\u{1}a=v|w, x;y\u{1}b=2 3", ' ', 9), ["a=v|w, x;y", "b=2 3"]);
    assert_eq!(separate("a=with space b=2", ' ', 9), ["a=with", "space", "b=2"]);
    // from the source: an apostrophe begins a quoted run if another one follows
    assert_eq!(separate("^^|a=O'Brien|b=2", ' ', 9), ["a=O'Brien", "b=2"]);
    assert_eq!(separate("^^|a=O'Brien|b=D'Arcy", ' ', 9), ["a=OBrien|b=DArcy"]);
    assert_eq!(separate("^^|a=O\\'Brien|b=D\\'Arcy", ' ', 9), ["a=O'Brien", "b=D'Arcy"]);
    assert_eq!(separate("^^|a= x \\n\\s|b=\\|c", ' ', 9), ["a= x \n ", "b=|c"]);
}

// ---- hunting and applications ----------------------------------------------------------------------------------------

#[test]
fn actions_are_collected_before_any_of_them_runs() {
    let mut switch = FakeSwitch::new();
    switch.load(
        r#"<context name="public">
          <extension name="first" continue="true"><condition field="destination_number" expression="^(\d)(\d)$">
            <action application="set" data="seen=$2"/><action application="set" data="early=$1" inline="true"/></condition></extension>
          <extension name="second"><condition field="${seen}" expression="^2$"><action application="set" data="wrong=yes"/></condition></extension>
          <extension name="third"><condition field="${early}" expression="^1$"><action application="set" data="right=yes"/>
            <anti-action application="set" data="wrong=yes"/></condition></extension>
        </context>"#,
        "",
    );
    let record = switch.call(&Call::to("12"));
    assert_eq!([record.variable("seen"), record.variable("right"), record.variable("wrong")], ["2", "yes", ""]);
    assert_eq!(switch.call(&Call::to("9")).variable("wrong"), "yes", "an anti-action");
    let mut nowhere = Call::to("1");
    nowhere.context = "nowhere".to_owned();
    assert_eq!(switch.call(&nowhere).ending, Ending::HungUp("NO_ROUTE_DESTINATION".to_owned()));
}

#[test]
fn a_failed_bridge_ends_the_call_with_the_callees_cause_unless_it_may_go_on() {
    let busy = |settings: &[(&str, &str)]| {
        let mut actions = settings.to_vec();
        actions.extend([("bridge", "{a=b}[leg_timeout=20]user/101,user/102"), ("set", "after=yes")]);
        let mut switch = switch(&actions);
        switch.legs = vec![("user/".to_owned(), Outcome::Fails("USER_BUSY"))];
        switch.call(&Call::to("1"))
    };
    assert_eq!(busy(&[]).ending, Ending::HungUp("USER_BUSY".to_owned()));
    assert_eq!(busy(&[("set", "continue_on_fail=NO_ANSWER")]).ending, Ending::HungUp("USER_BUSY".to_owned()));
    for list in ["continue_on_fail=true", "continue_on_fail=NO_ANSWER,USER_BUSY"] {
        let record = busy(&[("set", list)]);
        assert!(went_on(&record));
        assert_eq!([record.variable("originate_disposition"), record.variable("DIALSTATUS")], ["USER_BUSY", "BUSY"]);
        assert_eq!(record.dialled(), ["user/101", "user/102"]);
    }
}

#[test]
fn an_answered_bridge_ends_the_call_only_if_it_is_told_to() {
    let record = switch(&[("bridge", "user/101"), ("set", "after=yes")]).call(&Call::to("1"));
    assert!(went_on(&record));
    let record = switch(&[("set", "hangup_after_bridge=true"), ("bridge", "user/101"), ("set", "after=yes")]).call(&Call::to("1"));
    assert_eq!(record.ending, Ending::Bridged("user/101".to_owned()));
}

#[test]
fn extensions_are_stacked_sixteen_deep_and_transfers_are_counted() {
    let mut switch = switch(&[("set", "n=${n}x"), ("execute_extension", "1 XML public"), ("set", "back=${back}y")]);
    let record = switch.call(&Call::to("1"));
    assert_eq!([record.variable("n").len(), record.variable("back").len()], [17, 17]);
    switch = self::switch(&[("transfer", "1 XML public")]);
    let record = switch.call(&Call::to("1"));
    assert_eq!((record.ending.clone(), record.transfers.len()), (Ending::HungUp("EXCHANGE_ROUTING_ERROR".to_owned()), 69));
}

// ---- HTTP ------------------------------------------------------------------------------------------------------------

/// A switch that fetches its dialplan, with one on its disk.
fn fetching(url: &str) -> FakeSwitch {
    let mut switch = switch(&[("set", "after=disk")]);
    switch.xml_curl = Some(XmlCurl { url: url.to_owned(), timeout: Some(Duration::from_secs(10)) });
    switch
}

#[test]
fn the_form_that_is_posted_is_the_recorded_one() {
    let record = fetching(&format!("http://{}/xml", Agent::closing().http)).call(&{
        let mut call = Call::to("answerfor-300");
        call.context = "lab".to_owned();
        call
    });
    let request = String::from_utf8(record.requests[0].clone()).unwrap();
    let (head, body) = request.split_once("\r\n\r\n").unwrap();
    let recorded = String::from_utf8(block("http-01-xml_curl-cidlookup-curl.txt", "== F>H t=1.418508")).unwrap();
    let (recorded_head, recorded_body) = recorded.split_once("\r\n\r\n").unwrap();
    let names = |head: &str| head.lines().map(|l| l.split(':').next().unwrap().to_owned()).collect::<Vec<_>>();
    assert_eq!(names(head), names(recorded_head));
    // the channel's own variables are those of another recorded call; all else is the same, field by field
    let uuid = |v: &str| v.contains("8a2b4442") || v.contains("a21a71a1");
    let fields =
        |body: &str| -> Vec<String> { body.split('&').filter(|f| !f.starts_with("variable_") && !uuid(f)).map(str::to_owned).collect() };
    assert_eq!(fields(body), fields(recorded_body));
    let variables =
        |body: &str| body.split('&').filter_map(|f| Some(f.strip_prefix("variable_")?.split_once('=')?.0.to_owned())).collect::<Vec<_>>();
    assert_eq!(variables(body), variables(recorded_body));
}

#[test]
fn a_fetched_dialplan_is_used_and_anything_else_means_the_one_on_the_disk() {
    let answering = |status: &'static str, body: &'static str| {
        let server = server(move |stream| {
            let mut byte = [0];
            let mut heard = Vec::new();
            while !heard.ends_with(b"Hunt-Privacy-Hide-Number=false") && matches!(std::io::Read::read(stream, &mut byte), Ok(1)) {
                heard.push(byte[0]);
            }
            respond(stream, status, "text/xml", body);
        });
        format!("http://{server}/xml")
    };
    let good = "<document type=\"freeswitch/xml\"><section name=\"dialplan\"><context name=\"public\"><extension name=\"x\"><condition>\
                <action application=\"set\" data=\"after=http\"/></condition></extension></context></section></document>";
    assert_eq!(fetching(&answering("200 OK", good)).call(&Call::to("1")).variable("after"), "http");
    for (status, body) in [("500 Oops", good), ("200 OK", NOT_FOUND), ("200 OK", "rubbish"), ("200 OK", "<document/>"), ("200 OK", "")] {
        let record = fetching(&answering(status, body)).call(&Call::to("1"));
        assert_eq!(record.variable("after"), "disk", "{status} {body}");
    }
    let other = "<document><section name=\"dialplan\"><context name=\"elsewhere\"/></section></document>";
    let record = fetching(&answering("200 OK", other)).call(&Call::to("1"));
    assert_eq!(record.ending, Ending::HungUp("NO_ROUTE_DESTINATION".to_owned()), "a dialplan without the context is a dialplan");
}

#[test]
fn a_dead_http_server_costs_nothing_and_a_hung_one_the_timeout() {
    for (agent, timeout) in [(Agent::dead(), 10_000), (Agent::closing(), 10_000), (Agent::hung(), 200)] {
        let mut switch = fetching(&format!("http://{}/xml", agent.http));
        switch.xml_curl.as_mut().unwrap().timeout = Some(Duration::from_millis(timeout));
        let record = switch.call(&Call::to("1"));
        assert_eq!(record.variable("after"), "disk");
        assert!(record.took < Duration::from_secs(5), "{record:?}");
    }
}

#[test]
fn cidlookup_asks_with_digits_only_and_calls_an_unknown_caller_unknown() {
    let mut switch = switch(&[("cidlookup", "+1 415")]);
    let names = Agent::answering(|q| vec![("name", if q.header("number") == "1" { "Ann" } else { "" }.to_owned())]);
    switch.cidlookup =
        Some(CidLookup { url: format!("http://{}/name?number=${{caller_id_number}}", names.http), timeout: Duration::from_millis(200) });
    let record = switch.call(&Call::to("1"));
    assert_eq!((record.profile["caller_id_name"].as_str(), record.variable("original_caller_id_name")), ("Ann", "Ann Example"));
    let request = String::from_utf8(record.requests[0].clone()).unwrap();
    let recorded = String::from_utf8(block("http-01-xml_curl-cidlookup-curl.txt", "== F>H t=0.068406")).unwrap();
    let tail = |r: &str| r.lines().skip(2).map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(tail(&request), tail(&recorded));
    assert!(request.starts_with("GET /name?number=1 HTTP/1.1\r\n"));
    let url = format!("http://{}/name", Agent::hung().http);
    switch.cidlookup = Some(CidLookup { url, timeout: Duration::from_millis(200) });
    assert_eq!(switch.call(&Call::to("1")).profile["caller_id_name"], "UNKNOWN");
}

// ---- bridge: groups of legs ------------------------------------------------------------------------------------------

/// A bridge to legs that do these things.
fn bridged(data: &str, legs: &[(&str, Outcome)]) -> Bridge {
    let data = data.replace('<', "&lt;");
    let mut switch = switch(&[("set", "continue_on_fail=true"), ("set", "call_timeout=30"), ("bridge", &data), ("set", "after=yes")]);
    switch.legs = legs.iter().map(|(leg, outcome)| ((*leg).to_owned(), *outcome)).collect();
    let record = switch.call(&Call::to("1"));
    assert!(went_on(&record), "{record:#?}");
    record.bridges[0].clone()
}

/// For each leg: when it began to ring, when that was over, and why (nothing for who has the call).
fn fates(bridge: &Bridge) -> Vec<(Option<u64>, u64, &'static str)> {
    bridge.rung.iter().map(|r| (r.from, r.until, r.cause.unwrap_or_default())).collect()
}

#[test]
fn braces_may_follow_one_another_and_beat_a_legs_brackets() {
    let bridge = bridged("{a=1}{b=2,leg_timeout=5}[leg_timeout=20,c=3]user/101,user/102", &[("user/", Outcome::Rings)]);
    let names: Vec<_> = bridge.rung[0].variables.iter().map(|(n, v)| format!("{n}={v}")).collect();
    assert_eq!(names, ["leg_timeout=20", "c=3", "a=1", "b=2", "leg_timeout=5"]);
    assert_eq!(fates(&bridge), [(Some(0), 5, "ALLOTTED_TIMEOUT"), (Some(0), 5, "ALLOTTED_TIMEOUT")]);
}

#[test]
fn a_comma_in_a_value_tears_it_apart_unless_it_is_quoted() {
    let torn = bridged("{file=tone_stream://%(200,100,440)}user/101", &[]);
    assert_eq!(torn.variables, [("file".to_owned(), "tone_stream://%(200".to_owned())]);
    let whole = bridged("{file='tone_stream://%(200,100,440)',b=1}user/101", &[]);
    assert_eq!(whole.variables[0].1, "tone_stream://%(200,100,440)");
}

#[test]
fn a_delayed_leg_rings_later_or_not_at_all_and_at_once_if_nobody_else_rings() {
    let late = [("101", Outcome::AnswersIn(8)), ("102", Outcome::Rings)];
    assert_eq!(fates(&bridged("user/101,[leg_delay_start=5,leg_timeout=2]user/102", &late))[1], (Some(5), 7, "ALLOTTED_TIMEOUT"));
    let soon = [("101", Outcome::AnswersIn(3)), ("102", Outcome::Answers)];
    assert_eq!(fates(&bridged("user/101,[leg_delay_start=5]user/102", &soon)), [(Some(0), 3, ""), (None, 3, "LOSE_RACE")]);
    let busy = [("101", Outcome::Fails("USER_BUSY")), ("102", Outcome::AnswersIn(2))];
    let bridge = bridged("user/101,[leg_delay_start=5]user/102", &busy);
    assert_eq!(fates(&bridge), [(Some(0), 0, "USER_BUSY"), (Some(1), 3, "")], "the delay is cut short once nobody rings");
    let alone = bridged("[leg_delay_start=5]user/102", &[("102", Outcome::Rings)]);
    assert_eq!(fates(&alone), [(Some(0), 30, "NO_ANSWER")]);
}

#[test]
fn a_key_to_press_is_for_all_legs_of_an_originate_and_never_for_one_leg_alone() {
    let legs = [("101", Outcome::AnswersIn(4)), ("102", Outcome::Answers), ("103", Outcome::Presses("1", 9))];
    let all = bridged("{group_confirm_key=1}user/101,user/102,user/103", &legs);
    assert_eq!(fates(&all), [(Some(0), 9, "LOSE_RACE"), (Some(0), 9, "LOSE_RACE"), (Some(0), 9, "")]);
    let one = bridged("user/101,[group_confirm_key=1]user/102,user/103", &legs);
    assert_eq!(fates(&one)[1], (Some(0), 0, ""), "a voicemail has the call");
}

#[test]
fn parts_of_an_enterprise_originate_have_their_own_key_delay_and_time() {
    let legs =
        [("101", Outcome::AnswersIn(9)), ("102", Outcome::Answers), ("103", Outcome::Presses("1", 2)), ("104", Outcome::Presses("2", 1))];
    let data = "user/101:_:{group_confirm_key=1,leg_timeout=6}user/102:_:{group_confirm_key=1,originate_delay_start=5000}user/103\
                :_:{group_confirm_key=1}{leg_timeout=3}user/104";
    let bridge = bridged(data, &legs);
    assert_eq!(
        fates(&bridge),
        [(Some(0), 7, "LOSE_RACE"), (Some(0), 6, "ALLOTTED_TIMEOUT"), (Some(5), 7, ""), (Some(0), 3, "ALLOTTED_TIMEOUT")]
    );
    assert_eq!(bridge.at, 7);
}

#[test]
fn an_enterprise_originate_knows_neither_call_timeout_nor_a_delay_of_its_only_leg() {
    let rings = [("user/", Outcome::Rings)];
    assert_eq!(fates(&bridged("user/101:_:[leg_delay_start=5]user/102", &rings)), [(Some(0), 60, "NO_ANSWER"); 2]);
    assert_eq!(fates(&bridged("<originate_timeout=25>user/101:_:user/102", &rings)), [(Some(0), 25, "NO_ANSWER"); 2]);
}

#[test]
fn an_enterprise_originate_calls_its_failure_a_failure_and_keeps_the_cause_elsewhere() {
    let mut switch = switch(&[("set", "continue_on_fail=true"), ("bridge", "user/101:_:user/102"), ("set", "after=yes")]);
    switch.legs = vec![("101".to_owned(), Outcome::Fails("NO_ANSWER")), ("102".to_owned(), Outcome::Fails("USER_BUSY"))];
    let record = switch.call(&Call::to("1"));
    assert_eq!([record.variable("originate_disposition"), record.variable("originate_failed_cause")], ["failure", "USER_BUSY"]);
    assert!(!record.bridges[0].heard_ringing, "the caller hears nothing unless ring_ready was said");
}

#[test]
fn a_key_that_fits_is_set_and_another_one_is_not() {
    let asked = |presses: Option<&str>| {
        let mut call = Call::to("1");
        call.presses = presses.map(str::to_owned);
        switch(&[("play_and_get_digits", "1 1 1 8000 # beep silence_stream://10 key 1"), ("set", "after=yes")]).call(&call)
    };
    assert_eq!(asked(Some("1")).variable("key"), "1");
    assert_eq!([asked(Some("2")).variable("key"), asked(Some("2")).variable("key_invalid"), asked(None).variable("key")], ["", "2", ""]);
    assert_eq!(asked(Some("hangup")).ending, Ending::CallerHungUp);
}
