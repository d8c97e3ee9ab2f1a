//! Telephone numbers, parsed once at the edge into one canonical key.
//!
//! The same person arrives as `+49 30 1234`, `0049301234`, `0301234` and `sip:+49301234@host`; a directory that
//! compares text finds him once in four times. So every number, a caller's, a dialled one or one that an
//! administrator typed, becomes a [`Number`] here, and only [`Number`]s are compared.
//!
//! The rules are libphonenumber's (crate `rlibphonenumber`), with two hand-made shortcuts in front: `+…` and the
//! country's own international prefix never touch the library. That keeps the call path cheap and, above all,
//! keeps it from loading a foreign region's metadata (measured: 20 ms and some megabytes for each region) because
//! of what a caller sent. For the same reason whose a number is, and what a call to it costs, is told by tables.

mod class;
mod classes;
mod likeness;
mod lookup;
mod plan;
mod region;
mod region_names;
mod regions;

pub use class::{Class, ClassError, is_possible};
pub use likeness::may_be_number;
pub use plan::{Country, NumberPlan};
pub use region::{Description, describe};

use serde::{Deserialize, Serialize};
use std::fmt;
use thiserror::Error;

/// The longest text that is looked at as a number, in bytes. The longest genuine thing is a SIP URI.
pub const NUMBER_TEXT_BYTES_MAX: usize = 256;
/// The longest key that isn't E.164, in bytes: SIP user names are as long as people make them.
pub const OPAQUE_BYTES_MAX: usize = 64;
/// E.164 allows 15 digits (ITU-T E.164, 6.2.1).
pub const E164_DIGITS_MAX: usize = 15;
/// The fewest digits after `+` that are a number: country code and subscriber (Iran has 2 + 4, Niue 3 + 4).
pub const E164_DIGITS_MIN: usize = 6;

/// What sort of number it is. Kinds never match each other: extension 112 is not the emergency number 112.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// A public number, digits without `+`.
    E164,
    /// A few digits inside the tenant.
    Extension,
    /// A public short number (`411`, `116117`) that the tenant's numbering plan names.
    ShortCode,
    /// Begins with `*` or `#`.
    FeatureCode,
    /// An emergency number of the tenant's country (112 and 911 where it has none).
    Emergency,
    /// Anything else: a SIP user name, a national number where no country is known.
    Opaque,
}

impl Kind {
    /// The byte that stands for the kind in stored keys. Never change one.
    pub const fn tag(self) -> u8 {
        match self {
            Kind::E164 => b'e',
            Kind::Extension => b'x',
            Kind::ShortCode => b's',
            Kind::FeatureCode => b'f',
            Kind::Emergency => b'm',
            Kind::Opaque => b'o',
        }
    }

    /// The kind that a stored byte stands for.
    pub const fn from_tag(tag: u8) -> Option<Kind> {
        Some(match tag {
            b'e' => Kind::E164,
            b'x' => Kind::Extension,
            b's' => Kind::ShortCode,
            b'f' => Kind::FeatureCode,
            b'm' => Kind::Emergency,
            b'o' => Kind::Opaque,
            _ => return None,
        })
    }

    /// The kind in words, for people.
    pub const fn words(self) -> &'static str {
        match self {
            Kind::E164 => "E.164",
            Kind::Extension => "extension",
            Kind::ShortCode => "short code",
            Kind::FeatureCode => "feature code",
            Kind::Emergency => "emergency",
            Kind::Opaque => "opaque",
        }
    }
}

/// One canonical number: the only form that is stored as a key and compared.
///
/// `Debug` shows the last digits only: numbers are private, and `Debug` is what ends up in logs.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Number {
    kind: Kind,
    digits: Box<str>,
}

impl Number {
    /// What sort of number it is.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// The key's text: digits for most kinds (leading zeros kept, E.164 without `+`), anything for opaque ones.
    pub fn digits(&self) -> &str {
        &self.digits
    }

    /// The number back from a stored key; `None` if the text can't be of that kind.
    pub fn from_key(kind: Kind, digits: &str) -> Option<Number> {
        let all_digits = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
        let fits = match kind {
            Kind::E164 => all_digits && digits.len() <= E164_DIGITS_MAX,
            Kind::Extension | Kind::ShortCode | Kind::Emergency => all_digits && digits.len() <= OPAQUE_BYTES_MAX,
            Kind::FeatureCode | Kind::Opaque => !digits.is_empty() && digits.len() <= OPAQUE_BYTES_MAX,
        };
        fits.then(|| Number { kind, digits: digits.into() })
    }

