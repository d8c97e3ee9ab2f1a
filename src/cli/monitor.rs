//! `monitor`: one line for a monitoring system, in the words and exit statuses of Nagios' plugins: 0 OK, 1 WARNING, 2 CRITICAL,
//! 3 UNKNOWN. It asks as a switch does, and then the server about itself.

use super::args::Global;
use super::exit::{Exit, Failure};
use super::print;
use super::status::of_server;
use crate::control::StatusView;
use crate::cti::SourcePhase;
use crate::play::{CallFields, Way, call_by};
use clap::Args;
use std::net::SocketAddr;
use std::time::Duration;

/// What is checked.
#[derive(Debug, Args)]
pub(super) struct MonitorArgs {
    /// Warn when a question takes longer than this
    #[arg(long, value_name = "MS", default_value_t = 50)]
    warn_ms: u64,
    /// Be alarmed when a question takes longer than this
    #[arg(long, value_name = "MS", default_value_t = 100)]
    critical_ms: u64,
    /// Give up after this time
    #[arg(long, value_name = "MS", default_value_t = 5000, value_parser = clap::value_parser!(u64).range(100..=60_000))]
    timeout_ms: u64,
}

/// How bad it is; the order is that of the exit statuses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum State {
    Ok,
    Warning,
    Critical,
}

impl State {
    fn word(self) -> &'static str {
        match self {
            State::Ok => "OK",
            State::Warning => "WARNING",
            State::Critical => "CRITICAL",
        }
    }
}

/// What was found: the worst state, and why.
#[derive(Debug, Default)]
struct Findings {
    troubles: Vec<(State, String)>,
    /// `label=value[unit];warn;crit`, as the plugins' guidelines have it.
    figures: Vec<String>,
}

impl Findings {
    fn trouble(&mut self, state: State, text: impl Into<String>) {
        self.troubles.push((state, text.into()));
    }

    fn state(&self) -> State {
        self.troubles.iter().map(|(state, _)| *state).max().unwrap_or(State::Ok)
    }

    /// The one line. A bar would begin the figures.
    fn line(&self, fine: &str) -> String {
        let said: Vec<&str> = self.troubles.iter().map(|(_, text)| text.as_str()).collect();
        let said = if said.is_empty() { fine.to_owned() } else { said.join("; ") };
        let said: String = said.chars().map(|c| if c == '|' || c.is_control() { ' ' } else { c }).collect();
        let figures = if self.figures.is_empty() { String::new() } else { format!(" | {}", self.figures.join(" ")) };
        format!("STROWGER {} - {said}{figures}", self.state().word())
    }
}

pub(super) fn monitor(global: &Global, args: &MonitorArgs) -> Result<Exit, Failure> {
    let mut findings = Findings::default();
    let mut fine = String::new();
    match of_server(global) {
        Ok(view) => {
            fine = format!("version {}, up {} s, {} sessions", view.version, view.planes.uptime_seconds, view.planes.sessions);
            ask(&view, args, &mut findings);
            judge(&view, &mut findings);
        }
        Err(failure) => findings.trouble(State::Critical, failure.text),
    }
    print::line(&findings.line(&fine));
    Ok(match findings.state() {
        State::Ok => Exit::Done,
        // the plugins' statuses: theirs, and not this program's own
        State::Warning => Exit::NotFound,
        State::Critical => Exit::BadInput,
    })
}

/// Asks for a sign of life at FastAGI, as Asterisk would.
fn ask(view: &StatusView, args: &MonitorArgs, findings: &mut Findings) {
    let listening = view.planes.listening.iter().find(|(door, _)| door == "agi");
    let Some(address) = listening.and_then(|(_, address)| address.parse::<SocketAddr>().ok()) else {
        return findings.trouble(State::Critical, "nobody listens for FastAGI");
    };
    // a socket that listens everywhere is asked on this machine
    let address = if address.ip().is_unspecified() { SocketAddr::from(([127, 0, 0, 1], address.port())) } else { address };
    let fields = CallFields { request: "ping".to_owned(), ..CallFields::default() };
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return findings.trouble(State::Critical, error.to_string()),
    };
    match runtime.block_on(call_by(Way::FastAgi, address, &fields, Duration::from_millis(args.timeout_ms))) {
        Ok(said) => {
            let ms = said.elapsed.as_secs_f64() * 1e3;
            findings.figures.push(format!("answer={ms:.2}ms;{};{}", args.warn_ms, args.critical_ms));
            if said.answer("STATUS") != Some(b"ok".as_slice()) {
                findings.trouble(State::Critical, "a question was answered with something else than ok");
            } else if ms > args.critical_ms as f64 {
                findings.trouble(State::Critical, format!("a question took {ms:.0} ms"));
            } else if ms > args.warn_ms as f64 {
                findings.trouble(State::Warning, format!("a question took {ms:.0} ms"));
            }
        }
        Err(error) => findings.trouble(State::Critical, format!("a question at {address} was not answered: {error}")),
    }
}

/// What the server says of itself.
fn judge(view: &StatusView, findings: &mut Findings) {
    if let Some(why) = &view.store_failed {
        findings.trouble(State::Critical, format!("edits are refused: {why}"));
    }
    if view.snapshot_revision.is_none() {
        findings.trouble(State::Warning, "the snapshot is being built; calls read the disk");
    }
    let ended = |word: &str| view.planes.endings.iter().find(|(ending, _)| ending == word).map_or(0, |(_, n)| *n);
    // counters: whoever monitors makes rates of them
    findings.figures.push(format!("sessions={} answered={}c late={}c", view.planes.sessions, ended("answered"), view.planes.late));
    findings.figures.push(format!("capacity={}c malformed={}c", ended("capacity"), ended("malformed")));
    findings.figures.push(format!("contacts={} store={}B", view.contacts, view.store_bytes));
    for source in view.planes.events.iter().flat_map(|events| &events.sources) {
        if let SourcePhase::Down(why) = &source.phase {
            findings.trouble(State::Warning, format!("the switch {} isn't heard: {why}", source.name));
        }
        findings.figures.push(format!("lost_{}={}c", source.name, source.events_lost));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_finding_is_the_state_and_nothing_said_begins_the_figures() {
        let mut findings = Findings::default();
        findings.figures.push("answer=0.30ms;50;100".to_owned());
        assert_eq!(findings.line("up 3 s"), "STROWGER OK - up 3 s | answer=0.30ms;50;100");
        findings.trouble(State::Warning, "pbx isn't heard: a|b\nc");
        assert_eq!(findings.line("up 3 s"), "STROWGER WARNING - pbx isn't heard: a b c | answer=0.30ms;50;100");
        findings.trouble(State::Critical, "edits are refused");
        assert_eq!(findings.line(""), "STROWGER CRITICAL - pbx isn't heard: a b c; edits are refused | answer=0.30ms;50;100");
        // no bar without figures
        findings.figures.clear();
        assert_eq!(findings.line(""), "STROWGER CRITICAL - pbx isn't heard: a b c; edits are refused");
    }
}
