//! Exit statuses: a contract with scripts.

use crate::config::ConfigError;
use crate::control::ClientError;
use crate::daemon::StartError;
use crate::journal::JournalError;
use crate::store::StoreError;
use std::process::ExitCode;

/// How the program ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Exit {
    /// Done, or found.
    Done = 0,
    /// Not found.
    NotFound = 1,
    /// Wrong usage or bad input.
    BadInput = 2,
    /// The server can't be reached.
    NoServer = 3,
    /// The store can't be used.
    Store = 4,
    /// Anything else is a bug, or a machine in trouble.
    Trouble = 70,
}

/// Every status and what it means, as help and manual tell it.
const MEANINGS: [(Exit, &str); 6] = [
    (Exit::Done, "done, or found"),
    (Exit::NotFound, "not found"),
    (Exit::BadInput, "wrong usage or bad input"),
    (Exit::NoServer, "the server cannot be reached"),
    (Exit::Store, "the store cannot be used: locked, corrupt, newer or full"),
    (Exit::Trouble, "a bug, or a machine in trouble"),
];

/// The end of the help.
pub(super) fn help() -> String {
    let line = |(exit, meaning): (Exit, &str)| format!("\n  {:<2}  {meaning}", exit as u8);
    format!("EXIT CODES:{}", MEANINGS.map(line).concat())
}

/// The section of the manual, in the language of man(7).
pub(super) fn manual() -> String {
    let item = |(exit, meaning): (Exit, &str)| format!(".TP\n\\fB{}\\fR\n{meaning}\n", exit as u8);
    format!(".SH \"EXIT STATUS\"\n{}", MEANINGS.map(item).concat())
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> ExitCode {
        ExitCode::from(exit as u8)
    }
}

/// Why a command failed, for a person to read.
#[derive(Debug)]
pub(super) struct Failure {
    pub(super) exit: Exit,
    pub(super) text: String,
}

impl Failure {
    pub(super) fn new(exit: Exit, text: impl Into<String>) -> Failure {
        Failure { exit, text: text.into() }
    }
}

impl From<ConfigError> for Failure {
    fn from(error: ConfigError) -> Failure {
        Failure::new(Exit::BadInput, error.to_string())
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Failure {
        Failure::new(Exit::Store, error.to_string())
    }
}

impl From<JournalError> for Failure {
    fn from(error: JournalError) -> Failure {
        Failure::new(Exit::Store, error.to_string())
    }
}

impl From<ClientError> for Failure {
    fn from(error: ClientError) -> Failure {
        Failure::new(Exit::NoServer, error.to_string())
    }
}

impl From<StartError> for Failure {
    fn from(error: StartError) -> Failure {
        let exit = match &error {
            StartError::Store(_) => Exit::Store,
            StartError::Listen { .. } | StartError::Admin(_) => Exit::BadInput,
            StartError::Thread(_) | StartError::TakeOver(_) => Exit::Trouble,
        };
        Failure::new(exit, error.to_string())
    }
}
