//! Whom systemd lets the server speak with.
//!
//! The packaged unit drops every packet from and to other machines, until the administrator names them (`IPAddressAllow=`).
//! Nobody is told of such a packet: a switch elsewhere just seems to be silent, a question from elsewhere never comes. So what
//! the configuration names is compared with what the unit says, wherever that unit is installed.

use crate::config::Config;
use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::{Path, PathBuf};

/// The packaged unit.
const UNIT: &str = "strowger.service";
/// Where systemd looks for it below the root, the first first.
const UNIT_DIRS: [&str; 7] = [
    "etc/systemd/system.control",
    "run/systemd/system.control",
    "etc/systemd/system",
    "run/systemd/system",
    "usr/local/lib/systemd/system",
    "usr/lib/systemd/system",
    "lib/systemd/system",
];

/// What of the configuration the unit below a root keeps from the server, and what to do; nothing where there is no unit, or
/// where it lets everything through that is needed.
pub(super) fn kept_back(config: &Config, root: &Path) -> Option<String> {
    let filter = Filter::read(root)?;
    let (mut named, mut addresses, mut names) = (Vec::new(), BTreeSet::new(), BTreeSet::new());
    for (what, host) in far_ends(config) {
        match host {
            Host::Network(network) if !filter.lets_through(&network) => {
                named.push(format!("{} ({what})", shown(&network)));
                addresses.insert(shown(&network));
            }
            // it isn't looked up here: where somebody else is let through, it is taken for that one
            Host::Name(name) if filter.is_of_this_machine() => {
                named.push(format!("{name} ({what})"));
                names.insert(name);
            }
            Host::Network(_) | Host::Name(_) => {}
        }
    }
    if named.is_empty() {
        return None;
    }
    let mut line: Vec<String> = addresses.into_iter().collect();
    line.extend(names.iter().map(|name| format!("ADDRESS-OF-{name}")));
    let resolver = if names.is_empty() { "" } else { " (and the address of the name server, if that is another machine)" };
    Some(format!(
        "systemd's {UNIT} keeps the server from {}, both ways and without a word; systemctl edit {UNIT}, write [Service] and below it \
         IPAddressAllow={}{resolver}, then systemctl restart {UNIT}",
        named.join(", "),
        line.join(" ")
    ))
}

/// Whoever the server speaks with on another machine.
enum Host {
    Network(IpNet),
    Name(String),
}

/// What the configuration says of other machines: what it is there, and which.
fn far_ends(config: &Config) -> Vec<(String, Host)> {
    let mut ends = Vec::new();
    let switches = config.switches.iter().map(|switch| (format!("switch {}", switch.name), host_of(&switch.address)));
    let collector = config.otel.endpoint.as_deref().map(|url| {
        let authority = url.split_once("://").map_or(url, |(_, rest)| rest).split('/').next().unwrap_or_default();
        ("otel_endpoint".to_owned(), host_of(authority))
    });
    for (what, host) in switches.chain(collector) {
        match host.parse::<IpAddr>() {
            Ok(address) if address.is_loopback() => {}
            Ok(address) => ends.push((what, Host::Network(address.into()))),
            Err(_) if host == "localhost" => {}
            Err(_) => ends.push((what, Host::Name(host.to_owned()))),
        }
    }
    let allowed = &config.allowed;
    for (name, address, peers) in [
        ("agi_allow", config.agi, &allowed.agi),
        ("esl_allow", config.esl, &allowed.esl),
        ("lookup_http_allow", config.lookup_http, &allowed.lookup_http),
        ("http_allow", config.http, &allowed.http),
    ] {
        if !address.ip().is_loopback() {
            ends.extend(peers.networks().iter().map(|network| (name.to_owned(), Host::Network(*network))));
        }
    }
    ends
}

/// The host of a host and port.
fn host_of(text: &str) -> &str {
    let host = match text.rsplit_once(':') {
        Some((host, _)) if !text.ends_with(']') => host,
        _ => text,
    };
    host.trim_start_matches('[').trim_end_matches(']')
}

/// A single address without its length.
fn shown(network: &IpNet) -> String {
    if network.prefix_len() == network.max_prefix_len() { network.addr().to_string() } else { network.to_string() }
}

/// Whom a unit lets through: those that are allowed, then those that aren't denied.
#[derive(Debug, Default, PartialEq, Eq)]
struct Filter {
    allow: Vec<IpNet>,
    deny: Vec<IpNet>,
}

