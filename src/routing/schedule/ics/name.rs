//! The name of a holiday out of an event's summary.

use crate::routing::schedule::STATE_BYTES_MAX;

/// A summary as a name: `Tag der Deutschen Einheit` → `tag-der-deutschen-einheit`; empty where nothing of it can be used.
pub(super) fn name_of(summary: &str) -> String {
    let mut name = String::new();
    // a line end is written as a backslash and a letter
    for c in summary.replace("\\n", " ").replace("\\N", " ").chars().take(4 * STATE_BYTES_MAX).flat_map(char::to_lowercase) {
        let plain = match c {
            'a'..='z' | '0'..='9' => c.encode_utf8(&mut [0; 4]).to_owned(),
            'ä' | 'æ' => "ae".to_owned(),
            'ö' | 'œ' => "oe".to_owned(),
            'ü' => "ue".to_owned(),
            'ß' => "ss".to_owned(),
            'à'..='å' => "a".to_owned(),
            'ç' => "c".to_owned(),
            'è'..='ë' => "e".to_owned(),
            'ì'..='ï' => "i".to_owned(),
            'ñ' => "n".to_owned(),
            'ò'..='õ' | 'ø' => "o".to_owned(),
            'ù'..='û' => "u".to_owned(),
            // an apostrophe joins, as in new-years-day
            '\'' | '’' | '\\' => continue,
            _ if name.is_empty() || name.ends_with('-') => continue,
            _ => "-".to_owned(),
        };
        if name.len() + plain.len() > STATE_BYTES_MAX {
            break;
        }
        name.push_str(&plain);
    }
    name.trim_end_matches('-').to_owned()
}
