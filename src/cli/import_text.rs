//! What is printed of an import, done or only tried.

use super::print;
use crate::control::{DifferenceView, DuplicateView, ImportView};
use crate::store::ImportMode;

/// Differences of each sort that a person is shown in full.
pub(super) const SHOWN_MAX: usize = 20;

/// Names of columns that nothing was taken of that a person is shown; Outlook's tables have eighty.
const COLUMNS_SHOWN_MAX: usize = 8;

/// How an import was asked for, as far as its report needs it.
pub(super) struct Asked<'a> {
    pub(super) source: &'a str,
    pub(super) mode: ImportMode,
    /// What places are counted in: `row`, `card`.
    pub(super) unit: &'static str,
    pub(super) passed_over: Vec<(&'static str, u64)>,
    /// The names of the columns that nothing was taken of.
    pub(super) columns_left: Vec<String>,
}

/// What an import did.
pub(super) fn done(view: &ImportView, asked: &Asked<'_>) -> String {
    format!("{} (revision {})\n{}", counts(view), view.revision.unwrap_or_default(), remarks(view, asked))
}

fn counts(view: &ImportView) -> String {
    format!(
        "{}: {} added, {} changed, {} unchanged, {} removed, {}",
        counted(view.rows, "row", "rows"),
        view.added,
        view.changed,
        view.unchanged,
        view.removed,
        counted(view.duplicates, "duplicate", "duplicates")
    )
}

fn counted(count: u64, one: &str, many: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { many })
}

fn remarks(view: &ImportView, asked: &Asked<'_>) -> String {
    let source = asked.source;
    let stay = view.missing - view.kept.min(view.missing);
    let mut lines = Vec::new();
    let mut say = |count: u64, one: &str, many: &str| {
        if count > 0 {
            lines.push(format!("{}\n", counted(count, one, many).replace("SOURCE", source)));
        }
    };
    say(
        stay,
        "contact of SOURCE is not in the file and stays; --mode replace removes it",
        "contacts of SOURCE are not in the file and stay; --mode replace removes them",
    );
    say(
        view.kept,
        "contact of SOURCE is not in the file, but was edited by hand since the last import, and stays",
        "contacts of SOURCE are not in the file, but were edited by hand since the last import, and stay",
    );
    say(
        view.taken_over,
        "of the changed contacts was another source's or made by hand, and is SOURCE's now",
        "of the changed contacts were another source's or made by hand, and are SOURCE's now",
    );
    let overridden = "of the changed contacts had been edited by hand; the file speaks over that";
    say(view.overridden, overridden, overridden);
    match asked.mode {
        ImportMode::Update => {
            say(view.absent, "row has no contact to update and was left out", "rows have no contact to update and were left out");
        }
        _ => say(view.absent, "row was left out", "rows were left out"),
    }
    say(view.blocked, "number is blocked that was not before", "numbers are blocked that were not before");
    say(view.shared_numbers, "number stands at several contacts of the file", "numbers stand at several contacts of the file");
    lines.push(format!("source: {source}\n"));
    if !asked.passed_over.is_empty() {
        let passed: Vec<String> = asked.passed_over.iter().map(|(what, count)| format!("{what} ({count}{})", named(what, asked))).collect();
        lines.push(format!("passed over: {}\n", passed.join(", ")));
    }
    lines.concat()
}

/// Which columns those are that were passed over: a heading that isn't known is a number that nobody finds.
fn named(what: &str, asked: &Asked<'_>) -> String {
    let left = &asked.columns_left;
    if what != "columns" || left.is_empty() {
        return String::new();
    }
    let shown: Vec<&str> = left.iter().take(COLUMNS_SHOWN_MAX).map(String::as_str).collect();
    let more = if left.len() > shown.len() { ", …" } else { "" };
    format!(": {}{more}", print::shown(&shown.join(", ")))
}

/// What an import would do.
pub(super) fn dry_run(view: &ImportView, asked: &Asked<'_>) -> String {
    let mut text = String::new();
    let mut differences = view.differences.clone().unwrap_or_default();
    for list in [&mut differences.added, &mut differences.changed, &mut differences.absent] {
        // they come in the order of their ids; people have the file before them
        list.sort_by_key(|difference| difference.row);
    }
    let mut list = |title: &str, count: u64, shown: Vec<String>| {
        if count == 0 {
            return;
        }
        text.push_str(&format!("{title} ({count}):\n"));
        shown.iter().take(SHOWN_MAX).for_each(|line| text.push_str(&format!("  {line}\n")));
        let told = shown.len().min(SHOWN_MAX) as u64;
        if count > told {
            text.push_str(&format!("  and {} more\n", count - told));
        }
    };
    let of = |list: &[DifferenceView]| list.iter().map(|d| difference(d, asked.unit)).collect::<Vec<_>>();
    list("wrong", view.wrong, view.errors.iter().map(|e| format!("{}: {}", e.place.clone().unwrap_or_default(), e.message)).collect());
    list("added", view.added, of(&differences.added));
    list("changed", view.changed, of(&differences.changed));
    list("removed", view.removed, of(&differences.removed));
    list("not in the file and left as they are", view.missing, of(&differences.missing));
    list("not there to be updated", view.absent, of(&differences.absent));
    let counts_for = |d: &DuplicateView| {
        if d.counts < d.row { format!("{} {} counts, whose id it is", asked.unit, d.counts) } else { "the later one counts".to_owned() }
    };
    let again = |d: &DuplicateView| format!("{} {}: {} again; {}", asked.unit, d.row, d.id, counts_for(d));
    list("duplicates", view.duplicates, differences.duplicates.iter().map(again).collect());
    let end = if view.wrong > 0 { "nothing would be imported: the wrong rows come first" } else { "nothing was changed" };
    text.push_str(&format!("{}, {} wrong; {end}\n{}", counts(view), view.wrong, remarks(view, asked)));
    if let Some(hint) = &view.hint {
        text.push_str(&format!("{hint}\n"));
    }
    text
}

fn difference(d: &DifferenceView, unit: &str) -> String {
    let place = d.row.map(|row| format!("{unit} {row}: ")).unwrap_or_default();
    let mut parts: Vec<String> = d.fields.iter().map(|f| format!("{} {:?} → {:?}", f.field, f.before, f.after)).collect();
    match d.taken_from.as_deref() {
        Some("") => parts.push("taken over from the contacts made by hand".to_owned()),
        Some(source) => parts.push(format!("taken over from {source}")),
        None => {}
    }
    if d.by_hand {
        parts.push("edited by hand since the last import".to_owned());
    }
    let what = if parts.is_empty() { String::new() } else { format!(": {}", parts.join("; ")) };
    format!("{place}{} {:?}{what}", d.id, d.name)
}
