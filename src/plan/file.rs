//! A plan's file, read: TOML → things, or everything that is wrong with it.

use super::draft::{ContactText, ItemDraft};
use super::references::broken;
use crate::directory::{Contact, ContactDraft};
use crate::nearest::did_you_mean;
use crate::routing::{PlanItem, PlanKey, Schedule, Tenant, User};
use serde::de::DeserializeOwned;
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::fmt;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// The largest file, in bytes: a plan of ten times the size that is measured for has half of it.
pub const PLAN_BYTES_MAX: u64 = 64 * 1024 * 1024;
/// The most mistakes that are told of.
pub const ERRORS_MAX: usize = 200;

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

/// Where lines begin, to say on which one something stands.
struct Lines(Vec<usize>);

impl Lines {
    fn of(text: &str) -> Lines {
        Lines(std::iter::once(0).chain(text.bytes().enumerate().filter(|(_, b)| *b == b'\n').map(|(n, _)| n + 1)).collect())
    }

    fn at(&self, byte: usize) -> usize {
        self.0.partition_point(|start| *start <= byte)
    }
}

struct Reading<'a> {
    tenant: &'a Tenant,
    lines: Lines,
    errors: Vec<(usize, String, String)>,
    file: PlanFile,
    /// Where each thing stands: line, place.
    stands: BTreeMap<PlanKey, (usize, String)>,
}

/// Reads a plan. `known` finds an account that is stored already, whose hash one without keeps.
///
/// # Errors
/// [`PlanErrors`]: everything that is wrong, not only the first.
pub fn read(text: &str, tenant: &Tenant, known: &dyn Fn(&str, &str) -> Option<User>) -> Result<PlanFile, PlanErrors> {
    let lines = Lines::of(text);
    let table = match DeTable::parse(text) {
        Ok(table) => table,
        Err(error) => {
            let line = lines.at(error.span().map_or(0, |s| s.start));
            let what = format!("{}; what follows wasn't read", error.message());
            return Err(PlanErrors { errors: vec![(line, String::new(), what)], more: 0 });
        }
    };
    let mut reading = Reading { tenant, lines, errors: Vec::new(), file: PlanFile::default(), stands: BTreeMap::new() };
    for (name, value) in table.into_inner() {
        reading.tables(name.get_ref(), name.span().start, value, known);
    }
    reading.check_references();
    if reading.errors.is_empty() {
        return Ok(reading.file);
    }
    reading.errors.sort();
    let more = reading.errors.len().saturating_sub(ERRORS_MAX);
    reading.errors.truncate(ERRORS_MAX);
    Err(PlanErrors { errors: reading.errors, more })
}

