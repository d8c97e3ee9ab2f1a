//! What things of a plan name of each other: groups, schedules, forwards. One check for a whole plan and for a single edit.
//!
//! Every walk here has an end that doesn't depend on the plan: the server makes it too, beside live calls.

use super::mistake::Mistake;
use crate::number::Number;
use crate::routing::{Action, GROUP_DEPTH_MAX, Group, MEMBERS_MAX, MemberTarget, PlanItem, PlanKey, Route, Step, Tenant};
use crate::routing::{Decision, Leg, Reason, Ring, Status, TARGET_BYTES_MAX, render};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// Groups that are looked at for the way back of a circle that is longer than groups may be deep.
const CIRCLE_GROUPS_MAX: usize = 256;
/// Forwards that are followed: many more than a call follows.
const FORWARDS_FOLLOWED_MAX: usize = 64;

/// What is known of a thing that another one names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Seen<'a> {
    /// This is it.
    Here(&'a PlanItem),
    /// This is it, fetched from a store.
    Fetched(Box<PlanItem>),
    /// There is no such thing.
    Absent,
    /// It is there, and it can't be read: that is told of elsewhere.
    Unread,
}

impl Seen<'_> {
    fn item(&self) -> Option<&PlanItem> {
        match self {
            Seen::Here(item) => Some(item),
            Seen::Fetched(item) => Some(item),
            Seen::Absent | Seen::Unread => None,
        }
    }

    fn group(&self) -> Option<&Group> {
        if let Some(PlanItem::Group(group)) = self.item() { Some(group) } else { None }
    }
}

/// Finds what a thing names.
pub type Look<'l, 'a, E> = &'l mut dyn FnMut(&PlanKey) -> Result<Seen<'a>, E>;

/// What a thing names.
pub fn names(item: &PlanItem) -> BTreeSet<PlanKey> {
    mentions(item).into_iter().map(|(_, key)| key).collect()
}

