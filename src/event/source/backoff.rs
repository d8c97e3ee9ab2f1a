//! How long to wait before the next try.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::time::Duration;

/// The shortest pause: chance alone may say none at all.
const PAUSE_MIN: Duration = Duration::from_millis(50);

/// Pauses that double, each shortened by chance, so that many who lost one switch don't come back at once.
pub(super) struct Backoff {
    first: Duration,
    longest: Duration,
    ceiling: Duration,
    state: u64,
}

impl Backoff {
    pub(super) fn new(first: Duration, longest: Duration) -> Backoff {
        Backoff { first, longest, ceiling: first, state: chance() | 1 }
    }

    /// The next pause begins at the first again.
    pub(super) fn reset(&mut self) {
        self.ceiling = self.first;
    }

    /// Anything up to the ceiling, which then doubles.
    pub(super) fn next(&mut self) -> Duration {
        // xorshift64: spread, no secret
        self.state ^= self.state << 13;
        self.state ^= self.state >> 7;
        self.state ^= self.state << 17;
        let share = (self.state >> 11) as f64 / (1_u64 << 53) as f64;
        let pause = self.ceiling.mul_f64(share).max(PAUSE_MIN.min(self.longest));
        self.ceiling = (self.ceiling * 2).min(self.longest);
        pause
    }
}

/// A number that nobody can guess: the keys of the standard library's maps are the system's own randomness.
pub(super) fn chance() -> u64 {
    RandomState::new().build_hasher().finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_the_longest_and_no_two_are_the_same() {
        let (first, longest) = (Duration::from_millis(500), Duration::from_secs(30));
        let mut backoff = Backoff::new(first, longest);
        let mut ceiling = first;
        let mut seen = std::collections::HashSet::new();
        for _ in 0..50 {
            let pause = backoff.next();
            assert!(pause >= PAUSE_MIN && pause <= ceiling, "{pause:?} of {ceiling:?}");
            ceiling = (ceiling * 2).min(longest);
            seen.insert(pause);
        }
        assert!(seen.len() > 40, "{}", seen.len());
        backoff.reset();
        assert!(backoff.next() <= first);
        assert_ne!(chance(), chance());
    }
}
