//! Asterisk's half of FastAGI: its environment, how it reads a command, what it answers.
//!
//! Tests hold the encoder against this, and `strowger call` and `strowger bench` play a switch with it. So it is written
//! after Asterisk's own code, oddities included, and not after what the encoder writes: `setup_env`, `run_agi` and
//! `parse_args` in `res/res_agi.c`, `__ast_app_separate_args` in `main/app.c`, `pbx_builtin_setvar_multiple` in
//! `main/pbx_variables.c`. It writes fields as they are, line ends too: that is how a caller's forged line gets in.

use crate::wire::agi::command::COMMAND_LINE_BYTES_MAX;
use bytes::{Bytes, BytesMut};
use memchr::memchr;
use std::io;
use tokio_util::codec::Decoder;

/// Most words of a command; further ones are dropped (`MAX_ARGS` less the closing NULL).
pub const COMMAND_WORDS_MAX: usize = 127;

/// Places for pairs in MSet on Asterisk 16; the last one takes the rest of the list as it is.
pub const MSET_PLACES_ASTERISK_16: usize = 24;

/// Places for pairs in MSet on Asterisk 22; the last one takes the rest of the list as it is.
pub const MSET_PLACES_ASTERISK_22: usize = 99;

/// What Asterisk writes when the caller hangs up, and at the end of every session.
pub const HANGUP: &[u8] = b"HANGUP\n";

/// The reply to a command that Asterisk doesn't know.
pub const UNKNOWN_COMMAND: &[u8] = b"510 Invalid or unknown command\n";

/// The fields of an environment, as the channel has them. `None` and what has no field here come out as on a SIP channel.
#[derive(Debug, Clone)]
pub struct EnvironmentFields<'a> {
    /// Host and port of the URL.
    pub server: &'a [u8],
    /// Path and query of the URL; empty leaves the line out.
    pub network_script: &'a [u8],
    /// Channel name.
    pub channel: &'a [u8],
    /// Channel language.
    pub language: &'a [u8],
    /// Channel technology.
    pub technology: &'a [u8],
    /// Call id.
    pub unique_id: &'a [u8],
    /// Asterisk's version.
    pub version: &'a [u8],
    /// Caller's number.
    pub caller_number: Option<&'a [u8]>,
    /// Caller's name.
    pub caller_name: Option<&'a [u8]>,
    /// Presentation and screening bits; Asterisk says 67 when there is no caller id.
    pub presentation: u8,
    /// Number dialled.
    pub dnid: Option<&'a [u8]>,
    /// Redirecting number.
    pub rdnis: Option<&'a [u8]>,
    /// Dialplan context.
    pub context: &'a [u8],
    /// Dialplan extension.
    pub extension: &'a [u8],
    /// Dialplan priority.
    pub priority: u32,
    /// Account code.
    pub account_code: &'a [u8],
    /// Asterisk's thread.
    pub thread_id: &'a [u8],
    /// Arguments behind the URL.
    pub arguments: &'a [&'a [u8]],
}

impl Default for EnvironmentFields<'_> {
    fn default() -> Self {
        Self {
            server: b"127.0.0.1:4573",
            network_script: b"route",
            channel: b"PJSIP/strowger-00000001",
            language: b"en",
            technology: b"PJSIP",
            unique_id: b"1795277700.1",
            version: b"22.10.1",
            caller_number: None,
            caller_name: None,
            presentation: 67,
            dnid: None,
            rdnis: None,
            context: b"from-strowger",
            extension: b"s",
            priority: 1,
            account_code: b"",
            thread_id: b"140537021687488",
            arguments: &[],
        }
    }
}

impl EnvironmentFields<'_> {
    /// Appends the block as Asterisk 22 writes it, blank line included.
    pub fn encode(&self, out: &mut BytesMut) {
        let mut line = |key: &str, parts: &[&[u8]]| {
            out.extend_from_slice(key.as_bytes());
            out.extend_from_slice(b": ");
            parts.iter().for_each(|part| out.extend_from_slice(part));
            out.extend_from_slice(b"\n");
        };
        line("agi_network", &[b"yes"]);
        if !self.network_script.is_empty() {
            line("agi_network_script", &[self.network_script]);
        }
        let slash: &[u8] = if self.network_script.is_empty() { b"" } else { b"/" };
        line("agi_request", &[b"agi://", self.server, slash, self.network_script]);
        line("agi_channel", &[self.channel]);
        line("agi_language", &[self.language]);
        line("agi_type", &[self.technology]);
        line("agi_uniqueid", &[self.unique_id]);
        line("agi_version", &[self.version]);
        line("agi_callerid", &[self.caller_number.unwrap_or(b"unknown")]);
        line("agi_calleridname", &[self.caller_name.unwrap_or(b"unknown")]);
        line("agi_callingpres", &[self.presentation.to_string().as_bytes()]);
        line("agi_callingani2", &[b"0"]);
        line("agi_callington", &[b"0"]);
        line("agi_callingtns", &[b"0"]);
        line("agi_dnid", &[self.dnid.unwrap_or(b"unknown")]);
        line("agi_rdnis", &[self.rdnis.unwrap_or(b"unknown")]);
        line("agi_context", &[self.context]);
        line("agi_extension", &[self.extension]);
        line("agi_priority", &[self.priority.to_string().as_bytes()]);
        line("agi_enhanced", &[b"0.0"]);
        line("agi_accountcode", &[self.account_code]);
        line("agi_threadid", &[self.thread_id]);
        for (position, argument) in self.arguments.iter().enumerate() {
            line(&format!("agi_arg_{}", position + 1), &[argument]);
        }
        out.extend_from_slice(b"\n");
    }
}

