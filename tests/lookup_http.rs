//! The look-up port: names and dialplan documents over HTTP, and whatever else is sent there.

mod support;

use std::io::Write;
use std::time::{Duration, Instant};
use strowger::call::{Delay, ShutdownLevel};
use strowger::control::{ListKey, Request, RouteWhich, sample_requests};
use strowger::daemon::Options;
use strowger::routing::xml::NOT_FOUND;
use strowger::routing::{A1Hash, List, User};
use support::*;

/// The fields of a fetch that matter.
fn fetch(to: &str, from: &str) -> String {
    let (to, from) = (to.replace('+', "%2B"), from.replace('+', "%2B"));
    format!(
        "hostname=pbx&section=dialplan&tag_name=&key_name=&key_value=&Unique-ID=u1&Caller-Caller-ID-Number={from}&Caller-Destination-Number={to}&Caller-Context=public&Caller-Privacy-Hide-Number=false&Hunt-Caller-ID-Number={from}&Hunt-Destination-Number={to}&Hunt-Context=public"
    )
}

/// The applications of a document and their arguments, as an XML parser has them.
fn actions(document: &str) -> Vec<(String, String)> {
    let parsed = roxmltree::Document::parse(document).unwrap_or_else(|e| panic!("{e}: {document}"));
    let action =
        |n: roxmltree::Node<'_, '_>| (n.attribute("application").unwrap().to_owned(), n.attribute("data").unwrap_or_default().to_owned());
    parsed.descendants().filter(|n| n.has_tag_name("action")).map(action).collect()
}

#[test]
fn a_known_number_is_answered_with_its_name_and_nothing_else_ever_has_a_body() {
    let (_place, server) = served(Options::default(), vec![]);
    let door = server.lookup_http();
    for path in ["/name?number=%2B14155550101", "/name?number=+14155550101", "/name?number=4155550101", "/name?number=01114155550101"] {
        let reply = get(door, path);
        assert_eq!((reply.status, reply.body.as_str()), (200, "Lincoln School"), "{path}");
    }
    assert_eq!(get(door, "/name?number=%2B493023125000").body, "Bäckerei Jürgen \"Brezn\" Groß");
    for (path, status, reason) in [
        ("/name?number=%2B12025550147", 404, "no-name"),
        ("/name?number=", 404, "anonymous"),
        ("/name?number=anonymous", 404, "anonymous"),
        ("/name?number=%2B14155550101&tenant=nobody", 400, "bad-request"),
        ("/name?number=%2B14155550101&tenat=acme", 400, "bad-request"),
        ("/name", 400, "write /name?number="),
        ("/name?name=x", 400, "write /name?number="),
        ("/", 404, "the paths are /name?number= and /xml"),
        ("/events", 404, "the paths are /name?number= and /xml"),
        ("/metrics", 404, "the paths are /name?number= and /xml"),
        ("/xml", 405, "use POST"),
    ] {
        let reply = get(door, path);
        assert_eq!((reply.status, reply.header("strowger-reason"), reply.body.as_str()), (status, reason, ""), "{path}");
    }
    let reply = post(door, "/name", "number=1");
    assert_eq!((reply.status, reply.header("allow")), (405, "GET"));
}

#[test]
fn a_tenants_names_are_asked_by_the_url_and_another_s_stay_unseen() {
    let (_place, server) = served(Options::default(), vec![contact("acme", "boss", "Der Chef", "030 1234567")]);
    let door = server.lookup_http();
    assert_eq!(get(door, "/name?tenant=acme&number=%2B49301234567").body, "Der Chef");
    assert_eq!(get(door, "/name?tenant=acme&number=0301234567").body, "Der Chef");
    assert_eq!(get(door, "/name?number=%2B49301234567").status, 404);
    assert_eq!(get(door, "/name?tenant=acme&number=%2B14155550101").status, 404);
}

