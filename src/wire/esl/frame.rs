//! Frames: what FreeSWITCH writes, cut into pieces. Header lines, a blank line, and a body if `Content-Length` says so.
//!
//! Facts that shaped it (all transcripts; `mod_event_socket.c` 1.10.12):
//!
//! * Lines end with LF alone, headers come in any order, and after a body the next frame begins at once. Blank lines
//!   between frames are harmless.
//! * The reply to `connect` is one flat frame of some 170 encoded headers without a length; all other replies are raw.
//! * FreeSWITCH ends a listener that lost 500 events with a notice written *into the middle of* the event frame that was
//!   being sent, and closes (`in-40-overrun`). So what remains at the end may be half a frame and one whole notice.
//!   Where half a frame was so nearly done that the notice fills it up, [`Event`](super::Event) refuses that event.

use super::Headers;
use super::log::LogLine;
use bytes::{Buf, Bytes, BytesMut};
use memchr::memmem;
use std::io;
use tokio_util::codec::Decoder;

/// How much of one frame is accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FrameLimits {
    /// Longest block of headers in bytes, blank line included.
    pub header_bytes_max: usize,
    /// Longest body in bytes.
    pub body_bytes_max: usize,
}

impl Default for FrameLimits {
    /// For a FreeSWITCH whose dialplan may do what it likes; a plane where a call waits passes less.
    fn default() -> Self {
        Self {
            // a fresh call's connect reply has 6.5 kB; dialplans put tables of theirs into variables, each encoded
            header_bytes_max: 256 * 1024,
            // FreeSWITCH's own limit, from 1.11 on, for what it reads
            body_bytes_max: 16 * 1024 * 1024,
        }
    }
}

/// What a frame is, by its `Content-Type`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum FrameKind {
    /// The inbound side's first word: it wants `auth`.
    AuthRequest,
    /// The answer to the oldest command that has none; see [`Frame::is_connect_reply`].
    CommandReply,
    /// The answer to `api`; the result is the body, errors too.
    ApiResponse,
    /// An event, percent-encoded.
    EventPlain,
    /// An event as JSON.
    EventJson,
    /// An event as XML.
    EventXml,
    /// A line of the switch's log; see [`Frame::log`].
    LogData,
    /// The end of the connection, or (`Content-Disposition: linger`) of the call behind it.
    DisconnectNotice,
    /// The inbound side's access list refuses us.
    RudeRejection,
    /// Anything else, or nothing at all.
    Other,
}

impl FrameKind {
    fn from_content_type(value: Option<&[u8]>) -> Self {
        match value {
            Some(b"auth/request") => Self::AuthRequest,
            Some(b"command/reply") => Self::CommandReply,
            Some(b"api/response") => Self::ApiResponse,
            Some(b"text/event-plain") => Self::EventPlain,
            Some(b"text/event-json") => Self::EventJson,
            Some(b"text/event-xml") => Self::EventXml,
            Some(b"log/data") => Self::LogData,
            Some(b"text/disconnect-notice") => Self::DisconnectNotice,
            Some(b"text/rude-rejection") => Self::RudeRejection,
            _ => Self::Other,
        }
    }
}

/// One frame: two pieces of the buffer it came in.
#[derive(Clone, PartialEq, Eq)]
pub struct Frame {
    /// The header lines, as they came.
    pub headers: Headers,
    /// The body; empty where there was none.
    pub body: Bytes,
}

impl Frame {
    /// What it is. Looks for `Content-Type`, which is near the end of a connect reply: ask once.
    #[must_use]
    pub fn kind(&self) -> FrameKind {
        FrameKind::from_content_type(self.headers.get("Content-Type"))
    }

    /// The same frame in memory of its own, for one that is kept: as it came it holds all that was read with it.
    #[must_use]
    pub fn detached(&self) -> Self {
        Self { headers: Headers::new(Bytes::copy_from_slice(self.headers.as_bytes())), body: Bytes::copy_from_slice(&self.body) }
    }

