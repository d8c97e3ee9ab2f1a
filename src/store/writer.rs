//! The one writer: every edit of the store happens here, in order, on a thread of its own.
//!
//! An edit's life: checked, given a revision, written to the change log and to its place, flushed and fdatasynced,
//! published to the snapshot, acknowledged. Edits that wait together share one flush.

use super::base::BaseBuilder;
use super::bulk_commit::{BulkChange, Committed};
use super::by::By;
use super::change::{apply_entries, apply_generations};
use super::compact::Compacted;
use super::engine::Space;
use super::fill::Fill;
use super::parts::{self, Kept};
use super::plan::{Effect, plan_edit};
use super::plan_change::{PlanChange, edits_plan};
use super::record::{self, Change, EntryChange, Generation};
use super::snapshot::{Snapshot, TenantPicture};
use super::{Edit, EditOutcome, Shared, StoreError, key, marker::Marker};
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender};
use std::time::Duration;

/// Edits that share one flush, at most. What is done again at open must not be less.
pub(super) const GROUP_MAX: usize = 64;
/// Changes that the log keeps: history and undo reach back this far.
pub(super) const LOG_CHANGES_MAX: u64 = if cfg!(test) { 40 } else { 10_000 };
/// An overlay that has grown beyond this, and beyond an eighth of its base, is packed into a new base.
const OVERLAY_MAX: usize = if cfg!(test) { 5 } else { 10_000 };
/// The marker lags behind by fewer revisions than this, however busy the writer is.
const MARK_REVISIONS: u64 = 1000;
/// Blocks of a dead generation that are removed between two looks at the queue.
const SWEEP_SLICE: usize = if cfg!(test) { 3 } else { 100 };
/// Entries of a large change that are written to their places at once, and the pause behind them, in which calls have the
/// processors.
const PLACES_AT_ONCE: usize = 512;
const PAUSE: Duration = Duration::from_millis(1);
/// How often an idle writer looks for pictures that nobody reads any more, and sweeps.
const IDLE: Duration = Duration::from_millis(200);

/// Where the answer to a job goes.
pub(super) type ReplyTo<T> = SyncSender<Result<T, StoreError>>;

/// What the writer is asked.
pub(super) enum Job {
    /// One edit.
    Edit { tenant: String, by: By, edit: Edit, reply: ReplyTo<EditOutcome> },
    /// Many edits at once.
    ChangePlan { change: Box<PlanChange>, reply: ReplyTo<Option<EditOutcome>> },
    /// Begin a generation, or the parts of a change: its id, and the revision that it is put together over.
    Begin { tenant: String, is_import: bool, reply: ReplyTo<(u64, u64)> },
    /// Blocks of a generation, or parts of a change, that isn't true yet.
    Stage { tenant: String, generation: u64, blocks: Vec<(Vec<u8>, Vec<u8>)>, reply: ReplyTo<()> },
    /// Make a generation true, and what comes with it.
    Commit { bulk: BulkChange, reply: ReplyTo<Committed> },
    /// Make the generations true that were before an import, and with them what takes back what it blocked. For generations
    /// that aren't kept the answer is that of another import that came in between.
    UndoImport { tenant: String, by: By, revision: u64, plan: Option<Box<PlanChange>>, reply: ReplyTo<Committed> },
    /// Forget a generation, unless it has become true.
    Abort { generation: u64 },
    /// Let a copy of the store, which is at this revision, take its place. The answer is `None` where too much came since.
    Swap { fill: Box<Fill>, last: u64, reply: ReplyTo<Option<Compacted>> },
    /// Close the engine, so that another process can open the store.
    Detach { reply: ReplyTo<()> },
    /// Open it again.
    Attach { reply: ReplyTo<()> },
    /// Finish.
    Close,
}

/// A generation whose blocks are to be removed.
pub(super) struct Dead {
    pub(super) tenant: String,
    pub(super) id: u64,
    /// Set for one that was true: the blocks stay while anybody else holds it, for he may be reading them.
    pub(super) read: Option<Arc<Generation>>,
}

/// What is being put together, and for which tenant.
pub(super) struct Begun {
    tenant: String,
    is_import: bool,
}

/// The writer's side of a store; run it on a thread of its own.
pub struct Writer {
    pub(super) shared: Arc<Shared>,
    jobs: Receiver<Job>,
    pub(super) revision: u64,
    /// The revision that the marker knows.
    marked: u64,
    next_generation: u64,
    /// Generations and parts that are being put together.
    pub(super) begun: HashMap<u64, Begun>,
    /// The parts of changes that can be looked up.
    pub(super) kept: Kept,
    pub(super) dead: Vec<Dead>,
    retired: Vec<Arc<Snapshot>>,
    /// Tenants whose overlay is to be packed into a new base.
    pub(super) grown: BTreeSet<String>,
    /// Set while the store is another process's.
    pub(super) is_detached: bool,
}

