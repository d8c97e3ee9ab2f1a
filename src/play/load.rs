//! Many calls, measured: a closed loop (each connection calls again as soon as it is free) or an open one (calls begin at
//! a fixed rate, whether the server keeps up or not).
//!
//! What shaped it:
//!
//! * A closed loop hides a stall: while the server stands still, nobody calls, and one slow call is counted instead of
//!   the hundred that would have met it ("coordinated omission"). So in open loop a call's latency runs from when it
//!   *should* have begun; the service time is reported beside it.
//! * It is measured beside the server on the same few cores, so it must cost little and leave the others alone: one
//!   thread, all sockets on it. A thread for each connection with blocking calls took a third more CPU (64 against 47 µs a
//!   call, nearly all of it the kernel's), and half the rate when pinned to one core.
//! * The runtime's timers tick in milliseconds. So a second thread paces the open loop: it sleeps until shortly before a
//!   call's time, yields through the rest (a sleep comes some 50 µs late), and hands out one permit for each call.
//! * The switches open a connection for every call, and so do we ([`LoadWay`] has the exception). What is said over it is in
//!   `agi`, `socket` and `http`: templates with slots, one write, and a look at the answer that allocates nothing.

mod agi;
mod http;
mod socket;
mod template;

use super::call::Way;
use super::report::{Failures, LoadReport, Recorder, Statuses};
use std::{
    cell::{Cell, RefCell},
    io,
    net::SocketAddr,
    rc::Rc,
    sync::Arc,
    thread,
    time::{Duration, Instant},
};
use tokio::{
    net::TcpStream,
    sync::Semaphore,
    task::{JoinSet, LocalSet},
};

/// Most connections at one time: a process may usually open 1,024 descriptors. A server that answers within its budget of
/// 100 ms needs 200 of them at 2,000 calls a second.
pub const CONNECTIONS_MAX: usize = 1_000;

/// How long before a call's time the pacing thread stops sleeping: about a sleep's usual lateness.
const SLEEP_MARGIN: Duration = Duration::from_micros(60);

/// Which switch calls, and by which of its ways it asks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LoadWay {
    /// Switch and way.
    pub way: Way,
    /// Over HTTP, ask again over the same connection. FreeSWITCH never does; it tells what a connection costs.
    pub keep_alive: bool,
}

/// When calls begin.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Pace {
    /// Each connection calls again at once.
    Closed,
    /// At a fixed rate; a call that finds no free connection begins late, and its wait counts.
    Open {
        /// Calls a second.
        calls_per_second: f64,
    },
}

/// What to play.
#[derive(Debug, Clone)]
pub struct LoadPlan {
    /// The server.
    pub address: SocketAddr,
    /// Path and query of the URL.
    pub request: String,
    /// Arguments of `AGI()` behind the URL.
    pub arguments: Vec<String>,
    /// When calls begin.
    pub pace: Pace,
    /// Connections at most at one time, 1 to [`CONNECTIONS_MAX`].
    pub connections: usize,
    /// Stop after so many calls.
    pub calls_max: Option<u64>,
    /// Start no call after this time.
    pub duration_max: Option<Duration>,
    /// Longest time for a call, from its connect to the server's FIN.
    pub wait_max: Duration,
    /// Whether an answer's `STROWGER_STATUS` (empty if it isn't set) is as it should be; `None` takes any.
    pub expect: Option<fn(&[u8]) -> bool>,
}

/// What can't be played.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LoadError {
    /// No connections, or too many.
    #[error("connections must be 1 to {CONNECTIONS_MAX}")]
    Connections,
    /// A rate that isn't a positive number.
    #[error("the rate must be over 0 calls a second")]
    Rate,
    /// Neither a number of calls nor a duration: it would never end.
    #[error("give a number of calls or a duration")]
    NoEnd,
    /// No time to wait in.
    #[error("the wait for an answer must be over 0")]
    Wait,
    /// Control characters in the request or the arguments.
    #[error("the request and its arguments must not hold control characters")]
    ControlCharacter,
    /// The thread or its sockets could not be set up.
    #[error("the load could not be started: {0}")]
    Start(io::ErrorKind),
}

