//! Replies that all paths have in common.

use super::Reply;
use axum::body::Body;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::http::{HeaderValue, StatusCode};
use serde::Serialize;

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

/// What is wrong with a request, and what to do.
pub(super) fn problem(status: StatusCode, why: &str) -> Reply {
    json(status, &serde_json::json!({ "error": why }))
}

/// Whether the admin plane serves; nothing more, since anybody may ask.
pub(super) async fn health() -> Reply {
    json(StatusCode::OK, &serde_json::json!({ "status": "ok" }))
}
