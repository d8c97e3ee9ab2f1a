//! What FreeSWITCH does to text on its way: variables put in, lists taken apart, values encoded for the wire.
//!
//! Seen in recordings: `v_dollar` and `v_backslash` (set puts variables in twice), `${global_setvar(..)}` that ran
//! inside a value, the `%20` that isn't escaped again. From the source: the order in which backslashes are read, and
//! that a variable's *value* is read for `${…}` as well.

/// How deep values are followed into values; the source stops there too.
const DEPTH_MAX: u32 = 100;
/// The most pieces that multiset makes of its argument.
pub const PIECES_MAX: usize = 256;

/// What `${…}` may name.
pub trait Names {
    /// A channel variable, a field of the caller's profile or a global variable.
    fn value(&self, name: &str) -> Option<String>;
    /// Runs `${name(arguments)}`.
    fn api(&mut self, name: &str, arguments: &str) -> String;
}

/// Whether a text holds `${`.
pub fn has_variable(text: &str) -> bool {
    text.contains("${")
}

/// Backslashes alone make FreeSWITCH read a text only if they stand before one of these.
fn has_escapes(text: &str) -> bool {
    let bytes = text.as_bytes();
    bytes.windows(2).any(|pair| pair[0] == b'\\' && matches!(pair[1], b'\\' | b'n' | b's' | b't' | b'\''))
}

/// Puts variables in.
pub fn expand(names: &mut dyn Names, text: &str) -> String {
    expand_to(names, text, 0)
}

fn expand_to(names: &mut dyn Names, text: &str, depth: u32) -> String {
    if depth > DEPTH_MAX || !(has_variable(text) || has_escapes(text)) {
        return text.to_owned();
    }
    let chars: Vec<char> = text.chars().collect();
    let at = |i: usize| chars.get(i).copied().unwrap_or('\0');
    let (mut out, mut i) = (String::new(), 0);
    while i < chars.len() {
        let mut literal = false;
        if at(i) == '\\' {
            match at(i + 1) {
                '$' => {
                    literal = true;
                    i += if at(i + 2) == '$' { 2 } else { 1 };
                }
                '\'' => {
                    i += 2;
                    continue;
                }
                '\\' => {
                    out.push('\\');
                    i += 2;
                    continue;
                }
                _ => {}
            }
        }
        if at(i) == '$' && !literal {
            if at(i + 1) == '$' {
                i += 1;
            }
            if at(i + 1) == '{' {
                let (inside, after) = braces(&chars, i + 2);
                out.push_str(&value_of(names, &inside, depth));
                // the character behind the brace is copied as it stands, a backslash too
                i = after;
                if i < chars.len() && at(i) != '$' {
                    out.push(at(i));
                    i += 1;
                }
                continue;
            }
        }
        if i < chars.len() {
            out.push(at(i));
        }
        i += 1;
    }
    out
}

/// What stands between braces that begin before `start`, and the place behind them.
fn braces(chars: &[char], start: usize) -> (String, usize) {
    let (mut depth, mut end) = (1, start);
    while end < chars.len() {
        match chars[end] {
            '}' if depth == 1 => return (chars[start..end].iter().collect(), end + 1),
            '{' if end != start => depth += 1,
            '}' => depth -= 1,
            _ => {}
        }
        end += 1;
    }
    (chars[start..].iter().collect(), end)
}

fn value_of(names: &mut dyn Names, inside: &str, depth: u32) -> String {
    if let Some(cut) = inside.find([' ', '(']) {
        let name = inside[..cut].trim_end_matches(' ');
        let rest = &inside[cut + 1..];
        let arguments = if inside[cut..].starts_with('(') { closed(rest) } else { rest };
        let (name, arguments) = (expand_to(names, name, depth + 1), expand_to(names, arguments, depth + 1));
        return names.api(&name, &arguments);
    }
    let name = expand_to(names, inside, depth + 1);
    let mut parts = name.splitn(3, ':');
    let plain = parts.next().unwrap_or_default().to_owned();
    let number = |part: Option<&str>| part.and_then(|p| p.parse::<i64>().ok()).unwrap_or(0);
    let (offset, length) = (number(parts.next()), number(parts.next()));
    let Some(value) = names.value(&plain) else { return String::new() };
    let value: Vec<char> = expand_to(names, &value, depth + 1).chars().collect();
    let from = if offset >= 0 { (offset as usize).min(value.len()) } else { value.len().saturating_sub(offset.unsigned_abs() as usize) };
    let to = if length > 0 { (from + length as usize).min(value.len()) } else { value.len() };
    value[from..to].iter().collect()
}

/// What stands before the parenthesis that closes.
fn closed(text: &str) -> &str {
    let mut depth = 1;
    for (i, c) in text.char_indices() {
        match c {
            '(' => depth += 1,
            ')' if depth == 1 => return &text[..i],
            ')' => depth -= 1,
            _ => {}
        }
    }
    text
}

