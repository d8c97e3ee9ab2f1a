//! Changes of a whole plan: many things become true at one revision, or none does.
//!
//! **One record makes it true.** Whatever its size, a change becomes true when its record in the change log is on the disk,
//! and not before. What is small is in the record itself, and shares the way of a single edit: the log first, then the
//! places, then one flush. What is too large for a record (the engine keeps large pages in files of their own) goes in
//! five steps, each on the disk before the next begins:
//!
//! 1. The entries, before and after, are written in parts (see [`super::parts`]) that nothing names. A crash, a full disk
//!    or an error here leaves parts that nobody reads; they are swept, at the next open at the latest.
//! 2. The log's record names the parts and says how many there are. It is one small value, so the engine has it or hasn't.
//!    From here on the change is true.
//! 3. The entries go to their places. A crash in the middle of it is mended at open, before anybody can read: the entries
//!    of the changes since the last known good place are written again, in their order, from the record or from its parts.
//!    Writing an entry twice does no harm, since its value depends on the change alone.
//! 4. It is noted that everything up to this revision is at its place, so that not every open writes a large change again.
//!    The note comes after the flush of the places; where it is missing, step 3 is done once more. Redoing begins behind
//!    the note and never before it: an older change that is written again alone would undo what the large one did.
//! 5. The snapshot is swapped, once, and the change acknowledged.
//!
//! So a change is there whole or not at all after any crash. If the disk fails between steps 2 and 5, the one who asked is
//! told of a failure, calls go on from the old snapshot, the store takes no more edits, and the next open finds the change
//! true. Single edits keep their way, so nothing of how entries are read depends on how they were written.
//!
//! **Over what.** A change is computed over a revision, by whoever asks for it, and its entries are made up on his thread.
//! The writer refuses it (`None`) when the tenant's plan or contacts were edited after that revision. That is also what makes
//! the entries' `before` right without a lock: whatever the reading thread may have missed was written after the revision
//! that it began with. Imports don't count. What they change under a contact of the plan is a layer below it, and a number's
//! entry that is left over leads to a contact that doesn't have the number (any more), which readers pass over.
//!
//! **What readers see.** Calls read the snapshot: the old plan or the new one. Before the snapshot stands they read the disk,
//! and then no change is made, for it is the writer itself who builds the snapshot; those that a crash cut are mended before
//! that. Administrators read the disk, thing by thing: each is old or new, and [`Reader::undisturbed`] has a whole page (or
//! several, by comparing revisions) without a change in the middle of it.

use super::by::By;
use super::parts::{self, Parts};
use super::plan::{Planned, plan_edits};
use super::record::{self, Change, EntryChange, RECORD_BYTES_MAX, Staged};
use super::writer::{Job, Writer};
use super::{EditOutcome, Reader, Store, StoreError, key};
use crate::directory::Contact;
use crate::routing::{PlanItem, PlanKey, check_tenant_id};
use std::collections::HashMap;
use std::sync::mpsc::sync_channel;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// The most that entries may take in the log's own record, in bytes. The rest of it is a tenant and who asked.
const INLINE_BYTES_MAX: usize = if cfg!(test) { 600 } else { RECORD_BYTES_MAX - 1024 };
/// How long a reader waits for a change that is being written, and how often he looks.
const DISTURBED_WAIT_MAX: Duration = Duration::from_secs(20);
const DISTURBED_LOOK: Duration = Duration::from_millis(2);

/// What a plan's change puts and removes. Of two puts of the same thing the later one counts, and of a put and a removal the
/// put.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PlanEdits {
    /// Things that are added or replaced; the store gives them their revision.
    pub puts: Vec<PlanItem>,
    /// Things that are removed. One that isn't there is no error.
    pub removes: Vec<PlanKey>,
    /// Contacts that are added or replaced, their source (none, for those made by hand) as it stands there.
    pub contacts: Vec<Contact>,
    /// Contacts that are removed, by id.
    pub contacts_removed: Vec<String>,
    /// Contacts that have to have these revisions in the moment of the change, by id; 0 is that of one that isn't there. This
    /// is how imports are seen, which don't count otherwise.
    pub contacts_over: Vec<(String, u64)>,
}

/// A change on its way to the writer.
pub(super) struct PlanChange {
    tenant: String,
    by: By,
    pub(super) over: u64,
    contacts_over: Vec<(String, u64)>,
    pub(super) planned: Planned,
    pub(super) staged: Option<Staged>,
}

/// A change that is put together and not true. Dropping it leaves the store as it was.
pub(super) struct Prepared {
    store: Store,
    pub(super) change: Box<PlanChange>,
    /// Kept until the writer has answered: dropping it has the parts of what came to nothing removed.
    pub(super) parts: Option<Parts>,
}

