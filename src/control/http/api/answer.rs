//! One request of `/api/v1/`, from its headers to its reply.

use super::batch;
use super::body;
use super::collection::{Collection, Shown, shown_contact};
use super::condition;
use super::edits;
use super::openapi::DOCUMENT;
use super::query_of::{Query, explain_of};
use super::table::{Does, Operation};
use crate::control::http::keys::Grant;
use crate::control::http::reply::{json, problem, problem_with, reply};
use crate::control::http::{Reply, Shop};
use crate::control::{Desk, Reply as DeskReply, Request};
use axum::body::Body;
use axum::http::header::{ETAG, LINK, LOCATION, RETRY_AFTER};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::json;

/// What stands for itself in a path's last part and in a parameter.
const PLAIN: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b':').remove(b'@');

/// What was asked.
pub(super) struct Asked {
    /// What the path names; `None` where that isn't UTF-8.
    pub(super) path: Option<String>,
    pub(super) headers: HeaderMap,
    pub(super) query: Option<String>,
    pub(super) body: Body,
}

pub(super) async fn answer(operation: &'static Operation, shop: &Shop, asked: Asked) -> Reply {
    try_answer(operation, shop, asked).await.unwrap_or_else(|refused| refused)
}

async fn try_answer(operation: &'static Operation, shop: &Shop, asked: Asked) -> Result<Reply, Reply> {
    let Asked { path, headers, query, body } = asked;
    // the document is the same everywhere, and says nothing of anybody
    let Some(scope) = operation.scope else { return Ok(reply(StatusCode::OK, "application/json", DOCUMENT.as_str())) };
    let grant = shop.keys.admit(&headers, &[scope]).await?;
    let wrong = |why: String| problem(StatusCode::BAD_REQUEST, &why);
    let query = Query::read(operation, query.as_deref()).map_err(wrong)?;
    if query.tenant.as_ref().is_some_and(|tenant| *tenant != grant.tenant) {
        let why = format!("the token is one of the tenant {}, and of no other; leave tenant= out", grant.tenant);
        return Err(problem(StatusCode::FORBIDDEN, &why));
    }
    let path = path.ok_or_else(|| wrong("the path isn't UTF-8".to_owned()))?;
    match operation.does {
        Does::List(collection) => list(shop, &grant, collection, &query).await,
        Does::Show(collection) => show(shop, &grant, collection, &path, &headers).await,
        Does::Put(collection) => put(shop, &grant, collection, &path, &headers, body).await,
        Does::Remove(collection) => remove(shop, &grant, collection, &path, &headers).await,
        Does::Batch => batch::batch(shop, &grant, &headers, body).await,
        Does::Name => name(shop, &grant, path, query).await,
        Does::Explain => {
            let request = explain_of(&grant.tenant, query).map_err(wrong)?;
            match shop.ask(&grant.name, move |desk| desk.apply(request)).await? {
                DeskReply::Explained(view) => Ok(json(StatusCode::OK, &view)),
                other => Err(refusal(other)),
            }
        }
        // the router sends them to where they are, and the document was had above
        Does::Document | Does::Elsewhere(_) => Err(problem(StatusCode::NOT_FOUND, "there is nothing here")),
    }
}

impl Shop {
    /// Asks the desk in a token's name, on a thread that may wait for the disk.
    pub(super) async fn ask<T: Send + 'static>(&self, token: &str, ask: impl FnOnce(&mut Desk) -> T + Send + 'static) -> Result<T, Reply> {
        let desk = Desk::new(self.store.clone(), self.rules.clone(), format!("token {token}"), None);
        let mut desk = desk.observing(self.observed.clone());
        let broke_off = |_| problem(StatusCode::INTERNAL_SERVER_ERROR, "the request broke off; whether it was carried out isn't known");
        tokio::task::spawn_blocking(move || ask(&mut desk)).await.map_err(broke_off)
    }
}

/// What the desk refused, in the words of HTTP.
pub(super) fn refusal(reply: DeskReply) -> Reply {
    match reply {
        DeskReply::NotFound(why) => problem(StatusCode::NOT_FOUND, &why),
        DeskReply::BadInput(why) => problem(StatusCode::UNPROCESSABLE_ENTITY, &why),
        DeskReply::Store(why) => problem(StatusCode::SERVICE_UNAVAILABLE, &why),
        DeskReply::Stale { revision } => {
            let why = match revision {
                0 => "it isn't there (any more); nothing was done: leave If-Match out to add it".to_owned(),
                _ => format!(
                    "its revision is {revision}, and not what the request names; nothing was done: read it anew and send the change of that"
                ),
            };
            let mut reply = problem_with(StatusCode::PRECONDITION_FAILED, &why, json!({ "revision": revision }));
            if revision != 0 {
                tag(&mut reply, revision);
            }
            reply
        }
        DeskReply::PlanStale { .. } => {
            let why = "the tenant was edited by others again and again while this was put together; nothing was done: send it again";
            try_again(StatusCode::CONFLICT, why)
        }
        DeskReply::TryAgain(why) => try_again(StatusCode::SERVICE_UNAVAILABLE, &why),
        _ => problem(StatusCode::INTERNAL_SERVER_ERROR, "the request came to nothing that is known"),
    }
}

fn try_again(status: StatusCode, why: &str) -> Reply {
    let mut reply = problem(status, why);
    reply.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("1"));
    reply
}

fn header(reply: &mut Reply, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        reply.headers_mut().insert(name, value);
    }
}

