//! A client that does nothing but read: what a flood costs the machine where nobody makes anything of it.

use super::{FloodPlan, Switch, spawn};
use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

/// One read.
const READ_BYTES: usize = 64 * 1024;
/// How often it looks whether it should end.
const LOOK: Duration = Duration::from_millis(20);

/// Reads a flood on a thread of its own, until it is dropped.
pub struct NullReader {
    state: Arc<State>,
}

#[derive(Default)]
struct State {
    bytes: AtomicU64,
    is_paused: AtomicBool,
    ended: AtomicBool,
}

impl NullReader {
    /// Connects, logs in as the flood's plan wants it (whose priority is the flood's alone), subscribes and reads.
    ///
    /// # Errors
    /// Nobody listens there, or there is no thread.
    pub fn connect(address: SocketAddr, plan: &FloodPlan) -> io::Result<NullReader> {
        let mut stream = TcpStream::connect(address)?;
        let login = match plan.switch {
            Switch::Asterisk => format!("Action: Login\r\nUsername: {}\r\nSecret: {}\r\nEvents: on\r\n\r\n", plan.user, plan.secret),
            Switch::FreeSwitch => format!("auth {}\n\nevent json ALL\n\n", plan.secret),
        };
        stream.write_all(login.as_bytes())?;
        stream.set_read_timeout(Some(LOOK))?;
        let state: Arc<State> = Arc::default();
        let reading = Arc::clone(&state);
        spawn("flood-null", || {}, move || read(stream, &reading))?;
        Ok(NullReader { state })
    }

    /// Bytes that were read.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.state.bytes.load(Ordering::Relaxed)
    }

    /// Reads no more, or goes on.
    pub fn pause(&self, is_paused: bool) {
        self.state.is_paused.store(is_paused, Ordering::Relaxed);
    }
}

impl Drop for NullReader {
    fn drop(&mut self) {
        self.state.ended.store(true, Ordering::Relaxed);
    }
}

fn read(mut stream: TcpStream, state: &State) {
    let mut buffer = vec![0; READ_BYTES];
    while !state.ended.load(Ordering::Relaxed) {
        if state.is_paused.load(Ordering::Relaxed) {
            std::thread::sleep(LOOK);
            continue;
        }
        match stream.read(&mut buffer) {
            Ok(0) => return,
            Ok(read) => _ = state.bytes.fetch_add(read as u64, Ordering::Relaxed),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted) => {}
            Err(_) => return,
        }
    }
}
