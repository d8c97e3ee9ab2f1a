//! Counters of the event side, for `status` and the metrics. No locks: the threads that count never wait for a reader.

use crate::stats::{Counter, Gauge};
use arc_swap::{ArcSwap, ArcSwapOption};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// How a source stands to its switch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "phase", content = "why")]
pub enum SourcePhase {
    /// Not connected yet.
    Connecting,
    /// Connected, and logging in or asking for the state.
    LoggingIn,
    /// Events come.
    Up,
    /// It failed, and is tried again: why, in words, and what to do.
    Down(String),
}

/// One source's counters.
pub struct SourceStats {
    /// The switch's name.
    pub name: String,
    /// Where it stands.
    pub phase: ArcSwap<SourcePhase>,
    /// What an administrator should do about it although it is up, in words.
    pub advice: ArcSwapOption<String>,
    /// Events that came, of any kind.
    pub events_in: Counter,
    /// Those of them that nobody has a use for, and that were passed over at once.
    pub events_ignored: Counter,
    /// Those that were dropped because the queue was full.
    pub events_lost: Counter,
    /// Packets that a caller may have written.
    pub suspects: Counter,
    /// Bytes that came.
    pub bytes_in: Counter,
    /// Connections that were made after the first.
    pub reconnects: Counter,
    /// Gaps that were said.
    pub gaps: Counter,
    /// Events in the queue.
    pub queued: Gauge,
    /// Their bytes.
    pub queued_bytes: Gauge,
    /// How long the event that was taken out last had waited, in microseconds.
    pub queue_age_us: Gauge,
}

impl SourceStats {
    /// Counters at zero for a switch.
    #[must_use]
    pub fn new(name: &str) -> SourceStats {
        SourceStats {
            name: name.to_owned(),
            phase: ArcSwap::from_pointee(SourcePhase::Connecting),
            advice: ArcSwapOption::empty(),
            events_in: Counter::default(),
            events_ignored: Counter::default(),
            events_lost: Counter::default(),
            suspects: Counter::default(),
            bytes_in: Counter::default(),
            reconnects: Counter::default(),
            gaps: Counter::default(),
            queued: Gauge::default(),
            queued_bytes: Gauge::default(),
            queue_age_us: Gauge::default(),
        }
    }
}

/// The event plane's counters.
#[derive(Default)]
pub struct PlaneStats {
    /// Each source's.
    pub sources: Vec<Arc<SourceStats>>,
    /// Calls that live.
    pub calls_live: Gauge,
    /// Calls whose end was never told, and that were given up after their time.
    pub calls_aged: Counter,
    /// Calls that had to make room for others.
    pub calls_evicted: Counter,
    /// Decisions that the call plane handed over.
    pub decisions_in: Counter,
    /// Decisions for calls that no switch told of.
    pub decisions_unmatched: Counter,
    /// Decisions that it could not hand over.
    pub decisions_lost: Arc<Counter>,
    /// Calls written to the journal.
    pub journal_written: Counter,
    /// Calls that could not be written: the disk was too slow, or failed.
    pub journal_lost: Counter,
    /// Calls that wait to be written.
    pub journal_queued: Gauge,
    /// Times that the event plane was started again after a fault of its own.
    pub restarts: Counter,
    /// Clients of the feed.
    pub clients: Gauge,
    /// Times that a client was too slow, and was given the state instead of the events.
    pub clients_conflated: Counter,
    /// Clients that were dropped because they didn't read.
    pub clients_dropped: Counter,
}
