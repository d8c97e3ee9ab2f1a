//! An import that is broken off, at whatever moment and by whatever: all of it or nothing.

mod support;

use rustix::process::{Pid, Signal, kill_process};
use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Stdio};
use std::time::Duration;
use support::*;

const ROWS: usize = 30_000;

fn file_of(place: &Place, round: usize) -> String {
    let rows: String = (0..ROWS).map(|n| format!("r{n},Round {round},+1202{n:07}\n")).collect();
    place.file("many.csv", format!("id,name,number\n{rows}"))
}

/// How many contacts there are, and the round that all of them are of.
fn round_of(place: &Place) -> (usize, String) {
    let text = place.done(&["contact", "ls", "--json"]).out;
    let mut names: Vec<String> =
        text.lines().map(|l| serde_json::from_str::<serde_json::Value>(l).unwrap()["name"].as_str().unwrap().to_owned()).collect();
    let count = names.len();
    names.dedup();
    assert!(names.len() <= 1, "some of one import and some of another: {names:?}");
    (count, names.pop().unwrap_or_default())
}

fn import(place: &Place, file: &str) -> Child {
    place.command(&["contact", "import", file, "--mode", "replace"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

/// Breaks imports off at moments that go from the first to behind the last, by this signal to the command line; how many
/// of them came to nothing.
fn broken_off(place: &Place, signal: Signal, moments_ms: &[u64]) -> usize {
    // a store that is there, and empty
    place.done(&["contact", "set", "x", "--name", "X", "--number", "+12025550100"]);
    place.done(&["contact", "rm", "x"]);
    let mut last = round_of(place);
    let mut nothing = 0;
    for (round, moment) in moments_ms.iter().enumerate() {
        let file = file_of(place, round + 1);
        let child = import(place, &file);
        std::thread::sleep(Duration::from_millis(*moment));
        let _ = kill_process(Pid::from_child(&child), signal);
        let output = child.wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        let now = round_of(place);
        let whole = (ROWS, format!("Round {}", round + 1));
        if output.status.success() {
            assert_eq!(now, whole, "it said that it was done");
        } else {
            assert_eq!(output.status.signal(), Some(signal.as_raw()), "{output:?}");
            if signal == Signal::INT && !said.is_empty() {
                assert!(said.contains("interrupted; nothing was imported"), "{said}");
                assert_eq!(now, last, "it said that nothing was imported");
            }
            assert!(now == last || now == whole, "{moment} ms: {now:?} after {last:?}");
            nothing += usize::from(now == last);
        }
        last = now;
    }
    nothing
}

/// From the command line's first moments to behind its end.
const MOMENTS_MS: [u64; 8] = [0, 30, 150, 400, 900, 1500, 2500, 4000];

#[test]
fn ctrl_c_at_any_moment_leaves_the_directory_as_it_was_and_says_so() {
    let place = Place::new(TENANTS);
    let _server = place.serve(&[]);
    assert!(broken_off(&place, Signal::INT, &MOMENTS_MS) > 0, "none was interrupted in time");
}

#[test]
fn without_a_server_ctrl_c_leaves_the_directory_as_it_was_too() {
    let place = Place::new(TENANTS);
    assert!(broken_off(&place, Signal::INT, &MOMENTS_MS[1..6]) > 0, "none was interrupted in time");
}

#[test]
fn a_command_line_that_is_killed_leaves_all_or_nothing() {
    let (alone, beside) = (Place::new(TENANTS), Place::new(TENANTS));
    let _server = beside.serve(&[]);
    for place in [&alone, &beside] {
        assert!(broken_off(place, Signal::KILL, &MOMENTS_MS[1..6]) > 0, "none was killed in time");
    }
}

#[test]
fn a_server_that_is_killed_leaves_all_or_nothing_and_the_command_line_says_so() {
    let place = Place::new(TENANTS);
    let mut last = (0, String::new());
    for (round, moment) in MOMENTS_MS[2..7].iter().enumerate() {
        let mut server = place.serve(&[]);
        let file = file_of(&place, round + 1);
        let child = import(&place, &file);
        std::thread::sleep(Duration::from_millis(*moment));
        server.signal(Signal::KILL);
        assert!(server.ends_within(Duration::from_secs(5)).is_some());
        let output = child.wait_with_output().unwrap();
        let now = round_of(&place);
        let whole = (ROWS, format!("Round {}", round + 1));
        match output.status.code() {
            Some(0) => assert_eq!(now, whole),
            // the server was gone before it was asked: the command line is its own
            code => assert!(code == Some(3) && (now == last || now == whole), "{code:?}: {now:?} after {last:?}"),
        }
        last = now;
    }
}

#[test]
fn ctrl_c_ends_an_import_that_waits_for_a_pipe_and_a_line_a_second_says_how_far_it_is() {
    let place = Place::with_sample(TENANTS);
    let _server = place.serve(&[]);
    let before = place.done(&["contact", "ls", "--json"]).out;
    let mut child = place
        .command(&["contact", "import", "-", "--source", "crm"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut pipe = child.stdin.take().unwrap();
    let rows: String = (0..20_000).map(|n| format!("Row {n},+1202{n:07}\n")).collect();
    pipe.write_all(format!("name,number\n{rows}").as_bytes()).unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines().map_while(Result::ok);
    let told: Vec<String> = lines.by_ref().filter(|line| line.contains(" rows read, ")).take(2).collect();
    assert_eq!(told.len(), 2, "two lines while it waits");
    kill_process(Pid::from_child(&child), Signal::INT).unwrap();
    let rest: Vec<String> = lines.collect();
    assert_eq!(child.wait().unwrap().signal(), Some(Signal::INT.as_raw()));
    assert!(rest.iter().any(|line| line.contains("interrupted; nothing was imported")), "{rest:?}");
    drop(pipe);
    assert_eq!(place.done(&["contact", "ls", "--json"]).out, before);
}

#[test]
fn of_two_imports_at_once_both_are_there_in_the_end() {
    let place = Place::new(TENANTS);
    let _server = place.serve(&[]);
    let of = |name: &str, area: u32| {
        let rows: String = (0..5000).map(|n| format!("{name} {n},+1{area}{n:07}\n")).collect();
        place.file(&format!("{name}.csv"), format!("name,number\n{rows}"))
    };
    let files = [of("crm", 202), of("ldap", 303)];
    let children: Vec<Child> = files.iter().map(|file| import(&place, file)).collect();
    for child in children {
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "{output:?}");
    }
    assert_eq!(place.done(&["contact", "ls", "--json"]).out.lines().count(), 10_000);
}
