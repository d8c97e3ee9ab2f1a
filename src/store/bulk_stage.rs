//! Putting a generation together beside the store, a step at a time, so that whoever asked can say how far it is and stop.

use super::block::BlockWriter;
use super::bulk::{Bulk, BulkOutcome, Rows};
use super::bulk_commit::{BulkChange, Committed};
use super::bulk_compare::{Compare, Judged, Write};
use super::by::By;
use super::durable::{Layered, block_value};
use super::plan_change::PlanEdits;
use super::record::{self, Generation};
use super::writer::Job;
use super::{Store, StoreError, key};
use crate::directory::{Contact, ContactNumber};
use crate::routing::{PlanItem, Screen, check_tenant_id};
use std::sync::Arc;
use std::sync::mpsc::sync_channel;
use std::time::Duration;

/// Blocks that are handed to the writer at once.
const BLOCKS_PER_JOB: usize = 32;

/// The pause after each handing over. Writing is the kernel's work, which no scheduling class holds back; in small pieces
/// with room between them it leaves the processors to calls (a million contacts take some two seconds longer).
const PAUSE: Duration = Duration::from_millis(2);

/// Contacts, or entries of the numbers' index, of one step: some tenths of a second.
const STEP_ENTRIES: usize = if cfg!(test) { 7 } else { 20_000 };

/// How often what is to be blocked is made up anew because somebody edited the plan meanwhile.
pub(super) const PLAN_TRIES_MAX: usize = 20;

/// An import that is being put together, and isn't true. Dropping it leaves the store as it was.
pub struct Staging {
    store: Store,
    tenant: String,
    generation: Generation,
    outcome: BulkOutcome,
    /// Whether there is anything for which the generation has to become true.
    is_needed: bool,
    rows: Arc<Rows>,
    screens: Arc<Vec<Screen>>,
    phase: Phase,
    /// What is compared again, from the beginning, once it is known that something differs.
    again: Option<Box<Compare>>,
    numbers: Numbers,
    blocks: Vec<(Vec<u8>, Vec<u8>)>,
    writer: BlockWriter,
}

enum Phase {
    /// Looking whether anything differs. Nothing is written for a file that brings nothing new, unless it has taken over what
    /// somebody had edited by hand.
    Comparing(Box<Compare>),
    /// Writing contacts.
    Contacts(Box<Compare>),
    /// Writing which contact has which number.
    Index,
    /// It only needs to be made true.
    Ready,
}

impl Staging {
    pub(super) fn begin(bulk: &Bulk) -> Result<Staging, StoreError> {
        check_tenant_id(&bulk.tenant).map_err(|e| StoreError::NotAKey(e.to_string()))?;
        let (reply, answer) = sync_channel(1);
        bulk.store.send(Job::Begin { tenant: bulk.tenant.clone(), is_import: true, reply })?;
        let (id, since) = answer.recv().map_err(|_| StoreError::Closed)??;
        let generation = Generation { id, source: bulk.source.clone(), revision: 0, since, contacts: 0 };
        Ok(Staging {
            store: bulk.store.clone(),
            tenant: bulk.tenant.clone(),
            generation,
            outcome: BulkOutcome { revision: since, ..BulkOutcome::default() },
            is_needed: false,
            rows: bulk.rows.clone(),
            screens: bulk.blocked.clone(),
            phase: Phase::Comparing(Box::new(Compare::new(bulk))),
            again: Some(Box::new(Compare::new(bulk))),
            numbers: Numbers::default(),
            blocks: Vec::new(),
            writer: BlockWriter::default(),
        })
    }

    /// How many of the file's rows are put together.
    pub fn rows_done(&self) -> usize {
        match &self.phase {
            Phase::Comparing(_) => 0,
            Phase::Contacts(compare) => compare.rows_passed(),
            Phase::Index | Phase::Ready => self.rows.len(),
        }
    }

    /// Goes on for some tenths of a second; `true` when it only needs to be made true.
    ///
    /// # Errors
    /// The store can't be read or written to; it is as it was.
    pub fn step(&mut self) -> Result<bool, StoreError> {
        match std::mem::replace(&mut self.phase, Phase::Ready) {
            Phase::Comparing(compare) => self.compare(compare)?,
            Phase::Contacts(compare) => self.contacts(compare)?,
            Phase::Index => self.index()?,
            Phase::Ready => {}
        }
        Ok(matches!(self.phase, Phase::Ready))
    }

    fn compare(&mut self, mut compare: Box<Compare>) -> Result<(), StoreError> {
        for _ in 0..STEP_ENTRIES {
            let Some(judged) = compare.next()? else { return Ok(()) };
            self.outcome.count(judged.fate);
            if judged.fate.needs_writing() {
                self.outcome = BulkOutcome { revision: self.outcome.revision, ..BulkOutcome::default() };
                self.phase = self.again.take().map_or(Phase::Ready, Phase::Contacts);
                return Ok(());
            }
        }
        self.phase = Phase::Comparing(compare);
        Ok(())
    }

    fn contacts(&mut self, mut compare: Box<Compare>) -> Result<(), StoreError> {
        for _ in 0..STEP_ENTRIES {
            let Some(judged) = compare.next()? else {
                self.numbers.sort();
                self.phase = Phase::Index;
                return Ok(());
            };
            self.outcome.count(judged.fate);
            self.is_needed |= judged.fate.needs_writing();
            self.write(&judged)?;
        }
        self.phase = Phase::Contacts(compare);
        Ok(())
    }

