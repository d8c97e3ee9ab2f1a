//! What an event says.

use super::CallView;
use serde::Serialize;
use std::sync::Arc;

/// What happened. In JSON its `type` stands beside the event's own fields.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "type")]
pub enum What {
    /// A call began: its caller hears it ring.
    #[serde(rename = "call.ringing")]
    Ringing {
        /// The call.
        call: Arc<CallView>,
    },
    /// Somebody answered: a person (then `answered_by` is there), or the switch itself.
    #[serde(rename = "call.answered")]
    Answered {
        /// The call.
        call: Arc<CallView>,
    },
    /// Caller and called party hear each other (again).
    #[serde(rename = "call.bridged")]
    Bridged {
        /// The call.
        call: Arc<CallView>,
    },
    /// A party holds; the end of holding is `call.bridged`.
    #[serde(rename = "call.held")]
    Held {
        /// The call.
        call: Arc<CallView>,
    },
    /// A party gave the call to somebody else: `transferred_to`.
    #[serde(rename = "call.transferred")]
    Transferred {
        /// The call.
        call: Arc<CallView>,
    },
    /// Something else of the call has changed: a leg rings or is gone, a name has come.
    #[serde(rename = "call.changed")]
    Changed {
        /// The call.
        call: Arc<CallView>,
    },
    /// It is over.
    #[serde(rename = "call.ended")]
    Ended {
        /// The call.
        call: Arc<CallView>,
    },
    /// A screen should pop up, or close.
    #[serde(rename = "pop")]
    Pop(Pop),
    /// A device's state.
    #[serde(rename = "device")]
    Device(Device),
    /// A phone or trunk is registered, or no longer.
    #[serde(rename = "registration")]
    Registration(Registration),
    /// Somebody came into a conference.
    #[serde(rename = "conference.joined")]
    ConferenceJoined(Conference),
    /// Somebody left one.
    #[serde(rename = "conference.left")]
    ConferenceLeft(Conference),
    /// Events were lost, or a switch could not be seen: what is known may be wrong until the next `repaired`.
    #[serde(rename = "gap")]
    Gap(Gap),
    /// The state was made good from the switch's own: what is known is right again.
    #[serde(rename = "repaired")]
    Repaired,
    /// An event as the switch wrote it.
    #[serde(rename = "raw")]
    Raw(Raw),
}

impl What {
    /// Every `type`.
    pub const TYPES: &'static [&'static str] = &[
        "call.ringing",
        "call.answered",
        "call.bridged",
        "call.held",
        "call.transferred",
        "call.changed",
        "call.ended",
        "pop",
        "device",
        "registration",
        "conference.joined",
        "conference.left",
        "gap",
        "repaired",
        "raw",
    ];

    /// What it takes in memory, roughly. A call that several events share counts with each.
    #[must_use]
    pub fn bytes(&self) -> usize {
        const FLAT_BYTES: usize = 1_024;
        const LEG_BYTES: usize = 512;
        const RULE_BYTES: usize = 128;
        const FIELD_BYTES: usize = 64;
        match self {
            What::Raw(raw) => FLAT_BYTES + raw.fields.iter().map(|(name, value)| FIELD_BYTES + name.len() + value.len()).sum::<usize>(),
            what => what.call().map_or(FLAT_BYTES, |call| {
                let rules: usize = call.decided.iter().map(|decided| 1 + decided.trace.len()).sum();
                FLAT_BYTES + call.legs.len() * LEG_BYTES + rules * RULE_BYTES
            }),
        }
    }

    /// Its `type`.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            What::Ringing { .. } => "call.ringing",
            What::Answered { .. } => "call.answered",
            What::Bridged { .. } => "call.bridged",
            What::Held { .. } => "call.held",
            What::Transferred { .. } => "call.transferred",
            What::Changed { .. } => "call.changed",
            What::Ended { .. } => "call.ended",
            What::Pop(_) => "pop",
            What::Device(_) => "device",
            What::Registration(_) => "registration",
            What::ConferenceJoined(_) => "conference.joined",
            What::ConferenceLeft(_) => "conference.left",
            What::Gap(_) => "gap",
            What::Repaired => "repaired",
            What::Raw(_) => "raw",
        }
    }

    /// The call, where it is of one.
    #[must_use]
    pub fn call(&self) -> Option<&Arc<CallView>> {
        match self {
            What::Ringing { call }
            | What::Answered { call }
            | What::Bridged { call }
            | What::Held { call }
            | What::Transferred { call }
            | What::Changed { call }
            | What::Ended { call } => Some(call),
            What::Pop(pop) => Some(&pop.call),
            _ => None,
        }
    }
}

/// How a screen pop ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum PopEnd {
    /// This extension answered.
    Answered,
    /// Somebody else did: `winner`.
    AnsweredElsewhere,
    /// Nobody did.
    Ended,
}

/// A screen pop at one extension: it opens when the phone rings, with the caller's contact, and closes when it stops.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Pop {
    /// Whose screen: the extension or number that rings.
    pub extension: String,
    /// How it closes; none where it opens.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub closed: Option<PopEnd>,
    /// Who answered, where somebody did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub winner: Option<String>,
    /// The call.
    pub call: Arc<CallView>,
}

/// A device's state.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Device {
    /// As the switch calls it: `PJSIP/101`, `101@pbx.example`.
    pub device: String,
    /// Its extension, where it can be told.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub extension: Option<String>,
    /// `not-in-use`, `in-use`, `busy`, `ringing`, `ring-in-use`, `on-hold`, `unavailable`, `invalid`, `unknown`.
    pub state: String,
}

/// A registration's state.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Registration {
    /// Who: an extension, a contact, a trunk.
    pub who: String,
    /// Its extension, where it is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub extension: Option<String>,
    /// Whether it is registered.
    pub registered: bool,
}

/// Somebody in a conference.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Conference {
    /// The room.
    pub room: String,
    /// The channel's id.
    pub leg: String,
    /// The member's number.
    pub number: String,
    /// How many are in the room now.
    pub members: usize,
}

/// What was missed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Gap {
    /// Why: `connection-lost`, `overrun`, `suspect`, `restarted`, `behind`.
    pub why: String,
    /// How many events were dropped, where that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lost: Option<u64>,
}

/// An event as it came.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Raw {
    /// Its name: `UserEvent`, `CHANNEL_ANSWER`.
    pub event: String,
    /// Names and values in order; text, what is no UTF-8 replaced.
    pub fields: Vec<(String, String)>,
}
