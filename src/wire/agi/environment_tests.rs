//! Blocks that are not genuine, each refused where it first differs, and one that is.

use super::*;

const GENUINE: &str = "agi_network: yes\nagi_network_script: route?x=y\nagi_request: agi://127.0.0.1:4573/route?x=y\n\
    agi_channel: PJSIP/a-1\nagi_language: en\nagi_type: PJSIP\nagi_uniqueid: 1.2\nagi_version: 22.10.1\n\
    agi_callerid: +4930123456\nagi_calleridname: Ada: L\nagi_callingpres: 32\nagi_callingani2: 0\nagi_callington: 0\n\
    agi_callingtns: 0\nagi_dnid: 49301\nagi_rdnis: unknown\nagi_context: from-sip\nagi_extension: 49301\n\
    agi_priority: 2\nagi_enhanced: 0.0\nagi_accountcode: \nagi_threadid: 1403\nagi_arg_1: one\nagi_arg_2: \n\n";

fn decode(bytes: impl AsRef<[u8]>) -> Result<Option<Environment>, EnvironmentError> {
    EnvironmentDecoder::new().decode(&mut BytesMut::from(bytes.as_ref()))
}

fn error(bytes: impl AsRef<[u8]>) -> EnvironmentError {
    decode(bytes).expect_err("this block is not genuine")
}

#[test]
fn every_value_is_where_the_accessor_says_and_bytes_behind_the_block_stay() {
    let mut buffer = BytesMut::from(format!("{GENUINE}HANGUP\n").as_bytes());
    let environment = EnvironmentDecoder::new().decode(&mut buffer).unwrap().unwrap();
    assert_eq!(&buffer[..], b"HANGUP\n");
    assert_eq!(environment.network_script(), b"route?x=y");
    assert_eq!(environment.channel(), b"PJSIP/a-1");
    assert_eq!(environment.unique_id(), b"1.2");
    assert_eq!(environment.caller_number(), b"+4930123456");
    assert_eq!(environment.caller_name(), b"Ada: L");
    assert_eq!(environment.presentation(), Some(32));
    assert_eq!(environment.dnid(), b"49301");
    assert_eq!(environment.rdnis(), b"unknown");
    assert_eq!(environment.context(), b"from-sip");
    assert_eq!(environment.extension(), b"49301");
    assert_eq!(environment.account_code(), b"");
    assert_eq!(environment.arguments().collect::<Vec<_>>(), [&b"one"[..], b""]);
    assert_eq!(environment.as_bytes(), GENUINE.as_bytes());
}

#[test]
fn a_url_without_a_path_leaves_the_script_out_and_is_genuine() {
    let environment = decode(GENUINE.replace("agi_network_script: route?x=y\n", "")).unwrap().unwrap();
    assert_eq!(environment.network_script(), b"");
    assert_eq!(environment.unique_id(), b"1.2");
}

#[test]
fn a_name_in_another_charset_does_not_fail_the_call() {
    let block = [GENUINE.split("Ada").next().unwrap().as_bytes(), b"M\xfcller\x01", GENUINE.split(": L").nth(1).unwrap().as_bytes()];
    assert_eq!(decode(block.concat()).unwrap().unwrap().caller_name(), b"M\xfcller\x01");
}

#[test]
fn an_http_request_is_refused_at_its_first_byte() {
    let refused = EnvironmentError::NotExpected { line: 1, expected: "agi_network" };
    assert_eq!(error("G"), refused);
    assert_eq!(error("GET / HTTP/1.1\r\nHost: x\r\n\r\n"), refused);
    assert_eq!(error("\x16\x03\x01"), refused);
    assert_eq!(error("agi_networking: yes\n"), refused);
}

