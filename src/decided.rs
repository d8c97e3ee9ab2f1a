//! What the call plane hands to the event plane: one record of each decision. Neither knows the other; both know this.
//!
//! The channel is bounded and lossy, and what is lost is counted: a call never waits for whoever keeps records.

use crate::number::Class;
use crate::routing::{Decision, Rule};
use crate::stats::Counter;
use std::net::IpAddr;
use std::sync::Arc;
use tokio::sync::mpsc;

/// Records that wait to be taken, at most: some seconds of a busy site, and about 8 MB.
pub const WAITING_MAX: usize = 8_192;

/// A decision, and what it was given for.
#[derive(Debug, Clone)]
pub struct DecisionRecord {
    /// When. Microseconds since 1970.
    pub at_us: u64,
    /// The switch, by the question's `switch` parameter.
    pub switch: Option<String>,
    /// Where the question came from.
    pub peer: Option<IpAddr>,
    /// The switch's own id of the channel: Asterisk's `Uniqueid`, FreeSWITCH's UUID.
    pub call_id: String,
    /// The tenant.
    pub tenant: String,
    /// `route`, `name`, ….
    pub request: String,
    /// The number called, as the switch said it.
    pub to: String,
    /// The caller's number, as the switch said it; empty where it is withheld.
    pub from: String,
    /// Whether it is withheld.
    pub withheld: bool,
    /// The store's revision that was read.
    pub revision: u64,
    /// The decision.
    pub decision: Decision,
    /// What was tried on the way.
    pub trace: Vec<Rule>,
    /// Whom a `dial` rings: each member, and the dial string of its leg on this switch.
    pub members: Vec<Member>,
    /// What was let out by it, where a call was.
    pub let_out: Option<LetOut>,
}

/// A call that an extension was let out with, to a class of numbers: it counts against their limits while it lives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LetOut {
    /// The extension.
    pub extension: String,
    /// The class of the number that it calls.
    pub class: Class,
    /// When it was let out, by the clock that nobody sets. Microseconds.
    pub at_us: u64,
}

/// One member of a dial.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// Its extension or number.
    pub id: String,
    /// The dial string of its leg: `PJSIP/101`, `sofia/gateway/carrier/+14155550111`.
    pub leg: String,
}

/// The call plane's end.
#[derive(Debug, Clone)]
pub struct DecisionSender {
    sender: mpsc::Sender<DecisionRecord>,
    lost: Arc<Counter>,
}

impl DecisionSender {
    /// Hands a record over, or drops and counts it. Never waits.
    pub fn send(&self, record: DecisionRecord) {
        if self.sender.try_send(record).is_err() {
            self.lost.add_one();
        }
    }
}

/// The event plane's end.
pub type DecisionReceiver = mpsc::Receiver<DecisionRecord>;

/// A channel for so many records ([`WAITING_MAX`] but in tests), and where those that it hasn't room for are counted.
#[must_use]
pub fn channel(waiting_max: usize, lost: Arc<Counter>) -> (DecisionSender, DecisionReceiver) {
    let (sender, receiver) = mpsc::channel(waiting_max);
    (DecisionSender { sender, lost }, receiver)
}
