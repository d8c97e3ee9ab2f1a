//! What events know that routing may glance at: a small table of atomics, each with its age.
//!
//! It is the only path from events to calls. The event plane writes it, one thread alone; calls read it without waiting for
//! anybody. What isn't there, or is old, says nothing: then everybody rings.
//!
//! A slot whose hint is old, or says nothing, is given to whoever comes. Key and value are two words, so a reader may have the
//! one of before and the other of after: both bear the number of the turn that the slot has in this, and a value of another
//! turn is none. Sixteen bits of it are enough: a slot changes hands once a second at most, and no look-up takes the 18 hours
//! in which the numbers begin anew.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};

/// Extensions that the table has room for; 32 bytes each with the spare. Others have no hint.
pub const EXTENSIONS_MAX: usize = 32_768;
/// Hints that are older say nothing, in seconds. The event plane says each again every 30 s.
pub const HINT_AGE_SECONDS_MAX: u64 = 120;
/// Slots, twice as many.
const SLOTS: usize = 2 * EXTENSIONS_MAX;
/// Slots that are looked at for one extension.
const PROBES_MAX: usize = 16;

/// A hint as it lies in the table: the bits of [`Hint`] below, then the second it was given, then the slot's turn.
const CALLS_SHIFT: u32 = 8;
const AT_SHIFT: u32 = 16;
const TURN_SHIFT: u32 = 48;
const REGISTERED_KNOWN: u64 = 1;
const REGISTERED: u64 = 2;
const DND: u64 = 4;
/// All that says something.
const SAYS: u64 = (1 << AT_SHIFT) - 1;
/// The bits of a second: those since 1970 fit until 2106.
const SECONDS: u64 = (1 << (TURN_SHIFT - AT_SHIFT)) - 1;
/// The bits of a key that hold the turn. Of the hash they are those that the slot's place tells.
const TURNS: u64 = (1 << (u64::BITS - TURN_SHIFT)) - 1;

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
    /// The hash of tenant and extension, and the turn; 0 is a free slot.
    key: AtomicU64,
    /// The hint, its second and the turn; 0 is none.
    value: AtomicU64,
}

impl Slot {
    /// The slot's turn, if it is whose hash this is.
    fn turn_of(&self, hash: u64) -> Option<u64> {
        let key = self.key.load(Ordering::Acquire);
        (key & !TURNS == hash & !TURNS).then_some(key & TURNS)
    }

    /// Whether nobody misses it: it is free, or what it says is nothing, or old.
    fn is_to_be_had(&self, now_seconds: u64) -> bool {
        let value = self.value.load(Ordering::Acquire);
        // one that was given in this second stays, so that no slot goes through its turns quickly
        let says_nothing = value & SAYS == 0 && at_seconds(value) != now_seconds;
        value == 0 || says_nothing || !is_young(value, now_seconds, HINT_AGE_SECONDS_MAX)
    }
}

fn at_seconds(value: u64) -> u64 {
    value >> AT_SHIFT & SECONDS
}

/// One of the future is of before the clock was set back, and counts until it is said again.
fn is_young(value: u64, now_seconds: u64, age_max_seconds: u64) -> bool {
    now_seconds.saturating_sub(at_seconds(value)) <= age_max_seconds
}

impl Default for Hints {
    fn default() -> Self {
        Hints::with_slots(SLOTS)
    }
}

impl Hints {
    fn with_slots(slots: usize) -> Hints {
        Hints { hasher: RandomState::new(), slots: std::iter::repeat_with(Slot::default).take(slots).collect() }
    }

    /// What was said of an extension, if that was at most `age_max_seconds` ago.
    #[must_use]
    pub fn get(&self, tenant: &str, extension: &str, now_seconds: u64, age_max_seconds: u64) -> Option<Hint> {
        let (slot, turn) = self.find(self.hash(tenant, extension))?;
        let value = slot.value.load(Ordering::Acquire);
        (value >> TURN_SHIFT == turn && is_young(value, now_seconds, age_max_seconds)).then(|| Hint {
            registered: (value & REGISTERED_KNOWN != 0).then_some(value & REGISTERED != 0),
            dnd: value & DND != 0,
            calls: (value >> CALLS_SHIFT) as u8,
        })
    }

