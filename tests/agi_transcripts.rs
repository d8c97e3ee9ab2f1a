//! What a real Asterisk was seen to write, replayed: `transcripts/asterisk/agi-*.txt`.
//!
//! A line `< …` came from Asterisk, `> …` went to it, `# …` is a remark; bytes are escaped as `\n`, `\r`, `\t`, `\\`, `\xNN`.

use bytes::BytesMut;
use std::{fs, path::Path};
use strowger::wire::agi::{
    Environment, EnvironmentDecoder, EnvironmentError, Message, Reply, ReplyDecoder,
    command::{self, COMMAND_LINE_BYTES_MAX},
    switch_side::{self, EnvironmentFields, MSET_PLACES_ASTERISK_22},
};
use support::unescape;
use tokio_util::codec::Decoder;

#[path = "support/transcripts.rs"]
mod support;

/// Recorded calls whose caller forged lines of the environment, with what is wrong with each.
const FORGED: [(&str, EnvironmentError); 4] = [
    ("agi-sip-inject-arg", EnvironmentError::NotExpected { line: 10, expected: "agi_calleridname" }),
    ("agi-sip-inject-crlf", EnvironmentError::ControlByte { line: 9 }),
    ("agi-sip-inject-end", EnvironmentError::EndsEarly { line: 10, expected: "agi_calleridname" }),
    ("agi-sip-inject-ext", EnvironmentError::NotExpected { line: 16, expected: "agi_rdnis" }),
];

/// Sessions in which replies and commands are not one to one, with the reason.
const OUT_OF_STEP: [(&str, &str); 6] = [
    ("agi-sip-inject-crlf", "what follows the forged end is not replies"),
    ("agi-sip-inject-end", "what follows the forged end is not replies"),
    ("agi-misc", "a GOSUB is answered twice"),
    ("agi-srv-garbage", "a line with a NUL is not answered"),
    ("agi-srv-nul-spin", "a line with a NUL is not answered"),
    ("agi-srv-split-slow", "the recorder tells what it sent instead of showing it"),
];

enum Said {
    ByAsterisk(Vec<u8>),
    ByServer(Vec<u8>),
    Remark(String),
}

struct Transcript {
    name: String,
    said: Vec<Said>,
}

impl Transcript {
    fn read(path: &Path) -> Self {
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        let text = fs::read_to_string(path).unwrap();
        let said = text.lines().map(|line| match line.split_at(2) {
            ("< ", bytes) => Said::ByAsterisk(unescape(bytes)),
            ("> ", bytes) => Said::ByServer(unescape(bytes)),
            ("# ", remark) => Said::Remark(remark.to_owned()),
            _ => panic!("{name}: {line:?}"),
        });
        Self { said: said.collect(), name: name.clone() }
    }

    /// What Asterisk wrote until the recorder took the environment for complete.
    fn environment(&self) -> BytesMut {
        self.asterisk(&self.said[..self.environment_end()])
    }

    /// What Asterisk wrote after that.
    fn replies(&self) -> BytesMut {
        self.asterisk(&self.said[self.environment_end()..])
    }

    /// What the server wrote, whether before or after the environment.
    fn commands(&self) -> Vec<u8> {
        let bytes = |said: &Said| if let Said::ByServer(bytes) = said { bytes.clone() } else { Vec::new() };
        self.said.iter().flat_map(bytes).collect()
    }

    /// Whether the server ended the session and stayed to hear what came.
    fn was_heard_to_its_end(&self) -> bool {
        self.said.iter().any(|said| matches!(said, Said::Remark(text) if text == "server shut its sending side (FIN)"))
    }

    /// The size of the long line that was sent, where the recorder remarked on one.
    fn long_line_bytes(&self) -> Option<usize> {
        self.said.iter().find_map(|said| match said {
            Said::Remark(text) => text.strip_prefix("one line of ")?.split(' ').next()?.parse().ok(),
            _ => None,
        })
    }

    fn environment_end(&self) -> usize {
        let complete = |said: &Said| matches!(said, Said::Remark(text) if text.starts_with("environment complete"));
        self.said.iter().position(complete).unwrap_or_else(|| panic!("{}: no environment", self.name))
    }

    fn asterisk(&self, said: &[Said]) -> BytesMut {
        let mut bytes = BytesMut::new();
        for said in said {
            if let Said::ByAsterisk(text) = said {
                bytes.extend_from_slice(text);
            }
        }
        bytes
    }
}

