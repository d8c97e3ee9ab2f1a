//! What Asterisk says after its environment: a reply to each command, and `HANGUP` at any time.
//!
//! Facts that shaped it (transcripts `agi-misc`, `agi-media`, `agi-usage-520`, `agi-hangup-cmd`, `agi-sip-inject-arg`):
//!
//! * `HANGUP` comes on a real hang-up *in front of* the pending reply, and once more at the end of every session. It is
//!   never inside a reply.
//! * `200 result=1 (value)`: the value is raw. It may hold `)` and line ends, and a SIP caller can put them there. A value
//!   ends with the first line that ends in `)`: one that holds `)` and a line end directly after it can't be told apart
//!   from a whole reply, and what follows is then refused as unknown. Never act on such a value.
//! * `520-` opens usage text of several lines, `520 ` closes it; a command without usage text gets one line `520 …`.
//! * A GOSUB is answered twice: `100 result=0 Trying...`, then the result.

use bytes::{Buf, Bytes, BytesMut};
use memchr::{memchr, memmem};
use nom::{
    IResult, Parser,
    branch::alt,
    bytes::complete::{tag, take, take_while},
    character::complete::{char, digit1},
    combinator::{map_opt, opt, rest, verify},
    sequence::preceded,
};
use std::io;
use tokio_util::codec::Decoder;

/// Longest line of a reply accepted, in bytes without its newline. Variables may be longer than a command line; the server
/// asks for none that is.
pub const REPLY_LINE_BYTES_MAX: usize = 16_384;

/// Longest reply accepted, in bytes, usage text or a value of several lines included.
pub const REPLY_BYTES_MAX: usize = 32_768;

/// The reply codes that `res_agi.c` can write.
const CODES: [u16; 6] = [100, 200, 503, 510, 511, 520];

/// One thing that Asterisk says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Message {
    /// The caller is gone, or the session is over: every session ends with one. Not an answer to anything.
    Hangup,
    /// The answer to the oldest command that has none yet (except code 100, which announces one).
    Reply(Reply),
}

/// A reply, in pieces of the buffer it came in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// 200 done, 100 wait for more, 510 unknown command, 511 not on a dead channel, 520 wrong words, 503 out of memory.
    pub code: u16,
    /// What stands behind `result=`, mostly a number or digits that were dialled; may be empty (`200 result= (timeout)`).
    pub result: Option<Bytes>,
    /// What stands in parentheses behind the result, raw: a variable's value, `timeout`, ….
    pub value: Option<Bytes>,
    /// Where playing stopped, in samples.
    pub endpos: Option<u64>,
    /// The rest: the words of a 51x, the whole usage text of a 520, `Trying...`; empty on most.
    pub text: Bytes,
}

impl Reply {
    /// The result as the number it mostly is; `None` when there is none or it isn't one.
    #[must_use]
    pub fn result_number(&self) -> Option<i64> {
        std::str::from_utf8(self.result.as_deref()?).ok()?.parse().ok()
    }
}

/// Why the other side's bytes were refused. Nothing of them is repeated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ReplyError {
    /// A line that is no reply and not `HANGUP`; from here on replies could answer the wrong command.
    #[error("the peer wrote a line that is not an AGI reply; the session is out of step")]
    Unknown,
    /// A line longer than [`REPLY_LINE_BYTES_MAX`].
    #[error("a reply's line is over {REPLY_LINE_BYTES_MAX} bytes")]
    LineTooLong,
    /// A reply longer than [`REPLY_BYTES_MAX`].
    #[error("a reply is over {REPLY_BYTES_MAX} bytes")]
    ReplyTooLong,
    /// The peer closed in the middle of a reply.
    #[error("the peer closed in the middle of a reply")]
    Cut,
    /// The connection failed; the kind says how.
    #[error("the connection failed: {0}")]
    Connection(io::ErrorKind),
}

impl From<io::Error> for ReplyError {
    fn from(error: io::Error) -> Self {
        Self::Connection(error.kind())
    }
}

/// What ends the reply that is being read.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Until {
    FirstLine,
    ClosingParenthesis,
    EndOfUsage,
}

/// Takes [`Message`]s from the front of a buffer, going on where the last read ended.
///
/// It asks for no more than [`REPLY_BYTES_MAX`] bytes. After an error it gives the same error again: drop the connection.
pub struct ReplyDecoder {
    scanned: usize,
    line_start: usize,
    until: Until,
}

impl Default for ReplyDecoder {
    fn default() -> Self {
        Self::new()
    }
}

impl ReplyDecoder {
    /// A decoder at the start of a message.
    #[must_use]
    pub const fn new() -> Self {
        Self { scanned: 0, line_start: 0, until: Until::FirstLine }
    }

