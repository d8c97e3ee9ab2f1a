//! A plan as text: what is wrong with a file is said, all of it; what is right comes back as it was written.

mod support;

use proptest::prelude::*;
use std::collections::BTreeMap;
use strowger::config::{Config, Overrides};
use strowger::plan::{PlanErrors, PlanFile, Shown, differences, read, write};
use strowger::routing::Tenant;

fn tenant() -> Tenant {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), support::TENANTS).unwrap();
    let overrides = Overrides { config: Some(file.path().into()), ..Overrides::default() };
    Config::load(overrides).unwrap().tenants.remove("default").unwrap()
}

fn read_text(text: &str) -> Result<PlanFile, PlanErrors> {
    read(text, &tenant(), &|_, _| None)
}

fn wrong(text: &str) -> String {
    read_text(text).expect_err(text).to_string()
}

/// Everything that a plan can hold.
const SAMPLE: &str = r##"
[[contact]]
id = "school"
name = "Lincoln School \"West\""
company = "Stadt Köln"
numbers = [{ number = "+14155550101", label = "office" }, { number = "(415) 555-0102" }]
tags = ["vip"]
note = "ring\ttwice\n📞"

[[extension]]
extension = "101"
name = "Ada"
dnd = true
forward_busy = "102"
forward_no_answer = "+14155550111"
mailbox = "101"
ring_seconds = 15
calls_max = 2
permissions = ["national", "internal"]
caller_id = "+14155550100"

[[group]]
id = "family"
strategy = "rrmemory"
timeout_seconds = 25
members = [
  { name = "Mom", number = "+14155550111", confirm = true, delay_seconds = 5, timeout_seconds = 20, weight = 3, trunk = "a" },
  { name = "Kitchen", extension = "101" },
  { group = "sales" },
]

[[group]]
id = "sales"
members = [{ extension = "201" }]

[[schedule]]
id = "office"
timezone = "Europe/Berlin"
code = "1"
open = ["mon-fri 09:00-17:30"]
periods = ["lunch mon-fri 12:00-13:00"]
exceptions = ["2026-12-24 09:00-12:00"]
holidays = ["christmas 12-25..12-26"]
override = "closed until 2030-01-01T00:00:00Z"

[[trunk]]
id = "a"
format = "e164"
tech_prefix = "77#"
caller_id = "+14155550100"
emergency = true
rates = ["+=0.05", "+49=0.01,priority=2,schedule=office"]

[[limit]]
class = "premium"
scope = "tenant"
per_hour = 3

[[route]]
number = "+14155550199"
steps = [{ ring = "family" }, { dial = ["101", "+14155550111"], trunk = "a", timeout_seconds = 20 }, { goto = "office,101,1" }, { busy = true }]
fallback = { voicemail = "199" }
schedule = "office"
when = { closed = ["voicemail:199"], lunch = [{ playback = "lunch" }, { queue = "q", timeout_seconds = 60 }] }

[[route]]
prefix = "+1415"
steps = [{ hangup = true }]

[[route]]
default = true
steps = [{ continue = true }]

[[block]]
prefix = "+1900"

[[block]]
country = "FR"
action = { challenge = "press-1", timeout_seconds = 8 }

[[block]]
class = "premium"

[[block]]
verification = "failed"

[[block]]
anonymous = true

[[block]]
rate = "10/60"

[[allow]]
number = "+19005550123"

[[user]]
extension = "101"
domain = "pbx.example"
name = "Küche"
a1_hash = "72d471071fb90479e8729cf8b8b27dff"
"##;

#[test]
fn a_plan_with_everything_in_it_is_read_and_written_and_read_again_alike() {
    let plan = read_text(SAMPLE).unwrap_or_else(|e| panic!("{e}"));
    assert_eq!((plan.items.len(), plan.contacts.len()), (17, 1));
    let text = write(&plan.items, &plan.contacts, Shown::WithSecrets);
    let again = read_text(&text).unwrap_or_else(|e| panic!("{e}\n{text}"));
    assert_eq!(again.items, plan.items);
    assert_eq!(again.contacts, plan.contacts);
    assert_eq!(write(&again.items, &again.contacts, Shown::WithSecrets), text, "byte for byte");
    let without = write(&plan.items, &plan.contacts, Shown::WithoutSecrets);
    assert!(text.contains("72d471071fb90479e8729cf8b8b27dff") && !without.contains("72d4"), "{without}");
}

#[test]
fn a_plan_is_written_as_it_always_was() {
    let plan = read_text(SAMPLE).unwrap();
    let golden = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/plan.toml");
    let text = write(&plan.items, &plan.contacts, Shown::WithoutSecrets);
    assert_eq!(text, std::fs::read_to_string(golden).unwrap(), "a plan that people keep under version control would change");
}

