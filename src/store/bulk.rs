//! Bulk changes: a whole source's contacts, put together beside the store and made true at once.

use super::block::BlockWriter;
use super::by::By;
use super::durable::block_value;
use super::record::{self, Generation};
use super::writer::Job;
use super::{Store, StoreError, key};
use crate::directory::{Contact, ContactNumber, check_id};
use crate::routing::check_tenant_id;
use std::sync::mpsc::sync_channel;
use std::time::Duration;

/// Bytes that one bulk change may hold in memory.
const BULK_BYTES_MAX: usize = 3 * 1024 * 1024 * 1024;
/// Blocks that are handed to the writer at once.
const BLOCKS_PER_JOB: usize = 32;

/// The pause after each handing over. Writing is the kernel's work, which no scheduling class holds back; in small pieces
/// with room between them it leaves the processors to calls (a million contacts take some two seconds longer).
const PAUSE: Duration = Duration::from_millis(2);

/// How often an import is put together anew because another one of the tenant was faster.
const TRIES_MAX: usize = 5;

/// Contacts on their way into the store. Dropping it leaves the store as it was.
pub struct Bulk {
    store: Store,
    tenant: String,
    source: String,
    /// record bytes one after the other.
    arena: Vec<u8>,
    /// (id's offset in `ids`, id's length, record's offset, record's length)
    rows: Vec<Row>,
    ids: Vec<u8>,
}

#[derive(Clone, Copy)]
struct Row {
    id: u32,
    id_len: u8,
    record: u32,
    record_len: u32,
}

/// What a bulk change did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct BulkOutcome {
    /// The store's revision after it.
    pub revision: u64,
    /// Contacts that are new.
    pub added: u64,
    /// Contacts that were changed.
    pub changed: u64,
    /// Contacts that were the same already.
    pub unchanged: u64,
}

impl Bulk {
    pub(super) fn new(store: Store, tenant: &str, source: &str) -> Bulk {
        Bulk { store, tenant: tenant.to_owned(), source: source.to_owned(), arena: Vec::new(), rows: Vec::new(), ids: Vec::new() }
    }

    /// How many contacts were pushed.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether nothing was pushed.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Adds a contact; a later one with the same id replaces it. Its source becomes this change's.
    ///
    /// # Errors
    /// [`StoreError::TooLarge`] for a record or a file that is beyond the store's limits, and
    /// [`StoreError::NotAKey`] for an id that can't be one.
    pub fn push(&mut self, contact: &Contact) -> Result<(), StoreError> {
        check_id(&contact.id).map_err(|e| StoreError::NotAKey(e.to_string()))?;
        let bytes = if contact.source == self.source {
            record::encode(contact)?
        } else {
            record::encode(&Contact { source: self.source.clone(), ..contact.clone() })?
        };
        record::check_size("the contact", &bytes)?;
        let too_large = || StoreError::TooLarge("the import is larger than 3 GiB; split the file".into());
        if self.arena.len() + bytes.len() > BULK_BYTES_MAX {
            return Err(too_large());
        }
        self.rows.push(Row {
            id: u32::try_from(self.ids.len()).map_err(|_| too_large())?,
            id_len: u8::try_from(contact.id.len()).map_err(|_| too_large())?,
            record: u32::try_from(self.arena.len()).map_err(|_| too_large())?,
            record_len: bytes.len() as u32,
        });
        self.ids.extend_from_slice(contact.id.as_bytes());
        self.arena.extend_from_slice(&bytes);
        Ok(())
    }

    fn id(&self, row: Row) -> &[u8] {
        &self.ids[row.id as usize..][..usize::from(row.id_len)]
    }

    fn record(&self, row: Row) -> &[u8] {
        &self.arena[row.record as usize..][..row.record_len as usize]
    }

    /// Lays the contacts over those of the same source and makes the whole true, or nothing of it. An edit that is
    /// made while this runs is newer than the file, and stands.
    ///
    /// # Errors
    /// Whatever the writer says; the store is then as it was.
    pub fn commit(mut self, by: impl Into<By>) -> Result<BulkOutcome, StoreError> {
        let by = by.into();
        self.sort();
        for _ in 0..TRIES_MAX {
            if let Some(outcome) = self.stage()?.finish(&by)? {
                return Ok(outcome);
            }
        }
        Err(StoreError::Busy("other imports of this tenant kept coming in between; import again when they are done".into()))
    }

