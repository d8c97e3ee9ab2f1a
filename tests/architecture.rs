//! The floors of ARCHITECTURE.md, read from the source: imports go down only, and what there is none of isn't there.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use strowger::routing::Request;
use strowger::routing::render::VARIABLES;

/// Which module may name which, from the ground up. A module that isn't here may not exist.
const ALLOWED: &[(&str, &[&str], &str)] = &[
    ("stats", &[], "counters know nothing"),
    ("clock", &[], "nor does the time"),
    ("nearest", &[], "nor does a suggestion"),
    ("span", &[], "nor does a span of time"),
    ("peers", &[], "ground: who may come in at a port"),
    ("terminal", &[], "ground: what a terminal would act upon"),
    ("expansion", &[], "what FreeSWITCH does with text, for its wire and its documents"),
    ("logbook", &["nearest"], "ground: which planes log how much, for whoever sets it and whoever writes"),
    ("wire", &["expansion"], "bytes and messages: no number, no clock, no domain"),
    ("number", &["nearest"], "what a number is depends on nobody"),
    ("directory", &["nearest", "number", "terminal"], "contacts are known by their numbers"),
    ("hints", &[], "a table of atomics; whoever reads it says what is an extension"),
    (
        "routing",
        &["directory", "expansion", "hints", "nearest", "number", "span"],
        "decisions ask traits for data and for the moment, and so know no store; ids and names are made like the directory's",
    ),
    ("plan", &["directory", "nearest", "number", "routing"], "a plan as people write it; no disk, no socket"),
    ("memory", &["clock", "hints", "number", "routing"], "tables of atomics: what decisions leave behind and glance at"),
    ("cti", &["stats"], "words for what happens to calls, and the feed they are told by; no switch, no socket"),
    ("decided", &["number", "routing", "stats"], "what calls tell of their decisions"),
    ("wish", &["number", "routing"], "what calls wish to be changed, and whoever grants it: neither plane knows the other"),
    ("access", &["nearest"], "who may ask over HTTP: by which name, with which token"),
    ("telemetry", &["stats"], "what calls tell of their steps: whoever exports them is no business of theirs"),
    ("store", &["access", "clock", "number", "directory", "routing"], "keeps contacts and routes, and answers routing's questions"),
    ("journal", &["clock", "cti", "store"], "keeps finished calls; its own database, opened by the same engine"),
    (
        "call",
        &["access", "clock", "stats", "nearest", "number", "peers", "routing", "memory", "decided", "wish", "telemetry", "store", "wire"],
        "live calls; never control, never event",
    ),
    (
        "event",
        &["stats", "clock", "cti", "decided", "hints", "journal", "memory", "number", "routing", "store", "wire"],
        "what switches say of calls; never call, never control",
    ),
    (
        "control",
        &["logbook", "access", "cti", "memory", "nearest", "number", "peers", "directory", "plan", "routing", "wish", "store", "journal"],
        "administrators and CTI clients; never call, never event",
    ),
    ("play", &["wire"], "the switch's side over a socket; knows no server"),
    ("config", &["logbook", "nearest", "number", "peers", "routing", "wire"], "tenants, templates, fallbacks and switches are configured"),
    (
        "daemon",
        &[
            "logbook",
            "clock",
            "cti",
            "decided",
            "memory",
            "routing",
            "wish",
            "telemetry",
            "store",
            "journal",
            "call",
            "event",
            "control",
            "config",
        ],
        "puts the planes together, and hands both the tenants",
    ),
    (
        "cli",
        &[
            "logbook",
            "access",
            "clock",
            "cti",
            "nearest",
            "number",
            "directory",
            "plan",
            "routing",
            "span",
            "terminal",
            "store",
            "journal",
            "call",
            "control",
            "play",
            "config",
            "daemon",
        ],
        "the top: every verb's part",
    ),
];

/// The longest file, in lines.
const LINES_MAX: usize = 500;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Every Rust file below a directory.
fn rust_files(dir: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(rust_files(&path));
        } else if path.extension().is_some_and(|e| e == "rs") {
            files.push(path);
        }
    }
    files.sort();
    files
}

