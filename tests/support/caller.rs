//! A switch's side: calls that behave, calls that don't, and one that goes on calling beside them.

use bytes::BytesMut;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use strowger::play::{CallError, CallFields, Conversation, call};
use strowger::wire::agi::switch_side::{EnvironmentFields, MSET_PLACES_ASTERISK_22, mset_pairs, words};

/// The sample's number, and one who calls it and is known.
pub const DID: &str = "+14155550199";
pub const SCHOOL: &str = "+14155550101";

/// Longer than any answer takes on a machine that is busy with other tests.
pub const PLENTY: Duration = Duration::from_secs(20);

/// An answer's variables, in the order they were set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer(pub Vec<(String, String)>);

impl Answer {
    /// The variables of all `EXEC MSet` lines in what a server wrote.
    pub fn of_bytes(bytes: &[u8]) -> Answer {
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("an answer is UTF-8");
        let pairs = bytes.split_inclusive(|b| *b == b'\n').filter(|line| line.starts_with(b"EXEC MSet ")).flat_map(|line| {
            let words = words(line.strip_suffix(b"\n").expect("an answer's line is whole"));
            mset_pairs(&words[2], MSET_PLACES_ASTERISK_22)
        });
        Answer(pairs.map(|(name, value)| (text(name), text(value))).collect())
    }

    pub fn of(conversation: &Conversation) -> Answer {
        let text = |value: &[u8]| String::from_utf8(value.to_vec()).expect("an answer is UTF-8");
        Answer(conversation.variables.iter().map(|(name, value)| (name.clone(), text(value))).collect())
    }

    /// A variable by its name without prefix; it must have been sent.
    pub fn get(&self, name: &str) -> &str {
        let full = format!("STROWGER_{name}");
        self.raw(&full).unwrap_or_else(|| panic!("{full} was not sent: {self:?}"))
    }

    /// A variable by its whole name.
    pub fn raw(&self, name: &str) -> Option<&str> {
        self.0.iter().rev().find(|(n, _)| n == name).map(|(_, v)| v.as_str())
    }

    /// Status, action and reason.
    pub fn short(&self) -> (&str, &str, &str) {
        (self.get("STATUS"), self.get("ACTION"), self.get("REASON"))
    }
}

/// A call as a dialplan would make it.
pub fn fields(to: &str, from: &str) -> CallFields {
    CallFields { caller_number: Some(from.to_owned()), extension: to.to_owned(), ..CallFields::default() }
}

/// Plays a call.
pub fn try_play(agi: SocketAddr, fields: &CallFields) -> Result<Conversation, CallError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(call(agi, fields, PLENTY))
}

/// Plays a call that must be answered.
pub fn play(agi: SocketAddr, fields: &CallFields) -> Answer {
    Answer::of(&try_play(agi, fields).unwrap_or_else(|e| panic!("{e}; {fields:?}")))
}

/// Calls `to` from `from`.
pub fn ask(agi: SocketAddr, to: &str, from: &str) -> Answer {
    play(agi, &fields(to, from))
}

/// The environment of a genuine call, as bytes.
pub fn environment(to: &str, from: &str) -> Vec<u8> {
    let mut out = BytesMut::new();
    EnvironmentFields { caller_number: Some(from.as_bytes()), presentation: 0, extension: to.as_bytes(), ..EnvironmentFields::default() }
        .encode(&mut out);
    out.to_vec()
}

/// A connection that writes whatever a test wants.
pub fn connect(agi: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(agi).unwrap();
    stream.set_nodelay(true).unwrap();
    stream.set_read_timeout(Some(PLENTY)).unwrap();
    stream.set_write_timeout(Some(PLENTY)).unwrap();
    stream
}

/// Reads until the server closes; what it wrote, and how long that took. A reset is a close.
pub fn hear_out(stream: &mut TcpStream) -> (Vec<u8>, Duration) {
    let (began, mut heard, mut piece) = (Instant::now(), Vec::new(), [0; 4096]);
    loop {
        match stream.read(&mut piece) {
            Ok(0) => break,
            Ok(n) => heard.extend_from_slice(&piece[..n]),
            Err(e) if matches!(e.kind(), std::io::ErrorKind::ConnectionReset | std::io::ErrorKind::BrokenPipe) => break,
            Err(e) => panic!("the server neither answered nor closed: {e}"),
        }
    }
    (heard, began.elapsed())
}

/// Reads one line from the server.
pub fn hear_line(stream: &mut TcpStream) -> Vec<u8> {
    let (mut line, mut byte) = (Vec::new(), [0]);
    while !line.ends_with(b"\n") {
        assert_eq!(stream.read(&mut byte).unwrap(), 1, "the server closed in the middle of {line:?}");
        line.push(byte[0]);
    }
    line
}

/// Writes bytes, and gives what the server makes of them.
pub fn say(agi: SocketAddr, bytes: &[u8]) -> Answer {
    let mut stream = connect(agi);
    // the server may close before it has read all of it
    let _ = stream.write_all(bytes);
    Answer::of_bytes(&hear_out(&mut stream).0)
}

/// A caller who behaves, and who calls again and again while something else goes on.
pub struct Neighbour {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<Calls>>,
}

/// What the neighbour's calls came to.
#[derive(Debug, Default)]
pub struct Calls {
    pub found: usize,
    pub other: Vec<String>,
    pub slowest: Duration,
}

impl Neighbour {
    /// Begins to call the sample's number.
    pub fn of(agi: SocketAddr) -> Neighbour {
        let stop = Arc::new(AtomicBool::new(false));
        let told = stop.clone();
        let thread = std::thread::spawn(move || {
            let mut calls = Calls::default();
            while !told.load(Ordering::Relaxed) {
                let began = Instant::now();
                match try_play(agi, &fields(DID, SCHOOL)) {
                    Ok(conversation) => match Answer::of(&conversation).short() {
                        ("found", "dial", "matched") => calls.found += 1,
                        other => calls.other.push(format!("{other:?}")),
                    },
                    Err(error) => calls.other.push(error.to_string()),
                }
                calls.slowest = calls.slowest.max(began.elapsed());
                std::thread::sleep(Duration::from_millis(5));
            }
            calls
        });
        Neighbour { stop, thread: Some(thread) }
    }

    /// Lets two calls more go through, and gives all of them.
    pub fn calls(mut self) -> Calls {
        std::thread::sleep(Duration::from_millis(100));
        self.stop.store(true, Ordering::Relaxed);
        self.thread.take().unwrap().join().unwrap()
    }

    /// Every call was answered as if it had been alone, and none had to wait long (a second is an age here: the bound
    /// is wide because tests share a machine).
    pub fn was_served(self) {
        let calls = self.calls();
        assert!(calls.found > 0 && calls.other.is_empty(), "{calls:?}");
        assert!(calls.slowest < Duration::from_secs(2), "{calls:?}");
    }
}

impl Drop for Neighbour {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}
