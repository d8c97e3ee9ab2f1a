//! What a tenant's plan is made of: everything that decides calls, whatever sort of thing it is.

use super::{Extension, Group, Limit, List, Route, RouteKey, Schedule, Scope, Screen, ScreenKey, Trunk, User};
use crate::number::{Class, Number};
use serde::{Deserialize, Serialize};
use std::fmt;

/// One thing of a plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PlanItem {
    /// A route.
    Route(Route),
    /// An entry of a list.
    Screen(Screen),
    /// A SIP account.
    User(User),
    /// A ring group.
    Group(Group),
    /// Opening hours.
    Schedule(Schedule),
    /// An extension's settings.
    Extension(Extension),
    /// A trunk.
    Trunk(Trunk),
    /// A brake against toll fraud.
    Limit(Limit),
}

/// Which thing of a plan.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PlanKey {
    /// A route.
    Route(RouteKey),
    /// An entry of a list.
    Screen(List, ScreenKey),
    /// A SIP account, by domain and extension.
    User(String, String),
    /// A ring group, by its id.
    Group(String),
    /// Opening hours, by their id.
    Schedule(String),
    /// An extension's settings.
    Extension(Number),
    /// A trunk, by its id.
    Trunk(String),
    /// A brake.
    Limit(Class, Scope),
}

impl PlanItem {
    /// Its key.
    pub fn key(&self) -> PlanKey {
        match self {
            PlanItem::Route(route) => PlanKey::Route(route.key.clone()),
            PlanItem::Screen(screen) => PlanKey::Screen(screen.list, screen.key.clone()),
            PlanItem::User(user) => PlanKey::User(user.domain.clone(), user.extension.clone()),
            PlanItem::Group(group) => PlanKey::Group(group.id.clone()),
            PlanItem::Schedule(schedule) => PlanKey::Schedule(schedule.id.clone()),
            PlanItem::Extension(extension) => PlanKey::Extension(extension.number.clone()),
            PlanItem::Trunk(trunk) => PlanKey::Trunk(trunk.id.clone()),
            PlanItem::Limit(limit) => PlanKey::Limit(limit.class, limit.scope),
        }
    }

    /// The same with another revision, where it has one.
    #[must_use]
    pub fn with_revision(mut self, revision: u64) -> PlanItem {
        match &mut self {
            PlanItem::Route(Route { revision: r, .. })
            | PlanItem::Group(Group { revision: r, .. })
            | PlanItem::Schedule(Schedule { revision: r, .. })
            | PlanItem::Extension(Extension { revision: r, .. })
            | PlanItem::Trunk(Trunk { revision: r, .. }) => *r = revision,
            PlanItem::Screen(_) | PlanItem::User(_) | PlanItem::Limit(_) => {}
        }
        self
    }
}

impl PlanItem {
    /// The edit that made it so, where it knows.
    pub fn revision(&self) -> Option<u64> {
        match self {
            PlanItem::Route(Route { revision, .. })
            | PlanItem::Group(Group { revision, .. })
            | PlanItem::Schedule(Schedule { revision, .. })
            | PlanItem::Extension(Extension { revision, .. })
            | PlanItem::Trunk(Trunk { revision, .. }) => Some(*revision),
            PlanItem::Screen(_) | PlanItem::User(_) | PlanItem::Limit(_) => None,
        }
    }
}

impl fmt::Display for PlanKey {
    /// For people: `route +14155550199`, `group family`, `limit on premium of each extension`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PlanKey::Route(key) => write!(f, "route {key}"),
            PlanKey::Screen(list, key) => write!(f, "{} {key}", list.word()),
            PlanKey::User(domain, extension) => write!(f, "user {extension}@{domain}"),
            PlanKey::Group(id) => write!(f, "group {id}"),
            PlanKey::Schedule(id) => write!(f, "schedule {id}"),
            PlanKey::Extension(number) => write!(f, "extension {number}"),
            PlanKey::Trunk(id) => write!(f, "trunk {id}"),
            PlanKey::Limit(class, scope) => write!(f, "limit {class} per {}", scope.word()),
        }
    }
}
