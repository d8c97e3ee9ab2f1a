//! From the state to a frame. Nothing here asks anybody; few colours, so that a slow line has little to carry.

use super::state::State;
use crate::cli::print::shown;
use crate::control::SourceView;
use crate::cti::SourcePhase;
use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::Line;
use ratatui::widgets::Paragraph;

/// What the last line says to whoever has keys.
pub(super) const KEYS: &str = "q ends  ↑↓ PgUp PgDn calls  / filter";
/// Narrower or lower than this, only the heads and the calls are drawn.
const PANELS_COLUMNS_MIN: u16 = 70;
const PANELS_ROWS_MIN: u16 = 16;
/// Rows of the histogram, and of what stands beside it.
const PANEL_ROWS: u16 = 9;
/// Columns of the histogram.
const TIMES_COLUMNS: u16 = 38;
/// Columns of the longest bar.
const BAR_COLUMNS: u64 = 16;
/// What the histogram's rows are, in microseconds; the budget is one more, and beyond it the last.
const TIMES_US: [u64; 6] = [100, 200, 500, 1_000, 5_000, 20_000];
const SPARKS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

const PLAIN: Style = Style::new();
const HEAD: Style = Style::new().add_modifier(Modifier::BOLD);
const ALARM: Style = Style::new().fg(Color::Red).add_modifier(Modifier::BOLD);
const BAR: Style = Style::new().add_modifier(Modifier::REVERSED);

/// Draws everything.
pub(super) fn draw(frame: &mut Frame<'_>, state: &State) {
    let area = frame.area();
    let with_panels = area.width >= PANELS_COLUMNS_MIN && area.height >= PANELS_ROWS_MIN;
    let panels = if with_panels { PANEL_ROWS } else { 0 };
    let rows = [Constraint::Length(3), Constraint::Length(panels), Constraint::Min(0), Constraint::Length(1)];
    let [head, middle, calls, foot] = Layout::vertical(rows).areas(area);
    lines(frame, head, head_lines(state, usize::from(area.width)));
    if with_panels {
        let [left, right] = Layout::horizontal([Constraint::Length(TIMES_COLUMNS), Constraint::Min(0)]).areas(middle);
        lines(frame, left, time_lines(state));
        lines(frame, right, state_lines(state, usize::from(right.width)));
    }
    lines(frame, calls, call_lines(state, usize::from(calls.width), usize::from(calls.height)));
    lines(frame, foot, vec![foot_line(state, usize::from(foot.width))]);
}

type Styled = (String, Style);

fn lines(frame: &mut Frame<'_>, area: Rect, lines: Vec<Styled>) {
    let lines: Vec<Line<'_>> = lines.into_iter().map(|(text, style)| Line::styled(text, style)).collect();
    frame.render_widget(Paragraph::new(lines), area);
}

/// A text in so many columns, cut where it is longer. Names are counted in characters.
fn cut(text: &str, columns: usize) -> String {
    match text.chars().count() {
        count if count <= columns => format!("{text:columns$}"),
        _ if columns == 0 => String::new(),
        _ => text.chars().take(columns - 1).chain(['…']).collect(),
    }
}

/// Two texts at both ends of a line.
fn apart(left: &str, right: &str, columns: usize) -> String {
    let gap = columns.saturating_sub(left.chars().count() + right.chars().count());
    if gap == 0 { left.to_owned() } else { format!("{left}{}{right}", " ".repeat(gap)) }
}

/// `1,234,567`.
fn grouped(n: u64) -> String {
    let digits = n.to_string();
    let mut out = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// `320 µs`, `1 ms`, `2 s`.
fn time(us: u64) -> String {
    match us {
        0..1_000 => format!("{us} µs"),
        1_000..1_000_000 => format!("{} ms", us / 1_000),
        _ => format!("{} s", us / 1_000_000),
    }
}

/// `12 kB`, `3.4 MB`, `1.2 GB`.
fn size(bytes: u64) -> String {
    match bytes {
        0..1_000_000 => format!("{} kB", bytes / 1_000),
        1_000_000..1_000_000_000 => format!("{:.1} MB", bytes as f64 / 1e6),
        _ => format!("{:.1} GB", bytes as f64 / 1e9),
    }
}

/// `4 s`, `12 min`, `3 h 04`, `5 d 03 h`.
fn long(seconds: u64) -> String {
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3_600 => format!("{} min", seconds / 60),
        3_600..86_400 => format!("{} h {:02}", seconds / 3_600, seconds / 60 % 60),
        _ => format!("{} d {:02} h", seconds / 86_400, seconds / 3_600 % 24),
    }
}

