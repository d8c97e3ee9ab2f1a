//! A state of calls under test: recorded sessions go in, what it says comes out as short lines.

// each test binary uses a part of this
#![allow(dead_code)]

#[path = "transcripts.rs"]
pub mod transcripts;

use bytes::{Bytes, BytesMut};
use std::collections::HashMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use strowger::cti::{CallView, PlaneStats, SourceStats, What};
use strowger::event::state::{State, StateLimits};
use strowger::event::{Item, Names, Now, Output, SourceInfo, SwitchKind};
use strowger::wire::ami::{Fields, LineEnd, Packet, PacketDecoder};
use strowger::wire::esl::{Event, Frame, FrameDecoder};
use tokio_util::codec::Decoder;

/// A directory of two people.
pub struct Directory;

impl Names for Directory {
    fn look_up(&self, _: &str, number: &str) -> (String, Option<(String, String)>) {
        let contact = match number {
            "5551" => Some(("ada", "Ada Lovelace")),
            "1001" => Some(("ann", "Ann of Example")),
            _ => None,
        };
        (number.to_owned(), contact.map(|(id, name)| (id.to_owned(), name.to_owned())))
    }
}

/// A state, its clock and what it said.
pub struct Run {
    pub state: State,
    pub now: Now,
    pub out: Vec<Output>,
    pub stats: Arc<PlaneStats>,
    sources: Vec<Arc<SourceStats>>,
}

pub const LIMITS: StateLimits = StateLimits { calls_max: 1_000, legs_max: 64, call_age_max_us: 86_400_000_000 };

impl Run {
    pub fn of(kinds: &[SwitchKind], limits: StateLimits) -> Run {
        let source = |(n, kind): (usize, &SwitchKind)| SourceInfo {
            name: format!("pbx{n}"),
            kind: *kind,
            address: SocketAddr::from((Ipv4Addr::new(192, 0, 2, n as u8), 5038)),
            tenant: "default".into(),
            stats: Arc::new(SourceStats::new(&format!("pbx{n}"))),
        };
        let stats = Arc::new(PlaneStats::default());
        let infos: Vec<SourceInfo> = kinds.iter().enumerate().map(source).collect();
        let sources = infos.iter().map(|info| info.stats.clone()).collect();
        let state = State::new(infos, limits, stats.clone());
        Run { state, now: Now { wall_us: 1_795_000_000_000_000, monotonic_us: 1_000_000 }, out: Vec::new(), stats, sources }
    }

    pub fn source_stats(&self, source: usize) -> Arc<SourceStats> {
        self.sources[source].clone()
    }

    pub fn asterisk() -> Run {
        let mut run = Run::of(&[SwitchKind::Asterisk], LIMITS);
        run.feed(0, Item::Up { identity: "a".into() });
        run
    }

    pub fn freeswitch() -> Run {
        let mut run = Run::of(&[SwitchKind::FreeSwitch], LIMITS);
        run.feed(0, Item::Up { identity: "f".into() });
        run
    }

    /// A millisecond later, this comes.
    pub fn feed(&mut self, source: usize, item: Item) {
        self.later(1_000);
        self.state.item(source, item, &Directory, self.now, &mut self.out);
    }

    pub fn later(&mut self, us: u64) {
        self.now.wall_us += us;
        self.now.monotonic_us += us;
    }

    pub fn tick(&mut self) {
        self.state.tick(self.now, &mut self.out);
    }

    pub fn finished(&self) -> Vec<&Arc<CallView>> {
        self.out.iter().filter_map(|output| if let Output::Finished(call) = output { Some(call) } else { None }).collect()
    }

    /// What was said of calls and pops, in short; calls are named A, B, … by their order.
    pub fn said(&self) -> Vec<String> {
        let mut letters = HashMap::new();
        self.out.iter().filter_map(|output| line(output, &mut letters)).collect()
    }

    /// The same, of one call alone.
    pub fn said_of(&self, letter: &str) -> Vec<String> {
        self.said().into_iter().filter_map(|line| line.strip_prefix(&format!("{letter} ")).map(str::to_owned)).collect()
    }
}

