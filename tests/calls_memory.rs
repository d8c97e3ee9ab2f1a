//! What the live calls cost where nobody takes them.

use feed::*;
use std::io::Write;
use std::net::TcpStream;
use std::time::Duration;
use strowger::control::FeedLimits;

#[path = "support/feed.rs"]
mod feed;
mod support;

const CLIENTS: usize = 40;
const BYTES_MAX: u64 = 64 << 20;

fn resident_bytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 1024
}

#[test]
fn clients_that_ask_for_all_live_calls_and_read_none_of_them_cost_no_memory_for_each_call() {
    let plane = Plane::start(FeedLimits::default());
    (0..20_000).for_each(|n| _ = plane.say("acme", ringing(&format!("{n:05}"), "+4930123456", "101")));
    let before = resident_bytes();
    let request = plane.request("/calls", &[]);
    let clients: Vec<TcpStream> = (0..CLIENTS)
        .map(|_| {
            let mut client = TcpStream::connect(plane.http).unwrap();
            client.write_all(request.as_bytes()).unwrap();
            client
        })
        .collect();
    let mut first = [0; 12];
    for client in &clients {
        client.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        std::io::Read::read_exact(&mut &*client, &mut first).unwrap();
        assert_eq!(&first, b"HTTP/1.1 200");
    }
    let more = resident_bytes().saturating_sub(before);
    assert!(more < BYTES_MAX, "{CLIENTS} clients that read nothing took {more} bytes");
}
