use crate::routing::Strategy;
use crate::routing::tests::{Scene, Sheet, decided, extension, group, number, played, route, told};
use crate::routing::*;
use proptest::prelude::*;

const TO: &str = "+4930990001";
const FROM: &str = "+4930123456";

fn sheet(items: Vec<PlanItem>) -> Sheet {
    let mut data = Sheet::default();
    for item in items {
        data.put(item);
    }
    data
}

fn block(key: ScreenKey, action: Option<&str>) -> PlanItem {
    let plan = tests::tenant().plan;
    PlanItem::Screen(Screen { list: List::Block, key, action: action.map(|a| Step::parse(a, &plan).expect("a step")), rate: None })
}

fn allow(key: ScreenKey) -> PlanItem {
    PlanItem::Screen(Screen { list: List::Allow, key, action: None, rate: None })
}

#[test]
fn do_not_disturb_makes_a_telephone_busy_and_the_next_step_is_taken() {
    let dnd = || extension("101", |e| e.dnd = true);
    let data = sheet(vec![route(TO, &["dial:101", "voicemail:101"]), dnd()]);
    assert_eq!(played(&data, &NOTHING_LIVE, TO, FROM, &["BUSY"], 1), ["voicemail:101 matched"]);
    let data = sheet(vec![route(TO, &["dial:101"]), dnd()]);
    assert_eq!(played(&data, &NOTHING_LIVE, TO, FROM, &["BUSY"], 1), ["busy dnd"]);
    let data = sheet(vec![route(TO, &["dial:101"]), extension("101", |e| (e.dnd, e.forward_busy) = (true, Some(number("102"))))]);
    assert_eq!(played(&data, &NOTHING_LIVE, TO, FROM, &["BUSY"], 1), ["102", "hangup exhausted"][..1]);
}

#[test]
fn forwards_are_taken_for_the_reason_that_they_are_for() {
    let all = |e: &mut Extension| {
        e.forward_busy = Some(number("102"));
        e.forward_no_answer = Some(number("+491701111111"));
        e.forward_unavailable = Some(number("103"));
        e.ring_seconds = Some(15);
    };
    let data = sheet(vec![route(TO, &["dial:101,timeout=40", "voicemail:9"]), extension("101", all)]);
    for (outcome, to) in [("BUSY", "102 40 s"), ("NOANSWER", "+491701111111 40 s"), ("CHANUNAVAIL", "103 40 s"), ("USER_BUSY", "102 40 s")]
    {
        assert_eq!(played(&data, &NOTHING_LIVE, TO, FROM, &[outcome], 1), ["101 15 s", to, "voicemail:9 matched"]);
    }
}

#[test]
fn who_declines_a_call_is_busy_and_not_away() {
    let both = |e: &mut Extension| (e.forward_busy, e.forward_unavailable) = (Some(number("102")), Some(number("+491701111111")));
    let data = sheet(vec![route(TO, &["dial:101", "voicemail:9"]), extension("101", both)]);
    assert_eq!(played(&data, &NOTHING_LIVE, TO, FROM, &["CALL_REJECTED"], 1)[..2], ["101", "102"]);
    let data = sheet(vec![route(TO, &["dial:101", "voicemail:9"]), extension("101", |e| e.forward_busy = Some(number("102")))]);
    assert_eq!(played(&data, &NOTHING_LIVE, TO, FROM, &["CALL_REJECTED"], 1), ["101", "102", "voicemail:9 matched"]);
    let away = |e: &mut Extension| e.forward_unavailable = Some(number("+491701111111"));
    let data = sheet(vec![route(TO, &["dial:101", "voicemail:9"]), extension("101", away)]);
    assert_eq!(played(&data, &NOTHING_LIVE, TO, FROM, &["CALL_REJECTED"], 1), ["101", "voicemail:9 matched"]);
}

/// What a call is told, one question after the other: each with how the step before ended, and with the calls that the
/// switches' events have counted by then.
fn told_as_calls_are_counted(data: &Sheet, questions: &[(&str, &[(&str, u8)])]) -> Vec<String> {
    let mut step: Option<String> = None;
    let mut said = Vec::new();
    for (status, calls) in questions {
        let hint = |calls| crate::hints::Hint { registered: Some(true), dnd: false, calls };
        let live = Scene { hints: calls.iter().map(|(n, calls)| (number(n), hint(*calls))).collect(), ..Scene::default() };
        let text = QuestionText { to: TO, from: FROM, step: step.as_deref(), status, ..QuestionText::default() };
        let (decision, ..) = decided(data, &live, &text, 1);
        said.push(told(&decision));
        step = decision.token.map(|token| token.encode());
    }
    said
}

