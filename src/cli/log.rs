//! `log`: what the server logs, plane by plane.

use super::args::Global;
use super::backend::{overrides, unexpected};
use super::exit::{Exit, Failure};
use super::print;
use crate::config::Config;
use crate::control::{Client, Reply, Request};
use clap::Args;
use std::collections::BTreeMap;

#[derive(Debug, Args)]
pub(super) struct LogArgs {
    /// PLANE=LEVEL sets (planes: call, event, control, store, all; levels: off, error, warn, info, debug, trace), reset goes
    /// back to the configuration; shows what holds if nothing is said
    #[arg(value_name = "CHANGE")]
    changes: Vec<String>,
}

pub(super) fn log(global: &Global, args: &LogArgs) -> Result<Exit, Failure> {
    let (resets, set): (Vec<String>, Vec<String>) = args.changes.iter().cloned().partition(|change| change == "reset");
    // a log is a running server's
    let mut client = Client::connect(&Config::load(overrides(global))?.admin)?;
    let levels = match client.ask(&Request::Log { reset: !resets.is_empty(), set })? {
        Reply::Log { levels } => levels,
        Reply::BadInput(why) => return Err(Failure::new(Exit::BadInput, why)),
        _ => return Err(unexpected()),
    };
    if global.json {
        print::json(&levels.into_iter().collect::<BTreeMap<_, _>>());
    } else {
        print::out(&print::columns(&levels.into_iter().map(|(plane, level)| vec![plane, level]).collect::<Vec<_>>()));
    }
    Ok(Exit::Done)
}
