//! The feed: a bounded memory of what was said last, and of how things stand.
//!
//! The event plane publishes, anybody in the admin plane reads from where he was. Nobody who reads slowly holds the others
//! up or costs memory: what has left the ring is replaced by the state ([`Page::Behind`]).

use super::{CallView, Device, Registration, What};
use crate::stats::Gauge;
use serde::{Serialize, Serializer};
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::fmt;
use std::str::FromStr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::watch;

/// Bytes of the events that are remembered, roughly; the last one is kept whatever it has. Usual ones take a quarter of it;
/// raw ones of FreeSWITCH's have 10 kB each, and a packet of Asterisk's may have a megabyte.
const BYTES_MAX: usize = 64 << 20;

/// Limits of a hub.
#[derive(Debug, Clone, Copy)]
pub struct HubLimits {
    /// Events that are remembered.
    pub events_max: usize,
    /// Devices, and registrations, whose state is remembered.
    pub devices_max: usize,
}

impl Default for HubLimits {
    fn default() -> Self {
        // an event of a call has some 2 kB, shared with the state
        HubLimits { events_max: 8_192, devices_max: 20_000 }
    }
}

/// An event's number in the feed: which run of the feed, and which event of it. `18c2f3a1-42` in text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EventId {
    /// The run; another one after each start of the server.
    pub epoch: u64,
    /// The first event is 1.
    pub sequence: u64,
}

impl fmt::Display for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:x}-{}", self.epoch, self.sequence)
    }
}

impl FromStr for EventId {
    type Err = ();

    fn from_str(text: &str) -> Result<EventId, ()> {
        let (epoch, sequence) = text.split_once('-').ok_or(())?;
        Ok(EventId { epoch: u64::from_str_radix(epoch, 16).map_err(drop)?, sequence: sequence.parse().map_err(drop)? })
    }
}

impl Serialize for EventId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// An event that is about to be published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Draft {
    /// The switch's name.
    pub switch: String,
    /// Whose it is; none is everybody's (gaps).
    pub tenant: Option<String>,
    /// When. Microseconds since 1970.
    pub at_us: u64,
    /// What.
    pub what: What,
}

/// An event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Event {
    /// Its number in the feed.
    pub id: EventId,
    /// The switch's name.
    pub switch: String,
    /// Its number among this switch's events: 1, 2, 3, … without a hole. `seq` in JSON, where a `number` is a telephone's.
    #[serde(rename = "seq")]
    pub number: u64,
    /// Whose it is; none is everybody's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tenant: Option<String>,
    /// When. Microseconds since 1970; RFC 3339 in JSON.
    #[serde(rename = "at", serialize_with = "super::time::instant")]
    pub at_us: u64,
    /// What.
    #[serde(flatten)]
    pub what: What,
}

/// Where a reader is: behind which event he goes on.
pub type Cursor = EventId;

/// What a reader gets.
#[derive(Debug, Clone)]
pub enum Page {
    /// The events behind his place, oldest first; none if there are none yet.
    Events(Vec<Arc<Event>>),
    /// Events behind his place are no longer remembered (or his place is of another run): let him have the state.
    Behind(Snapshot),
}

/// How things stand.
#[derive(Debug, Clone, Serialize)]
pub struct Snapshot {
    /// The last event that is in it; the next one is the first that isn't.
    pub id: EventId,
    /// Live calls, by id.
    pub calls: Vec<Arc<CallView>>,
    /// Devices, by switch and name.
    pub devices: Vec<Known<Device>>,
    /// Registrations, by switch and name.
    pub registrations: Vec<Known<Registration>>,
}

/// What is known of a thing of a switch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Known<T> {
    /// The switch's name.
    pub switch: String,
    /// Whose it is; none is everybody's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tenant: Option<String>,
    /// Its state.
    #[serde(flatten)]
    pub state: T,
}

/// The feed.
pub struct Hub {
    limits: HubLimits,
    inner: Mutex<Inner>,
    /// The number of the last event.
    last: watch::Sender<u64>,
    /// How many want raw events.
    raw: Arc<Gauge>,
}

struct Inner {
    epoch: u64,
    sequence: u64,
    events: VecDeque<Arc<Event>>,
    /// What they take.
    bytes: usize,
    numbers: HashMap<String, u64>,
    calls: BTreeMap<String, Arc<CallView>>,
    devices: BTreeMap<(String, String), Known<Device>>,
    registrations: BTreeMap<(String, String), Known<Registration>>,
}

