//! What a change amounts to: the entries that it makes of a contact, and how entries and pointers get to their places.

use super::durable::{Durable, live_value};
use super::engine::Space;
use super::record::{self, EntryChange, Generation};
use super::{StoreError, key};
use crate::directory::{Contact, ContactNumber};
use std::collections::BTreeSet;
use std::sync::Arc;

/// A contact's entries and those of its numbers, before and after.
pub(super) fn contact_entries(id: &str, before: Option<&Contact>, after: Option<&Contact>) -> Result<Vec<EntryChange>, StoreError> {
    let numbers = |c: Option<&Contact>| -> BTreeSet<Vec<u8>> {
        let ways = c.into_iter().flat_map(|c| c.numbers.iter().flat_map(ContactNumber::indexed));
        ways.map(|way| key::index_of_contact(&way, id)).collect()
    };
    let (old, new) = (numbers(before), numbers(after));
    // All numbers are written, also those that stay: the layer below may lose them to an import, while this edit
    // stays. They come before the contact, and those that are gone after it: a reader in between finds either the
    // old contact or the new one, and never a number that leads nowhere.
    let was = |k: &Vec<u8>| old.contains(k).then(Vec::new);
    let mut entries: Vec<EntryChange> =
        new.iter().map(|k| EntryChange { key: k.clone(), before: was(k), after: Some(Vec::new()) }).collect();
    let after = after.map(record::encode).transpose()?;
    record::check_size("the contact", after.as_deref().unwrap_or_default())?;
    entries.push(EntryChange { key: key::contact(id), before: before.map(record::encode).transpose()?, after });
    entries.extend(old.difference(&new).map(|k| EntryChange { key: k.clone(), before: Some(Vec::new()), after: None }));
    Ok(entries)
}

/// Writes a change's entries to their places. Doing it twice does no harm. While an import of the tenant has `begun`, a
/// removed contact leaves its tombstone even where no generation has it: the import may. So it does where one of those has
/// it that were true `before` the last import: undoing that must not bring the contact back.
pub(super) fn apply_entries(
    durable: &Durable,
    tenant: &str,
    revision: u64,
    entries: &[EntryChange],
    begun: bool,
    before: &[Arc<Generation>],
) -> Result<(), StoreError> {
    let tenant_key = key::tenant(tenant);
    let is_below = |entry_key: &[u8]| Ok::<bool, StoreError>(begun || durable.is_in_a_generation(tenant, entry_key, before)?);
    for entry in entries {
        let live_key = [tenant_key.as_slice(), &entry.key].concat();
        // imports bring contacts and nothing else: whatever else is removed needs no tombstone
        match &entry.after {
            None if !key::is_of_contacts(&entry.key) || !is_below(&entry.key)? => {
                durable.engine.remove(Space::Live, &live_key)?;
            }
            after => durable.engine.put(Space::Live, &live_key, &live_value(revision, after.as_deref()))?,
        }
    }
    Ok(())
}

/// Makes these generations of a tenant true, and no others.
pub(super) fn apply_generations(durable: &Durable, tenant: &str, generations: &[Generation]) -> Result<(), StoreError> {
    durable.engine.put(Space::Meta, &super::pointer_key(tenant), &record::encode(&generations.to_vec())?)?;
    let mut pointers = (**durable.pointers.load()).clone();
    let old = pointers.remove(tenant).unwrap_or_default();
    // one that stays true stays the same, so that its readers are counted together
    let kept = |g: &Generation| old.iter().find(|o| ***o == *g).cloned().unwrap_or_else(|| Arc::new(g.clone()));
    pointers.insert(tenant.to_owned(), generations.iter().map(kept).collect());
    durable.pointers.store(Arc::new(pointers));
    Ok(())
}
