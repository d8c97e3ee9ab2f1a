//! A tenant's whole plan: read in pages, and made to be another in parts that become true together.
//!
//! Things go over the wire as they are stored, not as they are typed: whoever compares two plans needs both in the same
//! form. Contacts come back as they are stored and are sent as they are typed, as everywhere else.

use super::desk::{Desk, PAGE_MAX, Refusal, bad};
use super::request::Reply;
use crate::directory::{ContactDraft, check_id};
use crate::number::{Kind, Number};
use crate::routing::{List, PlanItem, PlanKey, Prefix, Route, RouteKey, STEPS_MAX, Screen, ScreenKey, StepError, Tenant};
use crate::store::{PlanEdits, PlanSort, StoreError};
use serde::Serialize;

/// What one page holds at most, in bytes of JSON: a quarter of a frame, since the last thing on it may be large.
const PAGE_BYTES_MAX: usize = super::FRAME_BYTES_MAX / 4;
/// The most edits of one change: some hundred bytes each, in memory twice until they are true.
const EDITS_MAX: usize = 500_000;

/// A plan's change on its way.
pub(super) struct PlanParts {
    tenant: String,
    over: u64,
    edits: PlanEdits,
}

impl PlanParts {
    fn len(&self) -> usize {
        self.edits.puts.len() + self.edits.removes.len() + self.edits.contacts.len() + self.edits.contacts_removed.len()
    }
}

/// A page of things with their revisions, of which so many were asked for.
pub(super) fn page_of_items(found: Vec<(u64, PlanItem)>, limit: usize, revision: u64) -> Reply {
    let (page, more) = page_of(found, limit);
    let (revisions, items): (Vec<u64>, Vec<PlanItem>) = page.into_iter().unzip();
    let next = items.last().filter(|_| more).map(PlanItem::key);
    Reply::PlanItems { items, next, revision, revisions }
}

/// As many things as fit on a page, at least one, and whether there are more.
fn page_of<T: Serialize>(found: Vec<T>, limit: usize) -> (Vec<T>, bool) {
    let is_full = found.len() == limit;
    let (mut bytes, count) = (0, found.len());
    let mut page = Vec::with_capacity(count);
    for thing in found {
        bytes += serde_json::to_vec(&thing).map_or(0, |json| json.len() + 1);
        if bytes > PAGE_BYTES_MAX && !page.is_empty() {
            return (page, true);
        }
        page.push(thing);
    }
    (page, is_full)
}

impl Desk {
    pub(super) fn plan_page(&self, tenant: &str, sort: PlanSort, after: Option<&PlanKey>) -> Result<Reply, Refusal> {
        self.tenant(tenant)?;
        let (revision, found) = self.store.undisturbed(tenant, || self.store.items_with_revisions(tenant, sort, None, after, PAGE_MAX))?;
        Ok(page_of_items(found, PAGE_MAX, revision))
    }

    pub(super) fn plan_contacts(&self, tenant: &str, after: Option<&str>) -> Result<Reply, Refusal> {
        self.tenant(tenant)?;
        let read = || self.store.contacts_by_hand(tenant, after, PAGE_MAX);
        let (revision, found) = self.store.undisturbed(tenant, read)?;
        let (contacts, more) = page_of(found.into_iter().map(|(_, contact)| contact).collect(), PAGE_MAX);
        let next = contacts.last().filter(|_| more).map(|c| c.id.clone());
        Ok(Reply::PlanContacts { contacts, next, revision })
    }

    pub(super) fn plan_begin(&mut self, tenant: &str, over: u64) -> Result<Reply, Refusal> {
        self.tenant(tenant)?;
        self.plan = Some(PlanParts { tenant: tenant.to_owned(), over, edits: PlanEdits::default() });
        Ok(Reply::Plan { edits: 0 })
    }

    pub(super) fn plan_part(
        &mut self,
        puts: Vec<PlanItem>,
        removes: Vec<PlanKey>,
        contacts: Vec<ContactDraft>,
        contacts_removed: Vec<String>,
    ) -> Result<Reply, Refusal> {
        // whatever is wrong with a part, the change is over: half of a plan must not become true
        let Some(mut plan) = self.plan.take() else { return bad("there is no change of a plan; begin one first") };
        let tenant = self.tenant(&plan.tenant)?;
        for item in puts {
            let key = item.key();
            plan.edits.puts.push(checked(tenant, item).map_err(|why| Refusal::BadInput(format!("{key}: {why}")))?);
        }
        plan.edits.removes.extend(removes);
        for draft in contacts {
            let what = format!("contact {:?}", draft.id);
            let contact = draft.check(&tenant.plan, "").map_err(|e| Refusal::BadInput(format!("{what}: {e}")))?;
            plan.edits.contacts.push(contact);
        }
        plan.edits.contacts_removed.extend(contacts_removed);
        let edits = plan.len();
        if edits > EDITS_MAX {
            return bad(format!("the change has more than {EDITS_MAX} edits, the most that become true at once; make it in several"));
        }
        self.plan = Some(plan);
        Ok(Reply::Plan { edits: edits as u64 })
    }

