//! One client of a flood: what it asks is answered in order, between the pieces of the flood.
//!
//! Two threads: one reads, one writes everything, so that an answer never stands in the middle of an event. A piece is
//! written in one go, and how long that takes is the measure: a switch's own thread would stand still as long.

use super::block::Block;
use super::{FloodPlan, Shared, Switch};
use crate::play::flood::{asterisk::Manager, freeswitch::EventSocket};
use std::fs::File;
use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, TryRecvError, channel};
use std::time::{Duration, Instant};

/// Bytes of one piece: large enough that the system call is no part of the cost.
const PIECE_BYTES_MAX: usize = 64 * 1024;
/// How often a thread that waits looks whether it should end.
pub(super) const LOOK: Duration = Duration::from_millis(50);
/// How long a flood at a fixed rate sleeps when nothing is due.
const PACE: Duration = Duration::from_millis(1);
/// Most that a flood at a fixed rate makes up for, in seconds of its rate.
const ARREARS_SECONDS_MAX: f64 = 1.0;
/// Longest line of a client.
const LINE_BYTES_MAX: u64 = 64 * 1024;
/// Most lines of one command.
const LINES_MAX: usize = 256;

/// What a client has asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wants {
    /// Nothing yet.
    Nothing,
    /// Events of calls.
    Calls,
    /// User events too.
    Everything,
}

/// What follows from a command.
pub(super) struct Turn {
    pub(super) reply: String,
    /// What the client wants from now on, if that changes.
    pub(super) wants: Option<Wants>,
    /// The connection ends behind the reply.
    pub(super) is_over: bool,
    /// A login that failed.
    pub(super) is_refused: bool,
}

/// A switch's half of a conversation.
pub(super) trait Talk: Send {
    /// What it says first.
    fn greeting(&self) -> String;
    /// What it says to a command, whose lines have no ends.
    fn hear(&mut self, lines: &[String]) -> Turn;
}

/// What reader and writer of a connection share.
struct Line {
    shared: Arc<Shared>,
    wants: AtomicU8,
}

/// Serves a client on two threads, which end with the connection or the flood.
pub(super) fn serve(stream: TcpStream, plan: &FloodPlan, shared: &Arc<Shared>, lane: u64) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(LOOK))?;
    stream.set_write_timeout(Some(LOOK))?;
    let line = Arc::new(Line { shared: Arc::clone(shared), wants: AtomicU8::new(Wants::Nothing as u8) });
    let talk: Box<dyn Talk> = match plan.switch {
        Switch::Asterisk => Box::new(Manager::new(plan)),
        Switch::FreeSwitch => Box::new(EventSocket::new(plan)),
    };
    let (say, replies) = channel();
    // the receiver is there: it is moved below
    let _ = say.send(talk.greeting());
    let (reading, heard) = (stream.try_clone()?, Arc::clone(&line));
    super::spawn("flood-read", plan.priority, move || read(reading, talk, &say, &heard))?;
    let plan = plan.clone();
    super::spawn("flood-write", plan.priority, move || {
        let subscribed = || line.wants.load(Ordering::Acquire) != Wants::Nothing as u8;
        let was_told = Writer::new(stream, &line, &plan, lane).run(&replies);
        let counts = &line.shared.counts;
        if subscribed() {
            counts.subscribed.fetch_sub(1, Ordering::Relaxed);
            if !was_told && !line.shared.ended() {
                counts.lost.fetch_add(1, Ordering::Relaxed);
            }
        }
    })
}

/// Hears commands until the client is gone.
fn read(stream: TcpStream, mut talk: Box<dyn Talk>, say: &Sender<String>, line: &Line) {
    let mut input = BufReader::new(stream);
    let (mut lines, mut buffer) = (Vec::new(), Vec::new());
    while !line.shared.ended() {
        match (&mut input).take(LINE_BYTES_MAX).read_until(b'\n', &mut buffer) {
            Ok(0) => return,
            Ok(_) if buffer.last() == Some(&b'\n') && lines.len() < LINES_MAX => {}
            Ok(_) => return,
            // what came so far stays in the buffer
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted) => continue,
            Err(_) => return,
        }
        let text = String::from_utf8_lossy(&buffer).trim_end_matches(['\r', '\n']).to_owned();
        buffer.clear();
        if !text.is_empty() {
            lines.push(text);
            continue;
        }
        // a newline alone keeps a connection alive
        if lines.is_empty() {
            continue;
        }
        let turn = talk.hear(&lines);
        lines.clear();
        line.shared.counts.refused.fetch_add(u64::from(turn.is_refused), Ordering::Relaxed);
        if say.send(turn.reply).is_err() || turn.is_over {
            return;
        }
        if let Some(wants) = turn.wants {
            let before = line.wants.swap(wants as u8, Ordering::AcqRel) != Wants::Nothing as u8;
            let now = wants != Wants::Nothing;
            let subscribed = &line.shared.counts.subscribed;
            match (before, now) {
                (false, true) => _ = subscribed.fetch_add(1, Ordering::Relaxed),
                (true, false) => _ = subscribed.fetch_sub(1, Ordering::Relaxed),
                _ => {}
            }
        }
    }
}

/// Why a connection is over.
enum Gone {
    /// The client closed it, or it broke.
    Lost,
    /// The flood ends.
    Ended,
}

/// Where a block stands.
struct Place {
    block: Block,
    at: usize,
}

