use crate::routing::Strategy;
use crate::routing::tests::{Scene, Sheet, group, played, route};
use crate::routing::*;
use proptest::prelude::*;
use proptest::strategy::Strategy as _;

const TO: &str = "+4930990001";
const FROM: &str = "+4930123456";

fn calls(items: Vec<PlanItem>, live: &Scene, seed: u64) -> Vec<String> {
    let mut data = Sheet::default();
    data.put(route(TO, &["ring:g"]));
    for item in items {
        data.put(item);
    }
    played(&data, live, TO, FROM, &["NOANSWER"], seed)
}

const THREE: [&str; 3] = ["extension=101", "extension=102", "extension=103"];

#[test]
fn ringall_rings_all_at_once() {
    let said = calls(vec![group("g", Strategy::Ringall, Some(25), &THREE)], &Scene::default(), 1);
    assert_eq!(said, ["101 102 103 25 s"]);
}

#[test]
fn hunt_rings_one_after_the_other_each_his_own_time() {
    let members = ["extension=101", "extension=102,timeout=5", "number=+491701111111,confirm,delay=2"];
    let said = calls(vec![group("g", Strategy::Hunt, Some(20), &members)], &Scene::default(), 1);
    assert_eq!(said, ["101 20 s", "102 5 s", "+491701111111+2! 22 s", "hangup exhausted"][..3]);
}

#[test]
fn memoryhunt_adds_one_at_a_time() {
    let said = calls(vec![group("g", Strategy::Memoryhunt, Some(10), &THREE)], &Scene::default(), 1);
    assert_eq!(said, ["101 10 s", "101 102 10 s", "101 102 103 10 s"]);
}

#[test]
fn rrmemory_begins_behind_the_one_before_and_keeps_its_order_through_the_call() {
    for (turn, order) in [(0, ["101", "102", "103"]), (1, ["102", "103", "101"]), (5, ["103", "101", "102"])] {
        let live = Scene { turns: [("g".to_owned(), turn)].into(), ..Scene::default() };
        assert_eq!(calls(vec![group("g", Strategy::Rrmemory, None, &THREE)], &live, 1), order);
    }
}

#[test]
fn leastrecent_begins_with_who_was_rung_longest_ago() {
    let at = |n: &str| MemberTarget::Number(crate::routing::tests::number(n));
    let rung = [("101", 30), ("102", 10), ("103", 20)].map(|(n, t)| (("g".to_owned(), at(n)), t));
    let live = Scene { rung: rung.into(), ..Scene::default() };
    assert_eq!(calls(vec![group("g", Strategy::Leastrecent, None, &THREE)], &live, 1), ["102", "103", "101"]);
}

#[test]
fn random_differs_from_call_to_call_and_not_within_one() {
    let said: std::collections::BTreeSet<Vec<String>> =
        (0..200).map(|seed| calls(vec![group("g", Strategy::Random, None, &THREE)], &Scene::default(), seed)).collect();
    assert_eq!(said.len(), 6, "all six orders come up");
    assert!(said.iter().all(|call| call.iter().collect::<std::collections::BTreeSet<_>>().len() == 3));
}

#[test]
fn weighted_begins_with_the_heavier_member_more_often() {
    let members = ["extension=101,weight=1", "extension=102,weight=9"];
    let first = (0..500).filter(|seed| calls(vec![group("g", Strategy::Weighted, None, &members)], &Scene::default(), *seed)[0] == "102");
    let count = first.count();
    assert!((400..490).contains(&count), "{count}");
}

#[test]
fn a_hunt_inside_a_ringall_rings_its_members_in_turn_beside_the_others() {
    let inner = group("inner", Strategy::Hunt, Some(10), &["extension=201", "extension=202"]);
    let said = calls(vec![group("g", Strategy::Ringall, Some(30), &["extension=101", "group=inner"]), inner], &Scene::default(), 1);
    assert_eq!(said, ["101 201/10 202+10/10 30 s"]);
}

#[test]
fn a_ringall_inside_a_hunt_is_one_of_its_members() {
    let inner = group("inner", Strategy::Ringall, Some(10), &["extension=201", "extension=202"]);
    let members = ["extension=101", "group=inner,delay=3", "extension=103"];
    let said = calls(vec![group("g", Strategy::Hunt, Some(20), &members), inner], &Scene::default(), 1);
    assert_eq!(said, ["101 20 s", "201+3 202+3 13 s", "103 20 s"]);
}

#[test]
fn groups_in_a_circle_ring_whom_they_can_and_end() {
    let a = group("g", Strategy::Hunt, None, &["extension=101", "group=b"]);
    let b = group("b", Strategy::Hunt, None, &["extension=102", "group=g"]);
    assert_eq!(calls(vec![a, b], &Scene::default(), 1), ["101", "102"]);
}

#[test]
fn a_group_that_is_gone_rings_nobody_and_the_plan_goes_on() {
    let mut data = Sheet::default();
    data.put(route(TO, &["ring:gone", "voicemail:199"]));
    assert_eq!(played(&data, &Scene::default(), TO, FROM, &["NOANSWER"], 1), ["voicemail:199 matched"]);
}

