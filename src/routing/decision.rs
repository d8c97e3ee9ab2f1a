//! What a route request answers, typed. Only the renderer of a switch turns it into text.

use super::{Action, RouteKey, Step, StepToken};
use crate::number::Number;

/// `STROWGER_STATUS`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// A route, a rule or a name was found.
    Found,
    /// Nothing is known.
    Unknown,
    /// The answer budget was spent.
    Late,
    /// The question could not be answered.
    Error,
    /// `ping`: somebody is there.
    Ok,
}

impl Status {
    /// Every status.
    pub const ALL: &'static [Status] = &[Status::Found, Status::Unknown, Status::Late, Status::Error, Status::Ok];

    /// The word on the wire.
    pub fn word(self) -> &'static str {
        match self {
            Status::Found => "found",
            Status::Unknown => "unknown",
            Status::Late => "late",
            Status::Error => "error",
            Status::Ok => "ok",
        }
    }
}

/// `STROWGER_REASON`: why, in one word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// A route or a name matched.
    Matched,
    /// Only the tenant's default route did.
    Default,
    /// No route.
    NoRoute,
    /// Nobody by that number.
    NoName,
    /// The caller withholds his number.
    Anonymous,
    /// The block list says no.
    Blocked,
    /// An emergency number was called: left to the dialplan.
    Emergency,
    /// The last step failed.
    Exhausted,
    /// The budget was spent.
    Late,
    /// The session cap was reached.
    Capacity,
    /// The agent is stopping.
    Draining,
    /// The environment was refused.
    Malformed,
    /// The token was bad, stale or somebody else's.
    BadStep,
    /// A parameter was bad, or the request's name unknown.
    BadRequest,
    /// The store could not be read.
    StoreFailed,
    /// `ping`.
    Ok,
    /// The route's schedule is in another state than `open`.
    Closed,
    /// A forward of the extension's user.
    Forwarded,
    /// The extension's user doesn't want to be disturbed.
    Dnd,
    /// The caller has to press a key first.
    Challenge,
    /// The caller calls too often.
    Rate,
    /// The network says that the number isn't the caller's.
    Unverified,
    /// The extension may not call such numbers.
    NotPermitted,
    /// A brake against toll fraud.
    Limit,
    /// No trunk takes the number.
    NoTrunk,
    /// A feature was switched on.
    FeatureOn,
    /// A feature was switched off.
    FeatureOff,
    /// A feature could not be switched.
    FeatureRefused,
    /// Nobody by that number, but it says where it is from.
    Region,
}

impl Reason {
    /// The word on the wire.
    pub fn word(self) -> &'static str {
        match self {
            Reason::Matched => "matched",
            Reason::Default => "default",
            Reason::NoRoute => "no-route",
            Reason::NoName => "no-name",
            Reason::Anonymous => "anonymous",
            Reason::Blocked => "blocked",
            Reason::Emergency => "emergency",
            Reason::Exhausted => "exhausted",
            Reason::Late => "late",
            Reason::Capacity => "capacity",
            Reason::Draining => "draining",
            Reason::Malformed => "malformed",
            Reason::BadStep => "bad-step",
            Reason::BadRequest => "bad-request",
            Reason::StoreFailed => "store-failed",
            Reason::Ok => "ok",
            Reason::Closed => "closed",
            Reason::Forwarded => "forwarded",
            Reason::Dnd => "dnd",
            Reason::Challenge => "challenge",
            Reason::Rate => "rate",
            Reason::Unverified => "unverified",
            Reason::NotPermitted => "not-permitted",
            Reason::Limit => "limit",
            Reason::NoTrunk => "no-trunk",
            Reason::FeatureOn => "feature-on",
            Reason::FeatureOff => "feature-off",
            Reason::FeatureRefused => "feature-refused",
            Reason::Region => "region",
        }
    }
}

/// The caller as the directory knows him.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallerName {
    /// The contact's id.
    pub contact: String,
    /// The display name, as stored.
    pub name: String,
}

/// One telephone that is rung.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leg {
    /// Who is rung.
    pub target: Number,
    /// The member's name, for people.
    pub name: Option<String>,
    /// The digits that the trunk wants, where it has a format of its own.
    pub dial_as: Option<String>,
    /// The trunk for a public number; `None` is the configuration's.
    pub trunk: Option<String>,
    /// Seconds before it rings.
    pub delay_seconds: u16,
    /// Seconds that it rings, where that isn't the whole's time.
    pub timeout_seconds: Option<u16>,
    /// Whether a 1 has to be pressed before the call is connected.
    pub confirm: bool,
}

impl Leg {
    /// A leg that rings at once, as long as the others.
    pub fn of(target: Number, trunk: Option<String>) -> Leg {
        Leg { target, name: None, dial_as: None, trunk, delay_seconds: 0, timeout_seconds: None, confirm: false }
    }

    /// Whether it needs more than a dial string.
    pub fn is_plain(&self) -> bool {
        self.delay_seconds == 0 && self.timeout_seconds.is_none() && !self.confirm
    }
}

/// Telephones that ring at once (but for their delays); the first to answer wins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ring {
    /// At least one.
    pub legs: Vec<Leg>,
    /// How long the whole rings; `None` is the configuration's.
    pub timeout_seconds: Option<u16>,
}

/// A decision.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// Whether something was found.
    pub status: Status,
    /// Why.
    pub reason: Reason,
    /// What to do, as the plan says it.
    pub step: Step,
    /// Who is rung, where the step rings somebody.
    pub ring: Option<Ring>,
    /// What to hand back when the step fails; `None` on the last one.
    pub token: Option<StepToken>,
    /// The route that matched.
    pub route: Option<RouteKey>,
    /// Who calls, where the directory knows; a contact without an id where only the number says something of him.
    pub caller: Option<CallerName>,
    /// Whether the name that the switch has for the caller stays all the same.
    pub keeps_sent_name: bool,
    /// The number that an outgoing call shows, as its trunk wants it.
    pub present: Option<String>,
    /// The trunk and rate of an outgoing call, for `ROUTE`.
    pub via: Option<String>,
}

impl Decision {
    /// A decision that says what to do and nothing else. Whom a `dial` step names is rung; a group, which takes data to
    /// know, is not.
    pub fn of(status: Status, reason: Reason, step: Step) -> Decision {
        let ring = match &step.action {
            Action::Dial { targets, trunk } => Some(Ring {
                legs: targets.iter().map(|target| Leg::of(target.clone(), trunk.clone())).collect(),
                timeout_seconds: step.timeout_seconds,
            }),
            _ => None,
        };
        Decision { status, reason, step, ring, token: None, route: None, caller: None, keeps_sent_name: false, present: None, via: None }
    }
}