impl Writer {
    pub(super) fn new(shared: Arc<Shared>, jobs: Receiver<Job>, next_generation: u64, kept: Kept, dead: Vec<Dead>) -> Writer {
        let revision = shared.revision.load(Ordering::Acquire);
        let (begun, retired, grown) = (HashMap::new(), Vec::new(), BTreeSet::new());
        Writer { shared, jobs, revision, marked: revision, next_generation, begun, kept, dead, retired, grown, is_detached: false }
    }

    /// Builds the snapshot that calls read; not needed where there are none.
    #[must_use]
    pub fn with_snapshot(mut self) -> Writer {
        if let Err(error) = self.build_snapshot() {
            self.shared.fail(&error);
        }
        self
    }

    /// Serves edits until the store is closed.
    pub fn run(mut self) {
        loop {
            let busy = !self.retired.is_empty() || !self.dead.is_empty() || !self.grown.is_empty() || self.marked != self.revision;
            let idle = match self.jobs.recv_timeout(if busy { IDLE } else { Duration::from_secs(3600) }) {
                Ok(Job::Close) | Err(RecvTimeoutError::Disconnected) => break,
                Ok(job) => {
                    if self.serve(job) {
                        break;
                    }
                    false
                }
                Err(RecvTimeoutError::Timeout) => true,
            };
            self.tidy(idle);
        }
        if !self.is_detached && self.shared.failed().is_none() && self.shared.durable.engine.sync().is_ok() {
            self.mark();
        }
    }

    /// Frees what no reader looks at, packs an overlay, removes a slice of dead blocks.
    fn tidy(&mut self, idle: bool) {
        self.retired.retain(|s| Arc::strong_count(s) > 1);
        if self.is_detached {
            return;
        }
        if self.shared.failed().is_some() {
            // nobody knows what is on the disk; the next start will
            return;
        }
        if self.marked != self.revision && (idle || self.revision - self.marked >= MARK_REVISIONS) {
            self.mark();
        }
        if let Some(tenant) = self.grown.pop_first() {
            self.pack(&tenant);
        }
        let free = |d: &Dead| d.read.as_ref().is_none_or(|g| Arc::strong_count(g) == 1);
        if let Some(at) = self.dead.iter().position(free) {
            let prefix = key::generation(&self.dead[at].tenant, self.dead[at].id);
            match self.sweep(&prefix) {
                Ok(0) => drop(self.dead.swap_remove(at)),
                Ok(_) => {}
                Err(error) => self.shared.fail(&error),
            }
        }
    }

    /// Removes some blocks; how many there were.
    fn sweep(&self, prefix: &[u8]) -> Result<usize, StoreError> {
        let engine = &self.shared.durable.engine;
        let keys: Result<Vec<_>, _> =
            engine.scan(Space::Block, prefix, prefix).take(SWEEP_SLICE).map(|item| item.map(|(k, _)| k)).collect();
        let keys = keys?;
        for k in &keys {
            engine.remove(Space::Block, k)?;
        }
        Ok(keys.len())
    }

    /// Notes the revision, which is on the disk, in the marker.
    pub(super) fn mark(&mut self) {
        // a store that can't say how far it came is opened all the same; the text is a second safety
        let _ = Marker { schema: super::marker::SCHEMA, revision: self.revision }.write(&self.shared.dir);
        self.marked = self.revision;
    }

    /// Serves one job, and the edits that wait behind it. `true` when the store is to be closed.
    fn serve(&mut self, job: Job) -> bool {
        let Some(job) = self.refuse_detached(job) else { return false };
        match job {
            Job::Edit { tenant, by, edit, reply } => {
                let mut group = vec![(tenant, by, edit, reply)];
                let mut next = None;
                while group.len() < GROUP_MAX {
                    match self.jobs.try_recv() {
                        Ok(Job::Edit { tenant, by, edit, reply }) => group.push((tenant, by, edit, reply)),
                        Ok(other) => {
                            next = Some(other);
                            break;
                        }
                        Err(_) => break,
                    }
                }
                self.edits(group);
                next.is_some_and(|job| self.serve(job))
            }
            Job::Stage { tenant, generation, blocks, reply } => {
                let _ = reply.send(self.stage(&tenant, generation, &blocks));
                false
            }
            Job::ChangePlan { change, reply } => {
                let _ = reply.send(self.change_plan(*change));
                false
            }
            Job::Begin { tenant, is_import, reply } => {
                let _ = reply.send(self.begin(tenant, is_import));
                false
            }
            Job::Commit { bulk, reply } => {
                let _ = reply.send(self.commit(bulk));
                false
            }
            Job::UndoImport { tenant, by, revision, plan, reply } => {
                let _ = reply.send(self.undo_import(&tenant, by, revision, plan));
                false
            }
            Job::Abort { generation } => {
                if let Some(Begun { tenant, .. }) = self.begun.remove(&generation) {
                    self.dead.push(Dead { tenant, id: generation, read: None });
                }
                false
            }
            Job::Swap { fill, last, reply } => {
                let _ = reply.send(self.swap_store(*fill, last));
                false
            }
            Job::Detach { reply } => {
                let _ = reply.send(self.detach());
                false
            }
            Job::Attach { reply } => {
                let _ = reply.send(self.attach());
                false
            }
            Job::Close => true,
        }
    }

