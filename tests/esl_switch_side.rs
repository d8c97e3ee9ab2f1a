//! FreeSWITCH's half of the event socket against what a real one was recorded to say and do: `transcripts/freeswitch/`.
//!
//! `== S>F` begins what a server sent, `== F>S` (`F>H`) what FreeSWITCH did; bytes are escaped as `\n`, `\r`, `\\`, `\xNN`,
//! and the physical line break behind a `\n` is no data.

use std::{fs, path::Path};
use strowger::wire::esl::switch_side::{
    Channel, Command, CommandError, ConnectReply, Finding, NOT_FOUND, OK, OK_BYE, SocketMode, encode_disconnect_notice, encode_value,
    next_command, url_encode,
};

/// Who said what, in order.
fn transcript(name: &str) -> Vec<(String, Vec<u8>)> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/transcripts/freeswitch").join(name).with_extension("txt");
    let mut said: Vec<(String, Vec<u8>)> = Vec::new();
    for line in fs::read_to_string(path).unwrap().lines() {
        match line.strip_prefix("== ") {
            Some(head) => said.push((head[..3].to_owned(), Vec::new())),
            None if line.starts_with('#') => {}
            None => unescape(line, &mut said.last_mut().unwrap().1),
        }
    }
    said
}

fn unescape(line: &str, out: &mut Vec<u8>) {
    let mut bytes = line.bytes();
    while let Some(byte) = bytes.next() {
        let escaped = if byte == b'\\' { bytes.next() } else { None };
        match escaped {
            None => out.push(byte),
            Some(b'n') => out.push(b'\n'),
            Some(b'r') => out.push(b'\r'),
            Some(b'x') => {
                let digits = [bytes.next().unwrap(), bytes.next().unwrap()];
                out.push(u8::from_str_radix(std::str::from_utf8(&digits).unwrap(), 16).unwrap());
            }
            Some(other) => out.push(other),
        }
    }
}

fn only<'a>(said: &'a [(String, Vec<u8>)], who: &str) -> Vec<&'a [u8]> {
    said.iter().filter(|(by, _)| by == who).map(|(_, bytes)| bytes.as_slice()).collect()
}

fn recorded_call() -> ConnectReply<'static> {
    ConnectReply {
        uuid: b"a21a71a1-5b44-415c-bcb8-18e1ffa03f99",
        caller_number: Some(b"1001"),
        caller_name: Some(b"Ann Example"),
        destination: b"sock-path",
        context: b"lab",
        server: b"127.0.0.1:35717",
        socket_path: b"some/path",
        ..ConnectReply::default()
    }
}

fn encoded(reply: &ConnectReply<'_>) -> String {
    let mut out = Vec::new();
    reply.encode(&mut out);
    String::from_utf8(out).unwrap()
}

#[test]
fn a_connect_reply_is_the_recorded_one_to_the_byte() {
    let said = transcript("out-21-path");
    assert_eq!(encoded(&recorded_call()).as_bytes(), only(&said, "F>S")[0]);
}

#[test]
fn a_caller_without_a_number_has_the_headers_that_the_recorded_one_had() {
    let said = transcript("cid-no-user");
    let recorded = String::from_utf8(only(&said, "F>S")[0].to_vec()).unwrap();
    let ours = encoded(&ConnectReply { caller_number: None, caller_name: Some(b"unknown"), socket_path: b"", ..recorded_call() });
    // what depends on the telephone, and not on the missing number
    let of_the_phone = ["variable_sip_allow", "variable_sip_to_port", "variable_sip_user_agent"];
    let names = |text: &str| -> Vec<String> {
        text.lines().map(|line| line.split(':').next().unwrap().to_owned()).filter(|name| !of_the_phone.contains(&name.as_str())).collect()
    };
    assert_eq!(names(&ours), names(&recorded));
    for line in recorded.lines().filter(|line| line.contains("aller-ID") || line.starts_with("variable_sip_from_u")) {
        assert!(ours.contains(&format!("\n{line}\n")), "{line}");
    }
}

