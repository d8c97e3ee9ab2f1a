//! FreeSWITCH's words.
//!
//! A leg's own time and delay stand in front of it in `[]`. Whether a key has to be pressed is read from the `{}` of a whole
//! `originate` and never from `[]`, so where a leg has to be confirmed it is one of its own (`:_:`). All legs that needn't
//! be are one together, because `leg_delay_start` counts only while another leg of the same part rings; what all legs of a
//! part wait, they wait by `originate_delay_start` (in milliseconds). The part's time begins after that, so its legs are
//! told what is left of the whole's.

use super::{Rendered, asterisk::dial_string, plain_target};
use crate::routing::{Action, Decision, DialTemplates, Leg, Ring};

/// What somebody hears who is to press 1, unless the configuration names a file: a tone, which every FreeSWITCH has.
const CONFIRM_FILE: &str = "tone_stream://%(200,100,440)";
/// How long he has for it, in milliseconds.
const CONFIRM_WAIT_MS: u32 = 15_000;

/// Renders a decision for FreeSWITCH.
///
/// Without templates (the question named no tenant) there is nothing that could be dialled, and the target is empty.
pub fn freeswitch(decision: &Decision, dial: Option<&DialTemplates>) -> Rendered {
    let target = freeswitch_target(&decision.step.action, decision.ring.as_ref(), dial);
    Rendered::of(decision, dial, target, Vec::new())
}

/// What an action needs on FreeSWITCH: a dial string ready for `bridge`, a mailbox, a room, `EXTENSION XML CONTEXT`
/// ready for `transfer`, ….
pub fn freeswitch_target(action: &Action, ring: Option<&Ring>, dial: Option<&DialTemplates>) -> String {
    match (ring, dial) {
        (Some(ring), Some(dial)) => {
            let total = ring.timeout_seconds.unwrap_or(dial.timeout_seconds);
            let (confirmed, plain): (Vec<&Leg>, Vec<&Leg>) = ring.legs.iter().partition(|leg| leg.confirm);
            let together = (!plain.is_empty()).then(|| together(&plain, total, dial));
            let confirmed = confirmed.into_iter().map(|leg| confirmed_leg(leg, total, dial));
            let parts: Vec<String> = together.into_iter().chain(confirmed).collect();
            // the options stand in front of the whole, and count for the first originate alone
            parts.join(&format!(":_:{}", dial.options))
        }
        _ => match action {
            Action::Goto { context, extension, .. } => format!("{extension} XML {context}"),
            other => plain_target(other).to_owned(),
        },
    }
}

/// Legs of one originate. What all of them wait is the originate's delay.
fn together(legs: &[&Leg], total: u16, dial: &DialTemplates) -> String {
    let waited = legs.iter().map(|leg| leg.delay_seconds).min().unwrap_or(0);
    let delay = if waited > 0 { format!("{{{}}}", delay_of(waited)) } else { String::new() };
    let legs: Vec<String> = legs.iter().map(|leg| simple_leg(leg, waited, total, dial)).collect();
    format!("{delay}{}", legs.join(","))
}

/// An originate's delay, in milliseconds.
fn delay_of(seconds: u16) -> String {
    format!("originate_delay_start={}", u32::from(seconds) * 1000)
}

/// A leg of an originate that has `waited`, with its own time, and what it waits longer than that. The originate's time
/// begins when it has waited; the whole's doesn't.
fn simple_leg(leg: &Leg, waited: u16, total: u16, dial: &DialTemplates) -> String {
    let left = (waited > 0).then(|| total.saturating_sub(leg.delay_seconds).max(1));
    let timeout = [leg.timeout_seconds, left].into_iter().flatten().min().map(|seconds| format!("leg_timeout={seconds}"));
    let longer = leg.delay_seconds.saturating_sub(waited);
    let delay = (longer > 0).then(|| format!("leg_delay_start={longer}"));
    let variables: Vec<String> = timeout.into_iter().chain(delay).collect();
    let head = if variables.is_empty() { String::new() } else { format!("[{}]", variables.join(",")) };
    format!("{head}{}", dial_string(dial, leg))
}

