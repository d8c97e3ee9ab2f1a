//! Groups, schedules, extensions, trunks and limits, one at a time; and what of a plan holds together.

use super::desk::{Desk, PAGE_MAX, Refusal, bad, parse_number};
use super::plan::page_of_items;
use super::request::{ItemWhich, Reply};
use super::users::user_key;
use crate::plan::{ItemDraft, Mistake, Mistakes, Seen, broken, names, uses};
use crate::routing::{List, PlanItem, PlanKey, Route, RouteKey, Schedule};
use crate::store::{Edit, PlanSort, StoreError};
use std::collections::BTreeSet;

/// Sorts of things that name others.
const NAMING: [PlanSort; 4] = [PlanSort::Group, PlanSort::Route, PlanSort::Trunk, PlanSort::Screen];

impl Desk {
    pub(super) fn item_set(&self, tenant: &str, draft: &ItemDraft) -> Result<Reply, Refusal> {
        let rules = self.tenant(tenant)?;
        let known = match draft {
            ItemDraft::User(user) => self.store.user(tenant, &user.domain.to_ascii_lowercase(), &user.extension)?,
            _ => None,
        };
        let item = draft.check(rules, known.as_ref().map(|(_, user)| user)).map_err(|wrong| Refusal::BadInput(wrong.to_string()))?;
        self.check_references(tenant, &item)?;
        self.check_dependents(tenant, &item)?;
        self.check_code(tenant, &item)?;
        let note = match &item {
            PlanItem::Schedule(schedule) if schedule.never_opens() => {
                Some(format!("the schedule {} never opens: nothing in it says open", schedule.id))
            }
            PlanItem::Trunk(trunk) if trunk.rates.is_empty() => Some(format!(
                "the trunk {} has no rate: only emergency calls and steps that name it go over it; write --rate +=0.01 for all numbers",
                trunk.id
            )),
            PlanItem::Route(Route { key: RouteKey::Number(number), .. }) => self.note(tenant, number),
            _ => None,
        };
        self.edit_with(tenant, Edit::Put(item), note.into_iter().collect())
    }

    /// Refuses what would break others that name it: a group that grows until another has too many telephones, a schedule
    /// that loses a state. Others that were broken before don't forbid it.
    fn check_dependents(&self, tenant: &str, item: &PlanItem) -> Result<(), Refusal> {
        let sort = match item {
            PlanItem::Group(_) => PlanSort::Group,
            PlanItem::Schedule(_) => PlanSort::Route,
            _ => return Ok(()),
        };
        let rules = self.tenant(tenant)?;
        let own = item.key();
        if self.store.item(tenant, &own)?.is_none() {
            // nobody can name what wasn't there
            return Ok(());
        }
        let mut others = Vec::new();
        self.each(tenant, sort, |other| others.push(other))?;
        // those that name it, and those that name these
        let mut reached = BTreeSet::from([own.clone()]);
        loop {
            let is_next = |other: &PlanItem| !reached.contains(&other.key()) && !names(other).is_disjoint(&reached);
            let (found, rest): (Vec<_>, Vec<_>) = others.into_iter().partition(is_next);
            if found.is_empty() {
                return Ok(());
            }
            for other in &found {
                let mut before = |key: &PlanKey| self.seen(tenant, key);
                let mut after = |key: &PlanKey| if *key == own { Ok(Seen::Here(item)) } else { self.seen(tenant, key) };
                if broken(other, rules, &mut before)?.is_empty()
                    && let Some(what) = broken(other, rules, &mut after)?.first()
                {
                    return bad(format!("{own} is named by {}, which would no longer hold: {what}; change that first", other.key()));
                }
            }
            reached.extend(found.iter().map(PlanItem::key));
            others = rest;
        }
    }

    /// Refuses a second schedule with the same code: a star code would switch one of them only.
    fn check_code(&self, tenant: &str, item: &PlanItem) -> Result<(), Refusal> {
        let PlanItem::Schedule(Schedule { id, code: Some(code), .. }) = item else { return Ok(()) };
        match self.schedule_with_code(tenant, code)? {
            Some(other) if other.id != *id => {
                bad(format!("the schedule {} has the code {code} already; give one of them another", other.id))
            }
            _ => Ok(()),
        }
    }

    /// Refuses a thing that names what isn't there, or would close a circle.
    pub(super) fn check_references(&self, tenant: &str, item: &PlanItem) -> Result<(), Refusal> {
        let rules = self.tenant(tenant)?;
        let own = item.key();
        let mut look = |key: &PlanKey| if *key == own { Ok(Seen::Here(item)) } else { self.seen(tenant, key) };
        let wrong = broken(item, rules, &mut look)?;
        if wrong.is_empty() {
            return Ok(());
        }
        // what was typed has no paths in it
        let wrong = wrong.into_iter().map(|m| Mistake { path: String::new(), ..m }).collect();
        bad(format!("{own}: {}", Mistakes(wrong)))
    }

