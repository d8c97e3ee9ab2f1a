//! A plan in memory: what is decided by a plan that isn't the store's, such as one that somebody is about to apply.

use super::{
    CallerName, CompiledSchedule, Data, Extension, Found, FoundBy, Group, Known, Limit, List, LookupFailed, PlanItem, PlanKey, Prefix,
    Route, RouteKey, Scope, Screen, ScreenKey, Trunk, User,
};
use crate::number::{Class, Kind, Number};
use std::collections::BTreeMap;
use std::sync::Arc;

/// One tenant's plan in memory.
#[derive(Debug, Clone, Default)]
pub struct Sheet {
    /// Everything but contacts.
    pub items: BTreeMap<PlanKey, PlanItem>,
    /// (number, contact's id and name).
    pub names: Vec<(Number, CallerName)>,
    /// Every look-up fails: for tests of what is said then.
    pub is_broken: bool,
}

impl Sheet {
    /// Adds or replaces a thing.
    pub fn put(&mut self, item: PlanItem) -> &mut Sheet {
        self.items.insert(item.key(), item);
        self
    }

    fn whole(&self) -> Result<&Sheet, LookupFailed> {
        if self.is_broken { Err(LookupFailed("the disk is gone".into())) } else { Ok(self) }
    }

    fn get(&self, key: &PlanKey) -> Found<PlanItem> {
        Ok(self.whole()?.items.get(key).cloned())
    }

    fn by_prefix<T>(&self, number: &Number, get: impl Fn(Prefix) -> Found<T>) -> Found<T> {
        let kind = if number.kind() == Kind::E164 { Kind::E164 } else { Kind::Extension };
        let end = if number.digits().is_ascii() { number.digits().len() } else { 0 };
        for n in (1..=end).rev() {
            if let Some(found) = get(Prefix { kind, digits: number.digits()[..n].to_owned() })? {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }
}

impl Data for Sheet {
    fn revision(&self) -> u64 {
        1
    }

    fn route(&self, key: &RouteKey) -> Found<Arc<Route>> {
        Ok(self.get(&PlanKey::Route(key.clone()))?.and_then(|item| if let PlanItem::Route(r) = item { Some(Arc::new(r)) } else { None }))
    }

    fn route_by_prefix(&self, number: &Number) -> Found<Arc<Route>> {
        self.by_prefix(number, |prefix| self.route(&RouteKey::Prefix(prefix)))
    }

    fn screen_number(&self, list: List, number: &Number) -> Found<Arc<Screen>> {
        if let Some(exact) = self.screen(list, &ScreenKey::Number(number.clone()))? {
            return Ok(Some(exact));
        }
        self.by_prefix(number, |prefix| self.screen(list, &ScreenKey::Prefix(prefix)))
    }

    fn screen(&self, list: List, key: &ScreenKey) -> Found<Arc<Screen>> {
        let found = self.get(&PlanKey::Screen(list, key.clone()))?;
        Ok(found.and_then(|item| if let PlanItem::Screen(s) = item { Some(Arc::new(s)) } else { None }))
    }

    fn group(&self, id: &str) -> Found<Arc<Group>> {
        let found = self.get(&PlanKey::Group(id.to_owned()))?;
        Ok(found.and_then(|item| if let PlanItem::Group(g) = item { Some(Arc::new(g)) } else { None }))
    }

    fn schedule(&self, id: &str) -> Found<Arc<CompiledSchedule>> {
        let found = self.get(&PlanKey::Schedule(id.to_owned()))?;
        Ok(found.and_then(|item| if let PlanItem::Schedule(s) = item { Some(Arc::new(s.compile())) } else { None }))
    }

    fn extension(&self, number: &Number) -> Found<Arc<Extension>> {
        let found = self.get(&PlanKey::Extension(number.clone()))?;
        Ok(found.and_then(|item| if let PlanItem::Extension(e) = item { Some(Arc::new(e)) } else { None }))
    }

    fn trunks(&self) -> Result<Arc<Vec<Arc<Trunk>>>, LookupFailed> {
        let trunks =
            self.whole()?.items.values().filter_map(|item| if let PlanItem::Trunk(t) = item { Some(Arc::new(t.clone())) } else { None });
        Ok(Arc::new(trunks.collect()))
    }

    fn limit(&self, class: Class, scope: Scope) -> Found<Limit> {
        let found = self.get(&PlanKey::Limit(class, scope))?;
        Ok(found.and_then(|item| if let PlanItem::Limit(l) = item { Some(l) } else { None }))
    }

    fn known(&self, number: &Number, _callee: Option<&Number>, names_max: usize) -> Result<Known, LookupFailed> {
        let with = self.whole()?.names.iter().filter(|(n, _)| n == number);
        let names: Vec<CallerName> = with.map(|(_, name)| name.clone()).take(names_max).collect();
        Ok(Known { by: names.first().map(|_| FoundBy::Number), names, passed_over: false })
    }

    fn user(&self, domain: &str, extension: &str) -> Found<Arc<User>> {
        let found = self.get(&PlanKey::User(domain.to_owned(), extension.to_owned()))?;
        Ok(found.and_then(|item| if let PlanItem::User(u) = item { Some(Arc::new(u)) } else { None }))
    }

    fn has_domain(&self, domain: &str) -> Result<bool, LookupFailed> {
        Ok(self.whole()?.items.keys().any(|key| matches!(key, PlanKey::User(d, _) if d == domain)))
    }
}
