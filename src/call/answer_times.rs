//! How long answers took: a histogram for each switch, request and outcome, of atomics alone.

use crate::routing::{Request, Status, Switch};
use crate::stats::Counter;

/// What answers are sorted by that took less than so long, in microseconds. The last sort has no bound.
const ANSWER_BOUNDS_US: [u64; 13] = [50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000, 20_000, 50_000, 100_000, 200_000, u64::MAX];
const SWITCHES: [(Switch, &str); 2] = [(Switch::Asterisk, "asterisk"), (Switch::Freeswitch, "freeswitch")];
/// The requests that there are, and what is none: what somebody makes up is no label.
const REQUESTS: usize = Request::NAMES.len() + 1;

/// One histogram.
#[derive(Debug, Default)]
struct Times {
    counts: [Counter; ANSWER_BOUNDS_US.len()],
    sum_us: Counter,
}

/// How long answers took, counted by atomics.
#[derive(Debug, Default)]
pub struct AnswerTimes {
    each: [[[Times; Status::ALL.len()]; REQUESTS]; SWITCHES.len()],
    within_budget: Counter,
}

/// The answers of one switch, request and outcome.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AnswerSeries {
    /// `asterisk`, `freeswitch`.
    pub switch: &'static str,
    /// `route`, `name`, …; `other` for what is none.
    pub request: &'static str,
    /// `found`, `unknown`, `late`, ….
    pub outcome: &'static str,
    /// (less than so many microseconds, so many answers), the quickest first; the last bound is `u64::MAX`.
    pub counts: Vec<(u64, u64)>,
    /// How long they took together, in microseconds.
    pub sum_us: u64,
}

impl AnswerTimes {
    /// Counts an answer.
    pub fn took(&self, switch: Switch, request: &str, outcome: Status, us: u64, budget_us: u64) {
        let sort = ANSWER_BOUNDS_US.iter().position(|bound| us < *bound).unwrap_or(ANSWER_BOUNDS_US.len() - 1);
        let at = SWITCHES.iter().position(|(known, _)| *known == switch).unwrap_or(0);
        let named = Request::from_name(request).and_then(|request| Request::NAMES.iter().position(|name| *name == request.name()));
        let ended = Status::ALL.iter().position(|status| *status == outcome).unwrap_or(0);
        let times = &self.each[at][named.unwrap_or(Request::NAMES.len())][ended];
        times.counts[sort].add_one();
        times.sum_us.add(us);
        if us <= budget_us && outcome != Status::Late {
            self.within_budget.add_one();
        }
    }

    fn all(&self) -> impl Iterator<Item = &Times> {
        self.each.iter().flatten().flatten()
    }

    /// All answers: (less than so many microseconds, so many answers), the quickest first; the last bound is `u64::MAX`.
    pub fn counts(&self) -> Vec<(u64, u64)> {
        let count = |sort: usize| self.all().map(|times| times.counts[sort].get()).sum();
        ANSWER_BOUNDS_US.iter().enumerate().map(|(sort, bound)| (*bound, count(sort))).collect()
    }

    /// Answers that kept the budget.
    pub fn within_budget(&self) -> u64 {
        self.within_budget.get()
    }

    /// The answers apart, those that there are.
    pub fn series(&self) -> Vec<AnswerSeries> {
        let mut all = Vec::new();
        for ((_, switch), requests) in SWITCHES.iter().zip(&self.each) {
            for (request, outcomes) in Request::NAMES.iter().copied().chain(["other"]).zip(requests) {
                for (outcome, times) in Status::ALL.iter().zip(outcomes) {
                    let counts: Vec<_> = ANSWER_BOUNDS_US.iter().copied().zip(times.counts.iter().map(Counter::get)).collect();
                    if counts.iter().any(|(_, n)| *n > 0) {
                        all.push(AnswerSeries { switch, request, outcome: outcome.word(), counts, sum_us: times.sum_us.get() });
                    }
                }
            }
        }
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_counted_below_the_first_bound_that_it_kept() {
        let times = AnswerTimes::default();
        let took = |us| times.took(Switch::Asterisk, "route", Status::Found, us, 100_000);
        [0, 49, 50, 99_999, 100_000, 5_000_000].into_iter().for_each(took);
        let counts: Vec<(u64, u64)> = times.counts().into_iter().filter(|(_, n)| *n > 0).collect();
        assert_eq!(counts, [(50, 2), (100, 1), (100_000, 1), (200_000, 1), (u64::MAX, 1)]);
        assert_eq!(times.within_budget(), 5);
    }

    #[test]
    fn what_a_caller_makes_up_becomes_no_series_of_its_own() {
        let times = AnswerTimes::default();
        for n in 0..100 {
            times.took(Switch::Freeswitch, &format!("made-up-{n}"), Status::Error, 10, 100);
        }
        times.took(Switch::Freeswitch, "", Status::Late, 10, 100);
        let series = times.series();
        let names: Vec<_> = series.iter().map(|s| (s.switch, s.request, s.outcome, s.sum_us)).collect();
        assert_eq!(names, [("freeswitch", "route", "late", 10), ("freeswitch", "other", "error", 1000)]);
        assert_eq!(times.within_budget(), 100, "a late answer kept no budget");
    }
}
