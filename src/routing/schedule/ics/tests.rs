use super::*;
use proptest::prelude::*;

/// 2026-11-28, noon in UTC.
const NOW_US: u64 = 1_795_867_200_000_000;

fn read(events: &str, timed_are_open: bool) -> Result<Calendar, CalendarError> {
    read_bytes(format!("BEGIN:VCALENDAR\r\nVERSION:2.0\r\n{events}END:VCALENDAR\r\n").as_bytes(), timed_are_open)
}

fn read_bytes(text: &[u8], timed_are_open: bool) -> Result<Calendar, CalendarError> {
    let zone: Zone = "Europe/Berlin".parse().unwrap();
    read_calendar(text, &CalendarOptions { now_us: NOW_US, zone: &zone, timed_are_open })
}

fn event(lines: &[&str]) -> String {
    format!("BEGIN:VEVENT\r\n{}\r\nEND:VEVENT\r\n", lines.join("\r\n"))
}

fn holidays(calendar: &Calendar) -> Vec<String> {
    calendar.holidays.iter().map(ToString::to_string).collect()
}

#[test]
fn whole_days_are_holidays_and_their_end_is_the_day_after() {
    let text = event(&["SUMMARY:Weihnachten\\, erster Tag", "DTSTART;VALUE=DATE:20261225", "DTEND;VALUE=DATE:20261227"]);
    let calendar = read(&text, false).unwrap();
    assert_eq!(holidays(&calendar), ["weihnachten-erster-tag 2026-12-25..2026-12-26"]);
    assert_eq!((calendar.events, calendar.notes.len()), (1, 0));
}

#[test]
fn a_day_of_every_year_is_a_yearly_date() {
    let calendar = read(&event(&["SUMMARY:New Year's Day", "DTSTART;VALUE=DATE:20200101", "RRULE:FREQ=YEARLY"]), false).unwrap();
    assert_eq!(holidays(&calendar), ["new-years-day 01-01"]);
}

#[test]
fn other_rules_are_counted_out_and_their_exceptions_left_out() {
    let text = event(&["SUMMARY:Closing day", "DTSTART;VALUE=DATE:20261207", "RRULE:FREQ=WEEKLY;COUNT=4", "EXDATE;VALUE=DATE:20261221"]);
    let calendar = read(&text, false).unwrap();
    let days = holidays(&calendar).join(" ");
    for (day, is_there) in [("2026-12-07", true), ("2026-12-14", true), ("2026-12-21", false), ("2026-12-28", true), ("2027-01-04", false)]
    {
        assert_eq!(days.contains(day), is_there, "{day} in {days}");
    }
}

#[test]
fn times_of_day_are_told_of_unless_they_are_opening_hours() {
    let text = event(&["SUMMARY:Open", "DTSTART;TZID=Europe/Berlin:20261224T090000", "DTEND;TZID=Europe/Berlin:20261224T120000"]);
    let calendar = read(&text, false).unwrap();
    assert!(calendar.exceptions.is_empty() && calendar.holidays.is_empty());
    assert_eq!(calendar.notes.iter().map(|n| n.events).sum::<u32>(), 1);
    let open = read(&text, true).unwrap();
    assert_eq!(open.exceptions.iter().map(ToString::to_string).collect::<Vec<_>>(), ["2026-12-24 09:00-12:00"]);
}

#[test]
fn folded_lines_and_any_line_ends_are_read() {
    let text = "BEGIN:VCALENDAR\nBEGIN:VEVENT\r\nSUMMARY:Chri\r\n stmas\nDTSTART;VALUE=DATE:202612\n\t25\nEND:VEVENT\nEND:VCALENDAR";
    assert_eq!(holidays(&read_bytes(text.as_bytes(), false).unwrap()), ["christmas 2026-12-25"]);
}

#[test]
fn latin_1_in_a_summary_costs_no_holiday() {
    let mut text =
        b"BEGIN:VCALENDAR\r\nBEGIN:VEVENT\r\nSUMMARY:Heilige Drei K\xf6nige\r\nDTSTART;VALUE=DATE:20270106\r\nEND:VEVENT\r\n".to_vec();
    text.extend_from_slice(b"END:VCALENDAR\r\n");
    let calendar = read_bytes(&text, false).unwrap();
    assert_eq!(calendar.holidays.len(), 1);
    assert!(holidays(&calendar)[0].ends_with("2027-01-06"), "{:?}", holidays(&calendar));
}

#[test]
fn a_latin_1_line_keeps_its_last_letter_and_a_line_end_in_a_summary_is_a_gap() {
    let text = b"BEGIN:VCALENDAR\nBEGIN:VEVENT\nSUMMARY:Jour f\xe9ri\xe9\nDTSTART:20270106\nEND:VEVENT\nEND:VCALENDAR\n";
    assert_eq!(holidays(&read_bytes(text, false).unwrap()), ["jour-ferie 2027-01-06"]);
    assert_eq!(holidays(&read(&event(&["SUMMARY:Fair\\nDay", "DTSTART:20270106"]), false).unwrap()), ["fair-day 2027-01-06"]);
}

