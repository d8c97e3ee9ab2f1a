//! Imports: what they lay over what.

use super::*;

#[test]
fn the_same_file_again_changes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let opened = Opened::open(dir.path());
    let file: Vec<Contact> = (0..40).map(|n| contact(&format!("c{n}"), &format!("Name {n}"), &[&format!("4930{n:06}")])).collect();
    let first = opened.import("file", &file);
    assert_eq!((first.added, first.changed, first.unchanged, first.revision), (40, 0, 0, 1));
    let blocks = opened.blocks();
    let again = opened.import("file", &file);
    assert_eq!((again.added, again.changed, again.unchanged, again.revision), (0, 0, 40, 1));
    assert_eq!((opened.revision(), opened.blocks()), (1, blocks));
    opened.close();
}

#[test]
fn a_removed_contact_of_an_import_stays_removed_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let opened = Opened::open(dir.path());
    opened.import("file", &[contact("ada", "Ada", &["4930123456"]), contact("bob", "Bob", &["4930123456"])]);
    assert_eq!(opened.caller("4930123456").as_deref(), Some("ada"));
    assert!(opened.edit("t", "x", Edit::RemoveContact("ada".into())).unwrap().existed);
    assert_eq!(opened.caller("4930123456").as_deref(), Some("bob"));
    opened.close();
    let opened = Opened::open(dir.path());
    assert_eq!(opened.caller("4930123456").as_deref(), Some("bob"));
    assert!(opened.contact("t", "ada").unwrap().is_none());
    opened.close();
}

#[test]
fn an_import_speaks_over_older_edits_and_keeps_what_it_doesnt_name() {
    let dir = tempfile::tempdir().unwrap();
    let opened = Opened::open(dir.path());
    opened.import(
        "file",
        &[contact("ada", "Ada", &["493011111"]), contact("bob", "Bob", &["493022222"]), contact("eve", "Eve", &["493033333"])],
    );
    opened.put(&contact("ada", "Ada by hand", &["493044444"]));
    opened.put(&contact("bob", "Bob by hand", &["493022222"]));
    opened.put(&contact("own", "Own", &["493055555"]));
    opened.edit("t", "x", Edit::RemoveContact("eve".into())).unwrap();
    let outcome = opened.import("file", &[contact("ada", "Ada", &["493011111"])]);
    assert_eq!((outcome.added, outcome.changed, outcome.unchanged), (0, 1, 0));
    for _ in 0..2 {
        assert_eq!(opened.caller("493011111").as_deref(), Some("ada"));
        assert_eq!(opened.caller("493044444"), None);
        assert_eq!(opened.contact("t", "bob").unwrap().unwrap().1.name, "Bob by hand");
        assert_eq!(opened.caller("493022222").as_deref(), Some("bob"));
        assert_eq!(opened.caller("493033333"), None);
        assert_eq!(opened.caller("493055555").as_deref(), Some("own"));
    }
    opened.close();
}

#[test]
fn an_import_leaves_the_revision_of_what_it_doesnt_change() {
    let dir = tempfile::tempdir().unwrap();
    let opened = Opened::open(dir.path());
    opened.import("file", &[contact("zoe", "Zoe", &["493011111"]), contact("bob", "Bob", &["493022222"])]);
    opened.put(&contact("ada", "Ada", &["493011111"]));
    assert_eq!(opened.caller("493011111").as_deref(), Some("ada"));
    // a new line in the file must not make Zoe the one whose name is shown
    opened.import("file", &[contact("zoe", "Zoe", &["493011111"]), contact("new", "New", &["493033333"])]);
    assert_eq!(opened.caller("493011111").as_deref(), Some("ada"));
    let revision = |id| opened.contact("t", id).unwrap().unwrap().0;
    assert_eq!((revision("zoe"), revision("bob"), revision("ada"), revision("new")), (1, 1, 2, 3));
    opened.close();
}

