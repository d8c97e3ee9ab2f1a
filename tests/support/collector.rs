//! An OpenTelemetry collector on loopback that keeps what it is told.
//!
//! It shares no code with the program: requests are read from the socket, and the protobuf messages of OTLP are taken apart
//! by their field numbers (opentelemetry/proto/trace/v1/trace.proto).

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// What came in one request.
#[derive(Debug, Clone, Default)]
pub struct Export {
    /// Request line and headers, in lower case.
    pub head: String,
    /// The attributes of who exports.
    pub resource: BTreeMap<String, String>,
    pub spans: Vec<Span>,
}

/// A span.
#[derive(Debug, Clone, Default)]
pub struct Span {
    pub trace_id: String,
    pub span_id: String,
    pub name: String,
    /// 2 is a server's.
    pub kind: u64,
    pub start_ns: u64,
    pub end_ns: u64,
    /// As text, whatever their type.
    pub attributes: BTreeMap<String, String>,
    /// 2 is an error.
    pub status: u64,
}

impl Span {
    /// An attribute, by its name without prefix; empty where there is none.
    pub fn get(&self, name: &str) -> &str {
        self.attributes.get(&format!("strowger.{name}")).map_or("", String::as_str)
    }
}

/// The collector.
pub struct Collector {
    pub address: SocketAddr,
    exports: Arc<Mutex<Vec<Export>>>,
}

impl Collector {
    /// One at a free port.
    pub fn start() -> Collector {
        Collector::start_on(TcpListener::bind("127.0.0.1:0").unwrap())
    }

    pub fn start_on(listener: TcpListener) -> Collector {
        let (address, exports) = (listener.local_addr().unwrap(), Arc::<Mutex<Vec<Export>>>::default());
        let kept = exports.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let export = hear(stream);
                kept.lock().unwrap().push(export);
            }
        });
        Collector { address, exports }
    }

    /// The address, as it is configured.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub fn exports(&self) -> Vec<Export> {
        self.exports.lock().unwrap().clone()
    }

    /// All spans so far.
    pub fn spans(&self) -> Vec<Span> {
        self.exports().into_iter().flat_map(|export| export.spans).collect()
    }

    /// Waits for so many spans.
    pub fn wait_for(&self, spans: usize) -> Vec<Span> {
        let came = crate::support::within(Duration::from_secs(20), || self.spans().len() >= spans);
        assert!(came, "{spans} spans were waited for: {:?}", self.exports());
        self.spans()
    }
}

/// Reads one request, and says that it was taken.
fn hear(mut stream: TcpStream) -> Export {
    let (mut head, mut byte) = (Vec::new(), [0]);
    while !head.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte).unwrap();
        head.push(byte[0]);
    }
    let head = String::from_utf8(head).unwrap().to_ascii_lowercase();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap().parse().unwrap();
    let mut body = vec![0; length];
    stream.read_exact(&mut body).unwrap();
    stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Type: application/x-protobuf\r\nContent-Length: 0\r\n\r\n").unwrap();
    let mut export = Export { head, ..Export::default() };
    for resource_spans in Message(&body).all(1) {
        let resource = Message(resource_spans).all(1).next().unwrap_or_default();
        export.resource.extend(attributes(Message(resource), 1));
        for scope_spans in Message(resource_spans).all(2) {
            export.spans.extend(Message(scope_spans).all(2).map(span));
        }
    }
    export
}

fn span(bytes: &[u8]) -> Span {
    let span = Message(bytes);
    let hex = |field| span.all(field).flatten().map(|byte| format!("{byte:02x}")).collect();
    let status = span.all(15).next().unwrap_or_default();
    Span {
        trace_id: hex(1),
        span_id: hex(2),
        name: span.text(5),
        kind: span.number(6),
        start_ns: span.number(7),
        end_ns: span.number(8),
        attributes: attributes(span, 9).collect(),
        status: Message(status).number(3),
    }
}

/// Pairs of a key (1) and a value (2), which is a text (1), a truth (2), a whole number (3) or any other (4).
fn attributes(message: Message<'_>, field: u64) -> impl Iterator<Item = (String, String)> {
    message.all(field).map(|pair| {
        let pair = Message(pair);
        let value = pair.all(2).next().unwrap_or_default();
        let text = match Message(value).fields().next() {
            Some((1, Field::Bytes(bytes))) => String::from_utf8(bytes.to_vec()).unwrap(),
            Some((3, Field::Number(number))) => number.to_string(),
            Some((4, Field::Number(bits))) => f64::from_bits(bits).to_string(),
            other => panic!("a value of another type: {other:?}"),
        };
        (pair.text(1), text)
    })
}

/// A message of protobuf.
#[derive(Debug, Clone, Copy)]
struct Message<'a>(&'a [u8]);

#[derive(Debug, Clone, Copy)]
enum Field<'a> {
    Number(u64),
    Bytes(&'a [u8]),
}

impl<'a> Message<'a> {
    /// Its fields, with their numbers.
    fn fields(self) -> impl Iterator<Item = (u64, Field<'a>)> {
        let mut rest = self.0;
        std::iter::from_fn(move || {
            if rest.is_empty() {
                return None;
            }
            let key = varint(&mut rest);
            let field = match key & 7 {
                0 => Field::Number(varint(&mut rest)),
                1 => Field::Number(u64::from_le_bytes(taken(&mut rest, 8).try_into().unwrap())),
                2 => {
                    let length = varint(&mut rest) as usize;
                    Field::Bytes(taken(&mut rest, length))
                }
                5 => Field::Number(u64::from(u32::from_le_bytes(taken(&mut rest, 4).try_into().unwrap()))),
                other => panic!("no wire type: {other}"),
            };
            Some((key >> 3, field))
        })
    }

    /// Texts and messages in a field.
    fn all(self, number: u64) -> impl Iterator<Item = &'a [u8]> {
        self.fields().filter_map(move |field| match field {
            (n, Field::Bytes(bytes)) if n == number => Some(bytes),
            _ => None,
        })
    }

    fn text(self, number: u64) -> String {
        String::from_utf8(self.all(number).next().unwrap_or_default().to_vec()).unwrap()
    }

    fn number(self, number: u64) -> u64 {
        let mut numbers = self.fields().filter_map(|field| match field {
            (n, Field::Number(value)) if n == number => Some(value),
            _ => None,
        });
        numbers.next().unwrap_or_default()
    }
}

fn taken<'a>(rest: &mut &'a [u8], length: usize) -> &'a [u8] {
    let (taken, left) = rest.split_at(length);
    *rest = left;
    taken
}

fn varint(rest: &mut &[u8]) -> u64 {
    let (mut value, mut shift) = (0, 0);
    loop {
        let byte = taken(rest, 1)[0];
        value |= u64::from(byte & 0x7f) << shift;
        shift += 7;
        if byte < 0x80 {
            return value;
        }
    }
}
