//! What can be typed.

use super::doctor::DoctorArgs;
use super::explain::ExplainArgs;
use super::export::ContactExportArgs;
use super::follow::EventsArgs;
use super::generate::GenerateVerb;
use super::history::{ContactHistoryArgs, ContactUndoArgs, HistoryArgs, UndoArgs};
use super::import_args::ImportArgs;
use super::log::LogArgs;
use super::monitor::MonitorArgs;
use super::plan::{ApplyArgs, DiffArgs, ExportArgs};
use super::play_args::{BenchArgs, CallArgs};
use super::schedule::ScheduleVerb;
use super::search_args::SearchArgs;
use super::store::StoreVerb;
use super::things::{ExtensionArgs, GroupArgs, LimitVerb, TrunkArgs, Verb};
use super::token::TokenVerb;
use super::top::TopArgs;
use super::upgrade::UpgradeArgs;
use crate::logbook::LogFormat;
use clap::{Args, Parser, Subcommand};
use std::net::SocketAddr;
use std::path::PathBuf;

/// Answer a telephone switch's routing and reverse-directory questions, in time
#[derive(Debug, Parser)]
#[command(name = "strowger", version, max_term_width = 100, arg_required_else_help = true)]
#[command(after_help = super::exit::help())]
pub(super) struct Cli {
    #[command(flatten)]
    pub(super) global: Global,
    #[command(subcommand)]
    pub(super) command: Command,
}

/// Where the help puts them: behind what a command has of its own.
const HEADING: &str = "Options of all commands";

/// Options that stand before or after the verb.
#[derive(Debug, Clone, Args)]
pub(super) struct Global {
    /// Keep the store and the admin socket in this directory [default: the configuration's, else ~/.local/share/strowger]
    #[arg(long, global = true, help_heading = HEADING, env = "STROWGER_DATA", value_name = "DIR")]
    pub(super) data: Option<PathBuf>,
    /// Read this configuration [default: /etc/strowger/strowger.toml where it exists]
    #[arg(long, global = true, help_heading = HEADING, env = "STROWGER_CONFIG", value_name = "FILE")]
    pub(super) config: Option<PathBuf>,
    /// Find (or make) the admin socket here [default: DATA/strowger.sock]
    #[arg(long, global = true, help_heading = HEADING, env = "STROWGER_ADMIN", value_name = "PATH")]
    pub(super) admin: Option<PathBuf>,
    /// Work on this tenant's data
    #[arg(long, global = true, help_heading = HEADING, env = "STROWGER_TENANT", value_name = "T", default_value = "default")]
    pub(super) tenant: String,
    /// Print JSON
    #[arg(long, global = true, help_heading = HEADING)]
    pub(super) json: bool,
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Run the server
    Serve(ServeArgs),
    /// Let a new program, or a changed configuration, take over from the running server without refusing a call
    Upgrade(UpgradeArgs),
    /// Start a server on sample data, play calls against it and show what the callers get
    Demo(DemoArgs),
    /// Play one call against a running server, as the switch would
    Call(CallArgs),
    /// Play many calls against a running server and measure the answers, or (bench flood) against one that events flood
    Bench(BenchArgs),
    /// Edit and show contacts
    #[command(subcommand)]
    Contact(ContactVerb),
    /// Edit and show routes
    #[command(subcommand)]
    Route(RouteVerb),
    /// Edit and show the list of callers who don't get through
    #[command(subcommand)]
    Block(ScreenVerb),
    /// Edit and show the list of callers who do, whatever the block list says
    #[command(subcommand)]
    Allow(ScreenVerb),
    /// Edit and show ring groups
    #[command(subcommand)]
    Group(Verb<GroupArgs>),
    /// Edit and show opening hours
    #[command(subcommand)]
    Schedule(ScheduleVerb),
    /// Edit and show what extensions' users have set, and what they may call
    #[command(subcommand)]
    Extension(Verb<ExtensionArgs>),
    /// Edit and show trunks, and what calls cost over them
    #[command(subcommand)]
    Trunk(Verb<TrunkArgs>),
    /// Edit and show the brakes against toll fraud
    #[command(subcommand)]
    Limit(LimitVerb),
    /// Write the whole plan as one file
    Export(ExportArgs),
    /// Say what a plan's file would change, or which calls of the journal it would send elsewhere
    Diff(DiffArgs),
    /// Make the plan equal to a file, all or nothing
    Apply(ApplyArgs),
    /// Edit and show the users who register telephones at the switch
    #[command(subcommand)]
    User(UserVerb),
    /// Make and remove the tokens that programs ask over HTTP with
    #[command(subcommand)]
    Token(TokenVerb),
    /// Follow what happens to calls until Ctrl-C
    Events(EventsArgs),
    /// Say who has a number
    Name(NameArgs),
    /// Say what a number is
    #[command(subcommand)]
    Number(NumberVerb),
    /// Say what a call would get, and why
    Explain(ExplainArgs),
    /// Show the calls that live (--follow: as they change), or with --since, --until, --number, --limit or --format those that are over
    Calls(CallsArgs),
    /// Show who changed what, when and from where
    History(HistoryArgs),
    /// Undo a change, one edit or a whole plan's or import's
    Undo(UndoArgs),
    /// Back the store up, restore, check and compact it
    #[command(subcommand)]
    Store(StoreVerb),
    /// Show how the server is doing
    Status,
    /// Watch calls, answer times, switches and the store in a terminal until q
    Top(TopArgs),
    /// Examine the configuration, the store, the machine and the switches' files, with a remedy for each finding
    Doctor(DoctorArgs),
    /// Say in one line how the server is, with the exit statuses of Nagios' plugins: 0 OK, 1 WARNING, 2 CRITICAL
    Monitor(MonitorArgs),
    /// Show what is logged, or change it until the next start: call=debug, reset
    Log(LogArgs),
    /// Check the configuration and print it as understood, with the same flags and environment as serve
    Check(ServeArgs),
    /// Write what a package has beside the program: manual pages, completions of shells
    #[command(subcommand, hide = true)]
    Generate(GenerateVerb),
}

