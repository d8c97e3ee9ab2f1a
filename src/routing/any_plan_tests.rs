//! What holds for every plan, every call and every token, however odd.

use crate::hints::Hint;
use crate::number::{Class, Kind, Number};
use crate::routing::Strategy as RingStrategy;
use crate::routing::render::{asterisk, freeswitch};
use crate::routing::tests::{Scene, Sheet, extension, number, tenant};
use crate::routing::*;
use proptest::collection::vec;
use proptest::option::of;
use proptest::prelude::*;
use proptest::sample::select;
use proptest::strategy::Strategy;
use std::cell::Cell;
use std::sync::Arc;

const TO: &str = "+4930990001";
const FROM: &str = "+4930123456";
/// What somebody may write who doesn't know what a dial string is.
const NAMES: &[&str] = &["Ann", "a]b}c,d&e", ":_:", "{x=1}[y]", "${EXTEN}", "^|'\"\\", "…"];
const STATUSES: &[&str] =
    &["BUSY", "NOANSWER", "CHANUNAVAIL", "CONGESTION", "", "\u{1}junk", "CALL_REJECTED", "PASSED", "KEY1", "answered", "voicemail7"];
const INSIDE: &[&str] = &["101", "102", "103", "104", "105", "alice"];
const OUTSIDE: &[&str] = &["+491701111111", "+491701111112", "+4930555001", "+14155550111", "+499001234567", "115"];

fn telephones() -> impl Strategy<Value = Number> {
    prop_oneof![3 => select(INSIDE), 1 => select(OUTSIDE)].prop_map(number)
}

fn members() -> impl Strategy<Value = Member> {
    let target = prop_oneof![
        4 => telephones().prop_map(MemberTarget::Number),
        2 => (0u8..7).prop_map(|n| MemberTarget::Group(format!("g{n}"))),
    ];
    let seconds = prop_oneof![Just(0u16), 1u16..20, Just(DELAY_SECONDS_MAX)];
    let rest =
        (seconds, of(prop_oneof![1u16..40, Just(3600)]), 1u16..=WEIGHT_MAX, any::<bool>(), of(Just("own".to_owned())), of(select(NAMES)));
    (target, rest).prop_map(|(target, (delay_seconds, timeout_seconds, weight, confirm, trunk, name))| Member {
        name: name.map(str::to_owned),
        delay_seconds,
        timeout_seconds,
        weight,
        confirm,
        trunk,
        ..Member::of(target)
    })
}

fn groups() -> impl Strategy<Value = Vec<PlanItem>> {
    let strategy = (0..RingStrategy::ALL.len()).prop_map(|n| RingStrategy::ALL[n]);
    vec((strategy, of(prop_oneof![1u16..60, Just(3600)]), vec(members(), 1..9)), 6).prop_map(|groups| {
        let group = |(n, (strategy, timeout_seconds, mut members)): (usize, (_, _, Vec<Member>))| {
            members.dedup_by(|a, b| a.target == b.target);
            PlanItem::Group(Group { id: format!("g{n}"), name: None, strategy, timeout_seconds, members, revision: 1 })
        };
        groups.into_iter().enumerate().map(group).collect()
    })
}

fn extensions() -> impl Strategy<Value = Vec<PlanItem>> {
    let rest = (of(1u16..60), of(1u8..3), of(Just(vec![Class::Internal])), of(Just("199".to_owned())));
    let one = (select(INSIDE), any::<bool>(), vec(of(telephones()), 4), rest);
    vec(one, 0..7).prop_map(|all| {
        let set = |(own, dnd, forwards, rest): (&str, bool, Vec<Option<Number>>, _)| {
            let to = |n: usize| forwards[n].clone().filter(|to| *to != number(own));
            extension(own, |e| {
                (e.dnd, e.forward_always, e.forward_busy, e.forward_no_answer, e.forward_unavailable) = (dnd, to(0), to(1), to(2), to(3));
                (e.ring_seconds, e.calls_max, e.permissions, e.mailbox) = rest;
            })
        };
        all.into_iter().map(set).collect()
    })
}

