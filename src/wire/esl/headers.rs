//! A block of header lines as it came, and FreeSWITCH's own percent-encoding.
//!
//! Facts that shaped it (transcripts `out-11-values`, `in-12-custom-sendevent`, `cid-percent-dollar`, `in-2*`):
//!
//! * A name may come twice (`Hangup-Cause` does), and in another case (`content-length`): a block is a list, not a map.
//! * Only connect replies and plain events are encoded; other replies are raw. So nothing is decoded until it is asked for.
//! * The encoder writes upper-case hex and leaves a `%` alone that two of `0-9A-F` follow: `100%20 50%` comes as
//!   `100%20%2050%25`. That can't be undone; only JSON has the true value. A `+` is a `+`.
//! * An empty value is written as `_undef_`, which is also how the text `_undef_` looks.

use bytes::Bytes;
use memchr::memchr;
use std::borrow::Cow;

/// What FreeSWITCH writes for an empty value.
const UNDEFINED: &[u8] = b"_undef_";

/// Header lines in one buffer, in the order they came. Nothing has been decoded or copied.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Headers {
    block: Bytes,
}

impl Headers {
    /// Takes lines that each end with LF; a blank line at the end may be there or not. Anything is a block: a line
    /// without a colon isn't shown.
    #[must_use]
    pub const fn new(block: Bytes) -> Self {
        Self { block }
    }

    /// Names and raw values in order. A value begins behind the first colon and one space, if there is one.
    ///
    /// For many names out of a long block (a connect reply has some 170) go through this once, rather than [`get`] each.
    ///
    /// [`get`]: Self::get
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        Lines { rest: &self.block }.filter_map(split)
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

    /// The first value of a name, percent-decoded; `None` also where FreeSWITCH wrote `_undef_` for an empty one.
    #[must_use]
    pub fn decoded(&self, name: &str) -> Option<Cow<'_, [u8]>> {
        self.get(name).filter(|raw| *raw != UNDEFINED).map(percent_decode)
    }

    /// The lines as they came.
    #[must_use]
    pub const fn as_bytes(&self) -> &Bytes {
        &self.block
    }
}

/// Shows the size only: a block holds numbers of people.
impl std::fmt::Debug for Headers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Headers").field("bytes", &self.block.len()).finish_non_exhaustive()
    }
}

/// Lines without their LF.
struct Lines<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for Lines<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        if self.rest.is_empty() {
            return None;
        }
        let end = memchr(b'\n', self.rest).unwrap_or(self.rest.len());
        let line = &self.rest[..end];
        self.rest = self.rest.get(end + 1..).unwrap_or_default();
        Some(line)
    }
}

/// A line's name and value.
fn split(line: &[u8]) -> Option<(&[u8], &[u8])> {
    let colon = memchr(b':', line)?;
    let value = &line[colon + 1..];
    Some((&line[..colon], value.strip_prefix(b" ").unwrap_or(value)))
}

/// Undoes FreeSWITCH's encoding: `%` and two upper-case hex digits are one byte, everything else is itself.
///
/// Borrows where there is nothing to undo.
#[must_use]
pub fn percent_decode(raw: &[u8]) -> Cow<'_, [u8]> {
    let Some(first) = next_encoded(raw, 0) else { return Cow::Borrowed(raw) };
    let mut out = Vec::with_capacity(raw.len());
    let (mut copied, mut found) = (0, Some(first));
    while let Some((at, byte)) = found {
        out.extend_from_slice(&raw[copied..at]);
        out.push(byte);
        copied = at + 3;
        found = next_encoded(raw, copied);
    }
    out.extend_from_slice(&raw[copied..]);
    Cow::Owned(out)
}

/// Where the next encoded byte stands, and which it is.
fn next_encoded(raw: &[u8], from: usize) -> Option<(usize, u8)> {
    let mut from = from;
    loop {
        let at = from + memchr(b'%', raw.get(from..)?)?;
        let (high, low) = (*raw.get(at + 1)?, *raw.get(at + 2)?);
        if let (Some(high), Some(low)) = (hex(high), hex(low)) {
            return Some((at, high << 4 | low));
        }
        from = at + 1;
    }
}

const fn hex(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'A'..=b'F' => Some(digit - b'A' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decoded(raw: &str) -> String {
        String::from_utf8(percent_decode(raw.as_bytes()).into_owned()).unwrap()
    }

    #[test]
    fn only_percent_and_two_upper_case_digits_are_decoded() {
        assert_eq!(decoded("%2BOK%0A"), "+OK\n");
        assert_eq!(decoded("100%20%2050%25%20%25zz%20%41%20%254a%20%25%25"), "100  50% %zz A %4a %%");
        assert_eq!(decoded("a+b%2bc%"), "a+b%2bc%");
        assert_eq!(decoded("%%41%4"), "%A%4");
        assert_eq!(decoded("J%C3%BCrgen"), "Jürgen");
        assert!(matches!(percent_decode(b"sofia/lab/1001%4x%"), Cow::Borrowed(_)));
    }

    #[test]
    fn a_name_that_comes_twice_keeps_both_values() {
        let headers = Headers::new(Bytes::from_static(b"Hangup-Cause: A\nX: 1\nhangup-cause:B\n\n"));
        assert_eq!(headers.get("Hangup-Cause"), Some(&b"A"[..]));
        assert_eq!(headers.get_all("HANGUP-CAUSE").collect::<Vec<_>>(), [b"A", b"B"]);
        assert_eq!(headers.iter().count(), 3);
    }

    #[test]
    fn a_value_keeps_its_colons_and_all_but_one_space() {
        let headers = Headers::new(Bytes::from_static(b"Reply-Text: +OK Job-UUID: x \nA:  two\nEmpty: \nNone:\nno colon\n: v"));
        let lines: Vec<_> = headers.iter().collect();
        assert_eq!(lines, [(&b"Reply-Text"[..], &b"+OK Job-UUID: x "[..]), (b"A", b" two"), (b"Empty", b""), (b"None", b""), (b"", b"v")]);
    }

    #[test]
    fn an_undefined_value_is_none() {
        let headers = Headers::new(Bytes::from_static(b"variable_a: _undef_\nvariable_b: x%20y\n"));
        assert_eq!(headers.decoded("variable_a"), None);
        assert_eq!(headers.decoded("variable_b").unwrap(), &b"x y"[..]);
        assert_eq!(headers.decoded("variable_c"), None);
    }

    #[test]
    fn what_is_shown_in_a_log_holds_no_numbers() {
        let shown = format!("{:?}", Headers::new(Bytes::from_static(b"Caller-Caller-ID-Number: 5551234\n")));
        assert!(!shown.contains("5551234"), "{shown}");
    }
}
