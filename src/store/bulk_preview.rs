//! What an import would do, without doing it.

use super::bulk::{Bulk, BulkOutcome};
use super::bulk_compare::{Compare, Fate};
use super::bulk_stage::new_screens;
use super::{StoreError, record};
use crate::directory::Contact;
use crate::routing::check_tenant_id;

/// A contact that an import would add, change, remove or leave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BulkDifference {
    /// The place of its row in the file, if it has one.
    pub place: Option<u64>,
    /// What is there.
    pub before: Option<Contact>,
    /// What would be there.
    pub after: Option<Contact>,
    /// Somebody has edited it since the last import.
    pub by_hand: bool,
}

/// What an import would do; each list is the beginning of what its count says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BulkPreview {
    /// The counts; the revision is that of the store, which stays.
    pub counts: BulkOutcome,
    /// New contacts.
    pub added: Vec<BulkDifference>,
    /// Contacts that would be others.
    pub changed: Vec<BulkDifference>,
    /// Contacts that would go.
    pub removed: Vec<BulkDifference>,
    /// Contacts of the source that the file doesn't have and that would stay all the same.
    pub missing: Vec<BulkDifference>,
    /// Rows of an update that have no contact to change.
    pub absent: Vec<BulkDifference>,
}

impl Bulk {
    /// What committing it would do to the directory as it is now, `shown_max` of each sort in full. Writes nothing.
    ///
    /// # Errors
    /// The disk could not be read.
    pub fn preview(&mut self, shown_max: usize) -> Result<BulkPreview, StoreError> {
        check_tenant_id(&self.tenant).map_err(|e| StoreError::NotAKey(e.to_string()))?;
        self.sort();
        let mut preview = BulkPreview::default();
        preview.counts.revision = self.store.revision();
        let mut compare = Compare::new(self);
        while let Some(judged) = compare.next()? {
            preview.counts.count(judged.fate);
            let list = match judged.fate {
                Fate::Added => &mut preview.added,
                Fate::Changed { .. } => &mut preview.changed,
                Fate::Removed => &mut preview.removed,
                Fate::Missing | Fate::Kept => &mut preview.missing,
                Fate::Absent => &mut preview.absent,
                Fate::Unchanged | Fate::Agreed | Fate::Foreign => continue,
            };
            if list.len() >= shown_max {
                continue;
            }
            let there = judged.old.as_ref().filter(|old| !old.entry.is_removed());
            let before: Option<Contact> = there.map(|old| record::decode(old.entry.record())).transpose()?;
            let mut after: Option<Contact> = judged.row.map(|row| record::decode(self.rows.record(row))).transpose()?;
            if let (super::ImportMode::Update, Some(before), Some(after)) = (self.mode, &before, &mut after) {
                after.source.clone_from(&before.source);
            }
            let by_hand = there.is_some_and(|old| old.generation.is_none()) && before.as_ref().is_some_and(|c| c.source == self.source);
            list.push(BulkDifference { place: judged.row.map(|row| self.rows.place(row)), before, after, by_hand });
        }
        preview.counts.blocked = new_screens(&self.store, &self.tenant, &self.blocked)?.len() as u64;
        Ok(preview)
    }
}
