//! Calls as administrators ask for them: those that live, from the feed, and those that are over, from the journal.

use super::desk::{Refusal, bad, parse_number, tenant_of};
use super::observed::Observed;
use super::request::Reply;
use crate::cti::CallView;
use crate::journal::{Journal, JournalError, PAGE_CALLS_MAX, PlaceInJournal, Query};
use crate::routing::Tenants;
use serde::{Deserialize, Serialize};

/// A page ends when its JSON has so many bytes: a page has to fit into a frame, and the largest call has some 200 kB.
const PAGE_BYTES_MAX: usize = 1024 * 1024;

/// Which finished calls.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct JournalQuery {
    /// Whose.
    pub tenant: String,
    /// Those that ended then or later. Microseconds since 1970.
    #[serde(default)]
    pub since_us: Option<u64>,
    /// Those that ended before. Microseconds since 1970.
    #[serde(default)]
    pub until_us: Option<u64>,
    /// Those that this number had a part in, as typed.
    #[serde(default)]
    pub number: Option<String>,
    /// Those behind this place: when a call ended, and its id.
    #[serde(default)]
    pub after: Option<(u64, String)>,
    /// So many at most.
    pub limit: usize,
    /// What ended first comes first, instead of last.
    #[serde(default)]
    pub oldest_first: bool,
}

/// A page of the live calls of a tenant.
pub(super) fn live(observed: Option<&Observed>, tenants: &Tenants, tenant: &str, after: Option<(u64, String)>) -> Result<Reply, Refusal> {
    tenant_of(tenants, tenant)?;
    let Some(observed) = observed.filter(|observed| !observed.stats.sources.is_empty()) else {
        return bad("this server watches no switch; add a [[switch]] to the configuration");
    };
    let place = |call: &CallView| (call.started_us, call.id.clone());
    let mut live = observed.hub.snapshot().calls;
    live.retain(|call| call.tenant == tenant && after.as_ref().is_none_or(|after| place(call) > *after));
    live.sort_by_cached_key(|call| place(call));
    let (mut calls, mut bytes, mut live) = (Vec::new(), 0, live.into_iter().peekable());
    while let Some(call) = live.next() {
        let value = serde_json::to_value(&call).map_err(cannot_be_said)?;
        bytes += value.to_string().len();
        calls.push(value);
        if bytes >= PAGE_BYTES_MAX && live.peek().is_some() {
            return Ok(Reply::Calls { calls, next: Some(place(&call)), unreadable: 0 });
        }
    }
    Ok(Reply::Calls { calls, next: None, unreadable: 0 })
}

/// A page of finished calls. The command line asks this too, over a journal that it opened itself.
///
/// # Errors
/// What the desk would reply.
pub fn journalled(journal: &Journal, tenants: &Tenants, query: &JournalQuery) -> Reply {
    Reply::from(page(journal, tenants, query))
}

/// One finished call, found by its id.
pub fn journalled_call(journal: &Journal, tenants: &Tenants, tenant: &str, id: &str) -> Reply {
    Reply::from(one(journal, tenants, tenant, id))
}

pub(super) fn page(journal: &Journal, tenants: &Tenants, query: &JournalQuery) -> Result<Reply, Refusal> {
    let plan = &tenant_of(tenants, &query.tenant)?.plan;
    let number = query.number.as_ref().map(|text| parse_number(plan, text)).transpose()?;
    let asked = Query {
        tenant: query.tenant.clone(),
        since_us: query.since_us,
        until_us: query.until_us,
        number: number.map(|number| number.to_string()),
        after: query.after.clone().map(|(ended_us, id)| PlaceInJournal { ended_us, id }),
        limit: query.limit.min(PAGE_CALLS_MAX),
        oldest_first: query.oldest_first,
    };
    let page = journal.read(&asked)?;
    let (mut calls, mut bytes, mut next) = (Vec::new(), 0, page.next);
    for call in page.calls {
        let value = serde_json::to_value(&call).map_err(cannot_be_said)?;
        bytes += value.to_string().len();
        calls.push(value);
        if bytes >= PAGE_BYTES_MAX {
            // the last one may be the end of the page anyway; then the next page is empty
            next = Some(PlaceInJournal { ended_us: call.ended_us.unwrap_or(call.started_us), id: call.id });
            break;
        }
    }
    Ok(Reply::Calls { calls, next: next.map(|place| (place.ended_us, place.id)), unreadable: page.unreadable })
}

pub(super) fn one(journal: &Journal, tenants: &Tenants, tenant: &str, id: &str) -> Result<Reply, Refusal> {
    tenant_of(tenants, tenant)?;
    match journal.get(tenant, id)? {
        Some(call) => {
            let call = serde_json::to_value(&call).map_err(cannot_be_said)?;
            Ok(Reply::Calls { calls: vec![call], next: None, unreadable: 0 })
        }
        None => Err(Refusal::NotFound(format!("the journal has no call {id:?}"))),
    }
}

/// The journal, where this server has one.
pub(super) fn journal_of(observed: Option<&Observed>) -> Result<&Journal, Refusal> {
    observed
        .and_then(|observed| observed.journal.as_ref())
        .ok_or_else(|| Refusal::Journal("the server has no journal; its log says why".into()))
}

fn cannot_be_said(error: serde_json::Error) -> Refusal {
    Refusal::Journal(format!("a call can't be written as JSON ({error})"))
}

impl From<JournalError> for Refusal {
    fn from(error: JournalError) -> Refusal {
        Refusal::Journal(error.to_string())
    }
}
