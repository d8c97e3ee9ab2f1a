//! What a token may change over HTTP: its own tenant's extensions, what their users may switch themselves, and nothing else.

mod support;

#[path = "support/feed.rs"]
mod feed;

use feed::*;
use serde_json::{Value as Json, json};
use std::io::Write;
use strowger::control::FeedLimits;
use strowger::number::NumberPlan;
use strowger::routing::{Extension, PlanItem, PlanKey};
use strowger::store::Edit;
use support::*;

/// Sends a body with a method, as whoever has the token.
fn send(plane: &Plane, method: &str, path: &str, token: &str, body: &str) -> HttpReply {
    let auth = format!("Bearer {token}");
    let head = plane.request_as(path, &[("Authorization", &auth), ("Content-Length", &body.len().to_string())]);
    http(plane.http, &format!("{}{body}", head.replacen("GET", method, 1)))
}

fn extension(plane: &Plane, tenant: &str, digits: &str) -> Option<Extension> {
    let number = NumberPlan::new(None).parse(digits).unwrap();
    match plane.store.item(tenant, &PlanKey::Extension(number)).unwrap() {
        Some(PlanItem::Extension(extension)) => Some(extension),
        _ => None,
    }
}

fn json_of_body(reply: &HttpReply) -> Json {
    serde_json::from_str(&reply.body).unwrap_or_else(|e| panic!("{e}: {reply:?}"))
}

