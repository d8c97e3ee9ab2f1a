//! The packed directory: what calls need to know of a tenant's contacts, in one arena and one sorted index.
//!
//! Measured with a million contacts: about 60 bytes each, where maps of strings took 430.

use crate::directory::Contact;
use crate::number::{Kind, Number};
use std::collections::BTreeMap;

/// Contacts by number, immutable.
#[derive(Default)]
pub(super) struct Base {
    /// revision (8), id length (1), id, name length (2), name; one after the other.
    arena: Box<[u8]>,
    /// Numbers that are all digits, packed and sorted; equal ones in the order in which they win.
    packed: Box<[u64]>,
    /// Where the contact of each lies in the arena.
    offsets: Box<[u32]>,
    /// The few numbers with letters or stars.
    others: BTreeMap<Number, Vec<u32>>,
    contacts: usize,
}

/// A contact of the base.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct BaseContact<'a> {
    pub(super) revision: u64,
    pub(super) id: &'a str,
    pub(super) name: &'a str,
}

/// A number of at most 16 digits in 64 bits, leading zeros and kind kept.
fn pack(number: &Number) -> Option<u64> {
    let digits = number.digits();
    if digits.len() > 16 || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let kind = match number.kind() {
        Kind::E164 => 1u64,
        Kind::Extension => 2,
        Kind::ShortCode => 3,
        Kind::Emergency => 4,
        Kind::Opaque => 5,
        Kind::FeatureCode => return None,
    };
    // a 1 in front keeps leading zeros apart; 17 digits are less than 2^57
    let value = digits.bytes().fold(1u64, |n, b| n * 10 + u64::from(b - b'0'));
    Some(kind << 57 | value)
}

impl Base {
    pub(super) fn contacts(&self) -> usize {
        self.contacts
    }

    /// Memory that it takes, in bytes.
    pub(super) fn bytes(&self) -> usize {
        self.arena.len() + self.packed.len() * 8 + self.offsets.len() * 4
    }

    fn at(&self, offset: u32) -> Option<BaseContact<'_>> {
        read(&self.arena, offset)
    }

    /// The contacts with a number, in the order in which they win.
    pub(super) fn with_number(&self, number: &Number) -> impl Iterator<Item = BaseContact<'_>> {
        let offsets: &[u32] = match pack(number) {
            Some(packed) => {
                let start = self.packed.partition_point(|p| *p < packed);
                let len = self.packed[start..].iter().take_while(|p| **p == packed).count();
                &self.offsets[start..start + len]
            }
            None => self.others.get(number).map_or(&[], Vec::as_slice),
        };
        offsets.iter().filter_map(|o| self.at(*o))
    }
}

fn read(arena: &[u8], offset: u32) -> Option<BaseContact<'_>> {
    let rest = arena.get(offset as usize..)?;
    let (revision, rest) = rest.split_first_chunk::<8>()?;
    let (id_len, rest) = rest.split_first()?;
    let (id, rest) = rest.split_at_checked(usize::from(*id_len))?;
    let (name_len, rest) = rest.split_first_chunk::<2>()?;
    let name = rest.get(..usize::from(u16::from_le_bytes(*name_len)))?;
    Some(BaseContact { revision: u64::from_le_bytes(*revision), id: std::str::from_utf8(id).ok()?, name: std::str::from_utf8(name).ok()? })
}

/// Makes a base from contacts in any order.
#[derive(Default)]
pub(super) struct BaseBuilder {
    arena: Vec<u8>,
    pairs: Vec<(u64, u32)>,
    others: BTreeMap<Number, Vec<u32>>,
    contacts: usize,
}

impl BaseBuilder {
    /// Adds a contact; `false` when the arena is full (4 GiB, some 70 million contacts).
    pub(super) fn push(&mut self, revision: u64, contact: &Contact) -> bool {
        let (Ok(offset), Ok(id_len), Ok(name_len)) =
            (u32::try_from(self.arena.len()), u8::try_from(contact.id.len()), u16::try_from(contact.name.len()))
        else {
            return false;
        };
        self.arena.extend_from_slice(&revision.to_le_bytes());
        self.arena.push(id_len);
        self.arena.extend_from_slice(contact.id.as_bytes());
        self.arena.extend_from_slice(&name_len.to_le_bytes());
        self.arena.extend_from_slice(contact.name.as_bytes());
        for number in &contact.numbers {
            match pack(&number.number) {
                Some(packed) => self.pairs.push((packed, offset)),
                None => self.others.entry(number.number.clone()).or_default().push(offset),
            }
        }
        self.contacts += 1;
        true
    }

    pub(super) fn build(mut self) -> Base {
        let arena = self.arena.into_boxed_slice();
        // newest first, then by id: the same order as the disk's
        let order = |a: u32, b: u32| match (read(&arena, a), read(&arena, b)) {
            (Some(a), Some(b)) => b.revision.cmp(&a.revision).then_with(|| a.id.cmp(b.id)),
            _ => std::cmp::Ordering::Equal,
        };
        self.pairs.sort_unstable_by(|a, b| a.0.cmp(&b.0).then_with(|| order(a.1, b.1)));
        for offsets in self.others.values_mut() {
            offsets.sort_unstable_by(|a, b| order(*a, *b));
        }
        let packed = self.pairs.iter().map(|p| p.0).collect();
        let offsets = self.pairs.iter().map(|p| p.1).collect();
        Base { packed, offsets, others: self.others, contacts: self.contacts, arena }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::directory::ContactNumber;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn packed_numbers_never_meet(a in "[0-9]{1,16}", b in "[0-9]{1,16}", ka in 0usize..5, kb in 0usize..5) {
            let kinds = [Kind::E164, Kind::Extension, Kind::ShortCode, Kind::Emergency, Kind::Opaque];
            let (Some(a), Some(b)) = (Number::from_key(kinds[ka], &a), Number::from_key(kinds[kb], &b)) else { return Ok(()) };
            prop_assert_eq!(pack(&a) == pack(&b), a == b);
        }
    }

    #[test]
    fn the_newest_contact_with_a_number_comes_first() {
        let number = |digits: &str, kind| Number::from_key(kind, digits).expect("a number");
        let contact = |id: &str, numbers: &[Number]| {
            let numbers = numbers.iter().map(|n| ContactNumber::of(n.clone(), n.to_string(), None));
            Contact::of(id, format!("name of {id}"), numbers.collect())
        };
        let (office, star) = (number("4930123456", Kind::E164), number("*55", Kind::FeatureCode));
        let mut builder = BaseBuilder::default();
        for (revision, id) in [(1, "b"), (3, "c"), (1, "a")] {
            assert!(builder.push(revision, &contact(id, &[office.clone(), star.clone()])));
        }
        let base = builder.build();
        for n in [&office, &star] {
            let ids: Vec<_> = base.with_number(n).map(|c| c.id).collect();
            assert_eq!(ids, ["c", "a", "b"]);
        }
        assert_eq!(base.with_number(&number("4930123456", Kind::Extension)).count(), 0);
        assert_eq!(base.with_number(&office).next().map(|c| c.name), Some("name of c"));
    }
}
