//! What can be typed to play the switch: `call` and `bench`.

use clap::{Args, Subcommand};
use std::net::SocketAddr;

#[derive(Debug, Args)]
pub(super) struct CallArgs {
    #[command(flatten)]
    pub(super) switch: SwitchArgs,
    /// Call this number
    #[arg(long, value_name = "DID")]
    pub(super) to: String,
    /// Call from this number; leave it out for a caller without one
    #[arg(long, value_name = "NUMBER")]
    pub(super) from: Option<String>,
    /// Send this name along
    #[arg(long, value_name = "NAME")]
    pub(super) name: Option<String>,
    /// Withhold the caller's number
    #[arg(long)]
    pub(super) withheld: bool,
    /// Ask this
    #[arg(long, default_value = "route", value_name = "REQUEST")]
    pub(super) request: String,
    /// Hand this step token back
    #[arg(long, value_name = "TOKEN")]
    pub(super) step: Option<String>,
    /// How the step ended
    #[arg(long, value_name = "DIALSTATUS")]
    pub(super) status: Option<String>,
}

/// Which switch is played, how it asks, and where.
#[derive(Debug, Args)]
pub(super) struct SwitchArgs {
    /// Play this switch
    #[arg(long, value_parser = ["asterisk", "freeswitch"], default_value = "asterisk")]
    pub(super) switch: String,
    /// Ask as FreeSWITCH's socket application does, or over HTTP for a dialplan (xml) or a name [default: socket]
    #[arg(long, value_parser = ["socket", "xml", "name"], value_name = "WAY")]
    pub(super) via: Option<String>,
    /// Call FreeSWITCH's socket application with async
    #[arg(long = "async")]
    pub(super) in_async_mode: bool,
    /// Ask the server here, as Asterisk [default: the configuration's address]
    #[arg(long, env = "STROWGER_AGI", value_name = "ADDRESS")]
    pub(super) agi: Option<SocketAddr>,
    /// Ask the server here, as FreeSWITCH's socket application [default: the configuration's address]
    #[arg(long, env = "STROWGER_ESL", value_name = "ADDRESS")]
    pub(super) esl: Option<SocketAddr>,
    /// Ask the server here, as FreeSWITCH does over HTTP [default: the configuration's address]
    #[arg(long, env = "STROWGER_LOOKUP_HTTP", value_name = "ADDRESS")]
    pub(super) lookup_http: Option<SocketAddr>,
}

#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(super) struct BenchArgs {
    #[command(subcommand)]
    pub(super) special: Option<BenchVerb>,
    #[command(flatten)]
    pub(super) switch: SwitchArgs,
    /// Over HTTP, ask again over the same connection, as no FreeSWITCH does
    #[arg(long)]
    pub(super) keep_alive: bool,
    /// Keep this many calls going at once
    #[arg(long, default_value_t = 16, value_name = "N")]
    pub(super) connections: usize,
    /// Begin this many calls a second, whether the server keeps up or not [default: each connection calls again at once]
    #[arg(long, value_name = "CALLS_PER_SECOND")]
    pub(super) rate: Option<f64>,
    /// Stop after this time
    #[arg(long, default_value_t = 5.0, value_name = "S")]
    pub(super) seconds: f64,
    /// Stop after this many calls
    #[arg(long, value_name = "N")]
    pub(super) calls: Option<u64>,
    /// Ask this
    #[arg(long, default_value = "route", value_name = "REQUEST")]
    pub(super) request: String,
    /// Call this number, and as many that follow it as --to-count says
    #[arg(long, default_value = "+14155550199", value_name = "DID")]
    pub(super) to: String,
    /// Call so many numbers, one after the other
    #[arg(long, default_value_t = 1, value_name = "N")]
    pub(super) to_count: u64,
    /// Call from this number, and as many that follow it as --from-count says
    #[arg(long, default_value = "+14155550101", value_name = "NUMBER")]
    pub(super) from: String,
    /// Call from so many numbers, in mixed order
    #[arg(long, default_value_t = 1, value_name = "N")]
    pub(super) from_count: u64,
    /// Count answers of any other status as failures
    #[arg(long, value_parser = ["found", "unknown"], value_name = "STATUS")]
    pub(super) expect: Option<String>,
}

#[derive(Debug, Subcommand)]
pub(super) enum BenchVerb {
    /// Start a server, flood it with events, and measure its answers beside those of quiet times
    ///
    /// Exit status 1 means that a call failed or was answered late.
    Flood(FloodArgs),
}

#[derive(Debug, Args)]
pub(super) struct FloodArgs {
    /// Begin this many calls a second, whether the server keeps up or not
    #[arg(long, default_value_t = 500.0, value_name = "CALLS_PER_SECOND")]
    pub(super) rate: f64,
    /// Let each phase take this time
    #[arg(long, default_value_t = 10.0, value_name = "S")]
    pub(super) seconds: f64,
    /// Measure so many phases with everything at once, each between two quiet ones
    #[arg(long, default_value_t = 3, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=100))]
    pub(super) rounds: u64,
    /// Import this many contacts beside the calls
    #[arg(long, default_value_t = 1_000_000, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=7_000_000))]
    pub(super) import: u64,
    /// Let the journal's disk take this long for each write
    #[arg(long, default_value_t = 20, value_name = "MS")]
    pub(super) slow_disk_ms: u64,
    /// Write this many events a second to each source [default: as many as it takes]
    #[arg(long, value_name = "EVENTS_PER_SECOND")]
    pub(super) events: Option<f64>,
    /// Let readers that do nothing take the floods in place of the server: what the machine itself costs
    #[arg(long)]
    pub(super) null_reader: bool,
}
