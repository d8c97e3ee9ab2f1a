//! A call, as the CTI side sees it.

use super::time::{instant, rfc3339_option};
use serde::Serialize;

/// Where a call stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum CallState {
    /// Nobody has answered yet.
    Ringing,
    /// Somebody has: a person, or the switch itself (a menu, a mailbox).
    Answered,
    /// The caller talks to somebody.
    Bridged,
    /// The same, and one of them holds.
    Held,
    /// It is over.
    Ended,
}

/// Where one leg stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum LegState {
    /// Being called.
    Dialing,
    /// Its phone rings.
    Ringing,
    /// It was answered.
    Up,
    /// It is held.
    Held,
    /// It has hung up.
    Ended,
}

/// How a call came out, in the words of call records.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Disposition {
    /// Somebody answered.
    Answered,
    /// Nobody did in time.
    NoAnswer,
    /// The called party was busy.
    Busy,
    /// The caller gave up first.
    Cancelled,
    /// It couldn't be put through.
    Failed,
    /// Its end wasn't seen: the switch was lost, or never said so.
    Unknown,
}

impl Disposition {
    /// Every disposition.
    pub const ALL: &'static [Disposition] = &[
        Disposition::Answered,
        Disposition::NoAnswer,
        Disposition::Busy,
        Disposition::Cancelled,
        Disposition::Failed,
        Disposition::Unknown,
    ];

    /// The word in JSON, CSV and on the terminal.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Disposition::Answered => "answered",
            Disposition::NoAnswer => "no-answer",
            Disposition::Busy => "busy",
            Disposition::Cancelled => "cancelled",
            Disposition::Failed => "failed",
            Disposition::Unknown => "unknown",
        }
    }
}

/// Who calls, or is called.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Party {
    /// The number, canonical where it could be read (`+14155550101`, `101`), else as the switch wrote it; empty where there
    /// is none or it is withheld.
    pub number: String,
    /// The name: the directory's, else what the switch says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The contact's id, where the directory knows the number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub contact: Option<String>,
    /// Whether the number is withheld.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub withheld: bool,
}

/// One leg that was called.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LegView {
    /// The switch's own id of it.
    pub id: String,
    /// The channel's name, as the switch calls it.
    pub channel: String,
    /// The member of the decision that this leg rings: an extension or a number. Two mobiles behind one trunk differ here.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub member: Option<String>,
    /// The number or extension that was dialled on it.
    pub number: String,
    /// Where it stands.
    pub state: LegState,
    /// When it was called. Microseconds since 1970; RFC 3339 in JSON.
    #[serde(rename = "started", serialize_with = "instant")]
    pub started_us: u64,
    /// When it was answered.
    #[serde(rename = "answered", serialize_with = "rfc3339_option", skip_serializing_if = "Option::is_none")]
    pub answered_us: Option<u64>,
    /// When it ended.
    #[serde(rename = "ended", serialize_with = "rfc3339_option", skip_serializing_if = "Option::is_none")]
    pub ended_us: Option<u64>,
    /// Why it ended, in the switch's word.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cause: Option<String>,
}

/// Who answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Answered {
    /// The leg's id.
    pub leg: String,
    /// The member of the decision, else the number that was dialled on that leg.
    pub member: String,
    /// What the directory calls that number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

/// A decision that was given for the call. A call that goes from step to step has several.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Decided {
    /// When. Microseconds since 1970; RFC 3339 in JSON.
    #[serde(rename = "at", serialize_with = "instant")]
    pub at_us: u64,
    /// What was asked: `route`, `outbound`, …; empty where the journal is from a time when it didn't keep that.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub request: String,
    /// `found`, `late`, ….
    pub status: String,
    /// `dial`, `voicemail`, ….
    pub action: String,
    /// `matched`, `blocked`, ….
    pub reason: String,
    /// The route's key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub route: Option<String>,
    /// The store's revision that it was decided over.
    pub revision: u64,
    /// What was tried, in order, as `explain` prints it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub trace: Vec<String>,
}

/// A call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CallView {
    /// Its id here: the switch's name, a slash, and the switch's own id (`Linkedid`, or the caller's channel UUID).
    pub id: String,
    /// The switch, by the name in the configuration.
    pub switch: String,
    /// The tenant that it belongs to.
    pub tenant: String,
    /// Where it stands.
    pub state: CallState,
    /// Who calls.
    pub from: Party,
    /// The number that was called.
    pub to: String,
    /// The route that decided it, where one did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub route: Option<String>,
    /// The legs that were called, in the order they were.
    pub legs: Vec<LegView>,
    /// Who answered, where somebody did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub answered_by: Option<Answered>,
    /// Where it was transferred to last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub transferred_to: Option<String>,
    /// When it began. Microseconds since 1970; RFC 3339 in JSON.
    #[serde(rename = "started", serialize_with = "instant")]
    pub started_us: u64,
    /// When it was answered.
    #[serde(rename = "answered", serialize_with = "rfc3339_option", skip_serializing_if = "Option::is_none")]
    pub answered_us: Option<u64>,
    /// When it ended: its beginning plus how long it took, so that a clock that is set in between harms nothing.
    #[serde(rename = "ended", serialize_with = "rfc3339_option", skip_serializing_if = "Option::is_none")]
    pub ended_us: Option<u64>,
    /// How long it took from beginning to end, by a clock that isn't set. Milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub duration_ms: Option<u64>,
    /// How long of that somebody had answered. Milliseconds; 0 where nobody did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub talk_ms: Option<u64>,
    /// How it came out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub disposition: Option<Disposition>,
    /// Why it ended, in the switch's word (`NORMAL_CLEARING`, `User busy`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cause: Option<String>,
    /// The decisions given for it, oldest first.
    #[serde(rename = "decisions", skip_serializing_if = "Vec::is_empty")]
    pub decided: Vec<Decided>,
    /// Whether something of it was missed: it was there when the switch was first asked, or events were lost meanwhile.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub incomplete: bool,
}
