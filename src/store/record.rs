//! Records as bytes: one version byte, then postcard. A version that was ever released is read for ever.

use super::{StoreError, key};
use crate::access::Token;
use crate::directory::{Contact, ContactNumber};
use crate::number::{Class, Number};
use crate::routing::{Extension, Group, Limit, List, PlanItem, Route, RouteKey, Schedule, Screen, ScreenKey, Step, Trunk, User};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::fmt;

/// The largest record, in bytes. [`super::engine`] has pages with room for many of these: sled keeps larger pages in
/// files of their own, which it never syncs.
pub(super) const RECORD_BYTES_MAX: usize = 32 * 1024;

/// Which records there are, and which version of each this program writes. A version's number is the record's own.
pub(super) trait Record: Serialize + DeserializeOwned {
    /// The version that is written.
    const VERSION: u8 = 1;

    /// A record of an older version.
    fn older(_version: u8, _body: &[u8]) -> Option<Result<Self, postcard::Error>> {
        None
    }
}

/// Version 1 knew no ranges, no phone books of one's own and no favourites.
impl Record for Contact {
    const VERSION: u8 = 2;

    fn older(version: u8, body: &[u8]) -> Option<Result<Contact, postcard::Error>> {
        #[derive(Deserialize)]
        struct Number1 {
            number: Number,
            typed: String,
            label: Option<String>,
        }
        #[derive(Deserialize)]
        struct Contact1 {
            id: String,
            name: String,
            company: Option<String>,
            numbers: Vec<Number1>,
            tags: Vec<String>,
            note: Option<String>,
            source: String,
        }
        let read = || {
            let Contact1 { id, name, company, numbers, tags, note, source } = postcard::from_bytes(body)?;
            let numbers = numbers.into_iter().map(|n: Number1| ContactNumber::of(n.number, n.typed, n.label)).collect();
            Ok(Contact { company, tags, note, source, ..Contact::of(id, name, numbers) })
        };
        (version == 1).then(read)
    }
}
impl Record for User {}
impl Record for Token {}
impl Record for Group {}
impl Record for Schedule {}
impl Record for Trunk {}
impl Record for Limit {}
impl Record for Vec<Generation> {}
/// A part of a change that is too large for one record.
impl Record for Vec<EntryChange> {}

/// Version 1 knew no changes with parts of their own, version 2 neither where a change came from nor what it undoes.
impl Record for Change {
    const VERSION: u8 = 3;

    fn older(version: u8, body: &[u8]) -> Option<Result<Change, postcard::Error>> {
        #[derive(Deserialize)]
        struct Change1 {
            revision: u64,
            at_us: u64,
            who: String,
            tenant: String,
            entries: Vec<EntryChange>,
            generations: Option<Vec<Generation>>,
        }
        #[derive(Deserialize)]
        struct Change2 {
            first: Change1,
            staged: Option<Staged>,
        }
        let whole = |first: Change1, staged| {
            let Change1 { revision, at_us, who, tenant, entries, generations } = first;
            Change { revision, at_us, who, from: String::new(), tenant, entries, generations, staged, undoes: None }
        };
        match version {
            1 => Some(postcard::from_bytes(body).map(|first| whole(first, None))),
            2 => Some(postcard::from_bytes(body).map(|Change2 { first, staged }| whole(first, staged))),
            _ => None,
        }
    }
}

/// Version 1 knew no schedules.
impl Record for Route {
    const VERSION: u8 = 2;

    fn older(version: u8, body: &[u8]) -> Option<Result<Route, postcard::Error>> {
        #[derive(Deserialize)]
        struct Route1 {
            key: RouteKey,
            steps: Vec<Step>,
            fallback: Option<Step>,
            revision: u64,
        }
        let read = || {
            let old: Route1 = postcard::from_bytes(body)?;
            Ok(Route { fallback: old.fallback, revision: old.revision, ..Route::of(old.key, old.steps) })
        };
        (version == 1).then(read)
    }
}

/// Version 1 knew no names in ASCII.
impl Record for Extension {
    const VERSION: u8 = 2;

