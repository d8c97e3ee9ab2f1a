//! What a caller is called: which of the contacts with his number, what where there is none, and whether the name that the
//! trunk sent stays.

use super::{Caller, CallerName, Decision, LookupFailed, Question, Rule, decide::Walk};
use crate::directory::NAME_BYTES_MAX;
use crate::nearest::did_you_mean;
use crate::number::{Kind, Number, is_withheld};
use deunicode::deunicode_with_tofu;
use std::str::FromStr;

/// The most contacts whose names are said together. A telephone's display has one line.
pub const NAMES_MAX: usize = 3;
/// What stands between the names of several.
const BETWEEN_NAMES: &str = " / ";

/// In which way a number leads to a contact, the nearest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum FoundBy {
    /// By itself.
    Number,
    /// By its first so many digits: a range, or all that begin like it.
    Beginning(u8),
    /// As an extension behind a main number of so many digits.
    Behind(u8),
}

/// The contacts that a number leads to.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Known {
    /// In which way; `None` where there is nobody.
    pub by: Option<FoundBy>,
    /// Who, the one that counts first: of the called extension's personal phone book, then shared; the newest first.
    pub names: Vec<CallerName>,
    /// Whether contacts of another extension's personal phone book were passed over on the way.
    pub passed_over: bool,
}

/// What is said of several contacts with one number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Several {
    /// The newest one's name.
    #[default]
    Newest,
    /// The names of the first two or three.
    Both,
}

/// What becomes of the name that the trunk sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum TrunkName {
    /// The directory's takes its place.
    #[default]
    Directory,
    /// It stays, if there is one.
    Keep,
    /// The directory's takes its place if it is a number, or none.
    Numbers,
}

/// What is said of a number that nobody has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Hint {
    /// Nothing.
    #[default]
    None,
    /// Its country: `Germany`.
    Region,
    /// Its country and what sort of number it is: `Germany, mobile`.
    Class,
}

macro_rules! words {
    ($type:ty, $what:literal, $($word:literal => $value:expr),+) => {
        impl $type {
            /// The word in the configuration.
            #[must_use]
            pub fn word(self) -> &'static str {
                match self {
                    $(value if value == $value => $word,)+
                    _ => unreachable!("every value has its word"),
                }
            }
        }

        impl FromStr for $type {
            type Err = String;

            fn from_str(text: &str) -> Result<$type, String> {
                match text {
                    $($word => Ok($value),)+
                    _ => {
                        let known = [$($word),+];
                        Err(format!("{text:?} is not {}; write one of {}{}", $what, known.join(", "), did_you_mean(text, known)))
                    }
                }
            }
        }
    };
}

words!(Several, "what is said of several contacts", "newest" => Several::Newest, "both" => Several::Both);
words!(
    TrunkName, "what becomes of the trunk's name",
    "directory" => TrunkName::Directory, "keep" => TrunkName::Keep, "numbers" => TrunkName::Numbers
);
words!(Hint, "a hint", "none" => Hint::None, "region" => Hint::Region, "class" => Hint::Class);

/// How a tenant names callers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct NamePolicy {
    /// What is said of several contacts with one number.
    pub several: Several,
    /// What becomes of the name that the trunk sent.
    pub trunk: TrunkName,
    /// What is said of a number that nobody has.
    pub hint: Hint,
    /// Whether names are written in ASCII.
    pub ascii: bool,
}

/// The name that the trunk sent, as far as it matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SentName {
    /// None, or a spelling of "unknown".
    #[default]
    Nothing,
    /// A number in the place of a name.
    Number,
    /// A name.
    Name,
}

impl SentName {
    /// Reads what the switch has for the caller's name.
    #[must_use]
    pub fn read(text: &str) -> SentName {
        let text = text.trim().trim_matches('"').trim();
        let is_of_number = |c: char| c.is_ascii_digit() || matches!(c, '+' | '-' | '(' | ')' | '.' | '/' | ' ');
        if text.is_empty() || is_withheld(text) {
            SentName::Nothing
        } else if text.chars().all(is_of_number) && text.chars().any(|c| c.is_ascii_digit()) {
            SentName::Number
        } else {
            SentName::Name
        }
    }
}

/// `yes` or `no`, in the spellings that people use; `None` for anything else.
pub(super) fn yes_or_no(text: &str) -> Option<bool> {
    let is = |words: [&str; 4]| words.iter().any(|word| text.eq_ignore_ascii_case(word));
    if is(["yes", "on", "true", "1"]) {
        return Some(true);
    }
    is(["no", "off", "false", "0"]).then_some(false)
}

