//! An admin plane in this process over a hub that the test fills, and clients of its HTTP.

// each test binary uses a part of this
#![allow(dead_code)]

use crate::support::{HttpReply, connect, http};
use serde_json::Value as Json;
use std::io::{BufRead, BufReader};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;
use strowger::clock::SystemClock;
use strowger::config::{Config, Overrides};
use strowger::control::{AdminDoor, AdminServer, Desk, FeedLimits, Observed, PlaneStatus, Reply, Request, TokenDraft};
use strowger::cti::{
    CallState, CallView, Device, Draft, EventId, Gap, Hub, HubLimits, LegState, LegView, Party, PlaneStats, Raw, SourceStats, What,
};
use strowger::routing::Tenants;
use strowger::store::Store;
use tempfile::TempDir;
use tokio::sync::watch;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::handshake::HandshakeError;
use tokio_tungstenite::tungstenite::{Error, Message, WebSocket, client};

/// Events that the hub of a test remembers.
pub const EVENTS_MAX: usize = 400;
/// Two tenants.
const TENANTS: &str = "[[tenant]]\nid = \"acme\"\ncountry = \"DE\"\n[[tenant]]\nid = \"other\"\ncountry = \"DE\"\n";

/// An admin plane that serves.
pub struct Plane {
    pub hub: Arc<Hub>,
    pub stats: Arc<PlaneStats>,
    pub http: SocketAddr,
    /// A token of the tenant `acme` that may do everything.
    pub token: String,
    pub store: Store,
    rules: Arc<Tenants>,
    stop: watch::Sender<bool>,
    threads: Vec<JoinHandle<()>>,
    dir: TempDir,
}

impl Plane {
    pub fn start(limits: FeedLimits) -> Plane {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("strowger.toml");
        std::fs::write(&file, TENANTS).unwrap();
        let rules = Arc::new(Config::load(Overrides { config: Some(file), ..Overrides::default() }).unwrap().tenants);
        let (store, writer) = Store::open(&dir.path().join("store"), Arc::new(SystemClock)).unwrap();
        let hub = Arc::new(Hub::new(7, HubLimits { events_max: EVENTS_MAX, devices_max: 1000 }));
        let stats = Arc::new(PlaneStats { sources: vec![Arc::new(SourceStats::new("pbx \"one\""))], ..PlaneStats::default() });
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let http = listener.local_addr().unwrap();
        let planes = Arc::new(|| PlaneStatus { endings: vec![("answered".into(), 17), ("late".into(), 1)], ..PlaneStatus::default() });
        let observed = Observed { hub: hub.clone(), stats: stats.clone(), journal: None, glances: None, searches: Arc::default() };
        let server =
            AdminServer::at(AdminDoor::bind(&dir.path().join("sock")).unwrap(), listener, store.clone(), rules.clone(), planes, observed)
                .unwrap();
        let server = server.with_feed_limits(limits);
        let (stop, stopping) = watch::channel(false);
        let threads = vec![std::thread::spawn(move || writer.run()), std::thread::spawn(move || server.run(stopping))];
        let mut plane = Plane { hub, stats, http, token: String::new(), store, rules, stop, threads, dir };
        plane.token = plane.make_token("acme", "all", "events:read,events:raw,calls:read,metrics:read", None);
        plane
    }

    /// The admin socket.
    pub fn socket(&self) -> std::path::PathBuf {
        self.dir.path().join("sock")
    }

    pub fn ask(&self, request: Request) -> Reply {
        Desk::new(self.store.clone(), self.rules.clone(), "test", None).apply(request)
    }

    pub fn make_token(&self, tenant: &str, name: &str, scopes: &str, expires_seconds: Option<u64>) -> String {
        let secret = strowger::access::Secret::random().unwrap();
        let token = TokenDraft { name: name.into(), scopes: scopes.into(), expires_seconds, digest: secret.digest() };
        let reply = self.ask(Request::TokenAdd { tenant: tenant.into(), token });
        assert!(matches!(reply, Reply::Done { .. }), "{reply:?}");
        secret.reveal().to_owned()
    }

