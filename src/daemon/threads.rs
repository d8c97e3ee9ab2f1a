//! Threads, named and with a priority.

use std::io;
use std::thread::{Builder, JoinHandle};
use thread_priority::{NormalThreadSchedulePolicy, ThreadPriority, ThreadSchedulePolicy, set_thread_priority_and_policy, thread_native_id};

/// How a thread stands to the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Priority {
    /// As the system gives it: for calls.
    Normal,
    /// Idle: for everything that no call waits for. Threads that such a thread starts inherit it.
    Background,
}

/// The nice value of background threads, where their policy can't be set. Lowering one's own priority needs no privilege.
const BACKGROUND_NICE: i32 = 19;

/// Starts a thread.
///
/// # Errors
/// The system has none to give.
pub fn spawn<T: Send + 'static>(name: &str, priority: Priority, work: impl FnOnce() -> T + Send + 'static) -> io::Result<JoinHandle<T>> {
    Builder::new().name(name.to_owned()).spawn(move || {
        if priority == Priority::Background {
            lower_priority();
        }
        work()
    })
}

/// Gives the calling thread, and those that it starts from now on, the lowest priority that there is.
///
/// Measured on Linux 6.18 with two processors, a call every 2 ms, and two threads that compute beside them: the slowest
/// hundredth of the calls took 8 times as long as alone where those threads had nice 19 (a running thread keeps the
/// processor until its slice is over, whatever wakes), and 1.3 times with `SCHED_IDLE`, which gives way at once.
pub fn lower_priority() {
    // on Linux both belong to a thread; one that can't be set costs speed, not calls
    if let Err(error) = rustix::process::setpriority_process(None, BACKGROUND_NICE) {
        tracing::warn!(%error, "a background thread keeps its nice value");
    }
    let idle = ThreadSchedulePolicy::Normal(NormalThreadSchedulePolicy::Idle);
    if let Err(error) = set_thread_priority_and_policy(thread_native_id(), ThreadPriority::Min, idle) {
        tracing::warn!(?error, "a background thread keeps its scheduling policy");
    }
}
