//! What routing may glance at, and what it asks to be remembered: telephones that aren't there, groups' turns, how often
//! somebody called. All of it lives in memory and is never waited for; where nothing is known, everybody rings.

use super::{MemberTarget, Scope};
use crate::hints::Hint;
use crate::number::{Class, Number};

/// What is known of the moment, for one tenant. Like [`Data`](super::Data) an input: reading it changes nothing.
pub trait Live {
    /// What the switches' events say of an extension, if that is fresh.
    fn hint(&self, extension: &Number) -> Option<Hint>;
    /// How many calls a group has had: whose turn it is.
    fn turn(&self, group: &str) -> u32;
    /// When a member of a group was last given a call, in whatever units; 0 is never.
    fn last_rung(&self, group: &str, member: &MemberTarget) -> u64;
    /// How many calls a caller has made in the last seconds, this one not counted.
    fn caller_calls(&self, caller: &Number, seconds: u32) -> u32;
    /// Calls of a class in the last hour, and at this moment: an extension's, or (`None`) the tenant's.
    fn class_calls(&self, extension: Option<&Number>, class: Class) -> (u32, u32);
}

/// What is to be remembered of a decision, by whoever keeps what [`Live`] tells.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Marks {
    /// A group has had a call.
    pub turns: Vec<String>,
    /// A member of a group was given a call.
    pub rung: Vec<(String, MemberTarget)>,
    /// A caller has called.
    pub caller: Option<Number>,
    /// An extension was let out to a class of numbers. The limits count it once, for either scope.
    pub outbound: Option<(Number, Class)>,
}

/// Nothing is known.
pub struct NothingLive;

/// The one of it.
pub const NOTHING_LIVE: NothingLive = NothingLive;

impl Live for NothingLive {
    fn hint(&self, _: &Number) -> Option<Hint> {
        None
    }

    fn turn(&self, _: &str) -> u32 {
        0
    }

    fn last_rung(&self, _: &str, _: &MemberTarget) -> u64 {
        0
    }

    fn caller_calls(&self, _: &Number, _: u32) -> u32 {
        0
    }

    fn class_calls(&self, _: Option<&Number>, _: Class) -> (u32, u32) {
        (0, 0)
    }
}

/// Which counters a limit reads: an extension's own, or the tenant's.
pub(super) fn counted(scope: Scope, extension: &Number) -> Option<&Number> {
    match scope {
        Scope::Extension => Some(extension),
        Scope::Tenant => None,
    }
}
