//! What an answer costs, beside a server that does nothing: `cargo bench --bench answer_time [-- PART…]`.
//!
//! The null server (`null.c`, built with the machine's C compiler) sends the very line that strowger sent. Runs of both
//! alternate, so that whatever else the machine does meets both; trust the ratios more than the times.
//!
//! Parts: `answers` (throughput, slowest hundredth, processor time), `import` (answers while a million contacts come
//! in), `memory` (after a restart). All by default; a few minutes.

use serde_json::Value;
use std::error::Error;
use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

type Outcome<T = ()> = Result<T, Box<dyn Error>>;

const STROWGER: &str = env!("CARGO_BIN_EXE_strowger");
const ROUNDS: usize = 7;
const CONTACTS: u64 = 100_000;
const ROUTES: u64 = 1_000;
const IMPORTED: u64 = 1_000_000;

fn main() -> Outcome {
    let wanted: Vec<String> = std::env::args().skip(1).filter(|a| !a.starts_with("--")).collect();
    let is_wanted = |part: &str| wanted.is_empty() || wanted.iter().any(|w| w == part);
    if is_wanted("answers") {
        answers()?;
    }
    if is_wanted("import") {
        import()?;
    }
    if is_wanted("memory") {
        memory()?;
    }
    Ok(())
}

/// A process that is killed when it is no longer needed.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Running {
    /// User and system time so far, in clock ticks of 10 ms.
    fn ticks(&self) -> Outcome<u64> {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.0.id()))?;
        let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
        Ok(fields[11].parse::<u64>()? + fields[12].parse::<u64>()?)
    }

    /// A line of `/proc/PID/status`, in kB.
    fn memory_kb(&self, name: &str) -> Outcome<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.0.id()))?;
        let line = status.lines().find(|l| l.starts_with(name)).ok_or("no such line")?;
        Ok(line.split_whitespace().nth(1).ok_or("no figure")?.parse()?)
    }
}

/// A strowger over a data directory.
struct Strowger {
    process: Running,
    agi: String,
    data: PathBuf,
    ready_ms: u128,
}

impl Strowger {
    fn start(data: &Path) -> Outcome<Strowger> {
        let config = data.join("bench.toml");
        std::fs::write(&config, "[[tenant]]\nid = \"default\"\ncountry = \"US\"\n")?;
        let began = Instant::now();
        let mut child = Command::new(STROWGER)
            .args(["serve", "--agi", "127.0.0.1:0", "--esl", "127.0.0.1:0", "--lookup-http", "127.0.0.1:0", "--data"])
            .arg(data)
            .arg("--config")
            .arg(&config)
            .stdout(Stdio::piped())
            .stderr(std::fs::File::create(data.join("log"))?)
            .spawn()?;
        let mut line = String::new();
        BufReader::new(child.stdout.take().ok_or("no output")?).read_line(&mut line)?;
        let ready_ms = began.elapsed().as_millis();
        let agi = line.split_whitespace().find_map(|w| w.strip_prefix("agi=")).ok_or("strowger didn't start")?.to_owned();
        Ok(Strowger { process: Running(child), agi, data: data.into(), ready_ms })
    }

    fn cli(&self, args: &[&str]) -> Outcome<String> {
        let output = Command::new(STROWGER).arg("--data").arg(&self.data).args(args).stderr(Stdio::inherit()).output()?;
        if output.status.success() { Ok(String::from_utf8(output.stdout)?) } else { Err(format!("{args:?} failed").into()) }
    }

    fn status(&self) -> Outcome<Value> {
        Ok(serde_json::from_str(&self.cli(&["--json", "status"])?)?)
    }

