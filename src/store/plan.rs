//! What an edit amounts to: which entries it changes, and what that means for the snapshot. Reads, and writes nothing.

use super::change::contact_entries;
use super::durable::Durable;
use super::record::{self, EntryChange};
use super::{Edit, StoreError, key};
use crate::directory::{Contact, check_id};
use crate::routing::{PlanItem, PlanKey};

/// What an edit means for the snapshot.
pub(super) enum Effect {
    Contact(String, Option<Contact>),
    Put(PlanItem),
    Take(PlanKey),
    /// What calls don't look at.
    Unseen,
}

/// What one edit amounts to: the entries that it changes, what it means for the snapshot, whether the thing was there.
type Planned = (Vec<EntryChange>, Option<Effect>, bool);

/// Adds or replaces a thing of the plan.
fn put(durable: &Durable, tenant: &str, item: PlanItem, revision: u64) -> Result<Planned, StoreError> {
    let item = match item {
        PlanItem::User(user) => PlanItem::User(user.check().map_err(|e| StoreError::NotAKey(e.to_string()))?),
        item => item,
    };
    let entry_key = key::plan(&item.key());
    let before = durable.get(tenant, &entry_key)?;
    let after = record::encode_item(&item)?;
    record::check_size(&item.key().to_string(), &after)?;
    // an older version of the same record says the same in other bytes
    let is_same = match &before {
        Some((was, bytes)) => {
            *bytes == after || record::decode_item(&entry_key, *was, bytes)?.as_ref() == Some(&item.clone().with_revision(*was))
        }
        None => false,
    };
    if is_same {
        return Ok((Vec::new(), None, true));
    }
    let existed = before.is_some();
    let change = EntryChange { key: entry_key, before: before.map(|(_, bytes)| bytes), after: Some(after) };
    Ok((vec![change], Some(Effect::Put(item.with_revision(revision))), existed))
}

/// Removes a thing of the plan.
fn take(durable: &Durable, tenant: &str, item: PlanKey) -> Result<Planned, StoreError> {
    let entry_key = key::plan(&item);
    Ok(match durable.get(tenant, &entry_key)? {
        None => (Vec::new(), None, false),
        Some((_, before)) => (vec![EntryChange { key: entry_key, before: Some(before), after: None }], Some(Effect::Take(item)), true),
    })
}

/// The entries that an edit changes (none if it changes nothing), what it means for the snapshot, and whether
/// what it names was there before.
pub(super) fn plan_edit(durable: &Durable, tenant: &str, edit: Edit, revision: u64) -> Result<Planned, StoreError> {
    let single = |entry_key: Vec<u8>, before: Option<Vec<u8>>, after: Option<Vec<u8>>| vec![EntryChange { key: entry_key, before, after }];
    Ok(match edit {
        Edit::PutContact(mut contact) => {
            check_id(&contact.id).map_err(|e| StoreError::NotAKey(e.to_string()))?;
            let before = durable.contact(tenant, &contact.id)?.map(|(_, c)| c);
            if let Some(before) = &before
                && contact.source.is_empty()
            {
                contact.source.clone_from(&before.source);
            }
            if before.as_ref() == Some(&contact) {
                return Ok((Vec::new(), None, true));
            }
            let entries = contact_entries(&contact.id, before.as_ref(), Some(&contact))?;
            (entries, Some(Effect::Contact(contact.id.clone(), Some(contact))), before.is_some())
        }
        Edit::RemoveContact(id) => match durable.contact(tenant, &id)? {
            None => (Vec::new(), None, false),
            Some((_, before)) => (contact_entries(&id, Some(&before), None)?, Some(Effect::Contact(id, None)), true),
        },
        Edit::PutRoute(route) => put(durable, tenant, PlanItem::Route(route), revision)?,
        Edit::PutScreen(screen) => put(durable, tenant, PlanItem::Screen(screen), revision)?,
        Edit::PutUser(user) => put(durable, tenant, PlanItem::User(user), revision)?,
        Edit::Put(item) => put(durable, tenant, item, revision)?,
        Edit::RemoveRoute(key) => take(durable, tenant, PlanKey::Route(key))?,
        Edit::RemoveScreen(list, key) => take(durable, tenant, PlanKey::Screen(list, key))?,
        Edit::RemoveUser(domain, extension) => take(durable, tenant, PlanKey::User(domain, extension))?,
        Edit::Remove(key) => take(durable, tenant, key)?,
        Edit::PutToken(token) => {
            let token = token.check().map_err(|e| StoreError::NotAKey(e.to_string()))?;
            let entry_key = key::token(&token.name);
            let before = durable.get(tenant, &entry_key)?.map(|(_, r)| r);
            let new = record::encode(&token)?;
            if before.as_ref() == Some(&new) {
                return Ok((Vec::new(), None, true));
            }
            let existed = before.is_some();
            (single(entry_key, before, Some(new)), Some(Effect::Unseen), existed)
        }
        Edit::RemoveToken(name) => match durable.get(tenant, &key::token(&name))? {
            None => (Vec::new(), None, false),
            Some((_, before)) => (single(key::token(&name), Some(before), None), Some(Effect::Unseen), true),
        },
    })
}