impl Filter {
    /// What the unit and whatever was dropped into it say; nothing where it isn't installed.
    fn read(root: &Path) -> Option<Filter> {
        let dirs = UNIT_DIRS.map(|dir| root.join(dir));
        let unit = dirs.iter().find_map(|dir| std::fs::read_to_string(dir.join(UNIT)).ok())?;
        let mut filter = Filter::default();
        filter.take(&unit);
        for file in drop_ins(&dirs) {
            filter.take(&std::fs::read_to_string(file).unwrap_or_default());
        }
        Some(filter)
    }

    fn take(&mut self, text: &str) {
        let mut is_service = false;
        // a line goes on behind a backslash
        for line in text.replace("\\\n", " ").lines().map(str::trim) {
            if line.starts_with('[') {
                is_service = line == "[Service]";
            }
            let Some((key, value)) = line.split_once('=').filter(|_| is_service) else { continue };
            let list = match key.trim_end() {
                "IPAddressAllow" => &mut self.allow,
                "IPAddressDeny" => &mut self.deny,
                _ => continue,
            };
            if value.trim().is_empty() {
                list.clear();
            }
            list.extend(value.split_whitespace().flat_map(networks_of));
        }
    }

    fn lets_through(&self, network: &IpNet) -> bool {
        let meets = |other: &IpNet| other.contains(network) || network.contains(other);
        self.allow.iter().any(|allowed| allowed.contains(network)) || !self.deny.iter().any(meets)
    }

    /// Whether it lets through nobody but this machine.
    fn is_of_this_machine(&self) -> bool {
        !self.deny.is_empty() && self.allow.iter().all(|network| network.addr().is_loopback())
    }
}

/// Files that change a unit, in their order: by their names, and of two of one name the first directory's.
fn drop_ins(dirs: &[PathBuf]) -> Vec<PathBuf> {
    let mut files = Vec::<PathBuf>::new();
    for dir in dirs {
        for entry in std::fs::read_dir(dir.join(format!("{UNIT}.d"))).into_iter().flatten().flatten() {
            let path = entry.path();
            let is_new = files.iter().all(|file| file.file_name() != path.file_name());
            if is_new && path.extension().is_some_and(|ending| ending == "conf") {
                files.push(path);
            }
        }
    }
    files.sort_by(|a, b| a.file_name().cmp(&b.file_name()));
    files
}

