//! What callers and administrators may write into each field, and what may come of it at each door: nothing.

use super::Doors;
use crate::freeswitch::{Call, FakeSwitch, Record, Stay, XmlCurl};
use crate::support::{Answer, DID, HttpReply, PLENTY, SCHOOL, get, http, try_play};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use strowger::play::CallFields;

/// Stands in everything that is put in; where it turns up, something was taken over.
const MARK: &str = "evil";

/// What acts somewhere: in AGI, in MSet, in a dial string, in FreeSWITCH's lists and expansions, in XML, in HTTP, in a shell.
pub const PAYLOADS: &[&str] = &[
    "\nagi_extension: evil\n",
    "\n\nEXEC System evil\n",
    "\r\nevil: 1\r\n\r\n",
    "\n\nsendmsg\ncall-command: execute\nexecute-app-name: system\nexecute-app-arg: evil\n\n",
    "\"evil\"",
    "\" EXEC System evil \"",
    "'evil'",
    ",evil=1",
    ",30,U(evil)",
    "&Local/evil@from-internal",
    "|sofia/evil/1",
    ":_:sofia/evil/1",
    "${SHELL(evil)}",
    "${system(evil)}",
    "$${evil}",
    "${${evil}}",
    "[evil=1]",
    "{evil=1}",
    "^^|strowger_target=evil",
    "\\\" evil \\",
    "</action><action application=\"system\" data=\"evil\"/>",
    "<![CDATA[evil]]>&evil;",
    "%0d%0aevil:%201",
    "`evil`;$(evil)",
    "\u{2028}evil\u{85}evil\u{202e}",
    "\u{1b}[31mevil\0evil",
    "user/evil,user/evil",
    "../../evil?to=evil&from=evil#evil",
];

/// What the sample has calls dialled to, by either switch.
const TARGETS: &[&str] = &["", "PJSIP/101", "PJSIP/101&PJSIP/102", "user/101", "user/101,user/102", "101", "199"];
/// Names that the sample has.
const NAMES: &[&str] = &["", "Lincoln School", "Grandma Rosa"];

fn encoded(text: &str) -> String {
    utf8_percent_encode(text, NON_ALPHANUMERIC).to_string()
}

fn genuine() -> CallFields {
    CallFields { caller_number: Some(SCHOOL.to_owned()), extension: DID.to_owned(), ..CallFields::default() }
}

/// A call of Asterisk's with something put into one of its fields.
fn asterisk(field: usize, payload: &str) -> Option<CallFields> {
    let call = genuine();
    let behind = |text: &str| format!("{text}{payload}");
    let argument = |key: &str| CallFields { arguments: vec![format!("{key}={payload}")], ..genuine() };
    Some(match field {
        0 => CallFields { caller_number: Some(behind(SCHOOL)), ..call },
        1 => CallFields { caller_number: Some(payload.to_owned()), ..call },
        2 => CallFields { caller_name: Some(payload.to_owned()), ..call },
        3 => CallFields { extension: behind(DID), ..call },
        4 => CallFields { context: payload.to_owned(), ..call },
        5 => CallFields { dnid: Some(payload.to_owned()), ..call },
        6 => CallFields { rdnis: Some(payload.to_owned()), ..call },
        7 => CallFields { channel: behind("PJSIP/"), ..call },
        8 => CallFields { unique_id: payload.to_owned(), ..call },
        9 => CallFields { request: format!("route?from={payload}"), ..call },
        10 => CallFields { request: format!("route?to={}", encoded(payload)), ..call },
        11 => argument("to"),
        12 => argument("from"),
        13 => argument("tenant"),
        14 => argument("step"),
        15 => argument("status"),
        16 => argument("owner"),
        17 => CallFields { request: behind("name"), ..call },
        18 => CallFields { request: format!("outbound?from={}", encoded(payload)), ..call },
        _ => return None,
    })
}

