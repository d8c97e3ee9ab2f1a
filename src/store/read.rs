//! What can be read of a store.

use super::durable::{self, TenantOnDisk};
use super::snapshot::{TenantInMemory, TenantPicture};
use super::{Change, PlanSort, Reader, StoreError, key, record};
use crate::access::Token;
use crate::clock::Clock;
use crate::directory::Contact;
use crate::number::Number;
use crate::routing::{Data, List, PlanItem, PlanKey, Route, RouteKey, Screen, ScreenKey, User};
use std::collections::BTreeSet;
use std::sync::LazyLock;
use std::sync::atomic::Ordering;

/// How a store is doing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StoreStatus {
    /// The newest revision.
    pub revision: u64,
    /// The revision that calls see; `None` while they read the disk.
    pub snapshot_revision: Option<u64>,
    /// When calls got that, in microseconds since 1970; `None` as above.
    pub snapshot_made_us: Option<u64>,
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
    /// Why edits are refused, if they are: for good, or as long as the disk is full.
    pub failed: Option<String>,
}

static NO_PICTURE: LazyLock<TenantPicture> = LazyLock::new(TenantPicture::default);

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

    /// The contacts that a number leads to (itself, the longest range, behind a main number), as an extension may know them,
    /// the one that names callers first; `None` is somebody who has no phone book of his own.
    ///
    /// # Errors
    /// The disk could not be read.
    pub fn contacts_for(&self, tenant: &str, number: &Number, callee: Option<&Number>) -> Result<Vec<(u64, Contact)>, StoreError> {
        Ok(self.shared.durable.contacts_for(tenant, number, callee)?.contacts)
    }

    /// Contacts in the order of their ids, from an id on.
    pub fn contacts(&self, tenant: &str, from_id: &str) -> impl Iterator<Item = Result<(u64, Contact), StoreError>> + use<> {
        self.shared.durable.contacts(tenant, from_id)
    }

    /// The ids of contacts that begin like this, in order. No contact is read for it.
    pub fn contact_ids(&self, tenant: &str, beginning: &str) -> impl Iterator<Item = Result<String, StoreError>> + use<> {
        let prefix = key::contact(beginning);
        let entries = self.shared.durable.entries(tenant, &prefix, &prefix);
        entries.map(|item| item.map(|entry| String::from_utf8_lossy(entry.key().get(1..).unwrap_or_default()).into_owned()))
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

    /// One thing of the plan, and the revision that made it what it is: some sorts don't hold their own.
    ///
    /// # Errors
    /// The disk could not be read.
    pub fn item_with_revision(&self, tenant: &str, item: &PlanKey) -> Result<Option<(u64, PlanItem)>, StoreError> {
        let entry_key = key::plan(item);
        let Some((revision, bytes)) = self.shared.durable.get(tenant, &entry_key)? else { return Ok(None) };
        Ok(record::decode_item(&entry_key, revision, &bytes)?.map(|item| (revision, item)))
    }

    /// [`Reader::items`] with their revisions; of the lists one alone, where one is named.
    ///
    /// # Errors
    /// The disk could not be read.
    pub fn items_with_revisions(
        &self,
        tenant: &str,
        sort: PlanSort,
        list: Option<List>,
        after: Option<&PlanKey>,
        limit: usize,
    ) -> Result<Vec<(u64, PlanItem)>, StoreError> {
        let prefix = list.map_or_else(|| vec![sort.tag()], |list| key::screens(list).to_vec());
        let read = |e: &durable::Entry| Ok(record::decode_item(e.key(), e.revision, e.record())?.map(|item| (e.revision, item)));
        Ok(self.entries_after(tenant, &prefix, after.map(key::plan), limit, read)?.into_iter().flatten().collect())
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
            snapshot_made_us: snapshot.as_ref().map(|s| s.made_us),
            contacts: pictures().map(|p| p.base.contacts() as u64).sum(),
            overlay: pictures().map(|p| p.edited.size() as u64).sum(),
            routes: pictures().map(|p| p.routes.size() as u64).sum(),
            users: pictures().flat_map(|p| p.users.values()).map(|users| users.size() as u64).sum(),
            base_bytes: pictures().map(|p| p.base.bytes() as u64).sum(),
            disk_bytes: self.shared.durable.engine.disk_bytes(),
            failed: self.refusal().map(|e| e.to_string()),
        }
    }

    /// Why an edit would be refused, if one were made now: the store has failed, or the disk is full, or no file can be opened.
    /// The two latter hold only as long as they are so, and are asked for anew: one `statvfs`, and one descriptor that is doubled
    /// and let go of, as each edit does. A store that is another process's at the moment is none that refuses edits: they are
    /// that one's.
    fn refusal(&self) -> Option<StoreError> {
        let at_the_moment = || match self.shared.durable.engine.check_space(0) {
            Ok(()) | Err(StoreError::HandedOver) => None,
            Err(error) => Some(error),
        };
        self.shared.failed().or_else(at_the_moment)
    }
}
