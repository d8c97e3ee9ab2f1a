//! What sort of destination a number is, as the people see it who pay for the call.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// A class of numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Class {
    Internal,
    Emergency,
    ShortCode,
    TollFree,
    SharedCost,
    National,
    Mobile,
    International,
    Premium,
    Satellite,
    Unknown,
}

impl Class {
    pub const ALL: &'static [Class] = &[
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

    pub fn word(self) -> &'static str {
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
        f.write_str(self.word())
    }
}

impl FromStr for Class {
    type Err = String;
    fn from_str(text: &str) -> Result<Class, String> {
        Class::ALL.iter().copied().find(|c| c.word() == text).ok_or_else(|| format!("{text:?} is no class"))
    }
}

impl super::NumberPlan {
    pub fn class_of(&self, number: &super::Number) -> Class {
        match number.kind() {
            super::Kind::Extension | super::Kind::Opaque | super::Kind::FeatureCode => Class::Internal,
            super::Kind::Emergency => Class::Emergency,
            super::Kind::ShortCode => Class::ShortCode,
            super::Kind::E164 => Class::National,
        }
    }
    pub fn international(&self, number: &super::Number) -> String {
        number.to_string()
    }
}

impl super::Number {
    pub fn region(&self) -> Option<&'static str> {
        None
    }
}
