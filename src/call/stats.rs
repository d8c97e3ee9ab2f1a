//! How sessions ended, counted.

use crate::stats::Counter;

/// How a session ended. An ending is a value, not an error: callers hang up all day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// Answered, and the switch took the answer.
    Answered,
    /// Answered, and the switch was gone before it said so: the caller hung up.
    GoneAfterAnswer,
    /// Answered; the switch didn't confirm in time, so the connection was closed.
    Unconfirmed,
    /// Connected, and gone without a question.
    GoneBeforeQuestion,
    /// The environment was refused; the caller got the fallback.
    Malformed,
    /// No whole environment came in time.
    NoQuestion,
    /// Too many sessions; the caller got the fallback.
    Capacity,
    /// Far too many sessions; closed without a word.
    Dropped,
    /// Stopping; the caller got the fallback.
    Draining,
    /// From where nobody may come in; closed without a word.
    Denied,
}

impl Ending {
    /// Every ending, in the order of the counters.
    pub const ALL: &'static [Ending] = &[
        Ending::Answered,
        Ending::GoneAfterAnswer,
        Ending::Unconfirmed,
        Ending::GoneBeforeQuestion,
        Ending::Malformed,
        Ending::NoQuestion,
        Ending::Capacity,
        Ending::Dropped,
        Ending::Draining,
        Ending::Denied,
    ];

    /// The ending in a word, for logs and status.
    pub fn word(self) -> &'static str {
        match self {
            Ending::Answered => "answered",
            Ending::GoneAfterAnswer => "gone-after-answer",
            Ending::Unconfirmed => "unconfirmed",
            Ending::Denied => "denied",
            Ending::GoneBeforeQuestion => "gone-before-question",
            Ending::Malformed => "malformed",
            Ending::NoQuestion => "no-question",
            Ending::Capacity => "capacity",
            Ending::Dropped => "dropped",
            Ending::Draining => "draining",
        }
    }
}

/// The call plane's counters.
#[derive(Debug, Default)]
pub struct CallStats {
    endings: [Counter; Ending::ALL.len()],
    /// Answers that said `late`.
    pub late: Counter,
    /// Times that the cap on sessions was hit.
    pub sessions_cap: Counter,
    /// Times that HTTP's part of the sessions was taken.
    pub http_cap: Counter,
    /// Times that a tenant had taken his part of them.
    pub tenant_cap: Counter,
    /// Times that `accept` failed.
    pub accept_errors: Counter,
}

impl CallStats {
    /// Counts an ending.
    pub fn ended(&self, ending: Ending) {
        self.endings[ending as usize].add_one();
    }

    /// How many sessions ended like this.
    pub fn of(&self, ending: Ending) -> u64 {
        self.endings[ending as usize].get()
    }
}
