//! The fake FreeSWITCH is held to what was recorded and measured of a real one: what its socket application says, and
//! one test for each row of the table of what the dialplan does behind it.

#[path = "support/freeswitch/mod.rs"]
mod freeswitch;

use freeswitch::servers::{Agent, execute, hear_frame, hear_out, listen};
use freeswitch::template::block;
use freeswitch::text::{raw_byte, url_encoded};
use freeswitch::{Call, Cut, Ending, FakeSwitch, HangsUp, Record};
use std::io::Write;
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// A dialplan of one extension.
fn switch(actions: &[(&str, &str)]) -> FakeSwitch {
    let actions: String = actions.iter().map(|(a, d)| format!("<action application=\"{a}\" data=\"{d}\"/>")).collect();
    let mut switch = FakeSwitch::new();
    switch.load(
        &format!(
            "<include><context name=\"public\"><extension name=\"x\"><condition>{actions}</condition></extension></context></include>"
        ),
        "",
    );
    switch
}

/// A dialplan that goes to a socket and leaves a mark behind it.
fn socket(server: SocketAddr, flags: &str) -> FakeSwitch {
    switch(&[("socket", &format!("{server}/some/path {flags}")), ("set", "after=yes")])
}

/// A server that does this with each connection.
fn server(script: impl Fn(&mut TcpStream) + Send + Sync + 'static) -> SocketAddr {
    listen(move |mut stream| script(&mut stream))
}

fn say(stream: &mut TcpStream, text: &str) {
    stream.write_all(text.as_bytes()).unwrap();
}

fn ask(stream: &mut TcpStream, text: &str) -> String {
    say(stream, text);
    hear_frame(stream)
}

fn went_on(record: &Record) -> bool {
    record.variable("after") == "yes" && record.ending == Ending::EndOfDialplan
}

/// Connects, sets `r1`, and ends as told, each time with a wait before.
fn setting(then: &'static str, wait: Duration) -> SocketAddr {
    server(move |stream| {
        ask(stream, "connect\n\n");
        ask(stream, &execute("set", "r1=kept"));
        std::thread::sleep(wait);
        for command in then.split_inclusive("\n\n") {
            ask(stream, command);
        }
    })
}

const AT_ONCE: Duration = Duration::ZERO;
const LATER: Duration = Duration::from_millis(80);

// ---- the answer to connect -------------------------------------------------------------------------------------------

#[test]
fn the_answer_to_connect_is_the_recorded_one_header_by_header() {
    let server = server(|stream| {
        ask(stream, "connect\n\n");
        say(stream, "exit\n\n");
        hear_out(stream);
    });
    let mut call = Call::to("sock-path");
    call.context = "lab".to_owned();
    let mut switch = socket(server, "");
    switch.load("<include/>", "");
    let contexts = switch.contexts["public"].clone();
    switch.contexts.insert("lab".to_owned(), contexts);
    let record = switch.call(&call);
    let said = String::from_utf8(record.sessions[0].said.clone()).unwrap();
    let (reply, rest) = said.split_once("\n\n").unwrap();
    let recorded = String::from_utf8(block("out-21-path.txt", "== F>S t=0.005505")).unwrap();
    let told = |name: &str| name == "variable_current_application_data";
    let lines = |text: &str| -> Vec<String> {
        let keep = |l: &&str| l.split_once(": ").is_some_and(|(n, _)| !told(n));
        text.lines().filter(keep).map(str::to_owned).collect()
    };
    assert_eq!(lines(reply).len(), 166, "and the app's own data, which names this test's port");
    let (mut ours, mut theirs) = (lines(reply), lines(&recorded));
    // the order of variables that the app has set is FreeSWITCH's own affair
    ours.sort();
    theirs.sort();
    assert_eq!(ours, theirs);
    assert!(rest.starts_with("Content-Type: command/reply\nReply-Text: +OK bye\n\nContent-Type: text/disconnect-notice\n"));
    let ending = String::from_utf8(block("out-21-path.txt", "== F>S t=0.006198")).unwrap();
    assert_eq!(rest, ending, "exit is answered byte for byte as recorded");
}

