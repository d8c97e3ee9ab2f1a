//! Files of Asterisk's kind: sections in brackets, `key = value` or `key => value`, comments behind `;`.

use std::path::Path;

/// The largest file that is looked at, in bytes; larger ones are somebody's database.
pub(super) const FILE_BYTES_MAX: u64 = 4 * 1024 * 1024;

/// A setting: its section, its key in lower case, its value, and its line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Setting {
    pub(super) section: String,
    pub(super) key: String,
    pub(super) value: String,
    pub(super) line: usize,
}

/// A file's text; why not, where it can't be read.
pub(super) fn read(path: &Path) -> Result<String, String> {
    let meta = std::fs::metadata(path).map_err(|e| e.to_string())?;
    if meta.len() > FILE_BYTES_MAX {
        return Err(format!("it has {} bytes, more than {FILE_BYTES_MAX}", meta.len()));
    }
    std::fs::read(path).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).map_err(|e| e.to_string())
}

/// What stands in front of a comment. `\;` is a semicolon.
fn without_comment(line: &str) -> &str {
    let mut before = ' ';
    for (at, c) in line.char_indices() {
        if c == ';' && before != '\\' {
            return &line[..at];
        }
        before = c;
    }
    line
}

/// Every setting, in order. Templates and additions (`[name](template)`) count as sections of that name.
pub(super) fn settings(text: &str) -> Vec<Setting> {
    let (mut section, mut settings) = (String::new(), Vec::new());
    for (at, line) in text.lines().enumerate() {
        let line = without_comment(line).trim();
        if let Some(rest) = line.strip_prefix('[') {
            section = rest.split(']').next().unwrap_or_default().to_owned();
        } else if let Some((key, value)) = line.split_once('=') {
            let value = value.strip_prefix('>').unwrap_or(value).trim().to_owned();
            settings.push(Setting { section: section.clone(), key: key.trim().to_ascii_lowercase(), value, line: at + 1 });
        }
    }
    settings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_read_as_asterisk_reads_them() {
        let text = "a = 0\n[general] ; x\nEnabled=yes;no\nport => 5038\n\n[u](t)\nsecret = a\\;b ; c\n;dead = 1\n";
        let read: Vec<_> = settings(text).into_iter().map(|s| (s.section, s.key, s.value, s.line)).collect();
        let own = |s: &str, k: &str, v: &str, l| (s.to_owned(), k.to_owned(), v.to_owned(), l);
        assert_eq!(
            read,
            [own("", "a", "0", 1), own("general", "enabled", "yes", 3), own("general", "port", "5038", 4), own("u", "secret", "a\\;b", 7)]
        );
    }
}
