//! A schedule that is set by hand: closed for the night, and by the clock again.

use super::desk::{Desk, PAGE_MAX, Refusal, again_if_stale, bad};
use crate::nearest::did_you_mean;
use crate::routing::schedule::{Override, STATES, parse_until};
use crate::routing::{PlanItem, PlanKey, Schedule, ScheduleError, Switched, Tenant, Zone};
use crate::store::{Edit, PlanSort};
use serde::Deserialize;
use std::collections::BTreeSet;

/// What a star code sets a schedule to.
const NIGHT: &str = "closed";

/// A state that is set by hand, as JSON.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OverrideDraft {
    /// The state: `open`, `closed`, `holiday`, or another that the schedule has.
    pub state: String,
    /// Until when: an instant (`2026-12-24T17:00:00Z`), a time of the schedule's clocks, or how long from now (`8h`). For good
    /// if nobody says.
    #[serde(default)]
    pub until: Option<String>,
}

impl Desk {
    /// Switches the schedule with a code; comes back with whether it is set by hand now.
    pub(super) fn night(&self, tenant: &str, code: &str, state: Switched, hours: Option<u8>) -> Result<bool, Refusal> {
        again_if_stale(|| self.try_night(tenant, code, state, hours))
    }

    fn try_night(&self, tenant: &str, code: &str, state: Switched, hours: Option<u8>) -> Result<bool, Refusal> {
        let now_us = self.store.now_us();
        let Some(schedule) = self.schedule_with_code(tenant, code)? else {
            return Err(Refusal::NotFound(format!("no schedule has the code {code}")));
        };
        let is_set = schedule.mode.as_ref().is_some_and(|mode| mode.until.is_none_or(|until| until > now_us));
        let set = match state {
            Switched::On => true,
            Switched::Off => false,
            Switched::Toggle => !is_set,
        };
        let until = hours.map(|hours| now_us + u64::from(hours) * 3_600 * 1_000_000);
        self.put_mode(tenant, schedule, set.then(|| Override { state: NIGHT.to_owned(), until }))?;
        Ok(set)
    }

    /// Sets a schedule by hand, or (`None`) lets it go by the clock again.
    pub(super) fn override_set(&self, tenant: &str, id: &str, draft: Option<&OverrideDraft>) -> Result<Schedule, Refusal> {
        again_if_stale(|| self.try_override(tenant, id, draft))
    }

    fn try_override(&self, tenant: &str, id: &str, draft: Option<&OverrideDraft>) -> Result<Schedule, Refusal> {
        let rules = self.tenant(tenant)?;
        let Some(PlanItem::Schedule(schedule)) = self.store.item(tenant, &PlanKey::Schedule(id.to_owned()))? else {
            return Err(Refusal::NotFound(format!("there is no schedule {id:?}")));
        };
        let mode = match draft {
            None => None,
            Some(draft) => Some(self.read_mode(rules, &schedule, draft)?),
        };
        self.put_mode(tenant, schedule, mode)
    }

    fn read_mode(&self, rules: &Tenant, schedule: &Schedule, draft: &OverrideDraft) -> Result<Override, Refusal> {
        let wrong = |e: ScheduleError| Refusal::BadInput(e.to_string());
        let mut mode: Override = draft.state.parse().map_err(wrong)?;
        if mode.until.is_some() {
            return bad("state is one word; write the end into until");
        }
        // a word with a slip in it would close the house, or open it, for whoever has a plan for that state only
        let states: BTreeSet<&str> = schedule.states().into_iter().chain(STATES).collect();
        if !states.contains(mode.state.as_str()) {
            let hint = did_you_mean(&mode.state, states.iter().copied());
            let has: Vec<&str> = states.into_iter().collect();
            return bad(format!("the schedule {} has no state {:?}{hint}; it has {}", schedule.id, mode.state, has.join(", ")));
        }
        if let Some(until) = &draft.until {
            let own: Option<Zone> = schedule.timezone.as_deref().map(str::parse).transpose().map_err(wrong)?;
            let zone = own.unwrap_or_else(|| rules.timezone.clone());
            let until_us = parse_until(until, self.store.now_us(), &zone).map_err(wrong)?;
            // nobody types microseconds, and nobody wants to read them
            mode.until = Some(until_us.div_ceil(1_000_000) * 1_000_000);
        }
        Ok(mode)
    }

    fn put_mode(&self, tenant: &str, schedule: Schedule, mode: Option<Override>) -> Result<Schedule, Refusal> {
        let schedule = Schedule { mode, ..schedule }.check().map_err(|e| Refusal::BadInput(e.to_string()))?;
        let edit = Edit::Put(PlanItem::Schedule(schedule.clone()));
        self.edit(tenant, Edit::Over(schedule.revision, Box::new(edit)))?;
        Ok(schedule)
    }

    pub(super) fn schedule_with_code(&self, tenant: &str, code: &str) -> Result<Option<Schedule>, Refusal> {
        let mut after = None;
        loop {
            let page = self.store.items(tenant, PlanSort::Schedule, after.as_ref(), PAGE_MAX)?;
            after = page.last().map(PlanItem::key);
            let is_last = page.len() < PAGE_MAX;
            for item in page {
                if let PlanItem::Schedule(schedule) = item
                    && schedule.code.as_deref() == Some(code)
                {
                    return Ok(Some(schedule));
                }
            }
            if is_last {
                return Ok(None);
            }
        }
    }
}
