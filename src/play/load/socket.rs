//! Calls of FreeSWITCH's over the outbound socket: `connect` is read, the call told in one write, the commands read to
//! `exit`, all of them answered in one write, and then the switch closes, which is when a port stays in TIME_WAIT for a
//! while. (The kernel gives it to a new connection on the same machine after a second.)
//!
//! A real switch executes and answers one command after the other, and takes a millisecond for it; what is measured here
//! is the server.

use super::template::{CALL_ID, FROM, TO, Template, Writing};
use super::{Failure, LoadPlan, Scratch, connect};
use crate::play::call::CallFields;
use crate::play::socket::FreeswitchFields;
use crate::wire::esl::switch_side::{OK, OK_BYE, SocketMode, command::is_blank, encode_disconnect_notice, next_command};
use memchr::memmem;
use std::{net::SocketAddr, time::Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

const STATUS: &[u8] = b"strowger_status=";

/// All that a server may write: an answer is some 700 bytes, more with long names.
pub(super) const BUFFER_BYTES: usize = 65_536;

pub(super) struct Asker {
    address: SocketAddr,
    mode: SocketMode,
    template: Template,
    bye: Vec<u8>,
}

impl Asker {
    pub(super) fn new(plan: &LoadPlan, mode: SocketMode) -> Self {
        let fields = fields(plan);
        let (mut reply, mut bye) = (Vec::new(), OK_BYE.to_vec());
        FreeswitchFields::new(&fields, plan.address).with(mode, |call| call.encode(&mut reply));
        encode_disconnect_notice(CallFields::freeswitch().unique_id.as_bytes(), &mut bye);
        Self { address: plan.address, mode, template: Template::new(&reply, Writing::Encoded), bye }
    }

    pub(super) fn fill(&self, index: u64, from: &str, to: &str, scratch: &mut Scratch) {
        scratch.out.clear();
        self.template.fill(index, from, to, &mut scratch.out);
    }

    pub(super) async fn call(
        &self,
        scratch: &mut Scratch,
        judge: impl Fn(Option<&[u8]>) -> Result<(), Failure>,
    ) -> Result<Instant, Failure> {
        let mut stream = connect(self.address).await?;
        let (mut filled, mut at) = (0, 0);
        let mut session = Said::default();
        let answered = loop {
            let waiting = &scratch.buffer[at..filled];
            match next_command(waiting).map_err(|_| Failure::Malformed)? {
                Some((command, taken)) => {
                    at += taken;
                    if command.is("exit") && session.is_connected {
                        break Instant::now();
                    }
                    if command.is("connect") && !session.is_connected {
                        session.is_connected = true;
                        stream.write_all(&scratch.out).await.map_err(|_| Failure::Reset)?;
                    } else {
                        session.take(&command, at)?;
                    }
                }
                None if filled == scratch.buffer.len() => return Err(Failure::Malformed),
                None => match stream.read(&mut scratch.buffer[filled..]).await {
                    Ok(0) if session.is_connected || is_blank(&scratch.buffer[at..filled]) => return Err(Failure::NoAnswer),
                    Ok(0) => return Err(Failure::Malformed),
                    Ok(read) => filled += read,
                    Err(_) => return Err(Failure::Reset),
                },
            }
        };
        scratch.part.clear();
        (0..session.commands).for_each(|_| scratch.part.extend_from_slice(OK));
        scratch.part.extend_from_slice(&self.bye);
        // the server may have closed behind `exit`
        let _ = stream.write_all(&scratch.part).await;
        // a real call would be parked for ever
        if session.resumed != (self.mode == SocketMode::Async) {
            return Err(Failure::Malformed);
        }
        judge(session.status.map(|(from, to)| &scratch.buffer[from..to]))?;
        Ok(answered)
    }
}

/// What a server has said so far.
#[derive(Default)]
struct Said {
    is_connected: bool,
    resumed: bool,
    commands: usize,
    /// Where the status stands in the buffer.
    status: Option<(usize, usize)>,
}

impl Said {
    /// Takes note of a command that ends at `end` in the buffer.
    fn take(&mut self, command: &crate::wire::esl::switch_side::Command<'_>, end: usize) -> Result<(), Failure> {
        self.commands += 1;
        if command.is("resume") {
            self.resumed = true;
        } else if !self.is_connected || !command.is("sendmsg") || command.header("call-command") != Some(b"execute") {
            return Err(Failure::Malformed);
        } else if let Some(found) = memmem::rfind(command.bytes, STATUS) {
            let from = found + STATUS.len();
            let delimiters = |bytes: &[u8]| bytes.iter().position(|byte| matches!(byte, 1 | b'\n' | b'\r')).unwrap_or(bytes.len());
            let to = from + delimiters(&command.bytes[from..]);
            let start = end - command.bytes.len();
            self.status = Some((start + from, start + to));
        }
        Ok(())
    }
}

/// A call's fields with marks for what differs.
pub(super) fn fields(plan: &LoadPlan) -> CallFields {
    let fields = CallFields::freeswitch();
    let id = fields.unique_id.rsplit_once('-').map_or("", |(start, _)| start);
    CallFields {
        request: plan.request.clone(),
        unique_id: format!("{id}-{CALL_ID}"),
        caller_number: Some(FROM.to_owned()),
        extension: TO.to_owned(),
        arguments: plan.arguments.clone(),
        ..fields
    }
}
