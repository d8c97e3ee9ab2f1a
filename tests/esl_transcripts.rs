//! What a real FreeSWITCH was seen to write, replayed: `transcripts/freeswitch/`.

use bytes::BytesMut;
use std::collections::BTreeMap;
use strowger::wire::esl::{Event, EventError, Frame, FrameDecoder, FrameError, FrameKind};
use support::{FreeswitchTranscript, freeswitch, unescape};
use tokio_util::codec::Decoder;

#[path = "support/esl_commands.rs"]
mod model;
#[path = "support/transcripts.rs"]
mod support;

/// Each kind of frame with its content type, which never stands at a line's beginning in an event.
const KINDS: [(FrameKind, &str); 9] = [
    (FrameKind::AuthRequest, "auth/request"),
    (FrameKind::CommandReply, "command/reply"),
    (FrameKind::ApiResponse, "api/response"),
    (FrameKind::EventPlain, "text/event-plain"),
    (FrameKind::EventJson, "text/event-json"),
    (FrameKind::EventXml, "text/event-xml"),
    (FrameKind::LogData, "log/data"),
    (FrameKind::DisconnectNotice, "text/disconnect-notice"),
    (FrameKind::RudeRejection, "text/rude-rejection"),
];

/// A session whose recorder left most of the connect reply out.
const ABRIDGED: &str = "out-11b-big";

/// A session in which FreeSWITCH passed an event on that it was sent, without a name or a place in the sequence.
const PASSED_ON: &str = "out-06-divert_events";

fn sessions() -> Vec<FreeswitchTranscript> {
    let sessions: Vec<_> = ["in-", "out-", "cid-"].iter().flat_map(|prefix| freeswitch(prefix)).collect();
    assert!(sessions.len() > 110, "only {} transcripts were found", sessions.len());
    sessions
}

fn session(name: &str) -> FreeswitchTranscript {
    freeswitch(name).into_iter().find(|session| session.name == name).unwrap_or_else(|| panic!("{name} is missing"))
}

/// All frames of a stream that ends where it ends.
fn frames<'a>(name: &str, pieces: impl IntoIterator<Item = &'a [u8]>) -> Vec<Frame> {
    let (mut decoder, mut buffer, mut frames) = (FrameDecoder::default(), BytesMut::new(), Vec::new());
    for piece in pieces {
        buffer.extend_from_slice(piece);
        while let Some(frame) = decoder.decode(&mut buffer).unwrap_or_else(|error| panic!("{name}: {error}")) {
            frames.push(frame);
        }
    }
    while let Some(frame) = decoder.decode_eof(&mut buffer).unwrap_or_else(|error| panic!("{name}: {error}: {buffer:?}")) {
        frames.push(frame);
    }
    frames
}

fn frames_of(session: &FreeswitchTranscript) -> Vec<Frame> {
    frames(&session.name, session.segments.iter().filter(|segment| segment.by_switch).map(|segment| &segment.bytes[..]))
}

fn kinds(name: &str) -> Vec<FrameKind> {
    frames_of(&session(name)).iter().map(Frame::kind).collect()
}

fn events(name: &str, kind: FrameKind) -> Vec<Event> {
    let frames = frames_of(&session(name));
    let read = |frame: &Frame| Event::from_frame(frame).unwrap_or_else(|error| panic!("{name}: {error}"));
    frames.iter().filter(|frame| frame.kind() == kind).map(read).collect()
}

fn text<'a>(frame: &'a Frame, name: &str) -> std::borrow::Cow<'a, str> {
    let value = frame.headers.get(name).unwrap_or_else(|| panic!("no {name}"));
    String::from_utf8_lossy(value)
}

#[test]
fn every_byte_that_was_recorded_belongs_to_a_frame_and_each_frame_is_of_the_kind_that_was_written() {
    let mut seen: BTreeMap<&str, usize> = BTreeMap::new();
    for session in sessions() {
        let frames = frames_of(&session);
        let recorded = String::from_utf8_lossy(&session.by_switch()).into_owned();
        for (kind, content_type) in KINDS {
            let found = frames.iter().filter(|frame| frame.kind() == kind).count();
            // a body that has no line end goes before the header
            assert_eq!(found, recorded.matches(&format!("Content-Type: {content_type}\n")).count(), "{}: {kind:?}", session.name);
            *seen.entry(content_type).or_default() += found;
        }
        // a getvar's value with a blank line in it ends the reply, and what follows is no frame: don't ask with getvar
        let others = frames.iter().filter(|frame| frame.kind() == FrameKind::Other).count();
        assert_eq!(others, usize::from(session.name == "out-11-values"), "{}", session.name);
    }
    assert!(seen.len() == KINDS.len() && seen.values().all(|count| *count > 0), "{seen:?}");
    assert!(seen["command/reply"] > 500 && seen["text/event-plain"] > 500 && seen["text/event-json"] > 100, "{seen:?}");
}

