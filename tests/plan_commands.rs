//! The plan on the command line: each noun with and without a server, what is refused, and the whole as one file.

mod support;

use std::io::Write as _;
use support::*;

/// Commands that make one of everything.
const FILL: &[&[&str]] = &[
    &["group", "set", "sales", "--strategy", "hunt", "--member", "extension=201", "--member", "extension=202"],
    &[
        "group",
        "set",
        "family",
        "--timeout",
        "25",
        "--member",
        "extension=101,name=Kitchen",
        "--member",
        "number=+14155550111,name=Mom,confirm,delay=5",
        "--member",
        "group=sales",
    ],
    &[
        "schedule",
        "set",
        "office",
        "--timezone",
        "Europe/Berlin",
        "--code",
        "1",
        "--open",
        "mon-fri 09:00-17:30",
        "--period",
        "lunch mon-fri 12:00-13:00",
        "--holiday",
        "christmas 12-25..12-26",
    ],
    &[
        "route",
        "set",
        "+14155550199",
        "--step",
        "ring:family",
        "--step",
        "voicemail:199",
        "--schedule",
        "office",
        "--when",
        "closed=voicemail:199",
        "--when",
        "closed=hangup",
    ],
    &["route", "set", "--default", "--step", "ring:sales"],
    &["extension", "set", "101", "--name", "Ada", "--forward-busy", "102", "--ring-seconds", "15", "--permissions", "internal,national"],
    &["extension", "set", "101", "--dnd", "on", "--forward-busy", "off"],
    &["trunk", "set", "carrier-a", "--format", "e164", "--rate", "+=0.05", "--rate", "+49=0.01,priority=2,schedule=office", "--emergency"],
    &["limit", "set", "international", "--per-hour", "20", "--concurrent", "2"],
    &["limit", "set", "premium", "--per-hour", "1", "--tenant-wide"],
    &["block", "set", "--country", "FR", "--action", "hangup"],
    &["block", "set", "--class", "premium"],
    &["block", "set", "--verification", "failed", "--action", "challenge:press-1"],
    &["block", "set", "--rate", "10/60"],
    &["allow", "set", "--country", "DE"],
    &["contact", "set", "school", "--name", "Lincoln School", "--number", "+14155550101=office"],
];

fn filled(place: &Place) {
    for command in FILL {
        place.done(command);
    }
}

#[test]
fn every_noun_is_set_shown_listed_and_removed() {
    for with_server in [false, true] {
        let place = Place::new(TENANTS);
        let _server = with_server.then(|| place.serve(&[]));
        filled(&place);
        let json = |command: &[&str]| place.run(&[command, &["--json"]].concat()).json();
        assert_eq!(json(&["group", "show", "family"])["members"][1]["name"], "Mom");
        assert_eq!(json(&["group", "ls"]).as_array().unwrap().len(), 2);
        let extension = json(&["extension", "show", "101"]);
        assert_eq!((&extension["dnd"], &extension["name"], &extension["ring_seconds"]), (&true.into(), &"Ada".into(), &15.into()));
        assert!(extension["forward_busy"].is_null(), "off takes it back: {extension}");
        let schedule = json(&["schedule", "show", "office"]);
        assert_eq!((&schedule["zone"], &schedule["code"]), (&"Europe/Berlin".into(), &"1".into()));
        assert!(schedule["state"].is_string() && schedule["why"].is_string() && schedule["next"].is_string(), "{schedule}");
        assert_eq!(json(&["route", "show", "+14155550199"])["when"]["closed"], serde_json::json!(["voicemail:199", "hangup"]));
        assert_eq!(json(&["trunk", "show", "carrier-a"])["rates"][0], "+=0.05");
        assert_eq!(json(&["limit", "show", "premium", "--tenant-wide"])["per_hour"], 1);
        assert_eq!(json(&["block", "ls"]).as_array().unwrap().len(), 4);
        for (command, code) in [
            (&["group", "show", "nobody"][..], 1),
            (&["group", "rm", "sales"], 2),
            (&["schedule", "rm", "office"], 2),
            (&["limit", "rm", "premium", "--tenant-wide"], 0),
            (&["limit", "rm", "premium", "--tenant-wide"], 1),
            (&["block", "rm", "--class", "premium"], 0),
            (&["block", "rm", "--rate"], 0),
            (&["route", "rm", "--default"], 0),
            (&["group", "rm", "family"], 2),
            (&["route", "rm", "+14155550199"], 0),
            (&["group", "rm", "family"], 0),
            (&["group", "rm", "sales"], 0),
            (&["trunk", "rm", "carrier-a"], 0),
            (&["schedule", "rm", "office"], 0),
            (&["extension", "rm", "101"], 0),
        ] {
            let said = place.run(command);
            assert_eq!(said.code, Some(code), "{command:?}: {said:?}");
        }
    }
}

