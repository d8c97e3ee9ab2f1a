//! A tenant's contacts, ready to be searched.
//!
//! Numbers in it: a contact's *rank* is its place in the order of equally good ones, and the order of the text; *which* it
//! is is its place in the order of the ids.

use super::begins::Begins;
use super::best::{Worth, only_whole};
use super::numbers::Numbers;
use super::query::{Form, Query, Word};
use super::record::{self, FIELD_END, Fit, NAME, fit, fit_or_typo};
use super::words::Words;
use super::{FOUND_MAX, Found};
use crate::directory::Contact;
use crate::number::Number;
use memchr::memmem::Finder;
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// The mark of favourites among owners.
pub(super) const FAVOURITE: u32 = 1 << 31;
/// Places of the rarest word that are looked at one by one. What is in more is looked for in the order of its worth, so that
/// the first few are the best.
const PLACES_MAX: usize = 4096;
/// Contacts with the rarest word that are looked at one by one; some milliseconds.
const POSTED_MAX: usize = if cfg!(test) { 10_000 } else { 60_000 };
/// Contacts that are looked at for typing mistakes, at most: those that have a word like the only one that was typed, or,
/// where there are several, that are compared with each.
const TYPOS_MAX: usize = 200_000;
const TYPOS_COMPARED_MAX: usize = 10_000;
/// What is shorter than this is no text that a few have: those with a word that begins like it are taken from the words.
const SHORT_BYTES: usize = 3;
/// How many contacts are looked at between two looks at the time.
const TIME_LOOK: usize = 256;
/// Places that are passed over for what looking at one contact costs.
const PASSED_LOOK: usize = 16;

/// An edited contact, laid over the others.
struct Edited {
    record: Vec<u8>,
    owner: Option<Number>,
    favourite: bool,
}

/// The index of one tenant.
#[derive(Default)]
pub struct Index {
    /// Records, in the order of their ranks.
    pub(super) text: Vec<u8>,
    /// By rank: where a record begins; one more for the end.
    pub(super) starts: Vec<u32>,
    /// By rank: which contact it is.
    pub(super) which: Vec<u32>,
    /// Ids, in their order, and where each begins.
    pub(super) ids: Vec<u8>,
    pub(super) id_starts: Vec<u32>,
    /// By which: the owner's number here, 0 for the shared ones, and the favourite's mark.
    pub(super) owners: Vec<u32>,
    owner_ids: HashMap<Number, u32>,
    pub(super) words: Words,
    /// Those of numbers that have letters; they are forgiven no mistakes.
    pub(super) number_words: Words,
    pub(super) names: Begins,
    pub(super) number_begins: Begins,
    pub(super) numbers: Numbers,
    /// By which, a bit each: those that were edited or removed since.
    pub(super) dead: Vec<u64>,
    edited: BTreeMap<String, Edited>,
    changes: usize,
}

/// What is asked, of whom, and what was found.
struct Search<'a> {
    index: &'a Index,
    query: &'a Query,
    owner: Option<u32>,
    limit: usize,
    spent: &'a mut dyn FnMut() -> bool,
    looks: usize,
    found: BTreeSet<(Fit, u32)>,
    cut: bool,
}

impl Index {
    pub(super) fn owner_of(&mut self, owner: &Number) -> u32 {
        let next = self.owner_ids.len() as u32 + 1;
        *self.owner_ids.entry(owner.clone()).or_insert(next)
    }

    /// Contacts in it, those that were removed or edited since among them.
    pub fn len(&self) -> usize {
        self.which.len()
    }

    /// Whether there is nobody in it.
    pub fn is_empty(&self) -> bool {
        self.which.is_empty() && self.edited.is_empty()
    }

    /// Changes since it was built. Each is looked at in every search, so that one day it is to be built anew.
    pub fn changes(&self) -> usize {
        self.changes
    }

    /// Memory, in bytes, without what was changed.
    pub fn bytes(&self) -> usize {
        let words = self.starts.capacity() + self.which.capacity() + self.id_starts.capacity() + self.owners.capacity();
        let found_by =
            self.words.bytes() + self.number_words.bytes() + self.names.bytes() + self.number_begins.bytes() + self.numbers.bytes();
        self.text.capacity() + self.ids.capacity() + 4 * words + 8 * self.dead.capacity() + found_by
    }

    /// Takes in what a contact is now; `None` for one that was removed.
    pub fn change(&mut self, id: &str, contact: Option<&Contact>) {
        if let Some(which) = self.find(id) {
            self.dead[which / 64] |= 1 << (which % 64);
        }
        self.changes += 1;
        let Some(contact) = contact else {
            self.edited.remove(id);
            return;
        };
        let mut record = Vec::new();
        record::write(contact, &mut record);
        self.edited.insert(id.to_owned(), Edited { record, owner: contact.owner.clone(), favourite: contact.favourite });
    }

