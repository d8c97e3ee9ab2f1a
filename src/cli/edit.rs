//! `contact`, `route`, `block` and `allow`.

use super::args::{ContactSetArgs, ContactVerb, Global, RouteVerb, RouteWhichArgs, ScreenVerb, ScreenWhichArgs};
use super::backend::{Backend, unexpected};
use super::exit::{Exit, Failure};
use super::{export, history, import, print, search_args};
use crate::control::{ContactView, ListKey, NumberView, Reply, Request, RouteView, RouteWhich, ScreenView};
use crate::directory::ContactDraft;
use crate::plan::{ItemDraft, RouteDraft, StepDraft};
use crate::routing::List;
use serde_json::json;
use std::collections::BTreeMap;

/// Contacts on one page of a listing.
const PAGE: usize = 500;
/// How often a thing is read and edited anew where somebody else edits it at the same time.
const TRIES_MAX: usize = 3;

pub(super) fn contact(global: &Global, verb: ContactVerb) -> Result<Exit, Failure> {
    let tenant = global.tenant.clone();
    match verb {
        ContactVerb::Set(args) => {
            let what = format!("contact {}", args.id);
            edit(global, &what, Request::ContactSet { tenant, contact: draft(args) })
        }
        ContactVerb::Rm { id } => edit(global, &format!("contact {id}"), Request::ContactRm { tenant, id }),
        ContactVerb::Show { id } => match Backend::look(global)?.ask(Request::ContactShow { tenant, id })? {
            Reply::Contacts { contacts, .. } => {
                for contact in &contacts {
                    if global.json { print::json(contact) } else { print::out(&contact_text(contact)) }
                }
                Ok(Exit::Done)
            }
            _ => Err(unexpected()),
        },
        ContactVerb::Ls { from, limit, owner, favourites } => {
            let is_wanted = |c: &ContactView| (owner.is_none() || c.owner == owner) && (c.favourite || !favourites);
            contact_ls(global, from, limit, is_wanted)
        }
        ContactVerb::Search(args) => search_args::search(global, args),
        ContactVerb::History(args) => history::contact(global, args),
        ContactVerb::Undo(args) => history::contact_undo(global, args),
        ContactVerb::Import(args) => import::import(global, &args),
        ContactVerb::Export(args) => export::export(global, &args),
    }
}

fn draft(args: ContactSetArgs) -> ContactDraft {
    let number = |text: String| match text.rsplit_once('=') {
        Some((number, label)) => (number.to_owned(), Some(label.to_owned())),
        None => (text, None),
    };
    ContactDraft {
        id: args.id,
        name: args.name,
        company: args.company,
        numbers: args.numbers.into_iter().map(number).collect(),
        tags: args.tags,
        note: args.note,
        owner: args.owner,
        favourite: args.favourite,
    }
}

fn contact_ls(global: &Global, from: String, limit: Option<usize>, is_wanted: impl Fn(&ContactView) -> bool) -> Result<Exit, Failure> {
    let mut backend = Backend::look(global)?;
    let (mut from_id, mut left) = (from, limit.unwrap_or(usize::MAX));
    while left > 0 {
        let request = Request::ContactLs { tenant: global.tenant.clone(), from_id, limit: PAGE };
        let Reply::Contacts { contacts, next_id, .. } = backend.ask(request)? else { return Err(unexpected()) };
        let mut text = String::new();
        for contact in contacts.iter().filter(|c| is_wanted(c)).take(left) {
            left -= 1;
            if global.json {
                // one object a line: a million of them need no million in memory
                text.push_str(&print::json_line(contact));
                text.push('\n');
            } else {
                let numbers: Vec<_> = contact.numbers.iter().map(NumberView::listed).collect();
                text.push_str(&format!("{}\t{}\t{}\n", contact.id, print::shown(&contact.name), print::shown(&numbers.join(" "))));
            }
        }
        print::out(&text);
        match next_id {
            Some(next) => from_id = next,
            None => break,
        }
    }
    Ok(Exit::Done)
}

fn contact_text(contact: &ContactView) -> String {
    let mut rows = vec![vec!["contact".to_owned(), contact.id.clone()], vec!["name".to_owned(), print::shown(&contact.name)]];
    let mut row = |name: &str, text: &str| {
        if !text.is_empty() {
            rows.push(vec![name.to_owned(), print::shown(text)]);
        }
    };
    row("company", contact.company.as_deref().unwrap_or_default());
    for number in &contact.numbers {
        let label = number.label.as_ref().map(|l| format!(" ({l})")).unwrap_or_default();
        let typed = if number.is_many() || number.typed == number.number { String::new() } else { format!(", typed as {}", number.typed) };
        row("number", &format!("{}{label}{typed}", number.listed()));
    }
    row("phone book", &contact.owner.as_ref().map(|owner| format!("personal, of {owner}")).unwrap_or_default());
    row("favourite", if contact.favourite { "yes" } else { "" });
    row("tags", &contact.tags.join(", "));
    row("note", contact.note.as_deref().unwrap_or_default());
    row("source", &contact.source);
    row("revision", &contact.revision.to_string());
    print::columns(&rows)
}

