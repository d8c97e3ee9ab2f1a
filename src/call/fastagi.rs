//! A FastAGI session: environment → answer → one MSet → its reply → close.
//!
//! Facts of Asterisk that shaped it (facts 1, 4, 7, 13 and 14 of the measured ones): commands are never pipelined on
//! an open connection; each goes out whole in one write; Asterisk waits for ever, so every wait here has an end; a
//! forged environment may end early, and what follows would be read as replies, so a refused session gets its answer
//! and a FIN (which makes Asterisk run what it has) and is never read as if it were in step.

use super::answer::{Answer, Answerer, NAME_BYTES_MAX, shown};
use super::plane::Admission;
use super::request::Ask;
use super::stats::{CallStats, Ending};
use crate::routing::render::{self, VARIABLES};
use crate::routing::{Reason, Status, Switch, refusal};
use crate::wire::agi::command::{self, lines};
use crate::wire::agi::{Environment, EnvironmentDecoder, EnvironmentError, Message, ReplyDecoder, Value, VariableName};
use bytes::BytesMut;
use std::io;
use std::time::{Duration, Instant};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_util::codec::Decoder;

/// How long the reply to an MSet is waited for. Asterisk answers in a tenth of a millisecond.
const REPLY_WAIT_MAX: Duration = Duration::from_secs(2);
/// How long a refused peer may go on talking before the connection is closed.
const REFUSED_WAIT_MAX: Duration = Duration::from_millis(250);
/// How much of it is read away, in bytes, so that the answer isn't lost to a reset.
const REFUSED_BYTES_MAX: usize = 64 * 1024;
/// A buffer's first size: a genuine environment has some 800 bytes.
const BUFFER_BYTES: usize = 2048;

const CALLER_NAME: VariableName = VariableName::from_static("CALLERID(name)");
const CALLER_NUMBER: VariableName = VariableName::from_static("CALLERID(num)");
/// The names on the wire, in the order of [`VARIABLES`].
const NAMES: [VariableName; 11] = [
    VariableName::from_static("STROWGER_ACTION"),
    VariableName::from_static("STROWGER_TARGET"),
    VariableName::from_static("STROWGER_TIMEOUT"),
    VariableName::from_static("STROWGER_OPTIONS"),
    VariableName::from_static("STROWGER_STEP"),
    VariableName::from_static("STROWGER_ROUTE"),
    VariableName::from_static("STROWGER_NAME"),
    VariableName::from_static("STROWGER_CONTACT"),
    VariableName::from_static("STROWGER_CALLERID"),
    VariableName::from_static("STROWGER_REASON"),
    VariableName::from_static("STROWGER_STATUS"),
];

/// Plays the server's side of one session.
pub(super) async fn session(
    mut stream: TcpStream,
    answerer: &Answerer,
    stats: &CallStats,
    admission: Admission,
    environment_wait: Duration,
) -> Ending {
    let environment = match timeout(environment_wait, read_environment(&stream)).await {
        Ok(Ok(environment)) => environment,
        Ok(Err(Refused::Gone)) => return Ending::GoneBeforeQuestion,
        Ok(Err(refused)) => {
            let error = match refused {
                Refused::Malformed(error) => error.to_string(),
                _ => "bytes follow the environment; it was forged".to_owned(),
            };
            let (error, peer) = (answerer.numbers().text(&error), stream.peer_addr().ok().map(|peer| peer.to_string()));
            tracing::warn!(peer, error, "an environment was refused; the fallback applied");
            say_and_leave(stream, &answerer.refuse_unread()).await;
            return Ending::Malformed;
        }
        Err(_) => {
            say_and_leave(stream, &answerer.refuse_unread()).await;
            return Ending::NoQuestion;
        }
    };
    let began = Instant::now();
    let (mut ask, wrong) = match Ask::from_agi(&environment) {
        Ok(ask) => (ask, None),
        Err(both) => (both.0, Some(both.1)),
    };
    ask.peer = answerer.peer_of(&stream);
    let (answer, ending) = answerer.admitted(&ask, wrong.as_ref(), admission, stats).await;
    let commands = commands_of(&answer, &ask);
    let answer_us = began.elapsed().as_micros() as u64;
    let ended = match timeout(Answerer::reply_wait(&answer, REPLY_WAIT_MAX), say(&mut stream, &commands)).await {
        Ok(Ok(())) => ending,
        Ok(Err(_)) => Ending::GoneAfterAnswer,
        Err(_) => Ending::Unconfirmed,
    };
    // the call goes on when the connection is closed; what is left to do is no concern of its
    drop(stream);
    answerer.done(answer, ask, Switch::Asterisk, ended, began, answer_us);
    ended
}

/// Why there is no environment.
enum Refused {
    Gone,
    Malformed(EnvironmentError),
    /// A whole environment, and more behind it.
    Forged,
}

