//! How a server ends: told to stop, or because another process has taken over.

use super::hand_over::{GiveReply, Given, Order};
use super::{JOIN_LOOK, Server};
use crate::call::ShutdownLevel;
use std::io;
use std::sync::atomic::Ordering;
use std::sync::mpsc::Sender;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// How long the last answers' decisions are waited for, before the event plane is left to whoever has taken over. An answer
/// takes a millisecond.
const SETTLE: Duration = Duration::from_millis(300);
/// How long the admin plane may take to let nobody in any more.
const ADMIN_WAIT_MAX: Duration = Duration::from_secs(2);

impl Server {
    /// Waits until the call plane was stopped, or another process has taken over, then ends everything else in turn. Told to
    /// stop at once, it waits for nothing: the store is one that can be left at any moment.
    ///
    /// # Errors
    /// A call thread panicked.
    pub fn wait(mut self) -> io::Result<()> {
        let outcome = match self.until_it_ends() {
            Some((given, reply)) => {
                self.leave_to(&given);
                let _ = reply.send(Ok(given.successor));
                join(std::mem::take(&mut self.calls))
            }
            None => {
                let outcome = join(std::mem::take(&mut self.calls));
                self.admin_stop.send_replace(true);
                self.end_events();
                outcome
            }
        };
        let is_tracing = |server: &Server| server.tracing_thread.as_ref().is_some_and(|thread| !thread.is_finished());
        self.wait_while(|server| is_tracing(server) || !server.admin_thread.is_finished() || !server.wishes_thread.is_finished());
        self.store.close();
        self.wait_while(|server| !server.writer.is_finished());
        outcome
    }

    /// Ends everything but the calls that are being answered, and leaves it to the process that takes calls in already.
    fn leave_to(&self, given: &Given) {
        self.estate.plane.hand_over();
        self.stop(ShutdownLevel::Drain);
        let until = Instant::now() + SETTLE;
        self.wait_while(|server| server.calls.iter().any(|call| !call.is_finished()) && Instant::now() < until);
        if given.has_admin {
            self.estate.admin.leave();
        }
        self.admin_stop.send_replace(true);
        let until = Instant::now() + ADMIN_WAIT_MAX;
        self.wait_while(|server| !server.estate.admin.is_shut() && Instant::now() < until);
        self.end_events();
        self.events.leave_journal();
        given.leave_the_rest();
    }

    fn end_events(&self) {
        self.events.stop(|| *self.shutdown.borrow() == ShutdownLevel::Now);
    }

    /// Sleeps while something is so and nobody is in a hurry.
    fn wait_while(&self, is_so: impl Fn(&Server) -> bool) {
        while is_so(self) && *self.shutdown.borrow() != ShutdownLevel::Now {
            std::thread::sleep(JOIN_LOOK);
        }
    }

    /// Carries out orders until every call thread has ended, or until another process has taken over.
    fn until_it_ends(&self) -> Option<(Given, GiveReply)> {
        let mut running = self.calls.len();
        while running > 0 {
            match self.orders.recv() {
                Ok(Order::Ended) => running -= 1,
                Ok(Order::Give { program, reply }) => {
                    match self.estate.give(program.as_deref(), || *self.shutdown.borrow() != ShutdownLevel::Run) {
                        Ok(given) => {
                            tracing::info!(pid = given.successor.pid, "another process has taken over; this one finishes what it has");
                            // whom the service manager watches from now on
                            let _ = sd_notify::notify(&[sd_notify::NotifyState::MainPid(given.successor.pid)]);
                            self.is_main.store(false, Ordering::Release);
                            return Some((given, reply));
                        }
                        Err(why) => {
                            tracing::warn!(?why, "nobody has taken over; this process goes on");
                            let _ = reply.send(Err(why));
                        }
                    }
                }
                // the call threads have the other end
                Err(_) => break,
            }
        }
        None
    }
}

fn join(calls: Vec<JoinHandle<()>>) -> io::Result<()> {
    let mut outcome = Ok(());
    for thread in calls {
        if thread.join().is_err() {
            outcome = Err(io::Error::other("a call thread panicked"));
        }
    }
    outcome
}

/// Tells the main thread that a call thread has ended, however it ended.
pub(super) struct Ended(pub(super) Sender<Order>);

impl Drop for Ended {
    fn drop(&mut self) {
        let _ = self.0.send(Order::Ended);
    }
}
