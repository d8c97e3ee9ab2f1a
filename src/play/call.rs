//! One call, played from the environment to `HANGUP`, with everything that was said kept for printing.

use crate::wire::agi::{
    command::lines,
    switch_side::{
        CommandDecoder, CommandLineError, EnvironmentFields, HANGUP, MSET_PLACES_ASTERISK_22, UNKNOWN_COMMAND, encode_result, mset_pairs,
        words,
    },
};
use bytes::BytesMut;
use std::{
    io,
    net::SocketAddr,
    time::{Duration, Instant},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use tokio_util::codec::Decoder;

/// Most commands that a call answers. An answer takes one, seldom three; a server that never stops must not fill the
/// memory of whoever looks at it.
pub const COMMANDS_MAX: usize = 256;

const WRONG_WORDS: &[u8] = b"520 Invalid command syntax.  Proper usage not available.\n";

/// What the channel knows when the dialplan reaches `AGI()`. Texts are sent as they are, line ends too, as Asterisk does.
#[derive(Debug, Clone)]
pub struct CallFields {
    /// Path and query of the URL, `route?tenant=acme`; empty for a URL without a path.
    pub request: String,
    /// Channel name.
    pub channel: String,
    /// Call id.
    pub unique_id: String,
    /// Caller's number; `None` comes out as `unknown`.
    pub caller_number: Option<String>,
    /// Caller's name; `None` comes out as `unknown`.
    pub caller_name: Option<String>,
    /// Presentation bits; `None` for what Asterisk says: 67 (unavailable) without a number, else 0.
    pub presentation: Option<u8>,
    /// Dialplan extension: the number called.
    pub extension: String,
    /// Dialplan context.
    pub context: String,
    /// Number dialled, where the channel was told.
    pub dnid: Option<String>,
    /// Redirecting number.
    pub rdnis: Option<String>,
    /// Arguments of `AGI()` behind the URL.
    pub arguments: Vec<String>,
}

impl Default for CallFields {
    fn default() -> Self {
        Self {
            request: "route".to_owned(),
            channel: "PJSIP/strowger-00000001".to_owned(),
            unique_id: "1795277700.1".to_owned(),
            caller_number: None,
            caller_name: None,
            presentation: None,
            extension: "s".to_owned(),
            context: "from-strowger".to_owned(),
            dnid: None,
            rdnis: None,
            arguments: Vec::new(),
        }
    }
}

impl CallFields {
    fn encode(&self, address: SocketAddr, out: &mut BytesMut) {
        let arguments: Vec<&[u8]> = self.arguments.iter().map(String::as_bytes).collect();
        let presentation = if self.caller_number.is_some() { 0 } else { 67 };
        EnvironmentFields {
            server: address.to_string().as_bytes(),
            network_script: self.request.as_bytes(),
            channel: self.channel.as_bytes(),
            unique_id: self.unique_id.as_bytes(),
            caller_number: self.caller_number.as_deref().map(str::as_bytes),
            caller_name: self.caller_name.as_deref().map(str::as_bytes),
            presentation: self.presentation.unwrap_or(presentation),
            extension: self.extension.as_bytes(),
            context: self.context.as_bytes(),
            dnid: self.dnid.as_deref().map(str::as_bytes),
            rdnis: self.rdnis.as_deref().map(str::as_bytes),
            arguments: &arguments,
            ..EnvironmentFields::default()
        }
        .encode(out);
    }
}

/// Who wrote a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// We did, as the switch.
    FromSwitch,
    /// The server did.
    FromServer,
}

/// How a call that was answered ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// The server closed: a good session.
    Closed,
    /// The server's side was torn down while there was something left to read or write.
    Reset,
    /// The server answered, but kept the connection open until the time was up. A real call would still be waiting.
    LeftOpen,
}

/// What was said, and what it set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conversation {
    /// Every line without its newline, in order, the environment's too.
    pub lines: Vec<(Direction, Vec<u8>)>,
    /// The channel variables that the server set, in order, as the channel would hold them.
    pub variables: Vec<(String, Vec<u8>)>,
    /// From before the connect to the first complete command.
    pub elapsed: Duration,
    /// How it ended.
    pub ended: Ended,
}

impl Conversation {
    /// The last value that a variable was set to.
    #[must_use]
    pub fn variable(&self, name: &str) -> Option<&[u8]> {
        self.variables.iter().rev().find(|(set, _)| set == name).map(|(_, value)| value.as_slice())
    }
}

/// Why there was no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CallError {
    /// Nobody listens there.
    #[error("{address} refused the connection; is the server running?")]
    Refused {
        /// Where.
        address: SocketAddr,
    },
    /// No complete command within the time. A real call would still be waiting: Asterisk has no such limit.
    #[error("no answer within {wait_ms} ms")]
    TimedOut {
        /// The time given, in milliseconds.
        wait_ms: u128,
    },
    /// The server closed without a command: it refused the environment, or has nothing to say.
    #[error("the server closed without an answer; it may have refused the environment")]
    NoAnswer,
    /// The server wrote something that is no command line.
    #[error(transparent)]
    Garbage(#[from] CommandLineError),
    /// More than [`COMMANDS_MAX`] commands.
    #[error("the server sent over {COMMANDS_MAX} commands")]
    Endless,
    /// The connection failed; the kind says how.
    #[error("the connection failed: {0}")]
    Connection(io::ErrorKind),
}

