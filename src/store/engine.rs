//! The only file that names sled.
//!
//! Facts about sled 0.34.7 that shaped it (measured, and read in its source):
//! - a batch or transaction blocks every reader of every database in the process, so neither is ever used;
//! - `flush()` on Linux is `sync_file_range`, which leaves the disk's own write cache alone, so [`Engine::sync`]
//!   calls `fdatasync` on the same file afterwards;
//! - `flush_async` can deadlock, so it is never used, and sled's own flusher thread is off;
//! - its cache counts on-disk bytes and defaults to 1 GiB, so the capacity is set, and small;
//! - a page larger than a quarter of a segment goes to a file of its own in `blobs/`, which sled never syncs, so
//!   [`Engine::sync`] does; segments stay small all the same, because each is written in one call, and on a kernel
//!   that doesn't interrupt itself (`PREEMPT_NONE`) a call of 4 MiB keeps a processor from calls for 5 ms (measured);
//! - on damaged data it asserts, so every call is a [`catch_unwind`];
//! - a file that lost its end is opened as if it had never been longer, so [`super::marker`] remembers the revision.

use super::StoreError;
use rustix::fs::{Dir, Mode, OFlags, openat};
use rustix::io::Errno;
use std::collections::HashSet;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::ops::Deref;
use std::os::unix::ffi::OsStrExt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

/// sled's page cache. Calls read the snapshot, so a small one is enough.
const CACHE_BYTES: u64 = 8 * 1024 * 1024;
/// sled's segments, in bytes: what one write takes at most. A leaf of 17 blocks fits into a quarter of it.
const SEGMENT_BYTES: usize = 512 * 1024;
/// An edit is refused where less than this is free: an engine that never meets a full disk can't be hurt by one.
const FREE_BYTES_MIN: u64 = 32 * 1024 * 1024;

/// One of a database's key spaces, by its place in the list that the database was opened with.
pub(crate) trait Tree: Copy {
    /// Its place.
    fn place(self) -> usize;
}

/// One of the store's key spaces.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Space {
    /// Schema, pointers.
    Meta,
    /// Revision → change.
    Log,
    /// Tenant and entry key → the newest single edit.
    Live,
    /// Tenant, generation and first entry key → block of entries.
    Block,
}

impl Space {
    /// The names on the disk, each in its variant's place.
    pub(super) const NAMES: &'static [&'static str] = &["meta", "log", "live", "block"];
    /// All of them, each at its place.
    pub(super) const ALL: [Space; 4] = [Space::Meta, Space::Log, Space::Live, Space::Block];
}

impl Tree for Space {
    fn place(self) -> usize {
        self as usize
    }
}

/// Bytes out of the store; dereferences to `[u8]`.
#[derive(Debug, Clone)]
pub(crate) struct Slice(sled::IVec);

impl Deref for Slice {
    type Target = [u8];
    fn deref(&self) -> &[u8] {
        &self.0
    }
}

impl From<Vec<u8>> for Slice {
    fn from(bytes: Vec<u8>) -> Slice {
        Slice(bytes.into())
    }
}

/// `blobs/`, where sled keeps the pages that are too large for it. It stays open: each sync looks into it, and is not to fail
/// because calls have all the descriptors.
struct Blobs {
    dir: Dir,
    /// Its files that are on the disk.
    synced: HashSet<OsString>,
}

/// An open store.
pub(crate) struct Engine {
    trees: Vec<sled::Tree>,
    db: sled::Db,
    data: File,
    dir: PathBuf,
    blobs: Mutex<Blobs>,
    /// What a test says is free on the disk; `u64::MAX` means that the disk is asked.
    #[cfg(test)]
    pub(crate) free_bytes: std::sync::Arc<std::sync::atomic::AtomicU64>,
}

impl Engine {
    /// Opens or creates the database in a directory, with key spaces of these names.
    pub(crate) fn open(dir: &Path, names: &[&str]) -> Result<Engine, StoreError> {
        let config = sled::Config::new().path(dir).cache_capacity(CACHE_BYTES).flush_every_ms(None).segment_size(SEGMENT_BYTES);
        let (db, trees) = caught(dir, || {
            let db = config.open()?;
            let trees: sled::Result<Vec<_>> = names.iter().map(|name| db.open_tree(name)).collect();
            Ok((db, trees?))
        })?;
        let failed = |e: std::io::Error| StoreError::NotWritable { path: dir.into(), error: e.to_string() };
        let data = File::open(dir.join("db")).map_err(failed)?;
        let blobs = File::open(dir.join("blobs")).and_then(|blobs| Ok(Dir::new(blobs)?)).map_err(failed)?;
        Ok(Engine {
            trees,
            db,
            data,
            dir: dir.into(),
            blobs: Mutex::new(Blobs { dir: blobs, synced: HashSet::new() }),
            #[cfg(test)]
            free_bytes: std::sync::Arc::new(std::sync::atomic::AtomicU64::new(u64::MAX)),
        })
    }

