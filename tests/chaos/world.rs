//! The server that is harmed, where it is to be found, and those who are connected to it besides the callers.

use crate::support::event_switch::{FakeSwitch, SECRET, Speaks, USER, newchannel};
use crate::support::{Place, Running};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// How long a server may take to be there again; one that finds its store in use (a command that came while there was no
/// server) ends, and is started again, as a service manager does.
const START_WAIT_MAX: Duration = Duration::from_secs(60);

/// Where the server is right now; after a kill, where it was.
#[derive(Debug, Clone, Copy)]
pub struct Doors {
    pub agi: SocketAddr,
    pub esl: SocketAddr,
    pub lookup_http: SocketAddr,
    pub http: SocketAddr,
}

/// Everything that the threads share.
pub struct World {
    pub place: Place,
    pub server: Mutex<Running>,
    doors: Mutex<Doors>,
    admin: PathBuf,
    token: String,
    over: AtomicBool,
    /// Of a hundred calls, how many their own caller cuts.
    pub cut_of_hundred: AtomicU64,
    /// The switch and the client of the feed are to cut their connections.
    pub cuts_switch: AtomicBool,
    pub cuts_feed: AtomicBool,
    /// Edits that were acknowledged, and calls that were answered, so far.
    pub acknowledged: AtomicU64,
    pub answered: AtomicU64,
    /// What the last edit was told that was not acknowledged.
    pub refused: Mutex<String>,
    clock: Option<Clock>,
    switch: Mutex<Option<FakeSwitch>>,
}

/// The server's clock, which can be set.
pub struct Clock {
    library: PathBuf,
    file: PathBuf,
    pub ahead_seconds: AtomicI64,
}

impl Clock {
    /// Compiles what is put in front of libc; without a compiler the clock stays.
    fn build(place: &Place) -> Option<Clock> {
        let (library, file) = (place.path().join("clock.so"), place.path().join("clock"));
        std::fs::write(&file, 0i64.to_ne_bytes()).unwrap();
        let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/chaos/clock.c");
        let built = Command::new("cc").args(["-shared", "-fPIC", "-O1", "-o"]).arg(&library).args([source, "-ldl"]).status();
        if !built.is_ok_and(|status| status.success()) {
            crate::support::skipped("there is no C compiler; the clock doesn't jump");
            return None;
        }
        Some(Clock { library, file, ahead_seconds: AtomicI64::new(0) })
    }

    /// Sets it, so many seconds from the true time.
    pub fn set(&self, ahead_seconds: i64) {
        let mut file = std::fs::OpenOptions::new().write(true).open(&self.file).unwrap();
        file.write_all(&ahead_seconds.to_ne_bytes()).unwrap();
        self.ahead_seconds.store(ahead_seconds, Relaxed);
    }
}

impl World {
    pub fn begin() -> World {
        let switch = FakeSwitch::start(Speaks::Ami);
        let place = Place::new(&format!(
            "[[tenant]]\nid = \"default\"\ncountry = \"US\"\n\n\
             [[switch]]\nname = \"a\"\nkind = \"asterisk\"\naddress = \"{}\"\nuser = \"{USER}\"\nsecret = \"{SECRET}\"\n",
            switch.address
        ));
        let clock = Clock::build(&place);
        let server = start(&place, clock.as_ref());
        place.settled();
        let told = place.done(&["token", "add", "panel", "--scope", "events:read"]).out;
        World {
            doors: Mutex::new(doors(&server)),
            admin: server.admin.clone(),
            token: told.split_whitespace().last().unwrap().to_owned(),
            place,
            server: Mutex::new(server),
            over: AtomicBool::new(false),
            cut_of_hundred: AtomicU64::new(5),
            cuts_switch: AtomicBool::new(false),
            cuts_feed: AtomicBool::new(false),
            acknowledged: AtomicU64::new(0),
            answered: AtomicU64::new(0),
            refused: Mutex::default(),
            clock,
            switch: Mutex::new(Some(switch)),
        }
    }

    pub fn doors(&self) -> Doors {
        *self.doors.lock().unwrap()
    }

