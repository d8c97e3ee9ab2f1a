//! The desk: every request of an administrator is carried out here, whoever brought it.

use super::batch::BatchError;
use super::calls;
use super::import::Import;
use super::observed::Observed;
use super::plan::PlanParts;
use super::request::{ListKey, Reply, Request, RouteWhich};
use super::views::{ContactView, PlaneStatus, RouteView, ScreenView, StatusView};
use crate::directory::ContactDraft;
use crate::logbook::Levels;
use crate::number::{Kind, Number, NumberPlan};
use crate::routing::{Action, PlanItem, PlanKey, Prefix, Route, RouteKey, STEPS_MAX, ScreenKey, Step, StepError, Tenant, Tenants};
use crate::store::{Backup, By, Edit, Store, StoreError};
use std::sync::Arc;

/// Things on one page of a listing, at most: a page has to fit into a frame.
pub(super) const PAGE_MAX: usize = 1000;

/// How often a thing is read and changed anew because somebody else changes it at the same time.
const TRIES_MAX: usize = 8;

/// Where the desk learns of the other planes, without knowing them.
pub type PlaneStatusSource = Arc<dyn Fn() -> PlaneStatus + Send + Sync>;

/// One administrator's desk: a connection, or one run of the command line.
pub struct Desk {
    pub(super) store: Store,
    pub(super) rules: Arc<Tenants>,
    /// Who is asking, for the change log.
    pub(super) who: By,
    planes: Option<PlaneStatusSource>,
    pub(super) observed: Option<Observed>,
    pub(super) import: Option<Import>,
    pub(super) plan: Option<PlanParts>,
    pub(super) backup: Option<Backup>,
    levels: Option<Levels>,
    /// The revision that the edit at hand is made over.
    over: Option<u64>,
}

/// Why a request isn't carried out; becomes a [`Reply`].
pub(super) enum Refusal {
    NotFound(String),
    BadInput(String),
    Store(StoreError),
    Journal(String),
    /// The thing has this revision, and not the one that the edit was made over.
    Stale(u64),
    /// The tenant was edited again and again while a change of many things was put together.
    Overtaken {
        over: u64,
        revision: u64,
    },
    Batch {
        errors: Vec<BatchError>,
        wrong: usize,
    },
}

impl From<Result<Reply, Refusal>> for Reply {
    fn from(done: Result<Reply, Refusal>) -> Reply {
        match done {
            Ok(reply) => reply,
            Err(Refusal::NotFound(what)) => Reply::NotFound(what),
            Err(Refusal::BadInput(what)) => Reply::BadInput(what),
            Err(Refusal::Store(error)) => Reply::from(error),
            Err(Refusal::Journal(what)) => Reply::Store(what),
            Err(Refusal::Stale(revision)) => Reply::Stale { revision },
            Err(Refusal::Overtaken { over, revision }) => Reply::PlanStale { over, revision },
            Err(Refusal::Batch { errors, wrong }) => Reply::BatchWrong { errors, wrong },
        }
    }
}

impl From<StoreError> for Reply {
    fn from(error: StoreError) -> Reply {
        match error {
            StoreError::HandedOver => Reply::TryAgain(error.to_string()),
            error => Reply::Store(error.to_string()),
        }
    }
}

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Refusal {
        match error {
            StoreError::TooLarge(text) => Refusal::BadInput(text),
            StoreError::Stale { revision } => Refusal::Stale(revision),
            error => Refusal::Store(error),
        }
    }
}

impl From<StepError> for Refusal {
    fn from(error: StepError) -> Refusal {
        Refusal::BadInput(error.to_string())
    }
}

pub(super) fn bad<T>(text: impl Into<String>) -> Result<T, Refusal> {
    Err(Refusal::BadInput(text.into()))
}

/// Reads a thing and edits it over what was read, anew where somebody else was faster.
pub(super) fn again_if_stale<T>(try_it: impl Fn() -> Result<T, Refusal>) -> Result<T, Refusal> {
    let mut done = try_it();
    for _ in 1..TRIES_MAX {
        if !matches!(done, Err(Refusal::Stale(_))) {
            break;
        }
        done = try_it();
    }
    done
}

