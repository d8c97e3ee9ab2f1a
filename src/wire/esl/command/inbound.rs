//! Commands of the inbound side, where we connect to FreeSWITCH: log in, subscribe, ask.
//!
//! Facts that shaped it (transcripts `in-01-auth-ok` … `in-12-custom-sendevent`, `out-07-filter`):
//!
//! * In `event json …` everything behind `CUSTOM` is a subclass; an event named there would silently not come.
//! * A filter's value that begins with `-` takes the filter away, and one that begins with `/` is a pattern.
//! * An `api` holds all else on its connection up, events too; `bgapi` answers at once, and its result comes as an event.

use super::{ApiName, CommandError, EventName, HeaderName, JobId, Subclass};
use crate::wire::clean::is_control;
use bytes::BytesMut;

/// Appends `auth`: the answer to the banner. Answered `+OK accepted`, or `-ERR invalid` and the end.
///
/// # Errors
/// When the password is empty or holds a control character.
pub fn auth(password: &str, out: &mut BytesMut) -> Result<(), CommandError> {
    check("password", password, |_| true)?;
    line(&["auth ", password], out);
    Ok(())
}

/// Appends `userauth`: logs in as a user of the directory, whose rights limit what may be asked.
///
/// # Errors
/// When a text is empty, holds a control character, or `@`, or (but for the password) `:`.
pub fn userauth(user: &str, domain: &str, password: &str, out: &mut BytesMut) -> Result<(), CommandError> {
    check("user", user, |text| !text.contains(['@', ':']))?;
    check("domain", domain, |text| !text.contains(['@', ':']))?;
    check("password", password, |text| !text.contains('@'))?;
    line(&["userauth ", user, "@", domain, ":", password], out);
    Ok(())
}

/// Appends the subscription to these kinds of events and of custom events, as JSON. It adds to what is subscribed to.
///
/// # Errors
/// [`CommandError::NoEvents`] for none of either.
pub fn events_json(names: &[EventName], subclasses: &[Subclass], out: &mut BytesMut) -> Result<(), CommandError> {
    if names.is_empty() && subclasses.is_empty() {
        return Err(CommandError::NoEvents);
    }
    out.extend_from_slice(b"event json");
    let custom = (!subclasses.is_empty()).then_some("CUSTOM");
    for word in names.iter().map(EventName::as_str).chain(custom).chain(subclasses.iter().map(Subclass::as_str)) {
        out.extend_from_slice(b" ");
        out.extend_from_slice(word.as_bytes());
    }
    out.extend_from_slice(b"\n\n");
    Ok(())
}

/// Appends a filter: only events with this value in this header come. Filters on several headers are OR-ed.
///
/// # Errors
/// When the value is empty, holds a control character, or begins with `-` or `/`.
pub fn filter(header: &HeaderName, value: &str, out: &mut BytesMut) -> Result<(), CommandError> {
    check("filter's value", value, |text| !text.starts_with(['-', '/', ' ']))?;
    line(&["filter ", header.as_str(), " ", value], out);
    Ok(())
}

/// Appends an API command. The answer is an `api/response`, and everything behind waits for it.
///
/// # Errors
/// When the argument holds a control character.
pub fn api(name: &ApiName, argument: &str, out: &mut BytesMut) -> Result<(), CommandError> {
    api_words("api ", name, argument, out)?;
    out.extend_from_slice(b"\n");
    Ok(())
}

/// Appends an API command to be run in the background; its result is a `BACKGROUND_JOB` event with this `Job-UUID`.
///
/// # Errors
/// When the argument holds a control character.
pub fn bgapi(name: &ApiName, argument: &str, job: &JobId, out: &mut BytesMut) -> Result<(), CommandError> {
    api_words("bgapi ", name, argument, out)?;
    line(&["Job-UUID: ", job.as_str()], out);
    Ok(())
}

/// The first line of either kind of API command.
fn api_words(verb: &str, name: &ApiName, argument: &str, out: &mut BytesMut) -> Result<(), CommandError> {
    if !argument.is_empty() {
        check("argument", argument, |_| true)?;
    }
    out.extend_from_slice(verb.as_bytes());
    out.extend_from_slice(name.as_str().as_bytes());
    if !argument.is_empty() {
        out.extend_from_slice(b" ");
        out.extend_from_slice(argument.as_bytes());
    }
    out.extend_from_slice(b"\n");
    Ok(())
}

