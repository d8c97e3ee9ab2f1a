//! `history`, `contact history`, `undo`, `contact undo`.

use super::args::Global;
use super::backend::{Backend, unexpected};
use super::exit::{Exit, Failure};
use super::print;
use crate::control::{ChangeView, HistoryQuery, Reply, Request, ThingView, UndoWhich};
use clap::Args;
use jiff::Timestamp;
use serde_json::{Value as Json, json};

/// Changes that are asked for at once.
const PAGE: usize = 100;

#[derive(Debug, Args)]
pub(super) struct HistoryArgs {
    /// Only of this thing, as history calls it, such as group family or route +14155550199 [default: of all]
    #[arg(value_name = "THING")]
    thing: Vec<String>,
    /// Show so many changes, the last ones
    #[arg(long, value_name = "N", default_value_t = 20)]
    limit: usize,
}

#[derive(Debug, Args)]
pub(super) struct ContactHistoryArgs {
    /// Its id; it may be gone
    id: String,
    /// Show so many changes, the last ones
    #[arg(long, value_name = "N", default_value_t = 20)]
    limit: usize,
}

#[derive(Debug, Args)]
pub(super) struct UndoArgs {
    /// The revision of the change, as history shows it
    revision: u64,
    /// Put back what was before even where it was changed since
    #[arg(long)]
    force: bool,
}

#[derive(Debug, Args)]
pub(super) struct ContactUndoArgs {
    /// Its id; it may be gone
    id: String,
    /// Put back what was before even where it was changed since
    #[arg(long)]
    force: bool,
}

pub(super) fn history(global: &Global, args: HistoryArgs) -> Result<Exit, Failure> {
    let thing = Some(args.thing.join(" ")).filter(|thing| !thing.is_empty());
    // contacts have a history of their own, in which imports are told of
    let (contact, thing) = match thing.as_deref().and_then(|thing| thing.strip_prefix("contact ")) {
        Some(id) => (Some(id.to_owned()), None),
        None => (None, thing),
    };
    show(global, HistoryQuery { tenant: global.tenant.clone(), contact, thing, below: None, limit: 0 }, args.limit)
}

pub(super) fn contact(global: &Global, args: ContactHistoryArgs) -> Result<Exit, Failure> {
    let query = HistoryQuery { tenant: global.tenant.clone(), contact: Some(args.id), ..HistoryQuery::default() };
    show(global, query, args.limit)
}

fn show(global: &Global, mut query: HistoryQuery, limit: usize) -> Result<Exit, Failure> {
    let (mut backend, mut left) = (Backend::look(global)?, limit);
    let mut all = Vec::new();
    let begins = loop {
        query.limit = left.clamp(1, PAGE);
        let Reply::History(page) = backend.ask(Request::History(query.clone()))? else { return Err(unexpected()) };
        left = left.saturating_sub(page.changes.len());
        if global.json {
            all.extend(page.changes);
        } else {
            print::out(&page.changes.iter().map(text).collect::<String>());
        }
        query.below = page.next;
        if query.below.is_none() || left == 0 {
            break page.begins;
        }
    };
    if global.json {
        print::json(&json!({ "changes": all, "begins": begins }));
    } else if query.below.is_some() {
        print::note("note: there are more changes; use --limit");
    } else if let Some(begins) = begins.filter(|begins| *begins > 1) {
        print::note(&format!("note: changes before revision {begins} are no longer kept"));
    }
    Ok(Exit::Done)
}

fn text(change: &ChangeView) -> String {
    let at = i64::try_from(change.at_us).ok().and_then(|us| Timestamp::from_microsecond(us).ok());
    let at = at.map(|at| at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()).unwrap_or_default();
    let from = if change.origin.is_empty() { String::new() } else { format!(", {}", change.origin) };
    let mut text = format!("revision {}  {at}  {}{}", change.revision, print::shown(&change.who), print::shown(&from));
    if let Some(undone) = change.undoes {
        text.push_str(&format!(", undoes revision {undone}"));
    }
    text.push('\n');
    if let Some(source) = &change.import {
        text.push_str(&format!("  import of {}\n", print::shown(source)));
    }
    text.extend(change.things.iter().map(thing));
    if change.more > 0 {
        text.push_str(&format!("  and {} more\n", change.more));
    }
    if change.let_go {
        text.push_str("  what it changed was too much to be kept until now\n");
    }
    text
}

fn thing(thing: &ThingView) -> String {
    let mut text = format!("  {} {}\n", print::shown(&thing.what), thing.kind);
    for field in &thing.fields {
        let line = match (&field.before, &field.after) {
            (Some(before), Some(after)) => format!("{}: {} → {}", field.field, value(before), value(after)),
            (Some(before), None) => format!("{}: {} → (nothing)", field.field, value(before)),
            (None, Some(after)) if thing.kind == "changed" => format!("{}: (nothing) → {}", field.field, value(after)),
            (None, after) => format!("{}: {}", field.field, after.as_ref().map(value).unwrap_or_default()),
        };
        text.push_str(&format!("    {}\n", print::shown(&line)));
    }
    text
}

fn value(value: &Json) -> String {
    match value {
        Json::String(text) => text.clone(),
        Json::Array(all) if all.iter().all(Json::is_string) => all.iter().filter_map(Json::as_str).collect::<Vec<_>>().join(", "),
        other => other.to_string(),
    }
}

pub(super) fn undo(global: &Global, args: &UndoArgs) -> Result<Exit, Failure> {
    let tenant = global.tenant.clone();
    let which = UndoWhich { tenant, revision: Some(args.revision), contact: None, force: args.force };
    undone(global, &format!("revision {}", args.revision), which)
}

pub(super) fn contact_undo(global: &Global, args: ContactUndoArgs) -> Result<Exit, Failure> {
    let tenant = global.tenant.clone();
    let what = format!("the last change of contact {}", args.id);
    undone(global, &what, UndoWhich { tenant, revision: None, contact: Some(args.id), force: args.force })
}

fn undone(global: &Global, what: &str, which: UndoWhich) -> Result<Exit, Failure> {
    let Reply::Done { revision, changed, notes, .. } = Backend::look(global)?.ask(Request::Undo(which))? else {
        return Err(unexpected());
    };
    if global.json {
        print::json(&json!({ "revision": revision, "changed": changed, "notes": notes }));
        return Ok(Exit::Done);
    }
    for note in &notes {
        print::note(note);
    }
    let how = if changed { "undone" } else { "was so already" };
    print::line(&format!("{} {how} (revision {revision})", print::shown(what)));
    Ok(Exit::Done)
}