#[test]
fn a_caller_who_withholds_his_number_is_told_with_the_number_and_the_flags_as_recorded() {
    let said = transcript("cid-anonymous-pai");
    let recorded = String::from_utf8(only(&said, "F>S")[0].to_vec()).unwrap();
    let ours =
        encoded(&ConnectReply { caller_number: Some(b"+441632960001"), caller_name: Some(b"Real Name"), hidden: true, ..recorded_call() });
    let mut lines = 0;
    for line in recorded.lines().filter(|l| l.contains("aller-ID") || l.contains("Hide") || l.contains("ANI:")) {
        assert!(ours.contains(&format!("\n{line}\n")), "{line}");
        lines += 1;
    }
    assert_eq!(lines, 14);
    assert!(ours.contains("\nvariable_sip_from_user: anonymous\n"));
}

#[test]
fn async_mode_and_variables_of_the_dialplan_stand_where_freeswitch_puts_them() {
    let variables: [(&str, &[u8]); 2] = [("strowger_tenant", b"acme & co"), ("strowger_step", b"")];
    let ours = encoded(&ConnectReply { mode: SocketMode::Async, variables: &variables, socket_path: b"route?tenant=x", ..recorded_call() });
    assert!(ours.contains(
        "\nvariable_strowger_tenant: acme%20%26%20co\nvariable_current_application_data: 127.0.0.1%3A35717/route%3Ftenant%3Dx%20async\n"
    ));
    assert!(ours.contains("\nvariable_socket_path: route%3Ftenant%3Dx\n") && ours.contains("\nSocket-Mode: async\n"));
    assert!(!ours.contains("strowger_step"), "an empty variable isn't there");
}

#[test]
fn the_form_of_xml_curl_has_the_recorded_fields_in_the_recorded_order() {
    let said = transcript("http-01-xml_curl-cidlookup-curl");
    let request = only(&said, "F>H").into_iter().find(|bytes| bytes.starts_with(b"POST")).unwrap().to_vec();
    let recorded = String::from_utf8(request).unwrap();
    let recorded = recorded.split("\r\n\r\n").nth(1).unwrap();
    let mut ours = Vec::new();
    ConnectReply { uuid: b"8a2b4442-46eb-441c-bbb8-a24a075207d5", destination: b"answerfor-300", ..recorded_call() }.encode_form(&mut ours);
    let ours = String::from_utf8(ours).unwrap();
    let fields = |text: &str| -> Vec<(String, String)> {
        text.split('&').map(|field| field.split_once('=').unwrap()).map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
    };
    let (ours, recorded) = (fields(&ours), fields(recorded));
    assert_eq!(ours.iter().map(|f| &f.0).collect::<Vec<_>>(), recorded.iter().map(|f| &f.0).collect::<Vec<_>>());
    // the rest is of that moment: times, tags, ports
    let of_the_moment = |name: &str| {
        ["Core-UUID", "Event-Date", "Event-Sequence", "Time", "session_id", "_id", "stamp", "tag", "via", "full_from", "sdp", "media_port"]
            .iter()
            .any(|part| name.contains(part))
    };
    let differ: Vec<_> = ours.iter().zip(&recorded).filter(|(a, b)| a != b && !of_the_moment(&a.0)).collect();
    assert_eq!(differ, []);
}

#[test]
fn values_are_encoded_as_recorded_and_a_percent_sign_before_hex_digits_is_not() {
    // set by the recorded session, and what the second connect reply of it said
    let said = transcript("out-11-values");
    let sent = only(&said, "S>F");
    let reply = only(&said, "F>S").into_iter().rev().find(|bytes| bytes.starts_with(b"Event-Name: CHANNEL_DATA")).unwrap();
    let mut channel = Channel::default();
    for bytes in &sent {
        play(&mut channel, &commands(bytes));
    }
    let mut seen = 0;
    for line in std::str::from_utf8(reply).unwrap().lines().filter(|l| l.starts_with("variable_v_")) {
        let (name, recorded) = line.trim_start_matches("variable_").split_once(": ").unwrap();
        // what the switch put in place of `${…}` isn't known here
        if name == "v_dollar" || name == "v_expr" {
            continue;
        }
        let mut ours = Vec::new();
        url_encode(channel.variable(name).unwrap_or_else(|| panic!("{name} isn't set")), &mut ours);
        assert_eq!(String::from_utf8(ours).unwrap(), recorded, "{name}");
        seen += 1;
    }
    assert!(seen >= 12, "{seen}");
    assert_eq!(channel.variable("v_empty"), None);
}

