//! Connections to switches, as dialogues with fake ones: what is said, what is read, and what becomes of trouble.

use std::time::Duration;
use strowger::event::SwitchKind::{Asterisk, FreeSwitch};
use strowger::event::source::{Pace, SourceSecret};
use strowger::event::{Item, source::ring::RingLimits};
use support::event_source::{Source, config, quick, word};
use support::event_switch::{CHANNEL, CORE_UUID, FakeSwitch, Speaks, contact_event, json_event, newchannel};
use support::within;

mod support {
    pub mod event_source;
    pub mod event_switch;
    pub mod transcripts;

    pub use self::waiting::within;

    mod waiting {
        use std::time::{Duration, Instant};

        pub fn within(time: Duration, mut is_so: impl FnMut() -> bool) -> bool {
            let began = Instant::now();
            while !is_so() {
                if began.elapsed() > time {
                    return false;
                }
                std::thread::sleep(Duration::from_millis(5));
            }
            true
        }
    }
}

const MS: fn(u64) -> Duration = Duration::from_millis;
const SECONDS: fn(u64) -> Duration = Duration::from_secs;

/// What the state consists of on either fake.
const AMI_STATE: [&str; 4] = ["up asterisk/lab/2026-11-21/16:24:22", "begin", "CoreShowChannel", "end true"];

fn esl_state() -> [String; 5] {
    [format!("up freeswitch/{CORE_UUID}"), "begin".into(), "channels".into(), "registrations".into(), "end true".into()]
}

#[test]
fn asterisk_is_logged_in_to_by_challenge_and_asked_for_its_state() {
    let switch = FakeSwitch::start(Speaks::Ami);
    let mut source = Source::start(config(Asterisk, switch.address));
    assert_eq!(source.until("end"), AMI_STATE);
    assert_eq!(
        switch.asked(),
        [
            "Challenge",
            "Login",
            "Filter",
            "CoreSettings",
            "CoreStatus",
            "Events",
            "CoreShowChannels",
            "DeviceStateList",
            "PJSIPShowContacts",
            "PJSIPShowRegistrationsOutbound"
        ]
    );
    let said = switch.commands().join("\n");
    assert!(!said.contains("s3cret") && said.contains("Events: off") && said.contains("EventMask: system,call"), "{said}");
    let filter = said.lines().find(|line| line.starts_with("Filter: ")).unwrap();
    assert!(filter.starts_with("Filter: ^Event: (Newchannel|") && !filter.contains("UserEvent"), "{filter}");
    switch.send(newchannel("1.1") + "Event: VarSet\r\nPrivilege: dialplan,all\r\nVariable: x\r\nValue: 1\r\n\r\n" + &newchannel("1.2"));
    assert_eq!(source.until("Newchannel").len() + source.until("Newchannel").len(), 2);
    // the end of the list, and the variable
    assert_eq!((source.stats.events_in.get(), source.stats.events_ignored.get()), (5, 2));
}

#[test]
fn freeswitch_is_logged_in_to_and_asked_for_its_state_with_custom_events_last() {
    let switch = FakeSwitch::start(Speaks::Esl);
    let mut config = config(FreeSwitch, switch.address);
    config.events = vec!["DTMF".into(), "CUSTOM a::b".into(), "CUSTOM sofia::register".into()];
    let mut source = Source::start(config);
    assert_eq!(source.until("end"), esl_state());
    let commands = switch.commands();
    assert_eq!(commands[..2], ["auth s3cret", "api global_getvar core_uuid"]);
    assert!(commands[2].starts_with("event json CHANNEL_CREATE "), "{commands:?}");
    assert!(
        commands[2].ends_with(" HEARTBEAT DTMF CUSTOM conference::maintenance sofia::register sofia::unregister sofia::expire a::b"),
        "{commands:?}"
    );
    let other = json_event("DTMF", "1");
    switch.send(json_event("CHANNEL_ANSWER", "1") + &json_event("HEARTBEAT", "") + &other + &json_event("CHANNEL_BRIDGE", "1"));
    assert_eq!(source.until("CHANNEL_BRIDGE"), ["CHANNEL_ANSWER", "CHANNEL_BRIDGE"]);
    source.raw.set(1);
    switch.send_in_pieces(other + &json_event("CHANNEL_BRIDGE", "1"), 7);
    assert_eq!(source.until("CHANNEL_BRIDGE"), ["DTMF", "CHANNEL_BRIDGE"]);
    assert_eq!((source.stats.events_in.get(), source.stats.events_ignored.get()), (6, 2));
}

