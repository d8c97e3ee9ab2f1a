//! By which time calls are old: a clock that was set years ahead must not take the journal with it.
//!
//! The machine's clock is believed once it has gone as the other clock goes, which nobody sets, for a day. Until then time
//! goes on from the newest call, and never beyond what the clock says.

/// How long a clock has to go right to be believed.
const STEADY_US: u64 = 24 * 60 * 60 * 1_000_000;
/// How far it may be put right in that time without having to begin again: more than a leap second, less than a mistake.
const PUT_RIGHT_US: u64 = 60 * 60 * 1_000_000;

/// The time that ages are counted by.
pub(super) struct AgeClock {
    believed_us: u64,
    at_us: u64,
    /// By how much the one clock is ahead of the other, and since when.
    ahead_us: i128,
    since_us: u64,
}

impl AgeClock {
    /// A clock that begins at the newest call, or, where there is none, with whatever is said.
    pub(super) fn new(newest_us: Option<u64>, wall_us: u64, monotonic_us: u64) -> AgeClock {
        let ahead_us = i128::from(wall_us) - i128::from(monotonic_us);
        AgeClock { believed_us: newest_us.unwrap_or(wall_us).min(wall_us), at_us: monotonic_us, ahead_us, since_us: monotonic_us }
    }

    /// The time, by what both clocks say now. Microseconds since 1970.
    pub(super) fn now_us(&mut self, wall_us: u64, monotonic_us: u64) -> u64 {
        let ahead_us = i128::from(wall_us) - i128::from(monotonic_us);
        if ahead_us.abs_diff(self.ahead_us) > u128::from(PUT_RIGHT_US) {
            (self.ahead_us, self.since_us) = (ahead_us, monotonic_us);
        }
        let passed_us = monotonic_us.saturating_sub(self.at_us);
        self.at_us = monotonic_us;
        let is_steady = monotonic_us.saturating_sub(self.since_us) >= STEADY_US;
        self.believed_us = if is_steady { wall_us } else { (self.believed_us + passed_us).min(wall_us) };
        self.believed_us
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR_US: u64 = 60 * 60 * 1_000_000;
    const YEAR_US: u64 = 365 * 24 * HOUR_US;
    const NOW_US: u64 = 56 * YEAR_US;

    #[test]
    fn a_clock_that_jumps_years_ahead_is_not_believed_for_a_day() {
        let mut age = AgeClock::new(Some(NOW_US - HOUR_US), NOW_US, 0);
        assert_eq!(age.now_us(NOW_US + HOUR_US, HOUR_US), NOW_US);
        assert_eq!(age.now_us(NOW_US + 10 * YEAR_US, 2 * HOUR_US), NOW_US + HOUR_US, "an hour has passed, and no years");
        assert_eq!(age.now_us(NOW_US + 3 * HOUR_US, 3 * HOUR_US), NOW_US + 2 * HOUR_US, "put right again");
        assert_eq!(age.now_us(NOW_US + 27 * HOUR_US, 27 * HOUR_US), NOW_US + 27 * HOUR_US, "right for a day");
    }

    #[test]
    fn a_clock_that_was_wrong_from_the_start_is_not_believed_for_a_day_either() {
        let ahead = NOW_US + 10 * YEAR_US;
        let mut age = AgeClock::new(Some(NOW_US), ahead, 0);
        assert_eq!(age.now_us(ahead + HOUR_US, HOUR_US), NOW_US + HOUR_US);
        assert_eq!(age.now_us(ahead + 24 * HOUR_US, 24 * HOUR_US), ahead + 24 * HOUR_US, "nobody put it right: it is so");
    }

    #[test]
    fn a_clock_in_the_past_makes_nothing_old() {
        let mut age = AgeClock::new(Some(NOW_US), YEAR_US, 0);
        assert_eq!(age.now_us(YEAR_US + HOUR_US, HOUR_US), YEAR_US + HOUR_US);
        assert_eq!(AgeClock::new(None, NOW_US, 0).now_us(NOW_US, 0), NOW_US);
    }
}
