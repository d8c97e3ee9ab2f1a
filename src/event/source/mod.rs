//! Sources: the connections to switches. They run at normal priority, and do as little as can be done there.
//!
//! * What a switch says is read at once, always, whatever becomes of it: Asterisk cuts a reader off that stands still for
//!   100 ms, FreeSWITCH stops serving everybody, calls too (transcripts `ami-slow-consumer`, `in-42-overrun-freezes-calls`).
//!   So it goes into a bounded [`ring`], or is dropped and counted.
//! * A connection that is lost is made again, after a pause that grows and that chance shortens, so that many agents don't
//!   come at once. Each one logs in, subscribes, and asks for the state anew.
//! * A refused login is tried again slowly: some Asterisks have a jailer that reads their log.

mod ami;
mod backoff;
mod esl;
mod link;
mod repair;
pub mod ring;

use super::{Item, SwitchKind};
use crate::cti::{SourcePhase, SourceStats};
use crate::stats::Gauge;
use backoff::Backoff;
use link::Ending;
use ring::RingSender;
use std::fmt;
use std::io::{self, Read as _};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpSocket, TcpStream, lookup_host};
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout};

/// What the kernel is asked to keep for us, so that a moment without a processor loses nothing: a second of Asterisk at
/// its fastest has 2 MB. The system's own limit (`net.core.rmem_max`) may make it less.
const RECEIVE_BUFFER_BYTES: u32 = 4 << 20;
/// Addresses of one name that are tried.
const ADDRESSES_MAX: usize = 8;
/// The longest secret in a file, in bytes.
const SECRET_BYTES_MAX: u64 = 1_024;

/// One switch to listen to.
#[derive(Clone)]
pub struct SourceConfig {
    /// Its name in the configuration.
    pub name: String,
    /// What it is.
    pub kind: SwitchKind,
    /// Host and port; a name is looked up at each connect.
    pub address: String,
    /// Asterisk's manager user; FreeSWITCH's `user@domain`, or none for the socket's own password.
    pub user: Option<String>,
    /// The secret.
    pub secret: SourceSecret,
    /// Subscribed to beyond what is used here, for raw events: classes of Asterisk's, FreeSWITCH's names of events, and
    /// `CUSTOM sub::class`.
    pub events: Vec<String>,
    /// Its counters.
    pub stats: Arc<SourceStats>,
    /// How long things may take.
    pub pace: Pace,
}

/// Where the secret is.
#[derive(Clone)]
pub enum SourceSecret {
    /// Here.
    Text(String),
    /// In a file, which is read at each login.
    File(PathBuf),
}

/// Never shows the secret.
impl fmt::Debug for SourceSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SourceSecret(…)")
    }
}

impl SourceSecret {
    fn read(&self) -> Result<String, String> {
        let path = match self {
            SourceSecret::Text(text) => return Ok(text.clone()),
            SourceSecret::File(path) => path,
        };
        let read = || -> io::Result<String> {
            // opening a pipe would wait for whoever writes into it
            if !std::fs::metadata(path)?.is_file() {
                return Err(io::Error::other("it is no file"));
            }
            let mut text = String::new();
            std::fs::File::open(path)?.take(SECRET_BYTES_MAX).read_to_string(&mut text)?;
            Ok(text)
        };
        let text = read().map_err(|error| format!("the secret file {} can't be read ({error})", path.display()))?;
        match text.trim_end_matches(['\r', '\n']) {
            "" => Err(format!("the secret file {} is empty; write the secret into it, on one line", path.display())),
            secret => Ok(secret.to_owned()),
        }
    }
}

