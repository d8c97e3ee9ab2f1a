//! A plan as a file: in one order, with a word on each sort of thing, and the same bytes for the same plan.

use super::draft::{ContactText, ItemDraft};
use super::file::table_of;
use super::step_draft::table;
use crate::directory::Contact;
use crate::routing::{PlanItem, PlanKey, Step};
use serde::Serialize;
use std::collections::BTreeMap;

/// What a file shows of secrets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shown {
    /// Accounts without their hashes.
    WithoutSecrets,
    /// With them: whoever has the file can register as these users.
    WithSecrets,
}

/// The sections: the table's name, and what stands in front of it.
const SECTIONS: &[(&str, &str)] = &[
    ("extension", "Extensions: what their users have set, and what they may call."),
    ("group", "Ring groups."),
    ("schedule", "Opening hours."),
    ("trunk", "Trunks, and what a minute costs over them."),
    ("limit", "Brakes against toll fraud."),
    ("route", "Routes: what becomes of a call to a number."),
    ("block", "Callers who don't get through."),
    ("allow", "Callers who do, whatever the block list says."),
    ("user", "SIP accounts."),
    ("contact", "People and companies, those that no import brought."),
];

/// The plan as TOML.
pub fn write(items: &BTreeMap<PlanKey, PlanItem>, contacts: &BTreeMap<String, Contact>, shown: Shown) -> String {
    let mut text =
        String::from("# A plan for strowger: `strowger apply` makes the store equal to it, `strowger diff` says what would change.\n");
    for (sort, words) in SECTIONS {
        let tables: Vec<String> = match *sort {
            "contact" => contacts.values().map(|c| fields(&ContactText::from(c), &BTreeMap::new())).collect(),
            sort => items.iter().filter(|(key, _)| table_of(key) == sort).map(|(_, item)| one(item, shown)).collect(),
        };
        if tables.is_empty() {
            continue;
        }
        text.push_str(&format!("\n# {words}\n"));
        for (n, table) in tables.iter().enumerate() {
            text.push_str(&format!("{}[[{sort}]]\n{table}", if n == 0 { "" } else { "\n" }));
        }
    }
    text
}

/// A thing's lines, without its heading.
pub(super) fn one(item: &PlanItem, shown: Shown) -> String {
    let list = |steps: &[Step]| array(&steps.iter().map(table).collect::<Vec<_>>());
    let mut said = BTreeMap::new();
    match item {
        PlanItem::Route(route) => {
            said.insert("steps", list(&route.steps));
            said.extend(route.fallback.as_ref().map(|step| ("fallback", table(step))));
            if !route.when.is_empty() {
                let when: BTreeMap<&str, String> = route.when.iter().map(|(state, steps)| (state.as_str(), list(steps))).collect();
                let states: Vec<String> = when.iter().map(|(state, steps)| format!("{} = {steps}", key(state))).collect();
                said.insert("when", format!("{{ {} }}", states.join(", ")));
            }
        }
        PlanItem::Screen(screen) => said.extend(screen.action.as_ref().map(|step| ("action", table(step)))),
        PlanItem::User(user) if shown == Shown::WithSecrets => {
            said.insert("a1_hash", quoted(&user.a1_hash.reveal()));
        }
        _ => {}
    }
    match ItemDraft::of(item) {
        ItemDraft::Group(d) => fields(&d, &said),
        ItemDraft::Schedule(d) => fields(&d, &said),
        ItemDraft::Route(d) => fields(&d, &said),
        ItemDraft::Block(d) | ItemDraft::Allow(d) => fields(&d, &said),
        ItemDraft::Trunk(d) => fields(&d, &said),
        ItemDraft::Limit(d) => fields(&d, &said),
        ItemDraft::Extension(d) => fields(&d, &said),
        ItemDraft::User(d) => fields(&d, &said),
    }
}

/// A draft's fields, one a line, in the order of its declaration; some of them said in other words, and those that a draft
/// leaves out behind it.
fn fields(draft: &impl Serialize, said: &BTreeMap<&str, String>) -> String {
    // drafts are made of texts, numbers, lists and tables: nothing that JSON can't hold
    let value = serde_json::to_value(Ordered(draft)).unwrap_or_default();
    let mut text = String::new();
    let mut left = said.clone();
    for pair in value.as_array().into_iter().flatten() {
        let (Some(name), Some(value)) = (pair.get(0).and_then(|n| n.as_str()), pair.get(1)) else { continue };
        let value = left.remove(name).unwrap_or_else(|| toml_of(value));
        text.push_str(&format!("{name} = {value}\n"));
    }
    for (name, value) in left {
        text.push_str(&format!("{name} = {value}\n"));
    }
    text
}

/// A struct as a list of its fields: JSON's own objects forget the order.
struct Ordered<'a, T>(&'a T);

impl<T: Serialize> Serialize for Ordered<'_, T> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        // serde_json writes a struct's fields in their order, and only a map in memory sorts them
        let text = serde_json::to_string(self.0).map_err(serde::ser::Error::custom)?;
        let mut pairs = Vec::new();
        let mut reader = serde_json::Deserializer::from_str(&text);
        serde::Deserializer::deserialize_map(&mut reader, Pairs(&mut pairs)).map_err(serde::ser::Error::custom)?;
        pairs.serialize(serializer)
    }
}

struct Pairs<'a>(&'a mut Vec<(String, serde_json::Value)>);

impl<'de> serde::de::Visitor<'de> for Pairs<'_> {
    type Value = ();

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("fields")
    }

    fn visit_map<A: serde::de::MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(pair) = map.next_entry()? {
            self.0.push(pair);
        }
        Ok(())
    }
}

/// A JSON value as TOML. Tables in it are written with their keys in a fixed order: the target first.
fn toml_of(value: &serde_json::Value) -> String {
    match value {
        serde_json::Value::String(text) => quoted(text),
        serde_json::Value::Array(values) => array(&values.iter().map(toml_of).collect::<Vec<_>>()),
        serde_json::Value::Object(fields) => {
            let first = |name: &str| ["extension", "number", "group", "name", "label"].iter().position(|n| *n == name).unwrap_or(9);
            let mut pairs: Vec<_> = fields.iter().collect();
            pairs.sort_by_key(|(name, _)| (first(name), (*name).clone()));
            let pairs: Vec<String> = pairs.into_iter().map(|(name, value)| format!("{} = {}", key(name), toml_of(value))).collect();
            format!("{{ {} }}", pairs.join(", "))
        }
        other => other.to_string(),
    }
}

fn quoted(text: &str) -> String {
    // one line, whatever is in it: a diff goes line by line
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            '\r' => out.push_str("\\r"),
            c if c.is_control() => out.push_str(&format!("\\u{:04X}", c as u32)),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

fn key(name: &str) -> String {
    let is_bare = !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-'));
    if is_bare { name.to_owned() } else { quoted(name) }
}

/// A list on one line, or one value a line where that is long.
fn array(values: &[String]) -> String {
    let short = format!("[{}]", values.join(", "));
    if short.len() <= 100 || values.len() < 2 {
        return short;
    }
    let lines: Vec<String> = values.iter().map(|v| format!("  {v},")).collect();
    format!("[\n{}\n]", lines.join("\n"))
}
