//! The admin socket: length-prefixed JSON over a unix socket of mode 0600, for the store's owner and root.

use super::FRAME_BYTES_MAX;
use super::desk::{Desk, PlaneStatusSource};
use super::door::{AdminDoor, BindError};
use super::feed::{FeedQuery, Filter, Follower, Next};
use super::hand_over::HandOver;
use super::http::{FeedLimits, HttpServer};
use super::observed::Observed;
use super::request::{Reply, Request};
use crate::logbook::Levels;
use crate::peers::Peers;
use crate::routing::Tenants;
use crate::store::{By, Store};
use bytes::Bytes;
use std::io;
use std::net::TcpListener as StdTcpListener;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, UnixListener, UnixStream};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::{Semaphore, watch};

/// Administrators at once; more wait in the kernel.
const CONNECTIONS_MAX: usize = 32;
/// How long a connection may say nothing.
const IDLE_MAX: Duration = Duration::from_secs(600);

/// How long those who are being answered when the socket closes may take to hear it: whoever has had another process take over
/// hears of it when the event plane has ended, too.
const LAST_REPLIES_WAIT_MAX: Duration = Duration::from_secs(12);

/// How long a question for events may wait for some, in milliseconds; less than the command line waits for an answer.
const EVENTS_WAIT_MS_MAX: u64 = 8000;

/// The admin socket and what it serves.
pub struct AdminServer {
    runtime: Runtime,
    listener: UnixListener,
    door: AdminDoor,
    store: Store,
    rules: Arc<Tenants>,
    planes: PlaneStatusSource,
    observed: Observed,
    http: TcpListener,
    peers: Peers,
    limits: FeedLimits,
    levels: Option<Levels>,
    hand_over: Option<Arc<dyn HandOver>>,
}

impl AdminServer {
    /// A server at its socket, and at HTTP's, where somebody listens already.
    ///
    /// # Errors
    /// [`BindError::Io`].
    pub fn at(
        door: AdminDoor,
        http: StdTcpListener,
        store: Store,
        rules: Arc<Tenants>,
        planes: PlaneStatusSource,
        observed: Observed,
    ) -> Result<AdminServer, BindError> {
        let failed = |e| BindError::Io(door.path().into(), e);
        let runtime = Builder::new_current_thread().enable_all().max_blocking_threads(4).build().map_err(failed)?;
        let (listener, http) = {
            let _inside = runtime.enter();
            http.set_nonblocking(true).map_err(failed)?;
            let listener = door.listener.try_clone().map_err(failed)?;
            (UnixListener::from_std(listener).map_err(failed)?, TcpListener::from_std(http).map_err(failed)?)
        };
        let limits = FeedLimits::default();
        Ok(AdminServer {
            runtime,
            listener,
            door,
            store,
            rules,
            planes,
            observed,
            http,
            peers: Peers::default(),
            limits,
            levels: None,
            hand_over: None,
        })
    }

    /// Other limits of the feed than the usual ones.
    #[must_use]
    pub fn with_feed_limits(self, limits: FeedLimits) -> AdminServer {
        AdminServer { limits, ..self }
    }

    /// Lets administrators set what is logged.
    #[must_use]
    pub fn with_levels(self, levels: Option<Levels>) -> AdminServer {
        AdminServer { levels, ..self }
    }

    /// Lets administrators have another program take over.
    #[must_use]
    pub fn with_hand_over(self, hand_over: Option<Arc<dyn HandOver>>) -> AdminServer {
        AdminServer { hand_over, ..self }
    }

    /// Lets these come in by HTTP, beside this machine.
    #[must_use]
    pub fn with_peers(self, peers: Peers) -> AdminServer {
        AdminServer { peers, ..self }
    }