#[test]
fn a_kept_connection_answers_one_question_after_the_other() {
    let (_place, server) = served(Options::default(), vec![]);
    let mut stream = connect(server.lookup_http());
    for _ in 0..3 {
        let reply = ask_on(&mut stream, "GET /name?number=%2B14155550101 HTTP/1.1\r\nHost: localhost\r\n\r\n");
        assert_eq!(reply.body, "Lincoln School");
    }
    let form = fetch(DID, SCHOOL);
    let reply = ask_on(&mut stream, &format!("POST /xml HTTP/1.1\r\nHost: localhost\r\nContent-Length: {}\r\n\r\n{form}", form.len()));
    assert!(reply.body.contains("user/101,user/102"), "{}", reply.body);
}

#[test]
fn a_fetch_is_answered_with_a_whole_extension_or_with_not_found() {
    let (_place, server) = served(Options::default(), vec![]);
    let door = server.lookup_http();
    let reply = post(door, "/xml", &fetch(DID, SCHOOL));
    assert_eq!((reply.status, reply.header("content-type")), (200, "text/xml"));
    let steps = actions(&reply.body);
    assert!(steps.contains(&("bridge".into(), "user/101,user/102".into())), "{steps:?}");
    assert!(steps.contains(&("set_profile_var".into(), "caller_id_name=Lincoln School".into())), "{steps:?}");
    let list = steps.iter().find_map(|(_, data)| data.strip_prefix("^^|strowger_step=")).unwrap();
    let (token, next) = list.split_once("|call_timeout=|hangup_after_bridge=|continue_on_fail=|strowger_next=").unwrap();
    assert_eq!(next, DID);

    let left = format!("variable_strowger_step={token}&variable_strowger_next=%2B14155550199&variable_strowger_status=USER_BUSY");
    let steps = actions(&post(door, "/xml", &format!("{}&{left}", fetch(DID, SCHOOL))).body);
    assert!(steps.contains(&("voicemail".into(), "default $${domain} 199".into())), "{steps:?}");
    // the plan was left, and the call was transferred: that is another question
    let steps = actions(&post(door, "/xml", &format!("{}&{left}", fetch("+14155550142", SCHOOL))).body);
    assert!(steps.contains(&("bridge".into(), "user/101".into())), "{steps:?}");

    for form in [
        fetch("+12025550100", SCHOOL),
        "section=configuration&tag_name=configuration&key_value=sofia.conf".to_owned(),
        "section=phrases".to_owned(),
        String::new(),
        "&&&=&===&section".to_owned(),
        "section=dialplan".to_owned(),
    ] {
        let reply = post(door, "/xml", &form);
        assert_eq!((reply.status, reply.body.as_str()), (200, NOT_FOUND), "{form:?}");
    }
}

#[test]
fn a_telephone_s_user_is_answered_with_his_hash_and_a_stranger_is_not_found() {
    let user = |domain: &str, extension: &str| User {
        extension: extension.into(),
        domain: domain.into(),
        name: Some("Kitchen".into()),
        context: None,
        a1_hash: A1Hash::of(extension, domain, "secret").unwrap(),
    };
    let set = |tenant: &str, user| Request::UserSet { tenant: tenant.into(), user };
    let (_place, server) =
        served(Options::default(), vec![set("default", user("pbx.example", "101")), set("acme", user("acme.example", "7"))]);
    let ask = |path: &str, domain: &str, user: &str, more: &str| {
        let form = format!(
            "hostname=pbx&section=directory&tag_name=domain&key_name=name&key_value={domain}{more}&key=id&user={user}&domain={domain}"
        );
        let reply = post(server.lookup_http(), path, &form);
        assert_eq!(reply.status, 200, "{reply:?}");
        reply.body
    };
    let register = "&action=sip_auth&sip_auth_method=REGISTER";
    let known = ask("/xml", "pbx.example", "101", register);
    assert!(known.contains(&A1Hash::of("101", "pbx.example", "secret").unwrap().reveal()), "{known}");
    assert!(!known.contains("secret") && known.contains("cacheable=\"60000\""), "{known}");
    assert_eq!(ask("/xml", "PBX.example", "101", "&action=user_call"), known);
    for (path, domain, user) in [
        ("/xml", "pbx.example", "102"),
        ("/xml", "other.example", "101"),
        ("/xml", "acme.example", "7"),
        ("/xml?tenant=acme", "pbx.example", "101"),
        ("/xml", "pbx.example", "1%3001%0A"),
        ("/xml", "%00", "%00"),
    ] {
        assert_eq!(ask(path, domain, user, register), NOT_FOUND, "{path} {domain} {user}");
    }
    assert!(ask("/xml?tenant=acme", "acme.example", "7", register).contains("user id=\"7\""));
    let wrong =
        post(server.lookup_http(), "/xml?tenat=acme", "section=directory&tag_name=domain&key_name=name&key_value=pbx.example&user=101");
    assert_eq!((wrong.status, wrong.body.as_str()), (503, ""));
}

