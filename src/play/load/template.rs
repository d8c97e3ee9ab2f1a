//! What a switch says of a call, with places for what differs from call to call.

use crate::wire::esl::switch_side::url_encode;
use memchr::memmem;
use std::io::Write;

/// Stands in a text where the call's id goes. A plan's texts hold no control characters.
pub(super) const CALL_ID: &str = "\x01";
/// Stands where the caller's number goes.
pub(super) const FROM: &str = "\x02";
/// Stands where the number called goes.
pub(super) const TO: &str = "\x03";

/// How a text is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Writing {
    /// As it is; the call's id in decimals.
    Plain,
    /// As FreeSWITCH encodes values; the call's id as the last part of a UUID.
    Encoded,
    /// As mod_cidlookup asks: digits only.
    Digits,
}

pub(super) struct Template {
    pieces: Vec<(Vec<u8>, Slot)>,
    writing: Writing,
}

#[derive(Clone, Copy)]
enum Slot {
    CallId,
    From,
    To,
    End,
}

impl Template {
    /// Takes a text apart at the marks, which an encoder may have encoded.
    pub(super) fn new(mut text: &[u8], writing: Writing) -> Self {
        let marks = [(CALL_ID, Slot::CallId), (FROM, Slot::From), (TO, Slot::To)];
        let marks = marks.map(|(mark, slot)| {
            let mut written = Vec::new();
            match writing {
                Writing::Encoded => url_encode(mark.as_bytes(), &mut written),
                Writing::Plain | Writing::Digits => written.extend_from_slice(mark.as_bytes()),
            }
            (written, slot)
        });
        let mut pieces = Vec::new();
        loop {
            let found = marks.iter().filter_map(|(mark, slot)| Some((memmem::find(text, mark)?, mark.len(), *slot)));
            let Some((at, mark_bytes, slot)) = found.min_by_key(|(at, ..)| *at) else { break };
            pieces.push((text[..at].to_vec(), slot));
            text = &text[at + mark_bytes..];
        }
        pieces.push((text.to_vec(), Slot::End));
        Self { pieces, writing }
    }

    /// Writes the text of a call behind what is there.
    pub(super) fn fill(&self, index: u64, from: &str, to: &str, out: &mut Vec<u8>) {
        for (text, slot) in &self.pieces {
            out.extend_from_slice(text);
            match (slot, self.writing) {
                // Writing to memory doesn't fail.
                (Slot::CallId, Writing::Encoded) => _ = write!(out, "{index:012}"),
                (Slot::CallId, _) => _ = write!(out, "{index}"),
                (Slot::From, _) => self.number(from, out),
                (Slot::To, _) => self.number(to, out),
                (Slot::End, _) => {}
            }
        }
    }

    fn number(&self, number: &str, out: &mut Vec<u8>) {
        match self.writing {
            Writing::Plain => out.extend_from_slice(number.as_bytes()),
            Writing::Encoded => url_encode(number.as_bytes(), out),
            Writing::Digits => out.extend(crate::play::http::digits(number)),
        }
    }
}
