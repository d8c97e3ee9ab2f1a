//! A store and other processes: one that has it open, one that may not write it, one whose disk is full, one without descriptors.

mod support;

use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::sync::Arc;
use std::time::Duration;
use strowger::clock::SystemClock;
use strowger::directory::{Contact, ContactNumber};
use strowger::number::{Kind, Number};
use strowger::routing::{Action, PlanItem, Prefix, Route, RouteKey, Step};
use strowger::store::{Edit, PlanEdits, PlanSort, Store, StoreError};

/// What a child is to do; unset, it does nothing and is a test that passes.
const TASK: &str = "STROWGER_TEST_STORE_TASK";
const DIR: &str = "STROWGER_TEST_STORE_DIR";

fn contact(n: usize, note_bytes: usize) -> Contact {
    let number = Number::from_key(Kind::E164, &format!("4930{n:06}")).unwrap();
    let numbers = vec![ContactNumber::of(number.clone(), number.to_string(), None)];
    let note = Some("x".repeat(note_bytes));
    Contact { note, ..Contact::of(format!("c{n}"), format!("Name {n}"), numbers) }
}

/// A plan of so many routes that no single record of the log holds them.
fn plan(word: &str, count: usize) -> PlanEdits {
    let key = |n| RouteKey::Prefix(Prefix { kind: Kind::E164, digits: format!("49{n:06}") });
    let steps = vec![Step::of(Action::Voicemail(word.repeat(80))); 16];
    let puts = (0..count).map(|n| PlanItem::Route(Route::of(key(n), steps.clone()))).collect();
    PlanEdits { puts, ..PlanEdits::default() }
}

/// Which plan is there, by its word; a mixture of two is a failure.
fn plan_in(store: &Store) -> Option<(char, usize)> {
    let routes = store.routes("t", None, usize::MAX).unwrap();
    let words: std::collections::BTreeSet<String> = routes.iter().map(|r| r.steps[0].to_string()).collect();
    assert!(words.len() <= 1, "a mixture of plans");
    assert_eq!(store.items("t", PlanSort::Route, None, usize::MAX).unwrap().len(), routes.len());
    Some((words.first()?.chars().last()?, routes.len()))
}

struct Opened {
    store: Store,
    writer: std::thread::JoinHandle<()>,
}

impl Opened {
    fn open(dir: &Path) -> Result<Opened, StoreError> {
        let (store, writer) = Store::open(dir, Arc::new(SystemClock))?;
        let writer = std::thread::spawn(move || writer.with_snapshot().run());
        while !store.snapshot_stands() {
            std::thread::sleep(Duration::from_millis(1));
        }
        Ok(Opened { store, writer })
    }

    fn close(self) {
        self.store.close();
        drop(self.store);
        self.writer.join().unwrap();
    }

    /// So many contacts are there, on the disk and in the snapshot, or one more that was not acknowledged.
    fn check(&self, count: usize) {
        for n in 0..count {
            let number = contact(n, 0).numbers[0].number.clone();
            let name = Some(format!("Name {n}"));
            assert_eq!(self.store.on_disk("t", |d| d.caller(&number)).unwrap().map(|c| c.name), name, "{n}");
            assert_eq!(self.store.in_snapshot("t", |d| d.caller(&number)).unwrap().unwrap().map(|c| c.name), name, "{n}");
        }
        let found = self.store.contacts("t", "").map(|c| c.unwrap()).filter(|(_, c)| c.source.is_empty()).count();
        assert!((count..=count + 1).contains(&found), "{found} instead of {count}");
    }
}

fn child(task: &str, dir: &Path) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["child_does_its_task", "--exact", "--nocapture", "--test-threads=1"]).env(TASK, task).env(DIR, dir);
    command
}

