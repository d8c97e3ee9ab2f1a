//! `status`: how the server is doing, what is in trouble and what to do about it.

use super::args::Global;
use super::backend::{Backend, unexpected};
use super::exit::{Exit, Failure};
use super::print;
use crate::control::{EventStatus, Reply, Request, SourceView, StatusView};
use crate::cti::SourcePhase;

/// How the running server is.
pub(super) fn of_server(global: &Global) -> Result<StatusView, Failure> {
    match Backend::server(global)?.ask(Request::Status)? {
        Reply::Status(view) => Ok(*view),
        _ => Err(unexpected()),
    }
}

pub(super) fn status(global: &Global) -> Result<Exit, Failure> {
    let view = of_server(global)?;
    if global.json {
        print::json(&view)
    } else {
        print::out(&status_text(&view))
    }
    Ok(Exit::Done)
}

/// How wide what is wrong with a switch may be written.
const WRAPPED_COLUMNS: usize = 78;

/// What is to be done where decisions find no call.
const NOT_TOLD_OF: &str = "they are in no journal; may the manager user read = system,call, and does the dialplan's switch= name \
the right switch?";

/// A line of the status, and what stands below it.
struct Row {
    name: String,
    value: String,
    below: Option<String>,
}

fn row(name: impl Into<String>, value: impl Into<String>) -> Row {
    Row { name: name.into(), value: value.into(), below: None }
}

/// `1 gap`, `2 gaps`.
fn count(n: u64, what: &str) -> String {
    format!("{n} {what}{}", if n == 1 { "" } else { "s" })
}

fn status_text(view: &StatusView) -> String {
    let endings: Vec<_> = view.planes.endings.iter().filter(|(_, n)| *n > 0).map(|(word, n)| format!("{n} {word}")).collect();
    let snapshot = match view.snapshot_revision {
        Some(revision) => {
            let (contacts, edits) = (count(view.contacts, "contact"), count(view.overlay, "edit"));
            format!("revision {revision}, {contacts} and {edits} in {} kB", view.directory_bytes / 1000)
        }
        None => "being built; calls read the disk until it stands".to_owned(),
    };
    let mut rows =
        vec![row("version", format!("{} (process {})", view.version, view.pid)), row("up", format!("{} s", view.planes.uptime_seconds))];
    rows.extend(view.planes.listening.iter().map(|(what, place)| row(what, place)));
    let endings = if endings.is_empty() { "none".to_owned() } else { endings.join(", ") };
    rows.push(row("sessions", format!("{} now; ended: {endings}", view.planes.sessions)));
    let trouble = [
        count(view.planes.late, "late answer"),
        count(view.planes.accept_errors, "failed accept"),
        format!("{} dropped", count(view.planes.log_lines_dropped, "log line")),
    ];
    rows.push(row("trouble", trouble.join(", ")));
    rows.extend(view.planes.spans.map(|spans| {
        let (exported, failed, dropped) = (count(spans.exported, "span"), spans.failed, spans.dropped);
        row("tracing", format!("{exported} exported, {failed} not taken by the collector, {dropped} dropped"))
    }));
    let (routes, users) = (count(view.routes, "route"), count(view.users, "user"));
    rows.push(row("store", format!("revision {}, {routes}, {users}, {} kB on disk", view.revision, view.store_bytes / 1000)));
    rows.push(row("snapshot", snapshot));
    rows.extend(view.planes.events.iter().flat_map(event_rows));
    rows.extend(view.store_failed.iter().map(|why| row("STORE FAILED", why)));
    text_of(&rows)
}

fn text_of(rows: &[Row]) -> String {
    let table = print::columns(&rows.iter().map(|row| vec![row.name.clone(), row.value.clone()]).collect::<Vec<_>>());
    let mut text = String::new();
    for (line, row) in table.lines().zip(rows) {
        text.push_str(line);
        text.push('\n');
        text.extend(row.below.iter().map(|below| print::wrapped(below, "    ", WRAPPED_COLUMNS)));
    }
    text
}

