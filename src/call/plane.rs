//! Listener, limits and threads of the call plane.
//!
//! Each call thread has a runtime of its own and takes connections from the same sockets. There is no queue between
//! accepting and answering: a connection is served at once, or answered at once that it isn't.

use super::answer::{Answerer, DISK_READERS_MAX};
use super::stats::{CallStats, Ending};
use super::{fastagi, lookup, outbound};
use crate::peers::Peers;
use socket2::{Domain, Protocol, Socket, Type};
use std::io;
use std::net::{SocketAddr, TcpListener as StdListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::watch;

/// What is asked of the kernel as backlog; it gives `net.core.somaxconn` at most. A full one costs a caller 2 s.
const BACKLOG: i32 = 65_535;
/// How long a new connection may take to put its question. Asterisk needs a third of a millisecond.
const QUESTION_WAIT_MAX: Duration = Duration::from_secs(2);
/// The same when more than half of the sessions are taken: whoever connects and says nothing must make room.
const QUESTION_WAIT_CROWDED_MAX: Duration = Duration::from_millis(250);
/// Sessions above the cap that are still told so; those above these are closed without a word.
const REFUSALS_MAX: usize = 512;
/// One in so many sessions may be a connection over HTTP: whoever keeps such connections, or doesn't read from them, must
/// not take the places of calls at the other doors. A switch needs one for a millisecond.
const HTTP_SHARE: usize = 4;
/// Sockets of FreeSWITCH that are waited for beyond their time, without a session's place: when something holds its
/// event socket's lock, all its calls stand between the connection and the reply to `connect`.
const HELD_MAX: usize = 4_096;
/// The pause after a failed `accept` (descriptors used up, say): long enough not to spin, short enough not to matter.
const ACCEPT_PAUSE: Duration = Duration::from_millis(10);
/// How often a full house is looked at again.
const FULL_PAUSE: Duration = Duration::from_millis(5);
/// How often a call thread shows that it lives.
const BEAT: Duration = Duration::from_millis(250);
/// How long those that are told so may take to hear it.
const REFUSALS_WAIT_MAX: Duration = Duration::from_millis(300);
/// How long sessions may take to finish once the plane is told to stop.
const DRAIN_WAIT_MAX: Duration = Duration::from_secs(5);
/// The same where somebody else serves already, so that nobody waits for this: longer than any socket is held.
const HANDED_OVER_WAIT_MAX: Duration = Duration::from_secs(40);

/// How the plane is told to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ShutdownLevel {
    /// Serve.
    Run,
    /// Finish what runs, refuse what comes.
    Drain,
    /// Stop.
    Now,
}

/// Who comes in by a socket, and what is spoken there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Door {
    /// Asterisk: FastAGI.
    Agi,
    /// FreeSWITCH: the outbound event socket.
    Esl,
    /// Either: HTTP.
    Http,
}

/// Why a session isn't served as usual, if it isn't.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Admission {
    /// It is served.
    Served,
    /// Too many sessions.
    Capacity,
    /// The agent is stopping.
    Draining,
}

/// Limits of the plane.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Sessions that are served at once.
    pub sessions_max: usize,
}

/// A call thread's sign of life: it grows while the thread turns.
#[derive(Debug, Default)]
pub struct Heartbeat {
    beats: AtomicU64,
    ended: AtomicBool,
}

impl Heartbeat {
    /// What it stands at.
    pub fn get(&self) -> u64 {
        self.beats.load(Ordering::Relaxed)
    }

    /// Whether the thread has ended, as it was told.
    pub fn has_ended(&self) -> bool {
        self.ended.load(Ordering::Acquire)
    }
}

/// What all call threads share.
pub struct CallPlane {
    /// Answers.
    pub answerer: Answerer,
    /// Counts.
    pub stats: CallStats,
    limits: Limits,
    /// Sessions that are being served or refused.
    sessions: AtomicUsize,
    /// Those of them that are served.
    served: AtomicUsize,
    /// Those of them that are connections over HTTP.
    over_http: AtomicUsize,
    /// Sockets that are waited for without a place.
    held: AtomicUsize,
    /// Set while `accept` fails, so that a streak of failures is one line in the log.
    accept_fails: AtomicBool,
    /// Who may come in, at each door.
    peers: Vec<(Door, Peers)>,
    /// Set where somebody else has the listening sockets too and serves on: whoever comes is left to him.
    has_heir: AtomicBool,
    /// Set where he serves already.
    is_handed_over: AtomicBool,
    /// Set while nobody is taken in: whoever comes waits in the sockets.
    resting: watch::Sender<bool>,
    /// Doors of threads that take nobody in at the moment.
    at_rest: AtomicUsize,
}

