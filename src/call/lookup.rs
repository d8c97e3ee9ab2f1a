//! HTTP on the call plane: `GET /name?number=` and `POST /xml`, for a switch that asks while a call waits.
//!
//! Facts that shaped it (recording `http-01-xml_curl-cidlookup-curl`, and the switch's sources):
//!
//! * FreeSWITCH opens a new connection for each question and has a time limit of its own; it spends less on this than on
//!   an outbound socket.
//! * `mod_cidlookup` takes any body for a name, whatever the status, and so does Asterisk's `CURL()`: what is no name has
//!   no body. Why, stands in a header.
//! * `mod_xml_curl` goes on to the switch's own files where the document says that nothing was found.
//!
//! There is no path here but these two: no events, no administration.

use super::answer::{Answer, NAME_BYTES_MAX, shown};
use super::plane::{Admission, CallPlane, ShutdownLevel, told_to_stop};
use super::request::{Ask, Asked, ChannelAsk};
use super::stats::Ending;
use crate::access::names_this_machine;
use crate::routing::render::{Place, freeswitch_extension};
use crate::routing::{DEFAULT_TENANT, DirectoryQuestion, Reason, Status, Switch, xml};
use crate::wire::agi::Value;
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::header::{ALLOW, CONTENT_TYPE, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use percent_encoding::percent_decode;
use std::borrow::Cow;
use std::cell::Cell;
use std::convert::Infallible;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::timeout;

/// The largest form, in bytes. FreeSWITCH sends some 6,000; a dialplan's own variables come on top.
const FORM_BYTES_MAX: usize = 64 * 1024;
/// The largest head of a request, in bytes. FreeSWITCH's has some 200.
const HEAD_BYTES_MAX: usize = 16 * 1024;
/// How long a form may take to arrive.
const FORM_WAIT_MAX: Duration = Duration::from_secs(2);
/// How often a connection without a question is looked at when the plane is told to stop.
const ASKED_LOOK: Duration = Duration::from_millis(5);
/// How long a connection may take in all: who keeps one opens another after this, and who doesn't read what he is told
/// is rid of it then.
const CONNECTION_WAIT_MAX: Duration = Duration::from_secs(30);
/// How long its last reply may take after that.
const LAST_REPLY_WAIT_MAX: Duration = Duration::from_secs(2);

type Reply = Response<Full<Bytes>>;

/// Serves one connection until its peer closes it, says nothing for too long, or the plane is stopped.
pub(super) async fn connection(
    stream: TcpStream,
    plane: &Arc<CallPlane>,
    admission: Admission,
    question_wait: Duration,
    shutdown: Option<watch::Receiver<ShutdownLevel>>,
) {
    let asked = AtomicBool::new(false);
    // a page that a browser on this machine shows may be led to this port under a name of its own
    let is_loopback = stream.local_addr().is_ok_and(|address| address.ip().is_loopback());
    let guest = Guest { peer: plane.answerer.peer_of(&stream), admission };
    let service = service_fn(|request| {
        asked.store(true, Ordering::Relaxed);
        async move { Ok::<_, Infallible>(respond(request, plane, guest, is_loopback).await) }
    });
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(question_wait).max_buf_size(HEAD_BYTES_MAX);
    // one that isn't served is told so once
    builder.keep_alive(admission == Admission::Served);
    let serving = builder.serve_connection(TokioIo::new(stream), service);
    tokio::pin!(serving);
    let stopped = async {
        match shutdown {
            Some(mut shutdown) if admission == Admission::Served => {
                told_to_stop(&mut shutdown, ShutdownLevel::Drain).await;
                // one that has just come in has its question on the way, and closing it would leave a call without an answer
                let began = Instant::now();
                while !asked.load(Ordering::Relaxed) && began.elapsed() < question_wait {
                    tokio::time::sleep(ASKED_LOOK).await;
                }
            }
            _ => std::future::pending().await,
        }
    };
    let served = tokio::select! {
        served = &mut serving => Some(served),
        () = tokio::time::sleep(CONNECTION_WAIT_MAX) => None,
        () = stopped => None,
    };
    let served = match served {
        Some(served) => served,
        None => {
            serving.as_mut().graceful_shutdown();
            timeout(LAST_REPLY_WAIT_MAX, serving).await.unwrap_or(Ok(()))
        }
    };
    match served {
        Err(error) if error.is_parse() => {
            tracing::warn!(%error, "a peer of the look-up port didn't speak HTTP; its connection was closed");
            plane.stats.ended(Ending::Malformed);
        }
        Err(error) if error.is_timeout() && !asked.load(Ordering::Relaxed) => plane.stats.ended(Ending::NoQuestion),
        _ if !asked.load(Ordering::Relaxed) => plane.stats.ended(Ending::GoneBeforeQuestion),
        _ => {}
    }
}

/// Who asks: from where, and whether he is served.
#[derive(Clone, Copy)]
struct Guest {
    peer: Option<IpAddr>,
    admission: Admission,
}

async fn respond(request: Request<Incoming>, plane: &CallPlane, guest: Guest, is_loopback: bool) -> Reply {
    let wrong = if is_loopback && !names_this_machine(request.uri(), request.headers()) {
        refusal(StatusCode::MISDIRECTED_REQUEST, "this port answers to localhost and addresses", None)
    } else {
        match (request.uri().path(), request.method()) {
            ("/name", &Method::GET) => return name(&request, plane, guest).await,
            ("/xml", &Method::POST) => return document(request, plane, guest).await,
            ("/name", _) => refusal(StatusCode::METHOD_NOT_ALLOWED, "use GET", Some("GET")),
            ("/xml", _) => refusal(StatusCode::METHOD_NOT_ALLOWED, "use POST", Some("POST")),
            _ => refusal(StatusCode::NOT_FOUND, "the paths are /name?number= and /xml", None),
        }
    };
    let why = wrong.headers().get("strowger-reason").and_then(|why| why.to_str().ok());
    tracing::warn!(method = %request.method(), path = shown(request.uri().path()), why, "a request over HTTP was no question; it was refused");
    plane.stats.ended(Ending::Malformed);
    wrong
}

/// A reply without a body: to the switch a body would be a name.
fn refusal(status: StatusCode, why: &'static str, allow: Option<&'static str>) -> Reply {
    let mut reply = Response::new(Full::default());
    *reply.status_mut() = status;
    reply.headers_mut().insert("strowger-reason", HeaderValue::from_static(why));
    if let Some(methods) = allow {
        reply.headers_mut().insert(ALLOW, HeaderValue::from_static(methods));
    }
    reply
}

/// The caller's name, as text; without a body where there is none.
async fn name(request: &Request<Incoming>, plane: &CallPlane, guest: Guest) -> Reply {
    let began = Instant::now();
    let query = request.uri().query().unwrap_or_default();
    let is_named = Cell::new(false);
    let (ask, wrong) = Ask::from_query("name", query, |key| {
        let is_number = key == "number";
        is_named.set(is_named.get() || is_number);
        is_number.then_some("from")
    });
    if !is_named.get() {
        plane.stats.ended(Ending::Malformed);
        return refusal(StatusCode::BAD_REQUEST, "write /name?number=", None);
    }
    let (mut answer, ending) = plane.answerer.admitted(&ask, wrong.as_ref(), guest.admission, &plane.stats).await;
    // mod_cidlookup takes the plus away
    if answer.decision.reason == Reason::NoName && answer.tenant.is_some_and(|tenant| tenant.plan.may_lack_plus(&ask.from)) {
        let with_plus = Ask { from: format!("+{}", ask.from), ..ask.clone() };
        // both questions have one budget
        let left = plane.answerer.budget().saturating_sub(began.elapsed());
        if let Ok((named, _)) = timeout(left, plane.answerer.admitted(&with_plus, None, guest.admission, &plane.stats)).await {
            answer = named;
        }
    }
    let decision = &answer.decision;
    let body = decision.caller.as_ref().filter(|_| decision.status == Status::Found);
    // cleaned for Asterisk, which acts on more than FreeSWITCH does; and the API of mod_cidlookup prints what it is told as
    // a format: a percent sign would be one of its commands
    let body = body.map(|caller| Value::new(&caller.name).truncated(NAME_BYTES_MAX).as_str().replace('%', ""));
    let mut reply = Response::new(Full::from(body.unwrap_or_default()));
    *reply.status_mut() = match (decision.status, decision.reason) {
        (Status::Found | Status::Ok, _) => StatusCode::OK,
        (Status::Unknown, _) => StatusCode::NOT_FOUND,
        (Status::Error, Reason::BadRequest) => StatusCode::BAD_REQUEST,
        (Status::Late | Status::Error, _) => StatusCode::SERVICE_UNAVAILABLE,
    };
    let headers = reply.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    headers.insert("strowger-status", HeaderValue::from_static(decision.status.word()));
    headers.insert("strowger-reason", HeaderValue::from_static(decision.reason.word()));
    finish(plane, answer, ask, ending, began);
    reply
}

/// A fetch of `mod_xml_curl`.
async fn document(request: Request<Incoming>, plane: &CallPlane, guest: Guest) -> Reply {
    let began = Instant::now();
    let (contexts, query) = contexts_of(request.uri().query().unwrap_or_default());
    let form = match timeout(FORM_WAIT_MAX, Limited::new(request.into_body(), FORM_BYTES_MAX).collect()).await {
        Ok(Ok(form)) => form.to_bytes(),
        Ok(Err(error)) if error.is::<LengthLimitError>() => {
            plane.stats.ended(Ending::Malformed);
            return refusal(StatusCode::PAYLOAD_TOO_LARGE, "a form has 64 KiB at most", None);
        }
        Ok(Err(_)) => {
            plane.stats.ended(Ending::GoneBeforeQuestion);
            return refusal(StatusCode::BAD_REQUEST, "the form broke off", None);
        }
        Err(_) => {
            plane.stats.ended(Ending::NoQuestion);
            return refusal(StatusCode::REQUEST_TIMEOUT, "the form didn't come", None);
        }
    };
    let found = match field(&form, b"section").as_deref() {
        Some(b"dialplan") => extension(&form, &query, &contexts, plane, guest, began).await,
        Some(b"directory") => match user(&form, &query, plane, guest, began).await {
            Ok(found) => found,
            Err(why) => return refusal(StatusCode::SERVICE_UNAVAILABLE, why, None),
        },
        _ => {
            // sections that we have nothing for: the switch's own files do
            plane.stats.ended(Ending::Answered);
            Found::nothing("section")
        }
    };
    let mut reply = Response::new(Full::from(found.text.map_or(Bytes::from_static(xml::NOT_FOUND.as_bytes()), Bytes::from)));
    let headers = reply.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/xml"));
    headers.insert("strowger-status", HeaderValue::from_static(found.status.word()));
    headers.insert("strowger-reason", HeaderValue::from_static(found.reason));
    reply
}

/// What a fetch is answered with, and why, for whoever looks at the headers.
struct Found {
    /// The document; `None` is "not found".
    text: Option<String>,
    status: Status,
    reason: &'static str,
}

impl Found {
    fn nothing(reason: &'static str) -> Found {
        Found { text: None, status: Status::Unknown, reason }
    }
}

/// The decision as an extension; nothing where the switch's own dialplan is to run.
async fn extension(form: &[u8], query: &str, contexts: &[String], plane: &CallPlane, guest: Guest, began: Instant) -> Found {
    let channel = ChannelAsk::read(fields(form), decode, Asked::ByUrl(query));
    if !contexts.is_empty() && !contexts.contains(&channel.context) {
        plane.stats.ended(Ending::Answered);
        tracing::debug!(
            call_id = shown(&channel.ask.call_id),
            context = shown(&channel.context),
            "a fetch was for a context that the URL doesn't name; the switch's own dialplan applies"
        );
        return Found::nothing("context");
    }
    if let Some(why) = channel.wrong.as_ref().filter(|_| channel.is_address_wrong) {
        // the word may have been meant to keep calls away from here: not even the fallback is for them
        plane.stats.ended(Ending::Malformed);
        tracing::warn!(call_id = shown(&channel.ask.call_id), %why, "a fetch's URL could not be read; the switch's own dialplan applies");
        return Found { status: Status::Error, ..Found::nothing(Reason::BadRequest.word()) };
    }
    let ask = Ask { peer: guest.peer, ..channel.ask };
    let (answer, ending) = plane.answerer.admitted(&ask, channel.wrong.as_ref(), guest.admission, &plane.stats).await;
    let place = Place { context: &channel.context, destination: &channel.destination };
    let text = freeswitch_extension(&answer.decision, answer.tenant.map(|t| &t.freeswitch), place);
    let found = Found { text, status: answer.decision.status, reason: answer.decision.reason.word() };
    finish(plane, answer, ask, ending, began);
    found
}

/// A user of the directory. What could not be read is no user that isn't there, and the switch is told so: it writes an
/// error into its log, with the form, and goes on to its own files in either case.
async fn user(form: &[u8], query: &str, plane: &CallPlane, guest: Guest, began: Instant) -> Result<Found, &'static str> {
    let text = |value| String::from_utf8_lossy(&decode(value)).into_owned();
    let known = |name: &[u8]| DirectoryQuestion::FIELDS.iter().find(|known| known.as_bytes() == name);
    let pairs: Vec<(&str, String)> = fields(form).filter_map(|(name, value)| Some((*known(name)?, text(value)))).collect();
    let question = DirectoryQuestion::from_form(pairs.iter().map(|(name, value)| (*name, value.as_str())));
    let (ask, wrong) = Ask::from_query("", query, |_| None);
    // a URL that names no tenant is for all of them, each at his own domain
    let names_tenant = query.split('&').any(|pair| pair.starts_with("tenant="));
    let by_domain = question.domain().filter(|_| !names_tenant).and_then(|domain| plane.answerer.tenant_at(domain));
    let tenant = by_domain.unwrap_or(if ask.tenant.is_empty() { DEFAULT_TENANT } else { &ask.tenant });
    let domain = question.domain().map(shown);
    let looked = match guest.admission {
        Admission::Served if wrong.is_some() || !plane.answerer.has_tenant(tenant) => {
            // a misspelt tenant must not ask another's
            tracing::warn!(
                tenant = shown(&ask.tenant),
                why = wrong.map(|w| w.to_string()),
                "a question for a user names no tenant; it was refused"
            );
            Err((Ending::Answered, Status::Error, "bad-request"))
        }
        Admission::Capacity => Err((Ending::Capacity, Status::Error, "capacity")),
        Admission::Draining => Err((Ending::Draining, Status::Error, "draining")),
        Admission::Served => match plane.answerer.look(tenant, move |data| question.answer(data)).await {
            Some(Ok(text)) => Ok(text),
            Some(Err(error)) => {
                tracing::error!(%error, "the store could not be read for a user; the switch's own directory applies");
                Err((Ending::Answered, Status::Error, "store-failed"))
            }
            None => Err((Ending::Answered, Status::Late, "late")),
        },
    };
    let (answer, ending, status) = match looked {
        Ok(text) if text == xml::NOT_FOUND => (Ok(Found::nothing("no-user")), Ending::Answered, Status::Unknown),
        Ok(text) => {
            let found = Found { text: Some(text), status: Status::Found, reason: Reason::Matched.word() };
            (Ok(found), Ending::Answered, Status::Found)
        }
        Err((ending, status, why)) => (Err(why), ending, status),
    };
    if status == Status::Late {
        plane.stats.late.add_one();
    }
    plane.stats.ended(ending);
    tracing::info!(
        tenant,
        domain,
        status = status.word(),
        ending = ending.word(),
        answer_us = began.elapsed().as_micros() as u64,
        "answered for a user"
    );
    answer
}

