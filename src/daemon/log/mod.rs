//! Logs go through a bounded queue to a thread of their own: a stderr that nobody reads loses lines, which are
//! counted, and never holds up a call. A flood of one kind of line is sampled; the level can be changed while it runs.

mod journald;
mod sample;

use super::threads::{Priority, spawn};
use crate::logbook::{Levels, LogFormat};
use journald::{Datagram, Journal};
use sample::Sampler;
use std::io;
use std::sync::{Arc, mpsc};
use std::time::Duration;
use tracing_appender::non_blocking::{NonBlocking, NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::layer::{Layer, SubscriberExt};

/// Lines that may wait to be written; the next ones are dropped and counted.
const LINES_MAX: usize = 8192;
/// How often what was left out is said.
const SECOND: Duration = Duration::from_secs(1);
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
    /// What is logged; can be changed.
    pub levels: Levels,
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
pub fn start(filter: &str, format: LogFormat, target: LogTarget) -> Result<LogGuard, String> {
    let levels = Levels::read(filter)?;
    let builder = NonBlockingBuilder::default().lossy(true).buffered_lines_limit(LINES_MAX).thread_name("log");
    let wants_journal = match format {
        LogFormat::Journald => true,
        LogFormat::Auto => journald::is_stderr(),
        LogFormat::Text | LogFormat::Json => false,
    };
    // where there is no journal after all, standard error has the lines
    let journal = if wants_journal && target == LogTarget::Stderr { Journal::connect().ok() } else { None };
    let is_journal = journal.is_some();
    let (writer, worker): (NonBlocking, WorkerGuard) = match (target, journal) {
        (LogTarget::Stderr, Some(journal)) => builder.finish(journal),
        (LogTarget::Stderr, None) => builder.finish(io::stderr()),
        (LogTarget::Nowhere, _) => builder.finish(io::sink()),
    };
    let counter = writer.error_counter();
    let ansi = target == LogTarget::Stderr && io::IsTerminal::is_terminal(&io::stderr());
    let lines = tracing_subscriber::fmt::layer().with_writer(writer);
    let lines = match (is_journal, format) {
        (true, _) => lines.event_format(Datagram).boxed(),
        (false, LogFormat::Json) => lines.json().flatten_event(true).with_current_span(false).with_span_list(false).boxed(),
        (false, _) => lines.with_ansi(ansi).with_target(false).boxed(),
    };
    // one for the process, as the log is
    let sampler: &'static Sampler = Box::leak(Box::new(Sampler::new()));
    let subscriber = tracing_subscriber::registry().with(lines).with(sampler).with(levels.clone());
    // a second log in one process (tests) stays with the first
    if tracing::subscriber::set_global_default(subscriber).is_ok() {
        let counted = spawn("log-second", Priority::Normal, move || {
            loop {
                std::thread::sleep(SECOND);
                sample::say(&sampler.next_second());
            }
        });
        counted.map_err(|error| format!("the log's thread could not be started ({error})"))?;
    }
    // the default hook writes to stderr itself, and would wait for it
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        let what = panic.payload().downcast_ref::<&str>().map(|s| (*s).to_owned());
        let what = what.or_else(|| panic.payload().downcast_ref::<String>().cloned()).unwrap_or_default();
        tracing::error!(place, what, "a bug: something panicked; what it was doing was given up, everything else goes on");
    }));
    Ok(LogGuard { worker: Some(worker), dropped: Arc::new(move || counter.dropped_lines() as u64), levels })
}
