//! One call, played from its connect to its end, with everything that was said kept for printing: what is common to the
//! switches and their ways to ask.

use super::{asterisk, http, socket};
use crate::wire::{agi::switch_side::CommandLineError, esl::switch_side::CommandError, esl::switch_side::SocketMode};
use std::{
    io,
    net::SocketAddr,
    time::{Duration, Instant},
};
use tokio::{io::AsyncWriteExt, net::TcpStream};

/// Most commands that a call answers. An answer takes one, seldom three; a server that never stops must not fill the
/// memory of whoever looks at it.
pub const COMMANDS_MAX: usize = 256;

/// Which switch is played, and by which of its ways it asks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Way {
    /// Asterisk's `AGI(agi://…)`.
    #[default]
    FastAgi,
    /// FreeSWITCH's application `socket`.
    Socket(SocketMode),
    /// FreeSWITCH fetching the call's dialplan, by mod_xml_curl: `POST /xml`.
    Xml,
    /// FreeSWITCH asking for the caller's name, by mod_cidlookup: `GET /name?number=…`.
    Name,
}

/// What the channel knows when the dialplan asks. Texts are sent as they are, line ends too, as Asterisk does; FreeSWITCH
/// encodes them.
#[derive(Debug, Clone)]
pub struct CallFields {
    /// Path and query of the URL, `route?tenant=acme`; empty for a URL without a path. Over HTTP the way says what is
    /// asked, and this is not looked at.
    pub request: String,
    /// Channel name; FreeSWITCH's is made from the caller's number.
    pub channel: String,
    /// Call id.
    pub unique_id: String,
    /// Caller's number; `None` comes out as the switch says it.
    pub caller_number: Option<String>,
    /// Caller's name; `None` comes out as the switch says it.
    pub caller_name: Option<String>,
    /// Presentation bits; `None` for what Asterisk says: 67 (unavailable) without a number, else 0. To FreeSWITCH a
    /// restricted one is a caller whose number and name are to be hidden.
    pub presentation: Option<u8>,
    /// Dialplan extension: the number called.
    pub extension: String,
    /// Dialplan context.
    pub context: String,
    /// Number dialled, where Asterisk's channel was told.
    pub dnid: Option<String>,
    /// Redirecting number, where Asterisk's channel was told.
    pub rdnis: Option<String>,
    /// Arguments of `AGI()` behind the URL. FreeSWITCH has each `key=value` as a channel variable `strowger_key`, or in the
    /// query of a URL for the name only.
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
    /// The fields of a call on FreeSWITCH, whose ids are UUIDs and whose strangers come in context `public`.
    #[must_use]
    pub fn freeswitch() -> Self {
        Self { unique_id: "a21a71a1-5b44-415c-bcb8-18e1ffa03f99".to_owned(), context: "public".to_owned(), ..Self::default() }
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
    /// The server closed, or said `exit`, or its response was whole: a good session.
    Closed,
    /// The server's side was torn down while there was something left to read or write.
    Reset,
    /// The server answered, but kept the connection open until the time was up. A real call would still be waiting.
    LeftOpen,
}

/// What the switch does with the call once the session is over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Afterwards {
    /// It goes on in the dialplan, behind the application that asked.
    Continues,
    /// It never comes back to the dialplan, and nobody tells it to hang up.
    ParkedForEver {
        /// What the server did wrong.
        because: &'static str,
    },
    /// It waits for the server, for ever.
    Waits,
    /// It executes the actions of the document: application and argument, those that only set variables included.
    Executes(Vec<(String, String)>),
    /// No name came: the caller is shown as he was.
    NameLeftAlone,
    /// The document, or what came in its place, is of no use: the switch's own dialplan applies.
    OwnDialplan {
        /// Why.
        because: String,
    },
}

/// What was said, and what it set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conversation {
    /// Every line without its newline, in order, the environment's too.
    pub lines: Vec<(Direction, Vec<u8>)>,
    /// The channel variables that the server set, in order, as the channel would hold them. Fields of a caller's profile on
    /// FreeSWITCH stand here as `profile:NAME`.
    pub variables: Vec<(String, Vec<u8>)>,
    /// From before the connect to the complete answer: the first command, on FreeSWITCH `exit` or the whole response.
    pub elapsed: Duration,
    /// How it ended.
    pub ended: Ended,
    /// What the server should not have written, as sentences.
    pub findings: Vec<String>,
    /// What becomes of the call.
    pub afterwards: Afterwards,
}

impl Conversation {
    /// The last value that a variable was set to.
    #[must_use]
    pub fn variable(&self, name: &str) -> Option<&[u8]> {
        self.variables.iter().rev().find(|(set, _)| set == name).map(|(_, value)| value.as_slice())
    }

