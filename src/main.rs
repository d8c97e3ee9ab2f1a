//! The program.

use std::process::ExitCode;

/// What calls allocate is freed by threads behind them. The system's allocator takes a lock for that which the call's own
/// thread may want in the same moment, and whoever is behind calls may be interrupted while holding it; this one has none.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    strowger::cli::main()
}