fn takes_one_call(digits: &str) -> PlanItem {
    extension(digits, |e| e.calls_max = Some(1))
}

#[test]
fn a_call_does_not_find_a_telephone_full_that_it_has_just_rung_itself() {
    let members = ["extension=101", "extension=102", "extension=103"];
    let three = || ["101", "102", "103"].map(takes_one_call);
    let mut items = vec![route(TO, &["ring:g"]), group("g", Strategy::Memoryhunt, None, &members)];
    items.extend(three());
    // the end of the leg before isn't counted yet
    let said = told_as_calls_are_counted(
        &sheet(items),
        &[("", &[]), ("NOANSWER", &[("101", 1)]), ("NOANSWER", &[("101", 1), ("102", 1)]), ("NOANSWER", &[])],
    );
    assert_eq!(said[..3], ["101", "101 102", "101 102 103"]);
    for first in ["dial:101", "dial:101,102"] {
        let mut items = vec![route(TO, &[first, "ring:g"]), group("g", Strategy::Ringall, None, &members[..1])];
        items.extend(three());
        let said = told_as_calls_are_counted(&sheet(items), &[("", &[]), ("NOANSWER", &[("101", 1), ("102", 1)])]);
        assert_eq!(said[1], "101", "behind {first}: the only member isn't busy");
    }
    let mut items = vec![route(TO, &["ring:g", "dial:101", "dial:103"]), group("g", Strategy::Ringall, None, &members)];
    items.extend(three());
    let all: &[(&str, u8)] = &[("101", 1), ("102", 1), ("103", 1)];
    assert_eq!(told_as_calls_are_counted(&sheet(items), &[("", &[]), ("BUSY", all)]), ["101 102 103", "101"]);
}

#[test]
fn a_telephone_that_was_just_rung_at_the_end_of_a_forward_is_not_full_either() {
    let always = extension("101", |e| e.forward_always = Some(number("102")));
    let busy = extension("201", |e| e.forward_busy = Some(number("102")));
    for (first, status, rung) in [("dial:101", "NOANSWER", 1), ("ring:g", "NOANSWER", 1), ("dial:201", "BUSY", 2)] {
        let data = sheet(vec![
            route(TO, &[first, "dial:102"]),
            group("g", Strategy::Hunt, None, &["extension=101"]),
            always.clone(),
            busy.clone(),
            takes_one_call("102"),
        ]);
        let mut questions: Vec<(&str, &[(&str, u8)])> = vec![("", &[])];
        questions.extend((1..rung).map(|_| (status, &[][..])));
        questions.push(("NOANSWER", &[("102", 1)]));
        let said = told_as_calls_are_counted(&data, &questions);
        assert_eq!(said[rung - 1..], ["102", "102"], "{first}: {said:?}");
    }
}

#[test]
fn a_telephone_whose_calls_are_others_stays_full_through_all_steps_of_a_call() {
    let data = sheet(vec![
        route(TO, &["ring:two", "ring:two", "voicemail:9"]),
        group("two", Strategy::Ringall, None, &["extension=101", "extension=102"]),
        takes_one_call("101"),
        takes_one_call("102"),
    ]);
    // 101 talks to somebody, and so wasn't rung
    let said = told_as_calls_are_counted(&data, &[("", &[("101", 1)]), ("NOANSWER", &[("101", 1), ("102", 1)])]);
    assert_eq!(said, ["102", "102"]);
    // 101 took another call while it rang
    let said = told_as_calls_are_counted(&data, &[("", &[]), ("NOANSWER", &[("101", 2), ("102", 1)])]);
    assert_eq!(said, ["101 102", "102"]);
    // what rang before the last time is counted by now
    let mut items = vec![route(TO, &["dial:101", "dial:102", "dial:101", "voicemail:9"]), takes_one_call("101")];
    items.push(takes_one_call("102"));
    let said = told_as_calls_are_counted(&sheet(items), &[("", &[]), ("BUSY", &[("101", 1)]), ("BUSY", &[("101", 1), ("102", 1)])]);
    assert_eq!(said, ["101", "102", "voicemail:9 matched"]);
}

#[test]
fn a_forward_of_all_calls_is_taken_at_once_and_said_in_the_reason() {
    let data = sheet(vec![route(TO, &["dial:101"]), extension("101", |e| e.forward_always = Some(number("+491701111111")))]);
    let (decision, _, trace) = decided(&data, &NOTHING_LIVE, &QuestionText { to: TO, from: FROM, ..QuestionText::default() }, 1);
    assert_eq!((told(&decision).as_str(), decision.reason), ("+491701111111", Reason::Forwarded));
    assert!(trace.iter().any(|t| t == "101 forwards always to +491701111111"), "{trace:?}");
}