#[test]
fn fifty_mistakes_are_fifty_errors_each_with_its_line() {
    let text: String = (0..50)
        .map(|n| match n % 5 {
            0 => format!("[[route]]\nnumber = \"+1415555{n:04}\"\nsteps = [{{ ring = \"gone-{n}\" }}]\n"),
            1 => format!("[[group]]\nid = \"g{n}\"\nmembers = [{{ name = \"Mom\" }}]\n"),
            2 => format!("[[schedule]]\nid = \"s{n}\"\ntimezone = \"Mars/Olympus\"\n"),
            3 => format!("[[route]]\nnumber = \"+1415556{n:04}\"\nsteps = [\"dail:101\"]\n"),
            _ => "[[block]]\nnumber = \"not a numb\u{1}er\"\n".replace('\u{1}', "\\u0001"),
        })
        .collect();
    let errors = read_text(&text).expect_err("mistakes");
    assert_eq!((errors.errors.len(), errors.more), (50, 0), "{errors}");
    for (n, (line, ..)) in errors.errors.iter().enumerate() {
        assert!(*line > 0, "{n}: {errors}");
    }
    let said = errors.to_string();
    for words in ["there is no group gone-0", "it has no number; give it extension, number or group", "did you mean dial?"] {
        assert!(said.contains(words), "{words}: {said}");
    }
    let many: String = (0..300).map(|n| format!("[[limit]]\nclass = \"c{n}\"\n")).collect();
    assert_eq!(read_text(&many).expect_err("mistakes").more, 100);
}

#[test]
fn every_mistake_in_one_table_is_told_with_its_own_line_and_key() {
    let text = r#"
[[group]]
id = "a"
strategy = "rigall"
timeout_seconds = 9999
members = [
  { name = "Mom" },
  { extension = "101", wieght = 3 },
  { extension = "102", weight = 0 },
  { extension = 103 },
]

[[route]]
number = "+14155550199"
steps = [
  "dail:1",
  { rnig = "a" },
  { ring = "a" },
]
fallback = "ring:a"
schdule = "o"

[[schedule]]
id = 5
timezone = "Mars/Olympus"
open = ["mon-fri 9-25", "mon-fri 09:00-17:30", "someday"]
override = "closed until whenever"

[[extension]]
extension = "101"
forward_always = "+33123456789"
forward_busy = "101"
ring_seconds = 0
permissions = ["natoinal"]
calls_max = 0

[[trunk]]
id = "a"
format = "e146"
rates = ["+=0.05", "49=1", "+49=0.01"]
"#;
    let errors = read_text(text).expect_err("mistakes");
    let found: Vec<String> = errors.errors.iter().map(|(line, place, _)| format!("{line} {place}")).collect();
    let expected = [
        "4 group[0].strategy",
        "5 group[0].timeout_seconds",
        "7 group[0].members[0]",
        "8 group[0].members[1].wieght",
        "9 group[0].members[2]",
        "10 group[0].members[3].extension",
        "16 route[0].steps[0]",
        "17 route[0].steps[1]",
        "20 route[0].fallback",
        "21 route[0].schdule",
        "24 schedule[0].id",
        "25 schedule[0].timezone",
        "26 schedule[0].open[0]",
        "26 schedule[0].open[2]",
        "27 schedule[0].override",
        "32 extension[0].forward_busy",
        "33 extension[0].ring_seconds",
        "34 extension[0].permissions[0]",
        "35 extension[0].calls_max",
        "39 trunk[0].format",
        "40 trunk[0].rates[1]",
    ];
    assert_eq!(found, expected, "{errors}");
}

#[test]
fn a_mistake_is_not_told_again_by_those_who_name_its_thing() {
    for thing in ["[[group]]\nid = \"a\"\nmembers = []\n", "[[group]]\nid = \"a\"\nmembrs = [{ extension = \"1\" }]\n"] {
        let naming: String = (0..100).map(|n| format!("[[route]]\nnumber = \"+1415555{n:04}\"\nsteps = [{{ ring = \"a\" }}]\n")).collect();
        let errors = read_text(&format!("{thing}{naming}")).expect_err("a mistake");
        assert!(errors.errors.iter().all(|(line, ..)| *line <= 3), "{errors}");
    }
    let schedule = "[[schedule]]\nid = \"o\"\ncode = \"x\"\n";
    let route = "[[route]]\ndefault = true\nschedule = \"o\"\nsteps = [\"busy\"]\nwhen = { lunch = [\"busy\"] }\n";
    assert_eq!(read_text(&format!("{schedule}{route}")).expect_err("a mistake").errors.len(), 1);
    // a circle is one mistake, from wherever it is looked at
    let circle: String = (0..20).map(|n| format!("[[group]]\nid = \"g{n}\"\nmembers = [{{ group = \"g{}\" }}]\n", (n + 1) % 20)).collect();
    let errors = read_text(&circle).expect_err("a circle");
    assert!(errors.errors.len() == 1 && errors.errors[0].2.contains("g0 → g1 → ") && errors.errors[0].2.ends_with("g19 → g0"), "{errors}");
}

