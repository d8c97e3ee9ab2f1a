//! An import becomes true: one record of the log for its contacts and for what it blocks.

use super::StoreError;
use super::by::By;
use super::parts;
use super::plan::{Effect, Planned};
use super::plan_change::PlanChange;
use super::record::{Change, EntryChange, Generation, Staged};
use super::writer::Writer;
use std::sync::Arc;

/// What is to become true.
pub(super) struct BulkChange {
    pub(super) tenant: String,
    pub(super) by: By,
    /// The contacts, where any of them differs.
    pub(super) generation: Option<Generation>,
    /// Entries of the block list, where there are new ones.
    pub(super) plan: Option<Box<PlanChange>>,
}

/// What becomes true with one record.
pub(super) struct Truth {
    pub(super) tenant: String,
    pub(super) by: By,
    /// The tenant's generations, where they change.
    pub(super) generations: Option<Vec<Generation>>,
    /// Entries of the plan, and what they do to the snapshot.
    pub(super) entries: Vec<EntryChange>,
    pub(super) effects: Vec<Effect>,
    /// Where the entries lie, if they are many.
    pub(super) staged: Option<Staged>,
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
        let BulkChange { tenant, by, generation, plan } = bulk;
        let entries_of = |p: &PlanChange| p.planned.entries.iter().map(|e| 3 * parts::size(e) as u64).sum();
        self.check_usable(plan.as_deref().map_or(0, entries_of))?;
        let durable = self.shared.durable.clone();
        let before = durable.generations(&tenant);
        let is_late = |since| before.iter().any(|b| b.revision > since) || self.is_imported_since(&tenant, since);
        if generation.as_ref().is_some_and(|g| is_late(g.since)) {
            return Ok(Committed::OtherImport);
        }
        if let Some(plan) = &plan
            && self.is_edited_since(&tenant, plan.over)?
        {
            return Ok(Committed::PlanEdited);
        }
        durable.engine.sync().inspect_err(|error| self.shared.fail(error))?;
        let revision = self.revision + 1;
        let id = generation.as_ref().map(|g| g.id);
        let generations = generation.map(|generation| {
            let kept = before.iter().filter(|g| g.source != generation.source).map(|g| (**g).clone());
            kept.chain([Generation { revision, ..generation.clone() }]).collect()
        });
        let (Planned { entries, effects, .. }, staged) = plan.map_or_else(Default::default, |p| (p.planned, p.staged));
        self.make_true(Truth { tenant, by, generations, entries, effects, staged })?;
        if let Some(id) = id {
            self.begun.remove(&id);
        }
        Ok(Committed::Made(revision))
    }

    /// Makes these generations of a tenant true and no others, and with them entries of its plan. Generations that are true no
    /// longer are kept until the next time, so that it can be undone.
    pub(super) fn make_true(&mut self, truth: Truth) -> Result<(), StoreError> {
        let Truth { tenant, by: By { who, from, undoes }, generations, entries, effects, staged } = truth;
        let durable = self.shared.durable.clone();
        let revision = self.revision + 1;
        let before = generations.is_some().then(|| durable.generations(&tenant));
        if let Some(before) = &before {
            self.note_previous(&tenant, revision, before).inspect_err(|error| self.shared.fail(error))?;
        }
        let at_us = self.shared.clock.now_us();
        let mut change = Change { revision, at_us, who, from, undoes, tenant: tenant.clone(), entries: Vec::new(), generations, staged };
        if change.staged.is_some() {
            self.write_large(&change, &entries).inspect_err(|error| self.shared.fail(error))?;
        } else {
            change.entries = entries;
            self.write_change(&change)?;
            durable.engine.sync().inspect_err(|error| self.shared.fail(error))?;
            self.mark();
        }
        let Some(before) = before else {
            self.publish(vec![(tenant, revision, effects)]);
            return Ok(());
        };
        self.keep_previous(&tenant, revision, before);
        if let Some(old) = self.shared.snapshot.load_full() {
            // it is true: should the snapshot fail now, calls go on from the old one and the error stands in the status
            let mut picture = self.picture_of(&tenant, old.tenants.get(&tenant)).inspect_err(|error| self.shared.fail(error))?;
            for effect in effects {
                match effect {
                    Effect::Put(item) => picture.put(item.with_revision(revision)),
                    Effect::Take(item) => picture.take(&item),
                    // contacts were read from the disk
                    Effect::Contact(..) | Effect::Unseen => {}
                }
            }
            let mut new = (*old).clone();
            new.revision = self.revision;
            self.grown.remove(&tenant);
            new.tenants.insert_mut(tenant, Arc::new(picture));
            self.swap(new);
        }
        Ok(())
    }
}
