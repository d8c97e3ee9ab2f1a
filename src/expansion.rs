//! What FreeSWITCH does with text before an application has it, and how text is written so that it comes through.
//!
//! * Every argument is expanded before its application runs, and `set` and `multiset` expand each value once more
//!   (recordings `out-11-values`, `out-31-expansion`). An expansion looks at a text only if that holds `${`, or a backslash
//!   in front of one of `\ n s t '`; it then makes one of two backslashes, and of two dollars. Nothing that is written
//!   here holds `${`.
//! * `multiset` takes its list apart with quotes and escapes (`separate_string_char_delim`, `cleanup_separated_string`): an
//!   apostrophe swallows delimiters up to the next one, in another value too; blanks around a piece are dropped.

use std::borrow::Cow;

/// A text as it is written to come out of so many expansions as it went in.
pub fn escaped(text: &str, expansions: u32) -> Cow<'_, str> {
    if !text.contains('\\') {
        return Cow::Borrowed(text);
    }
    let times = 1 << expansions;
    let mut out = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        out.extend(std::iter::repeat_n(c, if matches!(c, '\\' | '$') { times } else { 1 }));
    }
    Cow::Owned(out)
}

/// Whether multiset would change a value, or the values beside it: such a one is set by itself. A control character at an
/// end is a blank by the time it gets there.
pub fn is_torn_by_multiset(value: &str) -> bool {
    let is_blank = |c: char| c == ' ' || c.is_control();
    value.contains(['\'', '\\']) || value.starts_with(is_blank) || value.ends_with(is_blank)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn backslashes_and_the_dollars_beside_them_are_written_for_each_expansion() {
        assert_eq!(escaped(r"A\B $$C", 2), r"A\\\\B $$$$$$$$C");
        assert_eq!(escaped(r"A\B$", 1), r"A\\B$$");
        assert_eq!(escaped("$$5", 2), "$$5");
    }

    #[test]
    fn quotes_escapes_and_outer_blanks_are_no_business_of_a_list() {
        for torn in ["O'Brien", r"a\b", " x", "x "] {
            assert!(is_torn_by_multiset(torn), "{torn}");
        }
        assert!(!is_torn_by_multiset("a \"b\" c, d|e"));
    }
}
