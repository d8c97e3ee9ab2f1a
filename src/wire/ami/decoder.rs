//! Packets: what Asterisk writes, cut into pieces at its blank lines.
//!
//! Facts that shaped it (transcripts `ami-login`, `ami-lists`, `ami-slow-consumer`, `ami-inject*`):
//!
//! * The banner is one line, ended by CR LF, and comes before anything is asked. Who writes something else first is no
//!   Asterisk, and is refused where it first differs.
//! * A packet ends with a blank line. More than one was seen only behind what a caller wrote; they are passed over.
//! * Asterisk drops a slow reader in the middle of an event, without a word.
//! * Until version 3 of the interface (Asterisk 13), a `Command` is answered by `Response: Follows`, headers, raw lines
//!   and `--END COMMAND--`. Later ones never write that, so there it ends nothing and begins nothing: a caller who forged
//!   it would have made us wait for an end that doesn't come.

use super::fields::{Fields, LineEnd, split};
use super::packet::{Packet, Version};
use super::suspicion::{DOUBT_BYTES, Suspicion, look};
use bytes::{Buf, BytesMut};
use memchr::{memchr, memmem};
use std::io;
use tokio_util::codec::Decoder;

/// How much of one packet is accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PacketLimits {
    /// Longest line in bytes, its end included.
    pub line_bytes_max: usize,
    /// Longest packet in bytes, blank line included.
    pub packet_bytes_max: usize,
}

impl Default for PacketLimits {
    fn default() -> Self {
        Self {
            // the longest seen has 914 bytes; an AGI command in an event has up to 8,191, a dialplan's variable any number
            line_bytes_max: 64 * 1024,
            // the longest seen, a list of all actions, has 10 kB; a command's output is one packet, of thousands of lines
            packet_bytes_max: 1024 * 1024,
        }
    }
}

/// Longest banner in bytes, line end included. Asterisk's has 31.
pub const BANNER_BYTES_MAX: usize = 128;

/// How every banner begins; a version follows.
const BANNER: &[u8] = b"Asterisk Call Manager/";

/// What ends the raw lines of a `Response: Follows`.
const OUTPUT_END: &[u8] = b"--END COMMAND--";

/// Why the other side's bytes were refused. Nothing of them is repeated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PacketError {
    /// The first line isn't the banner of a manager interface.
    #[error("the peer is no asterisk manager interface")]
    NotAsterisk,
    /// Over [`PacketLimits::line_bytes_max`] without a line end.
    #[error("a line of a packet is over {bytes_max} bytes")]
    LineTooLong {
        /// What is allowed.
        bytes_max: usize,
    },
    /// Over [`PacketLimits::packet_bytes_max`] without a blank line.
    #[error("a packet is over {bytes_max} bytes")]
    PacketTooLong {
        /// What is allowed.
        bytes_max: usize,
    },
    /// The peer closed in the middle of a packet, as Asterisk does to a reader that was too slow.
    #[error("the peer closed in the middle of a packet; asterisk does so when it isn't read fast enough")]
    Cut,
    /// The connection failed; the kind says how.
    #[error("the connection failed: {0}")]
    Connection(io::ErrorKind),
}

impl From<io::Error> for PacketError {
    fn from(error: io::Error) -> Self {
        Self::Connection(error.kind())
    }
}

/// What is being read.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Reading {
    /// The banner. Everything before `scanned` is as it should be, and holds no line end.
    Banner { scanned: usize },
    /// The lines of a packet. One begins at `line_start`, and nothing before `scanned` ends it.
    Lines { line_start: usize, scanned: usize },
    /// The raw lines of a `Response: Follows`. Their end doesn't begin before `scanned`.
    Output { scanned: usize },
    /// Nothing any more.
    Refused(PacketError),
}

/// At the start of a packet.
const START: Reading = Reading::Lines { line_start: 0, scanned: 0 };

/// Takes [`Packet`]s from the front of a buffer, going on where the last read ended.
///
/// It asks for no more than one packet of its limits. After an error it gives the same error again: drop the connection.
pub struct PacketDecoder {
    limits: PacketLimits,
    reading: Reading,
    line_end: LineEnd,
    has_raw_output: bool,
    /// Packets that begin within so many bytes from here may be a caller's.
    doubt_bytes: usize,
}

impl Default for PacketDecoder {
    fn default() -> Self {
        Self::new(PacketLimits::default())
    }
}

impl PacketDecoder {
    /// A decoder at the start of a connection, where the banner comes first.
    #[must_use]
    pub const fn new(limits: PacketLimits) -> Self {
        Self { limits, reading: Reading::Banner { scanned: 0 }, line_end: LineEnd::CrLf, has_raw_output: false, doubt_bytes: 0 }
    }

    fn refuse<T>(&mut self, error: PacketError) -> Result<T, PacketError> {
        self.reading = Reading::Refused(error);
        Err(error)
    }