/// The event plane: a row for each switch, and what was lost where something was.
fn event_rows(events: &EventStatus) -> Vec<Row> {
    let mut rows: Vec<Row> = events.sources.iter().map(source_row).collect();
    rows.push(row(
        "events",
        format!(
            "{} live, {} journalled, {} of the feed ({} conflated, {} dropped)",
            count(events.calls_live, "call"),
            events.journal_written,
            count(events.clients, "client"),
            events.clients_conflated,
            events.clients_dropped
        ),
    ));
    let lost: Vec<String> = [
        (events.calls_aged, "call", "whose end was never told"),
        (events.calls_evicted, "call", "that had to make room"),
        (events.decisions_lost, "decision", "not recorded"),
        (events.journal_lost, "call", "not journalled"),
        (events.restarts, "restart", "of the event plane"),
    ]
    .iter()
    .filter(|(n, ..)| *n > 0)
    .map(|(n, what, how)| format!("{} {how}", count(*n, what)))
    .collect();
    if !lost.is_empty() {
        rows.push(row("EVENTS LOST", lost.join(", ")));
    }
    if events.decisions_unmatched > 0 {
        let heard_of = format!("{} for calls that no switch told of", count(events.decisions_unmatched, "decision"));
        rows.push(Row { below: Some(NOT_TOLD_OF.to_owned()), ..row("NOT TOLD OF", heard_of) });
    }
    rows
}

fn source_row(source: &SourceView) -> Row {
    let mut counts = format!(
        "{}, {} lost, {}, {}",
        count(source.events_in, "event"),
        source.events_lost,
        count(source.gaps, "gap"),
        count(source.reconnects, "reconnect")
    );
    if source.suspects > 0 {
        counts.push_str(&format!(", {} that a caller may have written", count(source.suspects, "packet")));
    }
    let up_to_now = |phase: &str| row(format!("switch {}", source.name), format!("{phase}; {counts}"));
    match &source.phase {
        SourcePhase::Connecting => up_to_now("connecting"),
        SourcePhase::LoggingIn => up_to_now("logging in"),
        SourcePhase::Up => Row { below: source.advice.clone(), ..up_to_now("up") },
        SourcePhase::Down(why) => Row { below: Some(why.clone()), ..row(format!("switch {} DOWN", source.name), counts) },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cti::{PlaneStats, SourceStats};
    use std::sync::Arc;

    #[test]
    fn a_switch_that_is_down_stands_out_with_its_remedy_and_losses_are_said() {
        let source = SourceStats::new("pbx");
        source.phase.store(Arc::new(SourcePhase::Down(
            "it refused the user or the secret; set user and secret of [[switch]] pbx as manager.conf has them, or let it be".into(),
        )));
        source.gaps.add(2);
        source.reconnects.add(1);
        source.suspects.add(4);
        let stats = PlaneStats { sources: vec![Arc::new(source), Arc::new(SourceStats::new("fs"))], ..PlaneStats::default() };
        let text = text_of(&event_rows(&EventStatus::of(&stats)));
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(
            lines[..4],
            [
                "switch pbx DOWN  0 events, 0 lost, 2 gaps, 1 reconnect, 4 packets that a caller may have written",
                "    it refused the user or the secret; set user and secret of [[switch]] pbx",
                "    as manager.conf has them, or let it be",
                "switch fs        connecting; 0 events, 0 lost, 0 gaps, 0 reconnects",
            ]
        );
        assert!(!text.contains("LOST"), "{text}");
        stats.journal_lost.add(3);
        let text = text_of(&event_rows(&EventStatus::of(&stats)));
        assert!(text.contains("EVENTS LOST      3 calls not journalled\n"), "{text}");
        stats.decisions_unmatched.add(1);
        stats.sources[1].phase.store(Arc::new(SourcePhase::Up));
        stats.sources[1].advice.store(Some(Arc::new("give the user write = system".into())));
        let text = text_of(&event_rows(&EventStatus::of(&stats)));
        assert!(text.contains("up; 0 events, 0 lost, 0 gaps, 0 reconnects\n    give the user write = system\n"), "{text}");
        assert!(text.contains("1 decision for calls that no switch told of\n    they are in no journal; may"), "{text}");
    }
}
