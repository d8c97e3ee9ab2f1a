//! `diff --calls`: the calls of the journal asked again, of the plan that is and of the one that would be.

use super::args::Global;
use super::calls::{each_journalled, request_of};
use super::exit::{Exit, Failure};
use super::{print, when};
use crate::clock::{Clock, SystemClock};
use crate::plan::PlanFile;
use crate::routing::render::{self, VARIABLES};
use crate::routing::{Data, Moment, NOTHING_LIVE, Question, QuestionText, Sheet, Tenant, Trace, decide};
use serde_json::{Value as Json, json};

/// What a call gets first: action, target and reason, without what changes from asking to asking.
fn answer(tenant: &Tenant, data: &dyn Data, text: &QuestionText<'_>, now_us: u64) -> String {
    let question = Question::read(text, &tenant.plan).unwrap_or_else(|both| both.0);
    let moment = Moment { now_us, seed: 0, live: &NOTHING_LIVE };
    let Ok((decision, _)) = decide(tenant, &question, data, moment, &mut Trace::off()) else { return "the look-up failed".to_owned() };
    let rendered = render::asterisk(&decision, Some(&tenant.asterisk));
    let value = |name: &str| VARIABLES.iter().position(|v| *v == name).map_or("", |n| rendered.values[n].as_str());
    let target = value("TARGET");
    format!("{}{}{target} ({})", value("ACTION"), if target.is_empty() { "" } else { " " }, value("REASON"))
}

/// Lists the calls that would go elsewhere.
pub(super) fn replay(global: &Global, tenant: &Tenant, before: &PlanFile, after: &PlanFile, since: &str) -> Result<Exit, Failure> {
    let since_us = when::instant(since, SystemClock.now_us()).map_err(|text| Failure::new(Exit::BadInput, text))?;
    let sheet = |plan: &PlanFile| Sheet { items: plan.items.clone(), ..Sheet::default() };
    let (before, after) = (sheet(before), sheet(after));
    let (mut asked, mut elsewhere) = (0u64, Vec::new());
    each_journalled(global, since_us, |call| {
        let said = |at: &str| call.pointer(at).and_then(Json::as_str).unwrap_or_default();
        let at_us = when::instant(said("/started"), SystemClock.now_us()).unwrap_or_default();
        let text = QuestionText {
            request: request_of(call),
            to: said("/to"),
            from: said("/from/number"),
            restricted: call.pointer("/from/withheld").and_then(Json::as_bool).unwrap_or_default(),
            ..QuestionText::default()
        };
        asked += 1;
        let (old, new) = (answer(tenant, &before, &text, at_us), answer(tenant, &after, &text, at_us));
        if old != new {
            let [id, started, from, to] = ["/id", "/started", "/from/number", "/to"].map(|at| said(at).to_owned());
            elsewhere.push(json!({ "id": id, "started": started, "from": from, "to": to, "now": old, "then": new }));
        }
    })?;
    if global.json {
        print::json(&json!({ "asked": asked, "elsewhere": elsewhere }));
        return Ok(Exit::Done);
    }
    let text = |call: &Json, key: &str| print::shown(call.get(key).and_then(Json::as_str).unwrap_or_default());
    for call in &elsewhere {
        print::out(&format!(
            "{} {} → {}\n    now:  {}\n    then: {}\n",
            text(call, "started"),
            text(call, "from"),
            text(call, "to"),
            text(call, "now"),
            text(call, "then")
        ));
    }
    print::line(&format!("{} of {asked} calls would go elsewhere", elsewhere.len()));
    Ok(Exit::Done)
}
