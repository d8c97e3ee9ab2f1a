//! The admin socket: length-prefixed JSON over a unix socket of mode 0600, for the store's owner and root.

use super::FRAME_BYTES_MAX;
use super::desk::{Desk, PlaneStatusSource};
use super::feed::{FeedQuery, Filter, Follower, Next};
use super::http::{FeedLimits, HttpServer};
use super::observed::Observed;
use super::request::{Reply, Request};
use crate::logbook::Levels;
use crate::peers::Peers;
use crate::routing::Tenants;
use crate::store::{By, Store};
use bytes::Bytes;
use std::fs::Permissions;
use std::io;
use std::net::TcpListener as StdTcpListener;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::os::unix::net::{UnixListener as StdListener, UnixStream as StdStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use thiserror::Error;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, UnixListener, UnixStream};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::{Semaphore, watch};

/// Administrators at once; more wait in the kernel.
const CONNECTIONS_MAX: usize = 32;
/// How long a connection may say nothing.
const IDLE_MAX: Duration = Duration::from_secs(600);

/// How long a question for events may wait for some, in milliseconds; less than the command line waits for an answer.
const EVENTS_WAIT_MS_MAX: u64 = 8000;

/// Why the admin socket can't be made.
#[derive(Debug, Error)]
pub enum BindError {
    /// Somebody listens there.
    #[error("a server already listens at {0}; stop it, or set another place with --admin")]
    InUse(PathBuf),
    /// The system said no.
    #[error("the admin socket {0} can't be made ({1}); choose another place with --admin")]
    Io(PathBuf, io::Error),
}

/// The admin socket and what it serves.
pub struct AdminServer {
    runtime: Runtime,
    listener: UnixListener,
    path: PathBuf,
    store: Store,
    rules: Arc<Tenants>,
    planes: PlaneStatusSource,
    observed: Observed,
    http: TcpListener,
    peers: Peers,
    limits: FeedLimits,
    levels: Option<Levels>,
}

impl AdminServer {
    /// Binds the socket; one that a dead server left behind is replaced. HTTP is served where somebody listens already.
    ///
    /// # Errors
    /// [`BindError`].
    pub fn bind(
        path: &Path,
        http: StdTcpListener,
        store: Store,
        rules: Arc<Tenants>,
        planes: PlaneStatusSource,
        observed: Observed,
    ) -> Result<AdminServer, BindError> {
        let failed = |e| BindError::Io(path.into(), e);
        if let Ok(there) = std::fs::symlink_metadata(path) {
            // only a socket that nobody listens at is what a dead server left behind
            match StdStream::connect(path) {
                Ok(_) => return Err(BindError::InUse(path.into())),
                Err(e) if there.file_type().is_socket() && e.kind() == io::ErrorKind::ConnectionRefused => {
                    std::fs::remove_file(path).map_err(failed)?;
                }
                Err(_) => return Err(failed(io::Error::new(io::ErrorKind::AlreadyExists, "something else is there"))),
            }
        }
        // made with mode 0600 from its first moment, not changed to it afterwards
        let before = rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o177));
        let bound = StdListener::bind(path);
        rustix::process::umask(before);
        let listener = bound.map_err(failed)?;
        std::fs::set_permissions(path, Permissions::from_mode(0o600)).map_err(failed)?;
        listener.set_nonblocking(true).map_err(failed)?;
        let runtime = Builder::new_current_thread().enable_all().max_blocking_threads(4).build().map_err(failed)?;
        let (listener, http) = {
            let _inside = runtime.enter();
            http.set_nonblocking(true).map_err(failed)?;
            (UnixListener::from_std(listener).map_err(failed)?, TcpListener::from_std(http).map_err(failed)?)
        };
        let limits = FeedLimits::default();
        Ok(AdminServer {
            runtime,
            listener,
            path: path.into(),
            store,
            rules,
            planes,
            observed,
            http,
            peers: Peers::default(),
            limits,
            levels: None,
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

    /// Lets these come in by HTTP, beside this machine.
    #[must_use]
    pub fn with_peers(self, peers: Peers) -> AdminServer {
        AdminServer { peers, ..self }
    }

    /// Serves until told to stop; run it on a thread of its own.
    pub fn run(self, mut stop: watch::Receiver<bool>) {
        let listener = self.listener;
        let at = Counter { store: self.store, rules: self.rules, planes: self.planes, observed: self.observed, levels: self.levels };
        self.runtime.block_on(async {
            let http = HttpServer::new(at.store.clone(), at.rules.clone(), at.planes.clone(), at.observed.clone(), self.limits);
            tokio::spawn(at.observed.searches.clone().forget_unused(at.store.reader()));
            tokio::spawn(http.run(self.http, self.peers));
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
                        let at = at.clone();
                        tokio::spawn(async move {
                            let _place = place;
                            if let Err(error) = serve(stream, at).await {
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
        });
        let _ = std::fs::remove_file(&self.path);
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
}

/// Whom a connection follows the feed for, and how far it is.
struct Followed {
    tenant: String,
    query: FeedQuery,
    follower: Follower,
}

async fn serve(mut stream: UnixStream, at: Counter) -> io::Result<()> {
    let peer = stream.peer_cred()?.uid();
    if peer != 0 && peer != rustix::process::geteuid().as_raw() {
        tracing::warn!(uid = peer, "an admin connection of another user was refused");
        return Ok(());
    }
    let mut desk = Desk::new(at.store.clone(), at.rules.clone(), By::new(format!("uid {peer}"), "admin socket"), Some(at.planes.clone()))
        .observing(at.observed.clone())
        .with_levels(at.levels.clone());
    let mut followed = None;
    while let Some(frame) = tokio::time::timeout(IDLE_MAX, read_frame(&mut stream)).await?? {
        // the store is waited for on a thread that may wait
        let (back, done) = tokio::task::spawn_blocking(move || {
            let done = match serde_json::from_slice::<Request>(&frame) {
                Ok(request @ Request::Events { .. }) => Err(request),
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
            Err(_) => Reply::BadInput("the request can't be carried out here".to_owned()),
        };
        tokio::time::timeout(IDLE_MAX, write_frame(&mut stream, &serde_json::to_vec(&reply)?)).await??;
    }
    Ok(())
}

impl Counter {
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
