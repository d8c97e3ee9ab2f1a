//! A group with all groups in it, taken apart: who can ring, in which order, and when.
//!
//! The order is one permutation of all telephones of the group, groups in it included, so that one number in the step token
//! brings the same order back at the next question, whatever chance, turns and memory would say by then. What a group
//! inside makes of it is read off that permutation: of its members, whose first telephone stands earlier comes earlier.

use super::order::{Chance, rank, unrank};
use crate::number::Number;
use crate::routing::group::{Group, Member, MemberTarget, Strategy};
use crate::routing::{Data, GROUP_DEPTH_MAX, Live, LookupFailed, MEMBERS_MAX, Marks, Rule, Trace};
use std::sync::Arc;

/// Times that one step rings, at most: as many as telephones in a group.
pub(super) const ATTEMPTS_MAX: usize = MEMBERS_MAX;
/// Groups that are read for one step, at most: each of as many telephones as ring at the bottom of groups of its own. Groups
/// of groups of groups could be more than anybody waits for, and edits one by one can make them.
pub(super) const GROUPS_READ_MAX: usize = MEMBERS_MAX * GROUP_DEPTH_MAX;

/// Who can ring.
pub(super) struct Roster {
    /// Each member that is a telephone, in the order of the records.
    pub(super) leaves: Vec<Member>,
    root: Branch,
    /// The newest revision of all groups that are part of it.
    pub(super) revision: u64,
}

struct Branch {
    group: Arc<Group>,
    twigs: Vec<(usize, Twig)>,
}

/// What a member is: a telephone, by its place among the leaves, or a group.
enum Twig {
    Leaf(usize),
    Branch(Branch),
}

/// One telephone in one attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Slot {
    pub(super) leaf: usize,
    pub(super) delay_seconds: u16,
    /// A time of its own.
    pub(super) timeout_seconds: Option<u16>,
}

/// Telephones that ring at once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Attempt {
    pub(super) slots: Vec<Slot>,
    /// How long; `None` is the configuration's time.
    pub(super) seconds: Option<u16>,
}

impl Roster {
    /// Reads a group and the groups in it; `None` where there is no such group. What is missing inside, would be a loop or
    /// is too much is left out, and the trace says so.
    pub(super) fn read(data: &dyn Data, id: &str, trace: &mut Trace) -> Result<Option<Roster>, LookupFailed> {
        let mut roster = Reader { data, leaves: Vec::new(), revision: 0, groups: 0, is_cut: false, above: Vec::new() };
        let Some(root) = roster.branch(id, trace)? else { return Ok(None) };
        Ok(Some(Roster { leaves: roster.leaves, root, revision: roster.revision }))
    }

    /// A new order for a call that comes to the group, and what is to be remembered of it.
    pub(super) fn arrange(&self, chance: &mut Chance, live: &dyn Live, marks: &mut Marks) -> u128 {
        let mut order = Vec::with_capacity(self.leaves.len());
        self.root.arrange(chance, live, marks, &mut order);
        rank(&order)
    }

    /// The times that the group rings, in an order that [`Roster::arrange`] made. `seconds` is the step's own time,
    /// `usual_seconds` that of the configuration.
    pub(super) fn attempts(&self, order: u128, seconds: Option<u16>, usual_seconds: u16) -> Vec<Attempt> {
        let order = unrank(order, self.leaves.len());
        let mut place = vec![0; order.len()];
        for (at, leaf) in order.iter().enumerate() {
            place[*leaf] = at;
        }
        let plan = Plan { leaves: &self.leaves, place, usual_seconds };
        let mut attempts = plan.branch(&self.root, seconds);
        attempts.truncate(ATTEMPTS_MAX);
        attempts
    }

    /// The numbers of its telephones, in the order of the records.
    pub(super) fn numbers(&self) -> Vec<Number> {
        let number = |leaf: &Member| if let MemberTarget::Number(number) = &leaf.target { Some(number.clone()) } else { None };
        self.leaves.iter().filter_map(number).collect()
    }

    /// The strategy of the group itself.
    pub(super) fn strategy(&self) -> Strategy {
        self.root.group.strategy
    }
}

