//! `GET /phonebook/{vendor}.xml`: the directory as desk phones read it, live, sorted and in pages.
//!
//! `search` finds contacts by any part of a name, company or number, `page` counts from 1, `owner` adds an extension's own
//! phone book to everybody's, `tenant` may name the token's. `/phonebook/{vendor}/phonebook.xml` is the same, and
//! `/phonebook/{vendor}/{owner}/phonebook.xml` an extension's, for telephones that append the file's name themselves.
//!
//! Telephones show the token as a password (HTTP Basic, whatever the user's name). There is no way to show it in the
//! address: addresses stand in logs, and in the menus of telephones.

use super::phonebook_shelf::{Found, search};
use super::query::parameters;
use super::reply::{problem, reply};
use super::{Reply, Shop};
use crate::access::Scope;
use crate::control::Reply as DeskReply;
use crate::control::desk::{Desk, Refusal};
use crate::control::export::owner_of;
use crate::directory::export::phonebook::{Page, VENDORS, Vendor};
use crate::nearest::did_you_mean;
use crate::number::NumberPlan;
use axum::extract::{Path, State};
use axum::http::uri::{Authority, Uri};
use axum::http::{HeaderMap, StatusCode, header::HOST};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use std::sync::Arc;

/// What telephones take for an XML document.
const KIND: &str = "text/xml; charset=utf-8";
/// What the book is called.
const TITLE: &str = "Phone book";
/// The last page that can be asked for: beyond every book.
const PAGE_MAX: usize = 100_000;

pub(super) async fn by_file(State(shop): State<Arc<Shop>>, Path(file): Path<String>, uri: Uri, headers: HeaderMap) -> Reply {
    let vendor = file.strip_suffix(".xml").unwrap_or(&file);
    page(&shop, vendor, None, &uri, &headers).await.unwrap_or_else(|refused| refused)
}

pub(super) async fn by_vendor(State(shop): State<Arc<Shop>>, Path(vendor): Path<String>, uri: Uri, headers: HeaderMap) -> Reply {
    page(&shop, &vendor, None, &uri, &headers).await.unwrap_or_else(|refused| refused)
}

pub(super) async fn by_owner(
    State(shop): State<Arc<Shop>>,
    Path((vendor, owner)): Path<(String, String)>,
    uri: Uri,
    headers: HeaderMap,
) -> Reply {
    page(&shop, &vendor, Some(owner), &uri, &headers).await.unwrap_or_else(|refused| refused)
}

fn wrong(why: impl AsRef<str>) -> Reply {
    problem(StatusCode::BAD_REQUEST, why.as_ref())
}

