//! The running program: which threads there are, how they are told to stop, and in what order.
//!
//! Only this module spawns threads. Calls have theirs, and so have the log, the signals and the watchdog, at normal
//! priority; the writer and the admin plane have one each behind calls, so that an import never takes the processor
//! from one.

mod ending;
mod events;
mod hand_over;
mod inherited;
mod limits;
mod log;
mod otel;
mod signals;
mod sockets;
mod status;
pub mod threads;
mod watchdog;

pub use events::EventOptions;
pub use hand_over::Predecessor;
pub use inherited::Inherited;
pub use log::{LogGuard, LogTarget, start as start_log};
pub use otel::untraced;

use crate::call::{Answerer, CallPlane, CallThread, Delay, Door, Heartbeat, Limits, ShutdownLevel};
use crate::clock::{Clock, SystemClock};
use crate::config::Config;
use crate::control::{AdminDoor, AdminServer, BindError, Desk, HandOver, Observed};
use crate::logbook::Levels;
use crate::routing::Tenants;
use crate::store::{Store, StoreError};
use crate::wish;
use ending::Ended;
use events::{Events, JournalIs};
use hand_over::{Asker, Estate, Order};
use status::plane_status;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::thread::JoinHandle;
use std::time::Duration;
use thiserror::Error;
use tokio::sync::watch;

/// Descriptors that are kept from sessions: for those that are refused, the store, administrators.
const DESCRIPTORS_KEPT: usize = 1024;
/// Sessions that are served at once, however few descriptors there are.
const SESSIONS_MIN: usize = 64;
/// How often a thread that should end is looked after.
const JOIN_LOOK: Duration = Duration::from_millis(5);
/// The call plane's doors, by the names that their sockets have.
const CALL_DOORS: [&str; 3] = ["agi", "esl", "lookup-http"];

