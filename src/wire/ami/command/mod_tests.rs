//! Tests of [`super`]; see also `tests/ami_wire.rs` and `tests/ami_transcripts.rs`.

use super::*;

const ID: ActionId = ActionId::from_static("a-1");

fn written(write: impl FnOnce(&mut BytesMut) -> Result<(), CommandError>) -> Result<String, CommandError> {
    let mut out = BytesMut::from("kept");
    let result = write(&mut out);
    let text = String::from_utf8(out.to_vec()).unwrap().strip_prefix("kept").unwrap().to_owned();
    assert!(result.is_ok() || text.is_empty(), "something was written of an action that was refused");
    result.map(|()| text)
}

fn bare_of(write: impl FnOnce(&mut BytesMut)) -> String {
    written(|out| {
        write(out);
        Ok(())
    })
    .unwrap()
}

#[test]
fn a_login_by_challenge_sends_the_key_and_never_the_secret() {
    assert_eq!(key(b"149122768", "lab-secret"), "60718f7f7ae7664d9a2a60ad2c773646");
    assert_eq!(written(|out| challenge(&ID, out)).unwrap(), "Action: Challenge\r\nActionID: a-1\r\nAuthType: MD5\r\n\r\n");
    assert_eq!(
        written(|out| login_md5(&ID, "lab", "lab-secret", b"149122768", EventMask::Off, out)).unwrap(),
        "Action: Login\r\nActionID: a-1\r\nAuthType: MD5\r\nUsername: lab\r\nKey: 60718f7f7ae7664d9a2a60ad2c773646\r\nEvents: off\r\n\r\n"
    );
    assert!(written(|out| login_md5(&ID, "lab", "two\nlines", b"1", EventMask::Off, out)).is_ok());
    assert_eq!(written(|out| login_md5(&ID, "lab", "", b"1", EventMask::Off, out)), Err(CommandError::Unwritable { field: "secret" }));
}

#[test]
fn a_plain_login_refuses_what_asterisk_would_read_as_something_else() {
    assert_eq!(
        written(|out| login_plain(&ID, "lab", "lab-secret", EventMask::All, out)).unwrap(),
        "Action: Login\r\nActionID: a-1\r\nUsername: lab\r\nSecret: lab-secret\r\nEvents: on\r\n\r\n"
    );
    let login = |user: &str, secret: &str| written(|out| login_plain(&ID, user, secret, EventMask::Off, out)).unwrap_err();
    assert_eq!(login("lab\r\nAction: Originate", "x"), CommandError::ControlCharacter { field: "user" });
    assert_eq!(login("lab", "x\ny"), CommandError::ControlCharacter { field: "secret" });
    assert_eq!(login("", "x"), CommandError::Unwritable { field: "user" });
    assert_eq!(login("lab", " x"), CommandError::Unwritable { field: "secret" });
}

#[test]
fn a_mask_is_made_of_classes_that_asterisk_knows() {
    let mask = |mask: EventMask<'_>| written(|out| events(&ID, mask, out)).unwrap();
    let both = [EventClass::Call, EventClass::User];
    assert_eq!(mask(EventMask::Classes(&both)), "Action: Events\r\nActionID: a-1\r\nEventMask: call,user\r\n\r\n");
    assert_eq!(mask(EventMask::Classes(&[])), "Action: Events\r\nActionID: a-1\r\nEventMask: off\r\n\r\n");
}

#[test]
fn a_filter_is_an_expression_that_is_held_to_the_events_name() {
    let names = [EventName::from_static("Newchannel"), EventName::from_static("Hangup")];
    let head = "Action: Filter\r\nActionID: a-1\r\nOperation: Add\r\nFilter: ";
    let only = written(|out| filter(&ID, Filter::Only(&names), out)).unwrap();
    assert_eq!(only, format!("{head}^Event: (Newchannel|Hangup)[[:cntrl:]]\r\n\r\n"));
    let except = written(|out| filter(&ID, Filter::Except(&names[..1]), out)).unwrap();
    assert_eq!(except, format!("{head}!^Event: (Newchannel)[[:cntrl:]]\r\n\r\n"));
    assert_eq!(written(|out| filter(&ID, Filter::Only(&[]), out)), Err(CommandError::NoEvents));
    let many = vec![EventName::from_static("AttendedTransfer"); 80];
    assert_eq!(written(|out| filter(&ID, Filter::Only(&many), out)), Err(CommandError::LineTooLong { field: "filter" }));
}

#[test]
fn questions_are_their_name_and_their_id() {
    assert_eq!(bare_of(|out| ping(&ID, out)), "Action: Ping\r\nActionID: a-1\r\n\r\n");
    assert_eq!(bare_of(|out| logoff(&ID, out)), "Action: Logoff\r\nActionID: a-1\r\n\r\n");
    assert_eq!(bare_of(|out| core_show_channels(&ID, out)), "Action: CoreShowChannels\r\nActionID: a-1\r\n\r\n");
    assert_eq!(bare_of(|out| device_state_list(&ID, out)), "Action: DeviceStateList\r\nActionID: a-1\r\n\r\n");
    assert_eq!(bare_of(|out| status(&ID, out)), "Action: Status\r\nActionID: a-1\r\n\r\n");
}

#[test]
fn an_action_is_refused_at_the_limits_that_asterisk_has() {
    let (originate, variable) = (ActionName::from_static("Originate"), HeaderName::from_static("Variable"));
    let act = |headers: &[(HeaderName, &str)]| written(|out| action(&ID, &originate, headers, out));
    assert_eq!(
        act(&[(variable.clone(), "a=1: x "), (variable.clone(), "")]).unwrap(),
        "Action: Originate\r\nActionID: a-1\r\nVariable: a=1: x \r\nVariable: \r\n\r\n"
    );
    let room = ACTION_LINE_BYTES_MAX - "Variable: \r\n".len();
    assert!(act(&[(variable.clone(), &"x".repeat(room))]).is_ok());
    assert_eq!(act(&[(variable.clone(), &"x".repeat(room + 1))]), Err(CommandError::LineTooLong { field: "value of a header" }));
    assert!(act(&vec![(variable.clone(), "x"); ACTION_LINES_MAX - 2]).is_ok());
    assert_eq!(act(&vec![(variable.clone(), "x"); ACTION_LINES_MAX - 1]), Err(CommandError::TooManyLines));
    for bad in ["a\r\n\r\nAction: Command", "a\n", "a\0", "\t", "a\u{85}", "a\u{2028}"] {
        assert_eq!(act(&[(variable.clone(), bad)]), Err(CommandError::ControlCharacter { field: "value of a header" }), "{bad:?}");
    }
}
