//! A port that systemd has, and a configuration that moves it to another address: what is said of it, at a start and at an upgrade.

#[path = "support/doors.rs"]
mod doors;
mod support;

use doors::asked_at;
use std::process::{Command, Stdio};
use support::{Place, Running, Said};

/// Plays the service manager for one start: binds the sockets, writes their ports where the configuration names them, and becomes
/// the program.
const PASSING: &str = r#"
import os, socket, sys
config, *program = sys.argv[1:]
listeners = []
for n in range(3):
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen(1024)
    listeners.append(listener)
with open(config) as file:
    text = file.read()
for name, listener in zip(("AGI", "ESL", "HTTP"), listeners):
    text = text.replace(name, str(listener.getsockname()[1]))
with open(config, "w") as file:
    file.write(text)
for n, l in enumerate(listeners):
    os.dup2(l.fileno(), 100 + n)
for n in range(3):
    os.dup2(100 + n, 3 + n, inheritable=True)
os.environ.update(LISTEN_FDS="3", LISTEN_PID=str(os.getpid()))
os.execv(program[0], program)
"#;

/// `serve` at a place, with sockets that a service manager has bound at 127.0.0.1 and keeps.
fn passed_to(place: &Place) -> Command {
    let plain = place.command(&["serve"]);
    let mut command = Command::new("python3");
    command.args(["-c", PASSING]).arg(place.path().join("strowger.toml")).arg(plain.get_program()).args(plain.get_args());
    command.env("HOME", place.path()).stdin(Stdio::null());
    command
}

fn listening(agi: &str, esl: &str, lookup_http: &str) -> String {
    let allow = "agi_allow = [\"192.0.2.1\"]\nesl_allow = [\"192.0.2.1\"]\nlookup_http_allow = [\"192.0.2.1\"]\n";
    format!("http = \"127.0.0.1:0\"\nagi = \"{agi}:AGI\"\nesl = \"{esl}:ESL\"\nlookup_http = \"{lookup_http}:HTTP\"\n{allow}")
}

/// What has to be said of a socket of the service manager's, in the words of the configuration.
fn says_how_to_move(said: &Said, configuration: &str, door: &str) {
    let value = |key: &str| {
        let line = configuration.lines().find_map(|line| line.strip_prefix(&format!("{key} = "))).expect(key);
        line.trim_matches('"').to_owned()
    };
    let here = format!("127.0.0.1:{}", value(door).rsplit_once(':').expect("a port").1);
    let mut wanted = vec![
        format!("systemd's strowger.socket listens on {here}, "),
        "systemctl edit strowger.socket, write [Socket] and below it, on a line each, ListenStream= (empty".to_owned(),
        "then systemctl daemon-reload and systemctl restart strowger.socket".to_owned(),
    ];
    let addresses = ["agi", "esl", "lookup_http"].map(value).into_iter().filter(|address| !address.ends_with(":0"));
    wanted.extend(addresses.map(|address| format!("ListenStream={address}, ")));
    for wanted in wanted {
        assert!(said.err.contains(&wanted), "{wanted:?} isn't in {}", said.err);
    }
    for wrong in ["127.0.0.1:0", "another program", "restart instead of upgrading"] {
        assert!(!said.err.contains(wrong), "{}", said.err);
    }
}

#[test]
fn a_socket_of_the_service_managers_that_is_to_listen_more_widely_is_said_to_be_its_own() {
    let here = "127.0.0.1";
    let mut wider = vec![("agi", ["0.0.0.0", here, here]), ("esl", [here, "0.0.0.0", here]), ("lookup_http", [here, here, "0.0.0.0"])];
    match std::net::TcpListener::bind("[::]:0") {
        Ok(_) => wider.extend([("agi", ["[::]", here, here]), ("esl", [here, "[::]", here]), ("lookup_http", [here, here, "[::]"])]),
        Err(error) => support::skipped(&format!("[::]: this machine has no IPv6 ({error}); IPv4 was looked at")),
    }
    for (door, [agi, esl, lookup_http]) in wider {
        let place = Place::new(&listening(agi, esl, lookup_http));
        let said = Said::of(passed_to(&place).output().expect("python3 runs"));
        assert_eq!((said.code, said.out.as_str()), (Some(2), ""), "{said:?}");
        let configuration = std::fs::read_to_string(place.path().join("strowger.toml")).expect("it is there");
        says_how_to_move(&said, &configuration, door);
    }
}

#[test]
fn an_upgrade_that_would_widen_a_socket_of_the_service_managers_says_what_a_restart_would_not_do() {
    let here = "127.0.0.1";
    // one door's socket is the server's own
    for own in [false, true] {
        let configuration = listening(here, here, here);
        let place = Place::new(&if own { configuration.replace(":ESL", ":0") } else { configuration });
        let server = Running::start(passed_to(&place));
        place.settled();
        let configuration = std::fs::read_to_string(place.path().join("strowger.toml")).expect("it is there");
        let widened = configuration.replace("\nagi = \"127.0.0.1:", "\nagi = \"0.0.0.0:");
        assert_ne!(widened, configuration);
        place.configure(&widened);
        let said = place.run(&["upgrade"]);
        assert!(said.code.is_some_and(|code| code != 0), "{said:?}");
        says_how_to_move(&said, &widened, "agi");
        asked_at(0, &[server.agi.port()]).expect("the server goes on");
        // what was passed, and stayed as it was, still passes
        place.configure(&configuration);
        let _next = Ended(place.done(&["upgrade", "--json"]).json()["pid"].as_u64().expect("another process"));
        asked_at(0, &[server.agi.port()]).expect("the next one answers");
        // it knows yet whose the sockets are
        place.configure(&widened);
        says_how_to_move(&place.run(&["upgrade"]), &widened, "agi");
    }
}

/// A process that is ended with the test that made it.
struct Ended(u64);

impl Drop for Ended {
    fn drop(&mut self) {
        let _ = Command::new("kill").arg(self.0.to_string()).status();
    }
}

#[test]
fn an_upgrade_that_would_widen_a_socket_that_nobody_keeps_needs_a_restart() {
    let configuration = |agi: &str| {
        let others = "esl = \"127.0.0.1:0\"\nlookup_http = \"127.0.0.1:0\"\nhttp = \"127.0.0.1:0\"\n";
        format!("agi = \"{agi}\"\nagi_allow = [\"192.0.2.1\"]\n{others}")
    };
    let place = Place::new(&configuration("127.0.0.1:0"));
    let server = Running::start(place.command(&["serve"]));
    place.settled();
    place.configure(&configuration(&format!("0.0.0.0:{}", server.agi.port())));
    let said = place.run(&["upgrade"]);
    assert!(said.err.contains("restart instead of upgrading") && !said.err.contains("systemd"), "{said:?}");
}
