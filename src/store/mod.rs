//! The store: sled is the durable truth, a snapshot in memory is what calls read, one thread writes.
//!
//! Layers, from the disk up: `engine` (sled, named nowhere else), `durable` (single edits laid over the generations
//! of imports), `snapshot` (what calls read), `writer` (the only one that changes anything), and [`Store`], the
//! handle that everybody else has.

mod base;
mod block;
mod bulk;
mod change;
mod durable;
mod engine;
mod error;
mod key;
mod marker;
mod plan;
mod record;
mod snapshot;
#[cfg(test)]
mod tests;
mod writer;

pub(crate) use engine::{Engine, Tree};
pub(crate) use marker::Marker;

pub use bulk::{Bulk, BulkOutcome};
pub use error::StoreError;
pub use marker::SCHEMA;
pub use record::{Change, EntryChange, Generation};
pub use writer::Writer;

use crate::access::Token;
use crate::clock::Clock;
use crate::directory::Contact;
use crate::number::Number;
use crate::routing::{Data, List, LookupFailed, PlanItem, PlanKey, Route, RouteKey, Screen, ScreenKey, User, check_tenant_id};
use arc_swap::{ArcSwap, ArcSwapOption};
use durable::{Durable, TenantOnDisk};
use engine::Space;
use snapshot::{Snapshot, TenantInMemory, TenantPicture};
use std::collections::{BTreeSet, HashMap};
use std::ops::Deref;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Arc, LazyLock};
use writer::{Dead, Job};

/// Jobs that may wait for the writer; more callers wait in turn.
const JOBS_MAX: usize = 256;
/// Changes that are written to their places again at open: more than any group of edits that a crash could have cut.
const REDO_CHANGES: u64 = 256;
const _: () = assert!(REDO_CHANGES as usize > writer::GROUP_MAX);

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
}

/// A sort of thing that a plan is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
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

/// How a store is doing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreStatus {
    /// The newest revision.
    pub revision: u64,
    /// The revision that calls see; `None` while they read the disk.
    pub snapshot_revision: Option<u64>,
    /// Contacts in the snapshot's bases, of all tenants.
    pub contacts: u64,
    /// Edited contacts laid over them.
    pub overlay: u64,
    /// Routes, of all tenants.
    pub routes: u64,
    /// Users, of all tenants.
    pub users: u64,
    /// Memory of the bases, in bytes.
    pub base_bytes: u64,
    /// Bytes on the disk.
    pub disk_bytes: u64,
    /// Why edits are refused, if they are.
    pub failed: Option<String>,
}

struct Shared {
    dir: PathBuf,
    durable: Durable,
    snapshot: ArcSwapOption<Snapshot>,
    revision: AtomicU64,
    failed: ArcSwapOption<StoreError>,
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

static NO_PICTURE: LazyLock<TenantPicture> = LazyLock::new(TenantPicture::default);

impl Store {
    /// Opens the store in a directory, making a new one if there is none. Run the [`Writer`] on a thread of its own.
    ///
    /// # Errors
    /// [`StoreError`] says what is wrong and what to do. A store that can't be used is left as it was.
    pub fn open(dir: &Path, clock: Arc<dyn Clock>) -> Result<(Store, Writer), StoreError> {
        let not_writable = |e: std::io::Error| StoreError::NotWritable { path: dir.into(), error: e.to_string() };
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(not_writable)?;
        let (owner, user) = (std::fs::metadata(dir).map_err(not_writable)?.uid(), rustix::process::geteuid().as_raw());
        if owner != user {
            return Err(StoreError::NotOwner { path: dir.into(), owner, user });
        }
        let marker = Marker::read(dir, SCHEMA)?;
        if let Some(marker) = marker {
            if marker.schema > SCHEMA {
                return Err(StoreError::Newer { path: dir.into(), found: marker.schema, known: SCHEMA });
            }
            if std::fs::metadata(dir.join("db")).map_or(0, |m| m.len()) == 0 {
                return Err(StoreError::Corrupt { path: dir.into(), what: "its database file is missing or empty".into() });
            }
        }
        let engine = Arc::new(Engine::open(dir, Space::NAMES)?);
        let durable = Durable { pointers: Arc::new(ArcSwap::from_pointee(read_pointers(&engine)?)), engine };
        let revision = check_log(&durable, dir)?;
        if let Some(marker) = marker
            && revision < marker.revision
        {
            let what = format!("it ends at revision {revision}, and had reached {}", marker.revision);
            return Err(StoreError::Corrupt { path: dir.into(), what });
        }
        redo(&durable, revision)?;
        durable.engine.sync()?;
        let now = Marker { schema: SCHEMA, revision };
        if marker != Some(now) {
            now.write(dir)?;
        }
        let (dead, newest) = dead_generations(&durable)?;
        let shared = Arc::new(Shared {
            dir: dir.into(),
            durable,
            snapshot: ArcSwapOption::empty(),
            revision: AtomicU64::new(revision),
            failed: ArcSwapOption::empty(),
            clock,
        });
        let (jobs, receiver) = sync_channel(JOBS_MAX);
        let writer = Writer::new(shared.clone(), receiver, newest + 1, dead);
        Ok((Store { reader: Reader { shared }, jobs }, writer))
    }

