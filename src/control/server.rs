//! The admin socket: length-prefixed JSON over a unix socket of mode 0600, for the store's owner and root.

use super::FRAME_BYTES_MAX;
use super::calls::Observed;
use super::desk::{Desk, PlaneStatusSource};
use super::request::{Reply, Request};
use crate::routing::Tenants;
use crate::store::Store;
use bytes::Bytes;
use std::fs::Permissions;
use std::io;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::os::unix::net::{UnixListener as StdListener, UnixStream as StdStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use thiserror::Error;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::{Semaphore, watch};

/// Administrators at once; more wait in the kernel.
const CONNECTIONS_MAX: usize = 32;
/// How long a connection may say nothing.
const IDLE_MAX: Duration = Duration::from_secs(600);

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
}

impl AdminServer {
    /// Binds the socket; one that a dead server left behind is replaced.
    ///
    /// # Errors
    /// [`BindError`].
    pub fn bind(path: &Path, store: Store, rules: Arc<Tenants>, planes: PlaneStatusSource) -> Result<AdminServer, BindError> {
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
        let listener = {
            let _inside = runtime.enter();
            UnixListener::from_std(listener).map_err(failed)?
        };
        Ok(AdminServer { runtime, listener, path: path.into(), store, rules, planes, observed: Observed::default() })
    }

    /// The same server, which also tells of calls.
    #[must_use]
    pub fn observing(self, observed: Observed) -> AdminServer {
        AdminServer { observed, ..self }
    }

    /// Serves until told to stop; run it on a thread of its own.
    pub fn run(self, mut stop: watch::Receiver<bool>) {
        let listener = self.listener;
        self.runtime.block_on(async {
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
                        let desk = Desk::new(self.store.clone(), self.rules.clone(), String::new(), Some(self.planes.clone()));
                        let desk = desk.observing(self.observed.clone());
                        tokio::spawn(async move {
                            let _place = place;
                            if let Err(error) = serve(stream, desk).await {
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

async fn serve(mut stream: UnixStream, mut desk: Desk) -> io::Result<()> {
    let peer = stream.peer_cred()?.uid();
    if peer != 0 && peer != rustix::process::geteuid().as_raw() {
        tracing::warn!(uid = peer, "an admin connection of another user was refused");
        return Ok(());
    }
    desk.who = format!("uid {peer}");
    while let Some(frame) = tokio::time::timeout(IDLE_MAX, read_frame(&mut stream)).await?? {
        // the store is waited for on a thread that may wait
        let (back, reply) = tokio::task::spawn_blocking(move || {
            let reply = match serde_json::from_slice::<Request>(&frame) {
                Ok(request) => desk.apply(request),
                Err(error) => Reply::BadInput(format!("the request can't be read ({error}); use the command line of the server's version")),
            };
            (desk, reply)
        })
        .await
        .map_err(io::Error::other)?;
        desk = back;
        tokio::time::timeout(IDLE_MAX, write_frame(&mut stream, &serde_json::to_vec(&reply)?)).await??;
    }
    Ok(())
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
