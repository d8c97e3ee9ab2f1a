//! `doctor`: looks for what goes wrong at real sites, and says what to do about it. It reads, and changes nothing.

mod asterisk;
mod conf;
mod file;
mod freeswitch;
mod machine;
mod secrets;

use super::args::Global;
use super::backend::overrides;
use super::exit::{Exit, Failure};
use super::print;
use super::warnings::warnings;
use crate::config::{Config, Overrides};
use clap::Args;
use serde::Serialize;
use std::path::PathBuf;

/// Where the switches' files are.
#[derive(Debug, Args)]
pub(super) struct DoctorArgs {
    /// Read Asterisk's configuration here
    #[arg(long, value_name = "DIR", default_value = "/etc/asterisk")]
    asterisk: PathBuf,
    /// Read FreeSWITCH's configuration here
    #[arg(long, value_name = "DIR", default_value = "/etc/freeswitch")]
    freeswitch: PathBuf,
}

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
enum Severity {
    /// Looked at, and fine (or not there to be looked at).
    Fine,
    /// Will hurt some day.
    Warning,
    /// Hurts.
    Bad,
}

/// What was found: where, what, and what to do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct Finding {
    severity: Severity,
    /// `configuration`, `store`, `machine`, a file, …
    place: String,
    what: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    remedy: String,
}

impl Finding {
    fn fine(place: impl Into<String>, what: impl Into<String>) -> Finding {
        Finding { severity: Severity::Fine, place: place.into(), what: what.into(), remedy: String::new() }
    }

    fn warning(place: impl Into<String>, what: impl Into<String>, remedy: impl Into<String>) -> Finding {
        Finding { severity: Severity::Warning, place: place.into(), what: what.into(), remedy: remedy.into() }
    }

    fn bad(place: impl Into<String>, what: impl Into<String>, remedy: impl Into<String>) -> Finding {
        Finding { severity: Severity::Bad, ..Finding::warning(place, what, remedy) }
    }
}

pub(super) fn doctor(global: &Global, args: &DoctorArgs) -> Result<Exit, Failure> {
    let mut findings = Vec::new();
    let config = match Config::load(overrides(global)) {
        Ok(config) => {
            let said = warnings(&config);
            if said.is_empty() {
                findings.push(Finding::fine("configuration", "can be read, and nothing in it is doubtful"));
            }
            for warning in said {
                let (what, remedy) = warning.rsplit_once("; ").unwrap_or((&warning, ""));
                findings.push(Finding::warning("configuration", what, remedy));
            }
            config
        }
        Err(error) => {
            findings.push(Finding::bad("configuration", error.to_string(), "mend it; strowger check reads it again"));
            Config::load(Overrides { config: Some("/dev/null".into()), ..overrides(global) })?
        }
    };
    findings.extend(secrets::examine(&config));
    findings.extend(machine::examine(global, &config));
    findings.extend(asterisk::examine(&args.asterisk, &config));
    findings.extend(freeswitch::examine(&args.freeswitch));
    if global.json {
        print::json(&findings);
    } else {
        print::out(&text(&findings));
    }
    let worst = findings.iter().map(|f| f.severity).max().unwrap_or(Severity::Fine);
    Ok(if worst == Severity::Fine { Exit::Done } else { Exit::NotFound })
}

fn text(findings: &[Finding]) -> String {
    let mut text = String::new();
    for finding in findings {
        let mark = match finding.severity {
            Severity::Fine => "ok     ",
            Severity::Warning => "warning",
            Severity::Bad => "BAD    ",
        };
        text.push_str(&format!("{mark} {}: {}\n", finding.place, print::shown(&finding.what)));
        if !finding.remedy.is_empty() {
            text.push_str(&format!("        -> {}\n", print::shown(&finding.remedy)));
        }
    }
    let count = |severity| findings.iter().filter(|f| f.severity == severity).count();
    text.push_str(&format!("{} bad, {} warnings, {} fine\n", count(Severity::Bad), count(Severity::Warning), count(Severity::Fine)));
    text
}
