//! The tracing of calls: who takes the steps that the call plane tells of, and hands them to a collector.
//!
//! That needs OpenTelemetry's libraries, which are behind the feature `otel`. Without it, or without a collector's address,
//! there is neither a channel nor a thread, and a call looks at one empty option.

#[cfg(feature = "otel")]
mod client;
#[cfg(feature = "otel")]
mod export;

use crate::config::OtelConfig;
use crate::control::SpansView;
use crate::telemetry::{StepCounts, StepSender};
use std::io;
use std::sync::Arc;
use std::thread::JoinHandle;
use tokio::sync::watch;

/// What of the tracing runs.
#[derive(Default)]
pub(super) struct Tracing {
    /// The call plane's end.
    pub(super) steps: Option<StepSender>,
    /// What became of what it told.
    pub(super) counts: Option<Arc<StepCounts>>,
    /// Hands spans over.
    pub(super) thread: Option<JoinHandle<()>>,
}

/// Starts what traces calls, where that is wanted.
///
/// # Errors
/// The system has no thread to give.
#[cfg(feature = "otel")]
pub(super) fn start(config: &OtelConfig, stopping: watch::Receiver<bool>) -> io::Result<Tracing> {
    use super::threads::{Priority, spawn};

    let Some(url) = config.traces_url() else { return Ok(Tracing::default()) };
    let counts: Arc<StepCounts> = Arc::default();
    let exporting = match export::Exporting::new(url, config.sample, counts.clone(), stopping) {
        Ok(Some(exporting)) => exporting,
        Ok(None) => return Ok(Tracing::default()),
        // calls are worth more than their spans
        Err(why) => {
            tracing::warn!(why, "spans of calls can't be exported as the environment wants it; calls are not traced");
            return Ok(Tracing::default());
        }
    };
    let (steps, exporting) = exporting;
    let thread = spawn("otel", Priority::Background, move || exporting.run())?;
    Ok(Tracing { steps: Some(steps), counts: Some(counts), thread: Some(thread) })
}

/// Says that nothing traces calls, where that is wanted.
///
/// # Errors
/// None.
#[cfg(not(feature = "otel"))]
pub(super) fn start(config: &OtelConfig, _: watch::Receiver<bool>) -> io::Result<Tracing> {
    if let Some(why) = untraced(config) {
        tracing::warn!(why, "calls are not traced");
    }
    Ok(Tracing::default())
}

/// Why calls aren't traced though the configuration names a collector, and what to do.
pub fn untraced(config: &OtelConfig) -> Option<String> {
    let endpoint = config.endpoint.as_deref().filter(|_| cfg!(not(feature = "otel")))?;
    Some(format!(
        "otel_endpoint = {endpoint:?} has no effect: this program was built without OpenTelemetry; build it with --features otel, or take \
         the key (and OTEL_EXPORTER_OTLP_ENDPOINT) away"
    ))
}

/// What became of spans so far.
pub(super) fn view(counts: &StepCounts) -> SpansView {
    SpansView { exported: counts.exported.get(), failed: counts.failed.get(), dropped: counts.dropped.get() }
}
