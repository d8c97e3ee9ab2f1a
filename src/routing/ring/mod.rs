//! Who rings: what a `dial` or `ring` step comes to at this moment.

mod order;
mod roster;
#[cfg(test)]
mod roster_tests;
mod telephone;

pub(super) use order::Chance;

use super::decide::Walk;
use super::{Action, Data, Leg, LookupFailed, Member, MemberTarget, Outcome, Reason, Ring, Rule, Step, Trace};
use crate::number::{Kind, Number};
use roster::{Attempt, Roster, Slot};
use telephone::{Rings, Telephone};

/// What a step that rings comes to.
pub(super) enum Rung {
    /// These telephones.
    Ring {
        ring: Ring,
        /// Which of the step's times this is, from 0.
        attempt: u8,
        /// What the token has to carry, so that the next question goes on here.
        order: u128,
        /// Whether the step may ring once more after this.
        more: bool,
        /// Whether a forward led here.
        is_forwarded: bool,
    },
    /// Nobody, and why.
    Nobody(Reason),
}

/// Whether a step rings telephones.
pub(super) fn rings(step: &Step) -> bool {
    matches!(step.action, Action::Dial { .. } | Action::Ring(_))
}

/// The newest revision of what a step rings, besides its route; 0 where that is nothing with a revision.
pub(super) fn revision(data: &dyn Data, step: &Step) -> Result<u64, LookupFailed> {
    match &step.action {
        Action::Ring(id) => Ok(Roster::read(data, id, &mut Trace::off())?.map_or(0, |roster| roster.revision)),
        _ => Ok(0),
    }
}

/// Begins a step.
pub(super) fn begin(walk: &mut Walk<'_>, step: &Step) -> Result<Rung, LookupFailed> {
    match &step.action {
        Action::Ring(id) => {
            let Some(roster) = walk.roster(id)? else { return Ok(Rung::Nobody(Reason::Exhausted)) };
            let order = roster.arrange(&mut Chance::new(walk.moment.seed), walk.moment.live, walk.marks);
            group(walk, &roster, step, order, 0)
        }
        Action::Dial { targets, trunk } if targets.len() == 1 => {
            let mut path = 0;
            one(walk, &targets[0], trunk.as_deref(), step, &mut path, 0)
        }
        Action::Dial { targets, trunk } => {
            let slots = (0..targets.len()).map(|leaf| Slot { leaf, delay_seconds: 0, timeout_seconds: None }).collect();
            let member = |target: &Number| Member { trunk: trunk.clone(), ..Member::of(MemberTarget::Number(target.clone())) };
            let members: Vec<Member> = targets.iter().map(member).collect();
            Ok(match legs(walk, &members, &Attempt { slots, seconds: step.timeout_seconds })? {
                (Some(ring), is_forwarded) => Rung::Ring { ring, attempt: 0, order: 0, more: false, is_forwarded },
                (None, _) => Rung::Nobody(Reason::Dnd),
            })
        }
        _ => Ok(Rung::Nobody(Reason::Exhausted)),
    }
}

/// Goes on with a step that was rung, and ended so.
pub(super) fn go_on(walk: &mut Walk<'_>, step: &Step, order: u128, attempt: u8, outcome: Outcome) -> Result<Rung, LookupFailed> {
    match &step.action {
        Action::Ring(id) => match walk.roster(id)? {
            Some(roster) => group(walk, &roster, step, order, usize::from(attempt) + 1),
            None => Ok(Rung::Nobody(Reason::Exhausted)),
        },
        Action::Dial { targets, trunk } if targets.len() == 1 => match telephone::after(walk, &targets[0], order, outcome)? {
            Some(mut path) => one(walk, &targets[0], trunk.as_deref(), step, &mut path, attempt.saturating_add(1)),
            None => Ok(Rung::Nobody(Reason::Exhausted)),
        },
        _ => Ok(Rung::Nobody(Reason::Exhausted)),
    }
}

/// A group, from one of its attempts on: the first that rings anybody.
fn group(walk: &mut Walk<'_>, roster: &Roster, step: &Step, order: u128, from: usize) -> Result<Rung, LookupFailed> {
    let attempts = roster.attempts(order, step.timeout_seconds, walk.usual_seconds());
    let of = attempts.len();
    for (n, attempt) in attempts.iter().enumerate().skip(from) {
        if let (Some(ring), is_forwarded) = legs(walk, &roster.leaves, attempt)? {
            let who: Vec<String> = ring.legs.iter().map(shown).collect();
            walk.trace.note(|| Rule::Attempt(n, of, who.join(", ")));
            return Ok(Rung::Ring { ring, attempt: n as u8, order, more: n + 1 < of, is_forwarded });
        }
    }
    Ok(Rung::Nobody(Reason::Dnd))
}

