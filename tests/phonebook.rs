//! Phone books over HTTP: who may read them, what is in whose, page after page, found, and never in the way of calls.

mod support;

#[path = "support/feed.rs"]
mod feed;

use data_encoding::BASE64;
use feed::Plane;
use roxmltree::Document;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use strowger::control::{FeedLimits, Reply, Request, TokenDraft};
use strowger::daemon::Options;
use strowger::directory::{Contact, ContactDraft};
use strowger::number::NumberPlan;
use support::*;

const VENDORS: [&str; 3] = ["yealink", "snom", "grandstream"];

fn set(plane: &Plane, tenant: &str, name: &str, number: &str, owner: Option<&str>) {
    let id: String = name.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_lowercase();
    let owner = owner.map(str::to_owned);
    let numbers = vec![(number.to_owned(), None)];
    let company = Some("Engines of Mönch".to_owned()).filter(|_| name == "Ada");
    let contact = ContactDraft { id, name: name.into(), numbers, owner, company, ..ContactDraft::default() };
    let reply = plane.ask(Request::ContactSet { tenant: tenant.into(), contact });
    assert!(matches!(reply, Reply::Done { .. }), "{reply:?}");
}

fn basic(token: &str) -> String {
    format!("Basic {}", BASE64.encode(format!("phone:{token}").as_bytes()))
}

/// A document that a telephone with this token gets.
fn document(plane: &Plane, token: &str, path: &str) -> String {
    let reply = plane.get_as(path, &[("Authorization", &basic(token))]);
    assert_eq!((reply.status, reply.header("content-type")), (200, "text/xml; charset=utf-8"), "{path}: {reply:?}");
    Document::parse(&reply.body).unwrap_or_else(|e| panic!("{path}: {e}\n{}", reply.body));
    reply.body
}

/// The texts of a document's elements of these names.
fn texts(document: &str, names: &[&str]) -> Vec<String> {
    let document = Document::parse(document).unwrap();
    let wanted = document.descendants().filter(|n| names.contains(&n.tag_name().name()));
    let of_entries =
        wanted.filter(|n| n.parent().is_some_and(|p| matches!(p.tag_name().name(), "DirectoryEntry" | "Contact" | "SoftKeyItem")));
    of_entries.filter_map(|n| n.text().map(str::to_owned)).collect()
}

fn names(document: &str) -> Vec<String> {
    let mut names = texts(document, &["Name", "FirstName"]);
    names.retain(|name| !matches!(name.as_str(), "F3" | "F4"));
    names
}

fn plane() -> (Plane, String) {
    let plane = Plane::start(FeedLimits::default());
    let token = plane.make_token("acme", "phones", "contacts:read", None);
    (plane, token)
}

#[test]
fn a_telephone_shows_its_token_as_a_password_and_in_no_other_way() {
    let (plane, token) = plane();
    set(&plane, "acme", "Ada", "+4930123456", None);
    for vendor in VENDORS {
        let path = format!("/phonebook/{vendor}.xml");
        assert_eq!(names(&document(&plane, &token, &path)), ["Ada"]);
        let by_token = plane.get_as(&path, &[("Authorization", &format!("Bearer {token}"))]);
        assert_eq!(by_token.status, 200);
        let none = plane.get_as(&path, &[]);
        let asked: Vec<&str> = none.headers.iter().filter(|(n, _)| n == "www-authenticate").map(|(_, v)| v.as_str()).collect();
        assert_eq!((none.status, asked), (401, vec!["Bearer realm=\"strowger\"", "Basic realm=\"strowger\""]));
        for wrong in [basic("swt_wrong"), "Basic ?".into(), format!("Basic {}", BASE64.encode(token.as_bytes())), basic("")] {
            assert_eq!(plane.get_as(&path, &[("Authorization", &wrong)]).status, 401, "{wrong}");
        }
        assert_eq!(plane.get_as(&format!("{path}?token={token}"), &[]).status, 401, "an address is no place for a token");
        let other = plane.make_token("acme", vendor, "calls:read", None);
        assert_eq!(plane.get_as(&path, &[("Authorization", &basic(&other))]).status, 403);
        assert_eq!(plane.get_as(&path, &[("Authorization", &basic(&token)), ("Host", "evil.example")]).status, 421);
    }
    // the password opens phone books, and nothing else
    assert_eq!(plane.get_as("/calls", &[("Authorization", &basic(&plane.token))]).status, 401);
}