impl Store {
    /// Makes many edits of a tenant's plan true at one revision, or none of them. When this returns, they are on the disk and
    /// the next call sees them all. `over` is the revision that they were computed over, such as
    /// [`Reader::undisturbed`] says it; `None` comes back, and nothing was done, when the plan or a contact of the tenant was
    /// edited since (or when nobody knows, because the log doesn't reach back so far). Imports don't count.
    ///
    /// # Errors
    /// Nothing was done; but after [`StoreError::Failed`] the next open may find it done, whole. [`StoreError::Stale`] is for a
    /// contact that hasn't the revision of [`PlanEdits::contacts_over`].
    pub fn change_plan(&self, tenant: &str, by: impl Into<By>, edits: PlanEdits, over: u64) -> Result<Option<EditOutcome>, StoreError> {
        match self.prepare_plan(tenant, by, edits, over)? {
            Some(prepared) => prepared.finish(),
            None => Ok(None),
        }
    }

    /// Makes up the entries of a change, and writes them in parts where they are many. Nobody sees them yet.
    pub(super) fn prepare_plan(
        &self,
        tenant: &str,
        by: impl Into<By>,
        mut edits: PlanEdits,
        over: u64,
    ) -> Result<Option<Prepared>, StoreError> {
        check_tenant_id(tenant).map_err(|e| StoreError::NotAKey(e.to_string()))?;
        if over > self.revision() {
            return Ok(None);
        }
        let contacts_over = std::mem::take(&mut edits.contacts_over);
        let planned = plan_edits(&self.shared.durable, tenant, edits)?;
        let bytes: usize = planned.entries.iter().map(parts::size).sum();
        let parts = if bytes <= INLINE_BYTES_MAX { None } else { Some(self.write_parts(tenant, &planned.entries)?) };
        let staged = parts.as_ref().map(|p| p.staged.clone());
        let change = Box::new(PlanChange { tenant: tenant.to_owned(), by: by.into(), over, contacts_over, planned, staged });
        Ok(Some(Prepared { store: self.clone(), change, parts }))
    }
}

impl Prepared {
    /// Makes it true; `None` where it was computed over something else.
    pub(super) fn finish(self) -> Result<Option<EditOutcome>, StoreError> {
        let (reply, answer) = sync_channel(1);
        self.store.send(Job::ChangePlan { change: self.change, reply })?;
        answer.recv().map_err(|_| StoreError::Closed)?
    }
}

impl Writer {
    /// Makes a plan's change true and visible, or says with `None` that it was computed over something else.
    pub(super) fn change_plan(&mut self, change: PlanChange) -> Result<Option<EditOutcome>, StoreError> {
        let PlanChange { tenant, by, over, contacts_over, planned: Planned { entries, effects, existed }, staged } = change;
        // three times: the engine writes a page again for what is added to it
        self.check_usable(entries.iter().map(|e| 3 * parts::size(e) as u64).sum())?;
        if self.is_edited_since(&tenant, over)? {
            return Ok(None);
        }
        for (id, wanted) in contacts_over {
            let revision = self.shared.durable.get(&tenant, &key::contact(&id))?.map_or(0, |(revision, _)| revision);
            if revision != wanted {
                return Err(StoreError::Stale { revision });
            }
        }
        if entries.is_empty() {
            return Ok(Some(EditOutcome { revision: self.revision, existed, changed: false }));
        }
        let revision = self.revision + 1;
        let at_us = self.shared.clock.now_us();
        let By { who, from, undoes } = by;
        let mut change = Change { revision, at_us, who, from, undoes, tenant, entries: Vec::new(), generations: None, staged };
        let is_large = change.staged.is_some();
        if is_large {
            self.write_large(&change, &entries).inspect_err(|error| self.shared.fail(error))?;
        } else {
            change.entries = entries;
            self.write_change(&change)?;
            self.shared.durable.engine.sync().inspect_err(|error| self.shared.fail(error))?;
        }
        self.publish(vec![(change.tenant, revision, effects)]);
        Ok(Some(EditOutcome { revision, existed, changed: true }))
    }

    /// Steps 1 to 4 of a change that has parts. After an error nobody knows how far it came, and nothing more is written.
    pub(super) fn write_large(&mut self, change: &Change, entries: &[EntryChange]) -> Result<(), StoreError> {
        let Some(staged) = &change.staged else { return Ok(()) };
        let durable = self.shared.durable.clone();
        // the parts are on the disk before the record that names them is
        durable.engine.sync()?;
        parts::keep(&durable, change.revision, &change.tenant, staged.id)?;
        self.try_write_change(change, entries)?;
        durable.engine.sync()?;
        parts::set_applied(&durable, change.revision)?;
        self.begun.remove(&staged.id);
        self.kept.insert(change.revision, (change.tenant.clone(), staged.id));
        parts::let_go(&durable, self.revision, &mut self.kept, &mut self.dead)?;
        self.mark();
        Ok(())
    }

