//! The store against a few maps: whatever is done to both, they say the same.

mod check;

use super::things::{SHAPES, item, keys, numbers};
use super::*;
use crate::access::TokenDigest;
use proptest::prelude::*;
use std::collections::BTreeMap;

const TENANTS: [&str; 2] = ["t", "t-2"];
const IDS: [&str; 6] = ["a", "ab", "b", "c-1", "zed", "Z"];
const SOURCES: [&str; 2] = ["crm", "ldap"];
const NAMES: [&str; 3] = ["Ada", "Bob", ""];
fn token_with(name: usize, digest: usize) -> Token {
    Token {
        name: IDS[name].into(),
        scopes: vec!["events:read".into()],
        created_us: 1,
        expires_us: None,
        digest: TokenDigest::of(NAMES[digest]),
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
    /// A change of the plan that does.
    plan: Option<PlanEdits>,
    dropped: bool,
}

/// What a change of a plan is computed over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Over {
    /// What a reader is told.
    Told,
    /// The very revision that edited the plan last.
    Edited,
    /// The one before.
    Stale,
    /// One that will be.
    Future,
}

#[derive(Debug, Clone)]
struct Change {
    tenant: usize,
    edits: PlanEdits,
    over: Over,
    /// What is edited, and imported, while its entries are made up.
    meanwhile: Vec<(usize, Edit)>,
    import: Option<(usize, usize, Vec<Contact>)>,
    dropped: bool,
}

#[derive(Debug, Clone)]
enum Op {
    Edit(usize, Edit),
    Change(Change),
    Import(Import),
    SameImport,
    Reopen,
}

fn contacts() -> impl Strategy<Value = Contact> {
    let numbers_of = proptest::sample::subsequence(numbers(), 0..4);
    (0..IDS.len(), 0..NAMES.len(), numbers_of).prop_map(|(id, name, numbers)| contact_with(IDS[id], NAMES[name], &numbers))
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
    .prop_map(|(puts, removes, contacts, contacts_removed)| PlanEdits { puts, removes, contacts, contacts_removed })
}

fn ops() -> impl Strategy<Value = Op> {
    let tenant = || 0..TENANTS.len();
    let rows = || proptest::collection::vec(contacts(), 0..7);
    let other = proptest::option::weighted(0.2, (0..SOURCES.len(), rows()));
    let meanwhile = || proptest::collection::vec((tenant(), edits()), 0..4);
    let plan = proptest::option::weighted(0.3, plan_edits());
    let import = (tenant(), 0..SOURCES.len(), rows(), meanwhile(), other, plan, proptest::bool::weighted(0.1));
    let over = prop_oneof![8 => Just(Over::Told), 3 => Just(Over::Edited), 2 => Just(Over::Stale), 1 => Just(Over::Future)];
    let meanwhile_changed = prop_oneof![3 => Just(vec![]), 1 => meanwhile()];
    let imported = proptest::option::weighted(0.3, (tenant(), 0..SOURCES.len(), rows()));
    let change = (tenant(), plan_edits(), over, meanwhile_changed, imported, proptest::bool::weighted(0.1));
    prop_oneof![
        12 => (tenant(), edits()).prop_map(|(tenant, edit)| Op::Edit(tenant, edit)),
        6 => change.prop_map(|(tenant, edits, over, meanwhile, import, dropped)| {
            Op::Change(Change { tenant, edits, over, meanwhile, import, dropped })
        }),
        4 => import.prop_map(|(tenant, source, rows, meanwhile, other, plan, dropped)| {
            Op::Import(Import { tenant, source, rows, meanwhile, other, plan, dropped })
        }),
        1 => Just(Op::SameImport),
        2 => Just(Op::Reopen),
    ]
}

#[derive(Default, Clone)]
struct TenantModel {
    contacts: BTreeMap<String, (u64, Contact)>,
    plan: BTreeMap<PlanKey, (u64, PlanItem)>,
    tokens: BTreeMap<String, Token>,
    /// The revision of the last edit of plan or contacts, imports aside.
    edited: u64,
}

