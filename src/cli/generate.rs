//! `generate`: manual pages and completions, out of the same table that the command line is read by.

use super::args::Cli;
use super::exit::{Exit, Failure};
use super::print;
use clap::{CommandFactory, Subcommand};
use clap_complete::Shell;
use std::path::PathBuf;

/// What can be written.
#[derive(Debug, Subcommand)]
pub(super) enum GenerateVerb {
    /// Write a manual page for each verb into a directory
    Man {
        /// The directory
        dir: PathBuf,
    },
    /// Print the completions of a shell
    Completions {
        /// Which
        shell: Shell,
    },
}

pub(super) fn generate(verb: GenerateVerb) -> Result<Exit, Failure> {
    match verb {
        GenerateVerb::Man { dir } => {
            let failed = |e: std::io::Error| Failure::new(Exit::BadInput, format!("{}: can't be written ({e})", dir.display()));
            std::fs::create_dir_all(&dir).map_err(failed)?;
            clap_mangen::generate_to(Cli::command(), &dir).map_err(failed)?;
        }
        GenerateVerb::Completions { shell } => {
            let mut text = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "strowger", &mut text);
            print::out(&String::from_utf8_lossy(&text));
        }
    }
    Ok(Exit::Done)
}
