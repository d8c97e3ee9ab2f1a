//! What a real Asterisk was seen to write, replayed: `transcripts/asterisk/ami-*.txt`.
//!
//! A line `< …` came from Asterisk, `> …` went to it, `# …` is a remark; bytes are escaped as `\n`, `\r`, `\t`, `\\`, `\xNN`.
//! A file holds one session after the other.

use bytes::BytesMut;
use std::collections::BTreeMap;
use strowger::wire::ami::{
    ActionId, ActionName, EventClass, EventMask, EventName, Filter, HeaderName, ListMark, Packet, PacketDecoder, PacketError, Suspicion,
    Version, command,
};
use support::unescape;
use tokio_util::codec::Decoder;

#[path = "support/transcripts.rs"]
mod support;

/// How Asterisk's side of every session begins; one recording has no banner.
const BANNER: &str = "Asterisk Call Manager/";

/// One connection: what Asterisk wrote, and the actions that it was sent.
#[derive(Default)]
struct Session {
    name: String,
    by_asterisk: Vec<u8>,
    actions: Vec<Vec<u8>>,
}

impl Session {
    fn packets(&self) -> Vec<Packet> {
        let (packets, error) = self.packets_in_pieces(usize::MAX);
        assert_eq!(error, None, "{}", self.name);
        packets
    }

    fn packets_in_pieces(&self, piece_bytes: usize) -> (Vec<Packet>, Option<PacketError>) {
        let (mut decoder, mut buffer, mut packets) = (PacketDecoder::default(), BytesMut::new(), Vec::new());
        for piece in self.by_asterisk.chunks(piece_bytes) {
            buffer.extend_from_slice(piece);
            while let Some(packet) = decoder.decode(&mut buffer).unwrap_or_else(|error| panic!("{}: {error}", self.name)) {
                packets.push(packet);
            }
        }
        loop {
            match decoder.decode_eof(&mut buffer) {
                Ok(Some(packet)) => packets.push(packet),
                Ok(None) => return (packets, None),
                Err(error) => return (packets, Some(error)),
            }
        }
    }
}

/// Every recorded session whose file begins so.
fn sessions(prefix: &str) -> Vec<Session> {
    let mut sessions: Vec<Session> = Vec::new();
    for path in support::paths("asterisk", prefix) {
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        let mut begins = true;
        let mut action = Vec::new();
        for line in std::fs::read_to_string(&path).unwrap().lines() {
            let (side, text) = line.split_at(2);
            if side == "# " {
                continue;
            }
            if begins || side == "< " && text.starts_with(BANNER) {
                sessions.push(Session { name: name.clone(), ..Session::default() });
                if !text.starts_with(BANNER) {
                    assert_eq!(name, "ami-inject", "a session without its banner");
                    sessions.last_mut().unwrap().by_asterisk.extend(b"Asterisk Call Manager/11.0.0\r\n");
                }
                begins = false;
            }
            let session = sessions.last_mut().unwrap();
            match side {
                "< " => session.by_asterisk.extend(unescape(text)),
                "> " => {
                    let line = unescape(text);
                    action.extend_from_slice(&line);
                    if line == b"\r\n" || line == b"\n" {
                        session.actions.push(std::mem::take(&mut action));
                    }
                }
                _ => panic!("{name}: {line:?}"),
            }
        }
    }
    assert!(!sessions.is_empty(), "no transcripts of {prefix}");
    sessions
}

fn suspicion(packet: &Packet) -> Option<Suspicion> {
    if let Packet::Suspect(suspicion, _) = packet { Some(*suspicion) } else { None }
}

/// The ids of the channels whose end somebody announces, as far as the packets are believed.
fn hung_up(packets: &[Packet]) -> Vec<String> {
    let hangups = packets.iter().filter(|packet| packet.name() == Some(b"Hangup"));
    hangups.map(|packet| packet.text("Uniqueid").unwrap().into_owned()).collect()
}

#[test]
fn nothing_of_what_asterisk_wrote_without_a_forger_is_suspect() {
    let mut count = 0;
    for session in sessions("ami-").iter().filter(|session| !session.name.starts_with("ami-inject")) {
        for packet in session.packets() {
            count += 1;
            assert_eq!(suspicion(&packet), None, "{}: {:?}", session.name, packet.name().map(String::from_utf8_lossy));
        }
    }
    assert!(count > 400, "only {count} packets");
}

