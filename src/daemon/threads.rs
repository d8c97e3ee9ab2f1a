//! Threads, named and with a priority.

use std::io;
use std::thread::{Builder, JoinHandle};

/// How a thread stands to the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Priority {
    /// As the system gives it: for calls.
    Normal,
    /// nice 19: for everything that nobody waits for. Threads that such a thread starts inherit it.
    Background,
}

/// The nice value of background threads. Lowering one's own priority needs no privilege.
const BACKGROUND_NICE: i32 = 19;

/// Starts a thread.
///
/// # Errors
/// The system has none to give.
pub fn spawn<T: Send + 'static>(name: &str, priority: Priority, work: impl FnOnce() -> T + Send + 'static) -> io::Result<JoinHandle<T>> {
    Builder::new().name(name.to_owned()).spawn(move || {
        // on Linux a nice value belongs to a thread; one that can't be set costs speed, not calls
        if priority == Priority::Background
            && let Err(error) = rustix::process::setpriority_process(None, BACKGROUND_NICE)
        {
            tracing::warn!(%error, "a background thread keeps its normal priority");
        }
        work()
    })
}