/// Has an edit made and says so.
pub(super) fn edit(global: &Global, what: &str, request: Request) -> Result<Exit, Failure> {
    let mut backend = Backend::open(global)?;
    made(global, what, &mut backend, request)?.ok_or_else(unexpected)
}

/// Has an edit made that comes of what was read before, with its revision: over that revision, and anew where somebody else
/// was faster. `None` for an edit that comes of nothing that was read.
pub(super) fn edit_over(
    global: &Global,
    what: &str,
    read: impl Fn(&mut Backend) -> Result<(Option<u64>, Request), Failure>,
) -> Result<Exit, Failure> {
    let mut backend = Backend::open(global)?;
    for _ in 0..TRIES_MAX {
        let request = match read(&mut backend)? {
            (None, edit) => edit,
            (Some(revision), edit) => Request::Over { revision, edit: Box::new(edit) },
        };
        if let Some(exit) = made(global, what, &mut backend, request)? {
            return Ok(exit);
        }
    }
    let text = format!("{what} was edited by somebody else each of {TRIES_MAX} times that it was read; nothing was changed: try again");
    Err(Failure::new(Exit::Trouble, text))
}

/// Has an edit made and says so; `None` where it was made over what is no longer so.
fn made(global: &Global, what: &str, backend: &mut Backend, request: Request) -> Result<Option<Exit>, Failure> {
    let removing = matches!(
        request,
        Request::ContactRm { .. }
            | Request::RouteRm { .. }
            | Request::ScreenRm { .. }
            | Request::UserRm { .. }
            | Request::TokenRm { .. }
            | Request::ItemRm { .. }
            | Request::ScheduleOverride { state: None, .. }
    );
    let (revision, existed, changed, notes) = match backend.ask(request)? {
        Reply::Done { revision, existed, changed, notes } => (revision, existed, changed, notes),
        Reply::Stale { .. } => return Ok(None),
        _ => return Err(unexpected()),
    };
    for note in &notes {
        print::note(&format!("note: {note}"));
    }
    if global.json {
        print::json(&json!({ "revision": revision, "existed": existed, "changed": changed }));
        return Ok(Some(Exit::Done));
    }
    let done = match (removing, existed, changed) {
        (true, true, _) => "removed",
        (true, false, _) | (false, _, false) => "was so already",
        (false, false, true) => "added",
        (false, true, true) => "replaced",
    };
    print::line(&format!("{} {done} (revision {revision})", print::shown(what)));
    if let Some(place) = backend.own_store() {
        print::note(&format!("note: no server runs over {place}; this went straight into the store there"));
    }
    Ok(Some(Exit::Done))
}

fn route_which(args: RouteWhichArgs) -> (RouteWhich, String) {
    match (args.number, args.prefix) {
        (Some(number), _) => (RouteWhich::Number(number.clone()), format!("route {number}")),
        (None, Some(prefix)) => (RouteWhich::Prefix(prefix.clone()), format!("route for prefix {prefix}")),
        (None, None) => (RouteWhich::Default, "default route".to_owned()),
    }
}

pub(super) fn route(global: &Global, verb: RouteVerb) -> Result<Exit, Failure> {
    let tenant = global.tenant.clone();
    match verb {
        RouteVerb::Set { which, steps, fallback, schedule: Some(schedule), when } => {
            let what = route_which(RouteWhichArgs { ..which.clone() }).1;
            let item = scheduled(which, steps, fallback, schedule, when)?;
            edit(global, &what, Request::ItemSet { tenant, item })
        }
        RouteVerb::Set { which, steps, fallback, .. } => {
            let (which, what) = route_which(which);
            edit(global, &what, Request::RouteSet { tenant, which, steps, fallback })
        }
        RouteVerb::Rm { which } => {
            let (which, what) = route_which(which);
            edit(global, &what, Request::RouteRm { tenant, which })
        }
        RouteVerb::Show { which } => {
            let request = Request::RouteShow { tenant, which: route_which(which).0 };
            let Reply::Routes { routes, .. } = Backend::look(global)?.ask(request)? else { return Err(unexpected()) };
            for route in &routes {
                if global.json { print::json(route) } else { print::out(&route_text(route)) }
            }
            Ok(Exit::Done)
        }
        RouteVerb::Ls => {
            let (mut backend, mut all, mut after) = (Backend::look(global)?, Vec::new(), None);
            loop {
                let request = Request::RouteLs { tenant: tenant.clone(), after };
                let Reply::Routes { routes, next } = backend.ask(request)? else { return Err(unexpected()) };
                all.extend(routes);
                after = next;
                if after.is_none() {
                    break;
                }
            }
            if global.json {
                print::json(&all);
            } else {
                print::out(&print::columns(&all.iter().map(route_row).collect::<Vec<_>>()));
            }
            Ok(Exit::Done)
        }
    }
}

