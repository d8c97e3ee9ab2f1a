//! The state of calls: one vocabulary out of both switches' words.
//!
//! Pure and synchronous: no socket, no clock, no thread. What came out of a source's ring goes in, what is to be said comes
//! out. `call.ringing` is said when a call begins, that is when the caller's channel appears.
//!
//! * Everything is bounded ([`StateLimits`]), and an end that is never told is made up for: by a snapshot, by age, or by
//!   making room.
//! * A call is over once, and said to be over once: what is over is remembered for a while (`tombs`), so that late events,
//!   another source of the same switch or a repetition don't bring it back.
//! * Two sources with the same identity are one switch. Both may tell of channels and their ends; what goes to and fro
//!   (bridges, holding, devices) is taken from one of them, the first that is up.

mod asterisk;
mod book;
mod call;
mod classes;
mod conference;
mod devices;
mod freeswitch;
mod join;
mod pops;
mod tombs;
mod words;

use super::{Item, Names, Now, Output, Remember, SourceInfo};
use crate::cti::{Draft, Gap, PlaneStats, What};
use crate::decided::DecisionRecord;
pub(super) use book::NOT_SEEN;
use book::{Book, Context};
use conference::Conferences;
use join::Join;
use std::collections::HashSet;
use std::sync::Arc;

/// How much is remembered.
#[derive(Debug, Clone, Copy)]
pub struct StateLimits {
    /// Live calls; the oldest makes room.
    pub calls_max: usize,
    /// Legs of one call that are kept; others are not.
    pub legs_max: usize,
    /// How old a call gets before it is given up. Microseconds.
    pub call_age_max_us: u64,
}

impl Default for StateLimits {
    fn default() -> Self {
        // more calls than a switch carries; more legs than anybody's group; longer than a working day
        StateLimits { calls_max: 50_000, legs_max: 64, call_age_max_us: 24 * 3_600 * 1_000_000 }
    }
}

/// How long a call must have been known for a snapshot to say that it is over, where that may lag behind events: where two
/// sources tell of one switch, and on FreeSWITCH. A younger one that is over ends with the next snapshot. The same holds for
/// a registration.
const LAG_MAX_US: u64 = 5_000_000;

/// The state of all sources' calls.
pub struct State {
    sources: Vec<Source>,
    book: Book,
    join: Join,
    conferences: Conferences,
}

struct Source {
    info: SourceInfo,
    identity: String,
    up: bool,
    /// The place of the source under whose name this switch is told.
    group: usize,
    /// A gap was said, and not repaired yet.
    gap: bool,
    snapshot: Option<Snapshot>,
}

/// What a switch's own state held so far.
struct Snapshot {
    began_us: u64,
    seen: Vec<Box<str>>,
    whole: bool,
}

/// What an event is read with.
struct Reader<'a, 'b> {
    source: &'a SourceInfo,
    group: usize,
    /// Whether this source is the one to be believed in what goes to and fro.
    leads: bool,
    /// Channels that a snapshot holds.
    seen: &'a mut Vec<Box<str>>,
    book: &'a mut Book,
    join: &'a Join,
    conferences: &'a mut Conferences,
    ctx: Context<'b>,
}

/// Knows nobody: what ages needs no names.
struct Nobody;

impl Names for Nobody {
    fn look_up(&self, _: &str, number: &str) -> (String, Option<(String, String)>) {
        (number.to_owned(), None)
    }
}

impl State {
    /// Nothing is known of any source yet.
    #[must_use]
    pub fn new(sources: Vec<SourceInfo>, limits: StateLimits, stats: Arc<PlaneStats>) -> State {
        let source = |(place, info)| Source { info, identity: String::new(), up: false, group: place, gap: false, snapshot: None };
        State {
            sources: sources.into_iter().enumerate().map(source).collect(),
            book: Book::new(limits, stats),
            join: Join::default(),
            conferences: Conferences::default(),
        }
    }

    /// A state before this one was lost, and a gap said: each source's first whole snapshot is to be told as its repair.
    pub fn expect_repair(&mut self) {
        self.sources.iter_mut().for_each(|source| source.gap = true);
    }

