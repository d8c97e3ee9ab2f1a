//! Calls of Asterisk's: the environment in one write (Asterisk takes 25), `200 result=0` for each `EXEC MSet`, and `HANGUP`
//! after the server's FIN. A server that has closed fully then sends RST, and no port is kept in TIME_WAIT.

use super::template::{CALL_ID, FROM, TO, Template, Writing};
use super::{Failure, LoadPlan, Scratch, connect};
use crate::wire::agi::{
    command::COMMAND_LINE_BYTES_MAX,
    switch_side::{EnvironmentFields, HANGUP},
};
use bytes::BytesMut;
use memchr::{memchr, memmem};
use std::{net::SocketAddr, time::Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

const STATUS: &[u8] = b"STROWGER_STATUS=";
const RESULT: &[u8] = b"200 result=0\n";

/// A whole command line, and a byte to notice a longer one by.
pub(super) const BUFFER_BYTES: usize = COMMAND_LINE_BYTES_MAX + 1;

pub(super) struct Asker {
    address: SocketAddr,
    template: Template,
}

impl Asker {
    pub(super) fn new(plan: &LoadPlan) -> Self {
        let mut block = BytesMut::new();
        let arguments: Vec<&[u8]> = plan.arguments.iter().map(String::as_bytes).collect();
        EnvironmentFields {
            server: plan.address.to_string().as_bytes(),
            network_script: plan.request.as_bytes(),
            channel: format!("PJSIP/strowger-{CALL_ID}").as_bytes(),
            unique_id: format!("1795277700.{CALL_ID}").as_bytes(),
            caller_number: Some(FROM.as_bytes()),
            presentation: 0,
            dnid: Some(TO.as_bytes()),
            extension: TO.as_bytes(),
            arguments: &arguments,
            ..EnvironmentFields::default()
        }
        .encode(&mut block);
        Self { address: plan.address, template: Template::new(&block, Writing::Plain) }
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
        stream.write_all(&scratch.out).await.map_err(|_| Failure::Reset)?;
        let (mut filled, mut answered, mut status_seen) = (0, None, false);
        loop {
            match stream.read(&mut scratch.buffer[filled..]).await {
                Ok(0) => break,
                Ok(read) => filled += read,
                // A server may close without reading our reply.
                Err(_) if answered.is_some() => break,
                Err(_) => return Err(Failure::Reset),
            }
            let Some(end) = memchr(b'\n', &scratch.buffer[..filled]) else {
                if filled > COMMAND_LINE_BYTES_MAX {
                    return Err(Failure::Malformed);
                }
                continue;
            };
            let now = Instant::now();
            // One command at a time: Asterisk doesn't read a second one before its reply, either.
            if end + 1 != filled || filled > COMMAND_LINE_BYTES_MAX {
                return Err(Failure::Malformed);
            }
            match status_of(&scratch.buffer[..end]).ok_or(Failure::Malformed)? {
                Some(status) if !status_seen => {
                    (answered, status_seen) = (Some(now), true);
                    judge(Some(status))?;
                }
                _ => _ = answered.get_or_insert(now),
            }
            filled = 0;
            if stream.write_all(RESULT).await.is_err() {
                break;
            }
        }
        if filled > 0 {
            return Err(Failure::NoAnswer);
        }
        // A server that has closed fully answers this by RST.
        let _ = stream.write_all(HANGUP).await;
        let answered = answered.ok_or(Failure::NoAnswer)?;
        if !status_seen {
            judge(None)?;
        }
        Ok(answered)
    }
}

/// The status that a command line (newline excluded) sets, if it sets one; `None` if it isn't a whole MSet.
fn status_of(line: &[u8]) -> Option<Option<&[u8]>> {
    let list = line.strip_prefix(b"EXEC MSet \"")?.strip_suffix(b"\"")?;
    let at = memmem::rfind(list, STATUS).filter(|at| *at == 0 || list[at - 1] == b',');
    Some(at.and_then(|at| list[at + STATUS.len()..].split(|byte| *byte == b',').next()))
}
