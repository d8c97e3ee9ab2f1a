//! Promises of FreeSWITCH's event socket that must hold for any bytes, not only for those that we thought of.

use bytes::{Bytes, BytesMut};
use model::{Execution, assignments, executions};
use proptest::{collection::vec, option, prelude::*};
use strowger::wire::esl::{
    AppName, Event, Frame, FrameDecoder, FrameError, FrameKind, FrameLimits, Headers, Value, VariableName,
    command::{self, MULTISET_PAIRS_MAX},
    percent_decode,
};
use support::{cut, feed, nasty_bytes, nasty_text};
use tokio_util::codec::Decoder;

#[path = "support/esl_commands.rs"]
mod model;
#[path = "support/wire.rs"]
mod support;

const LIMITS: FrameLimits = FrameLimits { header_bytes_max: 2_000, body_bytes_max: 3_000 };

/// The one value that an answer always ends with.
const STATUS: VariableName = VariableName::from_static("strowger_STATUS");

/// A frame as FreeSWITCH writes one: a kind, header values without line ends, and a body if there is one.
fn frame_bytes() -> impl Strategy<Value = (Vec<u8>, Vec<u8>, Option<Vec<u8>>)> {
    let value = vec(any::<u8>().prop_filter("no line end", |byte| *byte != b'\n'), 0..40);
    let kind = prop::sample::select(vec!["command/reply", "text/event-plain", "text/event-json", "api/response", "log/data", "x/y"]);
    (kind, value, option::of(vec(any::<u8>(), 0..200)), any::<bool>()).prop_map(|(kind, value, body, length_first)| {
        let length = body.as_ref().map(|body| format!("Content-Length: {}\n", body.len())).unwrap_or_default();
        let (before, after) = if length_first { (length.as_str(), "") } else { ("", length.as_str()) };
        let mut bytes = format!("{before}Content-Type: {kind}\nX-Value: ").into_bytes();
        bytes.extend_from_slice(&value);
        bytes.extend_from_slice(format!("\n{after}\n").as_bytes());
        bytes.extend_from_slice(body.as_deref().unwrap_or_default());
        (bytes, value, body)
    })
}

/// FreeSWITCH's own encoding of a value, `%41` left as it is.
fn percent_encode(value: &[u8]) -> Vec<u8> {
    let upper_hex = |byte: Option<&u8>| byte.is_some_and(|byte| matches!(byte, b'0'..=b'9' | b'A'..=b'F'));
    let mut out = Vec::new();
    for (at, byte) in value.iter().enumerate() {
        let is_escape = *byte == b'%' && upper_hex(value.get(at + 1)) && upper_hex(value.get(at + 2));
        if !is_escape && (*byte < 0x20 || *byte > 0x7E || b"\r\n #%&+:;<=>?@[\\]^`{|}\"".contains(byte)) {
            out.extend_from_slice(format!("%{byte:02X}").as_bytes());
        } else {
            out.push(*byte);
        }
    }
    out
}