/// The days of one event that comes again, as text.
fn days_of(start: &str, rule: &str) -> String {
    let calendar = read(&event(&["SUMMARY:x", &format!("DTSTART;VALUE=DATE:{start}"), &format!("RRULE:{rule}")]), false).unwrap();
    holidays(&calendar).join(" ") + &calendar.notes.iter().map(ToString::to_string).collect::<String>()
}

#[test]
fn rules_come_on_the_days_that_the_standard_says() {
    for (start, rule, days) in [
        ("20261130", "FREQ=DAILY;COUNT=5", "x 2026-11-30..2026-12-04"),
        ("20261130", "FREQ=DAILY;INTERVAL=3;COUNT=3", "x 2026-11-30,2026-12-03,2026-12-06"),
        ("20261201", "FREQ=WEEKLY;UNTIL=20261215", "x 2026-12-01,2026-12-08,2026-12-15"),
        // the standard's own example of WKST: each other week, counted from Monday or from Sunday
        ("20270803", "FREQ=WEEKLY;INTERVAL=2;COUNT=4;BYDAY=TU,SU;WKST=MO", "x 2027-08-03,2027-08-08,2027-08-17,2027-08-22"),
        ("20270803", "FREQ=WEEKLY;INTERVAL=2;COUNT=4;BYDAY=TU,SU;WKST=SU", "x 2027-08-03,2027-08-15,2027-08-17,2027-08-29"),
        ("20261204", "FREQ=MONTHLY;COUNT=3;BYDAY=1FR", "x 2026-12-04,2027-01-01,2027-02-05"),
        ("20261228", "FREQ=MONTHLY;COUNT=3;BYDAY=-1MO", "x 2026-12-28,2027-01-25,2027-02-22"),
        ("20261231", "FREQ=MONTHLY;COUNT=3", "x 2026-12-31,2027-01-31,2027-03-31"),
        ("20261231", "FREQ=MONTHLY;COUNT=3;BYMONTHDAY=-1", "x 2026-12-31,2027-01-31,2027-02-28"),
        ("20261213", "FREQ=MONTHLY;BYDAY=FR;BYMONTHDAY=13;COUNT=1", "x 2027-08-13"),
        // Thanksgiving
        ("20201126", "FREQ=YEARLY;BYMONTH=11;BYDAY=4TH", "x 2027-11-25,2028-11-23"),
        ("20200229", "FREQ=YEARLY", "x 02-29"),
        ("20201224", "FREQ=YEARLY;BYMONTH=12;BYMONTHDAY=24", "x 12-24"),
        ("20201224", "FREQ=YEARLY;UNTIL=20271231", "x 2026-12-24,2027-12-24"),
        // begins in two years: isn't there before
        ("20281101", "FREQ=YEARLY", "x 2028-11-01"),
        ("20201224", "FREQ=YEARLY;INTERVAL=2", "x 2026-12-24"),
    ] {
        assert_eq!(days_of(start, rule), days, "{start} {rule}");
    }
    for rule in [
        "FREQ=HOURLY",
        "FREQ=YEARLY;BYWEEKNO=1",
        "FREQ=YEARLY;BYDAY=20MO",
        "FREQ=MONTHLY;BYDAY=MO;BYSETPOS=1",
        "COUNT=3",
        "FREQ",
        "x",
        "FREQ=DAILY;INTERVAL=0",
        "FREQ=WEEKLY;BYDAY=é",
        "FREQ=DAILY;UNTIL=2026",
    ] {
        assert!(days_of("20261201", rule).contains("isn't read here"), "{rule}: {}", days_of("20261201", rule));
    }
    assert!(days_of("20201224", "FREQ=DAILY;COUNT=3").contains("are past"));
}

