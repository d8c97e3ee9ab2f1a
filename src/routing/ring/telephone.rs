//! What becomes of a call to one telephone: what its user has set, and what is known of the telephone itself.
//!
//! In a group a forward of all calls and "do not disturb" count, and the others don't: the group says who rings next. A
//! telephone that a step rings alone follows all four.

use crate::number::{Class, Kind, Number};
use crate::routing::decide::Walk;
use crate::routing::{Extension, LookupFailed, Outcome, Reason, Rule};
use std::sync::Arc;

/// The most forwards that one call follows, one after the other.
pub(in crate::routing) const FORWARDS_MAX: usize = 8;

/// What becomes of a call to a telephone at this moment.
pub(super) enum Telephone {
    /// It rings.
    Rings(Rings),
    /// It doesn't, and why.
    Quiet(Reason),
}

/// A telephone that rings.
pub(super) struct Rings {
    /// Which, at the end of the forwards.
    pub(super) number: Number,
    /// Whether a forward led outside.
    pub(super) is_forwarded_outside: bool,
    /// Whether any forward was taken.
    pub(super) is_forwarded: bool,
    /// Whether it is known not to be there.
    pub(super) is_absent: bool,
    /// Whether its user has said where calls go that nobody takes there.
    pub(super) has_forwards: bool,
    /// How long its user lets it ring.
    pub(super) ring_seconds: Option<u16>,
}

/// Whether a number is one of a telephone inside the tenant.
fn is_inside(number: &Number) -> bool {
    matches!(number.kind(), Kind::Extension | Kind::Opaque)
}

/// A telephone among others of a group.
pub(super) fn in_group(walk: &mut Walk<'_>, number: &Number) -> Result<Telephone, LookupFailed> {
    let mut follow = Follow::new(number);
    let Some(extension) = follow.always(walk)? else { return Ok(follow.loops()) };
    Ok(match walk.disturbs(&follow.at, extension.as_deref()) {
        Some(reason) => {
            walk.trace.note(|| Rule::Skipped(format!("member {}", follow.at), words(reason).to_owned()));
            Telephone::Quiet(reason)
        }
        None => follow.rings(walk, extension.as_deref()),
    })
}

/// A telephone that a step rings alone. `path` is the way through its forwards so far, which is added to.
pub(super) fn alone(walk: &mut Walk<'_>, number: &Number, path: &mut u128) -> Result<Telephone, LookupFailed> {
    let mut follow = Follow::new(number);
    for way in ways(*path) {
        let Some(extension) = follow.always(walk)? else { return Ok(follow.loops()) };
        if !follow.by(walk, extension.as_deref(), way)? {
            // a forward that was taken is gone by now
            return Ok(Telephone::Quiet(Reason::Exhausted));
        }
    }
    loop {
        let Some(extension) = follow.always(walk)? else { return Ok(follow.loops()) };
        let is_absent = walk.moment.live.hint(&follow.at).is_some_and(|hint| hint.registered == Some(false));
        let way = match walk.disturbs(&follow.at, extension.as_deref()) {
            Some(_) => Way::Busy,
            // what the telephone itself would say, after a while; a hint may be wrong, so only who wants calls elsewhere is spared
            None if is_absent && extension.as_ref().is_some_and(|e| e.forward_unavailable.is_some()) => Way::Unavailable,
            None => return Ok(follow.rings(walk, extension.as_deref())),
        };
        if !follow.by(walk, extension.as_deref(), way)? {
            if way == Way::Unavailable {
                return Ok(follow.rings(walk, extension.as_deref()));
            }
            let reason = walk.disturbs(&follow.at, extension.as_deref()).unwrap_or(Reason::Dnd);
            walk.trace.note(|| Rule::Skipped(follow.at.to_string(), words(reason).to_owned()));
            return Ok(Telephone::Quiet(reason));
        }
        *path = step(*path, way);
    }
}

/// The way on after a telephone that was rung alone said no; `None` where its user wants no other.
pub(super) fn after(walk: &mut Walk<'_>, number: &Number, path: u128, outcome: Outcome) -> Result<Option<u128>, LookupFailed> {
    let way = match outcome {
        // who declines is there, and doesn't want the call now
        Outcome::Busy | Outcome::Rejected => Way::Busy,
        Outcome::NoAnswer => Way::NoAnswer,
        Outcome::Unavailable | Outcome::Failed => Way::Unavailable,
        Outcome::Answered | Outcome::Passed => return Ok(None),
    };
    let path = step(path, way);
    Ok(end(walk, number, path)?.map(|_| path))
}

/// The telephone at the end of a way through forwards; `None` where that way is gone by now.
pub(super) fn end(walk: &mut Walk<'_>, number: &Number, path: u128) -> Result<Option<Number>, LookupFailed> {
    let mut follow = Follow::new(number);
    for way in ways(path) {
        let Some(extension) = follow.always(walk)? else { return Ok(None) };
        if !follow.by(walk, extension.as_deref(), way)? {
            return Ok(None);
        }
    }
    Ok(follow.always(walk)?.map(|_| follow.at))
}

/// Why a forward is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    Busy = 1,
    NoAnswer = 2,
    Unavailable = 3,
}

