//! How telephone numbers stand in the log: their last digits, unless the configuration wants them whole.

use super::answer::shown;
use crate::number::shortened;

/// So many digits in a row are taken for a number. Extensions and short codes are shorter, and nobody's.
const DIGITS_MIN: usize = 5;

/// How numbers are written.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Numbers {
    /// Whole.
    pub(super) whole: bool,
}

impl Numbers {
    /// A number, as it came; `None` where there is none.
    pub(super) fn number(self, number: &str) -> Option<String> {
        match (number.is_empty(), self.whole) {
            (true, _) => None,
            (false, true) => Some(shown(number)),
            (false, false) => Some(shown(&shortened(number)).replace("\\u{2026}", "…")),
        }
    }

    /// A route's key.
    pub(super) fn route(self, route: &str) -> String {
        if route == "default" || self.whole { route.to_owned() } else { shortened(route) }
    }

    /// A text that numbers may stand in.
    pub(super) fn text(self, text: &str) -> String {
        if self.whole {
            return text.to_owned();
        }
        let (mut out, mut digits) = (String::with_capacity(text.len()), String::new());
        for c in text.chars().map(Some).chain([None]) {
            match c {
                Some(c) if c.is_ascii_digit() => digits.push(c),
                other => {
                    out.push_str(&if digits.len() < DIGITS_MIN {
                        std::mem::take(&mut digits)
                    } else {
                        shortened(&std::mem::take(&mut digits))
                    });
                    out.extend(other);
                }
            }
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_its_last_digits_unless_it_is_wanted_whole() {
        let (short, whole) = (Numbers::default(), Numbers { whole: true });
        assert_eq!(short.number("+14155550101").as_deref(), Some("…0101"));
        assert_eq!(whole.number("+14155550101").as_deref(), Some("+14155550101"));
        assert_eq!(short.number(""), None);
        let text = "from = \"+49301234567\" is no number; 101 is";
        assert_eq!(short.text(text), "from = \"+…4567\" is no number; 101 is");
        assert_eq!(whole.text(text), text);
        assert_eq!(short.text("12345"), "…45");
    }

    #[test]
    fn a_number_can_not_begin_a_line() {
        assert_eq!(Numbers { whole: true }.number("1\n2").as_deref(), Some("1\\n2"));
        assert!(!Numbers::default().number("55\n\u{1b}[2J").unwrap_or_default().contains(['\n', '\u{1b}']));
    }
}
