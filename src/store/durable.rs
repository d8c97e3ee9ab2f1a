//! Reading what is on the disk: single edits laid over the generations of the imports.
//!
//! Which layer an entry is read from: a generation was put together over one revision ([`Generation::since`]). Edits
//! after that lie above it, whether they came before or after it became true, and all others below. So an import
//! becomes true by its pointer alone, and no edit has to be made again.
//!
//! This is what the writer, the administrator and, until the snapshot stands, the calls read. It takes no lock that
//! a writer holds: a reader works on the list of generations that was true when it began, and while it holds them the
//! writer leaves their blocks alone.

use super::block::BlockCursor;
use super::engine::{Slice, Space};
use super::key;
use super::record::{self, Change, Generation};
use super::slot::Slot;
use super::{StoreError, lookup_failed};
use crate::directory::Contact;
use crate::number::{Class, Number};
use crate::routing::{
    CallerName, CompiledSchedule, Data, Extension, Found, Group, Known, Limit, List, LookupFailed, PlanItem, PlanKey, Route, RouteKey,
    Scope, Screen, ScreenKey, Trunk, User,
};
use arc_swap::ArcSwap;
use std::cmp::Ordering;
use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

/// The generations of every tenant. Each is shared: whoever holds one may read its blocks.
pub(super) type Pointers = HashMap<String, Vec<Arc<Generation>>>;

/// The disk's view of everything.
#[derive(Clone)]
pub(super) struct Durable {
    pub(super) engine: Slot,
    pub(super) pointers: Arc<ArcSwap<Pointers>>,
}

/// How high a layer lies. Of an edit and a generation with the same number the generation is above: it has seen it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Layer {
    revision: u64,
    is_generation: bool,
}

/// An entry as it lies in a stored value, which it shares.
pub(super) struct Entry {
    layer: Layer,
    /// The revision that made it what it is.
    pub(super) revision: u64,
    key_in: Slice,
    key: Range<usize>,
    value_in: Slice,
    /// `None` for a removed one.
    record: Option<Range<usize>>,
}

impl Entry {
    /// Its key inside the tenant.
    pub(super) fn key(&self) -> &[u8] {
        &self.key_in[self.key.clone()]
    }

    /// Whether the entry says that there is nothing any more.
    pub(super) fn is_removed(&self) -> bool {
        self.record.is_none()
    }

    /// Its record; empty for the numbers' index.
    pub(super) fn record(&self) -> &[u8] {
        self.record.clone().map_or(&[], |at| &self.value_in[at])
    }

    /// An edit: the key begins with the tenant, the value is revision, 0 (removed) or 1, and the record.
    fn live(tenant_len: usize, key_in: Slice, value_in: Slice) -> Result<Entry, StoreError> {
        let head = value_in.split_first_chunk::<8>().and_then(|(revision, rest)| Some((u64::from_be_bytes(*revision), *rest.first()?)));
        let (revision, present) = head.ok_or_else(|| corrupt("an edit can't be read"))?;
        let record = (present == 1).then_some(9..value_in.len());
        let layer = Layer { revision, is_generation: false };
        Ok(Entry { layer, revision, key: tenant_len..key_in.len(), key_in, value_in, record })
    }
}

/// A value of the live space.
pub(super) fn live_value(revision: u64, record: Option<&[u8]>) -> Vec<u8> {
    let mut value = revision.to_be_bytes().to_vec();
    value.push(u8::from(record.is_some()));
    value.extend_from_slice(record.unwrap_or_default());
    value
}

/// A value inside a block: the revision that made the record what it is, 0 for the generation's own, and the record.
/// Nothing at all for the numbers' index. A value without a record hides what lies below: the import's source has removed it.
pub(super) fn block_value(revision: u64, record: &[u8]) -> Vec<u8> {
    [&revision.to_be_bytes(), record].concat()
}

/// One layer's entries, in key order, the next one in front.
struct Source {
    entries: Box<dyn Iterator<Item = Result<Entry, StoreError>> + Send>,
    head: Option<Entry>,
    /// Contacts that came out of it.
    contacts: u64,
    generation: Option<Arc<Generation>>,
}

