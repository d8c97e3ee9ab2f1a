//! Calls out: whether an extension may make them, and over which trunks, one after the other.
//!
//! An emergency call comes before everything: no permission, limit, rate or format touches it. Other calls are read by the
//! tenant's country, classed, and held against the extension's permissions and the tenant's limits; then each trunk's rate
//! with the longest prefix that is open at this hour counts, and the trunks are tried in the order of price, priority and
//! weight. What the callee's side says (busy, no answer) ends the call; only a trunk that can't take it leads to the next.

use super::decide::{Walk, bare};
use super::live::counted;
use super::ring::Chance;
use super::trunk::longest_rate;
use super::{
    Action, Caller, Course, Decision, Extension, HOPS_MAX, Leg, LookupFailed, NumberFormat, Outcome, Question, Rate, Reason, Ring, Rule,
    Scope, Status, Step, StepToken, Trunk, price_text,
};
use crate::number::{Class, Kind, Number};
use std::sync::Arc;

/// Trunks that one call tries, at most: what a caller waits for, and what fits into a step token.
pub const FAILOVERS_MAX: usize = 8;
/// How long a call for help rings over one trunk, in seconds: a service that is overrun lets it ring, and whoever gives up
/// and calls again loses his place.
const EMERGENCY_RING_SECONDS: u16 = 180;
/// Bits of one trunk's place in a token's order.
const PLACE_BITS: u32 = 8;

/// A trunk that may take the call.
struct Way {
    /// Its place among the tenant's trunks.
    place: usize,
    trunk: Arc<Trunk>,
    rate: Option<Rate>,
}

pub(super) fn outbound(walk: &mut Walk<'_>, question: &Question) -> Result<Decision, LookupFailed> {
    let Some(to) = &question.to else { return Ok(bare(Status::Error, Reason::BadRequest)) };
    walk.trace.note(|| Rule::Called(format!("{to} ({})", to.kind().words())));
    let from = match &question.from {
        Caller::Number(number) if matches!(number.kind(), Kind::Extension | Kind::Opaque) => Some(number),
        _ => None,
    };
    walk.trace.note(|| Rule::Caller(from.map_or_else(|| "no extension".to_owned(), |from| format!("{from} ({})", from.kind().words()))));
    let extension = from.map(|from| walk.data.extension(from)).transpose()?.flatten();
    let trunks = walk.data.trunks()?;
    if to.kind() == Kind::Emergency {
        return Ok(match &question.step {
            Some((token, outcome)) => next_trunk(walk, question, to, extension.as_deref(), &trunks, token, *outcome),
            None => emergency(walk, question, to, extension.as_deref(), &trunks),
        });
    }
    let class = walk.tenant.plan.class_of(to);
    if class == Class::Internal {
        // a telephone inside: the dialplan's own
        return Ok(bare(Status::Unknown, Reason::NoRoute));
    }
    let is_permitted = from.is_some() && walk.permits(extension.as_deref(), class);
    walk.trace.note(|| Rule::Class(class.to_string(), is_permitted));
    if !is_permitted {
        return Ok(refused(Reason::NotPermitted));
    }
    if let Some((token, outcome)) = &question.step {
        // its limits were asked when it was let out
        return Ok(next_trunk(walk, question, to, extension.as_deref(), &trunks, token, *outcome));
    }
    if let Some(from) = from {
        for scope in [Scope::Extension, Scope::Tenant] {
            if is_limited(walk, from, class, scope)? {
                return Ok(refused(Reason::Limit));
            }
        }
    }
    let ways = walk.ways(to, &trunks)?;
    if ways.is_empty() && !trunks.is_empty() {
        return Ok(refused(Reason::NoTrunk));
    }
    walk.marks.outbound = from.map(|from| (from.clone(), class));
    if trunks.is_empty() {
        walk.trace.note(|| Rule::Trunk("none".to_owned(), "there are no trunks; the dialplan's own way out".to_owned()));
        return Ok(bare(Status::Unknown, Reason::NoTrunk));
    }
    Ok(first(walk, question, to, extension.as_deref(), &trunks, &ways, Reason::Matched))
}

