//! Calls against little servers, each with one habit.

use super::*;
use crate::wire::agi::{Environment, EnvironmentDecoder, Value, VariableName, command};
use bytes::BytesMut;
use std::{
    io::{Read, Write},
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};
use tokio_util::codec::Decoder;

const STATUS: VariableName = VariableName::from_static("STROWGER_STATUS");
const NAME: VariableName = VariableName::from_static("CALLERID(name)");
const FOUND: &[u8] = b"EXEC MSet \"CALLERID(name)=Ada,STROWGER_STATUS=found\"\n";
pub(super) const PLENTY: Duration = Duration::from_secs(10);

/// Listens on a free port; each connection is given to `habit` on a thread of its own.
pub(super) fn server(habit: impl Fn(TcpStream) + Send + Sync + 'static) -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = listener.local_addr().unwrap();
    let habit = Arc::new(habit);
    thread::spawn(move || {
        for stream in listener.incoming() {
            let habit = Arc::clone(&habit);
            thread::spawn(move || habit(stream.unwrap()));
        }
    });
    address
}

fn environment(stream: &mut TcpStream) -> Environment {
    let (mut decoder, mut buffer) = (EnvironmentDecoder::new(), BytesMut::new());
    loop {
        let mut bytes = [0; 4_096];
        let read = stream.read(&mut bytes).unwrap();
        assert!(read > 0, "the switch closed early");
        buffer.extend_from_slice(&bytes[..read]);
        if let Some(environment) = decoder.decode(&mut buffer).unwrap() {
            assert!(buffer.is_empty(), "the switch wrote before it was asked");
            return environment;
        }
    }
}

/// Writes lines, each after the reply to the one before, and waits for the last reply.
fn say(stream: &mut TcpStream, commands: &[u8]) {
    for line in command::lines(commands) {
        stream.write_all(line).unwrap();
        let mut reply = [0; 64];
        let read = stream.read(&mut reply).unwrap();
        assert_eq!(&reply[..read], b"200 result=0\n");
    }
}

/// A server that answers every call with these lines and closes.
fn answering(commands: impl Into<Vec<u8>>) -> SocketAddr {
    let commands = commands.into();
    server(move |mut stream| {
        environment(&mut stream);
        say(&mut stream, &commands);
    })
}

/// A server that writes these bytes after the environment and closes, whatever comes back.
fn writing(bytes: impl Into<Vec<u8>>) -> SocketAddr {
    let bytes = bytes.into();
    server(move |mut stream| {
        environment(&mut stream);
        let _ = stream.write_all(&bytes);
        let _ = stream.shutdown(std::net::Shutdown::Write);
        let _ = stream.read_to_end(&mut Vec::new());
    })
}

fn silent() -> SocketAddr {
    server(|mut stream| {
        environment(&mut stream);
        let _ = stream.read_to_end(&mut Vec::new());
    })
}

/// An address where nobody listens, and where none of the servers here will.
pub(super) fn nobody() -> SocketAddr {
    TcpListener::bind((Ipv4Addr::new(127, 0, 0, 77), 0)).unwrap().local_addr().unwrap()
}

fn play(address: SocketAddr, wait_max: Duration) -> Result<Conversation, CallError> {
    let fields = CallFields { caller_number: Some("+4930123456".to_owned()), ..CallFields::default() };
    play_fields(address, &fields, wait_max)
}

fn play_fields(address: SocketAddr, fields: &CallFields, wait_max: Duration) -> Result<Conversation, CallError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(call(address, fields, wait_max))
}