/// Binds a listening socket for the plane.
///
/// # Errors
/// Whatever the system says; the caller names the address and the remedy.
pub fn bind(address: SocketAddr) -> io::Result<StdListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

/// One session's place; given back when it ends, however it ends.
pub(super) struct Place {
    plane: Arc<CallPlane>,
    kind: PlaceKind,
    over_http: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum PlaceKind {
    Served,
    Refused,
    Held,
}

impl Place {
    pub(super) fn plane(&self) -> &Arc<CallPlane> {
        &self.plane
    }

    /// Makes room for others and waits on; `false` where too many do that already.
    pub(super) fn step_aside(&mut self) -> bool {
        if self.plane.held.fetch_add(1, Ordering::AcqRel) >= HELD_MAX {
            self.plane.held.fetch_sub(1, Ordering::AcqRel);
            return false;
        }
        self.give_back();
        self.kind = PlaceKind::Held;
        true
    }

    fn give_back(&self) {
        match self.kind {
            PlaceKind::Held => _ = self.plane.held.fetch_sub(1, Ordering::AcqRel),
            PlaceKind::Served | PlaceKind::Refused => _ = self.plane.sessions.fetch_sub(1, Ordering::AcqRel),
        }
        if self.kind == PlaceKind::Served {
            self.plane.served.fetch_sub(1, Ordering::AcqRel);
        }
        if self.over_http {
            self.plane.over_http.fetch_sub(1, Ordering::AcqRel);
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.give_back();
    }
}

/// A call thread that is ready to turn: what it needs of the system it has, so that connections that come before its first
/// turn can't take that away.
pub struct CallThread {
    runtime: Runtime,
    doors: Vec<(Door, TcpListener)>,
}

impl CallThread {
    /// Makes a runtime for listeners.
    ///
    /// # Errors
    /// The system has no descriptors to give.
    pub fn new(listeners: Vec<(Door, StdListener)>) -> io::Result<CallThread> {
        let runtime = Builder::new_current_thread().enable_all().max_blocking_threads(DISK_READERS_MAX).build()?;
        let inside = runtime.enter();
        let doors: io::Result<Vec<_>> = listeners.into_iter().map(|(door, l)| Ok((door, TcpListener::from_std(l)?))).collect();
        drop(inside);
        Ok(CallThread { doors: doors?, runtime })
    }

    /// Serves connections until told to stop; run it on a thread of its own.
    pub fn run(self, plane: &Arc<CallPlane>, shutdown: watch::Receiver<ShutdownLevel>, heartbeat: &Arc<Heartbeat>) {
        self.runtime.block_on(async {
            let beating = tokio::spawn(beat(heartbeat.clone()));
            let accepting: Vec<_> = self
                .doors
                .into_iter()
                .map(|(door, listener)| tokio::spawn(plane.clone().accept(door, listener, shutdown.clone())))
                .collect();
            for door in accepting {
                // one that panicked takes no more calls, and the watchdog must hear of it
                if let Err(error) = door.await
                    && error.is_panic()
                {
                    std::panic::resume_unwind(error.into_panic());
                }
            }
            beating.abort();
        });
        // sessions that wait for a dead peer are not waited for
        self.runtime.shutdown_background();
        heartbeat.ended.store(true, Ordering::Release);
    }
}

impl CallPlane {
    /// A plane that serves nobody yet.
    pub fn new(answerer: Answerer, limits: Limits) -> CallPlane {
        CallPlane {
            answerer,
            stats: CallStats::default(),
            limits,
            sessions: AtomicUsize::new(0),
            served: AtomicUsize::new(0),
            over_http: AtomicUsize::new(0),
            held: AtomicUsize::new(0),
            accept_fails: AtomicBool::new(false),
            peers: Vec::new(),
            has_heir: AtomicBool::new(false),
            is_handed_over: AtomicBool::new(false),
            resting: watch::Sender::new(false),
            at_rest: AtomicUsize::new(0),
        }
    }

    /// Lets in only these and this machine; at a door without a list, everybody.
    #[must_use]
    pub fn with_peers(self, peers: Vec<(Door, Peers)>) -> CallPlane {
        CallPlane { peers, ..self }
    }

