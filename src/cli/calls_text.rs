//! Calls as text: lines of a table, cells of a CSV file, and one call whole.

use super::print::{columns, shown};
use crate::directory::formula::harmless;
use jiff::Timestamp;
use serde::Deserialize;

/// The columns of an export. Scripts hold on to them: new ones come at the end.
pub(super) const CSV_COLUMNS: &[&str] = &[
    "started",
    "answered",
    "ended",
    "duration_seconds",
    "talk_seconds",
    "disposition",
    "cause",
    "from",
    "from_name",
    "from_contact",
    "withheld",
    "to",
    "route",
    "answered_by",
    "answered_by_name",
    "transferred_to",
    "rung",
    "switch",
    "id",
    "incomplete",
];

/// Widths of the table's columns: with a blank behind each and `how` they make 80.
const TIME: usize = 17;
const FROM: usize = 19;
const TO: usize = 13;
const WHO: usize = 12;
const LONG: usize = 5;

/// A call, as the feed writes it; what isn't printed here isn't read.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct CallRow {
    id: String,
    switch: String,
    state: String,
    from: PartyRow,
    to: String,
    route: Option<String>,
    legs: Vec<LegRow>,
    answered_by: Option<AnsweredRow>,
    transferred_to: Option<String>,
    started: String,
    answered: Option<String>,
    ended: Option<String>,
    duration_ms: Option<u64>,
    talk_ms: Option<u64>,
    disposition: Option<String>,
    cause: Option<String>,
    decisions: Vec<DecisionRow>,
    incomplete: bool,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
struct PartyRow {
    number: String,
    name: Option<String>,
    contact: Option<String>,
    withheld: bool,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
struct LegRow {
    channel: String,
    member: Option<String>,
    number: String,
    state: String,
    started: String,
    answered: Option<String>,
    ended: Option<String>,
    cause: Option<String>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
struct AnsweredRow {
    member: String,
    name: Option<String>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
struct DecisionRow {
    at: String,
    status: String,
    action: String,
    reason: String,
    route: Option<String>,
    revision: u64,
    trace: Vec<String>,
}

impl PartyRow {
    /// The number as it is shown, or why there is none.
    fn number(&self) -> &str {
        match &self.number {
            _ if self.withheld => "withheld",
            number if number.is_empty() => "-",
            number => number,
        }
    }
}

impl LegRow {
    /// Who it rings: the decision's member, else what was dialled.
    fn who(&self) -> &str {
        self.member.as_deref().unwrap_or(&self.number)
    }
}

impl CallRow {
    fn caller(&self) -> &str {
        self.from.name.as_deref().filter(|name| !name.is_empty()).unwrap_or(self.from.number())
    }

    /// Who answered; of a call that rings, who is rung.
    fn who(&self) -> String {
        match &self.answered_by {
            Some(answered) => answered.name.clone().unwrap_or_else(|| answered.member.clone()),
            None if self.ended.is_none() => {
                self.legs.iter().filter(|leg| leg.state != "ended").map(LegRow::who).collect::<Vec<_>>().join(",")
            }
            None => "-".to_owned(),
        }
    }

