//! History: the change log as people ask for it, the newest change first, thing by thing.
//!
//! The log is short enough to be read whole for one thing's history. What imports changed isn't in it, only that they came:
//! what is known of a contact there [`super::imported`] finds out.

use super::durable::Durable;
use super::engine::Space;
use super::record::{self, Change, EntryChange};
use super::{Reader, StoreError, key, parts};
use crate::access::Token;
use crate::directory::Contact;
use crate::routing::{PlanItem, PlanKey};
use std::collections::BTreeMap;

/// What a change changed.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Thing {
    /// A contact, by its id.
    Contact(String),
    /// A thing of the plan.
    Item(PlanKey),
    /// A token, by its name.
    Token(String),
}

impl std::fmt::Display for Thing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Thing::Contact(id) => write!(f, "contact {id}"),
            Thing::Item(item) => item.fmt(f),
            Thing::Token(name) => write!(f, "token {name}"),
        }
    }
}

/// A thing before and after a change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ThingChange {
    /// A contact; `None` where it wasn't there.
    Contact {
        /// Its id.
        id: String,
        /// Before.
        before: Option<Box<Contact>>,
        /// After.
        after: Option<Box<Contact>>,
        /// Whether what was before is known: of what an import changed it may not be.
        is_known: bool,
    },
    /// A thing of the plan.
    Item {
        /// Before.
        before: Option<Box<PlanItem>>,
        /// After.
        after: Option<Box<PlanItem>>,
    },
    /// A token. What it may do is in its record, which holds its digest too.
    Token {
        /// Its name.
        name: String,
        /// Whether it was there.
        before: bool,
        /// Whether it is there.
        after: bool,
    },
}

impl ThingChange {
    /// Which thing; `None` for what is neither before nor after.
    pub fn thing(&self) -> Option<Thing> {
        match self {
            ThingChange::Contact { id, .. } => Some(Thing::Contact(id.clone())),
            ThingChange::Item { before, after } => after.as_ref().or(before.as_ref()).map(|item| Thing::Item(item.key())),
            ThingChange::Token { name, .. } => Some(Thing::Token(name.clone())),
        }
    }

    /// What an entry of a change says; `None` for entries that follow from others.
    pub(super) fn of(entry: &EntryChange, revision: u64) -> Result<Option<ThingChange>, StoreError> {
        let name = || String::from_utf8_lossy(&entry.key[1..]).into_owned();
        Ok(match entry.key.first() {
            Some(&key::CONTACT) => {
                let read = |r: &Option<Vec<u8>>| r.as_deref().map(|r| record::decode(r).map(Box::new)).transpose();
                Some(ThingChange::Contact { id: name(), before: read(&entry.before)?, after: read(&entry.after)?, is_known: true })
            }
            Some(&key::TOKEN) => {
                for record in [&entry.before, &entry.after].into_iter().flatten() {
                    record::decode::<Token>(record)?;
                }
                Some(ThingChange::Token { name: name(), before: entry.before.is_some(), after: entry.after.is_some() })
            }
            _ => {
                let read = |r: &Option<Vec<u8>>, revision: u64| -> Result<Option<PlanItem>, StoreError> {
                    r.as_deref().map(|r| record::decode_item(&entry.key, revision, r)).transpose().map(Option::flatten)
                };
                let (before, after) = (read(&entry.before, 0)?.map(Box::new), read(&entry.after, revision)?.map(Box::new));
                (before.is_some() || after.is_some()).then_some(ThingChange::Item { before, after })
            }
        })
    }
}

/// A change as history tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Past {
    /// The change, without its entries.
    pub change: Change,
    /// What it changed, of what was asked for; so many at most.
    pub things: Vec<ThingChange>,
    /// What it changed beside these.
    pub more: u64,
    /// Its entries were too many to be kept until now.
    pub is_let_go: bool,
    /// For an import: the source that it brought, and how many contacts this has. None for one that only took something away.
    pub import: Option<(String, u64)>,
}

/// Whose history is wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wanted {
    /// A contact's.
    Contact(String),
    /// That of a thing of the plan or a token, by what it is called: `group family`.
    Named(String),
}