/// Why a server's bytes are not commands. Asterisk itself would execute some of these, in part.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CommandLineError {
    /// Asterisk would cut the line, execute its beginning, and take the remainder for a second command.
    #[error("the server wrote a command line over {COMMAND_LINE_BYTES_MAX} bytes")]
    TooLong,
    /// Asterisk's thread would spin until the next line, and lose what follows the NUL.
    #[error("the server wrote a NUL in a command line")]
    Nul,
    /// Asterisk would execute the part that came.
    #[error("the server closed in the middle of a command line")]
    Cut,
    /// The connection failed; the kind says how.
    #[error("the connection failed: {0}")]
    Connection(io::ErrorKind),
}

impl From<io::Error> for CommandLineError {
    fn from(error: io::Error) -> Self {
        Self::Connection(error.kind())
    }
}

/// Takes command lines, newline excluded, from the front of a buffer, and is stricter than Asterisk about them.
#[derive(Debug, Default)]
pub struct CommandDecoder {
    scanned: usize,
}

impl Decoder for CommandDecoder {
    type Item = Bytes;
    type Error = CommandLineError;

    fn decode(&mut self, src: &mut BytesMut) -> Result<Option<Bytes>, CommandLineError> {
        let window = &src[..src.len().min(COMMAND_LINE_BYTES_MAX)];
        let end = memchr(b'\n', &window[self.scanned..]).map(|offset| self.scanned + offset);
        if memchr(0, &window[self.scanned..end.unwrap_or(window.len())]).is_some() {
            return Err(CommandLineError::Nul);
        }
        match end {
            Some(at) => {
                self.scanned = 0;
                Ok(Some(src.split_to(at + 1).freeze().slice(..at)))
            }
            None if window.len() == COMMAND_LINE_BYTES_MAX => Err(CommandLineError::TooLong),
            None => {
                self.scanned = window.len();
                Ok(None)
            }
        }
    }

    fn decode_eof(&mut self, src: &mut BytesMut) -> Result<Option<Bytes>, CommandLineError> {
        match self.decode(src)? {
            None if !src.is_empty() => Err(CommandLineError::Cut),
            other => Ok(other),
        }
    }
}

/// Splits a command line (newline excluded) into words as `parse_args` does: blanks part words, `"` opens and closes
/// quoting anywhere, `\` takes the next byte as it is (`\n` is an `n`).
#[must_use]
pub fn words(line: &[u8]) -> Vec<Vec<u8>> {
    let mut words: Vec<Vec<u8>> = Vec::new();
    let (mut quoted, mut escaped, mut between) = (false, false, true);
    for byte in line {
        match byte {
            b'"' if !escaped => {
                quoted = !quoted;
                if quoted && between {
                    words.push(Vec::new());
                    between = false;
                }
            }
            b' ' | b'\t' if !quoted && !escaped => between = true,
            b'\\' if !escaped => escaped = true,
            byte => {
                if between {
                    if words.len() >= COMMAND_WORDS_MAX {
                        continue;
                    }
                    words.push(Vec::new());
                    between = false;
                }
                if let Some(word) = words.last_mut() {
                    word.push(*byte);
                }
                escaped = false;
            }
        }
    }
    words
}

/// Splits MSet's list into names and values, in order. `places` is [`MSET_PLACES_ASTERISK_16`] or
/// [`MSET_PLACES_ASTERISK_22`]. Entries without `=` are left out, as Asterisk does (with a warning in its log).
#[must_use]
pub fn mset_pairs(list: &[u8], places: usize) -> Vec<(Vec<u8>, Vec<u8>)> {
    let pair = |entry: Vec<u8>| match <[Vec<u8>; 2]>::try_from(separate(&entry, b'=', 2)) {
        Ok([name, value]) => Some((name, value)),
        Err(_) => None,
    };
    separate(list, b',', places).into_iter().filter_map(pair).collect()
}

