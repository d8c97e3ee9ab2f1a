//! How FreeSWITCH's modules ask over HTTP: mod_xml_curl's POST, mod_cidlookup's GET; a new connection each time.
//!
//! Requests are byte for byte as recorded. From the sources: mod_xml_curl takes a 200 only, `timeout` counts seconds and
//! is endless by default; mod_cidlookup doesn't look at the status, only at the body, and its `curl-timeout` counts
//! milliseconds, 2000 by default. A body of one space, `UNKNOWN` or `UNAVAILABLE` is no name.

use super::dialplan::{Contexts, contexts, preprocessed};
use super::run::Run;
use super::text::text_of;
use std::collections::BTreeMap;
use std::io::{ErrorKind, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::time::{Duration, Instant};

/// The most that mod_xml_curl reads (source: XML_CURL_MAX_BYTES).
const ANSWER_BYTES_MAX: usize = 1024 * 1024;
/// How long a test waits for an answer that its binding would wait for endlessly.
const ENDLESS: Duration = Duration::from_secs(10);

/// An answer: status and body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    pub status: u16,
    pub body: Vec<u8>,
}

/// Host with port, and path, of a URL.
fn parts(url: &str) -> (&str, &str) {
    let rest = url.strip_prefix("http://").unwrap_or_else(|| panic!("{url}: only http:// here"));
    let at = rest.find('/').unwrap_or(rest.len());
    (&rest[..at], if at == rest.len() { "/" } else { &rest[at..] })
}

/// Posts a form as mod_xml_curl does; the request, and the answer.
pub fn post(url: &str, body: &[u8], timeout: Duration) -> (Vec<u8>, std::io::Result<Answer>) {
    let (host, path) = parts(url);
    let mut request = format!(
        "POST {path} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: freeswitch-xml/1.0\r\nAccept: */*\r\nContent-Length: {}\r\n\
         Content-Type: application/x-www-form-urlencoded\r\n\r\n",
        body.len()
    )
    .into_bytes();
    request.extend_from_slice(body);
    let answer = exchange(host, &request, timeout.min(ENDLESS));
    (request, answer)
}

/// Asks as mod_cidlookup does.
pub fn get(url: &str, timeout: Duration) -> (Vec<u8>, std::io::Result<Answer>) {
    let (host, path) = parts(url);
    let request = format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: freeswitch-cidlookup/1.0\r\nAccept: */*\r\n\r\n");
    let answer = exchange(host, request.as_bytes(), timeout.min(ENDLESS));
    (request.into_bytes(), answer)
}

/// One request on a connection of its own. The time is for all of it, as curl's is.
fn exchange(host: &str, request: &[u8], timeout: Duration) -> std::io::Result<Answer> {
    let deadline = Instant::now() + timeout;
    let address = host.to_socket_addrs()?.next().expect("an address");
    let mut stream = TcpStream::connect_timeout(&address, timeout)?;
    stream.set_write_timeout(Some(timeout))?;
    stream.write_all(request)?;
    let (mut heard, mut piece) = (Vec::new(), [0; 4096]);
    loop {
        if let Some(answer) = whole(&heard, false) {
            return Ok(answer);
        }
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() || heard.len() > ANSWER_BYTES_MAX {
            return Err(ErrorKind::TimedOut.into());
        }
        stream.set_read_timeout(Some(left))?;
        match stream.read(&mut piece) {
            Ok(0) => return whole(&heard, true).ok_or_else(|| ErrorKind::UnexpectedEof.into()),
            Ok(n) => heard.extend_from_slice(&piece[..n]),
            Err(e) if e.kind() == ErrorKind::WouldBlock => {}
            Err(e) => return Err(e),
        }
    }
}

/// The answer, once all of it is there: by its length, or because the server has closed.
fn whole(heard: &[u8], closed: bool) -> Option<Answer> {
    let end = heard.windows(4).position(|w| w == b"\r\n\r\n")? + 4;
    let head = std::str::from_utf8(&heard[..end]).ok()?;
    let status = head.strip_prefix("HTTP/1.")?.get(2..5)?.parse().ok()?;
    let length = head.lines().find_map(|l| {
        let (name, value) = l.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>().ok())?
    });
    let body = &heard[end..];
    match length {
        Some(length) if body.len() >= length => Some(Answer { status, body: body[..length].to_vec() }),
        None if closed => Some(Answer { status, body: body.to_vec() }),
        _ => None,
    }
}

/// The dialplan in an answer; `Ok(None)` where it says that it has none, `Err` where it is no answer. In both cases the
/// dialplan on the disk is used.
pub fn dialplan_of(answer: &Answer, globals: &mut BTreeMap<String, String>) -> Result<Option<Contexts>, String> {
    if answer.status != 200 {
        return Err(format!("HTTP error {}", answer.status));
    }
    let text = preprocessed(&text_of(&answer.body), globals);
    let document = roxmltree::Document::parse(&text).map_err(|e| format!("error parsing result: {e}"))?;
    let section = |name: &str| document.root_element().children().find(|n| n.has_tag_name("section") && n.attribute("name") == Some(name));
    if let Some(result) = section("result").and_then(|s| s.children().find(|n| n.has_tag_name("result")))
        && result.attribute("status") == Some("not found")
    {
        return Ok(None);
    }
    Ok(section("dialplan").map(|section| contexts(section, "")))
}

impl Run<'_> {
    /// Asks mod_cidlookup's URL for a number's digits; the name, unless there is none.
    pub fn cid_lookup(&mut self, number: &str) -> Option<String> {
        let settings = self.switch.cidlookup.clone()?;
        let digits: String = number.chars().filter(char::is_ascii_digit).collect();
        let (request, answer) = get(&settings.url.replace("${caller_id_number}", &digits), settings.timeout);
        self.requests.push(request);
        let body = text_of(&answer.ok()?.body);
        let none = body.is_empty() || body == " " || body.eq_ignore_ascii_case("UNKNOWN") || body.eq_ignore_ascii_case("UNAVAILABLE");
        (!none).then_some(body)
    }
}
