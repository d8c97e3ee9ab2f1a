//! Promises of the FastAGI wire that must hold for any bytes, not only for those that we thought of.

use bytes::{Bytes, BytesMut};
use proptest::{collection::vec, prelude::*};
use strowger::wire::agi::{
    EnvironmentDecoder, Message, ReplyDecoder, Value, VariableName,
    command::{self, COMMAND_LINE_BYTES_MAX, MSET_PAIRS_MAX},
    environment::BLOCK_BYTES_MAX,
    reply::REPLY_BYTES_MAX,
    switch_side::{self, CommandDecoder, EnvironmentFields, MSET_PLACES_ASTERISK_16, MSET_PLACES_ASTERISK_22},
};
use support::{cut, feed, nasty_bytes, nasty_text};

#[path = "support/wire.rs"]
mod support;

/// Bytes that may stand in a genuine value: anything but LF, CR and NUL.
fn field() -> impl Strategy<Value = Vec<u8>> {
    vec(any::<u8>().prop_filter("no line end", |byte| !matches!(byte, b'\n' | b'\r' | 0)), 0..40)
}

fn environment_bytes(name: &[u8], number: &[u8], script: &[u8], arguments: &[Vec<u8>]) -> Vec<u8> {
    let mut out = BytesMut::new();
    let arguments: Vec<&[u8]> = arguments.iter().map(Vec::as_slice).collect();
    EnvironmentFields {
        caller_name: Some(name),
        caller_number: Some(number),
        network_script: script,
        arguments: &arguments,
        ..EnvironmentFields::default()
    }
    .encode(&mut out);
    out.to_vec()
}

fn reply_bytes() -> impl Strategy<Value = Vec<u8>> {
    let value = vec(any::<u8>().prop_filter("no closing line", |byte| !matches!(byte, b')')), 0..40);
    prop_oneof![
        Just(b"HANGUP\n".to_vec()),
        Just(b"510 Invalid or unknown command\n".to_vec()),
        Just(b"520-Invalid command syntax.  Proper usage follows:\nx (y)\n\n520 End of proper usage.\n".to_vec()),
        Just(b"200 result=0 endpos=3520\n".to_vec()),
        Just(b"100 result=0 Trying...\n".to_vec()),
        (any::<i16>(), proptest::option::of(value)).prop_map(|(result, value)| {
            let mut out = BytesMut::new();
            switch_side::encode_result(i64::from(result), value.as_deref(), &mut out);
            out.to_vec()
        }),
    ]
}

/// What Asterisk sets when it runs these lines.
fn as_asterisk_reads(lines: &[u8], places: usize) -> Vec<(String, String)> {
    let (commands, error) = feed(CommandDecoder::default(), &[lines], usize::MAX);
    assert_eq!(error, None);
    let text = |bytes| String::from_utf8(bytes).expect("only valid UTF-8 is sent");
    let mut pairs = Vec::new();
    for line in commands {
        let words = switch_side::words(&line);
        assert_eq!((words.len(), &words[0][..], &words[1][..]), (3, &b"EXEC"[..], &b"MSet"[..]));
        pairs.extend(switch_side::mset_pairs(&words[2], places).into_iter().map(|(name, value)| (text(name), text(value))));
    }
    pairs
}

/// Nothing that a line, a terminal or an expanding dialplan would act on.
fn is_harmless(text: &str) -> bool {
    let acts = |c: char| c.is_control() || matches!(c, '\u{2028}' | '\u{2029}');
    !text.contains(acts) && !text.contains("${") && !text.contains("$[")
}

fn check_lines(commands: &[u8], line_count: usize) -> Result<(), TestCaseError> {
    prop_assert_eq!(command::lines(commands).count(), line_count);
    for line in command::lines(commands) {
        let (newline, inside) = line.split_last().unwrap();
        prop_assert_eq!(*newline, b'\n');
        prop_assert!(line.len() <= COMMAND_LINE_BYTES_MAX);
        let text = std::str::from_utf8(inside).unwrap();
        prop_assert!(is_harmless(text), "{:?}", text);
    }
    Ok(())
}

