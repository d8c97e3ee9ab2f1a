//! `GET /calls`: the calls that live.

use super::query::parameters;
use super::reply::{json, problem};
use super::{Reply, Shop};
use crate::access::Scope;
use crate::control::feed::{FeedQuery, Filter};
use crate::number::NumberPlan;
use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, StatusCode};
use std::sync::Arc;

impl Shop {
    /// What a tenant's client wants to hear of.
    pub(super) fn filter(&self, tenant: &str, query: &FeedQuery) -> Result<Filter, Reply> {
        let none = NumberPlan::new(None);
        let plan = self.rules.get(tenant).map_or(&none, |tenant| &tenant.plan);
        Filter::read(tenant, plan, query).map_err(|why| problem(StatusCode::BAD_REQUEST, &why))
    }
}

pub(super) async fn calls(State(shop): State<Arc<Shop>>, headers: HeaderMap, RawQuery(query): RawQuery) -> Reply {
    live(&shop, &headers, query.as_deref()).await.unwrap_or_else(|refused| refused)
}

async fn live(shop: &Shop, headers: &HeaderMap, query: Option<&str>) -> Result<Reply, Reply> {
    let grant = shop.keys.admit(headers, &[Scope::CallsRead]).await?;
    let mut asked = parameters(query, &["extension", "number"]).map_err(|why| problem(StatusCode::BAD_REQUEST, &why))?;
    let mut take = |name| asked.remove(name).unwrap_or_default();
    let query = FeedQuery { extensions: take("extension"), numbers: take("number"), ..FeedQuery::default() };
    let filter = shop.filter(&grant.tenant, &query)?;
    let snapshot = shop.observed.hub.snapshot();
    let calls: Vec<_> = snapshot.calls.iter().filter(|call| filter.sees_call(call)).collect();
    Ok(json(StatusCode::OK, &serde_json::json!({ "id": snapshot.id, "calls": calls })))
}
