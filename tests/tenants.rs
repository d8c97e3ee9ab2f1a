//! Whose call it is, and that one tenant neither sees nor starves another.

mod support;

use std::io::Write;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;
use strowger::control::{Request, RouteWhich};
use strowger::daemon::Options;
use strowger::play::CallFields;
use support::*;

/// Three tenants: by context and number, by number and domain, and whoever is none of theirs.
const THREE: &str = r#"
[[tenant]]
id = "default"
country = "DE"

[[tenant]]
id = "acme"
country = "DE"
contexts = ["from-acme"]
dids = ["+493012345*"]
fallback = "voicemail:900"

[[tenant]]
id = "beta"
country = "US"
domain = "beta.example"
dids = ["+4930123456*", "+14155550100"]
"#;

fn route(tenant: &str, to: &str, step: &str) -> Request {
    let which = if to == "default" { RouteWhich::Default } else { RouteWhich::Number(to.into()) };
    Request::RouteSet { tenant: tenant.into(), which, steps: vec![step.into(), "voicemail:1".into()], fallback: None }
}

fn three() -> (Place, InProcess) {
    let place = Place::new(THREE);
    let server = place.in_process(Options::default(), |_| {});
    let everybody = ["default", "acme", "beta"].map(|tenant| route(tenant, "default", &format!("queue:{tenant}")));
    server.fill(everybody);
    (place, server)
}

fn in_context(to: &str, context: &str) -> CallFields {
    CallFields { context: context.to_owned(), ..fields(to, SCHOOL) }
}

#[test]
fn a_call_that_names_no_tenant_is_his_whose_context_or_number_it_is() {
    let (_place, server) = three();
    let with =
        |fields: CallFields, arguments: &[&str]| CallFields { arguments: arguments.iter().map(|a| (*a).to_owned()).collect(), ..fields };
    let asked = in_context("+49301234500", "strowger");
    for (what, fields, whose) in [
        ("nobody's number", in_context("+49309999999", "from-trunk"), "default"),
        ("by number", in_context("+49301234500", "from-trunk"), "acme"),
        ("by number, as it is dialled there", in_context("030 1234500", "from-trunk"), "acme"),
        ("by the longer number", in_context("+49301234567", "from-trunk"), "beta"),
        ("by context before number", in_context("+49301234567", "from-acme"), "acme"),
        ("by the context that is handed over", with(asked.clone(), &["context=from-acme", "to=+14155550100"]), "acme"),
        ("an empty one is none", with(in_context("+14155550100", "from-acme"), &["context="]), "acme"),
        ("by parameter before all", with(in_context("+49301234567", "from-acme"), &["tenant=default"]), "default"),
    ] {
        let answer = play(server.agi(), &fields);
        assert_eq!((answer.get("ACTION"), answer.get("TARGET")), ("queue", whose), "{what}");
        // the next step is asked for in the same way
        let step = format!("step={}", answer.get("STEP"));
        let mut again = fields;
        again.arguments.extend([step, "status=BUSY".to_owned()]);
        let next = play(server.agi(), &again);
        assert_eq!(next.short(), ("found", "voicemail", "default"), "{what}");
    }
    // a tenant that isn't there is nobody, and nobody else's phones ring
    let answer = play(server.agi(), &with(in_context("+49301234500", "from-acme"), &["tenant=acmee"]));
    assert_eq!(answer.short(), ("error", "continue", "bad-request"));
    let answer = play(server.agi(), &with(in_context("+49301234500", "from-acme"), &["tenent=beta"]));
    assert_eq!(answer.short(), ("error", "continue", "bad-request"));
}

#[test]
fn what_an_extension_dials_says_nothing_of_whose_call_it_is() {
    let (_place, server) = three();
    for (context, tenant) in [("from-trunk", "default"), ("from-acme", "acme")] {
        // another tenant's number, called by an extension
        let fields = CallFields { request: "outbound".into(), ..in_context("+14155550100", context) };
        let answer = play(server.agi(), &CallFields { caller_number: Some("101".into()), ..fields });
        assert_ne!(answer.get("STATUS"), "error", "{tenant}: {answer:?}");
        // the other's number plan would have read what is dialled at home as something else
        let fields = CallFields { request: "outbound".into(), ..in_context("030 1234567", context) };
        let answer = play(server.agi(), &CallFields { caller_number: Some("101".into()), ..fields });
        assert_ne!(answer.get("STATUS"), "error", "{tenant}: {answer:?}");
    }
}

