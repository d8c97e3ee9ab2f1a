//! What is logged, plane by plane, and in which form. The level can be changed while the server runs.
//!
//! Whoever logs reads the levels without a lock: most lines are decided once and for all where they stand in the source,
//! the rest behind an atomic pointer. A change lets each of them be decided anew, and is gone after a restart.

use crate::nearest::did_you_mean;
use arc_swap::ArcSwap;
use std::str::FromStr;
use std::sync::{Arc, Mutex, PoisonError};
use tracing::level_filters::LevelFilter;
use tracing::subscriber::Interest;
use tracing::{Metadata, Subscriber};
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::{Context, Layer};
use tracing_subscriber::registry::Registry;

/// The form of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LogFormat {
    /// The journal where standard error leads there, else text.
    #[default]
    Auto,
    /// A line for people.
    Text,
    /// A JSON object on each line.
    Json,
    /// systemd's journal, over its own socket: every value is a field that `journalctl` finds lines by.
    Journald,
}

impl LogFormat {
    const ALL: [LogFormat; 4] = [LogFormat::Auto, LogFormat::Text, LogFormat::Json, LogFormat::Journald];

    /// The word in the configuration.
    pub fn word(self) -> &'static str {
        match self {
            LogFormat::Auto => "auto",
            LogFormat::Text => "text",
            LogFormat::Json => "json",
            LogFormat::Journald => "journald",
        }
    }
}

impl FromStr for LogFormat {
    type Err = String;

    fn from_str(word: &str) -> Result<LogFormat, String> {
        LogFormat::ALL
            .into_iter()
            .find(|format| format.word() == word)
            .ok_or_else(|| format!("{word:?} is no form of a log; write auto, text, json or journald"))
    }
}

/// A part of the program whose level can be set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Plane {
    Call,
    Event,
    Control,
    Store,
    All,
}

impl Plane {
    const EACH: [Plane; 4] = [Plane::Call, Plane::Event, Plane::Control, Plane::Store];

    fn word(self) -> &'static str {
        match self {
            Plane::Call => "call",
            Plane::Event => "event",
            Plane::Control => "control",
            Plane::Store => "store",
            Plane::All => "all",
        }
    }

    /// The modules whose lines are this plane's.
    fn targets(self) -> &'static [&'static str] {
        match self {
            Plane::Call => &["strowger::call"],
            Plane::Event => &["strowger::event", "strowger::cti", "strowger::journal"],
            Plane::Control => &["strowger::control"],
            Plane::Store => &["strowger::store"],
            Plane::All => &[],
        }
    }

    fn read(word: &str) -> Result<Plane, String> {
        let all = || Plane::EACH.into_iter().chain([Plane::All]);
        all().find(|plane| plane.word() == word).ok_or_else(|| {
            let hint = did_you_mean(word, all().map(Plane::word));
            format!("{word:?} is no plane{hint}; there are call, event, control, store and all")
        })
    }
}

/// What is logged: as configured, and what was changed since.
#[derive(Clone)]
pub struct Levels(Arc<Shared>);

struct Shared {
    configured: ArcSwap<Targets>,
    now: ArcSwap<Targets>,
    /// Only one change at a time; lines never wait for it.
    changing: Mutex<()>,
}

fn targets(filter: &str) -> Result<Targets, String> {
    filter.parse().map_err(|e| format!("log = {filter:?} can't be read ({e}); write a level such as info, or strowger::call=debug,info"))
}

impl Levels {
    /// The levels of a configuration: `info`, or `strowger::call=debug,info`.
    ///
    /// # Errors
    /// What is wrong with the text.
    pub fn read(filter: &str) -> Result<Levels, String> {
        let configured = targets(filter)?;
        let now = ArcSwap::from_pointee(configured.clone());
        Ok(Levels(Arc::new(Shared { configured: ArcSwap::from_pointee(configured), now, changing: Mutex::new(()) })))
    }

