//! What an import means for each contact, of the file and of the directory: compared in the order of ids, nothing written.
//!
//! Layers decide what is whose. The import is to replace its source's generation (`own`), so what shows there must be carried
//! over or is gone. What shows from a single edit or from another source's generation stays where it is, but for an edit of a
//! contact of this source that the file agrees with: laid over the edit, the contact counts as the source's again. What is
//! removed needs an entry that says so where a layer below would show through.

use super::bulk::{Bulk, BulkOutcome, ImportMode, Rows};
use super::durable::{Entries, Layered};
use super::{StoreError, key, record};
use crate::directory::Contact;
use crate::number::Number;
use std::cmp::Ordering;
use std::sync::Arc;

/// A walk over the file's rows and the directory's contacts side by side.
pub(super) struct Compare {
    rows: Arc<Rows>,
    next_row: usize,
    entries: Entries,
    next_entry: Option<Layered>,
    /// The generation that is to be replaced.
    own: Option<u64>,
    source: String,
    mode: ImportMode,
    /// Whose phone book is looked at alone.
    owner: Option<Number>,
}

/// What becomes of a contact.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    /// It is new.
    Added,
    /// It is another now.
    Changed {
        /// It was another source's, or made by hand, and is this one's now.
        taken: bool,
        /// It was edited by hand since the last import.
        overridden: bool,
    },
    /// It is what it was.
    Unchanged,
    /// It is what it was, and somebody's edit had made it so: the source says the same now, and has it again.
    Agreed,
    /// The row of an update has no contact to change.
    Absent,
    /// The file doesn't have it, and it stays.
    Missing,
    /// The file doesn't have it, and it stays because somebody has edited it since.
    Kept,
    /// The file doesn't have it, and it goes.
    Removed,
    /// It is none of this import's business.
    Foreign,
}

/// What is written of it into the new generation.
pub(super) enum Write {
    Nothing,
    /// The row's record.
    Row,
    /// This record.
    Record(Vec<u8>),
    /// The entry that is there, with its revision.
    Old,
    /// That it is removed.
    Removed,
}

/// A contact, what becomes of it, and what is written.
pub(super) struct Judged {
    /// Its row, if the file has it.
    pub(super) row: Option<usize>,
    /// What was there, if anything was.
    pub(super) old: Option<Layered>,
    pub(super) fate: Fate,
    pub(super) write: Write,
}

impl Compare {
    /// The rows are sorted.
    pub(super) fn new(bulk: &Bulk) -> Compare {
        let durable = &bulk.store.shared.durable;
        let own = durable.generations(&bulk.tenant).iter().find(|g| g.source == bulk.source).map(|g| g.id);
        let entries = durable.entries(&bulk.tenant, &[key::CONTACT], &[key::CONTACT]);
        let (source, mode, rows) = (bulk.source.clone(), bulk.mode, bulk.rows.clone());
        Compare { rows, next_row: 0, entries, next_entry: None, own, source, mode, owner: bulk.owner.clone() }
    }

    /// How many rows were passed.
    pub(super) fn rows_passed(&self) -> usize {
        self.next_row
    }

    /// The next contact, in the order of ids.
    pub(super) fn next(&mut self) -> Result<Option<Judged>, StoreError> {
        if self.next_entry.is_none() {
            self.next_entry = self.entries.next_layered(self.own)?;
        }
        let has_row = self.next_row < self.rows.len();
        let order = match &self.next_entry {
            Some(old) if has_row => self.rows.id(self.next_row).cmp(&old.entry.key()[1..]),
            Some(_) => Ordering::Greater,
            None if has_row => Ordering::Less,
            None => return Ok(None),
        };
        let old = if order == Ordering::Less { None } else { self.next_entry.take() };
        let row = (order != Ordering::Greater).then_some(self.next_row);
        let (fate, write) = match (row, &old) {
            (Some(row), old) => {
                self.next_row += 1;
                self.with_row(row, old.as_ref())?
            }
            (None, Some(old)) => self.without_row(old)?,
            (None, None) => (Fate::Foreign, Write::Nothing),
        };
        Ok(Some(Judged { row, old, fate, write }))
    }