#[test]
fn what_can_not_be_is_refused_with_its_remedy() {
    let place = Place::new(TENANTS);
    filled(&place);
    for (command, words) in [
        (&["group", "set", "sales", "--member", "group=family"][..], "sales → family → sales"),
        (&["group", "set", "x", "--member", "group=nope"], "there is no group nope"),
        (&["group", "set", "x", "--strategy", "rigall", "--member", "extension=1"], "did you mean ringall?"),
        (&["group", "set", "x", "--member", "name=Mom"], "has no number"),
        (&["group", "rm", "sales"], "is named by group family and 1 more"),
        (&["route", "set", "101", "--step", "ring:nope"], "there is no group nope"),
        (&["route", "set", "101", "--step", "busy", "--schedule", "nope"], "there is no schedule nope"),
        (&["route", "set", "101", "--step", "busy", "--schedule", "office", "--when", "lnch=busy"], "did you mean lunch?"),
        (&["route", "set", "101", "--step", "challenge:x"], "block list"),
        (&["route", "set", "101", "--step", "busy", "--fallback", "ring:sales"], "can't be a fallback"),
        (&["route", "set", "911", "--step", "busy"], "emergency number"),
        (&["route", "set", "--prefix", "911", "--step", "busy"], "emergency number"),
        (&["extension", "set", "911", "--dnd", "on"], "emergency number"),
        (&["extension", "set", "101", "--forward-always", "+33123456789"], "class international"),
        (&["extension", "set", "102", "--ring-seconds", "soon"], "is no number"),
        (&["extension", "set", "102", "--permissions", "natoinal"], "did you mean national?"),
        (&["trunk", "set", "x", "--rate", "49=1"], "prefix"),
        (&["limit", "set", "emergency", "--per-hour", "1"], "can't be limited"),
        (&["limit", "set", "premium"], "neither per-hour nor concurrent"),
        (&["block", "set", "--number", "911"], "never screened"),
        (&["block", "set", "--country", "Germany"], "two letters"),
        (&["block", "set", "--rate", "10"], "CALLS/SECONDS"),
        (&["allow", "set", "--class", "premium"], "block list"),
        (&["schedule", "set", "x", "--timezone", "Mars/Olympus"], "Mars/Olympus"),
        (&["schedule", "set", "x", "--open", "mon-fri 9-25"], "mon-fri"),
        (&["schedule", "override", "office", "closed", "--until", "yesterdayish"], "yesterdayish"),
    ] {
        let said = place.run(command);
        assert!(said.code == Some(2) && said.err.contains(words) && said.out.is_empty(), "{command:?}: {said:?}");
    }
    place.done(&["extension", "set", "102", "--forward-always", "103"]);
    let circle = place.run(&["extension", "set", "103", "--forward-always", "102"]);
    assert!(circle.code == Some(2) && circle.err.contains("103 → 102 → 103"), "{circle:?}");
    let never = place.run(&["schedule", "set", "never", "--holiday", "x 01-01"]);
    assert!(never.code == Some(0) && never.err.contains("never opens"), "{never:?}");
}