#[test]
fn registrations_of_freeswitch_are_listed_some_time_after_contacts_are_gone_and_once_for_all_of_them() {
    let switch = FakeSwitch::start(Speaks::Esl);
    let mut config = config(FreeSwitch, switch.address);
    config.pace = Pace { registrations_after: MS(300), ..quick() };
    let mut source = Source::start(config);
    assert_eq!(source.until("end"), esl_state());
    switch.forget_commands();
    switch.send(contact_event("sofia::register"));
    std::thread::sleep(MS(500));
    assert_eq!(switch.commands().len(), 0, "nobody is gone");
    for round in 0..2 {
        switch.send((contact_event("sofia::expire") + &contact_event("sofia::unregister")).repeat(25));
        let words = source.until("registrations");
        let events = words.iter().filter(|word| *word == "CUSTOM").count();
        assert_eq!(events, if round == 0 { 51 } else { 50 }, "some time after: {words:?}");
        assert_eq!(words.len(), events + 1, "and no more than that: {words:?}");
    }
    std::thread::sleep(MS(500));
    assert_eq!(switch.commands(), ["api show registrations as json"; 2]);
}

#[test]
fn a_contact_that_goes_just_before_registrations_are_listed_has_them_listed_once_more() {
    let switch = FakeSwitch::start(Speaks::Esl);
    let mut config = config(FreeSwitch, switch.address);
    config.pace = Pace { registrations_after: MS(6_000), ..quick() };
    let mut source = Source::start(config);
    assert_eq!(source.until("end"), esl_state());
    switch.forget_commands();
    switch.send(contact_event("sofia::expire"));
    std::thread::sleep(MS(5_500));
    switch.send(contact_event("sofia::unregister"));
    source.until("registrations");
    source.until("registrations");
    assert_eq!(switch.commands(), ["api show registrations as json"; 2]);
}

#[test]
fn a_user_of_freeswitchs_directory_logs_in_by_userauth() {
    let switch = FakeSwitch::start(Speaks::Esl);
    let mut config = config(FreeSwitch, switch.address);
    config.user = Some("esl@pbx.example".into());
    let mut source = Source::start(config);
    assert_eq!(source.until("end"), esl_state());
    assert_eq!(switch.commands()[0], "userauth esl@pbx.example:s3cret");
}

#[test]
fn extra_classes_are_asked_for_and_get_through_the_filter() {
    let switch = FakeSwitch::start(Speaks::Ami);
    let mut with_user = config(Asterisk, switch.address);
    with_user.events = vec!["user".into()];
    let mut source = Source::start(with_user);
    source.until("end");
    let said = switch.commands().join("\n");
    assert!(said.contains("EventMask: system,call,user") && said.contains("|UserEvent)"), "{said}");
    let user_event = "Event: UserEvent\r\nPrivilege: user,all\r\nUserEvent: x\r\n\r\n".to_owned();
    switch.send(user_event.clone() + &newchannel("1.1"));
    assert_eq!(source.until("Newchannel"), ["Newchannel"], "nobody wants raw events");
    source.raw.set(1);
    switch.send(user_event + &newchannel("1.2"));
    assert_eq!(source.until("Newchannel"), ["UserEvent", "Newchannel"]);
    drop(source);
    // of other classes we have no names: nothing is held back
    let switch = FakeSwitch::start(Speaks::Ami);
    let mut with_agent = config(Asterisk, switch.address);
    with_agent.events = vec!["agent".into(), "user".into()];
    Source::start(with_agent).until("end");
    assert!(!switch.asked().contains(&"Filter".to_owned()));
}

#[test]
fn a_refused_login_says_what_to_do_and_is_tried_again_slowly() {
    for (kind, speaks, words) in
        [(Asterisk, Speaks::Ami, ["\"strowger\"", "manager.conf"]), (FreeSwitch, Speaks::Esl, ["password", "event_socket.conf.xml"])]
    {
        let switch = FakeSwitch::start(speaks);
        let mut config = config(kind, switch.address);
        config.secret = SourceSecret::Text("wrong-one".into());
        config.pace = Pace { refused: MS(700), ..quick() };
        let mut source = Source::start(config);
        assert_eq!(source.until("down"), ["down refused"]);
        let why = source.down();
        assert!(words.iter().all(|word| why.contains(word)) && !why.contains("wrong-one"), "{why}");
        std::thread::sleep(MS(400));
        assert_eq!(switch.connections(), 1, "it came back at once");
        assert!(within(SECONDS(5), || switch.connections() == 2), "it never came back");
        assert_eq!((switch.logins(), source.ring.try_recv().map(|item| word(&item))), (0, None), "it is down as it was");
    }
    assert_eq!(Pace::default().refused, SECONDS(60));
}

