//! What keeps the journal small and tidy: counting, retention, sweeping. Each in pieces, because the thread that does it
//! also writes, and because the disk is the directory's too.

use super::{JournalLimits, JournalStatus, Space, key, number_keys, record};
use crate::store::{Engine, StoreError};

/// Records that are counted in one piece.
const COUNT_PIECE: usize = 20_000;
/// Calls that are removed in one piece.
const REMOVE_PIECE: usize = 1_000;
/// Index entries that are looked at in one piece.
const SWEEP_PIECE: usize = 5_000;
const DAY_US: u64 = 24 * 60 * 60 * 1_000_000;
/// A call's keys in the indexes, as multiples of its own: a caller, a called number, two legs, and the id.
const INDEX_KEYS: usize = 5;

/// What a piece of upkeep did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retained {
    /// Calls that were removed.
    pub removed: usize,
    /// Whether there is more to do at once.
    pub more: bool,
}

/// How far a walk through a key space has come.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Walk {
    /// Keys below this one are behind it.
    At(Vec<u8>),
    /// All are.
    Done,
}

impl Walk {
    const BEGIN: Walk = Walk::At(Vec::new());

    fn is_past(&self, key: &[u8]) -> bool {
        match self {
            Walk::At(next) => key < &next[..],
            Walk::Done => true,
        }
    }
}

/// What is known of the journal as a whole.
pub(super) struct Upkeep {
    counted: Walk,
    calls: u64,
    bytes: u64,
    swept_numbers: Walk,
    swept_ids: Walk,
}

impl Default for Upkeep {
    fn default() -> Self {
        Upkeep { counted: Walk::BEGIN, calls: 0, bytes: 0, swept_numbers: Walk::BEGIN, swept_ids: Walk::BEGIN }
    }
}

/// What a call takes: its record, and its key here and in the indexes.
fn cost(key: &[u8], record_len: usize) -> u64 {
    (record_len + key.len() * (1 + INDEX_KEYS)) as u64
}

impl Upkeep {
    /// A record was written. One that the count has yet to come by is counted then.
    pub(super) fn added(&mut self, key: &[u8], record_len: usize) {
        if self.counted.is_past(key) {
            self.calls += 1;
            self.bytes += cost(key, record_len);
        }
    }

    fn removed(&mut self, key: &[u8], record_len: usize) {
        if self.counted.is_past(key) {
            self.calls = self.calls.saturating_sub(1);
            self.bytes = self.bytes.saturating_sub(cost(key, record_len));
        }
    }

    /// A write was broken off: there may be index entries without a record.
    pub(super) fn sweep_again(&mut self) {
        self.swept_numbers = Walk::BEGIN;
        self.swept_ids = Walk::BEGIN;
    }

    pub(super) fn status(&self, disk_bytes: u64) -> JournalStatus {
        JournalStatus { calls: self.calls, bytes: self.bytes, counted: self.counted == Walk::Done, disk_bytes }
    }

    /// A piece of everything.
    pub(super) fn retain(&mut self, engine: &Engine, limits: JournalLimits, now_us: u64) -> Result<Retained, StoreError> {
        self.count(engine)?;
        let removed = self.remove_old(engine, limits, now_us)?;
        self.sweep(engine)?;
        let walks = [&self.counted, &self.swept_numbers, &self.swept_ids];
        Ok(Retained { removed, more: removed == REMOVE_PIECE || walks.iter().any(|walk| **walk != Walk::Done) })
    }

    /// When the newest call of all tenants ended.
    pub(super) fn newest_us(engine: &Engine) -> Result<Option<u64>, StoreError> {
        let (mut newest, mut from) = (None, Vec::new());
        while let Some(item) = engine.scan(Space::Call, &[], &from).next() {
            let (found, _) = item?;
            let Some(tenant) = key::tenant_of(&found) else { break };
            from = super::end_of(tenant);
            if let Some((last, _)) = engine.scan_back(Space::Call, tenant, &from).next().transpose()? {
                newest = newest.max(key::place(&last, tenant.len()).map(|place| place.ended_us));
            }
        }
        Ok(newest)
    }

    fn count(&mut self, engine: &Engine) -> Result<(), StoreError> {
        let (mut calls, mut bytes) = (0, 0);
        let next = walk(engine, Space::Call, &self.counted, COUNT_PIECE, |key, value| {
            calls += 1;
            bytes += cost(key, value.len());
            Ok(())
        })?;
        (self.calls, self.bytes, self.counted) = (self.calls + calls, self.bytes + bytes, next);
        Ok(())
    }

