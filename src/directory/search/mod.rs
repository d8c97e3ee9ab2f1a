//! Contacts found by any part of what is known of them: names, companies, tags, numbers; accents don't matter, and small
//! typing mistakes are forgiven where nothing better is found.
//!
//! Pure: contacts and a query in, ids in the order of their worth out. [`Index`] holds a tenant's contacts as one piece of
//! folded text, in the very order in which equally good ones are shown: favourites first, then the shorter name. So who
//! looks for what is in everything stops at the first few, and who looks for what is rare scans it all at the speed of the
//! memory. [`Best`] does the same without an index, a contact at a time, and is what the index is tested against.

mod begins;
mod best;
mod build;
mod distance;
mod index;
mod numbers;
mod query;
mod record;
#[cfg(test)]
mod tests;
mod words;

pub use best::Best;
pub use build::{Builder, IndexTooLarge};
pub use index::Index;
pub use query::{QUERY_BYTES_MAX, QUERY_WORDS_MAX, Query, QueryError};
pub use record::Fit;

/// The most contacts that a search comes back with.
pub const FOUND_MAX: usize = 1000;

/// Whom a search found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Found {
    /// Their ids and how well they fit, the best first.
    pub hits: Vec<(String, Fit)>,
    /// Whether time ran out, so that there may be others, and better ones.
    pub cut: bool,
}
