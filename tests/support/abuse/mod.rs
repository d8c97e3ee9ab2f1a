//! Attackers: what they write to the server's ports, and how they behave until the server is rid of them.
//!
//! All of them run on one thread that gives way to everybody else: they stand for other machines. None of them closes what
//! the server has to close.

pub mod attacks;
pub mod injection;

use crate::support::Running;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;
use strowger::daemon::threads;
use thread_priority::{
    NormalThreadSchedulePolicy, ThreadPriority, ThreadSchedulePolicy, set_thread_priority_and_policy, thread_native_id,
    thread_schedule_policy,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

/// A port of the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Door {
    Agi,
    Esl,
    Lookup,
    Admin,
}

impl Door {
    pub const ALL: [Door; 4] = [Door::Agi, Door::Esl, Door::Lookup, Door::Admin];
}

/// Where the ports are.
#[derive(Debug, Clone, Copy)]
pub struct Doors {
    pub agi: SocketAddr,
    pub esl: SocketAddr,
    pub lookup: SocketAddr,
    pub admin: SocketAddr,
}

impl Doors {
    pub fn of(server: &Running) -> Doors {
        Doors { agi: server.agi, esl: server.esl, lookup: server.lookup_http, admin: server.http }
    }

    fn address(&self, door: Door) -> SocketAddr {
        match door {
            Door::Agi => self.agi,
            Door::Esl => self.esl,
            Door::Lookup => self.lookup,
            Door::Admin => self.admin,
        }
    }
}

/// What is done with a connection once its first bytes are written.
#[derive(Debug, Clone)]
pub enum Then {
    /// It is closed at once.
    Close,
    /// It is reset at once.
    Reset,
    /// Nothing more comes; the server has to close it.
    Hold,
    /// The first bytes come one a second instead; the server has to close it.
    Drip,
    /// The same comes again and again until the server closes.
    Pour(Vec<u8>),
}

/// One connection of an attacker.
#[derive(Debug, Clone)]
pub struct Connection {
    pub door: Door,
    pub says: Vec<u8>,
    pub then: Then,
}

/// An item of the abuse list.
pub struct Attack {
    pub name: &'static str,
    /// What it is called once all attackers have a connection, where that is another thing.
    pub once_there: Option<&'static str>,
    /// Attackers, each with one connection at a time.
    pub attackers: usize,
    /// How long an attacker takes from one connection to the next; `None`: it comes once.
    pub every: Option<Duration>,
    /// The n-th connection of all.
    pub connection: fn(u64) -> Connection,
}

/// What attackers have done.
#[derive(Debug, Default)]
pub struct Deeds {
    pub connections: AtomicU64,
    pub bytes: AtomicU64,
}

/// Attackers at work.
pub struct Attackers {
    stop: Arc<AtomicBool>,
    pub deeds: Arc<Deeds>,
    thread: Option<JoinHandle<bool>>,
}

impl Attackers {
    pub fn begin(attack: &Attack, doors: Doors) -> Attackers {
        let (stop, deeds) = (Arc::new(AtomicBool::new(false)), Arc::new(Deeds::default()));
        let (told, done) = (stop.clone(), deeds.clone());
        let (attackers, every, connection) = (attack.attackers, attack.every, attack.connection);
        let thread = std::thread::spawn(move || {
            give_way();
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let mut all = JoinSet::new();
                let next = Arc::new(AtomicU64::new(0));
                for n in 0..attackers {
                    let (told, done, next) = (told.clone(), done.clone(), next.clone());
                    all.spawn(async move {
                        tokio::time::sleep(BETWEEN_COMERS * n as u32).await;
                        loop {
                            let pause = tokio::time::sleep(every.unwrap_or_default());
                            let connection = connection(next.fetch_add(1, Ordering::Relaxed));
                            one(doors.address(connection.door), connection, &done).await;
                            if every.is_none() || told.load(Ordering::Relaxed) {
                                break;
                            }
                            pause.await;
                        }
                    });
                }
                tokio::time::timeout(CLOSED_WITHIN + ROUND_MAX, async { while all.join_next().await.is_some() {} }).await.is_ok()
            })
        });
        Attackers { stop, deeds, thread: Some(thread) }
    }

    /// No connection is opened any more; those that stand go on with what they do.
    pub fn stop(&self) {
        self.stop.store(true, Ordering::Relaxed);
    }

    /// Whether the server has got rid of all of them.
    pub fn are_gone(&self) -> bool {
        self.thread.as_ref().is_none_or(JoinHandle::is_finished)
    }

    /// Waits for the last one.
    pub fn end(mut self) {
        self.stop();
        assert!(self.thread.take().unwrap().join().unwrap(), "the server didn't close what it had to close");
    }
}

