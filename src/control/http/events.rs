//! `GET /events`: the feed, as Server-Sent Events or over a WebSocket.
//!
//! Nothing is read from the hub for a client that hasn't taken what it was given: the body of a reply is asked for its next
//! piece only when there is room, and a message over a WebSocket is written before the next one is made.

use super::keys::Grant;
use super::query::parameters;
use super::reply::{problem, reply};
use super::{Connection, Reply, Shop};
use crate::access::Scope;
use crate::control::feed::{FeedQuery, Follower, Message, Next};
use crate::cti::{EventId, PlaneStats};
use axum::body::{Body, Bytes};
use axum::extract::ws::{CloseFrame, Message as Frame, WebSocket, WebSocketUpgrade, close_code, rejection::WebSocketUpgradeRejection};
use axum::extract::{Extension, RawQuery, State};
use axum::http::header::{RETRY_AFTER, UPGRADE};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::IntoResponse;
use std::convert::Infallible;
use std::fmt::Write;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, Interval, MissedTickBehavior, interval_at};

/// How long a client is to wait before it connects again, in milliseconds.
const RETRY_MS: u32 = 3000;
/// The largest message that a client may send, in bytes: it has nothing to say.
const CLIENT_MESSAGE_BYTES_MAX: usize = 4096;
/// Heartbeats that a client over a WebSocket may leave unanswered.
const SILENT_HEARTBEATS_MAX: u32 = 3;
/// The protocol's name, where a client names some.
const PROTOCOL: &str = "strowger";
/// A place in no run of the feed: whoever names one that can't be read is told of the gap.
const NOWHERE: EventId = EventId { epoch: 0, sequence: 0 };

/// One of the feed's clients, for as long as it is there.
struct Client {
    stats: Arc<PlaneStats>,
    _place: OwnedSemaphorePermit,
}

impl Client {
    fn new(stats: Arc<PlaneStats>, place: OwnedSemaphorePermit) -> Client {
        stats.clients.add(1);
        Client { stats, _place: place }
    }

    fn dropped(&self, why: &str) {
        self.stats.clients_dropped.add_one();
        tracing::warn!(why, "a client of the feed was dropped; the others go on");
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        self.stats.clients.sub(1);
    }
}

/// A client that follows.
struct Following {
    shop: Arc<Shop>,
    grant: Grant,
    follower: Follower,
    client: Client,
    heartbeat: Interval,
}

