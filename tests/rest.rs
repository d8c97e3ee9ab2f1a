//! Contacts and the plan as REST: what the document says is what is answered, and nobody's edit is lost.

mod support;

#[path = "support/feed.rs"]
mod feed;
#[path = "support/rest.rs"]
mod rest;

use feed::*;
use rest::*;
use serde_json::{Value as Json, json};
use std::collections::BTreeSet;
use std::io::Write;
use std::time::Duration;
use strowger::control::{FeedLimits, ItemWhich, Reply, Request};
use strowger::plan::{ExtensionDraft, ItemDraft, LimitDraft};
use support::*;

#[test]
fn a_thing_of_every_collection_is_added_shown_sent_back_listed_and_removed() {
    let plane = Plane::start(FeedLimits::default());
    let rest = Rest::of(&plane);
    let document = document(&plane);
    for (word, id, body) in things() {
        let path = format!("/api/v1/{word}/{id}");
        assert_eq!(rest.get(&path).status, 404, "{path}");
        let added = rest.put(&path, &body);
        assert_eq!(added.status, 201, "{path}: {added:?}");
        schema(&document, "Edited").validate(&json_of_body(&added)).unwrap();
        assert!(added.header("location").starts_with(&format!("/api/v1/{word}/")), "{added:?}");
        let shown = rest.get(&path);
        assert_eq!((shown.status, shown.header("etag")), (200, added.header("etag")), "{path}: {shown:?}");
        let thing = json_of_body(&shown);
        assert_eq!(shown.header("etag"), format!("\"{}\"", thing["revision"]));
        let of_path = &document["paths"][format!("/api/v1/{word}/{{id}}")]["get"]["responses"]["200"]["content"]["application/json"];
        let name = of_path["schema"]["$ref"].as_str().unwrap().rsplit('/').next().unwrap();
        schema(&document, name).validate(&thing).unwrap_or_else(|e| panic!("{path}: {e}: {thing}"));
        schema(&document, &format!("{name}Put")).validate(&body).unwrap_or_else(|e| panic!("{path}: {e}: {body}"));
        // what is shown may be sent as it is, and is the same
        let again = rest.put(&path, &thing);
        let outcome = json_of_body(&again);
        assert_eq!((again.status, &outcome["changed"]), (200, &json!(false)), "{path}: {again:?}");
        assert_eq!(again.header("etag"), shown.header("etag"), "{path}");
        let known = rest.send("GET", &path, &[("If-None-Match", shown.header("etag"))], "");
        assert_eq!((known.status, known.body.as_str(), known.header("etag")), (304, "", shown.header("etag")), "{path}");
        assert!(!shown.body.contains("5f4dcc3b"), "a hash is shown: {shown:?}");
        let page = json_of_body(&rest.get(&format!("/api/v1/{word}?limit=1000")));
        assert!(page["items"].as_array().unwrap().contains(&thing), "{path}: {page}");
        schema(&document, &format!("{name}Page")).validate(&page).unwrap();
    }
    let explained = json_of_body(&rest.get("/api/v1/explain?to=+4930123456&from=0301234567"));
    schema(&document, "Explanation").validate(&explained).unwrap();
    assert_eq!(explained["decision"]["route"], "+4930123456", "{explained}");
    let name = json_of_body(&rest.get("/api/v1/name/%2B49301234567"));
    assert_eq!(name["contacts"][0]["id"], "school", "{name}");
    schema(&document, "Name").validate(&name).unwrap();
    for (word, id, _) in things().into_iter().rev() {
        let path = format!("/api/v1/{word}/{id}");
        let gone = rest.send("DELETE", &path, &[], "");
        assert_eq!((gone.status, gone.body.as_str()), (204, ""), "{path}: {gone:?}");
        assert_eq!(rest.send("DELETE", &path, &[], "").status, 404, "{path}");
        assert_eq!(rest.send("DELETE", &path, &[("If-Match", "\"1\"")], "").status, 404, "{path}");
    }
}

