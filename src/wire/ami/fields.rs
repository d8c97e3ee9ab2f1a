//! The lines of one packet, as they came.
//!
//! Facts that shaped it (transcripts `ami-lists`, `ami-userevent`, `ami-inject`):
//!
//! * A name may come many times (`Output`, `Variable`, `ChanVariable`), and in another case (`UniqueID` in CEL, `Uniqueid`
//!   elsewhere): a packet is a list, not a map.
//! * A line of a user event may hold no colon at all. It is a line of the packet, and no header.
//! * Asterisk ends lines with CR LF. A line feed alone is part of a value: `CallerIDNum: 1\nagi_arg_1: evil` is one header,
//!   of a caller who tried.
//! * What isn't set is written as `<unknown>` where it is a caller's number or name, and as nothing elsewhere.

use bytes::Bytes;
use memchr::memchr_iter;
use std::borrow::Cow;

/// What Asterisk writes for a caller's number or name that isn't set.
const UNKNOWN: &[u8] = b"<unknown>";

/// What ends a line. The banner says it for the whole connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum LineEnd {
    /// CR LF, as every Asterisk writes. A line feed alone ends nothing.
    #[default]
    CrLf,
    /// LF, as something between Asterisk and us may have made of it.
    Lf,
}

impl LineEnd {
    /// Where the first line ends that begins at `start`, when nothing before `from` ends it: where it stops, and where the
    /// next one begins.
    pub(super) fn find(self, bytes: &[u8], start: usize, from: usize) -> Option<(usize, usize)> {
        let from = from.max(start).min(bytes.len());
        memchr_iter(b'\n', &bytes[from..]).map(|offset| from + offset).find_map(|at| match self {
            Self::Lf => Some((at, at + 1)),
            Self::CrLf if at > start && bytes[at - 1] == b'\r' => Some((at - 1, at + 1)),
            Self::CrLf => None,
        })
    }

    pub(super) const fn as_bytes(self) -> &'static [u8] {
        match self {
            Self::CrLf => b"\r\n",
            Self::Lf => b"\n",
        }
    }
}

/// Header lines in one buffer, in the order they came. Nothing has been decoded or copied.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Fields {
    block: Bytes,
    /// What stands behind the headers of a `Response: Follows`.
    output: Bytes,
    line_end: LineEnd,
}

impl Fields {
    /// No line.
    pub const EMPTY: Self = Self { block: Bytes::new(), output: Bytes::new(), line_end: LineEnd::CrLf };

    /// Takes lines that each end so; a blank line at the end may be there or not. Anything is a block.
    #[must_use]
    pub const fn new(block: Bytes, line_end: LineEnd) -> Self {
        Self { block, output: Bytes::new(), line_end }
    }

    /// The same, and the output of a command behind it.
    pub(super) const fn with_output(block: Bytes, output: Bytes, line_end: LineEnd) -> Self {
        Self { block, output, line_end }
    }

    /// The same lines in memory of their own: what was read together with them is free to go.
    #[must_use]
    pub fn detached(&self) -> Self {
        Self { block: Bytes::copy_from_slice(&self.block), output: Bytes::copy_from_slice(&self.output), line_end: self.line_end }
    }

    /// All lines in order, those without a colon too.
    pub fn lines(&self) -> impl Iterator<Item = &[u8]> {
        Lines { rest: &self.block, line_end: self.line_end }
    }

    /// Names and raw values in order. A value begins behind the first colon and one space, if there is one.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.lines().filter_map(split)
    }

    /// The first raw value of a name, whatever the case of its ASCII letters.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&[u8]> {
        self.iter().find(|(found, _)| found.eq_ignore_ascii_case(name.as_bytes())).map(|(_, value)| value)
    }

    /// All raw values of a name, in order.
    pub fn get_all<'a, 'n>(&'a self, name: &'n str) -> impl Iterator<Item = &'a [u8]> + use<'a, 'n> {
        self.iter().filter(move |(found, _)| found.eq_ignore_ascii_case(name.as_bytes())).map(|(_, value)| value)
    }

    /// The first value of a name as text; what is no UTF-8 in it becomes U+FFFD.
    #[must_use]
    pub fn text(&self, name: &str) -> Option<Cow<'_, str>> {
        self.get(name).map(String::from_utf8_lossy)
    }

    /// The same, where it is set: neither empty nor `<unknown>`. A caller whose name is `<unknown>` has none.
    #[must_use]
    pub fn set_text(&self, name: &str) -> Option<Cow<'_, str>> {
        self.get(name).filter(|raw| !raw.is_empty() && *raw != UNKNOWN).map(String::from_utf8_lossy)
    }

    /// Which action this answers, as it was given. A caller can write this header too: give actions ids that nobody can
    /// guess.
    #[must_use]
    pub fn action_id(&self) -> Option<&[u8]> {
        self.get("ActionID")
    }

    /// The lines that a `Command` gave out, whichever way this Asterisk writes them.
    pub fn output(&self) -> impl Iterator<Item = &[u8]> {
        self.get_all("Output").chain(Lines { rest: &self.output, line_end: LineEnd::Lf })
    }

    /// The headers as they came.
    #[must_use]
    pub const fn as_bytes(&self) -> &Bytes {
        &self.block
    }
}

