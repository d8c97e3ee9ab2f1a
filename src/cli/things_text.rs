//! How things of a plan look: one as JSON, one as lines, many as a table.

use super::args::Global;
use super::print;
use crate::plan::{ExtensionDraft, GroupDraft, ItemDraft, LimitDraft, ScheduleDraft, TrunkDraft};
use crate::routing::{NumberFormat, PlanItem, Scope};
use serde_json::{Value as Json, json};

/// Fields that come first, in this order, and those that come last; the others stand in between by name.
const FIRST: &[&str] = &["id", "extension", "class", "scope", "name", "strategy", "timeout_seconds", "state", "why", "next", "zone"];
const LAST: &str = "revision";

/// A thing's fields as people write them, with what holds where nobody wrote anything: a script finds each switch.
pub(super) fn view(item: &PlanItem) -> Json {
    // a draft comes inside the word for its sort
    let draft = serde_json::to_value(ItemDraft::of(item)).unwrap_or_default();
    let mut view = draft.as_object().and_then(|outer| outer.values().next().cloned()).unwrap_or_default();
    let Some(fields) = view.as_object_mut() else { return view };
    let plus = NumberFormat::default().word();
    let unsaid: &[(&str, Json)] = match item {
        PlanItem::Extension(_) => &[("dnd", json!(false))],
        PlanItem::Trunk(_) => {
            &[("format", json!(plus)), ("caller_id_format", json!(plus)), ("emergency", json!(false)), ("rates", json!([]))]
        }
        PlanItem::Limit(_) => &[("scope", json!(Scope::Extension.word()))],
        PlanItem::Schedule(_) => {
            &[("open", json!([])), ("periods", json!([])), ("exceptions", json!([])), ("holidays", json!([])), ("override", Json::Null)]
        }
        _ => &[],
    };
    for (name, value) in unsaid {
        fields.entry(*name).or_insert_with(|| value.clone());
    }
    if let Some(revision) = item.revision() {
        fields.insert(LAST.to_owned(), json!(revision));
    }
    view
}

/// Prints a view: JSON, or a line for each field.
pub(super) fn said(global: &Global, view: &Json) {
    if global.json { print::json(view) } else { print::out(&print::columns(&lines(view))) }
}

/// Name and value of each field, lists with a line for each of their values.
fn lines(view: &Json) -> Vec<Vec<String>> {
    let mut fields: Vec<(&String, &Json)> = view.as_object().into_iter().flatten().collect();
    let rank = |name: &str| match FIRST.iter().position(|first| *first == name) {
        _ if name == LAST => FIRST.len() + 1,
        found => found.unwrap_or(FIRST.len()),
    };
    fields.sort_by_key(|(name, _)| (rank(name), *name));
    let mut rows = Vec::new();
    for (name, value) in fields {
        match value {
            Json::Null => {}
            // said as the zone, which is the tenant's where it has none
            _ if name == "timezone" => {}
            Json::Array(values) if name == "permissions" => {
                rows.push(vec!["permissions".to_owned(), values.iter().map(text_of).collect::<Vec<_>>().join(", ")]);
            }
            Json::Array(values) => {
                let name = if name == "open" { name } else { name.strip_suffix('s').unwrap_or(name) };
                rows.extend(values.iter().map(|v| vec![name.to_owned(), text_of(v)]));
            }
            value => rows.push(vec![name.replace('_', " "), text_of(value)]),
        }
    }
    rows
}

/// A value as it is typed.
fn text_of(value: &Json) -> String {
    match value {
        Json::String(text) => text.clone(),
        Json::Bool(true) => "yes".to_owned(),
        Json::Bool(false) => "no".to_owned(),
        Json::Object(_) => member(value),
        other => other.to_string(),
    }
}

/// A group's member as it is typed: whom it rings, his name, the rest.
fn member(value: &Json) -> String {
    let mut parts = Vec::new();
    for (key, typed) in [
        ("extension", "extension"),
        ("number", "number"),
        ("group", "group"),
        ("name", "name"),
        ("delay_seconds", "delay"),
        ("timeout_seconds", "timeout"),
        ("weight", "weight"),
        ("confirm", "confirm"),
        ("trunk", "trunk"),
    ] {
        match &value[key] {
            Json::Null | Json::Bool(false) => {}
            Json::Bool(true) => parts.push(typed.to_owned()),
            found => parts.push(format!("{typed}={}", text_of(found))),
        }
    }
    parts.join(",")
}