/// How long things may take; the defaults are what is meant, tests take less.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace {
    /// From asking for a connection to having one.
    pub connect_max: Duration,
    /// From there to the banner, and from each question of the login to its answer. Asterisk thinks a second about a wrong
    /// secret.
    pub answer_max: Duration,
    /// Asterisk's silence after which it is asked for a sign of life.
    pub ping_after: Duration,
    /// Asterisk's silence after which it is taken for dead.
    pub ami_silence_max: Duration,
    /// FreeSWITCH's: it says something every 20 s.
    pub esl_silence_max: Duration,
    /// The first pause before another try; each is twice the one before.
    pub retry_min: Duration,
    /// The longest.
    pub retry_max: Duration,
    /// The pause after a refused login.
    pub refused: Duration,
    /// A connection that held so long makes the next pause the first again.
    pub settled_after: Duration,
    /// The shortest time between two snapshots that a gap asks for. It doubles while they aren't whole.
    pub repair_min: Duration,
    /// The time between snapshots that nothing asks for.
    pub repair_every: Duration,
    /// A snapshot that takes longer isn't whole.
    pub repair_max: Duration,
    /// How long after a contact of FreeSWITCH's is gone all its registrations are listed. By then it has written that down, and
    /// contacts that went meanwhile are not asked for again: one listing in so long, however many there are.
    pub registrations_after: Duration,
    /// FreeSWITCH looks for events to send every 20 ms, and at once when it is sent an empty line (measured: the median
    /// delay falls from 6 to 1.7 ms with one every 2 ms). Each costs it a turn of that connection's thread, so they are
    /// sent this far apart, and only for [`keep_alive_for`](Self::keep_alive_for).
    pub keep_alive: Duration,
    /// How long after an event another is expected soon: a call that is being set up says something every few seconds.
    pub keep_alive_for: Duration,
    /// How often all this is looked at.
    pub tick: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        let seconds = Duration::from_secs;
        Pace {
            connect_max: seconds(5),
            answer_max: seconds(5),
            ping_after: seconds(15),
            ami_silence_max: seconds(30),
            esl_silence_max: seconds(60),
            retry_min: Duration::from_millis(500),
            retry_max: seconds(30),
            refused: seconds(60),
            settled_after: seconds(60),
            repair_min: seconds(5),
            repair_every: seconds(300),
            repair_max: seconds(60),
            registrations_after: seconds(30),
            keep_alive: Duration::from_millis(10),
            keep_alive_for: seconds(5),
            tick: Duration::from_millis(200),
        }
    }
}

/// Listens to a switch until it is told to stop, or nobody reads the ring any more.
pub async fn run(config: SourceConfig, mut ring: RingSender, raw_wanted: Arc<Gauge>, mut stop: watch::Receiver<bool>) {
    let mut backoff = Backoff::new(config.pace.retry_min, config.pace.retry_max);
    let (mut connected, mut said_down) = (false, false);
    while !ring.is_closed() {
        let began = Instant::now();
        let ending = tokio::select! {
            () = stopped(&mut stop) => return,
            ending = connection(&config, &mut ring, &raw_wanted, &mut connected) => ending,
        };
        if let Some(up) = ending.up {
            said_down = false;
            if up.elapsed() >= config.pace.settled_after {
                backoff.reset();
            }
        }
        let pause = if ending.refused { config.pace.refused } else { backoff.next() };
        config.stats.phase.store(Arc::new(SourcePhase::Down(ending.text.clone())));
        if !said_down {
            said_down = true;
            ring.say(Item::Down { why: ending.why });
            tracing::warn!(
                switch = config.name,
                why = ending.text,
                after_ms = began.elapsed().as_millis() as u64,
                "the events of a switch stopped; its calls aren't seen until it is reached again"
            );
        }
        tokio::select! {
            () = stopped(&mut stop) => return,
            () = rest(pause, &config.pace, &mut ring) => {}
        }
    }
}

async fn stopped(stop: &mut watch::Receiver<bool>) {
    // an error is the end of whoever could have said so
    let _ = stop.wait_for(|stop| *stop).await;
}

/// Waits, and says what the ring had no room for.
async fn rest(pause: Duration, pace: &Pace, ring: &mut RingSender) {
    let until = Instant::now() + pause;
    while Instant::now() < until {
        sleep(pace.tick.min(until - Instant::now())).await;
        ring.settle();
    }
}

