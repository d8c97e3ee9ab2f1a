//! What only the library knows: national rules, validity, regions and classes.

use super::lookup::CallingCode;
use super::regions::TRUNK_PREFIX;
use super::{Country, E164_DIGITS_MAX, Kind, Number, NumberPlan, is_possible};
use rlibphonenumber::{NumberLengthType, PHONE_NUMBER_UTIL, PhoneNumber, PhoneNumberFormat, PhoneNumberType, Region};
use serde::{Deserialize, Serialize};
use std::sync::Mutex;

pub(super) fn is_supported(country: Country) -> bool {
    PHONE_NUMBER_UTIL.get_country_code_for_region(country.0).is_some()
}

/// A national spelling as E.164 digits, or `None` where it can't be a number of that country.
///
/// `dialled` is digits alone, and doesn't begin with a way out of the country.
pub(super) fn national(country: Country, dialled: &str) -> Option<String> {
    plainly_national(country, dialled).or_else(|| parsed_national(country, dialled))
}

/// [`national`] for numbers that the country has to the range, where it has one way to dial them: most of those that
/// calls bring. The library reads any spelling with patterns for each of them, which takes some five times as long.
/// `None` says nothing.
fn plainly_national(country: Country, dialled: &str) -> Option<String> {
    let trunk_prefix = super::plan::of_region(TRUNK_PREFIX, &country.region_text())?;
    let national = dialled.strip_prefix(trunk_prefix).unwrap_or(dialled);
    let code = u16::try_from(PHONE_NUMBER_UTIL.get_country_code_for_region(country.0)?).ok()?;
    let digits = format!("{code}{national}");
    let is_there = !national.is_empty() && assembled(code, national)?.is_valid_for_region(country.0);
    (is_there && digits.len() <= E164_DIGITS_MAX).then_some(digits)
}

/// [`national`] as the library reads it.
fn parsed_national(country: Country, dialled: &str) -> Option<String> {
    let parsed = PHONE_NUMBER_UTIL.parse(dialled, Some(country.0)).ok()?;
    // lengths are looked up for the main region of the calling code; others have numbers that it hasn't (Canada's 310-1234)
    if !matches!(parsed.is_possible_with_reason(), Ok(NumberLengthType::IsPossible)) && !parsed.is_valid_for_region(country.0) {
        return None;
    }
    let text = parsed.format_as(PhoneNumberFormat::E164);
    let digits = text.strip_prefix('+')?;
    (digits.len() <= E164_DIGITS_MAX).then(|| digits.to_owned())
}

/// Whether a country has a number that is dialled like this inside it.
pub(super) fn has_national(country: Country, dialled: &str) -> bool {
    let parsed = || PHONE_NUMBER_UTIL.parse(dialled, Some(country.0));
    plainly_national(country, dialled).is_some() || parsed().is_ok_and(|parsed| parsed.is_valid_for_region(country.0))
}

/// A number as the library holds one, put together from its parts: nothing is parsed and nothing loaded.
fn assembled(code: u16, national: &str) -> Option<PhoneNumber> {
    let number: u64 = national.parse().ok()?;
    let zeros = national.bytes().take_while(|b| *b == b'0').count().min(national.len() - 1);
    Some(PhoneNumber {
        country_code: i32::from(code),
        national_number: number,
        italian_leading_zero: (zeros > 0).then_some(true),
        number_of_leading_zeros: i32::try_from(zeros).ok().filter(|zeros| *zeros > 1),
        ..PhoneNumber::default()
    })
}

