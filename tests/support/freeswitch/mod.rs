//! A FreeSWITCH for tests: it takes one call through a dialplan, asks whom the dialplan asks, and tells what happened.
//!
//! An independent referee, written from the recordings of a real one and from measured facts; it uses nothing of this
//! crate's own wire code. What it models, and from what: each module's header. What it leaves out: media, SIP, nested
//! conditions, `regex=` conditions, times of day, arrays in variables.

// each test binary uses a part of this
#![allow(dead_code)]

pub mod apps;
pub mod dialplan;
pub mod http;
pub mod originate;
pub mod run;
pub mod servers;
pub mod socket;
pub mod template;
pub mod text;
pub mod ways;

use dialplan::Contexts;
use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

/// How long the socket app waits for the first command (24.4 s were seen).
pub const FIRST_COMMAND_WAIT: Duration = Duration::from_secs(25);
/// An asynchronous socket that ends sooner than this after the answer to `connect` leaves its call parked for ever: a
/// race in FreeSWITCH, lost here always (seen: 5 to 16 of 20; none after 50 ms).
pub const ASYNC_RACE: Duration = Duration::from_millis(50);
/// How long a test watches something that would last for ever, unless it says otherwise: long, because tests share a
/// machine, and a server that is slow for that reason isn't one that has hung.
pub const PATIENCE: Duration = Duration::from_secs(10);

/// What a leg that is dialled does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Answers at once and presses no key; later one of the two hangs up. A voicemail box is such a one.
    Answers,
    /// Answers after so many seconds, and presses no key.
    AnswersIn(u64),
    /// Answers, and presses this key after so many seconds.
    Presses(&'static str, u64),
    /// Rings and is never answered.
    Rings,
    /// Fails with this cause, in FreeSWITCH's words.
    Fails(&'static str),
}

/// What an application that a caller stays in comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stay {
    /// It does what it is for, and comes back.
    Done,
    /// There is no such mailbox, queue or sound; it comes back at once.
    NoSuch,
    /// callcenter: nobody took the call in time.
    TimedOut,
    /// The caller hangs up in it.
    CallerHangsUp,
}

/// A section that mod_xml_curl fetches.
#[derive(Debug, Clone)]
pub struct XmlCurl {
    pub url: String,
    /// `timeout`; none waits for ever.
    pub timeout: Option<Duration>,
}

/// mod_cidlookup.
#[derive(Debug, Clone)]
pub struct CidLookup {
    /// With `${caller_id_number}`.
    pub url: String,
    /// `curl-timeout`.
    pub timeout: Duration,
}

/// A switch with its configuration.
#[derive(Debug, Clone)]
pub struct FakeSwitch {
    pub contexts: Contexts,
    pub globals: BTreeMap<String, String>,
    /// What legs do whose dial string contains a text; the first that fits. Others answer.
    pub legs: Vec<(String, Outcome)>,
    /// What applications come to, by name and a part of their data; others are [`Stay::Done`].
    pub stays: Vec<(String, String, Stay)>,
    pub xml_curl: Option<XmlCurl>,
    pub cidlookup: Option<CidLookup>,
    pub first_command_wait: Duration,
    pub async_race: Duration,
    pub patience: Duration,
}

/// When the caller hangs up while a socket has the call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HangsUp {
    /// Before a command was read.
    BeforeConnect,
    /// When so many commands have been answered.
    AfterCommands(usize),
    /// So long after the connection.
    After(Duration),
}

/// Where the connection is cut, without a word to either side.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cut {
    /// Once the switch has read so many bytes.
    FromServer(usize),
    /// Once the switch has written so many bytes.
    ToServer(usize),
}

/// A call that comes in.
#[derive(Debug, Clone)]
pub struct Call {
    pub to: String,
    pub number: String,
    pub name: String,
    pub context: String,
    pub hide_number: bool,
    pub hide_name: bool,
    /// Variables that the channel has from the start.
    pub variables: Vec<(String, String)>,
    /// What the caller presses when a key is asked for; `hangup` hangs up.
    pub presses: Option<String>,
    pub hangs_up: Option<HangsUp>,
    pub cut: Option<Cut>,
}

impl Call {
    /// A call from the recordings' caller.
    pub fn to(to: &str) -> Call {
        Call {
            to: to.to_owned(),
            number: "1001".to_owned(),
            name: "Ann Example".to_owned(),
            context: "public".to_owned(),
            hide_number: false,
            hide_name: false,
            variables: Vec::new(),
            presses: None,
            hangs_up: None,
            cut: None,
        }
    }

    pub fn from(mut self, number: &str, name: &str) -> Call {
        (self.number, self.name) = (number.to_owned(), name.to_owned());
        self
    }

    pub fn with(mut self, name: &str, value: &str) -> Call {
        self.variables.push((name.to_owned(), value.to_owned()));
        self
    }
}

