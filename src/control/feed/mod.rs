//! Following the feed: from a place on, or from the state if that place is gone. Bounded for each client.
//!
//! A client holds one page and no more. While it can't take what it was given nothing more is read for it; if its place
//! has left the hub's ring meanwhile, it is told of the gap and given the state instead of the events. One that this
//! happens to again and again is let go.

mod filter;

pub use filter::FeedQuery;
pub(super) use filter::Filter;

use crate::cti::{CallView, Cursor, Device, Event, EventId, Hub, Known, Page, PlaneStats, RawWanted, Registration, Snapshot};
use serde::Serialize;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::Instant;

/// Events in one page: what is held for a client at most.
pub const PAGE_EVENTS_MAX: usize = 256;
/// Things of the state in one part of a snapshot.
const PART_THINGS_MAX: usize = 256;
/// A page ends behind the event that brings it above this, in bytes: a frame on the admin socket has 4 MiB.
const PAGE_BYTES_MAX: usize = 512 * 1024;
/// So often within [`CONFLATED_WITHIN`] a client may be given the state instead of events; the next time it is dropped.
const CONFLATED_MAX: usize = 2;
const CONFLATED_WITHIN: Duration = Duration::from_secs(60);

/// One message for a client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Message {
    /// Its number, where a client that has read this may resume behind it.
    pub(super) id: Option<EventId>,
    /// Its `type`.
    pub(super) kind: &'static str,
    /// It, as JSON on one line.
    pub(super) json: String,
}

/// What comes next for a client.
#[derive(Debug)]
pub(super) enum Next {
    /// Messages, one at least.
    Messages(Vec<Message>),
    /// It was too slow too often.
    TooSlow,
}

/// A part of the state. A client that reads part 1 forgets what it knew; of parts that it didn't ask for there is no key.
#[derive(Serialize)]
struct Part<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    id: EventId,
    part: usize,
    parts: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    calls: Option<&'a [Arc<CallView>]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    devices: Option<&'a [Known<Device>]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    registrations: Option<&'a [Known<Registration>]>,
}

#[derive(Serialize)]
struct Behind {
    #[serde(rename = "type")]
    kind: &'static str,
    id: EventId,
    why: &'static str,
}

/// A snapshot that is told part by part.
struct Telling {
    snapshot: Snapshot,
    part: usize,
}

/// One client of the feed.
pub(super) struct Follower {
    hub: Arc<Hub>,
    stats: Arc<PlaneStats>,
    changes: watch::Receiver<u64>,
    filter: Filter,
    /// Where it is; `None` until it has the state.
    cursor: Option<Cursor>,
    /// Whether a page was given already: what it falls behind by from then on is its own slowness.
    has_begun: bool,
    telling: Option<Telling>,
    conflated: VecDeque<Instant>,
    _raw: Option<RawWanted>,
}

impl Follower {
    /// A client that saw everything up to an event, or nothing.
    pub(super) fn new(hub: Arc<Hub>, stats: Arc<PlaneStats>, filter: Filter, since: Option<Cursor>) -> Follower {
        Follower {
            changes: hub.changes(),
            _raw: filter.raw.then(|| hub.want_raw()),
            hub,
            stats,
            filter,
            cursor: since,
            has_begun: false,
            telling: None,
            conflated: VecDeque::new(),
        }
    }

    /// The place behind what was given last.
    pub(super) fn place(&self) -> Option<Cursor> {
        self.cursor.filter(|_| self.telling.is_none())
    }

    /// Waits for what is new. Whoever stops waiting loses nothing.
    pub(super) async fn next(&mut self) -> Next {
        loop {
            if let Some(message) = self.tell() {
                return Next::Messages(vec![message]);
            }
            self.changes.borrow_and_update();
            let Some(cursor) = self.cursor else {
                let snapshot = self.hub.snapshot();
                self.begin_telling(snapshot);
                continue;
            };
            match self.hub.after(cursor, PAGE_EVENTS_MAX) {
                Page::Events(events) if events.is_empty() => {
                    self.has_begun = true;
                    if self.changes.changed().await.is_err() {
                        // the hub is ours too, so that it can't be gone
                        std::future::pending::<()>().await;
                    }
                }
                Page::Events(events) => {
                    self.has_begun = true;
                    let messages = self.page(&events);
                    if !messages.is_empty() {
                        return Next::Messages(messages);
                    }
                    // a flood of what this client doesn't want is no reason to keep the others waiting
                    tokio::task::yield_now().await;
                }
                Page::Behind(snapshot) => {
                    if self.has_begun && self.is_too_slow(Instant::now()) {
                        return Next::TooSlow;
                    }
                    let behind = Behind { kind: "gap", id: cursor, why: "behind" };
                    let json = json(&behind);
                    self.begin_telling(snapshot);
                    return Next::Messages(vec![Message { id: None, kind: "gap", json }]);
                }
            }
        }
    }