    fn tree(&self, space: impl Tree) -> &sled::Tree {
        &self.trees[space.place()]
    }

    pub(crate) fn get(&self, space: impl Tree, key: &[u8]) -> Result<Option<Slice>, StoreError> {
        self.run(|| self.tree(space).get(key)).map(|found| found.map(Slice))
    }

    pub(crate) fn put(&self, space: impl Tree, key: &[u8], value: &[u8]) -> Result<(), StoreError> {
        self.run(|| self.tree(space).insert(key, value)).map(drop)
    }

    pub(crate) fn remove(&self, space: impl Tree, key: &[u8]) -> Result<(), StoreError> {
        self.run(|| self.tree(space).remove(key)).map(drop)
    }

    /// Keys from `from` (included) that begin with `prefix`, in order.
    pub(crate) fn scan<T: Tree>(
        &self,
        space: T,
        prefix: &[u8],
        from: &[u8],
    ) -> impl Iterator<Item = Result<(Slice, Slice), StoreError>> + use<T> {
        let prefix = prefix.to_vec();
        let mut range = self.tree(space).range(from..);
        until_it_fails(self.dir.clone(), move || range.next())
            .take_while(move |item| item.as_ref().map_or(true, |(k, _)| k.starts_with(&prefix)))
    }

    /// Keys below `below` that begin with `prefix`, the greatest first.
    pub(crate) fn scan_back<T: Tree>(
        &self,
        space: T,
        prefix: &[u8],
        below: &[u8],
    ) -> impl Iterator<Item = Result<(Slice, Slice), StoreError>> + use<T> {
        let prefix = prefix.to_vec();
        let mut range = self.tree(space).range(..below);
        until_it_fails(self.dir.clone(), move || range.next_back())
            .take_while(move |item| item.as_ref().map_or(true, |(k, _)| k.starts_with(&prefix)))
    }

    /// The greatest key that is not greater than `key` and begins with `prefix`.
    pub(super) fn at_or_before(&self, space: impl Tree, prefix: &[u8], key: &[u8]) -> Result<Option<(Slice, Slice)>, StoreError> {
        let found = self.run(|| self.tree(space).range(..=key).next_back().transpose())?;
        Ok(found.filter(|(k, _)| k.starts_with(prefix)).map(|(k, v)| (Slice(k), Slice(v))))
    }

    /// The greatest key of a space.
    pub(super) fn last(&self, space: impl Tree) -> Result<Option<(Slice, Slice)>, StoreError> {
        self.run(|| self.tree(space).last()).map(|found| found.map(|(k, v)| (Slice(k), Slice(v))))
    }

    /// Everything written so far is on the disk, also after a power cut, when this returns.
    pub(crate) fn sync(&self) -> Result<(), StoreError> {
        self.run(|| self.db.flush())?;
        self.sync_blobs().and_then(|()| self.data.sync_data()).map_err(|e| StoreError::Failed(e.to_string()))
    }

    #[cfg(test)]
    pub(super) fn has_synced_blob(&self, name: &std::ffi::OsStr) -> bool {
        self.blobs.lock().unwrap_or_else(PoisonError::into_inner).synced.contains(name)
    }

    /// The pages that sled keeps in files of their own: there are few or none, and each is written once.
    fn sync_blobs(&self) -> std::io::Result<()> {
        let mut blobs = self.blobs.lock().unwrap_or_else(PoisonError::into_inner);
        let Blobs { dir, synced } = &mut *blobs;
        let mut there = HashSet::new();
        let mut new = false;
        dir.rewind();
        while let Some(entry) = dir.read() {
            let name = OsStr::from_bytes(entry?.file_name().to_bytes()).to_owned();
            if name == "." || name == ".." {
                continue;
            }
            if !synced.contains(&name) {
                match openat(dir.fd()?, &name, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty()) {
                    Ok(file) => File::from(file).sync_all()?,
                    // sled has removed it since: nothing needs it
                    Err(Errno::NOENT) => continue,
                    Err(error) => return Err(error.into()),
                }
                new = true;
            }
            there.insert(name);
        }
        if new {
            rustix::fs::fsync(dir.fd()?)?;
        }
        *synced = there;
        Ok(())
    }

