//! `serve`.

use super::args::{Global, ServeArgs};
use super::backend::overrides;
use super::exit::{Exit, Failure};
use super::print;
use crate::config::{Config, Overrides};
use crate::control::{Reply, sample_requests};
use crate::daemon::{EventOptions, Inherited, LogTarget, Options, Server, start_log};
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
    let config = Config::load(serve_overrides(global, args))?;
    let log = start_log(&config.log, config.log_format, LogTarget::Stderr).map_err(|e| Failure::new(Exit::BadInput, e))?;
    let events = EventOptions { journal_delay: Duration::from_millis(args.journal_delay_ms), ..EventOptions::default() };
    let options = Options { signals: true, events, ..Options::default() };
    let server = Server::start_on(&config, options, log.dropped.clone(), Some(log.levels.clone()), Inherited::from_service_manager())?;
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
