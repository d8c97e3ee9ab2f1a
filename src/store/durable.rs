//! Reading what is on the disk: single edits laid over the generations of the imports, the newest revision winning.
//!
//! This is what the writer, the administrator and, until the snapshot stands, the calls read. It takes no lock that
//! a writer holds: a reader works on the list of generations that was true when it began.

use super::block::BlockReader;
use super::engine::{Engine, Slice, Space};
use super::key;
use super::record::{self, Change, Generation};
use super::{StoreError, lookup_failed};
use crate::directory::Contact;
use crate::number::Number;
use crate::routing::{CallerName, Data, Found, List, Route, RouteKey, Screen, ScreenKey};
use arc_swap::ArcSwap;
use std::collections::{BTreeSet, HashMap};
use std::iter::Peekable;
use std::sync::Arc;

/// The generations of every tenant.
pub(super) type Pointers = HashMap<String, Vec<Generation>>;

/// The disk's view of everything.
#[derive(Clone)]
pub(super) struct Durable {
    pub(super) engine: Arc<Engine>,
    pub(super) pointers: Arc<ArcSwap<Pointers>>,
}

/// An entry as it was found: its revision and its record (`None` for a removed one).
pub(super) struct Entry {
    pub(super) revision: u64,
    pub(super) record: Option<Vec<u8>>,
}

/// A value of the live space: revision, then 0 (removed) or 1 and the record.
pub(super) fn live_value(revision: u64, record: Option<&[u8]>) -> Vec<u8> {
    let mut value = revision.to_be_bytes().to_vec();
    value.push(u8::from(record.is_some()));
    value.extend_from_slice(record.unwrap_or_default());
    value
}

fn read_live(value: &[u8]) -> Option<Entry> {
    let (revision, rest) = value.split_first_chunk::<8>()?;
    let (present, record) = rest.split_first()?;
    Some(Entry { revision: u64::from_be_bytes(*revision), record: (*present == 1).then(|| record.to_vec()) })
}

type Sorted = Peekable<Box<dyn Iterator<Item = Result<(Vec<u8>, Entry), StoreError>> + Send>>;

/// Entries in key order, the newest revision of each key; removed ones are left out.
pub(super) struct Entries {
    sources: Vec<Sorted>,
    generations: Vec<Generation>,
}

impl Iterator for Entries {
    type Item = Result<(Vec<u8>, u64, Vec<u8>), StoreError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let mut least: Option<Vec<u8>> = None;
            for source in &mut self.sources {
                match source.peek() {
                    Some(Ok((key, _))) if least.as_ref().is_none_or(|l| key < l) => least = Some(key.clone()),
                    Some(Err(_)) => return source.next().map(|e| e.map(|(k, e)| (k, e.revision, e.record.unwrap_or_default()))),
                    _ => {}
                }
            }
            let least = least?;
            let mut newest: Option<Entry> = None;
            for source in &mut self.sources {
                if matches!(source.peek(), Some(Ok((key, _))) if *key == least)
                    && let Some(Ok((_, entry))) = source.next()
                    && newest.as_ref().is_none_or(|n| entry.revision > n.revision)
                {
                    newest = Some(entry);
                }
            }
            if let Some(Entry { revision, record: Some(record) }) = newest
                && !is_void(&least, revision, &record, &self.generations)
            {
                return Some(Ok((least, revision, record)));
            }
        }
    }
}

/// A contact that was edited by hand and belongs to a source that was imported anew since: the import speaks now.
fn is_void(key: &[u8], revision: u64, record: &[u8], generations: &[Generation]) -> bool {
    if key.first() != Some(&key::CONTACT) || generations.iter().all(|g| g.revision <= revision) {
        return false;
    }
    let Ok(contact) = record::decode::<Contact>(record) else { return false };
    generations.iter().any(|g| g.source == contact.source && g.revision > revision)
}

impl Durable {
    pub(super) fn generations(&self, tenant: &str) -> Vec<Generation> {
        self.pointers.load().get(tenant).cloned().unwrap_or_default()
    }

