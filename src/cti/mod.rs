//! What the CTI side is told: one vocabulary for both switches, and the feed it is told by.
//!
//! The event plane says it, the admin plane passes it on; neither knows the other, both know this. Nothing here does I/O,
//! and no call waits for anything here: its locks are held by threads behind calls only.

mod call;
mod hub;
mod stats;
mod time;
mod what;

pub use call::{Answered, CallState, CallView, Decided, Disposition, LegState, LegView, Party};
pub use hub::{Cursor, Draft, Event, EventId, Hub, HubLimits, Known, Page, RawWanted, Snapshot};
pub use stats::{PlaneStats, SourcePhase, SourceStats};
pub use time::{rfc3339, rfc3339_option};
pub use what::{Conference, Device, Gap, Pop, PopEnd, Raw, Registration, What};
