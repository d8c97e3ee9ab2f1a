//! Who may ask over HTTP and who may not, what the metrics look like, and the verbs `token` and `events`.

mod support;

#[path = "support/feed.rs"]
mod feed;

use feed::*;
use serde_json::{Value as Json, json};
use std::io::{BufRead, BufReader};
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;
use strowger::control::{FeedLimits, Reply, Request};
use strowger::cti::SourcePhase;
use support::*;

fn quick() -> FeedLimits {
    FeedLimits { heartbeat: Duration::from_millis(50), ..FeedLimits::default() }
}

#[test]
fn every_path_but_health_needs_a_token_with_its_scope() {
    let plane = Plane::start(quick());
    let health = plane.get_as("/health", &[]);
    assert_eq!((health.status, health.body.as_str()), (200, "{\"status\":\"ok\"}"));
    let paths = [("/events", "events:read"), ("/events?raw=1", "events:raw"), ("/calls", "calls:read"), ("/metrics", "metrics:read")];
    for (n, (path, scope)) in paths.iter().enumerate() {
        let none = plane.get_as(path, &[]);
        assert_eq!((none.status, none.header("www-authenticate")), (401, "Bearer realm=\"strowger\""), "{path}");
        for wrong in ["Bearer swt_wrong", "Basic YTpi", "Bearer", "Bearer ", &format!("Token {}", plane.token)] {
            let refused = plane.get_as(path, &[("Authorization", wrong)]);
            assert_eq!(refused.status, 401, "{path} with {wrong:?}");
            assert!(refused.header("www-authenticate").starts_with("Bearer"), "{refused:?}");
        }
        let others = paths.iter().map(|(_, s)| *s).filter(|s| s != scope).collect::<Vec<_>>().join(",");
        let other = plane.make_token("acme", &format!("other-{n}"), &others, None);
        let refused = plane.get_as(path, &[("Authorization", &format!("Bearer {other}"))]);
        assert_eq!(refused.status, 403, "{path}");
        assert!(refused.header("www-authenticate").contains(&format!("scope=\"{scope}\"")) && refused.body.contains(scope), "{refused:?}");
        // a question that is wrong is answered to nobody
        assert_eq!(plane.get_as("/events?typ=call", &[]).status, 401);
    }
    assert!(matches!(plane.websocket_as("/events", &[]), Err(401)));
    assert!(matches!(plane.websocket_as("/events", &[("Sec-WebSocket-Protocol", "strowger, bearer.swt_wrong")]), Err(401)));
    assert_eq!(plane.get("/nowhere", &[]).status, 404);
    assert_eq!(http(plane.http, &plane.request("/calls", &[]).replace("GET", "POST")).status, 405);
}

#[test]
fn a_token_sees_its_own_tenant_only() {
    let plane = Plane::start(quick());
    let theirs = plane.make_token("other", "panel", "events:read,calls:read", None);
    plane.say("acme", ringing("1", "+4930123456", "101"));
    plane.say("other", ringing("2", "+4930123456", "102"));
    let auth = format!("Bearer {theirs}");
    let calls: Json = serde_json::from_str(&plane.get_as("/calls", &[("Authorization", &auth)]).body).unwrap();
    assert_eq!((calls["calls"].as_array().unwrap().len(), &calls["calls"][0]["id"]), (1, &json!("pbx/2")));
    let mut client = plane.websocket_as("/events", &[("Authorization", &auth)]).unwrap();
    assert_eq!(json_of(&mut client)["calls"][0]["id"], "pbx/2");
    plane.say("acme", device("101", "busy"));
    let id = plane.say("other", device("102", "busy"));
    assert_eq!(json_of(&mut client)["id"], json!(id.to_string()));
    // the state of devices is a tenant's as well
    let mut client = plane.websocket_as("/events", &[("Authorization", &auth)]).unwrap();
    let snapshot = json_of(&mut client);
    assert_eq!((snapshot["devices"].as_array().unwrap().len(), &snapshot["devices"][0]["device"]), (1, &json!("PJSIP/102")));
}

