//! Users with SIP credentials, from the command line to the switch's directory, and that no secret is anywhere but where
//! it has to be.

mod support;

use std::io::{Read, Write};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::{Command, Stdio};
use strowger::clock::SystemClock;
use strowger::routing::DirectoryQuestion;
use strowger::store::Store;
use support::*;

/// What must not be found again.
const PASSWORD: &str = "Tr0ub4dor&3 ünlösbar";
/// MD5 of `101:pbx.example:` and the password, as md5sum(1) says.
const HASH: &str = "803b1e3fda4edef8849c1102c2077b14";

fn said(place: &Place, arguments: &[&str], input: impl AsRef<[u8]>) -> Said {
    let mut command = place.command(arguments);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    // a command that refuses without reading closes the pipe
    let _ = child.stdin.take().unwrap().write_all(input.as_ref());
    Said::of(child.wait_with_output().unwrap())
}

fn set(place: &Place, more: &[&str], input: impl AsRef<[u8]>) -> Said {
    said(place, &[&["user", "set", "101", "--domain", "pbx.example", "--password-stdin"], more].concat(), input)
}

/// Which of the needles is in a file below a directory.
fn find_in_files(dir: &Path, needles: &[&[u8]]) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(find_in_files(&path, needles));
        } else if let Ok(bytes) = std::fs::read(&path) {
            let holds = |needle: &&&[u8]| bytes.windows(needle.len()).any(|w| w == **needle);
            found.extend(needles.iter().filter(holds).map(|n| format!("{}: {}", path.display(), String::from_utf8_lossy(n))));
        }
    }
    found
}

#[test]
fn a_user_is_set_shown_listed_and_removed_with_and_without_a_server() {
    for with_server in [false, true] {
        let place = Place::new(TENANTS);
        let _server = with_server.then(|| place.serve(&[]));
        let added = set(&place, &["--name", "Küche Süd", "--context", "family"], format!("{PASSWORD}\n"));
        assert_eq!((added.code, added.out.as_str()), (Some(0), "user 101@pbx.example added (revision 1)\n"), "{added:?}");
        // the end of the line doesn't count, nor does the case of the domain
        let again = said(
            &place,
            &["user", "set", "101", "--domain", "PBX.Example", "--password-stdin", "--name", "Küche Süd", "--context", "family"],
            format!("{PASSWORD}\r\n"),
        );
        assert!(again.out.contains("was so already (revision 1)"), "{again:?}");
        let replaced = set(&place, &[], "another");
        assert!(replaced.out.contains("replaced (revision 2)"), "{replaced:?}");
        let hash = ["user", "set", "102", "--domain", "192.0.2.7", "--a1-hash"];
        assert_eq!(said(&place, &[&hash[..], &[HASH]].concat(), "").code, Some(0));
        assert!(said(&place, &[&hash[..], &["-"]].concat(), HASH.to_uppercase()).out.contains("was so already"));

        let shown = place.done(&["user", "show", "101", "--domain", "pbx.example"]);
        assert_eq!(shown.out, "extension  101\ndomain     pbx.example\na1-hash    set\nrevision   2\n");
        let view = place.done(&["user", "show", "102", "--domain", "192.0.2.7", "--json"]).json();
        assert_eq!(view, serde_json::json!({"extension": "102", "domain": "192.0.2.7", "a1_hash": "set", "revision": 3}));
        assert_eq!(place.done(&["user", "ls"]).out, "102@192.0.2.7\n101@pbx.example\n");
        assert_eq!(place.done(&["user", "ls", "--domain", "PBX.example"]).out, "101@pbx.example\n");
        assert_eq!(place.done(&["user", "ls", "--json"]).json().as_array().map(Vec::len), Some(2));
        // another tenant's are another's
        assert_eq!(place.done(&["--tenant", "acme", "user", "ls"]).out, "");
        assert_eq!(place.run(&["--tenant", "acme", "user", "show", "101", "--domain", "pbx.example"]).code, Some(1));

        assert!(place.done(&["user", "rm", "101", "--domain", "pbx.example"]).out.contains("removed (revision 4)"));
        let gone = place.run(&["user", "rm", "101", "--domain", "pbx.example"]);
        assert_eq!((gone.code, gone.err.as_str()), (Some(1), "strowger: there is no user 101@pbx.example\n"));
        assert_eq!(place.run(&["user", "show", "101", "--domain", "pbx.example"]).code, Some(1));
    }
}

