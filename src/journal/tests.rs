//! The journal from inside. What needs another process is in `tests/journal_kill.rs`.

mod model;
mod trouble;

use super::*;
use crate::clock::FixedClock;
use crate::cti::{Answered, CallState, Decided, Disposition, LegState, LegView, Party, PlaneStats};
use std::time::Instant;

const DAY_US: u64 = 24 * 60 * 60 * 1_000_000;

fn leg(id: &str, number: &str, member: Option<&str>) -> LegView {
    LegView {
        id: id.into(),
        channel: format!("PJSIP/{number}-00000001"),
        member: member.map(str::to_owned),
        number: number.into(),
        state: LegState::Ended,
        started_us: 1,
        answered_us: Some(2),
        ended_us: Some(3),
        cause: Some("NORMAL_CLEARING".into()),
    }
}

/// A finished call with everything in it.
fn call(tenant: &str, id: &str, ended_us: u64, from: &str, to: &str) -> CallView {
    CallView {
        id: id.into(),
        switch: "pbx".into(),
        tenant: tenant.into(),
        state: CallState::Ended,
        from: Party { number: from.into(), name: Some("Ada".into()), contact: Some("ada".into()), withheld: false },
        to: to.into(),
        route: Some("+1415".into()),
        legs: vec![leg("l1", "15550101", Some("+14155550111")), leg("l2", "101", None)],
        answered_by: Some(Answered { leg: "l1".into(), member: "+14155550111".into(), name: Some("Mom".into()) }),
        transferred_to: Some("102".into()),
        started_us: ended_us.saturating_sub(10),
        answered_us: Some(ended_us.saturating_sub(5)),
        ended_us: Some(ended_us),
        duration_ms: Some(10),
        talk_ms: Some(5),
        disposition: Some(Disposition::Answered),
        cause: Some("Normal Clearing".into()),
        decided: vec![Decided {
            at_us: 4,
            request: "route".into(),
            status: "found".into(),
            action: "dial".into(),
            reason: "matched".into(),
            route: Some("+1415".into()),
            revision: 7,
            trace: vec!["not blocked".into(), "route +1415 matched".into()],
        }],
        incomplete: false,
    }
}

fn opened(dir: &Path) -> Journal {
    Journal::open(dir, JournalLimits::default()).unwrap()
}

fn ids(page: &Page) -> Vec<&str> {
    page.calls.iter().map(|call| call.id.as_str()).collect()
}

fn all(tenant: &str) -> Query {
    Query { tenant: tenant.into(), limit: PAGE_CALLS_MAX, ..Query::default() }
}

fn of_number(number: &str) -> Query {
    Query { number: Some(number.into()), ..all("t") }
}

fn entries(journal: &Journal, space: Space) -> usize {
    journal.with(|engine| Ok(engine.scan(space, &[], &[]).count())).unwrap()
}

#[test]
fn a_call_comes_back_as_it_went_in_and_by_every_number_of_it() {
    let dir = tempfile::tempdir().unwrap();
    let journal = opened(dir.path());
    let whole = call("t", "pbx/1.1", 1_000, "+14155550101", "+14155550199");
    assert!(journal.put(&whole).unwrap());
    assert_eq!(journal.get("t", "pbx/1.1").unwrap(), Some(whole.clone()));
    assert_eq!(journal.get("other", "pbx/1.1").unwrap(), None, "another tenant's call");
    for number in ["+14155550101", "+14155550199", "15550101", "+14155550111", "101", "102"] {
        assert_eq!(journal.read(&of_number(number)).unwrap().calls, std::slice::from_ref(&whole), "{number}");
    }
    for number in ["", "10", "1011", "+1415555010"] {
        assert_eq!(journal.read(&of_number(number)).unwrap().calls, [], "{number}");
    }
    // every state there is, and nothing at all where there may be nothing
    let mut bare = call("t", "pbx/2", 2_000, "", "");
    for disposition in Disposition::ALL {
        for (state, leg_state) in [
            (CallState::Ringing, LegState::Dialing),
            (CallState::Answered, LegState::Ringing),
            (CallState::Bridged, LegState::Up),
            (CallState::Held, LegState::Held),
            (CallState::Ended, LegState::Ended),
        ] {
            bare.disposition = Some(*disposition);
            bare.state = state;
            bare.legs[0].state = leg_state;
            assert_eq!(record::decode(&record::encode(&bare).unwrap()).unwrap(), bare);
        }
    }
    bare = CallView {
        from: Party { withheld: true, ..Party::default() },
        route: None,
        legs: vec![],
        answered_by: None,
        transferred_to: None,
        answered_us: None,
        ended_us: None,
        duration_ms: None,
        talk_ms: None,
        disposition: None,
        cause: None,
        decided: vec![],
        incomplete: true,
        ..bare
    };
    assert!(journal.put(&bare).unwrap());
    assert_eq!(journal.get("t", "pbx/2").unwrap(), Some(bare));
}

