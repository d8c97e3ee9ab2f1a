//! Drafts of what is stored: the way back from a thing to how people write it.

use super::draft::{
    ContactText, ExtensionDraft, GroupDraft, ItemDraft, LimitDraft, MemberDraft, NumberText, RouteDraft, ScheduleDraft, ScreenDraft,
    TrunkDraft, UserDraft,
};
use super::step_draft::StepDraft;
use crate::directory::Contact;
use crate::number::{Kind, Number};
use crate::routing::{List, Member, MemberTarget, NumberFormat, PlanItem, RouteKey, Scope, Screen, ScreenKey};

impl ItemDraft {
    /// A stored thing as people write it. A user's hash is left out: it is as secret as a password.
    pub fn of(item: &PlanItem) -> ItemDraft {
        let text = |number: &Option<Number>| number.as_ref().map(Number::to_string);
        match item {
            PlanItem::Group(g) => ItemDraft::Group(GroupDraft {
                id: g.id.clone(),
                name: g.name.clone(),
                strategy: Some(g.strategy.word().to_owned()),
                timeout_seconds: g.timeout_seconds,
                members: g.members.iter().map(member).collect(),
            }),
            PlanItem::Schedule(s) => {
                let s = s.clone();
                ItemDraft::Schedule(ScheduleDraft {
                    id: s.id,
                    timezone: s.timezone,
                    code: s.code,
                    open: s.open,
                    periods: s.periods,
                    exceptions: s.exceptions,
                    holidays: s.holidays,
                    mode: s.mode,
                })
            }
            PlanItem::Route(r) => {
                let steps = |steps: &[crate::routing::Step]| steps.iter().map(StepDraft::from).collect();
                let mut draft = RouteDraft {
                    steps: steps(&r.steps),
                    fallback: r.fallback.as_ref().map(StepDraft::from),
                    schedule: r.schedule.clone(),
                    when: r.when.iter().map(|(state, of_state)| (state.clone(), steps(of_state))).collect(),
                    ..RouteDraft::default()
                };
                match &r.key {
                    RouteKey::Number(n) => draft.number = Some(n.to_string()),
                    RouteKey::Prefix(p) => draft.prefix = Some(p.to_string()),
                    RouteKey::Default => draft.default = true,
                }
                ItemDraft::Route(draft)
            }
            PlanItem::Screen(s) if s.list == List::Allow => ItemDraft::Allow(screen(s)),
            PlanItem::Screen(s) => ItemDraft::Block(screen(s)),
            PlanItem::Trunk(t) => {
                let format = |format: NumberFormat| (format != NumberFormat::default()).then(|| format.word().to_owned());
                ItemDraft::Trunk(TrunkDraft {
                    id: t.id.clone(),
                    format: format(t.format),
                    tech_prefix: Some(t.tech_prefix.clone()).filter(|p| !p.is_empty()),
                    caller_id: text(&t.caller_id),
                    caller_id_format: format(t.caller_id_format),
                    emergency: t.emergency,
                    rates: t.rates.iter().map(ToString::to_string).collect(),
                })
            }
            PlanItem::Limit(l) => ItemDraft::Limit(LimitDraft {
                class: l.class.word().to_owned(),
                scope: (l.scope != Scope::Extension).then(|| l.scope.word().to_owned()),
                per_hour: l.per_hour,
                concurrent: l.concurrent,
            }),
            PlanItem::Extension(e) => ItemDraft::Extension(ExtensionDraft {
                extension: e.number.to_string(),
                name: e.name.clone(),
                dnd: e.dnd,
                forward_always: text(&e.forward_always),
                forward_busy: text(&e.forward_busy),
                forward_no_answer: text(&e.forward_no_answer),
                forward_unavailable: text(&e.forward_unavailable),
                mailbox: e.mailbox.clone(),
                ring_seconds: e.ring_seconds,
                calls_max: e.calls_max,
                permissions: e.permissions.as_ref().map(|all| all.iter().map(|c| c.word().to_owned()).collect()),
                caller_id: text(&e.caller_id),
                emergency_caller_id: text(&e.emergency_caller_id),
                ascii: e.ascii,
            }),
            PlanItem::User(u) => ItemDraft::User(UserDraft {
                extension: u.extension.clone(),
                domain: u.domain.clone(),
                name: u.name.clone(),
                context: u.context.clone(),
                a1_hash: None,
            }),
        }
    }
}

fn member(m: &Member) -> MemberDraft {
    let mut draft = MemberDraft {
        name: m.name.clone(),
        delay_seconds: Some(m.delay_seconds).filter(|s| *s > 0),
        timeout_seconds: m.timeout_seconds,
        weight: Some(m.weight).filter(|w| *w != 1),
        confirm: m.confirm,
        trunk: m.trunk.clone(),
        ..MemberDraft::default()
    };
    match &m.target {
        MemberTarget::Group(id) => draft.group = Some(id.clone()),
        MemberTarget::Number(n) if n.kind() == Kind::Extension => draft.extension = Some(n.to_string()),
        MemberTarget::Number(n) => draft.number = Some(n.to_string()),
    }
    draft
}

fn screen(s: &Screen) -> ScreenDraft {
    let mut draft = ScreenDraft { action: s.action.as_ref().map(StepDraft::from), ..ScreenDraft::default() };
    match &s.key {
        ScreenKey::Number(n) => draft.number = Some(n.to_string()),
        ScreenKey::Prefix(p) => draft.prefix = Some(p.to_string()),
        ScreenKey::Country(code) => draft.country = Some(code.clone()),
        ScreenKey::Class(class) => draft.class = Some(class.word().to_owned()),
        ScreenKey::Verification(v) => draft.verification = Some(v.word().to_owned()),
        ScreenKey::Withheld => draft.anonymous = true,
        ScreenKey::Rate => draft.rate = s.rate.map(|r| r.to_string()),
    }
    draft
}

impl From<&Contact> for ContactText {
    fn from(contact: &Contact) -> ContactText {
        ContactText {
            id: contact.id.clone(),
            name: contact.name.clone(),
            company: contact.company.clone(),
            numbers: contact.numbers.iter().map(|n| NumberText { number: n.typed.clone(), label: n.label.clone() }).collect(),
            tags: contact.tags.clone(),
            note: contact.note.clone(),
            owner: contact.owner.as_ref().map(ToString::to_string),
            favourite: contact.favourite,
        }
    }
}
