//! What an edit amounts to: which entries it changes, and what that means for the snapshot. Reads, and writes nothing.

use super::change::contact_entries;
use super::durable::Durable;
use super::record::{self, EntryChange};
use super::{Edit, StoreError, key};
use crate::directory::{Contact, check_id};
use crate::routing::{List, Route, RouteKey, Screen, ScreenKey, User};

/// What an edit means for the snapshot.
pub(super) enum Effect {
    Contact(String, Option<Contact>),
    Route(RouteKey, Option<Route>),
    Screen(List, ScreenKey, Option<Screen>),
    User(String, String, Option<User>),
    /// What calls don't look at.
    Unseen,
}

/// The entries that an edit changes (none if it changes nothing), what it means for the snapshot, and whether
/// what it names was there before.
pub(super) fn plan_edit(
    durable: &Durable,
    tenant: &str,
    edit: Edit,
    revision: u64,
) -> Result<(Vec<EntryChange>, Option<Effect>, bool), StoreError> {
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
        Edit::PutRoute(mut route) => {
            let entry_key = key::route(&route.key);
            let before = durable.route(tenant, &route.key)?;
            route.revision = before.as_ref().map_or(revision, |b| b.revision);
            if before.as_ref() == Some(&route) {
                return Ok((Vec::new(), None, true));
            }
            route.revision = revision;
            let (old, new) = (before.as_ref().map(record::encode).transpose()?, record::encode(&route)?);
            record::check_size("the route", &new)?;
            (single(entry_key, old, Some(new)), Some(Effect::Route(route.key.clone(), Some(route))), before.is_some())
        }
        Edit::RemoveRoute(route_key) => match durable.get(tenant, &key::route(&route_key))? {
            None => (Vec::new(), None, false),
            Some((_, before)) => (single(key::route(&route_key), Some(before), None), Some(Effect::Route(route_key, None)), true),
        },
        Edit::PutScreen(screen) => {
            let entry_key = key::screen(screen.list, &screen.key);
            let before = durable.get(tenant, &entry_key)?.map(|(_, r)| r);
            let new = record::encode(&screen)?;
            record::check_size("the list entry", &new)?;
            if before.as_ref() == Some(&new) {
                return Ok((Vec::new(), None, true));
            }
            let existed = before.is_some();
            (single(entry_key, before, Some(new)), Some(Effect::Screen(screen.list, screen.key.clone(), Some(screen))), existed)
        }
        Edit::RemoveScreen(list, screen_key) => match durable.get(tenant, &key::screen(list, &screen_key))? {
            None => (Vec::new(), None, false),
            Some((_, before)) => {
                (single(key::screen(list, &screen_key), Some(before), None), Some(Effect::Screen(list, screen_key, None)), true)
            }
        },
        Edit::PutUser(user) => {
            let user = user.check().map_err(|e| StoreError::NotAKey(e.to_string()))?;
            let entry_key = key::user(&user.domain, &user.extension);
            let before = durable.get(tenant, &entry_key)?.map(|(_, r)| r);
            let new = record::encode(&user)?;
            if before.as_ref() == Some(&new) {
                return Ok((Vec::new(), None, true));
            }
            let existed = before.is_some();
            let effect = Effect::User(user.domain.clone(), user.extension.clone(), Some(user));
            (single(entry_key, before, Some(new)), Some(effect), existed)
        }
        Edit::RemoveUser(domain, extension) => {
            let entry_key = key::user(&domain, &extension);
            match durable.get(tenant, &entry_key)? {
                None => (Vec::new(), None, false),
                Some((_, before)) => (single(entry_key, Some(before), None), Some(Effect::User(domain, extension, None)), true),
            }
        }
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