    pub(super) fn plan_commit(&mut self) -> Result<Reply, Refusal> {
        let Some(PlanParts { tenant, over, edits }) = self.plan.take() else {
            return bad("there is no change of a plan; begin one first");
        };
        match self.store.change_plan(&tenant, &self.who, edits, over) {
            Ok(Some(done)) => Ok(Reply::Done { revision: done.revision, existed: done.existed, changed: done.changed, notes: Vec::new() }),
            Ok(None) => Ok(Reply::PlanStale { over, revision: self.store.revision() }),
            Err(StoreError::NotAKey(text)) => bad(text),
            Err(error) => Err(error.into()),
        }
    }
}

/// A thing as it may be stored, or what is wrong with it. What it speaks of, and whether that is there, is for whoever sees
/// the whole plan.
fn checked(tenant: &Tenant, item: PlanItem) -> Result<PlanItem, String> {
    Ok(match item {
        PlanItem::Route(route) => PlanItem::Route(checked_route(tenant, route)?),
        PlanItem::Screen(screen) => PlanItem::Screen(checked_screen(tenant, screen)?),
        PlanItem::User(user) => PlanItem::User(user.check().map_err(|e| e.to_string())?),
        PlanItem::Group(group) => PlanItem::Group(group.check().map_err(|e| e.to_string())?),
        PlanItem::Schedule(schedule) => PlanItem::Schedule(schedule.check().map_err(|e| e.to_string())?),
        PlanItem::Extension(extension) => {
            check_number(&extension.number)?;
            PlanItem::Extension(extension.check().map_err(|e| e.to_string())?)
        }
        PlanItem::Trunk(trunk) => PlanItem::Trunk(trunk.check().map_err(|e| e.to_string())?),
        PlanItem::Limit(limit) => PlanItem::Limit(limit.check().map_err(|e| e.to_string())?),
    })
}

/// A number that came as kind and digits, and not as typed, must be one that reading could have made.
fn check_number(number: &Number) -> Result<(), String> {
    let fits = Number::from_key(number.kind(), number.digits()).is_some() && !number.digits().chars().any(char::is_control);
    if fits { Ok(()) } else { Err(format!("{number} is no number")) }
}

fn check_prefix(prefix: &Prefix) -> Result<(), String> {
    let fits = matches!(prefix.kind, Kind::E164 | Kind::Extension) && Number::from_key(Kind::E164, &prefix.digits).is_some();
    if fits { Ok(()) } else { Err(StepError::Prefix(prefix.to_string()).to_string()) }
}

fn checked_route(tenant: &Tenant, route: Route) -> Result<Route, String> {
    match &route.key {
        RouteKey::Number(number) if number.kind() == Kind::Emergency => {
            return Err("it is an emergency number here and is never routed by rules; calls to it are left to the dialplan".to_owned());
        }
        RouteKey::Number(number) => check_number(number)?,
        RouteKey::Prefix(prefix) => check_prefix(prefix)?,
        RouteKey::Default => {}
    }
    for steps in std::iter::once(&route.steps).chain(route.when.iter().map(|(_, steps)| steps)) {
        if !(1..=STEPS_MAX).contains(&steps.len()) {
            return Err(StepError::StepCount(steps.len()).to_string());
        }
    }
    for step in route.all_steps() {
        tenant.check_step(step).map_err(|e| e.to_string())?;
    }
    let fallback = route.fallback.map(|step| step.check_fallback()).transpose().map_err(|e| e.to_string())?;
    if let Some(id) = &route.schedule {
        check_id(id).map_err(|e| e.to_string())?;
    }
    Ok(Route { fallback, ..route })
}

fn checked_screen(tenant: &Tenant, screen: Screen) -> Result<Screen, String> {
    match &screen.key {
        ScreenKey::Number(number) => check_number(number)?,
        ScreenKey::Prefix(prefix) => check_prefix(prefix)?,
        ScreenKey::Country(code) if code.len() != 2 || !code.bytes().all(|b| b.is_ascii_alphabetic()) => {
            return Err(format!("{code:?} is no country; write two letters, such as DE"));
        }
        ScreenKey::Withheld if screen.list == List::Allow => {
            return Err("callers who withhold their number are let through unless the block list says otherwise".to_owned());
        }
        ScreenKey::Rate if !screen.rate.is_some_and(|rate| rate.is_countable()) => {
            return Err("a rate says how many calls in how many seconds, such as 10/60".to_owned());
        }
        _ => {}
    }
    if let Some(step) = &screen.action {
        tenant.check_step(step).map_err(|e| e.to_string())?;
    }
    Ok(screen)
}
