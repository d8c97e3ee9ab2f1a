//! Steps of calls → spans → a collector, on a thread behind calls.
//!
//! It looks for what has come now and then, instead of being woken: nothing that a call does waits for a lock of this side. Of
//! OpenTelemetry's libraries there are the words (OTLP), the exporter and the variables of the environment that it reads
//! (`OTEL_EXPORTER_OTLP_HEADERS`, `OTEL_SERVICE_NAME`, `OTEL_RESOURCE_ATTRIBUTES`); not its batches, whose queue calls
//! would share with a thread behind them. What a collector doesn't take is counted and gone: a span isn't worth a second try
//! that keeps the next ones waiting.

use super::client::{Client, LastError};
use crate::telemetry::{CallStep, StepCounts, StepReceiver, StepSender, WAITING_MAX, channel};
use opentelemetry::trace::{SpanContext, SpanId, SpanKind, Status, TraceFlags, TraceId, TraceState};
use opentelemetry::{InstrumentationScope, KeyValue};
use opentelemetry_otlp::{RetryPolicy, SpanExporter, WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{IdGenerator, RandomIdGenerator, SpanData, SpanEvents, SpanExporter as _, SpanLinks};
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant, SystemTime};
use tokio::runtime::Builder;
use tokio::sync::watch;
use tokio::time::{sleep, timeout};

/// How often it is looked for what has come.
const LOOK: Duration = Duration::from_millis(100);
/// How long the first span of a batch waits for others.
const BATCH_WAIT: Duration = Duration::from_secs(1);
/// Spans in a batch: as many as in OpenTelemetry's own; some 400 kB.
const BATCH_SPANS_MAX: usize = 512;
/// How long a collector may take for a batch: what OpenTelemetry's own libraries give it.
const EXPORT_WAIT_MAX: Duration = Duration::from_secs(10);
/// How long the last spans may take when the server stops.
const LAST_WAIT_MAX: Duration = Duration::from_secs(1);
/// Threads that look up the collector's name. One that hangs must not hang the next look-up as well.
const LOOKUP_THREADS_MAX: usize = 2;

/// What hands spans over.
pub(super) struct Exporting {
    steps: StepReceiver,
    exporter: SpanExporter,
    last_error: LastError,
    url: String,
    scope: InstrumentationScope,
    ids: RandomIdGenerator,
    counts: Arc<StepCounts>,
    stopping: watch::Receiver<bool>,
    /// Whether the last batch was not taken, so that a streak of failures is one line in the log.
    fails: bool,
}

impl Exporting {
    /// An exporter that posts to an address, and the other end of its channel; `None` where the environment forbids it.
    ///
    /// # Errors
    /// What is wrong with the environment's variables.
    pub(super) fn new(
        url: String,
        sample: f64,
        counts: Arc<StepCounts>,
        stopping: watch::Receiver<bool>,
    ) -> Result<Option<(StepSender, Exporting)>, String> {
        if std::env::var("OTEL_SDK_DISABLED").is_ok_and(|value| value.eq_ignore_ascii_case("true")) {
            return Ok(None);
        }
        let client = Client::default();
        let last_error = client.last_error.clone();
        let builder = SpanExporter::builder().with_http().with_http_client(client).with_retry_policy(RetryPolicy::disabled());
        let mut exporter = builder.with_endpoint(&url).build().map_err(|error| error.to_string())?;
        exporter.set_resource(&resource());
        let (sender, steps) = channel(WAITING_MAX, sample, counts.clone());
        let scope = InstrumentationScope::builder("strowger").with_version(env!("CARGO_PKG_VERSION")).build();
        let ids = RandomIdGenerator::default();
        Ok(Some((sender, Exporting { steps, exporter, last_error, url, scope, ids, counts, stopping, fails: false })))
    }

    /// Hands spans over until the server stops; run it on a thread of its own.
    pub(super) fn run(mut self) {
        let runtime = Builder::new_current_thread().enable_all().max_blocking_threads(LOOKUP_THREADS_MAX).build();
        match runtime {
            Ok(runtime) => {
                runtime.block_on(self.turn());
                // a name that is still being looked up is not waited for
                runtime.shutdown_background();
            }
            Err(error) => tracing::warn!(%error, "the thread that exports spans could not be started; calls are not traced"),
        }
    }

