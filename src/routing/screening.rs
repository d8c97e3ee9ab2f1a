//! Block and allow lists: by number, prefix, country, class and verification of the caller, withheld callers, and callers
//! who call too often. `allow` wins over `block`.

use super::{Prefix, Step};
use crate::nearest::did_you_mean;
use crate::number::{Class, Number};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// The longest time that calls of one caller are counted over, in seconds.
pub const RATE_SECONDS_MAX: u32 = 3600;

/// Which list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum List {
    /// Callers who don't get through.
    Block,
    /// Callers who do, whatever the block list says.
    Allow,
}

impl List {
    /// `block` or `allow`.
    pub fn word(self) -> &'static str {
        match self {
            List::Block => "block",
            List::Allow => "allow",
        }
    }
}

/// What the network says of a caller's number (STIR/SHAKEN).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verification {
    /// The signature is wrong: the number is not the caller's.
    Failed,
    /// There is none, or it could not be checked.
    Missing,
    /// Full attestation: the carrier knows him and his right to the number.
    A,
    /// Partial: the carrier knows him, and not whether the number is his.
    B,
    /// Gateway: the carrier knows only where the call came in.
    C,
}

impl Verification {
    /// Every result.
    pub const ALL: &'static [Verification] =
        &[Verification::Failed, Verification::Missing, Verification::A, Verification::B, Verification::C];

    /// The word that people type.
    pub fn word(self) -> &'static str {
        match self {
            Verification::Failed => "failed",
            Verification::Missing => "missing",
            Verification::A => "a",
            Verification::B => "b",
            Verification::C => "c",
        }
    }

    /// What a switch or a carrier says: `TN-Validation-Passed-A` (the `verstat` of RFC 8224 and 3GPP TS 24.229), a level
    /// alone, or one of our words. Nothing said is `None`; what can't be understood says nothing either.
    pub fn from_verstat(text: &str) -> Option<Verification> {
        let text = text.trim().to_ascii_lowercase();
        Some(match text.as_str() {
            "failed" => Verification::Failed,
            "missing" | "none" | "no-tn-validation" => Verification::Missing,
            _ if text.starts_with("tn-validation-failed") => Verification::Failed,
            // passed, without saying how well: the carrier at least knows the caller
            "tn-validation-passed" => Verification::B,
            _ => match text.strip_prefix("tn-validation-passed-").unwrap_or(&text) {
                "a" => Verification::A,
                "b" => Verification::B,
                "c" => Verification::C,
                _ => return None,
            },
        })
    }
}

impl FromStr for Verification {
    type Err = String;

    fn from_str(text: &str) -> Result<Verification, String> {
        Verification::ALL.iter().copied().find(|v| v.word().eq_ignore_ascii_case(text)).ok_or_else(|| {
            let hint = did_you_mean(text, Verification::ALL.iter().map(|v| v.word()));
            format!("{text:?} is no result of a verification{hint}; write failed, missing, a, b or c")
        })
    }
}

/// Which callers an entry speaks of.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ScreenKey {
    /// One number.
    Number(Number),
    /// All numbers that begin like this.
    Prefix(Prefix),
    /// Callers who withhold their number.
    Withheld,
    /// Numbers of a country, by its ISO 3166 code in capitals.
    Country(String),
    /// Numbers of a class: `premium`, `unknown` for those that can't exist.
    Class(Class),
    /// Numbers that the network says this of.
    Verification(Verification),
    /// Callers who call too often.
    Rate,
}

impl fmt::Display for ScreenKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ScreenKey::Number(n) => n.fmt(f),
            ScreenKey::Prefix(p) => write!(f, "prefix {p}"),
            ScreenKey::Withheld => f.write_str("anonymous"),
            ScreenKey::Country(code) => write!(f, "country {code}"),
            ScreenKey::Class(class) => write!(f, "class {class}"),
            ScreenKey::Verification(v) => write!(f, "verification {}", v.word()),
            ScreenKey::Rate => f.write_str("rate"),
        }
    }
}

/// So many calls of one caller in so many seconds, and no more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallerRate {
    /// Calls that are let through.
    pub calls: u16,
    /// In so many seconds, 1 to 3600.
    pub seconds: u32,
}

impl CallerRate {
    /// Whether it can be counted.
    pub fn is_countable(self) -> bool {
        self.calls > 0 && (1..=RATE_SECONDS_MAX).contains(&self.seconds)
    }
}

impl fmt::Display for CallerRate {
    /// `10/60`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.calls, self.seconds)
    }
}

impl FromStr for CallerRate {
    type Err = String;

    /// Reads `10/60`: calls, and the seconds that they are counted over.
    fn from_str(text: &str) -> Result<CallerRate, String> {
        let read = || {
            let (calls, seconds) = text.split_once('/')?;
            let seconds = seconds.trim().trim_end_matches('s');
            Some(CallerRate { calls: calls.trim().parse().ok()?, seconds: seconds.parse().ok()? }).filter(|r| r.is_countable())
        };
        read().ok_or_else(|| format!("{text:?} is no rate; write CALLS/SECONDS, such as 10/60, with at most 3600 seconds"))
    }
}

/// One entry of a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Screen {
    /// Which list.
    pub list: List,
    /// Which callers.
    pub key: ScreenKey,
    /// What a blocked caller gets; `None` is busy. Unused on the allow list.
    pub action: Option<Step>,
    /// How often is too often, where the entry speaks of that.
    pub rate: Option<CallerRate>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_network_says_of_a_number_is_read_in_its_own_words() {
        for (text, wanted) in [
            ("TN-Validation-Passed-A", Some(Verification::A)),
            ("TN-Validation-Passed-C", Some(Verification::C)),
            ("TN-Validation-Passed", Some(Verification::B)),
            ("TN-Validation-Failed", Some(Verification::Failed)),
            ("TN-Validation-Failed-B", Some(Verification::Failed)),
            ("No-TN-Validation", Some(Verification::Missing)),
            (" b ", Some(Verification::B)),
            ("failed", Some(Verification::Failed)),
            ("", None),
            ("perhaps", None),
        ] {
            assert_eq!(Verification::from_verstat(text), wanted, "{text}");
        }
    }

    #[test]
    fn a_rate_is_calls_in_seconds() {
        assert_eq!("10/60".parse(), Ok(CallerRate { calls: 10, seconds: 60 }));
        assert_eq!("3/10s".parse::<CallerRate>().map(|r| r.to_string()), Ok("3/10".to_owned()));
        for text in ["", "10", "0/60", "10/0", "10/3601", "x/60"] {
            assert!(text.parse::<CallerRate>().is_err(), "{text}");
        }
    }
}