/// What the library is asked on the call path, and why no call waits for it.
///
/// The library reads all of its metadata, as text, when it is first asked anything, and compiles a pattern when it first
/// matches against it (`RegexTriplets` in its `regex_wrapper_types.rs`: a `OnceLock` for each pattern). What must not be
/// compiled because of what a caller sent is another country's. So numbers that the table finds to be none of the
/// tenant's never get as far as the library, and of those that are, it is asked what needs two regions' patterns at most:
/// `is_valid_for_region` those of the region it is given (`is_valid` and `get_region_code` would try every region of the
/// calling code), and `format_as` those of the calling code's main region, whose rules for writing numbers all others
/// share. [`NumberPlan::warm_up`] has compiled both. `tests/numbers_memory.rs` counts what is allocated.
impl NumberPlan {
    /// Makes the first call as fast as the second: loads what the tenant's country needs (20 to 60 ms, once for each
    /// country in the process).
    pub fn warm_up(&self) {
        let Some(country) = self.country() else { return };
        let is_warm = |mut warm: std::sync::MutexGuard<'_, Vec<Region>>| {
            warm.contains(&country.0) || {
                warm.push(country.0);
                false
            }
        };
        if WARM.lock().is_ok_and(is_warm) {
            return;
        }
        // any texts will do; the answers don't matter, only that the rules are loaded
        for text in ["0301234567", "2025550123", "14155550123", "493023125000"] {
            let _ = parsed_national(country, text);
            let _ = has_national(country, text);
        }
        let examples = TYPES.iter().filter_map(|class| PHONE_NUMBER_UTIL.get_example_number_for_type_and_region(country.0, *class).ok());
        examples.for_each(|example| _ = example.is_valid_for_region(country.0));
        // ways of writing numbers are tried in turn until one fits, by first digits and by length, and each has two patterns
        // that take up to a millisecond to compile: have all of them used
        let code = PHONE_NUMBER_UTIL.get_country_code_for_region(country.0).unwrap_or_default();
        let numbers = (0..1000).flat_map(|start| (0..E164_DIGITS_MAX).map(move |zeros| format!("{code}{start:03}{}", "0".repeat(zeros))));
        for digits in numbers {
            if let Some((calling, national)) = CallingCode::of(&digits)
                && calling.is_possible(national)
                && let Some(number) = assembled(calling.code, national)
            {
                let _ = number.format_as(PhoneNumberFormat::National);
            }
        }
    }

    /// Whether there is such a number. Of the tenant's own country's this is known to the range, of others it is only
    /// known whether they are possible ([`is_possible`]).
    pub fn is_valid(&self, number: &Number) -> bool {
        match (number.calling(), self.country()) {
            (Some((calling, national)), Some(country)) if self.is_at_home(calling, national) => {
                assembled(calling.code, national).is_some_and(|number| number.is_valid_for_region(country.0))
            }
            _ => is_possible(number),
        }
    }

    /// How an E.164 number is dialled inside the tenant's country, digits only: `03012345678` for +493012345678. `None`
    /// for numbers of other countries.
    ///
    /// With the national prefix where the country writes one (the US don't: ten digits). Countries that share a calling
    /// code also dial each other's numbers like this: all of North America, GB and the Channel Islands, RU and KZ.
    pub fn national(&self, number: &Number) -> Option<String> {
        let (calling, national) = number.calling()?;
        if PHONE_NUMBER_UTIL.get_country_code_for_region(self.country()?.0) != Some(i32::from(calling.code)) {
            return None;
        }
        let written = assembled(calling.code, national)?;
        let written = written.format_as(PhoneNumberFormat::National);
        Some(written.chars().filter(char::is_ascii_digit).collect())
    }

    /// How a number is dialled from the tenant's country, digits only: what is dialled inside it for its own numbers
    /// ([`NumberPlan::national`]), else the way out of it and E.164: `00442079460000` in Germany, `011442079460000` in the
    /// US. Numbers that aren't E.164 stay as they are.
    pub fn international(&self, number: &Number) -> String {
        if number.kind() != Kind::E164 {
            return number.digits().to_owned();
        }
        self.national(number).unwrap_or_else(|| format!("{}{}", self.international_prefix(), number.digits()))
    }
}

/// The countries whose rules are loaded.
static WARM: Mutex<Vec<Region>> = Mutex::new(Vec::new());

