//! The packed directory: what calls need to know of a tenant's contacts, in one arena and one sorted index.
//!
//! Measured with a million contacts: about 60 bytes each, where maps of strings took 430. A range, a main number or the
//! owner of a personal contact costs 12 to 24 bytes where there is one, and nothing where there is none.

use crate::directory::{Contact, Indexed, Reach};
use crate::number::{Kind, Number};
use std::collections::BTreeMap;
use std::ops::BitOr;

/// Contacts by number, immutable.
#[derive(Default)]
pub(super) struct Base {
    /// revision (8), id length (1), id, name length (2) with [`PERSONAL`], name, of a personal one the owner (8); one after
    /// the other.
    arena: Box<[u8]>,
    /// Ways to be found that are all digits, packed and sorted; of equal ones the shared contacts come first, then each
    /// owner's, each in the order in which they win.
    packed: Box<[u64]>,
    /// Where the contact of each lies in the arena.
    offsets: Box<[u32]>,
    /// The few numbers with letters or stars.
    others: BTreeMap<Number, Vec<u32>>,
    lengths: Lengths,
    contacts: usize,
}

/// A contact of the base.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct BaseContact<'a> {
    pub(super) revision: u64,
    pub(super) id: &'a str,
    pub(super) name: &'a str,
    /// Whose personal phone book it is in, packed; 0 is everybody's.
    pub(super) owner: u64,
}

/// Says in a name's length that the contact is a personal one; names are far shorter.
const PERSONAL: u16 = 1 << 15;
/// What a beginning is packed with in the place of a number's kind.
const BEGINNING: u64 = 6;
/// What a main number is packed with, without its last 0.
const BEHIND: u64 = 7;
/// The bits below the kind.
const KIND_SHIFT: u32 = 57;
/// The most digits that are packed.
const PACKED_DIGITS_MAX: usize = 16;

/// Which lengths of beginnings and main numbers occur, as bits, so that no call looks for others.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Lengths {
    beginnings: u32,
    behind: u32,
}

impl Lengths {
    /// Adds that of a way to be found.
    pub(super) fn add(&mut self, key: &Key) {
        let Key::Packed(packed) = key else { return };
        let digits = (packed & ((1 << KIND_SHIFT) - 1)).checked_ilog10().unwrap_or_default();
        match packed >> KIND_SHIFT {
            BEGINNING => self.beginnings |= 1 << digits,
            BEHIND => self.behind |= 1 << digits,
            _ => {}
        }
    }

    /// Whether nobody has a range or a main number.
    pub(super) fn is_empty(self) -> bool {
        self == Lengths::default()
    }

    /// The lengths of beginnings, the longest first, up to this one.
    pub(super) fn beginnings(self, max: usize) -> impl Iterator<Item = usize> {
        (1..=max).rev().filter(move |n| self.beginnings >> n & 1 == 1)
    }

    /// The lengths of main numbers from the longest to the shortest of these.
    pub(super) fn behind(self, min: usize, max: usize) -> impl Iterator<Item = usize> {
        (min.max(1)..=max).rev().filter(move |n| self.behind >> n & 1 == 1)
    }
}

impl BitOr for Lengths {
    type Output = Lengths;

    fn bitor(self, other: Lengths) -> Lengths {
        Lengths { beginnings: self.beginnings | other.beginnings, behind: self.behind | other.behind }
    }
}

/// What is looked for.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Key {
    Packed(u64),
    /// A number with letters or stars.
    Other(Number),
}

impl Key {
    /// A number itself. Those of the public network take no memory.
    pub(super) fn of(number: &Number) -> Key {
        pack(number).map_or_else(|| Key::Other(number.clone()), Key::Packed)
    }

    /// A way to be found; `None` for digits that there can't be.
    pub(super) fn of_way(way: &Indexed) -> Option<Key> {
        match way {
            Indexed::Number(number) => Some(Key::of(number)),
            Indexed::Beginning(digits) => Some(Key::Packed(BEGINNING << KIND_SHIFT | packed_digits(digits)?)),
            Indexed::Behind(digits) => Some(Key::Packed(BEHIND << KIND_SHIFT | packed_digits(digits)?)),
        }
    }

    /// A beginning that was packed by [`beginnings_of`].
    pub(super) fn beginning(packed: u64) -> Key {
        Key::Packed(BEGINNING << KIND_SHIFT | packed)
    }

    /// A main number that was packed by [`beginnings_of`].
    pub(super) fn behind(packed: u64) -> Key {
        Key::Packed(BEHIND << KIND_SHIFT | packed)
    }
}

