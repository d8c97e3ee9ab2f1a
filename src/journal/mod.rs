//! The journal: finished calls, kept for a while, in a database of its own.
//!
//! Its own, because calls may read the directory's while this one is written, and because it may be thrown away: a journal
//! that can't be opened or written costs its own records, never a call and never an edit.
//!
//! A call is one record; numbers and ids are indexes that point at it. The database knows no transactions that may be
//! used, so the indexes are written first and the record makes them true; an index entry without a record is passed over,
//! and swept away in time. One thread writes ([`JournalWriter`]); anybody reads.

mod age;
mod error;
mod key;
mod record;
#[cfg(test)]
mod tests;
mod upkeep;
mod writer;

pub use error::JournalError;
pub use upkeep::Retained;
pub use writer::{JournalQueue, JournalWriter, QUEUE_CALLS_MAX};

use crate::cti::CallView;
use crate::store::{Engine, Marker, StoreError, Tree};
use std::collections::BTreeSet;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Duration;
use upkeep::Upkeep;

/// The schema that this version writes.
pub const JOURNAL_SCHEMA: u32 = 2;
/// Calls on one page, at most.
pub const PAGE_CALLS_MAX: usize = 1000;
/// The longest id of a call, in bytes: a switch's name and a UUID have 70.
const ID_BYTES_MAX: usize = 256;
/// How often a journal that is in use is tried, and the pause in between: a second in all.
const LOCKED_LOOKS_MAX: u32 = 20;
const LOCKED_PAUSE: Duration = Duration::from_millis(50);

/// The database's key spaces.
#[derive(Debug, Clone, Copy)]
enum Space {
    /// tenant, end, id → record.
    Call,
    /// tenant, number, end, id → nothing.
    Number,
    /// id → when it began, and its key in `Call`.
    Id,
}

impl Space {
    const NAMES: &'static [&'static str] = &["call", "number", "id"];
}

impl Tree for Space {
    fn place(self) -> usize {
        self as usize
    }
}

/// How much is kept; what ended first goes first, whoever's it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct JournalLimits {
    /// Days that a call is kept after its end.
    pub days_max: u32,
    /// Bytes of all records and indexes. The database's files take 3 to 4 times that (measured: 100 MB for 40,000 calls of
    /// 740 bytes).
    pub bytes_max: u64,
}

impl Default for JournalLimits {
    fn default() -> Self {
        // a year, or some 700,000 calls: 2 GB of files
        JournalLimits { days_max: 365, bytes_max: 512 * 1024 * 1024 }
    }
}

/// Where a call lies among its tenant's: by its end, and by its id where several ended at once.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct PlaceInJournal {
    /// When it ended. Microseconds since 1970.
    pub ended_us: u64,
    /// Its id.
    pub id: String,
}

/// Which calls.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Query {
    /// Whose.
    pub tenant: String,
    /// Those that ended then or later. Microseconds since 1970.
    pub since_us: Option<u64>,
    /// Those that ended before. Microseconds since 1970.
    pub until_us: Option<u64>,
    /// Those that this number had a part in, as caller, called, leg or member; in its canonical form.
    pub number: Option<String>,
    /// Those behind this place, in the order that is asked for.
    pub after: Option<PlaceInJournal>,
    /// So many, and [`PAGE_CALLS_MAX`] at most.
    pub limit: usize,
    /// What ended first comes first, instead of last.
    pub oldest_first: bool,
}

/// A page of calls.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Page {
    /// The calls, in the order that was asked for.
    pub calls: Vec<CallView>,
    /// The place to go on behind, where there may be more.
    pub next: Option<PlaceInJournal>,
    /// Records that were passed over because they can't be read.
    pub unreadable: usize,
}

/// How full a journal is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct JournalStatus {
    /// Calls that were counted.
    pub calls: u64,
    /// Their bytes, as [`JournalLimits::bytes_max`] means them.
    pub bytes: u64,
    /// Whether all were counted since it was opened.
    pub counted: bool,
    /// Bytes that the files take.
    pub disk_bytes: u64,
}

struct Shared {
    dir: PathBuf,
    limits: JournalLimits,
    /// None while it is opened again after a fault, or while it is another process's.
    engine: RwLock<Option<Engine>>,
    /// Set once it was left to another process, which must never find it locked again. Changes while `engine` is held alone.
    is_left: AtomicBool,
    /// Held by whoever writes.
    upkeep: Mutex<Upkeep>,
}

