//! A decision as one switch's text. Only here are `&`, `{}` templates and variable names known.
//!
//! Names travel as variables of their own and never inside a target: no byte of a caller's name can become part of
//! a dial string (a promise of this program).

use super::{Action, Decision, DialTemplates};
use crate::number::Kind;

/// The variables of an answer, without the switch's prefix, in the order they are sent; `STATUS` is last, so that a
/// dialplan that sees it knows that the others came too.
pub const VARIABLES: &[&str] = &["ACTION", "TARGET", "TIMEOUT", "OPTIONS", "STEP", "ROUTE", "NAME", "CONTACT", "REASON", "STATUS"];

/// A decision in Asterisk's words: every variable of [`VARIABLES`], in that order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AsteriskAnswer {
    /// Values, in the order of [`VARIABLES`].
    pub values: [String; 10],
    /// What `CALLERID(name)` becomes; `None` leaves it alone.
    pub caller_name: Option<String>,
}

impl AsteriskAnswer {
    /// The value of one variable, by its name without prefix.
    pub fn value(&self, name: &str) -> Option<&str> {
        VARIABLES.iter().position(|v| *v == name).map(|i| self.values[i].as_str())
    }
}

/// Renders a decision for Asterisk.
pub fn asterisk(decision: &Decision, dial: &DialTemplates) -> AsteriskAnswer {
    let (target, is_dial) = asterisk_target(&decision.step.action, dial);
    let timeout = match (decision.step.timeout_seconds, is_dial) {
        (Some(seconds), _) => seconds.to_string(),
        (None, true) => dial.timeout_seconds.to_string(),
        (None, false) => String::new(),
    };
    let caller = decision.caller.as_ref();
    AsteriskAnswer {
        values: [
            decision.step.action.word().to_owned(),
            target,
            timeout,
            if is_dial { dial.options.clone() } else { String::new() },
            decision.token.as_ref().map(super::StepToken::encode).unwrap_or_default(),
            decision.route.as_ref().map(ToString::to_string).unwrap_or_default(),
            caller.map(|c| c.name.clone()).unwrap_or_default(),
            caller.map(|c| c.contact.clone()).unwrap_or_default(),
            decision.reason.word().to_owned(),
            decision.status.word().to_owned(),
        ],
        caller_name: caller.map(|c| c.name.clone()),
    }
}

fn asterisk_target(action: &Action, dial: &DialTemplates) -> (String, bool) {
    match action {
        Action::Dial { targets, trunk } => {
            let trunk = trunk.as_deref().unwrap_or(&dial.trunk);
            let mut text = String::new();
            for (i, target) in targets.iter().enumerate() {
                if i > 0 {
                    text.push('&');
                }
                match target.kind() {
                    Kind::Extension | Kind::Opaque | Kind::FeatureCode => dial.extension.fill(target.digits(), trunk, &mut text),
                    Kind::E164 => dial.number.fill(&target.to_string(), trunk, &mut text),
                    Kind::ShortCode | Kind::Emergency => dial.number.fill(target.digits(), trunk, &mut text),
                }
            }
            (text, true)
        }
        Action::Voicemail(a) | Action::Queue(a) | Action::Conference(a) | Action::Playback(a) => (a.clone(), false),
        Action::Goto { context, extension, priority } => (format!("{context},{extension},{priority}"), false),
        Action::Busy | Action::Congestion | Action::Hangup | Action::Continue => (String::new(), false),
    }
}