#[test]
fn a_phone_book_has_everybodys_contacts_and_its_owners_and_nobody_elses() {
    let (plane, token) = plane();
    set(&plane, "acme", "Ada", "+4930123456", None);
    set(&plane, "acme", "Mum", "+4930123457", Some("101"));
    set(&plane, "acme", "Dentist", "+4930123458", Some("102"));
    set(&plane, "other", "Stranger", "+4930123459", None);
    for vendor in VENDORS {
        let of = |path: &str| names(&document(&plane, &token, &format!("/phonebook/{vendor}{path}")));
        assert_eq!(of(".xml"), ["Ada"]);
        assert_eq!(of(".xml?owner=101&tenant=acme"), ["Ada", "Mum"]);
        assert_eq!(of("/phonebook.xml?owner=102"), ["Ada", "Dentist"]);
        assert_eq!(of("/101/phonebook.xml"), ["Ada", "Mum"]);
        assert_eq!(of(".xml?owner=103"), ["Ada"]);
        for search in ["Dentist", "4930123458"] {
            assert_eq!(of(&format!(".xml?owner=101&search={search}")), Vec::<String>::new());
            assert_eq!(of(&format!(".xml?owner=102&search={search}")), ["Dentist"]);
        }
    }
    let refused = |path: &str| {
        let reply = plane.get_as(path, &[("Authorization", &basic(&token))]);
        (reply.status, reply.body)
    };
    assert_eq!(refused("/phonebook/snom.xml?tenant=other").0, 403);
    let (status, why) = refused("/phonebook/yealnik.xml");
    assert!(status == 404 && why.contains("did you mean yealink?"), "{why}");
    for wrong in ["page=0", "page=x", "owner=%2B4930123456", "serach=a", &format!("search={}", "x".repeat(300))] {
        let (status, why) = refused(&format!("/phonebook/snom.xml?{wrong}"));
        assert_eq!(status, 400, "{wrong}: {why}");
    }
}

#[test]
fn a_snom_is_led_from_page_to_page_and_back_and_sees_every_contact_once() {
    let (plane, token) = plane();
    for n in 0..95 {
        set(&plane, "acme", &format!("Contact {n:02}"), &format!("+49301{n:05}"), None);
        set(&plane, "acme", &format!("Own & {n:02}"), &format!("+49302{n:05}"), Some("101"));
    }
    let (mut path, mut seen, mut pages) = ("/phonebook/snom.xml?owner=101&search=own%20%26".to_owned(), Vec::new(), 0);
    let mut backs = Vec::new();
    loop {
        let text = document(&plane, &token, &path);
        seen.extend(names(&text));
        pages += 1;
        let links: Vec<(String, String)> = texts(&text, &["Label"]).into_iter().zip(texts(&text, &["URL"])).collect();
        let to = |label: &str| links.iter().find(|(l, _)| l == label).map(|(_, url)| url.clone());
        backs.extend(to("Back"));
        let Some(next) = to("Next") else { break };
        path = next.strip_prefix(&format!("http://{}", plane.http)).expect("the server as the telephone named it").to_owned();
    }
    let wanted: Vec<String> = (0..95).map(|n| format!("Own & {n:02}")).collect();
    assert_eq!((seen, pages), (wanted, 3));
    assert!(backs.len() == 2 && backs[1].contains("page=2") && backs[1].contains("search=own%20%26"), "{backs:?}");
    assert_eq!(names(&document(&plane, &token, "/phonebook/snom.xml?page=99")), Vec::<String>::new());
    // behind a proxy that speaks TLS
    let headers = [("Authorization", basic(&token)), ("X-Forwarded-Proto", "https".to_owned()), ("Host", "localhost".to_owned())];
    let headers: Vec<(&str, &str)> = headers.iter().map(|(n, v)| (*n, v.as_str())).collect();
    let reply = plane.get_as("/phonebook/snom.xml", &headers);
    assert!(reply.body.contains("<URL>https://localhost/phonebook/snom.xml?page=2</URL>"), "{}", reply.body);
}

