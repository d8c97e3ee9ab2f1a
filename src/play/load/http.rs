//! Questions of FreeSWITCH's over HTTP: mod_cidlookup's for a name, and mod_xml_curl's for a dialplan with its form of 6 kB.
//! The request goes out in one write; the response is read to its length, and then the client closes.

use super::socket::fields;
use super::template::{FROM, Template, Writing};
use super::{Failure, LoadPlan, Scratch, connect};
use crate::play::http::{Response, form_head, name_request};
use crate::play::socket::FreeswitchFields;
use crate::wire::esl::switch_side::SocketMode;
use memchr::memmem;
use std::{net::SocketAddr, time::Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

const STATUS: &[u8] = b"strowger_status=";

/// All that a server may answer: a dialplan of one call is a few kB.
pub(super) const BUFFER_BYTES: usize = 65_536;

pub(super) struct Asker {
    address: SocketAddr,
    template: Template,
    is_form: bool,
    keep_alive: bool,
}

impl Asker {
    pub(super) fn new(plan: &LoadPlan, is_form: bool, keep_alive: bool) -> Self {
        let mut text = Vec::new();
        let template = if is_form {
            FreeswitchFields::new(&fields(plan), plan.address).with(SocketMode::Static, |call| call.encode_form(&mut text));
            Template::new(&text, Writing::Encoded)
        } else {
            name_request(FROM.bytes(), &plan.arguments, plan.address, &mut text);
            Template::new(&text, Writing::Digits)
        };
        Self { address: plan.address, template, is_form, keep_alive }
    }

    pub(super) fn fill(&self, index: u64, from: &str, to: &str, scratch: &mut Scratch) {
        scratch.out.clear();
        if self.is_form {
            scratch.part.clear();
            self.template.fill(index, from, to, &mut scratch.part);
            form_head(self.address, scratch.part.len(), &mut scratch.out);
            scratch.out.extend_from_slice(&scratch.part);
        } else {
            self.template.fill(index, from, to, &mut scratch.out);
        }
    }

    pub(super) async fn call(
        &self,
        scratch: &mut Scratch,
        judge: impl Fn(Option<&[u8]>) -> Result<(), Failure>,
    ) -> Result<Instant, Failure> {
        let mut stream = match scratch.kept.take() {
            Some(kept) => kept,
            None => connect(self.address).await?,
        };
        stream.write_all(&scratch.out).await.map_err(|_| Failure::Reset)?;
        let mut filled = 0;
        let response = loop {
            let read = stream.read(&mut scratch.buffer[filled..]).await.map_err(|_| Failure::Reset)?;
            filled += read;
            match Response::parse(&scratch.buffer[..filled], read == 0) {
                Ok(Some(response)) => break response,
                Ok(None) if read == 0 => return Err(Failure::NoAnswer),
                Ok(None) if filled < scratch.buffer.len() => {}
                _ => return Err(Failure::Malformed),
            }
        };
        let answered = Instant::now();
        if response.bytes != filled {
            return Err(Failure::Malformed);
        }
        if self.keep_alive && !response.closes {
            scratch.kept = Some(stream);
        }
        judge(self.status(response.status, &scratch.buffer[response.head_bytes..response.bytes]))?;
        Ok(answered)
    }

    /// The answer's status in the words of a decision.
    fn status<'a>(&self, status: u16, body: &'a [u8]) -> Option<&'a [u8]> {
        match status {
            200 if self.is_form => {
                let values = memmem::find_iter(body, STATUS).map(|at| &body[at + STATUS.len()..]);
                // what a failed step's outcome will be put in for is no status of the answer's
                match values.filter(|value| !value.starts_with(b"$")).last() {
                    Some(value) => Some(&value[..value.iter().take_while(|byte| byte.is_ascii_lowercase()).count()]),
                    None => memmem::find(body, b"not found").map(|_| &b"unknown"[..]),
                }
            }
            200 if !body.is_empty() => Some(b"found"),
            200 | 204 | 404 => Some(b"unknown"),
            500..=599 => Some(b"error"),
            _ => None,
        }
    }
}
