//! Promises of Asterisk's manager interface that must hold for any bytes, not only for those that we thought of.

use bytes::BytesMut;
use proptest::{collection::vec, prelude::*};
use strowger::wire::ami::{
    ActionId, ActionName, EventMask, HeaderName, Packet, PacketDecoder, PacketError, PacketLimits, Suspicion,
    command::{self, ACTION_LINE_BYTES_MAX, ACTION_LINES_MAX},
};
use support::{cut, feed, nasty_bytes, nasty_text};
use tokio_util::codec::Decoder;

#[path = "support/wire.rs"]
mod support;

const LIMITS: PacketLimits = PacketLimits { line_bytes_max: 300, packet_bytes_max: 2_000 };

const BANNER: &[u8] = b"Asterisk Call Manager/11.0.0\r\n";

/// A stranger's call, which no caller may end for us.
const STRANGER: &str = "1795278612.0";

/// A value as it may be: anything without CR LF.
fn value() -> impl Strategy<Value = Vec<u8>> {
    vec(any::<u8>(), 0..40).prop_map(|mut bytes| {
        for at in 1..bytes.len() {
            if bytes[at - 1] == b'\r' && bytes[at] == b'\n' {
                bytes[at] = b' ';
            }
        }
        if bytes.last() == Some(&b'\r') {
            bytes.pop();
        }
        bytes
    })
}

/// A genuine event about one channel, whose caller's number and name are these bytes.
fn event(name: &str, number: &[u8], caller: &[u8], id: &str) -> Vec<u8> {
    let head = format!("Event: {name}\r\nPrivilege: call,all\r\nChannel: PJSIP/a-1\r\nChannelState: 4\r\nChannelStateDesc: Ring\r\n");
    let tail = format!(
        "ConnectedLineNum: <unknown>\r\nConnectedLineName: <unknown>\r\nLanguage: en\r\nAccountCode: \r\nContext: from-sip\r\nExten: 1\r\nPriority: 1\r\nUniqueid: {id}\r\nLinkedid: {id}\r\n\r\n"
    );
    [head.as_bytes(), b"CallerIDNum: ", number, b"\r\nCallerIDName: ", caller, b"\r\n", tail.as_bytes()].concat()
}

