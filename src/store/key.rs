//! Keys: the tenant first, then what sort of thing, then which.
//!
//! Inside a tenant an entry's key is one byte for the sort and the rest for the thing:
//! `c` id (a contact), `e` number (an extension), `g` id (a group), `h` id (opening hours), `k` id (a trunk), `l` (a brake),
//! `n` number 0 id (a contact has this number), `o` digits 0 id (a contact has what stands behind these digits), `p` digits 0
//! id (a contact has all numbers that begin like this), `r` (a route), `s` (a list entry), `t` name (a token), `u` domain 0
//! extension (a user). A generation holds contacts first, and then what they are found by: in the order of their letters.

use crate::directory::Indexed;
use crate::number::{Kind, Number};
use crate::routing::{List, PlanKey, Prefix, RouteKey, ScreenKey};

/// Sorts of entry.
pub(super) const CONTACT: u8 = b'c';
pub(super) const EXTENSION: u8 = b'e';
pub(super) const GROUP: u8 = b'g';
pub(super) const SCHEDULE: u8 = b'h';
pub(super) const TRUNK: u8 = b'k';
pub(super) const LIMIT: u8 = b'l';
pub(super) const NUMBER_OF: u8 = b'n';
pub(super) const BEHIND: u8 = b'o';
pub(super) const BEGINNING: u8 = b'p';
pub(super) const ROUTE: u8 = b'r';
pub(super) const SCREEN: u8 = b's';
pub(super) const TOKEN: u8 = b't';
pub(super) const USER: u8 = b'u';

/// `tenant 0`: what every key of a tenant begins with.
pub(super) fn tenant(id: &str) -> Vec<u8> {
    let mut key = Vec::with_capacity(id.len() + 64);
    key.extend_from_slice(id.as_bytes());
    key.push(0);
    key
}

/// The tenant and the rest of a stored key.
pub(super) fn split_tenant(key: &[u8]) -> Option<(&str, &[u8])> {
    let end = memchr::memchr(0, key)?;
    Some((std::str::from_utf8(&key[..end]).ok()?, &key[end + 1..]))
}

/// `tenant 0 generation`: what every block of a generation begins with.
pub(super) fn generation(tenant_id: &str, generation: u64) -> Vec<u8> {
    let mut key = tenant(tenant_id);
    key.extend_from_slice(&generation.to_be_bytes());
    key
}

pub(super) fn contact(id: &str) -> Vec<u8> {
    joined(&[CONTACT], id)
}

fn joined(head: &[u8], tail: &str) -> Vec<u8> {
    let mut key = Vec::with_capacity(head.len() + tail.len());
    key.extend_from_slice(head);
    key.extend_from_slice(tail.as_bytes());
    key
}

/// What the keys of all contacts with a number begin with.
pub(super) fn number_of(number: &Number) -> Vec<u8> {
    let mut key = joined(&[NUMBER_OF, number.kind().tag()], number.digits());
    key.push(0);
    key
}

/// What the keys of all contacts that are found in a way begin with.
pub(super) fn found_by(way: &Indexed) -> Vec<u8> {
    let (sort, digits) = match way {
        Indexed::Number(number) => return number_of(number),
        Indexed::Beginning(digits) => (BEGINNING, digits),
        Indexed::Behind(digits) => (BEHIND, digits),
    };
    let mut key = joined(&[sort], digits);
    key.push(0);
    key
}

/// "This contact is found in this way."
pub(super) fn index_of_contact(way: &Indexed, id: &str) -> Vec<u8> {
    let mut key = found_by(way);
    key.extend_from_slice(id.as_bytes());
    key
}

/// Whether a key is one that an import may bring: of a contact, or of what it is found by.
pub(super) fn is_of_contacts(entry_key: &[u8]) -> bool {
    matches!(entry_key.first(), Some(&CONTACT | &NUMBER_OF | &BEGINNING | &BEHIND))
}

pub(super) fn route(route: &RouteKey) -> Vec<u8> {
    match route {
        RouteKey::Number(n) => joined(&[ROUTE, b'n', n.kind().tag()], n.digits()),
        RouteKey::Prefix(p) => joined(&[ROUTE, b'p', p.kind.tag()], &p.digits),
        RouteKey::Default => vec![ROUTE, b'd'],
    }
}

/// What the keys of a list's entries begin with.
pub(super) fn screens(list: List) -> [u8; 2] {
    let list = match list {
        List::Allow => b'a',
        List::Block => b'b',
    };
    [SCREEN, list]
}

pub(super) fn screen(list: List, key: &ScreenKey) -> Vec<u8> {
    let [_, list] = screens(list);
    match key {
        ScreenKey::Number(n) => joined(&[SCREEN, list, b'n', n.kind().tag()], n.digits()),
        ScreenKey::Prefix(p) => joined(&[SCREEN, list, b'p', p.kind.tag()], &p.digits),
        ScreenKey::Withheld => vec![SCREEN, list, b'w'],
        ScreenKey::Country(code) => joined(&[SCREEN, list, b'c'], code),
        ScreenKey::Class(class) => joined(&[SCREEN, list, b'k'], class.word()),
        ScreenKey::Verification(verification) => joined(&[SCREEN, list, b'v'], verification.word()),
        ScreenKey::Rate => vec![SCREEN, list, b'r'],
    }
}

/// Sorts of entry that a plan is made of.
pub(super) const PLAN: [u8; 8] = [EXTENSION, GROUP, SCHEDULE, TRUNK, LIMIT, ROUTE, SCREEN, USER];

/// The key of a thing of the plan.
pub(super) fn plan(key: &PlanKey) -> Vec<u8> {
    match key {
        PlanKey::Route(key) => route(key),
        PlanKey::Screen(list, key) => screen(*list, key),
        PlanKey::User(domain, extension) => user(domain, extension),
        PlanKey::Group(id) => joined(&[GROUP], id),
        PlanKey::Schedule(id) => joined(&[SCHEDULE], id),
        PlanKey::Extension(number) => joined(&[EXTENSION, number.kind().tag()], number.digits()),
        PlanKey::Trunk(id) => joined(&[TRUNK], id),
        PlanKey::Limit(class, scope) => joined(&[LIMIT], &format!("{}/{}", class.word(), scope.word())),
    }
}

pub(super) fn token(name: &str) -> Vec<u8> {
    joined(&[TOKEN], name)
}

/// What the keys of a domain's users begin with.
pub(super) fn users(domain: &str) -> Vec<u8> {
    let mut key = joined(&[USER], domain);
    key.push(0);
    key
}

pub(super) fn user(domain: &str, extension: &str) -> Vec<u8> {
    let mut key = users(domain);
    key.extend_from_slice(extension.as_bytes());
    key
}

/// The prefixes of a number from the longest to the shortest.
pub(super) fn prefixes(number: &Number) -> impl Iterator<Item = Prefix> + '_ {
    let digits = number.digits();
    // extensions and opaque names are both "inside the tenant": a prefix of digits covers either
    let kind = if number.kind() == Kind::E164 { Kind::E164 } else { Kind::Extension };
    let end = if digits.is_ascii() { digits.len().min(crate::number::E164_DIGITS_MAX) } else { 0 };
    (1..=end).rev().map(move |n| Prefix { kind, digits: digits[..n].to_owned() })
}
