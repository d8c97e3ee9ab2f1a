//! What `bridge` does with a dial string: who rings when, who wins, and why nobody does. Time is counted in whole seconds
//! of its own; nothing waits.
//!
//! All of this is from the source (`switch_ivr_originate.c`, 1.10) and the documentation, none of it was recorded:
//!  - `:_:` makes an "enterprise" originate: each part is an originate of its own, without the caller's channel. So
//!    `call_timeout` isn't read there (`originate_timeout` is), and `group_confirm_…` on the caller's channel isn't either.
//!    Its failure is called `failure` in `originate_disposition`; the cause is in `originate_failed_cause`, that of the last
//!    part. `<a=b>` in front of everything is for all parts.
//!  - Any number of `{…}` may follow one another, in front of a part; they beat the legs' `[…]`. Pieces are separated by
//!    commas, and only an apostrophe or a backslash protects one that is part of a value.
//!  - `leg_delay_start` counts only while another leg of the same part rings: where all are delayed, the first begins at once.
//!    `originate_delay_start` (milliseconds, about) delays a part. `leg_timeout` begins when the leg does.
//!  - `group_confirm_key` is read from `{…}` or the caller's channel, never from a leg's `[…]`. A leg that answers is asked
//!    over and over and wins by pressing the key; a wrong key or silence changes nothing, its time runs on.
//!  - Those who lose are hung up with LOSE_RACE, which SIP tells as "answered elsewhere".

use super::Outcome;
use super::text::{PIECES_MAX, separate};

/// Seconds that an originate lasts if nothing else is said (SWITCH_DEFAULT_TIMEOUT).
const ORIGINATE_SECONDS: u64 = 60;
/// A day: where a leg that nothing ends is taken to ring on.
const SECONDS_MAX: u64 = 86_400;

pub type Variables = Vec<(String, String)>;

/// What became of one leg.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rung {
    /// What stands in its brackets.
    pub brackets: Variables,
    /// All variables that count for it; of two with one name the last.
    pub variables: Variables,
    pub leg: String,
    /// The second at which it began to ring; none if it never did.
    pub from: Option<u64>,
    /// The second at which it ended or won.
    pub until: u64,
    /// Why it ended; none if it has the call.
    pub cause: Option<&'static str>,
}

/// What became of a dial string.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Originated {
    /// Variables in braces in front of everything.
    pub variables: Variables,
    pub legs: Vec<Rung>,
    /// The second at which it was over.
    pub at: u64,
    /// Who has the call, or why nobody has.
    pub won: Result<String, &'static str>,
    pub is_enterprise: bool,
}

/// What the caller's channel says to an originate.
pub struct Caller<'a> {
    pub call_timeout: Option<u64>,
    pub confirm_key: Option<String>,
    /// What a leg does.
    pub outcome: &'a dyn Fn(&str) -> Outcome,
}

fn value<'v>(variables: &'v Variables, name: &str) -> Option<&'v str> {
    variables.iter().rev().find(|(n, _)| n == name).map(|(_, v)| v.as_str()).filter(|v| !v.is_empty())
}

fn seconds(variables: &Variables, name: &str) -> Option<u64> {
    value(variables, name).and_then(|v| v.parse().ok()).filter(|n| *n > 0)
}

/// All `{a=b,c=d}` (or `[…]`, `<…>`) at the beginning, and what follows.
pub fn leading(text: &str, open: char, close: char) -> (Variables, &str) {
    let (mut variables, mut rest) = (Variables::new(), text.trim_start());
    while let Some((inside, after)) = rest.strip_prefix(open).and_then(|rest| rest.split_once(close)) {
        let pair = |p: String| p.split_once('=').map(|(n, v)| (n.to_owned(), v.to_owned()));
        variables.extend(separate(inside, ',', PIECES_MAX).into_iter().filter_map(pair));
        rest = after.trim_start();
    }
    (variables, rest)
}

/// Legs between commas or bars that don't stand in brackets.
fn split_legs(text: &str, separator: char) -> Vec<String> {
    let (mut legs, mut depth) = (vec![String::new()], 0);
    for c in text.chars() {
        match c {
            '[' => depth += 1,
            ']' => depth -= 1,
            _ => {}
        }
        if c == separator && depth == 0 {
            legs.push(String::new());
        } else {
            legs.last_mut().unwrap().push(c);
        }
    }
    legs
}

/// Rings a dial string to its end.
pub fn originate(data: &str, caller: &Caller<'_>) -> Originated {
    let (everywhere, rest) = leading(data, '<', '>');
    let parts: Vec<&str> = rest.split(":_:").collect();
    if parts.len() == 1 {
        return part(rest, &everywhere, caller);
    }
    let apart = Caller { call_timeout: None, confirm_key: None, outcome: caller.outcome };
    let mut ended: Vec<Originated> = parts.iter().map(|p| part(p, &everywhere, &apart)).collect();
    let winner = (0..ended.len()).filter(|i| ended[*i].won.is_ok()).min_by_key(|i| ended[*i].at);
    let (at, won) = match winner {
        Some(winner) => (ended[winner].at, ended[winner].won.clone()),
        None => (ended.iter().map(|e| e.at).max().unwrap_or(0), ended.last().unwrap().won.clone()),
    };
    for (i, other) in ended.iter_mut().enumerate() {
        for leg in other.legs.iter_mut().filter(|l| winner.is_some_and(|w| w != i) && l.until >= at) {
            leg.from = leg.from.filter(|from| *from < at);
            (leg.until, leg.cause) = (at, Some("LOSE_RACE"));
        }
    }
    let variables = [everywhere, ended[0].variables.clone()].concat();
    Originated { variables, legs: ended.into_iter().flat_map(|e| e.legs).collect(), at, won, is_enterprise: true }
}

