//! What passes between the parts of the event plane.

use crate::cti::{CallView, Draft, SourceStats};
use crate::decided::LetOut;
use crate::number::Class;
use crate::wire::{ami, esl};
use std::net::SocketAddr;
use std::sync::Arc;

/// Which switch it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SwitchKind {
    /// Asterisk, by its manager interface.
    Asterisk,
    /// FreeSWITCH, by its inbound event socket.
    FreeSwitch,
}

/// What the parts need to know of a source.
#[derive(Clone)]
pub struct SourceInfo {
    /// Its name in the configuration.
    pub name: String,
    /// What it is.
    pub kind: SwitchKind,
    /// Where it listens; questions from there are its own.
    pub address: SocketAddr,
    /// The tenant of calls that no decision was given for.
    pub tenant: String,
    /// Its counters.
    pub stats: Arc<SourceStats>,
}

/// One thing out of a source's ring, in the order it came.
#[derive(Debug)]
pub enum Item {
    /// Logged in. The identity tells whether two sources are one switch: FreeSWITCH's `Core-UUID`, Asterisk's system name
    /// and the moment it started; empty where that isn't known.
    Up {
        /// The identity.
        identity: String,
    },
    /// The connection is lost, or was never made. Nothing is known of what happens from here on.
    Down {
        /// Why, in a word.
        why: &'static str,
    },
    /// Events were dropped here, or can't be believed; a snapshot follows as soon as it can.
    Gap {
        /// Why, in a word: `overrun`, `suspect`.
        why: &'static str,
        /// How many.
        lost: u64,
    },
    /// From here to [`Item::SnapshotEnd`] the switch's own state is mixed in with events: list items on Asterisk
    /// (`CoreShowChannel`, `DeviceStateChange`, …: those with an action id), [`Item::Listing`] on FreeSWITCH.
    SnapshotBegin,
    /// The whole state was told, if `whole`; what is live and wasn't in it is over.
    SnapshotEnd {
        /// Whether nothing of it was lost.
        whole: bool,
    },
    /// A packet of Asterisk's: an event, or an item of a list.
    Packet(ami::Packet),
    /// An event frame of FreeSWITCH's, JSON.
    Frame(esl::Frame),
    /// An answer of FreeSWITCH's to `show … as json`: which, and the JSON.
    Listing {
        /// `channels`, `registrations`.
        what: &'static str,
        /// The JSON as it came.
        json: bytes::Bytes,
    },
}

/// The time, by both clocks: one that people set, and one that nobody sets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Now {
    /// Microseconds since 1970.
    pub wall_us: u64,
    /// Microseconds since some moment, never backwards.
    pub monotonic_us: u64,
}

/// What the state has to say.
#[derive(Debug, Clone)]
pub enum Output {
    /// For the feed. (Boxed calls inside: cheap to pass on.)
    Say(Draft),
    /// A call is over: for the journal. Said once for a call.
    Finished(Arc<CallView>),
    /// What calls may glance at has changed: tenant, extension, hint.
    Hint(String, String, crate::hints::Hint),
    /// Something else that routing may glance at.
    Remember(Remember),
}

/// What is remembered of calls for those to come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Remember {
    /// Switches are heard.
    Heard,
    /// A member has answered: tenant, and extension or number.
    Answered(String, String),
    /// So many calls of a class live: an extension's, or all of the tenant's.
    Live {
        /// The tenant.
        tenant: String,
        /// The extension; `None` is all of them.
        extension: Option<String>,
        /// The class.
        class: Class,
        /// How many.
        calls: u32,
    },
    /// A call that was let out lives, and is counted: the tenant's.
    Seen(String, LetOut),
}

/// Who has a number: the directory, as far as the event plane may ask it.
pub trait Names {
    /// The number as the tenant reads it (canonical where it can be), and the contact that has it: id and name.
    fn look_up(&self, tenant: &str, number: &str) -> (String, Option<(String, String)>);
}
