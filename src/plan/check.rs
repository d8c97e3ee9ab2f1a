//! Drafts read as their tenant reads them: what is wrong, where, and what would be right.

use super::draft::{ExtensionDraft, GroupDraft, ItemDraft, MemberDraft, RouteDraft, ScreenDraft};
use super::step_draft::StepDraft;
use crate::number::{Country, Kind, Number, NumberPlan};
use crate::routing::{
    A1Hash, Action, CallerRate, Extension, Group, Limit, List, Member, MemberTarget, PlanItem, Prefix, Rate, Route, RouteKey, STEPS_MAX,
    Schedule, Scope, Screen, ScreenKey, Step, Tenant, Trunk, User,
};

fn number(plan: &NumberPlan, what: &str, text: &str) -> Result<Number, String> {
    plan.parse(text).map_err(|e| format!("{what}: {text:?} {e}"))
}

fn maybe_number(plan: &NumberPlan, what: &str, text: Option<&String>) -> Result<Option<Number>, String> {
    text.map(|text| number(plan, what, text)).transpose()
}

fn step(tenant: &Tenant, what: &str, draft: &StepDraft) -> Result<Step, String> {
    let step = Step::parse(&draft.0, &tenant.plan).map_err(|e| format!("{what}: {e}"))?;
    tenant.check_step(&step).map_err(|e| format!("{what}: {e}"))?;
    Ok(step)
}

fn steps(tenant: &Tenant, what: &str, drafts: &[StepDraft]) -> Result<Vec<Step>, String> {
    if !(1..=STEPS_MAX).contains(&drafts.len()) {
        return Err(format!("{what}: a route has 1 to {STEPS_MAX} steps, not {}", drafts.len()));
    }
    let read = |(n, draft)| {
        let step = step(tenant, &format!("{what}[{n}]"), draft)?;
        match step.action {
            Action::Challenge(_) => Err(format!("{what}[{n}]: challenge is for callers on the block list, as their action")),
            _ => Ok(step),
        }
    };
    drafts.iter().enumerate().map(read).collect()
}

/// What is wrong with a rule that would take an emergency number.
fn shadowed(emergency: Option<&'static str>) -> Result<(), String> {
    emergency.map_or(Ok(()), |e| {
        Err(format!("it would stand in front of the emergency number {e}; calls to it are left to the dialplan, and no rule may take them"))
    })
}

impl ItemDraft {
    /// Reads the draft as its tenant does. `known` is the account that is stored, whose hash a draft without one keeps.
    ///
    /// # Errors
    /// What is wrong, where, and what would be right.
    pub fn check(&self, tenant: &Tenant, known: Option<&User>) -> Result<PlanItem, String> {
        let plan = &tenant.plan;
        Ok(match self {
            ItemDraft::Group(draft) => PlanItem::Group(draft.check(plan)?),
            ItemDraft::Schedule(d) => {
                let d = d.clone();
                let schedule = Schedule {
                    id: d.id,
                    timezone: d.timezone,
                    code: d.code,
                    open: d.open,
                    periods: d.periods,
                    exceptions: d.exceptions,
                    holidays: d.holidays,
                    mode: d.mode,
                    revision: 0,
                };
                PlanItem::Schedule(schedule.check().map_err(|e| e.to_string())?)
            }
            ItemDraft::Route(draft) => PlanItem::Route(draft.check(tenant)?),
            ItemDraft::Block(draft) => PlanItem::Screen(draft.check(tenant, List::Block)?),
            ItemDraft::Allow(draft) => PlanItem::Screen(draft.check(tenant, List::Allow)?),
            ItemDraft::Trunk(d) => {
                let format = |text: &Option<String>| text.as_deref().map_or(Ok(Default::default()), str::parse);
                let trunk = Trunk {
                    id: d.id.clone(),
                    format: format(&d.format).map_err(|e| format!("format: {e}"))?,
                    tech_prefix: d.tech_prefix.clone().unwrap_or_default(),
                    caller_id_format: format(&d.caller_id_format).map_err(|e| format!("caller_id_format: {e}"))?,
                    caller_id: maybe_number(plan, "caller_id", d.caller_id.as_ref())?,
                    emergency: d.emergency,
                    rates: d.rates.iter().map(|r| Rate::parse(r)).collect::<Result<_, _>>().map_err(|e| format!("rates: {e}"))?,
                    revision: 0,
                };
                PlanItem::Trunk(trunk.check().map_err(|e| e.to_string())?)
            }
            ItemDraft::Limit(d) => {
                let scope = match d.scope.as_deref() {
                    None | Some("extension") => Scope::Extension,
                    Some("tenant") => Scope::Tenant,
                    Some(other) => return Err(format!("scope: {other:?} is neither extension nor tenant")),
                };
                let class = d.class.parse().map_err(|e| format!("class: {e}"))?;
                let limit = Limit { class, scope, per_hour: d.per_hour, concurrent: d.concurrent };
                PlanItem::Limit(limit.check().map_err(|e| e.to_string())?)
            }
            ItemDraft::Extension(draft) => PlanItem::Extension(draft.check(tenant)?),
            ItemDraft::User(d) => {
                shadowed(plan.emergency_shadowed_by_number(&d.extension))?;
                let a1_hash = match (&d.a1_hash, known) {
                    (Some(text), _) => A1Hash::parse(text).map_err(|e| format!("a1_hash: {e}"))?,
                    (None, Some(known)) => known.a1_hash,
                    (None, None) => {
                        return Err(
                            "a1_hash is missing, and no such user is there whose hash could stay; add it, or make the user with user set"
                                .to_owned(),
                        );
                    }
                };
                let user = User {
                    extension: d.extension.clone(),
                    domain: d.domain.clone(),
                    name: d.name.clone(),
                    context: d.context.clone(),
                    a1_hash,
                };
                PlanItem::User(user.check().map_err(|e| e.to_string())?)
            }
        })
    }
}

