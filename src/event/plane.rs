//! The event plane at work: out of the rings, through the state, into the feed, the journal and the hints.
//!
//! It may fail as it likes: a panic here ends one run of it, and the next begins after a pause with fresh connections, whose
//! snapshots tell how things stand. Calls don't notice, because they wait for nothing here.

use super::source::ring::{self, RingLimits};
use super::source::{self, SourceConfig};
use super::state::{NOT_SEEN, State, StateLimits};
use super::{Item, Names, Now, Output, Remember, SourceInfo};
use crate::clock::Clock;
use crate::cti::{CallState, CallView, Disposition, Draft, Gap, Hub, PlaneStats, Raw, What};
use crate::decided::DecisionReceiver;
use crate::journal::JournalQueue;
use crate::memory::{Counted, Glances};
use crate::wire::{ami, esl};
use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::task::JoinSet;

/// How often the state looks at its clock.
const TICK: Duration = Duration::from_secs(1);
/// How often is looked whether something has come, when nothing had: nobody sees a screen pop this much later.
const LOOK: Duration = Duration::from_millis(4);
/// Items of one source that are done before it is the next one's turn.
const TURN_ITEMS_MAX: usize = 256;
/// The pause after a run that failed; it doubles from run to run.
const PAUSE_MIN: Duration = Duration::from_secs(1);
/// The longest pause between two runs.
const PAUSE_MAX: Duration = Duration::from_secs(60);
/// How long a run has to last for the next pause to be a short one again.
const STEADY: Duration = Duration::from_secs(300);

/// A fault that tests put into the event plane.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Fault {
    /// None: what production runs.
    #[default]
    None,
    /// It panics at each item of this number in a run.
    PanicAt(u64),
    /// It takes so long over each item.
    Slow(Duration),
}

/// What the event plane has to do with.
pub struct EventPlane {
    /// The switches.
    pub sources: Vec<(SourceConfig, SourceInfo)>,
    /// How much is queued for one of them.
    pub ring: RingLimits,
    /// How much is remembered.
    pub limits: StateLimits,
    /// Where it is said.
    pub hub: Arc<Hub>,
    /// Counters.
    pub stats: Arc<PlaneStats>,
    /// What calls may glance at.
    pub glances: Glances,
    /// Where calls that are over are written down, if there is a journal.
    pub journal: Option<JournalQueue>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Who has a number.
    pub names: Box<dyn Names + Send>,
    /// What tests put in.
    pub fault: Fault,
}

impl EventPlane {
    /// Runs until told to stop, on a thread of its own, behind calls. The sockets are held on the runtime of `intake`,
    /// which turns on a thread of normal priority.
    pub fn run(self, intake: &Handle, mut decisions: DecisionReceiver, stop: &watch::Receiver<bool>) {
        let mut pause = PAUSE_MIN;
        let mut forgotten = Forgotten::default();
        let mut is_again = false;
        loop {
            let began_us = self.clock.monotonic_us();
            let run = catch_unwind(AssertUnwindSafe(|| self.run_once(intake, &mut decisions, stop, &mut forgotten, is_again)));
            is_again = true;
            if *stop.borrow() {
                return;
            }
            let why = match run {
                Ok(Ok(())) => return,
                Ok(Err(error)) => error.to_string(),
                Err(panic) => text_of(panic.as_ref()),
            };
            self.stats.restarts.add_one();
            if self.clock.monotonic_us().saturating_sub(began_us) > STEADY.as_micros() as u64 {
                pause = PAUSE_MIN;
            }
            tracing::error!(why, pause_ms = pause.as_millis() as u64, "the event plane failed; it is started again, calls go on");
            for (_, info) in &self.sources {
                let at_us = self.clock.now_us();
                forgotten.extend(self.hub.forget_calls(&info.name).into_iter().map(|call| (call.id.clone(), (call, at_us))));
                let what = What::Gap(Gap { why: "restarted".into(), lost: None });
                self.hub.publish(Draft { switch: info.name.clone(), tenant: None, at_us, what });
                info.stats.gaps.add_one();
            }
            let until = std::time::Instant::now() + pause;
            while std::time::Instant::now() < until && !*stop.borrow() {
                std::thread::sleep(Duration::from_millis(50).min(pause));
            }
            pause = (pause * 2).min(PAUSE_MAX);
        }
    }