    /// Serves until told to stop; run it on a thread of its own.
    pub fn run(self, mut stop: watch::Receiver<bool>) {
        let listener = self.listener;
        let at = Counter {
            store: self.store,
            rules: self.rules,
            planes: self.planes,
            observed: self.observed,
            levels: self.levels,
            hand_over: self.hand_over,
        };
        self.runtime.block_on(async {
            let http = HttpServer::new(at.store.clone(), at.rules.clone(), at.planes.clone(), at.observed.clone(), self.limits);
            tokio::spawn(at.observed.searches.clone().forget_unused(at.store.reader()));
            let http = tokio::spawn(http.run(self.http, self.peers));
            let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
            loop {
                let accepted = tokio::select! {
                    _ = stop.wait_for(|stop| *stop) => break,
                    accepted = async {
                        let place = places.clone().acquire_owned().await;
                        listener.accept().await.map(|(stream, _)| (stream, place))
                    } => accepted,
                };
                match accepted {
                    Ok((stream, place)) => {
                        let (at, stop) = (at.clone(), stop.clone());
                        tokio::spawn(async move {
                            let _place = place;
                            if let Err(error) = serve(stream, at, stop).await {
                                tracing::debug!(%error, "an admin connection ended");
                            }
                        });
                    }
                    Err(error) => {
                        tracing::warn!(%error, "an admin connection could not be accepted; trying again");
                        tokio::time::sleep(Duration::from_millis(50)).await;
                    }
                }
            }
            http.abort();
            drop(listener);
            self.door.shut();
            // what is being done is done, and whoever asked for it is told
            let _ = tokio::time::timeout(LAST_REPLIES_WAIT_MAX, places.acquire_many(CONNECTIONS_MAX as u32)).await;
        });
        self.door.remove();
        self.runtime.shutdown_timeout(Duration::from_secs(5));
    }
}

/// What every connection is served from.
#[derive(Clone)]
struct Counter {
    store: Store,
    rules: Arc<Tenants>,
    planes: PlaneStatusSource,
    observed: Observed,
    levels: Option<Levels>,
    hand_over: Option<Arc<dyn HandOver>>,
}

/// Whom a connection follows the feed for, and how far it is.
struct Followed {
    tenant: String,
    query: FeedQuery,
    follower: Follower,
}

async fn serve(mut stream: UnixStream, at: Counter, mut stop: watch::Receiver<bool>) -> io::Result<()> {
    let peer = stream.peer_cred()?.uid();
    if peer != 0 && peer != rustix::process::geteuid().as_raw() {
        tracing::warn!(uid = peer, "an admin connection of another user was refused");
        return Ok(());
    }
    let mut desk = Desk::new(at.store.clone(), at.rules.clone(), By::new(format!("uid {peer}"), "admin socket"), Some(at.planes.clone()))
        .observing(at.observed.clone())
        .with_levels(at.levels.clone());
    let mut followed = None;
    loop {
        let frame = tokio::select! {
            biased;
            frame = tokio::time::timeout(IDLE_MAX, read_frame(&mut stream)) => frame??,
            () = stopped(&mut stop) => None,
        };
        let Some(frame) = frame else { return Ok(()) };
        // the store is waited for on a thread that may wait
        let (back, done) = tokio::task::spawn_blocking(move || {
            let done = match serde_json::from_slice::<Request>(&frame) {
                Ok(request @ (Request::Events { .. } | Request::Upgrade { .. })) => Err(request),
                Ok(request) => Ok(desk.apply(request)),
                Err(error) => {
                    Ok(Reply::BadInput(format!("the request can't be read ({error}); use the command line of the server's version")))
                }
            };
            (desk, done)
        })
        .await
        .map_err(io::Error::other)?;
        desk = back;
        let reply = match done {
            Ok(reply) => reply,
            // the feed is waited for on no thread at all
            Err(Request::Events { tenant, query, since, wait_ms }) => {
                let wait = Duration::from_millis(wait_ms.min(EVENTS_WAIT_MS_MAX));
                match at.follow(&mut followed, tenant, query, since.as_deref()) {
                    Ok(follower) => tokio::select! {
                        reply = news(follower, wait) => reply,
                        () = stopped(&mut stop) => return Ok(()),
                        // whoever is gone needs no answer, and raw events no longer
                        gone = stream.readable() => {
                            gone?;
                            if is_gone(&stream)? { return Ok(()) }
                            news(follower, wait).await
                        }
                    },
                    Err(why) => Reply::BadInput(why),
                }
            }
            Err(Request::Upgrade { program }) => at.upgrade(program).await?,
            Err(_) => Reply::BadInput("the request can't be carried out here".to_owned()),
        };
        tokio::time::timeout(IDLE_MAX, write_frame(&mut stream, &serde_json::to_vec(&reply)?)).await??;
    }
}

