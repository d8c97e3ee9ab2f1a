//! A flood of one kind of line is cut: some lines of it, then how many more there were like them.
//!
//! A kind is a place in the source, and only those that a peer or a caller can cause at will are counted: warnings,
//! errors and lines that have a field `sampled`. There are as many kinds as there are such places, so that nothing grows;
//! and all of it is atomics, because calls write these lines.

use std::fmt::{self, Write};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering};
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Metadata, Subscriber};
use tracing_subscriber::layer::{Context, Layer};

/// Lines of one kind in a second. In a flood that goes on it becomes half as many with each second, down to one; a second
/// that keeps within it doubles it again.
const LINES_A_SECOND_MAX: u32 = 20;
/// Kinds that are counted; the program has some sixty such places. More would go through uncounted.
const KINDS_MAX: usize = 256;
/// So much of a line's message is repeated when the rest is counted, in bytes.
const MESSAGE_BYTES_MAX: usize = 120;
/// Whose lines are never counted: the sampler's own.
const OWN: &str = "strowger::log";

/// One kind of line.
#[derive(Default)]
struct Kind {
    /// The address of its metadata; 0 where the slot is free.
    place: AtomicUsize,
    /// Lines in this second.
    lines: AtomicU32,
    /// Halvings of what is allowed.
    halvings: AtomicU32,
    left_out: AtomicU64,
    message: OnceLock<String>,
}

impl Kind {
    fn lines_max(&self) -> u32 {
        (LINES_A_SECOND_MAX >> self.halvings.load(Ordering::Relaxed)).max(1)
    }
}

/// The kinds of line that are counted.
pub(super) struct Sampler(Vec<Kind>);

/// What was left out of one kind in a second.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct LeftOut {
    pub(super) lines: u64,
    pub(super) like: String,
}

impl Sampler {
    pub(super) fn new() -> Sampler {
        Sampler((0..KINDS_MAX).map(|_| Kind::default()).collect())
    }

    /// The slot of a kind; `None` where all are taken by others.
    fn kind(&self, place: usize) -> Option<&Kind> {
        // metadata lie apart by more than this
        let first = (place / 16) % KINDS_MAX;
        (0..KINDS_MAX).map(|n| &self.0[(first + n) % KINDS_MAX]).find(|kind| {
            let there = kind.place.load(Ordering::Relaxed);
            there == place
                || (there == 0
                    && kind
                        .place
                        .compare_exchange(0, place, Ordering::Relaxed, Ordering::Relaxed)
                        .map_or_else(|now| now == place, |_| true))
        })
    }

    /// Whether a line of this kind is written; `message` is asked for where it is the first that isn't.
    fn lets_through(&self, place: usize, message: impl FnOnce() -> String) -> bool {
        let Some(kind) = self.kind(place) else { return true };
        if kind.lines.fetch_add(1, Ordering::Relaxed) < kind.lines_max() {
            return true;
        }
        if kind.message.get().is_none() {
            // who loses this race has the same to say
            let _ = kind.message.set(message());
        }
        kind.left_out.fetch_add(1, Ordering::Relaxed);
        false
    }

    /// Begins the next second, and says what was left out of the last one.
    pub(super) fn next_second(&self) -> Vec<LeftOut> {
        let mut all = Vec::new();
        for kind in self.0.iter().filter(|kind| kind.place.load(Ordering::Relaxed) != 0) {
            kind.lines.store(0, Ordering::Relaxed);
            let halvings = kind.halvings.load(Ordering::Relaxed);
            match kind.left_out.swap(0, Ordering::Relaxed) {
                0 => kind.halvings.store(halvings.saturating_sub(1), Ordering::Relaxed),
                lines => {
                    kind.halvings.store((halvings + 1).min(LINES_A_SECOND_MAX.ilog2()), Ordering::Relaxed);
                    all.push(LeftOut { lines, like: kind.message.get().cloned().unwrap_or_default() });
                }
            }
        }
        all
    }
}

/// Says what was left out.
pub(super) fn say(left_out: &[LeftOut]) {
    for LeftOut { lines, like } in left_out {
        tracing::warn!(target: OWN, like, "and {lines} more like this");
    }
}

fn is_counted(metadata: &Metadata<'_>) -> bool {
    let is_sampled = *metadata.level() <= Level::WARN || metadata.fields().field("sampled").is_some();
    is_sampled && metadata.target() != OWN
}

impl<S: Subscriber> Layer<S> for &'static Sampler {
    fn event_enabled(&self, event: &Event<'_>, _: Context<'_, S>) -> bool {
        let metadata = event.metadata();
        !is_counted(metadata) || self.lets_through(std::ptr::from_ref(metadata).addr(), || message_of(event))
    }
}

fn message_of(event: &Event<'_>) -> String {
    let mut message = Message(String::new());
    event.record(&mut message);
    message.0
}

/// A line's message, cut.
struct Message(String);

impl Visit for Message {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() == "message" {
            let _ = write!(self.0, "{value:?}");
            let end = (0..=MESSAGE_BYTES_MAX.min(self.0.len())).rev().find(|at| self.0.is_char_boundary(*at)).unwrap_or(0);
            self.0.truncate(end);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_of_one_kind_leaves_the_others_alone_and_is_counted() {
        let sampler = Sampler::new();
        let written = (0..50_000).filter(|_| sampler.lets_through(16, || "bad".to_owned())).count();
        assert_eq!(written, LINES_A_SECOND_MAX as usize);
        assert!(sampler.lets_through(4_112, String::new), "another kind, in the next slot");
        assert_eq!(sampler.next_second(), [LeftOut { lines: 50_000 - 20, like: "bad".to_owned() }]);
        assert_eq!(sampler.next_second(), []);
    }

    #[test]
    fn a_flood_that_goes_on_is_written_ever_less_and_afterwards_as_before() {
        let sampler = Sampler::new();
        let second = || {
            let written = (0..1000).filter(|_| sampler.lets_through(16, String::new)).count();
            let _ = sampler.next_second();
            written
        };
        assert_eq!((0..7).map(|_| second()).collect::<Vec<_>>(), [20, 10, 5, 2, 1, 1, 1]);
        (0..4).for_each(|_| _ = sampler.next_second());
        let written = (0..1000).filter(|_| sampler.lets_through(16, String::new)).count();
        assert_eq!(written, 20);
    }

    #[test]
    fn more_kinds_than_there_is_room_for_are_written_uncounted() {
        let sampler = Sampler::new();
        (1..=KINDS_MAX).for_each(|n| assert!(sampler.lets_through(n * 16, String::new)));
        assert!((0..100).all(|_| sampler.lets_through((KINDS_MAX + 1) * 16, String::new)));
    }
}
