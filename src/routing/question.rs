//! What a switch asks, in the words of the trade and not of a protocol: both switches' sessions make one of these.

use super::StepToken;
use crate::number::{self, Number, NumberPlan};

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Request {
    /// Decide the call.
    Route,
    /// Only the caller's name.
    Name,
    /// Is anybody there?
    Ping,
}

impl Request {
    /// The request that a name asks for; none at all means `route`.
    pub fn from_name(name: &str) -> Option<Request> {
        match name {
            "" | "route" => Some(Request::Route),
            "name" => Some(Request::Name),
            "ping" => Some(Request::Ping),
            _ => None,
        }
    }

    /// Every request's name, for the checks that keep dialplans and code in step.
    pub const NAMES: &'static [&'static str] = &["route", "name", "ping"];

    /// The request's name.
    pub fn name(self) -> &'static str {
        match self {
            Request::Route => "route",
            Request::Name => "name",
            Request::Ping => "ping",
        }
    }
}

/// Who calls.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Caller {
    /// A number that can be looked up.
    Number(Number),
    /// The caller, or his network, withholds the number: whatever came instead is not looked at.
    Withheld,
    /// Something that isn't a number (300 digits, control characters). Known to nobody, and not withheld.
    Unusable,
}

impl Caller {
    /// Reads what the switch says of the caller. `restricted` is the presentation flag: the number may be present
    /// all the same, and is then not looked at.
    pub fn read(text: &str, restricted: bool, plan: &NumberPlan) -> Caller {
        if restricted || number::is_withheld(text) {
            return Caller::Withheld;
        }
        plan.parse(text).map_or(Caller::Unusable, Caller::Number)
    }
}

/// How the step that the token belongs to ended, as the switch says it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Busy.
    Busy,
    /// Nobody answered.
    NoAnswer,
    /// The phone or trunk can't be reached.
    Unavailable,
    /// Anything else, or nothing said.
    Failed,
}

impl Outcome {
    /// Either switch's words: `DIALSTATUS`, `QUEUESTATUS`, `VMSTATUS`, or a hangup cause.
    pub fn from_word(word: &str) -> Outcome {
        match word {
            "BUSY" | "USER_BUSY" => Outcome::Busy,
            "NOANSWER" | "NO_ANSWER" | "NO_USER_RESPONSE" | "TIMEOUT" => Outcome::NoAnswer,
            "CHANUNAVAIL" | "SUBSCRIBER_ABSENT" | "USER_NOT_REGISTERED" | "NO_ROUTE_DESTINATION" => Outcome::Unavailable,
            _ => Outcome::Failed,
        }
    }
}

/// A whole question, ready to be decided.
#[derive(Debug, Clone)]
pub struct Question {
    /// What is asked for.
    pub request: Request,
    /// The number that was called. `None` for requests that don't need one.
    pub to: Option<Number>,
    /// Who calls.
    pub from: Caller,
    /// The token of the step that just failed, and how.
    pub step: Option<(StepToken, Outcome)>,
}
