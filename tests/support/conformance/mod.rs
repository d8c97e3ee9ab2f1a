//! The doors of a server, and one question put to each: what every switch's session sends, and what it hears.

pub mod questions;
pub mod site;

use crate::freeswitch::{Call, FakeSwitch, Record, Stay, XmlCurl};
use crate::support::{Answer, InProcess, PLENTY, get, http, try_play};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use questions::{Back, Outcome, Question};
use strowger::play::CallFields;
use strowger::routing::StepToken;
use strowger::routing::xml::NOT_FOUND;

/// The name that comes with a call.
pub const CAME: &str = "J DOE";

/// What a door said, without what may differ from one asking to the next: of the token only whether there is one.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Heard {
    pub status: String,
    pub action: String,
    pub target: String,
    pub timeout: String,
    pub options: String,
    pub route: String,
    pub name: String,
    pub contact: String,
    pub reason: String,
    pub next: bool,
    /// What the display shows afterwards.
    pub shown: String,
}

/// What a door said of a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Named {
    pub status: String,
    pub reason: String,
    pub name: String,
}

/// A switch's word for an outcome.
fn word(outcome: Outcome, is_asterisk: bool) -> &'static str {
    let (asterisk, freeswitch) = match outcome {
        Outcome::Busy => ("BUSY", "USER_BUSY"),
        Outcome::NoAnswer => ("NOANSWER", "NO_ANSWER"),
        Outcome::Unavailable => ("CHANUNAVAIL", "SUBSCRIBER_ABSENT"),
        Outcome::Congested => ("CONGESTION", "NORMAL_CIRCUIT_CONGESTION"),
        Outcome::Nothing => ("", ""),
        Outcome::Served => ("answered", "answered"),
    };
    if is_asterisk { asterisk } else { freeswitch }
}

fn encoded(text: &str) -> String {
    utf8_percent_encode(text, NON_ALPHANUMERIC).to_string()
}

/// One asking: a question, with what it hands back by now.
#[derive(Clone, Copy)]
struct Asking<'a> {
    question: &'a Question,
    step: &'a str,
    status: &'static str,
    /// Parameters stand in the path or URL, else they are arguments or variables.
    in_path: bool,
}

impl Asking<'_> {
    /// `tenant` and whatever is no parameter.
    fn parameters(&self) -> Vec<(&'static str, &str)> {
        let tenant = (self.question.tenant != "default").then_some(("tenant", self.question.tenant));
        tenant.into_iter().chain(self.question.wrong).collect()
    }

    /// The parameters as a query, where they stand in one.
    fn query(&self) -> Vec<String> {
        let pairs = if self.in_path { self.parameters() } else { vec![] };
        pairs.iter().map(|(name, value)| format!("{name}={}", encoded(value))).collect()
    }

    /// A request with its query.
    fn path(&self, request: &str) -> String {
        let query = self.query();
        if query.is_empty() { request.to_owned() } else { format!("{request}?{}", query.join("&")) }
    }

    /// What stands beside the path: the step, and the parameters if they don't stand there.
    fn beside(&self) -> Vec<(&'static str, &str)> {
        let mut pairs = if self.in_path { vec![] } else { self.parameters() };
        pairs.extend([("step", self.step), ("status", self.status)].into_iter().filter(|(_, value)| !value.is_empty()));
        pairs
    }

    fn call(&self) -> Call {
        // whoever is challenged goes, so that the answer is the last one
        let mut call = Call {
            hide_number: self.question.hidden,
            presses: Some("hangup".to_owned()),
            ..Call::to(&self.question.to).from(&self.question.from, CAME)
        };
        for (name, value) in self.beside() {
            call = call.with(&format!("strowger_{name}"), value);
        }
        if self.step.is_empty() { call } else { call.with("strowger_next", &self.question.to) }
    }
}