impl Source {
    fn advance(&mut self) -> Result<Option<Entry>, StoreError> {
        let next = self.entries.next().transpose()?;
        self.contacts += u64::from(next.as_ref().is_some_and(|e| e.key().first() == Some(&key::CONTACT)));
        Ok(std::mem::replace(&mut self.head, next))
    }
}

/// What every layer says of a key.
pub(super) struct Layered {
    /// The highest entry; it may say that there is nothing any more.
    pub(super) entry: Entry,
    /// The generation that it lies in; `None` for a single edit.
    pub(super) generation: Option<u64>,
    /// Whether the key is there in another layer as well, `own` aside.
    pub(super) is_below: bool,
}

/// Entries in key order, of each key the one in the highest layer; removed ones are left out.
pub(super) struct Entries {
    sources: Vec<Source>,
    begun: bool,
}

impl Entries {
    fn next_entry(&mut self) -> Result<Option<Entry>, StoreError> {
        while let Some(found) = self.next_layered(None)? {
            if !found.entry.is_removed() {
                return Ok(Some(found.entry));
            }
        }
        Ok(None)
    }

    /// The next key, removed ones too, as somebody sees it who is about to replace the generation `own`.
    pub(super) fn next_layered(&mut self, own: Option<u64>) -> Result<Option<Layered>, StoreError> {
        if !self.begun {
            self.begun = true;
            for source in &mut self.sources {
                source.advance()?;
            }
        }
        let heads = self.sources.iter().enumerate().filter_map(|(i, s)| Some((i, s.head.as_ref()?)));
        let first = heads.reduce(|a, b| match b.1.key().cmp(a.1.key()) {
            Ordering::Less => b,
            Ordering::Equal if b.1.layer > a.1.layer => b,
            _ => a,
        });
        let Some((first, _)) = first else { return Ok(None) };
        let generation = self.sources[first].generation.as_ref().map(|g| g.id);
        let Some(entry) = self.sources[first].advance()? else { return Ok(None) };
        let mut is_below = false;
        for source in &mut self.sources {
            if let Some(head) = source.head.as_ref().filter(|e| e.key() == entry.key()) {
                let is_own = own.is_some() && source.generation.as_ref().map(|g| g.id) == own;
                is_below |= !is_own && !head.is_removed();
                source.advance()?;
            }
        }
        Ok(Some(Layered { entry, generation, is_below }))
    }

    /// Compares the contacts that were read, all of them, with what the generations are said to hold.
    pub(super) fn check_counts(&self) -> Result<(), StoreError> {
        for (source, generation) in self.sources.iter().filter_map(|s| Some((s, s.generation.as_ref()?))) {
            if source.contacts != generation.contacts {
                let (has, should) = (source.contacts, generation.contacts);
                return Err(corrupt(&format!("the import {:?} has {has} contacts, and had {should}", generation.source)));
            }
        }
        Ok(())
    }
}

impl Iterator for Entries {
    type Item = Result<Entry, StoreError>;

    fn next(&mut self) -> Option<Self::Item> {
        let next = self.next_entry();
        if next.is_err() {
            self.sources.clear();
        }
        next.transpose()
    }
}

impl Durable {
    pub(super) fn generations(&self, tenant: &str) -> Vec<Arc<Generation>> {
        self.pointers.load().get(tenant).cloned().unwrap_or_default()
    }

    /// The newest single edit of an entry, whatever lies above it.
    pub(super) fn newest_edit(&self, tenant: &str, entry_key: &[u8]) -> Result<Option<Entry>, StoreError> {
        let mut live_key = key::tenant(tenant);
        let tenant_len = live_key.len();
        live_key.extend_from_slice(entry_key);
        let live = self.engine.get(Space::Live, &live_key)?;
        live.map(|v| Entry::live(tenant_len, Slice::from(live_key), v)).transpose()
    }