/// What a client is to be sent.
enum Step {
    Messages(Vec<Message>),
    Heartbeat,
    /// It is let go, and why.
    End(&'static str),
}

impl Following {
    async fn step(&mut self) -> Step {
        tokio::select! {
            next = self.follower.next() => match next {
                Next::Messages(messages) => Step::Messages(messages),
                Next::TooSlow => {
                    self.client.dropped("too slow three times within a minute");
                    Step::End("too slow")
                }
            },
            _ = self.heartbeat.tick() => match self.shop.keys.is_still_good(&self.grant).await {
                true => Step::Heartbeat,
                false => Step::End("the token isn't good any more"),
            },
        }
    }
}

pub(super) async fn events(
    State(shop): State<Arc<Shop>>,
    Extension(connection): Extension<Connection>,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Reply {
    let following = match begin(&shop, &headers, query.as_deref()).await {
        Ok(following) => following,
        Err(refused) => return refused,
    };
    if !headers.contains_key(UPGRADE) {
        connection.is_feed.store(true, Ordering::Relaxed);
        return sse(following);
    }
    match upgrade {
        Ok(upgrade) => {
            connection.is_feed.store(true, Ordering::Relaxed);
            let upgrade = upgrade.max_message_size(CLIENT_MESSAGE_BYTES_MAX).protocols([PROTOCOL]);
            upgrade.on_upgrade(|socket| async move {
                websocket(socket, following).await;
                drop(connection);
            })
        }
        Err(rejection) => rejection.into_response(),
    }
}

async fn begin(shop: &Arc<Shop>, headers: &HeaderMap, query: Option<&str>) -> Result<Following, Reply> {
    let wrong = |why: String| problem(StatusCode::BAD_REQUEST, &why);
    let mut asked = parameters(query, &["type", "extension", "number", "raw", "last_event_id"]).map_err(wrong);
    let raw = asked.as_ref().is_ok_and(|asked| asked.get("raw").is_some_and(|raw| raw != "0"));
    // who may not ask is told nothing of what is wrong with his question
    let scopes: &[Scope] = if raw { &[Scope::EventsRead, Scope::EventsRaw] } else { &[Scope::EventsRead] };
    let grant = shop.keys.admit(headers, scopes).await?;
    let asked = asked.as_mut().map_err(|refused| std::mem::take(refused))?;
    let mut take = |name| asked.remove(name).unwrap_or_default();
    let query = FeedQuery { types: take("type"), extensions: take("extension"), numbers: take("number"), raw };
    let filter = shop.filter(&grant.tenant, &query)?;
    // the header is what a browser has seen since; the parameter stays what it was
    let in_url = take("last_event_id");
    let since = headers.get("last-event-id").map_or(in_url.as_str(), |id| id.to_str().unwrap_or("?")).trim();
    let since = (!since.is_empty()).then(|| since.parse().unwrap_or(NOWHERE));
    let Ok(place) = shop.clients.clone().try_acquire_owned() else {
        let mut reply = problem(StatusCode::SERVICE_UNAVAILABLE, "the feed has as many clients as it serves; come again");
        reply.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("5"));
        return Err(reply);
    };
    let (hub, stats) = (shop.observed.hub.clone(), shop.observed.stats.clone());
    let mut heartbeat = interval_at(Instant::now() + shop.limits.heartbeat, shop.limits.heartbeat);
    heartbeat.set_missed_tick_behavior(MissedTickBehavior::Delay);
    Ok(Following {
        shop: shop.clone(),
        grant,
        follower: Follower::new(hub, stats.clone(), filter, since),
        client: Client::new(stats, place),
        heartbeat,
    })
}

/// Messages in the form of the event stream. JSON on one line has no line end of its own.
fn event_stream(messages: &[Message]) -> String {
    let mut text = String::with_capacity(messages.iter().map(|m| m.json.len() + 80).sum());
    for message in messages {
        if let Some(id) = message.id {
            let _ = writeln!(text, "id: {id}");
        }
        let _ = write!(text, "event: {}\ndata: {}\n\n", message.kind, message.json);
    }
    text
}

fn sse(following: Following) -> Reply {
    let pieces = futures_util::stream::unfold((Some(following), true), |(following, is_first)| async move {
        let mut following = following?;
        if is_first {
            return Some((piece(format!("retry: {RETRY_MS}\n\n")), (Some(following), false)));
        }
        let (text, rest) = match following.step().await {
            Step::Messages(messages) => (event_stream(&messages), Some(following)),
            // an event without data is none, and still moves the client's place on, past what it doesn't want
            Step::Heartbeat => match following.follower.place() {
                Some(id) => (format!(": here\nid: {id}\n\n"), Some(following)),
                None => (": here\n\n".to_owned(), Some(following)),
            },
            Step::End(why) => (format!(": {why}\n\n"), None),
        };
        Some((piece(text), (rest, false)))
    });
    let mut reply = reply(StatusCode::OK, "text/event-stream", Body::from_stream(pieces));
    // proxies are not to gather events
    reply.headers_mut().insert("x-accel-buffering", HeaderValue::from_static("no"));
    reply
}

fn piece(text: String) -> Result<Bytes, Infallible> {
    Ok(text.into())
}

async fn websocket(mut socket: WebSocket, mut following: Following) {
    let silence_max = following.shop.limits.heartbeat * SILENT_HEARTBEATS_MAX;
    let mut heard = Instant::now();
    loop {
        let step = tokio::select! {
            biased;
            said = socket.recv() => match said {
                Some(Ok(Frame::Close(_)) | Err(_)) | None => return,
                Some(Ok(_)) => {
                    heard = Instant::now();
                    continue;
                }
            },
            step = following.step() => step,
        };
        let sent = match step {
            Step::Messages(messages) => send_all(&mut socket, messages).await,
            Step::Heartbeat if heard.elapsed() > silence_max => {
                following.client.dropped("it answered no ping");
                return close(&mut socket, close_code::POLICY, "silent").await;
            }
            Step::Heartbeat => socket.send(Frame::Ping(Bytes::new())).await,
            Step::End(why) => return close(&mut socket, close_code::POLICY, why).await,
        };
        if sent.is_err() {
            return;
        }
    }
}

async fn send_all(socket: &mut WebSocket, messages: Vec<Message>) -> Result<(), axum::Error> {
    for message in messages {
        socket.send(Frame::Text(message.json.into())).await?;
    }
    Ok(())
}

async fn close(socket: &mut WebSocket, code: u16, why: &'static str) {
    // a client that is gone needs no farewell
    let _ = socket.send(Frame::Close(Some(CloseFrame { code, reason: why.into() }))).await;
}
