//! strowger: an external control agent for Asterisk and FreeSWITCH.

pub mod access;
pub mod call;
pub mod cli;
pub mod clock;
pub mod config;
pub mod control;
pub mod cti;
pub mod daemon;
pub mod decided;
pub mod directory;
pub mod event;
pub mod expansion;
pub mod hints;
pub mod journal;
pub mod memory;
pub mod nearest;
pub mod number;
pub mod peers;
pub mod plan;
pub mod play;
pub mod routing;
pub mod span;
pub mod stats;
pub mod store;
pub mod wire;
pub mod wish;
