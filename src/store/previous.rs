//! The generations that the last import of a tenant took the place of: they stay until the next one, so that it can be undone.
//!
//! A note beside the pointers names them and the revision of the import. It is written before the import becomes true, and
//! means nothing unless the log bears it out: after a crash in between, it is removed and the blocks with it. Undoing makes
//! the old list of generations true again, as it was: edits that were made since lie above it, as they lay above the import.

use super::bulk_commit::{Committed, Truth};
use super::bulk_stage::PLAN_TRIES_MAX;
use super::by::By;
use super::durable::Durable;
use super::engine::Space;
use super::plan::Planned;
use super::plan_change::{PlanChange, PlanEdits};
use super::record::{self, Generation};
use super::writer::{self, Dead, Job, Writer};
use super::{Reader, Shared, Store, StoreError, key, parts};
use std::collections::HashMap;
use std::sync::mpsc::sync_channel;
use std::sync::{Arc, PoisonError};

const PREVIOUS: &[u8] = b"previous/";

/// What was true before an import.
#[derive(Debug, Clone)]
pub(super) struct Previous {
    /// The import's revision.
    pub(super) revision: u64,
    /// The tenant's generations before it.
    pub(super) before: Vec<Arc<Generation>>,
}

fn previous_key(tenant: &str) -> Vec<u8> {
    [PREVIOUS, tenant.as_bytes()].concat()
}

/// Whether a key among the pointers is such a note.
pub(super) fn is_note(k: &[u8]) -> bool {
    k.starts_with(PREVIOUS)
}

impl Shared {
    /// What was true before a tenant's last import, where it is kept.
    pub(super) fn previous(&self, tenant: &str) -> Option<Previous> {
        self.previous.lock().unwrap_or_else(PoisonError::into_inner).get(tenant).cloned()
    }
}

impl Writer {
    /// Whether an import of the tenant became true, or was undone, after a revision. What was begun before this process began
    /// is gone, so it needs to know of no more than that.
    pub(super) fn is_imported_since(&self, tenant: &str, revision: u64) -> bool {
        self.shared.previous(tenant).is_some_and(|previous| previous.revision > revision)
    }

    /// Notes what is true before the import that is about to have this revision.
    pub(super) fn note_previous(&self, tenant: &str, revision: u64, before: &[Arc<Generation>]) -> Result<(), StoreError> {
        let before: Vec<Generation> = before.iter().map(|g| (**g).clone()).collect();
        let note = [revision.to_be_bytes().as_slice(), &record::encode(&before)?].concat();
        self.shared.durable.engine.put(Space::Meta, &previous_key(tenant), &note)
    }

    /// Keeps what was true before the import with this revision, and lets go of what was kept until now.
    pub(super) fn keep_previous(&mut self, tenant: &str, revision: u64, before: Vec<Arc<Generation>>) {
        let now = self.shared.durable.generations(tenant);
        let mut all = self.shared.previous.lock().unwrap_or_else(PoisonError::into_inner);
        let kept: Vec<u64> = before.iter().chain(&now).map(|g| g.id).collect();
        if let Some(old) = all.insert(tenant.to_owned(), Previous { revision, before }) {
            self.dead.extend(old.before.into_iter().filter(|g| !kept.contains(&g.id)).map(|g| dead(tenant, g)));
        }
    }

    /// Lets go of what was before imports that the log has let go of. Of the tenant who is `importing` the note is another one
    /// by now, and [`Writer::keep_previous`] lets go of the rest.
    pub(super) fn let_previous_go(&mut self, revision: u64, importing: Option<&str>) -> Result<(), StoreError> {
        let mut all = self.shared.previous.lock().unwrap_or_else(PoisonError::into_inner);
        let is_old =
            |(tenant, p): &(&String, &Previous)| p.revision + writer::LOG_CHANGES_MAX <= revision && importing != Some(tenant.as_str());
        let old: Vec<String> = all.iter().filter(is_old).map(|(tenant, _)| tenant.clone()).collect();
        for tenant in old {
            self.shared.durable.engine.remove(Space::Meta, &previous_key(&tenant))?;
            let now = self.shared.durable.generations(&tenant);
            let gone = all.remove(&tenant).into_iter().flat_map(|p| p.before).filter(|g| now.iter().all(|n| n.id != g.id));
            self.dead.extend(gone.map(|g| dead(&tenant, g)));
        }
        Ok(())
    }