#[test]
fn a_wrong_order_a_repeated_key_an_unknown_key_and_a_missing_key_are_refused_where_they_stand() {
    let refused = |line, expected| EnvironmentError::NotExpected { line, expected };
    let swapped = GENUINE.replace("agi_context: from-sip\nagi_extension: 49301\n", "agi_extension: 49301\nagi_context: from-sip\n");
    assert_eq!(error(swapped), refused(17, "agi_context"));
    let repeated = GENUINE.replace("agi_dnid", "agi_callerid: +1900\nagi_dnid");
    assert_eq!(error(repeated), refused(15, "agi_dnid"));
    assert_eq!(error(GENUINE.replace("agi_dnid", "agi_evil: 1\nagi_dnid")), refused(15, "agi_dnid"));
    assert_eq!(error(GENUINE.replace("agi_priority: 2\n", "")), refused(19, "agi_priority"));
    assert_eq!(error("agi_network: yes\nagi_type: x"), refused(2, "agi_network_script"));
    assert_eq!(error(GENUINE.replace("agi_arg_1: one\n", "")), refused(23, ARGUMENT_OR_END));
    assert_eq!(error(GENUINE.replace("agi_arg_2", "agi_arg_02")), refused(24, ARGUMENT_OR_END));
    assert_eq!(error(GENUINE.replace("agi_arg_2: ", "agi_callerid: +1900")), refused(24, ARGUMENT_OR_END));
}

#[test]
fn a_blank_line_before_the_last_key_is_a_forged_end() {
    let forged = GENUINE.replace("+4930123456", "1\n");
    assert_eq!(error(forged), EnvironmentError::EndsEarly { line: 10, expected: "agi_calleridname" });
}

#[test]
fn a_carriage_return_or_a_nul_anywhere_is_refused() {
    for bad in ["\r", "x\ry", "\0", "x\0y"] {
        let block = GENUINE.replace("+4930123456", bad);
        assert_eq!(error(block), EnvironmentError::ControlByte { line: 9 });
    }
}

#[test]
fn a_line_of_100_megabytes_never_buffers_more_than_the_bound() {
    let mut decoder = EnvironmentDecoder::new();
    let mut buffer = BytesMut::from(&b"agi_network: yes\nagi_network_script: "[..]);
    let mut error = None;
    for _ in 0..100_000 {
        buffer.extend_from_slice(&[b'x'; 1_000]);
        match decoder.decode(&mut buffer) {
            Ok(_) => assert!(buffer.len() <= BLOCK_BYTES_MAX),
            Err(e) => {
                error = Some(e);
                break;
            }
        }
    }
    assert_eq!(error, Some(EnvironmentError::LineTooLong { line: 2 }));
    assert!(buffer.len() <= LINE_BYTES_MAX + 1_100);
}

#[test]
fn too_many_arguments_and_too_long_a_block_are_refused() {
    let with = |count: usize, size: usize| {
        let mut block = GENUINE.split("agi_arg_1").next().unwrap().to_owned();
        (1..=count).for_each(|n| block.push_str(&format!("agi_arg_{n}: {}\n", "x".repeat(size))));
        block + "\n"
    };
    assert_eq!(decode(with(ARGUMENTS_MAX, 10)).unwrap().unwrap().arguments().len(), ARGUMENTS_MAX);
    assert_eq!(error(with(ARGUMENTS_MAX + 1, 10)), EnvironmentError::TooManyArguments);
    assert_eq!(error(with(10, 2_000)), EnvironmentError::BlockTooLong { line: 30 });
}

#[test]
fn half_a_block_is_no_environment_and_at_the_end_of_the_connection_it_is_an_error() {
    let mut decoder = EnvironmentDecoder::new();
    let mut buffer = BytesMut::from(&GENUINE.as_bytes()[..GENUINE.len() - 1]);
    assert!(decoder.decode(&mut buffer).unwrap().is_none());
    assert_eq!(decoder.decode_eof(&mut buffer).unwrap_err(), EnvironmentError::Cut { line: 25 });
    assert!(EnvironmentDecoder::new().decode_eof(&mut BytesMut::new()).unwrap().is_none());
}
