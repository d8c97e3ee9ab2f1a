//! SIGTERM drains, SIGINT or a second SIGTERM stops at once.

use super::threads::{Priority, spawn};
use crate::call::ShutdownLevel;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use std::io;
use tokio::sync::watch;

/// Starts the thread that waits for signals.
pub(super) fn start(shutdown: watch::Sender<ShutdownLevel>) -> io::Result<()> {
    let mut signals = Signals::new([SIGTERM, SIGINT])?;
    spawn("signals", Priority::Normal, move || {
        for signal in signals.forever() {
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
