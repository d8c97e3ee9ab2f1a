//! What routing may glance at beside the hints, and what decisions leave behind: whose turn it is in a group, who was rung
//! when, how often somebody called, how many calls of a class there were and are.
//!
//! Tables of atomics of a fixed size, some 4.5 MB in all: calls write and read them without waiting for anybody, and the
//! event plane does too. Nothing here is on the disk, and nothing outlives the process but what the journal tells again.
//!
//! * Each tenant has tables of his own, as large as those of the others: nobody pushes out what is known of another's calls.
//! * A full table makes room by what was used longest ago. What it doesn't know is 0: nothing limits, everybody rings.
//! * Time comes in by the clock that nobody sets, so that setting the other one changes no order and no count.
//! * Counts over a time are never too small, but where a slot had to make room; and they take in up to a quarter more time
//!   than was asked for (of an hour of a class: four minutes).

mod table;
#[cfg(test)]
mod tests;
mod window;

use crate::clock::Clock;
use crate::hints::{HINT_AGE_SECONDS_MAX, Hint, Hints};
use crate::number::{Class, Number};
use crate::routing::{Live, Marks, MemberTarget};
use std::collections::HashMap;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use table::{Table, Tagged, tag_of};
use window::{Calls, Hour, Moments};

/// Callers that are counted, of all tenants: 650 bytes each. Who calls often is used often, and isn't the one to make room.
pub const CALLERS_MAX: usize = 4_096;
/// Extensions' classes of calls (each of an extension that called such numbers), of all tenants: 280 bytes each.
pub const CLASSES_MAX: usize = 4_096;
/// Members of groups, and telephones that answered, of all tenants: 20 bytes each.
pub const MEMBERS_MAX: usize = 32_768;
/// Groups whose turns are kept, of all tenants: 20 bytes each.
pub const GROUPS_MAX: usize = 4_096;
/// What a tenant has of each table however many there are: 31 kB in all.
const SHARE_MIN: usize = 32;
/// How much later somebody who answered counts as rung: so long, those come first who were rung and didn't answer. In
/// milliseconds; as long as a conversation and what it leaves to be done.
const ANSWERED_LATER_MS: u64 = 5 * 60 * 1_000;
/// How long the count of live calls is believed without a word from the event plane, in seconds: as long as a hint.
const HEARD_AGE_SECONDS_MAX: u64 = HINT_AGE_SECONDS_MAX;
/// How long a call that was let out counts as living before the events tell of it, in seconds: they tell within
/// milliseconds, and a call of which they never do (the caller hung up first) has to be forgotten.
pub const GRANTED_SECONDS: u64 = Moments::SECONDS;

/// What is remembered of calls of a class.
#[derive(Default)]
struct ClassCalls {
    hour: Hour,
    /// Those that live, as the event plane last said.
    live: Tagged,
    /// Those that were let out, and that it hasn't told of yet.
    granted: Moments,
}

/// One tenant's tables.
struct OfTenant {
    /// How many calls a group has had.
    turns: Table<Tagged>,
    /// When a member was rung or answered, in milliseconds.
    rung: Table<Tagged>,
    callers: Table<Calls>,
    classes: Table<ClassCalls>,
}

/// The tables of all tenants.
pub struct Memory {
    hasher: RandomState,
    tenants: HashMap<String, OfTenant>,
    /// When the event plane last said how things stand; 0 is never. In seconds.
    heard: AtomicU64,
}

/// Which calls of a class are counted; what the event plane is told of a call that was let out.
#[derive(Debug, Clone, Copy)]
pub struct Counted<'a> {
    /// The extension that calls.
    pub extension: &'a str,
    /// The class of the number that it calls.
    pub class: Class,
}