#[test]
fn an_edit_that_would_break_what_names_it_is_refused_and_says_what_that_is() {
    for with_server in [false, true] {
        let place = Place::new(TENANTS);
        let _server = with_server.then(|| place.serve(&[]));
        filled(&place);
        let numbers: Vec<String> = (300..331).map(|n| format!("extension={n}")).collect();
        let members: Vec<&str> = numbers.iter().flat_map(|n| ["--member", n]).collect();
        place.done(&["route", "set", "110", "--step", "busy", "--schedule", "office", "--when", "lunch=dial:+14155550112,trunk=carrier-a"]);
        for (command, words) in [
            // 31 in it and 2 beside it
            (
                [&["group", "set", "sales"][..], &members].concat(),
                "group family, which would no longer hold: members: with the groups in it more than 32",
            ),
            (vec!["schedule", "set", "office", "--open", "mon-fri 09:00-17:30"], "route 110, which would no longer hold: when.lunch"),
            (vec!["schedule", "set", "home", "--code", "1"], "the schedule office has the code 1 already"),
            (vec!["trunk", "rm", "carrier-a"], "is named by route 110"),
        ] {
            let said = place.run(&command);
            assert!(said.code == Some(2) && said.err.contains(words) && said.out.is_empty(), "{command:?}: {said:?}");
        }
        // what is refused of one is no harm to another, and what is put right goes through
        place.done(&["route", "rm", "110"]);
        place.done(&["schedule", "set", "office", "--code", "1", "--open", "mon-fri 09:00-17:30"]);
        place.done(&["group", "set", "mobiles", "--member", "number=+14155550112,trunk=carrier-a"]);
        assert!(place.run(&["trunk", "rm", "carrier-a"]).err.contains("is named by group mobiles"));
        place.done(&["group", "rm", "mobiles"]);
        place.done(&["block", "set", "--prefix", "+1900", "--action", "dial:+14155550112,trunk=carrier-a"]);
        assert!(place.run(&["trunk", "rm", "carrier-a"]).err.contains("is named by block"));
        place.done(&["block", "rm", "--prefix", "+1900"]);
        place.done(&["trunk", "rm", "carrier-a"]);
        let plan = place.done(&["export"]).out;
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), &plan).unwrap();
        assert!(place.done(&["diff", file.path().to_str().unwrap()]).out.contains("nothing differs"));
        std::fs::write(file.path(), format!("{plan}\n[[schedule]]\nid = \"zoo\"\ncode = \"1\"\n")).unwrap();
        let twice = place.run(&["diff", file.path().to_str().unwrap()]);
        assert!(twice.code == Some(2) && twice.err.contains("office has the code 1 already"), "{twice:?}");
    }
}

#[test]
fn a_state_typed_with_a_slip_sets_nothing_by_hand() {
    let place = Place::new(TENANTS);
    filled(&place);
    for (command, words) in [
        (&["schedule", "override", "office", "clsoed"][..], "did you mean closed?"),
        (&["schedule", "override", "office", "opne"], "did you mean open?"),
        (&["schedule", "override", "office", "night"], "it has closed, holiday, lunch, open"),
        (&["schedule", "override", "office", "off", "--until", "2h"], "--until is for a state"),
    ] {
        let said = place.run(command);
        assert!(said.code == Some(2) && said.err.contains(words), "{command:?}: {said:?}");
    }
    let shown = place.run(&["schedule", "show", "office", "--json"]).json();
    assert!(shown["override"].is_null(), "{shown}");
    assert!(place.done(&["schedule", "override", "office", "off"]).out.contains("was so already"));
    let set = place.done(&["schedule", "override", "office", "holiday", "--until", "2030-12-24 18:00"]);
    assert!(set.out.contains("added") && set.err.contains("office is holiday now until 2030-12-24 18:00 (Europe/Berlin)"), "{set:?}");
    assert!(place.done(&["schedule", "override", "office", "lunch"]).out.contains("replaced"));
    let off = place.done(&["schedule", "override", "office", "off"]);
    assert!(off.out.contains("removed"), "{off:?}");
}

#[test]
fn tables_say_what_was_typed_and_scripts_find_every_switch() {
    let place = Place::new(TENANTS);
    filled(&place);
    let out = |command: &[&str]| place.done(command).out;
    assert_eq!(
        out(&["group", "ls"]),
        "family    ringall  25 s  101 Kitchen, +14155550111 Mom (confirm), group sales\nsales     hunt           201, 202\n"
    );
    let family = out(&["group", "show", "family"]);
    assert!(family.starts_with("id") && family.contains("member           number=+14155550111,name=Mom,delay=5,confirm\n"), "{family}");
    assert_eq!(out(&["extension", "ls"]), "101  Ada  do not disturb, rings 15 s, may call internal national\n");
    assert_eq!(out(&["limit", "ls"]), "international  each extension  20 an hour  2 at once\npremium        the tenant      1 an hour\n");
    assert_eq!(out(&["trunk", "ls"]), "carrier-a  e164  emergency  +=0.05  +49=0.01,priority=2,schedule=office\n");
    assert!(out(&["schedule", "ls"]).contains("office  Europe/Berlin  code 1  mon-fri 09:00-17:30"));
    assert!(out(&["route", "ls"]).contains("ring:family → voicemail:199  but by schedule office: closed"));
    place.done(&["extension", "set", "102", "--name", "Bea"]);
    let json = |command: &[&str]| place.run(&[command, &["--json"]].concat()).json();
    assert_eq!(json(&["extension", "show", "102"])["dnd"], false);
    assert_eq!(json(&["limit", "show", "international"])["scope"], "extension");
    let note = place.done(&["trunk", "set", "bare"]);
    assert!(note.err.contains("no rate"), "{note:?}");
    let bare = json(&["trunk", "show", "bare"]);
    assert_eq!((&bare["format"], &bare["emergency"], &bare["rates"]), (&"plus".into(), &false.into(), &serde_json::json!([])));
    assert!(bare["revision"].as_u64() > json(&["group", "show", "sales"])["revision"].as_u64());
}

