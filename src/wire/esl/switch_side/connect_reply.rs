//! A call as FreeSWITCH tells it: as the reply to `connect`, and as the form that mod_xml_curl posts.
//!
//! `connect_reply.txt` is a recorded reply of a SIP call, with places for what differs from call to call; whatever has no
//! place here comes out as it was recorded. A header whose value the call doesn't have is left out, as FreeSWITCH does.

use std::borrow::Cow;

const TEMPLATE: &str = include_str!("connect_reply.txt");

/// What is written encoded, beside controls and all that isn't ASCII.
const ENCODED: &[u8] = b"\r\n #%&+:;<=>?@[\\]^`{|}\"";

/// How the dialplan called the socket application.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum SocketMode {
    /// The dialplan waits in the application: what `socket HOST:PORT` does.
    #[default]
    Static,
    /// The call is parked while the server commands it: what `socket HOST:PORT async` does.
    Async,
}

impl SocketMode {
    /// The value of `Socket-Mode`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Static => "static",
            Self::Async => "async",
        }
    }
}

/// The fields of a call, as the channel has them, not encoded.
#[derive(Debug, Clone)]
pub struct ConnectReply<'a> {
    /// The call's id.
    pub uuid: &'a [u8],
    /// Caller's number; `None` leaves its headers out, as for a URI without a user part.
    pub caller_number: Option<&'a [u8]>,
    /// Caller's name; `None` leaves its headers out, as for an empty one. FreeSWITCH takes the number for the name of a
    /// caller who sends none, and `unknown` where there is no number either: that is for whoever fills this in.
    pub caller_name: Option<&'a [u8]>,
    /// The caller withholds number and name, which are there all the same.
    pub hidden: bool,
    /// The number called.
    pub destination: &'a [u8],
    /// Dialplan context.
    pub context: &'a [u8],
    /// Host and port of the socket application.
    pub server: &'a [u8],
    /// What stands behind them and a slash; empty leaves it out.
    pub socket_path: &'a [u8],
    /// How the application was called.
    pub mode: SocketMode,
    /// Channel variables that the dialplan set, names without `variable_`; empty ones are left out.
    pub variables: &'a [(&'a str, &'a [u8])],
}

impl Default for ConnectReply<'_> {
    fn default() -> Self {
        Self {
            uuid: b"a21a71a1-5b44-415c-bcb8-18e1ffa03f99",
            caller_number: None,
            caller_name: None,
            hidden: false,
            destination: b"s",
            context: b"public",
            server: b"127.0.0.1:8084",
            socket_path: b"",
            mode: SocketMode::Static,
            variables: &[],
        }
    }
}

