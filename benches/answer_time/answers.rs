//! Answers beside those of a null server: throughput, slowest hundredth, processor time.

use super::process::{AGI, NAME, Running, SOCKET, Strowger, Way, failed, fill, heard, load, median, number};
use super::{CONTACTS, Outcome, ROUNDS, ROUTES, null, null_http};
use std::fmt::Write as _;

/// A server that takes part.
struct Side<'a> {
    name: &'static str,
    address: &'a str,
    process: &'a Running,
}

/// Over FastAGI.
pub(super) fn answers() -> Outcome {
    let dir = tempfile::tempdir()?;
    let strowger = Strowger::start(dir.path())?;
    fill(&strowger, dir.path())?;
    let line = heard(AGI, &strowger.agi)?.swap_remove(0);
    let (null, null_address) = null::start(dir.path(), &line, &[])?;
    let null = Side { name: "null", address: &null_address, process: &null };
    let ours = Side { name: "strowger", address: &strowger.agi, process: &strowger.process };
    headline("FastAGI");
    for connections in ["16", "1", "256"] {
        compare(AGI, connections, &null, &ours)?;
    }
    println!();
    Ok(())
}

/// Over FreeSWITCH's outbound socket.
pub(super) fn socket() -> Outcome {
    let dir = tempfile::tempdir()?;
    let strowger = Strowger::start(dir.path())?;
    fill(&strowger, dir.path())?;
    // without `connect` and its blank line; a line end too many behind a body is skipped by the switch
    let said = heard(SOCKET, &strowger.esl)?[2..].join("\n") + "\n";
    let (null, null_address) = null::start(dir.path(), &said, &["socket"])?;
    let null = Side { name: "null", address: &null_address, process: &null };
    let ours = Side { name: "strowger", address: &strowger.esl, process: &strowger.process };
    headline("FreeSWITCH's outbound socket");
    for connections in ["16", "1"] {
        compare(SOCKET, connections, &null, &ours)?;
    }
    println!();
    Ok(())
}

/// Over HTTP, for a caller's name, with a new connection for every request.
pub(super) fn http() -> Outcome {
    let dir = tempfile::tempdir()?;
    let strowger = Strowger::start(dir.path())?;
    fill(&strowger, dir.path())?;
    heard(NAME, &strowger.lookup_http)?;
    let (null, null_address) = null_http::start()?;
    let null = Side { name: "null", address: &null_address, process: &null };
    let ours = Side { name: "strowger", address: &strowger.lookup_http, process: &strowger.process };
    headline("HTTP, GET /name on new connections");
    for connections in ["16", "1"] {
        compare(NAME, connections, &null, &ours)?;
    }
    println!();
    Ok(())
}

fn headline(what: &str) {
    println!("{what}: {CONTACTS} contacts, {ROUTES} routes; closed loop, {ROUNDS} rounds of 3 s each, null and strowger in turn\n");
    println!("{:>11} {:>9} {:>12} {:>9} {:>9} {:>13}", "connections", "server", "calls/s", "p50 µs", "p99 µs", "CPU µs a call");
}

/// Rounds of both in turn, and the medians of each.
fn compare(way: Way, connections: &str, null: &Side<'_>, ours: &Side<'_>) -> Outcome {
    let mut all = [(null, Vec::new()), (ours, Vec::new())];
    for _ in 0..ROUNDS {
        for (side, rounds) in &mut all {
            let before = side.process.ticks()?;
            let report = load(way, side.address, &["--seconds", "3", "--connections", connections, "--expect", "found"])?;
            if failed(&report) > 0.0 {
                return Err(format!("{} calls to {} failed: {report}", failed(&report), side.name).into());
            }
            let cpu_us = (side.process.ticks()? - before) as f64 * 10_000.0 / number(&report, "calls");
            rounds.push([
                number(&report, "calls_per_second"),
                number(&report, "latency/p50_us"),
                number(&report, "latency/p99_us"),
                cpu_us,
            ]);
        }
    }
    let mut medians = Vec::new();
    for (side, rounds) in &all {
        let m: Vec<f64> = (0..4).map(|i| median(rounds.iter().map(|r| r[i]).collect())).collect();
        println!("{connections:>11} {:>9} {:>12.0} {:>9.0} {:>9.0} {:>13.1}", side.name, m[0], m[1], m[2], m[3]);
        medians.push(m);
    }
    let mut ratios = String::new();
    for i in 0..4 {
        write!(ratios, " {:>width$.2}", medians[1][i] / medians[0][i], width = [12, 9, 9, 13][i])?;
    }
    println!("{:>21}{ratios}", "of null");
    Ok(())
}
