//! The new process's side.

use super::link::{Link, LinkError};
use super::{FromPredecessor, FromSuccessor, PROTOCOL};
use crate::config::Config;
use crate::control::{AdminDoor, BindError};
use crate::daemon::{Inherited, StartError};
use crate::journal::Journal;
use crate::store::Store;
use std::io;
use std::net::TcpListener;
use std::os::fd::AsFd;
use std::os::unix::net::UnixListener;
use std::path::PathBuf;
use std::time::Duration;

/// How long the old process may take to close its store, behind whatever is written at the moment.
const TAKE_WAIT_MAX: Duration = Duration::from_secs(60);
/// How long it may take to leave the calls to this one. One that is stopped never does; its calls are taken then.
const YOURS_WAIT_MAX: Duration = Duration::from_secs(10);
/// How long it may take to close everything else.
const REST_WAIT_MAX: Duration = Duration::from_secs(30);

/// The process that this one takes over from.
#[derive(Debug)]
pub struct Predecessor {
    link: Link,
    taken: Option<Taken>,
    has_admin: bool,
}

#[derive(Debug)]
struct Taken {
    sockets: Vec<(String, TcpListener)>,
    /// The doors whose sockets a service manager keeps.
    kept: Vec<String>,
    admin: (UnixListener, PathBuf),
}

fn gone(error: &LinkError) -> StartError {
    StartError::TakeOver(format!("the server that was to be taken over from: {error}"))
}

impl Predecessor {
    /// The server whose end of the line is this process's standard input.
    ///
    /// # Errors
    /// There is none.
    pub fn at_stdin() -> io::Result<Predecessor> {
        let end = io::stdin().as_fd().try_clone_to_owned()?;
        Ok(Predecessor { link: Link::of(end)?, taken: None, has_admin: false })
    }

    /// Another handle to the same line, to say on it what comes of it.
    ///
    /// # Errors
    /// The system has no descriptors to give.
    pub fn try_clone(&self) -> io::Result<Predecessor> {
        Ok(Predecessor { link: self.link.try_clone()?, taken: None, has_admin: false })
    }

    /// Says that this program can take over with this configuration, and waits for what it is given.
    ///
    /// # Errors
    /// It can't, or the old server doesn't want it to.
    pub fn introduce(&mut self, config: &Config) -> Result<(), StartError> {
        Store::check_schema(&config.store_dir())?;
        Journal::check_schema(&config.journal_dir()).map_err(|e| StartError::TakeOver(e.to_string()))?;
        self.say(&FromSuccessor::Fit { protocol: PROTOCOL, version: env!("CARGO_PKG_VERSION").to_owned(), pid: std::process::id() })?;
        let (said, mut passed) = self.link.hear(TAKE_WAIT_MAX).map_err(|e| gone(&e))?;
        let FromPredecessor::Take { sockets, kept, admin } = said else {
            return Err(gone(&LinkError::Strange(format!("{said:?} where the sockets should come"))));
        };
        let (Some(last), true) = (passed.pop(), passed.len() == sockets.len()) else {
            return Err(gone(&LinkError::Strange(format!("{} sockets with {} names", passed.len(), sockets.len()))));
        };
        let sockets = sockets.into_iter().zip(passed.into_iter().map(TcpListener::from)).collect();
        self.taken = Some(Taken { sockets, kept, admin: (UnixListener::from(last), admin) });
        Ok(())
    }

    /// The sockets that were passed, of the doors that they are named after.
    pub(in crate::daemon) fn sockets(&mut self) -> Inherited {
        match &mut self.taken {
            Some(taken) => Inherited::of_predecessor(std::mem::take(&mut taken.sockets), &taken.kept),
            None => Inherited::default(),
        }
    }

    /// The admin socket: the old server's where it is in the right place, else one of this process's own.
    pub(in crate::daemon) fn admin(&mut self, config: &Config) -> Result<AdminDoor, BindError> {
        match self.taken.take().map(|taken| taken.admin) {
            Some((listener, path)) if path == config.admin => {
                self.has_admin = true;
                AdminDoor::passed(listener, &path)
            }
            _ => AdminDoor::bind(&config.admin),
        }
    }

    /// Says that calls can be taken in, and waits until they are this process's.
    pub(in crate::daemon) fn until_calls_are_ours(&self) -> Result<(), StartError> {
        // one that is gone is found out below
        let _ = self.link.say(&FromSuccessor::Ready { has_admin: self.has_admin }, &[]);
        match self.link.hear(YOURS_WAIT_MAX) {
            Ok((FromPredecessor::Yours, _)) => Ok(()),
            Ok((said, _)) => Err(gone(&LinkError::Strange(format!("{said:?} where the calls should come")))),
            // nobody else answers them
            Err(error) => {
                tracing::warn!(%error, "the old process didn't leave its calls to this one, which takes them all the same");
                Ok(())
            }
        }
    }

    /// Says that calls are taken in.
    pub(in crate::daemon) fn serves(&self) {
        // one that is gone needs no telling
        let _ = self.link.say(&FromSuccessor::Serving, &[]);
    }

    /// Waits until everything else is this process's, too.
    pub(in crate::daemon) fn until_all_is_ours(&self) {
        match self.link.hear(REST_WAIT_MAX) {
            Ok((FromPredecessor::Rest, _)) => {}
            Ok((said, _)) => tracing::warn!(?said, "the old process said something that isn't understood"),
            Err(error) => tracing::warn!(%error, "the old process didn't say good-bye"),
        }
    }

    /// Says why it comes to nothing, where somebody listens yet.
    pub fn fail(&self, why: &str) {
        let _ = self.link.say(&FromSuccessor::Failed { why: why.to_owned() }, &[]);
    }

    fn say(&self, message: &FromSuccessor) -> Result<(), StartError> {
        self.link.say(message, &[]).map_err(|e| gone(&LinkError::Io(e)))
    }
}
