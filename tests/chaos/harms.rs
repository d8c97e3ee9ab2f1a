//! What is done to the server, one thing after the other, each undone again.

use crate::Random;
use crate::support::{connect, descriptors, within};
use crate::world::World;
use rustix::process::{Pid, Resource, Rlimit, Signal, prlimit};
use std::io::Write;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

/// How long it may take, once a harm is over, until a call is answered and an edit acknowledged again: some 100 ms. But edits
/// are made by idle threads, and on a machine that others keep busy one was seen to take 10 s and more.
const MENDED_WAIT_MAX: Duration = Duration::from_secs(120);
/// Ordinary calls that are cut by their callers, of a hundred, and those while sockets are cut.
const CUT_OF_HUNDRED: u64 = 5;
const CUT_OF_HUNDRED_MANY: u64 = 50;
/// Descriptors that a server without descriptors may have: its own have these numbers, and all after them are too high.
const DESCRIPTORS_LEFT: u64 = 8;
/// Where the clock jumps to, in seconds from the true time: forwards, backwards, years, before the store was made.
const JUMPS_SECONDS: [i64; 8] = [3_600, -3_600, 86_400, -86_400, 10 * 365 * 86_400, -10 * 365 * 86_400, 7, -7];

/// What can be done to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Sort {
    /// SIGKILL, and another one is started.
    Kill,
    /// SIGSTOP, and SIGCONT.
    Stop,
    /// The disk is full.
    Disk,
    /// No descriptor is to be had.
    Descriptors,
    /// The time of day is another one.
    Clock,
    /// Half of all calls are cut off, and the switch, the feed and administrators, too.
    Sockets,
}

impl Sort {
    /// Whether a call that meets it may find nobody. Whatever else happens, a call is answered.
    pub fn excuses_silence(self) -> bool {
        matches!(self, Sort::Kill)
    }
}

/// One that was done.
#[derive(Debug, Clone)]
pub struct Harm {
    pub sort: Sort,
    pub from: Instant,
    /// When it was undone, and the server was seen to work again.
    pub until: Instant,
}

/// Who does it.
pub struct Harms {
    world: Arc<World>,
    random: Random,
    sorts: Vec<Sort>,
    done: Vec<Harm>,
    began: Instant,
}

impl Harms {
    pub fn new(world: &Arc<World>, random: Random, has_disk: bool) -> Harms {
        let mut sorts = vec![Sort::Kill, Sort::Stop, Sort::Descriptors, Sort::Sockets];
        if has_disk {
            sorts.push(Sort::Disk);
        }
        if world.clock().is_some() {
            sorts.push(Sort::Clock);
        }
        Harms { world: world.clone(), random, sorts, done: Vec::new(), began: Instant::now() }
    }

    /// Plays rounds until the time is over; each has every harm once, in an order of its own. The first one is whole.
    pub fn play(&mut self, time: Duration) {
        while self.done.is_empty() || self.began.elapsed() < time {
            let mut round = self.sorts.clone();
            while !round.is_empty() && (self.done.len() < self.sorts.len() || self.began.elapsed() < time) {
                let sort = round.swap_remove(self.random.below(round.len() as u64) as usize);
                std::thread::sleep(self.random.ms(200, 1_000));
                self.harm(sort);
            }
        }
    }

    /// Ends the server as a service manager would, and gives what was done to it.
    pub fn end(self) -> Vec<Harm> {
        let mut server = self.world.server.lock().unwrap();
        server.signal(Signal::TERM);
        assert_eq!(server.ends_within(Duration::from_secs(30)), Some(Some(0)), "{}", self.world.place.logged());
        self.done
    }

    fn harm(&mut self, sort: Sort) {
        let from = Instant::now();
        let world = self.world.clone();
        let pause = self.random.ms(300, 2_000);
        let what = match sort {
            Sort::Kill => {
                world.kill_and_start(pause / 10);
                String::new()
            }
            Sort::Stop => {
                let server = world.server.lock().unwrap();
                server.signal(Signal::STOP);
                std::thread::sleep(pause);
                server.signal(Signal::CONT);
                format!("for {} ms", pause.as_millis())
            }
            Sort::Disk => self.fill_the_disk(pause),
            Sort::Descriptors => take_the_descriptors(&world, pause),
            Sort::Clock => self.set_the_clock(),
            Sort::Sockets => cut_sockets(&world, pause),
        };
        self.see_it_mended(sort);
        let until = Instant::now();
        println!("{:>7.2} s  {sort:?} {what}; all well after {} ms", (from - self.began).as_secs_f64(), (until - from).as_millis());
        self.done.push(Harm { sort, from, until });
    }