/// Attackers give way to the server and its callers at once. Where these run in real time (`chrt -r 1 cargo test …`, which
/// takes figures on a machine that is busy with other things, too), a usual thread does, and gets something done.
fn give_way() {
    if !leave_real_time() {
        threads::lower_priority();
    }
}

/// Makes a thread in real time a usual one; whether it was in real time.
pub fn leave_real_time() -> bool {
    let is_real_time = matches!(thread_schedule_policy(), Ok(ThreadSchedulePolicy::Realtime(_)));
    if is_real_time {
        let usual = ThreadSchedulePolicy::Normal(NormalThreadSchedulePolicy::Other);
        set_thread_priority_and_policy(thread_native_id(), ThreadPriority::Min, usual).unwrap();
        rustix::process::setpriority_process(None, 0).unwrap();
    }
    is_real_time
}

/// How long the server may take to be as it was before.
pub const CLOSED_WITHIN: Duration = Duration::from_secs(60);
/// One attacker after the other: ten thousand come within a second.
const BETWEEN_COMERS: Duration = Duration::from_micros(100);
/// No attack is longer.
const ROUND_MAX: Duration = Duration::from_secs(120);

/// One connection, until it is over. Errors are no news: it is closed, and that is what is wanted.
async fn one(address: SocketAddr, connection: Connection, deeds: &Deeds) {
    let Ok(mut stream) = TcpStream::connect(address).await else { return };
    deeds.connections.fetch_add(1, Ordering::Relaxed);
    let wrote = |n: usize| _ = deeds.bytes.fetch_add(n as u64, Ordering::Relaxed);
    if !matches!(connection.then, Then::Drip) {
        if stream.write_all(&connection.says).await.is_err() {
            return;
        }
        wrote(connection.says.len());
    }
    match connection.then {
        Then::Close => return,
        Then::Reset => return drop(socket2::SockRef::from(&stream).set_linger(Some(Duration::ZERO))),
        Then::Hold => {}
        Then::Drip => {
            let (mut reading, mut writing) = stream.split();
            let drip = async {
                for byte in &connection.says {
                    if writing.write_all(std::slice::from_ref(byte)).await.is_err() {
                        break;
                    }
                    wrote(1);
                    tokio::time::sleep(Duration::from_secs(1)).await;
                }
            };
            tokio::select! {
                () = drip => {}
                () = heard_out(&mut reading) => return,
            }
        }
        Then::Pour(piece) => {
            let (mut reading, mut writing) = stream.split();
            let pour = async {
                while writing.write_all(&piece).await.is_ok() {
                    wrote(piece.len());
                    // the other attackers have their turn
                    tokio::task::yield_now().await;
                }
            };
            tokio::join!(pour, heard_out(&mut reading));
            return;
        }
    }
    heard_out(&mut stream).await;
}

/// Reads until the server closes.
async fn heard_out(stream: &mut (impl AsyncReadExt + Unpin)) {
    let mut piece = [0; 4096];
    while matches!(stream.read(&mut piece).await, Ok(n) if n > 0) {}
}
