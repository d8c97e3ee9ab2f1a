//! FreeSWITCH's event_socket.conf.xml, as far as it can be read.
//!
//! What isn't in it or is empty has a default: it listens on 127.0.0.1, lets in whom the list `loopback.auto` has
//! (127.0.0.0/8 and ::1), and takes the password that everybody knows. So the file that an installation comes with, which
//! listens on `::` and names no list, is open to this machine alone.

use super::{Finding, file};
use ipnet::IpNet;
use quick_xml::Reader;
use quick_xml::events::Event;
use std::net::IpAddr;
use std::path::Path;

/// The password that every installation comes with.
const DEFAULT_PASSWORD: &str = "ClueCon";

pub(super) fn examine(dir: &Path) -> Vec<Finding> {
    if !dir.is_dir() {
        return vec![Finding::fine("FreeSWITCH", format!("{} isn't here", dir.display()))];
    }
    let path = dir.join("autoload_configs/event_socket.conf.xml");
    let place = path.display().to_string();
    match file::read(&path) {
        Ok(text) => event_socket(&place, &text),
        Err(why) => vec![Finding::warning(place, format!("can't be read ({why})"), "run doctor as root to have it examined")],
    }
}

/// The `param` elements: name and value.
fn params(text: &str) -> Result<Vec<(String, String)>, String> {
    let mut reader = Reader::from_str(text);
    let mut params = Vec::new();
    loop {
        match reader.read_event().map_err(|e| e.to_string())? {
            Event::Eof => return Ok(params),
            Event::Empty(tag) | Event::Start(tag) if tag.name().as_ref() == "param" => {
                let value = |key: &str| {
                    let found = tag.attributes().flatten().find(|a| a.key.as_ref() == key);
                    found.map(|a| a.value.into_owned()).unwrap_or_default()
                };
                params.push((value("name"), value("value")));
            }
            _ => {}
        }
    }
}

/// Who gets as far as the password.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reach {
    /// This machine.
    Loopback,
    /// Whom a list has.
    Listed,
    /// Whoever reaches the port.
    Everybody,
}

/// Whom one list lets in: one of those that FreeSWITCH makes by itself, networks, or one of acl.conf.xml.
fn reach_of(list: &str) -> Reach {
    let networks: Option<Vec<IpNet>> = list.split(',').map(|one| one.trim().parse().ok()).collect();
    match (list, networks) {
        ("loopback.auto", _) => Reach::Loopback,
        ("any_v4.auto" | "any_v6.auto", _) => Reach::Everybody,
        (_, Some(networks)) if networks.iter().all(|network| network.addr().is_loopback() && network.prefix_len() >= 8) => Reach::Loopback,
        (_, Some(networks)) if networks.iter().any(|network| network.prefix_len() == 0) => Reach::Everybody,
        _ => Reach::Listed,
    }
}

/// Whom all lists together let in: each of them has to. Without any there is one by default.
fn reach(lists: &[&str]) -> Reach {
    let each: Vec<Reach> = lists.iter().map(|list| reach_of(list)).collect();
    match () {
        () if each.is_empty() || each.contains(&Reach::Loopback) => Reach::Loopback,
        () if each.contains(&Reach::Listed) => Reach::Listed,
        () => Reach::Everybody,
    }
}

