//! FreeSWITCH's questions for its user directory (mod_xml_curl, `section=directory`), and the documents that answer them.
//!
//! Facts that shaped it, from FreeSWITCH's sources (`sofia_reg.c`, `switch_xml.c`, `mod_dptools.c`, `switch_core.c`):
//!
//! * A form begins `hostname, section, tag_name, key_name, key_value`; what the module that asks adds comes after that
//!   (`action=sip_auth` with what the telephone sent, `action=user_call` with *all variables of the call*), and what
//!   names the user (`key=id`, `user`, `domain`) comes last. So of a field that stands twice, the first counts for what
//!   is asked, and the last for whom.
//! * **A user without password and hash is let in by mod_sofia, whoever asks.** And FreeSWITCH caches a user that says
//!   `cacheable` (milliseconds; anything but digits means for ever) by user and domain, not by what was asked: an answer
//!   for a call without the hash would then open the door to everybody, and one for a registration without a dial string
//!   would fail calls. So there is one document for a user, and it has both.
//! * mod_sofia looks for the user in the realm that the telephone names, or in the profile's `force-register-domain`.
//!   Names of domains and users are compared without case.
//! * Other modules take credentials that don't exist here (a password for mod_verto, `reverse-auth-user`): a question
//!   whose action is about authentication, and that isn't mod_sofia's, is not answered with a user.
//! * `purpose=gateways` names a domain, or none where a profile wants those of `all`; `purpose=network-list` names one,
//!   and looks for `cidr` on users. An empty domain is an answer: no such thing here.

use super::user::{User, normal_domain};
use super::xml::{NOT_FOUND, attribute};
use super::{Data, LookupFailed};

/// How FreeSWITCH reaches a registered telephone: the dial string of its own example configuration, without verto.
/// FreeSWITCH fills it in; only `sofia_contact` runs, with what was dialled.
const DIAL_STRING: &str = "{^^:sip_invite_domain=${dialed_domain}:presence_id=${dialed_user}@${dialed_domain}}${sofia_contact(*/${dialed_user}@${dialed_domain})}";

/// How long FreeSWITCH may keep a user, in milliseconds: a telephone that registers, is called and calls asks once, and a
/// user who was removed or has a new password is that after a minute.
const CACHEABLE_MS: u32 = 60_000;

/// What is asked of the directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DirectoryQuestion {
    /// Who is this, how does he prove it, how is he reached, what is set for his calls? (`action=sip_auth`, `user_call`, or
    /// none at all)
    User {
        /// The realm or domain, in lower case.
        domain: String,
        /// The user's name.
        extension: String,
    },
    /// What is there in this domain? (`purpose=network-list`, a group)
    Domain {
        /// The domain, in lower case.
        domain: String,
    },
    /// Anything else: no answer is ours.
    Other,
}

impl DirectoryQuestion {
    /// The fields of a form that say what is asked; the others, mostly a call's variables, needn't be decoded.
    pub const FIELDS: &[&str] = &["section", "tag_name", "key_name", "key_value", "action", "purpose", "user", "domain"];

    /// Reads a form's decoded fields, in their order.
    pub fn from_form<'a>(pairs: impl Iterator<Item = (&'a str, &'a str)>) -> DirectoryQuestion {
        let (mut section, mut tag, mut key_name, mut key_value) = (None, None, None, None);
        let (mut action, mut purpose, mut user, mut domain) = (None, None, None, None);
        for (name, value) in pairs {
            let first = match name {
                "section" => &mut section,
                "tag_name" => &mut tag,
                "key_name" => &mut key_name,
                "key_value" => &mut key_value,
                "action" => &mut action,
                "purpose" => &mut purpose,
                "user" => {
                    user = Some(value);
                    continue;
                }
                "domain" => {
                    domain = Some(value);
                    continue;
                }
                _ => continue,
            };
            first.get_or_insert(value);
        }
        if section != Some("directory") {
            return DirectoryQuestion::Other;
        }
        // the domain that FreeSWITCH will look for in the answer is the key's
        let named = key_value.filter(|value| (tag, key_name) == (Some("domain"), Some("name")) && !value.is_empty());
        let Some(Ok(domain)) = named.or(domain).map(normal_domain) else { return DirectoryQuestion::Other };
        let (action, purpose) = (action.unwrap_or_default(), purpose.unwrap_or_default());
        let extension = user.filter(|user| !user.is_empty() && purpose.is_empty()).map(str::to_owned);
        match (extension, action) {
            (None, "sip_auth" | "user_call") => DirectoryQuestion::Other,
            (None, _) => DirectoryQuestion::Domain { domain },
            (Some(_), action) if action != "sip_auth" && action.to_ascii_lowercase().contains("auth") => DirectoryQuestion::Other,
            (Some(extension), _) => DirectoryQuestion::User { domain, extension },
        }
    }

    /// The domain that is asked about, in lower case.
    pub fn domain(&self) -> Option<&str> {
        match self {
            DirectoryQuestion::User { domain, .. } | DirectoryQuestion::Domain { domain } => Some(domain),
            DirectoryQuestion::Other => None,
        }
    }

    /// The document that answers it.
    ///
    /// # Errors
    /// [`LookupFailed`] where the data could not be read. That is no "not found": a switch that is told so looks into its
    /// own files.
    pub fn answer(&self, data: &dyn Data) -> Result<String, LookupFailed> {
        Ok(match self {
            DirectoryQuestion::User { domain, extension } => match data.user(domain, extension)? {
                Some(user) => of_user(&user),
                None => NOT_FOUND.to_owned(),
            },
            DirectoryQuestion::Domain { domain } => empty_domain(domain, data.has_domain(domain)?),
            DirectoryQuestion::Other => NOT_FOUND.to_owned(),
        })
    }
}

/// A domain of ours, of which nobody is listed.
fn empty_domain(domain: &str, is_ours: bool) -> String {
    if is_ours { document(domain, "") } else { NOT_FOUND.to_owned() }
}

/// A user with what proves that it is he, and how he is reached.
fn of_user(user: &User) -> String {
    let (extension, hash) = (attribute(&user.extension), user.a1_hash.reveal());
    let mut variables = String::new();
    let mut set = |name: &str, value: &str| variables.push_str(&format!(r#"<variable name="{name}" value="{}"/>"#, attribute(value)));
    if let Some(context) = &user.context {
        set("user_context", context);
    }
    if let Some(name) = &user.name {
        set("effective_caller_id_name", name);
    }
    set("effective_caller_id_number", &user.extension);
    let users = format!(
        r#"<user id="{extension}" cacheable="{CACHEABLE_MS}"><params><param name="a1-hash" value="{hash}"/><param name="dial-string" value="{DIAL_STRING}"/></params><variables>{variables}</variables></user>"#
    );
    document(&user.domain, &users)
}

/// On one line, and without `<?xml …?>`: FreeSWITCH's preprocessor throws away every line that has one.
fn document(domain: &str, users: &str) -> String {
    let domain = attribute(domain);
    format!(
        r#"<document type="freeswitch/xml"><section name="directory"><domain name="{domain}"><groups><group name="default"><users>{users}</users></group></groups></domain></section></document>"#
    )
}

#[cfg(test)]
#[path = "directory_xml_tests.rs"]
mod tests;