/// A file of src: its path from there, its module on the top level, and its text without comments and tests.
struct Source {
    path: String,
    module: String,
    code: String,
}

fn sources() -> Vec<Source> {
    let src = root().join("src");
    let source = |file: PathBuf| {
        let path = file.strip_prefix(&src).unwrap().display().to_string();
        let module = path.split('/').next().unwrap().trim_end_matches(".rs").to_owned();
        let name = file.file_name().unwrap().to_str().unwrap();
        let test = name == "tests.rs" || name.ends_with("_tests.rs") || path.contains("/tests/");
        Source { code: if test { String::new() } else { without_tests(&std::fs::read_to_string(&file).unwrap()) }, module, path }
    };
    let sources: Vec<Source> = rust_files(&src).into_iter().map(source).collect();
    assert!(sources.len() > 40, "the source isn't where it was");
    sources
}

/// The text without comment lines and without the module of tests that ends a file.
fn without_tests(text: &str) -> String {
    let mut code = String::new();
    for line in text.lines() {
        if line == "mod tests {" {
            break;
        }
        if !line.trim_start().starts_with("//") {
            code.push_str(line);
            code.push('\n');
        }
    }
    code
}

/// The words that follow `crate::`, those in braces too.
fn named_modules(code: &str) -> BTreeSet<String> {
    let mut named = BTreeSet::new();
    for rest in code.split("crate::").skip(1) {
        let word = |text: &str| text.trim().chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect::<String>();
        match rest.strip_prefix('{') {
            Some(group) => {
                let (mut depth, mut part) = (0, String::new());
                for c in group.chars() {
                    match c {
                        '{' => depth += 1,
                        '}' if depth == 0 => break,
                        '}' => depth -= 1,
                        ',' if depth == 0 => drop(named.insert(word(&std::mem::take(&mut part)))),
                        c => part.push(c),
                    }
                }
                named.insert(word(&part));
            }
            None => drop(named.insert(word(rest))),
        }
    }
    named.remove("");
    named
}

/// Where files other than the excepted ones say one of the words.
fn who_says(words: &[&str], except: impl Fn(&Source) -> bool) -> Vec<String> {
    let mut found = Vec::new();
    for source in sources().iter().filter(|s| !except(s)) {
        for line in source.code.lines().filter(|l| words.iter().any(|w| l.contains(w))) {
            found.push(format!("{}: {}", source.path, line.trim()));
        }
    }
    found
}

const NOBODY: Vec<String> = Vec::new();

#[test]
fn imports_go_down_only() {
    let allowed: BTreeMap<&str, &[&str]> = ALLOWED.iter().map(|(module, below, _)| (*module, *below)).collect();
    let mut used: BTreeSet<(String, String)> = BTreeSet::new();
    for source in sources().iter().filter(|s| !matches!(s.path.as_str(), "lib.rs" | "main.rs")) {
        let below =
            allowed.get(source.module.as_str()).unwrap_or_else(|| panic!("{} stands on no floor; give it one in ALLOWED", source.path));
        for named in named_modules(&source.code).into_iter().filter(|n| *n != source.module) {
            assert!(below.contains(&named.as_str()), "{} names crate::{named}, which {} may not", source.path, source.module);
            used.insert((source.module.clone(), named));
        }
    }
    for (module, below, _) in ALLOWED {
        let place = |name: &str| ALLOWED.iter().position(|(m, ..)| *m == name).unwrap_or_else(|| panic!("{name} is no module"));
        for named in *below {
            assert!(place(named) < place(module), "{module} stands below {named}, and may not name it");
            assert!(
                used.contains(&((*module).to_owned(), (*named).to_owned())),
                "{module} no longer names {named}: take it out of ALLOWED"
            );
        }
    }
    // nothing gets around the list by a path of its own
    assert_eq!(who_says(&["use strowger::", "extern crate"], |s| s.path == "main.rs"), NOBODY);
    let upwards = |s: &Source| s.path.matches('/').count() > 1;
    assert_eq!(who_says(&["super::super::"], upwards), NOBODY, "two floors up is another module: say crate::");
}

