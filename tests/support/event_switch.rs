//! A fake switch for those who listen to one: Asterisk's manager interface, or FreeSWITCH's event socket.
//!
//! It checks the login as the real one does, answers what it is asked from recorded sessions, and then says what the test
//! tells it to, in the pieces the test wants. It shares no code with `wire`: it is the referee.

// each test binary uses a part of this
#![allow(dead_code)]

use md5::{Digest, Md5};
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

pub const USER: &str = "strowger";
pub const SECRET: &str = "s3cret";
pub const CORE_UUID: &str = "ec559fa5-1fe7-48b4-9388-8a50cb924b8f";

/// What FreeSWITCH answers to `show channels as json` with one channel, and with none.
pub const ONE_CHANNEL: &str =
    r#"{"row_count":1,"rows":[{"uuid":"4d6c38ac-0000-4000-8000-000000000001","direction":"inbound","name":"sofia/lab/100@x"}]}"#;
pub const NO_ROWS: &str = "{\"row_count\":0}\n";

/// `CoreShowChannels` as it was recorded (`ami-lists`), behind its response.
pub const CHANNEL: &str = "Event: CoreShowChannel\r\nActionID: @\r\nChannel: Local/wait@dest-00000000;1\r\nChannelState: 6\r\nChannelStateDesc: Up\r\n\
    CallerIDNum: <unknown>\r\nCallerIDName: <unknown>\r\nConnectedLineNum: <unknown>\r\nConnectedLineName: <unknown>\r\nLanguage: en\r\n\
    AccountCode: \r\nContext: dest\r\nExten: wait\r\nPriority: 1\r\nUniqueid: 1795278612.0\r\nLinkedid: 1795278612.0\r\n\
    Application: Wait\r\nApplicationData: 20\r\nDuration: 00:00:00\r\nBridgeId: \r\n\r\n";

/// An event of Asterisk's that everybody has a use for.
pub fn newchannel(uniqueid: &str) -> String {
    format!(
        "Event: Newchannel\r\nPrivilege: call,all\r\nChannel: PJSIP/101-{uniqueid}\r\nChannelState: 0\r\nChannelStateDesc: Down\r\n\
         CallerIDNum: 101\r\nCallerIDName: Ada\r\nConnectedLineNum: <unknown>\r\nConnectedLineName: <unknown>\r\nLanguage: en\r\n\
         AccountCode: \r\nContext: dest\r\nExten: answer\r\nPriority: 1\r\nUniqueid: {uniqueid}\r\nLinkedid: {uniqueid}\r\n\r\n"
    )
}

/// The end of the same channel.
pub fn hangup(uniqueid: &str) -> String {
    newchannel(uniqueid)
        .replace("Event: Newchannel", "Event: Hangup")
        .replace(&format!("Linkedid: {uniqueid}\r\n"), &format!("Linkedid: {uniqueid}\r\nCause: 16\r\nCause-txt: Normal Clearing\r\n"))
}