    /// Whether the tenant's plan or contacts were edited after a revision, or nobody can say.
    pub(super) fn is_edited_since(&self, tenant: &str, over: u64) -> Result<bool, StoreError> {
        let plans = &self.shared.plans;
        if over > self.revision || plans.newest(tenant).is_some_and(|newest| newest > over) {
            return Ok(true);
        }
        // what came before this process opened the store is in the log
        for (wanted, change) in (over + 1..=plans.opened).zip(self.shared.durable.changes(over + 1)) {
            let change = change?;
            if change.revision != wanted || (change.tenant == tenant && edits_plan(&change, &change.entries)) {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

/// Whether a change is one of a plan or of single contacts: tokens are neither, and an import
/// counts only where it brings entries of the block list.
pub(super) fn edits_plan(change: &Change, entries: &[EntryChange]) -> bool {
    let of_plan = |e: &EntryChange| e.key.first() != Some(&key::TOKEN);
    change.staged.is_some() || entries.iter().any(of_plan)
}

/// Which revision edited each tenant's plan or contacts last, since the store was opened, and who is being edited right now.
pub(super) struct PlanRevisions {
    /// The revision that the store was opened with: no plan was edited after it but those that are known here.
    opened: u64,
    plans: Mutex<HashMap<String, PlanRevision>>,
}

#[derive(Default, Clone, Copy)]
struct PlanRevision {
    newest: Option<u64>,
    /// Some entries are at their places, and some aren't. It stays so where a write has failed.
    is_being_written: bool,
}

impl PlanRevisions {
    pub(super) fn new(opened: u64) -> PlanRevisions {
        PlanRevisions { opened, plans: Mutex::default() }
    }

    fn of(&self, tenant: &str) -> PlanRevision {
        self.plans.lock().unwrap_or_else(PoisonError::into_inner).get(tenant).copied().unwrap_or_default()
    }

    fn set(&self, tenant: &str, revision: PlanRevision) {
        self.plans.lock().unwrap_or_else(PoisonError::into_inner).insert(tenant.to_owned(), revision);
    }

    fn newest(&self, tenant: &str) -> Option<u64> {
        self.of(tenant).newest
    }

    /// Entries are about to go to their places.
    pub(super) fn begin(&self, tenant: &str) {
        self.set(tenant, PlanRevision { is_being_written: true, ..self.of(tenant) });
    }

    /// They are all there.
    pub(super) fn end(&self, tenant: &str, revision: u64) {
        self.set(tenant, PlanRevision { newest: Some(revision), is_being_written: false });
    }

    /// A revision since which the plan is as it is; `None` while it is being written.
    fn at_rest(&self, tenant: &str) -> Option<u64> {
        let of = self.of(tenant);
        (!of.is_being_written).then(|| of.newest.unwrap_or(self.opened))
    }
}

impl Reader {
    /// Reads something of a tenant's plan from the disk while nobody edits it, again if need be; comes back with a revision
    /// after which the plan was not edited until it had been read. Several such readings with the same revision are as good
    /// as one, and [`Store::change_plan`] takes the revision.
    ///
    /// # Errors
    /// What the reading says; [`StoreError::Busy`] when edits came one after the other for long.
    pub fn undisturbed<T>(&self, tenant: &str, mut read: impl FnMut() -> Result<T, StoreError>) -> Result<(u64, T), StoreError> {
        let begun = Instant::now();
        loop {
            if let Some(revision) = self.shared.plans.at_rest(tenant) {
                let found = read();
                if self.shared.plans.at_rest(tenant) == Some(revision) {
                    return Ok((revision, found?));
                }
            } else if let Some(error) = self.shared.failed() {
                return Err(error);
            }
            if begun.elapsed() > DISTURBED_WAIT_MAX {
                return Err(StoreError::Busy("the plan was edited all the time while it was read; try again when it is quiet".into()));
            }
            std::thread::sleep(DISTURBED_LOOK);
        }
    }

    /// A page of a tenant's contacts that no import brought, and their revisions, by id: those that come after `after`, so
    /// many at most.
    ///
    /// # Errors
    /// The disk could not be read.
    pub fn contacts_by_hand(&self, tenant: &str, after: Option<&str>, limit: usize) -> Result<Vec<(u64, Contact)>, StoreError> {
        self.shared.durable.contacts_by_hand(tenant, after).take(limit).collect()
    }

    /// The entries of a change, before and after; `None` where they were too many to be kept until now.
    ///
    /// # Errors
    /// The disk could not be read.
    pub fn entries_of(&self, change: &Change) -> Result<Option<Vec<EntryChange>>, StoreError> {
        let Some(staged) = &change.staged else { return Ok(Some(change.entries.clone())) };
        let look = || -> Result<Option<Vec<EntryChange>>, StoreError> {
            let mut entries = Vec::new();
            let is_there = parts::read(&self.shared.durable, &change.tenant, staged, |part| {
                entries.extend(part);
                Ok(())
            })?;
            Ok(is_there.then_some(entries))
        };
        match look() {
            // the parts may be swept while they are read; a second look finds some gone, and what is damaged still damaged
            Err(StoreError::Corrupt { .. }) => look(),
            other => other,
        }
    }
}

/// Makes sure that a change's record fits where its entries are counted to: what is beside them is bounded.
const _: () = assert!(INLINE_BYTES_MAX < record::RECORD_BYTES_MAX);