/// The first n digits of a number, packed, at place n.
pub(super) fn beginnings_of(digits: &str) -> [u64; PACKED_DIGITS_MAX + 1] {
    let mut packed = [1; PACKED_DIGITS_MAX + 1];
    for (n, digit) in digits.bytes().take(PACKED_DIGITS_MAX).enumerate() {
        packed[n + 1] = packed[n] * 10 + u64::from(digit.saturating_sub(b'0').min(9));
    }
    packed
}

/// Digits with a 1 in front, which keeps leading zeros apart; 17 digits are less than 2^57.
fn packed_digits(digits: &str) -> Option<u64> {
    let fits = digits.len() <= PACKED_DIGITS_MAX && digits.bytes().all(|b| b.is_ascii_digit());
    fits.then(|| digits.bytes().fold(1u64, |n, b| n * 10 + u64::from(b - b'0')))
}

/// A number of at most 16 digits in 64 bits, leading zeros and kind kept.
pub(super) fn pack(number: &Number) -> Option<u64> {
    let kind = match number.kind() {
        Kind::E164 => 1u64,
        Kind::Extension => 2,
        Kind::ShortCode => 3,
        Kind::Emergency => 4,
        Kind::Opaque => 5,
        Kind::FeatureCode => return None,
    };
    Some(kind << KIND_SHIFT | packed_digits(number.digits())?)
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

    /// Which lengths of beginnings and main numbers occur.
    pub(super) fn lengths(&self) -> Lengths {
        self.lengths
    }

    /// The contacts that are found in a way, in the order in which they win.
    pub(super) fn found_by(&self, key: &Key) -> Matches<'_> {
        let offsets: &[u32] = match key {
            Key::Packed(packed) => {
                let start = self.packed.partition_point(|p| p < packed);
                let len = self.packed[start..].partition_point(|p| p == packed);
                &self.offsets[start..start + len]
            }
            Key::Other(number) => self.others.get(number).map_or(&[], Vec::as_slice),
        };
        Matches { base: self, offsets }
    }
}

/// Contacts that are found in one way: the shared ones, then each owner's.
#[derive(Clone, Copy)]
pub(super) struct Matches<'a> {
    base: &'a Base,
    offsets: &'a [u32],
}

impl<'a> Matches<'a> {
    /// Those of one owner; 0 is everybody's.
    pub(super) fn of(self, owner: u64) -> impl Iterator<Item = BaseContact<'a>> {
        let (_, of, _) = self.split(owner);
        of.iter().filter_map(move |o| self.base.at(*o))
    }

    /// The personal ones of others.
    pub(super) fn of_others(self, owner: u64) -> impl Iterator<Item = BaseContact<'a>> {
        let (_, _, personal) = self.split(0);
        let (before, _, after) = Matches { offsets: personal, ..self }.split(owner);
        before.iter().chain(after).filter_map(move |o| self.base.at(*o))
    }

    fn split(self, owner: u64) -> (&'a [u32], &'a [u32], &'a [u32]) {
        let owner_at = |o: &u32| self.base.at(*o).map_or(u64::MAX, |c| c.owner);
        let (before, rest) = self.offsets.split_at(self.offsets.partition_point(|o| owner_at(o) < owner));
        let (of, after) = rest.split_at(rest.partition_point(|o| owner_at(o) == owner));
        (before, of, after)
    }
}

fn read(arena: &[u8], offset: u32) -> Option<BaseContact<'_>> {
    let rest = arena.get(offset as usize..)?;
    let (revision, rest) = rest.split_first_chunk::<8>()?;
    let (id_len, rest) = rest.split_first()?;
    let (id, rest) = rest.split_at_checked(usize::from(*id_len))?;
    let (name_len, rest) = rest.split_first_chunk::<2>()?;
    let name_len = u16::from_le_bytes(*name_len);
    let (name, rest) = rest.split_at_checked(usize::from(name_len & !PERSONAL))?;
    let owner = if name_len & PERSONAL == 0 { 0 } else { u64::from_le_bytes(*rest.first_chunk()?) };
    let (id, name) = (std::str::from_utf8(id).ok()?, std::str::from_utf8(name).ok()?);
    Some(BaseContact { revision: u64::from_le_bytes(*revision), id, name, owner })
}

/// Makes a base from contacts in any order.
#[derive(Default)]
pub(super) struct BaseBuilder {
    arena: Vec<u8>,
    pairs: Vec<(u64, u32)>,
    others: BTreeMap<Number, Vec<u32>>,
    lengths: Lengths,
    contacts: usize,
}

