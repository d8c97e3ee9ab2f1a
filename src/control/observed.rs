//! What administrators and CTI clients see of calls: the feed and its counters, without knowing who fills them.

use super::search::Searches;
use crate::cti::{Hub, PlaneStats, SourcePhase, SourceStats};
use crate::journal::Journal;
use crate::memory::Glances;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// The handles that the admin plane has of it.
#[derive(Clone)]
pub struct Observed {
    /// The feed.
    pub hub: Arc<Hub>,
    /// Its counters, and those of whoever fills it.
    pub stats: Arc<PlaneStats>,
    /// The journal of finished calls, where there is one.
    pub journal: Option<Journal>,
    /// What routing may glance at, to be read and never marked.
    pub glances: Option<Glances>,
    /// What contacts are searched with.
    pub searches: Arc<Searches>,
}

/// How a source is doing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceView {
    /// The switch's name.
    pub name: String,
    /// Where it stands, and why it is down.
    #[serde(flatten)]
    pub phase: SourcePhase,
    /// What is to be done about it although it is up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub advice: Option<String>,
    /// Events that came.
    pub events_in: u64,
    /// Those that nobody has a use for.
    pub events_ignored: u64,
    /// Those that there was no room for.
    pub events_lost: u64,
    /// Packets that a caller may have written.
    pub suspects: u64,
    /// Bytes that came.
    pub bytes_in: u64,
    /// Connections after the first.
    pub reconnects: u64,
    /// Gaps that were said.
    pub gaps: u64,
    /// Events that wait.
    pub queued: u64,
    /// Their bytes.
    pub queued_bytes: u64,
    /// How long the one that was taken out last had waited, in microseconds.
    pub queue_age_us: u64,
}

impl SourceView {
    fn of(source: &SourceStats) -> SourceView {
        SourceView {
            name: source.name.clone(),
            phase: SourcePhase::clone(&source.phase.load()),
            advice: source.advice.load().as_deref().cloned(),
            events_in: source.events_in.get(),
            events_ignored: source.events_ignored.get(),
            events_lost: source.events_lost.get(),
            suspects: source.suspects.get(),
            bytes_in: source.bytes_in.get(),
            reconnects: source.reconnects.get(),
            gaps: source.gaps.get(),
            queued: source.queued.get(),
            queued_bytes: source.queued_bytes.get(),
            queue_age_us: source.queue_age_us.get(),
        }
    }
}

/// How the event plane is doing.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventStatus {
    /// Each switch that is followed.
    pub sources: Vec<SourceView>,
    /// Calls that live.
    pub calls_live: u64,
    /// Calls whose end was never told.
    pub calls_aged: u64,
    /// Calls that had to make room.
    pub calls_evicted: u64,
    /// Decisions that calls handed over.
    pub decisions_in: u64,
    /// Decisions for calls that no switch told of.
    #[serde(default)]
    pub decisions_unmatched: u64,
    /// Decisions that they could not.
    pub decisions_lost: u64,
    /// Calls written to the journal.
    pub journal_written: u64,
    /// Calls that could not be.
    pub journal_lost: u64,
    /// Calls that wait for it.
    pub journal_queued: u64,
    /// Times that the event plane was started again.
    pub restarts: u64,
    /// Clients of the feed.
    pub clients: u64,
    /// Times that one was given the state instead of events.
    pub clients_conflated: u64,
    /// Clients that were dropped because they didn't read.
    pub clients_dropped: u64,
}

impl EventStatus {
    /// The counters, as they stand.
    #[must_use]
    pub fn of(stats: &PlaneStats) -> EventStatus {
        EventStatus {
            sources: stats.sources.iter().map(|source| SourceView::of(source)).collect(),
            calls_live: stats.calls_live.get(),
            calls_aged: stats.calls_aged.get(),
            calls_evicted: stats.calls_evicted.get(),
            decisions_in: stats.decisions_in.get(),
            decisions_unmatched: stats.decisions_unmatched.get(),
            decisions_lost: stats.decisions_lost.get(),
            journal_written: stats.journal_written.get(),
            journal_lost: stats.journal_lost.get(),
            journal_queued: stats.journal_queued.get(),
            restarts: stats.restarts.get(),
            clients: stats.clients.get(),
            clients_conflated: stats.clients_conflated.get(),
            clients_dropped: stats.clients_dropped.get(),
        }
    }
}
