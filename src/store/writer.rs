//! The one writer: every edit of the store happens here, in order, on a thread of its own.
//!
//! An edit's life: checked, given a revision, written to the change log and to its place, flushed and fdatasynced,
//! published to the snapshot, acknowledged. Edits that wait together share one flush.

use super::base::BaseBuilder;
use super::durable::live_value;
use super::engine::Space;
use super::record::{self, Change, EntryChange, Generation};
use super::snapshot::{Snapshot, TenantPicture};
use super::{Edit, EditOutcome, Shared, StoreError, key, marker::Marker};
use crate::directory::Contact;
use crate::routing::{List, Route, RouteKey, Screen, ScreenKey};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender};
use std::time::Duration;

/// Edits that share one flush, at most. [`super::REDO_CHANGES`] must not be smaller.
pub(super) const GROUP_MAX: usize = 64;
/// Changes that the log keeps: history and undo reach back this far.
pub(super) const LOG_CHANGES_MAX: u64 = 10_000;
/// An overlay that has grown beyond this, and beyond an eighth of its base, is packed into a new base.
const OVERLAY_MAX: usize = 10_000;
/// Blocks of a dead generation that are removed between two looks at the queue.
const SWEEP_SLICE: usize = 100;
/// How often an idle writer looks for pictures that nobody reads any more, and sweeps.
const IDLE: Duration = Duration::from_millis(200);

/// Where the answer to a job goes.
pub(super) type ReplyTo<T> = SyncSender<Result<T, StoreError>>;

/// What the writer is asked.
pub(super) enum Job {
    /// One edit.
    Edit { tenant: String, who: String, edit: Edit, reply: ReplyTo<EditOutcome> },
    /// Blocks of a generation that isn't true yet.
    Stage { tenant: String, generation: u64, blocks: Vec<(Vec<u8>, Vec<u8>)>, reply: ReplyTo<()> },
    /// Make a generation true.
    Commit { tenant: String, who: String, generation: Generation, since: u64, reply: ReplyTo<u64> },
    /// Forget a generation.
    Abort { tenant: String, generation: u64 },
    /// Finish.
    Close,
}

/// What an edit means for the snapshot.
enum Effect {
    Contact(String, Option<Contact>),
    Route(RouteKey, Option<Route>),
    Screen(List, ScreenKey, Option<Screen>),
}

/// The writer's side of a store; run it on a thread of its own.
pub struct Writer {
    pub(super) shared: Arc<Shared>,
    pub(super) jobs: Receiver<Job>,
    pub(super) revision: u64,
    pub(super) dead: Vec<(String, u64)>,
    pub(super) retired: Vec<Arc<Snapshot>>,
}

impl Writer {
    /// Builds the snapshot, if calls will want one, and serves edits until the store is closed.
    pub fn run(mut self, with_snapshot: bool) {
        if with_snapshot && let Err(error) = self.build_snapshot() {
            self.shared.fail(&error);
        }
        loop {
            let idle = if self.retired.is_empty() && self.dead.is_empty() { Duration::from_secs(3600) } else { IDLE };
            match self.jobs.recv_timeout(idle) {
                Ok(Job::Close) | Err(RecvTimeoutError::Disconnected) => break,
                Ok(job) => {
                    if self.serve(job) {
                        break;
                    }
                }
                Err(RecvTimeoutError::Timeout) => {}
            }
            self.tidy();
        }
        let last = self.shared.durable.engine.sync();
        if last.is_ok() && self.shared.failed().is_none() {
            // a store that can't say how far it came is opened all the same; the text is a second safety
            let _ = Marker { schema: super::marker::SCHEMA, revision: self.revision }.write(&self.shared.dir);
        }
    }

    /// Frees what no reader looks at, and removes a slice of dead blocks.
    fn tidy(&mut self) {
        self.retired.retain(|s| Arc::strong_count(s) > 1);
        if let Some((tenant, generation)) = self.dead.last() {
            let prefix = key::generation(tenant, *generation);
            let engine = &self.shared.durable.engine;
            let keys: Vec<_> =
                engine.scan(Space::Block, &prefix, &prefix).take(SWEEP_SLICE).filter_map(|item| item.ok().map(|(k, _)| k)).collect();
            if keys.is_empty() {
                self.dead.pop();
            }
            for k in keys {
                if engine.remove(Space::Block, &k).is_err() {
                    self.dead.pop();
                    break;
                }
            }
        }
    }

