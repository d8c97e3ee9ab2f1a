//! `strowger call --switch freeswitch` as its user sees it, against small servers that speak as the recorded ones.

use std::{
    io::{Read, Write},
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    process::{Command, Output},
    thread,
};

const LIST: &str =
    "^^\x01strowger_action=dial\x01strowger_target=user/101\x01strowger_timeout=25\x01strowger_name=Eve\x1b[2J\x01strowger_status=found";

fn server(habit: impl Fn(TcpStream) + Send + 'static) -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || listener.incoming().for_each(|stream| habit(stream.unwrap())));
    address
}

/// A server that answers each call with one list of variables.
fn answering() -> SocketAddr {
    server(|mut stream| {
        stream.write_all(b"connect\n\n").unwrap();
        let mut told = Vec::new();
        while !told.ends_with(b"\n\n") {
            let mut bytes = [0; 8_192];
            let read = stream.read(&mut bytes).unwrap();
            told.extend_from_slice(&bytes[..read]);
        }
        let length = LIST.len();
        let multiset =
            format!("sendmsg\ncall-command: execute\nexecute-app-name: multiset\ncontent-type: text/plain\ncontent-length: {length}");
        stream.write_all(format!("{multiset}\n\n{LIST}exit\n\n").as_bytes()).unwrap();
        let _ = stream.read_to_end(&mut Vec::new());
    })
}

fn call(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_strowger"));
    // nothing of the machine's own settings
    command.env_clear().args(["call", "--to", "+14155550199", "--from", "+14155550101"]).args(arguments).output().unwrap()
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

#[test]
fn the_call_is_shown_folded_and_the_answer_one_variable_a_line() {
    let esl = answering().to_string();
    let output = call(&["--switch", "freeswitch", "--esl", &esl]);
    let shown = stdout(&output);
    assert_eq!(output.status.code(), Some(0), "{shown}");
    assert!(shown.contains("< Caller-Caller-ID-Number: %2B14155550101\n") && shown.contains(" more headers\n"), "{shown}");
    assert!(!shown.contains("variable_switch_r_sdp") && shown.lines().count() < 60, "{shown}");
    assert!(shown.contains(">   strowger_target=user/101\n"), "{shown}");
    assert!(!shown.contains('\x1b') && !shown.contains('\x01'), "what acts on a terminal is shown, not done");
    assert!(shown.lines().last().unwrap().starts_with("rings user/101 for 25 s"), "{shown}");
}

#[test]
fn json_holds_all_that_was_said_and_what_becomes_of_the_call() {
    let esl = answering().to_string();
    for (mode, afterwards) in [(&[][..], "continues"), (&["--async"], "parked")] {
        let output = call(&[&["--json", "--switch", "freeswitch", "--esl", &esl], mode].concat());
        let json: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!((&json["afterwards"], &json["variables"]["strowger_status"]), (&afterwards.into(), &"found".into()));
        assert!(json["conversation"].as_array().unwrap().len() > 170);
    }
}

#[test]
fn a_call_that_would_be_parked_for_ever_is_said_to_be_aloud() {
    let esl = answering().to_string();
    let shown = stdout(&call(&["--switch", "freeswitch", "--async", "--esl", &esl]));
    assert!(shown.lines().last().unwrap().starts_with("PARKED FOR EVER: "), "{shown}");
}

#[test]
fn a_name_that_is_not_known_ends_with_one_and_one_that_is_with_zero() {
    let http = |body: &'static str| {
        let address = server(move |mut stream| {
            let _ = stream.read(&mut [0; 4_096]);
            let _ = write!(stream, "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len());
        });
        call(&["--switch", "freeswitch", "--via", "name", "--lookup-http", &address.to_string()])
    };
    let (known, unknown) = (http("Ada"), http(""));
    assert_eq!((known.status.code(), unknown.status.code()), (Some(0), Some(1)));
    assert!(stdout(&known).contains("the caller is shown as \"Ada\"") && stdout(&unknown).contains("left as it is"));
}

#[test]
fn what_fits_no_switch_is_refused_and_a_server_that_is_not_there_is_named_with_its_flag() {
    for wrong in [&["--via", "xml"][..], &["--async"], &["--switch", "freeswitch", "--via", "xml", "--async"]] {
        assert_eq!(call(wrong).status.code(), Some(2), "{wrong:?}");
    }
    let nobody = TcpListener::bind((Ipv4Addr::new(127, 0, 0, 78), 0)).unwrap().local_addr().unwrap().to_string();
    for (way, flag) in [("socket", "--esl"), ("xml", "--lookup-http"), ("name", "--lookup-http")] {
        let output = call(&["--switch", "freeswitch", "--via", way, flag, &nobody]);
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(3), "{said}");
        assert!(said.contains(&format!("name its address with {flag}")) && said.contains("own dialplan"), "{said}");
    }
}