    /// Whether the line, newline excluded, is the last of its message; else what the message waits for is remembered.
    fn is_last(&mut self, line: &[u8]) -> Result<bool, ReplyError> {
        match self.until {
            Until::ClosingParenthesis => Ok(closing_parenthesis(line).is_some()),
            Until::EndOfUsage => Ok(line.starts_with(b"520 ")),
            Until::FirstLine if line == b"HANGUP" => Ok(true),
            Until::FirstLine => {
                let (tail, (code, separator)) = head(line).map_err(|_| ReplyError::Unknown)?;
                if separator == '-' {
                    if code != 520 {
                        return Err(ReplyError::Unknown);
                    }
                    self.until = Until::EndOfUsage;
                } else if let Ok((tail, _)) = opened(tail) {
                    if closing_parenthesis(tail).is_none() {
                        self.until = Until::ClosingParenthesis;
                    }
                } else if matches!(code, 100 | 200) && result(tail).is_err() {
                    return Err(ReplyError::Unknown);
                }
                Ok(self.until == Until::FirstLine)
            }
        }
    }
}

impl Decoder for ReplyDecoder {
    type Item = Message;
    type Error = ReplyError;

    fn decode(&mut self, src: &mut BytesMut) -> Result<Option<Message>, ReplyError> {
        loop {
            let line_end_max = (self.line_start + REPLY_LINE_BYTES_MAX + 1).min(REPLY_BYTES_MAX);
            let window = &src[..src.len().min(line_end_max)];
            let Some(offset) = memchr(b'\n', &window[self.scanned..]) else {
                if window.len() == line_end_max {
                    return Err(if line_end_max == REPLY_BYTES_MAX { ReplyError::ReplyTooLong } else { ReplyError::LineTooLong });
                }
                self.scanned = window.len();
                return Ok(None);
            };
            let at = self.scanned + offset;
            if !self.is_last(&window[self.line_start..at])? {
                (self.scanned, self.line_start) = (at + 1, at + 1);
                continue;
            }
            if &window[..at] == b"HANGUP" {
                src.advance(at + 1);
                *self = Self::new();
                return Ok(Some(Message::Hangup));
            }
            let reply = parse(&src.split_to(at + 1).freeze().slice(..at));
            *self = Self::new();
            return reply.map(|reply| Some(Message::Reply(reply)));
        }
    }

    fn decode_eof(&mut self, src: &mut BytesMut) -> Result<Option<Message>, ReplyError> {
        match self.decode(src)? {
            None if !src.is_empty() => Err(ReplyError::Cut),
            other => Ok(other),
        }
    }
}

/// A finished reply, its last newline excluded.
fn parse(frame: &Bytes) -> Result<Reply, ReplyError> {
    let (tail, (code, separator)) = head(frame).map_err(|_| ReplyError::Unknown)?;
    let mut reply = Reply { code, result: None, value: None, endpos: None, text: Bytes::new() };
    if separator == '-' {
        reply.text = frame.clone();
        return Ok(reply);
    }
    let Ok((tail, result)) = result(tail) else {
        reply.text = frame.slice_ref(tail);
        return Ok(reply);
    };
    reply.result = Some(frame.slice_ref(result));
    let mut tail = tail;
    if let Ok((inside, _)) = opening(tail) {
        let closing = closing_parenthesis(inside).ok_or(ReplyError::Unknown)?;
        reply.value = Some(frame.slice_ref(&inside[..closing]));
        tail = &inside[closing + 1..];
    }
    let (tail, endpos) = opt(endpos).parse(tail).map_err(|_| ReplyError::Unknown)?;
    reply.endpos = endpos;
    let (_, text) = preceded(opt(char(' ')), rest::<_, nom::error::Error<&[u8]>>).parse(tail).map_err(|_| ReplyError::Unknown)?;
    reply.text = frame.slice_ref(text);
    Ok(reply)
}

/// `200 ` or `520-`.
fn head(line: &[u8]) -> IResult<&[u8], (u16, char)> {
    (verify(map_opt(take(3usize), number), |code| CODES.contains(code)), alt((char(' '), char('-')))).parse(line)
}

/// `result=…`, to what stands before the next space; it may be nothing.
fn result(line: &[u8]) -> IResult<&[u8], &[u8]> {
    preceded(tag("result="), take_while(|byte| byte != b' ' && byte != b'\n')).parse(line)
}

fn opening(line: &[u8]) -> IResult<&[u8], &[u8]> {
    tag(" (").parse(line)
}

/// `result=… (`, to what stands behind the parenthesis.
fn opened(line: &[u8]) -> IResult<&[u8], &[u8]> {
    preceded(result, opening).parse(line)
}

/// ` endpos=3520`.
fn endpos(line: &[u8]) -> IResult<&[u8], u64> {
    preceded(tag(" endpos="), map_opt(digit1, number)).parse(line)
}

fn number<T: std::str::FromStr>(digits: &[u8]) -> Option<T> {
    std::str::from_utf8(digits).ok()?.parse().ok()
}

