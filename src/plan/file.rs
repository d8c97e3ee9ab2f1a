//! A plan's file, read: TOML → things, or everything that is wrong with it.
//!
//! What is right is read once. Only where something is wrong the text is taken apart again, to look for the rest of it and
//! for its lines.

use super::draft::{ContactText, ItemDraft};
use super::mistake::{Mistake, Mistakes};
use super::place::{Lines, byte_of};
use super::references::{Seen, broken, names};
use super::salvage::{Salvaged, salvage};
use crate::directory::{Contact, ContactDraft};
use crate::nearest::did_you_mean;
use crate::routing::{List, PlanItem, PlanKey, Schedule, Tenant, User};
use serde::de::DeserializeOwned;
use std::cell::OnceCell;
use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::fmt;
use toml::Spanned;
use toml::de::{DeTable, DeValue, ValueDeserializer};

/// The largest file, in bytes: a plan of ten times the size that is measured for has half of it.
pub const PLAN_BYTES_MAX: u64 = 64 * 1024 * 1024;
/// The most mistakes that are told of.
pub const ERRORS_MAX: usize = 200;
/// The most mistakes that are kept until the first of them are known by their lines: those of things that name others are
/// found in the order of the keys.
const KEPT_MAX: usize = 10_000;

/// The sorts of tables, as they are written.
pub(super) const TABLES: &[&str] = &["contact", "extension", "group", "schedule", "trunk", "limit", "route", "block", "allow", "user"];

/// What a file says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PlanFile {
    /// Everything but contacts, by key.
    pub items: BTreeMap<PlanKey, PlanItem>,
    /// Contacts, by id.
    pub contacts: BTreeMap<String, Contact>,
}

/// Everything that is wrong with a file, by line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlanErrors {
    /// (line, where in the file, what), at most [`ERRORS_MAX`].
    pub errors: Vec<(usize, String, String)>,
    /// How many more there are.
    pub more: usize,
}

impl fmt::Display for PlanErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (line, place, what) in &self.errors {
            writeln!(f, "line {line}: {place}{}{what}", if place.is_empty() { "" } else { ": " })?;
        }
        if self.more > 0 { writeln!(f, "and {} more", self.more) } else { Ok(()) }
    }
}

/// The rest of a plan, where a file is to be only a part of it.
pub struct Beside<'a> {
    /// What is stored.
    pub stored: &'a BTreeMap<PlanKey, PlanItem>,
    /// Whether things of a sort are to be as the file has them, by the sort's table (`group`).
    pub covers: &'a dyn Fn(&str) -> bool,
}

/// Reads a whole plan. `known` finds an account that is stored already, whose hash one without keeps.
///
/// # Errors
/// [`PlanErrors`]: everything that is wrong, not only the first.
pub fn read(text: &str, tenant: &Tenant, known: &dyn Fn(&str, &str) -> Option<User>) -> Result<PlanFile, PlanErrors> {
    read_beside(text, tenant, known, &Beside { stored: &BTreeMap::new(), covers: &|_| true })
}

/// Reads a file of which only some sorts of things count: they must hold together with what is stored of the others.
///
/// # Errors
/// [`PlanErrors`]: everything that is wrong, not only the first.
pub fn read_beside(
    text: &str,
    tenant: &Tenant,
    known: &dyn Fn(&str, &str) -> Option<User>,
    beside: &Beside<'_>,
) -> Result<PlanFile, PlanErrors> {
    let table = DeTable::parse(text).map_err(|error| {
        let (lines, at) = (Lines::of(text), error.span().map_or(0, |s| s.start));
        let what = format!("{} (column {}); what follows wasn't read", error.message(), lines.column(text, at));
        PlanErrors { errors: vec![(lines.at(at), String::new(), what)], more: 0 }
    })?;
    let mut reading = Reading::of(text, tenant, known);
    for (name, value) in table.into_inner() {
        reading.tables(name.get_ref(), name.span().start, value);
    }
    reading.check_references(beside);
    if reading.is_right() { Ok(reading.file) } else { Err(reading.errors()) }
}

