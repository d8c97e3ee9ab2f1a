//! Any values into actions: what is written has exactly the lines that were meant, and what is refused leaves nothing.

use crate::pieces;
use bytes::BytesMut;
use strowger_fuzz::wire::ami::{
    ActionId, ActionName, EventMask, EventName, Filter, HeaderName,
    command::{self, ACTION_LINE_BYTES_MAX, ACTION_LINES_MAX},
};

const ID: ActionId = ActionId::from_static("id-1");

/// The lines of an action, if it was written.
fn lines(write: impl FnOnce(&mut BytesMut) -> bool) -> Option<Vec<String>> {
    let mut out = BytesMut::new();
    if !write(&mut out) {
        assert!(out.is_empty(), "something was written of an action that was refused");
        return None;
    }
    let text = String::from_utf8(out.to_vec()).expect("only text is written");
    let lines: Vec<_> = text.strip_suffix("\r\n\r\n").expect("an action ends with a blank line").split("\r\n").map(str::to_owned).collect();
    assert!(lines.len() <= ACTION_LINES_MAX && lines[1] == "ActionID: id-1");
    for line in &lines {
        assert!(line.len() + 2 <= ACTION_LINE_BYTES_MAX && line.contains(": ") && !line.contains(char::is_control));
    }
    Some(lines)
}

pub fn run(input: &[u8]) {
    let values: Vec<_> = pieces::values(input).into_iter().map(String::from_utf8_lossy).collect();
    let headers: Vec<_> = values.iter().map(|value| (HeaderName::from_static("Variable"), &**value)).collect();
    let originate = ActionName::from_static("Originate");
    if let Some(lines) = lines(|out| command::action(&ID, &originate, &headers, out).is_ok()) {
        assert!(lines[2..].iter().map(|line| line.strip_prefix("Variable: ").expect("no other was given")).eq(values.iter()));
    }
    let (user, secret) = (&*values[0], &**values.last().expect("an input is one value at least"));
    let plain = lines(|out| command::login_plain(&ID, user, secret, EventMask::Off, out).is_ok());
    assert!(plain.is_none_or(|lines| lines[2..] == [format!("Username: {user}"), format!("Secret: {secret}"), "Events: off".to_owned()]));
    let md5 = lines(|out| command::login_md5(&ID, user, secret, secret.as_bytes(), EventMask::All, out).is_ok());
    assert!(md5.is_none_or(|lines| lines.len() == 6 && lines[3] == format!("Username: {user}")));
    let names: Vec<_> = values.iter().filter_map(|value| EventName::new(value).ok()).collect();
    let filter = lines(|out| command::filter(&ID, Filter::Only(&names), out).is_ok());
    assert!(filter.is_none_or(|lines| lines[3].matches(['|', '(']).count() == names.len()));
}