#[derive(Debug, Args)]
pub(super) struct ServeArgs {
    /// Listen for FastAGI here (port 0 picks a free one) [default: 127.0.0.1:4573]
    #[arg(long, env = "STROWGER_AGI", value_name = "ADDRESS")]
    pub(super) agi: Option<SocketAddr>,
    /// Listen for FreeSWITCH's outbound sockets here [default: 127.0.0.1:8084]
    #[arg(long, env = "STROWGER_ESL", value_name = "ADDRESS")]
    pub(super) esl: Option<SocketAddr>,
    /// Answer a switch's HTTP look-ups here: /name and /xml [default: 127.0.0.1:8086]
    #[arg(long, env = "STROWGER_LOOKUP_HTTP", value_name = "ADDRESS")]
    pub(super) lookup_http: Option<SocketAddr>,
    /// Serve the event feed, live calls and metrics over HTTP here, to whoever has a token [default: 127.0.0.1:8085]
    #[arg(long, env = "STROWGER_HTTP", value_name = "ADDRESS")]
    pub(super) http: Option<SocketAddr>,
    /// Answer within this time, or say late [default: 100]
    #[arg(long, env = "STROWGER_ANSWER_BUDGET_MS", value_name = "MS")]
    pub(super) answer_budget_ms: Option<u64>,
    /// Serve this many sessions at once [default: 16384, less where the system allows fewer open files]
    #[arg(long, env = "STROWGER_SESSIONS_MAX", value_name = "N")]
    pub(super) sessions_max: Option<usize>,
    /// Answer calls on this many threads [default: half of the processors, 8 at most]
    #[arg(long, env = "STROWGER_CALL_THREADS", value_name = "N")]
    pub(super) call_threads: Option<usize>,
    /// Log at this level: error, warn, info, debug, or a filter [default: info]
    #[arg(long, env = "STROWGER_LOG", value_name = "FILTER")]
    pub(super) log: Option<String>,
    /// Log in this form: text, json, journald, or auto (journald where stderr leads there, else text) [default: auto]
    #[arg(long, env = "STROWGER_LOG_FORMAT", value_name = "FORM")]
    pub(super) log_format: Option<LogFormat>,
    /// Log telephone numbers whole instead of their last digits
    #[arg(long, env = "STROWGER_LOG_NUMBERS")]
    pub(super) log_numbers: bool,
    /// Send spans of calls to the OpenTelemetry collector here, over HTTP: http://127.0.0.1:4318
    #[arg(long, env = "OTEL_EXPORTER_OTLP_ENDPOINT", value_name = "URL")]
    pub(super) otel_endpoint: Option<String>,
    /// Send those of so great a part of all calls, from 0 to 1 [default: 0.01]
    #[arg(long, env = "STROWGER_OTEL_SAMPLE", value_name = "PART")]
    pub(super) otel_sample: Option<f64>,
    /// Load a small fictional directory if the store is empty
    #[arg(long)]
    pub(super) sample: bool,
    /// Take over from the server that this was started by, for upgrade
    #[arg(long, hide = true)]
    pub(super) take_over: bool,
    /// Make the journal's disk so much slower than it is, for benchmarks
    #[arg(long, hide = true, value_name = "MS", default_value_t = 0)]
    pub(super) journal_delay_ms: u64,
}

#[derive(Debug, Args)]
pub(super) struct DemoArgs {
    /// End after the calls instead of serving on
    #[arg(long)]
    pub(super) once: bool,
}

