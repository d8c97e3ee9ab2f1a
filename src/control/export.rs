//! Exports: contacts as they are stored, in pages, of those whom the export is for.
//!
//! A page is as large as fits well into a frame, since a million contacts are to go over the socket; how many contacts were
//! looked at for it is bounded too, or the next one of a small source might be a minute away. Pages are read one after
//! another while edits go on: an export is no picture of one moment.

use super::desk::{Desk, Refusal, bad};
use super::request::Reply;
use crate::directory::Contact;
use crate::directory::export::is_in_book_of;
use crate::number::{Kind, Number, NumberPlan};
use serde::{Deserialize, Serialize};

/// What one page holds at most, in bytes of JSON: a quarter of a frame, since the last contact on it may be large.
const PAGE_BYTES_MAX: usize = super::FRAME_BYTES_MAX / 4;
/// Contacts that are looked at for one page: a moment's work, and no reply that nobody waits for any more.
const LOOKED_AT_MAX: usize = 100_000;
/// What a contact has beside its texts, in bytes of JSON, and what each of its numbers has.
const CONTACT_BYTES: usize = 220;
const NUMBER_BYTES: usize = 110;

/// Whose contacts are exported.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Whose {
    /// Everybody's, and those of every personal phone book.
    All,
    /// Everybody's only.
    Shared,
    /// Everybody's, and those of this extension's own phone book.
    SharedAnd(String),
}

/// What is to be exported.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExportQuery {
    /// The tenant.
    pub tenant: String,
    /// Whose contacts.
    pub whose: Whose,
    /// Only those of this import; those made by hand, if it is empty.
    #[serde(default)]
    pub source: Option<String>,
    /// From this id on.
    pub from_id: String,
    /// Whether they are only counted.
    #[serde(default)]
    pub counting: bool,
}

/// A page of an export.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExportPage {
    /// Contacts in the order of their ids, and the revisions of their last changes; none where they are counted.
    pub contacts: Vec<(u64, Contact)>,
    /// The next page's `from_id`. A page may be empty and have a next one.
    pub next_id: Option<String>,
    /// How many contacts of this page belong into the export.
    pub count: u64,
    /// The most numbers that one of them has.
    pub numbers_max: usize,
    /// How many were passed over because they are in somebody else's phone book.
    pub personal: u64,
}

/// Reads whose phone book is meant.
pub(super) fn owner_of(plan: &NumberPlan, text: &str) -> Result<Number, Refusal> {
    match plan.parse(text) {
        Ok(number) if number.kind() == Kind::Extension => Ok(number),
        _ => bad(format!("the owner {text:?} is no extension; write its number, such as 101")),
    }
}

impl Desk {
    pub(super) fn export(&self, query: &ExportQuery) -> Result<Reply, Refusal> {
        let plan = &self.tenant(&query.tenant)?.plan;
        let owner = match &query.whose {
            Whose::SharedAnd(owner) => Some(owner_of(plan, owner)?),
            Whose::All | Whose::Shared => None,
        };
        let (mut page, mut bytes) = (ExportPage::default(), 0);
        for (looked_at, item) in self.store.contacts(&query.tenant, &query.from_id).enumerate() {
            let (revision, contact) = item?;
            if looked_at >= LOOKED_AT_MAX || bytes >= PAGE_BYTES_MAX {
                page.next_id = Some(contact.id);
                break;
            }
            if query.source.as_ref().is_some_and(|source| *source != contact.source) {
                continue;
            }
            if query.whose != Whose::All && !is_in_book_of(&contact, owner.as_ref()) {
                page.personal += 1;
                continue;
            }
            page.count += 1;
            page.numbers_max = page.numbers_max.max(contact.numbers.len());
            if !query.counting {
                bytes += json_bytes(&contact);
                page.contacts.push((revision, contact));
            }
        }
        Ok(Reply::ExportPage(page))
    }
}

/// How many bytes a contact has as JSON, at most.
fn json_bytes(contact: &Contact) -> usize {
    let text = |text: &str| text.bytes().map(|b| if b < 0x20 { 6 } else { 1 + usize::from(matches!(b, b'"' | b'\\')) }).sum::<usize>();
    let numbers = contact.numbers.iter().map(|n| NUMBER_BYTES + text(&n.typed) + n.label.as_deref().map_or(0, text));
    let tags = contact.tags.iter().map(|tag| 3 + text(tag));
    let texts = [&contact.company, &contact.note].into_iter().flatten().map(|t| text(t));
    let owner = contact.owner.as_ref().map_or(0, |owner| text(owner.digits()));
    CONTACT_BYTES
        + contact.id.len()
        + text(&contact.name)
        + contact.source.len()
        + owner
        + numbers.sum::<usize>()
        + tags.sum::<usize>()
        + texts.sum::<usize>()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::directory::{ContactNumber, Reach};

    #[test]
    fn a_contact_is_never_larger_than_it_is_taken_for() {
        let number = |digits: &str| Number::from_key(Kind::E164, digits).unwrap();
        let small = Contact::of("a", "A", vec![ContactNumber::of(number("4930123456"), "1", None)]);
        let nasty = "\u{1}\"\\\n\u{7f}ä".repeat(40);
        let ranged = ContactNumber {
            number: number("493012345678901"),
            typed: nasty.clone(),
            label: Some(nasty.clone()),
            reach: Reach::To(number("493012345678999")),
        };
        let large = Contact {
            company: Some(nasty.clone()),
            note: Some(nasty.clone()),
            tags: vec![nasty.clone(); 32],
            source: "s".repeat(24),
            owner: Number::from_key(Kind::Extension, "101"),
            favourite: true,
            ..Contact::of("i".repeat(64), nasty, vec![ranged; 32])
        };
        for contact in [small, large] {
            let real = serde_json::to_vec(&(u64::MAX, &contact)).unwrap().len();
            let taken = json_bytes(&contact);
            assert!(real < taken && taken < 2 * real + CONTACT_BYTES, "{real} {taken}");
        }
    }
}