    fn how(&self) -> &str {
        self.disposition.as_deref().unwrap_or(&self.state)
    }
}

/// What a call's line in `top` is made of: who calls, whom, who answered or is rung, how long it takes, how it stands.
pub(super) fn live_cells(call: &CallRow, now_us: u64) -> [String; 5] {
    let number = call.from.number();
    let from = match call.caller() {
        name if name == number => number.to_owned(),
        name => format!("{name} {number}"),
    };
    [from, call.to.clone(), call.who(), long(so_far_ms(call, now_us)), call.how().to_owned()].map(|cell| shown(&cell))
}

/// How long a call has taken.
fn so_far_ms(call: &CallRow, now_us: u64) -> u64 {
    let started: Option<Timestamp> = call.started.parse().ok();
    started.map_or(0, |at| now_us.saturating_sub(at.as_microsecond().unsigned_abs()) / 1000)
}

/// The table's first line.
pub(super) fn head(ids: bool) -> String {
    row("STARTED (UTC)", "FROM", "TO", "ANSWERED BY", "LONG", "HOW", ids.then_some("ID"))
}

/// A call's line. How long it took, or has taken so far.
pub(super) fn line_of(call: &CallRow, ids: bool, now_us: u64) -> String {
    let time = match (call.started.get(..10), call.started.get(11..16)) {
        (Some(date), Some(time)) => format!("{date} {time}Z"),
        _ => call.started.clone(),
    };
    let long = long(call.duration_ms.unwrap_or_else(|| so_far_ms(call, now_us)));
    row(&time, call.caller(), &call.to, &call.who(), &long, call.how(), ids.then_some(&call.id))
}

fn row(time: &str, from: &str, to: &str, who: &str, long: &str, how: &str, id: Option<&str>) -> String {
    let mut line = format!(
        "{time:TIME$} {from:FROM$} {to:TO$} {who:WHO$} {long:>LONG$} {how}",
        from = clipped(from, FROM),
        // a number that was clipped would be another one
        to = shown(to),
        who = clipped(who, WHO),
        how = shown(how),
    );
    if let Some(id) = id {
        line = format!("{line:80} {}", shown(id));
    }
    format!("{}\n", line.trim_end())
}

/// A text that fits; what is a number is left whole.
fn clipped(text: &str, width: usize) -> String {
    let text = shown(text);
    let is_number = text.bytes().all(|b| b.is_ascii_digit() || b == b'+');
    if is_number || text.chars().count() <= width {
        return text;
    }
    text.chars().take(width - 1).chain(['…']).collect()
}

/// `0:07`, `12:30`, `1h02m`.
fn long(ms: u64) -> String {
    let seconds = ms / 1000;
    match seconds {
        0..3600 => format!("{}:{:02}", seconds / 60, seconds % 60),
        _ => format!("{}h{:02}m", seconds / 3600, seconds / 60 % 60),
    }
}

/// Seconds with three digits behind the point.
fn seconds(ms: Option<u64>) -> String {
    ms.map_or_else(String::new, |ms| format!("{}.{:03}", ms / 1000, ms % 1000))
}

/// A call's cells, in the order of [`CSV_COLUMNS`].
pub(super) fn csv_cells(call: &CallRow) -> Vec<String> {
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    let yes = |yes: bool| if yes { "yes" } else { "no" }.to_owned();
    let cells = vec![
        call.started.clone(),
        text(&call.answered),
        text(&call.ended),
        seconds(call.duration_ms),
        seconds(call.talk_ms),
        text(&call.disposition),
        text(&call.cause),
        call.from.number.clone(),
        text(&call.from.name),
        text(&call.from.contact),
        yes(call.from.withheld),
        call.to.clone(),
        text(&call.route),
        call.answered_by.as_ref().map(|a| a.member.clone()).unwrap_or_default(),
        call.answered_by.as_ref().and_then(|a| a.name.clone()).unwrap_or_default(),
        text(&call.transferred_to),
        call.legs.iter().map(LegRow::who).collect::<Vec<_>>().join(" "),
        call.switch.clone(),
        call.id.clone(),
        yes(call.incomplete),
    ];
    cells.into_iter().map(|cell| harmless(&cell).into_owned()).collect()
}

/// A call with everything that is known of it.
pub(super) fn whole(call: &CallRow) -> String {
    let named = |number: &str, name: Option<&str>| match name {
        Some(name) if number == "-" => name.to_owned(),
        Some(name) => format!("{number} ({name})"),
        None => number.to_owned(),
    };
    let from = call.from.number();
    let mut rows = Vec::new();
    for (name, value) in [
        ("id", Some(call.id.clone())),
        ("from", Some(named(from, call.from.name.as_deref()))),
        ("contact", call.from.contact.clone()),
        ("to", Some(call.to.clone())),
        ("route", call.route.clone()),
        ("state", Some(call.how().to_owned())),
        ("cause", call.cause.clone()),
        ("answered by", call.answered_by.as_ref().map(|a| named(&a.member, a.name.as_deref()))),
        ("transferred to", call.transferred_to.clone()),
        ("started", Some(call.started.clone())),
        ("answered", call.answered.clone()),
        ("ended", call.ended.clone()),
        ("took", call.duration_ms.map(|ms| format!("{} s", seconds(Some(ms))))),
        ("talked", call.talk_ms.map(|ms| format!("{} s", seconds(Some(ms))))),
        ("incomplete", call.incomplete.then(|| "something of it was missed".to_owned())),
    ] {
        rows.extend(value.map(|value| vec![name.to_owned(), value]));
    }
    let mut text = columns(&rows);
    if !call.legs.is_empty() {
        text.push_str("\nlegs\n");
        let time = |text: Option<&str>| text.and_then(|text| text.get(11..)).unwrap_or("-").to_owned();
        let mut rows = vec![["  number", "rung", "answered", "ended", "why", "channel"].map(str::to_owned).to_vec()];
        rows.extend(call.legs.iter().map(|leg| {
            let why = leg.cause.clone().unwrap_or_else(|| leg.state.clone());
            let who = format!("  {}", leg.who());
            let times = [time(Some(&leg.started)), time(leg.answered.as_deref()), time(leg.ended.as_deref())];
            let [rung, answered, ended] = times;
            vec![who, rung, answered, ended, why, leg.channel.clone()]
        }));
        text.push_str(&columns(&rows));
    }
    for decision in &call.decisions {
        let route = decision.route.as_ref().map(|route| format!(", route {route}")).unwrap_or_default();
        let head =
            format!("{} {} {} ({}{route}), revision {}", decision.at, decision.status, decision.action, decision.reason, decision.revision);
        text.push_str(&format!("\ndecided {}\n", shown(&head)));
        for (n, rule) in decision.trace.iter().enumerate() {
            text.push_str(&format!("{:2}. {}\n", n + 1, shown(rule)));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_has_a_cell_for_every_column() {
        assert_eq!(csv_cells(&CallRow::default()).len(), CSV_COLUMNS.len());
    }

    #[test]
    fn a_line_fits_on_a_terminal_and_nothing_in_it_plays_with_it() {
        let call = CallRow {
            started: "2026-11-21T20:58:00.123Z".into(),
            ended: Some("2026-11-21T21:58:00.123Z".into()),
            from: PartyRow {
                number: "+14155550101".into(),
                name: Some("Eve \u{1b}[2J of the very long name".into()),
                ..PartyRow::default()
            },
            to: "+14155550199".into(),
            answered_by: Some(AnsweredRow { member: "101".into(), name: Some("Küche im Erdgeschoß".into()) }),
            duration_ms: Some(3_725_000),
            disposition: Some("no-answer".into()),
            ..CallRow::default()
        };
        let line = line_of(&call, false, 0);
        assert_eq!(line, "2026-11-21 20:58Z Eve \\u{1b}[2J of t… +14155550199  Küche im Er… 1h02m no-answer\n");
        assert!(line.trim_end().chars().count() <= 80 && head(false).trim_end().chars().count() <= 80);
        let live = CallRow { ended: None, duration_ms: None, ..call };
        let now_us = live.started.parse::<Timestamp>().unwrap().as_microsecond() as u64 + 67_000_000;
        assert!(line_of(&live, false, now_us).contains("  1:07 "), "{}", line_of(&live, false, now_us));
    }
}
