//! A tenant's numbering plan: its country, how long its extensions are, which short codes it knows.

use super::regions::{EMERGENCY, INTERNATIONAL_PREFIX, WAY_OUT};
use rlibphonenumber::Region;
use std::fmt;
use std::str::FromStr;

/// Extensions have at most this many digits unless the tenant says otherwise.
pub const EXTENSION_DIGITS_DEFAULT_MAX: usize = 6;
/// Without a country these two are emergency numbers: GSM's and North America's.
const EMERGENCY_ANYWHERE: &[&str] = &["112", "911"];

/// A country that libphonenumber has rules for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Country(pub(super) Region);

impl Country {
    /// The ISO 3166 code: `DE`.
    pub fn code(self) -> String {
        self.0.to_string()
    }

    /// The same without an allocation.
    pub(super) fn region_text(self) -> impl std::ops::Deref<Target = str> {
        self.0.as_region_str()
    }
}

impl fmt::Debug for Country {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.code())
    }
}

impl FromStr for Country {
    type Err = String;

    fn from_str(text: &str) -> Result<Country, String> {
        let code = text.trim().to_ascii_uppercase();
        Region::from_str(&code)
            .ok()
            .map(Country)
            .filter(|c| super::region::is_supported(*c))
            .ok_or_else(|| format!("{text:?} is no country; write its two letters as in ISO 3166, such as DE, GB or US"))
    }
}

/// How one tenant reads numbers.
#[derive(Debug, Clone)]
pub struct NumberPlan {
    country: Option<Country>,
    emergency: &'static [&'static str],
    international_prefixes: &'static [&'static str],
    way_out: &'static str,
    extension_digits_max: usize,
    short_codes: Vec<String>,
}

impl NumberPlan {
    /// A plan with the defaults of a country; without one only `+…` and `00…` are canonical.
    pub fn new(country: Option<Country>) -> NumberPlan {
        let code = country.map(Country::code);
        let emergency = code.as_deref().and_then(|code| of_region(EMERGENCY, code)).unwrap_or(EMERGENCY_ANYWHERE);
        NumberPlan {
            country,
            emergency,
            international_prefixes: code.as_deref().and_then(|code| of_region(INTERNATIONAL_PREFIX, code)).unwrap_or(&["00"]),
            way_out: code.as_deref().and_then(|code| of_region(WAY_OUT, code)).unwrap_or("00"),
            extension_digits_max: EXTENSION_DIGITS_DEFAULT_MAX,
            short_codes: Vec::new(),
        }
    }

    /// The same plan with extensions of at most so many digits.
    #[must_use]
    pub fn with_extension_digits_max(mut self, digits: usize) -> NumberPlan {
        self.extension_digits_max = digits;
        self
    }

    /// The same plan with these short codes; one of exactly three digits that begins a longer number of six
    /// (`116` and `116117`) names the family.
    #[must_use]
    pub fn with_short_codes(mut self, codes: Vec<String>) -> NumberPlan {
        self.short_codes = codes;
        self
    }

    /// The tenant's country.
    pub fn country(&self) -> Option<Country> {
        self.country
    }

