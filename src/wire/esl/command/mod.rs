//! The one encoder of commands: typed fields in, complete commands out, header and body in one piece.
//!
//! Facts that shaped it (transcripts `out-10-body-vs-header`, `out-11-values`, `out-31-expansion`, `out-32-…`;
//! `multiset_function` in `mod_dptools.c`, `switch_separate_string` in `switch_utils.c`,
//! `switch_channel_expand_variables_check` in `switch_channel.c`, all 1.10.12):
//!
//! * FreeSWITCH reads headers byte by byte and a body at once, so an argument goes as the body. It counts only beside
//!   `content-type: text/plain` and without an `execute-app-arg`.
//! * One `multiset` costs about as much as one `set`. `^^\x01` makes `\x01` part its list, and no value holds one.
//! * multiset takes its list apart with quotes and escapes, and every argument is expanded, once or twice
//!   ([`crate::expansion`]). So a value that multiset would tear goes by a `set` of its own.

mod inbound;
mod names;

pub use super::value::Value;
pub use inbound::{api, auth, bgapi, events_json, filter, userauth};
pub use names::{ApiName, AppName, EventName, HeaderName, JobId, NAME_BYTES_MAX, Subclass, VariableName};

use crate::expansion::{escaped, is_torn_by_multiset};
use bytes::BytesMut;
use std::fmt::Write as _;

/// The first command on a socket that FreeSWITCH opened; the reply is the call's data. Again, later: a fresh copy.
pub const CONNECT: &[u8] = b"connect\n\n";

/// Ends the session; a notice and the end of the stream follow. On a call's socket it needn't be waited for.
pub const EXIT: &[u8] = b"exit\n\n";

/// Makes the dialplan go on when an *async* session ends. In a sync session it would leave the call stuck for ever.
pub const RESUME: &[u8] = b"resume\n\n";

/// Does nothing, is not answered, and makes FreeSWITCH look at once for events to send.
pub const KEEP_ALIVE: &[u8] = b"\n";

/// What stands behind a body, which it isn't part of: FreeSWITCH skips blank lines between commands, and every body that
/// was recorded had one behind it.
const BODY_END: &[u8] = b"\n";

/// Most pairs in one multiset: it takes its list into 256 places, and the last would take the rest unsplit.
pub const MULTISET_PAIRS_MAX: usize = 255;

/// What parts the pairs of a multiset.
const DELIMITER: u8 = 0x01;
const MULTISET_OPEN: &[u8] = b"^^\x01";

const SET: AppName = AppName::from_static("set");
const MULTISET: AppName = AppName::from_static("multiset");
const SET_PROFILE_VAR: AppName = AppName::from_static("set_profile_var");

/// The caller's name in the profile, which is what a phone is shown.
const CALLER_ID_NAME: VariableName = VariableName::from_static("caller_id_name");

/// How often `set` and multiset have an argument expanded, and how often any application.
const EXPANSIONS_OF_SET: u32 = 2;
const EXPANSIONS: u32 = 1;

/// What can't be sent. Nothing of it has been written, and nothing of it is repeated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CommandError {
    /// Not a name of its kind.
    #[error("not {wanted}")]
    BadName {
        /// What it should have been.
        wanted: &'static str,
    },
    /// A line end or another control character in a text.
    #[error("the {field} holds a control character; a command is one line")]
    ControlCharacter {
        /// Which text.
        field: &'static str,
    },
    /// A text that the switch would read as something else, or that is empty.
    #[error("the {field} can't be written so that the switch reads it as it is")]
    Unwritable {
        /// Which text.
        field: &'static str,
    },
    /// A subscription to nothing; the switch would answer `-ERR no keywords supplied`.
    #[error("no events to subscribe to")]
    NoEvents,
}

