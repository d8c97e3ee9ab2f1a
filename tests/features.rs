//! Star codes: what an extension's user dials is switched, on the disk, for the next call, and in the history with his name.

mod support;

use std::time::Duration;
use strowger::cti::{CallState, CallView, Disposition, LegState, LegView, Party};
use strowger::daemon::Options;
use strowger::journal::{Journal, JournalLimits};
use strowger::number::NumberPlan;
use strowger::play::{CallFields, SocketMode, Way, call_by};
use strowger::routing::{Extension, List, PlanItem, PlanKey, Prefix, Screen, ScreenKey};
use strowger::store::Edit;
use support::*;

fn dialled(code: &str, from: &str) -> CallFields {
    CallFields { request: "feature".into(), ..fields(code, from) }
}

fn number(text: &str) -> strowger::number::Number {
    NumberPlan::new("US".parse().ok()).parse(text).unwrap()
}

fn extension(server: &InProcess, tenant: &str, digits: &str) -> Extension {
    match server.server().store().item(tenant, &PlanKey::Extension(number(digits))).unwrap() {
        Some(PlanItem::Extension(extension)) => extension,
        _ => Extension::of(number(digits)),
    }
}

/// Dials a code; reason and sound.
fn dial(server: &InProcess, code: &str, from: &str) -> (String, String) {
    let answer = play(server.agi(), &dialled(code, from));
    assert_eq!((answer.get("STATUS"), answer.get("ACTION"), answer.get("STEP")), ("found", "playback", ""), "{code}: {answer:?}");
    (answer.get("REASON").to_owned(), answer.get("TARGET").to_owned())
}

fn on() -> (String, String) {
    ("feature-on".into(), "activated".into())
}

fn off() -> (String, String) {
    ("feature-off".into(), "de-activated".into())
}

fn refused() -> (String, String) {
    ("feature-refused".into(), "beeperr".into())
}

#[test]
fn do_not_disturb_is_switched_on_the_disk_before_the_sound_is_heard_and_the_history_says_by_whom() {
    let (_place, server) = served(Options::default(), vec![]);
    for (code, heard, dnd) in [("*78", on(), true), ("*79", off(), false), ("*76", on(), true), ("*76", off(), false)] {
        assert_eq!(dial(&server, code, "101"), heard, "{code}");
        assert_eq!(extension(&server, "default", "101").dnd, dnd, "{code}");
    }
    let who: Vec<String> =
        server.server().store().changes(0).map(|change| change.unwrap().who).filter(|who| who.contains("by *")).collect();
    assert_eq!(who, ["extension 101 by *78", "extension 101 by *79", "extension 101 by *76", "extension 101 by *76"]);
    assert!(!extension(&server, "acme", "101").dnd, "another tenant's has its own");
}

#[test]
fn forwards_go_where_the_extension_may_call_and_nowhere_else() {
    let (_place, server) = served(Options::default(), vec![]);
    let forwards = |server: &InProcess| {
        let extension = extension(server, "default", "101");
        extension.forwards().map(|(_, to)| to.map(ToString::to_string).unwrap_or_default())
    };
    assert_eq!(dial(&server, "*724155550111", "101"), on());
    assert_eq!(dial(&server, "*90102", "101"), on());
    assert_eq!(dial(&server, "*52+14155550112", "101"), on());
    assert_eq!(dial(&server, "*94103", "101"), on());
    assert_eq!(forwards(&server), ["+14155550111", "102", "+14155550112", "103"]);
    for (code, why) in [
        ("*7219005550100", "premium"),
        ("*720114930123456", "abroad"),
        ("*72911", "an emergency number"),
        ("*72101", "itself"),
        ("*72", "nowhere"),
        ("*724155550111#", "junk behind it"),
        ("*73102", "junk behind it"),
    ] {
        assert_eq!(dial(&server, code, "101"), refused(), "{code}: {why}");
    }
    assert_eq!(forwards(&server), ["+14155550111", "102", "+14155550112", "103"], "what is refused changes nothing");
    for code in ["*73", "*91", "*53", "*95"] {
        assert_eq!(dial(&server, code, "101"), off());
    }
    assert_eq!(forwards(&server), ["", "", "", ""]);
}

