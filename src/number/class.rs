//! What a call to a number is likely to cost, and whose the number is: by table, so that calls may ask it of any number.

use super::lookup::{CallingCode, F, M, P, S};
use super::{Kind, Number, NumberPlan};
use crate::nearest::did_you_mean;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;
use thiserror::Error;

/// The calling codes that no country answers for, and whose numbers are charged like satellite telephones: Inmarsat
/// (870), universal personal numbers (878), satellite systems (881), international networks (882, 883: ships,
/// aeroplanes, and much of the revenue-share fraud that there is), disaster relief (888).
const SATELLITE_CODES: &[u16] = &[870, 878, 881, 882, 883, 888];

/// What sort of call it is, by its destination: what permissions, limits and screening speak of.
///
/// The order is that of the stored form: new ones are appended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Class {
    /// Inside the tenant: extensions, feature codes, SIP user names.
    Internal,
    /// An emergency number of the tenant.
    Emergency,
    /// A short code of the tenant.
    ShortCode,
    /// Free for the caller, in the tenant's country.
    TollFree,
    /// At a tariff of its own, in the tenant's country: shared-cost and personal numbers.
    SharedCost,
    /// Any other number of the tenant's country: fixed lines, and mobiles where the digits don't tell (North America).
    National,
    /// A mobile of the tenant's country.
    Mobile,
    /// A number of another country, mobile, toll-free or not; without a country, every public number.
    International,
    /// Premium-rate, in the tenant's country or any other.
    Premium,
    /// A network of no country, such as satellite telephones: +870, +878, +881, +882, +883, +888.
    Satellite,
    /// No number that exists: its calling code isn't given to anybody, it is too short or too long, or it isn't
    /// canonical (no country is known to read it by).
    Unknown,
}

impl Class {
    /// All classes, in the order of their meaning: from near and cheap to far and dear.
    pub const ALL: [Class; 11] = [
        Class::Internal,
        Class::Emergency,
        Class::ShortCode,
        Class::TollFree,
        Class::SharedCost,
        Class::National,
        Class::Mobile,
        Class::International,
        Class::Premium,
        Class::Satellite,
        Class::Unknown,
    ];

    /// The class in one word, as it is configured, stored as text and shown.
    pub const fn word(self) -> &'static str {
        match self {
            Class::Internal => "internal",
            Class::Emergency => "emergency",
            Class::ShortCode => "short-code",
            Class::TollFree => "toll-free",
            Class::SharedCost => "shared-cost",
            Class::National => "national",
            Class::Mobile => "mobile",
            Class::International => "international",
            Class::Premium => "premium",
            Class::Satellite => "satellite",
            Class::Unknown => "unknown",
        }
    }
}

impl fmt::Display for Class {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.word())
    }
}

/// A word that is no class.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{typed:?} is no class of numbers; write one of {}{}", class_words().join(", "), did_you_mean(typed, class_words()))]
pub struct ClassError {
    /// What was typed.
    pub typed: String,
}

fn class_words() -> [&'static str; 11] {
    Class::ALL.map(Class::word)
}

impl FromStr for Class {
    type Err = ClassError;

    fn from_str(text: &str) -> Result<Class, ClassError> {
        let word = text.trim();
        Class::ALL.into_iter().find(|class| class.word() == word).ok_or_else(|| ClassError { typed: word.to_owned() })
    }
}

impl Number {
    /// The ISO 3166 code of the region that an E.164 number belongs to, `001` for those of no country, `None` where its
    /// calling code isn't given to anybody or it is no E.164 number.
    ///
    /// By table: right for every number that exists. One that doesn't exist belongs to a neighbour or to the main region
    /// of its calling code. A number that several regions have in common (+1 800 …) belongs to the main one of them.
    pub fn region(&self) -> Option<&'static str> {
        self.calling().and_then(|(calling, national)| calling.regions(national).first().copied())
    }

    /// What sort of number an E.164 number is, in its own country and in one word, where it isn't an ordinary one. By table.
    pub fn sort_word(&self) -> Option<&'static str> {
        let (calling, national) = self.calling().filter(|(calling, national)| calling.is_possible(national))?;
        match calling.class(national) {
            M => Some("mobile"),
            F => Some("toll-free"),
            S => Some("shared-cost"),
            P => Some("premium"),
            _ => None,
        }
    }

    /// The calling code of an E.164 number, and the digits behind it.
    pub(super) fn calling(&self) -> Option<(&'static CallingCode, &str)> {
        if self.kind() == Kind::E164 { CallingCode::of(self.digits()) } else { None }
    }
}

/// Whether an E.164 number has a calling code that is somebody's and a length that this one has; others are possible.
///
/// By table. A possible number needn't exist: [`NumberPlan::is_valid`] knows more of the tenant's own country.
pub fn is_possible(number: &Number) -> bool {
    number.kind() != Kind::E164 || number.calling().is_some_and(|(calling, national)| calling.is_possible(national))
}

