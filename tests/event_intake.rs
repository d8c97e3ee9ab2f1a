//! How fast what a switch says is taken in: bytes → packets → ring, on one core. A measurement, and so not run by itself:
//!
//! ```text
//! cargo test --release --test event_intake -- --ignored --nocapture
//! ```

use bytes::BytesMut;
use std::sync::Arc;
use std::time::{Duration, Instant};
use strowger::cti::SourceStats;
use strowger::event::source::ring::{RingLimits, channel};
use strowger::event::{Item, SwitchKind};
use strowger::wire::ami::{Packet, PacketDecoder};
use support::event_source::{Source, config};
use support::event_switch::{FakeSwitch, Speaks, newchannel};
use tokio_util::codec::Decoder;

mod support {
    pub mod event_source;
    pub mod event_switch;
}

const EVENTS: usize = 400_000;
const READ_BYTES: usize = 64 * 1024;

fn user_event() -> String {
    format!("Event: UserEvent\r\nPrivilege: user,all\r\nUserEvent: Flood\r\nAppData: {}\r\nNumber: 1\r\n\r\n", "x".repeat(295))
}

fn tell(what: &str, events: usize, took: Duration) {
    eprintln!("{what}: {:.0} events/s ({events} in {} ms)", events as f64 / took.as_secs_f64(), took.as_millis());
}

/// Feeds it as reads would; the time of that, and how many packets came out.
fn fed(stream: &[u8], mut each: impl FnMut(Packet)) -> Duration {
    let (mut decoder, mut input) = (PacketDecoder::default(), BytesMut::new());
    let began = Instant::now();
    for piece in stream.chunks(READ_BYTES) {
        input.extend_from_slice(piece);
        while let Some(packet) = decoder.decode(&mut input).unwrap() {
            each(packet);
        }
    }
    began.elapsed()
}

#[test]
#[ignore = "a measurement"]
fn intake_in_events_a_second() {
    for (what, event) in [("Newchannel", newchannel("1795278612.100")), ("UserEvent", user_event())] {
        let bytes = event.len();
        let stream = format!("Asterisk Call Manager/11.0.0\r\n{}", event.repeat(EVENTS));

        let began = Instant::now();
        let found = memchr::memmem::find_iter(stream.as_bytes(), b"\r\n\r\n").count();
        tell(&format!("{what} of {bytes} bytes, blank lines alone"), found, began.elapsed());

        let mut count = 0;
        let took = fed(stream.as_bytes(), |_| count += 1);
        tell(&format!("{what} of {bytes} bytes, decoder"), count, took);

        let limits = RingLimits { events_max: EVENTS + 10, bytes_max: 4 << 30 };
        let (mut sender, mut receiver) = channel(limits, Arc::new(SourceStats::new("x")));
        let took = fed(stream.as_bytes(), |packet| {
            let bytes = packet.fields().as_bytes().len();
            if sender.has_room(bytes) {
                sender.event(Item::Packet(packet.detached()), bytes);
            }
        });
        tell(&format!("{what} of {bytes} bytes, decoder and ring"), EVENTS, took);
        assert_eq!(std::iter::from_fn(|| receiver.try_recv()).count(), EVENTS + 1);

        // over a socket, with a generator on another core and nobody who reads the ring
        let switch = FakeSwitch::start(Speaks::Ami);
        let mut source = Source::start(config(SwitchKind::Asterisk, switch.address));
        source.until("end");
        let before = source.stats.events_in.get();
        let stream = event.repeat(EVENTS);
        let began = Instant::now();
        let longest = switch.send(stream);
        while source.stats.events_in.get() - before < EVENTS as u64 {
            std::thread::sleep(Duration::from_millis(1));
        }
        tell(&format!("{what} of {bytes} bytes, over a socket (longest write {longest:?})"), EVENTS, began.elapsed());
    }
}
