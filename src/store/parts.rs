//! Parts: the entries of a change that are too many for one record of the log.
//!
//! They are written beside everything else, as an import's blocks are, and mean nothing until a change in the log names
//! them. They stay for as long as the change can be looked up, or until others like it have taken their place.

use super::durable::Durable;
use super::engine::Space;
use super::record::{self, EntryChange, Staged};
use super::writer::{self, Dead, Job};
use super::{Store, StoreError, key};
use std::collections::BTreeMap;
use std::sync::mpsc::sync_channel;
use std::time::Duration;

/// A part is closed when it has grown to this. Small values keep the engine's pages small.
const PART_BYTES: usize = if cfg!(test) { 256 } else { 4 * 1024 };
/// Parts that are handed to the writer at once.
const PARTS_PER_JOB: usize = 32;
/// The pause after each handing over, for whatever else the processors and the writer have to do.
const PAUSE: Duration = Duration::from_millis(1);
/// Changes whose parts are kept for whoever looks at the log. Each may take as much as a tenant's whole plan.
const KEPT_MAX: usize = if cfg!(test) { 3 } else { 8 };

/// Parts that lie there and that nothing names yet. Dropped, they are removed, unless a change has come to name them.
pub(super) struct Parts {
    store: Store,
    pub(super) staged: Staged,
}

impl Drop for Parts {
    fn drop(&mut self) {
        // the writer knows whether a change names them, and does nothing then
        let _ = self.store.send(Job::Abort { generation: self.staged.id });
    }
}

impl Store {
    /// Writes entries in parts.
    pub(super) fn write_parts(&self, tenant: &str, entries: &[EntryChange]) -> Result<Parts, StoreError> {
        let (reply, answer) = sync_channel(1);
        self.send(Job::Begin { tenant: tenant.to_owned(), is_import: false, reply })?;
        let (id, _) = answer.recv().map_err(|_| StoreError::Closed)??;
        let mut parts = Parts { store: self.clone(), staged: Staged { id, parts: 0, entries: entries.len() as u64 } };
        let (mut blocks, mut from, mut bytes) = (Vec::new(), 0, 0);
        for (at, entry) in entries.iter().enumerate() {
            bytes += size(entry);
            if bytes < PART_BYTES && at + 1 < entries.len() {
                continue;
            }
            blocks.push((parts.staged.parts.to_be_bytes().to_vec(), record::encode(&entries[from..=at].to_vec())?));
            parts.staged.parts += 1;
            (from, bytes) = (at + 1, 0);
            if blocks.len() == PARTS_PER_JOB || from == entries.len() {
                let (reply, answer) = sync_channel(1);
                let blocks = std::mem::take(&mut blocks);
                self.send(Job::Stage { tenant: tenant.to_owned(), generation: id, blocks, reply })?;
                answer.recv().map_err(|_| StoreError::Closed)??;
                std::thread::sleep(PAUSE);
            }
        }
        Ok(parts)
    }
}

/// Bytes that an entry takes in a record, more or less.
pub(super) fn size(entry: &EntryChange) -> usize {
    16 + entry.key.len() + entry.before.as_ref().map_or(0, Vec::len) + entry.after.as_ref().map_or(0, Vec::len)
}

/// Hands on the entries of a change, part by part, in their order. `false`, and nothing was handed on, where not all of the
/// parts are there.
pub(super) fn read(
    durable: &Durable,
    tenant: &str,
    staged: &Staged,
    mut each: impl FnMut(Vec<EntryChange>) -> Result<(), StoreError>,
) -> Result<bool, StoreError> {
    let prefix = key::generation(tenant, staged.id);
    let scan = || durable.engine.scan(Space::Block, &prefix, &prefix);
    let mut count = 0u32;
    for item in scan() {
        if item?.0[prefix.len()..] != count.to_be_bytes() {
            return Ok(false);
        }
        count += 1;
    }
    if count != staged.parts {
        return Ok(false);
    }
    let mut entries = 0;
    for item in scan() {
        let part: Vec<EntryChange> = record::decode(&item?.1)?;
        entries += part.len() as u64;
        each(part)?;
    }
    if entries != staged.entries {
        let what = format!("a change of {} entries has {entries} in its parts", staged.entries);
        return Err(StoreError::Corrupt { path: "(the store)".into(), what });
    }
    Ok(true)
}