fn routes() -> impl Strategy<Value = Vec<PlanItem>> {
    let step = prop_oneof![
        3 => (0u8..8).prop_map(|n| format!("ring:g{n}")),
        2 => telephones().prop_map(|to| format!("dial:{to}")),
        1 => (telephones(), telephones()).prop_map(|(a, b)| format!("dial:{a},{b}")),
        1 => select(vec!["voicemail:199".to_owned(), "queue:q".to_owned(), "playback:x".to_owned(), "goto:a,b,1".to_owned()]),
    ];
    let timed = (step, of(1u16..60)).prop_map(|(step, time)| step + &time.map(|t| format!(",timeout={t}")).unwrap_or_default());
    vec(vec(timed, 1..5), 2).prop_map(|plans| {
        let route = |to: &str, steps: &[String]| crate::routing::tests::route(to, &steps.iter().map(String::as_str).collect::<Vec<_>>());
        vec![route(TO, &plans[0]), route("default", &plans[1])]
    })
}

fn blocks() -> impl Strategy<Value = Vec<PlanItem>> {
    let key = prop_oneof![
        Just(ScreenKey::Withheld),
        Just(ScreenKey::Rate),
        Just(ScreenKey::Country("DE".into())),
        Just(ScreenKey::Class(Class::Unknown)),
        Just(ScreenKey::Number(number(FROM))),
        Just(ScreenKey::Verification(Verification::Failed)),
    ];
    let action = select(vec![None, Some("challenge:press-1"), Some("hangup"), Some("dial:101"), Some("playback:no")]);
    vec((key, action), 0..3).prop_map(|all| {
        let one = |(key, action): (ScreenKey, Option<&str>)| {
            let action = action.map(|a| Step::parse(a, &tenant().plan).expect("a step"));
            PlanItem::Screen(Screen { list: List::Block, key, action, rate: Some(CallerRate { calls: 1, seconds: 60 }) })
        };
        all.into_iter().map(one).collect()
    })
}

fn trunks() -> impl Strategy<Value = Vec<PlanItem>> {
    let one = (0..NumberFormat::ALL.len(), any::<bool>(), select(vec!["+=1", "+49=0.02", "+1=0.5"]), select(vec!["", "77#"]));
    vec(one, 0..4).prop_map(|all| {
        let trunk = |(n, (format, emergency, rate, tech_prefix)): (usize, (usize, bool, &str, &str))| {
            let trunk = Trunk {
                id: format!("t{n}"),
                format: NumberFormat::ALL[format],
                tech_prefix: tech_prefix.into(),
                caller_id_format: NumberFormat::ALL[format],
                caller_id: Some(number("+4930990000")),
                emergency,
                rates: vec![Rate::parse(rate).expect("a rate")],
                revision: 1,
            };
            PlanItem::Trunk(trunk.check().expect("a trunk"))
        };
        all.into_iter().enumerate().map(trunk).collect()
    })
}

fn plans() -> impl Strategy<Value = Sheet> {
    (groups(), extensions(), routes(), blocks(), trunks()).prop_map(|(groups, extensions, routes, blocks, trunks)| {
        let mut sheet = Sheet::default();
        [groups, extensions, routes, blocks, trunks].into_iter().flatten().for_each(|item| {
            sheet.put(item);
        });
        sheet
    })
}

fn scenes() -> impl Strategy<Value = Scene> {
    let hint = (of(any::<bool>()), any::<bool>(), 0u8..4).prop_map(|(registered, dnd, calls)| Hint { registered, dnd, calls });
    (vec(of(hint), INSIDE.len()), 0u32..9, 0u32..3).prop_map(|(hints, turn, caller_calls)| Scene {
        hints: INSIDE.iter().zip(hints).filter_map(|(n, hint)| Some((number(n), hint?))).collect(),
        turns: (0..7).map(|n| (format!("g{n}"), turn + n)).collect(),
        caller_calls,
        ..Scene::default()
    })
}