    pub(super) fn check_usable(&self, write_bytes: u64) -> Result<(), StoreError> {
        match self.shared.failed() {
            Some(error) => Err(error),
            None => self.shared.durable.engine.check_space(write_bytes),
        }
    }

    fn edits(&mut self, group: Vec<(String, By, Edit, ReplyTo<EditOutcome>)>) {
        let mut done = Vec::with_capacity(group.len());
        let mut effects = Vec::new();
        for (tenant, by, edit, reply) in group {
            let outcome = self.check_usable(0).and_then(|()| self.write_edit(&tenant, by, edit));
            done.push((
                reply,
                outcome.map(|(outcome, effect)| {
                    effects.extend(effect.map(|e| (tenant, outcome.revision, vec![e])));
                    outcome
                }),
            ));
        }
        let synced = if effects.is_empty() { Ok(()) } else { self.shared.durable.engine.sync() };
        match &synced {
            Ok(()) => self.publish(effects),
            Err(error) => self.shared.fail(error),
        }
        for (reply, outcome) in done {
            let _ = reply.send(synced.clone().and(outcome));
        }
    }

    /// Writes one edit, not yet flushed.
    fn write_edit(&mut self, tenant: &str, by: By, edit: Edit) -> Result<(EditOutcome, Option<Effect>), StoreError> {
        let revision = self.revision + 1;
        let (entries, effect, existed) = plan_edit(&self.shared.durable, tenant, edit)?;
        if entries.is_empty() {
            return Ok((EditOutcome { revision: self.revision, existed, changed: false }, None));
        }
        let change = Change {
            revision,
            at_us: self.shared.clock.now_us(),
            who: by.who,
            tenant: tenant.to_owned(),
            entries,
            generations: None,
            staged: None,
            from: by.from,
            undoes: by.undoes,
        };
        self.write_change(&change)?;
        Ok((EditOutcome { revision, existed, changed: true }, effect))
    }

    /// The change log first, then the places: a crash in between is mended from the log. After an error nobody knows
    /// how much was written, and nothing more is.
    pub(super) fn write_change(&mut self, change: &Change) -> Result<(), StoreError> {
        self.try_write_change(change, &change.entries).inspect_err(|error| self.shared.fail(error))
    }

    /// The same for a change whose entries may lie elsewhere.
    pub(super) fn try_write_change(&mut self, change: &Change, entries: &[EntryChange]) -> Result<(), StoreError> {
        let durable = &self.shared.durable;
        let (tenant, revision) = (&change.tenant, change.revision);
        let begun = self.begun.values().any(|b| b.is_import && b.tenant == *tenant);
        let before = self.shared.previous(tenant).map(|previous| previous.before).unwrap_or_default();
        durable.engine.put(Space::Log, &revision.to_be_bytes(), &record::encode(change)?)?;
        let is_large = change.staged.is_some();
        if is_large {
            // true from here on: before any of it can be seen, and whatever comes in between
            durable.engine.sync()?;
        }
        let of_plan = edits_plan(change, entries);
        if of_plan {
            self.shared.plans.begin(tenant);
        }
        for some in entries.chunks(PLACES_AT_ONCE) {
            apply_entries(durable, tenant, revision, some, begun, &before)?;
            if is_large {
                std::thread::sleep(PAUSE);
            }
        }
        if let Some(generations) = &change.generations {
            apply_generations(durable, tenant, generations)?;
        }
        self.revision = revision;
        self.shared.revision.store(revision, Ordering::Release);
        if of_plan {
            self.shared.plans.end(tenant, revision);
        }
        if let Some(old) = revision.checked_sub(LOG_CHANGES_MAX) {
            durable.engine.remove(Space::Log, &old.to_be_bytes())?;
            parts::let_go(durable, revision, &mut self.kept, &mut self.dead)?;
            self.let_previous_go(revision, change.generations.as_ref().map(|_| tenant.as_str()))?;
        }
        Ok(())
    }