#[test]
fn contacts_are_found_by_any_part_and_an_edit_is_in_the_book() {
    let (plane, token) = plane();
    set(&plane, "acme", "Ada", "030 123456", None);
    set(&plane, "acme", "Zoë Brandt", "+4930123457", None);
    let found = |search: &str| names(&document(&plane, &token, &format!("/phonebook/yealink.xml?search={search}")));
    for (search, wanted) in [
        ("zoe", vec!["Zoë Brandt"]),
        ("BRA%20z", vec!["Zoë Brandt"]),
        ("zo%C3%AB+brandt", vec!["Zoë Brandt"]),
        ("monch", vec!["Ada"]),
        ("030123", vec!["Ada", "Zoë Brandt"]),
        ("030123456", vec!["Ada"]),
        ("%2B49%2030", vec!["Ada", "Zoë Brandt"]),
        ("", vec!["Ada", "Zoë Brandt"]),
        ("nobody", vec![]),
    ] {
        assert_eq!(found(search), wanted, "{search}");
    }
    set(&plane, "acme", "Bob", "+4930123458", None);
    assert!(within(PLENTY, || found("") == ["Ada", "Bob", "Zoë Brandt"]));
    plane.ask(Request::ContactRm { tenant: "acme".into(), id: "ada".into() });
    assert!(within(PLENTY, || found("") == ["Bob", "Zoë Brandt"]));
}

#[test]
fn a_phone_book_of_a_hundred_thousand_contacts_keeps_no_call_from_its_answer() {
    let (_place, server) = served(Options::default(), vec![]);
    let plan = NumberPlan::new(None);
    let mut bulk = server.server().store().bulk("default", "crm");
    for n in 0..100_000 {
        let number = plan.parse(&format!("+49302{n:06}")).unwrap();
        let contact =
            Contact::of(format!("c{n}"), format!("Contact {n:06}"), vec![strowger::directory::ContactNumber::of(number, "", None)]);
        bulk.push(&contact).unwrap();
    }
    bulk.commit("test").unwrap();
    let secret = strowger::access::Secret::random().unwrap();
    let token = TokenDraft { name: "phones".into(), scopes: "contacts:read".into(), expires_seconds: None, digest: secret.digest() };
    server.fill([Request::TokenAdd { tenant: "default".into(), token }]);
    let (http_at, auth) = (server.server().http(), basic(secret.reveal()));
    let is_over = Arc::new(AtomicBool::new(false));
    let phones: Vec<_> = (0..4)
        .map(|phone| {
            let (is_over, auth) = (is_over.clone(), auth.clone());
            std::thread::spawn(move || {
                let mut books = 0;
                while !is_over.load(Ordering::Relaxed) {
                    let (vendor, search) = (VENDORS[phone % 3], if phone % 2 == 0 { "" } else { "search=99999" });
                    let request =
                        format!("GET /phonebook/{vendor}.xml?{search} HTTP/1.1\r\nHost: {http_at}\r\nAuthorization: {auth}\r\n\r\n");
                    let reply = http(http_at, &request);
                    assert_eq!(reply.status, 200, "{reply:?}");
                    books += 1;
                }
                books
            })
        })
        .collect();
    // edits meanwhile, so that books are put together again and again
    for n in 0..200 {
        if n % 20 == 0 {
            server.fill([contact("default", &format!("edit-{n}"), "Edit", "+12025550111")]);
        }
        let answer = ask(server.agi(), "+14155550199", "+14155550101");
        assert_eq!((answer.get("STATUS"), answer.get("NAME")), ("found", "Lincoln School"), "call {n}: {answer:?}");
        std::thread::sleep(Duration::from_millis(5));
    }
    assert!(within(PLENTY * 6, || {
        is_over.store(true, Ordering::Relaxed);
        phones.iter().all(|phone| phone.is_finished())
    }));
    let books: usize = phones.into_iter().map(|phone| phone.join().unwrap()).sum();
    assert!(books > 0);
    // the first page by name, though the book has no room for all of them
    let request = format!("GET /phonebook/snom.xml HTTP/1.1\r\nHost: {http_at}\r\nAuthorization: {auth}\r\n\r\n");
    let body = http(http_at, &request).body;
    assert!(
        body.contains("Bäckerei") && body.contains("<Name>Contact 000000</Name>") && body.contains("the first 20000 of 1000"),
        "{body}"
    );
}
