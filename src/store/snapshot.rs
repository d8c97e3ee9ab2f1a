//! What calls read: an immutable picture of everything a decision needs, swapped whole for each edit.
//!
//! Contacts are a packed base with a small overlay of edits and tombstones; routes, lists and users are persistent maps, so
//! that a new picture shares all but the edited entry with the old one. The writer keeps the old pictures until no
//! call looks at them, and frees them itself.

use super::base::Base;
use super::key;
use crate::directory::Contact;
use crate::number::{Class, Number};
use crate::routing::{
    CallerName, CompiledSchedule, Data, Extension, Found, Group, Limit, List, LookupFailed, PlanItem, PlanKey, Prefix, Route, RouteKey,
    Scope, Screen, ScreenKey, Trunk, User,
};
use rpds::HashTrieMapSync;
use std::sync::Arc;

/// One tenant's picture.
#[derive(Clone, Default)]
pub(super) struct TenantPicture {
    pub(super) base: Arc<Base>,
    /// Edited contacts by id; `None` is a removed one. They hide the base's.
    pub(super) edited: HashTrieMapSync<String, Option<Arc<Edited>>>,
    /// Edited contacts by number.
    pub(super) edited_numbers: HashTrieMapSync<Number, Vec<Arc<Edited>>>,
    pub(super) routes: HashTrieMapSync<RouteKey, Arc<Route>>,
    pub(super) screens: HashTrieMapSync<(List, ScreenKey), Arc<Screen>>,
    /// Users by domain and extension; no domain is empty.
    pub(super) users: HashTrieMapSync<String, HashTrieMapSync<String, Arc<User>>>,
    pub(super) groups: HashTrieMapSync<String, Arc<Group>>,
    pub(super) schedules: HashTrieMapSync<String, Arc<CompiledSchedule>>,
    pub(super) extensions: HashTrieMapSync<Number, Arc<Extension>>,
    /// By id. There are few, and a call out looks at all of them.
    pub(super) trunks: Arc<Vec<Arc<Trunk>>>,
    pub(super) limits: HashTrieMapSync<(Class, Scope), Limit>,
    /// How many prefixes there are, so that tenants without any don't look for them.
    pub(super) route_prefixes: usize,
    pub(super) screen_prefixes: usize,
}

/// An edited contact, as far as calls care.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Edited {
    pub(super) revision: u64,
    pub(super) id: String,
    pub(super) name: String,
    pub(super) numbers: Vec<Number>,
}

/// The whole picture.
#[derive(Clone, Default)]
pub(super) struct Snapshot {
    pub(super) revision: u64,
    pub(super) tenants: HashTrieMapSync<String, Arc<TenantPicture>>,
}

impl TenantPicture {
    /// Lays a contact over the base; `None` removes it.
    pub(super) fn edit_contact(&mut self, id: &str, revision: u64, contact: Option<&Contact>) {
        if let Some(Some(old)) = self.edited.get(id).cloned() {
            for number in &old.numbers {
                let left: Vec<_> = self.edited_numbers.get(number).into_iter().flatten().filter(|e| e.id != id).cloned().collect();
                if left.is_empty() {
                    self.edited_numbers.remove_mut(number);
                } else {
                    self.edited_numbers.insert_mut(number.clone(), left);
                }
            }
        }
        let edited = contact.map(|c| {
            let numbers: Vec<Number> = c.numbers.iter().map(|n| n.number.clone()).collect();
            Arc::new(Edited { revision, id: id.to_owned(), name: c.name.clone(), numbers })
        });
        if let Some(edited) = &edited {
            for number in &edited.numbers {
                let mut with: Vec<_> = self.edited_numbers.get(number).cloned().unwrap_or_default();
                with.push(edited.clone());
                with.sort_by(|a, b| b.revision.cmp(&a.revision).then_with(|| a.id.cmp(&b.id)));
                self.edited_numbers.insert_mut(number.clone(), with);
            }
        }
        self.edited.insert_mut(id.to_owned(), edited);
    }

    pub(super) fn edit_route(&mut self, route_key: &RouteKey, route: Option<Arc<Route>>) {
        let had = self.routes.contains_key(route_key);
        let has = route.is_some();
        match route {
            Some(route) => self.routes.insert_mut(route_key.clone(), route),
            None => drop(self.routes.remove_mut(route_key)),
        }
        if matches!(route_key, RouteKey::Prefix(_)) {
            self.route_prefixes = self.route_prefixes + usize::from(has) - usize::from(had);
        }
    }

    pub(super) fn edit_screen(&mut self, list: List, screen_key: &ScreenKey, screen: Option<Arc<Screen>>) {
        let at = (list, screen_key.clone());
        let had = self.screens.contains_key(&at);
        let has = screen.is_some();
        match screen {
            Some(screen) => self.screens.insert_mut(at, screen),
            None => drop(self.screens.remove_mut(&at)),
        }
        if matches!(screen_key, ScreenKey::Prefix(_)) {
            self.screen_prefixes = self.screen_prefixes + usize::from(has) - usize::from(had);
        }
    }

    pub(super) fn edit_user(&mut self, domain: &str, extension: &str, user: Option<Arc<User>>) {
        let mut users = self.users.get(domain).cloned().unwrap_or_default();
        match user {
            Some(user) => users.insert_mut(extension.to_owned(), user),
            None => drop(users.remove_mut(extension)),
        }
        if users.is_empty() {
            self.users.remove_mut(domain);
        } else {
            self.users.insert_mut(domain.to_owned(), users);
        }
    }
}

