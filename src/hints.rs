//! What events know that routing may glance at: a small table of atomics, each with its age.
//!
//! It is the only path from events to calls. The event plane writes it, one thread alone; calls read it without waiting for
//! anybody. What isn't there, or is old, says nothing: then everybody rings.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};

/// Extensions that the table has room for; 32 bytes each with the spare. Others have no hint.
pub const EXTENSIONS_MAX: usize = 32_768;
/// Slots, twice as many.
const SLOTS: usize = 2 * EXTENSIONS_MAX;
/// Slots that are looked at for one extension.
const PROBES_MAX: usize = 16;

/// A hint as it lies in the table: the bits of [`Hint`] below, the second it was given above.
const CALLS_SHIFT: u32 = 8;
const AT_SHIFT: u32 = 16;
const REGISTERED_KNOWN: u64 = 1;
const REGISTERED: u64 = 2;
const DND: u64 = 4;

/// What is known of an extension.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Hint {
    /// Whether a phone is registered; none if that isn't known.
    pub registered: Option<bool>,
    /// Whether the phone says "do not disturb".
    pub dnd: bool,
    /// Calls in progress, 255 at most.
    pub calls: u8,
}

/// The table.
pub struct Hints {
    hasher: RandomState,
    slots: Box<[Slot]>,
}

#[derive(Default)]
struct Slot {
    /// The hash of tenant and extension; 0 is a free slot. Never changes once it is set.
    key: AtomicU64,
    /// The hint and its second; 0 is none.
    value: AtomicU64,
}

impl Default for Hints {
    fn default() -> Self {
        Hints { hasher: RandomState::new(), slots: std::iter::repeat_with(Slot::default).take(SLOTS).collect() }
    }
}

impl Hints {
    /// What was said of an extension, if that was at most `age_max_seconds` ago.
    #[must_use]
    pub fn get(&self, tenant: &str, extension: &str, now_seconds: u64, age_max_seconds: u64) -> Option<Hint> {
        let key = self.key(tenant, extension);
        let slot = self.probes(key).find(|slot| slot.key.load(Ordering::Acquire) == key)?;
        let value = slot.value.load(Ordering::Acquire);
        let at_seconds = value >> AT_SHIFT;
        (value != 0 && now_seconds.saturating_sub(at_seconds) <= age_max_seconds).then(|| Hint {
            registered: (value & REGISTERED_KNOWN != 0).then_some(value & REGISTERED != 0),
            dnd: value & DND != 0,
            calls: (value >> CALLS_SHIFT) as u8,
        })
    }

    /// Says something of an extension; one thread only. `false` where the table has no room for it.
    pub fn set(&self, tenant: &str, extension: &str, hint: Hint, now_seconds: u64) -> bool {
        let key = self.key(tenant, extension);
        let mine = |slot: &&Slot| matches!(slot.key.load(Ordering::Acquire), found if found == key || found == 0);
        let Some(slot) = self.probes(key).find(mine) else { return false };
        let registered = hint.registered.map_or(0, |yes| REGISTERED_KNOWN | if yes { REGISTERED } else { 0 });
        let dnd = if hint.dnd { DND } else { 0 };
        let value = registered | dnd | u64::from(hint.calls) << CALLS_SHIFT | now_seconds << AT_SHIFT;
        slot.value.store(value, Ordering::Release);
        slot.key.store(key, Ordering::Release);
        true
    }

    /// Takes back all that was said: nothing is known any more.
    pub fn clear(&self) {
        for slot in &self.slots {
            slot.value.store(0, Ordering::Release);
        }
    }

    fn key(&self, tenant: &str, extension: &str) -> u64 {
        let mut hasher = self.hasher.build_hasher();
        hasher.write(tenant.as_bytes());
        hasher.write_u8(0xff);
        hasher.write(extension.as_bytes());
        hasher.finish().max(1)
    }

    fn probes(&self, key: u64) -> impl Iterator<Item = &Slot> {
        (0..PROBES_MAX).map(move |n| &self.slots[(key as usize).wrapping_add(n) % SLOTS])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hint_is_read_as_it_was_written_until_it_is_old() {
        let hints = Hints::default();
        let hint = Hint { registered: Some(true), dnd: true, calls: 3 };
        assert_eq!(hints.get("a", "101", 100, 60), None);
        assert!(hints.set("a", "101", hint, 100));
        assert_eq!(hints.get("a", "101", 160, 60), Some(hint));
        assert_eq!(hints.get("a", "101", 161, 60), None, "old");
        assert_eq!(hints.get("a", "101", 90, 60), Some(hint), "the clock was set back");
        assert_eq!(hints.get("b", "101", 100, 60), None, "another tenant's");
        assert_eq!(hints.get("a1", "01", 100, 60), None, "other words with the same letters");
        let unknown = Hint { registered: None, dnd: false, calls: 0 };
        hints.set("a", "101", unknown, 200);
        assert_eq!(hints.get("a", "101", 200, 60), Some(unknown));
        hints.clear();
        assert_eq!(hints.get("a", "101", 200, 60), None);
    }

    #[test]
    fn a_full_table_refuses_and_keeps_what_it_has() {
        let hints = Hints::default();
        let taken = (0..3 * EXTENSIONS_MAX)
            .filter(|n| hints.set("t", &n.to_string(), Hint { calls: (*n % 200) as u8, ..Hint::default() }, 9))
            .collect::<Vec<_>>();
        assert!(taken.len() > EXTENSIONS_MAX, "{}", taken.len());
        for n in taken {
            assert_eq!(hints.get("t", &n.to_string(), 9, 0).map(|h| h.calls), Some((n % 200) as u8));
        }
    }
}
