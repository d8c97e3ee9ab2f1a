//! What a load run found, ready for a table or for JSON.

use hdrhistogram::Histogram;
use serde::Serialize;

/// Longest time that is told apart, in nanoseconds; longer ones count as this. No call's timeout is longer.
const TIME_NS_MAX: u64 = 60_000_000_000;

/// Calls that were not answered as they should be, by kind.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Failures {
    /// Nobody listened.
    pub refused: u64,
    /// Not over within the plan's time for a call: no connection, no answer, or no FIN.
    pub timed_out: u64,
    /// Open loop: not even begun when the run had to end, because every connection was busy.
    pub not_begun: u64,
    /// The connection was reset before the answer.
    pub reset: u64,
    /// The server closed without an answer, or in the middle of it.
    pub no_answer: u64,
    /// The server wrote something else than whole `EXEC MSet "…"` lines.
    pub malformed: u64,
    /// The answer's status was not as expected.
    pub unexpected_status: u64,
    /// This side had no port or descriptor left.
    pub local: u64,
}

impl Failures {
    /// All of them.
    #[must_use]
    pub const fn total(&self) -> u64 {
        self.refused + self.timed_out + self.not_begun + self.reset + self.no_answer + self.malformed + self.unexpected_status + self.local
    }
}

/// Answers by what `STROWGER_STATUS` said.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Statuses {
    /// `found`.
    pub found: u64,
    /// `unknown`.
    pub unknown: u64,
    /// `late`.
    pub late: u64,
    /// `error`.
    pub error: u64,
    /// Any other word.
    pub other: u64,
    /// Answers without the variable.
    pub none: u64,
}

impl Statuses {
    pub(super) fn count(&mut self, status: Option<&[u8]>) {
        match status {
            Some(b"found") => self.found += 1,
            Some(b"unknown") => self.unknown += 1,
            Some(b"late") => self.late += 1,
            Some(b"error") => self.error += 1,
            Some(_) => self.other += 1,
            None => self.none += 1,
        }
    }
}

/// A distribution of times, in microseconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct Times {
    /// Half of the calls took no longer.
    pub p50_us: f64,
    /// 90 of 100 took no longer.
    pub p90_us: f64,
    /// 99 of 100 took no longer.
    pub p99_us: f64,
    /// 999 of 1000 took no longer.
    pub p999_us: f64,
    /// The longest.
    pub max_us: f64,
    /// The mean.
    pub mean_us: f64,
}

/// What a run found.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LoadReport {
    /// `closed` or `open`.
    pub mode: &'static str,
    /// Connections used at most at one time.
    pub connections: usize,
    /// The rate asked for; only in open loop.
    pub calls_per_second_wanted: Option<f64>,
    /// From the first call's start to the last one's end.
    pub duration_seconds: f64,
    /// Calls made, failed ones included.
    pub calls: u64,
    /// Calls answered well, a second.
    pub calls_per_second: f64,
    /// Calls that failed.
    pub failed: Failures,
    /// Answers by status, those with an unexpected one included.
    pub statuses: Statuses,
    /// From when the call should have begun to its complete answer: what a caller would have waited. Calls that timed
    /// out count with the time they took; other failures don't count.
    pub latency: Times,
    /// The same from when the call really began; differs in open loop, when all connections were busy.
    pub service: Times,
    /// Open loop only: how late calls began although a connection was free. It is our own, and part of `latency`.
    pub pacing: Option<Times>,
    /// The distribution of `latency`, each bucket twice as wide as the one before; empty ones at the end are left out.
    pub histogram: Vec<Bucket>,
}

/// A bucket of a histogram.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Bucket {
    /// Calls in it took at most so long, and longer than those of the bucket before.
    pub up_to_us: f64,
    /// How many there were.
    pub calls: u64,
}

/// The width of the longest bar of a printed histogram, in characters.
const BAR_CHARACTERS: u64 = 40;

