//! strowger: an external control agent for Asterisk.

pub mod call;
pub mod clock;
pub mod control;
pub mod directory;
pub mod number;
pub mod routing;
pub mod stats;
pub mod store;
pub mod wire;