#[test]
fn values_are_encoded_as_recorded_and_a_percent_before_two_hex_digits_is_not() {
    for (value, wire) in [
        ("  two  spaces ", "%20%20two%20%20spaces%20"),
        ("a \"b\" 'c' `d`", "a%20%22b%22%20'c'%20%60d%60"),
        ("a,b=c,d", "a,b%3Dc,d"),
        ("100%20 50% %zz %41 %4a %%", "100%20%2050%25%20%25zz%20%41%20%254a%20%25%25"),
        ("Jürgen", "J%C3%BCrgen"),
        ("<sip:1@2>;x=y&z#f", "%3Csip%3A1%402%3E%3Bx%3Dy%26z%23f"),
        ("line1\nline2", "line1%0Aline2"),
        ("a\\nb", "a%5Cnb"),
    ] {
        assert_eq!(url_encoded(value), wire);
    }
    assert_eq!(url_encoded(&format!("latin {}", raw_byte(0xe9))), "latin%20%E9");
}

#[test]
fn a_withheld_number_is_told_with_its_flags() {
    let agent = Agent::in_turn(vec![]);
    let mut call = Call::to("1").from("+441632960001", "Real Name");
    (call.hide_number, call.hide_name) = (true, true);
    socket(agent.socket, "").call(&call);
    let asked = agent.questions();
    assert_eq!(asked[0].header("Caller-Privacy-Hide-Number"), "true");
    assert_eq!(asked[0].header("Caller-Caller-ID-Number"), "+441632960001");
}

// ---- what the dialplan does after the socket app ---------------------------------------------------------------------

#[test]
fn sync_goes_on_after_exit_close_and_at_once_or_later() {
    for wait in [AT_ONCE, LATER] {
        for then in ["exit\n\n", ""] {
            let record = socket(setting(then, wait), "").call(&Call::to("1"));
            assert!(went_on(&record), "{then:?} {wait:?}: {record:?}");
            assert_eq!(record.variable("r1"), "kept");
        }
    }
}

#[test]
fn async_without_resume_is_parked_for_ever_if_the_server_is_quick() {
    for server in [setting("exit\n\n", AT_ONCE), setting("", AT_ONCE), Agent::closing().socket] {
        let mut switch = socket(server, "async full");
        // quick enough even on a machine that is busy with other tests
        switch.async_race = Duration::from_secs(10);
        assert_eq!(switch.call(&Call::to("1")).ending, Ending::Parked);
    }
    assert_eq!(FakeSwitch::new().async_race, Duration::from_millis(50));
}

#[test]
fn async_without_resume_goes_on_if_the_server_takes_its_time() {
    for then in ["exit\n\n", ""] {
        let record = socket(setting(then, LATER), "async full").call(&Call::to("1"));
        assert!(went_on(&record), "{record:?}");
    }
}

#[test]
fn async_with_resume_always_goes_on() {
    let record = socket(setting("resume\n\nexit\n\n", AT_ONCE), "async full").call(&Call::to("1"));
    assert!(went_on(&record), "{record:?}");
    let call = Call::to("1").with("socket_resume", "true");
    let record = socket(setting("exit\n\n", AT_ONCE), "async full").call(&call);
    assert!(went_on(&record), "{record:?}");
    let record = socket(Agent::closing().socket, "async full").call(&call);
    assert!(went_on(&record), "{record:?}");
}

#[test]
fn resume_in_sync_mode_leaves_the_call_stuck_for_ever() {
    for call in [Call::to("1"), Call::to("1").with("socket_resume", "true")] {
        let then = if call.variables.is_empty() { "resume\n\nexit\n\n" } else { "exit\n\n" };
        assert_eq!(socket(setting(then, AT_ONCE), "").call(&call).ending, Ending::StuckInReset);
    }
}

#[test]
fn a_refused_connection_costs_nothing_in_either_mode() {
    for (flags, resume) in [("", ""), ("async full", ""), ("", "true"), ("async full", "true")] {
        let record = socket(Agent::dead().socket, flags).call(&Call::to("1").with("socket_resume", resume));
        assert!(went_on(&record), "{flags}: {record:?}");
        assert!(record.took < Duration::from_secs(5), "{record:?}");
    }
}