/// The table that things of a key stand in.
pub(super) fn table_of(key: &PlanKey) -> &'static str {
    match key {
        PlanKey::Group(_) => "group",
        PlanKey::Schedule(_) => "schedule",
        PlanKey::Route(_) => "route",
        PlanKey::Screen(List::Block, _) => "block",
        PlanKey::Screen(List::Allow, _) => "allow",
        PlanKey::Trunk(_) => "trunk",
        PlanKey::Limit(..) => "limit",
        PlanKey::Extension(_) => "extension",
        PlanKey::User(..) => "user",
    }
}

/// Which table: its sort, its place among those of its sort, and its byte in the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Which {
    at: usize,
    sort: &'static str,
    n: usize,
}

struct Reading<'a> {
    text: &'a str,
    lines: OnceCell<Lines>,
    tenant: &'a Tenant,
    known: &'a dyn Fn(&str, &str) -> Option<User>,
    file: PlanFile,
    stands: BTreeMap<PlanKey, Which>,
    contacts_stand: BTreeMap<String, Which>,
    /// Tables with mistakes in themselves.
    ill: Vec<Which>,
    /// What those would have been, where that can be seen: it isn't missing.
    ill_keys: BTreeSet<PlanKey>,
    /// Mistakes of things that can be read, and of tables that there aren't.
    wrong: Vec<(Which, Mistake)>,
    /// Mistakes that weren't kept.
    more: usize,
}

/// A thing of the file.
enum Thing {
    Contact(Contact),
    Item(PlanItem),
}

