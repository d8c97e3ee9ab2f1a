//! Events: what happened, as names and values.
//!
//! Facts that shaped it (transcripts `in-08-bgapi`, `in-12-custom-sendevent`, `in-20*`, `in-40-overrun`, `out-11-values`):
//!
//! * A plain event is a block of encoded headers. Where it has a body, the *last* header is `Content-Length`; one that
//!   stands earlier is some sender's own and says nothing.
//! * JSON has the true values where plain loses some, and raw bytes of any charset: a caller's name in latin-1 makes it
//!   bad UTF-8, so it is read lossily.
//! * A value may be an array: `ARRAY::a|:b` in plain, `["a","b"]` in JSON. A name may come twice.
//! * The notice that ends an overrun listener may fill up an event that was nearly sent: such an event is refused.

use super::{Frame, FrameKind, Headers};
use bytes::Bytes;
use memchr::memmem;
use serde::de::{self, Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use std::fmt;

/// Most values in one event, elements of arrays included. A hang-up has some 400; this is for dialplans with tables.
pub const EVENT_VALUES_MAX: usize = 16_384;

/// How an array's text begins, and what parts its elements.
const ARRAY_BEGINS: &str = "ARRAY::";
const ARRAY_PARTS: &str = "|:";

/// What plain writes for an empty value.
const UNDEFINED: &[u8] = b"_undef_";

/// The headers of the notice that FreeSWITCH was seen to write into events.
const OVERRUN: &[u8] = b"Content-Type: text/disconnect-notice\nContent-Length: 39\n";

/// The name of the body in JSON.
const JSON_BODY: &str = "_body";

/// One value of an event.
#[derive(Clone, PartialEq, Eq)]
pub enum EventValue {
    /// The usual.
    One(String),
    /// An array; it may be empty.
    Many(Vec<String>),
}

/// An event: names and values in the order they came, and possibly a body. Text is UTF-8, bad bytes replaced.
///
/// Of a plain event, values that FreeSWITCH wrote as `_undef_`, which says empty, are left out.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Event {
    values: Vec<(String, EventValue)>,
    body: Option<String>,
}

/// Why bytes are no event. Nothing of them is repeated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EventError {
    /// The frame is of another kind, or the event is XML; subscribe with `events_json`.
    #[error("the frame is no plain or JSON event")]
    NotAnEvent,
    /// A plain event without its blank line, or with a body of another length than it says.
    #[error("a plain event is cut, or longer than it says")]
    BadPlain,
    /// Not the JSON that FreeSWITCH writes: an object of texts and arrays of texts.
    #[error("a JSON event is cut, or isn't an object of texts")]
    BadJson,
    /// More than [`EVENT_VALUES_MAX`] values.
    #[error("an event has over {EVENT_VALUES_MAX} values")]
    TooManyValues,
    /// The switch gave this listener up in the middle of the event; the connection is at its end.
    #[error("the switch ended the listener in the middle of an event, because too many were lost")]
    Overrun,
}

impl Event {
    /// Reads the event in a frame.
    ///
    /// # Errors
    /// When the frame is no event, or the event isn't whole.
    pub fn from_frame(frame: &Frame) -> Result<Self, EventError> {
        match frame.kind() {
            FrameKind::EventPlain => Self::from_plain(&frame.body),
            FrameKind::EventJson => Self::from_json(&frame.body),
            _ => Err(EventError::NotAnEvent),
        }
    }

    /// Reads the body of a `text/event-plain` frame.
    ///
    /// # Errors
    /// [`EventError::BadPlain`], [`EventError::TooManyValues`] or [`EventError::Overrun`].
    pub fn from_plain(text: &Bytes) -> Result<Self, EventError> {
        let headers_end = memmem::find(text, b"\n\n").ok_or(EventError::BadPlain)? + 1;
        if text[..headers_end].ends_with(OVERRUN) {
            return Err(EventError::Overrun);
        }
        let body = text.slice(headers_end + 1..);
        let headers = Headers::new(text.slice(..headers_end));
        let mut event = Self::default();
        let (mut count, mut last) = (0, None);
        for (name, raw) in headers.iter() {
            if raw != UNDEFINED {
                let value = EventValue::from_text(lossy(&super::percent_decode(raw)));
                count += value.len();
                if count > EVENT_VALUES_MAX {
                    return Err(EventError::TooManyValues);
                }
                event.values.push((lossy(name), value));
            }
            last = Some((name, raw));
        }
        match last {
            Some((name, raw)) if name.eq_ignore_ascii_case(b"Content-Length") && !body.is_empty() => {
                if std::str::from_utf8(raw).ok().and_then(|digits| digits.parse().ok()) != Some(body.len()) {
                    return Err(EventError::BadPlain);
                }
                event.values.pop();
                event.body = Some(lossy(&body));
            }
            _ if !body.is_empty() => return Err(EventError::BadPlain),
            _ => {}
        }
        Ok(event)
    }

