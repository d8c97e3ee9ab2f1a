//! Many contacts at once: all of a batch becomes true, at one revision, or nothing of it.

use super::desk::{Desk, Refusal, bad};
use super::request::Reply;
use crate::directory::{Contact, ContactDraft, check_id};
use crate::store::PlanEdits;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;

/// Contacts of one batch, at most: they are in memory whole. Who has more of them imports a file.
pub const BATCH_ITEMS_MAX: usize = 10_000;
/// Mistakes that are told of one batch; who made more of them made the same one.
const ERRORS_MAX: usize = 100;
/// How often a batch is put together again because the tenant was edited meanwhile.
const TRIES_MAX: usize = 5;

/// What a batch did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BatchView {
    /// The store's revision; that of every contact that was added or replaced.
    pub revision: u64,
    /// Contacts that weren't there.
    pub added: usize,
    /// Contacts that were there, as this or something else.
    pub replaced: usize,
    /// Contacts that were removed.
    pub removed: usize,
    /// Contacts that were to be removed and weren't there.
    pub missing: usize,
}

/// What is wrong with one item of a batch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BatchError {
    /// `put` or `delete`.
    pub list: String,
    /// Which of them, from 0.
    pub index: usize,
    /// What is wrong with it, and what would be right.
    pub detail: String,
}

impl Desk {
    pub(super) fn contact_batch(&self, tenant: &str, put: Vec<ContactDraft>, delete: Vec<String>) -> Result<Reply, Refusal> {
        let plan = &self.tenant(tenant)?.plan;
        if put.len() + delete.len() > BATCH_ITEMS_MAX {
            return bad(format!("the batch has more than {BATCH_ITEMS_MAX} contacts; send several, or import a file"));
        }
        let (mut errors, mut contacts) = (Vec::new(), Vec::with_capacity(put.len()));
        let mut seen: HashMap<String, (&str, usize)> = HashMap::new();
        let mut twice = |list: &'static str, index: usize, id: &str| match seen.insert(id.to_owned(), (list, index)) {
            Some((other, at)) => Err(format!("{id:?} stands in the batch already, as {other}[{at}]; leave one of them out")),
            None => Ok(()),
        };
        let mut wrong = |list: &str, index: usize, detail: String| errors.push(BatchError { list: list.to_owned(), index, detail });
        for (index, draft) in put.into_iter().enumerate() {
            let id = draft.id.clone();
            match draft.check(plan, "").map_err(|e| e.to_string()).and_then(|c| twice("put", index, &id).map(|()| c)) {
                Ok(contact) => contacts.push(contact),
                Err(why) => wrong("put", index, why),
            }
        }
        for (index, id) in delete.iter().enumerate() {
            if let Err(why) = check_id(id).map_err(|e| e.to_string()).and_then(|()| twice("delete", index, id)) {
                wrong("delete", index, why);
            }
        }
        if !errors.is_empty() {
            let wrong = errors.len();
            errors.truncate(ERRORS_MAX);
            return Err(Refusal::Batch { errors, wrong });
        }
        self.make_batch(tenant, contacts, delete)
    }

    fn make_batch(&self, tenant: &str, contacts: Vec<Contact>, delete: Vec<String>) -> Result<Reply, Refusal> {
        let mut last = 0;
        for _ in 0..TRIES_MAX {
            // what is counted, and the sources that contacts keep, are of the very revision that the change is made over
            let (over, (view, edits)) = self.store.undisturbed(tenant, || {
                let (mut view, mut edits) = (BatchView::default(), PlanEdits::default());
                for contact in &contacts {
                    let before = self.store.contact(tenant, &contact.id)?;
                    *if before.is_some() { &mut view.replaced } else { &mut view.added } += 1;
                    let source = before.map(|(_, before)| before.source).unwrap_or_default();
                    edits.contacts.push(Contact { source, ..contact.clone() });
                }
                for id in &delete {
                    let is_there = self.store.contact(tenant, id)?.is_some();
                    *if is_there { &mut view.removed } else { &mut view.missing } += 1;
                    edits.contacts_removed.push(id.clone());
                }
                Ok((view, edits))
            })?;
            if let Some(done) = self.store.change_plan(tenant, &self.who, edits, over)? {
                return Ok(Reply::Batch(BatchView { revision: done.revision, ..view }));
            }
            last = over;
        }
        Err(Refusal::Overtaken { over: last, revision: self.store.revision() })
    }
}
