//! Changes of a whole plan: all of it or nothing, whatever comes in between.

use super::things::{SHAPES, item, keys};
use super::*;
use crate::store::record::Change;
use std::collections::BTreeMap;

/// Everything that a plan can hold, in one shape: some hundred things, far more than one record takes in these tests.
fn whole_plan(shape: usize) -> PlanEdits {
    let by_hand = contact("hand", &format!("Hand {shape}"), &["4930123456"]);
    PlanEdits { puts: keys().iter().map(|key| item(key, shape)).collect(), contacts: vec![by_hand], ..PlanEdits::default() }
}

/// One thing of it.
fn one(shape: usize) -> PlanEdits {
    PlanEdits { puts: vec![item(&PlanKey::Group("a".into()), shape)], ..PlanEdits::default() }
}

fn all_on_disk(store: &Store) -> BTreeMap<PlanKey, PlanItem> {
    let page = |sort| store.items("t", sort, None, usize::MAX).unwrap();
    PlanSort::ALL.into_iter().flat_map(page).map(|item| (item.key(), item)).collect()
}

/// In which shape the whole plan is, on the disk and in the snapshot; `None` for an empty one. A mixture is a failure.
fn shape_of(opened: &Opened) -> Option<usize> {
    let found = all_on_disk(opened);
    let group = |data: &dyn Data| data.group("ab").unwrap().map(|g| (*g).clone());
    let in_snapshot = opened.in_snapshot("t", group).unwrap();
    assert_eq!(in_snapshot.map(PlanItem::Group).as_ref(), found.get(&PlanKey::Group("ab".into())));
    let name = opened.contact("t", "hand").unwrap().map(|(_, c)| c.name);
    if found.is_empty() {
        assert_eq!(name, None);
        return None;
    }
    let wanted = |shape: usize| keys().iter().map(|key| (key.clone(), item(key, shape))).collect::<BTreeMap<_, _>>();
    let bare: BTreeMap<_, _> = found.into_iter().map(|(key, item)| (key, item.with_revision(0))).collect();
    let shape = (0..SHAPES).find(|shape| wanted(*shape) == bare).expect("a plan that is neither the old nor the new one");
    assert_eq!(name, Some(format!("Hand {shape}")));
    assert_eq!(opened.caller("4930123456").as_deref(), Some("hand"));
    Some(shape)
}

fn over(opened: &Opened) -> u64 {
    opened.undisturbed("t", || Ok(())).unwrap().0
}

fn change(opened: &Opened, edits: PlanEdits) -> EditOutcome {
    opened.change_plan("t", "ada", edits, over(opened)).unwrap().unwrap()
}

#[test]
fn a_whole_plan_has_one_revision_and_one_place_in_the_log() {
    let dir = tempfile::tempdir().unwrap();
    let opened = Opened::open(dir.path());
    assert_eq!(change(&opened, whole_plan(0)), EditOutcome { revision: 1, existed: false, changed: true });
    assert_eq!(change(&opened, whole_plan(1)), EditOutcome { revision: 2, existed: true, changed: true });
    assert_eq!(change(&opened, whole_plan(1)), EditOutcome { revision: 2, existed: true, changed: false });
    assert_eq!(change(&opened, one(2)), EditOutcome { revision: 3, existed: true, changed: true });
    let changes: Vec<Change> = opened.changes(0).map(|c| c.unwrap()).collect();
    let entries: Vec<_> = changes.iter().map(|c| opened.entries_of(c).unwrap().unwrap()).collect();
    // the contact has an entry for its number
    assert_eq!(entries.iter().map(Vec::len).collect::<Vec<_>>(), [keys().len() + 2, keys().len() + 2, 1]);
    assert_eq!(changes.iter().map(|c| c.staged.is_some()).collect::<Vec<_>>(), [true, true, false]);
    assert!(entries[0].iter().all(|e| e.before.is_none()) && entries[1].iter().all(|e| e.before.is_some() && e.after.is_some()));
    let revisions: BTreeSet<u64> = opened.items("t", PlanSort::Route, None, usize::MAX).unwrap().iter().filter_map(revision_of).collect();
    assert_eq!(revisions.into_iter().collect::<Vec<_>>(), [2]);
    // all of it goes as it came
    let removes = PlanEdits { removes: keys(), contacts_removed: vec!["hand".into()], ..PlanEdits::default() };
    assert_eq!(change(&opened, removes.clone()), EditOutcome { revision: 4, existed: true, changed: true });
    assert_eq!(shape_of(&opened), None);
    assert_eq!(change(&opened, removes), EditOutcome { revision: 4, existed: false, changed: false });
    opened.close();
    let opened = Opened::open(dir.path());
    assert_eq!(shape_of(&opened), None);
    opened.close();
}

