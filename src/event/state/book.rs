//! The book of live calls: who is in which, and what is said when something has changed.
//!
//! Both switches' readers write into it; it knows neither's words. An event finds its call through an index, never by a
//! look at all calls: those are looked at when a connection is lost, and at the end of a snapshot.

use super::call::Call;
use super::tombs::{Key, Tombs};
use super::words::{clean, says_nothing};
use super::{StateLimits, classes::Classes, devices::Devices, pops};
use crate::cti::{CallState, CallView, Draft, Party, PlaneStats, What};
use crate::event::{Names, Now, Output, Remember, SourceInfo};
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

/// Channels of one call that are followed for each leg that is: a `Local` pair in front of a phone makes three.
const CHANNELS_PER_LEG: usize = 4;
/// What is written as the cause of a call that a snapshot of its switch doesn't hold.
pub(in crate::event) const NOT_SEEN: &str = "not seen";

/// What one event is handled with.
pub(super) struct Context<'a> {
    pub names: &'a dyn Names,
    pub now: Now,
    pub out: &'a mut Vec<Output>,
}

/// A channel that lives.
#[derive(Debug)]
pub(super) struct Channel {
    pub call: u64,
    pub since_us: u64,
    /// The bridge that it is in; one of Asterisk's.
    pub bridge: Option<Box<str>>,
    /// It talks in a conference: its call is its own, whatever the switch links it to.
    pub conference: bool,
}

/// How a call begins.
pub(super) struct Beginning<'a> {
    pub number: &'a str,
    pub name: &'a str,
    pub withheld: bool,
    pub to: &'a str,
    pub incomplete: bool,
}

pub(super) struct Book {
    pub limits: StateLimits,
    pub stats: Arc<PlaneStats>,
    /// By the order they began in: the first is the oldest.
    pub calls: BTreeMap<u64, Call>,
    by_id: HashMap<Key, u64>,
    pub channels: HashMap<Key, Channel>,
    bridges: HashMap<Key, Vec<Box<str>>>,
    pub tombs: Tombs,
    pub devices: Devices,
    pub classes: Classes,
    last: u64,
    touched: Vec<u64>,
    /// Channels that came since it was asked; decisions may wait for them.
    pub arrived: Vec<(usize, Box<str>, u64)>,
}

impl Book {
    pub fn new(limits: StateLimits, stats: Arc<PlaneStats>) -> Book {
        Book {
            limits,
            stats,
            calls: BTreeMap::new(),
            by_id: HashMap::new(),
            channels: HashMap::new(),
            bridges: HashMap::new(),
            tombs: Tombs::default(),
            devices: Devices::default(),
            classes: Classes::default(),
            last: 0,
            touched: Vec::new(),
            arrived: Vec::new(),
        }
    }

    /// The call that a channel is in.
    pub fn call_of(&self, group: usize, channel: &str) -> Option<u64> {
        self.channels.get(&(group, channel.into())).map(|channel| channel.call)
    }

    /// The call of that id.
    pub fn call_named(&self, group: usize, id: &str) -> Option<u64> {
        self.by_id.get(&(group, id.into())).copied()
    }

    pub fn is_over(&mut self, group: usize, id: &str, now: Now) -> bool {
        self.tombs.hold(&(group, id.into()), now.monotonic_us)
    }

    /// The call, to be changed: what it has to say is said when the event is done with.
    pub fn touch(&mut self, serial: u64) -> Option<&mut Call> {
        if !self.touched.contains(&serial) {
            self.touched.push(serial);
        }
        self.calls.get_mut(&serial)
    }