    /// One entry, whatever layer it is in: its revision and its record.
    pub(super) fn get(&self, tenant: &str, entry_key: &[u8]) -> Result<Option<(u64, Vec<u8>)>, StoreError> {
        let generations = self.generations(tenant);
        let mut highest = self.newest_edit(tenant, entry_key)?;
        for generation in &generations {
            if highest.as_ref().is_none_or(|h| h.layer < layer_of(generation))
                && let Some(found) = self.get_in(tenant, generation, entry_key)?
            {
                highest = Some(found);
            }
        }
        Ok(highest.filter(|e| e.record.is_some()).map(|e| (e.revision, e.record().to_vec())))
    }

    pub(super) fn get_in(&self, tenant: &str, generation: &Arc<Generation>, entry_key: &[u8]) -> Result<Option<Entry>, StoreError> {
        let prefix = key::generation(tenant, generation.id);
        let mut wanted = prefix.clone();
        wanted.extend_from_slice(entry_key);
        let Some((_, block)) = self.engine.at_or_before(Space::Block, &prefix, &wanted)? else { return Ok(None) };
        for entry in block_entries(block, generation.clone()) {
            let entry = entry?;
            match entry.key().cmp(entry_key) {
                Ordering::Less => {}
                Ordering::Equal => return Ok(Some(entry)),
                Ordering::Greater => break,
            }
        }
        Ok(None)
    }

