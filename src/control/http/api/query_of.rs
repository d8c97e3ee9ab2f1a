//! The parameters of `/api/v1/`.

use super::table::Operation;
use crate::control::http::query::parameters;
use crate::control::{ExplainAsk, Request};
use crate::nearest::did_you_mean;
use crate::routing::Switch;
use std::collections::HashMap;

/// Things on a page where nobody says how many, and the most.
const LIMIT: usize = 100;
const LIMIT_MAX: usize = 1000;

/// A query that was read.
pub(super) struct Query {
    pub(super) tenant: Option<String>,
    pub(super) limit: usize,
    pub(super) after: Option<String>,
    pub(super) rest: HashMap<&'static str, String>,
}

impl Query {
    pub(super) fn read(operation: &Operation, query: Option<&str>) -> Result<Query, String> {
        let known: Vec<&'static str> = operation.query.iter().map(|parameter| parameter.name).collect();
        let mut rest = parameters(query, &known)?;
        let limit = match rest.remove("limit") {
            None => LIMIT,
            Some(text) => match text.parse() {
                Ok(limit @ 1..=LIMIT_MAX) => limit,
                _ => return Err(format!("limit: {text:?} is no number from 1 to {LIMIT_MAX}")),
            },
        };
        Ok(Query { tenant: rest.remove("tenant"), limit, after: rest.remove("after").filter(|after| !after.is_empty()), rest })
    }
}

/// What is to be explained.
pub(super) fn explain_of(tenant: &str, query: Query) -> Result<Request, String> {
    let mut rest = query.rest;
    let mut take = |name| rest.remove(name).unwrap_or_default();
    let switch = match take("switch").as_str() {
        "" => Switch::default(),
        "asterisk" => Switch::Asterisk,
        "freeswitch" => Switch::Freeswitch,
        other => {
            let hint = did_you_mean(other, ["asterisk", "freeswitch"]);
            return Err(format!("switch: {other:?} is neither asterisk nor freeswitch{hint}"));
        }
    };
    let withheld = match take("withheld").as_str() {
        "" | "0" | "no" | "false" => false,
        "1" | "yes" | "true" => true,
        other => return Err(format!("withheld: {other:?} is neither yes nor no")),
    };
    let request = Some(take("request")).filter(|request| !request.is_empty()).unwrap_or_else(|| "route".to_owned());
    let (to, from, verstat) = (take("to"), take("from"), take("verstat"));
    let ask =
        ExplainAsk { request, to, from, withheld, verstat, name: take("name"), owner: take("owner"), ascii: take("ascii"), at_us: None };
    Ok(Request::Explain { tenant: tenant.to_owned(), ask, switch })
}