/// `__ast_app_separate_args` with its `remove_chars`: parentheses and brackets group, `"` groups and goes, `\` takes the
/// next byte as it is. The last place takes whatever is left, untouched.
fn separate(list: &[u8], delimiter: u8, places: usize) -> Vec<Vec<u8>> {
    let mut parts = Vec::new();
    // Groups stay open from one part to the next, as in the original.
    let (mut parentheses, mut brackets, mut quoted) = (0_usize, 0_usize, false);
    let mut rest = list;
    let mut after_delimiter = false;
    while !rest.is_empty() && parts.len() < places - 1 {
        let mut part = Vec::new();
        after_delimiter = false;
        while let Some((&byte, tail)) = rest.split_first() {
            rest = tail;
            match byte {
                b'(' => parentheses += 1,
                b')' => parentheses = parentheses.saturating_sub(1),
                b'[' => brackets += 1,
                b']' => brackets = brackets.saturating_sub(1),
                b'"' => {
                    quoted = !quoted;
                    continue;
                }
                b'\\' => {
                    if let Some((&literal, tail)) = rest.split_first() {
                        part.push(literal);
                        rest = tail;
                    }
                    continue;
                }
                byte if byte == delimiter && parentheses == 0 && brackets == 0 && !quoted => {
                    after_delimiter = true;
                    break;
                }
                _ => {}
            }
            part.push(byte);
        }
        parts.push(part);
    }
    if !rest.is_empty() || after_delimiter {
        parts.push(rest.to_vec());
    }
    parts
}

/// Appends `200 result=…`, with a value in parentheses if there is one.
pub fn encode_result(result: i64, value: Option<&[u8]>, out: &mut BytesMut) {
    out.extend_from_slice(format!("200 result={result}").as_bytes());
    if let Some(value) = value {
        out.extend_from_slice(b" (");
        out.extend_from_slice(value);
        out.extend_from_slice(b")");
    }
    out.extend_from_slice(b"\n");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn strings(words: Vec<Vec<u8>>) -> Vec<String> {
        words.into_iter().map(|word| String::from_utf8(word).unwrap()).collect()
    }

    fn pairs(list: &str) -> Vec<(String, String)> {
        let text = |bytes| String::from_utf8(bytes).unwrap();
        mset_pairs(list.as_bytes(), MSET_PLACES_ASTERISK_22).into_iter().map(|(name, value)| (text(name), text(value))).collect()
    }

    #[test]
    fn words_come_out_as_asterisk_was_seen_to_split_them() {
        assert_eq!(strings(words(br#"SET VARIABLE A "quote \" inside""#))[3], r#"quote " inside"#);
        assert_eq!(strings(words(br#"SET VARIABLE A mid"dle"quote"#))[3], "middlequote");
        assert_eq!(strings(words(br#"SET VARIABLE A "one\nnewline""#))[3], "onennewline");
        assert_eq!(strings(words(br#"SET VARIABLE A "unterminated"#))[3], "unterminated");
        assert_eq!(strings(words(b"  GET\t VARIABLE  LAB\r")), ["GET", "VARIABLE", "LAB\r"]);
        assert_eq!(strings(words(br#"STREAM FILE beep """#)), ["STREAM", "FILE", "beep", ""]);
        assert_eq!(words(&b"x ".repeat(200)).len(), COMMAND_WORDS_MAX);
    }

    #[test]
    fn lists_come_apart_as_asterisk_was_seen_to_split_them() {
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        assert_eq!(pairs("A=1,B=2"), [pair("A", "1"), pair("B", "2")]);
        assert_eq!(pairs(r"A=com\,ma,B=x"), [pair("A", "com,ma"), pair("B", "x")]);
        assert_eq!(pairs(r#"A="com,ma",B=x"#), [pair("A", "com,ma"), pair("B", "x")]);
        assert_eq!(pairs("A=(par,en),B=x"), [pair("A", "(par,en)"), pair("B", "x")]);
        assert_eq!(pairs("A=open(,B=x"), [pair("A", "open(,B=x")]);
        assert_eq!(pairs("A=close),B=x"), [pair("A", "close)"), pair("B", "x")]);
        assert_eq!(pairs("A=,B=x"), [pair("A", ""), pair("B", "x")]);
        assert_eq!(pairs("A=a=b,B="), [pair("A", "a=b"), pair("B", "")]);
        assert_eq!(pairs("A=com,ma,NOEQUALS,CALLERID(name)=Eve Q"), [pair("A", "com"), pair("CALLERID(name)", "Eve Q")]);
        assert!(pairs("").is_empty());
    }

    #[test]
    fn a_server_that_writes_no_lines_or_half_a_line_is_found_out() {
        let decode = |text: &[u8]| CommandDecoder::default().decode_eof(&mut BytesMut::from(text));
        assert_eq!(decode(b"NOOP\n").unwrap().unwrap(), "NOOP");
        assert_eq!(decode(b"NO"), Err(CommandLineError::Cut));
        assert_eq!(decode(b"NO\0OP\n"), Err(CommandLineError::Nul));
        assert_eq!(decode(&[b'x'; COMMAND_LINE_BYTES_MAX]), Err(CommandLineError::TooLong));
        assert_eq!(decode(b""), Ok(None));
    }
}
