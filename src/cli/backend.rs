//! Who carries out a request: the server that runs over the store, or, where none does, this process itself.

use super::args::Global;
use super::exit::{Exit, Failure};
use crate::clock::SystemClock;
use crate::config::{Config, Overrides};
use crate::control::{Client, ClientError, Desk, Reply, Request};
use crate::daemon::threads::{Priority, spawn};
use crate::store::{By, Store, StoreError};
use std::path::PathBuf;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;
use tempfile::TempDir;

/// How often a store that another process has is tried, and the pause in between: a second in all.
const LOCKED_LOOKS_MAX: u32 = 20;
const LOCKED_PAUSE: Duration = Duration::from_millis(50);

/// What the global options say, for the configuration. systemd names the state directory too.
pub(super) fn overrides(global: &Global) -> Overrides {
    let state = || std::env::var_os("STATE_DIRECTORY").filter(|d| !d.is_empty()).map(PathBuf::from);
    Overrides {
        config: global.config.clone(),
        data: global.data.clone().or_else(state),
        admin: global.admin.clone(),
        ..Overrides::default()
    }
}

/// A way to have requests carried out.
pub(super) enum Backend {
    /// The server does it.
    Server(Client),
    /// This process does it.
    Own {
        /// The desk.
        desk: Box<Desk>,
        /// The store that is open.
        store: Store,
        /// Its writer.
        writer: Option<JoinHandle<()>>,
        /// The data directory.
        data: PathBuf,
        /// Where the store is, if it is only there for as long as this is.
        passing: Option<TempDir>,
    },
}

impl Backend {
    /// The server if one runs, else the store itself.
    pub(super) fn open(global: &Global) -> Result<Backend, Failure> {
        Backend::open_configured(Config::load(overrides(global))?, None)
    }

    /// The same for a command that only tries something out: where there is no store, it is tried over an empty one that is
    /// gone with it.
    pub(super) fn open_untouched(global: &Global) -> Result<Backend, Failure> {
        let config = Config::load(overrides(global))?;
        if config.admin.exists() || config.store_dir().exists() {
            return Backend::open_configured(config, None);
        }
        let failed = |e: std::io::Error| Failure::new(Exit::Store, format!("no empty store can be made to try it over ({e}); set TMPDIR"));
        Backend::open_configured(config, Some(tempfile::tempdir().map_err(failed)?))
    }

    fn open_configured(config: Config, passing: Option<TempDir>) -> Result<Backend, Failure> {
        let store_dir = passing.as_ref().map_or_else(|| config.store_dir(), |dir| dir.path().join("store"));
        let mut looks = 1;
        let (store, writer) = loop {
            match Client::connect(&config.admin) {
                Ok(client) => return Ok(Backend::Server(client)),
                Err(ClientError::NoServer(_)) => {}
                Err(error) => return Err(error.into()),
            }
            match Store::open(&store_dir, Arc::new(SystemClock)) {
                // another command line has it for a moment, or a server that is just starting
                Err(StoreError::Locked(_)) if looks < LOCKED_LOOKS_MAX => {
                    looks += 1;
                    std::thread::sleep(LOCKED_PAUSE);
                }
                opened => break opened?,
            }
        };
        let writer = spawn("writer", Priority::Normal, move || writer.run()).map_err(|e| Failure::new(Exit::Trouble, e.to_string()))?;
        let who = By::new(format!("uid {}", rustix::process::geteuid().as_raw()), "console");
        let desk = Desk::new(store.clone(), Arc::new(config.tenants), who, None);
        Ok(Backend::Own { desk: Box::new(desk), store, writer: Some(writer), data: config.data, passing })
    }

    /// The same for a command that changes nothing, and so makes no store where there is none.
    pub(super) fn look(global: &Global) -> Result<Backend, Failure> {
        let config = Config::load(overrides(global))?;
        if !config.admin.exists() && !config.store_dir().exists() {
            let text = format!(
                "there is no store in {}; start the server or make an edit first, or name the right place with --data",
                config.data.display()
            );
            return Err(Failure::new(Exit::Store, text));
        }
        Backend::open(global)
    }

    /// Only the server will do.
    pub(super) fn server(global: &Global) -> Result<Backend, Failure> {
        let config = Config::load(overrides(global))?;
        Ok(Backend::Server(Client::connect(&config.admin)?))
    }

    /// The data directory, where no server runs over it.
    pub(super) fn own_store(&self) -> Option<String> {
        match self {
            Backend::Server(_) | Backend::Own { passing: Some(_), .. } => None,
            Backend::Own { data, passing: None, .. } => Some(data.display().to_string()),
        }
    }

    /// Has a request carried out; a reply that says it wasn't is a failure.
    pub(super) fn ask(&mut self, request: Request) -> Result<Reply, Failure> {
        let reply = match self {
            Backend::Server(client) => client.ask(&request)?,
            Backend::Own { desk, .. } => desk.apply(request),
        };
        said(reply)
    }
}

/// A reply, or the failure that it tells of.
pub(super) fn said(reply: Reply) -> Result<Reply, Failure> {
    match reply {
        Reply::NotFound(text) => Err(Failure::new(Exit::NotFound, text)),
        Reply::BadInput(text) => Err(Failure::new(Exit::BadInput, text)),
        Reply::Store(text) | Reply::TryAgain(text) => Err(Failure::new(Exit::Store, text)),
        reply => Ok(reply),
    }
}

impl Drop for Backend {
    fn drop(&mut self) {
        if let Backend::Own { store, writer, .. } = self {
            store.close();
            if let Some(writer) = writer.take() {
                let _ = writer.join();
            }
        }
    }
}

/// A reply that doesn't fit the request: a server of another version.
pub(super) fn unexpected() -> Failure {
    Failure::new(Exit::NoServer, "the server's reply doesn't fit the request; use the command line of the server's version")
}