fn line(output: &Output, letters: &mut HashMap<String, char>) -> Option<String> {
    let what = match output {
        Output::Hint(..) | Output::Remember(_) => return None,
        Output::Finished(call) => {
            let disposition = call.disposition.unwrap().word();
            let letter = letter(call, letters);
            return Some(format!("{letter} finished {disposition} ({})", call.cause.as_deref().unwrap_or_default()));
        }
        Output::Say(draft) => &draft.what,
    };
    Some(match what {
        What::Pop(pop) => {
            let how = match pop.closed {
                None => "opens".to_owned(),
                Some(end) => format!("closes {end:?} {}", pop.winner.as_deref().unwrap_or_default()).trim_end().to_owned(),
            };
            format!("{} pop {} {how}", letter(&pop.call, letters), pop.extension)
        }
        What::Gap(gap) => format!("gap {}", gap.why),
        What::ConferenceJoined(c) => format!("conference {} +{} ({})", c.room, c.number, c.members),
        What::ConferenceLeft(c) => format!("conference {} -{} ({})", c.room, c.number, c.members),
        What::Device(device) => format!("device {} {}", device.device, device.state),
        What::Registration(r) => format!("registration {} {}", r.who, r.registered),
        what => match what.call() {
            None => what.kind().to_owned(),
            Some(call) => format!("{} {} {}", letter(call, letters), what.kind().trim_start_matches("call."), short(call)),
        },
    })
}

fn letter(call: &CallView, letters: &mut HashMap<String, char>) -> char {
    let next = (b'A' + letters.len() as u8) as char;
    *letters.entry(call.id.clone()).or_insert(next)
}

/// `5551>100 ringing [101:Ringing 102:Dialing] by 101`
pub fn short(call: &CallView) -> String {
    let legs: Vec<_> = call.legs.iter().map(|leg| format!("{}:{:?}", leg.member.as_ref().unwrap_or(&leg.number), leg.state)).collect();
    let by = call.answered_by.as_ref().map(|by| format!(" by {}", by.member)).unwrap_or_default();
    let to = call.transferred_to.as_ref().map(|to| format!(" to {to}")).unwrap_or_default();
    format!("{}>{} {:?} [{}]{by}{to}", call.from.number, call.to, call.state, legs.join(" "))
}

/// The packets of a recorded session of Asterisk's, from the last banner on or all of them.
pub fn packets(name: &str) -> Vec<Packet> {
    let path = transcripts::paths("asterisk", name).into_iter().next().expect(name);
    let mut bytes = Vec::new();
    for line in std::fs::read_to_string(path).unwrap().lines() {
        if let Some(text) = line.strip_prefix("< ") {
            bytes.extend(transcripts::unescape(text));
        }
    }
    let (mut decoder, mut buffer, mut packets) = (PacketDecoder::default(), BytesMut::from(&bytes[..]), Vec::new());
    while let Some(packet) = decoder.decode(&mut buffer).unwrap() {
        packets.push(packet);
    }
    packets
}

/// What a source subscribes to; the recordings hold everything.
const SUBSCRIBED: &[&str] = &[
    "CHANNEL_CREATE",
    "CHANNEL_ANSWER",
    "CHANNEL_PROGRESS",
    "CHANNEL_PROGRESS_MEDIA",
    "CHANNEL_BRIDGE",
    "CHANNEL_UNBRIDGE",
    "CHANNEL_HOLD",
    "CHANNEL_UNHOLD",
    "CHANNEL_HANGUP_COMPLETE",
    "CHANNEL_DESTROY",
    "CHANNEL_UUID",
    "CALL_UPDATE",
    "CUSTOM",
];

/// The event frames of a recorded session of FreeSWITCH's.
pub fn frames(name: &str) -> Vec<Frame> {
    let transcript = transcripts::freeswitch(name).into_iter().next().expect(name);
    let (mut decoder, mut buffer) = (FrameDecoder::default(), BytesMut::from(&transcript.by_switch()[..]));
    let mut frames = Vec::new();
    while let Some(frame) = decoder.decode(&mut buffer).unwrap() {
        if Event::from_frame(&frame).is_ok_and(|event| SUBSCRIBED.contains(&event.name())) {
            frames.push(frame);
        }
    }
    frames
}

/// A packet by its lines: `Newchannel|Uniqueid=1.1|…`.
pub fn packet(text: &str) -> Packet {
    let mut parts = text.split('|');
    let mut block = format!("Event: {}\r\nPrivilege: call,all\r\n", parts.next().unwrap());
    for part in parts {
        let (name, value) = part.split_once('=').unwrap();
        block.push_str(&format!("{name}: {value}\r\n"));
    }
    Packet::Event(Fields::new(Bytes::from(block), LineEnd::CrLf))
}