#[test]
fn every_session_is_the_same_when_it_comes_byte_by_byte() {
    for session in sessions() {
        let bytes = session.by_switch();
        assert!(frames(&session.name, bytes.chunks(1)) == frames_of(&session), "{}", session.name);
    }
}

#[test]
fn every_connect_reply_is_told_from_the_other_replies_and_says_who_calls_and_in_which_mode() {
    let mut connected = 0;
    for session in sessions().iter().filter(|session| !session.name.starts_with("in-")) {
        let frames = frames_of(session);
        let replies: Vec<_> = frames.iter().filter(|frame| frame.is_connect_reply()).collect();
        assert!(
            frames.first().is_none_or(|first| first.is_connect_reply() || first.kind() == FrameKind::DisconnectNotice),
            "{}",
            session.name
        );
        let raw = String::from_utf8_lossy(&session.by_switch()).matches("Reply-Text: %2BOK%0A\n").count();
        assert_eq!(replies.len(), raw, "{}", session.name);
        for reply in replies {
            assert!(reply.is_ok() && reply.body.is_empty());
            if session.name == ABRIDGED {
                continue;
            }
            assert_eq!(text(reply, "Unique-ID").len(), 36, "{}", session.name);
            assert!(reply.headers.get("Channel-Name").is_some() && reply.headers.get("Answer-State").is_some(), "{}", session.name);
            assert!(reply.headers.iter().count() > 60, "{}", session.name);
            let mode = text(reply, "Socket-Mode");
            assert!(matches!(&*mode, "static" | "async"), "{mode}");
            if session.name.contains("asyncfull") {
                assert_eq!((&*mode, &*text(reply, "Control")), ("async", "full"), "{}", session.name);
            } else if session.name.ends_with("-sync") {
                assert_eq!((&*mode, &*text(reply, "Control")), ("static", "single-channel"), "{}", session.name);
            }
            connected += 1;
        }
    }
    assert!(connected > 70, "only {connected} connect replies");
}

#[test]
fn callers_of_every_sort_come_as_the_switch_knows_them() {
    let decoded = |session_name: &str, header: &str| {
        let reply = frames_of(&session(session_name)).into_iter().find(Frame::is_connect_reply).unwrap_or_else(|| panic!("{session_name}"));
        reply.headers.decoded(header).map(std::borrow::Cow::into_owned)
    };
    let name = |session_name| decoded(session_name, "Caller-Caller-ID-Name").map(|name| String::from_utf8(name).unwrap());
    assert!(!name("cid-utf8").unwrap().is_ascii());
    assert_eq!(decoded("cid-anonymous-pai", "Caller-Privacy-Hide-Number").unwrap(), b"true");
    assert_eq!(decoded("cid-no-user", "Caller-Caller-ID-Number"), None);
    assert_eq!(
        name("cid-no-display"),
        decoded("cid-no-display", "Caller-Caller-ID-Number").map(|number| String::from_utf8(number).unwrap())
    );
    assert_eq!(decoded("out-21-path", "variable_socket_path").unwrap(), b"some/path");
}

#[test]
fn every_event_is_read_and_has_a_name_and_its_place_in_the_sequence() {
    let mut read = 0;
    for session in sessions() {
        for frame in frames_of(&session) {
            let event = match Event::from_frame(&frame) {
                Ok(event) => event,
                Err(error) => {
                    assert_eq!(error, EventError::NotAnEvent, "{}", session.name);
                    assert!(!matches!(frame.kind(), FrameKind::EventPlain | FrameKind::EventJson), "{}", session.name);
                    continue;
                }
            };
            if session.name == PASSED_ON && event.get("Command") == Some("sendevent MESSAGE") {
                assert_eq!((event.name(), event.body()), ("", Some("hello")));
                continue;
            }
            assert!(event.name().chars().all(|c| c.is_ascii_uppercase() || c == '_') && !event.name().is_empty(), "{}", session.name);
            assert!(event.get("Event-Sequence").is_some_and(|number| number.parse::<u64>().is_ok()), "{}", session.name);
            read += 1;
        }
    }
    assert!(read > 800, "only {read} events");
}

#[test]
fn a_call_tells_its_causes_twice_and_neither_is_lost() {
    let twice = |name, kind| {
        let events = events(name, kind);
        let causes: Vec<Vec<String>> = events
            .iter()
            .map(|event| event.get_all("Hangup-Cause").map(str::to_owned).collect())
            .filter(|c: &Vec<_>| c.len() > 1)
            .collect();
        assert!(!causes.is_empty(), "{name}");
        causes
    };
    let plain = twice("in-20-call-answered", FrameKind::EventPlain);
    let json = twice("in-20j-call-answered-json", FrameKind::EventJson);
    assert!(plain.iter().chain(&json).all(|causes| causes.iter().all(|cause| cause == "NORMAL_CLEARING")), "{plain:?} {json:?}");
}

