//! `upgrade`: another process takes over from the running server.

use super::args::Global;
use super::backend::{overrides, said, unexpected};
use super::exit::{Exit, Failure};
use super::print;
use crate::config::Config;
use crate::control::{Client, NotHandedOver, Reply, Request};
use clap::Args;
use std::path::PathBuf;

#[derive(Debug, Args)]
#[command(after_help = "The new program checks itself, the configuration and the store first. Where it can't take over, the running \
server goes on as before, and this command fails with the reason. To go back, name the old program.")]
pub(super) struct UpgradeArgs {
    /// The program that takes over [default: the running server's, as it is on the disk now]
    #[arg(long, value_name = "FILE")]
    binary: Option<PathBuf>,
}

pub(super) fn upgrade(global: &Global, args: &UpgradeArgs) -> Result<Exit, Failure> {
    let absolute = |file: &PathBuf| {
        // the server may have another directory
        std::fs::canonicalize(file).map_err(|e| Failure::new(Exit::BadInput, format!("{} can't be run ({e})", file.display())))
    };
    let program = args.binary.as_ref().map(absolute).transpose()?;
    let mut client = Client::connect(&Config::load(overrides(global))?.admin)?;
    match client.ask(&Request::Upgrade { program })? {
        Reply::Upgraded(new) if global.json => print::json(&new),
        Reply::Upgraded(new) => print::out(&format!(
            "pid {} has taken over ({}, version {}) after {} ms; the old process finishes {} sessions and ends\n",
            new.pid,
            new.program.display(),
            new.version,
            new.took_ms,
            new.sessions
        )),
        Reply::NotUpgraded(NotHandedOver::Unfit(why)) => {
            return Err(Failure::new(Exit::BadInput, format!("{why}; the running server goes on as before")));
        }
        Reply::NotUpgraded(NotHandedOver::Busy(why)) => {
            return Err(Failure::new(Exit::Store, format!("{why}; the running server goes on as before")));
        }
        reply => {
            said(reply)?;
            return Err(unexpected());
        }
    }
    Ok(Exit::Done)
}
