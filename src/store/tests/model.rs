//! The store against a few maps: whatever is done to both, they say the same.

mod check;
mod made;

use super::things::{keys, many_numbers, numbers, owners};
use super::*;
use crate::access::TokenDigest;
use crate::directory::{BEHIND_DIGITS_MAX, Indexed};
use crate::routing::{CallerName, FoundBy, Known};
use made::ops;
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
    mode: ImportMode,
    rows: Vec<Contact>,
    /// What it brings for the lists.
    screens: Vec<Screen>,
    /// What is edited while it is put together.
    meanwhile: Vec<(usize, Edit)>,
    /// Another import that comes true while this one is put together.
    other: Option<(usize, ImportMode, Vec<Contact>)>,
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
    import: Option<(usize, usize, ImportMode, Vec<Contact>)>,
    dropped: bool,
}

#[derive(Debug, Clone)]
enum Op {
    Edit(usize, Edit),
    Change(Change),
    Import(Import),
    SameImport,
    /// A file that says what its source's contacts say already, edited ones too.
    AgreeingImport(usize, usize, ImportMode),
    Reopen,
}

#[derive(Default, Clone)]
struct TenantModel {
    contacts: BTreeMap<String, (u64, Contact)>,
    /// Contacts that are as a single edit left them, and no import since.
    by_hand: BTreeSet<String>,
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
    by_hand: BTreeSet<String>,
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
        let TenantModel { contacts, by_hand, .. } = self.tenants[tenant].clone();
        Seen { since: self.revision, contacts, by_hand, edited_since: BTreeSet::new() }
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
                    t.by_hand.insert(new.id.clone());
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
                t.by_hand.insert(id.clone());
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
    fn import(
        &mut self,
        tenant: usize,
        (source, mode): (usize, ImportMode),
        rows: &[Contact],
        screens: &[Screen],
        seen: &Seen,
    ) -> BulkOutcome {
        let source = SOURCES[source];
        let rows: BTreeMap<String, Contact> = rows.iter().map(|c| (c.id.clone(), Contact { source: source.into(), ..c.clone() })).collect();
        let mut outcome = BulkOutcome { revision: seen.since, ..BulkOutcome::default() };
        let (mut puts, mut removed, mut agreed) = (Vec::new(), Vec::new(), Vec::new());
        for (id, row) in &rows {
            let Some((_, old)) = seen.contacts.get(id) else {
                outcome.added += u64::from(mode != ImportMode::Update);
                outcome.absent += u64::from(mode == ImportMode::Update);
                puts.extend((mode != ImportMode::Update).then(|| row.clone()));
                continue;
            };
            let new = Contact { source: if mode == ImportMode::Update { old.source.clone() } else { source.into() }, ..row.clone() };
            if new == *old {
                outcome.unchanged += 1;
                agreed.extend((old.source == source && seen.by_hand.contains(id)).then_some(id));
                continue;
            }
            outcome.changed += 1;
            outcome.taken += u64::from(new.source != old.source);
            outcome.overridden += u64::from(old.source == source && seen.by_hand.contains(id));
            puts.push(new);
        }
        for (id, _) in seen.contacts.iter().filter(|(id, (_, c))| c.source == source && !rows.contains_key(*id)) {
            match mode {
                ImportMode::Merge => outcome.missing += 1,
                ImportMode::Replace if seen.by_hand.contains(id) => {
                    outcome.missing += 1;
                    outcome.kept += 1;
                }
                ImportMode::Replace => removed.push(id),
                ImportMode::Update => {}
            }
        }
        outcome.removed = removed.len() as u64;
        let t = &mut self.tenants[tenant];
        let new_screens: Vec<PlanItem> = screens.iter().cloned().map(PlanItem::Screen).filter(|s| !t.plan.contains_key(&s.key())).collect();
        outcome.blocked = new_screens.len() as u64;
        if outcome.added + outcome.changed + outcome.removed + outcome.blocked == 0 && agreed.is_empty() {
            return outcome;
        }
        self.revision += 1;
        outcome.revision = self.revision;
        for new in puts.into_iter().filter(|c| !seen.edited_since.contains(&c.id)) {
            t.by_hand.remove(&new.id);
            t.contacts.insert(new.id.clone(), (self.revision, new));
        }
        for id in agreed.into_iter().filter(|id| !seen.edited_since.contains(*id)) {
            t.by_hand.remove(id);
        }
        for id in removed.into_iter().filter(|id| !seen.edited_since.contains(*id)) {
            t.contacts.remove(id);
        }
        if !new_screens.is_empty() {
            t.edited = self.revision;
        }
        for screen in new_screens {
            t.put(self.revision, screen);
        }
        outcome
    }

    fn with(&self, tenant: usize, number: &Number) -> Vec<(u64, Contact)> {
        self.found_by(tenant, &Indexed::Number(number.clone()))
    }