    async fn turn(&mut self) {
        let end = soon_after_stop(self.stopping.clone());
        tokio::pin!(end);
        let (mut batch, mut began) = (Vec::with_capacity(BATCH_SPANS_MAX), Instant::now());
        loop {
            // looked at before the channel: what came until then is exported
            let is_last = *self.stopping.borrow();
            while batch.len() < BATCH_SPANS_MAX
                && let Ok(step) = self.steps.try_recv()
            {
                if batch.is_empty() {
                    began = Instant::now();
                }
                batch.push(self.span(step));
            }
            let is_full = batch.len() == BATCH_SPANS_MAX;
            if is_full || (!batch.is_empty() && (is_last || began.elapsed() >= BATCH_WAIT)) {
                let spans = std::mem::take(&mut batch);
                let so_many = spans.len() as u64;
                tokio::select! {
                    biased;
                    () = self.export(spans) => {}
                    () = &mut end => return self.counts.failed.add(so_many),
                }
            }
            match (is_full, is_last) {
                (true, _) => {}
                (false, true) => return,
                (false, false) => sleep(LOOK).await,
            }
        }
    }

    async fn export(&mut self, spans: Vec<SpanData>) {
        let so_many = spans.len() as u64;
        let why = match timeout(EXPORT_WAIT_MAX, self.exporter.export(spans)).await {
            Ok(Ok(())) => {
                self.counts.exported.add(so_many);
                if std::mem::take(&mut self.fails) {
                    tracing::info!(url = self.url, "the collector takes spans again");
                }
                return;
            }
            Ok(Err(_)) => self.last_error.lock().unwrap_or_else(PoisonError::into_inner).clone(),
            Err(_) => format!("it didn't answer within {} s", EXPORT_WAIT_MAX.as_secs()),
        };
        self.counts.failed.add(so_many);
        if !std::mem::replace(&mut self.fails, true) {
            tracing::warn!(url = self.url, why, "a collector didn't take spans of calls; they are dropped until it does");
        }
    }

    fn span(&self, step: CallStep) -> SpanData {
        let moment = |us: u64| SystemTime::UNIX_EPOCH + Duration::from_micros(us);
        let (trace_id, span_id) = (TraceId::from(step.trace_id), self.ids.new_span_id());
        SpanData {
            span_context: SpanContext::new(trace_id, span_id, TraceFlags::SAMPLED, false, TraceState::NONE),
            parent_span_id: SpanId::INVALID,
            parent_span_is_remote: false,
            span_kind: SpanKind::Server,
            name: step.request.into(),
            start_time: moment(step.ended_us.saturating_sub(step.took_us)),
            end_time: moment(step.ended_us),
            status: if step.failed { Status::error(format!("{}: {}", step.status, step.reason)) } else { Status::Unset },
            attributes: attributes(step),
            dropped_attributes_count: 0,
            events: SpanEvents::default(),
            links: SpanLinks::default(),
            instrumentation_scope: self.scope.clone(),
        }
    }
}

/// A step's values, under the names that they have in the log; what it lacks is left out.
fn attributes(step: CallStep) -> Vec<KeyValue> {
    let text = |text: String| Some(text).filter(|text| !text.is_empty());
    let used = step.answer_us as f64 / step.budget_us.max(1) as f64;
    let words = [
        ("strowger.switch_kind", step.switch_kind),
        ("strowger.status", step.status),
        ("strowger.action", step.action),
        ("strowger.reason", step.reason),
        ("strowger.ending", step.ending),
    ];
    let texts = [
        ("strowger.switch", step.switch),
        ("strowger.call_id", text(step.call_id)),
        ("strowger.tenant", text(step.tenant)),
        ("strowger.to", step.to),
        ("strowger.from", step.from),
        ("strowger.route", step.route),
    ];
    let counts = [("strowger.answer_us", step.answer_us), ("strowger.budget_us", step.budget_us), ("strowger.revision", step.revision)];
    let words = words.into_iter().map(|(key, value)| KeyValue::new(key, value));
    let texts = texts.into_iter().filter_map(|(key, value)| Some(KeyValue::new(key, value?)));
    let counts = counts.into_iter().map(|(key, value)| KeyValue::new(key, value.cast_signed()));
    words.chain(texts).chain(counts).chain([KeyValue::new("strowger.budget_used", used)]).collect()
}

/// Who exports: `strowger`, unless the environment says otherwise.
fn resource() -> Resource {
    let version = KeyValue::new("service.version", env!("CARGO_PKG_VERSION"));
    let builder = || Resource::builder().with_attribute(version.clone());
    let from_environment = builder().build();
    let name = from_environment.get(&"service.name".into()).map(|name| name.to_string()).unwrap_or_default();
    if name.is_empty() || name.starts_with("unknown_service") { builder().with_service_name("strowger").build() } else { from_environment }
}

/// Ends a moment after the server was told to stop.
async fn soon_after_stop(mut stopping: watch::Receiver<bool>) {
    // whoever could say it being gone means the same
    let _ = stopping.wait_for(|stop| *stop).await;
    sleep(LAST_WAIT_MAX).await;
}