#[test]
fn a_call_that_is_told_twice_is_journalled_once_and_an_id_used_again_years_later_is_another_call() {
    let dir = tempfile::tempdir().unwrap();
    let journal = opened(dir.path());
    let first = call("t", "pbx/1.1", 1_000, "1", "2");
    assert!(journal.put(&first).unwrap());
    assert!(!journal.put(&first).unwrap());
    // another source saw the same call a moment later
    let seen_later = CallView { started_us: first.started_us + 2, ended_us: Some(1_003), ..first.clone() };
    assert!(!journal.put(&seen_later).unwrap());
    // the clock was set while it went on: the end is another, the beginning the same
    let by_another_clock = CallView { ended_us: Some(900_000), ..first.clone() };
    assert!(!journal.put(&by_another_clock).unwrap());
    // and after a start of the server it is still known
    drop(journal);
    let journal = opened(dir.path());
    assert!(!journal.put(&first).unwrap());
    let again = call("t", "pbx/1.1", 400 * DAY_US, "1", "3");
    assert!(journal.put(&again).unwrap());
    assert!(!journal.put(&again).unwrap());
    assert_eq!(journal.read(&all("t")).unwrap().calls, [again.clone(), first]);
    assert_eq!(journal.get("t", "pbx/1.1").unwrap(), Some(again.clone()));
    // what goes with the older one leaves the newer one's id alone
    let removed = journal.retain(401 * DAY_US).unwrap();
    assert_eq!(removed.removed, 1);
    assert_eq!(journal.get("t", "pbx/1.1").unwrap(), Some(again));
}

#[test]
fn what_is_too_large_loses_its_traces_first_and_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let journal = opened(dir.path());
    let mut long = call("t", "pbx/1", 1_000, "1", "2");
    long.decided[0].trace = vec!["x".repeat(1000); 100];
    assert!(journal.put(&long).unwrap());
    let back = journal.get("t", "pbx/1").unwrap().unwrap();
    assert!(back.incomplete && back.decided[0].trace.is_empty() && back.legs == long.legs);
    let mut many = call("t", "pbx/2", 2_000, "1", "2");
    many.legs = (0..5000).map(|n| leg(&format!("l{n}"), &n.to_string(), None)).collect();
    assert!(journal.put(&many).unwrap());
    let back = journal.get("t", "pbx/2").unwrap().unwrap();
    assert!(back.incomplete && back.legs[..] == many.legs[5000 - back.legs.len()..] && !back.legs.is_empty());
    let mut endless = call("t", "pbx/3", 3_000, "1", "2");
    endless.from.name = Some("x".repeat(100_000));
    assert!(journal.put(&endless).unwrap_err().is_of_the_call());
    // a number that can't be one is in the record and not in the index
    let strange = call("t", "pbx/4", 4_000, "1\0\0\0\0\0\0\0\u{1}pbx/2", &"9".repeat(1000));
    assert!(journal.put(&strange).unwrap());
    assert_eq!(journal.get("t", "pbx/4").unwrap(), Some(strange));
    assert_eq!(ids(&journal.read(&of_number("1")).unwrap()), ["pbx/2", "pbx/1"]);
    assert!(journal.put(&call("", "pbx/5", 1, "", "")).unwrap_err().is_of_the_call());
    assert!(journal.put(&call("t", "", 1, "", "")).unwrap_err().is_of_the_call());
}