#[derive(Debug, Subcommand)]
pub(super) enum ContactVerb {
    /// Add or replace a contact
    Set(ContactSetArgs),
    /// Remove a contact
    Rm {
        /// Its id
        id: String,
    },
    /// Show a contact
    Show {
        /// Its id
        id: String,
    },
    /// List contacts in the order of their ids
    Ls {
        /// Begin with this id
        #[arg(long, default_value = "", hide_default_value = true, value_name = "ID")]
        from: String,
        /// List at most so many [default: all]
        #[arg(long, value_name = "N")]
        limit: Option<usize>,
        /// Only this extension's personal phone book
        #[arg(long, value_name = "EXT")]
        owner: Option<String>,
        /// Only favourites
        #[arg(long)]
        favourites: bool,
    },
    /// Find contacts by any part of a name, company, tag or number, the best first
    Search(SearchArgs),
    /// Show who changed a contact, when, from where, and what
    History(ContactHistoryArgs),
    /// Undo a contact's last change
    Undo(ContactUndoArgs),
    /// Import contacts from a file, all or nothing: CSV, vCard, LDIF, JSON lines, XLSX, AstDB
    Import(ImportArgs),
    // its help is that of what it takes
    Export(ContactExportArgs),
}

#[derive(Debug, Args)]
pub(super) struct ContactSetArgs {
    /// Its id, such as school
    pub(super) id: String,
    /// The name that is shown
    #[arg(long, value_name = "TEXT")]
    pub(super) name: String,
    /// A number, with a label if you like, or many (+49301234*, +4930123400..99, +49301234-0); may stand several times, the main one first
    #[arg(long = "number", required = true, value_name = "N[=LABEL]")]
    pub(super) numbers: Vec<String>,
    /// The company
    #[arg(long, value_name = "T")]
    pub(super) company: Option<String>,
    /// A word to find it by; may stand several times
    #[arg(long = "tag", value_name = "T")]
    pub(super) tags: Vec<String>,
    /// A note
    #[arg(long, value_name = "T")]
    pub(super) note: Option<String>,
    /// Put it into this extension's personal phone book instead of everybody's
    #[arg(long, value_name = "EXTENSION")]
    pub(super) owner: Option<String>,
    /// Let it stand first in its phone book
    #[arg(long)]
    pub(super) favourite: bool,
}

#[derive(Debug, Clone, Args)]
#[group(required = true, multiple = false)]
pub(super) struct RouteWhichArgs {
    /// The number that is called
    pub(super) number: Option<String>,
    /// All numbers that begin like this, such as +1415
    #[arg(long, value_name = "P")]
    pub(super) prefix: Option<String>,
    /// Whatever no other route takes
    #[arg(long)]
    pub(super) default: bool,
}

#[derive(Debug, Subcommand)]
pub(super) enum RouteVerb {
    /// Add or replace a route
    Set {
        #[command(flatten)]
        which: RouteWhichArgs,
        /// A step, such as ring:family, dial:101,102,timeout=20 or voicemail:199; may stand several times, tried in turn
        #[arg(long = "step", required = true, value_name = "KIND[:ARG][,key=value]")]
        steps: Vec<String>,
        /// What a late or failed answer says
        #[arg(long, value_name = "STEP")]
        fallback: Option<String>,
        /// Let the state of this schedule choose the steps
        #[arg(long, value_name = "ID")]
        schedule: Option<String>,
        /// A step for a state of the schedule, such as closed=voicemail:199; may stand several times, tried in turn
        #[arg(long = "when", value_name = "STATE=STEP", requires = "schedule")]
        when: Vec<String>,
    },
    /// Remove a route
    Rm {
        #[command(flatten)]
        which: RouteWhichArgs,
    },
    /// Show a route
    Show {
        #[command(flatten)]
        which: RouteWhichArgs,
    },
    /// List all routes
    Ls,
}

#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub(super) struct ScreenWhichArgs {
    /// One number
    #[arg(long, value_name = "N")]
    pub(super) number: Option<String>,
    /// All numbers that begin like this, such as +1900
    #[arg(long, value_name = "P")]
    pub(super) prefix: Option<String>,
    /// Callers who withhold their number, or have none
    #[arg(long)]
    pub(super) anonymous: bool,
    /// All numbers of a country, by its two letters
    #[arg(long, value_name = "CC")]
    pub(super) country: Option<String>,
    /// All numbers of a class: premium, toll-free, …; unknown for those that can't exist
    #[arg(long, value_name = "CLASS")]
    pub(super) class: Option<String>,
    /// Numbers that the network says this of (STIR/SHAKEN): failed, missing, a, b or c
    #[arg(long, value_name = "RESULT")]
    pub(super) verification: Option<String>,
    /// Callers who call more often than CALLS in SECONDS, such as 10/60
    #[arg(long, value_name = "CALLS/SECONDS", num_args = 0..=1, default_missing_value = "")]
    pub(super) rate: Option<String>,
}

