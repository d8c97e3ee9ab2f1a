//! Switches that flood: a fake manager interface and a fake inbound event socket, whose clients are told more than any real
//! switch could say.
//!
//! They are there to show what a flood of events costs those who wait for answers. A real Asterisk writes some 6,000 events
//! a second and needs a processor for it; one written here costs a hundredth, because whole calls are rendered once and
//! only their ids change. They answer what a client asks (login, masks, lists, `show … as json`) as the recorded sessions
//! do, and flood those who have logged in and subscribed, between [`Flood::start`] and [`Flood::stop`].
//!
//! What is measured is what a switch would feel: how long a write takes. Asterisk cuts off a client whose socket takes
//! nothing for 100 ms, and FreeSWITCH stands still with all its clients as long as one of them doesn't read.
//!
//! **Priority.** Such a switch stands for another machine, and has no right to the processors of this one: its threads are
//! to run behind everything (`priority` of [`FloodPlan`] is called on each: give it what lowers a thread to `SCHED_IDLE`).
//! Then it waits for a processor itself at times, which a switch on its own machine wouldn't: `blocked_longest_us` leaves
//! that wait out, `write_longest_us` has it in.

mod asterisk;
mod block;
mod freeswitch;
mod null;
mod session;

pub use null::NullReader;

use serde::Serialize;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::Builder;
use std::time::Instant;

/// Most clients that a flood has had in its life; ids are told apart by them.
pub const CLIENTS_MAX: u64 = 200;

/// Which switch.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Switch {
    /// Its manager interface.
    #[default]
    Asterisk,
    /// Its inbound event socket.
    FreeSwitch,
}

/// What to pretend.
#[derive(Debug, Clone)]
pub struct FloodPlan {
    /// Which switch.
    pub switch: Switch,
    /// Who may log in (`user@domain` for `userauth` on FreeSWITCH).
    pub user: String,
    /// With what.
    pub secret: String,
    /// When the switch began, in seconds since 1970: ids and times of calls begin with it.
    pub epoch_seconds: u64,
    /// Events a second for each client; `None` writes what the client takes.
    pub events_per_second: Option<f64>,
    /// Called on each thread when it starts.
    pub priority: fn(),
}

impl Default for FloodPlan {
    /// Asterisk at full speed, at normal priority, for a client `flood` with the secret `flood`.
    fn default() -> Self {
        FloodPlan {
            switch: Switch::Asterisk,
            user: "flood".to_owned(),
            secret: "flood".to_owned(),
            epoch_seconds: 1_795_278_000,
            events_per_second: None,
            priority: || {},
        }
    }
}

/// What was measured since it was last asked.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct FloodReport {
    /// Since it was last asked.
    pub seconds: f64,
    /// Events that were written whole.
    pub events: u64,
    /// Their bytes.
    pub bytes: u64,
    /// The longest that one piece (64 kB at most) took to be written.
    pub write_longest_us: u64,
    /// The same without the time in which the writing thread waited for a processor of its own.
    pub blocked_longest_us: u64,
    /// Connections that were accepted.
    pub connections: u64,
    /// Of those that had subscribed, how many ended without being told to.
    pub connections_lost: u64,
    /// Logins that failed.
    pub logins_refused: u64,
}

#[derive(Default)]
struct Counts {
    events: AtomicU64,
    bytes: AtomicU64,
    write_longest_us: AtomicU64,
    blocked_longest_us: AtomicU64,
    connections: AtomicU64,
    lost: AtomicU64,
    refused: AtomicU64,
    subscribed: AtomicU64,
}

struct Shared {
    flooding: AtomicBool,
    ended: AtomicBool,
    counts: Counts,
}

impl Shared {
    fn ended(&self) -> bool {
        self.ended.load(Ordering::Relaxed)
    }
}

/// A switch that floods. It ends when it is dropped.
pub struct Flood {
    address: SocketAddr,
    shared: Arc<Shared>,
    since: Instant,
}