/// Text as values are: odd, but with the words of ordinary names between.
fn value_text() -> impl Strategy<Value = String> {
    prop_oneof![
        3 => nasty_text(),
        1 => prop::sample::select(vec!["O'Brien", "D'Arcy & Söhne", r"C:\new", r"a\", r"\\srv\x", " x ", "ARRAY::a|:b", "_undef_", "$$", "100%[", "日本"])
            .prop_map(str::to_owned),
    ]
}

fn numbered(values: &[String]) -> Vec<(VariableName, Value<'_>)> {
    values.iter().enumerate().map(|(n, value)| (VariableName::new(&format!("v{n}")).unwrap(), Value::new(value))).collect()
}

/// What FreeSWITCH would have set after these pairs were sent, and in how many applications.
fn as_freeswitch_sets(pairs: &[(VariableName, Value<'_>)]) -> (Vec<(String, Vec<u8>)>, usize) {
    let mut out = BytesMut::from(&b"kept"[..]);
    let count = command::variables(pairs, &mut out);
    let executions = executions(out.strip_prefix(b"kept").unwrap());
    assert_eq!(executions.len(), count);
    (assignments(&executions), count)
}

fn check_pairs(pairs: &[(VariableName, Value<'_>)]) -> Result<(), TestCaseError> {
    let (mut set, count) = as_freeswitch_sets(pairs);
    let torn =
        pairs.iter().filter(|(_, value)| value.as_str().contains(['\'', '\\']) || value.as_str().trim_matches(' ') != value.as_str());
    let torn = torn.count();
    prop_assert_eq!(count, torn + (pairs.len() - torn).div_ceil(MULTISET_PAIRS_MAX));
    let mut sent: Vec<_> = pairs.iter().map(|(name, value)| (name.as_str().to_owned(), value.as_str().as_bytes().to_vec())).collect();
    if let (Some(last_set), Some(last_sent)) = (set.last(), sent.last()) {
        prop_assert!(last_set == last_sent || last_sent.0 != STATUS.as_str(), "the last of the list isn't set last");
    }
    set.sort();
    sent.sort();
    prop_assert_eq!(set, sent);
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn no_bytes_make_the_decoder_panic_or_buffer_over_its_bound(
        head in prop::sample::select(vec!["", "\n\n", "Content-Length: 2999\n", "Content-Length: 5\n\n", "Content-Type: text/disconnect-notice\n"]),
        junk in prop_oneof![vec(any::<u8>(), 0..400), "[\n:ContegLh 0-9-]{0,60}".prop_map(String::into_bytes)],
        repeated in 1_usize..100, places in vec(any::<prop::sample::Index>(), 0..8),
    ) {
        let stream = [head.as_bytes(), &junk.repeat(repeated)].concat();
        let bytes_max = LIMITS.header_bytes_max + LIMITS.body_bytes_max;
        let (frames, _) = feed(FrameDecoder::new(LIMITS), &cut(&stream, &places), bytes_max);
        for frame in frames {
            prop_assert!(frame.headers.as_bytes().len() < LIMITS.header_bytes_max && frame.body.len() <= LIMITS.body_bytes_max);
            let _ = (frame.kind(), frame.is_ok(), frame.is_connect_reply(), frame.log().map(|log| (log.level(), log.line())));
        }
        let (mut decoder, mut buffer) = (FrameDecoder::new(LIMITS), BytesMut::from(&stream[..]));
        while let Ok(Some(_)) = decoder.decode_eof(&mut buffer) {}
        let _ = Event::from_plain(&Bytes::from(stream.clone()));
        let _ = Event::from_json(&stream);
    }

    #[test]
    fn an_unfinished_frame_keeps_no_more_than_its_bound(header_bytes in 0_usize..4_000, body_bytes in 0_usize..4_000) {
        let head = format!("A: {}\nContent-Length: {body_bytes}\n\n", "x".repeat(header_bytes));
        let (mut decoder, mut buffer) = (FrameDecoder::new(LIMITS), BytesMut::new());
        let mut result = Ok(None);
        for byte in head.bytes().chain(std::iter::repeat_n(b'y', body_bytes)) {
            buffer.extend_from_slice(&[byte]);
            result = decoder.decode(&mut buffer);
            if !matches!(result, Ok(None)) {
                break;
            }
            prop_assert!(buffer.len() < LIMITS.header_bytes_max + LIMITS.body_bytes_max);
        }
        let expected = if head.len() > LIMITS.header_bytes_max {
            Err(FrameError::HeadersTooLong { bytes_max: LIMITS.header_bytes_max })
        } else if body_bytes > LIMITS.body_bytes_max {
            Err(FrameError::BodyTooLong { bytes_max: LIMITS.body_bytes_max })
        } else {
            Ok(body_bytes)
        };
        prop_assert_eq!(result.map(|frame| frame.map_or(usize::MAX, |frame| frame.body.len())), expected);
    }

    #[test]
    fn frames_are_the_same_however_the_network_cuts_them(
        written in vec((frame_bytes(), 0_usize..3), 1..8), places in vec(any::<prop::sample::Index>(), 0..12),
    ) {
        let stream: Vec<u8> = written.iter().flat_map(|((bytes, ..), blank)| [b"\n".repeat(*blank), bytes.clone()].concat()).collect();
        let (whole, error) = feed(FrameDecoder::default(), &[&stream], usize::MAX);
        prop_assert_eq!(error, None);
        prop_assert_eq!(whole.len(), written.len());
        for (frame, ((_, value, body), _)) in whole.iter().zip(&written) {
            prop_assert_eq!(frame.headers.get("x-value"), Some(&value[..]));
            prop_assert_eq!(&frame.body[..], body.as_deref().unwrap_or_default());
        }
        prop_assert_eq!(feed(FrameDecoder::default(), &cut(&stream, &places), usize::MAX), (whole.clone(), None));
        let single: Vec<_> = stream.chunks(1).collect();
        prop_assert_eq!(feed(FrameDecoder::default(), &single, usize::MAX), (whole, None));
    }

    #[test]
    fn the_notice_of_an_overrun_is_seen_in_any_frame_that_it_cuts(
        (bytes, ..) in frame_bytes(), place in any::<prop::sample::Index>(), pieces in vec(any::<prop::sample::Index>(), 0..6),
    ) {
        let notice = b"Content-Type: text/disconnect-notice\nContent-Length: 39\n\nkilled listener because of lost events\n";
        // cut so early that the notice doesn't fill the frame up
        let mut long = bytes[..place.index(bytes.len())].to_vec();
        if long.windows(2).any(|pair| pair == b"\n\n") {
            long = b"Content-Length: 400\n\nEvent-Name: CU".to_vec();
        }
        let stream = [&long[..], notice].concat();
        let (mut decoder, mut buffer, mut frames) = (FrameDecoder::default(), BytesMut::new(), Vec::new());
        for piece in cut(&stream, &pieces) {
            buffer.extend_from_slice(piece);
            while let Some(frame) = decoder.decode(&mut buffer).unwrap() {
                frames.push(frame);
            }
        }
        frames.extend(decoder.decode_eof(&mut buffer).unwrap());
        prop_assert_eq!(decoder.decode_eof(&mut buffer), Ok(None));
        prop_assert_eq!(frames.len(), 1);
        prop_assert_eq!(frames[0].kind(), FrameKind::DisconnectNotice);
    }

    #[test]
    fn a_value_comes_out_of_the_encoding_as_far_as_it_can(value in nasty_bytes()) {
        let encoded = percent_encode(&value);
        prop_assert!(!encoded.contains(&b'\n') && encoded.is_ascii());
        // the encoding itself loses which `%41` was a text
        let once_more = percent_decode(&value);
        let decoded = percent_decode(&encoded);
        prop_assert_eq!(decoded, once_more);
    }

    #[test]
    fn an_event_says_the_same_in_plain_and_in_json(
        values in vec(nasty_bytes(), 0..8), array in vec("[a-z' é]{0,6}", 1..4), body in option::of("[ -~é\n]{1,40}"),
    ) {
        let values: Vec<_> = values.into_iter()
            .map(|value| String::from_utf8_lossy(&percent_decode(&value)).into_owned())
            .filter(|value| !value.starts_with("ARRAY::") && percent_decode(value.as_bytes()) == value.as_bytes())
            .collect();
        let mut plain = Vec::new();
        let mut json = Vec::new();
        for (n, value) in values.iter().enumerate() {
            // names come twice
            plain.extend_from_slice(format!("Name-{}: {}\n", n / 2, String::from_utf8(percent_encode(value.as_bytes())).unwrap()).as_bytes());
            json.push(format!("\"Name-{}\":{}", n / 2, serde_json::to_string(value).unwrap()));
        }
        let joined = format!("ARRAY::{}", array.join("|:"));
        plain.extend_from_slice(format!("List: {}\n", String::from_utf8(percent_encode(joined.as_bytes())).unwrap()).as_bytes());
        json.push(format!("\"List\":{}", serde_json::to_string(&array).unwrap()));
        if let Some(body) = &body {
            plain.extend_from_slice(format!("Content-Length: {}\n\n{body}", body.len()).as_bytes());
            json.push(format!("\"_body\":{}", serde_json::to_string(body).unwrap()));
        } else {
            plain.extend_from_slice(b"\n");
        }
        let plain = Event::from_plain(&Bytes::from(plain)).unwrap();
        let json = Event::from_json(format!("{{{}}}", json.join(",")).as_bytes()).unwrap();
        prop_assert!(plain == json);
        prop_assert_eq!(plain.body(), body.as_deref());
        prop_assert_eq!(plain.get_all("list").collect::<Vec<_>>(), array);
        prop_assert_eq!(plain.get("name-0"), values.first().map(String::as_str));
    }

    #[test]
    fn freeswitch_sets_exactly_the_cleaned_values(values in vec(value_text(), 0..40)) {
        let mut pairs = numbered(&values);
        pairs.push((STATUS, Value::new("found")));
        check_pairs(&pairs)?;
    }

    #[test]
    fn freeswitch_sets_more_values_than_one_multiset_takes(value in value_text(), count in 250_usize..600) {
        let values = vec![value; count];
        check_pairs(&numbered(&values))?;
    }

    #[test]
    fn the_callers_name_and_an_applications_argument_come_out_of_their_one_expansion(text in value_text()) {
        let value = Value::new(&text);
        let mut out = BytesMut::new();
        command::profile_name(&value, &mut out);
        prop_assert_eq!(assignments(&executions(&out)), [("profile:caller_id_name".to_owned(), value.as_str().as_bytes().to_vec())]);
        out.clear();
        if command::execute(AppName::from_static("hangup"), &value, &mut out).is_ok() {
            let executions = executions(&out);
            prop_assert_eq!(executions.len(), 1);
            let Execution { app, argument } = &executions[0];
            prop_assert_eq!((app.as_str(), &model::expand(argument)[..]), ("hangup", value.as_str().as_bytes()));
        } else {
            prop_assert!(value.as_str().starts_with('%') && out.is_empty());
        }
    }

    #[test]
    fn nothing_that_is_sent_holds_a_control_character_or_an_expansion(bytes in nasty_bytes()) {
        let value = Value::from_bytes(&bytes);
        let text = value.as_str();
        prop_assert!(!text.contains(char::is_control) && !text.contains("${"), "{:?}", text);
        prop_assert_eq!(Value::new(text), value.clone());
        let mut out = BytesMut::new();
        command::variables(&[(STATUS, value)], &mut out);
        for execution in executions(&out) {
            let argument = execution.argument.strip_prefix(b"^^\x01").unwrap_or(&execution.argument);
            let acts = argument.iter().any(u8::is_ascii_control) || argument.windows(2).any(|pair| pair == b"${");
            prop_assert!(!acts, "{}", argument.escape_ascii());
        }
    }
}

#[test]
fn every_printable_ascii_character_comes_back_alone_and_beside_every_other() {
    let printable = || (b' '..=b'~').map(char::from);
    for first in printable() {
        let values: Vec<String> = printable().map(|second| format!("{first}{second}")).collect();
        check_pairs(&numbered(&values)).unwrap();
        let inside: Vec<String> = printable().map(|second| format!("a{first}{second}z")).collect();
        check_pairs(&numbered(&inside)).unwrap();
    }
}

#[test]
fn a_name_with_an_apostrophe_takes_nothing_of_the_values_beside_it() {
    let names = ["O'Brien".to_owned(), "x".to_owned(), "D'Arcy".to_owned(), "'".to_owned()];
    check_pairs(&numbered(&names)).unwrap();
    // what would have happened: the second apostrophe is in another value, and the delimiters between are quoted
    let torn = model::separate(b"v0=O'Brien\x01v1=x\x01v2=D'Arcy", 1);
    assert_eq!(torn, [b"v0=OBrien\x01v1=x\x01v2=DArcy"]);
}

#[test]
fn what_a_frame_shows_in_a_log_holds_nothing_of_a_call() {
    let block = Bytes::from_static(b"Caller-Caller-ID-Number: 5551234\n");
    let frame = Frame { headers: Headers::new(block.clone()), body: block };
    assert!(!format!("{frame:?}").contains("5551234"));
}