    fn id(&self, which: usize) -> &[u8] {
        &self.ids[self.id_starts[which] as usize..self.id_starts[which + 1] as usize]
    }

    fn find(&self, id: &str) -> Option<usize> {
        let (mut low, mut high) = (0, self.which.len());
        while low < high {
            let middle = low + (high - low) / 2;
            match self.id(middle).cmp(id.as_bytes()) {
                std::cmp::Ordering::Less => low = middle + 1,
                std::cmp::Ordering::Equal => return Some(middle),
                std::cmp::Ordering::Greater => high = middle,
            }
        }
        None
    }

    fn record(&self, rank: u32) -> &[u8] {
        &self.text[self.starts[rank as usize] as usize..self.starts[rank as usize + 1] as usize]
    }

    /// Searches. Of personal contacts only those of `owner` are found, with the shared ones. Where `spent` says that time is
    /// spent (it is asked every few hundred contacts and between scans), what was found until then comes back.
    pub fn search(&self, query: &Query, owner: Option<&Number>, limit: usize, spent: &mut dyn FnMut() -> bool) -> Found {
        let limit = limit.min(FOUND_MAX);
        let owner_id = owner.and_then(|owner| self.owner_ids.get(owner)).copied();
        let mut search = Search { index: self, query, owner: owner_id, limit, spent, looks: 0, found: BTreeSet::new(), cut: false };
        if !self.which.is_empty() && limit > 0 {
            search.exact();
        }
        let mut worths = BTreeSet::new();
        for (id, edited) in &self.edited {
            let is_theirs = edited.owner.is_some() && edited.owner.as_ref() != owner;
            let Some(fit) = (if is_theirs { None } else { fit_or_typo(query, &edited.record) }) else { continue };
            let name = record::name(&edited.record).to_vec();
            worths.insert(Worth { fit, is_other: !edited.favourite, name_len: name.len(), name, id: id.clone() });
        }
        if !self.which.is_empty() && search.found.len() < limit && !search.cut {
            search.typos();
        }
        let Search { found, cut, .. } = search;
        for (fit, rank) in found.into_iter().take(limit) {
            let which = self.which[rank as usize] as usize;
            let name = record::name(self.record(rank)).to_vec();
            let is_other = self.owners[which] & FAVOURITE == 0;
            let id = String::from_utf8_lossy(self.id(which)).into_owned();
            worths.insert(Worth { fit, is_other, name_len: name.len(), name, id });
        }
        only_whole(query, &mut worths);
        Found { hits: worths.into_iter().take(limit).map(|worth| (worth.id, worth.fit)).collect(), cut }
    }
}

