//! Dates as text: `2026-12-25`, `2026-12-24..2027-01-01`, and every year's `12-25`, `12-24..01-01`.
//!
//! Days are compared as the numbers that their digits make (20261225, 1225): no calendar is asked on a call.

use super::{DATES_MAX, ScheduleError};
use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

const EXAMPLE: &str = "2026-12-25, 2026-12-24..2027-01-01, or for every year 12-25 or 12-24..01-01";

/// Days of the calendar, from one to another, both included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Dates {
    /// Of one time, as 20261224.
    Once {
        /// The first day.
        from: u32,
        /// The last day.
        to: u32,
    },
    /// Of every year, as 1224; over the year's end where `to` is before `from`. 02-29 is there in leap years only.
    Yearly {
        /// The first day.
        from: u16,
        /// The last day.
        to: u16,
    },
}

impl Dates {
    /// One time's days.
    pub(super) fn once(from: Date, to: Date) -> Dates {
        Dates::Once { from: day_number(from), to: day_number(to) }
    }

    /// Every year's days.
    pub(super) fn yearly(from: Date, to: Date) -> Dates {
        Dates::Yearly { from: month_day(day_number(from)), to: month_day(day_number(to)) }
    }

    /// Whether a day, as 20261224, is among them.
    #[inline]
    pub(super) fn covers(&self, day: u32) -> bool {
        match *self {
            Dates::Once { from, to } => from <= day && day <= to,
            Dates::Yearly { from, to } => {
                let day = month_day(day);
                if from <= to { from <= day && day <= to } else { day >= from || day <= to }
            }
        }
    }
}

/// A day as the number 20261224.
#[inline]
pub(super) fn day_number(date: Date) -> u32 {
    u32::from(date.year().unsigned_abs()) * 10_000 + u32::from(date.month().unsigned_abs()) * 100 + u32::from(date.day().unsigned_abs())
}

/// 1224 of 20261224.
fn month_day(day: u32) -> u16 {
    u16::try_from(day % 10_000).unwrap_or_default()
}

impl fmt::Display for Dates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let once = |day: u32| format!("{:04}-{:02}-{:02}", day / 10_000, day / 100 % 100, day % 100);
        let yearly = |day: u16| format!("{:02}-{:02}", day / 100, day % 100);
        let (from, to) = match *self {
            Dates::Once { from, to } => (once(from), once(to)),
            Dates::Yearly { from, to } => (yearly(from), yearly(to)),
        };
        if from == to { f.write_str(&from) } else { write!(f, "{from}..{to}") }
    }
}

impl FromStr for Dates {
    type Err = ScheduleError;

    /// Reads a date or a range of dates.
    ///
    /// # Errors
    /// [`ScheduleError::Text`].
    fn from_str(text: &str) -> Result<Dates, ScheduleError> {
        let error = |problem: &str| ScheduleError::text("dates", text, problem.to_owned(), EXAMPLE);
        let (from, to) = text.split_once("..").unwrap_or((text, text));
        match (read_day(from), read_day(to)) {
            (Some(Day::Once(from)), Some(Day::Once(to))) if from <= to => Ok(Dates::Once { from, to }),
            (Some(Day::Once(_)), Some(Day::Once(_))) => Err(error("end before they begin")),
            (Some(Day::Yearly(from)), Some(Day::Yearly(to))) => Ok(Dates::Yearly { from, to }),
            (Some(_), Some(_)) => Err(error("have a year at one end only")),
            _ => Err(error("aren't days of the calendar")),
        }
    }
}

enum Day {
    Once(u32),
    Yearly(u16),
}

fn read_day(text: &str) -> Option<Day> {
    let mut parts = text.rsplit('-');
    let mut next = |digits: usize| {
        let part = parts.next();
        let ok = part.is_none_or(|p| p.len() == digits && p.bytes().all(|b| b.is_ascii_digit()));
        ok.then_some(part.and_then(|p| p.parse::<i16>().ok()))
    };
    let (day, month, year) = (next(2)??, next(2)??, next(4)?);
    if parts.next().is_some() {
        return None;
    }
    // a day of every year may be the leap day
    let date = Date::new(year.unwrap_or(2000), i8::try_from(month).ok()?, i8::try_from(day).ok()?).ok()?;
    match year {
        Some(year) if year < 1970 => None,
        Some(_) => Some(Day::Once(day_number(date))),
        None => Some(Day::Yearly(month_day(day_number(date)))),
    }
}

/// `2026-04-03,12-25..12-26`: sorted, each once.
pub(super) fn read_dates(text: &str) -> Result<Vec<Dates>, ScheduleError> {
    let count = text.bytes().filter(|b| *b == b',').count() + 1;
    if count > DATES_MAX {
        return Err(ScheduleError::too_many_dates("dates of one entry", count));
    }
    let mut dates = text.split(',').map(str::parse).collect::<Result<Vec<Dates>, _>>()?;
    dates.sort_unstable();
    dates.dedup();
    Ok(dates)
}

/// Dates as they are read, with commas between them.
pub(super) fn write_dates(f: &mut fmt::Formatter<'_>, dates: &[Dates]) -> fmt::Result {
    for (i, date) in dates.iter().enumerate() {
        write!(f, "{}{date}", if i == 0 { "" } else { "," })?;
    }
    Ok(())
}
