//! Bulk changes: a whole source's contacts, put together beside the store and made true at once.

use super::block::BlockWriter;
use super::record::{self, Generation};
use super::writer::Job;
use super::{Store, StoreError, key};
use crate::directory::Contact;
use std::sync::atomic::Ordering;
use std::sync::mpsc::sync_channel;

/// Bytes that one bulk change may hold in memory.
const BULK_BYTES_MAX: usize = 3 * 1024 * 1024 * 1024;
/// Blocks that are handed to the writer at once.
const BLOCKS_PER_JOB: usize = 32;

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

    /// Adds a contact; a later one with the same id replaces it.
    ///
    /// # Errors
    /// [`StoreError::TooLarge`] for a record or a file that is beyond the store's limits.
    pub fn push(&mut self, contact: &Contact) -> Result<(), StoreError> {
        let bytes = record::encode(contact)?;
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

    /// Lays the contacts over those of the same source and makes the whole true, or nothing of it.
    ///
    /// # Errors
    /// Whatever the writer says; the store is then as it was.
    pub fn commit(mut self, who: &str) -> Result<BulkOutcome, StoreError> {
        let mut rows = std::mem::take(&mut self.rows);
        // stable: of rows with one id the last stays
        rows.sort_by(|a, b| self.id(*a).cmp(self.id(*b)));
        let mut kept: Vec<Row> = Vec::with_capacity(rows.len());
        for row in rows {
            match kept.last_mut() {
                Some(last) if self.id(*last) == self.id(row) => *last = row,
                _ => kept.push(row),
            }
        }
        let since = self.store.shared.revision.load(Ordering::Acquire);
        let generation = self.store.shared.next_generation.fetch_add(1, Ordering::AcqRel);
        let mut stage = Stage { bulk: &self, generation, blocks: Vec::new(), writer: BlockWriter::default() };
        let outcome = stage.merge(&kept);
        let done = match outcome {
            Ok((outcome, _)) if outcome.added + outcome.changed == 0 => Ok(BulkOutcome { revision: since, ..outcome }),
            Ok((outcome, contacts)) => {
                let generation = Generation { id: generation, source: self.source.clone(), revision: 0, contacts };
                let (reply, answer) = sync_channel(1);
                let (tenant, who) = (self.tenant.clone(), who.to_owned());
                self.store
                    .send(Job::Commit { tenant, who, generation, since, reply })
                    .and_then(|()| answer.recv().map_err(|_| StoreError::Closed)?)
                    .map(|revision| BulkOutcome { revision, ..outcome })
            }
            Err(error) => Err(error),
        };
        if !matches!(&done, Ok(outcome) if outcome.added + outcome.changed > 0) {
            let _ = self.store.send(Job::Abort { tenant: self.tenant.clone(), generation });
        }
        done
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
    /// Writes the union of the source's contacts and the new rows, then who has which number.
    fn merge(&mut self, rows: &[Row]) -> Result<(BulkOutcome, u64), StoreError> {
        let bulk = self.bulk;
        let durable = bulk.store.shared.durable.clone();
        let mut outcome = BulkOutcome::default();
        let mut numbers = Numbers::default();
        let mut contacts = 0;
        let mut new = rows.iter().copied().peekable();
        for item in durable.contacts(&bulk.tenant, "") {
            let (_, old) = item?;
            while let Some(row) = new.next_if(|row| bulk.id(*row) < old.id.as_bytes()) {
                outcome.added += 1;
                contacts += 1;
                self.put(bulk.id(row), bulk.record(row), &mut numbers)?;
            }
            if let Some(row) = new.next_if(|row| bulk.id(*row) == old.id.as_bytes()) {
                let before = record::encode(&old)?;
                if before == bulk.record(row) {
                    outcome.unchanged += 1;
                } else {
                    outcome.changed += 1;
                }
                contacts += 1;
                self.put(bulk.id(row), bulk.record(row), &mut numbers)?;
            } else if old.source == bulk.source {
                contacts += 1;
                self.put(old.id.as_bytes(), &record::encode(&old)?, &mut numbers)?;
            }
        }
        for row in new {
            outcome.added += 1;
            contacts += 1;
            self.put(bulk.id(row), bulk.record(row), &mut numbers)?;
        }
        if outcome.added + outcome.changed > 0 {
            for entry_key in numbers.sorted() {
                let full = self.writer.push(entry_key, &[]);
                self.hand_over(full, false)?;
            }
            let last = self.writer.finish();
            self.hand_over(last, true)?;
        }
        Ok((outcome, contacts))
    }

    fn put(&mut self, id: &[u8], bytes: &[u8], numbers: &mut Numbers) -> Result<(), StoreError> {
        let contact: Contact = record::decode(bytes)?;
        for number in &contact.numbers {
            numbers.push(&key::number_of_contact(&number.number, &contact.id));
        }
        let mut entry_key = vec![key::CONTACT];
        entry_key.extend_from_slice(id);
        let full = self.writer.push(&entry_key, bytes);
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
    fn push(&mut self, entry_key: &[u8]) {
        // an arena beyond 4 GiB can't come about: BULK_BYTES_MAX is smaller, and a number is smaller than its contact
        let at = u32::try_from(self.arena.len()).expect("the index of 3 GiB of contacts is below 4 GiB");
        self.arena.extend_from_slice(entry_key);
        self.keys.push((at, entry_key.len() as u16));
    }

    fn sorted(&mut self) -> impl Iterator<Item = &[u8]> {
        let arena = &self.arena;
        let get = |k: &(u32, u16)| &arena[k.0 as usize..][..usize::from(k.1)];
        self.keys.sort_unstable_by(|a, b| get(a).cmp(get(b)));
        self.keys.dedup_by(|a, b| get(a) == get(b));
        self.keys.iter().map(get)
    }
}
