//! `explain`: the code that answers calls, with its trace on.

use super::desk::{Desk, Refusal, bad};
use super::request::{ExplainAsk, Reply};
use super::views::{DecisionView, NumberSeen};
use crate::number::{Number, NumberPlan, describe};
use crate::routing::render::{self, VARIABLES};
use crate::routing::{Caller, Data, Live, LookupFailed, Moment, NOTHING_LIVE, Question, QuestionText, Switch, Trace, decide};
use std::collections::BTreeMap;

impl Desk {
    pub(super) fn explain(&self, tenant: &str, ask: &ExplainAsk, switch: Switch) -> Result<Reply, Refusal> {
        let rules = self.tenant(tenant)?;
        let text = QuestionText {
            request: &ask.request,
            to: &ask.to,
            from: &ask.from,
            restricted: ask.withheld,
            verstat: &ask.verstat,
            name: &ask.name,
            owner: &ask.owner,
            ascii: &ask.ascii,
            ..QuestionText::default()
        };
        let question = match Question::read(&text, &rules.plan) {
            Ok(question) => question,
            Err(both) => return bad(both.1.to_string()),
        };
        let now_us = self.store.now_us();
        // what calls would glance at now; it is read and not marked
        let glances = self.observed.as_ref().and_then(|observed| observed.glances.as_ref());
        let glance = glances.map(|glances| glances.of(tenant, self.store.clock()));
        let live = glance.as_ref().map_or(&NOTHING_LIVE as &dyn Live, |glance| glance);
        let moment = Moment { now_us: ask.at_us.unwrap_or(now_us), seed: 0, live };
        let mut trace = Trace::on();
        let mut read =
            |data: &dyn Data| decide(rules, &question, data, moment, &mut trace).map(|(decision, _)| (decision, data.revision()));
        let store = self.store.reader();
        let answered = if store.snapshot_stands() {
            store.in_snapshot(tenant, &mut read).unwrap_or_else(|| Err(LookupFailed("the snapshot is gone".into())))
        } else {
            store.on_disk(tenant, &mut read)
        };
        let (decision, revision) = match answered {
            Ok(answered) => answered,
            Err(error) => return Ok(Reply::Store(error.to_string())),
        };
        let asterisk = render::asterisk(&decision, Some(&rules.asterisk));
        let freeswitch = render::freeswitch(&decision, Some(&rules.freeswitch));
        let targets = [("asterisk", &asterisk), ("freeswitch", &freeswitch)];
        let targets = targets.map(|(switch, words)| (switch.to_owned(), words.value("TARGET").unwrap_or_default().to_owned()));
        let legs: BTreeMap<String, String> = asterisk.legs.iter().cloned().collect();
        let words = match switch {
            Switch::Asterisk => asterisk,
            Switch::Freeswitch => freeswitch,
        };
        let fields = VARIABLES.iter().zip(words.values).map(|(name, value)| (name.to_ascii_lowercase(), value.into()));
        let changed_us = self.store.changes(revision).next().transpose()?.map(|change| change.at_us);
        let from = match &question.from {
            Caller::Number(number) => seen(&ask.from, number, &rules.plan),
            Caller::Withheld => NumberSeen { withheld: true, ..NumberSeen::default() },
            Caller::Unusable => NumberSeen { typed: ask.from.clone(), ..NumberSeen::default() },
        };
        Ok(Reply::Explained(Box::new(DecisionView {
            decision: fields.collect(),
            trace: trace.rules().iter().map(ToString::to_string).collect(),
            revision,
            changed: changed_us.map(crate::cti::rfc3339),
            age_seconds: changed_us.map(|at| now_us.saturating_sub(at) / 1_000_000),
            at: crate::cti::rfc3339(moment.now_us),
            to: question.to.as_ref().map(|number| seen(&ask.to, number, &rules.plan)),
            from: Some(from),
            targets: targets.into_iter().collect(),
            legs,
        })))
    }
}

/// A number as it was typed, and as the tenant reads it. The library is asked what it is: nobody waits for that.
fn seen(typed: &str, number: &Number, plan: &NumberPlan) -> NumberSeen {
    let about = describe(number);
    NumberSeen {
        typed: typed.to_owned(),
        number: Some(about.number),
        kind: Some(number.kind().words().to_owned()),
        class: Some(plan.class_of(number).to_string()),
        region: about.region,
        national: about.national,
        withheld: false,
    }
}
