//! Things as administrators see them. The names of these fields are what scripts that read `--json` hold on to.

use super::observed::EventStatus;
use crate::access::Token;
use crate::directory::{Contact, Reach};
use crate::routing::{Route, Screen, ScreenKey, User};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A number of a contact.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NumberView {
    /// Canonical: `+14155550101`, `101`.
    pub number: String,
    /// `office`, `mobile`, …
    #[serde(skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// As it was typed.
    pub typed: String,
}

impl NumberView {
    /// Whether it stands for many numbers: a beginning, a range or a main number, which only what was typed says.
    pub fn is_many(&self) -> bool {
        Reach::names_many(&self.typed, &self.number)
    }

    /// As lists show it: the number, or as it was typed if it stands for many.
    pub fn listed(&self) -> &str {
        if self.is_many() { self.typed.trim() } else { &self.number }
    }
}

/// A contact.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContactView {
    /// Its id.
    pub id: String,
    /// Its display name.
    pub name: String,
    /// Its company.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub company: Option<String>,
    /// Its numbers.
    pub numbers: Vec<NumberView>,
    /// Free words.
    pub tags: Vec<String>,
    /// Free text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// The import it came from; empty for one made by hand.
    pub source: String,
    /// Whose personal phone book it is in; everybody's, if nobody's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    /// Whether it stands first in its phone book.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub favourite: bool,
    /// The revision of its last change.
    pub revision: u64,
}

impl ContactView {
    /// A stored contact as administrators see it.
    pub fn of(revision: u64, contact: Contact) -> ContactView {
        ContactView {
            id: contact.id,
            name: contact.name,
            company: contact.company,
            numbers: contact
                .numbers
                .into_iter()
                .map(|n| NumberView { number: n.number.to_string(), label: n.label, typed: n.typed })
                .collect(),
            tags: contact.tags,
            note: contact.note,
            source: contact.source,
            owner: contact.owner.map(|owner| owner.to_string()),
            favourite: contact.favourite,
            revision,
        }
    }
}

/// A route.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RouteView {
    /// `+14155550199`, `prefix +1415`, `default`.
    pub route: String,
    /// Its steps, as they can be typed.
    pub steps: Vec<String>,
    /// What a late or failed answer says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fallback: Option<String>,
    /// The schedule whose state chooses the steps.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schedule: Option<String>,
    /// Steps for its states.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub when: BTreeMap<String, Vec<String>>,
    /// The revision of its last change.
    pub revision: u64,
}

impl RouteView {
    /// A stored route as administrators see it.
    pub fn of(route: &Route) -> RouteView {
        RouteView {
            route: route.key.to_string(),
            steps: route.steps.iter().map(ToString::to_string).collect(),
            fallback: route.fallback.as_ref().map(ToString::to_string),
            schedule: route.schedule.clone(),
            when: route.when.iter().map(|(state, steps)| (state.clone(), steps.iter().map(ToString::to_string).collect())).collect(),
            revision: route.revision,
        }
    }
}

/// An entry of a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScreenView {
    /// `block` or `allow`.
    pub list: String,
    /// `number`, `prefix` or `anonymous`.
    pub by: String,
    /// The number or prefix.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
    /// What such a caller gets, as it can be typed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub action: Option<String>,
    /// The revision of its last change.
    #[serde(default)]
    pub revision: u64,
}

impl ScreenView {
    /// A stored entry as administrators see it.
    pub fn of(revision: u64, screen: &Screen) -> ScreenView {
        let (by, value) = match &screen.key {
            ScreenKey::Number(n) => ("number", Some(n.to_string())),
            ScreenKey::Prefix(p) => ("prefix", Some(p.to_string())),
            ScreenKey::Withheld => ("anonymous", None),
            ScreenKey::Country(code) => ("country", Some(code.clone())),
            ScreenKey::Class(class) => ("class", Some(class.to_string())),
            ScreenKey::Verification(v) => ("verification", Some(v.word().to_owned())),
            ScreenKey::Rate => ("rate", screen.rate.map(|r| r.to_string())),
        };
        ScreenView {
            list: screen.list.word().to_owned(),
            by: by.to_owned(),
            value,
            action: screen.action.as_ref().map(ToString::to_string),
            revision,
        }
    }
}

/// A user. What proves that it is he is a secret: administrators see that it is there, and not what it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UserView {
    /// The name he registers with.
    pub extension: String,
    /// The realm.
    pub domain: String,
    /// The display name of his calls.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The dialplan context of his calls.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub context: Option<String>,
    /// `set`: no user is without.
    pub a1_hash: String,
    /// The revision of his last change.
    pub revision: u64,
}

impl UserView {
    /// A stored user as administrators see him.
    pub fn of(revision: u64, user: User) -> UserView {
        let a1_hash = "set".to_owned();
        UserView { extension: user.extension, domain: user.domain, name: user.name, context: user.context, a1_hash, revision }
    }
}

/// A token. What it is, only its owner knows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenView {
    /// Its name.
    pub name: String,
    /// What it may do.
    pub scopes: Vec<String>,
    /// When it was made.
    pub created: String,
    /// From when on it isn't taken any more.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires: Option<String>,
    /// Whether that is over.
    pub expired: bool,
}

impl TokenView {
    /// A stored token as administrators see it.
    pub fn of(token: Token, now_us: u64) -> TokenView {
        TokenView {
            expired: token.has_expired(now_us),
            name: token.name,
            scopes: token.scopes,
            created: crate::cti::rfc3339(token.created_us),
            expires: token.expires_us.map(crate::cti::rfc3339),
        }
    }
}

