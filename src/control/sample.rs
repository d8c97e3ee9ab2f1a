//! A small fictional directory, so that a newcomer sees an answer at once. Numbers are from the ranges that are
//! reserved for fiction.

use super::request::{ListKey, Request, RouteWhich};
use crate::directory::ContactDraft;
use crate::routing::List;

/// The requests that make the sample, for a tenant.
pub fn sample_requests(tenant: &str) -> Vec<Request> {
    let contact = |id: &str, name: &str, company: Option<&str>, numbers: &[(&str, &str)]| Request::ContactSet {
        tenant: tenant.to_owned(),
        contact: ContactDraft {
            id: id.to_owned(),
            name: name.to_owned(),
            company: company.map(str::to_owned),
            numbers: numbers.iter().map(|(n, label)| ((*n).to_owned(), Some((*label).to_owned()))).collect(),
            tags: vec!["sample".to_owned()],
            ..ContactDraft::default()
        },
    };
    let route = |which: RouteWhich, steps: &[&str]| Request::RouteSet {
        tenant: tenant.to_owned(),
        which,
        steps: steps.iter().map(|s| (*s).to_owned()).collect(),
        fallback: Some("dial:101,timeout=30".to_owned()),
    };
    vec![
        contact("school", "Lincoln School", Some("Lincoln Unified"), &[("+14155550101", "office"), ("+14155550102", "nurse")]),
        contact("grandma", "Grandma Rosa", None, &[("+14155550123", "home")]),
        contact("bakery", "Bäckerei Jürgen \"Brezn\" Groß", Some("Groß & Söhne"), &[("+493023125000", "shop")]),
        route(RouteWhich::Number("+14155550199".to_owned()), &["dial:101,102,timeout=20", "voicemail:199"]),
        route(RouteWhich::Prefix("+1415555".to_owned()), &["dial:101,timeout=20", "busy"]),
        Request::ScreenSet { tenant: tenant.to_owned(), list: List::Block, key: ListKey::Prefix("+1900".to_owned()), action: None },
    ]
}