fn revision_of(item: &PlanItem) -> Option<u64> {
    if let PlanItem::Route(route) = item { Some(route.revision) } else { None }
}

#[test]
fn of_two_changes_over_one_revision_one_is_told_to_compute_anew() {
    let dir = tempfile::tempdir().unwrap();
    let opened = Opened::open(dir.path());
    change(&opened, whole_plan(0));
    for round in 0..10 {
        let over = over(&opened);
        let barrier = std::sync::Barrier::new(2);
        let done: Vec<Option<EditOutcome>> = std::thread::scope(|scope| {
            let at_once = |edits: PlanEdits| {
                let (store, barrier) = (opened.store.clone(), &barrier);
                scope.spawn(move || {
                    barrier.wait();
                    store.change_plan("t", "x", edits, over).unwrap()
                })
            };
            let both = [at_once(whole_plan(1 + round % 2)), at_once(one(1 + (round + 1) % 2))];
            both.map(|thread| thread.join().unwrap()).into()
        });
        let made: Vec<_> = done.iter().flatten().collect();
        assert_eq!(made.len(), 1, "round {round}: {done:?}");
        assert_eq!(made[0].revision, over + 1);
    }
    opened.close();
}

#[test]
fn what_was_edited_since_makes_a_change_stale_and_an_import_or_a_token_doesnt() {
    let dir = tempfile::tempdir().unwrap();
    let opened = Opened::open(dir.path());
    change(&opened, whole_plan(0));
    let before = over(&opened);
    opened.import("file", &[contact("ada", "Ada", &["4930123456"])]);
    let digest = crate::access::TokenDigest::of("x");
    let token = Token { name: "panel".into(), scopes: vec!["events:read".into()], created_us: 1, expires_us: None, digest };
    opened.edit("t", "x", Edit::PutToken(token)).unwrap();
    opened.edit("other", "x", Edit::PutRoute(route(RouteKey::Default, "a"))).unwrap();
    assert!(opened.change_plan("t", "x", one(1), before).unwrap().is_some());
    assert_eq!(opened.change_plan("t", "x", one(2), before).unwrap(), None, "the change itself is an edit");
    let before = over(&opened);
    opened.put(&contact("bob", "Bob", &["4930111111"]));
    assert_eq!(opened.change_plan("t", "x", one(2), before).unwrap(), None, "a contact by hand");
    let before = over(&opened);
    opened.edit("t", "x", Edit::RemoveRoute(RouteKey::Default)).unwrap();
    assert_eq!(opened.change_plan("t", "x", one(2), before).unwrap(), None, "a route");
    assert_eq!(opened.change_plan("t", "x", one(2), opened.revision() + 1).unwrap(), None, "a revision that isn't yet");
    // and after a restart the log knows
    let edited = over(&opened);
    opened.import("file", &[contact("ada", "Ada again", &["4930123456"])]);
    opened.close();
    let opened = Opened::open(dir.path());
    assert_eq!(opened.change_plan("t", "x", one(2), edited - 1).unwrap(), None);
    assert!(opened.change_plan("t", "x", one(2), edited).unwrap().is_some());
    opened.close();
}