/// A decision: its variables without the switch's prefix, in lower case, and what led to it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DecisionView {
    /// `status`, `action`, `target`, …: what the switch gets.
    pub decision: serde_json::Map<String, serde_json::Value>,
    /// What was tried, in order.
    pub trace: Vec<String>,
    /// The store's revision that was asked.
    pub revision: u64,
    /// When that revision was made, RFC 3339; none if the change log doesn't reach back so far.
    #[serde(default)]
    pub changed: Option<String>,
    /// How long ago that was.
    #[serde(default)]
    pub age_seconds: Option<u64>,
    /// The moment that it was decided for, RFC 3339.
    #[serde(default)]
    pub at: String,
    /// The number called.
    #[serde(default)]
    pub to: Option<NumberSeen>,
    /// The caller.
    #[serde(default)]
    pub from: Option<NumberSeen>,
    /// What each switch would dial, or be given as the action's target.
    #[serde(default)]
    pub targets: BTreeMap<String, String>,
    /// Dial strings that Asterisk's target names instead of holding them, by their variables.
    #[serde(default)]
    pub legs: BTreeMap<String, String>,
}

/// A number as it was typed, and what became of it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NumberSeen {
    /// As it was typed.
    pub typed: String,
    /// As it is compared: `+14155550101`, `101`. None for what is no number.
    pub number: Option<String>,
    /// `E.164`, `extension`, ….
    pub kind: Option<String>,
    /// `national`, `premium`, …, as the tenant sees it.
    pub class: Option<String>,
    /// ISO 3166 code of its region.
    pub region: Option<String>,
    /// As written inside its own country.
    pub national: Option<String>,
    /// Whether it is withheld: then nothing else is said.
    pub withheld: bool,
}

/// What the daemon tells of its planes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlaneStatus {
    /// Seconds since it started.
    pub uptime_seconds: u64,
    /// Where it listens: (`agi`, `127.0.0.1:4573`).
    pub listening: Vec<(String, String)>,
    /// Sessions right now.
    pub sessions: u64,
    /// How sessions ended: (`answered`, 17).
    pub endings: Vec<(String, u64)>,
    /// Answers that said `late`.
    pub late: u64,
    /// Times that a connection could not be accepted.
    pub accept_errors: u64,
    /// Log lines that were dropped because nobody read them.
    pub log_lines_dropped: u64,
    /// How the event plane is doing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub events: Option<EventStatus>,
    /// Sessions that are served at once.
    #[serde(default)]
    pub sessions_max: u64,
    /// How long an answer may take, in microseconds.
    #[serde(default)]
    pub answer_budget_us: u64,
    /// How long answers took: (less than so many microseconds, so many answers since the start); the last one has no bound
    /// (`u64::MAX`).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub answer_times: Vec<(u64, u64)>,
    /// The same by switch, request and outcome; for metrics alone.
    #[serde(skip)]
    pub answers: Vec<AnswerSeriesView>,
    /// Answers that kept the budget.
    #[serde(default)]
    pub answers_within_budget: u64,
    /// Times that a cap of the call plane was hit: (`sessions`, 3).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub caps_hit: Vec<(String, u64)>,
    /// What became of the spans of calls, where calls are traced.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spans: Option<SpansView>,
}

/// What became of the spans of calls that are in the sample.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SpansView {
    /// The collector took them.
    pub exported: u64,
    /// The collector didn't take them.
    pub failed: u64,
    /// There was no room for them.
    pub dropped: u64,
}

/// How long the answers of one switch, request and outcome took.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AnswerSeriesView {
    /// `asterisk`, `freeswitch`.
    pub switch: String,
    /// `route`, `name`, ….
    pub request: String,
    /// `found`, `late`, ….
    pub outcome: String,
    /// (less than so many microseconds, so many answers), the quickest first; the last bound is `u64::MAX`.
    pub counts: Vec<(u64, u64)>,
    /// How long they took together, in microseconds.
    pub sum_us: u64,
}

/// How the server is doing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StatusView {
    /// The program's version.
    pub version: String,
    /// The server's process.
    pub pid: u32,
    /// What the daemon tells of its planes.
    #[serde(flatten)]
    pub planes: PlaneStatus,
    /// The store's revision.
    pub revision: u64,
    /// The revision that calls see; `null` while they read the disk.
    pub snapshot_revision: Option<u64>,
    /// Contacts that calls see.
    pub contacts: u64,
    /// Edits laid over them.
    pub overlay: u64,
    /// Routes that calls see.
    pub routes: u64,
    /// Users that the switch's directory has.
    #[serde(default)]
    pub users: u64,
    /// Memory of the packed directory, in bytes.
    pub directory_bytes: u64,
    /// The store's size on disk, in bytes.
    pub store_bytes: u64,
    /// Why edits are refused, if they are.
    pub store_failed: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_that_stands_for_many_is_listed_as_it_was_typed_and_any_other_as_it_is_dialled() {
        for (number, typed, listed) in [
            ("+49301234", "+49 30 1234*", "+49 30 1234*"),
            ("+4930777700", " +4930777700..99 ", "+4930777700..99"),
            ("+493098760", "+49 30 9876-0", "+49 30 9876-0"),
            ("+493098765", "030 9876-5", "+493098765"),
            ("*98*", "*98*", "*98*"),
        ] {
            let view = NumberView { number: number.to_owned(), label: None, typed: typed.to_owned() };
            assert_eq!(view.listed(), listed);
        }
    }
}
