//! `doctor` finds what goes wrong at real sites, with a remedy for each.

mod support;

use std::os::unix::fs::{PermissionsExt, chown};
use support::{Place, skipped};

/// `nobody`, who stands for the service's user.
const NOBODY: u32 = 65_534;

#[test]
fn what_is_wrong_is_named_with_its_file_and_a_remedy() {
    let place = Place::new(
        "[[tenant]]\nid = \"default\"\ncountry = \"DE\"\n[[switch]]\nname = \"pbx\"\nkind = \"asterisk\"\naddress = \"127.0.0.1:1\"\nuser = \"strowger\"\nsecret = \"s\"\n",
    );
    let dir = place.path().join("etc");
    std::fs::create_dir_all(dir.join("asterisk")).unwrap();
    std::fs::create_dir_all(dir.join("freeswitch/autoload_configs")).unwrap();
    std::fs::write(dir.join("asterisk/manager.conf"), "[general]\nenabled = yes\nbindaddr = 127.0.0.1\n[strowger]\nsecret = 0123456789abcdef\nread = call\nwrite = all\nwritetimeout = 5000\n").unwrap();
    std::fs::write(
        dir.join("asterisk/extensions.conf"),
        "[in]\nexten => _X.,1,AGI(agi://127.0.0.1/route)\n same => n,Dial(${STROWGER_TARGET})\n",
    )
    .unwrap();
    let socket = "<configuration><settings><param name=\"listen-ip\" value=\"0.0.0.0\"/><param name=\"apply-inbound-acl\" value=\"0.0.0.0/0\"/><param name=\"password\" value=\"ClueCon\"/></settings></configuration>";
    std::fs::write(dir.join("freeswitch/autoload_configs/event_socket.conf.xml"), socket).unwrap();
    let path = |name: &str| dir.join(name).display().to_string();
    let arguments = ["doctor", "--asterisk", &path("asterisk"), "--freeswitch", &path("freeswitch")];
    let said = place.run(&arguments);
    assert_eq!(said.code, Some(1), "{said:?}");
    for what in [
        "manager.conf: [strowger] may not read system\n        -> read = system,call under [strowger]",
        "extensions.conf: line 2: nothing looks at STROWGER_STATUS",
        "BAD     PLACE/freeswitch/autoload_configs/event_socket.conf.xml: the password is the one that everybody knows",
        "warning server: ",
    ] {
        let what = what.replace("PLACE", &dir.display().to_string());
        assert!(said.out.contains(&what), "{what}: {said:?}");
    }
    let json = place.run(&[&arguments[..], &["--json"]].concat()).json();
    let bad = json.as_array().unwrap().iter().filter(|f| f["severity"] == "bad").count();
    assert!(bad >= 4, "{json}");
    assert!(json.as_array().unwrap().iter().all(|f| f["severity"] == "fine" || f["remedy"].is_string()), "{json}");
}

#[test]
fn a_place_where_all_is_well_is_well() {
    let place = Place::new("[[tenant]]\nid = \"default\"\ncountry = \"DE\"\n");
    let _server = place.serve(&[]);
    place.settled();
    let said = place.run(&["doctor", "--asterisk", "/nonexistent", "--freeswitch", "/nonexistent"]);
    // what the machine allows isn't the program's to say
    let doubtful: Vec<_> = said.out.lines().filter(|l| l.starts_with("BAD") || l.starts_with("warning")).collect();
    assert!(doubtful.iter().all(|l| l.contains(" machine: ") || l.contains(" MB are free ")), "{said:?}");
    assert!(said.out.contains("ok      store: revision 0, 0 contacts, takes edits"), "{said:?}");
}

#[test]
fn a_secret_file_that_the_services_user_cannot_read_is_bad_and_the_remedy_lets_him() {
    if !rustix::process::geteuid().is_root() {
        return skipped("only root can give files away");
    }
    let place = Place::new("");
    let secret = place.path().join("pbx.secret");
    let text = format!(
        "[[tenant]]\nid = \"default\"\ncountry = \"DE\"\n[[switch]]\nname = \"pbx\"\nkind = \"asterisk\"\naddress = \"127.0.0.1:1\"\n\
         user = \"strowger\"\nsecret_file = {:?}\n",
        secret.display().to_string()
    );
    std::fs::write(place.path().join("strowger.toml"), text).unwrap();
    std::fs::write(&secret, "s3cret\n").unwrap();
    let mode = |mode| std::fs::set_permissions(&secret, PermissionsExt::from_mode(mode)).unwrap();
    std::fs::set_permissions(place.path(), PermissionsExt::from_mode(0o755)).unwrap();
    std::fs::create_dir_all(place.data()).unwrap();
    chown(place.data(), Some(NOBODY), Some(NOBODY)).unwrap();
    let doctor = || {
        let json = place.run(&["doctor", "--asterisk", "/nonexistent", "--freeswitch", "/nonexistent", "--json"]).json();
        let of_the_secret = |f: &&serde_json::Value| f["what"].as_str().is_some_and(|what| what.contains("pbx.secret"));
        json.as_array().unwrap().iter().filter(of_the_secret).cloned().collect::<Vec<_>>()
    };
    // one that everybody reads, and one that nobody but root does: the same command mends both
    for (before, severity) in [(0o644, "warning"), (0o600, "bad")] {
        chown(&secret, Some(0), Some(0)).unwrap();
        mode(before);
        let found = doctor();
        assert!(found.len() == 1 && found[0]["severity"] == severity, "{before:o}: {found:?}");
        let remedy = found[0]["remedy"].as_str().unwrap();
        assert!(std::process::Command::new("/bin/sh").args(["-c", remedy]).status().unwrap().success(), "{remedy}");
        assert_eq!(doctor(), Vec::<serde_json::Value>::new(), "after {remedy}");
    }
}