impl Wanted {
    fn fits(&self, thing: &ThingChange) -> bool {
        match (self, thing) {
            (Wanted::Contact(wanted), ThingChange::Contact { id, .. }) => wanted == id,
            (Wanted::Named(wanted), thing) => thing.thing().is_some_and(|thing| thing.to_string() == *wanted),
            _ => false,
        }
    }

    /// Whether an entry may be one of the thing's: what can be said without reading it.
    fn may_fit(&self, entry: &EntryChange) -> bool {
        match self {
            Wanted::Contact(id) => entry.key.first() == Some(&key::CONTACT) && &entry.key[1..] == id.as_bytes(),
            Wanted::Named(_) => true,
        }
    }
}

impl Reader {
    /// A tenant's changes below a revision, the newest first: all, or those of one thing. Of each `things_max` things are told.
    pub fn history<'a>(
        &'a self,
        tenant: &'a str,
        wanted: Option<&'a Wanted>,
        below: u64,
        things_max: usize,
    ) -> Result<impl Iterator<Item = Result<Past, StoreError>> + use<'a>, StoreError> {
        let imports = match wanted {
            Some(Wanted::Contact(id)) => self.imports_of(tenant, id)?,
            _ => BTreeMap::new(),
        };
        let changes = self.shared.durable.changes_back(below);
        let told = move |item: Result<Change, StoreError>| {
            let change = match item {
                Ok(change) if change.tenant == tenant => change,
                Ok(_) => return None,
                Err(error) => return Some(Err(error)),
            };
            self.past(change, wanted, &imports, things_max).transpose()
        };
        Ok(changes.filter_map(told))
    }

    fn past(
        &self,
        change: Change,
        wanted: Option<&Wanted>,
        imports: &BTreeMap<u64, ThingChange>,
        things_max: usize,
    ) -> Result<Option<Past>, StoreError> {
        let mut past = Past { change, things: Vec::new(), more: 0, is_let_go: false, import: None };
        if let Some(generations) = &past.change.generations {
            let own = generations.iter().find(|g| g.revision == past.change.revision);
            past.import = own.map(|g| (g.source.clone(), g.contacts));
            past.things.extend(imports.get(&past.change.revision).cloned());
        }
        let revision = past.change.revision;
        let mut see = |entry: &EntryChange, things: &mut Vec<ThingChange>| -> Result<(), StoreError> {
            if wanted.is_some_and(|wanted| !wanted.may_fit(entry)) {
                return Ok(());
            }
            match ThingChange::of(entry, revision)? {
                Some(thing) if wanted.is_none_or(|wanted| wanted.fits(&thing)) => {
                    if things.len() < things_max {
                        things.push(thing);
                    } else {
                        past.more += 1;
                    }
                }
                _ => {}
            }
            Ok(())
        };
        for entry in std::mem::take(&mut past.change.entries) {
            see(&entry, &mut past.things)?;
        }
        if let Some(staged) = &past.change.staged {
            let mut read = |things: &mut Vec<ThingChange>| {
                parts::read(&self.shared.durable, &past.change.tenant, staged, |part| part.iter().try_for_each(|entry| see(entry, things)))
            };
            let (mut things, mut is_there) = (Vec::new(), read(&mut past.things));
            if let Err(StoreError::Corrupt { .. }) = is_there {
                // the parts may be swept while they are read; a second look finds some gone, and what is damaged still damaged
                is_there = read(&mut things);
                past.things = things;
            }
            past.is_let_go = !is_there?;
        }
        let is_told = wanted.is_none() || !past.things.is_empty() || (past.is_let_go && wanted.is_some());
        Ok(is_told.then_some(past))
    }

    /// The oldest revision that the log still has; those before were let go of. `None` for an empty log.
    ///
    /// # Errors
    /// The disk could not be read.
    pub fn history_begins(&self) -> Result<Option<u64>, StoreError> {
        Ok(self.shared.durable.changes(0).next().transpose()?.map(|change| change.revision))
    }
}

impl Durable {
    /// Changes below a revision, the newest first.
    pub(super) fn changes_back(&self, below: u64) -> impl Iterator<Item = Result<Change, StoreError>> + use<> {
        self.engine.scan_back(Space::Log, &[], &below.to_be_bytes()).map(|item| record::decode(&item?.1))
    }
}
