//! A disk without space. A real one, without, is in `tests/store_process.rs`.

use super::*;

fn pretend_free(opened: &Opened, bytes: u64) {
    opened.shared.durable.engine.free_bytes.store(bytes, Ordering::Relaxed);
}

#[test]
fn a_full_disk_refuses_edits_and_loses_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let opened = Opened::open(dir.path());
    opened.put(&contact("ada", "Ada", &["4930123456"]));
    pretend_free(&opened, 1000);
    let refused = opened.edit("t", "x", Edit::PutContact(contact("bob", "Bob", &["4930111111"])));
    assert!(matches!(refused, Err(StoreError::Full { free_bytes: 1000, .. })), "{refused:?}");
    let mut bulk = opened.bulk("t", "file");
    bulk.push(&contact("bob", "Bob", &["4930111111"])).unwrap();
    assert!(matches!(bulk.commit("x"), Err(StoreError::Full { .. })));
    assert_eq!(opened.caller("4930123456").as_deref(), Some("ada"));
    // space again, and it goes on without a restart
    pretend_free(&opened, u64::MAX);
    opened.put(&contact("bob", "Bob", &["4930111111"]));
    opened.close();
    let opened = Opened::open(dir.path());
    assert_eq!(opened.caller("4930123456").as_deref(), Some("ada"));
    assert_eq!(opened.caller("4930111111").as_deref(), Some("bob"));
    opened.close();
}

#[test]
fn a_disk_that_fills_up_in_the_middle_of_an_import_leaves_the_store_as_it_was() {
    let dir = tempfile::tempdir().unwrap();
    let opened = Opened::open(dir.path());
    opened.import("file", &[contact("ada", "Ada", &["4930123456"])]);
    let blocks = opened.blocks();
    let mut bulk = opened.bulk("t", "file");
    for n in 0..2000 {
        bulk.push(&contact(&format!("c{n}"), "x", &["4930123456"])).unwrap();
    }
    let refused = std::thread::scope(|scope| {
        let commit = scope.spawn(|| bulk.commit("x"));
        until("some blocks are written", || opened.blocks() > blocks);
        pretend_free(&opened, 1000);
        commit.join().unwrap()
    });
    assert!(matches!(refused, Err(StoreError::Full { .. })), "{refused:?}");
    assert_eq!((opened.caller("4930123456").as_deref(), opened.revision()), (Some("ada"), 1));
    pretend_free(&opened, u64::MAX);
    until("the blocks are swept", || opened.blocks() == blocks);
    opened.put(&contact("bob", "Bob", &["4930111111"]));
    opened.close();
    let opened = Opened::open(dir.path());
    assert_eq!(opened.caller("4930123456").as_deref(), Some("ada"));
    assert_eq!((opened.contacts("t", "").count(), opened.revision()), (2, 2));
    opened.close();
}

#[test]
fn a_disk_that_is_full_is_told_by_the_status_as_long_as_it_is() {
    let dir = tempfile::tempdir().unwrap();
    let opened = Opened::open(dir.path());
    opened.put(&contact("ada", "Ada", &["4930123456"]));
    assert_eq!(opened.status().failed, None);
    pretend_free(&opened, 1000);
    let why = opened.status().failed.expect("edits are refused");
    assert!(why.contains("1000"), "{why}");
    assert!(opened.failure().is_none(), "it is no fault that stays");
    // another process has it: what that one's edits meet is told by that one
    opened.detach().unwrap();
    assert_eq!(opened.status().failed, None);
    opened.attach().unwrap();
    assert!(opened.status().failed.is_some());
    pretend_free(&opened, u64::MAX);
    assert_eq!(opened.status().failed, None);
    opened.put(&contact("bob", "Bob", &["4930111111"]));
    opened.close();
}