impl Flood {
    /// Listens on a free port of loopback. Clients are served from now on, and flooded from [`Flood::start`] on.
    ///
    /// # Errors
    /// No port or no thread is to be had.
    pub fn listen(plan: FloodPlan) -> io::Result<Flood> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared { flooding: AtomicBool::new(false), ended: AtomicBool::new(false), counts: Counts::default() });
        let accepting = Arc::clone(&shared);
        spawn("flood-accept", plan.priority, move || accept(&listener, &plan, &accepting))?;
        Ok(Flood { address, shared, since: Instant::now() })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Floods all who have subscribed, and who will.
    pub fn start(&self) {
        self.shared.flooding.store(true, Ordering::Relaxed);
    }

    /// Stops behind the piece that is being written. Calls of the block that was begun stay without an end until it is
    /// gone on with.
    pub fn stop(&self) {
        self.shared.flooding.store(false, Ordering::Relaxed);
    }

    /// Clients that have logged in and subscribed.
    #[must_use]
    pub fn subscribed(&self) -> u64 {
        self.shared.counts.subscribed.load(Ordering::Relaxed)
    }

    /// What was measured since this was last called, or since the beginning.
    pub fn report(&mut self) -> FloodReport {
        let seconds = self.since.elapsed().as_secs_f64();
        self.since = Instant::now();
        let counts = &self.shared.counts;
        let take = |counter: &AtomicU64| counter.swap(0, Ordering::Relaxed);
        FloodReport {
            seconds,
            events: take(&counts.events),
            bytes: take(&counts.bytes),
            write_longest_us: take(&counts.write_longest_us),
            blocked_longest_us: take(&counts.blocked_longest_us),
            connections: take(&counts.connections),
            connections_lost: take(&counts.lost),
            logins_refused: take(&counts.refused),
        }
    }
}

impl Drop for Flood {
    fn drop(&mut self) {
        self.shared.ended.store(true, Ordering::Relaxed);
        // wakes the thread that accepts
        let _ = TcpStream::connect(self.address);
    }
}

fn accept(listener: &TcpListener, plan: &FloodPlan, shared: &Arc<Shared>) {
    for lane in 0..CLIENTS_MAX {
        let stream = loop {
            match listener.accept() {
                Ok((stream, _)) => break stream,
                Err(_) if shared.ended() => return,
                // out of descriptors, or the client has gone already
                Err(_) => std::thread::sleep(session::LOOK),
            }
        };
        if shared.ended() {
            return;
        }
        shared.counts.connections.fetch_add(1, Ordering::Relaxed);
        // a client that can't be served finds its connection closed
        let _ = session::serve(stream, plan, shared, lane);
    }
}

/// Starts a thread of a flood; it ends by itself.
fn spawn(name: &str, priority: fn(), work: impl FnOnce() + Send + 'static) -> io::Result<()> {
    let thread = Builder::new().name(name.to_owned());
    thread.spawn(move || {
        priority();
        work();
    })?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn within(time: Duration, mut test: impl FnMut() -> bool) -> bool {
        let began = Instant::now();
        while !test() {
            if began.elapsed() > time {
                return false;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        true
    }

    #[test]
    fn a_client_that_reads_gets_all_that_was_written() {
        for switch in [Switch::Asterisk, Switch::FreeSwitch] {
            let plan = FloodPlan { switch, ..FloodPlan::default() };
            let mut flood = Flood::listen(plan.clone()).unwrap();
            let reader = NullReader::connect(flood.address(), &plan).unwrap();
            assert!(within(Duration::from_secs(10), || flood.subscribed() == 1), "{switch:?}");
            flood.start();
            assert!(within(Duration::from_secs(10), || reader.bytes() > 1_000_000), "{switch:?}");
            flood.stop();
            let mut report = flood.report();
            // beside the flood there are the greeting and an answer or two; the last piece may still be on its way
            let said = |report: &FloodReport| reader.bytes().checked_sub(report.bytes).is_some_and(|more| (20..1_000).contains(&more));
            assert!(
                within(Duration::from_secs(10), || {
                    report.bytes += flood.report().bytes;
                    said(&report)
                }),
                "{switch:?}: {} of {}",
                reader.bytes(),
                report.bytes
            );
            assert!(report.events > 100, "{report:?}");
            assert_eq!((report.connections, report.connections_lost, report.logins_refused), (1, 0, 0));
        }
    }

    #[test]
    fn a_client_that_does_not_read_is_seen_as_a_stall_and_one_that_goes_as_lost() {
        let plan = FloodPlan::default();
        let mut flood = Flood::listen(plan.clone()).unwrap();
        let reader = NullReader::connect(flood.address(), &plan).unwrap();
        assert!(within(Duration::from_secs(10), || flood.subscribed() == 1));
        reader.pause(true);
        flood.start();
        assert!(within(Duration::from_secs(20), || flood.report().blocked_longest_us > 200_000));
        drop(reader);
        assert!(within(Duration::from_secs(10), || flood.subscribed() == 0));
        assert_eq!(flood.report().connections_lost, 1);
    }

    #[test]
    fn a_rate_is_kept() {
        let plan = FloodPlan { events_per_second: Some(2_000.0), ..FloodPlan::default() };
        let mut flood = Flood::listen(plan.clone()).unwrap();
        let _reader = NullReader::connect(flood.address(), &plan).unwrap();
        assert!(within(Duration::from_secs(10), || flood.subscribed() == 1));
        flood.report();
        flood.start();
        std::thread::sleep(Duration::from_millis(1_000));
        let report = flood.report();
        assert!(report.events > 200 && report.events as f64 <= 2_200.0 * report.seconds.max(1.0), "{report:?}");
    }
}