impl<'a> Reading<'a> {
    fn of(text: &'a str, tenant: &'a Tenant, known: &'a dyn Fn(&str, &str) -> Option<User>) -> Reading<'a> {
        Reading {
            text,
            lines: OnceCell::new(),
            tenant,
            known,
            file: PlanFile::default(),
            stands: BTreeMap::new(),
            contacts_stand: BTreeMap::new(),
            ill: Vec::new(),
            ill_keys: BTreeSet::new(),
            wrong: Vec::new(),
            more: 0,
        }
    }

    fn line(&self, byte: usize) -> usize {
        self.lines.get_or_init(|| Lines::of(self.text)).at(byte)
    }

    fn is_right(&self) -> bool {
        self.ill.is_empty() && self.wrong.is_empty() && self.more == 0
    }

    fn keep(&mut self, which: Which, mistake: Mistake) {
        if self.wrong.len() < KEPT_MAX {
            self.wrong.push((which, mistake));
        } else {
            self.more += 1;
        }
    }

    fn tables(&mut self, name: &str, at: usize, value: Spanned<DeValue<'_>>) {
        let said = |what: String| Mistake { path: name.to_owned(), what, circle: Vec::new() };
        let nowhere = Which { at, sort: "", n: 0 };
        let Some(sort) = TABLES.iter().find(|sort| **sort == name) else {
            let hint = did_you_mean(name, TABLES.iter().copied());
            return self.keep(nowhere, said(format!("a plan has no such table{hint}; it has {}", TABLES.join(", "))));
        };
        let DeValue::Array(tables) = value.into_inner() else {
            return self.keep(nowhere, said(format!("write it with two brackets, [[{sort}]]")));
        };
        for (n, table) in tables.into_iter().enumerate() {
            self.table(Which { at: table.span().start, sort, n }, table);
        }
    }

    fn table(&mut self, which: Which, table: Spanned<DeValue<'_>>) {
        let id = table.get_ref().get("id").and_then(|id| id.get_ref().as_str()).map(str::to_owned);
        let thing = match which.sort {
            "contact" => Once(Some(table)).fields().and_then(|text| self.contact(text).ok()).map(Thing::Contact),
            sort => item_draft(sort, &mut Once(Some(table))).and_then(|draft| self.item(&draft).ok()).map(Thing::Item),
        };
        match thing {
            Some(Thing::Contact(contact)) => {
                if let Some(first) = self.contacts_stand.get(&contact.id) {
                    let what = format!("contact {}", contact.id);
                    return self.twice(which, *first, &what);
                }
                self.contacts_stand.insert(contact.id.clone(), which);
                self.file.contacts.insert(contact.id.clone(), contact);
            }
            Some(Thing::Item(item)) => {
                let key = item.key();
                if let Some(first) = self.stands.get(&key) {
                    return self.twice(which, *first, &key.to_string());
                }
                self.stands.insert(key.clone(), which);
                self.file.items.insert(key, item);
            }
            None => {
                self.ill.push(which);
                self.ill_keys.extend(match (which.sort, id) {
                    ("group", Some(id)) => Some(PlanKey::Group(id)),
                    ("schedule", Some(id)) => Some(PlanKey::Schedule(id)),
                    _ => None,
                });
            }
        }
    }

    fn twice(&mut self, which: Which, first: Which, what: &str) {
        let what = format!("{what} stands on line {} already; remove one of them", self.line(first.at));
        self.keep(which, Mistake { path: String::new(), what, circle: Vec::new() });
    }

    fn contact(&self, text: ContactText) -> Result<Contact, Mistakes> {
        ContactDraft::from(text).check(&self.tenant.plan, "").map_err(|error| {
            let mut wrong = Mistakes::default();
            wrong.wrong("", error);
            wrong
        })
    }

    fn item(&self, draft: &ItemDraft) -> Result<PlanItem, Mistakes> {
        let user = match draft {
            ItemDraft::User(u) => (self.known)(&u.domain.to_ascii_lowercase(), &u.extension),
            _ => None,
        };
        draft.check(self.tenant, user.as_ref())
    }

    /// Schedules with another's code: a star code would switch the first of them only.
    fn codes_twice(&self, beside: &Beside<'_>) -> Vec<(Which, Mistake)> {
        let mut codes: BTreeMap<&str, &str> = BTreeMap::new();
        let mut wrong = Vec::new();
        for (key, item) in self.file.items.iter().filter(|(key, _)| (beside.covers)(table_of(key))) {
            let PlanItem::Schedule(Schedule { id, code: Some(code), .. }) = item else { continue };
            let other = *codes.entry(code).or_insert(id);
            if let Some(which) = self.stands.get(key).filter(|_| other != id) {
                let what = format!("the schedule {other} has the code {code} already; give one of them another");
                wrong.push((*which, Mistake { path: "code".into(), what, ..Mistake::default() }));
            }
        }
        wrong
    }

    fn check_references(&mut self, beside: &Beside<'_>) {
        let mut wrong = self.codes_twice(beside);
        let mut circles = BTreeSet::new();
        {
            let (items, ill, covers) = (&self.file.items, &self.ill_keys, |key: &PlanKey| (beside.covers)(table_of(key)));
            let mut look = |key: &PlanKey| {
                let found = if covers(key) { items.get(key) } else { beside.stored.get(key) };
                Ok::<_, Infallible>(match found {
                    Some(item) => Seen::Here(item),
                    None if covers(key) && ill.contains(key) => Seen::Unread,
                    None => Seen::Absent,
                })
            };
            let mut see = |which: Which, item: &PlanItem, whose: &str| {
                let Ok(found) = broken(item, self.tenant, &mut look);
                for mistake in found {
                    if mistake.circle.is_empty() || circles.insert(mistake.circle.clone()) {
                        wrong.push((which, Mistake { what: format!("{whose}{}", mistake.what), ..mistake }));
                    }
                }
            };
            for (key, item) in items.iter().filter(|(key, _)| covers(key)) {
                let Some(which) = self.stands.get(key) else { continue };
                see(*which, item, "");
            }
            // what stays as it is may name what the file has no more
            for (key, item) in beside.stored.iter().filter(|(key, item)| !covers(key) && names(item).iter().any(covers)) {
                see(Which { at: 0, sort: "", n: 0 }, item, &format!("{key}, which is stored and would stay: "));
            }
        }
        wrong.into_iter().for_each(|(which, mistake)| self.keep(which, mistake));
    }

    /// Everything that is wrong, with its lines.
    fn errors(mut self) -> PlanErrors {
        self.ill.sort_unstable();
        let wrong = std::mem::take(&mut self.wrong);
        let total = wrong.len() + self.ill.len() + self.more;
        let mut errors = Vec::new();
        // it was read once already
        let table = DeTable::parse(self.text).map(Spanned::into_inner).unwrap_or_default();
        let find = |which: &Which| table.get(which.sort).and_then(|tables| tables.get_ref().as_array()?.get(which.n));
        let mut tell = |which: &Which, mistake: Mistake| {
            let path = [if which.sort.is_empty() { String::new() } else { format!("{}[{}]", which.sort, which.n) }, mistake.path.clone()];
            let at = find(which).map_or(which.at, |table| byte_of(table, &mistake.path));
            let place = path.into_iter().filter(|p| !p.is_empty()).collect::<Vec<_>>().join(".");
            errors.push((self.line(at), place, mistake.what));
        };
        // each has a mistake at least, so that these are enough
        let mut looked_into = 0;
        for which in self.ill.iter().take(ERRORS_MAX) {
            let mistakes = find(which).map(|table| self.mistakes(which.sort, table)).unwrap_or_default();
            looked_into += mistakes.len().saturating_sub(1);
            mistakes.into_iter().for_each(|mistake| tell(which, mistake));
        }
        for (which, mistake) in wrong {
            tell(&which, mistake);
        }
        errors.sort();
        errors.truncate(ERRORS_MAX);
        let more = (total + looked_into).saturating_sub(errors.len());
        PlanErrors { errors, more }
    }

    /// All mistakes in a table.
    fn mistakes(&self, sort: &str, table: &Spanned<DeValue<'_>>) -> Vec<Mistake> {
        if sort == "contact" {
            return all(salvage(table), |text: &ContactText| self.contact(text.clone()).err());
        }
        let mut again = Again { table, mistakes: Vec::new() };
        let draft = item_draft(sort, &mut again);
        let salvaged = Salvaged { draft, mistakes: again.mistakes };
        all(salvaged, |draft| self.item(draft).err())
    }
}

/// What couldn't be read of a table, and what is wrong with the rest of it.
fn all<T>(salvaged: Salvaged<T>, check: impl Fn(&T) -> Option<Mistakes>) -> Vec<Mistake> {
    let checked = salvaged.draft.as_ref().and_then(check).unwrap_or_default();
    let own: Vec<Mistake> = checked.0.into_iter().filter(|mistake| !salvaged.explains(&mistake.path)).collect();
    let mut mistakes = salvaged.mistakes;
    mistakes.extend(own);
    mistakes
}

/// A table whose fields are read, one way or the other.
trait Fields {
    fn fields<T: DeserializeOwned>(&mut self) -> Option<T>;
}

/// As it is, or not at all.
struct Once<'i>(Option<Spanned<DeValue<'i>>>);