    fn older(version: u8, body: &[u8]) -> Option<Result<Extension, postcard::Error>> {
        #[derive(Deserialize)]
        struct Extension1 {
            number: Number,
            name: Option<String>,
            dnd: bool,
            forward_always: Option<Number>,
            forward_busy: Option<Number>,
            forward_no_answer: Option<Number>,
            forward_unavailable: Option<Number>,
            mailbox: Option<String>,
            ring_seconds: Option<u16>,
            calls_max: Option<u8>,
            permissions: Option<Vec<Class>>,
            caller_id: Option<Number>,
            emergency_caller_id: Option<Number>,
            revision: u64,
        }
        let read = || {
            let old: Extension1 = postcard::from_bytes(body)?;
            Ok(Extension {
                name: old.name,
                dnd: old.dnd,
                forward_always: old.forward_always,
                forward_busy: old.forward_busy,
                forward_no_answer: old.forward_no_answer,
                forward_unavailable: old.forward_unavailable,
                mailbox: old.mailbox,
                ring_seconds: old.ring_seconds,
                calls_max: old.calls_max,
                permissions: old.permissions,
                caller_id: old.caller_id,
                emergency_caller_id: old.emergency_caller_id,
                revision: old.revision,
                ..Extension::of(old.number)
            })
        };
        (version == 1).then(read)
    }
}

/// Version 1 knew no rates.
impl Record for Screen {
    const VERSION: u8 = 2;

    fn older(version: u8, body: &[u8]) -> Option<Result<Screen, postcard::Error>> {
        #[derive(Deserialize)]
        struct Screen1 {
            list: List,
            key: ScreenKey,
            action: Option<Step>,
        }
        let read = || {
            let old: Screen1 = postcard::from_bytes(body)?;
            Ok(Screen { list: old.list, key: old.key, action: old.action, rate: None })
        };
        (version == 1).then(read)
    }
}

/// A thing of the plan as a record. Its revision is the entry's own, and is kept there alone.
pub(super) fn encode_item(item: &PlanItem) -> Result<Vec<u8>, StoreError> {
    match item {
        PlanItem::Route(r) => encode(&Route { revision: 0, ..r.clone() }),
        PlanItem::Screen(s) => encode(s),
        PlanItem::User(u) => encode(u),
        PlanItem::Group(g) => encode(&Group { revision: 0, ..g.clone() }),
        PlanItem::Schedule(s) => encode(&Schedule { revision: 0, ..s.clone() }),
        PlanItem::Extension(e) => encode(&Extension { revision: 0, ..e.clone() }),
        PlanItem::Trunk(t) => encode(&Trunk { revision: 0, ..t.clone() }),
        PlanItem::Limit(l) => encode(l),
    }
}

/// A thing of the plan back from its entry: its key inside the tenant says what it is.
pub(super) fn decode_item(entry_key: &[u8], revision: u64, bytes: &[u8]) -> Result<Option<PlanItem>, StoreError> {
    let item = match entry_key.first() {
        Some(&key::ROUTE) => PlanItem::Route(decode(bytes)?),
        Some(&key::SCREEN) => PlanItem::Screen(decode(bytes)?),
        Some(&key::USER) => PlanItem::User(decode(bytes)?),
        Some(&key::GROUP) => PlanItem::Group(decode(bytes)?),
        Some(&key::SCHEDULE) => PlanItem::Schedule(decode(bytes)?),
        Some(&key::EXTENSION) => PlanItem::Extension(decode(bytes)?),
        Some(&key::TRUNK) => PlanItem::Trunk(decode(bytes)?),
        Some(&key::LIMIT) => PlanItem::Limit(decode(bytes)?),
        _ => return Ok(None),
    };
    Ok(Some(item.with_revision(revision)))
}

/// A record's bytes.
pub(super) fn encode<R: Record>(record: &R) -> Result<Vec<u8>, StoreError> {
    let mut bytes = vec![R::VERSION];
    bytes = postcard::to_extend(record, bytes).map_err(|e| StoreError::Failed(e.to_string()))?;
    Ok(bytes)
}

