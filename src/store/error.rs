//! What can be wrong with a store, in words that say what to do.

use std::path::PathBuf;
use thiserror::Error;

/// Why the store can't be used. Nothing was lost unless the text says so.
#[derive(Debug, Clone, Error)]
pub enum StoreError {
    /// Another process has it open.
    #[error("the store {0} is in use by another process; stop the other strowger, or give this one its own --data")]
    Locked(PathBuf),
    /// The directory can't be created or written.
    #[error("the store {path} can't be written ({error}); make the directory writable for this user, or choose another with --data")]
    NotWritable {
        /// Where.
        path: PathBuf,
        /// What the system said.
        error: String,
    },
    /// It belongs to somebody else.
    #[error("the store {path} belongs to user {owner}, and this is user {user}; run this command as the store's owner")]
    NotOwner {
        /// Where.
        path: PathBuf,
        /// Its owner's uid.
        owner: u32,
        /// Our uid.
        user: u32,
    },
    /// Written by a newer version.
    #[error(
        "the store {path} has schema {found}, and this version knows schemas up to {known}; it was left untouched: use the newer strowger"
    )]
    Newer {
        /// Where.
        path: PathBuf,
        /// Its schema.
        found: u32,
        /// Ours.
        known: u32,
    },
    /// Damaged.
    #[error("the store {path} is damaged ({what}) and was not used: keep a copy of the directory and restore a backup")]
    Corrupt {
        /// Where.
        path: PathBuf,
        /// What was found.
        what: String,
    },
    /// No space.
    #[error(
        "the disk of the store {path} is full ({free_bytes} bytes free, {needed_bytes} needed); the edit was not made and nothing was lost: free some space"
    )]
    Full {
        /// Where.
        path: PathBuf,
        /// What is left.
        free_bytes: u64,
        /// What has to be left.
        needed_bytes: u64,
    },
    /// A write failed; the store takes no more edits until it is opened again.
    #[error("writing the store failed ({0}); edits are refused until strowger is started again, calls are still answered")]
    Failed(String),
    /// Another process, which takes over from this one, has it.
    #[error("a new process of the server is taking over the store; nothing was changed: try again in a moment")]
    HandedOver,
    /// The store is shutting down.
    #[error("the store is closed")]
    Closed,
    /// Something larger than the store takes.
    #[error("{0}")]
    TooLarge(String),
    /// An id or a tenant that can't be a key; the text says which and what would be right.
    #[error("{0}")]
    NotAKey(String),
    /// The system can't do something (a file system that can't exchange two names, no descriptor to be had); the text says what.
    #[error("{0}")]
    Unable(String),
    /// The thing isn't what an edit was made over.
    #[error(
        "it has been changed in the meantime, and its revision is {revision} (0: it isn't there); read it anew and make the edit over that"
    )]
    Stale {
        /// What it has now; 0 where it isn't there.
        revision: u64,
    },
    /// Others were faster, again and again.
    #[error("{0}")]
    Busy(String),
}
