//! The block of `agi_…` lines that Asterisk writes first, read once and kept in one piece.
//!
//! Facts that shaped it (transcripts `agi-env-basic`, `agi-sip-inject-*`; `setup_env` in `res/res_agi.c`):
//!
//! * The keys, and their order, are the same in Asterisk 16 and 22. `agi_network_script` is left out when the URL has no
//!   path (`AGI(agi://host)`), arguments follow as `agi_arg_1`, `agi_arg_2`, …, and a blank line ends the block.
//! * A SIP caller can forge lines: `sip:1%0Aagi_arg_1%3A%20evil@…` arrives as a line of its own, `%0A%0A` as the end of
//!   the block. So any key out of its place, twice, missing or unknown refuses the block, and so does an end before
//!   `agi_threadid`. What this cannot see is a forged line in the last argument, or a value that forges all later keys
//!   in order: bytes *behind* the blank line, before any command was sent, are the sign of it.
//! * Values are bytes. A caller's name may be in any charset, and a name must never fail a call.

use bytes::{Bytes, BytesMut};
use memchr::memchr3;
use nom::{
    IResult, Parser,
    bytes::complete::tag,
    character::complete::digit1,
    combinator::{all_consuming, rest},
    sequence::{delimited, preceded},
};
use std::io;
use tokio_util::codec::Decoder;

/// Longest line accepted, in bytes without its newline. A path or an argument carries a step token of 200 bytes, a
/// handful of parameters and seldom more; PJSIP cuts names and numbers at 79 characters, a dialplan may set longer ones.
pub const LINE_BYTES_MAX: usize = 4_096;

/// Longest block accepted, in bytes with its blank line. A usual one has 600; this leaves room for two lines (request and
/// script repeat the path) and an argument of the longest kind, and keeps an idle session's buffer small.
pub const BLOCK_BYTES_MAX: usize = 16_384;

/// Most arguments accepted. Asterisk passes up to 127; every parameter that the server knows, given once, is under 20.
pub const ARGUMENTS_MAX: usize = 32;

const FIELDS: usize = 22;

/// The keys in the order in which Asterisk writes them, with what stands between key and value.
const KEYS: [&str; FIELDS] = [
    "agi_network: ",
    "agi_network_script: ",
    "agi_request: ",
    "agi_channel: ",
    "agi_language: ",
    "agi_type: ",
    "agi_uniqueid: ",
    "agi_version: ",
    "agi_callerid: ",
    "agi_calleridname: ",
    "agi_callingpres: ",
    "agi_callingani2: ",
    "agi_callington: ",
    "agi_callingtns: ",
    "agi_dnid: ",
    "agi_rdnis: ",
    "agi_context: ",
    "agi_extension: ",
    "agi_priority: ",
    "agi_enhanced: ",
    "agi_accountcode: ",
    "agi_threadid: ",
];

/// The only key that may be missing: Asterisk leaves it out when the URL has no path.
const NETWORK_SCRIPT: usize = 1;

/// What is expected where `agi_arg_N` or the blank line may stand; only for messages.
const ARGUMENT_OR_END: &str = "agi_arg_N or the blank line";

// Offsets inside a block are u16.
const _: () = assert!(BLOCK_BYTES_MAX <= u16::MAX as usize);

#[derive(Clone, Copy, Default)]
struct Span {
    start: u16,
    end: u16,
}

/// Where each value of a block lies, filled line by line.
#[derive(Clone, Copy)]
struct Spans {
    fields: [Span; FIELDS],
    arguments: [Span; ARGUMENTS_MAX],
    argument_count: usize,
}

impl Spans {
    const EMPTY: Self =
        Self { fields: [Span { start: 0, end: 0 }; FIELDS], arguments: [Span { start: 0, end: 0 }; ARGUMENTS_MAX], argument_count: 0 };
}

