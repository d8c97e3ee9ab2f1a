//! FreeSWITCH's calls against little servers, each with one habit. Answers are in the form of the recorded sessions.

use super::tests::{PLENTY, nobody, plan, server};
use super::*;
use crate::wire::esl::switch_side::CommandError;
use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    sync::{Arc, Mutex},
    time::Duration,
};

const LIST: &str = "^^\x01strowger_action=dial\x01strowger_target=user/101,user/102\x01strowger_name=Ada L. & Sons\x01strowger_step=\x01strowger_status=found";
const SYNC: Way = Way::Socket(SocketMode::Static);
const ASYNC: Way = Way::Socket(SocketMode::Async);

fn multiset(list: &str) -> String {
    format!(
        "sendmsg\ncall-command: execute\nexecute-app-name: multiset\ncontent-type: text/plain\ncontent-length: {}\n\n{list}",
        list.len()
    )
}

/// Reads to the end of a block of headers.
fn block(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    while !bytes.ends_with(b"\n\n") {
        let mut byte = [0];
        if stream.read(&mut byte).unwrap() == 0 {
            break;
        }
        bytes.push(byte[0]);
    }
    String::from_utf8(bytes).unwrap()
}

/// A server that answers every call with these commands in one write, and reads to the end.
fn answering(commands: impl Into<String>) -> SocketAddr {
    let commands = commands.into();
    server(move |mut stream| {
        stream.write_all(b"connect\n\n").unwrap();
        block(&mut stream);
        let _ = stream.write_all(commands.as_bytes());
        let _ = stream.read_to_end(&mut Vec::new());
    })
}

fn good() -> SocketAddr {
    answering(multiset(LIST) + "exit\n\n")
}

/// A server that writes these bytes to whoever asks it over HTTP, and closes.
fn responding(response: impl Into<String>) -> SocketAddr {
    let response = response.into();
    server(move |mut stream| {
        let _ = request(&mut stream);
        let _ = stream.write_all(response.as_bytes());
    })
}

fn request(stream: &mut TcpStream) -> Option<String> {
    let mut bytes = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.lines().find_map(|l| l.strip_prefix("Content-Length: ")).map_or(0, |l| l.parse().unwrap());
            if body.len() >= length {
                assert_eq!(body.len(), length);
                return Some(text);
            }
        }
        let mut more = [0; 8_192];
        match stream.read(&mut more).unwrap() {
            0 => return None,
            read => bytes.extend_from_slice(&more[..read]),
        }
    }
}

fn response(status: &str, body: &str) -> String {
    format!("HTTP/1.1 {status}\r\nContent-Type: text/xml\r\nContent-Length: {}\r\n\r\n{body}", body.len())
}

fn document(actions: &str) -> String {
    format!(
        "<document type=\"freeswitch/xml\"><section name=\"dialplan\"><context name=\"public\"><extension name=\"x\"><condition>{actions}\
         </condition></extension></context></section></document>"
    )
}

fn play(way: Way, address: SocketAddr) -> Result<Conversation, CallError> {
    play_within(way, address, PLENTY)
}

