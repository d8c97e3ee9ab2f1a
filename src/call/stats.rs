//! How sessions ended, counted.

use crate::stats::Counter;

/// How a session ended. An ending is a value, not an error: callers hang up all day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// Answered, and the switch took the answer.
    Answered,
    /// Answered, and the switch was gone before it said so: the caller hung up.
    GoneAfterAnswer,
    /// Answered; the switch didn't confirm in time, so the connection was closed.
    Unconfirmed,
    /// Connected, and gone without a question.
    GoneBeforeQuestion,
    /// The environment was refused; the caller got the fallback.
    Malformed,
    /// No whole environment came in time.
    NoQuestion,
    /// Too many sessions; the caller got the fallback.
    Capacity,
    /// Far too many sessions; closed without a word.
    Dropped,
    /// Stopping; the caller got the fallback.
    Draining,
    /// From where nobody may come in; closed without a word.
    Denied,
}

impl Ending {
    /// Every ending, in the order of the counters.
    pub const ALL: &'static [Ending] = &[
        Ending::Answered,
        Ending::GoneAfterAnswer,
        Ending::Unconfirmed,
        Ending::GoneBeforeQuestion,
        Ending::Malformed,
        Ending::NoQuestion,
        Ending::Capacity,
        Ending::Dropped,
        Ending::Draining,
        Ending::Denied,
    ];

    /// The ending in a word, for logs and status.
    pub fn word(self) -> &'static str {
        match self {
            Ending::Answered => "answered",
            Ending::GoneAfterAnswer => "gone-after-answer",
            Ending::Unconfirmed => "unconfirmed",
            Ending::Denied => "denied",
            Ending::GoneBeforeQuestion => "gone-before-question",
            Ending::Malformed => "malformed",
            Ending::NoQuestion => "no-question",
            Ending::Capacity => "capacity",
            Ending::Dropped => "dropped",
            Ending::Draining => "draining",
        }
    }
}

/// The call plane's counters.
#[derive(Debug, Default)]
pub struct CallStats {
    endings: [Counter; Ending::ALL.len()],
    /// Answers that said `late`.
    pub late: Counter,
    /// Times that `accept` failed.
    pub accept_errors: Counter,
}

impl CallStats {
    /// Counts an ending.
    pub fn ended(&self, ending: Ending) {
        self.endings[ending as usize].add_one();
    }

    /// How many sessions ended like this.
    pub fn of(&self, ending: Ending) -> u64 {
        self.endings[ending as usize].get()
    }
}

/// What answers are sorted by that took less than so long, in microseconds. The last sort has no bound.
const ANSWER_BOUNDS_US: [u64; 13] = [50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000, 20_000, 50_000, 100_000, 200_000, u64::MAX];

/// How long answers took, counted by atomics.
#[derive(Debug, Default)]
pub struct AnswerTimes([Counter; ANSWER_BOUNDS_US.len()]);

impl AnswerTimes {
    /// Counts an answer.
    pub fn took(&self, us: u64) {
        let sort = ANSWER_BOUNDS_US.iter().position(|bound| us < *bound).unwrap_or(ANSWER_BOUNDS_US.len() - 1);
        self.0[sort].add_one();
    }

    /// (less than so many microseconds, so many answers), the quickest first; the last bound is `u64::MAX`.
    pub fn counts(&self) -> Vec<(u64, u64)> {
        ANSWER_BOUNDS_US.iter().copied().zip(self.0.iter().map(Counter::get)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_counted_below_the_first_bound_that_it_kept() {
        let times = AnswerTimes::default();
        [0, 49, 50, 99_999, 100_000, 5_000_000].into_iter().for_each(|us| times.took(us));
        let counts: Vec<(u64, u64)> = times.counts().into_iter().filter(|(_, n)| *n > 0).collect();
        assert_eq!(counts, [(50, 2), (100, 1), (100_000, 1), (200_000, 1), (u64::MAX, 1)]);
    }
}