impl Way {
    fn word(self) -> &'static str {
        match self {
            Way::Busy => "busy",
            Way::NoAnswer => "no-answer",
            Way::Unavailable => "unavailable",
        }
    }
}

/// The ways of a path, the first one first: digits to the base of four.
fn ways(mut path: u128) -> Vec<Way> {
    let mut found = Vec::new();
    while path > 0 && found.len() <= FORWARDS_MAX {
        found.extend(match path % 4 {
            1 => Some(Way::Busy),
            2 => Some(Way::NoAnswer),
            3 => Some(Way::Unavailable),
            _ => None,
        });
        path /= 4;
    }
    found.reverse();
    found
}

fn step(path: u128, way: Way) -> u128 {
    path.saturating_mul(4).saturating_add(way as u128)
}

fn words(reason: Reason) -> &'static str {
    match reason {
        Reason::Dnd => "do not disturb",
        Reason::Limit => "it has as many calls as it takes",
        _ => "it can't be rung",
    }
}

/// A call on its way from one telephone to the next.
struct Follow {
    at: Number,
    been: Vec<Number>,
    is_outside: bool,
}

impl Follow {
    fn new(number: &Number) -> Follow {
        Follow { at: number.clone(), been: Vec::new(), is_outside: false }
    }

    /// Follows the forwards of all calls; comes back with what is set for the telephone at their end, or `None` where they
    /// lead in a circle.
    #[allow(clippy::option_option)] // no telephone at the end, and one with nothing set, are not the same
    fn always(&mut self, walk: &mut Walk<'_>) -> Result<Option<Option<Arc<Extension>>>, LookupFailed> {
        loop {
            if !is_inside(&self.at) {
                return Ok(Some(None));
            }
            let Some(extension) = walk.data.extension(&self.at)? else { return Ok(Some(None)) };
            let Some(to) = extension.forward_always.clone().filter(|to| walk.may_forward(&extension, "always", to)) else {
                return Ok(Some(Some(extension)));
            };
            if !self.go(walk, "always", to) {
                return Ok(None);
            }
        }
    }

    /// Takes a forward, if there is one that may be taken.
    fn by(&mut self, walk: &mut Walk<'_>, extension: Option<&Extension>, way: Way) -> Result<bool, LookupFailed> {
        let Some(extension) = extension else { return Ok(false) };
        let to = match way {
            Way::Busy => &extension.forward_busy,
            Way::NoAnswer => &extension.forward_no_answer,
            Way::Unavailable => &extension.forward_unavailable,
        };
        let Some(to) = to.clone().filter(|to| walk.may_forward(extension, way.word(), to)) else { return Ok(false) };
        Ok(self.go(walk, way.word(), to))
    }

    /// `false` where the call has been there already, or on too long a way.
    fn go(&mut self, walk: &mut Walk<'_>, which: &'static str, to: Number) -> bool {
        walk.trace.note(|| Rule::Forwarded(self.at.to_string(), which, to.to_string()));
        if self.been.contains(&to) || self.been.len() == FORWARDS_MAX || to == self.at {
            walk.trace.note(|| Rule::Skipped(to.to_string(), "forwards lead in a circle, or through too many telephones".to_owned()));
            return false;
        }
        self.is_outside |= !is_inside(&to);
        self.been.push(std::mem::replace(&mut self.at, to));
        true
    }

    fn loops(&self) -> Telephone {
        Telephone::Quiet(Reason::Forwarded)
    }

    fn rings(self, walk: &Walk<'_>, extension: Option<&Extension>) -> Telephone {
        Telephone::Rings(Rings {
            is_absent: walk.moment.live.hint(&self.at).is_some_and(|hint| hint.registered == Some(false)),
            has_forwards: extension.is_some_and(Extension::has_forwards),
            ring_seconds: extension.and_then(|e| e.ring_seconds),
            is_forwarded: !self.been.is_empty(),
            is_forwarded_outside: self.is_outside,
            number: self.at,
        })
    }
}

impl Walk<'_> {
    /// Why a telephone is not to be rung, if it isn't.
    fn disturbs(&self, number: &Number, extension: Option<&Extension>) -> Option<Reason> {
        let hint = if is_inside(number) { self.moment.live.hint(number) } else { None };
        if extension.is_some_and(|e| e.dnd) || hint.is_some_and(|h| h.dnd) {
            return Some(Reason::Dnd);
        }
        let calls_max = extension.and_then(|e| e.calls_max)?;
        // The switch asks for the next step within a millisecond, and its events are some ms late: what this call has just
        // rung is counted still. Where it isn't any more, a telephone that took another call while it rang may get one more.
        let own = u8::from(self.rung.contains(number));
        hint.is_some_and(|h| h.calls.saturating_sub(own) >= calls_max).then_some(Reason::Limit)
    }

    /// Whether an extension may have calls sent to a number: inside always, outside as it may call there.
    fn may_forward(&mut self, extension: &Extension, which: &'static str, to: &Number) -> bool {
        let class = self.tenant.plan.class_of(to);
        let may = class == Class::Internal || (class != Class::Emergency && self.permits(Some(extension), class));
        if !may {
            let why = format!("calls of class {class} are not permitted to {}", extension.number);
            self.trace.note(|| Rule::Skipped(format!("forward-{which} to {to}"), why));
        }
        may
    }
}