impl Shared {
    fn new(dir: &Path, limits: JournalLimits, engine: Option<Engine>) -> Arc<Shared> {
        let (is_left, upkeep) = (AtomicBool::new(false), Mutex::default());
        Arc::new(Shared { dir: dir.into(), limits, engine: RwLock::new(engine), is_left, upkeep })
    }

    /// Why nothing can be read or written without an engine.
    fn without_engine(&self) -> StoreError {
        match self.is_left.load(Ordering::Acquire) {
            true => StoreError::HandedOver,
            false => StoreError::Closed,
        }
    }
}

/// A handle to an open journal. All that wait for its locks are threads behind calls.
#[derive(Clone)]
pub struct Journal {
    shared: Arc<Shared>,
}

impl Journal {
    /// Opens the journal in a directory, making a new one if there is none.
    ///
    /// # Errors
    /// [`JournalError`] says what is wrong and what to do; the journal is left as it was, and everything else can go on
    /// without it.
    pub fn open(dir: &Path, limits: JournalLimits) -> Result<Journal, JournalError> {
        Ok(Journal { shared: Shared::new(dir, limits, Some(open_engine(dir)?)) })
    }

    /// The journal of a directory that another process has yet: reading and writing fail until it is opened with
    /// [`Journal::reopen`].
    #[must_use]
    pub fn closed(dir: &Path, limits: JournalLimits) -> Journal {
        Journal { shared: Shared::new(dir, limits, None) }
    }

    /// Closes the files for good, so that another process can open them: whoever writes here yet, and finds that he can't,
    /// doesn't open them again. Waits for readers.
    pub fn close(&self) {
        let mut engine = self.shared.engine.write().unwrap_or_else(PoisonError::into_inner);
        self.shared.is_left.store(true, Ordering::Release);
        drop(engine.take());
    }

    /// Whether this version can open what lies in a directory, without opening it.
    ///
    /// # Errors
    /// What lies there is a newer version's, or no journal.
    pub fn check_schema(dir: &Path) -> Result<(), JournalError> {
        match Marker::read(dir, JOURNAL_SCHEMA)? {
            Some(marker) if marker.schema > JOURNAL_SCHEMA => {
                Err(StoreError::Newer { path: dir.into(), found: marker.schema, known: JOURNAL_SCHEMA }.into())
            }
            _ => Ok(()),
        }
    }

    /// Writes a finished call; says whether it is new. It is on the disk after the next [`Journal::sync`].
    ///
    /// The same call may come twice, from two sources or after a reconnect: the second is passed over. A switch that began
    /// anew may use an id again years later; that is another call.
    ///
    /// # Errors
    /// It wasn't written.
    pub fn put(&self, call: &CallView) -> Result<bool, JournalError> {
        check_keys(call)?;
        let record = record::encode(call)?;
        let mut upkeep = self.upkeep();
        let written = self.with(|engine| put(engine, &mut upkeep, call, &record));
        if written.is_err() {
            upkeep.sweep_again();
        }
        written
    }

    /// Everything written so far is on the disk, also after a power cut, when this returns.
    ///
    /// # Errors
    /// It may not be.
    pub fn sync(&self) -> Result<(), JournalError> {
        self.with(Engine::sync)
    }

    /// Removes what is too old or too much, and sweeps up: a bounded piece of it, so that others have their turn.
    ///
    /// # Errors
    /// The journal could not be read or written.
    pub fn retain(&self, now_us: u64) -> Result<Retained, JournalError> {
        let mut upkeep = self.upkeep();
        self.with(|engine| upkeep.retain(engine, self.shared.limits, now_us))
    }

    /// When the newest call ended; none where there is no call.
    fn newest_us(&self) -> Result<Option<u64>, JournalError> {
        self.with(Upkeep::newest_us)
    }

    /// A page of calls.
    ///
    /// # Errors
    /// The journal could not be read.
    pub fn read(&self, query: &Query) -> Result<Page, JournalError> {
        self.with(|engine| read(engine, query))
    }

