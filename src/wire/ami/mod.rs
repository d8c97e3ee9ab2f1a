//! Asterisk's manager interface (AMI), from the client's side: bytes ↔ messages.
//!
//! What of Asterisk shaped this module (seen on 22.10.1 and 16.28.0):
//!
//! * A banner, then packets: `Name: value` lines, each ended by CR LF, and a blank line. Names repeat, values hold colons,
//!   line feeds and any charset ([`fields`]).
//! * **A caller can write packets.** PJSIP decodes `%0D%0A` in the user part of a URI, and what it gives is written into
//!   `CallerIDNum` as it is: 67 characters of a From header made a whole `Hangup` of somebody else's call. So each packet
//!   is looked at before it is handed out ([`suspicion`]), and what doesn't look like Asterisk's own is handed out as
//!   [`Packet::Suspect`]. No look finds everything: act on nothing that matters by AMI's word alone.
//! * A reader that is too slow is cut off in the middle of a packet, without a word ([`PacketError::Cut`]).
//! * A line of an action is limited, and an event mask of none but unknown classes switches all events off ([`command`]).

pub mod command;
pub mod decoder;
pub mod fields;
pub mod packet;
pub mod suspicion;

pub use command::{ActionId, ActionName, CommandError, EventClass, EventMask, EventName, Filter, HeaderName};
pub use decoder::{PacketDecoder, PacketError, PacketLimits};
pub use fields::{Fields, LineEnd};
pub use packet::{ListMark, Packet, Version};
pub use suspicion::Suspicion;
