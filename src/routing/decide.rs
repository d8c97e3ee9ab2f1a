//! The decision: one function, the same for calls and for `explain`.

use super::{
    Action, Caller, Course, Data, Decision, Extension, Found, HOPS_MAX, Live, LookupFailed, Marks, Outcome, Question, Reason, Request,
    Route, RouteKey, Rule, Status, Step, StepToken, Tenant, Trace, outbound, ring, ring::Rung, screen, step_token::TOKEN_AGE_SECONDS_MAX,
};
use crate::number::{Class, Kind, Number};
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
    /// Seconds since 1970.
    pub(super) fn now_seconds(&self) -> u64 {
        self.now_us / 1_000_000
    }
}

/// What a decision is made with, and what it leaves behind.
pub(super) struct Walk<'a> {
    pub(super) tenant: &'a Tenant,
    pub(super) data: &'a dyn Data,
    pub(super) moment: Moment<'a>,
    pub(super) trace: &'a mut Trace,
    pub(super) marks: &'a mut Marks,
    /// The telephones that this call itself has just rung, at the end of their forwards.
    pub(super) rung: Vec<Number>,
}

/// Decides a question, and says what is to be remembered of it.
///
/// The order, which `explain` shows: emergency numbers are left alone; a step token, if there is one, says where the call
/// stands, and it was screened when it came; else the caller is screened, and the exact route, the settings of the
/// extension, the longest prefix or the default is taken; the route's schedule says which of its plans. The caller's name
/// is looked up last and whatever the route says: whose personal phone book counts depends on who is rung.
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
    let mut walk = Walk { tenant, data, moment, trace, marks: &mut marks, rung: Vec::new() };
    let decision = match question.request {
        Request::Ping => bare(Status::Ok, Reason::Ok),
        Request::Name => walk.name(question)?,
        Request::Route => walk.route(question)?,
        Request::Outbound => walk.outbound(question)?,
        // switched by whoever has a way to the writer, and not decided
        Request::Feature => bare(Status::Error, Reason::BadRequest),
    };
    Ok((decision, marks))
}

