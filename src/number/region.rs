//! What only the library knows: national rules, validity, regions and classes.

use super::{Country, Kind, Number, NumberPlan};
use rlibphonenumber::{NumberLengthType, PHONE_NUMBER_UTIL, PhoneNumber, PhoneNumberFormat, PhoneNumberType};
use serde::{Deserialize, Serialize};

pub(super) fn is_supported(country: Country) -> bool {
    PHONE_NUMBER_UTIL.get_country_code_for_region(country.0).is_some()
}

/// A national spelling as E.164 digits, or `None` where it can't be a number of that country.
pub(super) fn national(country: Country, dialled: &str) -> Option<String> {
    let parsed = PHONE_NUMBER_UTIL.parse(dialled, Some(country.0)).ok()?;
    if !matches!(parsed.is_possible_with_reason(), Ok(NumberLengthType::IsPossible)) {
        return None;
    }
    let text = parsed.format_as(PhoneNumberFormat::E164);
    let digits = text.strip_prefix('+')?;
    (digits.len() <= super::E164_DIGITS_MAX).then(|| digits.to_owned())
}

/// Whether a country has a number that is dialled like this inside it.
pub(super) fn has_national(country: Country, dialled: &str) -> bool {
    let parsed = PHONE_NUMBER_UTIL.parse(dialled, Some(country.0));
    parsed.is_ok_and(|parsed| parsed.is_valid_for_region(country.0))
}

/// Loads a country's metadata and compiles its patterns, so that no call waits for it.
impl NumberPlan {
    /// Makes the first call as fast as the second: loads what the tenant's country needs (some 20 ms).
    pub fn warm_up(&self) {
        if let Some(country) = self.country() {
            // any texts will do; the answers don't matter, only that the rules are loaded
            for text in ["0301234567", "2025550123", "14155550123", "493023125000"] {
                let _ = national(country, text);
                let _ = has_national(country, text);
            }
        }
    }
}

/// What can be said of a number, for `number show`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Description {
    /// `+` and digits, or `null` where the number isn't E.164.
    pub e164: Option<String>,
    /// As written inside its own country.
    pub national: Option<String>,
    /// As written for people abroad.
    pub international: Option<String>,
    /// ISO 3166 code of the region, where one is known.
    pub region: Option<String>,
    /// `mobile`, `fixed-line`, `toll-free`, … or the kind for numbers that aren't E.164.
    pub class: String,
    /// The kind of key: `e164`, `extension`, …
    pub kind: Kind,
    /// The canonical text.
    pub number: String,
    /// Whether the number plan has such a number (an E.164 number can be well formed and not exist).
    pub valid: Option<bool>,
}

/// Describes a number. Loads the metadata of the number's region: for the admin side, never for calls.
pub fn describe(number: &Number) -> Description {
    let mut out = Description {
        e164: None,
        national: None,
        international: None,
        region: None,
        class: number.kind().words().replace(' ', "-"),
        kind: number.kind(),
        number: number.to_string(),
        valid: None,
    };
    if number.kind() != Kind::E164 {
        return out;
    }
    out.e164 = Some(number.to_string());
    out.class = "unknown".to_owned();
    let parsed: Result<PhoneNumber, _> = number.to_string().parse();
    if let Ok(parsed) = parsed {
        out.national = Some(parsed.format_as(PhoneNumberFormat::National).into_owned());
        out.international = Some(parsed.format_as(PhoneNumberFormat::International).into_owned());
        out.region = parsed.get_region_code().map(|r| r.to_string());
        out.class = class_word(parsed.get_type()).to_owned();
        out.valid = Some(parsed.is_valid());
    }
    out
}

fn class_word(class: PhoneNumberType) -> &'static str {
    match class {
        PhoneNumberType::FixedLine => "fixed-line",
        PhoneNumberType::Mobile => "mobile",
        PhoneNumberType::FixedLineOrMobile => "fixed-line-or-mobile",
        PhoneNumberType::TollFree => "toll-free",
        PhoneNumberType::PremiumRate => "premium-rate",
        PhoneNumberType::SharedCost => "shared-cost",
        PhoneNumberType::VoIP => "voip",
        PhoneNumberType::PersonalNumber => "personal",
        PhoneNumberType::Pager => "pager",
        PhoneNumberType::UAN => "uan",
        PhoneNumberType::VoiceMail => "voicemail",
        PhoneNumberType::Unknown => "unknown",
    }
}
