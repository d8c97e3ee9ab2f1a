//! What is drawn: what the server last said, what it said before, and where somebody looks.

use crate::cli::calls_text::{CallRow, live_cells};
use crate::control::StatusView;
use serde_json::Value as Json;
use std::collections::VecDeque;

/// Samples that are kept: rates and the histogram are of this many. With one a second, a minute.
pub(super) const SAMPLES_MAX: usize = 60;
/// The longest text that calls are filtered by.
const FILTER_CHARS_MAX: usize = 40;

/// What the server said at one time.
#[derive(Debug, Clone)]
pub(super) struct Sample {
    /// When, in microseconds since 1970.
    pub(super) at_us: u64,
    /// When, by the clock that nobody sets.
    monotonic_us: u64,
    pub(super) status: StatusView,
    /// The calls that live, as they are told.
    pub(super) raw: Vec<Json>,
    calls: Vec<[String; 5]>,
    /// Why no calls are told.
    pub(super) note: Option<String>,
}

impl Sample {
    pub(super) fn new(at_us: u64, monotonic_us: u64, status: StatusView, raw: Vec<Json>, note: Option<String>) -> Sample {
        let rows = raw.iter().filter_map(|call| serde_json::from_value::<CallRow>(call.clone()).ok());
        let calls = rows.map(|row| live_cells(&row, at_us)).collect();
        Sample { at_us, monotonic_us, status, raw, calls, note }
    }

    fn answered(&self) -> u64 {
        self.status.planes.answer_times.iter().map(|(_, n)| n).sum()
    }
}

/// Everything that is drawn.
#[derive(Debug, Clone)]
pub(super) struct State {
    pub(super) tenant: String,
    pub(super) now: Sample,
    /// What was said before, the oldest first.
    earlier: VecDeque<Sample>,
    /// Why nothing new is said.
    pub(super) gone: Option<String>,
    /// Which calls are shown.
    pub(super) filter: Option<String>,
    pub(super) is_typing: bool,
    scroll: usize,
}

impl State {
    pub(super) fn new(tenant: &str, first: Sample) -> State {
        let tenant = tenant.to_owned();
        State { tenant, now: first, earlier: VecDeque::new(), gone: None, filter: None, is_typing: false, scroll: 0 }
    }

    /// Takes in what was said, or why nothing was.
    pub(super) fn take(&mut self, sampled: Result<Sample, String>) {
        let sample = match sampled {
            Ok(sample) => sample,
            Err(why) => {
                self.gone = Some(why);
                return;
            }
        };
        self.gone = None;
        // another process counts from nothing
        if sample.status.pid != self.now.status.pid || sample.answered() < self.now.answered() {
            self.earlier.clear();
            self.now = sample;
        } else {
            let mut last = std::mem::replace(&mut self.now, sample);
            (last.raw, last.calls) = (Vec::new(), Vec::new());
            self.earlier.push_back(last);
            if self.earlier.len() > SAMPLES_MAX {
                self.earlier.pop_front();
            }
        }
        self.move_by(0);
    }

    fn per_second(before: &Sample, after: &Sample, count: impl Fn(&Sample) -> u64) -> f64 {
        let seconds = after.monotonic_us.saturating_sub(before.monotonic_us) as f64 / 1e6;
        if seconds > 0.0 { count(after).saturating_sub(count(before)) as f64 / seconds } else { 0.0 }
    }

    /// Answers a second since the last sample.
    pub(super) fn calls_per_second(&self) -> f64 {
        self.earlier.back().map_or(0.0, |last| State::per_second(last, &self.now, Sample::answered))
    }

    /// The same for each sample, the oldest first.
    pub(super) fn rates(&self) -> Vec<f64> {
        let all: Vec<&Sample> = self.earlier.iter().chain([&self.now]).collect();
        all.windows(2).map(|pair| State::per_second(pair[0], pair[1], Sample::answered)).collect()
    }

    /// Events a second of a switch since the last sample.
    pub(super) fn events_per_second(&self, switch: usize) -> f64 {
        let count = |sample: &Sample| sample.status.planes.events.as_ref().and_then(|e| e.sources.get(switch)).map_or(0, |s| s.events_in);
        self.earlier.back().map_or(0.0, |last| State::per_second(last, &self.now, count))
    }

    /// How long answers took, and over how many seconds: since the oldest sample, or since the server's start where nothing
    /// was answered since.
    pub(super) fn answer_times(&self) -> (Vec<(u64, u64)>, Option<u64>) {
        let now = &self.now.status.planes.answer_times;
        if let Some(oldest) = self.earlier.front().filter(|oldest| oldest.answered() < self.now.answered()) {
            let before = &oldest.status.planes.answer_times;
            let since = now.iter().zip(before).map(|((bound, n), (_, was))| (*bound, n.saturating_sub(*was))).collect();
            return (since, Some(self.now.monotonic_us.saturating_sub(oldest.monotonic_us) / 1_000_000));
        }
        (now.clone(), None)
    }

    /// How many sessions ended like this since the start.
    pub(super) fn ended(&self, word: &str) -> u64 {
        self.now.status.planes.endings.iter().filter(|(ending, _)| ending == word).map(|(_, n)| n).sum()
    }

    /// The calls that are shown, from the one on that stands first.
    pub(super) fn calls(&self) -> impl Iterator<Item = &[String; 5]> {
        self.filtered().skip(self.scroll)
    }

    fn filtered(&self) -> impl Iterator<Item = &[String; 5]> {
        let wanted = self.filter.as_deref().unwrap_or_default().to_lowercase();
        let is_wanted = move |cells: &&[String; 5]| wanted.is_empty() || cells.iter().any(|cell| cell.to_lowercase().contains(&wanted));
        self.now.calls.iter().filter(is_wanted)
    }

    /// How many calls there are to see, and which stands first.
    pub(super) fn place(&self) -> (usize, usize) {
        (self.filtered().count(), self.scroll)
    }

    pub(super) fn move_by(&mut self, lines: isize) {
        let last = self.filtered().count().saturating_sub(1);
        self.scroll = self.scroll.saturating_add_signed(lines).min(last);
    }

    pub(super) fn filter_by(&mut self, filter: Option<String>) {
        self.is_typing = filter.is_some();
        self.filter = filter;
        self.scroll = 0;
    }

    pub(super) fn filter_more(&mut self, c: char) {
        let filter = self.filter.get_or_insert_default();
        if filter.chars().count() < FILTER_CHARS_MAX && !c.is_control() {
            filter.push(c);
        }
        self.scroll = 0;
    }

    pub(super) fn filter_less(&mut self) {
        self.filter.get_or_insert_default().pop();
        self.scroll = 0;
    }
}
