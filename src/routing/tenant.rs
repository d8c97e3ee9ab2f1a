//! What the configuration says of a tenant: how it reads numbers, what its dial strings look like, its fallback.

use super::{Decision, Features, NamePolicy, Reason, Status, Step, Zone, render};
use crate::number::{Class, NumberPlan};
use std::collections::HashMap;
use std::fmt;
use thiserror::Error;

/// The longest tenant id, in bytes: it begins every stored key and is part of every step token.
pub const TENANT_ID_BYTES_MAX: usize = 32;
/// The tenant of whoever names none.
pub const DEFAULT_TENANT: &str = "default";
/// The longest dial string that a step may become, in bytes, so that an answer fits into a command line of 8 kB.
pub const TARGET_BYTES_MAX: usize = 4000;
/// The longest template, in bytes.
pub const TEMPLATE_BYTES_MAX: usize = 200;

/// What is wrong with a tenant's settings.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum TenantError {
    /// An id that can't be a key.
    #[error("the tenant id {0:?} can't be used; write 1 to 32 of a-z 0-9 _ - and begin with a letter or digit")]
    Id(String),
    /// A step whose dial string is too long.
    #[error("the step {step:?} becomes a dial string of {bytes} bytes, more than {TARGET_BYTES_MAX}; ring fewer targets")]
    TargetTooLong {
        /// The step.
        step: String,
        /// How long its dial string is.
        bytes: usize,
    },
    /// A template without its placeholder, or with an unknown one.
    #[error("the template {0:?} {1}")]
    Template(String, String),
}

/// Checks that a text can be a tenant's id.
///
/// # Errors
/// [`TenantError::Id`].
pub fn check_tenant_id(id: &str) -> Result<(), TenantError> {
    let ok = (1..=TENANT_ID_BYTES_MAX).contains(&id.len())
        && id.starts_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit())
        && id.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'_' | b'-'));
    if ok { Ok(()) } else { Err(TenantError::Id(id.to_owned())) }
}

/// A dial string with holes: `PJSIP/{number}@{trunk}`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template {
    parts: Vec<Part>,
    target: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Text(String),
    Target,
    Trunk,
    Domain,
}

/// What fills the holes of a template.
#[derive(Debug, Clone, Copy)]
pub struct Filling<'a> {
    /// `{extension}` or `{number}`.
    pub target: &'a str,
    /// `{trunk}`.
    pub trunk: &'a str,
    /// `{domain}`.
    pub domain: &'a str,
}

impl Template {
    /// Reads a template whose target placeholder is `{extension}` or `{number}`, as `target` says.
    ///
    /// # Errors
    /// [`TenantError::Template`]: no placeholder, an unknown one, or characters that a dialplan would act upon.
    /// `{trunk}` may stand in any; `{domain}` where there `has_domain`.
    pub fn parse(text: &str, target: &'static str, has_domain: bool) -> Result<Template, TenantError> {
        let wrong = |why: String| Err(TenantError::Template(text.to_owned(), why));
        if text.len() > TEMPLATE_BYTES_MAX {
            return wrong(format!("is longer than {TEMPLATE_BYTES_MAX} bytes"));
        }
        if let Some(bad) = text.chars().find(|c| c.is_control() || matches!(c, '"' | '$' | '\\')) {
            return wrong(format!("holds {bad:?}, which a dialplan would read as its own"));
        }
        let (mut parts, mut rest) = (Vec::new(), text);
        while let Some(open) = rest.find('{') {
            let Some(close) = rest[open..].find('}') else { return wrong("has a { without its }".to_owned()) };
            if open > 0 {
                parts.push(Part::Text(rest[..open].to_owned()));
            }
            match &rest[open + 1..open + close] {
                name if name == target => parts.push(Part::Target),
                "trunk" => parts.push(Part::Trunk),
                "domain" if has_domain => parts.push(Part::Domain),
                "domain" => return wrong("has {domain}, and there is none: set domain under [dial.freeswitch]".to_owned()),
                other if has_domain => {
                    return wrong(format!("has {{{other}}}; the placeholders are {{{target}}}, {{trunk}} and {{domain}}"));
                }
                other => return wrong(format!("has {{{other}}}; the placeholders are {{{target}}} and {{trunk}}")),
            }
            rest = &rest[open + close + 1..];
        }
        if !rest.is_empty() {
            parts.push(Part::Text(rest.to_owned()));
        }
        if !parts.contains(&Part::Target) {
            return wrong(format!("lacks {{{target}}}: every call would go to the same place"));
        }
        Ok(Template { parts, target })
    }

