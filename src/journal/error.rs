//! What can be wrong with the journal, in words that say what to do. Calls and the directory never need it.

use crate::store::StoreError;
use thiserror::Error;

/// Why a call wasn't journalled, or the journal can't be read.
#[derive(Debug, Clone, Error)]
#[error("{}", words(.0))]
pub struct JournalError(pub(super) StoreError);

impl From<StoreError> for JournalError {
    fn from(error: StoreError) -> JournalError {
        JournalError(error)
    }
}

impl JournalError {
    /// Whether it is about the call that was to be written, and not about the journal: the next call may do better.
    #[must_use]
    pub fn is_of_the_call(&self) -> bool {
        matches!(self.0, StoreError::TooLarge(_) | StoreError::NotAKey(_))
    }

    /// Whether there is no space, so that trying again is all that helps.
    #[must_use]
    pub fn is_full(&self) -> bool {
        matches!(self.0, StoreError::Full { .. })
    }

    /// Whether the journal was left to another process, so that trying again is of no use.
    #[must_use]
    pub fn is_left(&self) -> bool {
        matches!(self.0, StoreError::HandedOver)
    }

    /// Whether another process has the journal open.
    #[must_use]
    pub fn is_locked(&self) -> bool {
        matches!(self.0, StoreError::Locked(_))
    }
}

fn words(error: &StoreError) -> String {
    match error {
        StoreError::Locked(path) => {
            format!("the journal {} is in use by another process; stop the other strowger, or give this one its own --data", path.display())
        }
        StoreError::Newer { path, found, known } => format!(
            "the journal {} has schema {found}, and this version knows schemas up to {known}; it was left untouched: use the newer strowger",
            path.display()
        ),
        StoreError::Corrupt { path, what } => format!(
            "the journal {} is damaged ({what}) and was not used; calls don't need it: move that directory away, and the next start makes a new one",
            path.display()
        ),
        StoreError::Full { path, free_bytes, needed_bytes } => format!(
            "the disk of the journal {} is full ({free_bytes} bytes free, {needed_bytes} needed); finished calls wait in memory, and are lost when that is full: free some space",
            path.display()
        ),
        StoreError::Failed(what) => format!("the journal failed ({what}); it is opened again and tried again"),
        StoreError::Closed => "the journal is being opened again after a fault; ask again in a moment".to_owned(),
        StoreError::HandedOver => "another process has taken over the journal; ask that one".to_owned(),
        other => other.to_string(),
    }
}
