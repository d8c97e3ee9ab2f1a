//! A source that runs in a thread of its own, as the daemon would run it, and what comes out of its ring.

// each test binary uses a part of this
#![allow(dead_code)]

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};
use strowger::cti::{SourcePhase, SourceStats};
use strowger::event::source::ring::{RingLimits, RingReceiver, channel};
use strowger::event::source::{Pace, SourceConfig, SourceSecret, run};
use strowger::event::{Item, SwitchKind};
use strowger::stats::Gauge;
use tokio::sync::watch;

pub struct Source {
    pub ring: RingReceiver,
    pub stats: Arc<SourceStats>,
    pub raw: Arc<Gauge>,
    stop: watch::Sender<bool>,
    thread: Option<std::thread::JoinHandle<()>>,
}

/// A pace at which nobody has to wait for long.
pub fn quick() -> Pace {
    let ms = Duration::from_millis;
    Pace { retry_min: ms(20), retry_max: ms(40), repair_min: ms(100), tick: ms(20), ..Pace::default() }
}

pub fn config(kind: SwitchKind, address: SocketAddr) -> SourceConfig {
    SourceConfig {
        name: "lab".into(),
        kind,
        address: address.to_string(),
        user: (kind == SwitchKind::Asterisk).then(|| "strowger".to_owned()),
        secret: SourceSecret::Text("s3cret".into()),
        events: Vec::new(),
        stats: Arc::new(SourceStats::new("lab")),
        pace: quick(),
    }
}

impl Source {
    pub fn start(config: SourceConfig) -> Source {
        Source::with(config, RingLimits::default())
    }

    pub fn with(config: SourceConfig, limits: RingLimits) -> Source {
        let stats = config.stats.clone();
        let (sender, ring) = channel(limits, stats.clone());
        let raw = Arc::new(Gauge::default());
        let raw_wanted = raw.clone();
        let (stop, stopped) = watch::channel(false);
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(run(config, sender, raw_wanted, stopped));
        });
        Source { ring, stats, raw, stop, thread: Some(thread) }
    }

    /// The next item.
    pub fn next(&mut self) -> Item {
        let began = Instant::now();
        loop {
            if let Some(item) = self.ring.try_recv() {
                return item;
            }
            assert!(began.elapsed() < Duration::from_secs(20), "nothing came; the source is {:?}", self.stats.phase.load());
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    /// Items in words, up to and with the first that begins so.
    pub fn until(&mut self, beginning: &str) -> Vec<String> {
        let mut words = Vec::new();
        loop {
            words.push(word(&self.next()));
            if words.last().is_some_and(|word| word.starts_with(beginning)) {
                return words;
            }
        }
    }

    /// Why it is down, in words; waits for that.
    pub fn down(&self) -> String {
        let began = Instant::now();
        loop {
            if let SourcePhase::Down(why) = &**self.stats.phase.load() {
                return why.clone();
            }
            assert!(began.elapsed() < Duration::from_secs(20), "it isn't down");
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}

impl Drop for Source {
    fn drop(&mut self) {
        self.stop.send_replace(true);
        let ended = self.thread.take().unwrap().join();
        assert!(ended.is_ok() || std::thread::panicking(), "the source panicked");
    }
}

pub fn word(item: &Item) -> String {
    match item {
        Item::Up { identity } => format!("up {identity}"),
        Item::Down { why } => format!("down {why}"),
        Item::Gap { why, lost } => format!("gap {why} {lost}"),
        Item::SnapshotBegin => "begin".into(),
        Item::SnapshotEnd { whole } => format!("end {whole}"),
        Item::Packet(packet) => String::from_utf8_lossy(packet.name().unwrap_or_default()).into_owned(),
        Item::Frame(frame) => strowger::wire::esl::Event::from_frame(frame).map_or("bad".into(), |event| event.name().to_owned()),
        Item::Listing { what, .. } => (*what).to_owned(),
    }
}
