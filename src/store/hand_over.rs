//! The store passes to another process and, where that one doesn't take it after all, back.
//!
//! Between the two, calls read the snapshot, which is all they read anyhow, and every edit is refused: whoever made it is
//! asked to try again. Nothing that was acknowledged can be lost on the way, because it is on the disk before the lock on it
//! is let go of.

use super::slot::open_closed;
use super::writer::{Job, Writer};
use super::{Marker, Reader, SCHEMA, Store, StoreError};
use std::path::Path;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::time::Duration;

/// How long what the writer does at the moment may keep the store from being closed.
const DETACH_WAIT_MAX: Duration = Duration::from_secs(30);

impl Store {
    /// Closes the store's files, so that another process can open them. Calls go on from the snapshot; edits, and whatever
    /// else reads the disk, fail with [`StoreError::HandedOver`] from here on.
    ///
    /// # Errors
    /// [`StoreError::Busy`] while something is put together that would be lost, or the snapshot doesn't stand yet. The store
    /// is in use as before.
    pub fn detach(&self) -> Result<(), StoreError> {
        let Ok(_none_compacts) = self.shared.compacting.try_lock() else {
            return Err(StoreError::Busy("the store is being compacted; try again when it is done".into()));
        };
        let (reply, answer) = sync_channel(1);
        self.send(Job::Detach { reply })?;
        match answer.recv_timeout(DETACH_WAIT_MAX) {
            Ok(detached) => detached,
            Err(RecvTimeoutError::Disconnected) => Err(StoreError::Closed),
            Err(RecvTimeoutError::Timeout) => {
                // behind the other one: whenever that is carried out, this undoes it
                let (reply, _) = sync_channel(1);
                self.send(Job::Attach { reply })?;
                Err(StoreError::Busy("the store is being written to for long; try again when that is done".into()))
            }
        }
    }

    /// Opens the files again that [`Store::detach`] closed.
    ///
    /// # Errors
    /// They are somebody else's, or not what they were; calls go on from the snapshot, and edits are refused.
    pub fn attach(&self) -> Result<(), StoreError> {
        let (reply, answer) = sync_channel(1);
        self.send(Job::Attach { reply })?;
        answer.recv().map_err(|_| StoreError::Closed)?
    }

    /// Whether this version can open what lies in a directory, without opening it.
    ///
    /// # Errors
    /// [`StoreError::Newer`], or what lies there is none.
    pub fn check_schema(dir: &Path) -> Result<(), StoreError> {
        match Marker::read(dir, SCHEMA)? {
            Some(marker) if marker.schema > SCHEMA => Err(StoreError::Newer { path: dir.into(), found: marker.schema, known: SCHEMA }),
            _ => Ok(()),
        }
    }
}

impl Reader {
    /// Why the store takes no edits any more, if it doesn't.
    pub fn failure(&self) -> Option<StoreError> {
        self.shared.failed()
    }
}

impl Writer {
    pub(super) fn detach(&mut self) -> Result<(), StoreError> {
        if !self.begun.is_empty() {
            return Err(StoreError::Busy("an import or a plan is being put together; try again when it is done".into()));
        }
        if self.shared.snapshot.load().is_none() {
            return Err(StoreError::Busy("what calls are answered from is still being read from the disk; try again in a moment".into()));
        }
        if self.shared.failed().is_none() {
            self.shared.durable.engine.sync().inspect_err(|error| self.shared.fail(error))?;
            self.mark();
        }
        let engine = &self.shared.durable.engine;
        engine.close(&self.shared.dir).inspect_err(|error| {
            // neither ours nor anybody's
            if engine.check_open().is_err() {
                self.shared.fail(error);
            }
        })?;
        self.is_detached = true;
        Ok(())
    }

    pub(super) fn attach(&mut self) -> Result<(), StoreError> {
        if !self.is_detached {
            return Ok(());
        }
        self.reopen().inspect_err(|error| self.shared.fail(error))?;
        self.is_detached = false;
        Ok(())
    }

    fn reopen(&self) -> Result<(), StoreError> {
        Store::check_schema(&self.shared.dir)?;
        let engine = open_closed(&self.shared.dir)?;
        self.shared.durable.engine.replace(engine);
        let revision = self.shared.durable.last_revision()?;
        if revision != self.shared.revision.load(Ordering::Acquire) {
            return Err(StoreError::Failed(format!(
                "another process has edited the store, which was at revision {} and is at {revision}",
                self.revision
            )));
        }
        Ok(())
    }

    /// Refuses a job that the store is needed for, where another process has it; the others come back.
    pub(super) fn refuse_detached(&mut self, job: Job) -> Option<Job> {
        if !self.is_detached {
            return Some(job);
        }
        let gone = || StoreError::HandedOver;
        match job {
            Job::Edit { reply, .. } => drop(reply.send(Err(gone()))),
            Job::ChangePlan { reply, .. } => drop(reply.send(Err(gone()))),
            Job::Begin { reply, .. } => drop(reply.send(Err(gone()))),
            Job::Stage { reply, .. } => drop(reply.send(Err(gone()))),
            Job::Commit { reply, .. } => drop(reply.send(Err(gone()))),
            Job::UndoImport { reply, .. } => drop(reply.send(Err(gone()))),
            Job::Swap { reply, .. } => drop(reply.send(Err(gone()))),
            Job::Detach { reply } => drop(reply.send(Ok(()))),
            Job::Abort { .. } => {}
            job @ (Job::Attach { .. } | Job::Close) => return Some(job),
        }
        None
    }
}