#[derive(Debug, Subcommand)]
pub(super) enum ScreenVerb {
    /// Add or replace an entry
    Set {
        #[command(flatten)]
        which: ScreenWhichArgs,
        /// What such a caller gets, on the block list [default: busy]
        #[arg(long, value_name = "STEP")]
        action: Option<String>,
    },
    /// Remove an entry
    Rm {
        #[command(flatten)]
        which: ScreenWhichArgs,
    },
    /// Show an entry
    Show {
        #[command(flatten)]
        which: ScreenWhichArgs,
    },
    /// List all entries
    Ls,
}

#[derive(Debug, Args)]
pub(super) struct UserWhichArgs {
    /// The name that the telephone registers with, such as 101
    pub(super) extension: String,
    /// The realm: the domain that the telephone registers at
    #[arg(long, value_name = "D")]
    pub(super) domain: String,
}

#[derive(Debug, Subcommand)]
pub(super) enum UserVerb {
    /// Add or replace a user; the password is hashed here and kept nowhere
    Set(UserSetArgs),
    /// Remove a user
    Rm {
        #[command(flatten)]
        which: UserWhichArgs,
    },
    /// Show a user, without his secret
    Show {
        #[command(flatten)]
        which: UserWhichArgs,
    },
    /// List users by domain and extension, without their secrets
    Ls {
        /// Only those of this domain
        #[arg(long, value_name = "D")]
        domain: Option<String>,
    },
}

#[derive(Debug, Args)]
pub(super) struct UserSetArgs {
    #[command(flatten)]
    pub(super) which: UserWhichArgs,
    #[command(flatten)]
    pub(super) secret: UserSecretArgs,
    /// The display name of his calls
    #[arg(long, value_name = "TEXT")]
    pub(super) name: Option<String>,
    /// The dialplan context of his calls
    #[arg(long, value_name = "C")]
    pub(super) context: Option<String>,
}

#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub(super) struct UserSecretArgs {
    /// Read the password from standard input, one line
    #[arg(long)]
    pub(super) password_stdin: bool,
    /// Take the hash that another program made, MD5 of EXTENSION:DOMAIN:PASSWORD; - reads it from standard input, where no
    /// list of processes shows it
    #[arg(long, value_name = "HEX", allow_hyphen_values = true)]
    pub(super) a1_hash: Option<String>,
}

#[derive(Debug, Args)]
pub(super) struct NameArgs {
    /// The number
    pub(super) number: String,
    /// Look into this extension's personal phone book, too
    #[arg(long, value_name = "EXT")]
    pub(super) owner: Option<String>,
}

#[derive(Debug, Subcommand)]
pub(super) enum NumberVerb {
    /// Show a number's canonical form, region and class
    Show {
        /// The number
        number: String,
        /// Read it as in this country [default: the tenant's]
        #[arg(long, value_name = "CC")]
        country: Option<String>,
    },
}

#[derive(Debug, Args)]
#[command(after_help = "WHEN is 2026-11-21T20:58:00Z, 2026-11-21, 20:58 (the last time it was), or so long ago: 90s, 15m, 2h, 7d. \
Times are UTC. csv and jsonl export, the oldest call first.")]
pub(super) struct CallsArgs {
    /// Show calls that ended at this time or later
    #[arg(long, value_name = "WHEN", conflicts_with = "id")]
    pub(super) since: Option<String>,
    /// Show calls that ended before this time
    #[arg(long, value_name = "WHEN", conflicts_with = "id")]
    pub(super) until: Option<String>,
    /// Show calls that this number had a part in: calling, called, rung, or given the call
    #[arg(long, value_name = "N", conflicts_with = "id")]
    pub(super) number: Option<String>,
    /// Show live calls as they change, until Ctrl-C
    #[arg(long, conflicts_with_all = ["id", "since", "until", "limit", "format", "ids"])]
    pub(super) follow: bool,
    /// Show one call whole, with its legs, decisions and their trace
    #[arg(long, value_name = "ID")]
    pub(super) id: Option<String>,
    /// Show so many, the last ones [default: 100 on a terminal, else all]
    #[arg(long, value_name = "N", conflicts_with = "id")]
    pub(super) limit: Option<usize>,
    /// Print them like this [default: table]
    #[arg(long, value_parser = ["table", "csv", "jsonl"], conflicts_with_all = ["id", "json"], value_name = "FORMAT")]
    pub(super) format: Option<String>,
    /// Print each call's id in the table too
    #[arg(long)]
    pub(super) ids: bool,
}
