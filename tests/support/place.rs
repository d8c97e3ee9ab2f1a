//! A directory with a configuration and a store, commands that are run over it, and servers that serve it.

use serde_json::Value as Json;
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use strowger::call::ShutdownLevel;
use strowger::config::{Config, Overrides};
use strowger::control::{Reply, Request, sample_requests};
use strowger::daemon::{Options, Server};
use strowger::directory::ContactDraft;
use tempfile::TempDir;

/// Two tenants: `default` as in the United States, `acme` as in Germany with a fallback of its own.
pub const TENANTS: &str =
    "[[tenant]]\nid = \"default\"\ncountry = \"US\"\n\n[[tenant]]\nid = \"acme\"\ncountry = \"DE\"\nfallback = \"voicemail:900\"\n";

/// Another program than the one that was built with the tests: a release build, for figures.
pub const PROGRAM: &str = "STROWGER_PROGRAM";

/// The program that places run.
pub fn program() -> PathBuf {
    std::env::var_os(PROGRAM).map_or_else(|| env!("CARGO_BIN_EXE_strowger").into(), PathBuf::from)
}

/// `serve`, with every port a free one.
pub const SERVE: &[&str] =
    &["serve", "--agi", "127.0.0.1:0", "--esl", "127.0.0.1:0", "--lookup-http", "127.0.0.1:0", "--http", "127.0.0.1:0"];

/// The server sets the process's umask for a moment while it makes its socket; directories are not made meanwhile.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

fn alone() -> MutexGuard<'static, ()> {
    ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What a command said.
#[derive(Debug)]
pub struct Said {
    pub code: Option<i32>,
    pub out: String,
    pub err: String,
}

impl Said {
    pub fn of(output: Output) -> Said {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Said { code: output.status.code(), out: text(&output.stdout), err: text(&output.stderr) }
    }

    pub fn json(&self) -> Json {
        serde_json::from_str(&self.out).unwrap_or_else(|e| panic!("{e}: {self:?}"))
    }
}

/// A place of its own for one test; goes away with it.
pub struct Place {
    dir: TempDir,
}

impl Place {
    /// An empty store, and a configuration.
    pub fn new(configuration: &str) -> Place {
        let _alone = alone();
        let place = Place { dir: tempfile::tempdir().unwrap() };
        place.configure(configuration);
        place
    }

    /// The sample directory, in the United States.
    pub fn with_sample(configuration: &str) -> Place {
        let place = Place::new(configuration);
        let server = place.in_process(Options::default(), |_| {});
        server.fill(sample_requests("default"));
        drop(server);
        place
    }

    pub fn path(&self) -> &Path {
        self.dir.path()
    }

    pub fn data(&self) -> PathBuf {
        self.path().join("data")
    }

    pub fn configure(&self, text: &str) {
        std::fs::write(self.path().join("strowger.toml"), text).unwrap();
    }

    /// Puts a file into the place.
    pub fn file(&self, name: &str, bytes: impl AsRef<[u8]>) -> String {
        let path = self.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        path.display().to_string()
    }

    /// `strowger` with this place's configuration and data.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(program());
        command.env_clear().env("HOME", self.path()).stdin(Stdio::null());
        command.arg("--config").arg(self.path().join("strowger.toml")).arg("--data").arg(self.data()).args(arguments);
        command
    }

    /// Runs a command to its end.
    pub fn run(&self, arguments: &[&str]) -> Said {
        Said::of(self.command(arguments).output().unwrap())
    }

    /// Runs a command that must be done.
    pub fn done(&self, arguments: &[&str]) -> Said {
        let said = self.run(arguments);
        assert_eq!(said.code, Some(0), "{arguments:?}: {said:?}");
        said
    }

    /// Starts a server as a process and waits until it is ready.
    pub fn serve(&self, arguments: &[&str]) -> Running {
        Running::start(self.serving(arguments))
    }

    /// The command that starts a server as a process.
    pub fn serving(&self, arguments: &[&str]) -> Command {
        let mut command = self.command(SERVE);
        command.args(arguments).stderr(self.log());
        command
    }

    /// Waits until calls read the snapshot; before, a fallback that stands in the store can't be had without waiting.
    pub fn settled(&self) {
        assert!(super::within(Duration::from_secs(10), || !self.done(&["status", "--json"]).json()["snapshot_revision"].is_null()));
    }

    /// A server under limits of the shell (`ulimit -n 48`).
    pub fn serve_under(&self, limits: &str, arguments: &[&str]) -> Running {
        let plain = self.command(SERVE);
        let mut command = Command::new("/bin/sh");
        command.env_clear().env("HOME", self.path()).stdin(Stdio::null()).stderr(self.log());
        command.arg("-c").arg(format!("{limits}; exec \"$0\" \"$@\"")).arg(plain.get_program()).args(plain.get_args()).args(arguments);
        Running::start(command)
    }

    fn log(&self) -> File {
        File::options().create(true).append(true).open(self.path().join("log")).unwrap()
    }

    /// What servers of this place have logged.
    pub fn logged(&self) -> String {
        std::fs::read_to_string(self.path().join("log")).unwrap_or_default()
    }

    /// Starts a server in this process, with whatever a test puts in its way, and waits for its snapshot.
    pub fn in_process(&self, options: Options, change: impl FnOnce(&mut Config)) -> InProcess {
        let _alone = alone();
        let mut config = Config::load(Overrides {
            config: Some(self.path().join("strowger.toml")),
            data: Some(self.data()),
            agi: Some(([127, 0, 0, 1], 0).into()),
            esl: Some(([127, 0, 0, 1], 0).into()),
            lookup_http: Some(([127, 0, 0, 1], 0).into()),
            http: Some(([127, 0, 0, 1], 0).into()),
            ..Overrides::default()
        })
        .unwrap();
        change(&mut config);
        let server = Server::start(&config, options, Arc::new(|| 0)).unwrap();
        assert!(super::within(Duration::from_secs(10), || server.store().snapshot_stands()));
        InProcess { server: Some(server) }
    }
}

