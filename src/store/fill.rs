//! A fresh store that is filled from a copy: what a restore and a compaction have in common.
//!
//! It lies in a directory of its own until it is whole and on the disk; only then it takes the place of another.

use super::durable::Durable;
use super::engine::{Engine, Space};
use super::open::read_pointers;
use super::record::{self, Change};
use super::slot::Slot;
use super::{Marker, StoreError, change, parts, writer};
use arc_swap::ArcSwap;
use std::fs::{self, File};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// Bytes that are written between two pauses, and the pause: in small pieces with room between them, writing leaves the
/// processors to calls.
const PIECE_BYTES: usize = 128 * 1024;
const PAUSE: Duration = Duration::from_millis(2);
/// Bytes between two flushes, so that the last one is short.
const FLUSH_BYTES: usize = 8 * 1024 * 1024;

/// A store that is being filled.
pub(super) struct Fill {
    pub(super) dir: PathBuf,
    durable: Durable,
    /// Whether calls may want the processors meanwhile.
    is_patient: bool,
    since_pause: usize,
    since_flush: usize,
}

impl Fill {
    /// A fresh store in a directory that may be there already, empty. `beside` is the store in use, if one is.
    pub(super) fn new(dir: &Path, beside: Option<&Slot>) -> Result<Fill, StoreError> {
        let failed = |e: std::io::Error| StoreError::NotWritable { path: dir.into(), error: e.to_string() };
        fs::DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(failed)?;
        let engine = Engine::open(dir, Space::NAMES)?;
        let engine = match beside {
            Some(slot) => slot.beside(engine),
            None => Slot::new(engine),
        };
        let durable = Durable { engine, pointers: Arc::new(ArcSwap::default()) };
        Ok(Fill { dir: dir.into(), durable, is_patient: beside.is_some(), since_pause: 0, since_flush: 0 })
    }

    pub(super) fn put(&mut self, space: Space, key: &[u8], value: &[u8]) -> Result<(), StoreError> {
        let bytes = key.len() + value.len();
        if self.since_pause > PIECE_BYTES {
            self.since_pause = 0;
            self.durable.engine.check_space(0)?;
            if self.is_patient {
                std::thread::sleep(PAUSE);
            }
        }
        if self.since_flush > FLUSH_BYTES {
            self.since_flush = 0;
            self.durable.engine.sync()?;
        }
        self.since_pause += bytes;
        self.since_flush += bytes;
        self.durable.engine.put(space, key, value)
    }

    /// All was put that a copy held: does again what was edited after this revision.
    pub(super) fn redo(&self, since: u64) -> Result<(), StoreError> {
        self.durable.pointers.store(Arc::new(read_pointers(&self.durable.engine)?));
        for change in self.durable.changes(since + 1) {
            self.apply(&change?)?;
        }
        Ok(())
    }

    fn apply(&self, change: &Change) -> Result<(), StoreError> {
        let Change { revision, tenant, entries, staged, .. } = change;
        change::apply_entries(&self.durable, tenant, *revision, entries, false, &[])?;
        if let Some(staged) = staged {
            let each = |part: Vec<_>| change::apply_entries(&self.durable, tenant, *revision, &part, false, &[]);
            if !parts::read(&self.durable, tenant, staged, each)? {
                return Err(StoreError::Busy(format!(
                    "the change with revision {revision} was let go of meanwhile; try again when it is quiet"
                )));
            }
        }
        Ok(())
    }

    /// Takes over a change that came after the copy; `false` for one that is more than its entries.
    pub(super) fn follow(&self, change: &Change) -> Result<bool, StoreError> {
        if change.generations.is_some() || change.staged.is_some() {
            return Ok(false);
        }
        self.durable.engine.put(Space::Log, &change.revision.to_be_bytes(), &record::encode(change)?)?;
        self.apply(change)?;
        Ok(true)
    }

    /// Ends it: whole, on the disk and closed. The marker of this schema says so last.
    pub(super) fn finish(self, schema: u32, revision: u64) -> Result<(), StoreError> {
        let engine = &self.durable.engine;
        // a copy may have more of the log than is kept
        if let Some(oldest) = revision.checked_sub(writer::LOG_CHANGES_MAX) {
            let old: Result<Vec<_>, _> = engine.scan(Space::Log, &[], &[]).map(|item| item.map(|(k, _)| k)).collect();
            for k in old?.iter().filter(|k| ***k <= oldest.to_be_bytes()[..]) {
                engine.remove(Space::Log, k)?;
            }
        }
        parts::set_applied(&self.durable, revision)?;
        engine.sync()?;
        let sync = |path: &Path| File::open(path).and_then(|dir| dir.sync_all());
        sync(&self.dir).and_then(|()| sync(&self.dir.join("blobs"))).map_err(|e| StoreError::Failed(e.to_string()))?;
        Marker { schema, revision }.write(&self.dir)
    }
}
