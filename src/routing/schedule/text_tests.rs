use super::*;
use proptest::prelude::*;

fn canonical<T: std::str::FromStr<Err = ScheduleError> + ToString>(text: &str) -> String {
    text.parse::<T>().unwrap_or_else(|e| panic!("{text}: {e}")).to_string()
}

fn refusal<T: std::str::FromStr<Err = ScheduleError>>(text: &str) -> String {
    text.parse::<T>().err().unwrap_or_else(|| panic!("{text} was read")).to_string()
}

#[test]
fn hours_are_read_as_people_write_them_and_told_in_one_form() {
    for (typed, told) in [
        ("mon-fri 09:00-17:30", "mon-fri 09:00-17:30"),
        ("Monday-FRIDAY 9:00-17:30", "mon-fri 09:00-17:30"),
        ("sat 10:00-13:00", "sat 10:00-13:00"),
        ("fri,mon,wed 08:00-12:00", "mon,wed,fri 08:00-12:00"),
        ("daily 00:00-24:00", "daily 00:00-24:00"),
        ("mon-sun 00:00-00:00", "daily 00:00-24:00"),
        ("mon-fri 13:00-17:00, 09:00-12:00", "mon-fri 09:00-12:00,13:00-17:00"),
        ("fri 22:00-02:00", "fri 22:00-02:00"),
        ("fri 22:00-00:00", "fri 22:00-24:00"),
        ("fri-mon 10:00-11:00", "fri-mon 10:00-11:00"),
        ("sun,mon,wed 10:00-11:00", "wed,sun-mon 10:00-11:00"),
        ("mon-mon 10:00-11:00", "mon 10:00-11:00"),
    ] {
        assert_eq!(canonical::<Hours>(typed), told);
    }
    for bad in [
        "",
        "mon",
        "09:00-17:00",
        "mon 9-17",
        "mon 09:00-25:00",
        "mon 24:00-25:00",
        "mun 09:00-17:00",
        "mon- 09:00-10:00",
        "mon 09:00-17:00 x",
        "mon 09:60-10:00",
        "mon 09:00",
        "mon 09:00-",
        "mon 24:00-02:00",
        "mon 009:00-10:00",
        "mon,,tue 1:00-2:00",
    ] {
        assert!(refusal::<Hours>(bad).contains("write mon-fri 09:00-17:30"), "{bad:?}: {}", refusal::<Hours>(bad));
    }
    assert!(refusal::<Hours>(&format!("mon {}", ["01:00-02:00"; 9].join(","))).contains("9 ranges"));
    assert!(refusal::<Hours>(&"x".repeat(1 << 20)).len() < 600, "a message isn't as long as what was typed");
}

#[test]
fn dates_are_days_of_the_calendar() {
    for same in ["2026-12-25", "2026-12-24..2027-01-01", "12-25", "12-24..01-01", "02-29", "2028-02-29"] {
        assert_eq!(canonical::<Dates>(same), same);
    }
    assert_eq!(canonical::<Dates>("12-25..12-25"), "12-25");
    for bad in [
        "",
        "2026-13-01",
        "2027-02-29",
        "02-30",
        "12-25..2026-12-26",
        "2026-12-25..12-26",
        "2026-12-26..2026-12-25",
        "26-12-25",
        "2026-12-25..",
        "1969-12-31",
        "12",
        "2026-12-25-01",
        "+026-12-25",
    ] {
        assert!(refusal::<Dates>(bad).contains("write 2026-12-25"), "{bad:?}");
    }
}

#[test]
fn entries_are_told_as_they_are_read() {
    for same in ["2026-12-24 09:00-12:00", "2026-12-31 closed", "12-24,12-31 09:00-12:00,13:00-14:00"] {
        assert_eq!(canonical::<Exception>(same), same);
    }
    for same in ["christmas 12-25..12-26", "easter 2026-04-06,2027-03-29", "inventory 12-30 as closed"] {
        assert_eq!(canonical::<Holiday>(same), same);
    }
    assert_eq!(canonical::<Period>("lunch mon-fri 12:00-13:00"), "lunch mon-fri 12:00-13:00");
    for same in ["closed", "night until 2026-12-24T17:00:00Z"] {
        assert_eq!(canonical::<Override>(same), same);
    }
    assert!(refusal::<Period>("open mon 12:00-13:00").contains("state without it"));
    assert!(refusal::<Period>("Lunch mon 12:00-13:00").contains("1 to 32 of a-z"));
    assert!(refusal::<Holiday>("christmas day 12-25").contains("one word"));
    assert!(refusal::<Holiday>("x 12-25 as Ö").contains("state"));
    assert!(refusal::<Exception>("2026-12-24").contains("closed where it doesn't open"));
    assert!(refusal::<Override>("closed until tomorrow").contains("write closed"));
}