/// A call that isn't let out.
fn refused(reason: Reason) -> Decision {
    Decision::of(Status::Found, reason, Step::of(Action::Congestion))
}

/// Emergency trunks first, then all others: whichever can be had.
fn emergency(walk: &mut Walk<'_>, question: &Question, to: &Number, extension: Option<&Extension>, trunks: &[Arc<Trunk>]) -> Decision {
    let mut places: Vec<usize> = (0..trunks.len()).collect();
    places.sort_by_key(|place| !trunks[*place].emergency);
    let ways: Vec<Way> =
        places.into_iter().map(|place| Way { place, trunk: trunks[place].clone(), rate: None }).take(FAILOVERS_MAX).collect();
    for way in &ways {
        walk.trace
            .note(|| Rule::Trunk(way.trunk.id.clone(), if way.trunk.emergency { "for emergencies" } else { "in reserve" }.to_owned()));
    }
    if ways.is_empty() {
        return bare(Status::Unknown, Reason::Emergency);
    }
    first(walk, question, to, extension, trunks, &ways, Reason::Emergency)
}

fn is_limited(walk: &mut Walk<'_>, from: &Number, class: Class, scope: Scope) -> Result<bool, LookupFailed> {
    let Some(limit) = walk.data.limit(class, scope)? else { return Ok(false) };
    let (in_hour, now) = walk.moment.live.class_calls(counted(scope, from), class);
    let is_reached = limit.per_hour.is_some_and(|max| in_hour >= max) || limit.concurrent.is_some_and(|max| now >= max);
    let which = format!("{class} per {}", scope.word());
    walk.trace.note(|| Rule::Limit(which, format!("{in_hour} in the last hour, {now} now"), !is_reached));
    Ok(is_reached)
}

/// The first trunk, with a token for the others.
fn first(
    walk: &Walk<'_>,
    question: &Question,
    to: &Number,
    extension: Option<&Extension>,
    trunks: &[Arc<Trunk>],
    ways: &[Way],
    reason: Reason,
) -> Decision {
    let token = StepToken {
        tenant: walk.tenant.id.clone(),
        course: Course::Outbound,
        revision: revision(trunks),
        index: 0,
        attempt: 0,
        started_seconds: walk.moment.now_seconds(),
        order: packed(ways),
        hops: 1,
        rung: 0,
    };
    let Some(way) = ways.first() else { return refused(Reason::NoTrunk) };
    let decision = walk.call_over(&way.trunk, way.rate.as_ref(), question, to, extension, reason);
    // where no trunk takes an emergency call the dialplan's own way is the last one
    let follows = ways.len() > 1 || to.kind() == Kind::Emergency;
    Decision { token: follows.then_some(token), ..decision }
}

