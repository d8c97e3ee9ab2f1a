//! The store: sled is the durable truth, a snapshot in memory is what calls read, one thread writes.
//!
//! Layers, from the disk up: `engine` (sled, named nowhere else), `durable` (single edits laid over the generations
//! of imports), `snapshot` (what calls read), `writer` (the only one that changes anything), and [`Store`], the
//! handle that everybody else has.

mod backup;
mod base;
mod block;
mod bulk;
mod bulk_commit;
mod bulk_compare;
mod bulk_preview;
mod bulk_settle;
mod bulk_stage;
mod by;
mod change;
mod check;
mod compact;
mod contact_changes;
mod durable;
mod engine;
mod error;
mod examine;
mod fill;
mod found;
mod hand_over;
mod history;
mod imported;
mod key;
mod marker;
mod open;
mod parts;
mod plan;
mod plan_change;
mod previous;
mod read;
mod record;
mod restore;
mod slot;
mod snapshot;
mod stream;
mod swap;
#[cfg(test)]
mod tests;
mod undo;
mod writer;

pub(crate) use engine::{Engine, Tree};
pub(crate) use marker::Marker;

pub use backup::{Backup, BackupError, Held, TenantHeld, verify};
pub use bulk::{Bulk, BulkOutcome, Claim, ImportMode};
pub use bulk_preview::{BulkDifference, BulkPreview};
pub use bulk_settle::{MadeIds, Repeat, Repeats};
pub use bulk_stage::Staging;
pub use by::By;
pub use check::{Checked, SpaceFigures};
pub use compact::Compacted;
pub use error::StoreError;
pub use history::{Past, Thing, ThingChange, Wanted};
pub use marker::SCHEMA;
pub use plan_change::PlanEdits;
pub use read::StoreStatus;
pub use record::{Change, EntryChange, Generation, Staged};
pub use restore::{Restored, restore};
pub use undo::{Undo, Undoable};
pub use writer::Writer;

use crate::access::Token;
use crate::clock::Clock;
use crate::directory::Contact;
use crate::routing::{List, LookupFailed, PlanItem, PlanKey, Route, RouteKey, Screen, ScreenKey, User, check_tenant_id};
use arc_swap::ArcSwapOption;
use durable::Durable;
use engine::Space;
use plan_change::PlanRevisions;
use previous::Previous;
use serde::{Deserialize, Serialize};
use snapshot::Snapshot;
use std::collections::{BTreeSet, HashMap};
use std::ops::Deref;
use std::path::PathBuf;
use std::sync::atomic::AtomicU64;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Arc, Mutex};
use writer::Job;

/// One edit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Edit {
    /// Adds or replaces a contact.
    PutContact(Contact),
    /// Removes a contact by id.
    RemoveContact(String),
    /// Adds or replaces a route; the store gives it its revision.
    PutRoute(Route),
    /// Removes a route.
    RemoveRoute(RouteKey),
    /// Adds or replaces an entry of a list.
    PutScreen(Screen),
    /// Removes an entry of a list.
    RemoveScreen(List, ScreenKey),
    /// Adds or replaces a user.
    PutUser(User),
    /// Removes a user, who is named by his domain and extension.
    RemoveUser(String, String),
    /// Adds or replaces a token.
    PutToken(Token),
    /// Removes a token by name.
    RemoveToken(String),
    /// Adds or replaces any thing of the plan; the store gives it its revision.
    Put(PlanItem),
    /// Removes any thing of the plan.
    Remove(PlanKey),
    /// Another edit, made only if the thing that it is about has this revision when the writer comes to it; 0 is that of a
    /// thing that isn't there.
    Over(u64, Box<Edit>),
}

/// A sort of thing that a plan is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PlanSort {
    /// Extensions' settings.
    Extension,
    /// Ring groups.
    Group,
    /// Opening hours.
    Schedule,
    /// Trunks.
    Trunk,
    /// Brakes.
    Limit,
    /// Routes.
    Route,
    /// Entries of the lists.
    Screen,
    /// SIP accounts.
    User,
}

