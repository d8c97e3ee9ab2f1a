//! Whether a text looks like a number at all. People swap columns; switches don't.

use super::{is_dialled, user_part};

/// The fewest digits of a number that has letters and blanks: `1 800 FLOWERS`, and not `12 Main Street`.
const DIGITS_BESIDE_WORDS_MIN: usize = 3;

/// Whether a text that stands where a number belongs can be meant as one.
///
/// [`NumberPlan::parse`](super::NumberPlan::parse) takes any text, because a switch may send any as a caller's. In a phone book a name or a company in
/// the place of a number is a mistake. What isn't dialled is a number all the same if it is a URI (`sip:alice`, `alice@pbx`), a
/// SIP user with a digit in his name (`anna2`), or begins like a number: a vanity number, an extension behind a number.
pub fn may_be_number(text: &str) -> bool {
    let text = text.trim();
    if user_part(text).len() < text.len() || text.chars().all(is_dialled) {
        return true;
    }
    let has_blanks = text.contains(char::is_whitespace);
    let digits = text.chars().filter(|c| c.is_numeric()).count();
    match has_blanks {
        false => digits > 0 || text.contains('@'),
        true => text.starts_with(is_dialled) && digits >= DIGITS_BESIDE_WORDS_MIN,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_no_number_and_what_people_write_for_numbers_is() {
        for number in [
            "+49 30 1234",
            "101",
            "*21#",
            "1-800-FLOWERS",
            "+1 800 FLOWERS",
            "(030) 1234 ext. 5",
            "0171 1234567 (Büro)",
            "sip:alice",
            "<sip:alice@pbx>",
            "alice@pbx",
            "anna2",
            "٠٣٠١٢٣٤",
        ] {
            assert!(may_be_number(number), "{number:?}");
        }
        for other in ["Ada", "Ada Lovelace", "anna", "Müller & Söhne", "Studio 54 Berlin", "12 Main Street", "n/a", "Ёжик"] {
            assert!(!may_be_number(other), "{other:?}");
        }
    }
}