fn check(field: &'static str, text: &str, fits: impl Fn(&str) -> bool) -> Result<(), CommandError> {
    if text.contains(is_control) {
        Err(CommandError::ControlCharacter { field })
    } else if text.is_empty() || !fits(text) {
        Err(CommandError::Unwritable { field })
    } else {
        Ok(())
    }
}

/// A command's last line.
fn line(words: &[&str], out: &mut BytesMut) {
    for word in words {
        out.extend_from_slice(word.as_bytes());
    }
    out.extend_from_slice(b"\n\n");
}

#[cfg(test)]
mod tests {
    use super::*;

    const STATUS: ApiName = ApiName::from_static("status");

    fn written(write: impl FnOnce(&mut BytesMut) -> Result<(), CommandError>) -> Result<String, CommandError> {
        let mut out = BytesMut::new();
        let result = write(&mut out);
        assert!(result.is_ok() || out.is_empty(), "something was written of a command that was refused");
        result.map(|()| String::from_utf8(out.to_vec()).unwrap())
    }

    #[test]
    fn commands_are_written_as_they_were_recorded() {
        assert_eq!(written(|out| auth("ClueCon", out)).unwrap(), "auth ClueCon\n\n");
        assert_eq!(written(|out| userauth("esl1", "127.0.0.1", "eslpw", out)).unwrap(), "userauth esl1@127.0.0.1:eslpw\n\n");
        assert_eq!(written(|out| api(&STATUS, "", out)).unwrap(), "api status\n\n");
        assert_eq!(written(|out| api(&ApiName::from_static("show"), "calls", out)).unwrap(), "api show calls\n\n");
        let job = JobId::from_static("my-own-job");
        assert_eq!(written(|out| bgapi(&STATUS, "", &job, out)).unwrap(), "bgapi status\nJob-UUID: my-own-job\n\n");
        assert_eq!(written(|out| filter(&HeaderName::from_static("Unique-ID"), "x-1", out)).unwrap(), "filter Unique-ID x-1\n\n");
    }

    #[test]
    fn custom_events_come_last_because_all_behind_them_is_a_subclass() {
        let (answer, hangup) = (EventName::from_static("CHANNEL_ANSWER"), EventName::from_static("CHANNEL_HANGUP"));
        let subclass = Subclass::from_static("conference::maintenance");
        assert_eq!(
            written(|out| events_json(&[answer.clone(), hangup], std::slice::from_ref(&subclass), out)).unwrap(),
            "event json CHANNEL_ANSWER CHANNEL_HANGUP CUSTOM conference::maintenance\n\n"
        );
        assert_eq!(written(|out| events_json(&[answer], &[], out)).unwrap(), "event json CHANNEL_ANSWER\n\n");
        assert_eq!(written(|out| events_json(&[], &[subclass], out)).unwrap(), "event json CUSTOM conference::maintenance\n\n");
        assert_eq!(written(|out| events_json(&[], &[], out)), Err(CommandError::NoEvents));
    }

    #[test]
    fn a_text_that_would_be_a_second_command_or_another_one_is_refused() {
        for evil in ["x\n\nexit", "x\r", "\0", "x\u{85}y"] {
            let refused = |field| Err(CommandError::ControlCharacter { field });
            assert_eq!(written(|out| auth(evil, out)), refused("password"));
            assert_eq!(written(|out| userauth("u", "d", evil, out)), refused("password"));
            assert_eq!(written(|out| api(&STATUS, evil, out)), refused("argument"));
            assert_eq!(written(|out| bgapi(&STATUS, evil, &JobId::from_static("j"), out)), refused("argument"));
            assert_eq!(written(|out| filter(&HeaderName::from_static("H"), evil, out)), refused("filter's value"));
        }
        assert!(written(|out| auth("", out)).is_err());
        for (user, domain, password) in [("a@b", "d", "p"), ("a:b", "d", "p"), ("a", "d:e", "p"), ("a", "d", "p@q"), ("", "d", "p")] {
            assert!(written(|out| userauth(user, domain, password, out)).is_err());
        }
        for value in ["-x", "/x/", ""] {
            assert!(written(|out| filter(&HeaderName::from_static("H"), value, out)).is_err());
        }
    }
}