/// The changes whose parts are kept, by revision: whose they are, and the parts' number.
pub(super) type Kept = BTreeMap<u64, (String, u64)>;

const KEPT: &[u8] = b"staged/";
const APPLIED: &[u8] = b"applied";

fn kept_key(revision: u64) -> Vec<u8> {
    [KEPT, &revision.to_be_bytes()].concat()
}

/// Notes that the parts belong to the change with this revision. The log is what counts; this only finds them in it.
pub(super) fn keep(durable: &Durable, revision: u64, tenant: &str, id: u64) -> Result<(), StoreError> {
    let (k, v) = note(revision, tenant, id);
    durable.engine.put(Space::Meta, &k, &v)
}

/// That note: its key and its value.
pub(super) fn note(revision: u64, tenant: &str, id: u64) -> (Vec<u8>, Vec<u8>) {
    (kept_key(revision), [id.to_be_bytes().as_slice(), tenant.as_bytes()].concat())
}

/// Whether a key among the pointers is such a note.
pub(super) fn is_note(k: &[u8]) -> bool {
    k.starts_with(KEPT) || k == APPLIED
}

/// Which parts are kept, as the log has it; notes that it doesn't bear out are removed.
pub(super) fn kept(durable: &Durable) -> Result<Kept, StoreError> {
    let mut kept = Kept::new();
    let notes: Result<Vec<_>, _> = durable.engine.scan(Space::Meta, KEPT, KEPT).collect();
    for (k, v) in notes? {
        let revision = k[KEPT.len()..].first_chunk::<8>().map_or(0, |r| u64::from_be_bytes(*r));
        let noted = v.split_first_chunk::<8>().map(|(id, tenant)| (u64::from_be_bytes(*id), String::from_utf8_lossy(tenant).into_owned()));
        let change = durable.changes(revision).next().transpose()?.filter(|c| c.revision == revision);
        match (noted, change.and_then(|c| Some((c.staged?.id, c.tenant)))) {
            (Some(noted), Some(in_log)) if noted == in_log => drop(kept.insert(revision, (noted.1, noted.0))),
            _ => durable.engine.remove(Space::Meta, &k)?,
        }
    }
    Ok(kept)
}

/// Lets go of the parts of changes that the log has let go of, and of the oldest where there are too many.
pub(super) fn let_go(durable: &Durable, revision: u64, kept: &mut Kept, dead: &mut Vec<Dead>) -> Result<(), StoreError> {
    while let Some((oldest, _)) = kept.first_key_value()
        && (kept.len() > KEPT_MAX || *oldest + writer::LOG_CHANGES_MAX <= revision)
        && let Some((oldest, (tenant, id))) = kept.pop_first()
    {
        durable.engine.remove(Space::Meta, &kept_key(oldest))?;
        dead.push(Dead { tenant, id, read: None });
    }
    Ok(())
}

/// Every change up to the one with this revision is at its place, and the places are on the disk.
pub(super) fn set_applied(durable: &Durable, revision: u64) -> Result<(), StoreError> {
    durable.engine.put(Space::Meta, APPLIED, &revision.to_be_bytes())
}

/// Up to which revision all changes are known to be at their places.
pub(super) fn applied(durable: &Durable) -> Result<u64, StoreError> {
    Ok(durable.engine.get(Space::Meta, APPLIED)?.and_then(|v| Some(u64::from_be_bytes(*v.first_chunk::<8>()?))).unwrap_or(0))
}
