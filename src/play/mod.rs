//! The switch's side over a real socket: one call to look at ([`call()`]), or many to measure ([`load`]).
//! And switches that tell more than anybody can hear ([`flood`]).
//!
//! Both do what Asterisk and FreeSWITCH were seen to do (`switch_side` under `wire::agi` and `wire::esl` holds how they
//! write and read): a new connection for every call, what the call is in one go, a reply to each command, and the end as
//! the switch makes it ([`Way`] says which of them asks, and how). Unlike the switches, every wait has an end.
//!
//! These are tools for the command line, the demo and tests; no part of the server uses them.

mod asterisk;
pub mod call;
pub mod flood;
mod http;
pub mod load;
pub mod report;
mod socket;

pub use crate::wire::esl::switch_side::SocketMode;
pub use call::{Afterwards, CallError, CallFields, Conversation, Direction, Ended, Way, call, call_by};
pub use load::{LoadError, LoadPlan, LoadWay, Pace, run as run_load, run_by as run_load_by};
pub use report::LoadReport;

#[cfg(test)]
mod freeswitch_tests;
#[cfg(test)]
mod tests;