/// How a call ended, or where it got stuck.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ending {
    /// The switch hung up, with this cause.
    HungUp(String),
    /// Spoke with this leg, and both hung up.
    Bridged(String),
    /// The dialplan had nothing more to do; FreeSWITCH hangs up then.
    EndOfDialplan,
    /// Parked, silently, for ever.
    Parked,
    /// Stuck in CS_RESET, for ever.
    StuckInReset,
    /// Still waiting for a server when the test lost patience; FreeSWITCH would wait on.
    StillWaiting,
    /// The caller hung up.
    CallerHungUp,
}

/// One `bridge`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bridge {
    /// Variables in braces, for all legs.
    pub variables: Vec<(String, String)>,
    /// Legs as they were tried, with their variables in brackets.
    pub legs: Vec<(Vec<(String, String)>, String)>,
    /// `call_timeout` of the channel.
    pub timeout: Option<String>,
    /// What the called telephone shows.
    pub shown_name: String,
    pub shown_number: String,
    /// The caller hears that it rings.
    pub heard_ringing: bool,
    /// What became of the legs, in the same order.
    pub rung: Vec<originate::Rung>,
    /// The second at which it was over.
    pub at: u64,
}

/// What both sides of one socket said.
#[derive(Clone, Default)]
pub struct Session {
    pub said: Vec<u8>,
    pub heard: Vec<u8>,
    /// Bytes behind `exit`, which nobody reads as commands.
    pub ignored: Vec<u8>,
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Session of {} bytes said, {:?} heard", self.said.len(), String::from_utf8_lossy(&self.heard))
    }
}

/// What became of a call.
#[derive(Debug, Clone)]
pub struct Record {
    pub ending: Ending,
    /// Every application that ran, with its data as it was after variables were put in.
    pub applications: Vec<(String, String)>,
    /// Every `${api(…)}` that ran.
    pub executed_apis: Vec<(String, String)>,
    pub variables: BTreeMap<String, String>,
    pub profile: BTreeMap<String, String>,
    pub bridges: Vec<Bridge>,
    /// Destinations of transfers, as `DEST XML CONTEXT`.
    pub transfers: Vec<String>,
    pub sessions: Vec<Session>,
    /// Requests over HTTP: the whole request.
    pub requests: Vec<Vec<u8>>,
    /// What an administrator would find in the log.
    pub log: Vec<String>,
    pub took: Duration,
}

impl Record {
    /// A variable at the end of the call; empty if it isn't set.
    pub fn variable(&self, name: &str) -> &str {
        self.variables.get(name).map(String::as_str).unwrap_or_default()
    }

    /// Data with which an application ran, each time.
    pub fn ran(&self, application: &str) -> Vec<&str> {
        self.applications.iter().filter(|(a, _)| a == application).map(|(_, data)| data.as_str()).collect()
    }

    /// Dial strings of all legs of all bridges.
    pub fn dialled(&self) -> Vec<&str> {
        self.bridges.iter().flat_map(|b| b.legs.iter().map(|(_, leg)| leg.as_str())).collect()
    }
}

impl Default for FakeSwitch {
    fn default() -> Self {
        FakeSwitch::new()
    }
}

impl FakeSwitch {
    /// A switch without a dialplan.
    pub fn new() -> FakeSwitch {
        FakeSwitch {
            contexts: Contexts::new(),
            globals: BTreeMap::from([("domain".to_owned(), "pbx.example".to_owned())]),
            legs: Vec::new(),
            stays: Vec::new(),
            xml_curl: None,
            cidlookup: None,
            first_command_wait: FIRST_COMMAND_WAIT,
            async_race: ASYNC_RACE,
            patience: PATIENCE,
        }
    }

    /// Loads a dialplan's text; extensions outside of a context go to `outer`, behind those that are there.
    pub fn load(&mut self, text: &str, outer: &str) {
        let text = dialplan::preprocessed(text, &mut self.globals);
        let document = roxmltree::Document::parse(&text).unwrap_or_else(|e| panic!("the dialplan is no XML: {e}"));
        for (context, extensions) in dialplan::contexts(document.root(), outer) {
            self.contexts.entry(context).or_default().extend(extensions);
        }
    }

    /// Loads a file below the directory of samples, changed as an administrator would change it.
    pub fn load_sample(&mut self, file: &str, outer: &str, edits: &[(&str, &str)]) {
        let mut text = sample(file);
        for (from, to) in edits {
            assert!(text.contains(from), "{file} doesn't say {from}");
            text = text.replace(from, to);
        }
        self.load(&text, outer);
    }

    /// Takes a call to its end.
    pub fn call(&self, call: &Call) -> Record {
        run::run(self, call)
    }
}

/// A file of `dialplan/freeswitch`.
pub fn sample(file: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("dialplan/freeswitch").join(file);
    std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// A recorded session.
pub fn recording(file: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/transcripts/freeswitch").join(file);
    std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}