fn tag(reply: &mut Reply, revision: u64) {
    header(reply, ETAG, &format!("\"{revision}\""));
}

fn escaped(text: &str) -> String {
    utf8_percent_encode(text, PLAIN).to_string()
}

/// A path that names nothing that can be there.
fn no_such(why: String) -> Reply {
    problem(StatusCode::NOT_FOUND, &why)
}

async fn list(shop: &Shop, grant: &Grant, collection: Collection, query: &Query) -> Result<Reply, Reply> {
    let wrong = |why: String| problem(StatusCode::BAD_REQUEST, &format!("after: {why}"));
    let request = match query.rest.get("search") {
        Some(text) => Request::ContactSearch {
            tenant: grant.tenant.clone(),
            text: text.clone(),
            limit: query.limit,
            owner: query.rest.get("owner").cloned(),
        },
        None => collection.ls(&grant.tenant, query.after.as_deref(), query.limit).map_err(wrong)?,
    };
    let reply = shop.ask(&grant.name, move |desk| desk.apply(request)).await?;
    let notes = if let DeskReply::Contacts { notes, .. } = &reply { notes.clone() } else { Vec::new() };
    let (shown, more) = Collection::shown(reply).map_err(|other| refusal(*other))?;
    let last = shown.last().filter(|_| more).map(|thing| thing.id.clone());
    let next = last.map(|id| format!("{}?limit={}&after={}", collection.path(), query.limit, escaped(&id)));
    let items: Vec<_> = shown.into_iter().map(|thing| thing.json).collect();
    let mut page = json!({ "items": items, "next": next });
    if !notes.is_empty() {
        page["notes"] = json!(notes);
    }
    let mut reply = json(StatusCode::OK, &page);
    if let Some(next) = next {
        header(&mut reply, LINK, &format!("<{next}>; rel=\"next\""));
    }
    Ok(reply)
}

async fn show(shop: &Shop, grant: &Grant, collection: Collection, id: &str, headers: &HeaderMap) -> Result<Reply, Reply> {
    let request = collection.show(&grant.tenant, id).map_err(no_such)?;
    let (shown, _) = Collection::shown(shop.ask(&grant.name, move |desk| desk.apply(request)).await?).map_err(|other| refusal(*other))?;
    let Some(Shown { revision, json: thing, .. }) = shown.into_iter().next() else { return Err(no_such(format!("there is no {id:?}"))) };
    let mut reply = match condition::has_it(headers, revision) {
        true => {
            let mut reply = Reply::new(Body::empty());
            *reply.status_mut() = StatusCode::NOT_MODIFIED;
            reply
        }
        false => json(StatusCode::OK, &thing),
    };
    tag(&mut reply, revision);
    Ok(reply)
}

async fn put(shop: &Shop, grant: &Grant, collection: Collection, id: &str, headers: &HeaderMap, body: Body) -> Result<Reply, Reply> {
    let wrong = |why: String| problem(StatusCode::BAD_REQUEST, &why);
    let show = collection.show(&grant.tenant, id).map_err(no_such)?;
    let over = condition::of_change(headers).map_err(wrong)?;
    let body = body::object(headers, body, body::BODY_BYTES_MAX).await?;
    let request = collection.put(&grant.tenant, id, body).map_err(wrong)?;
    let (done, own) = shop.ask(&grant.name, move |desk| edits::edit(desk, &show, &request, &over)).await?;
    let DeskReply::Done { existed, changed, notes, .. } = done else { return Err(refusal(done)) };
    let status = if existed { StatusCode::OK } else { StatusCode::CREATED };
    let mut reply = json(status, &json!({ "revision": own, "changed": changed, "notes": notes }));
    if let Some(own) = own {
        tag(&mut reply, own);
    }
    if !existed {
        header(&mut reply, LOCATION, &format!("{}/{}", collection.path(), escaped(id)));
    }
    Ok(reply)
}

async fn remove(shop: &Shop, grant: &Grant, collection: Collection, id: &str, headers: &HeaderMap) -> Result<Reply, Reply> {
    let show = collection.show(&grant.tenant, id).map_err(no_such)?;
    let request = collection.remove(&grant.tenant, id).map_err(no_such)?;
    let over = condition::of_change(headers).map_err(|why| problem(StatusCode::BAD_REQUEST, &why))?;
    match shop.ask(&grant.name, move |desk| edits::edit(desk, &show, &request, &over)).await?.0 {
        DeskReply::Done { .. } => {
            let mut reply = Reply::new(Body::empty());
            *reply.status_mut() = StatusCode::NO_CONTENT;
            Ok(reply)
        }
        // what isn't there isn't, whatever it was to match
        DeskReply::Stale { revision: 0 } => Err(no_such(format!("there is no {id:?}"))),
        other => Err(refusal(other)),
    }
}

async fn name(shop: &Shop, grant: &Grant, number: String, mut query: Query) -> Result<Reply, Reply> {
    let request = Request::Name { tenant: grant.tenant.clone(), number, owner: query.rest.remove("owner") };
    match shop.ask(&grant.name, move |desk| desk.apply(request)).await? {
        DeskReply::Name { number, contacts } => {
            let contacts: Vec<_> = contacts.into_iter().map(|contact| shown_contact(contact).json).collect();
            Ok(json(StatusCode::OK, &json!({ "number": number, "contacts": contacts })))
        }
        other => Err(refusal(other)),
    }
}
