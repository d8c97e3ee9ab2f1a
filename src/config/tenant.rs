//! `[[tenant]]`: how each reads numbers, what its extensions may, which calls are its, how much of the server it may take.

use super::dial::Dial;
use super::features::{FeaturesTable, features};
use super::{ConfigError, File, SESSIONS_MAX, Source, limited};
use crate::number::{Class, ClassError, Country, NumberPlan};
use crate::routing::{
    DEFAULT_TENANT, Did, Features, NamePolicy, PERMISSIONS_DEFAULT, ScheduleError, Step, Tenant, Tenants, Whose, Zone, check_tenant_id,
};
use serde::Deserialize;
use std::collections::HashMap;
use std::str::FromStr;

/// The longest name of a context, in bytes: Asterisk's have 79.
const CONTEXT_BYTES_MAX: usize = 79;
/// The most contexts, and the most DIDs, of one tenant. A large site has blocks of numbers, each written as one.
const CLAIMS_MAX: usize = 10_000;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TenantTable {
    id: toml::Spanned<String>,
    domain: Option<toml::Spanned<String>>,
    #[serde(default)]
    contexts: Vec<toml::Spanned<String>>,
    #[serde(default)]
    dids: Vec<toml::Spanned<String>>,
    country: Option<toml::Spanned<String>>,
    timezone: Option<toml::Spanned<String>>,
    extension_digits_max: Option<toml::Spanned<usize>>,
    #[serde(default)]
    short_codes: Vec<toml::Spanned<String>>,
    fallback: Option<toml::Spanned<String>>,
    permissions: Option<Vec<toml::Spanned<String>>>,
    sessions_max: Option<toml::Spanned<usize>>,
    name_several: Option<toml::Spanned<String>>,
    name_trunk: Option<toml::Spanned<String>>,
    name_hint: Option<toml::Spanned<String>>,
    name_ascii: Option<bool>,
    #[serde(default)]
    features: FeaturesTable,
}

pub(super) fn tenants(source: &Source, file: &File, dial: &Dial) -> Result<Tenants, ConfigError> {
    let mut tenants = HashMap::new();
    for table in &file.tenant {
        let id = table.id.get_ref();
        check_tenant_id(id).map_err(|e| source.at(&table.id, e.to_string()))?;
        let country: Option<Country> = match &table.country {
            Some(span) => Some(span.get_ref().parse().map_err(|e: String| source.at(span, format!("country = {e}")))?),
            None => None,
        };
        let mut plan = NumberPlan::new(country);
        if let Some(span) = &table.extension_digits_max {
            if !(2..=12).contains(span.get_ref()) {
                return Err(source.at(span, format!("extension_digits_max = {} is not between 2 and 12", span.get_ref())));
            }
            plan = plan.with_extension_digits_max(*span.get_ref());
        }
        for code in &table.short_codes {
            let digits = code.get_ref();
            if !(2..=8).contains(&digits.len()) || !digits.bytes().all(|b| b.is_ascii_digit()) {
                return Err(source.at(code, format!("the short code {digits:?} is not 2 to 8 digits")));
            }
            if let Some(number) = plan.emergency_shadowed_by_number(digits) {
                let why = format!("{number} is an emergency number here and can't be a short code as well; take it out of short_codes");
                return Err(source.at(code, why));
            }
        }
        plan = plan.with_short_codes(table.short_codes.iter().map(|c| c.get_ref().clone()).collect());
        let fallback = match &table.fallback {
            Some(span) => {
                let step = Step::parse(span.get_ref(), &plan).and_then(Step::check_fallback);
                Some(step.map_err(|e| source.at(span, format!("fallback: {e}")))?)
            }
            None => None,
        };
        let freeswitch = match &table.domain {
            Some(domain) => Dial::freeswitch_at(source, &file.dial, domain)?,
            None => dial.freeswitch.clone(),
        };
        let permissions = permissions(source, table.permissions.as_deref())?;
        let timezone = match &table.timezone {
            Some(span) => span.get_ref().parse().map_err(|e: ScheduleError| source.at(span, format!("timezone: {e}")))?,
            None => Zone::UTC,
        };
        let features = features(source, &table.features)?;
        let sessions_max = limited(source, "sessions_max", None, table.sessions_max.as_ref(), 1..=SESSIONS_MAX)?;
        let asterisk = dial.asterisk.clone();
        let names = names(source, table)?;
        let tenant = Tenant { id: id.clone(), plan, timezone, fallback, permissions, features, names, sessions_max, asterisk, freeswitch };
        if let (Some(span), Some(step)) = (&table.fallback, &tenant.fallback) {
            tenant.check_step(step).map_err(|e| source.at(span, format!("fallback: {e}")))?;
        }
        if tenants.insert(id.clone(), tenant).is_some() {
            return Err(source.at(&table.id, format!("the tenant {id:?} is there twice")));
        }
    }
    tenants.entry(DEFAULT_TENANT.to_owned()).or_insert_with(|| Tenant {
        id: DEFAULT_TENANT.to_owned(),
        plan: NumberPlan::new(None),
        timezone: Zone::UTC,
        fallback: None,
        permissions: PERMISSIONS_DEFAULT.to_vec(),
        features: Features::default(),
        names: NamePolicy::default(),
        sessions_max: None,
        asterisk: dial.asterisk.clone(),
        freeswitch: dial.freeswitch.clone(),
    });
    Ok(tenants)
}