    /// Something came out of a source's ring.
    pub fn item(&mut self, source: usize, item: Item, names: &dyn Names, now: Now, out: &mut Vec<Output>) {
        if source >= self.sources.len() {
            return;
        }
        let mut ctx = Context { names, now, out };
        match item {
            Item::Up { identity } => self.up(source, identity, &mut ctx),
            Item::Down { why: _ } => self.down(source, &mut ctx),
            Item::Gap { why, lost } => self.gap(source, why, Some(lost), &mut ctx),
            Item::SnapshotBegin => {
                self.sources[source].snapshot = Some(Snapshot { began_us: now.monotonic_us, seen: Vec::new(), whole: true });
            }
            Item::SnapshotEnd { whole } => self.snapshot_end(source, whole, &mut ctx),
            Item::Packet(packet) => {
                self.read(source, &mut ctx, |reader| {
                    asterisk::packet(&packet, reader);
                    true
                });
            }
            Item::Frame(frame) => {
                self.read(source, &mut ctx, |reader| {
                    freeswitch::frame(&frame, reader);
                    true
                });
            }
            Item::Listing { what, json } => self.read(source, &mut ctx, |reader| freeswitch::listing(what, &json, reader)),
        }
        self.join.arrived(&mut self.book, &mut ctx);
        self.book.settle(&mut ctx);
    }

    /// A decision was given to a call.
    pub fn decided(&mut self, record: DecisionRecord, names: &dyn Names, now: Now, out: &mut Vec<Output>) {
        let mut ctx = Context { names, now, out };
        let by_name = |source: &&Source| record.switch.as_deref() == Some(source.info.name.as_str());
        let by_peer = |source: &&Source| record.peer == Some(source.info.address.ip());
        let groups = |sources: Vec<&Source>| sources.into_iter().map(|source| source.group).collect::<Vec<_>>();
        let mut found = groups(self.sources.iter().filter(by_name).collect());
        if found.is_empty() {
            found = groups(self.sources.iter().filter(by_peer).collect());
        }
        if found.is_empty() {
            found = groups(self.sources.iter().collect());
        }
        self.join.decided(record, found, &mut self.book, &mut ctx);
        self.book.settle(&mut ctx);
    }

    /// To be called once a second.
    pub fn tick(&mut self, now: Now, out: &mut Vec<Output>) {
        self.book.age(&mut Context { names: &Nobody, now, out });
        self.join.expire(now, &self.book);
        self.book.devices.refresh(now, out);
        self.book.classes.refresh(now, out);
        if self.sources.iter().any(|source| source.up) {
            out.push(Output::Remember(Remember::Heard));
        }
    }

    /// Calls that live.
    #[must_use]
    pub fn calls_live(&self) -> usize {
        self.book.calls.len()
    }

    fn read(&mut self, source: usize, ctx: &mut Context<'_>, read: impl FnOnce(&mut Reader<'_, '_>) -> bool) {
        let group = self.sources[source].group;
        let leads = self.leader(group).is_none_or(|leader| leader == source);
        let mut seen = Vec::new();
        let mut reader = Reader {
            // told under the name of the first
            source: &self.sources[group].info,
            group,
            leads,
            seen: &mut seen,
            book: &mut self.book,
            join: &self.join,
            conferences: &mut self.conferences,
            ctx: Context { names: ctx.names, now: ctx.now, out: ctx.out },
        };
        let whole = read(&mut reader);
        if let Some(snapshot) = &mut self.sources[source].snapshot {
            snapshot.seen.append(&mut seen);
            snapshot.whole &= whole;
        }
    }

    /// The source of a switch that is believed in what goes to and fro.
    fn leader(&self, group: usize) -> Option<usize> {
        self.sources.iter().position(|source| source.up && source.group == group)
    }

