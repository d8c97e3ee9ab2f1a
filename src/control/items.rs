//! Groups, schedules, extensions, trunks and limits, one at a time; and what of a plan holds together.

use super::desk::{Desk, PAGE_MAX, Refusal, bad, parse_number};
use super::request::{ItemWhich, Reply};
use crate::plan::{ItemDraft, Mistake, Mistakes, Seen, broken, names};
use crate::routing::{PlanItem, PlanKey, Schedule};
use crate::store::{Edit, PlanSort, StoreError};

/// Sorts of things that name others.
const NAMING: [PlanSort; 3] = [PlanSort::Group, PlanSort::Route, PlanSort::Trunk];

impl Desk {
    pub(super) fn item_set(&self, tenant: &str, draft: &ItemDraft) -> Result<Reply, Refusal> {
        let rules = self.tenant(tenant)?;
        let known = match draft {
            ItemDraft::User(user) => self.store.user(tenant, &user.domain.to_ascii_lowercase(), &user.extension)?,
            _ => None,
        };
        let item = draft.check(rules, known.as_ref().map(|(_, user)| user)).map_err(|wrong| Refusal::BadInput(wrong.to_string()))?;
        self.check_references(tenant, &item)?;
        let notes = match &item {
            PlanItem::Schedule(schedule) if schedule.never_opens() => {
                vec![format!("the schedule {} never opens: nothing in it says open", schedule.id)]
            }
            _ => Vec::new(),
        };
        self.edit_with(tenant, Edit::Put(item), notes)
    }

    /// Refuses a thing that names what isn't there, or would close a circle.
    pub(super) fn check_references(&self, tenant: &str, item: &PlanItem) -> Result<(), Refusal> {
        let rules = self.tenant(tenant)?;
        let own = item.key();
        let mut look = |key: &PlanKey| -> Result<Seen<'_>, StoreError> {
            if *key == own {
                return Ok(Seen::Here(item));
            }
            Ok(self.store.item(tenant, key)?.map_or(Seen::Absent, |item| Seen::Fetched(Box::new(item))))
        };
        let wrong = broken(item, rules, &mut look)?;
        if wrong.is_empty() {
            return Ok(());
        }
        // what was typed has no paths in it
        let wrong = wrong.into_iter().map(|m| Mistake { path: String::new(), ..m }).collect();
        bad(format!("{own}: {}", Mistakes(wrong)))
    }

    pub(super) fn item_rm(&self, tenant: &str, which: &ItemWhich) -> Result<Reply, Refusal> {
        let key = self.item_key(tenant, which)?;
        let mut naming = Vec::new();
        for sort in NAMING {
            self.each(tenant, sort, |item| {
                if names(&item).contains(&key) && item.key() != key {
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
        match self.store.item(tenant, &key)? {
            Some(item) => Ok(Reply::PlanItems { items: vec![item], next: None, revision: self.store.revision() }),
            None => Err(Refusal::NotFound(format!("there is no {key}"))),
        }
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
        let draft = state.map(|state| super::OverrideDraft { state: state.to_owned(), until: until.map(str::to_owned) });
        let before = self.store.revision();
        let schedule: Schedule = self.override_set(tenant, id, draft.as_ref())?;
        let revision = self.store.revision();
        let notes = schedule.mode.iter().map(|mode| format!("{id} is now {mode}")).collect();
        Ok(Reply::Done { revision, existed: true, changed: revision != before, notes })
    }

    fn item_key(&self, tenant: &str, which: &ItemWhich) -> Result<PlanKey, Refusal> {
        let plan = &self.tenant(tenant)?.plan;
        Ok(match which {
            ItemWhich::Group(id) => PlanKey::Group(id.clone()),
            ItemWhich::Schedule(id) => PlanKey::Schedule(id.clone()),
            ItemWhich::Trunk(id) => PlanKey::Trunk(id.clone()),
            ItemWhich::Extension(text) => PlanKey::Extension(parse_number(plan, text)?),
            ItemWhich::Limit(draft) => match ItemDraft::Limit(draft.clone()).check(self.tenant(tenant)?, None) {
                Ok(item) => item.key(),
                Err(wrong) => return bad(wrong.to_string()),
            },
        })
    }

    fn each(&self, tenant: &str, sort: PlanSort, mut see: impl FnMut(PlanItem)) -> Result<(), Refusal> {
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