fn play_within(way: Way, address: SocketAddr, wait_max: Duration) -> Result<Conversation, CallError> {
    let fields = CallFields {
        caller_number: Some("+14155550101".to_owned()),
        extension: "+14155550199".to_owned(),
        arguments: vec!["tenant=acme".to_owned()],
        ..CallFields::freeswitch()
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(call_by(way, address, &fields, wait_max))
}

fn load(way: Way, plan: &LoadPlan) -> LoadReport {
    load_by(LoadWay { way, keep_alive: false }, plan)
}

fn load_by(way: LoadWay, plan: &LoadPlan) -> LoadReport {
    run_load_by(way, plan, |index| (format!("+4930{index}"), "+49301".to_owned())).unwrap()
}

#[test]
fn a_call_over_the_socket_hears_the_answer_and_goes_on_in_the_dialplan() {
    let conversation = play(SYNC, good()).unwrap();
    let answer = |name| String::from_utf8_lossy(conversation.answer(name).unwrap()).into_owned();
    assert_eq!((answer("ACTION"), answer("target"), answer("STEP")), ("dial".into(), "user/101,user/102".into(), String::new()));
    assert_eq!((answer("NAME"), answer("STATUS")), ("Ada L. & Sons".into(), "found".into()));
    assert_eq!((conversation.ended, &conversation.afterwards), (Ended::Closed, &Afterwards::Continues));
    assert_eq!(conversation.findings, [] as [&str; 0]);
    let said: Vec<_> = conversation.lines.iter().map(|(by, line)| (*by, String::from_utf8_lossy(line))).collect();
    assert_eq!(said[0], (Direction::FromServer, "connect".into()));
    assert!(said.contains(&(Direction::FromSwitch, "variable_strowger_tenant: acme".into())));
    assert!(said.contains(&(Direction::FromSwitch, "Caller-Destination-Number: %2B14155550199".into())));
    assert!(said.contains(&(Direction::FromSwitch, "Reply-Text: +OK bye".into())));
}

#[test]
fn a_call_is_parked_for_ever_by_resume_in_sync_mode_and_by_its_lack_in_async_mode() {
    let resumed = || answering("resume\n\n".to_owned() + &multiset(LIST) + "exit\n\n");
    let is_parked = |way, address| matches!(play(way, address).unwrap().afterwards, Afterwards::ParkedForEver { .. });
    assert!(is_parked(SYNC, resumed()) && is_parked(ASYNC, good()));
    assert!(!is_parked(ASYNC, resumed()) && !is_parked(SYNC, good()));
    // in a load such calls are failures
    let failed = |way, address| load(way, &plan(address)).failed;
    assert_eq!((failed(SYNC, resumed()).malformed, failed(ASYNC, good()).malformed), (40, 40));
    assert_eq!((failed(SYNC, good()).total(), failed(ASYNC, resumed()).total()), (0, 0));
}

#[test]
fn what_a_server_should_not_have_written_is_told() {
    let odd = [
        multiset("^^\x01a=${system(rm)}\x01strowger_status=found"),
        "sendmsg\ncall-command: EXECUTE\nexecute-app-name: set\nexecute-app-arg: b=1\n\n".to_owned(),
        "sendmsg\ncall-command: execute\nexecute-app-name: frobnicate\n\n".to_owned(),
        "api status\n\nexit\n\n".to_owned(),
    ];
    let conversation = play(SYNC, answering(odd.concat())).unwrap();
    let found = conversation.findings.join("\n");
    for text in ["would have executed ${system(rm)}", "in lower case", "frobnicate isn't played", "api status isn't played"] {
        assert!(found.contains(text), "{text} isn't in {found}");
    }
    assert_eq!((conversation.variable("b"), conversation.answer("STATUS")), (None, Some(&b"found"[..])));
}

#[test]
fn each_way_of_not_answering_on_the_socket_has_its_own_error() {
    let address = nobody();
    assert_eq!(play(SYNC, address).unwrap_err(), CallError::Refused { address });
    assert_eq!(play(SYNC, server(drop)).unwrap_err(), CallError::NoAnswer);
    assert_eq!(play_within(SYNC, answering("exit"), Duration::from_millis(50)).unwrap_err(), CallError::TimedOut { wait_ms: 50 });
    let silent = server(|mut stream| drop(stream.read_to_end(&mut Vec::new())));
    assert_eq!(play_within(SYNC, silent, Duration::from_millis(50)).unwrap_err(), CallError::TimedOut { wait_ms: 50 });
    assert_eq!(play_within(SYNC, answering(""), Duration::from_millis(50)).unwrap_err(), CallError::TimedOut { wait_ms: 50 });
    let left_open = play_within(SYNC, answering(multiset(LIST)), Duration::from_millis(300)).unwrap();
    assert_eq!((left_open.ended, left_open.afterwards), (Ended::LeftOpen, Afterwards::Waits));
    let endless = play(SYNC, answering("getvar x\n\n".repeat(1_000))).unwrap_err();
    assert_eq!(endless, CallError::Endless);
    let cut = server(|mut stream| {
        stream.write_all(b"connect\n\n").unwrap();
        block(&mut stream);
        stream.write_all(b"sendmsg\ncall-com").unwrap();
        stream.shutdown(std::net::Shutdown::Write).unwrap();
        let _ = stream.read_to_end(&mut Vec::new());
    });
    assert_eq!(play(SYNC, cut).unwrap_err(), CallError::NoCommand(CommandError::Cut));
}

#[test]
fn a_dialplan_over_http_is_what_the_switch_executes() {
    let actions = "<action application=\"set\" data=\"strowger_name=O&apos;Neil &amp; Sons\"/><action application=\"multiset\" \
                   data=\"^^|strowger_action=dial|strowger_status=found\"/><action application=\"bridge\" data=\"user/101\"/>\
                   <action application=\"set\" data=\"strowger_status=${originate_disposition}\"/>";
    let seen = Arc::new(Mutex::new(String::new()));
    let kept = Arc::clone(&seen);
    let answer = response("200 OK", &document(actions));
    let address = server(move |mut stream| {
        *kept.lock().unwrap() = request(&mut stream).unwrap();
        stream.write_all(answer.as_bytes()).unwrap();
    });
    let conversation = play(Way::Xml, address).unwrap();
    assert_eq!(conversation.answer("NAME"), Some(&b"O'Neil & Sons"[..]));
    assert_eq!(conversation.answer("STATUS"), Some(&b"found"[..]), "what follows the bridge is for its failure");
    assert_eq!(conversation.findings, [] as [&str; 0]);
    let Afterwards::Executes(actions) = conversation.afterwards else { panic!("{:?}", conversation.afterwards) };
    assert_eq!(actions[2], ("bridge".to_owned(), "user/101".to_owned()));
    let seen = seen.lock().unwrap();
    assert!(seen.starts_with("POST /xml HTTP/1.1\r\n") && seen.contains("&Hunt-Destination-Number=%2B14155550199&"), "{seen}");
    assert!(seen.contains("&variable_strowger_tenant=acme&") && seen.len() > 6_000);
}

#[test]
fn where_the_document_is_of_no_use_the_switchs_own_dialplan_applies() {
    let not_found = "<document type=\"freeswitch/xml\"><section name=\"result\"><result status=\"not found\"/></section></document>";
    for (answer, why) in [
        (response("200 OK", not_found), "no extension"),
        (response("503 Service Unavailable", &document("")), "503"),
        (response("200 OK", &document("<action application=\"set\"")), "can't be read"),
        (response("200 OK", "<document><extension>"), "can't be read"),
    ] {
        match play(Way::Xml, responding(answer)).unwrap().afterwards {
            Afterwards::OwnDialplan { because } => assert!(because.contains(why), "{because}"),
            other => panic!("{other:?}"),
        }
    }
    let bad = "<action application=\"set\" data=\"a=${system(rm)}\"/>";
    let conversation = play(Way::Xml, responding(response("200 OK", &document(bad)))).unwrap();
    assert!(conversation.findings[0].contains("would have executed"));
}

#[test]
fn a_name_over_http_is_asked_for_by_digits_and_taken_whatever_the_status() {
    let seen = Arc::new(Mutex::new(String::new()));
    let kept = Arc::clone(&seen);
    let address = server(move |mut stream| {
        *kept.lock().unwrap() = request(&mut stream).unwrap();
        stream.write_all(response("404 Not Found", "no such name").as_bytes()).unwrap();
    });
    let conversation = play(Way::Name, address).unwrap();
    assert!(seen.lock().unwrap().starts_with("GET /name?number=14155550101&tenant=acme HTTP/1.1\r\nHost: "));
    assert_eq!(conversation.variable("profile:caller_id_name"), Some(&b"no such name"[..]));
    assert!(conversation.findings[0].contains("404"));
    for body in ["", " ", "Unknown"] {
        let left_alone = play(Way::Name, responding(response("200 OK", body))).unwrap();
        assert_eq!((left_alone.variables, left_alone.afterwards), (vec![], Afterwards::NameLeftAlone), "{body:?}");
    }
}

#[test]
fn what_is_no_response_is_told_from_none() {
    for (bytes, why) in [
        ("220 smtp ready\r\n", "doesn't begin"),
        ("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf", "in the middle"),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "no length"),
    ] {
        let error = play(Way::Name, responding(bytes)).unwrap_err();
        assert!(error.to_string().contains(why), "{error}");
    }
    assert_eq!(play(Way::Name, responding("")).unwrap_err(), CallError::NoAnswer);
}