impl Memory {
    /// Empty tables for these tenants; others are never known.
    #[must_use]
    pub fn new<'a>(tenants: impl IntoIterator<Item = &'a str>) -> Memory {
        let ids: Vec<&str> = tenants.into_iter().collect();
        // a power of two, so that the shares of all are no more than there is
        let share = |max: usize| {
            let share = (max / ids.len().max(1)).max(SHARE_MIN);
            if share.is_power_of_two() { share } else { share.next_power_of_two() / 2 }
        };
        let tables = || OfTenant {
            turns: Table::new(share(GROUPS_MAX)),
            rung: Table::new(share(MEMBERS_MAX)),
            callers: Table::new(share(CALLERS_MAX)),
            classes: Table::new(share(CLASSES_MAX)),
        };
        let tenants = ids.iter().map(|id| ((*id).to_owned(), tables())).collect();
        Memory { hasher: RandomState::new(), tenants, heard: AtomicU64::new(0) }
    }

    /// What is to be remembered of a decision. `now_us` is of the clock that nobody sets, here and below.
    pub fn mark(&self, tenant: &str, marks: &Marks, now_us: u64) {
        let Some(of) = self.tenants.get(tenant) else { return };
        let seconds = seconds(now_us);
        for group in &marks.turns {
            let key = self.key(b'g', &[group.as_bytes()]);
            if let Some(turn) = of.turns.claim(key, seconds) {
                turn.change(tag_of(key), |turn| turn.wrapping_add(1));
            }
        }
        for (group, member) in &marks.rung {
            of.rung_at(self.member_key(group, member), now_us / 1_000);
        }
        if let Some(caller) = &marks.caller {
            let key = self.caller_key(caller);
            if let Some(calls) = of.callers.claim(key, seconds) {
                calls.add(tag_of(key), seconds.into());
            }
        }
        if let Some((extension, class)) = &marks.outbound {
            for key in self.class_keys(extension.digits(), *class) {
                if let Some(calls) = of.classes.claim(key, seconds) {
                    calls.hour.add(tag_of(key), seconds.into());
                    calls.granted.add(tag_of(key), seconds.into());
                }
            }
        }
    }

    /// Somebody has answered, in whatever group: an extension or a number, as events name it.
    pub fn answered(&self, tenant: &str, member: &str, at_us: u64) {
        if let Some(of) = self.tenants.get(tenant) {
            of.rung_at(self.key(b'a', &[member.as_bytes()]), at_us / 1_000 + ANSWERED_LATER_MS);
        }
    }

    /// The event plane lives, and hears at least one switch.
    pub fn heard(&self, now_us: u64) {
        self.heard.fetch_max(seconds(now_us).into(), Ordering::Relaxed);
    }

    /// How many calls of a class an extension has at this moment, or (`None`) the whole tenant.
    pub fn live(&self, tenant: &str, extension: Option<&str>, class: Class, calls: u32, now_us: u64) {
        let Some(of) = self.tenants.get(tenant) else { return };
        let key = self.class_key(extension, class);
        if let Some(kept) = of.classes.claim(key, seconds(now_us)) {
            kept.live.change(tag_of(key), |_| calls.into());
        }
    }

    /// The events tell of a call that was let out at that time: it counts among those that live now.
    pub fn seen(&self, tenant: &str, call: Counted<'_>, granted_us: u64) {
        let Some(of) = self.tenants.get(tenant) else { return };
        for key in self.class_keys(call.extension, call.class) {
            for kept in of.classes.of(key) {
                kept.granted.take(tag_of(key), seconds(granted_us).into());
            }
        }
    }

    /// Nothing is known any more of calls that live: the event plane begins anew.
    pub fn forget_live(&self) {
        self.heard.store(0, Ordering::Relaxed);
        self.tenants.values().flat_map(|of| of.classes.values()).for_each(|kept| kept.live.clear());
    }

    fn key(&self, sort: u8, parts: &[&[u8]]) -> u64 {
        let mut hasher = self.hasher.build_hasher();
        hasher.write_u8(sort);
        for part in parts {
            hasher.write(part);
            hasher.write_u8(0xff);
        }
        hasher.finish().max(1)
    }

    fn member_key(&self, group: &str, member: &MemberTarget) -> u64 {
        match member {
            MemberTarget::Number(number) => self.key(b'n', &[group.as_bytes(), &[number.kind().tag()], number.digits().as_bytes()]),
            MemberTarget::Group(id) => self.key(b'i', &[group.as_bytes(), id.as_bytes()]),
        }
    }

    fn caller_key(&self, caller: &Number) -> u64 {
        self.key(b'c', &[&[caller.kind().tag()], caller.digits().as_bytes()])
    }

    fn class_key(&self, extension: Option<&str>, class: Class) -> u64 {
        match extension {
            Some(extension) => self.key(b'x', &[class.word().as_bytes(), extension.as_bytes()]),
            None => self.key(b't', &[class.word().as_bytes()]),
        }
    }

    fn class_keys(&self, extension: &str, class: Class) -> [u64; 2] {
        [self.class_key(Some(extension), class), self.class_key(None, class)]
    }
}