fn text(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// The number after `said` in what a child printed.
fn said(output: &Output) -> usize {
    let text = text(output);
    assert!(output.status.success(), "{text}");
    text.lines().find_map(|l| l.strip_prefix("said ")).unwrap_or_else(|| panic!("{text}")).parse().unwrap()
}

#[test]
fn child_does_its_task() {
    let (Ok(task), Ok(dir)) = (std::env::var(TASK), std::env::var(DIR)) else { return };
    let dir = Path::new(&dir);
    // the harness has written the test's name, and no end of line
    println!();
    match task.as_str() {
        "open" => match Opened::open(dir) {
            Ok(opened) => {
                println!("error none");
                opened.close();
            }
            Err(error) => println!("error {error:?}"),
        },
        "hold" => {
            let opened = Opened::open(dir).unwrap();
            println!("holding");
            let _ = std::io::stdin().read_line(&mut String::new());
            opened.close();
        }
        "fill" => println!("said {}", fill(dir, 0)),
        "descriptors" => println!("said {}", without_descriptors(dir)),
        "limit" => println!("said {}", within_a_limit(dir, FilledBy::Edits)),
        "limit-import" => println!("said {}", within_a_limit(dir, FilledBy::AnImport)),
        "limit-plan" => println!("said {}", within_a_limit(dir, FilledBy::Plans)),
        other => panic!("{other}"),
    }
}

/// Edits until the disk is full, reads everything, imports, reads everything again; how many edits were acknowledged.
fn fill(dir: &Path, from: usize) -> usize {
    let opened = Opened::open(dir).unwrap();
    let mut count = from;
    let error = loop {
        match opened.store.edit("t", "x", Edit::PutContact(contact(count, 4000))) {
            Ok(_) => count += 1,
            Err(error) => break error,
        }
    };
    assert!(matches!(error, StoreError::Full { .. }), "{error:?}");
    opened.check(count);
    let mut bulk = opened.store.bulk("t", "file");
    (0..100).for_each(|n| bulk.push(&contact(500_000 + n, 4000)).unwrap());
    assert!(matches!(bulk.commit("x"), Err(StoreError::Full { .. })));
    opened.check(count);
    let refused = opened.store.change_plan("t", "x", plan("b", 1000), opened.store.revision());
    assert!(matches!(refused, Err(StoreError::Full { .. })), "{refused:?}");
    assert_eq!(plan_in(&opened.store), None);
    opened.check(count);
    opened.close();
    let opened = Opened::open(dir).unwrap();
    opened.check(count);
    opened.close();
    count
}

/// Edits until no file can be opened, and again when one can; how many were acknowledged.
fn without_descriptors(dir: &Path) -> usize {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let opened = Opened::open(dir).unwrap();
    let edit = |n: usize| opened.store.edit("t", "x", Edit::PutContact(contact(n, 4000))).map(|_| ());
    (0..10).for_each(|n| edit(n).unwrap());
    let before = getrlimit(Resource::Nofile);
    // the numbers up to there are in use
    setrlimit(Resource::Nofile, Rlimit { current: Some(4), ..before }).unwrap();
    for _ in 0..3 {
        let refused = edit(900_000);
        assert!(matches!(&refused, Err(StoreError::Unable(why)) if why.contains("LimitNOFILE")), "{refused:?}");
    }
    // said as long as it is so, and no fault that stays
    assert!(opened.store.failure().is_none());
    assert!(opened.store.status().failed.is_some_and(|why| why.contains("LimitNOFILE")));
    opened.check(10);
    setrlimit(Resource::Nofile, before).unwrap();
    assert_eq!(opened.store.status().failed, None);
    (10..20).for_each(|n| edit(n).unwrap());
    opened.check(20);
    opened.close();
    let opened = Opened::open(dir).unwrap();
    opened.check(20);
    opened.close();
    20
}

/// What a file is filled with.
#[derive(Clone, Copy, PartialEq, Eq)]
enum FilledBy {
    Edits,
    AnImport,
    Plans,
}

/// The same where the system refuses to let the file grow, and the store can't know it beforehand.
fn within_a_limit(dir: &Path, filled: FilledBy) -> usize {
    let too_large = Arc::new(std::sync::atomic::AtomicBool::new(false));
    signal_hook::flag::register(25, too_large).unwrap(); // SIGXFSZ, which would end the process
    let opened = Opened::open(dir).unwrap();
    let limit = Some(12 * 1024 * 1024);
    rustix::process::setrlimit(rustix::process::Resource::Fsize, rustix::process::Rlimit { current: limit, maximum: limit }).unwrap();
    let mut count = 0;
    while filled != FilledBy::Edits && count < 10 {
        opened.store.edit("t", "x", Edit::PutContact(contact(count, 0))).unwrap();
        count += 1;
    }
    let error = match filled {
        FilledBy::AnImport => {
            let mut bulk = opened.store.bulk("t", "file");
            (0..5000).for_each(|n| bulk.push(&contact(500_000 + n, 4000)).unwrap());
            bulk.commit("x").unwrap_err()
        }
        // the one that fails is caught at another step each time, and so is what the next start makes of it
        FilledBy::Plans => {
            let letters = ["a", "b"].into_iter().cycle();
            let mut failed = letters.map(|word| opened.store.change_plan("t", "x", plan(word, 300), opened.store.revision()));
            failed.find_map(Result::err).unwrap()
        }
        FilledBy::Edits => loop {
            match opened.store.edit("t", "x", Edit::PutContact(contact(count, 4000))) {
                Ok(_) => count += 1,
                Err(error) => break error,
            }
        },
    };
    println!("{error:?}");
    for n in 0..count {
        let number = contact(n, 0).numbers[0].number.clone();
        let found = opened.store.in_snapshot("t", |d| d.caller(&number)).unwrap().unwrap();
        assert_eq!(found.map(|c| c.name), Some(format!("Name {n}")));
    }
    assert!(opened.store.status().failed.is_some());
    assert!(opened.store.edit("t", "x", Edit::PutContact(contact(900_000, 0))).is_err());
    count
}

#[test]
fn a_store_that_another_process_has_open_is_refused_in_words() {
    let dir = tempfile::tempdir().unwrap();
    let mut holder = child("hold", dir.path()).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = std::io::BufRead::lines(std::io::BufReader::new(holder.stdout.take().unwrap()));
    assert!(lines.any(|l| l.unwrap() == "holding"));
    let refused = Opened::open(dir.path()).err();
    assert!(matches!(&refused, Some(StoreError::Locked(path)) if path == dir.path()), "{refused:?}");
    drop(holder.stdin.take());
    assert!(holder.wait().unwrap().success());
    Opened::open(dir.path()).unwrap().close();
}

/// A command that runs as nobody when we are root, for whom no directory is closed.
fn unprivileged(mut command: Command) -> Command {
    use std::os::unix::process::CommandExt;
    if rustix::process::geteuid().is_root() {
        command.uid(65534).gid(65534);
    }
    command
}

#[test]
fn a_directory_that_cant_be_written_is_refused_in_words() {
    use std::os::unix::fs::{PermissionsExt, chown};
    let dir = tempfile::tempdir().unwrap();
    let mode = |path: &Path, mode| std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    let root = rustix::process::geteuid().is_root();
    // one in which nothing can be made
    let closed = dir.path().join("closed");
    std::fs::create_dir(&closed).unwrap();
    if root {
        chown(&closed, Some(65534), Some(65534)).unwrap();
    }
    mode(dir.path(), 0o755);
    mode(&closed, 0o555);
    for path in [closed.clone(), closed.join("store")] {
        let output = unprivileged(child("open", &path)).output().unwrap();
        assert!(text(&output).contains("error NotWritable"), "{}", text(&output));
    }
    mode(&closed, 0o755);
    assert_eq!(std::fs::read_dir(&closed).unwrap().count(), 0);
    // a store whose file can't be written
    let store = dir.path().join("store");
    Opened::open(&store).unwrap().close();
    if root {
        let output = unprivileged(child("open", &store)).output().unwrap();
        mode(&store, 0o755);
        assert!(text(&output).contains("error NotOwner"), "{}", text(&output));
        chown(&store, Some(65534), Some(65534)).unwrap();
        chown(store.join("db"), Some(65534), Some(65534)).unwrap();
    }
    mode(&store.join("db"), 0o444);
    let output = unprivileged(child("open", &store)).output().unwrap();
    assert!(text(&output).contains("error NotWritable"), "{}", text(&output));
}

#[test]
fn on_a_disk_that_is_full_edits_are_refused_and_nothing_is_lost() {
    let dir = tempfile::tempdir().unwrap();
    let exe = std::env::current_exe().unwrap();
    // 32 MiB are kept free, some 16 are there to be filled
    let script = "mount -t tmpfs -o size=56m none \"$STROWGER_TEST_STORE_DIR\" && echo mounted && exec \"$0\" \"$@\"";
    let output = Command::new("unshare")
        .args(["-Urm", "sh", "-c", script])
        .arg(exe)
        .args(["child_does_its_task", "--exact", "--nocapture", "--test-threads=1"])
        .envs([(TASK, "fill".as_ref()), (DIR, dir.path().as_os_str())])
        .output();
    match output {
        Ok(output) if text(&output).contains("mounted") => assert!(said(&output) > 10, "{}", text(&output)),
        other => support::skipped(&format!(
            "a small file system can't be mounted ({other:?}); the same promise is kept by \
             a_file_that_may_not_grow_fails_loudly_and_loses_nothing, and by the tests in src/store/tests/full.rs"
        )),
    }
}

#[test]
fn an_edit_while_no_file_can_be_opened_is_refused_and_the_next_one_is_made_without_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    assert_eq!(said(&child("descriptors", dir.path()).output().unwrap()), 20);
}

#[test]
fn a_file_that_may_not_grow_fails_loudly_and_loses_nothing() {
    for task in ["limit", "limit-import", "limit-plan"] {
        let dir = tempfile::tempdir().unwrap();
        let count = said(&child(task, dir.path()).output().unwrap());
        assert!(count >= 10);
        let opened = Opened::open(dir.path()).unwrap();
        opened.check(count);
        assert_eq!(opened.store.contact("t", "c500000").unwrap().map(|_| ()), None, "a part of an import");
        if task == "limit-plan" {
            assert_eq!(plan_in(&opened.store).map(|(_, count)| count), Some(300), "a part of a plan");
        }
        opened.store.edit("t", "x", Edit::PutContact(contact(900_000, 0))).unwrap();
        opened.close();
    }
}
