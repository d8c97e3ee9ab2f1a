//! The event plane: what the switches say of calls, as it happens. Nobody waits for it.
//!
//! [`source`] holds the sockets, and is all of it that runs at normal priority: it logs in, drains, frames, and puts items
//! into a bounded ring, or drops and counts them. Everything else runs behind calls: [`state`] makes one vocabulary of both
//! switches' words, [`EventPlane`] hands what it says to the feed and the journal.

mod item;
mod names;
mod plane;
pub mod source;
pub mod state;

pub use item::{Item, Names, Now, Output, Remember, SourceInfo, SwitchKind};
pub use names::DirectoryNames;
pub use plane::{EventPlane, Fault};
