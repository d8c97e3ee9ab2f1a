//! The store passes to another process and back.

use super::*;

fn known(opened: &Opened, number: &str) -> Vec<String> {
    let known = opened.in_snapshot("t", |data| data.known(&e164(number), None, 2)).unwrap().unwrap();
    known.names.into_iter().map(|n| n.name).collect()
}

#[test]
fn calls_go_on_from_the_snapshot_while_another_process_has_the_store() {
    let dir = tempfile::tempdir().unwrap();
    let old = Opened::open(dir.path());
    old.import("file", &[contact("f1", "From a file", &["4930123456"])]);
    old.put(&contact("c1", "By hand", &["4930111111"]));
    old.detach().unwrap();
    let refused = old.edit("t", "ada", Edit::PutContact(contact("c2", "Late", &["4930222222"]))).unwrap_err();
    assert!(matches!(refused, StoreError::HandedOver), "{refused}");
    assert!(matches!(old.contacts("t", "").next(), Some(Err(StoreError::HandedOver))));
    assert!(matches!(old.compact(), Err(StoreError::HandedOver)));
    assert!(old.failure().is_none(), "being refused is no fault of the store");
    let new = Opened::open(dir.path());
    assert_eq!((new.revision(), known(&new, "4930111111")), (old.revision(), vec!["By hand".to_owned()]));
    new.put(&contact("c2", "New", &["4930222222"]));
    assert_eq!(known(&old, "4930111111"), ["By hand"]);
    assert_eq!(known(&old, "4930123456"), ["From a file"]);
    assert!(known(&old, "4930222222").is_empty());
    assert_eq!(known(&new, "4930222222"), ["New"]);
    // the old one ends, and touches nothing of the new one's
    old.close();
    new.put(&contact("c3", "Newer", &["4930333333"]));
    new.close();
    assert_eq!(Opened::open(dir.path()).contacts("t", "").count(), 4);
}

#[test]
fn a_store_that_comes_back_unchanged_takes_edits_again() {
    let dir = tempfile::tempdir().unwrap();
    let old = Opened::open(dir.path());
    old.put(&contact("c1", "One", &["4930111111"]));
    for n in 0..3 {
        old.detach().unwrap();
        old.detach().unwrap();
        Opened::open(dir.path()).close();
        old.attach().unwrap();
        old.attach().unwrap();
        old.put(&contact(&format!("d{n}"), "Two", &["4930222222"]));
    }
    assert_eq!(old.contacts("t", "").count(), 4);
    assert_eq!(known(&old, "4930222222").len(), 2);
    old.close();
    assert_eq!(Opened::open(dir.path()).contacts("t", "").count(), 4);
}

#[test]
fn a_store_that_another_process_edited_is_not_taken_back_for_edits() {
    let dir = tempfile::tempdir().unwrap();
    let old = Opened::open(dir.path());
    old.put(&contact("c1", "One", &["4930111111"]));
    old.detach().unwrap();
    let new = Opened::open(dir.path());
    new.put(&contact("c2", "Two", &["4930222222"]));
    new.close();
    assert!(matches!(old.attach(), Err(StoreError::Failed(_))));
    assert!(old.edit("t", "ada", Edit::RemoveContact("c1".into())).is_err());
    assert_eq!(known(&old, "4930111111"), ["One"], "calls are still answered");
}

#[test]
fn a_store_of_a_newer_schema_is_left_alone_when_it_comes_back() {
    let dir = tempfile::tempdir().unwrap();
    let old = Opened::open(dir.path());
    old.put(&contact("c1", "One", &["4930111111"]));
    old.detach().unwrap();
    Marker { schema: SCHEMA + 1, revision: 1 }.write(dir.path()).unwrap();
    assert!(matches!(old.attach(), Err(StoreError::Newer { .. })));
    assert!(matches!(Store::check_schema(dir.path()), Err(StoreError::Newer { .. })));
    assert_eq!(known(&old, "4930111111"), ["One"]);
}

#[test]
fn what_is_being_put_together_or_read_holds_the_store_back() {
    let dir = tempfile::tempdir().unwrap();
    let opened = Opened::open(dir.path());
    for n in 0..300 {
        opened.put(&contact(&format!("c{n:03}"), "Somebody", &["4930111111"]));
    }
    let mut bulk = opened.bulk("t", "file");
    (0..2000).for_each(|n| bulk.push(&contact(&format!("f{n:04}"), "From a file", &["4930123456"])).unwrap());
    let mut staging = bulk.begin().unwrap();
    assert!(matches!(opened.detach(), Err(StoreError::Busy(_))), "an import is being put together");
    while !staging.step().unwrap() {}
    staging.finish("ada").unwrap();
    let mut list = opened.contacts("t", "");
    list.next().unwrap().unwrap();
    assert!(matches!(opened.detach(), Err(StoreError::Busy(_))), "somebody is in the middle of a list");
    opened.put(&contact("d1", "In use as before", &["4930111112"]));
    // what was put meanwhile may be among them
    let rest = list.map(Result::unwrap).fold(0, |count, _| count + 1);
    assert!((2299..=2300).contains(&rest), "{rest}");
    opened.detach().unwrap();
}
