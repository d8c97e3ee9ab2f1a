//! The event plane: what the switches say of calls, as it happens. Nobody waits for it.
//!
//! [`source`] holds the sockets, and is all of it that runs at normal priority: it logs in, drains, frames, and puts items
//! into a bounded ring, or drops and counts them. Everything else runs behind calls: [`state`] makes one vocabulary of both
//! switches' words, [`plane`] hands what it says to the feed and the journal.

mod item;
pub mod source;

pub use item::{Item, Names, Now, Output, SourceInfo, SwitchKind};
