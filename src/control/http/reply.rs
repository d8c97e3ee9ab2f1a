//! Replies that all paths have in common.

use super::{Reply, Shop};
use axum::body::Body;
use axum::extract::State;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::http::{HeaderValue, StatusCode};
use serde::Serialize;
use std::sync::Arc;

/// A reply of one kind of content, which nobody is to keep.
pub(super) fn reply(status: StatusCode, kind: &'static str, body: impl Into<Body>) -> Reply {
    let mut reply = Reply::new(body.into());
    *reply.status_mut() = status;
    reply.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    reply.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    reply
}

/// A value as JSON.
pub(super) fn json(status: StatusCode, value: &impl Serialize) -> Reply {
    let text = serde_json::to_string(value).expect("a reply is plain data: texts, numbers, lists and maps with text keys");
    reply(status, "application/json", text)
}

/// What is wrong with a request, and what to do: RFC 9457.
pub(super) fn problem(status: StatusCode, why: &str) -> Reply {
    problem_with(status, why, serde_json::json!({}))
}

/// The same, and more of it for programs: an object's members.
pub(super) fn problem_with(status: StatusCode, why: &str, more: serde_json::Value) -> Reply {
    let title = status.canonical_reason().unwrap_or_default();
    let mut problem = serde_json::json!({ "type": "about:blank", "title": title, "status": status.as_u16(), "detail": why });
    for (name, value) in more.as_object().into_iter().flatten() {
        problem[name] = value.clone();
    }
    reply(status, "application/problem+json", problem.to_string())
}

/// Whether calls are answered as they should be: the store takes edits, the sockets are bound, the snapshot stands. Anybody
/// may ask, so that what is wrong is said in a word each.
pub(super) async fn ready(State(shop): State<Arc<Shop>>) -> Reply {
    // the size of the store is asked of the disk
    let (store, planes) = (shop.store.clone(), shop.planes.clone());
    let Ok((store, planes)) = tokio::task::spawn_blocking(move || (store.status(), planes())).await else {
        return super::problem(StatusCode::INTERNAL_SERVER_ERROR, "the state can't be read");
    };
    let wrong = wrong_with(store.failed.is_some(), planes.listening.is_empty(), store.snapshot_revision.is_some());
    match wrong.is_empty() {
        true => json(StatusCode::OK, &serde_json::json!({ "status": "ok" })),
        false => problem(StatusCode::SERVICE_UNAVAILABLE, &wrong.join("; ")),
    }
}

fn wrong_with(store_failed: bool, is_deaf: bool, snapshot_stands: bool) -> Vec<&'static str> {
    let checks = [
        (store_failed, "the store refuses edits (strowger status says why)"),
        (is_deaf, "no socket is bound"),
        (!snapshot_stands, "the snapshot doesn't stand yet; calls are answered from the disk"),
    ];
    checks.into_iter().filter(|(is_wrong, _)| *is_wrong).map(|(_, why)| why).collect()
}

/// Whether the admin plane serves; nothing more, since anybody may ask.
pub(super) async fn health() -> Reply {
    json(StatusCode::OK, &serde_json::json!({ "status": "ok" }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_is_ready_only_with_all_that_calls_need() {
        assert_eq!(wrong_with(false, false, true), Vec::<&str>::new());
        assert_eq!(wrong_with(false, false, false), ["the snapshot doesn't stand yet; calls are answered from the disk"]);
        assert_eq!(wrong_with(true, true, false).len(), 3);
    }
}
