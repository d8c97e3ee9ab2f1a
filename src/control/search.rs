//! Contacts that are searched for: an index for each tenant that somebody searches, kept right under edits.
//!
//! It is built by the first search, in the thread that asks, and let go when nobody has searched for a while: a server that
//! isn't searched pays nothing. It knows the revision that it was built over, and follows the change log before each search,
//! so that whoever searches after an edit was acknowledged finds what was edited.

use super::desk::{Desk, Refusal, bad};
use super::request::Reply;
use super::views::ContactView;
use crate::directory::Contact;
use crate::directory::search::{Best, Builder, FOUND_MAX, Found, Index, Query};
use crate::number::{Kind, Number};
use crate::store::{Reader, StoreError};
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::{Duration, Instant};

/// How long a search may take once the index stands. Someone types, and a slower answer is for a text that isn't there any
/// more.
const SEARCH_MAX: Duration = Duration::from_millis(50);
/// How long an index is kept that nobody searches.
const UNUSED_US_MAX: u64 = 15 * 60 * 1_000_000;
/// How often unused ones are looked for.
const UNUSED_LOOK: Duration = Duration::from_secs(60);
/// Changes that are laid over an index. Each is looked at in every search; with more of them it is built anew.
const CHANGES_MAX: usize = 5_000;
/// How often an index is brought up to date for one search, where imports come in while it is built.
const ROUNDS_MAX: usize = 3;
/// How often a search looks whether another one is done with the index, and the pause in between. An edit is taken in within
/// a millisecond; a whole index takes seconds.
const LOOKS_MAX: usize = 200;
const LOOK_PAUSE: Duration = Duration::from_millis(2);

/// A tenant's index and the revision whose contacts it has.
struct Built {
    revision: u64,
    index: Index,
}

#[derive(Default)]
struct Slot {
    built: RwLock<Option<Built>>,
    used_us: AtomicU64,
}

/// The indexes of all tenants.
#[derive(Default)]
pub struct Searches {
    slots: Mutex<HashMap<String, Arc<Slot>>>,
}

/// Why there is no answer.
enum Unfound {
    /// Another search is having the index built.
    Building,
    Refused(Refusal),
}

impl From<StoreError> for Unfound {
    fn from(error: StoreError) -> Unfound {
        Unfound::Refused(error.into())
    }
}

impl Searches {
    /// Lets go of the indexes that nobody has searched for 15 minutes, now and then, for ever.
    pub(super) async fn forget_unused(self: Arc<Self>, store: Reader) {
        loop {
            tokio::time::sleep(UNUSED_LOOK).await;
            self.forget(store.clock().monotonic_us());
        }
    }

    /// Lets go of those that were unused at a time of the clock that nobody sets.
    pub(super) fn forget(&self, now_us: u64) {
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        // one that is being searched is held by the searcher
        slots.retain(|_, slot| now_us.saturating_sub(slot.used_us.load(Ordering::Relaxed)) < UNUSED_US_MAX || Arc::strong_count(slot) > 1);
    }

    /// Memory of the indexes that stand, in bytes.
    pub fn bytes(&self) -> usize {
        let slots: Vec<Arc<Slot>> = self.slots.lock().unwrap_or_else(PoisonError::into_inner).values().cloned().collect();
        let bytes = |slot: &Arc<Slot>| slot.built.try_read().ok().and_then(|built| built.as_ref().map(|built| built.index.bytes()));
        slots.iter().filter_map(bytes).sum()
    }

    fn slot(&self, tenant: &str, now_us: u64) -> Arc<Slot> {
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        let slot = slots.entry(tenant.to_owned()).or_default().clone();
        slot.used_us.store(now_us, Ordering::Relaxed);
        slot
    }

    fn search(&self, store: &Reader, tenant: &str, query: &Query, owner: Option<&Number>, limit: usize) -> Result<Found, Unfound> {
        let slot = self.slot(tenant, store.clock().monotonic_us());
        let newest = store.revision();
        // the admin plane has few threads: whoever comes while one of them builds is told so, and doesn't keep another
        for _ in 0..LOOKS_MAX {
            if let Ok(built) = slot.built.try_read()
                && let Some(built) = built.as_ref().filter(|built| built.revision >= newest)
            {
                let began = Instant::now();
                return Ok(built.index.search(query, owner, limit, &mut || began.elapsed() >= SEARCH_MAX));
            }
            match slot.built.try_write() {
                Ok(mut built) => catch_up(&mut built, store, tenant, newest)?,
                Err(_) => std::thread::sleep(LOOK_PAUSE),
            }
        }
        Err(Unfound::Building)
    }
}

