//! The one encoder of commands: typed fields in, complete lines out.
//!
//! Facts that shaped it (transcripts `agi-exec-mset-roundtrip`, `agi-exec-set`, `agi-srv-line-*`, `agi-srv-pipeline`;
//! `parse_args` in `res/res_agi.c`, `pbx_builtin_setvar_multiple` in `main/pbx_variables.c`):
//!
//! * A value is unquoted twice: by the line (`\` and `"` inside `"…"`), then by MSet's list, where `, \ " ( ) [ ]` act. With
//!   both layers escaped, 750 of 750 odd values came back equal.
//! * A line of 8,192 bytes or more is executed in pieces, and replies are off by one from then on.
//! * MSet splits its list into 24 places on Asterisk 16 (99 later), and the last place takes the rest *unsplit and
//!   unquoted*. So 23 pairs is what every version reads well.
//! * Asterisk answers only the first of several commands in one segment. Lines are sent one by one, each after the reply
//!   to the one before, or all of them followed by FIN.

use crate::wire::agi::Value;
use bytes::BytesMut;
use std::borrow::Cow;

/// Longest command line that Asterisk reads in one piece, newline included (`AGI_BUF_LEN` less the NUL).
pub const COMMAND_LINE_BYTES_MAX: usize = 8_191;

/// Most pairs in one MSet that Asterisk 16 unquotes; see the module's header.
pub const MSET_PAIRS_MAX: usize = 23;

/// Longest variable name accepted, in bytes: what Asterisk itself calls an extension or context is bounded by 80 as well.
pub const VARIABLE_NAME_BYTES_MAX: usize = 80;

/// `NOOP`: does nothing and is answered at once, also on a dead channel. A way to see that the other side still reads.
pub const NOOP: &[u8] = b"NOOP\n";

const MSET_OPEN: &[u8] = b"EXEC MSet \"";
const MSET_CLOSE: &[u8] = b"\"\n";

/// The name of a channel variable, or of a function that can be set like one: `STROWGER_STATUS`, `CALLERID(name)`.
///
/// Letters, digits and `_`, not beginning with a digit; then possibly one word of letters, digits, `_` and `-` in
/// parentheses. Nothing in it needs quoting.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct VariableName(Cow<'static, str>);

impl VariableName {
    /// A name known when the program is built; use it in a `const`, so that a bad one doesn't compile.
    ///
    /// # Panics
    /// When the text is not a variable's name.
    #[must_use]
    pub const fn from_static(name: &'static str) -> Self {
        assert!(is_variable_name(name.as_bytes()), "not the name of a channel variable");
        Self(Cow::Borrowed(name))
    }