fn transcripts() -> Vec<Transcript> {
    let paths = support::paths("asterisk", "agi-");
    let transcripts: Vec<_> = paths.iter().map(|path| Transcript::read(path)).collect();
    assert!(transcripts.len() > 60, "only {} transcripts were found", transcripts.len());
    transcripts
}

fn transcript(name: &str) -> Transcript {
    transcripts().into_iter().find(|transcript| transcript.name == name).unwrap_or_else(|| panic!("{name} is missing"))
}

fn genuine() -> impl Iterator<Item = (Transcript, Environment)> {
    transcripts().into_iter().filter(|transcript| FORGED.iter().all(|(name, _)| *name != transcript.name)).map(|transcript| {
        let mut bytes = transcript.environment();
        let environment = EnvironmentDecoder::new().decode(&mut bytes).unwrap_or_else(|error| panic!("{}: {error}", transcript.name));
        assert!(bytes.is_empty(), "{}: {bytes:?} was left", transcript.name);
        let environment = environment.unwrap_or_else(|| panic!("{}: incomplete", transcript.name));
        (transcript, environment)
    })
}

fn messages(name: &str, mut bytes: BytesMut) -> Vec<Message> {
    let mut decoder = ReplyDecoder::new();
    let mut messages = Vec::new();
    while let Some(message) = decoder.decode_eof(&mut bytes).unwrap_or_else(|error| panic!("{name}: {error}: {bytes:?}")) {
        messages.push(message);
    }
    messages
}

fn replies(name: &str, bytes: BytesMut) -> Vec<Reply> {
    let reply = |message| match message {
        Message::Reply(reply) => Some(reply),
        Message::Hangup => None,
    };
    messages(name, bytes).into_iter().filter_map(reply).collect()
}

fn known(value: &[u8]) -> Option<&[u8]> {
    (value != b"unknown").then_some(value)
}

#[test]
fn every_genuine_environment_is_accepted_whole() {
    for (transcript, environment) in genuine() {
        assert!(environment.request().starts_with(b"agi://"), "{}", transcript.name);
        assert!(environment.request().ends_with(environment.network_script()), "{}", transcript.name);
        assert!(environment.presentation().is_some(), "{}", transcript.name);
        assert!(environment.unique_id().contains(&b'.'), "{}", transcript.name);
    }
}

#[test]
fn the_switch_we_play_writes_what_the_real_one_wrote() {
    for (transcript, environment) in genuine() {
        let arguments: Vec<_> = environment.arguments().collect();
        let mut written = BytesMut::new();
        EnvironmentFields {
            server: b"127.0.0.1:4573",
            network_script: environment.network_script(),
            channel: environment.channel(),
            language: environment.language(),
            technology: environment.technology(),
            unique_id: environment.unique_id(),
            version: environment.version(),
            caller_number: known(environment.caller_number()),
            caller_name: known(environment.caller_name()),
            presentation: environment.presentation().unwrap(),
            dnid: known(environment.dnid()),
            rdnis: known(environment.rdnis()),
            context: environment.context(),
            extension: environment.extension(),
            priority: std::str::from_utf8(environment.priority()).unwrap().parse().unwrap(),
            account_code: environment.account_code(),
            thread_id: environment.thread_id(),
            arguments: &arguments,
        }
        .encode(&mut written);
        assert_eq!(written, environment.as_bytes(), "{}", transcript.name);
    }
}

#[test]
fn every_forged_environment_is_refused_at_the_forged_line() {
    for (name, refused) in FORGED {
        let error = EnvironmentDecoder::new().decode(&mut transcript(name).environment()).expect_err(name);
        assert_eq!(error, refused, "{name}");
    }
}

#[test]
fn a_forged_environment_is_refused_at_the_same_line_when_it_comes_byte_by_byte() {
    for (name, refused) in FORGED {
        let (mut decoder, mut buffer) = (EnvironmentDecoder::new(), BytesMut::new());
        let error = transcript(name).environment().iter().find_map(|byte| {
            buffer.extend_from_slice(&[*byte]);
            decoder.decode(&mut buffer).err()
        });
        assert_eq!(error, Some(refused), "{name}");
    }
}

