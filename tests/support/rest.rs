//! A client of `/api/v1/`, and a thing of each collection.

use crate::feed::Plane;
use crate::support::*;
use serde_json::{Value as Json, json};
use std::io::Write;

pub const ALL: &str = "contacts:read,contacts:write,plan:read,plan:write,events:read,events:raw,calls:read,metrics:read,features:write";

/// A client with a token.
pub struct Rest<'a> {
    pub plane: &'a Plane,
    pub token: String,
}

impl Rest<'_> {
    pub fn of(plane: &Plane) -> Rest<'_> {
        Rest { plane, token: plane.make_token("acme", "rest", ALL, None) }
    }

    pub fn text(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> String {
        let auth = format!("Bearer {}", self.token);
        let length = body.len().to_string();
        let mut all = vec![("Authorization", auth.as_str())];
        if !body.is_empty() {
            all.push(("Content-Length", &length));
            if !headers.iter().any(|(name, _)| *name == "Content-Type") {
                all.push(("Content-Type", "application/json"));
            }
        }
        all.extend(headers);
        format!("{}{body}", self.plane.request_as(path, &all).replacen("GET", method, 1))
    }

    pub fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> HttpReply {
        let text = self.text(method, path, headers, body);
        let mut stream = connect(self.plane.http);
        stream.write_all(text.as_bytes()).unwrap();
        // a 204 and a 304 have no body, whatever their length says
        hear_reply(&mut stream)
    }

    pub fn get(&self, path: &str) -> HttpReply {
        self.send("GET", path, &[], "")
    }

    pub fn put(&self, path: &str, body: &Json) -> HttpReply {
        self.send("PUT", path, &[], &body.to_string())
    }
}

pub fn json_of_body(reply: &HttpReply) -> Json {
    serde_json::from_str(&reply.body).unwrap_or_else(|e| panic!("{e}: {reply:?}"))
}

pub fn detail(reply: &HttpReply) -> String {
    assert_eq!(reply.header("content-type"), "application/problem+json", "{reply:?}");
    let problem = json_of_body(reply);
    assert_eq!(problem["status"], reply.status, "{reply:?}");
    problem["detail"].as_str().unwrap().to_owned()
}

pub fn document(plane: &Plane) -> Json {
    json_of_body(&plane.get_as("/api/v1/openapi.json", &[]))
}

/// A document with one of its schemas for all of it.
pub fn schema(document: &Json, name: &str) -> jsonschema::Validator {
    let schema = json!({ "$ref": format!("#/components/schemas/{name}"), "components": document["components"] });
    jsonschema::validator_for(&schema).unwrap_or_else(|e| panic!("{name}: {e}"))
}

/// A thing of each collection: word, id in the path (escaped), body.
pub fn things() -> Vec<(&'static str, &'static str, Json)> {
    vec![
        ("contacts", "school", json!({ "name": "School", "numbers": [{ "number": "030 1234567", "label": "office" }], "tags": ["kids"] })),
        ("extensions", "101", json!({ "name": "Ada", "dnd": true })),
        (
            "groups",
            "family",
            json!({ "strategy": "hunt", "members": [{ "extension": "101" }, { "number": "+4930555", "delay_seconds": 5 }] }),
        ),
        ("schedules", "office", json!({ "open": ["mon-fri 09:00-17:30"], "holidays": ["christmas 12-25..12-26"] })),
        ("trunks", "sipgate", json!({ "rates": ["+=0.01"], "emergency": true })),
        ("limits", "premium:tenant", json!({ "per_hour": 3 })),
        ("limits", "international:extension", json!({ "per_hour": 3 })),
        ("routes", "number:%2B4930123456", json!({ "steps": ["ring:family", { "voicemail": "101" }], "fallback": "voicemail:101" })),
        ("routes", "prefix:+4940", json!({ "steps": ["busy"], "schedule": "office", "when": { "closed": ["hangup"] } })),
        ("routes", "default", json!({ "steps": ["congestion"] })),
        ("block", "number:+4930666", json!({ "action": "busy" })),
        ("block", "prefix:+4977", json!({})),
        ("block", "country:FR", json!({})),
        ("block", "class:premium", json!({})),
        ("block", "verification:failed", json!({})),
        ("block", "anonymous", json!({ "action": "hangup" })),
        ("block", "rate", json!({ "rate": "10/60" })),
        ("allow", "number:+4930777", json!({})),
        ("users", "101@pbx.example", json!({ "name": "Ada", "a1_hash": "5f4dcc3b5aa765d61d8327deb882cf99" })),
    ]
}
