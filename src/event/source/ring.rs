//! A source's ring: what was read from a switch, until somebody behind calls has time for it.
//!
//! The sender never waits: a switch that isn't read freezes (FreeSWITCH), or cuts us off (Asterisk). When the ring is full
//! the newest is dropped and counted, and so is all that follows until half of the ring is free again; then a
//! [`Item::Gap`] says how much is missing. So what is read from the ring is whole up to a gap, and whole behind it.
//!
//! What says how things stand (up, down, gap, snapshot's beginning and end) is never dropped: it has places of its own, and
//! beyond these it waits with the sender.

use crate::cti::SourceStats;
use crate::event::Item;
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;
use tokio::sync::mpsc::{self, error::TrySendError};

/// Places for items that say how things stand. A connection has some four in a row, a gap and a snapshot another three.
const RESERVE: usize = 64;

/// What an item costs beside its bytes: its place, and two small allocations.
const ITEM_BYTES: usize = 192;

/// How much a ring holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RingLimits {
    /// Events.
    pub events_max: usize,
    /// Their bytes, with what they cost beside.
    pub bytes_max: usize,
}

impl Default for RingLimits {
    fn default() -> Self {
        // a quarter of a minute of what a busy Asterisk says; a hang-up of FreeSWITCH's has 10 kB
        RingLimits { events_max: 65_536, bytes_max: 64 << 20 }
    }
}

struct Slot {
    item: Item,
    cost: usize,
    /// None for what says how things stand.
    came: Option<Instant>,
}

/// What both ends know. Atomics only: the sender is at normal priority, the receiver is not.
struct Shared {
    stats: Arc<SourceStats>,
    events: AtomicUsize,
    bytes: AtomicUsize,
}

/// The end that is written to.
pub struct RingSender {
    limits: RingLimits,
    shared: Arc<Shared>,
    slots: mpsc::Sender<Slot>,
    /// What has no place yet, and must not be lost.
    waiting: VecDeque<Item>,
    /// Dropped since the last gap was said.
    unsaid: u64,
    /// Dropped ever.
    lost: u64,
    /// Whether a gap was said, and nobody has asked yet.
    wants_repair: bool,
}

/// The end that is read from.
pub struct RingReceiver {
    shared: Arc<Shared>,
    slots: mpsc::Receiver<Slot>,
}

/// A ring.
#[must_use]
pub fn channel(limits: RingLimits, stats: Arc<SourceStats>) -> (RingSender, RingReceiver) {
    let (sender, receiver) = mpsc::channel(limits.events_max + RESERVE);
    let shared = Arc::new(Shared { stats, events: AtomicUsize::new(0), bytes: AtomicUsize::new(0) });
    let receiving = RingReceiver { shared: shared.clone(), slots: receiver };
    (RingSender { limits, shared, slots: sender, waiting: VecDeque::new(), unsaid: 0, lost: 0, wants_repair: false }, receiving)
}

impl RingSender {
    /// Whether an event of so many bytes has a place. Ask before copying it out of what was read; where it is `false` the
    /// event has been counted as lost.
    pub fn has_room(&mut self, bytes: usize) -> bool {
        self.settle();
        let fits = self.unsaid == 0
            && self.waiting.is_empty()
            && self.shared.events.load(Ordering::Relaxed) < self.limits.events_max
            && self.shared.bytes.load(Ordering::Relaxed) + bytes + ITEM_BYTES <= self.limits.bytes_max;
        if !fits {
            self.lose();
        }
        fits
    }

    /// Puts an event in that [`has_room`](Self::has_room). It should have memory of its own.
    pub fn event(&mut self, item: Item, bytes: usize) {
        let cost = bytes + ITEM_BYTES;
        self.shared.events.fetch_add(1, Ordering::Relaxed);
        self.shared.bytes.fetch_add(cost, Ordering::Relaxed);
        if self.slots.try_send(Slot { item, cost, came: Some(Instant::now()) }).is_err() {
            self.shared.events.fetch_sub(1, Ordering::Relaxed);
            self.shared.bytes.fetch_sub(cost, Ordering::Relaxed);
            self.lose();
        }
        self.shared.tell();
    }