    fn send(&self, job: Job) -> Result<(), StoreError> {
        self.jobs.send(job).map_err(|_| StoreError::Closed)
    }

    /// Makes an edit; when this returns, it is on the disk and the next call sees it.
    ///
    /// # Errors
    /// The edit was not made.
    pub fn edit(&self, tenant: &str, who: &str, edit: Edit) -> Result<EditOutcome, StoreError> {
        check_tenant_id(tenant).map_err(|e| StoreError::NotAKey(e.to_string()))?;
        let (reply, answer) = sync_channel(1);
        self.send(Job::Edit { tenant: tenant.to_owned(), who: who.to_owned(), edit, reply })?;
        answer.recv().map_err(|_| StoreError::Closed)?
    }

    /// Begins a bulk change of one source's contacts.
    pub fn bulk(&self, tenant: &str, source: &str) -> Bulk {
        Bulk::new(self.clone(), tenant, source)
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

impl Reader {
    /// The store's time, in microseconds since 1970.
    pub fn now_us(&self) -> u64 {
        self.shared.clock.now_us()
    }

    /// The store's clock.
    pub fn clock(&self) -> &dyn Clock {
        &*self.shared.clock
    }

    /// Whether calls read the snapshot already.
    pub fn snapshot_stands(&self) -> bool {
        self.shared.snapshot.load().is_some()
    }

    /// Reads a tenant's snapshot; never waits, and is `None` until the snapshot stands.
    pub fn in_snapshot<T>(&self, tenant: &str, read: impl FnOnce(&dyn Data) -> T) -> Option<T> {
        let snapshot = self.shared.snapshot.load();
        let snapshot = snapshot.as_ref()?;
        let picture = snapshot.tenants.get(tenant).map_or(&*NO_PICTURE, |p| p);
        Some(read(&TenantInMemory { revision: snapshot.revision, picture }))
    }

    /// Reads a tenant's data from the disk; may wait for it.
    pub fn on_disk<T>(&self, tenant: &str, read: impl FnOnce(&dyn Data) -> T) -> T {
        read(&TenantOnDisk { durable: &self.shared.durable, tenant })
    }

    /// A contact and its revision.
    ///
    /// # Errors
    /// The disk could not be read.
    pub fn contact(&self, tenant: &str, id: &str) -> Result<Option<(u64, Contact)>, StoreError> {
        self.shared.durable.contact(tenant, id)
    }

    /// The contacts with a number, the one that names callers first.
    ///
    /// # Errors
    /// The disk could not be read.
    pub fn contacts_with(&self, tenant: &str, number: &Number) -> Result<Vec<(u64, Contact)>, StoreError> {
        self.shared.durable.contacts_with(tenant, number)
    }

    /// Contacts in the order of their ids, from an id on.
    pub fn contacts(&self, tenant: &str, from_id: &str) -> impl Iterator<Item = Result<(u64, Contact), StoreError>> + use<> {
        self.shared.durable.contacts(tenant, from_id)
    }

    /// One route.
    ///
    /// # Errors
    /// The disk could not be read.
    pub fn route(&self, tenant: &str, route: &RouteKey) -> Result<Option<Route>, StoreError> {
        self.shared.durable.route(tenant, route)
    }

    /// One entry of a list.
    ///
    /// # Errors
    /// The disk could not be read.
    pub fn screen(&self, tenant: &str, list: List, screen: &ScreenKey) -> Result<Option<Screen>, StoreError> {
        let found = self.shared.durable.get(tenant, &key::screen(list, screen))?;
        found.map(|(_, bytes)| record::decode(&bytes)).transpose()
    }

    /// A page of a tenant's routes: those that come after `after`, so many at most.
    ///
    /// # Errors
    /// The disk could not be read.
    pub fn routes(&self, tenant: &str, after: Option<&RouteKey>, limit: usize) -> Result<Vec<Route>, StoreError> {
        let read = |e: &durable::Entry| Ok(Route { revision: e.revision, ..record::decode(e.record())? });
        self.entries_after(tenant, &[key::ROUTE], after.map(key::route), limit, read)
    }

    /// A page of one of a tenant's lists: the entries that come after `after`, so many at most.
    ///
    /// # Errors
    /// The disk could not be read.
    pub fn screens(&self, tenant: &str, list: List, after: Option<&ScreenKey>, limit: usize) -> Result<Vec<Screen>, StoreError> {
        self.page(tenant, &key::screens(list), after.map(|k| key::screen(list, k)), limit)
    }

    /// A user and his revision. The domain is given in lower case.
    ///
    /// # Errors
    /// The disk could not be read.
    pub fn user(&self, tenant: &str, domain: &str, extension: &str) -> Result<Option<(u64, User)>, StoreError> {
        self.shared.durable.user(tenant, domain, extension)
    }

    /// A page of a tenant's users and their revisions, by domain and extension: those that come after `after`, so many at
    /// most; of one domain or of all.
    ///
    /// # Errors
    /// The disk could not be read.
    pub fn users(
        &self,
        tenant: &str,
        domain: Option<&str>,
        after: Option<(&str, &str)>,
        limit: usize,
    ) -> Result<Vec<(u64, User)>, StoreError> {
        let prefix = domain.map_or_else(|| vec![key::USER], key::users);
        let after = after.map(|(domain, extension)| key::user(domain, extension));
        self.entries_after(tenant, &prefix, after, limit, |e| Ok((e.revision, record::decode(e.record())?)))
    }

    /// A tenant's tokens, by name, so many at most.
    ///
    /// # Errors
    /// The disk could not be read.
    pub fn tokens(&self, tenant: &str, limit: usize) -> Result<Vec<Token>, StoreError> {
        self.page(tenant, &[key::TOKEN], None, limit)
    }

    /// One thing of the plan.
    ///
    /// # Errors
    /// The disk could not be read.
    pub fn item(&self, tenant: &str, item: &PlanKey) -> Result<Option<PlanItem>, StoreError> {
        self.shared.durable.item(tenant, item)
    }

    /// A page of a tenant's things of one sort, in the order of their keys: those that come after `after`, so many at most.
    ///
    /// # Errors
    /// The disk could not be read.
    pub fn items(&self, tenant: &str, sort: PlanSort, after: Option<&PlanKey>, limit: usize) -> Result<Vec<PlanItem>, StoreError> {
        let found = self
            .entries_after(tenant, &[sort.tag()], after.map(key::plan), limit, |e| record::decode_item(e.key(), e.revision, e.record()))?;
        Ok(found.into_iter().flatten().collect())
    }

    fn page<R: record::Record>(&self, tenant: &str, prefix: &[u8], after: Option<Vec<u8>>, limit: usize) -> Result<Vec<R>, StoreError> {
        self.entries_after(tenant, prefix, after, limit, |e| record::decode(e.record()))
    }

    fn entries_after<T>(
        &self,
        tenant: &str,
        prefix: &[u8],
        after: Option<Vec<u8>>,
        limit: usize,
        read: impl Fn(&durable::Entry) -> Result<T, StoreError>,
    ) -> Result<Vec<T>, StoreError> {
        let from = after.clone().unwrap_or_default();
        let entries = self.shared.durable.entries(tenant, prefix, &from);
        let later = entries.filter(|item| item.as_ref().map_or(true, |e| after.as_deref().is_none_or(|after| e.key() > after)));
        later.take(limit).map(|item| read(&item?)).collect()
    }

    /// The change log from a revision on.
    pub fn changes(&self, from: u64) -> impl Iterator<Item = Result<Change, StoreError>> + use<> {
        self.shared.durable.changes(from)
    }

    /// Every tenant that has data.
    ///
    /// # Errors
    /// The disk could not be read.
    pub fn tenants(&self) -> Result<BTreeSet<String>, StoreError> {
        self.shared.tenants()
    }

    /// The newest revision.
    pub fn revision(&self) -> u64 {
        self.shared.revision.load(Ordering::Acquire)
    }

    /// How the store is doing.
    pub fn status(&self) -> StoreStatus {
        let snapshot = self.shared.snapshot.load();
        let pictures = || snapshot.iter().flat_map(|s| s.tenants.values());
        StoreStatus {
            revision: self.revision(),
            snapshot_revision: snapshot.as_ref().map(|s| s.revision),
            contacts: pictures().map(|p| p.base.contacts() as u64).sum(),
            overlay: pictures().map(|p| p.edited.size() as u64).sum(),
            routes: pictures().map(|p| p.routes.size() as u64).sum(),
            users: pictures().flat_map(|p| p.users.values()).map(|users| users.size() as u64).sum(),
            base_bytes: pictures().map(|p| p.base.bytes() as u64).sum(),
            disk_bytes: self.shared.durable.engine.disk_bytes(),
            failed: self.shared.failed().map(|e| e.to_string()),
        }
    }
}

/// Reads the pointer records: which generations are true.
fn read_pointers(engine: &Engine) -> Result<durable::Pointers, StoreError> {
    let mut pointers = HashMap::new();
    let prefix = pointer_key("");
    for item in engine.scan(Space::Meta, &prefix, &prefix) {
        let (k, v) = item?;
        let tenant = String::from_utf8_lossy(&k[prefix.len()..]).into_owned();
        let generations: Vec<Generation> = record::decode(&v)?;
        pointers.insert(tenant, generations.into_iter().map(Arc::new).collect());
    }
    Ok(pointers)
}

/// Checks that no change is missing from the log; comes back with the newest revision.
fn check_log(durable: &Durable, dir: &Path) -> Result<u64, StoreError> {
    let (mut first, mut last) = (None, 0);
    for item in durable.engine.scan(Space::Log, &[], &[]) {
        let (k, _) = item?;
        let revision = k.first_chunk::<8>().map_or(0, |r| u64::from_be_bytes(*r));
        if *first.get_or_insert(revision) != revision && revision != last + 1 {
            let what = format!("the change log jumps from revision {last} to {revision}");
            return Err(StoreError::Corrupt { path: dir.into(), what });
        }
        last = revision;
    }
    // the log ends early only where it was cut to its length; a crash may have come before the last cut
    let oldest_max = last.saturating_sub(writer::LOG_CHANGES_MAX) + 1;
    if let Some(first) = first.filter(|first| *first > oldest_max) {
        let what = format!("the change log begins at revision {first} instead of {oldest_max}");
        return Err(StoreError::Corrupt { path: dir.into(), what });
    }
    Ok(last)
}

/// Writes the newest changes to their places again, in case a crash came between the log and the places.
fn redo(durable: &Durable, revision: u64) -> Result<(), StoreError> {
    let newest = || durable.changes(revision.saturating_sub(REDO_CHANGES - 1));
    // the pointers first, and only the last of each tenant: what a removal leaves depends on what lies below it now
    let mut generations = HashMap::new();
    for change in newest() {
        let change = change?;
        generations.extend(change.generations.map(|g| (change.tenant, g)));
    }
    for (tenant, generations) in &generations {
        change::apply_generations(durable, tenant, generations)?;
    }
    for change in newest() {
        change::apply_entries(durable, &change?, false)?;
    }
    Ok(())
}

/// Generations whose blocks lie there and that no pointer names, and the greatest generation that was ever begun.
fn dead_generations(durable: &Durable) -> Result<(Vec<Dead>, u64), StoreError> {
    let pointers = durable.pointers.load();
    let mut newest = pointers.values().flatten().map(|g| g.id).max().unwrap_or(0);
    let (mut dead, mut from) = (Vec::new(), Vec::new());
    while let Some(item) = durable.engine.scan(Space::Block, &[], &from).next() {
        let (k, _) = item?;
        let parsed = key::split_tenant(&k).and_then(|(t, rest)| Some((t, u64::from_be_bytes(*rest.first_chunk::<8>()?))));
        let Some((tenant, id)) = parsed else { break };
        newest = newest.max(id);
        if !pointers.get(tenant).is_some_and(|live| live.iter().any(|g| g.id == id)) {
            dead.push(Dead { tenant: tenant.to_owned(), id, read: None });
        }
        from = key::generation(tenant, id.saturating_add(1));
    }
    Ok((dead, newest))
}
