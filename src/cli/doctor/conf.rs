//! Files of Asterisk's kind: sections in brackets, `key = value` or `key => value`, comments behind `;`, other files by
//! `#include`, and sections that begin with what others have (`[name](template)`).
//!
//! Included files lie in the configuration's directory, wherever the file lies that names them; `#exec` is never followed,
//! because it runs a program. What wasn't read is remembered: what isn't found may stand there.

use super::file;
use std::path::{Path, PathBuf};
use std::rc::Rc;

/// How deep files may include others; Asterisk has the same bound.
const INCLUDE_DEPTH_MAX: usize = 10;
/// The most files that are read; a site with a file for each manager user has some dozens.
const FILES_MAX: usize = 256;
/// What all of them may have, in bytes: four times the largest one.
const BYTES_MAX: usize = 16 * 1024 * 1024;
/// The most settings. Templates of templates can double them at each line.
const SETTINGS_MAX: usize = 100_000;
/// The most sections: they are looked through for each template.
const SECTIONS_MAX: usize = 5_000;
/// The most names in a directory that a pattern is compared with.
const NAMES_MAX: usize = 10_000;
/// The most remarks on what wasn't read or isn't there; whoever reads them looks at the first ones.
const REMARKS_MAX: usize = 8;

/// A setting: its key in lower case, its value, its file and its line. One that a template gave has the template's place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Setting {
    pub(super) key: String,
    pub(super) value: String,
    pub(super) file: Rc<str>,
    pub(super) line: usize,
}

/// A section as it came to be: first what its templates have, then its own.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Section {
    name: String,
    is_template: bool,
    settings: Vec<Setting>,
}

/// A file with all that it includes.
#[derive(Debug, Default)]
pub(super) struct Conf {
    sections: Vec<Section>,
    files: Vec<PathBuf>,
    unread: Vec<String>,
    missing: Vec<String>,
}

impl Conf {
    /// Reads a file of this directory.
    ///
    /// # Errors
    /// Why the file itself can't be read.
    pub(super) fn read(dir: &Path, name: &str) -> Result<Conf, String> {
        let path = dir.join(name);
        let text = file::read(&path)?;
        let mut reader = Reader { dir, conf: Conf::default(), bytes: text.len(), settings: 0 };
        reader.text(&path, &text, 0, None);
        Ok(reader.conf)
    }

    /// Whether there is a section of this name that is no template. Asterisk doesn't look at the case.
    pub(super) fn has_section(&self, name: &str) -> bool {
        self.of_name(name).next().is_some()
    }

    /// The settings of the sections of this name, in order: the last one of a key counts.
    pub(super) fn settings<'a>(&'a self, section: &str) -> impl DoubleEndedIterator<Item = &'a Setting> {
        self.of_name(section).flat_map(|section| &section.settings)
    }

    /// What a key's last setting in a section says.
    pub(super) fn value(&self, section: &str, key: &str) -> Option<&str> {
        self.settings(section).rev().find(|setting| setting.key == key).map(|setting| setting.value.as_str())
    }

    /// What couldn't or mustn't be read, each with the reason.
    pub(super) fn unread(&self) -> &[String] {
        &self.unread
    }

    /// Sections that others build upon and that aren't there, each with its place.
    pub(super) fn missing(&self) -> &[String] {
        &self.missing
    }

    /// A file of this name among those that were read.
    pub(super) fn file_named(&self, name: &str) -> Option<&Path> {
        self.files.iter().find(|path| path.file_name().is_some_and(|n| n == name)).map(PathBuf::as_path)
    }

    fn of_name<'a>(&'a self, name: &str) -> impl DoubleEndedIterator<Item = &'a Section> {
        self.sections.iter().filter(move |section| !section.is_template && section.name.eq_ignore_ascii_case(name))
    }
}

/// What is remembered while files are read.
struct Reader<'a> {
    dir: &'a Path,
    conf: Conf,
    bytes: usize,
    settings: usize,
}

