//! Which state a schedule has at an instant, and when that changes.

use super::dates::day_number;
use super::zone::{Zone, timestamp};
use super::{Dates, Exception, Holiday, Hours, Override, Period, Schedule};
use jiff::civil::{Date, Weekday};

/// How far a change is looked for, in days: what is the same for more than a year is called unchanging.
pub const SEARCH_DAYS_MAX: u64 = 400;

const DAY_SECONDS: i64 = 24 * 60 * 60;

/// A schedule that is ready for calls: its time zone is resolved, its dates lie side by side.
#[derive(Debug, Clone)]
pub struct CompiledSchedule {
    schedule: Schedule,
    zone: Option<Zone>,
    exceptions: Vec<Span>,
    holidays: Vec<Span>,
}

/// Dates, and the places of them and of their entry.
#[derive(Debug, Clone)]
struct Span {
    dates: Dates,
    entry: usize,
    part: usize,
}

/// The state at an instant, and the rule that says so.
#[derive(Debug, Clone)]
pub struct State<'a> {
    word: &'a str,
    rule: Rule<'a>,
    zone: &'a Zone,
}

#[derive(Debug, Clone)]
enum Rule<'a> {
    Override(&'a Override),
    Exception(&'a Exception),
    Holiday(&'a Holiday, &'a Dates),
    Period(&'a Period),
    Hours(&'a Hours),
    Otherwise,
}

impl State<'_> {
    /// `open`, `closed`, `holiday`, a period's name, or what a holiday or an override says.
    #[must_use]
    pub fn word(&self) -> &str {
        self.word
    }

    /// Whether the word is `open`.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.word == "open"
    }

    /// The zone in whose time it was judged.
    #[must_use]
    pub fn zone(&self) -> &Zone {
        self.zone
    }

    /// The rule that decided, as the schedule has it: `override until 2026-12-24 18:00`, `holiday christmas 12-25..12-26`,
    /// `mon-fri 09:00-17:30`. Times are those of the zone.
    #[must_use]
    pub fn why(&self) -> String {
        match self.rule {
            Rule::Override(Override { until: Some(until), .. }) => format!("override until {}", self.zone.local_text(*until)),
            Rule::Override(_) => "override until it is taken back".to_owned(),
            Rule::Exception(exception) => format!("exception {exception}"),
            Rule::Holiday(holiday, dates) => format!("holiday {} {dates}", holiday.name),
            Rule::Period(period) => format!("period {period}"),
            Rule::Hours(hours) => hours.to_string(),
            Rule::Otherwise => "outside the opening hours".to_owned(),
        }
    }
}

/// Monday is 0.
fn week_day(day: Weekday) -> u8 {
    day.to_monday_zero_offset().unsigned_abs()
}

fn spans<'a>(entries: impl Iterator<Item = &'a Vec<Dates>>) -> Vec<Span> {
    let flat = entries.enumerate().flat_map(|(entry, dates)| dates.iter().enumerate().map(move |(part, d)| (entry, part, *d)));
    flat.map(|(entry, part, dates)| Span { dates, entry, part }).collect()
}

fn covering(spans: &[Span], day: u32) -> Option<&Span> {
    spans.iter().find(|span| span.dates.covers(day))
}

impl CompiledSchedule {
    pub(super) fn new(schedule: Schedule) -> CompiledSchedule {
        CompiledSchedule {
            // a checked schedule has no unknown zone, unless an older database reads what a newer one has let through
            zone: schedule.timezone.as_ref().and_then(|name| name.parse().ok()),
            exceptions: spans(schedule.exceptions.iter().map(|e| &e.dates)),
            holidays: spans(schedule.holidays.iter().map(|h| &h.dates)),
            schedule,
        }
    }

    /// As it is stored.
    #[must_use]
    pub fn schedule(&self) -> &Schedule {
        &self.schedule
    }

    /// Its zone, else the tenant's.
    #[must_use]
    pub fn zone<'a>(&'a self, tenant_zone: &'a Zone) -> &'a Zone {
        self.zone.as_ref().unwrap_or(tenant_zone)
    }

    /// The state at an instant, in UTC microseconds. A schedule without a zone of its own takes the tenant's. No
    /// allocation, no lock, no look at a clock.
    #[must_use]
    pub fn state_at<'a>(&'a self, at_us: u64, tenant_zone: &'a Zone) -> State<'a> {
        let zone = self.zone(tenant_zone);
        let state = |word, rule| State { word, rule, zone };
        if let Some(mode) = self.schedule.mode.as_ref().filter(|m| m.until.is_none_or(|until| at_us < until)) {
            return state(&mode.state, Rule::Override(mode));
        }
        let wall = zone.wall(at_us);
        let minute = u16::from(wall.hour().unsigned_abs()) * 60 + u16::from(wall.minute().unsigned_abs());
        self.by_wall(wall.date(), minute, zone)
    }

