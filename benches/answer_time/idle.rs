//! Calls beside ten thousand outbound sockets that are open and say nothing.
//!
//! Such a socket has read `connect` and owes its reply. The server ends it after 2 s (after 250 ms where more than half of
//! its sessions are taken, so it gets four times as many here), and so they can't be kept: each round opens them all,
//! measures while they last, and says how many were still open when it was done. A round without them comes before.

use super::process::{SOCKET, Strowger, failed, fill, load, median, number};
use super::{Outcome, ROUNDS};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::io::{ErrorKind, Read};
use std::net::TcpStream;
use std::time::{Duration, Instant};

/// Sockets that say nothing.
const SOCKETS: usize = 10_000;
/// Descriptors beside them, here and in the server.
const DESCRIPTORS_BESIDE: u64 = 512;
/// How long the measured calls go on, in seconds: with the opening it stays within the server's 2 s.
const CALLS_SECONDS: &str = "0.8";
/// Asked for every second, from when each should begin.
const CALLS_A_SECOND: &str = "500";

/// The part.
pub(super) fn idle() -> Outcome {
    let sockets = allowed_sockets();
    let dir = tempfile::tempdir()?;
    let sessions_max = (sockets * 4).to_string();
    let strowger = Strowger::start_with(dir.path(), &["--sessions-max", &sessions_max])?;
    fill(&strowger, dir.path())?;
    let calls = || -> Outcome<_> {
        let report = load(SOCKET, &strowger.esl, &["--rate", CALLS_A_SECOND, "--connections", "64", "--seconds", CALLS_SECONDS])?;
        if failed(&report) > 0.0 { Err(format!("calls failed: {report}").into()) } else { Ok(report) }
    };
    // what the first calls need is no part of what a socket needs
    calls()?;
    println!(
        "{CALLS_A_SECOND} calls a second for {CALLS_SECONDS} s, {ROUNDS} times without and with {sockets} silent outbound sockets beside them"
    );
    println!("{:>10} {:>9} {:>9} {:>12} {:>12}", "", "p50 µs", "p99 µs", "opened in ms", "still open");
    let (mut quiet, mut beside, mut kib_each) = (Vec::new(), Vec::new(), 0.0);
    for round in 0..ROUNDS {
        let report = calls()?;
        println!("{:>10} {:>9.0} {:>9.0}", "quiet", number(&report, "latency/p50_us"), number(&report, "latency/p99_us"));
        quiet.push(number(&report, "latency/p99_us"));
        let before_kb = strowger.process.memory_kb("VmRSS")?;
        let began = Instant::now();
        let mut silent = open(&strowger.esl, sockets)?;
        let opened_ms = began.elapsed().as_millis();
        if round == 0 {
            // later rounds find the memory of the first one
            kib_each = strowger.process.memory_kb("VmRSS")?.saturating_sub(before_kb) as f64 / sockets as f64;
        }
        let report = calls()?;
        let open = silent.iter_mut().filter_map(|stream| is_open(stream).ok()).filter(|open| *open).count();
        let (p50, p99) = (number(&report, "latency/p50_us"), number(&report, "latency/p99_us"));
        println!("{:>10} {p50:>9.0} {p99:>9.0} {opened_ms:>12} {open:>12}", "beside");
        beside.push(p99);
        drop(silent);
        // the server has ended the last of them, and nothing of theirs is left to do
        std::thread::sleep(Duration::from_millis(2_500));
    }
    println!("p99 beside / quiet: {:.2}; memory: {kib_each:.1} KiB a socket\n", median(beside) / median(quiet));
    Ok(())
}

/// As many as the system lets this process and the server have.
fn allowed_sockets() -> usize {
    let now = getrlimit(Resource::Nofile);
    let wanted = SOCKETS as u64 + DESCRIPTORS_BESIDE;
    let possible = now.maximum.map_or(wanted, |hard| hard.min(wanted));
    // a process that has them already needs nothing
    if now.current.is_some_and(|current| current < possible) {
        let _ = setrlimit(Resource::Nofile, Rlimit { current: Some(possible), maximum: now.maximum });
    }
    usize::try_from(possible - DESCRIPTORS_BESIDE).unwrap_or(SOCKETS)
}

/// Opens them, and reads `connect` off each.
fn open(address: &str, sockets: usize) -> Outcome<Vec<TcpStream>> {
    let mut streams = Vec::with_capacity(sockets);
    for _ in 0..sockets {
        streams.push(TcpStream::connect(address)?);
    }
    for stream in &mut streams {
        stream.set_read_timeout(Some(Duration::from_secs(1)))?;
        let mut connect = [0; 9];
        stream.read_exact(&mut connect)?;
        if &connect != b"connect\n\n" {
            return Err(format!("the server began with {connect:?}").into());
        }
    }
    Ok(streams)
}

fn is_open(stream: &mut TcpStream) -> Outcome<bool> {
    stream.set_nonblocking(true)?;
    Ok(matches!(stream.read(&mut [0; 1_024]), Err(error) if error.kind() == ErrorKind::WouldBlock))
}
