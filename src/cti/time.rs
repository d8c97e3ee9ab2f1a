//! Instants as people and programs read them.

use serde::Serializer;

/// Microseconds since 1970 as RFC 3339 in UTC, to the millisecond: `2026-11-21T20:58:00.123Z`.
#[must_use]
pub fn rfc3339(at_us: u64) -> String {
    let stamp = i64::try_from(at_us).ok().and_then(|us| jiff::Timestamp::from_microsecond(us).ok()).unwrap_or(jiff::Timestamp::MAX);
    format!("{stamp:.3}")
}

/// The same for serde, where an instant may not have come yet.
///
/// # Errors
/// The serializer's.
pub fn rfc3339_option<S: Serializer>(at_us: &Option<u64>, serializer: S) -> Result<S::Ok, S::Error> {
    match at_us {
        Some(at_us) => serializer.serialize_str(&rfc3339(*at_us)),
        None => serializer.serialize_none(),
    }
}

/// The same for serde.
pub(super) fn instant<S: Serializer>(at_us: &u64, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&rfc3339(*at_us))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instant_is_written_in_utc_with_milliseconds() {
        assert_eq!(rfc3339(0), "1970-01-01T00:00:00.000Z");
        assert_eq!(rfc3339(1_795_278_623_123_999), "2026-11-21T16:30:23.123Z");
        assert!(rfc3339(u64::MAX).starts_with("9999-12-3"));
    }
}
