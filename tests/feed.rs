//! The feed over HTTP: a hub that the test fills, a real admin plane, and clients as they come, slow and rude ones too.

mod support;

#[path = "support/feed.rs"]
mod feed;

use feed::*;
use serde_json::{Value as Json, json};
use std::io::{Read, Write};
use std::time::{Duration, Instant};
use strowger::control::{Client, FeedLimits, Reply, Request};
use strowger::cti::EventId;
use support::within;
use tokio_tungstenite::tungstenite::Message;

#[test]
fn a_new_client_gets_the_state_first_and_then_every_event_in_order() {
    let plane = Plane::start(FeedLimits::default());
    plane.say("acme", ringing("1", "+4930123456", "101"));
    let mut client = plane.sse("/events", &[]);
    assert_eq!((client.status, client.header("content-type").as_str()), (200, "text/event-stream"));
    assert_eq!(client.header("cache-control"), "no-store");
    let (id, snapshot) = client.event("snapshot");
    assert_eq!((id.as_str(), &snapshot["id"]), (plane.hub.now().to_string().as_str(), &json!(plane.hub.now().to_string())));
    assert_eq!((&snapshot["part"], &snapshot["parts"], &snapshot["calls"][0]["id"]), (&json!(1), &json!(1), &json!("pbx/1")));
    for n in 0..300 {
        plane.say("acme", device(&n.to_string(), "in-use"));
    }
    for n in 0..300 {
        let (id, event) = client.event("device");
        assert_eq!((id, event["device"].as_str().unwrap()), (event["id"].as_str().unwrap().to_owned(), format!("PJSIP/{n}").as_str()));
        assert_eq!(event["seq"], json!(n + 2), "numbered by the switch without a hole");
    }
    assert_eq!(plane.stats.clients.get(), 1);
    drop(client);
    assert!(within(Duration::from_secs(5), || {
        plane.say("acme", device("1", "busy"));
        plane.stats.clients.get() == 0
    }));
    assert_eq!(plane.stats.clients_dropped.get(), 0, "who goes by himself isn't dropped");
}

#[test]
fn a_client_resumes_behind_the_event_it_saw_last_and_misses_none() {
    let plane = Plane::start(FeedLimits::default());
    let ids: Vec<EventId> = (0..10).map(|n| plane.say("acme", device(&n.to_string(), "in-use"))).collect();
    for (path, header) in [
        ("/events".to_owned(), Some(ids[3].to_string())),
        (format!("/events?last_event_id={}", ids[3]), None),
        // what a browser saw since is newer than what the page was made with
        (format!("/events?last_event_id={}", ids[0]), Some(ids[3].to_string())),
    ] {
        let headers: Vec<(&str, &str)> = header.iter().map(|id| ("Last-Event-ID", id.as_str())).collect();
        let mut client = plane.sse(&path, &headers);
        let resumed: Vec<String> = (4..10).map(|_| client.event("device").0).collect();
        assert_eq!(resumed, ids[4..].iter().map(ToString::to_string).collect::<Vec<_>>(), "{path}");
    }
}

#[test]
fn a_client_whose_place_is_gone_is_told_of_the_gap_and_given_the_state() {
    let plane = Plane::start(FeedLimits::default());
    let first = plane.say("acme", ringing("1", "+4930123456", "101"));
    (0..EVENTS_MAX + 5).for_each(|n| _ = plane.say("acme", device(&(n % 7).to_string(), "in-use")));
    let other_run = EventId { epoch: first.epoch + 1, ..first }.to_string();
    let beginning = EventId { sequence: 0, ..first }.to_string();
    for place in [first.to_string(), other_run, beginning, "nonsense".to_owned()] {
        let mut client = plane.sse("/events", &[("Last-Event-ID", &place)]);
        let (id, gap) = client.event("gap");
        assert_eq!((id.as_str(), &gap["why"]), ("", &json!("behind")), "{place}");
        let (id, snapshot) = client.event("snapshot");
        assert_eq!(id, plane.hub.now().to_string());
        assert_eq!((snapshot["calls"].as_array().unwrap().len(), snapshot["devices"].as_array().unwrap().len()), (1, 7));
    }
    assert_eq!(plane.stats.clients_conflated.get(), 0, "nobody was slow");
}