    /// A call begins. None if one of that id is over.
    pub fn begin(&mut self, source: &SourceInfo, group: usize, id: &str, how: &Beginning<'_>, ctx: &mut Context<'_>) -> Option<u64> {
        if self.is_over(group, id, ctx.now) {
            return None;
        }
        while self.calls.len() >= self.limits.calls_max
            && let Some((oldest, _)) = self.calls.first_key_value()
        {
            let oldest = *oldest;
            self.stats.calls_evicted.add_one();
            self.end(oldest, Some("evicted"), ctx);
        }
        let head = CallView {
            id: format!("{}/{id}", source.name),
            switch: source.name.clone(),
            tenant: source.tenant.clone(),
            state: CallState::Ringing,
            from: party(&source.tenant, how, ctx.names),
            to: ctx.names.look_up(&source.tenant, &clean(how.to)).0,
            route: None,
            legs: Vec::new(),
            answered_by: None,
            transferred_to: None,
            started_us: ctx.now.wall_us,
            answered_us: None,
            ended_us: None,
            duration_ms: None,
            talk_ms: None,
            disposition: None,
            cause: None,
            decided: Vec::new(),
            incomplete: how.incomplete,
        };
        self.last += 1;
        self.by_id.insert((group, id.into()), self.last);
        self.calls.insert(self.last, Call::new(head, group, id, ctx.now));
        self.stats.calls_live.set(self.calls.len() as u64);
        self.touched.push(self.last);
        Some(self.last)
    }

    /// A channel is one of the call's. False if it is over, or one too many.
    pub fn attach(&mut self, serial: u64, channel: &str, now: Now) -> bool {
        let Some(call) = self.calls.get_mut(&serial) else { return false };
        let key: Key = (call.group, channel.into());
        if self.channels.contains_key(&key) {
            return true;
        }
        if self.tombs.hold(&key, now.monotonic_us) || call.channels.len() >= CHANNELS_PER_LEG * self.limits.legs_max {
            return false;
        }
        call.channels.push(channel.into());
        self.arrived.push((call.group, channel.into(), serial));
        self.channels.insert(key, Channel { call: serial, since_us: now.monotonic_us, bridge: None, conference: false });
        true
    }

    /// A channel is over: its leg is too, and so is the call when it was the last one.
    pub fn detach(&mut self, group: usize, channel: &str, now: Now) {
        let key: Key = (group, channel.into());
        self.leave_bridge(group, channel);
        self.tombs.lay(key.clone(), now.monotonic_us, false);
        if let Some(gone) = self.channels.remove(&key)
            && let Some(call) = self.touch(gone.call)
        {
            call.channels.retain(|live| **live != *channel);
        }
    }

    /// A channel has got another id.
    pub fn rename(&mut self, group: usize, old: &str, new: &str, now: Now) {
        if let Some(channel) = self.channels.remove(&(group, old.into())) {
            if let Some(call) = self.calls.get_mut(&channel.call) {
                call.channels.iter_mut().filter(|live| ***live == *old).for_each(|live| *live = new.into());
                if let Some(leg) = call.leg_at(old) {
                    call.legs[leg].view.id = new.to_owned();
                }
            }
            self.tombs.lay((group, old.into()), now.monotonic_us, false);
            self.channels.insert((group, new.into()), channel);
        }
    }

    /// A channel comes into a bridge.
    pub fn enter_bridge(&mut self, group: usize, channel: &str, bridge: &str, now: Now) {
        let key: Key = (group, channel.into());
        let Some(entry) = self.channels.get_mut(&key) else { return };
        if entry.bridge.as_deref() == Some(bridge) {
            return;
        }
        let serial = entry.call;
        self.leave_bridge(group, channel);
        if let Some(entry) = self.channels.get_mut(&key) {
            entry.bridge = Some(bridge.into());
        }
        let inside = self.bridges.entry((group, bridge.into())).or_default();
        inside.push(channel.into());
        let channels = &self.channels;
        let mine = inside.iter().filter(|id| channels.get(&(group, (*id).clone())).is_some_and(|c| c.call == serial)).count();
        if let Some(call) = self.touch(serial)
            && mine >= 2
            && call.head().answered_us.is_some()
        {
            call.bridged(now);
        }
    }

