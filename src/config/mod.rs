//! `strowger.toml`: every key, its default, and what is wrong with a file.
//!
//! A flag beats an environment variable, which beats the file, which beats the default. A key that isn't known stops
//! the start: a misspelt one would otherwise be a setting that is silently not there.

mod changes;
mod dial;
mod doors;
mod features;
mod otel;
mod service_user;
mod switch;
mod tenant;

use crate::logbook::LogFormat;
use crate::nearest::in_words;
use crate::routing::{Tenants, Whose};
use dial::{Dial, DialTable};
use doors::Networks;
use serde::Deserialize;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;
use switch::{EventsTable, SwitchTable};
use tenant::TenantTable;
use thiserror::Error;

pub use doors::Allowed;
pub use otel::OtelConfig;
pub use service_user::{Obstacle, ServiceUser};
pub use switch::{EventsConfig, Priority, Secret, SwitchConfig, SwitchKind};

/// Where the configuration is looked for if nobody says where.
pub const DEFAULT_PATH: &str = "/etc/strowger/strowger.toml";
/// The greatest answer budget, in milliseconds: a caller hears what is longer.
pub const ANSWER_BUDGET_MS_MAX: u64 = 10_000;
/// The most sessions at once that can be configured.
pub const SESSIONS_MAX: usize = 1_000_000;
/// The most call threads.
pub const CALL_THREADS_MAX: usize = 64;
/// The largest configuration file, in bytes.
const FILE_BYTES_MAX: u64 = 4 * 1024 * 1024;

/// What is wrong with a configuration: where, what, and what to do.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{place}: {what}")]
pub struct ConfigError {
    /// `FILE:LINE`, the file, or the variable or flag.
    pub place: String,
    /// What is wrong and what would be right.
    pub what: String,
}

/// The configuration as understood.
#[derive(Debug, Clone)]
pub struct Config {
    /// The file it came from, if any.
    pub file: Option<PathBuf>,
    /// The data directory.
    pub data: PathBuf,
    /// The admin socket.
    pub admin: PathBuf,
    /// Where FastAGI listens.
    pub agi: SocketAddr,
    /// Where FreeSWITCH's outbound sockets come in.
    pub esl: SocketAddr,
    /// Where a switch asks over HTTP while a call waits.
    pub lookup_http: SocketAddr,
    /// Where CTI clients and monitoring ask over HTTP.
    pub http: SocketAddr,
    /// Who may come in there, beside this machine.
    pub allowed: Allowed,
    /// How long an answer may take.
    pub answer_budget: Duration,
    /// Sessions that are served at once.
    pub sessions_max: usize,
    /// Threads that answer calls.
    pub call_threads: usize,
    /// What is logged, as `tracing` reads it.
    pub log: String,
    /// In which form.
    pub log_format: LogFormat,
    /// Whether numbers stand there whole.
    pub log_numbers: bool,
    /// How calls are traced.
    pub otel: OtelConfig,
    /// The tenants, `default` among them.
    pub tenants: Tenants,
    /// Whose a call is that names no tenant.
    pub whose: Whose,
    /// The switches whose events are read.
    pub switches: Vec<SwitchConfig>,
    /// How much of what they say is kept.
    pub events: EventsConfig,
}

