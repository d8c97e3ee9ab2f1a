//! A span of time as people write it.

/// `90s`, `15m`, `2h`, `7d` in seconds.
pub fn span_seconds(text: &str) -> Option<u64> {
    let unit = text.chars().last()?;
    let number = text.strip_suffix(unit)?;
    if number.is_empty() || !number.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let seconds = match unit {
        's' => 1,
        'm' => 60,
        'h' => 60 * 60,
        'd' => 24 * 60 * 60,
        _ => return None,
    };
    number.parse::<u64>().ok()?.checked_mul(seconds)
}

#[cfg(test)]
mod tests {
    use super::span_seconds;

    #[test]
    fn a_span_is_a_number_and_its_unit() {
        for (text, seconds) in [("0s", 0), ("90s", 90), ("15m", 900), ("2h", 7_200), ("7d", 604_800)] {
            assert_eq!(span_seconds(text), Some(seconds), "{text}");
        }
        for text in ["", "d", "5", "-5m", "5x", "5µ", "1h30m", "99999999999999999999d", "18446744073709551615d"] {
            assert_eq!(span_seconds(text), None, "{text}");
        }
    }
}