#[test]
fn calls_see_the_old_plan_or_the_new_one_and_administrators_a_page_of_one_of_them() {
    let dir = tempfile::tempdir().unwrap();
    let opened = Opened::open(dir.path());
    change(&opened, whole_plan(0));
    let done = std::sync::atomic::AtomicBool::new(false);
    // trunks are listed whole: a mixture would show in one look
    let mark = |item: &PlanItem| match item {
        PlanItem::Trunk(trunk) => trunk.rates.len(),
        PlanItem::Limit(limit) => limit.per_hour.unwrap() as usize * 20,
        _ => unreachable!(),
    };
    std::thread::scope(|scope| {
        let call = scope.spawn(|| {
            let mut looks = 0;
            while !done.load(Ordering::Relaxed) {
                let look = |data: &dyn Data| {
                    let trunks: Vec<usize> = data.trunks().unwrap().iter().map(|t| t.rates.len()).collect();
                    let limit = data.limit(crate::number::Class::Premium, crate::routing::Scope::Tenant).unwrap().unwrap();
                    (trunks, limit.per_hour.unwrap() as usize * 20)
                };
                let (trunks, limit) = opened.in_snapshot("t", look).unwrap();
                assert!(trunks.iter().all(|rates| *rates == limit), "{trunks:?} {limit}");
                looks += 1;
            }
            looks
        });
        let page = scope.spawn(|| {
            let mut revisions = BTreeMap::new();
            while !done.load(Ordering::Relaxed) {
                let both = || Ok([opened.items("t", PlanSort::Trunk, None, 9)?, opened.items("t", PlanSort::Limit, None, 9)?].concat());
                let (revision, items) = opened.undisturbed("t", both).unwrap();
                let marks: BTreeSet<usize> = items.iter().map(mark).collect();
                assert_eq!(marks.len(), 1, "{marks:?}");
                // two looks with one revision are two looks at one plan
                assert_eq!(*revisions.entry(revision).or_insert_with(|| marks.clone()), marks);
            }
            revisions.len()
        });
        for round in 1..30 {
            change(&opened, whole_plan(round % SHAPES));
        }
        done.store(true, Ordering::Relaxed);
        assert!(call.join().unwrap() > 10);
        assert!(page.join().unwrap() > 1);
    });
    opened.close();
}

/// Closes without the last words of a writer, as a crash does: what it holds open must go all the same.
fn crash(opened: Opened, held: impl Sized) {
    opened.store.close();
    let Opened { store, writer } = opened;
    writer.join().unwrap();
    drop((held, store));
}

#[test]
fn parts_that_no_change_came_to_name_are_swept_at_the_next_start() {
    let dir = tempfile::tempdir().unwrap();
    let opened = Opened::open(dir.path());
    change(&opened, whole_plan(0));
    let blocks = opened.blocks();
    let prepared = opened.prepare_plan("t", "x", whole_plan(1), over(&opened)).unwrap();
    assert!(opened.blocks() > blocks + 5);
    crash(opened, prepared);
    let opened = Opened::open(dir.path());
    until("the parts are swept", || opened.blocks() == blocks);
    assert_eq!((shape_of(&opened), opened.revision()), (Some(0), 1));
    // and without a crash they go at once
    drop(opened.prepare_plan("t", "x", whole_plan(1), 1).unwrap());
    until("the parts are swept", || opened.blocks() == blocks);
    assert_eq!(change(&opened, whole_plan(2)).revision, 2);
    assert_eq!(shape_of(&opened), Some(2));
    opened.close();
}

/// Makes what a crash leaves that came when a change's record was on the disk and only so many entries were at their places.
fn half_applied(dir: &Path, at_their_places: usize) -> Vec<record::EntryChange> {
    let whole = dir.join("whole");
    let opened = Opened::open(&whole);
    change(&opened, whole_plan(0));
    change(&opened, whole_plan(1));
    let newest = opened.changes(2).next().unwrap().unwrap();
    let entries = opened.entries_of(&newest).unwrap().unwrap();
    opened.close();
    let engine = engine_of(&whole);
    // everything as it was before the second change, but for the first of its entries
    for entry in &entries[at_their_places..] {
        let live = [key::tenant("t"), entry.key.clone()].concat();
        engine.put(Space::Live, &live, &durable::live_value(1, entry.before.as_deref())).unwrap();
    }
    let durable = Durable { engine: slot::Slot::new(engine), pointers: Default::default() };
    parts::set_applied(&durable, 1).unwrap();
    durable.engine.sync().unwrap();
    entries
}

#[test]
fn a_change_that_a_crash_cut_in_the_middle_is_whole_after_the_next_start() {
    let count = keys().len() + 2;
    for at_their_places in [0, 1, count / 2, count - 1, count] {
        let dir = tempfile::tempdir().unwrap();
        let entries = half_applied(dir.path(), at_their_places);
        assert_eq!(entries.len(), count);
        for _ in 0..2 {
            let opened = Opened::open(&dir.path().join("whole"));
            assert_eq!((shape_of(&opened), opened.revision()), (Some(1), 2), "{at_their_places}");
            opened.close();
        }
    }
}

