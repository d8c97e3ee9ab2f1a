//! What the tests of this module try decisions out with.

pub(super) use super::Sheet;
use super::*;
use crate::number::{Class, Number, NumberPlan};
use std::collections::BTreeMap;

/// Where decisions are tried out: a tenant in Germany.
pub(super) fn tenant() -> Tenant {
    let template = |text: &str, target| Template::parse(text, target, true).expect("a template");
    let dial = |extension: &str, number: &str| DialTemplates {
        extension: template(extension, "extension"),
        number: template(number, "number"),
        trunk: "carrier".into(),
        timeout_seconds: 30,
        options: String::new(),
        domain: Some("pbx.example".into()),
        confirm_file: None,
    };
    Tenant {
        id: DEFAULT_TENANT.into(),
        plan: NumberPlan::new("DE".parse().ok()).with_short_codes(vec!["115".into()]),
        timezone: Zone::UTC,
        fallback: None,
        permissions: PERMISSIONS_DEFAULT.to_vec(),
        features: Features::default(),
        names: Default::default(),
        sessions_max: None,
        asterisk: dial("PJSIP/{extension}", "PJSIP/{number}@{trunk}"),
        freeswitch: dial("user/{extension}@{domain}", "sofia/gateway/{trunk}/{number}"),
    }
}

/// What a test knows of the moment.
#[derive(Debug, Default)]
pub(super) struct Scene {
    pub(super) hints: BTreeMap<Number, crate::hints::Hint>,
    pub(super) turns: BTreeMap<String, u32>,
    pub(super) rung: BTreeMap<(String, MemberTarget), u64>,
    pub(super) caller_calls: u32,
    /// (in the last hour, now), of an extension and of the tenant.
    pub(super) class_calls: [(u32, u32); 2],
}

impl Live for Scene {
    fn hint(&self, extension: &Number) -> Option<crate::hints::Hint> {
        self.hints.get(extension).copied()
    }

    fn turn(&self, group: &str) -> u32 {
        self.turns.get(group).copied().unwrap_or(0)
    }

    fn last_rung(&self, group: &str, member: &MemberTarget) -> u64 {
        self.rung.get(&(group.to_owned(), member.clone())).copied().unwrap_or(0)
    }

    fn caller_calls(&self, _: &Number, _: u32) -> u32 {
        self.caller_calls
    }

    fn class_calls(&self, extension: Option<&Number>, _: Class) -> (u32, u32) {
        self.class_calls[usize::from(extension.is_none())]
    }
}

/// A number as the tenant reads it.
pub(super) fn number(text: &str) -> Number {
    tenant().plan.parse(text).expect("a number")
}

/// A group of members as they are typed.
pub(super) fn group(id: &str, strategy: Strategy, timeout_seconds: Option<u16>, members: &[&str]) -> PlanItem {
    let plan = tenant().plan;
    let members = members.iter().map(|m| Member::parse(m, &plan).expect("a member")).collect();
    let group = Group { id: id.into(), name: None, strategy, timeout_seconds, members, revision: 1 };
    PlanItem::Group(group.check().expect("a group"))
}

/// A route of steps as they are typed.
pub(super) fn route(to: &str, steps: &[&str]) -> PlanItem {
    let plan = tenant().plan;
    let steps = steps.iter().map(|s| Step::parse(s, &plan).expect("a step")).collect();
    let key = if to == "default" { RouteKey::Default } else { RouteKey::Number(number(to)) };
    PlanItem::Route(Route { revision: 1, ..Route::of(key, steps) })
}

/// An extension with something set.
pub(super) fn extension(digits: &str, set: impl FnOnce(&mut Extension)) -> PlanItem {
    let mut extension = Extension { revision: 1, ..Extension::of(number(digits)) };
    set(&mut extension);
    PlanItem::Extension(extension.check().expect("an extension"))
}

/// One decision of a call, with its trace as text.
pub(super) fn decided(data: &Sheet, live: &dyn Live, text: &QuestionText<'_>, seed: u64) -> (Decision, Marks, Vec<String>) {
    let tenant = tenant();
    let question = Question::read(text, &tenant.plan).expect("a question");
    let mut trace = Trace::on();
    let moment = Moment { now_us: 1_800_000_000_000_000, seed, live };
    let (decision, marks) = decide(&tenant, &question, data, moment, &mut trace).expect("a decision");
    (decision, marks, trace.rules().iter().map(ToString::to_string).collect())
}

/// Whom a decision rings, and what it does else, in one line.
pub(super) fn told(decision: &Decision) -> String {
    let Some(ring) = &decision.ring else {
        return format!("{} {}", decision.step, decision.reason.word());
    };
    let legs: Vec<String> = ring
        .legs
        .iter()
        .map(|leg| {
            let mut text = leg.target.to_string();
            if leg.delay_seconds > 0 {
                text.push_str(&format!("+{}", leg.delay_seconds));
            }
            if let Some(seconds) = leg.timeout_seconds {
                text.push_str(&format!("/{seconds}"));
            }
            if leg.confirm {
                text.push('!');
            }
            text
        })
        .collect();
    let seconds = ring.timeout_seconds.map(|s| format!(" {s} s")).unwrap_or_default();
    format!("{}{seconds}", legs.join(" "))
}

/// A whole call: each step fails with the next outcome (the last one again and again) until the plan is over.
pub(super) fn played(data: &Sheet, live: &dyn Live, to: &str, from: &str, outcomes: &[&str], seed: u64) -> Vec<String> {
    let mut said = Vec::new();
    let mut step: Option<String> = None;
    for n in 0.. {
        let status = if n == 0 { "" } else { outcomes[(n - 1).min(outcomes.len() - 1)] };
        let text = QuestionText { to, from, step: step.as_deref(), status, ..QuestionText::default() };
        let (decision, _, _) = decided(data, live, &text, seed);
        said.push(told(&decision));
        match decision.token {
            Some(token) => step = Some(token.encode()),
            None => return said,
        }
    }
    said
}