fn tokens() -> impl Strategy<Value = StepToken> {
    let key = prop_oneof![
        Just(RouteKey::Default),
        Just(RouteKey::Number(number(TO))),
        select(INSIDE).prop_map(|n| RouteKey::Number(number(n))),
        Just(RouteKey::Number(number("112"))),
    ];
    let course = prop_oneof![
        3 => (key, prop_oneof![Just(0u8), any::<u8>()]).prop_map(|(key, plan)| Course::Route { key, plan }),
        1 => Just(Course::Outbound),
        1 => Just(Course::Challenge),
    ];
    let tenant = prop_oneof![4 => Just(DEFAULT_TENANT), 1 => Just("other")];
    let small = prop_oneof![0u8..5, any::<u8>()];
    let order = prop_oneof![Just(0u128), 0u128..999, any::<u128>()];
    let time = prop_oneof![4 => Just(1_800_000_000u64), 1 => any::<u64>()];
    (course, tenant, prop_oneof![4 => Just(1u64), 1 => any::<u64>()], small.clone(), small, order, time, any::<u8>()).prop_map(
        |(course, tenant, revision, index, attempt, order, started_seconds, hops)| StepToken {
            tenant: tenant.into(),
            course,
            revision,
            index,
            attempt,
            started_seconds,
            order,
            hops: if hops < 128 { hops % 4 } else { hops },
            rung: (order >> 7) as u32,
        },
    )
}

/// A decision, or the failure; with what is to be remembered and the trace.
fn asked(data: &dyn Data, live: &dyn Live, text: &QuestionText<'_>, seed: u64) -> (Result<(Decision, Marks), LookupFailed>, Vec<Rule>) {
    let tenant = tenant();
    let question = Question::read(text, &tenant.plan).expect("a question");
    let mut trace = Trace::on();
    let moment = Moment { now_us: 1_800_000_000_000_000, seed, live };
    let answer = decide(&tenant, &question, data, moment, &mut trace);
    (answer, trace.into_rules())
}

/// What must be true of whatever an answer rings.
fn rings_well(data: &Sheet, live: &Scene, decision: &Decision) -> Result<(), TestCaseError> {
    let Some(ring) = &decision.ring else { return Ok(()) };
    let total = ring.timeout_seconds.unwrap_or(30);
    prop_assert!(total > 0 && (1..=MEMBERS_MAX).contains(&ring.legs.len()));
    for (n, leg) in ring.legs.iter().enumerate() {
        let ends = u32::from(leg.delay_seconds) + u32::from(leg.timeout_seconds.unwrap_or(1));
        prop_assert!(leg.timeout_seconds != Some(0) && ends <= u32::from(total), "{leg:?} of {total} s");
        prop_assert!(!ring.legs[..n].iter().any(|other| other.target == leg.target), "twice: {leg:?}");
        let set = data.extension(&leg.target).expect("no failure");
        let hinted = live.hints.get(&leg.target).is_some_and(|h| h.dnd);
        // what a blocked caller gets is what the list says
        let is_planned = decision.route.is_some();
        prop_assert!(!is_planned || !(set.is_some_and(|e| e.dnd) || hinted), "{} is not to be disturbed", leg.target);
        prop_assert!(leg.target.kind() != Kind::Emergency);
    }
    let on_asterisk = asterisk(decision, Some(&tenant().asterisk));
    let target = on_asterisk.value("TARGET").expect("a target");
    prop_assert_eq!(target.split('&').count(), ring.legs.len());
    let is_dialled = |c: char| c.is_ascii_alphanumeric() || "/@+#*._-".contains(c);
    for text in target.split('&').chain(on_asterisk.legs.iter().map(|(_, text)| text.as_str())) {
        prop_assert!(text.chars().all(is_dialled), "{text}");
    }
    let on_freeswitch = freeswitch(decision, Some(&tenant().freeswitch));
    let target = on_freeswitch.value("TARGET").expect("a target");
    let confirmed = ring.legs.iter().filter(|leg| leg.confirm).count();
    let is_mixed = confirmed < ring.legs.len();
    prop_assert_eq!(target.split(":_:").count(), confirmed + usize::from(is_mixed));
    for part in target.split(":_:") {
        // options, then a leg's own, then the leg
        let (braces, brackets) = (part.rfind('}').map_or(0, |at| at + 1), part.find('[').unwrap_or(part.len()));
        prop_assert!(braces <= brackets, "{part}");
    }
    Ok(())
}