#[test]
fn a_change_that_is_true_and_lacks_a_part_is_refused_and_not_made_by_half() {
    let dir = tempfile::tempdir().unwrap();
    half_applied(dir.path(), 0);
    let whole = dir.path().join("whole");
    let engine = engine_of(&whole);
    let part = engine.scan(Space::Block, &[], &[]).last().unwrap().unwrap().0;
    engine.remove(Space::Block, &part).unwrap();
    engine.sync().unwrap();
    drop(engine);
    let refused = Opened::try_open(&whole).err();
    assert!(matches!(&refused, Some(StoreError::Corrupt { what, .. }) if what.contains("lacks some of its")), "{refused:?}");
}

#[test]
fn a_log_that_ends_before_what_is_known_to_be_done_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let opened = Opened::open(dir.path());
    change(&opened, whole_plan(0));
    opened.close();
    let engine = engine_of(dir.path());
    engine.remove(Space::Log, &1u64.to_be_bytes()).unwrap();
    engine.sync().unwrap();
    drop(engine);
    // even where the marker is lost, too
    std::fs::remove_file(dir.path().join("STROWGER")).unwrap();
    let refused = Opened::try_open(dir.path()).err();
    assert!(matches!(&refused, Some(StoreError::Corrupt { what, .. }) if what.contains("had reached 1")), "{refused:?}");
}

#[test]
fn small_edits_after_a_large_change_stand_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let opened = Opened::open(dir.path());
    let group = |shape| item(&PlanKey::Group("ab".into()), shape);
    opened.edit("t", "x", Edit::Put(group(2))).unwrap();
    change(&opened, whole_plan(0));
    opened.edit("t", "x", Edit::Put(group(1))).unwrap();
    opened.edit("t", "x", Edit::Remove(PlanKey::Route(RouteKey::Default))).unwrap();
    for _ in 0..2 {
        let found = all_on_disk(&opened);
        assert_eq!(found[&PlanKey::Group("ab".into())], group(1).with_revision(3));
        assert!(!found.contains_key(&PlanKey::Route(RouteKey::Default)));
        assert_eq!(found[&PlanKey::Group("a".into())], item(&PlanKey::Group("a".into()), 0).with_revision(2));
    }
    opened.close();
    let opened = Opened::open(dir.path());
    let found = all_on_disk(&opened);
    assert_eq!(found[&PlanKey::Group("ab".into())], group(1).with_revision(3));
    assert_eq!(found.len(), keys().len() - 1);
    opened.close();
}

#[test]
fn the_log_lets_go_of_the_parts_of_old_changes() {
    let dir = tempfile::tempdir().unwrap();
    let opened = Opened::open(dir.path());
    for round in 0..8 {
        change(&opened, whole_plan(round % SHAPES));
    }
    let looked_up = |opened: &Opened| -> Vec<u64> {
        let changes = opened.changes(0).map(|c| c.unwrap());
        changes.filter(|c| opened.entries_of(c).unwrap().is_some()).map(|c| c.revision).collect()
    };
    until("old parts are swept", || looked_up(&opened) == [6, 7, 8]);
    opened.close();
    let opened = Opened::open(dir.path());
    assert_eq!(looked_up(&opened), [6, 7, 8]);
    for n in 0..writer::LOG_CHANGES_MAX {
        opened.put(&contact("ada", &format!("Ada {n}"), &["4930111111"]));
    }
    until("no part is left", || opened.blocks() == 0);
    assert_eq!(shape_of(&opened), Some(7 % SHAPES));
    opened.close();
    let opened = Opened::open(dir.path());
    assert_eq!(shape_of(&opened), Some(7 % SHAPES));
    opened.close();
}

#[test]
fn a_disk_that_fills_up_while_a_plan_is_written_leaves_the_old_one() {
    let dir = tempfile::tempdir().unwrap();
    let opened = Opened::open(dir.path());
    let pretend_free = |bytes| opened.shared.durable.engine.free_bytes.store(bytes, Ordering::Relaxed);
    change(&opened, whole_plan(0));
    let blocks = opened.blocks();
    for edits in [whole_plan(1), one(1)] {
        // full from the beginning, and full when the parts are there
        pretend_free(1000);
        assert!(matches!(opened.change_plan("t", "x", edits.clone(), 1), Err(StoreError::Full { free_bytes: 1000, .. })));
        pretend_free(u64::MAX);
        let prepared = opened.prepare_plan("t", "x", edits, 1).unwrap().unwrap();
        pretend_free(1000);
        assert!(matches!(prepared.finish(), Err(StoreError::Full { .. })));
        pretend_free(u64::MAX);
        until("the parts are swept", || opened.blocks() == blocks);
        assert_eq!((shape_of(&opened), opened.revision()), (Some(0), 1));
    }
    change(&opened, whole_plan(2));
    assert_eq!(shape_of(&opened), Some(2));
    opened.close();
}