/// Brings an index to a revision at least.
fn catch_up(built: &mut Option<Built>, store: &Reader, tenant: &str, newest: u64) -> Result<(), Unfound> {
    for _ in 0..ROUNDS_MAX {
        // whatever is acknowledged while this looks is followed by the next search
        let revision = store.revision();
        let changed = match built.as_ref() {
            Some(built) if built.index.changes() <= CHANGES_MAX => store.contacts_changed(tenant, built.revision)?,
            _ => None,
        };
        match (built.as_mut(), changed) {
            (Some(built), Some(ids)) => {
                for id in ids {
                    let contact = store.contact(tenant, &id)?;
                    built.index.change(&id, contact.as_ref().map(|(_, contact)| contact));
                }
                built.revision = revision;
                if built.revision >= newest {
                    return Ok(());
                }
            }
            _ => {
                // two of them at once would be twice the memory
                *built = None;
                *built = Some(build(store, tenant, revision)?);
                // edits that came in while it was built may be in it or not: the next round looks
            }
        }
    }
    Ok(())
}

fn build(store: &Reader, tenant: &str, revision: u64) -> Result<Built, Unfound> {
    let began = Instant::now();
    let mut builder = Builder::new();
    for contact in store.contacts(tenant, "") {
        builder.push(&contact?.1).map_err(|error| Unfound::Refused(Refusal::BadInput(error.to_string())))?;
    }
    let index = builder.finish();
    tracing::info!(
        tenant,
        contacts = index.len(),
        bytes = index.bytes(),
        took_ms = began.elapsed().as_millis() as u64,
        "built an index of contacts; it is kept until nobody has searched for 15 minutes"
    );
    Ok(Built { revision, index })
}

/// Contacts with their revisions.
type Revised = Vec<(u64, Contact)>;

impl Desk {
    pub(super) fn contact_search(&self, tenant: &str, text: &str, limit: usize, owner: Option<&str>) -> Result<Reply, Refusal> {
        let plan = &self.tenant(tenant)?.plan;
        let owner = match owner.map(|typed| (typed, plan.parse(typed))) {
            None => None,
            Some((_, Ok(number))) if number.kind() == Kind::Extension => Some(number),
            Some((typed, _)) => return bad(format!("the owner {typed:?} is no extension; write its number, such as 101")),
        };
        let (found, notes) = self.contacts_found(tenant, text, limit, owner.as_ref())?;
        let contacts = found.into_iter().map(|(revision, contact)| ContactView::of(revision, contact)).collect();
        Ok(Reply::Contacts { contacts, next_id: None, notes })
    }

    /// The contacts that fit best, those that everybody or the owner sees, and what whoever asked should know.
    pub(super) fn contacts_found(
        &self,
        tenant: &str,
        text: &str,
        limit: usize,
        owner: Option<&Number>,
    ) -> Result<(Revised, Vec<String>), Refusal> {
        let query = Query::read(text, &self.tenant(tenant)?.plan).map_err(|error| Refusal::BadInput(error.to_string()))?;
        let limit = limit.clamp(1, FOUND_MAX);
        let found = match &self.observed {
            Some(observed) => observed.searches.search(&self.store, tenant, &query, owner, limit),
            // the command line looks once, and has no use for an index
            None => self.look_through(tenant, &query, owner, limit).map_err(Unfound::Refused),
        };
        let (found, mut notes) = match found {
            Ok(found) => (found, Vec::new()),
            Err(Unfound::Building) => (Found::default(), vec!["the index is being built; search again in a moment".to_owned()]),
            Err(Unfound::Refused(refusal)) => return Err(refusal),
        };
        if found.cut {
            let others = if found.hits.is_empty() { "nothing was found until then" } else { "there may be others" };
            notes.push(format!("the search was ended after {} ms; {others}: write more, or whole words", SEARCH_MAX.as_millis()));
        }
        let mut contacts = Vec::with_capacity(found.hits.len());
        for (id, _) in found.hits {
            // what is shown is what the store says now
            if let Some((revision, contact)) = self.store.contact(tenant, &id)?
                && (contact.owner.is_none() || contact.owner.as_ref() == owner)
            {
                contacts.push((revision, contact));
            }
        }
        Ok((contacts, notes))
    }

    fn look_through(&self, tenant: &str, query: &Query, owner: Option<&Number>, limit: usize) -> Result<Found, Refusal> {
        let mut best = Best::new(query, owner, limit);
        for contact in self.store.contacts(tenant, "") {
            best.see(&contact?.1);
        }
        Ok(best.found())
    }
}

#[cfg(test)]
#[path = "search_tests.rs"]
mod tests;