#[test]
fn hosts_are_tried_in_turn_when_they_refuse() {
    let agent = Agent::in_turn(vec![]);
    let hosts = format!("{}/a|{}/b", Agent::dead().socket, agent.socket);
    let record = switch(&[("socket", &hosts), ("set", "after=yes")]).call(&Call::to("1"));
    assert!(went_on(&record));
    assert_eq!(agent.questions()[0].variable("socket_path"), "b");
}

#[test]
fn a_first_command_that_never_comes_frees_a_sync_call_in_the_end_and_parks_an_async_one() {
    let dripping = server(|stream| {
        for byte in "connect".bytes() {
            std::thread::sleep(Duration::from_millis(30));
            if stream.write_all(&[byte]).is_err() {
                return;
            }
        }
    });
    for server in [Agent::hung().socket, dripping] {
        let mut sync = socket(server, "");
        sync.first_command_wait = Duration::from_millis(100);
        let record = sync.call(&Call::to("1"));
        assert!(went_on(&record), "{record:?}");
        assert!(String::from_utf8_lossy(&record.sessions[0].said).contains("text/disconnect-notice"));
        let mut parked = socket(server, "async full");
        parked.first_command_wait = Duration::from_millis(100);
        assert_eq!(parked.call(&Call::to("1")).ending, Ending::Parked);
    }
    assert_eq!(FakeSwitch::new().first_command_wait, Duration::from_secs(25));
}

#[test]
fn silence_after_connect_holds_a_call_for_ever_in_either_mode() {
    let silent = server(|stream| {
        say(stream, "connect\n\n");
        hear_out(stream);
    });
    for flags in ["", "async full"] {
        let mut switch = socket(silent, flags);
        switch.first_command_wait = Duration::from_millis(100);
        switch.patience = Duration::from_millis(300);
        assert_eq!(switch.call(&Call::to("1")).ending, Ending::StillWaiting);
    }
}

#[test]
fn a_full_accept_queue_holds_a_call_for_ever() {
    let listening = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    listening.bind(&"127.0.0.1:0".parse::<SocketAddr>().unwrap().into()).unwrap();
    listening.listen(0).unwrap();
    let address = listening.local_addr().unwrap().as_socket().unwrap();
    let waiting: Vec<_> = (0..3).map(|_| TcpStream::connect_timeout(&address, Duration::from_millis(100))).collect();
    assert!(waiting.iter().any(Result::is_err), "the queue is full");
    let mut switch = socket(address, "");
    switch.patience = Duration::from_millis(300);
    assert_eq!(switch.call(&Call::to("1")).ending, Ending::StillWaiting);
}

#[test]
fn garbage_is_taken_without_a_word_and_the_call_goes_on_when_the_server_closes() {
    for bytes in
        [&b"HTTP/1.1 400 Bad Request\r\nContent-Length: 3\r\n\r\nabc"[..], b"\x00\xff\x16\x03garbage\n\n", b"x\ncontent-length: -1\n\n"]
    {
        let record = socket(Agent::saying(bytes).socket, "").call(&Call::to("1"));
        assert!(went_on(&record), "{record:?}");
        assert!(record.sessions[0].said.is_empty(), "the first command is answered only if it is connect");
    }
}

#[test]
fn exit_as_the_first_command_is_not_answered_but_ends_the_socket() {
    let server = server(|stream| {
        say(stream, "exit\n\n");
        hear_out(stream);
    });
    let record = socket(server, "").call(&Call::to("1"));
    assert!(went_on(&record));
    let said = String::from_utf8_lossy(&record.sessions[0].said).into_owned();
    assert!(said.starts_with("Content-Type: text/disconnect-notice") && said.len() == 218, "{said}");
}

