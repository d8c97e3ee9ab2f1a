//! Undoing: what a change changed is put back by a change of its own, unless somebody has changed it since.

use super::history::{Thing, ThingChange};
use super::record::Change;
use super::{PlanEdits, Reader, StoreError};
use crate::routing::PlanItem;
use std::collections::BTreeSet;

/// What isn't any more as a change left it: what, and the revision that made it so, where it is still there.
type ChangedSince = Vec<(Thing, Option<u64>)>;

/// What undoing a change comes to.
#[derive(Debug, Clone)]
pub struct Undo {
    /// Who made the change that is undone, when and from where.
    pub change: Change,
    /// What has to be put and removed.
    pub edits: PlanEdits,
    /// The revision that this was made out over, for [`Store::change_plan`](super::Store::change_plan).
    pub over: u64,
    /// What the change touched.
    pub things: Vec<Thing>,
    /// What of it isn't any more as the change left it: what, and the revision that made it so, where it is still there.
    pub changed_since: ChangedSince,
}

/// Whether a change can be undone.
#[derive(Debug, Clone)]
pub enum Undoable {
    /// Like this.
    Things(Box<Undo>),
    /// It was an import, of this source: [`Store::undo_import`](super::Store::undo_import).
    Import(Box<Change>),
    /// It can't; why.
    No(String),
    /// There is no such change of this tenant (any more).
    Absent,
}

/// The edits that make things what they were before changes.
fn put_back(changes: Vec<ThingChange>) -> PlanEdits {
    let mut edits = PlanEdits::default();
    for change in changes {
        match change {
            ThingChange::Contact { before: Some(contact), .. } => edits.contacts.push(*contact),
            ThingChange::Contact { id, before: None, .. } => edits.contacts_removed.push(id),
            ThingChange::Item { before: Some(item), .. } => edits.puts.push(*item),
            ThingChange::Item { before: None, after } => edits.removes.extend(after.map(|item| item.key())),
            ThingChange::Token { .. } => {}
        }
    }
    edits
}

impl Reader {
    /// What undoing the change with a revision comes to; of one contact alone if somebody asks for that.
    ///
    /// # Errors
    /// The disk could not be read.
    pub fn undo_of(&self, tenant: &str, revision: u64, contact: Option<&str>) -> Result<Undoable, StoreError> {
        let change = self.changes(revision).next().transpose()?.filter(|c| c.revision == revision && c.tenant == tenant);
        let Some(change) = change else { return Ok(Undoable::Absent) };
        if change.generations.is_some() && self.entries_of(&change)?.is_some() {
            return Ok(Undoable::Import(Box::new(change)));
        }
        let Some(entries) = self.entries_of(&change)? else {
            let why = format!("revision {revision} changed so much that what was before is kept for the last such changes only");
            return Ok(Undoable::No(why));
        };
        let mut changes = Vec::new();
        for entry in &entries {
            let wanted = |c: &ThingChange| contact.is_none_or(|id| matches!(c, ThingChange::Contact { id: own, .. } if own == id));
            changes.extend(ThingChange::of(entry, revision)?.filter(wanted));
        }
        if changes.iter().any(|c| matches!(c, ThingChange::Token { .. })) {
            return Ok(Undoable::No(format!("revision {revision} made or removed a token; make a new one, or remove it by its name")));
        }
        let (over, (things, changed_since)) = self.undisturbed(tenant, || self.since(tenant, &changes))?;
        let edits = put_back(changes);
        let change = Change { entries: Vec::new(), ..change };
        Ok(Undoable::Things(Box::new(Undo { change, edits, over, things, changed_since })))
    }

    /// What takes back what an import did to the plan, such as numbers that it blocked, and the revision that this was made out
    /// over. What was changed since stands, as contacts do that were.
    pub(super) fn undo_of_plan(&self, tenant: &str, revision: u64) -> Result<(u64, PlanEdits), StoreError> {
        let change = self.changes(revision).next().transpose()?.filter(|c| c.revision == revision && c.tenant == tenant);
        let mut changes = Vec::new();
        for entry in change.map(|change| self.entries_of(&change)).transpose()?.flatten().unwrap_or_default() {
            changes.extend(ThingChange::of(&entry, revision)?);
        }
        if changes.is_empty() {
            return Ok((0, PlanEdits::default()));
        }
        let (over, (_, since)) = self.undisturbed(tenant, || self.since(tenant, &changes))?;
        let since: BTreeSet<Thing> = since.into_iter().map(|(thing, _)| thing).collect();
        changes.retain(|change| change.thing().is_some_and(|thing| !since.contains(&thing)));
        Ok((over, put_back(changes)))
    }

    /// The things that were changed, and which of them aren't any more as they were left.
    fn since(&self, tenant: &str, changes: &[ThingChange]) -> Result<(Vec<Thing>, ChangedSince), StoreError> {
        let (mut things, mut since) = (Vec::new(), Vec::new());
        for change in changes {
            let Some(thing) = change.thing() else { continue };
            let (is_same, revision) = match change {
                ThingChange::Contact { id, after, .. } => {
                    let now = self.contact(tenant, id)?;
                    (now.as_ref().map(|(_, c)| c) == after.as_deref(), now.as_ref().map(|(revision, _)| *revision))
                }
                ThingChange::Item { before, after } => {
                    let plain = |item: Option<&PlanItem>| item.map(|item| item.clone().with_revision(0));
                    let key = after.as_ref().or(before.as_ref()).map(|item| item.key());
                    let now = key.map(|key| self.shared.durable.entry_of(tenant, &key)).transpose()?.flatten();
                    let is_same = plain(now.as_ref().map(|(_, item)| item)) == plain(after.as_deref());
                    (is_same, now.map(|(revision, _)| revision))
                }
                ThingChange::Token { .. } => (true, None),
            };
            if !is_same {
                since.push((thing.clone(), revision));
            }
            things.push(thing);
        }
        Ok((things, since))
    }
}
