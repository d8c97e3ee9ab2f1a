//! How much of the plane a tenant may take: one that is flooded must leave room for the calls of others.

use crate::routing::Tenants;
use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Where there are several tenants, each may take one in so many sessions at most, unless the configuration says otherwise:
/// then one alone can't fill the house.
const SHARE: usize = 2;

/// What each tenant takes, and may.
#[derive(Default)]
pub(super) struct Shares(HashMap<String, Share>);

struct Share {
    taken: AtomicUsize,
    max: usize,
}

impl Shares {
    /// Shares of so many sessions.
    pub(super) fn new(tenants: &Tenants, sessions_max: usize) -> Shares {
        let usual = if tenants.len() > 1 { (sessions_max / SHARE).max(1) } else { sessions_max };
        let share = |max: Option<usize>| Share { taken: AtomicUsize::new(0), max: max.unwrap_or(usual) };
        Shares(tenants.values().map(|tenant| (tenant.id.clone(), share(tenant.sessions_max))).collect())
    }

    /// A session of the tenant's, until what comes back is dropped; none where it has all that it may have.
    pub(super) fn take(&self, tenant: &str) -> Option<Taken<'_>> {
        let Some(share) = self.0.get(tenant) else { return Some(Taken(None)) };
        // counted first and looked at then, so that two who come at once aren't both the last
        let before = share.taken.fetch_add(1, Ordering::AcqRel);
        let taken = Taken(Some(&share.taken));
        (before < share.max).then_some(taken)
    }
}

/// A session that is counted.
pub(super) struct Taken<'a>(Option<&'a AtomicUsize>);

impl Drop for Taken<'_> {
    fn drop(&mut self) {
        if let Some(taken) = self.0 {
            taken.fetch_sub(1, Ordering::AcqRel);
        }
    }
}
