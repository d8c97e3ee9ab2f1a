//! What a switch's session says, in one shape for all kinds of session: a request's name, parameters, the caller.

use crate::routing::{DEFAULT_TENANT, QuestionText};
use crate::wire::agi::Environment;
use percent_encoding::percent_decode_str;
use std::borrow::Cow;
use thiserror::Error;

/// The parameters that a dialplan may hand over. Others are refused: a misspelt `tenant` must not ask another's.
pub const PARAMETERS: &[&str] = &["tenant", "to", "from", "step", "status", "switch"];
/// The longest value of a parameter, in bytes.
const PARAMETER_BYTES_MAX: usize = 512;
/// `agi_callingpres`: the two bits that say "not to be shown" (0x20 restricted, 0x40 unavailable).
const PRESENTATION_RESTRICTED: u8 = 0x20;
const PRESENTATION_MASK: u8 = 0x60;

/// A parameter that can't be taken.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum BadParameter {
    /// Not a name that anybody knows.
    #[error("the parameter {0:?} is unknown")]
    Unknown(String),
    /// An argument without `=`.
    #[error("an argument is no key=value")]
    NoValue,
    /// Too long.
    #[error("the parameter {0} is too long")]
    TooLong(&'static str),
}

/// A question as the switch put it, nothing checked against the data yet.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ask {
    /// `route`, `name`, `ping`, or whatever stood there.
    pub request: String,
    /// The tenant's id; `default` unless the dialplan says otherwise.
    pub tenant: String,
    /// The number called, as text.
    pub to: String,
    /// The caller's number, as text.
    pub from: String,
    /// Whether the caller's number is not to be shown.
    pub restricted: bool,
    /// The token of a failed step.
    pub step: Option<String>,
    /// How that step ended.
    pub status: String,
    /// The switch's own id of the call, for logs.
    pub call_id: String,
}

impl Ask {
    /// Reads an AGI environment.
    ///
    /// # Errors
    /// [`BadParameter`]; the ask comes with it, so that the tenant's fallback can be found.
    pub fn from_agi(environment: &Environment) -> Result<Ask, Box<(Ask, BadParameter)>> {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let script = text(environment.network_script());
        let (request, query) = script.split_once('?').unwrap_or((&script, ""));
        // what can't be read may not be shown
        let presentation = environment.presentation().unwrap_or(PRESENTATION_MASK);
        let mut ask = Ask {
            request: request.trim_end_matches('/').to_owned(),
            tenant: DEFAULT_TENANT.to_owned(),
            to: text(environment.extension()),
            from: text(environment.caller_number()),
            restricted: presentation & PRESENTATION_MASK != 0,
            call_id: text(environment.unique_id()),
            ..Ask::default()
        };
        let mut wrong = None;
        let mut explicit_from = false;
        let from_query = query.split('&').filter(|p| !p.is_empty()).map(|pair| {
            let (key, value) = pair.split_once('=').ok_or(BadParameter::NoValue)?;
            Ok((percent_decode_str(key).decode_utf8_lossy(), percent_decode_str(value).decode_utf8_lossy()))
        });
        let from_arguments = environment.arguments().filter(|a| !a.is_empty()).map(|argument| {
            let at = memchr::memchr(b'=', argument).ok_or(BadParameter::NoValue)?;
            Ok((String::from_utf8_lossy(&argument[..at]), String::from_utf8_lossy(&argument[at + 1..])))
        });
        for parameter in from_query.chain(from_arguments) {
            let taken = parameter.and_then(|(key, value): (Cow<str>, Cow<str>)| {
                explicit_from |= key == "from";
                ask.set(&key, &value)
            });
            if let Err(error) = taken {
                wrong.get_or_insert(error);
            }
        }
        // one of these is a place in the dialplan, and the number is what was dialled
        if matches!(ask.to.as_str(), "s" | "i" | "t" | "h") {
            ask.to = text(environment.dnid());
        }
        if explicit_from {
            // the dialplan names the caller itself: that the channel has no number of its own says nothing of him
            ask.restricted = presentation & PRESENTATION_RESTRICTED != 0;
        }
        match wrong {
            None => Ok(ask),
            Some(error) => Err(Box::new((ask, error))),
        }
    }

    /// The ask as a tenant can read it.
    pub(super) fn text(&self) -> QuestionText<'_> {
        QuestionText {
            request: &self.request,
            to: &self.to,
            from: &self.from,
            restricted: self.restricted,
            step: self.step.as_deref(),
            status: &self.status,
        }
    }

    fn set(&mut self, key: &str, value: &str) -> Result<(), BadParameter> {
        let Some(name) = PARAMETERS.iter().find(|p| **p == key.trim()) else {
            let shown: String = key.chars().take(32).collect();
            return Err(BadParameter::Unknown(shown));
        };
        if value.len() > PARAMETER_BYTES_MAX {
            return Err(BadParameter::TooLong(name));
        }
        let value = value.trim().to_owned();
        match *name {
            "tenant" if !value.is_empty() => self.tenant = value,
            "to" => self.to = value,
            "from" => self.from = value,
            "step" => self.step = Some(value).filter(|v| !v.is_empty()),
            "status" => self.status = value,
            // which switch asks matters to the journal, which doesn't read it here; an empty tenant is no tenant
            _ => {}
        }
        Ok(())
    }
}
