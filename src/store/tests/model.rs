//! The store against a few maps: whatever is done to both, they say the same.

use super::*;
use crate::access::TokenDigest;
use crate::number::NumberPlan;
use crate::routing::A1Hash;
use proptest::prelude::*;
use std::collections::BTreeMap;

const TENANTS: [&str; 2] = ["t", "t-2"];
const IDS: [&str; 6] = ["a", "ab", "b", "c-1", "zed", "Z"];
const SOURCES: [&str; 2] = ["crm", "ldap"];
const NAMES: [&str; 3] = ["Ada", "Bob", ""];
/// A domain that begins like another, and extensions that do.
const DOMAINS: [&str; 3] = ["pbx", "pbx.example", "192.0.2.7"];
const EXTENSIONS: [&str; 4] = ["1", "10", "101", "anna"];

fn numbers() -> Vec<Number> {
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

fn prefixes() -> Vec<Prefix> {
    ["+49", "+4930", "+1", "1", "01"].iter().map(|p| Prefix::parse(p, &NumberPlan::new(None)).unwrap()).collect()
}

fn route_key(n: usize) -> RouteKey {
    match n {
        0 => RouteKey::Default,
        1..=5 => RouteKey::Prefix(prefixes()[n - 1].clone()),
        _ => RouteKey::Number(numbers()[(n - 6) % 8].clone()),
    }
}

fn screen_key(n: usize) -> ScreenKey {
    match n {
        0 => ScreenKey::Withheld,
        1..=5 => ScreenKey::Prefix(prefixes()[n - 1].clone()),
        _ => ScreenKey::Number(numbers()[(n - 6) % 8].clone()),
    }
}

fn token_with(name: usize, digest: usize) -> Token {
    Token {
        name: IDS[name].into(),
        scopes: vec!["events:read".into()],
        created_us: 1,
        expires_us: None,
        digest: TokenDigest::of(NAMES[digest]),
    }
}

fn user_with(domain: usize, extension: usize, name: usize) -> User {
    User {
        extension: EXTENSIONS[extension].into(),
        domain: DOMAINS[domain].into(),
        name: Some(NAMES[name].into()).filter(|n: &String| !n.is_empty()),
        context: None,
        a1_hash: A1Hash::of(EXTENSIONS[extension], DOMAINS[domain], if name == 0 { "secret" } else { "other" }).unwrap(),
    }
}

#[derive(Debug, Clone)]
struct Import {
    tenant: usize,
    source: usize,
    rows: Vec<Contact>,
    /// What is edited while it is put together.
    meanwhile: Vec<(usize, Edit)>,
    /// Another import that comes true while this one is put together.
    other: Option<(usize, Vec<Contact>)>,
    dropped: bool,
}

#[derive(Debug, Clone)]
enum Op {
    Edit(usize, Edit),
    Import(Import),
    SameImport,
    Reopen,
}

fn contacts() -> impl Strategy<Value = Contact> {
    let numbers_of = proptest::sample::subsequence(numbers(), 0..4);
    (0..IDS.len(), 0..NAMES.len(), numbers_of).prop_map(|(id, name, numbers)| contact_with(IDS[id], NAMES[name], &numbers))
}

fn edits() -> impl Strategy<Value = Edit> {
    let list = prop_oneof![Just(List::Block), Just(List::Allow)];
    let steps = prop_oneof![Just("a"), Just("b")];
    let sources = proptest::option::weighted(0.2, 0..SOURCES.len());
    prop_oneof![
        6 => (contacts(), sources).prop_map(|(c, source)| {
            Edit::PutContact(Contact { source: source.map_or(String::new(), |s| SOURCES[s].to_owned()), ..c })
        }),
        3 => (0..IDS.len()).prop_map(|id| Edit::RemoveContact(IDS[id].into())),
        2 => (0..14usize, steps.clone()).prop_map(|(key, step)| Edit::PutRoute(route(route_key(key), step))),
        1 => (0..14usize).prop_map(|key| Edit::RemoveRoute(route_key(key))),
        2 => (list.clone(), 0..14usize, proptest::option::of(steps)).prop_map(|(list, key, step)| {
            let action = step.map(|s| Step::of(Action::Voicemail(s.into())));
            Edit::PutScreen(Screen { list, key: screen_key(key), action, rate: None })
        }),
        1 => (list, 0..14usize).prop_map(|(list, key)| Edit::RemoveScreen(list, screen_key(key))),
        3 => (0..DOMAINS.len(), 0..EXTENSIONS.len(), 0..NAMES.len()).prop_map(|(d, e, n)| Edit::PutUser(user_with(d, e, n))),
        2 => (0..DOMAINS.len(), 0..EXTENSIONS.len()).prop_map(|(d, e)| Edit::RemoveUser(DOMAINS[d].into(), EXTENSIONS[e].into())),
        1 => (0..IDS.len(), 0..NAMES.len()).prop_map(|(id, n)| Edit::PutToken(token_with(id, n))),
        1 => (0..IDS.len()).prop_map(|id| Edit::RemoveToken(IDS[id].into())),
    ]
}

fn ops() -> impl Strategy<Value = Op> {
    let tenant = || 0..TENANTS.len();
    let rows = || proptest::collection::vec(contacts(), 0..7);
    let other = proptest::option::weighted(0.2, (0..SOURCES.len(), rows()));
    let import =
        (tenant(), 0..SOURCES.len(), rows(), proptest::collection::vec((tenant(), edits()), 0..4), other, proptest::bool::weighted(0.1));
    prop_oneof![
        12 => (tenant(), edits()).prop_map(|(tenant, edit)| Op::Edit(tenant, edit)),
        4 => import.prop_map(|(tenant, source, rows, meanwhile, other, dropped)| {
            Op::Import(Import { tenant, source, rows, meanwhile, other, dropped })
        }),
        1 => Just(Op::SameImport),
        2 => Just(Op::Reopen),
    ]
}

#[derive(Default, Clone)]
struct TenantModel {
    contacts: BTreeMap<String, (u64, Contact)>,
    routes: BTreeMap<RouteKey, Route>,
    screens: BTreeMap<(List, ScreenKey), Screen>,
    /// By domain and extension, each with its end, as the store's keys have it.
    users: BTreeMap<(String, String), (u64, User)>,
    tokens: BTreeMap<String, Token>,
}

/// What an import was put together over.
struct Seen {
    since: u64,
    contacts: BTreeMap<String, (u64, Contact)>,
    edited_since: BTreeSet<String>,
}

#[derive(Default)]
struct Model {
    revision: u64,
    tenants: [TenantModel; 2],
}

impl Model {
    fn seen(&self, tenant: usize) -> Seen {
        Seen { since: self.revision, contacts: self.tenants[tenant].contacts.clone(), edited_since: BTreeSet::new() }
    }

    fn edit(&mut self, tenant: usize, edit: Edit) -> EditOutcome {
        let revision = self.revision + 1;
        let t = &mut self.tenants[tenant];
        let (existed, changed) = match edit {
            Edit::PutContact(mut new) => {
                let old = t.contacts.get(&new.id).map(|(_, c)| c.clone());
                if let Some(old) = &old
                    && new.source.is_empty()
                {
                    new.source.clone_from(&old.source);
                }
                let changed = old.as_ref() != Some(&new);
                if changed {
                    t.contacts.insert(new.id.clone(), (revision, new));
                }
                (old.is_some(), changed)
            }
            Edit::RemoveContact(id) => same(t.contacts.remove(&id).is_some()),
            Edit::PutRoute(new) => {
                let old = t.routes.get(&new.key).cloned();
                let changed = old.as_ref().is_none_or(|o| o.steps != new.steps);
                if changed {
                    t.routes.insert(new.key.clone(), Route { revision, ..new });
                }
                (old.is_some(), changed)
            }
            Edit::RemoveRoute(key) => same(t.routes.remove(&key).is_some()),
            Edit::PutScreen(new) => {
                let old = t.screens.insert((new.list, new.key.clone()), new.clone());
                (old.is_some(), old != Some(new))
            }
            Edit::RemoveScreen(list, key) => same(t.screens.remove(&(list, key)).is_some()),
            Edit::PutUser(new) => {
                let at = (new.domain.clone(), new.extension.clone());
                let old = t.users.get(&at).map(|(_, u)| u.clone());
                let changed = old.as_ref() != Some(&new);
                if changed {
                    t.users.insert(at, (revision, new));
                }
                (old.is_some(), changed)
            }
            Edit::PutToken(new) => {
                let old = t.tokens.insert(new.name.clone(), new.clone());
                (old.is_some(), old != Some(new))
            }
            Edit::RemoveToken(name) => same(t.tokens.remove(&name).is_some()),
            Edit::RemoveUser(domain, extension) => same(t.users.remove(&(domain, extension)).is_some()),
            Edit::Put(_) | Edit::Remove(_) => unreachable!("the things of the plan have edits of their own here"),
        };
        self.revision += u64::from(changed);
        EditOutcome { revision: self.revision, existed, changed }
    }

    /// Lays rows over what was there before (`seen`); what was edited since stays as it is, removed ones too.
    fn import(&mut self, tenant: usize, source: usize, rows: &[Contact], seen: &Seen) -> BulkOutcome {
        let rows: BTreeMap<String, Contact> =
            rows.iter().map(|c| (c.id.clone(), Contact { source: SOURCES[source].into(), ..c.clone() })).collect();
        let same = |c: &&Contact| seen.contacts.get(&c.id).is_some_and(|(_, old)| old == *c);
        let unchanged = rows.values().filter(same).count() as u64;
        let added = rows.keys().filter(|id| !seen.contacts.contains_key(*id)).count() as u64;
        let changed = rows.len() as u64 - unchanged - added;
        if added + changed == 0 {
            return BulkOutcome { revision: seen.since, added, changed, unchanged };
        }
        self.revision += 1;
        let t = &mut self.tenants[tenant];
        for new in rows.into_values() {
            let touched = seen.edited_since.contains(&new.id);
            let unchanged = seen.contacts.get(&new.id).is_some_and(|(_, old)| *old == new);
            if !touched && !unchanged {
                t.contacts.insert(new.id.clone(), (self.revision, new));
            }
        }
        BulkOutcome { revision: self.revision, added, changed, unchanged }
    }

    fn with(&self, tenant: usize, number: &Number) -> Vec<(u64, Contact)> {
        let has = |c: &&(u64, Contact)| c.1.numbers.iter().any(|n| n.number == *number);
        let mut found: Vec<_> = self.tenants[tenant].contacts.values().filter(has).cloned().collect();
        found.sort_by(|a, b| b.0.cmp(&a.0).then_with(|| a.1.id.cmp(&b.1.id)));
        found
    }
}

fn same(existed: bool) -> (bool, bool) {
    (existed, existed)
}

/// The longest of the prefixes that cover a number; opaque names and the like count as inside the tenant.
fn longest<'a>(number: &Number, of: impl Iterator<Item = &'a Prefix>) -> Option<Prefix> {
    let kind = if number.kind() == Kind::E164 { Kind::E164 } else { Kind::Extension };
    of.filter(|p| p.kind == kind && number.digits().starts_with(&p.digits)).max_by_key(|p| p.digits.len()).cloned()
}