#[test]
fn an_unknown_zone_names_the_one_that_was_meant() {
    let error = |name: &str| name.parse::<Zone>().unwrap_err().to_string();
    assert!(error("Berlin").contains("did you mean Europe/Berlin?"));
    assert!(error("Europe/Berln").contains("did you mean Europe/Berlin?"));
    assert!(error("new york").contains("did you mean America/New_York?"));
    assert!(!error("Mars/Olympus_Mons_Base").contains("did you mean"));
    assert_eq!("europe/berlin".parse::<Zone>().unwrap().name(), "Europe/Berlin");
    for bad in ["", "../../etc/passwd", "Europe/", "\0"] {
        assert!(bad.parse::<Zone>().is_err());
    }
}

#[test]
fn the_end_of_an_override_is_typed_in_the_zones_time() {
    let zone: Zone = "Europe/Berlin".parse().unwrap();
    let at = |text: &str| super::zone::microseconds(text.parse().unwrap());
    let now = at("2026-12-24T12:00:00Z");
    for (typed, until) in [
        ("2026-12-24T17:00:00Z", "2026-12-24T17:00:00Z"),
        ("2026-12-24T18:00:00+01:00", "2026-12-24T17:00:00Z"),
        ("2026-12-24 18:00", "2026-12-24T17:00:00Z"),
        ("18:00", "2026-12-24T17:00:00Z"),
        ("13:00", "2026-12-25T12:00:00Z"),
        ("7:30", "2026-12-25T06:30:00Z"),
        ("2h", "2026-12-24T14:00:00Z"),
        ("90s", "2026-12-24T12:01:30Z"),
        ("7d", "2026-12-31T12:00:00Z"),
        // left out in spring: when the clock jumps; twice in autumn: the first
        ("2027-03-28 02:30", "2027-03-28T01:00:00Z"),
        ("2027-03-28 02:00", "2027-03-28T01:00:00Z"),
        ("2027-10-31 02:30", "2027-10-31T00:30:00Z"),
    ] {
        assert_eq!(parse_until(typed, now, &zone), Ok(at(until)), "{typed}");
    }
    // between the two half past two of the autumn, it is the second
    assert_eq!(parse_until("02:30", at("2027-10-31T00:45:00Z"), &zone), Ok(at("2027-10-31T01:30:00Z")));
    for bad in [
        "",
        "tomorrow",
        "25:00",
        "24:00",
        "2h30",
        "-2h",
        "2026-12-24",
        "2026-12-24 11:00",
        "0s",
        "2020-01-01T00:00:00Z",
        "99999999999999999999d",
        "9223372036854775807d",
        "é",
    ] {
        assert!(matches!(parse_until(bad, now, &zone), Err(ScheduleError::Until { .. })), "{bad:?}");
    }
}

fn office() -> Schedule {
    let strings = |texts: &[&str]| serde_json::json!(texts);
    serde_json::from_value(serde_json::json!({
        "id": "office", "timezone": "europe/berlin", "code": "1",
        "open": strings(&["mon-fri 09:00-17:30", "sat 10:00-13:00"]),
        "periods": strings(&["lunch mon-fri 12:00-13:00"]),
        "exceptions": strings(&["2026-12-24 09:00-12:00"]),
        "holidays": strings(&["christmas 12-25..12-26"]),
        "mode": "closed until 2026-11-01T00:00:00Z",
    }))
    .unwrap()
}