/// What somebody may write into his number to end a stranger's call.
fn forgery() -> impl Strategy<Value = String> {
    let part = prop::sample::select(vec![
        "\r\n",
        "\r\n",
        "\r\n\r\n",
        "\n",
        "\r",
        "Event: Hangup",
        "Privilege: call,all",
        "Uniqueid: 1795278612.0",
        "ChannelState: 6",
        "Linkedid: 1",
        "X: ",
        "Uniqueid: 1",
        "CallerIDName: ",
        "Priority: 1",
        "Response: Success",
        "1",
        "ActionID: k-1",
        "Event: UserEvent\r\nUserEvent: a",
    ]);
    let parts = vec(part, 0..10).prop_map(|parts| parts.concat());
    let whole = prop::sample::select(vec![
        "1\r\n\r\nEvent: Hangup\r\nPrivilege: call,all\r\nUniqueid: 1795278612.0\r\n\r\n",
        "1\r\n\r\nEvent: Hangup\r\nPrivilege: call,all\r\nUniqueid: 1795278612.0\r\nX: ",
        "1\r\nUniqueid: 1795278612.0",
        "1\r\n\r\nx\r\nUniqueid:\r\n\r\nEvent: Hangup\r\nPrivilege: a\r\nUniqueid: 1795278612.0",
    ]);
    // PJSIP cuts it here
    prop_oneof![parts, whole.prop_map(str::to_owned)].prop_map(|text| text.chars().take(79).collect())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn no_bytes_make_the_decoder_panic_or_buffer_over_its_bound(
        head in prop::sample::select(vec!["", "Asterisk Call Manager/11.0.0\r\n", "Asterisk Call Manager/1.1\r\nResponse: Follows\r\n", "Asterisk Call Manager/5.0\n"]),
        junk in prop_oneof![vec(any::<u8>(), 0..200), "[\r\n:EventRspo x]{0,60}".prop_map(String::into_bytes)],
        repeated in 1_usize..60, places in vec(any::<prop::sample::Index>(), 0..8),
    ) {
        let stream = [head.as_bytes(), &junk.repeat(repeated)].concat();
        let (packets, error) = feed(PacketDecoder::new(LIMITS), &cut(&stream, &places), LIMITS.packet_bytes_max);
        for packet in &packets {
            prop_assert!(packet.fields().as_bytes().len() <= LIMITS.packet_bytes_max);
            let _ = (packet.name(), packet.list(), packet.action_id(), packet.is_success(), packet.fields().output().count());
        }
        prop_assert_eq!(feed(PacketDecoder::new(LIMITS), &[&stream], usize::MAX), (packets, error));
        let (mut decoder, mut buffer) = (PacketDecoder::new(LIMITS), BytesMut::from(&stream[..]));
        while let Ok(Some(_)) = decoder.decode_eof(&mut buffer) {}
    }

    #[test]
    fn packets_are_the_same_however_the_network_cuts_them(
        values in vec((value(), value(), 0_usize..3), 1..8), places in vec(any::<prop::sample::Index>(), 0..12),
    ) {
        let mut stream = BANNER.to_vec();
        for (n, (a, b, blank)) in values.iter().enumerate() {
            stream.extend(b"\r\n".repeat(*blank));
            stream.extend(if n % 2 == 0 { &b"Event: X\r\nPrivilege: call,all"[..] } else { b"Response: Success\r\nActionID: 1" });
            stream.extend([&b"\r\nVariable: "[..], a, b"\r\nvariable: ", b, b"\r\n\r\n"].concat());
        }
        let (whole, error) = feed(PacketDecoder::default(), &[&stream], usize::MAX);
        prop_assert_eq!(error, None);
        prop_assert_eq!(whole.len(), values.len() + 1);
        for (packet, (a, b, _)) in whole[1..].iter().zip(&values) {
            prop_assert_eq!(packet.get_all("Variable").collect::<Vec<_>>(), [&a[..], &b[..]]);
            prop_assert!(!matches!(packet, Packet::Suspect(..)));
        }
        prop_assert_eq!(feed(PacketDecoder::default(), &cut(&stream, &places), usize::MAX), (whole.clone(), None));
        let single: Vec<_> = stream.chunks(1).collect();
        prop_assert_eq!(feed(PacketDecoder::default(), &single, usize::MAX), (whole, None));
    }

    #[test]
    fn an_unfinished_packet_keeps_no_more_than_its_bound(line_bytes in 1_usize..400, lines in 1_usize..200) {
        let line = format!("A: {}\r\n", "x".repeat(line_bytes));
        let (mut decoder, mut buffer) = (PacketDecoder::new(LIMITS), BytesMut::from(BANNER));
        decoder.decode(&mut buffer).unwrap();
        let mut result = Ok(None);
        for byte in line.repeat(lines).bytes() {
            buffer.extend_from_slice(&[byte]);
            result = decoder.decode(&mut buffer);
            if !matches!(result, Ok(None)) {
                break;
            }
            prop_assert!(buffer.len() < LIMITS.packet_bytes_max);
        }
        let expected = if line.len() > LIMITS.line_bytes_max {
            Err(PacketError::LineTooLong { bytes_max: LIMITS.line_bytes_max })
        } else if line.len() * lines >= LIMITS.packet_bytes_max {
            Err(PacketError::PacketTooLong { bytes_max: LIMITS.packet_bytes_max })
        } else {
            Ok(None)
        };
        prop_assert_eq!(result, expected);
    }

    #[test]
    fn no_callers_number_or_name_ends_a_strangers_call(
        number in forgery(), caller in prop_oneof![Just("Ada".to_owned()), forgery()], events in 1_usize..4, pieces in vec(any::<prop::sample::Index>(), 0..4),
    ) {
        let mut stream = BANNER.to_vec();
        for _ in 0..events {
            stream.extend(event("Newstate", number.as_bytes(), caller.as_bytes(), "1795279999.5"));
        }
        let (packets, error) = feed(PacketDecoder::default(), &cut(&stream, &pieces), usize::MAX);
        prop_assert_eq!(error, None);
        for packet in packets.iter().filter(|packet| !matches!(packet, Packet::Suspect(..))) {
            prop_assert_ne!(packet.get("Uniqueid"), Some(STRANGER.as_bytes()), "{:?} {:?}", number, caller);
            prop_assert_ne!(packet.name(), Some(&b"Hangup"[..]), "{:?} {:?}", number, caller);
            prop_assert!(!matches!(packet, Packet::Response(_)), "{:?} {:?}", number, caller);
        }
    }

    #[test]
    fn a_forger_costs_others_no_more_than_the_packets_beside_his(number in forgery()) {
        let mut stream = [BANNER, &event("Newchannel", number.as_bytes(), b"Ada", "1795279999.5")].concat();
        for _ in 0..10 {
            stream.extend(event("Newstate", b"1", b"Grace", "1795270000.1"));
        }
        let (packets, _) = feed(PacketDecoder::default(), &[&stream], usize::MAX);
        let believed = packets.iter().filter(|packet| matches!(packet, Packet::Event(_)) && packet.get("CallerIDName") == Some(b"Grace"));
        prop_assert!(believed.count() >= 7);
        prop_assert!(packets.iter().rev().take(7).all(|packet| matches!(packet, Packet::Event(_))));
    }

    #[test]
    fn no_text_breaks_out_of_its_line(user in nasty_text(), secret in nasty_text(), challenge in nasty_bytes(), values in vec(nasty_text(), 0..6)) {
        let id = ActionId::from_static("id-1");
        let mut out = BytesMut::from(&b"kept"[..]);
        let headers: Vec<_> = values.iter().map(|value| (HeaderName::from_static("Variable"), value.as_str())).collect();
        let mut lines_written = Vec::new();
        for (written, line_count) in [
            (command::login_md5(&id, &user, &secret, &challenge, EventMask::All, &mut out), 6),
            (command::login_plain(&id, &user, &secret, EventMask::Off, &mut out), 5),
            (command::action(&id, &ActionName::from_static("Originate"), &headers, &mut out), 2 + values.len()),
        ] {
            lines_written.extend(written.is_ok().then_some(line_count));
        }
        let text = String::from_utf8(out.to_vec()).unwrap();
        let actions: Vec<_> = text.strip_prefix("kept").unwrap().split_terminator("\r\n\r\n").collect();
        prop_assert_eq!(actions.iter().map(|action| action.split("\r\n").count()).collect::<Vec<_>>(), lines_written);
        for line in actions.iter().flat_map(|action| action.split("\r\n")) {
            prop_assert!(!line.contains(char::is_control) && line.len() + 2 <= ACTION_LINE_BYTES_MAX && line.contains(": "));
        }
        for action in actions {
            prop_assert!(action.starts_with("Action: ") && action.split("\r\n").nth(1) == Some("ActionID: id-1"));
            prop_assert!(action.split("\r\n").count() <= ACTION_LINES_MAX);
        }
    }
}

#[test]
fn what_a_packet_shows_in_a_log_holds_nothing_of_a_call() {
    let stream = [BANNER, &event("Newchannel", b"5551234", b"Ada", "1.1"), b"x: 5551234\r\n\r\n"].concat();
    let (packets, _) = feed(PacketDecoder::default(), &[&stream], usize::MAX);
    assert!(matches!(packets[2], Packet::Suspect(Suspicion::Beginning, _)));
    let shown = format!("{packets:?}");
    assert!(!shown.contains("5551234") && !shown.contains("Ada"), "{shown}");
}