/// A name in ASCII: `Jürgen Groß` becomes `Jurgen Gross`. What has no letters at all stays as it is.
#[must_use]
pub fn in_ascii(name: &str) -> String {
    if name.is_ascii() {
        return name.to_owned();
    }
    let written = deunicode_with_tofu(name, "?");
    let written = written.trim();
    if written.is_empty() || written.chars().all(|c| c == '?' || c == ' ') { name.to_owned() } else { shortened(written).to_owned() }
}

/// As much of a text as a name may have; no character is cut.
fn shortened(name: &str) -> &str {
    let fits = (0..=NAME_BYTES_MAX.min(name.len())).rev().find(|end| name.is_char_boundary(*end));
    &name[..fits.unwrap_or_default()]
}

/// The names of several, each once, as many as fit.
fn joined(names: &[CallerName]) -> String {
    let mut text = String::new();
    for (n, caller) in names.iter().enumerate() {
        let is_said = names[..n].iter().any(|other| other.name == caller.name);
        if is_said || (n > 0 && text.len() + BETWEEN_NAMES.len() + caller.name.len() > NAME_BYTES_MAX) {
            continue;
        }
        if n > 0 {
            text.push_str(BETWEEN_NAMES);
        }
        text.push_str(&caller.name);
    }
    text
}

impl Walk<'_> {
    /// Adds to a decision who calls, as whoever is called may know: an owner that the question names, the extension that was
    /// called, or the single one that is rung.
    pub(super) fn named(&mut self, question: &Question, decision: Decision) -> Result<Decision, LookupFailed> {
        let Caller::Number(number) = &question.from else { return Ok(decision) };
        let called = question.to.as_ref().filter(|to| to.kind() == Kind::Extension);
        let rung = decision.ring.as_ref().and_then(|ring| if let [only] = &*ring.legs { Some(&only.target) } else { None });
        let callee = question.owner.as_ref().or(called).or(rung.filter(|target| target.kind() == Kind::Extension)).cloned();
        let policy = self.tenant.names;
        let names_max = if policy.several == Several::Both { NAMES_MAX } else { 1 };
        let known = self.data.known(number, callee.as_ref(), names_max)?;
        self.trace.note(|| Rule::Named(known.names.first().map(|c| c.contact.clone()), known.by, callee.as_ref().map(Number::to_string)));
        if known.passed_over {
            let why = "only the extension whose it is may see it".to_owned();
            self.trace.note(|| Rule::Skipped("a contact of another's personal phone book".to_owned(), why));
        }
        let hint = if known.names.is_empty() { self.hint(number) } else { None };
        let is_hint = hint.is_some();
        let caller = match (known.names.first(), hint) {
            (Some(first), _) => CallerName { contact: first.contact.clone(), name: joined(&known.names) },
            (None, Some(name)) => CallerName { contact: String::new(), name },
            (None, None) => return Ok(decision),
        };
        let keeps = match (policy.trunk, question.sent_name) {
            // what is only known of the number says less than any name
            (_, SentName::Name) if is_hint => true,
            (TrunkName::Directory, _) | (_, SentName::Nothing) => false,
            (TrunkName::Keep, _) => true,
            (TrunkName::Numbers, sent) => sent == SentName::Name,
        };
        if keeps {
            let what = if is_hint { "what the number says" } else { "the directory's name" };
            self.trace.note(|| Rule::Skipped(what.to_owned(), "the name that the trunk sent stays on the display".to_owned()));
        }
        let name = if self.is_ascii(question, callee.as_ref(), &caller.name)? { in_ascii(&caller.name) } else { caller.name };
        Ok(Decision { caller: Some(CallerName { name, ..caller }), keeps_sent_name: keeps, ..decision })
    }

    /// What the number itself says of who has it.
    fn hint(&mut self, number: &Number) -> Option<String> {
        let place = match self.tenant.names.hint {
            Hint::None => return None,
            Hint::Region | Hint::Class => number.region_name()?,
        };
        let sort = number.sort_word().filter(|_| self.tenant.names.hint == Hint::Class);
        let text = sort.map_or_else(|| place.to_owned(), |sort| format!("{place}, {sort}"));
        self.trace.note(|| Rule::Hinted(text.clone()));
        Some(text)
    }

    /// Whether the name is to be in ASCII for whoever is called, and isn't.
    fn is_ascii(&self, question: &Question, callee: Option<&Number>, name: &str) -> Result<bool, LookupFailed> {
        if name.is_ascii() {
            return Ok(false);
        }
        if let Some(asked) = question.ascii {
            return Ok(asked);
        }
        if self.tenant.names.ascii {
            return Ok(true);
        }
        Ok(match callee {
            Some(callee) => self.data.extension(callee)?.is_some_and(|e| e.ascii),
            None => false,
        })
    }
}

#[cfg(test)]
#[path = "naming_tests.rs"]
mod tests;