#[test]
fn calls_events_and_administrators_never_meet() {
    for (module, other) in [
        ("call", "event"),
        ("event", "call"),
        ("call", "control"),
        ("control", "call"),
        ("event", "control"),
        ("control", "event"),
        ("call", "cti"),
        ("call", "journal"),
        ("call", "daemon"),
        ("wire", "routing"),
        ("routing", "store"),
        ("play", "call"),
    ] {
        let named = sources().iter().filter(|s| s.module == module).any(|s| named_modules(&s.code).contains(other));
        assert!(!named, "{module} names {other}");
    }
}

/// Threads of normal priority share no lock with threads behind them, which may be interrupted while they hold one.
#[test]
fn no_lock_stands_between_calls_or_sockets_and_what_is_behind_them() {
    let of_normal_priority = |s: &Source| {
        matches!(s.module.as_str(), "call" | "decided" | "hints" | "memory" | "stats" | "clock" | "wish" | "telemetry")
            || s.path.starts_with("event/source/")
    };
    assert!(sources().iter().filter(|s| of_normal_priority(s)).count() > 15, "the source isn't where it was");
    let words = ["Mutex", "RwLock", "Condvar", "sync_channel", "blocking_send"];
    assert_eq!(who_says(&words, |s| !of_normal_priority(s)), NOBODY);
}

#[test]
fn only_one_file_names_sled() {
    assert_eq!(who_says(&["sled::", "sled;", "use sled"], |s| s.path == "store/engine.rs"), NOBODY);
    // what blocks every reader in the process, or can hang, is used by nobody at all
    assert_eq!(who_says(&["sled::Batch", "apply_batch", ".transaction(", "flush_async", "TransactionalTree"], |_| false), NOBODY);
}

#[test]
fn only_the_daemon_starts_threads() {
    // play is a client's tool that paces its load by one thread, and whose switches that flood have threads of their own
    let may = |s: &Source| s.module == "daemon" || matches!(s.path.as_str(), "play/load.rs" | "play/flood/mod.rs");
    assert_eq!(who_says(&["thread::spawn", "thread::Builder", "Builder::new().name", "thread::scope", "rayon::"], may), NOBODY);
}

#[test]
fn only_the_command_line_prints() {
    let words = ["println!", "eprintln!", "print!(", "eprint!(", "dbg!", "stdout()"];
    assert_eq!(who_says(&words, |s| s.module == "cli"), NOBODY);
    assert_eq!(who_says(&["stderr()"], |s| s.module == "cli" || s.path.starts_with("daemon/log/")), NOBODY);
    assert_eq!(who_says(&["process::exit"], |s| s.path == "cli/print.rs"), NOBODY);
}

#[test]
fn wire_and_routing_have_no_clock_no_socket_and_no_chance() {
    let words = ["Instant", "SystemTime", "std::net", "tokio::net", "std::fs", "std::env", "rand::", "thread::sleep", "async fn", ".await"];
    assert_eq!(who_says(&words, |s| !matches!(s.module.as_str(), "wire" | "routing" | "number" | "stats")), NOBODY);
    // there is one clock for everything that is stored or decided by it
    assert_eq!(who_says(&["SystemTime::now"], |s| s.path == "clock.rs"), NOBODY);
}

#[test]
fn a_call_has_no_way_to_the_writer() {
    let words = [".edit(", ".bulk(", "Edit::", "Store::open", "Desk"];
    assert_eq!(who_says(&words, |s| s.module != "call"), NOBODY);
}

#[test]
fn nothing_but_tests_unwraps_and_nothing_is_unsafe() {
    assert_eq!(who_says(&[".unwrap()", ".unwrap_err()", "todo!", "unimplemented!"], |_| false), NOBODY);
    assert_eq!(who_says(&["unsafe ", "unsafe{"], |_| false), NOBODY);
    // an `expect` names its invariant
    let mut silent = who_says(&[".expect("], |_| false);
    silent.retain(|line| line.split(".expect(").skip(1).any(|rest| rest.starts_with("\"\"")));
    assert_eq!(silent, NOBODY);
}

