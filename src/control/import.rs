//! Imports: rows come in, a whole source becomes true, or nothing does.
//!
//! What follows on a connection: [`Request::ImportBegin`](super::Request), parts, then either a preview, which ends it, or
//! steps (each some tenths of a second, so that whoever asked can show how far it is, and go away) and the end, before which
//! nothing has changed. The end does the steps that are left itself.

use super::desk::{Desk, Refusal, bad, parse_number};
use super::import_ids::{Made, SOURCE_BYTES_MAX, hash, is_label, owned_id, row_id};
use super::import_views::{DifferenceView, DuplicateView, ImportAsk, ImportDifferences, ImportPart, ImportView, RowError};
use super::request::Reply;
use crate::directory::{ContactDraft, ContactError};
use crate::number::{Kind, Number};
use crate::plan::{ItemDraft, ScreenDraft};
use crate::routing::{PlanItem, ScreenKey, Tenant};
use crate::store::{Bulk, BulkOutcome, Claim, ImportMode, Repeat, Staging, Store};
use std::collections::HashSet;

/// Wrong rows that are told in full; the rest are counted.
const ERRORS_SHOWN_MAX: usize = 20;
/// Differences of each sort that a preview may show in full: it has to fit into a frame.
const DIFFERENCES_MAX: usize = 500;
/// Numbers that a file may block. They are edits of the plan, whose entries are made up in memory.
const BLOCKED_MAX: usize = 100_000;
/// How many tenths of the rows have no number in the place of one where columns look swapped, and not just some rows wrong.
const SWAPPED_TENTHS: u64 = 9;
/// How often an import is put together anew because another one of the tenant was faster.
const TRIES_MAX: usize = 5;

/// An import on its way.
pub(super) struct Import {
    tenant: String,
    ask: ImportAsk,
    bulk: Bulk,
    staging: Option<Staging>,
    view: ImportView,
    /// Ids, or numbers and names, hashed: an earlier row's contact again adds no numbers.
    seen: HashSet<u64>,
    /// Whether ids were made of numbers, which several contacts of the file may have.
    has_made: bool,
    /// Whether every row has its id.
    is_settled: bool,
    /// Numbers, hashed: what finds those that several contacts have.
    numbers: HashSet<u64>,
    /// The first rows with an earlier row's id.
    duplicates: Vec<DuplicateView>,
    blocked: HashSet<Number>,
    /// Rows that have something else where their number should be.
    not_numbers: u64,
}

impl Desk {
    pub(super) fn import_begin(&mut self, tenant: &str, mut ask: ImportAsk) -> Result<Reply, Refusal> {
        let plan = &self.tenant(tenant)?.plan;
        let source = &ask.source;
        if !is_label(source) {
            return bad(format!("the source {source:?} can't be used; write 1 to {SOURCE_BYTES_MAX} of A-Z a-z 0-9 _ -"));
        }
        let mut owned_by = None;
        if let Some(owner) = &ask.owner {
            let number = parse_number(plan, owner)?;
            if number.kind() != Kind::Extension {
                return bad(format!("the owner {owner:?} is no extension; a personal phone book is an extension's, such as 101"));
            }
            ask.owner = Some(number.to_string());
            owned_by = Some(number);
        }
        let bulk = self.store.bulk_as(tenant, &ask.source, ask.mode).of_owner(owned_by);
        let view = ImportView { source: ask.source.clone(), ..ImportView::default() };
        self.import = Some(Import {
            tenant: tenant.to_owned(),
            ask,
            bulk,
            staging: None,
            view: view.clone(),
            seen: HashSet::new(),
            has_made: false,
            is_settled: false,
            numbers: HashSet::new(),
            duplicates: Vec::new(),
            blocked: HashSet::new(),
            not_numbers: 0,
        });
        Ok(Reply::Import(view))
    }

    pub(super) fn import_rows(&mut self, part: ImportPart) -> Result<Reply, Refusal> {
        let Some(mut import) = self.import.take() else { return no_import() };
        if import.staging.is_some() {
            return bad("the import is being put together already; nothing can be added to it");
        }
        let rules = self.tenant(&import.tenant)?;
        let mut errors = Vec::new();
        import.view.rows += (part.rows.len() + part.blocked.len() + part.wrong.len()) as u64;
        for (row, draft) in part.rows {
            if let Err(error) = import.take_row(row, draft, rules, &self.store)? {
                errors.push(RowError { row, ..error });
            }
        }
        for (row, number) in part.blocked {
            if let Err(message) = import.take_blocked(number, rules)? {
                errors.push(RowError { row, field: "number".to_owned(), number_index: Some(0), message, place: None });
            }
        }
        let unread = |(row, message)| RowError { row, field: String::new(), number_index: None, message, place: None };
        errors.extend(part.wrong.into_iter().map(unread));
        // the first that are wrong are told
        errors.sort_by_key(|error| error.row);
        errors.into_iter().for_each(|error| import.is_wrong(error));
        let view = import.view.clone();
        self.import = Some(import);
        Ok(Reply::Import(view))
    }

