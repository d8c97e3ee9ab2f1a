//! `call` and `bench`: the switch's side, from the command line.

use super::args::{BenchArgs, CallArgs, Global};
use super::backend::overrides;
use super::exit::{Exit, Failure};
use super::print;
use crate::config::Config;
use crate::play::{CallError, CallFields, Conversation, Direction, LoadPlan, Pace, call as play_call, run_load};
use crate::routing::DEFAULT_TENANT;
use serde_json::json;
use std::net::SocketAddr;
use std::time::Duration;

/// How long a played call waits for the server.
const CALL_WAIT_MAX: Duration = Duration::from_secs(10);
/// `agi_callingpres` of a caller who withholds a number that is there: restricted, passed by the network.
const WITHHELD: u8 = 0x21;
/// Steps from number to number of a mixed order: a prime, so that every number has its turn unless there are a
/// multiple of it.
const STRIDE: u64 = 7_919;

pub(super) fn call(global: &Global, args: &CallArgs) -> Result<Exit, Failure> {
    let mut arguments = Vec::new();
    arguments.extend(tenant_argument(global));
    arguments.extend(args.step.as_ref().map(|s| format!("step={s}")));
    arguments.extend(args.status.as_ref().map(|s| format!("status={s}")));
    let fields = CallFields {
        request: args.request.clone(),
        caller_number: args.from.clone(),
        caller_name: args.name.clone(),
        presentation: args.withheld.then_some(WITHHELD),
        extension: args.to.clone(),
        arguments,
        ..CallFields::default()
    };
    let conversation = play(address(global, args.agi)?, &fields)?;
    if global.json {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let lines: Vec<_> = conversation.lines.iter().map(|(d, line)| json!([arrow(*d), text(line)])).collect();
        let variables: serde_json::Map<_, _> = conversation.variables.iter().map(|(n, v)| (n.clone(), text(v).into())).collect();
        print::json(&json!({ "variables": variables, "elapsed_us": conversation.elapsed.as_micros() as u64, "conversation": lines }));
    } else {
        print::out(&conversation_text(&conversation));
        print::line(&outcome_text(&conversation));
    }
    let found = matches!(conversation.variable("STROWGER_STATUS"), Some(b"found" | b"ok"));
    Ok(if found { Exit::Done } else { Exit::NotFound })
}

fn tenant_argument(global: &Global) -> Option<String> {
    (global.tenant != DEFAULT_TENANT).then(|| format!("tenant={}", global.tenant))
}

/// The address that was named, else the configuration's.
fn address(global: &Global, named: Option<SocketAddr>) -> Result<SocketAddr, Failure> {
    match named {
        Some(address) => Ok(address),
        None => Ok(Config::load(overrides(global))?.agi),
    }
}

/// Plays a call to its end.
pub(super) fn play(address: SocketAddr, fields: &CallFields) -> Result<Conversation, Failure> {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|e| Failure::new(Exit::Trouble, e.to_string()))?;
    runtime.block_on(play_call(address, fields, CALL_WAIT_MAX)).map_err(|error| {
        let remedy = match error {
            CallError::Refused { .. } => "; start one with strowger serve, or name its address with --agi",
            _ => "",
        };
        Failure::new(Exit::NoServer, format!("the call to {address} was not answered: {error}{remedy}"))
    })
}

fn arrow(direction: Direction) -> &'static str {
    match direction {
        Direction::FromSwitch => "<",
        Direction::FromServer => ">",
    }
}

/// The conversation as transcripts are written: `<` from the switch, `>` to it.
pub(super) fn conversation_text(conversation: &Conversation) -> String {
    let mut text = String::new();
    for (direction, line) in &conversation.lines {
        text.push_str(&format!("{} {}\n", arrow(*direction), print::shown_bytes(line)));
    }
    text
}

/// What the caller experiences, in a sentence.
pub(super) fn outcome_text(conversation: &Conversation) -> String {
    let value = |name: &str| conversation.variable(&format!("STROWGER_{name}")).map(print::shown_bytes).unwrap_or_default();
    let (status, action, target, name) = (value("STATUS"), value("ACTION"), value("TARGET"), value("NAME"));
    let what = match action.as_str() {
        "dial" => {
            let who = if name.is_empty() { "and the directory adds no name".to_owned() } else { format!("with {name:?} on the display") };
            format!("rings {} for {} s, {who}", target.replace('&', " and "), value("TIMEOUT"))
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
    let then = if value("STEP").is_empty() { "" } else { "; if that fails, the next step is asked for" };
    format!("{what}{then} (status {status}, reason {}, answered in {} µs)", value("REASON"), conversation.elapsed.as_micros())
}

pub(super) fn bench(global: &Global, args: &BenchArgs) -> Result<Exit, Failure> {
    let bad = |text: String| Failure::new(Exit::BadInput, text);
    let seconds = Duration::try_from_secs_f64(args.seconds).map_err(|_| bad(format!("--seconds {} is no time", args.seconds)))?;
    let address = address(global, args.agi)?;
    let mut arguments = Vec::new();
    arguments.extend(tenant_argument(global));
    let plan = LoadPlan {
        address,
        request: args.request.clone(),
        arguments,
        pace: args.rate.map_or(Pace::Closed, |calls_per_second| Pace::Open { calls_per_second }),
        connections: args.connections,
        calls_max: args.calls,
        duration_max: Some(seconds),
        wait_max: CALL_WAIT_MAX,
        expect: match args.expect.as_deref() {
            Some("found") => Some(|status| status == b"found"),
            Some(_) => Some(|status| status == b"unknown"),
            None => None,
        },
    };
    let (to, from) = (Series::new(&args.to, args.to_count)?, Series::new(&args.from, args.from_count)?);
    let report = run_load(&plan, move |n| (from.nth(n), to.nth(n))).map_err(|e| bad(e.to_string()))?;
    if global.json {
        print::json(&report);
    } else {
        print::out(&report.to_string());
    }
    if report.calls == report.failed.total() {
        Err(Failure::new(Exit::NoServer, format!("not one call to {} was answered", address)))
    } else {
        Ok(Exit::Done)
    }
}

/// Numbers that follow each other.
struct Series {
    plus: bool,
    first: u64,
    width: usize,
    count: u64,
}

impl Series {
    fn new(first: &str, count: u64) -> Result<Series, Failure> {
        let digits = first.strip_prefix('+').unwrap_or(first);
        match digits.parse::<u64>() {
            Ok(value) if digits.len() <= 15 && count > 0 => {
                Ok(Series { plus: first.starts_with('+'), first: value, width: digits.len(), count })
            }
            _ => Err(Failure::new(
                Exit::BadInput,
                format!(
                    "{first:?} with a count of {count} is no series of numbers; write digits, with or without +, and a count of 1 or more"
                ),
            )),
        }
    }

    fn nth(&self, n: u64) -> String {
        let value = self.first + n.wrapping_mul(STRIDE) % self.count;
        format!("{}{value:0width$}", if self.plus { "+" } else { "" }, width = self.width)
    }
}