/// A step on the way up. Where the last try failed, why it did is worth more to know until one succeeds.
fn trying(stats: &SourceStats, phase: SourcePhase) {
    if !matches!(**stats.phase.load(), SourcePhase::Down(_)) {
        stats.phase.store(Arc::new(phase));
    }
}

/// One connection from its beginning to its end.
async fn connection(config: &SourceConfig, ring: &mut RingSender, raw_wanted: &Arc<Gauge>, was_connected: &mut bool) -> Ending {
    let (address, pace) = (&config.address, &config.pace);
    trying(&config.stats, SourcePhase::Connecting);
    let secret = match config.secret.read() {
        Ok(secret) => secret,
        Err(text) => return Ending::new("no-secret", text),
    };
    let stream = match timeout(pace.connect_max, connect(address)).await {
        Ok(Ok(stream)) => stream,
        Ok(Err(error)) => return Ending::new("unreachable", unreachable(address, &error)),
        Err(_) => return Ending::new("unreachable", silent(address, pace.connect_max)),
    };
    if std::mem::replace(was_connected, true) {
        config.stats.reconnects.add_one();
    }
    trying(&config.stats, SourcePhase::LoggingIn);
    match config.kind {
        SwitchKind::Asterisk => link::drive(stream, ami::Session::new(config, secret, raw_wanted.clone()), ring, config).await,
        SwitchKind::FreeSwitch => link::drive(stream, esl::Session::new(config, secret, raw_wanted.clone()), ring, config).await,
    }
}

/// Why there is no connection, where the system says so, and what to look at.
fn unreachable(address: &str, error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::PermissionDenied => format!(
            "{address} can't be reached ({error}): this machine doesn't let the server out to there; look at its packet filter, and under \
             systemd at IPAddressAllow= (systemctl edit strowger), which has to name that address"
        ),
        _ => format!("{address} can't be reached ({error}); does the switch run, and does it listen there?"),
    }
}

/// The same where nothing is heard. That is what a connection meets, too, that systemd's filter keeps in: the kernel drops its
/// packets and says nothing (measured with Linux 6.18; it refuses datagrams alone).
fn silent(address: &str, waited: Duration) -> String {
    format!(
        "{address} didn't answer within {} s; is there a firewall in between, or, under systemd, no IPAddressAllow= that lets the server \
         out to there (systemctl edit strowger)?",
        waited.as_secs()
    )
}

async fn connect(address: &str) -> io::Result<TcpStream> {
    let mut failed = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    for address in lookup_host(address).await?.take(ADDRESSES_MAX) {
        let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
        // before connecting: the window's scale is agreed on there
        socket.set_recv_buffer_size(RECEIVE_BUFFER_BYTES)?;
        match socket.connect(address).await {
            Ok(stream) => {
                stream.set_nodelay(true)?;
                return Ok(stream);
            }
            Err(error) => failed = error,
        }
    }
    Err(failed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_kept_in_by_this_machine_is_not_sent_to_the_switch() {
        let said = |errno| unreachable("192.0.2.5:5038", &io::Error::from_raw_os_error(errno));
        for errno in [rustix::io::Errno::PERM, rustix::io::Errno::ACCESS] {
            let said = said(errno.raw_os_error());
            assert!(said.contains("IPAddressAllow=") && !said.contains("does the switch run"), "{said}");
        }
        let refused = said(rustix::io::Errno::CONNREFUSED.raw_os_error());
        assert!(refused.contains("does the switch run") && !refused.contains("IPAddressAllow="), "{refused}");
        // what systemd's filter looks like from here
        let said = silent("192.0.2.5:5038", Duration::from_secs(5));
        assert!(said.contains("within 5 s") && said.contains("IPAddressAllow=") && said.contains("systemctl edit strowger"), "{said}");
    }
}