/// Whose personal phone book a contact is in, packed; 0 is everybody's.
pub(super) fn owner_of(contact: &Contact) -> u64 {
    // an owner is an extension, all digits; one that isn't would be nobody
    contact.owner.as_ref().map_or(0, |owner| pack(owner).unwrap_or(u64::MAX))
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
        let owner = owner_of(contact);
        let flag = if owner == 0 { 0 } else { PERSONAL };
        self.arena.extend_from_slice(&(name_len | flag).to_le_bytes());
        self.arena.extend_from_slice(contact.name.as_bytes());
        if owner != 0 {
            self.arena.extend_from_slice(&owner.to_le_bytes());
        }
        for number in &contact.numbers {
            // nearly all are themselves and nothing else
            if number.reach == Reach::Itself {
                self.add(Key::of(&number.number), offset);
            } else {
                number.indexed().iter().filter_map(Key::of_way).for_each(|key| self.add(key, offset));
            }
        }
        self.contacts += 1;
        true
    }

    fn add(&mut self, key: Key, offset: u32) {
        self.lengths.add(&key);
        match key {
            Key::Packed(packed) => self.pairs.push((packed, offset)),
            Key::Other(number) => self.others.entry(number).or_default().push(offset),
        }
    }

    pub(super) fn build(mut self) -> Base {
        let arena = self.arena.into_boxed_slice();
        // shared ones, then by owner; newest first, then by id: the same order as the disk's
        let order = |a: u32, b: u32| match (read(&arena, a), read(&arena, b)) {
            (Some(a), Some(b)) => a.owner.cmp(&b.owner).then(b.revision.cmp(&a.revision)).then_with(|| a.id.cmp(b.id)),
            _ => std::cmp::Ordering::Equal,
        };
        self.pairs.sort_unstable_by(|a, b| a.0.cmp(&b.0).then_with(|| order(a.1, b.1)));
        for offsets in self.others.values_mut() {
            offsets.sort_unstable_by(|a, b| order(*a, *b));
            offsets.dedup();
        }
        // a contact may be found in one way twice: a range within a range
        self.pairs.dedup();
        let packed = self.pairs.iter().map(|p| p.0).collect();
        let offsets = self.pairs.iter().map(|p| p.1).collect();
        Base { packed, offsets, others: self.others, lengths: self.lengths, contacts: self.contacts, arena }
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
            let ids: Vec<_> = base.found_by(&Key::of(n)).of(0).map(|c| c.id).collect();
            assert_eq!(ids, ["c", "a", "b"]);
        }
        assert_eq!(base.found_by(&Key::of(&number("4930123456", Kind::Extension))).of(0).count(), 0);
        assert_eq!(base.found_by(&Key::of(&office)).of(0).next().map(|c| c.name), Some("name of c"));
    }

    #[test]
    fn the_lengths_that_occur_are_known_and_no_others() {
        let mut lengths = Lengths::default();
        assert!(lengths.is_empty());
        for way in [Indexed::Beginning("4930".into()), Indexed::Beginning("0000000".into()), Indexed::Behind("49301234".into())] {
            lengths.add(&Key::of_way(&way).expect("digits"));
        }
        lengths.add(&Key::Packed(pack(&Number::from_key(Kind::E164, "493012345").expect("a number")).expect("digits")));
        assert_eq!(lengths.beginnings(15).collect::<Vec<_>>(), [7, 4]);
        assert_eq!(lengths.beginnings(6).collect::<Vec<_>>(), [4]);
        assert_eq!(lengths.behind(1, 15).collect::<Vec<_>>(), [8]);
        assert_eq!(Some(Key::beginning(beginnings_of("4930123")[4])), Key::of_way(&Indexed::Beginning("4930".into())));
        assert_eq!(Some(Key::behind(beginnings_of("4930123")[7])), Key::of_way(&Indexed::Behind("4930123".into())));
    }

    #[test]
    fn a_contact_without_ranges_takes_its_texts_and_some_twenty_bytes() {
        let mut builder = BaseBuilder::default();
        for n in 0..1000u64 {
            let number = Number::from_key(Kind::E164, &format!("4930{n:07}")).expect("a number");
            let numbers = vec![ContactNumber::of(number, "", None)];
            assert!(builder.push(n, &Contact::of(format!("id-{n:03}"), "Ada", numbers)));
        }
        // id 6, name 3, the rest is revision, lengths, the number and where the contact lies
        assert_eq!(builder.build().bytes(), 1000 * (6 + 3 + 8 + 1 + 2 + 8 + 4));
    }
}
