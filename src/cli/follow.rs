//! `events`: the feed in a terminal, over the admin socket. Ends with Ctrl-C, or when the server does.

use super::args::Global;
use super::backend::{Backend, unexpected};
use super::exit::{Exit, Failure};
use super::print;
use crate::control::{FeedQuery, Reply, Request};
use clap::Args;
use serde_json::Value as Json;

/// How long one question waits for events, in milliseconds. The next one follows at once.
const WAIT_MS: u64 = 5000;

#[derive(Debug, Args)]
pub(super) struct EventsArgs {
    /// Show what the switches wrote, too
    #[arg(long)]
    raw: bool,
    /// Only this type, such as call, call.ringing, pop or device; may stand several times
    #[arg(long = "type", value_name = "T")]
    types: Vec<String>,
    /// Only what concerns this extension; may stand several times
    #[arg(long = "extension", value_name = "E")]
    extensions: Vec<String>,
    /// Only what concerns this number; may stand several times
    #[arg(long = "number", value_name = "N")]
    numbers: Vec<String>,
    /// Begin behind this event instead of with the state
    #[arg(long, value_name = "ID")]
    since: Option<String>,
}

pub(super) fn events(global: &Global, args: &EventsArgs) -> Result<Exit, Failure> {
    let query =
        FeedQuery { types: args.types.join(","), extensions: args.extensions.join(","), numbers: args.numbers.join(","), raw: args.raw };
    follow(global, &query, args.since.clone(), event_lines)
}

/// Live calls as they change: what `calls --follow` shows.
pub(super) fn calls(global: &Global, numbers: &[String]) -> Result<Exit, Failure> {
    let query = FeedQuery { types: "call".to_owned(), numbers: numbers.join(","), ..FeedQuery::default() };
    follow(global, &query, None, call_lines)
}

/// Asks again and again, until the server or the reader of what is printed ends.
fn follow(global: &Global, query: &FeedQuery, mut since: Option<String>, lines: fn(&Json) -> Vec<String>) -> Result<Exit, Failure> {
    let mut backend = Backend::server(global)?;
    loop {
        let (tenant, query) = (global.tenant.clone(), query.clone());
        let request = Request::Events { tenant, query, since: since.take(), wait_ms: WAIT_MS };
        let Reply::Events { events, .. } = backend.ask(request)? else { return Err(unexpected()) };
        for event in &events {
            if global.json {
                print::line(&print::json_line(event));
            } else {
                lines(event).iter().for_each(|line| print::line(line.trim_end()));
            }
        }
    }
}

fn text<'a>(value: &'a Json, path: &str) -> &'a str {
    value.pointer(path).and_then(Json::as_str).unwrap_or_default()
}

/// The time of day of an instant.
fn clock(instant: &str) -> &str {
    instant.get(11..19).unwrap_or("        ")
}

/// One line for an event, one for each thing of a state.
fn event_lines(event: &Json) -> Vec<String> {
    let kind = text(event, "/type");
    let list = |name: &str| event[name].as_array().cloned().unwrap_or_default();
    if kind == "snapshot" {
        let calls: Vec<Json> = list("calls");
        let mut lines: Vec<String> =
            calls.iter().map(|call| format!("{}  live  {}", clock(text(call, "/started")), call_text(call))).collect();
        lines.extend(list("devices").iter().map(|d| format!("          is    {} {}", shown(d, "/device"), shown(d, "/state"))));
        lines.extend(list("registrations").iter().map(|r| format!("          is    {} {}", shown(r, "/who"), registered(r))));
        lines.push(format!("--  from {} on", shown(event, "/id")));
        return lines;
    }
    let what = match kind {
        "pop" => {
            let how = match text(event, "/closed") {
                "" => "opens".to_owned(),
                "answered-elsewhere" => format!("closes: {} answered", shown(event, "/winner")),
                closed => format!("closes: {closed}"),
            };
            format!("{} {how}  {}", shown(event, "/extension"), call_text(&event["call"]))
        }
        "device" => format!("{} {}", shown(event, "/device"), shown(event, "/state")),
        "registration" => format!("{} {}", shown(event, "/who"), registered(event)),
        "conference.joined" | "conference.left" => {
            format!("{} room {}, {} in it", shown(event, "/number"), shown(event, "/room"), event["members"])
        }
        "gap" => {
            let lost = event["lost"].as_u64().map_or(String::new(), |n| format!(", {n} events lost"));
            format!("EVENTS ARE MISSING ({}{lost})", shown(event, "/why"))
        }
        "raw" => raw_text(event),
        _ => event.get("call").map(call_text).unwrap_or_default(),
    };
    vec![format!("{}  {:<8}  {kind:<16}  {what}", clock(text(event, "/at")), shown(event, "/switch"))]
}