    /// A page's events that are wanted, and the place behind them.
    fn page(&mut self, events: &[Arc<Event>]) -> Vec<Message> {
        let (mut messages, mut bytes) = (Vec::new(), 0);
        for event in events {
            self.cursor = Some(event.id);
            if self.filter.wants(event) {
                let json = json(&**event);
                bytes += json.len();
                messages.push(Message { id: Some(event.id), kind: event.what.kind(), json });
                if bytes > PAGE_BYTES_MAX {
                    break;
                }
            }
        }
        messages
    }

    fn is_too_slow(&mut self, now: Instant) -> bool {
        while self.conflated.front().is_some_and(|at| now.duration_since(*at) > CONFLATED_WITHIN) {
            self.conflated.pop_front();
        }
        if self.conflated.len() >= CONFLATED_MAX {
            return true;
        }
        self.conflated.push_back(now);
        self.stats.clients_conflated.add_one();
        false
    }

    fn begin_telling(&mut self, mut snapshot: Snapshot) {
        let calls = self.filter.wants_calls();
        snapshot.calls.retain(|call| calls && self.filter.sees_call(call));
        let devices = self.filter.wants_type("device");
        snapshot.devices.retain(|known| devices && self.filter.sees(known, &known.state.extension));
        let registrations = self.filter.wants_type("registration");
        snapshot.registrations.retain(|known| registrations && self.filter.sees(known, &known.state.extension));
        self.telling = Some(Telling { snapshot, part: 0 });
    }

    /// The next part of a snapshot that is being told. Only the last one has a number: whoever breaks off before it begins
    /// anew.
    fn tell(&mut self) -> Option<Message> {
        let telling = self.telling.as_mut()?;
        let snapshot = &telling.snapshot;
        let parts_of = |n: usize| n.div_ceil(PART_THINGS_MAX);
        let longest = snapshot.calls.len().max(snapshot.devices.len()).max(snapshot.registrations.len());
        let (parts, n) = (parts_of(longest).max(1), telling.part);
        let part = Part {
            kind: "snapshot",
            id: snapshot.id,
            part: n + 1,
            parts,
            calls: self.filter.wants_calls().then(|| slice_of(&snapshot.calls, n)),
            devices: self.filter.wants_type("device").then(|| slice_of(&snapshot.devices, n)),
            registrations: self.filter.wants_type("registration").then(|| slice_of(&snapshot.registrations, n)),
        };
        let is_last = n + 1 == parts;
        let (id, json) = (is_last.then_some(snapshot.id), json(&part));
        telling.part += 1;
        if is_last {
            self.cursor = Some(snapshot.id);
            self.has_begun = true;
            self.telling = None;
        }
        Some(Message { id, kind: "snapshot", json })
    }
}

fn slice_of<T>(all: &[T], part: usize) -> &[T] {
    let begin = (part * PART_THINGS_MAX).min(all.len());
    &all[begin..(begin + PART_THINGS_MAX).min(all.len())]
}