impl Desk {
    /// A desk over a store.
    pub fn new(store: Store, rules: Arc<Tenants>, who: impl Into<By>, planes: Option<PlaneStatusSource>) -> Desk {
        Desk { store, rules, who: who.into(), planes, observed: None, import: None, plan: None, backup: None, levels: None, over: None }
    }

    /// The same desk, which also knows calls.
    #[must_use]
    pub fn observing(self, observed: Observed) -> Desk {
        Desk { observed: Some(observed), ..self }
    }

    /// The same desk, which also sets what is logged.
    #[must_use]
    pub fn with_levels(self, levels: Option<Levels>) -> Desk {
        Desk { levels, ..self }
    }

    fn log(&self, reset: bool, set: &[String]) -> Result<Reply, Refusal> {
        let Some(levels) = &self.levels else { return bad("no server runs here whose log could be set; start it with --log instead") };
        if reset {
            levels.reset();
        }
        if !set.is_empty() {
            levels.set(set).map_err(Refusal::BadInput)?;
        }
        Ok(Reply::Log { levels: levels.shown() })
    }

    /// Carries out a request.
    pub fn apply(&mut self, request: Request) -> Reply {
        Reply::from(self.carry_out(request))
    }

    fn carry_out(&mut self, request: Request) -> Result<Reply, Refusal> {
        match request {
            Request::Log { reset, set } => self.log(reset, &set),
            Request::Upgrade { .. } => bad("only a server that runs can be taken over from"),
            Request::Status => Ok(Reply::Status(Box::new(self.status()))),
            Request::ContactSet { tenant, contact } => self.contact_set(&tenant, contact),
            Request::ContactRm { tenant, id } => {
                let what = format!("there is no contact {id:?}");
                self.remove(&tenant, Edit::RemoveContact(id), what)
            }
            Request::ContactShow { tenant, id } => {
                self.tenant(&tenant)?;
                match self.store.contact(&tenant, &id)? {
                    Some((revision, c)) => {
                        Ok(Reply::Contacts { contacts: vec![ContactView::of(revision, c)], next_id: None, notes: Vec::new() })
                    }
                    None => Err(Refusal::NotFound(format!("there is no contact {id:?}"))),
                }
            }
            Request::ContactLs { tenant, from_id, limit } => self.contact_ls(&tenant, &from_id, limit),
            Request::ContactSearch { tenant, text, limit, owner } => self.contact_search(&tenant, &text, limit, owner.as_deref()),
            Request::RouteSet { tenant, which, steps, fallback } => self.route_set(&tenant, &which, &steps, fallback.as_deref()),
            Request::RouteRm { tenant, which } => {
                let mut key = self.route_key(&tenant, &which)?;
                if let (RouteWhich::Number(text), None) = (&which, self.store.route(&tenant, &key)?) {
                    key = RouteKey::Number(parse_number(&NumberPlan::new(None), text)?);
                }
                let what = format!("there is no route {key}");
                self.remove(&tenant, Edit::RemoveRoute(key), what)
            }
            Request::RouteShow { tenant, which } => {
                let key = self.route_key(&tenant, &which)?;
                match self.store.route(&tenant, &key)? {
                    Some(route) => Ok(Reply::Routes { routes: vec![RouteView::of(&route)], next: None }),
                    None => Err(Refusal::NotFound(format!("there is no route {key}"))),
                }
            }
            Request::RouteLs { tenant, after } => self.route_ls(&tenant, after.as_ref()),
            Request::ScreenSet { tenant, list, key, action } => self.screen_set(&tenant, list, &key, action.as_deref()),
            Request::ScreenRm { tenant, list, key } => {
                let key = match (self.screen_key(&tenant, &key), &key) {
                    (Ok(found), ListKey::Number(text)) if self.store.screen(&tenant, list, &found)?.is_none() => {
                        ScreenKey::Number(parse_number(&NumberPlan::new(None), text)?)
                    }
                    (found, _) => found?,
                };
                let what = format!("the {} list has no entry {key}", list.word());
                self.remove(&tenant, Edit::RemoveScreen(list, key), what)
            }
            Request::ScreenShow { tenant, list, key } => {
                let key = self.screen_key(&tenant, &key)?;
                match self.store.item_with_revision(&tenant, &PlanKey::Screen(list, key.clone()))? {
                    Some((revision, PlanItem::Screen(screen))) => {
                        Ok(Reply::Screens { screens: vec![ScreenView::of(revision, &screen)], next: None })
                    }
                    _ => Err(Refusal::NotFound(format!("the {} list has no entry {key}", list.word()))),
                }
            }
            Request::ScreenLs { tenant, list, after } => self.screen_ls(&tenant, list, after.as_ref()),
            Request::UserSet { tenant, user } => self.user_set(&tenant, user),
            Request::UserRm { tenant, which } => self.user_rm(&tenant, &which),
            Request::UserShow { tenant, which } => self.user_show(&tenant, &which),
            Request::UserLs { tenant, domain, after } => self.user_ls(&tenant, domain.as_deref(), after.as_ref()),
            Request::ItemSet { tenant, item } => self.item_set(&tenant, &item),
            Request::ItemRm { tenant, which } => self.item_rm(&tenant, &which),
            Request::ItemShow { tenant, which } => self.item_show(&tenant, &which),
            Request::ItemLs { tenant, sort, list, after, limit } => self.item_ls(&tenant, sort, list, after.as_ref(), limit),
            Request::ContactBatch { tenant, put, delete } => self.contact_batch(&tenant, put, delete),
            Request::Over { revision, edit } => self.edit_over(revision, *edit),
            Request::ScheduleState { tenant, id } => self.schedule_state(&tenant, &id),
            Request::ScheduleOverride { tenant, id, state, until } => {
                self.schedule_override(&tenant, &id, state.as_deref(), until.as_deref())
            }
            Request::TokenAdd { tenant, token } => self.token_add(&tenant, token),
            Request::TokenRm { tenant, name } => self.token_rm(&tenant, &name),
            Request::TokenLs { tenant } => self.token_ls(&tenant),
            // the server answers it before it comes here, since it takes long
            Request::Events { .. } => bad("only a running server has events; start it first"),
            Request::Name { tenant, number, owner } => self.name(&tenant, &number, owner.as_deref()),
            Request::Explain { tenant, ask, switch } => self.explain(&tenant, &ask, switch),
            Request::LiveCalls { tenant, after } => calls::live(self.observed.as_ref(), &self.rules, &tenant, after),
            Request::Journal(query) => calls::page(calls::journal_of(self.observed.as_ref())?, &self.rules, &query),
            Request::JournalCall { tenant, id } => calls::one(calls::journal_of(self.observed.as_ref())?, &self.rules, &tenant, &id),
            Request::ImportBegin { tenant, ask } => self.import_begin(&tenant, ask),
            Request::ImportRows(part) => self.import_rows(part),
            Request::ImportPreview { shown_max } => self.import_preview(shown_max),
            Request::ImportStage => self.import_stage(),
            Request::ContactExport(query) => self.export(&query),
            Request::ImportCommit => self.import_commit(),
            Request::PlanPage { tenant, sort, after } => self.plan_page(&tenant, sort, after.as_ref()),
            Request::PlanContacts { tenant, after } => self.plan_contacts(&tenant, after.as_deref()),
            Request::PlanBegin { tenant, over } => self.plan_begin(&tenant, over),
            Request::PlanPart { puts, removes, contacts, contacts_removed } => self.plan_part(puts, removes, contacts, contacts_removed),
            Request::PlanCommit => self.plan_commit(),
            Request::History(query) => self.history(&query),
            Request::Undo(undo) => self.undo(&undo),
            Request::BackupBegin => self.backup_begin(),
            Request::BackupNext => self.backup_next(),
            Request::StoreCheck => self.store_check(),
            Request::StoreCompact => self.store_compact(),
        }
    }

