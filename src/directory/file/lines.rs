//! A file's lines, whatever they end with, and never more of one than is wanted.

use super::{FileError, Place};
use std::io::Read;

/// How much is read at once, in bytes.
const PIECE_BYTES: usize = 32 * 1024;

/// What is known of a line besides its bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Line {
    /// Which one, from 1.
    pub(super) number: u64,
    /// Whether it was longer than wanted: the rest was passed over.
    pub(super) cut: bool,
    /// Whether a line end stands behind it. The last line of a file that breaks off has none.
    pub(super) ended: bool,
}

/// Reads lines that end with CR, LF or CRLF, mixed as they like. A byte order mark in front isn't part of the first.
pub(super) struct Lines<R> {
    input: R,
    piece: Vec<u8>,
    at: usize,
    after_cr: bool,
    number: u64,
}

impl<R: Read> Lines<R> {
    /// The lines of a file.
    pub(super) fn new(input: R) -> Lines<R> {
        Lines { input, piece: Vec::new(), at: 0, after_cr: false, number: 0 }
    }

    /// Which line was read last, from 1; 0 before the first.
    pub(super) fn number(&self) -> u64 {
        self.number
    }

    /// Puts the next line, without its end and `bytes_max` of it at most, into `line`; `None` at the end of the file.
    ///
    /// # Errors
    /// The file can't be read.
    pub(super) fn next(&mut self, line: &mut Vec<u8>, bytes_max: usize) -> Result<Option<Line>, FileError> {
        line.clear();
        let (mut cut, mut begun) = (false, false);
        loop {
            if self.at == self.piece.len() && !self.fill()? {
                if !begun {
                    return Ok(None);
                }
                return Ok(Some(self.read(line, cut, false)));
            }
            if std::mem::take(&mut self.after_cr) && self.piece[self.at] == b'\n' {
                self.at += 1;
                continue;
            }
            begun = true;
            let rest = &self.piece[self.at..];
            let end = memchr::memchr2(b'\r', b'\n', rest);
            let text = &rest[..end.unwrap_or(rest.len())];
            let room = bytes_max.saturating_sub(line.len());
            line.extend_from_slice(&text[..text.len().min(room)]);
            cut |= text.len() > room;
            self.at += text.len();
            if let Some(end) = end {
                self.after_cr = rest[end] == b'\r';
                self.at += 1;
                return Ok(Some(self.read(line, cut, true)));
            }
        }
    }

    fn read(&mut self, line: &mut Vec<u8>, cut: bool, ended: bool) -> Line {
        self.number += 1;
        if self.number == 1 && line.starts_with("\u{feff}".as_bytes()) {
            line.drain(.."\u{feff}".len());
        }
        Line { number: self.number, cut, ended }
    }

    fn fill(&mut self) -> Result<bool, FileError> {
        self.at = 0;
        self.piece.resize(PIECE_BYTES, 0);
        loop {
            match self.input.read(&mut self.piece) {
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(error) => {
                    self.piece.clear();
                    let place = Place { unit: "line", number: self.number + 1 };
                    return Err(FileError::At { place, what: format!("the file can't be read ({error})") });
                }
                Ok(read) => {
                    self.piece.truncate(read);
                    return Ok(read > 0);
                }
            }
        }
    }
}

/// Cuts a text so that it has `bytes_max` bytes at most, between characters; whether that took anything away.
pub(super) fn shorten(text: &mut String, bytes_max: usize) -> bool {
    let long = text.len() > bytes_max;
    if long {
        let end = (0..=bytes_max).rev().find(|at| text.is_char_boundary(*at));
        text.truncate(end.unwrap_or_default());
    }
    long
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(bytes: &[u8], bytes_max: usize) -> Vec<(String, u64, bool, bool)> {
        let (mut lines, mut line, mut all) = (Lines::new(bytes), Vec::new(), Vec::new());
        while let Some(read) = lines.next(&mut line, bytes_max).unwrap() {
            all.push((String::from_utf8(line.clone()).unwrap(), read.number, read.cut, read.ended));
        }
        all
    }

    #[test]
    fn lines_end_with_whatever_they_like_and_are_counted_alike() {
        let line = |text: &str, number, ended| (text.to_owned(), number, false, ended);
        let expected = [line("a", 1, true), line("", 2, true), line("b", 3, true), line("c", 4, false)];
        for text in ["a\n\nb\nc", "a\r\rb\rc", "a\r\n\r\nb\r\nc", "\u{feff}a\r\n\nb\rc"] {
            assert_eq!(all(text.as_bytes(), 100), expected, "{text:?}");
        }
        assert_eq!(all(b"", 100), []);
        assert_eq!(all(b"\n", 100), [line("", 1, true)]);
    }

    #[test]
    fn a_line_of_a_megabyte_is_read_no_further_than_wanted() {
        let text = format!("{}\nb", "x".repeat(1 << 20));
        let lines = all(text.as_bytes(), 10);
        assert_eq!(lines[0], ("x".repeat(10), 1, true, true));
        assert_eq!(lines[1], ("b".into(), 2, false, false));
    }

    #[test]
    fn a_text_is_shortened_between_characters() {
        let mut text = "äöü".to_owned();
        assert!(!shorten(&mut text, 6));
        assert!(shorten(&mut text, 5));
        assert_eq!(text, "äö");
    }
}
