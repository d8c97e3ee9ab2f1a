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
///
/// Without templates (the question named no tenant) there is nothing that could be dialled, and the target is empty.
pub fn asterisk(decision: &Decision, dial: Option<&DialTemplates>) -> AsteriskAnswer {
    let target = asterisk_target(&decision.step.action, dial);
    let dial = dial.filter(|_| matches!(decision.step.action, Action::Dial { .. }));
    let timeout = decision.step.timeout_seconds.or(dial.map(|d| d.timeout_seconds));
    let caller = decision.caller.as_ref();
    AsteriskAnswer {
        values: [
            decision.step.action.word().to_owned(),
            target,
            timeout.map(|seconds| seconds.to_string()).unwrap_or_default(),
            dial.map(|d| d.options.clone()).unwrap_or_default(),
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

/// What an action needs on Asterisk: a dial string ready for `Dial()`, a mailbox, a room, ….
pub fn asterisk_target(action: &Action, dial: Option<&DialTemplates>) -> String {
    match action {
        Action::Dial { targets, trunk } => {
            let Some(dial) = dial else { return String::new() };
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
            text
        }
        Action::Voicemail(a) | Action::Queue(a) | Action::Conference(a) | Action::Playback(a) => a.clone(),
        Action::Goto { context, extension, priority } => format!("{context},{extension},{priority}"),
        Action::Busy | Action::Congestion | Action::Hangup | Action::Continue => String::new(),
    }
}