    /// What it would do. It is over then, and nothing has changed.
    pub(super) fn import_preview(&mut self, shown_max: usize) -> Result<Reply, Refusal> {
        let Some(mut import) = self.import.take() else { return no_import() };
        if import.view.wrong == 0 {
            import.check_not_empty()?;
        }
        import.settle(&self.store)?;
        let preview = import.bulk.preview(shown_max.min(DIFFERENCES_MAX))?;
        import.says(&preview.counts);
        import.advise();
        let of = |list: &[crate::store::BulkDifference]| list.iter().map(DifferenceView::of).collect();
        import.duplicates.truncate(shown_max);
        import.view.differences = Some(Box::new(ImportDifferences {
            added: of(&preview.added),
            changed: of(&preview.changed),
            removed: of(&preview.removed),
            missing: of(&preview.missing),
            absent: of(&preview.absent),
            duplicates: import.duplicates,
        }));
        Ok(Reply::Import(import.view))
    }

    /// Puts together some more of it.
    pub(super) fn import_stage(&mut self) -> Result<Reply, Refusal> {
        let Some(mut import) = self.import.take() else { return no_import() };
        if import.view.wrong == 0 && !import.view.is_staged {
            import.check_not_empty()?;
            import.settle(&self.store)?;
            let staging = match &mut import.staging {
                Some(staging) => staging,
                none => none.insert(import.bulk.begin()?),
            };
            import.view.is_staged = staging.step()?;
            import.view.rows_staged = staging.rows_done() as u64;
        }
        let view = import.view.clone();
        self.import = Some(import);
        Ok(Reply::Import(view))
    }

    pub(super) fn import_commit(&mut self) -> Result<Reply, Refusal> {
        let Some(mut import) = self.import.take() else { return no_import() };
        if import.view.wrong > 0 {
            // nothing is imported; the reply says what is wrong
            import.advise();
            return Ok(Reply::Import(import.view));
        }
        import.check_not_empty()?;
        import.settle(&self.store)?;
        for _ in 0..TRIES_MAX {
            let mut staging = match import.staging.take() {
                Some(staging) => staging,
                None => import.bulk.begin()?,
            };
            while !staging.step()? {}
            if let Some(done) = staging.finish(self.who.importing(&import.ask.source))? {
                import.says(&done);
                import.view.revision = Some(done.revision);
                return Ok(Reply::Import(import.view));
            }
        }
        bad("other imports of this tenant kept coming in between; import again when they are done")
    }
}

fn no_import<T>() -> Result<T, Refusal> {
    bad("there is no import; begin one first")
}

impl Import {
    fn is_wrong(&mut self, error: RowError) {
        self.view.wrong += 1;
        if self.view.errors.len() < ERRORS_SHOWN_MAX {
            self.view.errors.push(error);
        }
    }

    /// Says what is wrong with the whole, where nearly all rows have no number in the place of one.
    fn advise(&mut self) {
        if self.not_numbers > 0 && self.not_numbers.saturating_mul(10) >= self.view.rows.saturating_mul(SWAPPED_TENTHS) {
            let hint = "nearly all rows have no number where it should be: columns look swapped; say which is which, such as --map name=A,number=B";
            self.view.hint = Some(hint.to_owned());
        }
    }

    /// Gives every row its id, once all rows are in.
    fn settle(&mut self, store: &Store) -> Result<(), Refusal> {
        if std::mem::replace(&mut self.is_settled, true) {
            return Ok(());
        }
        let source = self.has_made.then_some(self.ask.source.as_str());
        let repeats = self.bulk.settle(DIFFERENCES_MAX, &Made::of(store, &self.tenant, source)?)?;
        self.view.duplicates += repeats.count;
        let view = |repeat: Repeat| DuplicateView { row: repeat.place, counts: repeat.counts, id: repeat.id };
        self.duplicates = repeats.first.into_iter().map(view).collect();
        Ok(())
    }

