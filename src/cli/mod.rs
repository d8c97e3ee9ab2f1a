//! The command line: what was typed → a request → what is printed. Only this module prints.

mod args;
mod backend;
mod calls;
mod calls_text;
mod conversation;
mod demo;
mod doctor;
mod edit;
mod exit;
mod explain;
mod export;
mod flood;
mod follow;
mod generate;
mod history;
mod import;
mod import_args;
mod import_source;
mod import_text;
mod log;
mod look;
mod monitor;
mod plan;
mod plan_calls;
mod play;
mod play_args;
mod print;
mod schedule;
mod search_args;
mod serve;
mod status;
mod store;
mod things;
mod things_text;
mod token;
mod top;
mod unit;
mod upgrade;
mod user;
mod warnings;
mod when;

use args::{Cli, Command};
use clap::Parser;
use exit::{Exit, Failure};
use play_args::{BenchArgs, BenchVerb};
use std::process::ExitCode;

/// Runs the program with the arguments it was started with.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    match run(cli) {
        Ok(exit) => exit.into(),
        Err(failure) => {
            print::complain(&failure.text);
            failure.exit.into()
        }
    }
}

fn run(cli: Cli) -> Result<Exit, Failure> {
    let global = cli.global;
    match cli.command {
        Command::Serve(args) => serve::serve(&global, &args),
        Command::Upgrade(args) => upgrade::upgrade(&global, &args),
        Command::Demo(args) => demo::demo(&args),
        Command::Call(args) => play::call(&global, &args),
        Command::Bench(BenchArgs { special: Some(BenchVerb::Flood(args)), .. }) => flood::flood(global.json, &args),
        Command::Bench(args) => play::bench(&global, &args),
        Command::Contact(verb) => edit::contact(&global, verb),
        Command::Route(verb) => edit::route(&global, verb),
        Command::Block(verb) => edit::screen(&global, crate::routing::List::Block, verb),
        Command::Allow(verb) => edit::screen(&global, crate::routing::List::Allow, verb),
        Command::Group(verb) => things::group(&global, verb),
        Command::Schedule(verb) => schedule::schedule(&global, verb),
        Command::Extension(verb) => things::extension(&global, verb),
        Command::Trunk(verb) => things::trunk(&global, verb),
        Command::Limit(verb) => things::limit(&global, verb),
        Command::Export(args) => plan::export(&global, &args),
        Command::Diff(args) => plan::diff(&global, &args),
        Command::Apply(args) => plan::apply(&global, &args),
        Command::User(verb) => user::user(&global, verb),
        Command::Token(verb) => token::token(&global, verb),
        Command::Events(args) => follow::events(&global, &args),
        Command::Name(args) => look::name(&global, &args),
        Command::Number(verb) => look::number(&global, verb),
        Command::Explain(args) => explain::explain(&global, &args),
        Command::Calls(args) => calls::calls(&global, &args),
        Command::History(args) => history::history(&global, args),
        Command::Undo(args) => history::undo(&global, &args),
        Command::Store(verb) => store::store(&global, verb),
        Command::Status => status::status(&global),
        Command::Top(args) => top::top(&global, &args),
        Command::Doctor(args) => doctor::doctor(&global, &args),
        Command::Monitor(args) => monitor::monitor(&global, &args),
        Command::Log(args) => log::log(&global, &args),
        Command::Check(args) => look::check(&global, &args),
        Command::Generate(verb) => generate::generate(verb),
    }
}