#[test]
fn an_end_in_utc_is_a_day_of_the_events_own_zone() {
    let open = |zone: &str, time: &str, end: &str, more: &str| {
        let lines = [&format!("DTSTART;TZID={zone}:20261222T{time}"), "DURATION:PT1H", &format!("RRULE:FREQ=DAILY;UNTIL={end}"), more];
        read(&event(&lines), true).unwrap().exceptions.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    // the end of the 24th in New York is the 25th in UTC; eight o'clock of the 25th in Tokyo is the 24th
    assert_eq!(open("America/New_York", "090000", "20261225T045959Z", "X-A:b"), ["2026-12-22..2026-12-24 15:00-16:00"]);
    assert_eq!(open("Asia/Tokyo", "080000", "20261224T230000Z", "X-A:b"), ["2026-12-22..2026-12-25 00:00-01:00"]);
    assert_eq!(open("America/New_York", "210000", "20261224", "EXDATE:20261224T020000Z"), ["2026-12-23,2026-12-25 03:00-04:00"]);
}

#[test]
fn whole_days_from_midnight_to_midnight_alarms_and_cancelled_events_are_known_as_such() {
    let outlook = event(&["SUMMARY:a", "DTSTART;TZID=Europe/Berlin:20261224T000000", "DTEND;TZID=Europe/Berlin:20261226T000000"]);
    let alarm = ["SUMMARY:b", "DTSTART:20261228", "BEGIN:VALARM", "SUMMARY:c", "DTSTART:20261229", "END:VALARM"];
    let cancelled = event(&["SUMMARY:d", "DTSTART:20261230", "STATUS:CANCELLED"]);
    let same_day = event(&["SUMMARY:e", "DTSTART:20261231", "DTEND:20261231"]);
    let calendar = read(&[outlook, event(&alarm), cancelled, same_day].concat(), false).unwrap();
    assert_eq!(holidays(&calendar), ["a 2026-12-24..2026-12-25", "b 2026-12-28", "e 2026-12-31"]);
    assert_eq!((calendar.events, calendar.notes[0].reason, calendar.notes[0].line), (4, "are cancelled", 16));
}

#[test]
fn what_is_no_calendar_or_damaged_says_where() {
    assert!(matches!(read_bytes(b"<html>", false), Err(CalendarError::NoCalendar { line: 1, .. })));
    assert!(matches!(read_bytes(b"", false), Err(CalendarError::NoCalendar { .. })));
    assert!(matches!(read("BEGIN:VEVENT\r\n", false), Err(CalendarError::Crossed { .. })));
    let deep = "BEGIN:VEVENT\r\n".repeat(40);
    assert!(matches!(read(&deep, false), Err(CalendarError::TooDeep { .. })));
    assert!(matches!(read_bytes(&vec![b' '; CALENDAR_BYTES_MAX + 1], false), Err(CalendarError::TooLarge(_))));
}

#[test]
fn an_end_before_the_beginning_and_an_unknown_zone_are_told_of() {
    let text = event(&["SUMMARY:x", "DTSTART;VALUE=DATE:20261226", "DTEND;VALUE=DATE:20261225"])
        + &event(&["SUMMARY:y", "DTSTART;TZID=Mars/Olympus:20261226T090000", "DTEND;TZID=Mars/Olympus:20261226T100000"]);
    let calendar = read(&text, true).unwrap();
    assert_eq!(calendar.events, 2);
    assert!(!calendar.notes.is_empty(), "{calendar:?}");
}

#[test]
fn more_days_than_a_schedule_holds_are_refused_and_a_hundred_thousand_events_end() {
    let many: String = (0..100_000)
        .map(|n| event(&[&format!("SUMMARY:day {n}"), &format!("DTSTART;VALUE=DATE:2027{:02}{:02}", 1 + n % 12, 1 + n % 28)]))
        .collect();
    match read(&many, false) {
        Err(CalendarError::TooMany { .. }) => {}
        other => assert!(other.is_ok_and(|c| c.holidays.len() <= DATES_MAX)),
    }
}

#[test]
fn a_line_of_ten_megabytes_and_nul_bytes_harm_nobody() {
    let long = format!("SUMMARY:{}", "x".repeat(10_000_000));
    assert_eq!(read(&event(&[&long, "DTSTART;VALUE=DATE:20261225"]), false).map(|c| c.events), Ok(1));
    let _ = read("\0\0\0\r\n", false);
}

#[test]
fn taking_in_the_same_calendar_twice_changes_nothing() {
    let zone = "Europe/Berlin".to_owned();
    let mut schedule = Schedule { id: "office".into(), timezone: Some(zone), ..Schedule::default() };
    let calendar = || read(&event(&["SUMMARY:Christmas", "DTSTART;VALUE=DATE:20261225"]), false).unwrap();
    schedule.take_in(calendar());
    let once = schedule.clone();
    schedule.take_in(calendar());
    assert_eq!(schedule, once);
}

proptest! {
    #[test]
    fn a_calendar_cut_anywhere_is_an_error_or_a_calendar(at in 0usize..400) {
        let text = event(&["SUMMARY:Christmas", "DTSTART;VALUE=DATE:20261225", "RRULE:FREQ=YEARLY;COUNT=3"])
            + &event(&["DTSTART:20261224T090000Z", "DTEND:20261224T120000Z"]);
        let whole = format!("BEGIN:VCALENDAR\r\n{text}END:VCALENDAR\r\n");
        let at = at.min(whole.len());
        if read_bytes(&whole.as_bytes()[..at], true).is_ok() {
            prop_assert!(whole.len() - at <= 2, "only the last line's end may be missing");
        }
    }

    #[test]
    fn any_lines_are_read_or_refused(lines in proptest::collection::vec("(BEGIN:VEVENT|END:VEVENT|SUMMARY:\\PC{0,8}|DTSTART[;:]\\PC{0,12}|DTEND:[0-9TZ]{0,16}|RRULE:FREQ=(DAILY|WEEKLY|MONTHLY|YEARLY);(COUNT|INTERVAL|UNTIL)=[0-9]{0,9}|EXDATE:[0-9]{0,8}| \\PC{0,5})", 0..30)) {
        let _ = read(&(lines.join("\r\n") + "\r\n"), true);
    }
}