/// Plays the plan and blocks until it is done; not to be called from inside a runtime. `numbers` gives the caller's number
/// and the number called for each call, counted from 0; it should be cheap.
///
/// # Errors
/// [`LoadError`] for a plan that can't be played. Failing calls are counted in the report.
pub fn run<N>(plan: &LoadPlan, numbers: N) -> Result<LoadReport, LoadError>
where
    N: Fn(u64) -> (String, String) + 'static,
{
    run_by(LoadWay::default(), plan, numbers)
}

/// As [`run`], by the way that is named: `run` plays Asterisk.
///
/// # Errors
/// [`LoadError`] for a plan that can't be played. Failing calls are counted in the report.
pub fn run_by<N>(way: LoadWay, plan: &LoadPlan, numbers: N) -> Result<LoadReport, LoadError>
where
    N: Fn(u64) -> (String, String) + 'static,
{
    let start = |error: io::Error| LoadError::Start(error.kind());
    let schedule = Schedule::new(plan)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(start)?;
    let permits = Arc::new(Semaphore::new(0));
    let load = Rc::new(Load {
        plan: plan.clone(),
        asker: Asker::new(way, plan),
        numbers,
        schedule,
        permits: Arc::clone(&permits),
        next: Cell::new(0),
        found: RefCell::new(Found::new()),
    });
    let connections = plan.connections;
    let pacer = schedule
        .interval
        .map(|_| thread::Builder::new().name("load-pace".to_owned()).spawn(move || schedule.pace(&permits, connections)))
        .transpose()
        .map_err(start)?;
    LocalSet::new().block_on(&runtime, async {
        let mut tasks = JoinSet::new();
        for _ in 0..connections {
            tasks.spawn_local(Rc::clone(&load).play());
        }
        while tasks.join_next().await.is_some() {}
    });
    if let Some(pacer) = pacer {
        // It has handed out every permit, or the tasks would not be done.
        let _ = pacer.join();
    }
    Ok(load.report())
}

/// When calls begin, and which is the last.
#[derive(Clone, Copy)]
struct Schedule {
    began: Instant,
    /// Between two calls; `None` in closed loop.
    interval: Option<Duration>,
    /// Calls in all; in closed loop the time may be up before.
    calls: u64,
    /// No call begins from here on.
    end: Option<Instant>,
}

impl Schedule {
    fn new(plan: &LoadPlan) -> Result<Self, LoadError> {
        let mut texts = std::iter::once(&plan.request).chain(&plan.arguments);
        if !(1..=CONNECTIONS_MAX).contains(&plan.connections) {
            return Err(LoadError::Connections);
        }
        if plan.calls_max.is_none() && plan.duration_max.is_none() {
            return Err(LoadError::NoEnd);
        }
        if plan.wait_max.is_zero() {
            return Err(LoadError::Wait);
        }
        if texts.any(|text| text.contains(|c: char| c.is_control())) {
            return Err(LoadError::ControlCharacter);
        }
        let began = Instant::now();
        let calls = plan.calls_max.unwrap_or(u64::MAX);
        let Pace::Open { calls_per_second } = plan.pace else {
            return Ok(Self { began, interval: None, calls, end: plan.duration_max.map(|duration| began + duration) });
        };
        let interval = Duration::try_from_secs_f64(1.0 / calls_per_second).map_err(|_| LoadError::Rate)?;
        if interval.is_zero() {
            return Err(LoadError::Rate);
        }
        let within = |duration: Duration| u64::try_from(duration.as_nanos().div_ceil(interval.as_nanos())).unwrap_or(u64::MAX);
        let calls = calls.min(plan.duration_max.map_or(u64::MAX, within));
        // A server that can't keep up must not hold us for ever; what has not begun by then is counted as such.
        let end = began.checked_add(at(interval, calls).saturating_add(plan.wait_max));
        Ok(Self { began, interval: Some(interval), calls, end })
    }

    fn intended(&self, index: u64) -> Option<Instant> {
        self.interval.map(|interval| self.began + at(interval, index))
    }

