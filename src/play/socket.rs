//! A call of FreeSWITCH's over the outbound socket: from the connect to `exit`, and what becomes of it then.
//!
//! The switch says nothing until it is told `connect`; then it tells the call, and takes commands until `exit`, or until
//! the server closes. In sync mode the dialplan waits behind the application, so that must not be told to `resume`; in
//! async mode the call is parked beside it, and only `resume` brings it back (what a server that forgets it gets is a race
//! that most calls lose). A real switch has no time limit here; the player has.

use super::call::{Afterwards, COMMANDS_MAX, CallError, CallFields, Direction, Ended, Session};
use crate::wire::esl::switch_side::{
    Channel, Command, CommandError, ConnectReply, Finding, NOT_FOUND, OK, OK_BYE, SocketMode, command, encode_disconnect_notice,
    encode_value, next_command,
};
use bytes::{Buf, BytesMut};
use std::net::SocketAddr;
use tokio::io::AsyncReadExt;

/// Presentation bits that say whether a number may be shown, and the value for "may not".
const PRESENTATION: (u8, u8) = (0x60, 0x20);

/// The fields of a call as FreeSWITCH has them, for whoever encodes them.
pub(super) struct FreeswitchFields<'a> {
    fields: &'a CallFields,
    server: String,
    name: Option<&'a [u8]>,
    variables: Vec<(String, &'a [u8])>,
}

impl<'a> FreeswitchFields<'a> {
    pub(super) fn new(fields: &'a CallFields, address: SocketAddr) -> Self {
        // a caller who sends no name has his number for one; one who sends an empty name has none
        let name = match (&fields.caller_name, &fields.caller_number) {
            (Some(name), _) => Some(name.as_bytes()).filter(|name| !name.is_empty()),
            (None, Some(number)) => Some(number.as_bytes()),
            (None, None) => Some(&b"unknown"[..]),
        };
        let variable = |argument: &'a String| {
            let (key, value) = argument.split_once('=')?;
            Some((format!("strowger_{key}"), value.as_bytes()))
        };
        Self { fields, server: address.to_string(), name, variables: fields.arguments.iter().filter_map(variable).collect() }
    }

    /// Hands the fields on to be encoded.
    pub(super) fn with<R>(&self, mode: SocketMode, encode: impl FnOnce(&ConnectReply<'_>) -> R) -> R {
        let variables: Vec<(&str, &[u8])> = self.variables.iter().map(|(name, value)| (name.as_str(), *value)).collect();
        encode(&ConnectReply {
            uuid: self.fields.unique_id.as_bytes(),
            caller_number: self.fields.caller_number.as_deref().map(str::as_bytes),
            caller_name: self.name,
            hidden: self.fields.presentation.is_some_and(|bits| bits & PRESENTATION.0 == PRESENTATION.1),
            destination: self.fields.extension.as_bytes(),
            context: self.fields.context.as_bytes(),
            server: self.server.as_bytes(),
            socket_path: self.fields.request.as_bytes(),
            mode,
            variables: &variables,
        })
    }
}

/// Plays the call; says how it ended.
pub(super) async fn play(session: &mut Session, address: SocketAddr, fields: &CallFields, mode: SocketMode) -> Result<Ended, CallError> {
    let mut stream = session.connect(address).await?;
    let mut switch = Switch::new(fields, address, mode);
    let (mut buffer, mut out, mut commands) = (BytesMut::with_capacity(8_192), Vec::new(), 0);
    let mut ended = None;
    while ended.is_none() && !switch.exited {
        let Some((command, taken)) = next_command(&buffer)? else {
            match stream.read_buf(&mut buffer).await {
                Ok(0) if command::is_blank(&buffer) => ended = Some(Ended::Closed),
                Ok(0) => return Err(CommandError::Cut.into()),
                Ok(_) => {}
                Err(_) => ended = Some(Ended::Reset),
            }
            continue;
        };
        commands += 1;
        if commands > COMMANDS_MAX {
            return Err(CallError::Endless);
        }
        session.keep(Direction::FromServer, command.bytes);
        if switch.is_connected {
            session.is_answered_now();
        }
        out.clear();
        switch.take(&command, &mut out);
        buffer.advance(taken);
        session.variables.clone_from(&switch.channel.variables);
        session.findings = switch.findings();
        ended = session.say(&mut stream, &out).await;
    }
    session.afterwards = switch.afterwards();
    // what the server wrote behind `exit` is ignored; nor does the switch wait for it
    Ok(if switch.exited { Ended::Closed } else { ended.unwrap_or(Ended::Closed) })
}