    /// A name known only when the program runs.
    ///
    /// # Errors
    /// [`CommandError::BadName`] when the text is not a variable's name.
    pub fn new(name: &str) -> Result<Self, CommandError> {
        if is_variable_name(name.as_bytes()) { Ok(Self(Cow::Owned(name.to_owned()))) } else { Err(CommandError::BadName) }
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

const fn is_variable_name(name: &[u8]) -> bool {
    if name.is_empty() || name.len() > VARIABLE_NAME_BYTES_MAX || name[0].is_ascii_digit() {
        return false;
    }
    let mut at = 0;
    while at < name.len() && (name[at].is_ascii_alphanumeric() || name[at] == b'_') {
        at += 1;
    }
    if at == name.len() {
        return true;
    }
    if at == 0 || name[at] != b'(' {
        return false;
    }
    let inside = at + 1;
    at = inside;
    while at < name.len() && (name[at].is_ascii_alphanumeric() || matches!(name[at], b'_' | b'-')) {
        at += 1;
    }
    at > inside && at + 1 == name.len() && name[at] == b')'
}

/// What can't be sent. Nothing of it has been written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CommandError {
    /// Not the name of a channel variable.
    #[error("not the name of a channel variable")]
    BadName,
    /// One variable alone is longer than a command line can be; shorten its value.
    #[error("variable {name} takes over {COMMAND_LINE_BYTES_MAX} bytes on the wire; shorten its value")]
    ValueTooLong {
        /// The variable.
        name: VariableName,
    },
}

impl std::fmt::Display for VariableName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// Appends `EXEC MSet` lines that set the pairs in the order given, and returns how many lines that took: one, unless the
/// pairs exceed [`COMMAND_LINE_BYTES_MAX`] or [`MSET_PAIRS_MAX`]; none for no pairs. [`lines`] takes them apart again.
///
/// Each line is answered by one reply, `200 result=0` whatever happened. Put what the dialplan tests last.
///
/// # Errors
/// [`CommandError::ValueTooLong`] when one pair doesn't fit into a line of its own; `out` is then as it was.
pub fn mset(pairs: &[(VariableName, Value<'_>)], out: &mut BytesMut) -> Result<usize, CommandError> {
    let before = out.len();
    let mut line_start = before;
    let mut line_count = 0;
    let mut pairs_in_line = 0;
    for (name, value) in pairs {
        let pair_start = out.len();
        if pairs_in_line == 0 || pairs_in_line == MSET_PAIRS_MAX || !append(name, value, line_start, out) {
            if pairs_in_line > 0 {
                out.truncate(pair_start);
                out.extend_from_slice(MSET_CLOSE);
            }
            line_start = out.len();
            line_count += 1;
            pairs_in_line = 0;
            out.extend_from_slice(MSET_OPEN);
            if !append(name, value, line_start, out) {
                out.truncate(before);
                return Err(CommandError::ValueTooLong { name: name.clone() });
            }
        }
        pairs_in_line += 1;
    }
    if pairs_in_line > 0 {
        out.extend_from_slice(MSET_CLOSE);
    }
    Ok(line_count)
}

/// The lines of a buffer that [`mset`] filled, each with its newline.
pub fn lines(commands: &[u8]) -> impl Iterator<Item = &[u8]> {
    commands.split_inclusive(|byte| *byte == b'\n')
}

/// Appends one pair, with a comma if it isn't the line's first; `false` when the line, once closed, would be too long.
fn append(name: &VariableName, value: &Value<'_>, line_start: usize, out: &mut BytesMut) -> bool {
    if out.len() > line_start + MSET_OPEN.len() {
        out.extend_from_slice(b",");
    }
    out.extend_from_slice(name.0.as_bytes());
    out.extend_from_slice(b"=");
    append_quoted(value.as_str().as_bytes(), out);
    out.len() - line_start + MSET_CLOSE.len() <= COMMAND_LINE_BYTES_MAX
}

/// Both layers at once. What acts in the list gets a `\`, which the line layer doubles; `\` and `"` are escaped in both.
fn append_quoted(value: &[u8], out: &mut BytesMut) {
    let mut rest = value;
    while let Some(at) = rest.iter().position(|byte| QUOTED[usize::from(*byte)]) {
        out.extend_from_slice(&rest[..at]);
        out.extend_from_slice(match rest[at] {
            b'\\' => br"\\\\",
            b'"' => br#"\\\""#,
            b',' => br"\\,",
            b'(' => br"\\(",
            b')' => br"\\)",
            b'[' => br"\\[",
            _ => br"\\]",
        });
        rest = &rest[at + 1..];
    }
    out.extend_from_slice(rest);
}

const QUOTED: [bool; 256] = {
    let mut table = [false; 256];
    let acting = br#",\"()[]"#;
    let mut at = 0;
    while at < acting.len() {
        table[acting[at] as usize] = true;
        at += 1;
    }
    table
};

#[cfg(test)]
mod tests {
    use super::*;

    const NAME: VariableName = VariableName::from_static("CALLERID(name)");
    const STATUS: VariableName = VariableName::from_static("STROWGER_STATUS");

    fn encoded(pairs: &[(VariableName, Value<'_>)]) -> String {
        let mut out = BytesMut::new();
        mset(pairs, &mut out).unwrap();
        String::from_utf8(out.to_vec()).unwrap()
    }

    #[test]
    fn all_variables_of_an_answer_go_out_in_one_line() {
        let line = encoded(&[(NAME, Value::new("Ada Lovelace")), (STATUS, Value::new("found"))]);
        assert_eq!(line, "EXEC MSet \"CALLERID(name)=Ada Lovelace,STROWGER_STATUS=found\"\n");
    }

    #[test]
    fn what_acts_in_either_layer_is_escaped_for_both() {
        assert_eq!(
            encoded(&[(STATUS, Value::new(r#"a,b\c"d(e)[f]"#))]),
            concat!(r#"EXEC MSet "STROWGER_STATUS=a\\,b\\\\c\\\"d\\(e\\)\\[f\\]""#, "\n")
        );
    }

    #[test]
    fn names_that_would_need_quoting_are_not_names() {
        for bad in ["", "1A", "A B", "A=", "A,B", "A(", "A()", "(x)", "A(x)y", "A(x", "A(b,c)", "é", "A\n", "${A}"] {
            assert_eq!(VariableName::new(bad), Err(CommandError::BadName), "{bad:?}");
        }
        for good in ["A", "_x", "__INHERITED", "CALLERID(name)", "CALLERID(num-pres)", "CDR(user_field)"] {
            assert_eq!(VariableName::new(good).unwrap().as_str(), good);
        }
        assert!(VariableName::new(&"A".repeat(VARIABLE_NAME_BYTES_MAX + 1)).is_err());
    }

    #[test]
    fn a_line_of_8191_bytes_is_sent_whole_and_one_byte_more_is_refused_or_split() {
        let room = COMMAND_LINE_BYTES_MAX - "EXEC MSet \"A=\"\n".len();
        let name = VariableName::from_static("A");
        let fits = "x".repeat(room);
        assert_eq!(encoded(&[(name.clone(), Value::new(&fits))]).len(), COMMAND_LINE_BYTES_MAX);

        let mut out = BytesMut::from(&b"kept"[..]);
        let long = "x".repeat(room + 1);
        let refused = mset(&[(STATUS, Value::new("found")), (name.clone(), Value::new(&long))], &mut out);
        assert_eq!(refused, Err(CommandError::ValueTooLong { name: name.clone() }));
        assert_eq!(&out[..], b"kept");

        let two = encoded(&[(name, Value::new(&fits)), (STATUS, Value::new("found"))]);
        assert_eq!(two.lines().last(), Some("EXEC MSet \"STROWGER_STATUS=found\""));
    }

    #[test]
    fn the_24th_variable_starts_a_second_line_because_asterisk_16_would_not_unquote_it() {
        let pairs: Vec<_> = (0..24).map(|n| (VariableName::new(&format!("V{n}")).unwrap(), Value::new("a,b"))).collect();
        let mut out = BytesMut::new();
        assert_eq!(mset(&pairs, &mut out), Ok(2));
        let lines: Vec<_> = lines(&out).collect();
        assert_eq!(lines.len(), 2);
        assert_eq!(lines[1], b"EXEC MSet \"V23=a\\\\,b\"\n");
    }

    #[test]
    fn nothing_to_set_sends_nothing() {
        let mut out = BytesMut::new();
        assert_eq!(mset(&[], &mut out), Ok(0));
        assert!(out.is_empty());
    }
}