fn json(value: &impl Serialize) -> String {
    serde_json::to_string(value).expect("what is said is plain data: texts, numbers, lists and maps with text keys")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cti::{Draft, Gap, HubLimits, What};
    use crate::number::NumberPlan;

    fn gap() -> Draft {
        Draft { switch: "a".into(), tenant: None, at_us: 0, what: What::Gap(Gap { why: "overrun".into(), lost: None }) }
    }

    fn device(n: usize) -> Draft {
        let device = Device { device: format!("PJSIP/{n}"), extension: Some(n.to_string()), state: "in-use".into() };
        Draft { switch: "a".into(), tenant: Some("t".into()), at_us: 0, what: What::Device(device) }
    }

    fn follower(hub: &Arc<Hub>, since: Option<Cursor>, query: &FeedQuery) -> Follower {
        let filter = Filter::read("t", &NumberPlan::new(None), query).unwrap();
        Follower::new(hub.clone(), Arc::default(), filter, since)
    }

    async fn kinds(follower: &mut Follower) -> Vec<&'static str> {
        match follower.next().await {
            Next::Messages(messages) => messages.iter().map(|m| m.kind).collect(),
            Next::TooSlow => vec!["too-slow"],
        }
    }

    #[tokio::test]
    async fn a_client_that_falls_behind_is_conflated_twice_a_minute_and_then_dropped() {
        let hub = Arc::new(Hub::new(1, HubLimits { events_max: 4, devices_max: 10 }));
        let mut slow = follower(&hub, Some(hub.now()), &FeedQuery::default());
        let flood = || (0..9).for_each(|_| _ = hub.publish(gap()));
        flood();
        // what was missed before the first page is a gap, and not his fault
        assert_eq!(kinds(&mut slow).await, ["gap"]);
        assert_eq!(kinds(&mut slow).await, ["snapshot"]);
        assert_eq!(slow.stats.clients_conflated.get(), 0);
        for _ in 0..2 {
            flood();
            assert_eq!((kinds(&mut slow).await, kinds(&mut slow).await), (vec!["gap"], vec!["snapshot"]));
        }
        assert_eq!(slow.stats.clients_conflated.get(), 2);
        flood();
        assert_eq!(kinds(&mut slow).await, ["too-slow"]);
    }

    #[test]
    fn a_minute_in_which_a_client_keeps_up_is_forgiven() {
        let hub = Arc::new(Hub::new(1, HubLimits::default()));
        let mut client = follower(&hub, None, &FeedQuery::default());
        let at = |seconds| Instant::from_std(std::time::Instant::now()) + Duration::from_secs(seconds);
        let slow: Vec<bool> = [0, 20, 90, 120, 130].map(|seconds| client.is_too_slow(at(seconds))).to_vec();
        assert_eq!(slow, [false, false, false, false, true]);
        assert_eq!(client.stats.clients_conflated.get(), 4);
    }

    #[tokio::test]
    async fn a_large_state_is_told_in_parts_and_only_the_last_one_can_be_resumed_behind() {
        let hub = Arc::new(Hub::new(1, HubLimits::default()));
        (0..600).for_each(|n| _ = hub.publish(device(n)));
        let mut new = follower(&hub, None, &FeedQuery::default());
        let mut told = 0;
        for part in 1..=3 {
            let Next::Messages(messages) = new.next().await else { panic!("nothing is slow here") };
            let [message] = messages.as_slice() else { panic!("{messages:?}") };
            let json: serde_json::Value = serde_json::from_str(&message.json).unwrap();
            assert_eq!((&json["part"], &json["parts"]), (&part.into(), &3.into()));
            assert_eq!(message.id, (part == 3).then(|| hub.now()));
            assert_eq!(new.place(), message.id);
            told += json["devices"].as_array().unwrap().len();
        }
        assert_eq!(told, 600);
    }

    #[tokio::test]
    async fn a_page_is_bounded_and_events_that_nobody_wants_move_the_place_on() {
        let hub = Arc::new(Hub::new(1, HubLimits::default()));
        let start = hub.now();
        (0..600).for_each(|n| _ = hub.publish(device(n)));
        let mut all = follower(&hub, Some(start), &FeedQuery::default());
        assert_eq!(kinds(&mut all).await.len(), PAGE_EVENTS_MAX);
        let mut one = follower(&hub, Some(start), &FeedQuery { extensions: "599".into(), ..FeedQuery::default() });
        assert_eq!(kinds(&mut one).await, ["device"]);
        assert_eq!(one.place(), Some(hub.now()));
        hub.publish(device(1));
        assert!(tokio::time::timeout(Duration::from_millis(20), one.next()).await.is_err(), "nothing for this one");
        assert_eq!(one.place(), Some(hub.now()));
    }
}
