//! What keeps a server from starting or a command from using the store: said with place and remedy, and nothing lost.

mod support;

use rustix::process::{Signal, geteuid};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;
use support::*;

/// `nobody`, who has nothing to do with any store here.
const NOBODY: u32 = 65_534;

/// A `serve` that must not start, and what it says.
fn refused(place: &Place, arguments: &[&str]) -> Said {
    let mut child = place.command(&[SERVE, arguments].concat()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    assert!(
        within(Duration::from_secs(10), || child.try_wait().unwrap().is_some()) || child.kill().is_err(),
        "it started: {arguments:?}, {:?}",
        std::fs::read_to_string(place.path().join("strowger.toml"))
    );
    let code = child.wait().unwrap().code();
    let said = Said { code, out: rest_of(child.stdout.take()), err: rest_of(child.stderr.take()) };
    assert_eq!(said.out, "", "it said it was ready: {said:?}");
    said
}

#[test]
fn a_wrong_configuration_stops_every_command_with_file_line_and_remedy() {
    for (text, line, what) in [
        ("agi = \"127.0.0.1:4573\"\nansewr_budget_ms = 5\n", 2, "unknown key ansewr_budget_ms"),
        ("agi = \"127.0.0.1:4573\"\nansewr_budget_ms = 5\n", 2, "did you mean answer_budget_ms?"),
        ("[[tenant]]\nid = \"a\"\n\n[dial]\ntrnk = \"x\"\n", 5, "did you mean trunk?"),
        ("\n\nsessions_max = 0\n", 3, "sessions_max = 0 is not between 1 and 1000000"),
        ("agi = \"localhost:4573\"\n", 1, "is no address; write host and port in numbers"),
        ("[[tenant]]\nid = \"a\"\ncountry = \"XX\"\n", 3, "is no country"),
        ("[[tenant]]\nid = \"a\"\nfallback = \"dial:${X}\"\n", 3, "fallback"),
        ("agi = [\n", 1, ""),
    ] {
        let place = Place::new(text);
        let file = place.path().join("strowger.toml").display().to_string();
        for said in [refused(&place, &[]), place.run(&["check"]), place.run(&["contact", "ls"]), place.run(&["status"])] {
            assert_eq!(said.code, Some(2), "{text}: {said:?}");
            assert!(said.err.contains(&format!("{file}:{line}: ")) && said.err.contains(what), "{text}: {}", said.err);
        }
        assert!(!place.data().exists(), "{text}: it went on all the same");
    }
    let place = Place::new("");
    let missing = Command::new(env!("CARGO_BIN_EXE_strowger")).args(["--config", "/nonexistent/strowger.toml", "check"]).output().unwrap();
    assert_eq!(missing.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&missing.stderr).contains("/nonexistent/strowger.toml: can't be read"));
    for (arguments, what) in
        [(["--answer-budget-ms", "0"], "between 1 and 10000"), (["--sessions-max", "0"], "between 1 and"), (["--log", "???=="], "log =")]
    {
        let said = refused(&place, &arguments);
        assert!(said.code == Some(2) && said.err.contains(what), "{said:?}");
    }
}

#[test]
fn check_prints_switches_without_their_secrets_and_warns_of_an_open_secret_file() {
    let place = Place::new("");
    let secret = place.path().join("esl-secret");
    std::fs::write(&secret, "pa55phrase\n").unwrap();
    std::fs::set_permissions(&secret, std::os::unix::fs::PermissionsExt::from_mode(0o644)).unwrap();
    let text = format!(
        "[events]\njournal_days = 30\n[[switch]]\nname = \"pbx\"\nkind = \"asterisk\"\naddress = \"127.0.0.1\"\nuser = \"strowger\"\n\
         secret = \"s3cret\"\nevents = [\"user\"]\n[[switch]]\nname = \"fs\"\nkind = \"freeswitch\"\naddress = \"fs.example\"\nsecret_file = {:?}\n",
        secret.display().to_string()
    );
    std::fs::write(place.path().join("strowger.toml"), text).unwrap();
    let (text, json) = (place.done(&["check"]).out, place.done(&["check", "--json"]).json());
    for said in ["127.0.0.1:5038 as strowger", "fs.example:8021", "further events: user", "events.journal_days", "&& chmod 640"] {
        assert!(text.contains(said), "{said}: {text}");
    }
    assert!(!text.contains("s3cret") && !text.contains("pa55phrase") && !json.to_string().contains("s3cret"));
    assert_eq!((&json["switches"][0]["address"], &json["events"]["journal_days"]), (&"127.0.0.1:5038".into(), &30.into()));
}