/// Shows sizes only: a packet holds numbers of people.
impl std::fmt::Debug for Fields {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Fields").field("bytes", &self.block.len()).field("output_bytes", &self.output.len()).finish_non_exhaustive()
    }
}

/// Lines without their ends.
struct Lines<'a> {
    rest: &'a [u8],
    line_end: LineEnd,
}

impl<'a> Iterator for Lines<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        if self.rest.is_empty() {
            return None;
        }
        let (stop, next) = self.line_end.find(self.rest, 0, 0).unwrap_or((self.rest.len(), self.rest.len()));
        let line = &self.rest[..stop];
        self.rest = &self.rest[next..];
        Some(line)
    }
}

/// A line's name and value.
pub(super) fn split(line: &[u8]) -> Option<(&[u8], &[u8])> {
    let colon = memchr::memchr(b':', line)?;
    let value = &line[colon + 1..];
    Some((&line[..colon], value.strip_prefix(b" ").unwrap_or(value)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(text: &'static str) -> Fields {
        Fields::new(Bytes::from_static(text.as_bytes()), LineEnd::CrLf)
    }

    #[test]
    fn a_name_that_comes_often_keeps_all_values_in_order() {
        let packet = fields("Event: Status\r\nVariable: A=1\r\nChanVariable: X=1\r\nvariable: B=2\r\n");
        assert_eq!(packet.get_all("Variable").collect::<Vec<_>>(), [b"A=1", b"B=2"]);
        assert_eq!(packet.get("VARIABLE"), Some(&b"A=1"[..]));
        assert_eq!(packet.iter().count(), 4);
    }

    #[test]
    fn a_value_keeps_its_colons_and_all_but_one_space() {
        let packet = fields("A: sip:x@y: 5\r\nB:  two \r\nC: \r\nD:\r\nno colon\r\n: v\r\n\r\n");
        let all: Vec<_> = packet.iter().collect();
        assert_eq!(all, [(&b"A"[..], &b"sip:x@y: 5"[..]), (b"B", b" two "), (b"C", b""), (b"D", b""), (b"", b"v")]);
        assert_eq!(packet.lines().count(), 7);
    }

    #[test]
    fn a_line_feed_alone_is_part_of_a_value_where_lines_end_with_both() {
        let text = "CallerIDNum: 1\nagi_arg_1: evil\r\nCallerIDName: Ada\r\n";
        assert_eq!(fields(text).get("CallerIDNum"), Some(&b"1\nagi_arg_1: evil"[..]));
        assert_eq!(fields(text).get("agi_arg_1"), None);
        let plain = Fields::new(Bytes::from_static(b"A: 1\nB: 2\n"), LineEnd::Lf);
        assert_eq!(plain.get("B"), Some(&b"2"[..]));
    }

    #[test]
    fn what_is_not_set_is_no_text_and_what_is_not_utf8_is_lossy() {
        let packet = Fields::new(Bytes::from_static(b"CallerIDNum: <unknown>\r\nAccountCode: \r\nName: M\xfcller\r\n"), LineEnd::CrLf);
        assert_eq!((packet.set_text("CallerIDNum"), packet.set_text("AccountCode"), packet.set_text("None")), (None, None, None));
        assert_eq!(packet.text("CallerIDNum").unwrap(), "<unknown>");
        assert_eq!(packet.set_text("name").unwrap(), "M\u{fffd}ller");
    }

    #[test]
    fn what_is_shown_in_a_log_holds_no_numbers() {
        let shown = format!("{:?}", fields("CallerIDNum: 5551234\r\n"));
        assert!(!shown.contains("5551234"), "{shown}");
    }
}