/// Takes a list apart as `switch_separate_string` does: `^^X` at its beginning chooses the delimiter X.
pub fn separate(text: &str, delimiter: char, pieces_max: usize) -> Vec<String> {
    let (text, delimiter) = match text.strip_prefix("^^").and_then(|rest| Some((rest.chars().next()?, rest))) {
        Some((chosen, rest)) => (&rest[chosen.len_utf8()..], chosen),
        None => (text, delimiter),
    };
    let chars: Vec<char> = text.chars().collect();
    let blank = delimiter == ' ';
    let (mut pieces, mut i) = (Vec::new(), 0);
    while i < chars.len() && pieces.len() < pieces_max {
        while blank && i < chars.len() && chars[i] == ' ' {
            i += 1;
        }
        let (start, mut quoted, mut end) = (i, false, None);
        while i < chars.len() && end.is_none() {
            match chars[i] {
                '\\' => i += 1,
                '\'' if blank || quoted || chars[i + 1..].contains(&'\'') => quoted = !quoted,
                c if c == delimiter && !quoted => end = Some(i),
                _ => {}
            }
            i += 1;
        }
        let last = pieces.len() + 1 == pieces_max;
        let end = if last { chars.len() } else { end.unwrap_or(chars.len()) };
        pieces.push(cleaned(&chars[start..end], if blank { None } else { Some(delimiter) }));
        while blank && i < chars.len() && chars[i] == ' ' {
            i += 1;
        }
    }
    pieces
}

/// A piece without its quotes, escapes and outer spaces.
fn cleaned(piece: &[char], delimiter: Option<char>) -> String {
    let start = piece.iter().position(|c| *c != ' ').unwrap_or(piece.len());
    let piece = &piece[start..];
    let (mut out, mut keep, mut quoted, mut i) = (String::new(), 0, false, 0);
    while i < piece.len() {
        let next = piece.get(i + 1).copied();
        let escaped = match (piece[i], next) {
            ('\\', Some(c @ ('\'' | '"' | '\\'))) => Some(c),
            ('\\', Some(c)) if Some(c) == delimiter => Some(c),
            ('\\', Some('n')) => Some('\n'),
            ('\\', Some('r')) => Some('\r'),
            ('\\', Some('t')) => Some('\t'),
            ('\\', Some('s')) => Some(' '),
            _ => None,
        };
        if let Some(c) = escaped {
            out.push(c);
            keep = out.len();
            i += 2;
            continue;
        }
        if piece[i] == '\'' && (quoted || piece[i + 1..].contains(&'\'')) {
            quoted = !quoted;
            if quoted {
                keep = out.len();
            }
        } else {
            out.push(piece[i]);
            if piece[i] != ' ' || quoted {
                keep = out.len();
            }
        }
        i += 1;
    }
    out.truncate(keep);
    out
}

/// A character that stands for a byte which is no UTF-8: a latin-1 name comes through the fake as it came in.
pub fn raw_byte(byte: u8) -> char {
    char::from_u32(0xf700 + u32::from(byte)).unwrap()
}

/// Bytes as text; those that are no UTF-8 become [`raw_byte`]s.
pub fn text_of(bytes: &[u8]) -> String {
    let chunk = |c: std::str::Utf8Chunk<'_>| c.valid().chars().chain(c.invalid().iter().map(|b| raw_byte(*b))).collect::<String>();
    bytes.utf8_chunks().map(chunk).collect()
}

/// Text as the bytes it came from.
pub fn bytes_of(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    for c in text.chars() {
        match u32::from(c) {
            raw @ 0xf780..=0xf7ff => bytes.push((raw - 0xf700) as u8),
            _ => bytes.extend(c.to_string().bytes()),
        }
    }
    bytes
}

/// A value as headers and form fields carry it. `%` before two of `0-9A-F` is not escaped again.
pub fn url_encoded(text: &str) -> String {
    let bytes = bytes_of(text);
    let hex = |b: Option<&u8>| b.is_some_and(|b| b.is_ascii_digit() || (b'A'..=b'F').contains(b));
    let mut out = String::new();
    for (i, b) in bytes.iter().enumerate() {
        let special = *b <= b' ' || *b > 0x7e || b"\"#%&+:;<=>?@[\\]^`{|}".contains(b);
        let already = *b == b'%' && hex(bytes.get(i + 1)) && hex(bytes.get(i + 2));
        if special && !already { out.push_str(&format!("%{b:02X}")) } else { out.push(char::from(*b)) }
    }
    out
}

/// What an encoded value says.
pub fn url_decoded(text: &str) -> String {
    text_of(&percent_encoding::percent_decode_str(text).collect::<Vec<u8>>())
}
