//! The admin plane's HTTP: contacts and the plan as REST (`api`), phone books, the feed, live calls, metrics and health,
//! and what extensions' users may switch themselves.
//!
//! Whoever asks shows a token, on loopback too: a page that a browser on this machine shows, or another user of it, is no
//! administrator. Everything is bounded: connections, heads, how long one may stand idle or not take what it is sent.

mod api;
mod calls;
mod events;
mod features;
mod keys;
mod metrics;
mod patient;
mod phonebook;
mod phonebook_shelf;
mod query;
mod reply;

use super::desk::PlaneStatusSource;
use super::observed::Observed;
use crate::access::names_this_machine;
use crate::peers::Peers;
use crate::routing::Tenants;
use crate::store::Store;
use axum::Router;
use axum::body::Body;
use axum::http::{Request, StatusCode};
use axum::response::Response;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use keys::Keys;
use patient::Patient;
use phonebook_shelf::Shelf;
use reply::problem;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Connections at once; more wait in the kernel.
const CONNECTIONS_MAX: usize = 128;
/// The largest head of a request, in bytes; hyper gathers as much of a reply before it asks for more of it.
const HEAD_BYTES_MAX: usize = 16 * 1024;
/// How long the head of a request may take, the first and each that follows on the same connection.
const HEAD_WAIT_MAX: Duration = Duration::from_secs(10);
/// The same for who comes when more than half of the places are taken: whoever connects and says nothing must not keep
/// health and metrics from those who ask for them.
const HEAD_WAIT_CROWDED_MAX: Duration = Duration::from_millis(250);
/// How long a connection that follows no feed may take in all.
const CONNECTION_WAIT_MAX: Duration = Duration::from_secs(60);
/// How long its last reply may take after that.
const LAST_REPLY_WAIT_MAX: Duration = Duration::from_secs(5);
/// What the kernel keeps for a client that doesn't take it, in bytes: a slow one is to be known as such.
const SEND_BUFFER_BYTES: usize = 128 * 1024;

/// Limits of the feed; a test has less patience.
#[derive(Debug, Clone, Copy)]
pub struct FeedLimits {
    /// Clients of the feed at once. Each may hold a page of some 500 kB, and half of the connections stay free for the
    /// rest.
    pub clients_max: usize,
    /// How often a client is sent a sign of life, and its token looked at again.
    pub heartbeat: Duration,
    /// How long a client may take nothing of what it is sent.
    pub stall_max: Duration,
}

impl Default for FeedLimits {
    fn default() -> Self {
        FeedLimits { clients_max: 64, heartbeat: Duration::from_secs(15), stall_max: Duration::from_secs(30) }
    }
}

/// What the paths have in common.
struct Shop {
    store: Store,
    rules: Arc<Tenants>,
    planes: PlaneStatusSource,
    observed: Observed,
    keys: Keys,
    shelf: Arc<Shelf>,
    limits: FeedLimits,
    clients: Arc<Semaphore>,
    /// Room for bodies of batches.
    batches: Semaphore,
}

/// One connection, as its requests see it.
#[derive(Clone)]
struct Connection {
    /// Who asks, as far as an address says.
    peer: Option<IpAddr>,
    /// Whether it follows the feed.
    is_feed: Arc<AtomicBool>,
    /// Its place among the connections; a feed over WebSocket keeps it.
    _place: Arc<OwnedSemaphorePermit>,
}

/// The admin plane's HTTP, before it serves.
pub(super) struct HttpServer {
    shop: Arc<Shop>,
}

impl HttpServer {
    pub(super) fn new(store: Store, rules: Arc<Tenants>, planes: PlaneStatusSource, observed: Observed, limits: FeedLimits) -> HttpServer {
        let keys = Keys::new(store.clone(), rules.keys().cloned().collect());
        let clients = Arc::new(Semaphore::new(limits.clients_max));
        let batches = Semaphore::new(api::BATCHES_MAX);
        let shelf = Arc::new(Shelf::new(store.clone()));
        HttpServer { shop: Arc::new(Shop { store, rules, planes, observed, keys, shelf, limits, clients, batches }) }
    }