/// Reads until the environment is whole. Nothing is allocated for a peer that says nothing.
async fn read_environment(stream: &TcpStream) -> Result<Environment, Refused> {
    let mut decoder = EnvironmentDecoder::new();
    let mut buffer = BytesMut::new();
    loop {
        stream.readable().await.map_err(|_| Refused::Gone)?;
        buffer.reserve(BUFFER_BYTES);
        match stream.try_read_buf(&mut buffer) {
            Ok(0) => return Err(Refused::Gone),
            Ok(_) => match decoder.decode(&mut buffer) {
                // Asterisk says nothing more until it is told something, but for the caller's hang-up: other bytes
                // behind the blank line are the genuine rest of an environment that was forged whole
                Ok(Some(environment)) if buffer.split_inclusive(|b| *b == b'\n').all(|line| line == b"HANGUP\n") => return Ok(environment),
                Ok(Some(_)) => return Err(Refused::Forged),
                Ok(None) => {}
                Err(error) => return Err(Refused::Malformed(error)),
            },
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(_) => return Err(Refused::Gone),
        }
    }
}

/// An answer as command lines.
fn commands_of(answer: &Answer<'_>, ask: &Ask) -> BytesMut {
    let mut out = BytesMut::with_capacity(1024);
    if append_commands(answer, &mut out).is_err() {
        // steps whose dial strings don't fit are refused when they are made; a template that was changed since may make
        // one all the same
        tracing::error!(call_id = shown(&ask.call_id), "an answer was longer than Asterisk takes; the dialplan's default applied");
        out.clear();
        let short = Answer::unread(refusal(None, Status::Error, Reason::BadRequest), answer.tenant);
        // an answer of fixed words is far below the limit
        let _ = append_commands(&short, &mut out);
    }
    out
}

fn append_commands(answer: &Answer<'_>, out: &mut BytesMut) -> Result<(), command::CommandError> {
    let rendered = render::asterisk(&answer.decision, answer.tenant.map(|t| &t.asterisk));
    let name = rendered.caller_name.as_deref().map(|name| Value::new(name).truncated(NAME_BYTES_MAX));
    let mut pairs = Vec::with_capacity(VARIABLES.len() + 2 + rendered.legs.len());
    pairs.extend(name.map(|name| (CALLER_NAME, name)));
    pairs.extend(rendered.caller_number.as_deref().map(|number| (CALLER_NUMBER, Value::new(number))));
    for (variable, dial_string) in &rendered.legs {
        pairs.push((VariableName::new(variable)?, Value::new(dial_string)));
    }
    pairs.extend(NAMES.into_iter().zip(rendered.values.iter().map(|v| Value::new(v))));
    command::mset(&pairs, out).map(drop)
}

/// Sends each line once the one before was answered.
async fn say(stream: &mut TcpStream, commands: &[u8]) -> io::Result<()> {
    let mut replies = ReplyDecoder::new();
    let mut buffer = BytesMut::new();
    for line in lines(commands) {
        stream.write_all(line).await?;
        wait_for_reply(stream, &mut replies, &mut buffer).await?;
    }
    Ok(())
}

async fn wait_for_reply(stream: &TcpStream, replies: &mut ReplyDecoder, buffer: &mut BytesMut) -> io::Result<()> {
    loop {
        match replies.decode(buffer) {
            Ok(Some(Message::Reply(reply))) if reply.code != 100 => return Ok(()),
            Ok(Some(_)) => continue,
            Ok(None) => {}
            Err(error) => return Err(io::Error::new(io::ErrorKind::InvalidData, error)),
        }
        stream.readable().await?;
        buffer.reserve(256);
        match stream.try_read_buf(buffer) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
    }
}

/// Tells a peer that is out of step what it gets, and ends. The FIN makes Asterisk run the line it has, and reading
/// on for a moment keeps a reset from overtaking it.
async fn say_and_leave(mut stream: TcpStream, answer: &Answer<'_>) {
    let commands = commands_of(answer, &Ask::default());
    let _ = timeout(REFUSED_WAIT_MAX, async {
        stream.write_all(&commands).await?;
        stream.shutdown().await?;
        let (mut scratch, mut read) = ([0u8; 4096], 0);
        while read < REFUSED_BYTES_MAX {
            stream.readable().await?;
            match stream.try_read(&mut scratch) {
                Ok(0) => break,
                Ok(n) => read += n,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
        }
        Ok::<(), io::Error>(())
    })
    .await;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_variable_goes_out_under_its_own_name() {
        for (name, variable) in NAMES.iter().zip(VARIABLES) {
            assert_eq!(name.as_str(), format!("STROWGER_{variable}"));
        }
        assert_eq!(NAMES.len(), VARIABLES.len());
    }
}