    pub fn say(&self, tenant: &str, what: What) -> EventId {
        let what = match what {
            // a call is its tenant's
            What::Ringing { call } => What::Ringing { call: Arc::new(CallView { tenant: tenant.into(), ..(*call).clone() }) },
            what => what,
        };
        self.hub.publish(Draft { switch: "pbx".into(), tenant: Some(tenant.into()), at_us: 0, what })
    }

    pub fn say_to_all(&self, what: What) -> EventId {
        self.hub.publish(Draft { switch: "pbx".into(), tenant: None, at_us: 0, what })
    }

    /// The text of a request with the token that may do everything.
    pub fn request(&self, path: &str, headers: &[(&str, &str)]) -> String {
        let auth = format!("Bearer {}", self.token);
        self.request_as(path, &[&[("Authorization", auth.as_str())], headers].concat())
    }

    pub fn request_as(&self, path: &str, headers: &[(&str, &str)]) -> String {
        let host = self.http.to_string();
        let host = if headers.iter().any(|(name, _)| *name == "Host") { String::new() } else { format!("Host: {host}\r\n") };
        let headers: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        format!("GET {path} HTTP/1.1\r\n{host}{headers}\r\n")
    }

    pub fn get(&self, path: &str, headers: &[(&str, &str)]) -> HttpReply {
        http(self.http, &self.request(path, headers))
    }

    pub fn get_as(&self, path: &str, headers: &[(&str, &str)]) -> HttpReply {
        http(self.http, &self.request_as(path, headers))
    }

    pub fn sse(&self, path: &str, headers: &[(&str, &str)]) -> Sse {
        Sse::begin(connect(self.http), &self.request(path, headers))
    }

    /// A client whose kernel keeps little for it: what it doesn't read is soon known to the server.
    pub fn sse_with_little_room(&self, path: &str) -> Sse {
        let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
        socket.set_recv_buffer_size(32 * 1024).unwrap();
        socket.connect(&self.http.into()).unwrap();
        Sse::begin(socket.into(), &self.request(path, &[]))
    }

    pub fn websocket(&self, path: &str, headers: &[(&str, &str)]) -> WebSocket<TcpStream> {
        let auth = format!("Bearer {}", self.token);
        self.websocket_as(path, &[&[("Authorization", auth.as_str())], headers].concat()).unwrap()
    }

    pub fn websocket_as(&self, path: &str, headers: &[(&str, &str)]) -> Result<WebSocket<TcpStream>, u16> {
        let mut request = format!("ws://{}{path}", self.http).into_client_request().unwrap();
        for (name, value) in headers {
            let name: tokio_tungstenite::tungstenite::http::HeaderName = name.parse().unwrap();
            request.headers_mut().insert(name, value.parse().unwrap());
        }
        match client(request, connect(self.http)) {
            Ok((socket, _)) => Ok(socket),
            Err(HandshakeError::Failure(Error::Http(reply))) => Err(reply.status().as_u16()),
            Err(error) => panic!("{error}"),
        }
    }
}

