//! Which row of a file gets which id, once all rows are in: what a contact is called must not depend on who stands first.
//!
//! An id that was made of a number is everybody's who has the number. Where several names have one, whoever makes ids says
//! which of them is called what; the rows of the others are kept anew under another id. Rows that nobody shares a number with
//! cost a comparison with their neighbour, which sorting them costs anyway.

use super::bulk::{Bulk, Claim, Row, Rows};
use super::{StoreError, record};
use crate::directory::Contact;
use std::collections::{BTreeSet, BinaryHeap, HashMap};
use std::ops::Range;
use std::sync::Arc;

/// Who makes ids of numbers.
pub trait MadeIds {
    /// Whether the store has, or had, several contacts that share this made id, so that its row has to be asked for even
    /// where the file has one name for it.
    fn is_shared(&self, id: &str) -> bool;

    /// The ids of the contacts that share a made one, by their names, which are sorted and all different. The made id itself
    /// may be one of them, unless a row of the file says it (`is_said`).
    ///
    /// # Errors
    /// The store could not be read.
    fn ids(&self, id: &str, names: &[String], is_said: bool) -> Result<Vec<String>, StoreError>;
}

/// A row whose contact an earlier row of the file has.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Repeat {
    /// Its place.
    pub place: u64,
    /// The place of the row that counts.
    pub counts: u64,
    /// The contact's id.
    pub id: String,
}

/// The rows whose contact an earlier row has.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Repeats {
    /// How many there are.
    pub count: u64,
    /// The first of them in the order of the file.
    pub first: Vec<Repeat>,
}

impl Bulk {
    /// Gives every row its id, and leaves one row of those that have the same: the one with the better claim, else the later.
    /// Of the rows that are left out `shown_max` are named.
    ///
    /// # Errors
    /// [`StoreError::TooLarge`] where the rows that need another id don't fit, and whatever `made` says.
    pub fn settle(&mut self, shown_max: usize, made: &impl MadeIds) -> Result<Repeats, StoreError> {
        let rows = Arc::make_mut(&mut self.rows);
        rows.order();
        let mut is_renamed = false;
        let mut begin = 0;
        while begin < rows.len() {
            let end = rows.end_of_run(begin);
            let others = renamed(rows, begin..end, made)?;
            is_renamed |= !others.is_empty();
            for (at, id) in others {
                let row = rows.list[at];
                let contact = Contact { id, ..record::decode(rows.record_of(row))? };
                rows.list[at] = rows.keep(&contact, row.place, row.claim)?;
            }
            begin = end;
        }
        if is_renamed {
            rows.order();
        }
        Ok(only_best(rows, shown_max))
    }
}

impl Rows {
    /// Where the rows of the id that begins here end; the rows are sorted.
    fn end_of_run(&self, begin: usize) -> usize {
        (begin + 1..self.len()).find(|at| self.id(*at) != self.id(begin)).unwrap_or(self.len())
    }
}

/// The rows of one id that need another, and which.
fn renamed(rows: &Rows, run: Range<usize>, made: &impl MadeIds) -> Result<Vec<(usize, String)>, StoreError> {
    let id = std::str::from_utf8(rows.id(run.start)).unwrap_or_default();
    let is_made = |at: &usize| rows.list[*at].claim == Claim::Made;
    if !run.clone().any(|at| is_made(&at)) || (run.len() == 1 && !made.is_shared(id)) {
        return Ok(Vec::new());
    }
    let name = |at: usize| record::decode::<Contact>(rows.record(at)).map(|contact| contact.name);
    // whoever says the id has it, and of two who do the one that counts
    let holder = best(&rows.list[run.clone()]).filter(|best| best.claim > Claim::Made);
    let said = holder.map(|row| record::decode::<Contact>(rows.record_of(row)).map(|contact| contact.name)).transpose()?;
    let mut named: Vec<(usize, String)> = Vec::with_capacity(run.len());
    for at in run.filter(is_made) {
        let name = name(at)?;
        if said.as_ref() != Some(&name) {
            named.push((at, name));
        }
    }
    let names: Vec<String> = named.iter().map(|(_, name)| name.clone()).collect::<BTreeSet<String>>().into_iter().collect();
    if names.is_empty() || (names.len() == 1 && said.is_none() && !made.is_shared(id)) {
        return Ok(Vec::new());
    }
    let ids = made.ids(id, &names, said.is_some())?;
    let ids: HashMap<String, String> = names.into_iter().zip(ids).filter(|(_, other)| *other != id).collect();
    Ok(named.into_iter().filter_map(|(at, name)| Some((at, ids.get(&name)?.clone()))).collect())
}

/// Of rows with one id the one that counts.
fn best(run: &[Row]) -> Option<Row> {
    // of equal ones the last
    run.iter().copied().max_by_key(|row| row.claim)
}

/// Leaves of rows with one id the one that counts.
fn only_best(rows: &mut Rows, shown_max: usize) -> Repeats {
    let mut repeats = Repeats::default();
    let mut first: BinaryHeap<Repeat> = BinaryHeap::new();
    let mut kept = 0;
    let mut begin = 0;
    // what is kept is written in front of where it is read
    while begin < rows.len() {
        let end = rows.end_of_run(begin);
        let Some(best) = best(&rows.list[begin..end]) else { break };
        for row in &rows.list[begin + 1..end] {
            repeats.count += 1;
            if first.len() < shown_max || first.peek().is_some_and(|last| u64::from(row.place) < last.place) {
                let id = String::from_utf8_lossy(rows.id_of(*row)).into_owned();
                first.push(Repeat { place: row.place.into(), counts: best.place.into(), id });
            }
            if first.len() > shown_max {
                first.pop();
            }
        }
        rows.list[kept] = best;
        kept += 1;
        begin = end;
    }
    rows.list.truncate(kept);
    repeats.first = first.into_sorted_vec();
    repeats
}
