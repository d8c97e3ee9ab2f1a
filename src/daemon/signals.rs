//! SIGTERM drains, SIGINT or a second SIGTERM stops at once. SIGHUP, which other servers read their configuration anew on, says
//! that this one does so when it is restarted.

use super::threads::{Priority, spawn};
use crate::call::ShutdownLevel;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use std::io;
use tokio::sync::watch;

/// Starts the thread that waits for signals.
pub(super) fn start(shutdown: watch::Sender<ShutdownLevel>) -> io::Result<()> {
    let mut signals = Signals::new([SIGTERM, SIGINT, SIGHUP])?;
    spawn("signals", Priority::Normal, move || {
        for signal in signals.forever() {
            if signal == SIGHUP {
                tracing::warn!(
                    "the configuration is read at a start only; restart to have a changed one counted (strowger check reads it)"
                );
                continue;
            }
            let draining = *shutdown.borrow() >= ShutdownLevel::Drain;
            let level = if signal == SIGINT || draining { ShutdownLevel::Now } else { ShutdownLevel::Drain };
            match level {
                ShutdownLevel::Drain => tracing::info!("told to stop; calls that are being answered are finished first"),
                _ => tracing::info!("told to stop at once"),
            }
            shutdown.send_modify(|l| *l = level.max(*l));
        }
    })?;
    Ok(())
}
