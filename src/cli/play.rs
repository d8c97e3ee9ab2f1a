//! `call` and `bench`: the switch's side, from the command line.

use super::args::Global;
use super::backend::overrides;
use super::conversation::{conversation_json, conversation_text, outcome_text};
use super::exit::{Exit, Failure};
use super::play_args::{BenchArgs, CallArgs, SwitchArgs};
use super::print;
use crate::config::Config;
use crate::play::{CallError, CallFields, Conversation, LoadPlan, LoadWay, Pace, SocketMode, Way, call_by, run_load_by};
use crate::routing::DEFAULT_TENANT;
use std::net::SocketAddr;
use std::time::Duration;

/// How long a played call waits for the server.
const CALL_WAIT_MAX: Duration = Duration::from_secs(10);
/// `agi_callingpres` of a caller who withholds a number that is there: restricted, passed by the network.
pub(super) const WITHHELD: u8 = 0x21;
/// Steps from number to number of a mixed order: a prime, so that every number has its turn unless there are a
/// multiple of it.
const STRIDE: u64 = 7_919;

pub(super) fn call(global: &Global, args: &CallArgs) -> Result<Exit, Failure> {
    let way = way(&args.switch)?;
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
        ..if way == Way::FastAgi { CallFields::default() } else { CallFields::freeswitch() }
    };
    let conversation = play(way, address(global, &args.switch, way)?, &fields)?;
    if global.json {
        print::json(&conversation_json(&conversation));
    } else {
        print::out(&conversation_text(&conversation));
        print::line(&outcome_text(&conversation));
    }
    let found = match way {
        Way::Name => conversation.variable("profile:caller_id_name").is_some(),
        _ => matches!(conversation.answer("STATUS"), Some(b"found" | b"ok")),
    };
    Ok(if found { Exit::Done } else { Exit::NotFound })
}

fn tenant_argument(global: &Global) -> Option<String> {
    (global.tenant != DEFAULT_TENANT).then(|| format!("tenant={}", global.tenant))
}

/// Which way is meant.
fn way(args: &SwitchArgs) -> Result<Way, Failure> {
    let bad = |text: &str| Err(Failure::new(Exit::BadInput, text));
    let mode = if args.in_async_mode { SocketMode::Async } else { SocketMode::Static };
    match (args.switch.as_str(), args.via.as_deref()) {
        ("freeswitch", None | Some("socket")) => Ok(Way::Socket(mode)),
        (_, _) if args.in_async_mode => bad("--async is for --switch freeswitch --via socket"),
        ("freeswitch", Some("xml")) => Ok(Way::Xml),
        ("freeswitch", _) => Ok(Way::Name),
        (_, Some(_)) => bad("--via is for --switch freeswitch; Asterisk asks over FastAGI"),
        (_, None) => Ok(Way::FastAgi),
    }
}

/// The address that was named for the way, else the configuration's.
fn address(global: &Global, args: &SwitchArgs, way: Way) -> Result<SocketAddr, Failure> {
    let named = match way {
        Way::FastAgi => args.agi,
        Way::Socket(_) => args.esl,
        Way::Xml | Way::Name => args.lookup_http,
    };
    match named {
        Some(address) => Ok(address),
        None => {
            let config = Config::load(overrides(global))?;
            Ok(match way {
                Way::FastAgi => config.agi,
                Way::Socket(_) => config.esl,
                Way::Xml | Way::Name => config.lookup_http,
            })
        }
    }
}

/// The flag that names a way's address.
fn address_flag(way: Way) -> &'static str {
    match way {
        Way::FastAgi => "--agi",
        Way::Socket(_) => "--esl",
        Way::Xml | Way::Name => "--lookup-http",
    }
}

/// Plays a call to its end.
pub(super) fn play(way: Way, address: SocketAddr, fields: &CallFields) -> Result<Conversation, Failure> {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|e| Failure::new(Exit::Trouble, e.to_string()))?;
    runtime.block_on(call_by(way, address, fields, CALL_WAIT_MAX)).map_err(|error| {
        let remedy = match error {
            CallError::Refused { .. } => format!("; start one with strowger serve, or name its address with {}", address_flag(way)),
            _ => String::new(),
        };
        let then = match (&error, way) {
            (_, Way::FastAgi) => "",
            (CallError::TimedOut { .. }, Way::Socket(_)) => "; a real call would wait until the server closes, for ever if need be",
            (CallError::NoAnswer, Way::Socket(SocketMode::Async)) => "; a real call would be PARKED FOR EVER",
            _ => "; a real call would go on in the switch's own dialplan",
        };
        Failure::new(Exit::NoServer, format!("the call to {address} was not answered: {error}{then}{remedy}"))
    })
}

pub(super) fn bench(global: &Global, args: &BenchArgs) -> Result<Exit, Failure> {
    let bad = |text: String| Failure::new(Exit::BadInput, text);
    let seconds = Duration::try_from_secs_f64(args.seconds).map_err(|_| bad(format!("--seconds {} is no time", args.seconds)))?;
    let way = way(&args.switch)?;
    if args.keep_alive && !matches!(way, Way::Xml | Way::Name) {
        return Err(bad("--keep-alive is for --via xml and --via name".to_owned()));
    }
    let address = address(global, &args.switch, way)?;
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
    let report = run_load_by(LoadWay { way, keep_alive: args.keep_alive }, &plan, move |n| (from.nth(n), to.nth(n)))
        .map_err(|e| bad(e.to_string()))?;
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
