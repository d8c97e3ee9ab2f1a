//! `monitor` speaks to monitoring systems as their plugins do.

mod support;

use support::Place;

#[test]
fn a_server_that_answers_is_ok_and_one_that_does_not_is_critical() {
    let place = Place::with_sample("");
    let said = place.run(&["monitor"]);
    assert_eq!(said.code, Some(2), "{said:?}");
    assert!(said.out.starts_with("STROWGER CRITICAL - ") && said.out.lines().count() == 1, "{said:?}");
    let _server = place.serve(&[]);
    place.settled();
    // a busy machine may take its time
    let said = place.run(&["monitor", "--warn-ms", "4000", "--critical-ms", "5000"]);
    assert_eq!(said.code, Some(0), "{said:?}");
    assert!(said.out.starts_with("STROWGER OK - version ") && said.out.contains(" | answer="), "{said:?}");
    assert!(said.out.contains(" contacts=3 "), "{said:?}");
    let said = place.run(&["monitor", "--warn-ms", "0", "--critical-ms", "5000"]);
    assert_eq!(said.code, Some(1), "{said:?}");
    assert!(said.out.starts_with("STROWGER WARNING - a question took "), "{said:?}");
}

#[test]
fn a_switch_that_is_not_heard_is_a_warning() {
    let place = Place::new("[[switch]]\nname = \"pbx\"\nkind = \"asterisk\"\naddress = \"127.0.0.1:1\"\nuser = \"u\"\nsecret = \"s\"\n");
    let _server = place.serve(&[]);
    place.settled();
    assert!(support::within(std::time::Duration::from_secs(20), || {
        let said = place.run(&["monitor", "--warn-ms", "4000", "--critical-ms", "5000"]);
        said.code == Some(1) && said.out.contains("the switch pbx isn't heard: ")
    }));
}

/// Status and body of a GET at the admin HTTP.
fn got(at: std::net::SocketAddr, path: &str, token: &str) -> (u16, String) {
    use std::io::{Read, Write};
    let mut stream = std::net::TcpStream::connect(at).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nAuthorization: Bearer {token}\r\n\r\n").unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    (text[9..12].parse().unwrap(), text)
}

#[test]
fn a_server_says_without_a_token_that_it_lives_and_is_ready_and_with_one_how_long_answers_took() {
    let place = Place::with_sample("");
    let server = place.serve(&[]);
    place.settled();
    assert_eq!((got(server.http, "/live", "").0, got(server.http, "/ready", "").0), (200, 200));
    let agi = server.agi.to_string();
    place.done(&["call", "--agi", &agi, "--to", "+14155550199", "--from", "+14155550101"]);
    let token = place.done(&["token", "add", "prometheus", "--scope", "metrics:read"]).out;
    let token = token.split_whitespace().last().unwrap().to_owned();
    let answered = "strowger_call_answer_seconds_count{switch=\"asterisk\",request=\"route\",outcome=\"found\"} 1";
    assert!(support::within(std::time::Duration::from_secs(5), || got(server.http, "/metrics", &token).1.contains(answered)));
    let (_, metrics) = got(server.http, "/metrics", &token);
    for line in
        ["strowger_snapshot_stands 1", "strowger_call_answer_budget_seconds 0.1", "strowger_call_caps_hit_total{cap=\"sessions\"} 0"]
    {
        assert!(metrics.lines().any(|there| there == line), "{line} isn't in {metrics}");
    }
}

/// Where the small disk is mounted, in the process that sees it.
const SMALL_DISK: &str = "STROWGER_TEST_SMALL_DISK";

#[test]
fn a_disk_that_is_full_is_told_to_everybody_who_asks_until_there_is_room() {
    let dir = tempfile::tempdir().unwrap();
    let script =
        format!("mount -t tmpfs -o size=80m none \"${SMALL_DISK}\" && echo mounted && TMPDIR=${SMALL_DISK} exec \"$0\" \"$@\" 2>&1");
    let output = std::process::Command::new("unshare")
        .args(["-Urm", "sh", "-c", &script])
        .arg(std::env::current_exe().unwrap())
        .args(["on_the_small_disk_of_another_test", "--exact", "--nocapture"])
        .env(SMALL_DISK, dir.path())
        .output();
    let text = |output: &std::process::Output| String::from_utf8_lossy(&output.stdout).into_owned();
    match output {
        Ok(output) if text(&output).contains("mounted") => {
            assert!(output.status.success() && text(&output).contains("all was told"), "{}", text(&output));
        }
        other => support::skipped(&format!(
            "a small file system can't be mounted ({other:?}); that the status tells of a full disk is looked at by the tests in \
             src/store/tests/full.rs"
        )),
    }
}

#[test]
fn on_the_small_disk_of_another_test() {
    let Some(disk) = std::env::var_os(SMALL_DISK) else { return };
    let place = Place::with_sample("");
    let server = place.serve(&[]);
    place.settled();
    let token = place.done(&["token", "add", "prometheus", "--scope", "metrics:read"]).out;
    let token = token.split_whitespace().last().unwrap().to_owned();
    let told = |is_full: bool| {
        let monitored = place.run(&["monitor", "--warn-ms", "4000", "--critical-ms", "5000"]);
        assert_eq!(monitored.code, Some(if is_full { 2 } else { 0 }), "{monitored:?}");
        assert_eq!(monitored.out.contains("edits are refused: the disk of the store"), is_full, "{monitored:?}");
        let (ready, said) = got(server.http, "/ready", "");
        assert_eq!((ready, said.contains("the store refuses edits")), (if is_full { 503 } else { 200 }, is_full), "{said}");
        let metrics = got(server.http, "/metrics", &token).1;
        assert!(metrics.contains(&format!("strowger_store_failed {}\n", u8::from(is_full))), "{metrics}");
        let examined = place.run(&["doctor"]);
        assert_eq!(examined.out.contains("BAD     store: edits are refused: the disk of the store"), is_full, "{examined:?}");
        assert_eq!(examined.out.contains("takes edits"), !is_full, "{examined:?}");
        let edited = place.run(&["contact", "set", "new", "--name", "New", "--number", "+14155550123"]);
        assert_eq!(edited.code == Some(0), !is_full, "{edited:?}");
    };
    told(false);
    let ballast = std::path::Path::new(&disk).join("ballast");
    let stat = rustix::fs::statvfs(disk.as_os_str()).unwrap();
    let left = 20 << 20;
    std::fs::write(&ballast, vec![1; usize::try_from(stat.f_bavail * stat.f_frsize - left).unwrap()]).unwrap();
    told(true);
    // nobody has to restart anything
    std::fs::remove_file(&ballast).unwrap();
    told(false);
    println!("all was told");
}