#[test]
fn an_edit_made_while_an_import_is_put_together_stands() {
    let dir = tempfile::tempdir().unwrap();
    let opened = Opened::open(dir.path());
    opened.import("file", &[contact("ada", "Ada", &["493011111"]), contact("bob", "Bob", &["493022222"])]);
    let mut bulk = opened.bulk("t", "file");
    for c in
        [contact("ada", "Ada in the file", &["493033333"]), contact("new", "New", &["493044444"]), contact("bob", "Bobby", &["493022222"])]
    {
        bulk.push(&c).unwrap();
    }
    bulk.sort();
    let staged = bulk.stage().unwrap();
    // only the name: the number's entry lay in the generation that is replaced
    opened.put(&contact("ada", "Ada by hand", &["493011111"]));
    opened.edit("t", "x", Edit::RemoveContact("bob".into())).unwrap();
    // nobody has it yet, and the import must not bring it back
    opened.put(&contact("new", "New by hand", &["493044444"]));
    opened.edit("t", "x", Edit::RemoveContact("new".into())).unwrap();
    assert!(staged.finish("x").unwrap().is_some());
    drop(bulk);
    opened.close();
    let opened = Opened::open(dir.path());
    assert_eq!(opened.caller("493011111").as_deref(), Some("ada"));
    assert_eq!(opened.contact("t", "ada").unwrap().unwrap().1.name, "Ada by hand");
    assert_eq!((opened.caller("493033333"), opened.caller("493022222"), opened.caller("493044444")), (None, None, None));
    opened.close();
}

#[test]
fn of_two_imports_at_once_neither_loses_a_contact() {
    let dir = tempfile::tempdir().unwrap();
    let opened = Opened::open(dir.path());
    std::thread::scope(|scope| {
        for n in 0..4 {
            let opened = &opened;
            scope.spawn(move || {
                let contacts: Vec<_> = (0..25).map(|m| contact(&format!("c{n}-{m}"), "x", &[&format!("4930{n}{m:04}")])).collect();
                opened.import("file", &contacts)
            });
        }
    });
    assert_eq!(opened.contacts("t", "").count(), 100);
    assert_eq!(opened.revision(), 4);
    opened.close();
}

#[test]
fn an_import_that_was_dropped_leaves_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let opened = Opened::open(dir.path());
    let mut bulk = opened.bulk("t", "file");
    for n in 0..50 {
        bulk.push(&contact(&format!("c{n}"), "x", &["4930123456"])).unwrap();
    }
    bulk.sort();
    let staged = bulk.stage().unwrap();
    assert!(opened.blocks() > 5);
    drop(staged);
    until("the blocks are swept", || opened.blocks() == 0);
    assert_eq!((opened.caller("4930123456"), opened.revision()), (None, 0));
    opened.close();
}

#[test]
fn an_import_that_a_crash_cut_is_swept_at_the_next_start() {
    let dir = tempfile::tempdir().unwrap();
    let opened = Opened::open(dir.path());
    opened.import("file", &[contact("ada", "Ada", &["4930123456"])]);
    let blocks = opened.blocks();
    let mut bulk = opened.bulk("t", "file");
    for n in 0..50 {
        bulk.push(&contact(&format!("c{n}"), "x", &["4930123456"])).unwrap();
    }
    bulk.sort();
    // neither finished nor dropped, as after a crash; only its handle of the store must go
    let staged = bulk.stage().unwrap();
    assert!(opened.blocks() > blocks);
    opened.store.close();
    let Opened { store, writer } = opened;
    writer.join().unwrap();
    drop((staged, bulk, store));
    let opened = Opened::open(dir.path());
    until("the blocks are swept", || opened.blocks() == blocks);
    assert_eq!(opened.caller("4930123456").as_deref(), Some("ada"));
    // and the next import is not taken for the dead one
    opened.import("file", &[contact("bob", "Bob", &["4930111111"])]);
    assert_eq!(opened.caller("4930111111").as_deref(), Some("bob"));
    opened.close();
}

#[test]
fn a_reader_in_the_middle_of_a_list_reads_on_while_an_import_replaces_it() {
    let dir = tempfile::tempdir().unwrap();
    let opened = Opened::open(dir.path());
    let file = |name: &str| (0..60).map(|n| contact(&format!("c{n:02}"), name, &["4930123456"])).collect::<Vec<_>>();
    opened.import("file", &file("old"));
    let mut list = opened.contacts("t", "");
    assert_eq!(list.next().unwrap().unwrap().1.name, "old");
    opened.import("file", &file("new"));
    std::thread::sleep(Duration::from_millis(500));
    let rest: Vec<String> = list.by_ref().map(|c| c.unwrap().1.name).collect();
    assert_eq!(rest, vec!["old"; 59]);
    drop(list);
    let both = opened.blocks();
    // what an import replaced is kept until the next one, so that it can be undone
    opened.import("file", &file("newest"));
    until("the oldest blocks are swept", || opened.blocks() <= both + both / 4);
    assert_eq!(opened.contacts("t", "").map(|c| c.unwrap().1.name).collect::<Vec<_>>(), vec!["newest"; 60]);
    opened.close();
}

