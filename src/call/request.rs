//! What a switch's session says, in one shape for all kinds of session: a request's name, parameters, the caller.

use crate::nearest::did_you_mean;
use crate::routing::render::VARIABLES;
use crate::routing::{QuestionText, Status, Switch};
use crate::wire::agi::Environment;
use percent_encoding::percent_decode_str;
use std::borrow::Cow;
use std::net::IpAddr;
use thiserror::Error;

/// The parameters that a dialplan may hand over. Others are refused: a misspelt `tenant` must not ask another's.
pub const PARAMETERS: &[&str] = &["tenant", "to", "from", "step", "status", "switch", "context", "verstat", "owner", "ascii"];
/// The longest value of a parameter, in bytes.
const PARAMETER_BYTES_MAX: usize = 512;
/// `agi_callingpres`: the two bits that say "not to be shown" (0x20 restricted, 0x40 unavailable).
const PRESENTATION_RESTRICTED: u8 = 0x20;
const PRESENTATION_MASK: u8 = 0x60;

/// What FreeSWITCH's channel variables for us begin with, as they stand in a channel's data.
const VARIABLE_PREFIX: &[u8] = b"variable_strowger_";

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
    /// The tenant's id, where the dialplan names one.
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
    /// The switch's own id of the call, for logs and for the journal.
    pub call_id: String,
    /// The switch's name, where the dialplan gives it; for the journal.
    pub switch: Option<String>,
    /// Whose sounds are played.
    pub switch_kind: Switch,
    /// FreeSWITCH's domain of the channel; tells whose call it is where no tenant is named.
    pub domain: String,
    /// Where in the dialplan the call stands; tells whose it is where nothing else does.
    pub context: String,
    /// What the network says of the caller's number (STIR/SHAKEN), as the switch hands it over.
    pub verstat: String,
    /// The name that the switch has for the caller.
    pub caller_name: String,
    /// The extension whose personal phone book is asked, where the dialplan names one.
    pub owner: String,
    /// Whether the name is to be in ASCII, where the dialplan says so.
    pub ascii: String,
    /// Where the question came from; for the journal.
    pub peer: Option<IpAddr>,
}

