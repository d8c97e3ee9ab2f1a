//! Drafts read as their tenant reads them: everything that is wrong, where, and what would be right.

use super::draft::{ExtensionDraft, GroupDraft, ItemDraft, LimitDraft, MemberDraft, RouteDraft, ScheduleDraft, TrunkDraft, UserDraft};
use super::mistake::Mistakes;
use super::step_draft::StepDraft;
use crate::number::{Class, Kind, Number, NumberPlan};
use crate::routing::{
    A1Hash, Action, Extension, ExtensionError, Group, GroupError, Limit, List, Member, MemberTarget, NumberFormat, PlanItem, Prefix, Rate,
    Route, RouteKey, STEPS_MAX, Schedule, ScheduleError, Scope, Step, Strategy, Tenant, Trunk, TrunkError, User,
};

pub(super) fn number(plan: &NumberPlan, text: &str) -> Result<Number, String> {
    plan.parse(text).map_err(|e| format!("{text:?} {e}"))
}

/// A field that may be left out, read; one that can't be read is a mistake and counts as left out.
fn maybe<T, E: std::fmt::Display>(
    wrong: &mut Mistakes,
    path: &str,
    text: Option<&String>,
    read: impl Fn(&str) -> Result<T, E>,
) -> Option<T> {
    text.and_then(|text| wrong.kept(path, read(text)))
}

pub(super) fn step(tenant: &Tenant, draft: &StepDraft) -> Result<Step, String> {
    let step = Step::parse(&draft.0, &tenant.plan).map_err(|e| e.to_string())?;
    tenant.check_step(&step).map_err(|e| e.to_string())?;
    Ok(step)
}

fn steps(wrong: &mut Mistakes, tenant: &Tenant, path: &str, drafts: &[StepDraft]) -> Vec<Step> {
    if !(1..=STEPS_MAX).contains(&drafts.len()) {
        wrong.wrong(path, format!("a route has 1 to {STEPS_MAX} steps, not {}", drafts.len()));
        return Vec::new();
    }
    let read = |draft: &StepDraft| match step(tenant, draft)? {
        Step { action: Action::Challenge(_), .. } => Err("challenge is for callers on the block list, as their action".to_owned()),
        step => Ok(step),
    };
    drafts.iter().enumerate().filter_map(|(n, draft)| wrong.kept(format!("{path}[{n}]"), read(draft))).collect()
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
    /// Everything that is wrong, where, and what would be right.
    pub fn check(&self, tenant: &Tenant, known: Option<&User>) -> Result<PlanItem, Mistakes> {
        let plan = &tenant.plan;
        Ok(match self {
            ItemDraft::Group(draft) => PlanItem::Group(draft.check(plan)?),
            ItemDraft::Schedule(draft) => PlanItem::Schedule(draft.check()?),
            ItemDraft::Route(draft) => PlanItem::Route(draft.check(tenant)?),
            ItemDraft::Block(draft) => PlanItem::Screen(draft.check(tenant, List::Block)?),
            ItemDraft::Allow(draft) => PlanItem::Screen(draft.check(tenant, List::Allow)?),
            ItemDraft::Trunk(draft) => PlanItem::Trunk(draft.check(plan)?),
            ItemDraft::Limit(draft) => PlanItem::Limit(draft.check()?),
            ItemDraft::Extension(draft) => PlanItem::Extension(draft.check(tenant)?),
            ItemDraft::User(draft) => PlanItem::User(draft.check(plan, known)?),
        })
    }
}

