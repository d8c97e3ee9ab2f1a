//! What is found, in which order, and that the index finds what looking at every contact finds.

use super::{Best, Builder, Fit, Found, Index, Query, QueryError};
use crate::directory::{Contact, ContactDraft};
use crate::number::{Number, NumberPlan};
use proptest::prelude::*;
use std::cell::Cell;
use std::collections::BTreeMap;

fn plan() -> NumberPlan {
    NumberPlan::new("DE".parse().ok())
}

fn contact(id: &str, name: &str, company: &str, number: &str) -> Contact {
    let draft = ContactDraft {
        id: id.into(),
        name: name.into(),
        company: Some(company.into()),
        numbers: vec![(number.into(), None)],
        ..ContactDraft::default()
    };
    draft.check(&plan(), "").expect("a contact")
}

fn index(contacts: &[Contact]) -> Index {
    let sorted: BTreeMap<&str, &Contact> = contacts.iter().map(|c| (c.id.as_str(), c)).collect();
    let mut builder = Builder::new();
    sorted.values().for_each(|contact| builder.push(contact).unwrap());
    builder.finish()
}

fn ask(index: &Index, text: &str, owner: Option<&Number>, limit: usize) -> Found {
    index.search(&Query::read(text, &plan()).unwrap(), owner, limit, &mut || false)
}

fn ids(index: &Index, text: &str) -> Vec<String> {
    ask(index, text, None, 20).hits.into_iter().map(|(id, _)| id).collect()
}

fn naive(contacts: &[Contact], text: &str, owner: Option<&Number>, limit: usize) -> Found {
    let query = Query::read(text, &plan()).unwrap();
    let mut best = Best::new(&query, owner, limit);
    contacts.iter().for_each(|contact| best.see(contact));
    best.found()
}

#[test]
fn accents_and_their_spellings_make_no_difference() {
    let all = [
        contact("a", "Müller", "", "+4930111111"),
        contact("b", "Mueller", "", "+4930111112"),
        contact("c", "Muller", "", "+4930111113"),
        contact("d", "Weiß, Zoë", "Große Straße GmbH", "+4930111114"),
        contact("e", "Renée O'Brien", "", "+4930111115"),
        contact("f", "Schröder-Łukasz", "", "+4930111116"),
    ];
    let index = index(&all);
    for text in ["Müller", "mueller", "MULLER", "Mu\u{308}ller", "mülle", "ulle"] {
        let mut found = ids(&index, text);
        found.sort();
        assert_eq!(found, ["a", "b", "c"], "{text}");
    }
    for (text, id) in [
        ("weiss", "d"),
        ("grosse strasse", "d"),
        ("straße weiß", "d"),
        ("zoe", "d"),
        ("obrien", "e"),
        ("o’brien renee", "e"),
        ("schroeder", "f"),
        ("lukasz", "f"),
    ] {
        assert_eq!(ids(&index, text), [id], "{text}");
    }
}

#[test]
fn a_number_is_found_by_any_part_in_any_spelling() {
    let index = index(&[
        contact("a", "Ada", "", "+49 30 123 456 78"),
        contact("b", "Bob", "", "+49 40 999999"),
        contact("c", "Kitchen", "", "101"),
    ]);
    for text in ["030 123", "+49 30 123", "+49 (30) 123", "0049 30/123", "0301234 5678", "12345678", "456", "ada 030", "5678 ada"] {
        assert_eq!(ids(&index, text), ["a"], "{text}");
    }
    assert_eq!(ask(&index, "030 12345678", None, 5).hits, [("a".to_owned(), Fit::Exact)]);
    assert_eq!(ask(&index, "+4930123", None, 5).hits, [("a".to_owned(), Fit::Beginning)]);
    assert_eq!(ask(&index, "101", None, 5).hits, [("c".to_owned(), Fit::Exact)]);
    // a number with a mistake is another number
    assert_eq!(ids(&index, "030 12345679"), [""; 0]);
}

#[test]
fn a_whole_number_is_looked_for_as_one_and_its_digits_elsewhere_are_not() {
    let others = contact("other", "Ada", "", "+1 530 123 45678");
    let mut index = index(&[contact("a", "Ada", "", "+49 30 12345678"), others, contact("b", "Bob", "", "+49 30 1234567890")]);
    let hits = |index: &Index| ask(index, "030 12345678", None, 5).hits;
    assert_eq!(hits(&index), [("a".to_owned(), Fit::Exact), ("b".to_owned(), Fit::Beginning)]);
    // where nobody has it, its digits are looked for
    index.change("a", None);
    assert_eq!(hits(&index), [("b".to_owned(), Fit::Beginning), ("other".to_owned(), Fit::Inside)]);
    index.change("new", Some(&contact("new", "New", "", "+49 30 12345678")));
    assert_eq!(hits(&index), [("new".to_owned(), Fit::Exact), ("b".to_owned(), Fit::Beginning)]);
}