#[test]
fn one_telephone_in_two_groups_rings_once() {
    let inner = group("inner", Strategy::Ringall, None, &["extension=101", "extension=102"]);
    let said = calls(vec![group("g", Strategy::Ringall, None, &["extension=101,delay=5", "group=inner"]), inner], &Scene::default(), 1);
    assert_eq!(said, ["101 102"]);
}

#[test]
fn who_is_not_registered_or_not_to_be_disturbed_is_passed_over_and_unknown_ones_ring() {
    let hint = |registered, dnd| crate::hints::Hint { registered, dnd, calls: 0 };
    let number = crate::routing::tests::number;
    let mut live = Scene::default();
    live.hints.insert(number("101"), hint(Some(false), false));
    live.hints.insert(number("102"), hint(Some(true), true));
    let three = || vec![group("g", Strategy::Ringall, None, &THREE)];
    assert_eq!(calls(three(), &live, 1), ["103"]);
    live.hints.insert(number("103"), hint(Some(false), false));
    assert_eq!(calls(three(), &live, 1), ["101 103"], "where nobody is there the switch finds out itself");
    live.hints.insert(number("101"), hint(None, true));
    live.hints.insert(number("103"), hint(None, true));
    assert_eq!(calls(three(), &live, 1), ["busy dnd"]);
}

#[test]
fn a_hunt_passes_over_who_is_not_there_unless_nobody_is() {
    let hint = |registered| crate::hints::Hint { registered: Some(registered), dnd: false, calls: 0 };
    let number = crate::routing::tests::number;
    let mut live = Scene::default();
    live.hints.insert(number("101"), hint(false));
    for strategy in [Strategy::Hunt, Strategy::Rrmemory, Strategy::Leastrecent] {
        assert_eq!(calls(vec![group("g", strategy, None, &THREE)], &live, 1), ["102", "103"]);
    }
    assert_eq!(calls(vec![group("g", Strategy::Memoryhunt, None, &THREE)], &live, 1), ["102", "102 103"]);
    live.hints.insert(number("102"), hint(false));
    live.hints.insert(number("103"), hint(false));
    assert_eq!(calls(vec![group("g", Strategy::Hunt, None, &THREE)], &live, 1), THREE.map(|m| m.replace("extension=", "")));
}

#[test]
fn nobody_waits_for_the_time_of_those_who_are_passed_over() {
    let mut live = Scene::default();
    live.hints.insert(crate::routing::tests::number("101"), crate::hints::Hint { registered: Some(false), dnd: false, calls: 0 });
    let members = ["extension=101", "extension=102,delay=10", "extension=103,delay=15"];
    assert_eq!(calls(vec![group("g", Strategy::Ringall, Some(40), &members)], &live, 1), ["102 103+5 30 s"]);
    assert_eq!(calls(vec![group("g", Strategy::Ringall, Some(40), &members)], &Scene::default(), 1), ["101 102+10 103+15 40 s"]);
}

#[test]
fn a_telephone_that_two_members_lead_to_rings_when_the_first_of_them_would() {
    let forwarded = crate::routing::tests::extension("102", |e| e.forward_always = Some(crate::routing::tests::number("101")));
    let items = vec![group("g", Strategy::Ringall, Some(40), &["extension=101,delay=10", "extension=102"]), forwarded];
    assert_eq!(calls(items, &Scene::default(), 1), ["101 40 s"]);
}

#[test]
fn a_group_that_rings_nobody_ends_the_call_and_is_busy_only_where_somebody_does_not_want_to_be_disturbed() {
    let data = |items: Vec<PlanItem>| calls(items, &Scene::default(), 1);
    assert_eq!(data(vec![group("g", Strategy::Hunt, None, &["group=gone"])]), ["hangup exhausted"]);
    // who waits longer than all ring never rings
    assert_eq!(data(vec![group("g", Strategy::Ringall, Some(5), &["extension=101,delay=10"])]), ["hangup exhausted"]);
    let dnd = crate::routing::tests::extension("101", |e| e.dnd = true);
    assert_eq!(data(vec![group("g", Strategy::Hunt, None, &["group=gone", "extension=101"]), dnd]), ["busy dnd"]);
}

#[test]
fn a_group_without_telephones_is_nobodys_turn() {
    let empty = || group("empty", Strategy::Hunt, None, &["group=gone"]);
    let members = ["extension=101", "group=empty", "extension=102"];
    assert_eq!(calls(vec![group("g", Strategy::Memoryhunt, None, &members), empty()], &Scene::default(), 1), ["101", "101 102"]);
    let live = Scene { turns: [("g".to_owned(), 1)].into(), ..Scene::default() };
    assert_eq!(calls(vec![group("g", Strategy::Rrmemory, None, &members), empty()], &live, 1), ["102", "101"]);
}

