//! What the applications that set variables do with their argument, as FreeSWITCH was seen to do it.
//!
//! * Every argument is expanded before its application runs, and `set` and `multiset` expand each value once more
//!   (recorded: a backslash in front of `${api(…)}` keeps it from running the first time only).
//! * `multiset` takes its list apart at blanks, or at `X` where it begins with `^^X`. An apostrophe opens a quoted run if
//!   another one follows *anywhere* behind it, in another value too; a backslash takes the next character as it is; blanks
//!   around a piece are dropped (`separate_string_char_delim`, `cleanup_separated_string` in switch_utils.c).
//! * A value that is empty takes the variable away.
//!
//! Nothing is expanded here: a server's text must never hold anything that would be, so that is a [`Finding`].

use memchr::{memchr, memmem};
use std::fmt;

/// Most pieces of a list; the last one takes what is left as it is (the array in `multiset`'s code).
pub const MULTISET_PIECES_MAX: usize = 256;

/// What a server should not have written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Finding {
    /// A text in an argument that the switch would have replaced by something else.
    Expanded {
        /// From the `$` to the brace that closes, if one does.
        text: Vec<u8>,
        /// It is a call of the switch's API, and not just a variable.
        executes: bool,
    },
    /// An application without a variable's name.
    NoName {
        /// Which.
        application: String,
    },
    /// An application that isn't played here. If FreeSWITCH doesn't know it either, it hangs the call up.
    NotPlayed {
        /// Which.
        application: String,
    },
    /// A `sendmsg` that isn't `call-command: execute` in lower case.
    NothingDone,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Expanded { text, executes: true } => {
                write!(f, "the switch would have executed {}", String::from_utf8_lossy(text))
            }
            Self::Expanded { text, executes: false } => {
                write!(f, "the switch would have put something else in place of {}", String::from_utf8_lossy(text))
            }
            Self::NoName { application } => write!(f, "{application} names no variable; the switch would have done nothing"),
            Self::NotPlayed { application } => {
                write!(f, "{application} isn't played here; a switch that doesn't know it hangs up with DESTINATION_OUT_OF_ORDER")
            }
            Self::NothingDone => {
                write!(f, "the switch says +OK to this sendmsg and does nothing: it wants call-command: execute, in lower case")
            }
        }
    }
}

/// A channel's variables, as far as a server has set them.
#[derive(Debug, Clone, Default)]
pub struct Channel {
    /// What was set, in order; an empty value took the variable away. Fields of the caller's profile stand here as
    /// `profile:NAME`.
    pub variables: Vec<(String, Vec<u8>)>,
    /// What the server should not have written; each once.
    pub findings: Vec<Finding>,
}

impl Channel {
    /// What a variable is set to; `None` if it isn't.
    #[must_use]
    pub fn variable(&self, name: &str) -> Option<&[u8]> {
        let last = self.variables.iter().rev().find(|(set, _)| set == name);
        last.map(|(_, value)| value.as_slice()).filter(|value| !value.is_empty())
    }

    /// Does what an application does with variables; whether it is one of those that do.
    pub fn execute(&mut self, application: &[u8], argument: &[u8]) -> bool {
        let name = String::from_utf8_lossy(application).to_ascii_lowercase();
        if !matches!(name.as_str(), "set" | "export" | "multiset" | "unset" | "set_profile_var") {
            return false;
        }
        let argument = self.expand(argument);
        match name.as_str() {
            "multiset" => match argument.strip_prefix(b"^^").and_then(<[u8]>::split_first) {
                Some((delimiter, list)) => self.set_all(&name, list, *delimiter),
                None => self.set_all(&name, &argument, b' '),
            },
            "unset" => self.hold(&name, &argument, Vec::new()),
            "set_profile_var" => {
                let (field, value) = split_at_byte(&argument, b'=').unwrap_or((&argument, b""));
                let value = value.to_vec();
                self.hold(&name, &[b"profile:", field].concat(), value);
            }
            _ => self.set(&name, &argument),
        }
        true
    }

    /// Notes something that the server should not have written.
    pub fn find(&mut self, finding: Finding) {
        if !self.findings.contains(&finding) {
            self.findings.push(finding);
        }
    }

    fn set_all(&mut self, application: &str, list: &[u8], delimiter: u8) {
        for piece in pieces(list, delimiter) {
            self.set(application, &piece);
        }
    }

    /// `base_set` in mod_dptools.c: the first `=` parts name and value, else the first comma.
    fn set(&mut self, application: &str, argument: &[u8]) {
        let parted = split_at_byte(argument, b'=').or_else(|| split_at_byte(argument, b','));
        let (name, value) = parted.unwrap_or((argument, b""));
        let value = self.expand(value);
        self.hold(application, name, value);
    }