    /// Fills the holes.
    pub fn fill(&self, filling: Filling<'_>, out: &mut String) {
        for part in &self.parts {
            out.push_str(match part {
                Part::Text(text) => text,
                Part::Target => filling.target,
                Part::Trunk => filling.trunk,
                Part::Domain => filling.domain,
            });
        }
    }
}

impl fmt::Display for Template {
    /// The template as it was written.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.parts.iter().try_for_each(|part| match part {
            Part::Text(text) => f.write_str(text),
            Part::Target => write!(f, "{{{}}}", self.target),
            Part::Trunk => f.write_str("{trunk}"),
            Part::Domain => f.write_str("{domain}"),
        })
    }
}

/// How targets become one switch's dial strings.
#[derive(Debug, Clone)]
pub struct DialTemplates {
    /// For extensions and SIP user names.
    pub extension: Template,
    /// For public numbers.
    pub number: Template,
    /// The trunk where a step names none.
    pub trunk: String,
    /// Seconds to ring where a step names none.
    pub timeout_seconds: u16,
    /// `STROWGER_OPTIONS` of a dial.
    pub options: String,
    /// The domain of users, on FreeSWITCH. Without one the switch uses its own.
    pub domain: Option<String>,
    /// What somebody hears who is to press 1, on FreeSWITCH. Without one it is a tone.
    pub confirm_file: Option<String>,
}

/// One tenant as configured.
#[derive(Debug, Clone)]
pub struct Tenant {
    /// Its id.
    pub id: String,
    /// How it reads numbers.
    pub plan: NumberPlan,
    /// The clock of its schedules that have none of their own.
    pub timezone: Zone,
    /// What a late or failed answer says where the route doesn't.
    pub fallback: Option<Step>,
    /// What its extensions may call where they have no permissions of their own.
    pub permissions: Vec<Class>,
    /// Its star codes.
    pub features: Features,
    /// How it names callers.
    pub names: NamePolicy,
    /// Sessions that are served for it at once; `None` is half of all where there are several tenants.
    pub sessions_max: Option<usize>,
    /// Its dial strings on Asterisk.
    pub asterisk: DialTemplates,
    /// Its dial strings on FreeSWITCH.
    pub freeswitch: DialTemplates,
}

/// What extensions may call where nobody says: what costs little, and nothing that fraud pays for.
pub const PERMISSIONS_DEFAULT: &[Class] =
    &[Class::Internal, Class::ShortCode, Class::TollFree, Class::SharedCost, Class::National, Class::Mobile];

/// The configured tenants by id.
pub type Tenants = HashMap<String, Tenant>;

impl Tenant {
    /// Checks that a step's dial string fits into an answer, whichever switch asks.
    ///
    /// # Errors
    /// [`TenantError::TargetTooLong`].
    pub fn check_step(&self, step: &Step) -> Result<(), TenantError> {
        let ring = Decision::of(Status::Found, Reason::Matched, step.clone()).ring;
        let asterisk = render::asterisk_target(&step.action, ring.as_ref(), Some(&self.asterisk)).0.len();
        let bytes = asterisk.max(render::freeswitch_target(&step.action, ring.as_ref(), Some(&self.freeswitch)).len());
        if bytes > TARGET_BYTES_MAX { Err(TenantError::TargetTooLong { step: step.to_string(), bytes }) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_template_is_filled_and_a_wrong_one_says_why() {
        let mut out = String::new();
        let filling = Filling { target: "+1415", trunk: "t1", domain: "pbx.example" };
        Template::parse("PJSIP/{number}@{trunk}", "number", false).expect("right").fill(filling, &mut out);
        assert_eq!(out, "PJSIP/+1415@t1");
        out.clear();
        Template::parse("user/{extension}@{domain}", "extension", true)
            .expect("right")
            .fill(Filling { target: "101", ..filling }, &mut out);
        assert_eq!(out, "user/101@pbx.example");
        for (text, why) in [
            ("PJSIP/x", "lacks {number}"),
            ("PJSIP/{nunber}", "placeholders are {number} and {trunk}"),
            ("PJSIP/{number", "without its }"),
            ("PJSIP/${X}{number}", "read as its own"),
            ("user/{number}@{domain}", "set domain under [dial.freeswitch]"),
        ] {
            let error = Template::parse(text, "number", false).expect_err(text).to_string();
            assert!(error.contains(why), "{error}");
        }
        assert!(check_tenant_id("acme-1").is_ok());
        assert!(check_tenant_id("Acme").is_err());
        assert!(check_tenant_id(&"a".repeat(33)).is_err());
    }
}
