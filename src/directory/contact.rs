//! A person or a company with numbers.

use super::{Reach, ReachError};
use crate::number::{Kind, Number, NumberError, NumberPlan};
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// The longest id, in bytes: it is part of stored keys and of what a call carries.
pub const ID_BYTES_MAX: usize = 64;
/// The longest display name, in bytes. PJSIP cuts names at 79 characters; people's spreadsheets don't.
pub const NAME_BYTES_MAX: usize = 256;
/// The longest company, in bytes.
pub const COMPANY_BYTES_MAX: usize = 256;
/// The longest note, in bytes.
pub const NOTE_BYTES_MAX: usize = 4096;
/// The most numbers of one contact.
pub const NUMBERS_MAX: usize = 32;
/// The most tags of one contact.
pub const TAGS_MAX: usize = 32;
/// The longest tag or label, in bytes.
pub const LABEL_BYTES_MAX: usize = 64;

/// One number of a contact, or many: the canonical key and the text that was typed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContactNumber {
    /// What is compared; of a range the first one, of a beginning what all begin with.
    pub number: Number,
    /// What the administrator wrote, for reading back.
    pub typed: String,
    /// `office`, `mobile`, …
    pub label: Option<String>,
    /// How far it reaches.
    pub reach: Reach,
}

impl ContactNumber {
    /// A number that is nothing but itself.
    pub fn of(number: Number, typed: impl Into<String>, label: Option<String>) -> ContactNumber {
        ContactNumber { number, typed: typed.into(), label, reach: Reach::Itself }
    }
}

/// A contact as it is stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Contact {
    /// The administrator's id (`school`), or one made from source and row.
    pub id: String,
    /// The display name, as typed.
    pub name: String,
    /// The company, if any.
    pub company: Option<String>,
    /// Numbers, the main one first.
    pub numbers: Vec<ContactNumber>,
    /// Free words.
    pub tags: Vec<String>,
    /// Free text.
    pub note: Option<String>,
    /// The import it came from; empty for contacts made by hand.
    pub source: String,
    /// Whose personal phone book it is in: an extension's. Everybody's, if nobody's.
    pub owner: Option<Number>,
    /// Whether it stands first in its phone book.
    pub favourite: bool,
}

impl Contact {
    /// A contact of the shared phone book, made by hand, of which no more is known.
    pub fn of(id: impl Into<String>, name: impl Into<String>, numbers: Vec<ContactNumber>) -> Contact {
        let (company, note, owner) = (None, None, None);
        let (id, name, tags, source) = (id.into(), name.into(), Vec::new(), String::new());
        Contact { id, name, company, numbers, tags, note, source, owner, favourite: false }
    }
}

/// What somebody wants a contact to be: all text, nothing checked.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContactDraft {
    /// The id; empty in an import row without one.
    #[serde(default)]
    pub id: String,
    /// The display name.
    pub name: String,
    /// The company.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub company: Option<String>,
    /// (number as typed, label): `+4930123456`, or many: `+49301234*`, `+4930123400..+4930123499`, `+49301234-0`.
    pub numbers: Vec<(String, Option<String>)>,
    /// Free words.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    /// Free text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// Whose personal phone book it is in: an extension as typed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    /// Whether it stands first in its phone book.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub favourite: bool,
}

/// What is wrong with a contact, which field, and what to do.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ContactError {
    /// An id that can't be a key.
    #[error("the id {0:?} can't be used; write 1 to 64 of A-Z a-z 0-9 _ . @ - and begin with a letter or digit")]
    Id(String),
    /// No name.
    #[error("the name is empty")]
    NameEmpty,
    /// A field that is too long.
    #[error("the {field} has {bytes} bytes, more than {bytes_max}; shorten it")]
    TooLong {
        /// Which.
        field: &'static str,
        /// How long it is.
        bytes: usize,
        /// How long it may be.
        bytes_max: usize,
    },
    /// Too many of something.
    #[error("{count} {field}s are more than {count_max}")]
    TooMany {
        /// Of what.
        field: &'static str,
        /// How many there are.
        count: usize,
        /// How many there may be.
        count_max: usize,
    },
    /// No number at all.
    #[error("there is no number")]
    NoNumber,
    /// A number that isn't one.
    #[error("the number {typed:?} {error}")]
    Number {
        /// What was typed.
        typed: String,
        /// What is wrong with it.
        error: NumberError,
    },
    /// A name or a word where a number belongs.
    #[error("the number {0:?} doesn't parse; write digits, such as +14155550101, and a SIP user without any as sip:USER")]
    NotANumber(String),
    /// A range or a beginning that can't be one.
    #[error("the numbers {typed:?} {error}")]
    Reach {
        /// What was typed.
        typed: String,
        /// What is wrong with it.
        error: ReachError,
    },
    /// An owner that is no extension.
    #[error("the owner {0:?} is no extension; write its number, such as 101")]
    Owner(String),
    /// A withheld caller has no number to be known by.
    #[error("{0:?} is what switches say when a number is withheld; it can't belong to a contact")]
    Withheld(String),
}

/// Checks that a text can be an id.
///
/// # Errors
/// [`ContactError::Id`].
pub fn check_id(id: &str) -> Result<(), ContactError> {
    let ok = id.len() <= ID_BYTES_MAX
        && id.starts_with(|c: char| c.is_ascii_alphanumeric())
        && id.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'@' | b'-'));
    if ok { Ok(()) } else { Err(ContactError::Id(id.to_owned())) }
}

