//! `events`: the feed in a terminal, over the admin socket. Ends with Ctrl-C, or when the server does.

use super::args::Global;
use super::backend::{Backend, unexpected};
use super::exit::{Exit, Failure};
use super::print;
use crate::control::{ClientError, FeedQuery, Reply, Request};
use clap::Args;
use serde_json::Value as Json;
use std::collections::HashMap;

/// How long one question waits for events, in milliseconds. The next one follows at once.
const WAIT_MS: u64 = 5000;
/// Calls whose last line is remembered. Where more live, all are forgotten, and a line may come twice.
const SAID_MAX: usize = 10_000;

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
fn follow(
    global: &Global,
    query: &FeedQuery,
    mut since: Option<String>,
    lines: fn(&Json, &mut Said) -> Vec<String>,
) -> Result<Exit, Failure> {
    let mut backend = Backend::server(global)?;
    let (mut said, mut was_there) = (Said::default(), false);
    loop {
        let (tenant, query) = (global.tenant.clone(), query.clone());
        let request = Request::Events { tenant, query, since: since.take(), wait_ms: WAIT_MS };
        let reply = match (&mut backend, was_there) {
            // nothing is undone by the end of a server that was only listened to
            (Backend::Server(client), true) => match client.ask(&request) {
                Err(ClientError::Gone(_)) => {
                    return Err(Failure::new(Exit::NoServer, "the server was stopped; run this again when it is up"));
                }
                reply => super::backend::said(reply?)?,
            },
            (backend, _) => backend.ask(request)?,
        };
        let Reply::Events { events, .. } = reply else { return Err(unexpected()) };
        was_there = true;
        for event in &events {
            if global.json {
                print::line(&print::json_line(event));
            } else {
                lines(event, &mut said).iter().for_each(|line| print::line(line.trim_end()));
            }
        }
    }
}

/// What was last said of each live call: its kind of event, and its text.
#[derive(Default)]
struct Said(HashMap<String, (String, String)>);

