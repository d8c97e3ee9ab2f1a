//! Things of every sort, a few keys of each, in a few shapes.

use super::*;
use crate::directory::Reach;
use crate::number::{Class, NumberPlan};
use crate::routing::{
    A1Hash, CallerRate, Extension, Group, Limit, Member, MemberTarget, NumberFormat, Rate, Schedule, Scope, Strategy, Trunk, Verification,
};

/// A domain that begins like another, and extensions that do.
pub(super) const DOMAINS: [&str; 3] = ["pbx", "pbx.example", "192.0.2.7"];
pub(super) const EXTENSIONS: [&str; 4] = ["1", "10", "101", "anna"];
/// Ids of groups, schedules and trunks; one begins like another.
pub(super) const THINGS: [&str; 3] = ["a", "ab", "Z"];
/// In how many shapes each thing comes.
pub(super) const SHAPES: usize = 3;

pub(super) fn numbers() -> Vec<Number> {
    let all = [
        (Kind::E164, "4930123456"),
        (Kind::E164, "49301234567"),
        (Kind::E164, "14155550199"),
        (Kind::Extension, "101"),
        (Kind::Extension, "0101"),
        (Kind::FeatureCode, "*21"),
        (Kind::Opaque, "alice"),
        (Kind::Emergency, "112"),
    ];
    all.iter().map(|(kind, digits)| Number::from_key(*kind, digits).unwrap()).collect()
}

/// Whose personal phone books there are.
pub(super) fn owners() -> Vec<Number> {
    ["101", "0101", "102"].iter().map(|digits| Number::from_key(Kind::Extension, digits).unwrap()).collect()
}

/// Ranges and main numbers, around those that are asked for: within each other, the same in two ways, and just too short.
pub(super) fn many_numbers() -> Vec<ContactNumber> {
    let e164 = |digits: &str| Number::from_key(Kind::E164, digits).unwrap();
    let many = |digits: &str, reach: Reach| ContactNumber { reach, ..ContactNumber::of(e164(digits), digits, None) };
    vec![
        many("4930", Reach::Beginning),
        many("49301234", Reach::Beginning),
        many("493012345", Reach::Beginning),
        many("4930123450", Reach::To(e164("4930123459"))),
        many("4930123455", Reach::To(e164("4930123472"))),
        many("493012340", Reach::Main),
        many("4930120", Reach::Main),
        many("49300", Reach::Main),
        many("4930123456", Reach::Main),
        many("1415555", Reach::Beginning),
    ]
}

fn prefixes() -> Vec<Prefix> {
    ["+49", "+4930", "+1", "1", "01"].iter().map(|p| Prefix::parse(p, &NumberPlan::new(None)).unwrap()).collect()
}

/// Whose settings there may be.
pub(super) fn telephones() -> Vec<Number> {
    let inside = |n: &Number| matches!(n.kind(), Kind::Extension | Kind::Opaque);
    numbers().into_iter().filter(inside).collect()
}

pub(super) fn screen_keys() -> Vec<ScreenKey> {
    let others = [ScreenKey::Withheld, ScreenKey::Rate, ScreenKey::Country("DE".into())].into_iter();
    let classes = [Class::Premium, Class::Unknown].map(ScreenKey::Class).into_iter();
    let verifications = [Verification::Failed, Verification::A].map(ScreenKey::Verification).into_iter();
    let by_number = prefixes().into_iter().map(ScreenKey::Prefix).chain(numbers().into_iter().map(ScreenKey::Number));
    others.chain(classes).chain(verifications).chain(by_number).collect()
}

/// Every key that the tests use.
pub(super) fn keys() -> Vec<PlanKey> {
    let routes = prefixes().into_iter().map(RouteKey::Prefix).chain(numbers().into_iter().map(RouteKey::Number));
    let mut keys: Vec<PlanKey> = routes.chain([RouteKey::Default]).map(PlanKey::Route).collect();
    for list in [List::Block, List::Allow] {
        keys.extend(screen_keys().into_iter().map(|key| PlanKey::Screen(list, key)));
    }
    keys.extend(DOMAINS.iter().flat_map(|d| EXTENSIONS.map(|e| PlanKey::User((*d).into(), e.into()))));
    keys.extend(telephones().into_iter().map(PlanKey::Extension));
    for id in THINGS.map(str::to_owned) {
        keys.extend([PlanKey::Group(id.clone()), PlanKey::Schedule(id.clone()), PlanKey::Trunk(id)]);
    }
    for scope in [Scope::Extension, Scope::Tenant] {
        keys.extend([Class::Premium, Class::International].map(|class| PlanKey::Limit(class, scope)));
    }
    keys
}

