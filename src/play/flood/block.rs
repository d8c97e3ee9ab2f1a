//! What a flood is made of: whole calls, written once and given fresh ids before each turn.
//!
//! Putting text together costs more than the other side's reading of it, so a block of calls is rendered when the flood
//! begins, and later only the digits of its ids change. The templates beside this file have the fields of recorded
//! sessions (`ami-call-answer`, `ami-userevent`, `in-20j-call-answered-json`), between two SIP telephones. `@A…A@` and its
//! like are what changes; each is replaced by decimals of its own width, so that no length and no place ever moves.

use memchr::memmem;

const ASTERISK_CALL: &str = include_str!("asterisk_call.txt");
const ASTERISK_USER_EVENT: &str = include_str!("asterisk_user_event.txt");
const FREESWITCH_CALL: &str = include_str!("freeswitch_call.jsonl");

/// Calls of a block that run beside each other: all ring, then all are answered, as on a busy switch.
const ASTERISK_CALLS: usize = 32;
/// The same on FreeSWITCH, whose events are 18 times as long.
const FREESWITCH_CALLS: usize = 8;
/// User events for each event of a call, where the client wants them.
const USER_EVENTS_PER_EVENT: usize = 1;

/// What stands in a template and changes.
#[derive(Clone, Copy)]
enum Mark {
    /// The caller's leg.
    LegA,
    /// The leg that is called.
    LegB,
    /// The call.
    Call,
    /// The event.
    Event,
    /// A number between callers.
    Number,
    /// When the switch began, in seconds since 1970.
    Epoch,
}

const MARKS: [(&str, Mark); 6] = [
    ("@AAAAAAAA@", Mark::LegA),
    ("@BBBBBBBB@", Mark::LegB),
    ("@CCCCCCCC@", Mark::Call),
    ("@EEEEEEEE@", Mark::Event),
    ("@NNNNN@", Mark::Number),
    ("@SSSSSSSS@", Mark::Epoch),
];

struct Slot {
    at: usize,
    width: usize,
    mark: Mark,
    /// The call in the block.
    call: u64,
    /// The event in the block.
    event: u64,
}

/// Some calls from beginning to end, ready to be written again and again.
pub(super) struct Block {
    bytes: Vec<u8>,
    slots: Vec<Slot>,
    /// Where each event ends.
    ends: Vec<usize>,
    calls: u64,
    epoch_seconds: u64,
    turn: u64,
}

impl Block {
    /// Asterisk's, with user events between those of calls or without.
    pub(super) fn asterisk(epoch_seconds: u64, with_user_events: bool) -> Block {
        let packet = |text: &str| text.trim_end().replace('\n', "\r\n") + "\r\n\r\n";
        let steps: Vec<String> = ASTERISK_CALL.split("\n\n").filter(|text| !text.trim().is_empty()).map(packet).collect();
        let user = with_user_events.then(|| packet(ASTERISK_USER_EVENT));
        Block::new(epoch_seconds, ASTERISK_CALLS, &steps, user.as_deref())
    }

    /// FreeSWITCH's, as JSON.
    pub(super) fn freeswitch(epoch_seconds: u64) -> Block {
        let frame = |json: &str| format!("Content-Length: {}\nContent-Type: text/event-json\n\n{json}", json.len());
        let steps: Vec<String> = FREESWITCH_CALL.lines().map(frame).collect();
        Block::new(epoch_seconds, FREESWITCH_CALLS, &steps, None)
    }

    fn new(epoch_seconds: u64, calls: usize, steps: &[String], between: Option<&str>) -> Block {
        let mut block = Block { bytes: Vec::new(), slots: Vec::new(), ends: Vec::new(), calls: calls as u64, epoch_seconds, turn: 0 };
        for step in steps {
            for call in 0..calls as u64 {
                block.add(step, call);
                for text in between.iter().cycle().take(between.map_or(0, |_| USER_EVENTS_PER_EVENT)) {
                    block.add(text, call);
                }
            }
        }
        block
    }

    fn add(&mut self, text: &str, call: u64) {
        let (began, event) = (self.bytes.len(), self.ends.len() as u64);
        self.bytes.extend_from_slice(text.as_bytes());
        for (word, mark) in MARKS {
            let found = memmem::find_iter(text.as_bytes(), word.as_bytes());
            self.slots.extend(found.map(|at| Slot { at: began + at, width: word.len(), mark, call, event }));
        }
        self.ends.push(self.bytes.len());
    }