    /// Waits until calls read the snapshot; how long that took.
    fn wait_for_snapshot(&self) -> Outcome<u128> {
        let began = Instant::now();
        while self.status()?["snapshot_revision"].is_null() {
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(began.elapsed().as_millis())
    }
}

/// A CSV of contacts with consecutive numbers.
fn contacts_csv(path: &Path, count: u64) -> Outcome<u64> {
    let mut file = std::io::BufWriter::new(std::fs::File::create(path)?);
    writeln!(file, "name,number,company")?;
    let mut raw = 0;
    for n in 0..count {
        let line = format!("Contact Number {n},+1415{:07},Company {}\n", 2_000_000 + n, n % 5000);
        raw += line.len() as u64;
        file.write_all(line.as_bytes())?;
    }
    file.flush()?;
    Ok(raw)
}

/// One run of the load generator against an address.
fn load(address: &str, args: &[&str]) -> Outcome<Value> {
    let output = Command::new(STROWGER)
        .args(["--json", "bench", "--agi", address, "--from", "+14152000000", "--from-count", "100000"])
        .args(["--to", "+14155550000", "--to-count", "1000"])
        .args(args)
        .output()?;
    Ok(serde_json::from_slice(&output.stdout)?)
}

fn number(report: &Value, path: &str) -> f64 {
    path.split('/').fold(report, |v, key| &v[key]).as_f64().unwrap_or(f64::NAN)
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn fill(strowger: &Strowger, dir: &Path) -> Outcome {
    let csv = dir.join("contacts.csv");
    contacts_csv(&csv, CONTACTS)?;
    strowger.cli(&["contact", "import", &csv.display().to_string()])?;
    for n in 0..ROUTES {
        let did = format!("+1415{:07}", 5_550_000 + n);
        strowger.cli(&["route", "set", &did, "--step", "dial:101,102,timeout=20", "--step", "voicemail:199"])?;
    }
    Ok(())
}

fn start_null(dir: &Path, line: &str) -> Outcome<(Running, String)> {
    let (source, program, said) = (Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/null.c"), dir.join("null"), dir.join("line"));
    if !Command::new("cc").args(["-O2", "-o"]).arg(&program).arg(source).status()?.success() {
        return Err("the null server could not be built; it needs a C compiler (cc)".into());
    }
    std::fs::write(&said, line)?;
    let mut child = Command::new(&program).arg("0").arg(format!("@{}", said.display())).stdout(Stdio::piped()).spawn()?;
    let mut port = String::new();
    BufReader::new(child.stdout.take().ok_or("no output")?).read_line(&mut port)?;
    Ok((Running(child), format!("127.0.0.1:{}", port.trim())))
}

fn answers() -> Outcome {
    let dir = tempfile::tempdir()?;
    let strowger = Strowger::start(dir.path())?;
    fill(&strowger, dir.path())?;
    let call = Command::new(STROWGER)
        .args(["--json", "call", "--agi", &strowger.agi, "--to", "+14155550199", "--from", "+14152000001"])
        .output()?;
    let conversation: Value = serde_json::from_slice(&call.stdout)?;
    let lines = conversation["conversation"].as_array().ok_or("no conversation")?;
    let line = lines.iter().find(|l| l[0] == ">").and_then(|l| l[1].as_str()).ok_or("no answer")?.to_owned();
    if !line.contains("Contact Number 1,") {
        return Err(format!("the caller isn't known: {line}").into());
    }
    let (null, null_address) = start_null(dir.path(), &line)?;
    println!("{CONTACTS} contacts, {ROUTES} routes; closed loop, {ROUNDS} rounds of 3 s each, null and strowger in turn\n");
    println!("{:>11} {:>9} {:>12} {:>9} {:>9} {:>13}", "connections", "server", "calls/s", "p50 µs", "p99 µs", "CPU µs a call");
    for connections in ["16", "1", "256"] {
        let mut all = Vec::new();
        for (name, address, process) in [("null", &null_address, &null), ("strowger", &strowger.agi, &strowger.process)] {
            all.push((name, address, process, Vec::new()));
        }
        for _ in 0..ROUNDS {
            for (_, address, process, rounds) in &mut all {
                let before = process.ticks()?;
                let report = load(address, &["--seconds", "3", "--connections", connections, "--expect", "found"])?;
                let failed: f64 = report["failed"].as_object().map_or(0.0, |f| f.values().filter_map(Value::as_f64).sum());
                if failed > 0.0 {
                    return Err(format!("{failed} calls failed: {report}").into());
                }
                let cpu_us = (process.ticks()? - before) as f64 * 10_000.0 / number(&report, "calls");
                rounds.push([
                    number(&report, "calls_per_second"),
                    number(&report, "latency/p50_us"),
                    number(&report, "latency/p99_us"),
                    cpu_us,
                ]);
            }
        }
        let mut medians = Vec::new();
        for (name, _, _, rounds) in &all {
            let m: Vec<f64> = (0..4).map(|i| median(rounds.iter().map(|r| r[i]).collect())).collect();
            println!("{connections:>11} {name:>9} {:>12.0} {:>9.0} {:>9.0} {:>13.1}", m[0], m[1], m[2], m[3]);
            medians.push(m);
        }
        let mut ratios = String::new();
        for i in 0..4 {
            write!(ratios, " {:>width$.2}", medians[1][i] / medians[0][i], width = [12, 9, 9, 13][i])?;
        }
        println!("{:>21}{ratios}", "of null");
    }
    println!();
    Ok(())
}

fn import() -> Outcome {
    let dir = tempfile::tempdir()?;
    let strowger = Strowger::start(dir.path())?;
    fill(&strowger, dir.path())?;
    let csv = dir.path().join("many.csv");
    contacts_csv(&csv, IMPORTED)?;
    println!("Answers at 500 calls/s while {IMPORTED} contacts are imported through the admin socket");
    println!("Times from when a call should have begun, and, without the generator's own lateness, from when it began.");
    println!(
        "{:>9} {:>7} {:>9} {:>9} {:>9} {:>12} {:>12} {:>6}",
        "", "calls", "p50 µs", "p99 µs", "p99.9 µs", "begun p50", "begun p99", "late"
    );
    let row = |name: &str, report: &Value| {
        println!(
            "{name:>9} {:>7} {:>9.0} {:>9.0} {:>9.0} {:>12.0} {:>12.0} {:>6}",
            number(report, "calls"),
            number(report, "latency/p50_us"),
            number(report, "latency/p99_us"),
            number(report, "latency/p999_us"),
            number(report, "service/p50_us"),
            number(report, "service/p99_us"),
            number(report, "statuses/late")
        );
    };
    let at = |seconds: &str| load(&strowger.agi, &["--rate", "500", "--connections", "64", "--seconds", seconds]);
    let before = at("15")?;
    row("quiet", &before);
    let began = Instant::now();
    let mut importer = Command::new(STROWGER)
        .arg("--data")
        .arg(dir.path())
        .args(["contact", "import", &csv.display().to_string()])
        .stderr(Stdio::null())
        .stdout(Stdio::null())
        .spawn()?;
    let mut during = Vec::new();
    while importer.try_wait()?.is_none() {
        during.push(at("3")?);
    }
    let took = began.elapsed();
    for report in &during {
        row("importing", report);
    }
    let after = at("15")?;
    row("quiet", &after);
    let ratio = |path: &str| {
        let quiet = (number(&before, path) + number(&after, path)) / 2.0;
        median(during.iter().map(|r| number(r, path)).collect()) / quiet
    };
    println!("import: {:.1} s; server's memory at its highest {} MB", took.as_secs_f64(), strowger.process.memory_kb("VmHWM")? / 1000);
    println!("p99 while importing / quiet: {:.2}; from when the calls began: {:.2}\n", ratio("latency/p99_us"), ratio("service/p99_us"));
    Ok(())
}

fn memory() -> Outcome {
    println!("Memory after a restart");
    println!(
        "{:>9} {:>9} {:>11} {:>12} {:>9} {:>9} {:>15}",
        "contacts", "raw MB", "ready ms", "snapshot ms", "RSS MB", "peak MB", "bytes a contact"
    );
    let mut empty_kb = 0;
    for count in [0, CONTACTS, IMPORTED] {
        let dir = tempfile::tempdir()?;
        let csv = dir.path().join("contacts.csv");
        let raw = contacts_csv(&csv, count)?;
        if count > 0 {
            let strowger = Strowger::start(dir.path())?;
            strowger.cli(&["contact", "import", &csv.display().to_string()])?;
            let stopped = Command::new("kill").arg(strowger.process.0.id().to_string()).status()?;
            let mut process = strowger.process;
            if !stopped.success() || !process.0.wait()?.success() {
                return Err("strowger didn't stop".into());
            }
        }
        let strowger = Strowger::start(dir.path())?;
        let snapshot_ms = strowger.wait_for_snapshot()?;
        let rss = strowger.process.memory_kb("VmRSS")?;
        let per_contact = if count == 0 {
            empty_kb = rss;
            String::new()
        } else {
            format!("{:.0}", (rss - empty_kb) as f64 * 1024.0 / count as f64)
        };
        println!(
            "{count:>9} {:>9.1} {:>11} {snapshot_ms:>12} {:>9.1} {:>9.1} {per_contact:>15}",
            raw as f64 / 1e6,
            strowger.ready_ms,
            rss as f64 / 1000.0,
            strowger.process.memory_kb("VmHWM")? as f64 / 1000.0
        );
    }
    println!();
    Ok(())
}