    /// Says something of an extension; one thread only. `false` where the table has no room for it.
    pub fn set(&self, tenant: &str, extension: &str, hint: Hint, now_seconds: u64) -> bool {
        let hash = self.hash(tenant, extension);
        let now_seconds = now_seconds.min(SECONDS);
        let (slot, turn) = match self.find(hash) {
            Some(mine) => mine,
            // of whoever isn't here nothing is known as it is
            None if hint == Hint::default() => return true,
            None => {
                let to_be_had = self.probes(hash).filter(|slot| slot.is_to_be_had(now_seconds));
                let oldest = to_be_had.min_by_key(|slot| at_seconds(slot.value.load(Ordering::Acquire)));
                let Some(slot) = oldest else { return false };
                // never 0: that is the turn of what was taken back
                (slot, (slot.key.load(Ordering::Acquire) & TURNS) % TURNS + 1)
            }
        };
        let registered = hint.registered.map_or(0, |yes| REGISTERED_KNOWN | if yes { REGISTERED } else { 0 });
        let dnd = if hint.dnd { DND } else { 0 };
        let says = registered | dnd | u64::from(hint.calls) << CALLS_SHIFT;
        slot.value.store(says | now_seconds << AT_SHIFT | turn << TURN_SHIFT, Ordering::Release);
        // after the value, so that whoever finds the new key finds its hint, too
        slot.key.store(hash & !TURNS | turn, Ordering::Release);
        true
    }

    /// Takes back all that was said: nothing is known any more. By the thread that says things.
    pub fn clear(&self) {
        for slot in &self.slots {
            slot.value.store(0, Ordering::Release);
        }
    }

    /// Of a tenant's extension: the place, and in it what tells it from others there.
    fn hash(&self, tenant: &str, extension: &str) -> u64 {
        let mut hasher = self.hasher.build_hasher();
        hasher.write(tenant.as_bytes());
        hasher.write_u8(0xff);
        hasher.write(extension.as_bytes());
        // a key that is all turn would be a free slot's
        hasher.finish().max(TURNS + 1)
    }

    /// Its slot, and that one's turn.
    fn find(&self, hash: u64) -> Option<(&Slot, u64)> {
        self.probes(hash).find_map(|slot| slot.turn_of(hash).map(|turn| (slot, turn)))
    }

    fn probes(&self, hash: u64) -> impl Iterator<Item = &Slot> {
        (0..PROBES_MAX).map(move |n| &self.slots[(hash as usize).wrapping_add(n) % self.slots.len()])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::HashMap;
    use std::sync::atomic::AtomicBool;

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
            .filter(|n| hints.set("t", &n.to_string(), Hint { calls: (*n % 200) as u8 + 1, ..Hint::default() }, 9))
            .collect::<Vec<_>>();
        assert!(taken.len() > EXTENSIONS_MAX, "{}", taken.len());
        for n in taken {
            assert_eq!(hints.get("t", &n.to_string(), 9, 0).map(|h| h.calls), Some((n % 200) as u8 + 1));
        }
    }

    #[test]
    fn callers_who_come_and_go_leave_room_for_an_extension_that_is_seen_later() {
        let is_in = Hint { calls: 1, ..Hint::default() };
        // each is over a second later; or nobody says so, and two minutes pass
        for (lasts_seconds, is_told) in [(1, true), (HINT_AGE_SECONDS_MAX + 1, false)] {
            let hints = Hints::default();
            for n in 0..2 * SLOTS {
                let (caller, second) = (format!("0301{n}"), 1_000 + n as u64 / 1_000 * lasts_seconds);
                assert!(hints.set("t", &caller, is_in, second), "caller {n}");
                if is_told {
                    assert!(hints.set("t", &caller, Hint::default(), second));
                }
            }
            let now = 1_000 + 2 * SLOTS as u64 * lasts_seconds;
            for extension in 100..1_000 {
                let hint = Hint { registered: Some(false), ..Hint::default() };
                assert!(hints.set("t", &extension.to_string(), hint, now));
                assert_eq!(hints.get("t", &extension.to_string(), now, 0), Some(hint));
            }
        }
    }