impl NumberPlan {
    /// What a call to that number is, as this tenant sees it. By table: no call waits for it, whatever the number.
    ///
    /// What is dear is dear at any length: carriers may ignore digits too many, so a premium number with one more is
    /// premium and not unknown. An opaque text is a SIP user name, and internal, only if it begins with a letter:
    /// digits that couldn't be read as a number may still mean one to a trunk, and are unknown.
    pub fn class_of(&self, number: &Number) -> Class {
        match number.kind() {
            Kind::Extension | Kind::FeatureCode => Class::Internal,
            Kind::Emergency => Class::Emergency,
            Kind::ShortCode => Class::ShortCode,
            Kind::Opaque if number.digits().starts_with(char::is_alphabetic) => Class::Internal,
            Kind::Opaque => Class::Unknown,
            Kind::E164 => number.calling().map_or(Class::Unknown, |(calling, national)| self.class_of_public(calling, national)),
        }
    }

    fn class_of_public(&self, calling: &CallingCode, national: &str) -> Class {
        let class = calling.class(national);
        if class == P {
            return Class::Premium;
        }
        if SATELLITE_CODES.contains(&calling.code) {
            return Class::Satellite;
        }
        if !calling.is_possible(national) {
            return Class::Unknown;
        }
        if !self.is_at_home(calling, national) {
            return Class::International;
        }
        match class {
            F => Class::TollFree,
            S => Class::SharedCost,
            M => Class::Mobile,
            _ => Class::National,
        }
    }