impl Ask {
    /// Reads an AGI environment.
    ///
    /// # Errors
    /// [`BadParameter`]; the ask comes with it, so that the tenant's fallback can be found.
    pub fn from_agi(environment: &Environment) -> Result<Ask, Box<(Ask, BadParameter)>> {
        let script = text(environment.network_script());
        let (request, query) = script.split_once('?').unwrap_or((&script, ""));
        // what can't be read may not be shown
        let presentation = environment.presentation().unwrap_or(PRESENTATION_MASK);
        let mut ask = Ask {
            request: request.trim_end_matches('/').to_owned(),
            to: text(environment.extension()),
            from: text(environment.caller_number()),
            restricted: presentation & PRESENTATION_MASK != 0,
            call_id: text(environment.unique_id()),
            context: text(environment.context()),
            caller_name: text(environment.caller_name()),
            ..Ask::default()
        };
        let mut wrong = None;
        let mut explicit_from = false;
        let from_arguments = environment.arguments().filter(|a| !a.is_empty()).map(|argument| {
            let at = memchr::memchr(b'=', argument).ok_or(BadParameter::NoValue)?;
            Ok((String::from_utf8_lossy(&argument[..at]), String::from_utf8_lossy(&argument[at + 1..])))
        });
        for parameter in query_pairs(query).chain(from_arguments) {
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

    /// The parameters of a URL's query, taken into a question of its own.
    pub(super) fn from_query(request: &str, query: &str, rename: impl Fn(&str) -> Option<&'static str>) -> (Ask, Option<BadParameter>) {
        let mut ask = Ask { request: request.to_owned(), ..Ask::default() };
        let mut wrong = None;
        for parameter in query_pairs(query) {
            let taken = parameter.and_then(|(key, value)| ask.set(rename(&key).unwrap_or(&key), &value));
            if let Err(error) = taken {
                wrong.get_or_insert(error);
            }
        }
        (ask, wrong)
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
            verstat: &self.verstat,
            name: &self.caller_name,
            owner: &self.owner,
            ascii: &self.ascii,
        }
    }

    /// A channel variable without our prefix. Our own answers stand among them, and whatever a dialplan keeps under such
    /// a name; only what looks like a parameter that was misspelt is refused.
    fn set_variable(&mut self, key: &str, value: &str) -> Result<(), BadParameter> {
        if PARAMETERS.contains(&key) {
            // set to nothing is not set
            return if value.is_empty() { Ok(()) } else { self.set(key, value) };
        }
        let is_answer = VARIABLES.iter().any(|v| v.eq_ignore_ascii_case(key));
        if is_answer || did_you_mean(key, PARAMETERS.iter().copied()).is_empty() {
            return Ok(());
        }
        Err(BadParameter::Unknown(key.chars().take(32).collect()))
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
            "switch" => self.switch = Some(value).filter(|v| !v.is_empty()),
            // set to nothing is not set: what the switch says of itself stays
            "context" if !value.is_empty() => self.context = value,
            "verstat" => self.verstat = value,
            "owner" => self.owner = value,
            "ascii" => self.ascii = value,
            // an empty tenant is no tenant, and an empty context none
            _ => {}
        }
        Ok(())
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// The decoded pairs of a query. A `+` is a plus: numbers begin with one, and nobody's number holds a space.
fn query_pairs(query: &str) -> impl Iterator<Item = Result<(Cow<'_, str>, Cow<'_, str>), BadParameter>> {
    query.split('&').filter(|p| !p.is_empty()).map(|pair| {
        let (key, value) = pair.split_once('=').ok_or(BadParameter::NoValue)?;
        Ok((percent_decode_str(key).decode_utf8_lossy(), percent_decode_str(value).decode_utf8_lossy()))
    })
}

/// A FreeSWITCH channel's question, and where the channel stands.
#[derive(Debug, Clone, Default)]
pub(super) struct ChannelAsk {
    pub(super) ask: Ask,
    pub(super) wrong: Option<BadParameter>,
    /// Whether it is the path or URL that is wrong, and so whose question it is can't be told.
    pub(super) is_address_wrong: bool,
    /// The context that is hunted through.
    pub(super) context: String,
    /// The number that is hunted for.
    pub(super) destination: String,
}

impl ChannelAsk {
    /// Reads a channel's data: a connect reply's headers, or the form of an XML fetch. Of some 170 fields a dozen are
    /// decoded. Channel variables beat what the path or the URL says.
    pub(super) fn read<'a>(
        fields: impl Iterator<Item = (&'a [u8], &'a [u8])>,
        decode: impl Fn(&'a [u8]) -> Cow<'a, [u8]>,
        asked: Asked<'_>,
    ) -> ChannelAsk {
        let mut channel = Channel::default();
        let (mut path, mut parameters) = (None, Vec::new());
        for (name, value) in fields {
            match name {
                b"Unique-ID" => channel.unique_id = Some(value),
                b"Caller-Caller-ID-Number" => channel.caller.number = Some(value),
                b"Caller-Caller-ID-Name" => channel.caller.name = Some(value),
                b"Caller-Destination-Number" => channel.caller.destination = Some(value),
                b"Caller-Context" => channel.caller.context = Some(value),
                b"Hunt-Caller-ID-Number" => channel.hunt.number = Some(value),
                b"Hunt-Caller-ID-Name" => channel.hunt.name = Some(value),
                b"Hunt-Destination-Number" => channel.hunt.destination = Some(value),
                b"Hunt-Context" => channel.hunt.context = Some(value),
                b"Caller-Privacy-Hide-Number" | b"Hunt-Privacy-Hide-Number" => channel.hide_number |= value == b"true",
                b"variable_originate_disposition" => channel.disposition = Some(value),
                b"variable_strowger_next" => channel.next = Some(value),
                // of whoever registered, or as the dialplan says
                b"variable_domain_name" => channel.domain = Some(value),
                // what mod_sofia found out about the signature; the first says how well, too
                b"variable_sip_verstat_detailed" => channel.verstat = Some(value),
                b"variable_sip_verstat" => _ = channel.verstat.get_or_insert(value),
                b"variable_socket_path" => path = Some(value),
                _ => parameters.extend(name.strip_prefix(VARIABLE_PREFIX).map(|key| (key, value))),
            }
        }
        // what the serializer prints for an empty value
        let read = |value: Option<&'a [u8]>| value.filter(|v| *v != b"_undef_").map(&decode).map_or_else(String::new, |bytes| text(&bytes));
        let (mut ask, mut wrong) = match asked {
            Asked::ByPath => {
                let path = read(path);
                let (request, query) = path.split_once('?').unwrap_or((&path, ""));
                Ask::from_query(request.trim_matches('/'), query, |_| None)
            }
            Asked::ByUrl(query) => Ask::from_query("route", query, |_| None),
        };
        let is_address_wrong = wrong.is_some();
        let destination = read(channel.hunt.destination.or(channel.caller.destination));
        ask.from = if ask.from.is_empty() { read(channel.hunt.number.or(channel.caller.number)) } else { ask.from };
        ask.to = if ask.to.is_empty() { destination.clone() } else { ask.to };
        (ask.switch_kind, ask.domain) = (Switch::Freeswitch, read(channel.domain));
        let context = read(channel.hunt.context.or(channel.caller.context));
        ask.context = if ask.context.is_empty() { context.clone() } else { ask.context };
        ask.caller_name = read(channel.hunt.name.or(channel.caller.name));
        ask.verstat = if ask.verstat.is_empty() { read(channel.verstat) } else { ask.verstat };
        (ask.restricted, ask.call_id) = (channel.hide_number, read(channel.unique_id));
        for (key, value) in parameters {
            let (key, value) = (text(key), decode(value));
            // a fetch is for what is hunted for; what an earlier question was for may still stand on the channel
            if key == "to" && asked != Asked::ByPath {
                continue;
            }
            if let Err(error) = ask.set_variable(&key, &text(&value)) {
                wrong.get_or_insert(error);
            }
        }
        if channel.next.is_some_and(|next| text(&decode(next)) != destination) {
            // the plan was left, and the call has gone to another number since: a question of its own
            ask.step = None;
        }
        // the answer before this one left its own STATUS on the channel, which says nothing of how its step ended
        let is_ours = ask.status.is_empty() || Status::ALL.iter().any(|status| status.word() == ask.status);
        if ask.step.is_some() && is_ours {
            ask.status = read(channel.disposition);
        }
        ChannelAsk { ask, wrong, is_address_wrong, context, destination }
    }
}

/// How a channel's question names itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Asked<'a> {
    /// By the path of the `socket` application: `route?tenant=acme`.
    ByPath,
    /// By a URL, whose query this is; a `socket_path` that stands on the channel is that of some other server. What is asked
    /// about is the route of what is hunted for (`Hunt-`), which `execute_extension` makes differ from the channel's own
    /// `Caller-`.
    ByUrl(&'a str),
}

/// The fields of a channel that matter, as they came.
#[derive(Default)]
struct Channel<'a> {
    unique_id: Option<&'a [u8]>,
    caller: Profile<'a>,
    hunt: Profile<'a>,
    hide_number: bool,
    disposition: Option<&'a [u8]>,
    verstat: Option<&'a [u8]>,
    domain: Option<&'a [u8]>,
    /// The number that the step token was handed out for.
    next: Option<&'a [u8]>,
}

#[derive(Default)]
struct Profile<'a> {
    name: Option<&'a [u8]>,
    number: Option<&'a [u8]>,
    destination: Option<&'a [u8]>,
    context: Option<&'a [u8]>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_that_the_trunk_sent_and_whose_phone_book_it_is_come_with_the_channel() {
        let fields: [(&[u8], &[u8]); 5] = [
            (b"Unique-ID", b"u-1"),
            (b"Caller-Caller-ID-Name", b"ACME GmbH"),
            (b"Caller-Caller-ID-Number", b"+4930123456"),
            (b"variable_strowger_owner", b"101"),
            (b"variable_strowger_ascii", b"yes"),
        ];
        let read = |fields: &[(&'static [u8], &'static [u8])]| ChannelAsk::read(fields.iter().copied(), Cow::Borrowed, Asked::ByUrl(""));
        let channel = read(&fields);
        assert_eq!(channel.wrong, None);
        let ask = channel.ask;
        assert_eq!((ask.caller_name.as_str(), ask.owner.as_str(), ask.ascii.as_str()), ("ACME GmbH", "101", "yes"));
        let text = ask.text();
        assert_eq!((text.name, text.owner, text.ascii), ("ACME GmbH", "101", "yes"));
        // what is hunted for counts, and an empty value is printed so
        let hunted = read(&[(b"Caller-Caller-ID-Name", b"Old"), (b"Hunt-Caller-ID-Name", b"_undef_")]);
        assert_eq!(hunted.ask.caller_name, "");
    }
}