#[test]
fn a_newer_journal_is_refused_untouched_and_damage_is_a_value() {
    let dir = tempfile::tempdir().unwrap();
    drop(opened(dir.path()));
    let marker = dir.path().join("STROWGER");
    let text = std::fs::read_to_string(&marker).unwrap();
    let newer = text.replace("schema 2", "schema 3");
    std::fs::write(&marker, &newer).unwrap();
    let files = |dir: &Path| {
        let mut files: Vec<_> = std::fs::read_dir(dir).unwrap().map(|e| e.unwrap()).collect();
        files.sort_by_key(|e| e.path());
        files.iter().map(|e| (e.path(), e.metadata().unwrap().len(), e.metadata().unwrap().modified().unwrap())).collect::<Vec<_>>()
    };
    let before = files(dir.path());
    let refused = Journal::open(dir.path(), JournalLimits::default()).map(drop).unwrap_err().to_string();
    assert!(refused.contains("schema 3") && refused.contains("newer strowger"), "{refused}");
    assert_eq!(files(dir.path()), before);
    // an older one is this one from now on
    std::fs::write(&marker, text.replace("schema 2", "schema 1")).unwrap();
    drop(opened(dir.path()));
    assert_eq!(std::fs::read_to_string(&marker).unwrap(), text);
    let journal = opened(dir.path());
    let locked = Journal::open(dir.path(), JournalLimits::default()).map(drop).unwrap_err();
    assert!(locked.is_locked(), "{locked}");
    for n in 0..2000 {
        journal.put(&call("t", &format!("pbx/{n}"), n, "1", "2")).unwrap();
    }
    journal.sync().unwrap();
    drop(journal);
    // its database is gone, or is something else
    let db = dir.path().join("db");
    let bytes = std::fs::read(&db).unwrap();
    std::fs::write(&db, []).unwrap();
    let refused = Journal::open(dir.path(), JournalLimits::default()).map(drop).unwrap_err().to_string();
    assert!(refused.contains("damaged") && refused.contains("move that directory away"), "{refused}");
    std::fs::remove_file(dir.path().join("conf")).unwrap();
    std::fs::write(dir.path().join("conf"), [0xff; 200]).unwrap();
    std::fs::write(&db, &bytes).unwrap();
    let refused = Journal::open(dir.path(), JournalLimits::default()).map(drop).unwrap_err().to_string();
    assert!(refused.starts_with("the journal "), "{refused}");
}

#[test]
fn old_calls_and_too_many_go_the_oldest_first_whoever_they_are() {
    let dir = tempfile::tempdir().unwrap();
    let limits = JournalLimits { days_max: 10, bytes_max: u64::MAX };
    let journal = Journal::open(dir.path(), limits).unwrap();
    for n in 0..2_500u64 {
        let tenant = ["a", "b", "c"][n as usize % 3];
        journal.put(&call(tenant, &format!("pbx/{n}"), n * DAY_US / 100, "1", "2")).unwrap();
    }
    // of 25 days, the first 15 go, in pieces
    let mut removed = Vec::new();
    loop {
        let done = journal.retain(25 * DAY_US).unwrap();
        removed.push(done.removed);
        if !done.more {
            break;
        }
    }
    assert_eq!(removed.iter().sum::<usize>(), 1_500);
    assert!(removed.iter().all(|n| *n <= 1_000), "{removed:?}");
    let status = journal.status();
    assert!(status.counted && status.calls == 1_000, "{status:?}");
    assert_eq!((entries(&journal, Space::Call), entries(&journal, Space::Id)), (1_000, 1_000));
    for tenant in ["a", "b", "c"] {
        let first = journal.read(&Query { oldest_first: true, limit: 1, ..all(tenant) }).unwrap().calls[0].ended_us.unwrap();
        assert!((15 * DAY_US..15 * DAY_US + DAY_US / 20).contains(&first), "{tenant}: {first}");
    }
    // what is counted at open is what was kept up
    drop(journal);
    let half = JournalLimits { days_max: 10, bytes_max: status.bytes / 2 };
    let journal = Journal::open(dir.path(), half).unwrap();
    assert_eq!(journal.status().calls, 0);
    assert_eq!(journal.retain(25 * DAY_US).unwrap().removed, 500);
    let left = journal.status();
    assert!(left.counted && left.bytes <= half.bytes_max && left.calls == 500, "{left:?}");
    let survivors: usize = ["a", "b", "c"].iter().map(|t| journal.read(&all(t)).unwrap().calls.len()).sum();
    assert_eq!(survivors, 500);
    assert!(journal.read(&Query { until_us: Some(19 * DAY_US), ..all("a") }).unwrap().calls.is_empty());
}

