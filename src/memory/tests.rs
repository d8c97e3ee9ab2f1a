use super::*;
use crate::clock::FixedClock;
use crate::number::NumberPlan;
use proptest::prelude::*;
use std::sync::{Barrier, LazyLock};

/// Where the clock that nobody sets begins.
const BEGIN_S: u64 = 946_080_000;

fn number(text: &str) -> Number {
    NumberPlan::new(None).parse(text).unwrap()
}

fn caller(n: usize) -> Number {
    number(&format!("+1415555{n:05}"))
}

fn called(caller: Number) -> Marks {
    Marks { caller: Some(caller), ..Marks::default() }
}

fn let_out(extension: &str, class: Class) -> Marks {
    Marks { outbound: Some((number(extension), class)), ..Marks::default() }
}

fn at(memory: &Memory, seconds: u64, read: impl FnOnce(&Glance<'_>)) {
    static NO_HINTS: LazyLock<Hints> = LazyLock::new(Hints::default);
    read(&Glance { memory, hints: &NO_HINTS, tenant: "a", now_us: seconds * 1_000_000, wall_us: 0 });
}

fn member(text: &str) -> MemberTarget {
    MemberTarget::Number(number(text))
}

proptest! {
    #[test]
    fn calls_are_never_counted_too_few_nor_beyond_the_slack_that_is_stated(
        calls in proptest::collection::vec((0u64..400, 0usize..3), 1..120),
        seconds in 1u32..=3600,
        later in 0u64..200,
    ) {
        let memory = Memory::new(["a"]);
        let (mut now, mut all) = (BEGIN_S, Vec::new());
        for (pause, who) in calls {
            now += pause;
            memory.mark("a", &called(caller(who)), now * 1_000_000);
            all.push((now, who));
        }
        now += later;
        at(&memory, now, |glance| {
            for who in 0..3 {
                let exact = |back: u64| all.iter().filter(|(at, of)| *of == who && now - at <= back).count() as u32;
                let counted = glance.caller_calls(&caller(who), seconds);
                let most = exact(u64::from(seconds) + Calls::slack(seconds.into()));
                assert!((exact(seconds.into())..=most).contains(&counted), "{counted} of {}..={most}", exact(seconds.into()));
            }
        });
    }

    #[test]
    fn an_hours_calls_of_a_class_are_never_counted_too_few_nor_more_than_four_minutes_beyond(
        calls in proptest::collection::vec((0u64..300, 0usize..2, 0usize..2), 1..150),
    ) {
        let memory = Memory::new(["a"]);
        let (extensions, classes) = (["101", "102"], [Class::Premium, Class::National]);
        let (mut now, mut all) = (BEGIN_S, Vec::new());
        for (pause, who, which) in calls {
            now += pause;
            memory.mark("a", &let_out(extensions[who], classes[which]), now * 1_000_000);
            all.push((now, who, which));
        }
        at(&memory, now, |glance| {
            let exact = |back: u64, is: &dyn Fn(usize, usize) -> bool| {
                all.iter().filter(|(at, who, which)| now - at <= back && is(*who, *which)).count() as u32
            };
            for (which, asked) in classes.iter().enumerate().take(2) {
                for who in [None, Some(0), Some(1)] {
                    let is = |of: usize, class: usize| class == which && who.is_none_or(|who| of == who);
                    let extension = who.map(|who| number(extensions[who]));
                    let (counted, _) = glance.class_calls(extension.as_ref(), *asked);
                    assert!((exact(3_600, &is)..=exact(3_600 + Hour::LENGTH, &is)).contains(&counted), "{counted}");
                }
            }
        });
    }
}

#[test]
fn no_call_is_lost_where_many_threads_mark_at_once() {
    const THREADS: usize = 8;
    const EACH: usize = 500;
    let memory = Memory::new(["a"]);
    let now_us = BEGIN_S * 1_000_000;
    let together = Barrier::new(THREADS);
    std::thread::scope(|scope| {
        for thread in 0..THREADS {
            let (memory, together) = (&memory, &together);
            scope.spawn(move || {
                together.wait();
                for n in 0..EACH {
                    // everybody's caller, a new one each time, and one of this thread's own
                    memory.mark("a", &called(caller(n % 50)), now_us);
                    memory.mark("a", &called(caller(1_000 + thread)), now_us);
                    memory.mark("a", &Marks { turns: vec!["family".into()], ..let_out("101", Class::National) }, now_us);
                }
            });
        }
    });
    at(&memory, BEGIN_S, |glance| {
        let shared: u32 = (0..50).map(|n| glance.caller_calls(&caller(n), 10)).sum();
        let own: Vec<u32> = (0..THREADS).map(|thread| glance.caller_calls(&caller(1_000 + thread), 10)).collect();
        assert_eq!((shared as usize, own), (THREADS * EACH, vec![EACH as u32; THREADS]));
        assert_eq!(glance.turn("family") as usize, THREADS * EACH);
        assert_eq!(glance.class_calls(None, Class::National).0 as usize, THREADS * EACH);
    });
}

#[test]
fn threads_that_fight_for_a_full_table_neither_wait_nor_find_anothers_calls() {
    let memory = Memory::new(["a"]);
    let strange = AtomicU64::new(0);
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let (memory, strange) = (&memory, &strange);
            scope.spawn(move || {
                for n in 0..3 * CALLERS_MAX {
                    let who = caller(thread * 20_000 + n);
                    memory.mark("a", &called(who.clone()), BEGIN_S * 1_000_000);
                    at(memory, BEGIN_S, |glance| _ = strange.fetch_add(u64::from(glance.caller_calls(&who, 60) > 1), Ordering::Relaxed));
                }
            });
        }
    });
    // one of a million has the tag of whoever was there before
    assert!(strange.into_inner() <= 2, "somebody else's calls");
}