    fn is_own(&self, old: &Layered) -> bool {
        self.own.is_some() && old.generation == self.own
    }

    fn with_row(&self, row: usize, old: Option<&Layered>) -> Result<(Fate, Write), StoreError> {
        let Some(old) = old.filter(|old| !old.entry.is_removed()) else {
            return Ok(match self.mode {
                ImportMode::Merge | ImportMode::Replace => (Fate::Added, Write::Row),
                ImportMode::Update => (Fate::Absent, old.map_or(Write::Nothing, |old| self.still_removed(old))),
            });
        };
        let unchanged = |is_mine: bool| match old.generation {
            None if is_mine => (Fate::Agreed, Write::Old),
            _ if self.is_own(old) => (Fate::Unchanged, Write::Old),
            _ => (Fate::Unchanged, Write::Nothing),
        };
        let bytes = self.rows.record(row);
        if old.entry.record() == bytes {
            // the row's source is this one
            return Ok(unchanged(true));
        }
        let before: Contact = record::decode(old.entry.record())?;
        let mut after: Contact = record::decode(bytes)?;
        let is_mine = before.source == self.source;
        if self.mode == ImportMode::Update {
            after.source.clone_from(&before.source);
        }
        if before == after {
            return Ok(unchanged(is_mine));
        }
        let fate = Fate::Changed { taken: before.source != after.source, overridden: is_mine && old.generation.is_none() };
        let write = if after.source == self.source { Write::Row } else { Write::Record(record::encode(&after)?) };
        Ok((fate, write))
    }

    fn without_row(&self, old: &Layered) -> Result<(Fate, Write), StoreError> {
        if old.entry.is_removed() {
            return Ok((Fate::Foreign, self.still_removed(old)));
        }
        let is_own = self.is_own(old);
        let stays = if is_own { Write::Old } else { Write::Nothing };
        let contact: Contact = record::decode(old.entry.record())?;
        let is_others = self.owner.is_some() && contact.owner != self.owner;
        if contact.source != self.source || is_others {
            return Ok((Fate::Foreign, stays));
        }
        Ok(match self.mode {
            ImportMode::Merge => (Fate::Missing, stays),
            ImportMode::Update => (Fate::Foreign, stays),
            ImportMode::Replace if old.generation.is_none() => (Fate::Kept, stays),
            ImportMode::Replace if is_own && !old.is_below => (Fate::Removed, Write::Nothing),
            ImportMode::Replace => (Fate::Removed, Write::Removed),
        })
    }

    /// What the source has removed stays so for as long as another layer would show it.
    fn still_removed(&self, old: &Layered) -> Write {
        if self.is_own(old) && old.is_below { Write::Removed } else { Write::Nothing }
    }
}

impl Fate {
    /// Whether a generation has to be written for it: the contact is another one, or has to lie above an edit from now on.
    pub(super) fn needs_writing(self) -> bool {
        matches!(self, Fate::Added | Fate::Changed { .. } | Fate::Removed | Fate::Agreed)
    }
}

impl BulkOutcome {
    pub(super) fn count(&mut self, fate: Fate) {
        match fate {
            Fate::Added => self.added += 1,
            Fate::Changed { taken, overridden } => {
                self.changed += 1;
                self.taken += u64::from(taken);
                self.overridden += u64::from(overridden);
            }
            Fate::Unchanged | Fate::Agreed => self.unchanged += 1,
            Fate::Absent => self.absent += 1,
            Fate::Missing => self.missing += 1,
            Fate::Kept => {
                self.missing += 1;
                self.kept += 1;
            }
            Fate::Removed => self.removed += 1,
            Fate::Foreign => {}
        }
    }
}