#[test]
fn a_call_hears_the_answer_and_holds_the_variables_as_a_channel_would() {
    let mut commands = BytesMut::new();
    command::mset(&[(NAME, Value::new(r#"O'Neil, "Bob" (home) \[x]"#)), (STATUS, Value::new("found"))], &mut commands).unwrap();
    let conversation = play(answering(&commands[..]), PLENTY).unwrap();
    assert_eq!(conversation.variable("CALLERID(name)"), Some(&br#"O'Neil, "Bob" (home) \[x]"#[..]));
    assert_eq!(conversation.variable("STROWGER_STATUS"), Some(&b"found"[..]));
    assert_eq!(conversation.ended, Ended::Closed);
    assert!(conversation.elapsed > Duration::ZERO && conversation.elapsed < PLENTY);
    let (first, last) = (&conversation.lines[0], &conversation.lines[conversation.lines.len() - 2]);
    assert_eq!(first, &(Direction::FromSwitch, b"agi_network: yes".to_vec()));
    assert_eq!(last, &(Direction::FromSwitch, b"200 result=0".to_vec()));
}

#[test]
fn the_environment_says_what_the_call_is() {
    let seen = Arc::new(Mutex::new(None));
    let kept = Arc::clone(&seen);
    let address = server(move |mut stream| {
        *kept.lock().unwrap() = Some(environment(&mut stream));
        say(&mut stream, FOUND);
    });
    let fields = CallFields {
        request: "route?tenant=acme".to_owned(),
        caller_name: Some("Zoë".to_owned()),
        extension: "49301".to_owned(),
        dnid: Some("49302".to_owned()),
        arguments: vec!["step=1.x".to_owned()],
        ..CallFields::default()
    };
    play_fields(address, &fields, PLENTY).unwrap();
    let environment = seen.lock().unwrap().take().unwrap();
    assert_eq!(environment.network_script(), b"route?tenant=acme");
    assert_eq!(environment.request(), format!("agi://{address}/route?tenant=acme").as_bytes());
    assert_eq!((environment.caller_number(), environment.presentation()), (&b"unknown"[..], Some(67)));
    assert_eq!(environment.caller_name(), "Zoë".as_bytes());
    assert_eq!((environment.extension(), environment.dnid()), (&b"49301"[..], &b"49302"[..]));
    assert_eq!(environment.arguments().collect::<Vec<_>>(), [b"step=1.x"]);
}

#[test]
fn a_server_that_half_closes_gets_the_reply_and_then_hangup() {
    let (sent, received) = std::sync::mpsc::channel();
    let address = server(move |mut stream| {
        environment(&mut stream);
        stream.write_all(FOUND).unwrap();
        stream.shutdown(std::net::Shutdown::Write).unwrap();
        let mut rest = Vec::new();
        stream.read_to_end(&mut rest).unwrap();
        sent.send(rest).unwrap();
    });
    assert_eq!(play(address, PLENTY).unwrap().ended, Ended::Closed);
    assert_eq!(received.recv().unwrap(), b"200 result=0\nHANGUP\n");
    assert_eq!(load(&LoadPlan { calls_max: Some(1), ..plan(address) }).failed.total(), 0);
    assert_eq!(received.recv().unwrap(), b"200 result=0\nHANGUP\n");
}

#[test]
fn each_way_of_not_answering_has_its_own_error() {
    let address = nobody();
    assert_eq!(play(address, PLENTY).unwrap_err(), CallError::Refused { address });
    assert_eq!(play(silent(), Duration::from_millis(50)).unwrap_err(), CallError::TimedOut { wait_ms: 50 });
    assert_eq!(play(writing(""), PLENTY).unwrap_err(), CallError::NoAnswer);
    for (bytes, message) in
        [(b"EXEC MSet \"A=1".to_vec(), "closed in the middle"), (b"EXEC MSet \"A=\0\"\n".to_vec(), "NUL"), ([b'x'; 9_000].to_vec(), "8191")]
    {
        let error = play(writing(bytes), PLENTY).unwrap_err();
        assert!(matches!(error, CallError::Garbage(_)) && error.to_string().contains(message), "{error}");
    }
    assert_eq!(play(writing(b"NOOP\n".repeat(1_000)), PLENTY).unwrap_err(), CallError::Endless);
}

#[test]
fn a_server_that_answers_and_never_closes_is_told_from_one_that_does() {
    let address = server(|mut stream| {
        environment(&mut stream);
        say(&mut stream, FOUND);
        let _ = stream.read_to_end(&mut Vec::new());
    });
    let conversation = play(address, Duration::from_millis(700)).unwrap();
    assert_eq!(conversation.ended, Ended::LeftOpen);
    assert_eq!(conversation.variable("STROWGER_STATUS"), Some(&b"found"[..]));
}

pub(super) fn plan(address: SocketAddr) -> LoadPlan {
    LoadPlan {
        address,
        request: "route".to_owned(),
        arguments: Vec::new(),
        pace: Pace::Closed,
        connections: 4,
        calls_max: Some(40),
        duration_max: None,
        wait_max: PLENTY,
        expect: None,
    }
}

fn load(plan: &LoadPlan) -> LoadReport {
    run_load(plan, |index| (format!("+4930{index}"), "49301".to_owned())).unwrap()
}

#[test]
fn every_call_of_a_load_is_a_genuine_one_with_numbers_of_its_own() {
    let seen = Arc::new(Mutex::new(std::collections::BTreeSet::new()));
    let kept = Arc::clone(&seen);
    let address = server(move |mut stream| {
        let environment = environment(&mut stream);
        assert_eq!((environment.extension(), environment.dnid()), (&b"49301"[..], &b"49301"[..]));
        let call = (environment.caller_number().to_vec(), environment.unique_id().to_vec(), environment.channel().to_vec());
        assert!(kept.lock().unwrap().insert(call), "two calls are the same");
        say(&mut stream, FOUND);
    });
    let report = load(&plan(address));
    assert_eq!((report.calls, report.failed.total(), report.statuses.found), (40, 0, 40));
    assert_eq!(seen.lock().unwrap().len(), 40);
    assert!(report.latency.p50_us > 0.0 && report.latency.p50_us <= report.latency.max_us);
    assert_eq!(report.latency, report.service);
}

#[test]
fn a_load_stops_when_its_time_is_up() {
    let report = load(&LoadPlan { calls_max: None, duration_max: Some(Duration::from_millis(100)), ..plan(answering(FOUND)) });
    assert!(report.calls > 0 && report.duration_seconds < 5.0, "{report:?}");
}

#[test]
fn failing_calls_are_counted_by_kind_and_the_load_goes_on() {
    let failed = |address| load(&LoadPlan { calls_max: Some(8), ..plan(address) }).failed;
    let wait_max = Duration::from_millis(50);
    assert_eq!(load(&LoadPlan { calls_max: Some(8), wait_max, ..plan(silent()) }).failed.timed_out, 8);
    assert_eq!(failed(nobody()).refused, 8);
    assert_eq!(failed(writing("")).no_answer, 8);
    assert_eq!(failed(writing(&FOUND[..20])).no_answer, 8);
    assert_eq!(failed(writing("HTTP/1.1 400 Bad Request\r\n\r\n")).malformed, 8);
    assert_eq!(failed(writing("EXEC MSet \"STROWGER_STATUS=found\n")).malformed, 8);
    assert_eq!(failed(writing([b'x'; 9_000])).malformed, 8);
}

#[test]
fn late_and_error_answers_are_told_apart_and_an_unexpected_one_fails() {
    let calls = AtomicUsize::new(0);
    let address = server(move |mut stream| {
        environment(&mut stream);
        let status = ["found", "late", "error", "odd"][calls.fetch_add(1, Ordering::Relaxed) % 4];
        say(&mut stream, format!("EXEC MSet \"STROWGER_NAME=x\\\\,STROWGER_STATUS=no,STROWGER_STATUS={status}\"\n").as_bytes());
    });
    let report = load(&LoadPlan { expect: Some(|status| status == b"found"), ..plan(address) });
    let statuses = report.statuses;
    assert_eq!((statuses.found, statuses.late, statuses.error, statuses.other), (10, 10, 10, 10));
    assert_eq!((report.failed.unexpected_status, report.failed.total()), (30, 30));
}

#[test]
fn an_answer_of_several_lines_counts_from_the_line_that_holds_the_status() {
    let report = load(&plan(answering([&b"EXEC MSet \"STROWGER_NAME=Ada\"\n"[..], FOUND].concat())));
    assert_eq!((report.failed.total(), report.statuses.found, report.statuses.none), (0, 40, 0));
}

#[test]
fn a_stall_of_the_server_shows_in_the_latency_of_all_calls_that_met_it() {
    let calls = AtomicUsize::new(0);
    let address = server(move |mut stream| {
        environment(&mut stream);
        if calls.fetch_add(1, Ordering::Relaxed) == 0 {
            thread::sleep(Duration::from_millis(400));
        }
        say(&mut stream, FOUND);
    });
    let pace = Pace::Open { calls_per_second: 50.0 };
    let report = load(&LoadPlan { pace, connections: 1, calls_max: Some(20), ..plan(address) });
    assert_eq!(report.failed.total(), 0);
    assert!(report.latency.p50_us > 100_000.0, "{:?}", report.latency);
    assert!(report.service.p50_us < 100_000.0, "{:?}", report.service);
}

#[test]
fn a_load_that_the_server_cannot_take_ends_and_says_how_many_calls_never_began() {
    let pace = Pace::Open { calls_per_second: 1_000.0 };
    let wait_max = Duration::from_millis(50);
    let report = load(&LoadPlan { pace, connections: 1, calls_max: Some(100), wait_max, ..plan(silent()) });
    assert_eq!((report.calls, report.failed.total()), (100, 100));
    assert!(report.failed.not_begun > 80 && report.duration_seconds < 5.0, "{report:?}");
}

#[test]
fn a_plan_that_cannot_be_played_is_refused() {
    let refused = |plan: LoadPlan| run_load(&plan, |_| Default::default()).unwrap_err();
    let good = plan(nobody());
    assert_eq!(refused(LoadPlan { connections: 0, ..good.clone() }), LoadError::Connections);
    assert_eq!(refused(LoadPlan { calls_max: None, ..good.clone() }), LoadError::NoEnd);
    assert_eq!(refused(LoadPlan { wait_max: Duration::ZERO, ..good.clone() }), LoadError::Wait);
    assert_eq!(refused(LoadPlan { request: "route\nagi_x: 1".to_owned(), ..good.clone() }), LoadError::ControlCharacter);
    for calls_per_second in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        assert_eq!(refused(LoadPlan { pace: Pace::Open { calls_per_second }, ..good.clone() }), LoadError::Rate);
    }
}

#[test]
fn a_report_is_json_with_units_in_its_names() {
    let report = serde_json::to_value(load(&plan(answering(FOUND)))).unwrap();
    assert_eq!((&report["mode"], &report["calls"]), (&"closed".into(), &40.into()));
    assert!(report["latency"]["p999_us"].is_number() && report["failed"]["timed_out"].is_number());
}