    /// Reads the body of a `text/event-json` frame.
    ///
    /// # Errors
    /// [`EventError::BadJson`] or [`EventError::TooManyValues`].
    pub fn from_json(text: &[u8]) -> Result<Self, EventError> {
        let mut event: Self = serde_json::from_str(&String::from_utf8_lossy(text)).map_err(|_| EventError::BadJson)?;
        if event.values.iter().map(|(_, value)| value.len()).sum::<usize>() > EVENT_VALUES_MAX {
            return Err(EventError::TooManyValues);
        }
        let body = event.values.iter().rposition(|(name, value)| name == JSON_BODY && matches!(value, EventValue::One(_)));
        if let Some(at) = body
            && let (_, EventValue::One(text)) = event.values.remove(at)
        {
            event.body = Some(text);
        }
        Ok(event)
    }

    /// `Event-Name`, such as `CHANNEL_ANSWER`; empty when there is none.
    #[must_use]
    pub fn name(&self) -> &str {
        self.get("Event-Name").unwrap_or_default()
    }

    /// The first value of a name, whatever the case of its ASCII letters; of an array its first element.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.values.iter().filter(|(found, _)| found.eq_ignore_ascii_case(name)).flat_map(|(_, value)| value.iter()).next()
    }

    /// All values of a name in order, elements of arrays one by one.
    pub fn get_all<'a, 'n>(&'a self, name: &'n str) -> impl Iterator<Item = &'a str> + use<'a, 'n> {
        self.values.iter().filter(move |(found, _)| found.eq_ignore_ascii_case(name)).flat_map(|(_, value)| value.iter())
    }

    /// Names and values in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &EventValue)> {
        self.values.iter().map(|(name, value)| (name.as_str(), value))
    }

    /// The body: the result of a `BACKGROUND_JOB`, the text of a `MESSAGE`.
    #[must_use]
    pub fn body(&self) -> Option<&str> {
        self.body.as_deref()
    }
}

impl EventValue {
    /// The value itself, or an array's elements.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        match self {
            Self::One(text) => std::slice::from_ref(text),
            Self::Many(texts) => texts.as_slice(),
        }
        .iter()
        .map(String::as_str)
    }

    fn len(&self) -> usize {
        match self {
            Self::One(_) => 1,
            Self::Many(texts) => texts.len(),
        }
    }

    fn from_text(text: String) -> Self {
        match text.strip_prefix(ARRAY_BEGINS) {
            Some(elements) => Self::Many(elements.split(ARRAY_PARTS).take(EVENT_VALUES_MAX + 1).map(str::to_owned).collect()),
            None => Self::One(text),
        }
    }
}

/// Shows the event's name and size only: its values hold numbers of people.
impl fmt::Debug for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Event").field("name", &self.name()).field("values", &self.values.len()).finish_non_exhaustive()
    }
}

/// Shows no text; see [`Event`].
impl fmt::Debug for EventValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "EventValue({} bytes)", self.iter().map(str::len).sum::<usize>())
    }
}

fn lossy(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

impl<'de> Deserialize<'de> for Event {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(EventVisitor)
    }
}

/// A list and not a map: names may come twice.
struct EventVisitor;

impl<'de> Visitor<'de> for EventVisitor {
    type Value = Event;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of texts and arrays of texts")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Event, A::Error> {
        let (mut event, mut count) = (Event::default(), 0);
        // what is over the bound is read and not kept: the event will be refused for it
        while count <= EVENT_VALUES_MAX {
            let Some((name, value)) = map.next_entry::<String, EventValue>()? else { return Ok(event) };
            count += value.len();
            event.values.push((name, value));
        }
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(event)
    }
}

impl<'de> Deserialize<'de> for EventValue {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ValueVisitor)
    }
}

struct ValueVisitor;