    /// The state by the clock on the wall, without the override.
    fn by_wall<'a>(&'a self, date: Date, minute: u16, zone: &'a Zone) -> State<'a> {
        let schedule = &self.schedule;
        let state = |word, rule| State { word, rule, zone };
        let (today, day) = (day_number(date), week_day(date.weekday()));
        let eve = date.yesterday().map_or(0, day_number);
        let eve_exception = covering(&self.exceptions, eve).map(|span| &schedule.exceptions[span.entry]);
        if let Some(exception) = eve_exception.filter(|e| e.open.iter().any(|r| r.covers_next_day(minute))) {
            return state("open", Rule::Exception(exception));
        }
        if let Some(span) = covering(&self.exceptions, today) {
            let exception = &schedule.exceptions[span.entry];
            let word = if exception.open.iter().any(|r| r.covers(minute)) { "open" } else { "closed" };
            return state(word, Rule::Exception(exception));
        }
        if let Some(span) = covering(&self.holidays, today) {
            let holiday = &schedule.holidays[span.entry];
            return state(holiday.state(), Rule::Holiday(holiday, &holiday.dates[span.part]));
        }
        // asked only where a range goes over midnight
        let plain_eve = || eve_exception.is_none() && covering(&self.holidays, eve).is_none();
        let covers = |hours: &Hours| hours.covers(day, minute) || (hours.covers_from_eve(day, minute) && plain_eve());
        if let Some(period) = schedule.periods.iter().find(|p| covers(&p.hours)) {
            return state(&period.name, Rule::Period(period));
        }
        match schedule.open.iter().find(|hours| covers(hours)) {
            Some(hours) => state("open", Rule::Hours(hours)),
            None => state("closed", Rule::Otherwise),
        }
    }

    /// When the state's word is next another one, in UTC microseconds; `None` = not within [`SEARCH_DAYS_MAX`] days. For
    /// people who ask, not for calls: it may take some milliseconds.
    #[must_use]
    pub fn next_change(&self, at_us: u64, tenant_zone: &Zone) -> Option<u64> {
        let before = self.state_at(at_us, tenant_zone);
        let last_us = at_us.saturating_add(SEARCH_DAYS_MAX * DAY_SECONDS.unsigned_abs() * 1_000_000);
        let mut from_us = at_us;
        if let Rule::Override(mode) = before.rule {
            // nothing else matters before its end
            from_us = mode.until.filter(|until| *until <= last_us)?;
            if self.state_at(from_us, tenant_zone).word != before.word {
                return Some(from_us);
            }
        }
        let changed = |at_us: u64| self.state_at(at_us, tenant_zone).word != before.word;
        let zone = self.zone(tenant_zone);
        let minutes = self.minutes_of_change();
        let mut jumps = zone.time_zone().following(timestamp(from_us));
        loop {
            // until the clocks are next changed, the clock on the wall goes as the world's
            let jump_us = jumps.next().map(|jump| super::zone::microseconds(jump.timestamp()));
            let end_us = jump_us.unwrap_or(u64::MAX).min(last_us.saturating_add(1));
            let offset = i64::from(zone.time_zone().to_offset(timestamp(from_us)).seconds());
            let local = i64::try_from(from_us / 1_000_000).ok()?.checked_add(offset)?;
            let mut midnight = local.div_euclid(DAY_SECONDS) * DAY_SECONDS;
            'days: loop {
                for minute in &minutes {
                    let at = u64::try_from(midnight + i64::from(*minute) * 60 - offset).unwrap_or(0).saturating_mul(1_000_000);
                    if at >= end_us {
                        break 'days;
                    }
                    if at > from_us && changed(at) {
                        return Some(at);
                    }
                }
                midnight += DAY_SECONDS;
            }
            from_us = jump_us.filter(|jump| *jump <= last_us)?;
            if changed(from_us) {
                return Some(from_us);
            }
        }
    }

    /// The minutes of a day at which anything can change, sorted.
    fn minutes_of_change(&self) -> Vec<u16> {
        let schedule = &self.schedule;
        let weekly = schedule.open.iter().chain(schedule.periods.iter().map(|p| &p.hours)).flat_map(|h| &h.ranges);
        let ranges = weekly.chain(schedule.exceptions.iter().flat_map(|e| &e.open));
        let mut minutes: Vec<u16> = ranges.flat_map(|r| [r.from, r.to % 1440]).chain([0]).collect();
        minutes.sort_unstable();
        minutes.dedup();
        minutes
    }
}
