//! What the system allows this process.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Descriptors that are worth asking for.
const OPEN_FILES_WANTED: u64 = 65_536;

/// Raises the limit on open files as far as it goes without a privilege, and returns it.
pub(super) fn raise_open_files() -> usize {
    let now = getrlimit(Resource::Nofile);
    let wanted = now.maximum.map_or(OPEN_FILES_WANTED, |hard| hard.min(OPEN_FILES_WANTED));
    let current = now.current.unwrap_or(u64::MAX);
    if current < wanted && setrlimit(Resource::Nofile, Rlimit { current: Some(wanted), maximum: now.maximum }).is_ok() {
        return wanted as usize;
    }
    usize::try_from(current).unwrap_or(usize::MAX)
}