#[test]
fn filters_choose_by_extension_number_and_type_and_never_hide_a_gap() {
    let plane = Plane::start(FeedLimits::default());
    let told = |query: &str, wanted: &[&str]| {
        let mut client = plane.sse(&format!("/events?{query}"), &[]);
        let (_, snapshot) = client.event("snapshot");
        plane.say("acme", ringing("1", "+4930123456", "101"));
        plane.say("acme", ringing("2", "+4930999999", "102"));
        plane.say("other", ringing("3", "+4930123456", "101"));
        plane.say("acme", device("101", "ringing"));
        plane.say("acme", raw());
        plane.say("acme", ended("1"));
        plane.say("acme", ended("2"));
        plane.say("other", ended("3"));
        plane.say_to_all(gap());
        let kinds: Vec<String> =
            std::iter::from_fn(|| Some(client.any().1["type"].as_str().unwrap().to_owned())).take(wanted.len() + 1).collect();
        assert_eq!(kinds, [wanted, &["gap"]].concat(), "{query}");
        snapshot
    };
    let both = ["call.ringing", "call.ringing", "device", "call.ended", "call.ended"];
    told("", &both);
    told("extension=101", &["call.ringing", "device", "call.ended"]);
    // as it is typed, in the tenant's own spelling, and with a plus that isn't escaped
    for number in ["number=030123456", "number=%2B4930123456", "number=+4930123456"] {
        told(number, &["call.ringing", "call.ended"]);
    }
    told("type=call.ringing,device", &["call.ringing", "call.ringing", "device"]);
    told("type=call.*&extension=102", &["call.ringing", "call.ended"]);
    let snapshot = told("type=device", &["device"]);
    assert!(snapshot.get("calls").is_none() && snapshot["devices"].is_array(), "{snapshot}");
    let wanted = plane.hub.raw_wanted();
    assert_eq!(wanted.get(), 0, "nobody asked for raw events");
    told("raw=1&type=device", &["device", "raw"]);
    for (query, what) in [
        ("type=call.rining", "did you mean call.ringing?"),
        ("typ=call", "did you mean type?"),
        ("type=raw", "raw=1"),
        ("number=%00", "number"),
        ("extension=%ff", "isn't UTF-8"),
    ] {
        let refused = plane.get(&format!("/events?{query}"), &[]);
        assert_eq!(refused.status, 400, "{query}");
        assert!(refused.body.contains(what), "{query}: {}", refused.body);
    }
}

#[test]
fn a_websocket_says_the_same_as_the_event_stream() {
    let plane = Plane::start(FeedLimits { heartbeat: Duration::from_millis(100), ..FeedLimits::default() });
    let first = plane.say("acme", device("1", "in-use"));
    let mut by_header = plane.websocket("/events?type=device", &[]);
    // a browser can't set a header there
    let protocols = format!("strowger, bearer.{}", plane.token);
    let mut by_protocol = plane.websocket_as("/events?type=device", &[("Sec-WebSocket-Protocol", &protocols)]).unwrap();
    let path = format!("/events?last_event_id={first}");
    let mut resumed = plane.websocket(&path, &[]);
    assert_eq!(
        (json_of(&mut by_header)["type"].clone(), json_of(&mut by_protocol)["type"].clone()),
        (json!("snapshot"), json!("snapshot"))
    );
    let second = plane.say("acme", device("2", "busy"));
    assert_eq!(json_of(&mut resumed)["id"], json!(second.to_string()));
    assert_eq!(json_of(&mut by_header)["id"], json!(second.to_string()));
    // pings are answered as messages are read, so that a quiet client stays
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| json_of(&mut by_header));
        std::thread::sleep(Duration::from_millis(800));
        let third = plane.say("acme", device("3", "busy"));
        assert_eq!(waiting.join().unwrap()["id"], json!(third.to_string()));
    });
    // one that answers nothing, not even a ping, is let go
    assert!(within(Duration::from_secs(5), || plane.stats.clients.get() <= 1), "{}", plane.stats.clients.get());
    let mut ends = false;
    for _ in 0..40 {
        ends |= matches!(by_protocol.read(), Ok(Message::Close(_)) | Err(_));
    }
    assert!(ends && plane.stats.clients_dropped.get() >= 1);
}

#[test]
fn a_slow_client_is_conflated_then_dropped_alone_while_another_misses_nothing() {
    let plane = Plane::start(FeedLimits { stall_max: Duration::from_secs(30), ..FeedLimits::default() });
    let mut good = plane.sse("/events?type=device", &[]);
    good.event("snapshot");
    let mut slow = plane.sse_with_little_room("/events");
    slow.event("snapshot");
    let (mut said, mut heard) = (0, 0);
    // more than the kernels' buffers and a page hold, and more than the ring remembers
    let mut overrun = |good: &mut Sse| {
        for _ in 0..16 {
            for _ in 0..EVENTS_MAX / 4 {
                plane.say("acme", device("1", &format!("{said} {}", "x".repeat(4000))));
                said += 1;
            }
            while heard < said {
                let (_, event) = good.event("device");
                assert!(event["state"].as_str().unwrap().starts_with(&format!("{heard} ")), "the good client missed {heard}");
                heard += 1;
            }
        }
    };
    for round in 1..=2 {
        overrun(&mut good);
        let gap = loop {
            let (_, event) = slow.any();
            if event["type"] == "gap" {
                break event;
            }
        };
        assert_eq!(gap["why"], "behind");
        let (id, snapshot) = slow.event("snapshot");
        assert!(!id.is_empty() && snapshot["devices"].as_array().unwrap().len() == 1);
        assert_eq!((plane.stats.clients_conflated.get(), plane.stats.clients_dropped.get()), (round, 0));
    }
    overrun(&mut good);
    assert!(slow.ends(), "the third time within a minute it is dropped");
    assert!(within(Duration::from_secs(5), || plane.stats.clients.get() == 1));
    assert_eq!((plane.stats.clients_conflated.get(), plane.stats.clients_dropped.get()), (2, 1));
    plane.say("acme", device("1", "last"));
    assert_eq!(good.event("device").1["state"], "last");
}

