//! `GET /metrics`: everything that is counted, in Prometheus' text format 0.0.4, so that one scrape shows all planes.
//!
//! Written here, and not by a library: the numbers are atomics of ours, and the format is a line each.

use super::reply::reply;
use super::{Reply, Shop};
use crate::access::Scope;
use crate::control::observed::{EventStatus, SourceView};
use crate::control::views::PlaneStatus;
use crate::cti::SourcePhase;
use crate::store::StoreStatus;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use std::fmt::Write;
use std::sync::Arc;

/// The format's name and version.
const KIND: &str = "text/plain; version=0.0.4; charset=utf-8";

pub(super) async fn metrics(State(shop): State<Arc<Shop>>, headers: HeaderMap) -> Reply {
    if let Err(refused) = shop.keys.admit(&headers, &[Scope::MetricsRead]).await {
        return refused;
    }
    // the size of the store is asked of the disk
    let (store, planes) = (shop.store.clone(), shop.planes.clone());
    let Ok((store, planes)) = tokio::task::spawn_blocking(move || (store.status(), planes())).await else {
        return super::problem(StatusCode::INTERNAL_SERVER_ERROR, "the counters can't be read");
    };
    reply(StatusCode::OK, KIND, text(&planes, &EventStatus::of(&shop.observed.stats), &store))
}

/// A text of metrics in the making.
#[derive(Default)]
struct Text(String);

impl Text {
    /// A family with one label; `counter` names end in `_total`.
    fn family<'a>(&mut self, kind: &str, name: &str, help: &str, label: &str, values: impl IntoIterator<Item = (&'a str, f64)>) {
        let _ = writeln!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}");
        for (value_of_label, value) in values {
            let _ = match label {
                "" => writeln!(self.0, "{name} {value}"),
                label => writeln!(self.0, "{name}{{{label}=\"{}\"}} {value}", escaped(value_of_label)),
            };
        }
    }

    fn counter(&mut self, name: &str, help: &str, value: u64) {
        self.family("counter", name, help, "", [("", value as f64)]);
    }

    fn gauge(&mut self, name: &str, help: &str, value: f64) {
        self.family("gauge", name, help, "", [("", value)]);
    }
}

/// The value of a label: what would end it, or the line, is written otherwise.
fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

/// A column of the sources' table: counter or gauge, name, help, and the number.
type Column = (&'static str, &'static str, &'static str, fn(&SourceView) -> f64);

const SOURCE_COLUMNS: &[Column] = &[
    ("gauge", "strowger_source_up", "Whether events of this switch come in.", |s| f64::from(u8::from(s.phase == SourcePhase::Up))),
    ("counter", "strowger_source_events_total", "Events that came.", |s| s.events_in as f64),
    ("counter", "strowger_source_events_ignored_total", "Events that nobody has a use for.", |s| s.events_ignored as f64),
    ("counter", "strowger_source_events_lost_total", "Events that there was no room for.", |s| s.events_lost as f64),
    ("counter", "strowger_source_suspects_total", "Packets that a caller may have written.", |s| s.suspects as f64),
    ("counter", "strowger_source_bytes_total", "Bytes that came.", |s| s.bytes_in as f64),
    ("counter", "strowger_source_reconnects_total", "Connections after the first.", |s| s.reconnects as f64),
    ("counter", "strowger_source_gaps_total", "Gaps that were said.", |s| s.gaps as f64),
    ("gauge", "strowger_source_queue_events", "Events that wait.", |s| s.queued as f64),
    ("gauge", "strowger_source_queue_bytes", "Bytes of the events that wait.", |s| s.queued_bytes as f64),
    ("gauge", "strowger_source_queue_age_seconds", "How long the event that was taken out last had waited.", |s| {
        s.queue_age_us as f64 / 1e6
    }),
];

fn text(planes: &PlaneStatus, events: &EventStatus, store: &StoreStatus) -> String {
    let mut text = Text::default();
    text.family("gauge", "strowger_build_info", "The version that runs.", "version", [(env!("CARGO_PKG_VERSION"), 1.0)]);
    text.gauge("strowger_uptime_seconds", "Seconds since the start.", planes.uptime_seconds as f64);
    text.gauge("strowger_call_sessions", "Sessions of the call plane right now.", planes.sessions as f64);
    let endings = planes.endings.iter().map(|(ending, n)| (ending.as_str(), *n as f64));
    text.family("counter", "strowger_call_sessions_ended_total", "How sessions ended.", "ending", endings);
    text.counter("strowger_call_answers_late_total", "Answers that said late.", planes.late);
    text.counter("strowger_call_accept_errors_total", "Connections that could not be accepted.", planes.accept_errors);
    text.counter("strowger_log_lines_dropped_total", "Log lines that nobody read in time.", planes.log_lines_dropped);
    for (kind, name, help, value) in SOURCE_COLUMNS {
        text.family(kind, name, help, "switch", events.sources.iter().map(|source| (source.name.as_str(), value(source))));
    }
    text.gauge("strowger_calls_live", "Calls that live.", events.calls_live as f64);
    text.counter("strowger_calls_aged_total", "Calls whose end was never told.", events.calls_aged);
    text.counter("strowger_calls_evicted_total", "Calls that had to make room for others.", events.calls_evicted);
    text.counter("strowger_decisions_total", "Decisions that the call plane handed over.", events.decisions_in);
    text.counter("strowger_decisions_lost_total", "Decisions that it could not hand over.", events.decisions_lost);
    text.counter("strowger_journal_calls_written_total", "Calls written to the journal.", events.journal_written);
    text.counter("strowger_journal_calls_lost_total", "Calls that could not be written.", events.journal_lost);
    text.gauge("strowger_journal_queue_calls", "Calls that wait to be written.", events.journal_queued as f64);
    text.counter("strowger_event_plane_restarts_total", "Times that the event plane was started again.", events.restarts);
    text.gauge("strowger_feed_clients", "Clients of the feed.", events.clients as f64);
    text.counter("strowger_feed_clients_conflated_total", "Times that a client got the state instead of events.", events.clients_conflated);
    text.counter("strowger_feed_clients_dropped_total", "Clients that were dropped because they didn't read.", events.clients_dropped);
    text.counter("strowger_store_revision_total", "Edits of the store.", store.revision);
    text.gauge("strowger_store_bytes", "The store's size on disk.", store.disk_bytes as f64);
    text.gauge("strowger_store_failed", "Whether edits are refused.", f64::from(u8::from(store.failed.is_some())));
    text.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_a_switch_can_not_end_its_label() {
        let mut text = Text::default();
        text.family("gauge", "x", "y", "switch", [("a\"b\\c\nd", 1.5)]);
        assert_eq!(text.0, "# HELP x y\n# TYPE x gauge\nx{switch=\"a\\\"b\\\\c\\nd\"} 1.5\n");
    }
}
