//! A FreeSWITCH outbound-socket session: `connect` → who calls whom → answer → variables and `exit` in one write.
//!
//! Facts of FreeSWITCH that shaped it (measured; the recordings are named):
//!
//! * It connects and says nothing; the reply to `connect` is one flat frame of some 166 encoded headers.
//! * Without `resume` a call in async mode is parked for ever if the session ends within 50 ms; with `resume` a call in
//!   sync mode is stuck for ever (`out-16*`). So `resume` goes out if and only if `Socket-Mode` is async, and where the
//!   mode can't be read the session is held longer than the race lasts.
//! * Commands may be sent without waiting for replies, `exit` among them (`out-30*`), and one `multiset` costs the switch
//!   a third of what six `set`s do.
//! * There is no time limit on its side once `connect` was answered, so every wait here has an end.
//! * A slow listener of its events makes all its calls stand between the connection and the reply to `connect` (8.6 s
//!   seen, `in-42`). So who has said nothing is waited for beyond the usual time, without a session's place.

use super::answer::{Answer, Answerer, NAME_BYTES_MAX, shown};
use super::plane::{Admission, Place};
use super::request::{Asked, ChannelAsk};
use super::stats::Ending;
use crate::routing::Switch;
use crate::routing::render::{self, VARIABLES};
use crate::wire::esl::{self, Frame, FrameDecoder, FrameKind, FrameLimits, Value, VariableName, command};
use bytes::BytesMut;
use std::io;
use std::time::{Duration, Instant};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};
use tokio_util::codec::Decoder;

/// How long the switch may take to run what it was told. Sync, it takes a millisecond; async, up to some 20 ms.
const REPLY_WAIT_MAX: Duration = Duration::from_secs(2);
/// How long a switch that stands still is waited for beyond the time that a question may take.
const HELD_WAIT_MAX: Duration = Duration::from_secs(30);
/// How long a session is held whose mode can't be read. After 50 ms a call goes on in either mode (20 of 20 seen).
const UNREADABLE_HOLD: Duration = Duration::from_millis(100);
/// The largest connect reply, in bytes. Usual are 6,500; a dialplan's own variables come on top.
const CONNECT_BYTES_MAX: usize = 64 * 1024;
/// The largest body of a frame, in bytes. Nothing that we ask for has one but the disconnect notice, of some 70.
const BODY_BYTES_MAX: usize = 4 * 1024;
/// A buffer's first size: a connect reply, and what fits behind it.
const BUFFER_BYTES: usize = 8 * 1024;

const CALLER_NAME: VariableName = VariableName::from_static("effective_caller_id_name");
const CALLER_NUMBER: VariableName = VariableName::from_static("effective_caller_id_number");
/// The domain of the tenant's users and mailboxes, where he has one of his own.
const DOMAIN: VariableName = VariableName::from_static("strowger_domain");
/// The names on the wire, in the order of [`VARIABLES`].
const NAMES: [VariableName; 11] = [
    VariableName::from_static("strowger_action"),
    VariableName::from_static("strowger_target"),
    VariableName::from_static("strowger_timeout"),
    VariableName::from_static("strowger_options"),
    VariableName::from_static("strowger_step"),
    VariableName::from_static("strowger_route"),
    VariableName::from_static("strowger_name"),
    VariableName::from_static("strowger_contact"),
    VariableName::from_static("strowger_callerid"),
    VariableName::from_static("strowger_reason"),
    VariableName::from_static("strowger_status"),
];

/// Plays the server's side of one session.
pub(super) async fn session(mut stream: TcpStream, place: &mut Place, admission: Admission, question_wait: Duration) -> Ending {
    let mut frames = Frames::new();
    if stream.write_all(command::CONNECT).await.is_err() {
        return Ending::GoneBeforeQuestion;
    }
    let read = match timeout(question_wait, frames.next(&stream)).await {
        Err(_) if frames.buffer.is_empty() && place.step_aside() => timeout(HELD_WAIT_MAX, frames.next(&stream)).await,
        read => read,
    };
    let channel = match read.map(is_channel) {
        Ok(Ok(channel)) => channel,
        Ok(Err(Unread::Gone)) => return Ending::GoneBeforeQuestion,
        Ok(Err(Unread::NoConnectReply(why))) => {
            let peer = stream.peer_addr().ok().map(|peer| peer.to_string());
            tracing::warn!(peer, why, "a peer of the event socket didn't answer connect; the dialplan's default applied");
            leave_unread(stream).await;
            return Ending::Malformed;
        }
        Err(_) => {
            leave_unread(stream).await;
            return Ending::NoQuestion;
        }
    };
    let plane = place.plane();
    let began = Instant::now();
    let is_async = channel.headers.get("Socket-Mode") == Some(b"async");
    let ChannelAsk { mut ask, wrong, .. } = ChannelAsk::read(channel.headers.iter(), esl::percent_decode, Asked::ByPath);
    ask.peer = plane.answerer.peer_of(&stream);
    let (answer, ending) = plane.answerer.admitted(&ask, wrong.as_ref(), admission, &plane.stats).await;
    let commands = commands_of(&answer, is_async);
    let answer_us = began.elapsed().as_micros() as u64;
    let ended = match timeout(Answerer::reply_wait(&answer, REPLY_WAIT_MAX), say(&mut stream, &mut frames, &commands)).await {
        Ok(Ok(Taken::All)) => ending,
        Ok(Ok(Taken::Refused)) => {
            tracing::warn!(call_id = shown(&ask.call_id), "the switch refused a part of the answer; the dialplan's default applied");
            Ending::Unconfirmed
        }
        Ok(Err(_)) => Ending::GoneAfterAnswer,
        Err(_) => Ending::Unconfirmed,
    };
    // the call goes on when the session is over; what is left to do is no concern of its
    drop(stream);
    plane.answerer.done(answer, ask, Switch::Freeswitch, ended, began, answer_us);
    ended
}