#[test]
fn only_an_extension_of_the_tenant_switches_anything() {
    let (_place, server) = served(Options::default(), vec![]);
    let before = server.server().store().revision();
    for from in ["+14155550101", "", "anonymous", "911", "*78", "0123456789012"] {
        assert_eq!(dial(&server, "*78", from), refused(), "{from:?}");
    }
    for code in ["*99", "#78", "78*", "*", "**"] {
        assert_eq!(dial(&server, code, "101"), refused(), "{code:?}");
    }
    assert_eq!(server.server().store().revision(), before);
    // a SIP user name is one, and so is an extension that hides its number from those it calls
    assert_eq!(dial(&server, "*78", "alice"), on());
    let hidden = CallFields { presentation: Some(32), ..dialled("*78", "102") };
    assert_eq!(play(server.agi(), &hidden).get("REASON"), "feature-on");
    let handed_over = CallFields { arguments: vec!["from=103".into()], ..dialled("*78", "+14155550101") };
    assert_eq!(play(server.agi(), &handed_over).get("REASON"), "feature-on");
    // a tenant that isn't there has no extensions
    let nobodys = CallFields { arguments: vec!["tenant=nobody".into()], ..dialled("*78", "101") };
    assert_eq!(play(server.agi(), &nobodys).short(), ("error", "continue", "bad-request"));
}

#[test]
fn codes_and_sounds_are_the_tenants_and_each_switch_has_its_own() {
    let configuration =
        format!("{TENANTS}\n[tenant.features]\ndnd_on = \"*21\"\nblock_last = \"\"\n[tenant.features.asterisk]\non = \"custom/on\"\n");
    let place = Place::new(&configuration);
    let server = place.in_process(Options::default(), |_| {});
    let at_acme = |code: &str| play(server.agi(), &CallFields { arguments: vec!["tenant=acme".into()], ..dialled(code, "201") });
    let answer = at_acme("*21");
    assert_eq!((answer.get("REASON"), answer.get("TARGET")), ("feature-on", "custom/on"));
    assert_eq!(at_acme("*78").get("REASON"), "feature-refused");
    assert_eq!(at_acme("*32").get("REASON"), "feature-refused");
    assert_eq!(dial(&server, "*78", "101"), on(), "the other's are the usual ones");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let way = Way::Socket(SocketMode::Static);
    let heard = runtime.block_on(call_by(way, server.esl(), &dialled("*79", "101"), PLENTY)).unwrap();
    let value = |name: &str| heard.variables.iter().find(|(n, _)| n == name).map(|(_, v)| String::from_utf8(v.clone()).unwrap());
    assert_eq!(value("strowger_reason").as_deref(), Some("feature-off"));
    assert_eq!(
        value("strowger_target").as_deref(),
        Some("tone_stream://%(150,50,660);%(300,0,440)"),
        "it has no sound that must be installed"
    );
}

fn finished(id: u32, from: Party, to: &str, member: Option<&str>) -> CallView {
    let began = 1_795_000_000_000_000 + u64::from(id) * 60_000_000;
    let leg = |member: &str| LegView {
        id: format!("leg{id}"),
        channel: "PJSIP/x".into(),
        member: Some(member.into()),
        number: member.into(),
        state: LegState::Ended,
        started_us: began,
        answered_us: None,
        ended_us: Some(began + 1),
        cause: None,
    };
    CallView {
        id: format!("pbx/{id}"),
        switch: "pbx".into(),
        tenant: "default".into(),
        state: CallState::Ended,
        from,
        to: to.into(),
        route: None,
        legs: member.map(leg).into_iter().collect(),
        answered_by: None,
        transferred_to: None,
        started_us: began,
        answered_us: None,
        ended_us: Some(began + 2),
        duration_ms: Some(1),
        talk_ms: Some(0),
        disposition: Some(Disposition::NoAnswer),
        cause: None,
        decided: Vec::new(),
        incomplete: false,
    }
}