    fn write(&mut self, judged: &Judged) -> Result<(), StoreError> {
        let old_key = |old: &Option<Layered>| old.as_ref().map(|o| o.entry.key().to_vec());
        let row_key = |row: Option<usize>| row.map(|row| [&[key::CONTACT], self.rows.id(row)].concat());
        let Some(entry_key) = old_key(&judged.old).or_else(|| row_key(judged.row)) else { return Ok(()) };
        let (revision, bytes) = match (&judged.write, &judged.old, judged.row) {
            (Write::Row, _, Some(row)) => (0, self.rows.record(row)),
            (Write::Record(bytes), ..) => (0, bytes.as_slice()),
            (Write::Old, Some(old), _) => (old.entry.revision, old.entry.record()),
            (Write::Removed, ..) => (0, &[][..]),
            _ => return Ok(()),
        };
        let value = block_value(revision, bytes);
        if !bytes.is_empty() {
            let contact: Contact = record::decode(bytes)?;
            for way in contact.numbers.iter().flat_map(ContactNumber::indexed) {
                self.numbers.push(&key::index_of_contact(&way, &contact.id))?;
            }
        }
        self.generation.contacts += 1;
        let full = self.writer.push(&entry_key, &value);
        self.hand_over(full, false)
    }

    fn index(&mut self) -> Result<(), StoreError> {
        for _ in 0..STEP_ENTRIES {
            let Some(entry_key) = self.numbers.next() else {
                let last = self.writer.finish();
                // they are as large as all names together, and nobody needs them any more
                self.numbers = Numbers::default();
                return self.hand_over(last, true);
            };
            let full = self.writer.push(entry_key, &[]);
            self.hand_over(full, false)?;
        }
        self.phase = Phase::Index;
        Ok(())
    }

    fn hand_over(&mut self, block: Option<(Vec<u8>, Vec<u8>)>, all: bool) -> Result<(), StoreError> {
        self.blocks.extend(block);
        if self.blocks.len() >= BLOCKS_PER_JOB || (all && !self.blocks.is_empty()) {
            let (reply, answer) = sync_channel(1);
            let blocks = std::mem::take(&mut self.blocks);
            self.store.send(Job::Stage { tenant: self.tenant.clone(), generation: self.generation.id, blocks, reply })?;
            answer.recv().map_err(|_| StoreError::Closed)??;
            std::thread::sleep(PAUSE);
        }
        Ok(())
    }

    /// Makes it true, with what is to be blocked; `None` when another import of the tenant became true since it was begun.
    ///
    /// # Errors
    /// The store is as it was; but after [`StoreError::Failed`] the next open may find it done, whole.
    pub fn finish(self, by: impl Into<By>) -> Result<Option<BulkOutcome>, StoreError> {
        let (by, mut outcome) = (by.into(), self.outcome);
        let generation = self.is_needed.then(|| self.generation.clone());
        for _ in 0..PLAN_TRIES_MAX {
            let (over, puts) = match self.screens.is_empty() {
                true => (0, Vec::new()),
                false => self.store.undisturbed(&self.tenant, || new_screens(&self.store, &self.tenant, &self.screens))?,
            };
            outcome.blocked = puts.len() as u64;
            let mut prepared = None;
            if !puts.is_empty() {
                let edits = PlanEdits { puts, ..PlanEdits::default() };
                prepared = self.store.prepare_plan(&self.tenant, &by, edits, over)?;
            }
            if generation.is_none() && prepared.is_none() {
                return Ok(Some(outcome));
            }
            let (plan, _parts) = prepared.map_or((None, None), |p| (Some(p.change), p.parts));
            let (reply, answer) = sync_channel(1);
            let bulk = BulkChange { tenant: self.tenant.clone(), by: by.clone(), generation: generation.clone(), plan };
            self.store.send(Job::Commit { bulk, reply })?;
            match answer.recv().map_err(|_| StoreError::Closed)?? {
                Committed::Made(revision) => return Ok(Some(BulkOutcome { revision, ..outcome })),
                Committed::OtherImport => return Ok(None),
                Committed::PlanEdited => {}
            }
        }
        Err(StoreError::Busy("the plan was edited all the time, and the file blocks numbers; import again when it is quiet".into()))
    }
}

/// The entries that the lists don't have yet. Those that they have keep what they say.
pub(super) fn new_screens(store: &Store, tenant: &str, screens: &[Screen]) -> Result<Vec<PlanItem>, StoreError> {
    let mut new = Vec::new();
    for screen in screens {
        if store.screen(tenant, screen.list, &screen.key)?.is_none() {
            new.push(PlanItem::Screen(screen.clone()));
        }
    }
    Ok(new)
}

impl Drop for Staging {
    fn drop(&mut self) {
        // the writer knows whether it has become true, and does nothing then
        let _ = self.store.send(Job::Abort { generation: self.generation.id });
    }
}

/// Keys of the number index, collected to be sorted.
#[derive(Default)]
struct Numbers {
    arena: Vec<u8>,
    keys: Vec<(u32, u16)>,
    next: usize,
}

impl Numbers {
    fn push(&mut self, entry_key: &[u8]) -> Result<(), StoreError> {
        let too_large = |_| StoreError::TooLarge("the source's numbers take more than 4 GiB; split it into several".into());
        self.keys.push((u32::try_from(self.arena.len()).map_err(too_large)?, entry_key.len() as u16));
        self.arena.extend_from_slice(entry_key);
        Ok(())
    }

    fn sort(&mut self) {
        let arena = &self.arena;
        let get = |k: &(u32, u16)| &arena[k.0 as usize..][..usize::from(k.1)];
        self.keys.sort_unstable_by(|a, b| get(a).cmp(get(b)));
        self.keys.dedup_by(|a, b| get(a) == get(b));
    }

    fn next(&mut self) -> Option<&[u8]> {
        let (at, len) = *self.keys.get(self.next)?;
        self.next += 1;
        Some(&self.arena[at as usize..][..usize::from(len)])
    }
}
