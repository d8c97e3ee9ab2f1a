//! The OpenAPI document, made from the table that the router is made from.

use super::schema;
use super::table::{Does, Holds, Method, OPERATIONS, Operation};
use crate::access::Scope;
use serde_json::{Map, Value as Json, json};
use std::sync::LazyLock;

/// The document as it is served.
pub(super) static DOCUMENT: LazyLock<String> = LazyLock::new(|| document().to_string());

/// What can go wrong: status, name in the document, and what it means.
const PROBLEMS: [(u16, &str, &str); 12] = [
    (400, "BadRequest", "A parameter, a header or the body can't be read; an unknown key is named with the one that was probably meant"),
    (401, "Unauthorized", "No token, or one that isn't known or isn't good any more"),
    (403, "Forbidden", "The token has not the scope for it, or is another tenant's"),
    (404, "NotFound", "There is nothing of that name"),
    (408, "Timeout", "The body didn't come in time"),
    (409, "Conflict", "Others edited the tenant again and again meanwhile; send it again"),
    (412, "Stale", "The thing is not of the revision that the request names; nothing was done. The ETag is that of now"),
    (413, "TooLarge", "The body is too large"),
    (415, "NotJson", "The body isn't said to be JSON"),
    (421, "Misdirected", "The port answers to localhost and addresses only"),
    (422, "Unprocessable", "What is asked can't be: the detail says what, where, and what would be right"),
    (503, "Unavailable", "The store can't be used now, or as much as is done at once is on its way"),
];

/// Which of them an operation may come to.
fn problems(operation: &Operation) -> Vec<u16> {
    let mut statuses = vec![421];
    if operation.scope.is_some() {
        statuses.extend([400, 401, 403, 503]);
    }
    // the one that says whether calls are answered as they should be
    if operation.path == "/ready" {
        statuses.push(503);
    }
    if operation.names.is_some() {
        statuses.extend([404, 422]);
    }
    if operation.body.is_some() {
        statuses.extend([408, 413, 422]);
    }
    match operation.does {
        Does::Put(_) => statuses.extend([412, 415]),
        Does::Remove(_) => statuses.push(412),
        Does::Batch => statuses.extend([409, 415]),
        Does::List(_) | Does::Explain => statuses.push(422),
        _ => {}
    }
    statuses.sort_unstable();
    statuses.dedup();
    statuses
}

fn document() -> Json {
    let mut paths: Map<String, Json> = Map::new();
    for operation in OPERATIONS.iter() {
        let path = paths.entry(operation.path.clone()).or_insert_with(|| json!({}));
        path[operation.method.word()] = of_operation(operation);
    }
    let problem = |about: &str| {
        let content = json!({ "application/problem+json": { "schema": schema::of("Problem") } });
        json!({ "description": about, "content": content })
    };
    let responses: Map<String, Json> = PROBLEMS.iter().map(|(_, name, about)| ((*name).to_owned(), problem(about))).collect();
    let scopes: Vec<String> = Scope::ALL.iter().map(|(_, word, about)| format!("`{word}`: {about}")).collect();
    let token = format!("A token that `strowger token add` makes, for one tenant. Its scopes: {}", scopes.join("; "));
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "strowger",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "Contacts and the plan of one tenant: the token's. An ETag is the revision that made a thing what it is.",
            "license": { "name": "MIT OR Apache-2.0", "identifier": "MIT OR Apache-2.0" },
        },
        "servers": [{ "url": "/" }],
        "paths": paths,
        "components": {
            "schemas": schema::all(),
            "responses": responses,
            "securitySchemes": { "token": { "type": "http", "scheme": "bearer", "description": token } },
        },
    })
}

fn of_operation(operation: &Operation) -> Json {
    let mut parameters = Vec::new();
    if let Some(names) = operation.names {
        for name in operation.path.split(['{', '}']).skip(1).step_by(2) {
            parameters.push(parameter(name, "path", &format!("Which: {names}. A plus may be escaped"), true));
        }
    }
    parameters.extend(operation.query.iter().map(|query| {
        let mut query_parameter = parameter(query.name, "query", query.about, false);
        if query.name == "limit" {
            query_parameter["schema"] = json!({ "type": "integer", "minimum": 1, "maximum": 1000, "default": 100 });
        }
        query_parameter
    }));
    if operation.has_tags() {
        if operation.method != Method::Get {
            parameters.push(parameter("If-Match", "header", "The ETag that the change is made over, or * for whatever is there", false));
        }
        let none = if operation.method == Method::Get { "The ETag that is known" } else { "*: it must not be there yet" };
        parameters.push(parameter("If-None-Match", "header", none, false));
    }
    let mut responses: Map<String, Json> = Map::new();
    for (status, about, holds) in &operation.replies {
        responses.insert(status.to_string(), response(operation, about, holds));
    }
    for status in problems(operation) {
        let name = PROBLEMS.iter().find(|(known, ..)| *known == status).map_or("BadRequest", |(_, name, _)| name);
        responses.insert(status.to_string(), json!({ "$ref": format!("#/components/responses/{name}") }));
    }
    let mut json = json!({
        "operationId": operation.id,
        "summary": operation.about,
        "parameters": parameters,
        "responses": responses,
        "security": operation.scope.map_or_else(|| json!([]), |scope| json!([{ "token": [scope.word()] }])),
    });
    if let Some(body) = &operation.body {
        json["requestBody"] = json!({ "required": true, "content": { "application/json": { "schema": schema::of(body) } } });
    }
    json
}

fn parameter(name: &str, at: &str, about: &str, is_required: bool) -> Json {
    json!({ "name": name, "in": at, "description": about, "required": is_required, "schema": { "type": "string" } })
}

fn response(operation: &Operation, about: &str, holds: &Holds) -> Json {
    let mut response = json!({ "description": about });
    match holds {
        Holds::Json(schema) => response["content"] = json!({ "application/json": { "schema": schema::of(schema) } }),
        Holds::Text(kind) => {
            let mut content = Map::new();
            content.insert((*kind).to_owned(), json!({ "schema": { "type": "string" } }));
            response["content"] = Json::Object(content);
        }
        Holds::Nothing => {}
    }
    if operation.has_tags() && operation.method != Method::Delete {
        response["headers"] = json!({ "ETag": { "description": "Its revision", "schema": { "type": "string" } } });
    }
    response
}