#[test]
fn plans_that_would_be_walked_through_for_ever_are_refused_at_once() {
    // deeper than the stack, wider than a life, and both where nothing is at the end
    let deep: String = (0..5_000).map(|n| format!("[[group]]\nid = \"g{n}\"\nmembers = [{{ group = \"g{}\" }}]\n", n + 1)).collect();
    let errors = read_text(&deep).expect_err("too deep");
    assert!(errors.to_string().contains("more than 8 deep") && errors.more > 4_000, "{errors}");
    let wide: String = (0..7)
        .flat_map(|level| (0..32).map(move |n| (level, n)))
        .map(|(level, n)| {
            let members: String = (0..32).map(|m| format!("{{ group = \"g{}-{m}\" }},", level + 1)).collect();
            format!("[[group]]\nid = \"g{level}-{n}\"\nmembers = [{members}]\n")
        })
        .collect();
    assert!(read_text(&wide).expect_err("too wide").to_string().contains("there is no group g7-0"));
    let ends: String = (0..32).map(|n| format!("[[group]]\nid = \"g7-{n}\"\nmembers = [{{ extension = \"2{n:02}\" }}]\n")).collect();
    assert!(read_text(&format!("{wide}{ends}")).expect_err("too wide").to_string().contains("more than 32 telephones would ring"));
    let forwards: String =
        (0..2_000).map(|n| format!("[[extension]]\nextension = \"{}\"\nforward_always = \"{}\"\n", 10_000 + n, 10_001 + n)).collect();
    assert!(read_text(&forwards).expect_err("too far").to_string().contains("forwarded more than 64 times"));
}

#[test]
fn what_does_not_hold_together_is_refused_and_named() {
    let contact = "[[contact]]\nid = \"a\"\nname = \"A\"\nnumbers = [{ number = \"+14155550101\" }]\n";
    let contact_twice = format!("{contact}{contact}");
    for (text, words) in [
        (contact_twice.as_str(), "contact a stands on line 1 already"),
        ("[[group]]\nid = \"a\"\nmembers = [{ group = \"b\" }]\n[[group]]\nid = \"b\"\nmembers = [{ group = \"a\" }]\n", "a → b → a"),
        ("[[group]]\nid = \"a\"\nmembers = [{ group = \"a\" }]\n", "member of itself"),
        (
            "[[extension]]\nextension = \"101\"\nforward_always = \"102\"\n[[extension]]\nextension = \"102\"\nforward_always = \"101\"\n",
            "101 → 102 → 101",
        ),
        ("[[route]]\nnumber = \"+14155550199\"\nschedule = \"gone\"\nsteps = [\"busy\"]\n", "there is no schedule gone"),
        (
            "[[schedule]]\nid = \"o\"\n[[route]]\ndefault = true\nschedule = \"o\"\nsteps = [\"busy\"]\nwhen = { lnch = [\"busy\"] }\n",
            "has no such state",
        ),
        ("[[route]]\nnumber = \"911\"\nsteps = [\"busy\"]\n", "emergency number 911"),
        ("[[route]]\nprefix = \"911\"\nsteps = [\"busy\"]\n", "emergency number 911"),
        ("[[extension]]\nextension = \"911\"\n", "emergency number 911"),
        ("[[limit]]\nclass = \"emergency\"\nper_hour = 1\n", "can't be limited"),
        (
            "[[route]]\nnumber = \"4155550199\"\nsteps = [\"busy\"]\n[[route]]\nnumber = \"+1 415 555 0199\"\nsteps = [\"hangup\"]\n",
            "stands on line 1 already",
        ),
        ("[[route]]\ndefault = true\nsteps = [\"challenge:x\"]\n", "for callers on the block list"),
        ("[[route]]\ndefault = true\nsteps = [\"busy\"]\nfallback = \"ring:g\"\n", "can't be a fallback"),
        ("[[route]]\ndefault = true\nsteps = []\n", "1 to 16 steps"),
        ("[[user]]\nextension = \"101\"\ndomain = \"d\"\n", "a1_hash is missing"),
        ("[[extension]]\nextension = \"101\"\nforward_always = \"+33123456789\"\n", "class international"),
        ("[[gruop]]\nid = \"a\"\n", "did you mean group?"),
        ("[[group]]\nid = \"a\"\nmembrs = []\n", "did you mean members?"),
        ("[group]\nid = \"a\"\n", "two brackets, [[group]]"),
        ("[[route]]\ndefault = true\nsteps = [{ rnig = \"a\" }]\n", "did you mean ring?"),
        ("[[schedule]]\nid = \"o\"\nopen = [\"mon-fri 9-25\"]\n", "mon-fri"),
        ("[[block]]\nnumber = \"+14155550101\"\nprefix = \"+1415\"\n", "one of number, prefix"),
    ] {
        let said = wrong(text);
        assert!(said.contains(words) && said.starts_with("line "), "{text}\n{said}");
    }
}

