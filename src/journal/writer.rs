//! The journal's own thread: calls come in by a bounded queue, and go to the disk in groups.

use super::age::AgeClock;
use super::{Journal, JournalError};
use crate::clock::Clock;
use crate::cti::{CallView, PlaneStats};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::{Duration, Instant};

/// Calls that may wait for the journal's thread. A call has some 2 kB, and is shared.
pub const QUEUE_CALLS_MAX: usize = 8_192;
/// Calls of one group. While the disk fails they wait here, in memory.
const GROUP_CALLS_MAX: usize = 4_096;
/// What is written is synced at most so often, or when a group is full: a power cut costs half a second of records.
const SYNC_PAUSE: Duration = Duration::from_millis(500);
/// How long a disk that failed is left alone.
const RETRY_PAUSE: Duration = Duration::from_secs(2);
/// How often the journal is looked after.
const UPKEEP_PAUSE: Duration = Duration::from_secs(60);
/// The same, while there is more to do.
const UPKEEP_PAUSE_BUSY: Duration = Duration::from_millis(500);

/// The way into the journal. It never waits: a call that finds the queue full is lost, and counted.
#[derive(Clone)]
pub struct JournalQueue {
    calls: SyncSender<Arc<CallView>>,
    stats: Arc<PlaneStats>,
}

impl JournalQueue {
    /// Hands a finished call over; says whether there was room.
    pub fn offer(&self, call: Arc<CallView>) -> bool {
        // counted first, because the other side may have it before this one has counted
        self.stats.journal_queued.add(1);
        let taken = self.calls.try_send(call).is_ok();
        if !taken {
            self.stats.journal_queued.sub(1);
            self.stats.journal_lost.add_one();
        }
        taken
    }
}

/// A call of the group that is on its way to the disk.
struct Waiting {
    call: Arc<CallView>,
    /// Whether the journal hadn't it before.
    is_new: bool,
}

/// The loop of the journal's thread.
pub struct JournalWriter {
    calls: Receiver<Arc<CallView>>,
    journal: Journal,
    stats: Arc<PlaneStats>,
    clock: Arc<dyn Clock>,
    age: AgeClock,
    group: Vec<Waiting>,
    /// So many of the group have been put.
    put: usize,
    /// Since when the journal fails, and when it is tried again.
    trouble: Option<Trouble>,
    synced: Instant,
    upkeep: Instant,
    /// How much slower than it is the disk is made, for tests and benchmarks.
    delay: Duration,
}

struct Trouble {
    error: JournalError,
    retry: Instant,
}

impl JournalWriter {
    /// A writer and the way to it.
    #[must_use]
    pub fn new(journal: Journal, stats: Arc<PlaneStats>, clock: Arc<dyn Clock>, queue_calls_max: usize) -> (JournalQueue, JournalWriter) {
        let (sender, calls) = sync_channel(queue_calls_max);
        let now = Instant::now();
        let age = AgeClock::new(None, clock.now_us(), clock.monotonic_us());
        let queue = JournalQueue { calls: sender, stats: stats.clone() };
        (
            queue,
            JournalWriter {
                calls,
                journal,
                stats,
                clock,
                age,
                group: Vec::new(),
                put: 0,
                trouble: None,
                synced: now,
                upkeep: now,
                delay: Duration::ZERO,
            },
        )
    }

    /// The same on a disk that takes so much longer over each sync: what tests and benchmarks put in.
    #[must_use]
    pub fn with_delay(self, delay: Duration) -> JournalWriter {
        JournalWriter { delay, ..self }
    }