/// One of FreeSWITCH's.
pub fn json_event(name: &str, uuid: &str) -> String {
    let body = format!(r#"{{"Event-Name":"{name}","Core-UUID":"{CORE_UUID}","Unique-ID":"{uuid}","Caller-Caller-ID-Number":"101"}}"#);
    format!("Content-Length: {}\nContent-Type: text/event-json\n\n{body}", body.len())
}

/// A contact of an account comes or goes: `sofia::register`, `sofia::expire`.
pub fn contact_event(subclass: &str) -> String {
    let body = format!(r#"{{"Event-Subclass":"{subclass}","Event-Name":"CUSTOM","user":"101","host":"pbx.example"}}"#);
    format!("Content-Length: {}\nContent-Type: text/event-json\n\n{body}", body.len())
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Speaks {
    Ami,
    Esl,
}

/// One that runs until it is dropped.
pub struct FakeSwitch {
    pub address: SocketAddr,
    shared: Arc<Shared>,
}

struct Shared {
    speaks: Speaks,
    /// Everything that was asked, of all connections.
    commands: Mutex<Vec<String>>,
    /// The connection that was made last.
    connection: Mutex<Option<Arc<Mutex<TcpStream>>>>,
    connections: AtomicUsize,
    logins: AtomicUsize,
    /// Says nothing at all to whom it accepts.
    silent: AtomicBool,
    /// Answers nothing more.
    mute: AtomicBool,
    /// Refuses by its access list.
    rude: AtomicBool,
    /// Ends the first connection after one byte, the second after two, ….
    cuts: AtomicBool,
    over: AtomicBool,
    empty_lines: AtomicUsize,
    /// What it answers to `show channels`; the items of `CoreShowChannels`, with `@` for the action's id.
    channels: Mutex<String>,
}

impl FakeSwitch {
    pub fn start(speaks: Speaks) -> FakeSwitch {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared {
            speaks,
            commands: Mutex::default(),
            connection: Mutex::default(),
            connections: AtomicUsize::new(0),
            logins: AtomicUsize::new(0),
            silent: AtomicBool::new(false),
            mute: AtomicBool::new(false),
            rude: AtomicBool::new(false),
            cuts: AtomicBool::new(false),
            over: AtomicBool::new(false),
            empty_lines: AtomicUsize::new(0),
            channels: Mutex::new(if speaks == Speaks::Ami { CHANNEL } else { ONE_CHANNEL }.to_owned()),
        });
        let accepting = shared.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let stream = stream.unwrap();
                if accepting.over.load(SeqCst) {
                    return;
                }
                stream.set_nodelay(true).unwrap();
                let number = accepting.connections.fetch_add(1, SeqCst) + 1;
                let writer = Arc::new(Mutex::new(stream.try_clone().unwrap()));
                *accepting.connection.lock().unwrap() = Some(writer.clone());
                let left = if accepting.cuts.load(SeqCst) { number } else { usize::MAX };
                let serving = accepting.clone();
                std::thread::spawn(move || Serving { shared: serving, writer, left }.serve(stream));
            }
        });
        FakeSwitch { address, shared }
    }

    pub fn silent(self) -> Self {
        self.shared.silent.store(true, SeqCst);
        self
    }

    pub fn rude(self) -> Self {
        self.shared.rude.store(true, SeqCst);
        self
    }

    pub fn cut_everywhere(self) -> Self {
        self.shared.cuts.store(true, SeqCst);
        self
    }

    /// What it lists as its channels, in its own words; on Asterisk `ActionID: @` stands for the action's id.
    pub fn lists(&self, channels: &str) {
        *self.shared.channels.lock().unwrap() = channels.to_owned();
    }

    /// From now on it answers nothing (or does again).
    pub fn mute(&self, mute: bool) {
        self.shared.mute.store(mute, SeqCst);
    }

    pub fn connections(&self) -> usize {
        self.shared.connections.load(SeqCst)
    }

    pub fn logins(&self) -> usize {
        self.shared.logins.load(SeqCst)
    }

    /// Empty lines between commands.
    pub fn empty_lines(&self) -> usize {
        self.shared.empty_lines.load(SeqCst)
    }

    /// What it was asked, first lines only.
    pub fn asked(&self) -> Vec<String> {
        self.commands().iter().map(|command| command.lines().next().unwrap().trim_start_matches("Action: ").to_owned()).collect()
    }

    pub fn commands(&self) -> Vec<String> {
        self.shared.commands.lock().unwrap().clone()
    }

    pub fn forget_commands(&self) {
        self.shared.commands.lock().unwrap().clear();
    }

    /// Writes to the connection that was made last, and says how long the longest write of 64 kB took.
    pub fn send(&self, bytes: impl AsRef<[u8]>) -> Duration {
        let writer = self.shared.connection.lock().unwrap().clone().expect("somebody has connected");
        let mut longest = Duration::ZERO;
        for piece in bytes.as_ref().chunks(64 * 1024) {
            let began = Instant::now();
            if writer.lock().unwrap().write_all(piece).is_err() {
                break;
            }
            longest = longest.max(began.elapsed());
        }
        longest
    }

    /// The same, so many bytes at a time.
    pub fn send_in_pieces(&self, bytes: impl AsRef<[u8]>, piece_bytes: usize) {
        for piece in bytes.as_ref().chunks(piece_bytes) {
            self.send(piece);
        }
    }

    /// Ends the connection that was made last.
    pub fn hang_up(&self) {
        if let Some(writer) = self.shared.connection.lock().unwrap().take() {
            let _ = writer.lock().unwrap().shutdown(Shutdown::Both);
        }
    }
}

impl Drop for FakeSwitch {
    fn drop(&mut self) {
        self.shared.over.store(true, SeqCst);
        let _ = TcpStream::connect(self.address);
    }
}

/// One connection.
struct Serving {
    shared: Arc<Shared>,
    writer: Arc<Mutex<TcpStream>>,
    /// Bytes that it still writes.
    left: usize,
}

impl Serving {
    fn serve(mut self, mut stream: TcpStream) {
        let (banner, end) = match self.shared.speaks {
            Speaks::Ami => ("Asterisk Call Manager/11.0.0\r\n", "\r\n\r\n"),
            Speaks::Esl => ("Content-Type: auth/request\n\n", "\n\n"),
        };
        if self.shared.rude.load(SeqCst) {
            self.say("Content-Type: text/rude-rejection\nContent-Length: 24\n\nAccess Denied, go away.\n");
            return self.end();
        }
        if !self.shared.silent.load(SeqCst) {
            self.say(banner);
        }
        let (mut input, mut piece, mut is_in) = (String::new(), [0; 4096], false);
        loop {
            while let Some(at) = input.find(end) {
                let rest = input.split_off(at + end.len());
                let command = std::mem::replace(&mut input, rest);
                if self.shared.mute.load(SeqCst) {
                    continue;
                }
                let goes_on = match self.shared.speaks {
                    Speaks::Ami => self.action(command.trim_end(), &mut is_in),
                    Speaks::Esl => self.command(command.trim(), &mut is_in),
                };
                if !goes_on {
                    return self.end();
                }
            }
            if self.shared.speaks == Speaks::Esl {
                let empty = input.len() - input.trim_start_matches('\n').len();
                self.shared.empty_lines.fetch_add(empty, SeqCst);
                input.drain(..empty);
            }
            match stream.read(&mut piece) {
                Ok(0) | Err(_) => return,
                Ok(bytes) => input.push_str(std::str::from_utf8(&piece[..bytes]).unwrap()),
            }
        }
    }