impl GroupDraft {
    fn check(&self, plan: &NumberPlan) -> Result<Group, Mistakes> {
        let mut wrong = Mistakes::default();
        let members: Vec<Member> = self.members.iter().enumerate().filter_map(|(n, draft)| draft.check(plan, n, &mut wrong)).collect();
        let are_all = members.len() == self.members.len();
        let strategy = self.strategy.as_deref().unwrap_or("ringall").parse();
        let group = Group {
            id: self.id.clone(),
            name: self.name.clone(),
            strategy: wrong.kept("strategy", strategy).unwrap_or(Strategy::Ringall),
            timeout_seconds: self.timeout_seconds,
            members,
            revision: 0,
        };
        let mut more = Mistakes::default();
        let group = more.all_of(group, Group::check, |group, error| match error {
            GroupError::Id(_) => {
                group.id = "id".to_owned();
                Some("id")
            }
            GroupError::Name(_) => {
                group.name = None;
                Some("name")
            }
            GroupError::Timeout(_) => {
                group.timeout_seconds = None;
                Some("timeout_seconds")
            }
            GroupError::MemberCount(_) | GroupError::Twice(_) | GroupError::Itself => {
                group.members = vec![Member::of(MemberTarget::Group("other".to_owned()))];
                Some("members")
            }
            _ => None,
        });
        // members that couldn't be read aren't missing
        wrong.0.extend(more.0.into_iter().filter(|m| are_all || m.path != "members"));
        wrong.none_of(group)
    }
}

impl MemberDraft {
    fn check(&self, plan: &NumberPlan, n: usize, wrong: &mut Mistakes) -> Option<Member> {
        let path = format!("members[{n}]");
        let target = match (&self.number, &self.extension, &self.group) {
            (Some(text), None, None) => MemberTarget::Number(wrong.kept(format!("{path}.number"), number(plan, text))?),
            (None, Some(text), None) => MemberTarget::Number(wrong.kept(format!("{path}.extension"), number(plan, text))?),
            (None, None, Some(id)) => MemberTarget::Group(id.clone()),
            (None, None, None) => {
                wrong.wrong(path, "it has no number; give it extension, number or group");
                return None;
            }
            _ => {
                wrong.wrong(path, "it has more than one of extension, number and group");
                return None;
            }
        };
        let member = Member {
            name: self.name.clone(),
            delay_seconds: self.delay_seconds.unwrap_or(0),
            timeout_seconds: self.timeout_seconds,
            weight: self.weight.unwrap_or(1),
            confirm: self.confirm,
            trunk: self.trunk.clone(),
            ..Member::of(target)
        };
        wrong.kept(path, member.check())
    }
}

impl ScheduleDraft {
    fn check(&self) -> Result<Schedule, Mistakes> {
        let mut wrong = Mistakes::default();
        let d = self.clone();
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
        let schedule = wrong.all_of(schedule, Schedule::check, |schedule, error| match error {
            ScheduleError::Id(_) => {
                schedule.id = "id".to_owned();
                Some("id")
            }
            ScheduleError::Zone { .. } => {
                schedule.timezone = None;
                Some("timezone")
            }
            ScheduleError::Code(_) => {
                schedule.code = None;
                Some("code")
            }
            ScheduleError::Reserved(_) => {
                schedule.periods.clear();
                Some("periods")
            }
            ScheduleError::Twice(_) => {
                schedule.holidays.clear();
                Some("holidays")
            }
            _ => None,
        });
        wrong.none_of(schedule)
    }
}

impl TrunkDraft {
    fn check(&self, plan: &NumberPlan) -> Result<Trunk, Mistakes> {
        let mut wrong = Mistakes::default();
        let rates = self.rates.iter().enumerate().filter_map(|(n, text)| wrong.kept(format!("rates[{n}]"), Rate::parse(text))).collect();
        let trunk = Trunk {
            id: self.id.clone(),
            format: maybe(&mut wrong, "format", self.format.as_ref(), str::parse::<NumberFormat>).unwrap_or_default(),
            tech_prefix: self.tech_prefix.clone().unwrap_or_default(),
            caller_id_format: maybe(&mut wrong, "caller_id_format", self.caller_id_format.as_ref(), str::parse::<NumberFormat>)
                .unwrap_or_default(),
            caller_id: maybe(&mut wrong, "caller_id", self.caller_id.as_ref(), |text| number(plan, text)),
            emergency: self.emergency,
            rates,
            revision: 0,
        };
        let trunk = wrong.all_of(trunk, Trunk::check, |trunk, error| match error {
            TrunkError::Id(_) => {
                trunk.id = "id".to_owned();
                Some("id")
            }
            TrunkError::TechPrefix(_) => {
                trunk.tech_prefix.clear();
                Some("tech_prefix")
            }
            TrunkError::CallerId(_) => {
                trunk.caller_id = None;
                Some("caller_id")
            }
            TrunkError::RateCount(_) | TrunkError::Twice(_) => {
                trunk.rates.clear();
                Some("rates")
            }
            _ => None,
        });
        wrong.none_of(trunk)
    }
}

