//! A tenant's whole plan at the desk: read in pages, changed in parts, true at once or not at all.

#[path = "support/office.rs"]
mod office;

use office::Office;
use std::collections::HashMap;
use strowger::control::{FRAME_BYTES_MAX, ImportAsk, ImportPart, Reply, Request};
use strowger::directory::ContactDraft;
use strowger::number::{Kind, Number};
use strowger::routing::{A1Hash, Action, Group, List, Member, MemberTarget, PlanItem, PlanKey, Prefix, Route, RouteKey, Screen, ScreenKey};
use strowger::routing::{Extension, Step, Strategy, User};
use strowger::store::PlanSort;

impl Office {
    /// As over the socket: every request and every reply is text in between, and no frame is too large.
    fn ask(&mut self, request: &Request) -> Reply {
        let json = serde_json::to_vec(request).unwrap();
        assert!(json.len() <= FRAME_BYTES_MAX);
        let reply = serde_json::to_vec(&self.desk.apply(serde_json::from_slice(&json).unwrap())).unwrap();
        assert!(reply.len() <= FRAME_BYTES_MAX);
        serde_json::from_slice(&reply).unwrap()
    }

    fn begin(&mut self, over: u64) {
        assert!(matches!(self.ask(&Request::PlanBegin { tenant: "default".into(), over }), Reply::Plan { edits: 0 }));
    }

    fn put(&mut self, puts: Vec<PlanItem>) -> Reply {
        self.ask(&Request::PlanPart { puts, removes: vec![], contacts: vec![], contacts_removed: vec![] })
    }

    fn page(&mut self, sort: PlanSort, after: Option<PlanKey>) -> (Vec<PlanItem>, Option<PlanKey>, u64) {
        match self.ask(&Request::PlanPage { tenant: "default".into(), sort, after }) {
            Reply::PlanItems { items, next, revision, .. } => (items, next, revision),
            other => panic!("{other:?}"),
        }
    }

    /// The whole plan, without revisions, and the revision that it was read at.
    fn plan(&mut self) -> (Vec<PlanItem>, u64) {
        let (mut all, mut revisions) = (Vec::new(), Vec::new());
        for sort in PlanSort::ALL {
            let mut after = None;
            loop {
                let (items, next, revision) = self.page(sort, after);
                all.extend(items.into_iter().map(|item| item.with_revision(0)));
                revisions.push(revision);
                after = next;
                if after.is_none() {
                    break;
                }
            }
        }
        assert!(revisions.iter().all(|r| *r == revisions[0]));
        (all, revisions[0])
    }
}

fn number(kind: Kind, digits: &str) -> Number {
    Number::from_key(kind, digits).unwrap()
}

fn blocked(n: usize) -> PlanItem {
    let key = ScreenKey::Number(number(Kind::E164, &format!("1415{n:07}")));
    PlanItem::Screen(Screen { list: List::Block, key, action: None, rate: None })
}

fn route(steps: Vec<Step>) -> Route {
    Route::of(RouteKey::Number(number(Kind::E164, "14155550199")), steps)
}

fn group(id: &str) -> PlanItem {
    let members = vec![Member::of(MemberTarget::Number(number(Kind::Extension, "101")))];
    PlanItem::Group(Group { id: id.into(), name: None, strategy: Strategy::Hunt, timeout_seconds: None, members, revision: 0 })
}

fn user() -> PlanItem {
    let a1_hash = A1Hash::of("101", "pbx.example", "Circle Of Life").unwrap();
    PlanItem::User(User { extension: "101".into(), domain: "pbx.example".into(), name: None, context: None, a1_hash })
}

