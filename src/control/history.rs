//! History, and undoing: what administrators are told of the change log.

use super::desk::{Desk, Refusal, bad};
use super::request::Reply;
use crate::directory::Contact;
use crate::plan::{ItemDraft, Seen, broken, names};
use crate::routing::{PlanItem, PlanKey};
use crate::store::{Past, PlanEdits, PlanSort, StoreError, ThingChange, Undo, Undoable, Wanted};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json};
use std::collections::{BTreeMap, BTreeSet};

/// Changes on one page, at most.
const CHANGES_MAX: usize = 200;
/// Things that are told of one change; a plan may change thousands.
const THINGS_MAX: usize = 50;
/// What the changes of a page may take, in bytes of JSON, before it ends: a quarter of a frame, since the last may be large.
const PAGE_BYTES_MAX: usize = super::FRAME_BYTES_MAX / 4;
/// What the things of one change may take of it.
const CHANGE_BYTES_MAX: usize = PAGE_BYTES_MAX / 2;
/// How often an undo is made out anew because others edited meanwhile.
const TRIES_MAX: usize = 5;
/// What stands where a secret would.
const SECRET: &str = "(a secret)";

/// Which changes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HistoryQuery {
    /// Whose.
    pub tenant: String,
    /// Of this contact.
    #[serde(default)]
    pub contact: Option<String>,
    /// Of the thing that is called this: `group family`, `route +14155550199`, `token panel`.
    #[serde(default)]
    pub thing: Option<String>,
    /// Those with lower revisions.
    #[serde(default)]
    pub below: Option<u64>,
    /// So many at most.
    pub limit: usize,
}

/// Which change is to be undone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UndoWhich {
    /// Whose.
    pub tenant: String,
    /// The change with this revision.
    #[serde(default)]
    pub revision: Option<u64>,
    /// The last change of this contact, and of it nothing but the contact.
    #[serde(default)]
    pub contact: Option<String>,
    /// Whatever was changed since, too.
    #[serde(default)]
    pub force: bool,
}

/// A page of changes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HistoryPage {
    /// The newest first.
    pub changes: Vec<ChangeView>,
    /// The next page's `below`.
    pub next: Option<u64>,
    /// The oldest revision that is kept; changes before it are forgotten.
    pub begins: Option<u64>,
}

/// A change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChangeView {
    /// Its revision.
    pub revision: u64,
    /// When, in microseconds since 1970.
    pub at_us: u64,
    /// Who made it.
    pub who: String,
    /// From where: `console`, `admin socket`, `http 10.0.0.5`; empty where nobody said.
    #[serde(rename = "from")]
    pub origin: String,
    /// The revision that it undoes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub undoes: Option<u64>,
    /// For an import: its source.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub import: Option<String>,
    /// What it changed.
    pub things: Vec<ThingView>,
    /// How many things more it changed.
    #[serde(default)]
    pub more: u64,
    /// What it changed was too much to be kept until now.
    #[serde(default)]
    pub let_go: bool,
}

/// What a change did to a thing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ThingView {
    /// `contact school`, `group family`.
    pub what: String,
    /// `added`, `changed`, `removed`; `imported` where what was before isn't known.
    pub kind: String,
    /// Field by field.
    pub fields: Vec<FieldView>,
}

/// A field before and after.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FieldView {
    /// Its name.
    pub field: String,
    /// Before; none where it wasn't said.
    pub before: Option<Json>,
    /// After.
    pub after: Option<Json>,
}

impl Desk {
    pub(super) fn history(&self, query: &HistoryQuery) -> Result<Reply, Refusal> {
        self.tenant(&query.tenant)?;
        let wanted = query.contact.clone().map(Wanted::Contact).or_else(|| query.thing.clone().map(Wanted::Named));
        let limit = query.limit.clamp(1, CHANGES_MAX);
        let mut page = HistoryPage { changes: Vec::new(), next: None, begins: self.store.history_begins()? };
        let mut bytes = 0;
        for past in self.store.history(&query.tenant, wanted.as_ref(), query.below.unwrap_or(u64::MAX), THINGS_MAX)? {
            let view = change_view(past?);
            if let Some(last) = page.changes.last()
                && (page.changes.len() == limit || bytes > PAGE_BYTES_MAX)
            {
                page.next = Some(last.revision);
                break;
            }
            bytes += serde_json::to_vec(&view).map_or(0, |json| json.len());
            page.changes.push(view);
        }
        if page.changes.is_empty() && query.below.is_none() {
            match (&query.contact, &query.thing) {
                (Some(id), _) if self.store.contact(&query.tenant, id)?.is_none() => {
                    return Err(Refusal::NotFound(format!("there is no contact {id:?}, and no change of one is kept")));
                }
                (None, Some(thing)) => {
                    let hint = "things are called as in history: group family, route +14155550199, extension 101";
                    return Err(Refusal::NotFound(format!("no change of {thing:?} is kept ({hint})")));
                }
                _ => {}
            }
        }
        Ok(Reply::History(page))
    }