impl Fields for Once<'_> {
    fn fields<T: DeserializeOwned>(&mut self) -> Option<T> {
        T::deserialize(ValueDeserializer::from(self.0.take()?)).ok()
    }
}

/// As far as possible.
struct Again<'t, 'i> {
    table: &'t Spanned<DeValue<'i>>,
    mistakes: Vec<Mistake>,
}

impl Fields for Again<'_, '_> {
    fn fields<T: DeserializeOwned>(&mut self) -> Option<T> {
        let salvaged = salvage(self.table);
        self.mistakes = salvaged.mistakes;
        salvaged.draft
    }
}

fn item_draft(sort: &str, fields: &mut impl Fields) -> Option<ItemDraft> {
    Some(match sort {
        "extension" => ItemDraft::Extension(fields.fields()?),
        "group" => ItemDraft::Group(fields.fields()?),
        "schedule" => ItemDraft::Schedule(fields.fields()?),
        "trunk" => ItemDraft::Trunk(fields.fields()?),
        "limit" => ItemDraft::Limit(fields.fields()?),
        "route" => ItemDraft::Route(fields.fields()?),
        "block" => ItemDraft::Block(fields.fields()?),
        "allow" => ItemDraft::Allow(fields.fields()?),
        _ => ItemDraft::User(fields.fields()?),
    })
}
