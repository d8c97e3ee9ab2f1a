//! Tests of [`super`]; see also `tests/esl_wire.rs` and `tests/esl_transcripts.rs`.

use super::*;

const OVERRUN: &str = "Content-Type: text/disconnect-notice\nContent-Length: 39\n\nkilled listener because of lost events\n";

fn until_eof(text: &str) -> (Vec<Frame>, Option<FrameError>) {
    let (mut decoder, mut buffer, mut frames) = (FrameDecoder::default(), BytesMut::from(text), Vec::new());
    loop {
        match decoder.decode_eof(&mut buffer) {
            Ok(Some(frame)) => frames.push(frame),
            Ok(None) => return (frames, None),
            Err(error) => return (frames, Some(error)),
        }
    }
}

fn small(header_bytes_max: usize, body_bytes_max: usize) -> FrameDecoder {
    FrameDecoder::new(FrameLimits { header_bytes_max, body_bytes_max })
}

#[test]
fn frames_follow_each_other_without_a_line_between() {
    let (frames, error) = until_eof(
        "\n\nContent-Length: 2\nContent-Type: text/event-json\n\n{}Content-Type: api/response\nContent-Length: 3\n\nUP\n\nContent-Type: command/reply\nReply-Text: +OK\n\n\n",
    );
    assert_eq!(error, None);
    let seen: Vec<_> = frames.iter().map(|frame| (frame.kind(), &frame.body[..])).collect();
    assert_eq!(seen, [(FrameKind::EventJson, &b"{}"[..]), (FrameKind::ApiResponse, b"UP\n"), (FrameKind::CommandReply, b"")]);
    assert!(frames[2].is_ok() && !frames[2].is_connect_reply());
}

#[test]
fn a_connect_reply_is_told_from_other_replies_in_either_mode() {
    let (frames, _) = until_eof("Event-Name: CHANNEL_DATA\nContent-Type: command/reply\nReply-Text: %2BOK%0A\nSocket-Mode: static\n\n");
    assert!(frames[0].is_connect_reply() && frames[0].is_ok());
    assert_eq!(frames[0].headers.get("Socket-Mode"), Some(&b"static"[..]));
    let (frames, _) = until_eof("Content-Type: command/reply\nReply-Text: -ERR command not found\n\n");
    assert!(!frames[0].is_connect_reply() && !frames[0].is_ok());
}

#[test]
fn a_notice_in_the_middle_of_a_frame_is_seen_wherever_the_frame_was_cut() {
    let event = "Content-Length: 200\nContent-Type: text/event-plain\n\nEvent-Name: CUSTOM\nEvent-Subclass: lab%";
    for cut in 0..event.len() {
        let (frames, error) = until_eof(&format!("{}{OVERRUN}", &event[..cut]));
        assert_eq!(error, None, "{cut}");
        assert_eq!(frames.len(), 1, "{cut}");
        assert_eq!(
            (frames[0].kind(), &frames[0].body[..]),
            (FrameKind::DisconnectNotice, &b"killed listener because of lost events\n"[..])
        );
    }
}

#[test]
fn a_notice_that_fills_up_the_frame_it_stands_in_makes_no_event_of_it() {
    let event = "Event-Name: CUSTOM\nEvent-Subclass: lab%";
    for missing in 1..OVERRUN.len() {
        let text = format!("Content-Length: {}\nContent-Type: text/event-plain\n\n{event}{OVERRUN}", event.len() + missing);
        let (frames, _) = until_eof(&text);
        assert!(super::super::Event::from_frame(&frames[0]).is_err(), "{missing}");
        // what is left of the notice means nothing
        assert!(frames[1..].iter().all(|frame| frame.kind() == FrameKind::Other), "{missing}");
    }
}

#[test]
fn a_notice_that_is_not_whole_or_not_the_last_is_none() {
    let cut = "Content-Length: 200\n\nhalf";
    assert_eq!(until_eof(&format!("{cut}{}", &OVERRUN[..OVERRUN.len() - 1])), (vec![], Some(FrameError::Cut)));
    assert_eq!(until_eof(&format!("{cut}{OVERRUN}x")), (vec![], Some(FrameError::Cut)));
    assert_eq!(until_eof(&format!("{cut}Content-Type: text/disconnect-notice\nContent-Length: x\n\n")), (vec![], Some(FrameError::Cut)));
    assert_eq!(until_eof("Content-Type: command/reply\n"), (vec![], Some(FrameError::Cut)));
    assert_eq!(until_eof("\n\n\n"), (vec![], None));
}

#[test]
fn a_notice_in_the_middle_of_a_frame_is_held_to_the_same_bounds_as_any_frame() {
    let notice = |filler: usize| format!("Content-Type: text/disconnect-notice\nA: {}\n\n", "x".repeat(filler));
    let until_eof = |text: String| small(50, 200).decode_eof(&mut BytesMut::from(text.as_str()));
    let cut = "Content-Length: 200\n\nhalf";
    assert!(until_eof(format!("{cut}{}", notice(8))).unwrap().is_some());
    assert_eq!(until_eof(format!("{cut}{}", notice(9))), Err(FrameError::Cut));
}

#[test]
fn what_is_too_long_is_refused_at_its_bound_and_stays_refused() {
    let refused = |mut decoder: FrameDecoder, text: &str| {
        let mut buffer = BytesMut::from(text);
        let error = decoder.decode(&mut buffer).unwrap_err();
        assert_eq!(decoder.decode(&mut buffer), Err(error));
        error
    };
    assert_eq!(refused(small(10, 10), "A: 5678901"), FrameError::HeadersTooLong { bytes_max: 10 });
    assert_eq!(refused(small(10, 10), "A: 567890\n\n"), FrameError::HeadersTooLong { bytes_max: 10 });
    assert!(small(10, 10).decode(&mut BytesMut::from("A: 56789\n\n")).unwrap().is_some());
    assert_eq!(refused(small(99, 10), "Content-Length: 11\n\n"), FrameError::BodyTooLong { bytes_max: 10 });
    assert_eq!(refused(small(99, 10), "Content-Length: 99999999999999999999999\n\n"), FrameError::BodyTooLong { bytes_max: 10 });
    for bad in ["-5", "", " ", "0x1", "1 2", "+1"] {
        assert_eq!(refused(small(99, 10), &format!("content-length:{bad}\n\n")), FrameError::BadLength, "{bad:?}");
    }
    assert!(small(99, 10).decode(&mut BytesMut::from("CONTENT-LENGTH:  10 \n\n1234567890")).unwrap().is_some());
}

#[test]
fn a_log_line_says_where_it_is_from() {
    let (frames, _) = until_eof(
        "Content-Type: log/data\nContent-Length: 5\nLog-Level: 7\nText-Channel: 3\nLog-File: a.c\nLog-Func: f\nLog-Line: 2301\nUser-Data: \n\nline\n",
    );
    let log = frames[0].log().unwrap();
    assert_eq!((log.level(), log.line(), log.user_data()), (Some(7), Some(2301), None));
    assert_eq!((log.file(), log.func(), log.text()), (Some(&b"a.c"[..]), Some(&b"f"[..]), &b"line\n"[..]));
}
