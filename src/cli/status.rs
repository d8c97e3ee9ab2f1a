//! `status`: how the server is doing, what is in trouble and what to do about it.

use super::args::Global;
use super::backend::{Backend, unexpected};
use super::exit::{Exit, Failure};
use super::print;
use crate::control::{EventStatus, Reply, Request, SourceView, StatusView};
use crate::cti::SourcePhase;

pub(super) fn status(global: &Global) -> Result<Exit, Failure> {
    let Reply::Status(view) = Backend::server(global)?.ask(Request::Status)? else { return Err(unexpected()) };
    if global.json {
        print::json(&view)
    } else {
        print::out(&status_text(&view))
    }
    Ok(Exit::Done)
}

fn status_text(view: &StatusView) -> String {
    let endings: Vec<_> = view.planes.endings.iter().filter(|(_, n)| *n > 0).map(|(word, n)| format!("{n} {word}")).collect();
    let snapshot = match view.snapshot_revision {
        Some(revision) => {
            format!("revision {revision}, {} contacts and {} edits in {} kB", view.contacts, view.overlay, view.directory_bytes / 1000)
        }
        None => "being built; calls read the disk until it stands".to_owned(),
    };
    let mut rows = vec![
        vec!["version".to_owned(), format!("{} (process {})", view.version, view.pid)],
        vec!["up".to_owned(), format!("{} s", view.planes.uptime_seconds)],
    ];
    rows.extend(view.planes.listening.iter().map(|(what, place)| vec![what.clone(), place.clone()]));
    rows.push(vec![
        "sessions".to_owned(),
        format!("{} now; ended: {}", view.planes.sessions, if endings.is_empty() { "none".to_owned() } else { endings.join(", ") }),
    ]);
    rows.push(vec![
        "trouble".to_owned(),
        format!(
            "{} late answers, {} failed accepts, {} log lines dropped",
            view.planes.late, view.planes.accept_errors, view.planes.log_lines_dropped
        ),
    ]);
    rows.push(vec![
        "store".to_owned(),
        format!("revision {}, {} routes, {} users, {} kB on disk", view.revision, view.routes, view.users, view.store_bytes / 1000),
    ]);
    rows.push(vec!["snapshot".to_owned(), snapshot]);
    rows.extend(view.planes.events.iter().flat_map(event_rows));
    rows.extend(view.store_failed.iter().map(|why| vec!["STORE FAILED".to_owned(), why.clone()]));
    print::columns(&rows)
}

/// The event plane: a row for each switch, and what was lost where something was.
fn event_rows(events: &EventStatus) -> Vec<Vec<String>> {
    let mut rows: Vec<Vec<String>> = events.sources.iter().map(source_row).collect();
    rows.push(vec![
        "events".to_owned(),
        format!(
            "{} calls live, {} journalled, {} clients of the feed ({} conflated, {} dropped)",
            events.calls_live, events.journal_written, events.clients, events.clients_conflated, events.clients_dropped
        ),
    ]);
    let lost: Vec<String> = [
        (events.calls_aged, "calls whose end was never told"),
        (events.calls_evicted, "calls that had to make room"),
        (events.decisions_lost, "decisions not recorded"),
        (events.journal_lost, "calls not journalled"),
        (events.restarts, "restarts of the event plane"),
    ]
    .iter()
    .filter(|(n, _)| *n > 0)
    .map(|(n, what)| format!("{n} {what}"))
    .collect();
    if !lost.is_empty() {
        rows.push(vec!["EVENTS LOST".to_owned(), lost.join(", ")]);
    }
    rows
}

fn source_row(source: &SourceView) -> Vec<String> {
    let (trouble, phase) = match &source.phase {
        SourcePhase::Connecting => ("", "connecting".to_owned()),
        SourcePhase::LoggingIn => ("", "logging in".to_owned()),
        SourcePhase::Up => ("", "up".to_owned()),
        SourcePhase::Down(why) => (" DOWN", why.clone()),
    };
    let counts = format!(
        "{} events, {} lost, {} gaps, {} reconnects, {} suspects",
        source.events_in, source.events_lost, source.gaps, source.reconnects, source.suspects
    );
    vec![format!("switch {}{trouble}", source.name), format!("{phase}; {counts}")]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cti::{PlaneStats, SourceStats};
    use std::sync::Arc;

    #[test]
    fn a_switch_that_is_down_stands_out_with_its_remedy_and_losses_are_said() {
        let source = SourceStats::new("pbx");
        source.phase.store(Arc::new(SourcePhase::Down("it refused the secret; set secret of [[switch]] pbx".into())));
        source.gaps.add(2);
        let stats = PlaneStats { sources: vec![Arc::new(source), Arc::new(SourceStats::new("fs"))], ..PlaneStats::default() };
        let text = print::columns(&event_rows(&EventStatus::of(&stats)));
        assert!(text.contains("switch pbx DOWN  it refused the secret; set secret of [[switch]] pbx; 0 events, 0 lost, 2 gaps"), "{text}");
        assert!(text.contains("switch fs        connecting;") && !text.contains("LOST"), "{text}");
        stats.journal_lost.add(3);
        let text = print::columns(&event_rows(&EventStatus::of(&stats)));
        assert!(text.contains("EVENTS LOST      3 calls not journalled\n"), "{text}");
    }
}