    /// Sorts the rows by id. Of rows with one id the last stays.
    pub(super) fn sort(&mut self) {
        let mut rows = std::mem::take(&mut self.rows);
        // stable: equal ids stay in the order of the file
        rows.sort_by(|a, b| self.id(*a).cmp(self.id(*b)));
        let mut kept: Vec<Row> = Vec::with_capacity(rows.len());
        for row in rows {
            match kept.last_mut() {
                Some(last) if self.id(*last) == self.id(row) => *last = row,
                _ => kept.push(row),
            }
        }
        self.rows = kept;
    }

    /// Puts a generation together beside the store. Nobody sees it yet.
    pub(super) fn stage(&self) -> Result<Staged, StoreError> {
        check_tenant_id(&self.tenant).map_err(|e| StoreError::NotAKey(e.to_string()))?;
        let (reply, answer) = sync_channel(1);
        self.store.send(Job::Begin { tenant: self.tenant.clone(), is_import: true, reply })?;
        let (id, since) = answer.recv().map_err(|_| StoreError::Closed)??;
        let generation = Generation { id, source: self.source.clone(), revision: 0, since, contacts: 0 };
        let mut staged = Staged { store: self.store.clone(), tenant: self.tenant.clone(), generation, outcome: BulkOutcome::default() };
        if self.differs()? {
            let mut stage = Stage { bulk: self, generation: id, blocks: Vec::new(), writer: BlockWriter::default() };
            (staged.outcome, staged.generation.contacts) = stage.merge(&self.rows)?;
        } else {
            staged.outcome.unchanged = self.rows.len() as u64;
        }
        staged.outcome.revision = since;
        Ok(staged)
    }

    /// Whether any row is not in the store already, as it is. Nothing is written for a file that brings nothing new.
    fn differs(&self) -> Result<bool, StoreError> {
        let mut rows = self.rows.iter().peekable();
        for item in self.store.shared.durable.entries(&self.tenant, &[key::CONTACT], &[key::CONTACT]) {
            let Some(row) = rows.peek() else { break };
            let old = item?;
            let id = &old.key()[1..];
            if self.id(**row) < id || (self.id(**row) == id && !same(old.record(), self.record(**row))?) {
                return Ok(true);
            }
            rows.next_if(|row| self.id(**row) == id);
        }
        Ok(rows.peek().is_some())
    }
}

/// Whether two records say the same, whatever version wrote them.
fn same(a: &[u8], b: &[u8]) -> Result<bool, StoreError> {
    Ok(a == b || record::decode::<Contact>(a)? == record::decode(b)?)
}

/// A generation that is written and not true. Dropping it leaves the store as it was.
pub(super) struct Staged {
    store: Store,
    tenant: String,
    generation: Generation,
    outcome: BulkOutcome,
}

impl Staged {
    /// Makes it true; `None` when another import of the tenant became true since it was begun.
    pub(super) fn finish(self, by: impl Into<By>) -> Result<Option<BulkOutcome>, StoreError> {
        if self.outcome.added + self.outcome.changed == 0 {
            return Ok(Some(self.outcome));
        }
        let (reply, answer) = sync_channel(1);
        let (tenant, by, generation) = (self.tenant.clone(), by.into(), self.generation.clone());
        self.store.send(Job::Commit { tenant, by, generation, reply })?;
        let made = answer.recv().map_err(|_| StoreError::Closed)??;
        Ok(made.map(|revision| BulkOutcome { revision, ..self.outcome }))
    }
}

impl Drop for Staged {
    fn drop(&mut self) {
        // the writer knows whether it has become true, and does nothing then
        let _ = self.store.send(Job::Abort { generation: self.generation.id });
    }
}

/// A generation being written.
struct Stage<'a> {
    bulk: &'a Bulk,
    generation: u64,
    blocks: Vec<(Vec<u8>, Vec<u8>)>,
    writer: BlockWriter,
}

