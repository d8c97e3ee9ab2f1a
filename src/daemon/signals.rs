//! SIGTERM drains, SIGINT or a second SIGTERM stops at once, SIGHUP has the configuration read anew.

use super::threads::{Priority, spawn};
use crate::call::ShutdownLevel;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use std::io;
use tokio::sync::watch;

/// Starts the thread that waits for signals.
pub(super) fn start(shutdown: watch::Sender<ShutdownLevel>, on_hangup: Option<Box<dyn Fn() + Send>>) -> io::Result<()> {
    let mut signals = Signals::new([SIGTERM, SIGINT, SIGHUP])?;
    spawn("signals", Priority::Normal, move || {
        let mut was_told = false;
        for signal in signals.forever() {
            if signal == SIGHUP {
                if let Some(on_hangup) = &on_hangup {
                    on_hangup();
                }
                continue;
            }
            // a process that was taken over from drains without having been told to
            let level = if signal == SIGINT || was_told { ShutdownLevel::Now } else { ShutdownLevel::Drain };
            was_told = true;
            match level {
                ShutdownLevel::Drain => tracing::info!("told to stop; calls that are being answered are finished first"),
                _ => tracing::info!("told to stop at once"),
            }
            shutdown.send_modify(|l| *l = level.max(*l));
        }
    })?;
    Ok(())
}
