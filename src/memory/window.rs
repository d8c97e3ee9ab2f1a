//! How often something happened lately: counts in rings of buckets, each of which says whose it is and of when.
//!
//! A count takes in every bucket that the asked-for time touches. So it never falls short of the truth, and is beyond it by
//! no more than what happened in one bucket's time before.

use super::table::TAG_SHIFT;
use std::array;
use std::ops::RangeInclusive;
use std::sync::atomic::{AtomicU64, Ordering};

/// Buckets of one ring.
const BUCKETS: usize = 16;
/// What a bucket can count; more is as much.
const COUNT_MAX: u64 = u16::MAX as u64;

/// Where a span stands in a bucket.
const SPAN_SHIFT: u32 = 16;
/// Spans are numbered in 28 bits: those of a second begin anew after eight years.
const SPAN: u64 = (1 << (TAG_SHIFT - SPAN_SHIFT)) - 1;

/// A bucket: the tag of its key (20 bits), which span of time it counts (28), and how often (16).
#[derive(Default)]
struct Bucket(AtomicU64);

fn of(tag: u64, span: u64, count: u64) -> u64 {
    tag << TAG_SHIFT | (span & SPAN) << SPAN_SHIFT | count
}

fn tag(bucket: u64) -> u64 {
    bucket >> TAG_SHIFT
}

/// By how many spans a bucket is behind; more than half of all that there can be is ahead.
fn behind(bucket: u64, span: u64) -> u64 {
    span.wrapping_sub(bucket >> SPAN_SHIFT) & SPAN
}

fn count(bucket: u64) -> u64 {
    bucket & COUNT_MAX
}

/// Buckets of one length, the newest in place of the oldest.
pub(super) struct Ring([Bucket; BUCKETS]);

impl Default for Ring {
    fn default() -> Ring {
        Ring(array::from_fn(|_| Bucket::default()))
    }
}

impl Ring {
    /// Counts one. `at` is the span's number: the time divided by the length of a bucket.
    pub(super) fn add(&self, key: u64, at: u64) {
        let next = |bucket: u64| {
            match behind(bucket, at) {
                _ if tag(bucket) != key => Some(of(key, at, 1)),
                0 => Some(of(key, at, (count(bucket) + 1).min(COUNT_MAX))),
                spans if spans <= SPAN / 2 => Some(of(key, at, 1)),
                // a thread that was held up: what it counts is too long ago by now
                _ => None,
            }
        };
        let _ = self.0[at as usize % BUCKETS].0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, next);
    }

    /// Takes one back, if it is still counted. Who sees it taken sees what the thread did before.
    pub(super) fn take(&self, key: u64, at: u64) {
        let next = |bucket: u64| {
            let is_it = tag(bucket) == key && behind(bucket, at) == 0 && count(bucket) > 0;
            is_it.then(|| of(key, at, count(bucket) - 1))
        };
        let _ = self.0[at as usize % BUCKETS].0.fetch_update(Ordering::Release, Ordering::Relaxed, next);
    }

    /// How many were counted in these spans.
    pub(super) fn sum(&self, key: u64, spans: &RangeInclusive<u64>) -> u64 {
        let buckets = self.0.iter().map(|bucket| bucket.0.load(Ordering::Acquire));
        let (last, before) = (*spans.end(), spans.end() - spans.start());
        buckets.filter(|bucket| tag(*bucket) == key && behind(*bucket, last) <= before).map(count).sum()
    }
}

/// The spans that the last `seconds` touch, with buckets of `length` seconds.
fn spans(now_seconds: u64, seconds: u64, length: u64) -> RangeInclusive<u64> {
    now_seconds.saturating_sub(seconds) / length..=now_seconds / length
}

/// Calls of a caller, for whatever time up to an hour somebody asks.
#[derive(Default)]
pub(super) struct Calls([Ring; Calls::LENGTHS.len()]);

impl Calls {
    /// The buckets' lengths in seconds. Each ring reaches back 15 of its own and the one that is begun.
    const LENGTHS: [u64; 5] = [1, 4, 16, 64, 256];

    /// The shortest buckets that reach back so far.
    fn level(seconds: u64) -> usize {
        let reaches = |length: &u64| (BUCKETS as u64 - 1) * length >= seconds;
        Calls::LENGTHS.iter().position(reaches).unwrap_or(Calls::LENGTHS.len() - 1)
    }

    /// What a count of the last `seconds` may take in beyond them, in seconds: about a quarter at most.
    #[cfg(test)]
    pub(super) fn slack(seconds: u64) -> u64 {
        Calls::LENGTHS[Calls::level(seconds)]
    }

    pub(super) fn add(&self, key: u64, now_seconds: u64) {
        for (ring, length) in self.0.iter().zip(Calls::LENGTHS) {
            ring.add(key, now_seconds / length);
        }
    }

    pub(super) fn sum(&self, key: u64, now_seconds: u64, seconds: u64) -> u64 {
        let level = Calls::level(seconds);
        self.0[level].sum(key, &spans(now_seconds, seconds, Calls::LENGTHS[level]))
    }
}

/// What happened in the last hour.
#[derive(Default)]
pub(super) struct Hour(Ring);

impl Hour {
    const SECONDS: u64 = 3_600;
    /// 15 of them, and the one that is begun: what happened up to four minutes before the hour counts too.
    pub(super) const LENGTH: u64 = 240;

    pub(super) fn add(&self, key: u64, now_seconds: u64) {
        self.0.add(key, now_seconds / Hour::LENGTH);
    }

    pub(super) fn sum(&self, key: u64, now_seconds: u64) -> u64 {
        self.0.sum(key, &spans(now_seconds, Hour::SECONDS, Hour::LENGTH))
    }
}

/// What happened in the last seconds, and may be taken back.
#[derive(Default)]
pub(super) struct Moments(Ring);

impl Moments {
    /// So long it counts.
    pub(super) const SECONDS: u64 = BUCKETS as u64 - 1;

    pub(super) fn add(&self, key: u64, at_seconds: u64) {
        self.0.add(key, at_seconds);
    }

    pub(super) fn take(&self, key: u64, at_seconds: u64) {
        self.0.take(key, at_seconds);
    }

    pub(super) fn sum(&self, key: u64, now_seconds: u64) -> u64 {
        self.0.sum(key, &spans(now_seconds, Moments::SECONDS, 1))
    }
}
