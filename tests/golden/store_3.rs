//! What lies in `store-3.tar.gz`, a store of schema 3: how it was made, and what every later version must read in it.
//! Never change this file or the archive; a new schema gets its own.
//!
//! Schema 3 brought contacts with ranges, main numbers, an owner and a mark for favourites, and names in ASCII for an
//! extension.

use strowger::directory::{Contact, ContactNumber, Reach};
use strowger::number::{Kind, Number};
use strowger::routing::{Extension, FoundBy, PlanItem};
use strowger::store::{Edit, Store, StoreError};

/// The newest revision.
pub const REVISION: u64 = 6;

pub fn number(kind: Kind, digits: &str) -> Number {
    Number::from_key(kind, digits).expect("a number of that kind")
}

pub fn e164(digits: &str) -> Number {
    number(Kind::E164, digits)
}

pub fn extension(digits: &str) -> Number {
    number(Kind::Extension, digits)
}

fn many(digits: &str, typed: &str, label: Option<&str>, reach: Reach) -> ContactNumber {
    ContactNumber { reach, ..ContactNumber::of(e164(digits), typed, label.map(str::to_owned)) }
}

fn acme() -> Contact {
    Contact {
        company: Some("ACME".into()),
        tags: vec!["customer".into()],
        favourite: true,
        ..Contact::of(
            "acme",
            "ACME, Büro Berlin",
            vec![
                ContactNumber::of(e164("4930123456"), "030 123456", Some("office".into())),
                many("49301234", "+49 30 1234*", None, Reach::Beginning),
                many("4940555500", "+49 40 555500..99", Some("Hamburg"), Reach::To(e164("4940555599"))),
                many("4989777000", "+49 89 77700-0", Some("München"), Reach::Main),
            ],
        )
    }
}

fn personal() -> Contact {
    let numbers =
        vec![ContactNumber::of(e164("4930123456"), "+4930123456", None), many("493012349", "+493012349*", None, Reach::Beginning)];
    Contact { owner: Some(extension("101")), favourite: true, ..Contact::of("ada-101", "Tante Ada", numbers) }
}

/// What an import brought, in order: contacts of its own with a range each, every other one personal.
fn imported(n: usize) -> Contact {
    let digits = format!("4420{n:03}");
    let numbers = vec![many(&digits, &format!("+{digits}*"), None, Reach::Beginning)];
    let owner = (n % 2 == 1).then(|| extension("102"));
    Contact { source: "crm".into(), owner, ..Contact::of(format!("crm-{n}"), format!("Branch {n}"), numbers) }
}

/// The contacts of the tenant `home`, by id, with their revisions.
pub fn contacts() -> Vec<(u64, Contact)> {
    let mut all = vec![(1, acme()), (2, personal())];
    // the last one was removed by hand after it
    all.extend((0..5).map(|n| (3, imported(n))));
    // its range was taken away by hand after the import
    all[4] = (4, Contact { numbers: vec![ContactNumber::of(e164("4420002000"), "+4420002000", None)], ..imported(2) });
    all
}

/// An extension whose names are in ASCII.
pub fn telephone() -> Extension {
    Extension { name: Some("Küche".into()), ascii: true, ..Extension::of(extension("101")) }
}

/// Who calls, whom he calls, and by what he is found.
pub type Caller = (&'static str, Option<&'static str>, Option<(&'static str, FoundBy)>);

/// (number, who asks, the contact and in which way).
pub fn callers() -> Vec<Caller> {
    vec![
        ("4930123456", None, Some(("acme", FoundBy::Number))),
        ("4930123456", Some("101"), Some(("ada-101", FoundBy::Number))),
        ("4930123456", Some("102"), Some(("acme", FoundBy::Number))),
        ("493012349", None, Some(("acme", FoundBy::Beginning(8)))),
        ("493012349", Some("101"), Some(("ada-101", FoundBy::Beginning(9)))),
        ("4940555542", None, Some(("acme", FoundBy::Beginning(8)))),
        ("4940555600", None, None),
        ("4989777000", None, Some(("acme", FoundBy::Number))),
        ("4989777001", None, Some(("acme", FoundBy::Behind(9)))),
        ("498977700123456", None, Some(("acme", FoundBy::Behind(9)))),
        ("4420000123", None, Some(("crm-0", FoundBy::Beginning(7)))),
        ("4420001123", None, None),
        ("4420001123", Some("102"), Some(("crm-1", FoundBy::Beginning(7)))),
        ("4420002123", None, None),
        ("4420002000", None, Some(("crm-2", FoundBy::Number))),
        ("4420005123", Some("102"), None),
    ]
}

/// Does to a new store what was done to this one.
pub fn make(store: &Store) -> Result<(), StoreError> {
    store.edit("home", "ada", Edit::PutContact(acme()))?; // 1
    store.edit("home", "ada", Edit::PutContact(personal()))?; // 2
    let mut bulk = store.bulk("home", "crm");
    for n in 0..6 {
        bulk.push(&imported(n))?;
    }
    bulk.commit("import")?; // 3
    let changed = contacts().into_iter().find(|(_, c)| c.id == "crm-2").map(|(_, c)| c);
    if let Some(contact) = changed {
        store.edit("home", "ada", Edit::PutContact(contact))?; // 4
    }
    store.edit("home", "ada", Edit::RemoveContact("crm-5".into()))?; // 5
    store.edit("home", "ada", Edit::Put(PlanItem::Extension(telephone()))).map(drop) // 6
}