    pub(super) fn tenant(&self, id: &str) -> Result<&Tenant, Refusal> {
        tenant_of(&self.rules, id)
    }

    /// An edit of one thing over a revision; the writer compares.
    fn edit_over(&mut self, revision: u64, edit: Request) -> Result<Reply, Refusal> {
        let is_of_one_thing = matches!(
            edit,
            Request::ContactSet { .. }
                | Request::ContactRm { .. }
                | Request::RouteSet { .. }
                | Request::RouteRm { .. }
                | Request::ScreenSet { .. }
                | Request::ScreenRm { .. }
                | Request::UserSet { .. }
                | Request::UserRm { .. }
                | Request::ItemSet { .. }
                | Request::ItemRm { .. }
        );
        if !is_of_one_thing {
            return bad("only an edit of one thing (set, rm) can be made over a revision; send the request by itself");
        }
        self.over = Some(revision);
        let done = self.carry_out(edit);
        self.over = None;
        done
    }

    pub(super) fn edit(&self, tenant: &str, edit: Edit) -> Result<Reply, Refusal> {
        let edit = match self.over {
            Some(revision) => Edit::Over(revision, Box::new(edit)),
            None => edit,
        };
        let done = self.store.edit(tenant, &self.who, edit)?;
        Ok(Reply::Done { revision: done.revision, existed: done.existed, changed: done.changed, notes: Vec::new() })
    }

