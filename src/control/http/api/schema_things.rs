//! The schemas of things: the keys of the plan, as in its file.

use super::collection::Collection;
use super::schema::{list, object, of, text, whole};
use serde_json::{Value as Json, json};

type Properties = Vec<(&'static str, Json)>;

/// What things are made of: number, member, step.
pub(super) fn parts() -> Vec<(&'static str, Json)> {
    let number =
        [("number", text("As typed: +4930123456, +49301234*, +4930123400..99, +49301234-0")), ("label", text("office, mobile, …"))];
    let member = [
        ("name", text("The member's name")),
        ("number", text("An outside number")),
        ("extension", text("An extension")),
        ("group", text("Another group")),
        ("delay_seconds", whole("Seconds before he rings")),
        ("timeout_seconds", whole("Seconds that he rings")),
        ("weight", whole("How much he counts where the strategy is weighted")),
        ("confirm", yes_no("Whether he has to press 1")),
        ("trunk", text("The trunk for his number")),
    ];
    let word = |about: &str| text(about);
    let targets = json!({ "oneOf": [{ "type": "string" }, list(json!({ "type": "string" }))] });
    let step = [
        ("dial", targets),
        ("ring", word("A group")),
        ("voicemail", word("A mailbox")),
        ("queue", word("A queue")),
        ("conference", word("A conference")),
        ("playback", word("A recording")),
        ("goto", word("context,extension,priority")),
        ("challenge", word("What a blocked caller has to do")),
        ("busy", yes_no("Busy")),
        ("congestion", yes_no("Congestion")),
        ("hangup", yes_no("Hang up")),
        ("continue", yes_no("Leave it to the dialplan")),
        ("timeout_seconds", whole("Seconds that it may take")),
        ("trunk", word("The trunk")),
    ];
    let step = json!({ "oneOf": [text("As on the command line: dial:101,102,timeout=20"), object(step, &[])] });
    vec![("Number", object(number, &["number"])), ("Member", object(member, &[])), ("Step", step)]
}

fn yes_no(about: &str) -> Json {
    json!({ "type": "boolean", "description": about })
}

fn texts(about: &str) -> Json {
    json!({ "type": "array", "items": { "type": "string" }, "description": about })
}

/// A collection's things as they are shown, and as they are sent: what the path says may be left out there, and what can't
/// be set is passed over.
pub(super) fn of_thing(collection: Collection) -> (Json, Json) {
    let (mut properties, in_path, required) = properties(collection);
    let needed: Vec<&str> = required.iter().copied().filter(|key| !in_path.contains(key)).collect();
    let read_only = |schema: Json| {
        let mut schema = schema;
        schema["readOnly"] = json!(true);
        schema
    };
    properties.push(("revision", read_only(whole("The revision that made it what it is"))));
    if collection == Collection::Contacts {
        properties.push(("source", read_only(text("The import it came from"))));
    }
    let shown: Vec<&str> = required.iter().copied().chain(["revision"]).collect();
    let read = object(properties.clone(), &shown);
    if collection == Collection::Users {
        let hash = "The MD5 of user:realm:password; the stored one stays where none is said. Never shown";
        properties.push(("a1_hash", json!({ "type": "string", "writeOnly": true, "description": hash })));
    }
    (read, object(properties, &needed))
}

/// A thing's properties, those that its path says, and those that it can't be without.
fn properties(collection: Collection) -> (Properties, &'static [&'static str], &'static [&'static str]) {
    let id = || ("id", text("Its id: A-Z a-z 0-9 _ . @ -"));
    match collection {
        Collection::Contacts => (
            vec![
                id(),
                ("name", text("The name that is shown")),
                ("company", text("The company")),
                ("numbers", list(of("Number"))),
                ("tags", texts("Free words")),
                ("note", text("Free text")),
                ("owner", text("The extension whose personal phone book it is in")),
                ("favourite", yes_no("Whether it stands first in its phone book")),
            ],
            &["id"],
            &["id", "name", "numbers"],
        ),
        Collection::Groups => (
            vec![
                id(),
                ("name", text("Its name")),
                ("strategy", text("ringall, hunt, memoryhunt, random, weighted, rrmemory or leastrecent")),
                ("timeout_seconds", whole("Seconds that a member rings")),
                ("members", list(of("Member"))),
            ],
            &["id"],
            &["id", "members"],
        ),
        Collection::Schedules => (
            vec![
                id(),
                ("timezone", text("The time zone; the tenant's if nobody says")),
                ("code", text("Digits that a star code names it by")),
                ("open", texts("mon-fri 09:00-17:30")),
                ("periods", texts("lunch mon-fri 12:00-13:00")),
                ("exceptions", texts("2026-12-24 09:00-12:00")),
                ("holidays", texts("christmas 12-25..12-26")),
                ("override", text("A state that is set by hand")),
            ],
            &["id"],
            &["id"],
        ),
        Collection::Routes => (
            vec![
                ("number", text("The number called")),
                ("prefix", text("All that begin like this")),
                ("default", yes_no("Whatever no other route takes")),
                ("steps", list(of("Step"))),
                ("fallback", of("Step")),
                ("schedule", text("The schedule whose state chooses the steps")),
                ("when", json!({ "type": "object", "additionalProperties": list(of("Step")), "description": "Steps for its states" })),
            ],
            &[],
            &["steps"],
        ),
        Collection::Block | Collection::Allow => (
            vec![
                ("number", text("One number")),
                ("prefix", text("All that begin like this")),
                ("country", text("Numbers of a country: DE")),
                ("class", text("Numbers of a class: premium")),
                ("verification", text("What the network says of the number")),
                ("anonymous", yes_no("Callers who withhold their number")),
                ("rate", text("Callers who call more often than this: 10/60")),
                ("action", of("Step")),
            ],
            &[],
            &[],
        ),
        Collection::Trunks => (
            vec![
                id(),
                ("format", text("plus, e164, national or dialled")),
                ("tech_prefix", text("Digits in front of the number")),
                ("caller_id", text("The number that all its calls show")),
                ("caller_id_format", text("How it wants that")),
                ("emergency", yes_no("Whether emergency calls go here first")),
                ("rates", texts("+49=0.01,priority=2")),
            ],
            &["id"],
            &["id"],
        ),
        Collection::Limits => (
            vec![
                ("class", text("Which calls, by where they go")),
                ("scope", text("extension or tenant")),
                ("per_hour", whole("So many in an hour")),
                ("concurrent", whole("So many at once")),
            ],
            &["class"],
            &["class"],
        ),
        Collection::Extensions => (extension(), &["extension"], &["extension"]),
        Collection::Users => (
            vec![
                ("extension", text("The name he registers with")),
                ("domain", text("The realm")),
                ("name", text("The display name")),
                ("context", text("The dialplan context")),
            ],
            &["extension", "domain"],
            &["extension", "domain"],
        ),
    }
}