    /// Refuses a write for which the disk hasn't the space.
    pub(crate) fn check_space(&self, write_bytes: u64) -> Result<(), StoreError> {
        let needed_bytes = FREE_BYTES_MIN + write_bytes;
        let free_bytes = self.free_bytes()?;
        if free_bytes < needed_bytes {
            return Err(StoreError::Full { path: self.dir.clone(), free_bytes, needed_bytes });
        }
        self.check_descriptors()
    }

    /// Refuses a write while no file can be opened: sled may want one in the middle of it, and a write that fails half-way
    /// is one that nobody can build upon.
    fn check_descriptors(&self) -> Result<(), StoreError> {
        match rustix::io::fcntl_dupfd_cloexec(&self.data, 0) {
            Err(error @ (Errno::MFILE | Errno::NFILE)) => Err(StoreError::Unable(format!(
                "no more files can be opened ({error}); the edit was not made and nothing was lost: raise the limit of open files (LimitNOFILE=), or lower sessions_max"
            ))),
            _ => Ok(()),
        }
    }

    fn free_bytes(&self) -> Result<u64, StoreError> {
        #[cfg(test)]
        match self.free_bytes.load(std::sync::atomic::Ordering::Relaxed) {
            u64::MAX => {}
            pretended => return Ok(pretended),
        }
        let disk = rustix::fs::statvfs(&self.dir).map_err(|e| StoreError::Failed(e.to_string()))?;
        Ok(disk.f_bavail.saturating_mul(disk.f_frsize))
    }

    /// Bytes that the store's files take.
    pub(crate) fn disk_bytes(&self) -> u64 {
        self.db.size_on_disk().unwrap_or(0)
    }

    fn run<T>(&self, what: impl FnOnce() -> sled::Result<T>) -> Result<T, StoreError> {
        caught(&self.dir, what)
    }
}

/// Takes the lock that an open database holds, without opening it; it is let go of with what comes back. `None` where there
/// is no database.
pub(super) fn lock(dir: &Path) -> Result<Option<File>, StoreError> {
    let failed = |e: std::io::Error| StoreError::NotWritable { path: dir.into(), error: e.to_string() };
    let file = match File::options().read(true).write(true).open(dir.join("db")) {
        Ok(file) => file,
        Err(e) if matches!(e.kind(), std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory) => return Ok(None),
        Err(e) => return Err(failed(e)),
    };
    match rustix::fs::flock(&file, rustix::fs::FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(Some(file)),
        Err(rustix::io::Errno::WOULDBLOCK) => Err(StoreError::Locked(dir.into())),
        Err(e) => Err(failed(e.into())),
    }
}

/// What an iterator of sled's brings. One that met damage is not asked again: it might meet the same for ever.
fn until_it_fails(
    dir: PathBuf,
    mut next: impl FnMut() -> Option<sled::Result<(sled::IVec, sled::IVec)>>,
) -> impl Iterator<Item = Result<(Slice, Slice), StoreError>> {
    let mut failed = false;
    std::iter::from_fn(move || {
        if failed {
            return None;
        }
        let item = caught(&dir, || next().transpose()).transpose()?;
        failed = item.is_err();
        Some(item.map(|(k, v)| (Slice(k), Slice(v))))
    })
}

/// Does something with sled; its errors, and its assertions about damaged data, in our words.
fn caught<T>(dir: &Path, what: impl FnOnce() -> sled::Result<T>) -> Result<T, StoreError> {
    match catch_unwind(AssertUnwindSafe(what)) {
        Ok(done) => done.map_err(|e| explain(dir, &e)),
        Err(_) => Err(StoreError::Corrupt { path: dir.into(), what: "its files don't fit together".into() }),
    }
}

fn explain(dir: &Path, error: &sled::Error) -> StoreError {
    let path = dir.to_path_buf();
    match error {
        sled::Error::Io(io) if io.to_string().contains("acquire lock") => StoreError::Locked(path),
        sled::Error::Io(io) => match io.kind() {
            std::io::ErrorKind::PermissionDenied | std::io::ErrorKind::ReadOnlyFilesystem => {
                StoreError::NotWritable { path, error: io.to_string() }
            }
            std::io::ErrorKind::StorageFull => StoreError::Full { path, free_bytes: 0, needed_bytes: FREE_BYTES_MIN },
            std::io::ErrorKind::InvalidData | std::io::ErrorKind::UnexpectedEof => StoreError::Corrupt { path, what: io.to_string() },
            _ => StoreError::Failed(io.to_string()),
        },
        sled::Error::Corruption { .. } => StoreError::Corrupt { path, what: "a checksum doesn't fit".into() },
        other => StoreError::Failed(other.to_string()),
    }
}
