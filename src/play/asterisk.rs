//! A call of Asterisk's: from the environment to `HANGUP`.

use super::call::{COMMANDS_MAX, CallError, CallFields, Direction, Ended, Session};
use crate::wire::agi::switch_side::{
    CommandDecoder, EnvironmentFields, HANGUP, MSET_PLACES_ASTERISK_22, UNKNOWN_COMMAND, encode_result, mset_pairs, words,
};
use bytes::BytesMut;
use std::net::SocketAddr;
use tokio::io::AsyncReadExt;
use tokio_util::codec::Decoder;

const WRONG_WORDS: &[u8] = b"520 Invalid command syntax.  Proper usage not available.\n";

impl CallFields {
    /// Appends the environment as Asterisk writes it.
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

/// Plays the call; says how it ended.
pub(super) async fn play(session: &mut Session, address: SocketAddr, fields: &CallFields) -> Result<Ended, CallError> {
    let mut stream = session.connect(address).await?;
    let mut out = BytesMut::new();
    fields.encode(address, &mut out);
    let mut ended = session.say(&mut stream, &out).await;
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
        session.is_answered();
        session.lines.push((Direction::FromServer, line.to_vec()));
        commands += 1;
        if commands > COMMANDS_MAX {
            return Err(CallError::Endless);
        }
        out.clear();
        answer(&mut session.variables, &line, &mut out);
        ended = session.say(&mut stream, &out).await;
    }
    if ended == Some(Ended::Closed) {
        decoder.decode_eof(&mut buffer)?;
    }
    // After its FIN the server may be gone for good; Asterisk doesn't mind either.
    session.say(&mut stream, HANGUP).await;
    Ok(ended.unwrap_or(Ended::Closed))
}

/// Does what Asterisk would with a command, as far as variables go, and appends its reply.
fn answer(variables: &mut Vec<(String, Vec<u8>)>, line: &[u8], out: &mut BytesMut) {
    let words = words(line);
    let verbs: Vec<_> = words.iter().take(2).map(|word| word.to_ascii_uppercase()).collect();
    let verbs: Vec<&[u8]> = verbs.iter().map(Vec::as_slice).collect();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    match (verbs.as_slice(), &words[words.len().min(2)..]) {
        ([b"EXEC", b"MSET"], arguments) => {
            let list = arguments.first().map_or(&b""[..], Vec::as_slice);
            let pairs = mset_pairs(list, MSET_PLACES_ASTERISK_22);
            variables.extend(pairs.into_iter().map(|(name, value)| (text(&name), value)));
            encode_result(0, None, out);
        }
        ([b"SET", b"VARIABLE"], [name, value]) => {
            variables.push((text(name), value.clone()));
            encode_result(1, None, out);
        }
        ([b"GET", b"VARIABLE"], [name]) => match variables.iter().rev().find(|(set, _)| *set == text(name)) {
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
