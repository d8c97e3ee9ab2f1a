//! The event plane's threads: the sockets at normal priority, what is done with what they say behind calls.
//!
//! A socket that isn't read in time is cut off by Asterisk after a tenth of a second, and stops FreeSWITCH for everybody;
//! so its thread isn't put behind anything. It frames and drops, and no more.

use super::threads::{self, Priority};
use crate::clock::Clock;
use crate::config::{self, Config, Secret, SwitchConfig};
use crate::cti::{Hub, HubLimits, PlaneStats, SourceStats};
use crate::decided::{self, DecisionSender};
use crate::event::source::{Pace, SourceConfig, SourceSecret, ring::RingLimits};
use crate::event::state::StateLimits;
use crate::event::{DirectoryNames, EventPlane, Fault, SourceInfo, SwitchKind};
use crate::journal::{Journal, JournalLimits, JournalWriter, PAGE_CALLS_MAX, QUEUE_CALLS_MAX, Query};
use crate::memory::Glances;
use crate::routing::Tenants;
use crate::store::Reader;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::mpsc::Sender;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::watch;

/// How long the event plane's threads may take to end: the journal writes what it has.
const END_WAIT_MAX: Duration = Duration::from_secs(5);
/// How far back calls are read again at a start, for who answered last. A day.
const RECALLED_US: u64 = 24 * 3_600 * 1_000_000;
/// So many of them, the latest, of each tenant: one page, some tens of milliseconds.
const RECALLED_CALLS_MAX: usize = PAGE_CALLS_MAX;
/// Threads that look names up for the sockets.
const RESOLVERS_MAX: usize = 2;

/// What tests and benchmarks put into the event plane.
#[derive(Debug, Clone, Copy, Default)]
pub struct EventOptions {
    /// A fault in front of each item.
    pub fault: Fault,
    /// A disk that takes so long over each write of the journal.
    pub journal_delay: Duration,
}

/// The event plane, and what others may know of it.
pub(super) struct Events {
    pub(super) hub: Arc<Hub>,
    pub(super) stats: Arc<PlaneStats>,
    pub(super) journal: Option<Journal>,
    pub(super) glances: Glances,
    stop: watch::Sender<bool>,
    threads: Vec<JoinHandle<()>>,
    /// Kept until the journal is this process's: its thread waits for that.
    journal_waits: Option<Sender<()>>,
}

/// Whose the journal is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum JournalIs {
    /// This process's.
    Ours,
    /// Another's yet, who hands it over; [`Events::take_journal`] says when.
    Anothers,
}

/// Starts the event plane, where switches are configured; without any there is nothing to listen to, and no thread.
/// What comes back first is for the calls, which tell it their decisions.
pub(super) fn start(
    config: &Config,
    store: Reader,
    tenants: Arc<Tenants>,
    clock: &Arc<dyn Clock>,
    options: EventOptions,
    journal_is: JournalIs,
) -> io::Result<(Option<DecisionSender>, Events)> {
    let sources: Vec<(SourceConfig, SourceInfo)> = config.switches.iter().map(source_of).collect();
    let stats = PlaneStats { sources: sources.iter().map(|(_, info)| info.stats.clone()).collect(), ..PlaneStats::default() };
    let stats = Arc::new(stats);
    let hub = Arc::new(Hub::new(clock.now_us() / 1_000, HubLimits::default()));
    let glances = Glances::new(tenants.keys().map(String::as_str));
    let (stop, stopping) = watch::channel(false);
    let journal = open_journal(config, !sources.is_empty(), journal_is);
    let (waits, is_ours) = std::sync::mpsc::channel();
    let journal_waits = (journal_is == JournalIs::Anothers).then_some(waits);
    let mut events = Events { hub, stats, journal, glances, stop, threads: Vec::new(), journal_waits };
    if sources.is_empty() {
        return Ok((None, events));
    }
    let priority = match config.events.priority {
        config::Priority::Idle => Priority::Background,
        config::Priority::Nice => Priority::Low,
    };
    let queue = match events.journal.clone() {
        Some(journal) => {
            let recall = Recall { journal: journal.clone(), glances: events.glances.clone(), clock: clock.clone() };
            let (queue, writer) = JournalWriter::new(journal, events.stats.clone(), clock.clone(), QUEUE_CALLS_MAX);
            let writer = writer.with_delay(options.journal_delay);
            let ids: Vec<String> = tenants.keys().cloned().collect();
            events.threads.push(threads::spawn("journal", priority, move || {
                // until the other end is gone; calls that are over wait in the queue
                let _: Result<(), _> = is_ours.recv();
                recall.who_answered(&ids);
                writer.run();
            })?);
            Some(queue)
        }
        None => None,
    };
    let (decisions, records) = decided::channel(decided::WAITING_MAX, events.stats.decisions_lost.clone());
    let intake = Builder::new_current_thread().enable_all().max_blocking_threads(RESOLVERS_MAX).thread_name("intake-names").build()?;
    let handle = intake.handle().clone();
    let for_intake = stopping.clone();
    events.threads.push(threads::spawn("intake", Priority::Normal, move || turn(intake, for_intake))?);
    let plane = EventPlane {
        sources,
        ring: RingLimits { events_max: config.events.ring_events_max, bytes_max: config.events.ring_bytes_max },
        limits: StateLimits {
            calls_max: config.events.calls_max,
            call_age_max_us: config.events.call_hours_max * 3_600 * 1_000_000,
            ..StateLimits::default()
        },
        hub: events.hub.clone(),
        stats: events.stats.clone(),
        glances: events.glances.clone(),
        journal: queue,
        clock: clock.clone(),
        names: Box::new(DirectoryNames::new(store, tenants)),
        fault: options.fault,
    };
    events.threads.push(threads::spawn("events", priority, move || plane.run(&handle, records, &stopping))?);
    Ok((Some(decisions), events))
}

