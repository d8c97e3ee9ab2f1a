//! Opening hours: which state an instant has, and why.
//!
//! Pure and synchronous: the instant is an input, the time zone data is in the binary. A state is a word: `open`,
//! `closed`, `holiday`, the name of a period, or what a holiday or an override says. What decides, in this order:
//!
//! 1. the override, if its end isn't past;
//! 2. the exception of the date: open in its hours, else closed (the first that covers the date);
//! 3. the holiday of the date (the first that covers it): its own state, else `holiday`;
//! 4. the named periods, in their order;
//! 5. the weekly hours: open;
//! 6. else closed.
//!
//! The date is that of the clock on the wall in the schedule's zone. A range over midnight belongs to the day on which
//! it begins. What an exception has after midnight goes before everything that the next day says; what the week has
//! after midnight counts only where neither day has an exception or a holiday. Where clocks are put back, an hour that
//! comes twice is treated twice alike; where they are put forward, what would begin in between begins with the jump.

mod dates;
mod entries;
mod hours;
pub mod ics;
mod state;
mod zone;

pub use dates::Dates;
pub use entries::{Exception, Holiday, Override, Period, STATES};
pub use hours::{Days, Hours, RANGES_MAX, TimeRange};
pub use state::{CompiledSchedule, SEARCH_DAYS_MAX, State};
pub use zone::{Zone, parse_until, zone_data_version};

use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use thiserror::Error;

/// The longest id, in bytes; as long as a contact's or a group's.
pub const SCHEDULE_ID_BYTES_MAX: usize = 64;
/// The longest name of a state or a holiday, in bytes: it is a key in routes and a word in logs.
pub const STATE_BYTES_MAX: usize = 32;
/// The most digits of a code: a star code is dialled from memory.
pub const CODE_DIGITS_MAX: usize = 4;
/// The most lines of weekly hours: four for each day; each is looked at on a call.
pub const HOURS_MAX: usize = 32;
/// The most named periods; each is looked at on a call.
pub const PERIODS_MAX: usize = 32;
/// The most dates of all holidays, and of all exceptions: several countries' holidays for years, from a calendar.
pub const DATES_MAX: usize = 500;
/// The largest record, in bytes: the store keeps a record in one piece of a page, and the snapshot keeps all of them.
pub const SCHEDULE_BYTES_MAX: usize = 32 * 1024;

/// Opening hours as they are stored.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Schedule {
    /// The administrator's id: `office`.
    pub id: String,
    /// The IANA time zone; `None` = the tenant's, which is given at evaluation.
    #[serde(default)]
    pub timezone: Option<String>,
    /// 1 to 4 digits that a star code names it by.
    #[serde(default)]
    pub code: Option<String>,
    /// The week's opening hours.
    #[serde(default)]
    pub open: Vec<Hours>,
    /// Named parts of the week, which may have plans of their own.
    #[serde(default)]
    pub periods: Vec<Period>,
    /// Dates with other hours than the week's.
    #[serde(default)]
    pub exceptions: Vec<Exception>,
    /// Dates with a name.
    #[serde(default)]
    pub holidays: Vec<Holiday>,
    /// A state set by hand.
    #[serde(default)]
    pub mode: Option<Override>,
    /// The edit that made it so; set by the store.
    #[serde(default)]
    pub revision: u64,
}

/// What is wrong with a schedule, which text, and what to write instead.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ScheduleError {
    /// An id that can't be a key.
    #[error("the id {0:?} can't be used; write 1 to 64 of A-Z a-z 0-9 _ . @ - and begin with a letter or digit")]
    Id(String),
    /// A time zone that isn't in the database.
    #[error("the time zone {typed:?} doesn't exist{hint}; write an IANA name such as Europe/Berlin")]
    Zone {
        /// What was typed.
        typed: String,
        /// `; did you mean …?`, or nothing.
        hint: String,
    },
    /// A code that can't be dialled.
    #[error("the code {0:?} can't be dialled; write 1 to 4 digits")]
    Code(String),
    /// A name that can't be a word.
    #[error("the {what} {typed:?} has no usable name; write 1 to 32 of a-z 0-9 _ -")]
    Name {
        /// Of what.
        what: &'static str,
        /// What was typed.
        typed: String,
    },
    /// A period that would be called as a state that exists without it.
    #[error("a period can't be called {0:?}, which is a state without it; choose another name")]
    Reserved(String),
    /// Two holidays of one name.
    #[error("the holiday {0:?} is there twice; write all its dates behind one name, with commas between them")]
    Twice(String),
    /// A text that can't be read.
    #[error("the {what} {typed:?} {problem}; write {example}")]
    Text {
        /// Hours, dates, …
        what: &'static str,
        /// What was typed.
        typed: String,
        /// What is wrong with it.
        problem: String,
        /// What would be right.
        example: &'static str,
    },
    /// The end of an override that is none.
    #[error(
        "the end {typed:?} {problem}; write 18:00, \"2026-12-24 18:00\" (the schedule's zone), 2026-12-24T17:00:00Z, or so long: 30m, 2h, 7d"
    )]
    Until {
        /// What was typed.
        typed: String,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// Too many of something.
    #[error("{count} {what} are more than {count_max}; {remedy}")]
    TooMany {
        /// Of what.
        what: &'static str,
        /// How many there are.
        count: usize,
        /// How many there may be.
        count_max: usize,
        /// What to do.
        remedy: &'static str,
    },
    /// Nothing that a call could look at quickly.
    #[error("the schedule has {bytes} bytes, more than {SCHEDULE_BYTES_MAX}; take out dates that are past, or shorten names")]
    TooLarge {
        /// How large it would be.
        bytes: usize,
    },
}

