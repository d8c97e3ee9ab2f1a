//! The journal beside a list: whatever is written, removed and asked, both say the same.

use super::*;
use proptest::prelude::*;

#[derive(Debug, Clone)]
enum Deed {
    Put { tenant: usize, id: u8, ended: u64, from: u8, to: u8 },
    Retain { now_days: u64 },
    Reopen,
    Read { tenant: usize, since: Option<u64>, until: Option<u64>, number: Option<u8>, oldest_first: bool, page: usize },
}

const TENANTS: [&str; 3] = ["a", "a-b", "b"];
/// Ends are so many of these: some at once, some years apart.
const STEP_US: u64 = DAY_US / 2;

fn deed() -> impl Strategy<Value = Deed> {
    let instant = || 0..40u64;
    prop_oneof![
        6 => (0..3usize, any::<u8>(), instant(), 0..4u8, 0..4u8).prop_map(|(tenant, id, ended, from, to)| Deed::Put { tenant, id: id % 48, ended, from, to }),
        1 => (0..30u64).prop_map(|now_days| Deed::Retain { now_days }),
        1 => Just(Deed::Reopen),
        4 => (0..3usize, prop::option::of(instant()), prop::option::of(instant()), prop::option::of(0..4u8), any::<bool>(), 1..5usize)
            .prop_map(|(tenant, since, until, number, oldest_first, page)| Deed::Read { tenant, since, until, number, oldest_first, page }),
    ]
}

fn number(n: u8) -> String {
    // one is the beginning of another
    ["", "1", "10", "+14155550101"][usize::from(n)].to_owned()
}

fn made(tenant: usize, id: u8, ended: u64, from: u8, to: u8) -> CallView {
    let mut call = call(TENANTS[tenant], &format!("pbx/{id}"), 1_000 + ended * STEP_US, &number(from), &number(to));
    (call.legs, call.answered_by, call.transferred_to) = (vec![], None, None);
    call
}

/// What a list of calls says to a query, page after page.
fn expected(calls: &[CallView], query: &Query) -> Vec<CallView> {
    let mut found: Vec<CallView> = calls
        .iter()
        .filter(|c| c.tenant == query.tenant)
        .filter(|c| query.since_us.is_none_or(|since| c.ended_us.unwrap() >= since))
        .filter(|c| query.until_us.is_none_or(|until| c.ended_us.unwrap() < until))
        .filter(|c| query.number.as_ref().is_none_or(|n| !n.is_empty() && (c.from.number == *n || c.to == *n)))
        .cloned()
        .collect();
    found.sort_by_key(|c| (c.ended_us, c.id.clone()));
    if !query.oldest_first {
        found.reverse();
    }
    found
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, ..ProptestConfig::default() })]
    #[test]
    fn a_journal_says_what_a_list_of_calls_would(deeds in prop::collection::vec(deed(), 1..60)) {
        let dir = tempfile::tempdir().unwrap();
        let limits = JournalLimits { days_max: 10, bytes_max: u64::MAX };
        let mut journal = Journal::open(dir.path(), limits).unwrap();
        let mut calls: Vec<CallView> = Vec::new();
        for deed in deeds {
            match deed {
                Deed::Put { tenant, id, ended, from, to } => {
                    let call = made(tenant, id, ended, from, to);
                    // ends are further apart than a call is long, so the same id is the same call if it ended at the same time
                    let known = |c: &CallView| c.id == call.id && c.ended_us == call.ended_us;
                    // the newest of an id is what a call of another tenant is compared with
                    let there = calls.iter().any(|c| c.tenant == call.tenant && known(c)) || calls.iter().rfind(|c| c.id == call.id).is_some_and(known);
                    prop_assert_eq!(journal.put(&call).unwrap(), !there);
                    if !there {
                        calls.push(call);
                    }
                }
                Deed::Retain { now_days } => {
                    let now_us = now_days * DAY_US;
                    let too_old = now_us.saturating_sub(10 * DAY_US);
                    let before = calls.len();
                    // an older call that lost its id to a newer one keeps no claim on it
                    calls.retain(|c| c.ended_us.unwrap() >= too_old);
                    let mut removed = 0;
                    loop {
                        let done = journal.retain(now_us).unwrap();
                        removed += done.removed;
                        if !done.more {
                            break;
                        }
                    }
                    prop_assert_eq!(removed, before - calls.len());
                    let status = journal.status();
                    prop_assert!(status.counted);
                    prop_assert_eq!(status.calls, calls.len() as u64);
                }
                Deed::Reopen => {
                    drop(journal);
                    journal = Journal::open(dir.path(), limits).unwrap();
                }
                Deed::Read { tenant, since, until, number: n, oldest_first, page } => {
                    let at = |steps: Option<u64>| steps.map(|s| 1_000 + s * STEP_US);
                    let mut query = Query {
                        tenant: TENANTS[tenant].into(),
                        since_us: at(since),
                        until_us: at(until),
                        number: n.map(number),
                        after: None,
                        limit: page,
                        oldest_first,
                    };
                    let expected = expected(&calls, &query);
                    let mut found = Vec::new();
                    loop {
                        let page = journal.read(&query).unwrap();
                        prop_assert!(page.calls.len() <= query.limit);
                        found.extend(page.calls);
                        query.after = page.next;
                        if query.after.is_none() {
                            break;
                        }
                    }
                    prop_assert_eq!(found, expected);
                }
            }
        }
    }
}
