//! `explain`: the code that answers calls, with its trace on.

use super::desk::{Desk, Refusal, bad};
use super::request::Reply;
use super::views::DecisionView;
use crate::routing::render::{self, VARIABLES};
use crate::routing::{Data, LookupFailed, Moment, NOTHING_LIVE, Question, QuestionText, Switch, Trace, decide};

impl Desk {
    pub(super) fn explain(&self, tenant: &str, text: &QuestionText<'_>, switch: Switch) -> Result<Reply, Refusal> {
        let rules = self.tenant(tenant)?;
        let question = match Question::read(text, &rules.plan) {
            Ok(question) => question,
            Err(both) => return bad(both.1.to_string()),
        };
        let moment = Moment { now_us: self.store.now_us(), seed: 0, live: &NOTHING_LIVE };
        let mut trace = Trace::on();
        let mut ask = |data: &dyn Data| decide(rules, &question, data, moment, &mut trace).map(|(decision, _)| (decision, data.revision()));
        let store = self.store.reader();
        let answered = if store.snapshot_stands() {
            store.in_snapshot(tenant, &mut ask).unwrap_or_else(|| Err(LookupFailed("the snapshot is gone".into())))
        } else {
            store.on_disk(tenant, &mut ask)
        };
        let (decision, revision) = match answered {
            Ok(answered) => answered,
            Err(error) => return Ok(Reply::Store(error.to_string())),
        };
        let rendered = match switch {
            Switch::Asterisk => render::asterisk(&decision, Some(&rules.asterisk)),
            Switch::Freeswitch => render::freeswitch(&decision, Some(&rules.freeswitch)),
        };
        let fields = VARIABLES.iter().zip(rendered.values).map(|(name, value)| (name.to_ascii_lowercase(), value.into()));
        let mut view = DecisionView { decision: fields.collect(), trace: Vec::new(), revision };
        view.trace = trace.rules().iter().map(ToString::to_string).collect();
        Ok(Reply::Explained(Box::new(view)))
    }
}
