//! Opening a store: what is there is checked, what a crash cut is mended, what nobody needs any more is found.

use super::durable::Durable;
use super::engine::Space;
use super::parts::{self, Kept};
use super::plan_change::PlanRevisions;
use super::previous::{self, Previous};
use super::record::{self, Change, Generation};
use super::restore;
use super::slot::Slot;
use super::swap;
use super::writer::{self, Dead};
use super::{Engine, Marker, Reader, SCHEMA, Shared, Store, StoreError, Writer, change, durable, key, pointer_key};
use crate::clock::Clock;
use arc_swap::{ArcSwap, ArcSwapOption};
use std::collections::{HashMap, HashSet};
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::Path;
use std::sync::atomic::AtomicU64;
use std::sync::mpsc::sync_channel;
use std::sync::{Arc, Mutex};
use std::time::Instant;

/// Jobs that may wait for the writer; more callers wait in turn.
const JOBS_MAX: usize = 256;
/// Changes that are written to their places again at open: more than any group of edits that a crash could have cut.
const REDO_CHANGES: u64 = 256;
const _: () = assert!(REDO_CHANGES as usize > writer::GROUP_MAX);

impl Store {
    /// Opens the store in a directory, making a new one if there is none. Run the [`Writer`] on a thread of its own.
    ///
    /// # Errors
    /// [`StoreError`] says what is wrong and what to do. A store that can't be used is left as it was.
    pub fn open(dir: &Path, clock: Arc<dyn Clock>) -> Result<(Store, Writer), StoreError> {
        let not_writable = |e: std::io::Error| StoreError::NotWritable { path: dir.into(), error: e.to_string() };
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(not_writable)?;
        let (owner, user) = (std::fs::metadata(dir).map_err(not_writable)?.uid(), rustix::process::geteuid().as_raw());
        if owner != user {
            return Err(StoreError::NotOwner { path: dir.into(), owner, user });
        }
        let marker = Marker::read(dir, SCHEMA)?;
        if let Some(marker) = marker {
            if marker.schema > SCHEMA {
                return Err(StoreError::Newer { path: dir.into(), found: marker.schema, known: SCHEMA });
            }
            if std::fs::metadata(dir.join("db")).map_or(0, |m| m.len()) == 0 {
                return Err(StoreError::Corrupt { path: dir.into(), what: "its database file is missing or empty".into() });
            }
        }
        let begun = Instant::now();
        let engine = Slot::new(Engine::open(dir, Space::NAMES)?);
        swap::sweep(dir);
        let durable = Durable { pointers: Arc::new(ArcSwap::from_pointee(read_pointers(&engine)?)), engine };
        let revision = check_log(&durable, dir)?;
        if let Some(marker) = marker
            && revision < marker.revision
        {
            let what = format!("it ends at revision {revision}, and had reached {}", marker.revision);
            return Err(StoreError::Corrupt { path: dir.into(), what });
        }
        let previous = redo(&durable, revision, dir)?;
        let now = Marker { schema: SCHEMA, revision };
        if marker != Some(now) {
            now.write(dir)?;
        }
        // it is whole; a restore that was cut may have left its mark, and one that can't be removed the next restore will
        let _ = restore::unmark(dir);
        let Beside { dead, kept, newest } = beside(&durable, &previous)?;
        let shared = Arc::new(Shared {
            dir: dir.into(),
            durable,
            snapshot: ArcSwapOption::empty(),
            revision: AtomicU64::new(revision),
            plans: PlanRevisions::new(revision),
            previous: Mutex::new(previous),
            failed: ArcSwapOption::empty(),
            opened_in_ms: AtomicU64::new(begun.elapsed().as_millis() as u64),
            compacting: Mutex::new(()),
            clock,
        });
        let (jobs, receiver) = sync_channel(JOBS_MAX);
        let writer = Writer::new(shared.clone(), receiver, newest + 1, kept, dead);
        Ok((Store { reader: Reader { shared }, jobs }, writer))
    }
}

/// Reads the pointer records: which generations are true.
pub(super) fn read_pointers(engine: &Slot) -> Result<durable::Pointers, StoreError> {
    let mut pointers = HashMap::new();
    let prefix = pointer_key("");
    for item in engine.scan(Space::Meta, &prefix, &prefix) {
        let (k, v) = item?;
        let tenant = String::from_utf8_lossy(&k[prefix.len()..]).into_owned();
        let generations: Vec<Generation> = record::decode(&v)?;
        pointers.insert(tenant, generations.into_iter().map(Arc::new).collect());
    }
    Ok(pointers)
}