#[test]
fn more_users_than_a_page_holds_are_all_listed() {
    let place = Place::new(TENANTS);
    let server = place.in_process(strowger::daemon::Options::default(), |_| {});
    let user = |n: usize| -> strowger::control::Request {
        let user = serde_json::json!({"extension": n.to_string(), "domain": "pbx", "a1_hash": HASH});
        serde_json::from_value(serde_json::json!({"do": "user-set", "tenant": "default", "user": user})).unwrap()
    };
    server.fill((10_000..11_001).map(user));
    drop(server);
    let all = place.done(&["user", "ls"]).out;
    assert_eq!(all.lines().count(), 1001);
    assert_eq!((all.lines().next(), all.lines().last()), (Some("10000@pbx"), Some("11000@pbx")));
}

#[test]
fn nobody_s_telephone_is_an_emergency_number() {
    let place = Place::new(TENANTS);
    let input = format!("{PASSWORD}\n");
    let set = said(&place, &["user", "set", "112", "--domain", "pbx.example", "--password-stdin"], input.as_bytes());
    assert_eq!(set.code, Some(2), "{set:?}");
    assert!(set.err.contains("112 is an emergency number here and can't be an extension"), "{set:?}");
    assert_eq!(place.done(&["user", "ls"]).out, "");
    assert!(said(&place, &["user", "set", "1121", "--domain", "pbx.example", "--password-stdin"], input.as_bytes()).code == Some(0));
}

#[test]
fn what_is_wrong_with_a_user_is_said_and_nothing_is_stored() {
    let place = Place::new(TENANTS);
    let pw = format!("{PASSWORD}\n");
    let long = format!("{}\n", "ü".repeat(65));
    let cases: &[(&[&str], &[u8], &str)] = &[
        (&["101", "--domain", "pbx", "--password-stdin"], b"", "standard input has no password"),
        (&["101", "--domain", "pbx", "--password-stdin"], b"\nsecond line\n", "standard input has no password"),
        (&["101", "--domain", "pbx", "--password-stdin"], long.as_bytes(), "longer than 128 bytes"),
        (&["101", "--domain", "pbx", "--password-stdin"], b"a\tb\n", "control character"),
        (&["101", "--domain", "pbx", "--password-stdin"], b"M\xfcller\n", "isn't UTF-8"),
        (&["1 1", "--domain", "pbx", "--password-stdin"], pw.as_bytes(), "the extension \"1 1\" can't be used"),
        (&["101", "--domain", "pbx:5060", "--password-stdin"], pw.as_bytes(), "the domain \"pbx:5060\" can't be used"),
        (&["101", "--domain", "pbx", "--password-stdin", "--context", "a b"], pw.as_bytes(), "the context \"a b\" can't be used"),
        (&["101", "--domain", "pbx", "--password-stdin", "--name", &"x".repeat(257)], pw.as_bytes(), "257 bytes"),
        (&["101", "--domain", "pbx", "--a1-hash", PASSWORD], b"", "32 hexadecimal digits"),
        (&["101", "--domain", "pbx", "--a1-hash", "-"], pw.as_bytes(), "32 hexadecimal digits"),
        (&["101", "--domain", "pbx"], pw.as_bytes(), "--password-stdin"),
        (&["101", "--domain", "pbx", "--password-stdin", "--a1-hash", HASH], pw.as_bytes(), "cannot be used with"),
        (&["101", "--password-stdin"], pw.as_bytes(), "--domain"),
        (&["101", "--domain", "pbx", "--password", PASSWORD], b"", "unexpected argument"),
    ];
    for (arguments, input, wrong) in cases {
        let said = said(&place, &[&["user", "set"], *arguments].concat(), input);
        assert_eq!(said.code, Some(2), "{arguments:?}: {said:?}");
        assert!(said.err.contains(wrong) && said.out.is_empty(), "{arguments:?}: {said:?}");
        assert!(!said.err.contains(HASH) && !said.err.contains("Tr0ub4dor"), "{said:?}");
    }
    assert_eq!(place.run(&["--tenant", "acm", "user", "ls"]).code, Some(4), "a refused edit made a store");
    assert_eq!(set(&place, &["--tenant", "acm"], &pw).code, Some(2));
}