#[test]
fn only_the_contexts_that_the_url_names_are_answered_for() {
    let (_place, server) = served(Options::default(), vec![]);
    let form = fetch(DID, SCHOOL);
    for (path, is_ours) in [
        ("/xml", true),
        ("/xml?context=public", true),
        ("/xml?context=office&context=public&tenant=default", true),
        ("/xml?context=office", false),
        ("/xml?context=", false),
        ("/xml?context=publi", false),
    ] {
        assert_eq!(post(server.lookup_http(), path, &form).body != NOT_FOUND, is_ours, "{path}");
    }
}

#[test]
fn a_number_that_lost_its_plus_on_the_way_is_found_all_the_same() {
    let (_place, server) = served(Options::default(), vec![contact("acme", "oma", "Oma Rosa", "+14155550123")]);
    // digits that are nobody's in Germany
    assert_eq!(get(server.lookup_http(), "/name?tenant=acme&number=14155550123").body, "Oma Rosa");
    assert_eq!(get(server.lookup_http(), "/name?number=493023125000").body, "Bäckerei Jürgen \"Brezn\" Groß");
    assert_eq!(get(server.lookup_http(), "/name?number=493023125001").status, 404);
}

#[test]
fn a_url_that_can_t_be_read_gets_no_call_not_even_the_fallback() {
    let place = Place::new("[[tenant]]\nid = \"default\"\ncountry = \"US\"\nfallback = \"dial:100\"\n");
    let server = place.in_process(Options::default(), |_| {});
    server.fill(sample_requests("default"));
    for (path, reason) in
        [("/xml?contxt=public", "bad-request"), ("/xml?context=office", "context"), ("/xml?tenat=x&context=public", "bad-request")]
    {
        let reply = post(server.lookup_http(), path, &fetch(DID, SCHOOL));
        assert_eq!((reply.status, reply.body.as_str(), reply.header("strowger-reason")), (200, NOT_FOUND, reason), "{path}");
    }
    let reply = post(server.lookup_http(), "/xml?context=public", &fetch(DID, SCHOOL));
    assert_eq!((reply.header("strowger-status"), reply.header("strowger-reason")), ("found", "matched"));
}

#[test]
fn a_domain_says_whose_user_it_is_where_the_url_doesn_t() {
    let place = Place::new("[[tenant]]\nid = \"default\"\n[[tenant]]\nid = \"acme\"\ndomain = \"acme.example\"\n");
    let server = place.in_process(Options::default(), |_| {});
    let user = |context: &str| User {
        extension: "7".into(),
        domain: "acme.example".into(),
        name: None,
        context: Some(context.into()),
        a1_hash: A1Hash::of("7", "acme.example", "secret").unwrap(),
    };
    server.fill(vec![Request::UserSet { tenant: "acme".into(), user: user("acme") }]);
    // somebody else's user of that domain is never asked for
    server.fill(vec![Request::UserSet { tenant: "default".into(), user: user("stolen") }]);
    let form = "section=directory&tag_name=domain&key_name=name&key_value=acme.example&action=sip_auth&user=7&domain=acme.example";
    for path in ["/xml", "/xml?context=public", "/xml?switch=pbx1", "/xml?tenant=acme"] {
        assert!(post(server.lookup_http(), path, form).body.contains("value=\"acme\""), "{path}");
    }
    assert!(post(server.lookup_http(), "/xml?tenant=default", form).body.contains("value=\"stolen\""));
}