#[test]
fn an_import_owns_what_it_brings_whatever_the_rows_say() {
    let dir = tempfile::tempdir().unwrap();
    let opened = Opened::open(dir.path());
    let foreign = Contact { source: "elsewhere".into(), ..contact("ada", "Ada", &["4930123456"]) };
    opened.import("file", &[foreign]);
    assert_eq!(opened.contact("t", "ada").unwrap().unwrap().1.source, "file");
    opened.import("file", &[contact("bob", "Bob", &["4930111111"])]);
    assert_eq!(opened.caller("4930123456").as_deref(), Some("ada"));
    opened.close();
}

#[test]
fn of_rows_with_one_id_the_last_stays() {
    let dir = tempfile::tempdir().unwrap();
    let opened = Opened::open(dir.path());
    let outcome = opened.import(
        "file",
        &[contact("ada", "first", &["493011111"]), contact("bob", "b", &["493033333"]), contact("ada", "last", &["493022222"])],
    );
    assert_eq!(outcome.added, 2);
    assert_eq!((opened.caller("493011111"), opened.caller("493022222").as_deref()), (None, Some("ada")));
    opened.close();
}

#[test]
fn what_a_replaced_source_drops_doesnt_come_back_from_a_layer_below() {
    let dir = tempfile::tempdir().unwrap();
    let opened = Opened::open(dir.path());
    let replace = |source: &str, contacts: &[Contact]| {
        let mut bulk = opened.bulk_as("t", source, ImportMode::Replace);
        contacts.iter().for_each(|c| bulk.push(c).unwrap());
        bulk.commit("x").unwrap()
    };
    // below crm's contact lie one of ldap and one made by hand
    opened.put(&contact("ada", "by hand", &["493011111"]));
    replace("ldap", &[contact("ada", "ldap", &["493022222"])]);
    let bob = contact("bob", "Bob", &["493044444"]);
    assert_eq!(replace("crm", &[contact("ada", "crm", &["493033333"]), bob.clone()]).taken, 1);
    assert_eq!(replace("crm", std::slice::from_ref(&bob)).removed, 1);
    // and it stays away through the next ones of crm
    for round in 0..3 {
        replace("crm", &[contact("bob", &format!("Bob {round}"), &["493044444"])]);
        assert!(opened.contact("t", "ada").unwrap().is_none());
        assert_eq!(["493011111", "493022222", "493033333"].map(|n| opened.caller(n)), [None, None, None]);
    }
    opened.close();
    let opened = Opened::open(dir.path());
    assert!(opened.contact("t", "ada").unwrap().is_none());
    assert_eq!(opened.contacts("t", "").count(), 1);
    opened.close();
}

/// `replace` of a source, or what it would do.
fn replacing(opened: &Opened, contacts: &[Contact]) -> Bulk {
    let mut bulk = opened.bulk_as("t", "crm", ImportMode::Replace);
    contacts.iter().for_each(|c| bulk.push(c).unwrap());
    bulk
}

#[test]
fn a_correction_that_the_source_has_taken_over_is_the_sources_to_remove() {
    for mode in [ImportMode::Merge, ImportMode::Replace, ImportMode::Update] {
        let dir = tempfile::tempdir().unwrap();
        let opened = Opened::open(dir.path());
        let (ada, right) = (contact("ada", "Ada", &["493011111"]), contact("ada", "Ada Byron", &["493022222"]));
        let bob = contact("bob", "Bob", &["493044444"]);
        opened.import("crm", &[ada, bob.clone()]);
        let edit = opened.put(&right).revision;
        // somebody corrects it there as well
        let same = [right.clone(), bob.clone()];
        let import = |mode| {
            let mut bulk = opened.bulk_as("t", "crm", mode);
            same.iter().for_each(|c| bulk.push(c).unwrap());
            bulk.commit("x").unwrap()
        };
        let agreed = import(mode);
        assert_eq!((agreed.unchanged, agreed.added + agreed.changed + agreed.removed), (2, 0), "{mode}");
        let (revision, there) = opened.contact("t", "ada").unwrap().unwrap();
        assert_eq!((revision, there.name.as_str()), (edit, "Ada Byron"), "{mode}: it is what it was");
        // the same once more brings nothing new
        assert_eq!((import(mode).revision, opened.revision()), (agreed.revision, agreed.revision), "{mode}");
        let gone = replacing(&opened, std::slice::from_ref(&bob)).preview(9).unwrap();
        assert_eq!((gone.counts.removed, gone.counts.kept, gone.removed[0].by_hand), (1, 0, false), "{mode}");
        assert_eq!(replacing(&opened, std::slice::from_ref(&bob)).commit("x").unwrap().removed, 1);
        for _ in 0..2 {
            assert!(opened.contact("t", "ada").unwrap().is_none(), "{mode}");
            assert_eq!(["493011111", "493022222"].map(|n| opened.caller(n)), [None, None], "{mode}");
            opened.import("ldap", &[contact("zoe", "Zoe", &["493055555"])]);
        }
        assert_eq!(opened.check().unwrap().problems, Vec::<String>::new());
        opened.close();
        let opened = Opened::open(dir.path());
        assert!(opened.contact("t", "ada").unwrap().is_none(), "{mode}");
        opened.close();
    }
}

