//! A call's step in the words of its line in the log, for whoever traces calls.

use super::answer::{Answer, shown};
use super::numbers::Numbers;
use super::request::Ask;
use super::stats::Ending;
use crate::routing::{Request, Status, Switch};
use crate::telemetry::CallStep;
use std::time::Duration;

/// How long a step took.
#[derive(Debug, Clone, Copy)]
pub(super) struct Spent {
    /// Until the switch had confirmed the answer, or was no longer waited for.
    pub(super) in_all: Duration,
    /// Until the answer was there, in microseconds.
    pub(super) answer_us: u64,
    /// How long the answer might have taken.
    pub(super) budget: Duration,
}

/// The step that an answer was, which ended right now.
pub(super) fn step(
    trace_id: u128,
    answer: &Answer<'_>,
    ask: &Ask,
    numbers: Numbers,
    (switch, ending): (Switch, Ending),
    spent: Spent,
    now_us: u64,
) -> CallStep {
    let decision = &answer.decision;
    CallStep {
        trace_id,
        ended_us: now_us,
        took_us: spent.in_all.as_micros() as u64,
        answer_us: spent.answer_us,
        budget_us: spent.budget.as_micros() as u64,
        switch_kind: match switch {
            Switch::Asterisk => "asterisk",
            Switch::Freeswitch => "freeswitch",
        },
        switch: ask.switch.as_deref().map(shown),
        call_id: shown(&ask.call_id),
        // a tenant that there isn't is a word of the question, and no name
        tenant: answer.tenant.map_or_else(|| shown(&ask.tenant), |tenant| tenant.id.clone()),
        request: Request::from_name(&ask.request).map_or("other", Request::name),
        to: numbers.number(&ask.to),
        from: if ask.restricted { None } else { numbers.number(&ask.from) },
        status: decision.status.word(),
        failed: matches!(decision.status, Status::Late | Status::Error),
        action: decision.step.action.word(),
        reason: decision.reason.word(),
        route: decision.route.as_ref().map(|route| numbers.route(&route.to_string())),
        ending: ending.word(),
        revision: answer.revision,
    }
}