#[test]
fn a_name_full_of_odd_bytes_that_forges_nothing_is_kept_as_it_came() {
    let environment = |wanted: &str| genuine().find(|(transcript, _)| transcript.name == wanted).unwrap().1;
    assert_eq!(environment("agi-sip-inject-name").caller_name(), b"A%0Ab \x01\x7f");
    assert_eq!(std::str::from_utf8(environment("agi-sip-utf8").caller_name()).map(str::is_ascii), Ok(false));
    assert_eq!(environment("agi-cid-withheld").presentation().map(|bits| bits & 0x60), Some(0x20));
}

#[test]
fn a_session_that_asks_one_thing_at_a_time_gets_as_many_replies_as_it_sent_commands() {
    for transcript in transcripts().iter().filter(|transcript| OUT_OF_STEP.iter().all(|(name, _)| *name != transcript.name)) {
        if !transcript.was_heard_to_its_end() {
            continue;
        }
        let replies = replies(&transcript.name, transcript.replies()).len();
        let commands = command::lines(&transcript.commands()).count();
        // Asterisk runs a line that is too long in pieces, each answered; the recorder shows only its beginning and end.
        assert_eq!(replies, commands + transcript.long_line_bytes().unwrap_or(0).div_ceil(COMMAND_LINE_BYTES_MAX).saturating_sub(1));
    }
}

#[test]
fn every_session_with_a_whole_environment_is_understood_to_its_hangup() {
    for (transcript, _) in genuine() {
        let messages = messages(&transcript.name, transcript.replies());
        if transcript.was_heard_to_its_end() && !transcript.name.contains("nosighup") {
            assert_eq!(messages.last(), Some(&Message::Hangup), "{}", transcript.name);
        }
    }
}

#[test]
fn what_follows_a_forged_end_is_never_taken_for_replies() {
    let mut bytes = transcript("agi-sip-inject-end").replies();
    assert!(ReplyDecoder::new().decode(&mut bytes).is_err());
}

#[test]
fn a_hangup_in_front_of_the_pending_reply_is_not_taken_for_it() {
    let messages = messages("agi-hangup-cmd", transcript("agi-hangup-cmd").replies());
    let hangup = messages.iter().position(|message| *message == Message::Hangup).unwrap();
    let Message::Reply(pending) = &messages[hangup + 1] else { panic!("no reply follows") };
    assert_eq!(pending.value.as_deref(), Some(&b"set before"[..]));
    assert_eq!(messages[hangup..].iter().filter(|message| **message == Message::Hangup).count(), 2);
}

#[test]
fn usage_text_is_one_reply_and_the_next_command_has_its_own() {
    let replies = replies("agi-usage-520", transcript("agi-usage-520").replies());
    let codes: Vec<_> = replies.iter().map(|reply| reply.code).collect();
    assert_eq!(codes, [520, 520, 520, 200]);
}

#[test]
fn a_forged_line_inside_a_value_stays_inside_it() {
    let replies = replies("agi-sip-inject-arg", transcript("agi-sip-inject-arg").replies());
    assert_eq!(replies[0].value.as_deref(), Some(&b"\"Ada\" <1\nagi_arg_1: evil>"[..]));
}

#[test]
fn our_asterisk_sets_what_the_real_one_was_seen_to_set() {
    let transcript = transcript("agi-exec-set");
    let commands = transcript.commands();
    let replies = replies(&transcript.name, transcript.replies());
    let mut variables = std::collections::HashMap::new();
    let mut checked = 0;
    for (line, reply) in command::lines(&commands).zip(&replies) {
        let words = switch_side::words(line.strip_suffix(b"\n").unwrap());
        let word = |at: usize| words.get(at).map_or(&b""[..], Vec::as_slice);
        match (word(0), word(1).to_ascii_uppercase().as_slice()) {
            (b"EXEC", b"MSET") => variables.extend(switch_side::mset_pairs(word(2), MSET_PLACES_ASTERISK_22)),
            (b"EXEC", b"SET") => {
                let (name, value) = word(2).split_at(word(2).iter().position(|byte| *byte == b'=').unwrap());
                variables.insert(name.to_vec(), value[1..].to_vec());
            }
            // From here on Asterisk expands what it is sent.
            (b"SET", b"VARIABLE") if word(2) == b"AGIEXECFULL" => break,
            (b"GET", b"VARIABLE") if word(2) != b"CALLERID(all)" => {
                assert_eq!(reply.value.as_deref(), variables.get(word(2)).map(Vec::as_slice), "{}", line.escape_ascii());
                checked += 1;
            }
            _ => {}
        }
    }
    assert!(checked > 30, "only {checked} values were compared");
}