    /// Whether it is the answer to `connect`: the call's data, flat, every value percent-encoded
    /// ([`Headers::decoded`]). `Socket-Mode` says `static` (never send `resume`) or `async` (send it first).
    #[must_use]
    pub fn is_connect_reply(&self) -> bool {
        self.kind() == FrameKind::CommandReply && (self.headers.get("Event-Name").is_some() || self.headers.get("Socket-Mode").is_some())
    }

    /// Whether the switch took a command: its reply begins with `+OK`. That says nothing of what the command did.
    #[must_use]
    pub fn is_ok(&self) -> bool {
        self.headers.decoded("Reply-Text").is_some_and(|text| text.starts_with(b"+OK"))
    }

    /// The line of a log frame; `None` for any other.
    #[must_use]
    pub fn log(&self) -> Option<LogLine<'_>> {
        (self.kind() == FrameKind::LogData).then(|| LogLine::new(self))
    }
}

/// Shows kind and sizes only: headers and bodies hold numbers of people.
impl std::fmt::Debug for Frame {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Frame").field("kind", &self.kind()).field("headers", &self.headers).field("body_bytes", &self.body.len()).finish()
    }
}

/// Why the other side's bytes were refused. Nothing of them is repeated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FrameError {
    /// Over [`FrameLimits::header_bytes_max`] without a blank line: more than was allowed for, or not FreeSWITCH.
    #[error("the headers of a frame are over {bytes_max} bytes, or the peer is not FreeSWITCH")]
    HeadersTooLong {
        /// What is allowed.
        bytes_max: usize,
    },
    /// A `Content-Length` over [`FrameLimits::body_bytes_max`].
    #[error("the body of a frame is over {bytes_max} bytes")]
    BodyTooLong {
        /// What is allowed.
        bytes_max: usize,
    },
    /// A `Content-Length` that is no number; where the next frame begins is unknown.
    #[error("a frame's content-length is not a number; the session is out of step")]
    BadLength,
    /// The peer closed in the middle of a frame.
    #[error("the peer closed in the middle of a frame")]
    Cut,
    /// The connection failed; the kind says how.
    #[error("the connection failed: {0}")]
    Connection(io::ErrorKind),
}

impl From<io::Error> for FrameError {
    fn from(error: io::Error) -> Self {
        Self::Connection(error.kind())
    }
}

/// How a notice begins, wherever it stands. Its length follows, as far as was ever seen.
const NOTICE_BEGINS: &[u8] = b"Content-Type: text/disconnect-notice\n";

/// The headers of the notice that FreeSWITCH was seen to write into other frames.
const OVERRUN_HEADERS: &[u8] = b"Content-Type: text/disconnect-notice\nContent-Length: 39\n\n";

/// What ends the piece that is being read.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Until {
    /// A blank line. Everything before `scanned` holds none.
    BlankLine { scanned: usize },
    /// The end of a body, both counted from the frame's beginning.
    BodyEnd { header_bytes: usize, frame_bytes: usize },
}

/// Takes [`Frame`]s from the front of a buffer, going on where the last read ended.
///
/// It asks for no more than one frame of its limits. After an error it gives the same error again: drop the connection.
pub struct FrameDecoder {
    limits: FrameLimits,
    until: Until,
}

impl Default for FrameDecoder {
    fn default() -> Self {
        Self::new(FrameLimits::default())
    }
}

impl FrameDecoder {
    /// A decoder at the start of a frame.
    #[must_use]
    pub const fn new(limits: FrameLimits) -> Self {
        Self { limits, until: Until::BlankLine { scanned: 0 } }
    }

    /// Where the headers end, blank line included, if that is known by now.
    fn header_bytes(&mut self, src: &[u8], scanned: usize) -> Result<Option<usize>, FrameError> {
        let window = &src[..src.len().min(self.limits.header_bytes_max)];
        // the line end before the blank line may have been the last byte that was looked at
        let from = scanned.saturating_sub(1).min(window.len());
        match memmem::find(&window[from..], b"\n\n") {
            Some(offset) => Ok(Some(from + offset + 2)),
            None if window.len() == self.limits.header_bytes_max => {
                Err(FrameError::HeadersTooLong { bytes_max: self.limits.header_bytes_max })
            }
            None => {
                self.until = Until::BlankLine { scanned: window.len() };
                Ok(None)
            }
        }
    }