impl Drop for Plane {
    fn drop(&mut self) {
        self.stop.send_replace(true);
        self.store.close();
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

/// The next message of a WebSocket that isn't a ping.
pub fn json_of(socket: &mut WebSocket<TcpStream>) -> Json {
    loop {
        match socket.read().unwrap() {
            Message::Text(text) => return serde_json::from_str(text.as_str()).unwrap(),
            Message::Close(frame) => panic!("closed: {frame:?}"),
            _ => {}
        }
    }
}

/// A client that reads Server-Sent Events, in chunks as they come.
pub struct Sse {
    pub status: u16,
    headers: Vec<(String, String)>,
    reader: BufReader<TcpStream>,
    /// What came and isn't taken apart yet.
    text: String,
    /// The last place that was named, by heartbeats too.
    pub place: String,
}

impl Sse {
    fn begin(mut stream: TcpStream, request: &str) -> Sse {
        std::io::Write::write_all(&mut stream, request.as_bytes()).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        let mut reader = BufReader::new(stream);
        let mut line = || {
            let mut line = String::new();
            reader.read_line(&mut line).unwrap();
            line.trim_end().to_owned()
        };
        let status = line().split(' ').nth(1).unwrap().parse().unwrap();
        let mut headers = Vec::new();
        loop {
            let line = line();
            let Some((name, value)) = line.split_once(": ") else { break };
            headers.push((name.to_ascii_lowercase(), value.to_owned()));
        }
        Sse { status, headers, reader, text: String::new(), place: String::new() }
    }

    pub fn header(&self, name: &str) -> String {
        self.headers.iter().find(|(n, _)| n == name).map_or(String::new(), |(_, v)| v.clone())
    }

    /// Reads one chunk; false at the end.
    fn chunk(&mut self) -> bool {
        let mut line = String::new();
        if self.reader.read_line(&mut line).is_err() {
            return false;
        }
        let Ok(length) = usize::from_str_radix(line.trim_end(), 16) else { return false };
        let mut bytes = vec![0; length + 2];
        if length == 0 || std::io::Read::read_exact(&mut self.reader, &mut bytes).is_err() {
            return false;
        }
        self.text.push_str(std::str::from_utf8(&bytes[..length]).unwrap());
        true
    }

    /// The next block, between empty lines; none at the end.
    pub fn block(&mut self) -> Option<String> {
        loop {
            if let Some(end) = self.text.find("\n\n") {
                let block = self.text[..end].to_owned();
                self.text.drain(..end + 2);
                if let Some(id) = block.lines().find_map(|line| line.strip_prefix("id: ")) {
                    id.clone_into(&mut self.place);
                }
                return Some(block);
            }
            if !self.chunk() {
                return None;
            }
        }
    }

    /// The next event: its id and its data.
    pub fn any(&mut self) -> (String, Json) {
        loop {
            let block = self.block().expect("the stream goes on");
            let field = |name: &str| block.lines().find_map(|line| line.strip_prefix(name)).map(str::to_owned);
            if let Some(data) = field("data: ") {
                let json: Json = serde_json::from_str(&data).unwrap();
                assert_eq!(field("event: ").as_deref(), json["type"].as_str());
                return (field("id: ").unwrap_or_default(), json);
            }
        }
    }

    /// The next event, which is of this type.
    pub fn event(&mut self, kind: &str) -> (String, Json) {
        let (id, json) = self.any();
        assert_eq!(json["type"], kind, "{json}");
        (id, json)
    }

    /// Whether the server ends the stream, whatever it says first.
    pub fn ends(&mut self) -> bool {
        while self.block().is_some() {}
        true
    }
}

pub fn call(id: &str, from: &str, to: &str, state: CallState) -> Arc<CallView> {
    let leg = LegView {
        id: format!("{id}.1"),
        channel: format!("PJSIP/{to}-1"),
        member: Some(to.into()),
        number: to.into(),
        state: LegState::Ringing,
        started_us: 0,
        answered_us: None,
        ended_us: None,
        cause: None,
    };
    Arc::new(CallView {
        id: format!("pbx/{id}"),
        switch: "pbx".into(),
        tenant: "acme".into(),
        state,
        from: Party { number: from.into(), ..Party::default() },
        to: "+4930555".into(),
        route: None,
        legs: vec![leg],
        answered_by: None,
        transferred_to: None,
        started_us: 0,
        answered_us: None,
        ended_us: None,
        duration_ms: None,
        talk_ms: None,
        disposition: None,
        cause: None,
        decided: Vec::new(),
        incomplete: false,
    })
}

pub fn ringing(id: &str, from: &str, to: &str) -> What {
    What::Ringing { call: call(id, from, to, CallState::Ringing) }
}

/// The end of call 1, 2 or 3 of the tests.
pub fn ended(id: &str) -> What {
    let (from, to) = if id == "2" { ("+4930999999", "102") } else { ("+4930123456", "101") };
    What::Ended { call: call(id, from, to, CallState::Ended) }
}

pub fn device(extension: &str, state: &str) -> What {
    What::Device(Device { device: format!("PJSIP/{extension}"), extension: Some(extension.into()), state: state.into() })
}

pub fn gap() -> What {
    What::Gap(Gap { why: "overrun".into(), lost: Some(3) })
}

pub fn raw() -> What {
    What::Raw(Raw { event: "UserEvent".into(), fields: vec![("Event".into(), "UserEvent".into())] })
}