    fn seen(&self, tenant: &str, key: &PlanKey) -> Result<Seen<'static>, StoreError> {
        Ok(self.store.item(tenant, key)?.map_or(Seen::Absent, |item| Seen::Fetched(Box::new(item))))
    }

    pub(super) fn item_rm(&self, tenant: &str, which: &ItemWhich) -> Result<Reply, Refusal> {
        let key = self.item_key(tenant, which)?;
        let mut naming = Vec::new();
        for sort in NAMING {
            self.each(tenant, sort, |item| {
                if uses(&item).contains(&key) && item.key() != key {
                    naming.push(item.key().to_string());
                }
            })?;
        }
        if let Some(first) = naming.first() {
            let others = if naming.len() > 1 { format!(" and {} more", naming.len() - 1) } else { String::new() };
            return bad(format!("{key} is named by {first}{others}; change or remove that first"));
        }
        let what = format!("there is no {key}");
        self.remove(tenant, Edit::Remove(key), what)
    }

    pub(super) fn item_show(&self, tenant: &str, which: &ItemWhich) -> Result<Reply, Refusal> {
        let key = self.item_key(tenant, which)?;
        match self.store.item_with_revision(tenant, &key)? {
            Some((own, item)) => {
                Ok(Reply::PlanItems { items: vec![item], next: None, revision: self.store.revision(), revisions: vec![own] })
            }
            None => Err(Refusal::NotFound(format!("there is no {key}"))),
        }
    }

    pub(super) fn item_ls(
        &self,
        tenant: &str,
        sort: PlanSort,
        list: Option<List>,
        after: Option<&ItemWhich>,
        limit: usize,
    ) -> Result<Reply, Refusal> {
        self.tenant(tenant)?;
        let after = after.map(|which| self.item_key(tenant, which)).transpose()?;
        let limit = limit.clamp(1, PAGE_MAX);
        // one more than is shown says whether there is another page
        let mut found = self.store.items_with_revisions(tenant, sort, list, after.as_ref(), limit + 1)?;
        let full_at = if found.len() > limit { limit } else { usize::MAX };
        found.truncate(limit);
        Ok(page_of_items(found, full_at, self.store.revision()))
    }

    /// The state that a schedule has now.
    pub(super) fn schedule_state(&self, tenant: &str, id: &str) -> Result<Reply, Refusal> {
        let zone = &self.tenant(tenant)?.timezone;
        let Some(PlanItem::Schedule(schedule)) = self.store.item(tenant, &PlanKey::Schedule(id.to_owned()))? else {
            return Err(Refusal::NotFound(format!("there is no schedule {id}")));
        };
        let now_us = self.store.now_us();
        let compiled = schedule.compile();
        let state = compiled.state_at(now_us, zone);
        let next_us = compiled.next_change(now_us, zone);
        let next = next_us.map(|at| format!("{} ({})", compiled.state_at(at, zone).word(), compiled.zone(zone).local_text(at)));
        Ok(Reply::ScheduleState { state: state.word().to_owned(), why: state.why(), zone: compiled.zone(zone).name().to_owned(), next })
    }

    pub(super) fn schedule_override(&self, tenant: &str, id: &str, state: Option<&str>, until: Option<&str>) -> Result<Reply, Refusal> {
        let rules = self.tenant(tenant)?;
        let draft = match state {
            None if until.is_some() => return bad("an end is for a state that is set; without one the schedule goes by the clock at once"),
            state => state.map(|state| super::OverrideDraft { state: state.to_owned(), until: until.map(str::to_owned) }),
        };
        let before = match self.store.item(tenant, &PlanKey::Schedule(id.to_owned()))? {
            Some(PlanItem::Schedule(schedule)) => schedule.mode,
            _ => None,
        };
        let schedule: Schedule = self.override_set(tenant, id, draft.as_ref())?;
        let compiled = schedule.compile();
        let zone = compiled.zone(&rules.timezone);
        let state = compiled.state_at(self.store.now_us(), &rules.timezone);
        let end = schedule.mode.as_ref().and_then(|mode| mode.until);
        let end = end.map(|until| format!(" until {} ({})", zone.local_text(until), zone.name())).unwrap_or_default();
        Ok(Reply::Done {
            revision: self.store.revision(),
            existed: before.is_some(),
            changed: before != schedule.mode,
            notes: vec![format!("{id} is {} now{end}", state.word())],
        })
    }

    fn item_key(&self, tenant: &str, which: &ItemWhich) -> Result<PlanKey, Refusal> {
        let plan = &self.tenant(tenant)?.plan;
        Ok(match which {
            ItemWhich::Group(id) => PlanKey::Group(id.clone()),
            ItemWhich::Schedule(id) => PlanKey::Schedule(id.clone()),
            ItemWhich::Trunk(id) => PlanKey::Trunk(id.clone()),
            ItemWhich::Extension(text) => PlanKey::Extension(parse_number(plan, text)?),
            ItemWhich::Route(which) => PlanKey::Route(self.route_key(tenant, which)?),
            ItemWhich::Screen(list, key) => PlanKey::Screen(*list, self.screen_key(tenant, key)?),
            ItemWhich::User(which) => {
                let (domain, extension) = user_key(which)?;
                PlanKey::User(domain, extension.to_owned())
            }
            ItemWhich::Limit(draft) => match ItemDraft::Limit(draft.clone()).check(self.tenant(tenant)?, None) {
                Ok(item) => item.key(),
                Err(wrong) => return bad(wrong.to_string()),
            },
        })
    }

    pub(super) fn each(&self, tenant: &str, sort: PlanSort, mut see: impl FnMut(PlanItem)) -> Result<(), Refusal> {
        let mut after = None;
        loop {
            let page = self.store.items(tenant, sort, after.as_ref(), PAGE_MAX)?;
            let is_last = page.len() < PAGE_MAX;
            after = page.last().map(PlanItem::key);
            page.into_iter().for_each(&mut see);
            if is_last {
                return Ok(());
            }
        }
    }
}
