//! Keys: the tenant first.
//!
//! `call`: tenant 0 ended id. `number`: tenant 0 number 0 ended id. `ended` is 8 bytes, big-endian, so that keys lie in the
//! order of time. `id`: the call's id alone, because it names the switch and a call is journalled once, whoever's it is.

use super::PlaceInJournal;

/// The longest number that can be searched for, in bytes: what a caller sent for one may be anything.
const NUMBER_BYTES_MAX: usize = 64;
/// Bytes of an instant.
const INSTANT_BYTES: usize = 8;

/// `tenant 0`.
pub(super) fn tenant(id: &str) -> Vec<u8> {
    joined(&[id.as_bytes(), &[0]])
}

/// `tenant 0 number 0`; none for what can't be a number's key.
pub(super) fn number(tenant_id: &str, number: &str) -> Option<Vec<u8>> {
    let ok = (1..=NUMBER_BYTES_MAX).contains(&number.len()) && !number.contains(char::is_control);
    ok.then(|| joined(&[tenant_id.as_bytes(), &[0], number.as_bytes(), &[0]]))
}

/// A key's end: when, and which.
pub(super) fn placed(prefix: &[u8], ended_us: u64, id: &str) -> Vec<u8> {
    joined(&[prefix, &ended_us.to_be_bytes(), id.as_bytes()])
}

/// The key that all calls that ended at or after an instant don't lie below.
pub(super) fn at(prefix: &[u8], ended_us: u64) -> Vec<u8> {
    joined(&[prefix, &ended_us.to_be_bytes()])
}

/// The place that a key ends with, behind its prefix.
pub(super) fn place(key: &[u8], prefix_len: usize) -> Option<PlaceInJournal> {
    let (ended_us, id) = key.get(prefix_len..)?.split_first_chunk::<INSTANT_BYTES>()?;
    Some(PlaceInJournal { ended_us: u64::from_be_bytes(*ended_us), id: std::str::from_utf8(id).ok()?.to_owned() })
}

/// The key in `call` of what a key in `number` points at.
pub(super) fn call_of(number_key: &[u8]) -> Option<Vec<u8>> {
    let tenant_end = memchr::memchr(0, number_key)?;
    let number_end = memchr::memchr(0, &number_key[tenant_end + 1..])? + tenant_end + 1;
    Some(joined(&[&number_key[..=tenant_end], &number_key[number_end + 1..]]))
}

/// The tenant's `tenant 0` at the beginning of a key.
pub(super) fn tenant_of(key: &[u8]) -> Option<&[u8]> {
    Some(&key[..=memchr::memchr(0, key)?])
}

/// What an id's entry holds: when the call began, and its key.
pub(super) fn id_value(started_us: u64, call_key: &[u8]) -> Vec<u8> {
    joined(&[&started_us.to_be_bytes(), call_key])
}

/// The same, taken apart.
pub(super) fn read_id_value(value: &[u8]) -> Option<(u64, &[u8])> {
    let (started_us, call_key) = value.split_first_chunk::<INSTANT_BYTES>()?;
    Some((u64::from_be_bytes(*started_us), call_key))
}

fn joined(parts: &[&[u8]]) -> Vec<u8> {
    parts.concat()
}
