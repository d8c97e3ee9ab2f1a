//! One decision at every door: a hundred questions, each asked over FastAGI, over FreeSWITCH's event socket (sync and
//! async), by mod_xml_curl's fetch and for the name only, and the answers held against a table that was written by hand.

#[path = "support/conformance/mod.rs"]
mod conformance;
#[path = "support/freeswitch/mod.rs"]
mod freeswitch;
mod support;

use conformance::questions::{self, Question};
use conformance::site::{self, OPTIONS};
use conformance::{CAME, Heard, Named};
use std::collections::{BTreeMap, BTreeSet};
use strowger::daemon::Options;
use support::*;

/// What every door has to say, to Asterisk or to FreeSWITCH.
fn expected(question: &Question, is_asterisk: bool) -> Heard {
    let [asterisk, freeswitch, _] = site::shown(question.contact);
    let name = if is_asterisk { asterisk } else { freeswitch };
    let does = question.does;
    let options = if does.action == "dial" { OPTIONS[usize::from(!is_asterisk)] } else { "" };
    Heard {
        status: question.status.to_owned(),
        action: does.action.to_owned(),
        target: if is_asterisk { does.asterisk } else { does.freeswitch }.to_owned(),
        timeout: does.timeout.to_owned(),
        options: options.to_owned(),
        route: question.route.to_owned(),
        name: name.to_owned(),
        contact: question.contact.to_owned(),
        reason: question.reason.to_owned(),
        next: question.next,
        shown: if name.is_empty() { CAME } else { name }.to_owned(),
    }
}

/// What is said of the caller's name at door 0 (FastAGI), 1 (the socket), 2 (HTTP).
fn expected_name(question: &Question, door: usize) -> Named {
    let found_with_plus = door == 2 && !question.found_with_plus.is_empty();
    let reason = if found_with_plus { "matched" } else { question.name_reason };
    let status = match reason {
        "matched" => "found",
        "bad-request" => "error",
        _ => "unknown",
    };
    let contact = if found_with_plus { question.found_with_plus } else { who(question) };
    Named { status: status.to_owned(), reason: reason.to_owned(), name: site::shown(contact)[door].to_owned() }
}

/// Who calls, also where the route's answer has no place for it.
fn who(question: &Question) -> &str {
    match (question.name_reason, question.contact) {
        ("matched", "") => match question.tenant {
            "acme" => "boss",
            _ => "school",
        },
        (_, contact) => contact,
    }
}

/// Notes what differs.
fn compare<T: std::fmt::Debug + PartialEq>(wrong: &mut Vec<String>, door: &str, question: &Question, heard: T, expected: T) {
    if heard != expected {
        wrong.push(format!("{door}\n  asked    {question:?}\n  heard    {heard:?}\n  expected {expected:?}"));
    }
}

#[test]
fn a_hundred_questions_get_the_same_decision_at_every_door() {
    let place = Place::new(site::CONFIGURATION);
    let server = place.in_process(Options::default(), |_| {});
    server.fill(site::requests());
    let questions = questions::all();
    let (mut wrong, mut asked) = (Vec::new(), BTreeMap::<&str, usize>::new());
    for (n, question) in questions.iter().enumerate() {
        let in_path = n % 2 == 0;
        let mut at = |door: &'static str| {
            *asked.entry(door).or_default() += 1;
            door
        };
        let by_agi = conformance::agi(&server, question, in_path);
        compare(&mut wrong, at("fastagi"), question, by_agi, expected(question, true));
        let by_socket = conformance::socket(&server, question, in_path, "");
        for (door, mode) in [("socket async", "async"), ("socket async full", "async full")] {
            let heard = conformance::socket(&server, question, !in_path, mode);
            compare(&mut wrong, at(door), question, heard, by_socket.clone());
        }
        let by_document = conformance::document(&server, question, in_path);
        // a URL that can't be read is answered for nobody: a word of it may have been meant to keep calls away
        let is_url_wrong = in_path && question.wrong.is_some();
        let as_document = if is_url_wrong || by_socket.action == "continue" { None } else { Some(by_socket.clone()) };
        compare(&mut wrong, at("xml_curl"), question, by_document, as_document);
        compare(&mut wrong, at("socket sync"), question, by_socket, expected(question, false));
        for (door, named) in conformance::names(&server, question, in_path).into_iter().enumerate() {
            let door_name = at(["name over fastagi", "name over the socket", "name over HTTP"][door]);
            compare(&mut wrong, door_name, question, named, expected_name(question, door));
        }
    }
    assert!(wrong.is_empty(), "{} answers differ\n{}", wrong.len(), wrong.join("\n"));
    let distinct: BTreeSet<String> =
        questions.iter().map(|q| format!("{:?}", (q.tenant, &q.to, &q.from, q.hidden, &q.back, q.wrong))).collect();
    assert_eq!((questions.len(), distinct.len()), (100, 100), "a hundred, each of its own");
    assert_eq!((asked.len(), asked.values().all(|count| *count == 100)), (8, true), "{asked:?}");
}

#[test]
fn the_questions_cover_every_action_and_every_reason_that_a_healthy_server_gives() {
    let questions = questions::all();
    let actions: BTreeSet<&str> = questions.iter().map(|q| q.does.action).collect();
    let kinds: BTreeSet<&str> = strowger::routing::ACTION_WORDS.iter().copied().collect();
    assert_eq!(actions, kinds);
    let reasons: BTreeSet<&str> = questions.iter().flat_map(|q| [q.reason, q.name_reason]).collect();
    let all = [
        "anonymous",
        "bad-request",
        "bad-step",
        "blocked",
        "challenge",
        "default",
        "emergency",
        "exhausted",
        "matched",
        "no-name",
        "no-route",
    ];
    assert_eq!(reasons.into_iter().collect::<Vec<_>>(), all);
    let contacts: BTreeSet<&str> = questions.iter().map(|q| q.contact).collect();
    assert!(site::NAMES.iter().all(|n| contacts.contains(n.id)));
}
