//! Who has a number, as the event plane asks it: the same picture in memory that calls read, never the disk.

use super::Names;
use crate::routing::Tenants;
use crate::store::Reader;
use std::sync::Arc;

/// The directory behind a store. Until its snapshot stands nobody has a name: the disk is the calls' then.
pub struct DirectoryNames {
    store: Reader,
    tenants: Arc<Tenants>,
}

impl DirectoryNames {
    /// Names out of a store, for tenants.
    #[must_use]
    pub fn new(store: Reader, tenants: Arc<Tenants>) -> DirectoryNames {
        DirectoryNames { store, tenants }
    }
}

impl Names for DirectoryNames {
    fn look_up(&self, tenant: &str, number: &str) -> (String, Option<(String, String)>) {
        let Some(Ok(parsed)) = self.tenants.get(tenant).map(|t| t.plan.parse(number)) else { return (number.to_owned(), None) };
        let found = self.store.in_snapshot(tenant, |data| data.caller(&parsed).ok().flatten()).flatten();
        (parsed.to_string(), found.map(|caller| (caller.contact, caller.name)))
    }
}