#[test]
fn check_prints_the_configuration_as_understood() {
    let place = Place::new(&format!("answer_budget_ms = 50\n{TENANTS}"));
    let text = place.done(&["check"]).out;
    assert!(text.contains("answer_budget_ms") && text.contains("50") && text.contains("tenant acme"), "{text}");
    let json = place.done(&["check", "--json"]).json();
    assert_eq!(
        (&json["answer_budget_ms"], &json["tenants"][0]["id"], &json["tenants"][0]["country"]),
        (&50.into(), &"acme".into(), &"DE".into())
    );
    assert!(!place.data().exists(), "looking leaves no trace");
    // without a country numbers can't be read in every spelling: said aloud
    let place = Place::new("");
    assert!(place.done(&["check"]).out.contains("tenant default has no country"));
}

#[test]
fn an_environment_variable_beats_the_file_and_a_flag_beats_both() {
    let place = Place::new("answer_budget_ms = 50\n");
    let budget = |variable: Option<&str>| {
        let mut command = place.command(&["check", "--json"]);
        if let Some(file) = variable {
            command.env("STROWGER_DATA", file).env("STATE_DIRECTORY", "/state");
        }
        let json: serde_json::Value = serde_json::from_slice(&command.output().unwrap().stdout).unwrap();
        json["data"].as_str().unwrap().to_owned()
    };
    assert_eq!(budget(Some("/elsewhere")), place.data().display().to_string(), "--data was given");
    let data_of = |variables: &[(&str, &str)]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_strowger"));
        command.env_clear().env("HOME", "/home/ada").envs(variables.iter().copied());
        command.args(["check", "--json", "--config"]).arg(place.path().join("strowger.toml"));
        let json: serde_json::Value = serde_json::from_slice(&command.output().unwrap().stdout).unwrap();
        (json["data"].as_str().unwrap().to_owned(), json["admin"].as_str().unwrap().to_owned())
    };
    let pair = |a: &str, b: &str| (a.to_owned(), b.to_owned());
    assert_eq!(data_of(&[]), pair("/home/ada/.local/share/strowger", "/home/ada/.local/share/strowger/strowger.sock"));
    assert_eq!(data_of(&[("STATE_DIRECTORY", "/var/lib/strowger")]), pair("/var/lib/strowger", "/var/lib/strowger/strowger.sock"));
    assert_eq!(data_of(&[("STATE_DIRECTORY", "/a"), ("STROWGER_DATA", "/b")]), pair("/b", "/b/strowger.sock"));
    assert_eq!(data_of(&[("STROWGER_DATA", "/b"), ("STROWGER_ADMIN", "/c.sock")]), pair("/b", "/c.sock"));
}

#[test]
fn a_hang_up_has_the_configuration_read_anew_and_says_what_waits_for_an_upgrade() {
    let place = Place::with_sample(TENANTS);
    let server = place.serve(&[]);
    let hang_up = || server.signal(rustix::process::Signal::HUP);
    let levels = || place.done(&["log"]).out;
    let before = levels();
    place.configure(&format!("log = \"debug\"\nsessions_max = 99\nagi_allow = [\"192.0.2.10\"]\n{TENANTS}"));
    hang_up();
    assert!(within(PLENTY, || place.logged().contains("these hold after strowger upgrade")));
    assert!(place.logged().contains("agi_allow, sessions_max"), "{}", place.logged());
    assert!(levels() != before && levels().contains("debug"), "{}", levels());
    place.configure("sessions_max = 0\n");
    hang_up();
    assert!(within(PLENTY, || place.logged().contains("sessions_max = 0 is not between")), "{}", place.logged());
    place.configure(TENANTS);
    hang_up();
    assert!(within(PLENTY, || levels() == before), "{}", levels());
    assert_eq!(place.done(&["status", "--json"]).json()["pid"].as_u64(), Some(u64::from(server.pid())));
}