/// Look-ups of which one fails.
struct Failing<'a> {
    data: &'a Sheet,
    /// How many go well.
    left: Cell<usize>,
    asked: Cell<usize>,
}

impl<'a> Failing<'a> {
    fn at(data: &'a Sheet, left: usize) -> Failing<'a> {
        Failing { data, left: Cell::new(left), asked: Cell::new(0) }
    }

    fn next(&self) -> Result<&'a Sheet, LookupFailed> {
        self.asked.set(self.asked.get() + 1);
        match self.left.get().checked_sub(1) {
            Some(left) => {
                self.left.set(left);
                Ok(self.data)
            }
            None => Err(LookupFailed("the disk is gone".into())),
        }
    }
}

impl Data for Failing<'_> {
    fn revision(&self) -> u64 {
        1
    }
    fn route(&self, key: &RouteKey) -> Found<Arc<Route>> {
        self.next()?.route(key)
    }
    fn route_by_prefix(&self, number: &Number) -> Found<Arc<Route>> {
        self.next()?.route_by_prefix(number)
    }
    fn screen_number(&self, list: List, number: &Number) -> Found<Arc<Screen>> {
        self.next()?.screen_number(list, number)
    }
    fn screen(&self, list: List, key: &ScreenKey) -> Found<Arc<Screen>> {
        self.next()?.screen(list, key)
    }
    fn group(&self, id: &str) -> Found<Arc<Group>> {
        self.next()?.group(id)
    }
    fn schedule(&self, id: &str) -> Found<Arc<CompiledSchedule>> {
        self.next()?.schedule(id)
    }
    fn extension(&self, number: &Number) -> Found<Arc<Extension>> {
        self.next()?.extension(number)
    }
    fn trunks(&self) -> Result<Arc<Vec<Arc<Trunk>>>, LookupFailed> {
        self.next()?.trunks()
    }
    fn limit(&self, class: Class, scope: Scope) -> Found<Limit> {
        self.next()?.limit(class, scope)
    }
    fn known(&self, number: &Number, callee: Option<&Number>, names_max: usize) -> Result<Known, LookupFailed> {
        self.next()?.known(number, callee, names_max)
    }
    fn user(&self, domain: &str, extension: &str) -> Found<Arc<User>> {
        self.next()?.user(domain, extension)
    }
    fn has_domain(&self, domain: &str) -> Result<bool, LookupFailed> {
        self.next()?.has_domain(domain)
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, ..ProptestConfig::default() })]

    #[test]
    fn every_call_ends_is_answered_alike_when_asked_twice_and_goes_on_from_step_to_step(
        data in plans(), live in scenes(), statuses in vec(select(STATUSES), 1..9), seed in any::<u64>(),
        to in prop_oneof![Just(TO), Just("+4930990002"), select(INSIDE)], verstat in select(vec!["", "failed"]),
    ) {
        let first = QuestionText { to, from: FROM, verstat, ..QuestionText::default() };
        let (mut step, mut before) = (None::<String>, None::<(u8, u8)>);
        for n in 0.. {
            let status = if n == 0 { "" } else { statuses[(n - 1) % statuses.len()] };
            let text = QuestionText { step: step.as_deref(), status, ..first };
            let (answer, trace) = asked(&data, &live, &text, seed);
            let (decision, marks) = answer.expect("no failure");
            prop_assert_eq!(&Ok((decision.clone(), marks)), &asked(&data, &live, &text, seed).0);
            rings_well(&data, &live, &decision)?;
            let written: usize = trace.iter().map(|rule| rule.to_string().len()).sum();
            prop_assert!(trace.len() <= 200 && written < 16 * 1024, "{} rules of {written} bytes", trace.len());
            let Some(token) = decision.token else { break };
            prop_assert!(token.encode().len() <= TOKEN_BYTES_MAX);
            if let Course::Route { .. } = token.course {
                let at = (token.index, token.attempt);
                prop_assert!(before.is_none_or(|before| at > before), "{before:?} then {at:?}");
                before = Some(at);
            }
            step = Some(token.encode());
            prop_assert!(n < usize::from(HOPS_MAX), "it rings for ever");
        }
    }

    #[test]
    fn a_token_of_any_content_rings_nobody_who_is_not_of_the_plan(
        data in plans(), live in scenes(), token in tokens(), status in select(STATUSES), seed in any::<u64>(),
        request in select(vec!["route", "outbound"]), to in select(vec![TO, "+4930555", "112", "115", "101", ""]), from in select(vec![FROM, "101"]),
    ) {
        let text = token.encode();
        prop_assert_eq!(StepToken::decode(&text), Ok(token.clone()));
        let question = QuestionText { request, to, from, step: Some(&text), status, ..QuestionText::default() };
        let (answer, _) = asked(&data, &live, &question, seed);
        let (decision, _) = answer.expect("no failure");
        if request == "route" || decision.ring.is_none() {
            rings_well(&data, &live, &decision)?;
        }
        if request == "outbound" {
            let legs = decision.ring.as_ref().map_or(&[][..], |ring| &ring.legs);
            prop_assert!(legs.iter().all(|leg| leg.target == number(to)), "a call out goes to what was dialled");
        }
        prop_assert!(decision.token.is_none_or(|t| t.tenant == DEFAULT_TENANT));
        if token.tenant != DEFAULT_TENANT && to != "112" {
            prop_assert!(decision.ring.is_none() || request == "outbound");
            prop_assert_eq!(decision.status == Status::Found && request == "route", false);
        }
    }

    #[test]
    fn a_call_for_help_is_left_alone_or_sent_out_as_it_was_dialled(
        data in plans(), live in scenes(), token in of(tokens()), status in select(STATUSES), to in select(vec!["110", "112"]),
        from in select(vec![FROM, "101", "112", "anonymous", "", "\u{1}"]), request in select(vec!["route", "outbound"]), restricted in any::<bool>(),
    ) {
        let text = token.as_ref().map(StepToken::encode);
        let question = QuestionText { request, to, from, restricted, step: text.as_deref(), status, ..QuestionText::default() };
        let (decision, marks) = asked(&data, &live, &question, 1).0.expect("no failure");
        prop_assert_eq!(marks, Marks::default());
        match &decision.ring {
            Some(ring) => {
                prop_assert_eq!(request, "outbound");
                prop_assert!(ring.legs.len() == 1 && ring.legs[0].is_plain() && ring.legs[0].dial_as.is_none());
                let dialled = asterisk(&decision, Some(&tenant().asterisk)).value("TARGET").expect("a target").to_owned();
                prop_assert!(dialled.starts_with(&format!("PJSIP/{to}@")), "{dialled}");
                prop_assert!(decision.token.is_some() || token.is_some_and(|t| t.hops >= HOPS_MAX - 1), "the dialplan's own way is the last one");
            }
            // it was answered, and is over
            None if request == "outbound" && decision.reason == Reason::Exhausted => {
                prop_assert!(matches!(status, "PASSED" | "KEY1" | "answered" | "voicemail7"));
            }
            None => prop_assert_eq!(decision.step.action, Action::Continue),
        }
        let tenant = tenant();
        let question = Question::read(&question, &tenant.plan).expect("a question");
        for reason in [Reason::Late, Reason::StoreFailed] {
            prop_assert_eq!(fallback_decision(&tenant, &question, Some(&data), Status::Late, reason).step.action, Action::Continue);
        }
    }

    #[test]
    fn a_look_up_that_fails_is_a_failure_wherever_it_is(
        data in plans(), live in scenes(), status in select(STATUSES), request in select(vec!["route", "outbound", "name"]),
        to in select(vec![TO, "101", "+14155550111", "112"]), from in select(vec![FROM, "101"]), steps in 0usize..4,
    ) {
        let mut step = None::<String>;
        for n in 0..=steps {
            let status = if n == 0 { "" } else { status };
            let text = QuestionText { request, to, from, step: step.as_deref(), status, ..QuestionText::default() };
            let whole = Failing::at(&data, usize::MAX);
            let (decision, _) = asked(&whole, &live, &text, 1).0.expect("no failure");
            for left in 0..whole.asked.get().min(60) {
                let failing = Failing::at(&data, left);
                prop_assert!(asked(&failing, &live, &text, 1).0.is_err(), "look-up {left} of {}", whole.asked.get());
            }
            match decision.token {
                Some(token) => step = Some(token.encode()),
                None => break,
            }
        }
    }

    #[test]
    fn a_withheld_number_is_nowhere_in_an_answer(data in plans(), live in scenes(), digits in "49301[0-9]{6}", to in select(vec![TO, "101", "112"])) {
        let from = format!("+{digits}");
        let text = QuestionText { to, from: &from, restricted: true, ..QuestionText::default() };
        let (answer, trace) = asked(&data, &live, &text, 7);
        let (decision, marks) = answer.expect("no failure");
        // numbers show their last digits only in what is for programmers
        prop_assert_eq!(marks.caller, None);
        let mut said: Vec<String> = trace.iter().map(ToString::to_string).collect();
        for words in [asterisk(&decision, Some(&tenant().asterisk)), freeswitch(&decision, Some(&tenant().freeswitch))] {
            said.extend(words.values);
            said.extend(words.legs.into_iter().map(|(_, text)| text));
        }
        said.push(format!("{:?}", decision.token));
        prop_assert!(said.iter().all(|text| !text.contains(&digits[2..])), "{said:?}");
    }
}

