//! What a switch asks, in the words of the trade and not of a protocol: both switches' sessions make one of these.

use super::naming::{SentName, yes_or_no};
use super::{Reason, StepToken, TokenError, Verification};
use crate::number::{self, Kind, Number, NumberError, NumberPlan};
use thiserror::Error;

/// The most that is kept of what was dialled.
const DIALLED_CHARS_MAX: usize = 64;

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Request {
    /// Decide the call.
    Route,
    /// Only the caller's name.
    Name,
    /// Is anybody there?
    Ping,
    /// Choose trunks for a call out.
    Outbound,
    /// Switch a feature of the calling extension: what was dialled is a star code.
    Feature,
}

impl Request {
    /// The request that a name asks for; none at all means `route`.
    pub fn from_name(name: &str) -> Option<Request> {
        match name {
            "" | "route" => Some(Request::Route),
            "name" => Some(Request::Name),
            "ping" => Some(Request::Ping),
            "outbound" => Some(Request::Outbound),
            "feature" => Some(Request::Feature),
            _ => None,
        }
    }

    /// Every request's name, for the checks that keep dialplans and code in step.
    pub const NAMES: &'static [&'static str] = &["route", "name", "ping", "outbound", "feature"];

    /// The request's name.
    pub fn name(self) -> &'static str {
        match self {
            Request::Route => "route",
            Request::Name => "name",
            Request::Ping => "ping",
            Request::Outbound => "outbound",
            Request::Feature => "feature",
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
    /// Whoever was called declined, or a carrier won't take the call: the switch has one word for both.
    Rejected,
    /// It was served, and that is over: there is no next step.
    Answered,
    /// The caller pressed the key that he was asked for.
    Passed,
    /// Anything else, or nothing said.
    Failed,
}

impl Outcome {
    /// Either switch's words: `DIALSTATUS`, `QUEUESTATUS`, `VMSTATUS`, a hangup cause, `cc_cause`, or `voicemail` with the
    /// length of the message that was left.
    pub fn from_word(word: &str) -> Outcome {
        match word {
            "BUSY" | "USER_BUSY" | "BUSY_EVERYWHERE" => Outcome::Busy,
            "NOANSWER" | "NO_ANSWER" | "NO_USER_RESPONSE" | "ALLOTTED_TIMEOUT" | "TIMEOUT" => Outcome::NoAnswer,
            "CHANUNAVAIL" | "SUBSCRIBER_ABSENT" | "USER_NOT_REGISTERED" | "NO_ROUTE_DESTINATION" => Outcome::Unavailable,
            // FreeSWITCH says CALL_REJECTED (and DIALSTATUS DONTCALL) of a telephone that declines, SIP 603, and of a carrier's
            // 403 alike; the next three are 6xx answers that have causes of their own there
            "CALL_REJECTED" | "DECLINE" | "UNWANTED" | "REJECT_ALL" | "DONTCALL" | "TORTURE" => Outcome::Rejected,
            "answered" => Outcome::Answered,
            "PASSED" | "KEY1" => Outcome::Passed,
            _ if word.strip_prefix("voicemail").is_some_and(|seconds| seconds.parse::<u32>().is_ok()) => Outcome::Answered,
            _ => Outcome::Failed,
        }
    }
}

/// What a question is made of, as text: a switch's session and `explain` fill one in.
#[derive(Debug, Clone, Copy, Default)]
pub struct QuestionText<'a> {
    /// `route`, `name`, `ping`; empty is `route`.
    pub request: &'a str,
    /// The number called.
    pub to: &'a str,
    /// The caller's number.
    pub from: &'a str,
    /// Whether it is not to be shown.
    pub restricted: bool,
    /// What the network says of the caller's number (STIR/SHAKEN), as the switch hands it over.
    pub verstat: &'a str,
    /// The name that the switch has for the caller.
    pub name: &'a str,
    /// The extension whose personal phone book is asked, where that isn't the one that is called.
    pub owner: &'a str,
    /// `yes` for a name in ASCII, `no` for none; empty is as the extension and the tenant have it.
    pub ascii: &'a str,
    /// The token of a failed step, if one is handed back.
    pub step: Option<&'a str>,
    /// How that step ended.
    pub status: &'a str,
}

