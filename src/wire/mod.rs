//! Wire formats: bytes to messages and back, for what the switches say.
//!
//! Nothing in here knows a socket, a clock, a runtime or a telephone number; that is why every rule about a switch's
//! bytes can be tested from a recorded transcript. A decoder is fed a buffer and takes whole messages from it; it never
//! lets the buffer grow beyond a named bound, and a peer that writes something else is refused where it first differs.

pub mod agi;
pub mod ami;
pub mod clean;
pub mod esl;
mod names;