impl TenantPicture {
    /// Puts a thing of the plan to its place.
    pub(super) fn put(&mut self, item: PlanItem) {
        match item {
            PlanItem::Route(route) => self.edit_route(&route.key.clone(), Some(Arc::new(route))),
            PlanItem::Screen(screen) => self.edit_screen(screen.list, &screen.key.clone(), Some(Arc::new(screen))),
            PlanItem::User(user) => self.edit_user(&user.domain.clone(), &user.extension.clone(), Some(Arc::new(user))),
            PlanItem::Group(group) => self.groups.insert_mut(group.id.clone(), Arc::new(group)),
            PlanItem::Schedule(hours) => self.schedules.insert_mut(hours.id.clone(), Arc::new(hours.compile())),
            PlanItem::Extension(extension) => self.extensions.insert_mut(extension.number.clone(), Arc::new(extension)),
            PlanItem::Trunk(trunk) => {
                let trunks = Arc::make_mut(&mut self.trunks);
                match trunks.binary_search_by(|t| t.id.cmp(&trunk.id)) {
                    Ok(at) => trunks[at] = Arc::new(trunk),
                    Err(at) => trunks.insert(at, Arc::new(trunk)),
                }
            }
            PlanItem::Limit(limit) => self.limits.insert_mut((limit.class, limit.scope), limit),
        }
    }

    /// Takes a thing of the plan away.
    pub(super) fn take(&mut self, item: &PlanKey) {
        match item {
            PlanKey::Route(route) => self.edit_route(route, None),
            PlanKey::Screen(list, screen) => self.edit_screen(*list, screen, None),
            PlanKey::User(domain, extension) => self.edit_user(domain, extension, None),
            PlanKey::Group(id) => drop(self.groups.remove_mut(id)),
            PlanKey::Schedule(id) => drop(self.schedules.remove_mut(id)),
            PlanKey::Extension(number) => drop(self.extensions.remove_mut(number)),
            PlanKey::Trunk(id) => Arc::make_mut(&mut self.trunks).retain(|t| t.id != *id),
            PlanKey::Limit(class, scope) => drop(self.limits.remove_mut(&(*class, *scope))),
        }
    }
}

/// One tenant of a picture, as a decision reads it.
pub(super) struct TenantInMemory<'a> {
    pub(super) revision: u64,
    pub(super) picture: &'a TenantPicture,
}

impl TenantInMemory<'_> {
    fn by_prefix<T>(&self, number: &Number, get: impl Fn(Prefix) -> Option<T>) -> Option<T> {
        key::prefixes(number).find_map(get)
    }
}

impl Data for TenantInMemory<'_> {
    fn revision(&self) -> u64 {
        self.revision
    }

    fn route(&self, key: &RouteKey) -> Found<Arc<Route>> {
        Ok(self.picture.routes.get(key).cloned())
    }

    fn route_by_prefix(&self, number: &Number) -> Found<Arc<Route>> {
        if self.picture.route_prefixes == 0 {
            return Ok(None);
        }
        Ok(self.by_prefix(number, |p| self.picture.routes.get(&RouteKey::Prefix(p)).cloned()))
    }

    fn screen_number(&self, list: List, number: &Number) -> Found<Arc<Screen>> {
        if self.picture.screens.is_empty() {
            return Ok(None);
        }
        let exact = self.picture.screens.get(&(list, ScreenKey::Number(number.clone())));
        if exact.is_some() || self.picture.screen_prefixes == 0 {
            return Ok(exact.cloned());
        }
        Ok(self.by_prefix(number, |p| self.picture.screens.get(&(list, ScreenKey::Prefix(p))).cloned()))
    }

    fn screen(&self, list: List, key: &ScreenKey) -> Found<Arc<Screen>> {
        if self.picture.screens.is_empty() {
            return Ok(None);
        }
        Ok(self.picture.screens.get(&(list, key.clone())).cloned())
    }

    fn group(&self, id: &str) -> Found<Arc<Group>> {
        Ok(self.picture.groups.get(id).cloned())
    }

    fn schedule(&self, id: &str) -> Found<Arc<CompiledSchedule>> {
        Ok(self.picture.schedules.get(id).cloned())
    }

    fn extension(&self, number: &Number) -> Found<Arc<Extension>> {
        Ok(self.picture.extensions.get(number).cloned())
    }

    fn trunks(&self) -> Result<Arc<Vec<Arc<Trunk>>>, LookupFailed> {
        Ok(self.picture.trunks.clone())
    }

    fn limit(&self, class: Class, scope: Scope) -> Found<Limit> {
        Ok(self.picture.limits.get(&(class, scope)).cloned())
    }

    fn caller(&self, number: &Number) -> Found<CallerName> {
        let edited = self.picture.edited_numbers.get(number).and_then(|with| with.first());
        let in_base = self.picture.base.with_number(number).find(|c| !self.picture.edited.contains_key(c.id));
        let named = |contact: &str, name: &str| Some(CallerName { contact: contact.to_owned(), name: name.to_owned() });
        Ok(match (edited, in_base) {
            (Some(e), Some(b)) if (b.revision, e.id.as_str()) > (e.revision, b.id) => named(b.id, b.name),
            (Some(e), _) => named(&e.id, &e.name),
            (None, Some(b)) => named(b.id, b.name),
            (None, None) => None,
        })
    }

    fn user(&self, domain: &str, extension: &str) -> Found<Arc<User>> {
        Ok(self.picture.users.get(domain).and_then(|users| users.get(extension)).cloned())
    }

    fn has_domain(&self, domain: &str) -> Result<bool, LookupFailed> {
        Ok(self.picture.users.contains_key(domain))
    }
}