struct Reader<'a> {
    data: &'a dyn Data,
    leaves: Vec<Member>,
    revision: u64,
    /// How many groups were read.
    groups: usize,
    /// Whether something was left out because it is too much.
    is_cut: bool,
    /// The groups that the one being read stands in.
    above: Vec<String>,
}

impl Reader<'_> {
    fn branch(&mut self, id: &str, trace: &mut Trace) -> Result<Option<Branch>, LookupFailed> {
        let skip = |why: &str, trace: &mut Trace| trace.note(|| Rule::Skipped(format!("group {id}"), why.to_owned()));
        if self.above.iter().any(|a| a == id) {
            skip("it is inside itself", trace);
            return Ok(None);
        }
        if self.above.len() == GROUP_DEPTH_MAX {
            skip("groups are in groups deeper than is rung", trace);
            return Ok(None);
        }
        self.groups += 1;
        let Some(group) = self.data.group(id)? else {
            skip("there is no such group", trace);
            return Ok(None);
        };
        self.revision = self.revision.max(group.revision);
        self.above.push(id.to_owned());
        let mut twigs = Vec::with_capacity(group.members.len());
        for (n, member) in group.members.iter().enumerate() {
            if self.leaves.len() == MEMBERS_MAX || self.groups == GROUPS_READ_MAX {
                self.cut(member, trace);
                break;
            }
            match &member.target {
                MemberTarget::Group(inner) => {
                    let branch = self.branch(inner, trace)?;
                    // one without telephones is nobody's turn
                    twigs.extend(branch.filter(|b| !b.twigs.is_empty()).map(|branch| (n, Twig::Branch(branch))));
                }
                MemberTarget::Number(_) => {
                    twigs.push((n, Twig::Leaf(self.leaves.len())));
                    self.leaves.push(member.clone());
                }
            }
        }
        self.above.pop();
        Ok(Some(Branch { group, twigs }))
    }

    /// Says once that not all were read, and who was the first that wasn't.
    fn cut(&mut self, first: &Member, trace: &mut Trace) {
        if !std::mem::replace(&mut self.is_cut, true) {
            let why = format!("a group rings {MEMBERS_MAX} telephones of {GROUPS_READ_MAX} groups at most");
            trace.note(|| Rule::Skipped(format!("member {} and all behind it", first.target), why));
        }
    }
}

impl Branch {
    fn member(&self, n: usize) -> &Member {
        &self.group.members[n]
    }

    fn arrange(&self, chance: &mut Chance, live: &dyn Live, marks: &mut Marks, order: &mut Vec<usize>) {
        let id = &self.group.id;
        let mut twigs: Vec<&(usize, Twig)> = self.twigs.iter().collect();
        match self.group.strategy {
            Strategy::Ringall | Strategy::Hunt | Strategy::Memoryhunt => {}
            Strategy::Random => twigs = chance.weighted(twigs.into_iter().map(|t| (t, 1)).collect()),
            Strategy::Weighted => twigs = chance.weighted(twigs.into_iter().map(|t| (t, self.member(t.0).weight)).collect()),
            Strategy::Rrmemory => {
                let turn = live.turn(id) as usize % twigs.len().max(1);
                twigs.rotate_left(turn);
                marks.turns.push(id.clone());
            }
            Strategy::Leastrecent => {
                twigs.sort_by_key(|t| live.last_rung(id, &self.member(t.0).target));
                marks.rung.extend(twigs.first().map(|t| (id.clone(), self.member(t.0).target.clone())));
            }
        }
        for (_, twig) in twigs {
            match twig {
                Twig::Leaf(leaf) => order.push(*leaf),
                Twig::Branch(branch) => branch.arrange(chance, live, marks, order),
            }
        }
    }
}

/// What an order makes of a group.
struct Plan<'a> {
    leaves: &'a [Member],
    /// Each leaf's place in the order.
    place: Vec<usize>,
    usual_seconds: u16,
}

