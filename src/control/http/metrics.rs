//! `GET /metrics`: everything that is counted, in Prometheus' text format 0.0.4, so that one scrape shows all planes.
//!
//! Written here, and not by a library: the numbers are atomics of ours, and the format is a line each.

use super::reply::reply;
use super::{Reply, Shop};
use crate::access::Scope;
use crate::control::observed::{EventStatus, SourceView};
use crate::control::views::{AnswerSeriesView, PlaneStatus};
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
    let Ok((store, planes, now_us)) = tokio::task::spawn_blocking(move || (store.status(), planes(), store.reader().now_us())).await else {
        return super::problem(StatusCode::INTERNAL_SERVER_ERROR, "the counters can't be read");
    };
    reply(StatusCode::OK, KIND, text(&planes, &EventStatus::of(&shop.observed.stats), &store, now_us))
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

    /// The histograms of answers; what Prometheus counts in a bucket is in all larger ones, too.
    fn answers(&mut self, all: &[AnswerSeriesView]) {
        let name = "strowger_call_answer_seconds";
        let _ = writeln!(self.0, "# HELP {name} How long answers took.\n# TYPE {name} histogram");
        for series in all {
            let labels = format!(
                "switch=\"{}\",request=\"{}\",outcome=\"{}\"",
                escaped(&series.switch),
                escaped(&series.request),
                escaped(&series.outcome)
            );
            let mut count = 0;
            for (bound_us, n) in &series.counts {
                count += n;
                let le = if *bound_us == u64::MAX { "+Inf".to_owned() } else { (*bound_us as f64 / 1e6).to_string() };
                let _ = writeln!(self.0, "{name}_bucket{{{labels},le=\"{le}\"}} {count}");
            }
            let _ = writeln!(self.0, "{name}_sum{{{labels}}} {}\n{name}_count{{{labels}}} {count}", series.sum_us as f64 / 1e6);
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

fn text(planes: &PlaneStatus, events: &EventStatus, store: &StoreStatus, now_us: u64) -> String {
    let mut text = Text::default();
    text.family("gauge", "strowger_build_info", "The version that runs.", "version", [(env!("CARGO_PKG_VERSION"), 1.0)]);
    text.gauge("strowger_uptime_seconds", "Seconds since the start.", planes.uptime_seconds as f64);
    text.gauge("strowger_call_sessions", "Sessions of the call plane right now.", planes.sessions as f64);
    let endings = planes.endings.iter().map(|(ending, n)| (ending.as_str(), *n as f64));
    text.family("counter", "strowger_call_sessions_ended_total", "How sessions ended.", "ending", endings);
    text.counter("strowger_call_answers_late_total", "Answers that said late.", planes.late);
    text.answers(&planes.answers);
    text.gauge("strowger_call_answer_budget_seconds", "How long an answer may take.", planes.answer_budget_us as f64 / 1e6);
    text.counter("strowger_call_answers_within_budget_total", "Answers that kept the budget.", planes.answers_within_budget);
    text.gauge("strowger_call_sessions_max", "Sessions that are served at once.", planes.sessions_max as f64);
    let caps = planes.caps_hit.iter().map(|(cap, n)| (cap.as_str(), *n as f64));
    text.family("counter", "strowger_call_caps_hit_total", "Times that a cap was hit.", "cap", caps);
    text.counter("strowger_call_accept_errors_total", "Connections that could not be accepted.", planes.accept_errors);
    text.counter("strowger_log_lines_dropped_total", "Log lines that nobody read in time.", planes.log_lines_dropped);
    if let Some(spans) = planes.spans {
        let became = [("exported", spans.exported), ("failed", spans.failed), ("dropped", spans.dropped)];
        let became = became.map(|(outcome, n)| (outcome, n as f64));
        text.family("counter", "strowger_spans_total", "What became of spans of calls in the sample.", "outcome", became);
    }
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
    let (stands, lag) = store.snapshot_revision.map_or((0, 0), |seen| (1, store.revision.saturating_sub(seen)));
    text.gauge("strowger_snapshot_stands", "Whether calls read the snapshot, and not the disk.", f64::from(stands));
    text.gauge("strowger_snapshot_lag_revisions", "Edits that calls don't see yet.", lag as f64);
    let age_us = store.snapshot_made_us.map_or(0, |made| now_us.saturating_sub(made));
    text.gauge("strowger_snapshot_age_seconds", "Seconds since calls got what they read now; no edit, no newer one.", age_us as f64 / 1e6);
    text.gauge("strowger_store_bytes", "The store's size on disk.", store.disk_bytes as f64);
    text.gauge("strowger_store_failed", "Whether edits are refused.", f64::from(u8::from(store.failed.is_some())));
    text.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::SpansView;
    use std::collections::BTreeSet;

    #[test]
    fn a_histogram_counts_each_answer_in_every_bucket_above_it() {
        let (counts, switch) = (vec![(50, 2), (100, 0), (u64::MAX, 1)], "asterisk".to_owned());
        let series = AnswerSeriesView { switch, request: "route".into(), outcome: "found".into(), counts, sum_us: 1_500_000 };
        let mut text = Text::default();
        text.answers(&[series]);
        let labels = "switch=\"asterisk\",request=\"route\",outcome=\"found\"";
        let lines: Vec<String> = text.0.lines().skip(2).map(|line| line.replace(labels, "…")).collect();
        let name = "strowger_call_answer_seconds";
        let expected =
            ["_bucket{…,le=\"0.00005\"} 2", "_bucket{…,le=\"0.0001\"} 2", "_bucket{…,le=\"+Inf\"} 3", "_sum{…} 1.5", "_count{…} 3"];
        assert_eq!(lines, expected.map(|line| format!("{name}{line}")));
    }

    #[test]
    fn what_became_of_spans_is_shown_where_calls_are_traced() {
        let of = |spans| text(&PlaneStatus { spans, ..PlaneStatus::default() }, &EventStatus::default(), &StoreStatus::default(), 0);
        let traced = of(Some(SpansView { exported: 3, failed: 2, dropped: 1 }));
        for line in ["{outcome=\"exported\"} 3", "{outcome=\"failed\"} 2", "{outcome=\"dropped\"} 1"] {
            assert!(traced.contains(&format!("\nstrowger_spans_total{line}\n")), "{line} isn't in {traced}");
        }
        assert!(!of(None).contains("strowger_spans"));
    }

    /// The names of metrics in a text.
    fn names_in(text: &str) -> BTreeSet<String> {
        let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
        words.filter(|word| word.starts_with("strowger_")).map(str::to_owned).collect()
    }

    #[test]
    fn every_metric_of_the_dashboard_and_the_alerts_is_one_that_there_is() {
        let answers = vec![AnswerSeriesView { counts: vec![(u64::MAX, 1)], ..AnswerSeriesView::default() }];
        let source = SourceView {
            name: "pbx".into(),
            phase: SourcePhase::Up,
            advice: None,
            events_in: 0,
            events_ignored: 0,
            events_lost: 0,
            suspects: 0,
            bytes_in: 0,
            reconnects: 0,
            gaps: 0,
            queued: 0,
            queued_bytes: 0,
            queue_age_us: 0,
        };
        let planes = PlaneStatus { answers, ..PlaneStatus::default() };
        let events = EventStatus { sources: vec![source], ..EventStatus::default() };
        let text = text(&planes, &events, &StoreStatus::default(), 0);
        let there: BTreeSet<String> = text
            .lines()
            .flat_map(|line| {
                line.split(['{', ' '])
                    .next()
                    .map(str::to_owned)
                    .into_iter()
                    .chain(line.strip_prefix("# TYPE ").and_then(|rest| rest.split(' ').next()).map(str::to_owned))
            })
            .collect();
        for (file, used) in [
            ("the dashboard", include_str!("../../../packaging/grafana/strowger.json")),
            ("the rules", include_str!("../../../packaging/prometheus/strowger.rules.yml")),
        ] {
            let used = names_in(used);
            assert!(used.len() > 5, "{file}: {used:?}");
            let missing: Vec<_> = used.difference(&there).collect();
            assert!(missing.is_empty(), "{file} has {missing:?}");
        }
    }

    #[test]
    fn the_name_of_a_switch_can_not_end_its_label() {
        let mut text = Text::default();
        text.family("gauge", "x", "y", "switch", [("a\"b\\c\nd", 1.5)]);
        assert_eq!(text.0, "# HELP x y\n# TYPE x gauge\nx{switch=\"a\\\"b\\\\c\\nd\"} 1.5\n");
    }
}
