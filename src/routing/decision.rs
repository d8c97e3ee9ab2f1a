//! What a route request answers, typed. Only the renderer of a switch turns it into text.

use super::{RouteKey, Step, StepToken};

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

/// A decision.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// Whether something was found.
    pub status: Status,
    /// Why.
    pub reason: Reason,
    /// What to do.
    pub step: Step,
    /// What to hand back when the step fails; `None` on the last one.
    pub token: Option<StepToken>,
    /// The route that matched.
    pub route: Option<RouteKey>,
    /// Who calls, where the directory knows.
    pub caller: Option<CallerName>,
}