    /// One entry, whatever layer it is in.
    pub(super) fn get(&self, tenant: &str, entry_key: &[u8]) -> Result<Option<(u64, Vec<u8>)>, StoreError> {
        let generations = self.generations(tenant);
        let mut live_key = key::tenant(tenant);
        live_key.extend_from_slice(entry_key);
        let mut newest = self.engine.get(Space::Live, &live_key)?.and_then(|v| read_live(&v));
        for generation in &generations {
            if newest.as_ref().is_some_and(|n| n.revision > generation.revision) {
                continue;
            }
            if let Some(record) = self.get_in(tenant, generation, entry_key)? {
                newest = Some(Entry { revision: generation.revision, record: Some(record) });
            }
        }
        Ok(newest
            .and_then(|n| n.record.map(|r| (n.revision, r)))
            .filter(|(revision, record)| !is_void(entry_key, *revision, record, &generations)))
    }

    fn get_in(&self, tenant: &str, generation: &Generation, entry_key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        let prefix = key::generation(tenant, generation.id);
        let mut wanted = prefix.clone();
        wanted.extend_from_slice(entry_key);
        let block = self.engine.at_or_before(Space::Block, &prefix, &wanted)?;
        Ok(block.and_then(|(_, bytes)| BlockReader(&bytes).find(|(k, _)| *k == entry_key).map(|(_, v)| v.to_vec())))
    }

    /// All entries of a tenant whose key begins with `prefix`, from `from` on.
    pub(super) fn entries(&self, tenant: &str, prefix: &[u8], from: &[u8]) -> Entries {
        let generations = self.generations(tenant);
        let tenant_key = key::tenant(tenant);
        let from = if from < prefix { prefix } else { from };
        let mut sources: Vec<Sorted> = Vec::with_capacity(1 + generations.len());
        let live_prefix = [&tenant_key, prefix].concat();
        let live = self.engine.scan(Space::Live, &live_prefix, &[&tenant_key, from].concat()).map({
            let skip = tenant_key.len();
            move |item| {
                let (k, v) = item?;
                let entry = read_live(&v).ok_or_else(|| corrupt("an edit can't be read"))?;
                Ok((k[skip..].to_vec(), entry))
            }
        });
        sources.push((Box::new(live) as Box<dyn Iterator<Item = _> + Send>).peekable());
        for generation in &generations {
            sources.push(self.blocks_of(tenant, generation, prefix.to_vec(), from.to_vec()));
        }
        Entries { sources, generations }
    }

    fn blocks_of(&self, tenant: &str, generation: &Generation, prefix: Vec<u8>, from: Vec<u8>) -> Sorted {
        let space_key = key::generation(tenant, generation.id);
        let revision = generation.revision;
        // the block that holds `from` may begin before it
        let start = match self.engine.at_or_before(Space::Block, &space_key, &[space_key.as_slice(), &from].concat()) {
            Ok(Some((k, _))) => k.to_vec(),
            Ok(None) => space_key.clone(),
            Err(error) => return (Box::new(std::iter::once(Err(error))) as Box<dyn Iterator<Item = _> + Send>).peekable(),
        };
        let blocks = self.engine.scan(Space::Block, &space_key, &start);
        let entries = blocks.flat_map(move |item| match item {
            Err(error) => vec![Err(error)],
            Ok((_, bytes)) => block_entries(&bytes, revision, &from),
        });
        let within = entries.take_while(move |item| item.as_ref().map_or(true, |(k, _)| k.starts_with(&prefix) || *k < prefix));
        (Box::new(within) as Box<dyn Iterator<Item = _> + Send>).peekable()
    }

    /// A tenant's contacts in the order of their ids, from an id on.
    pub(super) fn contacts(&self, tenant: &str, from_id: &str) -> impl Iterator<Item = Result<(u64, Contact), StoreError>> + use<> {
        self.entries(tenant, &[key::CONTACT], &key::contact(from_id)).map(|item| {
            let (_, revision, record) = item?;
            Ok((revision, record::decode(&record)?))
        })
    }

    pub(super) fn contact(&self, tenant: &str, id: &str) -> Result<Option<(u64, Contact)>, StoreError> {
        self.get(tenant, &key::contact(id))?.map(|(revision, r)| Ok((revision, record::decode(&r)?))).transpose()
    }