/// The same of FreeSWITCH's.
fn freeswitch(field: usize, payload: &str) -> Option<Call> {
    let call = Call::to(DID).from(SCHOOL, "J DOE");
    let behind = |text: &str| format!("{text}{payload}");
    Some(match field {
        0 => Call::to(DID).from(&behind(SCHOOL), "J DOE"),
        1 => Call::to(DID).from(payload, "J DOE"),
        2 => Call::to(DID).from(SCHOOL, payload),
        3 => Call::to(&behind(DID)).from(SCHOOL, "J DOE"),
        4 => call.with("strowger_to", payload),
        5 => call.with("strowger_from", payload),
        6 => call.with("strowger_tenant", payload),
        7 => call.with("strowger_step", payload),
        8 => call.with("strowger_step", "1.x").with("strowger_status", payload),
        9 => call.with("sip_h_X-Evil", payload),
        10 => call.with("strowger_owner", payload),
        _ => return None,
    })
}

/// A switch that asks at the event socket and goes on.
fn by_socket(doors: Doors, call: &Call) -> Record {
    let mut switch = FakeSwitch::new();
    let data = format!("{}/route", doors.esl);
    switch.load(
        &format!(
            "<include><context name=\"public\"><extension name=\"x\"><condition><action application=\"socket\" data=\"{data}\"/>\
             <action application=\"set\" data=\"after=yes\"/></condition></extension></context></include>"
        ),
        "",
    );
    switch.call(call)
}

/// A switch that fetches its dialplan.
fn by_document(doors: Doors, call: &Call) -> Record {
    let mut switch = FakeSwitch::new();
    switch.xml_curl = Some(XmlCurl { url: format!("http://{}/xml?context=public", doors.lookup), timeout: Some(PLENTY) });
    switch.stays = ["playback", "callcenter", "voicemail"].map(|app| (app.to_owned(), String::new(), Stay::CallerHangsUp)).to_vec();
    switch.load(
        "<include><context name=\"public\"><extension name=\"x\"><condition><action application=\"set\" data=\"own=yes\"/></condition></extension></context></include>",
        "",
    );
    switch.call(call)
}

/// What an answer may say, whoever asks what.
fn is_clean(shown: &str, said: &[(String, String)], names: &[&str]) {
    for (name, value) in said {
        let plain = name.to_ascii_lowercase();
        assert!(!value.contains(['\n', '\r', '\0']) && !value.contains("${"), "{shown}: {name} is {value:?}");
        match plain.as_str() {
            "strowger_target" => assert!(TARGETS.contains(&value.as_str()), "{shown}: {name} is {value:?}"),
            "strowger_name" | "callerid(name)" | "effective_caller_id_name" => {
                assert!(names.contains(&value.as_str()), "{shown}: {name} is {value:?}");
            }
            _ => assert!(!value.contains(MARK), "{shown}: {name} is {value:?}"),
        }
    }
}

/// Nothing ran in a FreeSWITCH but what the plan says.
fn did_no_harm(shown: &str, record: &Record, names: &[&str]) {
    assert_eq!(record.executed_apis, [], "{shown}: {record:#?}");
    assert!(record.variables.keys().all(|name| !name.contains(MARK) || name.starts_with("sip_h_")), "{shown}: {record:#?}");
    let fits = |(app, data): &(String, String)| {
        let known =
            ["socket", "set", "multiset", "set_profile_var", "export", "unset", "bridge", "voicemail", "hangup", "respond", "answer"];
        let quiet = names.iter().any(|name| name.contains(MARK)) || !data.contains(MARK);
        known.contains(&app.as_str()) && quiet
    };
    assert!(record.applications.iter().all(fits), "{shown}: {record:#?}");
    let dialled = record.dialled();
    assert!(dialled.iter().all(|leg| ["user/101", "user/102"].contains(leg)), "{shown}: {dialled:?}");
}

fn ours(record: &Record) -> Vec<(String, String)> {
    let is_answer = |name: &str| {
        name == "effective_caller_id_name"
            || strowger::routing::render::VARIABLES.iter().any(|v| name == format!("strowger_{}", v.to_ascii_lowercase()))
    };
    // what came with the call stands there still where nothing was answered
    let is_own = |name: &str| name == "strowger_step" && record.variable("strowger_status") != "found";
    record.variables.iter().filter(|(name, _)| is_answer(name) && !is_own(name)).map(|(n, v)| (n.clone(), v.clone())).collect()
}