impl LimitDraft {
    fn check(&self) -> Result<Limit, Mistakes> {
        let mut wrong = Mistakes::default();
        let class = wrong.kept("class", self.class.parse::<Class>());
        let scope = match self.scope.as_deref() {
            None | Some("extension") => Scope::Extension,
            Some("tenant") => Scope::Tenant,
            Some(other) => {
                wrong.wrong("scope", format!("{other:?} is neither extension nor tenant"));
                Scope::Extension
            }
        };
        let limit = class.map(|class| Limit { class, scope, per_hour: self.per_hour, concurrent: self.concurrent });
        let limit = limit.and_then(|limit| wrong.all_of(limit, Limit::check, |_, _| None));
        wrong.none_of(limit)
    }
}

impl UserDraft {
    fn check(&self, plan: &NumberPlan, known: Option<&User>) -> Result<User, Mistakes> {
        let mut wrong = Mistakes::default();
        wrong.kept("extension", shadowed(plan.emergency_shadowed_by_number(&self.extension)));
        let hash = match (&self.a1_hash, known) {
            (Some(text), _) => wrong.kept("a1_hash", A1Hash::parse(text)),
            (None, Some(known)) => Some(known.a1_hash),
            (None, None) => {
                wrong.wrong(
                    "",
                    "a1_hash is missing, and no such user is there whose hash could stay; add it, or make the user with user set",
                );
                None
            }
        };
        let user = hash.and_then(|a1_hash| {
            let user = User {
                extension: self.extension.clone(),
                domain: self.domain.clone(),
                name: self.name.clone(),
                context: self.context.clone(),
                a1_hash,
            };
            wrong.kept("", user.check())
        });
        wrong.none_of(user)
    }
}

impl RouteDraft {
    fn check(&self, tenant: &Tenant) -> Result<Route, Mistakes> {
        let mut wrong = Mistakes::default();
        let key = self.key(&tenant.plan, &mut wrong);
        let all = steps(&mut wrong, tenant, "steps", &self.steps);
        if self.schedule.is_none() && !self.when.is_empty() {
            wrong.wrong("when", "when needs a schedule, whose states it is about");
        }
        let fallback = self.fallback.as_ref().and_then(|draft| {
            let read = step(tenant, draft).and_then(|step| step.check_fallback().map_err(|e| e.to_string()));
            wrong.kept("fallback", read)
        });
        let when = self.when.iter().map(|(state, drafts)| (state.clone(), steps(&mut wrong, tenant, &format!("when.{state}"), drafts)));
        let when = when.collect();
        let route = key.map(|key| Route { fallback, schedule: self.schedule.clone(), when, ..Route::of(key, all) });
        wrong.none_of(route)
    }

    fn key(&self, plan: &NumberPlan, wrong: &mut Mistakes) -> Option<RouteKey> {
        match (&self.number, &self.prefix, self.default) {
            (Some(text), None, false) => wrong.kept(
                "number",
                number(plan, text).and_then(|number| {
                    let emergency =
                        (number.kind() == Kind::Emergency).then(|| plan.emergency_shadowed_by_number(number.digits())).flatten();
                    shadowed(emergency)?;
                    Ok(RouteKey::Number(number))
                }),
            ),
            (None, Some(text), false) => wrong.kept(
                "prefix",
                Prefix::parse(text, plan).map_err(|e| e.to_string()).and_then(|prefix| {
                    if prefix.kind != Kind::E164 {
                        shadowed(plan.emergency_shadowed_by_prefix(&prefix.digits))?;
                    }
                    Ok(RouteKey::Prefix(prefix))
                }),
            ),
            (None, None, true) => Some(RouteKey::Default),
            _ => {
                wrong.wrong("", "a route is for one of number, prefix and default = true");
                None
            }
        }
    }
}

