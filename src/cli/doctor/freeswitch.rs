//! FreeSWITCH's event_socket.conf.xml, as far as it can be read.

use super::parts;
use super::{Finding, Severity};
use quick_xml::Reader;
use quick_xml::events::Event;
use std::path::Path;

/// The password that every installation comes with.
const DEFAULT_PASSWORD: &str = "ClueCon";

pub(super) fn examine(dir: &Path) -> Vec<Finding> {
    if !dir.is_dir() {
        return vec![Finding::fine("FreeSWITCH", format!("{} isn't here", dir.display()))];
    }
    let path = dir.join("autoload_configs/event_socket.conf.xml");
    let place = path.display().to_string();
    match parts::read(&path) {
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

fn event_socket(place: &str, text: &str) -> Vec<Finding> {
    let params = match params(text) {
        Ok(params) => params,
        Err(why) => return vec![Finding::warning(place, format!("is no XML ({why})"), "mend it; FreeSWITCH doesn't load it either")],
    };
    let value = |name: &str| params.iter().rev().find(|(key, _)| key == name).map(|(_, value)| value.as_str());
    let mut findings = Vec::new();
    // FreeSWITCH listens everywhere where nobody says where
    let address = value("listen-ip").unwrap_or("::");
    let is_open = !address.starts_with("127.") && address != "::1" && address != "localhost";
    let has_list = value("apply-inbound-acl").is_some();
    if value("password").is_none_or(|password| password == DEFAULT_PASSWORD) {
        let what = "the password is the one that everybody knows";
        let remedy = "write another, 20 random characters or more, and reload mod_event_socket";
        findings.push(if is_open { Finding::bad(place, what, remedy) } else { Finding::warning(place, what, remedy) });
    }
    if is_open && !has_list {
        let what = format!("listens on {address}, and lets everybody in who knows the password");
        findings.push(Finding::bad(place, what, "listen-ip 127.0.0.1, or apply-inbound-acl with strowger's address"));
    }
    if value("stop-on-bind-error") == Some("true") {
        let what = "FreeSWITCH doesn't start where the port is taken";
        findings.push(Finding::warning(place, what, "stop-on-bind-error false, unless that is what you want"));
    }
    if !findings.iter().any(|f| f.severity > Severity::Fine) {
        findings.push(Finding::fine(place, format!("listens on {address}, with a password of its own")));
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(params: &[(&str, &str)]) -> Vec<(Severity, String)> {
        let params: String = params.iter().map(|(name, value)| format!("<param name=\"{name}\" value=\"{value}\"/>")).collect();
        let text = format!("<configuration name=\"event_socket.conf\"><settings><!-- x -->{params}</settings></configuration>");
        event_socket("x", &text).into_iter().map(|f| (f.severity, f.what)).collect()
    }

    #[test]
    fn the_password_that_everybody_knows_and_an_open_port_are_found() {
        let all = found(&[("listen-ip", "::"), ("listen-port", "8021"), ("password", "ClueCon")]);
        assert_eq!(all.iter().filter(|(severity, _)| *severity == Severity::Bad).count(), 2, "{all:?}");
        let local = found(&[("listen-ip", "127.0.0.1"), ("password", "ClueCon")]);
        assert_eq!(local.iter().map(|(s, _)| *s).collect::<Vec<_>>(), [Severity::Warning]);
        let fine = found(&[("listen-ip", "127.0.0.1"), ("password", "0123456789abcdef")]);
        assert_eq!(fine[0].0, Severity::Fine);
        assert_eq!(found(&[])[1].0, Severity::Bad, "everywhere, where nobody says where");
        assert_eq!(event_socket("x", "<a><b></a>")[0].severity, Severity::Warning);
    }
}