    pub(super) fn undo(&self, which: &UndoWhich) -> Result<Reply, Refusal> {
        let UndoWhich { tenant, revision, contact, force } = which;
        self.tenant(tenant)?;
        let revision = match (revision, contact) {
            (Some(revision), _) => *revision,
            (None, Some(id)) => match self.undo_imported(tenant, id)? {
                Undone::Imported(reply) => return Ok(*reply),
                Undone::NotYet(revision) => revision,
            },
            (None, None) => return bad("say which revision to undo; strowger history shows them"),
        };
        for _ in 0..TRIES_MAX {
            let undo = match self.store.undo_of(tenant, revision, contact.as_deref())? {
                Undoable::Things(undo) => *undo,
                Undoable::Import(change) => return self.undo_import(tenant, change.revision),
                Undoable::No(why) => return bad(why),
                Undoable::Absent => return Err(Refusal::NotFound(self.absent(tenant, revision)?)),
            };
            if !force {
                check_untouched(&undo)?;
                self.check_holds(tenant, &undo.edits)?;
            }
            let notes = undo.things.iter().take(THINGS_MAX).map(|thing| format!("as before: {thing}")).collect();
            match self.store.change_plan(tenant, self.who.undoing(revision), undo.edits, undo.over) {
                Ok(Some(done)) => {
                    return Ok(Reply::Done { revision: done.revision, existed: done.existed, changed: done.changed, notes });
                }
                Ok(None) => {}
                Err(StoreError::NotAKey(text)) => return bad(text),
                Err(error) => return Err(error.into()),
            }
        }
        bad("others kept editing in between; undo it again when it is quiet")
    }

    fn undo_import(&self, tenant: &str, revision: u64) -> Result<Reply, Refusal> {
        match self.store.undo_import(tenant, &self.who, revision)? {
            Some(done) => Ok(Reply::Done { revision: done, existed: true, changed: true, notes: Vec::new() }),
            None => bad(match self.store.undoable_import(tenant) {
                Some(last) if last > revision => format!(
                    "revision {revision} is an import, and another one came since (revision {last}); only the last can be undone: undo that, or import an older file"
                ),
                _ => format!(
                    "revision {revision} is an import, and what was before it is no longer kept (it is until the next import or compaction); import an older file"
                ),
            }),
        }
    }

    /// Undoes a contact's last change if an import made it: the contact alone is put back.
    fn undo_imported(&self, tenant: &str, id: &str) -> Result<Undone, Refusal> {
        for _ in 0..TRIES_MAX {
            // read before its history: the writer refuses if the contact has been changed in any way since
            let seen = self.store.contact(tenant, id)?.map_or(0, |(revision, _)| revision);
            let past = match self.last_of(tenant, id)? {
                Last::Edited(revision) => return Ok(Undone::NotYet(revision)),
                Last::Imported(past) => *past,
            };
            if let Some(reply) = self.undo_contact_of(tenant, id, past, seen)? {
                return Ok(Undone::Imported(Box::new(reply)));
            }
        }
        bad("others kept editing in between; undo it again when it is quiet")
    }

