//! Whatever can be asked of the store, compared with the maps.

use super::super::things::DOMAINS;
use super::*;
use crate::number::Class;
use crate::routing::Scope;

/// The longest of the prefixes that cover a number; opaque names and the like count as inside the tenant.
fn longest<'a>(number: &Number, of: impl Iterator<Item = &'a Prefix>) -> Option<Prefix> {
    let kind = if number.kind() == Kind::E164 { Kind::E164 } else { Kind::Extension };
    of.filter(|p| p.kind == kind && number.digits().starts_with(&p.digits)).max_by_key(|p| p.digits.len()).cloned()
}

fn check_data(model: &Model, tenant: usize, data: &dyn Data) {
    let t = &model.tenants[tenant];
    assert_eq!(data.revision(), model.revision);
    for key in keys() {
        let there = t.item(key.clone()).cloned();
        let found = match &key {
            PlanKey::Route(key) => data.route(key).unwrap().map(|r| PlanItem::Route((*r).clone())),
            PlanKey::Screen(list, key) => data.screen(*list, key).unwrap().map(|s| PlanItem::Screen((*s).clone())),
            PlanKey::User(domain, extension) => data.user(domain, extension).unwrap().map(|u| PlanItem::User((*u).clone())),
            PlanKey::Group(id) => data.group(id).unwrap().map(|g| PlanItem::Group((*g).clone())),
            PlanKey::Schedule(id) => data.schedule(id).unwrap().map(|s| PlanItem::Schedule(s.schedule().clone())),
            PlanKey::Extension(number) => data.extension(number).unwrap().map(|e| PlanItem::Extension((*e).clone())),
            PlanKey::Trunk(id) => {
                let trunks = data.trunks().unwrap();
                trunks.iter().find(|trunk| trunk.id == *id).map(|trunk| PlanItem::Trunk((**trunk).clone()))
            }
            PlanKey::Limit(class, scope) => data.limit(*class, *scope).unwrap().map(PlanItem::Limit),
        };
        assert_eq!(found, there, "{key}");
    }
    let trunks: Vec<String> = data.trunks().unwrap().iter().map(|trunk| trunk.id.clone()).collect();
    let wanted = t.plan.keys().filter_map(|k| if let PlanKey::Trunk(id) = k { Some(id.clone()) } else { None });
    assert_eq!(trunks, wanted.collect::<Vec<_>>());
    for domain in DOMAINS {
        assert_eq!(data.has_domain(domain).unwrap(), t.users().iter().any(|(_, u)| u.domain == domain), "{domain}");
    }
    assert!(!data.has_domain("pb").unwrap() && !data.has_domain("").unwrap());
    // what is nowhere, and what is of another sort under the same name
    assert!(data.group("nobody").unwrap().is_none() && data.schedule("abc").unwrap().is_none());
    assert!(data.extension(&numbers()[0]).unwrap().is_none());
    assert!(data.limit(Class::Mobile, Scope::Tenant).unwrap().is_none());
    for number in numbers() {
        for callee in [None].into_iter().chain(owners().into_iter().map(Some)).chain([Some(numbers()[3].clone())]) {
            let wanted = model.known(tenant, &number, callee.as_ref());
            assert_eq!(data.known(&number, callee.as_ref(), usize::MAX).unwrap(), wanted, "{number} for {callee:?}");
            let first = data.known(&number, callee.as_ref(), 1).unwrap();
            assert_eq!(first, Known { names: wanted.names.into_iter().take(1).collect(), ..wanted }, "{number} for {callee:?}");
        }
        let routes = t.plan.keys().filter_map(|k| if let PlanKey::Route(RouteKey::Prefix(p)) = k { Some(p) } else { None });
        let route = longest(&number, routes).and_then(|p| t.route(RouteKey::Prefix(p)));
        assert_eq!(data.route_by_prefix(&number).unwrap().as_deref(), route, "{number}");
        for list in [List::Block, List::Allow] {
            let covering = t.plan.keys().filter_map(|k| match k {
                PlanKey::Screen(l, ScreenKey::Prefix(p)) if *l == list => Some(p),
                _ => None,
            });
            let by_prefix = longest(&number, covering).and_then(|p| t.screen(list, ScreenKey::Prefix(p)));
            let screen = t.screen(list, ScreenKey::Number(number.clone())).or(by_prefix);
            assert_eq!(data.screen_number(list, &number).unwrap().as_deref(), screen, "{number}");
        }
    }
}

