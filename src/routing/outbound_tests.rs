use crate::routing::render::asterisk;
use crate::routing::tests::{Scene, Sheet, decided, extension, number, tenant, told};
use crate::routing::*;
use proptest::prelude::*;

fn trunk(id: &str, rates: &[&str], set: impl FnOnce(&mut Trunk)) -> PlanItem {
    let rates = rates.iter().map(|r| Rate::parse(r).expect("a rate")).collect();
    let mut trunk = Trunk { revision: 1, ..Trunk::of(id, rates) };
    set(&mut trunk);
    PlanItem::Trunk(trunk.check().expect("a trunk"))
}

fn sheet(items: Vec<PlanItem>) -> Sheet {
    let mut data = Sheet::default();
    for item in items {
        data.put(item);
    }
    data
}

fn call<'a>(to: &'a str) -> QuestionText<'a> {
    QuestionText { request: "outbound", to, from: "101", ..QuestionText::default() }
}

/// The targets that a call goes to, one trunk after the other, while each fails so; then what it ends with.
fn tried(data: &Sheet, to: &str, outcome: &str) -> Vec<String> {
    let tenant = tenant();
    let (mut said, mut step) = (Vec::new(), None::<String>);
    loop {
        let text = QuestionText { step: step.as_deref(), status: outcome, ..call(to) };
        let (decision, ..) = decided(data, &NOTHING_LIVE, &text, 1);
        let rendered = asterisk_words(&decision, &tenant);
        said.push(if decision.ring.is_some() { rendered } else { told(&decision) });
        match decision.token {
            Some(token) => step = Some(token.encode()),
            None => return said,
        }
    }
}

fn asterisk_words(decision: &Decision, tenant: &Tenant) -> String {
    let rendered = asterisk(decision, Some(&tenant.asterisk));
    let callerid = rendered.value("CALLERID").unwrap_or_default();
    format!("{} {callerid}", rendered.value("TARGET").unwrap_or_default()).trim_end().to_owned()
}

#[test]
fn trunks_are_tried_by_price_then_priority_and_only_a_trunk_that_cannot_take_it_leads_on() {
    let data = sheet(vec![
        trunk("a", &["+49=0.02", "+=1"], |_| ()),
        trunk("b", &["+49=0.01,priority=2"], |_| ()),
        trunk("c", &["+49=0.01,priority=1", "+49170=0.5"], |_| ()),
    ]);
    let to = |id: &str, n: &str| format!("PJSIP/{n}@{id}");
    let fixed = "+4930123456";
    assert_eq!(tried(&data, fixed, "CONGESTION"), [to("c", fixed), to("b", fixed), to("a", fixed), "congestion exhausted".into()][..3]);
    let mobile = "+491701234567";
    assert_eq!(tried(&data, mobile, "CHANUNAVAIL"), [to("b", mobile), to("a", mobile), to("c", mobile)], "each trunk's own longest prefix");
    assert_eq!(tried(&data, fixed, "BUSY"), [to("c", fixed), "busy exhausted".into()]);
    let refused = tried(&data, fixed, "CALL_REJECTED");
    assert_eq!(refused, [to("c", fixed), to("b", fixed), to("a", fixed)], "a carrier's 403 has the word of a callee who declines");
    assert_eq!(tried(&data, fixed, "NOANSWER"), [to("c", fixed), "hangup exhausted".into()]);
    assert_eq!(tried(&sheet(vec![trunk("a", &["+1=1"], |_| ())]), fixed, "CONGESTION"), ["congestion no-trunk"]);
    assert_eq!(tried(&sheet(vec![]), fixed, "CONGESTION"), ["continue no-trunk"], "the dialplan has its own way out");
}

#[test]
fn a_trunk_gets_number_and_caller_id_as_it_wants_them() {
    let own = |e: &mut Extension| (e.caller_id, e.emergency_caller_id) = (Some(number("+493099000101")), Some(number("+493099000100")));
    let data = sheet(vec![
        trunk("a", &["+49=0.01"], |t| (t.format, t.tech_prefix) = (NumberFormat::E164, "77#".into())),
        trunk("b", &["+49=0.02"], |t| (t.caller_id, t.caller_id_format) = (Some(number("+4930990000")), NumberFormat::E164)),
        trunk("sos", &[], |t| t.emergency = true),
        extension("101", own),
    ]);
    assert_eq!(tried(&data, "030123456", "CONGESTION"), ["PJSIP/77#4930123456@a +493099000101", "PJSIP/+4930123456@b 4930990000"]);
    assert_eq!(
        tried(&data, "112", "CONGESTION"),
        ["PJSIP/112@sos +493099000100", "PJSIP/112@a +493099000100", "PJSIP/112@b 493099000100", "continue emergency"],
        "digits as they are, over every trunk, with the number to call back; then the dialplan's own way"
    );
}

