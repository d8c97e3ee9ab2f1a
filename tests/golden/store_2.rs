//! What lies in `store-2.tar.gz`, a store of schema 2: how it was made, and what every later version must read in it.
//! Never change this file or the archive; a new schema gets its own.
//!
//! Schema 2 brought the things of the plan: groups, extensions, schedules, trunks and limits, routes with schedules, and
//! lists by country, class, verification and rate.

use strowger::number::{Class, Kind, Number, NumberPlan};
use strowger::routing::{
    Action, CallerRate, Extension, Group, Limit, List, Member, NumberFormat, PlanItem, Prefix, Rate, Route, RouteKey, Schedule, Scope,
    Screen, ScreenKey, Step, Strategy, Trunk, Verification,
};
use strowger::store::{Edit, PlanEdits, Store, StoreError};

/// The newest revision.
pub const REVISION: u64 = 4;
/// Numbers that the tenant `work` blocked with one change, too large for a single record.
pub const BLOCKED: u64 = 3_000;

fn number(kind: Kind, digits: &str) -> Number {
    Number::from_key(kind, digits).expect("a number of that kind")
}

fn step(text: &str) -> Step {
    Step::parse(text, &NumberPlan::new(None)).expect("a step")
}

fn group(n: usize, strategy: Strategy) -> PlanItem {
    let member = |text: &str| Member::parse(text, &NumberPlan::new(None)).expect("a member");
    let mut members =
        vec![member("extension=101,name=Küche"), member("number=+14155550111,name=Mom,delay=5,timeout=20,weight=3,trunk=carrier,confirm")];
    if n > 0 {
        members.push(member("group=group-0"));
    }
    PlanItem::Group(Group {
        id: format!("group-{n}"),
        name: Some("Familie".into()),
        strategy,
        timeout_seconds: n.is_multiple_of(2).then_some(25),
        members,
        revision: 0,
    })
}

/// Everything that one change made, at one revision.
pub fn plan() -> Vec<PlanItem> {
    let screen = |list, key, action: Option<&str>, rate| PlanItem::Screen(Screen { list, key, action: action.map(step), rate });
    let mut all: Vec<PlanItem> = Strategy::ALL.iter().enumerate().map(|(n, strategy)| group(n, *strategy)).collect();
    all.push(PlanItem::Schedule(Schedule {
        id: "office".into(),
        timezone: Some("Europe/Berlin".into()),
        code: Some("1".into()),
        open: vec!["mon-fri 09:00-12:00,13:00-17:30".parse().expect("hours"), "fri 22:00-02:00".parse().expect("hours")],
        periods: vec!["lunch mon-fri 12:00-13:00".parse().expect("a period")],
        exceptions: vec!["2026-12-24 09:00-12:00".parse().expect("an exception"), "2026-12-31 closed".parse().expect("an exception")],
        holidays: vec!["christmas 12-25..12-26".parse().expect("a holiday"), "fair 2026-10-01 as closed".parse().expect("a holiday")],
        mode: None,
        revision: 0,
    }));
    all.push(PlanItem::Extension(Extension {
        name: Some("Ada".into()),
        dnd: true,
        forward_always: Some(number(Kind::Extension, "102")),
        forward_busy: Some(number(Kind::E164, "14155550111")),
        forward_no_answer: Some(number(Kind::Opaque, "alice")),
        forward_unavailable: Some(number(Kind::Extension, "103")),
        mailbox: Some("101@family".into()),
        ring_seconds: Some(15),
        calls_max: Some(2),
        permissions: Some(Class::ALL.to_vec()),
        caller_id: Some(number(Kind::E164, "14155550199")),
        emergency_caller_id: Some(number(Kind::E164, "14155550198")),
        ..Extension::of(number(Kind::Extension, "101"))
    }));
    for (n, format) in NumberFormat::ALL.iter().enumerate() {
        all.push(PlanItem::Trunk(Trunk {
            id: format!("trunk-{n}"),
            format: *format,
            tech_prefix: "77#".into(),
            caller_id_format: *format,
            caller_id: Some(number(Kind::E164, "14155550100")),
            emergency: n == 0,
            rates: vec![
                Rate::parse("+=1").expect("a rate"),
                Rate::parse("+49=0.0123,priority=2,weight=10,schedule=office").expect("a rate"),
            ],
            revision: 0,
        }));
    }
    for (class, scope) in [(Class::Premium, Scope::Extension), (Class::International, Scope::Tenant)] {
        all.push(PlanItem::Limit(Limit { class, scope, per_hour: Some(20), concurrent: Some(2) }));
    }
    all.push(PlanItem::Route(Route {
        fallback: Some(step("busy")),
        schedule: Some("office".into()),
        when: vec![("lunch".into(), vec![step("playback:lunch")]), ("closed".into(), vec![step("voicemail:199"), step("hangup")])],
        ..Route::of(RouteKey::Number(number(Kind::E164, "14155550199")), vec![step("ring:group-1,timeout=25"), step("voicemail:199")])
    }));
    all.push(screen(List::Allow, ScreenKey::Country("DE".into()), None, None));
    all.push(screen(List::Block, ScreenKey::Class(Class::Premium), Some("challenge:press-1,timeout=8"), None));
    for verification in Verification::ALL {
        all.push(screen(List::Block, ScreenKey::Verification(*verification), None, None));
    }
    all.push(screen(List::Block, ScreenKey::Rate, Some("congestion"), Some(CallerRate { calls: 10, seconds: 60 })));
    let prefix = Prefix { kind: Kind::E164, digits: "882".into() };
    all.push(screen(List::Block, ScreenKey::Prefix(prefix), Some("voicemail:1"), None));
    all.sort_by_key(PlanItem::key);
    all
}

/// What was put there by an edit of its own, before and after the plan: it is the second that counts.
pub fn edited() -> PlanItem {
    PlanItem::Route(Route::of(RouteKey::Default, vec![Step { action: Action::Ring("group-0".into()), timeout_seconds: None }]))
}

/// One of the numbers that the tenant `work` blocked.
pub fn blocked(n: u64) -> PlanItem {
    let key = ScreenKey::Number(number(Kind::E164, &format!("1212{:07}", 2_000_000 + n)));
    PlanItem::Screen(Screen { list: List::Block, key, action: None, rate: None })
}

/// Does to a new store what was done to this one.
pub fn make(store: &Store) -> Result<(), StoreError> {
    store.edit("home", "ada", Edit::Put(PlanItem::Route(Route::of(RouteKey::Default, vec![step("busy")]))))?; // 1
    let edits = PlanEdits { puts: plan(), ..PlanEdits::default() };
    store.change_plan("home", "ada", edits, store.revision())?; // 2
    store.edit("home", "ada", Edit::Put(edited()))?; // 3
    let edits = PlanEdits { puts: (0..BLOCKED).map(blocked).collect(), ..PlanEdits::default() };
    store.change_plan("work", "bob", edits, store.revision()).map(drop) // 4
}
