//! Decisions of the call plane ↔ calls of the switches. Either may come first.

use super::book::{Book, Context};
use super::call::{Call, member_of};
use super::words::clean;
use crate::cti::{Decided, Party, PlaneStats};
use crate::decided::{DecisionRecord, LetOut, Member};
use crate::event::{Now, Output, Remember};
use crate::routing::CallerName;
use std::collections::{HashMap, VecDeque};

/// Decisions that wait for their call, at most.
const WAITING_MAX: usize = 10_000;
/// How long one waits. Its call's first event is on the wire before the question is.
const WAITING_US: u64 = 30_000_000;
/// Decisions that are kept for one call: a route has fewer steps.
const DECISIONS_MAX: usize = 32;

/// Decisions without a call, and the members of those that have found theirs.
#[derive(Default)]
pub(super) struct Join {
    waiting: HashMap<Box<str>, Vec<Waiting>>,
    order: VecDeque<(u64, Box<str>)>,
    /// Whom the calls' decisions ring, latest first.
    members: HashMap<u64, Vec<Member>>,
}

struct Waiting {
    record: DecisionRecord,
    groups: Vec<usize>,
}

impl Join {
    /// A decision was given by one of these switches.
    pub fn decided(&mut self, record: DecisionRecord, groups: Vec<usize>, book: &mut Book, ctx: &mut Context<'_>) {
        if record.request == "ping" || record.call_id.is_empty() {
            return;
        }
        let id = clean(&record.call_id);
        let found = |group: &usize| book.call_of(*group, &id).or_else(|| book.call_named(*group, &id));
        if let Some(serial) = groups.iter().find_map(found) {
            self.tell(serial, record, book, ctx);
            return;
        }
        while self.order.len() >= WAITING_MAX {
            self.drop_oldest(&book.stats);
        }
        let id: Box<str> = id.into();
        self.order.push_back((ctx.now.monotonic_us, id.clone()));
        self.waiting.entry(id).or_default().push(Waiting { record, groups });
    }

    /// Channels have come: are there decisions for them?
    pub fn arrived(&mut self, book: &mut Book, ctx: &mut Context<'_>) {
        for (group, channel, serial) in std::mem::take(&mut book.arrived) {
            if self.waiting.is_empty() {
                continue;
            }
            let Some(mut waiting) = self.waiting.remove(&channel) else { continue };
            let others = waiting.extract_if(.., |waiting| !waiting.groups.contains(&group)).collect::<Vec<_>>();
            for found in waiting {
                self.tell(serial, found.record, book, ctx);
            }
            if !others.is_empty() {
                self.waiting.insert(channel, others);
            }
        }
    }

    /// Whose leg it is, by the decisions of its call.
    pub fn member(&self, serial: u64, dial: &str, number: &str) -> Option<String> {
        member_of(dial, number, self.members.get(&serial)?)
    }

    /// Those that have waited long enough, and what was kept of calls that are over.
    pub fn expire(&mut self, now: Now, book: &Book) {
        while self.order.front().is_some_and(|(at, _)| now.monotonic_us.saturating_sub(*at) > WAITING_US) {
            self.drop_oldest(&book.stats);
        }
        self.members.retain(|serial, _| book.calls.contains_key(serial));
    }

    fn drop_oldest(&mut self, stats: &PlaneStats) {
        let Some((_, id)) = self.order.pop_front() else { return };
        if let Some(waiting) = self.waiting.get_mut(&id) {
            let dropped = waiting.remove(0);
            if dropped.record.request != "name" {
                stats.decisions_unmatched.add_one();
            }
            if waiting.is_empty() {
                self.waiting.remove(&id);
            }
        }
    }

    fn tell(&mut self, serial: u64, record: DecisionRecord, book: &mut Book, ctx: &mut Context<'_>) {
        let is_name = record.request == "name";
        // whose call it is a decision says, and until there is one a question for a name
        let is_decided = |call: &Call| call.head().tenant != record.tenant && !call.head().decided.is_empty();
        if is_name && book.calls.get(&serial).is_some_and(is_decided) {
            return;
        }
        book.give(serial, &record.tenant, ctx);
        let Some(call) = book.touch(serial) else { return };
        if is_name {
            name_caller(call, &record);
            return;
        }
        apply(call, &record, ctx);
        if let Some(let_out) = &record.let_out {
            let is_same = |known: &LetOut| known.extension == let_out.extension && known.class == let_out.class;
            if call.let_out.iter().any(is_same) {
                // asked again for the same call
                ctx.out.push(Output::Remember(Remember::Seen(record.tenant.clone(), let_out.clone())));
            } else if call.let_out.len() < DECISIONS_MAX {
                call.let_out.push(let_out.clone());
            }
        }
        call.members(&record.members);
        let members = self.members.entry(serial).or_default();
        members.splice(0..0, record.members);
        members.truncate(2 * book.limits.legs_max);
    }
}

/// What a decision says of its call.
fn apply(call: &mut Call, record: &DecisionRecord, ctx: &mut Context<'_>) {
    let decision = &record.decision;
    let route = decision.route.as_ref().map(ToString::to_string);
    let decided = Decided {
        at_us: record.at_us,
        request: record.request.clone(),
        status: decision.status.word().to_owned(),
        action: decision.step.action.word().to_owned(),
        reason: decision.reason.word().to_owned(),
        route: route.clone(),
        revision: record.revision,
        trace: record.trace.iter().map(ToString::to_string).collect(),
    };
    let look_up = |number: &str| ctx.names.look_up(&record.tenant, &clean(number));
    let from = (!record.from.is_empty()).then(|| look_up(&record.from));
    let to = (!record.to.is_empty()).then(|| look_up(&record.to).0);
    call.change(|head| {
        if route.is_some() {
            head.route = route;
        }
        // a later step asks for the same call
        if head.decided.is_empty()
            && let Some(to) = to
        {
            head.to = to;
        }
        if record.withheld {
            head.from = Party { withheld: true, ..Party::default() };
        } else if let Some((number, contact)) = from {
            head.from.number = number;
            if let Some((id, name)) = contact {
                (head.from.contact, head.from.name) = (Some(id), Some(name));
            }
        }
        if let Some(caller) = decision.caller.as_ref().filter(|_| !record.withheld) {
            (head.from.contact, head.from.name) = (contact_of(caller), Some(caller.name.clone()));
        }
        if !head.decided.contains(&decided) && head.decided.len() < DECISIONS_MAX {
            head.decided.push(decided);
        }
    });
}

/// The contact; none where only the number said something of the caller.
fn contact_of(caller: &CallerName) -> Option<String> {
    Some(caller.contact.clone()).filter(|id| !id.is_empty())
}

/// A question for a name only says who calls.
fn name_caller(call: &mut Call, record: &DecisionRecord) {
    if let Some(caller) = record.decision.caller.as_ref().filter(|_| !record.withheld) {
        call.change(|head| (head.from.contact, head.from.name) = (contact_of(caller), Some(caller.name.clone())));
    }
}