    /// Lays edits over the snapshot, all at once: which tenant's, which revision they have, what they mean.
    pub(super) fn publish(&mut self, edits: Vec<(String, u64, Vec<Effect>)>) {
        let Some(old) = self.shared.snapshot.load_full() else { return };
        let mut new = (*old).clone();
        new.revision = self.revision;
        // a picture is copied once: what edits have copied of it is theirs alone, and is changed where it is
        let mut pictures: HashMap<String, TenantPicture> = HashMap::new();
        for (tenant, revision, effects) in edits {
            let copy = || new.tenants.get(&tenant).map(|p| (**p).clone()).unwrap_or_default();
            let picture = pictures.entry(tenant.clone()).or_insert_with(copy);
            for effect in effects {
                match effect {
                    Effect::Contact(id, contact) => picture.edit_contact(&id, revision, contact.as_ref()),
                    Effect::Put(item) => picture.put(item.with_revision(revision)),
                    Effect::Take(item) => picture.take(&item),
                    Effect::Unseen => {}
                }
            }
        }
        for (tenant, picture) in pictures {
            if picture.edited.size() > OVERLAY_MAX.max(picture.base.contacts() / 8) {
                self.grown.insert(tenant.clone());
            }
            new.tenants.insert_mut(tenant, Arc::new(picture));
        }
        self.swap(new);
    }

    /// Packs a tenant's overlay into a new base. The edit that made it too large has its answer by then.
    fn pack(&mut self, tenant: &str) {
        let Some(old) = self.shared.snapshot.load_full() else { return };
        match self.picture_of(tenant, old.tenants.get(tenant)) {
            Ok(picture) => {
                let mut new = (*old).clone();
                new.tenants.insert_mut(tenant.to_owned(), Arc::new(picture));
                self.swap(new);
            }
            Err(error) => self.shared.fail(&error),
        }
    }

    pub(super) fn swap(&mut self, new: Snapshot) {
        let new = Snapshot { made_us: self.shared.clock.now_us(), ..new };
        if let Some(old) = self.shared.snapshot.swap(Some(Arc::new(new))) {
            self.retired.push(old);
        }
        self.retired.retain(|s| Arc::strong_count(s) > 1);
    }

    fn build_snapshot(&mut self) -> Result<(), StoreError> {
        let mut snapshot = Snapshot { revision: self.revision, ..Snapshot::default() };
        for tenant in self.shared.tenants()? {
            let picture = self.picture_of(&tenant, None)?;
            snapshot.tenants.insert_mut(tenant, Arc::new(picture));
        }
        self.swap(snapshot);
        Ok(())
    }

    /// A tenant's picture, read from the disk. What isn't a contact is the same as in the last one, where there is one.
    pub(super) fn picture_of(&self, tenant: &str, last: Option<&Arc<TenantPicture>>) -> Result<TenantPicture, StoreError> {
        let durable = &self.shared.durable;
        let mut builder = BaseBuilder::default();
        let mut contacts = durable.entries(tenant, &[key::CONTACT], &[key::CONTACT]);
        for item in contacts.by_ref() {
            let entry = item?;
            if !builder.push(entry.revision, &record::decode(entry.record())?) {
                return Err(StoreError::TooLarge("the directory is larger than the snapshot takes (4 GiB of names)".into()));
            }
        }
        contacts.check_counts()?;
        let base = Arc::new(builder.build());
        if let Some(last) = last {
            return Ok(TenantPicture { base, ..last.without_edits() });
        }
        let mut picture = TenantPicture { base, ..TenantPicture::default() };
        for sort in key::PLAN {
            for item in durable.entries(tenant, &[sort], &[sort]) {
                let entry = item?;
                if let Some(item) = record::decode_item(entry.key(), entry.revision, entry.record())? {
                    picture.put(item);
                }
            }
        }
        Ok(picture)
    }

    fn begin(&mut self, tenant: String, is_import: bool) -> Result<(u64, u64), StoreError> {
        self.check_usable(0)?;
        let id = self.next_generation;
        self.next_generation += 1;
        self.begun.insert(id, Begun { tenant, is_import });
        Ok((id, self.revision))
    }

    fn stage(&mut self, tenant: &str, generation: u64, blocks: &[(Vec<u8>, Vec<u8>)]) -> Result<(), StoreError> {
        self.check_usable(blocks.iter().map(|(_, b)| 3 * b.len() as u64).sum())?;
        let prefix = key::generation(tenant, generation);
        for (first, bytes) in blocks {
            let put = self.shared.durable.engine.put(Space::Block, &[prefix.as_slice(), first].concat(), bytes);
            put.inspect_err(|error| self.shared.fail(error))?;
        }
        Ok(())
    }
}
