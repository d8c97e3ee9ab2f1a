//! The one encoder of actions: typed fields in, complete actions out.
//!
//! Facts that shaped it (transcripts `ami-login`, `ami-lists`, `ami-filter-16`, `ami-filter-22`):
//!
//! * A line has 1,024 bytes at most, its end included; a longer one is refused with a response that has no action id. An
//!   action has 128 lines at most.
//! * Spaces in front of a value are lost, those behind it are kept. Any UTF-8 comes back as it was.
//! * An event mask of none but classes that Asterisk doesn't know is no mask at all, and the answer is `Success`: classes
//!   are [`EventClass`]es.
//! * A `Filter` by regular expression works on 16 and on 22, over the whole event as it is written; several let through
//!   what any of them does. `MatchCriteria`, which newer ones prefer, is *taken without a word by 16, and filters
//!   nothing*. So only expressions are written, anchored at the event's name: what a caller writes stands behind it.
//! * The key of a login is the MD5 of challenge and secret, so the secret isn't sent. A wrong one is answered after a
//!   second, and that is the end of the connection. Before the login everything else is `Permission denied`.

mod names;

pub use names::{ActionId, ActionName, EventName, HeaderName, NAME_BYTES_MAX};

use crate::wire::clean::is_control;
use bytes::BytesMut;
use md5::{Digest, Md5};
use std::fmt::Write as _;

/// Longest line of an action in bytes, line end included. Measured on 16.28 and 22.10: one more is refused.
pub const ACTION_LINE_BYTES_MAX: usize = 1_024;

/// Most lines of an action, those with its name and its id included. Measured on 16.28 and 22.10: one more is refused.
pub const ACTION_LINES_MAX: usize = 128;

const LINE_END: &str = "\r\n";

/// What can't be sent. Nothing of it has been written, and nothing of it is repeated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CommandError {
    /// Not a name of its kind.
    #[error("not {wanted}")]
    BadName {
        /// What it should have been.
        wanted: &'static str,
    },
    /// A line end or another control character in a text.
    #[error("the {field} holds a control character; a header is one line")]
    ControlCharacter {
        /// Which text.
        field: &'static str,
    },
    /// A text that Asterisk would read as something else, or that is empty where it may not be.
    #[error("the {field} can't be written so that the switch reads it as it is")]
    Unwritable {
        /// Which text.
        field: &'static str,
    },
    /// A line over [`ACTION_LINE_BYTES_MAX`].
    #[error("the {field} makes a line of over {ACTION_LINE_BYTES_MAX} bytes, which asterisk refuses")]
    LineTooLong {
        /// Which text.
        field: &'static str,
    },
    /// More than [`ACTION_LINES_MAX`] lines.
    #[error("an action of over {ACTION_LINES_MAX} lines, which asterisk refuses")]
    TooManyLines,
    /// A filter of no events.
    #[error("no events to filter")]
    NoEvents,
}

/// A class of events, as `manager.conf` gives a user rights to read it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum EventClass {
    /// Starts, stops, registrations, `FullyBooted`.
    System,
    /// Channels, dials, bridges, device states, and CEL where it is configured.
    Call,
    /// Queues and their members.
    Agent,
    /// What a dialplan or another client says by `UserEvent`.
    User,
    /// Finished calls, where `cdr_manager` is on.
    Cdr,
    /// Digits.
    Dtmf,
    /// Every step and variable of every call, in texts that a dialplan made of what callers wrote. Leave it alone.
    Dialplan,
    /// Every AGI command with its text, our own answers too. Leave it alone.
    Agi,
    /// Quality reports of RTP, many a second.
    Reporting,
    /// Failed logins and the like; its texts are a stranger's.
    Security,
}

impl EventClass {
    /// Every class.
    pub const ALL: &'static [Self] = &[
        Self::System,
        Self::Call,
        Self::Agent,
        Self::User,
        Self::Cdr,
        Self::Dtmf,
        Self::Dialplan,
        Self::Agi,
        Self::Reporting,
        Self::Security,
    ];

    /// The class of a word in a mask.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|class| class.word() == word)
    }

    /// The class's word in a mask.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::System => "system",
            Self::Call => "call",
            Self::Agent => "agent",
            Self::User => "user",
            Self::Cdr => "cdr",
            Self::Dtmf => "dtmf",
            Self::Dialplan => "dialplan",
            Self::Agi => "agi",
            Self::Reporting => "reporting",
            Self::Security => "security",
        }
    }
}