/// `context=public` of a query, which may stand there several times, and the rest: the switch asks for every hunt, in all
/// contexts, and an extension that dials another is none of ours.
fn contexts_of(query: &str) -> (Vec<String>, String) {
    let (mut contexts, mut rest) = (Vec::new(), Vec::new());
    for pair in query.split('&') {
        match pair.strip_prefix("context=") {
            Some(context) => contexts.push(String::from_utf8_lossy(&decode(context.as_bytes())).into_owned()),
            None => rest.push(pair),
        }
    }
    (contexts, rest.join("&"))
}

fn finish(plane: &CallPlane, answer: Answer<'_>, ask: Ask, ending: Ending, began: Instant) {
    plane.stats.ended(ending);
    plane.answerer.done(answer, ask, Switch::Freeswitch, ending, began, began.elapsed().as_micros() as u64);
}

/// A form's pairs, as they came.
fn fields(form: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    form.split(|b| *b == b'&').filter_map(|pair| memchr::memchr(b'=', pair).map(|at| (&pair[..at], &pair[at + 1..])))
}

/// The first field of a name.
fn field<'a>(form: &'a [u8], name: &[u8]) -> Option<Cow<'a, [u8]>> {
    fields(form).find(|(key, _)| *key == name).map(|(_, value)| decode(value))
}

/// A value of a form. A `+` is a plus: FreeSWITCH writes a space as `%20`.
fn decode(value: &[u8]) -> Cow<'_, [u8]> {
    percent_decode(value).into()
}