#[test]
fn a_schedule_goes_by_hand_until_it_is_let_go() {
    let place = Place::new(TENANTS);
    filled(&place);
    let server = place.serve(&[]);
    let state = || place.run(&["schedule", "show", "office", "--json"]).json()["state"].as_str().unwrap().to_owned();
    let before = state();
    place.done(&["schedule", "override", "office", "closed"]);
    assert_eq!(state(), "closed");
    assert_eq!(ask(server.agi, DID, SCHOOL).short(), ("found", "voicemail", "closed"));
    place.done(&["schedule", "override", "office", "open", "--until", "2h"]);
    assert_eq!(ask(server.agi, DID, SCHOOL).get("ACTION"), "dial");
    place.done(&["schedule", "override", "office", "off"]);
    assert_eq!(state(), before);
    let mut calendar = tempfile::NamedTempFile::new().unwrap();
    write!(calendar, "BEGIN:VCALENDAR\r\nBEGIN:VEVENT\r\nSUMMARY:Fair\r\nDTSTART;VALUE=DATE:20301001\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n")
        .unwrap();
    let _ = place.run(&["schedule", "import", "office", calendar.path().to_str().unwrap()]);
    let damaged = place.run(&["schedule", "import", "office", "/dev/null"]);
    assert!(damaged.code == Some(2) && damaged.err.contains("line"), "{damaged:?}");
}

#[test]
fn an_exported_plan_makes_an_empty_store_the_same_and_one_line_changes_one_thing() {
    for with_server in [false, true] {
        let (one, other) = (Place::new(TENANTS), Place::new(TENANTS));
        let _servers = with_server.then(|| (one.serve(&[]), other.serve(&[])));
        filled(&one);
        let plan = one.done(&["export"]).out;
        let file = tempfile::NamedTempFile::new().unwrap();
        let path = file.path().to_str().unwrap().to_owned();
        std::fs::write(file.path(), &plan).unwrap();
        other.done(&["block", "set", "--anonymous"]);
        let dry = other.run(&["apply", &path, "--dry-run"]);
        assert!(dry.out.contains("- block anonymous") && dry.out.contains("nothing was changed"), "{dry:?}");
        assert!(other.done(&["block", "ls"]).out.contains("anonymous"));
        other.done(&["apply", &path]);
        assert_eq!(other.done(&["export"]).out, plan);
        assert!(other.done(&["diff", &path]).out.contains("nothing differs"));
        std::fs::write(file.path(), plan.replace("timeout_seconds = 25", "timeout_seconds = 30")).unwrap();
        let diff = other.run(&["diff", &path, "--json"]).json();
        assert_eq!((&diff["changed"], &diff["added"], &diff["removed"]), (&1.into(), &0.into(), &0.into()), "{diff}");
        assert_eq!(diff["changes"][0]["lines"], serde_json::json!(["- timeout_seconds = 25", "+ timeout_seconds = 30"]));
        let applied = other.run(&["apply", &path, "--json"]).json();
        assert!(applied["published_ms"].is_number() && applied["changed"] == 1, "{applied}");
        // a plan with a mistake changes nothing
        std::fs::write(file.path(), "[[route]]\nnumber = \"101\"\nsteps = [{ ring = \"gone\" }]\n[[block]]\nprefix = \"x\"\n").unwrap();
        let refused = other.run(&["apply", &path]);
        assert!(
            refused.code == Some(2)
                && refused.err.contains("line 3: route[0].steps[0]: ")
                && refused.err.contains("line 5: block[0].prefix: "),
            "{refused:?}"
        );
        assert!(other.done(&["group", "ls"]).out.contains("family"));
        // only what is named is touched
        std::fs::write(file.path(), "").unwrap();
        other.done(&["apply", &path, "--only", "block"]);
        assert!(other.done(&["block", "ls"]).out.is_empty() && other.done(&["group", "ls"]).out.contains("family"));
    }
}

