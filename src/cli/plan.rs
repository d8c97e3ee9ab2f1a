//! `export`, `diff` and `apply`: the whole plan as one file.

use super::args::Global;
use super::backend::{Backend, overrides, unexpected};
use super::exit::{Exit, Failure};
use super::plan_calls;
use super::print;
use crate::config::Config;
use crate::control::{FRAME_BYTES_MAX, Reply, Request};
use crate::directory::{Contact, ContactDraft};
use crate::plan::{Beside, Difference, DifferenceKind, PLAN_BYTES_MAX, PlanFile, Shown, differences, read_beside, write};
use crate::routing::{List, PlanItem, PlanKey, Tenant, User};
use crate::store::PlanSort;
use clap::Args;
use serde::Serialize;
use serde_json::json;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Instant;

/// How often a change is put together anew because somebody else was faster.
const TRIES_MAX: usize = 5;
/// What goes to the server at once, in bytes of JSON: a quarter of a frame.
const PIECE_BYTES_MAX: usize = FRAME_BYTES_MAX / 4;
/// The sorts that `--only` takes.
const SORTS: &[&str] = &["contact", "extension", "group", "schedule", "trunk", "limit", "route", "block", "allow", "user"];

#[derive(Debug, Args)]
pub(super) struct ExportArgs {
    /// Write the hashes of SIP accounts too: whoever has the file can register as them
    #[arg(long)]
    with_secrets: bool,
    #[command(flatten)]
    only: OnlyArgs,
}

#[derive(Debug, Args)]
pub(super) struct OnlyArgs {
    /// Only these sorts of things: contact, extension, group, schedule, trunk, limit, route, block, allow, user
    #[arg(long, value_name = "SORT,…", value_delimiter = ',', value_parser = clap::builder::PossibleValuesParser::new(SORTS))]
    only: Vec<String>,
}

#[derive(Debug, Args)]
pub(super) struct DiffArgs {
    /// The plan
    file: PathBuf,
    #[command(flatten)]
    only: OnlyArgs,
    /// Ask the calls of the journal since this time (7d, 2026-11-21) again, and list those that would go elsewhere
    #[arg(long, value_name = "WHEN")]
    calls: Option<String>,
}

#[derive(Debug, Args)]
pub(super) struct ApplyArgs {
    /// The plan
    file: PathBuf,
    #[command(flatten)]
    only: OnlyArgs,
    /// Say what would change, and change nothing
    #[arg(long)]
    dry_run: bool,
}

impl OnlyArgs {
    fn has(&self, sort: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|s| s == sort)
    }

    fn has_item(&self, item: &PlanItem) -> bool {
        self.has(match item {
            PlanItem::Route(_) => "route",
            PlanItem::Screen(s) if s.list == List::Allow => "allow",
            PlanItem::Screen(_) => "block",
            PlanItem::User(_) => "user",
            PlanItem::Group(_) => "group",
            PlanItem::Schedule(_) => "schedule",
            PlanItem::Extension(_) => "extension",
            PlanItem::Trunk(_) => "trunk",
            PlanItem::Limit(_) => "limit",
        })
    }
}

/// The plan that is stored, and the revision that all of it was read at.
pub(super) fn stored(backend: &mut Backend, tenant: &str) -> Result<(PlanFile, u64), Failure> {
    for _ in 0..TRIES_MAX {
        let mut pages = Pages::default();
        pages.read(backend, tenant)?;
        if let Some(revision) = pages.revision.filter(|_| !pages.is_mixed) {
            return Ok((pages.plan, revision));
        }
    }
    Err(Failure::new(Exit::Store, "others kept changing the plan while it was read; try again when they are done"))
}

/// A plan on its way here, page by page.
#[derive(Default)]
struct Pages {
    plan: PlanFile,
    revision: Option<u64>,
    /// Somebody edited it between two pages.
    is_mixed: bool,
}

impl Pages {
    fn read(&mut self, backend: &mut Backend, tenant: &str) -> Result<(), Failure> {
        for sort in PlanSort::ALL {
            let mut after = None;
            loop {
                let request = Request::PlanPage { tenant: tenant.to_owned(), sort, after };
                let Reply::PlanItems { items, next, revision, .. } = backend.ask(request)? else { return Err(unexpected()) };
                self.see(revision);
                self.plan.items.extend(items.into_iter().map(|item| (item.key(), item)));
                after = next;
                if after.is_none() {
                    break;
                }
            }
        }
        let mut after = None;
        loop {
            let request = Request::PlanContacts { tenant: tenant.to_owned(), after };
            let Reply::PlanContacts { contacts, next, revision } = backend.ask(request)? else { return Err(unexpected()) };
            self.see(revision);
            self.plan.contacts.extend(contacts.into_iter().map(|contact| (contact.id.clone(), contact)));
            after = next;
            if after.is_none() {
                return Ok(());
            }
        }
    }