#[test]
fn a_number_of_the_country_is_never_taken_for_another_country_s() {
    let (_place, server) = served(Options::default(), vec![contact("default", "oslo", "Norway Mobile", "+4795551234")]);
    // +1 479 555 1234, as trunks in the United States write it
    assert_eq!(get(server.lookup_http(), "/name?number=4795551234").status, 404);
    assert_eq!(get(server.lookup_http(), "/name?number=%2B4795551234").body, "Norway Mobile");
}

#[test]
fn what_other_applications_left_on_the_channel_says_nothing_of_whose_question_it_is() {
    let route = |tenant: &str, step: &str| Request::RouteSet {
        tenant: tenant.into(),
        which: RouteWhich::Number(DID.into()),
        steps: vec![step.into()],
        fallback: None,
    };
    let (_place, server) = served(Options::default(), vec![route("default", "dial:101"), route("acme", "dial:777")]);
    for left in ["", "ivr%3F", "ivr%3Flang%3Den", "ping", "route%3Ftenant%3Ddefault"] {
        let form = format!("{}&variable_socket_path={left}&variable_strowger_to=%2B12025550100", fetch(DID, SCHOOL));
        let reply = post(server.lookup_http(), "/xml?tenant=acme", &form);
        assert!(reply.body.contains("data=\"user/777\""), "{left}: {}", reply.body);
    }
}

#[test]
fn a_caller_whose_number_the_switch_prints_as_undefined_has_none() {
    let block = Request::ScreenSet { tenant: "default".into(), list: List::Block, key: ListKey::Anonymous, action: None };
    let (_place, server) = served(Options::default(), vec![block]);
    for from in ["_undef_", "", "anonymous"] {
        let reply = post(server.lookup_http(), "/xml", &fetch(DID, from));
        assert!(reply.body.contains("strowger_reason=anonymous"), "{from}: {}", reply.body);
    }
}

#[test]
fn a_page_in_a_browser_can_t_ask_under_a_name_of_its_own() {
    let (_place, server) = served(Options::default(), vec![]);
    let ask = |host: &str| http(server.lookup_http(), &format!("GET /name?number=%2B14155550101 HTTP/1.1\r\n{host}\r\n"));
    for host in ["Host: localhost\r\n", "Host: LOCALHOST:8086\r\n", "Host: 127.0.0.1:8086\r\n", "Host: [::1]:8086\r\n", "Host: ::1\r\n", ""]
    {
        let reply = ask(host);
        assert!(reply.status == 200 || host == "Host: ::1\r\n", "{host}: {reply:?}");
    }
    for host in ["Host: evil.example\r\n", "Host: evil.example:8086\r\n", "Host: localhost.evil.example\r\n", "Host: \u{1}\r\n"] {
        let reply = ask(host);
        assert!(matches!(reply.status, 421 | 400) && reply.body.is_empty(), "{host}: {reply:?}");
    }
    let whole = http(server.lookup_http(), "GET http://evil.example/name?number=%2B14155550101 HTTP/1.1\r\nHost: localhost\r\n\r\n");
    assert_eq!(whole.status, 421);
}

#[test]
fn connections_over_http_never_take_the_places_of_calls_at_the_other_doors() {
    let place = Place::with_sample(TENANTS);
    let server = place.in_process(Options::default(), |config| config.sessions_max = 8);
    // they ask, and never read
    let mut greedy: Vec<_> = (0..32).map(|_| connect(server.lookup_http())).collect();
    for stream in &mut greedy {
        let _ = stream.write_all(&b"GET /nope HTTP/1.1\r\nHost: localhost\r\n\r\n".repeat(50));
    }
    std::thread::sleep(Duration::from_millis(300));
    for _ in 0..20 {
        assert_eq!(ask(server.agi(), DID, SCHOOL).short(), ("found", "dial", "matched"));
    }
    drop(greedy);
}