/// Refuses a record that is larger than the store takes.
pub(super) fn check_size(what: &str, bytes: &[u8]) -> Result<(), StoreError> {
    if bytes.len() > RECORD_BYTES_MAX {
        return Err(StoreError::TooLarge(format!("{what} takes {} bytes, more than {RECORD_BYTES_MAX}; shorten it", bytes.len())));
    }
    Ok(())
}

/// A record back from its bytes.
pub(super) fn decode<R: Record>(bytes: &[u8]) -> Result<R, StoreError> {
    let corrupt = |what: String| StoreError::Corrupt { path: "(a record)".into(), what };
    match bytes.split_first() {
        Some((version, body)) => {
            let read = if *version == R::VERSION { Some(postcard::from_bytes(body)) } else { R::older(*version, body) };
            let unknown = || corrupt(format!("a record has version {version}, which this program doesn't know"));
            read.ok_or_else(unknown)?.map_err(|e| corrupt(format!("a record can't be read: {e}")))
        }
        None => Err(corrupt("a record is empty".into())),
    }
}

/// A generation: one source's contacts, staged as blocks and made true by the pointer that lists it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Generation {
    /// Its number, never used twice.
    pub id: u64,
    /// The import it came from.
    pub source: String,
    /// The revision that made it true.
    pub revision: u64,
    /// The revision that it was put together over. Edits after this one lie above it, all others below.
    pub since: u64,
    /// How many contacts it holds, those that it says are removed among them.
    pub contacts: u64,
}

/// One entry before and after an edit. Records may hold secrets, so [`Debug`](fmt::Debug) prints their lengths only.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EntryChange {
    /// The entry's key inside the tenant.
    pub key: Vec<u8>,
    /// Its record before; `None` where there was none.
    pub before: Option<Vec<u8>>,
    /// Its record after; `None` where it was removed.
    pub after: Option<Vec<u8>>,
}

impl fmt::Debug for EntryChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let len = |record: &Option<Vec<u8>>| record.as_ref().map(Vec::len);
        f.debug_struct("EntryChange")
            .field("key", &String::from_utf8_lossy(&self.key))
            .field("before_bytes", &len(&self.before))
            .field("after_bytes", &len(&self.after))
            .finish()
    }
}

/// Where the entries of a change lie that are too many for its own record: in parts beside it, as an import's blocks do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Staged {
    /// The parts' number, never used twice.
    pub id: u64,
    /// How many parts there are.
    pub parts: u32,
    /// How many entries there are in them.
    pub entries: u64,
}

/// One edit in the change log: enough to do it again, and to undo it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// The edit's number.
    pub revision: u64,
    /// When, in microseconds since 1970 (UTC).
    pub at_us: u64,
    /// Who: a user of the machine, or a token's name.
    pub who: String,
    /// Whose data.
    pub tenant: String,
    /// Single entries, unless they are `staged`; [`Reader::entries_of`](super::Reader::entries_of) brings either.
    pub entries: Vec<EntryChange>,
    /// A bulk change: the generations after it. `None` for edits, one or many.
    pub generations: Option<Vec<Generation>>,
    /// A change of so many entries that they lie elsewhere.
    pub staged: Option<Staged>,
    /// From where: `console`, `http 10.0.0.5`; empty where nobody said.
    pub from: String,
    /// The revision that it undoes.
    pub undoes: Option<u64>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access::TokenDigest;

    #[test]
    fn a_token_that_was_stored_once_is_read_for_ever() {
        // the store of schema 1 that lies in the tests is older than tokens
        let token = Token {
            name: "panel".into(),
            scopes: vec!["events:read".into()],
            created_us: 1_700_000_000_123_456,
            expires_us: Some(1),
            digest: TokenDigest::of("swt_x"),
        };
        let stored =
            "010570616e656c010b6576656e74733a72656164c0c480c1c1c482030101cf4840715aae3f3ae63aa1db04527d7997d37044787ddd5233aa1f393f495a80";
        assert_eq!(data_encoding::HEXLOWER.encode(&encode(&token).unwrap()), stored);
        let bytes = data_encoding::HEXLOWER.decode(stored.as_bytes()).unwrap();
        assert_eq!(decode::<Token>(&bytes).unwrap(), token);
    }
}
