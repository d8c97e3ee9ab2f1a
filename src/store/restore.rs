//! Restoring: a backup becomes a store, all of it or nothing.
//!
//! The file is read whole before anything is written. The new store is put together beside the place where it belongs, in a
//! directory that says of itself that it isn't one yet; when it is on the disk, it and the old store change names at once. The
//! old one stays beside it. A crash leaves either the old store in its place or the new one, and what was begun beside it; the
//! next restore removes that, or gives an old store that it finds there its lasting name.

use super::backup::{self, BackupError, Held};
use super::engine::{self, Engine, Space};
use super::fill::Fill;
use super::{StoreError, swap};
use jiff::Timestamp;
use std::fs::{self, File};
use std::io::{BufReader, Seek};
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// What stands in a directory that is no store yet. It goes once the store is in its place; where a crash comes before that, the
/// next open or the next restore removes it, so that what lies beside with this mark was never in use.
const UNFINISHED: &str = "RESTORING";
/// How long a store that was just closed may keep its lock.
const LOCK_WAIT_MAX: Duration = Duration::from_secs(2);
const LOCK_LOOK: Duration = Duration::from_millis(20);

/// What a restore did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Restored {
    /// What the backup held.
    pub held: Held,
    /// Where the store lies that was there before.
    pub before: Option<PathBuf>,
}

fn io(dir: &Path) -> impl Fn(std::io::Error) -> BackupError + '_ {
    move |e| BackupError::Store(StoreError::NotWritable { path: dir.into(), error: e.to_string() })
}

/// Takes the store's lock, which an engine that was just closed may have for a moment longer.
fn locked(dir: &Path) -> Result<Option<File>, StoreError> {
    let begun = Instant::now();
    loop {
        match engine::lock(dir) {
            Err(StoreError::Locked(_)) if begun.elapsed() < LOCK_WAIT_MAX => std::thread::sleep(LOCK_LOOK),
            other => return other,
        }
    }
}

/// Whether anything is in a directory.
fn is_empty(dir: &Path) -> Result<bool, BackupError> {
    match fs::read_dir(dir) {
        Ok(mut entries) => Ok(entries.next().is_none()),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(true),
        Err(e) => Err(io(dir)(e)),
    }
}

/// Restores a backup to a store's directory, where none is, or (`force`) in the place of the one that is there.
///
/// # Errors
/// Nothing was done: the backup can't be used, a store is there, or a process has it open.
pub fn restore(file: &mut File, dir: &Path, force: bool) -> Result<Restored, BackupError> {
    let parent = dir.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    fs::DirBuilder::new().recursive(true).mode(0o700).create(parent).map_err(io(parent))?;
    // the server could not open what belongs to somebody else
    let (owner, user) = (fs::metadata(parent).map_err(io(parent))?.uid(), rustix::process::geteuid().as_raw());
    if owner != user {
        return Err(BackupError::Store(StoreError::NotOwner { path: parent.into(), owner, user }));
    }
    let _alone = alone(parent)?;
    let _lock = locked(dir)?;
    let is_new = is_empty(dir)?;
    if !is_new && !force {
        let what = format!(
            "there is a store in {} already; restore to another --data, or replace it (it is kept beside) with --force",
            dir.display()
        );
        return Err(BackupError::Store(StoreError::Unable(what)));
    }
    file.rewind().map_err(BackupError::Io)?;
    let held = backup::verify(BufReader::new(&*file))?;
    let target = swap::beside(dir, "restoring");
    settle(dir, &target)?;
    // it will lie where the new one is put together now, and must not look like one that isn't whole
    unmark(dir).map_err(io(dir))?;
    fs::DirBuilder::new().mode(0o700).create(&target).map_err(io(&target))?;
    let filled = fill(file, &target, &held);
    if let Err(error) = filled {
        let _ = discard(&target);
        return Err(error);
    }
    let before = if is_new {
        // an empty directory gives way
        fs::rename(&target, dir).map_err(io(dir))?;
        swap::sync_parent(dir)?;
        None
    } else {
        swap::exchange(dir, &target).inspect_err(|_| drop(discard(&target)))?;
        // the old store lies there now: should this fail, the next restore finds it and keeps it
        swap::sync_parent(dir)?;
        Some(keep(dir, &target)?)
    };
    // it is done: what can't be removed now goes when the store is opened
    let _ = unmark(dir);
    Ok(Restored { held, before })
}

/// Takes the mark of an unfinished store off a whole one, on the disk as well.
pub(super) fn unmark(dir: &Path) -> std::io::Result<()> {
    match fs::remove_file(dir.join(UNFINISHED)) {
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(()),
        removed => removed.and_then(|()| File::open(dir)?.sync_all()),
    }
}

/// Removes an unfinished store. What is left of it if this is cut must not be taken for an old one, so its database goes first.
fn discard(target: &Path) -> std::io::Result<()> {
    match fs::remove_file(target.join("db")) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => Err(e),
        _ => fs::remove_dir_all(target),
    }
}

/// One restore at a time.
fn alone(parent: &Path) -> Result<File, BackupError> {
    let dir = File::open(parent).map_err(io(parent))?;
    match rustix::fs::flock(&dir, rustix::fs::FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(dir),
        Err(_) => Err(BackupError::Store(StoreError::Locked(parent.into()))),
    }
}

/// Does away with what a restore that was cut has left: an unfinished store is removed, an old one is kept.
fn settle(dir: &Path, target: &Path) -> Result<(), BackupError> {
    // where both have the mark, a restore that left the old one's where it was has let them change names: better a copy too many
    let is_unfinished = target.join(UNFINISHED).exists() && !dir.join(UNFINISHED).exists();
    if target.join("db").exists() && !is_unfinished {
        keep(dir, target)?;
    } else if target.exists() {
        discard(target).map_err(io(target))?;
    }
    Ok(())
}

/// Gives an old store its lasting name.
fn keep(dir: &Path, old: &Path) -> Result<PathBuf, BackupError> {
    let now = Timestamp::now().strftime("%Y%m%dT%H%M%SZ").to_string();
    let named = |n: u32| swap::beside(dir, &if n == 0 { format!("before-restore-{now}") } else { format!("before-restore-{now}-{n}") });
    let free = (0..100).map(named).find(|path| !path.exists()).unwrap_or_else(|| named(100));
    unmark(old).map_err(io(old))?;
    fs::rename(old, &free).map_err(io(&free))?;
    swap::sync_parent(dir)?;
    Ok(free)
}

fn fill(file: &mut File, target: &Path, held: &Held) -> Result<(), BackupError> {
    File::create(target.join(UNFINISHED)).and_then(|mark| mark.sync_all()).map_err(io(target))?;
    swap::sync_parent(target)?;
    file.rewind().map_err(BackupError::Io)?;
    let mut fill = Fill::new(target, None)?;
    let (header, again) = backup::read(BufReader::new(&*file), |_| Ok(()), |space, k, v| fill.put(space, k, v))?;
    if again != *held {
        return Err(BackupError::Damaged("it was changed while it was read".into()));
    }
    fill.redo(header.since)?;
    fill.finish(header.schema, held.revision)?;
    // what can't be opened must not take another's place
    let begun = Instant::now();
    loop {
        match Engine::open(target, Space::NAMES) {
            Err(StoreError::Locked(_)) if begun.elapsed() < LOCK_WAIT_MAX => std::thread::sleep(LOCK_LOOK),
            opened => break drop(opened?),
        }
    }
    Ok(())
}