#[test]
fn a_schedule_is_text_for_people_and_fields_in_the_store() {
    let office = office().check().unwrap();
    assert_eq!(office.timezone.as_deref(), Some("Europe/Berlin"));
    let json = serde_json::to_string(&office).unwrap();
    assert!(json.contains(r#""holidays":["christmas 12-25..12-26"]"#), "{json}");
    assert_eq!(serde_json::from_str::<Schedule>(&json).unwrap(), office);
    let record = postcard::to_stdvec(&office).unwrap();
    assert!(record.len() < 150, "{}", record.len());
    assert_eq!(postcard::from_bytes::<Schedule>(&record).unwrap(), office);
    assert_eq!(office.states(), ["closed", "holiday", "lunch", "open"]);
    assert!(serde_json::from_str::<Schedule>(r#"{"id":"x","open":["mon 9-17"]}"#).unwrap_err().to_string().contains("write mon-fri"));
}

#[test]
fn what_is_wrong_with_a_schedule_is_named() {
    let with = |change: &dyn Fn(&mut Schedule)| {
        let mut schedule = office();
        change(&mut schedule);
        schedule.check().unwrap_err().to_string()
    };
    assert!(with(&|s| s.id = "a b".into()).contains("the id"));
    assert!(with(&|s| s.timezone = Some("Berlin".into())).contains("Europe/Berlin"));
    assert!(with(&|s| s.code = Some("12345".into())).contains("1 to 4 digits"));
    assert!(with(&|s| s.code = Some(String::new())).contains("1 to 4 digits"));
    assert!(with(&|s| s.open = vec![s.open[0].clone(); 33]).contains("33 lines"));
    assert!(with(&|s| s.periods = vec![s.periods[0].clone(); 33]).contains("33 periods"));
    assert!(with(&|s| s.holidays = vec![s.holidays[0].clone(); 2]).contains("there twice"));
    assert!(with(&|s| s.exceptions = vec![s.exceptions[0].clone(); 501]).contains("501 dates"));
    assert!(with(&|s| s.mode = Some(Override { state: "a b".into(), until: None })).contains("state"));
    let wordy = |n: usize| Holiday { name: format!("{n:032}"), dates: vec!["2026-12-24".parse().unwrap()], state: Some("s".repeat(32)) };
    assert!(with(&|s| s.holidays = (0..500).map(wordy).collect()).contains("more than 32768"));
}

#[test]
fn a_schedule_that_never_opens_is_known() {
    let never = |open: &[&str], periods: &[&str]| {
        let read = |texts: &[&str]| texts.iter().map(|t| t.parse().unwrap()).collect::<Vec<Hours>>();
        let periods = periods.iter().map(|t| t.parse().unwrap()).collect();
        Schedule { id: "x".into(), open: read(open), periods, ..Schedule::default() }
    };
    assert!(never(&[], &[]).never_opens());
    assert!(!never(&["mon 23:59-24:00"], &[]).never_opens());
    assert!(never(&["mon 22:00-02:00"], &["night mon-tue 21:00-24:00", "early tue 00:00-02:00"]).never_opens());
    assert!(!never(&["mon 22:00-02:00"], &["night mon-tue 21:00-24:00", "early tue 00:00-01:59"]).never_opens());
    let dated = Schedule { exceptions: vec!["12-24 09:00-10:00".parse().unwrap()], ..never(&[], &[]) };
    assert!(!dated.never_opens());
    assert!(Schedule { exceptions: vec!["12-24 closed".parse().unwrap()], ..never(&[], &[]) }.never_opens());
    assert!(!Schedule { holidays: vec!["fair 12-24 as open".parse().unwrap()], ..never(&[], &[]) }.never_opens());
}

proptest! {
    #[test]
    fn whatever_is_read_is_told_in_a_form_that_reads_the_same(
        days in 1u8..128, from in 0u16..1440, to in 0u16..=1440, month in 1u8..=12, day in 1u8..=28, year in 1970u16..=9999, junk in ".{0,40}"
    ) {
        let names = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
        let days: Vec<&str> = (0..7).filter(|d| days & (1 << d) != 0).map(|d| names[d]).collect();
        let text = format!("{} {:02}:{:02}-{:02}:{:02}", days.join(","), from / 60, from % 60, to / 60, to % 60);
        let hours: Hours = text.parse().unwrap();
        prop_assert_eq!(hours.to_string().parse::<Hours>().unwrap(), hours);
        let text = format!("x {year:04}-{month:02}-{day:02},{month:02}-{day:02} as {}", "y");
        let holiday: Holiday = text.parse().unwrap();
        prop_assert_eq!(holiday.to_string().parse::<Holiday>().unwrap(), holiday);
        // junk is refused or read, and never a panic
        let (_, _, _) = (junk.parse::<Hours>(), junk.parse::<Dates>(), junk.parse::<Exception>());
        let (_, _, _) = (junk.parse::<Holiday>(), junk.parse::<Override>(), junk.parse::<Zone>());
        let _ = parse_until(&junk, 0, &Zone::UTC);
    }
}
