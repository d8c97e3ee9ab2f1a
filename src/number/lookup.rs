//! How `classes.rs` is read: the longest prefix decides.
//!
//! The tables stand in the program as they are, so that a look-up loads, compiles and allocates nothing, whatever the
//! number. That is what they are for: the library holds the same facts as patterns, a dozen for each region of a
//! calling code, and compiles those at the first number of a region (20 ms and megabytes for some), which a caller
//! from abroad must not be able to make a call wait for.

use super::classes::CALLING_CODES;

/// An ordinary number: fixed lines, and all that has no class of its own here (VoIP, pagers, voicemail, firms).
pub(super) const N: u8 = b'N';
/// A mobile, where those can be told from fixed lines (in North America they can't).
pub(super) const M: u8 = b'M';
/// Free for the caller.
pub(super) const F: u8 = b'F';
/// At a tariff of its own: shared-cost and personal numbers.
pub(super) const S: u8 = b'S';
/// Premium-rate.
pub(super) const P: u8 = b'P';

/// (prefix of the national number with a 1 in front of it, which keeps its zeros; for numbers of how many national
/// digits, 0 being any; what is so), sorted.
type Entry = (u32, u8, u8);

/// The longest prefix in the tables, in digits: with its 1 it still fits an entry's u32. The generator's `DEPTH_MAX`.
const PREFIX_DIGITS_MAX: usize = 9;

/// What is known of one calling code.
pub(super) struct CallingCode {
    /// The code itself.
    pub(super) code: u16,
    /// Bit n: it has national numbers of n digits.
    pub(super) lengths: u32,
    /// The regions that have numbers in common, in the library's order.
    pub(super) sets: &'static [&'static [&'static str]],
    /// Prefix to regions; the value is a place in `sets`.
    pub(super) regions: &'static [Entry],
    /// Prefix to class; the value is one of the letters above.
    pub(super) classes: &'static [Entry],
}

impl CallingCode {
    /// The calling code that E.164 digits begin with, and the national digits behind it.
    pub(super) fn of(digits: &str) -> Option<(&'static CallingCode, &str)> {
        // no code is the beginning of another, so the first that is found is the only one
        (1..=3).find_map(|length| {
            let (code, national) = digits.split_at_checked(length)?;
            let code: u16 = code.parse().ok().filter(|_| !code.starts_with('0'))?;
            let at = CALLING_CODES.binary_search_by_key(&code, |known| known.code).ok()?;
            Some((&CALLING_CODES[at], national))
        })
    }

    /// Whether there are national numbers of that length.
    pub(super) fn is_possible(&self, national: &str) -> bool {
        u32::try_from(national.len()).ok().and_then(|n| 1u32.checked_shl(n)).is_some_and(|bit| self.lengths & bit != 0)
    }

    /// The regions that have such a number; the first is the one that the library names.
    pub(super) fn regions(&self, national: &str) -> &'static [&'static str] {
        self.sets[usize::from(value(self.regions, national))]
    }

    /// The letter of the number's class.
    pub(super) fn class(&self, national: &str) -> u8 {
        value(self.classes, national)
    }
}

/// The value of the longest prefix that fits; where it has several, the one for numbers of that very length.
fn value(entries: &[Entry], national: &str) -> u8 {
    let mut keys = [1u32; PREFIX_DIGITS_MAX + 1];
    let mut count = 1;
    for digit in national.bytes().take(PREFIX_DIGITS_MAX) {
        keys[count] = keys[count - 1] * 10 + u32::from(digit - b'0');
        count += 1;
    }
    for &key in keys[..count].iter().rev() {
        let at = entries.partition_point(|(prefix, ..)| *prefix < key);
        let here = entries[at..].iter().take_while(|(prefix, ..)| *prefix == key);
        // sorted: the entry for any length comes first, so the last that fits is the nearest
        if let Some((_, _, value)) = here.filter(|(_, length, _)| *length == 0 || usize::from(*length) == national.len()).last() {
            return *value;
        }
    }
    unreachable!("every list begins with the empty prefix")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tables_are_as_the_look_up_needs_them() {
        assert!(CALLING_CODES.is_sorted_by_key(|c| c.code));
        for calling in &CALLING_CODES {
            assert!(calling.regions.iter().all(|e| usize::from(e.2) < calling.sets.len()), "+{}", calling.code);
            assert!(calling.sets.iter().all(|set| !set.is_empty()), "+{}", calling.code);
            assert!(calling.classes.iter().all(|e| [N, M, F, S, P].contains(&e.2)), "+{}", calling.code);
            for entries in [calling.regions, calling.classes] {
                assert_eq!(entries.first().map(|e| (e.0, e.1)), Some((1, 0)), "+{} has no value for all else", calling.code);
                assert!(entries.is_sorted_by(|a, b| (a.0, a.1) < (b.0, b.1)), "+{}", calling.code);
                assert!(entries.iter().all(|e| e.0 < 2 * 10u32.pow(PREFIX_DIGITS_MAX as u32)), "+{}", calling.code);
                // a 1 in front, always: 20 would be nobody's key
                assert!(entries.iter().all(|e| e.0.to_string().starts_with('1')), "+{}", calling.code);
            }
            assert!(calling.lengths != 0 && calling.lengths & 1 == 0, "+{}", calling.code);
        }
    }

    #[test]
    fn no_calling_code_is_the_beginning_of_another() {
        let codes: Vec<String> = CALLING_CODES.iter().map(|c| c.code.to_string()).collect();
        for code in &codes {
            assert!(!codes.iter().any(|other| other != code && other.starts_with(code.as_str())), "{code}");
        }
    }

    #[test]
    fn the_longest_prefix_decides_and_the_length_where_digits_dont() {
        let entries: &[Entry] = &[(1, 0, N), (19, 0, M), (1900, 0, P), (1900, 7, N), (1901, 6, S)];
        for (national, class) in
            [("", N), ("1", N), ("9", M), ("9001", P), ("9001234", N), ("90012345", P), ("901234", S), ("9012345", M), ("90", M)]
        {
            assert_eq!(char::from(value(entries, national)), char::from(class), "{national:?}");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_digits_have_at_most_one_calling_code_and_then_values(digits in "[0-9]{0,20}") {
            if let Some((calling, national)) = CallingCode::of(&digits) {
                proptest::prop_assert_eq!(format!("{}{national}", calling.code), digits.as_str());
                proptest::prop_assert!(!calling.regions(national).is_empty());
                proptest::prop_assert!([N, M, F, S, P].contains(&calling.class(national)));
                let _ = calling.is_possible(national);
            }
        }
    }
}
