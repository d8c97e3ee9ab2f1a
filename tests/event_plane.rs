//! The event plane beside calls: what goes wrong there, no call notices; what calls decide, the journal tells.

use serde_json::Value as Json;
use std::time::Duration;
use strowger::daemon::{EventOptions, Options};
use strowger::event::Fault;
use strowger::play::CallFields;
use support::event_switch::{FakeSwitch, SECRET, Speaks, USER, newchannel};
use support::*;

mod support;

const LONG: Duration = Duration::from_secs(20);

/// A place whose server listens to this switch.
fn listening(switch: &FakeSwitch, more: &str) -> Place {
    let address = switch.address;
    let table = format!(
        "[[tenant]]\nid = \"default\"\ncountry = \"US\"\n\n[events]\n{more}\n\n[[switch]]\nname = \"lab\"\nkind = \"asterisk\"\n\
         address = \"{address}\"\nuser = \"{USER}\"\nsecret = \"{SECRET}\"\n"
    );
    Place::new(&table)
}

fn start(place: &Place, switch: &FakeSwitch, fault: Fault) -> InProcess {
    let events = EventOptions { fault, ..EventOptions::default() };
    let server = served_at(place, Options { events, ..Options::default() });
    assert!(within(LONG, || events_of(place)["sources"][0]["phase"] == "up"), "{}", events_of(place));
    assert!(switch.logins() >= 1);
    server
}

fn events_of(place: &Place) -> Json {
    place.done(&["status", "--json"]).json()["events"].clone()
}

/// A hang-up in the shape of the recorded ones.
fn hangup(uniqueid: &str) -> String {
    newchannel(uniqueid)
        .replace("Event: Newchannel", "Event: Hangup")
        .replace(&format!("Linkedid: {uniqueid}\r\n"), &format!("Linkedid: {uniqueid}\r\nCause: 16\r\nCause-txt: Normal Clearing\r\n"))
}

#[test]
fn an_event_plane_that_panics_is_started_again_and_no_call_notices() {
    let switch = FakeSwitch::start(Speaks::Ami);
    let place = listening(&switch, "");
    let server = start(&place, &switch, Fault::PanicAt(200));
    let neighbour = Neighbour::of(server.agi());
    let calls: String = (0..300).map(|n| newchannel(&format!("1795278700.{n}"))).collect();
    switch.send(calls);
    assert!(within(LONG, || events_of(&place)["restarts"].as_u64() >= Some(1)), "{}", events_of(&place));
    assert!(within(LONG, || switch.logins() >= 2), "it connects anew, and asks how things stand");
    assert!(within(LONG, || events_of(&place)["sources"][0]["phase"] == "up"), "{}", events_of(&place));
    assert!(events_of(&place)["sources"][0]["gaps"].as_u64() >= Some(1), "the gap is said");
    // and what comes now is told again
    switch.send(newchannel("1795278800.1"));
    let is_told = || place.run(&["calls", "--id", "lab/1795278800.1"]).code == Some(0);
    assert!(within(LONG, is_told), "{}", events_of(&place));
    neighbour.was_served();
}

#[test]
fn an_event_plane_that_is_far_too_slow_loses_events_by_number_and_no_switch_waits() {
    let switch = FakeSwitch::start(Speaks::Ami);
    let place = listening(&switch, "ring_events_max = 1024");
    let server = start(&place, &switch, Fault::Slow(Duration::from_millis(5)));
    let neighbour = Neighbour::of(server.agi());
    let calls: String = (0..20_000).map(|n| newchannel(&format!("1795278700.{n}"))).collect();
    let longest = switch.send(calls);
    assert!(longest < Duration::from_secs(5), "a write stood for {longest:?}");
    let counted = |what: &str| events_of(&place)["sources"][0][what].as_u64().unwrap();
    assert!(within(LONG, || counted("events_in") >= 20_000), "{}", events_of(&place));
    assert!(counted("events_lost") > 15_000, "{}", events_of(&place));
    assert!(counted("queued") <= 1_024, "{}", events_of(&place));
    assert_eq!((counted("reconnects"), switch.logins()), (0, 1));
    neighbour.was_served();
}

#[test]
fn the_journal_tells_of_a_finished_call_what_was_decided_for_it_and_why() {
    let switch = FakeSwitch::start(Speaks::Ami);
    let place = listening(&switch, "");
    let server = start(&place, &switch, Fault::None);
    let id = "1795278900.7";
    switch.send(newchannel(id));
    play(server.agi(), &CallFields { unique_id: id.into(), ..fields(DID, SCHOOL) });
    switch.send(hangup(id));
    let mut found = Json::Null;
    let is_there = || {
        let said = place.run(&["calls", "--since", "1h", "--json"]);
        found = if said.code == Some(0) { said.json()[0].clone() } else { Json::Null };
        !found.is_null()
    };
    assert!(within(LONG, is_there), "{}", events_of(&place));
    assert_eq!(
        (&found["id"], &found["route"], &found["from"]["name"]),
        (&format!("lab/{id}").into(), &DID.into(), &"Lincoln School".into())
    );
    let trace = found["decisions"][0]["trace"].to_string();
    assert!(trace.contains("route by number") && trace.contains("directory: contact school"), "{trace}");
}

#[test]
fn a_journal_that_can_not_be_opened_costs_the_records_and_no_call() {
    let switch = FakeSwitch::start(Speaks::Ami);
    let place = listening(&switch, "");
    std::fs::create_dir_all(place.data()).unwrap();
    std::fs::write(place.data().join("journal"), "no directory").unwrap();
    let server = start(&place, &switch, Fault::None);
    let neighbour = Neighbour::of(server.agi());
    switch.send(newchannel("1795278900.8"));
    switch.send(hangup("1795278900.8"));
    assert!(within(LONG, || events_of(&place)["journal_lost"] == 1), "{}", events_of(&place));
    let said = place.run(&["calls", "--since", "1h"]);
    assert!(said.code == Some(4) && said.err.contains("no journal"), "{said:?}");
    neighbour.was_served();
}