fn head_lines(state: &State, columns: usize) -> Vec<Styled> {
    let (status, planes) = (&state.now.status, &state.now.status.planes);
    let clock = crate::cti::rfc3339(state.now.at_us).get(11..19).map(|time| format!("{time}Z")).unwrap_or_default();
    let title = format!("strowger {}  up {}  tenant {}", shown(&status.version), long(planes.uptime_seconds), shown(&state.tenant));
    let rate = format!("calls {:.1}/s  ", state.calls_per_second());
    let (capacity, dropped) = (state.ended("capacity"), state.ended("dropped"));
    let live = planes.events.as_ref().map(|events| format!("  {} live", grouped(events.calls_live))).unwrap_or_default();
    let room = columns.saturating_sub(rate.chars().count() + live.chars().count());
    let sessions = format!("sessions {} of {}", grouped(planes.sessions), grouped(planes.sessions_max));
    let mut trouble = Vec::new();
    for (n, what) in [
        (capacity, "refused (cap)"),
        (dropped, "dropped (cap)"),
        (planes.late, "late"),
        (state.ended("malformed"), "malformed"),
        (planes.accept_errors, "failed accepts"),
        (planes.log_lines_dropped, "log lines lost"),
    ] {
        if n > 0 {
            trouble.push(format!("{} {what}", grouped(n)));
        }
    }
    let is_bad = capacity + dropped + planes.late > 0;
    let trouble = if trouble.is_empty() { "  nobody refused, nothing late".to_owned() } else { format!("  {}", trouble.join(", ")) };
    vec![
        (apart(&title, &clock, columns), HEAD),
        (format!("{rate}{}{live}", sparks(&state.rates(), room)), PLAIN),
        (format!("{sessions}{trouble}"), if is_bad { ALARM } else { PLAIN }),
    ]
}

/// The last values, each as high as it is beside the highest.
fn sparks(values: &[f64], columns: usize) -> String {
    let shown = &values[values.len().saturating_sub(columns)..];
    let highest = shown.iter().copied().fold(0.0, f64::max);
    let spark = |value: &f64| match highest {
        highest if highest > 0.0 => SPARKS[((value / highest * 7.0).round() as usize).min(7)],
        _ => SPARKS[0],
    };
    shown.iter().map(spark).collect()
}

fn time_lines(state: &State) -> Vec<Styled> {
    let (times, seconds) = state.answer_times();
    let budget = state.now.status.planes.answer_budget_us;
    let span = seconds.map_or("since the start".to_owned(), |seconds| format!("last {}", long(seconds)));
    let mut lines = vec![(format!("ANSWER TIMES  {span}"), HEAD)];
    if times.is_empty() {
        lines.push(("the server doesn't tell of them".to_owned(), PLAIN));
        return lines;
    }
    let all: u64 = times.iter().map(|(_, n)| n).sum();
    let mut bounds: Vec<u64> = TIMES_US.iter().copied().filter(|bound| *bound < budget).collect();
    bounds.push(budget);
    bounds.push(u64::MAX);
    let mut rows = Vec::new();
    let mut above = 0;
    for bound in bounds {
        // a sort that a bound would divide is counted with the slower ones
        let n: u64 = times.iter().filter(|(b, _)| *b > above && *b <= bound).map(|(_, n)| n).sum();
        rows.push((above, bound, n));
        above = bound;
    }
    let most = rows.iter().map(|(.., n)| *n).max().unwrap_or(0).max(1);
    for (above, bound, n) in rows {
        let name = if bound == u64::MAX { format!("≥ {}", time(above)) } else { format!("< {}", time(bound)) };
        let percent = n as f64 * 100.0 / all.max(1) as f64;
        let filled = if n == 0 { 0 } else { (n * BAR_COLUMNS).div_ceil(most) } as usize;
        let style = if bound == u64::MAX && n > 0 { ALARM } else { PLAIN };
        let bar = "█".repeat(filled);
        lines.push((format!("{name:>8} {bar:<16} {percent:5.1} %"), style));
    }
    lines
}