impl Reader<'_> {
    /// Reads a file's lines. An included file goes on in the section of whoever includes it, and leaves it to him.
    fn text(&mut self, path: &Path, text: &str, depth: usize, mut section: Option<usize>) {
        self.conf.files.push(path.to_owned());
        let place: Rc<str> = path.display().to_string().into();
        for (at, line) in text.lines().enumerate() {
            let (line, number) = (without_comment(line).trim(), at + 1);
            if let Some(rest) = line.strip_prefix('[') {
                section = self.header(rest, &place, number).or(section);
            } else if let Some(directive) = line.strip_prefix('#') {
                self.directive(directive, &place, number, depth, section);
            } else if let Some((key, value)) = line.split_once('=') {
                let value = value.strip_prefix('>').unwrap_or(value).trim().to_owned();
                let setting = Setting { key: key.trim().to_ascii_lowercase(), value, file: place.clone(), line: number };
                self.set(section, [setting]);
            }
        }
    }

    /// `name](template,!)`: the place of the section that it begins, or goes on with.
    fn header(&mut self, rest: &str, place: &str, line: usize) -> Option<usize> {
        let (name, rest) = rest.split_once(']')?;
        let options = rest.strip_prefix('(').map_or("", |rest| rest.split(')').next().unwrap_or_default());
        let words = || options.split(',').map(str::trim).filter(|word| !word.is_empty());
        let there = |conf: &Conf, name: &str| conf.sections.iter().position(|section| section.name.eq_ignore_ascii_case(name));
        let is_addition = words().any(|word| word.starts_with('+'));
        let user = || self.conf.sections.iter().rposition(|s| !s.is_template && s.name.eq_ignore_ascii_case(name));
        let before = if is_addition { user().or_else(|| there(&self.conf, name)) } else { None };
        if is_addition && before.is_none() {
            remark(&mut self.conf.missing, format!("line {line} of {place} adds to [{name}]"));
        }
        if before.is_none() && self.conf.sections.len() == SECTIONS_MAX {
            remark(&mut self.conf.unread, format!("what follows {SECTIONS_MAX} sections"));
            return None;
        }
        let section = before.unwrap_or_else(|| {
            let is_template = words().any(|word| word == "!");
            self.conf.sections.push(Section { name: name.to_owned(), is_template, settings: Vec::new() });
            self.conf.sections.len() - 1
        });
        for word in words().filter(|word| *word != "!" && !word.starts_with('+')) {
            match there(&self.conf, word) {
                // the section itself, just begun, is no template of its own
                Some(base) if base != section => {
                    let room = SETTINGS_MAX.saturating_sub(self.settings) + 1;
                    let inherited: Vec<Setting> = self.conf.sections[base].settings.iter().take(room).cloned().collect();
                    self.set(Some(section), inherited);
                }
                _ => remark(&mut self.conf.missing, format!("line {line} of {place} takes from [{word}]")),
            }
        }
        Some(section)
    }

    /// Settings in front of all sections count for none.
    fn set(&mut self, section: Option<usize>, settings: impl IntoIterator<Item = Setting>) {
        let Some(section) = section.and_then(|at| self.conf.sections.get_mut(at)) else { return };
        for setting in settings {
            if self.settings == SETTINGS_MAX {
                return remark(&mut self.conf.unread, format!("what follows {SETTINGS_MAX} settings"));
            }
            self.settings += 1;
            section.settings.push(setting);
        }
    }

    fn directive(&mut self, directive: &str, place: &str, line: usize, depth: usize, section: Option<usize>) {
        let (word, name) = directive.split_once([' ', '\t']).unwrap_or((directive, ""));
        let name = name.trim().trim_matches(['"', '<', '>']);
        let may_lack = word.eq_ignore_ascii_case("tryinclude");
        if word.eq_ignore_ascii_case("exec") {
            remark(&mut self.conf.unread, format!("line {line} of {place} (#exec {name}, a program that isn't run here)"));
        } else if may_lack || word.eq_ignore_ascii_case("include") {
            for path in self.matching(name) {
                self.include(&path, may_lack, depth + 1, section);
            }
        }
    }

    fn include(&mut self, path: &Path, may_lack: bool, depth: usize, section: Option<usize>) {
        if may_lack && !path.exists() {
            return;
        }
        let read = match () {
            () if depth > INCLUDE_DEPTH_MAX => Err(format!("it is included {depth} deep, more than {INCLUDE_DEPTH_MAX}")),
            () if self.conf.files.len() == FILES_MAX => Err(format!("more than {FILES_MAX} files")),
            () => file::read(path),
        };
        let read = read.and_then(|text| match self.bytes.saturating_add(text.len()) {
            bytes if bytes > BYTES_MAX => Err(format!("all files have more than {BYTES_MAX} bytes")),
            bytes => Ok((text, bytes)),
        });
        match read {
            Ok((text, bytes)) => {
                self.bytes = bytes;
                self.text(path, &text, depth, section);
            }
            Err(why) => remark(&mut self.conf.unread, format!("{} ({why})", path.display())),
        }
    }

    /// The files that a name stands for, in order. `*` in its last part stands for anything but a dot in front.
    fn matching(&mut self, name: &str) -> Vec<PathBuf> {
        let path = self.dir.join(name);
        let is_pattern = |text: &str| text.contains(['*', '?', '[', '{']);
        let (Some(parent), Some(last)) = (path.parent(), path.file_name().and_then(|last| last.to_str())) else { return Vec::new() };
        if !is_pattern(name) {
            return vec![path];
        }
        if last.contains(['?', '[', '{']) || name.strip_suffix(last).is_none_or(is_pattern) {
            remark(&mut self.conf.unread, format!("{} (only * in the last part of a name is understood here)", path.display()));
            return Vec::new();
        }
        let entries = match std::fs::read_dir(parent) {
            Ok(entries) => entries,
            Err(why) => {
                remark(&mut self.conf.unread, format!("{} ({why})", path.display()));
                return Vec::new();
            }
        };
        let names: Vec<String> = entries.take(NAMES_MAX).flatten().filter_map(|entry| entry.file_name().into_string().ok()).collect();
        if names.len() == NAMES_MAX {
            remark(&mut self.conf.unread, format!("{} (the directory has {NAMES_MAX} files or more)", path.display()));
        }
        let mut names: Vec<String> = names.into_iter().filter(|name| !name.starts_with('.') && fits(last, name)).collect();
        names.sort_unstable();
        names.into_iter().map(|name| parent.join(name)).collect()
    }
}

/// Whether a name fits a pattern whose `*` stand for anything.
fn fits(pattern: &str, name: &str) -> bool {
    let Some((first, rest)) = pattern.split_once('*') else { return pattern == name };
    let Some(mut name) = name.strip_prefix(first) else { return false };
    let mut parts: Vec<&str> = rest.split('*').collect();
    let last = parts.pop().unwrap_or_default();
    for part in parts {
        // the leftmost place leaves the most room for the parts behind
        let Some(at) = name.find(part) else { return false };
        name = &name[at + part.len()..];
    }
    name.ends_with(last)
}

/// Adds a remark, where there is room for one.
fn remark(remarks: &mut Vec<String>, text: String) {
    match remarks.len() {
        _ if remarks.contains(&text) => {}
        REMARKS_MAX => remarks.push("more".to_owned()),
        n if n < REMARKS_MAX => remarks.push(text),
        _ => {}
    }
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

#[cfg(test)]
#[path = "conf_tests.rs"]
mod tests;