impl PlanSort {
    /// Every sort, in the order of their keys.
    pub const ALL: [PlanSort; 8] = [
        PlanSort::Extension,
        PlanSort::Group,
        PlanSort::Schedule,
        PlanSort::Trunk,
        PlanSort::Limit,
        PlanSort::Route,
        PlanSort::Screen,
        PlanSort::User,
    ];

    const fn tag(self) -> u8 {
        key::PLAN[self as usize]
    }
}

/// What an edit did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EditOutcome {
    /// The store's revision after it.
    pub revision: u64,
    /// Whether what it names was there before.
    pub existed: bool,
    /// Whether anything is different now.
    pub changed: bool,
}

struct Shared {
    dir: PathBuf,
    durable: Durable,
    snapshot: ArcSwapOption<Snapshot>,
    revision: AtomicU64,
    plans: PlanRevisions,
    previous: Mutex<HashMap<String, Previous>>,
    failed: ArcSwapOption<StoreError>,
    /// How long the engine took to open, in milliseconds.
    opened_in_ms: AtomicU64,
    /// Held by whoever compacts the store.
    compacting: Mutex<()>,
    clock: Arc<dyn Clock>,
}

impl Shared {
    fn fail(&self, error: &StoreError) {
        self.failed.store(Some(Arc::new(error.clone())));
    }

    fn failed(&self) -> Option<StoreError> {
        self.failed.load().as_ref().map(|e| (**e).clone())
    }

    /// Every tenant that has data.
    fn tenants(&self) -> Result<BTreeSet<String>, StoreError> {
        let mut tenants: BTreeSet<String> = self.durable.pointers.load().keys().cloned().collect();
        let mut from = Vec::new();
        while let Some(item) = self.durable.engine.scan(Space::Live, &[], &from).next() {
            let (k, _) = item?;
            let Some((tenant, _)) = key::split_tenant(&k) else { break };
            // the next key that can't be this tenant's
            from = tenant.as_bytes().to_vec();
            from.push(1);
            tenants.insert(tenant.to_owned());
        }
        Ok(tenants)
    }
}

/// A handle to an open store.
#[derive(Clone)]
pub struct Store {
    reader: Reader,
    jobs: SyncSender<Job>,
}

/// The part of a store that can only be read: what calls have.
#[derive(Clone)]
pub struct Reader {
    shared: Arc<Shared>,
}

impl Deref for Store {
    type Target = Reader;
    fn deref(&self) -> &Reader {
        &self.reader
    }
}

fn lookup_failed(error: StoreError) -> LookupFailed {
    LookupFailed(error.to_string())
}

fn pointer_key(tenant: &str) -> Vec<u8> {
    [b"pointer/", tenant.as_bytes()].concat()
}

impl Store {
    fn send(&self, job: Job) -> Result<(), StoreError> {
        self.jobs.send(job).map_err(|_| StoreError::Closed)
    }

    /// Makes an edit; when this returns, it is on the disk and the next call sees it.
    ///
    /// # Errors
    /// The edit was not made.
    pub fn edit(&self, tenant: &str, by: impl Into<By>, edit: Edit) -> Result<EditOutcome, StoreError> {
        check_tenant_id(tenant).map_err(|e| StoreError::NotAKey(e.to_string()))?;
        let (reply, answer) = sync_channel(1);
        self.send(Job::Edit { tenant: tenant.to_owned(), by: by.into(), edit, reply })?;
        answer.recv().map_err(|_| StoreError::Closed)?
    }

    /// Begins a bulk change of one source's contacts, which adds and changes and removes nothing.
    pub fn bulk(&self, tenant: &str, source: &str) -> Bulk {
        self.bulk_as(tenant, source, ImportMode::Merge)
    }

    /// Begins a bulk change that treats what is there already as the mode says.
    pub fn bulk_as(&self, tenant: &str, source: &str, mode: ImportMode) -> Bulk {
        Bulk::new(self.clone(), tenant, source, mode)
    }

    /// Ends the writer once it has done what waits.
    pub fn close(&self) {
        let _ = self.jobs.send(Job::Close);
    }

    /// A handle that can only read.
    pub fn reader(&self) -> Reader {
        self.reader.clone()
    }
}
