//! Every path and method of the admin HTTP, in one table: the router is built from it, and so is the document.

use super::collection::Collection;
use crate::access::Scope;
use crate::control::http::{Shop, calls, events, features, metrics, phonebook, reply};
use axum::routing::{MethodRouter, delete, get, patch, put};
use std::sync::{Arc, LazyLock};

/// A method.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Method {
    Get,
    Put,
    Post,
    Patch,
    Delete,
}

impl Method {
    /// As the document writes it.
    pub(super) fn word(self) -> &'static str {
        match self {
            Method::Get => "get",
            Method::Put => "put",
            Method::Post => "post",
            Method::Patch => "patch",
            Method::Delete => "delete",
        }
    }
}

/// What a request does.
#[derive(Clone, Copy)]
pub(super) enum Does {
    List(Collection),
    Show(Collection),
    Put(Collection),
    Remove(Collection),
    Batch,
    Name,
    Explain,
    Document,
    /// What is older than `/api/v1/`, and reads its requests itself.
    Elsewhere(fn() -> MethodRouter<Arc<Shop>>),
}

/// A parameter of the query.
#[derive(Clone, Copy)]
pub(super) struct Parameter {
    pub(super) name: &'static str,
    pub(super) about: &'static str,
}

/// What a good reply holds.
#[derive(Clone)]
pub(super) enum Holds {
    /// JSON of this schema.
    Json(String),
    /// Text of this type.
    Text(&'static str),
    Nothing,
}

/// One path and method.
pub(super) struct Operation {
    /// Its name in the document and in clients made from that.
    pub(super) id: String,
    pub(super) method: Method,
    pub(super) path: String,
    pub(super) about: String,
    /// What a token must may; `None` where nobody has to show one.
    pub(super) scope: Option<Scope>,
    /// What the parts of the path that vary name.
    pub(super) names: Option<&'static str>,
    pub(super) query: Vec<Parameter>,
    /// The schema of its body.
    pub(super) body: Option<String>,
    /// Good replies: status, what that means, and what they hold.
    pub(super) replies: Vec<(u16, &'static str, Holds)>,
    pub(super) does: Does,
}

impl Operation {
    /// Whether it knows revisions.
    pub(super) fn has_tags(&self) -> bool {
        matches!(self.does, Does::Show(_) | Does::Put(_) | Does::Remove(_))
    }
}

const TENANT: Parameter = Parameter { name: "tenant", about: "The tenant: that of the token, or nothing" };

fn parameter(name: &'static str, about: &'static str) -> Parameter {
    Parameter { name, about }
}

/// All of them.
pub(super) static OPERATIONS: LazyLock<Vec<Operation>> = LazyLock::new(|| {
    let mut all: Vec<Operation> = Collection::ALL.into_iter().flat_map(of_collection).collect();
    all.extend(beside_collections());
    all.extend(elsewhere());
    all
});

fn of_collection(collection: Collection) -> Vec<Operation> {
    let (word, thing, names) = collection.words();
    let path = collection.path();
    let (read, write) = (Some(collection.read_scope()), Some(collection.write_scope()));
    let one = |id: &str, method, about: String, scope, does| Operation {
        id: format!("{id}{thing}"),
        method,
        path: format!("{path}/{{id}}"),
        about,
        scope,
        names: Some(names),
        query: vec![TENANT],
        body: None,
        replies: vec![],
        does,
    };
    let mut listed = vec![
        TENANT,
        parameter("limit", "So many at most, 1 to 1000; 100 if nobody says"),
        parameter("after", "Those behind this one; `next` of a page has it"),
    ];
    if collection == Collection::Contacts {
        listed.push(parameter("search", "Those who have this in a name, company, tag or number, the best first; there is no next page"));
        listed.push(parameter("owner", "With search: this extension's own contacts, too"));
    }
    let put = format!("Adds or replaces one of the {word}, whole. Over what was read before, with If-Match");
    vec![
        Operation {
            id: format!("list{thing}"),
            path: path.clone(),
            names: None,
            query: listed,
            replies: vec![(200, "A page", Holds::Json(format!("{thing}Page")))],
            ..one("list", Method::Get, format!("Lists {word}, in the order of their keys"), read, Does::List(collection))
        },
        Operation {
            replies: vec![
                (200, "It, and its revision as ETag", Holds::Json(thing.to_owned())),
                (304, "It is what If-None-Match names", Holds::Nothing),
            ],
            ..one("get", Method::Get, format!("Shows one of the {word}"), read, Does::Show(collection))
        },
        Operation {
            body: Some(format!("{thing}Put")),
            replies: vec![
                (200, "It was there, and is so now; its revision is the ETag", Holds::Json("Edited".to_owned())),
                (201, "It was added", Holds::Json("Edited".to_owned())),
            ],
            ..one("put", Method::Put, put, write, Does::Put(collection))
        },
        Operation {
            replies: vec![(204, "It is gone", Holds::Nothing)],
            ..one("delete", Method::Delete, format!("Removes one of the {word} that nothing else names"), write, Does::Remove(collection))
        },
    ]
}

fn beside_collections() -> Vec<Operation> {
    let base = |id: &str, path: &str, about: &str, does| Operation {
        id: id.to_owned(),
        method: Method::Get,
        path: path.to_owned(),
        about: about.to_owned(),
        scope: None,
        names: None,
        query: vec![],
        body: None,
        replies: vec![],
        does,
    };
    let explained = vec![
        TENANT,
        parameter("to", "The number called"),
        parameter("from", "The number that calls"),
        parameter("request", "`route` (if nobody says), `outbound`, `name` or `ping`"),
        parameter("withheld", "`yes` where the caller's number is withheld"),
        parameter("verstat", "What the network says of the caller's number"),
        parameter("name", "The name that the switch has for the caller"),
        parameter("owner", "The extension whose personal phone book is asked, where that isn't the one that is called"),
        parameter("ascii", "`yes` for a name in ASCII"),
        parameter("switch", "`asterisk` (if nobody says) or `freeswitch`"),
    ];
    vec![
        Operation {
            method: Method::Post,
            scope: Some(Scope::ContactsWrite),
            query: vec![TENANT],
            body: Some("ContactBatch".to_owned()),
            replies: vec![(200, "All of it is true, at one revision", Holds::Json("ContactBatchDone".to_owned()))],
            ..base("batchContacts", "/api/v1/contacts:batch", "Adds, replaces and removes many contacts: all of them or none", Does::Batch)
        },
        Operation {
            scope: Some(Scope::ContactsRead),
            names: Some("the number, as it is typed"),
            query: vec![TENANT, parameter("owner", "The extension whose personal phone book is asked, too")],
            replies: vec![(
                200,
                "Who has it, the one that names callers first; nobody, if the list is empty",
                Holds::Json("Name".to_owned()),
            )],
            ..base("getName", "/api/v1/name/{number}", "Who has a number", Does::Name)
        },
        Operation {
            scope: Some(Scope::PlanRead),
            query: explained,
            replies: vec![(200, "The decision and what led to it", Holds::Json("Explanation".to_owned()))],
            ..base("explain", "/api/v1/explain", "What a call would get, and why", Does::Explain)
        },
        Operation {
            replies: vec![(200, "This document", Holds::Json("Document".to_owned()))],
            ..base("getDocument", "/api/v1/openapi.json", "This document; nobody has to show a token for it", Does::Document)
        },
    ]
}

fn elsewhere() -> Vec<Operation> {
    let base = |id: &str, method, path: &str, scope, about: &str, routed| Operation {
        id: id.to_owned(),
        method,
        path: path.to_owned(),
        about: about.to_owned(),
        scope,
        names: None,
        query: vec![],
        body: None,
        replies: vec![],
        does: Does::Elsewhere(routed),
    };
    let json = |schema: &str| Holds::Json(schema.to_owned());
    let (extension, number) =
        (parameter("extension", "Only calls of these extensions"), parameter("number", "Only calls of these numbers"));
    let book = |id: &str, path: &str, about: &str, routed| Operation {
        names: Some("the telephone's vendor, and whose book it is"),
        query: vec![
            parameter("search", "Only who has this in a name, company or number"),
            parameter("page", "The page, from 1"),
            parameter("owner", "This extension's own contacts, too"),
        ],
        replies: vec![(200, "The phone book, as the vendor's telephones read it", Holds::Text("text/xml"))],
        ..base(id, Method::Get, path, Some(Scope::ContactsRead), about, routed)
    };
    let set = || put(features::set_override);
    let end = || delete(features::end_override);
    let override_of = "/schedules/{id}/override";
    let features_write = Some(Scope::FeaturesWrite);
    vec![
        Operation {
            query: vec![
                parameter("type", "Only these types of event"),
                extension,
                number,
                parameter("raw", "`1`: what the switches wrote, too (scope events:raw)"),
                parameter("last_event_id", "Go on behind this event"),
            ],
            replies: vec![(200, "Events, until the client ends it; a WebSocket where it asks for one", Holds::Text("text/event-stream"))],
            ..base("followEvents", Method::Get, "/events", Some(Scope::EventsRead), "Follows what happens to calls", || get(events::events))
        },
        Operation {
            query: vec![extension, number],
            replies: vec![(200, "The calls that live", json("Calls"))],
            ..base("listCalls", Method::Get, "/calls", Some(Scope::CallsRead), "The calls that live", || get(calls::calls))
        },
        Operation {
            replies: vec![(200, "In the text format of Prometheus", Holds::Text("text/plain"))],
            ..base("getMetrics", Method::Get, "/metrics", Some(Scope::MetricsRead), "Counters and histograms", || get(metrics::metrics))
        },
        Operation {
            replies: vec![(200, "It does", json("Health"))],
            ..base("getLive", Method::Get, "/live", None, "Whether the process serves", || get(reply::health))
        },
        Operation {
            replies: vec![(200, "It is; 503 says why not", json("Health"))],
            ..base("getReady", Method::Get, "/ready", None, "Whether calls are answered as they should be", || get(reply::ready))
        },
        Operation {
            replies: vec![(200, "It does", json("Health"))],
            ..base("getHealth", Method::Get, "/health", None, "Whether the admin plane serves", || get(reply::health))
        },
        Operation {
            names: Some("the extension"),
            body: Some("FeaturesPatch".to_owned()),
            replies: vec![(200, "How it stands now", json("Features"))],
            ..base(
                "patchFeatures",
                Method::Patch,
                "/extensions/{number}",
                features_write,
                "Switches what an extension's user may switch himself; what isn't named stays",
                || patch(features::patch),
            )
        },
        Operation {
            names: Some("the schedule"),
            body: Some("Override".to_owned()),
            replies: vec![(200, "How it is set now", json("Overridden"))],
            ..base("setOverride", Method::Put, override_of, features_write, "Sets a schedule by hand", set)
        },
        book("phoneBook", "/phonebook/{file}", "The phone book of a vendor, as `yealink.xml`", || get(phonebook::by_file)),
        book(
            "phoneBookOfVendor",
            "/phonebook/{vendor}/phonebook.xml",
            "The same, for telephones that append the file's name themselves",
            || get(phonebook::by_vendor),
        ),
        book("phoneBookOfExtension", "/phonebook/{vendor}/{owner}/phonebook.xml", "The same with an extension's own contacts", || {
            get(phonebook::by_owner)
        }),
        Operation {
            names: Some("the schedule"),
            replies: vec![(200, "It goes by the clock", json("Overridden"))],
            ..base("endOverride", Method::Delete, override_of, features_write, "Lets a schedule go by the clock again", end)
        },
    ]
}