#[test]
fn a_client_that_never_reads_is_dropped_alone_after_its_time() {
    let plane = Plane::start(FeedLimits { stall_max: Duration::from_millis(700), ..FeedLimits::default() });
    let mut good = plane.sse("/events?type=gap", &[]);
    good.event("snapshot");
    let request = plane.request("/events", &[]);
    let mut never = support::connect(plane.http);
    never.write_all(request.as_bytes()).unwrap();
    let upgrade =
        "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    let mut never_either = support::connect(plane.http);
    never_either.write_all(format!("{}{upgrade}", request.trim_end_matches("\r\n").to_owned() + "\r\n").as_bytes()).unwrap();
    assert!(within(Duration::from_secs(5), || plane.stats.clients.get() == 3));
    let began = Instant::now();
    // until the buffers of both are full and nobody takes anything
    while plane.stats.clients_dropped.get() < 2 {
        assert!(began.elapsed() < Duration::from_secs(20), "{} dropped", plane.stats.clients_dropped.get());
        (0..20).for_each(|_| _ = plane.say("acme", device("1", &"x".repeat(10_000))));
        std::thread::sleep(Duration::from_millis(5));
    }
    assert!(within(Duration::from_secs(5), || plane.stats.clients.get() == 1));
    plane.say_to_all(gap());
    // on a busy machine this one may have come behind, and has been told so; it is served on
    while good.event("gap").1["why"] != "overrun" {}
    // what is there to be read breaks off
    let mut rest = Vec::new();
    let _ = never.read_to_end(&mut rest);
}

#[test]
fn more_clients_than_are_served_are_told_to_come_again_and_the_other_paths_go_on() {
    let plane = Plane::start(FeedLimits { clients_max: 2, ..FeedLimits::default() });
    let (_one, other) = (plane.sse("/events", &[]), plane.sse("/events", &[]));
    let refused = plane.get("/events", &[]);
    assert_eq!((refused.status, refused.header("retry-after")), (503, "5"), "{refused:?}");
    assert_eq!(plane.get("/calls", &[]).status, 200);
    drop(other);
    assert!(within(Duration::from_secs(5), || {
        plane.say_to_all(gap());
        plane.stats.clients.get() < 2
    }));
    assert_eq!(plane.sse("/events", &[]).status, 200);
}

#[test]
fn twenty_thousand_live_calls_are_told_page_by_page_and_none_twice() {
    let plane = Plane::start(FeedLimits::default());
    (0..20_000).for_each(|n| _ = plane.say("acme", ringing(&format!("{n:05}"), "+4930123456", "101")));
    let mut client = Client::connect(&plane.socket()).unwrap();
    let (mut ids, mut after) = (Vec::new(), None);
    loop {
        let reply = client.ask(&Request::LiveCalls { tenant: "acme".into(), after }).unwrap();
        let Reply::Calls { calls, next, .. } = reply else { panic!("{reply:?}") };
        ids.extend(calls.iter().map(|call| call["id"].as_str().unwrap().to_owned()));
        after = next;
        if after.is_none() {
            break;
        }
    }
    assert_eq!(ids, (0..20_000).map(|n| format!("pbx/{n:05}")).collect::<Vec<_>>());
}

#[test]
fn live_calls_are_those_of_the_tokens_tenant() {
    let plane = Plane::start(FeedLimits::default());
    plane.say("acme", ringing("1", "+4930123456", "101"));
    plane.say("other", ringing("2", "+4930123456", "102"));
    plane.say("acme", ringing("3", "+4930999999", "103"));
    let ids = |path: &str| -> Vec<String> {
        let calls: Json = serde_json::from_str(&plane.get(path, &[]).body).unwrap();
        calls["calls"].as_array().unwrap().iter().map(|c| c["id"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(ids("/calls"), ["pbx/1", "pbx/3"]);
    assert_eq!(ids("/calls?number=030123456"), ["pbx/1"]);
    assert_eq!(ids("/calls?extension=103,104"), ["pbx/3"]);
    assert_eq!(plane.get("/calls?state=ringing", &[]).status, 400);
}
