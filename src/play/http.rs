//! A call of FreeSWITCH's over HTTP: mod_xml_curl fetches its dialplan, or mod_cidlookup its caller's name.
//!
//! Both use a new connection for every request, in HTTP/1.1 without `Connection: close`. What they take for an answer:
//! mod_xml_curl a document with status 200, in which the switch then finds an extension or doesn't; mod_cidlookup any body,
//! *whatever the status*, but for an empty one, a blank, and the words UNKNOWN and UNAVAILABLE. It asks with the number's
//! digits only: a `+` is dropped (`string_digitsonly` in mod_cidlookup.c).

use super::call::{Afterwards, CallError, CallFields, Direction, Ended, Session, Way};
use super::socket::FreeswitchFields;
use crate::wire::esl::switch_side::{Channel, Finding, SocketMode, url_encode};
use memchr::memmem;
use quick_xml::{Reader, XmlVersion, events::Event};
use std::{io::Write, net::SocketAddr};
use tokio::io::AsyncReadExt;

/// Longest response that is read. A dialplan of one call is a few kB; a name is read up to 1 kB by the switch.
pub(super) const RESPONSE_BYTES_MAX: usize = 1_048_576;

/// Plays the request and judges the response as the switch's module would.
pub(super) async fn play(session: &mut Session, address: SocketAddr, fields: &CallFields, way: Way) -> Result<Ended, CallError> {
    let mut stream = session.connect(address).await?;
    let mut request = Vec::new();
    if way == Way::Name {
        name_request(digits(fields.caller_number.as_deref().unwrap_or_default()), &fields.arguments, address, &mut request);
    } else {
        let mut form = Vec::new();
        FreeswitchFields::new(fields, address).with(SocketMode::Static, |call| call.encode_form(&mut form));
        form_head(address, form.len(), &mut request);
        request.extend_from_slice(&form);
    }
    if session.say(&mut stream, &request).await.is_some() {
        return Err(CallError::Connection(std::io::ErrorKind::ConnectionReset));
    }
    let mut buffer = Vec::with_capacity(8_192);
    let response = loop {
        let read = stream.read_buf(&mut buffer).await.map_err(|error| CallError::Connection(error.kind()))?;
        if let Some(response) = Response::parse(&buffer, read == 0).map_err(CallError::NoResponse)? {
            break response;
        }
        if read == 0 {
            return Err(if buffer.is_empty() { CallError::NoAnswer } else { CallError::NoResponse("it ended in the middle") });
        }
        if buffer.len() > RESPONSE_BYTES_MAX {
            return Err(CallError::NoResponse("it is too long"));
        }
    };
    session.is_answered_now();
    session.keep(Direction::FromServer, &buffer[..response.bytes]);
    for (_, line) in &mut session.lines {
        if line.last() == Some(&b'\r') {
            line.pop();
        }
    }
    let body = &buffer[response.head_bytes..response.bytes];
    if way == Way::Name {
        take_name(session, response.status, body);
    } else {
        take_document(session, response.status, body);
    }
    Ok(Ended::Closed)
}

/// Appends the head of mod_xml_curl's request, blank line included.
pub(super) fn form_head(address: SocketAddr, form_bytes: usize, out: &mut Vec<u8>) {
    // writing to memory doesn't fail
    let _ = write!(
        out,
        "POST /xml HTTP/1.1\r\nHost: {address}\r\nUser-Agent: freeswitch-xml/1.0\r\nAccept: */*\r\nContent-Length: {form_bytes}\r\n\
         Content-Type: application/x-www-form-urlencoded\r\n\r\n"
    );
}

/// The digits of a number: all that mod_cidlookup asks with.
pub(super) fn digits(number: &str) -> impl Iterator<Item = u8> {
    number.bytes().filter(u8::is_ascii_digit)
}

/// Appends mod_cidlookup's request; `key=value` arguments stand in the query behind the number.
pub(super) fn name_request(digits: impl Iterator<Item = u8>, arguments: &[String], address: SocketAddr, out: &mut Vec<u8>) {
    out.extend_from_slice(b"GET /name?number=");
    out.extend(digits);
    for (key, value) in arguments.iter().filter_map(|argument| argument.split_once('=')) {
        for (mark, text) in [(b'&', key), (b'=', value)] {
            out.push(mark);
            url_encode(text.as_bytes(), out);
        }
    }
    // writing to memory doesn't fail
    let _ = write!(out, " HTTP/1.1\r\nHost: {address}\r\nUser-Agent: freeswitch-cidlookup/1.0\r\nAccept: */*\r\n\r\n");
}

/// A response at the front of a buffer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Response {
    pub(super) status: u16,
    /// Status line and headers, blank line included.
    pub(super) head_bytes: usize,
    /// All of it.
    pub(super) bytes: usize,
    /// The server will close the connection, or has.
    pub(super) closes: bool,
}