/// Wants raw events for as long as it lives.
pub struct RawWanted(Arc<Hub>);

impl Drop for RawWanted {
    fn drop(&mut self) {
        self.0.raw.sub(1);
    }
}

impl Hub {
    /// An empty feed. The epoch tells runs apart: the time of the start will do.
    #[must_use]
    pub fn new(epoch: u64, limits: HubLimits) -> Hub {
        let inner = Inner {
            epoch,
            sequence: 0,
            events: VecDeque::new(),
            bytes: 0,
            numbers: HashMap::new(),
            calls: BTreeMap::new(),
            devices: BTreeMap::new(),
            registrations: BTreeMap::new(),
        };
        Hub { limits, inner: Mutex::new(inner), last: watch::Sender::new(0), raw: Arc::default() }
    }

    /// Publishes an event, and keeps what it says of the state.
    pub fn publish(&self, draft: Draft) -> EventId {
        let mut inner = self.lock();
        inner.sequence += 1;
        let id = EventId { epoch: inner.epoch, sequence: inner.sequence };
        let number = inner.numbers.entry(draft.switch.clone()).or_default();
        *number += 1;
        let event = Event { id, number: *number, switch: draft.switch, tenant: draft.tenant, at_us: draft.at_us, what: draft.what };
        inner.keep(&event, self.limits);
        inner.bytes += event.what.bytes();
        while (inner.events.len() >= self.limits.events_max || inner.bytes > BYTES_MAX)
            && let Some(oldest) = inner.events.pop_front()
        {
            inner.bytes -= oldest.what.bytes();
        }
        inner.events.push_back(Arc::new(event));
        drop(inner);
        self.last.send_replace(id.sequence);
        id
    }

    /// Forgets what was known of a switch's calls, and gives it back: its state is told anew. Nothing is said of it.
    #[must_use]
    pub fn forget_calls(&self, switch: &str) -> Vec<Arc<CallView>> {
        let calls = &mut self.lock().calls;
        let (theirs, others) = std::mem::take(calls).into_iter().partition(|(_, call)| call.switch == switch);
        *calls = others;
        let theirs: BTreeMap<_, _> = theirs;
        theirs.into_values().collect()
    }

    /// The events behind a place, so many at most.
    #[must_use]
    pub fn after(&self, cursor: Cursor, events_max: usize) -> Page {
        let inner = self.lock();
        let oldest = inner.sequence + 1 - inner.events.len() as u64;
        if cursor.epoch != inner.epoch || cursor.sequence > inner.sequence || cursor.sequence + 1 < oldest {
            return Page::Behind(inner.snapshot());
        }
        let skip = (cursor.sequence + 1 - oldest) as usize;
        Page::Events(inner.events.iter().skip(skip).take(events_max).cloned().collect())
    }

    /// How things stand.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        self.lock().snapshot()
    }

    /// The place behind the last event.
    #[must_use]
    pub fn now(&self) -> Cursor {
        let inner = self.lock();
        EventId { epoch: inner.epoch, sequence: inner.sequence }
    }

    /// Changes when there is something new; its value is the last event's number.
    #[must_use]
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.last.subscribe()
    }

    /// Asks for raw events for as long as what is returned lives.
    #[must_use]
    pub fn want_raw(self: &Arc<Hub>) -> RawWanted {
        self.raw.add(1);
        RawWanted(self.clone())
    }

    /// How many want raw events, now and later.
    #[must_use]
    pub fn raw_wanted(&self) -> Arc<Gauge> {
        self.raw.clone()
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn keep(&mut self, event: &Event, limits: HubLimits) {
        let key = |name: &str| (event.switch.clone(), name.to_owned());
        match &event.what {
            What::Ended { call } => _ = self.calls.remove(&call.id),
            What::Device(device) => {
                let key = key(&device.device);
                if self.devices.len() < limits.devices_max || self.devices.contains_key(&key) {
                    self.devices.insert(key, known(event, device));
                }
            }
            What::Registration(registration) => {
                let key = key(&registration.who);
                if self.registrations.len() < limits.devices_max || self.registrations.contains_key(&key) {
                    self.registrations.insert(key, known(event, registration));
                }
            }
            // a pop speaks of a call that may be over
            What::Pop(_) => {}
            what => {
                if let Some(call) = what.call() {
                    self.calls.insert(call.id.clone(), call.clone());
                }
            }
        }
    }

    fn snapshot(&self) -> Snapshot {
        Snapshot {
            id: EventId { epoch: self.epoch, sequence: self.sequence },
            calls: self.calls.values().cloned().collect(),
            devices: self.devices.values().cloned().collect(),
            registrations: self.registrations.values().cloned().collect(),
        }
    }
}