impl ExtensionDraft {
    fn check(&self, tenant: &Tenant) -> Result<Extension, Mistakes> {
        let plan = &tenant.plan;
        let mut wrong = Mistakes::default();
        let read = |text: &str| number(plan, text);
        let own = wrong.kept(
            "extension",
            number(plan, &self.extension).and_then(|own| {
                let emergency = (own.kind() == Kind::Emergency).then(|| plan.emergency_shadowed_by_number(own.digits())).flatten();
                shadowed(emergency).map(|()| own)
            }),
        );
        let mut permissions = None;
        if let Some(words) = &self.permissions {
            let classes = words.iter().enumerate().filter_map(|(n, w)| wrong.kept(format!("permissions[{n}]"), w.parse::<Class>()));
            permissions = Some(classes.collect());
        }
        let are_readable = wrong.0.iter().all(|m| !m.path.starts_with("permissions"));
        let extension = own.map(|own| Extension {
            name: self.name.clone(),
            dnd: self.dnd,
            forward_always: maybe(&mut wrong, "forward_always", self.forward_always.as_ref(), read),
            forward_busy: maybe(&mut wrong, "forward_busy", self.forward_busy.as_ref(), read),
            forward_no_answer: maybe(&mut wrong, "forward_no_answer", self.forward_no_answer.as_ref(), read),
            forward_unavailable: maybe(&mut wrong, "forward_unavailable", self.forward_unavailable.as_ref(), read),
            mailbox: self.mailbox.clone(),
            ring_seconds: self.ring_seconds,
            calls_max: self.calls_max,
            permissions,
            caller_id: maybe(&mut wrong, "caller_id", self.caller_id.as_ref(), read),
            emergency_caller_id: maybe(&mut wrong, "emergency_caller_id", self.emergency_caller_id.as_ref(), read),
            ascii: self.ascii,
            ..Extension::of(own)
        });
        let checked = extension.clone().and_then(|extension| wrong.all_of(extension, Extension::check, take_out));
        if let Some(extension) = extension.filter(|_| are_readable) {
            check_permitted(&extension, tenant, &mut wrong);
        }
        wrong.none_of(checked)
    }
}

fn check_permitted(extension: &Extension, tenant: &Tenant, wrong: &mut Mistakes) {
    let permitted = extension.permissions.as_ref().unwrap_or(&tenant.permissions);
    for (which, to) in extension.forwards() {
        let forbidden = to.map(|to| (to, tenant.plan.class_of(to))).filter(|(_, class)| !permitted.contains(class));
        // a number that can't be forwarded to at all has been told of
        if let Some((to, class)) = forbidden.filter(|_| wrong.0.iter().all(|m| m.path != forward_path(which))) {
            let own = &extension.number;
            let what = format!("{to} is of the class {class}, which {own} may not call; add it to its permissions first");
            wrong.wrong(forward_path(which), what);
        }
    }
}

fn forward_path(which: &str) -> &'static str {
    match which {
        "always" => "forward_always",
        "busy" => "forward_busy",
        "no-answer" => "forward_no_answer",
        _ => "forward_unavailable",
    }
}

/// Takes out what an error is about, so that the next one can be seen.
fn take_out(extension: &mut Extension, error: &ExtensionError) -> Option<&'static str> {
    match error {
        ExtensionError::Itself(which) | ExtensionError::Forward { which, .. } => {
            let path = forward_path(which);
            match path {
                "forward_always" => extension.forward_always = None,
                "forward_busy" => extension.forward_busy = None,
                "forward_no_answer" => extension.forward_no_answer = None,
                _ => extension.forward_unavailable = None,
            }
            Some(path)
        }
        ExtensionError::RingSeconds(_) => {
            extension.ring_seconds = None;
            Some("ring_seconds")
        }
        ExtensionError::Mailbox(_) => {
            extension.mailbox = None;
            Some("mailbox")
        }
        ExtensionError::NoCalls => {
            extension.calls_max = None;
            Some("calls_max")
        }
        ExtensionError::NotPublic { which: "caller-id", .. } => {
            extension.caller_id = None;
            Some("caller_id")
        }
        ExtensionError::NotPublic { .. } => {
            extension.emergency_caller_id = None;
            Some("emergency_caller_id")
        }
        ExtensionError::Name(_) => {
            extension.name = None;
            Some("name")
        }
        ExtensionError::NotInside(_) => None,
    }
}
