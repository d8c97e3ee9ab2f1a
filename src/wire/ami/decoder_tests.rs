//! Tests of [`super`]; see also `tests/ami_wire.rs` and `tests/ami_transcripts.rs`.

use super::*;

const HANGUP: &str = "Event: Hangup\r\nPrivilege: call,all\r\nUniqueid: 1.0\r\n\r\n";

fn until_eof(text: &str) -> (Vec<Packet>, Option<PacketError>) {
    decoded(PacketDecoder::default(), text)
}

fn decoded(mut decoder: PacketDecoder, text: &str) -> (Vec<Packet>, Option<PacketError>) {
    let (mut buffer, mut packets) = (BytesMut::from(text), Vec::new());
    loop {
        match decoder.decode_eof(&mut buffer) {
            Ok(Some(packet)) => packets.push(packet),
            Ok(None) => return (packets, None),
            Err(error) => {
                assert_eq!(decoder.decode(&mut buffer), Err(error), "the error didn't stay");
                return (packets, Some(error));
            }
        }
    }
}

/// Behind the banner of a 22.
fn packets(text: &str) -> Vec<Packet> {
    let (mut packets, error) = until_eof(&format!("Asterisk Call Manager/11.0.0\r\n{text}"));
    assert_eq!(error, None);
    packets.remove(0);
    packets
}

fn suspicions(text: &str) -> Vec<Option<Suspicion>> {
    let suspicion = |packet: &Packet| if let Packet::Suspect(suspicion, _) = packet { Some(*suspicion) } else { None };
    packets(text).iter().map(suspicion).collect()
}

#[test]
fn a_connection_begins_with_the_banner_and_nothing_else() {
    let version = Version { major: 5, minor: 0, patch: 4 };
    assert_eq!(until_eof("Asterisk Call Manager/5.0.4\r\n"), (vec![Packet::Banner(version)], None));
    for bad in ["SSH-2.0-x\r\n", "A\r", "Asterisk Call Manager/x\r\n", "Asterisk Call Manager/\n", "\r\n", "Event: x\r\n\r\n"] {
        let refused = if bad == "A\r" { "Ax" } else { bad };
        assert_eq!(until_eof(refused), (vec![], Some(PacketError::NotAsterisk)), "{bad:?}");
    }
    assert_eq!(until_eof("Asterisk Call Man"), (vec![], Some(PacketError::Cut)));
    assert_eq!(until_eof(&format!("Asterisk Call Manager/{}", "1".repeat(200))), (vec![], Some(PacketError::NotAsterisk)));
}

#[test]
fn events_and_responses_follow_each_other() {
    let packets = packets(&format!("Response: Success\r\nActionID: 1\r\nMessage: a: b\r\n\r\n{HANGUP}Response: Error\r\n\r\n"));
    assert_eq!(packets.iter().map(|packet| packet.name().unwrap()).collect::<Vec<_>>(), [&b"Success"[..], b"Hangup", b"Error"]);
    assert_eq!((packets[0].action_id(), packets[0].get("Message")), (Some(&b"1"[..]), Some(&b"a: b"[..])));
    assert!(packets[0].is_success() && !packets[1].is_success() && !packets[2].is_success());
    assert!(matches!(packets[1], Packet::Event(_)));
}

#[test]
fn where_the_banner_ends_with_a_line_feed_alone_so_do_all_lines() {
    let (packets, error) = until_eof("Asterisk Call Manager/11.0.0\nEvent: A\nPrivilege: call,all\n\nResponse: Success\n\n");
    assert_eq!((packets.len(), error), (3, None));
    assert_eq!(packets[1].name(), Some(&b"A"[..]));
    // and where it doesn't, a line feed ends nothing
    let packets = self::packets("Event: A\r\nPrivilege: call,all\r\nX: 1\n\nEvent: B\n\n\r\n\r\n");
    assert_eq!(packets[0].get("X"), Some(&b"1\n\nEvent: B\n\n"[..]));
}

