//! `generate`: manual pages and completions, out of the same table that the command line is read by.

use super::args::Cli;
use super::exit::{self, Exit, Failure};
use super::print;
use clap::builder::Resettable;
use clap::{CommandFactory, Subcommand};
use clap_complete::Shell;
use std::fs::OpenOptions;
use std::io::Write;
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
            // the manual has a section of its own for what stands at the end of the help
            let command = Cli::command().after_help(Resettable::Reset);
            clap_mangen::generate_to(command, &dir).map_err(failed)?;
            let mut page = OpenOptions::new().append(true).open(dir.join("strowger.1")).map_err(failed)?;
            page.write_all(exit::manual().as_bytes()).map_err(failed)?;
        }
        GenerateVerb::Completions { shell } => {
            let mut text = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "strowger", &mut text);
            print::out(&String::from_utf8_lossy(&text));
        }
    }
    Ok(Exit::Done)
}