    /// The country's emergency numbers.
    pub fn emergency_numbers(&self) -> &'static [&'static str] {
        self.emergency
    }

    /// The emergency number that a rule for exactly these digits (as dialled, no E.164 digits) seems to be for.
    ///
    /// Such a rule never gets a call: what is dialled is compared with the emergency numbers before any rule, and they
    /// are left to the switch. Whoever writes one believes otherwise, or has an extension of that number that nobody can
    /// reach. So it is refused where it is written, with the number named.
    pub fn emergency_shadowed_by_number(&self, digits: &str) -> Option<&'static str> {
        self.emergency.iter().copied().find(|number| *number == digits)
    }

    /// The emergency number that a rule for all that begins with these digits (as dialled, no E.164 digits) seems to be
    /// for.
    ///
    /// A shorter prefix (`1`, `11`) is for the extensions that begin like this, which many offices have, and the
    /// emergency number among them is taken out before any rule. A longer one (`1121`) doesn't cover it. What is left is
    /// a prefix that is an emergency number: its author wants that number.
    pub fn emergency_shadowed_by_prefix(&self, digits: &str) -> Option<&'static str> {
        self.emergency_shadowed_by_number(digits)
    }

    /// What is dialled in front of a calling code to leave the country: the one that most lines have, where the country
    /// has several.
    pub fn international_prefix(&self) -> &'static str {
        self.way_out
    }

    /// Whether a text is an international number that lost its `+` on the way (FreeSWITCH's mod_cidlookup takes it off):
    /// digits, more than an extension has, as they can't be dialled inside the country.
    pub fn may_lack_plus(&self, text: &str) -> bool {
        let fits = (self.extension_digits_max + 1..=super::E164_DIGITS_MAX).contains(&text.len())
            && text.len() >= super::E164_DIGITS_MIN
            && text.bytes().all(|b| b.is_ascii_digit())
            && !text.starts_with('0');
        fits && !self.country.is_some_and(|country| super::region::has_national(country, text))
    }

    pub(super) fn is_emergency(&self, digits: &str) -> bool {
        self.emergency.contains(&digits)
    }

    pub(super) fn is_short_code(&self, digits: &str) -> bool {
        self.short_codes.iter().any(|code| code == digits || (digits.len() == 6 && code.len() == 3 && digits.starts_with(code.as_str())))
    }

    /// How many digits an extension has at most.
    pub fn extension_digits_max(&self) -> usize {
        self.extension_digits_max
    }

    /// The tenant's short codes.
    pub fn short_codes(&self) -> &[String] {
        &self.short_codes
    }

    /// What follows the country's way out (a 0 there belongs to the number: libphonenumber's rule too).
    pub(super) fn strip_international_prefix<'a>(&self, dialled: &'a str) -> Option<&'a str> {
        self.international_prefixes.iter().find_map(|prefix| dialled.strip_prefix(prefix)).filter(|rest| !rest.starts_with('0'))
    }
}

pub(super) fn of_region<T: Copy>(table: &'static [(&'static str, T)], code: &str) -> Option<T> {
    table.binary_search_by_key(&code, |(region, _)| region).ok().map(|at| table[at].1)
}

#[cfg(test)]
mod tests {
    use super::super::Kind;
    use super::*;

    fn plan(country: &str) -> NumberPlan {
        NumberPlan::new(Some(country.parse().expect("a country")))
    }

    #[test]
    fn a_rule_that_is_an_emergency_number_is_told_from_one_that_only_looks_like_it() {
        let de = plan("DE");
        for (digits, shadowed) in [
            ("112", Some("112")),
            ("110", Some("110")),
            ("1", None),
            ("11", None),
            ("1121", None),
            ("0112", None),
            ("911", None),
            ("", None),
        ] {
            assert_eq!(de.emergency_shadowed_by_number(digits), shadowed, "{digits:?}");
            assert_eq!(de.emergency_shadowed_by_prefix(digits), shadowed, "{digits:?}");
        }
        assert_eq!(plan("AU").emergency_shadowed_by_number("000"), Some("000"));
        let nowhere = NumberPlan::new(None);
        assert_eq!(nowhere.emergency_shadowed_by_number("911"), Some("911"));
        assert_eq!(nowhere.emergency_shadowed_by_prefix("112"), Some("112"));
        assert_eq!(nowhere.emergency_shadowed_by_number("110"), None);
    }

    #[test]
    fn no_setting_makes_an_emergency_number_anything_else() {
        for country in ["DE", "GB", "US", "AU", "BZ", "CF"] {
            for plan in [
                plan(country),
                plan(country).with_extension_digits_max(12),
                plan(country).with_short_codes(plan(country).emergency_numbers().iter().map(|n| (*n).to_owned()).collect()),
            ] {
                for number in plan.emergency_numbers() {
                    assert_eq!(plan.parse(number).map(|n| n.kind()), Ok(Kind::Emergency), "{number} in {country}");
                }
            }
        }
    }

    #[test]
    fn every_country_has_one_way_out_that_it_also_understands() {
        for (region, way_out) in WAY_OUT {
            let known = of_region(INTERNATIONAL_PREFIX, region).unwrap_or(&["00"]);
            assert!(known.contains(way_out), "{region} {way_out}");
        }
        for (country, way_out) in [("DE", "00"), ("US", "011"), ("AU", "0011"), ("JP", "010"), ("RU", "810"), ("UY", "00"), ("KR", "001")] {
            assert_eq!(plan(country).international_prefix(), way_out, "{country}");
        }
        assert_eq!(NumberPlan::new(None).international_prefix(), "00");
    }
}
