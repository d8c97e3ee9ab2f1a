//! The collections: how each is named in a path, and what its things are at the desk.

use crate::access::Scope;
use crate::control::{ContactView, ItemWhich, ListKey, Reply as DeskReply, Request, RouteWhich, UserWhich};
use crate::directory::ContactDraft;
use crate::nearest::in_words;
use crate::plan::{ContactText, ItemDraft, LimitDraft, NumberText};
use crate::routing::{List, PlanItem, PlanKey, RouteKey, ScreenKey};
use crate::store::PlanSort;
use serde_json::{Map, Value as Json, json};

/// A collection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Collection {
    Contacts,
    Routes,
    Groups,
    Schedules,
    Extensions,
    Trunks,
    Limits,
    Block,
    Allow,
    Users,
}

/// A thing as it is shown.
pub(super) struct Shown {
    /// Its name in a path, not escaped.
    pub(super) id: String,
    pub(super) revision: u64,
    pub(super) json: Json,
}

/// Keys that are shown and can't be set: a thing that was read can be sent back as it is.
const READ_ONLY: [&str; 2] = ["revision", "source"];

impl Collection {
    pub(super) const ALL: [Collection; 10] = [
        Collection::Contacts,
        Collection::Routes,
        Collection::Groups,
        Collection::Schedules,
        Collection::Extensions,
        Collection::Trunks,
        Collection::Limits,
        Collection::Block,
        Collection::Allow,
        Collection::Users,
    ];

    /// Its word in paths; the name of its things, as a schema; what its things are named by in a path.
    pub(super) fn words(self) -> (&'static str, &'static str, &'static str) {
        match self {
            Collection::Contacts => ("contacts", "Contact", "its id"),
            Collection::Routes => ("routes", "Route", "`number:+14155550199`, `prefix:+1415` or `default`"),
            Collection::Groups => ("groups", "Group", "its id"),
            Collection::Schedules => ("schedules", "Schedule", "its id"),
            Collection::Extensions => ("extensions", "Extension", "the extension, such as `101`"),
            Collection::Trunks => ("trunks", "Trunk", "its name in the switch"),
            Collection::Limits => {
                ("limits", "Limit", "class and scope: `premium:extension`, `premium:tenant`; `premium` alone is each extension's")
            }
            Collection::Block => (
                "block",
                "BlockEntry",
                "`number:+49…`, `prefix:+49`, `country:DE`, `class:premium`, `verification:failed`, `anonymous` or `rate`",
            ),
            Collection::Allow => ("allow", "AllowEntry", "`number:+49…`, `prefix:+49` or `country:DE`"),
            Collection::Users => ("users", "User", "`101@pbx.example`"),
        }
    }

    pub(super) fn path(self) -> String {
        format!("/api/v1/{}", self.words().0)
    }

    pub(super) fn read_scope(self) -> Scope {
        if self == Collection::Contacts { Scope::ContactsRead } else { Scope::PlanRead }
    }

    pub(super) fn write_scope(self) -> Scope {
        if self == Collection::Contacts { Scope::ContactsWrite } else { Scope::PlanWrite }
    }

    fn list(self) -> Option<List> {
        match self {
            Collection::Block => Some(List::Block),
            Collection::Allow => Some(List::Allow),
            _ => None,
        }
    }

    /// What a path names; what is wrong with it is told in its words. No contact comes here.
    fn which(self, id: &str) -> Result<ItemWhich, String> {
        let own = |id: &str| id.to_owned();
        let (kind, rest) = id.split_once(':').map_or((id, None), |(kind, rest)| (kind, Some(rest)));
        let no_such = || format!("{id:?} names nothing here; write {}", self.words().2.replace('`', ""));
        Ok(match self {
            Collection::Contacts => return Err(no_such()),
            Collection::Groups => ItemWhich::Group(own(id)),
            Collection::Schedules => ItemWhich::Schedule(own(id)),
            Collection::Trunks => ItemWhich::Trunk(own(id)),
            Collection::Extensions => ItemWhich::Extension(own(id)),
            Collection::Limits => ItemWhich::Limit(LimitDraft {
                class: own(kind),
                scope: rest.map(own),
                // which one it is takes no figures, and one without any can't be read
                per_hour: Some(1),
                concurrent: None,
            }),
            Collection::Users => {
                let (extension, domain) = id.rsplit_once('@').ok_or_else(no_such)?;
                ItemWhich::User(UserWhich { domain: own(domain), extension: own(extension) })
            }
            Collection::Routes => ItemWhich::Route(match (kind, rest) {
                ("number", Some(text)) => RouteWhich::Number(own(text)),
                ("prefix", Some(text)) => RouteWhich::Prefix(own(text)),
                ("default", None) => RouteWhich::Default,
                _ => return Err(no_such()),
            }),
            Collection::Block | Collection::Allow => {
                let key = match (kind, rest) {
                    ("number", Some(text)) => ListKey::Number(own(text)),
                    ("prefix", Some(text)) => ListKey::Prefix(own(text)),
                    ("country", Some(text)) => ListKey::Country(own(text)),
                    ("class", Some(text)) => ListKey::Class(own(text)),
                    ("verification", Some(text)) => ListKey::Verification(own(text)),
                    ("anonymous", None) => ListKey::Anonymous,
                    ("rate", None) => ListKey::Rate(String::new()),
                    _ => return Err(no_such()),
                };
                ItemWhich::Screen(self.list().unwrap_or(List::Block), key)
            }
        })
    }