#[test]
fn what_is_hunted_for_beats_what_the_channel_was_called_with() {
    let (_place, server) = served(Options::default(), vec![]);
    let form = fetch("4000", SCHOOL).replace("Hunt-Destination-Number=4000", "Hunt-Destination-Number=%2B14155550199");
    assert!(post(server.lookup_http(), "/xml", &form).body.contains("user/101,user/102"));
}

#[test]
fn names_of_strangers_stay_text_in_a_document_and_in_a_name() {
    let evil = r#"<x y="${system(reboot)}">O'Brien & $${domain}%0A]]></x>"#;
    let route = Request::RouteSet { tenant: "default".into(), which: RouteWhich::Default, steps: vec!["busy".into()], fallback: None };
    let (place, server) = served(Options::default(), vec![contact("default", "evil", evil, "+12025550166"), route]);
    let shown = evil.replace("$${", "{").replace("${", "{");
    // a percent sign would be a command to whoever prints it
    assert_eq!(get(server.lookup_http(), "/name?number=%2B12025550166").body, shown.replace('%', ""));
    let steps = actions(&post(server.lookup_http(), "/xml", &fetch("+12025550100", "+12025550166")).body);
    assert!(steps.contains(&("set".into(), format!("strowger_name={shown}"))), "{steps:?}");
    assert!(!format!("{steps:?}").contains("${s") && !format!("{steps:?}").contains("${d"), "{steps:?}");
    drop(server);
    assert_eq!(place.done(&["contact", "show", "evil", "--json"]).json()["name"], evil);
}

#[test]
fn a_number_with_a_nul_or_a_line_end_is_nobody_s() {
    let (_place, server) = served(Options::default(), vec![]);
    for number in ["%2B1415555%000101", "%2B14155550101%0A", "%0D%0A", "%00", "%FF%FE", "%2B1415%0A555"] {
        let reply = get(server.lookup_http(), &format!("/name?number={number}"));
        assert!(matches!(reply.status, 200 | 404), "{number}: {reply:?}");
        assert!(reply.body.is_empty() || reply.body == "Lincoln School", "{number}: {reply:?}");
        let form = fetch("+14155550199", "x").replace("=x", &format!("={number}"));
        assert_eq!(post(server.lookup_http(), "/xml", &form).status, 200, "{number}");
    }
}

#[test]
fn a_form_of_ten_megabytes_is_refused_and_costs_no_memory() {
    let place = Place::with_sample(TENANTS);
    let server = place.serve(&[]);
    let before = memory_kb(server.pid(), "VmHWM");
    let piece = vec![b'x'; 64 * 1024];
    for head in ["Content-Length: 10485760\r\n", "Transfer-Encoding: chunked\r\n"] {
        let mut stream = connect(server.lookup_http);
        stream.write_all(format!("POST /xml HTTP/1.1\r\nHost: localhost\r\n{head}\r\n").as_bytes()).unwrap();
        for _ in 0..160 {
            let chunk = if head.starts_with("T") { [b"10000\r\n", &piece[..], b"\r\n"].concat() } else { piece.clone() };
            // the server may have closed already
            if stream.write_all(&chunk).is_err() {
                break;
            }
        }
        // closing with something unread may take the reply away from us; what counts is that it isn't taken in
        if let Ok(reply) = try_hear_reply(&mut stream) {
            assert_eq!(reply.status, 413);
        }
    }
    let grown = memory_kb(server.pid(), "VmHWM") - before;
    assert!(grown < 8192, "grew by {grown} kB");
    assert_eq!(get(server.lookup_http, "/name?number=%2B14155550101").body, "Lincoln School");
}

