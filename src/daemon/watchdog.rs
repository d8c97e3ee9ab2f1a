//! A call plane that has stopped is worse than none: Asterisk waits for ever on a socket that is open and silent, and
//! frees its calls the moment the process is dead. So a process whose call thread no longer turns is ended.
//!
//! Looks are counted, not time: a process that was stopped (SIGSTOP, a suspended machine) and goes on is not to be
//! killed for the time that it wasn't running.

use super::threads::{Priority, spawn};
use crate::call::Heartbeat;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// How often the watchdog looks. A call thread beats four times a second.
const LOOK: Duration = Duration::from_millis(500);
/// Looks without a beat, one after the other, before the process is ended: five seconds.
const SILENT_LOOKS_MAX: u32 = 10;

/// Starts the thread that watches; the service manager hears of it while this is the process that it watches.
pub(super) fn start(heartbeats: Vec<Arc<Heartbeat>>, is_main: Arc<AtomicBool>) -> io::Result<()> {
    spawn("watchdog", Priority::Normal, move || {
        let mut watched: Vec<Watched> = heartbeats.into_iter().map(Watched::new).collect();
        // the service manager has a watchdog of its own for a process of which nothing turns any more, this thread included
        let is_watched = sd_notify::watchdog_enabled().is_some();
        loop {
            std::thread::sleep(LOOK);
            if is_watched && is_main.load(Ordering::Acquire) {
                let _ = sd_notify::notify(&[sd_notify::NotifyState::Watchdog]);
            }
            // a thread that ended as it was told is not watched any more; one that should and doesn't still is
            watched.retain(|w| !w.heartbeat.has_ended());
            if watched.is_empty() {
                return;
            }
            if watched.iter_mut().any(Watched::is_dead) {
                tracing::error!("a call thread has stopped; ending the process, so that no call waits for it");
                // long enough for the line to be written, where somebody reads
                std::thread::sleep(Duration::from_millis(100));
                // not exit(): that would run handlers, which may wait for the thread that is stuck
                std::process::abort();
            }
        }
    })?;
    Ok(())
}

/// One call thread.
struct Watched {
    heartbeat: Arc<Heartbeat>,
    last: u64,
    silent_looks: u32,
}

impl Watched {
    fn new(heartbeat: Arc<Heartbeat>) -> Watched {
        Watched { last: heartbeat.get(), heartbeat, silent_looks: 0 }
    }

    fn is_dead(&mut self) -> bool {
        let now = self.heartbeat.get();
        self.silent_looks = if now == self.last { self.silent_looks + 1 } else { 0 };
        self.last = now;
        self.silent_looks >= SILENT_LOOKS_MAX
    }
}
