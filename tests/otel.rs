//! Spans of calls: what a collector is told, and that a collector that hangs or is away costs no call.

mod support;

/// A collector's address where there is none.
const NOWHERE: &str = "http://127.0.0.1:9";

#[cfg(not(feature = "otel"))]
#[test]
fn a_program_without_opentelemetry_says_so_and_answers_calls() {
    let place = support::Place::with_sample(&format!("otel_endpoint = \"{NOWHERE}\"\n"));
    let said = place.done(&["check"]).out;
    assert!(said.contains("warning: otel_endpoint") && said.contains("build it with --features otel"), "{said}");
    let server = place.serve(&[]);
    assert_eq!(support::ask(server.agi, support::DID, support::SCHOOL).get("STATUS"), "found");
    assert!(place.logged().contains("calls are not traced"), "{}", place.logged());
    assert!(place.done(&["status", "--json"]).json()["spans"].is_null());
}

#[cfg(feature = "otel")]
#[path = "support/collector.rs"]
mod collector;

#[cfg(feature = "otel")]
mod with_a_collector {
    use super::collector::Collector;
    use super::support::{self, DID, PLENTY, Place, Running, SCHOOL, SERVE, ask_on, connect, fields, play, within};
    use rustix::process::Signal;
    use serde_json::Value as Json;
    use std::net::{SocketAddr, TcpListener};
    use std::process::Stdio;
    use std::time::Duration;
    use strowger::play::CallFields;

    /// Every call's spans go to a collector.
    fn traced(place: &Place, url: &str, more: &[&str]) -> Running {
        place.serve(&[&["--otel-endpoint", url, "--otel-sample", "1"], more].concat())
    }

    fn spans_that(place: &Place, became: &str) -> u64 {
        place.done(&["status", "--json"]).json()["spans"][became].as_u64().unwrap()
    }

    /// Asks for a caller's name, so often, on one connection.
    fn ask_names(door: SocketAddr, times: usize) {
        let mut stream = connect(door);
        for _ in 0..times {
            let reply = ask_on(&mut stream, &format!("GET /name?number={SCHOOL} HTTP/1.1\r\nHost: localhost\r\n\r\n"));
            assert_eq!((reply.status, reply.body.as_str()), (200, "Lincoln School"), "{reply:?}");
        }
    }

    #[test]
    fn a_calls_span_has_what_its_line_in_the_log_has_and_no_number_more() {
        let (place, collector) = (Place::with_sample(""), Collector::start());
        let server = traced(&place, &collector.url(), &["--log-format", "json"]);
        let call = CallFields { unique_id: "1795277700.4".into(), arguments: vec!["switch=pbx1".into()], ..fields(DID, SCHOOL) };
        assert_eq!(play(server.agi, &call).get("STATUS"), "found");
        let span = collector.wait_for(1).remove(0);
        assert_eq!((span.name.as_str(), span.kind, span.status), ("route", 2, 0));
        assert!(span.start_ns < span.end_ns && span.end_ns - span.start_ns < PLENTY.as_nanos() as u64, "{span:?}");
        let logged = place.logged();
        let line: Json = serde_json::from_str(logged.lines().find(|line| line.contains("answered a call")).unwrap()).unwrap();
        for name in ["call_id", "to", "from", "status", "action", "reason", "route", "ending", "answer_us"] {
            let said = line[name].as_str().map_or_else(|| line[name].to_string(), str::to_owned);
            assert_eq!(span.get(name), said, "{name} in {span:?}");
        }
        assert_eq!((span.get("switch"), span.get("switch_kind"), span.get("tenant")), ("pbx1", "asterisk", "default"));
        assert_eq!(span.get("budget_us"), "100000");
        let used: f64 = span.get("budget_used").parse().unwrap();
        assert!((used - span.get("answer_us").parse::<f64>().unwrap() / 100_000.0).abs() < 1e-9);
        assert!(!span.attributes.values().any(|value| value.contains("4155550")), "{span:?}");
        let export = &collector.exports()[0];
        assert!(export.head.starts_with("post /v1/traces http/1.1\r\n"), "{}", export.head);
        assert!(export.head.contains("content-type: application/x-protobuf\r\n"), "{}", export.head);
        assert_eq!(export.resource["service.name"], "strowger");
        assert_eq!(export.resource["service.version"], env!("CARGO_PKG_VERSION"));
        assert!(within(PLENTY, || spans_that(&place, "exported") == 1));
    }

    #[test]
    fn all_steps_of_a_call_are_one_trace_and_a_failed_one_is_an_error() {
        let (place, collector) = (Place::with_sample(""), Collector::start());
        let server = traced(&place, &collector.url(), &[]);
        let call = |id: &str, request: &str, to: &str| CallFields { unique_id: id.into(), request: request.into(), ..fields(to, SCHOOL) };
        play(server.agi, &call("1795277700.5", "name", DID));
        play(server.agi, &call("1795277700.5", "route", DID));
        play(server.agi, &call("1795277700.6", "rout", DID));
        let spans = collector.wait_for(3);
        let of = |name: &str| spans.iter().find(|span| span.name == name).unwrap_or_else(|| panic!("{name}: {spans:?}"));
        assert_eq!(of("name").trace_id, of("route").trace_id);
        assert_ne!(of("name").span_id, of("route").span_id);
        assert_ne!(of("other").trace_id, of("route").trace_id);
        assert_eq!((of("other").status, of("other").get("status"), of("other").get("reason")), (2, "error", "bad-request"));
    }