#[test]
fn a_whole_event_that_a_caller_wrote_is_suspect_because_of_the_cut_before_it() {
    let cut = "Event: Newchannel\r\nPrivilege: call,all\r\nChannelState: 4\r\nCallerIDNum: 1\r\n\r\n";
    let rest = "\r\nCallerIDName: Ada\r\nUniqueid: 2.0\r\nLinkedid: 2.0\r\n\r\n";
    assert_eq!(
        suspicions(&format!("{HANGUP}{cut}{HANGUP}{rest}")),
        [None, Some(Suspicion::Cut), Some(Suspicion::BehindCut), Some(Suspicion::Beginning)]
    );
    // a forged answer too
    let response = "Response: Success\r\nActionID: 1\r\n\r\n";
    assert_eq!(suspicions(&format!("{cut}{response}"))[1], Some(Suspicion::BehindCut));
    // and it passes: what begins late enough is believed again
    let long = format!("Event: A\r\nPrivilege: call,all\r\nX: {}\r\n\r\n", "x".repeat(DOUBT_BYTES));
    assert_eq!(suspicions(&format!("{cut}{long}{HANGUP}")), [Some(Suspicion::Cut), Some(Suspicion::BehindCut), None]);
}

#[test]
fn each_rest_that_was_cut_again_prolongs_the_doubt() {
    let cut = "Event: CEL\r\nPrivilege: call,all\r\nCallerIDnum: 1\r\n\r\n";
    let rest = format!("CallerIDname: {}\r\n\r\n", "x".repeat(DOUBT_BYTES));
    let seen = suspicions(&format!("{cut}{rest}{HANGUP}"));
    assert_eq!(seen, [Some(Suspicion::Cut), Some(Suspicion::Beginning), Some(Suspicion::BehindCut)]);
}

#[test]
fn the_output_of_a_command_is_the_same_lines_old_and_new() {
    let new =
        packets("Response: Success\r\nActionID: 1\r\nMessage: Command output follows\r\nOutput: a: 1\r\nOutput: \r\nOutput:  b\r\n\r\n");
    assert_eq!(new[0].fields().output().collect::<Vec<_>>(), [&b"a: 1"[..], b"", b" b"]);
    let old =
        "Asterisk Call Manager/2.10.4\r\nResponse: Follows\r\nPrivilege: Command\r\nActionID: 1\r\na: 1\n\n b\n--END COMMAND--\r\n\r\n";
    let (old, error) = until_eof(&format!("{old}{HANGUP}"));
    assert_eq!((old.len(), error), (3, None));
    assert_eq!(old[1].fields().output().collect::<Vec<_>>(), [&b"a: 1"[..], b"", b" b"]);
    assert_eq!((old[1].action_id(), old[1].get("a"), old[1].is_success()), (Some(&b"1"[..]), None, true));
    assert_eq!(old[2].name(), Some(&b"Hangup"[..]));
}

#[test]
fn nobody_can_make_a_newer_asterisk_look_as_if_it_never_ended_a_commands_output() {
    let packets = packets(&format!("Response: Follows\r\nPrivilege: Command\r\n\r\n{HANGUP}"));
    assert_eq!(packets[1].name(), Some(&b"Hangup"[..]));
}

#[test]
fn what_is_too_long_is_refused_at_its_bound_and_stays_refused() {
    let limits = PacketLimits { line_bytes_max: 20, packet_bytes_max: 50 };
    let refused = |text: &str| decoded(PacketDecoder::new(limits), &format!("Asterisk Call Manager/11.0.0\r\n{text}")).1;
    assert_eq!(refused("Response: 90123456\r\n\r\n"), None);
    assert_eq!(refused("Response: 901234567\r\n\r\n"), Some(PacketError::LineTooLong { bytes_max: 20 }));
    assert_eq!(refused("Response: 90123456789"), Some(PacketError::LineTooLong { bytes_max: 20 }));
    assert_eq!(refused("Response: 90123456\r\nA: 67890123456789\r\nA: 5678\r\n\r\n"), None);
    assert_eq!(refused("Response: 90123456\r\nA: 67890123456789\r\nA: 56789\r\n\r\n"), Some(PacketError::PacketTooLong { bytes_max: 50 }));
    let old = format!("Asterisk Call Manager/1.1\r\nResponse: Follows\r\n{}", "x".repeat(50));
    assert_eq!(decoded(PacketDecoder::new(limits), &old).1, Some(PacketError::PacketTooLong { bytes_max: 50 }));
}

#[test]
fn a_stream_that_ends_in_the_middle_of_a_packet_says_so() {
    let (packets, error) = until_eof(&format!("Asterisk Call Manager/11.0.0\r\n{HANGUP}Event: UserEvent\r\nPrivilege: us"));
    assert_eq!((packets.len(), error), (2, Some(PacketError::Cut)));
    let (packets, error) = until_eof(&format!("Asterisk Call Manager/11.0.0\r\n{HANGUP}\r\n\r\n"));
    assert_eq!((packets.len(), error), (2, None));
}