/// The types whose patterns make up a region.
const TYPES: [PhoneNumberType; 10] = [
    PhoneNumberType::FixedLine,
    PhoneNumberType::Mobile,
    PhoneNumberType::TollFree,
    PhoneNumberType::PremiumRate,
    PhoneNumberType::SharedCost,
    PhoneNumberType::VoIP,
    PhoneNumberType::PersonalNumber,
    PhoneNumberType::Pager,
    PhoneNumberType::UAN,
    PhoneNumberType::VoiceMail,
];

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

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(country: &str) -> NumberPlan {
        NumberPlan::new(Some(country.parse().expect("a country")))
    }

    fn number(e164: &str) -> Number {
        NumberPlan::new(None).parse(e164).unwrap_or_else(|e| panic!("{e164}: {e}"))
    }

    #[test]
    fn what_is_read_without_the_library_is_what_the_library_reads() {
        let (mut plain, mut random) = (0, 1u64);
        for (region, trunk_prefix) in TRUNK_PREFIX {
            let country: Country = region.parse().unwrap_or_else(|e| panic!("{region}: {e}"));
            let plan = NumberPlan::new(Some(country));
            let code = PHONE_NUMBER_UTIL.get_country_code_for_region(country.0).unwrap();
            let examples =
                TYPES.iter().filter_map(|class| PHONE_NUMBER_UTIL.get_example_number_for_type_and_region(country.0, *class).ok());
            let examples: Vec<String> = examples.map(|example| example.format_as(PhoneNumberFormat::E164)[1..].to_owned()).collect();
            for example in &examples {
                let (_, national) = CallingCode::of(example).unwrap();
                for cut in (0..=national.len()).chain(0..=national.len()) {
                    // the beginning of a number that there is, and an end by chance
                    random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                    let end = (random >> 33).to_string();
                    let longer = usize::try_from(random >> 62).unwrap().min(end.len());
                    let end: String = end.chars().cycle().take(national.len() - cut + longer).collect();
                    let number = format!("{}{end}", &national[..cut]);
                    for dialled in [format!("{trunk_prefix}{number}"), number.clone(), format!("{code}{number}"), format!("0{number}")] {
                        if plan.strip_international_prefix(&dialled).is_some() {
                            continue;
                        }
                        if let Some(read) = plainly_national(country, &dialled) {
                            plain += 1;
                            assert_eq!(Some(read), parsed_national(country, &dialled), "{dialled} in {region}");
                        }
                    }
                }
            }
        }
        assert!(plain > 5_000, "{plain} numbers were read without it");
    }

    #[test]
    fn a_number_is_dialled_at_home_as_people_dial_it_there() {
        for (country, e164, national) in [
            ("DE", "+493012345678", Some("03012345678")),
            ("DE", "+4915112345678", Some("015112345678")),
            ("GB", "+442079460000", Some("02079460000")),
            ("GB", "+441534960194", Some("01534960194")),
            ("FR", "+33123456789", Some("0123456789")),
            ("IT", "+390612345678", Some("0612345678")),
            ("ES", "+34912345678", Some("912345678")),
            ("US", "+12125550123", Some("2125550123")),
            ("US", "+14165550123", Some("4165550123")),
            ("RU", "+74951234567", Some("84951234567")),
            ("AR", "+5491123456789", Some("0111523456789")),
            ("HU", "+3612345678", Some("0612345678")),
            ("DE", "+442079460000", None),
            ("US", "+442079460000", None),
        ] {
            assert_eq!(plan(country).national(&number(e164)).as_deref(), national, "{e164} in {country}");
        }
        assert_eq!(NumberPlan::new(None).national(&number("+493012345678")), None);
        assert_eq!(plan("DE").national(&plan("DE").parse("101").unwrap()), None);
    }

    #[test]
    fn a_number_is_dialled_abroad_by_the_way_out() {
        for (country, e164, dialled) in [
            (Some("DE"), "+442079460000", "00442079460000"),
            (Some("DE"), "+493012345678", "03012345678"),
            (Some("US"), "+442079460000", "011442079460000"),
            (Some("US"), "+12125550123", "2125550123"),
            (Some("AU"), "+442079460000", "0011442079460000"),
            (Some("RU"), "+442079460000", "810442079460000"),
            (None, "+442079460000", "00442079460000"),
        ] {
            let plan = country.map_or(NumberPlan::new(None), plan);
            assert_eq!(plan.international(&number(e164)), dialled, "{e164} from {country:?}");
        }
        let de = plan("DE");
        for typed in ["112", "101", "*21#", "alice"] {
            assert_eq!(de.international(&de.parse(typed).unwrap()), typed);
        }
    }

    #[test]
    fn a_number_of_the_own_country_is_known_to_its_range() {
        let us = plan("US");
        assert!(us.is_valid(&number("+12125550123")));
        assert!(us.is_valid(&number("+18002345678")), "in common with all of North America");
        assert!(!us.is_valid(&number("+12121550123")), "no exchange begins with 1");
        assert!(!us.is_valid(&number("+121255501234")));
        // of others only the length is known
        let de = plan("DE");
        assert!(de.is_valid(&number("+12121550123")));
        assert!(!de.is_valid(&number("+121255501234")));
        assert!(de.is_valid(&number("+493012345678")));
        let it = plan("IT");
        assert!(it.is_valid(&number("+390612345678")), "the zero belongs to the number");
        assert!(de.is_valid(&de.parse("101").unwrap()));
    }
}
