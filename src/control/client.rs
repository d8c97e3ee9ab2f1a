//! The command line's end of the admin socket.

use super::FRAME_BYTES_MAX;
use super::request::{Reply, Request};
use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use thiserror::Error;

/// How long the reply to an import's or a plan's end may take, and to whatever reads the whole store: a million contacts are
/// put together and written in it.
const COMMIT_WAIT_MAX: Duration = Duration::from_secs(600);
/// How long another program may take to take over: it reads the whole store.
const UPGRADE_WAIT_MAX: Duration = Duration::from_secs(300);
/// How long any other reply may take. Edits wait behind the end of an import.
const REPLY_WAIT_MAX: Duration = Duration::from_secs(60);
/// How long the reply to a question may take; a server that is stopped is soon known to be.
const LOOK_WAIT_MAX: Duration = Duration::from_secs(10);

/// Why there was no reply.
#[derive(Debug, Error)]
pub enum ClientError {
    /// Nobody listens: no server runs over this store.
    #[error("no server listens at {0}")]
    NoServer(String),
    /// Somebody does, and won't have us.
    #[error("the server at {0} can't be used ({1})")]
    Refused(String, io::Error),
    /// It went away.
    #[error("the server doesn't answer ({0}); what was asked may have been done or not, so look before you repeat it")]
    Gone(io::Error),
    /// It is there and says nothing.
    #[error("the server said nothing for {0} s; it is stopped, or very busy")]
    Silent(u64),
    /// It said something else.
    #[error("the server's reply can't be read ({0}); use the command line of the server's version")]
    Strange(String),
}

/// How long a request is sent anew to whoever takes over from the server, and the pause in between.
const TAKEN_OVER_WAIT_MAX: Duration = Duration::from_secs(30);
const TAKEN_OVER_PAUSE: Duration = Duration::from_millis(50);

/// A connection to a server's admin socket.
pub struct Client {
    stream: UnixStream,
    path: PathBuf,
    /// Whether the server has been told something on this connection that later requests build on.
    has_begun: bool,
}

impl Client {
    /// Connects.
    ///
    /// # Errors
    /// [`ClientError::NoServer`] where the store is free, else why not.
    pub fn connect(path: &Path) -> Result<Client, ClientError> {
        match UnixStream::connect(path) {
            Ok(stream) => {
                let name = || path.display().to_string();
                stream.set_write_timeout(Some(REPLY_WAIT_MAX)).map_err(|e| ClientError::Refused(name(), e))?;
                Ok(Client { stream, path: path.to_owned(), has_begun: false })
            }
            Err(e) if matches!(e.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory | io::ErrorKind::ConnectionRefused) => {
                Err(ClientError::NoServer(path.display().to_string()))
            }
            Err(e) => Err(ClientError::Refused(path.display().to_string(), e)),
        }
    }

    /// Asks, and waits for the reply. Where the server is just being taken over from, whoever takes over is asked.
    ///
    /// # Errors
    /// [`ClientError`]; the request may or may not have been carried out.
    pub fn ask(&mut self, request: &Request) -> Result<Reply, ClientError> {
        let begun = Instant::now();
        loop {
            let reply = self.ask_once(request)?;
            if !matches!(reply, Reply::TryAgain(_)) || self.has_begun || begun.elapsed() >= TAKEN_OVER_WAIT_MAX {
                self.has_begun |= begins(request);
                return Ok(reply);
            }
            std::thread::sleep(TAKEN_OVER_PAUSE);
            *self = Client::connect(&self.path)?;
        }
    }

    fn ask_once(&mut self, request: &Request) -> Result<Reply, ClientError> {
        let body = serde_json::to_vec(request).map_err(|e| ClientError::Strange(e.to_string()))?;
        let too_long = || ClientError::Strange("a request is longer than the server takes".into());
        let length = u32::try_from(body.len()).ok().filter(|l| *l as usize <= FRAME_BYTES_MAX).ok_or_else(too_long)?;
        self.stream.set_read_timeout(Some(wait_max(request))).map_err(ClientError::Gone)?;
        self.stream.write_all(&length.to_be_bytes()).and_then(|()| self.stream.write_all(&body)).map_err(ClientError::Gone)?;
        let mut head = [0; 4];
        self.stream.read_exact(&mut head).map_err(|error| match error.kind() {
            io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => ClientError::Silent(wait_max(request).as_secs()),
            _ => ClientError::Gone(error),
        })?;
        let length = u32::from_be_bytes(head) as usize;
        if length > FRAME_BYTES_MAX {
            return Err(ClientError::Strange(format!("{length} bytes")));
        }
        let mut body = vec![0; length];
        self.stream.read_exact(&mut body).map_err(ClientError::Gone)?;
        serde_json::from_slice(&body).map_err(|e| ClientError::Strange(e.to_string()))
    }
}

/// Whether later requests on the same connection build on this one.
fn begins(request: &Request) -> bool {
    matches!(
        request,
        Request::ImportBegin { .. } | Request::ImportRows(_) | Request::PlanBegin { .. } | Request::PlanPart { .. } | Request::BackupBegin
    )
}

fn wait_max(request: &Request) -> Duration {
    match request {
        Request::Upgrade { .. } => UPGRADE_WAIT_MAX,
        Request::ImportPreview { .. }
        | Request::ImportCommit
        | Request::PlanCommit
        | Request::BackupNext
        | Request::StoreCheck
        | Request::StoreCompact => COMMIT_WAIT_MAX,
        Request::ContactSet { .. }
        | Request::ContactRm { .. }
        | Request::RouteSet { .. }
        | Request::RouteRm { .. }
        | Request::ScreenSet { .. }
        | Request::ScreenRm { .. }
        | Request::UserSet { .. }
        | Request::UserRm { .. }
        | Request::ItemSet { .. }
        | Request::ItemRm { .. }
        | Request::ScheduleOverride { .. }
        | Request::TokenAdd { .. }
        | Request::TokenRm { .. }
        | Request::History(_)
        | Request::Undo(_)
        | Request::ImportBegin { .. }
        | Request::ImportRows(_)
        | Request::ImportStage
        // the first one has its index built
        | Request::ContactSearch { .. }
        // a page waits while an edit is being written
        | Request::PlanPage { .. }
        | Request::PlanContacts { .. }
        | Request::PlanBegin { .. }
        | Request::PlanPart { .. }
        // a page of a small source may look at many contacts
        | Request::ContactExport(_) => REPLY_WAIT_MAX,
        _ => LOOK_WAIT_MAX,
    }
}