    /// The last digits, for logs: `…0199`.
    pub fn tail(&self) -> String {
        shortened(&self.digits)
    }
}

impl fmt::Display for Number {
    /// The number as people write it: E.164 with its `+`, everything else as it is.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.kind == Kind::E164 {
            f.write_str("+")?;
        }
        f.write_str(&self.digits)
    }
}

impl fmt::Debug for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}({})", self.kind, self.tail())
    }
}

/// A number shortened for a log: at most its last four characters, and never more than half of it.
pub fn shortened(text: &str) -> String {
    let count = text.chars().count();
    let keep = (count / 2).min(4);
    let tail: String = text.chars().skip(count - keep).filter(|c| !c.is_control()).collect();
    format!("…{tail}")
}

/// Why a text is no number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum NumberError {
    /// Nothing was left after the punctuation.
    #[error("is empty; give a number such as +14155550101 or an extension such as 101")]
    Empty,
    /// Longer than any number can be.
    #[error("is too long for a number (E.164 has at most 15 digits, other names at most 64 characters)")]
    TooLong,
    /// `+` with too few digits.
    #[error("is too short after the +; write country code and number, such as +14155550101")]
    TooShort,
    /// `+` with something other than digits, or a country code that begins with 0.
    #[error("has a + but isn't an international number; write + and digits, country code first")]
    NotInternational,
    /// Control characters.
    #[error("holds control characters")]
    Control,
}

/// The spellings of "no number" that switches and carriers send as if they were one.
///
/// Sources: Asterisk's AGI (`unknown`), SIP `anonymous@anonymous.invalid`, FreeSWITCH (`unknown`, `nobody`), PSTN
/// gateways (`private`, `unavailable`, `out of area`, `restricted`, `withheld`), and `+266696687`, which is
/// "anonymous" typed on a telephone's keys.
const WITHHELD_WORDS: &[&str] = &[
    "",
    "anonymous",
    "asserted",
    "blocked",
    "invalid",
    "no number",
    "nobody",
    "not available",
    "out of area",
    "out-of-area",
    "private",
    "restricted",
    "suppressed",
    "unavailable",
    "unknown",
    "withheld",
    "<unknown>",
    "+266696687",
];

/// Whether a caller's number is one of the spellings of "withheld", whatever its case and surroundings.
pub fn is_withheld(text: &str) -> bool {
    let user = user_part(text.trim());
    let user = user.split_once('@').map_or(user, |(user, _)| user);
    WITHHELD_WORDS.iter().any(|word| word.eq_ignore_ascii_case(user.trim().trim_matches('"')))
}

/// The user of a `sip:`, `sips:` or `tel:` URI (with or without `<>`), or the text itself.
fn user_part(text: &str) -> &str {
    let inner = match (text.find('<'), text.rfind('>')) {
        (Some(open), Some(close)) if open < close && text[open..].contains(':') => &text[open + 1..close],
        _ => text,
    };
    for scheme in ["sips:", "sip:", "tel:"] {
        if inner.len() >= scheme.len() && inner.is_char_boundary(scheme.len()) {
            let (head, rest) = inner.split_at(scheme.len());
            if head.eq_ignore_ascii_case(scheme) {
                let end = rest.find(['@', ';', '?']).unwrap_or(rest.len());
                return &rest[..end];
            }
        }
    }
    // "+4930111111;cpc=ordinary", "+4930111111@host": parameters and hosts that came without their scheme
    match inner.find([';', '@']) {
        Some(end) if inner[..end].bytes().any(|b| b.is_ascii_digit()) && inner[..end].chars().all(is_dialled) => &inner[..end],
        _ => inner,
    }
}

/// What a telephone can dial, and what people put between.
fn is_dialled(c: char) -> bool {
    c.is_ascii_digit() || is_punctuation(c) || matches!(c, '+' | '*' | '#')
}

/// What people put between digits: blanks, dashes of every kind, dots, slashes, brackets, invisible marks.
fn is_punctuation(c: char) -> bool {
    matches!(
        c,
        ' ' | '-' | '.' | '/' | '(' | ')' | '\t' | '\u{a0}' | '\u{ad}' | '\u{2010}'..='\u{2015}' | '\u{2212}'
            | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202f}' | '\u{2060}' | '\u{feff}' | '\u{3000}'
    )
}