    /// Sets planes, as typed: `call=debug`. All of them or, where one can't be read, none.
    ///
    /// # Errors
    /// What is wrong with the first that can't be read.
    pub fn set(&self, changes: &[String]) -> Result<(), String> {
        let mut read = Vec::with_capacity(changes.len());
        for change in changes {
            let (plane, level) = change.split_once('=').ok_or_else(|| format!("{change:?} sets nothing; write call=debug"))?;
            let level = level.parse::<LevelFilter>().ok().filter(|_| level.parse::<u8>().is_err());
            let level = level.ok_or_else(|| format!("{change:?} names no level; there are off, error, warn, info, debug and trace"))?;
            read.push((Plane::read(plane)?, level));
        }
        let _one = self.0.changing.lock().unwrap_or_else(PoisonError::into_inner);
        let mut targets = Targets::clone(&self.0.now.load());
        for (plane, level) in read {
            if plane == Plane::All {
                targets = Targets::new().with_default(level);
            }
            targets = targets.with_targets(plane.targets().iter().map(|target| (*target, level)));
        }
        self.become_those(targets);
        Ok(())
    }

    /// Something else is configured, and holds from now on; what was changed since the start is gone.
    ///
    /// # Errors
    /// What is wrong with the text.
    pub fn configure(&self, filter: &str) -> Result<(), String> {
        self.0.configured.store(Arc::new(targets(filter)?));
        self.reset();
        Ok(())
    }

    /// Goes back to what is configured.
    pub fn reset(&self) {
        let _one = self.0.changing.lock().unwrap_or_else(PoisonError::into_inner);
        self.become_those(Targets::clone(&self.0.configured.load()));
    }

    fn become_those(&self, targets: Targets) {
        self.0.now.store(Arc::new(targets));
        tracing::callsite::rebuild_interest_cache();
    }

    /// Each plane and its level, and `else` for the rest.
    pub fn shown(&self) -> Vec<(String, String)> {
        let targets = self.0.now.load();
        let levels = [LevelFilter::TRACE, LevelFilter::DEBUG, LevelFilter::INFO, LevelFilter::WARN, LevelFilter::ERROR];
        let of = |target: &str| {
            let level = levels.into_iter().find(|filter| filter.into_level().is_some_and(|level| targets.would_enable(target, &level)));
            level.unwrap_or(LevelFilter::OFF).to_string()
        };
        let mut shown: Vec<_> = Plane::EACH.iter().map(|plane| (plane.word().to_owned(), of(plane.targets()[0]))).collect();
        shown.push(("else".to_owned(), of("strowger::daemon")));
        shown
    }

    fn is_logged(&self, metadata: &Metadata<'_>) -> bool {
        self.0.now.load().would_enable(metadata.target(), metadata.level())
    }
}

impl<S: Subscriber> Layer<S> for Levels {
    fn register_callsite(&self, metadata: &'static Metadata<'static>) -> Interest {
        if self.is_logged(metadata) { Interest::always() } else { Interest::never() }
    }

    fn enabled(&self, metadata: &Metadata<'_>, _: Context<'_, S>) -> bool {
        self.is_logged(metadata)
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Layer::<Registry>::max_level_hint(&**self.0.now.load())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn level(levels: &Levels, plane: &str) -> String {
        levels.shown().into_iter().find(|(name, _)| name == plane).unwrap().1
    }

    #[test]
    fn a_planes_level_is_set_alone_and_goes_back_to_what_is_configured() {
        let levels = Levels::read("info,strowger::store=warn").unwrap();
        levels.set(&["call=debug".to_owned(), "event=off".to_owned()]).unwrap();
        let now = ["call", "event", "control", "store", "else"].map(|plane| level(&levels, plane));
        assert_eq!(now, ["debug", "off", "info", "warn", "info"]);
        levels.set(&["all=error".to_owned()]).unwrap();
        assert!(levels.shown().iter().all(|(_, level)| level == "error"), "{:?}", levels.shown());
        levels.reset();
        assert_eq!((level(&levels, "call"), level(&levels, "store")), ("info".to_owned(), "warn".to_owned()));
    }

    #[test]
    fn a_change_that_can_not_be_read_changes_nothing() {
        let levels = Levels::read("info").unwrap();
        for (wrong, why) in [
            ("cal=debug", "did you mean call"),
            ("call=loud", "names no level"),
            ("call=7", "names no level"),
            ("call", "write call=debug"),
        ] {
            let error = levels.set(&["store=trace".to_owned(), wrong.to_owned()]).unwrap_err();
            assert!(error.contains(why), "{error}");
        }
        assert_eq!(level(&levels, "store"), "info");
    }
}