/// A server with the sample directory and then some, in a place of its own.
pub fn served(options: Options, more: Vec<Request>) -> (Place, InProcess) {
    let place = Place::new(TENANTS);
    let server = served_at(&place, options);
    server.fill(more);
    (place, server)
}

/// A server with the sample directory in this place.
pub fn served_at(place: &Place, options: Options) -> InProcess {
    let server = place.in_process(options, |_| {});
    server.fill(sample_requests("default"));
    server
}

/// A contact with one number.
pub fn contact(tenant: &str, id: &str, name: &str, number: &str) -> Request {
    let contact = ContactDraft { id: id.into(), name: name.into(), numbers: vec![(number.into(), None)], ..ContactDraft::default() };
    Request::ContactSet { tenant: tenant.into(), contact }
}

/// A server in this process; seen to its end when it is dropped, so that its store is free.
pub struct InProcess {
    server: Option<Server>,
}

impl InProcess {
    pub fn server(&self) -> &Server {
        self.server.as_ref().unwrap()
    }

    pub fn agi(&self) -> SocketAddr {
        self.server().agi()
    }

    pub fn esl(&self) -> SocketAddr {
        self.server().esl()
    }

    pub fn lookup_http(&self) -> SocketAddr {
        self.server().lookup_http()
    }

    /// Has requests carried out that must succeed.
    pub fn fill(&self, requests: impl IntoIterator<Item = Request>) {
        let mut desk = self.server().desk("test");
        for request in requests {
            let shown = format!("{request:?}");
            let reply = desk.apply(request);
            assert!(matches!(reply, Reply::Done { .. }), "{shown}: {reply:?}");
        }
    }
}

impl Drop for InProcess {
    fn drop(&mut self) {
        if let Some(server) = self.server.take() {
            server.stop(ShutdownLevel::Drain);
            let _ = server.wait();
        }
    }
}

/// A server in a process of its own; killed when it is dropped.
pub struct Running {
    pub child: Child,
    pub agi: SocketAddr,
    pub esl: SocketAddr,
    pub lookup_http: SocketAddr,
    pub http: SocketAddr,
    pub admin: PathBuf,
}

impl Running {
    /// Starts it and waits for its `ready` line.
    pub fn start(command: Command) -> Running {
        Running::try_start(command).unwrap_or_else(|why| panic!("{why}"))
    }

    /// The same, where it may not get ready.
    pub fn try_start(mut command: Command) -> Result<Running, String> {
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
        let line = lines.find(|line| line.starts_with("ready ")).unwrap_or_default();
        let word = |key: &str| line.split_whitespace().find_map(|w| w.strip_prefix(key).map(str::to_owned));
        let address = |key: &str| word(key).and_then(|text| text.parse().ok());
        let (Some(agi), Some(esl), Some(lookup_http), Some(http), Some(admin)) =
            (address("agi="), address("esl="), address("lookup-http="), address("http="), word("admin="))
        else {
            let _ = child.kill();
            return Err(format!("the server didn't get ready: {line:?}, {:?}", child.wait()));
        };
        Ok(Running { child, agi, esl, lookup_http, http, admin: admin.into() })
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    pub fn signal(&self, signal: rustix::process::Signal) {
        rustix::process::kill_process(rustix::process::Pid::from_child(&self.child), signal).unwrap();
        // a thread that is busy stops a moment later
        let stands = |thread: &std::fs::DirEntry| {
            std::fs::read_to_string(thread.path().join("stat"))
                .is_ok_and(|stat| stat.rsplit(')').next().unwrap_or_default().starts_with(" T"))
        };
        let all_stand = || std::fs::read_dir(format!("/proc/{}/task", self.pid())).unwrap().flatten().all(|thread| stands(&thread));
        if signal == rustix::process::Signal::STOP {
            assert!(super::within(Duration::from_secs(5), all_stand), "it was told to stand still");
        }
    }

    /// The exit code, if the process ends in time; `Some(None)` when a signal ended it.
    pub fn ends_within(&mut self, time: Duration) -> Option<Option<i32>> {
        let began = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return Some(status.code());
            }
            if began.elapsed() > time {
                return None;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Everything that a child has yet to say on a pipe.
pub fn rest_of(pipe: Option<impl Read>) -> String {
    let mut text = Vec::new();
    pipe.unwrap().read_to_end(&mut text).unwrap();
    String::from_utf8_lossy(&text).into_owned()
}
