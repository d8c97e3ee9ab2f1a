//! The switch's side over a real socket: one call to look at ([`call()`]), or many to measure ([`load`]).
//!
//! Both do what Asterisk was seen to do (`wire::agi::switch_side` holds how it writes and reads): a new connection for
//! every call, the environment first, one reply to each command, `HANGUP` after the server's FIN. Unlike Asterisk, the
//! environment goes out in one write and not in 25, and every wait has an end.
//!
//! These are tools for the command line, the demo and tests; no part of the server uses them.

pub mod call;
pub mod load;
pub mod report;

pub use call::{CallError, CallFields, Conversation, Direction, Ended, call};
pub use load::{LoadError, LoadPlan, Pace, run as run_load};
pub use report::LoadReport;

#[cfg(test)]
mod tests;