#[test]
fn a_plan_that_is_sent_in_parts_is_read_back_in_pages_and_is_the_same() {
    let mut office = Office::open();
    // each step so long that a page of these is full before it has many
    let long = vec![Step::of(Action::Playback("x".repeat(80))); 16];
    let of_prefix = |n: usize| RouteKey::Prefix(Prefix { kind: Kind::E164, digits: format!("49{n:04}") });
    let mut wanted: Vec<PlanItem> = vec![group("a"), group("b"), user(), PlanItem::Route(route(vec![Step::of(Action::Ring("a".into()))]))];
    wanted.push(PlanItem::Extension(Extension { dnd: true, ..Extension::of(number(Kind::Extension, "101")) }));
    wanted.extend((0..1200).map(|n| PlanItem::Route(Route::of(of_prefix(n), long.clone()))));
    wanted.extend((0..3500).map(blocked));
    office.begin(0);
    let mut sent = 0;
    for part in wanted.chunks(500) {
        sent += part.len() as u64;
        assert!(matches!(office.put(part.to_vec()), Reply::Plan { edits } if edits == sent));
    }
    assert_eq!(office.plan().0, [], "nothing is true yet");
    assert!(matches!(office.ask(&Request::PlanCommit), Reply::Done { revision: 1, existed: false, changed: true, .. }));
    let (found, revision) = office.plan();
    assert_eq!(revision, 1);
    let sorted = |mut items: Vec<PlanItem>| {
        items.sort_by_key(PlanItem::key);
        items
    };
    assert!(sorted(found) == sorted(wanted));
    let hash = office.page(PlanSort::User, None).0;
    assert!(matches!(&hash[..], [PlanItem::User(user)] if user.a1_hash == A1Hash::of("101", "pbx.example", "Circle Of Life").unwrap()));
    // a part of it goes, and what isn't there is no error
    office.begin(revision);
    let removes = vec![group("b").key(), PlanKey::Trunk("none".into()), blocked(7).key()];
    office.ask(&Request::PlanPart { puts: vec![], removes, contacts: vec![], contacts_removed: vec![] });
    assert!(matches!(office.ask(&Request::PlanCommit), Reply::Done { revision: 2, changed: true, .. }));
    assert_eq!(office.page(PlanSort::Group, None).0.len(), 1);
}

#[test]
fn contacts_made_by_hand_are_part_of_a_plan_and_imported_ones_are_not() {
    let mut office = Office::open();
    let draft = |id: &str, name: &str| ContactDraft {
        id: id.into(),
        name: name.into(),
        numbers: vec![("+14155550101".into(), Some("office".into()))],
        ..ContactDraft::default()
    };
    office.ask(&Request::ImportBegin { tenant: "default".into(), ask: ImportAsk { source: "crm".into(), ..ImportAsk::default() } });
    office.ask(&Request::ImportRows(ImportPart {
        rows: (0..1500).map(|n| (n, draft(&format!("crm-{n}"), "Imported"))).collect(),
        ..ImportPart::default()
    }));
    assert!(matches!(office.ask(&Request::ImportCommit), Reply::Import(view) if view.added == 1500));
    office.begin(office.store.revision());
    let contacts: Vec<ContactDraft> = (0..1700).map(|n| draft(&format!("hand-{n:04}"), "By hand")).collect();
    let part = Request::PlanPart { puts: vec![], removes: vec![], contacts, contacts_removed: vec![] };
    assert!(matches!(office.ask(&part), Reply::Plan { edits: 1700 }));
    assert!(matches!(office.ask(&Request::PlanCommit), Reply::Done { revision: 2, .. }));
    let (mut ids, mut after) = (Vec::new(), None);
    loop {
        let Reply::PlanContacts { contacts, next, revision } = office.ask(&Request::PlanContacts { tenant: "default".into(), after })
        else {
            panic!("no contacts");
        };
        assert_eq!(revision, 2);
        assert!(contacts.iter().all(|c| c.source.is_empty() && c.numbers[0].label.as_deref() == Some("office")));
        ids.extend(contacts.into_iter().map(|c| c.id));
        after = next;
        if after.is_none() {
            break;
        }
    }
    assert_eq!(ids, (0..1700).map(|n| format!("hand-{n:04}")).collect::<Vec<_>>());
    office.begin(2);
    let part = Request::PlanPart { puts: vec![], removes: vec![], contacts: vec![], contacts_removed: ids };
    office.ask(&part);
    assert!(matches!(office.ask(&Request::PlanCommit), Reply::Done { revision: 3, .. }));
    assert_eq!(office.store.contacts("default", "").count(), 1500);
}

