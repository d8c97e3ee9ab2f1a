//! Text on its way to a switch, with whatever could act there taken out: what both switches' values have in common.
//!
//! Each switch expands something of its own in what it is sent ([`Expands`]); [`agi::Value`](crate::wire::agi::Value) and
//! [`esl::Value`](crate::wire::esl::Value) are this one type with the one rule or the other.

use std::borrow::Cow;
use std::marker::PhantomData;

/// What a switch expands in text that it is sent.
pub trait Expands {
    /// The characters that open an expansion when a `$` stands directly before them.
    const OPENINGS: &'static [char];
}

/// Clean text: valid UTF-8 without control characters and without what the switch `S` would expand.
///
/// Cleaning is the only way to make one. Text that needs none is borrowed.
///
/// * Each control character (C0, DEL, C1, U+2028, U+2029; tabs and line ends are among them) becomes one space. A space and
///   not nothing: it keeps words apart, and nothing that stood apart becomes neighbours (`$`, NUL, `{`).
/// * A run of `$` directly before one of [`Expands::OPENINGS`] is left out; the bracket stays.
/// * What is not UTF-8 becomes U+FFFD.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct CleanText<'a, S>(Cow<'a, str>, PhantomData<S>);

impl<'a, S: Expands> CleanText<'a, S> {
    /// The empty value.
    pub const EMPTY: CleanText<'static, S> = CleanText(Cow::Borrowed(""), PhantomData);

    /// Cleans text.
    #[must_use]
    pub fn new(text: &'a str) -> Self {
        if text.bytes().any(is_suspect) {
            Self(Cow::Owned(clean(text, S::OPENINGS)), PhantomData)
        } else {
            Self(Cow::Borrowed(text), PhantomData)
        }
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
            Cow::Borrowed(text) => Self(Cow::Borrowed(&text[..end]), PhantomData),
            Cow::Owned(mut text) => {
                text.truncate(end);
                Self(Cow::Owned(text), PhantomData)
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
    pub fn into_owned(self) -> CleanText<'static, S> {
        CleanText(Cow::Owned(self.0.into_owned()), PhantomData)
    }
}

impl<'a, S: Expands> From<&'a str> for CleanText<'a, S> {
    fn from(text: &'a str) -> Self {
        Self::new(text)
    }
}

impl<S: Expands> From<String> for CleanText<'_, S> {
    fn from(text: String) -> Self {
        Self(Cow::Owned(if text.bytes().any(is_suspect) { clean(&text, S::OPENINGS) } else { text }), PhantomData)
    }
}

/// Whether a byte may be, or begin, something to take out. `0xC2` begins C1 controls, `0xE2` the line separators; both
/// begin harmless characters too, which then take the slow path and come out as they were.
const fn is_suspect(byte: u8) -> bool {
    byte < 0x20 || matches!(byte, b'$' | 0x7F | 0xC2 | 0xE2)
}

/// Whether a line, a terminal or a switch would act on the character.
pub(in crate::wire) fn is_control(c: char) -> bool {
    c.is_control() || matches!(c, '\u{2028}' | '\u{2029}')
}

fn clean(text: &str, openings: &[char]) -> String {
    let mut out = String::with_capacity(text.len());
    let mut dollars = 0;
    for c in text.chars() {
        if c == '$' {
            dollars += 1;
            continue;
        }
        if !openings.contains(&c) {
            out.extend(std::iter::repeat_n('$', dollars));
        }
        dollars = 0;
        out.push(if is_control(c) { ' ' } else { c });
    }
    out.extend(std::iter::repeat_n('$', dollars));
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::{agi, esl};

    #[test]
    fn clean_text_is_not_copied() {
        assert!(matches!(agi::Value::from_bytes("Zoë Müller, (PJSIP) [x] {y}".as_bytes()).0, Cow::Borrowed(_)));
        assert!(matches!(esl::Value::from_bytes("O'Brien \\ & Söhne".as_bytes()).0, Cow::Borrowed(_)));
    }

    #[test]
    fn control_characters_become_one_space_each_for_either_switch() {
        let dirty = "Ada\r\nLove\tlace\u{85}\u{2028}x\u{7f}\0\u{1}";
        assert_eq!(agi::Value::new(dirty).as_str(), "Ada  Love lace  x   ");
        assert_eq!(esl::Value::new(dirty).as_str(), "Ada  Love lace  x   ");
    }

    #[test]
    fn each_switch_is_spared_what_it_expands_and_keeps_what_only_the_other_would() {
        assert_eq!(agi::Value::new("${a} $[1] $$").as_str(), "{a} [1] $$");
        assert_eq!(esl::Value::new("${a} $[1] $$").as_str(), "{a} $[1] $$");
        assert_eq!(esl::Value::new("$${domain} $$${x} $\0{y}").as_str(), "{domain} {x} $ {y}");
    }
}