#[test]
fn a_caller_who_was_led_through_dozens_of_telephones_hears_the_mailbox_all_the_same() {
    let members: Vec<String> = (200..232).map(|n| format!("extension={n}")).collect();
    let members: Vec<&str> = members.iter().map(String::as_str).collect();
    let mut data = Sheet::default();
    data.put(route(TO, &["ring:g", "ring:g", "voicemail:199"])).put(group("g", Strategy::Hunt, None, &members));
    let said = played(&data, &Scene::default(), TO, FROM, &["BUSY"], 1);
    assert_eq!((said.len(), said.last().map(String::as_str)), (usize::from(HOPS_MAX), Some("voicemail:199 matched")));
}

#[test]
fn no_group_rings_an_emergency_service() {
    let error = Member::parse("number=112", &crate::routing::tests::tenant().plan).expect_err("refused").to_string();
    assert!(error.contains("emergency"), "{error}");
}

#[test]
fn a_group_that_was_edited_in_the_middle_of_a_call_makes_its_token_a_bad_one() {
    let mut data = Sheet::default();
    data.put(route(TO, &["ring:g"])).put(group("g", Strategy::Hunt, None, &THREE));
    let first = QuestionText { to: TO, from: FROM, ..QuestionText::default() };
    let token = crate::routing::tests::decided(&data, &Scene::default(), &first, 1).0.token.expect("a token").encode();
    let PlanItem::Group(edited) = group("g", Strategy::Hunt, None, &["extension=104", "extension=105"]) else { unreachable!() };
    data.put(PlanItem::Group(Group { revision: 2, ..edited }));
    let next = QuestionText { step: Some(&token), status: "NOANSWER", ..first };
    assert_eq!(crate::routing::tests::decided(&data, &Scene::default(), &next, 1).0.reason, Reason::BadStep);
}

fn strategies() -> impl proptest::strategy::Strategy<Value = Strategy> {
    (0..Strategy::ALL.len()).prop_map(|n| Strategy::ALL[n])
}

/// Up to six groups with members among twelve telephones and each other, circles and missing ones included.
fn plans() -> impl proptest::strategy::Strategy<Value = Vec<PlanItem>> {
    let member = prop_oneof![
        4 => (120u32..132, 0u16..8, proptest::option::of(1u16..40), any::<bool>()).prop_map(|(n, delay, timeout, confirm)| {
            let timeout = timeout.map(|t| format!(",timeout={t}")).unwrap_or_default();
            (format!("extension={n}"), format!(",delay={delay}{timeout}{}", if confirm { ",confirm" } else { "" }))
        }),
        1 => (0u32..7).prop_map(|n| (format!("group=g{n}"), String::new())),
    ];
    let one = (strategies(), proptest::option::of(1u16..60), proptest::collection::vec(member, 1..7));
    proptest::collection::vec(one, 1..6).prop_map(|groups| {
        groups
            .into_iter()
            .enumerate()
            .filter_map(|(n, (strategy, timeout, members))| {
                let id = if n == 0 { "g".to_owned() } else { format!("g{n}") };
                let mut seen = std::collections::BTreeSet::new();
                let members: Vec<String> = members
                    .into_iter()
                    .filter(|(target, _)| *target != format!("group={id}") && seen.insert(target.clone()))
                    .map(|(t, rest)| t + &rest)
                    .collect();
                let members: Vec<&str> = members.iter().map(String::as_str).collect();
                (!members.is_empty()).then(|| group(&id, strategy, timeout, &members))
            })
            .collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn every_plan_ends_and_the_same_call_is_answered_alike(items in plans(), seed in any::<u64>(), turn in 0u32..9) {
        let live = Scene { turns: (0..7).map(|n| (format!("g{n}"), turn)).chain([("g".to_owned(), turn)]).collect(), ..Scene::default() };
        let said = calls(items.clone(), &live, seed);
        prop_assert!(said.len() <= HOPS_MAX as usize + 1, "{}", said.len());
        prop_assert_eq!(&said, &calls(items, &live, seed));
    }

    #[test]
    fn what_is_remembered_of_later_calls_does_not_change_the_order_of_one_that_is_under_way(items in plans(), seed in any::<u64>(), turn in 0u32..9) {
        let mut data = Sheet::default();
        data.put(route(TO, &["ring:g"]));
        for item in items {
            data.put(item);
        }
        let before = Scene { turns: [("g".to_owned(), turn)].into(), ..Scene::default() };
        let after = Scene { turns: (0..7).map(|n| (format!("g{n}"), turn + n + 1)).chain([("g".to_owned(), turn + 2)]).collect(), ..Scene::default() };
        let whole = played(&data, &before, TO, FROM, &["NOANSWER"], seed);
        let first = QuestionText { to: TO, from: FROM, ..QuestionText::default() };
        let (decision, _, _) = crate::routing::tests::decided(&data, &before, &first, seed);
        let (mut said, mut token) = (vec![crate::routing::tests::told(&decision)], decision.token);
        while let Some(t) = token {
            let text = t.encode();
            let (decision, _, _) = crate::routing::tests::decided(&data, &after, &QuestionText { step: Some(&text), status: "NOANSWER", ..first }, seed ^ 1);
            said.push(crate::routing::tests::told(&decision));
            token = decision.token;
        }
        prop_assert_eq!(said, whole);
    }
}
