//! What a terminal would act upon, and texts without it.

use std::borrow::Cow;

/// Whether a terminal would act upon a character: controls, and the marks that turn the direction of writing.
#[must_use]
pub fn acts_on_a_terminal(c: char) -> bool {
    c.is_control() || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{2028}' | '\u{2029}')
}

/// JSON that says the same, with such characters in the notation of JSON (`\\u009b`); its library does that below 0x20 only.
/// Line feeds stand between the parts of a JSON text, and stay.
#[must_use]
pub fn harmless_json(text: &str) -> Cow<'_, str> {
    let acts = |c: char| acts_on_a_terminal(c) && c != '\n';
    if !text.contains(acts) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        if acts(c) {
            c.encode_utf16(&mut [0; 2]).iter().for_each(|unit| out.push_str(&format!("\\u{unit:04x}")));
        } else {
            out.push(c);
        }
    }
    Cow::Owned(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_says_the_same_and_nothing_that_a_terminal_acts_upon() {
        for text in ["Ada", "a\u{9b}31m\u{202e}b", "\u{7f}\u{85}", "zwei\nZeilen\t"] {
            let json = serde_json::to_string(text).unwrap();
            let harmless = harmless_json(&json);
            assert!(!harmless.contains(acts_on_a_terminal), "{harmless:?}");
            assert_eq!(serde_json::from_str::<String>(&harmless).unwrap(), text);
        }
        assert!(matches!(harmless_json("{\n  \"a\": 1\n}"), Cow::Borrowed(_)));
    }
}
