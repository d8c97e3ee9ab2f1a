//! A running server gives itself to another program, as far as administrators see of it.

use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// Who has taken over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Successor {
    /// Its process id.
    pub pid: u32,
    /// Its version.
    pub version: String,
    /// The program that it runs.
    pub program: PathBuf,
    /// From the start of the program to the first call that it could take. Milliseconds.
    pub took_ms: u64,
    /// Sessions that the old process still had then, and finishes.
    pub sessions: u64,
}

/// Why nobody has taken over; the server goes on as before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "reason", content = "why")]
pub enum NotHandedOver {
    /// The program isn't able to.
    Unfit(String),
    /// The server can't be handed over at this moment.
    Busy(String),
}

/// Whoever can hand a running server over.
pub trait HandOver: Send + Sync {
    /// Starts a program, this one's own if none is named, and lets it take over; waits until it has everything. This process
    /// finishes what it has, the answer to whoever asked included, and ends.
    ///
    /// # Errors
    /// [`NotHandedOver`]; this process serves as before.
    fn give(&self, program: Option<&Path>) -> Result<Successor, NotHandedOver>;
}