/// Why the program can't start.
#[derive(Debug, Error)]
pub enum StartError {
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A port.
    #[error("{what} can't listen on {address} ({error}); {remedy}")]
    Listen {
        /// Who is to come in there.
        what: &'static str,
        /// Where.
        address: SocketAddr,
        /// What the system said.
        error: io::Error,
        /// What to do.
        remedy: String,
    },
    /// The admin socket.
    #[error(transparent)]
    Admin(#[from] BindError),
    /// A thread.
    #[error("a thread could not be started ({0})")]
    Thread(#[from] io::Error),
    /// The server that was to be taken over from.
    #[error("{0}")]
    TakeOver(String),
}

/// What a server finds where it starts.
#[derive(Default)]
pub struct Surroundings {
    /// Log levels that an administrator may change.
    pub levels: Option<Levels>,
    /// Sockets that were passed.
    pub inherited: Inherited,
    /// The server that it takes over from, which has been told that it can.
    pub predecessor: Option<Predecessor>,
    /// What is done at a SIGHUP.
    pub on_hangup: Option<Box<dyn Fn() + Send>>,
}

/// What a test or the demo changes about a server.
#[derive(Debug, Clone, Copy, Default)]
pub struct Options {
    /// A fault in front of every decision.
    pub delay: Delay,
    /// Whether SIGTERM and SIGINT end it.
    pub signals: bool,
    /// Faults of the event plane.
    pub events: EventOptions,
}

/// A server that runs.
pub struct Server {
    agi: SocketAddr,
    esl: SocketAddr,
    lookup_http: SocketAddr,
    http: SocketAddr,
    admin: PathBuf,
    store: Store,
    rules: Arc<Tenants>,
    shutdown: watch::Sender<ShutdownLevel>,
    admin_stop: watch::Sender<bool>,
    calls: Vec<JoinHandle<()>>,
    admin_thread: JoinHandle<()>,
    wishes_thread: JoinHandle<()>,
    writer: JoinHandle<()>,
    tracing_thread: Option<JoinHandle<()>>,
    events: Events,
    estate: Estate,
    orders: Receiver<Order>,
    is_main: Arc<AtomicBool>,
}

impl Server {
    /// Opens the store, binds every socket and starts every thread. When this returns, calls are answered.
    ///
    /// # Errors
    /// [`StartError`]; nothing runs then.
    pub fn start(config: &Config, options: Options, log_lines_dropped: Arc<dyn Fn() -> u64 + Send + Sync>) -> Result<Server, StartError> {
        Server::start_in(config, options, log_lines_dropped, Surroundings::default())
    }

    /// The same, on sockets that were passed where there are any, or in the place of another server; that one has ended its work
    /// when this returns.
    ///
    /// # Errors
    /// As [`Server::start`].
    pub fn start_in(
        config: &Config,
        options: Options,
        log_lines_dropped: Arc<dyn Fn() -> u64 + Send + Sync>,
        surroundings: Surroundings,
    ) -> Result<Server, StartError> {
        let Surroundings { levels, mut inherited, mut predecessor, on_hangup } = surroundings;
        if let Some(predecessor) = &mut predecessor {
            inherited = predecessor.sockets();
        }
        let descriptors_max = limits::raise_open_files();
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let (store, writer) = Store::open(&config.store_dir(), clock.clone())?;
        let mut listen = |what, door, address| sockets::listen(&mut inherited, config, what, door, address);
        let listeners = [
            (Door::Agi, listen("FastAGI", "agi", config.agi)?),
            (Door::Esl, listen("FreeSWITCH's outbound socket", "esl", config.esl)?),
            (Door::Http, listen("the look-up HTTP", "lookup-http", config.lookup_http)?),
        ];
        let admin_http = listen("the admin HTTP", "http", config.http)?;
        // the service manager keeps them: whoever comes while this ends waits for the next one
        let kept = inherited.kept().to_vec();
        let is_kept = CALL_DOORS.iter().all(|door| kept.iter().any(|kept| kept == door));
        let [agi, esl, lookup_http] = [listeners[0].1.local_addr()?, listeners[1].1.local_addr()?, listeners[2].1.local_addr()?];
        sockets::warn_of_left(&inherited, config);
        // closed: nobody is to wait in one of them
        drop(inherited);
        let http = admin_http.local_addr()?;
        for tenant in config.tenants.values() {
            tenant.plan.warm_up();
        }
        let rules = Arc::new(config.tenants.clone());
        // a session takes one descriptor; some are needed for everything else
        let sessions_max = config.sessions_max.min(descriptors_max.saturating_sub(DESCRIPTORS_KEPT).max(SESSIONS_MIN));
        if sessions_max < config.sessions_max {
            tracing::warn!(
                sessions_max,
                descriptors_max,
                "fewer sessions than configured are served at once; raise the limit on open files"
            );
        }
        let journal_is = if predecessor.is_some() { JournalIs::Anothers } else { JournalIs::Ours };
        let (records, mut events) = events::start(config, store.reader(), rules.clone(), &clock, options.events, journal_is)?;
        // sled's own threads write an import's megabytes
        threads::nice_those_named("sled");
        let answerer = Answerer::new(store.reader(), rules.clone(), events.glances.clone(), clock, config.answer_budget, options.delay);
        let answerer = answerer.with_whose(config.whose.clone()).with_shares(sessions_max).with_log_numbers(config.log_numbers);
        let answerer = match records {
            Some(records) => answerer.with_records(records),
            None => answerer,
        };
        let (admin_stop, stopping) = watch::channel(false);
        let tracing = otel::start(&config.otel, stopping.clone())?;
        let answerer = match tracing.steps {
            Some(steps) => answerer.with_steps(steps),
            None => answerer,
        };
        let (wishes, granting) = wish::channel();
        let answerer = answerer.with_wishes(wishes);
        let allowed = &config.allowed;
        let peers = vec![(Door::Agi, allowed.agi.clone()), (Door::Esl, allowed.esl.clone()), (Door::Http, allowed.lookup_http.clone())];
        let plane = Arc::new(CallPlane::new(answerer, Limits { sessions_max }).with_peers(peers));
        if is_kept {
            plane.leave_to_heir();
        }
        let observed = Observed {
            hub: events.hub.clone(),
            stats: events.stats.clone(),
            journal: events.journal.clone(),
            glances: Some(events.glances.clone()),
            searches: Arc::default(),
        };
        let doors = [("agi", agi), ("esl", esl), ("lookup-http", lookup_http), ("http", http)];
        let granter = Desk::new(store.clone(), rules.clone(), "a star code".to_owned(), None).observing(observed.clone());
        let planes = plane_status(&plane, doors, config.admin.clone(), log_lines_dropped, observed.stats.clone(), tracing.counts);
        let door = match &mut predecessor {
            Some(predecessor) => predecessor.admin(config)?,
            None => AdminDoor::bind(&config.admin)?,
        };
        let mut sockets = vec![("http", admin_http.try_clone()?)];
        for (name, (_, listener)) in CALL_DOORS.into_iter().zip(&listeners) {
            sockets.push((name, listener.try_clone()?));
        }
        let doors = listeners.len() * config.call_threads;
        let estate = Estate { store: store.clone(), plane: plane.clone(), sockets, admin: door.try_clone()?, kept, doors };
        let (asks, orders) = channel();
        let asker: Arc<dyn HandOver> = Arc::new(Asker::new(asks.clone()));
        let admin = AdminServer::at(door, admin_http, store.clone(), rules.clone(), planes, observed)?;
        let admin = admin.with_peers(allowed.http.clone()).with_levels(levels).with_hand_over(Some(asker));
        // the snapshot is wanted soon, also on a busy machine; edits can wait
        let writer = threads::spawn("writer", threads::Priority::Low, move || {
            let writer = writer.with_snapshot();
            threads::lower_priority();
            writer.run();
        })?;
        if predecessor.is_some() {
            until_snapshot_stands(&store)?;
            plane.rest();
        }
        let (shutdown, level) = watch::channel(ShutdownLevel::Run);
        let heartbeats: Vec<Arc<Heartbeat>> = (0..config.call_threads).map(|_| Arc::default()).collect();
        let mut calls = Vec::with_capacity(config.call_threads);
        for (n, heartbeat) in heartbeats.iter().enumerate() {
            let (plane, level, heartbeat) = (plane.clone(), level.clone(), heartbeat.clone());
            let doors: io::Result<Vec<_>> = listeners.iter().map(|(door, listener)| Ok((*door, listener.try_clone()?))).collect();
            let turning = CallThread::new(doors?)?;
            let name = format!("call-{n}");
            let ended = Ended(asks.clone());
            calls.push(threads::spawn(&name, threads::Priority::Normal, move || {
                let _ended = ended;
                turning.run(&plane, level, &heartbeat);
            })?);
        }
        // the service manager watches the predecessor until it has everything
        let is_main = Arc::new(AtomicBool::new(predecessor.is_none()));
        watchdog::start(heartbeats, is_main.clone())?;
        if let Some(predecessor) = predecessor {
            predecessor.until_calls_are_ours()?;
            // said before it is done: who takes calls is not to be ended any more
            predecessor.serves();
            plane.wake();
            // until here a signal ends this process, and the other one goes on
            if options.signals {
                signals::start(shutdown.clone(), on_hangup)?;
            }
            predecessor.until_all_is_ours();
            is_main.store(true, Ordering::Release);
            events.take_journal();
        } else if options.signals {
            signals::start(shutdown.clone(), on_hangup)?;
        }
        // all it does is wait for the writer, which is behind calls itself
        let stopping_wishes = stopping.clone();
        let wishes_thread = threads::spawn("wishes", threads::Priority::Background, move || {
            let mut granter = granter;
            granting.run(|| *stopping_wishes.borrow(), |wish| granter.grant(wish));
        })?;
        let admin_thread = threads::spawn("admin", threads::Priority::Background, move || admin.run(stopping))?;
        Ok(Server {
            agi,
            esl,
            lookup_http,
            http,
            admin: config.admin.clone(),
            store,
            rules,
            shutdown,
            admin_stop,
            calls,
            admin_thread,
            wishes_thread,
            writer,
            tracing_thread: tracing.thread,
            events,
            estate,
            orders,
            is_main,
        })
    }

    /// Where FastAGI listens.
    pub fn agi(&self) -> SocketAddr {
        self.agi
    }

    /// Where FreeSWITCH's outbound sockets come in.
    pub fn esl(&self) -> SocketAddr {
        self.esl
    }

    /// Where a switch asks over HTTP.
    pub fn lookup_http(&self) -> SocketAddr {
        self.lookup_http
    }

    /// Where CTI clients and monitoring ask over HTTP.
    pub fn http(&self) -> SocketAddr {
        self.http
    }

    /// The admin socket.
    pub fn admin(&self) -> &std::path::Path {
        &self.admin
    }

    /// A desk for requests of this process itself.
    pub fn desk(&self, who: &str) -> Desk {
        Desk::new(self.store.clone(), self.rules.clone(), who.to_owned(), None)
    }

    /// The store.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// Tells the call plane to stop; [`Server::wait`] sees it through.
    pub fn stop(&self, level: ShutdownLevel) {
        self.shutdown.send_modify(|l| *l = level.max(*l));
    }
}

/// Waits until calls can be answered from memory.
fn until_snapshot_stands(store: &Store) -> Result<(), StartError> {
    while !store.snapshot_stands() {
        if let Some(error) = store.failure() {
            return Err(error.into());
        }
        std::thread::sleep(JOIN_LOOK);
    }
    Ok(())
}