/// What flags say; each beats the file. Environment variables come in here too.
#[derive(Debug, Clone, Default)]
pub struct Overrides {
    /// `--config`.
    pub config: Option<PathBuf>,
    /// `--data`, `STROWGER_DATA`, `STATE_DIRECTORY`.
    pub data: Option<PathBuf>,
    /// `--admin`, `STROWGER_ADMIN`.
    pub admin: Option<PathBuf>,
    /// `--agi`, `STROWGER_AGI`.
    pub agi: Option<SocketAddr>,
    /// `--esl`, `STROWGER_ESL`.
    pub esl: Option<SocketAddr>,
    /// `--lookup-http`, `STROWGER_LOOKUP_HTTP`.
    pub lookup_http: Option<SocketAddr>,
    /// `--http`, `STROWGER_HTTP`.
    pub http: Option<SocketAddr>,
    /// `--answer-budget-ms`, `STROWGER_ANSWER_BUDGET_MS`.
    pub answer_budget_ms: Option<u64>,
    /// `--sessions-max`, `STROWGER_SESSIONS_MAX`.
    pub sessions_max: Option<usize>,
    /// `--call-threads`, `STROWGER_CALL_THREADS`.
    pub call_threads: Option<usize>,
    /// `--log`, `STROWGER_LOG`.
    pub log: Option<String>,
    /// `--log-format`, `STROWGER_LOG_FORMAT`.
    pub log_format: Option<LogFormat>,
    /// `--log-numbers`, `STROWGER_LOG_NUMBERS`.
    pub log_numbers: Option<bool>,
    /// `--otel-endpoint`, `OTEL_EXPORTER_OTLP_ENDPOINT`.
    pub otel_endpoint: Option<String>,
    /// `--otel-sample`, `STROWGER_OTEL_SAMPLE`.
    pub otel_sample: Option<f64>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    data: Option<PathBuf>,
    admin: Option<PathBuf>,
    agi: Option<toml::Spanned<String>>,
    esl: Option<toml::Spanned<String>>,
    lookup_http: Option<toml::Spanned<String>>,
    http: Option<toml::Spanned<String>>,
    agi_allow: Networks,
    esl_allow: Networks,
    lookup_http_allow: Networks,
    http_allow: Networks,
    answer_budget_ms: Option<toml::Spanned<u64>>,
    sessions_max: Option<toml::Spanned<usize>>,
    call_threads: Option<toml::Spanned<usize>>,
    log: Option<String>,
    log_format: Option<toml::Spanned<String>>,
    log_numbers: Option<bool>,
    otel_endpoint: Option<toml::Spanned<String>>,
    otel_sample: Option<toml::Spanned<f64>>,
    #[serde(default)]
    dial: DialTable,
    #[serde(default)]
    tenant: Vec<TenantTable>,
    #[serde(default)]
    switch: Vec<SwitchTable>,
    #[serde(default)]
    events: EventsTable,
}

/// The text of a file, to find lines in.
struct Source {
    path: PathBuf,
    text: String,
}

impl Source {
    fn at<T>(&self, span: &toml::Spanned<T>, what: impl Into<String>) -> ConfigError {
        self.at_byte(span.span().start, what)
    }

    fn line_of<T>(&self, span: &toml::Spanned<T>) -> usize {
        self.line_at(span.span().start)
    }

    fn line_at(&self, byte: usize) -> usize {
        self.text.as_bytes().iter().take(byte).filter(|b| **b == b'\n').count() + 1
    }

    fn at_byte(&self, byte: usize, what: impl Into<String>) -> ConfigError {
        let line = self.line_at(byte);
        ConfigError { place: format!("{}:{line}", self.path.display()), what: what.into() }
    }
}

impl Config {
    /// Reads the configuration.
    ///
    /// # Errors
    /// [`ConfigError`]: the first thing that is wrong.
    pub fn load(overrides: Overrides) -> Result<Config, ConfigError> {
        let default = Path::new(DEFAULT_PATH);
        let path = overrides.config.clone().or_else(|| default.exists().then(|| default.to_owned()));
        let source = match &path {
            Some(path) => read(path)?,
            None => Source { path: PathBuf::new(), text: String::new() },
        };
        Config::understood(&source, path, overrides)
    }

    /// Reads a configuration from a text, which no flag beats; what is wrong with it stands in `strowger.toml:LINE`.
    ///
    /// # Errors
    /// [`ConfigError`]: the first thing that is wrong.
    pub fn from_text(text: String) -> Result<Config, ConfigError> {
        Config::understood(&Source { path: PathBuf::from("strowger.toml"), text }, None, Overrides::default())
    }