#[test]
fn a_token_that_is_removed_or_has_expired_is_refused_and_its_feed_ends() {
    let plane = Plane::start(quick());
    let short = format!("Bearer {}", plane.make_token("acme", "short", "events:read", Some(1)));
    let gone = format!("Bearer {}", plane.make_token("acme", "gone", "events:read,calls:read", None));
    let mut by_short = plane.websocket_as("/events", &[("Authorization", &short)]).unwrap();
    let mut by_gone = plane.websocket_as("/events", &[("Authorization", &gone)]).unwrap();
    let mut stays = plane.sse("/events", &[]);
    assert_eq!(plane.get_as("/calls", &[("Authorization", &gone)]).status, 200);
    let reply = plane.ask(Request::TokenRm { tenant: "acme".into(), name: "gone".into() });
    assert!(matches!(reply, Reply::Done { existed: true, .. }), "{reply:?}");
    assert_eq!(plane.get_as("/calls", &[("Authorization", &gone)]).status, 401, "from the very next request on");
    for client in [&mut by_gone, &mut by_short] {
        let farewell = loop {
            match client.read() {
                Ok(tokio_tungstenite::tungstenite::Message::Close(frame)) => break frame.unwrap().reason.to_string(),
                Ok(_) => {}
                Err(error) => panic!("no farewell: {error}"),
            }
        };
        assert_eq!(farewell, "the token isn't good any more");
    }
    assert_eq!(plane.get_as("/events", &[("Authorization", &short)]).status, 401);
    stays.event("snapshot");
    plane.say_to_all(gap());
    stays.event("gap");
    assert_eq!(plane.stats.clients_dropped.get(), 0, "that isn't slowness");
}

#[test]
fn a_heartbeat_moves_the_place_of_a_client_past_what_it_does_not_want() {
    let plane = Plane::start(quick());
    let mut client = plane.sse("/events?type=pop", &[]);
    client.event("snapshot");
    let id = plane.say("acme", device("101", "busy")).to_string();
    assert!(within(Duration::from_secs(5), || client.block().is_some_and(|b| b.starts_with(": here")) && client.place == id));
}

#[test]
fn a_page_of_another_site_does_not_reach_the_port_by_a_name_of_its_own() {
    let plane = Plane::start(quick());
    let auth = format!("Bearer {}", plane.token);
    for (host, status) in
        [("evil.example:8085", 421), ("evil.example", 421), ("localhost:8085", 200), ("[::1]:8085", 200), ("127.0.0.1", 200)]
    {
        let reply = plane.get_as("/calls", &[("Host", host), ("Authorization", &auth)]);
        assert_eq!(reply.status, status, "{host}");
    }
}

#[test]
fn what_is_no_http_or_too_much_of_it_ends_its_own_connection() {
    let plane = Plane::start(quick());
    for wrong in ["\x16\x03\x01 hello\r\n\r\n", &format!("GET /{} HTTP/1.1\r\n\r\n", "x".repeat(40_000))] {
        let mut stream = connect(plane.http);
        let _ = std::io::Write::write_all(&mut stream, wrong.as_bytes());
        assert!(is_closed(&mut stream));
    }
    assert_eq!(plane.get_as("/health", &[]).status, 200);
}

