//! `/api/v1/`: contacts and the plan as REST. Each path and method is one line of a table, which the router and the OpenAPI
//! document both come from; what is asked is put into the desk's words, and its answer into those of HTTP. Nothing is decided
//! here.
//!
//! A thing's `ETag` is the revision that made it what it is. `If-Match` on a change is compared by the store's own writer, in
//! the moment of the edit, so that nobody's edit is lost between reading and writing.

mod answer;
mod batch;
mod body;
mod collection;
mod condition;
mod edits;
mod openapi;
mod query_of;
mod schema;
mod schema_things;
mod table;

use super::Shop;
use axum::Router;
use axum::body::Body;
use axum::extract::rejection::RawPathParamsRejection;
use axum::extract::{RawPathParams, RawQuery, State};
use axum::http::HeaderMap;
use axum::routing::{MethodFilter, on};
use std::sync::Arc;
use table::{Does, Method, OPERATIONS};

/// Bodies of batches that are read at once: each is in memory whole, some ten times as large as on the wire.
pub(super) const BATCHES_MAX: usize = 2;

/// Every path of the admin HTTP, and nothing that the document doesn't name.
pub(super) fn router() -> Router<Arc<Shop>> {
    let mut router = Router::new();
    for operation in OPERATIONS.iter() {
        let routed = match operation.does {
            Does::Elsewhere(routed) => routed(),
            _ => on(
                filter(operation.method),
                move |State(shop): State<Arc<Shop>>,
                      path: Result<RawPathParams, RawPathParamsRejection>,
                      headers: HeaderMap,
                      RawQuery(query): RawQuery,
                      body: Body| async move {
                    let path = path.map(|path| path.iter().next().map(|(_, value)| value.to_owned()).unwrap_or_default()).ok();
                    answer::answer(operation, &shop, answer::Asked { path, headers, query, body }).await
                },
            ),
        };
        router = router.route(&operation.path, routed);
    }
    router
}

fn filter(method: Method) -> MethodFilter {
    match method {
        Method::Get => MethodFilter::GET,
        Method::Put => MethodFilter::PUT,
        Method::Post => MethodFilter::POST,
        Method::Patch => MethodFilter::PATCH,
        Method::Delete => MethodFilter::DELETE,
    }
}
