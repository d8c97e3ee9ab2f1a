//! What `bench flood` found, as a table.

use super::super::print;
use super::{Beside, Outcome, Phase};
use std::fmt::Write as _;

const HEAD: [&str; 14] = [
    "beside",
    "calls",
    "p50 µs",
    "p99 µs",
    "p99.9 µs",
    "max µs",
    "p99 ratio",
    "late",
    "failed",
    "events/s",
    "stall ms",
    "received",
    "lost",
    "RSS MB",
];

pub(super) fn text(outcome: &Outcome) -> String {
    let mut rows = vec![HEAD.map(str::to_owned).to_vec()];
    rows.extend(outcome.phases.iter().map(row));
    let mut text = format!(
        "Calls at {} a second, {} s in each phase, timed from when they should have begun{}\n\n",
        outcome.calls_per_second,
        outcome.seconds,
        if outcome.null_reader { "; the floods go to readers that do nothing, the server hears of no event" } else { "" }
    );
    text += &print::columns(&rows);
    let imports: Vec<&str> = outcome.phases.iter().filter_map(|p| p.import).collect();
    let journal = outcome.phases.iter().fold((0, 0), |(w, l), p| (w + p.counted.journal_written, l + p.counted.journal_lost));
    let reconnects: u64 = outcome.phases.iter().map(|p| p.counted.reconnects).sum();
    // a String takes all that fits into memory
    let _ = write!(
        text,
        "\nall = both floods, a subscriber that has stopped reading, a journal on a slow disk ({} calls written, {} lost), an import ({})\n\
         stall = the longest write of a flood, less the time in which it waited for a processor; events/s = written by the floods\n\
         {reconnects} reconnects; server's memory at its highest {} MB\n\
         p99 beside all of it / quiet, the median of {} rounds: {:.2}\n",
        journal.0,
        journal.1,
        imports.join(", "),
        outcome.memory_highest_kb / 1_000,
        imports.len(),
        outcome.ratio_p99_all_median,
    );
    text
}

fn row(phase: &Phase) -> Vec<String> {
    let times = &phase.calls.latency;
    let flooded = |text: String| if phase.floods.is_empty() { "-".to_owned() } else { text };
    #[expect(clippy::cast_precision_loss, reason = "nobody writes 2^53 events")]
    let rate: f64 = phase.floods.iter().map(|f| f.events as f64 / f.seconds).sum();
    #[expect(clippy::cast_precision_loss, reason = "nor microseconds")]
    let stall_ms = phase.floods.iter().map(|f| f.blocked_longest_us).max().unwrap_or_default() as f64 / 1_000.0;
    let beside = match phase.beside {
        Beside::Quiet => "quiet",
        Beside::Asterisk => "AMI flood",
        Beside::FreeSwitch => "ESL flood",
        Beside::All => "all",
    };
    vec![
        beside.to_owned(),
        phase.calls.calls.to_string(),
        format!("{:.0}", times.p50_us),
        format!("{:.0}", times.p99_us),
        format!("{:.0}", times.p999_us),
        format!("{:.0}", times.max_us),
        phase.ratio_p99.map_or_else(|| "-".to_owned(), |ratio| format!("{ratio:.2}")),
        phase.late().to_string(),
        phase.failed().to_string(),
        flooded(format!("{rate:.0}")),
        flooded(format!("{stall_ms:.1}")),
        flooded(phase.counted.received.to_string()),
        flooded(phase.counted.lost.to_string()),
        (phase.counted.memory_kb / 1_000).to_string(),
    ]
}
