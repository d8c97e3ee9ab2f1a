//! What a played call looks like: the conversation for reading, and what the caller experiences.

use super::print;
use crate::play::{Afterwards, Conversation, Direction};
use serde_json::{Value, json};

/// Runs of lines or fields that the switch wrote and that are longer than this are folded.
const UNFOLDED_MAX: usize = 60;

/// What of a call is shown where FreeSWITCH tells it in 167 headers or fields: who calls whom, how, and what the dialplan
/// handed along.
const SHOWN: &[&str] = &[
    "Event-Name",
    "section",
    "Unique-ID",
    "Caller-Caller-ID-Name",
    "Caller-Caller-ID-Number",
    "Caller-Destination-Number",
    "Caller-Context",
    "Caller-Privacy-Hide-Name",
    "Caller-Privacy-Hide-Number",
    "variable_socket_path",
    "Content-Type",
    "Reply-Text",
    "Socket-Mode",
    "Control",
];

/// Begins the names of the variables that are for us.
const OURS: &str = "variable_strowger_";

fn arrow(direction: Direction) -> &'static str {
    match direction {
        Direction::FromSwitch => "<",
        Direction::FromServer => ">",
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// All of a conversation, nothing folded.
pub(super) fn conversation_json(conversation: &Conversation) -> Value {
    let lines: Vec<_> = conversation.lines.iter().map(|(d, line)| json!([arrow(*d), text(line)])).collect();
    let variables: serde_json::Map<_, _> = conversation.variables.iter().map(|(n, v)| (n.clone(), text(v).into())).collect();
    let (word, actions) = match &conversation.afterwards {
        Afterwards::Continues => ("continues", None),
        Afterwards::ParkedForEver { .. } => ("parked", None),
        Afterwards::Waits => ("waits", None),
        Afterwards::OwnDialplan { .. } => ("own-dialplan", None),
        Afterwards::NameLeftAlone => ("name-left-alone", None),
        Afterwards::Executes(actions) => ("executes", Some(actions)),
    };
    json!({
        "variables": variables,
        "elapsed_us": conversation.elapsed.as_micros() as u64,
        "afterwards": word,
        "actions": actions,
        "findings": conversation.findings,
        "conversation": lines,
    })
}

/// The conversation as transcripts are written: `<` from the switch, `>` to it.
pub(super) fn conversation_text(conversation: &Conversation) -> String {
    let mut out = String::new();
    let mut line = |direction, text: &str| out.push_str(&format!("{} {text}\n", arrow(direction)));
    for run in conversation.lines.chunk_by(|a, b| a.0 == b.0) {
        let direction = run[0].0;
        let told = |(_, bytes): &(_, Vec<u8>)| direction == Direction::FromSwitch && field_name(bytes, b':').is_some();
        let block = run.iter().position(|l| !told(l)).unwrap_or(run.len());
        let block = if block > UNFOLDED_MAX { block } else { 0 };
        for shown in folded(run[..block].iter().map(|(_, bytes)| bytes.as_slice()), b':', "headers") {
            line(direction, &shown);
        }
        for (_, bytes) in &run[block..] {
            let fields = bytes.split(|byte| *byte == b'&');
            if direction == Direction::FromSwitch && fields.clone().count() > UNFOLDED_MAX {
                folded(fields, b'=', "fields").iter().for_each(|shown| line(direction, shown));
            } else if bytes.starts_with(b"^^\x01") {
                // a list of variables is read better one under the other
                line(direction, &print::shown_bytes(&bytes[..3]));
                bytes[3..].split(|byte| *byte == 1).for_each(|pair| line(direction, &format!("  {}", print::shown_bytes(pair))));
            } else {
                line(direction, &print::shown_bytes(bytes));
            }
        }
    }
    for finding in &conversation.findings {
        out.push_str(&format!("! {}\n", print::shown(finding)));
    }
    out
}

fn field_name(bytes: &[u8], mark: u8) -> Option<&[u8]> {
    bytes.iter().position(|byte| *byte == mark).map(|at| &bytes[..at])
}

/// The lines or fields that matter, and how many more there were.
fn folded<'a>(fields: impl Iterator<Item = &'a [u8]>, mark: u8, what: &str) -> Vec<String> {
    let (mut shown, mut more) = (Vec::new(), 0);
    for bytes in fields {
        let name = field_name(bytes, mark).map(String::from_utf8_lossy).unwrap_or_default();
        if SHOWN.contains(&&*name) || name.starts_with(OURS) {
            shown.push(print::shown_bytes(bytes));
        } else {
            more += 1;
        }
    }
    if more > 0 {
        shown.push(format!("… {more} more {what}"));
    }
    shown
}

/// What the caller experiences, in a sentence.
pub(super) fn outcome_text(conversation: &Conversation) -> String {
    let took = format!("answered in {} µs", conversation.elapsed.as_micros());
    match &conversation.afterwards {
        Afterwards::ParkedForEver { because } => return format!("PARKED FOR EVER: {because} ({took})"),
        Afterwards::OwnDialplan { because } => return format!("the switch's own dialplan applies: {because} ({took})"),
        Afterwards::Waits => return format!("the server kept the connection open: a real call would still be waiting ({took})"),
        Afterwards::NameLeftAlone => return format!("the caller's name is left as it is ({took})"),
        Afterwards::Executes(actions) if conversation.answer("STATUS").is_none() => {
            return format!("the switch executes {} ({took})", actions_text(actions));
        }
        Afterwards::Continues | Afterwards::Executes(_) => {}
    }
    if let (Some(name), None) = (conversation.variable("profile:caller_id_name"), conversation.answer("STATUS")) {
        return format!("the caller is shown as {:?} ({took})", print::shown_bytes(name));
    }
    let value = |name: &str| conversation.answer(name).map(print::shown_bytes).unwrap_or_default();
    let (status, action, target, name) = (value("STATUS"), value("ACTION"), value("TARGET"), value("NAME"));
    let what = match action.as_str() {
        "dial" => {
            let who = if name.is_empty() { "and the directory adds no name".to_owned() } else { format!("with {name:?} on the display") };
            format!("rings {} for {} s, {who}", target.replace(['&', ','], " and "), value("TIMEOUT"))
        }
        "voicemail" => format!("the caller speaks to mailbox {target}"),
        "queue" => format!("the caller waits in queue {target}"),
        "conference" => format!("the caller joins room {target}"),
        "playback" => format!("the caller hears {target}"),
        "goto" => format!("the call goes on at {target}"),
        "busy" => "the caller hears busy".to_owned(),
        "congestion" => "the caller hears congestion".to_owned(),
        "hangup" => "the call ends".to_owned(),
        "continue" if name.is_empty() => "the dialplan's own default runs".to_owned(),
        "continue" => format!("the dialplan goes on, with {name:?} as the caller's name"),
        _ => "the dialplan's own default runs: there was no answer".to_owned(),
    };
    // a document hands the token out behind the step, for when that has failed
    let is_in_document = match &conversation.afterwards {
        Afterwards::Executes(actions) => actions.iter().any(|(_, data)| data.contains("strowger_step=1.")),
        _ => false,
    };
    let has_next = is_in_document || !value("STEP").is_empty();
    let then = if has_next { "; if that fails, the next step is asked for" } else { "" };
    format!("{what}{then} (status {status}, reason {}, answered in {} µs)", value("REASON"), conversation.elapsed.as_micros())
}

fn actions_text(actions: &[(String, String)]) -> String {
    let action = |(application, data): &(String, String)| print::shown(format!("{application} {data}").trim_end());
    actions.iter().map(action).collect::<Vec<_>>().join("; ")
}
