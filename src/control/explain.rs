//! `explain`: the code that answers calls, with its trace on.

use super::desk::{Desk, Refusal, bad};
use super::request::Reply;
use super::views::DecisionView;
use crate::clock::{Clock, SystemClock};
use crate::routing::render::{self, VARIABLES};
use crate::routing::{Caller, LookupFailed, Question, Request, Trace, decide};

impl Desk {
    pub(super) fn explain(&self, tenant: &str, request: &str, to: &str, from: &str, withheld: bool) -> Result<Reply, Refusal> {
        let rules = self.tenant(tenant)?;
        let Some(request) = Request::from_name(request) else {
            return bad(format!("{request:?} is no request; use {}", Request::NAMES.join(", ")));
        };
        let to = match request {
            Request::Route => Some(super::desk::parse_number(&rules.plan, to)?),
            _ => None,
        };
        let question = Question { request, to, from: Caller::read(from, withheld, &rules.plan), step: None };
        let now_seconds = SystemClock.now_us() / 1_000_000;
        let mut trace = Trace::on();
        let mut ask = |data: &dyn crate::routing::Data| {
            decide(rules, &question, data, now_seconds, 0, &mut trace).map(|decision| (decision, data.revision()))
        };
        let answered = if self.store.snapshot_stands() {
            self.store.in_snapshot(tenant, &mut ask).unwrap_or_else(|| Err(LookupFailed("the snapshot is gone".into())))
        } else {
            self.store.on_disk(tenant, &mut ask)
        };
        let (decision, revision) = match answered {
            Ok(answered) => answered,
            Err(error) => return Ok(Reply::Store(error.to_string())),
        };
        let rendered = render::asterisk(&decision, Some(&rules.asterisk));
        let fields = VARIABLES.iter().zip(rendered.values).map(|(name, value)| (name.to_ascii_lowercase(), value.into()));
        let mut view = DecisionView { decision: fields.collect(), trace: Vec::new(), revision };
        view.trace = trace.rules().iter().map(ToString::to_string).collect();
        Ok(Reply::Explained(Box::new(view)))
    }
}
