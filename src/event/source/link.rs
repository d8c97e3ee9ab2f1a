//! The driver of a connection: reads whatever comes as soon as it comes, and writes what the session has to say.
//!
//! It never waits for the switch to read: a switch that doesn't read, and isn't read, would wait for us.

use super::SourceConfig;
use super::ring::RingSender;
use bytes::{Buf, BufMut, BytesMut};
use std::io;
use tokio::io::Interest;
use tokio::net::TcpStream;
use tokio::time::{Duration, Instant, sleep_until};
use tokio_util::codec::Decoder;

/// What is read at once. A thread of normal priority that decodes a flood would keep a processor from calls; after each
/// piece of this size (some 0.3 ms of work) it leaves it to them for a moment.
const READ_BYTES_MAX: usize = 64 * 1024;
/// That moment. No switch says so much that it comes to this (the fastest Asterisk seen says 3 MB a second, and a switch may
/// say 100 MB a second like this); whoever does takes half of a processor at most.
const FLOOD_PAUSE: Duration = Duration::from_micros(250);
/// What may wait to be written. A session says a few hundred bytes at a time; a switch that takes none of it is lost.
const WRITE_BYTES_MAX: usize = 64 * 1024;

/// How a connection ended.
#[derive(Debug)]
pub(super) struct Ending {
    /// In a word.
    pub(super) why: &'static str,
    /// In words, and what to do.
    pub(super) text: String,
    /// Whether the switch doesn't want us: coming back soon would help nobody.
    pub(super) refused: bool,
    /// Since when it was up, if it was.
    pub(super) up: Option<Instant>,
}

impl Ending {
    pub(super) fn new(why: &'static str, text: impl Into<String>) -> Ending {
        Ending { why, text: text.into(), refused: false, up: None }
    }

    pub(super) fn refused(text: impl Into<String>) -> Ending {
        Ending { why: "refused", text: text.into(), refused: true, up: None }
    }
}

/// One switch's protocol: what is said to what comes.
pub(super) trait Protocol {
    type Decoder: Decoder + Default;

    /// Takes a message.
    fn received(&mut self, message: <Self::Decoder as Decoder>::Item, turn: &mut Turn<'_>) -> Result<(), Ending>;

    /// Looks at the time.
    fn tick(&mut self, turn: &mut Turn<'_>) -> Result<(), Ending>;

    /// When to look again.
    fn next_tick(&self) -> Duration;

    /// What the decoder's refusal means.
    fn broken(&self, error: <Self::Decoder as Decoder>::Error) -> Ending;

    /// What the end of the stream means.
    fn closed(&self) -> Ending;

    /// Since when it is up.
    fn up(&self) -> Option<Instant>;
}

/// What a session may use when it is its turn.
pub(super) struct Turn<'a> {
    pub(super) now: Instant,
    pub(super) out: &'a mut BytesMut,
    pub(super) ring: &'a mut RingSender,
}

/// Drives a connection to its end.
pub(super) async fn drive<P: Protocol>(stream: TcpStream, mut protocol: P, ring: &mut RingSender, config: &SourceConfig) -> Ending {
    let ending = to_the_end(stream, &mut protocol, ring, config).await;
    Ending { up: protocol.up(), ..ending }
}

async fn to_the_end<P: Protocol>(stream: TcpStream, protocol: &mut P, ring: &mut RingSender, config: &SourceConfig) -> Ending {
    let (mut decoder, mut input, mut out) = (P::Decoder::default(), BytesMut::new(), BytesMut::new());
    let mut tick_at = Instant::now();
    loop {
        let interest = if out.is_empty() { Interest::READABLE } else { Interest::READABLE | Interest::WRITABLE };
        tokio::select! {
            ready = stream.ready(interest) => if let Err(error) = ready {
                return lost(&error);
            },
            () = sleep_until(tick_at) => {}
        }
        let read = match read(&stream, &mut input) {
            Ok(read) => read,
            Err(error) => return lost(&error),
        };
        let now = Instant::now();
        let mut turn = Turn { now, out: &mut out, ring };
        if let Read::Some(bytes) = read {
            config.stats.bytes_in.add(bytes as u64);
        }
        let taken = match read {
            Read::Nothing => Ok(()),
            Read::Some(_) => take(&mut decoder, &mut input, protocol, &mut turn, P::Decoder::decode),
            Read::End => take(&mut decoder, &mut input, protocol, &mut turn, P::Decoder::decode_eof).and(Err(protocol.closed())),
        };
        if let Err(ending) = taken {
            return ending;
        }
        if now >= tick_at {
            if let Err(ending) = protocol.tick(&mut turn) {
                return ending;
            }
            if turn.ring.is_closed() {
                return Ending::new("stopped", "nobody reads its events any more");
            }
        }
        // an event may have made the next look an earlier one
        tick_at = if now >= tick_at { now + protocol.next_tick() } else { tick_at.min(now + protocol.next_tick()) };
        if let Err(error) = write(&stream, &mut out) {
            return lost(&error);
        }
        if out.len() > WRITE_BYTES_MAX {
            return Ending::new("stuck", "the switch takes nothing that is written to it; look at its load");
        }
        if matches!(read, Read::Some(READ_BYTES_MAX)) {
            // other sources, and then other threads: where more than this comes at once, calls go first
            tokio::task::yield_now().await;
            std::thread::sleep(FLOOD_PAUSE);
        }
    }
}

/// Hands over every message that is whole.
fn take<P: Protocol>(
    decoder: &mut P::Decoder,
    input: &mut BytesMut,
    protocol: &mut P,
    turn: &mut Turn<'_>,
    decode: impl Fn(&mut P::Decoder, &mut BytesMut) -> Result<Option<<P::Decoder as Decoder>::Item>, <P::Decoder as Decoder>::Error>,
) -> Result<(), Ending> {
    loop {
        match decode(decoder, input) {
            Ok(Some(message)) => protocol.received(message, turn)?,
            Ok(None) => return Ok(()),
            Err(error) => return Err(protocol.broken(error)),
        }
    }
}

enum Read {
    Nothing,
    Some(usize),
    End,
}

fn read(stream: &TcpStream, input: &mut BytesMut) -> io::Result<Read> {
    input.reserve(READ_BYTES_MAX);
    match stream.try_read_buf(&mut input.limit(READ_BYTES_MAX)) {
        Ok(0) => Ok(Read::End),
        Ok(bytes) => Ok(Read::Some(bytes)),
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(Read::Nothing),
        Err(error) => Err(error),
    }
}

fn write(stream: &TcpStream, out: &mut BytesMut) -> io::Result<()> {
    while !out.is_empty() {
        match stream.try_write(out) {
            Ok(bytes) => out.advance(bytes),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

fn lost(error: &io::Error) -> Ending {
    Ending::new("lost", format!("the connection was lost ({error}); it is made again"))
}