/// A genuine environment: one buffer, and where each value lies in it.
///
/// Values are as Asterisk sent them: bytes of no certain charset, `unknown` where Asterisk had nothing (a caller who is
/// named "unknown" looks the same), never with CR, LF or NUL. Accessors borrow; nothing is copied.
#[derive(Clone)]
pub struct Environment {
    block: Bytes,
    spans: Spans,
}

macro_rules! accessors {
    ($($(#[$doc:meta])* $name:ident = $index:literal;)*) => {
        $($(#[$doc])* #[must_use] pub fn $name(&self) -> &[u8] { self.field($index) })*
    };
}

impl Environment {
    accessors! {
        /// Path and query of the URL, undecoded (`route?tenant=acme`); empty when the URL had none.
        network_script = 1;
        /// The whole URL as the dialplan wrote it.
        request = 2;
        /// Channel name, `PJSIP/kitchen-0000002a`.
        channel = 3;
        /// The channel's language, `en`.
        language = 4;
        /// Channel technology, `PJSIP`, `Local`, ….
        technology = 5;
        /// The switch's call id, `1795277700.9`.
        unique_id = 6;
        /// Asterisk's version text.
        version = 7;
        /// The caller's number as it arrived, `unknown` if there is none.
        caller_number = 8;
        /// The caller's name as it arrived, `unknown` if there is none.
        caller_name = 9;
        /// The number that was dialled, `unknown` if the channel was not told.
        dnid = 14;
        /// The number that redirected the call here, `unknown` if none.
        rdnis = 15;
        /// The dialplan context that runs `AGI()`.
        context = 16;
        /// The dialplan extension that runs `AGI()`.
        extension = 17;
        /// The dialplan priority that runs `AGI()`, a decimal number.
        priority = 18;
        /// The channel's account code; often empty.
        account_code = 20;
        /// Asterisk's thread, a decimal number; of use only in its logs.
        thread_id = 21;
    }

    /// Caller id presentation and screening: bits 0x60 say allowed (0), restricted (0x20) or unavailable (0x40).
    /// `None` when the switch wrote anything but a number below 256.
    #[must_use]
    pub fn presentation(&self) -> Option<u8> {
        std::str::from_utf8(self.field(10)).ok()?.parse().ok()
    }

    /// The arguments of `AGI()` behind the URL, in order. Asterisk has removed their quotes; they may be empty.
    pub fn arguments(&self) -> impl ExactSizeIterator<Item = &[u8]> {
        self.spans.arguments[..self.spans.argument_count].iter().map(|span| self.slice(*span))
    }

    /// The block as it came, with its blank line.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.block
    }

    fn field(&self, index: usize) -> &[u8] {
        self.slice(self.spans.fields[index])
    }

    fn slice(&self, span: Span) -> &[u8] {
        &self.block[usize::from(span.start)..usize::from(span.end)]
    }
}

/// Shows the call id and the size only: a block holds numbers of people.
impl std::fmt::Debug for Environment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Environment")
            .field("unique_id", &self.unique_id().escape_ascii().to_string())
            .field("bytes", &self.block.len())
            .finish_non_exhaustive()
    }
}

/// Why a block was refused, and at which line (counted from 1). Nothing the peer wrote is repeated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EnvironmentError {
    /// A line doesn't begin with the key whose turn it is: forged, out of order, repeated, or not Asterisk at all.
    #[error("line {line} of the environment is not {expected}; it was forged, or the peer is not Asterisk")]
    NotExpected {
        /// Line, from 1.
        line: usize,
        /// Key that should have stood there.
        expected: &'static str,
    },
    /// The blank line came while keys were missing: a caller's `%0A%0A`.
    #[error("the environment ends at line {line}, before {expected}; it was forged")]
    EndsEarly {
        /// Line, from 1.
        line: usize,
        /// First key that is missing.
        expected: &'static str,
    },
    /// A carriage return or a NUL. Asterisk ends lines with LF alone, so that a CR can only be part of a value, and the
    /// one known way for it to get there is a caller's forged CRLF; a NUL can't pass Asterisk's own C strings.
    #[error("line {line} of the environment holds a carriage return or NUL; it was forged")]
    ControlByte {
        /// Line, from 1.
        line: usize,
    },
    /// A line longer than [`LINE_BYTES_MAX`].
    #[error("line {line} of the environment is over {LINE_BYTES_MAX} bytes")]
    LineTooLong {
        /// Line, from 1.
        line: usize,
    },
    /// A block longer than [`BLOCK_BYTES_MAX`].
    #[error("the environment is over {BLOCK_BYTES_MAX} bytes at line {line}")]
    BlockTooLong {
        /// Line, from 1.
        line: usize,
    },
    /// More arguments than [`ARGUMENTS_MAX`].
    #[error("the environment has over {ARGUMENTS_MAX} arguments")]
    TooManyArguments,
    /// The peer closed in the middle of the block.
    #[error("the peer closed at line {line} of the environment")]
    Cut {
        /// Line, from 1.
        line: usize,
    },
    /// The connection failed; the kind says how.
    #[error("the connection failed: {0}")]
    Connection(io::ErrorKind),
}

