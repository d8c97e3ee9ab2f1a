use super::*;
use crate::clock::SystemClock;
use crate::directory::{Contact, ContactNumber};
use crate::number::NumberPlan;
use crate::store::{Edit, Store};
use std::thread::JoinHandle;

struct Place {
    store: Store,
    writer: JoinHandle<()>,
    searches: Searches,
    _dir: tempfile::TempDir,
}

fn contact(id: &str, name: &str) -> Contact {
    let number = NumberPlan::new(None).parse("+4930123456").unwrap();
    Contact::of(id, name, vec![ContactNumber::of(number, "+4930123456", None)])
}

impl Place {
    fn new() -> Place {
        let dir = tempfile::tempdir().unwrap();
        let (store, writer) = Store::open(&dir.path().join("store"), Arc::new(SystemClock)).unwrap();
        let writer = std::thread::spawn(move || writer.run());
        Place { store, writer, searches: Searches::default(), _dir: dir }
    }

    fn put(&self, tenant: &str, id: &str, name: &str) {
        self.store.edit(tenant, "ada", Edit::PutContact(contact(id, name))).unwrap();
    }

    fn import(&self, contacts: &[(&str, &str)]) {
        let mut bulk = self.store.bulk("t", "crm");
        contacts.iter().for_each(|(id, name)| bulk.push(&contact(id, name)).unwrap());
        bulk.commit("ada").unwrap();
    }

    fn find(&self, tenant: &str, text: &str) -> Vec<String> {
        let query = Query::read(text, &NumberPlan::new(None)).unwrap();
        let found = self.searches.search(&self.store, tenant, &query, None, 20);
        let Ok(found) = found else { panic!("the search of {text} was refused") };
        found.hits.into_iter().map(|(id, _)| id).collect()
    }

    fn close(self) {
        self.store.close();
        drop(self.store);
        self.writer.join().unwrap();
    }
}

#[test]
fn a_search_after_an_acknowledged_edit_sees_it() {
    let place = Place::new();
    place.put("t", "a", "Ada Lovelace");
    assert_eq!(place.find("t", "love"), ["a"]);
    place.put("t", "b", "Bob Lovett");
    assert_eq!(place.find("t", "love"), ["b", "a"]);
    place.put("t", "a", "Ada Byron");
    assert_eq!(place.find("t", "love"), ["b"]);
    assert_eq!(place.find("t", "byron"), ["a"]);
    place.store.edit("t", "ada", Edit::RemoveContact("b".into())).unwrap();
    assert_eq!(place.find("t", "love"), [""; 0]);
    place.close();
}

#[test]
fn a_search_after_an_import_sees_what_it_brought_and_not_what_it_took() {
    let place = Place::new();
    place.put("t", "hand", "Ada Hand");
    place.import(&[("x", "Ada One"), ("y", "Ada Two")]);
    assert_eq!(place.find("t", "ada"), ["x", "y", "hand"]);
    place.import(&[("y", "Ada Twofold"), ("z", "Ada Three")]);
    assert_eq!(place.find("t", "ada").len(), place.store.contacts("t", "").count());
    assert_eq!(place.find("t", "twofold"), ["y"]);
    assert_eq!(place.find("t", "three"), ["z"]);
    // an edit over an import
    place.put("t", "z", "Zoe");
    assert_eq!(place.find("t", "three"), [""; 0]);
    assert_eq!(place.find("t", "zoe"), ["z"]);
    place.close();
}

#[test]
fn a_tenant_finds_its_own_contacts_only() {
    let place = Place::new();
    place.put("t", "a", "Ada");
    place.put("other", "b", "Ada");
    assert_eq!(place.find("t", "ada"), ["a"]);
    assert_eq!(place.find("other", "ada"), ["b"]);
    place.put("other", "c", "Adam");
    assert_eq!(place.find("t", "ada"), ["a"]);
    assert_eq!(place.find("nobody", "ada"), [""; 0]);
    place.close();
}

#[test]
fn an_index_is_kept_while_it_is_used_and_let_go_when_it_is_not() {
    let place = Place::new();
    place.put("t", "a", "Ada");
    assert_eq!(place.searches.bytes(), 0, "nobody has searched");
    place.find("t", "ada");
    let used_us = place.store.clock().monotonic_us();
    place.searches.forget(used_us + UNUSED_US_MAX - 60_000_000);
    assert!(place.searches.bytes() > 0);
    place.searches.forget(used_us + UNUSED_US_MAX + 1);
    assert_eq!(place.searches.bytes(), 0);
    assert_eq!(place.find("t", "ada"), ["a"], "the next search has it built again");
    place.close();
}

#[test]
fn more_changes_than_an_index_takes_have_it_built_anew() {
    let place = Place::new();
    place.put("t", "a", "Ada");
    place.find("t", "ada");
    let slot = place.searches.slot("t", 0);
    let changes = || slot.built.read().unwrap().as_ref().map(|built| built.index.changes());
    {
        let mut built = slot.built.write().unwrap();
        let index = &mut built.as_mut().unwrap().index;
        (0..=CHANGES_MAX).for_each(|_| index.change("nobody", None));
    }
    place.put("t", "b", "Adam");
    assert_eq!(place.find("t", "ada"), ["a", "b"]);
    assert!(changes().is_some_and(|n| n < CHANGES_MAX));
    place.close();
}

#[test]
fn whoever_searches_while_the_index_is_built_is_told_so() {
    let place = Place::new();
    let slot = place.searches.slot("t", 0);
    let building = slot.built.write().unwrap();
    let query = Query::read("ada", &NumberPlan::new(None)).unwrap();
    assert!(matches!(place.searches.search(&place.store, "t", &query, None, 20), Err(Unfound::Building)));
    drop(building);
    assert_eq!(place.find("t", "ada"), [""; 0]);
    place.close();
}