    /// Makes what was before an import true again, contacts and plan with one record.
    pub(super) fn undo_import(
        &mut self,
        tenant: &str,
        by: By,
        revision: u64,
        plan: Option<Box<PlanChange>>,
    ) -> Result<Committed, StoreError> {
        self.check_usable(plan.as_deref().map_or(0, |p| p.planned.entries.iter().map(|e| 3 * parts::size(e) as u64).sum()))?;
        let Some(previous) = self.shared.previous(tenant).filter(|p| p.revision == revision) else { return Ok(Committed::OtherImport) };
        if let Some(plan) = &plan
            && self.is_edited_since(tenant, plan.over)?
        {
            return Ok(Committed::PlanEdited);
        }
        let generations = Some(previous.before.iter().map(|g| (**g).clone()).collect());
        let (Planned { entries, effects, .. }, staged) = plan.map_or_else(Default::default, |p| (p.planned, p.staged));
        self.make_true(Truth { tenant: tenant.to_owned(), by, generations, entries, effects, staged })?;
        Ok(Committed::Made(self.revision))
    }
}

fn dead(tenant: &str, generation: Arc<Generation>) -> Dead {
    Dead { tenant: tenant.to_owned(), id: generation.id, read: Some(generation) }
}

/// What is kept, as the log has it; notes that it doesn't bear out are removed.
pub(super) fn previous(durable: &Durable) -> Result<HashMap<String, Previous>, StoreError> {
    let mut found = HashMap::new();
    let notes: Result<Vec<_>, _> = durable.engine.scan(Space::Meta, PREVIOUS, PREVIOUS).collect();
    for (k, v) in notes? {
        let tenant = String::from_utf8_lossy(&k[PREVIOUS.len()..]).into_owned();
        match read_note(durable, &tenant, &v)? {
            Some(previous) => drop(found.insert(tenant, previous)),
            None => durable.engine.remove(Space::Meta, &k)?,
        }
    }
    Ok(found)
}

fn read_note(durable: &Durable, tenant: &str, note: &[u8]) -> Result<Option<Previous>, StoreError> {
    let Some((revision, list)) = note.split_first_chunk::<8>() else { return Ok(None) };
    let revision = u64::from_be_bytes(*revision);
    let change = durable.changes(revision).next().transpose()?.filter(|c| c.revision == revision && c.tenant == tenant);
    let now = durable.generations(tenant);
    let is_last = change.and_then(|c| c.generations).is_some_and(|after| after.iter().eq(now.iter().map(|g| &**g)));
    if !is_last {
        return Ok(None);
    }
    let before: Vec<Generation> = record::decode(list)?;
    for generation in before.iter().filter(|g| g.contacts > 0) {
        let prefix = key::generation(tenant, generation.id);
        if durable.engine.scan(Space::Block, &prefix, &prefix).next().transpose()?.is_none() {
            return Ok(None);
        }
    }
    // one that is true too is the same
    let shared = |g: Generation| now.iter().find(|n| ***n == g).cloned().unwrap_or_else(|| Arc::new(g));
    Ok(Some(Previous { revision, before: before.into_iter().map(shared).collect() }))
}

impl Store {
    /// Undoes an import, if it was the tenant's last, and takes the numbers off the block list that it put there; edits that were
    /// made since stand. The answer is the revision, or `None`
    /// when another import came since or what was before it is no longer kept.
    ///
    /// # Errors
    /// Nothing was done.
    pub fn undo_import(&self, tenant: &str, by: impl Into<By>, revision: u64) -> Result<Option<u64>, StoreError> {
        let by = by.into().undoing(revision);
        for _ in 0..PLAN_TRIES_MAX {
            let (over, edits) = self.undo_of_plan(tenant, revision)?;
            let is_empty = edits == PlanEdits::default();
            let prepared = if is_empty { None } else { self.prepare_plan(tenant, &by, edits, over)? };
            let (plan, _parts) = prepared.map_or((None, None), |p| (Some(p.change), p.parts));
            let (reply, answer) = sync_channel(1);
            self.send(Job::UndoImport { tenant: tenant.to_owned(), by: by.clone(), revision, plan, reply })?;
            match answer.recv().map_err(|_| StoreError::Closed)?? {
                Committed::Made(revision) => return Ok(Some(revision)),
                Committed::OtherImport => return Ok(None),
                Committed::PlanEdited => {}
            }
        }
        Err(StoreError::Busy("the plan was edited all the time, and the import blocked numbers; undo it when it is quiet".into()))
    }
}

impl Reader {
    /// The revision of the tenant's import that [`Store::undo_import`] can undo.
    pub fn undoable_import(&self, tenant: &str) -> Option<u64> {
        self.shared.previous(tenant).map(|p| p.revision)
    }
}