    /// The call with this id that was journalled last.
    ///
    /// # Errors
    /// The journal could not be read.
    pub fn get(&self, tenant: &str, id: &str) -> Result<Option<CallView>, JournalError> {
        self.with(|engine| {
            let Some(value) = engine.get(Space::Id, id.as_bytes())? else { return Ok(None) };
            let Some((_, call_key)) = key::read_id_value(&value).filter(|(_, k)| k.starts_with(&key::tenant(tenant))) else {
                return Ok(None);
            };
            engine.get(Space::Call, call_key)?.map(|bytes| record::decode(&bytes)).transpose()
        })
    }

    /// How full it is.
    #[must_use]
    pub fn status(&self) -> JournalStatus {
        let disk_bytes = self.with(|engine| Ok(engine.disk_bytes())).unwrap_or(0);
        self.upkeep().status(disk_bytes)
    }

    /// Closes the files and opens them again: after a failed write the database refuses all others. Waits for readers.
    ///
    /// # Errors
    /// They can't be opened; reading and writing fail until this is done again. After [`Journal::close`] they never are.
    pub fn reopen(&self) -> Result<(), JournalError> {
        let mut upkeep = self.upkeep();
        let mut engine = self.shared.engine.write().unwrap_or_else(PoisonError::into_inner);
        // the old one holds the lock on the files
        drop(engine.take());
        if self.shared.is_left.load(Ordering::Acquire) {
            return Err(StoreError::HandedOver.into());
        }
        *upkeep = Upkeep::default();
        *engine = Some(open_engine(&self.shared.dir)?);
        Ok(())
    }

    fn with<T>(&self, what: impl FnOnce(&Engine) -> Result<T, StoreError>) -> Result<T, JournalError> {
        let engine = self.shared.engine.read().unwrap_or_else(PoisonError::into_inner);
        Ok(what(engine.as_ref().ok_or_else(|| self.shared.without_engine())?)?)
    }