    fn says(&mut self, done: &BulkOutcome) {
        let view = &mut self.view;
        (view.added, view.changed, view.unchanged, view.removed) = (done.added, done.changed, done.unchanged, done.removed);
        (view.missing, view.kept, view.taken_over, view.overridden) = (done.missing, done.kept, done.taken, done.overridden);
        (view.absent, view.blocked) = (view.absent + done.absent, done.blocked);
    }

    /// A file that lost its contacts on the way here must not take a whole source along.
    fn check_not_empty(&self) -> Result<(), Refusal> {
        if self.ask.mode == ImportMode::Replace && self.bulk.is_empty() && !self.ask.may_be_empty {
            return bad(format!(
                "the file has no contacts, and replacing would remove all that {} brought; nothing was imported. If that is meant, add --allow-empty",
                self.ask.source
            ));
        }
        Ok(())
    }

    fn take_blocked(&mut self, number: String, rules: &Tenant) -> Result<Result<(), String>, Refusal> {
        let draft = ItemDraft::Block(ScreenDraft { number: Some(number), ..ScreenDraft::default() });
        let screen = match draft.check(rules, None) {
            Ok(PlanItem::Screen(screen)) => screen,
            Ok(_) => return Ok(Err("is nothing that can be blocked".to_owned())),
            Err(wrong) => return Ok(Err(wrong.to_string())),
        };
        if let ScreenKey::Number(number) = &screen.key
            && !self.blocked.insert(number.clone())
        {
            self.view.duplicates += 1;
            return Ok(Ok(()));
        }
        if self.blocked.len() > BLOCKED_MAX {
            return bad(format!(
                "the file blocks more than {BLOCKED_MAX} numbers; block prefixes instead (strowger block set --prefix), or split the file"
            ));
        }
        if self.ask.mode == ImportMode::Update {
            // it adds nothing, here neither
            self.view.absent += 1;
        } else {
            self.bulk.screen(screen);
        }
        Ok(Ok(()))
    }

    /// Takes a row: outside, a trouble with the store; inside, what is wrong with the row.
    fn take_row(&mut self, row: u64, draft: ContactDraft, rules: &Tenant, store: &Store) -> Result<Result<(), RowError>, Refusal> {
        let given_id = !draft.id.is_empty();
        let typed: Vec<String> = draft.numbers.iter().map(|n| n.0.clone()).collect();
        let id = if given_id { draft.id.clone() } else { "row".to_owned() };
        let owner = self.ask.owner.clone().or_else(|| draft.owner.clone());
        let draft = ContactDraft { id, owner, ..draft };
        let mut contact = match draft.check(&rules.plan, &self.ask.source) {
            Ok(contact) => contact,
            Err(error) => {
                self.not_numbers += u64::from(matches!(error, ContactError::NotANumber(_)));
                return Ok(Err(row_error(&error, &typed)));
            }
        };
        let claim = match (&self.ask.owner, &contact.owner) {
            (Some(_), Some(owner)) if given_id => {
                let (id, claim) = owned_id(store, &self.tenant, owner, &contact.id)?;
                contact.id = id;
                claim
            }
            _ if given_id => Claim::Said,
            _ => {
                self.has_made = true;
                contact.id = row_id(&self.ask.source, &contact);
                Claim::Made
            }
        };
        let who = if claim == Claim::Made { format!("{}\n{}", contact.id, contact.name) } else { contact.id.clone() };
        let is_again = !self.seen.insert(hash(who.as_bytes()));
        if !is_again {
            let is_new = |n: &Number| self.numbers.insert(hash(format!("{}{}", n.kind().tag(), n.digits()).as_bytes()));
            let own: HashSet<&Number> = contact.numbers.iter().map(|n| &n.number).collect();
            self.view.shared_numbers += own.into_iter().map(is_new).filter(|is_new| !is_new).count() as u64;
        }
        self.bulk.push_from(&contact, row, claim)?;
        Ok(Ok(()))
    }
}

fn row_error(error: &ContactError, typed: &[String]) -> RowError {
    let (field, number_index) = match error {
        ContactError::Id(_) => ("id", None),
        ContactError::NameEmpty => ("name", None),
        ContactError::TooLong { field, .. } | ContactError::TooMany { field, .. } => (*field, None),
        ContactError::NoNumber => ("number", Some(0)),
        ContactError::Owner(_) => ("owner", None),
        ContactError::Number { typed: text, .. }
        | ContactError::Reach { typed: text, .. }
        | ContactError::NotANumber(text)
        | ContactError::Withheld(text) => ("number", typed.iter().position(|t| t == text)),
    };
    RowError { row: 0, field: field.to_owned(), number_index, message: error.to_string(), place: None }
}