    /// Serves one job, and the edits that wait behind it. `true` when the store is to be closed.
    fn serve(&mut self, job: Job) -> bool {
        match job {
            Job::Edit { tenant, who, edit, reply } => {
                let mut group = vec![(tenant, who, edit, reply)];
                let mut next = None;
                while group.len() < GROUP_MAX {
                    match self.jobs.try_recv() {
                        Ok(Job::Edit { tenant, who, edit, reply }) => group.push((tenant, who, edit, reply)),
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
            Job::Commit { tenant, who, generation, since, reply } => {
                let done = self.commit(&tenant, &who, generation, since);
                let _ = reply.send(done);
                false
            }
            Job::Abort { tenant, generation } => {
                self.dead.push((tenant, generation));
                false
            }
            Job::Close => true,
        }
    }

    fn check_usable(&self, write_bytes: u64) -> Result<(), StoreError> {
        match self.shared.failed() {
            Some(error) => Err(error),
            None => self.shared.durable.engine.check_space(write_bytes),
        }
    }

    fn edits(&mut self, group: Vec<(String, String, Edit, ReplyTo<EditOutcome>)>) {
        let mut done = Vec::with_capacity(group.len());
        let mut effects = Vec::new();
        let usable = self.check_usable(0);
        for (tenant, who, edit, reply) in group {
            let outcome = usable.clone().and_then(|()| self.write_edit(&tenant, &who, edit));
            done.push((
                reply,
                outcome.map(|(outcome, effect)| {
                    effects.extend(effect.map(|e| (tenant, outcome.revision, e)));
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
    fn write_edit(&mut self, tenant: &str, who: &str, edit: Edit) -> Result<(EditOutcome, Option<Effect>), StoreError> {
        let revision = self.revision + 1;
        let (entries, effect, existed) = self.plan_edit(tenant, edit, revision)?;
        if entries.is_empty() {
            return Ok((EditOutcome { revision: self.revision, existed, changed: false }, None));
        }
        let change = Change {
            revision,
            at_us: self.shared.clock.now_us(),
            who: who.to_owned(),
            tenant: tenant.to_owned(),
            entries,
            generations: None,
        };
        self.write_change(&change)?;
        Ok((EditOutcome { revision, existed, changed: true }, effect))
    }

    /// The entries that an edit changes (none if it changes nothing), what it means for the snapshot, and whether
    /// what it names was there before.
    fn plan_edit(&self, tenant: &str, edit: Edit, revision: u64) -> Result<(Vec<EntryChange>, Option<Effect>, bool), StoreError> {
        let durable = &self.shared.durable;
        let single =
            |entry_key: Vec<u8>, before: Option<Vec<u8>>, after: Option<Vec<u8>>| vec![EntryChange { key: entry_key, before, after }];
        Ok(match edit {
            Edit::PutContact(mut contact) => {
                let before = durable.contact(tenant, &contact.id)?.map(|(_, c)| c);
                if let Some(before) = &before
                    && contact.source.is_empty()
                {
                    contact.source.clone_from(&before.source);
                }
                if before.as_ref() == Some(&contact) {
                    return Ok((Vec::new(), None, true));
                }
                let entries = contact_entries(&contact.id, before.as_ref(), Some(&contact))?;
                (entries, Some(Effect::Contact(contact.id.clone(), Some(contact))), before.is_some())
            }
            Edit::RemoveContact(id) => match durable.contact(tenant, &id)? {
                None => (Vec::new(), None, false),
                Some((_, before)) => (contact_entries(&id, Some(&before), None)?, Some(Effect::Contact(id, None)), true),
            },
            Edit::PutRoute(mut route) => {
                let entry_key = key::route(&route.key);
                let before = durable.route(tenant, &route.key)?;
                route.revision = before.as_ref().map_or(revision, |b| b.revision);
                if before.as_ref() == Some(&route) {
                    return Ok((Vec::new(), None, true));
                }
                route.revision = revision;
                let (old, new) = (before.as_ref().map(record::encode).transpose()?, record::encode(&route)?);
                record::check_size("the route", &new)?;
                (single(entry_key, old, Some(new)), Some(Effect::Route(route.key.clone(), Some(route))), before.is_some())
            }
            Edit::RemoveRoute(route_key) => match durable.get(tenant, &key::route(&route_key))? {
                None => (Vec::new(), None, false),
                Some((_, before)) => (single(key::route(&route_key), Some(before), None), Some(Effect::Route(route_key, None)), true),
            },
            Edit::PutScreen(screen) => {
                let entry_key = key::screen(screen.list, &screen.key);
                let before = durable.get(tenant, &entry_key)?.map(|(_, r)| r);
                let new = record::encode(&screen)?;
                if before.as_ref() == Some(&new) {
                    return Ok((Vec::new(), None, true));
                }
                let existed = before.is_some();
                (single(entry_key, before, Some(new)), Some(Effect::Screen(screen.list, screen.key.clone(), Some(screen))), existed)
            }
            Edit::RemoveScreen(list, screen_key) => match durable.get(tenant, &key::screen(list, &screen_key))? {
                None => (Vec::new(), None, false),
                Some((_, before)) => {
                    (single(key::screen(list, &screen_key), Some(before), None), Some(Effect::Screen(list, screen_key, None)), true)
                }
            },
        })
    }

    /// The change log first, then the places: a crash in between is mended from the log.
    fn write_change(&mut self, change: &Change) -> Result<(), StoreError> {
        let durable = &self.shared.durable;
        durable.engine.put(Space::Log, &change.revision.to_be_bytes(), &record::encode(change)?)?;
        apply_change(durable, change)?;
        self.revision = change.revision;
        self.shared.revision.store(change.revision, Ordering::Release);
        if let Some(old) = change.revision.checked_sub(LOG_CHANGES_MAX) {
            durable.engine.remove(Space::Log, &old.to_be_bytes())?;
        }
        Ok(())
    }

    fn publish(&mut self, effects: Vec<(String, u64, Effect)>) {
        let Some(old) = self.shared.snapshot.load_full() else { return };
        let mut new = (*old).clone();
        new.revision = self.revision;
        let mut grown = BTreeSet::new();
        for (tenant, revision, effect) in effects {
            let mut picture = new.tenants.get(&tenant).map(|p| (**p).clone()).unwrap_or_default();
            match effect {
                Effect::Contact(id, contact) => picture.edit_contact(&id, revision, contact.as_ref()),
                Effect::Route(route_key, route) => picture.edit_route(&route_key, route.map(Arc::new)),
                Effect::Screen(list, screen_key, screen) => picture.edit_screen(list, &screen_key, screen.map(Arc::new)),
            }
            if picture.edited.size() > OVERLAY_MAX.max(picture.base.contacts() / 8) {
                grown.insert(tenant.clone());
            }
            new.tenants.insert_mut(tenant, Arc::new(picture));
        }
        for tenant in grown {
            if let Ok(picture) = self.picture_of(&tenant) {
                new.tenants.insert_mut(tenant, Arc::new(picture));
            }
        }
        self.swap(new);
    }

    fn swap(&mut self, new: Snapshot) {
        if let Some(old) = self.shared.snapshot.swap(Some(Arc::new(new))) {
            self.retired.push(old);
        }
        self.retired.retain(|s| Arc::strong_count(s) > 1);
    }

    fn build_snapshot(&mut self) -> Result<(), StoreError> {
        let mut snapshot = Snapshot { revision: self.revision, ..Snapshot::default() };
        for tenant in self.shared.tenants()? {
            let picture = self.picture_of(&tenant)?;
            snapshot.tenants.insert_mut(tenant, Arc::new(picture));
        }
        self.swap(snapshot);
        Ok(())
    }

    /// A tenant's picture, read from the disk.
    fn picture_of(&self, tenant: &str) -> Result<TenantPicture, StoreError> {
        let durable = &self.shared.durable;
        let mut builder = BaseBuilder::default();
        for item in durable.contacts(tenant, "") {
            let (revision, contact) = item?;
            if !builder.push(revision, &contact) {
                return Err(StoreError::TooLarge("the directory is larger than the snapshot takes (4 GiB of names)".into()));
            }
        }
        let mut picture = TenantPicture { base: Arc::new(builder.build()), ..TenantPicture::default() };
        for item in durable.entries(tenant, &[key::ROUTE], &[key::ROUTE]) {
            let route: Route = record::decode(&item?.2)?;
            picture.edit_route(&route.key.clone(), Some(Arc::new(route)));
        }
        for item in durable.entries(tenant, &[key::SCREEN], &[key::SCREEN]) {
            let screen: Screen = record::decode(&item?.2)?;
            picture.edit_screen(screen.list, &screen.key.clone(), Some(Arc::new(screen)));
        }
        Ok(picture)
    }

    fn stage(&mut self, tenant: &str, generation: u64, blocks: &[(Vec<u8>, Vec<u8>)]) -> Result<(), StoreError> {
        self.check_usable(blocks.iter().map(|(_, b)| 3 * b.len() as u64).sum())?;
        let prefix = key::generation(tenant, generation);
        for (first, bytes) in blocks {
            self.shared.durable.engine.put(Space::Block, &[prefix.as_slice(), first].concat(), bytes)?;
        }
        Ok(())
    }

    /// Makes a generation true with one record. Edits that came after `since`, while the import was being put
    /// together, are newer than the file and are made again on top of it.
    fn commit(&mut self, tenant: &str, who: &str, generation: Generation, since: u64) -> Result<u64, StoreError> {
        self.check_usable(0)?;
        let durable = self.shared.durable.clone();
        durable.engine.sync()?;
        let mut again = Vec::new();
        for item in durable.changes(since + 1) {
            let change = item?;
            if change.tenant == tenant && change.generations.is_none() {
                again.extend(change.entries.into_iter().filter(|e| matches!(e.key.first(), Some(&key::CONTACT | &key::NUMBER_OF))));
            }
        }
        let made = self.revision + 1;
        let before = durable.generations(tenant);
        let mut after: Vec<Generation> = before.iter().filter(|g| g.source != generation.source).cloned().collect();
        let replaced: Vec<u64> = before.iter().filter(|g| g.source == generation.source).map(|g| g.id).collect();
        after.push(Generation { revision: made, ..generation });
        let change = |revision, entries, generations| Change {
            revision,
            at_us: self.shared.clock.now_us(),
            who: who.to_owned(),
            tenant: tenant.to_owned(),
            entries,
            generations,
        };
        let (commit, edits) = (change(made, Vec::new(), Some(after)), change(made + 1, again, None));
        let written = self.write_change(&commit).and_then(|()| if edits.entries.is_empty() { Ok(()) } else { self.write_change(&edits) });
        if let Err(error) = written.and_then(|()| durable.engine.sync()) {
            self.shared.fail(&error);
            return Err(error);
        }
        self.dead.extend(replaced.into_iter().map(|id| (tenant.to_owned(), id)));
        if let Some(old) = self.shared.snapshot.load_full() {
            let mut new = (*old).clone();
            new.revision = self.revision;
            match self.picture_of(tenant) {
                Ok(picture) => new.tenants.insert_mut(tenant.to_owned(), Arc::new(picture)),
                Err(error) => {
                    self.shared.fail(&error);
                    return Err(error);
                }
            }
            self.swap(new);
        }
        Ok(self.revision)
    }
}

/// A contact's entries and those of its numbers, before and after.
fn contact_entries(id: &str, before: Option<&Contact>, after: Option<&Contact>) -> Result<Vec<EntryChange>, StoreError> {
    let numbers = |c: Option<&Contact>| -> BTreeSet<Vec<u8>> {
        c.map(|c| c.numbers.iter().map(|n| key::number_of_contact(&n.number, id)).collect()).unwrap_or_default()
    };
    let (old, new) = (numbers(before), numbers(after));
    // numbers that are new come before the contact, those that are gone after it: a reader in between finds either
    // the old contact or the new one, and never a number that leads nowhere
    let mut entries: Vec<EntryChange> =
        new.difference(&old).map(|k| EntryChange { key: k.clone(), before: None, after: Some(Vec::new()) }).collect();
    let after = after.map(record::encode).transpose()?;
    record::check_size("the contact", after.as_deref().unwrap_or_default())?;
    entries.push(EntryChange { key: key::contact(id), before: before.map(record::encode).transpose()?, after });
    entries.extend(old.difference(&new).map(|k| EntryChange { key: k.clone(), before: Some(Vec::new()), after: None }));
    Ok(entries)
}

/// Writes a change's entries and pointers to their places. Doing it twice does no harm.
pub(super) fn apply_change(durable: &super::durable::Durable, change: &Change) -> Result<(), StoreError> {
    let tenant = key::tenant(&change.tenant);
    let layered = !durable.generations(&change.tenant).is_empty();
    for entry in &change.entries {
        let live_key = [tenant.as_slice(), &entry.key].concat();
        match &entry.after {
            None if !layered => durable.engine.remove(Space::Live, &live_key)?,
            after => durable.engine.put(Space::Live, &live_key, &live_value(change.revision, after.as_deref()))?,
        }
    }
    if let Some(generations) = &change.generations {
        durable.engine.put(Space::Meta, &super::pointer_key(&change.tenant), &record::encode(generations)?)?;
        let mut pointers = (**durable.pointers.load()).clone();
        pointers.insert(change.tenant.clone(), generations.clone());
        durable.pointers.store(Arc::new(pointers));
    }
    Ok(())
}