#[test]
fn every_session_is_the_same_byte_by_byte_and_begins_with_its_banner() {
    for session in sessions("ami-") {
        let whole = session.packets_in_pieces(usize::MAX);
        for piece_bytes in [1, 7, 1000] {
            assert!(session.packets_in_pieces(piece_bytes) == whole, "{} in pieces of {piece_bytes}", session.name);
        }
        let major = if session.name.ends_with("-16") { 5 } else { 11 };
        assert!(matches!(whole.0[0], Packet::Banner(Version { major: found, .. }) if found == major), "{}", session.name);
        assert!(whole.0[1..].iter().all(|packet| !matches!(packet, Packet::Banner(_))));
        let lines: usize = whole.0.iter().map(|packet| packet.fields().lines().count()).sum();
        let written = session.by_asterisk.windows(2).filter(|pair| pair == b"\r\n").count();
        let blank = session.by_asterisk.windows(4).filter(|four| four == b"\r\n\r\n").count();
        assert_eq!(lines + 1, written - blank, "{}: a line was lost", session.name);
    }
}

#[test]
fn every_action_with_an_id_is_answered_with_it() {
    let mut count = 0;
    for session in sessions("ami-").iter().filter(|session| session.name != "ami-login") {
        let packets = session.packets();
        for action in &session.actions {
            let text = String::from_utf8(action.clone()).unwrap();
            let id = text.lines().find_map(|line| line.strip_prefix("ActionID: ")).unwrap();
            let answers = packets.iter().filter(|packet| matches!(packet, Packet::Response(_)));
            assert!(answers.filter(|packet| packet.action_id() == Some(id.as_bytes())).count() > 0, "{}: {id}", session.name);
            count += 1;
        }
    }
    assert!(count > 40, "only {count} actions");
}

#[test]
fn a_list_runs_from_its_response_to_its_complete_event_and_counts_its_items() {
    let mut lists = 0;
    for session in sessions("ami-") {
        let packets = session.packets();
        for start in packets.iter().filter(|packet| packet.list() == Some(ListMark::Start)) {
            let id = start.action_id().unwrap();
            let at = packets.iter().position(|packet| std::ptr::eq(packet, start)).unwrap();
            let of_list = packets[at + 1..].iter().filter(|packet| packet.action_id() == Some(id));
            let items: Vec<_> = of_list.take_while(|packet| packet.list() != Some(ListMark::Complete)).collect();
            let complete = packets[at..].iter().find(|packet| packet.list() == Some(ListMark::Complete)).unwrap();
            assert_eq!(complete.text("ListItems").unwrap(), items.len().to_string(), "{}", session.name);
            lists += 1;
        }
    }
    assert!(lists >= 6, "only {lists} lists");
}

#[test]
fn a_callers_whole_hangup_of_somebody_elses_call_is_not_believed() {
    for session in sessions("ami-inject-whole") {
        let text = String::from_utf8(session.by_asterisk.clone()).unwrap();
        let forged = text.matches("\r\n\r\nEvent: Hangup\r\nPrivilege: call,all\r\nUniqueid: 1795278612.0\r\n").count();
        assert!(forged > 10, "{}", session.name);
        let packets = session.packets();
        // each was seen, and none was handed out as an event
        let suspects: Vec<_> = packets.iter().filter(|packet| suspicion(packet).is_some()).collect();
        let of_stranger = suspects.iter().filter(|packet| packet.get("Uniqueid") == Some(b"1795278612.0")).count();
        assert!(of_stranger >= forged, "{}: {of_stranger} of {forged}", session.name);
        assert!(!hung_up(&packets).contains(&"1795278612.0".to_owned()), "{}", session.name);
        // a header added without a blank line is before the genuine one of its name
        assert!(suspects.iter().any(|packet| suspicion(packet) == Some(Suspicion::Repeated)), "{}", session.name);
        for packet in packets.iter().filter(|packet| suspicion(packet).is_none()) {
            assert_ne!(packet.get("Uniqueid"), Some(&b"1795278612.0"[..]), "{}", session.name);
        }
    }
}

#[test]
fn what_is_left_of_an_event_that_a_caller_cut_is_no_event() {
    let sessions = sessions("ami-inject");
    let session = sessions.iter().find(|session| session.name == "ami-inject").unwrap();
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for packet in session.packets() {
        *counts.entry(format!("{:?}", suspicion(&packet))).or_default() += 1;
        assert_ne!(packet.name(), Some(&b"Fake"[..]));
        // of the first caller, who had line feeds only, every value is whole
        if packet.get("Channel") == Some(b"PJSIP/sipp-00000012") {
            assert_eq!((suspicion(&packet), packet.get("agi_arg_1")), (None, None));
            assert_eq!(packet.get("CallerIDNum"), Some(&b"1\nagi_arg_1: evil"[..]));
        }
    }
    assert!(counts["Some(Cut)"] > 5 && counts["Some(Beginning)"] > 5 && counts["None"] > 5, "{counts:?}");
}