/// An answer that sends the call on in the dialplan and says nothing else.
pub(super) fn bare(status: Status, reason: Reason) -> Decision {
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
            route_at(key, data).ok().flatten()
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

impl Walk<'_> {
    fn name(&mut self, question: &Question) -> Result<Decision, LookupFailed> {
        if question.from == Caller::Withheld {
            return Ok(bare(Status::Unknown, Reason::Anonymous));
        }
        let named = self.named(question, bare(Status::Unknown, Reason::NoName))?;
        Ok(match &named.caller {
            Some(caller) if caller.contact.is_empty() => Decision { status: Status::Found, reason: Reason::Region, ..named },
            Some(_) => Decision { status: Status::Found, reason: Reason::Matched, ..named },
            None => named,
        })
    }

    fn route(&mut self, question: &Question) -> Result<Decision, LookupFailed> {
        // before any token: one that was left on a channel must not stand between a caller and help
        if let Some(to) = question.to.as_ref().filter(|to| to.kind() == Kind::Emergency) {
            self.trace.note(|| Rule::Called(format!("{to} ({})", to.kind().words())));
            return Ok(bare(Status::Unknown, Reason::Emergency));
        }
        match &question.step {
            Some((token @ StepToken { course: Course::Challenge, .. }, Outcome::Passed)) => {
                if let Some(why) = self.check_token(token) {
                    return Ok(self.refuse_token(question, why));
                }
                self.trace.note(|| Rule::Token("the caller pressed the key".to_owned()));
            }
            Some((token, outcome)) => return self.next_step(question, token, *outcome),
            None => {}
        }
        let Some(to) = &question.to else { return Ok(refusal(Some(self.tenant), Status::Error, Reason::BadRequest)) };
        self.trace.note(|| Rule::Called(format!("{to} ({})", to.kind().words())));
        if question.step.is_none()
            && let Some(stopped) = screen::screen(self, question)?
        {
            return Ok(stopped);
        }
        let Some(route) = find_route(to, self.data, self.trace)? else {
            return self.named(question, bare(Status::Unknown, Reason::NoRoute));
        };
        let (plan, reason) = self.plan_of(&route)?;
        let token = StepToken {
            tenant: self.tenant.id.clone(),
            course: Course::Route { key: route.key.clone(), plan },
            revision: route.revision,
            index: 0,
            attempt: 0,
            started_seconds: self.moment.now_seconds(),
            order: 0,
            hops: 1,
            rung: 0,
        };
        let decision = self.take_step(&route, plan, token, reason)?;
        self.named(question, decision)
    }

    /// Which of a route's plans counts at this moment, and the word for it.
    fn plan_of(&mut self, route: &Route) -> Result<(u8, Reason), LookupFailed> {
        let usual = if route.key == RouteKey::Default { Reason::Default } else { Reason::Matched };
        let Some(id) = &route.schedule else { return Ok((0, usual)) };
        let Some(schedule) = self.data.schedule(id)? else {
            self.trace.note(|| Rule::Skipped(format!("schedule {id}"), "there is no such schedule".to_owned()));
            return Ok((0, usual));
        };
        let state = schedule.state_at(self.moment.now_us, &self.tenant.timezone);
        self.trace.note(|| Rule::Hours(id.clone(), state.word().to_owned(), state.why()));
        let reason = if state.is_open() { usual } else { Reason::Closed };
        Ok((route.plan_in(state.word()), reason))
    }

    /// The step that the token names, or the first behind it that can be taken, as a decision. The token is handed out only
    /// if there is more behind.
    fn take_step(&mut self, route: &Arc<Route>, plan: u8, mut token: StepToken, reason: Reason) -> Result<Decision, LookupFailed> {
        let Some(steps) = route.plan(plan).filter(|steps| usize::from(token.index) < steps.len()) else {
            // a route without steps can't be stored; if one is found all the same, the dialplan goes on
            return Ok(Decision { route: Some(route.key.clone()), ..bare(Status::Error, Reason::BadStep) });
        };
        let of = steps.len();
        let mut nobody = None;
        for (index, step) in steps.iter().enumerate().skip(usize::from(token.index)) {
            self.trace.note(|| Rule::Step(index, of, step.to_string()));
            token.index = index as u8;
            (token.attempt, token.order, token.rung) = (0, 0, 0);
            token.revision = route.revision.max(ring::revision(self.data, step)?);
            if !ring::rings(step) {
                return Ok(self.stand(route, step, token, index + 1 < of, reason));
            }
            match ring::begin(self, step)? {
                Rung::Nobody(why) => nobody = Some(why),
                rung => return Ok(self.rung(route, step, token, index + 1 < of, reason, rung)),
            }
        }
        Ok(self.over(route, nobody.unwrap_or(Reason::Exhausted)))
    }

    /// A step that rings nobody.
    fn stand(&self, route: &Route, step: &Step, token: StepToken, follows: bool, reason: Reason) -> Decision {
        let more = follows && token.hops < HOPS_MAX;
        Decision {
            status: Status::Found,
            reason,
            step: step.clone(),
            ring: None,
            token: more.then_some(token),
            route: Some(route.key.clone()),
            caller: None,
            keeps_sent_name: false,
            present: None,
            via: None,
        }
    }

    /// A step that rings somebody.
    fn rung(&self, route: &Route, step: &Step, token: StepToken, follows: bool, reason: Reason, rung: Rung) -> Decision {
        let Rung::Ring { ring, attempt, order, rung, more, is_forwarded } = rung else { return self.over(route, Reason::Exhausted) };
        let token = StepToken { attempt, order, rung, ..token };
        let reason = if is_forwarded { Reason::Forwarded } else { reason };
        Decision { ring: Some(ring), ..self.stand(route, step, token, follows || more, reason) }
    }

    /// The end of a plan: busy, where nobody was to be disturbed.
    fn over(&self, route: &Route, reason: Reason) -> Decision {
        let action = if matches!(reason, Reason::Dnd | Reason::Limit) { Action::Busy } else { Action::Hangup };
        let reason = if reason == Reason::Dnd { reason } else { Reason::Exhausted };
        Decision { route: Some(route.key.clone()), ..Decision::of(Status::Found, reason, Step::of(action)) }
    }

    fn next_step(&mut self, question: &Question, token: &StepToken, outcome: Outcome) -> Result<Decision, LookupFailed> {
        if let Some(why) = self.check_token(token) {
            return Ok(self.refuse_token(question, why));
        }
        let Course::Route { key, plan } = &token.course else {
            if token.course == Course::Challenge {
                self.trace.note(|| Rule::Token("the caller didn't press the key".to_owned()));
                return Ok(Decision::of(Status::Found, Reason::Challenge, Step::of(Action::Hangup)));
            }
            return Ok(self.refuse_token(question, "is of a call out"));
        };
        let Some(route) = route_at(key, self.data)? else { return Ok(self.refuse_token(question, "names a route that is gone")) };
        let steps = route.plan(*plan).unwrap_or_default();
        let Some(step) = steps.get(usize::from(token.index)) else {
            return Ok(self.refuse_token(question, "names a step that the route doesn't have"));
        };
        if route.revision.max(ring::revision(self.data, step)?) != token.revision {
            return Ok(self.refuse_token(question, "names a route or a group that was changed since"));
        }
        if token.hops >= HOPS_MAX || matches!(outcome, Outcome::Answered | Outcome::Passed) {
            self.trace.note(|| Rule::Token(format!("the plan is over after this step ({outcome:?})")));
            let over = self.over(&route, Reason::Exhausted);
            return self.named(question, over);
        }
        self.rung = ring::just_rung(self, step, token)?;
        let reason = match (*plan, &route.key) {
            (0, RouteKey::Default) => Reason::Default,
            (0, _) => Reason::Matched,
            _ => Reason::Closed,
        };
        let hops = token.hops + 1;
        let follows = usize::from(token.index) + 1 < steps.len();
        if hops == HOPS_MAX && follows {
            // who was led through dozens of telephones hears the mailbox all the same
            self.trace.note(|| Rule::Token(format!("this is answer {HOPS_MAX} of the call, its last: the end of the plan")));
            let token = StepToken { index: steps.len() as u8 - 1, hops, ..token.clone() };
            let decision = self.take_step(&route, *plan, token, reason)?;
            return self.named(question, decision);
        }
        let rung =
            if ring::rings(step) { ring::go_on(self, step, token.order, token.attempt, outcome)? } else { Rung::Nobody(Reason::Exhausted) };
        let decision = match rung {
            Rung::Nobody(_) if follows => {
                let token = StepToken { index: token.index + 1, hops, ..token.clone() };
                self.take_step(&route, *plan, token, reason)?
            }
            Rung::Nobody(_) => {
                self.trace.note(|| Rule::Token(format!("the plan is over after this step ({outcome:?})")));
                self.over(&route, Reason::Exhausted)
            }
            rung => self.rung(&route, step, StepToken { hops, ..token.clone() }, follows, reason, rung),
        };
        self.named(question, decision)
    }

    /// Why a token can't be taken, whatever it is of.
    pub(super) fn check_token(&self, token: &StepToken) -> Option<&'static str> {
        if token.tenant != self.tenant.id {
            return Some("belongs to another tenant");
        }
        let is_old = self.moment.now_seconds().saturating_sub(token.started_seconds) > TOKEN_AGE_SECONDS_MAX;
        is_old.then_some("is older than a day")
    }

    pub(super) fn refuse_token(&mut self, question: &Question, why: &str) -> Decision {
        self.trace.note(|| Rule::Token(why.to_owned()));
        fallback_decision(self.tenant, question, Some(self.data), Status::Error, Reason::BadStep)
    }

    /// Asks something whose answers are not for the trace.
    pub(super) fn quietly<T>(&mut self, ask: impl FnOnce(&mut Self) -> T) -> T {
        let trace = std::mem::take(self.trace);
        let answer = ask(self);
        *self.trace = trace;
        answer
    }

    /// Whether an extension may call numbers of a class. Emergency numbers don't get here.
    pub(super) fn permits(&self, extension: Option<&Extension>, class: Class) -> bool {
        let own = extension.and_then(|e| e.permissions.as_ref());
        own.unwrap_or(&self.tenant.permissions).contains(&class)
    }

    fn outbound(&mut self, question: &Question) -> Result<Decision, LookupFailed> {
        outbound::outbound(self, question)
    }
}

