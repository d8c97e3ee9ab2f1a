//! What imported contacts are called: a second import of the same file, in whatever order, must find them again, and one
//! person's file must not take hold of another's contacts.
//!
//! A row that says an id is called that, and in somebody's own phone book by its owner and that. A row that says none is
//! called by source, owner and number; where several names have one number, one of them is, and the others by their names too.

use crate::directory::{Contact, ID_BYTES_MAX};
use crate::number::{Kind, Number};
use crate::store::{Claim, MadeIds, Store, StoreError};
use std::collections::HashSet;

/// The longest source label, in bytes; it begins the ids of contacts that have none of their own.
pub const SOURCE_BYTES_MAX: usize = 24;
/// Hexadecimal digits of a name that tell apart who has the same number.
const NAME_DIGITS: usize = 8;
/// The longest extension that stands in an id as it is, in bytes; what is longer, or holds what an id can't, is hashed.
const OWNER_BYTES_MAX: usize = 8;

/// Whether a text can be a source.
pub fn is_label(source: &str) -> bool {
    (1..=SOURCE_BYTES_MAX).contains(&source.len())
        && source.starts_with(|c: char| c.is_ascii_alphanumeric())
        && source.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-'))
}

/// What ids in somebody's phone book begin with.
fn whose(owner: &Number) -> String {
    match owner.digits() {
        digits if digits.len() <= OWNER_BYTES_MAX && digits.bytes().all(|b| b.is_ascii_alphanumeric()) => format!("{digits}-"),
        digits => format!("{:08x}-", hash(digits.as_bytes()) as u32),
    }
}

/// An id made of source, owner and number, so that a second import of the same file changes nothing.
pub(super) fn row_id(source: &str, contact: &Contact) -> String {
    let Some(number) = contact.numbers.first() else { return source.to_owned() };
    let whose = contact.owner.as_ref().map(whose).unwrap_or_default();
    let digits = number.number.digits();
    match number.number.kind() {
        Kind::E164 => format!("{source}-{whose}{digits}"),
        kind if digits.len() <= 15 && digits.bytes().all(|b| b.is_ascii_alphanumeric()) => {
            format!("{source}-{whose}{}{digits}", char::from(kind.tag()))
        }
        // what can't be part of an id is told apart by its hash
        kind => format!("{source}-{whose}{}{:016x}", char::from(kind.tag()), hash(digits.as_bytes())),
    }
}

/// What a contact that says its id is called in somebody's own phone book: two people have the same file, or a file of
/// everybody's contacts, and each of them has a book of his own.
///
/// A contact of that very id that is in this book already is meant, so that a book comes back as it went out. Otherwise owner
/// and id are the contact's; an id that begins with the owner went out of such a book, and stays as it is. Nobody else's
/// contact is taken for one, whatever it is called.
pub(super) fn owned_id(store: &Store, tenant: &str, owner: &Number, id: &str) -> Result<(String, Claim), StoreError> {
    let of = |id: &str| Ok::<_, StoreError>(store.contact(tenant, id)?.map(|(_, contact)| contact.owner.as_ref() == Some(owner)));
    let is_there = of(id)?;
    let whose = whose(owner);
    if is_there == Some(true) || (is_there.is_none() && id.starts_with(&whose)) {
        return Ok((id.to_owned(), Claim::Said));
    }
    let plain = format!("{whose}{id}");
    let hashed = format!("{whose}{:016x}", hash(id.as_bytes()));
    let is_free = plain.len() <= ID_BYTES_MAX && of(&plain)? != Some(false);
    Ok((if is_free { plain } else { hashed }, Claim::Derived))
}

/// The ids that are made of numbers, and what the store has of them.
pub(super) struct Made<'a> {
    store: &'a Store,
    tenant: &'a str,
    /// Whether the store has any that this source would make.
    has_any: bool,
    /// Those that several contacts share, hashed.
    shared: HashSet<u64>,
    /// Those that have a name in them, hashed.
    named: HashSet<u64>,
}

impl<'a> Made<'a> {
    /// What a tenant's store has of a source's ids; of none (`None`) where the file makes no ids.
    pub(super) fn of(store: &'a Store, tenant: &'a str, source: Option<&str>) -> Result<Made<'a>, StoreError> {
        let mut made = Made { store, tenant, has_any: false, shared: HashSet::new(), named: HashSet::new() };
        let Some(source) = source else { return Ok(made) };
        for id in store.contact_ids(tenant, &format!("{source}-")) {
            let id = id?;
            made.has_any = true;
            let is_name = |end: &str| end.len() == NAME_DIGITS && end.bytes().all(|b| b.is_ascii_hexdigit());
            if let Some((id_of_all, _)) = id.rsplit_once('-').filter(|(_, end)| is_name(end)) {
                made.shared.insert(hash(id_of_all.as_bytes()));
                made.named.insert(hash(id.as_bytes()));
            }
        }
        Ok(made)
    }
}

impl MadeIds for Made<'_> {
    fn is_shared(&self, id: &str) -> bool {
        !self.shared.is_empty() && self.shared.contains(&hash(id.as_bytes()))
    }

    /// Whoever has the made id in the store keeps it. If that one isn't in the file, the first name gets it that the store
    /// doesn't know with this number already: it is new, or the old one's new name.
    fn ids(&self, id: &str, names: &[String], is_said: bool) -> Result<Vec<String>, StoreError> {
        let mut ids: Vec<String> = Vec::with_capacity(names.len());
        let mut used: HashSet<u32> = HashSet::new();
        for name in names {
            let mut text = name.clone().into_bytes();
            while !used.insert(hash(&text) as u32) {
                // two names that look alike, hashed
                text.push(0);
            }
            ids.push(format!("{id}-{:08x}", hash(&text) as u32));
        }
        if is_said {
            return Ok(ids);
        }
        let there = if self.has_any { self.store.contact(self.tenant, id)?.map(|(_, contact)| contact.name) } else { None };
        let old = names.iter().position(|name| there.as_ref() == Some(name));
        let holder = old.or_else(|| ids.iter().position(|id| !self.named.contains(&hash(id.as_bytes()))));
        if let Some(holder) = holder {
            id.clone_into(&mut ids[holder]);
        }
        Ok(ids)
    }
}

/// FNV-1a: small, and the same in every version, which ids need.
pub(super) fn hash(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |h, b| (h ^ u64::from(*b)).wrapping_mul(0x0100_0000_01b3))
}