    fn see(&mut self, revision: u64) {
        self.is_mixed |= *self.revision.get_or_insert(revision) != revision;
    }
}

fn only(plan: PlanFile, only: &OnlyArgs) -> PlanFile {
    let items = plan.items.into_iter().filter(|(_, item)| only.has_item(item)).collect();
    PlanFile { items, contacts: if only.has("contact") { plan.contacts } else { BTreeMap::new() } }
}

pub(super) fn export(global: &Global, args: &ExportArgs) -> Result<Exit, Failure> {
    let (plan, _) = stored(&mut Backend::look(global)?, &global.tenant)?;
    let plan = only(plan, &args.only);
    let shown = if args.with_secrets { Shown::WithSecrets } else { Shown::WithoutSecrets };
    print::out(&write(&plan.items, &plan.contacts, shown));
    Ok(Exit::Done)
}

/// The tenant as the configuration has it: how the file's numbers are read.
pub(super) fn tenant(global: &Global) -> Result<Tenant, Failure> {
    let mut tenants = Config::load(overrides(global))?.tenants;
    tenants
        .remove(&global.tenant)
        .ok_or_else(|| Failure::new(Exit::BadInput, format!("there is no tenant {:?}; add it to the configuration", global.tenant)))
}

/// A plan's file. Accounts without a hash keep the stored one.
fn of_file(path: &Path, tenant: &Tenant, stored: &PlanFile, only: &OnlyArgs) -> Result<PlanFile, Failure> {
    let bad = |text: String| Failure::new(Exit::BadInput, text);
    let failed = |e: std::io::Error| bad(format!("{} can't be read ({e})", path.display()));
    let size = std::fs::metadata(path).map_err(failed)?.len();
    if size > PLAN_BYTES_MAX {
        return Err(bad(format!(
            "{} has {size} bytes, more than {PLAN_BYTES_MAX}; import contacts with contact import, which takes any number",
            path.display()
        )));
    }
    let bytes = std::fs::read(path).map_err(failed)?;
    let text = String::from_utf8(bytes).map_err(|e| {
        let before = &e.as_bytes()[..e.utf8_error().valid_up_to()];
        let line = before.iter().filter(|b| **b == b'\n').count() + 1;
        bad(format!("{}: line {line} isn't UTF-8; save the file as UTF-8", path.display()))
    })?;
    let known = |domain: &str, extension: &str| -> Option<User> {
        match stored.items.get(&PlanKey::User(domain.to_owned(), extension.to_owned())) {
            Some(PlanItem::User(user)) => Some(user.clone()),
            _ => None,
        }
    };
    let beside = Beside { stored: &stored.items, covers: &|sort| only.has(sort) };
    read_beside(&text, tenant, &known, &beside)
        .map_err(|errors| bad(format!("{} isn't a plan that can be applied:\n{}", path.display(), errors.to_string().trim_end())))
}

/// Schedules that are no mistake, and probably not what was meant.
fn say_what_never_opens(plan: &PlanFile, only: &OnlyArgs) {
    for item in plan.items.values().filter(|item| only.has_item(item)) {
        if let PlanItem::Schedule(schedule) = item
            && schedule.never_opens()
        {
            print::note(&format!("note: the schedule {} never opens: nothing in it says open", schedule.id));
        }
    }
}

fn summary(found: &[Difference]) -> [usize; 3] {
    [DifferenceKind::Added, DifferenceKind::Changed, DifferenceKind::Removed].map(|kind| found.iter().filter(|d| d.kind == kind).count())
}

fn summary_text(counts: [usize; 3]) -> String {
    if counts == [0; 3] {
        return "nothing differs".to_owned();
    }
    format!("{} added, {} changed, {} removed", counts[0], counts[1], counts[2])
}

pub(super) fn diff(global: &Global, args: &DiffArgs) -> Result<Exit, Failure> {
    let tenant = tenant(global)?;
    let (before, _) = stored(&mut Backend::look(global)?, &global.tenant)?;
    let after = of_file(&args.file, &tenant, &before, &args.only)?;
    if let Some(since) = &args.calls {
        return plan_calls::replay(global, &tenant, &before, &after, since);
    }
    say_what_never_opens(&after, &args.only);
    let (before, after) = (only(before, &args.only), only(after, &args.only));
    let found = differences((&before.items, &before.contacts), (&after.items, &after.contacts));
    let counts = summary(&found);
    if global.json {
        print::json(&json!({ "added": counts[0], "changed": counts[1], "removed": counts[2], "changes": found }));
        return Ok(Exit::Done);
    }
    print::out(&found.iter().map(ToString::to_string).collect::<String>());
    print::line(&summary_text(counts));
    Ok(Exit::Done)
}

