//! Calls of a class that live, for the brakes on them: each extension's, and each tenant's.
//!
//! What an outgoing call is was decided when it was let out; the decision's record says so. Calls of a switch that isn't
//! heard don't count: nobody would say that they are over.

use super::book::Context;
use super::call::Call;
use crate::event::{Now, Output, Remember};
use crate::number::Class;
use std::collections::{HashMap, HashSet};

/// How often a count is said again, so that it isn't forgotten for others that are younger.
const SAY_EVERY_US: u64 = 30_000_000;
/// Counts that one look says again, at most.
const SAID_AT_ONCE_MAX: usize = 4_096;

/// A tenant's calls of a class; all of them, or one extension's.
type Key = (String, Option<String>, Class);

#[derive(Debug, Default)]
struct Count {
    calls: u32,
    said_us: u64,
}

/// How many there are. As many entries as live calls have, twice, at most.
#[derive(Default)]
pub(super) struct Classes {
    counts: HashMap<Key, Count>,
    /// Switches that aren't heard.
    silent: HashSet<usize>,
}

impl Classes {
    /// Counts a call, or no longer, as it stands now.
    pub fn count(&mut self, call: &mut Call, now: Now, out: &mut Vec<Output>) {
        if self.silent.contains(&call.group) {
            self.uncount(call, now, out);
            return;
        }
        let uncounted = call.let_out.get(call.classes.len()..).unwrap_or_default().to_vec();
        for let_out in uncounted {
            let key = (call.head().tenant.clone(), let_out.extension.clone(), let_out.class);
            self.change(&key, 1, now, out);
            out.push(Output::Remember(Remember::Seen(key.0.clone(), let_out)));
            call.classes.push(key);
        }
    }

    /// A call is over.
    pub fn uncount(&mut self, call: &mut Call, now: Now, out: &mut Vec<Output>) {
        for key in std::mem::take(&mut call.classes) {
            self.change(&key, -1, now, out);
        }
    }

    /// A switch is heard, or no longer, and these are its calls.
    pub fn hear<'a>(&mut self, group: usize, heard: bool, calls: impl Iterator<Item = &'a mut Call>, ctx: &mut Context<'_>) {
        let is_news = if heard { self.silent.remove(&group) } else { self.silent.insert(group) };
        if is_news {
            calls.filter(|call| call.group == group).for_each(|call| self.count(call, ctx.now, ctx.out));
        }
    }

    /// Says again what was said long ago.
    pub fn refresh(&mut self, now: Now, out: &mut Vec<Output>) {
        let is_due = |count: &Count| now.monotonic_us.saturating_sub(count.said_us) >= SAY_EVERY_US;
        for (key, count) in self.counts.iter_mut().filter(|(_, count)| is_due(count)).take(SAID_AT_ONCE_MAX) {
            count.said_us = now.monotonic_us;
            out.push(say(key, count.calls));
        }
    }

    fn change(&mut self, (tenant, extension, class): &(String, String, Class), by: i32, now: Now, out: &mut Vec<Output>) {
        for extension in [Some(extension.clone()), None] {
            let key = (tenant.clone(), extension, *class);
            let count = self.counts.entry(key.clone()).or_default();
            *count = Count { calls: count.calls.saturating_add_signed(by), said_us: now.monotonic_us };
            out.push(say(&key, count.calls));
            if count.calls == 0 {
                self.counts.remove(&key);
            }
        }
    }
}

fn say((tenant, extension, class): &Key, calls: u32) -> Output {
    Output::Remember(Remember::Live { tenant: tenant.clone(), extension: extension.clone(), class: *class, calls })
}
