//! What an answer costs, beside a server that does nothing: `cargo bench --bench answer_time [-- PART…]`.
//!
//! The null servers say what strowger said: `null.c`, built with the machine's C compiler, over FastAGI and the outbound
//! socket; this program itself (`null_http.rs`) over HTTP, with the library that strowger has. Runs of both alternate, so
//! that whatever else the machine does meets both; trust the ratios more than the times.
//!
//! Parts: `answers` (throughput, slowest hundredth, processor time over FastAGI), `socket` and `http` (the same for
//! FreeSWITCH's ways), `idle` (beside ten thousand sockets that say nothing), `import` (answers while a million contacts
//! come in and are replaced: seconds, memory, p99 beside quiet), `memory` (after a restart), `plan` (a large plan beside a small
//! one), `directory` (five million contacts beside a thousand). All by default; some minutes.

mod answers;
mod directory;
mod idle;
mod import;
mod memory;
mod null;
mod null_http;
mod plan;
mod process;

type Outcome<T = ()> = Result<T, Box<dyn std::error::Error>>;
type Part = fn() -> Outcome;

/// Rounds of a comparison; the median of them counts.
const ROUNDS: usize = 7;
const CONTACTS: u64 = 100_000;
const ROUTES: u64 = 1_000;
const IMPORTED: u64 = 1_000_000;

fn main() -> Outcome {
    let wanted: Vec<String> = std::env::args().skip(1).filter(|a| !a.starts_with("--")).collect();
    if wanted.first().is_some_and(|w| w == null_http::PART) {
        return null_http::serve();
    }
    let parts: [(&str, Part); 8] = [
        ("answers", answers::answers),
        ("socket", answers::socket),
        ("http", answers::http),
        ("idle", idle::idle),
        ("import", import::import),
        ("memory", memory::memory),
        ("plan", plan::plan),
        ("directory", directory::directory),
    ];
    for (name, part) in parts {
        if wanted.is_empty() || wanted.iter().any(|w| w == name) {
            part()?;
        }
    }
    Ok(())
}
