//! What an administrator should know of a configuration that is right.

use super::unit;
use crate::config::{Config, ServiceUser};
use crate::daemon::untraced;
use crate::routing::{DEFAULT_TENANT, Tenant};
use std::path::Path;

/// Sentences, each with what to do.
pub(super) fn warnings(config: &Config) -> Vec<String> {
    warnings_below(config, Path::new("/"))
}

/// The same on a machine whose files lie below a root.
pub(super) fn warnings_below(config: &Config, root: &Path) -> Vec<String> {
    let mut tenants: Vec<&Tenant> = config.tenants.values().collect();
    tenants.sort_by(|a, b| a.id.cmp(&b.id));
    let mut warnings = Vec::new();
    for tenant in tenants.iter().filter(|t| t.plan.country().is_none()) {
        warnings.push(format!(
            "tenant {} has no country: only numbers that begin with + or 00 are recognised in every spelling; add [[tenant]] id = {:?}, country = \"…\"",
            tenant.id, tenant.id
        ));
    }
    if !config.http.ip().is_loopback() {
        warnings.push(format!(
            "http = {} can be reached from other machines, without encryption: its tokens can be read on the way; put a proxy that speaks TLS in front, or use 127.0.0.1",
            config.http
        ));
    }
    for tenant in &tenants {
        let is_same = |other: &&&Tenant| other.id != tenant.id && other.freeswitch.domain == tenant.freeswitch.domain;
        if tenant.id != DEFAULT_TENANT && tenant.freeswitch.domain.is_some() && tenants.iter().any(|other| is_same(&other)) {
            warnings.push(format!(
                "tenant {} has the FreeSWITCH domain of another tenant, so that both ring the same users; add domain = \"…\" to its [[tenant]]",
                tenant.id
            ));
        }
    }
    let allowed = &config.allowed;
    let doors =
        [("agi", config.agi, &allowed.agi), ("esl", config.esl, &allowed.esl), ("lookup_http", config.lookup_http, &allowed.lookup_http)];
    for (key, address, peers) in doors.into_iter().filter(|(_, address, _)| !address.ip().is_loopback()) {
        warnings.push(format!(
            "{key} = {address} can be reached from other machines, and answers {peers}: what it says can be read on the way; let nobody else into that network"
        ));
    }
    warnings.extend(unit::kept_back(config, root));
    warnings.extend(untraced(&config.otel));
    let service = ServiceUser::of(config);
    warnings.extend(config.switches.iter().flat_map(|switch| switch.warnings(&service)));
    warnings
}