    #[test]
    fn whoever_reads_a_slot_while_it_changes_hands_has_nothing_of_the_other_in_it() {
        let hints = Hints::with_slots(1);
        let busy = Hint { calls: 7, ..Hint::default() };
        let dnd = Hint { dnd: true, ..Hint::default() };
        hints.set("t", "101", busy, 1_000);
        let [old_key, old_value] = [&hints.slots[0].key, &hints.slots[0].value].map(|word| word.load(Ordering::Relaxed));
        hints.set("t", "102", dnd, 2_000);
        let [new_key, new_value] = [&hints.slots[0].key, &hints.slots[0].value].map(|word| word.load(Ordering::Relaxed));
        for (key, value, of_101, of_102) in [
            (old_key, old_value, Some(busy), None),
            (old_key, new_value, None, None),
            (new_key, old_value, None, None),
            (new_key, new_value, None, Some(dnd)),
        ] {
            hints.slots[0].key.store(key, Ordering::Relaxed);
            hints.slots[0].value.store(value, Ordering::Relaxed);
            let read = ["101", "102"].map(|extension| hints.get("t", extension, 2_000, 1_000));
            assert_eq!(read, [of_101, of_102], "{key:x} {value:x}");
        }
    }

    #[test]
    fn no_turn_of_a_slot_is_that_of_what_was_taken_back() {
        let hints = Hints::with_slots(1);
        let busy = Hint { calls: 7, ..Hint::default() };
        for n in 0..=TURNS + 2 {
            // an extension that isn't there any more when the numbers begin anew
            let extension = format!("{}", n % 1_000);
            assert!(hints.set("t", &extension, busy, n * 1_000));
            assert_eq!(hints.get("t", &extension, n * 1_000, 0), Some(busy));
            hints.clear();
            assert_eq!(hints.get("t", &extension, 0, u64::MAX), None, "turn {n}");
        }
    }

    #[test]
    fn readers_beside_the_writer_never_have_another_extensions_hint() {
        let (hints, is_over) = (Hints::with_slots(4), AtomicBool::new(false));
        let names: Vec<String> = (0..64).map(|n| n.to_string()).collect();
        let of = |n: usize| Hint { registered: Some(n.is_multiple_of(2)), dnd: n.is_multiple_of(3), calls: n as u8 + 1 };
        std::thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    while !is_over.load(Ordering::Relaxed) {
                        for (n, name) in names.iter().enumerate() {
                            if let Some(hint) = hints.get("t", name, 0, u64::MAX) {
                                assert_eq!(hint, of(n));
                            }
                        }
                    }
                });
            }
            for turn in 0..300_000 {
                // all that is there is old by then
                assert!(hints.set("t", &names[turn % 61 % 64], of(turn % 61 % 64), turn as u64 * 1_000));
            }
            is_over.store(true, Ordering::Relaxed);
        });
    }

    proptest! {
        #[test]
        fn what_is_young_and_says_something_stays_and_is_its_own_whoever_else_comes(
            said in prop::collection::vec((0usize..40, any::<Option<bool>>(), any::<bool>(), 0u8..3, 0u64..90), 1..300),
        ) {
            let hints = Hints::with_slots(32);
            let mut known: HashMap<usize, (Hint, u64)> = HashMap::new();
            let mut now = 1_000;
            for (who, registered, dnd, calls, seconds) in said {
                now += seconds;
                let hint = Hint { registered, dnd, calls };
                let is_young = |at: &u64| now - at <= HINT_AGE_SECONDS_MAX;
                let in_the_way = known.values().filter(|(hint, at)| is_young(at) && (*hint != Hint::default() || *at == now)).count();
                let has_room = hints.set("t", &who.to_string(), hint, now);
                prop_assert!(has_room || in_the_way >= PROBES_MAX, "{in_the_way} are in the way");
                if has_room {
                    known.insert(who, (hint, now));
                }
                for who in 0..40 {
                    let read = hints.get("t", &who.to_string(), now, HINT_AGE_SECONDS_MAX);
                    match known.get(&who).filter(|(_, at)| is_young(at)) {
                        Some((hint, _)) if *hint != Hint::default() => prop_assert_eq!(read, Some(*hint)),
                        // nothing is said either way
                        Some(_) => prop_assert!(read.is_none_or(|hint| hint == Hint::default())),
                        None => prop_assert_eq!(read, None),
                    }
                }
            }
        }
    }
}
