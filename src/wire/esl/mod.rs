//! FreeSWITCH's event socket, from our side: bytes ↔ messages, whichever side connected.
//!
//! What of FreeSWITCH shaped this module (seen on 1.10.12; `mod_event_socket.c`):
//!
//! * It says the same things on both kinds of connection: replies, events, log lines, notices, all in one frame format
//!   ([`frame`]). Headers repeat, and some frames are percent-encoded in a way that loses a little ([`headers`]).
//! * An event comes plain or as JSON ([`event`]); a value may be an array, and of any charset.
//! * It reads headers byte by byte and bodies at once, and any number of variables can be set by one `multiset`
//!   ([`command`]). What it would expand is taken out before ([`Value`]).
//! * [`switch_side`] is its own half of the outbound socket, for tests, `strowger call` and `strowger bench`.

pub mod command;
pub mod event;
pub mod frame;
pub mod headers;
pub mod log;
pub mod switch_side;
pub mod value;

pub use command::{AppName, CommandError, VariableName};
pub use event::{Event, EventError, EventValue};
pub use frame::{Frame, FrameDecoder, FrameError, FrameKind, FrameLimits};
pub use headers::{Headers, percent_decode};
pub use log::LogLine;
pub use value::Value;