#[test]
fn who_calls_often_is_still_known_when_strangers_fill_the_table() {
    let memory = Memory::new(["a"]);
    let often = number("+4930123456");
    for n in 0..10 * CALLERS_MAX {
        let now = BEGIN_S + n as u64 / 100;
        memory.mark("a", &called(caller(n)), now * 1_000_000);
        if n % 500 == 0 {
            memory.mark("a", &called(often.clone()), now * 1_000_000);
        }
    }
    let now = BEGIN_S + 10 * CALLERS_MAX as u64 / 100;
    at(&memory, now, |glance| {
        assert_eq!(glance.caller_calls(&often, 3_600) as usize, (10 * CALLERS_MAX).div_ceil(500));
        // who called once, long before, had to make room, and is nobody
        assert_eq!(glance.caller_calls(&caller(0), 3_600), 0);
        assert_eq!(glance.caller_calls(&number("+4930999999"), 3_600), 0);
    });
}

#[test]
fn one_tenants_calls_push_out_nothing_of_anothers() {
    let memory = Memory::new(["a", "b"]);
    let marks = Marks {
        turns: vec!["family".into()],
        rung: vec![("family".into(), member("101"))],
        caller: Some(caller(1)),
        outbound: Some((number("101"), Class::Mobile)),
    };
    memory.mark("a", &marks, BEGIN_S * 1_000_000);
    for n in 0..MEMBERS_MAX + 1 {
        let marks = Marks {
            turns: vec![format!("g{n}")],
            rung: vec![(format!("g{n}"), member("101"))],
            caller: Some(caller(n)),
            outbound: Some((number(&format!("{}", 1_000 + n)), Class::Mobile)),
        };
        memory.mark("b", &marks, (BEGIN_S + 1) * 1_000_000);
    }
    at(&memory, BEGIN_S + 2, |a| {
        assert_eq!((a.turn("family"), a.caller_calls(&caller(1), 60), a.class_calls(None, Class::Mobile).0), (1, 1, 1));
        assert_eq!(a.last_rung("family", &member("101")), BEGIN_S * 1_000);
        // and knows nothing of it
        assert_eq!((a.turn("g1"), a.caller_calls(&caller(2), 60)), (0, 0));
    });
}