impl From<io::Error> for EnvironmentError {
    fn from(error: io::Error) -> Self {
        Self::Connection(error.kind())
    }
}

/// Takes one [`Environment`] from the front of a buffer.
///
/// It goes on where the last read ended, refuses the first byte that cannot belong to a genuine block, and asks for no
/// more than [`BLOCK_BYTES_MAX`] bytes. Bytes behind the blank line stay in the buffer. After an error it gives the same
/// error again: drop the connection.
pub struct EnvironmentDecoder {
    /// Everything before this offset has been read; it lies in the line that begins at `line_start`.
    scanned: usize,
    line_start: usize,
    line: usize,
    /// Index in `KEYS` of the key whose turn it is; `FIELDS` once arguments may follow.
    next: usize,
    spans: Spans,
}

impl Default for EnvironmentDecoder {
    fn default() -> Self {
        Self::new()
    }
}

impl EnvironmentDecoder {
    /// A decoder at the start of a block.
    #[must_use]
    pub const fn new() -> Self {
        Self { scanned: 0, line_start: 0, line: 1, next: 0, spans: Spans::EMPTY }
    }

    /// Reads one whole line, newline excluded. `true` for the blank line at the end of a complete block.
    fn take_line(&mut self, text: &[u8]) -> Result<bool, EnvironmentError> {
        if text.is_empty() {
            return if self.next == FIELDS { Ok(true) } else { Err(self.ends_early()) };
        }
        if self.next == FIELDS {
            self.take_argument(text)?;
        } else {
            let field = match self.next {
                NETWORK_SCRIPT if !text.starts_with(KEYS[NETWORK_SCRIPT].as_bytes()) => NETWORK_SCRIPT + 1,
                next => next,
            };
            let (_, value) = key(KEYS[field])(text).map_err(|_| self.not_expected())?;
            self.spans.fields[field] = self.span(text, value);
            self.next = field + 1;
        }
        Ok(false)
    }

    fn take_argument(&mut self, text: &[u8]) -> Result<(), EnvironmentError> {
        let (_, (number, value)) = argument(text).map_err(|_| self.not_expected())?;
        let position = self.spans.argument_count + 1;
        if !is_decimal(number, position) {
            return Err(self.not_expected());
        }
        if position > ARGUMENTS_MAX {
            return Err(EnvironmentError::TooManyArguments);
        }
        self.spans.arguments[position - 1] = self.span(text, value);
        self.spans.argument_count = position;
        Ok(())
    }

    /// Where `value`, the end of the line `text`, lies in the block.
    fn span(&self, text: &[u8], value: &[u8]) -> Span {
        let end = self.line_start + text.len();
        let offset = |at: usize| u16::try_from(at).expect("a block is bounded far below 65,536 bytes");
        Span { start: offset(end - value.len()), end: offset(end) }
    }