fn check_len(field: &'static str, text: &str, bytes_max: usize) -> Result<(), ContactError> {
    if text.len() > bytes_max { Err(ContactError::TooLong { field, bytes: text.len(), bytes_max }) } else { Ok(()) }
}

fn check_count(field: &'static str, count: usize, count_max: usize) -> Result<(), ContactError> {
    if count > count_max { Err(ContactError::TooMany { field, count, count_max }) } else { Ok(()) }
}

impl ContactDraft {
    /// Checks every field and reads the numbers as the tenant does. Two spellings of one number become one.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub fn check(self, plan: &NumberPlan, source: &str) -> Result<Contact, ContactError> {
        check_id(&self.id)?;
        let name = self.name.trim().to_owned();
        if name.is_empty() {
            return Err(ContactError::NameEmpty);
        }
        check_len("name", &name, NAME_BYTES_MAX)?;
        let company = self.company.map(|c| c.trim().to_owned()).filter(|c| !c.is_empty());
        check_len("company", company.as_deref().unwrap_or_default(), COMPANY_BYTES_MAX)?;
        check_len("note", self.note.as_deref().unwrap_or_default(), NOTE_BYTES_MAX)?;
        check_count("number", self.numbers.len(), NUMBERS_MAX)?;
        check_count("tag", self.tags.len(), TAGS_MAX)?;
        for tag in &self.tags {
            check_len("tag", tag, LABEL_BYTES_MAX)?;
        }
        let mut numbers: Vec<ContactNumber> = Vec::with_capacity(self.numbers.len());
        for (typed, label) in self.numbers {
            check_len("label", label.as_deref().unwrap_or_default(), LABEL_BYTES_MAX)?;
            if crate::number::is_withheld(&typed) && !typed.trim().is_empty() {
                return Err(ContactError::Withheld(typed));
            }
            let (number, reach) = match Reach::read(&typed, plan) {
                Some(many) => many.map_err(|error| ContactError::Reach { typed: typed.clone(), error })?,
                None => (plan.parse(&typed).map_err(|error| ContactError::Number { typed: typed.clone(), error })?, Reach::Itself),
            };
            if number.kind() == Kind::Opaque && !crate::number::may_be_number(&typed) {
                return Err(ContactError::NotANumber(typed));
            }
            if !numbers.iter().any(|n| n.number == number && n.reach == reach) {
                numbers.push(ContactNumber { number, typed, label: label.filter(|l| !l.is_empty()), reach });
            }
        }
        if numbers.is_empty() {
            return Err(ContactError::NoNumber);
        }
        let owner = self.owner.filter(|owner| !owner.trim().is_empty());
        let owner = owner.map(|typed| match plan.parse(&typed) {
            Ok(number) if number.kind() == Kind::Extension => Ok(number),
            _ => Err(ContactError::Owner(typed)),
        });
        Ok(Contact {
            id: self.id,
            name,
            company,
            numbers,
            tags: self.tags,
            note: self.note.filter(|n| !n.is_empty()),
            source: source.to_owned(),
            owner: owner.transpose()?,
            favourite: self.favourite,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn draft(id: &str, name: &str, numbers: &[&str]) -> ContactDraft {
        ContactDraft {
            id: id.into(),
            name: name.into(),
            numbers: numbers.iter().map(|n| ((*n).to_owned(), None)).collect(),
            ..ContactDraft::default()
        }
    }

    #[test]
    fn a_contact_says_which_field_is_wrong() {
        let plan = NumberPlan::new(None);
        let check = |d: ContactDraft| d.check(&plan, "").expect_err("refused").to_string();
        assert!(check(draft("a b", "Ada", &["+4930123456"])).contains("the id \"a b\""));
        assert!(check(draft("ada", " ", &["+4930123456"])).contains("name is empty"));
        assert!(check(draft("ada", "Ada", &[])).contains("no number"));
        assert!(check(draft("ada", "Ada", &[""])).contains("is empty"));
        assert!(check(draft("ada", "Ada", &["101", "Lovelace"])).contains("the number \"Lovelace\" doesn't parse"));
        assert!(check(draft("ada", "Ada", &["anonymous"])).contains("withheld"));
        assert!(check(draft("ada", "Ada", &["+49 30 12345678901234"])).contains("too long"));
        assert!(check(draft("ada", &"x".repeat(300), &["+4930123456"])).contains("300 bytes"));
    }

    #[test]
    fn an_owner_is_an_extension() {
        let plan = NumberPlan::new("DE".parse().ok());
        let owned = |owner: &str| ContactDraft { owner: Some(owner.into()), ..draft("ada", "Ada", &["+4930123456"]) }.check(&plan, "");
        assert_eq!(owned("101").expect("fine").owner, plan.parse("101").ok());
        assert_eq!(owned(" ").expect("nobody").owner, None);
        assert!(owned("+4930123456").expect_err("no extension").to_string().contains("the owner \"+4930123456\" is no extension"));
    }

    #[test]
    fn two_spellings_of_one_number_are_kept_once() {
        let plan = NumberPlan::new("DE".parse().ok());
        let contact = draft("ada", "Ada", &["030 123456", "+49 30 123456"]).check(&plan, "").expect("fine");
        assert_eq!(contact.numbers.len(), 1);
        assert_eq!(contact.numbers[0].typed, "030 123456");
    }
}