    /// Writes until every [`JournalQueue`] is gone, then what is left. Run it on a thread of its own, behind calls.
    pub fn run(mut self) {
        // one that can't be read now is found out when something is written
        let newest_us = self.journal.newest_us().unwrap_or_default();
        self.age = AgeClock::new(newest_us, self.clock.now_us(), self.clock.monotonic_us());
        loop {
            let wait = self.due().saturating_duration_since(Instant::now());
            match self.calls.recv_timeout(wait) {
                Ok(call) => self.take(call),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
            self.turn(Instant::now());
        }
        self.end();
    }

    /// When something is to be done, whether calls come or not.
    fn due(&self) -> Instant {
        match &self.trouble {
            Some(trouble) => trouble.retry,
            None if self.group.is_empty() => self.upkeep,
            None => self.upkeep.min(self.synced + SYNC_PAUSE),
        }
    }

    fn take(&mut self, call: Arc<CallView>) {
        self.stats.journal_queued.sub(1);
        if self.group.len() >= GROUP_CALLS_MAX {
            // only in trouble is a full group still there
            self.stats.journal_lost.add_one();
            return;
        }
        self.group.push(Waiting { call, is_new: false });
    }

    fn turn(&mut self, now: Instant) {
        if let Some(trouble) = &self.trouble {
            if now < trouble.retry {
                return;
            }
            self.try_again();
        }
        self.put_group();
        if self.put > 0 && (now >= self.synced + SYNC_PAUSE || self.group.len() >= GROUP_CALLS_MAX) {
            self.sync();
        }
        if self.trouble.is_none() && now >= self.upkeep {
            let now_us = self.age.now_us(self.clock.now_us(), self.clock.monotonic_us());
            match self.journal.retain(now_us) {
                Ok(done) => self.upkeep = now + if done.more { UPKEEP_PAUSE_BUSY } else { UPKEEP_PAUSE },
                Err(error) => self.fail(error),
            }
        }
    }

    fn put_group(&mut self) {
        while self.trouble.is_none()
            && let Some(waiting) = self.group.get_mut(self.put)
        {
            match self.journal.put(&waiting.call) {
                Ok(is_new) => {
                    waiting.is_new |= is_new;
                    self.put += 1;
                }
                Err(error) if error.is_of_the_call() => {
                    tracing::warn!(%error, call = waiting.call.id, "a call could not be journalled; it is lost there");
                    self.stats.journal_lost.add_one();
                    self.group.remove(self.put);
                }
                Err(error) => self.fail(error),
            }
        }
    }

    fn sync(&mut self) {
        std::thread::sleep(self.delay);
        match self.journal.sync() {
            Ok(()) => {
                let new = self.group.drain(..self.put).filter(|waiting| waiting.is_new).count();
                self.stats.journal_written.add(new as u64);
                self.put = 0;
                self.synced = Instant::now();
            }
            Err(error) => self.fail(error),
        }
    }

    fn fail(&mut self, error: JournalError) {
        if error.is_left() {
            self.give_up(&error);
        } else {
            tracing::warn!(%error, "the journal failed; calls wait in memory and it is tried again");
        }
        // what was put and not synced may be gone: putting it again does no harm
        self.put = 0;
        self.trouble = Some(Trouble { error, retry: Instant::now() + RETRY_PAUSE });
    }

    /// What has come too late for a journal that is another process's is lost there, and counted.
    fn give_up(&mut self, error: &JournalError) {
        if !self.group.is_empty() {
            tracing::warn!(%error, calls = self.group.len(), "calls came too late for the journal; they are lost there");
            self.stats.journal_lost.add(self.group.len() as u64);
            self.group.clear();
        }
    }

    fn try_again(&mut self) {
        let Some(trouble) = self.trouble.take() else { return };
        // a full disk is found before anything is written; after all else the database wants to be opened anew
        if trouble.error.is_full() {
            return;
        }
        match self.journal.reopen() {
            Ok(()) => tracing::info!("the journal was opened again"),
            Err(error) => self.fail(error),
        }
    }

    /// Writes what is left, trying once more what failed.
    fn end(mut self) {
        self.try_again();
        self.put_group();
        if self.put > 0 {
            self.sync();
        }
        self.stats.journal_lost.add(self.group.len() as u64);
    }
}