impl Response {
    /// Reads a response; `None` if it isn't all there. `at_end` says that nothing more will come.
    pub(super) fn parse(bytes: &[u8], at_end: bool) -> Result<Option<Self>, &'static str> {
        if !bytes.starts_with(&b"HTTP/1."[..bytes.len().min(7)]) {
            return Err("it doesn't begin with HTTP/1");
        }
        let Some(head_bytes) = memmem::find(bytes, b"\r\n\r\n").map(|at| at + 4) else { return Ok(None) };
        let head = std::str::from_utf8(&bytes[..head_bytes]).map_err(|_| "its head isn't text")?;
        let mut lines = head.lines();
        let status = lines.next().and_then(|line| line.get(9..12)?.parse().ok()).ok_or("its first line has no status")?;
        let (mut length, mut closes) = (None, false);
        for (name, value) in lines.filter_map(|line| line.split_once(':')) {
            let value = value.trim();
            if name.eq_ignore_ascii_case("content-length") {
                length = Some(value.parse::<usize>().map_err(|_| "its length is no number")?);
            } else if name.eq_ignore_ascii_case("transfer-encoding") {
                return Err("it has no length (Transfer-Encoding), which isn't read here");
            } else if name.eq_ignore_ascii_case("connection") {
                closes = value.eq_ignore_ascii_case("close");
            }
        }
        let whole = |bytes| Ok(Some(Self { status, head_bytes, bytes, closes: closes || at_end }));
        match length {
            Some(length) if length > RESPONSE_BYTES_MAX => Err("it is too long"),
            Some(length) if bytes.len() >= head_bytes + length => whole(head_bytes + length),
            None if at_end => whole(bytes.len()),
            _ => Ok(None),
        }
    }
}

/// What mod_cidlookup makes of a response.
fn take_name(session: &mut Session, status: u16, body: &[u8]) {
    let is_name = !body.is_empty() && body != b" " && !body.eq_ignore_ascii_case(b"UNKNOWN") && !body.eq_ignore_ascii_case(b"UNAVAILABLE");
    if !is_name {
        session.afterwards = Afterwards::NameLeftAlone;
        return;
    }
    if status != 200 {
        session.findings.push(format!("the switch takes the body for the caller's name although the status is {status}"));
    }
    session.variables.push(("profile:caller_id_name".to_owned(), body.to_vec()));
}

/// What mod_xml_curl and the dialplan make of a response.
fn take_document(session: &mut Session, status: u16, body: &[u8]) {
    let own = |because: String| Afterwards::OwnDialplan { because };
    if status != 200 {
        session.afterwards = own(format!("the status is {status}"));
        return;
    }
    let actions = match actions(body) {
        Ok(Some(actions)) => actions,
        Ok(None) => {
            session.afterwards = own("there is no extension in the document".to_owned());
            return;
        }
        Err(error) => {
            session.afterwards = own(format!("the document can't be read: {error}"));
            return;
        }
    };
    let mut channel = Channel::default();
    // what stands behind the first action that does something is for the case that it fails
    let is_variable = |(application, data): &&(String, String)| channel.execute(application.as_bytes(), data.as_bytes());
    let _ = actions.iter().take_while(is_variable).count();
    session.variables = channel.variables;
    // a document may well name the switch's variables; what would run something is another matter
    channel.findings.retain(|finding| !matches!(finding, Finding::Expanded { executes: false, .. }));
    session.findings.extend(channel.findings.iter().map(ToString::to_string));
    session.afterwards = Afterwards::Executes(actions);
}

/// The actions of a dialplan document, in order; `None` if it has no extension, as in "not found".
fn actions(document: &[u8]) -> Result<Option<Vec<(String, String)>>, String> {
    let text = std::str::from_utf8(document).map_err(|_| "it isn't UTF-8".to_owned())?;
    let mut reader = Reader::from_str(text);
    let (mut has_extension, mut actions, mut depth) = (false, Vec::new(), 0_usize);
    loop {
        let event = reader.read_event().map_err(|error| error.to_string())?;
        depth = match &event {
            Event::Start(_) => depth + 1,
            Event::End(_) => depth.saturating_sub(1),
            _ => depth,
        };
        match event {
            Event::Start(element) | Event::Empty(element) => match element.name().as_ref() {
                "extension" => has_extension = true,
                "action" => {
                    let (mut application, mut data) = (String::new(), String::new());
                    for attribute in element.attributes() {
                        let attribute = attribute.map_err(|error| error.to_string())?;
                        let value = attribute.normalized_value(XmlVersion::Implicit1_0).map_err(|error| error.to_string())?.into_owned();
                        match attribute.key.as_ref() {
                            "application" => application = value,
                            "data" => data = value,
                            _ => {}
                        }
                    }
                    actions.push((application, data));
                }
                _ => {}
            },
            Event::Eof if depth > 0 => return Err("it ends before its elements do".to_owned()),
            Event::Eof => return Ok(has_extension.then_some(actions)),
            _ => {}
        }
    }
}
