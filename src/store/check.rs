//! Checking a store: everything in it is read, while it is in use or not.

use super::engine::Space;
use super::examine::Examined;
use super::{Reader, StoreError, key, pointer_key, record};
use crate::directory::{Contact, ContactNumber};
use serde::{Deserialize, Serialize};
use std::collections::HashSet;
use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::Ordering;

/// Problems that are told; more are counted.
const PROBLEMS_MAX: usize = 50;

/// How large a space is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SpaceFigures {
    /// `meta`, `log`, `live`, `block`.
    pub space: String,
    /// Entries.
    pub entries: u64,
    /// Bytes of their keys and values.
    pub bytes: u64,
}

/// What a check found.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checked {
    /// The revision that it began at.
    pub revision: u64,
    /// What is wrong, so many at most.
    pub problems: Vec<String>,
    /// How many problems there are beside these.
    pub more: u64,
    /// Spaces.
    pub spaces: Vec<SpaceFigures>,
    /// Bytes of all keys and values.
    pub data_bytes: u64,
    /// Bytes on the disk.
    pub disk_bytes: u64,
    /// How long the engine took to open, in milliseconds.
    pub open_ms: u64,
    /// Contacts of all tenants.
    pub contacts: u64,
    /// Things of all tenants' plans.
    pub items: u64,
    /// What finds contacts: numbers, beginnings.
    pub index: u64,
    /// Of these, such as lead to no contact that has them. An import may leave them, and nobody follows them.
    pub index_left_over: u64,
    /// Changes in the log.
    pub changes: u64,
    /// Imports that are true.
    pub imports: u64,
}

impl Checked {
    /// Notes a problem.
    pub fn problem(&mut self, what: impl Into<String>) {
        if self.problems.len() < PROBLEMS_MAX { self.problems.push(what.into()) } else { self.more += 1 }
    }

    /// Whether nothing is wrong.
    pub fn is_sound(&self) -> bool {
        self.problems.is_empty()
    }

    /// How many bytes of the disk stand for one of data.
    pub fn garbage_ratio(&self) -> f64 {
        if self.data_bytes == 0 { 1.0 } else { self.disk_bytes as f64 / self.data_bytes as f64 }
    }
}

impl Reader {
    /// Reads everything that the store holds and says what is wrong with it, and how large it is. Edits may go on.
    ///
    /// # Errors
    /// The store failed before; what is damaged is among the problems.
    pub fn check(&self) -> Result<Checked, StoreError> {
        let durable = &self.shared.durable;
        let mut checked = Checked {
            revision: self.revision(),
            disk_bytes: durable.engine.disk_bytes(),
            open_ms: self.shared.opened_in_ms.load(Ordering::Relaxed),
            ..Checked::default()
        };
        // what is true is held, so that its blocks stay while they are read
        let pointers = durable.pointers.load_full();
        let mut examined = Examined::default();
        for space in [Space::Live, Space::Log, Space::Meta, Space::Block] {
            for item in durable.engine.scan(space, &[], &[]) {
                match item {
                    Ok((k, v)) => {
                        if let Err(what) = examined.see(space, &k, &v) {
                            checked.problem(what);
                        }
                    }
                    Err(error) => checked.problem(error.to_string()),
                }
            }
            if space == Space::Meta {
                // an import may have become true since; what is held is what is counted
                for (tenant, generations) in pointers.iter() {
                    if !examined.generations.contains_key(tenant) {
                        checked.problem(format!(
                            "the list of imports of tenant {tenant} is missing ({})",
                            String::from_utf8_lossy(&pointer_key(tenant))
                        ));
                    }
                    examined.generations.insert(tenant.clone(), generations.iter().map(|g| (**g).clone()).collect());
                }
                examined.generations.retain(|tenant, _| pointers.contains_key(tenant));
            }
        }
        if let Err(what) = examined.check_counts() {
            checked.problem(what);
        }
        if let Some((_, last)) = examined.log
            && last < checked.revision
        {
            checked.problem(format!("the log ends at revision {last}, and the store is at {}", checked.revision));
        }
        checked.changes = examined.log.map_or(0, |(first, last)| last - first + 1);
        checked.imports = examined.generations.values().map(|all| all.len() as u64).sum();
        for space in Space::ALL {
            let (entries, bytes) = examined.spaces[space as usize];
            checked.data_bytes += bytes;
            checked.spaces.push(SpaceFigures { space: Space::NAMES[space as usize].to_owned(), entries, bytes });
        }
        for tenant in self.tenants()? {
            if let Err(error) = self.check_tenant(&tenant, &mut checked) {
                checked.problem(format!("tenant {tenant}: {error}"));
            }
        }
        Ok(checked)
    }

    /// Whether every contact is found by its numbers, and what else is there.
    fn check_tenant(&self, tenant: &str, checked: &mut Checked) -> Result<(), StoreError> {
        let durable = &self.shared.durable;
        let hasher = RandomState::new();
        let mut index = HashSet::new();
        for sort in [key::NUMBER_OF, key::BEHIND, key::BEGINNING] {
            for item in durable.entries(tenant, &[sort], &[sort]) {
                index.insert(hasher.hash_one(item?.key()));
            }
        }
        checked.index += index.len() as u64;
        let mut suspicious = Vec::new();
        let mut used = HashSet::new();
        for item in durable.entries(tenant, &[key::CONTACT], &[key::CONTACT]) {
            let contact: Contact = record::decode(item?.record())?;
            checked.contacts += 1;
            for entry_key in ways(&contact) {
                let hash = hasher.hash_one(entry_key.as_slice());
                if !index.contains(&hash) {
                    suspicious.push(contact.id.clone());
                }
                used.insert(hash);
            }
        }
        checked.index_left_over += index.iter().filter(|hash| !used.contains(hash)).count() as u64;
        suspicious.dedup();
        for id in suspicious {
            // it may have been edited between the two readings
            let Some((_, contact)) = durable.contact(tenant, &id)? else { continue };
            for entry_key in ways(&contact) {
                if durable.get(tenant, &entry_key)?.is_none() && durable.contact(tenant, &id)?.is_some_and(|(_, now)| now == contact) {
                    checked.problem(format!("tenant {tenant}: the contact {id} isn't found by {:?}", String::from_utf8_lossy(&entry_key)));
                }
            }
        }
        for sort in key::PLAN {
            for item in durable.entries(tenant, &[sort], &[sort]) {
                let entry = item?;
                record::decode_item(entry.key(), entry.revision, entry.record())?;
                checked.items += 1;
            }
        }
        Ok(())
    }
}

fn ways(contact: &Contact) -> impl Iterator<Item = Vec<u8>> + '_ {
    contact.numbers.iter().flat_map(ContactNumber::indexed).map(|way| key::index_of_contact(&way, &contact.id))
}
