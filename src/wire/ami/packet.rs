//! What Asterisk says: its banner, events, answers, and what only looks like them.

use super::{Fields, Suspicion};
use std::borrow::Cow;

/// What a banner has of lines.
static NONE: Fields = Fields::EMPTY;

/// The manager interface's own version, as the banner says it: 11.0.0 for Asterisk 22.10, 5.0.4 for 16.28.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version {
    /// Changes where clients break.
    pub major: u16,
    /// Changes where something is added.
    pub minor: u16,
    /// Changes otherwise; 0 where it isn't said.
    pub patch: u16,
}

impl Version {
    /// Reads `11.0.0` or `1.1`; anything else is none.
    #[must_use]
    pub fn parse(text: &[u8]) -> Option<Self> {
        let mut parts = std::str::from_utf8(text).ok()?.split('.');
        let mut part = || parts.next().filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit())).map(str::parse::<u16>);
        let (major, minor) = (part()?.ok()?, part()?.ok()?);
        let patch = part().unwrap_or(Ok(0)).ok()?;
        parts.next().is_none().then_some(Self { major, minor, patch })
    }

    /// Whether a `Command` is answered by `Response: Follows` and raw lines. From 3 on (Asterisk 14) each line is a header.
    #[must_use]
    pub const fn has_raw_output(self) -> bool {
        self.major < 3
    }
}

/// Where in an answer of many events one stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ListMark {
    /// The response: events with the same action id follow.
    Start,
    /// The last event. Its `ListItems` says how many came before.
    Complete,
    /// The last event of a list that wasn't finished.
    Cancelled,
}

/// One message. After the banner there are packets only.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Packet {
    /// The first line of a connection.
    Banner(Version),
    /// Something happened, or an item of a list that was asked for (then [`Fields::action_id`] says which).
    Event(Fields),
    /// The answer to an action.
    Response(Fields),
    /// Written by a caller, or beside something that was. Count it, say it aloud, and ask for a snapshot where the state
    /// may be wrong now; don't believe it.
    Suspect(Suspicion, Fields),
}

impl Packet {
    /// The lines; a banner has none.
    #[must_use]
    pub const fn fields(&self) -> &Fields {
        match self {
            Self::Banner(_) => &NONE,
            Self::Event(fields) | Self::Response(fields) | Self::Suspect(_, fields) => fields,
        }
    }

    /// The same packet in memory of its own, for one that is kept: as it came it holds all that was read with it.
    #[must_use]
    pub fn detached(&self) -> Self {
        match self {
            Self::Banner(version) => Self::Banner(*version),
            Self::Event(fields) => Self::Event(fields.detached()),
            Self::Response(fields) => Self::Response(fields.detached()),
            Self::Suspect(suspicion, fields) => Self::Suspect(*suspicion, fields.detached()),
        }
    }

    /// The value of the first line: an event's name, or a response's `Success`, `Error`, `Goodbye`, `Follows`. Nothing for
    /// a suspect or a banner.
    #[must_use]
    pub fn name(&self) -> Option<&[u8]> {
        match self {
            Self::Event(fields) | Self::Response(fields) => fields.iter().next().map(|(_, value)| value),
            Self::Banner(_) | Self::Suspect(..) => None,
        }
    }

    /// Whether it is a response, and not `Error`. `Goodbye` is the end of the session.
    #[must_use]
    pub fn is_success(&self) -> bool {
        matches!(self, Self::Response(_)) && matches!(self.name(), Some(b"Success" | b"Follows" | b"Goodbye"))
    }

    /// Where in a list this stands, if in any.
    #[must_use]
    pub fn list(&self) -> Option<ListMark> {
        match (self, self.get("EventList")?) {
            (Self::Response(_), b"start") => Some(ListMark::Start),
            (Self::Event(_), b"Complete") => Some(ListMark::Complete),
            (Self::Event(_), b"cancelled" | b"Cancelled") => Some(ListMark::Cancelled),
            _ => None,
        }
    }

    /// The first raw value of a name; see [`Fields::get`].
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&[u8]> {
        self.fields().get(name)
    }

    /// All raw values of a name; see [`Fields::get_all`].
    pub fn get_all<'a, 'n>(&'a self, name: &'n str) -> impl Iterator<Item = &'a [u8]> + use<'a, 'n> {
        self.fields().get_all(name)
    }

    /// Names and raw values in order; see [`Fields::iter`].
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.fields().iter()
    }

    /// The first value of a name as text; see [`Fields::text`].
    #[must_use]
    pub fn text(&self, name: &str) -> Option<Cow<'_, str>> {
        self.fields().text(name)
    }

    /// Which action this answers; see [`Fields::action_id`].
    #[must_use]
    pub fn action_id(&self) -> Option<&[u8]> {
        self.fields().action_id()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_two_or_three_numbers() {
        let version = |major, minor, patch| Some(Version { major, minor, patch });
        assert_eq!(Version::parse(b"11.0.0"), version(11, 0, 0));
        assert_eq!(Version::parse(b"1.1"), version(1, 1, 0));
        for bad in [&b""[..], b"11", b"11.", b"11.0.0.0", b"1.x", b"1.1 ", b"-1.1", b"+1.1", b"99999.1", b"1..1", b"\xff.1"] {
            assert_eq!(Version::parse(bad), None, "{bad:?}");
        }
        assert!(Version::parse(b"2.10.0").unwrap().has_raw_output() && !Version::parse(b"3.0.0").unwrap().has_raw_output());
    }
}
