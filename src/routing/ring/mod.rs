//! Who rings: what a `dial` or `ring` step comes to at this moment.

mod order;
mod roster;
#[cfg(test)]
mod roster_tests;
mod telephone;

pub(super) use order::Chance;

use super::decide::Walk;
use super::{Action, Data, Leg, LookupFailed, Member, MemberTarget, Outcome, Reason, Ring, Rule, Step, StepToken, Trace};
use crate::number::{Kind, Number};
use roster::{Attempt, Roster, Slot};
use telephone::{Rings, Telephone};

/// What a trace shows of a member's name: thirty-two members are one line of it, and the journal keeps it.
const SHOWN_NAME_CHARS_MAX: usize = 40;

/// What a step that rings comes to.
pub(super) enum Rung {
    /// These telephones.
    Ring {
        ring: Ring,
        /// Which of the step's times this is, from 0.
        attempt: u8,
        /// What the token has to carry, so that the next question goes on here.
        order: u128,
        /// Which of the step's telephones ring now, see [`StepToken::rung`].
        rung: u32,
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

/// The telephones that a step rang the last time, at the end of their forwards. Of a token that was made before tokens knew
/// that, none.
pub(super) fn just_rung(walk: &mut Walk<'_>, step: &Step, token: &StepToken) -> Result<Vec<Number>, LookupFailed> {
    let mut rung = Vec::new();
    if token.rung == 0 {
        return Ok(rung);
    }
    let (targets, path) = match &step.action {
        Action::Ring(id) => (Roster::read(walk.data, id, &mut Trace::off())?.map_or_else(Vec::new, |roster| roster.numbers()), 0),
        Action::Dial { targets, .. } => (targets.clone(), if targets.len() == 1 { token.order } else { 0 }),
        _ => return Ok(rung),
    };
    for (_, number) in targets.iter().enumerate().filter(|(place, _)| token.rung & bit(*place) != 0) {
        rung.extend(walk.quietly(|walk| telephone::end(walk, number, path))?);
    }
    Ok(rung)
}

/// The bit of a telephone in [`StepToken::rung`].
fn bit(place: usize) -> u32 {
    u32::try_from(place).ok().and_then(|place| 1u32.checked_shl(place)).unwrap_or(0)
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
                Called::Telephones { ring, rung, is_forwarded, .. } => {
                    Rung::Ring { ring, attempt: 0, order: 0, rung, more: false, is_forwarded }
                }
                Called::Nobody(why) => Rung::Nobody(why),
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

/// A group, from one of its attempts on: the first that rings anybody who may be there. Where nobody of the whole group is
/// known to be there, the switch finds out itself.
fn group(walk: &mut Walk<'_>, roster: &Roster, step: &Step, order: u128, from: usize) -> Result<Rung, LookupFailed> {
    let attempts = roster.attempts(order, step.timeout_seconds, walk.usual_seconds());
    let of = attempts.len();
    let (mut nobody, mut is_anybody_there) = (Reason::Exhausted, None);
    for (n, attempt) in attempts.iter().enumerate().skip(from) {
        let (ring, rung, is_forwarded, are_absent) = match legs(walk, &roster.leaves, attempt)? {
            Called::Telephones { ring, rung, is_forwarded, are_absent } => (ring, rung, is_forwarded, are_absent),
            Called::Nobody(why) => {
                nobody = stronger(nobody, why);
                continue;
            }
        };
        if are_absent {
            let is_there = match is_anybody_there {
                Some(known) => known,
                // each of them is told of where it would have rung
                None => walk.quietly(|walk| anybody_there(walk, &roster.leaves))?,
            };
            is_anybody_there = Some(is_there);
            if is_there {
                walk.pass_over(&ring.legs);
                continue;
            }
        }
        walk.trace.note(|| Rule::Attempt(n, of, ring.legs.iter().map(shown).collect::<Vec<_>>().join(", ")));
        return Ok(Rung::Ring { ring, attempt: n as u8, order, rung, more: n + 1 < of, is_forwarded });
    }
    Ok(Rung::Nobody(nobody))
}

/// Whether any of a group's telephones would ring and isn't known to be away.
fn anybody_there(walk: &mut Walk<'_>, members: &[Member]) -> Result<bool, LookupFailed> {
    for member in members {
        if let MemberTarget::Number(number) = &member.target
            && let Telephone::Rings(Rings { is_absent: false, .. }) = telephone::in_group(walk, number)?
        {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Of two reasons why nobody rings the one that the caller is to hear: busy, where somebody doesn't want to be disturbed.
fn stronger(known: Reason, other: Reason) -> Reason {
    if matches!(known, Reason::Dnd | Reason::Limit) { known } else { other }
}

/// A leg for people.
fn shown(leg: &Leg) -> String {
    let name = |name: &String| name.chars().take(SHOWN_NAME_CHARS_MAX).collect::<String>();
    let mut text = leg.name.as_ref().map_or_else(|| leg.target.to_string(), |n| format!("{} ({})", name(n), leg.target));
    if leg.delay_seconds > 0 {
        text.push_str(&format!(" after {} s", leg.delay_seconds));
    }
    if leg.confirm {
        text.push_str(" if 1 is pressed");
    }
    text
}

/// What telephones that are to ring at once come to.
enum Called {
    /// These ring.
    Telephones {
        ring: Ring,
        /// A bit for each of those that lead to a leg, see [`bit`].
        rung: u32,
        is_forwarded: bool,
        /// Whether none of them is known to be there.
        are_absent: bool,
    },
    /// None of them does, and why.
    Nobody(Reason),
}

/// The telephones of an attempt that ring. Who is known not to be there is left out, unless nobody else is left.
fn legs(walk: &mut Walk<'_>, members: &[Member], attempt: &Attempt) -> Result<Called, LookupFailed> {
    let (mut present, mut absent, mut is_forwarded) = (Vec::new(), Vec::new(), false);
    let (mut rung_present, mut rung_absent) = (0, 0);
    let mut nobody = Reason::Exhausted;
    for slot in &attempt.slots {
        let member = &members[slot.leaf];
        let MemberTarget::Number(number) = &member.target else { continue };
        let rings = match telephone::in_group(walk, number)? {
            Telephone::Rings(rings) => rings,
            Telephone::Quiet(why) => {
                nobody = stronger(nobody, why);
                continue;
            }
        };
        is_forwarded |= rings.is_forwarded;
        let is_absent = rings.is_absent;
        let leg = walk.leg(rings, member, slot, attempt.seconds)?;
        let (known, rung) = if is_absent { (&mut absent, &mut rung_absent) } else { (&mut present, &mut rung_present) };
        *rung |= bit(slot.leaf);
        // two members may lead to one telephone: it rings once, when the first of them would
        match known.iter_mut().find(|other: &&mut Leg| other.target == leg.target) {
            Some(other) if leg.delay_seconds < other.delay_seconds => *other = leg,
            Some(_) => {}
            None => known.push(leg),
        }
    }
    let are_absent = present.is_empty();
    let (mut legs, rung) = if are_absent {
        (absent, rung_absent)
    } else {
        walk.pass_over(&absent);
        (present, rung_present)
    };
    let Some(first) = legs.iter().map(|leg| leg.delay_seconds).min() else { return Ok(Called::Nobody(nobody)) };
    // nobody waits for the time of those who were passed over
    let idle = first - attempt.slots.iter().map(|slot| slot.delay_seconds).min().unwrap_or(first).min(first);
    let mut timeout_seconds = attempt.seconds;
    if idle > 0 {
        legs.iter_mut().for_each(|leg| leg.delay_seconds -= idle);
        timeout_seconds = Some(attempt.seconds.unwrap_or_else(|| walk.usual_seconds()).saturating_sub(idle).max(1));
    }
    Ok(Called::Telephones { ring: Ring { legs, timeout_seconds }, rung, is_forwarded, are_absent })
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
    let more = rings.has_forwards;
    let member = Member { trunk, ..Member::of(MemberTarget::Number(number.clone())) };
    let slot = Slot { leaf: 0, delay_seconds: 0, timeout_seconds: None };
    // nobody else rings, whose call an answering machine could steal
    let leg = Leg { confirm: false, ..walk.leg(rings, &member, &slot, timeout_seconds)? };
    let ring = Ring { legs: vec![leg], timeout_seconds };
    Ok(Rung::Ring { ring, attempt, order: *path, rung: bit(0), more, is_forwarded })
}

impl Walk<'_> {
    fn roster(&mut self, id: &str) -> Result<Option<Roster>, LookupFailed> {
        let roster = Roster::read(self.data, id, self.trace)?;
        if let Some(roster) = &roster {
            self.trace.note(|| Rule::Group(id.to_owned(), roster.strategy().word(), roster.leaves.len()));
        }
        Ok(roster)
    }

    /// Telephones that aren't rung because they are known not to be there.
    fn pass_over(&mut self, legs: &[Leg]) {
        for leg in legs {
            self.trace.note(|| Rule::Skipped(format!("member {}", leg.target), "not registered".to_owned()));
        }
    }

    /// How long telephones ring where nobody says.
    fn usual_seconds(&self) -> u16 {
        self.tenant.asterisk.timeout_seconds
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