#[test]
fn a_secret_file_is_read_again_at_each_login() {
    let switch = FakeSwitch::start(Speaks::Ami);
    let file = tempfile::NamedTempFile::new().unwrap();
    let mut config = config(Asterisk, switch.address);
    config.secret = SourceSecret::File(file.path().into());
    config.pace = Pace { refused: MS(30), ..quick() };
    let mut source = Source::start(config);
    assert_eq!(source.until("down"), ["down no-secret"]);
    assert!(source.down().contains("is empty"), "{}", source.down());
    std::fs::write(file.path(), "s3cret\n").unwrap();
    assert_eq!(source.until("end"), AMI_STATE);
}

#[test]
fn an_access_list_that_refuses_is_named() {
    let switch = FakeSwitch::start(Speaks::Esl).rude();
    let mut source = Source::start(config(FreeSwitch, switch.address));
    assert_eq!(source.until("down"), ["down refused"]);
    assert!(source.down().contains("apply-inbound-acl"), "{}", source.down());
}

#[test]
fn a_switch_that_is_lost_is_said_once_and_everything_is_repeated_when_it_is_back() {
    for (kind, speaks) in [(Asterisk, Speaks::Ami), (FreeSwitch, Speaks::Esl)] {
        let switch = FakeSwitch::start(speaks);
        let mut source = Source::start(config(kind, switch.address));
        let first = source.until("end");
        let asked = switch.asked();
        switch.forget_commands();
        switch.hang_up();
        let mut again = source.until("end");
        assert!(again[0].starts_with("down "), "{again:?}");
        assert_eq!(again.split_off(1), first);
        assert_eq!(switch.asked(), asked);
        assert_eq!(source.stats.reconnects.get(), 1);
    }
}

#[test]
fn nobody_there_is_said_once_and_tried_until_somebody_is() {
    let gone = FakeSwitch::start(Speaks::Ami).address;
    // a port that was just left
    std::thread::sleep(MS(20));
    let mut source = Source::start(config(Asterisk, gone));
    let first = word(&source.next());
    assert!(first.starts_with("down ") || first.starts_with("up "), "{first}");
    std::thread::sleep(MS(200));
    assert!(source.ring.try_recv().is_none(), "it is said again and again");
}

#[test]
fn who_says_nothing_is_given_up() {
    for (kind, speaks) in [(Asterisk, Speaks::Ami), (FreeSwitch, Speaks::Esl)] {
        // not even a banner
        let switch = FakeSwitch::start(speaks).silent();
        let mut silent = config(kind, switch.address);
        silent.pace = Pace { answer_max: MS(200), ..quick() };
        let mut source = Source::start(silent);
        assert_eq!(source.until("down"), ["down silent"]);
        assert!(within(SECONDS(5), || switch.connections() > 1));
        drop(source);
        // a banner, and no answer to the login
        let switch = FakeSwitch::start(speaks);
        switch.mute(true);
        let mut mute = config(kind, switch.address);
        mute.pace = Pace { answer_max: MS(200), ..quick() };
        let mut source = Source::start(mute);
        assert_eq!(source.until("down"), ["down silent"]);
        assert!(source.down().contains("didn't answer the login"), "{}", source.down());
        drop(source);
        // a login, and silence
        let switch = FakeSwitch::start(speaks);
        let mut stuck = config(kind, switch.address);
        stuck.pace = Pace { ping_after: MS(100), ami_silence_max: MS(400), esl_silence_max: MS(400), ..quick() };
        let mut source = Source::start(stuck);
        source.until("end");
        if kind == Asterisk {
            assert!(within(SECONDS(5), || switch.asked().contains(&"Ping".to_owned())), "no sign of life was asked for");
            std::thread::sleep(MS(500));
            assert!(source.ring.try_recv().is_none(), "who answers pings is alive");
        }
        switch.mute(true);
        assert_eq!(source.until("down"), ["down silent"]);
    }
}

