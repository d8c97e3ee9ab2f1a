//! The decision: one function, the same for calls and for `explain`.

use super::{
    Action, Caller, CallerName, Course, Data, Decision, Found, HOPS_MAX, List, Live, LookupFailed, Marks, Outcome, Question, Reason,
    Request, Route, RouteKey, Rule, ScreenKey, Status, Step, StepToken, Tenant, Trace, step_token::TOKEN_AGE_SECONDS_MAX,
};
use crate::number::{Kind, Number};
use std::sync::Arc;

/// When a question is decided, and what is known of the moment.
#[derive(Clone, Copy)]
pub struct Moment<'a> {
    /// Microseconds since 1970.
    pub now_us: u64,
    /// What chance is made of.
    pub seed: u64,
    /// What routing may glance at.
    pub live: &'a dyn Live,
}

impl Moment<'_> {
    fn now_seconds(&self) -> u64 {
        self.now_us / 1_000_000
    }
}

/// Decides a question.
///
/// The order, which `explain` shows: a step token, if there is one, says where the call stands, and it was screened when
/// it came; else emergency numbers are left alone, the caller is screened (`allow` before `block`), and the exact route,
/// the longest prefix or the default is taken. The caller's name is looked up whatever the route says.
///
/// # Errors
/// [`LookupFailed`] where the data could not be read; the caller of this function answers with the fallback.
pub fn decide(
    tenant: &Tenant,
    question: &Question,
    data: &dyn Data,
    moment: Moment<'_>,
    trace: &mut Trace,
) -> Result<(Decision, Marks), LookupFailed> {
    let mut marks = Marks::default();
    let decision = match question.request {
        Request::Ping => bare(Status::Ok, Reason::Ok),
        Request::Name => name(question, data, trace)?,
        // switched by whoever has a way to the writer, and not decided
        Request::Feature => bare(Status::Error, Reason::BadRequest),
        Request::Route => route(tenant, question, data, moment, trace, &mut marks)?,
    };
    Ok((decision, marks))
}

/// An answer that sends the call on in the dialplan and says nothing else.
fn bare(status: Status, reason: Reason) -> Decision {
    Decision::of(status, reason, Step::of(Action::Continue))
}

/// The answer where nothing could be decided for a reason that has nothing to do with the data: the tenant's
/// fallback, else `continue`.
pub fn refusal(tenant: Option<&Tenant>, status: Status, reason: Reason) -> Decision {
    let step = tenant.and_then(|t| t.fallback.clone()).unwrap_or(Step::of(Action::Continue));
    Decision::of(status, reason, step)
}

/// The answer of a question that could not be decided in time, or not at all: the route's fallback, else the
/// tenant's, else `continue`. It looks the route up, so `data` must be one that doesn't wait. A call to an emergency
/// number is left to the dialplan, whatever went wrong: no rule of ours stands in front of it.
pub fn fallback_decision(tenant: &Tenant, question: &Question, data: Option<&dyn Data>, status: Status, reason: Reason) -> Decision {
    let is_emergency = question.to.as_ref().is_some_and(|to| to.kind() == Kind::Emergency);
    if question.request != Request::Route || is_emergency {
        return bare(status, reason);
    }
    let route = data.and_then(|data| match (&question.step, &question.to) {
        (Some((StepToken { tenant: of, course: Course::Route { key, .. }, .. }, _)), _) if *of == tenant.id => {
            data.route(key).ok().flatten()
        }
        (_, Some(to)) => find_route(to, data, &mut Trace::off()).ok().flatten(),
        _ => None,
    });
    match route {
        Some(route) if route.fallback.is_some() => {
            let step = route.fallback.clone().unwrap_or(Step::of(Action::Continue));
            Decision { route: Some(route.key.clone()), ..Decision::of(status, reason, step) }
        }
        _ => refusal(Some(tenant), status, reason),
    }
}

fn name(question: &Question, data: &dyn Data, trace: &mut Trace) -> Result<Decision, LookupFailed> {
    if question.from == Caller::Withheld {
        return Ok(bare(Status::Unknown, Reason::Anonymous));
    }
    let caller = caller_name(&question.from, data, trace)?;
    Ok(match caller {
        Some(_) => Decision { caller, ..bare(Status::Found, Reason::Matched) },
        None => bare(Status::Unknown, Reason::NoName),
    })
}

fn caller_name(from: &Caller, data: &dyn Data, trace: &mut Trace) -> Found<CallerName> {
    let Caller::Number(number) = from else { return Ok(None) };
    let found = data.caller(number)?;
    trace.note(|| Rule::Named(found.as_ref().map(|c| c.contact.clone())));
    Ok(found)
}

fn route(
    tenant: &Tenant,
    question: &Question,
    data: &dyn Data,
    moment: Moment<'_>,
    trace: &mut Trace,
    _marks: &mut Marks,
) -> Result<Decision, LookupFailed> {
    let now_seconds = moment.now_seconds();
    if let Some((token, outcome)) = &question.step {
        return next_step(tenant, question, token, *outcome, data, now_seconds, trace);
    }
    let Some(to) = &question.to else { return Ok(refusal(Some(tenant), Status::Error, Reason::BadRequest)) };
    trace.note(|| Rule::Called(format!("{to} ({})", to.kind().words())));
    if to.kind() == Kind::Emergency {
        return Ok(bare(Status::Unknown, Reason::Emergency));
    }
    if let Some(stopped) = screen(&question.from, data, trace)? {
        return Ok(stopped);
    }
    let caller = caller_name(&question.from, data, trace)?;
    let Some(route) = find_route(to, data, trace)? else {
        return Ok(Decision { caller, ..bare(Status::Unknown, Reason::NoRoute) });
    };
    let reason = if route.key == RouteKey::Default { Reason::Default } else { Reason::Matched };
    let token = StepToken {
        tenant: tenant.id.clone(),
        course: Course::Route { key: route.key.clone(), plan: 0 },
        revision: route.revision,
        index: 0,
        attempt: 0,
        started_seconds: now_seconds,
        order: u128::from(moment.seed),
        hops: 1,
    };
    Ok(take_step(&route, token, reason, caller, trace))
}