    /// The value of a decision's variable, `STROWGER_NAME` or `strowger_name` as the switch has it.
    #[must_use]
    pub fn answer(&self, name: &str) -> Option<&[u8]> {
        let is_it = |set: &str| {
            let rest = set.strip_prefix("STROWGER_").or_else(|| set.strip_prefix("strowger_"));
            rest.is_some_and(|rest| rest.eq_ignore_ascii_case(name))
        };
        self.variables.iter().rev().find(|(set, _)| is_it(set)).map(|(_, value)| value.as_slice())
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
    /// No complete answer within the time. A real call would still be waiting: Asterisk has no such limit, and neither has
    /// FreeSWITCH's socket.
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
    /// The server wrote something that is no command of an event socket.
    #[error(transparent)]
    NoCommand(#[from] CommandError),
    /// The server wrote something that is no response of HTTP.
    #[error("the server wrote no response of HTTP: {0}")]
    NoResponse(&'static str),
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
    call_by(Way::FastAgi, address, fields, wait_max).await
}

/// Plays one call against the server at `address`, as the switch would that asks this way. `wait_max` bounds all of it.
///
/// # Errors
/// [`CallError`] when no answer came. A server that answers and then doesn't end the session is [`Ended::LeftOpen`].
pub async fn call_by(way: Way, address: SocketAddr, fields: &CallFields, wait_max: Duration) -> Result<Conversation, CallError> {
    let mut session = Session::new();
    let played = async {
        match way {
            Way::FastAgi => asterisk::play(&mut session, address, fields).await,
            Way::Socket(mode) => socket::play(&mut session, address, fields, mode).await,
            Way::Xml | Way::Name => http::play(&mut session, address, fields, way).await,
        }
    };
    match tokio::time::timeout(wait_max, played).await {
        Ok(ended) => session.finish(ended?),
        Err(_) if session.answered.is_some() => {
            session.afterwards = Afterwards::Waits;
            session.finish(Ended::LeftOpen)
        }
        Err(_) => Err(CallError::TimedOut { wait_ms: wait_max.as_millis() }),
    }
}

/// A conversation while it lasts.
pub(super) struct Session {
    began: Instant,
    answered: Option<Duration>,
    pub(super) lines: Vec<(Direction, Vec<u8>)>,
    pub(super) variables: Vec<(String, Vec<u8>)>,
    pub(super) findings: Vec<String>,
    pub(super) afterwards: Afterwards,
}

impl Session {
    fn new() -> Self {
        Self {
            began: Instant::now(),
            answered: None,
            lines: Vec::new(),
            variables: Vec::new(),
            findings: Vec::new(),
            afterwards: Afterwards::Continues,
        }
    }

    fn finish(self, ended: Ended) -> Result<Conversation, CallError> {
        let elapsed = self.answered.ok_or(CallError::NoAnswer)?;
        let Self { lines, variables, findings, afterwards, .. } = self;
        Ok(Conversation { lines, variables, elapsed, ended, findings, afterwards })
    }

    /// Notes that there is an answer; the first time counts.
    pub(super) fn is_answered(&mut self) {
        self.answered.get_or_insert_with(|| self.began.elapsed());
    }

    /// Notes that the answer is complete only now.
    pub(super) fn is_answered_now(&mut self) {
        self.answered = Some(self.began.elapsed());
    }

    /// Connects as a switch does.
    pub(super) async fn connect(&self, address: SocketAddr) -> Result<TcpStream, CallError> {
        let stream = TcpStream::connect(address).await.map_err(|error| match error.kind() {
            io::ErrorKind::ConnectionRefused => CallError::Refused { address },
            kind => CallError::Connection(kind),
        })?;
        // FreeSWITCH does, and Asterisk writes too seldom for it to matter; a lost option costs nothing but time
        let _ = stream.set_nodelay(true);
        Ok(stream)
    }

    /// Writes lines and keeps them; says how the session ended if they couldn't be written.
    pub(super) async fn say(&mut self, stream: &mut TcpStream, bytes: &[u8]) -> Option<Ended> {
        if stream.write_all(bytes).await.is_err() {
            return Some(Ended::Reset);
        }
        self.keep(Direction::FromSwitch, bytes);
        None
    }

    /// Keeps the lines of a text, without their newlines.
    pub(super) fn keep(&mut self, direction: Direction, bytes: &[u8]) {
        let mut lines: Vec<&[u8]> = bytes.split(|byte| *byte == b'\n').collect();
        if lines.last().is_some_and(|last| last.is_empty()) {
            lines.pop();
        }
        self.lines.extend(lines.into_iter().map(|line| (direction, line.to_vec())));
    }
}