#[test]
fn the_better_fit_stands_first_and_among_equals_favourites_and_shorter_names() {
    let favourite = Contact { favourite: true, ..contact("fav", "Annabel Schulz", "", "+4930111100") };
    let all = [
        contact("typo", "Anma", "", "+4930111101"),
        contact("inside", "Johanna", "", "+4930111102"),
        contact("word", "Berta Anna", "", "+4930111103"),
        contact("company", "Zander", "Anna & Co", "+4930111104"),
        contact("begins-long", "Annabel Maria Schulz", "", "+4930111105"),
        contact("begins-short", "Annalena", "", "+4930111106"),
        contact("exact", "Anna", "", "+4930111107"),
        favourite,
    ];
    let index = index(&all);
    assert_eq!(ids(&index, "anna"), ["exact", "fav", "begins-short", "begins-long", "company", "word", "inside", "typo"]);
    assert_eq!(ids(&index, "anna")[..3], ask(&index, "anna", None, 3).hits.into_iter().map(|(id, _)| id).collect::<Vec<_>>());
    assert_eq!(ids(&index, "schulz anna"), ["fav", "begins-long"]);
}

#[test]
fn small_typing_mistakes_are_forgiven_and_large_ones_not() {
    let index = index(&[contact("s", "Hans Schneider", "Feinmechanik", "+4930111111"), contact("m", "Max Maier", "", "+4930111112")]);
    for text in ["Schnieder", "Schneidr", "Shcneidre", "schnie", "hnas schneider", "feinmechnaik hans", "Schneiderr", "fainmechanick"] {
        assert_eq!(ids(&index, text), ["s"], "{text}");
    }
    for text in ["Miaer", "maxx maier", "Mayer"] {
        assert_eq!(ids(&index, text), ["m"], "{text}");
    }
    for text in ["Myaur", "mxa", "Snyder", "hans maier"] {
        assert_eq!(ids(&index, text), [""; 0], "{text}");
    }
}

#[test]
fn personal_contacts_are_found_by_their_owner_alone() {
    let number = |text: &str| plan().parse(text).unwrap();
    let mine = Contact { owner: Some(number("101")), ..contact("mine", "Doctor", "", "+4930111111") };
    let mut index = index(&[mine.clone(), contact("shared", "Doctor", "", "+4930111112")]);
    let ask_as =
        |index: &Index, owner: Option<&Number>| ask(index, "doctor", owner, 5).hits.into_iter().map(|(id, _)| id).collect::<Vec<_>>();
    assert_eq!(ask_as(&index, None), ["shared"]);
    assert_eq!(ask_as(&index, Some(&number("102"))), ["shared"]);
    assert_eq!(ask_as(&index, Some(&number("101"))), ["mine", "shared"]);
    index.change("mine", Some(&Contact { owner: Some(number("102")), ..mine }));
    assert_eq!(ask_as(&index, Some(&number("101"))), ["shared"]);
    assert_eq!(ask_as(&index, Some(&number("102"))), ["mine", "shared"]);
}

#[test]
fn what_can_not_be_looked_for_says_why() {
    let read = |text: &str| Query::read(text, &plan()).err();
    assert_eq!(read(" ?! "), Some(QueryError::Empty));
    assert_eq!(read("+"), Some(QueryError::Empty));
    assert_eq!(read(&"x".repeat(257)), Some(QueryError::TooLong(257)));
    assert_eq!(read("a b c d e f g h i"), Some(QueryError::TooManyWords(9)));
    assert!(index(&[]).is_empty());
    assert_eq!(ask(&index(&[]), "a", None, 5), Found::default());
}

/// Many contacts, so that what is in all of them takes the way of frequent words.
fn many(count: u32) -> Vec<Contact> {
    let of = |n: u32| contact(&format!("c{n:05}"), &format!("Anton Nr{n:05}"), "Alpha GmbH", &format!("+4930{:06}", 100_000 + n));
    (0..count).map(of).collect()
}