#[test]
fn a_change_over_another_revision_is_refused_and_says_which_it_is() {
    let plane = Plane::start(FeedLimits::default());
    let rest = Rest::of(&plane);
    for (word, id, body) in things() {
        let path = format!("/api/v1/{word}/{id}");
        let text = body.to_string();
        let of_none = rest.send("PUT", &path, &[("If-Match", "\"7\"")], &text);
        assert_eq!((of_none.status, json_of_body(&of_none)["revision"].clone()), (412, json!(0)), "{of_none:?}");
        assert_eq!(rest.send("PUT", &path, &[("If-Match", "*")], &text).status, 412, "{path}");
        let added = rest.send("PUT", &path, &[("If-None-Match", "*")], &text);
        assert_eq!(added.status, 201, "{path}: {added:?}");
        let tag = added.header("etag");
        let twice = rest.send("PUT", &path, &[("If-None-Match", "*")], &text);
        assert_eq!((twice.status, twice.header("etag")), (412, tag), "{path}");
        let revision = plane.store.revision();
        for wrong in ["\"1\"", "\"x\"", &format!("W/{tag}"), "\"99999\""] {
            let stale = rest.send("PUT", &path, &[("If-Match", wrong)], &text);
            assert_eq!((stale.status, stale.header("etag")), (412, tag), "{path} {wrong}");
            assert!(detail(&stale).contains("read it anew"), "{stale:?}");
            assert_eq!(rest.send("DELETE", &path, &[("If-Match", wrong)], "").status, 412, "{path} {wrong}");
        }
        assert_eq!(plane.store.revision(), revision);
        for right in [tag, "*", &format!("\"1\", {tag}")] {
            assert_eq!(rest.send("PUT", &path, &[("If-Match", right)], &text).header("etag"), tag, "{path} {right}");
        }
    }
    let both = [("If-Match", "*"), ("If-None-Match", "*")];
    assert_eq!(rest.send("PUT", "/api/v1/contacts/x", &both, "{}").status, 400);
}

#[test]
fn of_two_clients_who_race_neither_loses_an_update() {
    const EACH: usize = 200;
    let plane = Plane::start(FeedLimits::default());
    let rest = Rest::of(&plane);
    let body = json!({ "name": "0", "numbers": [{ "number": "+49301234567" }] });
    assert_eq!(rest.put("/api/v1/contacts/counter", &body).status, 201);
    let counts = |client: &Rest| {
        let mut stale = 0;
        for _ in 0..EACH {
            loop {
                let read = client.get("/api/v1/contacts/counter");
                let mut thing = json_of_body(&read);
                let count: usize = thing["name"].as_str().unwrap().parse().unwrap();
                thing["name"] = json!((count + 1).to_string());
                let written = client.send("PUT", "/api/v1/contacts/counter", &[("If-Match", read.header("etag"))], &thing.to_string());
                match written.status {
                    200 => break,
                    412 => stale += 1,
                    other => panic!("{other}: {written:?}"),
                }
            }
        }
        stale
    };
    let stale: usize = std::thread::scope(|scope| {
        let (a, b) = (scope.spawn(|| counts(&rest)), scope.spawn(|| counts(&rest)));
        a.join().unwrap() + b.join().unwrap()
    });
    assert_eq!(json_of_body(&rest.get("/api/v1/contacts/counter"))["name"], (2 * EACH).to_string());
    assert!(stale > 0, "they never met, so nothing was seen");
}

#[test]
fn commands_that_change_a_part_of_a_thing_at_the_same_time_lose_none_of_it() {
    let place = Place::new(TENANTS);
    let _server = place.serve(&[]);
    for round in 10..16 {
        let number = round.to_string();
        std::thread::scope(|scope| {
            for part in ["--ring-seconds", "--calls-max", "--name"] {
                let (place, number) = (&place, &number);
                scope.spawn(move || place.done(&["extension", "set", "101", part, number]));
            }
        });
        let thing = place.done(&["extension", "show", "101", "--json"]).json();
        assert_eq!((&thing["ring_seconds"], &thing["calls_max"], &thing["name"]), (&json!(round), &json!(round), &json!(number)));
    }
}