#[test]
fn a_forward_outside_from_a_group_has_to_be_confirmed_so_that_no_voicemail_steals_the_call() {
    let data = sheet(vec![
        route(TO, &["ring:g"]),
        group("g", Strategy::Ringall, None, &["extension=101", "extension=102"]),
        extension("101", |e| e.forward_always = Some(number("+491701111111"))),
    ]);
    assert_eq!(played(&data, &NOTHING_LIVE, TO, FROM, &["BUSY"], 1), ["+491701111111! 102"]);
}

#[test]
fn a_forward_that_is_not_permitted_is_not_taken() {
    let data = sheet(vec![
        route(TO, &["dial:101"]),
        extension("101", |e| (e.forward_always, e.permissions) = (Some(number("+491701111111")), Some(vec![Class::Internal]))),
    ]);
    assert_eq!(played(&data, &NOTHING_LIVE, TO, FROM, &["BUSY"], 1), ["101"]);
}

#[test]
fn forwards_in_a_circle_end() {
    for (a, b) in [("always", "always"), ("busy", "busy"), ("always", "busy")] {
        let to = |which: &'static str, digits: &'static str| {
            move |e: &mut Extension| {
                *(if which == "always" { &mut e.forward_always } else { &mut e.forward_busy }) = Some(number(digits));
            }
        };
        let data = sheet(vec![route(TO, &["dial:101", "voicemail:9"]), extension("101", to(a, "102")), extension("102", to(b, "101"))]);
        let said = played(&data, &NOTHING_LIVE, TO, FROM, &["BUSY"], 1);
        assert!(said.len() <= 10 && said.last().is_some_and(|s| s.starts_with("voicemail")), "{a} {b}: {said:?}");
    }
}

#[test]
fn as_many_calls_as_its_user_wants_make_a_telephone_busy() {
    let data = sheet(vec![route(TO, &["dial:101", "voicemail:9"]), extension("101", |e| e.calls_max = Some(2))]);
    let mut live = Scene::default();
    live.hints.insert(number("101"), crate::hints::Hint { registered: Some(true), dnd: false, calls: 2 });
    assert_eq!(played(&data, &live, TO, FROM, &["BUSY"], 1), ["voicemail:9 matched"]);
    live.hints.insert(number("101"), crate::hints::Hint { registered: Some(true), dnd: false, calls: 1 });
    assert_eq!(played(&data, &live, TO, FROM, &["BUSY"], 1)[0], "101");
}

#[test]
fn settings_of_an_extension_count_for_calls_to_its_own_number_too() {
    let data = sheet(vec![extension("101", |e| (e.forward_no_answer, e.mailbox) = (Some(number("102")), Some("101".into())))]);
    assert_eq!(played(&data, &NOTHING_LIVE, "101", "102", &["NOANSWER"], 1), ["101", "102", "voicemail:101 matched"]);
    let data = sheet(vec![extension("101", |e| e.name = Some("Ada".into()))]);
    assert_eq!(played(&data, &NOTHING_LIVE, "101", "102", &["NOANSWER"], 1), ["continue no-route"], "nothing is set that acts");
}

#[test]
fn allow_wins_over_everything_that_blocks() {
    let data = sheet(vec![
        route("default", &["dial:101"]),
        block(ScreenKey::Number(number(FROM)), None),
        block(ScreenKey::Verification(Verification::Failed), None),
        allow(ScreenKey::Prefix(Prefix { kind: crate::number::Kind::E164, digits: "4930".into() })),
    ]);
    let text = QuestionText { to: TO, from: FROM, verstat: "failed", ..QuestionText::default() };
    assert_eq!(decided(&data, &NOTHING_LIVE, &text, 1).0.reason, Reason::Default);
}

#[test]
fn what_the_network_says_and_how_often_somebody_calls_block_too() {
    let mut rate = block(ScreenKey::Rate, Some("congestion"));
    if let PlanItem::Screen(screen) = &mut rate {
        screen.rate = Some(CallerRate { calls: 3, seconds: 60 });
    }
    let data = sheet(vec![route("default", &["dial:101"]), rate, block(ScreenKey::Verification(Verification::Failed), Some("hangup"))]);
    let text = QuestionText { to: TO, from: FROM, ..QuestionText::default() };
    let at = |calls: u32, verstat: &str| {
        let (decision, marks, _) = decided(&data, &Scene { caller_calls: calls, ..Scene::default() }, &QuestionText { verstat, ..text }, 1);
        assert_eq!(marks.caller, Some(number(FROM)), "each call is counted");
        told(&decision)
    };
    assert_eq!(at(2, ""), "101");
    assert_eq!(at(3, ""), "congestion rate");
    assert_eq!(at(0, "TN-Validation-Failed"), "hangup unverified");
    assert_eq!(at(0, "TN-Validation-Passed-A"), "101");
}