    fn upkeep(&self) -> MutexGuard<'_, Upkeep> {
        self.shared.upkeep.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn open_engine(dir: &Path) -> Result<Engine, StoreError> {
    let not_writable = |e: std::io::Error| StoreError::NotWritable { path: dir.into(), error: e.to_string() };
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(not_writable)?;
    let (owner, user) = (std::fs::metadata(dir).map_err(not_writable)?.uid(), rustix::process::geteuid().as_raw());
    if owner != user {
        return Err(StoreError::NotOwner { path: dir.into(), owner, user });
    }
    let marker = Marker::read(dir, JOURNAL_SCHEMA)?;
    if let Some(marker) = marker {
        if marker.schema > JOURNAL_SCHEMA {
            return Err(StoreError::Newer { path: dir.into(), found: marker.schema, known: JOURNAL_SCHEMA });
        }
        if std::fs::metadata(dir.join("db")).map_or(0, |m| m.len()) == 0 {
            return Err(StoreError::Corrupt { path: dir.into(), what: "its database file is missing or empty".into() });
        }
    }
    let mut looks = 1;
    let engine = loop {
        match Engine::open(dir, Space::NAMES) {
            // the database's own threads hold the lock for a moment after it was closed; so does a command line that reads
            Err(StoreError::Locked(_)) if looks < LOCKED_LOOKS_MAX => {
                looks += 1;
                std::thread::sleep(LOCKED_PAUSE);
            }
            opened => break opened?,
        }
    };
    // an older one is read, and marked before anything of this schema is in it
    if marker.is_none_or(|marker| marker.schema < JOURNAL_SCHEMA) {
        engine.sync()?;
        Marker { schema: JOURNAL_SCHEMA, revision: 0 }.write(dir)?;
    }
    Ok(engine)
}

fn check_keys(call: &CallView) -> Result<(), StoreError> {
    if call.tenant.is_empty() || call.tenant.contains('\0') {
        return Err(StoreError::NotAKey(format!("{:?} is no tenant; the call wasn't journalled", call.tenant)));
    }
    if !(1..=ID_BYTES_MAX).contains(&call.id.len()) {
        return Err(StoreError::NotAKey(format!("an id of {} bytes is none; the call wasn't journalled", call.id.len())));
    }
    Ok(())
}

/// When a call ended; one whose end wasn't seen is where it began.
fn ended_us(call: &CallView) -> u64 {
    call.ended_us.unwrap_or(call.started_us)
}

/// The keys of a call in the index of numbers.
fn number_keys(call: &CallView) -> BTreeSet<Vec<u8>> {
    let legs = call.legs.iter().flat_map(|leg| [Some(&leg.number), leg.member.as_ref()]);
    let ends = [Some(&call.from.number), Some(&call.to), call.transferred_to.as_ref(), call.answered_by.as_ref().map(|a| &a.member)];
    let prefixes = legs.chain(ends).flatten().filter_map(|number| key::number(&call.tenant, number));
    prefixes.map(|prefix| key::placed(&prefix, ended_us(call), &call.id)).collect()
}

fn put(engine: &Engine, upkeep: &mut Upkeep, call: &CallView, record: &[u8]) -> Result<bool, StoreError> {
    let call_key = key::placed(&key::tenant(&call.tenant), ended_us(call), &call.id);
    if is_there(engine, call, &call_key)? {
        return Ok(false);
    }
    let numbers = number_keys(call);
    engine.check_space((record.len() + call_key.len() * (numbers.len() + 2)) as u64)?;
    for number_key in &numbers {
        engine.put(Space::Number, number_key, &[])?;
    }
    engine.put(Space::Id, call.id.as_bytes(), &key::id_value(call.started_us, &call_key))?;
    engine.put(Space::Call, &call_key, record)?;
    upkeep.added(&call_key, record.len());
    Ok(true)
}

/// Whether a call was journalled already. Two sources don't see its beginning in the same microsecond: the same id at the
/// same time is the same call.
fn is_there(engine: &Engine, call: &CallView, call_key: &[u8]) -> Result<bool, StoreError> {
    if engine.get(Space::Call, call_key)?.is_some() {
        return Ok(true);
    }
    let Some(value) = engine.get(Space::Id, call.id.as_bytes())? else { return Ok(false) };
    let Some((started_us, other_key)) = key::read_id_value(&value) else { return Ok(false) };
    let Some(place) = key::tenant_of(other_key).and_then(|tenant| key::place(other_key, tenant.len())) else { return Ok(false) };
    let at_once = started_us == call.started_us || (started_us < ended_us(call) && call.started_us < place.ended_us);
    Ok(at_once && engine.get(Space::Call, other_key)?.is_some())
}

fn read(engine: &Engine, query: &Query) -> Result<Page, StoreError> {
    let (space, prefix) = match &query.number {
        None => (Space::Call, key::tenant(&query.tenant)),
        Some(number) => match key::number(&query.tenant, number) {
            Some(prefix) => (Space::Number, prefix),
            None => return Ok(Page::default()),
        },
    };
    let after = query.after.as_ref().map(|place| key::placed(&prefix, place.ended_us, &place.id));
    let mut from = key::at(&prefix, query.since_us.unwrap_or(0));
    let mut below = query.until_us.map_or_else(|| end_of(&prefix), |until_us| key::at(&prefix, until_us));
    let keys: Box<dyn Iterator<Item = _>> = if query.oldest_first {
        if let Some(mut after) = after {
            // the next key that there can be
            after.push(0);
            from = from.max(after);
        }
        Box::new(engine.scan(space, &prefix, &from))
    } else {
        below = after.map_or(below.clone(), |after| after.min(below));
        Box::new(engine.scan_back(space, &prefix, &below))
    };
    let limit = query.limit.min(PAGE_CALLS_MAX);
    let mut page = Page::default();
    for item in keys {
        let (found, value) = item?;
        if found[..] < from[..] || found[..] >= below[..] {
            break;
        }
        if page.calls.len() == limit {
            page.next = page.calls.last().map(|call| PlaceInJournal { ended_us: ended_us(call), id: call.id.clone() });
            break;
        }
        let bytes = match space {
            Space::Number => key::call_of(&found).map(|call_key| engine.get(Space::Call, &call_key)).transpose()?.flatten(),
            _ => Some(value),
        };
        // an index entry without a record is none
        match bytes.map(|bytes| record::decode(&bytes)) {
            Some(Ok(call)) => page.calls.push(call),
            Some(Err(_)) => page.unreadable += 1,
            None => {}
        }
    }
    Ok(page)
}

/// The key above all that begin with a prefix, which ends with a zero.
fn end_of(prefix: &[u8]) -> Vec<u8> {
    let mut end = prefix.to_vec();
    end.pop();
    end.push(1);
    end
}