/// Which events come at all. What the user may not read doesn't come whatever the mask says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EventMask<'a> {
    /// None.
    Off,
    /// All that the user may read.
    All,
    /// Those of these classes; of no class, none.
    Classes(&'a [EventClass]),
}

impl std::fmt::Display for EventMask<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Off | Self::Classes([]) => f.write_str("off"),
            Self::All => f.write_str("on"),
            Self::Classes(classes) => classes.iter().enumerate().try_for_each(|(at, class)| {
                f.write_str(if at > 0 { "," } else { "" })?;
                f.write_str(class.word())
            }),
        }
    }
}

/// Which events of the mask's come. Several filters on one connection add up: what any [`Only`](Self::Only) lets through
/// comes, but for what an [`Except`](Self::Except) holds back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Filter<'a> {
    /// These.
    Only(&'a [EventName]),
    /// All others.
    Except(&'a [EventName]),
}

/// Appends a request for a challenge, which the response holds as `Challenge`. It comes before the login.
///
/// # Errors
/// When the id makes the line too long, which it can't.
pub fn challenge(id: &ActionId, out: &mut BytesMut) -> Result<(), CommandError> {
    write(out, "Challenge", id, |action| action.line("AuthType", "MD5", "kind of login"))
}

/// The key that a challenge asks for: MD5 of challenge and secret, in lower-case hex.
#[must_use]
pub fn key(challenge: &[u8], secret: &str) -> String {
    let digest = Md5::new().chain_update(challenge).chain_update(secret.as_bytes()).finalize();
    digest.iter().fold(String::with_capacity(32), |mut key, byte| {
        write!(key, "{byte:02x}").expect("writing into memory can't fail");
        key
    })
}

/// Appends a login by a challenge, as the response gave it. The secret isn't sent; it may hold anything.
///
/// # Errors
/// When the user is empty, begins with a space, or holds a control character, or the secret is empty.
pub fn login_md5(
    id: &ActionId,
    user: &str,
    secret: &str,
    challenge: &[u8],
    mask: EventMask<'_>,
    out: &mut BytesMut,
) -> Result<(), CommandError> {
    if secret.is_empty() {
        return Err(CommandError::Unwritable { field: "secret" });
    }
    write(out, "Login", id, |action| {
        action.line("AuthType", "MD5", "kind of login")?;
        action.text("Username", user, "user")?;
        action.line("Key", &key(challenge, secret), "key")?;
        action.line("Events", &mask.to_string(), "event mask")
    })
}

/// Appends a login that sends the secret as it is. Prefer [`login_md5`]; this is for TLS, or where Asterisk refuses MD5.
///
/// # Errors
/// When a text is empty, begins with a space, or holds a control character.
pub fn login_plain(id: &ActionId, user: &str, secret: &str, mask: EventMask<'_>, out: &mut BytesMut) -> Result<(), CommandError> {
    write(out, "Login", id, |action| {
        action.text("Username", user, "user")?;
        action.text("Secret", secret, "secret")?;
        action.line("Events", &mask.to_string(), "event mask")
    })
}

/// Appends a change of which events come. It replaces the mask of the login.
///
/// # Errors
/// When the mask makes the line too long, which takes a class some hundred times.
pub fn events(id: &ActionId, mask: EventMask<'_>, out: &mut BytesMut) -> Result<(), CommandError> {
    write(out, "Events", id, |action| action.line("EventMask", &mask.to_string(), "event mask"))
}

/// Appends a filter, which holds for this connection. The user needs the right to write `system`. Answers and the items of
/// a list that was asked for aren't filtered.
///
/// # Errors
/// [`CommandError::NoEvents`] for none, [`CommandError::LineTooLong`] for more than one line holds; send those as another.
pub fn filter(id: &ActionId, filter: Filter<'_>, out: &mut BytesMut) -> Result<(), CommandError> {
    let (sign, names) = match filter {
        Filter::Only(names) => ("", names),
        Filter::Except(names) => ("!", names),
    };
    if names.is_empty() {
        return Err(CommandError::NoEvents);
    }
    let names: Vec<_> = names.iter().map(EventName::as_str).collect();
    // the line end behind the name, which POSIX's expressions have no other word for
    let expression = format!("{sign}^Event: ({})[[:cntrl:]]", names.join("|"));
    write(out, "Filter", id, |action| {
        action.line("Operation", "Add", "operation")?;
        action.line("Filter", &expression, "filter")
    })
}

/// Appends a sign of life; the response says `Ping: Pong` and the switch's time.
pub fn ping(id: &ActionId, out: &mut BytesMut) {
    bare("Ping", id, out);
}

/// Appends the end of the session; the response is `Goodbye`.
pub fn logoff(id: &ActionId, out: &mut BytesMut) {
    bare("Logoff", id, out);
}

/// Appends a question for all channels: `CoreShowChannel` events, then `CoreShowChannelsComplete`. The user needs the right
/// to write `system` or `reporting`.
pub fn core_show_channels(id: &ActionId, out: &mut BytesMut) {
    bare("CoreShowChannels", id, out);
}

/// Appends a question for all device states: `DeviceStateChange` events, then `DeviceStateListComplete`. An Asterisk that doesn't
/// have the action (the module that brings it may not be loaded) answers that it doesn't know it.
pub fn device_state_list(id: &ActionId, out: &mut BytesMut) {
    bare("DeviceStateList", id, out);
}

/// Appends a question for all channels and what each is about: `Status` events, then `StatusComplete`.
pub fn status(id: &ActionId, out: &mut BytesMut) {
    bare("Status", id, out);
}

/// Appends any other action. Names may repeat; a value may be empty.
///
/// # Errors
/// When a value begins with a space, which Asterisk would take off, holds a control character, or is too long; or for too
/// many headers.
pub fn action(id: &ActionId, name: &ActionName, headers: &[(HeaderName, &str)], out: &mut BytesMut) -> Result<(), CommandError> {
    write(out, name.as_str(), id, |action| {
        headers.iter().try_for_each(|(name, value)| action.line(name.as_str(), value, "value of a header"))
    })
}

/// An action of nothing but its name.
fn bare(name: &'static str, id: &ActionId, out: &mut BytesMut) {
    write(out, name, id, |_| Ok(())).expect("a name and an id make no line too long");
}

/// Writes an action, or nothing of it.
fn write(
    out: &mut BytesMut,
    name: &str,
    id: &ActionId,
    headers: impl FnOnce(&mut Action<'_>) -> Result<(), CommandError>,
) -> Result<(), CommandError> {
    let start = out.len();
    let mut action = Action { out, line_count: 0 };
    let written = action
        .line("Action", name, "name of the action")
        .and_then(|()| action.line("ActionID", id.as_str(), "id"))
        .and_then(|()| headers(&mut action));
    match written {
        Ok(()) => out.extend_from_slice(LINE_END.as_bytes()),
        Err(_) => out.truncate(start),
    }
    written
}

/// An action that is being written. Every line goes through [`line`](Self::line).
struct Action<'a> {
    out: &'a mut BytesMut,
    line_count: usize,
}

impl Action<'_> {
    /// A header whose value is somebody's text, and may not be empty.
    fn text(&mut self, name: &str, value: &str, field: &'static str) -> Result<(), CommandError> {
        if value.is_empty() {
            return Err(CommandError::Unwritable { field });
        }
        self.line(name, value, field)
    }

    fn line(&mut self, name: &str, value: &str, field: &'static str) -> Result<(), CommandError> {
        self.line_count += 1;
        if self.line_count > ACTION_LINES_MAX {
            return Err(CommandError::TooManyLines);
        }
        if value.contains(is_control) {
            return Err(CommandError::ControlCharacter { field });
        }
        if value.starts_with(' ') {
            return Err(CommandError::Unwritable { field });
        }
        if name.len() + 2 + value.len() + LINE_END.len() > ACTION_LINE_BYTES_MAX {
            return Err(CommandError::LineTooLong { field });
        }
        for part in [name, ": ", value, LINE_END] {
            self.out.extend_from_slice(part.as_bytes());
        }
        Ok(())
    }
}

#[cfg(test)]
#[path = "mod_tests.rs"]
mod tests;
