//! Makes a golden store; `tests/golden/README.md` says when and how.

#[path = "../tests/golden/store_3.rs"]
#[allow(dead_code)] // what is only read by the test
mod store_3;

use std::path::PathBuf;
use std::sync::Arc;
use strowger::clock::FixedClock;
use strowger::store::Store;

/// When everything was done, in microseconds since 1970.
const AT_US: u64 = 1_700_000_000_123_456;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let dir = PathBuf::from(std::env::args().nth(1).ok_or("say in which directory")?);
    let (store, writer) = Store::open(&dir, Arc::new(FixedClock(AT_US)))?;
    let writer = std::thread::spawn(move || writer.run());
    store_3::make(&store)?;
    store.close();
    drop(store);
    writer.join().map_err(|_| "the writer panicked")?;
    Ok(())
}
