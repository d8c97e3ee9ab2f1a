//! An import becomes true: one record of the log for its contacts and for what it blocks.

use super::StoreError;
use super::parts;
use super::plan::{Effect, Planned};
use super::plan_change::PlanChange;
use super::record::{Change, Generation};
use super::writer::{Dead, Writer};
use std::sync::Arc;

/// What is to become true.
pub(super) struct BulkChange {
    pub(super) tenant: String,
    pub(super) who: String,
    /// The contacts, where any of them differs.
    pub(super) generation: Option<Generation>,
    /// Entries of the block list, where there are new ones.
    pub(super) plan: Option<Box<PlanChange>>,
}

/// What became of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Committed {
    /// It is true, at this revision.
    Made(u64),
    /// Another import of the tenant became true since it was begun; nothing was done.
    OtherImport,
    /// The plan was edited since the entries were made up; nothing was done.
    PlanEdited,
}

impl Writer {
    /// Makes a generation, and what comes with it, true with one record. Its blocks are on the disk before the record that
    /// points to them is; calls see contacts and lists change in one swap.
    pub(super) fn commit(&mut self, bulk: BulkChange) -> Result<Committed, StoreError> {
        let BulkChange { tenant, who, generation, plan } = bulk;
        let entries_of = |p: &PlanChange| p.planned.entries.iter().map(|e| 3 * parts::size(e) as u64).sum();
        self.check_usable(plan.as_deref().map_or(0, entries_of))?;
        let durable = self.shared.durable.clone();
        let before = durable.generations(&tenant);
        if generation.as_ref().is_some_and(|g| before.iter().any(|b| b.revision > g.since)) {
            return Ok(Committed::OtherImport);
        }
        if let Some(plan) = &plan
            && self.is_edited_since(&tenant, plan.over)?
        {
            return Ok(Committed::PlanEdited);
        }
        durable.engine.sync().inspect_err(|error| self.shared.fail(error))?;
        let revision = self.revision + 1;
        let (id, mut replaced) = (generation.as_ref().map(|g| g.id), Vec::new());
        let generations = generation.map(|generation| {
            let (old, kept): (Vec<_>, Vec<_>) = before.into_iter().partition(|g| g.source == generation.source);
            replaced = old;
            let mut after: Vec<Generation> = kept.iter().map(|g| (**g).clone()).collect();
            after.push(Generation { revision, ..generation });
            after
        });
        let (Planned { entries, effects, .. }, staged) = plan.map_or_else(Default::default, |p| (p.planned, p.staged));
        let at_us = self.shared.clock.now_us();
        let mut change = Change { revision, at_us, who, tenant: tenant.clone(), entries: Vec::new(), generations, staged };
        if change.staged.is_some() {
            self.write_large(&change, &entries).inspect_err(|error| self.shared.fail(error))?;
        } else {
            change.entries = entries;
            self.write_change(&change)?;
            durable.engine.sync().inspect_err(|error| self.shared.fail(error))?;
            self.mark();
        }
        let Some(id) = id else {
            self.publish(vec![(tenant, revision, effects)]);
            return Ok(Committed::Made(revision));
        };
        self.begun.remove(&id);
        self.dead.extend(replaced.into_iter().map(|g| Dead { tenant: tenant.clone(), id: g.id, read: Some(g) }));
        if let Some(old) = self.shared.snapshot.load_full() {
            // it is true: should the snapshot fail now, calls go on from the old one and the error stands in the status
            let mut picture = self.picture_of(&tenant, old.tenants.get(&tenant)).inspect_err(|error| self.shared.fail(error))?;
            for effect in effects {
                if let Effect::Put(item) = effect {
                    picture.put(item.with_revision(revision));
                }
            }
            let mut new = (*old).clone();
            new.revision = self.revision;
            self.grown.remove(&tenant);
            new.tenants.insert_mut(tenant, Arc::new(picture));
            self.swap(new);
        }
        Ok(Committed::Made(revision))
    }
}
