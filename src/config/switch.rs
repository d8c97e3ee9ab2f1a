//! `[[switch]]` and `[events]`: which switches are listened to, and how much of what they say is kept.
//!
//! A switch's secret is in the file or in a file of its own. It never shows: not in `check`, not in a log, not in `Debug`.

use super::{ConfigError, ServiceUser, Source, limited};
use crate::nearest::did_you_mean;
use crate::routing::{DEFAULT_TENANT, Tenants};
use crate::wire::ami::EventClass;
use crate::wire::esl::command::{EventName, Subclass};
use serde::Deserialize;
use std::fmt;
use std::net::Ipv6Addr;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

/// Ports where nobody says which.
const AMI_PORT: u16 = 5038;
const ESL_PORT: u16 = 8021;
/// The most switches: each has a ring of its own, of `ring_bytes_max`.
const SWITCHES_MAX: usize = 64;
/// The most words in `events`; FreeSWITCH has some 90 kinds of events.
const EVENTS_MAX: usize = 100;
/// The longest user, secret, host name, in bytes.
const TEXT_BYTES_MAX: usize = 253;

/// Which switch it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SwitchKind {
    /// Asterisk, by its manager interface.
    Asterisk,
    /// FreeSWITCH, by its inbound event socket.
    Freeswitch,
}

impl SwitchKind {
    /// The word in the file.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            SwitchKind::Asterisk => "asterisk",
            SwitchKind::Freeswitch => "freeswitch",
        }
    }
}

/// Where a switch's secret is.
#[derive(Clone, PartialEq, Eq)]
pub enum Secret {
    /// In the configuration.
    Text(String),
    /// In a file, which is read at each login.
    File(PathBuf),
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Secret::Text(_) => f.write_str("Text(…)"),
            Secret::File(path) => f.debug_tuple("File").field(path).finish(),
        }
    }
}

/// One switch that is listened to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SwitchConfig {
    /// Its name here.
    pub name: String,
    /// What it is.
    pub kind: SwitchKind,
    /// Where it listens: host and port. A name is looked up at each connect.
    pub address: String,
    /// Who logs in: Asterisk's manager user; FreeSWITCH's `user@domain`, or nobody.
    pub user: Option<String>,
    /// By which secret.
    pub secret: Secret,
    /// The tenant of calls that no decision was given for.
    pub tenant: String,
    /// What is subscribed to beyond what is used here, for those who read raw events.
    pub events: Vec<String>,
}

impl SwitchConfig {
    /// What an administrator should know of it: a secret file that isn't there, or that others can write or the world read.
    /// What to do about it leaves the file to the user that the server runs as.
    #[must_use]
    pub fn warnings(&self, service: &ServiceUser) -> Vec<String> {
        let Secret::File(path) = &self.secret else { return Vec::new() };
        let (name, shown) = (&self.name, path.display());
        match std::fs::metadata(path) {
            Err(error) => vec![format!("switch {name}: the secret file {shown} can't be read ({error}); nobody can log in without it")],
            Ok(file) if !file.is_file() => vec![format!("switch {name}: {shown} is no file; write the secret into one")],
            Ok(file) if file.mode() & 0o026 != 0 => {
                let remedy = service.remedy(path);
                vec![format!("switch {name}: others can write {shown}, or everybody can read it; {remedy}")]
            }
            Ok(_) => Vec::new(),
        }
    }
}

/// At which priority the event plane works. Nobody waits for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Priority {
    /// When nobody else wants the processor.
    #[default]
    Idle,
    /// Nice 19: a little even on a machine that is always busy, which calls can feel.
    Nice,
}

/// How much of what switches say is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventsConfig {
    /// The priority behind the rings.
    pub priority: Priority,
    /// Events that wait in one source's ring.
    pub ring_events_max: usize,
    /// Their bytes.
    pub ring_bytes_max: usize,
    /// Live calls that are remembered.
    pub calls_max: usize,
    /// Hours after which a call whose end was never told is given up.
    pub call_hours_max: u64,
    /// Days that a finished call is kept in the journal; 0 is without end.
    pub journal_days: u64,
    /// Megabytes that the journal may have.
    pub journal_mb_max: u64,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SwitchTable {
    name: toml::Spanned<String>,
    kind: toml::Spanned<String>,
    address: toml::Spanned<String>,
    user: Option<toml::Spanned<String>>,
    secret: Option<toml::Spanned<SecretText>>,
    secret_file: Option<toml::Spanned<PathBuf>>,
    tenant: Option<toml::Spanned<String>>,
    #[serde(default)]
    events: Vec<toml::Spanned<String>>,
}

/// A secret as the file has it, before anything was found wrong with the rest.
#[derive(Deserialize)]
#[serde(transparent)]
struct SecretText(String);

