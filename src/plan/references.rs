//! What things of a plan name of each other: groups, schedules, forwards. One check for a whole plan and for a single edit.

use crate::routing::{Action, Group, MEMBERS_MAX, MemberTarget, PlanItem, PlanKey, Tenant};
use crate::routing::{Decision, Leg, Reason, Ring, Status, Step, TARGET_BYTES_MAX, render};
use std::collections::BTreeSet;

/// What a thing names.
pub fn names(item: &PlanItem) -> BTreeSet<PlanKey> {
    match item {
        PlanItem::Group(group) => {
            let groups = group.members.iter().filter_map(|m| if let MemberTarget::Group(id) = &m.target { Some(id) } else { None });
            groups.map(|id| PlanKey::Group(id.clone())).collect()
        }
        PlanItem::Route(route) => {
            let rung =
                route.all_steps().filter_map(|s| if let Action::Ring(id) = &s.action { Some(PlanKey::Group(id.clone())) } else { None });
            rung.chain(route.schedule.clone().map(PlanKey::Schedule)).collect()
        }
        PlanItem::Trunk(trunk) => trunk.rates.iter().filter_map(|r| r.schedule.clone()).map(PlanKey::Schedule).collect(),
        PlanItem::Screen(_) | PlanItem::User(_) | PlanItem::Schedule(_) | PlanItem::Extension(_) | PlanItem::Limit(_) => BTreeSet::new(),
    }
}

/// What a thing names, and the trunks that it rings over. These may be in the switch alone, and needn't be in the plan; but
/// what is there isn't removed under them.
pub fn uses(item: &PlanItem) -> BTreeSet<PlanKey> {
    let of_step = |step: &Step| if let Action::Dial { trunk, .. } = &step.action { trunk.clone() } else { None };
    let trunks: Vec<String> = match item {
        PlanItem::Group(group) => group.members.iter().filter_map(|m| m.trunk.clone()).collect(),
        PlanItem::Route(route) => route.all_steps().filter_map(of_step).collect(),
        PlanItem::Screen(screen) => screen.action.iter().filter_map(of_step).collect(),
        _ => Vec::new(),
    };
    names(item).into_iter().chain(trunks.into_iter().map(PlanKey::Trunk)).collect()
}

/// What is wrong with a thing among the others, which `look` finds: what it names and isn't there, groups and forwards in a
/// circle, states that a schedule doesn't have, more telephones than can ring.
///
/// # Errors
/// What `look` says.
pub fn broken<E>(
    item: &PlanItem,
    tenant: &Tenant,
    look: &mut dyn FnMut(&PlanKey) -> Result<Option<PlanItem>, E>,
) -> Result<Vec<String>, E> {
    let mut wrong = Vec::new();
    for named in names(item) {
        if named != item.key() && look(&named)?.is_none() {
            wrong.push(format!("there is no {named}; make it first, or correct the name"));
        }
    }
    match item {
        PlanItem::Group(group) => {
            let mut leaves = Vec::new();
            match flattened(group, look, &mut vec![group.id.clone()], &mut leaves)? {
                Some(circle) => wrong.push(format!("groups stand in each other in a circle: {}", circle.join(" → "))),
                None if leaves.len() > MEMBERS_MAX => {
                    wrong.push(format!("with the groups in it {} telephones would ring, more than {MEMBERS_MAX}", leaves.len()));
                }
                None => wrong.extend(too_long(tenant, leaves)),
            }
        }
        PlanItem::Route(route) => {
            if let Some(id) = &route.schedule
                && let Some(PlanItem::Schedule(schedule)) = look(&PlanKey::Schedule(id.clone()))?
            {
                let states = schedule.states();
                for (state, _) in route.when.iter().filter(|(state, _)| !states.contains(&state.as_str())) {
                    let hint = crate::nearest::did_you_mean(state, states.iter().copied());
                    wrong.push(format!("when.{state}: the schedule {id} has no such state{hint}; it has {}", states.join(", ")));
                }
            }
        }
        PlanItem::Extension(extension) => {
            let mut been = vec![extension.number.clone()];
            let mut next = extension.forward_always.clone();
            while let Some(to) = next {
                let is_circle = been.contains(&to);
                been.push(to.clone());
                if is_circle {
                    let way: Vec<String> = been.iter().map(ToString::to_string).collect();
                    wrong.push(format!("all calls would be forwarded in a circle: {}", way.join(" → ")));
                    break;
                }
                next = match look(&PlanKey::Extension(to))? {
                    Some(PlanItem::Extension(other)) => other.forward_always,
                    _ => None,
                };
            }
        }
        _ => {}
    }
    Ok(wrong)
}

/// The telephones of a group and of those in it; or the circle that they stand in.
fn flattened<E>(
    group: &Group,
    look: &mut dyn FnMut(&PlanKey) -> Result<Option<PlanItem>, E>,
    above: &mut Vec<String>,
    leaves: &mut Vec<Leg>,
) -> Result<Option<Vec<String>>, E> {
    for member in &group.members {
        // what is beyond the bound needn't be counted, and groups of groups of groups would be many
        if leaves.len() > MEMBERS_MAX {
            return Ok(None);
        }
        match &member.target {
            MemberTarget::Number(number) => leaves.push(Leg {
                delay_seconds: member.delay_seconds,
                timeout_seconds: member.timeout_seconds,
                confirm: member.confirm,
                ..Leg::of(number.clone(), member.trunk.clone())
            }),
            MemberTarget::Group(id) if above.contains(id) => {
                let mut circle = above[above.iter().position(|a| a == id).unwrap_or(0)..].to_vec();
                circle.push(id.clone());
                return Ok(Some(circle));
            }
            MemberTarget::Group(id) => {
                if let Some(PlanItem::Group(inner)) = look(&PlanKey::Group(id.clone()))? {
                    above.push(id.clone());
                    if let Some(circle) = flattened(&inner, look, above, leaves)? {
                        return Ok(Some(circle));
                    }
                    above.pop();
                }
            }
        }
    }
    Ok(None)
}

/// Whether all of a group's telephones make a dial string that doesn't fit into an answer.
fn too_long(tenant: &Tenant, legs: Vec<Leg>) -> Option<String> {
    let ring = Ring { legs, timeout_seconds: None };
    let step = Step::of(Action::Ring(String::new()));
    let decision = Decision { ring: Some(ring), ..Decision::of(Status::Found, Reason::Matched, step) };
    let asterisk = render::asterisk(&decision, Some(&tenant.asterisk));
    let freeswitch = render::freeswitch(&decision, Some(&tenant.freeswitch));
    let bytes = [asterisk, freeswitch].iter().filter_map(|r| r.value("TARGET").map(str::len)).max().unwrap_or(0);
    (bytes > TARGET_BYTES_MAX).then(|| format!("its dial string has {bytes} bytes, more than {TARGET_BYTES_MAX}; ring fewer telephones"))
}