impl OfTenant {
    fn rung_at(&self, key: u64, at_ms: u64) {
        if let Some(rung) = self.rung.claim(key, (at_ms / 1_000) as u32) {
            rung.change(tag_of(key), |before| before.max(at_ms));
        }
    }
}

fn seconds(now_us: u64) -> u32 {
    (now_us / 1_000_000) as u32
}

/// What is known of the moment, wherever it is kept: the memory, and what events say.
#[derive(Clone)]
pub struct Glances {
    /// What decisions left behind.
    pub memory: Arc<Memory>,
    /// What events say of extensions.
    pub hints: Arc<Hints>,
}

impl Glances {
    /// Nothing is known yet, of these tenants.
    #[must_use]
    pub fn new<'a>(tenants: impl IntoIterator<Item = &'a str>) -> Glances {
        Glances { memory: Arc::new(Memory::new(tenants)), hints: Arc::default() }
    }

    /// What is known of a tenant now.
    #[must_use]
    pub fn of<'a>(&'a self, tenant: &'a str, clock: &dyn Clock) -> Glance<'a> {
        Glance { memory: &self.memory, hints: &self.hints, tenant, now_us: clock.monotonic_us(), wall_us: clock.now_us() }
    }
}

/// What is known of one tenant at one moment.
#[derive(Clone, Copy)]
pub struct Glance<'a> {
    /// What decisions left behind.
    pub memory: &'a Memory,
    /// What events say of extensions.
    pub hints: &'a Hints,
    /// Whose calls.
    pub tenant: &'a str,
    /// The moment, by the clock that nobody sets. Microseconds.
    pub now_us: u64,
    /// The same by the other one, which hints are dated by. Microseconds since 1970.
    pub wall_us: u64,
}

impl Glance<'_> {
    fn of(&self) -> Option<&OfTenant> {
        self.memory.tenants.get(self.tenant)
    }
}

impl Live for Glance<'_> {
    fn hint(&self, extension: &Number) -> Option<Hint> {
        self.hints.get(self.tenant, extension.digits(), self.wall_us / 1_000_000, HINT_AGE_SECONDS_MAX)
    }

    fn turn(&self, group: &str) -> u32 {
        let key = self.memory.key(b'g', &[group.as_bytes()]);
        let turns = self.of().map_or(0, |of| of.turns.of(key).map(|turn| turn.get(tag_of(key))).sum());
        // so many calls that it begins anew
        turns as u32
    }

    fn last_rung(&self, group: &str, member: &MemberTarget) -> u64 {
        let Some(of) = self.of() else { return 0 };
        let at = |key: u64| of.rung.of(key).map(|rung| rung.get(tag_of(key))).max().unwrap_or(0);
        let rung = at(self.memory.member_key(group, member));
        match member {
            MemberTarget::Number(number) => rung.max(at(self.memory.key(b'a', &[number.to_string().as_bytes()]))),
            MemberTarget::Group(_) => rung,
        }
    }

    fn caller_calls(&self, caller: &Number, seconds_back: u32) -> u32 {
        let key = self.memory.caller_key(caller);
        let count = |calls: &Calls| calls.sum(tag_of(key), seconds(self.now_us).into(), seconds_back.into());
        narrow(self.of().map_or(0, |of| of.callers.of(key).map(count).sum()))
    }

    /// Calls that live can only be counted by whoever hears the switches: where none is configured, or none was heard for
    /// two minutes, there are none, and no limit on them limits.
    fn class_calls(&self, extension: Option<&Number>, class: Class) -> (u32, u32) {
        let Some(of) = self.of() else { return (0, 0) };
        let key = self.memory.class_key(extension.map(Number::digits), class);
        let (tag, now) = (tag_of(key), u64::from(seconds(self.now_us)));
        let heard = self.memory.heard.load(Ordering::Relaxed);
        let is_heard = heard != 0 && now.saturating_sub(heard) <= HEARD_AGE_SECONDS_MAX;
        let hour = of.classes.of(key).map(|kept| kept.hour.sum(tag, now)).sum();
        // before those that live: a call goes from here to there, and is counted twice in that moment rather than missed
        let granted: u64 = of.classes.of(key).map(|kept| kept.granted.sum(tag, now)).sum();
        // how many live is said whole, wherever it is written
        let live = of.classes.of(key).map(|kept| kept.live.get(tag)).max().unwrap_or(0);
        (narrow(hour), if is_heard { narrow(live + granted) } else { 0 })
    }
}

fn narrow(count: u64) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}