/// What a word of systemd's stands for (systemd.resource-control(5)).
fn networks_of(word: &str) -> Vec<IpNet> {
    let both = |v4, v4_bits, v6, v6_bits| {
        let (v4, v6) = (Ipv4Net::new(Ipv4Addr::from(v4), v4_bits), Ipv6Net::new(Ipv6Addr::from(v6), v6_bits));
        v4.map(IpNet::from).into_iter().chain(v6.map(IpNet::from)).collect()
    };
    match word {
        "any" => both([0, 0, 0, 0], 0, [0; 8], 0),
        "localhost" => both([127, 0, 0, 0], 8, [0, 0, 0, 0, 0, 0, 0, 1], 128),
        "link-local" => both([169, 254, 0, 0], 16, [0xfe80, 0, 0, 0, 0, 0, 0, 0], 64),
        "multicast" => both([224, 0, 0, 0], 4, [0xff00, 0, 0, 0, 0, 0, 0, 0], 8),
        _ => {
            let network = word.parse::<IpNet>().map(|network| network.trunc()).ok();
            network.or_else(|| word.parse::<IpAddr>().map(IpNet::from).ok()).into_iter().collect()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is packaged.
    const PACKAGED: &str = include_str!("../../packaging/systemd/strowger.service");
    const FAR: &str = "agi = \"0.0.0.0:4573\"\nagi_allow = [\"198.51.100.0/24\"]\nhttp_allow = [\"203.0.113.1\"]\n\
        otel_endpoint = \"http://127.0.0.1:4318\"\n\
        [[switch]]\nname = \"pbx\"\nkind = \"asterisk\"\naddress = \"192.0.2.5:5038\"\nuser = \"u\"\nsecret = \"s\"\n\
        [[switch]]\nname = \"near\"\nkind = \"freeswitch\"\naddress = \"localhost\"\nsecret = \"s\"\n\
        [[switch]]\nname = \"six\"\nkind = \"freeswitch\"\naddress = \"[2001:db8::5]:8021\"\nsecret = \"s\"\n";

    fn config(text: &str) -> Config {
        Config::from_text(text.to_owned()).unwrap()
    }

    /// A root with the packaged unit, and drop-ins by these names.
    fn root(drop_ins: &[(&str, &str)]) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        let put = |path: &str, text: &str| {
            let path = root.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        };
        put("lib/systemd/system/strowger.service", PACKAGED);
        drop_ins.iter().for_each(|(name, text)| put(name, text));
        root
    }

    #[test]
    fn what_the_packaged_unit_keeps_back_is_said_with_the_line_to_write() {
        let root = root(&[]);
        let said = kept_back(&config(FAR), root.path()).expect("three are kept back");
        assert!(said.contains("192.0.2.5 (switch pbx), 2001:db8::5 (switch six), 198.51.100.0/24 (agi_allow), both ways"), "{said}");
        assert!(said.contains("; systemctl edit strowger.service, write [Service] and below it "), "{said}");
        assert!(said.contains("IPAddressAllow=192.0.2.5 198.51.100.0/24 2001:db8::5, then systemctl restart"), "{said}");
        for near in ["", "agi_allow = [\"192.0.2.1\"]\n"] {
            assert_eq!(kept_back(&config(near), root.path()), None, "nobody comes in on loopback from elsewhere");
        }
        // it is among what check, doctor and the start say
        let warnings = super::super::warnings::warnings_below(&config(FAR), root.path());
        assert!(warnings.contains(&said), "{warnings:?}");
    }

    #[test]
    fn where_the_unit_is_not_installed_or_lets_them_through_nothing_is_said() {
        let bare = tempfile::tempdir().unwrap();
        assert_eq!(kept_back(&config(FAR), bare.path()), None);
        let drop_in = "etc/systemd/system/strowger.service.d/override.conf";
        let all = "[Service]\nIPAddressAllow=192.0.2.0/24 \\\n 2001:db8::5\n# more\nIPAddressAllow = 198.51.100.7/24\n";
        assert_eq!(kept_back(&config(FAR), root(&[(drop_in, all)]).path()), None);
        assert_eq!(kept_back(&config(FAR), root(&[(drop_in, "[Service]\nIPAddressDeny=\n")]).path()), None);
        assert_eq!(kept_back(&config(FAR), root(&[(drop_in, "[Service]\nIPAddressAllow=any\n")]).path()), None);
        // a part of them, another section's, and a unit of the administrator's own in its place
        let a_part = "[Service]\nIPAddressAllow=192.0.2.5 198.51.100.7\n";
        let said = kept_back(&config(FAR), root(&[(drop_in, a_part)]).path()).unwrap();
        assert!(!said.contains("192.0.2.5") && said.contains("IPAddressAllow=198.51.100.0/24 2001:db8::5,"), "{said}");
        assert!(kept_back(&config(FAR), root(&[(drop_in, "[Unit]\nIPAddressAllow=any\n")]).path()).is_some());
        let own = ("etc/systemd/system/strowger.service", "[Service]\nExecStart=/usr/bin/strowger serve\n");
        assert_eq!(kept_back(&config(FAR), root(&[own]).path()), None);
    }

    #[test]
    fn what_was_set_by_systemctl_set_property_counts() {
        for dir in ["etc", "run"] {
            let set = format!("{dir}/systemd/system.control/strowger.service.d/50-IPAddressAllow.conf");
            assert_eq!(kept_back(&config(FAR), root(&[(&set, "[Service]\nIPAddressAllow=any\n")]).path()), None);
        }
    }

    #[test]
    fn a_drop_in_that_comes_later_says_it_last_and_one_in_etc_hides_its_namesake() {
        let of = |name: &str, dir: &str| format!("{dir}/systemd/system/strowger.service.d/{name}.conf");
        let (open, shut) = ("[Service]\nIPAddressAllow=any\n", "[Service]\nIPAddressAllow=\nIPAddressAllow=localhost\n");
        let later = root(&[(&of("10-a", "etc"), open), (&of("20-b", "usr/lib"), shut)]);
        assert!(kept_back(&config(FAR), later.path()).is_some());
        let hidden = root(&[(&of("10-a", "etc"), open), (&of("10-a", "usr/lib"), shut)]);
        assert_eq!(kept_back(&config(FAR), hidden.path()), None);
    }

    #[test]
    fn a_switch_that_is_known_by_name_is_said_where_nobody_else_is_let_through() {
        let named = "otel_endpoint = \"http://collector.example:4318/v1\"\n\
            [[switch]]\nname = \"pbx\"\nkind = \"freeswitch\"\naddress = \"pbx.example\"\nsecret = \"s\"\n";
        let said = kept_back(&config(named), root(&[]).path()).unwrap();
        assert!(said.contains("pbx.example (switch pbx), collector.example (otel_endpoint)"), "{said}");
        assert!(said.contains("IPAddressAllow=ADDRESS-OF-collector.example ADDRESS-OF-pbx.example (and the address of the name"), "{said}");
        let drop_in = ("etc/systemd/system/strowger.service.d/override.conf", "[Service]\nIPAddressAllow=192.0.2.0/24\n");
        assert_eq!(kept_back(&config(named), root(&[drop_in]).path()), None);
    }
}