#[test]
fn of_a_tenant_that_is_not_there_nothing_is_known_and_nothing_is_kept() {
    let memory = Memory::new(["b"]);
    memory.mark("a", &called(caller(1)), BEGIN_S * 1_000_000);
    memory.answered("a", "101", BEGIN_S * 1_000_000);
    memory.live("a", None, Class::Mobile, 5, BEGIN_S * 1_000_000);
    at(&memory, BEGIN_S, |a| {
        assert_eq!((a.turn("g"), a.caller_calls(&caller(1), 60), a.class_calls(None, Class::Mobile)), (0, 0, (0, 0)));
        assert_eq!(a.last_rung("g", &member("101")), 0);
    });
}

#[test]
fn who_has_answered_comes_after_those_who_were_only_rung_for_five_minutes() {
    let memory = Memory::new(["a"]);
    let rung = |who: &str, seconds: u64| {
        let marks = Marks { rung: vec![("family".into(), member(who))], ..Marks::default() };
        memory.mark("a", &marks, (BEGIN_S + seconds) * 1_000_000);
    };
    let order = || {
        let mut order = vec!["101", "102", "+14155550111"];
        at(&memory, BEGIN_S, |a| order.sort_by_key(|who| a.last_rung("family", &member(who))));
        order
    };
    rung("101", 0);
    rung("102", 1);
    assert_eq!(order(), ["+14155550111", "101", "102"], "who was never rung comes first");
    memory.answered("a", "101", (BEGIN_S + 2) * 1_000_000);
    memory.answered("a", "+14155550111", (BEGIN_S + 3) * 1_000_000);
    rung("102", 300);
    assert_eq!(order(), ["102", "101", "+14155550111"], "it was rung later than they answered, and has done nothing");
    rung("102", 304);
    assert_eq!(order(), ["101", "+14155550111", "102"], "five minutes later that is forgotten");
    // a word that comes late, as the journal's do, takes nothing back
    memory.answered("a", "101", BEGIN_S * 1_000_000);
    assert_eq!(order(), ["101", "+14155550111", "102"]);
}

#[test]
fn calls_that_live_are_those_that_events_tell_of_and_those_they_have_yet_to_tell_of() {
    let memory = Memory::new(["a"]);
    let (extension, class) = (number("101"), Class::International);
    let concurrent = |seconds: u64, of: Option<&Number>| {
        let mut found = 0;
        at(&memory, BEGIN_S + seconds, |a| found = a.class_calls(of, class).1);
        found
    };
    let us = |seconds: u64| (BEGIN_S + seconds) * 1_000_000;
    memory.mark("a", &let_out("101", class), us(0));
    assert_eq!(concurrent(0, None), 0, "nobody hears the switch, so that nobody knows when a call is over");
    memory.heard(us(0));
    assert_eq!((concurrent(0, None), concurrent(0, Some(&extension)), concurrent(0, Some(&number("102")))), (1, 1, 0));
    assert_eq!((concurrent(15, None), concurrent(16, None)), (1, 0), "events never told of it");
    // the next one is told of: it lives, and isn't counted twice
    memory.mark("a", &let_out("101", class), us(20));
    memory.live("a", Some("101"), class, 1, us(21));
    memory.live("a", None, class, 3, us(21));
    memory.seen("a", Counted { extension: "101", class }, us(20));
    assert_eq!((concurrent(21, Some(&extension)), concurrent(21, None)), (1, 3));
    assert_eq!(concurrent(120, Some(&extension)), 1, "and lives as long as it lasts");
    memory.mark("a", &let_out("101", class), us(120));
    assert_eq!((concurrent(120, Some(&extension)), concurrent(120, None)), (2, 4));
    // the event plane has gone silent
    assert_eq!(concurrent(121, None), 0);
    memory.heard(us(121));
    assert_eq!(concurrent(121, None), 4);
    memory.forget_live();
    memory.heard(us(122));
    assert_eq!(concurrent(122, None), 1, "one was let out two seconds ago");
}

