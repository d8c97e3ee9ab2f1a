//! What an extension's user has set: do not disturb, forwards, how long it rings, whom it may call.
//!
//! This is about a telephone's calls and belongs to its number; who may register it is a [`User`](super::User), of which
//! only FreeSWITCH asks.

use super::step::{Action, Step, TIMEOUT_SECONDS_MAX, check_target, is_word};
use crate::directory::NAME_BYTES_MAX;
use crate::number::{Class, Kind, Number};
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// An extension's settings. [`Extension::check`] is the way to make one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Extension {
    /// The extension (or SIP user name) itself.
    pub number: Number,
    /// Its user's name, for people.
    pub name: Option<String>,
    /// Do not disturb: it doesn't ring, and is busy to callers.
    pub dnd: bool,
    /// Where all calls go instead.
    pub forward_always: Option<Number>,
    /// Where a call goes that finds it busy, or on "do not disturb".
    pub forward_busy: Option<Number>,
    /// Where a call goes that nobody answers.
    pub forward_no_answer: Option<Number>,
    /// Where a call goes while the telephone can't be reached.
    pub forward_unavailable: Option<Number>,
    /// The mailbox of calls to it that nobody takes, where no route says more.
    pub mailbox: Option<String>,
    /// How long it rings, where that isn't the step's or the group's time.
    pub ring_seconds: Option<u16>,
    /// So many calls at once; one more finds it busy.
    pub calls_max: Option<u8>,
    /// What it may call, and forward to; `None` is what the tenant allows.
    pub permissions: Option<Vec<Class>>,
    /// The number that it shows when it calls out.
    pub caller_id: Option<Number>,
    /// The number that it shows to an emergency service, which calls back there.
    pub emergency_caller_id: Option<Number>,
    /// Whether its telephone shows ASCII only, so that names are written in it.
    pub ascii: bool,
    /// The store's revision that made it what it is.
    pub revision: u64,
}

/// What is wrong with an extension's settings, which, and what to do.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ExtensionError {
    /// A number that isn't one of a telephone inside the tenant.
    #[error("{0} is no extension; write its digits (101) or its SIP user name (alice)")]
    NotInside(Number),
    /// A forward that leads nowhere.
    #[error("forward-{which} {why}")]
    Forward {
        /// `always`, `busy`, ….
        which: &'static str,
        /// What is wrong with it.
        why: String,
    },
    /// A forward to itself.
    #[error("forward-{0} leads back to the extension itself")]
    Itself(&'static str),
    /// A time that isn't one.
    #[error("ring-seconds={0} is no number of seconds from 1 to 3600")]
    RingSeconds(u16),
    /// No call at all.
    #[error("calls-max=0 would let no call through; use dnd, or write 1 to 255")]
    NoCalls,
    /// A mailbox that can't be one.
    #[error("the mailbox {0:?} can't be used; write 1 to 80 of A-Z a-z 0-9 _ . @ -")]
    Mailbox(String),
    /// A number to show that isn't a public one.
    #[error("{which} {number} is no public number; write + and the country code")]
    NotPublic {
        /// Which.
        which: &'static str,
        /// The number.
        number: Number,
    },
    /// A name that can't be kept.
    #[error("the name {0:?} can't be used; write at most 256 bytes on one line")]
    Name(String),
}

/// The four forwards, by name.
pub const FORWARDS: &[&str] = &["always", "busy", "no-answer", "unavailable"];

impl Extension {
    /// An extension with nothing set.
    pub fn of(number: Number) -> Extension {
        Extension {
            number,
            name: None,
            dnd: false,
            forward_always: None,
            forward_busy: None,
            forward_no_answer: None,
            forward_unavailable: None,
            mailbox: None,
            ring_seconds: None,
            calls_max: None,
            permissions: None,
            caller_id: None,
            emergency_caller_id: None,
            ascii: false,
            revision: 0,
        }
    }

    /// Its forwards, each with its name.
    pub fn forwards(&self) -> [(&'static str, Option<&Number>); 4] {
        [
            ("always", self.forward_always.as_ref()),
            ("busy", self.forward_busy.as_ref()),
            ("no-answer", self.forward_no_answer.as_ref()),
            ("unavailable", self.forward_unavailable.as_ref()),
        ]
    }

    /// Whether a call to it may go on elsewhere after it was rung.
    pub fn has_forwards(&self) -> bool {
        self.forward_busy.is_some() || self.forward_no_answer.is_some() || self.forward_unavailable.is_some()
    }

    /// Whether anything is set that makes a call to it go another way than to its telephone.
    pub fn acts(&self) -> bool {
        self.dnd
            || self.mailbox.is_some()
            || self.ring_seconds.is_some()
            || self.calls_max.is_some()
            || self.forwards().iter().any(|(_, to)| to.is_some())
    }

    /// What becomes of a call to it where no route is for its number.
    pub fn steps(&self) -> Vec<Step> {
        let dial = Step::of(Action::Dial { targets: vec![self.number.clone()], trunk: None });
        std::iter::once(dial).chain(self.mailbox.clone().map(|m| Step::of(Action::Voicemail(m)))).collect()
    }

    /// Checks every field. Whether an outside forward is permitted is for whoever knows the tenant.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub fn check(mut self) -> Result<Extension, ExtensionError> {
        let is_inside = |n: &Number| matches!(n.kind(), Kind::Extension | Kind::Opaque) && check_target(n, &n.to_string()).is_ok();
        if !is_inside(&self.number) {
            return Err(ExtensionError::NotInside(self.number));
        }
        for (which, forward) in self.forwards() {
            let Some(forward) = forward else { continue };
            if *forward == self.number {
                return Err(ExtensionError::Itself(which));
            }
            if forward.kind() == Kind::Emergency {
                return Err(ExtensionError::Forward { which, why: format!("leads to the emergency number {forward}") });
            }
            check_target(forward, &forward.to_string()).map_err(|e| ExtensionError::Forward { which, why: e.to_string() })?;
        }
        if let Some(seconds) = self.ring_seconds.filter(|s| !(1..=TIMEOUT_SECONDS_MAX).contains(s)) {
            return Err(ExtensionError::RingSeconds(seconds));
        }
        if let Some(mailbox) = self.mailbox.as_ref().filter(|m| !is_word(m, "")) {
            return Err(ExtensionError::Mailbox(mailbox.clone()));
        }
        if self.calls_max == Some(0) {
            return Err(ExtensionError::NoCalls);
        }
        for (which, number) in [("caller-id", &self.caller_id), ("emergency-caller-id", &self.emergency_caller_id)] {
            if let Some(number) = number.as_ref().filter(|n| n.kind() != Kind::E164) {
                return Err(ExtensionError::NotPublic { which, number: number.clone() });
            }
        }
        if let Some(name) =
            self.name.as_ref().filter(|n| n.len() > NAME_BYTES_MAX || n.trim().is_empty() || n.chars().any(char::is_control))
        {
            return Err(ExtensionError::Name(name.chars().take(40).collect()));
        }
        if let Some(permissions) = &mut self.permissions {
            permissions.sort_unstable();
            permissions.dedup();
        }
        Ok(self)
    }
}