    /// Puts back what a contact was before an import, if it has the revision that was seen; `None` if it hasn't (any more).
    fn undo_contact_of(&self, tenant: &str, id: &str, past: Past, seen: u64) -> Result<Option<Reply>, Refusal> {
        let revision = past.change.revision;
        let known = past.things.into_iter().find_map(|thing| match thing {
            ThingChange::Contact { before, is_known: true, .. } => Some(before),
            _ => None,
        });
        let Some(before) = known else {
            return bad(format!("an import (revision {revision}) changed the contact {id} last, and what was before it is no longer kept"));
        };
        let (over, ()) = self.store.undisturbed(tenant, || Ok(()))?;
        let mut edits = PlanEdits { contacts_over: vec![(id.to_owned(), seen)], ..PlanEdits::default() };
        match before {
            Some(contact) => edits.contacts.push(*contact),
            None => edits.contacts_removed.push(id.to_owned()),
        }
        match self.store.change_plan(tenant, self.who.undoing(revision), edits, over) {
            Ok(Some(done)) => {
                let notes = vec![format!("as before: contact {id}")];
                Ok(Some(Reply::Done { revision: done.revision, existed: done.existed, changed: done.changed, notes }))
            }
            Ok(None) | Err(StoreError::Stale { .. }) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    fn last_of(&self, tenant: &str, id: &str) -> Result<Last, Refusal> {
        let wanted = Wanted::Contact(id.to_owned());
        let last = self.store.history(tenant, Some(&wanted), u64::MAX, 1)?.next().transpose()?;
        let Some(past) = last else { return Err(Refusal::NotFound(format!("no change of the contact {id:?} is kept"))) };
        let revision = past.change.revision;
        if past.is_let_go && past.things.is_empty() {
            return bad(format!("revision {revision} may have changed the contact {id} last; what it changed is no longer kept"));
        }
        let is_import = past.change.generations.is_some();
        Ok(if is_import { Last::Imported(Box::new(past)) } else { Last::Edited(revision) })
    }

    fn absent(&self, tenant: &str, revision: u64) -> Result<String, Refusal> {
        Ok(match self.store.history_begins()? {
            Some(begins) if revision < begins => {
                format!("revision {revision} is no longer kept; history begins at revision {begins}")
            }
            _ => format!("tenant {tenant} has no change with the revision {revision}; strowger history shows them"),
        })
    }

    /// Refuses what would leave something that names what isn't there (any more).
    fn check_holds(&self, tenant: &str, edits: &PlanEdits) -> Result<(), Refusal> {
        let rules = self.tenant(tenant)?;
        let mut over: BTreeMap<PlanKey, Option<&PlanItem>> = edits.removes.iter().map(|key| (key.clone(), None)).collect();
        over.extend(edits.puts.iter().map(|item| (item.key(), Some(item))));
        let fetch = |key: &PlanKey| -> Result<Seen<'_>, StoreError> {
            Ok(self.store.item(tenant, key)?.map_or(Seen::Absent, |item| Seen::Fetched(Box::new(item))))
        };
        let mut after = |key: &PlanKey| match over.get(key) {
            Some(Some(item)) => Ok(Seen::Here(item)),
            Some(None) => Ok(Seen::Absent),
            None => fetch(key),
        };
        for item in &edits.puts {
            if let Some(what) = broken(item, rules, &mut after)?.first() {
                return bad(format!("{} can't be put back: {what}; undo or mend that first, or use --force", item.key()));
            }
        }
        // those that name it, and those that name these
        let mut others = Vec::new();
        for sort in [PlanSort::Group, PlanSort::Route, PlanSort::Trunk, PlanSort::Screen] {
            self.each(tenant, sort, |other| others.push(other))?;
        }
        others.retain(|other| !over.contains_key(&other.key()));
        let mut reached: BTreeSet<PlanKey> = over.keys().cloned().collect();
        loop {
            let is_next = |other: &PlanItem| !names(other).is_disjoint(&reached);
            let (found, rest): (Vec<_>, Vec<_>) = others.into_iter().partition(is_next);
            for other in &found {
                let mut before = |key: &PlanKey| fetch(key);
                if let Some(what) = broken(other, rules, &mut after)?.first()
                    && broken(other, rules, &mut before)?.is_empty()
                {
                    return bad(format!("{} would no longer hold: {what}; change that first, or use --force", other.key()));
                }
            }
            if found.is_empty() {
                return Ok(());
            }
            reached.extend(found.iter().map(PlanItem::key));
            others = rest;
        }
    }
}

/// What became of a contact's last change.
enum Undone {
    /// An import had made it, and it is undone.
    Imported(Box<Reply>),
    /// It is an edit, which has this revision and still is to be undone.
    NotYet(u64),
}

enum Last {
    Edited(u64),
    Imported(Box<Past>),
}

fn check_untouched(undo: &Undo) -> Result<(), Refusal> {
    let Some((first, revision)) = undo.changed_since.first() else { return Ok(()) };
    let how = revision.map_or_else(|| "was removed".to_owned(), |revision| format!("was changed (revision {revision})"));
    let more = match undo.changed_since.len() {
        1 => String::new(),
        n => format!(", and {} more", n - 1),
    };
    bad(format!(
        "{first} {how} since revision {}{more}; undo that first, or put back what was before all the same with --force",
        undo.change.revision
    ))
}

fn change_view(past: Past) -> ChangeView {
    let Past { change, things, mut more, is_let_go, import } = past;
    let (mut views, mut bytes) = (Vec::new(), 0);
    for thing in things {
        if bytes > CHANGE_BYTES_MAX {
            more += 1;
            continue;
        }
        let view = thing_view(&thing);
        bytes += serde_json::to_vec(&view).map_or(0, |json| json.len());
        views.push(view);
    }
    ChangeView {
        revision: change.revision,
        at_us: change.at_us,
        who: change.who,
        origin: change.from,
        undoes: change.undoes,
        import: import.map(|(source, _)| source),
        things: views,
        more,
        let_go: is_let_go,
    }
}

fn thing_view(thing: &ThingChange) -> ThingView {
    let what = thing.thing().map(|thing| thing.to_string()).unwrap_or_default();
    let (before, after, is_known) = match thing {
        ThingChange::Contact { before, after, is_known, .. } => {
            (before.as_deref().map(contact_fields), after.as_deref().map(contact_fields), *is_known)
        }
        ThingChange::Item { before, after } => (before.as_deref().map(item_fields), after.as_deref().map(item_fields), true),
        ThingChange::Token { before, after, .. } => (before.then(Map::new), after.then(Map::new), true),
    };
    let kind = match (&before, &after) {
        (None, Some(_)) if !is_known => "imported",
        (None, Some(_)) => "added",
        (Some(_), Some(_)) => "changed",
        (_, None) => "removed",
    };
    let (before, after) = (before.unwrap_or_default(), after.unwrap_or_default());
    let mut fields: Vec<FieldView> = Vec::new();
    for field in before.keys().chain(after.keys().filter(|field| !before.contains_key(*field))) {
        let (before, after) = (before.get(field).cloned(), after.get(field).cloned());
        if before != after {
            fields.push(FieldView { field: field.clone(), before, after });
        }
    }
    if let ThingChange::Item { before: Some(old), after: Some(new) } = thing
        && let (PlanItem::User(old), PlanItem::User(new)) = (&**old, &**new)
        && old.a1_hash != new.a1_hash
    {
        let (before, after) = (Some(Json::from(SECRET)), Some(Json::from("(another secret)")));
        fields.push(FieldView { field: "a1_hash".to_owned(), before, after });
    }
    ThingView { what, kind: kind.to_owned(), fields }
}

/// A contact's fields as people write them; those that say nothing are left out.
fn contact_fields(contact: &Contact) -> Map<String, Json> {
    let number = |n: &crate::directory::ContactNumber| match &n.label {
        Some(label) => format!("{} ({label})", n.typed),
        None => n.typed.clone(),
    };
    let mut fields = Map::new();
    let mut put = |name: &str, value: Json| {
        let is_said = !(value.is_null() || value == "" || value == Json::Array(Vec::new()) || value == Json::Bool(false));
        if is_said {
            fields.insert(name.to_owned(), value);
        }
    };
    put("name", Json::from(contact.name.as_str()));
    put("company", Json::from(contact.company.as_deref()));
    put("numbers", contact.numbers.iter().map(number).collect());
    put("tags", contact.tags.iter().map(String::as_str).collect());
    put("note", Json::from(contact.note.as_deref()));
    put("owner", Json::from(contact.owner.as_ref().map(ToString::to_string)));
    put("favourite", Json::from(contact.favourite));
    put("source", Json::from(contact.source.as_str()));
    fields
}

/// The fields of a thing of the plan as its draft has them: never a user's hash.
fn item_fields(item: &PlanItem) -> Map<String, Json> {
    // a draft comes inside the word for its sort
    let draft = serde_json::to_value(ItemDraft::of(item)).unwrap_or_default();
    let mut fields = draft.as_object().and_then(|outer| outer.values().next()?.as_object().cloned()).unwrap_or_default();
    fields.remove("a1_hash");
    fields
}
