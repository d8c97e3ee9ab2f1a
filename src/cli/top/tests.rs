//! What is seen on a terminal.

use super::state::{SAMPLES_MAX, Sample, State};
use super::{for_paper, plain, pressed};
use crate::control::{EventStatus, PlaneStatus, StatusView};
use crate::cti::{PlaneStats, SourcePhase, SourceStats};
use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use serde_json::{Value as Json, json};
use std::sync::Arc;

const NOW_US: u64 = 1_795_862_400_000_000;

fn status(answered: u64) -> StatusView {
    let up = SourceStats::new("pbx");
    up.phase.store(Arc::new(SourcePhase::Up));
    up.events_in.add(answered * 10);
    up.queue_age_us.set(740);
    let down = SourceStats::new("fs");
    down.phase.store(Arc::new(SourcePhase::Down("nobody listens at 10.0.0.9:8021; start FreeSWITCH".into())));
    let stats = PlaneStats { sources: vec![Arc::new(up), Arc::new(down)], ..PlaneStats::default() };
    stats.calls_live.set(30);
    StatusView {
        version: "0.1.0".into(),
        pid: 7,
        planes: PlaneStatus {
            uptime_seconds: 273_600,
            sessions: 3,
            sessions_max: 16_384,
            endings: vec![("answered".into(), answered), ("capacity".into(), 2)],
            late: 1,
            events: Some(EventStatus::of(&stats)),
            answer_budget_us: 100_000,
            answer_times: vec![(50, answered / 2), (100, answered - answered / 2 - 1), (100_000, 0), (200_000, 1), (u64::MAX, 0)],
            ..PlaneStatus::default()
        },
        revision: 8_121,
        snapshot_revision: Some(8_121),
        contacts: 1_000_000,
        overlay: 12,
        routes: 40,
        users: 20,
        directory_bytes: 105_000_000,
        store_bytes: 412_000_000,
        store_failed: None,
    }
}

fn call(n: u64) -> Json {
    json!({"id": format!("pbx/{n}"), "switch": "pbx", "state": "bridged", "to": "+4930555000", "started": "2026-11-28T07:58:12Z",
        "from": {"number": format!("+49301234{n:03}"), "name": format!("Müller \u{1b}[2J Nr. {n}")},
        "answered_by": {"leg": "l", "member": "101", "name": "Kitchen"}})
}

fn sample(second: u64, answered: u64, calls: u64) -> Sample {
    let calls = (0..calls).map(call).collect();
    Sample::new(NOW_US + second * 1_000_000, second * 1_000_000, status(answered), calls, None)
}

fn state() -> State {
    let mut state = State::new("default", sample(0, 1_000, 30));
    for second in 1..=20 {
        state.take(Ok(sample(second, 1_000 + second * second * 5, 30)));
    }
    state
}

fn seen(state: &State, columns: u16, rows: u16) -> String {
    plain(state, (columns, rows)).unwrap()
}

fn press(state: &mut State, code: KeyCode) -> bool {
    pressed(state, KeyEvent::new(code, KeyModifiers::NONE))
}

#[test]
fn eighty_columns_show_rates_times_switches_store_and_calls() {
    let text = seen(&state(), 80, 24);
    for part in [
        "strowger 0.1.0  up 3 d 04 h  tenant default",
        "calls 195.0/s",
        "30 live",
        "sessions 3 of 16,384  2 refused (cap), 1 late",
        "ANSWER TIMES  last 20 s",
        "lag 740 µs",
        "fs         DOWN: nobody listens",
        "1,000,000 contacts, 12 edited",
        "revision 8,121",
        "snapshot up to date, 105.0 MB",
        "disk 412.0 MB",
        "Kitchen",
        "1 of 30",
    ] {
        assert!(text.contains(part), "{part:?} isn't in\n{text}");
    }
    assert_eq!(text.lines().count(), 24, "{text}");
    assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
    assert!(!text.contains('\u{1b}'), "a name played with the terminal");
    let printed = for_paper(&text);
    assert!(printed.contains("1 of 30") && !printed.contains("q ends") && printed.lines().all(|line| !line.is_empty()), "{printed}");
}

#[test]
fn any_size_of_terminal_is_drawn() {
    let state = state();
    for columns in [1, 2, 10, 40, 69, 70, 71, 80, 120, 300] {
        for rows in [1, 2, 3, 5, 10, 15, 16, 24, 40, 100] {
            let text = seen(&state, columns, rows);
            assert!(text.lines().all(|line| line.chars().count() <= usize::from(columns)), "{columns}x{rows}\n{text}");
        }
    }
    let narrow = seen(&state, 40, 10);
    assert!(narrow.contains("calls 195.0/s") && narrow.contains("bridged"), "{narrow}");
    assert!(seen(&state, 120, 40).contains("Nr. 22"), "more rows show more calls");
}

#[test]
fn keys_move_through_the_calls_and_filter_them() {
    let mut state = state();
    assert!(seen(&state, 80, 24).contains("Nr. 0 "));
    press(&mut state, KeyCode::Down);
    press(&mut state, KeyCode::PageDown);
    assert!(seen(&state, 80, 24).contains("12 of 30"));
    press(&mut state, KeyCode::End);
    assert!(seen(&state, 80, 24).contains("30 of 30"));
    press(&mut state, KeyCode::Char('/'));
    for c in "nr. 17".chars() {
        assert!(!press(&mut state, KeyCode::Char(c)), "{c} is a letter here");
    }
    assert!(!press(&mut state, KeyCode::Char('q')), "a letter of the text");
    press(&mut state, KeyCode::Backspace);
    assert!(seen(&state, 80, 24).contains("/nr. 17_"));
    press(&mut state, KeyCode::Enter);
    assert_eq!(state.place(), (1, 0));
    assert!(seen(&state, 80, 24).contains("Nr. 17 "));
    press(&mut state, KeyCode::Esc);
    assert_eq!(state.place().0, 30);
    assert!(press(&mut state, KeyCode::Char('q')));
    assert!(pressed(&mut state, KeyEvent::new(KeyCode::Char('c'), KeyModifiers::CONTROL)));
}

#[test]
fn a_server_that_is_gone_is_said_to_be_and_one_that_came_back_counts_from_nothing() {
    let mut state = state();
    state.take(Err("no server listens at /run/strowger.sock".into()));
    assert!(seen(&state, 80, 24).contains("NO ANSWER: no server listens at /run/strowger.sock; trying again"));
    let mut back = sample(30, 10, 1);
    back.status.pid = 8;
    state.take(Ok(back));
    let text = seen(&state, 80, 24);
    assert!(!text.contains("NO ANSWER") && text.contains("calls 0.0/s") && text.contains("since the start"), "{text}");
    assert_eq!(state.place(), (1, 0), "there are fewer calls than one had moved through");
}

#[test]
fn what_is_kept_is_bounded() {
    let mut state = state();
    for second in 21..500 {
        state.take(Ok(sample(second, 4_000 + second, 2)));
    }
    assert!(state.rates().len() <= SAMPLES_MAX);
}

#[test]
fn a_server_that_tells_of_no_times_and_watches_no_switch_is_shown_too() {
    let mut old = status(0x10);
    old.planes = PlaneStatus::default();
    let note = Some("this server watches no switch; add a [[switch]] to the configuration".to_owned());
    let state = State::new("default", Sample::new(NOW_US, 0, old, Vec::new(), note));
    let text = seen(&state, 80, 24);
    for part in ["the server doesn't tell of them", "none is watched", "add a [[switch]]"] {
        assert!(text.contains(part), "{text}");
    }
}