    /// Accepts connections, for ever, from those who may come in.
    pub(super) async fn run(self, listener: TcpListener, peers: Peers) {
        let router = api::router()
            .method_not_allowed_fallback(|| async {
                problem(
                    StatusCode::METHOD_NOT_ALLOWED,
                    "the path takes other methods, which Allow names; /api/v1/openapi.json says what each does",
                )
            })
            .fallback(|| async {
                problem(
                    StatusCode::NOT_FOUND,
                    "there is no such path; the paths are /api/v1/…, /phonebook/…, /events, /calls, /metrics, /live, /ready, /health, /extensions/{number} and /schedules/{id}/override, and /api/v1/openapi.json names them all",
                )
            })
            .with_state(self.shop.clone());
        let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
        loop {
            // the semaphore is never closed
            let Ok(place) = places.clone().acquire_owned().await else { return };
            match listener.accept().await {
                Ok((stream, from)) if !peers.allow(from.ip(), stream.local_addr().ok().map(|at| at.ip())) => {
                    tracing::debug!(peer = %from, "somebody came to the admin HTTP who may not; the connection was closed");
                }
                Ok((stream, _)) => {
                    let (router, shop) = (router.clone(), self.shop.clone());
                    let is_crowded = places.available_permits() < CONNECTIONS_MAX / 2;
                    let head_wait = if is_crowded { HEAD_WAIT_CROWDED_MAX } else { HEAD_WAIT_MAX };
                    tokio::spawn(async move { connection(stream, place, router, &shop, head_wait).await });
                }
                Err(error) => {
                    tracing::warn!(%error, "a connection of the admin HTTP could not be accepted; trying again");
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            }
        }
    }
}

async fn connection(stream: TcpStream, place: OwnedSemaphorePermit, router: Router, shop: &Shop, head_wait: Duration) {
    let is_loopback = stream.local_addr().is_ok_and(|address| address.ip().is_loopback());
    // best effort: without these a dead client is known later, and more is kept for a slow one
    let _ = socket2::SockRef::from(&stream).set_send_buffer_size(SEND_BUFFER_BYTES);
    let _ = rustix::net::sockopt::set_tcp_user_timeout(&stream, shop.limits.stall_max.as_millis() as u32);
    let _ = stream.set_nodelay(true);
    let peer = stream.peer_addr().ok().map(|address| address.ip());
    let connection = Connection { peer, is_feed: Arc::default(), _place: Arc::new(place) };
    let is_feed = connection.is_feed.clone();
    let stream = Patient::new(stream, shop.limits.stall_max, is_feed.clone(), shop.observed.stats.clone());
    let router = TowerToHyperService::new(router);
    let service = service_fn(move |mut request: Request<Incoming>| {
        let router = router.clone();
        request.extensions_mut().insert(connection.clone());
        async move {
            if is_loopback && !names_this_machine(request.uri(), request.headers()) {
                // a page of some other site may be led to this port under a name of its own
                return Ok(problem(StatusCode::MISDIRECTED_REQUEST, "this port answers to localhost and addresses"));
            }
            router.call(request).await
        }
    });
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(head_wait).max_buf_size(HEAD_BYTES_MAX);
    let serving = builder.serve_connection(TokioIo::new(stream), service).with_upgrades();
    tokio::pin!(serving);
    let served = tokio::select! {
        served = &mut serving => served,
        () = tokio::time::sleep(CONNECTION_WAIT_MAX) => {
            serving.as_mut().graceful_shutdown();
            match is_feed.load(Ordering::Relaxed) {
                true => serving.await,
                false => tokio::time::timeout(LAST_REPLY_WAIT_MAX, serving).await.unwrap_or(Ok(())),
            }
        }
    };
    if let Err(error) = served {
        tracing::debug!(%error, "a connection of the admin HTTP ended");
    }
}

type Reply = Response<Body>;
