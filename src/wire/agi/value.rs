//! Text on its way to a switch, with whatever could act there taken out.
//!
//! Facts that shaped it (transcripts `agi-exec-set`, `agi-misc`, `agi-srv-nul-spin`, `agi-variables`):
//!
//! * A line end would start a second command; a NUL makes Asterisk's thread spin and glues the next command on.
//! * With the channel variable `AGIEXECFULL` set, Asterisk expands `${…}` and `$[…]` in what we send: a contact named
//!   `${SHELL(…)}` would run. So the two openings never get through, whatever stood between the two characters.
//! * One byte of bad UTF-8 costs the switch two ERROR logs with a backtrace each.

use std::borrow::Cow;

/// Clean text: valid UTF-8 without control characters and without `${` or `$[`.
///
/// Cleaning is the only way to make one. Text that needs none is borrowed.
///
/// * Each control character (C0, DEL, C1, U+2028, U+2029; tabs and line ends are among them) becomes one space. A space and
///   not nothing: it keeps words apart, and nothing that stood apart becomes neighbours (`$`, NUL, `{`).
/// * A run of `$` directly before `{` or `[` is left out; the bracket stays.
/// * What is not UTF-8 becomes U+FFFD.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Value<'a>(Cow<'a, str>);

impl<'a> Value<'a> {
    /// The empty value.
    pub const EMPTY: Value<'static> = Value(Cow::Borrowed(""));

    /// Cleans text.
    #[must_use]
    pub fn new(text: &'a str) -> Self {
        if text.bytes().any(is_suspect) { Self(Cow::Owned(clean(text))) } else { Self(Cow::Borrowed(text)) }
    }

    /// Cleans bytes that are probably UTF-8, such as a caller's name.
    #[must_use]
    pub fn from_bytes(bytes: &'a [u8]) -> Self {
        match String::from_utf8_lossy(bytes) {
            Cow::Borrowed(text) => Self::new(text),
            Cow::Owned(text) => Self::from(text),
        }
    }

    /// The same value, cut to at most `bytes_max` bytes at the end of a character.
    #[must_use]
    pub fn truncated(self, bytes_max: usize) -> Self {
        if self.0.len() <= bytes_max {
            return self;
        }
        let end = (0..=bytes_max).rev().find(|at| self.0.is_char_boundary(*at)).unwrap_or(0);
        match self.0 {
            Cow::Borrowed(text) => Self(Cow::Borrowed(&text[..end])),
            Cow::Owned(mut text) => {
                text.truncate(end);
                Self(Cow::Owned(text))
            }
        }
    }

    /// The clean text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The same value with its own copy of the text.
    #[must_use]
    pub fn into_owned(self) -> Value<'static> {
        Value(Cow::Owned(self.0.into_owned()))
    }
}

impl<'a> From<&'a str> for Value<'a> {
    fn from(text: &'a str) -> Self {
        Self::new(text)
    }
}

impl From<String> for Value<'_> {
    fn from(text: String) -> Self {
        Self(Cow::Owned(if text.bytes().any(is_suspect) { clean(&text) } else { text }))
    }
}

/// Whether a byte may be, or begin, something to take out. `0xC2` begins C1 controls, `0xE2` the line separators; both
/// begin harmless characters too, which then take the slow path and come out as they were.
const fn is_suspect(byte: u8) -> bool {
    byte < 0x20 || matches!(byte, b'$' | 0x7F | 0xC2 | 0xE2)
}

fn clean(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut dollars = 0;
    for c in text.chars() {
        if c == '$' {
            dollars += 1;
            continue;
        }
        if !matches!(c, '{' | '[') {
            out.extend(std::iter::repeat_n('$', dollars));
        }
        dollars = 0;
        out.push(if c.is_control() || matches!(c, '\u{2028}' | '\u{2029}') { ' ' } else { c });
    }
    out.extend(std::iter::repeat_n('$', dollars));
    out
}

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
    fn clean_text_is_not_copied() {
        assert!(matches!(Value::from_bytes("Zoë Müller, (PJSIP) [x] {y}".as_bytes()).0, Cow::Borrowed(_)));
    }

    #[test]
    fn a_value_is_cut_between_characters_only() {
        assert_eq!(Value::new("añb").truncated(2).as_str(), "a");
        assert_eq!(Value::new("a\tñb").truncated(4).as_str(), "a ñ");
        assert_eq!(Value::new("日本").truncated(0), Value::EMPTY);
    }
}