#[test]
fn bytes_behind_exit_are_ignored() {
    let server = server(|stream| {
        ask(stream, "connect\n\n");
        say(stream, &format!("exit\n\n{}", execute("set", "late=yes")));
        hear_out(stream);
    });
    let record = socket(server, "").call(&Call::to("1"));
    assert!(went_on(&record) && record.variable("late").is_empty());
    assert!(!record.sessions[0].ignored.is_empty());
}

#[test]
fn a_caller_who_hangs_up_ends_the_socket_with_a_notice() {
    for hangs_up in [HangsUp::BeforeConnect, HangsUp::AfterCommands(1), HangsUp::After(Duration::from_millis(30))] {
        let mut call = Call::to("1");
        call.hangs_up = Some(hangs_up);
        let server = server(|stream| {
            say(stream, "connect\n\n");
            hear_out(stream);
        });
        let record = socket(server, "").call(&call);
        assert_eq!(record.ending, Ending::CallerHungUp);
        assert!(String::from_utf8_lossy(&record.sessions[0].said).contains("Content-Disposition: disconnect"));
    }
}

#[test]
fn a_connection_cut_anywhere_lets_the_call_go_on() {
    for cut in [Cut::FromServer(1), Cut::FromServer(9), Cut::FromServer(60), Cut::ToServer(0), Cut::ToServer(3000), Cut::ToServer(6560)] {
        let mut call = Call::to("1");
        call.cut = Some(cut);
        let record = socket(Agent::in_turn(vec![]).socket, "").call(&call);
        assert!(went_on(&record), "{cut:?}: {record:?}");
    }
}

#[test]
fn an_unknown_application_is_answered_ok_and_hangs_the_call_up() {
    let server = server(|stream| {
        ask(stream, "connect\n\n");
        assert!(ask(stream, &execute("nosuch", "x")).ends_with("+OK\n\n"));
        hear_out(stream);
    });
    let record = socket(server, "").call(&Call::to("1"));
    assert_eq!(record.ending, Ending::HungUp("DESTINATION_OUT_OF_ORDER".to_owned()));
}

#[test]
fn the_body_counts_only_with_a_content_type_and_without_an_argument() {
    let server = server(|stream| {
        ask(stream, "connect\n\n");
        let message = |rest: &str| format!("sendmsg\ncall-command: execute\nexecute-app-name: set\n{rest}");
        for rest in [
            "execute-app-arg: both=header\ncontent-type: text/plain\ncontent-length: 9\n\nboth=body",
            "content-length: 9\n\nbare=body",
            "execute-app-arg: \ncontent-type: text/plain\ncontent-length: 10\n\nempty=body",
            "content-type: text/plain\ncontent-length: 11\n\nlines=a\nb\nc",
        ] {
            ask(stream, &message(rest));
        }
        ask(stream, "sendmsg\r\ncall-command: execute\r\nexecute-app-name: set\r\nexecute-app-arg: r1=crlf\r\n\r\n");
        ask(stream, "sendmsg\ncall-command: EXECUTE\nexecute-app-name: set\nexecute-app-arg: shout=yes\n\n");
        assert!(ask(stream, "getvar r1\n\n").contains("Reply-Text: crlf\n"));
        assert!(ask(stream, "getvar nothing\n\n").contains("-ERR command not found"));
    });
    let record = socket(server, "").call(&Call::to("1"));
    let values = ["both", "bare", "empty", "lines", "r1", "shout"].map(|v| record.variable(v));
    assert_eq!(values, ["header", "", "body", "a\nb\nc", "crlf", ""]);
}

#[test]
fn a_transfer_in_sync_mode_takes_effect_when_the_socket_has_ended() {
    let server = server(|stream| {
        ask(stream, "connect\n\n");
        ask(stream, &execute("transfer", "2 XML other"));
        ask(stream, &execute("set", "behind=yes"));
        ask(stream, "exit\n\n");
    });
    let mut switch = socket(server, "");
    switch.load("<context name=\"other\"><extension name=\"y\"><condition><action application=\"set\" data=\"there=yes\"/></condition></extension></context>", "");
    let record = switch.call(&Call::to("1"));
    assert_eq!([record.variable("behind"), record.variable("there"), record.variable("after")], ["yes", "yes", ""]);
}
