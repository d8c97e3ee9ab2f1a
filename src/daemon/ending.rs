//! How a server ends: told to stop, or because another process has taken over.

use super::hand_over::{Given, Order};
use super::{JOIN_LOOK, Server};
use crate::call::ShutdownLevel;
use crate::control::NotHandedOver;
use std::io;
use std::sync::mpsc::Sender;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// How long whoever wanted another program to take over may need to hear that it has.
const TOLD_WAIT_MAX: Duration = Duration::from_secs(5);
/// How long the last answers' decisions are waited for, before the event plane is left to whoever has taken over. An answer
/// takes a millisecond.
const SETTLE: Duration = Duration::from_millis(300);
/// How long the admin plane may take to end, before it is left.
const ADMIN_WAIT_MAX: Duration = Duration::from_secs(8);

impl Server {
    /// Waits until the call plane was stopped, or another process has taken over, then ends everything else in turn. Told to
    /// stop at once, it waits for nothing: the store is one that can be left at any moment.
    ///
    /// # Errors
    /// A call thread panicked.
    pub fn wait(mut self) -> io::Result<()> {
        let given = self.until_it_ends();
        if given.is_some() {
            self.estate.plane.hand_over();
            self.stop(ShutdownLevel::Drain);
            let until = Instant::now() + SETTLE;
            self.wait_while(|server| server.calls.iter().any(|call| !call.is_finished()) && Instant::now() < until);
        }
        let mut outcome = Ok(());
        if given.is_none() {
            outcome = join(std::mem::take(&mut self.calls));
        }
        if given.as_ref().is_some_and(|given| given.has_admin) {
            self.estate.admin.leave();
        }
        self.admin_stop.send_replace(true);
        let shutdown = self.shutdown.clone();
        let at_once = || *shutdown.borrow() == ShutdownLevel::Now;
        self.events.stop(at_once);
        let until = given.is_some().then(|| Instant::now() + ADMIN_WAIT_MAX);
        self.wait_while(|server| {
            (!server.admin_thread.is_finished() || !server.wishes_thread.is_finished()) && until.is_none_or(|until| Instant::now() < until)
        });
        if let Some(given) = given {
            self.events.leave_journal();
            given.leave_the_rest();
            outcome = join(std::mem::take(&mut self.calls));
        }
        self.store.close();
        self.wait_while(|server| !server.writer.is_finished());
        outcome
    }

    /// Sleeps while something is so and nobody is in a hurry.
    fn wait_while(&self, is_so: impl Fn(&Server) -> bool) {
        while is_so(self) && *self.shutdown.borrow() != ShutdownLevel::Now {
            std::thread::sleep(JOIN_LOOK);
        }
    }

    /// Carries out orders until every call thread has ended, or until another process has taken over and whoever wanted that
    /// knows.
    fn until_it_ends(&self) -> Option<Given> {
        let mut running = self.calls.len();
        let mut given: Option<Given> = None;
        while running > 0 {
            let order = match &given {
                None => self.orders.recv().ok(),
                Some(_) => self.orders.recv_timeout(TOLD_WAIT_MAX).ok(),
            };
            match order {
                Some(Order::Ended) => running -= 1,
                Some(Order::Give { reply, .. }) if given.is_some() => {
                    let _ = reply.send(Err(NotHandedOver::Busy("another process has taken over already; ask that one".to_owned())));
                }
                Some(Order::Give { program, reply }) => {
                    let done = self.estate.give(program.as_deref(), || *self.shutdown.borrow() != ShutdownLevel::Run);
                    let answer = match done {
                        Ok(done) => {
                            tracing::info!(pid = done.successor.pid, "another process has taken over; this one finishes what it has");
                            // who the service manager watches from now on
                            let _ = sd_notify::notify(&[sd_notify::NotifyState::MainPid(done.successor.pid)]);
                            let successor = done.successor.clone();
                            given = Some(done);
                            Ok(successor)
                        }
                        Err(why) => {
                            tracing::warn!(?why, "nobody has taken over; this process goes on");
                            Err(why)
                        }
                    };
                    let _ = reply.send(answer);
                }
                Some(Order::Finish) | None => break,
            }
        }
        given
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
