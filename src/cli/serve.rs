//! `serve`.

use super::args::{Global, ServeArgs};
use super::backend::overrides;
use super::exit::{Exit, Failure};
use super::{print, unit};
use crate::config::{Config, Overrides};
use crate::control::{Reply, sample_requests};
use crate::daemon::{EventOptions, Inherited, LogTarget, Options, Predecessor, Server, Surroundings, start_log};
use crate::logbook::Levels;
use std::path::Path;
use std::time::Duration;

/// What flags and environment say, those of the server included.
pub(super) fn serve_overrides(global: &Global, args: &ServeArgs) -> Overrides {
    Overrides {
        agi: args.agi,
        esl: args.esl,
        lookup_http: args.lookup_http,
        http: args.http,
        answer_budget_ms: args.answer_budget_ms,
        sessions_max: args.sessions_max,
        call_threads: args.call_threads,
        log: args.log.clone(),
        log_format: args.log_format,
        log_numbers: args.log_numbers.then_some(true),
        otel_endpoint: args.otel_endpoint.clone(),
        otel_sample: args.otel_sample,
        ..overrides(global)
    }
}

pub(super) fn serve(global: &Global, args: &ServeArgs) -> Result<Exit, Failure> {
    if !args.take_over {
        return serve_in(global, args, None);
    }
    let not_alone = |e| Failure::new(Exit::BadInput, format!("--take-over is for a server that hands over ({e}); use strowger upgrade"));
    let predecessor = Predecessor::at_stdin().map_err(not_alone)?;
    let told = predecessor.try_clone().map_err(not_alone)?;
    serve_in(global, args, Some(predecessor)).inspect_err(|failure| told.fail(&failure.text))
}

fn serve_in(global: &Global, args: &ServeArgs, mut predecessor: Option<Predecessor>) -> Result<Exit, Failure> {
    let overrides = serve_overrides(global, args);
    let config = Config::load(overrides.clone())?;
    let log = start_log(&config.log, config.log_format, LogTarget::Stderr).map_err(|e| Failure::new(Exit::BadInput, e))?;
    if let Some(what) = unit::kept_back(&config, Path::new("/")) {
        tracing::warn!(what, "systemd keeps packets from this server; nobody hears of them");
    }
    let events = EventOptions { journal_delay: Duration::from_millis(args.journal_delay_ms), ..EventOptions::default() };
    let options = Options { signals: true, events, ..Options::default() };
    if let Some(predecessor) = &mut predecessor {
        predecessor.introduce(&config)?;
    }
    let surroundings = Surroundings {
        levels: Some(log.levels.clone()),
        inherited: Inherited::from_service_manager(),
        predecessor,
        on_hangup: Some(read_anew(overrides, config.clone(), log.levels.clone())),
    };
    let server = Server::start_in(&config, options, log.dropped.clone(), surroundings)?;
    if args.sample {
        if server.store().revision() == 0 {
            load_sample(&server)?;
        } else {
            tracing::info!("the store has data; the sample was not loaded");
        }
    }
    print::announce(&format!(
        "ready agi={} esl={} lookup-http={} http={} admin={}",
        server.agi(),
        server.esl(),
        server.lookup_http(),
        server.http(),
        server.admin().display()
    ));
    // no service manager, or one that doesn't listen, is no reason not to serve
    let _ = sd_notify::notify(&[sd_notify::NotifyState::Ready]);
    server.wait().map_err(|e| Failure::new(Exit::Trouble, format!("the call plane ended ({e})")))?;
    Ok(Exit::Done)
}

/// Reads the configuration anew: what is logged changes at once, and of the rest is said what it takes.
fn read_anew(overrides: Overrides, running: Config, levels: Levels) -> Box<dyn Fn() + Send> {
    Box::new(move || {
        let read = match Config::load(overrides.clone()) {
            Ok(read) => read,
            Err(error) => {
                tracing::error!(%error, "the configuration is wrong, and what held before holds on");
                return;
            }
        };
        if let Err(error) = levels.configure(&read.log) {
            tracing::error!(error, "the configuration is wrong, and what held before holds on");
            return;
        }
        tracing::info!(log = read.log, "the configuration was read anew; what is logged holds from now on");
        let waiting: Vec<_> = running.changed_keys(&read).into_iter().filter(|key| *key != "log").collect();
        if !waiting.is_empty() {
            tracing::warn!(changed = waiting.join(", "), "these hold after strowger upgrade, which refuses no call, or after a restart");
        }
    })
}

/// Loads the sample directory.
pub(super) fn load_sample(server: &Server) -> Result<(), Failure> {
    let mut desk = server.desk("sample");
    for request in sample_requests("default") {
        match desk.apply(request) {
            Reply::Done { .. } => {}
            Reply::BadInput(text) => return Err(Failure::new(Exit::BadInput, text)),
            Reply::Store(text) => return Err(Failure::new(Exit::Store, text)),
            _ => return Err(super::backend::unexpected()),
        }
    }
    Ok(())
}
