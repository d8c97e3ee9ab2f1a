//! Instants as they are typed. What names no zone is UTC, as all that is printed.

use crate::span::span_seconds;
use jiff::civil::{DateTime, Time};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

/// Microseconds since 1970, of an instant as typed: RFC 3339, a date, a time of day (the last time it was), or so long ago.
///
/// # Errors
/// The text can't be read; what would be right.
pub(super) fn instant(text: &str, now_us: u64) -> Result<u64, String> {
    let now = i64::try_from(now_us).ok().and_then(|us| Timestamp::from_microsecond(us).ok()).unwrap_or(Timestamp::MAX);
    let in_utc = |at: DateTime| TimeZone::UTC.to_timestamp(at).ok();
    let read = ago(text, now)
        .or_else(|| text.parse::<Timestamp>().ok())
        .or_else(|| time_of_day(text).and_then(|time| last_time(time, now)))
        // a date alone is its first moment
        .or_else(|| text.parse::<DateTime>().ok().and_then(in_utc));
    let at = read.ok_or_else(|| {
        format!("{text:?} is no time; write 2026-11-21T20:58:00Z, 2026-11-21, 20:58, or so long ago: 90s, 15m, 2h, 7d (times are UTC)")
    })?;
    // nothing is older than 1970
    Ok(u64::try_from(at.as_microsecond()).unwrap_or(0))
}

/// A span of time in its largest whole unit: `45 s`, `12 min`, `3 h`, `5 d`.
pub(super) fn span_text(seconds: u64) -> String {
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7_200 => format!("{} min", seconds / 60),
        7_200..172_800 => format!("{} h", seconds / 3600),
        _ => format!("{} d", seconds / 86_400),
    }
}

/// The instant so long ago.
fn ago(text: &str, now: Timestamp) -> Option<Timestamp> {
    let seconds = i64::try_from(span_seconds(text)?).ok()?;
    // before the beginning of time is the beginning of time
    Some(now.checked_sub(SignedDuration::from_secs(seconds)).unwrap_or(Timestamp::UNIX_EPOCH))
}

/// `HH:MM`, `HH:MM:SS`.
fn time_of_day(text: &str) -> Option<Time> {
    let mut parts = text.split(':');
    let mut next = |max: i8| -> Option<Option<i8>> {
        let Some(part) = parts.next() else { return Some(None) };
        let read = (part.len() == 2 && part.bytes().all(|b| b.is_ascii_digit())).then(|| part.parse().ok())??;
        (read <= max).then_some(Some(read))
    };
    let (hour, minute, second) = (next(23)??, next(59)??, next(59)?.unwrap_or(0));
    if parts.next().is_some() {
        return None;
    }
    Time::new(hour, minute, second, 0).ok()
}

/// The last time that it was that o'clock.
fn last_time(time: Time, now: Timestamp) -> Option<Timestamp> {
    let today = TimeZone::UTC.to_datetime(now).date();
    let at = TimeZone::UTC.to_timestamp(today.to_datetime(time)).ok()?;
    if at <= now { Some(at) } else { at.checked_sub(SignedDuration::from_hours(24)).ok() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cti::rfc3339;

    #[test]
    fn a_time_is_read_as_people_write_it_and_anything_else_is_refused() {
        let now = instant("2026-11-21T20:58:00Z", 0).unwrap();
        let read = |text: &str| instant(text, now).map(rfc3339);
        for (text, expected) in [
            ("2026-11-21T20:58:00Z", "2026-11-21T20:58:00.000Z"),
            ("2026-11-21T22:58:00.5+02:00", "2026-11-21T20:58:00.500Z"),
            ("2026-11-20", "2026-11-20T00:00:00.000Z"),
            ("2026-11-20T10:30", "2026-11-20T10:30:00.000Z"),
            ("2026-11-20 10:30:15", "2026-11-20T10:30:15.000Z"),
            ("20:58", "2026-11-21T20:58:00.000Z"),
            ("00:00", "2026-11-21T00:00:00.000Z"),
            ("20:59", "2026-11-20T20:59:00.000Z"),
            ("20:57:30", "2026-11-21T20:57:30.000Z"),
            ("90s", "2026-11-21T20:56:30.000Z"),
            ("15m", "2026-11-21T20:43:00.000Z"),
            ("2h", "2026-11-21T18:58:00.000Z"),
            ("7d", "2026-11-14T20:58:00.000Z"),
            ("0s", "2026-11-21T20:58:00.000Z"),
            ("99999999d", "1970-01-01T00:00:00.000Z"),
            ("1900-01-01", "1970-01-01T00:00:00.000Z"),
        ] {
            assert_eq!(read(text).as_deref(), Ok(expected), "{text}");
        }
        for bad in [
            "",
            "d",
            "-5m",
            "5x",
            "yesterday",
            "2026-13-01",
            "24:00",
            "1:30",
            "10:60",
            "10:30:61",
            "10:30:00:00",
            "5µ",
            "99999999999999999999d",
        ] {
            assert!(read(bad).unwrap_err().contains("is no time"), "{bad:?}");
        }
    }
}
