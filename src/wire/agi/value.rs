//! Text on its way to a switch, with whatever could act there taken out.
//!
//! Facts that shaped it (transcripts `agi-exec-set`, `agi-misc`, `agi-srv-nul-spin`, `agi-variables`):
//!
//! * A line end would start a second command; a NUL makes Asterisk's thread spin and glues the next command on.
//! * With the channel variable `AGIEXECFULL` set, Asterisk expands `${…}` and `$[…]` in what we send: a contact named
//!   `${SHELL(…)}` would run. So the two openings never get through, whatever stood between the two characters.
//! * One byte of bad UTF-8 costs the switch two ERROR logs with a backtrace each.

use crate::wire::clean::{CleanText, Expands};

/// What Asterisk expands: variables, and expressions.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Asterisk;

impl Expands for Asterisk {
    const OPENINGS: &'static [char] = &['{', '['];
}

/// Clean text for Asterisk: valid UTF-8 without control characters and without `${` or `$[`; see [`CleanText`].
pub type Value<'a> = CleanText<'a, Asterisk>;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_become_one_space_each_and_words_stay_apart() {
        assert_eq!(Value::new("Ada\r\nLove\tlace\u{85}\u{2028}x\u{7f}\0").as_str(), "Ada  Love lace  x  ");
    }

    #[test]
    fn an_expansion_never_survives_also_when_something_stood_inside_it() {
        for (dirty, clean) in [
            ("${A}", "{A}"),
            ("$$${A}", "{A}"),
            ("$[1+1]", "[1+1]"),
            ("$$[${x}]", "[{x}]"),
            ("$\0{A}", "$ {A}"),
            ("$$", "$$"),
            ("a$b{c}", "a$b{c}"),
        ] {
            assert_eq!(Value::new(dirty).as_str(), clean);
        }
    }

    #[test]
    fn bytes_of_another_charset_become_a_replacement_character() {
        assert_eq!(Value::from_bytes(b"M\xfcller ${X}").as_str(), "M\u{fffd}ller {X}");
    }

    #[test]
    fn a_value_is_cut_between_characters_only() {
        assert_eq!(Value::new("añb").truncated(2).as_str(), "a");
        assert_eq!(Value::new("a\tñb").truncated(4).as_str(), "a ñ");
        assert_eq!(Value::new("日本").truncated(0), Value::EMPTY);
    }
}