impl fmt::Debug for SecretText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("…")
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct EventsTable {
    priority: Option<Priority>,
    ring_events_max: Option<toml::Spanned<usize>>,
    ring_bytes_max: Option<toml::Spanned<usize>>,
    calls_max: Option<toml::Spanned<usize>>,
    call_hours_max: Option<toml::Spanned<u64>>,
    journal_days: Option<toml::Spanned<u64>>,
    journal_mb_max: Option<toml::Spanned<u64>>,
}

/// Reads `[events]`.
pub(super) fn events(source: &Source, table: &EventsTable) -> Result<EventsConfig, ConfigError> {
    let size = |key: &str, span: Option<&toml::Spanned<usize>>, default, range| {
        limited(source, key, None, span, range).map(|value| value.unwrap_or(default))
    };
    let number = |key: &str, span: Option<&toml::Spanned<u64>>, default, range| {
        limited(source, key, None, span, range).map(|value| value.unwrap_or(default))
    };
    Ok(EventsConfig {
        priority: table.priority.unwrap_or_default(),
        ring_events_max: size("ring_events_max", table.ring_events_max.as_ref(), 65_536, 1_024..=16_777_216)?,
        ring_bytes_max: size("ring_bytes_max", table.ring_bytes_max.as_ref(), 64 << 20, 1 << 20..=16 << 30)?,
        calls_max: size("calls_max", table.calls_max.as_ref(), 50_000, 100..=10_000_000)?,
        call_hours_max: number("call_hours_max", table.call_hours_max.as_ref(), 24, 1..=8_760)?,
        journal_days: number("journal_days", table.journal_days.as_ref(), 400, 0..=36_500)?,
        journal_mb_max: number("journal_mb_max", table.journal_mb_max.as_ref(), 2_000, 10..=10_000_000)?,
    })
}

/// Reads every `[[switch]]`.
pub(super) fn switches(source: &Source, tables: &[SwitchTable], tenants: &Tenants) -> Result<Vec<SwitchConfig>, ConfigError> {
    let mut switches: Vec<SwitchConfig> = Vec::with_capacity(tables.len());
    for table in tables {
        let switch = switch(source, table, tenants)?;
        if switches.iter().any(|other| other.name == switch.name) {
            return Err(source.at(&table.name, format!("the switch {:?} is there twice", switch.name)));
        }
        if switches.len() == SWITCHES_MAX {
            return Err(source.at(&table.name, format!("more than {SWITCHES_MAX} switches; let another server listen to the others")));
        }
        switches.push(switch);
    }
    Ok(switches)
}

fn switch(source: &Source, table: &SwitchTable, tenants: &Tenants) -> Result<SwitchConfig, ConfigError> {
    let name = table.name.get_ref();
    let is_name = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'.' | b'_' | b'-');
    let fits = |name: &str| (1..=32).contains(&name.len()) && name.bytes().all(is_name);
    if !fits(name) && fits(&name.to_ascii_lowercase()) {
        let lower = name.to_ascii_lowercase();
        return Err(source.at(&table.name, format!("the switch's name {name:?} has capitals; write it in lower case, {lower:?}")));
    }
    if !fits(name) {
        return Err(source.at(&table.name, format!("the switch's name {name:?} is not 1 to 32 of a-z, 0-9, '.', '_' and '-'")));
    }
    let kind = match table.kind.get_ref().as_str() {
        "asterisk" => SwitchKind::Asterisk,
        "freeswitch" => SwitchKind::Freeswitch,
        other => {
            let hint = did_you_mean(other, ["asterisk", "freeswitch"]);
            return Err(source.at(&table.kind, format!("kind = {other:?} is neither \"asterisk\" nor \"freeswitch\"{hint}")));
        }
    };
    let tenant = match &table.tenant {
        Some(span) if !tenants.contains_key(span.get_ref()) => {
            return Err(source.at(
                span,
                format!("there is no tenant {:?}; add [[tenant]] id = {:?}, or take one that is there", span.get_ref(), span.get_ref()),
            ));
        }
        span => span.as_ref().map_or_else(|| DEFAULT_TENANT.to_owned(), |span| span.get_ref().clone()),
    };
    if table.events.len() > EVENTS_MAX {
        return Err(source.at(&table.events[EVENTS_MAX], format!("more than {EVENTS_MAX} kinds of events")));
    }
    for event in &table.events {
        event_word(kind, event.get_ref()).map_err(|what| source.at(event, what))?;
    }
    Ok(SwitchConfig {
        address: address(source, &table.address, kind)?,
        user: user(source, table, kind)?,
        secret: secret(source, table)?,
        events: table.events.iter().map(|event| event.get_ref().clone()).collect(),
        name: name.clone(),
        kind,
        tenant,
    })
}