    /// From now on somebody else has the listening sockets too: told to drain, the plane takes no more calls instead of
    /// refusing them. They wait in the sockets for whoever comes next.
    pub fn leave_to_heir(&self) {
        self.has_heir.store(true, Ordering::Release);
    }

    /// Somebody else has the sockets and serves: told to drain, the plane takes its time.
    pub fn hand_over(&self) {
        self.is_handed_over.store(true, Ordering::Release);
        self.leave_to_heir();
    }

    /// Takes nobody in from now on; whoever comes waits in the sockets, for [`CallPlane::wake`] or for another process that has
    /// them too. Sessions go on.
    pub fn rest(&self) {
        self.resting.send_replace(true);
    }

    /// Takes whoever comes in again.
    pub fn wake(&self) {
        self.resting.send_replace(false);
    }

    /// How many of the doors, each counted once for each call thread, take nobody in.
    pub fn doors_at_rest(&self) -> usize {
        self.at_rest.load(Ordering::Acquire)
    }

    /// Sessions right now, those that are refused among them.
    pub fn sessions(&self) -> usize {
        self.sessions.load(Ordering::Relaxed)
    }

    /// Sessions that are served at once.
    pub fn sessions_max(&self) -> usize {
        self.limits.sessions_max
    }

    async fn accept(self: Arc<Self>, door: Door, listener: TcpListener, mut shutdown: watch::Receiver<ShutdownLevel>) {
        let for_sessions = shutdown.clone();
        let mut resting = self.resting.subscribe();
        loop {
            tokio::select! {
                biased;
                level = told_to_stop(&mut shutdown, ShutdownLevel::Drain) => {
                    if level == ShutdownLevel::Drain {
                        break;
                    }
                    return;
                }
                () = until(&mut resting, true) => {
                    self.at_rest.fetch_add(1, Ordering::AcqRel);
                    tokio::select! {
                        _ = told_to_stop(&mut shutdown, ShutdownLevel::Drain) => {}
                        () = until(&mut resting, false) => {}
                    }
                    self.at_rest.fetch_sub(1, Ordering::AcqRel);
                }
                accepted = self.next(door, &listener) => match accepted {
                    Ok(stream) => {
                        self.accept_fails.store(false, Ordering::Relaxed);
                        self.admit(stream, door, false, &for_sessions);
                    }
                    Err(error) => self.pause(&error).await,
                },
            }
        }
        self.drain(door, &listener, &mut shutdown).await;
    }

    /// The next connection. FreeSWITCH's wait in front of a full house: closed without a word, a call in async mode
    /// would be parked for ever.
    async fn next(&self, door: Door, listener: &TcpListener) -> io::Result<TcpStream> {
        while door == Door::Esl && self.sessions.load(Ordering::Acquire) >= self.limits.sessions_max + REFUSALS_MAX {
            tokio::time::sleep(FULL_PAUSE).await;
        }
        let peers = self.peers.iter().find(|(at, _)| *at == door).map(|(_, peers)| peers);
        loop {
            let (stream, from) = listener.accept().await?;
            let at = || stream.local_addr().ok().map(|at| at.ip());
            if peers.is_none_or(|peers| peers.allow(from.ip(), at())) {
                return Ok(stream);
            }
            tracing::debug!(peer = %from, ?door, "somebody came who may not; the connection was closed");
            self.stats.ended(Ending::Denied);
        }
    }

    /// Refuses what comes, with an answer, until the sessions that are served have ended; then waits a moment for those
    /// that are being refused.
    async fn drain(self: &Arc<Self>, door: Door, listener: &TcpListener, shutdown: &mut watch::Receiver<ShutdownLevel>) {
        let for_sessions = shutdown.clone();
        let wait_max = if self.is_handed_over.load(Ordering::Acquire) { HANDED_OVER_WAIT_MAX } else { DRAIN_WAIT_MAX };
        let deadline = tokio::time::Instant::now() + wait_max;
        let has_heir = self.has_heir.load(Ordering::Acquire);
        let mut look = tokio::time::interval(Duration::from_millis(5));
        let mut quiet_looks = 0;
        // who takes over answers nobody who is here already, so all of them are waited for; otherwise those that are served
        let is_quiet = || match has_heir {
            true => self.sessions.load(Ordering::Acquire) + self.held.load(Ordering::Acquire) == 0,
            false => self.served.load(Ordering::Acquire) == 0,
        };
        // two looks without one: a session may have been accepted between the order and the first
        while quiet_looks < 2 {
            tokio::select! {
                biased;
                _ = told_to_stop(shutdown, ShutdownLevel::Now) => return,
                () = tokio::time::sleep_until(deadline) => return,
                _ = look.tick() => {
                    quiet_looks = if is_quiet() { quiet_looks + 1 } else { 0 };
                }
                accepted = self.next(door, listener), if !has_heir => match accepted {
                    Ok(stream) => self.admit(stream, door, true, &for_sessions),
                    Err(error) => self.pause(&error).await,
                },
            }
        }
        if has_heir {
            return;
        }
        // who comes until the socket is closed is told too; those who are being refused are waited for a moment
        let soon = deadline.min(tokio::time::Instant::now() + REFUSALS_WAIT_MAX);
        loop {
            while let Ok(Ok(stream)) = tokio::time::timeout(Duration::ZERO, self.next(door, listener)).await {
                self.admit(stream, door, true, &for_sessions);
            }
            if self.sessions.load(Ordering::Acquire) == 0 || tokio::time::Instant::now() >= soon {
                return;
            }
            look.tick().await;
        }
    }