fn check_data(model: &Model, tenant: usize, data: &dyn Data) {
    let t = &model.tenants[tenant];
    assert_eq!(data.revision(), model.revision);
    for key in 0..14 {
        assert_eq!(data.route(&route_key(key)).unwrap().as_deref(), t.routes.get(&route_key(key)));
    }
    for domain in DOMAINS {
        assert_eq!(data.has_domain(domain).unwrap(), t.users.keys().any(|(d, _)| d == domain), "{domain}");
        for extension in EXTENSIONS {
            let user = t.users.get(&(domain.to_owned(), extension.to_owned())).map(|(_, u)| u);
            assert_eq!(data.user(domain, extension).unwrap().as_deref(), user);
        }
    }
    assert!(!data.has_domain("pb").unwrap() && !data.has_domain("").unwrap());
    assert_eq!(data.screen(List::Block, &ScreenKey::Withheld).unwrap().as_deref(), t.screens.get(&(List::Block, ScreenKey::Withheld)));
    for number in numbers() {
        let caller = data.caller(&number).unwrap().map(|c| (c.contact, c.name));
        assert_eq!(caller, model.with(tenant, &number).first().map(|(_, c)| (c.id.clone(), c.name.clone())), "{number}");
        let routes = t.routes.keys().filter_map(|k| if let RouteKey::Prefix(p) = k { Some(p) } else { None });
        let route = longest(&number, routes).map(|p| &t.routes[&RouteKey::Prefix(p)]);
        assert_eq!(data.route_by_prefix(&number).unwrap().as_deref(), route, "{number}");
        for list in [List::Block, List::Allow] {
            let of_list = t.screens.keys().filter(|(l, _)| *l == list);
            let covering = of_list.filter_map(|(_, k)| if let ScreenKey::Prefix(p) = k { Some(p) } else { None });
            let by_prefix = longest(&number, covering).map(|p| &t.screens[&(list, ScreenKey::Prefix(p))]);
            let screen = t.screens.get(&(list, ScreenKey::Number(number.clone()))).or(by_prefix);
            assert_eq!(data.screen_number(list, &number).unwrap().as_deref(), screen, "{number}");
        }
    }
}