impl std::fmt::Display for LoadReport {
    /// For people: figures and a histogram.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let wanted = self.calls_per_second_wanted.map(|w| format!(" of {w} wanted")).unwrap_or_default();
        writeln!(f, "{} loop, {} connections, {:.1} s", self.mode, self.connections, self.duration_seconds)?;
        writeln!(f, "{} calls, {:.0} a second{wanted}, {} failed", self.calls, self.calls_per_second, self.failed.total())?;
        let kinds = [
            ("refused", self.failed.refused),
            ("timed out", self.failed.timed_out),
            ("not begun", self.failed.not_begun),
            ("reset", self.failed.reset),
            ("without an answer", self.failed.no_answer),
            ("malformed", self.failed.malformed),
            ("of another status", self.failed.unexpected_status),
            ("for want of a port or descriptor here", self.failed.local),
        ];
        for (what, count) in kinds.into_iter().filter(|(_, count)| *count > 0) {
            writeln!(f, "  failed: {count} {what}")?;
        }
        let s = &self.statuses;
        writeln!(f, "found {}, unknown {}, late {}, error {}, other {}", s.found, s.unknown, s.late, s.error, s.other + s.none)?;
        writeln!(f, "µs        {:>9} {:>9} {:>9} {:>9} {:>9} {:>9}", "p50", "p90", "p99", "p99.9", "max", "mean")?;
        let mut row = |name: &str, t: &Times| {
            writeln!(
                f,
                "{name:<9} {:>9.0} {:>9.0} {:>9.0} {:>9.0} {:>9.0} {:>9.0}",
                t.p50_us, t.p90_us, t.p99_us, t.p999_us, t.max_us, t.mean_us
            )
        };
        row("latency", &self.latency)?;
        row("service", &self.service)?;
        if let Some(pacing) = &self.pacing {
            row("our pace", pacing)?;
        }
        let most = self.histogram.iter().map(|b| b.calls).max().unwrap_or(0).max(1);
        for bucket in &self.histogram {
            let bar = "#".repeat(usize::try_from((bucket.calls * BAR_CHARACTERS).div_ceil(most)).unwrap_or(0));
            writeln!(f, "{:>9.0} µs {:>9} {bar}", bucket.up_to_us, bucket.calls)?;
        }
        Ok(())
    }
}

/// The times of a run's calls, in nanoseconds.
pub(super) struct Recorder {
    latency: Histogram<u64>,
    service: Histogram<u64>,
    pacing: Histogram<u64>,
}

impl Recorder {
    pub(super) fn new() -> Self {
        let histogram = || Histogram::new_with_bounds(1, TIME_NS_MAX, 3).expect("one nanosecond to a minute at three digits is valid");
        Self { latency: histogram(), service: histogram(), pacing: histogram() }
    }

    pub(super) fn record(&mut self, latency_ns: u64, service_ns: u64) {
        self.latency.saturating_record(latency_ns);
        self.service.saturating_record(service_ns);
    }

    pub(super) fn record_pacing(&mut self, late_ns: u64) {
        self.pacing.saturating_record(late_ns);
    }

    pub(super) fn latency(&self) -> Times {
        times(&self.latency)
    }

    /// The latency's distribution, from 16 µs up in doubling buckets.
    pub(super) fn histogram(&self) -> Vec<Bucket> {
        #[expect(clippy::cast_precision_loss, reason = "a minute in nanoseconds is far below 2^53")]
        let bucket = |step: hdrhistogram::iterators::IterationValue<u64>| Bucket {
            up_to_us: step.value_iterated_to() as f64 / 1_000.0,
            calls: step.count_since_last_iteration(),
        };
        self.latency.iter_log(16_000, 2.0).map(bucket).collect()
    }

    pub(super) fn service(&self) -> Times {
        times(&self.service)
    }

    pub(super) fn pacing(&self) -> Option<Times> {
        (!self.pacing.is_empty()).then(|| times(&self.pacing))
    }
}

fn times(histogram: &Histogram<u64>) -> Times {
    #[expect(clippy::cast_precision_loss, reason = "a minute in nanoseconds is far below 2^53")]
    let quantile = |q| histogram.value_at_quantile(q) as f64 / 1_000.0;
    Times {
        p50_us: quantile(0.5),
        p90_us: quantile(0.9),
        p99_us: quantile(0.99),
        p999_us: quantile(0.999),
        max_us: quantile(1.0),
        mean_us: histogram.mean() / 1_000.0,
    }
}