#[test]
fn a_terminal_is_not_asked_for_a_password_that_it_would_show() {
    if !Path::new("/usr/bin/script").exists() {
        return skipped("there is no script(1) to make a terminal");
    }
    let place = Place::new(TENANTS);
    let command = place.command(&["user", "set", "101", "--domain", "pbx", "--password-stdin"]);
    let words = std::iter::once(command.get_program()).chain(command.get_args()).map(|w| w.to_str().unwrap().to_owned());
    let line = words.collect::<Vec<_>>().join(" ");
    let output = Command::new("script").args(["-qec", &line, "/dev/null"]).stdin(Stdio::null()).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(output.status.code(), Some(2), "{text}");
    assert!(text.contains("standard input is a terminal") && text.contains("| strowger user set"), "{text}");
}

#[test]
fn the_password_never_goes_through_the_admin_socket() {
    let place = Place::new(TENANTS);
    let socket = place.path().join("fake.sock");
    let listener = UnixListener::bind(&socket).unwrap();
    let heard = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut length = [0; 4];
        stream.read_exact(&mut length).unwrap();
        let mut frame = vec![0; u32::from_be_bytes(length) as usize];
        stream.read_exact(&mut frame).unwrap();
        String::from_utf8(frame).unwrap()
    });
    let said = set(&place, &["--admin", &socket.display().to_string()], PASSWORD);
    let heard = heard.join().unwrap();
    assert!(heard.contains(HASH) && !heard.contains("Tr0ub4dor"), "{heard}");
    assert_eq!(said.code, Some(3), "{said:?}");
    assert!(!said.err.contains(HASH) && !said.err.contains("Tr0ub4dor"), "{said:?}");
}

#[test]
fn no_secret_is_anywhere_but_in_the_store_and_in_what_the_switch_is_told() {
    let place = Place::new(TENANTS);
    let raw = bytes_of(HASH);
    let needles: &[&[u8]] = &[PASSWORD.as_bytes(), b"Tr0ub4dor", HASH.as_bytes(), HASH.to_uppercase().leak().as_bytes()];
    let mut all = String::new();
    let mut hear = |said: Said| {
        assert_eq!(said.code, Some(0), "{said:?}");
        all.push_str(&said.out);
        all.push_str(&said.err);
    };
    {
        let mut server = place.serve(&["--log", "trace"]);
        hear(set(&place, &["--name", "Ada"], PASSWORD));
        hear(set(&place, &["--name", "Ada L"], PASSWORD));
        hear(set(&place, &["--json"], PASSWORD));
        for json in [&["--json"][..], &[]] {
            hear(place.run(&[&["user", "show", "101", "--domain", "pbx.example"], json].concat()));
            hear(place.run(&[&["user", "ls"], json].concat()));
            hear(place.run(&[&["status"], json].concat()));
        }
        // so that the log is written to its end
        server.signal(rustix::process::Signal::TERM);
        assert_eq!(server.ends_within(std::time::Duration::from_secs(8)), Some(Some(0)));
    }
    assert!(!place.logged().is_empty(), "the server logged nothing at all");
    assert_eq!(find_in_files(place.path(), needles), Vec::<String>::new());
    // the one place where the hash is, in its bytes: it can be found, so the search above looks at the right files
    assert!(!find_in_files(&place.data(), &[&raw]).is_empty());
    for needle in needles {
        assert!(!all.contains(std::str::from_utf8(needle).unwrap()), "{all}");
    }

    let (store, writer) = Store::open(&place.data().join("store"), std::sync::Arc::new(SystemClock)).unwrap();
    let writer = std::thread::spawn(move || writer.with_snapshot().run());
    assert!(within(std::time::Duration::from_secs(10), || store.snapshot_stands()));
    let changes: Vec<_> = store.changes(0).map(|c| c.unwrap()).collect();
    let shown = format!("{changes:?} {:?}", store.user("default", "pbx.example", "101").unwrap());
    let bytes = raw.iter().map(u8::to_string).collect::<Vec<_>>().join(", ");
    assert!(shown.contains("A1Hash(set)") && !shown.contains(HASH) && !shown.contains(&bytes), "{shown}");
    let form = |action: &'static str| {
        let pairs = [("section", "directory"), ("tag_name", "domain"), ("key_name", "name"), ("key_value", "pbx.example")];
        let asked = pairs.into_iter().chain([("action", action), ("key", "id"), ("user", "101"), ("domain", "pbx.example")]);
        store.in_snapshot("default", |data| DirectoryQuestion::from_form(asked).answer(data)).unwrap().unwrap()
    };
    assert!(form("sip_auth").contains(&format!("<param name=\"a1-hash\" value=\"{HASH}\"/>")));
    assert_eq!(form("user_call"), form("sip_auth"));
    store.close();
    drop(store);
    writer.join().unwrap();
}

fn bytes_of(hex: &str) -> Vec<u8> {
    (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
}