    /// Refuses a line that is not complete yet but can no longer become the one whose turn it is.
    fn check_beginning(&self, text: &[u8]) -> Result<(), EnvironmentError> {
        let fits = |key: &str| {
            let common = text.len().min(key.len());
            text[..common] == key.as_bytes()[..common]
        };
        let possible = match self.next {
            FIELDS => fits("agi_arg_"),
            NETWORK_SCRIPT => fits(KEYS[NETWORK_SCRIPT]) || fits(KEYS[NETWORK_SCRIPT + 1]),
            next => fits(KEYS[next]),
        };
        if possible { Ok(()) } else { Err(self.not_expected()) }
    }

    fn expected(&self) -> &'static str {
        KEYS.get(self.next).map_or(ARGUMENT_OR_END, |key| key.trim_end_matches(": "))
    }

    fn not_expected(&self) -> EnvironmentError {
        EnvironmentError::NotExpected { line: self.line, expected: self.expected() }
    }

    fn ends_early(&self) -> EnvironmentError {
        EnvironmentError::EndsEarly { line: self.line, expected: self.expected() }
    }
}

impl Decoder for EnvironmentDecoder {
    type Item = Environment;
    type Error = EnvironmentError;

    fn decode(&mut self, src: &mut BytesMut) -> Result<Option<Environment>, EnvironmentError> {
        loop {
            // A line end further away than this is out of bounds whatever it is.
            let line_end_max = (self.line_start + LINE_BYTES_MAX + 1).min(BLOCK_BYTES_MAX);
            let window = &src[..src.len().min(line_end_max)];
            match memchr3(b'\n', b'\r', 0, &window[self.scanned..]) {
                Some(offset) => {
                    let at = self.scanned + offset;
                    let text = &window[self.line_start..at];
                    if window[at] != b'\n' {
                        // What stands before it is looked at first: an HTTP request is "not Asterisk", not "a forged CR".
                        self.check_beginning(text)?;
                        return Err(EnvironmentError::ControlByte { line: self.line });
                    }
                    let ended = self.take_line(text)?;
                    (self.scanned, self.line_start, self.line) = (at + 1, at + 1, self.line + 1);
                    if ended {
                        let block = src.split_to(at + 1).freeze();
                        let spans = self.spans;
                        *self = Self::new();
                        return Ok(Some(Environment { block, spans }));
                    }
                }
                None => {
                    self.check_beginning(&window[self.line_start..])?;
                    if window.len() == line_end_max {
                        return Err(match line_end_max {
                            BLOCK_BYTES_MAX => EnvironmentError::BlockTooLong { line: self.line },
                            _ => EnvironmentError::LineTooLong { line: self.line },
                        });
                    }
                    self.scanned = window.len();
                    return Ok(None);
                }
            }
        }
    }

    fn decode_eof(&mut self, src: &mut BytesMut) -> Result<Option<Environment>, EnvironmentError> {
        match self.decode(src)? {
            None if !src.is_empty() => Err(EnvironmentError::Cut { line: self.line }),
            other => Ok(other),
        }
    }
}

/// A line of the given key, to its value.
fn key<'a>(key: &'static str) -> impl FnMut(&'a [u8]) -> IResult<&'a [u8], &'a [u8]> {
    move |line| preceded(tag(key), rest).parse(line)
}

/// A line `agi_arg_N: value`, to N's digits and the value.
fn argument(line: &[u8]) -> IResult<&[u8], (&[u8], &[u8])> {
    all_consuming((delimited(tag("agi_arg_"), digit1, tag(": ")), rest)).parse(line)
}

/// Whether the digits spell the number exactly as `%d` writes it: `01` is not how Asterisk counts.
fn is_decimal(digits: &[u8], number: usize) -> bool {
    digits.first() != Some(&b'0') && std::str::from_utf8(digits).ok().and_then(|d| d.parse().ok()) == Some(number)
}

#[cfg(test)]
#[path = "environment_tests.rs"]
mod tests;
