//! A request's body: JSON, whole, in time and not too large.

use crate::control::http::Reply;
use crate::control::http::reply::problem;
use axum::body::{Body, Bytes, to_bytes};
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, StatusCode};
use http_body_util::LengthLimitError;
use serde_json::{Map, Value as Json};
use std::error::Error;
use std::time::Duration;

/// The largest body of one thing, in bytes: sixteen times what the store takes of the largest.
pub(super) const BODY_BYTES_MAX: usize = 1024 * 1024;
/// The largest body of a batch, in bytes: 10,000 contacts of 800 bytes.
pub(super) const BATCH_BYTES_MAX: usize = 8 * 1024 * 1024;
/// How long a body may take.
const BODY_WAIT_MAX: Duration = Duration::from_secs(30);

/// The bytes of a body that says that it is JSON.
async fn bytes(headers: &HeaderMap, body: Body, bytes_max: usize) -> Result<Bytes, Reply> {
    let kind = headers.get(CONTENT_TYPE).map(|kind| kind.to_str().unwrap_or_default());
    let essence = kind.and_then(|kind| kind.split(';').next()).unwrap_or_default().trim();
    if !essence.eq_ignore_ascii_case("application/json") {
        let why = format!("a body of the type {essence:?} isn't taken; send JSON, with Content-Type: application/json");
        return Err(problem(StatusCode::UNSUPPORTED_MEDIA_TYPE, &why));
    }
    match tokio::time::timeout(BODY_WAIT_MAX, to_bytes(body, bytes_max)).await {
        Ok(Ok(bytes)) => Ok(bytes),
        Ok(Err(error)) if error.source().is_some_and(|source| source.is::<LengthLimitError>()) => {
            let why = format!("the body has more than {bytes_max} bytes, the most that is taken here; send it in several requests");
            Err(problem(StatusCode::PAYLOAD_TOO_LARGE, &why))
        }
        Ok(Err(_)) => Err(problem(StatusCode::BAD_REQUEST, "the body broke off; send it whole")),
        Err(_) => {
            let why = format!("the body didn't come within {} s; send it in one go", BODY_WAIT_MAX.as_secs());
            Err(problem(StatusCode::REQUEST_TIMEOUT, &why))
        }
    }
}

/// A JSON object.
pub(super) async fn object(headers: &HeaderMap, body: Body, bytes_max: usize) -> Result<Map<String, Json>, Reply> {
    let bytes = bytes(headers, body, bytes_max).await?;
    serde_json::from_slice(&bytes).map_err(|error| problem(StatusCode::BAD_REQUEST, &format!("the body is no JSON object ({error})")))
}