    /// A channel leaves the bridge that it is in.
    pub fn leave_bridge(&mut self, group: usize, channel: &str) {
        let Some(entry) = self.channels.get_mut(&(group, channel.into())) else { return };
        let (serial, Some(bridge)) = (entry.call, entry.bridge.take()) else { return };
        let key = (group, bridge);
        if let Some(inside) = self.bridges.get_mut(&key) {
            inside.retain(|id| **id != *channel);
            if inside.is_empty() {
                self.bridges.remove(&key);
            }
        }
        let left = |id: &str| self.channels.get(&(group, id.into())).is_some_and(|c| c.call == serial);
        let still = self.bridges.get(&key).is_some_and(|inside| inside.iter().filter(|id| left(id.as_ref())).count() >= 2);
        if !still && let Some(call) = self.touch(serial) {
            call.unbridged();
        }
    }

    /// Two calls are one: the older goes on.
    pub fn merge(&mut self, one: u64, other: u64, ctx: &mut Context<'_>) -> u64 {
        let (older, newer) = (one.min(other), one.max(other));
        if older == newer || !self.calls.contains_key(&older) {
            return one;
        }
        let Some(mut gone) = self.calls.remove(&newer) else { return one };
        self.stats.calls_live.set(self.calls.len() as u64);
        gone.finish_head(Some("merged"), ctx.now);
        say_pops(&mut gone, ctx, true);
        say(&gone.view(), ctx, |call| What::Ended { call });
        self.devices.uncount(&mut gone, ctx);
        self.classes.uncount(&mut gone, ctx.now, ctx.out);
        for id in &gone.ids {
            self.by_id.insert((gone.group, id.clone()), older);
        }
        for channel in &gone.channels {
            if let Some(channel) = self.channels.get_mut(&(gone.group, channel.clone())) {
                channel.call = older;
            }
        }
        let legs_max = self.limits.legs_max;
        if let Some(call) = self.touch(older) {
            gone.legs.truncate(legs_max.saturating_sub(call.legs.len()));
            call.take_in(gone);
        }
        older
    }

    /// The call is another tenant's than was told so far. Whoever was told of it hears its end, and the other its
    /// beginning; what one's directory says of the caller is not for the other.
    pub fn give(&mut self, serial: u64, tenant: &str, ctx: &mut Context<'_>) {
        let Some(call) = self.touch(serial).filter(|call| call.head().tenant != tenant) else { return };
        if !call.news.ringing {
            say_pops(call, ctx, true);
            say(&call.given_away(ctx.now), ctx, |call| What::Ended { call });
        }
        let names = ctx.names;
        call.give_to(tenant, |number| names.look_up(tenant, number).1);
    }

    /// A call is over; where it was given up, the switch may go on speaking of it.
    pub fn end(&mut self, serial: u64, given_up: Option<&str>, ctx: &mut Context<'_>) {
        let Some(mut call) = self.calls.remove(&serial) else { return };
        self.stats.calls_live.set(self.calls.len() as u64);
        // of what nobody saw end, no more is known than that it still was when the switch was last heard
        let last_seen_us = call.lost_at_us.filter(|_| given_up == Some(NOT_SEEN));
        call.finish(given_up, Now { monotonic_us: last_seen_us.unwrap_or(ctx.now.monotonic_us), ..ctx.now });
        for channel in std::mem::take(&mut call.channels) {
            self.leave_bridge(call.group, &channel);
            let key = (call.group, channel);
            self.channels.remove(&key);
            self.tombs.lay(key, ctx.now.monotonic_us, given_up.is_some());
        }
        for id in &call.ids {
            let key = (call.group, id.clone());
            self.by_id.remove(&key);
            self.tombs.lay(key, ctx.now.monotonic_us, given_up.is_some());
        }
        say_pops(&mut call, ctx, true);
        self.devices.uncount(&mut call, ctx);
        self.classes.uncount(&mut call, ctx.now, ctx.out);
        let view = call.view();
        say(&view, ctx, |call| What::Ended { call });
        ctx.out.push(Output::Finished(view));
    }