    #[test]
    fn the_standard_variables_of_the_environment_are_obeyed() {
        let (place, collector) = (Place::with_sample("otel_sample = 1\n"), Collector::start());
        let start = |more: &[(&str, &str)]| {
            let mut command = place.command(SERVE);
            command.env("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url()).envs(more.iter().copied()).stderr(Stdio::null());
            Running::start(command)
        };
        let server = start(&[("OTEL_SERVICE_NAME", "pbx-agent"), ("OTEL_EXPORTER_OTLP_HEADERS", "x-team=voice")]);
        support::ask(server.agi, DID, SCHOOL);
        collector.wait_for(1);
        let export = &collector.exports()[0];
        assert_eq!(export.resource["service.name"], "pbx-agent");
        assert!(export.head.contains("\r\nx-team: voice\r\n"), "{}", export.head);
        drop(server);
        let server = start(&[("OTEL_SDK_DISABLED", "true")]);
        assert_eq!(support::ask(server.agi, DID, SCHOOL).get("STATUS"), "found");
        assert!(place.done(&["status", "--json"]).json()["spans"].is_null());
    }

    #[test]
    fn without_a_collectors_address_there_is_no_thread_that_exports() {
        let threads = |server: &Running| {
            let tasks = std::fs::read_dir(format!("/proc/{}/task", server.pid())).unwrap().flatten();
            let names: Vec<String> = tasks.filter_map(|task| std::fs::read_to_string(task.path().join("comm")).ok()).collect();
            names.iter().filter(|name| name.trim() == "otel").count()
        };
        let (place, traced_place) = (Place::with_sample(""), Place::with_sample(""));
        let (untraced, traced) = (place.serve(&[]), traced(&traced_place, super::NOWHERE, &[]));
        assert!(within(PLENTY, || threads(&traced) == 1));
        assert_eq!(threads(&untraced), 0);
        assert!(place.done(&["status", "--json"]).json()["spans"].is_null());
    }

    #[test]
    fn a_collector_that_never_answers_costs_spans_which_are_counted_and_no_call() {
        let place = Place::with_sample("");
        let hanging = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut server = traced(&place, &format!("http://{}", hanging.local_addr().unwrap()), &[]);
        let (accepted, _held) = std::sync::mpsc::channel();
        std::thread::spawn(move || hanging.incoming().flatten().for_each(|stream| drop(accepted.send(stream))));
        place.settled();
        // more than a batch that hangs and a queue hold
        std::thread::scope(|scope| (0..4).for_each(|_| drop(scope.spawn(|| ask_names(server.lookup_http, 1_000)))));
        assert!(within(PLENTY, || spans_that(&place, "dropped") > 1_000));
        assert_eq!(support::ask(server.agi, DID, SCHOOL).get("STATUS"), "found");
        let status = place.done(&["status", "--json"]).json();
        assert_eq!((status["late"].as_u64(), status["spans"]["exported"].as_u64()), (Some(0), Some(0)), "{status}");
        assert!(place.done(&["status"]).out.contains("dropped"));
        server.signal(Signal::TERM);
        assert_eq!(server.ends_within(PLENTY), Some(Some(0)));
    }

    #[test]
    fn a_collector_that_was_away_gets_spans_again_once_it_is_there() {
        let place = Place::with_sample("");
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let server = traced(&place, &format!("http://{address}"), &[]);
        for n in 1..=2 {
            assert_eq!(support::ask(server.agi, DID, SCHOOL).get("STATUS"), "found");
            assert!(within(PLENTY, || spans_that(&place, "failed") == n));
        }
        let warning = "a collector didn't take spans of calls; they are dropped until it does";
        assert_eq!(place.logged().matches(warning).count(), 1, "{}", place.logged());
        assert!(place.logged().contains("Connection refused"), "{}", place.logged());
        let collector = Collector::start_on(TcpListener::bind(address).unwrap());
        support::ask(server.agi, DID, SCHOOL);
        assert_eq!(collector.wait_for(1).len(), 1);
        assert!(within(PLENTY, || place.logged().contains("the collector takes spans again")));
    }

    #[test]
    fn the_last_spans_are_handed_over_when_the_server_stops() {
        let (place, collector) = (Place::with_sample(""), Collector::start());
        let mut server = traced(&place, &collector.url(), &[]);
        ask_names(server.lookup_http, 700);
        server.signal(Signal::TERM);
        assert_eq!(server.ends_within(PLENTY), Some(Some(0)));
        assert!(within(Duration::from_secs(5), || collector.spans().len() == 700), "{}", collector.spans().len());
    }

    #[test]
    fn of_a_sample_of_nothing_nothing_is_sent() {
        let (place, collector) = (Place::with_sample(""), Collector::start());
        let mut server = place.serve(&["--otel-endpoint", &collector.url(), "--otel-sample", "0"]);
        ask_names(server.lookup_http, 100);
        server.signal(Signal::TERM);
        assert_eq!(server.ends_within(PLENTY), Some(Some(0)));
        assert_eq!(collector.exports().len(), 0);
    }
}
