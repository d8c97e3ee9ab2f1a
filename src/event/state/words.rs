//! What the switches write in their own way: text made harmless, dial strings taken apart.

/// Characters of one text from a switch that are kept: SIP's own names and numbers are cut at 79 by Asterisk.
const TEXT_CHARS_MAX: usize = 128;

/// A caller's or a switch's text: cut, and without what a terminal or a log line would act on.
pub(super) fn clean(text: &str) -> String {
    let harmful = |c: char| c.is_control() || matches!(c, '\u{2028}' | '\u{2029}' | '\u{200e}'..='\u{200f}' | '\u{202a}'..='\u{202e}');
    text.chars().filter(|c| !harmful(*c)).take(TEXT_CHARS_MAX).collect()
}

/// The number that a dial string dials: `101` of `PJSIP/101`, `101/sip:101@192.0.2.1` and `user/101@pbx.example`,
/// `+14155550111` of `+14155550111@carrier` and of `sofia/gateway/carrier/+14155550111`.
pub(super) fn dialled(dial: &str) -> &str {
    let dial = leg_without_options(dial);
    let dial = dial.split("/sip:").next().unwrap_or(dial);
    let dial = dial.rsplit('/').next().unwrap_or(dial);
    dial.split('@').next().unwrap_or(dial)
}

/// Whether the switch's dial string is that of a decision's leg. Asterisk leaves the technology out (`101` for `PJSIP/101`),
/// and the options of a `Local/…/n`; a number with another trunk is another leg.
pub(super) fn is_leg(dial: &str, leg: &str) -> bool {
    let (dial, leg) = (leg_without_options(dial), leg_without_options(leg));
    dial == leg || leg.split_once('/').is_some_and(|(_, rest)| rest == dial)
}

/// Whether somebody may have a screen at it: no number of the outside world.
pub(super) fn is_extension(number: &str) -> bool {
    const EXTENSION_CHARS_MAX: usize = 32;
    !number.is_empty() && !number.starts_with('+') && number.len() <= EXTENSION_CHARS_MAX
}

/// A leg without FreeSWITCH's `[…]` in front and without the letters behind Asterisk's `Local/101@phones/n`, which stands
/// in an event as `101@phones/n`.
fn leg_without_options(leg: &str) -> &str {
    let leg = leg.strip_prefix('[').and_then(|rest| rest.split_once(']')).map_or(leg, |(_, rest)| rest);
    match leg.rsplit_once('/') {
        Some((place, letters)) if place.contains('@') && letters.bytes().all(|b| b.is_ascii_lowercase()) => place,
        _ => leg,
    }
}

/// What a number that says nothing stands for: `Some(true)` for withheld, `Some(false)` for not known.
pub(super) fn says_nothing(number: &str) -> Option<bool> {
    let is = |words: &[&str]| words.iter().any(|word| number.eq_ignore_ascii_case(word));
    if is(&["anonymous", "restricted", "withheld", "private"]) {
        Some(true)
    } else {
        (number.is_empty() || is(&["unknown", "<unknown>", "unavailable", "asterisk"])).then_some(false)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_of_a_caller_is_cut_and_loses_what_a_terminal_acts_on() {
        assert_eq!(clean("Ada\r\n\u{1b}[31mL\u{202e}x"), "Ada[31mLx");
        assert_eq!(clean(&"ä".repeat(1_000)).chars().count(), TEXT_CHARS_MAX);
    }

    #[test]
    fn the_number_of_a_dial_string_is_found_whatever_the_technology() {
        for (dial, number) in [
            ("101", "101"),
            ("PJSIP/101", "101"),
            ("101/sip:101@192.0.2.1:5060", "101"),
            ("+14155550111@carrier", "+14155550111"),
            ("g1/5551234", "5551234"),
            ("mom@strowger-member", "mom"),
            ("101@phones/n", "101"),
            ("Local/mom@strowger-member/n", "mom"),
            ("user/101@pbx.example", "101"),
            ("[leg_timeout=9]sofia/gateway/carrier/+14155550111", "+14155550111"),
            ("", ""),
        ] {
            assert_eq!(dialled(dial), number, "{dial}");
        }
    }

    #[test]
    fn a_leg_is_known_by_its_dial_string_and_two_trunks_are_two_legs() {
        assert!(is_leg("101", "PJSIP/101") && is_leg("PJSIP/101", "PJSIP/101"));
        assert!(is_leg("+14155550111@a", "PJSIP/+14155550111@a") && !is_leg("+14155550111@b", "PJSIP/+14155550111@a"));
        assert!(is_leg("mom@strowger-member", "Local/mom@strowger-member/n"));
        assert!(is_leg("mom@strowger-member/n", "Local/mom@strowger-member/n"));
        assert!(!is_leg("10", "PJSIP/101") && !is_leg("", "PJSIP/101"));
    }
}