    fn journalled(&self, call: Arc<CallView>) {
        match &self.journal {
            // a full queue is counted there
            Some(journal) => _ = journal.offer(call),
            None => self.stats.journal_lost.add_one(),
        }
    }

    /// One run: connections, rings and state of its own.
    ///
    /// It looks for what has come instead of being told: to be told, those at normal priority would have to take a lock
    /// that this thread may be holding when it is interrupted.
    fn run_once(
        &self,
        intake: &Handle,
        decisions: &mut DecisionReceiver,
        stop: &watch::Receiver<bool>,
        forgotten: &mut Forgotten,
        is_again: bool,
    ) -> std::io::Result<()> {
        let infos: Vec<SourceInfo> = self.sources.iter().map(|(_, info)| info.clone()).collect();
        self.glances.memory.forget_live();
        self.glances.hints.clear();
        let mut state = State::new(infos, self.limits, self.stats.clone());
        if is_again {
            state.expect_repair();
        }
        let mut work = Work { plane: self, state, forgotten, out: Vec::new(), items: 0 };
        // dropped at the end of the run, however it ends: that closes the sockets
        let mut sockets = JoinSet::new();
        let mut rings = Vec::with_capacity(self.sources.len());
        for (config, info) in &self.sources {
            let (sender, receiver) = ring::channel(self.ring, info.stats.clone());
            sockets.spawn_on(source::run(config.clone(), sender, self.hub.raw_wanted(), stop.clone()), intake);
            rings.push(receiver);
        }
        let mut items = Vec::new();
        let mut ticked_us = self.clock.monotonic_us();
        while !*stop.borrow() {
            // whoever floods uses up his own turn, and then it is the next one's
            for (source, ring) in rings.iter_mut().enumerate() {
                items.extend((0..TURN_ITEMS_MAX).map_while(|_| Some((source, ring.try_recv()?))));
            }
            let is_idle = items.is_empty();
            // what was decided for a call before one of these happened to it has come by now
            while let Ok(record) = decisions.try_recv() {
                work.decided(record);
            }
            for (source, item) in items.drain(..) {
                work.item(source, item);
            }
            let now_us = self.clock.monotonic_us();
            if now_us.saturating_sub(ticked_us) >= TICK.as_micros() as u64 {
                ticked_us = now_us;
                work.tick();
            }
            match sockets.try_join_next() {
                Some(Err(error)) if error.is_panic() => resume_unwind(error.into_panic()),
                Some(_) if !*stop.borrow() => return Err(std::io::Error::other("a connection's part ended")),
                _ => {}
            }
            if is_idle {
                std::thread::sleep(LOOK);
            }
        }
        Ok(())
    }
}

/// Calls that lived when a run failed, by id, each with when that was, until the next one has told of them or knows that they
/// are over.
type Forgotten = HashMap<String, (Arc<CallView>, u64)>;

/// The state, and where what it says goes.
struct Work<'a> {
    plane: &'a EventPlane,
    state: State,
    forgotten: &'a mut Forgotten,
    out: Vec<Output>,
    items: u64,
}