pub(super) fn all(model: &Model, opened: &Opened) {
    assert_eq!(opened.revision(), model.revision);
    for (n, tenant) in TENANTS.iter().enumerate() {
        opened.on_disk(tenant, |data| check_data(model, n, data));
        opened.in_snapshot(tenant, |data| check_data(model, n, data)).unwrap();
        let t = &model.tenants[n];
        assert_eq!(opened.contacts(tenant, "").map(|c| c.unwrap()).collect::<Vec<_>>(), t.contacts.values().cloned().collect::<Vec<_>>());
        let from_b: Vec<_> = opened.contacts(tenant, "b").map(|c| c.unwrap().1.id).collect();
        assert_eq!(from_b, t.contacts.range("b".to_owned()..).map(|(id, _)| id.clone()).collect::<Vec<_>>());
        for id in IDS {
            assert_eq!(opened.contact(tenant, id).unwrap().as_ref(), t.contacts.get(id));
        }
        for number in numbers() {
            assert_eq!(opened.contacts_with(tenant, &number).unwrap(), model.with(n, &number));
        }
        let is_by_hand = |(_, c): &&(u64, Contact)| c.source.is_empty();
        let by_hand: Vec<_> = t.contacts.values().filter(is_by_hand).cloned().collect();
        assert_eq!(opened.contacts_by_hand(tenant, None, usize::MAX).unwrap(), by_hand);
        let behind: Vec<_> = by_hand.iter().filter(|(_, c)| c.id.as_str() > "ab").take(2).cloned().collect();
        assert_eq!(opened.contacts_by_hand(tenant, Some("ab"), 2).unwrap(), behind);
        check_plan(t, opened, tenant);
        check_users(t, opened, tenant);
        assert_eq!(opened.tokens(tenant, usize::MAX).unwrap(), t.tokens.values().cloned().collect::<Vec<_>>());
    }
    check_log(model, opened);
}

/// Every sort, whole and page by page.
fn check_plan(t: &TenantModel, opened: &Opened, tenant: &str) {
    let mut all: BTreeMap<PlanKey, PlanItem> = BTreeMap::new();
    for sort in PlanSort::ALL {
        let whole = opened.items(tenant, sort, None, usize::MAX).unwrap();
        let mut paged: Vec<PlanItem> = Vec::new();
        loop {
            let page = opened.items(tenant, sort, paged.last().map(PlanItem::key).as_ref(), 3).unwrap();
            if page.is_empty() {
                break;
            }
            paged.extend(page);
        }
        assert_eq!(paged, whole, "{sort:?}");
        all.extend(whole.into_iter().map(|item| (item.key(), item)));
    }
    assert_eq!(all, t.plan.iter().map(|(key, (_, item))| (key.clone(), item.clone())).collect());
    for (key, item) in &all {
        assert_eq!(opened.item(tenant, key).unwrap().as_ref(), Some(item));
    }
}

/// What the log says of the newest changes is what happened: each entry was before what the change before it made of it.
fn check_log(model: &Model, opened: &Opened) {
    let mut last: BTreeMap<(String, Vec<u8>), Option<Vec<u8>>> = BTreeMap::new();
    let mut wanted = (model.revision + 1).saturating_sub(writer::LOG_CHANGES_MAX).max(1);
    for change in opened.changes(0).map(|c| c.unwrap()) {
        assert_eq!(change.revision, wanted);
        wanted += 1;
        let entries = opened.entries_of(&change).unwrap();
        let Some(entries) = entries.filter(|_| change.generations.is_none()) else {
            last.clear();
            continue;
        };
        assert!(!entries.is_empty());
        for entry in entries.into_iter().filter(|e| !key::is_of_contacts(&e.key)) {
            let at = (change.tenant.clone(), entry.key);
            assert!(last.get(&at).is_none_or(|last| *last == entry.before), "{at:?} in {}", change.revision);
            last.insert(at, entry.after);
        }
    }
    assert_eq!(wanted, model.revision + 1);
}

/// Listed users, whole and page by page.
fn check_users(t: &TenantModel, opened: &Opened, tenant: &str) {
    let all = t.users();
    assert_eq!(opened.users(tenant, None, None, usize::MAX).unwrap(), all);
    let mut paged: Vec<(u64, User)> = Vec::new();
    loop {
        let after = paged.last().map(|(_, u)| (u.domain.clone(), u.extension.clone()));
        let page = opened.users(tenant, None, after.as_ref().map(|(d, e)| (d.as_str(), e.as_str())), 2).unwrap();
        if page.is_empty() {
            break;
        }
        paged.extend(page);
    }
    assert_eq!(paged, all);
    let of_one: Vec<_> = all.iter().filter(|(_, u)| u.domain == DOMAINS[0]).cloned().collect();
    assert_eq!(opened.users(tenant, Some(DOMAINS[0]), None, usize::MAX).unwrap(), of_one);
    for (revision, user) in &all {
        assert_eq!(opened.user(tenant, &user.domain, &user.extension).unwrap(), Some((*revision, user.clone())));
    }
}