impl NumberPlan {
    /// Reads a number as this tenant means it.
    ///
    /// # Errors
    /// [`NumberError`] says what is wrong; the caller of this function says where.
    pub fn parse(&self, text: &str) -> Result<Number, NumberError> {
        if text.len() > NUMBER_TEXT_BYTES_MAX {
            return Err(NumberError::TooLong);
        }
        let text = user_part(text.trim()).trim();
        if text.chars().any(|c| c.is_control() && c != '\t') {
            return Err(NumberError::Control);
        }
        // "+44 (0)20 …": the bracketed trunk 0 is for those who dial inside the country
        let without_trunk_zero;
        let text = if text.starts_with('+') && text.contains("(0)") {
            without_trunk_zero = text.replacen("(0)", "", 1);
            &without_trunk_zero
        } else {
            text
        };
        if !text.chars().all(is_dialled) {
            return if text.len() > OPAQUE_BYTES_MAX {
                Err(NumberError::TooLong)
            } else {
                Ok(Number { kind: Kind::Opaque, digits: text.into() })
            };
        }
        let compact: String = text.chars().filter(|c| !is_punctuation(*c)).collect();
        self.parse_dialled(&compact)
    }

    /// Reads what a telephone can dial: digits, `+`, `*`, `#`.
    fn parse_dialled(&self, dialled: &str) -> Result<Number, NumberError> {
        if dialled.is_empty() {
            return Err(NumberError::Empty);
        }
        if dialled.len() > OPAQUE_BYTES_MAX {
            return Err(NumberError::TooLong);
        }
        if let Some(rest) = dialled.strip_prefix('+') {
            return international(rest);
        }
        let number = |kind| Ok(Number { kind, digits: dialled.into() });
        if dialled.starts_with(['*', '#']) {
            return number(Kind::FeatureCode);
        }
        if !dialled.bytes().all(|b| b.is_ascii_digit()) {
            return number(Kind::Opaque);
        }
        if self.is_emergency(dialled) {
            return number(Kind::Emergency);
        }
        if self.is_short_code(dialled) {
            return number(Kind::ShortCode);
        }
        if dialled.len() <= self.extension_digits_max() {
            return number(Kind::Extension);
        }
        // the library is never asked about a way out of the country: it would load the other country's metadata
        if let Some(rest) = self.strip_international_prefix(dialled) {
            return international(rest).or_else(|_| number(Kind::Opaque));
        }
        match self.country().and_then(|country| region::national(country, dialled)) {
            Some(digits) => Ok(Number { kind: Kind::E164, digits: digits.into() }),
            None => number(Kind::Opaque),
        }
    }
}

