//! The processes of `bench flood`: the server that is measured, the import beside it, the client that doesn't read.

use super::super::exit::{Exit, Failure};
use crate::play::flood::FloodPlan;
use serde::Serialize;
use serde_json::Value;
use std::fmt::Write as _;
use std::fs::File;
use std::io::{self, BufRead, BufReader, BufWriter, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// How long the feed has to answer.
const FEED_WAIT_MAX: Duration = Duration::from_secs(5);
/// What is shown of the server's log when something went wrong.
const LOG_SHOWN_BYTES: usize = 2_000;

fn trouble(what: &str) -> impl Fn(io::Error) -> Failure + '_ {
    move |e| Failure::new(Exit::Trouble, format!("{what}: {e}"))
}

/// This very program, without what the environment would change about it.
fn strowger() -> Result<Command, Failure> {
    let program = std::env::current_exe().map_err(trouble("this program can't be found"))?;
    let mut command = Command::new(program);
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("STROWGER_")) {
        command.env_remove(name);
    }
    command.stdin(Stdio::null());
    Ok(command)
}

/// A server in a process and a directory of its own; killed when it is dropped.
pub(super) struct Server {
    process: Child,
    dir: PathBuf,
    /// Where calls are answered.
    pub(super) agi: SocketAddr,
    /// Where the feed is.
    http: SocketAddr,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Server {
    /// Starts it on the sample, with both switches as its sources where there are some, and a journal whose disk takes so
    /// long for each sync.
    pub(super) fn start(
        dir: &Path,
        switches: Option<(SocketAddr, SocketAddr)>,
        plan: &FloodPlan,
        slow_disk_ms: u64,
    ) -> Result<Server, Failure> {
        let mut text = "[[tenant]]\nid = \"default\"\ncountry = \"US\"\n".to_owned();
        if let Some((asterisk, freeswitch)) = switches {
            let FloodPlan { user, secret, .. } = plan;
            let written = write!(
                text,
                "\n[[switch]]\nname = \"flood-asterisk\"\nkind = \"asterisk\"\naddress = \"{asterisk}\"\nuser = \"{user}\"\n\
                 secret = \"{secret}\"\nevents = [\"user\"]\n\
                 \n[[switch]]\nname = \"flood-freeswitch\"\nkind = \"freeswitch\"\naddress = \"{freeswitch}\"\nsecret = \"{secret}\"\n"
            );
            // a String takes all that fits into memory
            debug_assert!(written.is_ok());
        }
        std::fs::write(dir.join("strowger.toml"), text).map_err(trouble("the configuration can't be written"))?;
        let log = File::create(dir.join("log")).map_err(trouble("the log can't be written"))?;
        let mut command = strowger()?;
        command.arg("--config").arg(dir.join("strowger.toml")).arg("--data").arg(dir.join("data"));
        command.args(["serve", "--sample", "--log", "warn"]);
        for door in ["--agi", "--esl", "--lookup-http", "--http"] {
            command.args([door, "127.0.0.1:0"]);
        }
        if switches.is_some() {
            command.args(["--journal-delay-ms", &slow_disk_ms.to_string()]);
        }
        let mut process = command.stdout(Stdio::piped()).stderr(log).spawn().map_err(trouble("the server can't be started"))?;
        let mut line = String::new();
        if let Some(out) = process.stdout.take() {
            let _ = BufReader::new(out).read_line(&mut line);
        }
        let said = |key: &str| line.split_whitespace().find_map(|word| word.strip_prefix(key)?.parse().ok());
        let (agi, http) = (said("agi="), said("http="));
        let (Some(agi), Some(http)) = (agi, http) else {
            let _ = process.kill();
            let _ = process.wait();
            return Err(Failure::new(Exit::Trouble, format!("the server didn't get ready: {line:?}; {}", log_end(dir))));
        };
        Ok(Server { process, dir: dir.to_owned(), agi, http })
    }

    /// A command over this server's data.
    fn command(&self, args: &[&str]) -> Result<Command, Failure> {
        let mut command = strowger()?;
        command.arg("--config").arg(self.dir.join("strowger.toml")).arg("--data").arg(self.dir.join("data")).args(args);
        Ok(command)
    }

    fn ask(&self, args: &[&str]) -> Result<String, Failure> {
        let output = self.command(args)?.output().map_err(trouble("a command can't be started"))?;
        if output.status.success() {
            return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
        }
        let why = String::from_utf8_lossy(&output.stderr).into_owned();
        Err(Failure::new(Exit::Trouble, format!("strowger {} failed: {why}; {}", args.join(" "), self.said())))
    }

    /// What it logged last.
    pub(super) fn said(&self) -> String {
        log_end(&self.dir)
    }

    /// What it has counted so far.
    pub(super) fn counted(&self) -> Result<Counted, Failure> {
        let text = self.ask(&["--json", "status"])?;
        let status: Value = serde_json::from_str(&text).map_err(|e| Failure::new(Exit::Trouble, format!("status is no JSON: {e}")))?;
        Ok(Counted { memory_kb: self.memory_kb("VmRSS").unwrap_or_default(), ..Counted::of(&status) })
    }

    /// A line of `/proc/PID/status`, in kB.
    pub(super) fn memory_kb(&self, name: &str) -> Option<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.process.id())).ok()?;
        status.lines().find(|line| line.starts_with(name))?.split_whitespace().nth(1)?.parse().ok()
    }
}

