//! Reading entries one by one as they lie in their spaces: every record is decoded, every count counted.

use super::block::BlockCursor;
use super::engine::Space;
use super::record::{self, Change, EntryChange, Generation};
use super::{key, parts, pointer_key};
use crate::access::Token;
use crate::directory::Contact;
use std::collections::{BTreeMap, HashMap, HashSet};

/// What is found when a whole store is read. Spaces come in the order live, log, meta, block.
#[derive(Default)]
pub(super) struct Examined {
    /// Entries and bytes (keys and values) of each space, at its place.
    pub(super) spaces: [(u64, u64); 4],
    /// The first and the last revision of the log.
    pub(super) log: Option<(u64, u64)>,
    /// Single edits of each tenant, removals too.
    pub(super) edits: BTreeMap<String, u64>,
    /// The generations that are true.
    pub(super) generations: BTreeMap<String, Vec<Generation>>,
    /// Contacts found in each generation, and how many of them are no tombstones.
    contacts: HashMap<u64, (u64, u64)>,
    parts: HashSet<u64>,
}

impl Examined {
    /// Reads an entry; what is wrong with it.
    pub(super) fn see(&mut self, space: Space, k: &[u8], v: &[u8]) -> Result<(), String> {
        let (entries, bytes) = &mut self.spaces[space as usize];
        *entries += 1;
        *bytes += (k.len() + v.len()) as u64;
        match space {
            Space::Live => self.see_live(k, v),
            Space::Log => self.see_change(k, v),
            Space::Meta => self.see_meta(k, v),
            Space::Block => self.see_block(k, v),
        }
    }

    fn see_live(&mut self, k: &[u8], v: &[u8]) -> Result<(), String> {
        let (tenant, entry_key) = key::split_tenant(k).ok_or("an edit belongs to no tenant")?;
        let (head, rest) = v.split_first_chunk::<9>().ok_or("an edit can't be read")?;
        match head[8] {
            0 if rest.is_empty() => {}
            1 => check_record(entry_key, rest)?,
            _ => return Err(format!("an edit of {} can't be read", shown(entry_key))),
        }
        *self.edits.entry(tenant.to_owned()).or_default() += 1;
        Ok(())
    }

    fn see_change(&mut self, k: &[u8], v: &[u8]) -> Result<(), String> {
        let revision = <[u8; 8]>::try_from(k).map(u64::from_be_bytes).map_err(|_| "a change has no revision")?;
        let change: Change = record::decode(v).map_err(|e| format!("revision {revision}: {e}"))?;
        if change.revision != revision {
            return Err(format!("the change at revision {revision} says it has revision {}", change.revision));
        }
        let first = match self.log {
            Some((_, last)) if revision != last + 1 => return Err(format!("the change log jumps from revision {last} to {revision}")),
            Some((first, _)) => first,
            None => revision,
        };
        self.log = Some((first, revision));
        change.entries.iter().try_for_each(check_change)?;
        self.parts.extend(change.staged.map(|s| s.id));
        Ok(())
    }

    fn see_meta(&mut self, k: &[u8], v: &[u8]) -> Result<(), String> {
        if let Some(tenant) = k.strip_prefix(pointer_key("").as_slice()) {
            let generations: Vec<Generation> = record::decode(v).map_err(|e| format!("the list of imports: {e}"))?;
            self.generations.insert(String::from_utf8_lossy(tenant).into_owned(), generations);
        } else if !parts::is_note(k) && !super::previous::is_note(k) {
            return Err(format!("there is a note {} that this version doesn't know", shown(k)));
        }
        Ok(())
    }

    fn see_block(&mut self, k: &[u8], v: &[u8]) -> Result<(), String> {
        let id = key::split_tenant(k).and_then(|(_, rest)| Some(u64::from_be_bytes(*rest.first_chunk::<8>()?)));
        let id = id.ok_or("a block belongs to no import")?;
        if self.parts.contains(&id) {
            let entries: Vec<EntryChange> = record::decode(v).map_err(|e| format!("a part of a change: {e}"))?;
            return entries.iter().try_for_each(check_change);
        }
        let is_true = self.generations.values().flatten().any(|g| g.id == id);
        if !is_true {
            // what nothing names is swept, whatever it is
            return Ok(());
        }
        let (mut cursor, mut contacts, mut living) = (BlockCursor::default(), 0, 0);
        while let Some(place) = cursor.next(v) {
            let (entry_key, value) = place.map_err(str::to_owned)?;
            let (entry_key, value) = (&v[entry_key], &v[value]);
            if entry_key.first() == Some(&key::CONTACT) {
                contacts += 1;
                match value.get(8..).ok_or("a contact of an import ends too early")? {
                    // the import's source has removed it
                    [] => {}
                    contact => {
                        check_record(entry_key, contact)?;
                        living += 1;
                    }
                }
            }
        }
        let counts = self.contacts.entry(id).or_default();
        *counts = (counts.0 + contacts, counts.1 + living);
        Ok(())
    }

    /// Contacts that a tenant's imports have, without those that are only there to say that they were removed.
    pub(super) fn imported(&self, tenant: &str) -> u64 {
        let living = |g: &Generation| self.contacts.get(&g.id).map_or(0, |(_, living)| *living);
        self.generations.get(tenant).map_or(0, |all| all.iter().map(living).sum())
    }

    /// What is wrong with the whole: imports that hold another number of contacts than they should.
    pub(super) fn check_counts(&self) -> Result<(), String> {
        for generation in self.generations.values().flatten() {
            let found = self.contacts.get(&generation.id).map_or(0, |(all, _)| *all);
            if found != generation.contacts {
                return Err(format!("the import {:?} has {found} contacts, and had {}", generation.source, generation.contacts));
            }
        }
        Ok(())
    }
}

fn shown(k: &[u8]) -> String {
    format!("{:?}", String::from_utf8_lossy(k))
}

fn check_change(entry: &EntryChange) -> Result<(), String> {
    [&entry.before, &entry.after].into_iter().flatten().try_for_each(|r| check_record(&entry.key, r))
}

/// Decodes a record, by what its key says it is.
fn check_record(entry_key: &[u8], r: &[u8]) -> Result<(), String> {
    let wrong = |e: super::StoreError| format!("{}: {e}", shown(entry_key));
    match entry_key.first() {
        Some(&key::CONTACT) => {
            let contact: Contact = record::decode(r).map_err(wrong)?;
            if contact.id.as_bytes() != &entry_key[1..] {
                return Err(format!("the contact at {} says it is {:?}", shown(entry_key), contact.id));
            }
        }
        Some(&key::TOKEN) => drop(record::decode::<Token>(r).map_err(wrong)?),
        _ if key::is_of_contacts(entry_key) => {}
        _ => {
            if record::decode_item(entry_key, 0, r).map_err(wrong)?.is_none() {
                return Err(format!("there is an entry {} that this version doesn't know", shown(entry_key)));
            }
        }
    }
    Ok(())
}