/// A leg for people.
fn shown(leg: &Leg) -> String {
    let mut text = leg.name.as_ref().map_or_else(|| leg.target.to_string(), |name| format!("{name} ({})", leg.target));
    if leg.delay_seconds > 0 {
        text.push_str(&format!(" after {} s", leg.delay_seconds));
    }
    if leg.confirm {
        text.push_str(" if 1 is pressed");
    }
    text
}

/// The telephones of an attempt that ring; nobody, where none does. Who is known not to be there is left out, unless nobody
/// else is left: then the switch finds out itself.
fn legs(walk: &mut Walk<'_>, members: &[Member], attempt: &Attempt) -> Result<(Option<Ring>, bool), LookupFailed> {
    let (mut present, mut absent, mut is_forwarded) = (Vec::new(), Vec::new(), false);
    for slot in &attempt.slots {
        let member = &members[slot.leaf];
        let MemberTarget::Number(number) = &member.target else { continue };
        let Telephone::Rings(rings) = telephone::in_group(walk, number)? else { continue };
        is_forwarded |= rings.is_forwarded;
        let is_absent = rings.is_absent;
        let leg = walk.leg(rings, member, slot, attempt.seconds)?;
        let known = if is_absent { &mut absent } else { &mut present };
        // two members may lead to one telephone
        if !known.iter().any(|other: &Leg| other.target == leg.target) {
            known.push(leg);
        }
    }
    let legs = if present.is_empty() {
        absent
    } else {
        for leg in absent {
            walk.trace.note(|| Rule::Skipped(format!("member {}", leg.target), "not registered".to_owned()));
        }
        present
    };
    let ring = (!legs.is_empty()).then_some(Ring { legs, timeout_seconds: attempt.seconds });
    Ok((ring, is_forwarded))
}

/// A telephone that a step rings alone.
fn one(walk: &mut Walk<'_>, number: &Number, trunk: Option<&str>, step: &Step, path: &mut u128, attempt: u8) -> Result<Rung, LookupFailed> {
    let rings = match telephone::alone(walk, number, path)? {
        Telephone::Rings(rings) => rings,
        Telephone::Quiet(reason) => return Ok(Rung::Nobody(reason)),
    };
    let is_forwarded = rings.is_forwarded;
    let timeout_seconds = rings.ring_seconds.or(step.timeout_seconds);
    // what the step says of the trunk is about its own number
    let trunk = if is_forwarded { None } else { trunk.map(str::to_owned) };
    let more = walk.has_forwards(&rings.number)?;
    let member = Member { trunk, ..Member::of(MemberTarget::Number(number.clone())) };
    let slot = Slot { leaf: 0, delay_seconds: 0, timeout_seconds: None };
    // nobody else rings, whose call an answering machine could steal
    let leg = Leg { confirm: false, ..walk.leg(rings, &member, &slot, timeout_seconds)? };
    Ok(Rung::Ring { ring: Ring { legs: vec![leg], timeout_seconds }, attempt, order: *path, more, is_forwarded })
}

impl Walk<'_> {
    fn roster(&mut self, id: &str) -> Result<Option<Roster>, LookupFailed> {
        let roster = Roster::read(self.data, id, self.trace)?;
        if let Some(roster) = &roster {
            self.trace.note(|| Rule::Group(id.to_owned(), roster.strategy().word(), roster.leaves.len()));
        }
        Ok(roster)
    }

    /// How long telephones ring where nobody says.
    fn usual_seconds(&self) -> u16 {
        self.tenant.asterisk.timeout_seconds
    }

    /// Whether a telephone's user has said where else calls go.
    fn has_forwards(&self, number: &Number) -> Result<bool, LookupFailed> {
        let extension = self.data.extension(number)?;
        Ok(extension.is_some_and(|e| e.forward_busy.is_some() || e.forward_no_answer.is_some() || e.forward_unavailable.is_some()))
    }

    /// A member as a leg. Where his calls are forwarded outside, he has to press 1 like any outside member whose mailbox
    /// could steal the call.
    fn leg(&mut self, rings: Rings, member: &Member, slot: &Slot, whole: Option<u16>) -> Result<Leg, LookupFailed> {
        let trunk = if rings.is_forwarded { None } else { member.trunk.clone() };
        let (trunk, dial_as) = match (&trunk, rings.number.kind()) {
            (None, Kind::E164 | Kind::ShortCode) => self.cheapest(&rings.number)?,
            _ => (trunk, None),
        };
        let ring_seconds = rings.ring_seconds.filter(|own| member.timeout_seconds.is_none_or(|m| *own < m));
        // a time that ends with the whole is none of its own
        let left = whole.unwrap_or_else(|| self.usual_seconds()).saturating_sub(slot.delay_seconds);
        Ok(Leg {
            name: member.name.clone(),
            dial_as,
            trunk,
            delay_seconds: slot.delay_seconds,
            timeout_seconds: [slot.timeout_seconds, ring_seconds].into_iter().flatten().min().filter(|own| *own < left),
            confirm: member.confirm || rings.is_forwarded_outside,
            target: rings.number,
        })
    }
}