/// One originate: groups between bars one after another, legs between commas at once.
fn part(data: &str, everywhere: &Variables, caller: &Caller<'_>) -> Originated {
    let (own, rest) = leading(data, '{', '}');
    let variables = [everywhere.clone(), own].concat();
    let delay = seconds(&variables, "originate_delay_start").unwrap_or(0) / 1000;
    let limit = seconds(&variables, "originate_timeout").or(caller.call_timeout).unwrap_or(ORIGINATE_SECONDS);
    let key = value(&variables, "group_confirm_key").map(str::to_owned).or(caller.confirm_key.clone());
    let mut whole = Originated { variables: variables.clone(), legs: Vec::new(), at: delay, won: Err("NONE"), is_enterprise: false };
    for group in split_legs(rest, '|') {
        let begin = whole.at;
        let mut legs: Vec<Leg> = split_legs(&group, ',').iter().map(|leg| Leg::new(leg, &variables, caller)).collect();
        (whole.at, whole.won) = at_once(&mut legs, begin, limit, key.as_deref());
        whole.legs.extend(legs.into_iter().map(|l| l.rung));
        if whole.won.is_ok() || whole.won == Err("NO_ANSWER") && whole.at >= begin + limit {
            break;
        }
    }
    whole
}

struct Leg {
    rung: Rung,
    outcome: Outcome,
    /// The second, from the group's beginning, at which it may begin.
    delay: u64,
    timeout: Option<u64>,
}

impl Leg {
    fn new(text: &str, braces: &Variables, caller: &Caller<'_>) -> Leg {
        let (own, leg) = leading(text, '[', ']');
        // what stands in braces is set after what stands in brackets
        let variables = [own.clone(), braces.clone()].concat();
        let (delay, timeout) = (seconds(&variables, "leg_delay_start").unwrap_or(0), seconds(&variables, "leg_timeout"));
        let rung = Rung { brackets: own, variables, leg: leg.to_owned(), from: None, until: SECONDS_MAX, cause: None };
        Leg { outcome: (caller.outcome)(leg), rung, delay, timeout }
    }

    fn is_down(&self) -> bool {
        self.rung.cause.is_some()
    }

    fn ends(&mut self, at: u64, cause: &'static str) {
        (self.rung.until, self.rung.cause) = (at, Some(cause));
    }

    /// Whether it has won, in this second of its ringing.
    fn wins(&self, rung: u64, key: Option<&str>) -> bool {
        match (self.outcome, key) {
            (Outcome::Answers, None) => true,
            (Outcome::AnswersIn(after) | Outcome::Presses(_, after), None) => rung >= after,
            (Outcome::Presses(pressed, after), Some(key)) => rung >= after && key == pressed,
            _ => false,
        }
    }
}

/// Legs that ring at once, second by second.
fn at_once(legs: &mut [Leg], begin: u64, limit: u64, key: Option<&str>) -> (u64, Result<String, &'static str>) {
    for elapsed in 0..=limit {
        let now = begin + elapsed;
        // nobody rings: those who are delayed needn't wait
        let waiting = |l: &&mut Leg| !l.is_down() && l.rung.from.is_none() && l.delay > elapsed;
        let rings = legs.iter().any(|l| !l.is_down() && (l.rung.from.is_some() || l.delay <= elapsed));
        if !rings && let Some(least) = legs.iter_mut().filter(waiting).map(|l| l.delay - elapsed).min() {
            legs.iter_mut().filter(waiting).for_each(|l| l.delay -= least);
        }
        for i in 0..legs.len() {
            let leg = &mut legs[i];
            if leg.is_down() || leg.delay > elapsed {
                continue;
            }
            let rung = now - *leg.rung.from.get_or_insert(now);
            if let Outcome::Fails(why) = leg.outcome {
                leg.ends(now, why);
            } else if leg.wins(rung, key) {
                leg.rung.until = now;
                let winner = leg.rung.leg.clone();
                legs.iter_mut().enumerate().filter(|(j, l)| *j != i && !l.is_down()).for_each(|(_, l)| l.ends(now, "LOSE_RACE"));
                return (now, Ok(winner));
            } else if leg.timeout.is_some_and(|t| rung >= t) {
                leg.ends(now, "ALLOTTED_TIMEOUT");
            }
        }
        if legs.iter().all(Leg::is_down) {
            return (now, Err(legs[0].rung.cause.unwrap_or("NONE")));
        }
    }
    legs.iter_mut().filter(|l| !l.is_down()).for_each(|l| l.ends(begin + limit, "NO_ANSWER"));
    (begin + limit, Err("NO_ANSWER"))
}