impl Stage<'_> {
    /// Writes the union of the source's contacts and the new rows, then who has which number. Contacts that stay the
    /// same keep their revision.
    fn merge(&mut self, rows: &[Row]) -> Result<(BulkOutcome, u64), StoreError> {
        let bulk = self.bulk;
        let mut outcome = BulkOutcome::default();
        let mut numbers = Numbers::default();
        let mut contacts = 0;
        let mut new = rows.iter().copied().peekable();
        for item in bulk.store.shared.durable.entries(&bulk.tenant, &[key::CONTACT], &[key::CONTACT]) {
            let old = item?;
            let id = &old.key()[1..];
            while let Some(row) = new.next_if(|row| bulk.id(*row) < id) {
                outcome.added += 1;
                contacts += 1;
                self.put(bulk.id(row), 0, bulk.record(row), &mut numbers)?;
            }
            if let Some(row) = new.next_if(|row| bulk.id(*row) == id) {
                let unchanged = same(old.record(), bulk.record(row))?;
                outcome.unchanged += u64::from(unchanged);
                outcome.changed += u64::from(!unchanged);
                contacts += 1;
                self.put(id, if unchanged { old.revision } else { 0 }, bulk.record(row), &mut numbers)?;
            } else if record::decode::<Contact>(old.record())?.source == bulk.source {
                contacts += 1;
                self.put(id, old.revision, old.record(), &mut numbers)?;
            }
        }
        for row in new {
            outcome.added += 1;
            contacts += 1;
            self.put(bulk.id(row), 0, bulk.record(row), &mut numbers)?;
        }
        for entry_key in numbers.sorted() {
            let full = self.writer.push(entry_key, &[]);
            self.hand_over(full, false)?;
        }
        let last = self.writer.finish();
        self.hand_over(last, true)?;
        Ok((outcome, contacts))
    }

    fn put(&mut self, id: &[u8], revision: u64, bytes: &[u8], numbers: &mut Numbers) -> Result<(), StoreError> {
        let contact: Contact = record::decode(bytes)?;
        for way in contact.numbers.iter().flat_map(ContactNumber::indexed) {
            numbers.push(&key::index_of_contact(&way, &contact.id))?;
        }
        let full = self.writer.push(&[&[key::CONTACT], id].concat(), &block_value(revision, bytes));
        self.hand_over(full, false)
    }

    fn hand_over(&mut self, block: Option<(Vec<u8>, Vec<u8>)>, all: bool) -> Result<(), StoreError> {
        self.blocks.extend(block);
        if self.blocks.len() >= BLOCKS_PER_JOB || (all && !self.blocks.is_empty()) {
            let (reply, answer) = sync_channel(1);
            let blocks = std::mem::take(&mut self.blocks);
            let store = &self.bulk.store;
            store.send(Job::Stage { tenant: self.bulk.tenant.clone(), generation: self.generation, blocks, reply })?;
            answer.recv().map_err(|_| StoreError::Closed)??;
            std::thread::sleep(PAUSE);
        }
        Ok(())
    }
}

/// Keys of the number index, collected to be sorted.
#[derive(Default)]
struct Numbers {
    arena: Vec<u8>,
    keys: Vec<(u32, u16)>,
}

impl Numbers {
    fn push(&mut self, entry_key: &[u8]) -> Result<(), StoreError> {
        let too_large = |_| StoreError::TooLarge("the source's numbers take more than 4 GiB; split it into several".into());
        self.keys.push((u32::try_from(self.arena.len()).map_err(too_large)?, entry_key.len() as u16));
        self.arena.extend_from_slice(entry_key);
        Ok(())
    }

    fn sorted(&mut self) -> impl Iterator<Item = &[u8]> {
        let arena = &self.arena;
        let get = |k: &(u32, u16)| &arena[k.0 as usize..][..usize::from(k.1)];
        self.keys.sort_unstable_by(|a, b| get(a).cmp(get(b)));
        self.keys.dedup_by(|a, b| get(a) == get(b));
        self.keys.iter().map(get)
    }
}