pub(super) fn apply(global: &Global, args: &ApplyArgs) -> Result<Exit, Failure> {
    let tenant = tenant(global)?;
    let mut backend = if args.dry_run { Backend::look(global)? } else { Backend::open(global)? };
    for _ in 0..TRIES_MAX {
        let (before, over) = stored(&mut backend, &global.tenant)?;
        let after = of_file(&args.file, &tenant, &before, &args.only)?;
        let (before, after) = (only(before, &args.only), only(after, &args.only));
        let found = differences((&before.items, &before.contacts), (&after.items, &after.contacts));
        let counts = summary(&found);
        let began = Instant::now();
        let revision = if args.dry_run || found.is_empty() { Some(over) } else { change(&mut backend, global, &before, &after, over)? };
        let Some(revision) = revision else { continue };
        let published_ms = began.elapsed().as_secs_f64() * 1000.0;
        say_what_never_opens(&after, &args.only);
        if global.json {
            print::json(&json!({
                "added": counts[0], "changed": counts[1], "removed": counts[2], "changes": found,
                "revision": revision, "published_ms": published_ms, "dry_run": args.dry_run,
            }));
            return Ok(Exit::Done);
        }
        if args.dry_run {
            print::out(&found.iter().map(ToString::to_string).collect::<String>());
            print::line(&format!("{}; nothing was changed (--dry-run)", summary_text(counts)));
        } else {
            print::line(&format!("{} (revision {revision})", summary_text(counts)));
        }
        return Ok(Exit::Done);
    }
    Err(Failure::new(Exit::Store, "others kept changing the plan in between; apply it again when they are done"))
}

/// Makes the store's plan the other one; `None` where somebody changed it meanwhile.
fn change(backend: &mut Backend, global: &Global, before: &PlanFile, after: &PlanFile, over: u64) -> Result<Option<u64>, Failure> {
    let is_same = |key: &PlanKey, item: &PlanItem| {
        before.items.get(key).is_some_and(|old| old.clone().with_revision(0) == item.clone().with_revision(0))
    };
    let puts: Vec<PlanItem> = after.items.iter().filter(|(key, item)| !is_same(key, item)).map(|(_, item)| item.clone()).collect();
    let removes: Vec<PlanKey> = before.items.keys().filter(|key| !after.items.contains_key(key)).cloned().collect();
    let contacts: Vec<ContactDraft> =
        after.contacts.iter().filter(|(id, c)| before.contacts.get(*id) != Some(c)).map(|(_, contact)| draft(contact)).collect();
    let contacts_removed: Vec<String> = before.contacts.keys().filter(|id| !after.contacts.contains_key(*id)).cloned().collect();
    backend.ask(Request::PlanBegin { tenant: global.tenant.clone(), over })?;
    let (no_puts, no_removes, no_contacts, no_ids) = (Vec::new, Vec::new, Vec::new, Vec::new);
    for puts in pieces(puts) {
        backend.ask(Request::PlanPart { puts, removes: no_removes(), contacts: no_contacts(), contacts_removed: no_ids() })?;
    }
    for removes in pieces(removes) {
        backend.ask(Request::PlanPart { puts: no_puts(), removes, contacts: no_contacts(), contacts_removed: no_ids() })?;
    }
    for contacts in pieces(contacts) {
        backend.ask(Request::PlanPart { puts: no_puts(), removes: no_removes(), contacts, contacts_removed: no_ids() })?;
    }
    for contacts_removed in pieces(contacts_removed) {
        backend.ask(Request::PlanPart { puts: no_puts(), removes: no_removes(), contacts: no_contacts(), contacts_removed })?;
    }
    match backend.ask(Request::PlanCommit)? {
        Reply::Done { revision, .. } => Ok(Some(revision)),
        Reply::PlanStale { .. } => Ok(None),
        _ => Err(unexpected()),
    }
}

/// Things in pieces that fit into a frame each.
fn pieces<T: Serialize>(things: Vec<T>) -> Vec<Vec<T>> {
    let (mut pieces, mut piece, mut bytes) = (Vec::new(), Vec::new(), 0);
    for thing in things {
        let size = serde_json::to_vec(&thing).map_or(0, |json| json.len() + 1);
        if bytes + size > PIECE_BYTES_MAX && !piece.is_empty() {
            pieces.push(std::mem::take(&mut piece));
            bytes = 0;
        }
        bytes += size;
        piece.push(thing);
    }
    pieces.extend(Some(piece).filter(|piece| !piece.is_empty()));
    pieces
}

fn draft(contact: &Contact) -> ContactDraft {
    let contact = contact.clone();
    ContactDraft {
        id: contact.id,
        name: contact.name,
        company: contact.company,
        numbers: contact.numbers.into_iter().map(|n| (n.typed, n.label)).collect(),
        tags: contact.tags,
        note: contact.note,
        owner: contact.owner.map(|owner| owner.to_string()),
        favourite: contact.favourite,
    }
}
