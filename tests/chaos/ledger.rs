//! What became of each call, beside what was done to the server meanwhile.

use crate::harms::{Harm, Sort};
use std::collections::BTreeMap;
use std::time::Instant;
use strowger::play::Way;

/// What a call came to; there is nothing else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// As the plan says.
    Answered,
    /// The answer that says that there was none in time, or no room: its reason.
    Default(String),
    /// Refused, reset, closed without an answer, or not answered at all.
    Unheard(String),
    /// Its own caller cut it off.
    Cut,
    /// An answer that is none of these.
    Wrong(String),
}

/// A call that is over.
#[derive(Debug, Clone)]
pub struct Call {
    pub began: Instant,
    pub ended: Instant,
    pub way: Way,
    pub outcome: Outcome,
}

/// All calls.
#[derive(Debug, Default)]
pub struct Ledger {
    pub placed: u64,
    pub calls: Vec<Call>,
}

/// Calls of one line of the table.
#[derive(Default)]
struct Line {
    harms: usize,
    answered: u64,
    default: u64,
    unheard: u64,
    cut: u64,
    wrong: u64,
    slowest_ms: u128,
    reasons: BTreeMap<String, u64>,
}

impl Line {
    fn count(&mut self, call: &Call) {
        let counter = match &call.outcome {
            Outcome::Answered => &mut self.answered,
            Outcome::Default(_) => &mut self.default,
            Outcome::Unheard(_) => &mut self.unheard,
            Outcome::Cut => &mut self.cut,
            Outcome::Wrong(_) => &mut self.wrong,
        };
        *counter += 1;
        if let Outcome::Default(why) | Outcome::Unheard(why) = &call.outcome {
            // an address is another one after each kill
            let why = why.split_whitespace().filter(|word| !word.starts_with("127.")).collect::<Vec<_>>().join(" ");
            *self.reasons.entry(why).or_default() += 1;
        }
        self.slowest_ms = self.slowest_ms.max((call.ended - call.began).as_millis());
    }

    fn total(&self) -> u64 {
        self.answered + self.default + self.unheard + self.cut + self.wrong
    }

    fn print(&self, name: &str) {
        let Line { harms, answered, default, unheard, cut, wrong, slowest_ms, .. } = self;
        println!(
            "{name:<12} {harms:>5} {:>7} {answered:>9} {default:>8} {unheard:>8} {cut:>6} {wrong:>6} {slowest_ms:>8} ms",
            self.total()
        );
        for (why, count) in &self.reasons {
            println!("{:<12} {count:>5} × {why}", "");
        }
    }
}

/// The harm that a call met: the first one that excuses most.
fn met<'a>(harms: &'a [Harm], call: &Call) -> Option<&'a Harm> {
    let meets = |harm: &&Harm| call.began <= harm.until && harm.from <= call.ended;
    harms.iter().filter(meets).max_by_key(|harm| harm.sort.excuses_silence())
}

impl Ledger {
    /// The table: a line for each sort of harm, and one for the calls that met none.
    pub fn print(&self, harms: &[Harm]) {
        let mut lines: BTreeMap<Option<Sort>, Line> = BTreeMap::new();
        for harm in harms {
            lines.entry(Some(harm.sort)).or_default().harms += 1;
        }
        for call in &self.calls {
            lines.entry(met(harms, call).map(|harm| harm.sort)).or_default().count(call);
        }
        println!(
            "{:<12} {:>5} {:>7} {:>9} {:>8} {:>8} {:>6} {:>6} {:>11}",
            "", "harms", "calls", "answered", "default", "unheard", "cut", "wrong", "longest"
        );
        for (sort, line) in &lines {
            line.print(&sort.map_or("none".to_owned(), |sort| format!("{sort:?}").to_lowercase()));
        }
        let mut all = Line { harms: harms.len(), ..Line::default() };
        self.calls.iter().for_each(|call| all.count(call));
        all.reasons.clear();
        all.print("all");
        println!("{} calls placed, {} accounted for", self.placed, all.total());
    }

    /// Every call is accounted for, and those that nobody heard met a harm that excuses it.
    pub fn check(&self, harms: &[Harm]) {
        assert_eq!(self.placed, self.calls.len() as u64, "a call is missing");
        let is_excused = |call: &Call| met(harms, call).is_some_and(|harm| harm.sort.excuses_silence());
        let bad: Vec<String> = self
            .calls
            .iter()
            .filter(|call| match call.outcome {
                Outcome::Answered | Outcome::Default(_) | Outcome::Cut => false,
                Outcome::Unheard(_) => !is_excused(call),
                Outcome::Wrong(_) => true,
            })
            .map(|call| format!("{:?} beside {:?}: {:?}", call.way, met(harms, call), call.outcome))
            .collect();
        assert!(bad.is_empty(), "{} calls have no excuse: {:#?}", bad.len(), &bad[..bad.len().min(10)]);
        let answered = self.calls.iter().filter(|call| call.outcome == Outcome::Answered).count();
        assert!(answered * 4 > self.calls.len(), "{answered} of {} calls answered: that was no load, but one long harm", self.calls.len());
    }
}