/// The step that the token names, as a decision. The token is handed out only if another step follows.
fn take_step(route: &Arc<Route>, token: StepToken, reason: Reason, caller: Option<CallerName>, trace: &mut Trace) -> Decision {
    let index = usize::from(token.index);
    let Some(step) = route.steps.get(index) else {
        // a route without steps can't be stored; if one is found all the same, the dialplan goes on
        return Decision { caller, route: Some(route.key.clone()), ..bare(Status::Error, Reason::BadStep) };
    };
    trace.note(|| Rule::Step(index, route.steps.len(), step.to_string()));
    let more = index + 1 < route.steps.len() && token.hops < HOPS_MAX;
    Decision { token: more.then_some(token), route: Some(route.key.clone()), caller, ..Decision::of(Status::Found, reason, step.clone()) }
}

fn next_step(
    tenant: &Tenant,
    question: &Question,
    token: &StepToken,
    outcome: Outcome,
    data: &dyn Data,
    now_seconds: u64,
    trace: &mut Trace,
) -> Result<Decision, LookupFailed> {
    let refuse = |why: &str, trace: &mut Trace| {
        trace.note(|| Rule::Token(why.to_owned()));
        Ok(fallback_decision(tenant, question, Some(data), Status::Error, Reason::BadStep))
    };
    if token.tenant != tenant.id {
        return refuse("belongs to another tenant", trace);
    }
    if now_seconds.saturating_sub(token.started_seconds) > TOKEN_AGE_SECONDS_MAX {
        return refuse("is older than a day", trace);
    }
    let Course::Route { key, .. } = &token.course else { return refuse("is not of a route", trace) };
    let Some(route) = data.route(key)? else { return refuse("names a route that is gone", trace) };
    if route.revision != token.revision {
        return refuse("names a route that was changed since", trace);
    }
    let caller = caller_name(&question.from, data, trace)?;
    let next = usize::from(token.index) + 1;
    if next >= route.steps.len() || token.hops >= HOPS_MAX || outcome == Outcome::Answered {
        trace.note(|| Rule::Token(format!("the plan is over after this step ({outcome:?})")));
        return Ok(Decision {
            caller,
            route: Some(route.key.clone()),
            ..Decision::of(Status::Found, Reason::Exhausted, Step::of(Action::Hangup))
        });
    }
    let reason = if route.key == RouteKey::Default { Reason::Default } else { Reason::Matched };
    let token = StepToken { index: token.index + 1, hops: token.hops + 1, ..token.clone() };
    Ok(take_step(&route, token, reason, caller, trace))
}

/// The exact route, else the longest prefix, else the default.
fn find_route(to: &Number, data: &dyn Data, trace: &mut Trace) -> Found<Arc<Route>> {
    let exact = data.route(&RouteKey::Number(to.clone()))?;
    trace.note(|| Rule::Routed("route by number", exact.as_ref().map(|r| r.key.clone())));
    if exact.is_some() {
        return Ok(exact);
    }
    let by_prefix = data.route_by_prefix(to)?;
    trace.note(|| Rule::Routed("route by prefix", by_prefix.as_ref().map(|r| r.key.clone())));
    if by_prefix.is_some() {
        return Ok(by_prefix);
    }
    let default = data.route(&RouteKey::Default)?;
    trace.note(|| Rule::Routed("default route", default.as_ref().map(|r| r.key.clone())));
    Ok(default)
}

/// What the lists say of the caller: `None` lets him through.
fn screen(from: &Caller, data: &dyn Data, trace: &mut Trace) -> Found<Decision> {
    let (entry, reason) = match from {
        Caller::Unusable => {
            trace.note(|| Rule::Caller("no number that could be looked up".to_owned()));
            return Ok(None);
        }
        Caller::Withheld => {
            trace.note(|| Rule::Caller("withheld".to_owned()));
            let entry = data.screen(List::Block, &ScreenKey::Withheld)?;
            trace.note(|| Rule::Screened(List::Block, entry.as_ref().map(|e| e.key.clone())));
            (entry, Reason::Anonymous)
        }
        Caller::Number(number) => {
            trace.note(|| Rule::Caller(format!("{number} ({})", number.kind().words())));
            let allowed = data.screen_number(List::Allow, number)?;
            trace.note(|| Rule::Screened(List::Allow, allowed.as_ref().map(|e| e.key.clone())));
            if allowed.is_some() {
                return Ok(None);
            }
            let entry = data.screen_number(List::Block, number)?;
            trace.note(|| Rule::Screened(List::Block, entry.as_ref().map(|e| e.key.clone())));
            (entry, Reason::Blocked)
        }
    };
    Ok(entry.map(|entry| {
        let step = entry.action.clone().unwrap_or(Step::of(Action::Busy));
        Decision::of(Status::Found, reason, step)
    }))
}
