//! The words that commands are made of: each can hold only what its place in a line bears, so that nothing in it acts.

use super::CommandError;
use crate::wire::names::{is_made_of, names, same};

pub use crate::wire::names::NAME_BYTES_MAX;

names! {
    /// The name of a channel variable: ASCII letters, digits, `_`, `-` and `.`, beginning with a letter or `_`.
    VariableName, "the name of a channel variable", is_variable;
    /// The name of an application: ASCII letters, digits and `_`. One that FreeSWITCH doesn't know is answered `+OK`, and
    /// the call is hung up.
    AppName, "the name of an application", is_word;
    /// The name of an API command: ASCII letters, digits and `_`.
    ApiName, "the name of an API command", is_word;
    /// The name of a kind of events, in capitals, or `ALL`. `CUSTOM` is none: its events go by their [`Subclass`].
    EventName, "the name of a kind of events", is_event;
    /// The name of a kind of custom events: `conference::maintenance`.
    Subclass, "the name of a kind of custom events", is_subclass;
    /// The name of an event's header. `delete` is none: it is a word of the `filter` command.
    HeaderName, "the name of an event's header", is_header;
    /// Our name for a background job, mostly a UUID: ASCII letters, digits and `-`.
    JobId, "the name of a background job", is_job;
}

const fn is_variable(name: &[u8]) -> bool {
    (name[0].is_ascii_alphabetic() || name[0] == b'_') && is_made_of(name, b"_-.")
}

const fn is_word(name: &[u8]) -> bool {
    is_made_of(name, b"_")
}

const fn is_event(name: &[u8]) -> bool {
    let mut at = 0;
    while at < name.len() {
        if name[at].is_ascii_lowercase() {
            return false;
        }
        at += 1;
    }
    is_word(name) && !same(name, b"custom")
}

const fn is_subclass(name: &[u8]) -> bool {
    is_made_of(name, b"_-:.")
}

const fn is_header(name: &[u8]) -> bool {
    is_made_of(name, b"_-") && !same(name, b"delete")
}

const fn is_job(name: &[u8]) -> bool {
    is_made_of(name, b"-")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_holds_nothing_that_would_act_in_a_line() {
        for bad in ["", "1a", "-a", "a b", "a=b", "a,b", "a\n", "a:", "a[0]", "${a}", "é", "a\u{1}", "a'"] {
            assert!(VariableName::new(bad).is_err(), "{bad:?}");
        }
        for good in ["a", "_x", "strowger_STATUS", "effective_caller_id_name", "sip_h_X-Name", "a.b-c"] {
            assert_eq!(VariableName::new(good).unwrap().as_str(), good);
        }
        assert!(VariableName::new(&"a".repeat(NAME_BYTES_MAX)).is_ok());
        assert!(VariableName::new(&"a".repeat(NAME_BYTES_MAX + 1)).is_err());
    }

    #[test]
    fn a_word_of_the_protocol_is_not_a_name_where_it_would_act() {
        assert!(EventName::new("CUSTOM").is_err());
        assert!(EventName::new("channel_answer").is_err());
        assert!(EventName::new("ALL").is_ok());
        assert!(HeaderName::new("Delete").is_err());
        assert!(HeaderName::new("Unique-ID").is_ok());
        assert!(Subclass::new("conference::maintenance").is_ok());
        assert!(AppName::new("set x").is_err());
        assert!(ApiName::new("status\n").is_err());
        assert!(JobId::new("7f4de4bc-17d7-11dd-b7a0-db4edd065621").is_ok());
    }
}