    fn understood(source: &Source, path: Option<PathBuf>, overrides: Overrides) -> Result<Config, ConfigError> {
        let file: File = toml::from_str(&source.text).map_err(|error| toml_error(source, &error))?;
        let dial = Dial::read(source, &file.dial)?;
        let tenants = tenant::tenants(source, &file, &dial)?;
        let whose = tenant::whose(source, &file.tenant, &tenants)?;
        let agi = address(source, "agi", overrides.agi, file.agi.as_ref(), 4573)?;
        let esl = address(source, "esl", overrides.esl, file.esl.as_ref(), 8084)?;
        let lookup_http = address(source, "lookup_http", overrides.lookup_http, file.lookup_http.as_ref(), 8086)?;
        let http = address(source, "http", overrides.http, file.http.as_ref(), 8085)?;
        let doors = [("agi", agi), ("esl", esl), ("lookup_http", lookup_http), ("http", http)];
        for (n, (name, one)) in doors.iter().enumerate() {
            if let Some((other, _)) = doors[n + 1..].iter().find(|(_, other)| one == other && one.port() != 0) {
                let place = path.as_ref().map_or("the addresses".to_owned(), |path| path.display().to_string());
                return Err(ConfigError { place, what: format!("{name} and {other} are both {one}; each needs a port of its own") });
            }
        }
        let lists = [&file.agi_allow, &file.esl_allow, &file.lookup_http_allow, &file.http_allow];
        let allowed = doors::allowed(source, doors, lists)?;
        let data = overrides.data.or(file.data).unwrap_or_else(home_data);
        Ok(Config {
            admin: overrides.admin.or(file.admin).unwrap_or_else(|| data.join("strowger.sock")),
            agi,
            esl,
            lookup_http,
            http,
            allowed,
            answer_budget: Duration::from_millis(
                limited(source, "answer_budget_ms", overrides.answer_budget_ms, file.answer_budget_ms.as_ref(), 1..=ANSWER_BUDGET_MS_MAX)?
                    .unwrap_or(100),
            ),
            sessions_max: limited(source, "sessions_max", overrides.sessions_max, file.sessions_max.as_ref(), 1..=SESSIONS_MAX)?
                .unwrap_or(16_384),
            call_threads: limited(source, "call_threads", overrides.call_threads, file.call_threads.as_ref(), 1..=CALL_THREADS_MAX)?
                .unwrap_or_else(default_call_threads),
            log_format: log_format(source, overrides.log_format, file.log_format.as_ref())?,
            log_numbers: overrides.log_numbers.or(file.log_numbers).unwrap_or(false),
            otel: OtelConfig {
                endpoint: otel::endpoint(source, overrides.otel_endpoint.as_deref(), file.otel_endpoint.as_ref())?,
                sample: limited(source, "otel_sample", overrides.otel_sample, file.otel_sample.as_ref(), 0.0..=1.0)?
                    .unwrap_or(otel::SAMPLE),
            },
            log: overrides.log.or(file.log).unwrap_or_else(|| "info".to_owned()),
            file: path,
            data,
            switches: switch::switches(source, &file.switch, &tenants)?,
            events: switch::events(source, &file.events)?,
            tenants,
            whose,
        })
    }

    /// Where the store lies in the data directory.
    pub fn store_dir(&self) -> PathBuf {
        self.data.join("store")
    }

    /// Where the journal of finished calls lies.
    pub fn journal_dir(&self) -> PathBuf {
        self.data.join("journal")
    }
}

/// An address: the flag's, else the file's, else this port on loopback. What the file says is read even if a flag beats
/// it: a mistake in it would show on the day the flag is left out.
fn address(
    source: &Source,
    key: &str,
    flag: Option<SocketAddr>,
    file: Option<&toml::Spanned<String>>,
    port: u16,
) -> Result<SocketAddr, ConfigError> {
    let in_file = match file {
        Some(text) => Some(text.get_ref().parse().map_err(|_| {
            source.at(
                text,
                format!("{key} = {:?} is no address; write host and port in numbers, such as \"127.0.0.1:{port}\"", text.get_ref()),
            )
        })?),
        None => None,
    };
    Ok(flag.or(in_file).unwrap_or(SocketAddr::from(([127, 0, 0, 1], port))))
}

/// The form of the log; what the file says is read even if a flag beats it.
fn log_format(source: &Source, flag: Option<LogFormat>, file: Option<&toml::Spanned<String>>) -> Result<LogFormat, ConfigError> {
    let in_file = file.map(|word| word.get_ref().parse().map_err(|why: String| source.at(word, why))).transpose()?;
    Ok(flag.or(in_file).unwrap_or_default())
}

