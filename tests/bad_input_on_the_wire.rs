//! Whatever is written to the FastAGI port: the one who writes it is answered or closed, soon and without cost, and a
//! call that behaves is answered beside it as if it were alone.

mod support;

use proptest::prelude::*;
use std::io::Write;
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::{Duration, Instant};
use support::*;

/// A tenant with a fallback, to see that a caller who can't be understood gets it.
const WITH_FALLBACK: &str = "[[tenant]]\nid = \"default\"\ncountry = \"US\"\nfallback = \"voicemail:500\"\n";

fn served() -> (Place, Running) {
    let place = Place::with_sample(WITH_FALLBACK);
    let server = place.serve(&[]);
    // what is asked of the disk before may be late on a busy machine, and that is no matter of bad input
    place.settled();
    (place, server)
}

fn was_refused(answer: &Answer) -> bool {
    answer.short() == ("error", "voicemail", "malformed") && answer.get("TARGET") == "500"
}

/// The lines of a genuine environment, without the blank one.
fn lines() -> Vec<String> {
    String::from_utf8(environment(DID, SCHOOL)).unwrap().trim_end().split('\n').map(str::to_owned).collect()
}

fn block(lines: &[String]) -> Vec<u8> {
    format!("{}\n\n", lines.join("\n")).into_bytes()
}

#[test]
fn an_environment_in_another_order_with_keys_twice_or_without_some_is_refused_at_once() {
    let (_place, server) = served();
    let neighbour = Neighbour::of(server.agi);
    let genuine = lines();
    assert_eq!(say_and_close(server.agi, &block(&genuine)).get("STATUS"), "found", "the genuine one, to compare with");
    let mut blocks: Vec<(String, Vec<u8>)> = Vec::new();
    for n in 0..genuine.len() {
        let (mut twice, mut without) = (genuine.clone(), genuine.clone());
        twice.insert(n, genuine[n].clone());
        without.remove(n);
        blocks.push((format!("{} twice", genuine[n]), block(&twice)));
        // the one line that Asterisk itself leaves out
        if !genuine[n].starts_with("agi_network_script") {
            blocks.push((format!("without {}", genuine[n]), block(&without)));
        }
        if n > 0 {
            let mut swapped = genuine.clone();
            swapped.swap(n - 1, n);
            blocks.push((format!("{} too early", genuine[n]), block(&swapped)));
        }
    }
    let with = |line: &str| block(&[genuine.clone(), vec![line.to_owned()]].concat());
    for line in ["agi_arg_2: x", "agi_arg_01: x", "agi_arg_1 : x", "agi_color: red", "AGI_ARG_1: x", "200 result=0", "HANGUP"] {
        blocks.push((line.to_owned(), with(line)));
    }
    let arguments: Vec<String> = (1..=33).map(|n| format!("agi_arg_{n}: to={DID}")).collect();
    blocks.push(("33 arguments".into(), block(&[genuine.clone(), arguments].concat())));
    let long: Vec<String> = (1..=6).map(|n| format!("agi_arg_{n}: to={}", "7".repeat(3000))).collect();
    blocks.push(("18 kB in six arguments".into(), block(&[genuine.clone(), long].concat())));
    let began = Instant::now();
    for (what, bytes) in &blocks {
        assert!(was_refused(&say_and_close(server.agi, bytes)), "{what}");
    }
    // far less than what is waited for an environment that may still become one
    assert!(began.elapsed() < Duration::from_millis(500) * blocks.len() as u32, "{:?}", began.elapsed());
    neighbour.was_served();
}

/// Writes bytes and says that nothing follows but reading.
fn say_and_close(agi: SocketAddr, bytes: &[u8]) -> Answer {
    let mut stream = connect(agi);
    let _ = stream.write_all(bytes);
    let line = hear_out_politely(&mut stream);
    Answer::of_bytes(&line)
}

/// Reads the answer as a switch does: the reply to a command goes back at once.
fn hear_out_politely(stream: &mut TcpStream) -> Vec<u8> {
    let line = hear_line(stream);
    let _ = stream.write_all(b"200 result=0\n");
    [line, hear_out(stream).0].concat()
}

#[test]
fn a_forged_end_of_the_environment_is_seen_by_what_follows_it() {
    let (_place, server) = served();
    let neighbour = Neighbour::of(server.agi);
    // a caller's `%0A%0A` behind lines that he forged in order: the genuine rest comes behind
    let forged = [block(&lines()), lines()[9..].join("\n").into_bytes(), b"\n\n".to_vec()].concat();
    assert!(was_refused(&say(server.agi, &forged)));
    let forged = environment(DID, "1\nagi_calleridname: Mum\nagi_callingpres: 0");
    assert!(was_refused(&say(server.agi, &forged)));
    let carriage_return = environment(DID, "1\r\nagi_calleridname: Mum");
    assert!(was_refused(&say(server.agi, &carriage_return)));
    // the caller's hang-up is no forgery
    let mut stream = connect(server.agi);
    stream.write_all(&[block(&lines()), b"HANGUP\n".to_vec()].concat()).unwrap();
    assert_eq!(Answer::of_bytes(&hear_out_politely(&mut stream)).short(), ("found", "dial", "matched"));
    neighbour.was_served();
}