    pub(super) fn route(&self, tenant: &str, route: &RouteKey) -> Result<Option<Route>, StoreError> {
        self.get(tenant, &key::route(route))?.map(|(_, r)| record::decode(&r)).transpose()
    }

    /// All contacts that have a number, newest first; ids that say so and don't (any more) are passed over.
    pub(super) fn contacts_with(&self, tenant: &str, number: &Number) -> Result<Vec<(u64, Contact)>, StoreError> {
        let prefix = key::number_of(number);
        let mut ids = BTreeSet::new();
        for item in self.entries(tenant, &prefix, &prefix) {
            let (k, _, _) = item?;
            ids.insert(String::from_utf8_lossy(&k[prefix.len()..]).into_owned());
        }
        let mut found = Vec::with_capacity(ids.len());
        for id in ids {
            if let Some((revision, contact)) = self.contact(tenant, &id)?
                && contact.numbers.iter().any(|n| n.number == *number)
            {
                found.push((revision, contact));
            }
        }
        found.sort_by(|a, b| b.0.cmp(&a.0).then_with(|| a.1.id.cmp(&b.1.id)));
        Ok(found)
    }

    /// Changes from a revision on.
    pub(super) fn changes(&self, from: u64) -> impl Iterator<Item = Result<Change, StoreError>> + use<> {
        self.engine.scan(Space::Log, &[], &from.to_be_bytes()).map(|item| record::decode(&item?.1))
    }

    /// The revision of the newest change.
    pub(super) fn last_revision(&self) -> Result<u64, StoreError> {
        let last: Option<(Slice, Slice)> = self.engine.last(Space::Log)?;
        Ok(last.and_then(|(k, _)| Some(u64::from_be_bytes(*k.first_chunk::<8>()?))).unwrap_or(0))
    }
}

fn corrupt(what: &str) -> StoreError {
    StoreError::Corrupt { path: "(the store)".into(), what: what.into() }
}

fn block_entries(bytes: &[u8], revision: u64, from: &[u8]) -> Vec<Result<(Vec<u8>, Entry), StoreError>> {
    BlockReader(bytes).filter(|(k, _)| *k >= from).map(|(k, v)| Ok((k.to_vec(), Entry { revision, record: Some(v.to_vec()) }))).collect()
}

/// One tenant's data, read from the disk.
pub(super) struct TenantOnDisk<'a> {
    pub(super) durable: &'a Durable,
    pub(super) tenant: &'a str,
}

impl TenantOnDisk<'_> {
    fn screen(&self, list: List, screen: &ScreenKey) -> Found<Arc<Screen>> {
        let found = self.durable.get(self.tenant, &key::screen(list, screen)).map_err(lookup_failed)?;
        found.map(|(_, r)| record::decode(&r).map(Arc::new).map_err(lookup_failed)).transpose()
    }
}

impl Data for TenantOnDisk<'_> {
    fn revision(&self) -> u64 {
        self.durable.last_revision().unwrap_or(0)
    }

    fn route(&self, key: &RouteKey) -> Found<Arc<Route>> {
        Ok(self.durable.route(self.tenant, key).map_err(lookup_failed)?.map(Arc::new))
    }

    fn route_by_prefix(&self, number: &Number) -> Found<Arc<Route>> {
        for prefix in key::prefixes(number) {
            if let Some(route) = self.route(&RouteKey::Prefix(prefix))? {
                return Ok(Some(route));
            }
        }
        Ok(None)
    }

    fn screen_number(&self, list: List, number: &Number) -> Found<Arc<Screen>> {
        if let Some(exact) = self.screen(list, &ScreenKey::Number(number.clone()))? {
            return Ok(Some(exact));
        }
        for prefix in key::prefixes(number) {
            if let Some(screen) = self.screen(list, &ScreenKey::Prefix(prefix))? {
                return Ok(Some(screen));
            }
        }
        Ok(None)
    }

    fn screen_withheld(&self) -> Found<Arc<Screen>> {
        self.screen(List::Block, &ScreenKey::Withheld)
    }

    fn caller(&self, number: &Number) -> Found<CallerName> {
        let found = self.durable.contacts_with(self.tenant, number).map_err(lookup_failed)?;
        Ok(found.into_iter().next().map(|(_, c)| CallerName { contact: c.id, name: c.name }))
    }
}
