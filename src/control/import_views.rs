//! What is said of an import on the wire: how it is asked for, how it stands, what it would do.

use crate::directory::{Contact, ContactDraft};
use crate::store::{BulkDifference, ImportMode};
use serde::{Deserialize, Serialize};

/// The longest text of a field that a difference shows, in characters.
const SHOWN_CHARS_MAX: usize = 80;

/// How a file is to be imported.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImportAsk {
    /// What its contacts are said to come from.
    pub source: String,
    /// What becomes of what is there.
    #[serde(default)]
    pub mode: ImportMode,
    /// The extension in whose phone book all of them go, as typed.
    #[serde(default)]
    pub owner: Option<String>,
    /// Whether a file without contacts may replace what the source has.
    #[serde(default)]
    pub may_be_empty: bool,
}

/// Rows of a file, each with its place.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImportPart {
    /// Contacts.
    #[serde(default)]
    pub rows: Vec<(u64, ContactDraft)>,
    /// Numbers that are to be blocked.
    #[serde(default)]
    pub blocked: Vec<(u64, String)>,
    /// What can't be read as a row of this file, and why. It is counted as wrong.
    #[serde(default)]
    pub wrong: Vec<(u64, String)>,
}

/// What is wrong with a row of an import.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RowError {
    /// The row in the file; the header is row 1.
    pub row: u64,
    /// The field: `name`, `number`, …; empty for the row as a whole.
    pub field: String,
    /// Which of several numbers, from 0.
    pub number_index: Option<usize>,
    /// What is wrong.
    pub message: String,
    /// Where it stands in words, once whoever has the file has said so: `row 3, column 2 (number)`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place: Option<String>,
}

/// How an import stands, or what it did.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ImportView {
    /// The source that its contacts are said to come from.
    pub source: String,
    /// Rows that were read.
    pub rows: u64,
    /// Rows with the id (or, without one, the number and name) of an earlier row, once all are in; the later one counts.
    pub duplicates: u64,
    /// Numbers that an earlier contact of the file has as well, which is no mistake.
    pub shared_numbers: u64,
    /// Rows that are wrong.
    pub wrong: u64,
    /// The first of them.
    pub errors: Vec<RowError>,
    /// What is wrong with the file as a whole, and what to do, where the errors say the same again and again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
    /// Contacts added, once committed.
    pub added: u64,
    /// Contacts changed, once committed.
    pub changed: u64,
    /// Contacts that were the same already.
    pub unchanged: u64,
    /// Contacts of the source that the file doesn't have, and that were removed.
    pub removed: u64,
    /// Contacts of the source that the file doesn't have, and that stay.
    pub missing: u64,
    /// Those of them that stay because somebody edited them since.
    pub kept: u64,
    /// Changed contacts that were another source's, or made by hand.
    pub taken_over: u64,
    /// Changed contacts that somebody had edited since the last import.
    pub overridden: u64,
    /// Rows of an update whose contact isn't there.
    pub absent: u64,
    /// Numbers blocked that weren't before.
    pub blocked: u64,
    /// The store's revision, once committed.
    pub revision: Option<u64>,
    /// Rows that are put together.
    pub rows_staged: u64,
    /// Whether all of them are, so that it only needs to be made true.
    pub is_staged: bool,
    /// What it would do, where that was asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub differences: Option<Box<ImportDifferences>>,
}

/// What an import would do; each list is the beginning of what its count says.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ImportDifferences {
    /// New contacts.
    pub added: Vec<DifferenceView>,
    /// Contacts that would be others.
    pub changed: Vec<DifferenceView>,
    /// Contacts that would go.
    pub removed: Vec<DifferenceView>,
    /// Contacts of the source that the file doesn't have and that would stay.
    pub missing: Vec<DifferenceView>,
    /// Rows of an update that have no contact to change.
    pub absent: Vec<DifferenceView>,
    /// Rows with an earlier row's id.
    pub duplicates: Vec<DuplicateView>,
}

/// A row with the id of an earlier one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DuplicateView {
    /// Its place.
    pub row: u64,
    /// The place of the row that counts: its own, unless an earlier row has more right to the id.
    #[serde(default)]
    pub counts: u64,
    /// The id.
    pub id: String,
}

/// A contact that would be added, changed, removed or left.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DifferenceView {
    /// Its row, if the file has it.
    pub row: Option<u64>,
    /// Its id.
    pub id: String,
    /// Its name, the new one where there is one.
    pub name: String,
    /// The fields that would be others.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fields: Vec<FieldDifference>,
    /// Whose it was, where that would be another: a source, or empty for a contact that was made by hand.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub taken_from: Option<String>,
    /// Somebody has edited it since the last import.
    #[serde(default)]
    pub by_hand: bool,
}

/// A field before and after; long ones are cut.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FieldDifference {
    /// Which one.
    pub field: String,
    /// What it says.
    pub before: String,
    /// What it would say.
    pub after: String,
}

impl DifferenceView {
    pub(super) fn of(difference: &BulkDifference) -> DifferenceView {
        let (before, after) = (difference.before.as_ref(), difference.after.as_ref());
        let shown = after.or(before);
        let both = before.zip(after);
        DifferenceView {
            row: difference.place,
            id: shown.map_or_else(String::new, |c| c.id.clone()),
            name: shown.map_or_else(String::new, |c| c.name.clone()),
            fields: both.map_or_else(Vec::new, |(before, after)| fields(before, after)),
            taken_from: both.filter(|(before, after)| before.source != after.source).map(|(before, _)| before.source.clone()),
            by_hand: difference.by_hand,
        }
    }
}

fn fields(before: &Contact, after: &Contact) -> Vec<FieldDifference> {
    let texts = |c: &Contact| {
        let numbers = c.numbers.iter().map(|n| n.label.as_ref().map_or_else(|| n.typed.clone(), |label| format!("{}={label}", n.typed)));
        [
            ("name", c.name.clone()),
            ("numbers", numbers.collect::<Vec<_>>().join(", ")),
            ("company", c.company.clone().unwrap_or_default()),
            ("tags", c.tags.join(", ")),
            ("note", c.note.clone().unwrap_or_default()),
            ("owner", c.owner.as_ref().map(ToString::to_string).unwrap_or_default()),
            ("favourite", if c.favourite { "yes" } else { "no" }.to_owned()),
        ]
    };
    let cut = |text: String| {
        if text.chars().count() > SHOWN_CHARS_MAX { text.chars().take(SHOWN_CHARS_MAX).chain(['…']).collect() } else { text }
    };
    let pairs = texts(before).into_iter().zip(texts(after));
    let others = pairs.filter(|((_, before), (_, after))| before != after);
    others
        .map(|((field, before), (_, after))| FieldDifference { field: field.to_owned(), before: cut(before), after: cut(after) })
        .collect()
}