impl ScheduleError {
    fn text(what: &'static str, typed: &str, problem: String, example: &'static str) -> ScheduleError {
        ScheduleError::Text { what, typed: shown(typed), problem, example }
    }

    fn too_many_dates(what: &'static str, count: usize) -> ScheduleError {
        ScheduleError::TooMany { what, count, count_max: DATES_MAX, remedy: "take out those that are past, or write ranges" }
    }
}

/// What was typed, as far as it fits in a message.
fn shown(typed: &str) -> String {
    const SHOWN_CHARS_MAX: usize = 80;
    match typed.char_indices().nth(SHOWN_CHARS_MAX) {
        Some((end, _)) => format!("{}…", &typed[..end]),
        None => typed.to_owned(),
    }
}

/// Checks the name of a state, a period or a holiday: 1 to 32 of `[a-z0-9_-]`.
fn check_name(what: &'static str, name: &str) -> Result<(), ScheduleError> {
    let ok = (1..=STATE_BYTES_MAX).contains(&name.len())
        && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'_' | b'-'));
    if ok { Ok(()) } else { Err(ScheduleError::Name { what, typed: shown(name) }) }
}

fn check_count(what: &'static str, count: usize, count_max: usize, remedy: &'static str) -> Result<(), ScheduleError> {
    if count > count_max { Err(ScheduleError::TooMany { what, count, count_max, remedy }) } else { Ok(()) }
}

impl Schedule {
    /// Checks every field, and spells the time zone as the database does.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub fn check(mut self) -> Result<Schedule, ScheduleError> {
        let id_ok = self.id.len() <= SCHEDULE_ID_BYTES_MAX
            && self.id.starts_with(|c: char| c.is_ascii_alphanumeric())
            && self.id.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'@' | b'-'));
        if !id_ok {
            return Err(ScheduleError::Id(shown(&self.id)));
        }
        if let Some(name) = &self.timezone {
            self.timezone = Some(name.parse::<Zone>()?.name().to_owned());
        }
        if let Some(code) =
            self.code.as_ref().filter(|code| !(1..=CODE_DIGITS_MAX).contains(&code.len()) || !code.bytes().all(|b| b.is_ascii_digit()))
        {
            return Err(ScheduleError::Code(shown(code)));
        }
        check_count("lines of opening hours", self.open.len(), HOURS_MAX, "put days of the same hours on one line")?;
        check_count("periods", self.periods.len(), PERIODS_MAX, "put days of the same hours into one")?;
        self.periods.iter().try_for_each(Period::check)?;
        self.holidays.iter().try_for_each(Holiday::check)?;
        let mut names = BTreeSet::new();
        if let Some(twice) = self.holidays.iter().find(|h| !names.insert(h.name.as_str())) {
            return Err(ScheduleError::Twice(twice.name.clone()));
        }
        for (what, count) in [
            ("dates of holidays", self.holidays.iter().map(|h| h.dates.len()).sum::<usize>()),
            ("dates of exceptions", self.exceptions.iter().map(|e| e.dates.len()).sum()),
        ] {
            if count > DATES_MAX {
                return Err(ScheduleError::too_many_dates(what, count));
            }
        }
        if let Some(mode) = &self.mode {
            check_name("state", &mode.state)?;
        }
        match postcard::to_stdvec(&self).map(|record| record.len()) {
            Ok(bytes) if bytes <= SCHEDULE_BYTES_MAX => Ok(self),
            Ok(bytes) => Err(ScheduleError::TooLarge { bytes }),
            Err(_) => Err(ScheduleError::TooLarge { bytes: usize::MAX }),
        }
    }

    /// Every state that it can have, sorted: what a route's plans can be for. An override's may be any other word
    /// where a plan's file says so.
    #[must_use]
    pub fn states(&self) -> Vec<&str> {
        let named = self.periods.iter().map(|p| p.name.as_str()).chain(self.holidays.iter().map(Holiday::state));
        let states: BTreeSet<&str> = named.chain(self.mode.iter().map(|m| m.state.as_str())).chain(["open", "closed"]).collect();
        states.into_iter().collect()
    }

    /// Whether it has no way to be `open`: no hours that no period covers, no exception that opens, and nobody has
    /// opened it by hand.
    #[must_use]
    pub fn never_opens(&self) -> bool {
        let by_date = self.exceptions.iter().any(|e| !e.open.is_empty()) || self.holidays.iter().any(|h| h.state() == "open");
        let by_hand = self.mode.as_ref().is_some_and(|m| m.state == "open");
        let covers = |hours: &Hours, day, minute| hours.covers(day, minute) || hours.covers_from_eve(day, minute);
        let by_week = || {
            (0..7).any(|day| {
                (0..24 * 60).any(|minute| {
                    self.open.iter().any(|h| covers(h, day, minute)) && !self.periods.iter().any(|p| covers(&p.hours, day, minute))
                })
            })
        };
        !by_date && !by_hand && (self.open.is_empty() || !by_week())
    }

    /// What calls read: the same, with its time zone resolved and its dates side by side.
    #[must_use]
    pub fn compile(&self) -> CompiledSchedule {
        CompiledSchedule::new(self.clone())
    }
}

/// Text where people read (the plan, the admin socket), fields where only the store does. Reading text checks it.
macro_rules! text_in_files {
    ($($name:ident),+) => {$(
        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                if serializer.is_human_readable() { serializer.collect_str(self) } else { $name::serialize(self, serializer) }
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<$name, D::Error> {
                if deserializer.is_human_readable() {
                    let text = <String as serde::Deserialize>::deserialize(deserializer)?;
                    text.parse().map_err(serde::de::Error::custom)
                } else {
                    $name::deserialize(deserializer)
                }
            }
        }
    )+};
}
use text_in_files;

#[cfg(test)]
mod state_tests;
#[cfg(test)]
mod text_tests;