    fn up(&mut self, source: usize, identity: String, ctx: &mut Context<'_>) {
        let same = |(place, other): (usize, &Source)| {
            (place != source && !identity.is_empty() && other.identity == identity && other.info.kind == self.sources[source].info.kind)
                .then_some(other.group)
        };
        let group = self.sources.iter().enumerate().find_map(same).unwrap_or(source);
        let source = &mut self.sources[source];
        let before = std::mem::replace(&mut source.group, group);
        (source.up, source.identity, source.snapshot) = (true, identity, None);
        self.book.classes.hear(group, true, self.book.calls.values_mut(), ctx);
        self.book.devices.heard(group);
        // limits on calls at once hold from now on, and not from the next tick on
        ctx.out.push(Output::Remember(Remember::Heard));
        if self.sources.iter().all(|other| other.group != before) {
            // nobody watches any more what was told under that name: no snapshot would ever say that it is over
            let forgotten: Vec<u64> = self.book.calls.iter().filter(|(_, call)| call.group == before).map(|(serial, _)| *serial).collect();
            for serial in forgotten {
                self.book.end(serial, Some(NOT_SEEN), ctx);
            }
            for call in self.book.calls.values_mut().filter(|call| call.group == group) {
                call.lost_at_us = None;
            }
            self.conferences.left_unheard(&self.sources[before].info, before, |_| false, ctx.now.monotonic_us, ctx);
        }
    }

    fn down(&mut self, source: usize, ctx: &mut Context<'_>) {
        let lost = &mut self.sources[source];
        (lost.up, lost.snapshot) = (false, None);
        let group = lost.group;
        if self.leader(group).is_none() {
            for call in self.book.calls.values_mut().filter(|call| call.group == group) {
                call.change_quietly(|head| head.incomplete = true);
                call.lost_at_us.get_or_insert(ctx.now.monotonic_us);
            }
            self.book.classes.hear(group, false, self.book.calls.values_mut(), ctx);
            self.book.devices.lost(group, self.book.calls.values_mut(), ctx);
        }
        if !self.sources[source].gap {
            self.gap(source, "connection-lost", None, ctx);
        }
    }

    fn gap(&mut self, source: usize, why: &str, lost: Option<u64>, ctx: &mut Context<'_>) {
        let source = &mut self.sources[source];
        source.gap = true;
        source.info.stats.gaps.add_one();
        let what = What::Gap(Gap { why: why.to_owned(), lost });
        ctx.out.push(Output::Say(Draft { switch: source.info.name.clone(), tenant: None, at_us: ctx.now.wall_us, what }));
    }

    fn snapshot_end(&mut self, source: usize, whole: bool, ctx: &mut Context<'_>) {
        let Some(snapshot) = self.sources[source].snapshot.take() else { return };
        if !whole || !snapshot.whole {
            return;
        }
        let group = self.sources[source].group;
        let is_alone = self.sources.iter().filter(|other| other.up && other.group == group).count() <= 1;
        // FreeSWITCH lists its channels out of a table that is written some time after their events
        let is_current = is_alone && self.sources[source].info.kind == super::SwitchKind::Asterisk;
        let before_us = if is_current { snapshot.began_us } else { snapshot.began_us.saturating_sub(LAG_MAX_US) };
        let seen: HashSet<Box<str>> = snapshot.seen.into_iter().collect();
        let mut gone: Vec<(Box<str>, u64)> = Vec::new();
        for ((of, id), channel) in &self.book.channels {
            if *of == group && channel.since_us < before_us && !seen.contains(id) {
                gone.push((id.clone(), channel.call));
            }
        }
        gone.sort_unstable_by(|a, b| (a.1, &a.0).cmp(&(b.1, &b.0)));
        for calls in gone.chunk_by(|a, b| a.1 == b.1) {
            let serial = calls[0].1;
            if self.book.calls.get(&serial).is_some_and(|call| call.channels.len() <= calls.len()) {
                self.book.end(serial, Some(NOT_SEEN), ctx);
                continue;
            }
            for (id, _) in calls {
                if let Some(call) = self.book.touch(serial) {
                    call.change_quietly(|head| head.incomplete = true);
                    if let Some(leg) = call.leg_at(id) {
                        call.leg_ended(leg, Some(NOT_SEEN), None, ctx.now);
                    }
                }
                self.book.detach(group, id, ctx.now);
            }
        }
        self.conferences.left_unheard(&self.sources[group].info, group, |leg| seen.contains(leg), before_us, ctx);
        let source = &mut self.sources[source];
        if std::mem::take(&mut source.gap) {
            let (switch, at_us) = (source.info.name.clone(), ctx.now.wall_us);
            ctx.out.push(Output::Say(Draft { switch, tenant: None, at_us, what: What::Repaired }));
        }
    }
}
