//! What imports did to a contact. The change log says only that they came.
//!
//! Of the last import all is known while it can be undone: what was there is what the generations before it say and the single
//! edits that lay over them, and what is there after it is found the same way. Of the imports before that one only what they
//! left is known.

use super::durable::Durable;
use super::history::ThingChange;
use super::record::{self, Generation};
use super::{Reader, StoreError, key};
use crate::directory::Contact;
use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::sync::Arc;

/// What the highest generation that speaks of a contact says of it.
#[derive(Default)]
struct Said {
    /// Edits after this revision lie above it; 0 where no generation speaks of it.
    since: u64,
    /// The revision that made it so.
    revision: u64,
    contact: Option<Contact>,
}

/// A contact's newest single edit below a revision.
struct Edited {
    /// 0 where there is none.
    revision: u64,
    contact: Option<Contact>,
    /// An edit before this revision would not have been found.
    known_from: u64,
}

impl Edited {
    /// The contact as the edit and the generations together show it; `None` where that can't be told.
    fn with(&self, said: &Said) -> Option<Option<Contact>> {
        if self.revision > said.since {
            return Some(self.contact.clone());
        }
        (self.known_from <= said.since + 1).then(|| said.contact.clone())
    }
}

impl Reader {
    /// What imports are known to have done to a contact, by revision.
    pub(super) fn imports_of(&self, tenant: &str, id: &str) -> Result<BTreeMap<u64, ThingChange>, StoreError> {
        let durable = &self.shared.durable;
        let previous = self.shared.previous(tenant);
        let now = durable.generations(tenant);
        let (mut found, id) = (BTreeMap::new(), id.to_owned());
        let before: &[Arc<Generation>] = previous.as_ref().map_or(&[], |p| &p.before);
        for generation in now.iter().chain(before) {
            // a removal goes along from import to import, so it says nothing of when
            if let Some((revision, Some(contact))) = contact_in(durable, tenant, generation, &id)? {
                let after = Some(Box::new(contact));
                found.insert(revision, ThingChange::Contact { id: id.clone(), before: None, after, is_known: false });
            }
        }
        let Some(revision) = previous.as_ref().map(|p| p.revision) else { return Ok(found) };
        let (old, new) = (said(durable, tenant, before, &id)?, said(durable, tenant, &now, &id)?);
        let edited = self.edited_below(tenant, &id, revision, old.since.min(new.since))?;
        let is_other = new.revision == revision || old.contact != new.contact;
        match (edited.with(&old), edited.with(&new)) {
            (Some(before), Some(after)) if before == after => drop(found.remove(&revision)),
            (Some(before), Some(after)) => {
                let (before, after) = (before.map(Box::new), after.map(Box::new));
                found.insert(revision, ThingChange::Contact { id, before, after, is_known: true });
            }
            (None, Some(after)) if is_other => {
                found.insert(revision, ThingChange::Contact { id, before: None, after: after.map(Box::new), is_known: false });
            }
            _ => {}
        }
        Ok(found)
    }

    /// A contact's newest single edit below a revision. Those up to `floor` lie below whatever is asked for and aren't looked for.
    fn edited_below(&self, tenant: &str, id: &str, below: u64, floor: u64) -> Result<Edited, StoreError> {
        let (durable, entry_key) = (&self.shared.durable, key::contact(id));
        let decode = |record: Option<&[u8]>| record.map(record::decode::<Contact>).transpose();
        // a removal that left nothing had nothing to hide, neither in what is true nor in what is kept
        let Some(newest) = durable.newest_edit(tenant, &entry_key)? else {
            return Ok(Edited { revision: 0, contact: None, known_from: 0 });
        };
        if newest.revision < below {
            let contact = decode((!newest.is_removed()).then(|| newest.record()))?;
            return Ok(Edited { revision: newest.revision, contact, known_from: 0 });
        }
        // edited since: the log has what was there then, if it reaches back so far
        let mut known_from = below;
        for change in durable.changes_back(below) {
            let change = change?;
            if change.revision <= floor {
                break;
            }
            if change.tenant == tenant {
                let Some(entries) = self.entries_of(&change)? else { break };
                if let Some(entry) = entries.iter().find(|entry| entry.key == entry_key) {
                    let contact = decode(entry.after.as_deref())?;
                    return Ok(Edited { revision: change.revision, contact, known_from: change.revision });
                }
            }
            known_from = change.revision;
        }
        Ok(Edited { revision: 0, contact: None, known_from })
    }
}

fn said(durable: &Durable, tenant: &str, generations: &[Arc<Generation>], id: &str) -> Result<Said, StoreError> {
    let mut highest_first: Vec<_> = generations.iter().collect();
    highest_first.sort_by_key(|generation| Reverse(generation.since));
    for generation in highest_first {
        if let Some((revision, contact)) = contact_in(durable, tenant, generation, id)? {
            return Ok(Said { since: generation.since, revision, contact });
        }
    }
    Ok(Said::default())
}

/// A contact as a generation has it (`None` where it says that there is none), and the revision that made it so.
fn contact_in(
    durable: &Durable,
    tenant: &str,
    generation: &Arc<Generation>,
    id: &str,
) -> Result<Option<(u64, Option<Contact>)>, StoreError> {
    let Some(entry) = durable.get_in(tenant, generation, &key::contact(id))? else { return Ok(None) };
    let contact = if entry.is_removed() { None } else { Some(record::decode(entry.record())?) };
    Ok(Some((entry.revision, contact)))
}
