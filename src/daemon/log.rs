//! Logs go through a bounded queue to a thread of their own: a stderr that nobody reads loses lines, which are
//! counted, and never holds up a call.

use super::threads::{Priority, spawn};
use std::io;
use std::sync::{Arc, mpsc};
use std::time::Duration;
use tracing_appender::non_blocking::{NonBlocking, NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::EnvFilter;

/// Lines that may wait to be written; the next ones are dropped and counted.
const LINES_MAX: usize = 8192;
/// How long the last lines may take to be written.
const END_WAIT_MAX: Duration = Duration::from_millis(1500);

/// Where lines go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogTarget {
    /// Standard error.
    Stderr,
    /// Nowhere: for the demo, which prints what it shows itself.
    Nowhere,
}

/// Keeps the log going; what waits is written when it is dropped, as far as somebody reads it.
pub struct LogGuard {
    worker: Option<WorkerGuard>,
    /// How many lines were dropped so far.
    pub dropped: Arc<dyn Fn() -> u64 + Send + Sync>,
}

impl Drop for LogGuard {
    fn drop(&mut self) {
        let worker = self.worker.take();
        let (done, ended) = mpsc::channel();
        // where nobody reads, the library says on standard output that it gave up, and panics if that is closed: a
        // thread of its own may
        let spawned = spawn("log-end", Priority::Normal, move || {
            drop(worker);
            let _ = done.send(());
        });
        if spawned.is_ok() {
            let _ = ended.recv_timeout(END_WAIT_MAX);
        }
    }
}

/// Starts the log of this process.
///
/// # Errors
/// A filter that can't be read; the text says what is wrong with it.
pub fn start(filter: &str, target: LogTarget) -> Result<LogGuard, String> {
    let filter: EnvFilter = filter
        .parse()
        .map_err(|e| format!("log = {filter:?} can't be read ({e}); write a level such as info, or strowger::call=debug,info"))?;
    let builder = NonBlockingBuilder::default().lossy(true).buffered_lines_limit(LINES_MAX).thread_name("log");
    let (writer, worker): (NonBlocking, WorkerGuard) = match target {
        LogTarget::Stderr => builder.finish(io::stderr()),
        LogTarget::Nowhere => builder.finish(io::sink()),
    };
    let counter = writer.error_counter();
    let ansi = target == LogTarget::Stderr && io::IsTerminal::is_terminal(&io::stderr());
    let subscriber = tracing_subscriber::fmt().with_env_filter(filter).with_writer(writer).with_ansi(ansi).with_target(false).finish();
    // a second log in one process (tests) stays with the first
    let _ = tracing::subscriber::set_global_default(subscriber);
    // the default hook writes to stderr itself, and would wait for it
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        let what = panic.payload().downcast_ref::<&str>().map(|s| (*s).to_owned());
        let what = what.or_else(|| panic.payload().downcast_ref::<String>().cloned()).unwrap_or_default();
        tracing::error!(place, what, "a bug: something panicked; what it was doing was given up, everything else goes on");
    }));
    Ok(LogGuard { worker: Some(worker), dropped: Arc::new(move || counter.dropped_lines() as u64) })
}