#[test]
fn values_come_as_they_were_set_and_plain_loses_what_it_is_known_to_lose() {
    let plain = events("out-11-values", FrameKind::EventPlain);
    let json = events("out-11-values", FrameKind::EventJson);
    let (plain, json) = (plain.last().unwrap(), json.last().unwrap());
    for (name, value) in [
        ("v_space", "  two  spaces "),
        ("v_quotes", "a \"b\" 'c' `d`"),
        ("v_utf8", "Jürgen 中文 😀"),
        ("v_lt", "<sip:1@2>;x=y&z#f"),
        ("v_nl", "line1\nline2\n\nline4"),
        ("v_backslash", r"a\nb\tc\d\sE"),
        ("v_bad", "\u{fffd}\u{fffd} latin \u{fffd}"),
    ] {
        for event in [plain, json] {
            assert_eq!(event.get(&format!("variable_{name}")), Some(value), "{name}");
        }
    }
    for event in [plain, json] {
        assert_eq!(event.get_all("variable_v_array").collect::<Vec<_>>(), ["a", "b", "c"]);
    }
    assert_eq!(json.get("variable_v_percent"), Some("100%20 50% %zz %41 %4a %%"));
    assert_eq!(plain.get("variable_v_percent"), Some("100  50% %zz A %4a %%"));
    assert_eq!((json.get("variable_v_undef"), plain.get("variable_v_undef")), (Some("_undef_"), None));
    assert_eq!((json.get("variable_v_empty"), plain.get("variable_v_empty")), (None, None));
}

#[test]
fn the_results_of_background_jobs_are_the_bodies_of_their_events() {
    let jobs: Vec<_> = [FrameKind::EventPlain, FrameKind::EventJson].iter().flat_map(|kind| events("in-08-bgapi", *kind)).collect();
    let result = |job: &str| jobs.iter().find(|event| event.get("Job-UUID") == Some(job)).unwrap_or_else(|| panic!("no {job}")).body();
    assert_eq!(result("abc-2"), Some("fast"));
    assert!(jobs.iter().all(|event| event.name() == "BACKGROUND_JOB" && event.body().is_some()));
}

#[test]
fn a_custom_event_keeps_headers_that_come_twice_and_a_body_with_a_blank_line() {
    let events = events("in-12-custom-sendevent", FrameKind::EventPlain);
    let sent = events.iter().find(|event| event.body().is_some()).unwrap();
    assert_eq!(sent.body(), Some("hello\n\nworld"));
    assert_eq!(sent.get_all("dup").collect::<Vec<_>>(), ["1", "2"]);
    assert_eq!((sent.get("foo"), sent.get("bar"), sent.get("empty")), (Some("a b c"), Some("x:y"), None));
}

#[test]
fn a_peer_that_may_not_talk_to_the_switch_learns_so() {
    assert_eq!(kinds("in-05-rude-rejection"), [FrameKind::RudeRejection, FrameKind::DisconnectNotice]);
    let refused = [FrameKind::AuthRequest, FrameKind::CommandReply, FrameKind::DisconnectNotice];
    assert_eq!(kinds("in-02-auth-bad"), refused);
    let reply = &frames_of(&session("in-02-auth-bad"))[1];
    assert!(!reply.is_ok() && !reply.is_connect_reply());
}

#[test]
fn lines_of_the_log_say_how_bad_and_from_where() {
    let frames = frames_of(&session("in-10-log"));
    let lines: Vec<_> = frames.iter().filter_map(Frame::log).collect();
    assert!(lines.len() > 50);
    for line in &lines {
        assert!(line.level().is_some_and(|level| level <= 7) && line.line().is_some(), "{line:?}");
        assert!(line.file().is_some_and(|file| file.ends_with(b".c") || file.ends_with(b".cpp")));
        assert!(line.func().is_some() && line.text().ends_with(b"\n"));
    }
    assert!(lines.iter().any(|line| line.user_data().is_some_and(|uuid| uuid.len() == 36)));
    assert!(lines.iter().any(|line| line.user_data().is_none()));
}

