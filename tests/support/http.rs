//! A peer of the HTTP doors: requests as bytes, replies taken apart.

use super::{PLENTY, connect};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

/// A reply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpReply {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: String,
}

impl HttpReply {
    /// A header's value, by its name in lower case; empty where it isn't there.
    pub fn header(&self, name: &str) -> &str {
        self.headers.iter().find(|(n, _)| n == name).map_or("", |(_, v)| v.as_str())
    }
}

/// Reads one reply, by its length or by chunks.
pub fn hear_reply(stream: &mut TcpStream) -> HttpReply {
    try_hear_reply(stream).unwrap_or_else(|heard| panic!("the server closed after {heard:?}"))
}

/// The same, where the server may close without one.
pub fn try_hear_reply(stream: &mut TcpStream) -> Result<HttpReply, String> {
    let (mut heard, mut byte) = (Vec::new(), [0]);
    let text = |heard: &[u8]| String::from_utf8_lossy(heard).into_owned();
    while !heard.ends_with(b"\r\n\r\n") {
        match stream.read(&mut byte) {
            Ok(1) => heard.push(byte[0]),
            _ => return Err(text(&heard)),
        }
    }
    let head = text(&heard);
    let mut lines = head.lines();
    let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
    let headers: Vec<_> = lines.filter_map(|l| l.split_once(": ")).map(|(n, v)| (n.to_ascii_lowercase(), v.to_owned())).collect();
    let length = headers.iter().find(|(n, _)| n == "content-length").map_or(0, |(_, v)| v.parse().unwrap());
    let mut body = vec![0; length];
    stream.read_exact(&mut body).map_err(|e| e.to_string())?;
    while headers.iter().any(|(n, v)| n == "transfer-encoding" && v == "chunked") {
        let mut size = Vec::new();
        while !size.ends_with(b"\r\n") {
            stream.read_exact(&mut byte).map_err(|e| e.to_string())?;
            size.push(byte[0]);
        }
        let size = usize::from_str_radix(text(&size).trim(), 16).unwrap();
        let mut chunk = vec![0; size + 2];
        stream.read_exact(&mut chunk).map_err(|e| e.to_string())?;
        body.extend(&chunk[..size]);
        if size == 0 {
            break;
        }
    }
    Ok(HttpReply { status, headers, body: text(&body) })
}

/// Asks on a connection that is there.
pub fn ask_on(stream: &mut TcpStream, request: &str) -> HttpReply {
    stream.write_all(request.as_bytes()).unwrap();
    hear_reply(stream)
}

/// Asks on a fresh connection, as FreeSWITCH does.
pub fn http(door: SocketAddr, request: &str) -> HttpReply {
    ask_on(&mut connect(door), request)
}

/// `GET`.
pub fn get(door: SocketAddr, path: &str) -> HttpReply {
    http(door, &format!("GET {path} HTTP/1.1\r\nHost: {door}\r\nUser-Agent: freeswitch-cidlookup/1.0\r\nAccept: */*\r\n\r\n"))
}

/// `POST` of a form.
pub fn post(door: SocketAddr, path: &str, form: &str) -> HttpReply {
    let length = form.len();
    http(
        door,
        &format!(
            "POST {path} HTTP/1.1\r\nHost: {door}\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: {length}\r\n\r\n{form}"
        ),
    )
}

/// Whether the server closes a connection before long, whatever it says first.
pub fn is_closed(stream: &mut TcpStream) -> bool {
    stream.set_read_timeout(Some(PLENTY)).unwrap();
    let mut rest = Vec::new();
    match stream.read_to_end(&mut rest) {
        Ok(_) => true,
        Err(error) => error.kind() == std::io::ErrorKind::ConnectionReset,
    }
}