/// Turns the sockets' runtime until told to stop.
fn turn(runtime: Runtime, mut stop: watch::Receiver<bool>) {
    runtime.block_on(async {
        let _ = stop.wait_for(|stop| *stop).await;
    });
    // a name that is being looked up isn't waited for
    runtime.shutdown_background();
}

impl Events {
    /// The journal is this process's from now on.
    pub(super) fn take_journal(&mut self) {
        if let Some(waits) = self.journal_waits.take() {
            if let Some(Err(error)) = self.journal.as_ref().map(Journal::reopen) {
                tracing::error!(%error, "the journal can't be opened; calls are answered, and it is tried again");
            }
            drop(waits);
        }
    }

    /// Closes the journal, so that another process can open it; nothing is written into it any more.
    pub(super) fn leave_journal(&self) {
        if let Some(journal) = &self.journal {
            journal.close();
        }
    }

    /// Ends it: sockets first, then what they said, then the journal, as long as nobody is in more of a hurry.
    pub(super) fn stop(&self, at_once: impl Fn() -> bool) {
        self.stop.send_replace(true);
        let until = Instant::now() + END_WAIT_MAX;
        while self.threads.iter().any(|thread| !thread.is_finished()) && Instant::now() < until && !at_once() {
            std::thread::sleep(super::JOIN_LOOK);
        }
    }
}

/// The journal, where there is something to write into it or somebody has; a journal that can't be opened is no reason not
/// to answer calls.
fn open_journal(config: &Config, is_written: bool, journal_is: JournalIs) -> Option<Journal> {
    let dir = config.journal_dir();
    if !is_written && !dir.exists() {
        return None;
    }
    let limits = JournalLimits {
        days_max: match config.events.journal_days {
            0 => u32::MAX,
            days => u32::try_from(days).unwrap_or(u32::MAX),
        },
        bytes_max: config.events.journal_mb_max * 1024 * 1024,
    };
    if journal_is == JournalIs::Anothers {
        return Some(Journal::closed(&dir, limits));
    }
    match Journal::open(&dir, limits) {
        Ok(journal) => Some(journal),
        Err(error) => {
            tracing::error!(%error, "the journal can't be used; calls are answered, and what becomes of them is not written down");
            None
        }
    }
}

/// Reads out of the journal what was known before a restart.
struct Recall {
    journal: Journal,
    glances: Glances,
    clock: Arc<dyn Clock>,
}

impl Recall {
    /// Who answered last, of each tenant's latest calls: whose turn it is among those rung longest ago. A journal that can't be
    /// read costs nothing but that.
    fn who_answered(&self, tenants: &[String]) {
        let (now_us, monotonic_us) = (self.clock.now_us(), self.clock.monotonic_us());
        for tenant in tenants {
            let since_us = Some(now_us.saturating_sub(RECALLED_US));
            let query = Query { tenant: tenant.clone(), since_us, limit: RECALLED_CALLS_MAX, ..Query::default() };
            let page = match self.journal.read(&query) {
                Ok(page) => page,
                Err(error) => {
                    tracing::warn!(%error, "the journal could not be read; who answered last is forgotten");
                    return;
                }
            };
            for call in page.calls {
                if let (Some(answered), Some(at_us)) = (&call.answered_by, call.answered_us) {
                    let ago_us = now_us.saturating_sub(at_us);
                    self.glances.memory.answered(tenant, &answered.member, monotonic_us.saturating_sub(ago_us));
                }
            }
        }
    }
}

fn source_of(switch: &SwitchConfig) -> (SourceConfig, SourceInfo) {
    let stats = Arc::new(SourceStats::new(&switch.name));
    let kind = match switch.kind {
        config::SwitchKind::Asterisk => SwitchKind::Asterisk,
        config::SwitchKind::Freeswitch => SwitchKind::FreeSwitch,
    };
    let config = SourceConfig {
        name: switch.name.clone(),
        kind,
        address: switch.address.clone(),
        user: switch.user.clone(),
        secret: match &switch.secret {
            Secret::Text(text) => SourceSecret::Text(text.clone()),
            Secret::File(path) => SourceSecret::File(path.clone()),
        },
        events: switch.events.clone(),
        stats: stats.clone(),
        pace: Pace::default(),
    };
    let info = SourceInfo { name: switch.name.clone(), kind, address: place_of(&switch.address), tenant: switch.tenant.clone(), stats };
    (config, info)
}

/// Where questions of a switch come from, as far as its address says so. A name isn't looked up here: its questions are
/// known by the call they are about.
fn place_of(address: &str) -> SocketAddr {
    let nowhere = SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0));
    match address.strip_prefix("localhost:").and_then(|port| port.parse().ok()) {
        Some(port) => SocketAddr::from((Ipv4Addr::LOCALHOST, port)),
        None => address.parse().unwrap_or(nowhere),
    }
}
