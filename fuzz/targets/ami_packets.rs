//! Any bytes as Asterisk's manager interface: no panic, no more kept than the bounds, and the same however they are cut.

use crate::pieces;
use strowger_fuzz::wire::ami::{Packet, PacketDecoder, PacketLimits};

/// Small, so that they are met.
const LIMITS: PacketLimits = PacketLimits { line_bytes_max: 256, packet_bytes_max: 1_024 };

/// What every connection begins with; the stream's own first line may be anything else.
const BANNER: &[u8] = b"Asterisk Call Manager/11.0.0\r\n";

fn check(piece_bytes: usize, stream: &[u8]) {
    let whole = pieces::decoded(PacketDecoder::new(LIMITS), stream, stream.len().max(1), usize::MAX);
    let cut = pieces::decoded(PacketDecoder::new(LIMITS), stream, piece_bytes, LIMITS.packet_bytes_max);
    assert!(whole == cut);
    for packet in &whole.0 {
        let fields = packet.fields();
        assert!(fields.as_bytes().len() < LIMITS.packet_bytes_max);
        let believed = matches!(packet, Packet::Event(_) | Packet::Response(_));
        assert_eq!(packet.name().is_some(), believed);
        let _ = (packet.list(), packet.action_id(), packet.is_success(), fields.output().count(), fields.set_text("CallerIDNum"));
        assert!(fields.lines().all(|line| line.len() < LIMITS.line_bytes_max));
    }
    // room for everything: whatever isn't too long is read the same
    let (roomy, _) = pieces::decoded(PacketDecoder::default(), stream, piece_bytes, usize::MAX);
    assert!(whole.1.is_some() || roomy == whole.0);
}

pub fn run(input: &[u8]) {
    let Some((piece_bytes, stream)) = pieces::stream(input) else { return };
    check(piece_bytes, stream);
    if !stream.starts_with(b"Asterisk") {
        check(piece_bytes, &[BANNER, stream].concat());
    }
}
