//! What lies in `store-1.tar.gz`, a store of schema 1: how it was made, and what every later version must read in it.
//! Never change this file or the archive; a new schema gets its own.

use strowger::directory::{Contact, ContactNumber};
use strowger::number::{Kind, Number};
use strowger::routing::{A1Hash, Action, List, Prefix, Route, RouteKey, Screen, ScreenKey, Step, User};
use strowger::store::{Edit, Store, StoreError};

/// When everything was done, in microseconds since 1970.
pub const AT_US: u64 = 1_700_000_000_123_456;
/// The newest revision.
pub const REVISION: u64 = 24;

pub fn number(kind: Kind, digits: &str) -> Number {
    Number::from_key(kind, digits).expect("a number of that kind")
}

fn e164(digits: &str) -> Number {
    number(Kind::E164, digits)
}

fn contact(id: &str, name: &str, source: &str, numbers: &[(Number, &str, Option<&str>)]) -> Contact {
    let numbers = numbers.iter().map(|(number, typed, label)| ContactNumber::of(number.clone(), *typed, label.map(str::to_owned)));
    Contact { source: source.to_owned(), ..Contact::of(id, name, numbers.collect()) }
}

fn school() -> Contact {
    Contact {
        company: Some("Stadt Köln".to_owned()),
        tags: vec!["school".to_owned(), "vip".to_owned()],
        note: Some("Sekretariat bis 14 Uhr\n\"ring twice\" 📞".to_owned()),
        ..contact(
            "school",
            "Schule am Wald, Büro",
            "",
            &[
                (e164("4930123456"), "030 / 12 34 56", Some("office")),
                (e164("491701234567"), "+49 170 1234567", Some("mobile")),
                (number(Kind::Extension, "0101"), "0101", None),
                (number(Kind::Opaque, "büro.süd"), "büro.süd", None),
                (number(Kind::FeatureCode, "*21"), "*21", None),
                (number(Kind::ShortCode, "116117"), "116117", None),
                (number(Kind::Emergency, "112"), "112", None),
            ],
        )
    }
}

fn imported(name: &str) -> Vec<Contact> {
    let crm = |n: usize| contact(&format!("crm-{n}"), &format!("{name} {n}"), "crm", &[(e164(&format!("1415555{n:04}")), "typed", None)]);
    (0..8).map(crm).collect()
}

/// The contacts of the tenant `home`, by id, with their revisions.
pub fn contacts() -> Vec<(u64, Contact)> {
    let mut all: Vec<(u64, Contact)> = imported("Imported").into_iter().map(|c| (3, c)).collect();
    // changed by the second import, edited by hand before it, and after it
    all[1] = (5, contact("crm-1", "Imported again 1", "crm", &[(e164("14155550001"), "typed", None)]));
    all[2] = (4, contact("crm-2", "Kept by hand", "crm", &[(e164("14155550002"), "typed", None), (e164("4930123456"), "030123456", None)]));
    all[3] = (6, contact("crm-3", "By hand", "crm", &[(e164("14155559999"), "(415) 555-9999", None)]));
    all.remove(5);
    all.push((2, contact("office", "Office", "", &[(e164("4930123456"), "+4930123456", None)])));
    all.push((1, school()));
    all
}

fn routes_made() -> Vec<Route> {
    let step = |action, timeout_seconds| Step { action, timeout_seconds };
    let goto = Action::Goto { context: "from-internal".into(), extension: "s".into(), priority: "1".into() };
    let targets = vec![number(Kind::Extension, "101"), e164("14155550111"), number(Kind::Opaque, "alice")];
    let route = |key, steps: Vec<Step>, fallback| Route { fallback, ..Route::of(key, steps) };
    vec![
        route(
            RouteKey::Number(e164("14155550199")),
            vec![
                step(Action::Dial { targets, trunk: Some("carrier-a".into()) }, Some(20)),
                step(Action::Queue("support".into()), Some(300)),
                step(Action::Voicemail("199@family".into()), None),
            ],
            Some(step(Action::Congestion, None)),
        ),
        route(
            RouteKey::Prefix(Prefix { kind: Kind::E164, digits: "1415".into() }),
            vec![step(Action::Conference("1000".into()), None), step(Action::Playback("custom/closed".into()), None)],
            None,
        ),
        route(RouteKey::Prefix(Prefix { kind: Kind::Extension, digits: "01".into() }), vec![step(goto, None)], None),
        route(RouteKey::Number(number(Kind::FeatureCode, "*21")), vec![step(Action::Busy, None), step(Action::Hangup, None)], None),
        route(RouteKey::Default, vec![step(Action::Continue, None)], None),
    ]
}