fn known<T: Clone>(event: &Event, state: &T) -> Known<T> {
    Known { switch: event.switch.clone(), tenant: event.tenant.clone(), state: state.clone() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cti::{Gap, Raw};

    fn gap(switch: &str) -> Draft {
        Draft { switch: switch.into(), tenant: None, at_us: 0, what: What::Gap(Gap { why: "overrun".into(), lost: Some(1) }) }
    }

    fn hub(events_max: usize) -> Hub {
        Hub::new(7, HubLimits { events_max, devices_max: 2 })
    }

    #[test]
    fn a_reader_goes_on_where_he_was_and_is_told_when_that_is_gone() {
        let hub = hub(3);
        let start = hub.now();
        for _ in 0..3 {
            hub.publish(gap("a"));
        }
        let Page::Events(events) = hub.after(start, 2) else { panic!("all three are remembered") };
        assert_eq!(events.iter().map(|e| e.id.sequence).collect::<Vec<_>>(), [1, 2]);
        hub.publish(gap("a"));
        assert!(matches!(hub.after(start, 9), Page::Behind(_)));
        let Page::Events(events) = hub.after(EventId { epoch: 7, sequence: 1 }, 9) else { panic!("2 to 4 are remembered") };
        assert_eq!(events.len(), 3);
        assert!(matches!(hub.after(EventId { epoch: 6, sequence: 3 }, 9), Page::Behind(_)), "another run");
        assert!(matches!(hub.after(EventId { epoch: 7, sequence: 5 }, 9), Page::Behind(_)), "the future");
        assert!(matches!(hub.after(hub.now(), 9), Page::Events(none) if none.is_empty()));
    }

    #[test]
    fn large_raw_events_take_no_more_memory_than_the_feed_has() {
        let hub = hub(8_192);
        let start = hub.now();
        let raw = || Raw { event: "UserEvent".into(), fields: vec![("Data".into(), "x".repeat(1 << 20))] };
        for _ in 0..100 {
            hub.publish(Draft { switch: "a".into(), tenant: None, at_us: 0, what: What::Raw(raw()) });
        }
        assert!(matches!(hub.after(start, 9), Page::Behind(_)));
        let held: usize = hub.lock().events.iter().map(|event| event.what.bytes()).sum();
        assert!(held <= BYTES_MAX && held == hub.lock().bytes, "{held}");
        let last = EventId { sequence: 99, ..hub.now() };
        assert!(matches!(hub.after(last, 9), Page::Events(events) if events.len() == 1));
    }

    #[test]
    fn events_are_numbered_by_switch_without_a_hole() {
        let hub = hub(10);
        let start = hub.now();
        for switch in ["a", "b", "a"] {
            hub.publish(gap(switch));
        }
        let Page::Events(events) = hub.after(start, 9) else { panic!("all are remembered") };
        let numbers: Vec<_> = events.iter().map(|e| (e.switch.as_str(), e.number)).collect();
        assert_eq!(numbers, [("a", 1), ("b", 1), ("a", 2)]);
    }

    #[test]
    fn devices_beyond_the_limit_are_not_remembered_and_known_ones_are_kept_current() {
        let hub = hub(10);
        let device = |name: &str, state: &str| Draft {
            switch: "a".into(),
            tenant: None,
            at_us: 0,
            what: What::Device(Device { device: name.into(), extension: None, state: state.into() }),
        };
        for (name, state) in [("1", "in-use"), ("2", "in-use"), ("3", "in-use"), ("1", "busy")] {
            hub.publish(device(name, state));
        }
        let states: Vec<_> = hub.snapshot().devices.into_iter().map(|d| (d.state.device, d.state.state)).collect();
        assert_eq!(states, [("1".to_owned(), "busy".to_owned()), ("2".into(), "in-use".into())]);
    }

    #[test]
    fn an_id_reads_as_it_is_written_and_nothing_else_does() {
        let id = EventId { epoch: 0x18c2_f3a1, sequence: 42 };
        assert_eq!(id.to_string(), "18c2f3a1-42");
        assert_eq!("18c2f3a1-42".parse(), Ok(id));
        for bad in ["", "42", "x-1", "1-x", "1-", "-1", "1-99999999999999999999999"] {
            assert_eq!(bad.parse::<EventId>(), Err(()), "{bad:?}");
        }
    }
}