#[test]
fn groups_of_groups_of_groups_are_read_no_further_than_anybody_waits() {
    let mut data = Sheet::default();
    data.put(crate::routing::tests::route(TO, &["ring:g0-0", "voicemail:9"]));
    let text = QuestionText { to: TO, from: FROM, ..QuestionText::default() };
    // 32 groups in each, eight deep: by their leaves a million million telephones, or none at all
    for bottom in [MemberTarget::Number(number("101")), MemberTarget::Group("gone".into()), MemberTarget::Group("g0-0".into())] {
        for strategy in [RingStrategy::Memoryhunt, RingStrategy::Ringall, RingStrategy::Hunt] {
            for depth in 0..8 {
                for n in 0..32 {
                    let inner = |m: u32| Member::of(MemberTarget::Group(format!("g{}-{m}", depth + 1)));
                    let members = if depth == 7 { vec![Member::of(bottom.clone())] } else { (0..32).map(inner).collect() };
                    let id = format!("g{depth}-{n}");
                    data.put(PlanItem::Group(Group { id, name: None, strategy, timeout_seconds: Some(5), members, revision: 1 }));
                }
            }
            let counting = Failing::at(&data, usize::MAX);
            let (answer, trace) = asked(&counting, &NOTHING_LIVE, &text, 1);
            let (decision, _) = answer.expect("no failure");
            assert_eq!(decision.ring.is_some(), bottom == MemberTarget::Number(number("101")), "{bottom} {strategy}");
            assert!(counting.asked.get() < 20_000 && trace.len() <= 200, "{} look-ups for {bottom}", counting.asked.get());
        }
    }
}
