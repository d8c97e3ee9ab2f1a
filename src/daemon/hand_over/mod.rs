//! A running server gives itself to another process, without a call that is refused.
//!
//! The old process starts the new program with one end of a socket pair as its standard input, and the two speak over it:
//!
//! ```text
//! old                                         new
//!                                 <- fit      read the configuration, looked at the store's schema
//! closes the store's files
//! take, with the sockets ->                   opens the store, reads its snapshot, starts its threads
//!                                 <- ready
//! takes nobody in any more
//! yours ->                                    takes calls in
//!                                 <- serving
//! finishes; closes admin socket and journal
//! rest ->                                     takes edits, opens the journal
//! ends
//! ```
//!
//! Until `yours` the old process answers every call, from its snapshot; from then on the new one does, on the same sockets, and
//! who comes in between waits in them. Edits are refused between `take` and `rest`, and whoever made one is told to try again.
//! Whatever goes wrong before `serving` ends the new process and leaves the old one as it was; but a program that knows a newer
//! schema marks the store with it when it opens it, and an old process that finds that mark answers calls and takes no more
//! edits. If the old one dies after `take`, the new one goes on, unless a service manager ends both.

mod giving;
mod link;
mod predecessor;

pub(super) use giving::{Asker, Estate, GiveReply, Given, Order};
pub use predecessor::Predecessor;

use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// What both have to speak. A program that speaks another one can't take over; a restart is needed then.
const PROTOCOL: u32 = 1;

/// What the new process says.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "say")]
enum FromSuccessor {
    /// It can take over, as far as it knows.
    Fit { protocol: u32, version: String, pid: u32 },
    /// It could take calls in.
    Ready {
        /// Whether the admin socket is where it was.
        has_admin: bool,
    },
    /// It does.
    Serving,
    /// It can't, and ends.
    Failed { why: String },
}

/// What the old process says.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "say")]
enum FromPredecessor {
    /// The store is free. The sockets come with it: those named here, and the admin socket behind them.
    Take {
        sockets: Vec<String>,
        /// The names of those that a service manager keeps, too.
        kept: Vec<String>,
        /// Where the admin socket is.
        admin: PathBuf,
    },
    /// Calls.
    Yours,
    /// Everything else.
    Rest,
}
