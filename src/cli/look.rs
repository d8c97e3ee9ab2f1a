//! `name`, `number show` and `check`: looking without changing.

use super::args::{Global, NameArgs, NumberVerb, ServeArgs};
use super::backend::{Backend, overrides, unexpected};
use super::exit::{Exit, Failure};
use super::print;
use super::serve::serve_overrides;
use super::warnings::warnings;
use crate::config::{Config, EventsConfig, Priority, Secret, SwitchConfig};
use crate::control::{Reply, Request};
use crate::number::{NumberPlan, describe};
use crate::routing::NamePolicy;
use serde_json::json;

pub(super) fn name(global: &Global, args: &NameArgs) -> Result<Exit, Failure> {
    let request = Request::Name { tenant: global.tenant.clone(), number: args.number.clone(), owner: args.owner.clone() };
    let Reply::Name { number, contacts } = Backend::look(global)?.ask(request)? else { return Err(unexpected()) };
    let first = contacts.first();
    let exit = if first.is_some() { Exit::Done } else { Exit::NotFound };
    if global.json {
        let status = if first.is_some() { "found" } else { "unknown" };
        print::json(&json!({
            "status": status,
            "number": number,
            "name": first.map(|c| &c.name),
            "contact": first.map(|c| &c.id),
        }));
        return Ok(exit);
    }
    match first {
        Some(contact) => {
            let others = contacts.len() - 1;
            let more = if others > 0 { format!(", and {others} more with this number") } else { String::new() };
            print::line(&format!("{} ({}{more})", print::shown(&contact.name), contact.id));
        }
        None => print::complain(&format!("nobody has the number {number}")),
    }
    Ok(exit)
}

pub(super) fn number(global: &Global, verb: NumberVerb) -> Result<Exit, Failure> {
    // the configuration alone says how a tenant reads numbers: neither server nor store is needed
    let NumberVerb::Show { number, country } = verb;
    let bad = |text: String| Failure::new(Exit::BadInput, text);
    let plan = match country {
        Some(code) => NumberPlan::new(Some(code.parse().map_err(bad)?)),
        None => {
            let tenants = Config::load(overrides(global))?.tenants;
            let missing = || bad(format!("there is no tenant {:?}; add it to the configuration", global.tenant));
            tenants.get(&global.tenant).ok_or_else(missing)?.plan.clone()
        }
    };
    let about = describe(&plan.parse(&number).map_err(|e| bad(format!("the number {number:?} {e}")))?);
    if global.json {
        print::json(&about);
        return Ok(Exit::Done);
    }
    let mut rows = vec![vec!["number".to_owned(), about.number.clone()], vec!["kind".to_owned(), about.kind.words().to_owned()]];
    for (name, value) in [
        ("national", about.national),
        ("international", about.international),
        ("region", about.region),
        ("class", Some(about.class).filter(|_| about.e164.is_some())),
        ("valid", about.valid.map(|v| if v { "yes".to_owned() } else { "no: the number plan has no such number".to_owned() })),
    ] {
        rows.extend(value.map(|v| vec![name.to_owned(), v]));
    }
    print::out(&print::columns(&rows));
    Ok(Exit::Done)
}

