//! Any bytes as a calendar: no panic, bounded, and a schedule that takes it in twice is as after the first time.

use std::sync::OnceLock;
use strowger_fuzz::routing::schedule::ics::{CalendarOptions, read_calendar};
use strowger_fuzz::routing::{Schedule, Zone};

/// 1 March 2026, noon.
const NOW_US: u64 = 1_772_366_400_000_000;

fn zone() -> &'static Zone {
    static ZONE: OnceLock<Zone> = OnceLock::new();
    ZONE.get_or_init(|| "Europe/Berlin".parse().expect("the zone is in the binary's data"))
}

/// Reads an input as a calendar; the first byte says whether events with times are opening hours, and how often they are
/// all there.
pub fn run(input: &[u8]) {
    let Some((first, text)) = input.split_first() else { return };
    let options = CalendarOptions { now_us: NOW_US, zone: zone(), timed_are_open: first & 1 == 1 };
    let text = if first & 14 == 14 { text.repeat(20) } else { text.to_vec() };
    match read_calendar(&text, &options) {
        Ok(calendar) => {
            let mut schedule = Schedule { id: "office".to_owned(), ..Schedule::default() };
            schedule.take_in(calendar.clone());
            let once = schedule.clone();
            schedule.take_in(calendar);
            assert_eq!(schedule, once, "a second time changes it");
            if let Ok(schedule) = schedule.check() {
                let compiled = schedule.compile();
                let _ = compiled.state_at(NOW_US, zone()).why();
                assert!(compiled.next_change(NOW_US, zone()).is_none_or(|next| next > NOW_US));
            }
        }
        Err(error) => assert!(!error.to_string().is_empty()),
    }
}