impl Reading<'_> {
    fn wrong(&mut self, byte: usize, place: &str, what: impl Into<String>) {
        let line = self.lines.at(byte);
        self.errors.push((line, place.to_owned(), what.into()));
    }

    fn tables(&mut self, sort: &str, at: usize, value: Spanned<DeValue<'_>>, known: &dyn Fn(&str, &str) -> Option<User>) {
        if !TABLES.contains(&sort) {
            let hint = did_you_mean(sort, TABLES.iter().copied());
            return self.wrong(at, sort, format!("a plan has no such table{hint}; it has {}", TABLES.join(", ")));
        }
        let DeValue::Array(tables) = value.into_inner() else {
            return self.wrong(at, sort, format!("write it with two brackets, [[{sort}]]"));
        };
        for (n, table) in tables.into_iter().enumerate() {
            let (place, at) = (format!("{sort}[{n}]"), table.span().start);
            match self.draft(sort, &place, table) {
                None => {}
                Some(Draft::Contact(text)) => self.contact(&place, at, text),
                Some(Draft::Item(draft)) => {
                    let user = match &draft {
                        ItemDraft::User(u) => known(&u.domain.to_ascii_lowercase(), &u.extension),
                        _ => None,
                    };
                    match draft.check(self.tenant, user.as_ref()) {
                        Ok(item) => self.item(place, at, item),
                        Err(what) => self.wrong(at, &place, what),
                    }
                }
            }
        }
    }

    fn draft(&mut self, sort: &str, place: &str, table: Spanned<DeValue<'_>>) -> Option<Draft> {
        Some(match sort {
            "contact" => Draft::Contact(self.fields(place, table)?),
            "extension" => Draft::Item(ItemDraft::Extension(self.fields(place, table)?)),
            "group" => Draft::Item(ItemDraft::Group(self.fields(place, table)?)),
            "schedule" => Draft::Item(ItemDraft::Schedule(self.fields(place, table)?)),
            "trunk" => Draft::Item(ItemDraft::Trunk(self.fields(place, table)?)),
            "limit" => Draft::Item(ItemDraft::Limit(self.fields(place, table)?)),
            "route" => Draft::Item(ItemDraft::Route(self.fields(place, table)?)),
            "block" => Draft::Item(ItemDraft::Block(self.fields(place, table)?)),
            "allow" => Draft::Item(ItemDraft::Allow(self.fields(place, table)?)),
            _ => Draft::Item(ItemDraft::User(self.fields(place, table)?)),
        })
    }

    /// A table's fields. An unknown key or a value of the wrong sort says where it stands.
    fn fields<T: DeserializeOwned>(&mut self, place: &str, table: Spanned<DeValue<'_>>) -> Option<T> {
        let at = table.span().start;
        match T::deserialize(toml::de::ValueDeserializer::from(table)) {
            Ok(fields) => Some(fields),
            Err(error) => {
                let message = error.message();
                let mut quoted = message.split('`').skip(1).step_by(2);
                let hint = match (message.starts_with("unknown field"), quoted.next()) {
                    (true, Some(unknown)) => did_you_mean(unknown, quoted),
                    _ => String::new(),
                };
                let said = message.replace("unknown field", "unknown key").replace("missing field", "missing key").replace('`', "");
                self.wrong(error.span().map_or(at, |s| s.start), place, format!("{said}{hint}"));
                None
            }
        }
    }

    fn contact(&mut self, place: &str, at: usize, text: ContactText) {
        match ContactDraft::from(text).check(&self.tenant.plan, "") {
            Ok(contact) => {
                let id = contact.id.clone();
                if self.file.contacts.insert(id.clone(), contact).is_some() {
                    self.wrong(at, place, format!("the contact {id:?} stands there twice"));
                }
            }
            Err(error) => self.wrong(at, place, error.to_string()),
        }
    }

    fn item(&mut self, place: String, at: usize, item: PlanItem) {
        let key = item.key();
        let line = self.lines.at(at);
        if let Some((first, _)) = self.stands.get(&key).cloned() {
            return self.wrong(at, &place, format!("{key} stands on line {first} already; remove one of them"));
        }
        self.stands.insert(key.clone(), (line, place));
        self.file.items.insert(key, item);
    }

    fn check_references(&mut self) {
        let items = &self.file.items;
        let mut look = |key: &PlanKey| Ok::<_, Infallible>(items.get(key).cloned());
        let mut found = Vec::new();
        for (key, item) in items {
            let Ok(wrong) = broken(item, self.tenant, &mut look);
            let (line, place) = self.stands.get(key).cloned().unwrap_or_default();
            found.extend(wrong.into_iter().map(|what| (line, place.clone(), what)));
        }
        // a star code would switch the first of them only
        let mut codes: BTreeMap<&str, &str> = BTreeMap::new();
        for item in items.values() {
            let PlanItem::Schedule(Schedule { id, code: Some(code), .. }) = item else { continue };
            if let Some(other) = codes.get(code.as_str()) {
                let (line, place) = self.stands.get(&item.key()).cloned().unwrap_or_default();
                found.push((line, place, format!("code: the schedule {other} has the code {code} already; give one of them another")));
            }
            codes.entry(code).or_insert(id);
        }
        self.errors.extend(found);
    }
}

enum Draft {
    Contact(ContactText),
    Item(ItemDraft),
}
