//! The socket application: FreeSWITCH connects, and does what the server says.
//!
//! Everything here was recorded or measured: commands are read byte by byte; the answer to the first command is sent
//! only if it is `connect`; sync mode runs each application before it answers; and what becomes of the call when the
//! connection ends depends on the mode, on `resume`, and on how soon it ends. Left out: events, `full`'s API commands,
//! and that an asynchronous `getvar` overtakes queued applications.

use super::run::{Flow, Run};
use super::text::{bytes_of, text_of};
use super::{Cut, Ending, HangsUp, Session};
use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream, ToSocketAddrs};
use std::time::{Duration, Instant};

/// The port where a dialplan names none.
const PORT: u16 = 8084;
/// How often a waiting read looks at the clock.
const TICK: Duration = Duration::from_millis(5);
/// getvar cuts values.
const GETVAR_BYTES_MAX: usize = 511;
/// How long what comes behind `exit` is collected.
const AFTER_EXIT: Duration = Duration::from_millis(100);
/// No line or body of a test is longer.
const COMMAND_BYTES_MAX: usize = 4 << 20;

/// What was read from the server.
enum Heard {
    Command(Command),
    Closed,
    CallerHungUp,
    /// Nothing for as long as was waited.
    Silence,
}

/// One command with its headers and its body.
#[derive(Debug, Default)]
struct Command {
    line: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

impl Command {
    fn header(&self, name: &str) -> &str {
        self.headers.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, v)| v.as_str()).unwrap_or_default()
    }
}

/// One connection.
struct Wire {
    stream: TcpStream,
    session: Session,
    connected: Instant,
    commands: usize,
    hangs_up: Option<HangsUp>,
    cut: Option<Cut>,
}

