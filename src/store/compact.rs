//! Compaction: the store is written anew beside itself, and takes its own place.
//!
//! sled never gives room back, and takes the longer to open the more it has written. Calls read the snapshot all the while,
//! administrators the old store; edits go on while the copy is made, and wait only while the writer adds what came since,
//! closes the fresh store, lets the two directories change names and opens it in its place. Until that moment the old store
//! is the true one, and a crash leaves a copy that the next start removes. What an import replaced is not taken over, so that
//! the last import can't be undone after a compaction.
//!
//! The old engine may have readers who are in the middle of a list. They read on in its file, which has no name any more.

use super::fill::Fill;
use super::slot::open_closed;
use super::stream::Stream;
use super::writer::{Job, Writer};
use super::{SCHEMA, Store, StoreError, swap};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::PoisonError;
use std::sync::atomic::Ordering;
use std::sync::mpsc::sync_channel;
use std::time::Instant;

/// How often a copy is begun anew because an import or a large change became true meanwhile.
const TRIES_MAX: usize = 3;
/// Changes that the writer adds while edits wait; more are added before.
const TAIL_MAX: u64 = 64;
/// How often what came since is added before edits have to wait.
const ROUNDS_MAX: usize = 20;

/// What a compaction did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Compacted {
    /// The revision that the fresh store was at when it took over.
    pub revision: u64,
    /// Bytes on the disk before.
    pub bytes_before: u64,
    /// Bytes on the disk after.
    pub bytes_after: u64,
    /// How long the old store took to open, in milliseconds.
    pub open_ms_before: u64,
    /// How long the fresh one took.
    pub open_ms_after: u64,
    /// How long edits waited, in milliseconds.
    pub waited_ms: u64,
}

impl Store {
    /// Writes the store anew and lets it take its own place; edits go on but for a moment at the end.
    ///
    /// # Errors
    /// The old store is in use as before; after [`StoreError::Failed`] the next open has the fresh one, with everything.
    pub fn compact(&self) -> Result<Compacted, StoreError> {
        let Ok(_alone) = self.shared.compacting.try_lock() else {
            return Err(StoreError::Busy("the store is being compacted already".into()));
        };
        if let Some(error) = self.shared.failed() {
            // what lies there may be the store that is in use
            return Err(error);
        }
        // another process's store may be compacted by that one
        self.shared.durable.engine.check_open()?;
        let target = swap::compacting(&self.shared.dir);
        let mut done = Ok(None);
        for _ in 0..TRIES_MAX {
            remove(&target)?;
            done = self.compact_into(&target);
            if !matches!(done, Ok(None)) {
                break;
            }
        }
        // the unfinished copy, or the old store; where the exchange itself failed nobody knows which, and the next open removes it
        let removed = if self.shared.failed().is_none() { remove(&target) } else { Ok(()) };
        match done? {
            Some(compacted) => removed.map(|()| compacted),
            None => Err(StoreError::Busy("imports or plans kept coming while the store was copied; compact it when it is quiet".into())),
        }
    }

    fn compact_into(&self, target: &Path) -> Result<Option<Compacted>, StoreError> {
        let mut fill = Fill::new(target, Some(&self.shared.durable.engine))?;
        let mut stream = Stream::new(self);
        while let Some((space, k, v)) = stream.next()? {
            fill.put(space, &k, &v)?;
        }
        fill.redo(stream.since)?;
        let mut last = stream.last;
        for _ in 0..ROUNDS_MAX {
            if self.revision() <= last + TAIL_MAX {
                break;
            }
            for change in self.changes(last + 1) {
                let change = change?;
                if change.revision != last + 1 || !fill.follow(&change)? {
                    return Ok(None);
                }
                last = change.revision;
            }
        }
        let (reply, answer) = sync_channel(1);
        self.send(Job::Swap { fill: Box::new(fill), last, reply })?;
        answer.recv().map_err(|_| StoreError::Closed)?
    }
}

fn remove(dir: &Path) -> Result<(), StoreError> {
    match fs::remove_dir_all(dir) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => Err(StoreError::NotWritable { path: dir.into(), error: e.to_string() }),
        _ => Ok(()),
    }
}

impl Writer {
    /// Lets a copy take the store's place, with what came since; `None` where too much did.
    pub(super) fn swap_store(&mut self, fill: Fill, last: u64) -> Result<Option<Compacted>, StoreError> {
        let begun = Instant::now();
        self.check_usable(0)?;
        if !self.begun.is_empty() {
            return Err(StoreError::Busy("an import is on its way; compact the store when it is done".into()));
        }
        let durable = self.shared.durable.clone();
        let mut last = last;
        for change in durable.changes(last + 1) {
            let change = change?;
            if change.revision != last + 1 || !fill.follow(&change)? {
                return Ok(None);
            }
            last = change.revision;
        }
        if last != self.revision {
            return Ok(None);
        }
        let (dir, target) = (self.shared.dir.clone(), fill.dir.clone());
        let mut done = Compacted {
            revision: last,
            bytes_before: durable.engine.disk_bytes(),
            open_ms_before: self.shared.opened_in_ms.load(Ordering::Relaxed),
            ..Compacted::default()
        };
        // closed, because it knows its files by the directory's name
        fill.finish(SCHEMA, last)?;
        durable.engine.sync().inspect_err(|error| self.shared.fail(error))?;
        // nothing else may have it open when it is in place
        drop(open_closed(&target)?);
        swap::exchange(&dir, &target)?;
        swap::sync_parent(&dir).inspect_err(|error| self.shared.fail(error))?;
        let opening = Instant::now();
        let engine = open_closed(&dir).map_err(|error| {
            let error = StoreError::Failed(format!("the compacted store can't be opened: {error}"));
            self.shared.fail(&error);
            error
        })?;
        done.open_ms_after = opening.elapsed().as_millis() as u64;
        self.shared.opened_in_ms.store(done.open_ms_after, Ordering::Relaxed);
        durable.engine.replace(engine);
        // for a moment nobody had it open: a restore that came just then has put another store there
        let found = durable.last_revision().inspect_err(|error| self.shared.fail(error))?;
        if found != last {
            let error =
                StoreError::Failed(format!("another process has changed the store, which was at revision {last} and is at {found}"));
            self.shared.fail(&error);
            return Err(error);
        }
        // neither what was to be swept nor what an import replaced was taken over
        self.dead.clear();
        self.shared.previous.lock().unwrap_or_else(PoisonError::into_inner).clear();
        self.kept = super::parts::kept(&durable).unwrap_or_else(|_| BTreeMap::new());
        self.mark();
        done.bytes_after = durable.engine.disk_bytes();
        done.waited_ms = begun.elapsed().as_millis() as u64;
        Ok(Some(done))
    }
}
