use super::super::{Config, ConfigError, Overrides};
use super::*;
use std::os::unix::fs::PermissionsExt;

fn load(text: &str) -> Result<Config, ConfigError> {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), text).unwrap();
    Config::load(Overrides { config: Some(file.path().into()), ..Overrides::default() })
}

const ASTERISK: &str =
    "[[switch]]\nname = \"pbx\"\nkind = \"asterisk\"\naddress = \"pbx.example\"\nuser = \"strowger\"\nsecret = \"s3cret\"\n";

#[test]
fn switches_are_read_with_their_usual_ports_and_the_secret_never_shows() {
    let text = format!(
        "{ASTERISK}events = [\"user\"]\n[[switch]]\nname = \"fs-1\"\nkind = \"freeswitch\"\naddress = \"::1\"\n\
         user = \"esl@pbx.example\"\nsecret_file = \"/run/secret\"\ntenant = \"acme\"\nevents = [\"DTMF\", \"CUSTOM a::b\"]\n\
         [[tenant]]\nid = \"acme\"\n"
    );
    let config = load(&text).unwrap();
    let [pbx, fs] = &config.switches[..] else { panic!("two switches") };
    assert_eq!((pbx.address.as_str(), pbx.tenant.as_str(), pbx.kind), ("pbx.example:5038", "default", SwitchKind::Asterisk));
    assert_eq!((pbx.user.as_deref(), &pbx.secret), (Some("strowger"), &Secret::Text("s3cret".into())));
    assert_eq!((fs.address.as_str(), fs.tenant.as_str(), fs.events.len()), ("[::1]:8021", "acme", 2));
    assert_eq!(fs.secret, Secret::File("/run/secret".into()));
    assert!(!format!("{config:?}").contains("s3cret"));
}

#[test]
fn a_host_may_be_a_name_or_an_address_of_either_kind() {
    for (written, read) in [
        ("a.example:1", "a.example:1"),
        ("127.0.0.1", "127.0.0.1:5038"),
        ("[::1]:9", "[::1]:9"),
        ("[::1]", "[::1]:5038"),
        ("fd00::2", "[fd00::2]:5038"),
    ] {
        let config = load(&ASTERISK.replace("pbx.example", written)).unwrap_or_else(|e| panic!("{written}: {e}"));
        assert_eq!(config.switches[0].address, read);
    }
}

#[test]
fn limits_of_the_event_plane_have_defaults_and_bounds() {
    let default = load("").unwrap().events;
    assert_eq!((default.priority, default.ring_events_max, default.ring_bytes_max), (Priority::Idle, 65_536, 64 << 20));
    assert_eq!((default.calls_max, default.call_hours_max, default.journal_days, default.journal_mb_max), (50_000, 24, 400, 2_000));
    let other = load("[events]\npriority = \"nice\"\njournal_days = 0\ncalls_max = 100\n").unwrap().events;
    assert_eq!((other.priority, other.journal_days, other.calls_max), (Priority::Nice, 0, 100));
}

#[test]
fn what_is_wrong_with_a_switch_is_said_with_line_and_remedy_and_without_its_secret() {
    let with = |from: &str, to: &str| ASTERISK.replace(from, to);
    let freeswitch =
        |from: &str, to: &str| with("asterisk", "freeswitch").replace("user = \"strowger\"", "user = \"a@b\"").replace(from, to);
    for (text, line, what) in [
        (with("\"pbx\"", "\"PBX 1\""), 2, "is not 1 to 32 of a-z"),
        (with("\"pbx\"", "\"PBX1\""), 2, "write it in lower case, \"pbx1\""),
        (with("[[switch]]", "[switch]"), 1, "expected a sequence; write it with two brackets, [[switch]]"),
        (with("name = \"pbx\"\n", ""), 1, "missing key name"),
        (format!("{ASTERISK}events = \"user\"\n"), 7, "expected a sequence; write a list, [\"user\"]"),
        (format!("{ASTERISK}{ASTERISK}"), 8, "twice"),
        (with("\"asterisk\"", "\"asterix\""), 3, "did you mean asterisk?"),
        (with("pbx.example", "pbx example"), 4, "is no host and port"),
        (with("pbx.example", "pbx:0"), 4, "\"127.0.0.1:5038\""),
        (with("pbx.example", "[::1"), 4, "is no host and port"),
        (with("pbx.example", ""), 4, "is no host and port"),
        (with("user = \"strowger\"\n", ""), 2, "section of Asterisk's manager.conf"),
        (with("strowger", "a\\nb"), 5, "is no user"),
        (with("secret = \"s3cret\"\n", ""), 2, "secret_file (or secret) is missing"),
        (with("secret = \"s3cret\"", "secret = \"s3cret\"\nsecret_file = \"/x\""), 6, "leave one out"),
        (with("s3cret", "s3cret\\r\\nAction: Originate"), 6, "is not one line"),
        (with("secret = \"s3cret\"", "secret_file = \"x\""), 6, "isn't written from / on"),
        (format!("{ASTERISK}tenant = \"acme\"\n"), 7, "add [[tenant]] id = \"acme\""),
        (format!("{ASTERISK}events = [\"usr\"]\n"), 7, "did you mean user?"),
        (format!("{ASTERISK}sekret = \"x\"\n"), 7, "did you mean secret?"),
        (format!("{}events = [\"dtmf\"]\n", freeswitch("", "")), 7, "such as \"DTMF\""),
        (format!("{}events = [\"CUSTOM\"]\n", freeswitch("", "")), 7, "and a subclass"),
        (format!("{}events = [\"CUSTOM a b\"]\n", freeswitch("", "")), 7, "conference::maintenance"),
        (freeswitch("a@b", "a"), 5, "is not user@domain"),
        (freeswitch("a@b", "a:x@b"), 5, "is not user@domain"),
        ("[events]\nring_events_max = 1\n".to_owned(), 2, "between 1024 and"),
        ("[events]\njournal_mb_max = 0\n".to_owned(), 2, "between 10 and"),
        ("[events]\npriority = \"high\"\n".to_owned(), 2, "nice"),
        ("[events]\nring_max = 1\n".to_owned(), 2, "unknown key"),
    ] {
        let error = load(&text).expect_err(&text).to_string();
        assert!(error.contains(&format!(":{line}: ")) && error.contains(what), "{text:?} gave {error:?}");
        assert!(!error.contains("s3cret"), "{error}");
    }
}

#[test]
fn a_secret_file_that_others_can_write_or_everybody_can_read_is_warned_of() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let switch = |path: &std::path::Path| {
        let text = ASTERISK.replace("secret = \"s3cret\"", &format!("secret_file = {:?}", path.display().to_string()));
        load(&text).unwrap().switches.remove(0)
    };
    for (mode, warned) in [(0o600, false), (0o640, false), (0o644, true), (0o620, true), (0o602, true)] {
        std::fs::set_permissions(file.path(), std::fs::Permissions::from_mode(mode)).unwrap();
        assert_eq!(switch(file.path()).warnings(&ServiceUser::default()).len(), usize::from(warned), "{mode:o}");
    }
    assert!(switch(std::path::Path::new("/nowhere/secret")).warnings(&ServiceUser::default())[0].contains("can't be read"));
    assert!(load(ASTERISK).unwrap().switches[0].warnings(&ServiceUser::default()).is_empty());
}