    pub(super) fn show(self, tenant: &str, id: &str) -> Result<Request, String> {
        let tenant = tenant.to_owned();
        Ok(match self {
            Collection::Contacts => Request::ContactShow { tenant, id: id.to_owned() },
            _ => Request::ItemShow { tenant, which: self.which(id)? },
        })
    }

    pub(super) fn remove(self, tenant: &str, id: &str) -> Result<Request, String> {
        let tenant = tenant.to_owned();
        if self == Collection::Contacts {
            return Ok(Request::ContactRm { tenant, id: id.to_owned() });
        }
        Ok(match self.which(id)? {
            ItemWhich::Route(which) => Request::RouteRm { tenant, which },
            ItemWhich::Screen(list, key) => Request::ScreenRm { tenant, list, key },
            ItemWhich::User(which) => Request::UserRm { tenant, which },
            which => Request::ItemRm { tenant, which },
        })
    }

    /// Things after one of them, so many at most.
    pub(super) fn ls(self, tenant: &str, after: Option<&str>, limit: usize) -> Result<Request, String> {
        let tenant = tenant.to_owned();
        let sort = match self {
            Collection::Contacts => {
                // the desk goes on from an id, and this is the one behind it
                let from_id = after.map_or_else(String::new, |id| format!("{id}\0"));
                return Ok(Request::ContactLs { tenant, from_id, limit });
            }
            Collection::Routes => PlanSort::Route,
            Collection::Groups => PlanSort::Group,
            Collection::Schedules => PlanSort::Schedule,
            Collection::Extensions => PlanSort::Extension,
            Collection::Trunks => PlanSort::Trunk,
            Collection::Limits => PlanSort::Limit,
            Collection::Block | Collection::Allow => PlanSort::Screen,
            Collection::Users => PlanSort::User,
        };
        let after = after.map(|id| self.which(id)).transpose()?;
        Ok(Request::ItemLs { tenant, sort, list: self.list(), after, limit })
    }

    /// A thing as it was sent, with what the path says of it.
    pub(super) fn put(self, tenant: &str, id: &str, body: Map<String, Json>) -> Result<Request, String> {
        let tenant = tenant.to_owned();
        let body = self.with_id(id, body)?;
        fn read<T: serde::de::DeserializeOwned>(body: Map<String, Json>) -> Result<T, String> {
            serde_json::from_value(Json::Object(body)).map_err(|error| in_words(&error.to_string()))
        }
        let item = match self {
            Collection::Contacts => return Ok(Request::ContactSet { tenant, contact: contact_draft(Json::Object(body))? }),
            Collection::Routes => ItemDraft::Route(read(body)?),
            Collection::Groups => ItemDraft::Group(read(body)?),
            Collection::Schedules => ItemDraft::Schedule(read(body)?),
            Collection::Extensions => ItemDraft::Extension(read(body)?),
            Collection::Trunks => ItemDraft::Trunk(read(body)?),
            Collection::Limits => ItemDraft::Limit(read(body)?),
            Collection::Block => ItemDraft::Block(read(body)?),
            Collection::Allow => ItemDraft::Allow(read(body)?),
            Collection::Users => ItemDraft::User(read(body)?),
        };
        Ok(Request::ItemSet { tenant, item })
    }