#[test]
fn a_port_in_use_is_named_with_what_to_do() {
    let place = Place::with_sample(&format!("agi_allow = [\"192.0.2.10\"]\n{TENANTS}"));
    let other = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = other.local_addr().unwrap().to_string();
    let mut command = place.command(&["serve", "--agi", &address]);
    let said = command.output().unwrap();
    let err = String::from_utf8_lossy(&said.stderr);
    assert_eq!(said.status.code(), Some(2), "{err}");
    assert!(err.contains(&format!("FastAGI can't listen on {address}")) && err.contains("--agi"), "{err}");
    // nothing is left behind: the next start is a good one
    place.serve(&[]);
    let said = place.run(&["serve", "--agi", "192.0.2.1:0"]);
    assert!(said.code == Some(2) && said.err.contains("no such address"), "{said:?}");
    assert_eq!(place.run(&["serve", "--agi", "nonsense"]).code, Some(2));
}

#[test]
fn two_servers_never_share_a_store() {
    let place = Place::with_sample(TENANTS);
    let server = place.serve(&[]);
    let second = refused(&place, &[]);
    assert_eq!(second.code, Some(4), "{second:?}");
    assert!(second.err.contains("in use by another process") && second.err.contains("--data"), "{second:?}");
    // with another admin socket it is still the same store, for a command too
    let elsewhere = place.path().join("other.sock").display().to_string();
    assert_eq!(refused(&place, &["--admin", &elsewhere]).code, Some(4));
    let said = place.run(&["--admin", &elsewhere, "contact", "set", "x", "--name", "X", "--number", "101"]);
    assert!(said.code == Some(4) && said.err.contains("in use"), "{said:?}");
    // the first one never noticed
    assert_eq!(ask(server.agi, DID, SCHOOL).get("STATUS"), "found");
    place.done(&["name", SCHOOL]);
    // another store, and the first one's admin socket
    let other = Place::new(TENANTS);
    let taken = refused(&other, &["--admin", &server.admin.display().to_string()]);
    assert!(taken.code == Some(2) && taken.err.contains("already listens"), "{taken:?}");
    place.done(&["status"]);
}

#[test]
fn a_store_that_can_not_be_written_is_named_with_what_to_do() {
    let place = Place::new(TENANTS);
    // a file stands where the directory should be, which stops root too
    std::fs::write(place.data(), "").unwrap();
    let set = ["contact", "set", "x", "--name", "X", "--number", "101"];
    let look = place.run(&["contact", "ls"]);
    assert!(look.code == Some(4) && look.err.contains("--data"), "{look:?}");
    for said in [refused(&place, &[]), place.run(&set)] {
        assert_eq!(said.code, Some(4), "{said:?}");
        assert!(said.err.contains("can't be written") && said.err.contains("--data"), "{said:?}");
    }
    // a directory of somebody else
    std::fs::remove_file(place.data()).unwrap();
    std::fs::create_dir_all(place.data()).unwrap();
    std::fs::set_permissions(place.data(), PermissionsExt::from_mode(0o555)).unwrap();
    let said = as_nobody(&place, &set);
    if let Some(said) = said {
        assert_eq!(said.code, Some(4), "{said:?}");
        assert!(said.err.contains("can't be written") && said.err.contains("--data"), "{said:?}");
    }
}

/// Runs a command as `nobody`; `None` where the tests don't run as root and can't.
fn as_nobody(place: &Place, arguments: &[&str]) -> Option<Said> {
    if !geteuid().is_root() {
        support::skipped("only root can become another user");
        return None;
    }
    std::fs::set_permissions(place.path(), PermissionsExt::from_mode(0o755)).unwrap();
    // the program itself may lie where nobody else may look
    let program = place.path().join("strowger");
    std::fs::copy(env!("CARGO_BIN_EXE_strowger"), &program).unwrap();
    let plain = place.command(arguments);
    let output =
        Command::new(program).env_clear().env("HOME", "/nonexistent").args(plain.get_args()).uid(NOBODY).gid(NOBODY).output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Some(Said { code: output.status.code(), out: text(&output.stdout), err: text(&output.stderr) })
}

