//! The only door from a session to routing, and the keeper of its deadline.
//!
//! Asterisk waits for ever on a server that says nothing, so the agent owns the deadline: when it comes, the answer
//! is `late` with the route's fallback, whatever the decision was waiting for.

use super::request::{Ask, BadParameter};
use crate::clock::Clock;
use crate::number::NumberPlan;
use crate::routing::{
    Caller, Decision, Outcome, Question, Reason, Request, Status, StepToken, Tenant, Trace, decide, fallback_decision, refusal,
};
use crate::store::Store;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

/// The configured tenants by id.
pub type Tenants = HashMap<String, Tenant>;

/// A fault that tests put in front of every decision.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Delay {
    /// None: what production runs.
    #[default]
    None,
    /// The data comes late.
    Wait(Duration),
    /// The thread is stuck.
    Block(Duration),
}

/// Answers questions within the budget.
pub struct Answerer {
    /// The data.
    pub store: Store,
    /// Who may ask.
    pub tenants: Arc<Tenants>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// How long an answer may take.
    pub budget: Duration,
    /// What tests inject.
    pub delay: Delay,
    /// Makes seeds differ from call to call.
    pub seeds: AtomicU32,
}

/// An answer, and whose templates render it.
pub struct Answer<'a> {
    /// The decision.
    pub decision: Decision,
    /// The tenant, where the question named one that exists.
    pub tenant: Option<&'a Tenant>,
}

impl Answerer {
    /// Answers; never later than the budget, and never with anything but a decision.
    pub async fn answer(&self, ask: Result<Ask, Box<(Ask, BadParameter)>>) -> Answer<'_> {
        let (ask, wrong) = match ask {
            Ok(ask) => (ask, None),
            Err(both) => (both.0, Some(both.1)),
        };
        let Some(tenant) = self.tenants.get(&ask.tenant) else {
            tracing::warn!(call_id = %ask.call_id, tenant = %shown(&ask.tenant), "a question named an unknown tenant; the dialplan's default applied");
            return Answer { decision: refusal(None, Status::Error, Reason::BadRequest), tenant: None };
        };
        let decision = match wrong.map_or_else(|| question(&ask, &tenant.plan), |e| Err((Reason::BadRequest, e.to_string()))) {
            Ok(question) => self.decide(tenant, question).await,
            Err((reason, why)) => {
                tracing::warn!(call_id = %ask.call_id, why, "a question could not be read; the fallback applied");
                refusal(Some(tenant), Status::Error, reason)
            }
        };
        Answer { decision, tenant: Some(tenant) }
    }

    /// The answer of a session that isn't served: what the tenant says if it can be told, else `continue`.
    pub fn refuse(&self, ask: Option<&Ask>, reason: Reason) -> Answer<'_> {
        let tenant = self.tenants.get(ask.map_or("default", |a| &a.tenant));
        Answer { decision: refusal(tenant, Status::Error, reason), tenant }
    }

    async fn decide(&self, tenant: &Tenant, question: Question) -> Decision {
        let (now_seconds, seed) = (self.clock.now_us() / 1_000_000, self.seeds.fetch_add(0x9e37_79b9, Ordering::Relaxed));
        let in_memory = || self.store.in_snapshot(&tenant.id, |data| decide(tenant, &question, data, now_seconds, seed, &mut Trace::off()));
        if let Delay::Block(how_long) = self.delay {
            std::thread::sleep(how_long);
        }
        let decided = if self.delay == Delay::None
            && let Some(decided) = in_memory()
        {
            Some(decided)
        } else {
            tokio::time::timeout(self.budget, async {
                if let Delay::Wait(how_long) = self.delay {
                    tokio::time::sleep(how_long).await;
                }
                match in_memory() {
                    Some(decided) => decided,
                    None => self.decide_on_disk(tenant.clone(), question.clone(), now_seconds, seed).await,
                }
            })
            .await
            .ok()
        };
        let fallback = |status, reason| {
            let from_snapshot = self.store.in_snapshot(&tenant.id, |data| fallback_decision(tenant, &question, Some(data), status, reason));
            from_snapshot.unwrap_or_else(|| fallback_decision(tenant, &question, None, status, reason))
        };
        match decided {
            Some(Ok(decision)) => decision,
            Some(Err(error)) => {
                tracing::error!(%error, "the store could not be read for a call; the fallback applied");
                fallback(Status::Error, Reason::StoreFailed)
            }
            None => fallback(Status::Late, Reason::Late),
        }
    }

    /// Until the snapshot stands, the disk answers, on a thread that may wait for it.
    async fn decide_on_disk(
        &self,
        tenant: Tenant,
        question: Question,
        now_seconds: u64,
        seed: u32,
    ) -> Result<Decision, crate::routing::LookupFailed> {
        let store = self.store.clone();
        let reading = tokio::task::spawn_blocking(move || {
            store.on_disk(&tenant.id, |data| decide(&tenant, &question, data, now_seconds, seed, &mut Trace::off()))
        });
        reading.await.unwrap_or_else(|_| Err(crate::routing::LookupFailed("the reader ended".into())))
    }
}

/// The question that an ask amounts to, or why it can't be one.
fn question(ask: &Ask, plan: &NumberPlan) -> Result<Question, (Reason, String)> {
    let Some(request) = Request::from_name(&ask.request) else {
        return Err((Reason::BadRequest, format!("the request {:?} is unknown", shown(&ask.request))));
    };
    let from = Caller::read(&ask.from, ask.restricted, plan);
    let step = match &ask.step {
        None => None,
        Some(text) => match StepToken::decode(text) {
            Ok(token) => Some((token, Outcome::from_word(&ask.status))),
            Err(error) => return Err((Reason::BadStep, format!("step {error}"))),
        },
    };
    let to = match request {
        Request::Route if step.is_none() => {
            Some(plan.parse(&ask.to).map_err(|error| (Reason::BadRequest, format!("the called number {error}")))?)
        }
        _ => None,
    };
    Ok(Question { request, to, from, step })
}

/// A text from outside, short and on one line.
fn shown(text: &str) -> String {
    text.chars().take(40).flat_map(char::escape_default).collect()
}