/// A leg as an originate of its own, in which a key has to be pressed. The apostrophes keep a comma in the file's name from
/// beginning the next variable.
fn confirmed_leg(leg: &Leg, total: u16, dial: &DialTemplates) -> String {
    let file = dial.confirm_file.as_deref().unwrap_or(CONFIRM_FILE);
    let delay = if leg.delay_seconds > 0 { format!(",{}", delay_of(leg.delay_seconds)) } else { String::new() };
    format!(
        "{{group_confirm_key=1,group_confirm_file='{file}',group_confirm_read_timeout={CONFIRM_WAIT_MS}{delay}}}{}",
        simple_leg(leg, leg.delay_seconds, total, dial)
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::number::NumberPlan;
    use crate::routing::{Reason, Status, Step};

    fn dial(options: &str) -> DialTemplates {
        super::super::tests::templates(options)
    }

    fn leg(text: &str) -> Leg {
        Leg::of(NumberPlan::new(None).parse(text).expect("a number"), None)
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
            ("challenge:press-1", "press-1"),
            ("busy", ""),
        ] {
            let decision = Decision::of(Status::Found, Reason::Matched, Step::parse(step, &plan).expect("a step"));
            assert_eq!(freeswitch(&decision, Some(&dial(""))).value("TARGET"), Some(target));
        }
    }

    #[test]
    fn legs_ring_together_each_with_its_own_time_and_delay() {
        let mobile = Leg { timeout_seconds: Some(20), delay_seconds: 5, ..leg("+14155550111") };
        let ring = Ring { legs: vec![leg("101"), mobile], timeout_seconds: None };
        assert_eq!(
            freeswitch_target(&Action::Ring("family".into()), Some(&ring), Some(&dial(""))),
            "user/101@pbx.example,[leg_timeout=20,leg_delay_start=5]sofia/gateway/carrier/+14155550111"
        );
    }

    #[test]
    fn who_has_to_press_a_key_is_an_originate_of_his_own_with_the_options_in_front_and_the_others_ring_together() {
        let mobile = Leg { confirm: true, delay_seconds: 5, timeout_seconds: Some(20), ..leg("+14155550111") };
        let late = Leg { delay_seconds: 3, ..leg("102") };
        let ring = Ring { legs: vec![leg("101"), mobile, late], timeout_seconds: None };
        let with_file = DialTemplates { confirm_file: Some("ivr/press_1.wav".into()), ..dial("{ignore_early_media=true}") };
        assert_eq!(
            freeswitch_target(&Action::Ring("family".into()), Some(&ring), Some(&with_file)),
            "user/101@pbx.example,[leg_delay_start=3]user/102@pbx.example:_:{ignore_early_media=true}{group_confirm_key=1,\
             group_confirm_file='ivr/press_1.wav',group_confirm_read_timeout=15000,originate_delay_start=5000}\
             [leg_timeout=20]sofia/gateway/carrier/+14155550111"
        );
        let tone = freeswitch_target(&Action::Ring("family".into()), Some(&ring), Some(&dial("")));
        assert!(tone.contains("group_confirm_file='tone_stream://%(200,100,440)',"), "{tone}");
    }

    #[test]
    fn what_all_wait_is_the_originates_delay_and_they_ring_for_what_is_left() {
        let late = |text: &str, seconds| Leg { delay_seconds: seconds, ..leg(text) };
        let target =
            |legs, timeout_seconds| freeswitch_target(&Action::Ring("g".into()), Some(&Ring { legs, timeout_seconds }), Some(&dial("")));
        // the configuration's time is 30 s
        assert_eq!(target(vec![late("101", 4)], None), "{originate_delay_start=4000}[leg_timeout=26]user/101@pbx.example");
        assert_eq!(
            target(vec![late("101", 3), late("102", 5)], Some(20)),
            "{originate_delay_start=3000}[leg_timeout=17]user/101@pbx.example,[leg_timeout=15,leg_delay_start=2]user/102@pbx.example"
        );
        let mobile = Leg { confirm: true, ..late("+14155550111", 5) };
        let pressed = target(vec![leg("101"), mobile], Some(20));
        assert!(pressed.ends_with(",originate_delay_start=5000}[leg_timeout=15]sofia/gateway/carrier/+14155550111"), "{pressed}");
    }
}