#[test]
fn undoing_an_import_that_agreed_with_an_edit_leaves_the_edit_and_makes_it_one_by_hand_again() {
    let dir = tempfile::tempdir().unwrap();
    let opened = Opened::open(dir.path());
    let right = contact("ada", "Ada Byron", &["493022222"]);
    opened.import("crm", &[contact("ada", "Ada", &["493011111"]), contact("bob", "Bob", &["493044444"])]);
    let edit = opened.put(&right).revision;
    let agreed = replacing(&opened, std::slice::from_ref(&right)).commit("x").unwrap();
    assert_eq!((agreed.unchanged, agreed.removed), (1, 1));
    opened.undo_import("t", "x", agreed.revision).unwrap().unwrap();
    let (revision, there) = opened.contact("t", "ada").unwrap().unwrap();
    assert_eq!((revision, there.name.as_str()), (edit, "Ada Byron"));
    assert_eq!(["493011111", "493022222", "493044444"].map(|n| opened.caller(n)), [None, Some("ada".into()), Some("bob".into())]);
    let gone = replacing(&opened, &[]).commit("x").unwrap();
    assert_eq!((gone.removed, gone.kept), (1, 1), "it is by hand again");
    opened.close();
}

#[test]
fn an_edit_that_no_row_of_its_source_agrees_with_stays_one_by_hand() {
    let dir = tempfile::tempdir().unwrap();
    let opened = Opened::open(dir.path());
    opened.import("crm", &[contact("ada", "Ada", &["493011111"]), contact("bob", "Bob", &["493044444"])]);
    let right = contact("ada", "Ada Byron", &["493011111"]);
    opened.put(&right);
    // another source's update says the same, which says nothing of what crm has
    let mut update = opened.bulk_as("t", "ldap", ImportMode::Update);
    update.push(&right).unwrap();
    assert_eq!(update.commit("x").unwrap(), BulkOutcome { revision: 2, unchanged: 1, ..BulkOutcome::default() });
    let outcome = replacing(&opened, &[contact("bob", "Bob", &["493044444"])]).commit("x").unwrap();
    assert_eq!((outcome.removed, outcome.kept, outcome.unchanged), (0, 1, 1));
    assert_eq!(opened.contact("t", "ada").unwrap().unwrap().1.name, "Ada Byron");
    opened.close();
}

#[test]
fn no_call_meets_half_of_an_import() {
    let dir = tempfile::tempdir().unwrap();
    let opened = Opened::open(dir.path());
    let numbers: Vec<String> = (0..50).map(|n| format!("4930{n:06}")).collect();
    let file = |round: usize| -> Vec<Contact> { numbers.iter().map(|n| contact(&format!("c{n}"), &round.to_string(), &[n])).collect() };
    let blocked =
        |round: usize| Screen { list: List::Block, key: ScreenKey::Number(e164(&format!("49301{round:05}"))), action: None, rate: None };
    opened.import("file", &file(0));
    let done = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::Acquire) {
                let seen = opened.in_snapshot("t", |d| {
                    let name = |n: &String| d.caller(&e164(n)).unwrap().unwrap().name;
                    let names: BTreeSet<String> = numbers.iter().map(name).collect();
                    let round: usize = names.first().unwrap().parse().unwrap();
                    // what the same import blocks is blocked in the same moment
                    let is_blocked = |r| d.screen_number(List::Block, &e164(&format!("49301{r:05}"))).unwrap().is_some();
                    (names.len(), round == 0 || is_blocked(round), is_blocked(round + 1))
                });
                assert_eq!(seen.unwrap(), (1, true, false));
            }
        });
        for round in 1..30 {
            let mut bulk = opened.bulk_as("t", "file", ImportMode::Replace);
            file(round).iter().for_each(|c| bulk.push(c).unwrap());
            bulk.screen(blocked(round));
            bulk.commit("x").unwrap();
        }
        done.store(true, Ordering::Release);
    });
    opened.close();
}
