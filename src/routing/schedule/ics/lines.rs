//! The lines of an iCalendar text, unfolded (RFC 5545 3.1), and what one says.
//!
//! Line ends may be CRLF or LF, mixed. A line that isn't UTF-8 is Latin-1, as older Outlooks write it.

use memchr::memchr;

/// How much of a line is kept, in bytes: what we read is short; an attachment of 10 MB on one line is none of it.
const LINE_BYTES_MAX: usize = 16 * 1024;

/// An unfolded line.
pub(super) struct Line {
    /// Where it begins; the first is 1.
    pub(super) number: u32,
    pub(super) text: String,
    /// Whether it was longer than what is kept.
    pub(super) cut: bool,
}

/// The lines of a text that aren't empty.
pub(super) struct Lines<'a> {
    rest: &'a [u8],
    number: u32,
}

impl<'a> Lines<'a> {
    pub(super) fn new(text: &'a [u8]) -> Lines<'a> {
        Lines { rest: text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text), number: 0 }
    }

    /// The number of the line that was read last.
    pub(super) fn number(&self) -> u32 {
        self.number
    }

    /// One line as it stands there, without its end.
    fn physical(&mut self) -> &'a [u8] {
        let end = memchr(b'\n', self.rest).unwrap_or(self.rest.len());
        let (line, rest) = self.rest.split_at(end);
        self.rest = rest.get(1..).unwrap_or_default();
        self.number = self.number.saturating_add(1);
        line.strip_suffix(b"\r").unwrap_or(line)
    }
}

impl Iterator for Lines<'_> {
    type Item = Line;

    fn next(&mut self) -> Option<Line> {
        loop {
            if self.rest.is_empty() {
                return None;
            }
            let (mut kept, mut cut) = (Vec::new(), false);
            let mut keep = |part: &[u8]| {
                let room = LINE_BYTES_MAX - kept.len();
                cut |= part.len() > room;
                kept.extend_from_slice(&part[..part.len().min(room)]);
            };
            keep(self.physical());
            let number = self.number;
            while matches!(self.rest.first(), Some(b' ' | b'\t')) {
                keep(&self.physical()[1..]);
            }
            if !kept.iter().all(u8::is_ascii_whitespace) {
                return Some(Line { number, text: decoded(kept, cut), cut });
            }
        }
    }
}

fn decoded(bytes: Vec<u8>, cut: bool) -> String {
    String::from_utf8(bytes).unwrap_or_else(|error| {
        let latin = |bytes: &[u8]| bytes.iter().map(|b| char::from(*b)).collect();
        let (end, cut_short) = (error.utf8_error().valid_up_to(), cut && error.utf8_error().error_len().is_none());
        let bytes = error.into_bytes();
        // a character that was cut in two makes no other language of the rest
        if cut_short { String::from_utf8_lossy(&bytes[..end]).into_owned() } else { latin(&bytes) }
    })
}

/// `NAME;PARAMETER=value:value`.
pub(super) struct Property<'a> {
    pub(super) name: &'a str,
    parameters: &'a str,
    pub(super) value: &'a str,
}

impl<'a> Property<'a> {
    /// Reads a line; `None` where it has no colon.
    pub(super) fn read(line: &'a str) -> Option<Property<'a>> {
        let mut quoted = false;
        let colon = line.bytes().position(|b| {
            quoted ^= b == b'"';
            b == b':' && !quoted
        })?;
        let (head, value) = (&line[..colon], line[colon + 1..].trim());
        let (name, parameters) = head.split_once(';').unwrap_or((head, ""));
        Some(Property { name: name.trim(), parameters, value })
    }

    pub(super) fn is(&self, name: &str) -> bool {
        self.name.eq_ignore_ascii_case(name)
    }

    /// The value of a parameter, without quotation marks.
    pub(super) fn parameter(&self, name: &str) -> Option<&'a str> {
        let mut quoted = false;
        let parts = self.parameters.split(move |c| {
            quoted ^= c == '"';
            c == ';' && !quoted
        });
        parts.filter_map(|part| part.split_once('=')).find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, v)| v.trim_matches('"'))
    }
}
