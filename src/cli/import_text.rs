//! What is printed of an import, done or only tried.

use crate::control::{DifferenceView, ImportView};
use crate::store::ImportMode;

/// Differences of each sort that a person is shown in full.
pub(super) const SHOWN_MAX: usize = 20;

/// How an import was asked for, as far as its report needs it.
pub(super) struct Asked<'a> {
    pub(super) source: &'a str,
    pub(super) mode: ImportMode,
    /// What places are counted in: `row`, `card`.
    pub(super) unit: &'static str,
    pub(super) passed_over: Vec<(&'static str, u64)>,
}

/// What an import did.
pub(super) fn done(view: &ImportView, asked: &Asked<'_>) -> String {
    format!("{} (revision {})\n{}", counts(view), view.revision.unwrap_or_default(), remarks(view, asked))
}

fn counts(view: &ImportView) -> String {
    format!(
        "{} rows: {} added, {} changed, {} unchanged, {} removed, {} duplicates",
        view.rows, view.added, view.changed, view.unchanged, view.removed, view.duplicates
    )
}

fn remarks(view: &ImportView, asked: &Asked<'_>) -> String {
    let source = asked.source;
    let stay = view.missing - view.kept.min(view.missing);
    let mut lines = Vec::new();
    let mut say = |count: u64, text: String| {
        if count > 0 {
            lines.push(format!("{count} {text}\n"));
        }
    };
    say(stay, format!("contacts of {source} are not in the file and stay; --mode replace removes them"));
    say(view.kept, format!("contacts of {source} are not in the file, but were edited by hand since the last import, and stay"));
    say(view.taken_over, format!("of the changed contacts were another source's or made by hand, and are {source}'s now"));
    say(view.overridden, "of the changed contacts had been edited by hand; the file speaks over that".to_owned());
    let absent = if asked.mode == ImportMode::Update { "rows have no contact to update and were left out" } else { "rows were left out" };
    say(view.absent, absent.to_owned());
    say(view.blocked, "numbers are blocked that were not before".to_owned());
    say(view.shared_numbers, "numbers stand at several contacts of the file".to_owned());
    for (what, count) in &asked.passed_over {
        say(*count, format!("{what} were passed over"));
    }
    lines.concat()
}

/// What an import would do.
pub(super) fn dry_run(view: &ImportView, asked: &Asked<'_>) -> String {
    let mut text = String::new();
    let differences = view.differences.clone().unwrap_or_default();
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
    let again = |d: &crate::control::DuplicateView| format!("{} {}: {} again; the later one counts", asked.unit, d.row, d.id);
    list("duplicates", view.duplicates, differences.duplicates.iter().map(again).collect());
    let end = if view.wrong > 0 { "nothing would be imported: the wrong rows come first" } else { "nothing was changed" };
    text.push_str(&format!("{}, {} wrong; {end}\n{}", counts(view), view.wrong, remarks(view, asked)));
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
