//! The journal's thread, and what it does when the disk doesn't do its part.

use super::*;
use std::sync::atomic::Ordering;
use std::thread::JoinHandle;

fn until(what: &str, mut done: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !done() {
        assert!(begun.elapsed() < Duration::from_secs(30), "waited for long: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn running(journal: &Journal, queue_calls_max: usize) -> (JournalQueue, Arc<PlaneStats>, JoinHandle<()>) {
    let stats = Arc::new(PlaneStats::default());
    let (queue, writer) = JournalWriter::new(journal.clone(), stats.clone(), Arc::new(FixedClock(1_000)), queue_calls_max);
    (queue, stats, std::thread::spawn(move || writer.run()))
}

fn pretend_free(journal: &Journal, bytes: u64) {
    journal
        .with(|engine| {
            engine.free_bytes.store(bytes, Ordering::Relaxed);
            Ok(())
        })
        .unwrap();
}

fn nth(n: u64) -> Arc<CallView> {
    Arc::new(call("t", &format!("pbx/{n}"), 1_000 + n, "1", "2"))
}

#[test]
fn what_is_handed_over_is_written_once_and_the_rest_at_the_end() {
    let dir = tempfile::tempdir().unwrap();
    let journal = opened(dir.path());
    let (queue, stats, thread) = running(&journal, 1_000);
    for n in 0..500 {
        assert!(queue.offer(nth(n)));
    }
    assert!(queue.offer(nth(7)), "the same again");
    until("they are on the disk", || stats.journal_written.get() == 500);
    queue.offer(nth(500));
    drop(queue);
    thread.join().unwrap();
    assert_eq!((stats.journal_written.get(), stats.journal_lost.get(), stats.journal_queued.get()), (501, 0, 0));
    drop(journal);
    assert_eq!(opened(dir.path()).read(&all("t")).unwrap().calls.len(), 501);
}

#[test]
fn a_full_disk_costs_no_call_while_there_is_memory_and_it_goes_on_when_there_is_space() {
    let dir = tempfile::tempdir().unwrap();
    let journal = opened(dir.path());
    pretend_free(&journal, 1000);
    let refused = journal.put(&nth(0)).unwrap_err();
    assert!(refused.is_full() && refused.to_string().contains("free some space"), "{refused}");
    let (queue, stats, thread) = running(&journal, 10);
    for n in 0..100 {
        until("there is room in the queue", || stats.journal_queued.get() < 10);
        assert!(queue.offer(nth(n)));
    }
    until("the thread has them", || stats.journal_queued.get() == 0);
    assert_eq!((stats.journal_written.get(), stats.journal_lost.get()), (0, 0));
    assert_eq!(journal.read(&all("t")).unwrap().calls.len(), 0, "reading goes on");
    pretend_free(&journal, u64::MAX);
    until("it is tried again", || stats.journal_written.get() == 100);
    assert_eq!(stats.journal_lost.get(), 0);
    // a disk that is full to the end: what there is no room for is counted, in the queue and behind it
    pretend_free(&journal, 1000);
    for n in 100..110 {
        queue.offer(nth(n));
    }
    drop(queue);
    thread.join().unwrap();
    assert_eq!((stats.journal_written.get(), stats.journal_lost.get(), stats.journal_queued.get()), (100, 10, 0));
}

#[test]
fn memory_has_an_end_too_and_what_is_lost_then_is_counted() {
    let dir = tempfile::tempdir().unwrap();
    let journal = opened(dir.path());
    pretend_free(&journal, 1000);
    let (queue, stats, thread) = running(&journal, 4);
    let mut offered = 0;
    while stats.journal_lost.get() < 100 {
        queue.offer(nth(offered));
        offered += 1;
        assert!(offered < 10_000_000);
    }
    pretend_free(&journal, u64::MAX);
    drop(queue);
    thread.join().unwrap();
    assert_eq!(stats.journal_written.get() + stats.journal_lost.get(), offered);
    assert!(stats.journal_written.get() > 0);
}

#[test]
fn a_journal_that_failed_is_opened_again_and_nothing_is_written_twice() {
    let dir = tempfile::tempdir().unwrap();
    let journal = opened(dir.path());
    let (queue, stats, thread) = running(&journal, 100);
    queue.offer(nth(1));
    until("it is written", || stats.journal_written.get() == 1);
    // as if the database had been closed by a failed opening: everything fails until it is opened again
    drop(journal.shared.engine.write().unwrap().take());
    assert!(journal.read(&all("t")).unwrap_err().to_string().contains("ask again"));
    queue.offer(nth(1));
    queue.offer(nth(2));
    until("it was opened again", || stats.journal_written.get() == 2);
    drop(queue);
    thread.join().unwrap();
    assert_eq!((stats.journal_written.get(), stats.journal_lost.get()), (2, 0));
    assert_eq!(ids(&journal.read(&all("t")).unwrap()), ["pbx/2", "pbx/1"]);
}

#[test]
fn a_journal_that_was_left_to_another_process_is_not_taken_back_by_a_thread_that_still_writes() {
    let dir = tempfile::tempdir().unwrap();
    let journal = opened(dir.path());
    let (queue, stats, thread) = running(&journal, 100);
    queue.offer(nth(1));
    until("it is written", || stats.journal_written.get() == 1);
    journal.close();
    let refused = journal.reopen().unwrap_err();
    assert!(refused.is_left() && !refused.is_locked(), "{refused}");
    // what the thread has in hand yet, at its next try and at its end
    queue.offer(nth(2));
    until("what came too late is counted", || stats.journal_lost.get() == 1);
    queue.offer(nth(3));
    drop(queue);
    thread.join().unwrap();
    assert_eq!((stats.journal_written.get(), stats.journal_lost.get()), (1, 2));
    // nobody holds the lock, while the old handle is there yet
    let heir = opened(dir.path());
    heir.put(&nth(4)).unwrap();
    assert!(journal.reopen().is_err() && journal.read(&all("t")).unwrap_err().is_left());
    assert_eq!(ids(&heir.read(&all("t")).unwrap()), ["pbx/4", "pbx/1"]);
}

#[test]
fn a_journal_that_another_process_leaves_is_opened_when_it_does() {
    let dir = tempfile::tempdir().unwrap();
    let old = opened(dir.path());
    let new = Journal::closed(dir.path(), JournalLimits::default());
    assert!(!new.put(&nth(1)).unwrap_err().is_left(), "it is to come yet");
    old.close();
    new.reopen().unwrap();
    new.put(&nth(1)).unwrap();
    new.reopen().unwrap();
    assert_eq!(ids(&new.read(&all("t")).unwrap()), ["pbx/1"]);
}