/// Digits that follow `+` or an international prefix.
fn international(digits: &str) -> Result<Number, NumberError> {
    if !digits.bytes().all(|b| b.is_ascii_digit()) || digits.starts_with('0') {
        return Err(NumberError::NotInternational);
    }
    match digits.len() {
        0..E164_DIGITS_MIN => Err(NumberError::TooShort),
        E164_DIGITS_MIN..=E164_DIGITS_MAX => Ok(Number { kind: Kind::E164, digits: digits.into() }),
        _ => Err(NumberError::TooLong),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(country: &str) -> NumberPlan {
        NumberPlan::new(Some(country.parse().expect("a country")))
    }

    fn text(plan: &NumberPlan, typed: &str) -> String {
        let n = plan.parse(typed).unwrap_or_else(|e| panic!("{typed}: {e}"));
        format!("{} {n}", n.kind().words())
    }

    #[test]
    fn every_spelling_of_one_number_is_one_key() {
        let de = plan("DE");
        for typed in [
            "+493012345678",
            "+49 30 12345678",
            "+49 (0)30 12345678",
            "0049 30 12345678",
            "030/12345678",
            "(030) 1234-5678",
            "sip:+493012345678@example.com;user=phone",
            "<sip:03012345678@10.0.0.1>",
            "\"Ada\" <sip:+493012345678@10.0.0.1>",
            "tel:+49-30-12345678",
            "+493012345678;cpc=ordinary",
            "03012345678@10.0.0.1",
            "\u{202a}+49\u{a0}30\u{2011}12345678\u{202c}",
        ] {
            assert_eq!(text(&de, typed), "E.164 +493012345678", "{typed:?}");
        }
        let us = plan("US");
        for typed in ["(415) 555-0101", "4155550101", "1-415-555-0101", "0114155550101 "] {
            let got = text(&us, typed);
            if typed.starts_with("011") {
                assert_eq!(got, "E.164 +4155550101", "011 is the way out of the US");
            } else {
                assert_eq!(got, "E.164 +14155550101", "{typed:?}");
            }
        }
    }

    #[test]
    fn each_country_has_its_own_ways_out() {
        for (country, dialled) in [
            ("DE", "0014155550101"),
            ("US", "01114155550101"),
            ("AU", "001114155550101"),
            ("BR", "002114155550101"),
            ("CO", "00914155550101"),
            ("KR", "00214155550101"),
            ("TH", "00114155550101"),
            ("ID", "00814155550101"),
            ("IL", "01214155550101"),
            ("RU", "81014155550101"),
            ("JP", "01014155550101"),
        ] {
            assert_eq!(text(&plan(country), dialled), "E.164 +14155550101", "{dialled} in {country}");
        }
        // Korea's 00 7… is a carrier's prefix, its 02 an area code
        assert_eq!(text(&plan("KR"), "02-312-3456"), "E.164 +8223123456");
    }

    #[test]
    fn kinds_are_kept_apart() {
        let de = plan("DE");
        assert_eq!(text(&de, "112"), "emergency 112");
        assert_eq!(text(&de, "110"), "emergency 110");
        assert_eq!(text(&de, "911"), "extension 911");
        assert_eq!(text(&de, "101"), "extension 101");
        assert_eq!(text(&de, "0101"), "extension 0101");
        assert_eq!(text(&de, "*21*5#"), "feature code *21*5#");
        assert_eq!(text(&de, "alice.smith"), "opaque alice.smith");
        let nowhere = NumberPlan::new(None);
        assert_eq!(text(&nowhere, "911"), "emergency 911");
        assert_eq!(text(&nowhere, "112"), "emergency 112");
        assert_eq!(text(&nowhere, "03012345678"), "opaque 03012345678");
        assert_eq!(text(&nowhere, "00493012345678"), "E.164 +493012345678");
        let with_codes = NumberPlan::new(None).with_short_codes(vec!["411".into(), "116".into()]);
        assert_eq!(text(&with_codes, "411"), "short code 411");
        assert_eq!(text(&with_codes, "116117"), "short code 116117");
        assert_eq!(text(&with_codes, "4111"), "extension 4111");
    }

    #[test]
    fn nonsense_is_refused_with_a_reason_and_never_panics() {
        let de = plan("DE");
        for (typed, error) in [
            ("", NumberError::Empty),
            (" - ", NumberError::Empty),
            ("+", NumberError::TooShort),
            ("+12", NumberError::TooShort),
            ("+0301234567", NumberError::NotInternational),
            ("+1234567890123456", NumberError::TooLong),
            ("+49*30", NumberError::NotInternational),
            ("1\n2", NumberError::Control),
        ] {
            assert_eq!(de.parse(typed), Err(error), "{typed:?}");
        }
        assert_eq!(de.parse(&"7".repeat(300)), Err(NumberError::TooLong));
        assert_eq!(de.parse(&"7".repeat(65)), Err(NumberError::TooLong));
        assert_eq!(de.parse(&"a".repeat(65)), Err(NumberError::TooLong));
    }

    #[test]
    fn withheld_has_many_spellings_and_one_meaning() {
        for word in [
            "anonymous@anonymous.invalid",
            "anonymous",
            "Anonymous",
            "UNKNOWN",
            "",
            " ",
            "Private",
            "sip:anonymous@anonymous.invalid",
            "+266696687",
        ] {
            assert!(is_withheld(word), "{word:?}");
        }
        // the last is a number in Portugal
        for word in ["+14155550101", "101", "annie", "unknown5", "266696687"] {
            assert!(!is_withheld(word), "{word:?}");
        }
    }

    #[test]
    fn debug_never_shows_a_whole_number() {
        let number = plan("DE").parse("+493012345678").expect("a number");
        assert_eq!(format!("{number:?}"), "E164(…5678)");
        assert_eq!(shortened("101"), "…1");
        assert_eq!(shortened(""), "…");
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_a_number_or_an_error(typed in "\\PC{0,80}|[+0-9*# ()./-]{0,40}") {
            for plan in [plan("DE"), plan("US"), NumberPlan::new(None)] {
                if let Ok(number) = plan.parse(&typed) {
                    proptest::prop_assert!(number.digits().len() <= OPAQUE_BYTES_MAX);
                    proptest::prop_assert_eq!(Number::from_key(number.kind(), number.digits()), Some(number.clone()));
                    // what is shown can be typed again
                    proptest::prop_assert_eq!(plan.parse(&number.to_string()), Ok(number));
                }
            }
        }
    }
}
