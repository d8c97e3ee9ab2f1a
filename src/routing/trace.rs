//! What was tried on the way to a decision, in order. Calls don't pay for it: a trace that nobody reads is off.

use super::{FoundBy, List, RouteKey, ScreenKey};
use std::fmt;

/// One rule that was looked at, and what it said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rule {
    /// The number that was called, as the tenant reads it.
    Called(String),
    /// The caller, as the tenant reads him.
    Caller(String),
    /// A list was asked.
    Screened(List, Option<ScreenKey>),
    /// Routes of a sort were asked.
    Routed(&'static str, Option<RouteKey>),
    /// A step of the route was taken: which, of how many.
    Step(usize, usize, String),
    /// A token was handed in and not taken.
    Token(String),
    /// The directory was asked for the caller's name: who it is, in which way he was found, as whose phone book has him.
    Named(Option<String>, Option<FoundBy>, Option<String>),
    /// Nobody has the number, and this is what it says itself.
    Hinted(String),
    /// A schedule was asked, and why it says so.
    Hours(String, String, String),
    /// A group rings: its strategy, and the members that it has in all.
    Group(String, &'static str, usize),
    /// Which of the times that a step rings, of how many, and who.
    Attempt(usize, usize, String),
    /// Somebody or something was passed over, and why.
    Skipped(String, String),
    /// A forward was taken: whose, which, to where.
    Forwarded(String, &'static str, String),
    /// What sort of call goes out, and whether the extension may make it.
    Class(String, bool),
    /// A brake was asked: which, how it stands, whether it lets through.
    Limit(String, String, bool),
    /// A trunk was looked at: its rate, or why not.
    Trunk(String, String),
    /// More was tried than is kept.
    Cut,
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Rule::Called(what) => write!(f, "called: {what}"),
            Rule::Caller(who) => write!(f, "caller: {who}"),
            Rule::Screened(list, None) => write!(f, "{} list: no entry covers the caller", list.word()),
            Rule::Screened(list, Some(key)) => write!(f, "{} list: {key} covers the caller", list.word()),
            Rule::Routed(sort, None) => write!(f, "{sort}: none"),
            Rule::Routed(sort, Some(key)) => write!(f, "{sort}: {key}"),
            Rule::Step(index, of, text) => write!(f, "step {} of {of}: {text}", index + 1),
            Rule::Token(why) => write!(f, "step token: {why}"),
            Rule::Hours(id, state, why) => write!(f, "schedule {id}: {state} ({why})"),
            Rule::Group(id, strategy, leaves) => write!(f, "group {id}: {strategy}, {leaves} to ring"),
            Rule::Attempt(n, of, who) => write!(f, "rings {} of {of}: {who}", n + 1),
            Rule::Skipped(what, why) => write!(f, "{what} passed over: {why}"),
            Rule::Forwarded(from, which, to) => write!(f, "{from} forwards {which} to {to}"),
            Rule::Class(class, true) => write!(f, "class {class}: permitted"),
            Rule::Class(class, false) => write!(f, "class {class}: not permitted to the caller"),
            Rule::Limit(which, how, true) => write!(f, "limit {which}: {how}, lets through"),
            Rule::Limit(which, how, false) => write!(f, "limit {which}: {how}, reached"),
            Rule::Trunk(id, what) => write!(f, "trunk {id}: {what}"),
            Rule::Cut => write!(f, "and more, of which only the first {} rules are kept", RULES_MAX - 1),
            Rule::Named(None, _, callee) => write!(f, "directory{}: nobody by the caller's number", of(callee)),
            Rule::Named(Some(id), by, callee) => {
                write!(f, "directory{}: contact {id}", of(callee))?;
                match by {
                    Some(FoundBy::Beginning(digits)) => write!(f, ", by the first {digits} digits of the number"),
                    Some(FoundBy::Behind(digits)) => write!(f, ", as an extension behind a main number of {digits} digits"),
                    Some(FoundBy::Number) | None => Ok(()),
                }
            }
            Rule::Hinted(what) => write!(f, "directory: the number itself says {what}"),
        }
    }
}

/// As whom the directory was asked.
fn of(callee: &Option<String>) -> String {
    callee.as_ref().map(|callee| format!(" for {callee}")).unwrap_or_default()
}

/// The most rules that are kept of one decision. A usual one has ten; thousands could be made by groups of which nobody
/// rings, and each decision waits in a queue to be written down.
pub const RULES_MAX: usize = 200;

/// A trace, on or off.
#[derive(Debug, Clone, Default)]
pub struct Trace {
    rules: Option<Vec<Rule>>,
}

impl Trace {
    /// A trace that keeps what it is told.
    pub fn on() -> Trace {
        Trace { rules: Some(Vec::new()) }
    }

    /// A trace that keeps nothing and costs nothing.
    pub fn off() -> Trace {
        Trace { rules: None }
    }

    /// Keeps a rule; it is only made if somebody reads it. What comes after `RULES_MAX` is left out, and the last rule
    /// says so.
    pub fn note(&mut self, rule: impl FnOnce() -> Rule) {
        match &mut self.rules {
            Some(rules) if rules.len() + 1 < RULES_MAX => rules.push(rule()),
            Some(rules) if rules.len() < RULES_MAX => rules.push(Rule::Cut),
            _ => {}
        }
    }

    /// What was kept.
    pub fn rules(&self) -> &[Rule] {
        self.rules.as_deref().unwrap_or_default()
    }

    /// The same, to keep.
    pub fn into_rules(self) -> Vec<Rule> {
        self.rules.unwrap_or_default()
    }
}