fn numbered(values: &[String]) -> Vec<(VariableName, Value<'_>)> {
    values.iter().enumerate().map(|(n, value)| (VariableName::new(&format!("V{n}")).unwrap(), Value::new(value))).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn no_bytes_make_a_decoder_panic_or_buffer_over_its_bound(
        head in prop_oneof![Just(Vec::new()), reply_bytes(), Just(b"agi_network: yes\nagi_network_script: ".to_vec()),
            Just(b"200 result=1 (".to_vec()), Just(b"520-\n".to_vec())],
        junk in vec(any::<u8>(), 0..400), repeated in 1_usize..300, places in vec(any::<prop::sample::Index>(), 0..8),
    ) {
        let stream = [head, junk.repeat(repeated)].concat();
        let pieces = cut(&stream, &places);
        feed(EnvironmentDecoder::new(), &pieces, BLOCK_BYTES_MAX);
        feed(ReplyDecoder::new(), &pieces, REPLY_BYTES_MAX);
        feed(CommandDecoder::default(), &pieces, COMMAND_LINE_BYTES_MAX);
    }

    #[test]
    fn an_environment_is_the_same_however_the_network_cuts_it(
        name in field(), number in field(), script in field(), arguments in vec(field(), 0..5),
        places in vec(any::<prop::sample::Index>(), 0..12),
    ) {
        let stream = environment_bytes(&name, &number, &script, &arguments);
        let (environments, error) = feed(EnvironmentDecoder::new(), &cut(&stream, &places), BLOCK_BYTES_MAX);
        prop_assert_eq!(error, None);
        prop_assert_eq!(environments.len(), 1);
        let environment = &environments[0];
        prop_assert_eq!(environment.as_bytes(), &stream[..]);
        prop_assert_eq!(environment.caller_name(), &name[..]);
        prop_assert_eq!(environment.caller_number(), &number[..]);
        prop_assert_eq!(environment.network_script(), &script[..]);
        prop_assert_eq!(environment.extension(), b"s");
        prop_assert_eq!(environment.presentation(), Some(67));
        prop_assert_eq!(environment.arguments().collect::<Vec<_>>(), arguments);
    }

    #[test]
    fn a_line_end_in_any_value_before_the_last_argument_refuses_the_environment(
        name in field(), forged in nasty_bytes(), place in any::<prop::sample::Index>(),
    ) {
        let mut number = forged;
        number.insert(place.index(number.len() + 1), b'\n');
        let (environments, error) =
            feed(EnvironmentDecoder::new(), &[&environment_bytes(&name, &number, b"route", &[])], BLOCK_BYTES_MAX);
        prop_assert!(environments.is_empty());
        prop_assert!(error.is_some());
    }

    #[test]
    fn replies_are_the_same_however_the_network_cuts_them(
        replies in vec(reply_bytes(), 1..8), places in vec(any::<prop::sample::Index>(), 0..12),
    ) {
        let stream = replies.concat();
        let (whole, error) = feed(ReplyDecoder::new(), &[&stream], REPLY_BYTES_MAX);
        prop_assert_eq!(error, None);
        prop_assert_eq!(whole.len(), replies.len());
        prop_assert_eq!(feed(ReplyDecoder::new(), &cut(&stream, &places), REPLY_BYTES_MAX), (whole, None));
    }

    #[test]
    fn a_value_in_a_reply_comes_back_as_it_was_written(value in vec(any::<u8>(), 0..60)) {
        let mut stream = BytesMut::new();
        switch_side::encode_result(1, Some(&value), &mut stream);
        // The one value that can't be told from a reply's end; see the module.
        prop_assume!(!value.windows(2).any(|pair| pair == b")\n") && !value.windows(9).any(|text| text == b") endpos="));
        let (messages, error) = feed(ReplyDecoder::new(), &[&stream], REPLY_BYTES_MAX);
        prop_assert_eq!(error, None);
        prop_assert!(matches!(&messages[..], [Message::Reply(reply)] if reply.value == Some(Bytes::from(value))));
    }

    #[test]
    fn asterisk_reads_exactly_the_cleaned_values_in_order(values in vec(nasty_text(), 0..60)) {
        let pairs = numbered(&values);
        let mut commands = BytesMut::new();
        let line_count = command::mset(&pairs, &mut commands).unwrap();
        check_lines(&commands, line_count)?;
        let sent: Vec<_> = pairs.iter().map(|(name, value)| (name.as_str().to_owned(), value.as_str().to_owned())).collect();
        prop_assert_eq!(&as_asterisk_reads(&commands, MSET_PLACES_ASTERISK_16), &sent);
        prop_assert_eq!(&as_asterisk_reads(&commands, MSET_PLACES_ASTERISK_22), &sent);
    }

    #[test]
    fn long_values_split_into_lines_that_are_each_whole_or_are_refused(
        values in vec(("[a,()\\\\\"é]", 0_usize..3_000).prop_map(|(text, times)| text.repeat(times)), 1..12),
    ) {
        let pairs = numbered(&values);
        let mut commands = BytesMut::from(&b"before"[..]);
        match command::mset(&pairs, &mut commands) {
            Ok(line_count) => {
                let commands = &commands[b"before".len()..];
                check_lines(commands, line_count)?;
                prop_assert_eq!(as_asterisk_reads(commands, MSET_PLACES_ASTERISK_16).len(), pairs.len());
                prop_assert!(line_count >= pairs.len().div_ceil(MSET_PAIRS_MAX));
            }
            Err(_) => prop_assert_eq!(&commands[..], b"before"),
        }
    }

    #[test]
    fn cleaning_leaves_no_control_character_and_no_expansion_and_is_done_after_one_pass(
        bytes in nasty_bytes(), bytes_max in 0_usize..80,
    ) {
        let value = Value::from_bytes(&bytes);
        let text = value.as_str();
        prop_assert!(is_harmless(text), "{:?}", text);
        prop_assert_eq!(Value::new(text), value.clone());
        let short = value.clone().truncated(bytes_max);
        prop_assert!(short.as_str().len() <= bytes_max && text.starts_with(short.as_str()));
        prop_assert!(short.as_str().len() + 4 > bytes_max.min(text.len()));
    }
}

#[test]
fn every_printable_ascii_character_comes_back_alone_and_beside_every_other() {
    let printable = || (b' '..=b'~').map(char::from);
    for first in printable() {
        let values: Vec<String> = printable().map(|second| format!("{first}{second}")).collect();
        let pairs = numbered(&values);
        let mut commands = BytesMut::new();
        command::mset(&pairs, &mut commands).unwrap();
        let read = as_asterisk_reads(&commands, MSET_PLACES_ASTERISK_16);
        let sent: Vec<_> = pairs.iter().map(|(name, value)| (name.as_str().to_owned(), value.as_str().to_owned())).collect();
        assert_eq!(read, sent);
    }
}