impl Said {
    /// Whether this is news of the call.
    fn is_news(&mut self, kind: &str, call: &Json, what: &str) -> bool {
        let id = text(call, "/id");
        if call.get("disposition").is_some() || text(call, "/state") == "ended" {
            self.0.remove(id);
            return true;
        }
        // without an id one call can't be told from another
        if id.is_empty() {
            return true;
        }
        if let Some((last_kind, last)) = self.0.get_mut(id) {
            if last == what && (kind == last_kind || kind == "call.changed") {
                return false;
            }
            (*last_kind, *last) = (kind.to_owned(), what.to_owned());
            return true;
        }
        if self.0.len() >= SAID_MAX {
            self.0.clear();
        }
        self.0.insert(id.to_owned(), (kind.to_owned(), what.to_owned()));
        true
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
fn event_lines(event: &Json, said: &mut Said) -> Vec<String> {
    let kind = text(event, "/type");
    let list = |name: &str| event[name].as_array().cloned().unwrap_or_default();
    if kind == "snapshot" {
        let calls: Vec<Json> = list("calls");
        let live = |call: &Json| {
            let what = call_text(call);
            said.is_news("snapshot", call, &what);
            format!("{}  live  {what}", clock(text(call, "/started")))
        };
        let mut lines: Vec<String> = calls.iter().map(live).collect();
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
        _ => match event.get("call") {
            Some(call) => {
                let what = call_text(call);
                if !said.is_news(kind, call, &what) {
                    return Vec::new();
                }
                what
            }
            None => String::new(),
        },
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
        _ if call["from"]["withheld"] == true => "withheld".to_owned(),
        number if number.is_empty() => "-".to_owned(),
        number => number,
    };
    let from = match shown(call, "/from/name") {
        name if name.is_empty() => number,
        name if number == "-" => name,
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
    let transferred = shown(call, "/transferred_to");
    if !transferred.is_empty() {
        text.push_str(&format!(", transferred to {transferred}"));
    }
    let disposition = call.get("disposition").and_then(Json::as_str);
    let state = disposition.map_or_else(|| shown(call, "/state"), print::shown);
    match state.as_str() {
        "ringing" => text.push_str(format!(", ringing {}", rung(call)).trim_end()),
        // who answered was said
        "answered" | "bridged" if !member.is_empty() => {}
        "" => {}
        state => text.push_str(&format!(", {state}")),
    }
    if disposition.is_some() {
        text.push_str(&format!(", lasted {} s", call["duration_ms"].as_u64().unwrap_or_default() / 1000));
    }
    text
}

/// Whom a call rings: each leg's member, else what was dialled on it.
fn rung(call: &Json) -> String {
    let mut who: Vec<String> = Vec::new();
    for leg in call["legs"].as_array().into_iter().flatten().filter(|leg| matches!(text(leg, "/state"), "dialing" | "ringing")) {
        let name = match shown(leg, "/member") {
            member if member.is_empty() => shown(leg, "/number"),
            member => member,
        };
        if !name.is_empty() && !who.contains(&name) {
            who.push(name);
        }
    }
    who.join(", ")
}

/// A line for each call that something else is to be said of than before.
fn call_lines(event: &Json, said: &mut Said) -> Vec<String> {
    let mut line = |at: &str, call: &Json| {
        let what = call_text(call);
        said.is_news("", call, &what).then(|| format!("{}  {what}", clock(at)))
    };
    match text(event, "/type") {
        "snapshot" => {
            let calls = event["calls"].as_array().cloned().unwrap_or_default();
            calls.iter().filter_map(|call| line(text(call, "/started"), call)).collect()
        }
        "gap" | "repaired" => event_lines(event, said),
        _ => event.get("call").and_then(|call| line(text(event, "/at"), call)).into_iter().collect(),
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
        assert_eq!(
            event_lines(&event, &mut Said::default()),
            ["16:30:23  pbx       call.ringing      Eve\\u{1b}[2J\\nroot (+14155550101) → 101, ringing"]
        );
        let lines = event_lines(
            &json!({"type": "snapshot", "id": "1-2", "calls": [call], "devices": [{"device": "PJSIP/1", "state": "busy"}]}),
            &mut Said::default(),
        );
        assert_eq!(lines.len(), 3);
        assert!(lines.iter().all(|line| !line.contains('\n')));
        assert_eq!(call_lines(&event, &mut Said::default()), ["16:30:23  Eve\\u{1b}[2J\\nroot (+14155550101) → 101, ringing"]);
    }

    #[test]
    fn a_gap_is_said_aloud_and_a_pop_that_closes_names_the_winner() {
        let gap = json!({"type": "gap", "why": "overrun", "lost": 7, "at": "2026-11-21T16:30:23.123Z", "switch": "pbx"});
        assert!(event_lines(&gap, &mut Said::default())[0].ends_with("EVENTS ARE MISSING (overrun, 7 events lost)"));
        assert_eq!(call_lines(&gap, &mut Said::default()).len(), 1);
        let pop = json!({"type": "pop", "extension": "101", "closed": "answered-elsewhere", "winner": "102", "switch": "pbx",
            "call": {"from": {"number": ""}, "to": "+1", "state": "answered", "answered_by": {"member": "102"}}});
        assert!(event_lines(&pop, &mut Said::default())[0].ends_with("101 closes: 102 answered  - → +1, answered by 102"), "{pop}");
    }

    #[test]
    fn a_call_is_told_of_again_only_when_there_is_something_else_to_say() {
        let leg = |member: &str, state: &str| json!({"member": member, "number": "0", "state": state});
        let call = |state: &str, legs: &[Json], more: Json| {
            let mut call = json!({"id": "pbx/1", "from": {"number": "", "withheld": true}, "to": "199", "state": state, "legs": legs});
            call.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            call
        };
        let rings = [leg("101", "ringing"), leg("102", "dialing"), leg("103", "ended")];
        let answered = json!({"answered_by": {"leg": "l", "member": "101"}});
        let over = json!({"answered_by": {"leg": "l", "member": "101"}, "disposition": "answered", "duration_ms": 5400});
        let told = [
            ("call.ringing", call("ringing", &[], json!({}))),
            ("call.ringing", call("ringing", &rings, json!({}))),
            ("call.changed", call("ringing", &rings, json!({}))),
            ("call.answered", call("answered", &[], answered.clone())),
            ("call.bridged", call("bridged", &[], answered.clone())),
            ("call.changed", call("bridged", &[], answered.clone())),
            ("call.held", call("held", &[], answered)),
            ("call.ended", call("ended", &[], over)),
            ("call.ringing", call("ringing", &[], json!({}))),
        ];
        let (mut said, mut calls, mut events) = (Said::default(), Vec::new(), Vec::new());
        for (kind, call) in &told {
            calls.extend(call_lines(&json!({"type": kind, "at": "2026-11-21T16:30:23.123Z", "call": call}), &mut said));
        }
        let lines = ["ringing", "ringing 101, 102", "answered by 101", "answered by 101, held", "answered by 101, lasted 5 s", "ringing"];
        assert_eq!(calls, lines.map(|line| format!("16:30:23  withheld → 199, {line}")));
        let mut said = Said::default();
        for (kind, call) in &told {
            let event = json!({"type": kind, "switch": "pbx", "at": "2026-11-21T16:30:23.123Z", "call": call});
            events.extend(event_lines(&event, &mut said).iter().map(|line| line[20..33].trim_end().to_owned()));
        }
        assert_eq!(events.len(), 7, "what rings and what is bridged changed in nothing that is said: {events:?}");
        for n in 0..=SAID_MAX {
            said.is_news("", &json!({"id": n.to_string(), "state": "ringing"}), "");
        }
        assert!(said.0.len() <= SAID_MAX);
    }
}
