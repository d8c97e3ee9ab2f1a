//! A copy of the whole store as of one revision, entry by entry, while edits and imports go on.
//!
//! The engine has no snapshots. So the single edits are copied first, as they are found, old or new; then the log, to its
//! end. Whatever was edited since the beginning is in the log, and doing those edits again makes the copy what the store was
//! at the log's end (doing one twice does no harm). Which imports are true at that revision the log says too: their blocks
//! are held, as by any reader, until they are copied. Nobody waits for a copy, and it waits for nobody.

use super::durable::{Durable, Pointers};
use super::engine::{Slice, Space};
use super::record::{self, Change, Generation, Staged};
use super::{Reader, StoreError, key, parts, pointer_key};
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// How often the imports that the log tells of are compared with those that are true, and the pause between.
const LOOKS_MAX: u32 = 1000;
const LOOK_PAUSE: Duration = Duration::from_millis(5);

type Items = Box<dyn Iterator<Item = Result<(Slice, Slice), StoreError>> + Send>;

/// Keys and values of the space of notes.
type Notes = VecDeque<(Vec<u8>, Vec<u8>)>;

/// An entry of the copy.
pub(super) type Entry = (Space, Slice, Slice);

enum Stage {
    Live(Items),
    Log(Items),
    Meta(Notes),
    Blocks(VecDeque<Vec<u8>>, Option<Items>),
    End,
}

/// The copy on its way.
pub(super) struct Stream {
    durable: Durable,
    /// What was edited after this revision may be copied or not, and has to be done again.
    pub(super) since: u64,
    /// The newest revision of the log so far; at the end, the copy's.
    pub(super) last: u64,
    first: Option<u64>,
    /// What was true at the beginning, with what the log says since laid over it.
    true_then: HashMap<String, Vec<u64>>,
    staged: Vec<(u64, String, Staged)>,
    /// What is held until it is copied.
    pointers: Option<Arc<Pointers>>,
    stage: Stage,
}

impl Stream {
    pub(super) fn new(reader: &Reader) -> Stream {
        let durable = reader.shared.durable.clone();
        let since = reader.shared.revision.load(Ordering::Acquire);
        // not before the revision was read: what is true at least then
        let pointers = durable.pointers.load_full();
        let ids = |(tenant, all): (&String, &Vec<Arc<Generation>>)| (tenant.clone(), all.iter().map(|g| g.id).collect());
        let true_then = pointers.iter().map(ids).collect();
        let live: Items = Box::new(durable.engine.scan(Space::Live, &[], &[]));
        let (staged, stage) = (Vec::new(), Stage::Live(live));
        Stream { durable, since, last: since, first: None, true_then, staged, pointers: None, stage }
    }

    /// The next entry; `None` at the end.
    pub(super) fn next(&mut self) -> Result<Option<Entry>, StoreError> {
        loop {
            match &mut self.stage {
                Stage::Live(items) => match items.next().transpose()? {
                    Some((k, v)) => return Ok(Some((Space::Live, k, v))),
                    None => self.stage = Stage::Log(Box::new(self.durable.engine.scan(Space::Log, &[], &[]))),
                },
                Stage::Log(items) => match items.next().transpose()? {
                    Some((k, v)) => {
                        self.see(record::decode(&v)?)?;
                        return Ok(Some((Space::Log, k, v)));
                    }
                    None => self.stage = self.end_log()?,
                },
                Stage::Meta(items) => match items.pop_front() {
                    Some((k, v)) => return Ok(Some((Space::Meta, Slice::from(k), Slice::from(v)))),
                    None => self.stage = Stage::Blocks(self.prefixes(), None),
                },
                Stage::Blocks(prefixes, items) => {
                    if let Some(item) = items.as_mut().and_then(Iterator::next) {
                        let (k, v) = item?;
                        return Ok(Some((Space::Block, k, v)));
                    }
                    match prefixes.pop_front() {
                        Some(prefix) => *items = Some(Box::new(self.durable.engine.scan(Space::Block, &prefix, &prefix))),
                        None => self.stage = Stage::End,
                    }
                }
                Stage::End => {
                    self.pointers = None;
                    return Ok(None);
                }
            }
        }
    }

    fn see(&mut self, change: Change) -> Result<(), StoreError> {
        if self.first.is_some() && change.revision != self.last + 1 {
            return Err(too_many());
        }
        self.first.get_or_insert(change.revision);
        self.last = change.revision;
        if let Some(generations) = change.generations.filter(|_| change.revision > self.since) {
            self.true_then.insert(change.tenant.clone(), generations.iter().map(|g| g.id).collect());
        }
        self.staged.extend(change.staged.map(|staged| (change.revision, change.tenant, staged)));
        Ok(())
    }

    /// The log was read to its end: what is true then is held, unless more was written in between.
    fn end_log(&mut self) -> Result<Stage, StoreError> {
        for _ in 0..LOOKS_MAX {
            let now = self.durable.pointers.load_full();
            let is_the_same = |(tenant, ids): (&String, &Vec<u64>)| {
                let held = now.get(tenant).map(Vec::as_slice).unwrap_or_default();
                held.iter().map(|g| g.id).eq(ids.iter().copied())
            };
            if now.len() == self.true_then.len() && self.true_then.iter().all(is_the_same) {
                let oldest_needed = self.since + 1;
                if self.last > self.since && self.first.is_none_or(|first| first > oldest_needed) {
                    return Err(too_many());
                }
                let meta = self.meta(&now)?;
                self.pointers = Some(now);
                return Ok(Stage::Meta(meta));
            }
            let from = if self.first.is_some() { self.last + 1 } else { 0 };
            let mut more = self.durable.engine.scan(Space::Log, &[], &from.to_be_bytes()).peekable();
            if more.peek().is_some() {
                return Ok(Stage::Log(Box::new(more)));
            }
            std::thread::sleep(LOOK_PAUSE);
        }
        Err(StoreError::Busy("imports came one after the other while the store was copied; try again when it is quiet".into()))
    }

    fn meta(&self, pointers: &Pointers) -> Result<Notes, StoreError> {
        let mut sorted: BTreeMap<&String, Vec<Generation>> = BTreeMap::new();
        for (tenant, generations) in pointers {
            sorted.insert(tenant, generations.iter().map(|g| (**g).clone()).collect());
        }
        let mut meta = VecDeque::new();
        for (tenant, generations) in sorted {
            meta.push_back((pointer_key(tenant), record::encode(&generations)?));
        }
        meta.extend(self.staged.iter().map(|(revision, tenant, staged)| parts::note(*revision, tenant, staged.id)));
        Ok(meta)
    }

    fn prefixes(&self) -> VecDeque<Vec<u8>> {
        let generations =
            self.pointers.iter().flat_map(|p| p.iter().flat_map(|(t, all)| all.iter().map(move |g| key::generation(t, g.id))));
        let parts = self.staged.iter().map(|(_, tenant, staged)| key::generation(tenant, staged.id));
        let mut all: Vec<Vec<u8>> = generations.chain(parts).collect();
        all.sort();
        all.into()
    }
}

fn too_many() -> StoreError {
    StoreError::Busy("more was edited while the store was copied than the log keeps; try again when it is quiet".into())
}
