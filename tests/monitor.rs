//! `monitor` speaks to monitoring systems as their plugins do.

mod support;

use support::Place;

#[test]
fn a_server_that_answers_is_ok_and_one_that_does_not_is_critical() {
    let place = Place::with_sample("");
    let said = place.run(&["monitor"]);
    assert_eq!(said.code, Some(2), "{said:?}");
    assert!(said.out.starts_with("STROWGER CRITICAL - ") && said.out.lines().count() == 1, "{said:?}");
    let _server = place.serve(&[]);
    place.settled();
    // a busy machine may take its time
    let said = place.run(&["monitor", "--warn-ms", "4000", "--critical-ms", "5000"]);
    assert_eq!(said.code, Some(0), "{said:?}");
    assert!(said.out.starts_with("STROWGER OK - version ") && said.out.contains(" | answer="), "{said:?}");
    assert!(said.out.contains(" contacts=3 "), "{said:?}");
    let said = place.run(&["monitor", "--warn-ms", "0", "--critical-ms", "5000"]);
    assert_eq!(said.code, Some(1), "{said:?}");
    assert!(said.out.starts_with("STROWGER WARNING - a question took "), "{said:?}");
}

#[test]
fn a_switch_that_is_not_heard_is_a_warning() {
    let place = Place::new("[[switch]]\nname = \"pbx\"\nkind = \"asterisk\"\naddress = \"127.0.0.1:1\"\nuser = \"u\"\nsecret = \"s\"\n");
    let _server = place.serve(&[]);
    place.settled();
    assert!(support::within(std::time::Duration::from_secs(20), || {
        let said = place.run(&["monitor", "--warn-ms", "4000", "--critical-ms", "5000"]);
        said.code == Some(1) && said.out.contains("the switch pbx isn't heard: ")
    }));
}

/// Status and body of a GET at the admin HTTP.
fn got(at: std::net::SocketAddr, path: &str, token: &str) -> (u16, String) {
    use std::io::{Read, Write};
    let mut stream = std::net::TcpStream::connect(at).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nAuthorization: Bearer {token}\r\n\r\n").unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    (text[9..12].parse().unwrap(), text)
}

#[test]
fn a_server_says_without_a_token_that_it_lives_and_is_ready_and_with_one_how_long_answers_took() {
    let place = Place::with_sample("");
    let server = place.serve(&[]);
    place.settled();
    assert_eq!((got(server.http, "/live", "").0, got(server.http, "/ready", "").0), (200, 200));
    let agi = server.agi.to_string();
    place.done(&["call", "--agi", &agi, "--to", "+14155550199", "--from", "+14155550101"]);
    let token = place.done(&["token", "add", "prometheus", "--scope", "metrics:read"]).out;
    let token = token.split_whitespace().last().unwrap().to_owned();
    let answered = "strowger_call_answer_seconds_count{switch=\"asterisk\",request=\"route\",outcome=\"found\"} 1";
    assert!(support::within(std::time::Duration::from_secs(5), || got(server.http, "/metrics", &token).1.contains(answered)));
    let (_, metrics) = got(server.http, "/metrics", &token);
    for line in
        ["strowger_snapshot_stands 1", "strowger_call_answer_budget_seconds 0.1", "strowger_call_caps_hit_total{cap=\"sessions\"} 0"]
    {
        assert!(metrics.lines().any(|there| there == line), "{line} isn't in {metrics}");
    }
}