#[test]
fn an_index_entry_without_a_record_is_passed_over_and_swept() {
    let dir = tempfile::tempdir().unwrap();
    let journal = opened(dir.path());
    let whole = call("t", "pbx/1", 1_000, "1", "2");
    journal.put(&whole).unwrap();
    // as a crash between the indexes and the record leaves it
    let broken_off = call("t", "pbx/2", 2_000, "1", "2");
    journal.put(&broken_off).unwrap();
    let call_key = key::placed(&key::tenant("t"), 2_000, "pbx/2");
    journal.with(|engine| engine.remove(Space::Call, &call_key)).unwrap();
    assert_eq!(ids(&journal.read(&of_number("1")).unwrap()), ["pbx/1"]);
    assert_eq!(journal.get("t", "pbx/2").unwrap(), None);
    // it may come again, and then is there
    assert!(journal.put(&broken_off).unwrap());
    journal.with(|engine| engine.remove(Space::Call, &call_key)).unwrap();
    let numbers = entries(&journal, Space::Number);
    while journal.retain(2_000).unwrap().more {}
    assert_eq!((entries(&journal, Space::Number), entries(&journal, Space::Id)), (numbers / 2, 1));
    assert_eq!(journal.get("t", "pbx/1").unwrap(), Some(whole));
}

#[test]
fn a_record_that_can_not_be_read_is_passed_over_and_goes_with_its_age() {
    let dir = tempfile::tempdir().unwrap();
    let journal = opened(dir.path());
    journal.put(&call("t", "pbx/1", 1_000, "1", "2")).unwrap();
    journal.put(&call("t", "pbx/2", 2_000, "1", "2")).unwrap();
    let call_key = key::placed(&key::tenant("t"), 1_000, "pbx/1");
    journal.with(|engine| engine.put(Space::Call, &call_key, &[99, 1, 2])).unwrap();
    let page = journal.read(&all("t")).unwrap();
    assert_eq!((ids(&page), page.unreadable), (vec!["pbx/2"], 1));
    assert!(journal.get("t", "pbx/1").unwrap_err().to_string().contains("version 99"));
    let mut removed = 0;
    loop {
        let done = journal.retain(366 * DAY_US).unwrap();
        removed += done.removed;
        if !done.more {
            break;
        }
    }
    assert_eq!(removed, 2);
    assert_eq!([Space::Call, Space::Number, Space::Id].map(|space| entries(&journal, space)), [0, 0, 0]);
}

#[test]
fn a_record_of_each_version_is_read_for_ever() {
    let hex = concat!(
        "01077062782f312e31037062780174040c2b313431353535353031303101034164610103616461000c2b31343135353535303139390105",
        "2b3134313502026c3117504a5349502f31353535303130312d3030303030303031010c2b31343135353535303131310831353535303130",
        "31040101020103010f4e4f524d414c5f434c454152494e47026c3212504a5349502f3130312d3030303030303031000331303104010102",
        "0103010f4e4f524d414c5f434c454152494e4701026c310c2b313431353535353031313101034d6f6d0103313032de0701e30701e80701",
        "0a01050100010f4e6f726d616c20436c656172696e67010405666f756e64046469616c076d61746368656401052b3134313507020b6e6f",
        "7420626c6f636b656413726f757465202b31343135206d61746368656400",
    );
    let bytes = data_encoding::HEXLOWER.decode(hex.as_bytes()).unwrap();
    let whole = call("t", "pbx/1.1", 1_000, "+14155550101", "+14155550199");
    let mut of_1 = whole.clone();
    of_1.decided[0].request.clear();
    assert_eq!(record::decode(&bytes).unwrap(), of_1);
    // since version 2 a decision says what was asked
    let at = hex.find("010405666f756e64").unwrap() + 2;
    let hex = format!("02{}05726f757465{}", &hex[2..at], &hex[at..]);
    let bytes = data_encoding::HEXLOWER.decode(hex.as_bytes()).unwrap();
    assert_eq!(record::decode(&bytes).unwrap(), whole);
    assert_eq!(data_encoding::HEXLOWER.encode(&record::encode(&whole).unwrap()), hex, "another layout is another version");
}