    /// Puts in what says how things stand. It is never lost: what has no place waits, and no event overtakes it.
    pub fn say(&mut self, item: Item) {
        self.settle();
        match item {
            // what hasn't been read of the connection that is lost says nothing any more
            Item::Down { .. } => self.waiting.clear(),
            Item::Gap { why, lost } => {
                if let Some(Item::Gap { lost: sum, .. }) =
                    self.waiting.iter_mut().find(|waiting| matches!(waiting, Item::Gap { why: other, .. } if *other == why))
                {
                    *sum += lost;
                    return;
                }
            }
            _ => {}
        }
        self.waiting.push_back(item);
        self.flush();
    }

    /// Finds out whether there is room again, and says what is missing. To be called from time to time also when nothing
    /// comes.
    pub fn settle(&mut self) {
        if self.waiting.is_empty() && self.unsaid == 0 {
            return;
        }
        self.flush();
        let half_is_free = self.shared.events.load(Ordering::Relaxed) <= self.limits.events_max / 2
            && self.shared.bytes.load(Ordering::Relaxed) <= self.limits.bytes_max / 2;
        if self.unsaid == 0 || !half_is_free || !self.waiting.is_empty() {
            return;
        }
        let lost = std::mem::take(&mut self.unsaid);
        self.waiting.push_back(Item::Gap { why: "overrun", lost });
        self.wants_repair = true;
        self.flush();
    }

    /// Whether a gap was said since this was asked last: then the switch's own state is wanted.
    pub fn wants_repair(&mut self) -> bool {
        std::mem::take(&mut self.wants_repair)
    }

    /// How many events were dropped here so far.
    #[must_use]
    pub fn lost(&self) -> u64 {
        self.lost
    }

    /// Whether events are dropped just now: what is asked of the switch would be lost too.
    #[must_use]
    pub fn is_behind(&self) -> bool {
        self.unsaid > 0 || !self.waiting.is_empty()
    }

    /// Whether nobody will ever read again.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.slots.is_closed()
    }

    fn lose(&mut self) {
        self.unsaid += 1;
        self.lost += 1;
        self.shared.stats.events_lost.add_one();
    }

    fn flush(&mut self) {
        while let Some(item) = self.waiting.pop_front() {
            match self.slots.try_send(Slot { item, cost: 0, came: None }) {
                Ok(()) => {}
                Err(TrySendError::Full(slot)) => return self.waiting.push_front(slot.item),
                Err(TrySendError::Closed(_)) => return self.waiting.clear(),
            }
        }
    }
}

impl RingReceiver {
    /// The next item, in the order they came; none when the source has ended.
    pub async fn recv(&mut self) -> Option<Item> {
        if self.slots.is_empty() {
            self.shared.stats.queue_age_us.set(0);
        }
        let slot = self.slots.recv().await?;
        Some(self.took(slot))
    }

    /// The next item, if there is one already.
    pub fn try_recv(&mut self) -> Option<Item> {
        let slot = self.slots.try_recv().ok()?;
        Some(self.took(slot))
    }

    fn took(&self, slot: Slot) -> Item {
        if let Some(came) = slot.came {
            self.shared.events.fetch_sub(1, Ordering::Relaxed);
            self.shared.bytes.fetch_sub(slot.cost, Ordering::Relaxed);
            self.shared.stats.queue_age_us.set(came.elapsed().as_micros() as u64);
            self.shared.tell();
        }
        slot.item
    }
}

