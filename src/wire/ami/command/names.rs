//! The words that actions are made of: each can hold only what its place in a line bears, so that nothing in it acts.

use super::CommandError;
use crate::wire::names::{is_made_of, names, same};

pub use crate::wire::names::NAME_BYTES_MAX;

names! {
    /// What an action is answered by: ASCII letters, digits, `-`, `_`, `.` and `:`. It comes back as it is, in the response
    /// and in each event of a list. Make it hard to guess: a caller can forge an answer only to an id that he knows.
    ActionId, "an action's id", is_id;
    /// The name of an action: ASCII letters and digits.
    ActionName, "the name of an action", is_word;
    /// The name of a header: ASCII letters, digits, `-` and `_`. `Action` and `ActionID` are none: they are written already.
    HeaderName, "the name of an action's header", is_header;
    /// The name of a kind of events: ASCII letters and digits, so that nothing in it acts in a filter's expression.
    EventName, "the name of a kind of events", is_word;
}

impl ActionId {
    /// The same beginning and a number, for one action after the other.
    ///
    /// # Errors
    /// [`CommandError::BadName`] when the beginning is no id, or both are too long for one.
    pub fn numbered(beginning: &str, number: u64) -> Result<Self, CommandError> {
        Self::new(&format!("{beginning}-{number}"))
    }

    /// Whether a packet's id is this one.
    #[must_use]
    pub fn is(&self, found: Option<&[u8]>) -> bool {
        found == Some(self.as_str().as_bytes())
    }
}

const fn is_id(name: &[u8]) -> bool {
    is_made_of(name, b"-_.:")
}

const fn is_word(name: &[u8]) -> bool {
    is_made_of(name, b"")
}

const fn is_header(name: &[u8]) -> bool {
    is_made_of(name, b"-_") && !same(name, b"action") && !same(name, b"actionid")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_holds_nothing_that_would_act_in_a_line_or_in_an_expression() {
        for bad in ["", " ", "a b", "a\r\n", "a\n", "a\0", "a|b", "a.*", "(a)", "a[", "^a", "!a", "é"] {
            assert!(EventName::new(bad).is_err() && ActionName::new(bad).is_err(), "{bad:?}");
        }
        for bad in ["", "a:", "a b", "Action", "actionid", "a\r"] {
            assert!(HeaderName::new(bad).is_err(), "{bad:?}");
        }
        for bad in ["", "a b", "a\r\nAction: Originate", "\u{e9}"] {
            assert!(ActionId::new(bad).is_err(), "{bad:?}");
        }
        assert!(ActionId::new(&"a".repeat(NAME_BYTES_MAX)).is_ok() && ActionId::new(&"a".repeat(NAME_BYTES_MAX + 1)).is_err());
        assert_eq!(HeaderName::new("EventMask").unwrap().as_str(), "EventMask");
    }

    #[test]
    fn an_id_is_found_again_only_as_it_was() {
        let id = ActionId::numbered("k3.x", 7).unwrap();
        assert!(id.is(Some(b"k3.x-7")) && !id.is(Some(b"K3.X-7")) && !id.is(Some(b"k3.x-70")) && !id.is(None));
    }
}
