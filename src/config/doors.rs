//! `…_allow`: who may come in by a port. A port that the network reaches without such a list stops the start.

use super::{ConfigError, Source};
use crate::peers::{NETWORKS_MAX, Peers};
use std::net::SocketAddr;

/// A list as it stands in the file.
pub(super) type Networks = Option<Vec<toml::Spanned<String>>>;

/// Who may come in where, beside this machine.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Allowed {
    /// At FastAGI.
    pub agi: Peers,
    /// At FreeSWITCH's outbound socket.
    pub esl: Peers,
    /// At the look-up HTTP.
    pub lookup_http: Peers,
    /// At the admin HTTP.
    pub http: Peers,
}

/// Reads the lists of the four doors, in the order of their addresses.
pub(super) fn allowed(source: &Source, doors: [(&str, SocketAddr); 4], lists: [&Networks; 4]) -> Result<Allowed, ConfigError> {
    let mut read = Vec::with_capacity(doors.len());
    for ((name, address), list) in doors.into_iter().zip(lists) {
        let list = list.as_deref().unwrap_or_default();
        if let Some(one) = list.get(NETWORKS_MAX) {
            return Err(source.at(one, format!("{name}_allow has more than {NETWORKS_MAX} entries; write networks, such as 192.0.2.0/24")));
        }
        let networks: Result<Vec<_>, _> =
            list.iter().map(|span| span.get_ref().parse().map_err(|e: String| source.at(span, format!("{name}_allow: {e}")))).collect();
        let peers = Peers::of(networks?);
        if !address.ip().is_loopback() && peers.is_empty() {
            let place = if source.path.as_os_str().is_empty() { name.to_owned() } else { source.path.display().to_string() };
            let what = format!(
                "{name} = {address} can be reached from the network, and nobody says who may come in; write {name}_allow = [\"192.0.2.10\"] \
                 (the switch's address, or a network) or listen on 127.0.0.1"
            );
            return Err(ConfigError { place, what });
        }
        read.push(peers);
    }
    let mut read = read.into_iter();
    let mut next = || read.next().unwrap_or_default();
    Ok(Allowed { agi: next(), esl: next(), lookup_http: next(), http: next() })
}

#[cfg(test)]
mod tests {
    use super::super::{Config, Overrides};

    fn load(text: &str) -> Result<Config, String> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        Config::load(Overrides { config: Some(file.path().into()), ..Overrides::default() }).map_err(|e| e.to_string())
    }

    #[test]
    fn a_port_that_the_network_reaches_needs_a_list_of_who_may_come_in() {
        for key in ["agi", "esl", "lookup_http", "http"] {
            let error = load(&format!("{key} = \"0.0.0.0:9\"\n")).expect_err(key);
            assert!(error.contains(&format!("write {key}_allow = ")), "{error}");
            let error = load(&format!("{key} = \"[::]:9\"\n{key}_allow = []\n")).expect_err(key);
            assert!(error.contains("nobody says who may come in"), "{error}");
            let config = load(&format!("{key} = \"0.0.0.0:9\"\n{key}_allow = [\"192.0.2.0/24\"]\n")).unwrap();
            let peers = [config.allowed.agi, config.allowed.esl, config.allowed.lookup_http, config.allowed.http];
            assert_eq!(peers.iter().filter(|p| p.allow([192, 0, 2, 7].into(), None)).count(), 1, "{key}");
        }
        let error = load("agi = \"0.0.0.0:9\"\nagi_allow = [\"192.0.2.1\",\n\"pbx\"]\n").expect_err("a name");
        assert!(error.contains(":3: agi_allow: \"pbx\" is no address"), "{error}");
    }
}