impl GroupDraft {
    fn check(&self, plan: &NumberPlan) -> Result<Group, String> {
        let member = |(n, m): (usize, &MemberDraft)| {
            let at = |e: String| format!("members[{n}]: {e}");
            let target = match (&m.number, &m.extension, &m.group) {
                (Some(text), None, None) | (None, Some(text), None) => MemberTarget::Number(number(plan, "number", text).map_err(at)?),
                (None, None, Some(id)) => MemberTarget::Group(id.clone()),
                (None, None, None) => return Err(at("it has no number; give it extension, number or group".to_owned())),
                _ => return Err(at("it has more than one of extension, number and group".to_owned())),
            };
            Ok(Member {
                name: m.name.clone(),
                delay_seconds: m.delay_seconds.unwrap_or(0),
                timeout_seconds: m.timeout_seconds,
                weight: m.weight.unwrap_or(1),
                confirm: m.confirm,
                trunk: m.trunk.clone(),
                ..Member::of(target)
            })
        };
        let group = Group {
            id: self.id.clone(),
            name: self.name.clone(),
            strategy: self.strategy.as_deref().unwrap_or("ringall").parse().map_err(|e| format!("strategy: {e}"))?,
            timeout_seconds: self.timeout_seconds,
            members: self.members.iter().enumerate().map(member).collect::<Result<_, _>>()?,
            revision: 0,
        };
        group.check().map_err(|e| e.to_string())
    }
}

impl RouteDraft {
    fn check(&self, tenant: &Tenant) -> Result<Route, String> {
        let plan = &tenant.plan;
        let key = match (&self.number, &self.prefix, self.default) {
            (Some(text), None, false) => {
                let number = number(plan, "number", text)?;
                shadowed(
                    Some(number.digits())
                        .filter(|_| number.kind() == Kind::Emergency)
                        .and(plan.emergency_shadowed_by_number(number.digits())),
                )?;
                RouteKey::Number(number)
            }
            (None, Some(text), false) => {
                let prefix = Prefix::parse(text, plan).map_err(|e| e.to_string())?;
                if prefix.kind != Kind::E164 {
                    shadowed(plan.emergency_shadowed_by_prefix(&prefix.digits))?;
                }
                RouteKey::Prefix(prefix)
            }
            (None, None, true) => RouteKey::Default,
            _ => return Err("a route is for one of number, prefix and default = true".to_owned()),
        };
        if self.schedule.is_none() && !self.when.is_empty() {
            return Err("when needs a schedule, whose states it is about".to_owned());
        }
        let fallback = self.fallback.as_ref().map(|draft| {
            let step = step(tenant, "fallback", draft)?;
            step.check_fallback().map_err(|e| format!("fallback: {e}"))
        });
        let when = self.when.iter().map(|(state, drafts)| Ok((state.clone(), steps(tenant, &format!("when.{state}"), drafts)?)));
        Ok(Route {
            fallback: fallback.transpose()?,
            schedule: self.schedule.clone(),
            when: when.collect::<Result<_, String>>()?,
            ..Route::of(key, steps(tenant, "steps", &self.steps)?)
        })
    }
}

