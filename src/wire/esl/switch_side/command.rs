//! Commands as FreeSWITCH reads them off an outbound socket (`read_packet` in mod_event_socket).
//!
//! A command is a line with headers under it, up to a blank line; line ends are LF or CRLF, and line ends in front of it
//! are skipped. If it has a `content-length`, so many bytes follow. Nothing is decoded. FreeSWITCH itself has no limits
//! here; a player has, so that a server that went wrong doesn't fill its memory.

use memchr::memchr;

/// Longest head of a command. An answer's is some 100 bytes; FreeSWITCH reads heads one byte at a time.
pub const HEAD_BYTES_MAX: usize = 65_536;

/// Longest body of a command: far more than the variables of any answer.
pub const BODY_BYTES_MAX: usize = 1_048_576;

/// Why a server's bytes are no commands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CommandError {
    /// FreeSWITCH would read on.
    #[error("the server wrote a command over {HEAD_BYTES_MAX} bytes")]
    HeadTooLong,
    /// FreeSWITCH would read on.
    #[error("the server announced a body over {BODY_BYTES_MAX} bytes")]
    BodyTooLong,
    /// FreeSWITCH would end its text there, and never see the rest.
    #[error("the server wrote a NUL in a command")]
    Nul,
    /// FreeSWITCH wouldn't execute it, or would wait for the rest of its body.
    #[error("the server closed in the middle of a command")]
    Cut,
}

/// A command in a buffer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Command<'a> {
    /// All of it, without the line ends in front.
    pub bytes: &'a [u8],
    head: &'a [u8],
    body: Option<&'a [u8]>,
}

impl<'a> Command<'a> {
    /// The first line.
    #[must_use]
    pub fn line(&self) -> &'a [u8] {
        lines(self.head).next().unwrap_or_default()
    }

    /// The first line's first word, for telling commands apart: FreeSWITCH looks at their beginning only, in any case.
    #[must_use]
    pub fn is(&self, word: &str) -> bool {
        self.line().get(..word.len()).is_some_and(|start| start.eq_ignore_ascii_case(word.as_bytes()))
    }

    /// The first header of a name, in any case of letters; blanks in front of its value are dropped.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&'a [u8]> {
        header(self.head, name)
    }

    /// The body, if a length was given.
    #[must_use]
    pub fn body(&self) -> Option<&'a [u8]> {
        self.body
    }

    /// The application's argument: the header's, or the body if that is empty and the content is said to be text.
    #[must_use]
    pub fn argument(&self) -> &'a [u8] {
        let in_header = self.header("execute-app-arg").unwrap_or_default();
        match self.body {
            Some(body) if in_header.is_empty() && self.header("content-type").is_some_and(|t| t.eq_ignore_ascii_case(b"text/plain")) => {
                body
            }
            _ => in_header,
        }
    }
}

/// Takes a command from the front of a buffer; gives it and how many bytes to drop. `None` if it isn't all there.
///
/// # Errors
/// [`CommandError`] for what no player wants to read on; [`CommandError::Cut`] is for the caller to say.
pub fn next_command(buffer: &[u8]) -> Result<Option<(Command<'_>, usize)>, CommandError> {
    let skipped = buffer.iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
    let rest = &buffer[skipped..];
    let window = &rest[..rest.len().min(HEAD_BYTES_MAX)];
    let Some(head_bytes) = head_end(window) else {
        return if window.len() == HEAD_BYTES_MAX { Err(CommandError::HeadTooLong) } else { Ok(None) };
    };
    let head = &rest[..head_bytes];
    if memchr(0, head).is_some() {
        return Err(CommandError::Nul);
    }
    let length = header(head, "content-length").map_or(0, length);
    if length > BODY_BYTES_MAX {
        return Err(CommandError::BodyTooLong);
    }
    let Some(bytes) = rest.get(..head_bytes + length) else { return Ok(None) };
    let body = (length > 0).then(|| &bytes[head_bytes..]);
    // text ends at a NUL, wherever it stands
    let body = body.map(|body| &body[..memchr(0, body).unwrap_or(body.len())]);
    Ok(Some((Command { bytes, head, body }, skipped + bytes.len())))
}

/// Whether nothing but line ends is left: FreeSWITCH takes those for a sign of life.
#[must_use]
pub fn is_blank(buffer: &[u8]) -> bool {
    buffer.iter().all(|byte| matches!(byte, b'\r' | b'\n'))
}

/// Where the head ends, blank line included: behind the second LF with no more than CRs between.
fn head_end(bytes: &[u8]) -> Option<usize> {
    let mut at = 0;
    while let Some(offset) = memchr(b'\n', &bytes[at..]) {
        at += offset + 1;
        let returns = bytes[at..].iter().take_while(|byte| **byte == b'\r').count();
        if bytes.get(at + returns) == Some(&b'\n') {
            return Some(at + returns + 1);
        }
    }
    None
}

fn lines(head: &[u8]) -> impl Iterator<Item = &[u8]> {
    head.split(|byte| matches!(byte, b'\r' | b'\n')).filter(|line| !line.is_empty())
}

fn header<'a>(head: &'a [u8], name: &str) -> Option<&'a [u8]> {
    lines(head).skip(1).find_map(|line| {
        let (start, rest) = line.split_at_checked(name.len())?;
        let value = rest.strip_prefix(b":").filter(|_| start.eq_ignore_ascii_case(name.as_bytes()))?;
        Some(&value[value.iter().take_while(|byte| **byte == b' ').count()..])
    })
}

/// A length as `atoi` reads it; one below zero counts as none.
fn length(value: &[u8]) -> usize {
    let digits = value.iter().take_while(|byte| byte.is_ascii_digit());
    digits.fold(0_usize, |length, digit| length.saturating_mul(10).saturating_add(usize::from(digit - b'0')))
}
