//! A table of fixed size whose slots are found by a hash and shared by whoever comes: no lock, no wait, no growth.
//!
//! A slot that is taken from one key for another isn't cleared: between clearing it and being seen, counts of the newcomer
//! would be lost. Instead every value says whose it is (its key's tag), and what is another's counts as nothing.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

/// Slots that are looked at for one key: two lines of the processor's cache.
const PROBES: usize = 16;
/// Times that a slot is tried to be had. Each failure means that somebody else was faster.
const TRIES_MAX: usize = 8;

/// What tells one key's values from another's in the same slot: 20 bits, so that of a million that take another's place one
/// inherits what that one left.
pub(super) fn tag_of(key: u64) -> u64 {
    key >> TAG_SHIFT
}

/// Where a tag stands in its word.
pub(super) const TAG_SHIFT: u32 = 44;

/// The table.
pub(super) struct Table<V> {
    /// Hashes; 0 is a free slot.
    keys: Box<[AtomicU64]>,
    /// The second that each was used last.
    used: Box<[AtomicU32]>,
    values: Box<[V]>,
}

impl<V: Default> Table<V> {
    /// A table of so many slots, a power of two of at least [`PROBES`].
    pub(super) fn new(slots: usize) -> Table<V> {
        let slots = slots.next_power_of_two().max(PROBES);
        Table {
            keys: std::iter::repeat_with(AtomicU64::default).take(slots).collect(),
            used: std::iter::repeat_with(AtomicU32::default).take(slots).collect(),
            values: std::iter::repeat_with(V::default).take(slots).collect(),
        }
    }

    fn probes(&self, key: u64) -> impl Iterator<Item = usize> + use<V> {
        let mask = self.keys.len() - 1;
        (0..PROBES).map(move |n| (key as usize).wrapping_add(n) & mask)
    }

    /// What lies under a key: in one slot, or in two where two threads brought a new key in the same moment.
    pub(super) fn of(&self, key: u64) -> impl Iterator<Item = &V> {
        let is_mine = move |slot: &usize| self.keys[*slot].load(Ordering::Acquire) == key;
        self.probes(key).filter(is_mine).map(|slot| &self.values[slot])
    }

    /// The place of a key: its own, else a free one, else the one that was used longest ago among those it may have. None
    /// where others were faster, again and again.
    pub(super) fn claim(&self, key: u64, now_seconds: u32) -> Option<&V> {
        for _ in 0..TRIES_MAX {
            let mut oldest: Option<(u32, usize, u64)> = None;
            for slot in self.probes(key) {
                let found = self.keys[slot].load(Ordering::Acquire);
                if found == key {
                    self.used[slot].fetch_max(now_seconds, Ordering::Relaxed);
                    return Some(&self.values[slot]);
                }
                let used = if found == 0 { 0 } else { self.used[slot].load(Ordering::Relaxed).max(1) };
                if oldest.is_none_or(|(before, ..)| used < before) {
                    oldest = Some((used, slot, found));
                }
            }
            let (_, slot, found) = oldest?;
            if self.keys[slot].compare_exchange(found, key, Ordering::AcqRel, Ordering::Acquire).is_ok() {
                self.used[slot].fetch_max(now_seconds, Ordering::Relaxed);
                return Some(&self.values[slot]);
            }
        }
        None
    }

    /// Every value.
    pub(super) fn values(&self) -> impl Iterator<Item = &V> {
        self.values.iter()
    }
}

/// A number that belongs to a key: 44 bits of it, below the key's tag.
#[derive(Default)]
pub(super) struct Tagged(AtomicU64);

const NUMBER: u64 = (1 << TAG_SHIFT) - 1;

impl Tagged {
    /// The number, if it is this key's.
    pub(super) fn get(&self, tag: u64) -> u64 {
        let value = self.0.load(Ordering::Relaxed);
        if value >> TAG_SHIFT == tag { value & NUMBER } else { 0 }
    }

    /// Makes it another; what was another key's is 0 to `change`.
    pub(super) fn change(&self, tag: u64, change: impl Fn(u64) -> u64) {
        let next = |value: u64| {
            let number = if value >> TAG_SHIFT == tag { value & NUMBER } else { 0 };
            Some(tag << TAG_SHIFT | (change(number) & NUMBER))
        };
        // `next` always says something
        let _ = self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, next);
    }

    /// Nothing is known any more.
    pub(super) fn clear(&self) {
        self.0.store(0, Ordering::Relaxed);
    }
}