impl Shared {
    fn tell(&self) {
        self.stats.queued.set(self.events.load(Ordering::Relaxed) as u64);
        self.stats.queued_bytes.set(self.bytes.load(Ordering::Relaxed) as u64);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;

    fn event(n: usize) -> Item {
        Item::Listing { what: "channels", json: Bytes::from(n.to_string()) }
    }

    fn put(sender: &mut RingSender, n: usize) -> bool {
        let fits = sender.has_room(1);
        if fits {
            sender.event(event(n), 1);
        }
        fits
    }

    fn word(item: Item) -> String {
        match item {
            Item::Listing { json, .. } => String::from_utf8_lossy(&json).into_owned(),
            Item::Gap { why, lost } => format!("{why} {lost}"),
            Item::Up { .. } => "up".into(),
            Item::Down { why } => why.into(),
            Item::SnapshotBegin => "begin".into(),
            Item::SnapshotEnd { whole } => format!("end {whole}"),
            _ => "?".into(),
        }
    }

    fn all(receiver: &mut RingReceiver) -> Vec<String> {
        std::iter::from_fn(|| receiver.try_recv()).map(word).collect()
    }

    fn ring(events_max: usize, bytes_max: usize) -> (RingSender, RingReceiver, Arc<SourceStats>) {
        let stats = Arc::new(SourceStats::new("a"));
        let (sender, receiver) = channel(RingLimits { events_max, bytes_max }, stats.clone());
        (sender, receiver, stats)
    }

    #[test]
    fn a_full_ring_drops_the_newest_and_says_how_many_once_half_of_it_is_free() {
        let (mut sender, mut receiver, stats) = ring(4, 1 << 20);
        let taken = (0..7).filter(|n| put(&mut sender, *n)).count();
        assert_eq!((taken, stats.events_lost.get(), stats.queued.get()), (4, 3, 4));
        assert_eq!(word(receiver.try_recv().unwrap()), "0");
        assert!(!put(&mut sender, 7), "three quarters are full: what follows a loss is lost until the gap is said");
        sender.settle();
        assert!(!sender.wants_repair());
        assert_eq!(word(receiver.try_recv().unwrap()), "1");
        sender.settle();
        assert!(sender.wants_repair() && !sender.wants_repair());
        assert!(put(&mut sender, 8));
        assert_eq!(all(&mut receiver), ["2", "3", "overrun 4", "8"]);
        assert_eq!((stats.events_lost.get(), stats.queued.get(), stats.queued_bytes.get()), (4, 0, 0));
    }

    #[test]
    fn bytes_are_a_limit_too() {
        let (mut sender, mut receiver, stats) = ring(1_000, 10_000);
        for n in 0..10 {
            if sender.has_room(2_000) {
                sender.event(event(n), 2_000);
            }
        }
        assert_eq!(stats.queued.get(), 4);
        assert!(stats.queued_bytes.get() <= 10_000);
        assert_eq!(all(&mut receiver).len(), 4);
    }

    #[test]
    fn what_says_how_things_stand_is_never_lost_and_nothing_overtakes_it() {
        let (mut sender, mut receiver, _) = ring(2, 1 << 20);
        for n in 0..9 {
            put(&mut sender, n);
        }
        for _ in 0..100 {
            sender.say(Item::Down { why: "closed" });
            sender.say(Item::Up { identity: "x".into() });
            sender.say(Item::Gap { why: "suspect", lost: 1 });
            sender.say(Item::Gap { why: "suspect", lost: 2 });
        }
        assert!(sender.waiting.len() <= 3, "a consumer that never reads costs no memory: {}", sender.waiting.len());
        let first = all(&mut receiver);
        assert_eq!(first[..2], ["0", "1"]);
        assert_eq!(first.len(), 2 + RESERVE);
        sender.settle();
        assert_eq!(all(&mut receiver), ["closed", "up", "suspect 3", "overrun 7"]);
        assert!(put(&mut sender, 9));
        assert_eq!(all(&mut receiver), ["9"]);
    }

    #[test]
    fn a_ring_that_nobody_reads_any_more_is_closed() {
        let (mut sender, receiver, _) = ring(2, 1 << 20);
        drop(receiver);
        sender.say(Item::SnapshotBegin);
        assert!(!put(&mut sender, 0) || sender.is_closed());
        assert!(sender.is_closed() && sender.waiting.is_empty());
    }
}