impl TenantModel {
    fn item(&self, key: PlanKey) -> Option<&PlanItem> {
        self.plan.get(&key).map(|(_, item)| item)
    }

    fn route(&self, key: RouteKey) -> Option<&Route> {
        self.item(PlanKey::Route(key)).map(|item| if let PlanItem::Route(route) = item { route } else { unreachable!() })
    }

    fn screen(&self, list: List, key: ScreenKey) -> Option<&Screen> {
        self.item(PlanKey::Screen(list, key)).map(|item| if let PlanItem::Screen(screen) = item { screen } else { unreachable!() })
    }

    fn users(&self) -> Vec<(u64, User)> {
        let users =
            self.plan.values().filter_map(|(r, item)| if let PlanItem::User(user) = item { Some((*r, user.clone())) } else { None });
        users.collect()
    }

    /// Whether it was there, and whether it is another now.
    fn put(&mut self, revision: u64, item: PlanItem) -> (bool, bool) {
        let old = self.plan.get(&item.key());
        let changed = old.is_none_or(|(was, old)| *old != item.clone().with_revision(*was));
        let existed = old.is_some();
        if changed {
            self.plan.insert(item.key(), (revision, item.with_revision(revision)));
        }
        (existed, changed)
    }
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
    /// The revision with which the store was opened.
    opened: u64,
    tenants: [TenantModel; 2],
}

impl Model {
    fn seen(&self, tenant: usize) -> Seen {
        Seen { since: self.revision, contacts: self.tenants[tenant].contacts.clone(), edited_since: BTreeSet::new() }
    }