/// Asks as often as the question has steps to hand back, each time with the token that the time before gave.
fn in_turn<T>(question: &Question, in_path: bool, is_asterisk: bool, door: impl Fn(Asking<'_>) -> (T, String)) -> T {
    let first = Asking { question, step: "", status: "", in_path };
    match &question.back {
        Back::Token(token) => door(Asking { step: token, status: word(Outcome::Busy, is_asterisk), ..first }).0,
        Back::Changed(what, change) => {
            let (_, token) = door(first);
            let mut token = StepToken::decode(&token).unwrap_or_else(|e| panic!("{what}: {e}"));
            change(&mut token);
            door(Asking { step: &token.encode(), status: word(Outcome::Busy, is_asterisk), ..first }).0
        }
        Back::Own(outcomes) => {
            let (mut heard, mut token) = door(first);
            for outcome in outcomes {
                assert!(!token.is_empty(), "there is no step to hand back: {question:?}");
                let handed = std::mem::take(&mut token);
                (heard, token) = door(Asking { step: &handed, status: word(*outcome, is_asterisk), ..first });
            }
            heard
        }
    }
}

fn agi_answer(server: &InProcess, asking: Asking<'_>, request: &str) -> Answer {
    let fields = CallFields {
        request: asking.path(request),
        caller_number: Some(asking.question.from.clone()),
        presentation: asking.question.hidden.then_some(0x23),
        extension: asking.question.to.clone(),
        arguments: asking.beside().iter().map(|(name, value)| format!("{name}={value}")).collect(),
        ..CallFields::default()
    };
    Answer::of(&try_play(server.agi(), &fields).unwrap_or_else(|e| panic!("{e}: {fields:?}")))
}

/// Asks over FastAGI, as Asterisk does.
pub fn agi(server: &InProcess, question: &Question, in_path: bool) -> Heard {
    in_turn(question, in_path, true, |asking| {
        let answer = agi_answer(server, asking, "route");
        let heard =
            Heard { shown: answer.raw("CALLERID(name)").unwrap_or(CAME).to_owned(), ..heard_of(|name| answer.get(name).to_owned()) };
        (heard, answer.get("STEP").to_owned())
    })
}

/// The variables of an answer, by their names in capitals.
fn heard_of(value: impl Fn(&str) -> String) -> Heard {
    Heard {
        status: value("STATUS"),
        action: value("ACTION"),
        target: value("TARGET"),
        timeout: value("TIMEOUT"),
        options: value("OPTIONS"),
        route: value("ROUTE"),
        name: value("NAME"),
        contact: value("CONTACT"),
        reason: value("REASON"),
        next: !value("STEP").is_empty(),
        shown: String::new(),
    }
}

/// Runs the application `socket`, and what stands behind it.
fn socket_record(server: &InProcess, asking: Asking<'_>, request: &str, mode: &str) -> Record {
    let mut switch = FakeSwitch::new();
    let data = format!("{}/{} {mode}", server.esl(), asking.path(request)).replace('&', "&amp;");
    switch.load(
        &format!(
            "<include><context name=\"public\"><extension name=\"x\"><condition><action application=\"socket\" data=\"{data}\"/>\
             <action application=\"set\" data=\"after=yes\"/></condition></extension></context></include>"
        ),
        "",
    );
    let record = switch.call(&asking.call());
    assert_eq!((record.variable("after"), record.executed_apis.len()), ("yes", 0), "{record:#?}");
    record
}

/// What FreeSWITCH's telephones show; both places of the name must say the same.
fn shown_by(record: &Record) -> String {
    let (effective, profile) = (record.variable("effective_caller_id_name"), record.profile["caller_id_name"].as_str());
    assert!(effective == profile || (effective.is_empty() && profile == CAME), "{effective:?} is not {profile:?}");
    profile.to_owned()
}

fn variables_of(record: &Record) -> Heard {
    let value = |name: &str| record.variable(&format!("strowger_{}", name.to_ascii_lowercase())).to_owned();
    Heard { shown: shown_by(record), ..heard_of(value) }
}

/// Asks over the event socket: `""` or `async`.
pub fn socket(server: &InProcess, question: &Question, in_path: bool, mode: &str) -> Heard {
    in_turn(question, in_path, false, |asking| {
        let record = socket_record(server, asking, "route", mode);
        (variables_of(&record), record.variable("strowger_step").to_owned())
    })
}

/// Fetches the dialplan, and runs it; `None` where the switch is told to use its own.
pub fn document(server: &InProcess, question: &Question, in_path: bool) -> Option<Heard> {
    in_turn(question, in_path, false, |asking| {
        let query = [vec!["context=public".to_owned()], asking.query()].concat().join("&");
        let mut switch = FakeSwitch::new();
        switch.xml_curl = Some(XmlCurl { url: format!("http://{}/xml?{query}", server.lookup_http()), timeout: Some(PLENTY) });
        // what follows a step would be another question
        switch.stays = ["playback", "callcenter"].map(|app| (app.to_owned(), String::new(), Stay::CallerHangsUp)).to_vec();
        switch.load(
            "<include><context name=\"public\"><extension name=\"x\"><condition><action application=\"set\" data=\"own=yes\"/></condition></extension></context></include>",
            "",
        );
        let record = switch.call(&asking.call());
        assert_eq!(record.executed_apis, [], "{record:#?}");
        // the same request once more, for the document itself
        let request = String::from_utf8(record.requests[0].clone()).expect("a form is ASCII");
        let reply = http(server.lookup_http(), &request);
        assert_eq!(reply.status, 200, "{reply:?}");
        assert_eq!(reply.body == NOT_FOUND, record.variable("own") == "yes", "{record:#?}");
        if reply.body == NOT_FOUND {
            return (None, String::new());
        }
        let token = token_of(&reply.body);
        (Some(Heard { next: !token.is_empty(), ..variables_of(&record) }), token)
    })
}

/// The token that a document hands out; empty without one.
fn token_of(document: &str) -> String {
    let parsed = roxmltree::Document::parse(document).unwrap_or_else(|e| panic!("{e}: {document}"));
    let data = parsed.descendants().filter(|n| n.has_tag_name("action")).filter_map(|n| n.attribute("data"));
    let token = data.filter_map(|data| data.strip_prefix("^^|strowger_step=")?.split('|').next()).next();
    token.unwrap_or_default().to_owned()
}

/// Asks for the caller's name only: over FastAGI, over the socket, over HTTP.
pub fn names(server: &InProcess, question: &Question, in_path: bool) -> [Named; 3] {
    let asking = Asking { question, step: "", status: "", in_path };
    let answer = agi_answer(server, asking, "name");
    let named = |value: &dyn Fn(&str) -> String| {
        assert_eq!(value("ACTION"), "continue", "{question:?}");
        Named { status: value("STATUS"), reason: value("REASON"), name: value("NAME") }
    };
    let record = socket_record(server, asking, "name", "");
    let by_socket = named(&|name| record.variable(&format!("strowger_{}", name.to_ascii_lowercase())).to_owned());
    // the flag has no place in a URL: who asks for a name has to say it in the number's
    let number = if question.hidden { "anonymous" } else { &question.from };
    let mut path = format!("/name?number={}", encoded(number));
    for (name, value) in asking.parameters() {
        path.push_str(&format!("&{name}={}", encoded(value)));
    }
    let reply = get(server.lookup_http(), &path);
    let header = |name: &str| reply.header(name).to_owned();
    let by_http = Named { status: header("strowger-status"), reason: header("strowger-reason"), name: reply.body.clone() };
    [named(&|name| answer.get(name).to_owned()), by_socket, by_http]
}
