//! What may be changed over HTTP: an extension's own features, and nothing of the plan beside.
//!
//! `PATCH /extensions/{number}` with a JSON object: `dnd` (true or false), `forward_always`, `forward_busy`,
//! `forward_no_answer`, `forward_unavailable` (a number, or null). The reply is how the extension stands then.
//!
//! `PUT /schedules/{id}/override` with `state` and perhaps `until` sets a schedule by hand, `DELETE` lets it go by the clock
//! again.

use super::reply::{json, problem};
use super::{Connection, Reply, Shop};
use crate::access::Scope;
use crate::control::Reply as DeskReply;
use crate::control::desk::{Desk, Refusal};
use crate::control::features::{ExtensionPatch, extension_json};
use crate::control::overrides::OverrideDraft;
use crate::routing::Schedule;
use crate::store::By;
use axum::body::{Body, to_bytes};
use axum::extract::{Extension, Path, State};
use axum::http::{HeaderMap, StatusCode};
use serde::de::DeserializeOwned;
use std::sync::Arc;
use std::time::Duration;

/// The largest body, in bytes: five keys and as many numbers have some 300.
const BODY_BYTES_MAX: usize = 4 * 1024;
/// How long it may take.
const BODY_WAIT_MAX: Duration = Duration::from_secs(5);

/// Changes what a request names of an extension.
pub(super) async fn patch(
    State(shop): State<Arc<Shop>>,
    Path(number): Path<String>,
    Extension(connection): Extension<Connection>,
    headers: HeaderMap,
    body: Body,
) -> Reply {
    let patched = async {
        let grant = shop.keys.admit(&headers, &[Scope::FeaturesWrite]).await?;
        let patch: ExtensionPatch = read(body).await?;
        shop.edit(by(&grant.name, &connection), move |desk| {
            desk.extension_patch(&grant.tenant, &number, &patch).map(|e| extension_json(&e))
        })
        .await
    };
    patched.await.unwrap_or_else(|refused| refused)
}

/// Sets a schedule by hand.
pub(super) async fn set_override(
    State(shop): State<Arc<Shop>>,
    Path(id): Path<String>,
    Extension(connection): Extension<Connection>,
    headers: HeaderMap,
    body: Body,
) -> Reply {
    let set = async {
        let grant = shop.keys.admit(&headers, &[Scope::FeaturesWrite]).await?;
        let draft: OverrideDraft = read(body).await?;
        shop.edit(by(&grant.name, &connection), move |desk| desk.override_set(&grant.tenant, &id, Some(&draft)).map(|s| schedule_json(&s)))
            .await
    };
    set.await.unwrap_or_else(|refused| refused)
}

/// Lets a schedule go by the clock again.
pub(super) async fn end_override(
    State(shop): State<Arc<Shop>>,
    Path(id): Path<String>,
    Extension(connection): Extension<Connection>,
    headers: HeaderMap,
) -> Reply {
    let ended = async {
        let grant = shop.keys.admit(&headers, &[Scope::FeaturesWrite]).await?;
        shop.edit(by(&grant.name, &connection), move |desk| desk.override_set(&grant.tenant, &id, None).map(|s| schedule_json(&s))).await
    };
    ended.await.unwrap_or_else(|refused| refused)
}

/// How a schedule is set by hand.
fn schedule_json(schedule: &Schedule) -> serde_json::Value {
    serde_json::json!({ "id": schedule.id, "override": schedule.mode.as_ref().map(ToString::to_string) })
}

/// Whoever has this token, at the other end of this connection.
fn by(token: &str, connection: &Connection) -> By {
    let from = connection.peer.map_or_else(|| "http".to_owned(), |peer| format!("http {peer}"));
    By::new(format!("token {token}"), from)
}

impl Shop {
    /// Makes an edit in a token's name; the disk is waited for on a thread that may wait.
    async fn edit(&self, by: By, edit: impl FnOnce(&Desk) -> Result<serde_json::Value, Refusal> + Send + 'static) -> Result<Reply, Reply> {
        let desk = Desk::new(self.store.clone(), self.rules.clone(), by, None).observing(self.observed.clone());
        let done = tokio::task::spawn_blocking(move || edit(&desk)).await;
        match done {
            Ok(Ok(value)) => Ok(json(StatusCode::OK, &value)),
            Ok(Err(refusal)) => Err(match DeskReply::from(refusal) {
                DeskReply::NotFound(why) => problem(StatusCode::NOT_FOUND, &why),
                DeskReply::BadInput(why) => problem(StatusCode::UNPROCESSABLE_ENTITY, &why),
                DeskReply::Store(why) | DeskReply::TryAgain(why) => problem(StatusCode::SERVICE_UNAVAILABLE, &why),
                _ => problem(StatusCode::INTERNAL_SERVER_ERROR, "the edit came to nothing that is known"),
            }),
            Err(_) => Err(problem(StatusCode::INTERNAL_SERVER_ERROR, "the edit broke off")),
        }
    }
}

/// A body of JSON, whole and in time.
async fn read<T: DeserializeOwned>(body: Body) -> Result<T, Reply> {
    let bytes = match tokio::time::timeout(BODY_WAIT_MAX, to_bytes(body, BODY_BYTES_MAX)).await {
        Ok(Ok(bytes)) => bytes,
        // there is no other error of a body that is there
        Ok(Err(_)) => return Err(problem(StatusCode::PAYLOAD_TOO_LARGE, "a body has 4 KiB at most, and comes whole")),
        Err(_) => return Err(problem(StatusCode::REQUEST_TIMEOUT, "the body didn't come within 5 s")),
    };
    serde_json::from_slice(&bytes)
        .map_err(|error| problem(StatusCode::BAD_REQUEST, &format!("the body is not what is wanted here ({error})")))
}
