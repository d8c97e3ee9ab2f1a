//! Listener, limits and threads of the call plane.
//!
//! Each call thread has a runtime of its own and takes connections from the same socket. There is no queue between
//! accepting and answering: a connection is served at once, or answered at once that it isn't.

use super::answer::{Answerer, DISK_READERS_MAX};
use super::fastagi::{self, Admission};
use super::stats::{CallStats, Ending};
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
/// How long a new connection may take to send its environment. Asterisk needs a third of a millisecond.
const ENVIRONMENT_WAIT_MAX: Duration = Duration::from_secs(2);
/// The same when more than half of the sessions are taken: whoever connects and says nothing must make room.
const ENVIRONMENT_WAIT_CROWDED_MAX: Duration = Duration::from_millis(250);
/// Sessions above the cap that are still told so; those above these are closed without a word.
const REFUSALS_MAX: usize = 512;
/// The pause after a failed `accept` (descriptors used up, say): long enough not to spin, short enough not to matter.
const ACCEPT_PAUSE: Duration = Duration::from_millis(10);
/// How often a call thread shows that it lives.
const BEAT: Duration = Duration::from_millis(250);
/// How long those that are told so may take to hear it.
const REFUSALS_WAIT_MAX: Duration = Duration::from_millis(300);
/// How long sessions may take to finish once the plane is told to stop.
const DRAIN_WAIT_MAX: Duration = Duration::from_secs(5);

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
    /// Limits.
    pub limits: Limits,
    /// Sessions that are being served or refused.
    pub sessions: AtomicUsize,
    /// Those of them that are served.
    pub served: AtomicUsize,
    /// Set while `accept` fails, so that a streak of failures is one line in the log.
    pub accept_fails: AtomicBool,
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
struct Place {
    plane: Arc<CallPlane>,
    served: bool,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.plane.sessions.fetch_sub(1, Ordering::AcqRel);
        if self.served {
            self.plane.served.fetch_sub(1, Ordering::AcqRel);
        }
    }
}

/// A call thread that is ready to turn: what it needs of the system it has, so that connections that come before its first
/// turn can't take that away.
pub struct CallThread {
    runtime: Runtime,
    listener: TcpListener,
}

impl CallThread {
    /// Makes a runtime for a listener.
    ///
    /// # Errors
    /// The system has no descriptors to give.
    pub fn new(listener: StdListener) -> io::Result<CallThread> {
        let runtime = Builder::new_current_thread().enable_all().max_blocking_threads(DISK_READERS_MAX).build()?;
        let listener = {
            let _inside = runtime.enter();
            TcpListener::from_std(listener)?
        };
        Ok(CallThread { runtime, listener })
    }

    /// Serves connections until told to stop; run it on a thread of its own.
    pub fn run(self, plane: &Arc<CallPlane>, mut shutdown: watch::Receiver<ShutdownLevel>, heartbeat: &Arc<Heartbeat>) {
        self.runtime.block_on(async {
            let beating = tokio::spawn(beat(heartbeat.clone()));
            plane.accept(&self.listener, &mut shutdown).await;
            beating.abort();
        });
        // sessions that wait for a dead peer are not waited for
        self.runtime.shutdown_background();
        heartbeat.ended.store(true, Ordering::Release);
    }
}

impl CallPlane {
    async fn accept(self: &Arc<Self>, listener: &TcpListener, shutdown: &mut watch::Receiver<ShutdownLevel>) {
        loop {
            tokio::select! {
                biased;
                level = shutdown.wait_for(|level| *level > ShutdownLevel::Run) => {
                    if level.is_ok_and(|l| *l == ShutdownLevel::Drain) {
                        break;
                    }
                    return;
                }
                accepted = listener.accept() => match accepted {
                    Ok((stream, _)) => {
                        self.accept_fails.store(false, Ordering::Relaxed);
                        self.admit(stream, false);
                    }
                    Err(error) => self.pause(&error).await,
                },
            }
        }
        self.drain(listener, shutdown).await;
    }

    /// Refuses what comes, with an answer, until the sessions that are served have ended; then waits a moment for those
    /// that are being refused.
    async fn drain(self: &Arc<Self>, listener: &TcpListener, shutdown: &mut watch::Receiver<ShutdownLevel>) {
        let deadline = tokio::time::Instant::now() + DRAIN_WAIT_MAX;
        let mut look = tokio::time::interval(Duration::from_millis(5));
        let mut quiet_looks = 0;
        // two looks without a served session: one may have been accepted between the order and the first
        while quiet_looks < 2 {
            tokio::select! {
                biased;
                _ = shutdown.wait_for(|level| *level == ShutdownLevel::Now) => return,
                () = tokio::time::sleep_until(deadline) => return,
                _ = look.tick() => {
                    quiet_looks = if self.served.load(Ordering::Acquire) == 0 { quiet_looks + 1 } else { 0 };
                }
                accepted = listener.accept() => match accepted {
                    Ok((stream, _)) => self.admit(stream, true),
                    Err(error) => self.pause(&error).await,
                },
            }
        }
        let soon = tokio::time::Instant::now() + REFUSALS_WAIT_MAX;
        while self.sessions.load(Ordering::Acquire) > 0 && tokio::time::Instant::now() < soon.min(deadline) {
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

    fn admit(self: &Arc<Self>, stream: TcpStream, draining: bool) {
        let taken = self.sessions.fetch_add(1, Ordering::AcqRel);
        let sessions_max = self.limits.sessions_max;
        let admission = match (draining, taken >= sessions_max) {
            (true, _) => Admission::Draining,
            (false, true) => Admission::Capacity,
            (false, false) => Admission::Served,
        };
        let served = admission == Admission::Served;
        if served {
            self.served.fetch_add(1, Ordering::AcqRel);
        }
        let place = Place { plane: self.clone(), served };
        if taken >= sessions_max + REFUSALS_MAX {
            self.stats.ended(Ending::Dropped);
            return;
        }
        let wait = if taken * 2 > sessions_max { ENVIRONMENT_WAIT_CROWDED_MAX } else { ENVIRONMENT_WAIT_MAX };
        // answers are one small write each; a lost option costs nothing but time
        let _ = stream.set_nodelay(true);
        tokio::spawn(async move {
            let plane = &place.plane;
            let ending = fastagi::session(stream, &plane.answerer, &plane.stats, admission, wait).await;
            plane.stats.ended(ending);
        });
    }
}

async fn beat(heartbeat: Arc<Heartbeat>) {
    loop {
        heartbeat.beats.fetch_add(1, Ordering::Relaxed);
        tokio::time::sleep(BEAT).await;
    }
}