    /// Waits until calls are answered and edits acknowledged again.
    fn see_it_mended(&self, sort: Sort) {
        let world = &self.world;
        let grows = |counter: &AtomicU64| {
            let before = counter.load(Relaxed);
            // one may have been under way
            within(MENDED_WAIT_MAX, || counter.load(Relaxed) > before + 1)
        };
        assert!(grows(&world.answered), "no call is answered after {sort:?}\n{}", world.place.logged());
        assert!(
            grows(&world.acknowledged),
            "no edit is acknowledged after {sort:?}: the store's failure is {:?}, the last reply that was none {:?}\n{}",
            world.store_failed(),
            world.refused.lock().unwrap(),
            world.place.logged()
        );
    }

    /// Writes a file that leaves next to nothing of the disk.
    fn fill_the_disk(&mut self, pause: Duration) -> String {
        let path = PathBuf::from(std::env::var_os(crate::DISK).unwrap()).join("ballast");
        let left = self.random.below(9) * 1024 * 1024;
        let stat = rustix::fs::statvfs(self.world.place.path()).unwrap();
        let wanted = (stat.f_bavail * stat.f_frsize).saturating_sub(left);
        let mut file = std::fs::File::create(&path).unwrap();
        let (piece, mut written) = (vec![0x55; 1 << 20], 0);
        while written < wanted && file.write_all(&piece[..piece.len().min((wanted - written) as usize)]).is_ok() {
            written += piece.len() as u64;
        }
        std::thread::sleep(pause);
        std::fs::remove_file(&path).unwrap();
        format!("for {} ms, {left} bytes left", pause.as_millis())
    }

    /// When the server thinks that an edit was made right now, in seconds since 1970.
    fn says_the_time(&mut self) -> i64 {
        let name = self.random.draw().to_string();
        self.world.place.done(&["contact", "set", "clock", "--name", &name, "--number", "+14153999999"]);
        let history = self.world.place.done(&["--json", "contact", "history", "clock"]).json();
        let last = history["changes"].as_array().unwrap().iter().max_by_key(|change| change["revision"].as_u64()).unwrap();
        last["at_us"].as_i64().unwrap() / 1_000_000
    }

    /// Sets the clock, and sees that the server goes by it.
    fn set_the_clock(&mut self) -> String {
        let clock = self.world.clock().unwrap();
        let ahead = JUMPS_SECONDS[self.random.below(JUMPS_SECONDS.len() as u64) as usize];
        let before = clock.ahead_seconds.load(Relaxed);
        clock.set(ahead);
        let now = || std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs() as i64;
        let says = self.says_the_time();
        assert!(
            says.abs_diff(now() + ahead) <= 5,
            "the clock was set from {before} to {ahead} s from {}, and the server says {says}",
            now()
        );
        format!("set from {} to {ahead} s", before)
    }
}

/// Lowers the limit of open files below what the server has open by itself: nothing more can be opened or accepted.
fn take_the_descriptors(world: &World, pause: Duration) -> String {
    let server = world.server.lock().unwrap();
    let pid = Some(Pid::from_child(&server.child));
    // the hard limit stays: who isn't root can't raise it again
    let before = prlimit(pid, Resource::Nofile, Rlimit { current: Some(DESCRIPTORS_LEFT), maximum: hard_limit(server.pid()) }).unwrap();
    std::thread::sleep(pause);
    prlimit(pid, Resource::Nofile, before).unwrap();
    format!("for {} ms, {} open", pause.as_millis(), descriptors(server.pid()))
}

/// The most files that a process may allow itself; `None` for any number.
fn hard_limit(pid: u32) -> Option<u64> {
    let limits = std::fs::read_to_string(format!("/proc/{pid}/limits")).unwrap();
    let line = limits.lines().find(|line| line.starts_with("Max open files")).unwrap();
    line.split_whitespace().nth(4).unwrap().parse().ok()
}

/// Has half of the callers cut their calls, and everybody else their connections, every 100 ms.
fn cut_sockets(world: &World, pause: Duration) -> String {
    let began = Instant::now();
    world.cut_of_hundred.store(CUT_OF_HUNDRED_MANY, Relaxed);
    let mut cuts = 0;
    while began.elapsed() < pause {
        world.cuts_switch.store(true, Relaxed);
        world.cuts_feed.store(true, Relaxed);
        // an administrator who goes in the middle of a request, and a program in the middle of its own
        if let Ok(mut stream) = UnixStream::connect(world.admin()) {
            let _ = stream.write_all(&[0, 0, 0, 90, b'{', b'"']);
        }
        let _ = connect(world.doors().http).write_all(b"GET /api/v1/contacts HTTP/1.1\r\nHost:");
        cuts += 1;
        std::thread::sleep(Duration::from_millis(100));
    }
    world.cut_of_hundred.store(CUT_OF_HUNDRED, Relaxed);
    format!("for {} ms, {cuts} times", pause.as_millis())
}