fn state_lines(state: &State, columns: usize) -> Vec<Styled> {
    let status = &state.now.status;
    let mut lines = vec![("SWITCHES".to_owned(), HEAD)];
    let sources = status.planes.events.as_ref().map(|events| events.sources.as_slice()).unwrap_or_default();
    // what doesn't fit is counted
    let rows = usize::from(PANEL_ROWS) - 6;
    for (at, source) in sources.iter().enumerate().take(if sources.len() > rows { rows - 1 } else { rows }) {
        lines.push(source_line(source, state.events_per_second(at), columns));
    }
    if sources.len() > rows {
        let down = sources.iter().skip(rows - 1).filter(|source| source.phase != SourcePhase::Up).count();
        let style = if down > 0 { ALARM } else { PLAIN };
        lines.push((format!("and {} more, {down} of them not up", sources.len() - (rows - 1)), style));
    }
    if sources.is_empty() {
        lines.push(("none is watched".to_owned(), PLAIN));
    }
    let snapshot = match status.snapshot_revision {
        Some(revision) if revision == status.revision => "up to date".to_owned(),
        Some(revision) => format!("at {}", grouped(revision)),
        None => "being built".to_owned(),
    };
    lines.push((format!("STORE  revision {}", grouped(status.revision)), HEAD));
    match &status.store_failed {
        Some(why) => lines.push((cut(&format!("FAILED: {}", shown(why)), columns), ALARM)),
        None => lines.push((format!("{} contacts, {} edited", grouped(status.contacts), grouped(status.overlay)), PLAIN)),
    }
    lines.push((format!("snapshot {snapshot}, {}", size(status.directory_bytes)), PLAIN));
    lines.push((format!("disk {}", size(status.store_bytes)), PLAIN));
    lines
}

fn source_line(source: &SourceView, events_per_second: f64, columns: usize) -> Styled {
    let name = cut(&shown(&source.name), 10);
    let (what, style) = match &source.phase {
        SourcePhase::Up => {
            let lost = if source.events_lost > 0 { format!(" {} LOST", grouped(source.events_lost)) } else { String::new() };
            let what = format!("lag {:>6} {events_per_second:>6.0} ev/s{lost}", time(source.queue_age_us));
            (what, if source.events_lost > 0 { ALARM } else { PLAIN })
        }
        SourcePhase::Connecting => ("connecting".to_owned(), PLAIN),
        SourcePhase::LoggingIn => ("logging in".to_owned(), PLAIN),
        SourcePhase::Down(why) => (format!("DOWN: {}", shown(why)), ALARM),
    };
    (cut(&format!("{name} {what}"), columns), style)
}

fn call_lines(state: &State, columns: usize, rows: usize) -> Vec<Styled> {
    // how it stands and how long take what they need; the rest is for names
    let (how, long) = (9, 6);
    let rest = columns.saturating_sub(how + long + 4);
    let (from, to) = (rest * 45 / 100, rest * 27 / 100);
    let who = rest - from - to;
    let row = |cells: [&str; 5]| {
        let [a, b, c, d, e] = cells;
        format!("{} {} {} {d:>long$} {}", cut(a, from), cut(b, to), cut(c, who), cut(e, how))
    };
    let mut lines = vec![(row(["FROM", "TO", "WHO", "LONG", "HOW"]), BAR)];
    lines.extend(state.calls().take(rows.saturating_sub(1)).map(|[a, b, c, d, e]| (row([a, b, c, d, e]), PLAIN)));
    if lines.len() == 1 {
        let note = match (&state.now.note, &state.filter) {
            (Some(note), _) => shown(note),
            (None, Some(filter)) if !filter.is_empty() => format!("no call that lives has {:?} in it", shown(filter)),
            _ => "no call lives".to_owned(),
        };
        lines.push((cut(&note, columns), PLAIN));
    }
    lines
}

fn foot_line(state: &State, columns: usize) -> Styled {
    if let Some(why) = &state.gone {
        return (cut(&format!("NO ANSWER: {}; trying again", shown(why)), columns), ALARM);
    }
    if state.is_typing {
        return (cut(&format!("/{}_", shown(state.filter.as_deref().unwrap_or_default())), columns), HEAD);
    }
    let (count, first) = state.place();
    let calls = match (&state.filter, count) {
        (_, 0) => String::new(),
        (Some(filter), _) => format!("{} of {count} with {:?}", first + 1, shown(filter)),
        (None, _) => format!("{} of {count}", first + 1),
    };
    (apart(KEYS, &calls, columns), PLAIN)
}