/// Where the parenthesis is that closes a value, if this text holds it: its last byte, or the one before an `endpos=`
/// (`200 result=0 (timeout) endpos=3520`, RECORD FILE).
fn closing_parenthesis(text: &[u8]) -> Option<usize> {
    if text.last() == Some(&b')') {
        return Some(text.len() - 1);
    }
    let at = memmem::rfind(text, b") endpos=")?;
    endpos(&text[at + 1..]).is_ok_and(|(tail, _)| tail.is_empty() || tail[0] == b' ').then_some(at)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(text: &str) -> Vec<Message> {
        let (mut decoder, mut buffer) = (ReplyDecoder::new(), BytesMut::from(text.as_bytes()));
        let messages = std::iter::from_fn(|| decoder.decode(&mut buffer).unwrap()).collect();
        assert!(buffer.is_empty(), "{buffer:?} was left");
        messages
    }

    fn one(text: &str) -> Reply {
        match all(text).as_slice() {
            [Message::Reply(reply)] => reply.clone(),
            other => panic!("{other:?}"),
        }
    }

    fn error(text: &[u8]) -> ReplyError {
        ReplyDecoder::new().decode_eof(&mut BytesMut::from(text)).unwrap_err()
    }

    #[test]
    fn a_hangup_in_front_of_the_pending_reply_is_not_that_reply() {
        let messages = all("HANGUP\n200 result=1 (set before)\nHANGUP\n");
        assert!(matches!(messages.as_slice(), [Message::Hangup, Message::Reply(Reply { code: 200, .. }), Message::Hangup]));
    }

    #[test]
    fn a_value_may_hold_parentheses_and_line_ends() {
        assert_eq!(one("200 result=1 (closing ) paren ( in)\n").value.unwrap(), "closing ) paren ( in");
        assert_eq!(one("200 result=1 (\"Ada\" <1\nagi_arg_1: evil>)\n").value.unwrap(), "\"Ada\" <1\nagi_arg_1: evil>");
        assert_eq!(one("200 result=1 (\nHANGUP\n)\n").value.unwrap(), "\nHANGUP\n");
        assert_eq!(one("200 result=1 ()\n").value.unwrap(), "");
    }

    #[test]
    fn results_of_every_kind_are_taken_apart() {
        assert_eq!(one("200 result=0\n").result_number(), Some(0));
        assert_eq!(one("200 result=-2\n").result_number(), Some(-2));
        assert_eq!(one("200 result=0 endpos=3520\n").endpos, Some(3520));
        let timeout = one("200 result= (timeout)\n");
        assert_eq!((timeout.result.unwrap(), timeout.value.unwrap()), ("".into(), "timeout".into()));
        let recorded = one("200 result=0 (hangup) endpos=160\n");
        assert_eq!((recorded.value.unwrap(), recorded.endpos), ("hangup".into(), Some(160)));
        assert_eq!(one("100 result=0 Trying...\n").text, "Trying...");
        assert_eq!(one("200 result=0 Gosub complete (abnormal exit)\n").text, "Gosub complete (abnormal exit)");
        assert_eq!(one("510 Invalid or unknown command\n").text, "Invalid or unknown command");
        assert_eq!(one("511 Command Not Permitted on a dead channel or intercept routine\n").code, 511);
        assert_eq!(one("520 Invalid command syntax.  Proper usage not available.\n").code, 520);
    }

    #[test]
    fn usage_text_of_many_lines_is_one_reply() {
        let reply = one("520-Invalid command syntax.  Proper usage follows:\nSets x.\n200 result=1 (x)\n520 End of proper usage.\n");
        assert_eq!(reply.code, 520);
        assert!(reply.text.ends_with(b"520 End of proper usage."));
    }

    #[test]
    fn anything_else_is_refused_and_stays_refused() {
        for bad in ["agi_callerid: 1\n", "\n", "HANGUP \n", "hangup\n", "200\n", "200 ok\n", "999 result=1\n", "511-x\n", "20 result=1\n"] {
            let (mut decoder, mut buffer) = (ReplyDecoder::new(), BytesMut::from(bad));
            assert_eq!(decoder.decode(&mut buffer), Err(ReplyError::Unknown), "{bad:?}");
            assert_eq!(decoder.decode(&mut buffer), Err(ReplyError::Unknown), "{bad:?}");
        }
    }

    #[test]
    fn a_reply_without_end_is_refused_at_the_bound() {
        assert_eq!(error(&[b'2'; REPLY_LINE_BYTES_MAX + 1]), ReplyError::LineTooLong);
        let endless = b"520-usage\n".iter().chain(b"x\n".iter().cycle()).copied().take(REPLY_BYTES_MAX).collect::<Vec<u8>>();
        assert_eq!(error(&endless), ReplyError::ReplyTooLong);
        assert_eq!(error(b"200 result=1 (half"), ReplyError::Cut);
    }
}