async fn page(shop: &Shop, vendor: &str, owner: Option<String>, uri: &Uri, headers: &HeaderMap) -> Result<Reply, Reply> {
    let grant = shop.keys.admit_telephone(headers, &[Scope::ContactsRead]).await?;
    let vendor = Vendor::find(vendor).ok_or_else(|| {
        let known = || VENDORS.iter().map(|vendor| vendor.word);
        let hint = did_you_mean(vendor, known());
        let known: Vec<&str> = known().collect();
        problem(StatusCode::NOT_FOUND, &format!("there is no phone book for {vendor:?}{hint} (there are: {})", known.join(", ")))
    })?;
    let mut asked = parameters(uri.query(), &["search", "page", "owner", "tenant"]).map_err(wrong)?;
    if asked.get("tenant").is_some_and(|tenant| *tenant != grant.tenant) {
        return Err(problem(StatusCode::FORBIDDEN, "the token is another tenant's"));
    }
    let number: usize = match asked.get("page").filter(|page| !page.is_empty()) {
        Some(page) => page
            .parse()
            .ok()
            .filter(|n| (1..=PAGE_MAX).contains(n))
            .ok_or_else(|| wrong(format!("{page:?} is no page; the first one is 1")))?,
        None => 1,
    };
    let none = NumberPlan::new(None);
    let plan = shop.rules.get(&grant.tenant).map_or(&none, |tenant| &tenant.plan);
    let owner = owner.or_else(|| asked.remove("owner")).filter(|owner| !owner.is_empty());
    let owner = owner.map(|owner| owner_of(plan, &owner)).transpose().map_err(|refusal| match DeskReply::from(Err(refusal)) {
        DeskReply::BadInput(why) => wrong(why),
        _ => wrong("the owner can't be read"),
    })?;
    let text = asked.get("search").cloned().unwrap_or_default();
    let failed = |error: crate::store::StoreError| {
        tracing::error!(%error, "a phone book could not be read; a telephone got none");
        problem(StatusCode::SERVICE_UNAVAILABLE, "the store can't be read")
    };
    let books = match text.trim() {
        "" => Some(shop.shelf.books(&grant.tenant).await.map_err(failed)?),
        _ => None,
    };
    let limit = vendor.page_entries;
    let skip = (number - 1) * limit;
    let desk = Desk::new(shop.store.clone(), shop.rules.clone(), format!("token {}", grant.name), None);
    let desk = desk.observing(shop.observed.clone());
    let link = |number: usize| link(uri, headers, number);
    // sorting out and writing thousands of contacts is work for a thread that may take its time
    let links = (link(number.saturating_sub(1)).filter(|_| number > 1), link(number + 1));
    let made = tokio::task::spawn_blocking(move || {
        let found = match &books {
            Some(books) => books.part(owner.as_ref(), skip, limit),
            None => search(&desk, &grant.tenant, owner.as_ref(), &text, (skip, limit))?,
        };
        Ok(document(vendor, &found, &text, skip, links))
    });
    let made = made.await.map_err(|_| problem(StatusCode::INTERNAL_SERVER_ERROR, "the phone book broke off"))?;
    let refused = |refusal: Refusal| match refusal {
        Refusal::Store(error) => failed(error),
        other => match DeskReply::from(Err(other)) {
            DeskReply::BadInput(why) => wrong(why),
            _ => problem(StatusCode::SERVICE_UNAVAILABLE, "the phone book can't be searched now"),
        },
    };
    match made.map_err(refused)? {
        Ok(document) => Ok(reply(StatusCode::OK, KIND, document)),
        Err(error) => {
            tracing::error!(%error, "a phone book could not be written; a telephone got none");
            Err(problem(StatusCode::INTERNAL_SERVER_ERROR, "the phone book could not be written"))
        }
    }
}

fn document(vendor: &Vendor, found: &Found, text: &str, skip: usize, links: (Option<String>, Option<String>)) -> std::io::Result<Vec<u8>> {
    let (previous, next) = links;
    let here = found.entries.len();
    let next = next.filter(|_| skip + here < found.count && here > 0);
    let more = || match here {
        0 if found.count > 0 => Some(format!("no more contacts; there are {}, and page=1 begins with the first", found.count)),
        _ => (here < found.count).then(|| format!("contacts {} to {} of {}; page= asks for others", skip + 1, skip + here, found.count)),
    };
    let title = if text.trim().is_empty() { TITLE.to_owned() } else { format!("{TITLE}: {}", text.trim()) };
    let remark = found.remark.clone().or_else(more);
    vendor.document(&Page { title: &title, entries: found.entries.iter().collect(), previous, next, remark })
}

/// The address of another page, as the telephone named this server; none where it named none.
fn link(uri: &Uri, headers: &HeaderMap, page: usize) -> Option<String> {
    let host = uri.authority().map(ToString::to_string).or_else(|| Some(headers.get(HOST)?.to_str().ok()?.to_owned()))?;
    let host = host.parse::<Authority>().ok()?;
    // a proxy that speaks TLS says so
    let is_secure = headers.get("x-forwarded-proto").is_some_and(|proto| proto.as_bytes().eq_ignore_ascii_case(b"https"));
    let mut query = format!("?page={page}");
    for (name, value) in
        parameters(uri.query(), &["search", "page", "owner", "tenant"]).ok()?.into_iter().filter(|(name, _)| *name != "page")
    {
        query.push_str(&format!("&{name}={}", utf8_percent_encode(&value, NON_ALPHANUMERIC)));
    }
    Some(format!("{}://{host}{}{query}", if is_secure { "https" } else { "http" }, uri.path()))
}
