//! A tenant's numbering plan: its country, how long its extensions are, which short codes it knows.

use super::regions::{EMERGENCY, INTERNATIONAL_PREFIX};
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

fn of_region(table: &'static [(&'static str, &'static [&'static str])], code: &str) -> Option<&'static [&'static str]> {
    table.binary_search_by_key(&code, |(region, _)| region).ok().map(|at| table[at].1)
}