/// How long a comparison takes tells nobody how much of a token was right.
#[test]
fn tokens_are_compared_in_one_place_and_in_constant_time() {
    assert_eq!(who_says(&["ct_eq", "ConstantTimeEq", "subtle::"], |s| s.path == "access.rs"), NOBODY);
    let sources = sources();
    let access = &sources.iter().find(|s| s.path == "access.rs").expect("tokens have their file").code;
    // the bytes are nobody's but its own, and `==` is the only way to compare them
    let (before, _) = access.split_once("pub struct TokenDigest([u8; 32]);").expect("the bytes are private");
    let derived = before.lines().next_back().unwrap_or_default();
    assert_eq!(derived, "#[derive(Clone, Copy)]", "an order or a hash of digests would compare them, too");
    let equality = access.split_once("impl PartialEq for TokenDigest {").expect("equality is written out").1;
    let equality: String = equality.split("\n}\n").next().unwrap_or_default().split_whitespace().collect();
    assert_eq!(equality, "fneq(&self,other:&TokenDigest)->bool{self.0.ct_eq(&other.0).into()}");
    assert_eq!(access.matches("ct_eq").count(), 1);
    // what was presented becomes a digest before it is looked at
    assert_eq!(who_says(&["TokenDigest::of("], |s| matches!(s.path.as_str(), "access.rs" | "control/http/keys.rs")), NOBODY);
}

#[test]
fn a_file_fits_in_the_head() {
    let files = rust_files(&root().join("src")).into_iter().chain(rust_files(&root().join("tests")));
    for file in files {
        let lines = std::fs::read_to_string(&file).unwrap().lines().count();
        assert!(lines <= LINES_MAX, "{} has {lines} lines", file.display());
    }
}

#[test]
fn the_dialplan_of_asterisk_is_in_step_with_the_code() {
    let text = std::fs::read_to_string(root().join("dialplan/asterisk/strowger.conf")).unwrap();
    let code: String = text.lines().filter(|line| !line.trim_start().starts_with(';')).map(|line| format!("{line}\n")).collect();
    // all that an answer sets is cleared before the question, so that nothing is left of an earlier one
    let cleared = code.lines().find(|line| line.contains("STROWGER_STATUS=,")).expect("one line clears");
    for name in VARIABLES {
        assert!(
            cleared.contains(&format!("STROWGER_{name}=,")) || cleared.contains(&format!("STROWGER_{name}=)")),
            "STROWGER_{name} isn't cleared"
        );
    }
    // no variable is read that no answer sets; the settings are the administrator's
    // LEG1 and the others hold dial strings of a group's members; they come with the TARGET that names them
    let settings = ["AGENT", "TENANT", "ARGS", "VERSTAT", "CONFIRM", "LEG"];
    for name in code.split("STROWGER_").skip(1) {
        let name: String = name.chars().take_while(|c| c.is_ascii_uppercase()).collect();
        assert!(VARIABLES.contains(&name.as_str()) || settings.contains(&name.as_str()), "STROWGER_{name} is sent by nobody");
    }
    // every request that is asked is one
    let requests: Vec<&str> = code.split("strowger_request)=").skip(1).map(|rest| rest.split([',', ')', '\n']).next().unwrap()).collect();
    assert!(requests.contains(&"route") && requests.contains(&"name"), "{requests:?}");
    for request in requests {
        assert!(Request::from_name(request).is_some_and(|r| r.name() == request), "{request} is no request");
    }
    // every parameter that is sent is understood
    for parameter in ["to=", "from=", "tenant=", "context=", "step=", "status=", "verstat="] {
        assert!(code.contains(&format!(",{parameter}")), "{parameter} isn't sent");
        assert!(strowger::call::PARAMETERS.contains(&parameter.trim_end_matches('=')));
    }
    // every action has its place; `continue` goes back to the dialplan's own default
    let words: BTreeSet<&str> = strowger::routing::ACTION_WORDS.iter().copied().collect();
    for word in words.iter().filter(|w| **w != "continue") {
        assert!(code.contains(&format!("exten => do_{word},1,")), "no place does {word}");
    }
    let done: BTreeSet<&str> = code.split("exten => do_").skip(1).map(|rest| rest.split(',').next().unwrap()).collect();
    assert!(done.iter().all(|word| words.contains(word)), "{done:?}");
}
