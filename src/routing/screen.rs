//! Whether a caller gets through.
//!
//! The order: on the allow list his number, the longest prefix, his country; whoever is found there gets through, whatever
//! else is said. Then on the block list: who withholds his number; else the number, the longest prefix, the country, the
//! class of the number, what the network says of it, and how often he called of late. Callers from emergency numbers are
//! never screened.

use super::decide::Walk;
use super::{
    Action, Caller, Course, Decision, Found, List, LookupFailed, Question, Reason, Rule, Screen, ScreenKey, Status, Step, StepToken,
    Verification,
};
use crate::number::{Class, Kind, Number};
use std::sync::Arc;

/// What the lists say of the caller: `None` lets him through.
pub(super) fn screen(walk: &mut Walk<'_>, question: &Question) -> Found<Decision> {
    let stopped = match &question.from {
        Caller::Unusable => {
            walk.trace.note(|| Rule::Caller("no number that could be looked up".to_owned()));
            walk.blocked(ScreenKey::Class(Class::Unknown))?.map(|entry| (entry, Reason::Blocked))
        }
        Caller::Withheld => {
            walk.trace.note(|| Rule::Caller("withheld".to_owned()));
            walk.blocked(ScreenKey::Withheld)?.map(|entry| (entry, Reason::Anonymous))
        }
        Caller::Number(number) => {
            walk.trace.note(|| Rule::Caller(format!("{number} ({})", number.kind().words())));
            if number.kind() == Kind::Emergency {
                walk.trace.note(|| Rule::Skipped("screening".to_owned(), "an emergency service calls".to_owned()));
                return Ok(None);
            }
            walk.marks.caller = Some(number.clone());
            if allowed(walk, number)? {
                return Ok(None);
            }
            blocked(walk, number, question.verification)?
        }
    };
    Ok(stopped.map(|(entry, reason)| walk.stop(&entry, reason)))
}

fn allowed(walk: &mut Walk<'_>, number: &Number) -> Result<bool, LookupFailed> {
    let mut found = walk.data.screen_number(List::Allow, number)?;
    if found.is_none()
        && let Some(country) = number.region()
    {
        found = walk.data.screen(List::Allow, &ScreenKey::Country(country.to_owned()))?;
    }
    walk.trace.note(|| Rule::Screened(List::Allow, found.as_ref().map(|e| e.key.clone())));
    Ok(found.is_some())
}

fn blocked(walk: &mut Walk<'_>, number: &Number, said: Option<Verification>) -> Found<(Arc<Screen>, Reason)> {
    let by_number = walk.data.screen_number(List::Block, number)?;
    walk.trace.note(|| Rule::Screened(List::Block, by_number.as_ref().map(|e| e.key.clone())));
    if let Some(entry) = by_number {
        return Ok(Some((entry, Reason::Blocked)));
    }
    if let Some(country) = number.region()
        && let Some(entry) = walk.blocked(ScreenKey::Country(country.to_owned()))?
    {
        return Ok(Some((entry, Reason::Blocked)));
    }
    // digits that are no number of the tenant's country are of a class too: without a country nothing is known of them
    let class = match number.kind() {
        Kind::E164 => Some(walk.tenant.plan.class_of(number)),
        Kind::Opaque => Some(walk.tenant.plan.class_of(number)).filter(|c| *c == Class::Unknown && walk.tenant.plan.country().is_some()),
        _ => None,
    };
    if let Some(class) = class
        && let Some(entry) = walk.blocked(ScreenKey::Class(class))?
    {
        return Ok(Some((entry, Reason::Blocked)));
    }
    if let Some(said) = said
        && let Some(entry) = walk.blocked(ScreenKey::Verification(said))?
    {
        return Ok(Some((entry, Reason::Unverified)));
    }
    let Some(entry) = walk.data.screen(List::Block, &ScreenKey::Rate)? else { return Ok(None) };
    let Some(rate) = entry.rate else { return Ok(None) };
    let calls = walk.moment.live.caller_calls(number, rate.seconds);
    let is_reached = calls >= u32::from(rate.calls);
    walk.trace.note(|| Rule::Limit(format!("of {rate} for each caller"), format!("{calls} calls of late"), !is_reached));
    Ok(is_reached.then_some((entry, Reason::Rate)))
}

impl Walk<'_> {
    /// An entry of the block list that is found by its key alone.
    fn blocked(&mut self, key: ScreenKey) -> Found<Arc<Screen>> {
        let found = self.data.screen(List::Block, &key)?;
        // what isn't there would be half of each trace
        if found.is_some() || key == ScreenKey::Withheld {
            self.trace.note(|| Rule::Screened(List::Block, found.as_ref().map(|e| e.key.clone())));
        }
        Ok(found)
    }

    /// What a caller gets who is stopped.
    fn stop(&self, entry: &Screen, reason: Reason) -> Decision {
        let step = entry.action.clone().unwrap_or(Step::of(Action::Busy));
        if !matches!(step.action, Action::Challenge(_)) {
            return Decision::of(Status::Found, reason, step);
        }
        let token = StepToken {
            tenant: self.tenant.id.clone(),
            course: Course::Challenge,
            revision: 0,
            index: 0,
            attempt: 0,
            started_seconds: self.moment.now_seconds(),
            order: 0,
            hops: 1,
            rung: 0,
        };
        Decision { token: Some(token), ..Decision::of(Status::Found, Reason::Challenge, step) }
    }
}
