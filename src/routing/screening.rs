//! Block and allow lists, first depth: by number, by prefix, and withheld callers. `allow` wins.

use super::{Prefix, Step};
use crate::number::Number;
use serde::{Deserialize, Serialize};
use std::fmt;

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
}

impl fmt::Display for ScreenKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ScreenKey::Number(n) => n.fmt(f),
            ScreenKey::Prefix(p) => write!(f, "prefix {p}"),
            ScreenKey::Withheld => f.write_str("anonymous"),
        }
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
}