/// Plays one call against the FastAGI server at `address`, as Asterisk would. `wait_max` bounds all of it.
///
/// # Errors
/// [`CallError`] when no answer came. A server that answers and then doesn't close is [`Ended::LeftOpen`].
pub async fn call(address: SocketAddr, fields: &CallFields, wait_max: Duration) -> Result<Conversation, CallError> {
    let mut session = Session::new();
    match tokio::time::timeout(wait_max, session.play(address, fields)).await {
        Ok(ended) => session.finish(ended?),
        Err(_) if session.answered.is_some() => session.finish(Ended::LeftOpen),
        Err(_) => Err(CallError::TimedOut { wait_ms: wait_max.as_millis() }),
    }
}

struct Session {
    began: Instant,
    answered: Option<Duration>,
    lines: Vec<(Direction, Vec<u8>)>,
    variables: Vec<(String, Vec<u8>)>,
}

impl Session {
    fn new() -> Self {
        Self { began: Instant::now(), answered: None, lines: Vec::new(), variables: Vec::new() }
    }

    fn finish(self, ended: Ended) -> Result<Conversation, CallError> {
        let elapsed = self.answered.ok_or(CallError::NoAnswer)?;
        Ok(Conversation { lines: self.lines, variables: self.variables, elapsed, ended })
    }

    async fn play(&mut self, address: SocketAddr, fields: &CallFields) -> Result<Ended, CallError> {
        let mut stream = TcpStream::connect(address).await.map_err(|error| match error.kind() {
            io::ErrorKind::ConnectionRefused => CallError::Refused { address },
            kind => CallError::Connection(kind),
        })?;
        let mut out = BytesMut::new();
        fields.encode(address, &mut out);
        let mut ended = self.say(&mut stream, &out).await;
        let (mut decoder, mut buffer, mut commands) = (CommandDecoder::default(), BytesMut::with_capacity(8_192), 0);
        while ended.is_none() {
            let Some(line) = decoder.decode(&mut buffer)? else {
                match stream.read_buf(&mut buffer).await {
                    Ok(0) => ended = Some(Ended::Closed),
                    Ok(_) => {}
                    Err(_) => ended = Some(Ended::Reset),
                }
                continue;
            };
            self.answered.get_or_insert_with(|| self.began.elapsed());
            self.lines.push((Direction::FromServer, line.to_vec()));
            commands += 1;
            if commands > COMMANDS_MAX {
                return Err(CallError::Endless);
            }
            out.clear();
            self.answer(&line, &mut out);
            ended = self.say(&mut stream, &out).await;
        }
        if ended == Some(Ended::Closed) {
            decoder.decode_eof(&mut buffer)?;
        }
        // After its FIN the server may be gone for good; Asterisk doesn't mind either.
        self.say(&mut stream, HANGUP).await;
        Ok(ended.unwrap_or(Ended::Closed))
    }

    /// Writes lines and keeps them; says how the session ended if they couldn't be written.
    async fn say(&mut self, stream: &mut TcpStream, bytes: &[u8]) -> Option<Ended> {
        if stream.write_all(bytes).await.is_err() {
            return Some(Ended::Reset);
        }
        let text = |line: &[u8]| line.strip_suffix(b"\n").unwrap_or(line).to_vec();
        self.lines.extend(lines(bytes).map(|line| (Direction::FromSwitch, text(line))));
        None
    }

    /// Does what Asterisk would with a command, as far as variables go, and appends its reply.
    fn answer(&mut self, line: &[u8], out: &mut BytesMut) {
        let words = words(line);
        let verbs: Vec<_> = words.iter().take(2).map(|word| word.to_ascii_uppercase()).collect();
        let verbs: Vec<&[u8]> = verbs.iter().map(Vec::as_slice).collect();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        match (verbs.as_slice(), &words[words.len().min(2)..]) {
            ([b"EXEC", b"MSET"], arguments) => {
                let list = arguments.first().map_or(&b""[..], Vec::as_slice);
                let pairs = mset_pairs(list, MSET_PLACES_ASTERISK_22);
                self.variables.extend(pairs.into_iter().map(|(name, value)| (text(&name), value)));
                encode_result(0, None, out);
            }
            ([b"SET", b"VARIABLE"], [name, value]) => {
                self.variables.push((text(name), value.clone()));
                encode_result(1, None, out);
            }
            ([b"GET", b"VARIABLE"], [name]) => match self.variables.iter().rev().find(|(set, _)| *set == text(name)) {
                Some((_, value)) => encode_result(1, Some(value), out),
                None => encode_result(0, None, out),
            },
            ([b"SET" | b"GET", b"VARIABLE"], _) => out.extend_from_slice(WRONG_WORDS),
            ([b"NOOP", ..], _) => encode_result(0, None, out),
            ([b"VERBOSE", _], _) => encode_result(1, None, out),
            ([b"EXEC", _], _) => encode_result(-2, None, out),
            _ => out.extend_from_slice(UNKNOWN_COMMAND),
        }
    }
}
