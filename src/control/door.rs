//! The admin socket itself: made with mode 0600, or had from a process that is being taken over from.

use std::fs::Permissions;
use std::io;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use thiserror::Error;

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

/// The admin socket before it is served.
#[derive(Debug)]
pub struct AdminDoor {
    pub(super) listener: UnixListener,
    path: PathBuf,
    is_left: Arc<AtomicBool>,
    is_shut: Arc<AtomicBool>,
}

impl AdminDoor {
    /// Binds the socket; one that a dead server left behind is replaced.
    ///
    /// # Errors
    /// [`BindError`].
    pub fn bind(path: &Path) -> Result<AdminDoor, BindError> {
        let failed = |e| BindError::Io(path.into(), e);
        if let Ok(there) = std::fs::symlink_metadata(path) {
            // only a socket that nobody listens at is what a dead server left behind
            match UnixStream::connect(path) {
                Ok(_) => return Err(BindError::InUse(path.into())),
                Err(e) if there.file_type().is_socket() && e.kind() == io::ErrorKind::ConnectionRefused => {
                    std::fs::remove_file(path).map_err(failed)?;
                }
                Err(_) => return Err(failed(io::Error::new(io::ErrorKind::AlreadyExists, "something else is there"))),
            }
        }
        // made with mode 0600 from its first moment, not changed to it afterwards
        let before = rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o177));
        let bound = UnixListener::bind(path);
        rustix::process::umask(before);
        let listener = bound.map_err(failed)?;
        std::fs::set_permissions(path, Permissions::from_mode(0o600)).map_err(failed)?;
        AdminDoor::passed(listener, path)
    }

    /// A socket that another process has bound there.
    ///
    /// # Errors
    /// [`BindError::Io`].
    pub fn passed(listener: UnixListener, path: &Path) -> Result<AdminDoor, BindError> {
        listener.set_nonblocking(true).map_err(|e| BindError::Io(path.into(), e))?;
        Ok(AdminDoor { listener, path: path.into(), is_left: Arc::default(), is_shut: Arc::default() })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// A second handle to the same socket, to be passed on.
    ///
    /// # Errors
    /// The system has no descriptors to give.
    pub fn try_clone(&self) -> io::Result<AdminDoor> {
        let (is_left, is_shut) = (self.is_left.clone(), self.is_shut.clone());
        Ok(AdminDoor { listener: self.listener.try_clone()?, path: self.path.clone(), is_left, is_shut })
    }

    /// The socket, to be passed on.
    pub fn listener(&self) -> &UnixListener {
        &self.listener
    }

    /// From now on the socket is another process's too: it stays in its place when this one ends.
    pub fn leave(&self) {
        self.is_left.store(true, Ordering::Release);
    }

    /// Nobody is let in any more, at the socket or over HTTP.
    pub(super) fn shut(&self) {
        self.is_shut.store(true, Ordering::Release);
    }

    /// Whether nobody is let in any more.
    pub fn is_shut(&self) -> bool {
        self.is_shut.load(Ordering::Acquire)
    }

    /// Removes the socket, unless somebody else has it.
    pub(super) fn remove(&self) {
        if !self.is_left.load(Ordering::Acquire) {
            let _ = std::fs::remove_file(&self.path);
        }
    }
}