    fn edit(&mut self, tenant: usize, edit: Edit) -> EditOutcome {
        let revision = self.revision + 1;
        let t = &mut self.tenants[tenant];
        let is_of_plan = !matches!(edit, Edit::PutToken(_) | Edit::RemoveToken(_));
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
            Edit::PutRoute(route) => t.put(revision, PlanItem::Route(route)),
            Edit::PutScreen(screen) => t.put(revision, PlanItem::Screen(screen)),
            Edit::PutUser(user) => t.put(revision, PlanItem::User(user)),
            Edit::Put(item) => t.put(revision, item),
            Edit::RemoveRoute(key) => same(t.plan.remove(&PlanKey::Route(key)).is_some()),
            Edit::RemoveScreen(list, key) => same(t.plan.remove(&PlanKey::Screen(list, key)).is_some()),
            Edit::RemoveUser(domain, extension) => same(t.plan.remove(&PlanKey::User(domain, extension)).is_some()),
            Edit::Remove(key) => same(t.plan.remove(&key).is_some()),
            Edit::PutToken(new) => {
                let old = t.tokens.insert(new.name.clone(), new.clone());
                (old.is_some(), old != Some(new))
            }
            Edit::RemoveToken(name) => same(t.tokens.remove(&name).is_some()),
            Edit::Over(..) => unreachable!("the model knows no revisions"),
        };
        if changed && is_of_plan {
            t.edited = revision;
        }
        self.revision += u64::from(changed);
        EditOutcome { revision: self.revision, existed, changed }
    }

    /// Many edits, of which those of contacts were made up over what was there before (`seen`); whose contacts are others
    /// now comes back as well.
    fn change(&mut self, tenant: usize, edits: PlanEdits, seen: &Seen) -> (EditOutcome, Vec<String>) {
        let revision = self.revision + 1;
        let t = &mut self.tenants[tenant];
        let (mut existed, mut changed, mut touched) = (false, false, Vec::new());
        let mut note = |(was_there, is_other)| {
            existed |= was_there;
            changed |= is_other;
        };
        let puts: BTreeMap<PlanKey, PlanItem> = edits.puts.into_iter().map(|item| (item.key(), item)).collect();
        for key in edits.removes.iter().filter(|key| !puts.contains_key(key)) {
            note(same(t.plan.remove(key).is_some()));
        }
        puts.into_values().for_each(|item| note(t.put(revision, item)));
        let contacts: BTreeMap<String, Contact> = edits.contacts.into_iter().map(|c| (c.id.clone(), c)).collect();
        let removed: BTreeSet<String> = edits.contacts_removed.into_iter().filter(|id| !contacts.contains_key(id)).collect();
        for id in removed {
            let is_seen = seen.contacts.contains_key(&id);
            note(same(is_seen));
            if is_seen {
                t.contacts.remove(&id);
                touched.push(id);
            }
        }
        for (id, new) in contacts {
            let old = seen.contacts.get(&id).map(|(_, c)| c);
            let is_other = old != Some(&new);
            note((old.is_some(), is_other));
            if is_other {
                t.contacts.insert(id.clone(), (revision, new));
                touched.push(id);
            }
        }
        if changed {
            t.edited = revision;
            self.revision = revision;
        }
        (EditOutcome { revision: self.revision, existed, changed }, touched)
    }

    /// Whether a change that was computed over this revision is refused.
    fn is_stale(&self, tenant: usize, over: u64) -> bool {
        let log_begins = (self.revision + 1).saturating_sub(writer::LOG_CHANGES_MAX).max(1);
        let is_known = over >= self.opened || over + 1 >= log_begins;
        over > self.revision || self.tenants[tenant].edited > over || !is_known
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

fn run_change(model: &mut Model, opened: &Opened, change: Change) {
    let Change { tenant, edits, over, meanwhile, import, dropped } = change;
    let (told, _) = opened.undisturbed(TENANTS[tenant], || Ok(())).unwrap();
    let edited = model.tenants[tenant].edited;
    assert!((edited..=model.revision).contains(&told), "{told} where {edited} was edited");
    let over = match over {
        Over::Told => told,
        Over::Edited => edited,
        Over::Stale => edited.saturating_sub(1),
        Over::Future => model.revision + 1,
    };
    let seen = model.seen(tenant);
    let Some(prepared) = opened.prepare_plan(TENANTS[tenant], "x", edits.clone(), over).unwrap() else {
        assert!(over > model.revision);
        return;
    };
    for (tenant, edit) in meanwhile {
        assert_eq!(opened.edit(TENANTS[tenant], "x", edit.clone()).unwrap(), model.edit(tenant, edit));
    }
    if let Some((tenant, source, rows)) = import {
        let seen = model.seen(tenant);
        let mut bulk = opened.bulk(TENANTS[tenant], SOURCES[source]);
        rows.iter().for_each(|c| bulk.push(c).unwrap());
        assert_eq!(bulk.commit("x").unwrap(), model.import(tenant, source, &rows, &seen));
    }
    if dropped {
        return;
    }
    let wanted = (!model.is_stale(tenant, over)).then(|| model.change(tenant, edits, &seen).0);
    assert_eq!(prepared.finish().unwrap(), wanted);
}

fn run_import(model: &mut Model, opened: &Opened, import: Import) {
    let bulk_of = |source: usize, rows: &[Contact]| {
        let mut bulk = opened.bulk(TENANTS[import.tenant], SOURCES[source]);
        rows.iter().for_each(|c| bulk.push(c).unwrap());
        bulk
    };
    let mut bulk = bulk_of(import.source, &import.rows);
    bulk.sort();
    let (mut meanwhile, mut other, mut plan) = (import.meanwhile.clone(), import.other.clone(), import.plan.clone());
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
        if let Some(edits) = plan.take() {
            let (outcome, touched) = model.change(import.tenant, edits.clone(), &model.seen(import.tenant));
            let (over, _) = opened.undisturbed(TENANTS[import.tenant], || Ok(())).unwrap();
            assert_eq!(opened.change_plan(TENANTS[import.tenant], "x", edits, over).unwrap(), Some(outcome));
            seen.edited_since.extend(touched);
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
            Op::Change(change) => run_change(&mut model, &opened, change),
            Op::Import(import) => {
                last = Some(Import { meanwhile: vec![], other: None, plan: None, dropped: false, ..import.clone() });
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
                model.opened = model.revision;
            }
        }
        check::all(&model, &opened);
    }
    opened.close();
    let opened = Opened::open(dir.path());
    check::all(&model, &opened);
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
