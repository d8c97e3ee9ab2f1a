//! Weekly hours as text: `mon-fri 09:00-12:00,13:00-17:00`.
//!
//! Times are those of the clock on the wall. A range that ends at or before its beginning goes over midnight and
//! belongs to the day on which it begins: `fri 22:00-02:00` is open on Saturday at 01:00 because of Friday.

use super::{ScheduleError, text_in_files};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// The most ranges of one line of hours or of one exception: nobody opens more often a day, and a line stays readable.
pub const RANGES_MAX: usize = 8;

const DAY_MINUTES: u16 = 24 * 60;
const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
const LONG_DAYS: [&str; 7] = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"];
const EXAMPLE: &str = "mon-fri 09:00-17:30, sat 10:00-13:00 or daily 00:00-24:00";

/// A part of a day, in minutes since its midnight: from `from` (0..=1439) until before `to` (1..=1440). Where `to` isn't
/// after `from`, until `to` of the next day.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct TimeRange {
    pub(super) from: u16,
    pub(super) to: u16,
}

impl TimeRange {
    /// A range from its minutes; an end at midnight may be 0 or 1440.
    pub(super) fn new(from: u16, to: u16) -> Option<TimeRange> {
        let to = if to == 0 { DAY_MINUTES } else { to };
        (from < DAY_MINUTES && to <= DAY_MINUTES).then_some(TimeRange { from, to })
    }

    /// Whether it goes over midnight.
    #[must_use]
    pub fn is_over_midnight(&self) -> bool {
        self.to <= self.from
    }

    /// Whether it covers a minute of the day that it belongs to.
    pub(super) fn covers(&self, minute: u16) -> bool {
        minute >= self.from && (minute < self.to || self.is_over_midnight())
    }

    /// Whether it covers a minute of the day after the one that it belongs to.
    pub(super) fn covers_next_day(&self, minute: u16) -> bool {
        self.is_over_midnight() && minute < self.to
    }
}

impl fmt::Display for TimeRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02}:{:02}-{:02}:{:02}", self.from / 60, self.from % 60, self.to / 60, self.to % 60)
    }
}

/// Days of the week, at least one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Days(u8);

impl Days {
    /// Whether a day is among them; Monday is 0.
    pub(super) fn has(self, day: u8) -> bool {
        self.0 & (1 << (day % 7)) != 0
    }
}

impl fmt::Display for Days {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 & 0x7f == 0x7f {
            return f.write_str("daily");
        }
        let mut comma = "";
        // a run begins on a day whose eve isn't there, and may go over the week's end
        for first in (0..7).filter(|d| self.has(*d) && !self.has(d + 6)) {
            let last = (first..first + 7).take_while(|d| self.has(*d)).last().unwrap_or(first) % 7;
            write!(f, "{comma}{}", DAYS[usize::from(first)])?;
            if last != first {
                write!(f, "-{}", DAYS[usize::from(last)])?;
            }
            comma = ",";
        }
        Ok(())
    }
}

/// Days of the week and their times: one line of a week's opening hours. As text: `mon-fri 09:00-12:00,13:00-17:00`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(remote = "Self")]
pub struct Hours {
    pub(super) days: Days,
    pub(super) ranges: Vec<TimeRange>,
}

text_in_files!(Hours);

impl Hours {
    /// Its ranges, sorted.
    #[must_use]
    pub fn ranges(&self) -> &[TimeRange] {
        &self.ranges
    }

    /// Whether it covers a minute of a day (Monday is 0) by a range that belongs to that day.
    pub(super) fn covers(&self, day: u8, minute: u16) -> bool {
        self.days.has(day) && self.ranges.iter().any(|r| r.covers(minute))
    }

    /// Whether it covers a minute of a day by a range that belongs to the day before.
    pub(super) fn covers_from_eve(&self, day: u8, minute: u16) -> bool {
        self.days.has(day + 6) && self.ranges.iter().any(|r| r.covers_next_day(minute))
    }
}