    /// An edit, and what whoever made it should know.
    pub(super) fn edit_with(&self, tenant: &str, edit: Edit, notes: Vec<String>) -> Result<Reply, Refusal> {
        match self.edit(tenant, edit)? {
            Reply::Done { revision, existed, changed, .. } => Ok(Reply::Done { revision, existed, changed, notes }),
            other => Ok(other),
        }
    }

    /// A national number where no country is known: kept, and only ever found in this very spelling.
    pub(super) fn note(&self, tenant: &str, number: &Number) -> Option<String> {
        let is_national = number.kind() == Kind::Opaque && number.digits().bytes().all(|b| b.is_ascii_digit());
        (is_national && self.rules.get(tenant)?.plan.country().is_none()).then(|| {
            format!("{number} is known in this spelling only, because tenant {tenant} has no country; write + and the country code, or set the country in the configuration first")
        })
    }

    pub(super) fn remove(&self, tenant: &str, edit: Edit, what: String) -> Result<Reply, Refusal> {
        self.tenant(tenant)?;
        match self.edit(tenant, edit)? {
            Reply::Done { existed: false, .. } => Err(Refusal::NotFound(what)),
            done => Ok(done),
        }
    }

    fn contact_set(&self, tenant: &str, draft: ContactDraft) -> Result<Reply, Refusal> {
        let contact = draft.check(&self.tenant(tenant)?.plan, "").map_err(|e| Refusal::BadInput(e.to_string()))?;
        let notes = contact.numbers.iter().filter_map(|n| self.note(tenant, &n.number)).collect();
        self.edit_with(tenant, Edit::PutContact(contact), notes)
    }

    fn contact_ls(&self, tenant: &str, from_id: &str, limit: usize) -> Result<Reply, Refusal> {
        self.tenant(tenant)?;
        let limit = limit.clamp(1, PAGE_MAX);
        let (mut contacts, mut next_id) = (Vec::new(), None);
        for item in self.store.contacts(tenant, from_id) {
            let (revision, contact) = item?;
            if contacts.len() == limit {
                next_id = Some(contact.id);
                break;
            }
            contacts.push(ContactView::of(revision, contact));
        }
        Ok(Reply::Contacts { contacts, next_id, notes: Vec::new() })
    }

    pub(super) fn route_key(&self, tenant: &str, which: &RouteWhich) -> Result<RouteKey, Refusal> {
        let plan = &self.tenant(tenant)?.plan;
        let key = match which {
            RouteWhich::Number(text) => RouteKey::Number(parse_number(plan, text)?),
            RouteWhich::Prefix(text) => RouteKey::Prefix(Prefix::parse(text, plan)?),
            RouteWhich::Default => RouteKey::Default,
        };
        if let RouteKey::Number(number) = &key
            && number.kind() == Kind::Emergency
        {
            return bad(format!("{number} is an emergency number here and is never routed by rules; calls to it are left to the dialplan"));
        }
        Ok(key)
    }