#[test]
fn every_call_of_a_load_over_the_socket_is_a_genuine_one_with_numbers_of_its_own() {
    let seen = Arc::new(Mutex::new(std::collections::BTreeSet::new()));
    let kept = Arc::clone(&seen);
    let address = server(move |mut stream| {
        stream.write_all(b"connect\n\n").unwrap();
        let reply = block(&mut stream);
        let value = |name: &str| reply.lines().find_map(|l| l.strip_prefix(name)?.strip_prefix(": ")).unwrap().to_owned();
        assert_eq!((reply.lines().count(), value("Caller-Destination-Number"), value("Unique-ID").len()), (168, "%2B49301".into(), 36));
        assert!(kept.lock().unwrap().insert((value("Unique-ID"), value("Caller-Caller-ID-Number"))), "two calls are the same");
        stream.write_all((multiset(LIST) + "exit\n\n").as_bytes()).unwrap();
        let mut rest = String::new();
        stream.read_to_string(&mut rest).unwrap();
        assert!(rest.starts_with("Content-Type: command/reply\nReply-Text: +OK\n\n") && rest.ends_with("cluecon.com/\n"), "{rest}");
    });
    let report = load(SYNC, &plan(address));
    assert_eq!((report.calls, report.failed.total(), report.statuses.found), (40, 0, 40), "{report}");
    assert_eq!(seen.lock().unwrap().len(), 40);
}

