//! The ways in which a switch asks, installed from the samples as their README.md says.

use super::servers::Agent;
use super::{CidLookup, FakeSwitch, XmlCurl, sample};
use std::time::Duration;

/// Longer than an answer takes on a machine that is busy with other tests.
pub const PLENTY: Duration = Duration::from_secs(10);

/// What a site has of its own: a default for every number, and a place to go to.
pub const SITE: &str = r#"<include>
  <context name="public"><extension name="site"><condition field="destination_number" expression="^(.*)$">
    <action application="set" data="site=default"/><action application="bridge" data="user/reception"/></condition></extension></context>
  <context name="default"><extension name="inside"><condition field="destination_number" expression="^(500|reception)$">
    <action application="set" data="site=inside"/><action application="bridge" data="user/$1"/></condition></extension></context>
</include>"#;

/// A switch that asks over the socket, as README.md installs it.
pub fn socket_way(agent: &Agent) -> FakeSwitch {
    let mut switch = FakeSwitch::new();
    switch.load_sample("strowger_entry.xml", "public", &[]);
    switch.load_sample("strowger_socket.xml", "", &[("127.0.0.1:8084", &agent.socket.to_string())]);
    switch.load(SITE, "");
    switch
}

/// What telephones' own context has: an extension, the entry for what they dial, a star code of the switch's own, and what
/// dialled out before.
const TELEPHONES: [&str; 2] = [
    r#"<context name="default"><extension name="inside"><condition field="destination_number" expression="^(500)$">
        <action application="set" data="site=inside"/><action application="bridge" data="user/$1"/></condition></extension></context>"#,
    r#"<context name="default"><extension name="star"><condition field="destination_number" expression="^\*97$">
        <action application="set" data="site=inside"/></condition></extension>
      <extension name="outside"><condition field="destination_number" expression="^(\+?\d{3,})$">
        <action application="set" data="site=outside"/><action application="bridge" data="sofia/gateway/mine/$1"/></condition></extension>
      </context>"#,
];

/// A switch whose telephones ask over the socket, as README.md installs it.
pub fn outbound_way(agent: &Agent) -> FakeSwitch {
    let mut switch = FakeSwitch::new();
    switch.load(TELEPHONES[0], "");
    switch.load_sample("strowger_outbound.xml", "default", &[]);
    switch.load(TELEPHONES[1], "");
    switch.load_sample("strowger_socket.xml", "", &[("127.0.0.1:8084", &agent.socket.to_string())]);
    switch
}

/// A parameter of a module's configuration.
pub fn parameter(file: &str, name: &str) -> String {
    let text = sample(file);
    let document = roxmltree::Document::parse(&text).unwrap();
    let parameter = document.descendants().find(|n| n.has_tag_name("param") && n.attribute("name") == Some(name));
    parameter.unwrap_or_else(|| panic!("{file} sets no {name}")).attribute("value").unwrap().to_owned()
}

/// A switch that fetches its dialplan, as README.md installs it.
pub fn xml_way(agent: &Agent) -> FakeSwitch {
    let file = "strowger_xml_curl/xml_curl.conf.xml";
    let url = parameter(file, "gateway-url").replace("127.0.0.1:8086", &agent.http.to_string());
    assert!(url.ends_with("/xml?context=public"), "{url}");
    let mut switch = FakeSwitch::new();
    // the sample's own timeout has a test of its own; here a busy machine shouldn't count as a hung server
    switch.xml_curl = Some(XmlCurl { url, timeout: Some(PLENTY) });
    switch.load(SITE, "");
    switch
}

/// A way in which a switch asks.
pub type Way = fn(&Agent) -> FakeSwitch;
pub const BOTH: [Way; 2] = [socket_way, xml_way];

/// A switch that looks callers up with mod_cidlookup, as README.md installs it.
pub fn name_way(agent: &Agent) -> FakeSwitch {
    let file = "strowger_cidlookup/cidlookup.conf.xml";
    let url = parameter(file, "url").replace("127.0.0.1:8086", &agent.http.to_string());
    let mut switch = FakeSwitch::new();
    switch.cidlookup = Some(CidLookup { url, timeout: PLENTY });
    switch.load_sample("strowger_cidlookup/strowger_name.xml", "public", &[]);
    switch.load(SITE, "");
    switch
}