    fn banner(&mut self, src: &mut BytesMut, scanned: usize) -> Result<Option<Packet>, PacketError> {
        let window = &src[..src.len().min(BANNER_BYTES_MAX)];
        let known = window.len().min(BANNER.len());
        if window[..known] != BANNER[..known] {
            return self.refuse(PacketError::NotAsterisk);
        }
        let Some(at) = memchr(b'\n', &window[scanned..]).map(|offset| scanned + offset) else {
            if window.len() == BANNER_BYTES_MAX {
                return self.refuse(PacketError::NotAsterisk);
            }
            self.reading = Reading::Banner { scanned: window.len() };
            return Ok(None);
        };
        let line = &window[..at];
        let (line, line_end) = line.strip_suffix(b"\r").map_or((line, LineEnd::Lf), |line| (line, LineEnd::CrLf));
        let Some(version) = line.get(BANNER.len()..).and_then(Version::parse) else { return self.refuse(PacketError::NotAsterisk) };
        (self.line_end, self.has_raw_output, self.reading) = (line_end, version.has_raw_output(), START);
        src.advance(at + 1);
        Ok(Some(Packet::Banner(version)))
    }

    fn lines(&mut self, src: &mut BytesMut) -> Result<Option<Packet>, PacketError> {
        while let Reading::Lines { line_start, scanned } = self.reading {
            let line_limit = line_start.saturating_add(self.limits.line_bytes_max);
            let limit = line_limit.min(self.limits.packet_bytes_max);
            let window = &src[..src.len().min(limit)];
            let Some((stop, next)) = self.line_end.find(window, line_start, scanned) else {
                self.reading = Reading::Lines { line_start, scanned: window.len() };
                return match window.len() == limit {
                    false => Ok(None),
                    true if limit == line_limit => self.refuse(PacketError::LineTooLong { bytes_max: self.limits.line_bytes_max }),
                    true => self.refuse(PacketError::PacketTooLong { bytes_max: self.limits.packet_bytes_max }),
                };
            };
            self.reading = if line_start == 0 && self.has_raw_output && src[..stop] == *b"Response: Follows" {
                Reading::Output { scanned: next }
            } else if stop > line_start {
                Reading::Lines { line_start: next, scanned: next }
            } else if line_start > 0 {
                return Ok(Some(self.packet(src, line_start, next)));
            } else {
                // a blank line before a packet
                src.advance(next);
                self.doubt_bytes = self.doubt_bytes.saturating_sub(next);
                START
            };
        }
        Ok(None)
    }

    /// The packet whose lines end here, and which ends, with its blank line, there.
    fn packet(&mut self, src: &mut BytesMut, lines_bytes: usize, packet_bytes: usize) -> Packet {
        self.reading = START;
        let mut block = src.split_to(packet_bytes).freeze();
        block.truncate(lines_bytes);
        let fields = Fields::new(block, self.line_end);
        let looked = look(&fields);
        let in_doubt = self.doubt_bytes > 0;
        self.doubt_bytes = if looked.is_cut { DOUBT_BYTES } else { self.doubt_bytes.saturating_sub(packet_bytes) };
        match looked.suspicion.or(in_doubt.then_some(Suspicion::BehindCut)) {
            Some(suspicion) => Packet::Suspect(suspicion, fields),
            None if looked.is_event => Packet::Event(fields),
            None => Packet::Response(fields),
        }
    }

    fn raw_output(&mut self, src: &mut BytesMut, scanned: usize) -> Result<Option<Packet>, PacketError> {
        let end = self.line_end.as_bytes();
        let end: Vec<u8> = [OUTPUT_END, end, end].concat();
        let window = &src[..src.len().min(self.limits.packet_bytes_max)];
        let Some(at) = memmem::find(&window[scanned..], &end).map(|offset| scanned + offset) else {
            if window.len() == self.limits.packet_bytes_max {
                return self.refuse(PacketError::PacketTooLong { bytes_max: self.limits.packet_bytes_max });
            }
            self.reading = Reading::Output { scanned: scanned.max((window.len() + 1).saturating_sub(end.len())) };
            return Ok(None);
        };
        // two or three headers come before the raw lines
        let mut output_start = 0;
        while let Some((stop, next)) = self.line_end.find(&src[..at], output_start, 0) {
            match split(&src[output_start..stop]) {
                Some((b"Response" | b"Privilege" | b"ActionID" | b"Message", _)) => output_start = next,
                _ => break,
            }
        }
        self.reading = START;
        let packet = src.split_to(at + end.len()).freeze();
        Ok(Some(Packet::Response(Fields::with_output(packet.slice(..output_start), packet.slice(output_start..at), self.line_end))))
    }
}

impl Decoder for PacketDecoder {
    type Item = Packet;
    type Error = PacketError;

    fn decode(&mut self, src: &mut BytesMut) -> Result<Option<Packet>, PacketError> {
        loop {
            match self.reading {
                Reading::Banner { scanned } => return self.banner(src, scanned),
                Reading::Lines { .. } => {
                    let packet = self.lines(src)?;
                    if packet.is_some() || !matches!(self.reading, Reading::Output { .. }) {
                        return Ok(packet);
                    }
                }
                Reading::Output { scanned } => return self.raw_output(src, scanned),
                Reading::Refused(error) => return Err(error),
            }
        }
    }

    /// The end has come: what is left is packets, nothing, or half a packet.
    fn decode_eof(&mut self, src: &mut BytesMut) -> Result<Option<Packet>, PacketError> {
        match self.decode(src)? {
            None if !src.is_empty() => self.refuse(PacketError::Cut),
            packet => Ok(packet),
        }
    }
}

#[cfg(test)]
#[path = "decoder_tests.rs"]
mod tests;
