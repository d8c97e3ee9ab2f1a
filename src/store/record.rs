//! Records as bytes: one version byte, then postcard. A version that was ever released is read for ever.

use super::StoreError;
use crate::access::Token;
use crate::directory::Contact;
use crate::routing::{Route, Screen, User};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::fmt;

/// The version that this program writes.
const VERSION: u8 = 1;
/// The largest record, in bytes. [`super::engine`] has pages with room for many of these: sled keeps larger pages in
/// files of their own, which it never syncs.
pub(super) const RECORD_BYTES_MAX: usize = 32 * 1024;

/// Which records there are; a version's number is shared by all.
pub(super) trait Record: Serialize + DeserializeOwned {}
impl Record for Contact {}
impl Record for Route {}
impl Record for Screen {}
impl Record for User {}
impl Record for Token {}
impl Record for Change {}
impl Record for Vec<Generation> {}

/// A record's bytes.
pub(super) fn encode<R: Record>(record: &R) -> Result<Vec<u8>, StoreError> {
    let mut bytes = vec![VERSION];
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
        Some((&VERSION, body)) => postcard::from_bytes(body).map_err(|e| corrupt(format!("a record can't be read: {e}"))),
        Some((version, _)) => Err(corrupt(format!("a record has version {version}, which this program doesn't know"))),
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
    /// How many contacts it holds.
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
    /// Single entries.
    pub entries: Vec<EntryChange>,
    /// A bulk change: the generations after it. `None` for a single edit.
    pub generations: Option<Vec<Generation>>,
}
