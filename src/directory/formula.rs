//! Cells that a spreadsheet would run, and what takes them out of its hands: an apostrophe in front, as people type it too.
//!
//! Whatever begins with `=`, `+`, `-`, `@`, a tab or a line end is a formula to some spreadsheet (their full-width forms
//! included), and a name from a caller or another program may begin with anything. What the apostrophe guards can be read
//! back: [`meant`] undoes [`harmless`] for every text, names that begin with an apostrophe of their own included.

use std::borrow::Cow;

/// Whether a cell begins like a formula. Blanks in front don't keep a spreadsheet from it.
fn begins_like_one(cell: &str) -> bool {
    cell.trim_start_matches(' ').starts_with(['=', '+', '-', '@', '\t', '\r', '\n', '＝', '＋', '－', '＠'])
}

/// Whether a cell is numbers and nothing else (`+14155550101`, and several of them): those come to no harm.
fn is_numbers(cell: &str) -> bool {
    let is_number = |word: &str| word.strip_prefix('+').unwrap_or(word).bytes().all(|b| b.is_ascii_digit());
    !cell.starts_with(' ') && cell.split(' ').all(|word| !word.is_empty() && is_number(word) && word != "+")
}

/// A cell that no spreadsheet runs.
#[must_use]
pub fn harmless(cell: &str) -> Cow<'_, str> {
    let begins = match cell.starts_with('\'') {
        // an apostrophe that was there already gets another one, or it would be taken for ours
        true => begins_like_one(cell.trim_start_matches('\'')),
        false => begins_like_one(cell) && !is_numbers(cell),
    };
    if begins { Cow::Owned(format!("'{cell}")) } else { Cow::Borrowed(cell) }
}

/// The same for a number as it was typed: digits and what people put between them stay as they are, so that other programs
/// read them too. There is no function, cell or file that could be named without a letter.
#[must_use]
pub fn harmless_number(typed: &str) -> Cow<'_, str> {
    let is_dialled = |b: u8| b.is_ascii_digit() || matches!(b, b' ' | b'+' | b'-' | b'.' | b'/' | b'(' | b')' | b'*' | b'#');
    if !typed.is_empty() && typed.bytes().all(is_dialled) { Cow::Borrowed(typed) } else { harmless(typed) }
}

/// What a cell means: the text without the apostrophe that guards it, if one does.
#[must_use]
pub fn meant(cell: &str) -> &str {
    match cell.strip_prefix('\'') {
        Some(rest) if begins_like_one(rest.trim_start_matches('\'')) => rest,
        _ => cell,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_spreadsheet_runs_nothing_and_numbers_stay_numbers() {
        for number in ["+14155550101", "101", "+14155550101 102 +49301", "", "0"] {
            assert_eq!(harmless(number), number);
        }
        let formulas = ["=1+1", "+1-1", "-2", "@SUM(A1)", "+", "+ 1", "\t=1", "\r=1", "\n=1", " =1", "+1 =1", "+1  2", "＝1", "--", "+１"];
        for formula in formulas {
            assert_eq!(harmless(formula), format!("'{formula}"));
        }
        for text in ["Ada", "1-2", "a=b", "'n Beetje", "'", ""] {
            assert_eq!(harmless(text), text);
        }
        for typed in ["+49 (0)30 1234-0", "+4930123400..99", "*21", "-49", "+49 30 1234*"] {
            assert_eq!(harmless_number(typed), typed);
        }
        assert_eq!(harmless_number("=cmd|' /C calc'!A0"), "'=cmd|' /C calc'!A0");
    }

    #[test]
    fn a_name_that_has_an_apostrophe_of_its_own_keeps_it() {
        for (text, cell) in [("'=1", "''=1"), ("''+x", "'''+x"), ("'n", "'n"), ("=1", "'=1"), ("'+49 30", "''+49 30")] {
            assert_eq!((harmless(text).as_ref(), meant(cell)), (cell, text));
        }
        // as other programs and people guard numbers
        assert_eq!(meant("'+49 30 1234"), "+49 30 1234");
    }

    proptest! {
        #[test]
        fn whatever_is_guarded_is_read_back_and_no_cell_is_a_formula(text in "['=+@ \\-\ta1＝]{0,8}|\\PC{0,8}") {
            let cell = harmless(&text);
            prop_assert_eq!(meant(&cell), text.as_str());
            prop_assert!(!begins_like_one(&cell) || is_numbers(&cell), "{:?}", cell);
            let number = harmless_number(&text);
            prop_assert_eq!(meant(&number), text.as_str());
        }
    }
}