impl fmt::Display for Hours {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ", self.days)?;
        write_ranges(f, &self.ranges)
    }
}

/// Ranges as they are read, with commas between them.
pub(super) fn write_ranges(f: &mut fmt::Formatter<'_>, ranges: &[TimeRange]) -> fmt::Result {
    for (i, range) in ranges.iter().enumerate() {
        write!(f, "{}{range}", if i == 0 { "" } else { "," })?;
    }
    Ok(())
}

impl FromStr for Hours {
    type Err = ScheduleError;

    /// Reads days and their times.
    ///
    /// # Errors
    /// [`ScheduleError::Text`], [`ScheduleError::TooMany`].
    fn from_str(text: &str) -> Result<Hours, ScheduleError> {
        let error = |problem: String| ScheduleError::text("hours", text, problem, EXAMPLE);
        let spaced = text.replace(", ", ",");
        let mut words = spaced.split_whitespace();
        let (Some(days), Some(ranges), None) = (words.next(), words.next(), words.next()) else {
            return Err(error("aren't days, a space and times".to_owned()));
        };
        Ok(Hours { days: read_days(days).map_err(error)?, ranges: read_ranges(ranges).map_err(|e| e.or_text(error))? })
    }
}

fn read_days(text: &str) -> Result<Days, String> {
    if text.eq_ignore_ascii_case("daily") {
        return Ok(Days(0x7f));
    }
    let day = |word: &str| {
        let place =
            DAYS.iter().zip(LONG_DAYS).position(|(short, long)| short.eq_ignore_ascii_case(word) || long.eq_ignore_ascii_case(word));
        place.ok_or_else(|| format!("have no day in {:?}", super::shown(word)))
    };
    let mut days = 0;
    for part in text.split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (mut first, last) = (day(first)?, day(last)?);
        days |= 1 << first;
        while first != last {
            first = (first + 1) % 7;
            days |= 1 << first;
        }
    }
    Ok(Days(days))
}

/// What is wrong with ranges: a text that the caller puts into its own words, or their number.
pub(super) enum RangesError {
    Text(String),
    TooMany(usize),
}

impl RangesError {
    pub(super) fn or_text(self, text: impl FnOnce(String) -> ScheduleError) -> ScheduleError {
        match self {
            RangesError::Text(problem) => text(problem),
            RangesError::TooMany(count) => {
                ScheduleError::TooMany { what: "ranges of one line", count, count_max: RANGES_MAX, remedy: "put them on two lines" }
            }
        }
    }
}

/// `09:00-12:00,13:00-17:00`, sorted, each once.
pub(super) fn read_ranges(text: &str) -> Result<Vec<TimeRange>, RangesError> {
    let mut ranges = Vec::new();
    let count = text.bytes().filter(|b| *b == b',').count() + 1;
    if count > RANGES_MAX {
        return Err(RangesError::TooMany(count));
    }
    for part in text.split(',') {
        let read = part.split_once('-').and_then(|(from, to)| TimeRange::new(minute(from)?, minute(to)?));
        ranges.push(read.ok_or_else(|| RangesError::Text(format!("have no range of times in {:?}", super::shown(part))))?);
    }
    ranges.sort_unstable();
    ranges.dedup();
    Ok(ranges)
}

/// Minutes since midnight of `09:00`, `9:00`; `24:00` is the day's end.
pub(super) fn minute(text: &str) -> Option<u16> {
    let (hour, minute) = text.split_once(':')?;
    let digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
    if !matches!(hour.len(), 1 | 2) || minute.len() != 2 || !digits(hour) || !digits(minute) {
        return None;
    }
    let (hour, minute) = (hour.parse::<u16>().ok()?, minute.parse::<u16>().ok()?);
    (minute < 60 && (hour < 24 || (hour == 24 && minute == 0))).then_some(hour * 60 + minute)
}
