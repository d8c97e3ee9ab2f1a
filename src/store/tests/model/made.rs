//! What is done to the store and to the maps, at random.

use super::super::things::{SHAPES, item};
use super::*;

fn contacts() -> impl Strategy<Value = Contact> {
    let numbers_of = proptest::sample::subsequence(numbers(), 0..4);
    // most directories have none, and then none may be looked for
    let many = prop_oneof![1 => Just(vec![]), 1 => proptest::sample::subsequence(many_numbers(), 1..4)];
    let owner = prop_oneof![3 => Just(None), 2 => proptest::sample::select(owners()).prop_map(Some)];
    (0..IDS.len(), 0..NAMES.len(), numbers_of, many, owner, any::<bool>()).prop_map(|(id, name, numbers, many, owner, favourite)| {
        let mut contact = contact_with(IDS[id], NAMES[name], &numbers);
        contact.numbers.extend(many);
        Contact { owner, favourite, ..contact }
    })
}

/// A thing by the edit of its sort, where it has one.
fn put_as(by_sort: bool, item: PlanItem) -> Edit {
    match item {
        PlanItem::Route(route) if by_sort => Edit::PutRoute(route),
        PlanItem::Screen(screen) if by_sort => Edit::PutScreen(screen),
        PlanItem::User(user) if by_sort => Edit::PutUser(user),
        item => Edit::Put(item),
    }
}

fn remove_as(by_sort: bool, key: PlanKey) -> Edit {
    match key {
        PlanKey::Route(key) if by_sort => Edit::RemoveRoute(key),
        PlanKey::Screen(list, key) if by_sort => Edit::RemoveScreen(list, key),
        PlanKey::User(domain, extension) if by_sort => Edit::RemoveUser(domain, extension),
        key => Edit::Remove(key),
    }
}

fn edits() -> impl Strategy<Value = Edit> {
    let sources = proptest::option::weighted(0.2, 0..SOURCES.len());
    let key = || proptest::sample::select(keys());
    prop_oneof![
        6 => (contacts(), sources).prop_map(|(c, source)| {
            Edit::PutContact(Contact { source: source.map_or(String::new(), |s| SOURCES[s].to_owned()), ..c })
        }),
        3 => (0..IDS.len()).prop_map(|id| Edit::RemoveContact(IDS[id].into())),
        8 => (key(), 0..SHAPES, any::<bool>()).prop_map(|(key, shape, by_sort)| put_as(by_sort, item(&key, shape))),
        4 => (key(), any::<bool>()).prop_map(|(key, by_sort)| remove_as(by_sort, key)),
        1 => (0..IDS.len(), 0..NAMES.len()).prop_map(|(id, n)| Edit::PutToken(token_with(id, n))),
        1 => (0..IDS.len()).prop_map(|id| Edit::RemoveToken(IDS[id].into())),
    ]
}

/// Some are of one thing, some of half of all that there is.
fn plan_edits() -> impl Strategy<Value = PlanEdits> {
    let key = || proptest::sample::select(keys());
    let many = prop_oneof![2 => Just(4usize), 1 => Just(60)];
    many.prop_flat_map(move |many| {
        let puts = proptest::collection::vec((key(), 0..SHAPES).prop_map(|(key, shape)| item(&key, shape)), 0..many);
        let removes = proptest::collection::vec(key(), 0..many);
        let removed = proptest::collection::vec((0..IDS.len()).prop_map(|id| IDS[id].to_owned()), 0..3);
        (puts, removes, proptest::collection::vec(contacts(), 0..4), removed)
    })
    .prop_map(|(puts, removes, contacts, contacts_removed)| PlanEdits {
        puts,
        removes,
        contacts,
        contacts_removed,
        ..PlanEdits::default()
    })
}

fn modes() -> impl Strategy<Value = ImportMode> {
    prop_oneof![2 => Just(ImportMode::Merge), 2 => Just(ImportMode::Replace), 1 => Just(ImportMode::Update)]
}

/// Mostly none; each of another key.
fn screens() -> impl Strategy<Value = Vec<Screen>> {
    let of = |shape| keys().into_iter().map(move |key| item(&key, shape));
    let all = |shape| of(shape).filter_map(|item| if let PlanItem::Screen(screen) = item { Some(screen) } else { None }).collect();
    let all: [Vec<Screen>; 2] = [all(0), all(1)];
    let some = (0..2usize).prop_flat_map(move |shape| proptest::sample::subsequence(all[shape].clone(), 0..=all[shape].len()));
    prop_oneof![3 => Just(vec![]), 1 => some]
}

pub(super) fn ops() -> impl Strategy<Value = Op> {
    let tenant = || 0..TENANTS.len();
    let rows = || proptest::collection::vec(contacts(), 0..7);
    let other = proptest::option::weighted(0.2, (0..SOURCES.len(), modes(), rows()));
    let meanwhile = || proptest::collection::vec((tenant(), edits()), 0..4);
    let plan = proptest::option::weighted(0.3, plan_edits());
    let import = (tenant(), (0..SOURCES.len(), modes(), screens()), rows(), meanwhile(), other, plan, proptest::bool::weighted(0.1));
    let over = prop_oneof![8 => Just(Over::Told), 3 => Just(Over::Edited), 2 => Just(Over::Stale), 1 => Just(Over::Future)];
    let meanwhile_changed = prop_oneof![3 => Just(vec![]), 1 => meanwhile()];
    let imported = proptest::option::weighted(0.3, (tenant(), 0..SOURCES.len(), modes(), rows()));
    let change = (tenant(), plan_edits(), over, meanwhile_changed, imported, proptest::bool::weighted(0.1));
    prop_oneof![
        12 => (tenant(), edits()).prop_map(|(tenant, edit)| Op::Edit(tenant, edit)),
        6 => change.prop_map(|(tenant, edits, over, meanwhile, import, dropped)| {
            Op::Change(Change { tenant, edits, over, meanwhile, import, dropped })
        }),
        4 => import.prop_map(|(tenant, (source, mode, screens), rows, meanwhile, other, plan, dropped)| {
            Op::Import(Import { tenant, source, mode, rows, screens, meanwhile, other, plan, dropped })
        }),
        1 => Just(Op::SameImport),
        2 => (tenant(), 0..SOURCES.len(), modes()).prop_map(|(tenant, source, mode)| Op::AgreeingImport(tenant, source, mode)),
        2 => Just(Op::Reopen),
    ]
}
