//! FreeSWITCH's words.

use super::{Rendered, asterisk::fill};
use crate::number::Number;
use crate::routing::{Action, Decision, DialTemplates};

/// Renders a decision for FreeSWITCH.
///
/// Without templates (the question named no tenant) there is nothing that could be dialled, and the target is empty.
pub fn freeswitch(decision: &Decision, dial: Option<&DialTemplates>) -> Rendered {
    Rendered::of(decision, dial, freeswitch_target(&decision.step.action, dial))
}

/// What an action needs on FreeSWITCH: a dial string ready for `bridge`, a mailbox, a room, `EXTENSION XML CONTEXT`
/// ready for `transfer`, ….
pub fn freeswitch_target(action: &Action, dial: Option<&DialTemplates>) -> String {
    match action {
        Action::Dial { targets, trunk } => {
            let Some(dial) = dial else { return String::new() };
            let leg = |target| Leg { target, timeout_seconds: None, delay_seconds: 0 };
            let legs: Vec<Leg<'_>> = targets.iter().map(leg).collect();
            freeswitch_legs(&legs, Ringing::Together, dial, trunk.as_deref())
        }
        Action::Voicemail(a) | Action::Queue(a) | Action::Conference(a) | Action::Playback(a) => a.clone(),
        Action::Goto { context, extension, .. } => format!("{extension} XML {context}"),
        Action::Busy | Action::Congestion | Action::Hangup | Action::Continue => String::new(),
    }
}

/// One leg of a dial string.
#[derive(Debug, Clone, Copy)]
pub struct Leg<'a> {
    /// Who is rung.
    pub target: &'a Number,
    /// How long this leg rings, where that differs from the whole.
    pub timeout_seconds: Option<u16>,
    /// How long it waits before it rings.
    pub delay_seconds: u16,
}

/// In which order legs ring.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ringing {
    /// All at once (`,`).
    Together,
    /// One after the other (`|`).
    InTurn,
}

/// Legs as one dial string: `[leg_timeout=20,leg_delay_start=5]user/101@pbx.example,user/102@pbx.example`.
pub fn freeswitch_legs(legs: &[Leg<'_>], ringing: Ringing, dial: &DialTemplates, trunk: Option<&str>) -> String {
    let trunk = trunk.unwrap_or(&dial.trunk);
    let mut text = String::new();
    for (i, leg) in legs.iter().enumerate() {
        if i > 0 {
            text.push(match ringing {
                Ringing::Together => ',',
                Ringing::InTurn => '|',
            });
        }
        let timeout = leg.timeout_seconds.map(|seconds| format!("leg_timeout={seconds}"));
        let delay = (leg.delay_seconds > 0).then(|| format!("leg_delay_start={}", leg.delay_seconds));
        let variables: Vec<String> = timeout.into_iter().chain(delay).collect();
        if !variables.is_empty() {
            text.push_str(&format!("[{}]", variables.join(",")));
        }
        fill(dial, leg.target, trunk, &mut text);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::number::NumberPlan;
    use crate::routing::Step;

    fn dial() -> DialTemplates {
        super::super::tests::templates("")
    }

    #[test]
    fn each_action_becomes_what_its_application_takes() {
        let plan = NumberPlan::new(None);
        for (step, target) in [
            ("dial:101,+14155550111", "user/101@pbx.example,sofia/gateway/carrier/+14155550111"),
            ("dial:+14155550111,trunk=backup", "sofia/gateway/backup/+14155550111"),
            ("voicemail:199", "199"),
            ("conference:1000", "1000"),
            ("goto:office,101,1", "101 XML office"),
            ("busy", ""),
        ] {
            let step = Step::parse(step, &plan).unwrap();
            assert_eq!(freeswitch_target(&step.action, Some(&dial())), target);
        }
    }

    #[test]
    fn legs_ring_together_or_in_turn_each_with_its_own_time_and_delay() {
        let plan = NumberPlan::new(None);
        let (kitchen, mobile) = (plan.parse("101").unwrap(), plan.parse("+14155550111").unwrap());
        let legs = [
            Leg { target: &kitchen, timeout_seconds: None, delay_seconds: 0 },
            Leg { target: &mobile, timeout_seconds: Some(20), delay_seconds: 5 },
        ];
        let text = |ringing| freeswitch_legs(&legs, ringing, &dial(), None);
        let mobile = "[leg_timeout=20,leg_delay_start=5]sofia/gateway/carrier/+14155550111";
        assert_eq!(text(Ringing::Together), format!("user/101@pbx.example,{mobile}"));
        assert_eq!(text(Ringing::InTurn), format!("user/101@pbx.example|{mobile}"));
    }
}
