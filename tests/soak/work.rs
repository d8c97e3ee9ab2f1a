//! What goes on beside the calls: edits, imports, searches, and clients of the feed that stay and that come and go.

use crate::support::{Place, Running, connect, contact};
use std::fmt;
use std::io::{Read, Write};
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::thread::JoinHandle;
use std::time::Duration;
use strowger::control::{Client, Reply, Request};

/// Contacts that are edited, over and over: what is edited doesn't grow.
const EDITED: u64 = 200;
const EDIT_EVERY: Duration = Duration::from_millis(100);
const SEARCH_EVERY: Duration = Duration::from_millis(300);
/// Rows of the two files that take each other's place.
const ROWS: u64 = 5_000;
const IMPORT_EVERY: Duration = Duration::from_secs(4);
/// How long a client of the feed that comes and goes listens.
const VISIT: Duration = Duration::from_millis(700);
/// What runs behind calls may have to wait long for a processor where all are busy.
const FEED_WAIT_MAX: Duration = Duration::from_secs(120);

/// What was done, and what went wrong.
#[derive(Default)]
pub struct Done {
    edits: AtomicU64,
    imports: AtomicU64,
    searches: AtomicU64,
    visits: AtomicU64,
    fed_bytes: AtomicU64,
    wrong: std::sync::Mutex<Vec<String>>,
}

impl Done {
    fn wrong(&self, what: String) {
        self.wrong.lock().unwrap().push(what);
    }

    /// Something of each sort was done, and nothing went wrong.
    pub fn was_whole(&self) {
        assert_eq!(*self.wrong.lock().unwrap(), [""; 0]);
        let counters = [&self.edits, &self.imports, &self.searches, &self.visits, &self.fed_bytes];
        assert!(counters.iter().all(|counter| counter.load(Relaxed) > 0), "{self}");
    }
}

impl fmt::Display for Done {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Done { edits, imports, searches, visits, fed_bytes, wrong } = self;
        let [edits, imports, searches, visits] = [edits, imports, searches, visits].map(|counter| counter.load(Relaxed));
        let (fed, wrong) = (fed_bytes.load(Relaxed) / 1024, wrong.lock().unwrap().len());
        write!(
            f,
            "{edits} edits, {imports} imports of {ROWS} rows, {searches} searches, {visits} visits at the feed, {fed} kB read of it; {wrong} went wrong"
        )
    }
}

/// The threads that do it, until [`Work::end`].
pub struct Work {
    stop: Arc<AtomicBool>,
    done: Arc<Done>,
    threads: Vec<JoinHandle<()>>,
}

impl Work {
    pub fn begin(place: &Place, server: &Running) -> Work {
        let mut work = Work { stop: Arc::default(), done: Arc::default(), threads: Vec::new() };
        let told = place.done(&["token", "add", "panel", "--scope", "events:read"]).out;
        let token = told.split_whitespace().last().unwrap().to_owned();
        let (admin, http) = (server.admin.clone(), server.http);

        let socket = admin.clone();
        work.repeat(EDIT_EVERY, move |n, done| edit(&socket, n, done));
        work.repeat(SEARCH_EVERY, move |n, done| search(&admin, n, done));
        let mut imports = ["first", "second"].map(|word| {
            let rows: String = (0..ROWS).map(|n| format!("row{n},Customer {n} {word},+1415{:07}\n", 2_000_000 + n)).collect();
            let file = place.file(&format!("{word}.csv"), format!("id,name,number\n{rows}"));
            place.command(&["contact", "import", &file, "--source", "soak", "--mode", "replace"])
        });
        work.repeat(IMPORT_EVERY, move |n, done| import(&mut imports[n as usize % 2], done));
        for _ in 0..2 {
            let (token, stop) = (token.clone(), work.stop.clone());
            work.repeat(Duration::ZERO, move |_, done| listen(http, &token, done, || !stop.load(Relaxed)));
        }
        work.repeat(Duration::ZERO, move |_, done| {
            let began = std::time::Instant::now();
            listen(http, &token, done, || began.elapsed() < VISIT);
            done.visits.fetch_add(1, Relaxed);
        });
        work
    }

    /// Does something again and again, with a pause in between.
    fn repeat(&mut self, pause: Duration, mut what: impl FnMut(u64, &Done) + Send + 'static) {
        let (stop, done) = (self.stop.clone(), self.done.clone());
        self.threads.push(std::thread::spawn(move || {
            for n in 0.. {
                if stop.load(Relaxed) {
                    return;
                }
                what(n, &done);
                std::thread::sleep(pause);
            }
        }));
    }

    /// Ends it when what was begun is done.
    pub fn end(self) -> Arc<Done> {
        self.stop.store(true, Relaxed);
        for thread in self.threads {
            thread.join().unwrap();
        }
        self.done
    }
}

fn asked(admin: &Path, request: &Request, done: &Done) -> Option<Reply> {
    let reply = Client::connect(admin).and_then(|mut client| client.ask(request));
    reply.map_err(|error| done.wrong(format!("{request:?}: {error}"))).ok()
}

/// Puts a contact, and takes every seventh away again.
fn edit(admin: &Path, n: u64, done: &Done) {
    let id = format!("edited{}", n % EDITED);
    let request = if n % 7 == 6 {
        Request::ContactRm { tenant: "default".into(), id }
    } else {
        contact("default", &id, &format!("Edited {n}"), &format!("+1415{:07}", 3_000_000 + n % EDITED))
    };
    match asked(admin, &request, done) {
        // what is taken away needn't be there
        Some(Reply::Done { .. } | Reply::NotFound(_)) => drop(done.edits.fetch_add(1, Relaxed)),
        Some(other) => done.wrong(format!("{request:?}: {other:?}")),
        None => {}
    }
}

fn search(admin: &Path, n: u64, done: &Done) {
    let text = ["linc", "customer 12", "grandma", "custmer", "edited 1"][n as usize % 5];
    let request = Request::ContactSearch { tenant: "default".into(), text: text.into(), limit: 20, owner: None };
    match asked(admin, &request, done) {
        Some(Reply::Contacts { contacts, .. }) if text != "linc" || !contacts.is_empty() => drop(done.searches.fetch_add(1, Relaxed)),
        Some(other) => done.wrong(format!("{request:?}: {other:?}")),
        None => {}
    }
}

fn import(command: &mut Command, done: &Done) {
    let output = command.output().unwrap();
    if output.status.success() {
        done.imports.fetch_add(1, Relaxed);
    } else {
        done.wrong(format!("{output:?}"));
    }
}

/// Reads the feed while it is told to, and closes.
fn listen(http: SocketAddr, token: &str, done: &Done, goes_on: impl Fn() -> bool) {
    let mut stream = connect(http);
    write!(stream, "GET /events HTTP/1.1\r\nHost: {http}\r\nAuthorization: Bearer {token}\r\n\r\n").unwrap();
    stream.set_read_timeout(Some(FEED_WAIT_MAX)).unwrap();
    let mut piece = vec![0; 64 * 1024];
    let mut first = true;
    while goes_on() || first {
        match stream.read(&mut piece) {
            Ok(n) if n > 0 && (!first || piece.starts_with(b"HTTP/1.1 200")) => drop(done.fed_bytes.fetch_add(n as u64, Relaxed)),
            other => return done.wrong(format!("the feed ended: {other:?}, {:?}", String::from_utf8_lossy(&piece[..40]))),
        }
        first = false;
    }
}