#[test]
fn the_store_of_another_user_is_left_alone_by_root_too() {
    let place = Place::with_sample(TENANTS);
    if !geteuid().is_root() {
        support::skipped("only root can give files away");
        return;
    }
    chown_all(&place.data().join("store"), NOBODY);
    for said in [refused(&place, &[]), place.run(&["name", SCHOOL])] {
        assert_eq!(said.code, Some(4), "{said:?}");
        assert!(said.err.contains("belongs to user 65534") && said.err.contains("run this command as the store's owner"), "{said:?}");
    }
    let owners = std::fs::read_dir(place.data().join("store")).unwrap().map(|f| f.unwrap().metadata().unwrap().uid());
    assert!(owners.into_iter().all(|uid| uid == NOBODY), "root left files that the owner can't write");
}

fn chown_all(path: &Path, uid: u32) {
    chown(path, Some(uid), None).unwrap();
    if path.is_dir() {
        std::fs::read_dir(path).unwrap().for_each(|entry| chown_all(&entry.unwrap().path(), uid));
    }
}

#[test]
fn the_admin_socket_is_for_the_stores_owner_and_nobody_else() {
    let place = Place::with_sample(TENANTS);
    let server = place.serve(&[]);
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&server.admin), 0o600);
    assert_eq!(mode(&place.data().join("store")), 0o700);
    std::fs::set_permissions(place.data(), PermissionsExt::from_mode(0o755)).unwrap();
    let edit = ["contact", "set", "school", "--name", "Eve", "--number", SCHOOL];
    let Some(said) = as_nobody(&place, &edit) else { return };
    assert_eq!(said.code, Some(3), "{said:?}");
    // were the socket open to all, the server would still look who it is
    std::fs::set_permissions(&server.admin, PermissionsExt::from_mode(0o666)).unwrap();
    let said = as_nobody(&place, &edit).unwrap();
    assert_eq!(said.code, Some(3), "{said:?}");
    assert_eq!(ask(server.agi, DID, SCHOOL).get("NAME"), "Lincoln School");
    assert!(within(Duration::from_secs(2), || place.logged().contains("an admin connection of another user was refused")));
    place.done(&["name", SCHOOL]);
}

#[test]
fn a_socket_left_by_a_server_that_was_killed_is_replaced() {
    let place = Place::with_sample(TENANTS);
    let mut server = place.serve(&[]);
    server.signal(Signal::KILL);
    assert_eq!(server.ends_within(Duration::from_secs(5)), Some(None));
    assert!(server.admin.exists());
    place.done(&["name", SCHOOL]);
    let server = place.serve(&[]);
    place.done(&["status"]);
    assert_eq!(ask(server.agi, DID, SCHOOL).get("STATUS"), "found");
}

#[test]
fn ready_is_said_when_calls_are_answered_and_not_before() {
    let place = Place::with_sample(TENANTS);
    for _ in 0..10 {
        let server = place.serve(&[]);
        // the very first connection, with no second try
        assert_eq!(ask(server.agi, DID, SCHOOL).short(), ("found", "dial", "matched"));
        assert!(std::os::unix::net::UnixStream::connect(&server.admin).is_ok());
    }
}

#[test]
fn the_sample_is_for_an_empty_store_and_leaves_any_other_alone() {
    let place = Place::new(TENANTS);
    let server = place.serve(&["--sample"]);
    assert_eq!(ask(server.agi, DID, SCHOOL).get("NAME"), "Lincoln School");
    drop(server);
    place.done(&["contact", "set", "school", "--name", "Mine", "--number", SCHOOL]);
    place.done(&["contact", "rm", "grandma"]);
    let server = place.serve(&["--sample"]);
    assert_eq!(ask(server.agi, DID, SCHOOL).get("NAME"), "Mine");
    assert_eq!(place.run(&["contact", "show", "grandma"]).code, Some(1));
}

#[test]
fn an_idle_server_of_a_country_with_many_rules_takes_little_memory() {
    let place = Place::new("[[tenant]]\nid = \"default\"\ncountry = \"DE\"\n");
    let server = place.serve(&[]);
    place.settled();
    // without the program's own file, which is several times as large in this profile as in a release
    let own_kb = memory_kb(server.pid(), "RssAnon");
    assert!(own_kb < 25 * 1024, "{own_kb} kB");
}
