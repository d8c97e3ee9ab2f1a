//! `[dial]`: how targets become dial strings, for each switch.

use super::{ConfigError, Source};
use crate::routing::{DialTemplates, Template};
use serde::Deserialize;

/// Seconds to ring where nobody says how long.
const TIMEOUT_SECONDS: u16 = 30;
/// The longest of the plain texts, in characters.
const TEXT_CHARS_MAX: usize = 200;

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct DialTable {
    trunk: Option<toml::Spanned<String>>,
    timeout_seconds: Option<toml::Spanned<u16>>,
    #[serde(default)]
    asterisk: AsteriskTable,
    #[serde(default)]
    freeswitch: FreeswitchTable,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct AsteriskTable {
    extension: Option<toml::Spanned<String>>,
    number: Option<toml::Spanned<String>>,
    options: Option<toml::Spanned<String>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct FreeswitchTable {
    domain: Option<toml::Spanned<String>>,
    extension: Option<toml::Spanned<String>>,
    number: Option<toml::Spanned<String>>,
    options: Option<toml::Spanned<String>>,
    confirm_file: Option<toml::Spanned<String>>,
}

/// The templates of both switches.
pub(super) struct Dial {
    pub(super) asterisk: DialTemplates,
    pub(super) freeswitch: DialTemplates,
}

impl Dial {
    /// Reads the table.
    pub(super) fn read(source: &Source, table: &DialTable) -> Result<Dial, ConfigError> {
        let asterisk = &table.asterisk;
        let domain = domain(source, table.freeswitch.domain.as_ref())?;
        Ok(Dial {
            asterisk: DialTemplates {
                extension: template(source, asterisk.extension.as_ref(), "PJSIP/{extension}", "extension", false)?,
                number: template(source, asterisk.number.as_ref(), "PJSIP/{number}@{trunk}", "number", false)?,
                trunk: trunk(source, table)?,
                timeout_seconds: timeout_seconds(source, table)?,
                options: plain(source, asterisk.options.as_ref(), "", "options")?,
                domain: None,
                confirm_file: None,
            },
            freeswitch: freeswitch(source, table, domain)?,
        })
    }

    /// The templates for FreeSWITCH of a tenant with a domain of its own.
    pub(super) fn freeswitch_at(source: &Source, table: &DialTable, own: &toml::Spanned<String>) -> Result<DialTemplates, ConfigError> {
        freeswitch(source, table, domain(source, Some(own))?)
    }
}

fn freeswitch(source: &Source, table: &DialTable, domain: Option<String>) -> Result<DialTemplates, ConfigError> {
    let freeswitch = &table.freeswitch;
    let has_domain = domain.is_some();
    // a user without a domain is one of the switch's own
    let user = if has_domain { "user/{extension}@{domain}" } else { "user/{extension}" };
    let options = plain(source, freeswitch.options.as_ref(), "", "options")?;
    if let Some(span) = freeswitch.options.as_ref().filter(|_| !options.is_empty() && !is_braced(&options)) {
        return Err(source.at(
            span,
            format!("options = {options:?} are no bridge variables; write them with their braces, such as \"{{ignore_early_media=true}}\""),
        ));
    }
    Ok(DialTemplates {
        extension: template(source, freeswitch.extension.as_ref(), user, "extension", has_domain)?,
        number: template(source, freeswitch.number.as_ref(), "sofia/gateway/{trunk}/{number}", "number", has_domain)?,
        trunk: trunk(source, table)?,
        timeout_seconds: timeout_seconds(source, table)?,
        options,
        domain,
        confirm_file: confirm_file(source, freeswitch.confirm_file.as_ref())?,
    })
}

/// It stands among a leg's variables, which braces and a pipe would end.
fn confirm_file(source: &Source, span: Option<&toml::Spanned<String>>) -> Result<Option<String>, ConfigError> {
    let Some(span) = span else { return Ok(None) };
    let text = plain(source, Some(span), "", "confirm_file")?;
    if text.is_empty() || text.contains(['{', '}', '[', ']', '<', '>', '|', ' ', '\'']) {
        return Err(source.at(
            span,
            "confirm_file can't be empty or hold a space, an apostrophe or any of {}[]<>|; name a sound, such as \"ivr/ivr-accept.wav\"",
        ));
    }
    Ok(Some(text))
}

fn trunk(source: &Source, table: &DialTable) -> Result<String, ConfigError> {
    plain(source, table.trunk.as_ref(), "trunk", "trunk")
}

fn timeout_seconds(source: &Source, table: &DialTable) -> Result<u16, ConfigError> {
    match &table.timeout_seconds {
        Some(span) if !(1..=3600).contains(span.get_ref()) => {
            Err(source.at(span, format!("timeout_seconds = {} is not between 1 and 3600", span.get_ref())))
        }
        span => Ok(span.as_ref().map_or(TIMEOUT_SECONDS, |s| *s.get_ref())),
    }
}

/// Whether a text is `{…}`, `<…>` or several of them, as `bridge` takes variables.
fn is_braced(text: &str) -> bool {
    (text.starts_with('{') && text.ends_with('}')) || (text.starts_with('<') && (text.ends_with('>') || text.ends_with('}')))
}

fn template(
    source: &Source,
    span: Option<&toml::Spanned<String>>,
    default: &str,
    target: &'static str,
    has_domain: bool,
) -> Result<Template, ConfigError> {
    match span {
        Some(span) => Template::parse(span.get_ref(), target, has_domain).map_err(|e| source.at(span, e.to_string())),
        None => Template::parse(default, target, has_domain).map_err(|e| ConfigError { place: "the default".into(), what: e.to_string() }),
    }
}

fn plain(source: &Source, span: Option<&toml::Spanned<String>>, default: &str, what: &str) -> Result<String, ConfigError> {
    match span {
        Some(span)
            if span.get_ref().len() > TEXT_CHARS_MAX || span.get_ref().chars().any(|c| c.is_control() || matches!(c, '"' | '\\' | '$')) =>
        {
            Err(source.at(
                span,
                format!("{what} has at most 200 characters, none of them a control, \", \\ or $ (which never reaches a dialplan)"),
            ))
        }
        Some(span) => Ok(span.get_ref().clone()),
        None => Ok(default.to_owned()),
    }
}

fn domain(source: &Source, span: Option<&toml::Spanned<String>>) -> Result<Option<String>, ConfigError> {
    let Some(span) = span else { return Ok(None) };
    let text = span.get_ref();
    let fits = (1..=253).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_'));
    if fits {
        // as users are stored, and telephones register
        Ok(Some(text.to_ascii_lowercase()))
    } else {
        Err(source.at(span, format!("domain = {text:?} is no host name; write one such as \"pbx.example.com\", or an IPv4 address")))
    }
}