/// Why a text is no question.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum QuestionError {
    /// A request that nobody knows.
    #[error("the request {0:?} is unknown; use route, name, outbound, feature or ping")]
    Request(String),
    /// A called number that isn't one.
    #[error("the called number {0}")]
    To(NumberError),
    /// A token that isn't one.
    #[error("the step {0}")]
    Step(TokenError),
}

impl QuestionError {
    /// What the switch is told.
    pub fn reason(&self) -> Reason {
        match self {
            QuestionError::Step(_) => Reason::BadStep,
            QuestionError::Request(_) | QuestionError::To(_) => Reason::BadRequest,
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
    /// What a telephone can dial of the text that was called: trunks may want it as it was.
    pub dialled: String,
    /// Who calls.
    pub from: Caller,
    /// What the network says of the caller's number.
    pub verification: Option<Verification>,
    /// What the switch has for the caller's name.
    pub sent_name: SentName,
    /// The extension whose personal phone book is asked, where the question names one.
    pub owner: Option<Number>,
    /// Whether the name is to be in ASCII, where the question says so.
    pub ascii: Option<bool>,
    /// The token of the step that just failed, and how.
    pub step: Option<(StepToken, Outcome)>,
}

impl Question {
    /// Reads a question as the tenant does.
    ///
    /// # Errors
    /// What can't be read, together with what could: the fallback depends on the number called.
    pub fn read(text: &QuestionText<'_>, plan: &NumberPlan) -> Result<Question, Box<(Question, QuestionError)>> {
        let mut wrong = None;
        let request = Request::from_name(text.request).unwrap_or_else(|| {
            wrong = Some(QuestionError::Request(text.request.chars().take(40).collect()));
            Request::Route
        });
        let step = text.step.and_then(|token| match StepToken::decode(token) {
            Ok(token) => Some((token, Outcome::from_word(text.status))),
            Err(error) => {
                wrong.get_or_insert(QuestionError::Step(error));
                None
            }
        });
        let to = match plan.parse(text.to) {
            Ok(number) => Some(number),
            Err(error) => {
                // a step says itself where the call stands, and a name needs no number that was called
                if matches!(request, Request::Route | Request::Outbound | Request::Feature) && text.step.is_none() {
                    wrong.get_or_insert(QuestionError::To(error));
                }
                None
            }
        };
        let dialled = text.to.chars().filter(|c| c.is_ascii_digit() || matches!(c, '+' | '*' | '#')).take(DIALLED_CHARS_MAX).collect();
        let verification = Verification::from_verstat(text.verstat);
        let question = Question {
            request,
            to,
            dialled,
            from: Caller::read(text.from, text.restricted, plan),
            verification,
            sent_name: SentName::read(text.name),
            // whoever is called by something else has no phone book of his own, and no call is worse for it
            owner: plan.parse(text.owner).ok().filter(|owner| owner.kind() == Kind::Extension),
            ascii: yes_or_no(text.ascii.trim()),
            step,
        };
        match wrong {
            None => Ok(question),
            Some(error) => Err(Box::new((question, error))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn either_switchs_word_says_how_a_step_ended() {
        let said: [(Outcome, &[&str]); 7] = [
            (Outcome::Busy, &["BUSY", "USER_BUSY", "BUSY_EVERYWHERE"]),
            (Outcome::Rejected, &["CALL_REJECTED", "DECLINE", "DONTCALL"]),
            (Outcome::NoAnswer, &["NOANSWER", "NO_ANSWER", "NO_USER_RESPONSE", "ALLOTTED_TIMEOUT", "TIMEOUT"]),
            (Outcome::Unavailable, &["CHANUNAVAIL", "SUBSCRIBER_ABSENT", "USER_NOT_REGISTERED", "NO_ROUTE_DESTINATION"]),
            (Outcome::Answered, &["answered", "voicemail12"]),
            (Outcome::Passed, &["PASSED", "KEY1"]),
            (Outcome::Failed, &["CONGESTION", "NORMAL_TEMPORARY_FAILURE", "RECOVERY_ON_TIMER_EXPIRE", "voicemail", "busy", ""]),
        ];
        for (outcome, words) in said {
            for word in words {
                assert_eq!(Outcome::from_word(word), outcome, "{word}");
            }
        }
    }
}
