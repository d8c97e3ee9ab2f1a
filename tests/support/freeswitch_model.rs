//! What FreeSWITCH 1.10.12 does with a command that sets variables, as far as text without `${` goes: it reads the
//! message, expands the argument, takes a multiset's list apart, expands each value, and sets it.
//!
//! Written after what `switch_channel_expand_variables_check`, `switch_separate_string`, `multiset_function` and
//! `base_set` do; `tests/esl_transcripts.rs` holds it against recordings.

// each test binary uses a part of this
#![allow(dead_code)]

/// Places that multiset's list is taken into.
const PLACES: usize = 256;

/// One application that FreeSWITCH was told to run, with its argument.
#[derive(Debug, PartialEq, Eq)]
pub struct Execution {
    pub app: String,
    pub argument: Vec<u8>,
}

/// Reads `sendmsg` commands, one behind the other.
pub fn executions(mut commands: &[u8]) -> Vec<Execution> {
    let mut executions = Vec::new();
    while !commands.is_empty() {
        let end = commands.windows(2).position(|pair| pair == b"\n\n").expect("a command has an end");
        let head = std::str::from_utf8(&commands[..end]).expect("headers are ours, and ASCII");
        let field = |name: &str| head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
        assert_eq!((head.lines().next(), field("call-command")), (Some("sendmsg"), Some("execute")), "{head:?}");
        let length = field("content-length").map_or(0, |digits| digits.parse().expect("a length is a number"));
        let body = &commands[end + 2..end + 2 + length];
        // a body counts beside a content type only
        let argument = if field("content-type") == Some("text/plain") { body } else { b"" };
        let app = field("execute-app-name").expect("an application is named").to_owned();
        executions.push(Execution { app, argument: argument.to_vec() });
        commands = &commands[end + 2 + length..];
    }
    executions
}

/// What these executions set, in order: names and values, an empty value being none.
pub fn assignments(executions: &[Execution]) -> Vec<(String, Vec<u8>)> {
    let mut set = Vec::new();
    for Execution { app, argument } in executions {
        let argument = expand(argument);
        match app.as_str() {
            "set" => set.push(assign(&argument, expand)),
            "multiset" => {
                let (delimiter, list) = match argument.strip_prefix(b"^^") {
                    Some(rest) => (rest[0], &rest[1..]),
                    None => (b' ', &argument[..]),
                };
                set.extend(separate(list, delimiter).iter().map(|pair| assign(pair, expand)));
            }
            "set_profile_var" => set.push(assign(&argument, <[u8]>::to_vec)),
            other => panic!("{other} sets nothing"),
        }
    }
    set
}

fn assign(pair: &[u8], expand: impl Fn(&[u8]) -> Vec<u8>) -> (String, Vec<u8>) {
    let at = pair.iter().position(|byte| *byte == b'=').expect("a pair has an equals sign");
    (String::from_utf8(pair[..at].to_vec()).expect("names are ours"), expand(&pair[at + 1..]))
}

/// One expansion of text that opens none: it is touched only where it holds an escape that the switch looks for, and
/// then loses every second backslash and dollar of a run, and `\'`.
pub fn expand(text: &[u8]) -> Vec<u8> {
    assert!(!text.windows(2).any(|pair| pair == b"${"), "an expansion is open: {}", text.escape_ascii());
    let mut escapes = false;
    let mut at = 0;
    // the byte behind a backslash is looked at twice: as its escape, and as the next backslash
    while let Some(offset) = text[at..].iter().position(|byte| *byte == b'\\') {
        at += offset + 1;
        escapes |= text.get(at).is_some_and(|byte| matches!(byte, b'\\' | b'n' | b's' | b't' | b'\''));
    }
    if !escapes {
        return text.to_vec();
    }
    let mut out = Vec::new();
    let mut at = 0;
    while at < text.len() {
        let (byte, next) = (text[at], text.get(at + 1).copied());
        at += match (byte, next) {
            (b'\\', Some(b'\'')) => 2,
            (b'\\', Some(b'\\')) => {
                out.push(b'\\');
                2
            }
            (b'\\', Some(b'$')) => {
                out.push(b'$');
                if text.get(at + 2) == Some(&b'$') { 3 } else { 2 }
            }
            (b'$', Some(b'$')) => {
                out.push(b'$');
                2
            }
            _ => {
                out.push(byte);
                1
            }
        };
    }
    out
}

/// Takes a list apart at a delimiter that is no space, and cleans the parts.
pub fn separate(list: &[u8], delimiter: u8) -> Vec<Vec<u8>> {
    if delimiter == b' ' {
        return list.split(|byte| *byte == b' ').filter(|part| !part.is_empty()).map(<[u8]>::to_vec).collect();
    }
    let (mut parts, mut start, mut at, mut quoted) = (Vec::new(), 0, 0, false);
    while at < list.len() {
        match list[at] {
            b'\\' => at += 1,
            b'\'' if quoted || list[at + 1..].contains(&b'\'') => quoted = !quoted,
            byte if byte == delimiter && !quoted && parts.len() + 1 < PLACES => {
                parts.push(clean(&list[start..at], delimiter));
                start = at + 1;
            }
            _ => {}
        }
        at += 1;
    }
    if start < list.len() {
        parts.push(clean(&list[start..], delimiter));
    }
    parts
}

/// A part without its quotes, its escapes undone, and without the spaces at its ends.
fn clean(part: &[u8], delimiter: u8) -> Vec<u8> {
    let part = &part[part.iter().position(|byte| *byte != b' ').unwrap_or(part.len())..];
    let (mut out, mut end, mut quoted, mut at) = (Vec::new(), 0, false, 0);
    while at < part.len() {
        let byte = part[at];
        let escaped = part.get(at + 1).filter(|_| byte == b'\\').and_then(|next| match next {
            b'n' => Some(b'\n'),
            b'r' => Some(b'\r'),
            b't' => Some(b'\t'),
            b's' => Some(b' '),
            b'\'' | b'"' | b'\\' => Some(*next),
            next if *next == delimiter => Some(delimiter),
            _ => None,
        });
        if let Some(literal) = escaped {
            out.push(literal);
            end = out.len();
            at += 1;
        } else if byte == b'\'' && (quoted || part[at + 1..].contains(&b'\'')) {
            quoted = !quoted;
            if quoted {
                end = out.len();
            }
        } else {
            out.push(byte);
            if byte != b' ' || quoted {
                end = out.len();
            }
        }
        at += 1;
    }
    out.truncate(end);
    out
}
