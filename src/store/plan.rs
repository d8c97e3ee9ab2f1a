//! What an edit amounts to: which entries it changes, and what that means for the snapshot. Reads, and writes nothing.

use super::change::contact_entries;
use super::durable::Durable;
use super::plan_change::PlanEdits;
use super::record::{self, EntryChange};
use super::{Edit, StoreError, key};
use crate::directory::{Contact, check_id};
use crate::routing::{PlanItem, PlanKey};
use std::collections::{BTreeMap, BTreeSet};

/// What an edit means for the snapshot. The revision comes with it when it is made true.
pub(super) enum Effect {
    Contact(String, Option<Contact>),
    Put(PlanItem),
    Take(PlanKey),
    /// What calls don't look at.
    Unseen,
}

/// What one edit amounts to: the entries that it changes, what it means for the snapshot, whether the thing was there.
type One = (Vec<EntryChange>, Option<Effect>, bool);

/// What many edits amount to.
#[derive(Default)]
pub(super) struct Planned {
    /// Every entry that changes, once.
    pub(super) entries: Vec<EntryChange>,
    /// What that means for the snapshot.
    pub(super) effects: Vec<Effect>,
    /// Whether anything that is named was there before.
    pub(super) existed: bool,
}

impl Planned {
    fn add(&mut self, (entries, effect, existed): One) {
        self.entries.extend(entries);
        self.effects.extend(effect);
        self.existed |= existed;
    }
}

/// A thing of the plan as it is stored: what a user is known by has one spelling.
fn stored(item: PlanItem) -> Result<PlanItem, StoreError> {
    match item {
        PlanItem::User(user) => Ok(PlanItem::User(user.check().map_err(|e| StoreError::NotAKey(e.to_string()))?)),
        item => Ok(item),
    }
}

/// Adds or replaces a thing of the plan.
fn put(durable: &Durable, tenant: &str, item: PlanItem) -> Result<One, StoreError> {
    let item = stored(item)?;
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
    Ok((vec![change], Some(Effect::Put(item)), existed))
}

/// Adds or replaces a contact.
fn put_contact(durable: &Durable, tenant: &str, contact: Contact, keep_source: bool) -> Result<One, StoreError> {
    check_id(&contact.id).map_err(|e| StoreError::NotAKey(e.to_string()))?;
    let before = durable.contact(tenant, &contact.id)?.map(|(_, c)| c);
    let mut contact = contact;
    if let Some(before) = &before
        && keep_source
        && contact.source.is_empty()
    {
        contact.source.clone_from(&before.source);
    }
    if before.as_ref() == Some(&contact) {
        return Ok((Vec::new(), None, true));
    }
    let entries = contact_entries(&contact.id, before.as_ref(), Some(&contact))?;
    Ok((entries, Some(Effect::Contact(contact.id.clone(), Some(contact))), before.is_some()))
}

fn take_contact(durable: &Durable, tenant: &str, id: String) -> Result<One, StoreError> {
    Ok(match durable.contact(tenant, &id)? {
        None => (Vec::new(), None, false),
        Some((_, before)) => (contact_entries(&id, Some(&before), None)?, Some(Effect::Contact(id, None)), true),
    })
}

/// Removes a thing of the plan.
fn take(durable: &Durable, tenant: &str, item: PlanKey) -> Result<One, StoreError> {
    let entry_key = key::plan(&item);
    Ok(match durable.get(tenant, &entry_key)? {
        None => (Vec::new(), None, false),
        Some((_, before)) => (vec![EntryChange { key: entry_key, before: Some(before), after: None }], Some(Effect::Take(item)), true),
    })
}