/// The thing with a key in one of its shapes; the first says little.
pub(super) fn item(key: &PlanKey, shape: usize) -> PlanItem {
    let step = |word: &str| Step::of(Action::Voicemail(word.into()));
    let is_large = shape == 2;
    match key.clone() {
        PlanKey::Route(key) => {
            let steps = vec![Step::of(Action::Ring("ab".into())), step("night")];
            let when = if is_large { vec![("closed".to_owned(), vec![step(&"x".repeat(80)); 10])] } else { Vec::new() };
            let schedule = (shape > 0).then(|| "a".to_owned());
            let steps = if shape == 0 { vec![step("a")] } else { steps };
            PlanItem::Route(Route { schedule, when, fallback: is_large.then(|| step("f")), ..Route::of(key, steps) })
        }
        PlanKey::Screen(list, key) => {
            let rate = matches!(key, ScreenKey::Rate).then_some(CallerRate { calls: shape as u16 + 1, seconds: 60 });
            PlanItem::Screen(Screen { list, key, action: (shape > 0).then(|| step(&"y".repeat(shape * 40))), rate })
        }
        PlanKey::User(domain, extension) => {
            let a1_hash = A1Hash::of(&extension, &domain, if is_large { "other" } else { "secret" }).unwrap();
            PlanItem::User(User { name: (shape > 0).then(|| "Anna".into()), context: None, a1_hash, extension, domain })
        }
        PlanKey::Group(id) => {
            let mut members: Vec<Member> = numbers()[..=shape].iter().cloned().map(|n| Member::of(MemberTarget::Number(n))).collect();
            members.push(Member { confirm: true, delay_seconds: 5, ..Member::of(MemberTarget::Group("ab".into())) });
            let strategy = Strategy::ALL[shape];
            PlanItem::Group(Group {
                id,
                name: is_large.then(|| "n".repeat(200)),
                strategy,
                timeout_seconds: Some(20),
                members,
                revision: 0,
            })
        }
        PlanKey::Schedule(id) => PlanItem::Schedule(schedule(id, shape)),
        PlanKey::Extension(number) => {
            let forward_always = (shape > 0).then(|| numbers()[shape].clone());
            PlanItem::Extension(Extension { dnd: is_large, forward_always, ..Extension::of(number) })
        }
        PlanKey::Trunk(id) => {
            let rate = |n: usize| Rate { prefix: n.to_string(), price_micros: n as u32, priority: 1, weight: 1, schedule: None };
            let rates = (1..=shape * 20).map(rate).collect();
            let (format, caller_id_format) = (NumberFormat::ALL[shape], NumberFormat::Plus);
            PlanItem::Trunk(Trunk {
                id,
                format,
                tech_prefix: String::new(),
                caller_id_format,
                caller_id: None,
                emergency: shape == 0,
                rates,
                revision: 0,
            })
        }
        PlanKey::Limit(class, scope) => PlanItem::Limit(Limit { class, scope, per_hour: Some(shape as u32), concurrent: None }),
    }
}

fn schedule(id: String, shape: usize) -> Schedule {
    let timezone = (shape > 0).then(|| ["Europe/Berlin", "America/New_York"][shape - 1].to_owned());
    let parsed = |text: &str| vec![text.parse().unwrap(); shape];
    let open = vec!["mon-fri 09:00-17:00".parse().unwrap()];
    let mode = (shape > 0).then(|| "closed until 2026-12-24T17:00:00Z".parse().unwrap());
    Schedule { id, timezone, open, mode, exceptions: parsed("2026-12-24 09:00-12:00"), ..Schedule::default() }
}