#[test]
fn the_metrics_follow_the_format_line_by_line_and_show_every_plane() {
    let plane = Plane::start(quick());
    let source = &plane.stats.sources[0];
    source.phase.store(Arc::new(SourcePhase::Up));
    source.events_in.add(12);
    source.queue_age_us.set(1500);
    plane.stats.calls_live.set(3);
    let reply = plane.get("/metrics", &[]);
    assert_eq!((reply.status, reply.header("content-type")), (200, "text/plain; version=0.0.4; charset=utf-8"));
    let name = "[a-zA-Z_:][a-zA-Z0-9_:]*";
    let help = regex::Regex::new(&format!("^# HELP ({name}) .+$")).unwrap();
    let kind = regex::Regex::new(&format!("^# TYPE ({name}) (counter|gauge|histogram)$")).unwrap();
    let label = r#"[a-z_]+="(?:[^"\\]|\\["\\n])*""#;
    let sample = regex::Regex::new(&format!(r#"^({name})(\{{{label}(?:,{label})*\}})? (-?[0-9.e+]+)$"#)).unwrap();
    let (mut current, mut seen, mut is_histogram) = (String::new(), Vec::new(), false);
    for line in reply.body.lines() {
        if let Some(found) = help.captures(line) {
            current = found[1].to_owned();
            assert!(!seen.contains(&current), "{current} is there twice");
            seen.push(current.clone());
        } else if let Some(found) = kind.captures(line) {
            assert_eq!(found[1], current);
            assert_eq!(current.ends_with("_total"), &found[2] == "counter", "{line}");
            is_histogram = &found[2] == "histogram";
        } else {
            let found = sample.captures(line).unwrap_or_else(|| panic!("{line:?} is no sample"));
            let parts = ["_bucket", "_sum", "_count"];
            let family = if is_histogram { parts.iter().find_map(|part| found[1].strip_suffix(part)) } else { Some(&found[1]) };
            assert_eq!(family, Some(current.as_str()), "{line}");
        }
    }
    assert!(reply.body.ends_with('\n'));
    for line in [
        r#"strowger_source_up{switch="pbx \"one\""} 1"#,
        r#"strowger_source_events_total{switch="pbx \"one\""} 12"#,
        r#"strowger_source_queue_age_seconds{switch="pbx \"one\""} 0.0015"#,
        r#"strowger_call_sessions_ended_total{ending="answered"} 17"#,
        "strowger_calls_live 3",
        "strowger_feed_clients 0",
    ] {
        assert!(reply.body.lines().any(|l| l == line), "{line} is missing in {}", reply.body);
    }
    for word in
        ["gaps", "lost", "suspects", "reconnects", "bytes", "queue_events", "journal", "decisions", "restarts", "conflated", "dropped"]
    {
        assert!(reply.body.contains(word), "{word}");
    }
}

#[test]
fn a_token_is_printed_once_and_kept_as_a_digest_with_and_without_a_server() {
    for with_server in [false, true] {
        let place = Place::new(TENANTS);
        let server = with_server.then(|| place.serve(&["--log", "trace"]));
        let added = place.done(&["token", "add", "panel", "--scope", "events:read,calls:read", "--expires", "90d"]);
        let token = added.out.trim().to_owned();
        assert!(token.starts_with("swt_") && added.out.lines().count() == 1 && added.err.contains("only time"), "{added:?}");
        let json = place.done(&["token", "add", "scrape", "--scope", "metrics:read", "--json"]).json();
        assert_ne!(json["token"], json!(token));
        let again = place.run(&["token", "add", "panel", "--scope", "events:read"]);
        assert_eq!(again.code, Some(2));
        assert!(again.err.contains("remove it first"), "{again:?}");
        for (arguments, wrong) in [
            (&["token", "add", "x", "--scope", "event:read"][..], "did you mean events:read?"),
            (&["token", "add", "x"], "--scope"),
            (&["token", "add", "x y", "--scope", "events:read"], "can't be used"),
            (&["token", "add", "x", "--scope", "events:read", "--expires", "soon"], "is no time"),
            (&["--tenant", "acm", "token", "ls"], "did you mean acme?"),
        ] {
            let said = place.run(arguments);
            assert_eq!(said.code, Some(2), "{said:?}");
            assert!(said.err.contains(wrong), "{said:?}");
        }
        let listed = place.done(&["token", "ls"]);
        assert!(listed.out.contains("panel   events:read,calls:read  until 20") && listed.out.contains("no end"), "{listed:?}");
        assert!(!listed.out.contains("swt_"));
        if let Some(server) = &server {
            let request = format!("GET /calls HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {token}\r\n\r\n", server.http);
            assert_eq!(http(server.http, &request).status, 200);
            place.done(&["token", "rm", "panel"]);
            assert_eq!(http(server.http, &request).status, 401);
        } else {
            let removed = place.done(&["token", "rm", "panel"]);
            assert!(removed.out.starts_with("token panel removed (revision "), "{removed:?}");
        }
        assert_eq!(place.run(&["token", "rm", "panel"]).code, Some(1));
        drop(server);
        let everything: Vec<u8> = files_below(place.path());
        let secret = token.trim_start_matches("swt_").as_bytes();
        assert!(!everything.windows(secret.len()).any(|w| w == secret), "the token lies on the disk");
    }
}

fn files_below(dir: &std::path::Path) -> Vec<u8> {
    let mut bytes = Vec::new();
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            bytes.extend(files_below(&path));
        } else {
            bytes.extend(std::fs::read(&path).unwrap_or_default());
        }
    }
    bytes
}