/// What a thing names, and where.
fn mentions(item: &PlanItem) -> Vec<(String, PlanKey)> {
    match item {
        PlanItem::Group(group) => {
            let named = group.members.iter().enumerate().filter_map(|(n, m)| match &m.target {
                MemberTarget::Group(id) => Some((format!("members[{n}].group"), PlanKey::Group(id.clone()))),
                MemberTarget::Number(_) => None,
            });
            named.collect()
        }
        PlanItem::Route(route) => {
            let rung = |path: &str, steps: &[Step]| -> Vec<(String, PlanKey)> {
                let named = steps.iter().enumerate().filter_map(|(n, step)| match &step.action {
                    Action::Ring(id) => Some((format!("{path}[{n}]"), PlanKey::Group(id.clone()))),
                    _ => None,
                });
                named.collect()
            };
            let mut named = rung("steps", &route.steps);
            named.extend(route.when.iter().flat_map(|(state, steps)| rung(&format!("when.{state}"), steps)));
            named.extend(route.schedule.clone().map(|id| ("schedule".to_owned(), PlanKey::Schedule(id))));
            named
        }
        PlanItem::Trunk(trunk) => {
            let named = trunk.rates.iter().filter_map(|r| r.schedule.clone()).map(|id| ("rates".to_owned(), PlanKey::Schedule(id)));
            named.collect()
        }
        PlanItem::Screen(_) | PlanItem::User(_) | PlanItem::Schedule(_) | PlanItem::Extension(_) | PlanItem::Limit(_) => Vec::new(),
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
/// circle, groups deeper in groups than is rung, states that a schedule doesn't have, more telephones than can ring.
///
/// # Errors
/// What `look` says.
pub fn broken<E>(item: &PlanItem, tenant: &Tenant, look: Look<'_, '_, E>) -> Result<Vec<Mistake>, E> {
    let mut wrong = Vec::new();
    let own = item.key();
    for (path, named) in mentions(item) {
        if named != own && look(&named)? == Seen::Absent {
            wrong.push(mistake(path, format!("there is no {named}; make it first, or correct the name")));
        }
    }
    match item {
        PlanItem::Group(group) => wrong.extend(wrong_group(group, tenant, look)?),
        PlanItem::Route(route) => wrong.extend(unknown_states(route, look)?),
        PlanItem::Extension(extension) => {
            wrong.extend(forwarded_in_a_circle(&extension.number, extension.forward_always.as_ref(), look)?);
        }
        _ => {}
    }
    Ok(wrong)
}

fn mistake(path: impl Into<String>, what: String) -> Mistake {
    Mistake { path: path.into(), what, circle: Vec::new() }
}

/// A circle: the way around it, and its things for whoever wants to know whether it is the same.
fn circle(path: String, what: &str, way: &[String]) -> Mistake {
    let last = way.last();
    let begins = way.iter().position(|thing| Some(thing) == last).unwrap_or(0);
    let things: BTreeSet<&String> = way[begins..].iter().collect();
    Mistake { path, what: format!("{what}: {}", way.join(" → ")), circle: things.into_iter().cloned().collect() }
}

fn unknown_states<E>(route: &Route, look: Look<'_, '_, E>) -> Result<Vec<Mistake>, E> {
    let Some(id) = &route.schedule else { return Ok(Vec::new()) };
    let seen = look(&PlanKey::Schedule(id.clone()))?;
    let Some(PlanItem::Schedule(schedule)) = seen.item() else { return Ok(Vec::new()) };
    let states = schedule.states();
    let unknown = route.when.iter().filter(|(state, _)| !states.contains(&state.as_str()));
    let said = unknown.map(|(state, _)| {
        let hint = crate::nearest::did_you_mean(state, states.iter().copied());
        mistake(format!("when.{state}"), format!("the schedule {id} has no such state{hint}; it has {}", states.join(", ")))
    });
    Ok(said.collect())
}

fn forwarded_in_a_circle<E>(own: &Number, first: Option<&Number>, look: Look<'_, '_, E>) -> Result<Option<Mistake>, E> {
    let mut been = vec![own.clone()];
    let mut next = first.cloned();
    while let Some(to) = next {
        if been.len() > FORWARDS_FOLLOWED_MAX {
            let what = format!("all calls would be forwarded more than {FORWARDS_FOLLOWED_MAX} times, and end long before");
            return Ok(Some(mistake("forward_always", what)));
        }
        let is_circle = been.contains(&to);
        been.push(to.clone());
        if is_circle {
            let way: Vec<String> = been.iter().map(ToString::to_string).collect();
            return Ok(Some(circle("forward_always".to_owned(), "all calls would be forwarded in a circle", &way)));
        }
        next = match look(&PlanKey::Extension(to))?.item() {
            Some(PlanItem::Extension(other)) => other.forward_always.clone(),
            _ => None,
        };
    }
    Ok(None)
}

fn wrong_group<E>(group: &Group, tenant: &Tenant, look: Look<'_, '_, E>) -> Result<Option<Mistake>, E> {
    let mut walk = Walk { above: vec![group.id.clone()], legs: Vec::new(), ends: 0, member: 0 };
    let path = |walk: &Walk| format!("members[{}]", walk.member);
    const IN_A_CIRCLE: &str = "groups stand in each other in a circle";
    Ok(match walk.descend(group, look)? {
        Flat::Circle(way) => Some(circle(path(&walk), IN_A_CIRCLE, &way)),
        Flat::TooDeep(way) => Some(match way_back(group, look)? {
            Some(way) => circle(path(&walk), IN_A_CIRCLE, &way),
            None => mistake(
                path(&walk),
                format!("groups stand in each other more than {GROUP_DEPTH_MAX} deep, and no deeper ones are rung: {}", way.join(" → ")),
            ),
        }),
        Flat::TooMany => (walk.legs.len() > MEMBERS_MAX)
            .then(|| mistake("members", format!("with the groups in it more than {MEMBERS_MAX} telephones would ring"))),
        Flat::Fits => too_long(tenant, walk.legs).map(|what| mistake("members", what)),
    })
}

/// What came of taking a group apart.
enum Flat {
    Fits,
    TooMany,
    /// From a group to the same one.
    Circle(Vec<String>),
    TooDeep(Vec<String>),
}

struct Walk {
    /// The groups that the one being looked at stands in, and itself.
    above: Vec<String>,
    legs: Vec<Leg>,
    /// Telephones, and groups that aren't there: each way down ends in one, so that counting them bounds the walk.
    ends: usize,
    /// The member of the first group that is being looked at.
    member: usize,
}

impl Walk {
    fn descend<E>(&mut self, group: &Group, look: Look<'_, '_, E>) -> Result<Flat, E> {
        for (n, member) in group.members.iter().enumerate() {
            if self.above.len() == 1 {
                self.member = n;
            }
            if self.ends > MEMBERS_MAX {
                return Ok(Flat::TooMany);
            }
            let id = match &member.target {
                MemberTarget::Number(number) => {
                    self.ends += 1;
                    self.legs.push(Leg {
                        delay_seconds: member.delay_seconds,
                        timeout_seconds: member.timeout_seconds,
                        confirm: member.confirm,
                        ..Leg::of(number.clone(), member.trunk.clone())
                    });
                    continue;
                }
                MemberTarget::Group(id) => id,
            };
            if let Some(begins) = self.above.iter().position(|a| a == id) {
                let mut way = self.above[begins..].to_vec();
                way.push(id.clone());
                return Ok(Flat::Circle(way));
            }
            let seen = look(&PlanKey::Group(id.clone()))?;
            let Some(inner) = seen.group() else {
                self.ends += 1;
                continue;
            };
            self.above.push(id.clone());
            if self.above.len() > GROUP_DEPTH_MAX {
                return Ok(Flat::TooDeep(self.above.clone()));
            }
            match self.descend(inner, look)? {
                Flat::Fits => {}
                other => return Ok(other),
            }
            self.above.pop();
        }
        Ok(if self.ends > MEMBERS_MAX { Flat::TooMany } else { Flat::Fits })
    }
}

/// The shortest way from a group through others back to itself.
fn way_back<E>(group: &Group, look: Look<'_, '_, E>) -> Result<Option<Vec<String>>, E> {
    let inside = |group: &Group| -> Vec<String> {
        group.members.iter().filter_map(|m| if let MemberTarget::Group(id) = &m.target { Some(id.clone()) } else { None }).collect()
    };
    let mut from: BTreeMap<String, String> = BTreeMap::new();
    let mut next: VecDeque<(String, Vec<String>)> = VecDeque::from([(group.id.clone(), inside(group))]);
    while let Some((id, members)) = next.pop_front() {
        for member in members {
            if member == group.id {
                let mut way = vec![member, id.clone()];
                while let Some(before) = way.last().and_then(|last| from.get(last)) {
                    way.push(before.clone());
                }
                way.reverse();
                return Ok(Some(way));
            }
            if from.len() < CIRCLE_GROUPS_MAX && !from.contains_key(&member) {
                from.insert(member.clone(), id.clone());
                if let Some(inner) = look(&PlanKey::Group(member.clone()))?.group() {
                    next.push_back((member, inside(inner)));
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