#[test]
fn an_edit_over_a_revision_is_made_only_over_that_and_only_of_one_thing() {
    let plane = Plane::start(FeedLimits::default());
    let over = |revision, edit| plane.ask(Request::Over { revision, edit: Box::new(edit) });
    let tenant = || "acme".to_owned();
    let set = |name: &str| Request::ItemSet {
        tenant: tenant(),
        item: ItemDraft::Extension(ExtensionDraft { extension: "101".into(), name: Some(name.into()), ..ExtensionDraft::default() }),
    };
    let rm = || Request::ItemRm { tenant: tenant(), which: ItemWhich::Extension("101".into()) };
    assert!(matches!(over(1, set("a")), Reply::Stale { revision: 0 }));
    let Reply::Done { revision, existed: false, .. } = over(0, set("a")) else { panic!("it wasn't added") };
    assert!(matches!(over(0, set("b")), Reply::Stale { revision: now } if now == revision));
    // another thing's edit is no change of this one
    plane.ask(Request::ItemSet {
        tenant: tenant(),
        item: ItemDraft::Limit(LimitDraft { class: "premium".into(), per_hour: Some(1), ..LimitDraft::default() }),
    });
    assert!(matches!(over(revision, set("a")), Reply::Done { changed: false, .. }), "the same again is no edit");
    let Reply::Done { revision: newer, .. } = over(revision, set("c")) else { panic!("it wasn't replaced") };
    assert!(matches!(over(revision, rm()), Reply::Stale { revision: now } if now == newer));
    assert!(matches!(over(newer, rm()), Reply::Done { existed: true, .. }));
    assert!(matches!(over(newer, rm()), Reply::Stale { revision: 0 }));
    let nested = Request::Over { revision: 0, edit: Box::new(set("x")) };
    for other in [Request::Status, nested, Request::TokenRm { tenant: tenant(), name: "all".into() }, Request::PlanCommit] {
        assert!(matches!(over(0, other), Reply::BadInput(why) if why.contains("one thing")));
    }
    assert!(matches!(plane.ask(set("d")), Reply::Done { existed: false, .. }), "the next edit is over nothing");
}