    async fn pause(&self, error: &io::Error) {
        self.stats.accept_errors.add_one();
        // a peer that was gone before we looked is no trouble of ours
        if !matches!(error.kind(), io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset | io::ErrorKind::Interrupted) {
            if !self.accept_fails.swap(true, Ordering::Relaxed) {
                tracing::warn!(%error, "connections can't be accepted; trying again until they can");
            }
            tokio::time::sleep(ACCEPT_PAUSE).await;
        }
    }

    fn admit(self: &Arc<Self>, stream: TcpStream, door: Door, draining: bool, shutdown: &watch::Receiver<ShutdownLevel>) {
        let taken = self.sessions.fetch_add(1, Ordering::AcqRel);
        let over_http = door == Door::Http;
        let taken_over_http = if over_http { self.over_http.fetch_add(1, Ordering::AcqRel) } else { 0 };
        let sessions_max = self.limits.sessions_max;
        let is_full = taken >= sessions_max || taken_over_http >= (sessions_max / HTTP_SHARE).max(1);
        if taken >= sessions_max {
            self.stats.sessions_cap.add_one();
        } else if is_full {
            self.stats.http_cap.add_one();
        }
        let (admission, kind) = match (draining, is_full) {
            (true, _) => (Admission::Draining, PlaceKind::Refused),
            (false, true) => (Admission::Capacity, PlaceKind::Refused),
            (false, false) => (Admission::Served, PlaceKind::Served),
        };
        if kind == PlaceKind::Served {
            self.served.fetch_add(1, Ordering::AcqRel);
        }
        let mut place = Place { plane: self.clone(), kind, over_http };
        if taken >= sessions_max + REFUSALS_MAX && door != Door::Esl {
            self.stats.ended(Ending::Dropped);
            return;
        }
        let wait = if taken * 2 > sessions_max { QUESTION_WAIT_CROWDED_MAX } else { QUESTION_WAIT_MAX };
        // answers are one small write each; a lost option costs nothing but time
        let _ = stream.set_nodelay(true);
        let shutdown = over_http.then(|| shutdown.clone());
        tokio::spawn(async move {
            let plane = place.plane().clone();
            match (door, shutdown) {
                (Door::Agi, _) => plane.stats.ended(fastagi::session(stream, &plane.answerer, &plane.stats, admission, wait).await),
                (Door::Esl, _) => plane.stats.ended(outbound::session(stream, &mut place, admission, wait).await),
                // counts its look-ups itself: there may be many on one connection
                (Door::Http, shutdown) => lookup::connection(stream, &plane, admission, wait, shutdown).await,
            }
        });
    }
}

/// Waits until the plane is told to stop at least so firmly, and says how firmly. Whoever could tell it being gone
/// means the same.
pub(super) async fn told_to_stop(shutdown: &mut watch::Receiver<ShutdownLevel>, least: ShutdownLevel) -> ShutdownLevel {
    shutdown.wait_for(|level| *level >= least).await.map_or(ShutdownLevel::Now, |level| *level)
}

async fn until(resting: &mut watch::Receiver<bool>, wanted: bool) {
    // whoever could change it being gone, nobody is waited for any more
    let _ = resting.wait_for(|resting| *resting == wanted).await;
}

async fn beat(heartbeat: Arc<Heartbeat>) {
    loop {
        heartbeat.beats.fetch_add(1, Ordering::Relaxed);
        tokio::time::sleep(BEAT).await;
    }
}