#[test]
fn a_channel_of_freeswitch_is_his_whose_domain_it_has_and_then_whose_context_or_number() {
    let (_place, server) = three();
    let fetch = |to: &str, context: &str, more: &str| {
        let to = to.replace('+', "%2B");
        let form = format!(
            "hostname=pbx&section=dialplan&Unique-ID=u1&Caller-Caller-ID-Number=%2B14155550101&Caller-Destination-Number={to}&Caller-Context={context}&Hunt-Destination-Number={to}&Hunt-Context={context}{more}"
        );
        let body = post(server.lookup_http(), "/xml", &form).body;
        ["default", "acme", "beta"].into_iter().find(|tenant| body.contains(&format!("data=\"{tenant}")))
    };
    for (what, to, context, more, whose) in [
        ("nobody's", "+49309999999", "public", "", Some("default")),
        ("by number", "+49301234500", "public", "", Some("acme")),
        ("by context", "+14155550100", "from-acme", "", Some("acme")),
        ("by domain", "+49301234500", "from-acme", "&variable_domain_name=Beta.Example", Some("beta")),
        ("a domain that is nobody's", "+49301234500", "public", "&variable_domain_name=pbx.example", Some("acme")),
        ("by parameter", "+49301234500", "from-acme", "&variable_domain_name=beta.example&variable_strowger_tenant=acme", Some("acme")),
    ] {
        assert_eq!(fetch(to, context, more), whose, "{what}");
    }
}

#[test]
fn one_tenants_flood_leaves_room_for_all_calls_of_another() {
    let place = Place::new(THREE);
    let server = place.in_process(Options::default(), |config| config.sessions_max = 12);
    server.fill(["default", "acme", "beta"].map(|tenant| route(tenant, "default", &format!("queue:{tenant}"))));
    let agi = server.agi();
    // sessions that have their answer and never say so keep their places for two seconds
    let stop = AtomicBool::new(false);
    let (refused, held) = (AtomicUsize::new(0), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut streams = Vec::new();
            while !stop.load(Ordering::Relaxed) {
                streams.clear();
                for _ in 0..6 {
                    let mut stream = connect(agi);
                    stream.write_all(&environment("+49301234500", SCHOOL)).unwrap();
                    let answer = Answer::of_bytes(&hear_line(&mut stream));
                    let count = if answer.get("REASON") == "capacity" { &refused } else { &held };
                    count.fetch_add(1, Ordering::Relaxed);
                    // whom the tenant's own fallback is said to
                    assert!(answer.get("REASON") != "capacity" || answer.get("TARGET") == "900", "{answer:?}");
                    streams.push(stream);
                }
                // and others that behave, above what it may have
                for _ in 0..6 {
                    let answer = play(agi, &in_context("+49301234500", "from-trunk"));
                    let count = if answer.get("REASON") == "capacity" { &refused } else { &held };
                    count.fetch_add(1, Ordering::Relaxed);
                }
                std::thread::sleep(Duration::from_millis(20));
            }
        });
        for n in 0..150 {
            for (to, whose) in [("+14155550100", "beta"), ("+49309999999", "default")] {
                let answer = play(agi, &in_context(to, "from-trunk"));
                assert_eq!((answer.get("ACTION"), answer.get("TARGET")), ("queue", whose), "call {n}: {answer:?}");
            }
        }
        stop.store(true, Ordering::Relaxed);
    });
    let (refused, held) = (refused.into_inner(), held.into_inner());
    assert!(refused > 0 && held >= 6, "{refused} were refused, {held} answered");
    // when the flood is over it has its share again
    assert!(within(Duration::from_secs(5), || play(agi, &in_context("+49301234500", "x")).get("TARGET") == "acme"));
}

#[test]
fn a_tenant_may_be_given_more_or_less_than_half() {
    let text = THREE.replace("contexts = [\"from-acme\"]", "contexts = [\"from-acme\"]\nsessions_max = 1");
    let place = Place::new(&text);
    let server = place.in_process(Options::default(), |config| config.sessions_max = 12);
    server.fill(["default", "acme", "beta"].map(|tenant| route(tenant, "default", &format!("queue:{tenant}"))));
    let mut stream = connect(server.agi());
    stream.write_all(&environment("+49301234500", SCHOOL)).unwrap();
    assert_eq!(Answer::of_bytes(&hear_line(&mut stream)).get("TARGET"), "acme");
    assert_eq!(play(server.agi(), &in_context("+49301234500", "x")).short(), ("error", "voicemail", "capacity"));
    assert_eq!(play(server.agi(), &in_context("+14155550100", "x")).get("TARGET"), "beta");
    drop(stream);
    assert!(within(Duration::from_secs(5), || play(server.agi(), &in_context("+49301234500", "x")).get("TARGET") == "acme"));
}