    /// Whether the tenant's country has that number, alone or in common with others.
    pub(super) fn is_at_home(&self, calling: &CallingCode, national: &str) -> bool {
        self.country().is_some_and(|country| calling.regions(national).contains(&&*country.region_text()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(country: &str) -> NumberPlan {
        NumberPlan::new(Some(country.parse().expect("a country")))
    }

    fn class(plan: &NumberPlan, typed: &str) -> Class {
        plan.class_of(&plan.parse(typed).unwrap_or_else(|e| panic!("{typed}: {e}")))
    }

    fn region(typed: &str) -> Option<&'static str> {
        NumberPlan::new(None).parse(typed).unwrap_or_else(|e| panic!("{typed}: {e}")).region()
    }

    #[test]
    fn a_class_is_one_word_everywhere() {
        for class in Class::ALL {
            assert_eq!(class.word().parse(), Ok(class));
            assert_eq!(class.to_string(), class.word());
            assert_eq!(serde_json::to_string(&class).unwrap(), format!("{:?}", class.word()));
            assert_eq!(format!("{class:<14}|").len(), 15, "columns line up");
        }
        assert!(Class::ALL.is_sorted(), "the stored order is the order of meaning");
        let error = "primium".parse::<Class>().unwrap_err().to_string();
        assert!(error.starts_with("\"primium\" is no class of numbers; write one of internal, emergency, "), "{error}");
        assert!(error.ends_with("unknown; did you mean premium?"), "{error}");
        assert!(!"zebra-crossing".parse::<Class>().unwrap_err().to_string().contains("did you mean"));
    }

    #[test]
    fn a_call_is_of_one_class_as_the_tenant_sees_it() {
        let de = plan("DE").with_short_codes(vec!["116".into()]);
        for (typed, wanted) in [
            ("101", Class::Internal),
            ("*21*5#", Class::Internal),
            ("alice.smith", Class::Internal),
            ("112", Class::Emergency),
            ("116117", Class::ShortCode),
            ("030 12345678", Class::National),
            ("0151 12345678", Class::Mobile),
            ("0800 1234567", Class::TollFree),
            ("0180 123456", Class::SharedCost),
            ("0700 12345678", Class::SharedCost),
            ("0900 1234567", Class::Premium),
            ("+44 20 7946 0000", Class::International),
            ("+44 7400 123456", Class::International),
            ("+1 800 234 5678", Class::International),
            ("+1 900 234 5678", Class::Premium),
            ("+979 123 456 789", Class::Premium),
            ("+881 6 1234 5678", Class::Satellite),
            ("+883 510 0001 2345", Class::Satellite),
            ("+800 1234 5678", Class::International),
            ("+1 212 555 01234", Class::Unknown),
            ("+1 212 555", Class::Unknown),
            ("+999 123 4567", Class::Unknown),
            ("+210 123 4567", Class::Unknown),
        ] {
            assert_eq!(class(&de, typed), wanted, "{typed}");
        }
    }

    #[test]
    fn digits_too_many_make_nothing_dear_cheaper() {
        let us = plan("US");
        for typed in ["+1 900 234 5678", "+1 900 234 5678 99", "+44 909 879 0000", "+44 909 879 0000 12", "+49 900 1234567 123"] {
            assert_eq!(class(&us, typed), Class::Premium, "{typed}");
        }
        assert_eq!(class(&us, "+881 6 1234 5678 999"), Class::Satellite);
    }

    #[test]
    fn a_number_of_a_range_that_nobody_has_is_not_free() {
        for (country, typed) in
            [("LV", "+371 7012 3456"), ("SA", "+966 812 345 678"), ("GB", "+44 801 234 5678"), ("US", "+1 811 234 5678")]
        {
            let class = class(&plan(country), typed);
            assert!(!plan(country).is_valid(&plan(country).parse(typed).unwrap()), "{typed} exists by now");
            assert!(matches!(class, Class::National | Class::Mobile | Class::SharedCost | Class::Premium), "{typed} is {class}");
        }
    }

    #[test]
    fn digits_that_are_no_number_are_not_taken_for_a_name() {
        let nowhere = NumberPlan::new(None);
        for typed in ["0900 1234567", "0900123456#", "2nd-floor", "0900x123456", "9*0900123456"] {
            assert_eq!(class(&nowhere, typed), Class::Unknown, "{typed}");
        }
        assert_eq!(class(&nowhere, "alice"), Class::Internal);
        assert_eq!(class(&nowhere, "élise"), Class::Internal);
    }

    #[test]
    fn without_a_country_all_the_world_is_abroad() {
        let nowhere = NumberPlan::new(None);
        for (typed, wanted) in [
            ("+49 30 12345678", Class::International),
            ("+1 800 234 5678", Class::International),
            ("+49 900 1234567", Class::Premium),
            ("+870 773 111 632", Class::Satellite),
            ("911", Class::Emergency),
        ] {
            assert_eq!(class(&nowhere, typed), wanted, "{typed}");
        }
    }

    #[test]
    fn north_america_is_many_countries() {
        let (us, ca, jm) = (plan("US"), plan("CA"), plan("JM"));
        for (typed, from_us, from_ca, from_jm) in [
            ("+1 212 555 0123", Class::National, Class::International, Class::International),
            ("+1 416 555 0123", Class::International, Class::National, Class::International),
            ("+1 876 523 0123", Class::International, Class::International, Class::National),
            ("+1 876 210 1234", Class::International, Class::International, Class::Mobile),
            ("+1 473 403 1234", Class::International, Class::International, Class::International),
            ("+1 787 234 5678", Class::International, Class::International, Class::International),
            // these they have in common
            ("+1 800 234 5678", Class::TollFree, Class::TollFree, Class::TollFree),
            ("+1 900 234 5678", Class::Premium, Class::Premium, Class::Premium),
        ] {
            let got = [&us, &ca, &jm].map(|plan| class(plan, typed));
            assert_eq!(got, [from_us, from_ca, from_jm], "{typed}");
        }
    }

    #[test]
    fn a_number_belongs_to_one_region() {
        for (typed, wanted) in [
            ("+1 212 555 0123", "US"),
            ("+1 416 555 0123", "CA"),
            ("+1 876 523 0123", "JM"),
            ("+1 658 523 0123", "JM"),
            ("+1 809 234 5678", "DO"),
            // an area code that nobody has
            ("+1 299 234 5678", "US"),
            ("+7 495 123 4567", "RU"),
            ("+7 701 123 4567", "KZ"),
            ("+44 20 7946 0000", "GB"),
            ("+44 1481 960194", "GG"),
            ("+44 1534 960194", "JE"),
            ("+44 7797 712345", "JE"),
            ("+44 1624 756789", "IM"),
            ("+39 06 698 12345", "VA"),
            ("+47 79 12 34 56", "SJ"),
            ("+262 269 60 12 34", "YT"),
            ("+599 318 1234", "BQ"),
            ("+358 18 12345", "AX"),
            ("+383 28 012 345", "XK"),
            ("+800 1234 5678", "001"),
        ] {
            assert_eq!(region(typed), Some(wanted), "{typed}");
        }
        assert_eq!(region("+999 123 4567"), None);
        assert_eq!(region("101"), None);
    }

    #[test]
    fn a_number_is_possible_if_somebody_has_numbers_of_its_length() {
        let plan = plan("DE");
        for (typed, wanted) in [
            ("+1 212 555 0123", true),
            ("+1 212 555 01234", false),
            ("+1 212 555", false),
            ("+290 8999", true),
            ("+47 2112 3456", true),
            ("+47 2112 34567", false),
            ("+999 1234567", false),
            ("101", true),
            ("alice", true),
        ] {
            let number = plan.parse(typed).unwrap_or_else(|e| panic!("{typed}: {e}"));
            assert_eq!(is_possible(&number), wanted, "{typed}");
        }
        // a key from an older store may be anything
        for digits in ["0", "1", "21", "999"] {
            let number = Number::from_key(Kind::E164, digits).expect("a key");
            assert!(!is_possible(&number) && plan.class_of(&number) == Class::Unknown, "{digits}");
        }
    }

    proptest::proptest! {
        #[test]
        fn every_number_has_one_class_and_no_country_makes_it_cheaper_abroad(digits in "[1-9][0-9]{0,14}") {
            let number = Number::from_key(Kind::E164, &digits).expect("a key");
            let nowhere = NumberPlan::new(None).class_of(&number);
            for country in ["DE", "US", "IN"] {
                let class = plan(country).class_of(&number);
                let home = matches!(class, Class::TollFree | Class::SharedCost | Class::National | Class::Mobile);
                proptest::prop_assert!(class == nowhere || home && nowhere == Class::International, "{} {}", class, nowhere);
            }
        }
    }
}