#[test]
fn what_is_wrong_with_a_request_is_told_and_changes_nothing() {
    let plane = Plane::start(FeedLimits::default());
    let rest = Rest::of(&plane);
    let revision = plane.store.revision();
    let large = format!("{{\"name\":\"{}\"}}", "x".repeat(1024 * 1024));
    for (method, path, body, status, why) in [
        ("PUT", "/api/v1/contacts/x", r#"{"nmae":"X","numbers":[{"number":"101"}]}"#, 400, "did you mean name?"),
        ("PUT", "/api/v1/contacts/x", r#"{"name":"X"}"#, 400, "missing key numbers"),
        ("PUT", "/api/v1/contacts/x", r#"{"name":1,"numbers":[{"number":"101"}]}"#, 400, "invalid type"),
        ("PUT", "/api/v1/contacts/x", r#"{"name":"X","numbers":[{"numer":"1"}]}"#, 400, "did you mean number?"),
        ("PUT", "/api/v1/contacts/x", r#"{"id":"y","name":"X","numbers":[{"number":"101"}]}"#, 400, "leave it out of the body"),
        ("PUT", "/api/v1/contacts/x", r#"{"name":"X","numbers":["101"]}"#, 400, "expected an object with the key number"),
        ("PUT", "/api/v1/contacts/x", "[1]", 400, "no JSON object"),
        ("PUT", "/api/v1/contacts/x", "{", 400, "no JSON object"),
        ("PUT", "/api/v1/contacts/x", r#"{"name":" ","numbers":[{"number":"101"}]}"#, 422, "name is empty"),
        ("PUT", "/api/v1/contacts/a%20b", r#"{"name":"X","numbers":[{"number":"101"}]}"#, 422, "can't be used"),
        ("PUT", "/api/v1/contacts/x", &large, 413, "in several requests"),
        ("PUT", "/api/v1/routes/112", r#"{"steps":["busy"]}"#, 404, "prefix:+1415"),
        ("PUT", "/api/v1/routes/number:112", r#"{"steps":["busy"]}"#, 422, "emergency number"),
        ("PUT", "/api/v1/routes/default", r#"{"steps":["ring:nobody"]}"#, 422, "nobody"),
        ("PUT", "/api/v1/routes/default", r#"{"steps":[{"rign":"x"}]}"#, 400, "did you mean ring?"),
        ("PUT", "/api/v1/allow/anonymous", "{}", 422, "allow list"),
        ("PUT", "/api/v1/groups/g", r#"{"members":[]}"#, 422, "members"),
        ("PUT", "/api/v1/users/101@pbx.example", "{}", 422, ""),
        ("PUT", "/api/v1/users/101", "{}", 404, "101@pbx.example"),
        ("PUT", "/api/v1/limits/premum", r#"{"per_hour":1}"#, 422, "premium"),
        ("PUT", "/api/v1/contacts:batch", "{}", 405, "openapi.json"),
        ("POST", "/api/v1/contacts:batch", r#"{"puts":[]}"#, 400, "did you mean put?"),
        ("POST", "/api/v1/contacts:batch", r#"{"put":{}}"#, 400, "no list"),
        ("GET", "/api/v1/contacts?limit=0", "", 400, "1 to 1000"),
        ("GET", "/api/v1/contacts?limt=1", "", 400, "did you mean limit?"),
        ("GET", "/api/v1/contacts?tenant=other", "", 403, "tenant acme"),
        ("GET", "/api/v1/routes?after=x", "", 400, "prefix:+1415"),
        ("GET", "/api/v1/contacts/nobody", "", 404, "nobody"),
        ("GET", "/api/v1/contacs", "", 404, "openapi.json"),
        ("GET", "/api/v1/explain?to=101&switch=astersk", "", 400, "did you mean asterisk?"),
        ("GET", "/api/v1/name/anonymous", "", 422, "withheld"),
    ] {
        let reply = rest.send(method, path, &[], body);
        assert_eq!(reply.status, status, "{method} {path}: {reply:?}");
        assert!(detail(&reply).contains(why), "{method} {path}: {reply:?}");
    }
    let reply = rest.send("PUT", "/api/v1/contacts/x", &[("Content-Type", "text/plain")], r#"{"name":"X","numbers":[{"number":"101"}]}"#);
    assert_eq!((reply.status, detail(&reply).contains("application/json")), (415, true));
    let charset = [("Content-Type", "application/json; charset=utf-8")];
    assert_eq!(rest.send("PATCH", "/api/v1/contacts/x", &[], "{}").header("allow").split(',').count(), 4);
    assert_eq!(plane.store.revision(), revision);
    assert_eq!(rest.send("PUT", "/api/v1/contacts/x", &charset, r#"{"name":"X","numbers":[{"number":"101"}]}"#).status, 201);
    assert_eq!(rest.get("/api/v1/contacts?tenant=acme").status, 200);
    // as everywhere here: a page that was led to this port gets nothing
    assert_eq!(rest.plane.get_as("/api/v1/contacts", &[("Host", "evil.example")]).status, 421);
}

#[test]
fn a_token_may_what_its_scopes_say_and_only_in_its_own_tenant() {
    let plane = Plane::start(FeedLimits::default());
    let all = Rest::of(&plane);
    all.put("/api/v1/contacts/x", &json!({ "name": "X", "numbers": [{ "number": "101" }] }));
    all.put("/api/v1/extensions/101", &json!({}));
    let of = |name: &str, tenant: &str, scopes: &str| Rest { plane: &plane, token: plane.make_token(tenant, name, scopes, None) };
    let body = r#"{"name":"Y","numbers":[{"number":"101"}]}"#;
    let requests = [
        ("GET", "/api/v1/contacts/x", "", "contacts:read"),
        ("GET", "/api/v1/contacts", "", "contacts:read"),
        ("GET", "/api/v1/name/101", "", "contacts:read"),
        ("PUT", "/api/v1/contacts/x", body, "contacts:write"),
        ("POST", "/api/v1/contacts:batch", "{}", "contacts:write"),
        ("GET", "/api/v1/extensions/101", "", "plan:read"),
        ("GET", "/api/v1/explain?to=101", "", "plan:read"),
        ("PUT", "/api/v1/extensions/101", "{}", "plan:write"),
        ("DELETE", "/api/v1/contacts/x", "", "contacts:write"),
        ("DELETE", "/api/v1/extensions/101", "", "plan:write"),
    ];
    for scope in ["contacts:read", "contacts:write", "plan:read", "plan:write"] {
        let client = of(&scope.replace(':', "-"), "acme", scope);
        for (method, path, body, needed) in requests {
            let reply = client.send(method, path, &[], body);
            if scope == needed {
                assert!(reply.status < 300, "{scope} {method} {path}: {reply:?}");
            } else {
                assert_eq!(reply.status, 403, "{scope} {method} {path}: {reply:?}");
                assert!(reply.header("www-authenticate").contains(&format!("scope=\"{needed}\"")), "{reply:?}");
                assert!(detail(&reply).contains(needed));
            }
        }
    }
    all.put("/api/v1/contacts/x", &json!({ "name": "X", "numbers": [{ "number": "101" }] }));
    let other = of("other", "other", ALL);
    assert_eq!(other.get("/api/v1/contacts/x").status, 404);
    assert_eq!(other.get("/api/v1/contacts?tenant=acme").status, 403);
    let nobody = plane.get_as("/api/v1/contacts", &[]);
    assert_eq!((nobody.status, nobody.header("www-authenticate")), (401, "Bearer realm=\"strowger\""));
    let who: BTreeSet<String> = plane.store.changes(0).map(|change| change.unwrap().who).collect();
    assert!(who.contains("token contacts-write") && who.contains("token rest"), "{who:?}");
}

#[test]
fn pages_follow_one_another_until_there_is_none_and_nothing_is_twice_or_missing() {
    let plane = Plane::start(FeedLimits::default());
    let rest = Rest::of(&plane);
    let put: Vec<Json> = (0..250).map(|n| json!({ "id": format!("c-{n:03}"), "name": "C", "numbers": [{ "number": "101" }] })).collect();
    let done = rest.send("POST", "/api/v1/contacts:batch", &[], &json!({ "put": put }).to_string());
    assert_eq!((done.status, json_of_body(&done)["added"].clone()), (200, json!(250)), "{done:?}");
    for n in 0..25 {
        assert_eq!(rest.put(&format!("/api/v1/block/number:+49301000{n:02}"), &json!({})).status, 201);
        assert_eq!(rest.put(&format!("/api/v1/allow/number:+49302000{n:02}"), &json!({})).status, 201);
    }
    for (word, limit, wanted) in [("contacts", 100, 250), ("contacts", 125, 250), ("block", 7, 25), ("allow", 25, 25), ("groups", 5, 0)] {
        let (mut path, mut seen) = (format!("/api/v1/{word}?limit={limit}"), Vec::new());
        loop {
            let reply = rest.get(&path);
            let page = json_of_body(&reply);
            let items = page["items"].as_array().unwrap();
            assert!(items.len() <= limit && (!items.is_empty() || wanted == 0), "{path}");
            seen.extend(items.iter().map(ToString::to_string));
            let Some(next) = page["next"].as_str() else { break };
            assert_eq!(reply.header("link"), format!("<{next}>; rel=\"next\""));
            path = next.to_owned();
        }
        assert_eq!((seen.len(), seen.iter().collect::<BTreeSet<_>>().len()), (wanted, wanted), "{word}");
    }
}

#[test]
fn a_batch_is_done_whole_or_not_at_all_and_each_wrong_item_is_named() {
    let plane = Plane::start(FeedLimits::default());
    let rest = Rest::of(&plane);
    let document = document(&plane);
    let contact = |id: &str| json!({ "id": id, "name": id, "numbers": [{ "number": "030 1234567" }] });
    let batch = |body: &Json| rest.send("POST", "/api/v1/contacts:batch", &[], &body.to_string());
    let good = json!({ "put": [contact("a"), contact("b"), contact("c")], "delete": ["nobody"] });
    schema(&document, "ContactBatch").validate(&good).unwrap();
    let done = json_of_body(&batch(&good));
    schema(&document, "ContactBatchDone").validate(&done).unwrap();
    assert_eq!((&done["added"], &done["missing"]), (&json!(3), &json!(1)));
    assert_eq!(json_of_body(&rest.get("/api/v1/contacts/b"))["revision"], done["revision"]);
    let revision = plane.store.revision();
    let no_name = json!({ "id": "e", "name": "", "numbers": [{ "number": "101" }] });
    let wrong_number = json!({ "id": "f", "name": "F", "numbers": [{ "number": "" }] });
    let unknown = json!({ "id": "g", "nmae": "G", "numbers": [{ "number": "101" }] });
    for (body, status, places) in [
        (json!({ "put": [contact("d"), no_name, wrong_number], "delete": ["a"] }), 422, vec!["/put/1", "/put/2"]),
        (json!({ "put": [contact("d"), contact("d")] }), 422, vec!["/put/1"]),
        (json!({ "put": [contact("a")], "delete": ["b", "a", " "] }), 422, vec!["/delete/1", "/delete/2"]),
        (json!({ "put": [contact("d"), unknown, 7], "delete": ["a", 1] }), 400, vec!["/put/1", "/put/2", "/delete/1"]),
    ] {
        let reply = batch(&body);
        assert_eq!(reply.status, status, "{reply:?}");
        let problem = json_of_body(&reply);
        schema(&document, "Problem").validate(&problem).unwrap();
        let told: Vec<&str> = problem["errors"].as_array().unwrap().iter().map(|e| e["pointer"].as_str().unwrap()).collect();
        assert_eq!(told, places, "{reply:?}");
    }
    let many: Vec<String> = (0..10_001).map(|n| format!("x{n}")).collect();
    let reply = batch(&json!({ "delete": many }));
    assert_eq!((reply.status, detail(&reply).contains("10000")), (422, true), "{reply:?}");
    let large = json!({ "put": [{ "id": "l", "name": "L", "numbers": [{ "number": "101" }], "note": "x".repeat(8 * 1024 * 1024) }] });
    assert_eq!(batch(&large).status, 413);
    assert_eq!(plane.store.revision(), revision);
    let done = json_of_body(&batch(&json!({ "put": [contact("c"), contact("d")], "delete": ["a"] })));
    assert_eq!((&done["added"], &done["replaced"], &done["removed"]), (&json!(1), &json!(1), &json!(1)));
    let ten_thousand: Vec<Json> = (0..10_000).map(|n| contact(&format!("many-{n}"))).collect();
    let done = json_of_body(&batch(&json!({ "put": ten_thousand })));
    assert_eq!(done["added"], 10_000, "{done}");
}

#[test]
fn a_batch_that_is_killed_at_any_moment_is_there_whole_or_not_at_all() {
    const BATCH: usize = 2_000;
    let place = Place::new(TENANTS);
    let mut before = 0;
    for round in 0..6u64 {
        let mut server = place.serve(&[]);
        let token = place.done(&["token", "add", &format!("t{round}"), "--scope", "contacts:write"]).out.trim().to_owned();
        let put: Vec<Json> =
            (0..BATCH).map(|n| json!({ "id": format!("r{round}-{n}"), "name": "N", "numbers": [{ "number": "101" }] })).collect();
        let body = json!({ "put": put }).to_string();
        let head = format!(
            "POST /api/v1/contacts:batch HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {token}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
            server.http,
            body.len()
        );
        let mut stream = connect(server.http);
        stream.write_all(format!("{head}{body}").as_bytes()).unwrap();
        let acknowledged = if round == 5 {
            try_hear_reply(&mut stream).is_ok_and(|reply| reply.status == 200)
        } else {
            std::thread::sleep(Duration::from_millis(15 * round * round));
            false
        };
        server.child.kill().unwrap();
        server.child.wait().unwrap();
        drop(server);
        let there = place.done(&["contact", "ls", "--json"]).out.lines().count();
        assert!(there == before || there == before + BATCH, "round {round}: {before} became {there}");
        assert!(!acknowledged || there == before + BATCH, "an acknowledged batch is gone");
        before = there;
    }
    assert!(before >= BATCH);
}

#[test]
fn clients_who_never_end_their_body_do_not_hold_others() {
    let plane = Plane::start(FeedLimits::default());
    let rest = Rest::of(&plane);
    let auth = format!("Bearer {}", rest.token);
    let length = ("Content-Length", "1000");
    let head = |path: &str| rest.plane.request_as(path, &[("Authorization", &auth), ("Content-Type", "application/json"), length]);
    let slow: Vec<_> = (0..60)
        .map(|n| {
            let (method, path) = if n < 2 { ("POST", "/api/v1/contacts:batch") } else { ("PUT", "/api/v1/contacts/slow") };
            let mut stream = connect(plane.http);
            stream.write_all(format!("{}{{", head(path).replacen("GET", method, 1)).as_bytes()).unwrap();
            stream
        })
        .collect();
    assert_eq!(rest.put("/api/v1/contacts/quick", &json!({ "name": "Q", "numbers": [{ "number": "101" }] })).status, 201);
    // both places for batches are held by those who don't go on; a third is told so, and not kept waiting
    assert!(within(PLENTY, || rest.send("POST", "/api/v1/contacts:batch", &[], "{}").status == 503));
    drop(slow);
    assert!(within(PLENTY, || rest.send("POST", "/api/v1/contacts:batch", &[], "{}").status == 200));
    assert_eq!(rest.get("/api/v1/contacts/slow").status, 404);
}

#[test]
fn the_document_is_whole_and_every_path_in_it_answers() {
    let plane = Plane::start(FeedLimits::default());
    let rest = Rest::of(&plane);
    let document = document(&plane);
    assert_eq!(document["openapi"], "3.1.0");
    for name in ["title", "version"] {
        assert!(document["info"][name].is_string());
    }
    let schemas = document["components"]["schemas"].as_object().unwrap();
    for (name, one) in schemas {
        jsonschema::meta::validate(one).unwrap_or_else(|e| panic!("{name}: {e}"));
        schema(&document, name);
    }
    // every reference leads somewhere, and every schema and response is named
    let text = document.to_string();
    let mut named = BTreeSet::new();
    for reference in text.split("\"$ref\":\"#").skip(1).map(|rest| rest.split('"').next().unwrap()) {
        assert!(document.pointer(reference).is_some(), "{reference}");
        named.insert(reference.to_owned());
    }
    for sort in ["schemas", "responses"] {
        for name in document["components"][sort].as_object().unwrap().keys() {
            assert!(named.contains(&format!("/components/{sort}/{name}")), "{sort}/{name} is named by nothing");
        }
    }
    let (mut ids, mut asked) = (BTreeSet::new(), 0);
    for (path, methods) in document["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            let id = operation["operationId"].as_str().unwrap();
            assert!(ids.insert(id.to_owned()), "{id} stands twice");
            for key in ["summary", "parameters", "responses", "security"] {
                assert!(!operation[key].is_null(), "{id} has no {key}");
            }
            let in_path: Vec<&str> = path.split('{').skip(1).map(|rest| rest.split('}').next().unwrap()).collect();
            let parameters = operation["parameters"].as_array().unwrap();
            let said: Vec<&str> = parameters.iter().filter(|p| p["in"] == "path").map(|p| p["name"].as_str().unwrap()).collect();
            assert_eq!(said, in_path, "{id}");
            assert!(parameters.iter().all(|p| p["in"] != "path" || p["required"] == true), "{id}");
            // whatever comes of it, it is a reply that the document tells of
            let body = if operation["requestBody"].is_null() { "" } else { "{}" };
            let real = path.replace("{id}", "nobody").replace("{number}", "101");
            let real = real.replace("{file}", "yealink.xml").replace("{vendor}", "snom").replace("{owner}", "101");
            if path == "/events" {
                assert_eq!(rest.plane.sse("/events", &[]).status, 200);
                continue;
            }
            let reply = rest.send(&method.to_uppercase(), &real, &[], body);
            let mut response = &operation["responses"][reply.status.to_string()];
            if let Some(reference) = response["$ref"].as_str() {
                response = document.pointer(reference.trim_start_matches('#')).unwrap();
            }
            assert!(!response.is_null(), "{id} says nothing of {}: {reply:?}", reply.status);
            for (kind, content) in response["content"].as_object().into_iter().flatten() {
                assert!(reply.header("content-type").starts_with(kind.as_str()), "{id}: {reply:?}");
                if kind.contains("json") {
                    let name = content["schema"]["$ref"].as_str().unwrap().rsplit('/').next().unwrap();
                    schema(&document, name).validate(&json_of_body(&reply)).unwrap_or_else(|e| panic!("{id}: {e}"));
                }
            }
            let public = operation["security"].as_array().unwrap().is_empty();
            let bare = http(plane.http, &plane.request_as(&real, &[]).replacen("GET", &method.to_uppercase(), 1)).status;
            assert_eq!(bare == 401, !public, "{id}");
            asked += 1;
        }
    }
    assert_eq!(asked, 10 * 4 + 4 + 11);
}

#[test]
fn no_path_is_routed_that_the_document_does_not_have() {
    let http = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/control/http");
    let routes = |file: &std::path::Path| std::fs::read_to_string(file).unwrap().matches(".route(").count();
    let files = |dir: &std::path::Path| -> Vec<_> {
        std::fs::read_dir(dir).unwrap().map(|f| f.unwrap().path()).filter(|p| p.extension().is_some()).collect()
    };
    let all: usize = files(&http).iter().chain(&files(&http.join("api"))).map(|file| routes(file)).sum();
    assert_eq!((all, routes(&http.join("api/mod.rs"))), (1, 1), "a path stands beside the table");
}
