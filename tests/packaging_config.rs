//! The example configurations of the package name the keys that there are, no more and no fewer.

use std::collections::BTreeSet;
use strowger::config::{Config, Overrides};

const MINIMAL: &str = include_str!("../packaging/config/strowger.toml");
const FULL: &str = include_str!("../packaging/config/strowger-full.toml");

fn load(text: &str) -> Result<Config, String> {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), text).unwrap();
    Config::load(Overrides { config: Some(file.path().into()), ..Overrides::default() }).map_err(|e| e.to_string())
}

/// What stands behind a "#" without a blank is a setting.
fn uncommented(text: &str) -> String {
    let setting = |line: &str| match line.strip_prefix('#') {
        Some(rest) if !rest.starts_with(' ') => rest.to_owned(),
        _ => line.to_owned(),
    };
    text.lines().map(|line| setting(line) + "\n").collect()
}

#[test]
fn the_examples_load_as_they_are_and_with_every_comment_taken_away() {
    for (name, text) in [("minimal", MINIMAL), ("full", FULL)] {
        load(text).unwrap_or_else(|e| panic!("{name}: {e}"));
        load(&uncommented(text)).unwrap_or_else(|e| panic!("{name}, uncommented: {e}"));
    }
}

#[test]
fn the_full_example_shows_the_defaults_as_they_are() {
    let (with, without) = (load(&uncommented(FULL)).unwrap(), load("").unwrap());
    assert_eq!((with.agi, with.esl, with.lookup_http, with.http), (without.agi, without.esl, without.lookup_http, without.http));
    assert_eq!((with.answer_budget, with.sessions_max, &with.log), (without.answer_budget, without.sessions_max, &without.log));
    assert_eq!(with.events, without.events);
    let (with, without) = (&with.tenants["default"], &without.tenants["default"]);
    assert_eq!((&with.features, &with.permissions), (&without.features, &without.permissions));
    assert_eq!(with.asterisk.extension.to_string(), without.asterisk.extension.to_string());
    assert_eq!(with.asterisk.number.to_string(), without.asterisk.number.to_string());
}

/// The keys that a table may have: the program says so itself when it finds one that it doesn't know.
fn keys_of(table: &str) -> BTreeSet<String> {
    let header = match table {
        "" => String::new(),
        "switch" | "tenant" => format!("[[{table}]]\n"),
        _ if table.starts_with("tenant.") => format!("[[tenant]]\nid = \"default\"\n[{table}]\n"),
        _ => format!("[{table}]\n"),
    };
    let error = load(&format!("{header}zzzzzzzzzz = 1\n")).expect_err("nobody knows zzzzzzzzzz");
    let said = error.split("expected one of ").nth(1).unwrap_or_else(|| panic!("{table:?}: {error}"));
    said.split(", ").map(|key| key.split(';').next().unwrap_or_default().trim().to_owned()).collect()
}

/// The keys that the example has in a table.
fn keys_in(table: &str) -> BTreeSet<String> {
    let (mut at, mut keys) = (String::new(), BTreeSet::new());
    for line in uncommented(FULL).lines() {
        if let Some(header) = line.strip_prefix('[') {
            at = header.trim_matches(['[', ']']).to_owned();
        } else if let Some((key, _)) = line.split_once(" = ")
            && !line.starts_with('#')
            && at == table
        {
            keys.insert(key.to_owned());
        }
    }
    keys
}

#[test]
fn the_full_example_has_every_key() {
    // tables inside a table are keys of it, and stand under headers of their own
    let tables =
        ["", "dial", "dial.asterisk", "dial.freeswitch", "tenant", "tenant.features", "tenant.features.asterisk", "switch", "events"];
    for table in tables {
        let nested: &[&str] = match table {
            "" => &["dial", "tenant", "switch", "events"],
            "dial" | "tenant.features" => &["asterisk", "freeswitch"],
            "tenant" => &["features"],
            _ => &[],
        };
        let known: BTreeSet<String> = keys_of(table).into_iter().filter(|key| !nested.contains(&key.as_str())).collect();
        assert_eq!(keys_in(table), known, "[{table}]");
    }
}
