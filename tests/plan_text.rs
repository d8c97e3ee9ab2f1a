//! A plan as text: what is wrong with a file is said, all of it; what is right comes back as it was written.

mod support;

use proptest::prelude::*;
use std::collections::BTreeMap;
use strowger::config::{Config, Overrides};
use strowger::plan::{PlanErrors, PlanFile, Shown, read, write};
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
fn what_does_not_hold_together_is_refused_and_named() {
    for (text, words) in [
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
fn an_empty_plan_is_a_comment() {
    let text = write(&BTreeMap::new(), &BTreeMap::new(), Shown::WithoutSecrets);
    assert!(text.starts_with('#') && text.lines().count() == 1, "{text}");
}
