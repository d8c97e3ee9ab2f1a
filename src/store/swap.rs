//! One store's directory in another's place, at once.
//!
//! Both names are there before and after, and a crash leaves either the one or the other store under the name that counts.

use super::StoreError;
use std::ffi::OsString;
use std::fs::{self, File};
use std::path::{Path, PathBuf};

/// A directory beside a store's, called after it.
pub(super) fn beside(dir: &Path, what: &str) -> PathBuf {
    let mut name = dir.file_name().map_or_else(|| OsString::from("store"), OsString::from);
    name.push(".");
    name.push(what);
    dir.with_file_name(name)
}

/// Where a compaction puts its fresh store together, and where the old one lies after it.
pub(super) fn compacting(dir: &Path) -> PathBuf {
    beside(dir, "compacting")
}

/// Removes what a compaction left behind that was cut: its unfinished copy, or the old store behind the new one. Only
/// whoever has the store open compacts it, and may therefore remove this.
pub(super) fn sweep(dir: &Path) {
    // what can't be removed takes room, and is tried again at the next start
    let _ = fs::remove_dir_all(compacting(dir));
}

/// Lets two directories change names. Until [`sync_parent`] has that on the disk, a crash may undo it: whoever fails there must
/// take neither of the two for the one that nobody needs.
pub(super) fn exchange(one: &Path, other: &Path) -> Result<(), StoreError> {
    use rustix::fs::{CWD, RenameFlags, renameat_with};
    renameat_with(CWD, one, CWD, other, RenameFlags::EXCHANGE).map_err(|error| {
        StoreError::Unable(format!(
            "{} and {} can't change names ({error}); this needs a local file system such as ext4, XFS, Btrfs or tmpfs; nothing was changed",
            one.display(),
            other.display()
        ))
    })
}

/// The names in a directory's parent are on the disk.
pub(super) fn sync_parent(dir: &Path) -> Result<(), StoreError> {
    let parent = dir.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(parent).and_then(|parent| parent.sync_all()).map_err(|e| StoreError::Failed(e.to_string()))
}