/// The trunk behind the one that failed.
fn next_trunk(
    walk: &mut Walk<'_>,
    question: &Question,
    to: &Number,
    extension: Option<&Extension>,
    trunks: &[Arc<Trunk>],
    token: &StepToken,
    outcome: Outcome,
) -> Decision {
    let why = match walk.check_token(token) {
        None if token.course != Course::Outbound => Some("is not of a call out"),
        None if token.revision != revision(trunks) => Some("names trunks that were changed since"),
        why => why,
    };
    if let Some(why) = why {
        return walk.refuse_token(question, why);
    }
    let is_emergency = to.kind() == Kind::Emergency;
    let places = unpacked(token.order);
    let attempt = usize::from(token.attempt) + 1;
    let trunk = places.get(attempt).and_then(|place| trunks.get(*place));
    // what the callee's side says is said by every trunk; but a carrier's "busy" must not end a call for help
    let is_over = match outcome {
        Outcome::Answered | Outcome::Passed => true,
        Outcome::Busy | Outcome::NoAnswer => !is_emergency,
        // a carrier that won't take the call has the word of a callee who declines
        Outcome::Failed | Outcome::Unavailable | Outcome::Rejected => false,
    };
    let Some(trunk) = trunk.filter(|_| !is_over && token.hops < HOPS_MAX) else {
        walk.trace.note(|| Rule::Token(format!("no other trunk is tried after this ({outcome:?})")));
        if is_emergency && !is_over {
            return bare(Status::Unknown, Reason::Emergency);
        }
        let action = match outcome {
            Outcome::Busy => Action::Busy,
            Outcome::Failed | Outcome::Unavailable | Outcome::Rejected => Action::Congestion,
            _ => Action::Hangup,
        };
        return Decision::of(Status::Found, Reason::Exhausted, Step::of(action));
    };
    let trunk = trunk.clone();
    walk.trace.note(|| Rule::Trunk(trunk.id.clone(), format!("number {} in the order of this call", attempt + 1)));
    let reason = if is_emergency { Reason::Emergency } else { Reason::Matched };
    let decision = walk.call_over(&trunk, None, question, to, extension, reason);
    let token = StepToken { attempt: attempt as u8, hops: token.hops + 1, ..token.clone() };
    Decision { token: (is_emergency || attempt + 1 < places.len()).then_some(token), ..decision }
}

/// What changes whenever a trunk does: the order of a call names them by their places.
fn revision(trunks: &[Arc<Trunk>]) -> u64 {
    trunks.iter().fold(trunks.len() as u64, |sum, trunk| sum.rotate_left(7) ^ trunk.revision)
}

/// Places of trunks as one number, from the last to the first; each one more than it is, so that an end can be told.
fn packed(ways: &[Way]) -> u128 {
    ways.iter().rev().fold(0, |order, way| order << PLACE_BITS | (way.place as u128 + 1))
}

fn unpacked(mut order: u128) -> Vec<usize> {
    let mut places = Vec::new();
    while order > 0 && places.len() < FAILOVERS_MAX {
        let place = (order & ((1 << PLACE_BITS) - 1)) as usize;
        places.extend(place.checked_sub(1));
        order >>= PLACE_BITS;
    }
    places
}

