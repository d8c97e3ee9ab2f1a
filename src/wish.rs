//! What a call wishes to be changed: a star code's way to the writer, which no call has itself.
//!
//! A bounded channel. The call hands a wish over or is told that there is no room, and looks for the answer now and then;
//! whoever grants wishes, behind calls, is woken by one atomic and one system call. So neither ever waits for a lock that the
//! other may hold: a runtime's way of waking its tasks takes one.

use crate::number::Number;
use crate::routing::Feature;
use std::sync::{Arc, OnceLock};
use std::thread::Thread;
use std::time::{Duration, Instant};
use tokio::sync::{mpsc, oneshot};

/// Wishes that wait to be granted, at most. Each is an edit with its own way to the disk, some milliseconds; more would not be
/// granted before their callers have given up.
pub const WAITING_MAX: usize = 64;
/// How long a call waits for its wish: the dialplans hang up on a server that says nothing for 2 s, mod_xml_curl for 1 s.
pub const WAIT_MAX: Duration = Duration::from_millis(900);
/// How often it looks. Nobody hears the difference.
const LOOK: Duration = Duration::from_millis(5);
/// How often whoever grants wishes looks whether he is to stop.
const STOP_LOOK: Duration = Duration::from_millis(250);

/// A wish.
#[derive(Debug)]
pub struct Wish {
    /// Whose extension it is.
    pub tenant: String,
    /// The switch's own id of the call, for the log.
    pub call_id: String,
    /// Who wishes it.
    pub extension: Number,
    /// The code that was dialled, without what stood behind it: for the history.
    pub code: String,
    /// What is to be switched.
    pub feature: Feature,
}

/// What became of a wish.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Granted {
    /// It is on now, on the disk, and the next call sees it.
    On,
    /// It is off now, likewise.
    Off,
    /// It may not be, and why.
    Refused(String),
    /// It could not be done, and why.
    Failed(String),
}

/// Why a call has no answer to its wish.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ungranted {
    /// Too many wait already.
    Full,
    /// It took too long. It may still come true.
    Late,
    /// Nobody grants wishes here, or any more.
    Nobody,
}

type Waiting = (Wish, oneshot::Sender<Granted>);

/// The calls' end.
#[derive(Debug, Clone)]
pub struct WishSender {
    wishes: mpsc::Sender<Waiting>,
    granter: Arc<OnceLock<Thread>>,
}

impl WishSender {
    /// Hands a wish over and waits for what becomes of it, [`WAIT_MAX`] at most.
    ///
    /// # Errors
    /// [`Ungranted`].
    pub async fn wish(&self, wish: Wish) -> Result<Granted, Ungranted> {
        let until = Instant::now() + WAIT_MAX;
        let (reply, mut answer) = oneshot::channel();
        self.wishes.try_send((wish, reply)).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => Ungranted::Full,
            mpsc::error::TrySendError::Closed(_) => Ungranted::Nobody,
        })?;
        if let Some(granter) = self.granter.get() {
            granter.unpark();
        }
        loop {
            // never asked to be told: who answers would take a lock of this runtime's
            match answer.try_recv() {
                Ok(granted) => return Ok(granted),
                Err(oneshot::error::TryRecvError::Closed) => return Err(Ungranted::Nobody),
                Err(oneshot::error::TryRecvError::Empty) if Instant::now() >= until => return Err(Ungranted::Late),
                Err(oneshot::error::TryRecvError::Empty) => tokio::time::sleep(LOOK).await,
            }
        }
    }
}

/// The end of whoever grants wishes.
#[derive(Debug)]
pub struct WishReceiver {
    wishes: mpsc::Receiver<Waiting>,
    granter: Arc<OnceLock<Thread>>,
}

impl WishReceiver {
    /// Grants wishes on this thread, one after the other, until told to stop. One whose caller has given up is passed over.
    pub fn run(mut self, stop: impl Fn() -> bool, mut grant: impl FnMut(&Wish) -> Granted) {
        // the first one who runs is the one who is woken; there is no second
        let _ = self.granter.set(std::thread::current());
        while !stop() {
            match self.wishes.try_recv() {
                Ok((_, reply)) if reply.is_closed() => {}
                Ok((wish, reply)) => {
                    let granted = grant(&wish);
                    // the caller may have given up meanwhile
                    let _ = reply.send(granted);
                }
                Err(mpsc::error::TryRecvError::Empty) => std::thread::park_timeout(STOP_LOOK),
                Err(mpsc::error::TryRecvError::Disconnected) => return,
            }
        }
    }
}

/// A channel for [`WAITING_MAX`] wishes.
#[must_use]
pub fn channel() -> (WishSender, WishReceiver) {
    let (sender, receiver) = mpsc::channel(WAITING_MAX);
    let granter = Arc::new(OnceLock::new());
    (WishSender { wishes: sender, granter: granter.clone() }, WishReceiver { wishes: receiver, granter })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::number::NumberPlan;
    use std::sync::atomic::{AtomicBool, Ordering};

    fn wish() -> Wish {
        let extension = NumberPlan::new(None).parse("101").unwrap();
        Wish { tenant: "a".into(), call_id: "1.1".into(), extension, code: "*78".into(), feature: Feature::DndOn }
    }

    fn runtime() -> tokio::runtime::Runtime {
        tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap()
    }

    #[test]
    fn a_wish_is_granted_at_once_and_a_sleeper_is_woken_for_it() {
        let (sender, receiver) = channel();
        let stop = AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| receiver.run(|| stop.load(Ordering::Relaxed), |wish| Granted::Refused(wish.call_id.clone())));
            let runtime = runtime();
            for _ in 0..20 {
                assert_eq!(runtime.block_on(sender.wish(wish())), Ok(Granted::Refused("1.1".into())));
            }
            stop.store(true, Ordering::Relaxed);
        });
    }

    #[test]
    fn a_wish_too_many_is_told_so_at_once_and_one_that_takes_too_long_is_late_and_not_granted_any_more() {
        let (sender, receiver) = channel();
        let runtime = runtime();
        runtime.block_on(async {
            let waiting: Vec<_> = (0..WAITING_MAX)
                .map(|_| {
                    tokio::spawn({
                        let sender = sender.clone();
                        async move { sender.wish(wish()).await }
                    })
                })
                .collect();
            // until all have had their turn
            tokio::time::sleep(LOOK * 10).await;
            assert_eq!(sender.wish(wish()).await, Err(Ungranted::Full));
            for waits in waiting {
                assert_eq!(waits.await.unwrap(), Err(Ungranted::Late));
            }
        });
        // nobody waits for them any more
        let mut granted = 0;
        drop(sender);
        receiver.run(
            || false,
            |_| {
                granted += 1;
                Granted::On
            },
        );
        assert_eq!(granted, 0);
    }

    #[test]
    fn where_nobody_grants_wishes_a_call_is_told_so_at_once() {
        let (sender, receiver) = channel();
        drop(receiver);
        assert_eq!(runtime().block_on(sender.wish(wish())), Err(Ungranted::Nobody));
    }
}