impl ConnectReply<'_> {
    /// Appends the reply to `connect`, blank line included.
    pub fn encode(&self, out: &mut Vec<u8>) {
        for (name, value) in self.headers() {
            out.extend_from_slice(name.as_bytes());
            out.extend_from_slice(b": ");
            out.extend_from_slice(&value);
            out.push(b'\n');
        }
        out.push(b'\n');
    }

    /// Appends the form that mod_xml_curl posts to ask for the call's dialplan. The call has met no application yet, so
    /// there is nothing of a socket in it; the caller stands in it a second time as `Hunt-…`.
    pub fn encode_form(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"hostname=lab&section=dialplan&tag_name=&key_name=&key_value=");
        let mut field = |name: &str, value: &[u8]| {
            out.push(b'&');
            out.extend_from_slice(name.as_bytes());
            out.push(b'=');
            out.extend_from_slice(value);
        };
        let headers = self.headers();
        let mut in_profile = false;
        for (name, value) in &headers {
            match &**name {
                "Channel-Direction" => in_profile = true,
                "Channel-State" => in_profile = false,
                _ => {}
            }
            match &**name {
                _ if in_profile => {}
                "Event-Name" => field(name, b"REQUEST_PARAMS"),
                "Event-Calling-File" => field(name, b"mod_dialplan_xml.c"),
                "Event-Calling-Function" => field(name, b"dialplan_xml_locate"),
                "Event-Calling-Line-Number" => field(name, b"610"),
                "Channel-State" => field(name, b"CS_ROUTING"),
                "Channel-State-Number" => field(name, b"2"),
                "variable_current_application_data" => break,
                _ => field(name, value),
            }
        }
        for (name, value) in &headers {
            if let Some(rest) = name.strip_prefix("Caller-") {
                field(&format!("Hunt-{rest}"), value);
            }
        }
    }

    /// All headers in order, values encoded.
    fn headers(&self) -> Vec<(Cow<'static, str>, Vec<u8>)> {
        let mut headers = Vec::with_capacity(180);
        for line in TEMPLATE.lines() {
            if line == "{variables}" {
                for (name, value) in self.variables.iter().filter(|(_, value)| !value.is_empty()) {
                    headers.push((format!("variable_{name}").into(), encoded(value)));
                }
            } else if let Some((name, value)) = line.split_once(": ")
                && let Some(value) = self.filled(value)
            {
                headers.push((name.into(), value));
            }
        }
        headers
    }

    /// A value of the template with its place filled in; `None` if there is nothing to fill in.
    fn filled(&self, value: &str) -> Option<Vec<u8>> {
        let Some((before, rest)) = value.split_once('{') else { return Some(value.as_bytes().to_vec()) };
        let (place, after) = rest.split_once('}')?;
        Some([before.as_bytes(), &encoded(&self.place(place)?), after.as_bytes()].concat())
    }

    fn place(&self, name: &str) -> Option<Vec<u8>> {
        let party = |privacy: &str| {
            let number = self.caller_number?;
            let name = self.caller_name.map_or_else(Vec::new, |name| [b"\"", name, b"\" "].concat());
            Some([&name[..], b"<sip:", number, b"@127.0.0.1>;party=calling;screen=yes;privacy=", privacy.as_bytes()].concat())
        };
        let display = if self.hidden { Some(&b"Anonymous"[..]) } else { self.caller_name.filter(|_| self.caller_number.is_some()) };
        Some(match name {
            "uuid" => self.uuid.to_vec(),
            "number" => self.caller_number?.to_vec(),
            "name" => self.caller_name?.to_vec(),
            "hidden" => self.hidden.to_string().into_bytes(),
            "destination" => self.destination.to_vec(),
            "context" => self.context.to_vec(),
            "user" => self.user().to_vec(),
            "stripped" => self.caller_number.map(|_| self.user().to_vec())?,
            "party" => party(if self.hidden { "full" } else { "off" })?,
            "party_kind" => self.caller_number.map(|_| b"rpid".to_vec())?,
            "display" => display?.to_vec(),
            "from" => {
                let display = display.map_or_else(Vec::new, |name| [b"\"", name, b"\" "].concat());
                [&display[..], b"<sip:", self.user(), b"@127.0.0.1>;tag=rUH2Qp74c1m9N"].concat()
            }
            "application_data" => {
                let slash: &[u8] = if self.socket_path.is_empty() { b"" } else { b"/" };
                let mode: &[u8] = if self.mode == SocketMode::Async { b"async" } else { b"" };
                [self.server, slash, self.socket_path, b" ", mode].concat()
            }
            "path" if self.socket_path.is_empty() => return None,
            "path" => self.socket_path.to_vec(),
            "host" => self.server[..self.server.iter().rposition(|byte| *byte == b':').unwrap_or(self.server.len())].to_vec(),
            "mode" => self.mode.name().as_bytes().to_vec(),
            _ => return None,
        })
    }

    /// The user part of the From header's URI.
    fn user(&self) -> &[u8] {
        match self.caller_number {
            Some(_) if self.hidden => b"anonymous",
            Some(number) => number,
            None => b"nobody",
        }
    }
}

fn encoded(value: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(value.len());
    url_encode(value, &mut out);
    out
}

/// Appends a value as FreeSWITCH writes it in headers and forms. A `%` before two of `0-9A-F` is left as it is, so that
/// `%41` can't be told from `A` afterwards.
pub fn url_encode(value: &[u8], out: &mut Vec<u8>) {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    let looks_encoded = |at: usize| matches!(value.get(at + 1..at + 3), Some([a, b]) if HEX.contains(a) && HEX.contains(b));
    for (at, &byte) in value.iter().enumerate() {
        let plain = match byte {
            b'%' => looks_encoded(at),
            byte => (0x20..=0x7e).contains(&byte) && !ENCODED.contains(&byte),
        };
        if plain {
            out.push(byte);
        } else {
            out.extend_from_slice(&[b'%', HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]]);
        }
    }
}