#[test]
fn a_blocked_caller_who_presses_the_key_is_let_through() {
    let data = sheet(vec![route(TO, &["dial:101"]), block(ScreenKey::Number(number(FROM)), Some("challenge:press-1,timeout=8"))]);
    assert_eq!(played(&data, &NOTHING_LIVE, TO, FROM, &["PASSED"], 1), ["challenge:press-1,timeout=8 challenge", "101"]);
    assert_eq!(played(&data, &NOTHING_LIVE, TO, FROM, &["FAILED"], 1)[1], "hangup challenge");
}

#[test]
fn an_emergency_number_is_left_alone_whatever_the_rules_are() {
    let data = sheet(vec![route("default", &["dial:101"]), block(ScreenKey::Withheld, None), block(ScreenKey::Number(number(FROM)), None)]);
    for from in [FROM, "anonymous"] {
        let (decision, marks, _) = decided(&data, &NOTHING_LIVE, &QuestionText { to: "112", from, ..QuestionText::default() }, 1);
        assert_eq!((told(&decision).as_str(), marks), ("continue emergency", Marks::default()));
    }
    let (decision, ..) = decided(&data, &NOTHING_LIVE, &QuestionText { to: TO, from: "112", ..QuestionText::default() }, 1);
    assert_eq!(decision.reason, Reason::Default, "a call back from an emergency service is never screened");
}

#[test]
fn a_token_that_was_left_on_a_channel_does_not_keep_anybody_from_help() {
    let block = block(ScreenKey::Number(number(FROM)), Some("challenge:press-1"));
    for data in [sheet(vec![route("default", &["dial:101", "dial:102"])]), sheet(vec![route("default", &["dial:101"]), block])] {
        let first = QuestionText { to: TO, from: FROM, ..QuestionText::default() };
        let token = decided(&data, &NOTHING_LIVE, &first, 1).0.token.expect("a token").encode();
        for status in ["BUSY", "PASSED", "answered", ""] {
            let text = QuestionText { to: "112", step: Some(&token), status, ..first };
            assert_eq!(told(&decided(&data, &NOTHING_LIVE, &text, 1).0), "continue emergency", "{status}");
        }
    }
}

#[test]
fn digits_that_are_no_number_of_the_country_are_of_the_class_unknown() {
    let data = sheet(vec![route("default", &["dial:101"]), block(ScreenKey::Class(Class::Unknown), Some("hangup"))]);
    for (from, wanted) in
        [("+999123456", "hangup blocked"), ("12345678901234567890", "hangup blocked"), (FROM, "101"), ("alice", "101"), ("102", "101")]
    {
        let text = QuestionText { to: TO, from, ..QuestionText::default() };
        assert_eq!(told(&decided(&data, &NOTHING_LIVE, &text, 1).0), wanted, "{from}");
    }
}

proptest! {
    #[test]
    fn a_withheld_callers_number_is_in_no_answer_and_no_trace(digits in "49301[0-9]{6}", blocked in any::<bool>()) {
        let mut items = vec![route(TO, &["ring:g", "voicemail:1"]), group("g", Strategy::Random, None, &["extension=101", "extension=102"])];
        if blocked {
            items.push(block(ScreenKey::Withheld, None));
        }
        let text = QuestionText { to: TO, from: &format!("+{digits}"), restricted: true, ..QuestionText::default() };
        let (decision, marks, trace) = decided(&sheet(items), &NOTHING_LIVE, &text, 7);
        let said = format!("{decision:?} {marks:?} {trace:?} {}", decision.token.as_ref().map(StepToken::encode).unwrap_or_default());
        prop_assert!(!said.contains(&digits[2..]), "{said}");
    }

    #[test]
    fn no_rule_comes_between_a_caller_and_an_emergency_number(prefix in "[1-9]{1,3}", from in "\\+?[0-9]{0,14}", step in "(dial:101|busy|hangup)") {
        let mut data = sheet(vec![route("default", &[&step]), block(ScreenKey::Class(Class::Unknown), None), block(ScreenKey::Withheld, None)]);
        data.put(PlanItem::Route(Route::of(RouteKey::Prefix(Prefix { kind: crate::number::Kind::Extension, digits: prefix }), vec![Step::of(Action::Busy)])));
        for to in ["110", "112"] {
            let (decision, ..) = decided(&data, &NOTHING_LIVE, &QuestionText { to, from: &from, ..QuestionText::default() }, 1);
            prop_assert_eq!(told(&decision), "continue emergency");
        }
    }
}