    /// The length of the body that these headers announce.
    fn body_bytes(&self, headers: &[u8]) -> Result<usize, FrameError> {
        let Some(value) = content_length(headers) else { return Ok(0) };
        // anything over nineteen digits would be too long whatever it says
        if value.is_empty() || !value.iter().all(u8::is_ascii_digit) {
            return Err(FrameError::BadLength);
        }
        match std::str::from_utf8(value).ok().and_then(|digits| digits.parse().ok()) {
            Some(bytes) if bytes <= self.limits.body_bytes_max => Ok(bytes),
            _ => Err(FrameError::BodyTooLong { bytes_max: self.limits.body_bytes_max }),
        }
    }

    fn take(&mut self, src: &mut BytesMut, header_bytes: usize, frame_bytes: usize) -> Frame {
        self.until = Until::BlankLine { scanned: 0 };
        let frame = src.split_to(frame_bytes).freeze();
        // without the blank line
        Frame { headers: Headers::new(frame.slice(..header_bytes - 1)), body: frame.slice(header_bytes..) }
    }
}

impl Decoder for FrameDecoder {
    type Item = Frame;
    type Error = FrameError;

    fn decode(&mut self, src: &mut BytesMut) -> Result<Option<Frame>, FrameError> {
        loop {
            match self.until {
                Until::BlankLine { scanned } => {
                    if scanned == 0 {
                        let blank = src.iter().take_while(|byte| **byte == b'\n').count();
                        src.advance(blank);
                    }
                    let Some(header_bytes) = self.header_bytes(src, scanned)? else { return Ok(None) };
                    let headers = &src[..header_bytes];
                    if headers.len() > OVERRUN_HEADERS.len() && headers.ends_with(OVERRUN_HEADERS) {
                        // the switch gave up in the middle of these headers
                        src.advance(header_bytes - OVERRUN_HEADERS.len());
                        self.until = Until::BlankLine { scanned: 0 };
                        continue;
                    }
                    let frame_bytes = header_bytes + self.body_bytes(headers)?;
                    self.until = Until::BodyEnd { header_bytes, frame_bytes };
                }
                Until::BodyEnd { header_bytes, frame_bytes } if src.len() >= frame_bytes => {
                    return Ok(Some(self.take(src, header_bytes, frame_bytes)));
                }
                Until::BodyEnd { .. } => return Ok(None),
            }
        }
    }

    /// The end has come: what is left is nothing, a frame, half a frame with a whole notice in it, or half a frame.
    fn decode_eof(&mut self, src: &mut BytesMut) -> Result<Option<Frame>, FrameError> {
        if let Some(frame) = self.decode(src)? {
            return Ok(Some(frame));
        }
        if src.is_empty() {
            return Ok(None);
        }
        let notice_at = memmem::rfind(src, NOTICE_BEGINS).ok_or(FrameError::Cut)?;
        let notice = &src[notice_at..];
        let header_bytes = memmem::find(&notice[..notice.len().min(self.limits.header_bytes_max)], b"\n\n").ok_or(FrameError::Cut)? + 2;
        // it is one only where it is whole and the last that was written
        if self.body_bytes(&notice[..header_bytes]).map(|body_bytes| header_bytes + body_bytes) != Ok(notice.len()) {
            return Err(FrameError::Cut);
        }
        src.advance(notice_at);
        let notice_bytes = src.len();
        Ok(Some(self.take(src, header_bytes, notice_bytes)))
    }
}

/// The raw value of the first `Content-Length`, spaces around it aside.
fn content_length(headers: &[u8]) -> Option<&[u8]> {
    const NAME: &[u8] = b"content-length:";
    let mut rest = headers;
    loop {
        if rest.len() > NAME.len() && rest[0] | 0x20 == b'c' && rest[..NAME.len()].eq_ignore_ascii_case(NAME) {
            let line = &rest[NAME.len()..];
            return Some(line[..memchr::memchr(b'\n', line).unwrap_or(line.len())].trim_ascii());
        }
        rest = rest.get(memchr::memchr(b'\n', rest)? + 1..)?;
    }
}

#[cfg(test)]
#[path = "frame_tests.rs"]
mod tests;