impl<'de> Visitor<'de> for ValueVisitor {
    type Value = EventValue;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text or an array of texts")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<EventValue, E> {
        Ok(EventValue::One(text.to_owned()))
    }

    fn visit_string<E: de::Error>(self, text: String) -> Result<EventValue, E> {
        Ok(EventValue::One(text))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<EventValue, A::Error> {
        let mut texts = Vec::new();
        while texts.len() <= EVENT_VALUES_MAX {
            let Some(text) = elements.next_element()? else { return Ok(EventValue::Many(texts)) };
            texts.push(text);
        }
        while elements.next_element::<IgnoredAny>()?.is_some() {}
        Ok(EventValue::Many(texts))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(text: &'static str) -> Result<Event, EventError> {
        Event::from_plain(&Bytes::from_static(text.as_bytes()))
    }

    fn body_of(text: &'static str) -> Option<String> {
        plain(text).unwrap().body().map(str::to_owned)
    }

    #[test]
    fn plain_and_json_say_the_same() {
        let plain = plain("Event-Name: CUSTOM\nA: x%3Ay%20z\nB: ARRAY%3A%3Aa%7C%3Ab\nC: 1\nC: 2\nContent-Length: 4\n\na\nb\n").unwrap();
        let json = Event::from_json(br#"{"Event-Name":"CUSTOM","A":"x:y z","B":["a","b"],"C":"1","C":"2","_body":"a\nb\n"}"#).unwrap();
        assert!(plain == json);
        assert_eq!(plain.name(), "CUSTOM");
        assert_eq!(plain.get("a"), Some("x:y z"));
        assert_eq!(plain.get_all("B").collect::<Vec<_>>(), ["a", "b"]);
        assert_eq!(plain.get_all("c").collect::<Vec<_>>(), ["1", "2"]);
        assert_eq!(plain.body(), Some("a\nb\n"));
    }

    #[test]
    fn only_the_last_header_says_how_long_the_body_is() {
        assert_eq!(body_of("content-length: 99\nX: 1\nContent-Length: 12\n\nhello\n\nworld"), Some("hello\n\nworld".to_owned()));
        assert_eq!(body_of("content-length: 99\nX: 1\n\n"), None);
        // a sender's own length can be the last header of an event without a body
        assert_eq!(body_of("X: 1\ncontent-length: 99\n\n"), None);
        assert_eq!(plain("content-length: 5\nX: 1\n\nhello"), Err(EventError::BadPlain));
        assert_eq!(plain("Content-Length: 5\n\nhell"), Err(EventError::BadPlain));
        assert_eq!(plain("X: 1\n"), Err(EventError::BadPlain));
    }

    #[test]
    fn an_event_that_the_end_of_the_listener_filled_up_is_refused() {
        let cut = "Event-Name: CUSTOM\nEvent-Subclass: lab%Content-Type: text/disconnect-notice\nContent-Length: 39\n\n";
        let whole = format!("{cut}killed listener because of lost events\n");
        assert_eq!(Event::from_plain(&Bytes::from(whole.clone())), Err(EventError::Overrun));
        for end in 0..whole.len() {
            assert!(Event::from_plain(&Bytes::copy_from_slice(&whole.as_bytes()[..end])).is_err(), "{end}");
        }
        let json = format!("{{\"Event-Name\":\"CUSTOM\",\"A\":\"{whole}");
        assert_eq!(Event::from_json(json.as_bytes()), Err(EventError::BadJson));
    }

    #[test]
    fn bytes_of_another_charset_are_replaced_and_cost_no_event() {
        assert_eq!(Event::from_json(b"{\"A\":\"M\xfcller\"}").unwrap().get("A"), Some("M\u{fffd}ller"));
        assert_eq!(plain("A: M%FCller\n\n").unwrap().get("A"), Some("M\u{fffd}ller"));
    }

    #[test]
    fn an_undefined_value_is_left_out_of_a_plain_event_and_true_in_json() {
        assert_eq!(plain("A: _undef_\nB: 1\n\n").unwrap().get("A"), None);
        assert_eq!(Event::from_json(br#"{"A":"_undef_"}"#).unwrap().get("A"), Some("_undef_"));
    }

    #[test]
    fn json_that_is_no_event_is_refused() {
        for bad in ["", "[]", "{", "{}x", r#"{"A":{"B":"c"}}"#, r#"{"A":[["b"]]}"#, r#"{"A":null}"#, "\"A\"", &"[".repeat(9_000)] {
            assert_eq!(Event::from_json(bad.as_bytes()), Err(EventError::BadJson), "{bad:?}");
        }
    }

    #[test]
    fn an_event_has_no_more_values_than_fit() {
        let many = |count: usize| Bytes::from(format!("{}\n", "a: b\n".repeat(count)));
        assert!(Event::from_plain(&many(EVENT_VALUES_MAX)).is_ok());
        assert_eq!(Event::from_plain(&many(EVENT_VALUES_MAX + 1)), Err(EventError::TooManyValues));
        let array = format!("A: ARRAY::{}\n\n", "x|:".repeat(EVENT_VALUES_MAX));
        assert_eq!(Event::from_plain(&Bytes::from(array)), Err(EventError::TooManyValues));
        let json = format!("{{\"A\":[{}\"x\"]}}", "\"x\",".repeat(EVENT_VALUES_MAX));
        assert_eq!(Event::from_json(json.as_bytes()), Err(EventError::TooManyValues));
    }

    #[test]
    fn what_is_shown_in_a_log_holds_no_numbers() {
        let shown = format!("{:?}", plain("Event-Name: CHANNEL_ANSWER\nCaller-Caller-ID-Number: 5551234\n\n").unwrap());
        assert!(shown.contains("CHANNEL_ANSWER") && !shown.contains("5551234"), "{shown}");
    }
}