/// The switch while the session lasts.
struct Switch {
    reply: Vec<u8>,
    uuid: Vec<u8>,
    mode: SocketMode,
    channel: Channel,
    notes: Vec<String>,
    is_connected: bool,
    has_begun: bool,
    resumed: bool,
    exited: bool,
}

impl Switch {
    fn new(fields: &CallFields, address: SocketAddr, mode: SocketMode) -> Self {
        let mut reply = Vec::new();
        FreeswitchFields::new(fields, address).with(mode, |call| call.encode(&mut reply));
        Self {
            reply,
            uuid: fields.unique_id.clone().into_bytes(),
            mode,
            channel: Channel::default(),
            notes: Vec::new(),
            is_connected: false,
            has_begun: false,
            resumed: false,
            exited: false,
        }
    }

    /// Does what a command says, and appends the reply.
    fn take(&mut self, command: &Command<'_>, out: &mut Vec<u8>) {
        if command.is("connect") {
            self.is_connected = true;
            out.extend_from_slice(&self.reply);
        } else if !self.has_begun {
            let line = String::from_utf8_lossy(command.line()).into_owned();
            self.notes.push(format!("the switch takes no notice of a first command that isn't connect: {line}"));
        } else if command.is("sendmsg") {
            self.execute(command);
            out.extend_from_slice(OK);
        } else if command.is("resume") {
            self.resumed = true;
            out.extend_from_slice(OK);
        } else if command.is("exit") {
            self.exited = true;
            out.extend_from_slice(OK_BYE);
            encode_disconnect_notice(&self.uuid, out);
        } else if command.is("getvar ") {
            let name = String::from_utf8_lossy(&command.line()["getvar ".len()..]).into_owned();
            match self.channel.variable(&name) {
                Some(value) => encode_value(value, out),
                None => out.extend_from_slice(NOT_FOUND),
            }
        } else {
            let line = String::from_utf8_lossy(command.line()).into_owned();
            self.notes.push(format!("{line} isn't played here; most commands need a socket that is called with `full`"));
            out.extend_from_slice(NOT_FOUND);
        }
        self.has_begun = true;
    }

    fn execute(&mut self, command: &Command<'_>) {
        if command.header("call-command") != Some(b"execute") {
            return self.channel.find(Finding::NothingDone);
        }
        let application = command.header("execute-app-name").unwrap_or_default();
        if !self.channel.execute(application, command.argument()) {
            self.channel.find(Finding::NotPlayed { application: String::from_utf8_lossy(application).into_owned() });
        }
    }

    fn findings(&self) -> Vec<String> {
        self.channel.findings.iter().map(ToString::to_string).chain(self.notes.iter().cloned()).collect()
    }

    /// What the switch was seen to do, for a server that ends the session at once.
    fn afterwards(&self) -> Afterwards {
        match (self.mode, self.resumed) {
            (SocketMode::Static, false) | (SocketMode::Async, true) => Afterwards::Continues,
            (SocketMode::Static, true) => {
                Afterwards::ParkedForEver { because: "resume in sync mode leaves the call in CS_RESET, where nothing brings it back" }
            }
            (SocketMode::Async, false) => Afterwards::ParkedForEver {
                because: "a socket in async mode that ends without resume brings a call back only if it is slow, by luck",
            },
        }
    }
}