/// The exact route, else the extension's own settings, else the longest prefix, else the default.
fn find_route(to: &Number, data: &dyn Data, trace: &mut Trace) -> Found<Arc<Route>> {
    let exact = data.route(&RouteKey::Number(to.clone()))?;
    trace.note(|| Rule::Routed("route by number", exact.as_ref().map(|r| r.key.clone())));
    if exact.is_some() {
        return Ok(exact);
    }
    if matches!(to.kind(), Kind::Extension | Kind::Opaque) {
        let own = route_of_extension(to, data)?;
        trace.note(|| Rule::Routed("settings of the extension", own.as_ref().map(|r| r.key.clone())));
        if own.is_some() {
            return Ok(own);
        }
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

/// The route that a token names, which may be an extension's settings.
fn route_at(key: &RouteKey, data: &dyn Data) -> Found<Arc<Route>> {
    match (data.route(key)?, key) {
        (None, RouteKey::Number(number)) if matches!(number.kind(), Kind::Extension | Kind::Opaque) => route_of_extension(number, data),
        (found, _) => Ok(found),
    }
}

/// What an extension's user has set, as a route of its number; none where nothing is set that would send calls another way
/// than the dialplan does.
fn route_of_extension(number: &Number, data: &dyn Data) -> Found<Arc<Route>> {
    let extension = data.extension(number)?.filter(|e| e.acts());
    Ok(extension.map(|e| Arc::new(Route { revision: e.revision, ..Route::of(RouteKey::Number(number.clone()), e.steps()) })))
}

#[cfg(test)]
#[path = "decide_tests.rs"]
mod tests;
