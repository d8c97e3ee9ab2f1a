//! Text as it is compared: ASCII letters and digits in lower case, words with one blank between them.

use deunicode::deunicode_char;

/// Appends a text, folded. `Müller-Lüdenscheidt` is `muller ludenscheidt`, `O'Brien` is `obrien`, `Straße` is `strasse`.
pub(super) fn fold_into(text: &str, out: &mut Vec<u8>) {
    let start = out.len();
    let mut gap = false;
    let mut put = |byte: u8| match byte {
        b'\'' | b'`' => {}
        byte if byte.is_ascii_alphanumeric() => {
            if gap && out.len() > start {
                out.push(b' ');
            }
            gap = false;
            out.push(byte.to_ascii_lowercase());
        }
        _ => gap = true,
    };
    for c in text.chars() {
        match c {
            // a mark on the letter before it, written apart
            '\u{300}'..='\u{36f}' => {}
            c if c.is_ascii() => put(c as u8),
            c => deunicode_char(c).unwrap_or(" ").bytes().for_each(&mut put),
        }
    }
}

/// A text, folded.
pub(super) fn folded(text: &str) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    fold_into(text, &mut out);
    out
}

/// The other spelling of folded text that may write umlauts as two letters: `mueller` is `muller` too. None where there is
/// no such pair.
pub(super) fn collapsed(folded: &[u8]) -> Option<Vec<u8>> {
    let is_pair = |pair: &[u8]| pair[1] == b'e' && matches!(pair[0], b'a' | b'o' | b'u');
    if !folded.windows(2).any(is_pair) {
        return None;
    }
    let mut out = Vec::with_capacity(folded.len());
    let mut at = 0;
    while at < folded.len() {
        out.push(folded[at]);
        at += if folded.get(at..at + 2).is_some_and(is_pair) { 2 } else { 1 };
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_spelling_of_a_name_folds_to_what_is_compared() {
        for (text, is) in [
            ("Müller-Lüdenscheidt", "muller ludenscheidt"),
            ("Mu\u{308}ller", "muller"),
            ("O'Brien", "obrien"),
            ("O’Brien", "obrien"),
            ("  Straße  \t 7 ", "strasse 7"),
            ("Jørgensen & Søn", "jorgensen son"),
            ("北京", "bei jing"),
            ("!?", ""),
        ] {
            assert_eq!(String::from_utf8(folded(text)).unwrap(), is, "{text}");
        }
        assert_eq!(collapsed(b"mueller goethe").as_deref(), Some(b"muller gothe".as_slice()));
        assert_eq!(collapsed(b"schmidt"), None);
    }
}
