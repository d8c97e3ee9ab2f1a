//! The engine in use: one handle for everybody, behind which another engine can take its place when the store is compacted.
//!
//! Whoever is in the middle of a list reads on in the old engine, which is closed when the last of them is done.

use super::StoreError;
use super::engine::{Engine, Slice, Tree};
use arc_swap::ArcSwap;
use std::sync::Arc;

/// The engine that is in use at the moment.
#[derive(Clone)]
pub(super) struct Slot {
    engine: Arc<ArcSwap<Engine>>,
    /// What a test says is free on the disk, whatever engine is in use.
    #[cfg(test)]
    pub(super) free_bytes: Arc<std::sync::atomic::AtomicU64>,
}

impl Slot {
    pub(super) fn new(engine: Engine) -> Slot {
        Slot {
            #[cfg(test)]
            free_bytes: engine.free_bytes.clone(),
            engine: Arc::new(ArcSwap::from_pointee(engine)),
        }
    }

    /// Another one that believes the same test.
    pub(super) fn beside(&self, engine: Engine) -> Slot {
        Slot::new(self.believing(engine))
    }

    /// Puts another engine in this one's place.
    pub(super) fn replace(&self, engine: Engine) {
        self.engine.store(Arc::new(self.believing(engine)));
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
        self.engine.load().get(space, key)
    }

    pub(super) fn put(&self, space: impl Tree, key: &[u8], value: &[u8]) -> Result<(), StoreError> {
        self.engine.load().put(space, key, value)
    }

    pub(super) fn remove(&self, space: impl Tree, key: &[u8]) -> Result<(), StoreError> {
        self.engine.load().remove(space, key)
    }

    pub(super) fn scan<T: Tree>(
        &self,
        space: T,
        prefix: &[u8],
        from: &[u8],
    ) -> impl Iterator<Item = Result<(Slice, Slice), StoreError>> + use<T> {
        self.engine.load().scan(space, prefix, from)
    }

    pub(super) fn scan_back<T: Tree>(
        &self,
        space: T,
        prefix: &[u8],
        below: &[u8],
    ) -> impl Iterator<Item = Result<(Slice, Slice), StoreError>> + use<T> {
        self.engine.load().scan_back(space, prefix, below)
    }

    pub(super) fn at_or_before(&self, space: impl Tree, prefix: &[u8], key: &[u8]) -> Result<Option<(Slice, Slice)>, StoreError> {
        self.engine.load().at_or_before(space, prefix, key)
    }

    pub(super) fn last(&self, space: impl Tree) -> Result<Option<(Slice, Slice)>, StoreError> {
        self.engine.load().last(space)
    }

    pub(super) fn sync(&self) -> Result<(), StoreError> {
        // waiting for the disk with a guard would keep others from theirs
        self.engine.load_full().sync()
    }

    pub(super) fn check_space(&self, write_bytes: u64) -> Result<(), StoreError> {
        self.engine.load().check_space(write_bytes)
    }

    pub(super) fn disk_bytes(&self) -> u64 {
        self.engine.load().disk_bytes()
    }

    #[cfg(test)]
    pub(super) fn has_synced_blob(&self, name: &std::ffi::OsStr) -> bool {
        self.engine.load().has_synced_blob(name)
    }
}
