//! Asterisk's words.
//!
//! Its `Dial()` has no time, delay or question of a single leg's own, and drops the other legs before `U()` runs. So a leg
//! that needs one of these is `Local/N-DELAY-TIMEOUT-CONFIRM@strowger-member/n`, whose inner `Dial()` carries them, and its
//! dial string travels in a variable that the Local channel inherits: a name or a number is never part of that extension.

use super::{Rendered, plain_target};
use crate::number::Kind;
use crate::routing::tenant::Filling;
use crate::routing::{Action, Decision, DialTemplates, Leg, Ring};

/// The context of legs with a time, a delay or a question of their own; `dialplan/asterisk/strowger.conf` has it.
pub const MEMBER_CONTEXT: &str = "strowger-member";
/// The variable that holds the dial string of the leg N, without the N. Its `_` has the legs inherit it.
const LEG_VARIABLE: &str = "_STROWGER_LEG";

/// Renders a decision for Asterisk.
///
/// Without templates (the question named no tenant) there is nothing that could be dialled, and the target is empty.
pub fn asterisk(decision: &Decision, dial: Option<&DialTemplates>) -> Rendered {
    let (target, legs) = asterisk_target(&decision.step.action, decision.ring.as_ref(), dial);
    Rendered::of(decision, dial, target, legs)
}

/// What an action needs on Asterisk: a dial string ready for `Dial()`, a mailbox, a room, …; and the variables that the dial
/// string relies on.
pub fn asterisk_target(action: &Action, ring: Option<&Ring>, dial: Option<&DialTemplates>) -> (String, Vec<(String, String)>) {
    match (ring, dial) {
        (Some(ring), Some(dial)) => {
            let (strings, variables) = leg_strings(&ring.legs, dial);
            // a leg that goes through our own context is told of by what follows `Local/`
            let channel = |(leg, text): (&Leg, String)| if leg.is_plain() { text } else { format!("Local/{text}") };
            let channels: Vec<String> = ring.legs.iter().zip(strings).map(channel).collect();
            (channels.join("&"), variables)
        }
        _ => match action {
            Action::Goto { context, extension, priority } => (format!("{context},{extension},{priority}"), Vec::new()),
            other => (plain_target(other).to_owned(), Vec::new()),
        },
    }
}

/// Each leg's dial string as Asterisk's events have it (without `Local/`), and the variables that they rely on.
pub(super) fn leg_strings(legs: &[Leg], dial: &DialTemplates) -> (Vec<String>, Vec<(String, String)>) {
    let mut variables = Vec::new();
    let strings = legs.iter().map(|leg| {
        let text = dial_string(dial, leg);
        if leg.is_plain() {
            return text;
        }
        let n = variables.len() + 1;
        variables.push((format!("{LEG_VARIABLE}{n}"), text));
        let (delay, timeout, confirm) = (leg.delay_seconds, leg.timeout_seconds.unwrap_or(0), u8::from(leg.confirm));
        format!("{n}-{delay}-{timeout}-{confirm}@{MEMBER_CONTEXT}/n")
    });
    (strings.collect(), variables)
}

/// One leg's dial string, by the templates of either switch.
pub(super) fn dial_string(dial: &DialTemplates, leg: &Leg) -> String {
    let (target, trunk) = (&leg.target, leg.trunk.as_deref().unwrap_or(&dial.trunk));
    let filling = Filling { target: target.digits(), trunk, domain: dial.domain.as_deref().unwrap_or_default() };
    let mut text = String::new();
    match (&leg.dial_as, target.kind()) {
        (Some(digits), _) => dial.number.fill(Filling { target: digits, ..filling }, &mut text),
        (None, Kind::Extension | Kind::Opaque | Kind::FeatureCode) => dial.extension.fill(filling, &mut text),
        (None, Kind::E164) => dial.number.fill(Filling { target: &target.to_string(), ..filling }, &mut text),
        (None, Kind::ShortCode | Kind::Emergency) => dial.number.fill(filling, &mut text),
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::number::NumberPlan;
    use crate::routing::{Reason, Status, Step, Template};

    #[test]
    fn a_leg_with_a_question_or_a_time_of_its_own_goes_through_our_context() {
        let plan = NumberPlan::new(None);
        let dial = DialTemplates {
            extension: Template::parse("PJSIP/{extension}", "extension", false).expect("a template"),
            number: Template::parse("PJSIP/{number}@{trunk}", "number", false).expect("a template"),
            ..super::super::tests::templates("")
        };
        let leg = |text: &str| Leg::of(plan.parse(text).expect("a number"), None);
        let legs = vec![
            leg("101"),
            Leg { delay_seconds: 5, timeout_seconds: Some(20), confirm: true, ..leg("+14155550111") },
            Leg { delay_seconds: 3, ..leg("102") },
            Leg { dial_as: Some("0014155550112".into()), trunk: Some("backup".into()), ..leg("+14155550112") },
        ];
        let step = Step::parse("ring:family", &plan).expect("a step");
        let ring = Some(Ring { legs, timeout_seconds: Some(25) });
        let decision = Decision { ring, ..Decision::of(Status::Found, Reason::Matched, step) };
        let rendered = asterisk(&decision, Some(&dial));
        assert_eq!(
            rendered.value("TARGET"),
            Some("PJSIP/101&Local/1-5-20-1@strowger-member/n&Local/2-3-0-0@strowger-member/n&PJSIP/0014155550112@backup")
        );
        let wanted = [("_STROWGER_LEG1", "PJSIP/+14155550111@carrier"), ("_STROWGER_LEG2", "PJSIP/102")];
        assert_eq!(rendered.legs, wanted.map(|(name, value)| (name.to_owned(), value.to_owned())));
        assert_eq!((rendered.value("ACTION"), rendered.value("TIMEOUT")), (Some("dial"), Some("25")));
        let members = super::super::members(&decision, super::super::Switch::Asterisk, Some(&dial));
        assert_eq!(members[1], ("+14155550111".to_owned(), "1-5-20-1@strowger-member/n".to_owned()));
        assert_eq!(members[0], ("101".to_owned(), "PJSIP/101".to_owned()));
    }
}