fn event_word(kind: SwitchKind, word: &str) -> Result<(), String> {
    match kind {
        SwitchKind::Asterisk if EventClass::from_word(word).is_none() => {
            let words = EventClass::ALL.iter().map(|class| class.word());
            let all = words.clone().collect::<Vec<_>>().join(", ");
            Err(format!("{word:?} is no class of Asterisk's events ({all}){}", did_you_mean(word, words)))
        }
        SwitchKind::Freeswitch => match word.strip_prefix("CUSTOM ") {
            Some(subclass) if Subclass::new(subclass).is_err() => {
                Err(format!("{subclass:?} is no name of custom events; write one such as \"CUSTOM conference::maintenance\""))
            }
            None if EventName::new(word).is_err() => {
                Err(format!("{word:?} is no kind of FreeSWITCH's events; write one such as \"DTMF\", or \"CUSTOM\" and a subclass"))
            }
            _ => Ok(()),
        },
        SwitchKind::Asterisk => Ok(()),
    }
}

/// Whether a text can stand in a line of a login.
fn is_line(text: &str) -> bool {
    (1..=TEXT_BYTES_MAX).contains(&text.len()) && !text.starts_with(' ') && !text.chars().any(char::is_control)
}

fn user(source: &Source, table: &SwitchTable, kind: SwitchKind) -> Result<Option<String>, ConfigError> {
    let Some(span) = &table.user else {
        return match kind {
            SwitchKind::Asterisk => Err(source.at(&table.name, "user is missing; write the name of a section of Asterisk's manager.conf")),
            SwitchKind::Freeswitch => Ok(None),
        };
    };
    let user = span.get_ref();
    let fits = match kind {
        SwitchKind::Asterisk => is_line(user),
        SwitchKind::Freeswitch => {
            is_line(user)
                && !user.contains([':', ' '])
                && user.split_once('@').is_some_and(|(name, domain)| !name.is_empty() && !domain.is_empty() && !domain.contains('@'))
        }
    };
    match (fits, kind) {
        (true, _) => Ok(Some(user.clone())),
        (false, SwitchKind::Asterisk) => Err(source.at(span, format!("user = {user:?} is no user of a manager.conf"))),
        (false, SwitchKind::Freeswitch) => {
            Err(source.at(span, format!("user = {user:?} is not user@domain; leave it out to log in by event_socket.conf.xml's password")))
        }
    }
}

fn secret(source: &Source, table: &SwitchTable) -> Result<Secret, ConfigError> {
    match (&table.secret, &table.secret_file) {
        (Some(secret), Some(_)) => Err(source.at(secret, "secret and secret_file are both there; leave one out")),
        (None, None) => Err(source.at(&table.name, "secret_file (or secret) is missing; without it nobody can log in")),
        (Some(secret), None) if !is_line(&secret.get_ref().0) => {
            Err(source.at(secret, format!("secret is not one line of 1 to {TEXT_BYTES_MAX} bytes that begins with no space")))
        }
        (Some(secret), None) => Ok(Secret::Text(secret.get_ref().0.clone())),
        (None, Some(path)) if !path.get_ref().is_absolute() => Err(source.at(
            path,
            format!("secret_file = {:?} isn't written from / on; where a server is started shouldn't matter", path.get_ref().display()),
        )),
        (None, Some(path)) => Ok(Secret::File(path.get_ref().clone())),
    }
}

/// Host and port, the port that is usual for the switch where there is none.
fn address(source: &Source, span: &toml::Spanned<String>, kind: SwitchKind) -> Result<String, ConfigError> {
    let text = span.get_ref();
    let port = match kind {
        SwitchKind::Asterisk => AMI_PORT,
        SwitchKind::Freeswitch => ESL_PORT,
    };
    let bad = || source.at(span, format!("address = {text:?} is no host and port; write it such as \"127.0.0.1:{port}\""));
    let (host, port) = if text.parse::<Ipv6Addr>().is_ok() {
        (format!("[{text}]"), port)
    } else {
        match text.rsplit_once(':') {
            Some((host, digits)) if !text.ends_with(']') => (host.to_owned(), digits.parse().ok().filter(|p| *p > 0).ok_or_else(bad)?),
            _ => (text.clone(), port),
        }
    };
    let fits = match host.strip_prefix('[').map(|rest| rest.strip_suffix(']')) {
        Some(inner) => inner.is_some_and(|inner| inner.parse::<Ipv6Addr>().is_ok()),
        None => {
            (1..=TEXT_BYTES_MAX).contains(&host.len()) && host.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_'))
        }
    };
    if fits { Ok(format!("{host}:{port}")) } else { Err(bad()) }
}

#[cfg(test)]
#[path = "switch_tests.rs"]
mod tests;