/// The routes of the tenant `home`, with their revisions; in no order.
pub fn routes() -> Vec<Route> {
    let mut all: Vec<Route> = routes_made().into_iter().zip(8..).map(|(route, revision)| Route { revision, ..route }).collect();
    all.remove(3);
    all
}

fn screens_made() -> Vec<Screen> {
    let busy = Some(Step { action: Action::Voicemail("1".into()), timeout_seconds: None });
    vec![
        Screen { list: List::Block, key: ScreenKey::Number(e164("4930666666")), action: None, rate: None },
        Screen { list: List::Block, key: ScreenKey::Prefix(Prefix { kind: Kind::E164, digits: "882".into() }), action: busy, rate: None },
        Screen { list: List::Block, key: ScreenKey::Withheld, action: None, rate: None },
        Screen { list: List::Allow, key: ScreenKey::Number(e164("8821234567")), action: None, rate: None },
        Screen {
            list: List::Allow,
            key: ScreenKey::Prefix(Prefix { kind: Kind::Extension, digits: "1".into() }),
            action: None,
            rate: None,
        },
    ]
}

/// The lists of the tenant `home`; in no order.
pub fn screens() -> Vec<Screen> {
    let mut all = screens_made();
    all.remove(2);
    all
}

fn users_made() -> Vec<User> {
    let user = |extension: &str, domain: &str, name: Option<&str>, context: Option<&str>| User {
        extension: extension.to_owned(),
        domain: domain.to_owned(),
        name: name.map(str::to_owned),
        context: context.map(str::to_owned),
        a1_hash: A1Hash::of(extension, domain, "Circle Of Life").expect("a password"),
    };
    vec![
        user("101", "pbx.example.com", Some("Küche \"Süd\""), Some("family")),
        user("+4930123456", "192.0.2.7", None, None),
        user("anna.b", "pbx.example.com", Some("Anna"), None),
    ]
}

/// The users of the tenant `home` by domain and extension, with their revisions.
pub fn users() -> Vec<(u64, User)> {
    let mut all = users_made();
    all.remove(2);
    all.reverse();
    vec![(21, all.remove(0)), (20, all.remove(0))]
}

/// The one contact of the tenant `work`.
pub fn of_work() -> (u64, Contact) {
    (REVISION, contact("school", "Another school", "", &[(e164("4930123456"), "+4930123456", None)]))
}

fn import(store: &Store, contacts: &[Contact]) -> Result<(), StoreError> {
    let mut bulk = store.bulk("home", "crm");
    contacts.iter().try_for_each(|c| bulk.push(c))?;
    bulk.commit("import").map(drop)
}

/// Does to a new store what was done to this one.
pub fn make(store: &Store) -> Result<(), StoreError> {
    let edit = |edit| store.edit("home", "ada", edit).map(drop);
    let by_hand = contacts();
    let put = |n: usize| edit(Edit::PutContact(by_hand[n].1.clone()));
    put(8)?; // 1: school
    put(7)?; // 2: office
    import(store, &imported("Imported"))?; // 3
    put(2)?; // 4: crm-2
    import(store, &[contacts()[1].1.clone(), imported("Imported")[6].clone()])?; // 5
    put(3)?; // 6: crm-3
    edit(Edit::RemoveContact("crm-5".into()))?; // 7
    for route in routes_made() {
        edit(Edit::PutRoute(route))?; // 8 to 12
    }
    edit(Edit::RemoveRoute(RouteKey::Number(number(Kind::FeatureCode, "*21"))))?; // 13
    for screen in screens_made() {
        edit(Edit::PutScreen(screen))?; // 14 to 18
    }
    edit(Edit::RemoveScreen(List::Block, ScreenKey::Withheld))?; // 19
    for user in users_made() {
        edit(Edit::PutUser(user))?; // 20 to 22
    }
    edit(Edit::RemoveUser("pbx.example.com".into(), "anna.b".into()))?; // 23
    store.edit("work", "bob", Edit::PutContact(of_work().1)).map(drop) // 24
}