/// Checks that no change is missing from the log; comes back with the newest revision.
fn check_log(durable: &Durable, dir: &Path) -> Result<u64, StoreError> {
    let (mut first, mut last) = (None, 0);
    for item in durable.engine.scan(Space::Log, &[], &[]) {
        let (k, _) = item?;
        let revision = k.first_chunk::<8>().map_or(0, |r| u64::from_be_bytes(*r));
        if *first.get_or_insert(revision) != revision && revision != last + 1 {
            let what = format!("the change log jumps from revision {last} to {revision}");
            return Err(StoreError::Corrupt { path: dir.into(), what });
        }
        last = revision;
    }
    // the log ends early only where it was cut to its length; a crash may have come before the last cut
    let oldest_max = last.saturating_sub(writer::LOG_CHANGES_MAX) + 1;
    if let Some(first) = first.filter(|first| *first > oldest_max) {
        let what = format!("the change log begins at revision {first} instead of {oldest_max}");
        return Err(StoreError::Corrupt { path: dir.into(), what });
    }
    Ok(last)
}

/// Writes the newest changes to their places again, in case a crash came between the log and the places; comes back with
/// what was before each tenant's last import.
fn redo(durable: &Durable, revision: u64, dir: &Path) -> Result<HashMap<String, Previous>, StoreError> {
    let corrupt = |what: String| StoreError::Corrupt { path: dir.into(), what };
    let applied = parts::applied(durable)?;
    if applied > revision {
        return Err(corrupt(format!("it ends at revision {revision}, and had reached {applied}")));
    }
    let first = revision.saturating_sub(REDO_CHANGES - 1);
    // the pointers first, and only the last of each tenant: what a removal leaves depends on what lies below it now
    let mut generations = HashMap::new();
    for change in durable.changes(first) {
        let change = change?;
        generations.extend(change.generations.map(|g| (change.tenant, g)));
    }
    for (tenant, generations) in &generations {
        change::apply_generations(durable, tenant, generations)?;
    }
    // what a removal leaves depends on that, too
    let previous = previous::previous(durable)?;
    let mut large = None;
    for change in durable.changes(first.max(applied + 1)) {
        let Change { revision, tenant, entries, staged, .. } = change?;
        let before = previous.get(&tenant).map_or(&[][..], |p| &p.before);
        change::apply_entries(durable, &tenant, revision, &entries, false, before)?;
        let Some(staged) = staged else { continue };
        if !parts::read(durable, &tenant, &staged, |part| change::apply_entries(durable, &tenant, revision, &part, false, before))? {
            return Err(corrupt(format!("the change with revision {revision} lacks some of its {} parts", staged.parts)));
        }
        large = Some(revision);
    }
    durable.engine.sync()?;
    if let Some(revision) = large {
        parts::set_applied(durable, revision)?;
    }
    Ok(previous)
}

/// What lies there beside the data.
struct Beside {
    /// Generations and parts that nothing names.
    dead: Vec<Dead>,
    /// Parts of changes.
    kept: Kept,
    /// The greatest number that was ever given to either.
    newest: u64,
}

/// Looks for what no pointer and no change names.
fn beside(durable: &Durable, previous: &HashMap<String, Previous>) -> Result<Beside, StoreError> {
    let pointers = durable.pointers.load();
    let kept = parts::kept(durable)?;
    let before = previous.values().flat_map(|p| p.before.iter().map(|g| g.id));
    let parts: HashSet<u64> = kept.values().map(|(_, id)| *id).chain(before).collect();
    let mut newest = pointers.values().flatten().map(|g| g.id).chain(parts.iter().copied()).max().unwrap_or(0);
    let (mut dead, mut from) = (Vec::new(), Vec::new());
    while let Some(item) = durable.engine.scan(Space::Block, &[], &from).next() {
        let (k, _) = item?;
        let parsed = key::split_tenant(&k).and_then(|(t, rest)| Some((t, u64::from_be_bytes(*rest.first_chunk::<8>()?))));
        let Some((tenant, id)) = parsed else { break };
        newest = newest.max(id);
        if !parts.contains(&id) && !pointers.get(tenant).is_some_and(|live| live.iter().any(|g| g.id == id)) {
            dead.push(Dead { tenant: tenant.to_owned(), id, read: None });
        }
        from = key::generation(tenant, id.saturating_add(1));
    }
    Ok(Beside { dead, kept, newest })
}