/// Half of the processors, 8 at most: the switch and the kernel's network need the rest. Measured on two: with two
/// call threads beside a load that fills the machine the slowest hundredth took 1.4 times as long as with one.
fn default_call_threads() -> usize {
    std::thread::available_parallelism().map_or(1, |n| (n.get() / 2).clamp(1, 8))
}

fn home_data() -> PathBuf {
    let home = std::env::var_os("HOME").map_or_else(|| PathBuf::from("."), PathBuf::from);
    home.join(".local/share/strowger")
}

fn read(path: &Path) -> Result<Source, ConfigError> {
    let failed = |e: std::io::Error| ConfigError { place: path.display().to_string(), what: format!("can't be read ({e})") };
    let size = std::fs::metadata(path).map_err(failed)?.len();
    if size > FILE_BYTES_MAX {
        return Err(ConfigError { place: path.display().to_string(), what: format!("has {size} bytes, more than {FILE_BYTES_MAX}") });
    }
    Ok(Source { path: path.to_owned(), text: std::fs::read_to_string(path).map_err(failed)? })
}

/// What the TOML reader says, with the line and, for an unknown key, the nearest one that exists.
fn toml_error(source: &Source, error: &toml::de::Error) -> ConfigError {
    let message = error.message();
    let byte = error.span().map_or(0, |s| s.start);
    let is_no_list = message.starts_with("invalid type") && message.ends_with("expected a sequence");
    let hint = if is_no_list { list_hint(source, byte, message) } else { String::new() };
    source.at_byte(byte, format!("{}{hint}", in_words(message)))
}

/// How what stands at this place is written as a list.
fn list_hint(source: &Source, byte: usize, message: &str) -> String {
    let line_start = source.text.get(..byte).and_then(|before| before.rfind('\n')).map_or(0, |n| n + 1);
    let line = source.text.get(line_start..).and_then(|rest| rest.lines().next()).unwrap_or_default();
    let key = line.trim_start_matches(['[', ' ']).split(|c: char| !c.is_ascii_alphanumeric() && c != '_').next().unwrap_or_default();
    if matches!(key, "switch" | "tenant") {
        return format!("; write it with two brackets, [[{key}]]");
    }
    let written = message.strip_prefix("invalid type: string ").and_then(|rest| rest.strip_suffix(", expected a sequence"));
    written.map_or_else(String::new, |written| format!("; write a list, [{written}]"))
}

fn limited<T: PartialOrd + Copy + std::fmt::Display>(
    source: &Source,
    key: &str,
    flag: Option<T>,
    file: Option<&toml::Spanned<T>>,
    range: std::ops::RangeInclusive<T>,
) -> Result<Option<T>, ConfigError> {
    let what = |value: T| format!("{key} = {value} is not between {} and {}", range.start(), range.end());
    match (flag, file) {
        (_, Some(span)) if !range.contains(span.get_ref()) => Err(source.at(span, what(*span.get_ref()))),
        (Some(value), _) if !range.contains(&value) => {
            Err(ConfigError { place: format!("--{}", key.replace('_', "-")), what: what(value) })
        }
        (flag, file) => Ok(flag.or(file.map(|f| *f.get_ref()))),
    }
}

#[cfg(test)]
mod tenant_tests;

#[cfg(test)]
mod tests {
    use super::*;

