//! `POST /api/v1/contacts:batch`: many contacts, all of them or none.

use super::answer::refusal;
use super::body;
use super::collection::contact_draft;
use crate::control::http::keys::Grant;
use crate::control::http::reply::{json, problem, problem_with};
use crate::control::http::{Reply, Shop};
use crate::control::{BatchError, Reply as DeskReply, Request};
use crate::nearest::did_you_mean;
use axum::body::Body;
use axum::http::header::RETRY_AFTER;
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use serde_json::{Map, Value as Json, json};

/// Mistakes that are told of one batch.
const ERRORS_MAX: usize = 100;

pub(super) async fn batch(shop: &Shop, grant: &Grant, headers: &HeaderMap, body: Body) -> Result<Reply, Reply> {
    // held until the batch is done: a body in memory is what there may be few of
    let Ok(_place) = shop.batches.try_acquire() else {
        let mut reply = problem(StatusCode::SERVICE_UNAVAILABLE, "as many batches as are taken at once are on their way; come again");
        reply.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("1"));
        return Err(reply);
    };
    let body = body::object(headers, body, body::BATCH_BYTES_MAX).await?;
    let request = request(&grant.tenant, body).map_err(|refused| *refused)?;
    match shop.ask(&grant.name, move |desk| desk.apply(request)).await? {
        DeskReply::Batch(view) => Ok(json(StatusCode::OK, &view)),
        DeskReply::BatchWrong { errors, wrong } => Err(wrong_items(StatusCode::UNPROCESSABLE_ENTITY, &errors, wrong)),
        other => Err(refusal(other)),
    }
}

fn request(tenant: &str, mut body: Map<String, Json>) -> Result<Request, Box<Reply>> {
    let bad = |why: &str| Box::new(problem(StatusCode::BAD_REQUEST, why));
    if let Some(unknown) = body.keys().find(|key| !matches!(key.as_str(), "put" | "delete")) {
        let hint = did_you_mean(unknown, ["put", "delete"]);
        return Err(bad(&format!("unknown key {unknown}, expected one of put, delete{hint}")));
    }
    let mut list = |key: &str| match body.remove(key) {
        None => Ok(Vec::new()),
        Some(Json::Array(items)) => Ok(items),
        Some(_) => Err(bad(&format!("{key} is no list; a batch is {{\"put\": [contacts], \"delete\": [ids]}}"))),
    };
    let (puts, deletes) = (list("put")?, list("delete")?);
    let (mut put, mut delete, mut errors) = (Vec::with_capacity(puts.len()), Vec::with_capacity(deletes.len()), Vec::new());
    let mut wrong = |list: &str, index, detail| errors.push(BatchError { list: list.to_owned(), index, detail });
    for (index, item) in puts.into_iter().enumerate() {
        match contact_draft(item) {
            Ok(draft) => put.push(draft),
            Err(why) => wrong("put", index, why),
        }
    }
    for (index, item) in deletes.into_iter().enumerate() {
        match item {
            Json::String(id) => delete.push(id),
            other => wrong("delete", index, format!("{other} is no id; write ids as texts")),
        }
    }
    if !errors.is_empty() {
        let count = errors.len();
        errors.truncate(ERRORS_MAX);
        return Err(Box::new(wrong_items(StatusCode::BAD_REQUEST, &errors, count)));
    }
    Ok(Request::ContactBatch { tenant: tenant.to_owned(), put, delete })
}

/// What is wrong with the items, each by its place.
fn wrong_items(status: StatusCode, errors: &[BatchError], wrong: usize) -> Reply {
    let told = errors.iter().map(|e| json!({ "pointer": format!("/{}/{}", e.list, e.index), "detail": e.detail })).collect::<Vec<_>>();
    let first = errors.first().map(|e| format!(": {}[{}]: {}", e.list, e.index, e.detail)).unwrap_or_default();
    let why = format!("{wrong} of the batch's items are wrong, and nothing was done; the first{first}");
    problem_with(status, &why, json!({ "errors": told, "wrong": wrong }))
}