#[test]
fn a_page_of_a_plan_waits_while_it_is_being_written() {
    let dir = tempfile::tempdir().unwrap();
    let opened = Opened::open(dir.path());
    change(&opened, one(0));
    opened.shared.plans.begin("t");
    std::thread::scope(|scope| {
        let page = scope.spawn(|| opened.undisturbed("t", || opened.items("t", PlanSort::Group, None, 9)).unwrap());
        assert_eq!(opened.undisturbed("other", || Ok(())).unwrap().0, 0, "whom it doesn't concern doesn't wait");
        assert!(!page.is_finished());
        opened.shared.plans.end("t", 1);
        assert_eq!(page.join().unwrap(), (1, vec![item(&PlanKey::Group("a".into()), 0).with_revision(1)]));
    });
    // what a failed write has left is no plan at all
    opened.shared.plans.begin("t");
    opened.shared.fail(&StoreError::Failed("the disk is gone".into()));
    assert!(matches!(opened.undisturbed("t", || Ok(())), Err(StoreError::Failed(_))));
    opened.store.close();
}

#[test]
fn what_cant_be_stored_makes_nothing_of_a_change_true() {
    let dir = tempfile::tempdir().unwrap();
    let opened = Opened::open(dir.path());
    let mut wrong_user = whole_plan(0);
    wrong_user.puts.push(item(&PlanKey::User("pbx".into(), "a b".to_owned().replace(' ', "")), 0));
    let PlanItem::User(user) = wrong_user.puts.pop().unwrap() else { unreachable!() };
    wrong_user.puts.push(PlanItem::User(User { extension: "a b".into(), ..user }));
    let mut wrong_contact = whole_plan(0);
    wrong_contact.contacts.push(contact("a\0b", "x", &["4930123456"]));
    let mut large = whole_plan(0);
    large.contacts.push(Contact { note: Some("x".repeat(40_000)), ..contact("large", "x", &["4930123456"]) });
    for (edits, is_key) in [(wrong_user, true), (wrong_contact, true), (large, false)] {
        let refused = opened.change_plan("t", "x", edits, 0);
        assert!(matches!((&refused, is_key), (Err(StoreError::NotAKey(_)), true) | (Err(StoreError::TooLarge(_)), false)), "{refused:?}");
    }
    assert!(matches!(opened.change_plan("T", "x", one(0), 0), Err(StoreError::NotAKey(_))));
    assert_eq!((shape_of(&opened), opened.revision(), opened.blocks()), (None, 0, 0));
    opened.close();
}

#[test]
fn a_change_over_a_contact_is_refused_if_an_edit_or_an_import_came_in_between() {
    let dir = tempfile::tempdir().unwrap();
    let opened = Opened::open(dir.path());
    let before = contact("ada", "Ada", &["493011111"]);
    let back = |seen: u64, over: u64| {
        let edits = PlanEdits { contacts: vec![before.clone()], contacts_over: vec![("ada".into(), seen)], ..PlanEdits::default() };
        opened.change_plan("t", "ada", edits, over)
    };
    let is_stale =
        |done: Result<Option<EditOutcome>, StoreError>, now: u64| matches!(done, Err(StoreError::Stale { revision }) if revision == now);
    let seen = opened.import("file", &[contact("ada", "Ada Byron", &["493011111"])]).revision;
    // an import is no edit of the plan, so that only the contact's revision tells of it
    let now = opened.import("file", &[contact("ada", "Ada King", &["493011111"])]).revision;
    assert!(is_stale(back(seen, now), now));
    assert_eq!(opened.contact("t", "ada").unwrap().unwrap().1.name, "Ada King");
    let edited = opened.put(&contact("ada", "by hand", &["493011111"])).revision;
    assert!(is_stale(back(now, edited), edited));
    assert!(is_stale(back(0, edited), edited));
    assert!(back(edited, edited).unwrap().is_some());
    assert_eq!(opened.contact("t", "ada").unwrap().unwrap().1.name, "Ada");
    opened.close();
}