#[test]
fn who_never_finishes_is_told_so_after_two_seconds_and_closed() {
    let (_place, server) = served();
    let neighbour = Neighbour::of(server.agi);
    let genuine = block(&lines());
    let beginnings: [&[u8]; 5] = [b"", b"agi_netw", b"agi_network: yes\n", &genuine[..genuine.len() / 2], &genuine[..genuine.len() - 1]];
    let mut streams: Vec<_> = beginnings
        .iter()
        .map(|bytes| {
            let mut stream = connect(server.agi);
            stream.write_all(bytes).unwrap();
            stream
        })
        .collect();
    let began = Instant::now();
    for (stream, bytes) in streams.iter_mut().zip(beginnings) {
        let (heard, _) = hear_out(stream);
        assert!(was_refused(&Answer::of_bytes(&heard)), "{} bytes", bytes.len());
    }
    let took = began.elapsed();
    assert!((Duration::from_millis(1500)..Duration::from_secs(6)).contains(&took), "{took:?}");
    neighbour.was_served();
}

#[test]
fn a_line_of_100_megabytes_costs_the_server_no_memory() {
    let (_place, server) = served();
    let neighbour = Neighbour::of(server.agi);
    let before = memory_kb(server.pid(), "VmHWM");
    let beginnings: [(&str, Vec<u8>); 3] = [
        ("a value", format!("{}\nagi_callerid: ", lines()[..8].join("\n")).into_bytes()),
        ("a key", b"agi_network".to_vec()),
        ("an argument", format!("{}\nagi_arg_1: to=", lines().join("\n")).into_bytes()),
    ];
    for (what, beginning) in beginnings {
        let mut stream = connect(server.agi);
        stream.write_all(&beginning).unwrap();
        let piece = vec![b'7'; 1 << 20];
        // the server closes long before the end
        let written = (0..100).take_while(|_| stream.write_all(&piece).is_ok()).count();
        let (heard, _) = hear_out(&mut stream);
        assert!(written < 100, "{what}: the server read all of it");
        assert!(was_refused(&Answer::of_bytes(&heard)), "{what}");
    }
    let grown = memory_kb(server.pid(), "VmHWM").saturating_sub(before);
    assert!(grown < 16_000, "{grown} kB more at the peak");
    neighbour.was_served();
}

#[test]
fn what_is_no_fastagi_at_all_is_refused_at_its_first_line() {
    let (_place, server) = served();
    let neighbour = Neighbour::of(server.agi);
    let nul_in_value = {
        let mut bytes = environment(DID, "+1415555x101");
        let at = bytes.iter().position(|b| *b == b'x').unwrap();
        bytes[at] = 0;
        bytes
    };
    for (what, bytes) in [
        ("HTTP", b"GET /route HTTP/1.1\r\nHost: 127.0.0.1:4573\r\n\r\n".to_vec()),
        ("HTTP that waits", b"POST / HTTP/1.1\r\n".to_vec()),
        ("TLS", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03".to_vec()),
        ("SSH", b"SSH-2.0-OpenSSH_9.9\r\n".to_vec()),
        ("SIP", b"OPTIONS sip:100@127.0.0.1 SIP/2.0\r\n".to_vec()),
        ("FreeSWITCH", b"connect\n\n".to_vec()),
        ("one NUL", b"\0".to_vec()),
        ("NULs", vec![0; 1000]),
        ("a NUL in a number", nul_in_value),
        ("a blank line", b"\n".to_vec()),
        ("blank lines", vec![b'\n'; 100_000]),
        ("0xff", vec![0xff; 10_000]),
    ] {
        let began = Instant::now();
        assert!(was_refused(&say(server.agi, &bytes)), "{what}");
        assert!(began.elapsed() < Duration::from_millis(1500), "{what}: {:?}", began.elapsed());
    }
    neighbour.was_served();
}

#[test]
fn a_call_whose_bytes_come_one_at_a_time_is_answered_like_any_other() {
    let (_place, server) = served();
    let neighbour = Neighbour::of(server.agi);
    let mut stream = connect(server.agi);
    for byte in block(&lines()) {
        stream.write_all(&[byte]).unwrap();
        std::thread::sleep(Duration::from_micros(200));
    }
    let line = hear_line(&mut stream);
    for byte in b"200 result=0\n" {
        stream.write_all(&[*byte]).unwrap();
        std::thread::sleep(Duration::from_millis(5));
    }
    let answer = Answer::of_bytes(&[line, hear_out(&mut stream).0].concat());
    assert_eq!((answer.short(), answer.get("NAME")), (("found", "dial", "matched"), "Lincoln School"));
    neighbour.was_served();
}

#[test]
fn ten_thousand_connections_that_say_nothing_are_gone_in_seconds_and_hold_up_no_call() {
    let (place, server) = served();
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile);
    let most = limit.maximum.unwrap_or(u64::MAX).min(20_000);
    let _ = rustix::process::setrlimit(rustix::process::Resource::Nofile, rustix::process::Rlimit { current: Some(most), ..limit });
    // a machine that allows fewer descriptors sees as many as it can
    let count = (most as usize).saturating_sub(1_000).min(10_000);
    let before = descriptors(server.pid());
    let neighbour = Neighbour::of(server.agi);
    let idle: Vec<TcpStream> = (0..count).map(|_| TcpStream::connect(server.agi).unwrap()).collect();
    let held = descriptors(server.pid());
    assert!(held > before + 100, "{held} descriptors: the connections never were there");
    assert!(within(Duration::from_secs(15), || descriptors(server.pid()) < before + 20), "{} descriptors left", descriptors(server.pid()));
    let calls = neighbour.calls();
    assert!(calls.found > 10 && calls.other.is_empty() && calls.slowest < Duration::from_secs(5), "{calls:?}");
    // all of them were let in and none was forgotten
    let sessions = || place.done(&["status", "--json"]).json()["sessions"].as_u64().unwrap();
    assert!(within(Duration::from_secs(10), || sessions() == 0), "{} sessions", sessions());
    drop(idle);
}