    /// The admin socket, whichever server listens there.
    pub fn admin(&self) -> &PathBuf {
        &self.admin
    }

    pub fn clock(&self) -> Option<&Clock> {
        self.clock.as_ref()
    }

    pub fn is_over(&self) -> bool {
        self.over.load(Relaxed)
    }

    pub fn end(&self) {
        self.over.store(true, Relaxed);
    }

    /// Kills the server, and starts another one over what it left.
    pub fn kill_and_start(&self, pause: Duration) {
        let mut server = self.server.lock().unwrap();
        server.child.kill().unwrap();
        server.child.wait().unwrap();
        std::thread::sleep(pause);
        *server = start(&self.place, self.clock.as_ref());
        *self.doors.lock().unwrap() = doors(&server);
    }

    /// What is wrong with the store, if the server says so.
    pub fn store_failed(&self) -> Option<String> {
        let said = self.place.run(&["status", "--json"]);
        if said.code != Some(0) {
            return Some(said.err);
        }
        said.json()["store_failed"].as_str().map(str::to_owned)
    }
}

/// Leaves no server behind, whatever becomes of the test.
pub struct KillAtEnd(pub Arc<World>);

impl Drop for KillAtEnd {
    fn drop(&mut self) {
        self.0.end();
        let mut server = self.0.server.lock().unwrap_or_else(PoisonError::into_inner);
        let _ = server.child.kill();
        let _ = server.child.wait();
    }
}

fn doors(server: &Running) -> Doors {
    Doors { agi: server.agi, esl: server.esl, lookup_http: server.lookup_http, http: server.http }
}

fn start(place: &Place, clock: Option<&Clock>) -> Running {
    let began = Instant::now();
    loop {
        // a budget that only a server which stands still overspends, however busy the machine is
        let mut command = place.serving(&["--sample", "--answer-budget-ms", "1000", "--log", "warn"]);
        if let Some(Clock { library, file, .. }) = clock {
            command.env("LD_PRELOAD", library).env("STROWGER_CHAOS_CLOCK", file);
        }
        match Running::try_start(command) {
            Ok(server) => return server,
            Err(_) if began.elapsed() < START_WAIT_MAX => std::thread::sleep(Duration::from_millis(100)),
            Err(error) => panic!("{error}\n{}", place.logged()),
        }
    }
}

/// The switch: it says what happens on it, hangs up when it is told to, and gives how often it was logged in to.
pub fn switch(world: &Arc<World>) -> JoinHandle<usize> {
    let switch = world.switch.lock().unwrap().take().unwrap();
    let world = world.clone();
    std::thread::spawn(move || {
        let (mut seen, mut is_connected) = (0, false);
        for n in 0u64.. {
            if world.is_over() {
                break;
            }
            if world.cuts_switch.swap(false, Relaxed) && is_connected {
                (seen, is_connected) = (switch.logins(), false);
                switch.hang_up();
            }
            if is_connected {
                switch.send(newchannel(&format!("1795278612.{n}")));
            } else {
                is_connected = switch.logins() > seen;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        switch.logins()
    })
}

/// A client of the feed, which comes again whenever it is cut off; gives how much it was told.
pub fn feed(world: &Arc<World>) -> JoinHandle<usize> {
    let world = world.clone();
    std::thread::spawn(move || {
        let mut fed = 0;
        while !world.is_over() {
            // nobody there, or nobody any more: again
            let _ = read_feed(&world, &mut fed);
            std::thread::sleep(Duration::from_millis(50));
        }
        fed
    })
}

fn read_feed(world: &World, fed: &mut usize) -> std::io::Result<()> {
    let http = world.doors().http;
    let mut stream = TcpStream::connect(http)?;
    stream.set_read_timeout(Some(Duration::from_millis(200)))?;
    write!(stream, "GET /events HTTP/1.1\r\nHost: {http}\r\nAuthorization: Bearer {}\r\n\r\n", world.token)?;
    let mut piece = [0; 16 * 1024];
    while !world.is_over() && !world.cuts_feed.swap(false, Relaxed) {
        match stream.read(&mut piece) {
            Ok(0) => break,
            Ok(n) => *fed += n,
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