fn shown(value: &Json, path: &str) -> String {
    print::shown(text(value, path))
}

fn registered(value: &Json) -> &'static str {
    if value["registered"].as_bool().unwrap_or_default() { "registered" } else { "not registered" }
}

fn raw_text(event: &Json) -> String {
    let pair = |pair: &Json| format!("{}={}", shown(pair, "/0"), shown(pair, "/1"));
    let fields: Vec<String> = event["fields"].as_array().map(|fields| fields.iter().map(pair).collect()).unwrap_or_default();
    format!("{} {}", shown(event, "/event"), fields.join(" "))
}

/// Who calls whom, and how it stands.
fn call_text(call: &Json) -> String {
    let number = match shown(call, "/from/number") {
        number if number.is_empty() => "anonymous".to_owned(),
        number => number,
    };
    let from = match shown(call, "/from/name") {
        name if name.is_empty() => number,
        name => format!("{name} ({number})"),
    };
    let mut text = format!("{from} → {}", shown(call, "/to"));
    let member = match shown(call, "/answered_by/name") {
        name if name.is_empty() => shown(call, "/answered_by/member"),
        name => format!("{name} ({})", shown(call, "/answered_by/member")),
    };
    if !member.is_empty() {
        text.push_str(&format!(", answered by {member}"));
    }
    match call.get("disposition").and_then(Json::as_str) {
        Some(disposition) => {
            let seconds = call["duration_ms"].as_u64().unwrap_or_default() / 1000;
            text.push_str(&format!(", {} after {seconds} s", print::shown(disposition)));
        }
        None => text.push_str(&format!(", {}", shown(call, "/state"))),
    }
    text
}

/// One line for each call that is told of.
fn call_lines(event: &Json) -> Vec<String> {
    let line = |at: &str, call: &Json| format!("{}  {:<8}  {}", clock(at), shown(call, "/state"), call_text(call));
    match text(event, "/type") {
        "snapshot" => {
            let calls = event["calls"].as_array().cloned().unwrap_or_default();
            calls.iter().map(|call| line(text(call, "/started"), call)).collect()
        }
        "gap" | "repaired" => event_lines(event),
        _ => event.get("call").map(|call| line(text(event, "/at"), call)).into_iter().collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn an_event_is_one_line_whatever_a_caller_calls_himself() {
        let call = json!({"from": {"number": "+14155550101", "name": "Eve\u{1b}[2J\nroot"}, "to": "101", "state": "ringing"});
        let event = json!({"type": "call.ringing", "at": "2026-11-21T16:30:23.123Z", "switch": "pbx", "call": call});
        assert_eq!(event_lines(&event), ["16:30:23  pbx       call.ringing      Eve\\u{1b}[2J\\nroot (+14155550101) → 101, ringing"]);
        let lines =
            event_lines(&json!({"type": "snapshot", "id": "1-2", "calls": [call], "devices": [{"device": "PJSIP/1", "state": "busy"}]}));
        assert_eq!(lines.len(), 3);
        assert!(lines.iter().all(|line| !line.contains('\n')));
        assert_eq!(call_lines(&event), ["16:30:23  ringing   Eve\\u{1b}[2J\\nroot (+14155550101) → 101, ringing"]);
    }

    #[test]
    fn a_gap_is_said_aloud_and_a_pop_that_closes_names_the_winner() {
        let gap = json!({"type": "gap", "why": "overrun", "lost": 7, "at": "2026-11-21T16:30:23.123Z", "switch": "pbx"});
        assert!(event_lines(&gap)[0].ends_with("EVENTS ARE MISSING (overrun, 7 events lost)"));
        assert_eq!(call_lines(&gap).len(), 1);
        let pop = json!({"type": "pop", "extension": "101", "closed": "answered-elsewhere", "winner": "102", "switch": "pbx",
            "call": {"from": {"number": ""}, "to": "+1", "state": "answered", "answered_by": {"member": "102"}}});
        assert!(event_lines(&pop)[0].contains("101 closes: 102 answered  anonymous → +1, answered by 102, answered"), "{pop}");
    }
}