    /// Hands out a permit for each call when its time has come, and one for each connection to find that all is done.
    fn pace(&self, permits: &Semaphore, connections: usize) {
        for index in 0..self.calls {
            let Some(intended) = self.intended(index) else { break };
            loop {
                let left = intended.saturating_duration_since(Instant::now());
                match left.checked_sub(SLEEP_MARGIN) {
                    Some(sleep) if !sleep.is_zero() => thread::sleep(sleep),
                    _ if left.is_zero() => break,
                    _ => thread::yield_now(),
                }
            }
            permits.add_permits(1);
        }
        permits.add_permits(connections);
    }
}

fn at(interval: Duration, index: u64) -> Duration {
    let nanoseconds = interval.as_nanos().saturating_mul(u128::from(index));
    Duration::from_nanos(u64::try_from(nanoseconds).unwrap_or(u64::MAX))
}

/// What the calls of a run share.
struct Load<N> {
    plan: LoadPlan,
    asker: Asker,
    numbers: N,
    schedule: Schedule,
    permits: Arc<Semaphore>,
    next: Cell<u64>,
    found: RefCell<Found>,
}

struct Found {
    calls: u64,
    failed: Failures,
    statuses: Statuses,
    recorder: Recorder,
}

impl Found {
    fn new() -> Self {
        Self { calls: 0, failed: Failures::default(), statuses: Statuses::default(), recorder: Recorder::new() }
    }

    fn fail(&mut self, failure: Failure) {
        let failed = &mut self.failed;
        *match failure {
            Failure::Refused => &mut failed.refused,
            Failure::TimedOut => &mut failed.timed_out,
            Failure::NotBegun => &mut failed.not_begun,
            Failure::Reset => &mut failed.reset,
            Failure::NoAnswer => &mut failed.no_answer,
            Failure::Malformed => &mut failed.malformed,
            Failure::UnexpectedStatus => &mut failed.unexpected_status,
            Failure::Local => &mut failed.local,
        } += 1;
    }
}

/// Why a call failed; see [`Failures`].
#[derive(Debug, Clone, Copy)]
enum Failure {
    Refused,
    TimedOut,
    NotBegun,
    Reset,
    NoAnswer,
    Malformed,
    UnexpectedStatus,
    Local,
}

/// What a connection reuses from call to call.
struct Scratch {
    /// What is written.
    out: Vec<u8>,
    /// A part of it, where that is put together from two.
    part: Vec<u8>,
    buffer: Box<[u8]>,
    /// The connection, where it is kept.
    kept: Option<TcpStream>,
}

impl Scratch {
    fn new(buffer_bytes: usize) -> Self {
        Self { out: Vec::with_capacity(8_192), part: Vec::new(), buffer: vec![0; buffer_bytes].into(), kept: None }
    }
}

/// What is said in a call.
enum Asker {
    Agi(agi::Asker),
    Socket(socket::Asker),
    Http(http::Asker),
}

impl Asker {
    fn new(way: LoadWay, plan: &LoadPlan) -> Self {
        match way.way {
            Way::FastAgi => Self::Agi(agi::Asker::new(plan)),
            Way::Socket(mode) => Self::Socket(socket::Asker::new(plan, mode)),
            Way::Xml => Self::Http(http::Asker::new(plan, true, way.keep_alive)),
            Way::Name => Self::Http(http::Asker::new(plan, false, way.keep_alive)),
        }
    }

    fn scratch(&self) -> Scratch {
        Scratch::new(match self {
            Self::Agi(_) => agi::BUFFER_BYTES,
            Self::Socket(_) => socket::BUFFER_BYTES,
            Self::Http(_) => http::BUFFER_BYTES,
        })
    }

    fn fill(&self, index: u64, from: &str, to: &str, scratch: &mut Scratch) {
        match self {
            Self::Agi(asker) => asker.fill(index, from, to, scratch),
            Self::Socket(asker) => asker.fill(index, from, to, scratch),
            Self::Http(asker) => asker.fill(index, from, to, scratch),
        }
    }