/// A thing as a line of a table.
pub(super) fn row(item: &PlanItem) -> Vec<String> {
    match ItemDraft::of(item) {
        ItemDraft::Group(draft) => group(draft),
        ItemDraft::Extension(draft) => extension(&draft),
        ItemDraft::Trunk(draft) => trunk(draft),
        ItemDraft::Limit(draft) => limit(draft),
        ItemDraft::Schedule(draft) => schedule(draft),
        // these have tables of their own
        ItemDraft::Route(_) | ItemDraft::Block(_) | ItemDraft::Allow(_) | ItemDraft::User(_) => vec![item.key().to_string()],
    }
}

fn group(draft: GroupDraft) -> Vec<String> {
    let whom = |m: crate::plan::MemberDraft| {
        let target = m.extension.or(m.number).or(m.group.map(|id| format!("group {id}"))).unwrap_or_default();
        let name = m.name.map(|name| format!(" {name}")).unwrap_or_default();
        format!("{target}{name}{}", if m.confirm { " (confirm)" } else { "" })
    };
    let members: Vec<String> = draft.members.into_iter().map(whom).collect();
    let seconds = draft.timeout_seconds.map(|seconds| format!("{seconds} s")).unwrap_or_default();
    vec![draft.id, draft.name.unwrap_or_default(), draft.strategy.unwrap_or_default(), seconds, members.join(", ")]
}

fn extension(draft: &ExtensionDraft) -> Vec<String> {
    let mut said = Vec::new();
    if draft.dnd {
        said.push("do not disturb".to_owned());
    }
    for (when, to) in [
        ("always", &draft.forward_always),
        ("busy", &draft.forward_busy),
        ("no answer", &draft.forward_no_answer),
        ("unavailable", &draft.forward_unavailable),
        ("mailbox", &draft.mailbox),
    ] {
        said.extend(to.iter().map(|to| format!("{when} → {to}")));
    }
    said.extend(draft.ring_seconds.map(|seconds| format!("rings {seconds} s")));
    said.extend(draft.calls_max.map(|calls| format!("{calls} calls at most")));
    said.extend(draft.permissions.as_ref().map(|classes| match classes.len() {
        0 => "may call nobody".to_owned(),
        _ => format!("may call {}", classes.join(" ")),
    }));
    said.extend(draft.caller_id.iter().map(|number| format!("shows {number}")));
    said.extend(draft.emergency_caller_id.iter().map(|number| format!("called back at {number}")));
    said.extend(draft.ascii.then(|| "names in ASCII".to_owned()));
    vec![draft.extension.clone(), draft.name.clone().unwrap_or_default(), said.join(", ")]
}

fn trunk(draft: TrunkDraft) -> Vec<String> {
    let format = draft.format.unwrap_or_else(|| NumberFormat::default().word().to_owned());
    let emergency = if draft.emergency { "emergency" } else { "" };
    vec![draft.id, format, emergency.to_owned(), draft.rates.join("  ")]
}

fn limit(draft: LimitDraft) -> Vec<String> {
    let whose = if draft.scope.as_deref() == Some(Scope::Tenant.word()) { "the tenant" } else { "each extension" };
    let hour = draft.per_hour.map(|calls| format!("{calls} an hour")).unwrap_or_default();
    let once = draft.concurrent.map(|calls| format!("{calls} at once")).unwrap_or_default();
    vec![draft.class, whose.to_owned(), hour, once]
}

fn schedule(draft: ScheduleDraft) -> Vec<String> {
    let open: Vec<String> = draft.open.iter().map(ToString::to_string).collect();
    let mode = draft.mode.map(|mode| format!("by hand: {mode}")).unwrap_or_default();
    let code = draft.code.map(|code| format!("code {code}")).unwrap_or_default();
    vec![draft.id, draft.timezone.unwrap_or_default(), code, open.join("; "), mode]
}
