//! Bulk changes: a whole source's contacts, put together beside the store and made true at once.
//!
//! Rows are collected here, settled among themselves in [`super::bulk_settle`], compared with what is there in
//! [`super::bulk_compare`], written as a generation in [`super::bulk_stage`], and made true in [`super::bulk_commit`].

use super::bulk_stage::Staging;
use super::by::By;
use super::record;
use super::{Store, StoreError};
use crate::directory::{Contact, check_id};
use crate::number::Number;
use crate::routing::Screen;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

/// Bytes that one bulk change may hold in memory.
const BULK_BYTES_MAX: usize = 3 * 1024 * 1024 * 1024;

/// How often an import is put together anew because another one of the tenant was faster.
const TRIES_MAX: usize = 5;

/// What an import does with what is there.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ImportMode {
    /// Adds and changes, removes nothing.
    #[default]
    Merge,
    /// Also removes the source's contacts that the file doesn't have.
    Replace,
    /// Changes contacts that are there, whatever their source, which they keep; adds and removes nothing.
    Update,
}

impl ImportMode {
    /// As it is typed.
    pub const fn word(self) -> &'static str {
        match self {
            ImportMode::Merge => "merge",
            ImportMode::Replace => "replace",
            ImportMode::Update => "update",
        }
    }
}

impl fmt::Display for ImportMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

impl FromStr for ImportMode {
    type Err = String;

    fn from_str(text: &str) -> Result<ImportMode, String> {
        let modes = [ImportMode::Merge, ImportMode::Replace, ImportMode::Update];
        modes.into_iter().find(|m| m.word() == text).ok_or_else(|| format!("{text:?} is no mode; write merge, replace or update"))
    }
}

/// What a row's id rests on. Of rows with one id the one with the better claim counts, and of equal ones the later.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Claim {
    /// It was made of the row's number, which others may have too: [`Bulk::settle`] tells them apart by their names.
    Made,
    /// It was made of the id that the row says.
    Derived,
    /// The row says it.
    #[default]
    Said,
}

/// Contacts on their way into the store. Dropping it leaves the store as it was.
pub struct Bulk {
    pub(super) store: Store,
    pub(super) tenant: String,
    pub(super) source: String,
    pub(super) mode: ImportMode,
    /// Whose phone book it is; nobody's.
    pub(super) owner: Option<Number>,
    pub(super) rows: Arc<Rows>,
    pub(super) blocked: Arc<Vec<Screen>>,
}

/// Rows and what they say.
#[derive(Clone, Default)]
pub(super) struct Rows {
    /// record bytes one after the other.
    arena: Vec<u8>,
    pub(super) list: Vec<Row>,
    ids: Vec<u8>,
}

#[derive(Clone, Copy)]
pub(super) struct Row {
    id: u32,
    record: u32,
    /// Where it stood in the file.
    pub(super) place: u32,
    record_len: u16,
    id_len: u8,
    pub(super) claim: Claim,
}

/// A record's length fits into a row.
const _: () = assert!(record::RECORD_BYTES_MAX <= u16::MAX as usize);

/// A claim costs nothing: it stands where a row had a byte to spare.
const _: () = assert!(size_of::<Row>() == 16);

impl Rows {
    pub(super) fn len(&self) -> usize {
        self.list.len()
    }

    pub(super) fn id(&self, at: usize) -> &[u8] {
        self.id_of(self.list[at])
    }

    pub(super) fn record(&self, at: usize) -> &[u8] {
        self.record_of(self.list[at])
    }

    pub(super) fn place(&self, at: usize) -> u64 {
        u64::from(self.list[at].place)
    }

    pub(super) fn record_of(&self, row: Row) -> &[u8] {
        &self.arena[row.record as usize..][..usize::from(row.record_len)]
    }

    pub(super) fn id_of(&self, row: Row) -> &[u8] {
        &self.ids[row.id as usize..][..usize::from(row.id_len)]
    }

    /// Keeps a contact's bytes; the row is nowhere yet.
    pub(super) fn keep(&mut self, contact: &Contact, place: u32, claim: Claim) -> Result<Row, StoreError> {
        let bytes = record::encode(contact)?;
        record::check_size("the contact", &bytes)?;
        let too_large = || StoreError::TooLarge("the import is larger than 3 GiB; split the file".into());
        if self.arena.len() + bytes.len() > BULK_BYTES_MAX {
            return Err(too_large());
        }
        let row = Row {
            id: u32::try_from(self.ids.len()).map_err(|_| too_large())?,
            id_len: u8::try_from(contact.id.len()).map_err(|_| too_large())?,
            record: u32::try_from(self.arena.len()).map_err(|_| too_large())?,
            record_len: u16::try_from(bytes.len()).map_err(|_| too_large())?,
            place,
            claim,
        };
        self.ids.extend_from_slice(contact.id.as_bytes());
        self.arena.extend_from_slice(&bytes);
        Ok(row)
    }