fn check(model: &Model, opened: &Opened) {
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
        assert_eq!(opened.routes(tenant, None, usize::MAX).unwrap().len(), t.routes.len());
        check_users(t, opened, tenant);
        assert_eq!(opened.tokens(tenant, usize::MAX).unwrap(), t.tokens.values().cloned().collect::<Vec<_>>());
        let screens = |list| opened.screens(tenant, list, None, usize::MAX).unwrap().len();
        assert_eq!(screens(List::Allow) + screens(List::Block), t.screens.len());
    }
}

/// Listed users, whole and page by page.
fn check_users(t: &TenantModel, opened: &Opened, tenant: &str) {
    let all: Vec<_> = t.users.values().cloned().collect();
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

fn run_import(model: &mut Model, opened: &Opened, import: Import) {
    let bulk_of = |source: usize, rows: &[Contact]| {
        let mut bulk = opened.bulk(TENANTS[import.tenant], SOURCES[source]);
        rows.iter().for_each(|c| bulk.push(c).unwrap());
        bulk
    };
    let mut bulk = bulk_of(import.source, &import.rows);
    bulk.sort();
    let (mut meanwhile, mut other) = (import.meanwhile.clone(), import.other.clone());
    loop {
        let mut seen = model.seen(import.tenant);
        let staged = bulk.stage().unwrap();
        for (tenant, edit) in std::mem::take(&mut meanwhile) {
            let outcome = opened.edit(TENANTS[tenant], "x", edit.clone()).unwrap();
            assert_eq!(outcome, model.edit(tenant, edit.clone()));
            if let (Edit::PutContact(Contact { id, .. }) | Edit::RemoveContact(id), true, true) =
                (edit, outcome.changed, tenant == import.tenant)
            {
                seen.edited_since.insert(id);
            }
        }
        if let Some((source, rows)) = other.take() {
            let seen = model.seen(import.tenant);
            let outcome = bulk_of(source, &rows).commit("x").unwrap();
            assert_eq!(outcome, model.import(import.tenant, source, &rows, &seen));
        }
        if import.dropped {
            return;
        }
        if let Some(outcome) = staged.finish("x").unwrap() {
            assert_eq!(outcome, model.import(import.tenant, import.source, &import.rows, &seen));
            return;
        }
    }
}

fn run(ops: Vec<Op>) {
    let dir = tempfile::tempdir().unwrap();
    let (mut model, mut opened) = (Model::default(), Opened::open(dir.path()));
    let mut last: Option<Import> = None;
    for op in ops {
        match op {
            Op::Edit(tenant, edit) => {
                assert_eq!(opened.edit(TENANTS[tenant], "x", edit.clone()).unwrap(), model.edit(tenant, edit));
            }
            Op::Import(import) => {
                last = Some(Import { meanwhile: vec![], other: None, dropped: false, ..import.clone() });
                run_import(&mut model, &opened, import);
            }
            Op::SameImport => {
                if let Some(import) = last.clone() {
                    run_import(&mut model, &opened, import.clone());
                    let revision = model.revision;
                    run_import(&mut model, &opened, import);
                    assert_eq!(opened.revision(), revision);
                }
            }
            Op::Reopen => {
                opened.close();
                opened = Opened::open(dir.path());
            }
        }
        check(&model, &opened);
    }
    opened.close();
    let opened = Opened::open(dir.path());
    check(&model, &opened);
    opened.close();
}

/// A case is some twenty times a real disk's flush, so fewer than proptest's 256; `PROPTEST_CASES` asks for more.
fn cases() -> u32 {
    std::env::var("PROPTEST_CASES").ok().and_then(|n| n.parse().ok()).unwrap_or(48)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn whatever_is_done_to_it_the_store_says_what_a_map_would_say(ops in proptest::collection::vec(ops(), 1..40)) {
        run(ops);
    }
}
