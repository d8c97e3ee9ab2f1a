//! Compaction: calls and edits go on, nothing is lost, whenever the process is killed.

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;
use strowger::clock::SystemClock;
use strowger::directory::{Contact, ContactNumber};
use strowger::number::{Kind, Number};
use strowger::store::{Edit, Store};
use support::Place;

const TENANT: &str = "[[tenant]]\nid = \"default\"\ncountry = \"US\"\n";

fn number(n: u64) -> Number {
    Number::from_key(Kind::E164, &format!("1415{n:07}")).unwrap()
}

fn contact(id: &str, name: &str, n: u64) -> Contact {
    Contact::of(id, name, vec![ContactNumber::of(number(n), number(n).to_string(), None)])
}

#[test]
fn edits_and_calls_go_on_while_the_store_is_compacted() {
    let dir = tempfile::tempdir().unwrap();
    let place = dir.path().join("store");
    let (store, writer) = Store::open(&place, Arc::new(SystemClock)).unwrap();
    let writer = std::thread::spawn(move || writer.with_snapshot().run());
    // what makes garbage: the same contacts again and again
    for round in 0..5 {
        let mut bulk = store.bulk("t", "file");
        (0..3000).for_each(|n| bulk.push(&contact(&format!("f{n}"), &format!("{round} {}", "x".repeat(200)), n)).unwrap());
        bulk.commit("x").unwrap();
    }
    let (stop, acked) = (AtomicBool::new(false), AtomicU64::new(0));
    let mut all = Vec::new();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for n in 1.. {
                store.edit("t", "x", Edit::PutContact(contact(&format!("e{n}"), &n.to_string(), 1_000_000 + n))).unwrap();
                acked.store(n, Ordering::SeqCst);
                if stop.load(Ordering::Relaxed) {
                    break;
                }
            }
        });
        scope.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                let found = store.in_snapshot("t", |d| d.caller(&number(7))).unwrap().unwrap();
                assert_eq!(found.unwrap().contact, "f7", "a call was answered wrongly");
                // and administrators read what was acknowledged
                let n = acked.load(Ordering::SeqCst);
                assert!(n == 0 || store.contact("t", &format!("e{n}")).unwrap().is_some(), "e{n}");
            }
        });
        for _ in 0..3 {
            std::thread::sleep(Duration::from_millis(100));
            all.push(store.compact().unwrap());
        }
        stop.store(true, Ordering::Relaxed);
    });
    println!("{all:?}");
    assert!(all[0].bytes_after < all[0].bytes_before, "{all:?}");
    let last = acked.load(Ordering::SeqCst);
    assert!(last > 10, "edits went on: {last}");
    let check = |store: &Store| {
        for n in 1..=last {
            assert_eq!(store.contact("t", &format!("e{n}")).unwrap().unwrap().1.name, n.to_string());
        }
        let checked = store.check().unwrap();
        assert!(checked.is_sound(), "{:?}", checked.problems);
    };
    check(&store);
    store.close();
    writer.join().unwrap();
    drop(store);
    let (store, _writer) = loop {
        match Store::open(&place, Arc::new(SystemClock)) {
            Err(strowger::store::StoreError::Locked(_)) => std::thread::sleep(Duration::from_millis(5)),
            opened => break opened.unwrap(),
        }
    };
    check(&store);
    assert!(!dir.path().join("store.compacting").exists());
}

#[test]
fn a_compaction_that_is_killed_at_any_moment_loses_no_acknowledged_edit() {
    let place = Place::new(TENANT);
    let rows: String = (0..3000).map(|n| format!("n{n},name {n},+1415{n:07}\n")).collect();
    let csv = place.file("file.csv", format!("id,name,number\n{rows}"));
    place.done(&["contact", "import", &csv]);
    let begun = std::time::Instant::now();
    place.done(&["store", "compact"]);
    let whole = begun.elapsed();
    for round in 0..20u32 {
        let mut server = place.serve(&[]);
        let mut compacting = place.command(&["store", "compact"]).stdout(std::process::Stdio::null()).spawn().unwrap();
        let name = format!("round {round}");
        place.done(&["contact", "set", "a", "--name", &name, "--number", "+14155550101"]);
        std::thread::sleep(whole * round / 16);
        server.child.kill().unwrap();
        let _ = server.child.wait();
        let _ = compacting.wait();
        let said = place.done(&["contact", "show", "a", "--json"]).json();
        assert_eq!(said["name"], name.as_str());
        let checked = place.done(&["store", "check", "--json"]).json();
        assert_eq!((checked["contacts"].as_u64(), checked["problems"].as_array().map(Vec::len)), (Some(3001), Some(0)), "{checked:?}");
        assert!(!place.data().join("store.compacting").exists());
    }
}

#[test]
fn the_command_line_compacts_with_a_server_and_without_one() {
    let place = Place::new(TENANT);
    place.done(&["contact", "set", "a", "--name", "One", "--number", "+14155550101"]);
    assert!(place.done(&["store", "compact"]).out.contains("compacted (revision 1)"));
    let server = place.serve(&[]);
    assert!(place.done(&["store", "compact"]).out.contains("edits waited"));
    place.done(&["contact", "set", "a", "--name", "Two", "--number", "+14155550101"]);
    assert!(place.done(&["name", "+14155550101"]).out.contains("Two"));
    drop(server);
    assert!(place.done(&["contact", "show", "a"]).out.contains("Two"));
    assert!(place.done(&["undo", "2"]).out.contains("undone"));
}
