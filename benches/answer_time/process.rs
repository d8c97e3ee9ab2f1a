//! The processes that are measured: strowger over a directory of its own, what it is filled with, the load on it.

use super::{CONTACTS, Outcome, ROUTES};
use serde_json::Value;
use std::io::{BufRead, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

pub(super) const STROWGER: &str = env!("CARGO_BIN_EXE_strowger");

/// A process that is killed when it is no longer needed.
pub(super) struct Running(pub(super) Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Running {
    /// User and system time so far, in clock ticks of 10 ms.
    pub(super) fn ticks(&self) -> Outcome<u64> {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.0.id()))?;
        let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
        Ok(fields[11].parse::<u64>()? + fields[12].parse::<u64>()?)
    }

    /// A line of `/proc/PID/status`, in kB.
    pub(super) fn memory_kb(&self, name: &str) -> Outcome<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.0.id()))?;
        let line = status.lines().find(|l| l.starts_with(name)).ok_or("no such line")?;
        Ok(line.split_whitespace().nth(1).ok_or("no figure")?.parse()?)
    }
}

/// A strowger over a data directory.
pub(super) struct Strowger {
    pub(super) process: Running,
    /// Where FastAGI, the outbound socket and HTTP look-ups are answered.
    pub(super) agi: String,
    pub(super) esl: String,
    pub(super) lookup_http: String,
    pub(super) data: PathBuf,
    pub(super) ready_ms: u128,
}

impl Strowger {
    pub(super) fn start(data: &Path) -> Outcome<Strowger> {
        Strowger::start_with(data, &[])
    }

    /// The same with more flags.
    pub(super) fn start_with(data: &Path, flags: &[&str]) -> Outcome<Strowger> {
        let config = data.join("bench.toml");
        std::fs::write(&config, "[[tenant]]\nid = \"default\"\ncountry = \"US\"\n")?;
        let began = Instant::now();
        let mut child = Command::new(STROWGER)
            .args(["serve", "--agi", "127.0.0.1:0", "--esl", "127.0.0.1:0", "--lookup-http", "127.0.0.1:0"])
            .args(["--http", "127.0.0.1:0"])
            .args(flags)
            .arg("--data")
            .arg(data)
            .arg("--config")
            .arg(&config)
            .stdout(Stdio::piped())
            .stderr(std::fs::File::create(data.join("log"))?)
            .spawn()?;
        let mut line = String::new();
        BufReader::new(child.stdout.take().ok_or("no output")?).read_line(&mut line)?;
        let ready_ms = began.elapsed().as_millis();
        let said = |key: &str| line.split_whitespace().find_map(|w| w.strip_prefix(key)).map(str::to_owned);
        let address = |key| said(key).ok_or_else(|| format!("strowger didn't start; it said {line:?}"));
        let (agi, esl, lookup_http) = (address("agi=")?, address("esl=")?, address("lookup-http=")?);
        Ok(Strowger { process: Running(child), agi, esl, lookup_http, data: data.into(), ready_ms })
    }

    pub(super) fn cli(&self, args: &[&str]) -> Outcome<String> {
        let output = Command::new(STROWGER).arg("--data").arg(&self.data).args(args).stderr(Stdio::inherit()).output()?;
        if output.status.success() { Ok(String::from_utf8(output.stdout)?) } else { Err(format!("{args:?} failed").into()) }
    }

    pub(super) fn status(&self) -> Outcome<Value> {
        Ok(serde_json::from_str(&self.cli(&["--json", "status"])?)?)
    }

    /// Waits until calls read the snapshot; how long that took.
    pub(super) fn wait_for_snapshot(&self) -> Outcome<u128> {
        let began = Instant::now();
        while self.status()?["snapshot_revision"].is_null() {
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(began.elapsed().as_millis())
    }
}

/// A CSV of contacts with consecutive numbers.
pub(super) fn contacts_csv(path: &Path, count: u64) -> Outcome<u64> {
    contacts_csv_named(path, count, "Contact Number")
}

/// The same with names that begin like this.
pub(super) fn contacts_csv_named(path: &Path, count: u64, name: &str) -> Outcome<u64> {
    let mut file = std::io::BufWriter::new(std::fs::File::create(path)?);
    writeln!(file, "name,number,company")?;
    let mut raw = 0;
    for n in 0..count {
        let line = format!("{name} {n},+1415{:07},Company {}\n", 2_000_000 + n, n % 5000);
        raw += line.len() as u64;
        file.write_all(line.as_bytes())?;
    }
    file.flush()?;
    Ok(raw)
}

/// By which way a load asks: the flags of `call` and `bench`, the last of which takes the address.
pub(super) type Way = &'static [&'static str];
pub(super) const AGI: Way = &["--agi"];
pub(super) const SOCKET: Way = &["--switch", "freeswitch", "--esl"];
pub(super) const NAME: Way = &["--switch", "freeswitch", "--via", "name", "--lookup-http"];

/// One run of the load generator against an address.
pub(super) fn load(way: Way, address: &str, args: &[&str]) -> Outcome<Value> {
    load_from(way, address, CONTACTS, args)
}

/// The same, with calls from so many numbers.
pub(super) fn load_from(way: Way, address: &str, callers: u64, args: &[&str]) -> Outcome<Value> {
    let output = Command::new(STROWGER)
        .args(["--json", "bench", "--from", "+14152000000", "--to", "+14155550000", "--to-count", "1000"])
        .args(["--from-count", &callers.to_string()])
        .args(way)
        .arg(address)
        .args(args)
        .output()?;
    Ok(serde_json::from_slice(&output.stdout)?)
}

/// What one call hears: the lines that the server wrote.
pub(super) fn heard(way: Way, address: &str) -> Outcome<Vec<String>> {
    let call = Command::new(STROWGER)
        .args(["--json", "call", "--to", "+14155550199", "--from", "+14152000001"])
        .args(way)
        .arg(address)
        .output()?;
    let conversation: Value = serde_json::from_slice(&call.stdout)?;
    let lines = conversation["conversation"].as_array().ok_or("no conversation")?;
    let lines: Vec<String> = lines.iter().filter(|l| l[0] == ">").filter_map(|l| l[1].as_str()).map(str::to_owned).collect();
    if lines.iter().any(|line| line.contains("Contact Number 1")) {
        Ok(lines)
    } else {
        Err(format!("the caller isn't known: {lines:?}").into())
    }
}

/// Calls of a report that failed.
pub(super) fn failed(report: &Value) -> f64 {
    report["failed"].as_object().map_or(0.0, |f| f.values().filter_map(Value::as_f64).sum())
}

pub(super) fn number(report: &Value, path: &str) -> f64 {
    path.split('/').fold(report, |v, key| &v[key]).as_f64().unwrap_or(f64::NAN)
}

pub(super) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

pub(super) fn fill(strowger: &Strowger, dir: &Path) -> Outcome {
    let csv = dir.join("contacts.csv");
    contacts_csv(&csv, CONTACTS)?;
    strowger.cli(&["contact", "import", &csv.display().to_string()])?;
    for n in 0..ROUTES {
        let did = format!("+1415{:07}", 5_550_000 + n);
        strowger.cli(&["route", "set", &did, "--step", "dial:101,102,timeout=20", "--step", "voicemail:199"])?;
    }
    Ok(())
}
