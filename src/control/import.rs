//! Imports: rows come in, a whole source becomes true, or nothing does.

use super::desk::{Desk, Refusal, bad};
use super::request::Reply;
use super::views::{ImportView, RowError};
use crate::directory::{ContactDraft, ContactError, ContactNumber};
use crate::number::Kind;
use crate::store::Bulk;
use std::collections::HashMap;
use std::collections::hash_map::Entry;

/// Wrong rows that are told in full; the rest are counted.
const ERRORS_SHOWN_MAX: usize = 20;
/// The longest source label, in bytes; it begins the ids of contacts that have none of their own.
const SOURCE_BYTES_MAX: usize = 24;

/// An import on its way.
pub(super) struct Import {
    tenant: String,
    source: String,
    bulk: Bulk,
    view: ImportView,
    /// id → name, hashed: what finds duplicates.
    seen: HashMap<u64, u64>,
}

impl Desk {
    pub(super) fn import_begin(&mut self, tenant: &str, source: &str) -> Result<Reply, Refusal> {
        self.tenant(tenant)?;
        let fits = (1..=SOURCE_BYTES_MAX).contains(&source.len())
            && source.starts_with(|c: char| c.is_ascii_alphanumeric())
            && source.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-'));
        if !fits {
            return bad(format!("the source {source:?} can't be used; write 1 to {SOURCE_BYTES_MAX} of A-Z a-z 0-9 _ -"));
        }
        let bulk = self.store.bulk(tenant, source);
        let import =
            Import { tenant: tenant.to_owned(), source: source.to_owned(), bulk, view: ImportView::default(), seen: HashMap::new() };
        self.import = Some(import);
        Ok(Reply::Import(ImportView::default()))
    }

    pub(super) fn import_rows(&mut self, rows: Vec<(u64, ContactDraft)>) -> Result<Reply, Refusal> {
        let Some(mut import) = self.import.take() else { return bad("there is no import; begin one first") };
        let plan = &self.tenant(&import.tenant)?.plan;
        for (row, draft) in rows {
            import.view.rows += 1;
            if let Err(error) = import.take_row(draft, plan)? {
                import.view.wrong += 1;
                if import.view.errors.len() < ERRORS_SHOWN_MAX {
                    import.view.errors.push(RowError { row, ..error });
                }
            }
        }
        let view = import.view.clone();
        self.import = Some(import);
        Ok(Reply::Import(view))
    }

    pub(super) fn import_commit(&mut self) -> Result<Reply, Refusal> {
        let Some(import) = self.import.take() else { return bad("there is no import; begin one first") };
        let mut view = import.view;
        if view.wrong > 0 {
            // nothing is imported; the reply says what is wrong
            return Ok(Reply::Import(view));
        }
        let done = import.bulk.commit(self.who.importing(&import.source))?;
        view.added = done.added;
        view.changed = done.changed;
        view.unchanged = done.unchanged;
        view.revision = Some(done.revision);
        Ok(Reply::Import(view))
    }
}

impl Import {
    /// Takes a row: outside, a trouble with the store; inside, what is wrong with the row.
    fn take_row(&mut self, draft: ContactDraft, plan: &crate::number::NumberPlan) -> Result<Result<(), RowError>, Refusal> {
        let given_id = !draft.id.is_empty();
        let typed: Vec<String> = draft.numbers.iter().map(|n| n.0.clone()).collect();
        let draft = if given_id { draft } else { ContactDraft { id: "row".to_owned(), ..draft } };
        let mut contact = match draft.check(plan, &self.source) {
            Ok(contact) => contact,
            Err(error) => return Ok(Err(row_error(&error, &typed))),
        };
        let name = hash(contact.name.as_bytes());
        if !given_id && let Some(number) = contact.numbers.first() {
            contact.id = row_id(&self.source, number);
        }
        match self.seen.entry(hash(contact.id.as_bytes())) {
            Entry::Vacant(free) => drop(free.insert(name)),
            Entry::Occupied(taken) if given_id || *taken.get() == name => self.view.duplicates += 1,
            Entry::Occupied(_) => {
                // another person with the same number: the name tells them apart
                contact.id = format!("{}-{:08x}", contact.id, name as u32);
                if self.seen.insert(hash(contact.id.as_bytes()), name).is_some() {
                    self.view.duplicates += 1;
                }
            }
        }
        self.bulk.push(&contact)?;
        Ok(Ok(()))
    }
}

/// An id made of source and number, so that a second import of the same file changes nothing.
fn row_id(source: &str, number: &ContactNumber) -> String {
    let digits = number.number.digits();
    match number.number.kind() {
        Kind::E164 => format!("{source}-{digits}"),
        kind if digits.len() <= 15 && digits.bytes().all(|b| b.is_ascii_alphanumeric()) => {
            format!("{source}-{}{digits}", char::from(kind.tag()))
        }
        // what can't be part of an id is told apart by its hash
        kind => format!("{source}-{}{:016x}", char::from(kind.tag()), hash(digits.as_bytes())),
    }
}

fn row_error(error: &ContactError, typed: &[String]) -> RowError {
    let (field, number_index) = match error {
        ContactError::Id(_) => ("id", None),
        ContactError::NameEmpty => ("name", None),
        ContactError::TooLong { field, .. } | ContactError::TooMany { field, .. } => (*field, None),
        ContactError::NoNumber => ("number", Some(0)),
        ContactError::Owner(_) => ("owner", None),
        ContactError::Number { typed: text, .. } | ContactError::Reach { typed: text, .. } | ContactError::Withheld(text) => {
            ("number", typed.iter().position(|t| t == text))
        }
    };
    RowError { row: 0, field: field.to_owned(), number_index, message: error.to_string() }
}

/// FNV-1a: small, and the same in every version, which ids need.
fn hash(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |h, b| (h ^ u64::from(*b)).wrapping_mul(0x0100_0000_01b3))
}