/// Appends commands that set all pairs, and returns how many: one `multiset`, and in front of it one `set` for each value
/// that multiset would tear (see the module's header). An empty value unsets. None for no pairs.
///
/// Each is answered by one `+OK`, whatever happened. Put what the dialplan tests last, and let that be a plain word: the
/// last plain pair is set after all others.
pub fn variables(pairs: &[(VariableName, Value<'_>)], out: &mut BytesMut) -> usize {
    let mut command_count = 0;
    for (name, value) in pairs.iter().filter(|(_, value)| is_torn_by_multiset(value.as_str())) {
        assign(SET, name, value, EXPANSIONS_OF_SET, out);
        command_count += 1;
    }
    let mut plain = pairs.iter().filter(|(_, value)| !is_torn_by_multiset(value.as_str())).peekable();
    while plain.peek().is_some() {
        multiset(plain.by_ref().take(MULTISET_PAIRS_MAX), out);
        command_count += 1;
    }
    command_count
}

/// Appends the command that makes a text the caller's name, as phones are shown it. It is answered by one `+OK`.
pub fn profile_name(name: &Value<'_>, out: &mut BytesMut) {
    assign(SET_PROFILE_VAR, &CALLER_ID_NAME, name, EXPANSIONS, out);
}

/// Appends the command that runs an application. The application gets the argument as it is here; one that expands it
/// once more (`set`, `export`) has [`variables`].
///
/// Answered by one `+OK`: on a sync socket when the application has finished, on an async one at once.
///
/// # Errors
/// [`CommandError::Unwritable`] for an argument that begins with `%[` or `%`, any character and `[`: the switch would take
/// variables from it.
pub fn execute(app: AppName, argument: &Value<'_>, out: &mut BytesMut) -> Result<(), CommandError> {
    let text = argument.as_str();
    let mut chars = text.bytes();
    if chars.next() == Some(b'%') && chars.take(2).any(|byte| byte == b'[') {
        return Err(CommandError::Unwritable { field: "argument" });
    }
    if text.is_empty() {
        open(&app, out);
        out.extend_from_slice(b"\n");
    } else {
        let text = escaped(text, EXPANSIONS);
        with_body(&app, text.len(), out);
        out.extend_from_slice(text.as_bytes());
        out.extend_from_slice(BODY_END);
    }
    Ok(())
}

/// `sendmsg`, up to where the argument's headers begin.
fn open(app: &AppName, out: &mut BytesMut) {
    out.extend_from_slice(b"sendmsg\ncall-command: execute\nexecute-app-name: ");
    out.extend_from_slice(app.as_str().as_bytes());
    out.extend_from_slice(b"\n");
}

/// `sendmsg`, up to where a body of this length begins.
fn with_body(app: &AppName, body_bytes: usize, out: &mut BytesMut) {
    open(app, out);
    write!(out, "content-type: text/plain\ncontent-length: {body_bytes}\n\n").expect("writing into memory can't fail");
    out.reserve(body_bytes);
}

/// An application whose argument is `name=value`.
fn assign(app: AppName, name: &VariableName, value: &Value<'_>, expansions: u32, out: &mut BytesMut) {
    let value = escaped(value.as_str(), expansions);
    with_body(&app, name.as_str().len() + 1 + value.len(), out);
    out.extend_from_slice(name.as_str().as_bytes());
    out.extend_from_slice(b"=");
    out.extend_from_slice(value.as_bytes());
    out.extend_from_slice(BODY_END);
}

/// One multiset of pairs that it doesn't tear.
fn multiset<'a>(pairs: impl Iterator<Item = &'a (VariableName, Value<'a>)>, out: &mut BytesMut) {
    let pairs: Vec<_> = pairs.map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let pair_bytes: usize = pairs.iter().map(|(name, value)| name.len() + 1 + value.len()).sum();
    with_body(&MULTISET, MULTISET_OPEN.len() + pair_bytes + pairs.len() - 1, out);
    out.extend_from_slice(MULTISET_OPEN);
    for (at, (name, value)) in pairs.iter().enumerate() {
        if at > 0 {
            out.extend_from_slice(&[DELIMITER]);
        }
        out.extend_from_slice(name.as_bytes());
        out.extend_from_slice(b"=");
        out.extend_from_slice(value.as_bytes());
    }
    out.extend_from_slice(BODY_END);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> VariableName {
        VariableName::new(text).unwrap()
    }

    fn sent(pairs: &[(&str, &str)]) -> Vec<String> {
        let pairs: Vec<_> = pairs.iter().map(|(n, v)| (name(n), Value::new(v))).collect();
        let mut out = BytesMut::new();
        let count = variables(&pairs, &mut out);
        let text = String::from_utf8(out.to_vec()).unwrap();
        let commands: Vec<_> = text.split("sendmsg\ncall-command: execute\nexecute-app-name: ").skip(1).map(str::to_owned).collect();
        assert_eq!(commands.len(), count);
        commands
    }

    #[test]
    fn all_variables_of_an_answer_go_out_in_one_multiset() {
        let mut out = BytesMut::new();
        let pairs = [(name("a"), Value::new("x, y; z|1")), (name("b"), Value::EMPTY), (name("strowger_STATUS"), Value::new("found"))];
        assert_eq!(variables(&pairs, &mut out), 1);
        assert_eq!(
            out,
            "sendmsg\ncall-command: execute\nexecute-app-name: multiset\ncontent-type: text/plain\ncontent-length: 39\n\n\
             ^^\u{1}a=x, y; z|1\u{1}b=\u{1}strowger_STATUS=found\n"
        );
    }

    #[test]
    fn a_value_that_multiset_would_tear_is_set_by_itself_and_before_all_others() {
        let head = |app: &str, body: &str| format!("{app}\ncontent-type: text/plain\ncontent-length: {}\n\n{body}\n", body.len());
        assert_eq!(
            sent(&[("a", "O'Brien"), ("b", "2"), ("c", " x"), ("d", "x "), ("status", "found")]),
            [head("set", "a=O'Brien"), head("set", "c= x"), head("set", "d=x "), head("multiset", "^^\u{1}b=2\u{1}status=found")]
        );
        assert_eq!(sent(&[("a", "'")]), [head("set", "a='")]);
        assert!(sent(&[]).is_empty());
    }

    #[test]
    fn backslashes_and_the_dollars_beside_them_are_written_for_both_expansions() {
        let body = |value| sent(&[("a", value)])[0].split_once("\n\n").unwrap().1.trim_end_matches('\n').to_owned();
        assert_eq!(body(r"C:\new"), r"a=C:\\\\new");
        assert_eq!(body(r"\$5"), r"a=\\\\$$$$5");
        assert_eq!(body("$$5 ${x}"), "^^\u{1}a=$$5 {x}");
        let mut out = BytesMut::new();
        profile_name(&Value::new(r"A\B$"), &mut out);
        assert!(
            out.ends_with(b"execute-app-name: set_profile_var\ncontent-type: text/plain\ncontent-length: 21\n\ncaller_id_name=A\\\\B$$\n")
        );
    }

    #[test]
    fn the_256th_variable_starts_a_second_multiset() {
        let pairs: Vec<_> = (0..=MULTISET_PAIRS_MAX).map(|n| (name(&format!("v{n}")), Value::new("x"))).collect();
        let mut out = BytesMut::new();
        assert_eq!(variables(&pairs, &mut out), 2);
        assert!(out.ends_with(b"content-length: 9\n\n^^\x01v255=x\n"));
    }

    #[test]
    fn an_application_gets_its_argument_as_a_body_and_none_if_there_is_none() {
        let run = |argument: &str| {
            let mut out = BytesMut::new();
            execute(AppName::from_static("hangup"), &Value::new(argument), &mut out).map(|()| String::from_utf8(out.to_vec()).unwrap())
        };
        assert_eq!(run("").unwrap(), "sendmsg\ncall-command: execute\nexecute-app-name: hangup\n\n");
        assert_eq!(
            run("USER\nBUSY").unwrap(),
            "sendmsg\ncall-command: execute\nexecute-app-name: hangup\ncontent-type: text/plain\ncontent-length: 9\n\nUSER BUSY\n"
        );
        for scope in ["%[a=b]x", "%,[a=b]x"] {
            assert_eq!(run(scope), Err(CommandError::Unwritable { field: "argument" }));
        }
        assert!(run("%5[").is_err());
        assert!(run("100%[").is_ok());
    }
}
