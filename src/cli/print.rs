//! Printing: whole texts, names made harmless, a reader that went away is no failure.

use crate::terminal::{acts_on_a_terminal, harmless_json};
use std::io::{self, ErrorKind, Write};

/// Prints a text to standard output. A closed pipe (`| head`) ends the program as if it were done.
pub(super) fn out(text: &str) {
    let mut stdout = io::stdout().lock();
    if let Err(error) = stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        let status = if error.kind() == ErrorKind::BrokenPipe { 0 } else { 70 };
        std::process::exit(status);
    }
}

/// Prints a line.
pub(super) fn line(text: &str) {
    out(&format!("{text}\n"));
}

/// Prints a line that nobody may be there to read: a server serves all the same.
pub(super) fn announce(text: &str) {
    let mut stdout = io::stdout().lock();
    let _ = writeln!(stdout, "{text}").and_then(|()| stdout.flush());
}

/// Prints a value as JSON.
pub(super) fn json(value: &impl serde::Serialize) {
    // views are plain data: strings, numbers, lists and maps with text keys
    line(&harmless_json(&serde_json::to_string_pretty(value).expect("a view is always JSON")));
}

/// A value as JSON on one line.
pub(super) fn json_line(value: &impl serde::Serialize) -> String {
    harmless_json(&serde_json::to_string(value).expect("a view is always JSON")).into_owned()
}

/// Says how far a long command is.
pub(super) fn note(text: &str) {
    let _ = writeln!(io::stderr(), "{}", shown(text));
}

/// Says what went wrong.
pub(super) fn complain(text: &str) {
    // a closed stderr is nothing to complain about
    let _ = writeln!(io::stderr(), "strowger: {}", shown_lines(text));
}

/// A text on one line, with nothing in it that a terminal would act upon.
pub(super) fn shown(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if acts_on_a_terminal(c) {
            out.extend(c.escape_default());
        } else {
            out.push(c);
        }
    }
    out
}

/// The same for bytes of no certain charset.
pub(super) fn shown_bytes(bytes: &[u8]) -> String {
    shown(&String::from_utf8_lossy(bytes))
}

/// A text of several lines for a terminal.
pub(super) fn shown_text(text: &str) -> String {
    text.split('\n').map(|line| shown(line.trim_end_matches('\r'))).collect::<Vec<_>>().join("\n")
}

fn shown_lines(text: &str) -> String {
    text.split('\n').map(shown).collect::<Vec<_>>().join("\n")
}

/// Rows under each other in columns, the last one as wide as it is.
pub(super) fn columns(rows: &[Vec<String>]) -> String {
    let rows: Vec<Vec<String>> = rows.iter().map(|row| row.iter().map(|cell| shown(cell)).collect()).collect();
    let count = rows.iter().map(Vec::len).max().unwrap_or(0);
    let widths: Vec<usize> =
        (0..count).map(|n| rows.iter().filter_map(|r| r.get(n)).map(|c| c.chars().count()).max().unwrap_or(0)).collect();
    let mut text = String::new();
    for row in &rows {
        let mut line = String::new();
        for (cell, width) in row.iter().zip(&widths) {
            line.push_str(cell);
            line.extend(std::iter::repeat_n(' ', width - cell.chars().count() + 2));
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

/// A text in lines of so many columns, broken at blanks only, each behind this indent.
pub(super) fn wrapped(text: &str, indent: &str, columns: usize) -> String {
    let text = shown(text);
    let (mut out, mut line) = (String::new(), String::new());
    for word in text.split_whitespace() {
        if !line.is_empty() && indent.len() + line.chars().count() + 1 + word.chars().count() > columns {
            out.push_str(&format!("{indent}{line}\n"));
            line.clear();
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    if !line.is_empty() {
        out.push_str(&format!("{indent}{line}\n"));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_text_is_broken_at_blanks_and_a_long_word_left_whole() {
        assert_eq!(wrapped("one two three", "  ", 9), "  one two\n  three\n");
        assert_eq!(wrapped("one /a/long/path\u{1b} x", "  ", 9), "  one\n  /a/long/path\\u{1b}\n  x\n");
        assert_eq!(wrapped("", "  ", 9), "");
    }

    #[test]
    fn a_name_can_not_play_with_the_terminal() {
        assert_eq!(shown("Eve\u{1b}[2J\nroot\u{202e}x"), "Eve\\u{1b}[2J\\nroot\\u{202e}x");
        assert_eq!(shown("Bäckerei Groß"), "Bäckerei Groß");
        assert_eq!(shown_bytes(b"M\xfcller"), "M\u{fffd}ller");
        let name = "Eve\u{9b}2J\u{7f}\u{202e}\n\"ß";
        let json = json_line(&name);
        assert_eq!(json, r#""Eve\u009b2J\u007f\u202e\n\"ß""#);
        assert_eq!(serde_json::from_str::<String>(&json).unwrap(), name);
    }
}