fn commands(mut bytes: &[u8]) -> Vec<Command<'_>> {
    let mut commands = Vec::new();
    while let Some((command, taken)) = next_command(bytes).unwrap() {
        commands.push(command);
        bytes = &bytes[taken..];
    }
    assert!(bytes.iter().all(|b| *b == b'\n'), "{bytes:?}");
    commands
}

/// Executes commands as a switch would; gives the replies.
fn play(channel: &mut Channel, commands: &[Command<'_>]) -> Vec<u8> {
    let mut replies = Vec::new();
    for command in commands {
        if command.is("sendmsg") {
            if command.header("call-command") == Some(b"execute") {
                channel.execute(command.header("execute-app-name").unwrap(), command.argument());
            }
            replies.extend_from_slice(OK);
        } else if command.is("getvar") {
            match channel.variable(std::str::from_utf8(&command.line()[7..]).unwrap()) {
                Some(value) => encode_value(value, &mut replies),
                None => replies.extend_from_slice(NOT_FOUND),
            }
        } else if command.is("exit") {
            replies.extend_from_slice(OK_BYE);
        }
    }
    replies
}

#[test]
fn recorded_commands_have_the_recorded_effect_and_replies_in_every_form() {
    for name in ["out-10-body-vs-header", "out-32-multiset-delimiters", "out-21-path"] {
        let said = transcript(name);
        let uuid = header_of(only(&said, "F>S")[0], "Unique-ID");
        let (mut channel, mut replies) = (Channel::default(), Vec::new());
        for sent in only(&said, "S>F").into_iter().skip(1) {
            replies.extend(play(&mut channel, &commands(sent)));
        }
        encode_disconnect_notice(uuid.as_bytes(), &mut replies);
        let recorded = only(&said, "F>S")[1..].concat();
        assert_eq!(String::from_utf8(replies), String::from_utf8(recorded), "{name}");
        // one `set` of the first has a body without a content type: nothing was set by it
        let nothing_set = [Finding::NoName { application: "set".to_owned() }];
        assert_eq!(channel.findings, nothing_set[..usize::from(name.contains("body"))], "{name}");
    }
}

fn header_of(block: &[u8], name: &str) -> String {
    let text = std::str::from_utf8(block).unwrap();
    text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": ")).unwrap().to_owned()
}

#[test]
fn what_the_switch_was_seen_to_execute_is_found_behind_a_backslash_and_in_a_body_too() {
    let mut found = Vec::new();
    for sent in only(&transcript("out-31-expansion"), "S>F").into_iter().skip(1) {
        let mut channel = Channel::default();
        play(&mut channel, &commands(sent));
        found.extend(channel.findings);
    }
    let executed = |text: &str| Finding::Expanded { text: text.as_bytes().to_vec(), executes: true };
    let all = ["${global_setvar(lab_inj=fired)}", "${global_setvar(lab_inj2=fired)}", "${global_setvar(lab_inj3=fired)}"];
    assert_eq!(found, all.map(executed));
    assert!(found[0].to_string().contains("would have executed ${global_setvar(lab_inj=fired)}"));
}

#[test]
fn a_backslash_in_front_of_a_dollar_goes_in_the_first_pass_and_guards_nothing_in_the_second() {
    let mut channel = Channel::default();
    assert!(channel.execute(b"set", br"v=cost $5 \${uuid}"));
    let uuid = Finding::Expanded { text: b"${uuid}".to_vec(), executes: false };
    assert_eq!((channel.variable("v"), &channel.findings[..]), (Some(&b"cost $5 ${uuid}"[..]), &[uuid][..]));
}