#[test]
fn a_reader_that_asterisk_cut_off_is_told_so() {
    let mut session = sessions("ami-slow-consumer").remove(0);
    // the recording tells of the last bytes
    session.by_asterisk.extend(b"Event: UserEvent\r\nPrivilege: user,all\r\nUserEvent: LabTick\r\nI: 9231");
    let (packets, error) = session.packets_in_pieces(usize::MAX);
    assert_eq!((packets.len(), error), (2, Some(PacketError::Cut)));
}

#[test]
fn a_commands_lines_are_its_output_whether_it_was_known_or_not() {
    let packets = sessions("ami-lists").remove(0).packets();
    let commands: Vec<_> = packets.iter().filter(|packet| packet.action_id() == Some(b"a-Command")).collect();
    let outputs: Vec<Vec<_>> =
        commands.iter().map(|packet| packet.fields().output().map(|line| String::from_utf8_lossy(line)).collect()).collect();
    assert_eq!(outputs[0], ["System uptime: 12 seconds", "Last reload: 12 seconds"]);
    assert_eq!((outputs[1].len(), commands[1].is_success()), (2, true));
    assert!(outputs[2][0].starts_with("No such command") && !commands[2].is_success());
}

#[test]
fn our_actions_are_written_as_those_that_asterisk_was_seen_to_take() {
    let id = |id| ActionId::new(id).unwrap();
    let written = |write: &dyn Fn(&mut BytesMut)| {
        let mut out = BytesMut::new();
        write(&mut out);
        out.to_vec()
    };
    let names = [EventName::from_static("Newchannel"), EventName::from_static("Hangup")];
    let originate: Vec<_> = [("Channel", "Local/answer@dest"), ("Application", "Wait"), ("Data", "1"), ("Async", "true")]
        .map(|(name, value)| (HeaderName::new(name).unwrap(), value))
        .to_vec();
    let ours = [
        written(&|out| command::challenge(&id("3"), out).unwrap()),
        written(&|out| command::login_md5(&id("4"), "lab", "lab-secret", b"149122768", EventMask::Off, out).unwrap()),
        written(&|out| {
            command::login_plain(&id("L"), "lab", "lab-secret", EventMask::Classes(&[EventClass::Call]), out).unwrap();
        }),
        written(&|out| command::ping(&id("0"), out)),
        written(&|out| command::logoff(&id("z"), out)),
        written(&|out| command::core_show_channels(&id("c1"), out)),
        written(&|out| command::status(&id("s1"), out)),
        written(&|out| command::device_state_list(&id("d1"), out)),
        written(&|out| command::events(&id("e3"), EventMask::Classes(&[EventClass::Call, EventClass::User]), out).unwrap()),
        written(&|out| command::filter(&id("f1"), Filter::Only(&names), out).unwrap()),
        written(&|out| command::filter(&id("f2"), Filter::Only(&[EventName::from_static("DialEnd")]), out).unwrap()),
        written(&|out| command::action(&id("o"), &ActionName::from_static("Originate"), &originate, out).unwrap()),
    ];
    // header order aside: the recorder wrote the key before what is like ours otherwise
    let sorted = |action: &[u8]| {
        let mut lines: Vec<_> = String::from_utf8(action.to_vec()).unwrap().lines().map(str::to_owned).collect();
        lines.sort();
        lines
    };
    let recorded: Vec<_> = sessions("ami-").into_iter().flat_map(|session| session.actions).map(|action| sorted(&action)).collect();
    for action in ours {
        assert!(recorded.contains(&sorted(&action)), "{}", String::from_utf8_lossy(&action));
    }
}

#[test]
fn a_filter_lets_through_what_it_names_in_an_old_asterisk_and_in_a_new_one() {
    for session in sessions("ami-filter") {
        let filtered_by_name = session.actions.iter().any(|action| action.windows(8).any(|part| part == b"^Event: "));
        let packets = session.packets();
        let by_itself = packets.iter().filter(|packet| matches!(packet, Packet::Event(_)) && packet.action_id().is_none());
        let names: std::collections::BTreeSet<_> = by_itself.map(|packet| String::from_utf8_lossy(packet.name().unwrap())).collect();
        if filtered_by_name {
            assert_eq!(names.iter().collect::<Vec<_>>(), ["DialEnd", "Hangup", "Newchannel"], "{}", session.name);
        } else {
            // by MatchCriteria; 16 says Success and filters nothing
            assert_eq!(names.len() > 1, session.name.ends_with("-16"), "{}: {names:?}", session.name);
        }
    }
}