    /// Gives all calls fresh ids: no two turns have one in common, nor do blocks of different `lane`s.
    pub(super) fn refresh(&mut self, lane: u64) {
        // ten digits: room for 10 million calls in each of 500 lanes
        let first_call = lane * 10_000_000 + self.turn * self.calls;
        let first_event = self.turn * self.ends.len() as u64;
        for slot in &self.slots {
            let call = first_call + slot.call;
            let mut value = match slot.mark {
                Mark::LegA => call * 2,
                Mark::LegB => call * 2 + 1,
                Mark::Call | Mark::Number => call,
                Mark::Event => first_event + slot.event,
                Mark::Epoch => self.epoch_seconds,
            };
            for digit in self.bytes[slot.at..slot.at + slot.width].iter_mut().rev() {
                *digit = b'0' + (value % 10) as u8;
                value /= 10;
            }
        }
        self.turn += 1;
    }

    /// How many events there are.
    pub(super) fn len(&self) -> usize {
        self.ends.len()
    }

    /// As many events from the given one on as go into so many bytes, one at least and `events_max` at most: their text
    /// and how many they are.
    pub(super) fn piece(&self, from: usize, events_max: usize, bytes_max: usize) -> (&[u8], usize) {
        let begin = if from == 0 { 0 } else { self.ends[from - 1] };
        let fit = self.ends[from..].iter().take(events_max).take_while(|end| **end - begin <= bytes_max).count().max(1);
        (&self.bytes[begin..self.ends[from + fit - 1]], fit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::ami::{Packet, PacketDecoder, PacketLimits};
    use std::collections::BTreeSet;
    use tokio_util::codec::Decoder;

    fn whole(block: &Block) -> bytes::BytesMut {
        block.bytes.as_slice().into()
    }

    #[test]
    fn asterisks_calls_are_read_as_its_own_and_have_ids_that_no_other_turn_has() {
        let mut block = Block::asterisk(1_795_278_623, true);
        let mut ids = BTreeSet::new();
        for turn in 1..=3 {
            block.refresh(0);
            let mut decoder = PacketDecoder::new(PacketLimits::default());
            let mut bytes = bytes::BytesMut::from(&b"Asterisk Call Manager/11.0.0\r\n"[..]);
            bytes.extend_from_slice(&whole(&block));
            let (mut events, mut hung_up) = (0, 0);
            while let Some(packet) = decoder.decode(&mut bytes).unwrap() {
                match &packet {
                    Packet::Banner(_) => continue,
                    Packet::Event(_) => events += 1,
                    other => panic!("{other:?}"),
                }
                assert!(!packet.iter().any(|(_, value)| value.contains(&b'@')), "{packet:?}");
                if packet.name() == Some(b"Hangup") {
                    hung_up += 1;
                    ids.insert(packet.get("Uniqueid").unwrap().to_vec());
                }
            }
            assert_eq!((events, hung_up), (block.len(), 2 * ASTERISK_CALLS));
            assert_eq!(ids.len(), turn * 2 * ASTERISK_CALLS, "an id came twice");
        }
        assert!(!Block::asterisk(0, false).bytes.windows(9).any(|w| w == b"UserEvent"));
    }

    #[test]
    fn freeswitchs_events_are_json_of_the_length_that_they_say() {
        let mut block = Block::freeswitch(1_795_278_623);
        block.refresh(1);
        let mut from = 0;
        for end in &block.ends {
            let text = std::str::from_utf8(&block.bytes[from..*end]).unwrap();
            let (head, body) = text.split_once("\n\n").unwrap();
            assert!(head.starts_with(&format!("Content-Length: {}\n", body.len())), "{head}");
            let event: serde_json::Value = serde_json::from_str(body).unwrap();
            let id = event["Unique-ID"].as_str().unwrap();
            assert!(id.len() == 36 && !id.contains('@'), "{id}");
            assert!(event["Event-Date-Timestamp"].as_str().unwrap().starts_with("1795278623"), "{event}");
            from = *end;
        }
        assert!(from / block.len() > 5_000, "events are as long as a switch's");
    }

    #[test]
    fn a_piece_ends_where_an_event_ends() {
        let block = Block::asterisk(0, true);
        let (mut from, mut bytes) = (0, 0);
        while from < block.len() {
            let (text, events) = block.piece(from, usize::MAX, 4_000);
            assert!(text.ends_with(b"\r\n\r\n") && text.len() <= 4_000);
            (from, bytes) = (from + events, bytes + text.len());
        }
        assert_eq!(bytes, block.bytes.len());
        assert_eq!(block.piece(0, 1, usize::MAX).1, 1);
        assert_eq!(block.piece(0, 5, 1).1, 1, "one at least");
    }
}