impl Walk<'_> {
    /// The trunks that take a number, the best one first. Any that takes public numbers takes a short code; what that costs
    /// is known only where a rate is for all numbers.
    fn ways(&mut self, to: &Number, trunks: &[Arc<Trunk>]) -> Result<Vec<Way>, LookupFailed> {
        let mut ways = Vec::new();
        for (place, trunk) in trunks.iter().enumerate() {
            let rate = longest_rate(trunk, to, |id| self.is_open(id))?;
            let is_way = rate.is_some() || (to.kind() == Kind::ShortCode && !trunk.rates.is_empty());
            let otherwise = if is_way { "takes short codes" } else { "takes no such number now" };
            self.trace.note(|| Rule::Trunk(trunk.id.clone(), rate.map_or_else(|| otherwise.to_owned(), ToString::to_string)));
            if is_way {
                ways.push(Way { place, trunk: trunk.clone(), rate: rate.cloned() });
            }
        }
        let key = |way: &Way| way.rate.as_ref().map_or((u32::MAX, 0), |rate| (rate.price_micros, rate.priority));
        ways.sort_by_key(key);
        // among equals chance decides, by weight
        let mut chance = Chance::new(self.moment.seed);
        let mut ordered = Vec::with_capacity(ways.len());
        while !ways.is_empty() {
            let equal = ways.iter().take_while(|way| key(way) == key(&ways[0])).count();
            let weighed = ways.drain(..equal).map(|way| {
                let weight = way.rate.as_ref().map_or(1, |rate| rate.weight);
                (way, weight)
            });
            ordered.extend(chance.weighted(weighed.collect()));
        }
        ordered.truncate(FAILOVERS_MAX);
        Ok(ordered)
    }

    fn is_open(&self, schedule: &str) -> Result<bool, LookupFailed> {
        // a rate whose hours are unknown doesn't count
        Ok(self.data.schedule(schedule)?.is_some_and(|hours| hours.state_at(self.moment.now_us, &self.tenant.timezone).is_open()))
    }

    /// The trunk for an outside telephone of a group or a forward, and what to dial there: the best one, where there are
    /// trunks; else the configuration's.
    pub(super) fn cheapest(&mut self, to: &Number) -> Result<(Option<String>, Option<String>), LookupFailed> {
        let trunks = self.data.trunks()?;
        if trunks.is_empty() {
            return Ok((None, None));
        }
        // dozens of trunks for each of dozens of legs would be all that a trace has
        let ways = self.quietly(|walk| walk.ways(to, &trunks))?;
        let Some(Way { trunk, .. }) = ways.into_iter().next() else {
            self.trace.note(|| Rule::Trunk("the configuration's".to_owned(), format!("no other takes {to} now")));
            return Ok((None, None));
        };
        self.trace.note(|| Rule::Trunk(trunk.id.clone(), format!("the best for {to}")));
        Ok((Some(trunk.id.clone()), self.dialled(to, &trunk, &to.to_string())))
    }

    /// A call over a trunk.
    fn call_over(
        &self,
        trunk: &Trunk,
        rate: Option<&Rate>,
        question: &Question,
        to: &Number,
        extension: Option<&Extension>,
        reason: Reason,
    ) -> Decision {
        let is_emergency = to.kind() == Kind::Emergency;
        let shown = extension.and_then(|e| e.caller_id.as_ref());
        let number = if is_emergency {
            extension.and_then(|e| e.emergency_caller_id.as_ref()).or(shown).or(trunk.caller_id.as_ref())
        } else {
            trunk.caller_id.as_ref().or(shown)
        };
        let dial_as = self.dialled(to, trunk, &question.dialled);
        let leg = Leg { dial_as, ..Leg::of(to.clone(), Some(trunk.id.clone())) };
        let step = Step::of(Action::Dial { targets: vec![to.clone()], trunk: Some(trunk.id.clone()) });
        let via = match rate {
            Some(rate) => format!("{} +{} {}", trunk.id, rate.prefix, price_text(rate.price_micros)),
            None => trunk.id.clone(),
        };
        Decision {
            ring: Some(Ring { legs: vec![leg], timeout_seconds: is_emergency.then_some(EMERGENCY_RING_SECONDS) }),
            present: number.map(|number| self.written(number, trunk.caller_id_format, &number.to_string())),
            via: Some(via),
            ..Decision::of(Status::Found, reason, step)
        }
    }

    /// What a trunk is given for a number, where that isn't the number as it is: an emergency number is never rewritten, and
    /// a short code is the trunk's country's.
    fn dialled(&self, to: &Number, trunk: &Trunk, dialled: &str) -> Option<String> {
        if to.kind() != Kind::E164 {
            return None;
        }
        // what was dialled counts only as long as it means that number: an address has more digits than its number
        let is_same = trunk.format != NumberFormat::Dialled || self.tenant.plan.parse(dialled).is_ok_and(|number| number == *to);
        let format = if is_same { trunk.format } else { NumberFormat::Plus };
        Some(format!("{}{}", trunk.tech_prefix, self.written(to, format, dialled)))
    }

    /// A public number as a trunk wants it.
    fn written(&self, number: &Number, format: NumberFormat, dialled: &str) -> String {
        match format {
            NumberFormat::Plus => number.to_string(),
            NumberFormat::E164 => number.digits().to_owned(),
            NumberFormat::National => self.tenant.plan.international(number),
            NumberFormat::Dialled => dialled.to_owned(),
        }
    }
}

#[cfg(test)]
#[path = "outbound_tests.rs"]
mod tests;