#[test]
fn events_are_followed_in_a_terminal_until_the_server_ends() {
    let plane = Plane::start(quick());
    let place = Place::new("[[tenant]]\nid = \"acme\"\ncountry = \"DE\"\n");
    let socket = plane.socket().display().to_string();
    let begin = |more: &[&str]| {
        let arguments = [&["--admin", &socket, "--tenant", "acme", "events"], more].concat();
        let mut child = place.command(&arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
        (child, lines)
    };
    let first = plane.say("acme", ringing("1", "+4930123456", "101"));
    let (child, mut lines) = begin(&["--extension", "101"]);
    assert!(lines.next().unwrap().ends_with("live  +4930123456 → +4930555, ringing 101"));
    assert_eq!(lines.next().unwrap(), format!("--  from {first} on"));
    let (mut as_json, mut json_lines) = begin(&["--json", "--since", &first.to_string()]);
    plane.say("other", device("101", "busy"));
    plane.say("acme", device("102", "busy"));
    plane.say("acme", device("101", "busy"));
    assert!(lines.next().unwrap().ends_with("pbx       device            PJSIP/101 busy"));
    for device in ["PJSIP/102", "PJSIP/101"] {
        let event: Json = serde_json::from_str(&json_lines.next().unwrap()).unwrap();
        assert_eq!(event["device"], device);
    }
    // who ends takes his wish for raw events with him
    let (mut rude, _unread) = begin(&["--raw"]);
    let wanted = plane.hub.raw_wanted();
    assert!(within(Duration::from_secs(5), || wanted.get() == 1));
    rude.kill().unwrap();
    rude.wait().unwrap();
    assert!(within(Duration::from_secs(5), || wanted.get() == 0));
    let refused = place.run(&["--admin", &socket, "--tenant", "acme", "events", "--type", "pup"]);
    assert_eq!(refused.code, Some(2));
    assert!(refused.err.contains("did you mean pop?"), "{refused:?}");
    drop(plane);
    let ended = child.wait_with_output().unwrap();
    assert_eq!(ended.status.code(), Some(3), "no server any more");
    assert_eq!(String::from_utf8_lossy(&ended.stderr), "strowger: the server was stopped; run this again when it is up\n");
    as_json.wait().unwrap();
    let none = place.run(&["events"]);
    assert_eq!(none.code, Some(3), "{none:?}");
}

#[test]
fn the_status_and_the_ready_line_say_where_http_is_served() {
    let place = Place::new(TENANTS);
    let server = place.serve(&[]);
    let status = place.done(&["status", "--json"]).json();
    let http_at = status["listening"].as_array().unwrap().iter().find(|l| l[0] == "http").unwrap()[1].clone();
    assert_eq!(http_at, json!(server.http.to_string()));
    assert_eq!(status["events"]["clients"], 0);
    assert!(place.done(&["status"]).out.contains("0 clients of the feed"));
    assert_eq!(http(server.http, &format!("GET /health HTTP/1.1\r\nHost: {}\r\n\r\n", server.http)).status, 200);
}