#[test]
fn the_socket_protocol_and_noise_on_this_port_end_the_connection_only() {
    let (_place, server) = served(Options::default(), vec![]);
    let door = server.lookup_http();
    let noise: Vec<u8> = (0..4096u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    let endless = [b"GET /name HTTP/1.1\r\n".as_slice(), &b"X: y\r\n".repeat(10_000)].concat();
    for bytes in [b"connect\n\n".as_slice(), b"Event-Name: CHANNEL_DATA\nSocket-Mode: async\n\n", b"agi_network: yes\n\n", &noise, &endless]
    {
        let mut stream = connect(door);
        let _ = stream.write_all(bytes);
        assert!(is_closed(&mut stream), "{:?}", String::from_utf8_lossy(&bytes[..20]));
    }
    assert_eq!(get(door, "/name?number=%2B14155550101").body, "Lincoln School");
}

#[test]
fn whoever_says_nothing_or_drips_is_closed_before_long() {
    let (_place, server) = served(Options::default(), vec![]);
    let mut silent = connect(server.lookup_http());
    let mut broken_off = connect(server.lookup_http());
    broken_off.write_all(b"POST /xml HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\nsection=").unwrap();
    let mut kept = connect(server.lookup_http());
    ask_on(&mut kept, "GET /name?number=1 HTTP/1.1\r\nHost: localhost\r\n\r\n");
    let mut dripping = connect(server.lookup_http());
    dripping.write_all(b"GET /na").unwrap();
    for stream in [&mut silent, &mut broken_off, &mut kept, &mut dripping] {
        assert!(is_closed(stream));
    }
}

#[test]
fn a_late_answer_is_the_fallback_in_a_document_and_no_name() {
    let delay = Delay::Wait(Duration::from_secs(5));
    let (_place, server) = served(Options { delay, ..Options::default() }, vec![]);
    let reply = get(server.lookup_http(), "/name?number=%2B14155550101");
    assert_eq!((reply.status, reply.header("strowger-status"), reply.body.as_str()), (503, "late", ""));
    let steps = actions(&post(server.lookup_http(), "/xml", &fetch(DID, SCHOOL)).body);
    assert!(steps.contains(&("bridge".into(), "user/101".into())), "{steps:?}");
    assert!(steps[0].1.contains("|strowger_reason=late|strowger_status=late"), "{steps:?}");
}

#[test]
fn above_the_cap_a_fetch_gets_the_fallback_and_its_connection_is_closed() {
    let place = Place::with_sample(TENANTS);
    let server = place.in_process(Options::default(), |config| config.sessions_max = 8);
    let door = server.lookup_http();
    // a quarter of the sessions
    let _taken: Vec<_> = (0..2)
        .map(|_| {
            let mut stream = connect(door);
            ask_on(&mut stream, "GET /name?number=1 HTTP/1.1\r\nHost: localhost\r\n\r\n");
            stream
        })
        .collect();
    let form = fetch(DID, SCHOOL);
    let mut stream = connect(door);
    let reply = ask_on(&mut stream, &format!("POST /xml HTTP/1.1\r\nHost: localhost\r\nContent-Length: {}\r\n\r\n{form}", form.len()));
    assert!(reply.body.contains("strowger_reason=capacity") && reply.body.contains("user/101"), "{reply:?}");
    assert!(is_closed(&mut stream));
    let reply = get(door, "/name?number=%2B14155550101");
    assert_eq!((reply.status, reply.header("strowger-reason"), reply.body.as_str()), (503, "capacity", ""));
}

#[test]
fn kept_connections_don_t_hold_up_a_stop() {
    let (_place, server) = served(Options::default(), vec![]);
    let mut kept = connect(server.lookup_http());
    ask_on(&mut kept, "GET /name?number=1 HTTP/1.1\r\nHost: localhost\r\n\r\n");
    let began = Instant::now();
    server.server().stop(ShutdownLevel::Drain);
    assert!(is_closed(&mut kept));
    drop(server);
    assert!(began.elapsed() < Duration::from_secs(4), "{:?}", began.elapsed());
}