async fn stopped(stop: &mut watch::Receiver<bool>) {
    let _ = stop.wait_for(|stop| *stop).await;
}

impl Counter {
    /// Has another program take over, which takes seconds; the next one who asks for it meanwhile is refused.
    async fn upgrade(&self, program: Option<PathBuf>) -> io::Result<Reply> {
        let Some(hand_over) = self.hand_over.clone() else {
            return Ok(Reply::BadInput("this server can't be taken over from".to_owned()));
        };
        let given = tokio::task::spawn_blocking(move || hand_over.give(program.as_deref())).await.map_err(io::Error::other)?;
        Ok(match given {
            Ok(successor) => Reply::Upgraded(successor),
            Err(why) => Reply::NotUpgraded(why),
        })
    }

    /// The one who follows for this connection: the same as before, or another who begins where he is told to.
    fn follow<'a>(
        &self,
        followed: &'a mut Option<Followed>,
        tenant: String,
        query: FeedQuery,
        since: Option<&str>,
    ) -> Result<&'a mut Follower, String> {
        let is_same = |f: &Followed| since.is_none() && f.tenant == tenant && f.query == query;
        if !followed.as_ref().is_some_and(is_same) {
            let rules = self.rules.get(&tenant).ok_or_else(|| format!("there is no tenant {tenant:?}"))?;
            let filter = Filter::read(&tenant, &rules.plan, &query)?;
            let wrong = |()| format!("{:?} is no event's number; it looks like 18c2f3a1-42", since.unwrap_or_default());
            let since = since.map(|id| id.parse().map_err(wrong)).transpose()?;
            let follower = Follower::new(self.observed.hub.clone(), self.observed.stats.clone(), filter, since);
            *followed = Some(Followed { tenant, query, follower });
        }
        followed.as_mut().map(|f| &mut f.follower).ok_or_else(|| "nobody follows".to_owned())
    }
}

/// What comes within a time.
async fn news(follower: &mut Follower, wait: Duration) -> Reply {
    let messages = match tokio::time::timeout(wait, follower.next()).await {
        Ok(Next::Messages(messages)) => messages,
        Ok(Next::TooSlow) => {
            return Reply::BadInput(
                "events came faster than they were taken, three times within a minute; ask for fewer of them".to_owned(),
            );
        }
        Err(_) => Vec::new(),
    };
    let events = messages.iter().filter_map(|message| serde_json::from_str(&message.json).ok()).collect();
    Reply::Events { events, next: follower.place().map(|id| id.to_string()) }
}

/// Whether the peer has closed; what he sends before he has his answer waits.
fn is_gone(stream: &UnixStream) -> io::Result<bool> {
    let mut byte = [0];
    let peeked = rustix::net::recv(stream, &mut byte, rustix::net::RecvFlags::PEEK | rustix::net::RecvFlags::DONTWAIT);
    Ok(matches!(peeked, Ok((_, 0))))
}

async fn read_frame(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<Option<Bytes>> {
    let mut head = [0; 4];
    match stream.read_exact(&mut head).await {
        Ok(_) => {}
        Err(e) if e.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        Err(e) => return Err(e),
    }
    let length = u32::from_be_bytes(head) as usize;
    if length > FRAME_BYTES_MAX {
        return Err(io::Error::new(io::ErrorKind::InvalidData, format!("a frame of {length} bytes")));
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await?;
    Ok(Some(body.into()))
}

async fn write_frame(stream: &mut (impl AsyncWrite + Unpin), body: &[u8]) -> io::Result<()> {
    let length = u32::try_from(body.len()).map_err(io::Error::other)?;
    stream.write_all(&length.to_be_bytes()).await?;
    stream.write_all(body).await
}