#[test]
fn who_may_not_call_so_far_is_refused_and_emergencies_never_are() {
    let data = sheet(vec![
        trunk("a", &["+=0.01"], |_| ()),
        extension("101", |e| e.permissions = Some(vec![Class::Internal])),
        PlanItem::Limit(Limit { class: Class::National, scope: Scope::Extension, per_hour: Some(0), concurrent: None }),
    ]);
    assert_eq!(tried(&data, "+4930123456", "CONGESTION"), ["congestion not-permitted"]);
    let (decision, ..) = decided(&data, &NOTHING_LIVE, &call("110"), 1);
    assert_eq!(decision.ring.and_then(|ring| ring.timeout_seconds), Some(180), "it rings longer than other calls");
    for outcome in ["CONGESTION", "BUSY", "NOANSWER", "CALL_REJECTED"] {
        assert_eq!(tried(&data, "110", outcome), ["PJSIP/110@a", "continue emergency"], "whatever the carrier says of it");
    }
    for from in ["anonymous", "+4930123456", ""] {
        let (decision, ..) = decided(&data, &NOTHING_LIVE, &QuestionText { from, ..call("+4930123456") }, 1);
        assert_eq!(decision.reason, Reason::NotPermitted, "whoever isn't an extension of ours");
    }
}

#[test]
fn limits_count_for_each_extension_and_for_the_tenant() {
    let limit = |scope, per_hour, concurrent| PlanItem::Limit(Limit { class: Class::National, scope, per_hour, concurrent });
    let data =
        sheet(vec![trunk("a", &["+=0.01"], |_| ()), limit(Scope::Extension, Some(5), Some(2)), limit(Scope::Tenant, Some(50), None)]);
    let at = |class_calls| {
        let (decision, marks, _) = decided(&data, &Scene { class_calls, ..Scene::default() }, &call("+4930123456"), 1);
        (decision.reason, marks.outbound.is_some())
    };
    assert_eq!(at([(4, 1), (49, 9)]), (Reason::Matched, true));
    assert_eq!(at([(5, 0), (5, 0)]), (Reason::Limit, false));
    assert_eq!(at([(0, 2), (0, 2)]), (Reason::Limit, false));
    assert_eq!(at([(0, 0), (50, 0)]), (Reason::Limit, false));
}

#[test]
fn a_trunk_that_was_changed_in_the_middle_of_a_call_makes_its_token_a_bad_one() {
    let mut data = sheet(vec![trunk("a", &["+=0.01"], |_| ()), trunk("b", &["+=0.02"], |_| ())]);
    let token = decided(&data, &NOTHING_LIVE, &call("+4930123456"), 1).0.token.expect("a token").encode();
    data.put(trunk("0", &["+=0.03"], |_| ()));
    let text = QuestionText { step: Some(&token), status: "CONGESTION", ..call("+4930123456") };
    assert_eq!(decided(&data, &NOTHING_LIVE, &text, 1).0.reason, Reason::BadStep);
}

#[test]
fn a_token_of_another_call_lets_nobody_call_what_he_may_not() {
    let data = sheet(vec![trunk("a", &["+=0.01"], |_| ()), trunk("b", &["+=0.02"], |_| ())]);
    let token = decided(&data, &NOTHING_LIVE, &call("+4930123456"), 1).0.token.expect("a token").encode();
    let text = QuestionText { step: Some(&token), status: "CONGESTION", ..call("+499001234567") };
    assert_eq!(decided(&data, &NOTHING_LIVE, &text, 1).0.reason, Reason::NotPermitted);
}

#[test]
fn a_short_code_goes_out_as_it_is_over_any_trunk_for_public_numbers() {
    let data = sheet(vec![
        trunk("a", &["+49=0.02"], |t| t.tech_prefix = "77#".into()),
        trunk("b", &["+=0.01"], |_| ()),
        trunk("sos", &[], |t| t.emergency = true),
    ]);
    assert_eq!(tried(&data, "115", "CONGESTION"), ["PJSIP/115@b", "PJSIP/115@a"]);
}

#[test]
fn what_was_dialled_is_kept_only_where_it_means_the_number() {
    let data = sheet(vec![trunk("a", &["+=0.01"], |t| t.format = NumberFormat::Dialled)]);
    for (to, dialled) in [
        ("030123456", "030123456"),
        ("0049 30 123456", "004930123456"),
        ("sip:+4930123456@10.0.0.1:5060", "+4930123456"),
        ("tel:+4930123456;phone-context=+44", "+4930123456"),
        ("+49 (0)30 123456", "+4930123456"),
    ] {
        assert_eq!(tried(&data, to, "CONGESTION"), [format!("PJSIP/{dialled}@a")], "{to}");
    }
}

#[test]
fn a_call_that_no_trunk_takes_is_not_counted_against_a_limit() {
    let data = sheet(vec![trunk("a", &["+1=0.01"], |_| ())]);
    let (decision, marks, _) = decided(&data, &NOTHING_LIVE, &call("+4930123456"), 1);
    assert_eq!((decision.reason, marks), (Reason::NoTrunk, Marks::default()));
}

proptest! {
    #[test]
    fn equal_trunks_share_the_calls_by_their_weight_and_a_call_keeps_its_order(seed in any::<u64>()) {
        let data = sheet(vec![trunk("a", &["+=0.01,weight=1"], |_| ()), trunk("b", &["+=0.01,weight=3"], |_| ()), trunk("c", &["+=0.01"], |_| ())]);
        let (mut seen, mut step) = (std::collections::BTreeSet::new(), None::<String>);
        loop {
            let text = QuestionText { step: step.as_deref(), status: "CONGESTION", ..call("+4930123456") };
            let (decision, ..) = decided(&data, &NOTHING_LIVE, &text, seed);
            let leg = decision.ring.expect("a trunk").legs.remove(0);
            prop_assert!(seen.insert(leg.trunk), "no trunk twice");
            match decision.token {
                Some(token) => step = Some(token.encode()),
                None => break,
            }
        }
        prop_assert_eq!(seen.len(), 3);
    }
}