/// The entries that many edits change together. Of two that speak of the same thing the later one counts, and of a removal
/// and a replacement the replacement. What is put comes first, in the order in which things speak of each other, and what
/// is removed last: whoever reads in between finds what a route speaks of.
pub(super) fn plan_edits(durable: &Durable, tenant: &str, edits: PlanEdits) -> Result<Planned, StoreError> {
    let mut planned = Planned::default();
    let mut puts = BTreeMap::new();
    for item in edits.puts {
        let item = stored(item)?;
        puts.insert(key::plan(&item.key()), item);
    }
    let mut takes: BTreeMap<Vec<u8>, PlanKey> = edits.removes.into_iter().map(|k| (key::plan(&k), k)).collect();
    takes.retain(|k, _| !puts.contains_key(k));
    let contacts: BTreeMap<String, Contact> = edits.contacts.into_iter().map(|c| (c.id.clone(), c)).collect();
    let mut contacts_removed: BTreeSet<String> = edits.contacts_removed.into_iter().collect();
    contacts_removed.retain(|id| !contacts.contains_key(id));
    for item in puts.into_values() {
        planned.add(put(durable, tenant, item)?);
    }
    for contact in contacts.into_values() {
        planned.add(put_contact(durable, tenant, contact, false)?);
    }
    for id in contacts_removed {
        planned.add(take_contact(durable, tenant, id)?);
    }
    for item in takes.into_values().rev() {
        planned.add(take(durable, tenant, item)?);
    }
    Ok(planned)
}

/// The entry that an edit is about: of a contact the contact itself, and not what it is found by.
fn entry_key_of(edit: &Edit) -> Vec<u8> {
    match edit {
        Edit::PutContact(contact) => key::contact(&contact.id),
        Edit::RemoveContact(id) => key::contact(id),
        Edit::PutRoute(route) => key::route(&route.key),
        Edit::RemoveRoute(route) => key::route(route),
        Edit::PutScreen(screen) => key::screen(screen.list, &screen.key),
        Edit::RemoveScreen(list, screen) => key::screen(*list, screen),
        Edit::PutUser(user) => key::user(&user.domain.to_ascii_lowercase(), &user.extension),
        Edit::RemoveUser(domain, extension) => key::user(domain, extension),
        Edit::PutToken(token) => key::token(&token.name),
        Edit::RemoveToken(name) => key::token(name),
        Edit::Put(PlanItem::User(user)) => key::user(&user.domain.to_ascii_lowercase(), &user.extension),
        Edit::Put(item) => key::plan(&item.key()),
        Edit::Remove(item) => key::plan(item),
        Edit::Over(_, edit) => entry_key_of(edit),
    }
}

/// The entries that an edit changes (none if it changes nothing), what it means for the snapshot, and whether
/// what it names was there before.
pub(super) fn plan_edit(durable: &Durable, tenant: &str, edit: Edit) -> Result<One, StoreError> {
    let single = |entry_key: Vec<u8>, before: Option<Vec<u8>>, after: Option<Vec<u8>>| vec![EntryChange { key: entry_key, before, after }];
    Ok(match edit {
        Edit::PutContact(contact) => put_contact(durable, tenant, contact, true)?,
        Edit::RemoveContact(id) => take_contact(durable, tenant, id)?,
        Edit::PutRoute(route) => put(durable, tenant, PlanItem::Route(route))?,
        Edit::PutScreen(screen) => put(durable, tenant, PlanItem::Screen(screen))?,
        Edit::PutUser(user) => put(durable, tenant, PlanItem::User(user))?,
        Edit::Put(item) => put(durable, tenant, item)?,
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
        Edit::Over(over, edit) => {
            let revision = durable.get(tenant, &entry_key_of(&edit))?.map_or(0, |(revision, _)| revision);
            if revision != over {
                return Err(StoreError::Stale { revision });
            }
            plan_edit(durable, tenant, *edit)?
        }
        Edit::RemoveToken(name) => match durable.get(tenant, &key::token(&name))? {
            None => (Vec::new(), None, false),
            Some((_, before)) => (single(key::token(&name), Some(before), None), Some(Effect::Unseen), true),
        },
    })
}