#[test]
fn a_clock_that_is_set_changes_neither_order_nor_count_and_old_hints_say_nothing() {
    let glances = Glances::new(["a"]);
    let hint = Hint { registered: Some(false), ..Hint::default() };
    glances.hints.set("a", "101", hint, 1_000);
    glances.memory.mark("a", &called(caller(1)), BEGIN_S * 1_000_000);
    struct Clocks {
        wall_s: u64,
        monotonic_s: u64,
    }
    impl Clock for Clocks {
        fn now_us(&self) -> u64 {
            self.wall_s * 1_000_000
        }
        fn monotonic_us(&self) -> u64 {
            self.monotonic_s * 1_000_000
        }
    }
    for (wall_s, hinted) in [(1_120, true), (1_121, false), (5, true), (900_000, false)] {
        let clock = Clocks { wall_s, monotonic_s: BEGIN_S + 30 };
        let glance = glances.of("a", &clock);
        assert_eq!((glance.caller_calls(&caller(1), 60), glance.hint(&number("101")).is_some()), (1, hinted), "{wall_s}");
    }
    // a thread that read its time before the mark was made
    let earlier = FixedClock((BEGIN_S - 1) * 1_000_000);
    assert_eq!(glances.of("a", &earlier).caller_calls(&caller(1), 60), 0);
}

#[test]
fn the_memory_and_a_tenants_share_of_it_are_what_is_stated() {
    for (tenants, callers) in [(1, CALLERS_MAX), (2, CALLERS_MAX / 2), (3, CALLERS_MAX / 4), (4, CALLERS_MAX / 4), (1_000, SHARE_MIN)] {
        let ids: Vec<String> = (0..tenants).map(|n| format!("t{n}")).collect();
        let memory = Memory::new(ids.iter().map(String::as_str));
        assert_eq!(memory.tenants["t0"].callers.values().count(), callers, "of {tenants}");
    }
    let bytes = CALLERS_MAX * (size_of::<Calls>() + 12)
        + CLASSES_MAX * (size_of::<ClassCalls>() + 12)
        + (MEMBERS_MAX + GROUPS_MAX) * (size_of::<Tagged>() + 12);
    assert!((4_400_000..4_800_000).contains(&bytes), "{bytes}");
}

#[test]
#[ignore = "a measurement"]
fn how_long_a_glance_and_a_mark_take() {
    let memory = Memory::new(["a", "b"]);
    // full tables
    for n in 0..3 * CALLERS_MAX {
        let marks = Marks { outbound: Some((number(&format!("{}", 1_000 + n)), Class::Mobile)), ..called(caller(n)) };
        memory.mark("a", &marks, BEGIN_S * 1_000_000);
    }
    let marks = Marks { rung: vec![("team".into(), member("101"))], turns: vec!["team".into()], ..called(caller(7)) };
    let out = let_out("101", Class::Mobile);
    let ns = |what: &str, work: &dyn Fn()| {
        let began = std::time::Instant::now();
        (0..100_000).for_each(|_| work());
        println!("{what}: {} ns", began.elapsed().as_nanos() / 100_000);
    };
    ns("a call's marks: turn, member, caller", &|| memory.mark("a", &marks, (BEGIN_S + 1) * 1_000_000));
    ns("a call out's marks", &|| memory.mark("a", &out, (BEGIN_S + 1) * 1_000_000));
    at(&memory, BEGIN_S + 1, |a| {
        ns("a caller's calls", &|| assert!(a.caller_calls(&caller(7), 60) > 0));
        ns("a class's calls", &|| assert!(a.class_calls(None, Class::Mobile).0 > 0));
        ns("a turn", &|| assert!(a.turn("team") > 0));
        ns("when a member was rung", &|| assert!(a.last_rung("team", &member("101")) > 0));
    });
}
