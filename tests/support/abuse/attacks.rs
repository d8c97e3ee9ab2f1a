//! The abuse list, as bytes.

use super::{Attack, Connection, Door, Then};
use crate::support::{DID, SCHOOL, environment};
use std::time::Duration;

/// Connections that say nothing, where descriptors suffice.
const IDLE: usize = 10_000;
/// Connections that drip.
const SLOW: usize = 400;
/// Connections that pour, at one time.
const POURING: usize = 16;

/// All of it but what is put into fields.
pub fn all(descriptors_max: usize) -> Vec<Attack> {
    let attack = |name, attackers, every, connection| Attack { name, once_there: None, attackers, every, connection };
    let now = Some(Duration::ZERO);
    vec![
        attack("connect and close, 2,000 a second", 100, Some(Duration::from_millis(50)), storm),
        attack("connect and close, as fast as it goes", 50, now, storm),
        Attack { once_there: Some("idle connections"), ..attack("idle connections come", IDLE.min(descriptors_max), None, idle) },
        attack("one byte a second", SLOW.min(descriptors_max), Some(Duration::from_millis(100)), slow),
        attack("an endless line", POURING, now, endless_line),
        attack("endless headers", POURING, now, endless_headers),
        attack("huge lengths", POURING, Some(Duration::from_millis(20)), huge_length),
        attack("random bytes", POURING, Some(Duration::from_millis(5)), random),
    ]
}

/// Each door in turn.
fn door(n: u64) -> Door {
    Door::ALL[n as usize % 4]
}

/// What a switch or a client would say there.
pub fn genuine(door: Door) -> Vec<u8> {
    match door {
        Door::Agi => environment(DID, SCHOOL),
        Door::Esl => format!(
            "Content-Type: command/reply\nReply-Text: +OK\nSocket-Mode: static\nControl: full\nEvent-Name: CHANNEL_DATA\n\
             Unique-ID: 6e7e8d9a\nCaller-Caller-ID-Number: {SCHOOL}\nCaller-Destination-Number: {DID}\nCaller-Context: public\n\n"
        )
        .into_bytes(),
        Door::Lookup => b"GET /name?number=%2B14155550101 HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".to_vec(),
        Door::Admin => b"GET /live HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".to_vec(),
    }
}

/// The same without its end.
fn beginning(door: Door) -> Vec<u8> {
    let mut bytes = genuine(door);
    let end = if matches!(door, Door::Lookup | Door::Admin) { 2 } else { 1 };
    bytes.truncate(bytes.len() - end);
    bytes
}

fn storm(n: u64) -> Connection {
    let door = door(n);
    let says = match n / 4 % 4 {
        0 | 1 => Vec::new(),
        2 => beginning(door)[..10].to_vec(),
        _ => genuine(door),
    };
    Connection { door, says, then: if n.is_multiple_of(3) { Then::Reset } else { Then::Close } }
}

/// Most at the doors where switches come in, some at the others.
fn idle(n: u64) -> Connection {
    let door = match n % 20 {
        0..10 => Door::Agi,
        10..16 => Door::Esl,
        16..19 => Door::Lookup,
        _ => Door::Admin,
    };
    Connection { door, says: Vec::new(), then: Then::Hold }
}

fn slow(n: u64) -> Connection {
    Connection { door: door(n), says: genuine(door(n)), then: Then::Drip }
}

fn endless_line(n: u64) -> Connection {
    let door = door(n);
    let says: &[u8] = match door {
        Door::Agi => b"agi_network: ",
        Door::Esl => b"Content-Type: ",
        Door::Lookup => b"GET /name?number=",
        Door::Admin => b"GET /api/v1/contacts?search=",
    };
    Connection { door, says: says.to_vec(), then: Then::Pour(vec![b'7'; 16 * 1024]) }
}

fn endless_headers(n: u64) -> Connection {
    let door = door(n);
    let line = match door {
        Door::Agi => "agi_arg_1: x\n",
        Door::Esl => "variable_x: y\n",
        Door::Lookup | Door::Admin => "X-More: y\r\n",
    };
    Connection { door, says: beginning(door), then: Then::Pour(line.repeat(1000).into_bytes()) }
}

/// Lengths that no machine has, that are negative, that overflow, that contradict each other, and one that is only large.
fn huge_length(n: u64) -> Connection {
    let door = door(n);
    let length = ["18446744073709551615", "99999999999999999999999", "-1", "4294967296", "1073741824", "0x7fffffff"][n as usize / 4 % 6];
    let says = match door {
        // no length is written there but that of what is dialled
        Door::Agi => format!("agi_network: yes\nagi_network_script: route?to={}\n", "7".repeat(5000)),
        Door::Esl => format!("Content-Type: command/reply\nReply-Text: +OK\nContent-Length: {length}\n\n"),
        Door::Lookup if (n / 4).is_multiple_of(2) => {
            "POST /xml HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n".to_owned()
        }
        Door::Lookup => format!(
            "POST /xml HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: {length}\r\n\r\n"
        ),
        Door::Admin if (n / 4).is_multiple_of(2) => format!(
            "POST /api/v1/contacts:batch HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n["
        ),
        Door::Admin => format!(
            "PUT /api/v1/contacts/x HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: 5\r\n\
             Content-Length: {length}\r\n\r\n"
        ),
    };
    Connection { door, says: says.into_bytes(), then: Then::Pour(vec![b'a'; 16 * 1024]) }
}

fn random(n: u64) -> Connection {
    let door = door(n);
    // xorshift: the same bytes in every run
    let mut state = (n + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    let length = next() as usize % 20_000;
    let mut says = if n % 8 < 4 { beginning(door) } else { Vec::new() };
    says.extend((0..length).map(|_| next() as u8));
    Connection { door, says, then: Then::Hold }
}
