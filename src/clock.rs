//! The one source of time. Everything that decides by the clock is handed one, so that tests hand it another.

use std::sync::LazyLock;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// Tells the time.
pub trait Clock: Send + Sync {
    /// Microseconds since 1970-01-01T00:00:00Z, as stored instants are kept.
    fn now_us(&self) -> u64;

    /// Microseconds since some moment, never backwards, whatever is done to the other clock: for how long something took.
    fn monotonic_us(&self) -> u64;
}

/// What the clock that nobody sets says at the start: there is room below for what began earlier. 30 years.
const EARLIER_US: u64 = 30 * 365 * 24 * 60 * 60 * 1_000_000;

/// The machine's own clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now_us(&self) -> u64 {
        SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_micros() as u64)
    }

    fn monotonic_us(&self) -> u64 {
        static START: LazyLock<Instant> = LazyLock::new(Instant::now);
        EARLIER_US + START.elapsed().as_micros() as u64
    }
}

/// A clock that stands where it is put.
#[derive(Debug, Clone, Copy)]
pub struct FixedClock(pub u64);

impl Clock for FixedClock {
    fn now_us(&self) -> u64 {
        self.0
    }

    fn monotonic_us(&self) -> u64 {
        self.0
    }
}