impl ScreenDraft {
    fn check(&self, tenant: &Tenant, list: List) -> Result<Screen, String> {
        let plan = &tenant.plan;
        let mut keys = Vec::new();
        if let Some(text) = &self.number {
            let number = number(plan, "number", text)?;
            if number.kind() == Kind::Emergency {
                return Err(format!("{number} is an emergency number, whose calls back are never screened"));
            }
            keys.push(ScreenKey::Number(number));
        }
        if let Some(text) = &self.prefix {
            let prefix = Prefix::parse(text, plan).map_err(|e| e.to_string())?;
            if let Some(emergency) =
                Some(&prefix).filter(|p| p.kind != Kind::E164).and_then(|p| plan.emergency_shadowed_by_prefix(&p.digits))
            {
                return Err(format!("{prefix} is the emergency number {emergency}, whose calls back are never screened"));
            }
            keys.push(ScreenKey::Prefix(prefix));
        }
        if let Some(text) = &self.country {
            keys.push(ScreenKey::Country(text.parse::<Country>().map_err(|e| format!("country: {e}"))?.code()));
        }
        if let Some(text) = &self.class {
            keys.push(ScreenKey::Class(text.parse().map_err(|e| format!("class: {e}"))?));
        }
        if let Some(text) = &self.verification {
            keys.push(ScreenKey::Verification(text.parse().map_err(|e| format!("verification: {e}"))?));
        }
        if self.anonymous {
            keys.push(ScreenKey::Withheld);
        }
        let rate: Option<CallerRate> = self.rate.as_deref().map(str::parse).transpose().map_err(|e| format!("rate: {e}"))?;
        if rate.is_some() {
            keys.push(ScreenKey::Rate);
        }
        let (Some(key), true) = (keys.pop(), keys.is_empty()) else {
            return Err("an entry is about one of number, prefix, country, class, verification, anonymous and rate".to_owned());
        };
        let is_odd =
            list == List::Allow && matches!(key, ScreenKey::Withheld | ScreenKey::Class(_) | ScreenKey::Verification(_) | ScreenKey::Rate);
        if is_odd {
            return Err(format!(
                "the allow list is for number, prefix and country; callers are let through unless the block list says otherwise, so remove {key} there"
            ));
        }
        if list == List::Allow && self.action.is_some() {
            return Err("action is for the block list; allowed callers get the route's answer".to_owned());
        }
        let action = self.action.as_ref().map(|draft| step(tenant, "action", draft)).transpose()?;
        if action.as_ref().is_some_and(|step| matches!(step.action, Action::Ring(_))) {
            return Err("action: a group can't be rung for a blocked caller; name telephones with dial:, or a route".to_owned());
        }
        Ok(Screen { list, key, action, rate })
    }
}

impl ExtensionDraft {
    fn check(&self, tenant: &Tenant) -> Result<Extension, String> {
        let plan = &tenant.plan;
        let own = number(plan, "extension", &self.extension)?;
        shadowed(Some(own.digits()).filter(|_| own.kind() == Kind::Emergency).and(plan.emergency_shadowed_by_number(own.digits())))?;
        let classes =
            |words: &Vec<String>| words.iter().map(|w| w.parse().map_err(|e| format!("permissions: {e}"))).collect::<Result<_, _>>();
        let extension = Extension {
            name: self.name.clone(),
            dnd: self.dnd,
            forward_always: maybe_number(plan, "forward_always", self.forward_always.as_ref())?,
            forward_busy: maybe_number(plan, "forward_busy", self.forward_busy.as_ref())?,
            forward_no_answer: maybe_number(plan, "forward_no_answer", self.forward_no_answer.as_ref())?,
            forward_unavailable: maybe_number(plan, "forward_unavailable", self.forward_unavailable.as_ref())?,
            mailbox: self.mailbox.clone(),
            ring_seconds: self.ring_seconds,
            calls_max: self.calls_max,
            permissions: self.permissions.as_ref().map(classes).transpose()?,
            caller_id: maybe_number(plan, "caller_id", self.caller_id.as_ref())?,
            emergency_caller_id: maybe_number(plan, "emergency_caller_id", self.emergency_caller_id.as_ref())?,
            ..Extension::of(own)
        };
        let extension = extension.check().map_err(|e| e.to_string())?;
        let permitted = extension.permissions.as_ref().unwrap_or(&tenant.permissions);
        for (which, to) in extension.forwards() {
            if let Some((to, class)) = to.map(|to| (to, plan.class_of(to))).filter(|(_, class)| !permitted.contains(class)) {
                return Err(format!(
                    "forward-{which}: {to} is of the class {class}, which {} may not call; add it to its permissions first",
                    extension.number
                ));
            }
        }
        Ok(extension)
    }
}
