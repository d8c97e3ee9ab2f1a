//! When an event is, as it is written: `20261224`, `20261224T180000`, `20261224T170000Z`.

use crate::routing::schedule::Zone;
use jiff::Timestamp;
use jiff::civil::{Date, DateTime, Time};

/// A day, or a time of day in a zone.
#[derive(Clone)]
pub(super) enum Moment {
    Day(Date),
    Timed(DateTime, Zone),
}

impl Moment {
    pub(super) fn date(&self) -> Date {
        match self {
            Moment::Day(date) => *date,
            Moment::Timed(at, _) => at.date(),
        }
    }

    /// The day on which it is where another one is said: an end in UTC may be a day off.
    pub(super) fn date_beside(&self, other: &Moment) -> Date {
        match (self, other) {
            (Moment::Timed(at, zone), Moment::Timed(_, there)) => {
                zone.first_after(*at, Timestamp::MIN).map_or(at.date(), |at| there.time_zone().to_datetime(at).date())
            }
            _ => self.date(),
        }
    }
}

/// `20261224`.
pub(super) fn read_date(text: &str) -> Option<Date> {
    let number = |range| text.get(range).filter(|t: &&str| t.bytes().all(|b| b.is_ascii_digit())).and_then(|t| t.parse::<i16>().ok());
    let (year, month, day) = (number(0..4)?, number(4..6)?, number(6..8)?);
    // days of other centuries are nobody's holidays
    let date = Date::new(year, i8::try_from(month).ok()?, i8::try_from(day).ok()?).ok()?;
    (1900..=9000).contains(&year).then_some(date)
}

/// The end of a rule: `20261224`, `20261224T225959Z`; without a zone it is the event's day.
pub(super) fn utc_or_day(text: &str) -> Option<Moment> {
    let date = read_date(text)?;
    match text.get(8..)?.strip_suffix('Z') {
        Some(time) => Some(Moment::Timed(date.to_datetime(read_time(time.strip_prefix('T')?)?), Zone::UTC)),
        None => Some(Moment::Day(date)),
    }
}

pub(super) fn read_time(text: &str) -> Option<Time> {
    let number = |range| text.get(range).filter(|t: &&str| t.bytes().all(|b| b.is_ascii_digit())).and_then(|t| t.parse::<i8>().ok());
    // a leap second is the one before
    Time::new(number(0..2)?, number(2..4)?, number(4..6)?.min(59), 0).ok()
}
