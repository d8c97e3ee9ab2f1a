//! What the call plane tells of its steps to whoever traces them: one record of each step that is in the sample.
//!
//! Neither side knows the other. The channel is bounded and lossy, and what is lost is counted: a call never waits for
//! a collector. Whether a call is in the sample follows from its own id, as its trace does: all of its steps are in one
//! trace, or none is, whatever door they came through and however often the server was started again in between.

use crate::stats::Counter;
use sha2::{Digest, Sha256};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::sync::mpsc;

/// Steps that wait to be taken, at most: what OpenTelemetry's own libraries keep, and about 1 MB.
pub const WAITING_MAX: usize = 2_048;

/// One step of a call, in the words of its line in the log: numbers are as short as there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallStep {
    /// The call's trace.
    pub trace_id: u128,
    /// When the step was over. Microseconds since 1970.
    pub ended_us: u64,
    /// How long it took until the switch had confirmed the answer, in microseconds.
    pub took_us: u64,
    /// How long the answer itself took, in microseconds.
    pub answer_us: u64,
    /// How long it might have taken, in microseconds.
    pub budget_us: u64,
    /// `asterisk`, `freeswitch`.
    pub switch_kind: &'static str,
    /// The switch's name, by the question's `switch` parameter.
    pub switch: Option<String>,
    /// The switch's own id of the channel; empty where it said none.
    pub call_id: String,
    /// The tenant; empty where it could not be told.
    pub tenant: String,
    /// `route`, `name`, …; `other` for what is no request.
    pub request: &'static str,
    /// The number called.
    pub to: Option<String>,
    /// The caller's number; `None` where it is withheld, too.
    pub from: Option<String>,
    /// `found`, `late`, ….
    pub status: &'static str,
    /// Whether the fallback had to do: the answer was late, or an error.
    pub failed: bool,
    /// `dial`, `voicemail`, ….
    pub action: &'static str,
    /// Why: `matched`, `no-route`, ….
    pub reason: &'static str,
    /// What matched.
    pub route: Option<String>,
    /// How the session ended.
    pub ending: &'static str,
    /// The store's revision that was read; 0 where nothing was.
    pub revision: u64,
}

/// What became of steps that were in the sample.
#[derive(Debug, Default)]
pub struct StepCounts {
    /// A collector took them.
    pub exported: Counter,
    /// A collector was told, and didn't take them.
    pub failed: Counter,
    /// There was no room for them, because a collector was slow.
    pub dropped: Counter,
}

/// The call plane's end.
#[derive(Debug)]
pub struct StepSender {
    sender: mpsc::Sender<CallStep>,
    counts: Arc<StepCounts>,
    sampled_below: u64,
    /// Tells calls apart that have no id.
    nameless: AtomicU64,
}

impl StepSender {
    /// The trace of a call, if it is in the sample. `now_us` is for calls that the switch gave no id: each step of those is a
    /// trace of its own.
    pub fn sampled(&self, switch: Option<&str>, call_id: &str, now_us: u64) -> Option<u128> {
        let mut digest = Sha256::new();
        // neither a name nor an id holds a line break
        digest.update(switch.unwrap_or_default());
        digest.update(b"\n");
        digest.update(call_id);
        if call_id.is_empty() {
            digest.update(now_us.to_be_bytes());
            digest.update(self.nameless.fetch_add(1, Ordering::Relaxed).to_be_bytes());
        }
        let digest = digest.finalize();
        let trace_id = digest.iter().take(16).fold(0, |id, byte| (id << 8) | u128::from(*byte));
        // as OpenTelemetry's own sampler by ratio: the lower half of the id, without its last bit
        ((trace_id as u64) >> 1 < self.sampled_below).then_some(trace_id)
    }

    /// Hands a step over, or drops and counts it. Never waits.
    pub fn send(&self, step: CallStep) {
        if self.sender.try_send(step).is_err() {
            self.counts.dropped.add_one();
        }
    }
}

/// The end of whoever exports them.
pub type StepReceiver = mpsc::Receiver<CallStep>;

/// A channel for so many steps ([`WAITING_MAX`] but in tests), of calls of which so great a part is in the sample, from 0
/// (none) to 1 (all).
#[must_use]
pub fn channel(waiting_max: usize, sample: f64, counts: Arc<StepCounts>) -> (StepSender, StepReceiver) {
    let (sender, receiver) = mpsc::channel(waiting_max);
    // a float that is too large becomes the largest integer, so that 1 is all of them
    let sampled_below = if sample >= 1.0 { u64::MAX } else { (sample.max(0.0) * (1u64 << 63) as f64) as u64 };
    (StepSender { sender, counts, sampled_below, nameless: AtomicU64::new(0) }, receiver)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sender(sample: f64) -> StepSender {
        channel(1, sample, Arc::default()).0
    }

    fn sampled_of_10_000(sample: f64) -> usize {
        let sender = sender(sample);
        (0..10_000).filter(|n| sender.sampled(None, &format!("1764331200.{n}"), 0).is_some()).count()
    }

    #[test]
    fn so_great_a_part_of_calls_is_in_the_sample_as_was_asked_for() {
        assert_eq!((sampled_of_10_000(0.0), sampled_of_10_000(1.0)), (0, 10_000));
        for (sample, expected) in [(0.01, 100), (0.1, 1_000), (0.5, 5_000)] {
            let found = sampled_of_10_000(sample);
            assert!(found.abs_diff(expected) * 5 < expected.max(500), "{found} instead of {expected}");
        }
    }

    #[test]
    fn all_steps_of_a_call_are_in_one_trace_and_in_every_larger_sample() {
        let (few, many) = (sender(0.1), sender(0.3));
        for n in 0..1_000 {
            let id = format!("1764331200.{n}");
            let (first, later) = (few.sampled(Some("pbx"), &id, 1), few.sampled(Some("pbx"), &id, 2));
            assert_eq!(first, later);
            assert!(first.is_none() || many.sampled(Some("pbx"), &id, 3) == first);
        }
    }

    #[test]
    fn calls_of_two_switches_and_calls_without_an_id_are_different_calls() {
        let sender = sender(1.0);
        assert_ne!(sender.sampled(Some("a"), "1.1", 0), sender.sampled(Some("b"), "1.1", 0));
        assert_ne!(sender.sampled(None, "", 0), sender.sampled(None, "", 0));
    }
}