    fn hold(&mut self, application: &str, name: &[u8], value: Vec<u8>) {
        if name.is_empty() || name == b"profile:" {
            self.find(Finding::NoName { application: application.to_owned() });
        } else {
            self.variables.push((String::from_utf8_lossy(name).into_owned(), value));
        }
    }

    /// One pass of `switch_channel_expand_variables`, less the expanding. It looks at a text only if that holds `${`, or a
    /// backslash in front of one of `\ n s t '`; then `\\` becomes `\`, `\$` and `$$` become `$`, and `\'` vanishes.
    pub fn expand(&mut self, text: &[u8]) -> Vec<u8> {
        let is_escape = |pair: &[u8]| pair[0] == b'\\' && matches!(pair[1], b'\\' | b'n' | b's' | b't' | b'\'');
        if memmem::find(text, b"${").is_none() && !text.windows(2).any(is_escape) {
            return text.to_vec();
        }
        let mut out = Vec::with_capacity(text.len());
        let mut rest = text;
        while let Some((&byte, tail)) = rest.split_first() {
            rest = match (byte, tail) {
                (b'\\', [b'\'', after @ ..]) => after,
                (b'\\', [b'\\', after @ ..]) => {
                    out.push(b'\\');
                    after
                }
                (b'\\', [b'$', b'$', after @ ..] | [b'$', after @ ..]) => {
                    out.push(b'$');
                    after
                }
                (b'$', [b'{', ..] | [b'$', b'{', ..]) => {
                    let end = memchr(b'}', rest).map_or(rest.len(), |at| at + 1);
                    let found = &rest[..end];
                    let executes = found.iter().any(|byte| matches!(byte, b'(' | b' '));
                    self.find(Finding::Expanded { text: found.to_vec(), executes });
                    out.extend_from_slice(found);
                    &rest[end..]
                }
                (b'$', [b'$', after @ ..]) => {
                    out.push(b'$');
                    after
                }
                (byte, tail) => {
                    out.push(byte);
                    tail
                }
            };
        }
        out
    }
}

fn split_at_byte(text: &[u8], byte: u8) -> Option<(&[u8], &[u8])> {
    memchr(byte, text).map(|at| (&text[..at], &text[at + 1..]))
}

/// Takes a list apart, as `multiset` does: its pieces, less quotes, escapes and the blanks around them.
#[must_use]
pub fn pieces(list: &[u8], delimiter: u8) -> Vec<Vec<u8>> {
    separate(list, delimiter).into_iter().map(|piece| cleaned(piece, delimiter)).collect()
}

/// Takes a list apart; the pieces keep their quotes and escapes. Parted by blanks, empty pieces don't count.
fn separate(list: &[u8], delimiter: u8) -> Vec<&[u8]> {
    let mut pieces = Vec::new();
    let (mut start, mut at, mut quoted) = (0, 0, false);
    while at < list.len() && pieces.len() + 1 < MULTISET_PIECES_MAX {
        match list[at] {
            b'\\' => at += 1,
            b'\'' if quoted || memchr(b'\'', &list[at + 1..]).is_some() => quoted = !quoted,
            byte if byte == delimiter && !quoted => {
                pieces.push(&list[start..at]);
                start = at + 1;
            }
            _ => {}
        }
        at += 1;
    }
    if start < list.len() {
        pieces.push(&list[start..]);
    }
    if delimiter == b' ' {
        pieces.retain(|piece| !piece.is_empty());
    }
    pieces
}

/// A piece without its quotes and escapes, and without the blanks around it.
fn cleaned(piece: &[u8], delimiter: u8) -> Vec<u8> {
    let piece = &piece[piece.iter().take_while(|byte| **byte == b' ').count()..];
    let (mut out, mut end, mut quoted, mut at) = (Vec::with_capacity(piece.len()), 0, false, 0);
    while at < piece.len() {
        let (byte, next) = (piece[at], piece.get(at + 1).copied());
        let escaped = match next {
            Some(b'n') => Some(b'\n'),
            Some(b'r') => Some(b'\r'),
            Some(b't') => Some(b'\t'),
            Some(b's') => Some(b' '),
            Some(byte) if byte == delimiter || matches!(byte, b'\'' | b'"' | b'\\') => Some(byte),
            _ => None,
        };
        match (byte, escaped) {
            (b'\\', Some(escaped)) => {
                out.push(escaped);
                end = out.len();
                at += 1;
            }
            (b'\'', _) if quoted || memchr(b'\'', &piece[at + 1..]).is_some() => {
                quoted = !quoted;
                if quoted {
                    end = out.len();
                }
            }
            _ => {
                out.push(byte);
                if byte != b' ' || quoted {
                    end = out.len();
                }
            }
        }
        at += 1;
    }
    out.truncate(end);
    out
}