    /// Removes what ended first, of all tenants, while it is too old or too much is there.
    fn remove_old(&mut self, engine: &Engine, limits: JournalLimits, now_us: u64) -> Result<usize, StoreError> {
        let too_old_us = now_us.saturating_sub(u64::from(limits.days_max).saturating_mul(DAY_US));
        let mut oldest = Vec::new();
        let mut from = Vec::new();
        while let Some(item) = engine.scan(Space::Call, &[], &from).next() {
            let (found, _) = item?;
            // what can't be a key of ours is passed over, never waited at
            let Some(tenant) = key::tenant_of(&found) else { break };
            from = super::end_of(tenant);
            oldest.extend(Oldest::of(engine, tenant.to_vec())?);
        }
        let mut removed = 0;
        while removed < REMOVE_PIECE {
            let Some(n) = (0..oldest.len()).min_by_key(|n| oldest[*n].ended_us) else { break };
            if oldest[n].ended_us >= too_old_us && self.bytes <= limits.bytes_max {
                break;
            }
            let first = oldest.swap_remove(n);
            self.remove(engine, &first.key, &first.record)?;
            removed += 1;
            oldest.extend(Oldest::of(engine, first.tenant)?);
        }
        Ok(removed)
    }

    /// Removes a call: the record first, and with it the truth of what points at it.
    fn remove(&mut self, engine: &Engine, call_key: &[u8], bytes: &[u8]) -> Result<(), StoreError> {
        engine.remove(Space::Call, call_key)?;
        self.removed(call_key, bytes.len());
        let Ok(call) = record::decode(bytes) else {
            self.sweep_again();
            return Ok(());
        };
        for number_key in number_keys(&call) {
            engine.remove(Space::Number, &number_key)?;
        }
        // a later call may have the id now
        let entry = engine.get(Space::Id, call.id.as_bytes())?;
        if entry.is_some_and(|value| key::read_id_value(&value).is_none_or(|(_, pointed)| pointed == call_key)) {
            engine.remove(Space::Id, call.id.as_bytes())?;
        }
        Ok(())
    }

    /// Removes index entries that no record stands behind.
    fn sweep(&mut self, engine: &Engine) -> Result<(), StoreError> {
        let stands = |call_key: Option<&[u8]>| match call_key {
            Some(call_key) => engine.get(Space::Call, call_key).map(|record| record.is_some()),
            None => Ok(false),
        };
        self.swept_numbers = walk(engine, Space::Number, &self.swept_numbers, SWEEP_PIECE, |found, _| {
            let call_key = key::call_of(found);
            if stands(call_key.as_deref())? { Ok(()) } else { engine.remove(Space::Number, found) }
        })?;
        self.swept_ids = walk(engine, Space::Id, &self.swept_ids, SWEEP_PIECE, |found, value| {
            let call_key = key::read_id_value(value).map(|(_, call_key)| call_key);
            if stands(call_key)? { Ok(()) } else { engine.remove(Space::Id, found) }
        })?;
        Ok(())
    }
}

/// A tenant's oldest call.
struct Oldest {
    tenant: Vec<u8>,
    ended_us: u64,
    key: Vec<u8>,
    record: Vec<u8>,
}

impl Oldest {
    fn of(engine: &Engine, tenant: Vec<u8>) -> Result<Option<Oldest>, StoreError> {
        let Some((found, value)) = engine.scan(Space::Call, &tenant, &tenant).next().transpose()? else { return Ok(None) };
        // a key that says no time is as old as can be
        let ended_us = key::place(&found, tenant.len()).map_or(0, |place| place.ended_us);
        Ok(Some(Oldest { tenant, ended_us, key: found.to_vec(), record: value.to_vec() }))
    }
}

/// Goes on with a walk for so many entries; comes back with where it is then.
fn walk(
    engine: &Engine,
    space: Space,
    walk: &Walk,
    entries_max: usize,
    mut visit: impl FnMut(&[u8], &[u8]) -> Result<(), StoreError>,
) -> Result<Walk, StoreError> {
    let Walk::At(from) = walk else { return Ok(Walk::Done) };
    for (n, item) in engine.scan(space, &[], from).enumerate() {
        let (found, value) = item?;
        if n == entries_max {
            return Ok(Walk::At(found.to_vec()));
        }
        visit(&found, &value)?;
    }
    Ok(Walk::Done)
}