#[test]
fn failing_calls_of_every_way_are_counted_by_kind() {
    let failed = |way, address| load(way, &LoadPlan { calls_max: Some(8), wait_max: Duration::from_millis(300), ..plan(address) }).failed;
    for way in [SYNC, Way::Xml, Way::Name] {
        assert_eq!(failed(way, nobody()).refused, 8);
        assert_eq!(failed(way, server(|mut stream| drop(stream.read_to_end(&mut Vec::new())))).timed_out, 8);
        assert_eq!(failed(way, server(|mut s| drop(s.write_all(b"SSH-2.0-x\r\n\r\n")))).malformed, 8);
    }
    assert_eq!(failed(SYNC, answering("exit")).timed_out, 8);
    assert_eq!(failed(Way::Name, responding("")).no_answer, 8);
}

#[test]
fn statuses_are_read_off_each_kind_of_answer() {
    let xml = |actions: &str| responding(response("200 OK", &document(actions)));
    let unknown = "<action application=\"set\" data=\"strowger_status=unknown\"/><action application=\"set\" \
                   data=\"strowger_status=${originate_disposition}\"/>";
    let counted = |way, address| load(way, &plan(address)).statuses;
    assert_eq!(counted(Way::Xml, xml(unknown)).unknown, 40);
    assert_eq!(counted(Way::Xml, xml("<action application=\"busy\"/>")).none, 40);
    assert_eq!(counted(Way::Xml, responding(response("200 OK", "<result status=\"not found\"/>"))).unknown, 40);
    assert_eq!(counted(Way::Name, responding(response("200 OK", "Ada"))).found, 40);
    assert_eq!(counted(Way::Name, responding(response("404 Not Found", ""))).unknown, 40);
    assert_eq!(counted(Way::Name, responding(response("503 Service Unavailable", ""))).error, 40);
    assert_eq!(counted(SYNC, answering(multiset("^^\x01strowger_status=late") + "exit\n\n")).late, 40);
    assert_eq!(counted(SYNC, answering(multiset("^^\x01a=1") + "exit\n\n")).none, 40);
}

#[test]
fn a_connection_is_kept_only_if_that_is_asked_for() {
    let connections = Arc::new(Mutex::new(0));
    let counted = Arc::clone(&connections);
    let address = server(move |mut stream| {
        *counted.lock().unwrap() += 1;
        while request(&mut stream).is_some() {
            stream.write_all(response("200 OK", "Ada").as_bytes()).unwrap();
        }
    });
    let taken = |keep_alive| {
        *connections.lock().unwrap() = 0;
        assert_eq!(load_by(LoadWay { way: Way::Name, keep_alive }, &plan(address)).statuses.found, 40);
        *connections.lock().unwrap()
    };
    assert_eq!((taken(false), taken(true)), (40, 4));
}
