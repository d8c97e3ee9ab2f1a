//! Channels and calls that are over, remembered for a while: a late event must not bring them back to life.

use std::collections::{HashMap, VecDeque};

/// What was remembered, at most; the oldest leave. A minute of 400 calls a second with four channels each.
pub(super) const TOMBS_MAX: usize = 100_000;
/// For how long. Events of one switch come in order; a second source of the same switch may lag by seconds.
const KEPT_US: u64 = 60_000_000;
/// For how long where the switch may go on speaking of it, since we gave it up and it didn't: two rounds of snapshots.
const GIVEN_UP_KEPT_US: u64 = 600_000_000;

/// The switch, and its own id of the channel or call.
pub(super) type Key = (usize, Box<str>);

#[derive(Default)]
pub(super) struct Tombs {
    until: HashMap<Key, u64>,
    /// In the order they were laid; a renewed one is passed over and laid again.
    order: VecDeque<Key>,
}

impl Tombs {
    pub fn lay(&mut self, key: Key, now_us: u64, given_up: bool) {
        let until = now_us + if given_up { GIVEN_UP_KEPT_US } else { KEPT_US };
        if self.until.insert(key.clone(), until).is_none() {
            self.order.push_back(key);
        }
        while self.order.len() > TOMBS_MAX
            && let Some(key) = self.order.pop_front()
        {
            self.until.remove(&key);
        }
    }

    /// Whether it is over. Who asks for one that was given up keeps it there.
    pub fn hold(&mut self, key: &Key, now_us: u64) -> bool {
        match self.until.get_mut(key) {
            Some(until) if *until > now_us => {
                if *until > now_us + KEPT_US {
                    *until = now_us + GIVEN_UP_KEPT_US;
                }
                true
            }
            _ => false,
        }
    }

    pub fn expire(&mut self, now_us: u64) {
        for _ in 0..self.order.len() {
            let Some(key) = self.order.front() else { return };
            match self.until.get(key) {
                Some(until) if *until > now_us => {
                    // one that is kept for long must not keep those behind it
                    if *until <= now_us + KEPT_US {
                        return;
                    }
                    self.order.rotate_left(1);
                }
                _ => {
                    let key = self.order.pop_front();
                    key.map(|key| self.until.remove(&key));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_over_is_held_for_its_time_and_what_was_given_up_for_as_long_as_it_is_spoken_of() {
        let mut tombs = Tombs::default();
        let (over, given_up): (Key, Key) = ((0, "1.1".into()), (0, "1.2".into()));
        tombs.lay(given_up.clone(), 0, true);
        tombs.lay(over.clone(), 0, false);
        assert!(tombs.hold(&over, KEPT_US - 1) && !tombs.hold(&over, KEPT_US));
        assert!(!tombs.hold(&(1, "1.1".into()), 0), "another switch's");
        assert!(tombs.hold(&given_up, GIVEN_UP_KEPT_US - KEPT_US - 1));
        tombs.expire(GIVEN_UP_KEPT_US);
        assert!(tombs.hold(&given_up, GIVEN_UP_KEPT_US), "it was asked for");
        assert_eq!(tombs.order.len(), 1);
        tombs.expire(3 * GIVEN_UP_KEPT_US);
        assert!(tombs.order.is_empty() && tombs.until.is_empty());
    }

    #[test]
    fn no_more_than_so_many_are_remembered() {
        let mut tombs = Tombs::default();
        for n in 0..TOMBS_MAX + 5 {
            tombs.lay((0, n.to_string().into()), 0, false);
        }
        assert_eq!((tombs.order.len(), tombs.until.len()), (TOMBS_MAX, TOMBS_MAX));
        assert!(!tombs.hold(&(0, "4".into()), 1) && tombs.hold(&(0, "5".into()), 1));
    }
}