#[test]
fn syntax_noise_and_depth_end_in_one_error_with_its_line() {
    assert!(wrong("\n\n[[route\n").starts_with("line 3"));
    assert!(wrong("a = \"\0\"\n").starts_with("line 1"));
    let deep = format!("[[group]]\nid = \"a\"\nmembers = {}{}\n", "[".repeat(10_000), "]".repeat(10_000));
    assert!(wrong(&deep).starts_with("line 3"));
    assert!(read_text("").is_ok_and(|plan| plan == PlanFile::default()));
}

#[test]
fn a_plan_cut_anywhere_is_an_error_or_a_plan() {
    for at in (0..SAMPLE.len()).filter(|at| SAMPLE.is_char_boundary(*at)) {
        let _ = read_text(&SAMPLE[..at]);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn a_plan_with_anything_in_the_wrong_place_is_an_error_or_a_plan(
        edits in proptest::collection::vec((any::<proptest::sample::Index>(), any::<proptest::sample::Index>()), 1..6)
    ) {
        const WORDS: [&str; 12] = ["5", "\"\"", "[]", "{}", "true", "[[]]", "x = 1\n", "\"é\"", "-1", "1979-05-27", "{ a = { b = [] } }", ""];
        let mut text = SAMPLE.to_owned();
        for (at, word) in edits {
            // in the place of a value, where most mistakes are made
            let values: Vec<usize> = text.match_indices("= ").map(|(n, _)| n + 2).collect();
            let begins = values[at.index(values.len())];
            let ends = text[begins..].find([',', '}', '\n']).map_or(text.len(), |n| begins + n);
            text.replace_range(begins..ends, WORDS[word.index(WORDS.len())]);
        }
        if let Err(errors) = read_text(&text) {
            prop_assert!(!errors.errors.is_empty() && errors.errors.iter().all(|(line, ..)| *line > 0), "{}", errors);
            prop_assert!(errors.errors.windows(2).all(|w| w[0] != w[1]), "told twice: {}", errors);
        }
    }

    #[test]
    fn whatever_a_name_holds_comes_back(name in "[^\\p{Cc}]{1,40}", note in "\\PC{0,60}", label in "[a-z \"\\\\']{1,10}") {
        prop_assume!(!name.trim().is_empty());
        let quoted = |text: &str| serde_json::to_string(text).unwrap();
        let text = format!(
            "[[contact]]\nid = \"a\"\nname = {}\nnote = {}\nnumbers = [{{ number = \"+14155550101\", label = {} }}]\n[[group]]\nid = \"g\"\nname = {}\nmembers = [{{ extension = \"101\", name = {} }}]\n",
            quoted(&name), quoted(&note), quoted(&label), quoted(&name), quoted(&name)
        );
        let plan = read_text(&text).map_err(|e| TestCaseError::fail(e.to_string()))?;
        let written = write(&plan.items, &plan.contacts, Shown::WithoutSecrets);
        let again = read_text(&written).map_err(|e| TestCaseError::fail(format!("{e}\n{written}")))?;
        prop_assert_eq!(again, plan);
    }
}

#[test]
fn another_hash_is_told_of_beside_what_else_is_new_and_not_told() {
    let before = read_text(SAMPLE).unwrap();
    let other = SAMPLE.replace("72d471071fb90479e8729cf8b8b27dff", "00000000000000000000000000000001");
    for (text, lines) in [
        (other.clone(), vec!["~ a1_hash"]),
        (other.replace("name = \"Küche\"", "name = \"Bad\""), vec!["- name = \"Küche\"", "+ name = \"Bad\"", "~ a1_hash"]),
    ] {
        let after = read_text(&text).unwrap();
        let found = differences((&before.items, &before.contacts), (&after.items, &after.contacts));
        assert!(found.len() == 1 && found[0].lines == lines, "{found:?}");
    }
}

#[test]
fn an_empty_plan_is_a_comment() {
    let text = write(&BTreeMap::new(), &BTreeMap::new(), Shown::WithoutSecrets);
    assert!(text.starts_with('#') && text.lines().count() == 1, "{text}");
}