#[test]
fn a_part_of_a_plan_is_exported_and_applied_beside_the_rest() {
    let place = Place::new(TENANTS);
    filled(&place);
    let file = tempfile::NamedTempFile::new().unwrap();
    let path = file.path().to_str().unwrap().to_owned();
    for sort in ["route", "group", "schedule", "trunk", "extension", "block", "contact"] {
        std::fs::write(file.path(), place.done(&["export", "--only", sort]).out).unwrap();
        let same = place.run(&["apply", &path, "--only", sort]);
        assert!(same.code == Some(0) && same.out.contains("nothing differs"), "{sort}: {same:?}");
    }
    // routes name groups of the store, and what stays may not lose what it names
    std::fs::write(file.path(), "[[route]]\nnumber = \"101\"\nsteps = [{ ring = \"gone\" }]\n").unwrap();
    let gone = place.run(&["apply", &path, "--only", "route"]);
    assert!(gone.code == Some(2) && gone.err.contains("line 3: route[0].steps[0]: there is no group gone"), "{gone:?}");
    std::fs::write(file.path(), "[[group]]\nid = \"sales\"\nmembers = [{ extension = \"201\" }]\n").unwrap();
    let named = place.run(&["apply", &path, "--only", "group"]);
    assert!(named.code == Some(2) && named.err.contains("route +14155550199, which is stored and would stay"), "{named:?}");
    assert!(place.done(&["group", "ls"]).out.contains("family"));
}

#[test]
fn whatever_commands_made_is_the_same_plan_when_it_comes_back_from_a_file() {
    let (place, other) = (Place::new(TENANTS), Place::new(TENANTS));
    filled(&place);
    for command in [
        &["schedule", "override", "office", "closed", "--until", "2h"][..],
        &[
            "contact",
            "set",
            "odd",
            "--name",
            "Ünïcode 📞 \"x\" \\ '",
            "--number",
            "+4930123456=büro",
            "--number",
            "alice@pbx",
            "--number",
            "*97",
        ],
        &[
            "group",
            "set",
            "odd",
            "--name",
            "a = [b] # c",
            "--member",
            "number=alice,name=\"Q\" # x",
            "--member",
            "number=+4930123456,trunk=gw/1",
        ],
        &[
            "route",
            "set",
            "alice",
            "--step",
            "goto:from-x,s,1",
            "--step",
            "dial:alice,+4930123456,trunk=gw/1",
            "--fallback",
            "voicemail:a@b",
        ],
        &["route", "set", "--prefix", "2", "--step", "playback:custom/hello"],
        &["route", "set", "*55", "--step", "conference:room-1"],
        &["extension", "set", "bob", "--forward-unavailable", "101", "--mailbox", "101"],
    ] {
        let said = place.run(command);
        assert_eq!(said.code, Some(0), "{command:?}: {said:?}");
    }
    let file = tempfile::NamedTempFile::new().unwrap();
    let path = file.path().to_str().unwrap().to_owned();
    let plan = place.done(&["export"]).out;
    std::fs::write(file.path(), &plan).unwrap();
    let same = place.done(&["diff", &path]).out;
    assert!(same.contains("nothing differs"), "{same}\n{plan}");
    other.done(&["apply", &path]);
    assert_eq!(other.done(&["export"]).out, plan);
}

#[test]
fn a_schedule_that_never_opens_is_applied_and_told_of() {
    let place = Place::new(TENANTS);
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "[[schedule]]\nid = \"never\"\nholidays = [\"x 01-01\"]\n").unwrap();
    let said = place.run(&["apply", file.path().to_str().unwrap()]);
    assert!(said.code == Some(0) && said.err.contains("the schedule never never opens"), "{said:?}");
}

#[test]
fn a_plan_that_is_too_large_or_no_text_is_refused() {
    let place = Place::new(TENANTS);
    filled(&place);
    let file = tempfile::NamedTempFile::new().unwrap();
    let path = file.path().to_str().unwrap().to_owned();
    file.as_file().set_len(100_000_000).unwrap();
    let large = place.run(&["apply", &path]);
    assert!(large.code == Some(2) && large.err.contains("100000000 bytes"), "{large:?}");
    std::fs::write(file.path(), b"[[group]]\nid = \"K\xf6ln\"\n").unwrap();
    let latin = place.run(&["apply", &path]);
    assert!(latin.code == Some(2) && latin.err.contains("line 2 isn't UTF-8"), "{latin:?}");
    let gone = place.run(&["diff", "/no/such/file"]);
    assert!(gone.code == Some(2) && gone.err.contains("/no/such/file"), "{gone:?}");
}
