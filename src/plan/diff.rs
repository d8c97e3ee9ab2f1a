//! What differs between two plans, thing by thing and line by line.

use super::draft::ContactText;
use super::write::{Shown, one};
use crate::directory::Contact;
use crate::routing::{PlanItem, PlanKey};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// What became of a thing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// It is new.
    Added,
    /// It is another now.
    Changed,
    /// It is gone.
    Removed,
}

/// One thing that differs. Secrets are told of, and not told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// `group family`.
    pub what: String,
    /// What became of it.
    pub kind: Kind,
    /// Lines that are gone (`- …`) and that are new (`+ …`).
    pub lines: Vec<String>,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = match self.kind {
            Kind::Added => '+',
            Kind::Changed => '~',
            Kind::Removed => '-',
        };
        writeln!(f, "{sign} {}", self.what)?;
        self.lines.iter().try_for_each(|line| writeln!(f, "    {line}"))
    }
}

fn lines_of(item: &PlanItem) -> Vec<String> {
    one(item, Shown::WithoutSecrets).lines().map(str::to_owned).collect()
}

fn contact_lines(contact: &Contact) -> Vec<String> {
    let text = serde_json::to_value(ContactText::from(contact)).unwrap_or_default();
    text.as_object().into_iter().flatten().map(|(name, value)| format!("{name} = {value}")).collect()
}

/// One thing before and after. `secret` is whether its hash is another one, which no line shows.
fn differ(what: String, before: Option<Vec<String>>, after: Option<Vec<String>>, secret: bool) -> Difference {
    let kind = match (&before, &after) {
        (None, Some(_)) => Kind::Added,
        (Some(_), None) => Kind::Removed,
        _ => Kind::Changed,
    };
    let mut lines = Vec::new();
    if let (Some(before), Some(after)) = (&before, &after) {
        let (old, new): (BTreeSet<_>, BTreeSet<_>) = (before.iter().collect(), after.iter().collect());
        lines.extend(before.iter().filter(|line| !new.contains(line)).map(|line| format!("- {}", line.trim())));
        lines.extend(after.iter().filter(|line| !old.contains(line)).map(|line| format!("+ {}", line.trim())));
        if secret {
            lines.push("~ a1_hash".to_owned());
        }
        if lines.is_empty() {
            lines.push("~ the order of its lines".to_owned());
        }
    } else {
        lines.extend(after.into_iter().flatten().map(|line| format!("+ {}", line.trim())));
    }
    Difference { what, kind, lines }
}

/// What differs, in the order of the keys, contacts last. Revisions don't count.
pub fn differences(
    before: (&BTreeMap<PlanKey, PlanItem>, &BTreeMap<String, Contact>),
    after: (&BTreeMap<PlanKey, PlanItem>, &BTreeMap<String, Contact>),
) -> Vec<Difference> {
    let keys: BTreeSet<&PlanKey> = before.0.keys().chain(after.0.keys()).collect();
    let mut found = Vec::new();
    for key in keys {
        let (old, new) = (before.0.get(key), after.0.get(key));
        let plain = |item: Option<&PlanItem>| item.map(|item| item.clone().with_revision(0));
        if plain(old) != plain(new) {
            let secret = matches!((old, new), (Some(PlanItem::User(old)), Some(PlanItem::User(new))) if old.a1_hash != new.a1_hash);
            found.push(differ(key.to_string(), old.map(lines_of), new.map(lines_of), secret));
        }
    }
    let ids: BTreeSet<&String> = before.1.keys().chain(after.1.keys()).collect();
    for id in ids {
        let (old, new) = (before.1.get(id), after.1.get(id));
        if old != new {
            found.push(differ(format!("contact {id}"), old.map(contact_lines), new.map(contact_lines), false));
        }
    }
    found
}
