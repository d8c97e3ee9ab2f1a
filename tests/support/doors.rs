//! One question at each of the three doors of the call plane, as a switch puts it.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;
use strowger::play::{CallFields, SocketMode, Way, call_by};

/// Long enough for anything but a server that hangs.
const WAIT_MAX: Duration = Duration::from_secs(60);

/// One question over HTTP; the status code.
pub fn ask_over_http(port: u16) -> std::io::Result<u16> {
    let mut stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.set_read_timeout(Some(WAIT_MAX))?;
    stream.write_all(b"GET /name?number=%2B14155550101 HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
    let mut text = String::new();
    stream.read_to_string(&mut text)?;
    text.get(9..12).and_then(|code| code.parse().ok()).ok_or_else(|| std::io::Error::other(format!("no answer: {text:?}")))
}

/// One question at a door, by its place among the ports (FastAGI, outbound socket, HTTP); what went wrong, if anything did.
pub fn asked_at(door: usize, ports: &[u16]) -> Result<(), String> {
    let (way, fields) = match door {
        0 => (Way::FastAgi, CallFields { request: "ping".to_owned(), ..CallFields::default() }),
        1 => (Way::Socket(SocketMode::default()), CallFields { request: "ping".to_owned(), ..CallFields::freeswitch() }),
        _ => {
            let code = ask_over_http(ports[2]).map_err(|e| e.to_string())?;
            return if code == 200 { Ok(()) } else { Err(code.to_string()) };
        }
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let said = runtime.block_on(call_by(way, ([127, 0, 0, 1], ports[door]).into(), &fields, WAIT_MAX));
    let said = said.map_err(|e| format!("door {door}: {e}"))?;
    if said.answer("STATUS") == Some(b"ok") { Ok(()) } else { Err(format!("door {door}: {said:?}")) }
}
