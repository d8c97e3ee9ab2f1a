//! Threads, named and with a priority.

use rustix::process::Pid;
use std::io;
use std::thread::{Builder, JoinHandle};
use thread_priority::{
    NormalThreadSchedulePolicy, ThreadPriority, ThreadSchedulePolicy, set_thread_priority_and_policy, thread_native_id,
    thread_schedule_policy,
};

/// How a thread stands to the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Priority {
    /// As the system gives it: for calls.
    Normal,
    /// nice 19: behind calls, and still turning on a machine that is busy with other things.
    Low,
    /// Idle: for what has all the time there is. Threads that such a thread starts inherit it.
    Background,
}

/// The nice value of threads behind calls. Lowering one's own priority needs no privilege.
const LOW_NICE: i32 = 19;

/// Starts a thread.
///
/// # Errors
/// The system has none to give.
pub fn spawn<T: Send + 'static>(name: &str, priority: Priority, work: impl FnOnce() -> T + Send + 'static) -> io::Result<JoinHandle<T>> {
    Builder::new().name(name.to_owned()).spawn(move || {
        match priority {
            Priority::Normal => {}
            Priority::Low => nice(None),
            Priority::Background => lower_priority(),
        }
        work()
    })
}

/// Puts a thread (`None`: the calling one) behind calls. On Linux a nice value belongs to a thread; one that can't be set
/// costs speed, not calls.
fn nice(thread: Option<Pid>) {
    if let Err(error) = rustix::process::setpriority_process(thread, LOW_NICE) {
        tracing::warn!(%error, "a background thread keeps its nice value");
    }
}

/// Puts threads that a library started behind calls, by how their names begin.
pub fn nice_those_named(prefix: &str) {
    let threads = std::fs::read_dir("/proc/self/task").into_iter().flatten().flatten();
    for thread in threads {
        let name = std::fs::read_to_string(thread.path().join("comm")).unwrap_or_default();
        let id = thread.file_name().to_string_lossy().parse().ok().and_then(Pid::from_raw);
        if name.starts_with(prefix) && id.is_some() {
            nice(id);
        }
    }
}

/// Gives the calling thread, and those that it starts from now on, the lowest priority that there is.
///
/// Measured on Linux 6.18 with two processors, a call every 2 ms, and two threads that compute beside them: the slowest
/// hundredth of the calls took 8 times as long as alone where those threads had nice 19 (a running thread keeps the
/// processor until its slice is over, whatever wakes), and 1.3 times with `SCHED_IDLE`, which gives way at once.
pub fn lower_priority() {
    let idle = ThreadSchedulePolicy::Normal(NormalThreadSchedulePolicy::Idle);
    // the library puts nice to 0 as well, which nobody without privileges may do who was nicer: what counts is the policy
    if let Err(error) = set_thread_priority_and_policy(thread_native_id(), ThreadPriority::Min, idle)
        && thread_schedule_policy() != Ok(idle)
    {
        tracing::warn!(?error, "a background thread keeps its scheduling policy");
    }
    // and therefore last: it counts where the policy could not be had, and tells whoever looks
    nice(None);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Nice value and policy of the calling thread, as the kernel tells them: fields 19 and 41 of proc_pid_stat(5).
    fn standing() -> (i32, u32) {
        let stat = std::fs::read_to_string("/proc/thread-self/stat").unwrap();
        let fields: Vec<&str> = stat.rsplit(") ").next().unwrap().split(' ').collect();
        (fields[16].parse().unwrap(), fields[38].parse().unwrap())
    }

    #[test]
    fn a_thread_in_the_background_is_idle_and_as_nice_as_can_be_however_nice_it_was_before() {
        const SCHED_IDLE: u32 = 5;
        // the tests may run behind others themselves
        let own = standing();
        let begun_nicer = spawn("x", Priority::Normal, || {
            rustix::process::setpriority_process(None, LOW_NICE - 1).unwrap();
            let before = standing();
            lower_priority();
            (before.0, standing())
        });
        assert_eq!(begun_nicer.unwrap().join().unwrap(), (LOW_NICE - 1, (LOW_NICE, SCHED_IDLE)));
        let begun = |priority| spawn("x", priority, standing).unwrap().join().unwrap();
        assert_eq!(begun(Priority::Background), (LOW_NICE, SCHED_IDLE));
        assert_eq!(begun(Priority::Low), (LOW_NICE, own.1));
        assert_eq!(begun(Priority::Normal), own);
    }
}
