//! The engine in use: one handle for everybody, behind which another engine can take its place when the store is compacted,
//! or none, while the store is another process's.
//!
//! Whoever is in the middle of a list reads on in the old engine, which is closed when the last of them is done.

use super::StoreError;
use super::engine::{self, Engine, Slice, Space, Tree};
use arc_swap::ArcSwapOption;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How long a database that was just closed may keep its lock.
const LOCK_WAIT_MAX: Duration = Duration::from_secs(10);
/// How long those who are in the middle of a list may take before the engine is not closed after all.
const READERS_WAIT_MAX: Duration = Duration::from_secs(5);
const LOCK_LOOK: Duration = Duration::from_millis(5);

/// The engine that is in use at the moment.
#[derive(Clone)]
pub(super) struct Slot {
    engine: Arc<ArcSwapOption<Engine>>,
    /// What a test says is free on the disk, whatever engine is in use.
    #[cfg(test)]
    pub(super) free_bytes: Arc<std::sync::atomic::AtomicU64>,
}

impl Slot {
    pub(super) fn new(engine: Engine) -> Slot {
        Slot {
            #[cfg(test)]
            free_bytes: engine.free_bytes.clone(),
            engine: Arc::new(ArcSwapOption::from_pointee(engine)),
        }
    }

    /// Another one that believes the same test.
    pub(super) fn beside(&self, engine: Engine) -> Slot {
        Slot::new(self.believing(engine))
    }

    /// Puts another engine in this one's place.
    pub(super) fn replace(&self, engine: Engine) {
        self.engine.store(Some(Arc::new(self.believing(engine))));
    }

    /// Closes the engine, so that another process can open the store. Where somebody doesn't come to the end of his list it
    /// stays open.
    pub(super) fn close(&self, dir: &Path) -> Result<(), StoreError> {
        let Some(engine) = self.engine.swap(None) else { return Ok(()) };
        let still_read = Arc::downgrade(&engine);
        drop(engine);
        let begun = Instant::now();
        loop {
            match engine::lock(dir) {
                Ok(_) => return Ok(()),
                Err(StoreError::Locked(_)) if begun.elapsed() < READERS_WAIT_MAX => std::thread::sleep(LOCK_LOOK),
                Err(error) => {
                    match still_read.upgrade() {
                        Some(engine) => self.engine.store(Some(engine)),
                        None => self.replace(open_closed(dir)?),
                    }
                    return Err(match error {
                        StoreError::Locked(_) => {
                            StoreError::Busy("somebody reads a long list or a backup; try again when it is done".into())
                        }
                        error => error,
                    });
                }
            }
        }
    }

    /// Whether the store is this process's.
    pub(super) fn check_open(&self) -> Result<(), StoreError> {
        self.with(|_| Ok(()))
    }

    fn with<T>(&self, what: impl FnOnce(&Engine) -> Result<T, StoreError>) -> Result<T, StoreError> {
        what(self.engine.load().as_ref().ok_or(StoreError::HandedOver)?)
    }

    #[cfg(not(test))]
    fn believing(&self, engine: Engine) -> Engine {
        engine
    }

    #[cfg(test)]
    fn believing(&self, mut engine: Engine) -> Engine {
        engine.free_bytes = self.free_bytes.clone();
        engine
    }

    pub(super) fn get(&self, space: impl Tree, key: &[u8]) -> Result<Option<Slice>, StoreError> {
        self.with(|engine| engine.get(space, key))
    }

    pub(super) fn put(&self, space: impl Tree, key: &[u8], value: &[u8]) -> Result<(), StoreError> {
        self.with(|engine| engine.put(space, key, value))
    }

    pub(super) fn remove(&self, space: impl Tree, key: &[u8]) -> Result<(), StoreError> {
        self.with(|engine| engine.remove(space, key))
    }

    pub(super) fn scan<T: Tree>(
        &self,
        space: T,
        prefix: &[u8],
        from: &[u8],
    ) -> impl Iterator<Item = Result<(Slice, Slice), StoreError>> + use<T> {
        let engine = self.engine.load_full();
        let items = engine.as_ref().map(|engine| engine.scan(space, prefix, from));
        list(engine, items)
    }

    pub(super) fn scan_back<T: Tree>(
        &self,
        space: T,
        prefix: &[u8],
        below: &[u8],
    ) -> impl Iterator<Item = Result<(Slice, Slice), StoreError>> + use<T> {
        let engine = self.engine.load_full();
        let items = engine.as_ref().map(|engine| engine.scan_back(space, prefix, below));
        list(engine, items)
    }

    pub(super) fn at_or_before(&self, space: impl Tree, prefix: &[u8], key: &[u8]) -> Result<Option<(Slice, Slice)>, StoreError> {
        self.with(|engine| engine.at_or_before(space, prefix, key))
    }

    pub(super) fn last(&self, space: impl Tree) -> Result<Option<(Slice, Slice)>, StoreError> {
        self.with(|engine| engine.last(space))
    }

    pub(super) fn sync(&self) -> Result<(), StoreError> {
        // waiting for the disk with a guard would keep others from theirs
        self.engine.load_full().ok_or(StoreError::HandedOver)?.sync()
    }

    pub(super) fn check_space(&self, write_bytes: u64) -> Result<(), StoreError> {
        self.with(|engine| engine.check_space(write_bytes))
    }

    pub(super) fn disk_bytes(&self) -> u64 {
        self.engine.load().as_ref().map_or(0, |engine| engine.disk_bytes())
    }

    #[cfg(test)]
    pub(super) fn has_synced_blob(&self, name: &std::ffi::OsStr) -> bool {
        self.engine.load().as_ref().is_some_and(|engine| engine.has_synced_blob(name))
    }
}

/// A list, which keeps its engine open until its end.
fn list<I>(engine: Option<Arc<Engine>>, items: Option<I>) -> impl Iterator<Item = Result<(Slice, Slice), StoreError>> + use<I>
where
    I: Iterator<Item = Result<(Slice, Slice), StoreError>>,
{
    let closed = engine.is_none().then_some(Err(StoreError::HandedOver));
    let mut items = closed.into_iter().chain(items.into_iter().flatten());
    std::iter::from_fn(move || {
        let _open = &engine;
        items.next()
    })
}

/// Opens what was just closed: the engine lets go of its lock on a thread of its own.
pub(super) fn open_closed(dir: &Path) -> Result<Engine, StoreError> {
    let begun = Instant::now();
    loop {
        match Engine::open(dir, Space::NAMES) {
            Err(StoreError::Locked(_)) if begun.elapsed() < LOCK_WAIT_MAX => std::thread::sleep(LOCK_LOOK),
            opened => return opened,
        }
    }
}