fn extension() -> Properties {
    vec![
        ("extension", text("The extension")),
        ("name", text("Its user's name")),
        ("dnd", yes_no("Do not disturb")),
        ("ascii", yes_no("Show names in ASCII on this telephone")),
        ("forward_always", text("Where all calls go")),
        ("forward_busy", text("Where a call goes that finds it busy")),
        ("forward_no_answer", text("Where a call goes that nobody answers")),
        ("forward_unavailable", text("Where a call goes while it can't be reached")),
        ("mailbox", text("The mailbox of calls that nobody takes")),
        ("ring_seconds", whole("How long it rings")),
        ("calls_max", whole("So many calls at once")),
        ("permissions", texts("What it may call")),
        ("caller_id", text("The number that it shows")),
        ("emergency_caller_id", text("The number that an emergency service calls back")),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::{
        ContactText, ExtensionDraft, GroupDraft, LimitDraft, MemberDraft, NumberText, RouteDraft, ScheduleDraft, ScreenDraft, StepDraft,
        TrunkDraft, UserDraft,
    };
    use serde::de::DeserializeOwned;
    use std::collections::BTreeSet;

    /// The keys that a draft knows, as serde names them to whoever writes another.
    fn known<T: DeserializeOwned>() -> BTreeSet<String> {
        let error = serde_json::from_str::<T>("{\"?\":0}").err().unwrap().to_string();
        error.split('`').skip(3).step_by(2).map(str::to_owned).collect()
    }

    fn keys(schema: &Json) -> BTreeSet<String> {
        schema["properties"].as_object().unwrap().keys().filter(|key| !matches!(key.as_str(), "revision" | "source")).cloned().collect()
    }

    #[test]
    fn the_schemas_name_the_keys_that_are_read_and_no_others() {
        let of = |collection| keys(&of_thing(collection).1);
        assert_eq!(of(Collection::Contacts), known::<ContactText>());
        assert_eq!(of(Collection::Routes), known::<RouteDraft>());
        assert_eq!(of(Collection::Groups), known::<GroupDraft>());
        assert_eq!(of(Collection::Schedules), known::<ScheduleDraft>());
        assert_eq!(of(Collection::Extensions), known::<ExtensionDraft>());
        assert_eq!(of(Collection::Trunks), known::<TrunkDraft>());
        assert_eq!(of(Collection::Limits), known::<LimitDraft>());
        assert_eq!(of(Collection::Block), known::<ScreenDraft>());
        assert_eq!(of(Collection::Allow), known::<ScreenDraft>());
        assert_eq!(of(Collection::Users), known::<UserDraft>());
        let part = |name| parts().into_iter().find(|(n, _)| *n == name).unwrap().1;
        assert_eq!(keys(&part("Number")), known::<NumberText>());
        assert_eq!(keys(&part("Member")), known::<MemberDraft>());
        let step = serde_json::from_str::<StepDraft>("{\"?\":0}").unwrap_err().to_string();
        for key in keys(&part("Step")["oneOf"][1]) {
            assert!(step.contains(&key), "{key}: {step}");
        }
    }

    #[test]
    fn what_a_user_is_known_by_is_in_no_schema_of_what_is_shown() {
        assert!(of_thing(Collection::Users).0["properties"]["a1_hash"].is_null());
    }
}
