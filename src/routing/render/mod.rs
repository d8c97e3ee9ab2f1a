//! A decision as one switch's text. Only here are `&`, `,`, `[]`, `{}` templates and variable names known.
//!
//! Names travel as variables of their own and never inside a target: no byte of a caller's name can become part of
//! a dial string (a promise of this program).

mod asterisk;
mod extension;
mod freeswitch;

pub use asterisk::{MEMBER_CONTEXT, asterisk, asterisk_target};
pub use extension::{Place, freeswitch_extension};
pub use freeswitch::{freeswitch, freeswitch_target};

use super::{Action, Decision, DialTemplates, Ring};
use serde::{Deserialize, Serialize};

/// A switch, whose words an answer is put into.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Switch {
    /// Asterisk.
    #[default]
    Asterisk,
    /// FreeSWITCH.
    Freeswitch,
}

/// The variables of an answer, without the switch's prefix, in the order they are sent; `STATUS` is last, so that a
/// dialplan that sees it knows that the others came too.
pub const VARIABLES: &[&str] =
    &["ACTION", "TARGET", "TIMEOUT", "OPTIONS", "STEP", "ROUTE", "NAME", "CONTACT", "CALLERID", "REASON", "STATUS"];

/// A decision in one switch's words: every variable of [`VARIABLES`], in that order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rendered {
    /// Values, in the order of [`VARIABLES`].
    pub values: [String; 11],
    /// What the caller's name becomes; `None` leaves it alone.
    pub caller_name: Option<String>,
    /// What the caller's number becomes; `None` leaves it alone.
    pub caller_number: Option<String>,
    /// Dial strings that the target names instead of holding them, each with the variable that holds it.
    pub legs: Vec<(String, String)>,
}

impl Rendered {
    /// The value of one variable, by its name without prefix.
    pub fn value(&self, name: &str) -> Option<&str> {
        VARIABLES.iter().position(|v| *v == name).map(|i| self.values[i].as_str())
    }

    fn of(decision: &Decision, dial: Option<&DialTemplates>, target: String, legs: Vec<(String, String)>) -> Rendered {
        let dial = dial.filter(|_| decision.ring.is_some());
        let timeout = match &decision.ring {
            Some(ring) => ring.timeout_seconds.or(dial.map(|d| d.timeout_seconds)),
            None => decision.step.timeout_seconds,
        };
        let caller = decision.caller.as_ref();
        Rendered {
            values: [
                decision.step.action.word().to_owned(),
                target,
                timeout.map(|seconds| seconds.to_string()).unwrap_or_default(),
                dial.map(|d| d.options.clone()).unwrap_or_default(),
                decision.token.as_ref().map(super::StepToken::encode).unwrap_or_default(),
                decision.via.clone().or_else(|| decision.route.as_ref().map(ToString::to_string)).unwrap_or_default(),
                caller.map(|c| c.name.clone()).unwrap_or_default(),
                caller.map(|c| c.contact.clone()).unwrap_or_default(),
                decision.present.clone().unwrap_or_default(),
                decision.reason.word().to_owned(),
                decision.status.word().to_owned(),
            ],
            caller_name: caller.filter(|_| !decision.keeps_sent_name).map(|c| c.name.clone()),
            caller_number: decision.present.clone(),
            legs,
        }
    }
}

/// What an action needs that rings nobody: a mailbox, a queue, a room, a sound; the same on both switches.
fn plain_target(action: &Action) -> &str {
    match action {
        Action::Voicemail(a) | Action::Queue(a) | Action::Conference(a) | Action::Playback(a) | Action::Challenge(a) => a,
        Action::Dial { .. }
        | Action::Ring(_)
        | Action::Goto { .. }
        | Action::Busy
        | Action::Congestion
        | Action::Hangup
        | Action::Continue => "",
    }
}

/// Whom a decision rings: each member, and the dial string of its leg as the switch that asked tells of it in its events.
pub fn members(decision: &Decision, switch: Switch, dial: Option<&DialTemplates>) -> Vec<(String, String)> {
    let (Some(Ring { legs, .. }), Some(dial)) = (&decision.ring, dial) else { return Vec::new() };
    let strings = match switch {
        Switch::Asterisk => asterisk::leg_strings(legs, dial).0,
        Switch::Freeswitch => legs.iter().map(|leg| asterisk::dial_string(dial, leg)).collect(),
    };
    legs.iter().map(|leg| leg.target.to_string()).zip(strings).collect()
}

#[cfg(test)]
mod tests {
    use super::{Switch, members};
    use crate::number::NumberPlan;
    use crate::routing::{Decision, DialTemplates, Reason, Status, Step, Template};

    #[test]
    fn members_of_one_trunk_are_told_apart_by_their_dial_strings() {
        let step = Step::parse("dial:101,+14155550111,+14155550112", &NumberPlan::new(None)).unwrap();
        let decision = Decision::of(Status::Found, Reason::Matched, step);
        let legs: Vec<_> = members(&decision, Switch::Freeswitch, Some(&templates("")))
            .into_iter()
            .map(|(member, leg)| format!("{member} {leg}"))
            .collect();
        let wanted = [
            "101 user/101@pbx.example",
            "+14155550111 sofia/gateway/carrier/+14155550111",
            "+14155550112 sofia/gateway/carrier/+14155550112",
        ];
        assert_eq!(legs, wanted);
        assert!(members(&decision, Switch::Freeswitch, None).is_empty());
    }

    /// Templates of a FreeSWITCH with a domain, for the tests of its words.
    pub(super) fn templates(options: &str) -> DialTemplates {
        DialTemplates {
            extension: Template::parse("user/{extension}@{domain}", "extension", true).unwrap(),
            number: Template::parse("sofia/gateway/{trunk}/{number}", "number", true).unwrap(),
            trunk: "carrier".to_owned(),
            timeout_seconds: 30,
            options: options.to_owned(),
            domain: Some("pbx.example".to_owned()),
            confirm_file: None,
        }
    }
}
