//! Routes: which steps are for a called number, and when.

use super::{Step, StepError};
use crate::number::{Kind, Number, NumberPlan};
use serde::{Deserialize, Serialize};
use std::fmt;

/// The most steps of one route.
pub const STEPS_MAX: usize = 16;

/// The beginning of numbers of one kind.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Prefix {
    /// E.164, or extension, which stands for every number inside the tenant.
    pub kind: Kind,
    /// What their digits begin with.
    pub digits: String,
}

impl Prefix {
    /// Reads `+1415` (E.164) or `10` (extensions and other digits inside the tenant).
    ///
    /// # Errors
    /// [`StepError::Prefix`] where it is neither.
    /// A national spelling is refused: the numbers that it seems to speak of are compared as E.164, and it would
    /// never cover one.
    pub fn parse(text: &str, plan: &NumberPlan) -> Result<Prefix, StepError> {
        let compact: String = text.chars().filter(|c| !matches!(c, ' ' | '-' | '.' | '(' | ')')).collect();
        let (kind, digits) = match compact.strip_prefix('+') {
            Some(rest) => (Kind::E164, rest),
            None => (Kind::Extension, compact.as_str()),
        };
        let fits = !digits.is_empty()
            && digits.len() <= crate::number::E164_DIGITS_MAX
            && digits.bytes().all(|b| b.is_ascii_digit())
            && !(kind == Kind::E164 && digits.starts_with('0'));
        if !fits {
            return Err(StepError::Prefix(text.to_owned()));
        }
        let is_national =
            plan.country().is_some() && kind == Kind::Extension && (digits.starts_with('0') || digits.len() > plan.extension_digits_max());
        if is_national {
            return Err(StepError::NationalPrefix(text.to_owned()));
        }
        Ok(Prefix { kind, digits: digits.to_owned() })
    }
}

impl fmt::Display for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.kind == Kind::E164 {
            f.write_str("+")?;
        }
        f.write_str(&self.digits)
    }
}

/// Which calls a route is for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RouteKey {
    /// One number.
    Number(Number),
    /// All numbers that begin like this; the longest prefix wins.
    Prefix(Prefix),
    /// Whatever no other route takes.
    Default,
}

impl fmt::Display for RouteKey {
    /// `+14155550199`, `prefix +1415`, `default`: what `ROUTE` holds and what the command line prints.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RouteKey::Number(n) => n.fmt(f),
            RouteKey::Prefix(p) => write!(f, "prefix {p}"),
            RouteKey::Default => f.write_str("default"),
        }
    }
}

/// A route: steps, tried in turn until one succeeds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Route {
    /// Which calls it is for.
    pub key: RouteKey,
    /// Tried in turn; at least one.
    pub steps: Vec<Step>,
    /// What a late or failed answer says.
    pub fallback: Option<Step>,
    /// The store's revision that made it what it is; a step token names it.
    pub revision: u64,
    /// The schedule whose state chooses the steps.
    pub schedule: Option<String>,
    /// Steps for states of the schedule: `closed`, `holiday`, a period's name.
    pub when: Vec<(String, Vec<Step>)>,
}

impl Route {
    /// A route whose steps are the same at all times.
    pub fn of(key: RouteKey, steps: Vec<Step>) -> Route {
        Route { key, steps, fallback: None, revision: 0, schedule: None, when: Vec::new() }
    }

    /// Which steps are taken in a state of the schedule: 0 for the route's own, else a place in `when` from 1 on. A state
    /// without steps of its own takes those of `closed`, unless it is `open`.
    pub fn plan_in(&self, state: &str) -> u8 {
        let at = |state: &str| self.when.iter().position(|(s, _)| s == state);
        let found = at(state).or_else(|| if state == "open" { None } else { at("closed") });
        found.map_or(0, |n| u8::try_from(n + 1).unwrap_or(0))
    }

    /// The steps of such a plan; `None` for a plan that the route doesn't have.
    pub fn plan(&self, plan: u8) -> Option<&[Step]> {
        match usize::from(plan).checked_sub(1) {
            None => Some(&self.steps),
            Some(n) => self.when.get(n).map(|(_, steps)| steps.as_slice()),
        }
    }

    /// Every step, of all plans, and the fallback.
    pub fn all_steps(&self) -> impl Iterator<Item = &Step> {
        self.steps.iter().chain(self.when.iter().flat_map(|(_, steps)| steps)).chain(&self.fallback)
    }
}