#[test]
fn a_connection_that_is_cut_after_any_byte_is_made_again() {
    for (kind, speaks, bytes) in [(Asterisk, Speaks::Ami, 1_900), (FreeSwitch, Speaks::Esl, 450)] {
        let switch = FakeSwitch::start(speaks).cut_everywhere();
        let mut config = config(kind, switch.address);
        let none = Duration::ZERO;
        config.pace = Pace { retry_min: none, retry_max: none, refused: none, ..quick() };
        let mut source = Source::start(config);
        let mut words = Vec::new();
        let whole = within(SECONDS(120), || {
            words.extend(std::iter::from_fn(|| source.ring.try_recv()).map(|item| word(&item)));
            words.iter().any(|word| word == "end true")
        });
        assert!(whole, "after {} connections it was never whole: {:?}", switch.connections(), source.stats.phase.load());
        assert!(switch.connections() > bytes, "{} connections", switch.connections());
        // each time that it came up it had gone down before
        let ups = words.iter().filter(|word| word.starts_with("up ")).count();
        let downs = words.iter().filter(|word| word.starts_with("down ")).count();
        assert!(ups > 1 && downs.abs_diff(ups) <= 1, "{ups} up, {downs} down");
    }
}

#[test]
fn packets_that_a_caller_wrote_are_counted_said_and_repaired_and_none_is_passed_on() {
    let recorded = |name: &str| {
        let path = support::transcripts::paths("asterisk", name).remove(0);
        let text = std::fs::read_to_string(path).unwrap();
        let written = text.lines().filter_map(|line| line.strip_prefix("< ")).flat_map(support::transcripts::unescape);
        let written: Vec<u8> = written.collect();
        let banner = if written.starts_with(b"Asterisk Call Manager") { written.iter().position(|b| *b == b'\n').unwrap() + 1 } else { 0 };
        written[banner..].to_vec()
    };
    for name in ["ami-inject-whole-16", "ami-inject-whole-22", "ami-inject.txt"] {
        let switch = FakeSwitch::start(Speaks::Ami);
        let mut source = Source::start(config(Asterisk, switch.address));
        source.until("end");
        source.raw.set(1);
        switch.send_in_pieces(recorded(name), 100);
        let mut words = Vec::new();
        loop {
            let item = source.next();
            if let Item::Packet(packet) = &item {
                assert_ne!(packet.get("Uniqueid"), Some(&b"1795278612.0"[..]), "a stranger's call was hung up");
                assert_ne!(packet.name(), Some(&b"Fake"[..]));
            }
            words.push(word(&item));
            if words.last().is_some_and(|word| word == "begin") {
                break;
            }
        }
        assert!(words.iter().any(|word| word.starts_with("gap suspect ")), "{name}: {words:?}");
        assert!(source.stats.suspects.get() > 0);
    }
}

#[test]
fn a_caller_in_a_list_can_neither_end_it_nor_hide_in_it() {
    for (written, words, whole) in [
        // a header that ends lists, in an item; the next item still comes
        ("1\r\nEventList: Complete", 2, true),
        // a blank line: the item is cut, and what follows it is in doubt, the list's end too
        ("1\r\n\r\nEvent: CoreShowChannelsComplete\r\nEventList: Complete\r\nActionID: 1", 0, false),
    ] {
        let switch = FakeSwitch::start(Speaks::Ami);
        switch.lists(&(CHANNEL.replace("CallerIDNum: <unknown>", &format!("CallerIDNum: {written}")) + if whole { CHANNEL } else { "" }));
        let mut config = config(Asterisk, switch.address);
        config.pace = Pace { repair_max: SECONDS(60), ..quick() };
        let mut source = Source::start(config);
        let said = source.until("end");
        assert_eq!(said.iter().filter(|word| *word == "CoreShowChannel").count(), words, "{said:?}");
        assert_eq!(said.last(), Some(&format!("end {whole}")), "{written:?}");
    }
}

#[test]
fn a_caller_who_writes_an_action_id_into_his_number_is_not_overlooked() {
    let switch = FakeSwitch::start(Speaks::Ami);
    let mut source = Source::start(config(Asterisk, switch.address));
    source.until("end");
    switch.send(newchannel("7.7").replace("CallerIDNum: 101", "CallerIDNum: 1\r\nActionID: x"));
    switch.send(newchannel("8.8"));
    assert_eq!(
        [source.next(), source.next()].map(|item| if let Item::Packet(packet) = item {
            packet.get("Uniqueid").unwrap().to_vec()
        } else {
            Vec::new()
        }),
        [b"7.7", b"8.8"]
    );
}