/// The last bytes of the overrun listener, which its recorder noted in Python's notation, made whole at the front.
fn overrun() -> (Vec<u8>, usize) {
    let session = session("in-40-overrun");
    let remark = session.remarks.iter().find_map(|remark| remark.split("the last bytes: b'").nth(1)).unwrap();
    let tail = unescape(remark.strip_suffix('\'').unwrap());
    let first =
        [&b"Event-Subclass: lab%3A%3Aflood\nEvent-Name: C"[..], &tail[..tail.windows(2).position(|pair| pair == b"\n\n").unwrap() + 2]]
            .concat();
    let rest = &tail[tail.windows(2).position(|pair| pair == b"\n\n").unwrap() + 2..];
    let head = format!("Content-Length: {}\nContent-Type: text/event-plain\n\n", first.len());
    let whole_event = head.len() + first.len();
    ([head.as_bytes(), &first, rest].concat(), whole_event)
}

#[test]
fn the_notice_that_ends_an_overrun_listener_is_found_inside_the_event_that_it_cut() {
    let (stream, whole_event) = overrun();
    for piece_bytes in [1, 7, stream.len()] {
        let frames = frames("in-40-overrun", stream.chunks(piece_bytes));
        assert_eq!(frames.iter().map(Frame::kind).collect::<Vec<_>>(), [FrameKind::EventPlain, FrameKind::DisconnectNotice]);
        assert_eq!(Event::from_frame(&frames[0]).unwrap().get("Event-Subclass"), Some("lab::flood"));
        assert_eq!(frames[1].body, "killed listener because of lost events\n");
    }
    // without the notice it is a frame that was cut
    let mut cut = BytesMut::from(&stream[whole_event..whole_event + 80]);
    assert_eq!(FrameDecoder::default().decode_eof(&mut cut), Err(FrameError::Cut));
}

#[test]
fn the_model_sets_what_the_real_switch_was_seen_to_set() {
    let session = session("out-11-values");
    let stored = events("out-11-values", FrameKind::EventJson).pop().unwrap();
    let mut checked = 0;
    for command in String::from_utf8_lossy(&session.to_switch()).split("execute-app-name: set\nexecute-app-arg: ").skip(1) {
        let (name, value) = command.lines().next().unwrap().split_once('=').unwrap();
        let Some(seen) = stored.get(&format!("variable_{name}")).filter(|_| !value.contains("${") && !value.starts_with("ARRAY")) else {
            continue;
        };
        // once as the argument, once as the value
        let set = model::expand(&model::expand(value.as_bytes()));
        assert_eq!(String::from_utf8_lossy(&set), seen, "{name}");
        checked += 1;
    }
    assert!(checked >= 9, "only {checked} values were compared");
}

#[test]
fn the_model_takes_lists_apart_as_the_real_switch_was_seen_to() {
    let session = session("out-32-multiset-delimiters");
    let replies: Vec<_> = frames_of(&session).into_iter().filter(|frame| !frame.is_connect_reply()).collect();
    let commands = String::from_utf8(session.to_switch()).unwrap();
    let mut variables = BTreeMap::new();
    let mut checked = 0;
    for (command, reply) in commands.split("\n\n").filter(|command| *command != "connect").zip(&replies) {
        if let Some(name) = command.strip_prefix("getvar ") {
            let value: Option<&Vec<u8>> = variables.get(name);
            let value =
                value.filter(|value| !value.is_empty()).map_or("-ERR command not found".into(), |value| String::from_utf8_lossy(value));
            assert_eq!(text(reply, "Reply-Text"), value, "{command}");
            checked += 1;
        } else if let Some((_, argument)) = command.split_once("multiset\nexecute-app-arg: ") {
            let execution = model::Execution { app: "multiset".to_owned(), argument: argument.as_bytes().to_vec() };
            // multiset's own list without an equals sign sets a variable to nothing
            let with_values = |part: &Vec<u8>| part.contains(&b'=');
            let delimiter = argument.strip_prefix("^^").map_or((b' ', argument), |rest| (rest.as_bytes()[0], &rest[1..]));
            if model::separate(delimiter.1.as_bytes(), delimiter.0).iter().all(with_values) {
                variables.extend(model::assignments(&[execution]));
            } else {
                for part in model::separate(delimiter.1.as_bytes(), delimiter.0).into_iter().filter(with_values) {
                    let pair = model::Execution { app: "set".to_owned(), argument: part };
                    variables.extend(model::assignments(&[pair]));
                }
            }
        } else if let Some((_, name)) = command.split_once("unset\nexecute-app-arg: ") {
            variables.remove(name);
        }
    }
    assert_eq!(checked, 8);
}

#[test]
fn an_argument_that_goes_as_a_body_counts_only_beside_a_content_type() {
    let commands = b"sendmsg\ncall-command: execute\nexecute-app-name: set\ncontent-length: 3\n\na=1";
    assert_eq!(model::executions(commands)[0].argument, b"");
    let seen = session("out-10-body-vs-header").remarks;
    assert!(seen.iter().any(|remark| remark.contains("CHANNEL_EXECUTE app=set id=")), "the real switch ran a set without an argument");
}
