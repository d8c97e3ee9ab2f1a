//! `GET /calls`: the calls that live.

use super::query::parameters;
use super::reply::{problem, reply};
use super::{Reply, Shop};
use crate::access::Scope;
use crate::control::feed::{FeedQuery, Filter};
use crate::cti::{CallView, EventId};
use crate::number::NumberPlan;
use axum::body::{Body, Bytes};
use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, StatusCode};
use futures_util::stream::{self, Stream, StreamExt};
use std::convert::Infallible;
use std::sync::Arc;

/// Calls that are made into JSON at once.
const PIECE_CALLS: usize = 64;

impl Shop {
    /// What a tenant's client wants to hear of.
    pub(super) fn filter(&self, tenant: &str, query: &FeedQuery) -> Result<Filter, String> {
        let none = NumberPlan::new(None);
        let plan = self.rules.get(tenant).map_or(&none, |tenant| &tenant.plan);
        Filter::read(tenant, plan, query)
    }
}

pub(super) async fn calls(State(shop): State<Arc<Shop>>, headers: HeaderMap, RawQuery(query): RawQuery) -> Reply {
    live(&shop, &headers, query.as_deref()).await.unwrap_or_else(|refused| refused)
}

async fn live(shop: &Shop, headers: &HeaderMap, query: Option<&str>) -> Result<Reply, Reply> {
    let grant = shop.keys.admit(headers, &[Scope::CallsRead]).await?;
    let wrong = |why: String| problem(StatusCode::BAD_REQUEST, &why);
    let mut asked = parameters(query, &["extension", "number"]).map_err(wrong)?;
    let mut take = |name| asked.remove(name).unwrap_or_default();
    let query = FeedQuery { extensions: take("extension"), numbers: take("number"), ..FeedQuery::default() };
    let filter = shop.filter(&grant.tenant, &query).map_err(wrong)?;
    let mut snapshot = shop.observed.hub.snapshot();
    snapshot.calls.retain(|call| filter.sees_call(call));
    Ok(reply(StatusCode::OK, "application/json", Body::from_stream(told(snapshot.id, snapshot.calls))))
}

/// The calls as JSON, piece by piece: what a client doesn't take isn't made.
fn told(id: EventId, calls: Vec<Arc<CallView>>) -> impl Stream<Item = Result<Bytes, Infallible>> {
    let head = format!("{{\"id\":\"{id}\",\"calls\":[");
    let pieces = calls.len().div_ceil(PIECE_CALLS);
    let piece = move |n: usize| {
        let calls = calls[n * PIECE_CALLS..].iter().take(PIECE_CALLS);
        let texts: Vec<_> = calls.map(|call| serde_json::to_string(call).expect("a call is texts, numbers and lists")).collect();
        format!("{}{}", if n == 0 { "" } else { "," }, texts.join(","))
    };
    let text = stream::iter([head]).chain(stream::iter(0..pieces).map(piece)).chain(stream::iter(["]}".to_owned()]));
    text.map(|text| Ok(text.into()))
}