fn multiset(list: &[u8]) -> Vec<(String, String)> {
    let mut channel = Channel::default();
    assert!(channel.execute(b"multiset", list));
    assert_eq!(channel.findings, []);
    channel.variables.into_iter().map(|(name, value)| (name, String::from_utf8(value).unwrap())).collect()
}

#[test]
fn a_list_is_taken_apart_with_quotes_and_escapes_as_the_switch_does() {
    let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    assert_eq!(multiset(b"^^\x01a=O'Neil\x01b=2"), [pair("a", "O'Neil"), pair("b", "2")]);
    // two apostrophes swallow what is between them
    assert_eq!(multiset(b"^^\x01a=O'Neil\x01b=D'Arcy\x01c=3"), [pair("a", "ONeil\u{1}b=DArcy"), pair("c", "3")]);
    assert_eq!(multiset(br"^^|a=x\|y|b=1"), [pair("a", "x|y"), pair("b", "1")]);
    assert_eq!(multiset(b"^^|a= two  spaces |b= "), [pair("a", " two  spaces"), pair("b", "")]);
    // a backslash goes through the expansion of the argument, the list, and the expansion of the value
    assert_eq!(multiset(br"^^|a=c:\\\\dir\q|b=1"), [pair("a", r"c:\dir\q"), pair("b", "1")]);
    assert_eq!(multiset(b"^^|a=b=c,d|,x=1"), [pair("a", "b=c,d"), pair(",x", "1")]);
    assert_eq!(multiset("^^|a=J\u{fc}rgen \u{1f600}|b=\"q\"".as_bytes()), [pair("a", "J\u{fc}rgen \u{1f600}"), pair("b", "\"q\"")]);
}

#[test]
fn the_callers_profile_and_unset_are_played_and_other_applications_are_not() {
    let mut channel = Channel::default();
    assert!(channel.execute(b"SET_PROFILE_VAR", b"caller_id_name=O'Neil & D'Arcy"));
    assert_eq!(channel.variable("profile:caller_id_name"), Some(&b"O'Neil & D'Arcy"[..]));
    assert!(channel.execute(b"set", b"a=1") && channel.execute(b"unset", b"a"));
    assert_eq!(channel.variable("a"), None);
    assert!(!channel.execute(b"bridge", b"user/101"));
    assert!(channel.execute(b"set", b"") && channel.findings == [Finding::NoName { application: "set".to_owned() }]);
}

#[test]
fn commands_in_pieces_and_bodies_that_are_not_there_yet_are_waited_for() {
    let bytes = b"\n\r\nsendmsg\r\ncall-command: execute\r\nContent-Length:4\r\n\r\n\n\n=\nexit\n\n";
    for cut in 0..bytes.len() - 6 {
        assert_eq!(next_command(&bytes[..cut]).unwrap(), None, "{cut}");
    }
    let (command, taken) = next_command(bytes).unwrap().unwrap();
    assert_eq!((command.body(), taken), (Some(&b"\n\n=\n"[..]), bytes.len() - 6));
    assert!(command.is("sendmsg") && command.is("SENDMSG") && !command.is("sendmsgs"));
    assert!(next_command(&bytes[taken..]).unwrap().unwrap().0.is("exit"));
}

#[test]
fn a_server_that_writes_without_end_is_found_out() {
    assert_eq!(next_command(&[b'x'; 70_000]), Err(CommandError::HeadTooLong));
    assert_eq!(next_command(b"sendmsg\ncontent-length: 99999999999999999999999\n\n"), Err(CommandError::BodyTooLong));
    assert_eq!(next_command(b"sendmsg\nx: \0\n\n"), Err(CommandError::Nul));
    // as FreeSWITCH 1.10 reads it: no body
    assert_eq!(next_command(b"sendmsg\ncontent-length: -5\n\n").unwrap().unwrap().0.body(), None);
}
