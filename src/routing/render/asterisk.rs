//! Asterisk's words.

use super::Rendered;
use crate::number::{Kind, Number};
use crate::routing::tenant::Filling;
use crate::routing::{Action, Decision, DialTemplates};

/// Renders a decision for Asterisk.
///
/// Without templates (the question named no tenant) there is nothing that could be dialled, and the target is empty.
pub fn asterisk(decision: &Decision, dial: Option<&DialTemplates>) -> Rendered {
    Rendered::of(decision, dial, asterisk_target(&decision.step.action, dial))
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
                fill(dial, target, trunk, &mut text);
            }
            text
        }
        Action::Voicemail(a) | Action::Queue(a) | Action::Conference(a) | Action::Playback(a) => a.clone(),
        Action::Goto { context, extension, priority } => format!("{context},{extension},{priority}"),
        Action::Busy | Action::Congestion | Action::Hangup | Action::Continue => String::new(),
    }
}

/// One target's dial string, by the templates of either switch.
pub(super) fn fill(dial: &DialTemplates, target: &Number, trunk: &str, text: &mut String) {
    let filling = Filling { target: target.digits(), trunk, domain: dial.domain.as_deref().unwrap_or_default() };
    match target.kind() {
        Kind::Extension | Kind::Opaque | Kind::FeatureCode => dial.extension.fill(filling, text),
        Kind::E164 => dial.number.fill(Filling { target: &target.to_string(), ..filling }, text),
        Kind::ShortCode | Kind::Emergency => dial.number.fill(filling, text),
    }
}