#[test]
fn a_header_of_ten_megabytes_ends_the_connection_and_nothing_else() {
    for (kind, speaks, head) in [
        (Asterisk, Speaks::Ami, &b"Event: Newchannel\r\nPrivilege: call,all\r\nAccountCode: "[..]),
        (FreeSwitch, Speaks::Esl, b"Content-Type: text/event-json\nX: "),
    ] {
        let switch = FakeSwitch::start(speaks);
        let mut source = Source::start(config(kind, switch.address));
        source.until("end");
        switch.send([head, &vec![b'a'; 10_000_000]].concat());
        let words = source.until("end");
        assert_eq!(words[0], "down malformed");
        assert!(source.stats.bytes_in.get() < 2_000_000, "{} bytes were read of it", source.stats.bytes_in.get());
    }
}

#[test]
fn a_notice_in_the_middle_of_a_frame_says_why_freeswitch_gave_up() {
    let switch = FakeSwitch::start(Speaks::Esl);
    let mut source = Source::start(config(FreeSwitch, switch.address));
    source.until("end");
    let notice = "Content-Type: text/disconnect-notice\nContent-Length: 39\n\nkilled listener because of lost events\n";
    let event = json_event("CHANNEL_ANSWER", &"1".repeat(300));
    // so much of it is missing that the notice doesn't fill it up; so little that it does; and its headers' half
    for written in [event.len() / 2, event.len() - 50, 10] {
        switch.send(event.clone() + &event[..written] + notice);
        switch.hang_up();
        assert_eq!(source.until("down"), ["CHANNEL_ANSWER", "down overrun"], "{written} bytes");
        assert_eq!(source.until("end"), esl_state());
    }
}

#[test]
fn a_flood_with_a_consumer_that_has_stopped_never_holds_the_switch_up_and_every_event_is_accounted_for() {
    const EVENTS: usize = 200_000;
    for (kind, speaks, event) in
        [(Asterisk, Speaks::Ami, newchannel("1795278612.100")), (FreeSwitch, Speaks::Esl, json_event("CHANNEL_ANSWER", "1"))]
    {
        let switch = FakeSwitch::start(speaks);
        let limits = RingLimits { events_max: 10_000, bytes_max: 64 << 20 };
        let mut source = Source::with(config(kind, switch.address), limits);
        source.until("end");
        let before = source.stats.events_in.get();
        let longest = switch.send(event.repeat(EVENTS));
        let stats = source.stats.clone();
        assert!(within(SECONDS(60), || stats.events_in.get() - before == EVENTS as u64), "{} came", stats.events_in.get());
        // Asterisk's own limit is 100 ms, and 22 ms were measured on a busy machine; one that runs all tests at once, and
        // builds beside them, keeps the generator itself waiting. Who doesn't read stands still for ever
        assert!(longest < SECONDS(5), "a write stood still for {longest:?}");
        assert_eq!(stats.queued.get(), 10_000, "the ring isn't bounded");
        assert_eq!(stats.events_lost.get(), (EVENTS - 10_000) as u64);
        switch.forget_commands();
        // the consumer goes on: what was kept, what is missing, and the state
        let words = source.until("end");
        assert_eq!(words.iter().filter(|word| *word == "Newchannel" || *word == "CHANNEL_ANSWER").count(), 10_000);
        assert!(words.contains(&format!("gap overrun {}", EVENTS - 10_000)), "{:?}", &words[9_999..]);
        assert_eq!(words.last().map(String::as_str), Some("end true"));
        assert!(switch.asked().iter().any(|asked| asked.contains("CoreShowChannels") || asked.contains("show channels")));
        assert_eq!(stats.reconnects.get(), 0, "the switch was lost");
        assert_eq!((stats.queued.get(), stats.queued_bytes.get()), (0, 0));
    }
}

#[test]
fn freeswitch_is_sent_empty_lines_while_a_call_is_set_up_and_none_later() {
    let switch = FakeSwitch::start(Speaks::Esl);
    let mut config = config(FreeSwitch, switch.address);
    config.pace = Pace { keep_alive_for: MS(500), ..quick() };
    let mut source = Source::start(config);
    source.until("end");
    std::thread::sleep(MS(100));
    assert_eq!(switch.empty_lines(), 0, "nothing happens");
    switch.send(json_event("CHANNEL_CREATE", "1"));
    assert!(within(SECONDS(10), || switch.empty_lines() >= 5), "{} empty lines", switch.empty_lines());
    std::thread::sleep(MS(800));
    let lines = switch.empty_lines();
    std::thread::sleep(MS(300));
    assert_eq!(switch.empty_lines(), lines, "it goes on");
}