#[test]
fn a_change_over_what_is_no_longer_so_is_stale_and_does_nothing() {
    let mut office = Office::open();
    office.begin(0);
    office.put(vec![group("a")]);
    assert!(matches!(office.ask(&Request::PlanCommit), Reply::Done { revision: 1, .. }));
    office.begin(1);
    office.put(vec![group("b")]);
    let set = Request::ScreenSet {
        tenant: "default".into(),
        list: List::Block,
        key: strowger::control::ListKey::Number("+14155550111".into()),
        action: None,
    };
    assert!(matches!(office.ask(&set), Reply::Done { revision: 2, .. }));
    assert!(matches!(office.ask(&Request::PlanCommit), Reply::PlanStale { over: 1, revision: 2 }));
    assert_eq!(office.page(PlanSort::Group, None).0.len(), 1);
    // it is over: another commit has nothing to make true
    assert!(matches!(office.ask(&Request::PlanCommit), Reply::BadInput(why) if why.contains("begin one first")));
}

#[test]
fn one_thing_that_cant_be_stored_ends_the_whole_change_and_is_named() {
    let busy = || vec![Step::of(Action::Busy)];
    let emergency = Route { key: RouteKey::Number(number(Kind::Emergency, "112")), ..route(busy()) };
    let rate = Screen { list: List::Block, key: ScreenKey::Rate, action: None, rate: None };
    let withheld = Screen { list: List::Allow, key: ScreenKey::Withheld, action: None, rate: None };
    let country = Screen { list: List::Allow, key: ScreenKey::Country("Germany".into()), action: None, rate: None };
    let PlanItem::Group(of_none) = group("a") else { unreachable!() };
    let number_of_nobody: Number = serde_json::from_str(r#"{"kind":"E164","digits":"49\u00001"}"#).unwrap_or_else(|_| {
        let json = serde_json::to_string(&number(Kind::E164, "491")).unwrap();
        serde_json::from_str(&json.replace("491", "49\\u00001")).unwrap()
    });
    let wrong: HashMap<&str, PlanItem> = HashMap::from([
        ("emergency number", PlanItem::Route(emergency)),
        ("1 to 16 steps", PlanItem::Route(route(vec![]))),
        ("can't be a fallback", PlanItem::Route(Route { fallback: Some(Step::of(Action::Ring("a".into()))), ..route(busy()) })),
        ("1 to 16 steps, not 17", PlanItem::Route(Route { when: vec![("closed".into(), vec![busy().remove(0); 17])], ..route(busy()) })),
        ("no number", PlanItem::Screen(Screen { key: ScreenKey::Number(number_of_nobody), ..withheld.clone() })),
        ("how many calls", PlanItem::Screen(rate)),
        ("let through", PlanItem::Screen(withheld)),
        ("two letters", PlanItem::Screen(country)),
        ("1 to 32 members", PlanItem::Group(Group { members: vec![], ..of_none.clone() })),
        ("can't be used", PlanItem::Group(Group { id: "a b".into(), ..of_none })),
    ]);
    let mut office = Office::open();
    for (why, item) in wrong {
        office.begin(0);
        office.put(vec![group("a")]);
        let key = item.key().to_string();
        let reply = office.put(vec![group("b"), item]);
        assert!(matches!(&reply, Reply::BadInput(text) if text.contains(why) && text.contains(&key)), "{why}: {reply:?}");
        assert!(matches!(office.ask(&Request::PlanCommit), Reply::BadInput(_)), "{why}");
    }
    assert_eq!(office.store.revision(), 0);
    assert!(matches!(office.ask(&Request::PlanBegin { tenant: "nobody".into(), over: 0 }), Reply::BadInput(_)));
}
