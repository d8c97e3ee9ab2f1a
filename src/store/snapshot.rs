//! What calls read: an immutable picture of everything a decision needs, swapped whole for each edit.
//!
//! Contacts are a packed base with a small overlay of edits and tombstones; routes, lists and users are persistent maps, so
//! that a new picture shares all but the edited entry with the old one. The writer keeps the old pictures until no
//! call looks at them, and frees them itself.

use super::base::{Base, Key, Lengths, beginnings_of, owner_of, pack};
use super::key;
use crate::directory::{BEHIND_DIGITS_MAX, Contact, ContactNumber};
use crate::number::{Class, Kind, Number};
use crate::routing::{
    CallerName, CompiledSchedule, Data, Extension, Found, FoundBy, Group, Known, Limit, List, LookupFailed, PlanItem, PlanKey, Prefix,
    Route, RouteKey, Scope, Screen, ScreenKey, Trunk, User,
};
use rpds::HashTrieMapSync;
use std::cmp::Reverse;
use std::sync::Arc;

/// One tenant's picture.
#[derive(Clone, Default)]
pub(super) struct TenantPicture {
    pub(super) base: Arc<Base>,
    /// Edited contacts by id; `None` is a removed one. They hide the base's.
    pub(super) edited: HashTrieMapSync<String, Option<Arc<Edited>>>,
    /// Edited contacts by what they are found by, in the order of the base's.
    pub(super) edited_keys: HashTrieMapSync<Key, Vec<Arc<Edited>>>,
    /// Which lengths of beginnings and main numbers occur, or did, among edited contacts.
    pub(super) edited_lengths: Lengths,
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
    /// Whose personal phone book it is in, packed; 0 is everybody's.
    pub(super) owner: u64,
    pub(super) keys: Vec<Key>,
}

impl Edited {
    /// What the order among those with one number goes by: shared ones, then by owner; newest first, then by id.
    fn order(&self) -> (u64, Reverse<u64>, &str) {
        (self.owner, Reverse(self.revision), &self.id)
    }
}

/// The whole picture.
#[derive(Clone, Default)]
pub(super) struct Snapshot {
    pub(super) revision: u64,
    /// When calls got it, in microseconds since 1970.
    pub(super) made_us: u64,
    pub(super) tenants: HashTrieMapSync<String, Arc<TenantPicture>>,
}

impl TenantPicture {
    /// Lays a contact over the base; `None` removes it.
    pub(super) fn edit_contact(&mut self, id: &str, revision: u64, contact: Option<&Contact>) {
        if let Some(Some(old)) = self.edited.get(id).cloned() {
            for key in &old.keys {
                let left: Vec<_> = self.edited_keys.get(key).into_iter().flatten().filter(|e| e.id != id).cloned().collect();
                if left.is_empty() {
                    self.edited_keys.remove_mut(key);
                } else {
                    self.edited_keys.insert_mut(key.clone(), left);
                }
            }
        }
        let edited = contact.map(|c| {
            let ways = c.numbers.iter().flat_map(ContactNumber::indexed);
            let mut keys: Vec<Key> = ways.filter_map(|way| Key::of_way(&way)).collect();
            keys.sort_unstable();
            keys.dedup();
            Arc::new(Edited { revision, id: id.to_owned(), name: c.name.clone(), owner: owner_of(c), keys })
        });
        if let Some(edited) = &edited {
            for key in &edited.keys {
                self.edited_lengths.add(key);
                let mut with: Vec<_> = self.edited_keys.get(key).cloned().unwrap_or_default();
                let at = with.partition_point(|other| other.order() < edited.order());
                with.insert(at, edited.clone());
                self.edited_keys.insert_mut(key.clone(), with);
            }
        }
        self.edited.insert_mut(id.to_owned(), edited);
    }

    /// The same without the edits of contacts: the next base has them.
    pub(super) fn without_edits(&self) -> TenantPicture {
        let (edited, edited_keys, edited_lengths) = Default::default();
        TenantPicture { edited, edited_keys, edited_lengths, ..self.clone() }
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

    /// Adds the names of who is found in a way, as that extension may know it; whether there are any.
    fn name_by(&self, key: &Key, callee: u64, names_max: usize, known: &mut Known) -> bool {
        let in_base = self.picture.base.found_by(key);
        let edited = self.picture.edited_keys.get(key).map_or(&[][..], Vec::as_slice);
        let is_edited = |id: &str| self.picture.edited.contains_key(id);
        // of one's own phone book first
        let owners = [callee, 0];
        for owner in &owners[usize::from(callee == 0)..] {
            let start = edited.partition_point(|e| e.owner < *owner);
            let mut edits = edited[start..].iter().take_while(|e| e.owner == *owner).peekable();
            let mut others = in_base.of(*owner).filter(|c| !is_edited(c.id)).peekable();
            while known.names.len() < names_max {
                let is_edit = match (edits.peek(), others.peek()) {
                    (Some(e), Some(b)) => (Reverse(e.revision), e.id.as_str()) < (Reverse(b.revision), b.id),
                    (edit, other) => edit.is_some() || other.is_none(),
                };
                let next = match is_edit {
                    true => edits.next().map(|e| (e.id.as_str(), e.name.as_str())),
                    false => others.next().map(|c| (c.id, c.name)),
                };
                let Some((contact, name)) = next else { break };
                known.names.push(CallerName { contact: contact.to_owned(), name: name.to_owned() });
            }
        }
        known.passed_over |= edited.iter().rev().take_while(|e| e.owner != 0).any(|e| e.owner != callee)
            || in_base.of_others(callee).any(|c| !is_edited(c.id));
        !known.names.is_empty()
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

    fn known(&self, number: &Number, callee: Option<&Number>, names_max: usize) -> Result<Known, LookupFailed> {
        let callee = callee.and_then(pack).unwrap_or_default();
        let mut known = Known::default();
        if self.name_by(&Key::of(number), callee, names_max, &mut known) {
            known.by = Some(FoundBy::Number);
            return Ok(known);
        }
        let lengths = self.picture.base.lengths() | self.picture.edited_lengths;
        if number.kind() != Kind::E164 || lengths.is_empty() {
            return Ok(known);
        }
        let (digits, packed) = (number.digits().len(), beginnings_of(number.digits()));
        let beginnings = lengths.beginnings(digits).map(|n| (Key::beginning(packed[n]), FoundBy::Beginning(n as u8)));
        let shortest = digits.saturating_sub(BEHIND_DIGITS_MAX);
        let behind = lengths.behind(shortest, digits - 1).map(|n| (Key::behind(packed[n]), FoundBy::Behind(n as u8)));
        for (key, by) in beginnings.chain(behind) {
            if self.name_by(&key, callee, names_max, &mut known) {
                known.by = Some(by);
                break;
            }
        }
        Ok(known)
    }

    fn user(&self, domain: &str, extension: &str) -> Found<Arc<User>> {
        Ok(self.picture.users.get(domain).and_then(|users| users.get(extension)).cloned())
    }

    fn has_domain(&self, domain: &str) -> Result<bool, LookupFailed> {
        Ok(self.picture.users.contains_key(domain))
    }
}