/// A route whose steps a schedule chooses.
fn scheduled(
    which: RouteWhichArgs,
    steps: Vec<String>,
    fallback: Option<String>,
    schedule: String,
    when: Vec<String>,
) -> Result<ItemDraft, Failure> {
    let mut states: BTreeMap<String, Vec<StepDraft>> = BTreeMap::new();
    for text in when {
        let Some((state, step)) = text.split_once('=') else {
            return Err(Failure::new(Exit::BadInput, format!("--when {text:?} is no STATE=STEP, such as closed=voicemail:199")));
        };
        states.entry(state.trim().to_owned()).or_default().push(StepDraft(step.trim().to_owned()));
    }
    Ok(ItemDraft::Route(RouteDraft {
        number: which.number,
        prefix: which.prefix,
        default: which.default,
        steps: steps.into_iter().map(StepDraft).collect(),
        fallback: fallback.map(StepDraft),
        schedule: Some(schedule),
        when: states,
    }))
}

/// A route on one line: what it does, and where a schedule says otherwise.
fn route_row(route: &RouteView) -> Vec<String> {
    let mut row = vec![route.route.clone(), route.steps.join(" → ")];
    if let Some(schedule) = &route.schedule {
        let states: Vec<&str> = route.when.keys().map(String::as_str).collect();
        row.push(format!("but by schedule {schedule}: {}", states.join(", ")).trim_end_matches(": ").to_owned());
    }
    row
}

fn route_text(route: &RouteView) -> String {
    let mut rows = vec![vec!["route".to_owned(), route.route.clone()]];
    rows.extend(route.steps.iter().enumerate().map(|(n, step)| vec![format!("step {}", n + 1), step.clone()]));
    rows.extend(route.schedule.iter().map(|id| vec!["schedule".to_owned(), id.clone()]));
    for (state, steps) in &route.when {
        rows.extend(steps.iter().map(|step| vec![format!("when {state}"), step.clone()]));
    }
    rows.extend(route.fallback.iter().map(|step| vec!["fallback".to_owned(), step.clone()]));
    rows.push(vec!["revision".to_owned(), route.revision.to_string()]);
    print::columns(&rows)
}

fn list_key(args: ScreenWhichArgs) -> (ListKey, String) {
    if let Some(code) = args.country {
        return (ListKey::Country(code.clone()), format!("country {code}"));
    }
    if let Some(class) = args.class {
        return (ListKey::Class(class.clone()), format!("class {class}"));
    }
    if let Some(result) = args.verification {
        return (ListKey::Verification(result.clone()), format!("verification {result}"));
    }
    if let Some(rate) = args.rate {
        return (ListKey::Rate(rate.clone()), format!("rate {rate}").trim_end().to_owned());
    }
    match (args.number, args.prefix) {
        (Some(number), _) => (ListKey::Number(number.clone()), number),
        (None, Some(prefix)) => (ListKey::Prefix(prefix.clone()), format!("prefix {prefix}")),
        (None, None) => (ListKey::Anonymous, "anonymous".to_owned()),
    }
}

pub(super) fn screen(global: &Global, list: List, verb: ScreenVerb) -> Result<Exit, Failure> {
    let tenant = global.tenant.clone();
    let word = list.word();
    match verb {
        ScreenVerb::Set { which, action } => {
            let (key, what) = list_key(which);
            if list == List::Allow && action.is_some() {
                return Err(Failure::new(Exit::BadInput, "--action is for the block list; allowed callers get the route's answer"));
            }
            edit(global, &format!("{word} {what}"), Request::ScreenSet { tenant, list, key, action })
        }
        ScreenVerb::Rm { which } => {
            let (key, what) = list_key(which);
            edit(global, &format!("{word} {what}"), Request::ScreenRm { tenant, list, key })
        }
        ScreenVerb::Show { which } => {
            let request = Request::ScreenShow { tenant, list, key: list_key(which).0 };
            let Reply::Screens { screens, .. } = Backend::look(global)?.ask(request)? else { return Err(unexpected()) };
            show_screens(global, &screens);
            Ok(Exit::Done)
        }
        ScreenVerb::Ls => {
            let (mut backend, mut all, mut after) = (Backend::look(global)?, Vec::new(), None);
            loop {
                let request = Request::ScreenLs { tenant: tenant.clone(), list, after };
                let Reply::Screens { screens, next } = backend.ask(request)? else { return Err(unexpected()) };
                all.extend(screens);
                after = next;
                if after.is_none() {
                    break;
                }
            }
            show_screens(global, &all);
            Ok(Exit::Done)
        }
    }
}

fn show_screens(global: &Global, screens: &[ScreenView]) {
    if global.json {
        print::json(&screens);
        return;
    }
    let row = |s: &ScreenView| vec![s.by.clone(), s.value.clone().unwrap_or_default(), s.action.clone().unwrap_or_default()];
    print::out(&print::columns(&screens.iter().map(row).collect::<Vec<_>>()));
}