/// How callers are named.
fn names(source: &Source, table: &TenantTable) -> Result<NamePolicy, ConfigError> {
    fn word<T: Default + FromStr<Err = String>>(
        source: &Source,
        key: &str,
        said: &Option<toml::Spanned<String>>,
    ) -> Result<T, ConfigError> {
        let Some(span) = said else { return Ok(T::default()) };
        span.get_ref().parse().map_err(|e| source.at(span, format!("{key} = {e}")))
    }
    Ok(NamePolicy {
        several: word(source, "name_several", &table.name_several)?,
        trunk: word(source, "name_trunk", &table.name_trunk)?,
        hint: word(source, "name_hint", &table.name_hint)?,
        ascii: table.name_ascii.unwrap_or_default(),
    })
}

/// What extensions may call where they have no permissions of their own.
fn permissions(source: &Source, words: Option<&[toml::Spanned<String>]>) -> Result<Vec<Class>, ConfigError> {
    let Some(words) = words else { return Ok(PERMISSIONS_DEFAULT.to_vec()) };
    words.iter().map(|word| word.get_ref().parse().map_err(|e: ClassError| source.at(word, format!("permissions: {e}")))).collect()
}

/// Which calls are whose. No two tenants may have the same.
pub(super) fn whose(source: &Source, tables: &[TenantTable], tenants: &Tenants) -> Result<Whose, ConfigError> {
    let mut whose = Whose::new(tenants);
    let mut claims = Claims::default();
    for table in tables {
        let id = table.id.get_ref();
        let plan = tenants.get(id).map_or_else(|| NumberPlan::new(None), |tenant| tenant.plan.clone());
        for (what, list) in [("contexts", &table.contexts), ("dids", &table.dids)] {
            if let Some(one) = list.get(CLAIMS_MAX) {
                return Err(source.at(one, format!("{what} has more than {CLAIMS_MAX} entries; write * behind the beginning of many")));
            }
        }
        for span in &table.contexts {
            let context = span.get_ref();
            let fits = (1..=CONTEXT_BYTES_MAX).contains(&context.len()) && !context.chars().any(|c| c.is_control() || c.is_whitespace());
            if !fits {
                return Err(source.at(span, format!("the context {context:?} can't be one; write 1 to 79 bytes without spaces")));
            }
            claims.add(source, span, format!("the context {context}"), id)?;
            whose.add_context(context, id);
        }
        for span in &table.dids {
            let did: Did = span.get_ref().parse().map_err(|e: String| source.at(span, e))?;
            claims.add(source, span, format!("the DID {did}"), id)?;
            whose.add_did(did, id, &plan);
        }
    }
    Ok(whose)
}

/// What tenants have said is theirs, each with who and on which line.
#[derive(Default)]
struct Claims<'a>(HashMap<String, (&'a str, usize)>);

impl<'a> Claims<'a> {
    fn add(&mut self, source: &Source, span: &toml::Spanned<String>, what: String, tenant: &'a str) -> Result<(), ConfigError> {
        match self.0.get(&what) {
            Some((owner, line)) if *owner != tenant => {
                Err(source.at(span, format!("{what} is the tenant {owner}'s already (line {line}); a call can be one tenant's only")))
            }
            _ => {
                self.0.insert(what, (tenant, source.line_of(span)));
                Ok(())
            }
        }
    }
}
