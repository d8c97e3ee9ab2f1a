//! The log: what it says of a call, in which form, how much at most, and how it is changed while the server runs.

mod support;

use serde_json::Value as Json;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;
use support::Place;

/// Calls that can't be read, at two doors.
const BAD_CALLS: usize = 50_000;
/// Those of them that come by FastAGI, each on a connection of its own.
const BAD_AGI_CALLS: usize = 2_000;
/// What a flood of them may make of log, in bytes.
const LOG_BYTES_MAX: usize = 100_000;

fn agi_call(to: SocketAddr, environment: &str) {
    let mut stream = TcpStream::connect(to).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let _ = stream.write_all(environment.as_bytes());
    let _ = stream.write_all(b"200 result=0\n");
    let _ = stream.read_to_end(&mut Vec::new());
}

/// Bad requests over HTTP, many on a connection.
fn http_flood(to: SocketAddr, requests: usize) {
    let mut left = requests;
    while left > 0 {
        let stream = TcpStream::connect(to).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        let mut reader = BufReader::new(stream.try_clone().unwrap());
        let batch = left.min(500);
        left -= batch;
        for _ in 0..batch {
            (&stream).write_all(b"GET /nothing HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
            let mut line = String::new();
            while reader.read_line(&mut line).unwrap() > 2 {
                line.clear();
            }
        }
    }
}

#[test]
fn a_flood_of_fifty_thousand_bad_calls_makes_less_than_a_hundred_kilobytes_of_log() {
    let place = Place::with_sample("");
    let server = place.serve(&[]);
    let (agi, http) = (server.agi, server.lookup_http);
    let before = place.logged().len();
    std::thread::scope(|scope| {
        scope.spawn(|| (0..BAD_AGI_CALLS).for_each(|_| agi_call(agi, "GET / HTTP/1.1\n\n")));
        for _ in 0..4 {
            scope.spawn(|| http_flood(http, (BAD_CALLS - BAD_AGI_CALLS) / 4));
        }
    });
    assert!(support::within(Duration::from_secs(5), || place.logged().contains("more like this")));
    let logged = place.logged();
    assert!(logged.len() - before < LOG_BYTES_MAX, "{} bytes", logged.len() - before);
    let malformed = place.done(&["status", "--json"]).json()["endings"]
        .as_array()
        .unwrap()
        .iter()
        .find(|e| e[0] == "malformed")
        .and_then(|e| e[1].as_u64());
    assert_eq!(malformed, Some(BAD_CALLS as u64), "every one of them was counted");
}

#[test]
fn a_line_of_json_has_the_calls_id_and_only_the_last_digits_of_numbers() {
    for (flags, to) in [(&[][..], "…0199"), (&["--log-numbers"][..], "+14155550199")] {
        let place = Place::with_sample("");
        let server = place.serve(&[&["--log-format", "json"], flags].concat());
        let agi = server.agi.to_string();
        place.done(&["call", "--switch", "asterisk", "--agi", &agi, "--to", "+14155550199", "--from", "+14155550101"]);
        assert!(support::within(Duration::from_secs(5), || place.logged().contains("answered a call")));
        let line = |logged: &str| logged.lines().find(|line| line.contains("answered a call")).unwrap().to_owned();
        let json: Json = serde_json::from_str(&line(&place.logged())).unwrap();
        assert_eq!((json["message"].as_str(), json["to"].as_str()), (Some("answered a call"), Some(to)), "{json}");
        assert!(json["call_id"].as_str().is_some_and(|id| !id.is_empty()), "{json}");
        assert!(json["route"].as_str().is_some_and(|route| route.ends_with("0199")), "{json}");
    }
}

#[test]
fn a_planes_level_is_changed_while_the_server_runs_and_goes_back() {
    let place = Place::with_sample("");
    let server = place.serve(&["--log", "error"]);
    let agi = server.agi.to_string();
    let call = || place.done(&["call", "--switch", "asterisk", "--agi", &agi, "--to", "+14155550199", "--from", "+14155550101"]);
    let lines = || place.logged().matches("answered a call").count();
    call();
    assert_eq!(place.done(&["log", "--json"]).json()["call"], "error");
    assert_eq!(place.done(&["log", "call=info", "--json"]).json()["call"], "info");
    assert_eq!(lines(), 0, "the first call was not to be logged");
    call();
    assert!(support::within(Duration::from_secs(5), || lines() == 1), "{}", place.logged());
    assert_eq!(place.done(&["log", "reset", "--json"]).json()["call"], "error");
    let said = place.run(&["log", "cal=info"]);
    assert_eq!(said.code, Some(2), "{said:?}");
    assert!(said.err.contains("did you mean call"), "{said:?}");
    drop(server);
    assert_eq!(place.run(&["log"]).code, Some(3));
}

/// Lines of calls that are written before it is known which call it is, or that are none of one call.
const WITHOUT_A_CALL: &[&str] = &[
    "an environment was refused",
    "a peer of the event socket didn't answer connect",
    "a peer of the look-up port didn't speak HTTP",
    "a request over HTTP was no question",
    "a question for a user names no tenant",
    "the store could not be read for a user",
    "answered for a user",
    "somebody came who may not",
    "connections can't be accepted",
];

#[test]
fn every_line_of_a_call_names_the_call() {
    let dir = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/call");
    let mut seen = 0;
    for file in std::fs::read_dir(dir).unwrap() {
        let text = std::fs::read_to_string(file.unwrap().path()).unwrap();
        for line in text.split("tracing::").skip(1).filter_map(|rest| rest.split_once(");").map(|(line, _)| line)) {
            let is_excused = WITHOUT_A_CALL.iter().any(|excused| line.contains(excused));
            assert!(is_excused || line.contains("call_id"), "{line}");
            seen += 1;
        }
    }
    assert!(seen > 15, "the lines aren't where they were: {seen}");
}