#[test]
fn the_work_for_what_is_in_everything_is_bounded_by_what_is_wanted() {
    let index = index(&many(20_000));
    let asked = Cell::new(0);
    for text in ["a", "an", "anton", "gmbh", "anton alpha", "030", "nton"] {
        asked.set(0);
        let query = Query::read(text, &plan()).unwrap();
        let found = index.search(&query, None, 10, &mut || {
            asked.set(asked.get() + 1);
            false
        });
        assert_eq!(found.hits.len(), 10, "{text}");
        assert!(!found.cut);
        // the time is looked at every 256 contacts: of 20,000 that all fit fewer than half were looked at
        assert!(asked.get() < 40, "{text} looked at the time {} times", asked.get());
    }
    assert_eq!(ask(&index, "anton", None, 10).hits[0], ("c00000".to_owned(), Fit::Beginning));
}

#[test]
fn a_search_whose_time_is_spent_says_so_with_what_it_has() {
    let index = index(&many(20_000));
    let found = index.search(&Query::read("gmbh alpha", &plan()).unwrap(), None, 10, &mut || true);
    assert!(found.cut);
    let found = index.search(&Query::read("nosuchname", &plan()).unwrap(), None, 10, &mut || true);
    assert!(found.cut && found.hits.is_empty());
}

#[test]
fn what_is_frequent_is_found_as_by_looking_at_each() {
    let mut all = many(5_000);
    all.push(Contact { favourite: true, ..contact("fav", "Zeta Anton", "Alpha GmbH", "+4930111111") });
    all.push(contact("exact", "Anton", "Gmbh", "+4930111112"));
    let index = index(&all);
    for text in [
        "a",
        "anton",
        "gmbh",
        "anton gmbh",
        "nton",
        "alpha anton",
        "4930",
        "030",
        "mb",
        "1 anton",
        "n",
        "nr",
        "o",
        "al",
        "12",
        "001",
        "030 100123",
        "0301001",
        "antno",
        "antno alpha",
    ] {
        for limit in [1, 7, 100] {
            assert_eq!(ask(&index, text, None, limit), naive(&all, text, None, limit), "{text} {limit}");
        }
    }
}

fn any_contact() -> impl Strategy<Value = Contact> {
    let word = || "(anna|müller|mueller|schmidt|groß|noel|[abmu]{1,5}|schmied|annegret)";
    let name = proptest::collection::vec(word(), 1..4).prop_map(|words| words.join(" "));
    let company = proptest::option::of(word());
    (0u32..12, name, company, "\\+4930[0-9]{3,6}", proptest::option::of("10[12]"), any::<bool>(), proptest::option::of(word())).prop_map(
        |(id, name, company, number, owner, favourite, tag)| {
            let draft = ContactDraft {
                id: format!("id{id}"),
                name,
                company,
                numbers: vec![(number, None)],
                owner,
                favourite,
                tags: tag.into_iter().collect(),
                ..ContactDraft::default()
            };
            draft.check(&plan(), "").expect("a contact")
        },
    )
}

proptest! {
    /// The index after any edits finds what a look at every contact finds, in the same order.
    #[test]
    fn the_index_finds_what_looking_at_each_contact_finds(
        first in proptest::collection::vec(any_contact(), 0..20),
        edits in proptest::collection::vec((any_contact(), any::<bool>()), 0..8),
        text in "(anna|mull|[abmu]|[abmu]{2}|49|030 [0-9]{3,6}|4930[0-9]{3}|0|mueller|Müler|shcmidt|u|ab|030 1|gros|m a|anna 49|annegrte müller|[abmu]{1,6})",
        owner in proptest::option::of("10[12]"),
        limit in 1usize..15,
    ) {
        let owner = owner.map(|text| plan().parse(&text).unwrap());
        let mut now: BTreeMap<String, Contact> = first.into_iter().map(|c| (c.id.clone(), c)).collect();
        let mut index = index(&now.values().cloned().collect::<Vec<_>>());
        for (contact, is_removed) in edits {
            index.change(&contact.id, if is_removed { None } else { Some(&contact) });
            if is_removed { now.remove(&contact.id); } else { now.insert(contact.id.clone(), contact); }
        }
        let all: Vec<Contact> = now.into_values().collect();
        prop_assert_eq!(ask(&index, &text, owner.as_ref(), limit), naive(&all, &text, owner.as_ref(), limit));
    }

    #[test]
    fn any_text_is_searched_or_refused(name in "\\PC{1,40}", text in "\\PC{0,60}") {
        let all = [contact("a", &format!("x{name}"), "", "+4930111111")];
        let index = index(&all);
        if let Ok(query) = Query::read(&text, &plan()) {
            let found = index.search(&query, None, 5, &mut || false);
            prop_assert_eq!(found, naive(&all, &text, None, 5));
        }
    }
}
