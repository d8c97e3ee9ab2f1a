//! Phone books in memory: telephones ask for pages, in order, of a directory that lies on the disk by ids.
//!
//! A tenant's books, everybody's and the personal ones, are put together in one reading and kept as of a revision. After an
//! edit they are put together anew, one tenant's at a time; whoever asks meanwhile waits a moment for that, and then gets the
//! book as it was, since a large directory takes seconds. Nothing of this is on the call plane, and its threads are the admin
//! plane's, which run behind calls.

use crate::control::desk::{Desk, Refusal};
use crate::directory::export::phonebook::{Book, Entry, Sorted};
use crate::directory::search::FOUND_MAX;
use crate::number::Number;
use crate::store::{Store, StoreError};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::OwnedMutexGuard;
use tokio::task::JoinHandle;

/// Tenants whose books are kept: each has up to some 30 MB.
const TENANTS_MAX: usize = 16;
/// The most contacts of one extension's own book.
const PERSONAL_ENTRIES_MAX: usize = 2_000;
/// The most contacts of all personal books of a tenant; those that come later in the order of ids are left out.
const ALL_PERSONAL_MAX: usize = 50_000;
/// How long a book is waited for where there is an older one.
const FRESH_WAIT_MAX: Duration = Duration::from_millis(200);
/// Books that take longer than that are put together for a tenth of the time at most, however often they are edited.
const REST_FACTOR: u32 = 9;

/// A tenant's phone books as of a revision.
pub(super) struct Books {
    revision: u64,
    shared: Sorted,
    personal: HashMap<Number, Sorted>,
    took: Duration,
    since: Instant,
}

/// Some contacts of a book, in order.
#[derive(Default)]
pub(super) struct Found {
    /// The contacts.
    pub(super) entries: Vec<Entry>,
    /// How many there are in all.
    pub(super) count: usize,
    /// Why there may be more.
    pub(super) remark: Option<String>,
}

impl Books {
    fn read(store: &Store, tenant: &str) -> Result<Books, StoreError> {
        let since = Instant::now();
        let revision = store.revision();
        let (mut shared, mut personal, mut held) = (Book::default(), HashMap::<Number, Book>::new(), 0);
        for item in store.contacts(tenant, "") {
            let (_, contact) = item?;
            let Some(owner) = &contact.owner else {
                shared.add(&contact);
                continue;
            };
            let book = personal.entry(owner.clone()).or_insert_with(|| Book::of_at_most(PERSONAL_ENTRIES_MAX));
            let before = book.held();
            if held < ALL_PERSONAL_MAX {
                book.add(&contact);
            } else {
                book.leave_out();
            }
            held = (held + book.held()).saturating_sub(before);
        }
        let personal = personal.into_iter().map(|(owner, book)| (owner, book.sorted())).collect();
        Ok(Books { revision, shared: shared.sorted(), personal, took: since.elapsed(), since: Instant::now() })
    }

    /// Everybody's contacts and an extension's own, in order.
    fn in_order<'a>(&'a self, owner: Option<&Number>) -> impl Iterator<Item = &'a Entry> {
        let own = owner.and_then(|owner| self.personal.get(owner)).map_or(&[][..], |own| &own.entries);
        let (mut shared, mut own) = (self.shared.entries.iter().peekable(), own.iter().peekable());
        std::iter::from_fn(move || match (shared.peek(), own.peek()) {
            (Some(theirs), Some(mine)) if mine < theirs => own.next(),
            (Some(_), _) => shared.next(),
            (None, _) => own.next(),
        })
    }

    /// A part of the book: so many entries behind the first ones.
    pub(super) fn part(&self, owner: Option<&Number>, skip: usize, limit: usize) -> Found {
        let own = owner.and_then(|owner| self.personal.get(owner));
        let remark = self.shared.remark().or_else(|| own.and_then(Sorted::remark));
        let count = self.shared.entries.len() + own.map_or(0, |own| own.entries.len());
        Found { entries: self.in_order(owner).skip(skip).take(limit).cloned().collect(), count, remark }
    }
}

/// Finds contacts that everybody or an extension sees, by the index of all of them, and puts those that fit best into the
/// order of a phone book.
pub(super) fn search(
    desk: &Desk,
    tenant: &str,
    owner: Option<&Number>,
    text: &str,
    (skip, limit): (usize, usize),
) -> Result<Found, Refusal> {
    let (found, notes) = desk.contacts_found(tenant, text, FOUND_MAX, owner)?;
    let mut book = Book::default();
    found.iter().for_each(|(_, contact)| book.add(contact));
    let sorted = book.sorted();
    let (count, remark) = (sorted.entries.len(), notes.into_iter().next());
    Ok(Found { entries: sorted.entries.into_iter().skip(skip).take(limit).collect(), count, remark })
}

/// The books of all tenants that were asked for.
pub(super) struct Shelf {
    store: Store,
    /// Held for a moment, by threads of the admin plane only.
    known: Mutex<HashMap<String, Arc<Books>>>,
    /// Whoever holds it puts books together.
    turn: Arc<tokio::sync::Mutex<()>>,
}

impl Shelf {
    pub(super) fn new(store: Store) -> Shelf {
        Shelf { store, known: Mutex::default(), turn: Arc::default() }
    }

    fn known(&self, tenant: &str) -> Option<Arc<Books>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).get(tenant).cloned()
    }

    /// A tenant's books: as of now, or as of before, where that is soon to be had.
    pub(super) async fn books(self: &Arc<Shelf>, tenant: &str) -> Result<Arc<Books>, StoreError> {
        let Some(known) = self.known(tenant) else {
            let turn = self.turn.clone().lock_owned().await;
            return match self.known(tenant) {
                // somebody else has put them together meanwhile
                Some(known) => Ok(known),
                None => self.begun(tenant, turn).await.map_err(|_| StoreError::Closed)?,
            };
        };
        let rests = known.took > FRESH_WAIT_MAX && known.since.elapsed() < known.took * REST_FACTOR;
        if known.revision == self.store.revision() || rests {
            return Ok(known);
        }
        let Ok(turn) = self.turn.clone().try_lock_owned() else { return Ok(known) };
        match tokio::time::timeout(FRESH_WAIT_MAX, self.begun(tenant, turn)).await {
            Ok(Ok(books)) => books,
            Ok(Err(_)) | Err(_) => Ok(known),
        }
    }

    /// A task that puts books together, and goes on when nobody waits for it any more.
    fn begun(self: &Arc<Shelf>, tenant: &str, turn: OwnedMutexGuard<()>) -> JoinHandle<Result<Arc<Books>, StoreError>> {
        let (shelf, tenant) = (self.clone(), tenant.to_owned());
        tokio::spawn(async move {
            let books = shelf.put_together(tenant).await;
            drop(turn);
            books
        })
    }

    async fn put_together(&self, tenant: String) -> Result<Arc<Books>, StoreError> {
        let (store, name) = (self.store.clone(), tenant.clone());
        // the disk is waited for on a thread that may wait
        let read = tokio::task::spawn_blocking(move || Books::read(&store, &name));
        let books = Arc::new(read.await.map_err(|_| StoreError::Closed)??);
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= TENANTS_MAX && !known.contains_key(&tenant) {
            let oldest = known.iter().min_by_key(|(_, books)| books.since).map(|(tenant, _)| tenant.clone());
            oldest.map(|oldest| known.remove(&oldest));
        }
        known.insert(tenant, books.clone());
        Ok(books)
    }
}