fn log_end(dir: &Path) -> String {
    let log = std::fs::read(dir.join("log")).unwrap_or_default();
    let end = String::from_utf8_lossy(&log[log.len().saturating_sub(LOG_SHOWN_BYTES)..]).into_owned();
    format!("its log ends with: {end}")
}

/// What the server says of its sources, all together; 0 where it doesn't say.
#[derive(Debug, Clone, Copy, Default, Serialize)]
pub(super) struct Counted {
    /// Events that came.
    pub(super) received: u64,
    /// Of them, dropped because the queue was full.
    pub(super) lost: u64,
    pub(super) reconnects: u64,
    pub(super) gaps: u64,
    /// Events that wait, now.
    pub(super) queued: u64,
    pub(super) journal_written: u64,
    pub(super) journal_lost: u64,
    /// Memory now.
    pub(super) memory_kb: u64,
}

impl Counted {
    fn of(status: &Value) -> Counted {
        let events = &status["events"];
        let sum = |key: &str| events["sources"].as_array().into_iter().flatten().filter_map(|source| source[key].as_u64()).sum();
        let one = |key: &str| events[key].as_u64().unwrap_or_default();
        Counted {
            received: sum("events_in"),
            lost: sum("events_lost"),
            reconnects: sum("reconnects"),
            gaps: sum("gaps"),
            queued: sum("queued"),
            journal_written: one("journal_written"),
            journal_lost: one("journal_lost"),
            memory_kb: 0,
        }
    }

    /// What came since then.
    pub(super) fn since(&self, before: &Counted) -> Counted {
        Counted {
            received: self.received.saturating_sub(before.received),
            lost: self.lost.saturating_sub(before.lost),
            reconnects: self.reconnects.saturating_sub(before.reconnects),
            gaps: self.gaps.saturating_sub(before.gaps),
            journal_written: self.journal_written.saturating_sub(before.journal_written),
            journal_lost: self.journal_lost.saturating_sub(before.journal_lost),
            ..*self
        }
    }
}

/// A client of the feed that subscribes and doesn't read any more.
pub(super) struct Stuck {
    _stream: TcpStream,
}

impl Stuck {
    pub(super) fn subscribe(server: &Server) -> Result<Stuck, Failure> {
        let token = server.ask(&["token", "add", "stuck", "--scope", "events:read"]).or_else(|_| {
            // a second round: it is there already, and its text is told once
            server.ask(&["token", "rm", "stuck"])?;
            server.ask(&["token", "add", "stuck", "--scope", "events:read"])
        })?;
        let token = token.split_whitespace().last().unwrap_or_default();
        let feed = trouble("the feed");
        let address = server.http;
        let mut stream = TcpStream::connect_timeout(&address, FEED_WAIT_MAX).map_err(&feed)?;
        stream.set_read_timeout(Some(FEED_WAIT_MAX)).map_err(&feed)?;
        write!(stream, "GET /events HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {token}\r\nAccept: text/event-stream\r\n\r\n")
            .map_err(&feed)?;
        let mut status = [0; 12];
        stream.read_exact(&mut status).map_err(&feed)?;
        if &status == b"HTTP/1.1 200" {
            return Ok(Stuck { _stream: stream });
        }
        Err(Failure::new(Exit::Trouble, format!("the feed refused its client: {}", String::from_utf8_lossy(&status))))
    }
}

/// An import that runs beside the calls.
pub(super) struct Import(Child);

impl Import {
    pub(super) fn start(server: &Server, csv: &Path) -> Result<Import, Failure> {
        let file = csv.display().to_string();
        let mut command = server.command(&["contact", "import", &file])?;
        command.stdout(Stdio::null()).stderr(Stdio::null());
        Ok(Import(command.spawn().map_err(trouble("the import can't be started"))?))
    }

    /// Ends it; says whether it had come to its own end.
    pub(super) fn end(mut self) -> &'static str {
        let said = match self.0.try_wait() {
            Ok(Some(status)) if status.success() => "done",
            Ok(Some(_)) => "FAILED",
            _ => "on its way",
        };
        let _ = self.0.kill();
        let _ = self.0.wait();
        said
    }
}

/// A CSV of contacts with consecutive numbers, none of them the sample's.
pub(super) fn contacts_csv(path: &Path, count: u64) -> io::Result<()> {
    let mut file = BufWriter::new(File::create(path)?);
    writeln!(file, "name,number,company")?;
    for n in 0..count {
        writeln!(file, "Contact Number {n},+1415{:07},Company {}", 2_000_000 + n, n % 5_000)?;
    }
    file.flush()
}
