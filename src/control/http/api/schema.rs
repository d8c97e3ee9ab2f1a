//! The schemas of what isn't a thing: pages, outcomes, problems, and the bodies of the older paths.

use super::collection::Collection;
use super::schema_things::of_thing;
use serde_json::{Map, Value as Json, json};

/// Every schema, by name.
pub(super) fn all() -> Map<String, Json> {
    let mut all = Map::new();
    for collection in Collection::ALL {
        let thing = collection.words().1;
        let (read, write) = of_thing(collection);
        all.insert(thing.to_owned(), read);
        all.insert(format!("{thing}Put"), write);
        let page = [
            ("items", list(of(thing))),
            ("next", json!({ "type": ["string", "null"], "description": "The path of the next page" })),
            ("notes", json!({ "type": "array", "items": { "type": "string" }, "description": "What whoever asked should know" })),
        ];
        all.insert(format!("{thing}Page"), object(page, &["items", "next"]));
    }
    let others = batches().into_iter().chain(outcomes()).chain(older());
    all.extend(others.map(|(name, schema)| (name.to_owned(), schema)));
    all.extend(super::schema_things::parts().into_iter().map(|(name, schema)| (name.to_owned(), schema)));
    all
}

/// A reference to a schema.
pub(super) fn of(name: &str) -> Json {
    json!({ "$ref": format!("#/components/schemas/{name}") })
}

pub(super) fn list(items: Json) -> Json {
    json!({ "type": "array", "items": items })
}

pub(super) fn text(about: &str) -> Json {
    json!({ "type": "string", "description": about })
}

pub(super) fn whole(about: &str) -> Json {
    json!({ "type": "integer", "minimum": 0, "description": about })
}

/// An object that has these properties and no others.
pub(super) fn object<'a>(properties: impl IntoIterator<Item = (&'a str, Json)>, required: &[&str]) -> Json {
    let properties: Map<String, Json> = properties.into_iter().map(|(name, schema)| (name.to_owned(), schema)).collect();
    json!({ "type": "object", "properties": properties, "required": required, "additionalProperties": false })
}

fn batches() -> Vec<(&'static str, Json)> {
    let mut contact = of_thing(Collection::Contacts).1;
    contact["required"] = json!(["id", "name", "numbers"]);
    let most = crate::control::batch::BATCH_ITEMS_MAX;
    let put = json!({ "type": "array", "items": contact, "maxItems": most });
    let delete = json!({ "type": "array", "items": text("A contact's id; one that isn't there is no error"), "maxItems": most });
    let done = [
        ("revision", whole("The store's revision, and that of every contact that was added or changed")),
        ("added", whole("Contacts that weren't there")),
        ("replaced", whole("Contacts that were there")),
        ("removed", whole("Contacts that were removed")),
        ("missing", whole("Contacts that were to be removed and weren't there")),
    ];
    let name = [("number", text("As it is compared")), ("contacts", list(of("Contact")))];
    vec![
        ("ContactBatch", object([("put", put), ("delete", delete)], &[])),
        ("ContactBatchDone", object(done, &["revision", "added", "replaced", "removed", "missing"])),
        ("Name", object(name, &["number", "contacts"])),
    ]
}

fn outcomes() -> Vec<(&'static str, Json)> {
    let own = json!({ "type": ["integer", "null"], "description": "The thing's revision; null where others edit it all the time" });
    let edited = [
        ("revision", own),
        ("changed", json!({ "type": "boolean", "description": "Whether anything is different now" })),
        ("notes", list(text("What whoever made the edit should know"))),
    ];
    let error = [("pointer", text("Where in the body: /put/3")), ("detail", text("What is wrong there"))];
    let problem = json!({
        "type": "object",
        "description": "RFC 9457",
        "properties": {
            "type": text("about:blank: the status says it"),
            "title": text("The status in words"),
            "status": whole("The status"),
            "detail": text("What is wrong, and what to do"),
            "revision": whole("412: the thing's revision now, 0 where it isn't there"),
            "errors": list(object(error, &["pointer", "detail"])),
            "wrong": whole("How many items of a batch are wrong"),
        },
        "required": ["type", "title", "status", "detail"],
    });
    let nullable = |schema: Json| json!({ "oneOf": [schema, { "type": "null" }] });
    let seen = json!({
        "type": "object",
        "properties": {
            "typed": text("As it was typed"),
            "number": { "type": ["string", "null"] },
            "kind": { "type": ["string", "null"] },
            "class": { "type": ["string", "null"] },
            "region": { "type": ["string", "null"] },
            "national": { "type": ["string", "null"] },
            "withheld": { "type": "boolean" },
        },
        "required": ["typed"],
    });
    let texts = json!({ "type": "object", "additionalProperties": { "type": "string" } });
    let explanation = json!({
        "type": "object",
        "properties": {
            "decision": { "type": "object", "description": "What the switch gets: its variables in lower case" },
            "trace": list(text("What was tried")),
            "revision": whole("The store's revision that was asked"),
            "changed": { "type": ["string", "null"] },
            "age_seconds": { "type": ["integer", "null"] },
            "at": text("The moment that it was decided for"),
            "to": nullable(seen.clone()),
            "from": nullable(seen),
            "targets": texts,
            "legs": texts,
        },
        "required": ["decision", "trace", "revision"],
    });
    let document = json!({ "type": "object", "properties": { "openapi": text("3.1.0") }, "required": ["openapi", "info", "paths"] });
    vec![
        ("Edited", object(edited, &["revision", "changed", "notes"])),
        ("Problem", problem),
        ("Explanation", explanation),
        ("Document", document),
    ]
}

fn older() -> Vec<(&'static str, Json)> {
    let number = json!({ "type": ["string", "null"] });
    let forwards = ["forward_always", "forward_busy", "forward_no_answer", "forward_unavailable"];
    let dnd = ("dnd", json!({ "type": "boolean" }));
    let patch = forwards.map(|name| (name, number.clone())).into_iter().chain([dnd.clone()]);
    let features = forwards.map(|name| (name, number.clone())).into_iter().chain([dnd, ("number", text("The extension"))]);
    let set = [("state", text("closed, open, holiday, a period's name")), ("until", text("18:00, 2026-12-24 18:00, 8h"))];
    vec![
        ("FeaturesPatch", object(patch, &[])),
        ("Features", object(features, &["number", "dnd"])),
        ("Override", object(set, &["state"])),
        ("Overridden", object([("id", text("The schedule")), ("override", number)], &["id", "override"])),
        ("Calls", object([("id", text("Where the feed goes on")), ("calls", list(json!({ "type": "object" })))], &["id", "calls"])),
        ("Health", object([("status", text("ok"))], &["status"])),
    ]
}