pub(super) fn check(global: &Global, args: &ServeArgs) -> Result<Exit, Failure> {
    let config = Config::load(serve_overrides(global, args))?;
    let mut tenants: Vec<_> = config.tenants.values().collect();
    tenants.sort_by(|a, b| a.id.cmp(&b.id));
    let (dial, freeswitch) = (&config.tenants["default"].asterisk, &config.tenants["default"].freeswitch);
    let warnings = warnings(&config);
    if global.json {
        let tenant = |t: &&crate::routing::Tenant| {
            json!({
                "id": t.id,
                "domain": t.freeswitch.domain,
                "country": t.plan.country().map(|c| c.code()),
                "emergency": t.plan.emergency_numbers(),
                "extension_digits_max": t.plan.extension_digits_max(),
                "short_codes": t.plan.short_codes(),
                "fallback": t.fallback.as_ref().map(ToString::to_string),
                "name_several": t.names.several.word(),
                "name_trunk": t.names.trunk.word(),
                "name_hint": t.names.hint.word(),
                "name_ascii": t.names.ascii,
            })
        };
        print::json(&json!({
            "file": config.file,
            "data": config.data,
            "admin": config.admin,
            "agi": config.agi,
            "esl": config.esl,
            "lookup_http": config.lookup_http,
            "http": config.http,
            "answer_budget_ms": config.answer_budget.as_millis() as u64,
            "sessions_max": config.sessions_max,
            "call_threads": config.call_threads,
            "log": config.log,
            "log_format": config.log_format.word(),
            "log_numbers": config.log_numbers,
            "otel_endpoint": config.otel.endpoint,
            "otel_sample": config.otel.sample,
            "dial": { "trunk": dial.trunk, "timeout_seconds": dial.timeout_seconds, "asterisk": {
                "extension": dial.extension.to_string(), "number": dial.number.to_string(), "options": dial.options },
                "freeswitch": { "domain": freeswitch.domain, "extension": freeswitch.extension.to_string(),
                "number": freeswitch.number.to_string(), "options": freeswitch.options } },
            "tenants": tenants.iter().map(tenant).collect::<Vec<_>>(),
            "switches": config.switches.iter().map(switch_json).collect::<Vec<_>>(),
            "events": events_rows(&config.events).into_iter().collect::<std::collections::BTreeMap<_, _>>(),
            "warnings": warnings,
        }));
        return Ok(Exit::Done);
    }
    let file = config.file.as_ref().map_or("none; these are the defaults".to_owned(), |f| f.display().to_string());
    let mut rows: Vec<Vec<String>> = [
        ("file", file),
        ("data", config.data.display().to_string()),
        ("admin", config.admin.display().to_string()),
        ("agi", config.agi.to_string()),
        ("esl", config.esl.to_string()),
        ("lookup_http", config.lookup_http.to_string()),
        ("http", config.http.to_string()),
        ("answer_budget_ms", config.answer_budget.as_millis().to_string()),
        ("sessions_max", config.sessions_max.to_string()),
        ("call_threads", config.call_threads.to_string()),
        ("log", config.log.clone()),
        ("log_format", config.log_format.word().to_owned()),
        ("log_numbers", config.log_numbers.to_string()),
        ("otel_endpoint", config.otel.endpoint.clone().unwrap_or_else(|| "none; calls are not traced".to_owned())),
        ("otel_sample", config.otel.sample.to_string()),
        ("dial.trunk", dial.trunk.clone()),
        ("dial.timeout_seconds", dial.timeout_seconds.to_string()),
        ("dial.asterisk.extension", dial.extension.to_string()),
        ("dial.asterisk.number", dial.number.to_string()),
        ("dial.asterisk.options", dial.options.clone()),
        ("dial.freeswitch.domain", freeswitch.domain.clone().unwrap_or_else(|| "the switch's own".to_owned())),
        ("dial.freeswitch.extension", freeswitch.extension.to_string()),
        ("dial.freeswitch.number", freeswitch.number.to_string()),
        ("dial.freeswitch.options", freeswitch.options.clone()),
    ]
    .into_iter()
    .map(|(name, value)| vec![name.to_owned(), value])
    .collect();
    for tenant in &tenants {
        let country = tenant.plan.country().map_or("no country".to_owned(), |c| c.code());
        let fallback = tenant.fallback.as_ref().map_or("continue".to_owned(), ToString::to_string);
        let emergency = tenant.plan.emergency_numbers().join(" ");
        let (digits, codes) = (tenant.plan.extension_digits_max(), tenant.plan.short_codes().join(" "));
        let codes = if codes.is_empty() { "none".to_owned() } else { codes };
        let domain = tenant.freeswitch.domain.as_deref().map_or(String::new(), |domain| format!(", domain {domain}"));
        let names = names_text(&tenant.names);
        rows.push(vec![
            format!("tenant {}", tenant.id),
            format!(
                "{country}{domain}, emergency {emergency}, extensions of up to {digits} digits, short codes {codes}, fallback {fallback}{names}"
            ),
        ]);
    }
    rows.extend(events_rows(&config.events).into_iter().map(|(key, value)| vec![format!("events.{key}"), text_of(&value)]));
    rows.extend(config.switches.iter().map(|switch| vec![format!("switch {}", switch.name), switch_text(switch)]));
    print::out(&print::columns(&rows));
    for warning in warnings {
        print::line(&format!("warning: {warning}"));
    }
    Ok(Exit::Done)
}

/// A tenant's way to name callers.
fn names_text(names: &NamePolicy) -> String {
    let (several, trunk, hint) = (names.several.word(), names.trunk.word(), names.hint.word());
    format!(", name_several {several}, name_trunk {trunk}, name_hint {hint}, name_ascii {}", names.ascii)
}

/// A switch as `check` tells it; where its secret is, and never the secret.
fn switch_json(switch: &SwitchConfig) -> serde_json::Value {
    let secret_file = match &switch.secret {
        Secret::File(path) => Some(path),
        Secret::Text(_) => None,
    };
    json!({
        "name": switch.name,
        "kind": switch.kind.word(),
        "address": switch.address,
        "user": switch.user,
        "secret_file": secret_file,
        "tenant": switch.tenant,
        "events": switch.events,
    })
}

fn switch_text(switch: &SwitchConfig) -> String {
    let user = switch.user.as_deref().map_or("without a user".to_owned(), |user| format!("as {user}"));
    let secret = match &switch.secret {
        Secret::File(path) => format!("secret in {}", path.display()),
        Secret::Text(_) => "secret in the configuration".to_owned(),
    };
    let events = if switch.events.is_empty() { "none".to_owned() } else { switch.events.join(", ") };
    format!("{} at {} {user}, {secret}, tenant {}, further events: {events}", switch.kind.word(), switch.address, switch.tenant)
}

/// The keys of `[events]`, and what they are set to.
fn events_rows(events: &EventsConfig) -> Vec<(&'static str, serde_json::Value)> {
    let priority = match events.priority {
        Priority::Idle => "idle",
        Priority::Nice => "nice",
    };
    vec![
        ("priority", json!(priority)),
        ("ring_events_max", json!(events.ring_events_max)),
        ("ring_bytes_max", json!(events.ring_bytes_max)),
        ("calls_max", json!(events.calls_max)),
        ("call_hours_max", json!(events.call_hours_max)),
        ("journal_days", json!(events.journal_days)),
        ("journal_mb_max", json!(events.journal_mb_max)),
    ]
}

/// A value without JSON's quotes.
fn text_of(value: &serde_json::Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}