    fn route_set(&self, tenant: &str, which: &RouteWhich, steps: &[String], fallback: Option<&str>) -> Result<Reply, Refusal> {
        let key = self.route_key(tenant, which)?;
        let rules = self.tenant(tenant)?;
        if !(1..=STEPS_MAX).contains(&steps.len()) {
            return Err(StepError::StepCount(steps.len()).into());
        }
        let steps = steps.iter().map(|s| read_step(rules, s)).collect::<Result<Vec<_>, _>>()?;
        let fallback = fallback.map(|s| read_step(rules, s)).transpose()?;
        let notes = match &key {
            RouteKey::Number(number) => self.note(tenant, number),
            _ => None,
        };
        if let Some(step) = steps.iter().find(|step| matches!(step.action, Action::Challenge(_))) {
            return bad(format!("step {step}: {}", StepError::Challenge));
        }
        let fallback = fallback.map(Step::check_fallback).transpose()?;
        if let RouteKey::Prefix(prefix) = &key
            && prefix.kind != Kind::E164
            && let Some(emergency) = rules.plan.emergency_shadowed_by_prefix(&prefix.digits)
        {
            return bad(format!("the prefix {prefix} would stand in front of the emergency number {emergency}; no rule may"));
        }
        let item = PlanItem::Route(Route { fallback, ..Route::of(key, steps) });
        self.check_references(tenant, &item)?;
        self.edit_with(tenant, Edit::Put(item), notes.into_iter().collect())
    }

    fn route_ls(&self, tenant: &str, after: Option<&RouteWhich>) -> Result<Reply, Refusal> {
        self.tenant(tenant)?;
        let after = after.map(|which| self.route_key(tenant, which)).transpose()?;
        let routes = self.store.routes(tenant, after.as_ref(), PAGE_MAX)?;
        let next = routes.last().filter(|_| routes.len() == PAGE_MAX).map(|route| match &route.key {
            RouteKey::Number(n) => RouteWhich::Number(n.to_string()),
            RouteKey::Prefix(p) => RouteWhich::Prefix(p.to_string()),
            RouteKey::Default => RouteWhich::Default,
        });
        Ok(Reply::Routes { routes: routes.iter().map(RouteView::of).collect(), next })
    }

    fn name(&self, tenant: &str, text: &str, owner: Option<&str>) -> Result<Reply, Refusal> {
        if crate::number::is_withheld(text) {
            return bad(format!("{text:?} is what switches say when a number is withheld; nobody has it"));
        }
        let plan = &self.tenant(tenant)?.plan;
        let number = parse_number(plan, text)?;
        let owner = owner.map(|owner| match parse_number(plan, owner)? {
            extension if extension.kind() == Kind::Extension => Ok(extension),
            other => bad(format!("the owner {other} is no extension; write its number, such as 101")),
        });
        let found = self.store.contacts_for(tenant, &number, owner.transpose()?.as_ref())?;
        let contacts = found.into_iter().map(|(revision, c)| ContactView::of(revision, c)).collect();
        Ok(Reply::Name { number: number.to_string(), contacts })
    }

    fn status(&self) -> StatusView {
        let store = self.store.status();
        let planes = self.planes.as_ref().map(|p| p()).unwrap_or_default();
        StatusView {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            pid: std::process::id(),
            planes,
            revision: store.revision,
            snapshot_revision: store.snapshot_revision,
            contacts: store.contacts,
            overlay: store.overlay,
            routes: store.routes,
            users: store.users,
            directory_bytes: store.base_bytes,
            store_bytes: store.disk_bytes,
            store_failed: store.failed,
        }
    }
}

pub(super) fn tenant_of<'a>(tenants: &'a Tenants, id: &str) -> Result<&'a Tenant, Refusal> {
    tenants.get(id).ok_or_else(|| {
        let mut known: Vec<&str> = tenants.keys().map(String::as_str).collect();
        known.sort_unstable();
        let hint = crate::nearest::did_you_mean(id, known.iter().copied());
        Refusal::BadInput(format!(
            "there is no tenant {id:?}{hint}; add [[tenant]] id = {id:?} to the configuration (it has: {})",
            known.join(", ")
        ))
    })
}

pub(super) fn parse_number(plan: &NumberPlan, text: &str) -> Result<Number, Refusal> {
    plan.parse(text).map_err(|e| Refusal::BadInput(format!("the number {text:?} {e}")))
}

pub(super) fn read_step(tenant: &Tenant, text: &str) -> Result<Step, Refusal> {
    let step = Step::parse(text, &tenant.plan).map_err(|e| Refusal::BadInput(format!("step {text:?}: {e}")))?;
    tenant.check_step(&step).map_err(|e| Refusal::BadInput(e.to_string()))?;
    Ok(step)
}