    fn end(&self) {
        let _ = self.writer.lock().unwrap().shutdown(Shutdown::Both);
    }

    fn say(&mut self, text: &str) {
        let bytes = &text.as_bytes()[..text.len().min(self.left)];
        let mut writer = self.writer.lock().unwrap();
        let _ = writer.write_all(bytes);
        self.left -= bytes.len();
        if self.left == 0 {
            let _ = writer.shutdown(Shutdown::Both);
        }
    }

    fn action(&mut self, action: &str, is_in: &mut bool) -> bool {
        let header = |name: &str| {
            let found = action.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
            found.unwrap_or_default().to_owned()
        };
        let id = header("ActionID");
        let answer = |status: &str, rest: &str| format!("Response: {status}\r\nActionID: {id}\r\n{rest}\r\n");
        self.shared.commands.lock().unwrap().push(action.to_owned());
        let name = header("Action");
        let text = match name.as_str() {
            "Challenge" => answer("Success", "Challenge: 149122768\r\n"),
            "Login" => {
                let digest = Md5::digest(format!("149122768{SECRET}").as_bytes());
                let key: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
                *is_in = header("Username") == USER && header("Key") == key;
                if !*is_in {
                    // the real one thinks about it for a second
                    self.say(&answer("Error", "Message: Authentication failed\r\n"));
                    return false;
                }
                self.shared.logins.fetch_add(1, SeqCst);
                let booted = "Event: FullyBooted\r\nPrivilege: system,all\r\nUptime: 20\r\nLastReload: 20\r\nStatus: Fully Booted\r\n\r\n";
                answer("Success", "Message: Authentication accepted\r\n") + booted
            }
            _ if !*is_in => answer("Error", "Message: Permission denied\r\n"),
            "Ping" => answer("Success", "Ping: Pong\r\nTimestamp: 1795278907.397061\r\n"),
            "Filter" => answer("Success", "Message: Success\r\n"),
            "Events" => answer("Success", "Events: On\r\n"),
            "CoreSettings" => answer("Success", "AMIversion: 11.0.0\r\nAsteriskVersion: 22.10.1\r\nSystemName: lab\r\n"),
            "CoreStatus" => answer("Success", "CoreStartupDate: 2026-11-21\r\nCoreStartupTime: 16:24:22\r\nCoreCurrentCalls: 1\r\n"),
            "CoreShowChannels" => {
                let complete = "Event: CoreShowChannelsComplete\r\nActionID: @\r\nEventList: Complete\r\nListItems: 1\r\n\r\n";
                let start = answer("Success", "EventList: start\r\nMessage: Channels will follow\r\n");
                start + &(self.shared.channels.lock().unwrap().clone() + complete).replace("ActionID: @", &format!("ActionID: {id}"))
            }
            other => answer(
                "Error",
                &format!("Message: Invalid/unknown command: {other}. Use Action: ListCommands to show available commands.\r\n"),
            ),
        };
        self.say(&text);
        true
    }

    fn command(&mut self, command: &str, is_in: &mut bool) -> bool {
        if command.is_empty() {
            return true;
        }
        self.shared.commands.lock().unwrap().push(command.to_owned());
        let reply = |text: &str| format!("Content-Type: command/reply\nReply-Text: {text}\n\n");
        let body = |text: &str| format!("Content-Type: api/response\nContent-Length: {}\n\n{text}", text.len());
        let (word, rest) = command.split_once(' ').unwrap_or((command, ""));
        let text = match word {
            "auth" | "userauth" => {
                *is_in = rest == SECRET || rest == format!("esl@pbx.example:{SECRET}");
                if !*is_in {
                    let notice = "Disconnected, goodbye.\nSee you at ClueCon! http://www.cluecon.com/\n";
                    let head = format!("Content-Type: text/disconnect-notice\nContent-Length: {}\n\n", notice.len());
                    self.say(&(reply("-ERR invalid") + &head + notice));
                    return false;
                }
                self.shared.logins.fetch_add(1, SeqCst);
                reply("+OK accepted")
            }
            _ if !*is_in => reply("-ERR command not found"),
            "event" => reply("+OK event listener enabled json"),
            "api" => match rest {
                "global_getvar core_uuid" => body(CORE_UUID),
                "show channels as json" => body(&self.shared.channels.lock().unwrap().clone()),
                "show registrations as json" => body(NO_ROWS),
                other => body(&format!("-ERR {other} Command not found!\n")),
            },
            _ => reply("-ERR command not found"),
        };
        self.say(&text);
        true
    }
}