/// Why there is no channel's data.
enum Unread {
    Gone,
    NoConnectReply(String),
}

/// What was read, and the frames in it.
struct Frames {
    decoder: FrameDecoder,
    buffer: BytesMut,
}

impl Frames {
    fn new() -> Frames {
        let limits = FrameLimits { header_bytes_max: CONNECT_BYTES_MAX, body_bytes_max: BODY_BYTES_MAX };
        Frames { decoder: FrameDecoder::new(limits), buffer: BytesMut::new() }
    }

    /// The next frame. Nothing is allocated for a peer that says nothing.
    async fn next(&mut self, stream: &TcpStream) -> io::Result<Frame> {
        loop {
            if !self.buffer.is_empty() {
                match self.decoder.decode(&mut self.buffer) {
                    Ok(Some(frame)) => return Ok(frame),
                    Ok(None) => {}
                    Err(error) => return Err(io::Error::new(io::ErrorKind::InvalidData, error)),
                }
            }
            stream.readable().await?;
            self.buffer.reserve(BUFFER_BYTES);
            match stream.try_read_buf(&mut self.buffer) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
        }
    }
}

/// Whether what was read first is a channel's data.
fn is_channel(read: io::Result<Frame>) -> Result<Frame, Unread> {
    match read {
        Ok(frame) if frame.is_connect_reply() => Ok(frame),
        // the caller hung up in the same moment
        Ok(frame) if frame.kind() == FrameKind::DisconnectNotice => Err(Unread::Gone),
        Ok(frame) => Err(Unread::NoConnectReply(format!("the first frame is of kind {:?}", frame.kind()))),
        Err(error) if error.kind() == io::ErrorKind::InvalidData => Err(Unread::NoConnectReply(error.to_string())),
        Err(_) => Err(Unread::Gone),
    }
}

/// What the switch made of an answer.
enum Taken {
    All,
    Refused,
}

/// Sends everything, and reads until the switch has confirmed `exit`.
async fn say(stream: &mut TcpStream, frames: &mut Frames, commands: &[u8]) -> io::Result<Taken> {
    stream.write_all(commands).await?;
    let mut taken = Taken::All;
    loop {
        let frame = frames.next(stream).await?;
        match frame.kind() {
            FrameKind::CommandReply if frame.headers.get("Reply-Text").is_some_and(|text| text == b"+OK bye") => return Ok(taken),
            FrameKind::CommandReply if !frame.is_ok() => taken = Taken::Refused,
            FrameKind::DisconnectNotice => return Err(io::ErrorKind::UnexpectedEof.into()),
            _ => {}
        }
    }
}

/// Leaves a call whose mode isn't known, so that it goes on in either.
async fn leave_unread(mut stream: TcpStream) {
    sleep(UNREADABLE_HOLD).await;
    let _ = timeout(UNREADABLE_HOLD, stream.write_all(command::EXIT)).await;
}

/// An answer as commands, ended by `exit`.
fn commands_of(answer: &Answer<'_>, is_async: bool) -> BytesMut {
    let mut out = BytesMut::with_capacity(1024);
    if is_async {
        out.extend_from_slice(command::RESUME);
    }
    let rendered = render::freeswitch(&answer.decision, answer.tenant.map(|t| &t.freeswitch));
    let name = rendered.caller_name.as_deref().map(|name| Value::new(name).truncated(NAME_BYTES_MAX));
    if let Some(name) = &name {
        command::profile_name(name, &mut out);
    }
    let domain = answer.tenant.and_then(|t| t.freeswitch.domain.as_deref()).unwrap_or_default();
    let mut pairs = Vec::with_capacity(VARIABLES.len() + 2);
    pairs.extend(name.map(|name| (CALLER_NAME, name)));
    pairs.extend(rendered.caller_number.as_deref().map(|number| (CALLER_NUMBER, Value::new(number))));
    pairs.push((DOMAIN, Value::new(domain)));
    pairs.extend(NAMES.into_iter().zip(rendered.values.iter().map(|v| Value::new(v))));
    command::variables(&pairs, &mut out);
    out.extend_from_slice(command::EXIT);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_variable_goes_out_under_its_own_name() {
        for (name, variable) in NAMES.iter().zip(VARIABLES) {
            assert_eq!(name.as_str(), format!("strowger_{}", variable.to_ascii_lowercase()));
        }
        assert_eq!(NAMES.len(), VARIABLES.len());
    }
}