fn event_socket(place: &str, text: &str) -> Vec<Finding> {
    let params = match params(text) {
        Ok(params) => params,
        Err(why) => return vec![Finding::warning(place, format!("is no XML ({why})"), "mend it; FreeSWITCH doesn't load it either")],
    };
    let values = |name: &'static str| {
        params.iter().filter(move |(key, value)| key.eq_ignore_ascii_case(name) && !value.is_empty()).map(|(_, value)| value.as_str())
    };
    let value = |name| values(name).next_back();
    let address = value("listen-ip").unwrap_or("127.0.0.1");
    let is_local = address.starts_with("127.") || address == "::1" || address == "localhost";
    let lists: Vec<&str> = values("apply-inbound-acl").collect();
    let by_lists = reach(&lists);
    let reach = if is_local { Reach::Loopback } else { by_lists };
    let has_default_password = value("password").is_none_or(|password| password == DEFAULT_PASSWORD);
    let mut findings = vec![match reach {
        Reach::Everybody => {
            let what = format!("listens on {address}, and lets everybody in who knows the password");
            Finding::bad(place, what, "listen-ip 127.0.0.1, or apply-inbound-acl with strowger's address")
        }
        // who connects to such an address on this machine comes from there, and not from loopback
        Reach::Loopback if !is_local && address.parse::<IpAddr>().is_ok_and(|ip| !ip.is_unspecified()) => {
            let what = format!("listens on {address}, where nobody comes from loopback, and lets nobody in who doesn't");
            Finding::warning(place, what, "listen-ip 127.0.0.1, or apply-inbound-acl with strowger's address")
        }
        Reach::Loopback if !is_local && lists.is_empty() => Finding::fine(
            place,
            format!(
                "listens on {address}, and lets in this machine alone, which is the default without apply-inbound-acl (very old \
                 versions, before 1.6 or so, have none: there write apply-inbound-acl loopback.auto)"
            ),
        ),
        Reach::Loopback => Finding::fine(place, format!("listens on {address}, and lets in this machine alone")),
        Reach::Listed => Finding::fine(place, format!("listens on {address}, and lets in whom {} has", lists.join(" and "))),
    }];
    if has_default_password {
        let what = "the password is the one that everybody knows";
        let remedy = "write another, 20 random characters or more, and reload mod_event_socket";
        findings.push(match reach {
            Reach::Loopback => Finding::warning(place, what, remedy),
            Reach::Listed | Reach::Everybody => Finding::bad(place, what, remedy),
        });
    }
    if value("stop-on-bind-error") == Some("true") {
        let what = "FreeSWITCH doesn't start where the port is taken";
        findings.push(Finding::warning(place, what, "stop-on-bind-error false, unless that is what you want"));
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::super::Severity;
    use super::*;

    fn found(params: &[(&str, &str)]) -> Vec<(Severity, String)> {
        let params: String = params.iter().map(|(name, value)| format!("<param name=\"{name}\" value=\"{value}\"/>")).collect();
        let text = format!("<configuration name=\"event_socket.conf\"><settings><!-- x -->{params}</settings></configuration>");
        event_socket("x", &text).into_iter().map(|f| (f.severity, f.what)).collect()
    }

    fn severities(params: &[(&str, &str)]) -> Vec<Severity> {
        found(params).into_iter().map(|(severity, _)| severity).collect()
    }

    const OWN: (&str, &str) = ("password", "0123456789abcdef");

    #[test]
    fn the_file_that_freeswitch_comes_with_is_open_to_this_machine_alone() {
        use Severity::{Fine, Warning};
        let as_installed = "<configuration name=\"event_socket.conf\" description=\"Socket Client\">\n  <settings>\n    \
            <param name=\"nat-map\" value=\"false\"/>\n    <param name=\"listen-ip\" value=\"::\"/>\n    \
            <param name=\"listen-port\" value=\"8021\"/>\n    <param name=\"password\" value=\"ClueCon\"/>\n    \
            <!--<param name=\"apply-inbound-acl\" value=\"loopback.auto\"/>-->\n    \
            <!--<param name=\"stop-on-bind-error\" value=\"true\"/>-->\n  </settings>\n</configuration>\n";
        let all = event_socket("x", as_installed);
        assert_eq!(all.iter().map(|f| f.severity).collect::<Vec<_>>(), [Fine, Warning], "{all:?}");
        assert!(all[0].what.contains("before 1.6 or so"), "{all:?}");
        assert_eq!(severities(&[("listen-ip", "::"), OWN]), [Fine]);
        assert_eq!(severities(&[("listen-ip", "::"), ("apply-inbound-acl", ""), OWN]), [Fine], "an empty list is none");
        assert_eq!(severities(&[]), [Fine, Warning], "on 127.0.0.1, where nobody says where");
        assert!(found(&[("listen-ip", "")])[0].1.starts_with("listens on 127.0.0.1, "));
    }

    #[test]
    fn the_password_that_everybody_knows_is_bad_where_others_can_try_it() {
        use Severity::{Bad, Fine, Warning};
        let with = |list, password| severities(&[("Listen-IP", "0.0.0.0"), ("apply-inbound-acl", list), ("password", password)]);
        for list in ["loopback.auto", "127.0.0.0/8", "127.0.0.1/32,::1/128"] {
            assert_eq!((with(list, "ClueCon"), with(list, OWN.1)), (vec![Fine, Warning], vec![Fine]), "{list}");
        }
        for list in ["lan", "192.0.2.0/24", "127.0.0.1/32,192.0.2.0/24"] {
            assert_eq!((with(list, "ClueCon"), with(list, OWN.1)), (vec![Fine, Bad], vec![Fine]), "{list}");
        }
        for list in ["any_v4.auto", "0.0.0.0/0", "::/0"] {
            assert_eq!((with(list, "ClueCon"), with(list, OWN.1)), (vec![Bad, Bad], vec![Bad]), "{list}");
        }
        let both = [("listen-ip", "::"), ("apply-inbound-acl", "any_v6.auto"), ("apply-inbound-acl", "loopback.auto"), OWN];
        assert_eq!(severities(&both), [Fine], "each list has to let somebody in");
        assert_eq!(severities(&[("listen-ip", "127.0.0.1"), ("apply-inbound-acl", "lan")]), [Fine, Warning]);
    }

    #[test]
    fn an_address_that_nobody_reaches_from_loopback_needs_a_list() {
        let all = found(&[("listen-ip", "192.0.2.5"), OWN]);
        assert!(all.len() == 1 && all[0].0 == Severity::Warning && all[0].1.contains("where nobody comes from loopback"), "{all:?}");
        assert_eq!(severities(&[("listen-ip", "192.0.2.5"), ("apply-inbound-acl", "192.0.2.5/32"), OWN]), [Severity::Fine]);
        assert_eq!(event_socket("x", "<a><b></a>")[0].severity, Severity::Warning);
    }
}