    /// Whether some generation has the entry, or one of `others`, so that removing it takes a tombstone.
    pub(super) fn is_in_a_generation(&self, tenant: &str, entry_key: &[u8], others: &[Arc<Generation>]) -> Result<bool, StoreError> {
        for generation in self.generations(tenant).iter().chain(others) {
            if self.get_in(tenant, generation, entry_key)?.is_some() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// All entries of a tenant whose key begins with `prefix`, from `from` on.
    pub(super) fn entries(&self, tenant: &str, prefix: &[u8], from: &[u8]) -> Entries {
        let generations = self.generations(tenant);
        let tenant_key = key::tenant(tenant);
        let from = from.max(prefix);
        let live_prefix = [&tenant_key, prefix].concat();
        let tenant_len = tenant_key.len();
        let live = self.engine.scan(Space::Live, &live_prefix, &[&tenant_key, from].concat());
        let live = live.map(move |item| item.and_then(|(k, v)| Entry::live(tenant_len, k, v)));
        let mut sources = vec![Source { entries: Box::new(live), head: None, contacts: 0, generation: None }];
        for generation in generations {
            let entries = self.entries_in(tenant, &generation, prefix.to_vec(), from.to_vec());
            sources.push(Source { entries, head: None, contacts: 0, generation: Some(generation) });
        }
        Entries { sources, begun: false }
    }

    fn entries_in(
        &self,
        tenant: &str,
        generation: &Arc<Generation>,
        prefix: Vec<u8>,
        from: Vec<u8>,
    ) -> Box<dyn Iterator<Item = Result<Entry, StoreError>> + Send> {
        let space_key = key::generation(tenant, generation.id);
        // the block that holds `from` may begin before it
        let start = match self.engine.at_or_before(Space::Block, &space_key, &[space_key.as_slice(), &from].concat()) {
            Ok(Some((k, _))) => k.to_vec(),
            Ok(None) => space_key.clone(),
            Err(error) => return Box::new(std::iter::once(Err(error))),
        };
        let mut blocks = self.engine.scan(Space::Block, &space_key, &start);
        let generation = generation.clone();
        let mut block: Option<BlockEntries> = None;
        let entries = std::iter::from_fn(move || {
            loop {
                if let Some(entry) = block.as_mut().and_then(Iterator::next) {
                    return Some(entry);
                }
                match blocks.next()? {
                    Ok((_, bytes)) => block = Some(block_entries(bytes, generation.clone())),
                    Err(error) => return Some(Err(error)),
                }
            }
        });
        let before = move |item: &Result<Entry, StoreError>| item.as_ref().is_ok_and(|e| e.key() < from.as_slice());
        let within = move |item: &Result<Entry, StoreError>| item.as_ref().map_or(true, |e| e.key().starts_with(&prefix));
        Box::new(entries.skip_while(before).take_while(within))
    }

    /// A tenant's contacts in the order of their ids, from an id on.
    pub(super) fn contacts(&self, tenant: &str, from_id: &str) -> impl Iterator<Item = Result<(u64, Contact), StoreError>> + use<> {
        self.entries(tenant, &[key::CONTACT], &key::contact(from_id)).map(|item| {
            let entry = item?;
            Ok((entry.revision, record::decode(entry.record())?))
        })
    }

    /// A tenant's contacts that no import brought, in the order of their ids, behind an id. They are single edits all.
    pub(super) fn contacts_by_hand(
        &self,
        tenant: &str,
        after: Option<&str>,
    ) -> impl Iterator<Item = Result<(u64, Contact), StoreError>> + use<'_> {
        let (head, tenant) = (key::tenant(tenant), tenant.to_owned());
        let after = after.map(|id| [head.as_slice(), &key::contact(id)].concat());
        let prefix = [head.as_slice(), &[key::CONTACT]].concat();
        let live = self.engine.scan(Space::Live, &prefix, after.as_deref().unwrap_or(&prefix));
        let behind = live.filter(move |item| item.as_ref().map_or(true, |(k, _)| after.as_deref().is_none_or(|after| **k > *after)));
        let ids = behind.map(move |item| item.map(|(k, _)| String::from_utf8_lossy(&k[prefix.len()..]).into_owned()));
        // an import may lie above it
        let contacts = ids.map(move |id| id.and_then(|id| self.contact(&tenant, &id)));
        contacts.filter_map(|found| found.map(|c| c.filter(|(_, c)| c.source.is_empty())).transpose())
    }

    pub(super) fn contact(&self, tenant: &str, id: &str) -> Result<Option<(u64, Contact)>, StoreError> {
        self.get(tenant, &key::contact(id))?.map(|(revision, r)| Ok((revision, record::decode(&r)?))).transpose()
    }

    pub(super) fn route(&self, tenant: &str, route: &RouteKey) -> Result<Option<Route>, StoreError> {
        self.get(tenant, &key::route(route))?.map(|(revision, r)| Ok(Route { revision, ..record::decode(&r)? })).transpose()
    }

    /// One thing of the plan.
    pub(super) fn item(&self, tenant: &str, item: &PlanKey) -> Result<Option<PlanItem>, StoreError> {
        let entry_key = key::plan(item);
        match self.get(tenant, &entry_key)? {
            Some((revision, r)) => record::decode_item(&entry_key, revision, &r),
            None => Ok(None),
        }
    }

    /// One thing of the plan, and its revision, which not every sort has in itself.
    pub(super) fn entry_of(&self, tenant: &str, item: &PlanKey) -> Result<Option<(u64, PlanItem)>, StoreError> {
        let entry_key = key::plan(item);
        let Some((revision, r)) = self.get(tenant, &entry_key)? else { return Ok(None) };
        Ok(record::decode_item(&entry_key, revision, &r)?.map(|item| (revision, item)))
    }

    /// A user and his revision.
    pub(super) fn user(&self, tenant: &str, domain: &str, extension: &str) -> Result<Option<(u64, User)>, StoreError> {
        self.get(tenant, &key::user(domain, extension))?.map(|(revision, r)| Ok((revision, record::decode(&r)?))).transpose()
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

fn layer_of(generation: &Generation) -> Layer {
    Layer { revision: generation.since, is_generation: true }
}

/// A block's entries, in order.
struct BlockEntries {
    bytes: Slice,
    cursor: BlockCursor,
    generation: Arc<Generation>,
}

fn block_entries(bytes: Slice, generation: Arc<Generation>) -> BlockEntries {
    BlockEntries { bytes, cursor: BlockCursor::default(), generation }
}

impl Iterator for BlockEntries {
    type Item = Result<Entry, StoreError>;

    fn next(&mut self) -> Option<Self::Item> {
        let (key, value) = match self.cursor.next(&self.bytes)? {
            Ok(found) => found,
            Err(what) => return Some(Err(corrupt(what))),
        };
        let own = self.bytes[value.clone()].first_chunk::<8>().map_or(0, |r| u64::from_be_bytes(*r));
        let revision = if own == 0 { self.generation.revision } else { own };
        // eight bytes and no more: the contact is removed
        let record = (value.len() != 8).then(|| (value.start + 8).min(value.end)..value.end);
        let (key_in, value_in) = (self.bytes.clone(), self.bytes.clone());
        Some(Ok(Entry { layer: layer_of(&self.generation), revision, key_in, key, value_in, record }))
    }
}

/// One tenant's data, read from the disk.
pub(super) struct TenantOnDisk<'a> {
    pub(super) durable: &'a Durable,
    pub(super) tenant: &'a str,
}

impl TenantOnDisk<'_> {
    fn item(&self, item: &PlanKey) -> Found<PlanItem> {
        self.durable.item(self.tenant, item).map_err(lookup_failed)
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

    fn screen(&self, list: List, screen: &ScreenKey) -> Found<Arc<Screen>> {
        let found = self.durable.get(self.tenant, &key::screen(list, screen)).map_err(lookup_failed)?;
        found.map(|(_, r)| record::decode(&r).map(Arc::new).map_err(lookup_failed)).transpose()
    }

    fn group(&self, id: &str) -> Found<Arc<Group>> {
        let found = self.item(&PlanKey::Group(id.to_owned()))?;
        Ok(found.and_then(|item| if let PlanItem::Group(group) = item { Some(Arc::new(group)) } else { None }))
    }

    fn schedule(&self, id: &str) -> Found<Arc<CompiledSchedule>> {
        let found = self.item(&PlanKey::Schedule(id.to_owned()))?;
        Ok(found.and_then(|item| if let PlanItem::Schedule(hours) = item { Some(Arc::new(hours.compile())) } else { None }))
    }

    fn extension(&self, number: &Number) -> Found<Arc<Extension>> {
        let found = self.item(&PlanKey::Extension(number.clone()))?;
        Ok(found.and_then(|item| if let PlanItem::Extension(extension) = item { Some(Arc::new(extension)) } else { None }))
    }

    fn trunks(&self) -> Result<Arc<Vec<Arc<Trunk>>>, LookupFailed> {
        let mut trunks = Vec::new();
        for item in self.durable.entries(self.tenant, &[key::TRUNK], &[key::TRUNK]) {
            let entry = item.map_err(lookup_failed)?;
            if let Some(PlanItem::Trunk(trunk)) = record::decode_item(entry.key(), entry.revision, entry.record()).map_err(lookup_failed)? {
                trunks.push(Arc::new(trunk));
            }
        }
        Ok(Arc::new(trunks))
    }

    fn limit(&self, class: Class, scope: Scope) -> Found<Limit> {
        let found = self.item(&PlanKey::Limit(class, scope))?;
        Ok(found.and_then(|item| if let PlanItem::Limit(limit) = item { Some(limit) } else { None }))
    }

    fn known(&self, number: &Number, callee: Option<&Number>, names_max: usize) -> Result<Known, LookupFailed> {
        let found = self.durable.contacts_for(self.tenant, number, callee).map_err(lookup_failed)?;
        let names = found.contacts.into_iter().take(names_max).map(|(_, c)| CallerName { contact: c.id, name: c.name });
        Ok(Known { by: found.by, names: names.collect(), passed_over: found.passed_over })
    }

    fn user(&self, domain: &str, extension: &str) -> Found<Arc<User>> {
        Ok(self.durable.user(self.tenant, domain, extension).map_err(lookup_failed)?.map(|(_, user)| Arc::new(user)))
    }

    fn has_domain(&self, domain: &str) -> Result<bool, LookupFailed> {
        let prefix = key::users(domain);
        let first = self.durable.entries(self.tenant, &prefix, &prefix).next();
        Ok(first.transpose().map_err(lookup_failed)?.is_some())
    }
}