impl Work<'_> {
    fn item(&mut self, source: usize, item: Item) {
        self.items += 1;
        match self.plane.fault {
            Fault::None => {}
            Fault::PanicAt(n) if n == self.items => panic!("a fault that a test put in"),
            Fault::PanicAt(_) => {}
            Fault::Slow(how_long) => std::thread::sleep(how_long),
        }
        if self.plane.hub.raw_wanted().get() > 0
            && let Some(raw) = raw_of(&item)
        {
            let info = &self.plane.sources[source].1;
            let (switch, tenant) = (info.name.clone(), Some(info.tenant.clone()));
            self.plane.hub.publish(Draft { switch, tenant, at_us: self.plane.clock.now_us(), what: What::Raw(raw) });
        }
        if matches!(item, Item::Up { .. }) {
            // not only from the next look at the clock on
            remember_of(self.plane, &Remember::Heard);
        }
        self.state.item(source, item, &*self.plane.names, now(&*self.plane.clock), &mut self.out);
        self.say();
    }

    fn decided(&mut self, record: crate::decided::DecisionRecord) {
        self.plane.stats.decisions_in.add_one();
        self.state.decided(record, &*self.plane.names, now(&*self.plane.clock), &mut self.out);
        self.say();
    }

    fn tick(&mut self) {
        self.state.tick(now(&*self.plane.clock), &mut self.out);
        self.say();
    }

    fn say(&mut self) {
        for output in self.out.drain(..) {
            match output {
                Output::Say(draft) => {
                    if !self.forgotten.is_empty() {
                        remember(self.plane, self.forgotten, &draft);
                    }
                    self.plane.hub.publish(draft);
                }
                Output::Finished(call) => self.plane.journalled(call),
                Output::Remember(what) => remember_of(self.plane, &what),
                Output::Hint(tenant, extension, hint) => {
                    // one that there is no room for says nothing, and then everybody rings
                    let _ = self.plane.glances.hints.set(&tenant, &extension, hint, self.plane.clock.now_us() / 1_000_000);
                }
            }
        }
    }
}

/// What decisions to come may glance at.
fn remember_of(plane: &EventPlane, what: &Remember) {
    let (memory, now_us) = (&plane.glances.memory, plane.clock.monotonic_us());
    match what {
        Remember::Heard => memory.heard(now_us),
        Remember::Answered(tenant, member) => memory.answered(tenant, member, now_us),
        Remember::Live { tenant, extension, class, calls } => memory.live(tenant, extension.as_deref(), *class, *calls, now_us),
        Remember::Seen(tenant, out) => {
            memory.seen(tenant, Counted { extension: &out.extension, class: out.class }, out.at_us);
        }
    }
}

/// What is told again is no longer forgotten; when its switch's state is whole again, what wasn't is over.
fn remember(plane: &EventPlane, forgotten: &mut Forgotten, draft: &Draft) {
    if let Some(call) = draft.what.call() {
        forgotten.remove(&call.id);
    }
    if draft.what != What::Repaired {
        return;
    }
    let mut over: Vec<_> = forgotten.extract_if(|_, (call, _)| call.switch == draft.switch).map(|(_, lost)| lost).collect();
    over.sort_unstable_by(|(a, _), (b, _)| a.id.cmp(&b.id));
    for (call, at_us) in over {
        // no more is known of it than that it still was when it was last heard of
        let since_ms = |begin_us: u64| at_us.saturating_sub(begin_us) / 1_000;
        let call = Arc::new(CallView {
            state: CallState::Ended,
            disposition: Some(Disposition::Unknown),
            cause: Some(NOT_SEEN.to_owned()),
            ended_us: Some(at_us.max(call.started_us)),
            duration_ms: Some(since_ms(call.started_us)),
            talk_ms: Some(call.answered_us.map_or(0, since_ms)),
            incomplete: true,
            ..CallView::clone(&call)
        });
        let (tenant, what) = (Some(call.tenant.clone()), What::Ended { call: call.clone() });
        plane.hub.publish(Draft { switch: draft.switch.clone(), tenant, at_us: draft.at_us, what });
        plane.journalled(call);
    }
}

fn now(clock: &dyn Clock) -> Now {
    Now { wall_us: clock.now_us(), monotonic_us: clock.monotonic_us() }
}

/// An event as the switch wrote it; what isn't one is none.
fn raw_of(item: &Item) -> Option<Raw> {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    match item {
        Item::Packet(packet @ ami::Packet::Event(fields)) => Some(Raw {
            event: text(packet.name().unwrap_or_default()),
            fields: fields.iter().map(|(name, value)| (text(name), text(value))).collect(),
        }),
        Item::Frame(frame) => {
            let event = esl::Event::from_frame(frame).ok()?;
            let fields = event.iter().flat_map(|(name, value)| value.iter().map(move |v| (name.to_owned(), v.to_owned()))).collect();
            Some(Raw { event: event.name().to_owned(), fields })
        }
        _ => None,
    }
}

fn text_of(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "it panicked".to_owned())
}