    fn with_id(self, id: &str, mut body: Map<String, Json>) -> Result<Map<String, Json>, String> {
        READ_ONLY.iter().for_each(|key| drop(body.remove(*key)));
        let of_path: Vec<(&str, Json)> = match self {
            Collection::Contacts | Collection::Groups | Collection::Schedules | Collection::Trunks => vec![("id", json!(id))],
            _ => match self.which(id)? {
                ItemWhich::Extension(extension) => vec![("extension", json!(extension))],
                ItemWhich::User(which) => vec![("extension", json!(which.extension)), ("domain", json!(which.domain))],
                ItemWhich::Limit(which) => {
                    vec![("class", json!(which.class)), ("scope", json!(which.scope.unwrap_or_else(|| "extension".to_owned())))]
                }
                ItemWhich::Route(RouteWhich::Default) => vec![("default", json!(true))],
                ItemWhich::Screen(_, ListKey::Anonymous) => vec![("anonymous", json!(true))],
                // how often is said by the body alone
                ItemWhich::Screen(_, ListKey::Rate(_)) => vec![],
                _ => id.split_once(':').map(|(kind, text)| vec![(kind, json!(text))]).unwrap_or_default(),
            },
        };
        for (key, value) in of_path {
            match body.get(key) {
                Some(said) if *said != value => {
                    return Err(format!("{key} is {said} in the body and {value} in the path; leave it out of the body"));
                }
                _ => drop(body.insert(key.to_owned(), value)),
            }
        }
        Ok(body)
    }

    /// The things of a reply, and whether there are more.
    pub(super) fn shown(reply: DeskReply) -> Result<(Vec<Shown>, bool), Box<DeskReply>> {
        match reply {
            DeskReply::Contacts { contacts, next_id, .. } => Ok((contacts.into_iter().map(shown_contact).collect(), next_id.is_some())),
            DeskReply::PlanItems { items, next, revisions, .. } => {
                let shown = items.iter().zip(revisions).map(|(item, revision)| shown_item(revision, item)).collect();
                Ok((shown, next.is_some()))
            }
            other => Err(Box::new(other)),
        }
    }
}

/// A contact as it was sent.
pub(super) fn contact_draft(mut body: Json) -> Result<ContactDraft, String> {
    if let Some(body) = body.as_object_mut() {
        READ_ONLY.iter().for_each(|key| drop(body.remove(*key)));
    }
    serde_json::from_value::<ContactText>(body).map(ContactDraft::from).map_err(|error| in_words(&error.to_string()))
}

/// A contact as it is shown, by whatever it was found.
pub(super) fn shown_contact(view: ContactView) -> Shown {
    let numbers = view.numbers.into_iter().map(|n| NumberText { number: n.typed, label: n.label }).collect();
    let ContactView { id, name, company, tags, note, owner, favourite, source, revision, .. } = view;
    let text = ContactText { id: id.clone(), name, company, numbers, tags, note, owner, favourite };
    let mut json = serde_json::to_value(text).unwrap_or_default();
    if !source.is_empty() {
        json["source"] = json!(source);
    }
    json["revision"] = json!(revision);
    Shown { id, revision, json }
}

fn shown_item(revision: u64, item: &PlanItem) -> Shown {
    // a draft comes inside the word for its sort
    let draft = serde_json::to_value(ItemDraft::of(item)).unwrap_or_default();
    let mut json = draft.as_object().and_then(|outer| outer.values().next().cloned()).unwrap_or_default();
    json["revision"] = json!(revision);
    let id = match item.key() {
        PlanKey::Group(id) | PlanKey::Schedule(id) | PlanKey::Trunk(id) => id,
        PlanKey::Extension(number) => number.to_string(),
        PlanKey::User(domain, extension) => format!("{extension}@{domain}"),
        PlanKey::Limit(class, scope) => format!("{}:{}", class.word(), scope.word()),
        PlanKey::Route(RouteKey::Number(n)) | PlanKey::Screen(_, ScreenKey::Number(n)) => format!("number:{n}"),
        PlanKey::Route(RouteKey::Prefix(p)) | PlanKey::Screen(_, ScreenKey::Prefix(p)) => format!("prefix:{p}"),
        PlanKey::Route(RouteKey::Default) => "default".to_owned(),
        PlanKey::Screen(_, ScreenKey::Country(code)) => format!("country:{code}"),
        PlanKey::Screen(_, ScreenKey::Class(class)) => format!("class:{}", class.word()),
        PlanKey::Screen(_, ScreenKey::Verification(v)) => format!("verification:{}", v.word()),
        PlanKey::Screen(_, ScreenKey::Withheld) => "anonymous".to_owned(),
        PlanKey::Screen(_, ScreenKey::Rate) => "rate".to_owned(),
    };
    Shown { id, revision, json }
}