#[test]
fn a_storm_of_connections_that_close_at_once_leaves_nothing_behind() {
    let (place, server) = served();
    let before = descriptors(server.pid());
    let neighbour = Neighbour::of(server.agi);
    for n in 0..4_000 {
        let mut stream = TcpStream::connect(server.agi).unwrap();
        match n % 4 {
            0 => {}
            // a reset instead of a good-bye
            1 => socket2::SockRef::from(&stream).set_linger(Some(Duration::ZERO)).unwrap(),
            2 => drop(stream.write_all(b"agi_network: yes\n")),
            _ => drop(stream.write_all(&block(&lines()))),
        }
    }
    assert!(within(Duration::from_secs(10), || descriptors(server.pid()) < before + 20), "{} descriptors", descriptors(server.pid()));
    neighbour.was_served();
    // some may have stood in the kernel's queue until now
    let look = || place.done(&["status", "--json"]).json();
    assert!(within(Duration::from_secs(10), || look()["sessions"] == 0), "{}", look());
    let status = look();
    let gone: u64 = status["endings"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|e| e[0].as_str().unwrap().starts_with("gone"))
        .map(|e| e[1].as_u64().unwrap())
        .sum();
    assert!(gone >= 2_000, "{status}");
}

/// Lines as a genuine block has them, and as it hasn't.
fn odd_block() -> impl Strategy<Value = Vec<u8>> {
    let whole = block(&lines());
    let length = whole.len();
    prop_oneof![
        proptest::collection::vec(any::<u8>(), 0..3000),
        // one byte of a genuine block is another
        (0..length, any::<u8>()).prop_map({
            let whole = whole.clone();
            move |(at, byte)| {
                let mut bytes = whole.clone();
                bytes[at] = byte;
                bytes
            }
        }),
        // something is put in
        (0..length, proptest::collection::vec(any::<u8>(), 1..40)).prop_map(move |(at, more)| [&whole[..at], &more, &whole[at..]].concat()),
    ]
}

#[test]
fn random_bytes_are_answered_or_closed_and_never_kept_waiting() {
    let (place, server) = served();
    let neighbour = Neighbour::of(server.agi);
    let agi = server.agi;
    let mut runner =
        proptest::test_runner::TestRunner::new(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() });
    let outcome = runner.run(&odd_block(), |bytes| {
        let mut stream = connect(agi);
        let _ = stream.write_all(&bytes);
        let _ = stream.shutdown(Shutdown::Write);
        let (heard, took) = hear_out(&mut stream);
        prop_assert!(took < Duration::from_secs(3), "{took:?}");
        if !heard.is_empty() {
            let answer = Answer::of_bytes(&heard);
            prop_assert!(["found", "unknown", "error"].contains(&answer.get("STATUS")), "{answer:?}");
        }
        Ok(())
    });
    outcome.unwrap();
    neighbour.was_served();
    let log = place.logged();
    assert!(!log.contains("panicked"), "{log}");
}
