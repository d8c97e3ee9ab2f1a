//! What a tenant's configuration says, and what is wrong with one.

use super::*;
use crate::routing::CodeFor;

fn load(text: &str) -> Result<Config, ConfigError> {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), text).unwrap();
    Config::load(Overrides { config: Some(file.path().into()), ..Overrides::default() })
}

#[test]
fn a_tenant_has_contexts_numbers_sessions_and_star_codes() {
    let config = load(
        r#"
[[tenant]]
id = "acme"
country = "DE"
timezone = "Europe/Berlin"
contexts = ["from-acme", "acme-in"]
dids = ["+49 30 1234500", "+493012346*"]
sessions_max = 100
[tenant.features]
dnd_on = "*21"
block_last = ""
[tenant.features.asterisk]
on = "custom/on"
[tenant.features.freeswitch]
refused = "tone_stream://%(300,0,200)"
"#,
    )
    .unwrap();
    let acme = &config.tenants["acme"];
    assert_eq!(acme.sessions_max, Some(100));
    assert_eq!((acme.timezone.name(), config.tenants["default"].timezone.name()), ("Europe/Berlin", "UTC"));
    assert_eq!((acme.features.code(CodeFor::DndOn), acme.features.code(CodeFor::BlockLast)), (Some("*21"), None));
    assert_eq!(acme.features.code(CodeFor::DndOff), Some("*79"), "what isn't said is as usual");
    assert_eq!((acme.features.asterisk.on.as_str(), acme.features.asterisk.off.as_str()), ("custom/on", "de-activated"));
    assert_eq!(acme.features.freeswitch.refused, "tone_stream://%(300,0,200)");
    let whose = &config.whose;
    assert_eq!((whose.by_context("acme-in"), whose.by_context("other")), (Some("acme"), None));
    assert_eq!((whose.by_did("+49301234500"), whose.by_did("030 1234699"), whose.by_did("+49301")), (Some("acme"), Some("acme"), None));
}

#[test]
fn a_number_or_context_that_two_tenants_claim_is_refused_with_both_lines() {
    let two = |key: &str, one: &str, other: &str| {
        let text = format!("[[tenant]]\nid = \"a\"\n{key} = [\"{one}\"]\n\n[[tenant]]\nid = \"b\"\n{key} = [\n  \"{other}\",\n]\n");
        load(&text).map(drop).map_err(|e| e.to_string())
    };
    for (key, one, other) in [("contexts", "in", "in"), ("dids", "+49301234500", "+49 30 1234500"), ("dids", "+493012345*", "+493012345*")]
    {
        let error = two(key, one, other).unwrap_err();
        assert!(error.contains(":8: ") && error.contains("the tenant a's already (line 3)"), "{error}");
    }
    assert_eq!(two("dids", "+493012345*", "+4930123456*"), Ok(()), "the longer one wins");
    assert_eq!(two("dids", "+49301234500", "+49301234500*"), Ok(()));
    // twice the same tenant's harms nobody
    assert!(load("[[tenant]]\nid = \"a\"\ncontexts = [\"in\", \"in\"]\n").is_ok());
}

#[test]
fn what_is_wrong_with_a_tenant_is_said_with_its_line() {
    for (text, line, what) in [
        ("[[tenant]]\nid = \"a\"\ndids = [\"0301234567\"]\n", 3, "write + and the country code"),
        ("[[tenant]]\nid = \"a\"\ncontexts = [\"from trunk\"]\n", 3, "can't be one"),
        ("[[tenant]]\nid = \"a\"\ncontexts = \"in\"\n", 3, "write a list, [\"in\"]"),
        ("[[tenant]]\nid = \"a\"\ntimezone = \"Europe/Berlni\"\n", 3, "timezone: "),
        ("[[tenant]]\nid = \"a\"\nsessions_max = 0\n", 3, "between 1 and"),
        ("[[tenant]]\nid = \"a\"\n[tenant.features]\ndnd_on = \"112\"\n", 4, "begin with * or #"),
        ("[[tenant]]\nid = \"a\"\n[tenant.features]\ndnd_onn = \"*1\"\n", 4, "did you mean dnd_on?"),
        ("[[tenant]]\nid = \"a\"\n[tenant.features]\ndnd_on = \"*79\"\n", 4, "every code is for one thing"),
        ("[[tenant]]\nid = \"a\"\n[tenant.features.asterisk]\non = \"a&b\"\n", 4, "is no sound"),
        ("[[tenant]]\nid = \"a\"\ncontext = [\"in\"]\n", 3, "did you mean contexts?"),
    ] {
        let error = load(text).expect_err(text).to_string();
        assert!(error.contains(&format!(":{line}: ")) && error.contains(what), "{text:?} gave {error:?}");
    }
}

#[test]
fn a_tenant_says_how_callers_are_named_and_a_wrong_word_names_line_and_nearest() {
    use crate::routing::{Hint, NamePolicy, Several, TrunkName};
    let config =
        load("[[tenant]]\nid = \"acme\"\nname_several = \"both\"\nname_trunk = \"numbers\"\nname_hint = \"class\"\nname_ascii = true\n")
            .unwrap();
    let wanted = NamePolicy { several: Several::Both, trunk: TrunkName::Numbers, hint: Hint::Class, ascii: true };
    assert_eq!(config.tenants["acme"].names, wanted);
    assert_eq!(config.tenants["default"].names, NamePolicy::default());
    for (line, why) in [
        ("name_several = \"newset\"", "write one of newest, both; did you mean newest?"),
        ("name_trunk = \"kept\"", "write one of directory, keep, numbers; did you mean keep?"),
        ("name_hint = true", "string"),
        ("name_ascii = \"yes\"", "boolean"),
        ("name_hints = \"region\"", "name_hint"),
    ] {
        let error = load(&format!("[[tenant]]\nid = \"acme\"\n{line}\n")).unwrap_err().to_string();
        assert!(error.contains(why) && error.contains(":3"), "{line}: {error}");
    }
}
