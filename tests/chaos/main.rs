//! A server that is harmed in every way under load: killed, stopped, without disk, without descriptors, with a clock that
//! jumps, with sockets that are cut. At the end each call and each acknowledged edit is accounted for.
//!
//! A call is answered; or gets the default that says so (`late`, `capacity`, …); or finds nobody, which it may only while the
//! server was down or had no descriptors; or was cut by its own caller. There is no fifth thing, and no wrong answer. An edit
//! that was acknowledged is there afterwards, an import is there whole, and the store is sound.
//!
//! `STROWGER_CHAOS_SECONDS` says for how long, `STROWGER_CHAOS_SEED` which harms come in what order (what meets what in the
//! machine stays chance); `tests/chaos/run 600 42` does it with a release build, and shows what happens.

mod callers;
mod edits;
mod harms;
mod ledger;
#[path = "../support/mod.rs"]
mod support;
mod world;

use harms::Harms;
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;
use world::World;

const SECONDS: &str = "STROWGER_CHAOS_SECONDS";
const SEED: &str = "STROWGER_CHAOS_SEED";
/// Set in the process that has a disk of its own, which it may fill: where that is.
const DISK: &str = "STROWGER_CHAOS_DISK";
/// One round of harms, about.
const SECONDS_DEFAULT: u64 = 20;

/// Chance that can be had again.
pub struct Random(u64);

impl Random {
    /// The next number (splitmix64).
    pub fn draw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub fn below(&mut self, n: u64) -> u64 {
        self.draw() % n
    }

    pub fn ms(&mut self, from: u64, to: u64) -> Duration {
        Duration::from_millis(from + self.below(to - from))
    }
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().unwrap_or_else(|_| panic!("{name}={text} is not a whole number")))
}

#[test]
fn whatever_happens_to_the_server_each_call_and_each_acknowledged_edit_is_accounted_for() {
    if std::env::var_os(DISK).is_some() {
        return chaos(true);
    }
    // a disk of its own needs a name space of its own: the test starts itself in one
    let dir = tempfile::tempdir().unwrap();
    let script =
        "mount -t tmpfs -o size=384m none \"$STROWGER_CHAOS_DISK\" && echo mounted && TMPDIR=$STROWGER_CHAOS_DISK exec \"$0\" \"$@\" 2>&1";
    let name = "whatever_happens_to_the_server_each_call_and_each_acknowledged_edit_is_accounted_for";
    let child = Command::new("unshare")
        .args(["-Urm", "sh", "-c", script])
        .arg(std::env::current_exe().unwrap())
        .args([name, "--exact", "--nocapture", "--test-threads=1"])
        .env(DISK, dir.path())
        .stdout(Stdio::piped())
        .spawn();
    let Ok(mut child) = child else {
        support::skipped("there is no unshare; the disk isn't filled");
        return chaos(false);
    };
    let mut mounted = false;
    for line in BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok) {
        if mounted {
            println!("{line}");
        }
        mounted |= line == "mounted";
    }
    let ended = child.wait().unwrap();
    if mounted {
        assert!(ended.success(), "{ended}; what went wrong stands above");
    } else {
        support::skipped(&format!("a small file system can't be mounted ({ended}); the disk isn't filled"));
        chaos(false);
    }
}

fn chaos(has_disk: bool) {
    let seconds = number(SECONDS).unwrap_or(SECONDS_DEFAULT);
    let now = || std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_micros() as u64;
    let seed = number(SEED).unwrap_or_else(|| now() % 1_000_000);
    println!("chaos for {seconds} s; the same again: tests/chaos/run {seconds} {seed}");

    let world = Arc::new(World::begin());
    // threads that go on may keep the world when this one gives up
    let _last = world::KillAtEnd(world.clone());
    let callers = callers::begin(&world, Random(seed ^ 1));
    let edits = edits::begin(&world);
    let switch = world::switch(&world);
    let feed = world::feed(&world);
    let mut harms = Harms::new(&world, Random(seed), has_disk);
    harms.play(Duration::from_secs(seconds));

    // calls that were placed end, and then everything else does
    world.end();
    let ledger = callers.join().unwrap();
    let edits = edits.join();
    let logins = switch.join().unwrap();
    let fed_bytes = feed.join().unwrap();
    let harms = harms.end();
    ledger.print(&harms);
    println!("{edits}; the switch was logged in to {logins} times, {} kB read of the feed", fed_bytes / 1024);
    ledger.check(&harms);
    assert!(logins > 0 && fed_bytes > 0);

    let said = world.place.done(&["store", "check"]);
    assert!(said.out.contains("sound"), "{said:?}");
    println!("{}", said.out.lines().take(3).collect::<Vec<_>>().join("; "));
    edits.check(&world);
    println!("every acknowledged edit is there, every import is whole");
}