#[test]
fn a_panel_switches_do_not_disturb_and_forwards_and_what_it_does_not_name_stays() {
    let plane = Plane::start(FeedLimits::default());
    let token = plane.make_token("acme", "panel", "features:write", None);
    let reply = send(&plane, "PATCH", "/extensions/101", &token, r#"{"dnd":true,"forward_busy":"030 1234567"}"#);
    let wanted = json!({
        "number": "101", "dnd": true, "forward_always": null, "forward_busy": "+49301234567", "forward_no_answer": null,
        "forward_unavailable": null,
    });
    assert_eq!((reply.status, json_of_body(&reply)), (200, wanted));
    let reply = send(&plane, "PATCH", "/extensions/101", &token, r#"{"forward_always":"102"}"#);
    assert_eq!((reply.status, json_of_body(&reply)["dnd"].clone()), (200, json!(true)));
    let reply = send(&plane, "PATCH", "/extensions/101", &token, r#"{"dnd":false,"forward_busy":null}"#);
    let after = extension(&plane, "acme", "101").unwrap();
    assert_eq!((reply.status, after.dnd, after.forward_busy.is_none(), after.forward_always.is_some()), (200, false, true, true));
    let who: Vec<String> = plane.store.changes(0).map(|change| change.unwrap().who).filter(|who| who.contains("token")).collect();
    assert_eq!(who, ["token panel", "token panel", "token panel"]);
    // the same again is no edit
    let revision = plane.store.revision();
    assert_eq!(send(&plane, "PATCH", "/extensions/101", &token, r#"{"dnd":false}"#).status, 200);
    assert_eq!(send(&plane, "PATCH", "/extensions/101", &token, "{}").status, 200);
    assert_eq!(plane.store.revision(), revision);
    // a user name with what a path escapes
    assert_eq!(send(&plane, "PATCH", "/extensions/alice%2Esmith", &token, r#"{"dnd":true}"#).status, 200);
    assert!(extension(&plane, "acme", "alice.smith").unwrap().dnd);
}

#[test]
fn an_extension_s_other_settings_are_out_of_a_panel_s_reach() {
    let plane = Plane::start(FeedLimits::default());
    let token = plane.make_token("acme", "panel", "features:write", None);
    let number = NumberPlan::new(None).parse("101").unwrap();
    let set = Extension { name: Some("Ada".into()), calls_max: Some(2), ..Extension::of(number) };
    plane.store.edit("acme", "test", Edit::Put(PlanItem::Extension(set))).unwrap();
    for body in [r#"{"permissions":["premium"]}"#, r#"{"dnd":true,"caller_id":"+491"}"#, r#"{"calls_max":9}"#] {
        let reply = send(&plane, "PATCH", "/extensions/101", &token, body);
        assert_eq!(reply.status, 400, "{body}: {reply:?}");
        assert!(reply.body.contains("unknown field") && reply.body.contains("forward_always"), "{reply:?}");
    }
    assert_eq!(send(&plane, "PATCH", "/extensions/101", &token, r#"{"dnd":true}"#).status, 200);
    let after = extension(&plane, "acme", "101").unwrap();
    assert_eq!((after.name.as_deref(), after.calls_max, after.dnd), (Some("Ada"), Some(2), true));
}

#[test]
fn a_change_that_cannot_be_made_says_why_and_changes_nothing() {
    let plane = Plane::start(FeedLimits::default());
    let token = plane.make_token("acme", "panel", "features:write", None);
    let revision = plane.store.revision();
    let large = format!(r#"{{"forward_busy":"{}"}}"#, "1".repeat(5_000));
    for (path, body, status, why) in [
        ("/extensions/101", r#"{"forward_always":"+14155550101"}"#, 422, "international, which 101 may not call"),
        ("/extensions/101", r#"{"forward_always":"112"}"#, 422, "emergency number"),
        ("/extensions/101", r#"{"forward_always":"101"}"#, 422, "back to the extension itself"),
        ("/extensions/101", r#"{"forward_always":"*78"}"#, 422, "feature code"),
        ("/extensions/101", r#"{"forward_always":""}"#, 422, "is empty"),
        ("/extensions/101", r#"{"forward_always":7}"#, 400, "invalid type"),
        ("/extensions/101", r#"{"dnd":"yes"}"#, 400, "invalid type"),
        ("/extensions/101", "dnd=1", 400, "not what is wanted here"),
        ("/extensions/101", "", 400, "not what is wanted here"),
        ("/extensions/101", large.as_str(), 413, "4 KiB at most"),
        ("/extensions/+14155550101", r#"{"dnd":true}"#, 422, "is no extension"),
        ("/extensions/9%0A11", r#"{"dnd":true}"#, 422, "control characters"),
        ("/extensions/", r#"{"dnd":true}"#, 404, "the paths are"),
        ("/extensions", r#"{"dnd":true}"#, 404, "the paths are"),
    ] {
        let reply = send(&plane, "PATCH", path, &token, body);
        assert_eq!(reply.status, status, "{path} {body}: {reply:?}");
        assert!(json_of_body(&reply)["detail"].as_str().unwrap().contains(why), "{path} {body}: {reply:?}");
    }
    for method in ["GET", "PUT", "POST", "DELETE"] {
        assert_eq!(send(&plane, method, "/extensions/101", &token, "").status, 405, "{method}");
    }
    assert_eq!(plane.store.revision(), revision);
}

#[test]
fn nothing_is_changed_without_the_scope_for_it_nor_for_another_tenant() {
    let plane = Plane::start(FeedLimits::default());
    let reader = plane.make_token("acme", "reader", "events:read,events:raw,calls:read,metrics:read", None);
    let writer = plane.make_token("other", "writer", "features:write", None);
    let revision = plane.store.revision();
    let body = r#"{"dnd":true}"#;
    let refused = send(&plane, "PATCH", "/extensions/101", &reader, body);
    assert_eq!(refused.status, 403);
    assert!(refused.header("www-authenticate").contains("scope=\"features:write\""), "{refused:?}");
    assert_eq!(send(&plane, "PATCH", "/extensions/101", "swt_wrong", body).status, 401);
    assert_eq!(plane.store.revision(), revision);
    // what may write may read nothing
    let auth = format!("Bearer {writer}");
    assert_eq!(plane.get_as("/calls", &[("Authorization", &auth)]).status, 403);
    assert_eq!(send(&plane, "PATCH", "/extensions/101", &writer, body).status, 200);
    assert!(extension(&plane, "acme", "101").is_none() && extension(&plane, "other", "101").unwrap().dnd);
}

#[test]
fn a_body_that_breaks_off_changes_nothing() {
    let plane = Plane::start(FeedLimits::default());
    let token = plane.make_token("acme", "panel", "features:write", None);
    let auth = format!("Bearer {token}");
    let head = plane.request_as("/extensions/101", &[("Authorization", &auth), ("Content-Length", "12")]).replacen("GET", "PATCH", 1);
    let mut stream = connect(plane.http);
    stream.write_all(format!("{head}{{\"dnd\":tr").as_bytes()).unwrap();
    drop(stream);
    assert_eq!(send(&plane, "PATCH", "/extensions/102", &token, r#"{"dnd":true}"#).status, 200);
    assert!(extension(&plane, "acme", "101").is_none());
}