    /// One call, from the connect to the end of the session; gives when its answer was complete.
    async fn call(&self, scratch: &mut Scratch, judge: impl Fn(Option<&[u8]>) -> Result<(), Failure>) -> Result<Instant, Failure> {
        match self {
            Self::Agi(asker) => asker.call(scratch, judge).await,
            Self::Socket(asker) => asker.call(scratch, judge).await,
            Self::Http(asker) => asker.call(scratch, judge).await,
        }
    }
}

async fn connect(address: SocketAddr) -> Result<TcpStream, Failure> {
    TcpStream::connect(address).await.map_err(|error| match error.kind() {
        io::ErrorKind::ConnectionRefused => Failure::Refused,
        io::ErrorKind::ConnectionReset => Failure::Reset,
        _ => Failure::Local,
    })
}

impl<N: Fn(u64) -> (String, String)> Load<N> {
    /// One connection's calls, one after the other.
    async fn play(self: Rc<Self>) {
        let mut scratch = self.asker.scratch();
        loop {
            let free = Instant::now();
            let Some(index) = self.next_call().await else { return };
            let began = Instant::now();
            let is_over = self.schedule.end.is_some_and(|end| began >= end);
            let intended = match self.schedule.intended(index) {
                None if is_over => return,
                None => began,
                Some(intended) => intended,
            };
            self.found.borrow_mut().calls += 1;
            if is_over {
                self.found.borrow_mut().fail(Failure::NotBegun);
                continue;
            }
            if self.schedule.interval.is_some() && free <= intended {
                self.found.borrow_mut().recorder.record_pacing(nanoseconds(intended, began));
            }
            let (from, to) = (self.numbers)(index);
            self.asker.fill(index, &from, &to, &mut scratch);
            let call = self.asker.call(&mut scratch, |status| self.judge(status));
            let outcome = tokio::time::timeout(self.plan.wait_max, call).await.unwrap_or(Err(Failure::TimedOut));
            if outcome.is_err() {
                scratch.kept = None;
            }
            let mut found = self.found.borrow_mut();
            let answered = match outcome {
                Ok(answered) => answered,
                Err(failure) => {
                    found.fail(failure);
                    if !matches!(failure, Failure::TimedOut) {
                        continue;
                    }
                    Instant::now()
                }
            };
            found.recorder.record(nanoseconds(intended, answered), nanoseconds(began, answered));
        }
    }

    /// The next call's number, when its time has come; `None` when there is none left.
    async fn next_call(&self) -> Option<u64> {
        if self.schedule.interval.is_some() {
            self.permits.acquire().await.ok()?.forget();
        }
        let index = self.next.get();
        self.next.set(index + 1);
        (index < self.schedule.calls).then_some(index)
    }

    fn judge(&self, status: Option<&[u8]>) -> Result<(), Failure> {
        self.found.borrow_mut().statuses.count(status);
        match self.plan.expect {
            Some(is_expected) if !is_expected(status.unwrap_or_default()) => Err(Failure::UnexpectedStatus),
            _ => Ok(()),
        }
    }

    fn report(&self) -> LoadReport {
        let seconds = self.schedule.began.elapsed().as_secs_f64();
        let found = self.found.borrow();
        #[expect(clippy::cast_precision_loss, reason = "nobody plays 2^53 calls")]
        let answered = found.calls.saturating_sub(found.failed.total()) as f64;
        let (mode, calls_per_second_wanted) = match self.plan.pace {
            Pace::Closed => ("closed", None),
            Pace::Open { calls_per_second } => ("open", Some(calls_per_second)),
        };
        LoadReport {
            mode,
            connections: self.plan.connections,
            calls_per_second_wanted,
            duration_seconds: seconds,
            calls: found.calls,
            calls_per_second: answered / seconds,
            failed: found.failed,
            statuses: found.statuses,
            latency: found.recorder.latency(),
            service: found.recorder.service(),
            pacing: found.recorder.pacing(),
            histogram: found.recorder.histogram(),
        }
    }
}

fn nanoseconds(from: Instant, to: Instant) -> u64 {
    u64::try_from(to.duration_since(from).as_nanos()).unwrap_or(u64::MAX)
}