impl Run<'_> {
    /// Runs the socket application with its expanded data.
    pub fn socket(&mut self, data: &str) -> Flow {
        let mut words = data.split_whitespace();
        let hosts = words.next().unwrap_or_default().to_owned();
        let flags: Vec<&str> = words.collect();
        let (is_async, full) = (flags.contains(&"async"), flags.contains(&"full"));
        for host in hosts.split('|') {
            let (address, path) = host.split_once('/').unwrap_or((host, ""));
            let address = if address.contains(':') { address.to_owned() } else { format!("{address}:{PORT}") };
            let resolved = address.to_socket_addrs().ok().and_then(|mut a| a.next());
            let Some(resolved) = resolved else { continue };
            match TcpStream::connect_timeout(&resolved, self.switch.patience) {
                Ok(stream) => {
                    self.set("socket_path", path);
                    self.set("socket_host", address.rsplit_once(':').map_or("", |(name, _)| name));
                    return self.served(stream, is_async, full);
                }
                // the server's accept queue is full: FreeSWITCH waits for ever
                Err(e) if e.kind() == ErrorKind::TimedOut => return Flow::End(Ending::StillWaiting),
                Err(e) => self.log.push(format!("socket {address}: {e}")),
            }
        }
        Flow::Next
    }

    fn served(&mut self, stream: TcpStream, is_async: bool, full: bool) -> Flow {
        let _ = stream.set_nodelay(true);
        stream.set_read_timeout(Some(TICK)).expect("a socket");
        let mut wire = Wire {
            stream,
            session: Session::default(),
            connected: Instant::now(),
            commands: 0,
            hangs_up: self.call.hangs_up,
            cut: self.call.cut,
        };
        let flow = self.conversation(&mut wire, is_async, full);
        // the caller or an application has ended the call, or `exit` the socket
        let _ = wire.stream.shutdown(Shutdown::Write);
        wire.drain();
        self.sessions.push(wire.session);
        flow
    }

    fn conversation(&mut self, wire: &mut Wire, is_async: bool, full: bool) -> Flow {
        let (patience, first_wait) = (self.switch.patience, self.switch.first_command_wait);
        let mut resumes = self.get("socket_resume") == Some("true");
        let mut pending = Flow::Next;
        let mut first = true;
        let race = self.switch.async_race;
        let end = |resumes: bool, pending: Flow, connected: Instant| match (is_async, resumes) {
            (false, true) => Flow::End(Ending::StuckInReset),
            (true, false) if connected.elapsed() < race => Flow::End(Ending::Parked),
            _ => pending,
        };
        loop {
            let wait = if first { first_wait.min(patience) } else { patience };
            let command = match wire.command(first, wait) {
                Heard::Command(command) => command,
                Heard::Closed => return end(resumes, pending, wire.connected),
                Heard::CallerHungUp => {
                    wire.notice(&self.uuid);
                    return Flow::End(Ending::CallerHungUp);
                }
                Heard::Silence if first && first_wait <= patience => {
                    wire.notice(&self.uuid);
                    return if is_async { Flow::End(Ending::Parked) } else { Flow::Next };
                }
                Heard::Silence => return Flow::End(Ending::StillWaiting),
            };
            wire.commands += 1;
            let mut words = command.line.splitn(2, ' ');
            let (verb, rest) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
            let answers = !first;
            first = false;
            match verb {
                "connect" => {
                    let (mode, control) = (if is_async { "async" } else { "static" }, if full { "full" } else { "single-channel" });
                    let reply = self.snapshot(mode, control, |s| s.connect_reply());
                    wire.say(&reply);
                }
                "exit" => {
                    if answers {
                        wire.reply("+OK bye");
                    }
                    wire.notice(&self.uuid);
                    return end(resumes, pending, wire.connected);
                }
                // garbage as the first command is taken without a word
                _ if !answers => {}
                "resume" => {
                    resumes = true;
                    wire.reply("+OK");
                }
                "getvar" => match self.get(rest).map(str::to_owned) {
                    Some(value) => {
                        let bytes = bytes_of(&value);
                        wire.reply(&text_of(&bytes[..bytes.len().min(GETVAR_BYTES_MAX)]));
                    }
                    None => wire.reply("-ERR command not found"),
                },
                "myevents" => wire.reply("+OK Events Enabled"),
                "filter" => wire.reply("+OK filter added."),
                "divert_events" => wire.reply("+OK events diverted"),
                "linger" if full => wire.reply("+OK will linger"),
                "event" if full => wire.reply("+OK event listener enabled plain"),
                "sendmsg" if !rest.is_empty() && rest != self.uuid => {
                    wire.reply(&format!("-ERR invalid session id [{rest}]"));
                }
                "sendmsg" => {
                    let flow = self.message(&command);
                    wire.reply("+OK");
                    match flow {
                        Flow::End(ending) => {
                            wire.notice(&self.uuid);
                            return Flow::End(ending);
                        }
                        // a transfer takes effect when the socket has ended
                        transfer @ Flow::Transfer { .. } => pending = transfer,
                        Flow::Next => {}
                    }
                }
                _ => wire.reply("-ERR command not found"),
            }
        }
    }

    /// `sendmsg`; what isn't known is answered +OK and not done.
    fn message(&mut self, command: &Command) -> Flow {
        match command.header("call-command") {
            "execute" => {
                let argument = match command.header("execute-app-arg") {
                    "" if command.header("content-type") == "text/plain" => text_of(&command.body),
                    header => header.to_owned(),
                };
                let application = command.header("execute-app-name").to_owned();
                if application.is_empty() { Flow::Next } else { self.application(&application, &argument) }
            }
            "hangup" => {
                let cause = command.header("hangup-cause");
                Flow::End(Ending::HungUp(if cause.is_empty() { "NORMAL_CLEARING" } else { cause }.to_owned()))
            }
            _ => Flow::Next,
        }
    }
}