impl Search<'_> {
    /// Looks at the time now and then; `true` once it is spent.
    fn is_spent(&mut self) -> bool {
        self.looks += 1;
        if !self.cut && self.looks.is_multiple_of(TIME_LOOK) {
            self.cut = (self.spent)();
        }
        self.cut
    }

    fn is_visible(&self, rank: u32) -> bool {
        let which = self.index.which[rank as usize] as usize;
        let owner = self.index.owners[which] & !FAVOURITE;
        let is_dead = self.index.dead[which / 64] >> (which % 64) & 1 == 1;
        !is_dead && (owner == 0 || Some(owner) == self.owner)
    }

    /// Contacts in which a text stands, in the order of their ranks, until `see` has seen enough. `false` if time ran out.
    fn each(&mut self, finder: &Finder<'_>, mut see: impl FnMut(&mut Self, u32) -> bool) -> bool {
        let index = self.index;
        let (mut at, mut rank) = (0, 0);
        while let Some(place) = finder.find(&index.text[at..]) {
            if self.is_spent() {
                return false;
            }
            rank = index.rank_at(at + place, rank);
            if !see(self, rank) {
                return true;
            }
            at = index.starts[rank as usize + 1] as usize;
        }
        self.cut = self.cut || (self.spent)();
        !self.cut
    }

    /// Contacts that have the word of the query that the fewest have, by their rank; `None` where all are in very many, or
    /// their words aren't kept.
    fn with_rarest_word(&self) -> Option<Vec<u32>> {
        let words = &self.index.words;
        let ids_of = |word: &Word| {
            let ids: Option<Vec<Vec<u32>>> = word.forms.iter().map(|form| words.containing(form)).collect();
            let ids = ids?.concat();
            Some((ids.iter().map(|id| words.contacts(*id).len()).sum::<usize>(), ids))
        };
        let (count, ids) = self.query.words.iter().filter_map(ids_of).min_by_key(|(count, _)| *count)?;
        if count > POSTED_MAX {
            return None;
        }
        let mut ranks: Vec<u32> = ids.iter().flat_map(|id| words.contacts(*id).iter().copied()).collect();
        ranks.sort_unstable();
        ranks.dedup();
        Some(ranks)
    }

    /// Takes the first of these that are visible, by their ranks, as many as are wanted.
    fn take_first(&mut self, ranks: impl Iterator<Item = u32>) {
        let mut first = BTreeSet::new();
        for rank in ranks {
            let is_wanted = first.len() < self.limit || first.last().is_none_or(|last| rank < *last);
            if is_wanted && self.is_visible(rank) && first.insert(rank) && first.len() > self.limit {
                first.pop_last();
            }
        }
        for rank in first {
            self.take(rank);
        }
    }

    /// Takes the best of those whose name or number is, or begins with, the whole of what is looked for; says whether there are
    /// no better ones. Else there are too many whose beginnings can't be told apart.
    fn take_beginning(&mut self) -> bool {
        let (index, query) = (self.index, self.query);
        for (tag, whole) in query.whole_tags().iter().flat_map(|tag| query.whole.iter().map(move |whole| (*tag, whole))) {
            let begins = if tag == NAME { &index.names } else { &index.number_begins };
            let found = begins.like(whole);
            if !found.is_sure && found.all.len() > POSTED_MAX {
                return false;
            }
            if found.is_sure {
                // these are in the order of their ranks
                let whole = found.whole.iter().copied().filter(|rank| self.is_visible(*rank)).take(self.limit).collect::<Vec<_>>();
                self.take_first(whole.into_iter());
                self.take_first(found.all.iter().copied());
            } else {
                found.all.iter().for_each(|rank| _ = self.take(*rank));
            }
        }
        true
    }

    /// Takes the first of those with a word that begins like the only one that was typed, if that is so short that it is in
    /// very many; says whether it did.
    fn take_short(&mut self) -> bool {
        let (index, query) = (self.index, self.query);
        let Some(word) = query.only().filter(|word| word.forms.iter().all(|form| form.text().len() < SHORT_BYTES)) else { return false };
        // what begins with a digit may be a number, of which there is no word
        if word.forms.iter().any(|form| form.text()[0].is_ascii_digit()) {
            return false;
        }
        for words in [&index.words, &index.number_words] {
            let ids = word.forms.iter().flat_map(|form| words.beginning(form.text()));
            self.take_first(ids.flat_map(|id| words.contacts(id).iter().copied()));
        }
        true
    }

    /// Takes all that have the only word, which is digits, if they aren't very many; says whether it did.
    fn take_digits(&mut self) -> bool {
        let (index, query) = (self.index, self.query);
        let Some(word) = query.only().filter(|word| word.forms.iter().all(|form| form.text().iter().all(u8::is_ascii_digit))) else {
            return false;
        };
        let mut ranks = Vec::new();
        for form in word.shortest_forms() {
            let Some(in_numbers) = index.numbers.with(&form.finder, PLACES_MAX) else { return false };
            ranks.extend(in_numbers);
            for id in index.words.with_inside(form) {
                ranks.extend(index.words.contacts(id));
                if ranks.len() > 4 * PLACES_MAX {
                    return false;
                }
            }
        }
        ranks.into_iter().for_each(|rank| _ = self.take(rank));
        true
    }

    fn exact(&mut self) {
        let query = self.query;
        let has_beginning = self.take_beginning();
        let is_found = |search: &Self| {
            let has_whole = || search.found.first().is_some_and(|(fit, _)| *fit == Fit::Exact);
            search.found.len() >= search.limit || (query.is_whole_number && has_whole())
        };
        if has_beginning && is_found(self) {
            return;
        }
        let has_words = has_beginning && self.take_short();
        if (has_words && is_found(self)) || self.take_digits() {
            return;
        }
        if let Some(ranks) = self.with_rarest_word() {
            for rank in ranks {
                if self.is_spent() {
                    return;
                }
                self.take(rank);
                if self.found.len() > self.limit {
                    self.found.pop_last();
                }
            }
            return;
        }
        let rarest = query.rarest();
        let (mut places, mut is_rare) = (0, true);
        for form in rarest.shortest_forms() {
            let went_on = self.each(&form.finder, |search, rank| {
                places += 1;
                is_rare = places <= PLACES_MAX;
                search.take(rank);
                is_rare
            });
            if !went_on {
                return;
            }
            if !is_rare {
                break;
            }
        }
        if is_rare {
            return;
        }
        // what is in very many: those that fit best are looked for by themselves
        if !has_beginning && !self.each_beginning() {
            return;
        }
        for form in rarest.shortest_forms() {
            if !self.some_of(form, has_words) {
                return;
            }
        }
    }

    /// Looks for those whose name or number is the whole of what is looked for, or begins with it, one after the other; `false`
    /// if that is enough, or time ran out.
    fn each_beginning(&mut self) -> bool {
        let query = self.query;
        self.found.clear();
        let tags = query.whole_tags();
        for end in [&[FIELD_END][..], &[]] {
            for (whole, tag) in query.whole.iter().flat_map(|whole| tags.iter().map(move |tag| (whole, *tag))) {
                let needle = [&[tag], whole.as_slice(), end].concat();
                // once there are enough of one sort, those behind them are no better
                let mut left = self.limit;
                let go_on = |search: &mut Self, rank| {
                    left -= usize::from(search.take(rank));
                    left > 0
                };
                if !self.each(&Finder::new(&needle), go_on) {
                    return false;
                }
            }
            if self.found.len() >= self.limit {
                return false;
            }
        }
        true
    }

    /// The first that have a word in this spelling: as many as are wanted in which words begin like that, unless all of these
    /// are found already.
    fn some_of(&mut self, form: &Form, has_words: bool) -> bool {
        let index = self.index;
        let (mut begun, mut inside, mut passed) = (0, 0, 0_usize);
        let (mut at, mut rank) = (0, 0);
        while let Some(found) = form.finder.find(&index.text[at..]) {
            let place = at + found;
            // where there are enough that have it inside, only the beginning of a word is better; a tag stands before the
            // first word of all
            if inside >= self.limit && index.text[place - 1] > b' ' {
                passed += 1;
                if passed.is_multiple_of(PASSED_LOOK) && self.is_spent() {
                    return false;
                }
                at = place + 1;
                continue;
            }
            if self.is_spent() {
                return false;
            }
            rank = index.rank_at(place, rank);
            at = index.starts[rank as usize + 1] as usize;
            match self.fit_of(rank) {
                None => {}
                Some(fit) if fit <= Fit::Words => {
                    begun += 1;
                    self.found.insert((fit, rank));
                }
                Some(fit) => {
                    inside += 1;
                    if inside <= self.limit {
                        self.found.insert((fit, rank));
                    }
                }
            }
            if begun >= self.limit || (has_words && inside >= self.limit) {
                return true;
            }
        }
        self.cut = self.cut || (self.spent)();
        !self.cut
    }

    fn fit_of(&self, rank: u32) -> Option<Fit> {
        if self.is_visible(rank) { fit(self.query, self.index.record(rank)) } else { None }
    }

    /// Takes a contact if it fits; says whether it is a new one.
    fn take(&mut self, rank: u32) -> bool {
        self.fit_of(rank).is_some_and(|fit| self.found.insert((fit, rank)))
    }

    fn typos(&mut self) {
        let query = self.query;
        let is_alone = query.words.len() == 1;
        let mut left = if is_alone { TYPOS_MAX } else { TYPOS_COMPARED_MAX };
        let mut seen = vec![0_u64; self.index.which.len().div_ceil(64)];
        let mut is_new = |rank: u32| {
            let (word, bit) = (rank as usize / 64, 1 << (rank % 64));
            let is_new = seen[word] & bit == 0;
            seen[word] |= bit;
            is_new
        };
        self.found.iter().for_each(|(_, rank)| _ = is_new(*rank));
        for word in query.words.iter().filter(|word| word.edits_max > 0) {
            let Some(near) = self.index.words.near(word, self.spent) else {
                self.cut = true;
                return;
            };
            let mut group = 0;
            for (misfit, other) in near {
                // those of one misfit are wanted together: their ranks decide
                if is_alone && misfit > group && self.found.len() >= self.limit {
                    return;
                }
                group = misfit;
                for rank in self.index.words.contacts(other).iter().copied().filter(|rank| is_new(*rank)) {
                    if left == 0 || self.is_spent() {
                        return;
                    }
                    left -= 1;
                    if !self.is_visible(rank) {
                        continue;
                    }
                    let fit = if is_alone { Some(Fit::Typo(misfit as u16)) } else { fit_or_typo(query, self.index.record(rank)) };
                    self.found.extend(fit.map(|fit| (fit, rank)));
                }
            }
        }
    }
}

impl Index {
    /// The rank of the record at a place in the text, which isn't before the one with rank `from`.
    fn rank_at(&self, place: usize, from: u32) -> u32 {
        let is_before = |rank: usize| self.starts.get(rank).is_some_and(|start| *start as usize <= place);
        let (mut low, mut step) = (from as usize, 1);
        // `low` is at or before the place, always
        while is_before(low + step) {
            low += step;
            step *= 2;
        }
        let mut high = low + step;
        while high - low > 1 {
            let middle = low + (high - low) / 2;
            if is_before(middle) { low = middle } else { high = middle }
        }
        low as u32
    }
}
