//! What stands beside the weekly hours: named periods, exceptions, holidays, and the override. All as text.

use super::dates::{read_dates, write_dates};
use super::hours::{read_ranges, write_ranges};
use super::zone::{microseconds, timestamp};
use super::{Dates, Hours, ScheduleError, TimeRange, check_name, text_in_files};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// The states that are no period's: a period can't be called so.
pub const STATES: [&str; 3] = ["open", "closed", "holiday"];

/// Weekly hours with a name, which is the state while they last. As text: `lunch mon-fri 12:00-13:00`. Several may
/// have one name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(remote = "Self")]
pub struct Period {
    /// The state.
    pub name: String,
    /// When.
    pub hours: Hours,
}

/// Dates with other hours than the week's. As text: `2026-12-24 09:00-12:00`, `2026-12-31 closed`; several dates have
/// commas between them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(remote = "Self")]
pub struct Exception {
    /// Which days.
    pub dates: Vec<Dates>,
    /// When it is open on them; empty = never.
    pub open: Vec<TimeRange>,
}

/// Dates with a name. As text: `christmas 12-25..12-26`, `easter 2026-04-06,2027-03-29`; with another state than
/// `holiday`: `inventory 12-30 as closed`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(remote = "Self")]
pub struct Holiday {
    /// What it is called: no state, and only one holiday of a schedule has it.
    pub name: String,
    /// Which days.
    pub dates: Vec<Dates>,
    /// The state on them; `None` = `holiday`.
    pub state: Option<String>,
}

/// A state that somebody has set by hand, day or night. As text: `closed`, `closed until 2026-12-24T17:00:00Z`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(remote = "Self")]
pub struct Override {
    /// Any state: `open`, `closed`, a period's name, or a word that only a route knows (`night`).
    pub state: String,
    /// Until before when, in UTC microseconds; `None` = until it is taken back.
    pub until: Option<u64>,
}

text_in_files!(Period, Exception, Holiday, Override);

impl fmt::Display for Period {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.name, self.hours)
    }
}

impl FromStr for Period {
    type Err = ScheduleError;

    /// Reads a name and hours.
    ///
    /// # Errors
    /// [`ScheduleError::Text`], [`ScheduleError::Name`], [`ScheduleError::Reserved`].
    fn from_str(text: &str) -> Result<Period, ScheduleError> {
        let Some((name, hours)) = text.trim().split_once(char::is_whitespace) else {
            return Err(ScheduleError::text("period", text, "is no name and hours".to_owned(), "lunch mon-fri 12:00-13:00"));
        };
        let period = Period { name: name.to_owned(), hours: hours.parse()? };
        period.check()?;
        Ok(period)
    }
}

impl Period {
    pub(super) fn check(&self) -> Result<(), ScheduleError> {
        check_name("period", &self.name)?;
        if STATES.contains(&self.name.as_str()) { Err(ScheduleError::Reserved(self.name.clone())) } else { Ok(()) }
    }
}

impl fmt::Display for Exception {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_dates(f, &self.dates)?;
        f.write_str(" ")?;
        if self.open.is_empty() { f.write_str("closed") } else { write_ranges(f, &self.open) }
    }
}

impl FromStr for Exception {
    type Err = ScheduleError;

    /// Reads dates and their hours.
    ///
    /// # Errors
    /// [`ScheduleError::Text`], [`ScheduleError::TooMany`].
    fn from_str(text: &str) -> Result<Exception, ScheduleError> {
        let error = |problem: String| {
            ScheduleError::text("exception", text, problem, "2026-12-24 09:00-12:00, or 2026-12-31 closed where it doesn't open")
        };
        let spaced = text.replace(", ", ",");
        let mut words = spaced.split_whitespace();
        let (Some(dates), Some(open), None) = (words.next(), words.next(), words.next()) else {
            return Err(error("is no dates, a space and times".to_owned()));
        };
        let dates = read_dates(dates)?;
        let open = if open.eq_ignore_ascii_case("closed") { Vec::new() } else { read_ranges(open).map_err(|e| e.or_text(error))? };
        Ok(Exception { dates, open })
    }
}

impl fmt::Display for Holiday {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ", self.name)?;
        write_dates(f, &self.dates)?;
        self.state.as_ref().map_or(Ok(()), |state| write!(f, " as {state}"))
    }
}

impl FromStr for Holiday {
    type Err = ScheduleError;

    /// Reads a name, dates and, after `as`, a state.
    ///
    /// # Errors
    /// [`ScheduleError::Text`], [`ScheduleError::Name`], [`ScheduleError::TooMany`].
    fn from_str(text: &str) -> Result<Holiday, ScheduleError> {
        let spaced = text.replace(", ", ",");
        let words: Vec<&str> = spaced.split_whitespace().take(5).collect();
        let (name, dates, state) = match words[..] {
            [name, dates] => (name, dates, None),
            [name, dates, "as", state] => (name, dates, Some(state.to_owned())),
            _ => {
                let example = "christmas 12-25..12-26, or inventory 12-30 as closed for a state of its own; a name is one word";
                return Err(ScheduleError::text("holiday", text, "is no name and dates".to_owned(), example));
            }
        };
        let holiday = Holiday { name: name.to_owned(), dates: read_dates(dates)?, state };
        holiday.check()?;
        Ok(holiday)
    }
}

impl Holiday {
    pub(super) fn check(&self) -> Result<(), ScheduleError> {
        check_name("holiday", &self.name)?;
        self.state.as_ref().map_or(Ok(()), |state| check_name("state", state))
    }

    /// The state on its days.
    #[must_use]
    pub fn state(&self) -> &str {
        self.state.as_deref().unwrap_or("holiday")
    }
}

impl fmt::Display for Override {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.state)?;
        self.until.map_or(Ok(()), |until| write!(f, " until {}", timestamp(until)))
    }
}

impl FromStr for Override {
    type Err = ScheduleError;

    /// Reads a state and, after `until`, an instant. What people type, relative to now or a zone, is
    /// [`parse_until`](super::parse_until)'s.
    ///
    /// # Errors
    /// [`ScheduleError::Text`], [`ScheduleError::Name`].
    fn from_str(text: &str) -> Result<Override, ScheduleError> {
        let error =
            |problem: &str| ScheduleError::text("override", text, problem.to_owned(), "closed, or closed until 2026-12-24T17:00:00Z");
        let words: Vec<&str> = text.split_whitespace().take(4).collect();
        let (state, until) = match words[..] {
            [state] => (state, None),
            [state, "until", until] => (state, Some(microseconds(until.parse::<Timestamp>().map_err(|_| error("ends at no instant"))?))),
            _ => return Err(error("is no state")),
        };
        check_name("state", state)?;
        Ok(Override { state: state.to_owned(), until })
    }
}