    fn load(text: &str) -> Result<Config, ConfigError> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        Config::load(Overrides { config: Some(file.path().into()), ..Overrides::default() })
    }

    #[test]
    fn a_configuration_is_read_and_flags_beat_it() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "agi = \"127.0.0.1:1\"\nanswer_budget_ms = 50\n[[tenant]]\nid = \"default\"\ncountry = \"DE\"\nfallback = \"dial:030 123456\"\n").unwrap();
        let flags = Overrides { config: Some(file.path().into()), agi: "127.0.0.1:2".parse().ok(), ..Overrides::default() };
        let config = Config::load(flags).unwrap();
        assert_eq!(config.agi.port(), 2);
        assert_eq!(config.answer_budget.as_millis(), 50);
        assert_eq!(config.tenants["default"].fallback.as_ref().map(ToString::to_string), Some("dial:+4930123456".to_owned()));
    }

    #[test]
    fn two_doors_at_one_address_are_refused_before_the_system_does_it() {
        let error = load("esl = \"127.0.0.1:9000\"\nlookup_http = \"127.0.0.1:9000\"\n").unwrap_err().to_string();
        assert!(error.contains("esl and lookup_http are both 127.0.0.1:9000"), "{error}");
        let error = load("http = \"127.0.0.1:4573\"\n").unwrap_err().to_string();
        assert!(error.contains("agi and http are both 127.0.0.1:4573"), "{error}");
        assert!(load("esl = \"127.0.0.1:0\"\nlookup_http = \"127.0.0.1:0\"\n").is_ok());
    }

    #[test]
    fn a_tenant_may_have_a_domain_of_its_own() {
        let config = load("[dial.freeswitch]\ndomain = \"a.example\"\n[[tenant]]\nid = \"acme\"\ndomain = \"b.example\"\n").unwrap();
        let domain = |tenant: &str| config.tenants[tenant].freeswitch.domain.clone();
        assert_eq!((domain("default"), domain("acme")), (Some("a.example".to_owned()), Some("b.example".to_owned())));
        assert_eq!(config.tenants["acme"].freeswitch.extension.to_string(), "user/{extension}@{domain}");
    }

    #[test]
    fn a_wrong_configuration_says_line_and_remedy() {
        let error = |text: &str| load(text).expect_err(text).to_string();
        for (text, line, what) in [
            ("agi = \"127.0.0.1:4573\"\nansewr_budget_ms = 5\n", 2, "did you mean answer_budget_ms?"),
            ("agi = \"localhost\"\n", 1, "is no address"),
            ("\n\nanswer_budget_ms = 0\n", 3, "between 1 and 10000"),
            ("answer_budget_ms = \"fast\"\n", 1, "invalid type"),
            ("[[tenant]]\nid = \"a\"\ncountry = \"Germany\"\n", 3, "two letters"),
            ("[[tenant]]\nid = \"a\"\n[[tenant]]\nid = \"a\"\n", 4, "twice"),
            ("[[tenant]]\nid = \"A b\"\n", 2, "1 to 32"),
            ("[dial.asterisk]\nnumber = \"PJSIP/x\"\n", 2, "lacks {number}"),
            ("[dial.asterisk]\nextention = \"PJSIP/x\"\n", 2, "did you mean extension?"),
            ("[dial.freeswitch]\nextension = \"user/{extension}@{domain}\"\n", 2, "set domain under [dial.freeswitch]"),
            ("[dial.freeswitch]\ndomain = \"pbx example\"\n", 2, "no host name"),
            ("[dial.freeswitch]\noptions = \"ignore_early_media=true\"\n", 2, "{ignore_early_media=true}"),
            ("[[tenant]]\nid = \"a\"\ndomain = \"a b\"\n", 3, "no host name"),
            ("esl = \"8084\"\n", 1, "is no address"),
            ("[[tenant]]\nid = \"a\"\nfallback = \"dail:1\"\n", 3, "did you mean dial?"),
            ("agi = \n", 1, ""),
            ("data = \"/x\"\n[tenant]\nid = \"a\"\n", 2, "expected a sequence; write it with two brackets, [[tenant]]"),
            ("[tenant.a]\ncountry = \"DE\"\n", 1, "two brackets, [[tenant]]"),
            ("[[tenant]]\nid = \"a\"\ncountry = \"DE\"\nshort_codes = [\"116\", \"110\"]\n", 4, "110 is an emergency number here"),
            ("[[tenant]]\nid = \"a\"\nshort_codes = [\"911\"]\n", 3, "911 is an emergency number here"),
            ("[[tenant]]\nid = \"a\"\nshort_codes = \"110\"\n", 3, "write a list, [\"110\"]"),
            ("[[tenant]]\ncountry = \"DE\"\n", 1, "missing key id"),
        ] {
            let error = error(text);
            assert!(error.contains(&format!(":{line}: ")) && error.contains(what), "{text:?} gave {error:?}");
        }
    }
}