impl Wire {
    /// Reads one command, byte by byte.
    fn command(&mut self, first: bool, wait: Duration) -> Heard {
        let (mut head, mut quiet_since) = (Vec::new(), Instant::now());
        loop {
            let hung_up = match self.hangs_up {
                Some(HangsUp::BeforeConnect) => true,
                Some(HangsUp::AfterCommands(n)) => self.commands >= n,
                Some(HangsUp::After(time)) => self.connected.elapsed() >= time,
                None => false,
            };
            if hung_up {
                return Heard::CallerHungUp;
            }
            match self.byte() {
                Ok(Some(byte)) => {
                    // the first command has to be whole in time; later ones may come as slowly as they like
                    if !first {
                        quiet_since = Instant::now();
                    }
                    head.push(byte);
                    assert!(head.len() < COMMAND_BYTES_MAX, "a command without an end");
                    if head == b"\n" || head == b"\r\n" {
                        head.clear();
                    } else if head.ends_with(b"\n\n") || head.ends_with(b"\r\n\r\n") {
                        return self.with_body(parsed(&head));
                    }
                }
                Ok(None) => {}
                Err(_) => return Heard::Closed,
            }
            if quiet_since.elapsed() >= wait {
                return Heard::Silence;
            }
        }
    }

    fn with_body(&mut self, mut command: Command) -> Heard {
        // a negative length is none
        let length: usize = command.header("content-length").parse().unwrap_or(0);
        while command.body.len() < length {
            match self.byte() {
                Ok(Some(byte)) => command.body.push(byte),
                Ok(None) => {}
                Err(_) => return Heard::Closed,
            }
        }
        Heard::Command(command)
    }

    /// One byte; `None` if there is none now, an error once the connection has ended.
    fn byte(&mut self) -> Result<Option<u8>, ()> {
        if let Some(Cut::FromServer(bytes)) = self.cut
            && self.session.heard.len() >= bytes
        {
            let _ = self.stream.shutdown(Shutdown::Both);
            return Err(());
        }
        let mut byte = [0];
        match self.stream.read(&mut byte) {
            Ok(0) => Err(()),
            Ok(_) => {
                self.session.heard.push(byte[0]);
                Ok(Some(byte[0]))
            }
            Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted) => Ok(None),
            Err(_) => Err(()),
        }
    }

    fn say(&mut self, bytes: &[u8]) {
        let mut bytes = bytes;
        let mut ends = false;
        if let Some(Cut::ToServer(most)) = self.cut {
            let left = most.saturating_sub(self.session.said.len());
            ends = left < bytes.len();
            bytes = &bytes[..left.min(bytes.len())];
        }
        // a server that has closed doesn't hear it
        let _ = self.stream.write_all(bytes);
        self.session.said.extend_from_slice(bytes);
        if ends {
            let _ = self.stream.shutdown(Shutdown::Both);
        }
    }

    fn reply(&mut self, text: &str) {
        self.say(&bytes_of(&format!("Content-Type: command/reply\nReply-Text: {text}\n\n")));
    }

    fn notice(&mut self, uuid: &str) {
        self.say(
            format!(
                "Content-Type: text/disconnect-notice\nControlled-Session-UUID: {uuid}\nContent-Disposition: disconnect\n\
                 Content-Length: 67\n\nDisconnected, goodbye.\nSee you at ClueCon! http://www.cluecon.com/\n"
            )
            .as_bytes(),
        );
    }

    /// Collects what still comes and is never read as a command.
    fn drain(&mut self) {
        let began = Instant::now();
        let mut piece = [0; 1024];
        while began.elapsed() < AFTER_EXIT {
            match self.stream.read(&mut piece) {
                Ok(0) => return,
                Ok(n) => self.session.ignored.extend_from_slice(&piece[..n]),
                Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
                Err(_) => return,
            }
        }
    }
}

fn parsed(head: &[u8]) -> Command {
    let text = text_of(head);
    let mut lines = text.split('\n').map(|l| l.strip_suffix('\r').unwrap_or(l));
    let line = lines.next().unwrap_or_default().to_owned();
    let header = |l: &str| l.split_once(':').map(|(n, v)| (n.to_owned(), v.strip_prefix(' ').unwrap_or(v).to_owned()));
    Command { line, headers: lines.filter_map(header).collect(), body: Vec::new() }
}