impl Plan<'_> {
    /// The place of a member's first telephone.
    fn first(&self, twig: &Twig) -> usize {
        match twig {
            Twig::Leaf(leaf) => self.place[*leaf],
            Twig::Branch(branch) => branch.twigs.iter().map(|(_, t)| self.first(t)).min().unwrap_or(usize::MAX),
        }
    }

    /// A group's attempts. `seconds` is the time of whoever rings it, which counts before its own.
    fn branch(&self, branch: &Branch, seconds: Option<u16>) -> Vec<Attempt> {
        let seconds = seconds.or(branch.group.timeout_seconds);
        let mut twigs: Vec<&(usize, Twig)> = branch.twigs.iter().collect();
        // as the records have them where all ring at once: nobody comes first there
        if branch.group.strategy != Strategy::Ringall {
            twigs.sort_by_key(|t| self.first(&t.1));
        }
        let each: Vec<Vec<Attempt>> = twigs.iter().map(|(n, twig)| self.twig(branch.member(*n), twig, seconds)).collect();
        match branch.group.strategy {
            Strategy::Ringall => self.at_once(&each, seconds).into_iter().collect(),
            Strategy::Memoryhunt => (1..=each.len()).filter_map(|k| self.at_once(&each[..k], seconds)).collect(),
            _ => each.into_iter().flatten().collect(),
        }
    }

    fn twig(&self, member: &Member, twig: &Twig, seconds: Option<u16>) -> Vec<Attempt> {
        let mut attempts = match twig {
            Twig::Leaf(leaf) => {
                let slot = Slot { leaf: *leaf, delay_seconds: 0, timeout_seconds: None };
                vec![Attempt { slots: vec![slot], seconds: member.timeout_seconds.or(seconds) }]
            }
            // a group's own time counts where its member says none, and the outer one's only then
            Twig::Branch(branch) => self.branch(branch, member.timeout_seconds.or(branch.group.timeout_seconds).or(seconds)),
        };
        if let Some(first) = attempts.first_mut().filter(|_| member.delay_seconds > 0) {
            for slot in &mut first.slots {
                slot.delay_seconds = slot.delay_seconds.saturating_add(member.delay_seconds);
            }
            // who waits before he rings has his time all the same
            first.seconds = Some(first.seconds.unwrap_or(self.usual_seconds).saturating_add(member.delay_seconds));
        }
        attempts
    }

    /// Several members' attempts as one: what would come after another waits so long.
    fn at_once(&self, each: &[Vec<Attempt>], seconds: Option<u16>) -> Option<Attempt> {
        // each telephone, and how long it would ring
        let mut slots: Vec<(Slot, u16)> = Vec::new();
        for attempts in each {
            let mut begins = 0u16;
            for attempt in attempts {
                let lasts = attempt.seconds.unwrap_or(self.usual_seconds);
                for slot in &attempt.slots {
                    // a delay is inside the attempt's time
                    let own = slot.timeout_seconds.unwrap_or(lasts.saturating_sub(slot.delay_seconds).max(1));
                    let delay_seconds = begins.saturating_add(slot.delay_seconds);
                    slots.push((Slot { leaf: slot.leaf, delay_seconds, timeout_seconds: None }, own));
                }
                begins = begins.saturating_add(lasts);
            }
        }
        // of two slots of one telephone the earlier one rings
        slots.sort_by_key(|(slot, _)| slot.delay_seconds);
        let mut seen: Vec<&MemberTarget> = Vec::with_capacity(slots.len());
        slots.retain(|(slot, _)| {
            let target = &self.leaves[slot.leaf].target;
            let is_new = !seen.contains(&target);
            if is_new {
                seen.push(target);
            }
            is_new
        });
        // the step's or the group's time ends all, where there is one; without it the last one is heard out
        let ends = |(slot, own): &(Slot, u16)| slot.delay_seconds.saturating_add(*own);
        let total = seconds.unwrap_or_else(|| slots.iter().map(ends).max().unwrap_or(self.usual_seconds));
        let mut slots: Vec<Slot> = slots
            .into_iter()
            .filter(|(slot, _)| slot.delay_seconds < total)
            // a time that ends with the whole is none of its own
            .map(|(slot, own)| Slot { timeout_seconds: Some(own).filter(|own| *own < total - slot.delay_seconds), ..slot })
            .collect();
        slots.sort_by_key(|slot| slot.leaf);
        let seconds = (seconds.is_some() || total != self.usual_seconds).then_some(total);
        (!slots.is_empty()).then_some(Attempt { slots, seconds })
    }
}