    /// Says what has changed in the calls that were touched.
    pub fn settle(&mut self, ctx: &mut Context<'_>) {
        for serial in std::mem::take(&mut self.touched) {
            let Some(call) = self.calls.get_mut(&serial) else { continue };
            let news = std::mem::take(&mut call.news);
            let over = call.channels.is_empty();
            if news != Default::default() && !(over && news.changed && !(news.ringing || news.answered || news.transferred)) {
                let view = call.view();
                let mut said = false;
                type Word = fn(Arc<CallView>) -> What;
                let words: [(bool, Word); 5] = [
                    (news.ringing, |call| What::Ringing { call }),
                    (news.answered, |call| What::Answered { call }),
                    (news.transferred, |call| What::Transferred { call }),
                    (news.bridged, |call| What::Bridged { call }),
                    (news.held, |call| What::Held { call }),
                ];
                // of a call that is met in the middle, how it stands
                let skipped = if view.incomplete && news.ringing { words.iter().filter(|(is, _)| *is).count() - 1 } else { 0 };
                for (_, word) in words.into_iter().filter(|(is, _)| *is).skip(skipped) {
                    said = true;
                    say(&view, ctx, word);
                }
                if !said {
                    say(&view, ctx, |call| What::Changed { call });
                }
            }
            say_pops(call, ctx, false);
            self.devices.count(call, ctx);
            self.classes.count(call, ctx.now, ctx.out);
            if let Some(member) = call.new_answerer() {
                ctx.out.push(Output::Remember(Remember::Answered(call.head().tenant.clone(), member)));
            }
            if over {
                self.end(serial, None, ctx);
            }
        }
    }

    /// Gives up what is older than a call can be.
    pub fn age(&mut self, ctx: &mut Context<'_>) {
        while let Some((serial, call)) = self.calls.first_key_value()
            && ctx.now.monotonic_us.saturating_sub(call.began_us) > self.limits.call_age_max_us
        {
            let serial = *serial;
            self.stats.calls_aged.add_one();
            self.end(serial, Some("aged out"), ctx);
        }
        self.tombs.expire(ctx.now.monotonic_us);
    }
}

/// Who calls.
fn party(tenant: &str, how: &Beginning<'_>, names: &dyn Names) -> Party {
    let number = clean(how.number);
    let name = Some(clean(how.name)).filter(|name| says_nothing(name).is_none());
    match says_nothing(&number) {
        _ if how.withheld => Party { withheld: true, ..Party::default() },
        Some(withheld) => Party { name: name.filter(|_| !withheld), withheld, ..Party::default() },
        None => {
            let (number, contact) = names.look_up(tenant, &number);
            let name = name.filter(|name| *name != number && *name != clean(how.number));
            match contact {
                Some((id, known)) => Party { number, name: Some(known), contact: Some(id), withheld: false },
                None => Party { number, name, contact: None, withheld: false },
            }
        }
    }
}

fn say(view: &Arc<CallView>, ctx: &mut Context<'_>, word: impl Fn(Arc<CallView>) -> What) {
    let what = word(view.clone());
    ctx.out.push(Output::Say(Draft { switch: view.switch.clone(), tenant: Some(view.tenant.clone()), at_us: ctx.now.wall_us, what }));
}

fn say_pops(call: &mut Call, ctx: &mut Context<'_>, over: bool) {
    let mut made: Option<Arc<CallView>> = None;
    let pops = pops::settle(call, &mut |call| made.get_or_insert_with(|| call.view()).clone(), over);
    for pop in pops {
        let (switch, tenant) = (call.head().switch.clone(), Some(call.head().tenant.clone()));
        ctx.out.push(Output::Say(Draft { switch, tenant, at_us: ctx.now.wall_us, what: What::Pop(pop) }));
    }
}