    /// Sorts the rows by id; those with one id stay in the order that they are in.
    pub(super) fn order(&mut self) {
        let mut list = std::mem::take(&mut self.list);
        list.sort_by(|a, b| self.id_of(*a).cmp(self.id_of(*b)));
        self.list = list;
    }

    /// Sorts the rows by id. Of rows with one id the last stays.
    fn sort(&mut self) {
        self.order();
        let mut list = std::mem::take(&mut self.list);
        list.dedup_by(|later, kept| {
            let is_same = self.id_of(*later) == self.id_of(*kept);
            if is_same {
                *kept = *later;
            }
            is_same
        });
        self.list = list;
    }
}

/// What a bulk change did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct BulkOutcome {
    /// The store's revision after it.
    pub revision: u64,
    /// Contacts that are new.
    pub added: u64,
    /// Contacts that were changed.
    pub changed: u64,
    /// Contacts that were the same already.
    pub unchanged: u64,
    /// Contacts of the source that the file doesn't have, and that were removed.
    pub removed: u64,
    /// Contacts of the source that the file doesn't have, and that stay.
    pub missing: u64,
    /// Those of them that stay because somebody edited them since the last import that brought them.
    pub kept: u64,
    /// Changed contacts that were another source's, or made by hand, and are this one's now.
    pub taken: u64,
    /// Changed contacts that somebody had edited since the last import: the file speaks over him.
    pub overridden: u64,
    /// Rows of an update whose contact isn't there.
    pub absent: u64,
    /// Numbers that are blocked now and weren't before.
    pub blocked: u64,
}

impl Bulk {
    pub(super) fn new(store: Store, tenant: &str, source: &str, mode: ImportMode) -> Bulk {
        let (tenant, source) = (tenant.to_owned(), source.to_owned());
        Bulk { store, tenant, source, mode, owner: None, rows: Arc::default(), blocked: Arc::default() }
    }

    /// It is an extension's own phone book: what the source has brought for others is none of its business, and a replacement
    /// leaves it there.
    #[must_use]
    pub fn of_owner(self, owner: Option<Number>) -> Bulk {
        Bulk { owner, ..self }
    }

    /// How many contacts were pushed.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether nothing was pushed.
    pub fn is_empty(&self) -> bool {
        self.rows.len() == 0
    }

    /// Adds a contact; a later one with the same id replaces it. Its source becomes this change's.
    ///
    /// # Errors
    /// [`StoreError::TooLarge`] for a record or a file that is beyond the store's limits, and
    /// [`StoreError::NotAKey`] for an id that can't be one.
    pub fn push(&mut self, contact: &Contact) -> Result<(), StoreError> {
        self.push_from(contact, 0, Claim::Said)
    }

    /// The same, with the place in the file that a preview names, and what the id rests on.
    ///
    /// # Errors
    /// As [`Bulk::push`].
    pub fn push_from(&mut self, contact: &Contact, place: u64, claim: Claim) -> Result<(), StoreError> {
        check_id(&contact.id).map_err(|e| StoreError::NotAKey(e.to_string()))?;
        let rows = Arc::make_mut(&mut self.rows);
        let place = u32::try_from(place).unwrap_or(u32::MAX);
        let row = if contact.source == self.source {
            rows.keep(contact, place, claim)?
        } else {
            rows.keep(&Contact { source: self.source.clone(), ..contact.clone() }, place, claim)?
        };
        rows.list.push(row);
        Ok(())
    }

    /// Adds an entry of a list, which becomes true together with the contacts unless the list has that entry already.
    pub fn screen(&mut self, screen: Screen) {
        Arc::make_mut(&mut self.blocked).push(screen);
    }

    /// Lays the contacts over those of the same source and makes the whole true, or nothing of it. An edit that is
    /// made while this runs is newer than the file, and stands.
    ///
    /// # Errors
    /// Whatever the writer says; the store is then as it was.
    pub fn commit(mut self, by: impl Into<By>) -> Result<BulkOutcome, StoreError> {
        let by = by.into();
        self.sort();
        for _ in 0..TRIES_MAX {
            if let Some(outcome) = self.stage()?.finish(&by)? {
                return Ok(outcome);
            }
        }
        Err(StoreError::Busy("other imports of this tenant kept coming in between; import again when they are done".into()))
    }

    /// Sorts the rows by id. Of rows with one id the last stays.
    pub(super) fn sort(&mut self) {
        Arc::make_mut(&mut self.rows).sort();
    }

    /// Begins to put a generation together beside the store, step by step. Nobody sees it yet.
    ///
    /// # Errors
    /// The store can't be written to.
    pub fn begin(&mut self) -> Result<Staging, StoreError> {
        self.sort();
        Staging::begin(self)
    }

    /// Puts a generation together beside the store.
    pub(super) fn stage(&self) -> Result<Staging, StoreError> {
        let mut staging = Staging::begin(self)?;
        while !staging.step()? {}
        Ok(staging)
    }
}