fn of_http(shown: &str, reply: &HttpReply, names: &[&str]) {
    assert!(names.contains(&reply.body.as_str()), "{shown}: {reply:?}");
    assert!(reply.headers.iter().all(|(name, value)| !name.contains(MARK) && !value.contains(MARK)), "{shown}: {reply:?}");
    assert!([200, 400, 404].contains(&reply.status), "{shown}: {reply:?}");
}

/// Every payload in every field that a caller may write, at every door; how many questions that were.
pub fn callers(doors: Doors) -> usize {
    let mut asked = 0;
    for payload in PAYLOADS {
        for field in 0.. {
            let Some(call) = asterisk(field, payload) else { break };
            let shown = format!("Asterisk, field {field}, {payload:?}");
            let answer = Answer::of(&try_play(doors.agi, &call).unwrap_or_else(|e| panic!("{shown}: {e}")));
            assert!(["found", "unknown", "error"].contains(&answer.get("STATUS")), "{shown}: {answer:?}");
            is_clean(&shown, &answer.0, NAMES);
            asked += 1;
        }
        for field in 0.. {
            let Some(call) = freeswitch(field, payload) else { break };
            let shown = format!("FreeSWITCH, field {field}, {payload:?}");
            for record in [by_socket(doors, &call), by_document(doors, &call)] {
                did_no_harm(&shown, &record, NAMES);
                is_clean(&shown, &ours(&record), NAMES);
                asked += 1;
            }
        }
        for path in ["/name?number={}", "/name?number=%2B14155550101&tenant={}", "/name?number=%2B14155550101&{}=1"] {
            let path = path.replace("{}", &encoded(payload));
            of_http(&path, &get(doors.lookup, &path), NAMES);
            asked += 1;
        }
    }
    asked
}

/// Every payload as the name of a contact, by the administrator's HTTP, and that contact's call at every door: data in its
/// variable, and nothing beside it.
pub fn names(doors: Doors, token: &str) -> usize {
    let mut asked = 0;
    for payload in PAYLOADS {
        let body = serde_json::json!({ "name": payload, "numbers": [{ "number": "+12025550188" }] }).to_string();
        let reply = http(
            doors.admin,
            &format!(
                "PUT /api/v1/contacts/injected HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {token}\r\nContent-Type: application/json\r\n\
                 Content-Length: {}\r\n\r\n{body}",
                doors.admin,
                body.len()
            ),
        );
        let shown = format!("a contact named {payload:?}");
        assert!([200, 201, 204, 400, 422].contains(&reply.status), "{shown}: {reply:?}");
        let fields = CallFields { caller_number: Some("+12025550188".to_owned()), ..genuine() };
        let answer = Answer::of(&try_play(doors.agi, &fields).unwrap_or_else(|e| panic!("{shown}: {e}")));
        assert_eq!((answer.short(), answer.get("TARGET")), (("found", "dial", "matched"), "PJSIP/101&PJSIP/102"), "{shown}");
        for (name, value) in &answer.0 {
            let is_name = matches!(name.as_str(), "STROWGER_NAME" | "CALLERID(name)");
            assert!(!value.contains(['\n', '\r', '\0']) && !value.contains("${"), "{shown}: {name} is {value:?}");
            assert!(is_name || !value.contains(MARK), "{shown}: {name} is {value:?}");
        }
        let call = Call::to(DID).from("+12025550188", "J DOE");
        for record in [by_socket(doors, &call), by_document(doors, &call)] {
            did_no_harm(&shown, &record, &[MARK]);
            assert_eq!(record.variable("strowger_target"), "user/101,user/102", "{shown}: {record:#?}");
            asked += 1;
        }
        let named = get(doors.lookup, "/name?number=%2B12025550188");
        assert!(!named.body.contains(['\n', '\r', '\0']) && !named.body.contains("${"), "{shown}: {named:?}");
        asked += 3;
    }
    asked
}