fn who(number: &str) -> Party {
    Party { number: number.into(), ..Party::default() }
}

#[test]
fn the_last_caller_is_blocked_unless_he_is_allowed_or_nobody_to_block() {
    let place = Place::new(TENANTS);
    let journal = Journal::open(&place.data().join("journal"), JournalLimits::default()).unwrap();
    for call in [
        finished(1, who("+12025550101"), "101", None),
        finished(2, who("+12025550102"), "+14155550199", Some("102")),
        finished(3, who("+12025550103"), "103", None),
        finished(4, who("104"), "105", None),
        finished(5, Party { withheld: true, ..Party::default() }, "101", None),
        // its own call out is no call to it
        finished(6, who("101"), "+12025550109", None),
    ] {
        assert!(journal.put(&call).unwrap());
    }
    journal.sync().unwrap();
    drop(journal);
    let server = place.in_process(Options::default(), |_| {});
    let store = server.server().store();
    let allow = Screen {
        list: List::Allow,
        key: ScreenKey::Prefix(Prefix::parse("+120255501", &NumberPlan::new(None)).unwrap()),
        action: None,
        rate: None,
    };
    let blocked = |digits: &str| store.screen("default", List::Block, &ScreenKey::Number(number(digits))).unwrap().is_some();
    assert_eq!(dial(&server, "*32", "101"), on());
    assert!(blocked("+12025550101") && !blocked("+12025550109"));
    assert_eq!(dial(&server, "*32", "102"), on(), "as a member of a group");
    assert!(blocked("+12025550102"));
    assert_eq!(dial(&server, "*32", "105"), refused(), "one of the house's own");
    assert_eq!(dial(&server, "*32", "999999"), refused(), "nobody has called");
    store.edit("default", "test", Edit::PutScreen(allow)).unwrap();
    assert_eq!(dial(&server, "*32", "103"), refused(), "the allow list wins");
    assert!(!blocked("+12025550103"));
}

#[test]
fn without_a_journal_nobody_knows_who_called_last() {
    let (_place, server) = served(Options::default(), vec![]);
    assert_eq!(dial(&server, "*32", "101"), refused());
}

#[test]
fn a_flood_of_star_codes_is_answered_or_refused_in_time_and_holds_up_no_call() {
    let (_place, server) = served(Options::default(), vec![]);
    let neighbour = Neighbour::of(server.agi());
    let agi = server.agi();
    let words = ["feature-on", "feature-off", "late", "capacity"];
    std::thread::scope(|scope| {
        for n in 0..100 {
            scope.spawn(move || {
                for _ in 0..3 {
                    let answer = play(agi, &dialled("*76", &format!("{}", 200 + n)));
                    assert!(words.contains(&answer.get("REASON")), "{answer:?}");
                    assert_eq!(answer.get("ACTION"), if answer.get("STATUS") == "found" { "playback" } else { "continue" });
                }
            });
        }
    });
    neighbour.was_served();
    // and the next one is granted as the first was
    assert!(within(Duration::from_secs(5), || dial(&server, "*78", "101") == on()));
}

#[test]
fn a_star_code_that_can_not_be_written_down_leaves_the_call_to_the_dialplan() {
    let (_place, server) = served(Options::default(), vec![]);
    server.server().store().close();
    assert!(within(Duration::from_secs(5), || {
        let answer = play(server.agi(), &dialled("*78", "101"));
        answer.short() == ("error", "continue", "store-failed") && answer.get("TARGET").is_empty()
    }));
    // what need not be written is answered as before
    assert_eq!(ask(server.agi(), DID, SCHOOL).short(), ("found", "dial", "matched"));
    assert_eq!(dial(&server, "*78x", "+14155550101"), refused());
}