    fn found_by(&self, tenant: usize, way: &Indexed) -> Vec<(u64, Contact)> {
        let has = |c: &&(u64, Contact)| c.1.numbers.iter().any(|n| n.indexed().contains(way));
        let mut found: Vec<_> = self.tenants[tenant].contacts.values().filter(has).cloned().collect();
        found.sort_by(|a, b| b.0.cmp(&a.0).then_with(|| a.1.id.cmp(&b.1.id)));
        found
    }
}

impl Model {
    /// Who a number leads to, as an extension may know it; word by word as it is promised.
    fn known(&self, tenant: usize, number: &Number, callee: Option<&Number>) -> Known {
        let digits = number.digits();
        let mut ways = vec![(Indexed::Number(number.clone()), FoundBy::Number)];
        if number.kind() == Kind::E164 {
            ways.extend((1..=digits.len()).rev().map(|n| (Indexed::Beginning(digits[..n].into()), FoundBy::Beginning(n as u8))));
            let behind = (1..digits.len()).rev().filter(|n| digits.len() - n <= BEHIND_DIGITS_MAX);
            ways.extend(behind.map(|n| (Indexed::Behind(digits[..n].into()), FoundBy::Behind(n as u8))));
        }
        let mut passed_over = false;
        for (way, by) in ways {
            let mut found = self.found_by(tenant, &way);
            found.sort_by_key(|(_, c)| c.owner.is_none());
            let visible = |c: &Contact| c.owner.is_none() || c.owner.as_ref() == callee;
            passed_over |= found.iter().any(|(_, c)| !visible(c));
            let seen = found.into_iter().filter(|(_, c)| visible(c));
            let names: Vec<_> = seen.map(|(_, c)| CallerName { contact: c.id, name: c.name }).collect();
            if !names.is_empty() {
                return Known { by: Some(by), names, passed_over };
            }
        }
        Known { by: None, names: Vec::new(), passed_over }
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
    if let Some((tenant, source, mode, rows)) = import {
        let seen = model.seen(tenant);
        let mut bulk = opened.bulk_as(TENANTS[tenant], SOURCES[source], mode);
        rows.iter().for_each(|c| bulk.push(c).unwrap());
        assert_eq!(bulk.commit("x").unwrap(), model.import(tenant, (source, mode), &rows, &[], &seen));
    }
    if dropped {
        return;
    }
    let wanted = (!model.is_stale(tenant, over)).then(|| model.change(tenant, edits, &seen).0);
    assert_eq!(prepared.finish().unwrap(), wanted);
}

fn run_import(model: &mut Model, opened: &Opened, import: Import) {
    let bulk_of = |source: usize, mode, rows: &[Contact], screens: &[Screen]| {
        let mut bulk = opened.bulk_as(TENANTS[import.tenant], SOURCES[source], mode);
        rows.iter().for_each(|c| bulk.push(c).unwrap());
        screens.iter().for_each(|s| bulk.screen(s.clone()));
        bulk
    };
    let mut bulk = bulk_of(import.source, import.mode, &import.rows, &import.screens);
    // what it would do is what it does, and saying so changes nothing
    let preview = bulk.preview(3).unwrap();
    let mut would = Model { tenants: model.tenants.clone(), ..*model };
    let seen = model.seen(import.tenant);
    let foretold = would.import(import.tenant, (import.source, import.mode), &import.rows, &import.screens, &seen);
    assert_eq!(preview.counts, BulkOutcome { revision: model.revision, ..foretold });
    assert_eq!(preview.added.len() as u64, foretold.added.min(3));
    check::all(model, opened);
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
        if let Some((source, mode, rows)) = other.take() {
            let seen = model.seen(import.tenant);
            let outcome = bulk_of(source, mode, &rows, &[]).commit("x").unwrap();
            assert_eq!(outcome, model.import(import.tenant, (source, mode), &rows, &[], &seen));
        }
        if import.dropped {
            return;
        }
        if let Some(outcome) = staged.finish("x").unwrap() {
            assert_eq!(outcome, model.import(import.tenant, (import.source, import.mode), &import.rows, &import.screens, &seen));
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
            Op::AgreeingImport(tenant, source, mode) => {
                let there = model.tenants[tenant].contacts.values().map(|(_, c)| c.clone());
                let rows = there.filter(|c| c.source == SOURCES[source]).collect();
                let (screens, meanwhile) = (vec![], vec![]);
                let import = Import { tenant, source, mode, rows, screens, meanwhile, other: None, plan: None, dropped: false };
                run_import(&mut model, &opened, import.clone());
                last = Some(import);
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
    std::env::var("PROPTEST_CASES").ok().and_then(|n| n.parse().ok()).unwrap_or(24)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn whatever_is_done_to_it_the_store_says_what_a_map_would_say(ops in proptest::collection::vec(ops(), 1..40)) {
        run(ops);
    }
}