struct Writer<'a> {
    stream: TcpStream,
    line: &'a Line,
    lane: u64,
    calls: Place,
    everything: Place,
    /// How long this thread has waited for a processor, from the kernel.
    waited: Option<File>,
    /// When events were last due, for a fixed rate.
    pace: Option<(Instant, f64)>,
    events_per_second: Option<f64>,
}

impl<'a> Writer<'a> {
    fn new(stream: TcpStream, line: &'a Line, plan: &FloodPlan, lane: u64) -> Writer<'a> {
        let place = |with_user_events| {
            let block = match plan.switch {
                Switch::Asterisk => Block::asterisk(plan.epoch_seconds, with_user_events),
                Switch::FreeSwitch => Block::freeswitch(plan.epoch_seconds),
            };
            Place { at: block.len(), block }
        };
        // two blocks of one connection are two lanes: their calls are different ones
        let (calls, everything) = (place(false), place(true));
        let waited = File::open("/proc/thread-self/schedstat").ok();
        Writer { stream, line, lane: lane * 2, calls, everything, waited, pace: None, events_per_second: plan.events_per_second }
    }

    /// Writes until the connection is over; gives whether that was said by an answer, or by us.
    fn run(mut self, replies: &Receiver<String>) -> bool {
        loop {
            // read before the answers: the one to what was asked is there by then
            let wants = self.line.wants.load(Ordering::Acquire);
            let is_flooding = wants != Wants::Nothing as u8 && self.line.shared.flooding.load(Ordering::Relaxed);
            let reply = if is_flooding {
                replies.try_recv().map_err(|error| error == TryRecvError::Disconnected)
            } else {
                self.pace = None;
                replies.recv_timeout(LOOK).map_err(|error| error == RecvTimeoutError::Disconnected)
            };
            let written = match reply {
                Ok(reply) => write_all(&mut self.stream, reply.as_bytes(), &self.line.shared, |_| {}),
                // the reader is done: the client closed, or was told that it is over
                Err(true) => return self.line.shared.ended(),
                Err(false) if is_flooding => self.flood(wants == Wants::Everything as u8),
                Err(false) if self.line.shared.ended() => return true,
                Err(false) => Ok(()),
            };
            match written {
                Ok(()) => {}
                Err(Gone::Lost) => return false,
                Err(Gone::Ended) => return true,
            }
        }
    }

    /// How many events may be written now; `None` if none is due.
    fn due(&mut self) -> Option<usize> {
        let Some(rate) = self.events_per_second else { return Some(usize::MAX) };
        let now = Instant::now();
        let (last, arrears) = self.pace.unwrap_or((now, 0.0));
        let due = (arrears + now.duration_since(last).as_secs_f64() * rate).min((rate * ARREARS_SECONDS_MAX).max(1.0));
        self.pace = Some((now, due));
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "positive, and at most a second's events")]
        (due >= 1.0).then_some(due as usize)
    }

    /// Writes one piece of the flood.
    fn flood(&mut self, with_user_events: bool) -> Result<(), Gone> {
        let Some(events_max) = self.due() else {
            std::thread::sleep(PACE);
            return Ok(());
        };
        let (place, lane) = if with_user_events { (&mut self.everything, self.lane + 1) } else { (&mut self.calls, self.lane) };
        if place.at == place.block.len() {
            place.block.refresh(lane);
            place.at = 0;
        }
        let (bytes, events) = place.block.piece(place.at, events_max, PIECE_BYTES_MAX);
        let counts = &self.line.shared.counts;
        let (began, waited) = (Instant::now(), waited(self.waited.as_ref()));
        let measure = || {
            let took = began.elapsed();
            let own = Duration::from_nanos(self::waited(self.waited.as_ref()).saturating_sub(waited));
            counts.write_longest_us.fetch_max(micros(took), Ordering::Relaxed);
            counts.blocked_longest_us.fetch_max(micros(took.saturating_sub(own)), Ordering::Relaxed);
        };
        write_all(&mut self.stream, bytes, &self.line.shared, |_| measure())?;
        measure();
        counts.events.fetch_add(events as u64, Ordering::Relaxed);
        counts.bytes.fetch_add(bytes.len() as u64, Ordering::Relaxed);
        place.at += events;
        if let Some((_, due)) = &mut self.pace {
            #[expect(clippy::cast_precision_loss, reason = "a piece has some hundred events")]
            {
                *due -= events as f64;
            }
        }
        Ok(())
    }
}

/// Writes all of it, however long the client takes; `stalled` is told now and then that it takes.
fn write_all(stream: &mut TcpStream, mut bytes: &[u8], shared: &Shared, mut stalled: impl FnMut(&[u8])) -> Result<(), Gone> {
    while !bytes.is_empty() {
        match stream.write(bytes) {
            Ok(0) => return Err(Gone::Lost),
            Ok(written) => bytes = &bytes[written..],
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                stalled(bytes);
                if shared.ended() {
                    return Err(Gone::Ended);
                }
            }
            Err(_) => return Err(Gone::Lost),
        }
    }
    Ok(())
}

/// Nanoseconds that this thread could have run and didn't, because others did: the second figure of `schedstat`. 0 where
/// the kernel doesn't say.
fn waited(schedstat: Option<&File>) -> u64 {
    let mut text = [0; 64];
    let read = schedstat.and_then(|file| file.read_at(&mut text, 0).ok()).unwrap_or(0);
    std::str::from_utf8(&text[..read]).ok().and_then(|text| text.split_whitespace().nth(1)?.parse().ok()).unwrap_or(0)
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}
